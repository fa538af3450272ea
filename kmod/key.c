// SPDX-License-Identifier: GPL-2.0
/*
 * Keys: what of a flow says which slot it has. But for the default, which is
 * the kernel's hash of addresses and ports and costs nothing, they are hashed
 * here, by SipHash under a secret of the service's own.
 */

#include <linux/inetdevice.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/skbuff.h>
#include <linux/udp.h>
#include <net/ipv6.h>
#include <net/sock.h>

#include "key.h"

static u32 hash_ipv4(const struct chring_key *key, __be32 client, u8 prefix)
{
	__be32 bits = client & inet_make_mask(prefix);

	return siphash_1u32((__force u32)bits, &key->secret);
}

static u32 hash_ipv6(const struct chring_key *key,
		     const struct in6_addr *client, u8 prefix)
{
	struct in6_addr bits;

	ipv6_addr_prefix(&bits, client, prefix);
	return siphash(&bits, sizeof(bits), &key->secret);
}

/*
 * A packet that migrates is empty: the client is the peer of what migrates,
 * which can be a request, alike in this. In a socket of IPv6 that is an IPv4
 * client's mapped address.
 */
static u32 hash_client(const struct chring_key *key, const struct sk_buff *skb,
		       const struct sock *migrating, u8 ipv4, u8 ipv6)
{
	if (!migrating)
		return skb->protocol == htons(ETH_P_IP) ?
		       hash_ipv4(key, ip_hdr(skb)->saddr, ipv4) :
		       hash_ipv6(key, &ipv6_hdr(skb)->saddr, ipv6);
#if IS_ENABLED(CONFIG_IPV6)
	if (migrating->sk_family == AF_INET6 &&
	    !ipv6_addr_v4mapped(&migrating->sk_v6_daddr))
		return hash_ipv6(key, &migrating->sk_v6_daddr, ipv6);
#endif
	return hash_ipv4(key, migrating->sk_daddr, ipv4);
}

/* Of several datagrams that GSO or GRO has made one packet of, the first. */
static unsigned int datagram_len(const struct sk_buff *skb, unsigned int start)
{
	if (skb_is_gso(skb) && skb_shinfo(skb)->gso_type & SKB_GSO_UDP_L4)
		return skb_shinfo(skb)->gso_size;
	return skb->len > start ? skb->len - start : 0;
}

static u32 hash_payload(const struct chring_key *key,
			const struct sk_buff *skb, u32 flow)
{
	unsigned int start = skb_transport_offset(skb) + sizeof(struct udphdr);
	u8 buffer[CHRING_KEY_LENGTH_MAX];
	const void *bytes;

	if (datagram_len(skb, start) < key->offset + key->length)
		return flow;
	/* It can be in fragments */
	bytes = skb_header_pointer(skb, start + key->offset, key->length,
				   buffer);
	return bytes ? siphash(bytes, key->length, &key->secret) : flow;
}

/**
 * chring_key_hash - the point of a flow on the ring
 * @key: the service's key
 * @skb: a SYN or a datagram, its network and transport headers set
 * @migrating: the request or connection that migrates, over TCP; then @skb is
 *	not looked at. NULL where none does
 * @flow: the kernel's hash of addresses and ports
 *
 * Context: any.
 */
u32 chring_key_hash(const struct chring_key *key, const struct sk_buff *skb,
		    const struct sock *migrating, u32 flow)
{
	switch (key->type) {
	case CHRING_KEY_TYPE_CLIENT:
		return hash_client(key, skb, migrating, 32, 128);
	case CHRING_KEY_TYPE_PREFIX:
		return hash_client(key, skb, migrating, key->prefix_ipv4,
				   key->prefix_ipv6);
	case CHRING_KEY_TYPE_PAYLOAD:
		return hash_payload(key, skb, flow);
	default:
		return flow;
	}
}
