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
	if (address->sa.sa_family == AF_INET ||
	    address->sa.sa_family == AF_INET6)
		return 0;
	return chring_fail(chring, EAFNOSUPPORT,
			   "the address must be IPv4 or IPv6: %s",
			   strerror(EAFNOSUPPORT));
}

/* The port, in host order. */
in_port_t chring_port(const union chring_address *address)
{
	return ntohs(address->sa.sa_family == AF_INET ?
		     address->in.sin_port : address->in6.sin6_port);
}

/* Room that an address takes in a message. */
size_t chring_address_size(void)
{
	return nla_total_size(sizeof(struct in6_addr));
}

/* @address without its port, as the one or the other of two attributes. */
int chring_put_address(struct chring *chring, struct nl_msg *msg, int ipv4,
		       int ipv6, const union chring_address *address)
{
	int ret;

	if (address->sa.sa_family == AF_INET)
		ret = nla_put(msg, ipv4, sizeof(address->in.sin_addr),
			      &address->in.sin_addr);
	else
		ret = nla_put(msg, ipv6, sizeof(address->in6.sin6_addr),
			      &address->in6.sin6_addr);
	return ret < 0 ? chring_fail_nomem(chring) : 0;
}

int chring_get_address(struct chring *chring, const struct nlattr *ipv4,
		       const struct nlattr *ipv6, union chring_address *address)
{
	if (ipv4 && nla_len(ipv4) == sizeof(address->in.sin_addr)) {
		address->in.sin_family = AF_INET;
		memcpy(&address->in.sin_addr, nla_data(ipv4),
		       sizeof(address->in.sin_addr));
		return 0;
	}
	if (ipv6 && nla_len(ipv6) == sizeof(address->in6.sin6_addr)) {
		address->in6.sin6_family = AF_INET6;
		memcpy(&address->in6.sin6_addr, nla_data(ipv6),
		       sizeof(address->in6.sin6_addr));
		return 0;
	}
	return chring_fail_reply(chring);
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
