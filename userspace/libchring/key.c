// SPDX-License-Identifier: LGPL-2.1-or-later
#include "private.h"

CHRING_EXPORT const char *chring_key_name(uint32_t type)
{
	static const char *const names[] = {
		[CHRING_KEY_FLOW]	= "flow",
		[CHRING_KEY_CLIENT]	= "client",
		[CHRING_KEY_PREFIX]	= "prefix",
		[CHRING_KEY_PAYLOAD]	= "payload",
	};

	return type < CHRING_ARRAY_SIZE(names) ? names[type] : "unknown";
}

/* Room that a key takes in a message. */
size_t chring_key_size(void)
{
	return 5 * nla_total_size(sizeof(uint32_t));
}

/* What does not go with the type is sent too: the kernel judges. */
int chring_put_key(struct chring *chring, struct nl_msg *msg,
		   const struct chring_key *key)
{
	bool payload = key->type == CHRING_KEY_PAYLOAD;

	if (nla_put_u32(msg, CHRING_A_SERVICE_KEY, key->type) < 0 ||
	    (key->prefix_ipv4 && nla_put_u32(msg, CHRING_A_SERVICE_PREFIX_IPV4,
					     key->prefix_ipv4) < 0) ||
	    (key->prefix_ipv6 && nla_put_u32(msg, CHRING_A_SERVICE_PREFIX_IPV6,
					     key->prefix_ipv6) < 0) ||
	    ((payload || key->offset) &&
	     nla_put_u32(msg, CHRING_A_SERVICE_PAYLOAD_OFFSET,
			 key->offset) < 0) ||
	    ((payload || key->length) &&
	     nla_put_u32(msg, CHRING_A_SERVICE_PAYLOAD_LENGTH,
			 key->length) < 0))
		return chring_fail_nomem(chring);
	return 0;
}

/* @attrs are those of a service. */
void chring_get_key(struct nlattr **attrs, struct chring_key *key)
{
	key->type = chring_get_uint(attrs[CHRING_A_SERVICE_KEY]);
	key->prefix_ipv4 = chring_get_uint(attrs[CHRING_A_SERVICE_PREFIX_IPV4]);
	key->prefix_ipv6 = chring_get_uint(attrs[CHRING_A_SERVICE_PREFIX_IPV6]);
	key->offset = chring_get_uint(attrs[CHRING_A_SERVICE_PAYLOAD_OFFSET]);
	key->length = chring_get_uint(attrs[CHRING_A_SERVICE_PAYLOAD_LENGTH]);
}
