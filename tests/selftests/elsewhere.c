// SPDX-License-Identifier: GPL-2.0
/*
 * TCP replicas that listen on other ports than the service's.
 *
 *	client --> 127.0.0.1:PORT --- steered ---> listener on its own port
 *	client ------------------- direct ------> the same
 *
 * All sockets are the test's own: whom a connection was given to is who can
 * accept it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "request.h"

#define HERE "127.0.0.1"
#define PORT 8000
#define FIRST_SOURCE 10000
#define CLIENTS 60
#define STRANGER 1000
#define SERVERS 3

FIXTURE(elsewhere)
{
	struct session session;
	int server[SERVERS];
	int client[CLIENTS];
};

FIXTURE_VARIANT(elsewhere)
{
	bool reuseport;
};

FIXTURE_VARIANT_ADD(elsewhere, shared)
{
	.reuseport = true,
};

FIXTURE_VARIANT_ADD(elsewhere, unshared)
{
	.reuseport = false,
};

static int listener(bool reuseport, int port)
{
	int fd = open_socket(IPPROTO_TCP, reuseport);

	if (fd >= 0 && (bind_socket(fd, HERE, port) ||
			fcntl(fd, F_SETFL, O_NONBLOCK))) {
		close(fd);
		return -1;
	}
	return fd;
}

static void close_all(int *clients)
{
	int i;

	for (i = 0; i < CLIENTS; i++) {
		close(clients[i]);
		clients[i] = -1;
	}
}

FIXTURE_SETUP(elsewhere)
{
	char name[] = "r0";
	int i;

	memset(self->client, 0xff, sizeof(self->client));
	ASSERT_TRUE(own_netns());
	ASSERT_TRUE(session_open(&self->session));
	ASSERT_EQ(0, service_new(&self->session, "s", IPPROTO_TCP, HERE, PORT));
	for (i = 0; i < SERVERS; i++) {
		self->server[i] = listener(variant->reuseport, PORT + 1 + i);
		ASSERT_LE(0, self->server[i]);
		name[1] = '0' + i;
		ASSERT_EQ(0, replica_new(&self->session, "s", name,
					 self->server[i]));
	}
}

FIXTURE_TEARDOWN(elsewhere)
{
	int i, fd;

	EXPECT_TRUE(services_gone(&self->session));
	session_close(&self->session);
	close_all(self->client);
	/* Nothing is left on the ports: even who shares none can have them. */
	for (i = 0; i < SERVERS; i++)
		close(self->server[i]);
	for (i = 0; i <= SERVERS; i++) {
		fd = open_socket(IPPROTO_TCP, false);
		EXPECT_EQ(0, setsockopt(fd, SOL_SOCKET, SO_REUSEADDR,
					&(int){ 1 }, sizeof(int)));
		EXPECT_EQ(0, bind_socket(fd, HERE, PORT + i))
			TH_LOG("port %d: %s", PORT + i, strerror(errno));
		close(fd);
	}
}

/* Connects, from a source port of its own, and leaves no TIME_WAIT behind. */
static int client(int source, int port)
{
	struct sockaddr_in from = address_of(HERE, FIRST_SOURCE + source);
	struct sockaddr_in to = address_of(HERE, port);
	struct linger reset = { .l_onoff = 1 };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	int syns = 4;

	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) ||
	    setsockopt(fd, IPPROTO_TCP, TCP_SYNCNT, &syns, sizeof(syns)) ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)) ||
	    bind(fd, (struct sockaddr *)&from, sizeof(from)) ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to))) {
		close(fd);
		return -1;
	}
	return fd;
}

static int connect_all(int *clients, int port)
{
	int i, connected = 0;

	for (i = 0; i < CLIENTS; i++) {
		clients[i] = client(i, port);
		connected += clients[i] >= 0;
	}
	return connected;
}

/* Accepts what is there; -1 where one of them sees another port than @port. */
static int accept_all(int fd, int port)
{
	struct sockaddr_in name;
	int accepted = 0, one;
	socklen_t length;

	for (;;) {
		length = sizeof(name);
		one = accept(fd, NULL, NULL);
		if (one < 0)
			return accepted;
		if (getsockname(one, (struct sockaddr *)&name, &length) ||
		    name.sin_port != htons(port)) {
			close(one);
			return -1;
		}
		close(one);
		accepted++;
	}
}

