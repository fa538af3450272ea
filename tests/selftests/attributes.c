// SPDX-License-Identifier: GPL-2.0
/*
 * Requests that are malformed in every way: each command and each attribute of
 * the specification. All are refused, nothing changes, and the request as it
 * should be works afterwards.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <linux/genetlink.h>
#include <netlink/genl/genl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "request.h"

#define HERE "127.0.0.1"
#define PORT 8000

/* All names have three letters: no attribute is padded. */
enum kind {
	END,
	NEW_NAME,		/* of what is to be made */
	OLD_NAME,		/* of what there is */
	NUMBER,
	UINT,			/* of 4 bytes or 8 */
	ADDRESS,
	ADDRESS6,
	SEED,
	FLAG,
	BYTES,			/* any number of them */
};

/* Where the replica's descriptor is to be filled in. */
#define THE_FD 0xfd
/* Where one of the test's own process is. */
#define THE_PIDFD 0xfe

static unsigned int own_pidfd(void)
{
	static int fd = -1;

	if (fd < 0)
		fd = syscall(SYS_pidfd_open, getpid(), 0);
	return fd;
}

struct attribute {
	enum kind kind;
	int type;
	bool inner;		/* of the replica, else of the request */
	bool optional;
	const char *name;
	unsigned int number, min, max;
};

struct command {
	int cmd;
	int types;		/* the largest type in its attribute set */
	bool replica;		/* takes replicas */
	struct attribute attributes[24];
};

