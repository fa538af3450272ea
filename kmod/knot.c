// SPDX-License-Identifier: GPL-2.0
/*
 * Knots: processes that wait for each other, none of which can go on.
 *
 * A process goes on as soon as one of its threads does: so it is stuck while all
 * of their waits are. What a wait for a lock needs to end is that one holder lets
 * go, as long as all others do too (they share the lock), or of several any one
 * (they have its slots): the former is stuck with one of them, the latter only
 * with all. And those who are before it in the queue must have had the lock.
 *
 * All that wait are taken to be stuck at first; whoever can go on is not, nor
 * then who waits for it, until nothing changes any more. Those who are left wait
 * for nobody but each other. That one of them closes a cycle is one thing more: it
 * may merely wait for those who do.
 *
 * This is about numbers alone; lock_deadlock.c has them from the locks.
 */

#include <linux/minmax.h>
#include <linux/limits.h>

#include "knot.h"

/* Holders among what a wait is for that are stuck */
static unsigned int stuck_holders(const struct chring_knot *knot,
				  const struct chring_knot_wait *wait)
{
	const struct chring_knot_edge *edge = &knot->edges[wait->edge];
	unsigned int i, nr = 0;

	for (i = 0; i < wait->nr_edges; i++, edge++)
		nr += !edge->queued && knot->processes[edge->process].stuck;
	return nr;
}

static bool is_stuck(const struct chring_knot *knot,
		     const struct chring_knot_wait *wait)
{
	const struct chring_knot_edge *edge = &knot->edges[wait->edge];
	unsigned int i;

	if (stuck_holders(knot, wait) >= wait->needed)
		return true;
	for (i = 0; i < wait->nr_edges; i++, edge++)
		if (edge->queued && knot->processes[edge->process].stuck)
			return true;
	return false;
}

static bool can_go_on(const struct chring_knot *knot,
		      const struct chring_knot_process *process)
{
	unsigned int i;

	for (i = 0; i < process->nr_waits; i++)
		if (!is_stuck(knot, &knot->waits[process->wait + i]))
			return true;
	return false;
}

/**
 * chring_knot_tie - find who is stuck
 * @knot: those who may be it have @stuck set; it is cleared of who is not
 *
 * Context: any.
 * Return: whether the first process is.
 */
bool chring_knot_tie(struct chring_knot *knot)
{
	bool changed = true;
	unsigned int i;

	while (changed && knot->processes[0].stuck) {
		changed = false;
		for (i = 0; i < knot->nr_processes; i++) {
			struct chring_knot_process *process =
				&knot->processes[i];

			if (!process->stuck || !can_go_on(knot, process))
				continue;
			process->stuck = false;
			changed = true;
		}
	}
	return knot->processes[0].stuck;
}

/* ---- looking twice */

static const struct chring_knot_process *
find_process(const struct chring_knot *knot, const struct chring_owner *owner)
{
	unsigned int i;

	for (i = 0; i < knot->nr_processes; i++)
		if (knot->processes[i].owner == owner)
			return &knot->processes[i];
	return NULL;
}

static const struct chring_knot_wait *
find_wait(const struct chring_knot *knot,
	  const struct chring_knot_process *process, u64 id)
{
	unsigned int i;

	for (i = process->wait; i < process->wait + process->nr_waits; i++)
		if (knot->waits[i].id == id)
			return &knot->waits[i];
	return NULL;
}

static bool has_edge(const struct chring_knot *knot,
		     const struct chring_knot_wait *wait,
		     const struct chring_owner *owner, u64 key, bool queued)
{
	const struct chring_knot_edge *edge = &knot->edges[wait->edge];
	unsigned int i;

	for (i = 0; i < wait->nr_edges; i++, edge++)
		if (knot->processes[edge->process].owner == owner &&
		    edge->key == key && edge->queued == queued)
			return true;
	return false;
}

