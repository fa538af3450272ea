// SPDX-License-Identifier: GPL-2.0
/*
 * The checker of histories: it passes histories that are good, made here by a
 * lock that is nothing but an array, and finds what is planted in them. Needs no
 * module.
 */
#include <errno.h>
#include <linux/chring_lock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "history.h"
#include "kselftest_harness.h"

#define MS 1000000ULL
#define MAX_OPERATIONS 4096

FIXTURE(history)
{
	struct operation operations[MAX_OPERATIONS];
	struct history history;
	struct findings findings;
};

FIXTURE_SETUP(history)
{
	self->history.operations = self->operations;
	self->history.is_fifo = true;
	self->history.bound = 50 * MS;
	self->history.ended = 1000 * MS;
}

FIXTURE_TEARDOWN(history)
{
}

/* Times are in ms, 0 for never. */
static struct operation *add(struct _test_data_history *self,
			     enum operation_kind kind, int actor,
			     unsigned long long called, unsigned long long returned)
{
	struct operation *operation;

	operation = &self->operations[self->history.count++];
	operation->kind = kind;
	operation->actor = actor;
	operation->called = called * MS;
	operation->returned = returned * MS;
	return operation;
}

static struct operation *acquire(struct _test_data_history *self, int actor,
				 unsigned long long token, unsigned long long called,
				 unsigned long long returned)
{
	struct operation *operation;

	operation = add(self, OPERATION_ACQUIRE, actor, called, returned);
	operation->token = token;
	return operation;
}

static struct operation *release(struct _test_data_history *self, int actor,
				 unsigned long long token, unsigned long long called,
				 unsigned long long returned)
{
	struct operation *operation;

	operation = add(self, OPERATION_RELEASE, actor, called, returned);
	operation->token = token;
	return operation;
}

static void told(struct operation *operation, int news, unsigned long long dead_token)
{
	operation->result = news;
	operation->dead_token = dead_token;
}

static bool check(struct _test_data_history *self)
{
	return history_check(&self->history, &self->findings);
}

#define EXPECT_GOOD()							\
	EXPECT_STREQ("", (check(self), self->findings.violation))

#define EXPECT_FOUND(what)						\
do {									\
	EXPECT_FALSE(check(self));					\
	EXPECT_NE(NULL, strstr(self->findings.violation, what))		\
		TH_LOG("found: %s", self->findings.violation);		\
} while (0)

/* ---- exclusion */

TEST_F(history, holds_one_after_the_other_are_good)
{
	acquire(self, 1, 10, 1, 2);
	release(self, 1, 10, 8, 10);
	acquire(self, 2, 11, 3, 9);
	release(self, 2, 11, 20, 21);
	EXPECT_GOOD();
	EXPECT_EQ(2, self->findings.holds);
}

TEST_F(history, two_holds_at_once_are_found)
{
	acquire(self, 1, 10, 1, 2);
	release(self, 1, 10, 8, 10);
	acquire(self, 2, 11, 3, 7);
	release(self, 2, 11, 20, 21);
	EXPECT_FOUND("held it as well");
}

TEST_F(history, a_hold_that_never_ends_excludes_all_others)
{
	acquire(self, 1, 10, 1, 2);
	acquire(self, 2, 11, 30, 31);
	EXPECT_FOUND("held it as well");
}

TEST_F(history, a_holder_that_is_killed_has_it_until_then)
{
	acquire(self, 1, 10, 1, 2);
	add(self, OPERATION_KILL, 1, 30, 40);
	told(acquire(self, 2, 11, 20, 29), CHRING_NEWS_OWNER_DIED, 10);
	EXPECT_FOUND("held it as well");
}

/* ---- tokens */

TEST_F(history, a_token_that_is_given_twice_is_found)
{
	acquire(self, 1, 10, 1, 2);
	release(self, 1, 10, 3, 4);
	acquire(self, 2, 10, 5, 6);
	EXPECT_FOUND("same token");
}

