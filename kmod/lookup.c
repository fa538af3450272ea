// SPDX-License-Identifier: GPL-2.0
/*
 * Look-ups: the kernel's own, asked by hand with a packet that nobody sent.
 */

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/skbuff.h>
#include <net/inet6_hashtables.h>
#include <net/inet_hashtables.h>
#include <net/net_namespace.h>
#include <net/tcp.h>
#include <net/udp.h>

#include "lookup.h"
#include "target.h"

static unsigned int transport_len(const struct chring_flow *flow)
{
	return flow->to.protocol == IPPROTO_TCP ?
	       sizeof(struct tcphdr) :
	       sizeof(struct udphdr) + flow->payload_len;
}

static void put_ipv4(struct sk_buff *skb, const struct chring_flow *flow)
{
	struct iphdr *iph = skb_put_zero(skb, sizeof(*iph));

	skb->protocol = htons(ETH_P_IP);
	iph->version = 4;
	iph->ihl = sizeof(*iph) / 4;
	iph->ttl = 64;
	iph->protocol = flow->to.protocol;
	iph->saddr = flow->from.ipv4;
	iph->daddr = flow->to.ipv4;
	iph->tot_len = htons(sizeof(*iph) + transport_len(flow));
}

static void put_ipv6(struct sk_buff *skb, const struct chring_flow *flow)
{
	struct ipv6hdr *iph = skb_put_zero(skb, sizeof(*iph));

	skb->protocol = htons(ETH_P_IPV6);
	iph->version = 6;
	iph->hop_limit = 64;
	iph->nexthdr = flow->to.protocol;
	iph->saddr = flow->from.ipv6;
	iph->daddr = flow->to.ipv6;
	iph->payload_len = htons(transport_len(flow));
}

static void put_tcp(struct sk_buff *skb, const struct chring_flow *flow)
{
	struct tcphdr *th = skb_put_zero(skb, sizeof(*th));

	th->source = flow->from.port;
	th->dest = flow->to.port;
	th->doff = sizeof(*th) / 4;
	th->syn = 1;
}

static void put_udp(struct sk_buff *skb, const struct chring_flow *flow)
{
	struct udphdr *uh = skb_put_zero(skb, sizeof(*uh));

	uh->source = flow->from.port;
	uh->dest = flow->to.port;
	uh->len = htons(transport_len(flow));
	if (flow->payload)
		skb_put_data(skb, flow->payload, flow->payload_len);
}

/**
 * chring_probe_alloc - the packet of a look-up
 * @net: network namespace
 * @flow: of which it is the first packet
 *
 * It is as the protocols see one while they look up, its data at the transport.
 *
 * Context: may sleep.
 * Return: the packet, for kfree_skb(), or NULL where memory is short.
 */
struct sk_buff *chring_probe_alloc(struct net *net,
				   const struct chring_flow *flow)
{
	struct sk_buff *skb;

	skb = alloc_skb(sizeof(struct ipv6hdr) + transport_len(flow),
			GFP_KERNEL);
	if (!skb)
		return NULL;
	skb->dev = net->loopback_dev;
	skb_reset_network_header(skb);
	if (flow->to.family == AF_INET)
		put_ipv4(skb, flow);
	else
		put_ipv6(skb, flow);
	skb_pull(skb, skb->len);
	skb_reset_transport_header(skb);
	if (flow->to.protocol == IPPROTO_TCP)
		put_tcp(skb, flow);
	else
		put_udp(skb, flow);
	return skb;
}

static struct sock *find_ipv4(struct net *net, struct sk_buff *skb,
			      const struct chring_address *to,
			      const struct chring_address *from, int dif)
{
	if (to->protocol == IPPROTO_TCP)
		return __inet_lookup_listener(net,
					      net->ipv4.tcp_death_row.hashinfo,
					      skb, sizeof(struct tcphdr),
					      from->ipv4, from->port, to->ipv4,
					      ntohs(to->port), dif, 0);
	return __udp4_lib_lookup(net, from->ipv4, from->port, to->ipv4,
				 to->port, dif, 0, net->ipv4.udp_table, skb);
}

static struct sock *find_ipv6(struct net *net, struct sk_buff *skb,
			      const struct chring_address *to,
			      const struct chring_address *from, int dif)
{
#if IS_ENABLED(CONFIG_IPV6)
	if (to->protocol == IPPROTO_TCP)
		return inet6_lookup_listener(net,
					     net->ipv4.tcp_death_row.hashinfo,
					     skb, sizeof(struct tcphdr),
					     &from->ipv6, from->port, &to->ipv6,
					     ntohs(to->port), dif, 0);
	return __udp6_lib_lookup(net, &from->ipv6, from->port, &to->ipv6,
				 to->port, dif, 0, net->ipv4.udp_table, skb);
#else
	return NULL;
#endif
}

/*
 * No more than /proc/net tells anybody: a BPF program can choose a socket of
 * another network namespace. Anchors are sockets of the kernel's.
 */
static u64 told_inode(struct sock *sk, const struct net *net)
{
	if (!sk || sk->sk_kern_sock || !net_eq(sock_net(sk), net))
		return 0;
	return sock_i_ino(sk);
}

/**
 * chring_lookup - ask the kernel which socket a new flow would get
 * @net: network namespace
 * @flow: the flow
 * @probe: from chring_probe_alloc(); the selectors that it can meet have been
 *	told of it, and count nothing for it
 * @inode: gets the inode number of the socket, 0 where there is none that a
 *	process of @net has; or NULL
 *
 * Context: process context.
 * Return: the socket, to be compared only, or NULL where there is none.
 */
struct sock *chring_lookup(struct net *net, const struct chring_flow *flow,
			   struct sk_buff *probe, u64 *inode)
{
	const struct chring_address *to = &flow->to, *from = &flow->from;
	int dif = to->device ?: net->loopback_dev->ifindex;
	struct sock *sk;

	/* The protocols look up with BH off */
	local_bh_disable();
	rcu_read_lock();
	sk = to->family == AF_INET ? find_ipv4(net, probe, to, from, dif) :
				     find_ipv6(net, probe, to, from, dif);
	if (inode)
		*inode = told_inode(sk, net);
	rcu_read_unlock();
	local_bh_enable();
	return sk;
}
