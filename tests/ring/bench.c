// SPDX-License-Identifier: GPL-2.0
/*
 * What a ring costs, and how evenly it shares.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <linux/slab.h>

#include "ring.h"

#define TABLE_ORDER 14
#define NR_SLOTS 16384
#define MAX_MEMBERS 1000

static struct chring_member members[MAX_MEMBERS];
static char names[MAX_MEMBERS][16];
static u16 owner[NR_SLOTS], standin[NR_SLOTS];

static double now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e6 + now.tv_nsec / 1e3;
}

static void make_members(u32 nr_members, u32 nr_vnodes)
{
	u32 i;

	for (i = 0; i < nr_members; i++) {
		snprintf(names[i], sizeof(names[i]), "replica-%u", i);
		members[i].name = names[i];
		members[i].index = i;
		members[i].nr_vnodes = nr_vnodes;
		members[i].vnodes = chring_vnodes_alloc(nr_vnodes);
		if (!members[i].vnodes)
			abort();
	}
}

static void free_members(u32 nr_members)
{
	u32 i;

	for (i = 0; i < nr_members; i++)
		kvfree(members[i].vnodes);
}

static int compare_doubles(const void *a, const void *b)
{
	return (*(double *)a > *(double *)b) - (*(double *)a < *(double *)b);
}

/* Medians: a busy host makes single runs longer, never shorter */
static double median(double *values, u32 nr)
{
	qsort(values, nr, sizeof(*values), compare_doubles);
	return values[nr / 2];
}

static void bench_cost(u32 nr_members, u32 nr_vnodes)
{
	const siphash_key_t seed = { { 1, 2 } };
	double fill[51], insert[51], remove[51];
	struct chring_ring ring;
	double start;
	u32 i;

	make_members(nr_members, nr_vnodes);
	chring_ring_init(&ring, &seed);
	for (i = 0; i < nr_members; i++)
		chring_ring_insert(&ring, &members[i]);

	for (i = 0; i < 51; i++) {
		struct chring_member *member = &members[i % nr_members];

		start = now_us();
		chring_ring_remove(&ring, member);
		remove[i] = now_us() - start;
		start = now_us();
		chring_ring_insert(&ring, member);
		insert[i] = now_us() - start;
		start = now_us();
		chring_ring_fill(&ring, TABLE_ORDER, owner, standin);
		fill[i] = now_us() - start;
	}
	printf("%5u x %-5u  fill %9.1f us  insert %8.1f us  remove %8.1f us\n",
	       nr_members, nr_vnodes, median(fill, 51), median(insert, 51),
	       median(remove, 51));
	free_members(nr_members);
}

static void bench_balance(u32 nr_members, u32 nr_vnodes, u32 nr_seeds)
{
	double sum = 0, worst = 0;
	struct chring_ring ring;
	u32 seed_nr, i;

	make_members(nr_members, nr_vnodes);
	for (seed_nr = 0; seed_nr < nr_seeds; seed_nr++) {
		const siphash_key_t seed = { { seed_nr, 0 } };
		u32 slots[MAX_MEMBERS] = { 0 };
		double peak = 0;

		chring_ring_init(&ring, &seed);
		for (i = 0; i < nr_members; i++)
			chring_ring_insert(&ring, &members[i]);
		chring_ring_fill(&ring, TABLE_ORDER, owner, standin);
		for (i = 0; i < NR_SLOTS; i++)
			slots[owner[i]]++;
		for (i = 0; i < nr_members; i++)
			peak = fmax(peak, (double)slots[i] * nr_members / NR_SLOTS);
		sum += peak;
		worst = fmax(worst, peak);
	}
	printf("%5u x %-5u  peak/mean %.3f  worst of %u seeds %.3f\n",
	       nr_members, nr_vnodes, sum / nr_seeds, nr_seeds, worst);
	free_members(nr_members);
}

int main(void)
{
	printf("Cost of members x points each into %u slots\n", NR_SLOTS);
	printf("(medians of 51; insert and remove are of one member)\n");
	bench_cost(8, 160);
	bench_cost(100, 160);
	bench_cost(1000, 160);
	bench_cost(1000, 1024);
	printf("Balance of members x points each\n");
	bench_balance(8, 100, 1000);
	bench_balance(8, CHRING_POINTS_PER_WEIGHT, 1000);
	bench_balance(8, 1024, 1000);
	return 0;
}