static const struct command commands[] = {
	{ CHRING_CMD_SERVICE_NEW, CHRING_A_SERVICE_MAX, false, {
		{ NEW_NAME, CHRING_A_SERVICE_NAME, .name = "new" },
		{ NUMBER, CHRING_A_SERVICE_PROTOCOL,
		  .number = CHRING_PROTOCOL_UDP, .max = 1 },
		{ .kind = ADDRESS, .type = CHRING_A_SERVICE_LOCAL_IPV4 },
		{ ADDRESS6, CHRING_A_SERVICE_LOCAL_IPV6, .optional = true },
		{ FLAG, CHRING_A_SERVICE_V6ONLY, .optional = true },
		{ NUMBER, CHRING_A_SERVICE_DEVICE, .optional = true,
		  .min = 1, .max = INT_MAX },
		{ NUMBER, CHRING_A_SERVICE_LOCAL_PORT, .number = PORT + 1,
		  .min = 1, .max = 65535 },
		{ NUMBER, CHRING_A_SERVICE_OWNER, .optional = true,
		  .max = ~0U - 1 },
		{ NUMBER, CHRING_A_SERVICE_NONE, .optional = true,
		  .max = CHRING_NONE_POLICY_HOLD },
		{ NUMBER, CHRING_A_SERVICE_OVERRIDE, .optional = true,
		  .max = CHRING_OVERRIDE_POLICY_LEAVE },
		{ NUMBER, CHRING_A_SERVICE_KEY, .optional = true,
		  .max = CHRING_KEY_TYPE_PAYLOAD },
		{ NUMBER, CHRING_A_SERVICE_PREFIX_IPV4, .optional = true,
		  .min = 1, .max = 32 },
		{ NUMBER, CHRING_A_SERVICE_PREFIX_IPV6, .optional = true,
		  .min = 1, .max = 128 },
		{ NUMBER, CHRING_A_SERVICE_PAYLOAD_OFFSET, .optional = true,
		  .max = 65535 },
		{ NUMBER, CHRING_A_SERVICE_PAYLOAD_LENGTH, .optional = true,
		  .min = 1, .max = CHRING_KEY_LENGTH_MAX },
		{ NUMBER, CHRING_A_SERVICE_BALANCE, .optional = true,
		  .max = CHRING_BALANCE_POLICY_RING },
		{ NUMBER, CHRING_A_SERVICE_VNODES, .optional = true,
		  .min = 1, .max = CHRING_VNODES_MAX },
		{ NUMBER, CHRING_A_SERVICE_SLOTS, .optional = true,
		  .min = CHRING_SLOTS_MIN, .max = CHRING_SLOTS_MAX },
		{ SEED, CHRING_A_SERVICE_SEED, .optional = true },
		{ NUMBER, CHRING_A_SERVICE_GRACE, .optional = true,
		  .max = CHRING_SECONDS_MAX },
	} },
	{ CHRING_CMD_SERVICE_SET, CHRING_A_SERVICE_MAX, false, {
		{ OLD_NAME, CHRING_A_SERVICE_NAME, .name = "idl" },
		{ NUMBER, CHRING_A_SERVICE_OWNER, .max = ~0U - 1 },
		{ NUMBER, CHRING_A_SERVICE_NONE, .optional = true,
		  .max = CHRING_NONE_POLICY_HOLD },
		{ NUMBER, CHRING_A_SERVICE_OVERRIDE, .optional = true,
		  .max = CHRING_OVERRIDE_POLICY_LEAVE },
		{ NUMBER, CHRING_A_SERVICE_BALANCE, .optional = true,
		  .max = CHRING_BALANCE_POLICY_RING },
		{ NUMBER, CHRING_A_SERVICE_GRACE, .optional = true,
		  .max = CHRING_SECONDS_MAX },
	} },
	{ CHRING_CMD_SERVICE_GET, CHRING_A_SERVICE_MAX, false, {
		{ OLD_NAME, CHRING_A_SERVICE_NAME, .name = "svc" },
	} },
	{ CHRING_CMD_SERVICE_DEL, CHRING_A_SERVICE_MAX, false, {
		{ OLD_NAME, CHRING_A_SERVICE_NAME, .name = "svc" },
	} },
	{ CHRING_CMD_REPLICA_NEW, CHRING_A_REPLICAS_MAX, true, {
		{ OLD_NAME, CHRING_A_REPLICAS_SERVICE, .name = "svc" },
		{ NEW_NAME, CHRING_A_REPLICA_NAME, true, .name = "two" },
		{ NUMBER, CHRING_A_REPLICA_FD, true, .number = THE_FD,
		  .max = ~0U },
		{ NUMBER, CHRING_A_REPLICA_WEIGHT, true, .optional = true,
		  .number = 1, .min = 1, .max = CHRING_WEIGHT_MAX },
		{ NUMBER, CHRING_A_REPLICA_PIDFD, true, .optional = true,
		  .number = THE_PIDFD, .max = ~0U },
		{ NUMBER, CHRING_A_REPLICA_RAMP, true, .optional = true,
		  .max = CHRING_SECONDS_MAX },
		{ FLAG, CHRING_A_REPLICA_REPLACE, true, .optional = true },
	} },
	{ CHRING_CMD_REPLICA_SET, CHRING_A_REPLICAS_MAX, true, {
		{ OLD_NAME, CHRING_A_REPLICAS_SERVICE, .name = "svc" },
		{ OLD_NAME, CHRING_A_REPLICA_NAME, true, .name = "one" },
		{ NUMBER, CHRING_A_REPLICA_WEIGHT, true, .number = 3,
		  .min = 1, .max = CHRING_WEIGHT_MAX },
		{ NUMBER, CHRING_A_REPLICA_DRAIN, true, .optional = true,
		  .max = CHRING_SECONDS_MAX },
		{ FLAG, CHRING_A_REPLICA_UP, true, .optional = true },
	} },
	{ CHRING_CMD_REPLICA_GET, CHRING_A_REPLICAS_MAX, true, {
		{ OLD_NAME, CHRING_A_REPLICAS_SERVICE, .name = "svc" },
		{ OLD_NAME, CHRING_A_REPLICA_NAME, true, .name = "one" },
	} },
	{ CHRING_CMD_REPLICA_DEL, CHRING_A_REPLICAS_MAX, true, {
		{ OLD_NAME, CHRING_A_REPLICAS_SERVICE, .name = "svc" },
		{ OLD_NAME, CHRING_A_REPLICA_NAME, true, .name = "one" },
		{ UINT, CHRING_A_REPLICA_INODE, true, .optional = true },
	} },
	{ CHRING_CMD_REPLICA_PLAN, CHRING_A_REPLICAS_MAX, true, {
		{ OLD_NAME, CHRING_A_REPLICAS_SERVICE, .name = "svc" },
		{ NUMBER, CHRING_A_REPLICAS_CHANGE,
		  .number = CHRING_REPLICA_CHANGE_ADD,
		  .max = CHRING_REPLICA_CHANGE_DEL },
		{ NEW_NAME, CHRING_A_REPLICA_NAME, true, .name = "two" },
		{ NUMBER, CHRING_A_REPLICA_WEIGHT, true, .optional = true,
		  .number = 1, .min = 1, .max = CHRING_WEIGHT_MAX },
	} },
	{ CHRING_CMD_LOOKUP, CHRING_A_LOOKUP_MAX, false, {
		{ OLD_NAME, CHRING_A_LOOKUP_SERVICE, .name = "svc" },
		{ .kind = ADDRESS, .type = CHRING_A_LOOKUP_REMOTE_IPV4 },
		{ NUMBER, CHRING_A_LOOKUP_REMOTE_PORT, .number = 1, .min = 1,
		  .max = 65535 },
		{ ADDRESS, CHRING_A_LOOKUP_LOCAL_IPV4, .optional = true },
		{ ADDRESS6, CHRING_A_LOOKUP_REMOTE_IPV6, .optional = true },
		{ ADDRESS6, CHRING_A_LOOKUP_LOCAL_IPV6, .optional = true },
		{ BYTES, CHRING_A_LOOKUP_PAYLOAD, .optional = true },
	} },
	{ CHRING_CMD_LOCK_NEW, CHRING_A_LOCK_MAX, false, {
		{ NEW_NAME, CHRING_A_LOCK_NAME, .name = "new" },
		{ NUMBER, CHRING_A_LOCK_MODE, .optional = true, .max = 0666 },
		{ NUMBER, CHRING_A_LOCK_UID, .optional = true, .max = ~0U - 1 },
		{ NUMBER, CHRING_A_LOCK_GID, .optional = true, .max = ~0U - 1 },
		{ NUMBER, CHRING_A_LOCK_DISCIPLINE, .optional = true,
		  .max = CHRING_LOCK_DISCIPLINE_FIFO },
		{ FLAG, CHRING_A_LOCK_STRICT, .optional = true },
		{ FLAG, CHRING_A_LOCK_STICKY, .optional = true },
		{ NUMBER, CHRING_A_LOCK_TTL_MS, .optional = true, .max = ~0U },
		{ NUMBER, CHRING_A_LOCK_EXPIRY, .optional = true,
		  .max = CHRING_LOCK_EXPIRY_KILL },
		{ FLAG, CHRING_A_LOCK_EAGER, .optional = true },
		{ NUMBER, CHRING_A_LOCK_SLOTS, .optional = true, .min = 1,
		  .max = 65535 },
	} },
	{ CHRING_CMD_LOCK_SET, CHRING_A_LOCK_MAX, false, {
		{ OLD_NAME, CHRING_A_LOCK_NAME, .name = "lck" },
		{ NUMBER, CHRING_A_LOCK_MODE, .max = 0666 },
		{ NUMBER, CHRING_A_LOCK_UID, .optional = true, .max = ~0U - 1 },
		{ NUMBER, CHRING_A_LOCK_GID, .optional = true, .max = ~0U - 1 },
		{ NUMBER, CHRING_A_LOCK_DISCIPLINE, .optional = true,
		  .max = CHRING_LOCK_DISCIPLINE_FIFO },
		{ NUMBER, CHRING_A_LOCK_TTL_MS, .optional = true, .max = ~0U },
		{ NUMBER, CHRING_A_LOCK_EXPIRY, .optional = true,
		  .max = CHRING_LOCK_EXPIRY_KILL },
	} },
	{ CHRING_CMD_LOCK_GET, CHRING_A_LOCK_MAX, false, {
		{ OLD_NAME, CHRING_A_LOCK_NAME, .name = "lck" },
		{ UINT, CHRING_A_LOCK_TOKEN, .optional = true },
	} },
	{ CHRING_CMD_LOCK_DEL, CHRING_A_LOCK_MAX, false, {
		{ OLD_NAME, CHRING_A_LOCK_NAME, .name = "lck" },
	} },
	{ CHRING_CMD_LOCK_BREAK, CHRING_A_LOCK_MAX, false, {
		{ OLD_NAME, CHRING_A_LOCK_NAME, .name = "lck" },
	} },
};

