/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CHRING_KEY_H
#define CHRING_KEY_H

#include <linux/siphash.h>
#include <linux/types.h>
#include <uapi/linux/chring.h>

struct sk_buff;
struct sock;

/**
 * struct chring_key - what of a flow says which slot it has
 * @type: what; all zero is CHRING_KEY_TYPE_FLOW
 * @prefix_ipv4: with CHRING_KEY_TYPE_PREFIX, bits of an IPv4 client's address,
 *	1 to 32; 0 where the service takes none
 * @prefix_ipv6: bits of an IPv6 client's address, 1 to 128, or 0 likewise
 * @offset: with CHRING_KEY_TYPE_PAYLOAD, where it begins, in bytes from the end
 *	of the UDP header
 * @length: its length, 1 to CHRING_KEY_LENGTH_MAX
 * @secret: keys the hash; random, and told to nobody: who does not know it
 *	cannot choose flows that have one slot
 */
struct chring_key {
	enum chring_key_type type;
	u8 prefix_ipv4;
	u8 prefix_ipv6;
	u16 offset;
	u16 length;
	siphash_key_t secret;
};

u32 chring_key_hash(const struct chring_key *key, const struct sk_buff *skb,
		    const struct sock *migrating, u32 flow);

#endif /* CHRING_KEY_H */
