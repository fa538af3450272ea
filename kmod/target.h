/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CHRING_TARGET_H
#define CHRING_TARGET_H

#include <linux/in6.h>
#include <linux/types.h>
#include <linux/uidgid.h>
#include <net/inet_hashtables.h>
#include <net/sock.h>
#include <net/tcp_states.h>

struct net;
struct netlink_ext_ack;

/**
 * struct chring_address - what a service and its targets are bound to
 * @family: AF_INET or AF_INET6
 * @protocol: IPPROTO_TCP or IPPROTO_UDP
 * @port: local port, in network order
 * @v6only: takes no IPv4: what the kernel makes of IPV6_V6ONLY, which is true
 *	for each IPv6 address but :: and those that are mapped
 * @device: index of the interface that a link-local address is on, 0 for others
 * @ipv4: local address with AF_INET, 0.0.0.0 for any
 * @ipv6: local address with AF_INET6, :: for any
 */
struct chring_address {
	int family;
	int protocol;
	__be16 port;
	bool v6only;
	int device;
	union {
		__be32 ipv4;
		struct in6_addr ipv6;
	};
};

/* The ports of a socket that is bound to a port (network order), without peer */
static inline __portpair chring_ports(__be16 port)
{
	return INET_COMBINED_PORTS(0, ntohs(port));
}

/*
 * Packets ask these two. A socket has no local port when it is closed, and may
 * have got another one after it was disconnected; a connected UDP socket, which
 * has a remote port, takes its peer's datagrams only.
 */
static __always_inline bool chring_tcp_alive(const struct sock *sk,
					     __portpair ports)
{
	return READ_ONCE(sk->sk_state) == TCP_LISTEN &&
	       READ_ONCE(sk->sk_portpair) == ports;
}

static __always_inline bool chring_udp_alive(const struct sock *sk,
					     __portpair ports)
{
	return READ_ONCE(sk->sk_portpair) == ports;
}

/*
 * The same of a listener that has room for one more to accept: what comes to
 * one that has none is dropped, and the client waits.
 */
static __always_inline bool chring_tcp_ready(const struct sock *sk,
					     __portpair ports)
{
	return chring_tcp_alive(sk, ports) && !sk_acceptq_is_full(sk);
}

/* Datagrams are not passed on: half of a conversation is none. */
static inline bool chring_target_full(const struct sock *sk)
{
	return sk->sk_protocol == IPPROTO_TCP && sk_acceptq_is_full(sk);
}

bool chring_address_any(const struct chring_address *address);
bool chring_address_dual(const struct chring_address *address);
bool chring_address_equal(const struct chring_address *a,
			  const struct chring_address *b);
bool chring_address_overlaps(const struct chring_address *a,
			     const struct chring_address *b);
void chring_address_of(struct chring_address *address, const struct sock *sk);
int chring_address_sockaddr(const struct chring_address *address,
			    struct sockaddr_storage *storage);
bool chring_target_alive(const struct sock *sk, __portpair ports);
struct sock *chring_target_get(unsigned int fd, const struct net *net,
			       const struct chring_address *address,
			       kuid_t owner, struct netlink_ext_ack *extack);

#endif /* CHRING_TARGET_H */