/* A request and what is wrong with it. */
struct mutation {
	const struct attribute *attribute;	/* this one is otherwise */
	int flags;				/* of its type */
	const void *data;			/* NULL is left out */
	int length;
	int extra, extra_inner;			/* types of one too many */
	bool no_nested_flag;
	bool no_inner;				/* an empty nest */
};

FIXTURE(attributes)
{
	struct session session;
	const struct command *command;
	int one, two;
	struct chring_lock *lock;
	char *state;
};

FIXTURE_VARIANT(attributes)
{
	int cmd;
};

FIXTURE_VARIANT_ADD(attributes, service_new)
{
	.cmd = CHRING_CMD_SERVICE_NEW,
};

FIXTURE_VARIANT_ADD(attributes, service_set)
{
	.cmd = CHRING_CMD_SERVICE_SET,
};

FIXTURE_VARIANT_ADD(attributes, service_get)
{
	.cmd = CHRING_CMD_SERVICE_GET,
};

FIXTURE_VARIANT_ADD(attributes, service_del)
{
	.cmd = CHRING_CMD_SERVICE_DEL,
};

FIXTURE_VARIANT_ADD(attributes, replica_new)
{
	.cmd = CHRING_CMD_REPLICA_NEW,
};

FIXTURE_VARIANT_ADD(attributes, replica_set)
{
	.cmd = CHRING_CMD_REPLICA_SET,
};

