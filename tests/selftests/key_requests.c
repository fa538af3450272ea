// SPDX-License-Identifier: GPL-2.0
/*
 * Requests about keys that are refused; and that the secret, under which keys
 * are hashed, is in nothing that users without privilege can read.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/genetlink.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/socket.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "request.h"

#define HERE "127.0.0.1"
#define PORT 8000
#define STRANGER 1000

#define KEY CHRING_A_SERVICE_KEY
#define IPV4 CHRING_A_SERVICE_PREFIX_IPV4
#define IPV6 CHRING_A_SERVICE_PREFIX_IPV6
#define OFFSET CHRING_A_SERVICE_PAYLOAD_OFFSET
#define LENGTH CHRING_A_SERVICE_PAYLOAD_LENGTH
#define PAYLOAD CHRING_A_LOOKUP_PAYLOAD

FIXTURE(key_requests)
{
	struct session session;
};

FIXTURE_SETUP(key_requests)
{
	ASSERT_TRUE(own_netns());
	ASSERT_TRUE(session_open(&self->session));
}

FIXTURE_TEARDOWN(key_requests)
{
	EXPECT_TRUE(services_gone(&self->session));
	session_close(&self->session);
}

/* A request for a service at @address, of UDP but where @tcp. */
static struct nl_msg *new_at(struct session *session, const char *address,
			     bool tcp)
{
	struct nl_msg *msg = request_service(session, CHRING_CMD_SERVICE_NEW,
					     "new");
	bool ipv6 = strchr(address, ':');
	struct in6_addr binary;

	inet_pton(ipv6 ? AF_INET6 : AF_INET, address, &binary);
	nla_put_u32(msg, CHRING_A_SERVICE_PROTOCOL,
		    tcp ? CHRING_PROTOCOL_TCP : CHRING_PROTOCOL_UDP);
	nla_put(msg, ipv6 ? CHRING_A_SERVICE_LOCAL_IPV6 :
			    CHRING_A_SERVICE_LOCAL_IPV4, ipv6 ? 16 : 4,
		&binary);
	nla_put_u32(msg, CHRING_A_SERVICE_LOCAL_PORT, PORT);
	return msg;
}

struct value {
	int type;		/* 0 ends them */
	uint32_t value;
};

#define MAX_VALUES 6

struct bad_key {
	const char *address;
	bool tcp;
	struct value values[MAX_VALUES];
	const char *text;	/* NULL where the attribute that is missing says it */
	int where;
};

static const char for_another[] = "is for another key than the service's";
static const char too_long[] = "no datagram is as long as offset and length";

static const struct bad_key bad_keys[] = {
	{ HERE, false, { { KEY, CHRING_KEY_TYPE_PREFIX } },
	  NULL, MISSING(AT(IPV4)) },
	{ "::1", false, { { KEY, CHRING_KEY_TYPE_PREFIX } },
	  NULL, MISSING(AT(IPV6)) },
	{ "::", false, { { KEY, CHRING_KEY_TYPE_PREFIX }, { IPV4, 24 } },
	  NULL, MISSING(AT(IPV6)) },
	{ HERE, true, { { KEY, CHRING_KEY_TYPE_PREFIX }, { IPV6, 64 } },
	  "service takes no IPv6", AT(IPV6) },
	{ HERE, true, { { KEY, CHRING_KEY_TYPE_PREFIX }, { IPV4, 24 },
			{ IPV6, 64 } },
	  "service takes no IPv6", AT(IPV6) },
	{ "::1", true, { { KEY, CHRING_KEY_TYPE_PREFIX }, { IPV4, 24 },
			 { IPV6, 64 } },
	  "service takes no IPv4", AT(IPV4) },
	{ HERE, true, { { KEY, CHRING_KEY_TYPE_PAYLOAD }, { OFFSET, 4 },
			{ LENGTH, 8 } },
	  "key payload is for UDP only", AT(KEY) },
	{ HERE, false, { { KEY, CHRING_KEY_TYPE_PAYLOAD }, { LENGTH, 8 } },
	  NULL, MISSING(AT(OFFSET)) },
	{ HERE, false, { { KEY, CHRING_KEY_TYPE_PAYLOAD }, { OFFSET, 4 } },
	  NULL, MISSING(AT(LENGTH)) },
	{ HERE, false, { { KEY, CHRING_KEY_TYPE_PAYLOAD }, { OFFSET, 65507 },
			 { LENGTH, 1 } },
	  too_long, AT(OFFSET) },
	{ HERE, false, { { KEY, CHRING_KEY_TYPE_PAYLOAD }, { OFFSET, 65535 },
			 { LENGTH, 64 } },
	  too_long, AT(OFFSET) },
	{ HERE, false, { { IPV4, 24 } }, for_another, AT(IPV4) },
	{ "::", false, { { IPV6, 24 } }, for_another, AT(IPV6) },
	{ HERE, false, { { OFFSET, 0 } }, for_another, AT(OFFSET) },
	{ HERE, false, { { LENGTH, 8 } }, for_another, AT(LENGTH) },
	{ HERE, false, { { KEY, CHRING_KEY_TYPE_FLOW }, { LENGTH, 8 } },
	  for_another, AT(LENGTH) },
	{ HERE, false, { { KEY, CHRING_KEY_TYPE_CLIENT }, { IPV4, 24 } },
	  for_another, AT(IPV4) },
	{ HERE, false, { { KEY, CHRING_KEY_TYPE_PREFIX }, { IPV4, 24 },
			 { LENGTH, 8 } },
	  for_another, AT(LENGTH) },
	{ HERE, false, { { KEY, CHRING_KEY_TYPE_PAYLOAD }, { OFFSET, 4 },
			 { LENGTH, 8 }, { IPV4, 24 } },
	  for_another, AT(IPV4) },
};

