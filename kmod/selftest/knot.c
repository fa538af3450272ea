// SPDX-License-Identifier: GPL-2.0
/*
 * Knots of processes that are digits. A word is a wait: whose, and whose locks it
 * is for; '*' where these have slots, of which one would do, and '<' before those
 * who are earlier in the queue. With '+' a holder has it anew, and with '!' the
 * wait is another one.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": knot self-test: " fmt

#include <linux/init.h>
#include <linux/printk.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "../knot.h"
#include "selftest.h"

/**
 * struct drawing - who waits for whom
 * @name: what it shows
 * @waits: the waits, those of one process next to each other
 * @later: the same at the second look; NULL where nothing has changed
 * @cycle: the cycle that is found; "-" where the first process is stuck, but in
 *	none; NULL where it can go on
 */
struct drawing {
	const char *name;
	const char *waits;
	const char *later;
	const char *cycle;
};

static const struct drawing drawings[] __initconst = {
	{ "itself", "00", NULL, "0" },
	{ "two", "01 10", NULL, "01" },
	{ "three", "01 12 20", NULL, "012" },
	{ "a chain", "01 12" },
	{ "behind a cycle", "01 12 21", NULL, "-" },
	{ "the shorter of two", "012 13 20 30", NULL, "02" },
	{ "a thread that can go on", "01 10 12" },
	{ "each thread waits for the other's", "00 00", NULL, "0" },
	{ "each thread in a cycle", "01 10 12 20", NULL, "01" },
	{ "one of two who share", "012 20", NULL, "02" },
	{ "one of two who have slots", "012* 20" },
	{ "both of two who have slots", "012* 10 20", NULL, "01" },
	{ "behind who waits for it", "0<1 10", NULL, "01" },
	{ "behind who waits for another", "0<1 12" },
	{ "in turn, and slots that may be free", "012*<3 20 30", NULL, "03" },

	{ "later, it was let go and taken", "01 10", "01+ 10" },
	{ "later, it waits anew", "01 10", "01 1!0" },
	{ "later, nothing", "01 10", "" },
	{ "later, one more thread", "01 10", "01 10 12" },
	{ "later, one who shares has gone", "012 10 20", "02 20", "02" },
	{ "later, one has another slot", "012* 10 20", "01+2* 10 20" },
	{ "later, another is before it", "0<1 10", "0<2 20" },
};

static bool __init fail(const struct drawing *drawing, const char *what)
{
	pr_err("FAIL: %s: %s\n", drawing->name, what);
	return false;
}

static struct chring_knot_wait *__init add_wait(struct chring_knot *knot,
						unsigned int nr)
{
	struct chring_knot_process *process = &knot->processes[nr];
	struct chring_knot_wait *wait = &knot->waits[knot->nr_waits];

	if (!process->nr_waits++)
		process->wait = knot->nr_waits;
	process->stuck = true;
	*wait = (struct chring_knot_wait){
		.id = process->nr_waits,
		.process = nr,
		.edge = knot->nr_edges,
		.needed = 1,
	};
	knot->nr_waits++;
	return wait;
}

static void __init draw(struct chring_knot *knot, const char *waits)
{
	struct chring_knot_edge *edge = knot->edges;
	struct chring_knot_wait *wait = NULL;
	bool queued = false;
	unsigned int i;

	memset(knot, 0, sizeof(*knot));
	knot->nr_processes = 5;
	for (i = 0; i < knot->nr_processes; i++)
		knot->processes[i].owner = (void *)(unsigned long)(i + 1);
	for (; *waits; waits++) {
		if (*waits == ' ') {
			wait = NULL;
		} else if (!wait) {
			wait = add_wait(knot, *waits - '0');
			queued = false;
		} else if (*waits == '*') {
			wait->needed = wait->nr_edges;
		} else if (*waits == '<') {
			queued = true;
		} else if (*waits == '!') {
			wait->id += 10;
		} else if (*waits == '+') {
			edge->key++;
		} else {
			edge = &knot->edges[knot->nr_edges++];
			*edge = (struct chring_knot_edge){
				.process = *waits - '0',
				.wait = wait - knot->waits,
				.queued = queued,
			};
			wait->nr_edges++;
		}
	}
}

static bool __init is_cycle(const struct chring_knot *knot, const char *cycle)
{
	u16 edges[CHRING_KNOT_PROCESSES];
	unsigned int i, nr = chring_knot_cycle(knot, edges);

	if (*cycle == '-')
		return !nr;
	if (nr != strlen(cycle))
		return false;
	for (i = 0; i < nr; i++) {
		const struct chring_knot_edge *edge = &knot->edges[edges[i]];
		unsigned int from = cycle[(i ?: nr) - 1] - '0';

		if (edge->process != cycle[i] - '0' ||
		    knot->waits[edge->wait].process != from)
			return false;
	}
	return true;
}

static bool __init test_drawing(const struct drawing *drawing,
				struct chring_knot *knot,
				struct chring_knot *later)
{
	bool stuck;

	draw(knot, drawing->waits);
	draw(later, drawing->later ?: drawing->waits);
	stuck = chring_knot_tie(knot);
	if (stuck) {
		chring_knot_intersect(knot, later);
		stuck = chring_knot_tie(knot);
	} else if (drawing->later) {
		return fail(drawing, "was not stuck at first");
	}
	if (stuck != !!drawing->cycle)
		return fail(drawing, stuck ? "is stuck" : "is not stuck");
	if (stuck && !is_cycle(knot, drawing->cycle))
		return fail(drawing, "another cycle");
	return true;
}

/* A cycle of as many as there is room for */
static bool __init test_longest(struct chring_knot *knot)
{
	u16 edges[CHRING_KNOT_PROCESSES];
	unsigned int i;

	memset(knot, 0, sizeof(*knot));
	knot->nr_processes = CHRING_KNOT_PROCESSES;
	for (i = 0; i < CHRING_KNOT_PROCESSES; i++) {
		add_wait(knot, i)->nr_edges = 1;
		knot->edges[knot->nr_edges++] = (struct chring_knot_edge){
			.process = (i + 1) % CHRING_KNOT_PROCESSES,
			.wait = i,
		};
	}
	if (chring_knot_tie(knot) &&
	    chring_knot_cycle(knot, edges) == CHRING_KNOT_PROCESSES)
		return true;
	pr_err("FAIL: the longest cycle is not found\n");
	return false;
}

/**
 * chring_selftest_knot - check who is found to be stuck
 *
 * Context: may sleep.
 * Return: whether all passed; what failed is in the kernel's log.
 */
bool __init chring_selftest_knot(void)
{
	struct chring_knot *knots;
	bool passed = true;
	unsigned int i;

	knots = kcalloc(2, sizeof(*knots), GFP_KERNEL);
	if (!knots)
		return false;
	for (i = 0; i < ARRAY_SIZE(drawings); i++)
		passed &= test_drawing(&drawings[i], &knots[0], &knots[1]);
	passed &= test_longest(&knots[0]);
	kfree(knots);
	if (passed)
		pr_info("pass\n");
	return passed;
}
