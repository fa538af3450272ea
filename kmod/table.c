// SPDX-License-Identifier: GPL-2.0
/*
 * Tables: what packets read. Filled aside from a service's ring, published by
 * RCU, never changed afterwards, but for what packets count.
 */

#include <linux/overflow.h>
#include <linux/percpu.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "replica.h"
#include "service.h"
#include "table.h"

/**
 * chring_table_new - an empty table
 * @order: it has 2^@order slots, 1 to 16
 * @nr_targets: length of its targets, at least 1
 *
 * Context: may sleep.
 * Return: the table, for kvfree(); NULL on lack of memory.
 */
struct chring_table *chring_table_new(unsigned int order,
				      unsigned int nr_targets)
{
	struct chring_table *table;
	size_t size;

	size = size_add(struct_size(table, target, nr_targets),
			2 * sizeof(u16) << order);
	table = kvzalloc(size, GFP_KERNEL_ACCOUNT);
	if (!table)
		return NULL;
	table->nr_targets = nr_targets;
	table->shift = 32 - order;
	table->slots.order = order;
	table->slots.owner = (u16 *)(table->target + nr_targets);
	table->slots.standin = table->slots.owner + (1 << order);
	return table;
}

/**
 * chring_table_alloc - a table with room for a service's replicas, to be filled
 * @service: caller holds the lock of its namespace's services; it may lose
 *	replicas before the table is filled, and not get any
 *
 * Context: may sleep.
 * Return: the table, for chring_table_free() or chring_table_replace(); NULL on
 * lack of memory.
 */
struct chring_table *chring_table_alloc(struct chring_service *service)
{
	struct chring_replica *replica;
	struct chring_table *table;
	unsigned long index, nr = 0;

	/* The indexes can have holes */
	xa_for_each(&service->replicas, index, replica) {
		nr = index + 1;
		cond_resched();
	}
	table = chring_table_new(service->order, nr);
	if (!table)
		return NULL;
	table->balancer = chring_balancer_alloc(service->order, nr);
	if (!table->balancer) {
		kvfree(table);
		return NULL;
	}
	return table;
}

/**
 * chring_table_free - free a table that is not needed after all
 * @table: from chring_table_alloc(), not filled
 *
 * Context: may sleep.
 */
void chring_table_free(struct chring_table *table)
{
	chring_balancer_free(table->balancer);
	kvfree(table);
}

/**
 * chring_table_balance - share slots among the members of a ring
 * @balance: how
 * @b: memory to work in, for the order of @slots
 * @ring: the members, with the nr_filled that they have in @before
 * @before: what @slots are to replace, of the same order, or NULL for nothing
 * @slots: filled in
 *
 * Context: may sleep. The caller excludes changes of the ring, and other fills.
 */
void chring_table_balance(enum chring_balance_policy balance,
			  struct chring_balancer *b,
			  const struct chring_ring *ring,
			  const struct chring_slots *before,
			  struct chring_slots *slots)
{
	if (balance == CHRING_BALANCE_POLICY_EVEN)
		chring_balance_even(b, ring, before, slots);
	else
		chring_balance_ring(b, ring, slots);
}

/* The socket of replicas that take no flows: nothing is ever alive about it */
static struct sock nobody;

static void table_fill(struct chring_table *table,
		       struct chring_service *service,
		       const struct chring_table *before)
{
	struct chring_replica *replica;
	unsigned long index;
	unsigned int slot;

	xa_for_each(&service->replicas, index, replica) {
		table->target[index].sk = replica->member.dead ? &nobody :
								 replica->sk;
		table->target[index].counters = replica->counters;
		table->target[index].ports = chring_ports(replica->port);
		cond_resched();
	}
	chring_table_balance(service->balance, table->balancer, &service->ring,
			     before ? &before->slots : NULL, &table->slots);
	chring_balancer_free(table->balancer);
	table->balancer = NULL;
	for (slot = 0; slot < 1 << service->order; slot++) {
		table->target[table->slots.owner[slot]].nr_slots++;
		chring_resched_sometimes(slot);
	}
	xa_for_each(&service->replicas, index, replica) {
		replica->slots = table->target[index].nr_slots;
		replica->member.nr_filled = replica->member.nr_vnodes;
		cond_resched();
	}
}

/**
 * chring_table_publish - let packets see a table
 * @cn: services of the network namespace; caller holds its lock
 * @service: one of them
 * @table: filled; NULL for none
 *
 * Return: the table that packets saw before, needed by some for a grace period
 * more, as is what it refers to; NULL for none.
 */
struct chring_table *chring_table_publish(struct chring_net *cn,
					  struct chring_service *service,
					  struct chring_table *table)
{
	cn->seq++;
	return rcu_replace_pointer(service->selector.table, table,
				   lockdep_is_held(&cn->lock));
}

/**
 * chring_table_replace - fill a table with what a service is, and publish it
 * @cn: services of the network namespace; caller holds its lock
 * @service: one of them
 * @table: from chring_table_alloc(); NULL where the service has no replica
 *
 * Frees the one before, after a grace period. What left the service may be
 * freed a grace period after this call.
 */
void chring_table_replace(struct chring_net *cn, struct chring_service *service,
			  struct chring_table *table)
{
	struct chring_table *old;

	old = rcu_dereference_protected(service->selector.table,
					lockdep_is_held(&cn->lock));
	if (table)
		table_fill(table, service, old);
	chring_table_publish(cn, service, table);
	if (old)
		kvfree_rcu(old, rcu);
}

/**
 * chring_replica_totals - what was steered to a replica
 * @replica: caller holds the lock of its namespace's services
 * @totals: is added to
 */
void chring_replica_totals(const struct chring_replica *replica,
			   struct chring_totals *totals)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		struct chring_counters *counters;

		counters = per_cpu_ptr(replica->counters, cpu);
		totals->picks += READ_ONCE(counters->picks);
		totals->migrated += READ_ONCE(counters->migrated);
		totals->passed_over += READ_ONCE(counters->passed_over);
	}
}

/**
 * chring_service_totals_locked - what was steered to a service's replicas
 * @service: caller holds the lock of its namespace's services
 * @totals: filled in, with the replicas that are gone
 */
void chring_service_totals_locked(struct chring_service *service,
				  struct chring_totals *totals)
{
	struct chring_replica *replica;
	unsigned long index;

	*totals = service->gone;
	xa_for_each(&service->replicas, index, replica)
		chring_replica_totals(replica, totals);
}
