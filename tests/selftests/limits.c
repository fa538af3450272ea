// SPDX-License-Identifier: GPL-2.0
/*
 * What a service does not reach, or keeps others from: each as the manual says.
 *
 *	client --> 127.0.0.1:PORT or 127.0.0.2:PORT
 *		   |- a socket that the kernel prefers
 *		   `- the service on 0.0.0.0:PORT --> its replicas
 */
#define _GNU_SOURCE		/* setns */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "request.h"
#include "sk_lookup.h"

#define HERE "127.0.0.1"
#define THERE "127.0.0.2"
#define ANY "0.0.0.0"
#define PORT 8000
#define STRANGER 1000
#define REPLICAS 2
#define CLIENTS 32

FIXTURE(limits)
{
	struct session session;
	int replica[REPLICAS];
};

FIXTURE_VARIANT(limits)
{
	int protocol;
};

FIXTURE_VARIANT_ADD(limits, tcp)
{
	.protocol = IPPROTO_TCP,
};

FIXTURE_VARIANT_ADD(limits, udp)
{
	.protocol = IPPROTO_UDP,
};

FIXTURE_SETUP(limits)
{
	char name[] = "r0";
	int i;

	ASSERT_TRUE(own_netns());
	ASSERT_TRUE(session_open(&self->session));
	ASSERT_EQ(0, service_new(&self->session, "s", variant->protocol, ANY,
				 PORT));
	for (i = 0; i < REPLICAS; i++) {
		self->replica[i] = bound_socket(variant->protocol, ANY, PORT);
		ASSERT_LE(0, self->replica[i]);
		name[1] = '0' + i;
		ASSERT_EQ(0, replica_new(&self->session, "s", name,
					 self->replica[i]));
	}
}

FIXTURE_TEARDOWN(limits)
{
	EXPECT_TRUE(services_gone(&self->session));
	session_close(&self->session);
}

/* A flow from a port of its own, that leaves no TIME_WAIT behind. */
static bool start_flow(int protocol, const char *to)
{
	struct sockaddr_in there = address_of(to, PORT);
	struct linger reset = { .l_onoff = 1 };
	bool started;
	int fd;

	fd = socket(AF_INET, protocol == IPPROTO_TCP ? SOCK_STREAM : SOCK_DGRAM,
		    0);
	if (protocol == IPPROTO_TCP)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	started = !connect(fd, (struct sockaddr *)&there, sizeof(there)) &&
		  (protocol == IPPROTO_TCP || send(fd, "", 1, 0) == 1);
	close(fd);
	return started;
}

static int start_flows(int protocol, const char *to)
{
	int i, started = 0;

	for (i = 0; i < CLIENTS; i++)
		started += start_flow(protocol, to);
	return started;
}

/* Takes a flow that this socket gets in so many milliseconds. */
static bool take_flow(int protocol, int fd, int patience)
{
	struct pollfd event = { .fd = fd, .events = POLLIN };
	char byte;
	int one;

	if (poll(&event, 1, patience) != 1)
		return false;
	if (protocol == IPPROTO_UDP)
		return recv(fd, &byte, 1, MSG_DONTWAIT) == 1;
	one = accept(fd, NULL, NULL);
	close(one);
	return one >= 0;
}

/* Starts flows, and counts those that this socket gets, which is to be all. */
static int flows_to(int protocol, const char *to, int fd)
{
	int i, started = start_flows(protocol, to);

	for (i = 0; i < started; i++)
		if (!take_flow(protocol, fd, WAIT_MS))
			break;
	return i;
}

static struct chring_service now(struct session *session)
{
	struct chring_service service = {};

	chring_service_get(session->chring, "s", &service);
	return service;
}

/* Starts flows that the service is to get. */
static bool are_steered(struct session *session, int protocol, const char *to)
{
	uint64_t before = now(session).picks;
	long end = milliseconds() + WAIT_MS;

	if (start_flows(protocol, to) != CLIENTS)
		return false;
	while (now(session).picks < before + CLIENTS) {
		if (milliseconds() > end)
			return false;
		pause_ms(1);
	}
	return true;
}

