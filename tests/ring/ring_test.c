// SPDX-License-Identifier: GPL-2.0
/*
 * The ring against a naive model of it.
 *
 *	ring_test [SEED]
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/chring.h>
#include <linux/kernel.h>
#include <linux/rbtree_augmented.h>
#include <linux/slab.h>

#include "fixture.h"
#include "ktap.h"
#include "model.h"
#include "points.h"
#include "random.h"

#define MAX_ORDER 16

static u32 random_point(void)
{
	return random_u64(&random_state);
}

static struct chring_slots fill(const struct fixture *f, bool living,
				unsigned int order)
{
	struct chring_arc *arcs = allocate(sizeof(*arcs) << order);
	struct chring_slots slots = slots_new(order);

	chring_ring_fill(&f->ring, living, order, arcs, slots.owner,
			 slots.standin);
	free(arcs);
	return slots;
}

static struct chring_slots table_of(const struct fixture *f, unsigned int order)
{
	return fill(f, false, order);
}

static struct model model_of(const struct fixture *f)
{
	struct model model;

	model_build(&model, &f->seed, f->members, f->nr_members);
	return model;
}

/*
 * Number of black nodes from @node down to any leaf, or -1 where paths differ,
 * where red follows red, or where a child does not know its parent
 */
static int black_height(const struct rb_node *node, const struct rb_node *parent)
{
	int left, right;

	if (!node)
		return 0;
	if (rb_parent(node) != parent)
		return -1;
	if (parent && rb_is_red(node) && rb_is_red(parent))
		return -1;
	left = black_height(node->rb_left, node);
	right = black_height(node->rb_right, node);
	if (left < 0 || left != right)
		return -1;
	return left + rb_is_black(node);
}

static bool check_order(const struct fixture *f, const struct model *model)
{
	const struct rb_node *root = f->ring.points.rb_root.rb_node;
	const struct chring_vnode *vnode;
	const struct model_point *p;
	u32 i = 0;

	CHECK(!root || rb_is_black(root), "the root is red");
	CHECK(black_height(root, NULL) >= 0, "not a red-black tree");
	CHECK(f->ring.points.rb_leftmost == rb_first(&f->ring.points.rb_root),
	      "the cache of the leftmost is stale");
	CHECK(f->ring.nr_members == f->nr_members, "%u, not %u",
	      f->ring.nr_members, f->nr_members);
	CHECK(f->ring.nr_points == model->nr_points, "%u, not %u",
	      f->ring.nr_points, model->nr_points);

	for (vnode = chring_ring_first(&f->ring); vnode;
	     vnode = chring_ring_next(vnode), i++) {
		CHECK(i < model->nr_points, "more than %u points", i);
		p = &model->points[i];
		CHECK(vnode->point == p->point, "place %u", i);
		CHECK(vnode->member == p->member, "place %u: %s, not %s", i,
		      vnode->member->name, p->member->name);
		CHECK(vnode - vnode->member->vnodes == p->number, "place %u", i);
	}
	CHECK(i == model->nr_points, "%u points, not %u", i, model->nr_points);
	return true;
}

static bool check_lookup(const struct fixture *f, const struct model *model, u32 point)
{
	const struct chring_vnode *vnode = chring_ring_lookup(&f->ring, point);

	CHECK((vnode ? vnode->member : NULL) == model_successor(model, point),
	      "point %#x", point);
	return true;
}

static bool check_lookups(const struct fixture *f, const struct model *model)
{
	u32 i;

	if (!check_lookup(f, model, 0) || !check_lookup(f, model, U32_MAX))
		return false;
	for (i = 0; i < 64; i++) {
		if (!check_lookup(f, model, random_point()))
			return false;
	}
	for (i = 0; i < model->nr_points; i++) {
		if (!check_lookup(f, model, model->points[i].point - 1) ||
		    !check_lookup(f, model, model->points[i].point) ||
		    !check_lookup(f, model, model->points[i].point + 1))
			return false;
	}
	return true;
}

static bool check_fill(const struct fixture *f, const struct model *model,
		       bool living, unsigned int order)
{
	struct chring_slots expected = slots_new(order);
	struct chring_slots slots = fill(f, living, order);
	u32 slot, bad;

	model_fill(model, order, expected.owner, expected.standin);
	for (slot = 0, bad = 0; slot < 1U << order; slot++)
		bad += slots.owner[slot] != expected.owner[slot] ||
		       slots.standin[slot] != expected.standin[slot];
	slots_free(&slots);
	slots_free(&expected);
	CHECK(!bad, "order %u: %u slots differ from the model", order, bad);
	return true;
}

