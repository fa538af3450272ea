// SPDX-License-Identifier: GPL-2.0
/*
 * The ring on the kernel it runs on: its rbtree, its siphash, its compiler.
 * tests/ring goes further, with this code and the same two outside the kernel.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": ring self-test: " fmt

#include <linux/init.h>
#include <linux/printk.h>
#include <linux/rbtree_augmented.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "../ring.h"
#include "selftest.h"

#define NR_MEMBERS 6
#define POINTS_EACH 40
#define MAX_ORDER 8

struct ring_test {
	struct chring_ring ring;
	struct chring_member members[NR_MEMBERS];
	bool present[NR_MEMBERS];
	struct chring_arc arcs[1 << MAX_ORDER];
	u16 owner[2][1 << MAX_ORDER];
	u16 standin[2][1 << MAX_ORDER];
};

static const siphash_key_t test_seed __initconst = { {
	0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL
} };

static const char *const test_names[NR_MEMBERS] __initconst = {
	"w1", "w2", "w3", "w4", "a-replica-with-a-longer-name", "w"
};

static bool __init expect(bool condition, const char *what)
{
	if (!condition)
		pr_err("FAIL: %s\n", what);
	return condition;
}

/* The successor of @point by definition, as if @without were not there */
static const struct chring_vnode *__init
naive_successor(const struct ring_test *t, u32 point,
		const struct chring_member *without)
{
	const struct chring_vnode *best = NULL;
	const struct chring_vnode *vnode;
	u32 i, j, far, nearest = 0;

	for (i = 0; i < NR_MEMBERS; i++) {
		if (!t->present[i] || &t->members[i] == without)
			continue;
		for (j = 0; j < t->members[i].nr_vnodes; j++) {
			vnode = &t->members[i].vnodes[j];
			far = vnode->point - point;
			if (!best || far < nearest ||
			    (far == nearest && strcmp(vnode->member->name,
						      best->member->name) < 0)) {
				best = vnode;
				nearest = far;
			}
		}
	}
	return best;
}

static u32 __init nr_black_above(const struct rb_node *node)
{
	u32 nr = 0;

	for (; node; node = rb_parent(node))
		nr += rb_is_black(node);
	return nr;
}

/* Binding of @node to its parent, and what an rbtree owes its balance to */
static bool __init check_node(const struct chring_ring *ring,
			      const struct rb_node *node)
{
	const struct rb_node *root = ring->points.rb_root.rb_node;
	const struct rb_node *parent = rb_parent(node);

	if (!parent && !expect(node == root && rb_is_black(node), "root"))
		return false;
	if (parent && !expect(parent->rb_left == node || parent->rb_right == node,
			      "a parent knows its child"))
		return false;
	if (parent && !expect(rb_is_black(node) || rb_is_black(parent),
			      "red has black children"))
		return false;
	if ((!node->rb_left || !node->rb_right) &&
	    !expect(nr_black_above(node) ==
		    nr_black_above(ring->points.rb_leftmost),
		    "all ways down are equally black"))
		return false;
	return true;
}

static bool __init check_order(const struct ring_test *t)
{
	const struct chring_vnode *vnode, *before = NULL;
	u32 nr_points = 0, nr_members = 0, i;

	for (vnode = chring_ring_first(&t->ring); vnode;
	     vnode = chring_ring_next(vnode)) {
		if (!check_node(&t->ring, &vnode->node))
			return false;
		if (before && !expect(before->point <= vnode->point,
				      "points ascend"))
			return false;
		before = vnode;
		nr_points++;
	}
	for (i = 0; i < NR_MEMBERS; i++) {
		if (t->present[i]) {
			nr_members++;
			nr_points -= t->members[i].nr_vnodes;
		}
	}
	return expect(!nr_points, "every point is walked once") &&
	       expect(t->ring.nr_points == nr_members * POINTS_EACH &&
		      t->ring.nr_members == nr_members, "counts");
}

static bool __init check_lookup(const struct ring_test *t, u32 point)
{
	const struct chring_vnode *vnode = naive_successor(t, point, NULL);
	const struct chring_vnode *found = chring_ring_lookup(&t->ring, point);

	return expect((found ? found->member : NULL) ==
		      (vnode ? vnode->member : NULL),
		      "look-up finds the successor");
}

static bool __init check_lookups(const struct ring_test *t)
{
	const struct chring_vnode *vnode = chring_ring_first(&t->ring);

	if (!check_lookup(t, 0) || !check_lookup(t, U32_MAX))
		return false;
	for (; vnode; vnode = chring_ring_next(vnode)) {
		if (!check_lookup(t, vnode->point - 1) ||
		    !check_lookup(t, vnode->point) ||
		    !check_lookup(t, vnode->point + 1))
			return false;
	}
	return true;
}

static bool __init check_fill(struct ring_test *t, unsigned int order)
{
	const struct chring_vnode *own, *stand;
	u16 *standin = t->standin[0];
	u16 *owner = t->owner[0];
	u32 slot, point;

	chring_ring_fill(&t->ring, false, order, t->arcs, owner, standin);
	for (slot = 0; slot < 1U << order; slot++) {
		point = slot << (32 - order);
		own = naive_successor(t, point, NULL);
		stand = own ? naive_successor(t, point, own->member) : NULL;
		if (!stand)
			stand = own;
		if (!expect(owner[slot] == (own ? own->member->index :
					    CHRING_NO_MEMBER),
			    "a slot belongs to the successor of its beginning") ||
		    !expect(standin[slot] == (stand ? stand->member->index :
					      CHRING_NO_MEMBER),
			    "the stand-in is the successor without the owner"))
			return false;
	}
	return true;
}

