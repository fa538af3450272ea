// SPDX-License-Identifier: GPL-2.0
/*
 * Plans: what a change of one replica would do, found out by doing it to a copy
 * of the service.
 *
 * Anybody may ask. So what is copied under the lock is little: names, numbers
 * of virtual nodes, slots. The virtual nodes, of which there can be a million,
 * are made from that when the lock is let go again; they are charged to whoever
 * asks, and nobody else waits for them.
 */

#include <linux/minmax.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "plan.h"
#include "replica.h"
#include "service.h"
#include "table.h"

/**
 * struct draft - a copy of a service, to make a change in
 * @ring: has the virtual nodes of @members
 * @balance: how slots are filled
 * @has_before: there are slots that are filled
 * @before: those, or nobody's
 * @after: those that come after the change
 * @server: for each slot of @before, the index of who serves it
 * @slots: memory of the three
 * @vnodes: memory of the virtual nodes
 * @members: by index; without a name where there is none
 * @nr_indexes: length of @members
 * @subject: index of the one that is changed
 * @nr_points: virtual nodes that it would have
 * @plan: its rows have the members' names
 */
struct draft {
	struct chring_ring ring;
	enum chring_balance_policy balance;
	bool has_before;
	struct chring_slots before;
	struct chring_slots after;
	u16 *server;
	u16 *slots;
	struct chring_vnode *vnodes;
	struct chring_member *members;
	u32 nr_indexes;
	u32 subject;
	u32 nr_points;
	struct chring_plan *plan;
};

static void draft_free(struct draft *draft)
{
	kvfree(draft->vnodes);
	kvfree(draft->members);
	kvfree(draft->slots);
}

static int draft_alloc(struct draft *draft, unsigned int order)
{
	u32 nr = draft->nr_indexes;
	struct chring_plan *plan;
	u16 *slots;

	plan = kvzalloc(struct_size(plan, row, nr), GFP_KERNEL_ACCOUNT);
	draft->members = kvcalloc(nr, sizeof(*draft->members),
				  GFP_KERNEL_ACCOUNT);
	slots = kvmalloc_array(5 << order, sizeof(*slots), GFP_KERNEL_ACCOUNT);
	draft->plan = plan;
	draft->slots = slots;
	if (!plan || !draft->members || !slots)
		return -ENOMEM;
	plan->nr_rows = nr;
	plan->nr_slots = 1 << order;
	draft->before.order = order;
	draft->before.owner = slots;
	draft->before.standin = slots + (1 << order);
	draft->after.order = order;
	draft->after.owner = slots + (2 << order);
	draft->after.standin = slots + (3 << order);
	draft->server = slots + (4 << order);
	return 0;
}

static void copy_replicas(struct draft *draft, struct chring_service *service)
{
	struct chring_replica *replica;
	unsigned long index;

	xa_for_each(&service->replicas, index, replica) {
		struct chring_plan_row *row = &draft->plan->row[index];

		strscpy(row->name, replica->name);
		row->weight = replica->weight;
		row->weight_then = replica->weight;
		draft->members[index] = (struct chring_member){
			.name = row->name,
			.index = index,
			.dead = replica->member.dead,
			.nr_vnodes = replica->member.nr_vnodes,
			.nr_filled = replica->member.nr_filled,
		};
	}
}

static void copy_slots(struct draft *draft, struct chring_service *service)
{
	const struct chring_table *table;
	size_t size = sizeof(u16) << service->order;

	table = rcu_dereference_protected(service->selector.table,
					  lockdep_is_held(&chring_net(service->net)->lock));
	draft->has_before = table;
	if (table) {
		memcpy(draft->before.owner, table->slots.owner, size);
		memcpy(draft->before.standin, table->slots.standin, size);
	} else {
		memset16(draft->before.owner, CHRING_NO_MEMBER,
			 1 << service->order);
		memset16(draft->before.standin, CHRING_NO_MEMBER,
			 1 << service->order);
	}
}

/* @subject is who is there of that name, if anybody. */
static int draft_copy_locked(struct draft *draft,
			     struct chring_service *service,
			     const struct chring_replica *subject)
{
	struct chring_replica *replica;
	unsigned long index, free = 0, end = 0;
	int err;

	/* Where xa_alloc() would put another */
	xa_for_each(&service->replicas, index, replica) {
		if (index == free)
			free++;
		end = index + 1;
	}
	draft->subject = subject ? subject->member.index : free;
	if (draft->subject >= CHRING_NO_MEMBER)
		return -EBUSY;
	draft->nr_indexes = max_t(u32, end, draft->subject + 1);
	err = draft_alloc(draft, service->order);
	if (err)
		return err;
	draft->balance = service->balance;
	chring_ring_init(&draft->ring, &service->ring.seed);
	strscpy(draft->plan->service, service->name);
	copy_replicas(draft, service);
	copy_slots(draft, service);
	return 0;
}

static bool serves(const struct draft *draft, u16 index)
{
	return index < draft->nr_indexes && draft->members[index].name &&
	       !draft->members[index].dead;
}

