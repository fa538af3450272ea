/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CHRING_TABLE_H
#define CHRING_TABLE_H

#include <linux/rcupdate.h>
#include <linux/types.h>
#include <net/sock.h>
#include <uapi/linux/chring.h>

#include "balance.h"

struct chring_net;
struct chring_replica;
struct chring_service;

/**
 * struct chring_counters - what was steered to one target, per CPU
 * @picks: new flows and datagrams; the kernel may ask twice for one packet
 * @migrated: handshakes and unaccepted connections of a closed listener
 * @passed_over: picks that found its socket dead
 */
struct chring_counters {
	unsigned long picks;
	unsigned long migrated;
	unsigned long passed_over;
};

/**
 * struct chring_totals - counters, summed over the CPUs
 * @picks: see &struct chring_counters
 * @migrated: see &struct chring_counters
 * @passed_over: see &struct chring_counters
 */
struct chring_totals {
	u64 picks;
	u64 migrated;
	u64 passed_over;
};

/**
 * struct chring_target - a replica as the selector sees it
 * @sk: the socket, or NULL where no slot names the target; whoever fills in
 *	the table keeps the reference until a grace period after it was
 *	replaced
 * @counters: its counters, with the same life time
 * @ports: that the socket has while it is alive, see chring_ports()
 * @nr_slots: of the table that it owns; the selector does not look at it
 *
 * Of a size that is a power of two: the selector multiplies by it.
 */
struct chring_target {
	struct sock *sk;
	struct chring_counters __percpu *counters;
	__portpair ports;
	u32 nr_slots;
} __aligned(32);

/**
 * struct chring_table - which target gets a flow; immutable once published
 * @rcu: frees it a grace period after it was replaced
 * @balancer: memory to fill it in; NULL once it is filled
 * @nr_targets: length of @target, at least 1
 * @shift: what turns a 32-bit hash into a slot
 * @slots: for each slot, the target that owns it, and the one that serves while
 *	the owner is dead
 * @target: the targets; behind them, the arrays of @slots
 */
struct chring_table {
	struct rcu_head rcu;
	struct chring_balancer *balancer;
	unsigned int nr_targets;
	unsigned int shift;
	struct chring_slots slots;
	struct chring_target target[] __counted_by(nr_targets);
};

struct chring_table *chring_table_new(unsigned int order,
				      unsigned int nr_targets);
struct chring_table *chring_table_alloc(struct chring_service *service);
void chring_table_free(struct chring_table *table);
void chring_table_balance(enum chring_balance_policy balance,
			  struct chring_balancer *b,
			  const struct chring_ring *ring,
			  const struct chring_slots *before,
			  struct chring_slots *slots);
struct chring_table *chring_table_publish(struct chring_net *cn,
					  struct chring_service *service,
					  struct chring_table *table);
void chring_table_replace(struct chring_net *cn, struct chring_service *service,
			  struct chring_table *table);

void chring_replica_totals(const struct chring_replica *replica,
			   struct chring_totals *totals);
void chring_service_totals_locked(struct chring_service *service,
				  struct chring_totals *totals);

#endif /* CHRING_TABLE_H */