FIXTURE_VARIANT_ADD(attributes, replica_get)
{
	.cmd = CHRING_CMD_REPLICA_GET,
};

FIXTURE_VARIANT_ADD(attributes, replica_del)
{
	.cmd = CHRING_CMD_REPLICA_DEL,
};

FIXTURE_VARIANT_ADD(attributes, replica_plan)
{
	.cmd = CHRING_CMD_REPLICA_PLAN,
};

FIXTURE_VARIANT_ADD(attributes, lookup)
{
	.cmd = CHRING_CMD_LOOKUP,
};

FIXTURE_VARIANT_ADD(attributes, lock_new)
{
	.cmd = CHRING_CMD_LOCK_NEW,
};

FIXTURE_VARIANT_ADD(attributes, lock_set)
{
	.cmd = CHRING_CMD_LOCK_SET,
};

FIXTURE_VARIANT_ADD(attributes, lock_get)
{
	.cmd = CHRING_CMD_LOCK_GET,
};

FIXTURE_VARIANT_ADD(attributes, lock_del)
{
	.cmd = CHRING_CMD_LOCK_DEL,
};

FIXTURE_VARIANT_ADD(attributes, lock_break)
{
	.cmd = CHRING_CMD_LOCK_BREAK,
};

static void put_value(struct nl_msg *msg, const struct attribute *attribute,
		      int fd)
{
	struct in_addr here = { htonl(INADDR_LOOPBACK) };

	switch (attribute->kind) {
	case NEW_NAME:
	case OLD_NAME:
		nla_put_string(msg, attribute->type, attribute->name);
		break;
	case NUMBER:
		nla_put_u32(msg, attribute->type,
			    attribute->number == THE_FD ? (unsigned int)fd :
			    attribute->number == THE_PIDFD ? own_pidfd() :
							     attribute->number);
		break;
	default:
		nla_put(msg, attribute->type, sizeof(here), &here);
	}
}

static void put_attributes(struct nl_msg *msg, const struct command *command,
			   const struct mutation *mutation, bool inner, int fd)
{
	const struct attribute *attribute;

	for (attribute = command->attributes; attribute->kind; attribute++) {
		if (attribute->inner != inner)
			continue;
		if (attribute != mutation->attribute) {
			if (!attribute->optional)
				put_value(msg, attribute, fd);
		} else if (mutation->data) {
			nla_put(msg, attribute->type | mutation->flags,
				mutation->length, mutation->data);
		}
	}
}

