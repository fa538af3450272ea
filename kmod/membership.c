// SPDX-License-Identifier: GPL-2.0
/*
 * Membership: how replicas come into a service, take each other's places and
 * leave. What each does to the ring, to tables and to what is counted.
 */

#include <linux/netlink.h>
#include <linux/percpu.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <net/inet_sock.h>
#include <net/sock.h>

#include "anchor.h"
#include "aside.h"
#include "life.h"
#include "membership.h"
#include "notify.h"
#include "override.h"
#include "replica.h"
#include "service.h"
#include "table.h"
#include "watch.h"

/**
 * chring_at_home - is it the service's own port?
 * @service: the service
 * @port: of a socket, in network order
 *
 * Context: any.
 */
bool chring_at_home(const struct chring_service *service, __be16 port)
{
	return port == service->address.port;
}

static struct chring_replica *
replica_alloc(const struct chring_service *service,
	      const struct chring_replica_args *args)
{
	struct chring_replica *replica;

	replica = kzalloc(sizeof(*replica), GFP_KERNEL_ACCOUNT);
	if (!replica)
		return NULL;
	strscpy(replica->name, args->name);
	replica->weight = args->weight;
	replica->counters = alloc_percpu_gfp(struct chring_counters,
					     GFP_KERNEL_ACCOUNT);
	if (!replica->counters)
		goto free;
	replica->member.name = replica->name;
	replica->nr_points = chring_service_points(service, args->weight);
	replica->member.vnodes = chring_vnodes_alloc(replica->nr_points);
	if (!replica->member.vnodes)
		goto free_counters;
	chring_ramp_begin(replica, args->ramp);
	return replica;

free_counters:
	free_percpu(replica->counters);
free:
	kfree(replica);
	return NULL;
}

/* Last of all; no table has it any more, and a grace period is over. */
static void replica_free(struct chring_replica *replica)
{
	chring_watch_stop(replica->watch);
	if (replica->sk)
		sock_put(replica->sk);
	kvfree(replica->member.vnodes);
	free_percpu(replica->counters);
	kfree(replica);
}

static void replica_free_rcu(struct rcu_head *rcu)
{
	replica_free(container_of(rcu, struct chring_replica, rcu));
}

static void stop_watch(struct chring_replica *replica)
{
	chring_watch_stop(replica->watch);
	replica->watch = NULL;
}

/*
 * Has a replica freed that is unlinked. Only packets may still look at it; the
 * sweep, which its watch wakes, can be gone before they have done with it.
 */
static void replica_release(struct chring_replica *replica)
{
	stop_watch(replica);
	call_rcu(&replica->rcu, replica_free_rcu);
}

static int replica_watch(struct chring_net *cn, struct chring_replica *replica,
			 const struct chring_replica_args *args,
			 struct netlink_ext_ack *extack)
{
	struct chring_watch *watch;

	if (!args->pidfd_attr)
		return 0;
	NL_SET_BAD_ATTR(extack, args->pidfd_attr);
	watch = chring_watch_start(args->pidfd, &cn->sweep, extack);
	if (IS_ERR(watch))
		return PTR_ERR(watch);
	replica->watch = watch;
	return 0;
}

static int replica_aside(struct chring_service *service,
			 struct chring_replica *replica,
			 const struct chring_replica_args *args,
			 struct netlink_ext_ack *extack)
{
	struct chring_anchor *anchor;

	if (chring_at_home(service, replica->port) || service->left)
		return 0;
	NL_SET_BAD_ATTR(extack, args->fd_attr);
	anchor = chring_aside_get(service, replica->sk, extack);
	if (IS_ERR(anchor))
		return PTR_ERR(anchor);
	replica->aside = anchor;
	return 0;
}

/* To a place of its own on the ring and in tables */
static int replica_link(struct chring_net *cn, struct chring_service *service,
			struct chring_replica *replica)
{
	u32 index;
	int err;

	err = xa_alloc(&service->replicas, &index, replica,
		       XA_LIMIT(0, CHRING_NO_MEMBER - 1), GFP_KERNEL_ACCOUNT);
	if (err)
		return err;
	replica->member.index = index;
	chring_ring_insert(&service->ring, &replica->member);
	service->nr_replicas++;
	cn->nr_replicas++;
	cn->nr_points += replica->nr_points;
	return 0;
}

static void replica_unlink(struct chring_net *cn,
			   struct chring_service *service,
			   struct chring_replica *replica)
{
	chring_ring_remove(&service->ring, &replica->member);
	xa_erase(&service->replicas, replica->member.index);
	/* Of a service that is being removed they are gone already */
	if (replica->aside && !service->removing)
		chring_aside_put(service, replica);
	service->nr_replicas--;
	cn->nr_replicas--;
	cn->nr_points -= replica->nr_points;
}