/* More slots than points, and fewer */
static bool __init check_all(struct ring_test *t)
{
	return check_order(t) && check_lookups(t) && check_fill(t, 3) &&
	       check_fill(t, MAX_ORDER);
}

/* Inserts or removes a member: only its own slots may change their owner */
static bool __init change(struct ring_test *t, u32 nr, bool insert)
{
	struct chring_member *member = &t->members[nr];
	u16 *before = t->owner[0], *after = t->owner[1];
	u32 slot, others_moved = 0, owned = 0;

	chring_ring_fill(&t->ring, false, MAX_ORDER, t->arcs, before,
			 t->standin[0]);
	if (insert)
		chring_ring_insert(&t->ring, member);
	else
		chring_ring_remove(&t->ring, member);
	t->present[nr] = insert;
	chring_ring_fill(&t->ring, false, MAX_ORDER, t->arcs, after,
			 t->standin[1]);

	for (slot = 0; slot < 1 << MAX_ORDER; slot++) {
		u16 with = insert ? after[slot] : before[slot];
		u16 without = insert ? before[slot] : after[slot];

		owned += with == member->index;
		others_moved += with != member->index && with != without;
	}
	return expect(owned > 0, "a member owns slots") &&
	       expect(!others_moved, "only its own slots move with a member") &&
	       check_all(t);
}

static bool __init test_changes(struct ring_test *t)
{
	u32 i;

	for (i = 0; i < NR_MEMBERS; i++) {
		t->members[i].name = test_names[i];
		t->members[i].index = 1000 - 7 * i;
		t->members[i].nr_vnodes = POINTS_EACH;
		t->members[i].vnodes = chring_vnodes_alloc(POINTS_EACH);
		if (!expect(t->members[i].vnodes, "memory"))
			return false;
	}

	/* From empty over one member to all, and back in another order */
	chring_ring_init(&t->ring, &test_seed);
	if (!check_all(t))
		return false;
	for (i = 0; i < NR_MEMBERS; i++) {
		if (!change(t, i, true))
			return false;
	}
	for (i = 0; i < NR_MEMBERS; i++) {
		if (!change(t, (i + NR_MEMBERS / 2) % NR_MEMBERS, false))
			return false;
	}
	return expect(!chring_ring_first(&t->ring), "empty in the end");
}

/* Computed from the formula by another implementation */
static bool __init test_known_points(void)
{
	static const struct {
		const char *name;
		u32 points[2];
	} known[] = {
		{ "w1", { 0x89f50eb5, 0x401ab432 } },
		{ "a-replica-with-a-longer-name", { 0xb718b8f3, 0x71b8bd3e } },
	};
	struct chring_vnode vnodes[2];
	struct chring_member member;
	struct chring_ring ring;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(known); i++) {
		member = (struct chring_member){
			.name = known[i].name,
			.nr_vnodes = ARRAY_SIZE(vnodes),
			.vnodes = vnodes,
		};
		chring_ring_init(&ring, &test_seed);
		chring_ring_insert(&ring, &member);
		if (!expect(vnodes[0].point == known[i].points[0] &&
			    vnodes[1].point == known[i].points[1],
			    "points are the documented hash"))
			return false;
	}
	return true;
}

/* Two names whose first points are one: the lesser name comes first, always */
static bool __init test_collision(void)
{
	struct chring_vnode lesser_vnode, greater_vnode;
	struct chring_member lesser = {
		.name = "c126793", .index = 1, .nr_vnodes = 1,
		.vnodes = &lesser_vnode,
	};
	struct chring_member greater = {
		.name = "c1717", .index = 2, .nr_vnodes = 1,
		.vnodes = &greater_vnode,
	};
	struct chring_arc arcs[2];
	struct chring_ring ring;
	u16 owner[2], standin[2];
	u32 round;

	for (round = 0; round < 2; round++) {
		chring_ring_init(&ring, &test_seed);
		chring_ring_insert(&ring, round ? &lesser : &greater);
		chring_ring_insert(&ring, round ? &greater : &lesser);
		chring_ring_fill(&ring, false, 1, arcs, owner, standin);
		if (!expect(lesser_vnode.point == greater_vnode.point,
			    "the points collide") ||
		    !expect(chring_ring_first(&ring) == &lesser_vnode &&
			    chring_ring_next(&lesser_vnode) == &greater_vnode,
			    "equal points are in the order of names") ||
		    !expect(chring_ring_lookup(&ring, lesser_vnode.point) ==
			    &lesser_vnode,
			    "the lesser name owns the point") ||
		    !expect(owner[0] == 1 && standin[0] == 2 &&
			    owner[1] == 1 && standin[1] == 2,
			    "the greater name stands in"))
			return false;
		chring_ring_remove(&ring, &lesser);
		if (!expect(chring_ring_lookup(&ring, 0) == &greater_vnode,
			    "the greater name is left"))
			return false;
	}
	return true;
}

/**
 * chring_selftest_ring() - test the ring
 *
 * Context: Process context, at load of the module.
 * Return: whether all passed; what failed is in the kernel's log.
 */
bool __init chring_selftest_ring(void)
{
	struct ring_test *t = kvzalloc(sizeof(*t), GFP_KERNEL);
	bool passed;
	u32 i;

	if (!expect(t, "memory"))
		return false;
	passed = test_known_points() && test_collision() && test_changes(t);
	for (i = 0; i < NR_MEMBERS; i++)
		kvfree(t->members[i].vnodes);
	kvfree(t);
	if (passed)
		pr_info("pass\n");
	return passed;
}