/* As if the dead were not there: like a ring of the others */
static bool check_fill_living(const struct fixture *f, unsigned int order)
{
	struct chring_member *living[MAX_MEMBERS];
	struct model model;
	u32 nr_living = 0, i;
	bool ok;

	for (i = 0; i < f->nr_members; i++) {
		f->members[i]->dead = random_below(&random_state, 2);
		if (!f->members[i]->dead)
			living[nr_living++] = f->members[i];
	}
	model_build(&model, &f->seed, living, nr_living);
	ok = check_fill(f, &model, true, order);
	model_free(&model);
	for (i = 0; i < f->nr_members; i++)
		f->members[i]->dead = false;
	return ok;
}

static bool check_all(const struct fixture *f, unsigned int order)
{
	struct model model = model_of(f);
	bool ok = check_order(f, &model) && check_lookups(f, &model) &&
		  check_fill(f, &model, false, order) &&
		  check_fill_living(f, order);

	model_free(&model);
	return ok;
}

/*
 * @without and @with are one ring without and with the member of index
 * @member: the two may differ only in what that member owns, and what it owns
 * in the one is its stand-in's in the other
 */
static bool check_only_moves(const struct chring_slots *without, const struct chring_slots *with,
			     u16 member, bool last_one)
{
	u32 slot;

	for (slot = 0; slot < 1U << with->order; slot++) {
		CHECK(without->owner[slot] != member, "slot %u kept", slot);
		if (with->owner[slot] != member) {
			CHECK(without->owner[slot] == with->owner[slot],
			      "slot %u moved from %u to %u", slot,
			      with->owner[slot], without->owner[slot]);
			continue;
		}
		/* Alone, a member stands in for itself */
		CHECK(last_one ? with->standin[slot] == member :
		      with->standin[slot] == without->owner[slot],
		      "slot %u went to %u, not to its stand-in %u", slot,
		      without->owner[slot], with->standin[slot]);
	}
	return true;
}

/* Mostly few points, sometimes many, so that arcs of all lengths meet */
static u32 random_nr_vnodes(void)
{
	return 1 + random_below(&random_state,
				random_below(&random_state, 8) ? 48 : 400);
}

static bool random_step(struct fixture *f, u32 nr_names, u16 salt, unsigned int order)
{
	u32 nr = random_below(&random_state, nr_names);
	struct chring_slots before = table_of(f, order);
	struct chring_member *member = NULL;
	struct chring_slots after;
	char name[16];
	bool last_one;
	u16 index;
	bool ok;
	u32 i;

	snprintf(name, sizeof(name), "r%u", nr);
	for (i = 0; i < f->nr_members; i++) {
		if (!strcmp(f->members[i]->name, name))
			member = f->members[i];
	}

	if (member) {
		last_one = f->nr_members == 1;
		index = member->index;
		fixture_remove(f, member);
		member_free(member);
		after = table_of(f, order);
		ok = check_only_moves(&after, &before, index, last_one);
	} else {
		last_one = f->nr_members == 0;
		index = nr ^ salt;
		fixture_insert(f, member_new(name, index, random_nr_vnodes()));
		after = table_of(f, order);
		ok = check_only_moves(&before, &after, index, last_one);
	}
	slots_free(&before);
	slots_free(&after);
	return ok && check_all(f, order);
}

static bool random_operations(u32 nr_steps)
{
	u32 nr_names = 1 + random_below(&random_state, 24);
	u16 salt = random_below(&random_state, 0x8000);
	unsigned int kept = 1 + random_below(&random_state, 12);
	struct fixture *f = fixture_new();
	unsigned int order;
	bool ok = true;
	u32 step;

	fixture_keep(f, kept);
	for (step = 0; ok && step < nr_steps; step++) {
		/* Every order, the large and slow ones less often */
		order = 1 + random_below(&random_state,
					 step % 16 ? 10 : MAX_ORDER);
		if (random_below(&random_state, 2))
			order = kept;
		ok = random_step(f, nr_names, salt, order);
		if (!ok)
			printf("# step %u of a sequence with %u names, order %u\n",
			       step, nr_names, order);
	}
	fixture_free(f);
	return ok;
}