TEST_F(key_requests, keys_that_cannot_be)
{
	const struct value *value;
	struct nl_msg *msg;
	unsigned int i;

	for (i = 0; i < elements(bad_keys); i++) {
		const struct bad_key *bad = &bad_keys[i];

		msg = new_at(&self->session, bad->address, bad->tcp);
		for (value = bad->values; value->type; value++)
			nla_put_u32(msg, value->type, value->value);
		EXPECT_REFUSED(&self->session, msg, -EINVAL, bad->text,
			       bad->where);
	}
}

/* The largest that there are, and what a dump says of them. */
TEST_F(key_requests, keys_that_can_just_be)
{
	const struct chring_key keys[] = {
		{ CHRING_KEY_PREFIX, .prefix_ipv6 = 128 },
		{ CHRING_KEY_PREFIX, .prefix_ipv6 = 1, .prefix_ipv4 = 1 },
		{ CHRING_KEY_PAYLOAD, .offset = 0, .length = 1 },
		{ CHRING_KEY_PAYLOAD, .offset = 65443, .length = 64 },
	};
	struct chring_service_request request = {
		.name = "new",
		.protocol = IPPROTO_UDP,
		.owner = CHRING_OWNER_SELF,
		.local.in6 = { .sin6_family = AF_INET6,
			       .sin6_port = htons(PORT) },
	};
	struct chring *chring = self->session.chring;
	struct chring_service service;
	struct chring_key expected;
	unsigned int i;

	for (i = 0; i < elements(keys); i++) {
		request.key = keys[i];
		ASSERT_EQ(0, chring_service_new(chring, &request));
		ASSERT_EQ(0, chring_service_get(chring, "new", &service));
		expected = keys[i];
		if (expected.type == CHRING_KEY_PREFIX && !expected.prefix_ipv4)
			expected.prefix_ipv4 = 32;
		EXPECT_EQ(0, memcmp(&expected, &service.key, sizeof(expected)));
		ASSERT_TRUE(services_gone(&self->session));
	}
}

static struct nl_msg *look_up(struct session *session, const char *service,
			      int length)
{
	static const char zeroes[UINT16_MAX];
	struct nl_msg *msg = request_lookup(session, service);

	if (length >= 0)
		nla_put(msg, PAYLOAD, length, zeroes);
	return msg;
}

TEST_F(key_requests, look_ups_with_and_without_payload)
{
	struct session *session = &self->session;
	struct nl_msg *msg;

	ASSERT_EQ(0, service_new(session, "tcp", IPPROTO_TCP, HERE, PORT + 1));
	ASSERT_EQ(0, service_new(session, "udp", IPPROTO_UDP, HERE, PORT + 1));
	msg = new_at(session, HERE, false);
	nla_put_u32(msg, KEY, CHRING_KEY_TYPE_PAYLOAD);
	nla_put_u32(msg, OFFSET, 4);
	nla_put_u32(msg, LENGTH, 8);
	ASSERT_EQ(0, ask(session, msg));

	EXPECT_REFUSED(session, look_up(session, "tcp", 12), -EINVAL,
		       "service is TCP", AT(PAYLOAD));
	EXPECT_REFUSED(session, look_up(session, "tcp", 0), -EINVAL,
		       "service is TCP", AT(PAYLOAD));
	EXPECT_REFUSED(session, look_up(session, "new", -1), -EINVAL,
		       "payload is missing", MISSING(AT(PAYLOAD)));
	EXPECT_EQ(0, ask(session, look_up(session, "udp", -1)));
	EXPECT_EQ(0, ask(session, look_up(session, "udp", 12)));
	EXPECT_EQ(0, ask(session, look_up(session, "new", 0)));
	EXPECT_EQ(0, ask(session, look_up(session, "new", 12)));
}

