// SPDX-License-Identifier: GPL-2.0
/*
 * Replicas that die with a process, where their sockets live on in another:
 * here in the test itself, which has them all.
 */
#define _GNU_SOURCE		/* unshare */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "request.h"

#define HERE "127.0.0.1"
#define PORT 8000

/* The service "s" with the replica "a". */
FIXTURE(watch)
{
	struct session session;
	int a, b;
};

FIXTURE_VARIANT(watch)
{
	int protocol;
};

FIXTURE_VARIANT_ADD(watch, tcp)
{
	.protocol = IPPROTO_TCP,
};

FIXTURE_VARIANT_ADD(watch, udp)
{
	.protocol = IPPROTO_UDP,
};

FIXTURE_SETUP(watch)
{
	struct session *session = &self->session;

	ASSERT_TRUE(own_netns());
	ASSERT_TRUE(session_open(session));
	self->a = bound_socket(variant->protocol, HERE, PORT);
	self->b = bound_socket(variant->protocol, HERE, PORT);
	ASSERT_LE(0, self->b);
	ASSERT_EQ(0, service_new(session, "s", variant->protocol, HERE, PORT));
	ASSERT_EQ(0, replica_new(session, "s", "a", self->a));
}

FIXTURE_TEARDOWN(watch)
{
	EXPECT_TRUE(services_gone(&self->session));
	session_close(&self->session);
}

static void *sleeper(void *unused)
{
	pause();
	return NULL;
}