/* Whom a look-up finds for a flow that no replica gets; 0 is nobody. */
static uint64_t inode_found(struct session *session, const char *to)
{
	union chring_address from = { .in = address_of(HERE, PORT) };
	union chring_address there = { .in = address_of(to, PORT) };
	char replica[CHRING_NAME_MAX + 1];

	if (chring_lookup(session->chring, "s", &from, &there, replica) ||
	    replica[0])
		return 0;
	return chring_lookup_inode(session->chring);
}

static uint64_t inode_of(int fd)
{
	struct stat status;

	return fstat(fd, &status) ? UINT64_MAX : status.st_ino;
}

TEST_F(limits, a_socket_on_one_address_has_the_flows_to_it)
{
	struct session *session = &self->session;
	int fd = bound_socket(variant->protocol, HERE, PORT);

	ASSERT_LE(0, fd);
	EXPECT_EQ(CLIENTS, flows_to(variant->protocol, HERE, fd));
	EXPECT_EQ(0U, now(session).picks);
	EXPECT_EQ(inode_of(fd), inode_found(session, HERE));
	EXPECT_EQ(0U, inode_found(session, THERE));
	EXPECT_TRUE(are_steered(session, variant->protocol, THERE));
	EXPECT_FALSE(take_flow(variant->protocol, fd, 0));
	close(fd);
	EXPECT_TRUE(are_steered(session, variant->protocol, HERE));
}

TEST_F(limits, a_socket_on_a_device_has_the_flows_from_it)
{
	struct session *session = &self->session;
	int fd = open_socket(variant->protocol, true);

	ASSERT_EQ(0, setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo",
				sizeof("lo")));
	ASSERT_EQ(0, bind_socket(fd, ANY, PORT));
	EXPECT_EQ(CLIENTS, flows_to(variant->protocol, HERE, fd));
	EXPECT_EQ(0U, now(session).picks);
	EXPECT_EQ(inode_of(fd), inode_found(session, HERE));
	close(fd);
	EXPECT_TRUE(are_steered(session, variant->protocol, HERE));
}

/* Whether all users can read of a socket. */
static bool proc_tells(int protocol, uint64_t inode)
{
	const char *path = protocol == IPPROTO_TCP ? "/proc/self/net/tcp" :
						     "/proc/self/net/udp";
	unsigned long long one;
	bool told = false;
	char line[512];
	FILE *file;

	file = fopen(path, "r");
	while (file && fgets(line, sizeof(line), file))
		told |= sscanf(line, "%*s %*s %*s %*s %*s %*s %*s %*s %*s %llu",
			       &one) == 1 && one == inode;
	fclose(file);
	return told;
}