static struct nl_msg *build(struct session *session,
			    const struct command *command,
			    const struct mutation *mutation, int fd)
{
	struct nl_msg *msg = request(session, command->cmd);
	struct nlattr *nest;

	put_attributes(msg, command, mutation, false, fd);
	if (command->replica) {
		nest = nla_nest_start(msg, CHRING_A_REPLICAS_REPLICA);
		if (!mutation->no_inner)
			put_attributes(msg, command, mutation, true, fd);
		if (mutation->extra_inner)
			nla_put_u32(msg, mutation->extra_inner, 1);
		nest->nla_len = (char *)nlmsg_tail(nlmsg_hdr(msg)) -
				(char *)nest;
		nest->nla_type = CHRING_A_REPLICAS_REPLICA;
		if (!mutation->no_nested_flag)
			nest->nla_type |= NLA_F_NESTED;
	}
	if (mutation->extra)
		nla_put_u32(msg, mutation->extra, 1);
	return msg;
}

FIXTURE_SETUP(attributes)
{
	struct session *session = &self->session;
	unsigned int i;

	ASSERT_TRUE(own_netns());
	ASSERT_TRUE(session_open(session));
	self->one = bound_socket(IPPROTO_UDP, HERE, PORT);
	self->two = bound_socket(IPPROTO_UDP, HERE, PORT);
	ASSERT_LE(0, self->two);
	ASSERT_EQ(0, service_new(session, "svc", IPPROTO_UDP, HERE, PORT));
	ASSERT_EQ(0, service_new(session, "idl", IPPROTO_UDP, HERE, PORT + 2));
	ASSERT_EQ(0, replica_new(session, "svc", "one", self->one));
	/* Held, to be broken */
	ASSERT_EQ(0, chring_lock_open(&self->lock, "lck", CHRING_LOCK_CREATE,
				      0600));
	ASSERT_EQ(0, chring_lock_acquire(self->lock));
	for (i = 0; i < elements(commands); i++)
		if (commands[i].cmd == variant->cmd)
			self->command = &commands[i];
	ASSERT_NE(NULL, self->command);
	self->state = state_read(session);
}

/* Nothing has changed, and the request as it should be works. */
FIXTURE_TEARDOWN(attributes)
{
	struct mutation none = {};
	char *state = state_read(&self->session);

	EXPECT_STREQ(self->state, state);
	EXPECT_EQ(0, ask(&self->session, build(&self->session, self->command,
					       &none, self->two)));
	EXPECT_TRUE(services_gone(&self->session));
	chring_lock_close(self->lock);
	session_close(&self->session);
	free(self->state);
	free(state);
}

static int where(const struct attribute *attribute)
{
	return attribute->inner ? IN(0, attribute->type) : AT(attribute->type);
}

/*
 * Sends what @mutation makes of the command. Returns NULL where it is refused
 * with an errno that is right for malformed requests, which is about @at where
 * that is not 0.
 */
static const char *refuses(struct session *session,
			   const struct command *command,
			   const struct mutation *mutation, int fd, int at)
{
	struct nl_msg *msg = build(session, command, mutation, fd);
	char *before = state_read(session), *after;
	static char why[512];
	struct answer answer;
	int seen;

	transact(session, nlmsg_hdr(msg), nlmsg_hdr(msg)->nlmsg_len, &answer);
	after = state_read(session);
	seen = where_of(&answer, msg);
	why[0] = '\0';
	if (strcmp(before, after))
		snprintf(why, sizeof(why), "the state changed");
	else if (answer.err != -EINVAL && answer.err != -ERANGE)
		snprintf(why, sizeof(why), "errno is %d", answer.err);
	else if (!answer.text[0] && !answer.missing)
		snprintf(why, sizeof(why), "no text");
	else if (at && seen != at)
		snprintf(why, sizeof(why), "at %#x instead of %#x (%s)", seen,
			 at, answer.text);
	free(before);
	free(after);
	nlmsg_free(msg);
	return why[0] ? why : NULL;
}