/* A process that ends with the test, or when it is killed; it has no socket. */
static pid_t process(bool leader_ends)
{
	pid_t parent = getpid(), pid = fork();
	pthread_t thread;

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	syscall(SYS_close_range, 3, ~0U, 0);
	if (leader_ends && !pthread_create(&thread, NULL, sleeper, NULL))
		pthread_exit(NULL);
	sleeper(NULL);
	_exit(0);
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static int add(struct session *session, const char *name, int fd, pid_t pid)
{
	struct chring_replica_request request = {
		.name = name,
		.fd = fd,
		.watch = pid,
	};

	return chring_replica_new(session->chring, "s", &request, 1);
}

static bool there(struct session *session, const char *name)
{
	struct chring_replica replica;

	return !chring_replica_get(session->chring, "s", name, &replica);
}

static bool gone(struct session *session, const char *name)
{
	long end = milliseconds() + WAIT_MS;

	while (there(session, name)) {
		if (milliseconds() > end)
			return false;
		pause_ms(1);
	}
	return true;
}

/* Of this name or none that a new flow would get. */
static bool steered_to(struct session *session, const char *name)
{
	union chring_address client = { .in = address_of(HERE, 1) };
	char replica[CHRING_NAME_MAX + 1];

	return !chring_lookup(session->chring, "s", &client, NULL, replica) &&
	       !strcmp(replica, name);
}

/* A request to add one looks for the dead before. */
static void have_swept(struct __test_metadata *_metadata,
		       struct session *session, int protocol)
{
	int fd = bound_socket(protocol, HERE, PORT);

	ASSERT_EQ(0, replica_new(session, "s", "sweeper", fd));
	close(fd);
	ASSERT_TRUE(gone(session, "sweeper"));
}

TEST_F(watch, a_replica_dies_with_the_process_though_its_socket_lives)
{
	struct session *session = &self->session;
	struct chring_replica replica;
	pid_t pid = process(false);

	ASSERT_EQ(0, ask(session, request_replica(session,
						  CHRING_CMD_REPLICA_DEL, "s",
						  "a", -1, 0)));
	ASSERT_EQ(0, add(session, "b", self->b, pid));
	ASSERT_EQ(0, chring_replica_get(session->chring, "s", "b", &replica));
	EXPECT_TRUE(replica.watched);
	have_swept(_metadata, session, variant->protocol);
	EXPECT_TRUE(steered_to(session, "b"));

	end(pid);
	EXPECT_TRUE(gone(session, "b"));
	EXPECT_TRUE(steered_to(session, ""));
	/* The socket is as good as it was */
	EXPECT_EQ(0, replica_new(session, "s", "b", self->b));
	ASSERT_EQ(0, chring_replica_get(session->chring, "s", "b", &replica));
	EXPECT_FALSE(replica.watched);
	EXPECT_TRUE(steered_to(session, "b"));
}

TEST_F(watch, a_death_is_told_and_so_is_that_it_was_watched)
{
	struct session *session = &self->session;
	struct chring *listener = chring_alloc();
	struct chring_event event;
	struct pollfd events = { .events = POLLIN };
	pid_t pid = process(false);
	uint32_t type;

	ASSERT_EQ(0, add(session, "b", self->b, pid));
	ASSERT_EQ(0, chring_open(listener));
	ASSERT_EQ(0, chring_subscribe(listener, CHRING_EVENTS_SERVICES));
	events.fd = chring_event_fd(listener);
	end(pid);
	for (type = CHRING_EVENT_REPLICA_SET; type <= CHRING_EVENT_REPLICA_DEL;
	     type++) {
		ASSERT_EQ(1, poll(&events, 1, WAIT_MS));
		ASSERT_EQ(0, chring_event_next(listener, &event));
		EXPECT_EQ(type, event.type);
		EXPECT_STREQ("b", event.replica.name);
		EXPECT_EQ((uint32_t)CHRING_REPLICA_DEAD, event.replica.state);
		EXPECT_TRUE(event.replica.watched);
	}
	chring_free(listener);
}

/* A process is its threads, whichever ends first. */
TEST_F(watch, a_replica_lives_as_long_as_any_thread_does)
{
	struct session *session = &self->session;
	long deadline = milliseconds() + WAIT_MS;
	pid_t pid = process(true);
	char path[64], state = 0;

	ASSERT_EQ(0, add(session, "b", self->b, pid));
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	while (state != 'Z' && milliseconds() < deadline) {
		FILE *file = fopen(path, "r");

		ASSERT_NE(NULL, file);
		ASSERT_EQ(1, fscanf(file, "%*d %*s %c", &state));
		fclose(file);
	}
	ASSERT_EQ('Z', state);
	have_swept(_metadata, session, variant->protocol);
	EXPECT_TRUE(there(session, "b"));
	end(pid);
	EXPECT_TRUE(gone(session, "b"));
	EXPECT_TRUE(there(session, "a"));
}

TEST_F(watch, a_watched_replica_still_dies_with_its_socket)
{
	struct session *session = &self->session;
	pid_t pid = process(false);

	ASSERT_EQ(0, add(session, "b", self->b, pid));
	close(self->b);
	EXPECT_TRUE(gone(session, "b"));
	end(pid);
	EXPECT_TRUE(there(session, "a"));
}

static struct nl_msg *with_pidfd(struct session *session, int cmd, int fd,
				 int pidfd)
{
	struct nl_msg *msg = request_replicas(session, cmd, "s");
	struct nlattr *nest = nla_nest_start(msg, CHRING_A_REPLICAS_REPLICA);

	nla_put_string(msg, CHRING_A_REPLICA_NAME, "b");
	if (cmd == CHRING_CMD_REPLICA_NEW)
		nla_put_u32(msg, CHRING_A_REPLICA_FD, fd);
	nla_put_u32(msg, CHRING_A_REPLICA_PIDFD, pidfd);
	nla_nest_end(msg, nest);
	return msg;
}

TEST_F(watch, what_cannot_be_watched_is_refused)
{
	struct session *session = &self->session;
	const int new = CHRING_CMD_REPLICA_NEW;
	pid_t pid = process(false);
	int pidfd = syscall(SYS_pidfd_open, pid, 0);
	int where = IN(0, CHRING_A_REPLICA_PIDFD);

	ASSERT_LE(0, pidfd);
	EXPECT_REFUSED(session, with_pidfd(session, new, self->b, self->a),
		       -EBADF, "not a pidfd", where);
	EXPECT_REFUSED(session, with_pidfd(session, new, self->b, 0x7fffffff),
		       -EBADF, "not a pidfd", where);
	EXPECT_REFUSED(session, with_pidfd(session, CHRING_CMD_REPLICA_SET, -1,
					   pidfd),
		       -EINVAL, "does not take", where);
	kill(pid, SIGKILL);
	ASSERT_EQ(0, waitid(P_PID, pid, &(siginfo_t){ 0 },
			    WEXITED | WNOWAIT));
	EXPECT_REFUSED(session, with_pidfd(session, new, self->b, pidfd),
		       -ESRCH, "has ended", where);
	waitpid(pid, NULL, 0);
	EXPECT_REFUSED(session, with_pidfd(session, new, self->b, pidfd),
		       -ESRCH, "has ended", where);
	EXPECT_EQ(-ESRCH, add(session, "b", self->b, pid));
	close(pidfd);
	EXPECT_EQ(0, replica_new(session, "s", "b", self->b));
}

/* More processes are about to be watched than what is refused in the end. */
TEST_F(watch, a_request_that_fails_watches_nobody)
{
	struct session *session = &self->session;
	pid_t pid = process(false);
	struct chring_replica_request requests[] = {
		{ .name = "b", .fd = self->b, .watch = pid },
		{ .name = "a", .fd = self->b, .watch = pid },
	};

	EXPECT_EQ(-EEXIST, chring_replica_new(session->chring, "s", requests,
					      2));
	EXPECT_FALSE(there(session, "b"));
	end(pid);
	have_swept(_metadata, session, variant->protocol);
	EXPECT_TRUE(there(session, "a"));
}

/* Neither the service nor its network namespace waits for the process. */
static void leave_watched(struct __test_metadata *_metadata, int protocol,
			  pid_t pid)
{
	struct session session;

	ASSERT_TRUE(own_netns());
	ASSERT_TRUE(session_open(&session));
	ASSERT_EQ(0, service_new(&session, "s", protocol, HERE, PORT));
	ASSERT_EQ(0, add(&session, "b", bound_socket(protocol, HERE, PORT),
			 pid));
}

TEST_F(watch, services_and_namespaces_end_though_processes_are_watched)
{
	struct session *session = &self->session;
	pid_t watched = process(false), pid;
	int status = -1;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		leave_watched(_metadata, variant->protocol, watched);
		_exit(0);
	}
	EXPECT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);

	ASSERT_EQ(0, add(session, "b", self->b, watched));
	EXPECT_TRUE(services_gone(session));
	end(watched);
	EXPECT_EQ(0, service_new(session, "s", variant->protocol, HERE, PORT));
	EXPECT_EQ(0, replica_new(session, "s", "b", self->b));
}

TEST_HARNESS_MAIN