TEST_F(limits, a_look_up_tells_anybody_what_proc_does)
{
	int fd = bound_socket(variant->protocol, HERE, PORT), status;
	struct session session;
	pid_t pid;

	ASSERT_LE(0, fd);
	pid = fork();
	if (!pid) {
		if (!become(STRANGER) || !session_open(&session))
			_exit(1);
		if (inode_found(&session, HERE) != inode_of(fd))
			_exit(2);
		_exit(proc_tells(variant->protocol, inode_of(fd)) ? 0 : 3);
	}
	EXPECT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

static int set_hold(struct session *session, const char *name)
{
	struct nl_msg *msg = request_service(session, CHRING_CMD_SERVICE_SET,
					     name);

	nla_put_u32(msg, CHRING_A_SERVICE_NONE, CHRING_NONE_POLICY_HOLD);
	return ask(session, msg);
}

/* Which has the flows that no replica gets, where they are held. */
TEST_F(limits, a_look_up_tells_of_no_anchor)
{
	struct session *session = &self->session;
	long end = milliseconds() + WAIT_MS;
	struct chring_service service;
	int i;

	ASSERT_EQ(0, set_hold(session, "s"));
	for (i = 0; i < REPLICAS; i++)
		close(self->replica[i]);
	do {
		ASSERT_EQ(0, chring_service_get(session->chring, "s",
						&service));
		ASSERT_GT(end, milliseconds());
		EXPECT_EQ(0U, inode_found(session, HERE));
	} while (service.replicas);
	EXPECT_EQ(0U, inode_found(session, HERE));
}

/* A service on one of the addresses, which the kernel finds before. */
static struct chring_service here(struct session *session)
{
	struct chring_service service = {};

	chring_service_get(session->chring, "here", &service);
	return service;
}

TEST_F(limits, a_look_up_that_another_service_answers_counts_nothing_there)
{
	struct session *session = &self->session;
	long end = milliseconds() + WAIT_MS;
	int fd = bound_socket(variant->protocol, HERE, PORT);
	int i;

	ASSERT_EQ(0, service_new(session, "here", variant->protocol, HERE,
				 PORT));
	ASSERT_EQ(0, replica_new(session, "here", "h", fd));
	for (i = 0; i < CLIENTS; i++)
		EXPECT_EQ(inode_of(fd), inode_found(session, HERE));
	EXPECT_EQ(0U, here(session).picks);
	EXPECT_EQ(CLIENTS, flows_to(variant->protocol, HERE, fd));
	EXPECT_LE((uint64_t)CLIENTS, here(session).picks);

	/* Nobody is there, then the anchor, which is nobody's as well. */
	close(fd);
	while (here(session).replicas) {
		ASSERT_GT(end, milliseconds());
		pause_ms(1);
	}
	EXPECT_EQ(0U, inode_found(session, HERE));
	ASSERT_EQ(0, set_hold(session, "here"));
	EXPECT_EQ(0U, inode_found(session, HERE));
	EXPECT_EQ(0U, here(session).refused);
}

static int netns_of_self(void)
{
	return open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
}

/* A socket of another network namespace. */
static int foreign_socket(int protocol)
{
	int home = netns_of_self(), fd;

	if (home < 0 || !own_netns())
		return -1;
	fd = bound_socket(protocol, HERE, PORT);
	if (setns(home, CLONE_NEWNET))
		return -1;
	close(home);
	return fd;
}

TEST_F(limits, a_look_up_tells_of_no_other_namespace)
{
	union chring_address from = { .in = address_of(HERE, PORT) };
	union chring_address to = { .in = address_of(HERE, PORT) };
	struct chring *chring = self->session.chring;
	char replica[CHRING_NAME_MAX + 1];
	int fd = foreign_socket(variant->protocol);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, chring_lookup(chring, "s", &from, &to, replica));
	EXPECT_STRNE("", replica);
	sk_lookup_attach(PORT, fd, false);
	ASSERT_EQ(0, chring_lookup(chring, "s", &from, &to, replica));
	EXPECT_STREQ("", replica);
	EXPECT_EQ(0U, chring_lookup_inode(chring));
}

static int bind_error(int fd, const char *address)
{
	int err = bind_socket(fd, address, PORT) ? -errno : 0;

	close(fd);
	return err;
}

static int others_bind(int protocol, const char *address)
{
	int fd = open_socket(protocol, true);

	return fchown(fd, STRANGER, -1) ? -errno : bind_error(fd, address);
}

static int selfish_bind(int protocol, const char *address)
{
	return bind_error(open_socket(protocol, false), address);
}

/* With replicas, and without: the anchor is there. */
TEST_F(limits, the_port_is_one_users_and_shared)
{
	int i;

	EXPECT_EQ(-EADDRINUSE, others_bind(variant->protocol, ANY));
	EXPECT_EQ(-EADDRINUSE, selfish_bind(variant->protocol, ANY));
	for (i = 0; i < REPLICAS; i++)
		close(self->replica[i]);
	EXPECT_EQ(-EADDRINUSE, others_bind(variant->protocol, ANY));
	EXPECT_EQ(-EADDRINUSE, others_bind(variant->protocol, HERE));
	EXPECT_EQ(-EADDRINUSE, selfish_bind(variant->protocol, ANY));
	EXPECT_EQ(-EADDRINUSE, selfish_bind(variant->protocol, HERE));
}

TEST_F(limits, who_shares_no_port_has_it_when_the_service_is_gone)
{
	int i;

	for (i = 0; i < REPLICAS; i++)
		close(self->replica[i]);
	ASSERT_EQ(0, chring_service_del(self->session.chring, "s"));
	ASSERT_TRUE(service_gone(&self->session, "s"));
	EXPECT_EQ(0, selfish_bind(variant->protocol, ANY));
}

