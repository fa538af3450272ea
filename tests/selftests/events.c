// SPDX-License-Identifier: GPL-2.0
/* What listeners are told of services and replicas, and of locks. */
#define _GNU_SOURCE		/* unshare */
#include <errno.h>
#include <linux/genetlink.h>
#include <netlink/genl/genl.h>
#include <poll.h>
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

FIXTURE(events)
{
	struct session session;
	struct chring *listener;
};

FIXTURE_VARIANT(events)
{
	int protocol;
	const char *word;
};

FIXTURE_VARIANT_ADD(events, tcp)
{
	.protocol = IPPROTO_TCP,
	.word = "tcp",
};

FIXTURE_VARIANT_ADD(events, udp)
{
	.protocol = IPPROTO_UDP,
	.word = "udp",
};

FIXTURE_SETUP(events)
{
	ASSERT_TRUE(own_netns());
	ASSERT_TRUE(session_open(&self->session));
	self->listener = chring_alloc();
	ASSERT_EQ(0, chring_open(self->listener));
	ASSERT_EQ(0, chring_subscribe(self->listener, CHRING_EVENTS_SERVICES));
}

FIXTURE_TEARDOWN(events)
{
	EXPECT_TRUE(services_gone(&self->session));
	session_close(&self->session);
	chring_free(self->listener);
}

/* What an event tells, as text; a negative errno where there is none. */
static const char *next_text(struct chring *listener)
{
	struct chring_event event;
	static char text[512];
	int err;

	err = chring_event_next(listener, &event);
	if (err)
		snprintf(text, sizeof(text), "%d", err);
	else if (event.type <= CHRING_EVENT_SERVICE_DEL)
		snprintf(text, sizeof(text), "%s %s %s %u owner %u %s %u/%u",
			 chring_event_name(event.type), event.service.name,
			 event.service.protocol == IPPROTO_TCP ? "tcp" : "udp",
			 ntohs(event.service.local.in.sin_port),
			 event.service.owner,
			 chring_service_state_name(event.service.state),
			 event.service.replicas, event.service.points);
	else
		snprintf(text, sizeof(text), "%s %s/%s weight %u %s %u/%u",
			 chring_event_name(event.type), event.replica.service,
			 event.replica.name, event.replica.weight,
			 chring_replica_state_name(event.replica.state),
			 event.replica.points, event.replica.slots);
	return text;
}

/* Changes that the module makes by itself are told when they are made. */
static const char *await_text(struct chring *listener)
{
	struct pollfd events = {
		.fd = chring_event_fd(listener),
		.events = POLLIN,
	};

	poll(&events, 1, WAIT_MS);
	return next_text(listener);
}

#define NONE "-11"		/* -EAGAIN */
#define EXPECT_TOLD(text) EXPECT_STREQ(text, next_text(self->listener))
#define EXPECT_TO_BE_TOLD(text) EXPECT_STREQ(text, await_text(self->listener))

static int weigh(struct session *session, const char *name, int weight)
{
	return ask(session, request_replica(session, CHRING_CMD_REPLICA_SET,
					    "s", name, -1, weight));
}

/* With the name of the protocol in the place of "PPP". */
static const char *of(const char *word, const char *text)
{
	static char changed[512];
	char *at;

	snprintf(changed, sizeof(changed), "%s", text);
	at = strstr(changed, "PPP");
	if (at)
		memcpy(at, word, 3);
	return changed;
}

#define OF(text) of(variant->word, text)

/*
 * No other event is to come before that of a new service: one that is sent twice
 * may take its time to come again.
 */
#define EXPECT_NO_MORE()						\
do {									\
	ASSERT_EQ(0, service_new(&self->session, "next",		\
				 variant->protocol, HERE, PORT + 1));	\
	EXPECT_TO_BE_TOLD(OF("service-new next PPP 8001 owner 0 idle 0/0")); \
	EXPECT_TOLD(NONE);						\
} while (0)

