// SPDX-License-Identifier: GPL-2.0
/*
 * The lives of replicas: what becomes of them by themselves, as time passes.
 *
 * Nobody tells of a socket that is closed, a queue that is full, or one that
 * runs empty: the sweep looks at all replicas, every now and then. Packets see
 * for themselves who is alive and has room, so that it is in no hurry.
 */

#include <linux/jiffies.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/udp.h>
#include <net/inet_connection_sock.h>
#include <net/sock.h>

#include "aside.h"
#include "life.h"
#include "membership.h"
#include "notify.h"
#include "override.h"
#include "replica.h"
#include "service.h"
#include "table.h"

#define SWEEP_INTERVAL (HZ / 10)
/* So long after one sweep the next lets requests go first */
#define SWEEP_PATIENCE HZ

/* A ramp fills that many tables */
#define RAMP_STEPS 16

/**
 * chring_replica_state - where in its life a replica is
 * @replica: caller holds the lock of its namespace's services
 *
 * Return: the state; of a socket, it can be old at once.
 */
enum chring_replica_state
chring_replica_state(const struct chring_replica *replica)
{
	if (!chring_replica_alive(replica))
		return CHRING_REPLICA_STATE_DEAD;
	if (replica->draining)
		return CHRING_REPLICA_STATE_DRAINING;
	if (chring_target_full(replica->sk))
		return CHRING_REPLICA_STATE_FULL;
	if (replica->ramp)
		return CHRING_REPLICA_STATE_JOINING;
	return CHRING_REPLICA_STATE_UP;
}

static unsigned long after_seconds(u32 seconds)
{
	return jiffies + seconds * HZ;
}

static u32 ramp_points(const struct chring_replica *replica)
{
	unsigned long passed = jiffies - replica->since;
	u64 step = RAMP_STEPS;

	if (passed < replica->ramp)
		step = 1 + (u64)passed * (RAMP_STEPS - 1) / replica->ramp;
	return max_t(u32, 1, replica->nr_points * step / RAMP_STEPS);
}

/**
 * chring_ramp_begin - let the share of a replica come up in steps
 * @replica: in no ring
 * @seconds: how long that shall take, 0 for no time
 */
void chring_ramp_begin(struct chring_replica *replica, u32 seconds)
{
	replica->since = jiffies;
	replica->ramp = seconds * HZ;
	replica->member.nr_vnodes = ramp_points(replica);
}

/* Takes the next step where it is time. Returns whether the ring has changed. */
static bool ramp_go_on(struct chring_service *service,
		       struct chring_replica *replica)
{
	struct chring_member *member = &replica->member;
	u32 points = ramp_points(replica);

	if (jiffies - replica->since >= replica->ramp)
		replica->ramp = 0;
	if (points == member->nr_vnodes)
		return false;
	chring_ring_remove(&service->ring, member);
	member->nr_vnodes = points;
	chring_ring_insert(&service->ring, member);
	return true;
}

/**
 * chring_drain_begin - let a replica have no new flows
 * @replica: alive; the next table says so
 * @seconds: how long to wait for it to be idle at most
 */
void chring_drain_begin(struct chring_replica *replica, u32 seconds)
{
	replica->draining = true;
	replica->member.dead = true;
	replica->until = after_seconds(seconds);
}

/**
 * chring_drain_steered - the last flow was steered to a replica that drains
 * @replica: a table that says so was published
 *
 * But for what packets under way do.
 */
void chring_drain_steered(struct chring_replica *replica)
{
	replica->drained = start_poll_synchronize_rcu();
}

/**
 * chring_drain_end - let a replica have flows again
 * @replica: alive; the next table says so
 */
void chring_drain_end(struct chring_replica *replica)
{
	replica->draining = false;
	replica->member.dead = false;
}

/*
 * Is nothing left in it that was steered to it? What it has accepted, or read,
 * is its own affair.
 */
static bool is_idle(const struct chring_replica *replica)
{
	struct sock *sk = replica->sk;

	if (!poll_state_synchronize_rcu(replica->drained))
		return false;
	if (sk->sk_protocol == IPPROTO_UDP)
		return skb_queue_empty_lockless(&sk->sk_receive_queue) &&
		       skb_queue_empty_lockless(&udp_sk(sk)->reader_queue);
	return !reqsk_queue_len(&inet_csk(sk)->icsk_accept_queue) &&
	       !READ_ONCE(sk->sk_ack_backlog);
}

