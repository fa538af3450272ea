// SPDX-License-Identifier: LGPL-2.1-or-later
/* Attributes that several requests and answers share. */
#include <errno.h>
#include <linux/genetlink.h>
#include <string.h>

#include "private.h"

/* Room that a name takes in a message. */
size_t chring_name_size(const char *name)
{
	return nla_total_size(strnlen(name, CHRING_NAME_MAX) + 1);
}

/*
 * The kernel judges names; only their length is judged here, since a length
 * over 16 bits would be cut down to one that looks right.
 */
int chring_put_name(struct chring *chring, struct nl_msg *msg, int type,
		    const char *name)
{
	if (strnlen(name, CHRING_NAME_MAX + 1) > CHRING_NAME_MAX)
		return chring_fail(chring, EINVAL,
				   "name must be at most %d bytes: %s",
				   CHRING_NAME_MAX, strerror(EINVAL));
	if (nla_put_string(msg, type, name) < 0)
		return chring_fail_nomem(chring);
	return 0;
}

int chring_check_address(struct chring *chring,
			 const union chring_address *address)
{
	if (address->sa.sa_family == AF_INET)
		return 0;
	return chring_fail(chring, EAFNOSUPPORT, "the address must be IPv4: %s",
			   strerror(EAFNOSUPPORT));
}

/* A newer kernel's attributes are no error: nla_parse() passes them over. */
int chring_parse(struct chring *chring, struct nlmsghdr *reply,
		 struct nlattr **attrs, int max)
{
	if (!nlmsg_valid_hdr(reply, GENL_HDRLEN) ||
	    nlmsg_parse(reply, GENL_HDRLEN, attrs, max, NULL) < 0)
		return chring_fail_reply(chring);
	return 0;
}

int chring_parse_nest(struct chring *chring, struct nlattr *nest,
		      struct nlattr **attrs, int max)
{
	if (nla_parse_nested(attrs, max, nest, NULL) < 0)
		return chring_fail_reply(chring);
	return 0;
}

/* @name has room for CHRING_NAME_MAX + 1 bytes. */
int chring_get_name(struct chring *chring, const struct nlattr *attr,
		    char *name)
{
	size_t length;

	if (!attr)
		return chring_fail_reply(chring);
	length = strnlen(nla_data(attr), nla_len(attr));
	if (!length || length > CHRING_NAME_MAX)
		return chring_fail_reply(chring);
	memcpy(name, nla_data(attr), length);
	name[length] = '\0';
	return 0;
}

/* The kernel sends an integer in 4 or in 8 bytes; absent is 0. */
uint64_t chring_get_uint(const struct nlattr *attr)
{
	if (attr && nla_len(attr) == sizeof(uint64_t))
		return nla_get_u64(attr);
	if (attr && nla_len(attr) == sizeof(uint32_t))
		return nla_get_u32(attr);
	return 0;
}
