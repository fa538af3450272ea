// SPDX-License-Identifier: GPL-2.0
/*
 * Targets: the sockets that flows are steered to, and what they are bound to.
 */

#include <linux/file.h>
#include <linux/ipv6.h>
#include <linux/net.h>
#include <linux/netlink.h>
#include <net/inet_sock.h>
#include <net/ipv6.h>
#include <net/net_namespace.h>

#include "target.h"

/**
 * chring_address_any - is it the unspecified address?
 * @address: an address
 */
bool chring_address_any(const struct chring_address *address)
{
	return address->family == AF_INET ? !address->ipv4 :
					    ipv6_addr_any(&address->ipv6);
}

/**
 * chring_address_dual - does it take IPv4 as well as IPv6?
 * @address: an address
 */
bool chring_address_dual(const struct chring_address *address)
{
	return address->family == AF_INET6 && !address->v6only;
}

static bool same_place(const struct chring_address *a,
		       const struct chring_address *b)
{
	if (a->family != b->family || a->protocol != b->protocol ||
	    a->port != b->port || a->device != b->device)
		return false;
	return a->family == AF_INET ? a->ipv4 == b->ipv4 :
				      ipv6_addr_equal(&a->ipv6, &b->ipv6);
}

/**
 * chring_address_equal - are sockets that are bound to them in one group?
 * @a: an address
 * @b: another
 */
bool chring_address_equal(const struct chring_address *a,
			  const struct chring_address *b)
{
	return same_place(a, b) && a->v6only == b->v6only;
}

/**
 * chring_address_overlaps - would look-ups find both, as good as each other?
 * @a: an address
 * @b: another
 *
 * They do not where one is more specific: it is found first.
 */
bool chring_address_overlaps(const struct chring_address *a,
			     const struct chring_address *b)
{
	if (same_place(a, b))
		return true;
	return a->protocol == b->protocol && a->port == b->port &&
	       a->family != b->family && chring_address_any(a) &&
	       chring_address_any(b) &&
	       (chring_address_dual(a) || chring_address_dual(b));
}

/**
 * chring_address_of - what is a socket bound to?
 * @address: filled in
 * @sk: the socket, of IPv4 or IPv6; its interface is not looked at
 */
void chring_address_of(struct chring_address *address, const struct sock *sk)
{
	*address = (struct chring_address){
		.family = sk->sk_family,
		.protocol = sk->sk_protocol,
		.port = inet_sk(sk)->inet_sport,
		.device = READ_ONCE(sk->sk_bound_dev_if),
	};
	if (sk->sk_family == AF_INET) {
		address->ipv4 = inet_sk(sk)->inet_rcv_saddr;
		return;
	}
#if IS_ENABLED(CONFIG_IPV6)
	address->v6only = ipv6_only_sock(sk);
	address->ipv6 = sk->sk_v6_rcv_saddr;
#endif
}

/**
 * chring_address_sockaddr - an address as the socket calls take it
 * @address: the address
 * @storage: filled in
 *
 * Return: its length.
 */
int chring_address_sockaddr(const struct chring_address *address,
			    struct sockaddr_storage *storage)
{
	struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)storage;
	struct sockaddr_in *sin = (struct sockaddr_in *)storage;

	memset(storage, 0, sizeof(*storage));
	if (address->family == AF_INET) {
		sin->sin_family = AF_INET;
		sin->sin_port = address->port;
		sin->sin_addr.s_addr = address->ipv4;
		return sizeof(*sin);
	}
	sin6->sin6_family = AF_INET6;
	sin6->sin6_port = address->port;
	sin6->sin6_addr = address->ipv6;
	sin6->sin6_scope_id = address->device;
	return sizeof(*sin6);
}

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
	if (sk->sk_family != AF_INET && sk->sk_family != AF_INET6) {
		NL_SET_ERR_MSG(extack, "socket is not of IPv4 or IPv6");
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

/*
 * All targets of a service are of one family, dual stack or not: a connection
 * of an IPv4 listener that nobody accepted yet, and that migrates to an IPv6
 * one, has no struct ipv6_pinfo, which accept() there relies on. And who is for
 * IPv6 only does not expect IPv4.
 */
static int target_check_family(const struct chring_address *of,
			       const struct chring_address *address,
			       struct netlink_ext_ack *extack)
{
	if (of->family != address->family) {
		NL_SET_ERR_MSG_FMT(extack, "socket is not an IPv%d socket",
				   address->family == AF_INET ? 4 : 6);
		return -EAFNOSUPPORT;
	}
	if (chring_address_dual(address) && of->v6only) {
		NL_SET_ERR_MSG(extack, "socket is for IPv6 only, the service is not");
		return -EAFNOSUPPORT;
	}
	return 0;
}

static void refuse_binding(const struct chring_address *of,
			   const struct chring_address *address,
			   struct netlink_ext_ack *extack)
{
	struct sockaddr_storage bound;

	if (of->family == AF_INET && address->family == AF_INET) {
		NL_SET_ERR_MSG_FMT(extack,
				   "socket is bound to %pI4:%u, the service to %pI4:%u",
				   &of->ipv4, ntohs(of->port),
				   &address->ipv4, ntohs(address->port));
		return;
	}
	/* No room for two addresses */
	chring_address_sockaddr(of, &bound);
	NL_SET_ERR_MSG_FMT(extack, "socket is bound to %pISpsc", &bound);
}

/*
 * On the service's port it has to be bound as the service is: to a more
 * specific address it would be found first, and keep what it gets. A listener
 * on another port does as well: whom it accepts sees the service's.
 */
static int target_check_binding(struct sock *sk,
				const struct chring_address *of,
				const struct chring_address *address,
				struct netlink_ext_ack *extack)
{
	bool elsewhere = of->port != address->port &&
			 address->protocol == IPPROTO_TCP;

	if (of->device != address->device && (of->device || !elsewhere)) {
		NL_SET_ERR_MSG_FMT(extack, "socket is %s",
				   of->device ?
				   "bound to a device, the service is not" :
				   "not bound to the service's device");
		return -EADDRNOTAVAIL;
	}
	if (elsewhere)
		return 0;
	if (!chring_address_equal(of, address)) {
		refuse_binding(of, address, extack);
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
 * @owner: user that the service's port belongs to
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
	struct chring_address of;
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
	chring_address_of(&of, sk);
	err = target_check_family(&of, address, extack);
	if (err)
		goto put;
	err = target_check_binding(sk, &of, address, extack);
	if (err)
		goto put;
	/* The kernel shares a port among the sockets of one user only */
	if (of.port == address->port) {
		err = target_check_owner(sk, owner, extack);
		if (err)
			goto put;
	}
	return sk;

put:
	sock_put(sk);
	return ERR_PTR(err);
}
