// SPDX-License-Identifier: GPL-2.0
/*
 * The ring: virtual nodes in an rbtree, in the order of their points.
 *
 * A key belongs to its successor: the first virtual node at or after the key's
 * point, or the first of all when there is none. A member's points depend on
 * its name, the seed and nothing else, so members come and go without moving
 * what belongs to the others.
 *
 * Point i of a member is the low half of
 *
 *	SipHash-2-4(seed, le64(SipHash-2-4(seed, name)) || le64(i))
 *
 * which any host, of either byte order, computes alike. So that equal points
 * do not depend on who came first, they are ordered by their members' names.
 */

#include <linux/rbtree.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "ring.h"

/* Virtual nodes handled between two offers to give the CPU away: 0.1 to 2 ms */
#define POINTS_PER_RESCHED 1024

static struct chring_vnode *to_vnode(const struct rb_node *node)
{
	return rb_entry(node, struct chring_vnode, node);
}

static void resched_sometimes(u32 nr_done)
{
	if (nr_done % POINTS_PER_RESCHED == 0)
		cond_resched();
}

/* Equal points of one member stay as they were inserted: by their number */
static bool vnode_precedes(const struct chring_vnode *a,
			   const struct chring_vnode *b)
{
	if (likely(a->point != b->point))
		return a->point < b->point;
	return strcmp(a->member->name, b->member->name) < 0;
}

static bool node_less(struct rb_node *a, const struct rb_node *b)
{
	return vnode_precedes(to_vnode(a), to_vnode(b));
}

/**
 * chring_ring_init() - make an empty ring
 * @ring: the ring
 * @seed: keys the hash of the names; copied
 *
 * Two rings agree on every point exactly when they have the same seed. A seed
 * that is read from bytes has to be read as two little-endian words for hosts
 * of either byte order to agree.
 *
 * Context: Any context.
 */
void chring_ring_init(struct chring_ring *ring, const siphash_key_t *seed)
{
	*ring = (struct chring_ring){
		.points = RB_ROOT_CACHED,
		.seed = *seed,
	};
}

/**
 * chring_vnodes_alloc() - allocate the virtual nodes of a member
 * @n: how many, at least 1
 *
 * They are charged to the caller's memory cgroup, and are not initialised:
 * chring_ring_insert() does that.
 *
 * Context: Process context, may sleep.
 * Return: an array to be freed with kvfree(), or NULL when out of memory.
 */
struct chring_vnode *chring_vnodes_alloc(u32 n)
{
	return kvmalloc_array(n, sizeof(struct chring_vnode),
			      GFP_KERNEL_ACCOUNT);
}

/**
 * chring_ring_insert() - add a member to the ring
 * @ring: the ring
 * @member: the member, all fields set, in no ring
 *
 * Gives each virtual node of @member its point. With more virtual nodes a
 * member has the same points as with fewer, and some besides. Cannot fail.
 *
 * Context: Process context, may sleep. The caller excludes every other use of
 * the ring.
 */
void chring_ring_insert(struct chring_ring *ring, struct chring_member *member)
{
	u64 digest = siphash(member->name, strlen(member->name), &ring->seed);
	u32 i;

	for (i = 0; i < member->nr_vnodes; i++) {
		struct chring_vnode *vnode = &member->vnodes[i];

		vnode->point = lower_32_bits(siphash_2u64(digest, i, &ring->seed));
		vnode->index = member->index;
		vnode->member = member;
		rb_add_cached(&vnode->node, &ring->points, node_less);
		resched_sometimes(i + 1);
	}
	ring->nr_points += member->nr_vnodes;
	ring->nr_members++;
}

/**
 * chring_ring_remove() - take a member out of the ring
 * @ring: the ring
 * @member: a member of @ring
 *
 * What @member owned goes to the successors of its points. Its virtual nodes
 * remain allocated, and may be inserted again or freed.
 *
 * Context: Process context, may sleep. The caller excludes every other use of
 * the ring.
 */
void chring_ring_remove(struct chring_ring *ring, struct chring_member *member)
{
	u32 i;

	for (i = 0; i < member->nr_vnodes; i++) {
		rb_erase_cached(&member->vnodes[i].node, &ring->points);
		resched_sometimes(i + 1);
	}
	ring->nr_points -= member->nr_vnodes;
	ring->nr_members--;
}

/**
 * chring_ring_first() - begin an ordered walk
 * @ring: the ring
 *
 * Context: Any context. The caller excludes changes of the ring until the walk
 * is over.
 * Return: the virtual node with the lowest point, or NULL when the ring is
 * empty.
 */
const struct chring_vnode *chring_ring_first(const struct chring_ring *ring)
{
	struct rb_node *node = rb_first_cached(&ring->points);

	return node ? to_vnode(node) : NULL;
}