TEST_F(elsewhere, they_share_the_service_and_see_its_port)
{
	int i, n, all = 0;

	ASSERT_EQ(CLIENTS, connect_all(self->client, PORT));
	for (i = 0; i < SERVERS; i++) {
		n = accept_all(self->server[i], PORT);
		EXPECT_LT(0, n);
		all += n;
	}
	EXPECT_EQ(CLIENTS, all);
}

TEST_F(elsewhere, what_comes_to_their_own_port_stays_there)
{
	int i;

	for (i = 0; i < SERVERS; i++) {
		ASSERT_EQ(CLIENTS, connect_all(self->client, PORT + 1 + i));
		EXPECT_EQ(CLIENTS, accept_all(self->server[i], PORT + 1 + i));
		close_all(self->client);
	}
}

/* What one had not accepted when it was closed, the others accept. */
TEST_F(elsewhere, unaccepted_connections_survive_their_close)
{
	int all = 0, i;

	ASSERT_EQ(CLIENTS, connect_all(self->client, PORT));
	close(self->server[0]);
	self->server[0] = -1;
	for (i = 1; i < SERVERS; i++)
		all += accept_all(self->server[i], PORT);
	EXPECT_EQ(CLIENTS, all);
}

static struct chring_service now(struct session *session)
{
	struct chring_service service = {};

	chring_service_get(session->chring, "s", &service);
	return service;
}

static bool replicas_are(struct session *session, unsigned int n)
{
	long end = milliseconds() + WAIT_MS;

	while (now(session).replicas != n && milliseconds() < end)
		pause_ms(1);
	return now(session).replicas == n;
}

/* A handshake that stands still: the client does not see the SYN-ACK. */
static int half_open(int source)
{
	struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog filter = { .len = 1, .filter = &drop };
	struct sockaddr_in from = address_of(HERE, FIRST_SOURCE + source);
	struct sockaddr_in to = address_of(HERE, PORT);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter,
		       sizeof(filter)) ||
	    bind(fd, (struct sockaddr *)&from, sizeof(from)) ||
	    !connect(fd, (struct sockaddr *)&to, sizeof(to)) ||
	    errno != EINPROGRESS) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Also when their replica has long been swept away. */
TEST_F(elsewhere, handshakes_survive_their_close)
{
	struct pollfd event = { .events = POLLOUT };
	int i, unused = 0;

	for (i = 0; i < CLIENTS; i++) {
		self->client[i] = half_open(i);
		ASSERT_LE(0, self->client[i]);
	}
	close(self->server[0]);
	self->server[0] = -1;
	ASSERT_TRUE(replicas_are(&self->session, SERVERS - 1));
	pause_ms(500);
	for (i = 0; i < CLIENTS; i++)
		ASSERT_EQ(0, setsockopt(self->client[i], SOL_SOCKET,
					SO_DETACH_FILTER, &unused,
					sizeof(unused)));
	for (i = 0; i < CLIENTS; i++) {
		event.fd = self->client[i];
		EXPECT_EQ(1, poll(&event, 1, WAIT_MS));
		EXPECT_EQ(POLLOUT, event.revents);
	}
	EXPECT_LT((uint64_t)0, now(&self->session).migrated);
}

/* Waits until one that shares no port can listen on it. */
static int wait_for_port(int port)
{
	long end = milliseconds() + WAIT_MS;
	int fd = open_socket(IPPROTO_TCP, false);

	while (bind_socket(fd, HERE, port)) {
		if (milliseconds() > end) {
			close(fd);
			return -1;
		}
		pause_ms(1);
	}
	return fcntl(fd, F_SETFL, O_NONBLOCK) ? -1 : fd;
}

/* It is started again on its port, and is a replica again. */
TEST_F(elsewhere, one_that_ended_gets_its_port_back)
{
	struct session *session = &self->session;

	close(self->server[0]);
	self->server[0] = wait_for_port(PORT + 1);
	ASSERT_LE(0, self->server[0]);
	ASSERT_EQ(0, replica_new(session, "s", "r0", self->server[0]));
	ASSERT_EQ(CLIENTS, connect_all(self->client, PORT));
	EXPECT_LT(0, accept_all(self->server[0], PORT));
	close_all(self->client);
	/* Also where it was removed first */
	ASSERT_EQ(0, ask(session,
			 request_replica(session, CHRING_CMD_REPLICA_DEL, "s",
					 "r0", -1, 0)));
	close(self->server[0]);
	self->server[0] = wait_for_port(PORT + 1);
	EXPECT_LE(0, self->server[0]);
}