#define EXPECT_MALFORMED(mutation, at)					\
do {									\
	const char *wrong = refuses(&self->session, self->command,	\
				    mutation, self->two, at);		\
									\
	EXPECT_EQ(NULL, wrong)						\
		TH_LOG("%s", wrong ?: "");					\
} while (0)

#define for_each_attribute(pos)						\
	for ((pos) = self->command->attributes; (pos)->kind; (pos)++)

TEST_F(attributes, each_missing)
{
	const struct attribute *attribute;

	for_each_attribute(attribute) {
		struct mutation missing = { .attribute = attribute };

		if (!attribute->optional)
			EXPECT_MALFORMED(&missing, MISSING(where(attribute)));
	}
}

TEST_F(attributes, replicas_missing)
{
	struct mutation empty = { .no_inner = true };
	struct nl_msg *msg;

	if (!self->command->replica)
		return;
	EXPECT_MALFORMED(&empty, MISSING(IN(0, CHRING_A_REPLICA_NAME)));
	msg = request_replicas(&self->session, self->command->cmd, "svc");
	EXPECT_EQ(-EINVAL, ask(&self->session, msg));
}

/* 64 bytes before the zero, one more than there may be */
#define LONG_NAME "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

TEST_F(attributes, names_without_end_or_too_long)
{
	const struct attribute *attribute;
	struct {
		const char *data;
		int length;
	} names[] = {
		{ "", 0 }, { "abc", 3 }, { LONG_NAME, 64 }, { LONG_NAME, 65 },
		{ LONG_NAME LONG_NAME, 129 },
	};
	unsigned int i;

	for_each_attribute(attribute) {
		if (attribute->kind != NEW_NAME && attribute->kind != OLD_NAME)
			continue;
		for (i = 0; i < elements(names); i++) {
			struct mutation name = {
				.attribute = attribute,
				.data = names[i].data,
				.length = names[i].length,
			};

			EXPECT_MALFORMED(&name, where(attribute));
		}
	}
}

/* No service can have such a name, which makes it an unknown one. */
static void expect_no_such_name(struct __test_metadata *_metadata,
				struct session *session, struct nl_msg *msg)
{
	char *before = state_read(session), *after;
	int err = ask(session, msg);

	EXPECT_TRUE(err == -ENOENT || err == -EINVAL)
		TH_LOG("errno is %d", err);
	after = state_read(session);
	EXPECT_STREQ(before, after);
	free(before);
	free(after);
}

TEST_F(attributes, names_that_are_not_printable)
{
	static const char *const names[] = {
		"", " ", "a b", "ab ", " ab", "a\tb", "a\nb", "a\x01", "\x7f",
		"\xc3\xa9", "\xff", "a\x80",
	};
	const struct attribute *attribute;
	unsigned int i;

	for_each_attribute(attribute) {
		if (attribute->kind != NEW_NAME && attribute->kind != OLD_NAME)
			continue;
		for (i = 0; i < elements(names); i++) {
			struct mutation name = {
				.attribute = attribute,
				.data = names[i],
				.length = strlen(names[i]) + 1,
			};

			if (attribute->kind == NEW_NAME)
				EXPECT_MALFORMED(&name, where(attribute));
			else
				expect_no_such_name(_metadata, &self->session,
						    build(&self->session,
							  self->command, &name,
							  self->two));
		}
	}
}

/* Of all the lengths that are tried */
static bool is_length_of(enum kind kind, int length)
{
	if (kind == ADDRESS6 || kind == SEED)
		return length == 16;
	if (kind == UINT)
		return length == 8;
	return kind == BYTES || (kind == FLAG && !length);
}

TEST_F(attributes, of_wrong_length)
{
	static const int lengths[] = { 0, 1, 2, 3, 5, 7, 8, 16, 1000 };
	static const char zeroes[1000];
	const struct attribute *attribute;
	unsigned int i;

	for_each_attribute(attribute) {
		if (attribute->kind == NEW_NAME || attribute->kind == OLD_NAME)
			continue;
		for (i = 0; i < elements(lengths); i++) {
			struct mutation length = {
				.attribute = attribute,
				.data = zeroes,
				.length = lengths[i],
			};

			if (!is_length_of(attribute->kind, lengths[i]))
				EXPECT_MALFORMED(&length, where(attribute));
		}
	}
}

