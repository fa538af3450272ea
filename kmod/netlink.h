/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CHRING_NETLINK_H
#define CHRING_NETLINK_H

#include "subject.h"

struct chring_address;
struct chring_net;
struct chring_plan;
struct chring_service;
struct genl_info;
struct net;
struct netlink_callback;
struct netlink_ext_ack;
struct nlattr;
struct sk_buff;

/**
 * struct chring_nl_dump - what a dump has to come back to
 * @service: number of services that are through
 * @replica: index to go on with in the next one
 * @lock: number to go on with
 * @plan: what is dumped, from @replica on, where it is a plan
 *
 * The namespace's seq tells it of changes.
 */
struct chring_nl_dump {
	unsigned int service;
	unsigned long replica;
	unsigned long lock;
	struct chring_plan *plan;
};

int chring_nl_check_name(const struct nlattr *attr,
			 struct netlink_ext_ack *extack);
struct chring_subject chring_nl_subject(const struct sk_buff *skb,
					const struct net *net);
int chring_nl_find_service_locked(struct genl_info *info, struct chring_net *cn,
				  unsigned int type,
				  struct chring_service **service);
int chring_nl_get_ip(struct genl_info *info, int ipv4, int ipv6,
		     struct chring_address *address);
struct chring_nl_dump *chring_nl_dump_state(struct netlink_callback *cb);
void *chring_nl_dump_put(struct sk_buff *skb, struct netlink_callback *cb);

int chring_netlink_init(void);
void chring_netlink_exit(void);

#endif /* CHRING_NETLINK_H */