/*
 * To the place of another of the same name: so it has the same points, and the
 * slots that the other one had in the table before. Cannot fail.
 */
static void replica_supplant(struct chring_net *cn,
			     struct chring_service *service,
			     struct chring_replica *old,
			     struct chring_replica *new)
{
	chring_ring_remove(&service->ring, &old->member);
	new->member.index = old->member.index;
	new->member.nr_filled = old->member.nr_filled;
	/* Where there is something already no memory is needed */
	xa_store(&service->replicas, new->member.index, new, GFP_KERNEL);
	chring_ring_insert(&service->ring, &new->member);
	cn->nr_points += new->nr_points;
	cn->nr_points -= old->nr_points;
}

/**
 * chring_member_enter_locked - a replica enters the ring of a service
 * @cn: services of the network namespace; caller holds its lock
 * @service: one of them
 * @args: says what it is to be, and whose place it is to take, if anybody's;
 *	gets the replica
 * @sk: its socket, with a reference that is the replica's from now on
 * @extack: says why not
 *
 * It gets flows when a table is published.
 *
 * Context: may sleep; current is who made the request. Takes the locks of
 * chring_aside_get().
 * Return: 0; -ENOMEM; what chring_watch_start() and chring_aside_get() return.
 */
int chring_member_enter_locked(struct chring_net *cn,
			       struct chring_service *service,
			       struct chring_replica_args *args,
			       struct sock *sk, struct netlink_ext_ack *extack)
{
	struct chring_replica *replica = replica_alloc(service, args);
	int err;

	if (!replica) {
		sock_put(sk);
		return -ENOMEM;
	}
	replica->sk = sk;
	replica->port = inet_sk(sk)->inet_sport;
	replica->uid = sock_i_uid(sk);
	replica->inode = sock_i_ino(sk);
	err = replica_watch(cn, replica, args, extack);
	if (!err)
		err = replica_aside(service, replica, args, extack);
	if (err)
		goto free;
	if (args->replaced)
		replica_supplant(cn, service, args->replaced, replica);
	else
		err = replica_link(cn, service, replica);
	if (err)
		goto put_aside;
	args->replica = replica;
	return 0;

put_aside:
	if (replica->aside)
		replica->aside->nr_replicas--;
free:
	replica_free(replica);
	return err;
}

/**
 * chring_member_retract_locked - take back what chring_member_enter_locked() did
 * @cn: services of the network namespace; caller holds its lock
 * @service: one of them
 * @args: the replica, and whose place it has
 *
 * Of several the last that entered is the first to be taken back.
 *
 * Context: may sleep.
 */
void chring_member_retract_locked(struct chring_net *cn,
				  struct chring_service *service,
				  const struct chring_replica_args *args)
{
	struct chring_replica *replica = args->replica;

	if (!args->replaced) {
		replica_unlink(cn, service, replica);
	} else {
		replica_supplant(cn, service, replica, args->replaced);
		if (replica->aside)
			chring_aside_put(service, replica);
	}
	replica_release(replica);
}

/**
 * chring_member_resize_locked - give a replica another weight, at once
 * @cn: services of the network namespace; caller holds its lock
 * @service: one of them
 * @args: the replica, its weight, and virtual nodes for that
 *
 * Context: may sleep.
 */
void chring_member_resize_locked(struct chring_net *cn,
				 struct chring_service *service,
				 const struct chring_replica_args *args)
{
	struct chring_replica *replica = args->replica;
	struct chring_member *member = &replica->member;

	chring_ring_remove(&service->ring, member);
	kvfree(member->vnodes);
	cn->nr_points -= replica->nr_points;
	replica->weight = args->weight;
	replica->nr_points = chring_service_points(service, args->weight);
	cn->nr_points += replica->nr_points;
	member->vnodes = args->vnodes;
	chring_ramp_begin(replica, 0);
	chring_ring_insert(&service->ring, member);
}

/*
 * Gives up the socket of a replica that is dead and that the table knows to be
 * so. Packets under way may look at it still: what was bound to a port is freed
 * by RCU.
 */
static void let_go(struct chring_service *service,
		   struct chring_replica *replica)
{
	struct sock *sk = replica->sk;

	WARN_ON_ONCE(!sock_flag(sk, SOCK_RCU_FREE));
	stop_watch(replica);
	if (replica->aside)
		chring_aside_put(service, replica);
	replica->sk = NULL;
	sock_put(sk);
}

