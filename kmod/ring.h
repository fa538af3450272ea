/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CHRING_RING_H
#define CHRING_RING_H

#include <linux/limits.h>
#include <linux/rbtree_types.h>
#include <linux/sched.h>
#include <linux/siphash.h>
#include <linux/types.h>

/* What a table holds where the ring has nobody to name */
#define CHRING_NO_MEMBER U16_MAX

/* Points or slots handled between two offers to give the CPU away: up to 0.1 ms */
#define CHRING_STEPS_PER_RESCHED 1024

static inline void chring_resched_sometimes(u32 nr_done)
{
	if (nr_done % CHRING_STEPS_PER_RESCHED == 0)
		cond_resched();
}

struct chring_kept;
struct chring_member;

/**
 * struct chring_vnode - a virtual node: one point that a member has on the ring
 * @node: place in the ring's tree
 * @point: position, 0 to U32_MAX
 * @member: whose point it is
 */
struct chring_vnode {
	struct rb_node node;
	u32 point;
	struct chring_member *member;
};

/**
 * struct chring_member - a member of a ring, embedded in what it stands for
 * @list: in the ring's members
 * @name: what its points are made from; unique in the ring
 * @index: what a table holds for it; unique in the ring, below CHRING_NO_MEMBER
 * @dead: keeps its slots, while their stand-ins serve
 * @nr_vnodes: number of its virtual nodes, at least 1: what it is due slots by
 * @nr_filled: number that it had when the service's table was last filled; 0
 *	where it has no part in that table
 * @vnodes: array of @nr_vnodes, from chring_vnodes_alloc(); the caller frees it
 *	with kvfree()
 *
 * The caller sets all but @list, and while the member is in a ring it changes
 * @dead and @nr_filled at most.
 */
struct chring_member {
	struct list_head list;
	const char *name;
	u16 index;
	bool dead;
	u32 nr_vnodes;
	u32 nr_filled;
	struct chring_vnode *vnodes;
};

/**
 * struct chring_ring - virtual nodes in the order of their points
 * @points: the virtual nodes, by point, then by name of the member
 * @members: in the order of their insertion
 * @seed: keys the hash that makes points out of names
 * @nr_points: number of virtual nodes
 * @nr_members: number of members
 * @kept: what is known of tables of it, or NULL
 *
 * A ring has no lock of its own: the caller keeps changes apart from each
 * other and from readers. It owns no memory either.
 */
struct chring_ring {
	struct rb_root_cached points;
	struct list_head members;
	siphash_key_t seed;
	u32 nr_points;
	u32 nr_members;
	struct chring_kept *kept;
};

/**
 * struct chring_arc - what a fill notes of the points of one slot
 * @first: whose point comes first
 * @second: whose point comes first of all that are not @first's
 * @first_point: where @first's is
 * @second_point: where @second's is
 */
struct chring_arc {
	const struct chring_member *first;
	const struct chring_member *second;
	u32 first_point;
	u32 second_point;
};

void chring_ring_init(struct chring_ring *ring, const siphash_key_t *seed);
struct chring_kept *chring_kept_alloc(unsigned int order);
void chring_kept_free(struct chring_kept *kept);
struct chring_vnode *chring_vnodes_alloc(u32 n);
void chring_ring_insert(struct chring_ring *ring, struct chring_member *member);
void chring_ring_remove(struct chring_ring *ring, struct chring_member *member);
const struct chring_vnode *chring_ring_first(const struct chring_ring *ring);
const struct chring_vnode *chring_ring_next(const struct chring_vnode *vnode);
const struct chring_vnode *chring_ring_lookup(const struct chring_ring *ring,
					      u32 point);
void chring_ring_fill(const struct chring_ring *ring, bool living,
		      unsigned int order, struct chring_arc *arcs,
		      u16 *owner, u16 *standin);

#endif /* CHRING_RING_H */
