// SPDX-License-Identifier: GPL-2.0
/*
 * Balances, through random histories of a service.
 *
 *	balance_test [SEED]
 *
 * What must hold is computed from the definition, in terms of slots and dues.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/kernel.h>

#include "fixture.h"
#include "ktap.h"
#include "random.h"

#define NR_INDEXES 80

/*
 * A service: its ring, its table, and the table before. By index: @was and @is,
 * the number of virtual nodes in the two tables, 0 where there is nobody; @had
 * and @has, the number of slots.
 */
struct service {
	struct fixture *f;
	unsigned int order;
	bool even;
	bool filled;
	struct chring_slots before;
	struct chring_slots slots;
	u32 was[NR_INDEXES];
	u32 is[NR_INDEXES];
	u32 had[NR_INDEXES];
	u32 has[NR_INDEXES];
	u32 nr_named;
};

static struct service *service_new(unsigned int order)
{
	struct service *service = allocate(sizeof(*service));
	struct fixture *f = fixture_new();

	fixture_keep(f, order);
	*service = (struct service){
		.f = f,
		.order = order,
		.even = true,
		.before = slots_new(order),
		.slots = slots_new(order),
	};
	return service;
}

static void service_free(struct service *service)
{
	slots_free(&service->before);
	slots_free(&service->slots);
	fixture_free(service->f);
	free(service);
}

/* The table that a service would have now */
static void service_plan(const struct service *service, struct chring_slots *slots)
{
	struct chring_balancer *b = chring_balancer_alloc(service->order, NR_INDEXES);

	if (!b)
		abort();
	if (service->even)
		chring_balance_even(b, &service->f->ring,
				    service->filled ? &service->slots : NULL, slots);
	else
		chring_balance_ring(b, &service->f->ring, slots);
	chring_balancer_free(b);
}

static void service_publish(struct service *service)
{
	struct chring_slots slots = service->before;
	struct chring_member *member;
	u32 i;

	service_plan(service, &slots);
	service->before = service->slots;
	service->slots = slots;
	service->filled = true;
	memcpy(service->was, service->is, sizeof(service->was));
	memset(service->is, 0, sizeof(service->is));
	for (i = 0; i < service->f->nr_members; i++) {
		member = service->f->members[i];
		member->nr_filled = member->nr_vnodes;
		service->is[member->index] = member->nr_vnodes;
	}
	memcpy(service->had, service->has, sizeof(service->had));
	memset(service->has, 0, sizeof(service->has));
	for (i = 0; i < 1U << service->order; i++)
		service->has[slots.owner[i]]++;
}

static struct chring_member *find(const struct service *service, u16 index)
{
	u32 i;

	for (i = 0; i < service->f->nr_members; i++) {
		if (service->f->members[i]->index == index)
			return service->f->members[i];
	}
	return NULL;
}

/* Under a new name, and the lowest index that the table does not have */
static struct chring_member *join(struct service *service, u32 nr_vnodes)
{
	struct chring_member *member;
	char name[16];
	u16 index = 0;

	while (find(service, index) || service->is[index])
		index++;
	snprintf(name, sizeof(name), "m%u", service->nr_named++);
	member = member_new(name, index, nr_vnodes);
	fixture_insert(service->f, member);
	return member;
}

static void leave(struct service *service, struct chring_member *member)
{
	fixture_remove(service->f, member);
	member_free(member);
}

static struct chring_member *resize(struct service *service,
				    struct chring_member *member, u32 nr_vnodes)
{
	struct chring_member *resized;

	resized = member_new(member->name, member->index, nr_vnodes);
	resized->nr_filled = member->nr_filled;
	resized->dead = member->dead;
	leave(service, member);
	fixture_insert(service->f, resized);
	return resized;
}

static struct chring_member *any_member(const struct service *service)
{
	return service->f->members[random_below(&random_state,
						service->f->nr_members)];
}

static u64 total(const u32 *shares)
{
	u64 sum = 0;
	u32 i;

	for (i = 0; i < NR_INDEXES; i++)
		sum += shares[i];
	return sum;
}

/* A due rounded down, and up */
static u32 least(const struct service *service, u32 share, u64 sum)
{
	return ((u64)share << service->order) / sum;
}

static u32 most(const struct service *service, u32 share, u64 sum)
{
	return (((u64)share << service->order) + sum - 1) / sum;
}