TEST_F(events, tell_of_each_change_of_a_service)
{
	struct session *session = &self->session;
	struct nl_msg *msg;
	int fd;

	EXPECT_TOLD(NONE);
	ASSERT_EQ(0, service_new(session, "s", variant->protocol, HERE, PORT));
	EXPECT_TOLD(OF("service-new s PPP 8000 owner 0 idle 0/0"));
	msg = request_service(session, CHRING_CMD_SERVICE_SET, "s");
	nla_put_u32(msg, CHRING_A_SERVICE_OWNER, 7);
	ASSERT_EQ(0, ask(session, msg));
	EXPECT_TOLD(OF("service-set s PPP 8000 owner 7 idle 0/0"));
	msg = request_service(session, CHRING_CMD_SERVICE_SET, "s");
	nla_put_u32(msg, CHRING_A_SERVICE_OWNER, 0);
	ASSERT_EQ(0, ask(session, msg));
	EXPECT_TOLD(OF("service-set s PPP 8000 owner 0 idle 0/0"));

	fd = bound_socket(variant->protocol, HERE, PORT);
	ASSERT_EQ(0, replica_new(session, "s", "a", fd));
	EXPECT_TOLD(OF("service-set s PPP 8000 owner 0 steering 1/160"));
	EXPECT_TOLD("replica-new s/a weight 1 up 160/16384");
	EXPECT_TOLD(NONE);

	ASSERT_EQ(0, ask(session, request_service(session,
						  CHRING_CMD_SERVICE_DEL,
						  "s")));
	EXPECT_TO_BE_TOLD(OF("service-set s PPP 8000 owner 0 removing 1/160"));
	EXPECT_TO_BE_TOLD("replica-del s/a weight 1 up 160/16384");
	EXPECT_TO_BE_TOLD(OF("service-del s PPP 8000 owner 0 removing 0/0"));
	EXPECT_NO_MORE();
	close(fd);
}

TEST_F(events, tell_of_each_change_of_a_replica)
{
	struct session *session = &self->session;
	int a = bound_socket(variant->protocol, HERE, PORT);
	int b = bound_socket(variant->protocol, HERE, PORT);
	struct nl_msg *msg;

	ASSERT_EQ(0, service_new(session, "s", variant->protocol, HERE, PORT));
	EXPECT_TOLD(OF("service-new s PPP 8000 owner 0 idle 0/0"));

	/* Those of one request, in its order. */
	msg = request_replicas(session, CHRING_CMD_REPLICA_NEW, "s");
	put_replica(msg, "a", a, 0);
	put_replica(msg, "b", b, 0);
	ASSERT_EQ(0, ask(session, msg));
	EXPECT_TOLD(OF("service-set s PPP 8000 owner 0 steering 2/320"));
	EXPECT_EQ(0, strncmp("replica-new s/a weight 1 up 160/",
			     next_text(self->listener), 32));
	EXPECT_EQ(0, strncmp("replica-new s/b weight 1 up 160/",
			     next_text(self->listener), 32));
	EXPECT_TOLD(NONE);

	ASSERT_EQ(0, weigh(session, "b", 3));
	EXPECT_EQ(0, strncmp("replica-set s/b weight 3 up 480/",
			     next_text(self->listener), 32));
	EXPECT_TOLD(NONE);

	ASSERT_EQ(0, ask(session,
			 request_replica(session, CHRING_CMD_REPLICA_DEL, "s",
					 "b", -1, 0)));
	EXPECT_EQ(0, strncmp("replica-del s/b weight 3 up 480/",
			     next_text(self->listener), 32));
	EXPECT_TOLD(NONE);

	/* It has all slots, and dies with them. */
	close(a);
	EXPECT_TO_BE_TOLD("replica-set s/a weight 1 dead 160/16384");
	EXPECT_TO_BE_TOLD("replica-del s/a weight 1 dead 160/16384");
	EXPECT_NO_MORE();
	close(b);
}

TEST_F(events, tell_nothing_of_what_is_refused)
{
	struct session *session = &self->session;
	int fd = bound_socket(variant->protocol, HERE, PORT);
	struct nl_msg *msg;

	ASSERT_EQ(0, service_new(session, "s", variant->protocol, HERE, PORT));
	ASSERT_EQ(0, replica_new(session, "s", "a", fd));
	EXPECT_TOLD(OF("service-new s PPP 8000 owner 0 idle 0/0"));
	EXPECT_TOLD(OF("service-set s PPP 8000 owner 0 steering 1/160"));
	EXPECT_TOLD("replica-new s/a weight 1 up 160/16384");

	EXPECT_EQ(-EEXIST, service_new(session, "s", variant->protocol, HERE,
				       PORT + 1));
	EXPECT_EQ(-EEXIST, replica_new(session, "s", "b", fd));
	msg = request_replicas(session, CHRING_CMD_REPLICA_NEW, "s");
	put_replica(msg, "b", bound_socket(variant->protocol, HERE, PORT), 0);
	put_replica(msg, "c", fd, 0);
	EXPECT_EQ(-EEXIST, ask(session, msg));
	EXPECT_EQ(-ENOENT, weigh(session, "b", 3));
	msg = request_service(session, CHRING_CMD_SERVICE_SET, "s");
	nla_put_u32(msg, CHRING_A_SERVICE_OWNER, 7);
	EXPECT_EQ(-EBUSY, ask(session, msg));
	EXPECT_EQ(-ENOENT,
		  ask(session, request_service(session, CHRING_CMD_SERVICE_DEL,
					       "t")));
	EXPECT_TOLD(NONE);
}