/* Leaves of a wait's edges those that are in the other knot, too. */
static void keep_edges(struct chring_knot *knot, struct chring_knot_wait *wait,
		       const struct chring_knot *later,
		       const struct chring_knot_wait *then)
{
	struct chring_knot_edge *edge = &knot->edges[wait->edge];
	unsigned int i, nr = 0;

	for (i = 0; i < wait->nr_edges; i++)
		if (has_edge(later, then,
			     knot->processes[edge[i].process].owner,
			     edge[i].key, edge[i].queued))
			edge[nr++] = edge[i];
	wait->nr_edges = nr;
	wait->needed = max(wait->needed, then->needed);
}

/**
 * chring_knot_intersect - leave what was there all the time between two looks
 * @knot: the first look
 * @later: the second
 *
 * Neither look was at one time. But each wait, and each acquisition, is there
 * once: so what both have seen was there in between, all of it at once.
 *
 * Context: any.
 */
void chring_knot_intersect(struct chring_knot *knot,
			   const struct chring_knot *later)
{
	unsigned int i, j;

	for (i = 0; i < knot->nr_processes; i++) {
		struct chring_knot_process *process = &knot->processes[i];
		const struct chring_knot_process *then;

		then = find_process(later, process->owner);
		if (!then || then->nr_waits != process->nr_waits) {
			process->stuck = false;
			continue;
		}
		for (j = 0; j < process->nr_waits; j++) {
			struct chring_knot_wait *wait =
				&knot->waits[process->wait + j];
			const struct chring_knot_wait *still;

			still = find_wait(later, then, wait->id);
			if (still)
				keep_edges(knot, wait, later, still);
			else
				process->stuck = false;
		}
	}
}

/* ---- the cycle */

/* Does an edge keep the wait from ending? */
static bool holds_up(const struct chring_knot *knot,
		     const struct chring_knot_edge *edge)
{
	const struct chring_knot_wait *wait = &knot->waits[edge->wait];

	return knot->processes[edge->process].stuck &&
	       (edge->queued || stuck_holders(knot, wait) >= wait->needed);
}

/**
 * struct search - of the shortest way from the first process back to it
 * @via: by which edge a process was first reached
 * @queue: processes in the order in which they were reached
 * @nr: length of @queue
 */
struct search {
	u16 via[CHRING_KNOT_PROCESSES];
	u8 queue[CHRING_KNOT_PROCESSES];
	unsigned int nr;
};

/* Goes one step from a process. Returns the edge to the first one, or -1. */
static int expand(const struct chring_knot *knot, struct search *search,
		  unsigned int from)
{
	const struct chring_knot_process *process = &knot->processes[from];
	unsigned int i, j;

	for (i = process->wait; i < process->wait + process->nr_waits; i++) {
		const struct chring_knot_wait *wait = &knot->waits[i];

		for (j = wait->edge; j < wait->edge + wait->nr_edges; j++) {
			const struct chring_knot_edge *edge = &knot->edges[j];

			if (!holds_up(knot, edge))
				continue;
			if (!edge->process)
				return j;
			if (search->via[edge->process] != U16_MAX)
				continue;
			search->via[edge->process] = j;
			search->queue[search->nr++] = edge->process;
		}
	}
	return -1;
}

/**
 * chring_knot_cycle - a shortest cycle of those who are stuck
 * @knot: tied, and the first process is stuck
 * @edges: CHRING_KNOT_PROCESSES of them. Set to its edges: what the first process
 *	has that the last one waits for, then what it waits for itself, and so on
 *
 * Context: any.
 * Return: its length; 0 where the first process is in none.
 */
unsigned int chring_knot_cycle(const struct chring_knot *knot, u16 *edges)
{
	struct search search = { .nr = 1 };
	unsigned int i, at, nr = 0;
	int last = -1;

	for (i = 0; i < knot->nr_processes; i++)
		search.via[i] = U16_MAX;
	for (i = 0; i < search.nr && last < 0; i++)
		last = expand(knot, &search, search.queue[i]);
	if (last < 0)
		return 0;
	/* The way back, from the last process to the first one */
	edges[nr++] = last;
	for (at = knot->waits[knot->edges[last].wait].process; at;
	     at = knot->waits[knot->edges[search.via[at]].wait].process)
		edges[nr++] = search.via[at];
	/* After the edge that closes it the others, in their order */
	for (i = 1, at = nr - 1; i < at; i++, at--)
		swap(edges[i], edges[at]);
	return nr;
}