/**
 * chring_members_publish_locked - let packets see what a service's replicas are
 * @cn: services of the network namespace; caller holds its lock
 * @service: one of them, with an anchor, or that has left its port
 * @table: from chring_table_alloc(); NULL where there are no replicas
 *
 * Context: may sleep; takes the lock of the anchor's socket.
 */
void chring_members_publish_locked(struct chring_net *cn,
				   struct chring_service *service,
				   struct chring_table *table)
{
	struct chring_replica *replica;
	bool anybody = false;
	unsigned long index;

	chring_table_replace(cn, service, table);
	service->stale = false;
	xa_for_each(&service->replicas, index, replica) {
		cond_resched();
		anybody |= !replica->member.dead;
		if (replica->dead && replica->sk)
			let_go(service, replica);
	}
	if (!table && !service->anchor)
		chring_override_forget(service);
	if (!service->anchor)
		return;
	if (anybody)
		chring_anchor_recede(service->anchor);
	else
		chring_anchor_advance(service->anchor);
}

/**
 * chring_members_settle_locked - let packets see replicas that have entered
 * @cn: services of the network namespace; caller holds its lock
 * @service: one of them; takes its port with its first replicas
 * @extack: says why not
 *
 * Context: may sleep; takes the locks of chring_anchor_join().
 * Return: 0; -ENOMEM; what chring_anchor_join() returns.
 */
int chring_members_settle_locked(struct chring_net *cn,
				 struct chring_service *service,
				 struct netlink_ext_ack *extack)
{
	struct chring_table *table = chring_table_alloc(service);
	struct chring_anchor *anchor;

	if (!table)
		return -ENOMEM;
	if (service->anchor || service->left) {
		chring_members_publish_locked(cn, service, table);
		return 0;
	}
	/* The first replicas: there is no table yet */
	chring_table_replace(cn, service, table);
	anchor = chring_anchor_join(&service->selector, table, service->net,
				    &service->address, service->owner, extack);
	if (IS_ERR(anchor)) {
		chring_table_publish(cn, service, NULL);
		kvfree_rcu(table, rcu);
		return PTR_ERR(anchor);
	}
	service->anchor = anchor;
	chring_notify_service_locked(CHRING_CMD_SERVICE_SET_NTF, service);
	return 0;
}

/**
 * chring_member_replaced_locked - see off a replica whose place was taken
 * @service: its service; caller holds the lock of its namespace's services
 * @args: whose place was taken; a table without it was published
 *
 * Context: may sleep.
 */
void chring_member_replaced_locked(struct chring_service *service,
				   const struct chring_replica_args *args)
{
	struct chring_replica *replica = args->replaced;

	if (replica->aside)
		chring_aside_put(service, replica);
	chring_replica_totals(replica, &service->gone);
	replica_release(replica);
}

/**
 * chring_members_leave_locked - replicas leave, and a new table comes
 * @cn: services of the network namespace; caller holds its lock
 * @service: one of them, with an anchor, or that has left its port
 * @leaving: replicas of it, listed by their leaving
 * @table: from chring_table_alloc(); NULL where no others are left
 *
 * They are freed after the table that has them was replaced. Their counts go to
 * the service's, but for what packets under way add.
 *
 * Context: may sleep.
 */
void chring_members_leave_locked(struct chring_net *cn,
				 struct chring_service *service,
				 struct list_head *leaving,
				 struct chring_table *table)
{
	struct chring_replica *replica, *next;

	list_for_each_entry(replica, leaving, leaving) {
		replica_unlink(cn, service, replica);
		chring_replica_totals(replica, &service->gone);
	}
	chring_members_publish_locked(cn, service, table);
	list_for_each_entry_safe(replica, next, leaving, leaving) {
		chring_notify_replica_locked(CHRING_CMD_REPLICA_DEL_NTF,
					     service, replica);
		replica_release(replica);
	}
}

/**
 * chring_members_free - free the table and the replicas of a service
 * @cn: services of its network namespace
 * @service: being removed, and in no group for a grace period
 *
 * Context: may sleep; takes the lock of the namespace's services.
 */
void chring_members_free(struct chring_net *cn, struct chring_service *service)
{
	struct chring_replica *replica;
	unsigned long index;

	mutex_lock(&cn->lock);
	kvfree(chring_table_publish(cn, service, NULL));
	xa_for_each(&service->replicas, index, replica) {
		replica_unlink(cn, service, replica);
		chring_replica_totals(replica, &service->gone);
		chring_notify_replica_locked(CHRING_CMD_REPLICA_DEL_NTF,
					     service, replica);
		replica_free(replica);
	}
	mutex_unlock(&cn->lock);
}