/* Each event as it comes tells what is so then, or was so before. */
TEST_F(events, are_never_ahead_of_the_state)
{
	enum { LAST = 64 };
	struct session *session = &self->session;
	struct chring_replica replica;
	struct chring_event event;
	unsigned int told = 1;
	pid_t pid;
	int i;

	ASSERT_EQ(0, service_new(session, "s", variant->protocol, HERE, PORT));
	ASSERT_EQ(0, replica_new(session, "s", "a",
				 bound_socket(variant->protocol, HERE, PORT)));
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, chring_event_next(self->listener, &event));
	fflush(stdout);
	pid = fork();
	if (!pid) {
		for (i = 2; i <= LAST; i++)
			if (weigh(session, "a", i))
				_exit(1);
		_exit(0);
	}
	while (told < LAST) {
		struct pollfd poll_events = {
			.fd = chring_event_fd(self->listener),
			.events = POLLIN,
		};

		ASSERT_EQ(1, poll(&poll_events, 1, WAIT_MS));
		ASSERT_EQ(0, chring_event_next(self->listener, &event));
		ASSERT_EQ(++told, event.replica.weight);
		ASSERT_EQ(0, chring_replica_get(self->listener, "s", "a",
						&replica));
		ASSERT_LE(told, replica.weight);
	}
	EXPECT_EQ(pid, waitpid(pid, &i, 0));
	EXPECT_EQ(0, i);
	EXPECT_TOLD(NONE);
}

TEST_F(events, stay_in_their_network)
{
	struct session elsewhere;

	ASSERT_TRUE(own_netns());
	ASSERT_TRUE(session_open(&elsewhere));
	ASSERT_EQ(0, service_new(&elsewhere, "s", variant->protocol, HERE,
				 PORT));
	EXPECT_TRUE(services_gone(&elsewhere));
	EXPECT_TOLD(NONE);
	session_close(&elsewhere);
}

TEST_F(events, that_are_lost_are_told_of)
{
	struct session *session = &self->session;
	int fd = chring_event_fd(self->listener), told = 0, i;
	struct chring_event event;
	int least = 1;

	ASSERT_EQ(0, service_new(session, "s", variant->protocol, HERE, PORT));
	ASSERT_EQ(0, chring_event_next(self->listener, &event));
	ASSERT_EQ(0, setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &least,
				sizeof(least)));
	for (i = 1; i <= 64; i++) {
		struct nl_msg *msg = request_service(session,
						     CHRING_CMD_SERVICE_SET,
						     "s");

		nla_put_u32(msg, CHRING_A_SERVICE_OWNER, i);
		ASSERT_EQ(0, ask(session, msg));
	}
	EXPECT_EQ(-ENOBUFS, chring_event_next(self->listener, &event));
	EXPECT_NE(NULL, strstr(chring_error(self->listener), "lost"));
	/* Those that had come are there, and then the next ones. */
	while (!chring_event_next(self->listener, &event))
		ASSERT_EQ(++told, (int)event.service.owner);
	EXPECT_LT(0, told);
	EXPECT_GT(64, told);
	EXPECT_TRUE(services_gone(session));
	EXPECT_TO_BE_TOLD(OF("service-set s PPP 8000 owner 64 removing 0/0"));
}