/**
 * chring_ring_next() - go on with an ordered walk
 * @vnode: a virtual node that is in a ring
 *
 * Context: Any context. The caller excludes changes of the ring until the walk
 * is over.
 * Return: the virtual node after @vnode, or NULL after the last.
 */
const struct chring_vnode *chring_ring_next(const struct chring_vnode *vnode)
{
	struct rb_node *node = rb_next(&vnode->node);

	return node ? to_vnode(node) : NULL;
}

/*
 * The first node at or after @point of the subtree that begins at @node, or
 * @found when there is none
 */
static const struct rb_node *descend(const struct rb_node *node, u32 point,
				     const struct rb_node *found)
{
	while (node) {
		if (to_vnode(node)->point >= point) {
			found = node;
			node = node->rb_left;
		} else {
			node = node->rb_right;
		}
	}
	return found;
}

/*
 * The first virtual node at or after @point, or NULL; @vnode lies before that.
 * Climbs no higher than it has to, so that a short way is cheap, and passes by
 * most of what lies between: in a dense ring each of those is a cache miss.
 */
static const struct chring_vnode *advance(const struct chring_vnode *vnode,
					  u32 point)
{
	const struct rb_node *node = &vnode->node;
	const struct rb_node *parent = rb_parent(node);

	while (parent && to_vnode(parent)->point < point) {
		node = parent;
		parent = rb_parent(node);
	}
	node = descend(node, point, parent);
	return node ? to_vnode(node) : NULL;
}

/**
 * chring_ring_lookup() - find out to whom a point belongs
 * @ring: the ring
 * @point: position, 0 to U32_MAX
 *
 * Context: Any context. The caller excludes changes of the ring, and keeps the
 * member as long as it uses it.
 * Return: the member whose virtual node is the first at or after @point, round
 * the end of the ring, or NULL when the ring is empty.
 */
struct chring_member *chring_ring_lookup(const struct chring_ring *ring,
					 u32 point)
{
	const struct rb_node *node = descend(ring->points.rb_root.rb_node, point,
					     rb_first_cached(&ring->points));

	return node ? to_vnode(node)->member : NULL;
}

/* The first virtual node after @vnode that is another member's, or NULL */
static const struct chring_vnode *next_other(const struct chring_vnode *vnode)
{
	u16 index = vnode->index;
	u32 walked = 0;

	do {
		vnode = chring_ring_next(vnode);
		resched_sometimes(++walked);
	} while (vnode && vnode->index == index);
	return vnode;
}

/**
 * chring_ring_fill() - write down to whom each slot of a table belongs
 * @ring: the ring
 * @order: the table has 2^@order slots, 1 to 16
 * @owner: gets, for each slot, the index of the slot's owner
 * @standin: gets, for each slot, the index of its owner's stand-in
 *
 * Slot i stands for the points from i << (32 - @order) on, as many as fit; the
 * whole slot belongs to the successor of the first of them. The stand-in is
 * who would own the slot if its owner were removed. A single member stands in
 * for itself; of an empty ring both arrays are filled with CHRING_NO_MEMBER.
 *
 * Context: Process context, may sleep. The caller excludes changes of the
 * ring.
 */
void chring_ring_fill(const struct chring_ring *ring, unsigned int order,
		      u16 *owner, u16 *standin)
{
	const struct chring_vnode *first = chring_ring_first(ring);
	const struct chring_vnode *vnode = first, *other = NULL;
	u16 own = CHRING_NO_MEMBER, stand = CHRING_NO_MEMBER;
	unsigned int shift = 32 - order;
	u32 last = (1U << order) - 1;
	u32 slot = 0, end, nr_owners = 0;

	if (first) {
		other = next_other(first);
		own = first->index;
		stand = other ? other->index : own;
	}

	/* Each round fills the slots up to the last that is @vnode's */
	for (;;) {
		end = vnode ? vnode->point >> shift : last;
		while (slot <= end) {
			owner[slot] = own;
			standin[slot] = stand;
			slot++;
		}
		if (slot > last)
			break;

		vnode = advance(vnode, slot << shift);
		if (!vnode) {
			/* After the last point all is as before the first */
			own = owner[0];
			stand = standin[0];
			continue;
		}
		/*
		 * From the owner before to @other, or else to the end, all is
		 * one member's: on the way there it remains the first other.
		 */
		if (other && !vnode_precedes(vnode, other))
			other = next_other(vnode);
		own = vnode->index;
		if (other)
			stand = other->index;
		else
			stand = own == owner[0] ? standin[0] : owner[0];
		resched_sometimes(++nr_owners);
	}
}