/* Who serves a slot, as long as its accept queue has room; or CHRING_NO_MEMBER */
static u16 server_of(const struct draft *draft,
		     const struct chring_slots *slots, u32 slot)
{
	if (serves(draft, slots->owner[slot]))
		return slots->owner[slot];
	if (serves(draft, slots->standin[slot]))
		return slots->standin[slot];
	return CHRING_NO_MEMBER;
}

static void note_servers(struct draft *draft)
{
	u32 slot;

	for (slot = 0; slot < draft->plan->nr_slots; slot++)
		draft->server[slot] = server_of(draft, &draft->before, slot);
}

static void change_subject(struct draft *draft,
			   enum chring_replica_change change,
			   const struct chring_replica_args *args)
{
	struct chring_plan_row *row = &draft->plan->row[draft->subject];
	struct chring_member *member = &draft->members[draft->subject];

	switch (change) {
	case CHRING_REPLICA_CHANGE_ADD:
		/* In the place of a dead one it has the slots of that */
		strscpy(row->name, args->name);
		member->name = row->name;
		member->index = draft->subject;
		member->dead = false;
		fallthrough;
	case CHRING_REPLICA_CHANGE_WEIGHT:
		row->weight_then = args->weight;
		member->nr_vnodes = draft->nr_points;
		break;
	case CHRING_REPLICA_CHANGE_DEL:
		row->weight_then = 0;
		member->name = NULL;
		break;
	}
}

static int fill_ring(struct draft *draft)
{
	struct chring_vnode *vnodes;
	u32 nr_points = 0, i;

	for (i = 0; i < draft->nr_indexes; i++)
		if (draft->members[i].name)
			nr_points += draft->members[i].nr_vnodes;
	vnodes = chring_vnodes_alloc(nr_points);
	if (!vnodes)
		return -ENOMEM;
	draft->vnodes = vnodes;
	for (i = 0; i < draft->nr_indexes; i++) {
		struct chring_member *member = &draft->members[i];

		if (!member->name)
			continue;
		member->vnodes = vnodes;
		vnodes += member->nr_vnodes;
		chring_ring_insert(&draft->ring, member);
	}
	return 0;
}

static int fill_slots(struct draft *draft)
{
	struct chring_balancer *b;

	b = chring_balancer_alloc(draft->after.order, draft->nr_indexes);
	if (!b)
		return -ENOMEM;
	chring_table_balance(draft->balance, b, &draft->ring,
			     draft->has_before ? &draft->before : NULL,
			     &draft->after);
	chring_balancer_free(b);
	return 0;
}

/* The row of who has this index; NULL for nobody */
static struct chring_plan_row *row_of(struct chring_plan *plan, u16 index)
{
	return index < plan->nr_rows ? &plan->row[index] : NULL;
}

static void count_slots(struct draft *draft)
{
	struct chring_plan *plan = draft->plan;
	struct chring_plan_row *row;
	u32 slot;

	for (slot = 0; slot < plan->nr_slots; slot++) {
		u16 now = draft->server[slot];
		u16 then = server_of(draft, &draft->after, slot);

		row = row_of(plan, draft->before.owner[slot]);
		if (row)
			row->slots++;
		row = row_of(plan, draft->after.owner[slot]);
		if (row)
			row->slots_then++;
		if (now == then)
			continue;
		plan->nr_moves++;
		row = row_of(plan, now);
		if (row)
			row->gives++;
		row = row_of(plan, then);
		if (row)
			row->takes++;
	}
}

/**
 * chring_plan_make - what would a change of one replica do?
 * @request: the replica, by name and weight; anybody may be the subject
 * @change: what would be done to it
 * @extack: says why it would not, and which attribute that is about
 *
 * It is about the replicas as the last sweep has seen them, and as if all that
 * are alive had room in their accept queues.
 *
 * Context: may sleep; takes the lock of the namespace's services.
 * Return: the plan, for chring_plan_free(), or an error pointer: -ENOENT or
 * -EBUSY for the service; what chring_replica_check_locked() returns; -ENOMEM.
 */
struct chring_plan *
chring_plan_make(const struct chring_replicas_request *request,
		 enum chring_replica_change change,
		 struct netlink_ext_ack *extack)
{
	struct chring_net *cn = chring_net(request->net);
	struct chring_replica_args *args = request->args;
	struct chring_service *service;
	struct draft draft = {};
	int err;

	mutex_lock(&cn->lock);
	service = chring_service_active_locked(cn, request->service, extack);
	err = PTR_ERR_OR_ZERO(service);
	if (!err)
		err = chring_replica_check_locked(cn, service, change, args,
						  extack);
	if (!err) {
		draft.nr_points = chring_service_points(service, args->weight);
		err = draft_copy_locked(&draft, service, args->replica);
	}
	mutex_unlock(&cn->lock);

	if (!err) {
		note_servers(&draft);
		change_subject(&draft, change, args);
		err = fill_ring(&draft);
	}
	if (!err)
		err = fill_slots(&draft);
	if (!err)
		count_slots(&draft);
	draft_free(&draft);
	if (!err)
		return draft.plan;
	chring_plan_free(draft.plan);
	return ERR_PTR(err);
}

/**
 * chring_plan_free - free a plan
 * @plan: from chring_plan_make(), or NULL
 *
 * Context: process.
 */
void chring_plan_free(struct chring_plan *plan)
{
	kvfree(plan);
}