TEST_F(history, a_token_that_is_smaller_than_one_before_is_found)
{
	acquire(self, 1, 10, 1, 2);
	release(self, 1, 10, 3, 4);
	acquire(self, 2, 9, 5, 6);
	release(self, 2, 9, 7, 8);
	EXPECT_FOUND("came before");
}

TEST_F(history, locks_have_nothing_to_do_with_each_other)
{
	acquire(self, 1, 10, 1, 2);
	acquire(self, 2, 10, 1, 2)->lock = 1;
	EXPECT_GOOD();
}

/* ---- losing it */

TEST_F(history, a_hold_that_is_lost_is_found)
{
	acquire(self, 1, 10, 1, 2);
	release(self, 1, 10, 8, 10)->result = -ESTALE;
	EXPECT_FOUND("lost");
}

TEST_F(history, a_hold_that_was_broken_may_be_lost)
{
	acquire(self, 1, 10, 1, 2);
	add(self, OPERATION_BREAK, 3, 4, 5);
	told(acquire(self, 2, 11, 3, 5), CHRING_NEWS_BROKEN, 10);
	release(self, 1, 10, 8, 10)->result = -ESTALE;
	EXPECT_GOOD();
}

TEST_F(history, a_hold_whose_lease_is_over_may_be_lost)
{
	self->history.lease = 20 * MS;
	acquire(self, 1, 10, 1, 2);
	told(acquire(self, 2, 11, 10, 31), CHRING_NEWS_EXPIRED, 10);
	release(self, 1, 10, 35, 36)->result = -ESTALE;
	release(self, 2, 11, 37, 38);
	EXPECT_GOOD();
	EXPECT_EQ(1, self->findings.expired);
}

TEST_F(history, a_holder_whose_lease_is_over_may_die_untold)
{
	self->history.lease = 20 * MS;
	acquire(self, 1, 10, 1, 2);
	told(acquire(self, 2, 11, 10, 31), CHRING_NEWS_EXPIRED, 10);
	add(self, OPERATION_KILL, 1, 33, 40);
	EXPECT_GOOD();
}

TEST_F(history, a_hold_may_be_lost_before_it_is_known)
{
	self->history.lease = 20 * MS;
	acquire(self, 1, 10, 1, 40);
	told(acquire(self, 2, 11, 2, 30), CHRING_NEWS_EXPIRED, 10);
	release(self, 2, 11, 31, 32);
	release(self, 1, 10, 41, 42)->result = -ESTALE;
	EXPECT_GOOD();
}

TEST_F(history, a_lease_that_ends_early_is_found)
{
	self->history.lease = 20 * MS;
	acquire(self, 1, 10, 1, 2);
	told(acquire(self, 2, 11, 10, 29), CHRING_NEWS_EXPIRED, 10);
	release(self, 1, 10, 35, 36)->result = -ESTALE;
	EXPECT_FOUND("held it as well");
}

TEST_F(history, a_lease_that_ends_though_nobody_waits_is_found)
{
	self->history.lease = 20 * MS;
	acquire(self, 1, 10, 1, 2);
	release(self, 1, 10, 35, 36)->result = -ESTALE;
	EXPECT_FOUND("lost");
}

/* ---- news */

TEST_F(history, the_next_holder_is_told_of_a_death)
{
	acquire(self, 1, 10, 1, 2);
	add(self, OPERATION_KILL, 1, 30, 40);
	told(acquire(self, 2, 11, 20, 35), CHRING_NEWS_OWNER_DIED, 10);
	EXPECT_GOOD();
	EXPECT_EQ(1, self->findings.deaths);
}

TEST_F(history, a_death_that_is_not_told_is_found)
{
	acquire(self, 1, 10, 1, 2);
	add(self, OPERATION_KILL, 1, 30, 40);
	acquire(self, 2, 11, 20, 35);
	EXPECT_FOUND("not told");
}

TEST_F(history, a_death_that_is_told_twice_is_found)
{
	acquire(self, 1, 10, 1, 2);
	add(self, OPERATION_KILL, 1, 30, 40);
	told(acquire(self, 2, 11, 20, 35), CHRING_NEWS_OWNER_DIED, 10);
	release(self, 2, 11, 36, 37);
	told(acquire(self, 3, 12, 38, 39), CHRING_NEWS_OWNER_DIED, 10);
	EXPECT_FOUND("not the last one");
}

