// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <string.h>

#include "private.h"

/* What is asked; @payload is NULL where it is not told. */
struct question {
	const char *service;
	const union chring_address *remote;
	const union chring_address *local;
	const void *payload;
	size_t length;
};

static int put_lookup(struct chring *chring, struct nl_msg *msg,
		      const struct question *question)
{
	const union chring_address *remote = question->remote;
	const union chring_address *local = question->local;
	int ret;

	ret = chring_put_name(chring, msg, CHRING_A_LOOKUP_SERVICE,
			      question->service);
	if (ret < 0)
		return ret;
	ret = chring_put_address(chring, msg, CHRING_A_LOOKUP_REMOTE_IPV4,
				 CHRING_A_LOOKUP_REMOTE_IPV6, remote);
	if (!ret && local)
		ret = chring_put_address(chring, msg,
					 CHRING_A_LOOKUP_LOCAL_IPV4,
					 CHRING_A_LOOKUP_LOCAL_IPV6, local);
	if (ret < 0)
		return ret;
	if (nla_put_u32(msg, CHRING_A_LOOKUP_REMOTE_PORT,
			chring_port(remote)) < 0 ||
	    (question->payload &&
	     nla_put(msg, CHRING_A_LOOKUP_PAYLOAD, question->length,
		     question->payload) < 0))
		return chring_fail_nomem(chring);
	return 0;
}

static int take_lookup(struct chring *chring, struct nlmsghdr *reply, void *arg)
{
	struct nlattr *attrs[CHRING_A_LOOKUP_MAX + 1];
	int ret;

	ret = chring_parse(chring, reply, attrs, CHRING_A_LOOKUP_MAX);
	if (ret < 0)
		return ret;
	if (attrs[CHRING_A_LOOKUP_INODE])
		chring->inode = chring_get_uint(attrs[CHRING_A_LOOKUP_INODE]);
	if (!attrs[CHRING_A_LOOKUP_REPLICA])
		return 0;
	return chring_get_name(chring, attrs[CHRING_A_LOOKUP_REPLICA], arg);
}

static int do_lookup(struct chring *chring, const struct question *question,
		     char *replica)
{
	struct nl_msg *msg;
	int ret;

	chring->inode = 0;
	ret = chring_check_address(chring, question->remote);
	if (!ret && question->local)
		ret = chring_check_address(chring, question->local);
	if (ret < 0)
		return ret;

	ret = chring_request(chring, &msg, CHRING_CMD_LOOKUP, NLM_F_ACK,
			     chring_name_size(question->service) +
			     2 * chring_address_size() +
			     nla_total_size(sizeof(uint32_t)) +
			     nla_total_size(question->length));
	if (ret < 0)
		return ret;
	ret = put_lookup(chring, msg, question);
	if (ret < 0) {
		nlmsg_free(msg);
		return ret;
	}
	replica[0] = '\0';
	return chring_do(chring, msg, take_lookup, replica);
}

CHRING_EXPORT int chring_lookup(struct chring *chring, const char *service,
				const union chring_address *remote,
				const union chring_address *local,
				char *replica)
{
	struct question question = {
		.service = service, .remote = remote, .local = local,
	};

	return do_lookup(chring, &question, replica);
}

CHRING_EXPORT int chring_lookup_payload(struct chring *chring,
					const char *service,
					const union chring_address *remote,
					const union chring_address *local,
					const void *payload, size_t length,
					char *replica)
{
	struct question question = {
		.service = service, .remote = remote, .local = local,
		.payload = length ? payload : "", .length = length,
	};

	/* A length over 16 bits would be cut down to one that looks right. */
	if (length > CHRING_PAYLOAD_MAX)
		return chring_fail(chring, EINVAL,
				   "payload must be at most %d bytes: %s",
				   CHRING_PAYLOAD_MAX, strerror(EINVAL));
	return do_lookup(chring, &question, replica);
}

CHRING_EXPORT uint64_t chring_lookup_inode(const struct chring *chring)
{
	return chring->inode;
}