static bool check_dues(const struct service *service)
{
	u64 sum = total(service->is);
	u32 i, nr;

	for (i = 0; i < NR_INDEXES; i++) {
		nr = service->has[i];
		if (!service->is[i]) {
			CHECK(!nr, "%u is nobody and has %u slots", i, nr);
			continue;
		}
		CHECK(nr >= least(service, service->is[i], sum) &&
		      nr <= most(service, service->is[i], sum),
		      "%u has %u slots, of %u << %u by %llu due", i, nr,
		      service->is[i], service->order, (unsigned long long)sum);
	}
	return true;
}

/* A member that stays, with what it had */
static bool is_unchanged(const struct service *service, u16 index)
{
	return service->was[index] && service->was[index] == service->is[index];
}

static u32 moved_among_unchanged(const struct service *service)
{
	u32 slot, nr = 0;

	for (slot = 0; slot < 1U << service->order; slot++) {
		u16 from = service->before.owner[slot];
		u16 to = service->slots.owner[slot];

		nr += from != to && is_unchanged(service, from) &&
		      is_unchanged(service, to);
	}
	return nr;
}

/* No member both gives slots and gets some */
static bool check_one_way(const struct service *service)
{
	bool gives[NR_INDEXES] = { false }, gets[NR_INDEXES] = { false };
	u32 slot, i;

	for (slot = 0; slot < 1U << service->order; slot++) {
		u16 from = service->before.owner[slot];
		u16 to = service->slots.owner[slot];

		gives[from] |= from != to && service->is[from];
		gets[to] |= from != to && service->was[to];
	}
	for (i = 0; i < NR_INDEXES; i++)
		CHECK(!gives[i] || !gets[i], "%u gives and gets", i);
	return true;
}

/*
 * How many slots must move among the unchanged, at least, for every member to
 * get its due rounded up or down, where one other member has changed
 */
static u32 unavoidable(const struct service *service)
{
	u64 was = total(service->was), is = total(service->is);
	s32 over = -(1 << service->order);
	u32 losses = 0, gains = 0, own, i;
	u32 low, high;

	for (i = 0; i < NR_INDEXES; i++) {
		if (!service->is[i])
			continue;
		low = least(service, service->is[i], is);
		high = most(service, service->is[i], is);
		if (!is_unchanged(service, i)) {
			over += is < was ? low : high;
			continue;
		}
		own = service->had[i];
		if (own < low)
			gains += low - own;
		if (own > high)
			losses += own - high;
		over += own < low ? low : own > high ? high : own;
	}
	/* With others growing none need give, with others shrinking none get */
	if (is < was)
		return losses + (over > 0 ? over : 0);
	return gains + (over < 0 ? -over : 0);
}

/* The dues of all unchanged members have changed by a slot or more */
static bool is_coarse(const struct service *service)
{
	u64 was = total(service->was), is = total(service->is);
	u64 change = was < is ? is - was : was - is;
	u32 i;

	for (i = 0; i < NR_INDEXES; i++) {
		if (is_unchanged(service, i) &&
		    (service->is[i] * change << service->order) < was * is)
			return false;
	}
	return true;
}

static bool is_equal(const struct service *service)
{
	u32 share = service->f->members[0]->nr_vnodes, i;

	for (i = 0; i < NR_INDEXES; i++) {
		if ((service->was[i] && service->was[i] != share) ||
		    (service->is[i] && service->is[i] != share))
			return false;
	}
	return true;
}

static u32 nr_still, nr_forced;

static bool check_change(const struct service *service)
{
	u32 moved = moved_among_unchanged(service);
	u32 expected = unavoidable(service);

	CHECK(moved == expected, "%u moved among the unchanged, not %u", moved,
	      expected);
	if (is_equal(service) || is_coarse(service)) {
		CHECK(!moved, "%u moved among the unchanged", moved);
		nr_still++;
	}
	nr_forced += !!moved;
	return check_dues(service) && check_one_way(service);
}

