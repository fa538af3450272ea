// SPDX-License-Identifier: GPL-2.0
/*
 * Services of different network namespaces, and namespaces that end while they
 * have services.
 *
 * Of what is being torn down nothing can be seen, but it counts: a user
 * namespace that may have one network namespace can have none as long as
 * another is there.
 */
#define _GNU_SOURCE		/* setns */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "request.h"

#define HERE "127.0.0.1"
#define PORT 8000
#define MANY 30
#define REFCOUNT "/sys/module/chring/refcnt"
#define LIMIT "/proc/sys/user/max_net_namespaces"

FIXTURE(namespaces)
{
	struct session session;
	long references;
};

FIXTURE_VARIANT(namespaces)
{
	int protocol;
};

FIXTURE_VARIANT_ADD(namespaces, tcp)
{
	.protocol = IPPROTO_TCP,
};

FIXTURE_VARIANT_ADD(namespaces, udp)
{
	.protocol = IPPROTO_UDP,
};

/* Waits until nothing holds the module more than at the beginning. */
static bool references_are(long references)
{
	long end = milliseconds() + WAIT_MS;

	while (read_number(REFCOUNT) != references) {
		if (milliseconds() > end)
			return false;
		pause_ms(1);
	}
	return true;
}

FIXTURE_SETUP(namespaces)
{
	self->references = read_number(REFCOUNT);
	ASSERT_LE(0, self->references);
	ASSERT_TRUE(own_netns());
	ASSERT_TRUE(session_open(&self->session));
}

FIXTURE_TEARDOWN(namespaces)
{
	EXPECT_TRUE(services_gone(&self->session));
	session_close(&self->session);
	EXPECT_TRUE(references_are(self->references))
		TH_LOG("%ld references, at first %ld", read_number(REFCOUNT),
		       self->references);
}

/* Sends to the service, in the caller's namespace. */
static int send_one(int protocol)
{
	struct sockaddr_in there = address_of(HERE, PORT);
	int fd = open_socket(protocol, false), err = 0;

	if (connect(fd, (struct sockaddr *)&there, sizeof(there)) ||
	    (protocol == IPPROTO_UDP && send(fd, "", 1, 0) != 1))
		err = -errno;
	close(fd);
	return err;
}

/* How much has come to a replica: connections or datagrams. */
static int receive_all(int protocol, int fd)
{
	int got = 0, one;
	char byte;

	if (fcntl(fd, F_SETFL, O_NONBLOCK))
		return -1;
	for (;;) {
		one = protocol == IPPROTO_TCP ? accept(fd, NULL, NULL) :
						recv(fd, &byte, 1, 0);
		if (one < 0)
			return got;
		if (protocol == IPPROTO_TCP)
			close(one);
		got++;
	}
}

static long picks_of(struct session *session)
{
	struct chring_service service;

	if (chring_service_get(session->chring, "s", &service))
		return -1;
	return service.picks;
}

/* The service "s" with one replica, "a"; returns its socket. */
static int make_service(struct session *session, int protocol)
{
	int fd = bound_socket(protocol, HERE, PORT);

	if (fd < 0 || service_new(session, "s", protocol, HERE, PORT) ||
	    replica_new(session, "s", "a", fd))
		return -1;
	return fd;
}

TEST_F_TIMEOUT(namespaces, with_the_same_service_do_not_see_each_other, 600)
{
	int home = open("/proc/thread-self/ns/net", O_RDONLY), mine, theirs, i;
	struct session other;
	char *before, *after;

	mine = make_service(&self->session, variant->protocol);
	ASSERT_LE(0, mine);
	before = state_read(&self->session);

	ASSERT_TRUE(own_netns());
	ASSERT_TRUE(session_open(&other));
	after = state_read(&other);
	EXPECT_STREQ("", after);
	theirs = make_service(&other, variant->protocol);
	ASSERT_LE(0, theirs);
	for (i = 0; i < 10; i++)
		EXPECT_EQ(0, send_one(variant->protocol));
	EXPECT_EQ(10, receive_all(variant->protocol, theirs));
	EXPECT_EQ(0, receive_all(variant->protocol, mine));
	EXPECT_EQ(10, picks_of(&other));
	EXPECT_EQ(0, picks_of(&self->session));

	/* What is changed there is not changed here. */
	EXPECT_TRUE(services_gone(&other));
	session_close(&other);
	ASSERT_EQ(0, setns(home, CLONE_NEWNET));
	free(after);
	after = state_read(&self->session);
	EXPECT_STREQ(before, after);
	for (i = 0; i < 7; i++)
		EXPECT_EQ(0, send_one(variant->protocol));
	EXPECT_EQ(7, receive_all(variant->protocol, mine));
	EXPECT_EQ(7, picks_of(&self->session));
	free(before);
	free(after);
}

/*
 * A process in a namespace of its own, with a service, that says so and then
 * lives until it is killed; or ends at once, with a service that has lost its
 * replicas.
 */
struct dweller {
	pid_t pid;
	bool ready;
};

enum life { IDLE, REPLICA_CLOSED, DELETED, WITH_TRAFFIC };