/* ---- the secret */

/* What one message tells: its attributes. */
struct told {
	int length;
	char attrs[1024];
};

#define MESSAGES 16

/*
 * Two services that differ in nothing but name and port, which have one length,
 * and in seed and secret, which are random: who reads all that is told of the
 * one and of the other and finds the same has learnt nothing of either's.
 */
FIXTURE(secret)
{
	struct session session;
	struct session stranger;
	int sockets[2];
	struct told told[MESSAGES];
};

static const char *const names[] = { "one", "two" };

FIXTURE_SETUP(secret)
{
	ASSERT_TRUE(own_netns());
	ASSERT_TRUE(session_open(&self->session));
	ASSERT_EQ(0, seteuid(STRANGER));
	ASSERT_TRUE(session_open(&self->stranger));
	ASSERT_EQ(0, seteuid(0));
}

FIXTURE_TEARDOWN(secret)
{
	session_close(&self->stranger);
	EXPECT_TRUE(services_gone(&self->session));
	session_close(&self->session);
}

static int make(struct session *session, int *sockets, int which)
{
	struct nl_msg *msg;
	int ret;

	msg = request_service_new(session, names[which], IPPROTO_UDP, HERE,
				  PORT + which);
	nla_put_u32(msg, KEY, CHRING_KEY_TYPE_CLIENT);
	ret = ask(session, msg);
	if (ret)
		return ret;
	sockets[which] = bound_socket(IPPROTO_UDP, HERE, PORT + which);
	return replica_new(session, names[which], "r", sockets[which]);
}

/* What names, ports and sockets are is different: away with them. */
static void blank(struct nlattr *attrs, int length, bool replica)
{
	struct nlattr *attr;
	int left;

	nla_for_each_attr(attr, attrs, length, left) {
		int type = nla_type(attr);

		if (replica && type == CHRING_A_REPLICAS_REPLICA) {
			struct nlattr *inode = nla_find(nla_data(attr),
							nla_len(attr),
							CHRING_A_REPLICA_INODE);

			if (inode)
				memset(nla_data(inode), 0, nla_len(inode));
		} else if (type == CHRING_A_SERVICE_NAME ||
			   (!replica && type == CHRING_A_SERVICE_LOCAL_PORT)) {
			memset(nla_data(attr), 0, nla_len(attr));
		}
	}
}

static bool of_replica(struct nlmsghdr *nlh)
{
	switch (genlmsg_hdr(nlh)->cmd) {
	case CHRING_CMD_REPLICA_GET:
	case CHRING_CMD_REPLICA_PLAN:
	case CHRING_CMD_REPLICA_NEW_NTF:
	case CHRING_CMD_REPLICA_DEL_NTF:
		return true;
	default:
		return false;
	}
}

/* All of the family's messages that have come to a socket; their number. */
static unsigned int hear_all(struct session *session, int fd,
			     struct told *told)
{
	static struct nlmsghdr buffer[1 << 12];
	unsigned int count = 0;
	struct nlmsghdr *nlh;
	int left;

	while ((left = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT)) > 0) {
		for (nlh = buffer; nlmsg_ok(nlh, left);
		     nlh = nlmsg_next(nlh, &left)) {
			if (nlh->nlmsg_type != session->family ||
			    count == MESSAGES)
				continue;
			told->length = genlmsg_attrlen(genlmsg_hdr(nlh), 0);
			memcpy(told->attrs, genlmsg_attrdata(genlmsg_hdr(nlh), 0),
			       told->length);
			blank((struct nlattr *)told->attrs, told->length,
			      of_replica(nlh));
			told++;
			count++;
		}
	}
	return count;
}

/* What is answered to @msg, which it frees; the number of messages. */
static unsigned int told(struct session *session, struct nl_msg *msg,
			 struct told *told)
{
	nlmsg_hdr(msg)->nlmsg_flags &= ~NLM_F_ACK;
	tell(session, nlmsg_hdr(msg), nlmsg_hdr(msg)->nlmsg_len);
	nlmsg_free(msg);
	return hear_all(session, session->fd, told);
}

static bool same(const struct told *a, const struct told *b)
{
	return a->length == b->length && !memcmp(a->attrs, b->attrs, a->length);
}

static struct nl_msg *question(struct session *session, int cmd, int which)
{
	struct nl_msg *msg;

	switch (cmd) {
	case CHRING_CMD_SERVICE_GET:
		return request_service(session, cmd, names[which]);
	case CHRING_CMD_REPLICA_GET:
		return request_replica(session, cmd, names[which], "r", -1, 0);
	case CHRING_CMD_REPLICA_PLAN:
		msg = request_replica(session, cmd, names[which], "r", -1, 0);
		nla_put_u32(msg, CHRING_A_REPLICAS_CHANGE,
			    CHRING_REPLICA_CHANGE_DEL);
		return msg;
	default:
		return request_lookup(session, names[which]);
	}
}