/* Stand-ins live, and give each of the others its due without the owner */
static bool check_standins(const struct service *service, bool exact)
{
	u32 stood[NR_INDEXES][NR_INDEXES] = { { 0 } };
	u32 owned[NR_INDEXES] = { 0 };
	u64 sum = total(service->is);
	u32 slot, i, k, nr;

	if (service->f->nr_members == 1)
		return true;
	for (slot = 0; slot < 1U << service->order; slot++) {
		u16 owner = service->slots.owner[slot];
		u16 standin = service->slots.standin[slot];

		CHECK(standin < NR_INDEXES && service->is[standin] &&
		      standin != owner, "slot %u: %u for %u", slot, standin, owner);
		stood[owner][standin]++;
		owned[owner]++;
	}
	for (i = 0; exact && i < NR_INDEXES; i++) {
		for (k = 0; service->is[i] && k < NR_INDEXES; k++) {
			if (k == i || !service->is[k])
				continue;
			nr = owned[k] + stood[i][k];
			CHECK(nr >= least(service, service->is[k], sum - service->is[i]) &&
			      nr <= most(service, service->is[k], sum - service->is[i]),
			      "%u would have %u slots without %u", k, nr, i);
		}
	}
	return true;
}

/* Joins, leaves, or changes its weight */
static void random_change(struct service *service, u32 nr_max, u32 nr_vnodes,
			  u32 max_weight)
{
	u32 weight = 1 + random_below(&random_state, max_weight);
	u32 nr = service->f->nr_members;
	u32 dice = random_below(&random_state, 5);

	if (nr < nr_max && (!nr || dice < 2))
		join(service, weight * nr_vnodes);
	else if (nr > 1 && (dice < 4 || max_weight == 1))
		leave(service, any_member(service));
	else
		resize(service, any_member(service), weight * nr_vnodes);
}

static bool random_history(unsigned int order, u32 nr_max, u32 max_weight,
			   u32 nr_steps)
{
	struct service *service = service_new(order);
	u32 nr_vnodes = 1 + random_below(&random_state, 12), step;
	u32 nr_first = random_below(&random_state, nr_max);
	bool ok = true;

	while (nr_first--)
		join(service, nr_vnodes *
		     (1 + random_below(&random_state, max_weight)));
	for (step = 0; ok && step < nr_steps; step++) {
		random_change(service, nr_max, nr_vnodes, max_weight);
		service_publish(service);
		ok = check_dues(service) &&
		     (!step || check_change(service)) &&
		     check_standins(service, is_equal(service));
		if (!ok)
			printf("# step %u, order %u, %u members\n", step, order,
			       service->f->nr_members);
	}
	service_free(service);
	return ok;
}

static bool equal_weights_never_move_slots_among_those_that_stay(void)
{
	u32 i;

	nr_still = 0;
	for (i = 0; i < 500; i++) {
		unsigned int order = 4 + random_below(&random_state, 9);

		if (!random_history(order, 40, 1, 20))
			return false;
	}
	CHECK(nr_still == 500 * 19, "%u", nr_still);
	return true;
}

static bool any_weights_move_only_what_they_must(void)
{
	u32 i;

	nr_still = 0;
	nr_forced = 0;
	for (i = 0; i < 2000; i++) {
		unsigned int order = 4 + random_below(&random_state, 7);
		u32 nr_max = 2 + random_below(&random_state, 30);
		u32 max_weight = 2 + random_below(&random_state, 63);

		if (!random_history(order, nr_max, max_weight, 20))
			return false;
	}
	printf("# %u changes had to move nothing, %u something\n", nr_still,
	       nr_forced);
	CHECK(nr_still > 1000, "%u", nr_still);
	CHECK(nr_forced > 0, "%u", nr_forced);
	return true;
}

/* A service of some past, with at least @nr_min members */
static struct service *random_service(unsigned int order, u32 nr_min, u32 nr_max,
				      u32 max_weight)
{
	struct service *service = service_new(order);
	u32 nr_vnodes = 1 + random_below(&random_state, 12), step;

	for (step = 0; step < 12 || service->f->nr_members < nr_min; step++) {
		random_change(service, nr_max, nr_vnodes, max_weight);
		service_publish(service);
	}
	return service;
}

/* Slots of the two tables that differ, of those that @owner has in the first */
static u32 count_moved(const struct service *service, const u16 *before,
		       const u16 *after, u16 owner)
{
	u32 slot, nr = 0;

	for (slot = 0; slot < 1U << service->order; slot++)
		nr += service->before.owner[slot] == owner &&
		      before[slot] != after[slot];
	return nr;
}

