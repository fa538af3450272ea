// SPDX-License-Identifier: GPL-2.0
/*
 * Anchors: a kernel socket on a service's address and port, member of the
 * port's reuseport group. It keeps the group, and with it the selector, while
 * replicas come and go, and is the handle by which the selector can always be
 * detached. Nothing is ever delivered to it.
 */

#include <linux/bpf.h>
#include <linux/cred.h>
#include <linux/delay.h>
#include <linux/filter.h>
#include <linux/net.h>
#include <linux/netlink.h>
#include <linux/sched/task.h>
#include <net/icmp.h>
#include <net/sock_reuseport.h>

#include "anchor.h"
#include "selector.h"
#include "table.h"
#include "target.h"

/* Times, a millisecond apart, that a socket in use is tried to be locked */
#define LOCK_TRIES	50

/*
 * The anchor's socket filter: lets nothing in. What the selector refuses comes
 * here in one case: a datagram to a service on 0.0.0.0, for which the kernel
 * looks again without asking the selector.
 */
static unsigned int refuse_all(const void *ctx, const struct bpf_insn *insn)
{
	struct sk_buff *skb = (struct sk_buff *)ctx;

	if (ip_hdr(skb)->protocol == IPPROTO_UDP)
		icmp_send(skb, ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0);
	return 0;
}

static int attach_refuse_all(struct sock *sk)
{
	struct sk_filter *filter = kzalloc(sizeof(*filter), GFP_KERNEL_ACCOUNT);

	if (!filter)
		return -ENOMEM;
	filter->prog = chring_native_prog_alloc(refuse_all);
	if (!filter->prog) {
		kfree(filter);
		return -ENOMEM;
	}
	refcount_set(&filter->refcnt, 1);
	/* Taken off again by sk_filter_uncharge(), as the socket is freed */
	atomic_add(bpf_prog_size(filter->prog->len), &sk->sk_omem_alloc);
	rcu_assign_pointer(sk->sk_filter, filter);
	return 0;
}

static struct socket *anchor_alloc(struct net *net, int protocol, kuid_t owner)
{
	int type = protocol == IPPROTO_TCP ? SOCK_STREAM : SOCK_DGRAM;
	struct socket *anchor;
	int err;

	err = sock_create_kern(net, AF_INET, type, protocol, &anchor);
	if (err)
		return ERR_PTR(err);
	sock_set_reuseport(anchor->sk);
	/* A port is shared by the sockets of one user only */
	SOCK_INODE(anchor)->i_uid = owner;
	anchor->sk->sk_uid = owner;
	err = attach_refuse_all(anchor->sk);
	if (err) {
		sock_release(anchor);
		return ERR_PTR(err);
	}
	return anchor;
}

/*
 * Whoever adds the first replica may lack CAP_NET_BIND_SERVICE: the replica
 * has the port, by a permission that was checked when it bound.
 */
static int anchor_bind(struct socket *anchor,
		       const struct chring_address *address)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET,
		.sin_port = address->port,
		.sin_addr.s_addr = address->ipv4,
	};
	const struct cred *old;
	struct cred *cred;
	int err;

	cred = prepare_kernel_cred(&init_task);
	if (!cred)
		return -ENOMEM;
	old = override_creds(cred);
	err = kernel_bind(anchor, (struct sockaddr *)&sin, sizeof(sin));
	if (!err && address->protocol == IPPROTO_TCP)
		err = kernel_listen(anchor, 0);
	revert_creds(old);
	put_cred(cred);
	return err;
}

/* Caller holds rcu_read_lock(). */
static const struct bpf_prog *group_prog(const struct sock *sk)
{
	const struct sock_reuseport *group;

	group = rcu_dereference(sk->sk_reuseport_cb);
	return group ? rcu_dereference(group->prog) : NULL;
}

static bool group_holds(const struct sock *sk, const struct bpf_prog *prog)
{
	bool holds;

	rcu_read_lock();
	holds = group_prog(sk) == prog;
	rcu_read_unlock();
	return holds;
}

static bool group_is_foreign(const struct sock *sk)
{
	const struct bpf_prog *prog;
	bool foreign;

	rcu_read_lock();
	prog = group_prog(sk);
	foreign = prog && !chring_selector_owns(prog);
	rcu_read_unlock();
	return foreign;
}

