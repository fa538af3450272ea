/* SPDX-License-Identifier: GPL-2.0 */
#ifndef RING_TEST_FIXTURE_H
#define RING_TEST_FIXTURE_H

#include <stddef.h>

#include "balance.h"
#include "ring.h"

#define MAX_MEMBERS 1000

/* A ring, and beside it the list of the members it ought to have */
struct fixture {
	struct chring_ring ring;
	siphash_key_t seed;
	u32 nr_members;
	struct chring_member *members[MAX_MEMBERS];
};

void *allocate(size_t size);
struct chring_member *member_new(const char *name, u16 index, u32 nr_vnodes);
void member_free(struct chring_member *member);

struct fixture *fixture_new(void);
void fixture_keep(struct fixture *f, unsigned int order);
void fixture_insert(struct fixture *f, struct chring_member *member);
void fixture_remove(struct fixture *f, struct chring_member *member);
void fixture_populate(struct fixture *f, u32 nr_members, u32 nr_vnodes);
void fixture_free(struct fixture *f);

struct chring_slots slots_new(unsigned int order);
void slots_free(struct chring_slots *slots);

#endif