/* Only root may send such at all. */
TEST_F(events, of_others_than_the_kernel_are_not_heard)
{
	struct sockaddr_nl to = { .nl_family = AF_NETLINK };
	socklen_t size = sizeof(to);
	struct nl_msg *msg;
	int fd;

	ASSERT_EQ(0, getsockname(chring_event_fd(self->listener),
				 (struct sockaddr *)&to, &size));
	to.nl_groups = 0;
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	msg = request_service_new(&self->session, "s", variant->protocol, HERE,
				  PORT);
	genlmsg_hdr(nlmsg_hdr(msg))->cmd = CHRING_CMD_SERVICE_NEW_NTF;
	EXPECT_EQ((ssize_t)nlmsg_hdr(msg)->nlmsg_len,
		  sendto(fd, nlmsg_hdr(msg), nlmsg_hdr(msg)->nlmsg_len, 0,
			 (struct sockaddr *)&to, sizeof(to)));
	EXPECT_TOLD(NONE);
	nlmsg_free(msg);
	close(fd);

	ASSERT_EQ(0, service_new(&self->session, "s", variant->protocol, HERE,
				 PORT));
	EXPECT_TOLD(OF("service-new s PPP 8000 owner 0 idle 0/0"));
}

/* ---- locks */

FIXTURE(events_of_locks)
{
	struct session session;
	struct chring *listener;
};

FIXTURE_SETUP(events_of_locks)
{
	ASSERT_TRUE(own_netns());
	ASSERT_TRUE(session_open(&self->session));
	self->listener = chring_alloc();
	ASSERT_EQ(0, chring_open(self->listener));
	ASSERT_EQ(0, chring_subscribe(self->listener, CHRING_EVENTS_LOCKS));
}

FIXTURE_TEARDOWN(events_of_locks)
{
	session_close(&self->session);
	chring_free(self->listener);
}

/* The same of a lock; tokens are told from @first on. */
static const char *next_lock_text(struct chring *listener, uint64_t first)
{
	struct pollfd events = {
		.fd = chring_event_fd(listener),
		.events = POLLIN,
	};
	struct chring_event event;
	static char text[256];
	int err;

	poll(&events, 1, WAIT_MS);
	err = chring_event_next(listener, &event);
	if (err) {
		snprintf(text, sizeof(text), "%d", err);
		return text;
	}
	/* The dead one's may be gone already, or not yet. */
	if (event.type == CHRING_EVENT_LOCK_OWNER_DIED)
		event.lock.handles = 0;
	snprintf(text, sizeof(text), "%s %s %#o %u:%u%s%s%s handles %u news %#x of %d, pid %d",
		 chring_event_name(event.type), event.lock.name,
		 event.lock.mode, event.lock.owner, event.lock.group,
		 event.lock.flags & CHRING_LOCK_FIFO ? " fifo" : "",
		 event.lock.flags & CHRING_LOCK_STRICT ? " strict" : "",
		 event.lock.persistent ? " persistent" : "",
		 event.lock.handles, event.lock.news,
		 event.lock.dead_token ?
		 (int)(event.lock.dead_token - first) : -1, event.lock.pid);
	return text;
}

#define EXPECT_LOCK_TOLD(text, first)					\
	EXPECT_STREQ(text, next_lock_text(self->listener, first))

TEST_F(events_of_locks, tell_of_each_that_is_made_changed_and_deleted)
{
	struct chring_lock_request request = {
		.name = "l", .flags = CHRING_LOCK_STRICT, .mode = 0640,
		.owner = 7, .group = 8,
	};
	struct chring *chring = self->session.chring;
	struct chring_event event;
	struct chring_lock *lock;

	ASSERT_EQ(0, chring_lock_new(chring, &request));
	EXPECT_LOCK_TOLD("lock-new l 0640 7:8 strict persistent handles 0 news 0 of -1, pid 0",
			 0);
	request.flags = CHRING_LOCK_FIFO;
	request.owner = 0;
	ASSERT_EQ(0, chring_lock_set(chring, &request));
	EXPECT_LOCK_TOLD("lock-set l 0640 0:8 fifo strict persistent handles 0 news 0 of -1, pid 0",
			 0);

	/* Who opens, acquires, releases and closes it is not told. */
	ASSERT_EQ(0, chring_lock_open(&lock, "l", 0, 0));
	ASSERT_EQ(0, chring_lock_acquire(lock));
	ASSERT_EQ(0, chring_lock_release(lock));
	/* Nor what is refused. */
	EXPECT_EQ(-EEXIST, chring_lock_new(chring, &request));
	request.flags = 0;
	EXPECT_EQ(-EBUSY, chring_lock_set(chring, &request));
	EXPECT_EQ(-ESRCH, chring_lock_break(chring, "l"));
	/* It goes with its last handle. */
	ASSERT_EQ(0, chring_lock_del(chring, "l"));
	EXPECT_EQ(-EAGAIN, chring_event_next(self->listener, &event));
	chring_lock_close(lock);
	EXPECT_LOCK_TOLD("lock-del l 0640 0:8 fifo strict handles 0 news 0 of -1, pid 0",
			 0);
	EXPECT_EQ(-EAGAIN, chring_event_next(self->listener, &event));
}