static int group_attach(struct sock *member, struct bpf_prog *prog)
{
	int err;

	bpf_prog_inc(prog);
	err = reuseport_attach_prog(member, prog);
	if (err)
		bpf_prog_put(prog);
	return err;
}

/*
 * Another program can come between look and detach: reuseport_lock, which
 * would keep it away, is the kernel's own.
 */
static void group_detach(struct sock *member, const struct bpf_prog *prog)
{
	if (group_holds(member, prog))
		reuseport_detach_prog(member);
}

/**
 * chring_group_shared - are two sockets in the same reuseport group?
 * @a: a socket
 * @b: another
 *
 * Context: any; the answer can be old at once.
 */
bool chring_group_shared(const struct sock *a, const struct sock *b)
{
	const struct sock_reuseport *group_a, *group_b;
	bool shared;

	/* The group's memory changes as it grows; its id does not. */
	rcu_read_lock();
	group_a = rcu_dereference(a->sk_reuseport_cb);
	group_b = rcu_dereference(b->sk_reuseport_cb);
	shared = group_a && group_b &&
		 group_a->reuseport_id == group_b->reuseport_id;
	rcu_read_unlock();
	return shared;
}

/*
 * lock_sock() would wait for as long as the owner of the socket likes, who can
 * stop inside a system call; nobody may make us wait so.
 */
static bool trylock_sock(struct sock *sk)
{
	bool locked;

	spin_lock_bh(&sk->sk_lock.slock);
	locked = !sk->sk_lock.owned;
	if (locked) {
		sk->sk_lock.owned = 1;
		mutex_acquire(&sk->sk_lock.dep_map, SINGLE_DEPTH_NESTING, 1,
			      _RET_IP_);
	}
	spin_unlock_bh(&sk->sk_lock.slock);
	return locked;
}

static bool is_member(const struct sock *sk, const struct chring_table *table,
		      const struct socket *anchor)
{
	return chring_target_alive(sk, table->ports) &&
	       (anchor ? chring_group_shared(anchor->sk, sk) :
			 !!rcu_access_pointer(sk->sk_reuseport_cb));
}

static struct sock *try_member(const struct chring_table *table,
			       const struct socket *anchor)
{
	struct sock *busy = NULL;
	unsigned int i;

	for (i = 0; i < table->nr_targets; i++) {
		struct sock *sk = table->target[i].sk;

		if (!sk || !is_member(sk, table, anchor))
			continue;
		if (!trylock_sock(sk)) {
			busy = ERR_PTR(-EAGAIN);
			continue;
		}
		if (is_member(sk, table, anchor))
			return sk;
		release_sock(sk);
	}
	return busy;
}

/*
 * Locks a socket of the table that is alive and in @anchor's group, or in any
 * where there is no anchor, so that it stays so: its process cannot close it
 * meanwhile. Packets are not held up, as listeners and UDP sockets take them
 * without the lock. The anchor's lock is taken inside.
 *
 * Returns NULL where there is none, -EAGAIN where all were in use all along.
 */
static struct sock *lock_member(const struct chring_table *table,
				const struct socket *anchor)
{
	struct sock *member = NULL;
	int tries;

	if (!table)
		return NULL;
	for (tries = 0; tries < LOCK_TRIES; tries++) {
		member = try_member(table, anchor);
		if (member != ERR_PTR(-EAGAIN))
			break;
		fsleep(USEC_PER_MSEC);
	}
	return member;
}

static int anchor_enter(struct socket *anchor, struct bpf_prog *prog,
			const struct chring_address *address,
			struct sock *member, struct netlink_ext_ack *extack)
{
	int err;

	if (group_is_foreign(member)) {
		NL_SET_ERR_MSG(extack, "another program steers this port already");
		return -EBUSY;
	}
	err = group_attach(member, prog);
	if (err)
		return err;
	/*
	 * reuseport_select_sock() reads the program before the number of
	 * sockets: whoever found no program must not find the anchor among
	 * the sockets, and select it by hash.
	 */
	synchronize_rcu_expedited();

