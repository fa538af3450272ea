// SPDX-License-Identifier: GPL-2.0
/* The balances of chring: the module's own code, run as the module runs it. */

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/chring.h>
#include <linux/list.h>
#include <linux/slab.h>

#include "balance.h"
#include "ring.h"
#include "disruption_subjects.h"

#define NR_SLOTS	CHRING_SLOTS_DEFAULT
#define ORDER		__builtin_ctz(NR_SLOTS)

struct replica {
	struct chring_member member;
	char name[16];
};

struct service {
	bool even;
	bool filled;
	struct chring_ring ring;
	struct chring_balancer *balancer;
	struct chring_slots slots;
	struct replica replicas[MAX_MEMBERS];
};

static void *allocate(size_t size)
{
	void *p = calloc(1, size);

	if (!p)
		abort();
	return p;
}

static struct chring_slots slots_new(void)
{
	return (struct chring_slots){
		.order = ORDER,
		.owner = allocate(NR_SLOTS * sizeof(u16)),
		.standin = allocate(NR_SLOTS * sizeof(u16)),
	};
}

static void publish(void *state)
{
	struct chring_slots slots = slots_new();
	struct service *service = state;
	struct chring_member *member;

	if (service->even)
		chring_balance_even(service->balancer, &service->ring,
				    service->filled ? &service->slots : NULL,
				    &slots);
	else
		chring_balance_ring(service->balancer, &service->ring, &slots);
	list_for_each_entry(member, &service->ring.members, list)
		member->nr_filled = member->nr_vnodes;
	free(service->slots.owner);
	free(service->slots.standin);
	service->slots = slots;
	service->filled = true;
}

static struct service *service_new(uint64_t seed, bool even)
{
	struct service *service = allocate(sizeof(*service));
	siphash_key_t key = { { seed, 0 } };

	service->even = even;
	service->balancer = chring_balancer_alloc(ORDER, MAX_MEMBERS);
	if (!service->balancer)
		abort();
	service->slots = slots_new();
	chring_ring_init(&service->ring, &key);
	return service;
}

static void *even_new(uint64_t seed)
{
	return service_new(seed, true);
}

static void *ring_new(uint64_t seed)
{
	return service_new(seed, false);
}

static void service_free(void *state)
{
	struct service *service = state;
	u32 i;

	for (i = 0; i < MAX_MEMBERS; i++)
		kvfree(service->replicas[i].member.vnodes);
	chring_balancer_free(service->balancer);
	free(service->slots.owner);
	free(service->slots.standin);
	free(service);
}

static void service_join(void *state, unsigned int nr, unsigned int weight)
{
	struct service *service = state;
	struct replica *replica = &service->replicas[nr];
	u32 nr_vnodes = weight * CHRING_VNODES_DEFAULT;

	snprintf(replica->name, sizeof(replica->name), "replica-%u", nr);
	replica->member = (struct chring_member){
		.name = replica->name,
		.index = nr,
		.nr_vnodes = nr_vnodes,
		.vnodes = chring_vnodes_alloc(nr_vnodes),
	};
	if (!replica->member.vnodes)
		abort();
	chring_ring_insert(&service->ring, &replica->member);
	publish(service);
}

static void service_leave(void *state, unsigned int nr)
{
	struct service *service = state;
	struct replica *replica = &service->replicas[nr];

	chring_ring_remove(&service->ring, &replica->member);
	kvfree(replica->member.vnodes);
	replica->member.vnodes = NULL;
	publish(service);
}

/* Who looks finds out by itself: no table is made for it */
static void service_die(void *state, unsigned int nr)
{
	struct service *service = state;

	service->replicas[nr].member.dead = true;
}

static void service_rise(void *state, unsigned int nr)
{
	struct service *service = state;

	service->replicas[nr].member.dead = false;
	publish(service);
}

static void service_serve(void *state, uint16_t *server)
{
	struct service *service = state;
	u32 slot;

	for (slot = 0; slot < NR_SLOTS; slot++) {
		u16 owner = service->slots.owner[slot];

		server[slot] = service->replicas[owner].member.dead ?
			       service->slots.standin[slot] : owner;
	}
}

const struct subject ring_subject = {
	.name = "ring",
	.nr_slots = NR_SLOTS,
	.new = ring_new,
	.free = service_free,
	.join = service_join,
	.leave = service_leave,
	.die = service_die,
	.notice = publish,
	.rise = service_rise,
	.serve = service_serve,
};

const struct subject even_subject = {
	.name = "even",
	.nr_slots = NR_SLOTS,
	.new = even_new,
	.free = service_free,
	.join = service_join,
	.leave = service_leave,
	.die = service_die,
	.notice = publish,
	.rise = service_rise,
	.serve = service_serve,
};