TEST_F(attributes, numbers_out_of_range)
{
	const struct attribute *attribute;
	unsigned int i;

	for_each_attribute(attribute) {
		unsigned int numbers[] = {
			attribute->min - 1, attribute->max + 1, 1U << 31, ~0U,
		};

		if (attribute->kind != NUMBER)
			continue;
		for (i = 0; i < elements(numbers); i++) {
			struct mutation number = {
				.attribute = attribute,
				.data = &numbers[i],
				.length = sizeof(numbers[i]),
			};

			if (numbers[i] < attribute->min ||
			    numbers[i] > attribute->max)
				EXPECT_MALFORMED(&number, where(attribute));
		}
	}
}

static bool takes(const struct command *command, int type, bool inner)
{
	const struct attribute *attribute;

	if (command->replica && !inner && type == CHRING_A_REPLICAS_REPLICA)
		return true;
	for (attribute = command->attributes; attribute->kind; attribute++)
		if (attribute->type == type && attribute->inner == inner)
			return true;
	return false;
}

/* Those that are only read, those of other commands, and those of none. */
TEST_F(attributes, that_the_command_does_not_take)
{
	static const int none[] = { 100, 0x3fff };
	struct mutation extra = {};
	unsigned int i;
	int type;

	for (type = 1; type <= self->command->types + 2; type++) {
		extra.extra = type;
		if (!takes(self->command, type, false))
			EXPECT_MALFORMED(&extra, AT(type));
	}
	for (i = 0; i < elements(none); i++) {
		extra.extra = none[i];
		EXPECT_MALFORMED(&extra, AT(none[i]));
	}
	extra.extra = 0;
	for (type = 1; type <= CHRING_A_REPLICA_MAX + 2; type++) {
		extra.extra_inner = type;
		if (self->command->replica &&
		    !takes(self->command, type, true))
			EXPECT_MALFORMED(&extra, IN(0, type));
	}
}

TEST_F(attributes, with_the_nested_flag_where_it_does_not_belong)
{
	struct mutation none = { .no_nested_flag = true };
	const struct attribute *attribute;
	static const char zeroes[4];

	if (self->command->replica)
		EXPECT_MALFORMED(&none, AT(CHRING_A_REPLICAS_REPLICA));
	for_each_attribute(attribute) {
		struct mutation flag = {
			.attribute = attribute,
			.flags = NLA_F_NESTED,
			.data = zeroes,
			.length = sizeof(zeroes),
		};

		EXPECT_MALFORMED(&flag, where(attribute));
	}
}

/* A copy of the valid request, to be spoilt; its length in @length. */
static void *copy(struct session *session, const struct command *command,
		  int fd, int *length)
{
	struct mutation none = {};
	struct nl_msg *msg = build(session, command, &none, fd);
	void *bytes;

	*length = nlmsg_hdr(msg)->nlmsg_len;
	bytes = malloc(*length + 64);
	memcpy(bytes, nlmsg_hdr(msg), *length);
	memset(bytes + *length, 0, 64);
	nlmsg_free(msg);
	return bytes;
}

static int send_bytes(struct session *session, const void *bytes, int length)
{
	struct answer answer;

	transact(session, bytes, length, &answer);
	return answer.err;
}

TEST_F(attributes, of_a_request_that_was_cut_at_every_byte)
{
	struct session *session = &self->session;
	int length, cut, err;
	struct nlmsghdr *nlh;

	nlh = copy(session, self->command, self->two, &length);
	for (cut = 1; cut < length; cut++) {
		nlh->nlmsg_len = cut;
		err = send_bytes(session, nlh, cut);
		EXPECT_EQ(cut < NLMSG_HDRLEN ? NO_ANSWER : -EINVAL, err)
			TH_LOG("cut at %d of %d", cut, length);

		/* A header that promises more than was sent. */
		nlh->nlmsg_len = length;
		EXPECT_EQ(NO_ANSWER, send_bytes(session, nlh, cut));
	}
	free(nlh);
}