static bool check_death(struct service *service)
{
	struct chring_member *member = any_member(service);
	const struct chring_slots *before = &service->before;
	const struct chring_slots *slots = &service->slots;
	size_t size = sizeof(u16) << service->order;
	u16 index = member->index;

	member->dead = true;
	service_publish(service);
	CHECK(!memcmp(before->owner, slots->owner, size), "owners change by death");
	CHECK(!count_moved(service, before->standin, slots->standin, index),
	      "other stand-ins than were announced");

	member->dead = false;
	service_publish(service);
	CHECK(!memcmp(before->owner, slots->owner, size), "owners change by return");

	member->dead = true;
	service_publish(service);
	leave(service, member);
	service_publish(service);
	if (unavoidable(service))
		return check_change(service);
	CHECK(!count_moved(service, before->standin, slots->owner, index),
	      "stand-ins are not what owns the slots in the end");
	return check_change(service);
}

static bool deaths(u32 max_weight)
{
	struct service *service;
	bool ok = true;
	u32 i;

	for (i = 0; ok && i < 300; i++) {
		service = random_service(4 + random_below(&random_state, 9), 2, 24,
					 max_weight);
		while (ok && service->f->nr_members > 1)
			ok = check_death(service);
		if (!ok)
			printf("# order %u, %u members\n", service->order,
			       service->f->nr_members);
		service_free(service);
	}
	return ok;
}

static bool flows_of_the_dead_move_once_and_come_back(void)
{
	return deaths(1) && deaths(16);
}

/* Who serves a slot, in the table before or in this one */
static u16 server(const struct chring_slots *slots, const bool *dead, u32 slot)
{
	u16 owner = slots->owner[slot];

	return dead[owner] ? slots->standin[slot] : owner;
}

static void note_dead(const struct service *service, bool *dead)
{
	u32 i;

	memset(dead, 0, NR_INDEXES * sizeof(*dead));
	for (i = 0; i < service->f->nr_members; i++)
		dead[service->f->members[i]->index] = service->f->members[i]->dead;
}

static u32 nr_living(const struct service *service)
{
	u32 i, nr = 0;

	for (i = 0; i < service->f->nr_members; i++)
		nr += !service->f->members[i]->dead;
	return nr;
}

/* The living serve, each as much as is due to it among them */
static bool check_servers(const struct service *service, const bool *dead)
{
	u32 serves[NR_INDEXES] = { 0 }, slot, i;
	u32 living = nr_living(service);
	u32 share = (1U << service->order) / living;

	for (slot = 0; slot < 1U << service->order; slot++) {
		u16 owner = service->slots.owner[slot];
		u16 standin = service->slots.standin[slot];

		CHECK(standin < NR_INDEXES && service->is[standin] && !dead[standin],
		      "slot %u: %u stands in", slot, standin);
		CHECK(living == 1 || standin != owner, "slot %u", slot);
		serves[server(&service->slots, dead, slot)]++;
	}
	for (i = 0; i < NR_INDEXES; i++) {
		if (service->is[i] && !dead[i])
			CHECK(serves[i] == share || serves[i] == share + 1,
			      "%u serves %u slots, not %u", i, serves[i], share);
	}
	return true;
}

/*
 * Deaths, returns and ends of grace, one after the other and overlapping: the
 * living always share all slots evenly, and by a death only those of the dead
 * move. With others dead, the end of one's grace may move some of its flows
 * again: they are shared anew among the others' stand-ins.
 */
static bool overlapping_deaths_keep_the_living_even(void)
{
	bool was_dead[NR_INDEXES], dead[NR_INDEXES];
	struct chring_member *member;
	u32 i, step, slot, moved;
	struct service *service;
	bool ok = true;
	u16 index;

	for (i = 0; ok && i < 300; i++) {
		service = random_service(8 + random_below(&random_state, 5), 4, 16, 1);
		for (step = 0; ok && step < 20 && service->f->nr_members > 2; step++) {
			note_dead(service, was_dead);
			member = any_member(service);
			index = member->index;
			if (!member->dead && nr_living(service) == 1)
				continue;
			if (member->dead && random_below(&random_state, 2))
				leave(service, member);
			else
				member->dead = !member->dead;
			service_publish(service);
			note_dead(service, dead);
			moved = 0;
			for (slot = 0; slot < 1U << service->order; slot++) {
				u16 from = server(&service->before, was_dead, slot);
				u16 to = server(&service->slots, dead, slot);

				moved += from != to && from != index && to != index;
			}
			ok = check_dues(service) && check_servers(service, dead);
			CHECK(!dead[index] || !moved, "%u moved by a death", moved);
		}
		service_free(service);
	}
	return ok;
}

