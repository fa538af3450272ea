/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CHRING_BALANCE_H
#define CHRING_BALANCE_H

#include <linux/types.h>

struct chring_balancer;
struct chring_ring;

/**
 * struct chring_slots - the slots of a table, and who serves each
 * @order: there are 2^@order
 * @owner: for each slot, the index of the member that owns it
 * @standin: for each slot, the index of who serves while the owner is dead
 */
struct chring_slots {
	unsigned int order;
	u16 *owner;
	u16 *standin;
};

struct chring_balancer *chring_balancer_alloc(unsigned int order,
					      u32 nr_indexes);
void chring_balancer_free(struct chring_balancer *b);
void chring_balance_ring(struct chring_balancer *b,
			 const struct chring_ring *ring,
			 struct chring_slots *slots);
void chring_balance_even(struct chring_balancer *b,
			 const struct chring_ring *ring,
			 const struct chring_slots *before,
			 struct chring_slots *slots);

#endif /* CHRING_BALANCE_H */