TEST_F(secret, is_in_no_answer)
{
	static const int cmds[] = {
		CHRING_CMD_SERVICE_GET, CHRING_CMD_REPLICA_GET,
		CHRING_CMD_REPLICA_PLAN, CHRING_CMD_LOOKUP,
	};
	struct session *stranger = &self->stranger;
	unsigned int i, which;

	ASSERT_EQ(0, make(&self->session, self->sockets, 0));
	ASSERT_EQ(0, make(&self->session, self->sockets, 1));
	ASSERT_EQ(0, seteuid(STRANGER));
	for (i = 0; i < elements(cmds); i++) {
		for (which = 0; which < 2; which++)
			ASSERT_EQ(1U, told(stranger,
					   question(stranger, cmds[i], which),
					   &self->told[which]));
		EXPECT_TRUE(same(&self->told[0], &self->told[1]))
			TH_LOG("command %d", cmds[i]);
	}
	ASSERT_EQ(0, seteuid(0));
}

static struct nl_msg *question_of_all(struct session *session, int cmd)
{
	struct nl_msg *msg = request(session, cmd);

	nlmsg_hdr(msg)->nlmsg_flags |= NLM_F_DUMP;
	return msg;
}

TEST_F(secret, is_in_no_answer_about_all)
{
	static const int cmds[] = {
		CHRING_CMD_SERVICE_GET, CHRING_CMD_REPLICA_GET,
	};
	struct session *stranger = &self->stranger;
	unsigned int i;

	ASSERT_EQ(0, make(&self->session, self->sockets, 0));
	ASSERT_EQ(0, make(&self->session, self->sockets, 1));
	ASSERT_EQ(0, seteuid(STRANGER));
	for (i = 0; i < elements(cmds); i++) {
		ASSERT_EQ(2U, told(stranger, question_of_all(stranger, cmds[i]),
				   self->told));
		EXPECT_TRUE(same(&self->told[0], &self->told[1]))
			TH_LOG("command %d", cmds[i]);
	}
	ASSERT_EQ(0, seteuid(0));
	/* Administrators are told the seed: that makes a difference */
	ASSERT_EQ(2U, told(&self->session,
			   question_of_all(&self->session,
					   CHRING_CMD_SERVICE_GET),
			   self->told));
	EXPECT_FALSE(same(&self->told[0], &self->told[1]));
}

TEST_F(secret, is_in_no_notification)
{
	struct session *session = &self->session;
	struct nl_sock *sock;
	unsigned int i, count;
	int which;

	ASSERT_EQ(0, seteuid(STRANGER));
	sock = nl_socket_alloc();
	ASSERT_EQ(0, genl_connect(sock));
	ASSERT_EQ(0, nl_socket_add_membership(sock,
					      genl_ctrl_resolve_grp(sock,
								    CHRING_FAMILY_NAME,
								    "services")));
	ASSERT_EQ(0, seteuid(0));
	for (which = 0; which < 2; which++) {
		ASSERT_EQ(0, make(session, self->sockets, which));
		ASSERT_EQ(0, ask(session,
				 request_replica(session,
						 CHRING_CMD_REPLICA_DEL,
						 names[which], "r", -1, 0)));
	}
	/* New and steering, the replica's coming and going; twice */
	count = hear_all(session, nl_socket_get_fd(sock), self->told);
	ASSERT_EQ(8U, count);
	for (i = 0; i < count / 2; i++)
		EXPECT_TRUE(same(&self->told[i], &self->told[count / 2 + i]))
			TH_LOG("notification %u", i);
	nl_socket_free(sock);
}

/* What this user can read of the module in /sys, of all namespaces. */
static char *files_read(void)
{
	static const char command[] =
		"grep -rsI --exclude=refcnt . /sys/module/chring /sys/class/misc/chring/";
	char *text = calloc(1, 1 << 16);
	FILE *file = popen(command, "r");

	if (!file || !fread(text, 1, (1 << 16) - 1, file))
		abort();
	pclose(file);
	return text;
}

TEST_F(secret, is_in_no_file)
{
	char *before, *after;

	ASSERT_EQ(0, seteuid(STRANGER));
	before = files_read();
	ASSERT_EQ(0, seteuid(0));
	ASSERT_EQ(0, make(&self->session, self->sockets, 0));
	ASSERT_EQ(0, seteuid(STRANGER));
	after = files_read();
	ASSERT_EQ(0, seteuid(0));
	EXPECT_STREQ(before, after);
	EXPECT_NE(NULL, strstr(before, "max_services"));
	free(before);
	free(after);
}

TEST_HARNESS_MAIN
