/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CHRING_ANCHOR_H
#define CHRING_ANCHOR_H

#include <linux/list.h>
#include <linux/uidgid.h>

#include "target.h"

struct bpf_prog;
struct chring_selector;
struct chring_table;
struct net;
struct netlink_ext_ack;
struct socket;

/**
 * struct chring_anchor - a place in a reuseport group
 * @list: in the list of whoever has it
 * @address: what it is bound to
 * @sock: the kernel's own socket there
 * @prog: the selector in the form that the group takes
 * @member: a socket of the group by which to leave, with a reference; or NULL
 * @table: table with sockets by which to leave; or NULL
 * @nr_replicas: replicas that need it, for its owner's use
 * @overridden: its group has been seen without the selector, for its owner's use
 * @delay: jiffies from that until the selector is put back; 0 where it has been
 *	there for long
 * @since: when it was put back, or is to be, in jiffies
 */
struct chring_anchor {
	struct list_head list;
	struct chring_address address;
	struct socket *sock;
	struct bpf_prog *prog;
	struct sock *member;
	const struct chring_table *table;
	unsigned int nr_replicas;
	bool overridden;
	unsigned long delay;
	unsigned long since;
};

struct chring_anchor *chring_anchor_join(struct chring_selector *selector,
					 const struct chring_table *table,
					 struct net *net,
					 const struct chring_address *address,
					 kuid_t owner,
					 struct netlink_ext_ack *extack);
struct chring_anchor *
chring_anchor_join_aside(struct chring_selector *selector, struct sock *member,
			 struct netlink_ext_ack *extack);
bool chring_anchor_shares(const struct chring_anchor *anchor,
			  const struct sock *sk);
void chring_anchor_leave_by(struct chring_anchor *anchor, struct sock *sk);
bool chring_anchor_steers(const struct chring_anchor *anchor);
int chring_anchor_reattach(struct chring_anchor *anchor);
bool chring_anchor_busy(const struct chring_anchor *anchor);
void chring_anchor_recede(struct chring_anchor *anchor);
void chring_anchor_advance(struct chring_anchor *anchor);
void chring_anchor_hide(struct chring_anchor *anchor);
void chring_anchor_leave(struct chring_anchor *anchor);
void chring_anchor_free(struct chring_anchor *anchor);
void chring_group_clear(struct sock *sk);
bool chring_group_shared(const struct sock *a, const struct sock *b);

#endif /* CHRING_ANCHOR_H */
