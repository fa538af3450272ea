/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CHRING_LOOKUP_H
#define CHRING_LOOKUP_H

struct chring_address;
struct chring_anchor;
struct chring_selector;
struct net;
struct sock;

struct sock *chring_lookup(struct chring_selector *selector,
			   struct chring_anchor *anchor, struct net *net,
			   const struct chring_address *to,
			   const struct chring_address *from);

#endif /* CHRING_LOOKUP_H */
