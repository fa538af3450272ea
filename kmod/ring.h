/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CHRING_RING_H
#define CHRING_RING_H

#include <linux/limits.h>
#include <linux/rbtree_types.h>
#include <linux/siphash.h>
#include <linux/types.h>

/*
 * Virtual nodes per unit of weight, the figure that ketama uses. The busiest
 * of 8 members of equal weight then owns 1.12 times its fair share (mean of
 * 1,000 seeds; 1.15 with 100 points, 1.05 with 1,024).
 */
#define CHRING_POINTS_PER_WEIGHT 160

/* What a table holds where the ring has nobody to name */
#define CHRING_NO_MEMBER U16_MAX

struct chring_member;

/**
 * struct chring_vnode - a virtual node: one point that a member has on the ring
 * @node: place in the ring's tree
 * @point: position, 0 to U32_MAX
 * @index: the member's index, here so that a fill need not touch the member
 * @member: whose point it is
 */
struct chring_vnode {
	struct rb_node node;
	u32 point;
	u16 index;
	struct chring_member *member;
};

/**
 * struct chring_member - a member of a ring, embedded in what it stands for
 * @name: what its points are made from; unique in the ring
 * @index: what a table holds for it; unique in the ring, below CHRING_NO_MEMBER
 * @nr_vnodes: number of its virtual nodes, its weight times
 *	CHRING_POINTS_PER_WEIGHT
 * @vnodes: array of @nr_vnodes, from chring_vnodes_alloc(); the caller frees it
 *	with kvfree()
 *
 * The caller sets all of it, and changes nothing while the member is in a ring.
 */
struct chring_member {
	const char *name;
	u16 index;
	u32 nr_vnodes;
	struct chring_vnode *vnodes;
};

/**
 * struct chring_ring - virtual nodes in the order of their points
 * @points: the virtual nodes, by point, then by name of the member
 * @seed: keys the hash that makes points out of names
 * @nr_points: number of virtual nodes
 * @nr_members: number of members
 *
 * A ring has no lock of its own: the caller keeps changes apart from each
 * other and from readers. It owns no memory either.
 */
struct chring_ring {
	struct rb_root_cached points;
	siphash_key_t seed;
	u32 nr_points;
	u32 nr_members;
};

void chring_ring_init(struct chring_ring *ring, const siphash_key_t *seed);
struct chring_vnode *chring_vnodes_alloc(u32 n);
void chring_ring_insert(struct chring_ring *ring, struct chring_member *member);
void chring_ring_remove(struct chring_ring *ring, struct chring_member *member);
const struct chring_vnode *chring_ring_first(const struct chring_ring *ring);
const struct chring_vnode *chring_ring_next(const struct chring_vnode *vnode);
struct chring_member *chring_ring_lookup(const struct chring_ring *ring,
					 u32 point);
void chring_ring_fill(const struct chring_ring *ring, unsigned int order,
		      u16 *owner, u16 *standin);

#endif /* CHRING_RING_H */