static bool random_operations_agree_with_the_model(void)
{
	u32 i;

	for (i = 0; i < 16; i++) {
		if (!random_operations(48))
			return false;
	}
	return true;
}

static bool random_operations_agree_when_points_collide(void)
{
	static const u32 narrowings[][2] = {
		{ 0xfff00000, 0 },	/* 4096 places, at the starts of slots */
		{ 0xff0000ff, 0 },
		{ 0x0000000f, 0 },	/* all at the beginning of the ring */
		{ 0x0000000f, U32_MAX },/* all at its end */
		{ 0x80000000, 0x7fffffff },
		{ 0x00000000, 0 },
		{ 0x00000000, U32_MAX },
	};
	bool ok = true;
	u32 i;

	for (i = 0; ok && i < ARRAY_SIZE(narrowings); i++) {
		point_mask = narrowings[i][0];
		point_flip = narrowings[i][1];
		ok = random_operations(48) && random_operations(48);
	}
	point_mask = U32_MAX;
	point_flip = 0;
	return ok;
}

static bool same_fill(struct fixture *f, unsigned int order)
{
	struct chring_slots kept = table_of(f, order), scanned;
	struct chring_kept *aside = f->ring.kept;
	size_t size = sizeof(u16) << order;
	bool same;

	f->ring.kept = NULL;
	scanned = table_of(f, order);
	f->ring.kept = aside;
	same = !memcmp(kept.owner, scanned.owner, size) &&
	       !memcmp(kept.standin, scanned.standin, size);
	slots_free(&kept);
	slots_free(&scanned);
	return same;
}

/* So many points that a change of few is looked up, and one of many is not */
static bool kept_slots(unsigned int order)
{
	struct fixture *f = fixture_new();
	bool ok = true;
	u32 i, k;

	fixture_keep(f, order);
	fixture_populate(f, 500, 40);
	for (i = 0; ok && i < 150; i++) {
		for (k = random_below(&random_state, 3); k; k--) {
			struct chring_member *member, *other;
			u32 nr = 1 + random_below(&random_state, i % 8 ? 40 : 400);

			member = f->members[random_below(&random_state,
							 f->nr_members)];
			other = member_new(member->name, member->index, nr);
			fixture_remove(f, member);
			member_free(member);
			/* Its slots are another's, or nobody's, in between */
			if (random_below(&random_state, 2))
				ok &= same_fill(f, order);
			fixture_insert(f, other);
		}
		ok &= same_fill(f, order);
	}
	fixture_free(f);
	CHECK(ok, "order %u: slots differ from a fill of all points", order);
	return true;
}

static bool kept_slots_are_those_of_all_points(void)
{
	static const u32 masks[] = { U32_MAX, 0xfff00000, 0xff0000ff };
	static const unsigned int orders[] = { 1, 6, 14, 16 };
	bool ok = true;
	u32 i;

	for (i = 0; ok && i < ARRAY_SIZE(masks) * ARRAY_SIZE(orders); i++) {
		point_mask = masks[i % ARRAY_SIZE(masks)];
		ok = kept_slots(orders[i / ARRAY_SIZE(masks)]);
	}
	point_mask = U32_MAX;
	return ok;
}

/* Computed by another implementation, from the formula alone */
static bool points_are_the_documented_siphash(void)
{
	static const struct {
		const char *name;
		u32 number;
		u32 point;
	} known[] = {
		{ "w1", 0, 0x89f50eb5 },
		{ "w1", 1, 0x401ab432 },
		{ "w1", 159, 0x2cec4cae },
		{ "w2", 0, 0xcecbd06c },
		{ "a-replica-with-a-longer-name", 0, 0xb718b8f3 },
		{ "a-replica-with-a-longer-name", 163839, 0xb64c4f79 },
	};
	static const siphash_key_t seed = { {
		0x0706050403020100, 0x0f0e0d0c0b0a0908
	} };
	struct chring_member *member;
	struct chring_ring ring;
	u32 i, point;

	for (i = 0; i < ARRAY_SIZE(known); i++) {
		chring_ring_init(&ring, &seed);
		member = member_new(known[i].name, 0, known[i].number + 1);
		chring_ring_insert(&ring, member);
		point = member->vnodes[known[i].number].point;
		member_free(member);
		CHECK(point == known[i].point, "%s, %u: %#x", known[i].name,
		      known[i].number, point);
	}
	return true;
}

