// SPDX-License-Identifier: LGPL-2.1-or-later
#include "private.h"

static int put_lookup(struct chring *chring, struct nl_msg *msg,
		      const char *service, const union chring_address *remote,
		      const union chring_address *local)
{
	int ret;

	ret = chring_put_name(chring, msg, CHRING_A_LOOKUP_SERVICE, service);
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
			chring_port(remote)) < 0)
		return chring_fail_nomem(chring);
	return 0;
}

static int take_lookup(struct chring *chring, struct nlmsghdr *reply, void *arg)
{
	struct nlattr *attrs[CHRING_A_LOOKUP_MAX + 1];
	int ret;

	ret = chring_parse(chring, reply, attrs, CHRING_A_LOOKUP_MAX);
	if (ret < 0 || !attrs[CHRING_A_LOOKUP_REPLICA])
		return ret;
	return chring_get_name(chring, attrs[CHRING_A_LOOKUP_REPLICA], arg);
}

CHRING_EXPORT int chring_lookup(struct chring *chring, const char *service,
				const union chring_address *remote,
				const union chring_address *local,
				char *replica)
{
	struct nl_msg *msg;
	int ret;

	ret = chring_check_address(chring, remote);
	if (!ret && local)
		ret = chring_check_address(chring, local);
	if (ret < 0)
		return ret;

	ret = chring_request(chring, &msg, CHRING_CMD_LOOKUP, NLM_F_ACK,
			     chring_name_size(service) +
			     2 * chring_address_size() +
			     nla_total_size(sizeof(uint32_t)));
	if (ret < 0)
		return ret;
	ret = put_lookup(chring, msg, service, remote, local);
	if (ret < 0) {
		nlmsg_free(msg);
		return ret;
	}
	replica[0] = '\0';
	return chring_do(chring, msg, take_lookup, replica);
}
