// SPDX-License-Identifier: GPL-2.0
/*
 * Anchors: a kernel socket on an address and port of replicas, member of the
 * port's reuseport group. It keeps the group, and with it the selector, while
 * replicas come and go, and is the handle by which the selector can always be
 * detached. Nothing is ever delivered to it.
 *
 * The home anchor is on the service's own address and port; others are aside,
 * on other ports that TCP replicas listen on.
 */

#include <linux/bpf.h>
#include <linux/cred.h>
#include <linux/delay.h>
#include <linux/filter.h>
#include <linux/icmpv6.h>
#include <linux/net.h>
#include <linux/netlink.h>
#include <linux/sched/task.h>
#include <net/icmp.h>
#include <net/sock_reuseport.h>
#include <net/udp.h>

#include "anchor.h"
#include "selector.h"
#include "table.h"
#include "target.h"

/* Times, a millisecond apart, that a socket in use is tried to be locked */
#define LOCK_TRIES	50

/* No interface has this index; such a socket no look-up finds. */
#define NO_DEVICE	INT_MAX

/*
 * The anchor's socket filter: lets nothing in, before anything is made of it.
 * What comes here is what the selector holds; and while there are no replicas,
 * datagrams of look-ups that do not ask the selector, such as TPROXY's.
 */
static unsigned int refuse_all(const void *ctx, const struct bpf_insn *insn)
{
	struct sk_buff *skb = (struct sk_buff *)ctx;

	if (skb->sk->sk_protocol != IPPROTO_UDP || chring_selector_holds(insn))
		return 0;
	if (skb->protocol == htons(ETH_P_IPV6))
		icmpv6_send(skb, ICMPV6_DEST_UNREACH, ICMPV6_PORT_UNREACH, 0);
	else
		icmp_send(skb, ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0);
	return 0;
}