TEST_F(history, a_death_that_did_not_happen_is_found)
{
	acquire(self, 1, 10, 1, 2);
	release(self, 1, 10, 3, 4);
	told(acquire(self, 2, 11, 5, 6), CHRING_NEWS_OWNER_DIED, 10);
	EXPECT_FOUND("which it did not");
}

TEST_F(history, a_dead_token_that_was_nobodys_is_found)
{
	acquire(self, 1, 10, 1, 2);
	release(self, 1, 10, 3, 4);
	told(acquire(self, 2, 12, 5, 6), CHRING_NEWS_OWNER_DIED, 11);
	EXPECT_FOUND("which was nobody's");
}

TEST_F(history, who_dies_acquiring_may_have_held_it_or_not)
{
	acquire(self, 1, 0, 1, 0);
	add(self, OPERATION_KILL, 1, 2, 3);
	acquire(self, 4, 0, 1, 0);
	add(self, OPERATION_KILL, 4, 4, 5);
	told(acquire(self, 2, 12, 5, 6), CHRING_NEWS_OWNER_DIED, 11);
	release(self, 2, 12, 7, 8);
	acquire(self, 3, 13, 9, 10);
	EXPECT_GOOD();
}

TEST_F(history, who_dies_releasing_may_have_held_it_or_not)
{
	acquire(self, 1, 10, 1, 2);
	release(self, 1, 10, 3, 0);
	add(self, OPERATION_KILL, 1, 4, 5);
	told(acquire(self, 2, 11, 6, 7), CHRING_NEWS_OWNER_DIED, 10);
	release(self, 2, 11, 8, 0);
	add(self, OPERATION_KILL, 2, 9, 10);
	acquire(self, 3, 12, 11, 12);
	EXPECT_GOOD();
}

/* ---- order */

/* Actor 1 holds it, 2 waits and is counted, and then 3 asks for it. */
static void queue_up(struct _test_data_history *self, int counted)
{
	acquire(self, 1, 10, 1, 2);
	add(self, OPERATION_STAT, 9, 5, 6)->result = counted;
	release(self, 1, 10, 20, 21);
}

TEST_F(history, who_is_overtaken_is_found)
{
	queue_up(self, 1);
	acquire(self, 3, 11, 7, 21);
	release(self, 3, 11, 22, 23);
	acquire(self, 2, 12, 4, 24);
	EXPECT_FOUND("asked at 7000000");
}

TEST_F(history, who_is_served_in_turn_is_not)
{
	queue_up(self, 1);
	acquire(self, 2, 11, 4, 21);
	release(self, 2, 11, 22, 23);
	acquire(self, 3, 12, 7, 24);
	EXPECT_GOOD();
	EXPECT_EQ(1, self->findings.ordered);
}

TEST_F(history, who_may_not_have_waited_yet_may_be_overtaken)
{
	queue_up(self, 0);
	acquire(self, 3, 11, 7, 21);
	release(self, 3, 11, 22, 23);
	acquire(self, 2, 12, 4, 24);
	EXPECT_GOOD();
	EXPECT_EQ(0, self->findings.ordered);
}

TEST_F(history, who_gives_up_may_be_overtaken)
{
	queue_up(self, 1);
	acquire(self, 3, 11, 7, 21);
	acquire(self, 2, 0, 4, 22)->result = -ETIMEDOUT;
	EXPECT_GOOD();
}

TEST_F(history, an_adaptive_lock_keeps_no_order)
{
	self->history.is_fifo = false;
	queue_up(self, 1);
	acquire(self, 3, 11, 7, 21);
	release(self, 3, 11, 22, 23);
	acquire(self, 2, 12, 4, 24);
	EXPECT_GOOD();
}

/* ---- wake-ups */