static void dwell(int protocol, enum life life, int ready)
{
	struct session session;
	int fd = -1;

	if (!own_netns() || !session_open(&session))
		_exit(1);
	if (life == IDLE) {
		if (service_new(&session, "s", protocol, HERE, PORT))
			_exit(1);
	} else {
		fd = make_service(&session, protocol);
		if (fd < 0)
			_exit(1);
	}
	if (life == REPLICA_CLOSED)
		close(fd);
	if (life == DELETED && chring_service_del(session.chring, "s"))
		_exit(1);
	if (write(ready, "", 1) != 1)
		_exit(1);
	while (life == WITH_TRAFFIC) {
		send_one(protocol);
		receive_all(protocol, fd);
		pause_ms(10);
	}
	_exit(0);
}

static struct dweller dweller_start(int protocol, enum life life)
{
	struct dweller dweller = {};
	int pipes[2];
	char byte;

	if (pipe2(pipes, O_CLOEXEC))
		return dweller;
	fflush(stdout);
	dweller.pid = fork();
	if (!dweller.pid) {
		close(pipes[0]);
		dwell(protocol, life, pipes[1]);
	}
	close(pipes[1]);
	dweller.ready = read(pipes[0], &byte, 1) == 1;
	close(pipes[0]);
	return dweller;
}

static bool dweller_end(const struct dweller *dweller, bool by_force)
{
	int status;

	if (by_force && kill(dweller->pid, SIGKILL))
		return false;
	if (waitpid(dweller->pid, &status, 0) != dweller->pid)
		return false;
	return by_force ? WIFSIGNALED(status) : !status;
}

/* Moves to a user namespace that may have MANY network namespaces. */
static bool own_userns_of_many(void)
{
	return own_userns() && write_number(LIMIT, MANY);
}

/* Fails as long as any network namespace of the user namespace is there. */
static bool none_is_there(void)
{
	int status;
	pid_t pid;

	if (!write_number(LIMIT, 1))
		return false;
	pid = fork();
	if (!pid)
		_exit(unshare(CLONE_NEWNET) ? errno : 0);
	return waitpid(pid, &status, 0) == pid && !status;
}

static bool none_is_left(void)
{
	long end = milliseconds() + WAIT_MS;

	while (!none_is_there()) {
		if (milliseconds() > end)
			return false;
		pause_ms(10);
	}
	return true;
}

static void ends_with_nothing_left(struct __test_metadata *_metadata,
				   long references, int protocol,
				   enum life life)
{
	struct dweller dweller;

	ASSERT_TRUE(own_userns_of_many());
	dweller = dweller_start(protocol, life);
	ASSERT_TRUE(dweller.ready);
	if (life == WITH_TRAFFIC) {
		EXPECT_FALSE(none_is_there());
		EXPECT_EQ(references + 1, read_number(REFCOUNT));
	}
	EXPECT_TRUE(dweller_end(&dweller, life == WITH_TRAFFIC));
	EXPECT_TRUE(none_is_left());
	EXPECT_TRUE(references_are(references));
}

TEST_F_TIMEOUT(namespaces, that_end_with_an_idle_service, 600)
{
	ends_with_nothing_left(_metadata, self->references, variant->protocol,
			       IDLE);
}

TEST_F_TIMEOUT(namespaces, that_end_with_a_service_whose_replica_is_closed, 600)
{
	ends_with_nothing_left(_metadata, self->references, variant->protocol,
			       REPLICA_CLOSED);
}

TEST_F_TIMEOUT(namespaces, that_end_while_their_service_is_being_removed, 600)
{
	ends_with_nothing_left(_metadata, self->references, variant->protocol,
			       DELETED);
}

TEST_F_TIMEOUT(namespaces, that_end_with_their_replicas_process_under_traffic, 600)
{
	ends_with_nothing_left(_metadata, self->references, variant->protocol,
			       WITH_TRAFFIC);
}

TEST_F_TIMEOUT(namespaces, that_end_all_at_once_under_traffic, 600)
{
	struct dweller dwellers[MANY];
	int i;

	ASSERT_TRUE(own_userns_of_many());
	for (i = 0; i < MANY; i++) {
		dwellers[i] = dweller_start(variant->protocol, WITH_TRAFFIC);
		ASSERT_TRUE(dwellers[i].ready);
	}
	EXPECT_EQ(self->references + MANY, read_number(REFCOUNT));
	for (i = 0; i < MANY; i++)
		EXPECT_EQ(0, kill(dwellers[i].pid, SIGKILL));
	for (i = 0; i < MANY; i++)
		EXPECT_TRUE(dweller_end(&dwellers[i], true));
	EXPECT_TRUE(none_is_left());
	EXPECT_TRUE(references_are(self->references));
}

/* The socket is in the namespace, its process in another. */
TEST_F_TIMEOUT(namespaces, that_a_replicas_socket_alone_keeps_alive, 600)
{
	int fd = make_service(&self->session, variant->protocol);

	ASSERT_LE(0, fd);
	session_close(&self->session);
	ASSERT_TRUE(own_netns());
	EXPECT_EQ(self->references + 1, read_number(REFCOUNT));
	close(fd);
	EXPECT_TRUE(references_are(self->references));
	ASSERT_TRUE(session_open(&self->session));
}

TEST_HARNESS_MAIN
