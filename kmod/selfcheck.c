// SPDX-License-Identifier: GPL-2.0
/*
 * The check at load that steering works on this kernel: it rests on exported
 * functions and on structures that a later kernel is free to change.
 */

#include <linux/bpf.h>
#include <linux/cred.h>
#include <linux/in.h>
#include <linux/net.h>
#include <net/inet_sock.h>
#include <net/net_namespace.h>

#include "anchor.h"
#include "selector.h"
#include "selfcheck.h"
#include "table.h"
#include "target.h"

#define NR_SOCKETS	2
#define NR_FLOWS	32

static struct socket *listener(int protocol, struct sockaddr_in *sin)
{
	int type = protocol == IPPROTO_TCP ? SOCK_STREAM : SOCK_DGRAM;
	struct socket *sock;
	int err;

	/* As a process makes it: lockdep tells its lock from the anchor's */
	err = __sock_create(&init_net, AF_INET, type, protocol, &sock, 0);
	if (err)
		return ERR_PTR(err);
	sock_set_reuseport(sock->sk);
	err = kernel_bind(sock, (struct sockaddr *)sin, sizeof(*sin));
	if (!err && protocol == IPPROTO_TCP)
		err = kernel_listen(sock, 1);
	if (err) {
		sock_release(sock);
		return ERR_PTR(err);
	}
	sin->sin_port = inet_sk(sock->sk)->inet_sport;
	return sock;
}

/* Do all flows go to the socket that the table names? */
static int check_flows(struct chring_selector *selector,
		       const struct chring_address *address,
		       const struct sock *expected)
{
	struct chring_address to = *address;
	unsigned int port;

	to.ipv4 = htonl(INADDR_LOOPBACK);
	for (port = 1; port <= NR_FLOWS; port++) {
		struct sock *sk = chring_selector_lookup(selector, &init_net,
							 &to, to.ipv4,
							 htons(port));

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
	struct socket *anchor;
	int err = 0, i;

	anchor = chring_anchor_join(selector, table, &init_net, address,
				    current_fsuid(), NULL);
	if (IS_ERR(anchor))
		return PTR_ERR(anchor);
	for (i = 0; i < NR_SOCKETS && !err; i++) {
		/* No packet reads the table meanwhile: nobody knows the port */
		memset16(table->owner, i, CHRING_TABLE_SLOTS);
		err = check_flows(selector, address, table->target[i].sk);
	}
	chring_anchor_hide(anchor);
	synchronize_rcu();
	chring_anchor_leave(anchor, selector, table);
	return err;
}

static int check_sockets(struct chring_selector *selector,
			 struct chring_table *table, int protocol)
{
	struct chring_counters __percpu *counters;
	struct socket *sock[NR_SOCKETS] = {};
	struct sockaddr_in sin = { .sin_family = AF_INET };
	struct chring_address address = { .protocol = protocol };
	int err = 0, i;

	counters = alloc_percpu(struct chring_counters);
	if (!counters)
		return -ENOMEM;
	for (i = 0; i < NR_SOCKETS; i++) {
		sock[i] = listener(protocol, &sin);
		if (IS_ERR(sock[i])) {
			err = PTR_ERR(sock[i]);
			goto release;
		}
		table->target[i].sk = sock[i]->sk;
		table->target[i].counters = counters;
	}
	address.port = sin.sin_port;
	table->ports = chring_ports(&address);
	rcu_assign_pointer(selector->table, table);
	err = check_steering(selector, table, &address);
	RCU_INIT_POINTER(selector->table, NULL);
	synchronize_rcu();
release:
	while (i--)
		sock_release(sock[i]);
	free_percpu(counters);
	return err;
}

static int check_protocol(int protocol)
{
	struct chring_selector selector = {};
	struct chring_table *table;
	int err;

	table = kvzalloc(struct_size(table, target, NR_SOCKETS), GFP_KERNEL);
	if (!table)
		return -ENOMEM;
	table->nr_targets = NR_SOCKETS;
	err = chring_selector_init(&selector, protocol);
	if (err)
		goto free;
	err = check_sockets(&selector, table, protocol);
	rcu_barrier();
	/* The sockets are gone, and their group with them */
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
 * Binds a pair of sockets of its own on any port, steers them, and asks the
 * kernel's look-up. Needs no packet, and no interface that is up.
 *
 * Context: may sleep; at load, before anything else can steer.
 * Return: 0, -EOPNOTSUPP where it does not work, or what else failed.
 */
int __init chring_selfcheck(void)
{
	int err;

	err = check_protocol(IPPROTO_TCP);
	if (err)
		return err;
	return check_protocol(IPPROTO_UDP);
}
