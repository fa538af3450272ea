// SPDX-License-Identifier: GPL-2.0
/*
 * A failed allocation at each step of each request: the request fails as a
 * whole, or does without that memory.
 *
 * fail-nth lets the n-th allocation of a thread fail, whatever it is for. With
 * n = 1, 2, ... until a request gets through all its allocations each of them
 * has failed once.
 */
#include <errno.h>
#include <fcntl.h>
#include <netlink/genl/genl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "request.h"

#define HERE "127.0.0.1"
#define PORT 8000
#define MOST 500
#define DEBUGFS "/sys/kernel/debug/"

/* What fails: all allocations, quietly; with what stands there by default. */
static const struct {
	const char *path;
	const char *value, *restored;
} knobs[] = {
	{ DEBUGFS "failslab/ignore-gfp-wait", "N", "Y" },
	{ DEBUGFS "failslab/verbose", "0", "2" },
	{ DEBUGFS "fail_page_alloc/ignore-gfp-wait", "N", "Y" },
	{ DEBUGFS "fail_page_alloc/ignore-gfp-highmem", "N", "Y" },
	{ DEBUGFS "fail_page_alloc/min-order", "0", "1" },
	{ DEBUGFS "fail_page_alloc/verbose", "0", "2" },
};

FIXTURE(faults)
{
	struct session session;
	struct chring *listener;
	int fail_nth;
	int replicas[3];
	int hits;
};

FIXTURE_VARIANT(faults)
{
	int protocol;
};

FIXTURE_VARIANT_ADD(faults, tcp)
{
	.protocol = IPPROTO_TCP,
};

FIXTURE_VARIANT_ADD(faults, udp)
{
	.protocol = IPPROTO_UDP,
};

/* What is tried, and from where on. */
struct attempt {
	int cmd;
	int given;	/* replicas that are there before; -1: no service */
	int wanted;	/* replicas that the request is about */
	bool dump;
	int fewest;	/* allocations that must have failed */
};

FIXTURE_SETUP(faults)
{
	unsigned int i;

	self->fail_nth = open("/proc/thread-self/fail-nth", O_RDWR);
	if (self->fail_nth < 0)
		SKIP(return, "the kernel has no fail-nth");
	for (i = 0; i < elements(knobs); i++)
		ASSERT_TRUE(write_text(knobs[i].path, knobs[i].value))
			TH_LOG("knob %u", i);
	ASSERT_TRUE(own_netns());
	ASSERT_TRUE(session_open(&self->session));
	self->listener = chring_alloc();
	ASSERT_EQ(0, chring_open(self->listener));
	ASSERT_EQ(0, chring_subscribe(self->listener, CHRING_EVENTS_SERVICES));
	for (i = 0; i < elements(self->replicas); i++) {
		self->replicas[i] = bound_socket(variant->protocol, HERE,
						 PORT);
		ASSERT_LE(0, self->replicas[i]);
	}
}

FIXTURE_TEARDOWN(faults)
{
	unsigned int i;

	EXPECT_TRUE(services_gone(&self->session));
	for (i = 0; i < elements(knobs); i++)
		EXPECT_TRUE(write_text(knobs[i].path, knobs[i].restored));
	session_close(&self->session);
	chring_free(self->listener);
}

static struct nl_msg *put_replicas(struct session *session, int cmd,
				   const int *fds, int first, int count)
{
	struct nl_msg *msg = request_replicas(session, cmd, "s");
	bool is_new = cmd == CHRING_CMD_REPLICA_NEW;
	char name[2] = "a";
	int i;

	for (i = first; i < first + count; i++) {
		name[0] = 'a' + i;
		put_replica(msg, name, is_new ? fds[i] : -1,
			    cmd == CHRING_CMD_REPLICA_SET ? 9 : 0);
	}
	return msg;
}

static struct nl_msg *build(struct session *session, int protocol,
			    const int *fds, const struct attempt *attempt)
{
	struct nl_msg *msg;
	int first = 0;

	switch (attempt->cmd) {
	case CHRING_CMD_SERVICE_NEW:
		return request_service_new(session, "s", protocol, HERE, PORT);
	case CHRING_CMD_SERVICE_SET:
		msg = request_service(session, attempt->cmd, "s");
		nla_put_u32(msg, CHRING_A_SERVICE_OWNER, 1);
		return msg;
	case CHRING_CMD_SERVICE_GET:
	case CHRING_CMD_SERVICE_DEL:
		msg = attempt->dump ? request(session, attempt->cmd) :
				      request_service(session, attempt->cmd,
						      "s");
		break;
	case CHRING_CMD_LOOKUP:
		return request_lookup(session, "s");
	default:
		if (attempt->cmd == CHRING_CMD_REPLICA_NEW)
			first = attempt->given;
		msg = put_replicas(session, attempt->cmd, fds, first,
				   attempt->dump ? 0 : attempt->wanted);
		if (attempt->cmd == CHRING_CMD_REPLICA_PLAN)
			nla_put_u32(msg, CHRING_A_REPLICAS_CHANGE,
				    CHRING_REPLICA_CHANGE_DEL);
	}
	if (attempt->dump)
		nlmsg_hdr(msg)->nlmsg_flags |= NLM_F_DUMP;
	return msg;
}

