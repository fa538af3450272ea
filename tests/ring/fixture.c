// SPDX-License-Identifier: GPL-2.0

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/slab.h>

#include "fixture.h"
#include "ktap.h"
#include "random.h"

void *allocate(size_t size)
{
	void *p = malloc(size);

	if (!p)
		abort();
	return p;
}

struct chring_member *member_new(const char *name, u16 index, u32 nr_vnodes)
{
	struct chring_member *member = allocate(sizeof(*member));

	*member = (struct chring_member){
		.name = strdup(name),
		.index = index,
		.nr_vnodes = nr_vnodes,
		.vnodes = chring_vnodes_alloc(nr_vnodes),
	};
	if (!member->name || !member->vnodes)
		abort();
	return member;
}

void member_free(struct chring_member *member)
{
	kvfree(member->vnodes);
	free((char *)member->name);
	free(member);
}

struct fixture *fixture_new(void)
{
	struct fixture *f = allocate(sizeof(*f));

	f->seed.key[0] = random_u64(&random_state);
	f->seed.key[1] = random_u64(&random_state);
	f->nr_members = 0;
	chring_ring_init(&f->ring, &f->seed);
	return f;
}

/* Has the ring keep what it knows of tables of this order */
void fixture_keep(struct fixture *f, unsigned int order)
{
	f->ring.kept = chring_kept_alloc(order);
	if (!f->ring.kept)
		abort();
}

void fixture_insert(struct fixture *f, struct chring_member *member)
{
	chring_ring_insert(&f->ring, member);
	f->members[f->nr_members++] = member;
}

void fixture_remove(struct fixture *f, struct chring_member *member)
{
	u32 i;

	chring_ring_remove(&f->ring, member);
	for (i = 0; f->members[i] != member; i++)
		;
	f->members[i] = f->members[--f->nr_members];
}

/* Members "r0", "r1"…, whose indices have nothing to do with their names */
void fixture_populate(struct fixture *f, u32 nr_members, u32 nr_vnodes)
{
	u16 salt = random_below(&random_state, 0x8000);
	char name[16];
	u32 i;

	for (i = 0; i < nr_members; i++) {
		snprintf(name, sizeof(name), "r%u", i);
		fixture_insert(f, member_new(name, i ^ salt, nr_vnodes));
	}
}

void fixture_free(struct fixture *f)
{
	while (f->nr_members)
		member_free(f->members[--f->nr_members]);
	chring_kept_free(f->ring.kept);
	free(f);
}

/* Exactly as large as promised, for the sanitizer to see a slot too many */
struct chring_slots slots_new(unsigned int order)
{
	return (struct chring_slots){
		.order = order,
		.owner = allocate(sizeof(u16) << order),
		.standin = allocate(sizeof(u16) << order),
	};
}

void slots_free(struct chring_slots *slots)
{
	free(slots->owner);
	free(slots->standin);
}