TEST_F(events_of_locks, tell_of_what_befalls_holders)
{
	struct chring_event event;
	struct chring_lock *lock;
	uint64_t token;
	pid_t child;
	int status;

	ASSERT_EQ(0, chring_lock_open(&lock, "l", CHRING_LOCK_CREATE, 0));
	EXPECT_LOCK_TOLD("lock-new l 0600 0:0 handles 0 news 0 of -1, pid 0", 0);
	ASSERT_EQ(0, chring_lock_acquire(lock));
	token = chring_lock_token(lock);
	ASSERT_EQ(0, chring_lock_break(self->session.chring, "l"));
	EXPECT_LOCK_TOLD("lock-broken l 0600 0:0 handles 1 news 0x2 of 0, pid 0",
			 token);
	EXPECT_EQ((int)CHRING_NEWS_BROKEN, chring_lock_acquire(lock));
	ASSERT_EQ(0, chring_lock_release(lock));

	child = fork();
	if (!child) {
		chring_lock_acquire(lock);
		raise(SIGKILL);
	}
	EXPECT_EQ(child, waitpid(child, &status, 0));
	EXPECT_LOCK_TOLD("lock-owner-died l 0600 0:0 handles 0 news 0x1 of 2, pid 0",
			 token);
	EXPECT_EQ((int)CHRING_NEWS_OWNER_DIED, chring_lock_acquire(lock));
	chring_lock_close(lock);
	EXPECT_LOCK_TOLD("lock-del l 0600 0:0 handles 0 news 0 of -1, pid 0", 0);
	EXPECT_EQ(-EAGAIN, chring_event_next(self->listener, &event));
}

TEST_F(events_of_locks, stay_in_their_network)
{
	struct chring_event event;
	struct chring_lock *lock;

	ASSERT_TRUE(own_netns());
	ASSERT_EQ(0, chring_lock_open(&lock, "l", CHRING_LOCK_CREATE, 0));
	chring_lock_close(lock);
	EXPECT_EQ(-EAGAIN, chring_event_next(self->listener, &event));
}

TEST_F(events_of_locks, are_for_administrators)
{
	struct chring *chring;
	pid_t child;
	int status;

	child = fork();
	if (!child) {
		if (setresuid(65534, 65534, 65534))
			_exit(1);
		chring = chring_alloc();
		if (chring_open(chring) ||
		    chring_subscribe(chring, CHRING_EVENTS_SERVICES))
			_exit(2);
		if (chring_subscribe(chring, CHRING_EVENTS_LOCKS) != -EPERM)
			_exit(3);
		_exit(strstr(chring_error(chring), "CAP_NET_ADMIN") ? 0 : 4);
	}
	EXPECT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
}

TEST(a_handle_subscribes_to_what_there_is)
{
	struct chring *chring = chring_alloc();
	struct chring_event event;

	EXPECT_EQ(-ENOTCONN, chring_subscribe(chring, CHRING_EVENTS_SERVICES));
	EXPECT_EQ(-ENOTCONN, chring_event_fd(chring));
	EXPECT_EQ(-ENOTCONN, chring_event_next(chring, &event));
	ASSERT_EQ(0, chring_open(chring));
	EXPECT_EQ(-ENOTCONN, chring_event_next(chring, &event));
	EXPECT_EQ(-EINVAL, chring_subscribe(chring, 0));
	EXPECT_EQ(-EINVAL, chring_subscribe(chring, CHRING_EVENTS_SERVICES |
							    1U << 31));
	EXPECT_EQ(-ENOTCONN, chring_event_fd(chring));
	EXPECT_EQ(0, chring_subscribe(chring, CHRING_EVENTS_SERVICES));
	EXPECT_EQ(0, chring_subscribe(chring, CHRING_EVENTS_SERVICES));
	EXPECT_LE(0, chring_event_fd(chring));
	EXPECT_EQ(-EAGAIN, chring_event_next(chring, &event));
	EXPECT_STREQ("unknown", chring_event_name(1000));
	chring_free(chring);
}

TEST_HARNESS_MAIN