TEST_F(limits, a_listener_elsewhere_serves_one_service)
{
	struct session *session = &self->session;
	int fd = bound_socket(IPPROTO_TCP, HERE, PORT + 1);

	if (variant->protocol != IPPROTO_TCP)
		return;
	ASSERT_EQ(0, replica_new(session, "s", "elsewhere", fd));
	ASSERT_EQ(0, service_new(session, "t", IPPROTO_TCP, ANY, PORT + 2));
	EXPECT_REFUSED(session,
		       request_replica(session, CHRING_CMD_REPLICA_NEW, "t",
				       "elsewhere", fd, 0),
		       -EBUSY, "another service steers this port",
		       IN(0, CHRING_A_REPLICA_FD));
}

TEST_F(limits, a_member_that_is_no_replica_has_nothing)
{
	int fd = bound_socket(variant->protocol, ANY, PORT);

	ASSERT_LE(0, fd);
	EXPECT_TRUE(are_steered(&self->session, variant->protocol, HERE));
	EXPECT_FALSE(take_flow(variant->protocol, fd, 0));
}

/* A flow that is refused, which its client is told. */
static bool is_refused(int protocol, const char *to)
{
	struct sockaddr_in there = address_of(to, PORT);
	struct pollfd event = { .events = POLLIN };
	int err = 0;

	event.fd = socket(AF_INET, protocol == IPPROTO_TCP ? SOCK_STREAM :
							     SOCK_DGRAM, 0);
	if (connect(event.fd, (struct sockaddr *)&there, sizeof(there))) {
		err = errno;
	} else if (protocol == IPPROTO_UDP) {
		send(event.fd, "", 1, 0);
		poll(&event, 1, WAIT_MS);
		getsockopt(event.fd, SOL_SOCKET, SO_ERROR, &err,
			   &(socklen_t){ sizeof(err) });
	}
	close(event.fd);
	return err == ECONNREFUSED;
}

/* Whether the sweep has been or not, and whichever was bound first. */
TEST_F(limits, a_member_that_is_no_replica_has_nothing_of_the_last_ones)
{
	struct session *session = &self->session;
	int before = self->replica[0], after;
	uint64_t refused = 0;
	bool swept;

	ASSERT_EQ(0, ask(session,
			 request_replica(session, CHRING_CMD_REPLICA_DEL, "s",
					 "r0", -1, 0)));
	after = bound_socket(variant->protocol, ANY, PORT);
	ASSERT_LE(0, after);
	close(self->replica[1]);
	do {
		swept = !now(session).replicas;
		ASSERT_TRUE(is_refused(variant->protocol, HERE));
		ASSERT_EQ(++refused, now(session).refused);
		ASSERT_FALSE(take_flow(variant->protocol, before, 0));
		ASSERT_FALSE(take_flow(variant->protocol, after, 0));
	} while (!swept);
}

/* A socket on both stacks that can be a replica's. */
static int bound_on_both(int protocol)
{
	struct sockaddr_in6 any = {
		.sin6_family = AF_INET6, .sin6_port = htons(PORT),
	};
	int fd = socket(AF_INET6, protocol == IPPROTO_TCP ? SOCK_STREAM :
							    SOCK_DGRAM, 0);

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &(int){ 1 },
		       sizeof(int)) ||
	    bind(fd, (struct sockaddr *)&any, sizeof(any)) ||
	    (protocol == IPPROTO_TCP && listen(fd, 128)))
		return -1;
	return fd;
}

TEST_F(limits, an_ipv4_socket_beside_both_stacks_has_what_is_ipv4)
{
	struct chring_service_request both = {
		.name = "s", .protocol = variant->protocol,
		.local.in6 = { .sin6_family = AF_INET6,
			       .sin6_port = htons(PORT) },
		.owner = CHRING_OWNER_SELF,
	};
	struct session *session = &self->session;
	int fd, i;

	ASSERT_EQ(0, chring_service_del(session->chring, "s"));
	ASSERT_TRUE(service_gone(session, "s"));
	for (i = 0; i < REPLICAS; i++)
		close(self->replica[i]);
	ASSERT_EQ(0, chring_service_new(session->chring, &both));
	fd = bound_on_both(variant->protocol);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, replica_new(session, "s", "both", fd));
	EXPECT_TRUE(are_steered(session, variant->protocol, HERE));

	fd = bound_socket(variant->protocol, ANY, PORT);
	ASSERT_LE(0, fd);
	EXPECT_EQ(CLIENTS, flows_to(variant->protocol, HERE, fd));
	close(fd);
	EXPECT_TRUE(are_steered(session, variant->protocol, HERE));
}

TEST_HARNESS_MAIN
