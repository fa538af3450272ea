// SPDX-License-Identifier: GPL-2.0
/*
 * The balances on the kernel they run on: its sort, its division, its compiler.
 * tests/ring goes further, outside the kernel.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": balance self-test: " fmt

#include <linux/init.h>
#include <linux/list.h>
#include <linux/printk.h>
#include <linux/slab.h>

#include "../balance.h"
#include "../ring.h"
#include "selftest.h"

#define NR_MEMBERS 7
#define POINTS_EACH 16
#define ORDER 10

struct balance_test {
	struct chring_ring ring;
	struct chring_member members[NR_MEMBERS];
	struct chring_vnode vnodes[NR_MEMBERS][POINTS_EACH];
	struct chring_balancer *balancer;
	bool even;
	u16 owner[2][1 << ORDER];
	u16 standin[2][1 << ORDER];
	struct chring_slots before;
	struct chring_slots after;
};

static const char *const names[NR_MEMBERS] __initconst = {
	"w1", "w2", "w3", "w4", "w5", "w6", "w7"
};

static bool __init expect(bool condition, const char *what)
{
	if (!condition)
		pr_err("FAIL: %s\n", what);
	return condition;
}

static void __init fill(struct balance_test *t)
{
	struct chring_member *member;

	swap(t->before, t->after);
	if (t->even)
		chring_balance_even(t->balancer, &t->ring, &t->before, &t->after);
	else
		chring_balance_ring(t->balancer, &t->ring, &t->after);
	list_for_each_entry(member, &t->ring.members, list)
		member->nr_filled = member->nr_vnodes;
}

static u32 __init count(const u16 *slots, u16 index)
{
	u32 slot, nr = 0;

	for (slot = 0; slot < 1 << ORDER; slot++)
		nr += slots[slot] == index;
	return nr;
}

static bool __init check_shares(const struct balance_test *t)
{
	const struct chring_member *member;
	u32 share = (1 << ORDER) / t->ring.nr_members, nr;

	list_for_each_entry(member, &t->ring.members, list) {
		nr = count(t->after.owner, member->index);
		if (t->even && !expect(nr == share || nr == share + 1,
				       "each has its due"))
			return false;
	}
	return true;
}

/* Slots that changed their owner, or stand-in, but for @index's */
static u32 __init others_moved(const u16 *before, const u16 *after, u16 index)
{
	u32 slot, nr = 0;

	for (slot = 0; slot < 1 << ORDER; slot++)
		nr += before[slot] != after[slot] && before[slot] != index &&
		      after[slot] != index;
	return nr;
}

static bool __init test_join(struct balance_test *t, struct chring_member *member)
{
	member->dead = false;
	member->nr_filled = 0;
	chring_ring_insert(&t->ring, member);
	fill(t);
	return expect(!others_moved(t->before.owner, t->after.owner,
				    member->index),
		      "slots move to the newcomer only") &&
	       check_shares(t);
}

static bool __init test_death(struct balance_test *t, struct chring_member *member)
{
	u32 slot;

	member->dead = true;
	fill(t);
	for (slot = 0; slot < 1 << ORDER; slot++) {
		if (!expect(t->before.owner[slot] == t->after.owner[slot],
			    "a dead member keeps its slots") ||
		    !expect(t->after.owner[slot] != member->index ||
			    t->before.standin[slot] == t->after.standin[slot],
			    "the stand-ins are those that were announced"))
			return false;
	}
	chring_ring_remove(&t->ring, member);
	fill(t);
	for (slot = 0; slot < 1 << ORDER; slot++) {
		if (!expect(t->after.owner[slot] ==
			    (t->before.owner[slot] == member->index ?
			     t->before.standin[slot] : t->before.owner[slot]),
			    "in the end the stand-ins own what was the dead one's"))
			return false;
	}
	return check_shares(t);
}

static bool __init test_lives(struct balance_test *t, bool even)
{
	static const siphash_key_t seed __initconst = { { 1, 2 } };
	u32 i;

	chring_ring_init(&t->ring, &seed);
	t->even = even;
	t->before = (struct chring_slots){
		.order = ORDER, .owner = t->owner[0], .standin = t->standin[0],
	};
	t->after = (struct chring_slots){
		.order = ORDER, .owner = t->owner[1], .standin = t->standin[1],
	};
	memset16(t->after.owner, CHRING_NO_MEMBER, 1 << ORDER);
	memset16(t->after.standin, CHRING_NO_MEMBER, 1 << ORDER);
	for (i = 0; i < NR_MEMBERS; i++) {
		t->members[i].name = names[i];
		t->members[i].index = 2 * i;
		t->members[i].nr_vnodes = POINTS_EACH;
		t->members[i].vnodes = t->vnodes[i];
		if (!test_join(t, &t->members[i]))
			return false;
	}
	for (i = 0; i < NR_MEMBERS - 1; i++) {
		if (!test_death(t, &t->members[(i + 3) % NR_MEMBERS]))
			return false;
	}
	return true;
}

/**
 * chring_selftest_balance() - test the balances
 *
 * Context: Process context, at load of the module.
 * Return: whether all passed; what failed is in the kernel's log.
 */
bool __init chring_selftest_balance(void)
{
	struct balance_test *t = kvzalloc(sizeof(*t), GFP_KERNEL);
	bool passed;

	if (!expect(t, "memory"))
		return false;
	t->balancer = chring_balancer_alloc(ORDER, 2 * NR_MEMBERS);
	passed = expect(t->balancer, "memory") && test_lives(t, true) &&
		 test_lives(t, false);
	chring_balancer_free(t->balancer);
	kvfree(t);
	if (passed)
		pr_info("pass\n");
	return passed;
}