/* Several at once: nobody both gives and gets, and each gets its due */
static bool several_changes_are_one(void)
{
	struct service *service;
	bool ok = true;
	u32 i, step, k;

	for (i = 0; ok && i < 300; i++) {
		service = random_service(4 + random_below(&random_state, 9), 2, 24, 8);
		for (step = 0; ok && step < 10; step++) {
			for (k = 0; k < 4; k++)
				random_change(service, 24, 4, 8);
			service_publish(service);
			ok = check_dues(service) && check_one_way(service) &&
			     check_standins(service, false);
		}
		service_free(service);
	}
	return ok;
}

/* One that takes the place of another, and even its index, takes its slots */
static bool successor_takes_over_what_it_replaces(void)
{
	struct chring_member *gone, *successor;
	struct service *service;
	char name[16];
	u32 i, slot;

	for (i = 0; i < 100; i++) {
		service = random_service(10, 2, 16, 1);
		gone = any_member(service);
		snprintf(name, sizeof(name), "s%u", i);
		successor = member_new(name, i % 2 ? gone->index : NR_INDEXES - 1,
				       gone->nr_vnodes);
		fixture_insert(service->f, successor);
		fixture_remove(service->f, gone);
		service_publish(service);
		for (slot = 0; slot < 1 << 10; slot++) {
			u16 from = service->before.owner[slot];
			u16 to = service->slots.owner[slot];

			CHECK(to == (from == gone->index ? successor->index : from),
			      "slot %u of %u to %u", slot, from, to);
		}
		member_free(gone);
		service_free(service);
	}
	return true;
}

static bool check_all_slots(const u16 *slots, u16 index)
{
	u32 slot;

	for (slot = 0; slot < 1 << 8; slot++)
		CHECK(slots[slot] == index, "slot %u: %u", slot, slots[slot]);
	return true;
}

static bool with_nobody_left_nobody_serves(bool even)
{
	struct service *service = service_new(8);
	struct chring_slots *slots = &service->slots;
	struct chring_member *a, *b;
	struct chring_slots nobody = slots_new(8);
	bool ok;

	service->even = even;
	service_plan(service, &nobody);
	ok = check_all_slots(nobody.owner, CHRING_NO_MEMBER) &&
	     check_all_slots(nobody.standin, CHRING_NO_MEMBER);

	a = join(service, 40);
	service_publish(service);
	ok = ok && check_all_slots(slots->owner, a->index) &&
	     check_all_slots(slots->standin, a->index);

	/* The dead one has its own, and the other stands in for both */
	b = join(service, 40);
	service_publish(service);
	a->dead = true;
	service_publish(service);
	ok = ok && !memcmp(slots->owner, service->before.owner, sizeof(u16) << 8) &&
	     check_all_slots(slots->standin, b->index);
	b->dead = true;
	service_publish(service);
	ok = ok && !memcmp(slots->owner, service->before.owner, sizeof(u16) << 8) &&
	     !memcmp(slots->owner, slots->standin, sizeof(u16) << 8);

	leave(service, b);
	service_publish(service);
	ok = ok && check_all_slots(slots->owner, a->index);
	leave(service, a);
	service_plan(service, &nobody);
	ok = ok && check_all_slots(nobody.owner, CHRING_NO_MEMBER);
	slots_free(&nobody);
	service_free(service);
	return ok;
}

static bool few_or_none_alive(void)
{
	return with_nobody_left_nobody_serves(true) &&
	       with_nobody_left_nobody_serves(false);
}

