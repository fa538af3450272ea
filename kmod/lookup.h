/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CHRING_LOOKUP_H
#define CHRING_LOOKUP_H

#include <linux/types.h>

#include <uapi/linux/chring.h>

#include "target.h"

struct net;
struct nlattr;
struct sk_buff;
struct sock;

/* The longest payload of a datagram that is a packet */
#define CHRING_PAYLOAD_MAX 65507

/**
 * struct chring_flow - a flow that is asked about
 * @to: address that it is sent to; its device is where it comes in, 0 for the
 *	loopback device
 * @from: address and port of the client, of the same family
 * @payload: of its first datagram; NULL where it is not told
 * @payload_len: length of that, up to CHRING_PAYLOAD_MAX
 * @payload_attr: where @payload came from, to point at in a refusal
 */
struct chring_flow {
	struct chring_address to;
	struct chring_address from;
	const void *payload;
	unsigned int payload_len;
	const struct nlattr *payload_attr;
};

/**
 * struct chring_found - who would get a flow
 * @replica: name of the replica, empty where it is none
 * @inode: inode number of another socket, 0 where it is nobody
 */
struct chring_found {
	char replica[CHRING_NAME_MAX + 1];
	u64 inode;
};

struct sk_buff *chring_probe_alloc(struct net *net,
				   const struct chring_flow *flow);
struct sock *chring_lookup(struct net *net, const struct chring_flow *flow,
			   struct sk_buff *probe, u64 *inode);

#endif /* CHRING_LOOKUP_H */
