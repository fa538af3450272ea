/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CHRING_KNOT_H
#define CHRING_KNOT_H

#include <linux/types.h>

struct chring_lock;
struct chring_owner;

/* So much is looked at; what needs more is not found. */
#define CHRING_KNOT_PROCESSES	64
#define CHRING_KNOT_WAITS	64
#define CHRING_KNOT_EDGES	128

/**
 * struct chring_knot_process - a process all threads of which wait
 * @owner: which one
 * @wait: the first of its waits, which follow each other
 * @nr_waits: how many there are
 * @stuck: none of them can end, as far as is known
 */
struct chring_knot_process {
	struct chring_owner *owner;
	u16 wait;
	u16 nr_waits;
	bool stuck;
};

/**
 * struct chring_knot_wait - a thread's wait
 * @lock: for what
 * @id: which one it is of its process's
 * @process: whose
 * @edge: the first of its edges, which follow each other
 * @nr_edges: how many there are
 * @needed: so many of the holders must be stuck, for it not to end; at least 1
 */
struct chring_knot_wait {
	struct chring_lock *lock;
	u64 id;
	u16 process;
	u16 edge;
	u16 nr_edges;
	u16 needed;
};

/**
 * struct chring_knot_edge - a process that a wait is for
 * @key: the token that it holds the lock by; or, where it is @queued, the id of
 *	its own wait
 * @process: which one
 * @wait: whose edge this is
 * @queued: it waits for the lock as well, and must have had it before
 */
struct chring_knot_edge {
	u64 key;
	u16 process;
	u16 wait;
	bool queued;
};

/**
 * struct chring_knot - who waits for whom
 * @nr_processes: length of @processes
 * @nr_waits: length of @waits
 * @nr_edges: length of @edges
 * @processes: the first is the one that asks
 * @waits: their waits
 * @edges: these's
 */
struct chring_knot {
	u16 nr_processes;
	u16 nr_waits;
	u16 nr_edges;
	struct chring_knot_process processes[CHRING_KNOT_PROCESSES];
	struct chring_knot_wait waits[CHRING_KNOT_WAITS];
	struct chring_knot_edge edges[CHRING_KNOT_EDGES];
};

bool chring_knot_tie(struct chring_knot *knot);
void chring_knot_intersect(struct chring_knot *knot,
			   const struct chring_knot *later);
unsigned int chring_knot_cycle(const struct chring_knot *knot, u16 *edges);

#endif /* CHRING_KNOT_H */