TEST_F(history, who_waits_while_it_is_free_is_found)
{
	acquire(self, 1, 10, 1, 2);
	release(self, 1, 10, 8, 10);
	acquire(self, 2, 11, 3, 61);
	EXPECT_FOUND("waited for 51 ms");
}

TEST_F(history, who_gives_up_while_it_is_free_is_found)
{
	acquire(self, 1, 10, 1, 2);
	release(self, 1, 10, 8, 10);
	acquire(self, 2, 0, 3, 61)->result = -ETIMEDOUT;
	acquire(self, 3, 11, 80, 81);
	EXPECT_FOUND("waited for 51 ms");
}

TEST_F(history, who_never_comes_back_while_it_is_free_is_found)
{
	acquire(self, 1, 10, 1, 2);
	release(self, 1, 10, 8, 10);
	acquire(self, 2, 0, 3, 0);
	EXPECT_FOUND("waited for 990 ms");
}

TEST_F(history, a_wake_up_may_take_until_the_bound)
{
	acquire(self, 1, 10, 1, 2);
	release(self, 1, 10, 8, 10);
	acquire(self, 2, 11, 3, 60);
	EXPECT_GOOD();
	EXPECT_EQ(50 * MS, self->findings.longest);
}

TEST_F(history, the_lock_of_a_dead_holder_is_free_once_it_is_gone)
{
	acquire(self, 1, 10, 1, 2);
	add(self, OPERATION_KILL, 1, 30, 40);
	told(acquire(self, 2, 11, 20, 91), CHRING_NEWS_OWNER_DIED, 10);
	EXPECT_FOUND("waited for 51 ms");
}

TEST_F(history, a_lock_that_may_be_held_by_a_dying_one_is_not_free)
{
	acquire(self, 1, 10, 1, 2);
	release(self, 1, 10, 8, 10);
	acquire(self, 3, 0, 3, 0);
	add(self, OPERATION_KILL, 3, 50, 60);
	told(acquire(self, 2, 12, 3, 70), CHRING_NEWS_OWNER_DIED, 11);
	EXPECT_GOOD();
}

/* ---- several at once */

static void share(struct operation *operation)
{
	operation->is_shared = true;
}

TEST_F(history, those_who_share_it_may_hold_it_at_once)
{
	share(acquire(self, 1, 10, 1, 2));
	share(acquire(self, 2, 11, 2, 3));
	release(self, 1, 10, 8, 9);
	release(self, 2, 11, 8, 9);
	acquire(self, 3, 12, 4, 10);
	EXPECT_GOOD();
	EXPECT_EQ(3, self->findings.holds);
}

TEST_F(history, one_alone_beside_one_that_shares_it_is_found)
{
	share(acquire(self, 1, 10, 1, 2));
	share(acquire(self, 2, 11, 2, 3));
	release(self, 2, 11, 4, 5);
	release(self, 1, 10, 8, 9);
	acquire(self, 3, 12, 4, 7);
	EXPECT_FOUND("held it as well");
}

TEST_F(history, one_that_shares_it_beside_one_alone_is_found)
{
	acquire(self, 1, 10, 1, 2);
	release(self, 1, 10, 8, 9);
	share(acquire(self, 2, 11, 2, 9));
	share(acquire(self, 3, 12, 2, 7));
	EXPECT_FOUND("held it as well");
}

TEST_F(history, tokens_of_those_who_share_it_rise)
{
	share(acquire(self, 1, 11, 1, 2));
	share(acquire(self, 2, 10, 3, 4));
	EXPECT_FOUND("came before");
}

TEST_F(history, who_dies_sharing_it_is_no_news)
{
	share(acquire(self, 1, 10, 1, 2));
	add(self, OPERATION_KILL, 1, 30, 31);
	acquire(self, 2, 11, 20, 35);
	EXPECT_GOOD();
}

TEST_F(history, death_of_one_that_shared_it_that_is_told_is_found)
{
	share(acquire(self, 1, 10, 1, 2));
	add(self, OPERATION_KILL, 1, 30, 31);
	told(acquire(self, 2, 11, 20, 35), CHRING_NEWS_OWNER_DIED, 10);
	EXPECT_FOUND("only shared it");
}

