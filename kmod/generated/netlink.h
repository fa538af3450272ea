/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause) */
/* Do not edit directly, auto-generated from: */
/*	Documentation/netlink/specs/chring.yaml */
/* YNL-GEN kernel header */

#ifndef _LINUX_CHRING_GEN_H
#define _LINUX_CHRING_GEN_H

#include <net/netlink.h>
#include <net/genetlink.h>

#include <uapi/linux/chring.h>

/* Common nested types */
extern const struct nla_policy chring_replica_nl_policy[CHRING_A_REPLICA_GIVES + 1];

int chring_nl_replica_plan_start(struct netlink_callback *cb);
int chring_nl_replica_plan_done(struct netlink_callback *cb);

int chring_nl_service_new_doit(struct sk_buff *skb, struct genl_info *info);
int chring_nl_service_set_doit(struct sk_buff *skb, struct genl_info *info);
int chring_nl_service_get_doit(struct sk_buff *skb, struct genl_info *info);
int chring_nl_service_get_dumpit(struct sk_buff *skb,
				 struct netlink_callback *cb);
int chring_nl_service_del_doit(struct sk_buff *skb, struct genl_info *info);
int chring_nl_replica_new_doit(struct sk_buff *skb, struct genl_info *info);
int chring_nl_replica_set_doit(struct sk_buff *skb, struct genl_info *info);
int chring_nl_replica_get_doit(struct sk_buff *skb, struct genl_info *info);
int chring_nl_replica_get_dumpit(struct sk_buff *skb,
				 struct netlink_callback *cb);
int chring_nl_replica_del_doit(struct sk_buff *skb, struct genl_info *info);
int chring_nl_replica_plan_dumpit(struct sk_buff *skb,
				  struct netlink_callback *cb);
int chring_nl_lookup_doit(struct sk_buff *skb, struct genl_info *info);
int chring_nl_lock_new_doit(struct sk_buff *skb, struct genl_info *info);
int chring_nl_lock_set_doit(struct sk_buff *skb, struct genl_info *info);
int chring_nl_lock_get_doit(struct sk_buff *skb, struct genl_info *info);
int chring_nl_lock_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb);
int chring_nl_lock_del_doit(struct sk_buff *skb, struct genl_info *info);
int chring_nl_lock_break_doit(struct sk_buff *skb, struct genl_info *info);

enum {
	CHRING_NLGRP_SERVICES,
	CHRING_NLGRP_LOCKS,
};

extern struct genl_family chring_nl_family;

#endif /* _LINUX_CHRING_GEN_H */
