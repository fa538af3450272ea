/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CHRING_ANCHOR_H
#define CHRING_ANCHOR_H

#include <linux/uidgid.h>

struct chring_address;
struct chring_selector;
struct chring_table;
struct net;
struct netlink_ext_ack;
struct socket;

struct socket *chring_anchor_join(struct chring_selector *selector,
				  const struct chring_table *table,
				  struct net *net,
				  const struct chring_address *address,
				  kuid_t owner, struct netlink_ext_ack *extack);
void chring_anchor_hide(struct socket *anchor);
void chring_anchor_leave(struct socket *anchor,
			 struct chring_selector *selector,
			 const struct chring_table *table);
bool chring_group_shared(const struct sock *a, const struct sock *b);

#endif /* CHRING_ANCHOR_H */