TEST_F(history, who_shares_it_next_is_told_of_a_death)
{
	acquire(self, 1, 10, 1, 2);
	add(self, OPERATION_KILL, 1, 30, 31);
	share(acquire(self, 2, 11, 20, 35));
	EXPECT_FOUND("not told");
}

TEST_F(history, who_waits_to_share_what_nobody_holds_is_found)
{
	share(acquire(self, 1, 10, 1, 2));
	share(acquire(self, 2, 11, 1, 2));
	release(self, 2, 11, 4, 5);
	release(self, 1, 10, 8, 10);
	share(acquire(self, 3, 12, 3, 61));
	EXPECT_FOUND("waited for 51 ms");
}

TEST_F(history, who_wants_it_alone_and_is_overtaken_by_one_that_shares_is_found)
{
	share(acquire(self, 1, 10, 1, 2));
	add(self, OPERATION_STAT, 9, 5, 6)->result = 1;
	share(acquire(self, 3, 11, 7, 8));
	release(self, 1, 10, 20, 21);
	release(self, 3, 11, 20, 21);
	acquire(self, 2, 12, 4, 24);
	EXPECT_FOUND("asked at 7000000");
}

TEST_F(history, as_many_as_there_are_slots_is_good_and_one_more_is_found)
{
	self->history.slots = 2;
	acquire(self, 1, 10, 1, 2);
	acquire(self, 2, 11, 1, 2);
	release(self, 1, 10, 8, 9);
	acquire(self, 3, 12, 1, 8);
	EXPECT_GOOD();
	self->history.slots = 1;
	EXPECT_FOUND("there were 2");
}

TEST_F(history, slot_that_a_dead_one_still_has_is_not_given)
{
	self->history.slots = 2;
	acquire(self, 1, 10, 1, 2);
	acquire(self, 2, 11, 1, 2);
	add(self, OPERATION_KILL, 1, 30, 40);
	told(acquire(self, 3, 12, 3, 20), CHRING_NEWS_OWNER_DIED, 10);
	EXPECT_FOUND("there were 3");
}

TEST_F(history, two_slots_for_one_that_died_are_found)
{
	self->history.slots = 2;
	acquire(self, 1, 10, 1, 2);
	acquire(self, 2, 11, 1, 2);
	add(self, OPERATION_KILL, 1, 30, 40);
	told(acquire(self, 3, 12, 3, 41), CHRING_NEWS_OWNER_DIED, 10);
	EXPECT_GOOD();
	EXPECT_EQ(1, self->findings.deaths);
	acquire(self, 4, 13, 4, 42);
	EXPECT_FOUND("there were 3");
}

TEST_F(history, death_with_a_slot_that_is_not_told_is_found)
{
	self->history.slots = 2;
	acquire(self, 1, 10, 1, 2);
	acquire(self, 2, 11, 1, 2);
	add(self, OPERATION_KILL, 1, 30, 40);
	acquire(self, 3, 12, 41, 42);
	EXPECT_FOUND("not told");
}

TEST_F(history, death_with_a_slot_that_is_told_twice_is_found)
{
	self->history.slots = 2;
	acquire(self, 1, 10, 1, 2);
	add(self, OPERATION_KILL, 1, 30, 40);
	told(acquire(self, 2, 12, 3, 41), CHRING_NEWS_OWNER_DIED, 10);
	told(acquire(self, 3, 13, 3, 42), CHRING_NEWS_OWNER_DIED, 10);
	EXPECT_FOUND("as was actor 2");
}

TEST_F(history, slot_that_nobody_gets_is_found)
{
	self->history.slots = 2;
	acquire(self, 1, 10, 1, 2);
	acquire(self, 2, 11, 1, 2);
	release(self, 2, 11, 8, 10);
	acquire(self, 3, 12, 3, 61);
	EXPECT_FOUND("waited for 51 ms after there was room");
}

