/* SPDX-License-Identifier: GPL-2.0 */
/* What tests/bench/disruption.c measures: ways to share flows among members. */
#ifndef BENCH_DISRUPTION_SUBJECTS_H
#define BENCH_DISRUPTION_SUBJECTS_H

#include <stdint.h>

/* Members of one run, those that are gone included, are numbered below this */
#define MAX_MEMBERS	256

/**
 * struct subject - a way to share flows among members
 * @name: as in the results
 * @nr_slots: of its table; of one that has none, parts of the space of hashes
 * @new: makes it, with no members
 * @free: frees what @new made
 * @join: adds a member
 * @leave: removes one
 * @die: its socket has died, and nobody has noticed but who looks for it;
 *	NULL where a dead member is removed at once
 * @notice: of the dead, for as long as grace lasts
 * @rise: it is back, within grace
 * @serve: tells for each slot which member serves it
 */
struct subject {
	const char *name;
	unsigned int nr_slots;
	void *(*new)(uint64_t seed);
	void (*free)(void *state);
	void (*join)(void *state, unsigned int member, unsigned int weight);
	void (*leave)(void *state, unsigned int member);
	void (*die)(void *state, unsigned int member);
	void (*notice)(void *state);
	void (*rise)(void *state, unsigned int member);
	void (*serve)(void *state, uint16_t *server);
};

/* disruption_chring.c */
extern const struct subject ring_subject;
extern const struct subject even_subject;

/* disruption_peers.c */
extern const struct subject reuseport_subject;
extern const struct subject maglev_4093_subject;
extern const struct subject maglev_65537_subject;
extern const struct subject anchorhash_subject;

#endif /* BENCH_DISRUPTION_SUBJECTS_H */