/* What is there before the attempt. */
static bool prepare(struct session *session, int protocol, const int *fds,
		    const struct attempt *attempt)
{
	if (!services_gone(session))
		return false;
	if (attempt->given < 0)
		return true;
	if (service_new(session, "s", protocol, HERE, PORT))
		return false;
	return !attempt->given ||
	       !ask(session, put_replicas(session, CHRING_CMD_REPLICA_NEW, fds,
					  0, attempt->given));
}

/*
 * Sends @msg while the @n-th allocation of this thread fails. Returns false
 * where there were not so many.
 */
static bool tell_short_of_memory(struct session *session, int fail_nth,
				 struct nl_msg *msg, int n, int *err)
{
	char text[16] = "";

	snprintf(text, sizeof(text), "%d", n);
	if (pwrite(fail_nth, text, strlen(text), 0) < 0)
		abort();
	*err = tell(session, nlmsg_hdr(msg), nlmsg_hdr(msg)->nlmsg_len);
	memset(text, 0, sizeof(text));
	if (pread(fail_nth, text, sizeof(text) - 1, 0) < 1 ||
	    pwrite(fail_nth, "0", 1, 0) < 0)
		abort();
	return !atoi(text);
}

static bool changes(int cmd)
{
	return cmd != CHRING_CMD_SERVICE_GET && cmd != CHRING_CMD_REPLICA_GET &&
	       cmd != CHRING_CMD_REPLICA_PLAN && cmd != CHRING_CMD_LOOKUP;
}

/* Is all there that the request makes, once it did succeed? */
static bool is_done(struct session *session, const struct attempt *attempt)
{
	struct chring_service service;
	struct chring_replica replica;
	int err;

	err = chring_service_get(session->chring, "s", &service);
	switch (attempt->cmd) {
	case CHRING_CMD_SERVICE_SET:
		return !err && service.owner == 1;
	case CHRING_CMD_SERVICE_DEL:
		return err == -ENOENT ||
		       (!err && service.state == CHRING_SERVICE_REMOVING);
	case CHRING_CMD_REPLICA_NEW:
		return !err && service.state == CHRING_SERVICE_STEERING &&
		       (int)service.replicas ==
		       attempt->given + attempt->wanted;
	case CHRING_CMD_REPLICA_DEL:
		return !err && (int)service.replicas ==
			       attempt->given - attempt->wanted;
	case CHRING_CMD_REPLICA_SET:
		return !err &&
		       !chring_replica_get(session->chring, "s", "a",
					   &replica) &&
		       replica.weight == 9 &&
		       service.points == replica.points / 9 *
			(9 * attempt->wanted +
			 attempt->given - attempt->wanted);
	default:
		return !err;
	}
}

/* Takes the events that are there: how many, or less than 0 for a loss. */
static int events_taken(struct chring *listener)
{
	struct chring_event event;
	int n = 0, err;
	bool lost = false;

	do {
		err = chring_event_next(listener, &event);
		n += !err;
		lost |= err == -ENOBUFS;
	} while (!err || err == -ENOBUFS);
	return lost ? -1 : n;
}

/* How many there are at least, once the request did succeed. */
static int events_due(const struct attempt *attempt)
{
	if (!changes(attempt->cmd))
		return 0;
	/* The first replicas of a service change that too. */
	return (attempt->wanted ?: 1) +
	       (attempt->cmd == CHRING_CMD_REPLICA_NEW && !attempt->given);
}

/* A program that a failed request left on the port would stay for ever. */
static bool port_has_program(int fd)
{
	return !setsockopt(fd, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, &fd,
			   sizeof(fd));
}

/* sock_create() says -ENFILE where there is no memory for an inode. */
static bool is_short_of_memory(int err)
{
	return err == -ENOMEM || err == -ENOBUFS || err == -ENFILE;
}

