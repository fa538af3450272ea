// SPDX-License-Identifier: GPL-2.0
/*
 * The check at load that steering works on this kernel: it rests on exported
 * functions and on structures that a later kernel is free to change.
 */

#include <linux/bpf.h>
#include <linux/cred.h>
#include <linux/in.h>
#include <linux/net.h>
#include <linux/skbuff.h>
#include <net/inet_sock.h>
#include <net/ipv6.h>
#include <net/net_namespace.h>

#include "anchor.h"
#include "lookup.h"
#include "selector.h"
#include "selfcheck.h"
#include "table.h"
#include "target.h"

#define NR_SOCKETS	2
#define NR_FLOWS	32
#define TABLE_ORDER	8

static struct socket *listener(struct chring_address *address)
{
	int type = address->protocol == IPPROTO_TCP ? SOCK_STREAM : SOCK_DGRAM;
	struct sockaddr_storage name;
	struct socket *sock;
	int err, len;

	/* As a process makes it: lockdep tells its lock from the anchor's */
	err = __sock_create(&init_net, address->family, type, address->protocol,
			    &sock, 0);
	if (err)
		return ERR_PTR(err);
	sock_set_reuseport(sock->sk);
	sock->sk->sk_ipv6only = address->v6only;
	len = chring_address_sockaddr(address, &name);
	err = kernel_bind(sock, (struct sockaddr *)&name, len);
	if (!err && address->protocol == IPPROTO_TCP)
		err = kernel_listen(sock, 1);
	if (err) {
		sock_release(sock);
		return ERR_PTR(err);
	}
	address->port = inet_sk(sock->sk)->inet_sport;
	return sock;
}

/* Who gets a flow? Nothing is counted: there are no counters. */
static struct sock *find(struct chring_selector *selector,
			 struct chring_anchor *anchor,
			 const struct chring_flow *flow)
{
	struct sk_buff *probe = chring_probe_alloc(&init_net, flow);
	int protocol = flow->to.protocol;
	struct sock *sk;

	if (!probe)
		return ERR_PTR(-ENOMEM);
	chring_selector_probe(selector, anchor->prog, protocol, probe);
	sk = chring_lookup(&init_net, flow, probe, NULL);
	chring_selector_probe(selector, anchor->prog, protocol, NULL);
	kfree_skb(probe);
	return sk;
}

/* Do all flows go to the socket that the table names? */
static int check_flows(struct chring_selector *selector,
		       struct chring_anchor *anchor,
		       const struct sock *expected)
{
	struct chring_flow flow = { .to = anchor->address };
	unsigned int port;

	if (flow.to.family == AF_INET)
		flow.to.ipv4 = htonl(INADDR_LOOPBACK);
	else
		flow.to.ipv6 = in6addr_loopback;
	flow.from = flow.to;
	for (port = 1; port <= NR_FLOWS; port++) {
		struct sock *sk;

		flow.from.port = htons(port);
		sk = find(selector, anchor, &flow);
		if (IS_ERR(sk))
			return PTR_ERR(sk);
		if (sk != expected)
			return -EOPNOTSUPP;
	}
	return 0;
}

static int check_steering(struct chring_selector *selector,
			  struct chring_table *table,
			  const struct chring_address *address)
{
	struct chring_anchor *anchor;
	int err = 0, i;

	anchor = chring_anchor_join(selector, table, &init_net, address,
				    current_fsuid(), NULL);
	if (IS_ERR(anchor))
		return PTR_ERR(anchor);
	for (i = 0; i < NR_SOCKETS && !err; i++) {
		/* No packet reads the table meanwhile: nobody knows the port */
		memset16(table->slots.owner, i, 1 << TABLE_ORDER);
		err = check_flows(selector, anchor, table->target[i].sk);
	}
	chring_anchor_hide(anchor);
	synchronize_rcu();
	anchor->table = table;
	chring_anchor_leave(anchor);
	synchronize_rcu();
	rcu_barrier();
	chring_anchor_free(anchor);
	return err;
}

static int check_sockets(struct chring_selector *selector,
			 struct chring_table *table,
			 struct chring_address *address)
{
	struct chring_counters __percpu *counters;
	struct socket *sock[NR_SOCKETS] = {};
	int err = 0, i;

	counters = alloc_percpu(struct chring_counters);
	if (!counters)
		return -ENOMEM;
	for (i = 0; i < NR_SOCKETS; i++) {
		sock[i] = listener(address);
		if (IS_ERR(sock[i])) {
			err = PTR_ERR(sock[i]);
			goto release;
		}
		table->target[i].sk = sock[i]->sk;
		table->target[i].counters = counters;
		table->target[i].ports = chring_ports(address->port);
	}
	rcu_assign_pointer(selector->table, table);
	err = check_steering(selector, table, address);
	RCU_INIT_POINTER(selector->table, NULL);
	synchronize_rcu();
release:
	while (i--)
		sock_release(sock[i]);
	free_percpu(counters);
	return err;
}

static int check(int family, int protocol)
{
	struct chring_address address = {
		.family = family,
		.protocol = protocol,
		.v6only = family == AF_INET6,
	};
	const struct chring_key key = {};
	struct chring_selector selector = {};
	struct chring_table *table;
	int err;

	table = chring_table_new(TABLE_ORDER, NR_SOCKETS);
	if (!table)
		return -ENOMEM;
	err = chring_selector_init(&selector, &address, &key);
	if (err)
		goto free;
	err = check_sockets(&selector, table, &address);
	/* Leaked then, with the table */
	if (chring_selector_in_use(&selector))
		return -EOPNOTSUPP;
	chring_selector_free(&selector);
free:
	kvfree(table);
	return err;
}

/**
 * chring_selfcheck - does steering work on this kernel?
 *
 * Binds pairs of sockets of its own on any port, steers them, and asks the
 * kernel's look-up. Needs no packet, and no interface that is up.
 *
 * Context: may sleep; at load, before anything else can steer.
 * Return: 0, -EOPNOTSUPP where it does not work, or what else failed.
 */
int __init chring_selfcheck(void)
{
	int err;

	err = check(AF_INET, IPPROTO_TCP);
	if (!err)
		err = check(AF_INET, IPPROTO_UDP);
	/* A host may do without */
	if (err || !IS_ENABLED(CONFIG_IPV6) || !ipv6_mod_enabled())
		return err;
	err = check(AF_INET6, IPPROTO_TCP);
	if (!err)
		err = check(AF_INET6, IPPROTO_UDP);
	return err;
}