static int attach_refuse_all(struct sock *sk, struct chring_selector *selector)
{
	struct sk_filter *filter = kzalloc(sizeof(*filter), GFP_KERNEL_ACCOUNT);

	if (!filter)
		return -ENOMEM;
	filter->prog = chring_selector_filter_alloc(selector, refuse_all);
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

static struct socket *socket_alloc(struct chring_selector *selector,
				   struct net *net,
				   const struct chring_address *address,
				   kuid_t owner)
{
	int type = address->protocol == IPPROTO_TCP ? SOCK_STREAM : SOCK_DGRAM;
	struct socket *sock;
	int err;

	err = sock_create_kern(net, address->family, type, address->protocol,
			       &sock);
	if (err)
		return ERR_PTR(err);
	sock_set_reuseport(sock->sk);
	sock->sk->sk_ipv6only = address->v6only;
	/* A port is shared by the sockets of one user only */
	SOCK_INODE(sock)->i_uid = owner;
	sock->sk->sk_uid = owner;
	err = attach_refuse_all(sock->sk, selector);
	if (err) {
		sock_release(sock);
		return ERR_PTR(err);
	}
	return sock;
}

static struct chring_anchor *anchor_alloc(struct chring_selector *selector,
					  struct net *net,
					  const struct chring_address *address,
					  kuid_t owner, bool aside)
{
	struct chring_anchor *anchor;
	int err = -ENOMEM;

	anchor = kzalloc(sizeof(*anchor), GFP_KERNEL_ACCOUNT);
	if (!anchor)
		return ERR_PTR(-ENOMEM);
	anchor->address = *address;
	anchor->sock = socket_alloc(selector, net, address, owner);
	if (IS_ERR(anchor->sock)) {
		err = PTR_ERR(anchor->sock);
		goto free;
	}
	anchor->prog = chring_selector_prog_alloc(selector, address->protocol,
						  anchor->sock->sk, aside);
	if (!anchor->prog)
		goto release;
	return anchor;

release:
	sock_release(anchor->sock);
free:
	kfree(anchor);
	return ERR_PTR(err);
}

/*
 * Whoever adds the first replica may lack CAP_NET_BIND_SERVICE: the replica
 * has the port, by a permission that was checked when it bound.
 */
static int anchor_bind(struct chring_anchor *anchor)
{
	struct sockaddr_storage name;
	const struct cred *old;
	struct cred *cred;
	int err, len;

	cred = prepare_kernel_cred(&init_task);
	if (!cred)
		return -ENOMEM;
	len = chring_address_sockaddr(&anchor->address, &name);
	old = override_creds(cred);
	err = kernel_bind(anchor->sock, (struct sockaddr *)&name, len);
	if (!err && anchor->address.protocol == IPPROTO_TCP)
		err = kernel_listen(anchor->sock, 0);
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

/*
 * One of the same selector may be there yet, of an anchor that is about to
 * leave; it gives way.
 */
static int group_check(const struct sock *sk, const struct bpf_prog *prog,
		       struct netlink_ext_ack *extack)
{
	const struct chring_selector *selector = NULL;
	const struct bpf_prog *there;

	rcu_read_lock();
	there = group_prog(sk);
	if (there)
		selector = chring_selector_of(there);
	rcu_read_unlock();
	if (!there || selector == chring_selector_of(prog))
		return 0;
	if (selector)
		NL_SET_ERR_MSG(extack, "another service steers this port already");
	else
		NL_SET_ERR_MSG(extack, "another program steers this port already");
	return -EBUSY;
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
 * chring_group_clear - take a program off a group that is not one of ours
 * @sk: a member of the group
 *
 * Context: any but hard interrupts.
 */
void chring_group_clear(struct sock *sk)
{
	const struct bpf_prog *prog;
	bool foreign;

	rcu_read_lock();
	prog = group_prog(sk);
	foreign = prog && !chring_selector_of(prog);
	rcu_read_unlock();
	if (foreign)
		reuseport_detach_prog(sk);
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

/* Before @anchor is in a group, any that has one is a member. */
static bool is_member(const struct sock *sk, const struct chring_anchor *anchor)
{
	if (!chring_target_alive(sk, chring_ports(anchor->address.port)))
		return false;
	if (rcu_access_pointer(anchor->sock->sk->sk_reuseport_cb))
		return chring_group_shared(anchor->sock->sk, sk);
	return rcu_access_pointer(sk->sk_reuseport_cb);
}

/* Returns @sk, locked; NULL where it is no member, -EAGAIN where it is in use */
static struct sock *try_member(struct sock *sk,
			       const struct chring_anchor *anchor)
{
	if (!is_member(sk, anchor))
		return NULL;
	if (!trylock_sock(sk))
		return ERR_PTR(-EAGAIN);
	if (is_member(sk, anchor))
		return sk;
	release_sock(sk);
	return NULL;
}

static struct sock *try_members(const struct chring_anchor *anchor)
{
	const struct chring_table *table = anchor->table;
	struct sock *member = NULL, *tried;
	unsigned int i;

	if (anchor->member)
		member = try_member(anchor->member, anchor);
	for (i = 0; table && i < table->nr_targets; i++) {
		if (member && !IS_ERR(member))
			break;
		if (!table->target[i].sk)
			continue;
		tried = try_member(table->target[i].sk, anchor);
		member = tried ?: member;
	}
	return member;
}

/*
 * Locks a socket that is alive and of the group that @anchor is in, or is to
 * enter, so that it stays so: its process cannot close it meanwhile. Packets
 * are not held up, as listeners and UDP sockets take them without the lock. The
 * anchor's lock is taken inside.
 *
 * Returns NULL where there is none, -EAGAIN where all were in use all along.
 */
static struct sock *lock_member(const struct chring_anchor *anchor)
{
	struct sock *member = NULL;
	int tries;

	for (tries = 0; tries < LOCK_TRIES; tries++) {
		member = try_members(anchor);
		if (member != ERR_PTR(-EAGAIN))
			break;
		fsleep(USEC_PER_MSEC);
	}
	return member;
}

static int lock_listener(struct sock *sk)
{
	int tries;

	for (tries = 0; tries < LOCK_TRIES; tries++) {
		if (trylock_sock(sk))
			return 0;
		fsleep(USEC_PER_MSEC);
	}
	return -EAGAIN;
}

/* Makes a listener ready to share its port, as SO_REUSEPORT would have. */
static int share_port(struct sock *sk, const struct chring_address *address,
		      struct netlink_ext_ack *extack)
{
	if (!chring_target_alive(sk, chring_ports(address->port))) {
		NL_SET_ERR_MSG(extack, "sockets were closed meanwhile");
		return -ENOTCONN;
	}
	if (rcu_access_pointer(sk->sk_reuseport_cb))
		return 0;
	sk->sk_reuseport = true;
	return reuseport_alloc(sk, chring_address_any(address));
}

static void explain_bind(int err, struct netlink_ext_ack *extack)
{
	if (err == -EADDRINUSE)
		NL_SET_ERR_MSG(extack,
			       "port is in use by a socket without SO_REUSEPORT or of another user");
	else
		NL_SET_ERR_MSG(extack, "cannot bind the service's address");
}

static int enter_group(struct chring_anchor *anchor, struct sock *member,
		       struct netlink_ext_ack *extack)
{
	int err;

	err = group_check(member, anchor->prog, extack);
	if (err)
		return err;
	err = group_attach(member, anchor->prog);
	if (err)
		return err;
	/*
	 * reuseport_select_sock() reads the program before the number of
	 * sockets: whoever found no program must not find the anchor among
	 * the sockets, and select it by hash.
	 */
	synchronize_rcu_expedited();

	err = anchor_bind(anchor);
	if (err) {
		explain_bind(err, extack);
		goto detach;
	}
	err = -EADDRINUSE;
	if (!chring_group_shared(anchor->sock->sk, member) ||
	    !group_holds(anchor->sock->sk, anchor->prog)) {
		NL_SET_ERR_MSG(extack, "port is shared by sockets of different bindings");
		goto detach;
	}
	return 0;

detach:
	group_detach(member, anchor->prog);
	return err;
}

/* Nobody else is on the port: the anchor begins a group of its own. */
static int begin_group(struct chring_anchor *anchor,
		       struct netlink_ext_ack *extack)
{
	int err;

	err = group_attach(anchor->sock->sk, anchor->prog);
	if (err)
		return err;
	err = anchor_bind(anchor);
	/* It may have left that group for one that was there */
	if (!err && !group_holds(anchor->sock->sk, anchor->prog))
		err = -EADDRINUSE;
	if (err == -EADDRINUSE)
		NL_SET_ERR_MSG(extack, "port is in use by sockets that are not replicas");
	else if (err)
		explain_bind(err, extack);
	return err;
}

/* Frees what could not join, and returns @err. */
static struct chring_anchor *anchor_abort(struct chring_anchor *anchor, int err)
{
	group_detach(anchor->sock->sk, anchor->prog);
	sock_release(anchor->sock);
	synchronize_rcu_expedited();
	/* A group that it left for another drops the program by RCU */
	if (atomic64_read(&anchor->prog->aux->refcnt) != 1)
		rcu_barrier();
	chring_anchor_free(anchor);
	return ERR_PTR(err);
}

/**
 * chring_anchor_join - take a service's port and begin to steer
 * @selector: what is to steer, with @table published
 * @table: its table
 * @net: network namespace of the service
 * @address: address of the service
 * @owner: user that the port belongs to
 * @extack: says why not
 *
 * On a port that carries traffic no flow is lost: the selector is attached
 * before the anchor enters the group, which thus never has a share of the
 * flows by hash. Where no target is on the port, nobody may be.
 *
 * Context: may sleep; takes the lock of one target's socket, inside it that
 * of the anchor.
 * Return: the anchor, or an error pointer: -EBUSY where another program steers
 * the port, -EAGAIN where processes have all targets on it locked for longer
 * than 50 ms, -EADDRINUSE where the port has a socket that cannot share it, or
 * that is no target though none of its is one, -EAFNOSUPPORT where there is no
 * IPv6, -ENOMEM. On error nothing has changed.
 */
struct chring_anchor *chring_anchor_join(struct chring_selector *selector,
					 const struct chring_table *table,
					 struct net *net,
					 const struct chring_address *address,
					 kuid_t owner,
					 struct netlink_ext_ack *extack)
{
	struct chring_anchor *anchor;
	struct sock *member;
	int err;

	anchor = anchor_alloc(selector, net, address, owner, false);
	if (IS_ERR(anchor))
		return anchor;

	anchor->table = table;
	member = lock_member(anchor);
	anchor->table = NULL;
	if (IS_ERR(member)) {
		err = PTR_ERR(member);
		NL_SET_ERR_MSG(extack, "sockets are in the middle of another system call");
	} else if (member) {
		err = enter_group(anchor, member, extack);
		release_sock(member);
	} else {
		err = begin_group(anchor, extack);
	}
	if (err)
		return anchor_abort(anchor, err);
	chring_anchor_recede(anchor);
	return anchor;
}

/**
 * chring_anchor_join_aside - see that what a listener leaves behind is steered
 * @selector: of the service that the listener is a target of
 * @member: the listener, on a port that is not the service's; where it was
 *	bound without SO_REUSEPORT it has it from now on
 * @extack: says why not
 *
 * What comes to that port itself goes where it would without the anchor.
 *
 * Context: may sleep; takes the lock of @member, inside it that of the anchor.
 * Return: the anchor, or an error pointer, as chring_anchor_join(); -ENOTCONN
 * where @member was closed meanwhile.
 */
struct chring_anchor *
chring_anchor_join_aside(struct chring_selector *selector, struct sock *member,
			 struct netlink_ext_ack *extack)
{
	struct chring_address address;
	struct chring_anchor *anchor;
	int err;

	chring_address_of(&address, member);
	anchor = anchor_alloc(selector, sock_net(member), &address,
			      sock_i_uid(member), true);
	if (IS_ERR(anchor))
		return anchor;
	chring_anchor_leave_by(anchor, member);

	err = lock_listener(member);
	if (err) {
		NL_SET_ERR_MSG(extack, "sockets are in the middle of another system call");
		return anchor_abort(anchor, err);
	}
	err = share_port(member, &address, extack);
	if (!err)
		err = enter_group(anchor, member, extack);
	release_sock(member);
	return err ? anchor_abort(anchor, err) : anchor;
}

/**
 * chring_anchor_shares - is a socket in an anchor's group?
 * @anchor: has joined
 * @sk: the socket
 *
 * Context: any; the answer can be old at once.
 */
bool chring_anchor_shares(const struct chring_anchor *anchor,
			  const struct sock *sk)
{
	return chring_group_shared(anchor->sock->sk, sk);
}

/* Broadcast and multicast addresses are the source of no packet. */
static void set_peer(struct sock *sk, bool nobody)
{
	inet_sk(sk)->inet_daddr = nobody ? htonl(INADDR_BROADCAST) : 0;
	if (sk->sk_family == AF_INET6)
		sk->sk_v6_daddr = nobody ? in6addr_linklocal_allnodes :
					   in6addr_any;
}

/*
 * Look-ups go through the sockets of an address from the front, where IPv4 puts
 * new ones, and would pass the anchor for each datagram. They go on from it to
 * those behind it until none stands there any more; returns after that.
 */
static void go_to_the_back(struct sock *sk)
{
	struct udp_hslot *slot = udp_hashslot2(sock_net(sk)->ipv4.udp_table,
					       udp_sk(sk)->udp_portaddr_hash);

	spin_lock_bh(&slot->lock);
	hlist_del_rcu(&udp_sk(sk)->udp_portaddr_node);
	slot->count--;
	spin_unlock_bh(&slot->lock);

	synchronize_rcu_expedited();

	spin_lock_bh(&slot->lock);
	hlist_add_tail_rcu(&udp_sk(sk)->udp_portaddr_node, &slot->head);
	slot->count++;
	spin_unlock_bh(&slot->lock);
}

/**
 * chring_anchor_recede - leave all datagrams to the replicas
 * @anchor: of a service that has replicas
 *
 * Some look-ups of UDP sockets have no packet that the selector could be asked
 * about: of TPROXY, for an ICMP error, for GRO. There the kernel's hash chooses
 * a member of the group. It passes over sockets that are connected, so the
 * anchor becomes one, to a peer that there cannot be; other sockets still find
 * its group to join. Nothing else looks at a UDP socket's state.
 *
 * Context: may sleep; takes the lock of the anchor.
 */
void chring_anchor_recede(struct chring_anchor *anchor)
{
	struct sock *sk = anchor->sock->sk;

	if (sk->sk_protocol != IPPROTO_UDP || sk->sk_state == TCP_ESTABLISHED)
		return;
	lock_sock(sk);
	set_peer(sk, true);
	/*
	 * A look-up that took it for unconnected must not find that it is
	 * connected, and deliver to it.
	 */
	go_to_the_back(sk);
	WRITE_ONCE(sk->sk_state, TCP_ESTABLISHED);
	release_sock(sk);
}

/**
 * chring_anchor_advance - let datagrams find the selector through the anchor
 * @anchor: of a service that has no replicas any more
 *
 * So that what is refused is counted, and by the selector.
 *
 * Context: may sleep; takes the lock of the anchor.
 */
void chring_anchor_advance(struct chring_anchor *anchor)
{
	struct sock *sk = anchor->sock->sk;

	if (sk->sk_protocol != IPPROTO_UDP)
		return;
	lock_sock(sk);
	WRITE_ONCE(sk->sk_state, TCP_CLOSE);
	set_peer(sk, false);
	release_sock(sk);
}

/**
 * chring_anchor_leave_by - name the socket by which an anchor is to leave
 * @anchor: has joined
 * @sk: a socket of its group, of which it takes a reference; or NULL
 *
 * Context: may sleep.
 */
void chring_anchor_leave_by(struct chring_anchor *anchor, struct sock *sk)
{
	if (sk)
		sock_hold(sk);
	if (anchor->member)
		sock_put(anchor->member);
	anchor->member = sk;
}

/**
 * chring_anchor_steers - does an anchor's group have the selector?
 * @anchor: has joined
 *
 * Any member can attach another program, or detach this one; nobody is told.
 *
 * Context: any; the answer can be old at once.
 */
bool chring_anchor_steers(const struct chring_anchor *anchor)
{
	return group_holds(anchor->sock->sk, anchor->prog);
}

/**
 * chring_anchor_reattach - put the selector back, in the place of what is there
 * @anchor: has joined
 *
 * Context: may sleep; takes the lock of the anchor.
 * Return: 0, or -EINVAL where the anchor is in no group any more.
 */
int chring_anchor_reattach(struct chring_anchor *anchor)
{
	struct sock *sk = anchor->sock->sk;
	int err;

	lock_sock(sk);
	err = group_attach(sk, anchor->prog);
	release_sock(sk);
	return err;
}

/**
 * chring_anchor_busy - are there closed listeners in an anchor's group?
 * @anchor: has joined
 *
 * They stay there as long as they have requests, which migrate when the last
 * packet of their handshake comes.
 *
 * Context: any; the answer can be old at once.
 */
bool chring_anchor_busy(const struct chring_anchor *anchor)
{
	const struct sock_reuseport *group;
	bool busy;

	rcu_read_lock();
	group = rcu_dereference(anchor->sock->sk->sk_reuseport_cb);
	busy = group && READ_ONCE(group->num_closed_socks);
	rcu_read_unlock();
	return busy;
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
void chring_anchor_hide(struct chring_anchor *anchor)
{
	struct sock *sk = anchor->sock->sk;

	lock_sock(sk);
	WRITE_ONCE(sk->sk_bound_dev_if, NO_DEVICE);
	release_sock(sk);
}

/**
 * chring_anchor_leave - second step: leave the port and stop steering
 * @anchor: hidden a grace period ago, with @member or @table to leave by
 *
 * The anchor leaves the group before the selector does, and thus never has a
 * share of the flows by hash, if a socket that it can leave by is alive and its
 * process does not keep it locked. The selector can be running until a grace
 * period has passed.
 *
 * Context: may sleep; takes the lock of one target's socket, inside it that
 * of the anchor.
 */
void chring_anchor_leave(struct chring_anchor *anchor)
{
	struct sock *member = lock_member(anchor);

	/* It may have a share by hash now, for a moment, and refuses it */
	if (IS_ERR_OR_NULL(member))
		group_detach(anchor->sock->sk, anchor->prog);
	sock_release(anchor->sock);
	if (!IS_ERR_OR_NULL(member)) {
		group_detach(member, anchor->prog);
		release_sock(member);
	}
}

/**
 * chring_anchor_free - last step
 * @anchor: left a grace period and an rcu_barrier() ago
 *
 * Context: may sleep.
 */
void chring_anchor_free(struct chring_anchor *anchor)
{
	if (anchor->member)
		sock_put(anchor->member);
	chring_selector_prog_free(anchor->prog);
	kfree(anchor);
}