	err = anchor_bind(anchor, address);
	if (err == -EADDRINUSE) {
		NL_SET_ERR_MSG(extack,
			       "port is in use by a socket without SO_REUSEPORT or of another user");
		goto detach;
	}
	if (err) {
		NL_SET_ERR_MSG(extack, "cannot bind the service's address");
		goto detach;
	}
	err = -EADDRINUSE;
	if (!chring_group_shared(anchor->sk, member) ||
	    !group_holds(anchor->sk, prog)) {
		NL_SET_ERR_MSG(extack, "port is shared by sockets of different bindings");
		goto detach;
	}
	return 0;

detach:
	group_detach(member, prog);
	return err;
}

/**
 * chring_anchor_join - take a service's port and begin to steer
 * @selector: what is to steer, with @table published
 * @table: its table; one target at least must be alive
 * @net: network namespace of the service
 * @address: address of the service
 * @owner: user that the port belongs to
 * @extack: says why not
 *
 * On a port that carries traffic no flow is lost: the selector is attached
 * before the anchor enters the group, which thus never has a share of the
 * flows by hash.
 *
 * Context: may sleep; takes the lock of one target's socket, inside it that
 * of the anchor.
 * Return: the anchor, or an error pointer: -EBUSY where another program steers
 * the port, -ENOTCONN where no target is alive, -EAGAIN where their processes
 * have all of them locked for longer than 50 ms, -EADDRINUSE where the port has
 * a socket that cannot share it, -ENOMEM. On error nothing has changed.
 */
struct socket *chring_anchor_join(struct chring_selector *selector,
				  const struct chring_table *table,
				  struct net *net,
				  const struct chring_address *address,
				  kuid_t owner, struct netlink_ext_ack *extack)
{
	struct socket *anchor;
	struct sock *member;
	int err;

	anchor = anchor_alloc(net, address->protocol, owner);
	if (IS_ERR(anchor))
		return anchor;

	member = lock_member(table, NULL);
	if (IS_ERR(member)) {
		err = PTR_ERR(member);
		NL_SET_ERR_MSG(extack, "sockets are in the middle of another system call");
	} else if (!member) {
		err = -ENOTCONN;
		NL_SET_ERR_MSG(extack, "sockets were closed meanwhile");
	} else {
		err = anchor_enter(anchor, selector->prog, address, member,
				   extack);
		release_sock(member);
	}
	if (err) {
		sock_release(anchor);
		return ERR_PTR(err);
	}
	return anchor;
}

/**
 * chring_anchor_hide - first step of leaving a port
 * @anchor: of a service
 *
 * A look-up that found the anchor in the hash, as the first of its group and
 * not by selection, would have nobody else once the anchor is out of the group,
 * and lose its packet: the anchor is taken out of look-ups before. A grace
 * period must pass before chring_anchor_leave().
 *
 * Context: may sleep; takes the lock of the anchor.
 */
void chring_anchor_hide(struct socket *anchor)
{
	struct sock *sk = anchor->sk;

	/* No IPv4 look-up takes a socket that is for IPv6 only */
	lock_sock(sk);
	sk->sk_ipv6only = 1;
	release_sock(sk);
}

/**
 * chring_anchor_leave - second step: leave the port and stop steering
 * @anchor: hidden a grace period ago; freed
 * @selector: what steers
 * @table: its table, NULL where there is none
 *
 * The anchor leaves the group before the selector does, and thus never has a
 * share of the flows by hash, if a target of the group is alive and its process
 * does not keep it locked. The selector can be running until a grace period
 * has passed.
 *
 * Context: may sleep; takes the lock of one target's socket, inside it that
 * of the anchor.
 */
void chring_anchor_leave(struct socket *anchor,
			 struct chring_selector *selector,
			 const struct chring_table *table)
{
	struct sock *member = lock_member(table, anchor);

	/* It may have a share by hash now, for a moment, and refuses it */
	if (IS_ERR_OR_NULL(member))
		group_detach(anchor->sk, selector->prog);
	sock_release(anchor);
	if (!IS_ERR_OR_NULL(member)) {
		group_detach(member, selector->prog);
		release_sock(member);
	}
}
