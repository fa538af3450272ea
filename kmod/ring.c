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

#include <linux/bitmap.h>
#include <linux/list.h>
#include <linux/rbtree.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "ring.h"

/*
 * To look a slot up in the tree takes about as long as to look at so many points
 * in the order of the memory: a microsecond or two.
 */
#define POINTS_PER_LOOKUP 256

/**
 * struct chring_kept - whose points are in each slot, from one fill to the next
 * @order: of the tables
 * @first: for each slot, the index of the member whose point comes first, or
 *	CHRING_NO_MEMBER
 * @second: the same of the first point that is not @first's
 * @stale: slots of which it may be otherwise by now
 */
struct chring_kept {
	unsigned int order;
	u16 *first;
	u16 *second;
	unsigned long stale[];
};

static struct chring_vnode *to_vnode(const struct rb_node *node)
{
	return rb_entry(node, struct chring_vnode, node);
}

static bool point_precedes(u32 a_point, const struct chring_member *a,
			   u32 b_point, const struct chring_member *b)
{
	if (likely(a_point != b_point))
		return a_point < b_point;
	return strcmp(a->name, b->name) < 0;
}

/* Equal points of one member stay as they were inserted: by their number */
static bool node_less(struct rb_node *a, const struct rb_node *b)
{
	const struct chring_vnode *left = to_vnode(a), *right = to_vnode(b);

	return point_precedes(left->point, left->member,
			      right->point, right->member);
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
		.members = LIST_HEAD_INIT(ring->members),
		.seed = *seed,
	};
}

/**
 * chring_kept_alloc() - allocate what a ring can keep from one fill to the next
 * @order: of the tables that are filled, 1 to 16
 *
 * With that as its &struct chring_ring.kept, from before the first member is
 * inserted, a fill looks only at the slots that have changed. It is charged to
 * the caller's memory cgroup.
 *
 * Context: Process context, may sleep.
 * Return: what chring_kept_free() frees, or NULL when out of memory.
 */
struct chring_kept *chring_kept_alloc(unsigned int order)
{
	size_t bits = BITS_TO_LONGS(1 << order) * sizeof(long);
	struct chring_kept *kept;

	kept = kvmalloc(sizeof(*kept) + bits + (2 * sizeof(u16) << order),
			GFP_KERNEL_ACCOUNT);
	if (!kept)
		return NULL;
	kept->order = order;
	kept->first = (void *)kept->stale + bits;
	kept->second = kept->first + (1 << order);
	bitmap_fill(kept->stale, 1 << order);
	return kept;
}

/**
 * chring_kept_free() - the reverse
 * @kept: from chring_kept_alloc(); no ring has it any more
 *
 * Context: Process context.
 */
void chring_kept_free(struct chring_kept *kept)
{
	kvfree(kept);
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

/* A point comes or goes */
static void touch(struct chring_ring *ring, u32 point)
{
	if (ring->kept)
		__set_bit(point >> (32 - ring->kept->order), ring->kept->stale);
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
		vnode->member = member;
		rb_add_cached(&vnode->node, &ring->points, node_less);
		touch(ring, vnode->point);
		chring_resched_sometimes(i + 1);
	}
	list_add_tail(&member->list, &ring->members);
	ring->nr_points += member->nr_vnodes;
	ring->nr_members++;
	/* Many small ones may come in a row */
	cond_resched();
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
		touch(ring, member->vnodes[i].point);
		chring_resched_sometimes(i + 1);
	}
	list_del(&member->list);
	ring->nr_points -= member->nr_vnodes;
	ring->nr_members--;
	cond_resched();
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

/**
 * chring_ring_lookup() - find out to whom a point belongs
 * @ring: the ring
 * @point: position, 0 to U32_MAX
 *
 * Context: Any context. The caller excludes changes of the ring, and keeps the
 * member as long as it uses it.
 * Return: the first virtual node at or after @point, round the end of the
 * ring, or NULL when the ring is empty.
 */
const struct chring_vnode *chring_ring_lookup(const struct chring_ring *ring,
					      u32 point)
{
	const struct rb_node *found = rb_first_cached(&ring->points);
	const struct rb_node *node = ring->points.rb_root.rb_node;

	while (node) {
		if (to_vnode(node)->point >= point) {
			found = node;
			node = node->rb_left;
		} else {
			node = node->rb_right;
		}
	}
	return found ? to_vnode(found) : NULL;
}

/* @arc has a point of @member: is it the first, or the first of another's? */
static void arc_add(struct chring_arc *arc, u32 point,
		    const struct chring_member *member)
{
	if (!arc->first ||
	    point_precedes(point, member, arc->first_point, arc->first)) {
		if (arc->first != member) {
			arc->second = arc->first;
			arc->second_point = arc->first_point;
		}
		arc->first = member;
		arc->first_point = point;
	} else if (member != arc->first &&
		   (!arc->second ||
		    point_precedes(point, member, arc->second_point,
				   arc->second))) {
		arc->second = member;
		arc->second_point = point;
	}
}

