// SPDX-License-Identifier: GPL-2.0
/*
 * What a change costs: a ring edited, a table filled and put in place. And how
 * evenly the balance "ring" shares, by the number of points.
 *
 * usage: ring_bench FILE
 *
 * Writes the costs to FILE as well, as an array of JSON objects. In both "first"
 * is the first table of all members, whose points are on the ring already.
 */

#include <err.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <linux/chring.h>
#include <linux/slab.h>

#include "balance.h"
#include "fixture.h"

#define NR_SLOTS	CHRING_SLOTS_DEFAULT
#define ORDER		__builtin_ctz(NR_SLOTS)
#define NR_ROUNDS	51

/* A change of a service of this size is to take no longer than that, in us */
#define GOAL_MEMBERS	1000
#define GOAL_VNODES	CHRING_VNODES_DEFAULT
#define GOAL_US		5000

/* Of the processor: what else the host does is not counted */
static double now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return now.tv_sec * 1e6 + now.tv_nsec / 1e3;
}

static int compare_doubles(const void *a, const void *b)
{
	return (*(double *)a > *(double *)b) - (*(double *)a < *(double *)b);
}

/* Cold caches make single runs longer, never shorter */
static double median(double *values)
{
	qsort(values, NR_ROUNDS, sizeof(*values), compare_doubles);
	return values[NR_ROUNDS / 2];
}

/* As the module has it: a table is allocated, filled, and takes the other's place */
static void publish(const struct fixture *f, bool even, struct chring_slots *slots)
{
	struct chring_slots after = slots_new(ORDER);
	struct chring_balancer *b;
	u32 i;

	b = chring_balancer_alloc(ORDER, MAX_MEMBERS);
	if (!b)
		abort();
	if (even)
		chring_balance_even(b, &f->ring, slots->owner ? slots : NULL,
				    &after);
	else
		chring_balance_ring(b, &f->ring, &after);
	for (i = 0; i < f->nr_members; i++)
		f->members[i]->nr_filled = f->members[i]->nr_vnodes;
	chring_balancer_free(b);
	slots_free(slots);
	*slots = after;
}

static struct fixture *members_new(u32 nr_members, u32 nr_vnodes)
{
	struct fixture *f = fixture_new();
	char name[16];
	u32 i;

	fixture_keep(f, ORDER);

	for (i = 0; i < nr_members; i++) {
		snprintf(name, sizeof(name), "replica-%u", i);
		fixture_insert(f, member_new(name, i, nr_vnodes));
	}
	return f;
}

static double report(FILE *json, const char *balance, u32 nr_members,
		     u32 nr_vnodes, const char *event, double cost)
{
	printf(" %9.1f", cost);
	fprintf(json, "%s\t{\"balance\": \"%s\", \"replicas\": %u, \"points\": %u, ",
		ftell(json) ? ",\n" : "[\n", balance, nr_members, nr_vnodes);
	fprintf(json, "\"event\": \"%s\", \"microseconds\": %.1f}", event,
		cost);
	return cost;
}

/* Returns what the dearest change took */
static double bench_cost(FILE *json, const char *balance, u32 nr_members,
			 u32 nr_vnodes)
{
	double first, dearest, leave[NR_ROUNDS], join[NR_ROUNDS], death[NR_ROUNDS];
	bool even = balance[0] == 'e';
	struct fixture *f = members_new(nr_members, nr_vnodes);
	struct chring_slots slots = { 0 };
	double start;
	u32 i;

	start = now_us();
	publish(f, even, &slots);
	first = now_us() - start;

	for (i = 0; i < NR_ROUNDS; i++) {
		struct chring_member *member = f->members[i % nr_members];

		start = now_us();
		member->dead = true;
		publish(f, even, &slots);
		death[i] = now_us() - start;
		start = now_us();
		fixture_remove(f, member);
		publish(f, even, &slots);
		leave[i] = now_us() - start;
		member->dead = false;
		member->nr_filled = 0;
		start = now_us();
		fixture_insert(f, member);
		publish(f, even, &slots);
		join[i] = now_us() - start;
	}
	printf("%-4s %5u x %-5u", balance, nr_members, nr_vnodes);
	report(json, balance, nr_members, nr_vnodes, "first", first);
	dearest = report(json, balance, nr_members, nr_vnodes, "join",
			 median(join));
	dearest = fmax(dearest, report(json, balance, nr_members, nr_vnodes,
				       "death", median(death)));
	dearest = fmax(dearest, report(json, balance, nr_members, nr_vnodes,
				       "leave", median(leave)));
	printf("\n");
	slots_free(&slots);
	fixture_free(f);
	return dearest;
}

static void bench_balance(u32 nr_members, u32 nr_vnodes, u32 nr_seeds)
{
	double sum = 0, worst = 0;
	u32 seed, i;

	for (seed = 0; seed < nr_seeds; seed++) {
		struct fixture *f = members_new(nr_members, nr_vnodes);
		struct chring_slots slots = { 0 };
		u32 count[MAX_MEMBERS] = { 0 };
		double peak = 0;

		publish(f, false, &slots);
		for (i = 0; i < NR_SLOTS; i++)
			count[slots.owner[i]]++;
		for (i = 0; i < nr_members; i++)
			peak = fmax(peak, (double)count[i] * nr_members / NR_SLOTS);
		sum += peak;
		worst = fmax(worst, peak);
		slots_free(&slots);
		fixture_free(f);
	}
	printf("%5u x %-5u  peak/mean %.3f  worst of %u seeds %.3f\n",
	       nr_members, nr_vnodes, sum / nr_seeds, nr_seeds, worst);
}

int main(int argc, char **argv)
{
	static const char *const balances[] = { "even", "ring" };
	double dearest = 0;
	FILE *json;
	u32 i;

	json = argc == 2 ? fopen(argv[1], "w") : NULL;
	if (!json)
		err(1, "usage: ring_bench FILE");
	printf("A change of one of so many members x points, in a table of %u slots:\n"
	       "microseconds of processor time, medians of %u\n",
	       NR_SLOTS, NR_ROUNDS);
	printf("                     first      join     death     leave\n");
	for (i = 0; i < 2; i++) {
		bench_cost(json, balances[i], 8, 160);
		bench_cost(json, balances[i], 100, 160);
		dearest = fmax(dearest, bench_cost(json, balances[i],
						   GOAL_MEMBERS, GOAL_VNODES));
		bench_cost(json, balances[i], 1000, 1024);
	}
	fputs("\n]\n", json);
	if (fclose(json))
		err(1, "%s", argv[1]);
	printf("The dearest of %u x %u: %.1f ms (goal: %.1f)\n", GOAL_MEMBERS,
	       GOAL_VNODES, dearest / 1e3, GOAL_US / 1e3);
	printf("How even \"ring\" is, with members x points\n");
	bench_balance(8, 100, 1000);
	bench_balance(8, CHRING_VNODES_DEFAULT, 1000);
	bench_balance(8, 1024, 1000);
	return 0;
}