TEST_F(history, slot_that_nobody_gets_from_the_start_is_found)
{
	self->history.slots = 2;
	acquire(self, 1, 10, 1, 2);
	acquire(self, 2, 11, 3, 61);
	EXPECT_FOUND("waited for 58 ms after there was room");
}

/* ---- longer ones, made by a lock that is right */

#define ACTORS 8

/* What it is for: one alone, those who share it, or who have a slot of it. */
enum kind { EXCLUSIVE, MIXED, SLOTS };

#define SLOT_COUNT 3

/* A lock in order of arrival, and its actors; all in ms. */
struct simulation {
	enum kind kind;
	unsigned long long now, token, dead_token;
	int holders;
	bool is_alone;
	bool holds[ACTORS];
	int queue[ACTORS], queued;
	int id[ACTORS];
	struct operation *acquire[ACTORS];
};

static bool fits(const struct simulation *simulation, int actor)
{
	if (!simulation->holders)
		return true;
	if (simulation->kind == SLOTS)
		return simulation->holders < SLOT_COUNT;
	return !simulation->is_alone && simulation->acquire[actor]->is_shared;
}

static void serve(struct simulation *simulation)
{
	int next = simulation->queue[0];

	simulation->queued--;
	memmove(simulation->queue, simulation->queue + 1,
		simulation->queued * sizeof(*simulation->queue));
	simulation->holds[next] = true;
	simulation->holders++;
	simulation->is_alone = !simulation->acquire[next]->is_shared;
	simulation->acquire[next]->returned = (simulation->now + 1) * MS;
	simulation->acquire[next]->token = ++simulation->token;
	if (simulation->dead_token)
		told(simulation->acquire[next], CHRING_NEWS_OWNER_DIED,
		     simulation->dead_token);
	simulation->dead_token = 0;
}

static void serve_all(struct simulation *simulation)
{
	while (simulation->queued && fits(simulation, simulation->queue[0]))
		serve(simulation);
}

static void ask_for_it(struct _test_data_history *self,
		       struct simulation *simulation, int actor, bool is_shared)
{
	simulation->acquire[actor] = acquire(self, simulation->id[actor], 0,
					     simulation->now, 0);
	simulation->acquire[actor]->is_shared = is_shared;
	simulation->queue[simulation->queued++] = actor;
	serve_all(simulation);
}

static void let_go(struct _test_data_history *self,
		   struct simulation *simulation, int actor, bool dies)
{
	const struct operation *acquired = simulation->acquire[actor];

	if (dies) {
		add(self, OPERATION_KILL, simulation->id[actor],
		    simulation->now, simulation->now + 1);
		simulation->id[actor] += ACTORS;
		if (!acquired->is_shared)
			simulation->dead_token = acquired->token;
	} else {
		release(self, simulation->id[actor], acquired->token,
			simulation->now, simulation->now + 1);
	}
	simulation->acquire[actor] = NULL;
	simulation->holds[actor] = false;
	simulation->holders--;
	serve_all(simulation);
}

/* Each step somebody asks, lets go, dies or counts. */
static void simulate(struct _test_data_history *self, enum kind kind,
		     unsigned int seed, int steps)
{
	struct simulation simulation = { .kind = kind, .now = 1 };
	int actor;
	int i;

	self->history.slots = kind == SLOTS ? SLOT_COUNT : 0;
	self->history.count = 0;
	memset(self->operations, 0, sizeof(self->operations));
	for (i = 0; i < ACTORS; i++)
		simulation.id[i] = i + 1;
	for (; steps; steps--, simulation.now += 2) {
		actor = rand_r(&seed) % ACTORS;
		if (!simulation.acquire[actor])
			ask_for_it(self, &simulation, actor,
				   kind == MIXED && rand_r(&seed) % 2);
		else if (simulation.holds[actor])
			let_go(self, &simulation, actor,
			       rand_r(&seed) % 8 == 0);
		else
			add(self, OPERATION_STAT, 0, simulation.now,
			    simulation.now)->result = simulation.queued;
	}
	for (i = 0; simulation.holders; i = (i + 1) % ACTORS) {
		if (!simulation.holds[i])
			continue;
		let_go(self, &simulation, i, false);
		simulation.now += 2;
	}
	self->history.ended = simulation.now * MS;
}