/* They leave its group as soon as a SYN-ACK is sent again. */
TEST_F(elsewhere, handshakes_do_not_keep_the_port)
{
	struct session *session = &self->session;
	int i;

	for (i = 0; i < CLIENTS; i++) {
		self->client[i] = half_open(i);
		ASSERT_LE(0, self->client[i]);
	}
	close(self->server[0]);
	self->server[0] = wait_for_port(PORT + 1);
	ASSERT_LE(0, self->server[0]);
	ASSERT_EQ(0, replica_new(session, "s", "r0", self->server[0]));
}

/* Their own port's connections are the kernel's affair, as without chring. */
TEST_F(elsewhere, direct_connections_do_not_migrate)
{
	struct pollfd event = { .events = POLLIN };
	int i;

	self->client[0] = client(0, PORT + 1);
	ASSERT_LE(0, self->client[0]);
	close(self->server[0]);
	self->server[0] = -1;
	for (i = 1; i < SERVERS; i++)
		EXPECT_EQ(0, accept_all(self->server[i], PORT + 1));
	event.fd = self->client[0];
	EXPECT_EQ(1, poll(&event, 1, WAIT_MS));
	EXPECT_TRUE(event.revents & (POLLERR | POLLHUP));
}

TEST_F(elsewhere, one_of_another_user)
{
	int fd = listener(variant->reuseport, PORT + 10);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, fchown(fd, STRANGER, -1));
	EXPECT_EQ(0, replica_new(&self->session, "s", "strange", fd));
	ASSERT_EQ(CLIENTS, connect_all(self->client, PORT));
	EXPECT_LT(0, accept_all(fd, PORT));
	close(fd);
}

TEST_F(elsewhere, one_on_the_services_port_joins_them_later)
{
	int fd = bound_socket(IPPROTO_TCP, HERE, PORT);
	int i, all;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, fcntl(fd, F_SETFL, O_NONBLOCK));
	ASSERT_EQ(0, replica_new(&self->session, "s", "home", fd));
	ASSERT_EQ(CLIENTS, connect_all(self->client, PORT));
	all = accept_all(fd, PORT);
	EXPECT_LT(0, all);
	for (i = 0; i < SERVERS; i++)
		all += accept_all(self->server[i], PORT);
	EXPECT_EQ(CLIENTS, all);
	close(fd);
}

TEST_F(elsewhere, a_removed_one_keeps_its_own_port)
{
	struct session *session = &self->session;
	struct nl_msg *msg;

	msg = request_replica(session, CHRING_CMD_REPLICA_DEL, "s", "r0", -1, 0);
	ASSERT_EQ(0, ask(session, msg));
	ASSERT_EQ(CLIENTS, connect_all(self->client, PORT + 1));
	EXPECT_EQ(CLIENTS, accept_all(self->server[0], PORT + 1));
}

/* So that a server that does not share its port can be started anew. */
TEST_F(elsewhere, a_removed_one_leaves_its_port_as_it_closes)
{
	struct session *session = &self->session;
	long end = milliseconds() + WAIT_MS;
	struct nl_msg *msg;
	int fd;

	msg = request_replica(session, CHRING_CMD_REPLICA_DEL, "s", "r0", -1, 0);
	ASSERT_EQ(0, ask(session, msg));
	close(self->server[0]);
	self->server[0] = -1;
	while ((fd = listener(false, PORT + 1)) < 0) {
		ASSERT_LT(milliseconds(), end);
		pause_ms(10);
	}
	close(fd);
}

/* Sockets that are no replicas would get nothing any more. */
TEST(a_port_with_others_on_it_is_not_taken_for_them)
{
	struct session session;
	int there, fd;

	ASSERT_TRUE(own_netns());
	ASSERT_TRUE(session_open(&session));
	there = bound_socket(IPPROTO_TCP, HERE, PORT);
	fd = listener(true, PORT + 1);
	ASSERT_LE(0, there);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, service_new(&session, "s", IPPROTO_TCP, HERE, PORT));
	EXPECT_EQ(-EADDRINUSE, replica_new(&session, "s", "r0", fd));
	ASSERT_EQ(0, replica_new(&session, "s", "home", there));
	EXPECT_EQ(0, replica_new(&session, "s", "r0", fd));
	EXPECT_TRUE(services_gone(&session));
	session_close(&session);
}

TEST_HARNESS_MAIN