static bool empty_ring_owns_nothing(void)
{
	struct fixture *f = fixture_new();
	struct chring_slots table;
	unsigned int order;
	u32 slot, bad = 0;

	CHECK(!chring_ring_first(&f->ring), "it begins with something");
	CHECK(!chring_ring_lookup(&f->ring, 0), "it owns 0");
	CHECK(!chring_ring_lookup(&f->ring, U32_MAX), "it owns U32_MAX");
	for (order = 1; order <= MAX_ORDER; order++) {
		table = table_of(f, order);
		for (slot = 0; slot < 1U << order; slot++)
			bad += table.owner[slot] != CHRING_NO_MEMBER ||
			       table.standin[slot] != CHRING_NO_MEMBER;
		slots_free(&table);
	}
	CHECK(!bad, "%u slots have somebody", bad);
	fixture_free(f);
	return true;
}

static bool single_member_owns_all_and_stands_in_for_itself(void)
{
	struct fixture *f = fixture_new();
	struct chring_slots table;
	unsigned int order;
	u32 slot, bad = 0;

	fixture_insert(f, member_new("alone", 7, 3));
	for (slot = 0; slot < 1000; slot++)
		bad += chring_ring_lookup(&f->ring, random_point())->member !=
		       f->members[0];
	CHECK(!bad, "%u look-ups found another", bad);
	for (order = 1; order <= MAX_ORDER; order++) {
		table = table_of(f, order);
		for (slot = 0; slot < 1U << order; slot++)
			bad += table.owner[slot] != 7 || table.standin[slot] != 7;
		slots_free(&table);
	}
	CHECK(!bad, "%u slots have another", bad);
	fixture_free(f);
	return true;
}

static bool removal_moves_only_the_removed_members_slots(void)
{
	struct fixture *f = fixture_new();
	struct chring_slots before, after;
	u32 slot, moved, owned;
	bool ok = true;
	u16 index;

	fixture_populate(f, 8, CHRING_VNODES_DEFAULT);
	while (ok && f->nr_members > 1) {
		struct chring_member *member = f->members[0];

		index = member->index;
		before = table_of(f, 14);
		fixture_remove(f, member);
		member_free(member);
		after = table_of(f, 14);
		for (slot = 0, moved = 0, owned = 0; slot < 1 << 14; slot++) {
			moved += before.owner[slot] != after.owner[slot];
			owned += before.owner[slot] == index;
		}
		ok = check_only_moves(&after, &before, index, false);
		slots_free(&before);
		slots_free(&after);
		CHECK(owned && moved == owned, "%u moved of %u", moved, owned);
	}
	fixture_free(f);
	return ok;
}

static bool addition_takes_slots_only_for_the_new_member(void)
{
	struct fixture *f = fixture_new();
	struct chring_slots before, after;
	bool ok = true;
	u32 slot, taken;
	char name[16];
	u16 index;

	fixture_populate(f, 1, CHRING_VNODES_DEFAULT);
	for (index = 40000; ok && index < 40010; index++) {
		before = table_of(f, 14);
		snprintf(name, sizeof(name), "new%u", index);
		fixture_insert(f, member_new(name, index, CHRING_VNODES_DEFAULT));
		after = table_of(f, 14);
		for (slot = 0, taken = 0; slot < 1 << 14; slot++)
			taken += after.owner[slot] == index;
		ok = check_only_moves(&before, &after, index, false);
		slots_free(&before);
		slots_free(&after);
		CHECK(taken, "%s took nothing", name);
	}
	fixture_free(f);
	return ok;
}