/* The same members, named in another order and with other indices */
static bool first_table_depends_on_names_alone(void)
{
	struct fixture *f, *g;
	struct chring_balancer *balance = chring_balancer_alloc(12, 64);
	struct chring_slots a = slots_new(12), b = slots_new(12);
	u32 i, k, slot;
	char name[16];

	for (i = 0; i < 20; i++) {
		f = fixture_new();
		g = fixture_new();
		chring_ring_init(&g->ring, &f->seed);
		for (k = 0; k < 13; k++) {
			snprintf(name, sizeof(name), "r%u", k);
			fixture_insert(f, member_new(name, k, 5 * (1 + k % 3)));
			snprintf(name, sizeof(name), "r%u", 12 - k);
			fixture_insert(g, member_new(name, 50 - k, 5 * (1 + (12 - k) % 3)));
		}
		chring_balance_even(balance, &f->ring, NULL, &a);
		chring_balance_even(balance, &g->ring, NULL, &b);
		/* Index 38 + k stands for k */
		for (slot = 0; slot < 1 << 12; slot++)
			CHECK(b.owner[slot] == 38 + a.owner[slot] &&
			      b.standin[slot] == 38 + a.standin[slot],
			      "slot %u: %u and %u", slot, a.owner[slot],
			      b.owner[slot]);
		fixture_free(f);
		fixture_free(g);
	}
	slots_free(&a);
	slots_free(&b);
	chring_balancer_free(balance);
	return true;
}

/* A table that no balance had a part in: as much as can be stays as it was */
static bool from_ring_to_even_moves_the_excess_only(void)
{
	u32 i, k, slot, moved, excess;
	struct service *service;

	for (i = 0; i < 100; i++) {
		service = service_new(12);
		service->even = false;
		for (k = 0; k < 9; k++)
			join(service, 20 * (1 + random_below(&random_state, 3)));
		service_publish(service);
		service->even = true;
		service_publish(service);
		for (slot = 0, moved = 0; slot < 1 << 12; slot++)
			moved += service->before.owner[slot] != service->slots.owner[slot];
		for (k = 0, excess = 0; k < NR_INDEXES; k++) {
			if (service->had[k] > service->has[k])
				excess += service->had[k] - service->has[k];
		}
		CHECK(moved && moved == excess, "%u moved, %u were too many", moved,
		      excess);
		if (!check_dues(service) || !check_one_way(service))
			return false;
		service_free(service);
	}
	return true;
}

/* Balance "ring": as if the owner, and all others that are dead, were not there */
static bool on_the_ring_stand_ins_live(void)
{
	struct chring_slots slots = slots_new(9), without = slots_new(9);
	struct chring_member *living[NR_INDEXES], *member;
	struct service *service;
	u32 i, k, slot, nr, of;

	for (i = 0; i < 200; i++) {
		service = service_new(9);
		service->even = false;
		for (k = 0; k < 8; k++)
			join(service, 1 + random_below(&random_state, 40))->dead =
				random_below(&random_state, 2);
		join(service, 10);
		join(service, 10);
		service_plan(service, &slots);

		/* Without the dead, and without one of the living at a time */
		for (k = 0, nr = 0; k < service->f->nr_members; k++) {
			if (!service->f->members[k]->dead)
				living[nr++] = service->f->members[k];
		}
		for (k = service->f->nr_members; k--; ) {
			if (service->f->members[k]->dead)
				leave(service, service->f->members[k]);
		}
		service_plan(service, &without);
		for (slot = 0; slot < 1 << 9; slot++) {
			member = find(service, slots.owner[slot]);
			CHECK(slots.standin[slot] == (member ? without.standin[slot] :
						      without.owner[slot]),
			      "slot %u of the %s", slot, member ? "living" : "dead");
		}
		for (of = 0; of < nr; of++) {
			fixture_remove(service->f, living[of]);
			service_plan(service, &without);
			for (slot = 0; slot < 1 << 9; slot++)
				CHECK(slots.owner[slot] != living[of]->index ||
				      slots.standin[slot] == without.owner[slot],
				      "slot %u", slot);
			fixture_insert(service->f, living[of]);
		}
		service_free(service);
	}
	slots_free(&slots);
	slots_free(&without);
	return true;
}

static const struct test tests[] = {
	TEST(equal_weights_never_move_slots_among_those_that_stay),
	TEST(any_weights_move_only_what_they_must),
	TEST(flows_of_the_dead_move_once_and_come_back),
	TEST(overlapping_deaths_keep_the_living_even),
	TEST(several_changes_are_one),
	TEST(successor_takes_over_what_it_replaces),
	TEST(few_or_none_alive),
	TEST(first_table_depends_on_names_alone),
	TEST(from_ring_to_even_moves_the_excess_only),
	TEST(on_the_ring_stand_ins_live),
};

int main(int argc, char **argv)
{
	return run_tests(tests, ARRAY_SIZE(tests), argc, argv);
}