static void tell(struct chring_net *cn, struct chring_service *service,
		 struct chring_replica *replica)
{
	cn->seq++;
	chring_notify_replica_locked(CHRING_CMD_REPLICA_SET_NTF, service,
				     replica);
}

/* One that was draining is not expected back */
static void die(struct chring_net *cn, struct chring_service *service,
		struct chring_replica *replica)
{
	replica->dead = true;
	replica->until = replica->draining ? jiffies :
					     after_seconds(service->grace);
	replica->member.dead = true;
	service->stale = true;
	tell(cn, service, replica);
}

/* Returns whether it is to leave. */
static bool look_at(struct chring_net *cn, struct chring_service *service,
		    struct chring_replica *replica)
{
	bool was_joining = replica->ramp, full;

	if (!replica->dead && !chring_replica_alive(replica))
		die(cn, service, replica);
	if (replica->dead)
		return replica->draining ||
		       time_after_eq(jiffies, replica->until);
	if (replica->draining)
		return time_after_eq(jiffies, replica->until) ||
		       is_idle(replica);
	if (replica->ramp && ramp_go_on(service, replica))
		service->stale = true;
	full = chring_target_full(replica->sk);
	if (full != replica->full || (was_joining && !replica->ramp)) {
		replica->full = full;
		tell(cn, service, replica);
	}
	return false;
}

/**
 * chring_sweep_service_locked - see what has become of a service's replicas
 * @cn: services of the network namespace; caller holds its lock
 * @service: one of them, not being removed
 *
 * Where memory is short those who are to leave stay until the next time:
 * packets pass the dead over anyway.
 *
 * Context: may sleep.
 */
void chring_sweep_service_locked(struct chring_net *cn,
				 struct chring_service *service)
{
	struct chring_table *table = NULL;
	struct chring_replica *replica;
	unsigned int nr_leaving = 0;
	LIST_HEAD(leaving);
	unsigned long index;

	xa_for_each(&service->replicas, index, replica) {
		cond_resched();
		if (!look_at(cn, service, replica))
			continue;
		list_add_tail(&replica->leaving, &leaving);
		nr_leaving++;
	}
	if (!nr_leaving && !service->stale)
		return;
	if (nr_leaving < service->nr_replicas) {
		table = chring_table_alloc(service);
		if (!table)
			return;
	}
	chring_members_leave_locked(cn, service, &leaving, table);
}

/**
 * chring_sweep_begin - let the sweep come, and come again
 * @cn: services of a network namespace with a replica, or soon
 */
void chring_sweep_begin(struct chring_net *cn)
{
	queue_delayed_work(system_unbound_wq, &cn->sweep, SWEEP_INTERVAL);
}

/*
 * Whoever fills a large table has the lock for milliseconds. To wait for it is to
 * spin, on a processor that may have flows to serve; the sweep can come again, but
 * not for ever.
 */
static bool lock_or_postpone(struct chring_net *cn)
{
	if (mutex_trylock(&cn->lock))
		return true;
	if (time_before(jiffies, cn->swept + SWEEP_PATIENCE)) {
		queue_delayed_work(system_unbound_wq, &cn->sweep, 1);
		return false;
	}
	mutex_lock(&cn->lock);
	return true;
}

/**
 * chring_sweep - look after the services of a network namespace
 * @work: the namespace's sweep
 *
 * See what has become of their replicas: dead sockets, as long as they are kept,
 * keep the namespace. And see whether the selector is where it was attached.
 *
 * Context: work item; takes the lock of the namespace's services, inside it
 * those of anchors.
 */
void chring_sweep(struct work_struct *work)
{
	struct chring_service *service;
	struct chring_net *cn;
	bool again = false;

	cn = container_of(to_delayed_work(work), struct chring_net, sweep);
	if (!lock_or_postpone(cn))
		return;
	cn->swept = jiffies;
	list_for_each_entry(service, &cn->services, list) {
		if (service->removing)
			continue;
		chring_sweep_service_locked(cn, service);
		chring_aside_retire(service);
		chring_override_sweep(service);
		again |= service->anchor || !list_empty(&service->asides);
	}
	if (cn->nr_replicas || again)
		chring_sweep_begin(cn);
	mutex_unlock(&cn->lock);
}