static bool growing_weight_only_takes_and_shrinking_only_gives(void)
{
	struct fixture *f = fixture_new();
	struct chring_slots light, heavy, again;
	struct chring_member *member;
	u32 slot, bad = 0, moved = 0;

	fixture_populate(f, 7, CHRING_VNODES_DEFAULT);
	fixture_insert(f, member_new("changing", 40000, CHRING_VNODES_DEFAULT));
	light = table_of(f, 14);

	member = f->members[7];
	fixture_remove(f, member);
	member_free(member);
	fixture_insert(f, member_new("changing", 40000, 4 * CHRING_VNODES_DEFAULT));
	heavy = table_of(f, 14);

	member = f->members[7];
	fixture_remove(f, member);
	member_free(member);
	fixture_insert(f, member_new("changing", 40000, CHRING_VNODES_DEFAULT));
	again = table_of(f, 14);

	for (slot = 0; slot < 1 << 14; slot++) {
		if (light.owner[slot] != heavy.owner[slot]) {
			moved++;
			bad += heavy.owner[slot] != 40000;
		}
		bad += light.owner[slot] != again.owner[slot];
		bad += light.standin[slot] != again.standin[slot];
	}
	slots_free(&light);
	slots_free(&heavy);
	slots_free(&again);
	fixture_free(f);
	CHECK(moved, "more weight took nothing");
	CHECK(!bad, "%u slots moved among others, or did not come back", bad);
	return true;
}

static bool weights_give_proportional_shares(void)
{
	static const u32 weights[] = { 1, 1, 2, 3, 4 };
	const u32 nr_seeds = 64, sum_of_weights = 11, order = 16;
	double share, expected, deviation;
	u64 slots[ARRAY_SIZE(weights)] = { 0 };
	u32 i, seed_nr, slot;
	struct chring_slots table;
	struct fixture *f;
	char name[16];

	for (seed_nr = 0; seed_nr < nr_seeds; seed_nr++) {
		f = fixture_new();
		for (i = 0; i < ARRAY_SIZE(weights); i++) {
			snprintf(name, sizeof(name), "weight%u", i);
			fixture_insert(f, member_new(name, i, weights[i] *
						     CHRING_VNODES_DEFAULT));
		}
		table = table_of(f, order);
		for (slot = 0; slot < 1U << order; slot++)
			slots[table.owner[slot]]++;
		slots_free(&table);
		fixture_free(f);
	}

	/*
	 * With n uniform points in all, the arcs of a member that has k of them
	 * sum to a share of Beta(k, n - k): mean k/n, and as a part of the mean
	 * a deviation of sqrt((n - k) / (k (n + 1))), 7.5% for weight 1 here.
	 * The mean of 64 rings deviates by an eighth of that. Five deviations
	 * (4.7% for weight 1) are exceeded in one of 1.7 million cases, while a
	 * member that lacked a tenth of its points would lie outside.
	 */
	for (i = 0; i < ARRAY_SIZE(weights); i++) {
		double k = weights[i] * CHRING_VNODES_DEFAULT;
		double n = sum_of_weights * CHRING_VNODES_DEFAULT;

		expected = k / n;
		deviation = expected * sqrt((n - k) / (k * (n + 1)) / nr_seeds);
		share = (double)slots[i] / ((u64)nr_seeds << order);
		CHECK(fabs(share - expected) < 5 * deviation,
		      "weight %u has %.4f, not %.4f", weights[i], share, expected);
	}
	return true;
}

static bool owners_depend_on_names_not_on_indices(void)
{
	struct fixture *f = fixture_new(), *g = fixture_new();
	u32 i, bad = 0;
	char name[16];

	chring_ring_init(&g->ring, &f->seed);
	for (i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "r%u", i);
		fixture_insert(f, member_new(name, i, 50));
		fixture_insert(g, member_new(name, 500 - 3 * i, 50));
	}
	for (i = 0; i < 1000; i++) {
		u32 point = random_point();

		bad += !!strcmp(chring_ring_lookup(&f->ring, point)->member->name,
				chring_ring_lookup(&g->ring, point)->member->name);
	}
	fixture_free(f);
	fixture_free(g);
	CHECK(!bad, "%u points have another owner", bad);
	return true;
}

static bool another_seed_is_another_ring(void)
{
	struct fixture *f = fixture_new(), *g = fixture_new();
	u32 i, same = 0;

	fixture_populate(f, 8, 50);
	fixture_populate(g, 8, 50);
	for (i = 0; i < 1000; i++) {
		u32 point = random_point();

		same += !strcmp(chring_ring_lookup(&f->ring, point)->member->name,
				chring_ring_lookup(&g->ring, point)->member->name);
	}
	fixture_free(f);
	fixture_free(g);
	/* One in 8 by chance: 125, and the shares vary */
	CHECK(same < 500, "%u of 1000 points have the same owner", same);
	return true;
}