static u16 index_of(const struct chring_member *member)
{
	return member ? member->index : CHRING_NO_MEMBER;
}

/*
 * Finds out whose points are in each slot from all points, in the order of the
 * memory: to follow the tree through a large ring costs a cache miss at each
 * step.
 */
static void scan(const struct chring_ring *ring, bool living, unsigned int order,
		 struct chring_arc *arcs, u16 *first, u16 *second)
{
	const struct chring_member *member;
	u32 nr_points = 0, slot, i;

	memset(arcs, 0, sizeof(*arcs) << order);
	list_for_each_entry(member, &ring->members, list) {
		if (living && member->dead)
			continue;
		for (i = 0; i < member->nr_vnodes; i++) {
			u32 point = member->vnodes[i].point;

			arc_add(&arcs[point >> (32 - order)], point, member);
			chring_resched_sometimes(++nr_points);
		}
	}
	for (slot = 0; slot < 1U << order; slot++) {
		first[slot] = index_of(arcs[slot].first);
		second[slot] = index_of(arcs[slot].second);
		chring_resched_sometimes(slot);
	}
}

/* The same of one slot, from the tree */
static void look_up(const struct chring_ring *ring, u32 slot,
		    struct chring_kept *kept)
{
	u32 begin = slot << (32 - kept->order);
	u32 end = begin + (U32_MAX >> kept->order);
	const struct chring_vnode *vnode = chring_ring_lookup(ring, begin);

	kept->first[slot] = CHRING_NO_MEMBER;
	kept->second[slot] = CHRING_NO_MEMBER;
	/* Where none is at or after the point, it is the first of all */
	if (!vnode || vnode->point < begin || vnode->point > end)
		return;
	kept->first[slot] = vnode->member->index;
	do {
		vnode = chring_ring_next(vnode);
		if (!vnode || vnode->point > end)
			return;
	} while (vnode->member->index == kept->first[slot]);
	kept->second[slot] = vnode->member->index;
}

static void refresh(const struct chring_ring *ring, struct chring_arc *arcs)
{
	struct chring_kept *kept = ring->kept;
	u32 nr_slots = 1U << kept->order, slot, nr = 0;
	u64 cost;

	cost = (u64)bitmap_weight(kept->stale, nr_slots) * POINTS_PER_LOOKUP;
	if (cost >= ring->nr_points) {
		scan(ring, false, kept->order, arcs, kept->first, kept->second);
	} else {
		for_each_set_bit(slot, kept->stale, nr_slots) {
			look_up(ring, slot, kept);
			chring_resched_sometimes(++nr * POINTS_PER_LOOKUP);
		}
	}
	bitmap_zero(kept->stale, nr_slots);
}

/*
 * Turns whose points are in each slot into who has it, and who stands in: from
 * the end to the beginning twice, where the first round is for the wrap.
 */
static void spread(u32 nr_slots, u16 *owner, u16 *standin)
{
	u16 first = CHRING_NO_MEMBER, second = CHRING_NO_MEMBER;
	u32 slot, i;

	for (i = 2 * nr_slots; i--; ) {
		slot = i % nr_slots;
		if (standin[slot] != CHRING_NO_MEMBER)
			second = standin[slot];
		else if (owner[slot] != CHRING_NO_MEMBER && owner[slot] != first)
			second = first;
		if (owner[slot] != CHRING_NO_MEMBER)
			first = owner[slot];
		chring_resched_sometimes(i);
		if (i >= nr_slots)
			continue;
		owner[slot] = first;
		standin[slot] = second != CHRING_NO_MEMBER ? second : first;
	}
}

/**
 * chring_ring_fill() - write down to whom each slot of a table belongs
 * @ring: the ring
 * @living: as if dead members were not there
 * @order: the table has 2^@order slots, 1 to 16
 * @arcs: 2^@order of them, to work with
 * @owner: gets, for each slot, the index of the slot's owner
 * @standin: gets, for each slot, the index of its owner's stand-in
 *
 * Slot i stands for the points from i << (32 - @order) on, as many as fit; the
 * whole slot belongs to the successor of the first of them. The stand-in is
 * who would own the slot if its owner were removed. A single member stands in
 * for itself; of an empty ring both arrays are filled with CHRING_NO_MEMBER.
 *
 * Where the ring keeps what it knows of such tables, and few slots have changed,
 * only these are looked up. That is not for @living.
 *
 * Context: Process context, may sleep. The caller excludes changes of the
 * ring, and other fills.
 */
void chring_ring_fill(const struct chring_ring *ring, bool living,
		      unsigned int order, struct chring_arc *arcs,
		      u16 *owner, u16 *standin)
{
	const struct chring_kept *kept = ring->kept;

	if (living || !kept || kept->order != order) {
		scan(ring, living, order, arcs, owner, standin);
	} else {
		refresh(ring, arcs);
		memcpy(owner, kept->first, sizeof(*owner) << order);
		memcpy(standin, kept->second, sizeof(*standin) << order);
	}
	spread(1U << order, owner, standin);
}
