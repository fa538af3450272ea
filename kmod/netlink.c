// SPDX-License-Identifier: GPL-2.0
/*
 * The family, and what its handlers share. Handlers decode, call, encode: each
 * object has its own file. The tables that bind them to commands are made from
 * Documentation/netlink/specs/chring.yaml.
 */

#include <linux/cred.h>
#include <linux/ctype.h>
#include <linux/file.h>
#include <net/genetlink.h>
#include <net/sock.h>

#include "generated/netlink.h"
#include "netlink.h"
#include "service.h"

/**
 * chring_nl_check_name - is it a name?
 * @attr: what is to be one
 * @extack: says why not
 *
 * Context: any.
 * Return: 0, or -EINVAL.
 */
int chring_nl_check_name(const struct nlattr *attr,
			 struct netlink_ext_ack *extack)
{
	const char *name = nla_data(attr), *p;

	for (p = name; *p; p++)
		if (!isascii(*p) || !isgraph(*p))
			break;
	if (p != name && !*p)
		return 0;
	NL_SET_ERR_MSG_ATTR(extack, attr,
			    "name must be printable ASCII without white space");
	return -EINVAL;
}

/**
 * chring_nl_subject - who asks
 * @skb: the request
 * @net: the network namespace that it is about
 *
 * A process can be made to write what it does not know to a socket that
 * somebody else opened: that counts for nothing.
 *
 * Context: process, of who made the request.
 */
struct chring_subject chring_nl_subject(const struct sk_buff *skb,
					const struct net *net)
{
	const struct socket *sock = NETLINK_CB(skb).sk->sk_socket;
	struct chring_subject subject = {
		.uid = INVALID_UID,
		.admin = netlink_ns_capable(skb, net->user_ns, CAP_NET_ADMIN),
	};

	if (sock && sock->file &&
	    uid_eq(sock->file->f_cred->fsuid, current_fsuid()))
		subject.uid = current_fsuid();
	return subject;
}

/**
 * chring_nl_find_service_locked - the service that a request names
 * @info: the request
 * @cn: where to look; caller holds its lock
 * @type: of the attribute with the name
 * @service: set to it
 *
 * Return: 0, or -ENOENT.
 */
int chring_nl_find_service_locked(struct genl_info *info, struct chring_net *cn,
				  unsigned int type,
				  struct chring_service **service)
{
	const struct nlattr *attr = info->attrs[type];

	*service = chring_service_find_locked(cn, nla_data(attr));
	if (*service)
		return 0;
	NL_SET_ERR_MSG_ATTR(info->extack, attr, "no service of this name");
	return -ENOENT;
}

/**
 * chring_nl_get_ip - the IP address that a request gives
 * @info: the request
 * @ipv4: type of the attribute with an IPv4 address
 * @ipv6: type of the attribute with an IPv6 address
 * @address: family and address are set, where one is given
 *
 * Return: 0; -EINVAL for both; -ENOENT for neither, of which nothing is said.
 */
int chring_nl_get_ip(struct genl_info *info, int ipv4, int ipv6,
		     struct chring_address *address)
{
	struct nlattr **attrs = info->attrs;

	if (attrs[ipv4] && attrs[ipv6]) {
		NL_SET_ERR_MSG_ATTR(info->extack, attrs[ipv6],
				    "address is given twice");
		return -EINVAL;
	}
	if (attrs[ipv4]) {
		address->family = AF_INET;
		address->ipv4 = nla_get_in_addr(attrs[ipv4]);
		return 0;
	}
	if (attrs[ipv6]) {
		address->family = AF_INET6;
		address->ipv6 = nla_get_in6_addr(attrs[ipv6]);
		return 0;
	}
	return -ENOENT;
}

/**
 * chring_nl_dump_state - what a dump has to come back to
 * @cb: the dump
 */
struct chring_nl_dump *chring_nl_dump_state(struct netlink_callback *cb)
{
	NL_ASSERT_DUMP_CTX_FITS(struct chring_nl_dump);
	return (struct chring_nl_dump *)cb->ctx;
}

/**
 * chring_nl_dump_put - begin the next message of a dump
 * @skb: where to
 * @cb: the dump, with the seq of what it reads
 *
 * Return: its header, or NULL where there is no more room.
 */
void *chring_nl_dump_put(struct sk_buff *skb, struct netlink_callback *cb)
{
	void *hdr = genlmsg_iput(skb, genl_info_dump(cb));

	if (hdr)
		genl_dump_check_consistent(cb, hdr);
	return hdr;
}

/**
 * chring_netlink_init - begin to take requests
 *
 * Context: may sleep.
 * Return: 0, or what genl_register_family() says.
 */
int __init chring_netlink_init(void)
{
	return genl_register_family(&chring_nl_family);
}

/**
 * chring_netlink_exit - end; no request is under way afterwards
 *
 * Context: may sleep.
 */
void chring_netlink_exit(void)
{
	genl_unregister_family(&chring_nl_family);
}

MODULE_ALIAS_GENL_FAMILY(CHRING_FAMILY_NAME);