TEST_F(attributes, followed_by_what_is_none)
{
	struct session *session = &self->session;
	struct nlmsghdr *nlh;
	int length, more;

	nlh = copy(session, self->command, self->two, &length);
	for (more = 1; more < 32; more++) {
		nlh->nlmsg_len = length + more;
		EXPECT_EQ(-EINVAL, send_bytes(session, nlh, length + more));
	}
	free(nlh);
}

/* Cuts each of the attributes from @offset to @end at every byte, and more. */
static void spoil_lengths(struct __test_metadata *_metadata,
			  struct session *session, struct nlmsghdr *nlh,
			  int offset, int end)
{
	static const int others[] = { 1, 2, 3, 4, 5, 8, 100, 0x7fff, 0xffe0 };
	struct nlattr *attr;
	int length, spoilt;
	unsigned int i;

	for (; offset < end; offset += NLA_ALIGN(length)) {
		attr = (void *)nlh + offset;
		length = attr->nla_len;
		for (spoilt = 0; spoilt < length; spoilt++) {
			attr->nla_len = spoilt;
			EXPECT_GT(0, send_bytes(session, nlh, nlh->nlmsg_len))
				TH_LOG("%d of %d at %d", spoilt, length,
				       offset);
		}
		for (i = 0; i < elements(others); i++) {
			attr->nla_len = length + others[i];
			EXPECT_GT(0, send_bytes(session, nlh, nlh->nlmsg_len))
				TH_LOG("%d over %d at %d", others[i], length,
				       offset);
		}
		attr->nla_len = length;
		if (attr->nla_type & NLA_F_NESTED)
			spoil_lengths(_metadata, session, nlh,
				      offset + NLA_HDRLEN, offset + length);
	}
}

TEST_F(attributes, whose_length_is_wrong_by_any_number)
{
	struct nlmsghdr *nlh;
	int length;

	nlh = copy(&self->session, self->command, self->two, &length);
	spoil_lengths(_metadata, &self->session, nlh,
		      NLMSG_HDRLEN + GENL_HDRLEN, length);
	free(nlh);
}

/* The header of generic netlink has bits for later use. */
TEST_F(attributes, after_a_header_with_reserved_bits)
{
	struct genlmsghdr *header;
	struct nlmsghdr *nlh;
	int length;

	nlh = copy(&self->session, self->command, self->two, &length);
	header = nlmsg_data(nlh);
	header->reserved = 1;
	EXPECT_EQ(-EINVAL, send_bytes(&self->session, nlh, length));
	free(nlh);
}

/*
 * Only what lists something can be dumped. Lists of services and of locks take
 * no attributes at all: generic netlink does not look at them then.
 */
TEST_F(attributes, in_a_dump_that_does_not_take_them)
{
	int cmd = self->command->cmd, err = -EOPNOTSUPP;
	struct mutation none = {};
	struct nl_msg *msg = build(&self->session, self->command, &none,
				   self->two);

	if (cmd == CHRING_CMD_SERVICE_GET || cmd == CHRING_CMD_LOCK_GET ||
	    cmd == CHRING_CMD_REPLICA_PLAN)
		err = 0;
	else if (cmd == CHRING_CMD_REPLICA_GET)
		err = -EINVAL;
	nlmsg_hdr(msg)->nlmsg_flags |= NLM_F_DUMP;
	EXPECT_EQ(err, ask(&self->session, msg));
}

TEST(commands_that_there_are_not)
{
	static const int none[] = { 0, CHRING_CMD_MAX + 1, 100, 255 };
	struct session session;
	unsigned int i;

	ASSERT_TRUE(own_netns());
	ASSERT_TRUE(session_open(&session));
	for (i = 0; i < elements(none); i++)
		EXPECT_EQ(-EOPNOTSUPP, ask(&session,
					   request(&session, none[i])));
	session_close(&session);
}

TEST_HARNESS_MAIN