/* Two points in a row at one place; those of two members only, when @mixed */
static u32 count_collisions(const struct chring_ring *ring, bool mixed)
{
	const struct chring_vnode *vnode = chring_ring_first(ring);
	const struct chring_vnode *next;
	u32 nr = 0;

	for (; vnode; vnode = next) {
		next = chring_ring_next(vnode);
		nr += next && next->point == vnode->point &&
		      (!mixed || next->member != vnode->member);
	}
	return nr;
}

/* Whether two rings of the same members have the same points in the same order */
static bool check_same_order(const struct chring_ring *a, const struct chring_ring *b)
{
	const struct chring_vnode *p = chring_ring_first(a);
	const struct chring_vnode *q = chring_ring_first(b);

	for (; p && q; p = chring_ring_next(p), q = chring_ring_next(q)) {
		CHECK(p->point == q->point, "%#x and %#x", p->point, q->point);
		CHECK(!strcmp(p->member->name, q->member->name), "%#x: %s and %s",
		      p->point, p->member->name, q->member->name);
		CHECK(p - p->member->vnodes == q - q->member->vnodes, "%s",
		      p->member->name);
	}
	CHECK(!p && !q, "one is longer");
	return true;
}

static bool insertion_order_does_not_matter(void)
{
	struct fixture *f = fixture_new(), *g = fixture_new();
	u32 i, collisions;
	char name[16];
	bool ok;

	/* 3,200 points at 1,024 places */
	point_mask = 0xffc00000;
	chring_ring_init(&g->ring, &f->seed);
	for (i = 0; i < 32; i++) {
		snprintf(name, sizeof(name), "r%u", i);
		fixture_insert(f, member_new(name, i, 100));
		snprintf(name, sizeof(name), "r%u", 31 - i);
		fixture_insert(g, member_new(name, 31 - i, 100));
	}
	point_mask = U32_MAX;
	collisions = count_collisions(&f->ring, true);
	ok = check_same_order(&f->ring, &g->ring);
	fixture_free(f);
	fixture_free(g);
	CHECK(collisions > 1000, "only %u collisions", collisions);
	return ok;
}

static bool thousand_members_of_1024_points_collide_and_agree(void)
{
	struct fixture *f = fixture_new(), *g = fixture_new();
	struct model model;
	u32 collisions, i;
	char name[16];
	bool ok;

	fixture_populate(f, 1000, 1024);
	model = model_of(f);
	ok = check_order(f, &model) && check_lookups(f, &model) &&
	     check_fill(f, &model, false, 14) &&
	     check_fill(f, &model, false, 1);
	model_free(&model);

	/*
	 * C(1,024,000, 2) pairs in 2^32 places: 122 collisions expected, more
	 * than 0 but in one of 10^53 runs
	 */
	collisions = count_collisions(&f->ring, false);
	printf("# %u collisions\n", collisions);

	chring_ring_init(&g->ring, &f->seed);
	for (i = 1000; i; i--) {
		snprintf(name, sizeof(name), "r%u", i - 1);
		fixture_insert(g, member_new(name, i, 1024));
	}
	ok = ok && check_same_order(&f->ring, &g->ring);
	fixture_free(f);
	fixture_free(g);
	CHECK(collisions > 0, "no collision to test with");
	return ok;
}

static const struct test tests[] = {
	TEST(points_are_the_documented_siphash),
	TEST(empty_ring_owns_nothing),
	TEST(single_member_owns_all_and_stands_in_for_itself),
	TEST(removal_moves_only_the_removed_members_slots),
	TEST(addition_takes_slots_only_for_the_new_member),
	TEST(growing_weight_only_takes_and_shrinking_only_gives),
	TEST(weights_give_proportional_shares),
	TEST(owners_depend_on_names_not_on_indices),
	TEST(another_seed_is_another_ring),
	TEST(insertion_order_does_not_matter),
	TEST(random_operations_agree_with_the_model),
	TEST(random_operations_agree_when_points_collide),
	TEST(kept_slots_are_those_of_all_points),
	TEST(thousand_members_of_1024_points_collide_and_agree),
};

int main(int argc, char **argv)
{
	return run_tests(tests, ARRAY_SIZE(tests), argc, argv);
}
