/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CHRING_TARGET_H
#define CHRING_TARGET_H

#include <linux/types.h>
#include <linux/uidgid.h>
#include <net/inet_hashtables.h>
#include <net/sock.h>
#include <net/tcp_states.h>

struct net;
struct netlink_ext_ack;

/**
 * struct chring_address - what a service and its targets are bound to
 * @protocol: IPPROTO_TCP or IPPROTO_UDP
 * @port: local port, in network order
 * @ipv4: local address, 0.0.0.0 for any
 */
struct chring_address {
	int protocol;
	__be16 port;
	__be32 ipv4;
};

/* The ports of a socket that is bound to @address and has no peer */
static inline __portpair chring_ports(const struct chring_address *address)
{
	return INET_COMBINED_PORTS(0, ntohs(address->port));
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

/* SOCK_DEAD is read plainly, for that is an instruction less on each datagram */
static __always_inline bool chring_udp_alive(const struct sock *sk,
					     __portpair ports)
{
	return READ_ONCE(sk->sk_portpair) == ports &&
	       !(sk->sk_flags & BIT(SOCK_DEAD));
}

bool chring_target_alive(const struct sock *sk, __portpair ports);
struct sock *chring_target_get(unsigned int fd, const struct net *net,
			       const struct chring_address *address,
			       kuid_t owner, struct netlink_ext_ack *extack);

#endif /* CHRING_TARGET_H */
