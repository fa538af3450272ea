// SPDX-License-Identifier: GPL-2.0
/*
 * Targets: the sockets that flows are steered to.
 */

#include <linux/file.h>
#include <linux/net.h>
#include <linux/netlink.h>
#include <net/inet_sock.h>
#include <net/net_namespace.h>

#include "target.h"

/**
 * chring_target_alive - does a socket take new flows?
 * @sk: a replica's socket
 * @ports: chring_ports() of what it is to be bound to
 *
 * Context: any; the answer can be old at once.
 */
bool chring_target_alive(const struct sock *sk, __portpair ports)
{
	return sk->sk_protocol == IPPROTO_TCP ? chring_tcp_alive(sk, ports) :
						chring_udp_alive(sk, ports);
}

static int target_check_kind(struct sock *sk, int protocol,
			     struct netlink_ext_ack *extack)
{
	if (sk->sk_family != AF_INET) {
		NL_SET_ERR_MSG(extack, "socket is not an IPv4 socket");
		return -EAFNOSUPPORT;
	}
	if (sk->sk_protocol != protocol) {
		NL_SET_ERR_MSG_FMT(extack, "socket is not a %s socket",
				   protocol == IPPROTO_TCP ? "TCP" : "UDP");
		return -EPROTOTYPE;
	}
	if (protocol == IPPROTO_UDP && sk->sk_state == TCP_ESTABLISHED) {
		NL_SET_ERR_MSG(extack, "socket is connected");
		return -EISCONN;
	}
	if (protocol == IPPROTO_TCP ? sk->sk_state != TCP_LISTEN :
				      !sk->sk_num) {
		NL_SET_ERR_MSG_FMT(extack, "socket is not %s",
				   protocol == IPPROTO_TCP ? "listening" :
							     "bound");
		return -EINVAL;
	}
	return 0;
}

static int target_check_binding(struct sock *sk,
				const struct chring_address *address,
				struct netlink_ext_ack *extack)
{
	const struct inet_sock *inet = inet_sk(sk);

	if (inet->inet_sport != address->port ||
	    inet->inet_rcv_saddr != address->ipv4) {
		NL_SET_ERR_MSG_FMT(extack,
				   "socket is bound to %pI4:%u, the service to %pI4:%u",
				   &inet->inet_rcv_saddr,
				   ntohs(inet->inet_sport),
				   &address->ipv4, ntohs(address->port));
		return -EADDRNOTAVAIL;
	}
	if (READ_ONCE(sk->sk_bound_dev_if)) {
		NL_SET_ERR_MSG(extack, "socket is bound to a device, the service is not");
		return -EADDRNOTAVAIL;
	}
	if (!sk->sk_reuseport || !rcu_access_pointer(sk->sk_reuseport_cb)) {
		NL_SET_ERR_MSG(extack, "socket was bound without SO_REUSEPORT");
		return -EINVAL;
	}
	return 0;
}

static int target_check_owner(struct sock *sk, kuid_t owner,
			      struct netlink_ext_ack *extack)
{
	struct user_namespace *ns = current_user_ns();
	kuid_t uid = sock_i_uid(sk);

	if (uid_eq(uid, owner))
		return 0;
	NL_SET_ERR_MSG_FMT(extack,
			   "socket is of uid %u, the service's owner is uid %u",
			   from_kuid_munged(ns, uid),
			   from_kuid_munged(ns, owner));
	return -EPERM;
}

/**
 * chring_target_get - take a reference on a socket that can be a replica's
 * @fd: the caller's file descriptor of the socket
 * @net: network namespace of the service
 * @address: address of the service
 * @owner: user that the port belongs to
 * @extack: says why not
 *
 * The reference is on the socket, never on its file: that would keep the port
 * after the replica's end. The caller drops it with sock_put().
 *
 * Context: may sleep; current is who made the request.
 * Return: the socket, or an error pointer: -EBADF, -ENOTSOCK, -EXDEV (of
 * another network namespace), -EAFNOSUPPORT, -EPROTOTYPE, -EISCONN, -EINVAL
 * (not listening, not bound, without SO_REUSEPORT), -EADDRNOTAVAIL (another
 * binding), -EPERM (of another user).
 */
struct sock *chring_target_get(unsigned int fd, const struct net *net,
			       const struct chring_address *address,
			       kuid_t owner, struct netlink_ext_ack *extack)
{
	struct socket *sock;
	struct sock *sk;
	int err;

	sock = sockfd_lookup(fd, &err);
	if (!sock) {
		if (err == -ENOTSOCK)
			NL_SET_ERR_MSG(extack, "file descriptor is not a socket");
		else
			NL_SET_ERR_MSG(extack, "file descriptor is not open");
		return ERR_PTR(err);
	}
	sk = sock->sk;
	sock_hold(sk);
	sockfd_put(sock);

	err = -EXDEV;
	if (!net_eq(sock_net(sk), net)) {
		NL_SET_ERR_MSG(extack, "socket is of another network namespace");
		goto put;
	}
	err = target_check_kind(sk, address->protocol, extack);
	if (err)
		goto put;
	err = target_check_binding(sk, address, extack);
	if (err)
		goto put;
	err = target_check_owner(sk, owner, extack);
	if (err)
		goto put;
	return sk;

put:
	sock_put(sk);
	return ERR_PTR(err);
}