/* One request; returns false once it gets through. */
static bool fail_once(struct __test_metadata *_metadata,
		      struct _test_data_faults *self, int protocol,
		      const struct attempt *attempt, int n)
{
	struct session *session = &self->session;
	char *before = state_read(session), *after;
	struct answer answer;
	struct nl_msg *msg;
	int err, told;
	bool hit, same;

	events_taken(self->listener);
	msg = build(session, protocol, self->replicas, attempt);
	hit = tell_short_of_memory(session, self->fail_nth, msg, n, &err);
	hear(session, &answer);
	nlmsg_free(msg);
	if (err)
		answer.err = err;
	after = state_read(session);
	same = !strcmp(before, after);
	told = events_taken(self->listener);
	self->hits += hit;

	if (answer.err && !answer.lost) {
		EXPECT_TRUE(hit);
		EXPECT_TRUE(is_short_of_memory(answer.err))
			TH_LOG("%d: %d %s", n, answer.err, answer.text);
		EXPECT_STREQ(before, after);
		EXPECT_EQ(0, told);
		if (attempt->given <= 0)
			EXPECT_FALSE(port_has_program(self->replicas[0]));
	} else if (!answer.lost || !same) {
		/* Done, maybe after all, and as a whole. */
		EXPECT_TRUE(is_done(session, attempt))
			TH_LOG("%d: was:\n%sis:\n%s", n, before, after);
		/* What is not told is told to be lost. */
		EXPECT_TRUE(told < 0 || told >= events_due(attempt))
			TH_LOG("%d: told of %d", n, told);
		if (changes(attempt->cmd))
			EXPECT_TRUE(prepare(session, protocol, self->replicas,
					    attempt));
	}
	free(before);
	free(after);
	return hit;
}

static void fail_all(struct __test_metadata *_metadata,
		     struct _test_data_faults *self, int protocol,
		     const struct attempt attempt)
{
	int n = 1;

	ASSERT_TRUE(prepare(&self->session, protocol, self->replicas,
			    &attempt));
	while (fail_once(_metadata, self, protocol, &attempt, n) && n < MOST)
		n++;
	EXPECT_GT(MOST, n);
	TH_LOG("%d allocations failed", self->hits);
	EXPECT_LE(attempt.fewest, self->hits);
}

#define FAIL_ALL(command, ...)						\
	fail_all(_metadata, self, variant->protocol,			\
		 (struct attempt){ .cmd = CHRING_CMD_##command, __VA_ARGS__ })

TEST_F(faults, service_new)
{
	FAIL_ALL(SERVICE_NEW, .given = -1, .fewest = 15);
}

TEST_F(faults, service_set)
{
	FAIL_ALL(SERVICE_SET, .fewest = 5);
}

TEST_F(faults, service_get)
{
	FAIL_ALL(SERVICE_GET, .fewest = 8);
}

TEST_F(faults, service_dump)
{
	FAIL_ALL(SERVICE_GET, .dump = true, .fewest = 5);
}

TEST_F(faults, service_del)
{
	FAIL_ALL(SERVICE_DEL, .given = 2, .fewest = 5);
}

TEST_F_TIMEOUT(faults, first_replica, 300)
{
	FAIL_ALL(REPLICA_NEW, .wanted = 1, .fewest = 25);
}

TEST_F_TIMEOUT(faults, first_replicas, 300)
{
	FAIL_ALL(REPLICA_NEW, .wanted = 3, .fewest = 35);
}

TEST_F(faults, second_replica)
{
	FAIL_ALL(REPLICA_NEW, .given = 1, .wanted = 1, .fewest = 12);
}

TEST_F(faults, more_replicas)
{
	FAIL_ALL(REPLICA_NEW, .given = 1, .wanted = 2, .fewest = 16);
}

TEST_F(faults, replica_set)
{
	FAIL_ALL(REPLICA_SET, .given = 2, .wanted = 1, .fewest = 9);
}

TEST_F(faults, several_replicas_set)
{
	FAIL_ALL(REPLICA_SET, .given = 3, .wanted = 2, .fewest = 10);
}

TEST_F(faults, replica_get)
{
	FAIL_ALL(REPLICA_GET, .given = 2, .wanted = 1, .fewest = 9);
}

TEST_F(faults, replica_dump)
{
	FAIL_ALL(REPLICA_GET, .given = 3, .dump = true, .fewest = 6);
}

TEST_F(faults, replica_del)
{
	FAIL_ALL(REPLICA_DEL, .given = 3, .wanted = 2, .fewest = 7);
}

TEST_F(faults, last_replica_del)
{
	FAIL_ALL(REPLICA_DEL, .given = 2, .wanted = 2, .fewest = 7);
}

TEST_F(faults, replica_plan)
{
	FAIL_ALL(REPLICA_PLAN, .given = 3, .wanted = 1, .fewest = 15);
}

TEST_F(faults, lookup)
{
	FAIL_ALL(LOOKUP, .given = 3, .fewest = 10);
}

TEST_HARNESS_MAIN
