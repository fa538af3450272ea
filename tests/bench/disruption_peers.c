// SPDX-License-Identifier: GPL-2.0
/*
 * Peers of chring's balances, for the comparison only. Written from what their
 * authors have published, or from the kernel's behaviour:
 *
 * reuseport	a socket of a SO_REUSEPORT group by its place in the group; the
 *		last takes the place of one that goes. It has no weights.
 * maglev	Eisenbud and others, "Maglev: A Fast and Reliable Software Network
 *		Load Balancer", NSDI 2016, 3.4. A member of weight w takes w turns
 *		in a row.
 * anchorhash	Mendelson and others, "AnchorHash: A Scalable Consistent Hash",
 *		2018, as of its array version. A member of weight w has w buckets.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "disruption_subjects.h"

static void *allocate(size_t size)
{
	void *p = calloc(1, size);

	if (!p)
		abort();
	return p;
}

/* The finalizer of SplitMix64 */
static uint64_t mix(uint64_t z)
{
	z += 0x9e3779b97f4a7c15;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

/* ---- reuseport: hashes are of 32 bits, here those at equal distances */

#define REUSEPORT_SLOTS	(1U << 16)

struct group {
	unsigned int nr_socks;
	unsigned int socks[MAX_MEMBERS];
};

static void *group_new(uint64_t seed)
{
	(void)seed;
	return allocate(sizeof(struct group));
}

static void group_join(void *state, unsigned int member, unsigned int weight)
{
	struct group *group = state;

	(void)weight;
	group->socks[group->nr_socks++] = member;
}

static void group_leave(void *state, unsigned int member)
{
	struct group *group = state;
	unsigned int i;

	for (i = 0; group->socks[i] != member; i++)
		;
	group->socks[i] = group->socks[--group->nr_socks];
}

static void group_serve(void *state, uint16_t *server)
{
	const struct group *group = state;
	uint64_t i;

	for (i = 0; i < REUSEPORT_SLOTS; i++)
		server[i] = group->socks[i * group->nr_socks / REUSEPORT_SLOTS];
}

const struct subject reuseport_subject = {
	.name = "reuseport",
	.nr_slots = REUSEPORT_SLOTS,
	.new = group_new,
	.free = free,
	.join = group_join,
	.leave = group_leave,
	.serve = group_serve,
};

/* ---- maglev */

struct maglev {
	uint64_t seed;
	unsigned int size;
	unsigned int weights[MAX_MEMBERS];
};

static struct maglev *maglev_new(uint64_t seed, unsigned int size)
{
	struct maglev *maglev = allocate(sizeof(*maglev));

	maglev->seed = seed;
	maglev->size = size;
	return maglev;
}

static void *maglev_4093_new(uint64_t seed)
{
	return maglev_new(seed, 4093);
}

static void *maglev_65537_new(uint64_t seed)
{
	return maglev_new(seed, 65537);
}

static void maglev_join(void *state, unsigned int member, unsigned int weight)
{
	struct maglev *maglev = state;

	maglev->weights[member] = weight;
}

static void maglev_leave(void *state, unsigned int member)
{
	struct maglev *maglev = state;

	maglev->weights[member] = 0;
}

/* Each member in turn takes the first slot of its own permutation that is free */
static void maglev_serve(void *state, uint16_t *server)
{
	const struct maglev *maglev = state;
	uint64_t offset[MAX_MEMBERS], skip[MAX_MEMBERS];
	unsigned int size = maglev->size, filled = 0, turn, i;

	for (i = 0; i < MAX_MEMBERS; i++) {
		offset[i] = mix(maglev->seed ^ mix(2 * i)) % size;
		skip[i] = mix(maglev->seed ^ mix(2 * i + 1)) % (size - 1) + 1;
	}
	for (i = 0; i < size; i++)
		server[i] = UINT16_MAX;
	for (i = 0; filled < size; i = (i + 1) % MAX_MEMBERS) {
		for (turn = 0; turn < maglev->weights[i] && filled < size; turn++) {
			while (server[offset[i]] != UINT16_MAX)
				offset[i] = (offset[i] + skip[i]) % size;
			server[offset[i]] = i;
			filled++;
		}
	}
}

const struct subject maglev_4093_subject = {
	.name = "maglev-4093",
	.nr_slots = 4093,
	.new = maglev_4093_new,
	.free = free,
	.join = maglev_join,
	.leave = maglev_leave,
	.serve = maglev_serve,
};

const struct subject maglev_65537_subject = {
	.name = "maglev-65537",
	.nr_slots = 65537,
	.new = maglev_65537_new,
	.free = free,
	.join = maglev_join,
	.leave = maglev_leave,
	.serve = maglev_serve,
};

/* ---- anchorhash: it has no table, and its hashes are drawn at random */

#define ANCHOR_BUCKETS	1024	/* working and removed */
#define ANCHOR_SLOTS	(1U << 18)

/**
 * struct anchor - buckets, working and removed
 * @seed: of the hashes
 * @nr_working: number of buckets that work
 * @nr_removed: length of @removed
 * @removed: buckets in the order of their removal
 * @left: number of buckets that worked when a bucket was removed; 0: it works
 * @working: the working buckets, at the beginning
 * @place: where a bucket is in @working, or was
 * @heir: who took the place of a bucket as it was removed
 * @member: whose a bucket is
 */
struct anchor {
	uint64_t seed;
	unsigned int nr_working;
	unsigned int nr_removed;
	unsigned int removed[ANCHOR_BUCKETS];
	unsigned int left[ANCHOR_BUCKETS];
	unsigned int working[ANCHOR_BUCKETS];
	unsigned int place[ANCHOR_BUCKETS];
	unsigned int heir[ANCHOR_BUCKETS];
	unsigned int member[ANCHOR_BUCKETS];
};

static void bucket_remove(struct anchor *anchor, unsigned int bucket)
{
	unsigned int last;

	anchor->removed[anchor->nr_removed++] = bucket;
	anchor->left[bucket] = --anchor->nr_working;
	last = anchor->working[anchor->nr_working];
	anchor->working[anchor->place[bucket]] = last;
	anchor->heir[bucket] = last;
	anchor->place[last] = anchor->place[bucket];
}

/* The one that was removed last comes back, to where it was */
static unsigned int bucket_add(struct anchor *anchor)
{
	unsigned int bucket = anchor->removed[--anchor->nr_removed];
	unsigned int moved = anchor->working[anchor->nr_working];

	anchor->left[bucket] = 0;
	anchor->place[moved] = anchor->nr_working++;
	anchor->working[anchor->place[bucket]] = bucket;
	anchor->heir[bucket] = bucket;
	return bucket;
}

static void *anchor_new(uint64_t seed)
{
	struct anchor *anchor = allocate(sizeof(*anchor));
	unsigned int i;

	anchor->seed = seed;
	anchor->nr_working = ANCHOR_BUCKETS;
	for (i = 0; i < ANCHOR_BUCKETS; i++) {
		anchor->working[i] = i;
		anchor->place[i] = i;
		anchor->heir[i] = i;
	}
	for (i = ANCHOR_BUCKETS; i--; )
		bucket_remove(anchor, i);
	return anchor;
}

static void anchor_join(void *state, unsigned int member, unsigned int weight)
{
	struct anchor *anchor = state;

	while (weight--)
		anchor->member[bucket_add(anchor)] = member;
}

static void anchor_leave(void *state, unsigned int member)
{
	struct anchor *anchor = state;
	unsigned int i;

	for (i = 0; i < ANCHOR_BUCKETS; i++) {
		if (!anchor->left[i] && anchor->member[i] == member)
			bucket_remove(anchor, i);
	}
}

static unsigned int bucket_of(const struct anchor *anchor, uint64_t key)
{
	unsigned int bucket = mix(key) % ANCHOR_BUCKETS, other;

	while (anchor->left[bucket]) {
		other = mix(key ^ mix(bucket)) % anchor->left[bucket];
		/* As it was when the bucket was removed */
		while (anchor->left[other] >= anchor->left[bucket])
			other = anchor->heir[other];
		bucket = other;
	}
	return bucket;
}

static void anchor_serve(void *state, uint16_t *server)
{
	const struct anchor *anchor = state;
	uint64_t i;

	for (i = 0; i < ANCHOR_SLOTS; i++)
		server[i] = anchor->member[bucket_of(anchor,
						     anchor->seed ^ mix(i))];
}

const struct subject anchorhash_subject = {
	.name = "anchorhash",
	.nr_slots = ANCHOR_SLOTS,
	.new = anchor_new,
	.free = free,
	.join = anchor_join,
	.leave = anchor_leave,
	.serve = anchor_serve,
};
