// SPDX-License-Identifier: GPL-2.0
/*
 * Tables: what packets read. Filled aside from a service's ring, published by
 * RCU, never changed afterwards.
 */

#include <linux/slab.h>

#include "replica.h"
#include "service.h"
#include "table.h"

/**
 * chring_table_alloc - a table with room for a service's replicas, to be filled
 * @service: caller holds the lock of its namespace's services; it may lose
 *	replicas before the table is filled, and not get any
 *
 * Context: may sleep.
 * Return: the table, for kvfree() or to be published; NULL on lack of memory.
 */
struct chring_table *chring_table_alloc(struct chring_service *service)
{
	struct chring_replica *replica;
	struct chring_table *table;
	unsigned long index, nr = 0;

	/* The indexes can have holes */
	xa_for_each(&service->replicas, index, replica)
		nr = index + 1;
	table = kvzalloc(struct_size(table, target, nr), GFP_KERNEL_ACCOUNT);
	if (table)
		table->nr_targets = nr;
	return table;
}

static void table_fill(struct chring_table *table,
		       struct chring_service *service)
{
	struct chring_replica *replica;
	unsigned long index;
	unsigned int slot;

	xa_for_each(&service->replicas, index, replica) {
		table->target[index].sk = replica->sk;
		table->target[index].counters = replica->counters;
		table->target[index].ports = chring_ports(replica->port);
		replica->slots = 0;
	}
	chring_ring_fill(&service->ring, CHRING_TABLE_ORDER, table->owner,
			 table->standin);
	for (slot = 0; slot < CHRING_TABLE_SLOTS; slot++) {
		replica = xa_load(&service->replicas, table->owner[slot]);
		replica->slots++;
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

	if (table)
		table_fill(table, service);
	old = chring_table_publish(cn, service, table);
	if (old)
		kvfree_rcu(old, rcu);
}