#define SIMULATIONS 200

TEST_F(history, long_good_histories_are_good)
{
	unsigned int seed;

	for (seed = 0; seed < 3 * SIMULATIONS; seed++) {
		simulate(self, seed % 3, seed, 1000);
		ASSERT_TRUE(check(self))
			TH_LOG("seed %u: %s", seed, self->findings.violation);
		EXPECT_LT(50, self->findings.holds);
		EXPECT_LT(0, self->findings.deaths);
		EXPECT_LT(0, self->findings.ordered);
	}
}

/* The @nth operation from the middle on that is an acquisition. */
static struct operation *middle(struct _test_data_history *self, int nth)
{
	struct operation *operation = self->operations + self->history.count / 2;

	while (operation->kind != OPERATION_ACQUIRE || nth--)
		operation++;
	return operation;
}

static void is_held_too_long(struct _test_data_history *self)
{
	middle(self, 0)->returned -= 5 * MS;
}

static void swaps_tokens(struct _test_data_history *self)
{
	struct operation *one = middle(self, 0), *other = middle(self, 1);
	unsigned long long token = one->token;

	one->token = other->token;
	other->token = token;
}

static void repeats_a_token(struct _test_data_history *self)
{
	middle(self, 0)->token = middle(self, 1)->token;
}

static void comes_too_late(struct _test_data_history *self)
{
	struct operation *operation = self->operations;
	struct operation *late = middle(self, 0);

	/* As if all the others had waited for it as well. */
	for (; operation < self->operations + self->history.count; operation++) {
		if (operation == late || operation->called > late->returned)
			operation->called += 100 * MS;
		if (operation == late || operation->returned > late->returned)
			operation->returned += 100 * MS;
	}
	late->called -= 100 * MS;
	late->returned += 100 * MS;
}

static void tells_wrongly(struct _test_data_history *self)
{
	struct operation *operation = middle(self, 0);

	operation->result ^= CHRING_NEWS_OWNER_DIED;
	operation->dead_token = operation->result ? 1 : 0;
}

static void loses_a_hold(struct _test_data_history *self)
{
	struct operation *operation = self->operations + self->history.count / 2;

	while (operation->kind != OPERATION_RELEASE)
		operation++;
	operation->result = -ESTALE;
}

TEST_F(history, one_mistake_in_a_long_history_is_found)
{
	static void (*const plant[])(struct _test_data_history *self) = {
		is_held_too_long, swaps_tokens, repeats_a_token,
		comes_too_late, tells_wrongly, loses_a_hold,
	};
	unsigned int seed;
	size_t i;

	for (seed = 0; seed < SIMULATIONS; seed++) {
		for (i = 0; i < sizeof(plant) / sizeof(*plant); i++) {
			simulate(self, EXCLUSIVE, seed, 1000);
			ASSERT_TRUE(check(self));
			plant[i](self);
			EXPECT_FALSE(check(self))
				TH_LOG("seed %u, plant %zu", seed, i);
		}
	}
}

TEST_F(history, one_mistake_of_several_holders_is_found)
{
	static void (*const plant[])(struct _test_data_history *self) = {
		repeats_a_token, loses_a_hold,
	};
	unsigned int seed;
	size_t i;

	for (seed = 0; seed < SIMULATIONS; seed++) {
		for (i = 0; i < sizeof(plant) / sizeof(*plant); i++) {
			simulate(self, seed % 2 ? MIXED : SLOTS, seed, 1000);
			ASSERT_TRUE(check(self));
			plant[i](self);
			EXPECT_FALSE(check(self))
				TH_LOG("seed %u, plant %zu", seed, i);
		}
		simulate(self, SLOTS, seed, 1000);
		self->history.slots--;
		EXPECT_FALSE(check(self))
			TH_LOG("seed %u, a slot less", seed);
	}
}

TEST_HARNESS_MAIN
