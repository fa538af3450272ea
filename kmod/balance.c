// SPDX-License-Identifier: GPL-2.0
/*
 * Balances: which member gets which slots of a table.
 *
 * "ring": a slot is its successor's on the ring.
 *
 * "even": each member gets what is due to it, rounded up or down,
 *
 *	due = slots x (virtual nodes of the member) / (virtual nodes of all)
 *
 * and keeps what it has as far as that goes; what nobody keeps goes to its
 * successor on the ring, or on round the ring to the next with room. So one
 * that leaves or shrinks only gives, one that joins or grows only takes, and
 * nothing moves among the others: always where all weights are equal, or where
 * the change makes each due grow, or each shrink, by a slot or more. Shares
 * that are smaller than that may cross a whole number which no slot of the
 * changed member is left to make up for; then as few move as can.
 *
 * A dead member keeps what it owns. Stand-ins serve for it: who would own its
 * slots if it were not there. They are found ahead of the death, for each
 * member as if it were the next to go, so that a flow that finds its owner
 * dead goes at once where it stays when the dead one is removed.
 */

#include <linux/list.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>

#include "balance.h"
#include "ring.h"

/* Between two offers to give the CPU away */
#define COMPARISONS_PER_RESCHED 256

/* Whom the rounding of dues favours, first to last */
enum rank {
	RANK_OWNS_MORE,		/* owned the slot over its due before */
	RANK_CHANGED,		/* takes or gives anyway */
	RANK_HOLDS_MORE,	/* stood in for the owner of the slot before */
	RANK_OTHER,
	RANK_WHOLE,		/* its due is a whole number */
};

/**
 * struct seat - what a member gets, while slots are given out
 * @member: the member; NULL where none has this index
 * @quota: slots that it shall have
 * @held: slots that it has so far
 * @kept: those of @held that it owned in the table before
 * @room: slots that it can take when another goes
 * @first: place in &struct chring_balancer.by_owner where its slots begin
 * @rank: its turn where dues are rounded
 * @remainder: of its due, in parts of a slot: its turn within the rank
 */
struct seat {
	const struct chring_member *member;
	u32 quota;
	u32 held;
	u32 kept;
	u32 room;
	u32 first;
	enum rank rank;
	u64 remainder;
};

/**
 * struct chring_balancer - memory to fill a table in
 * @order: of the table
 * @nr_seats: above every member's index
 * @nr_sharers: number of members that share the slots: all, or the living
 * @nr_points: virtual nodes of the sharers
 * @arcs: for chring_ring_fill()
 * @home: for each slot, whose it is on the ring
 * @next: for each slot, whose it is on the ring after that
 * @by_owner: the slots, sorted by their owners
 * @seats: by the members' indexes
 * @sharers: those who share the slots, in an order for the purpose
 * @others: the same, where two orders are needed
 * @takers: those with room
 */
struct chring_balancer {
	unsigned int order;
	u32 nr_seats;
	u32 nr_sharers;
	u64 nr_points;
	struct chring_arc *arcs;
	u16 *home;
	u16 *next;
	u16 *by_owner;
	struct seat *seats;
	struct seat **sharers;
	struct seat **others;
	struct seat **takers;
};

/**
 * chring_balancer_alloc() - allocate memory to fill a table in
 * @order: of the table, 1 to 16
 * @nr_indexes: above the index of every member
 *
 * It is charged to the caller's memory cgroup.
 *
 * Context: Process context, may sleep.
 * Return: what chring_balancer_free() frees, or NULL when out of memory.
 */
struct chring_balancer *chring_balancer_alloc(unsigned int order, u32 nr_indexes)
{
	struct chring_balancer *b;

	b = kzalloc(sizeof(*b), GFP_KERNEL_ACCOUNT);
	if (!b)
		return NULL;
	b->order = order;
	b->nr_seats = nr_indexes;
	b->arcs = kvmalloc_array(1 << order, sizeof(*b->arcs),
				 GFP_KERNEL_ACCOUNT);
	b->home = kvmalloc_array(3 << order, sizeof(*b->home),
				 GFP_KERNEL_ACCOUNT);
	b->seats = kvmalloc_array(nr_indexes, sizeof(*b->seats),
				  GFP_KERNEL_ACCOUNT);
	b->sharers = kvmalloc_array(3 * nr_indexes, sizeof(*b->sharers),
				    GFP_KERNEL_ACCOUNT);
	if (!b->arcs || !b->home || !b->seats || !b->sharers) {
		chring_balancer_free(b);
		return NULL;
	}
	b->next = b->home + (1 << order);
	b->by_owner = b->next + (1 << order);
	b->others = b->sharers + nr_indexes;
	b->takers = b->others + nr_indexes;
	return b;
}

/**
 * chring_balancer_free() - free memory that tables were filled in
 * @b: from chring_balancer_alloc(), or NULL
 *
 * Context: Process context.
 */
void chring_balancer_free(struct chring_balancer *b)
{
	if (!b)
		return;
	kvfree(b->sharers);
	kvfree(b->seats);
	kvfree(b->home);
	kvfree(b->arcs);
	kfree(b);
}

static u32 nr_slots(const struct chring_balancer *b)
{
	return 1U << b->order;
}

static bool alive(const struct seat *seat)
{
	return seat->member && !seat->member->dead;
}

/* Who has the index in the table before, and is still there; or NULL */
static struct seat *seat_before(const struct chring_balancer *b, u16 index)
{
	struct seat *seat;

	if (index >= b->nr_seats)
		return NULL;
	seat = &b->seats[index];
	return seat->member && seat->member->nr_filled ? seat : NULL;
}

/* Who serves a slot, as far as the table before tells; or NULL */
static struct seat *server_before(const struct chring_balancer *b,
				  const struct chring_slots *before, u32 slot)
{
	struct seat *seat = seat_before(b, before->owner[slot]);

	if (!seat || !alive(seat))
		seat = seat_before(b, before->standin[slot]);
	return seat && alive(seat) ? seat : NULL;
}

static u16 index_of(const struct seat *seat)
{
	return seat ? seat->member->index : CHRING_NO_MEMBER;
}

/* Any order will do that depends on nothing but names and seed */
static int compare_places(const struct seat *left, const struct seat *right)
{
	const struct chring_member *a = left->member, *b = right->member;

	if (likely(a->vnodes[0].point != b->vnodes[0].point))
		return a->vnodes[0].point < b->vnodes[0].point ? -1 : 1;
	return strcmp(a->name, b->name);
}

static int compare_turns(const void *left, const void *right)
{
	const struct seat *a = *(const struct seat **)left;
	const struct seat *b = *(const struct seat **)right;

	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	if (a->remainder != b->remainder)
		return a->remainder > b->remainder ? -1 : 1;
	return compare_places(a, b);
}

/**
 * struct sorting - seats that are being sorted
 * @compare: by what
 * @nr: comparisons so far
 */
struct sorting {
	cmp_func_t compare;
	u32 nr;
};

static int compare_for(const void *left, const void *right, const void *priv)
{
	struct sorting *sorting = (struct sorting *)priv;

	if (!(++sorting->nr % COMPARISONS_PER_RESCHED))
		cond_resched();
	return sorting->compare(left, right);
}

/* A thousand take a millisecond or so: others may want the processor */
static void sort_seats(struct seat **seats, u32 nr, cmp_func_t compare)
{
	struct sorting sorting = { .compare = compare };

	sort_r(seats, nr, sizeof(*seats), compare_for, NULL, &sorting);
}

static void find_sharers(struct chring_balancer *b,
			 const struct chring_ring *ring, bool living)
{
	const struct chring_member *member;

	b->nr_sharers = 0;
	b->nr_points = 0;
	list_for_each_entry(member, &ring->members, list) {
		if (living && member->dead)
			continue;
		b->sharers[b->nr_sharers++] = &b->seats[member->index];
		b->nr_points += member->nr_vnodes;
	}
}

static u64 due(const struct chring_balancer *b, const struct seat *seat,
	       u64 nr_points, u64 *remainder)
{
	u64 share = (u64)seat->member->nr_vnodes << b->order;

	return div64_u64_rem(share, nr_points, remainder);
}

/* The sharers' quotas: what is due to each, rounded so that all slots are had */
static void set_quotas(struct chring_balancer *b)
{
	const struct chring_member *member;
	u32 left = nr_slots(b), i;
	struct seat *seat;

	for (i = 0; i < b->nr_sharers; i++) {
		seat = b->sharers[i];
		member = seat->member;
		seat->quota = due(b, seat, b->nr_points, &seat->remainder);
		left -= seat->quota;
		if (!seat->remainder)
			seat->rank = RANK_WHOLE;
		else if (member->nr_vnodes != member->nr_filled)
			seat->rank = RANK_CHANGED;
		else if (seat->kept > seat->quota)
			seat->rank = RANK_OWNS_MORE;
		else if (seat->held > seat->quota)
			seat->rank = RANK_HOLDS_MORE;
		else
			seat->rank = RANK_OTHER;
	}
	sort_seats(b->sharers, b->nr_sharers, compare_turns);
	for (i = 0; i < left; i++)
		b->sharers[i]->quota++;
	cond_resched();
}

/* A slot of a member that lives is its own; the others are to be given out */
static bool is_fixed(const struct chring_balancer *b,
		     const struct chring_slots *slots, const u16 *holder,
		     u32 slot)
{
	return holder == slots->standin && alive(&b->seats[slots->owner[slot]]);
}

static bool has_too_many(const struct chring_balancer *b, u16 index)
{
	return index != CHRING_NO_MEMBER &&
	       b->seats[index].held > b->seats[index].quota;
}

/* Takes slots from those who have too many: all those that are not in @but */
static void take_back(struct chring_balancer *b,
		      const struct chring_slots *slots, u16 *holder,
		      const u16 *but)
{
	u32 slot;

	for (slot = 0; slot < nr_slots(b); slot++) {
		u16 index = holder[slot];

		chring_resched_sometimes(slot);
		if (!has_too_many(b, index) || (but && but[slot] == index) ||
		    is_fixed(b, slots, holder, slot))
			continue;
		b->seats[index].held--;
		holder[slot] = CHRING_NO_MEMBER;
	}
}

/* Gives slots that nobody has, or one who has too many, to their successors */
static void give_home(struct chring_balancer *b,
		      const struct chring_slots *slots, u16 *holder)
{
	struct seat *home;
	u32 slot;

	for (slot = 0; slot < nr_slots(b); slot++) {
		u16 index = holder[slot];

		chring_resched_sometimes(slot);
		home = &b->seats[b->home[slot]];
		if (home->held >= home->quota ||
		    is_fixed(b, slots, holder, slot))
			continue;
		if (index != CHRING_NO_MEMBER && !has_too_many(b, index))
			continue;
		if (index != CHRING_NO_MEMBER)
			b->seats[index].held--;
		home->held++;
		holder[slot] = b->home[slot];
	}
}

/* Gives the slots that nobody has to the next on the ring that has room */
static void give_on(struct chring_balancer *b, const struct chring_ring *ring,
		    u16 *holder)
{
	const struct chring_vnode *vnode;
	struct seat *seat;
	u32 slot, nr = 0;

	for (slot = 0; slot < nr_slots(b); slot++) {
		if (holder[slot] != CHRING_NO_MEMBER)
			continue;
		vnode = chring_ring_lookup(ring, slot << (32 - b->order));
		for (;;) {
			chring_resched_sometimes(++nr);
			seat = &b->seats[vnode->member->index];
			if (seat->held < seat->quota)
				break;
			vnode = chring_ring_next(vnode) ?:
				chring_ring_first(ring);
		}
		seat->held++;
		holder[slot] = index_of(seat);
	}
}

/* Brings what the sharers hold to their quotas */
static void settle(struct chring_balancer *b, const struct chring_ring *ring,
		   const struct chring_slots *before,
		   const struct chring_slots *slots, u16 *holder)
{
	set_quotas(b);
	/* First what one only stood in for, then what is not home */
	if (before && holder == slots->owner)
		take_back(b, slots, holder, before->owner);
	give_home(b, slots, holder);
	take_back(b, slots, holder, b->home);
	take_back(b, slots, holder, NULL);
	give_on(b, ring, holder);
}

static void set_owners(struct chring_balancer *b,
		       const struct chring_ring *ring,
		       const struct chring_slots *before,
		       struct chring_slots *slots)
{
	struct seat *seat;
	u32 slot;

	for (slot = 0; slot < nr_slots(b); slot++) {
		chring_resched_sometimes(slot);
		seat = before ? seat_before(b, before->owner[slot]) : NULL;
		if (seat)
			seat->kept++;
		else if (before)
			seat = server_before(b, before, slot);
		if (seat)
			seat->held++;
		slots->owner[slot] = index_of(seat);
	}
	find_sharers(b, ring, false);
	settle(b, ring, before, slots, slots->owner);
}

/* Who serves the slots of the dead; with nobody alive, nobody does */
static void set_servers(struct chring_balancer *b,
			const struct chring_ring *ring,
			const struct chring_slots *before,
			struct chring_slots *slots)
{
	struct seat *seat;
	u32 slot, i;

	for (i = 0; i < b->nr_seats; i++) {
		b->seats[i].quota = 0;
		b->seats[i].held = 0;
		b->seats[i].kept = 0;
	}
	for (slot = 0; slot < nr_slots(b); slot++) {
		chring_resched_sometimes(slot);
		seat = &b->seats[slots->owner[slot]];
		if (alive(seat))
			seat->kept++;
		else
			seat = before ? server_before(b, before, slot) : NULL;
		if (seat)
			seat->held++;
		slots->standin[slot] = index_of(seat);
	}
	settle(b, ring, before, slots, slots->standin);
}

/* Compares slots per virtual node, where each has @more slots than it holds */
static int compare_ratios(const struct seat *a, const struct seat *b, u32 more)
{
	u64 left = (u64)(a->held + more) * b->member->nr_vnodes;
	u64 right = (u64)(b->held + more) * a->member->nr_vnodes;

	if (left != right)
		return left < right ? -1 : 1;
	return compare_places(a, b);
}

/* Who is the first to fall below its due, as dues grow, and must get a slot */
static int compare_needs(const void *left, const void *right)
{
	return compare_ratios(*(const struct seat **)left,
			      *(const struct seat **)right, 1);
}

/* Who is the first of whom the due has passed what it has, and may get one */
static int compare_rooms(const void *left, const void *right)
{
	return compare_ratios(*(const struct seat **)left,
			      *(const struct seat **)right, 0);
}

static void sort_by_owner(struct chring_balancer *b, const u16 *owner)
{
	u32 slot, i, sum = 0;

	for (i = 0; i < b->nr_seats; i++)
		b->seats[i].first = 0;
	for (slot = 0; slot < nr_slots(b); slot++) {
		b->seats[owner[slot]].first++;
		chring_resched_sometimes(slot);
	}
	/* Ends, which become beginnings as the slots are put in place */
	for (i = 0; i < b->nr_seats; i++) {
		sum += b->seats[i].first;
		b->seats[i].first = sum;
	}
	for (slot = nr_slots(b); slot--; ) {
		b->by_owner[--b->seats[owner[slot]].first] = slot;
		chring_resched_sometimes(slot);
	}
}

/*
 * Makes room in others for what @gone serves: for each what it lacks to its
 * due without @gone, rounded down, then for some one slot more, up to the due
 * rounded up. The sharers are sorted by need, the others by room, so that it
 * looks at hardly any that get nothing. Returns the number of takers.
 */
static u32 make_room(struct chring_balancer *b, const struct seat *gone)
{
	u64 nr_points = b->nr_points - gone->member->nr_vnodes, remainder;
	u32 left = gone->held, nr_takers = 0, i;
	struct seat *seat;

	for (i = 0; left && i < b->nr_sharers; i++) {
		seat = b->sharers[i];
		if (seat == gone)
			continue;
		if ((seat->held + 1) * nr_points >
		    (u64)seat->member->nr_vnodes << b->order)
			break;
		seat->room = due(b, seat, nr_points, &remainder) - seat->held;
		seat->room = min(seat->room, left);
		left -= seat->room;
		b->takers[nr_takers++] = seat;
	}
	for (i = 0; left && i < b->nr_sharers; i++) {
		seat = b->others[i];
		if (seat == gone || (seat->held + seat->room) * nr_points >=
		    (u64)seat->member->nr_vnodes << b->order)
			continue;
		if (!seat->room)
			b->takers[nr_takers++] = seat;
		seat->room++;
		left--;
	}
	return nr_takers;
}

static bool take_room(struct chring_balancer *b, u16 index)
{
	if (!b->seats[index].room)
		return false;
	b->seats[index].room--;
	return true;
}

/* Who serves what @gone owns if it is the next to go */
static void stand_in(struct chring_balancer *b, u16 *standin,
		     const struct seat *gone, const u16 *slot, u32 nr)
{
	u32 nr_takers = make_room(b, gone), taker = 0, i;

	for (i = 0; i < nr; i++) {
		u16 home = b->home[slot[i]], next = b->next[slot[i]];

		if (take_room(b, home))
			standin[slot[i]] = home;
		else if (take_room(b, next))
			standin[slot[i]] = next;
		else
			standin[slot[i]] = CHRING_NO_MEMBER;
	}
	for (i = 0; i < nr; i++) {
		if (standin[slot[i]] != CHRING_NO_MEMBER)
			continue;
		while (!b->takers[taker]->room)
			taker++;
		b->takers[taker]->room--;
		standin[slot[i]] = index_of(b->takers[taker]);
	}
	for (i = 0; i < nr_takers; i++)
		b->takers[i]->room = 0;
}

/* Stand-ins of the living: who would own their slots without them */
static void set_standins(struct chring_balancer *b, struct chring_slots *slots)
{
	u32 i, end;

	if (b->nr_sharers == 1) {
		/* Nobody but itself: it serves all there is */
		memset16(slots->standin, index_of(b->sharers[0]), nr_slots(b));
		return;
	}
	memcpy(b->others, b->sharers, b->nr_sharers * sizeof(*b->sharers));
	sort_seats(b->sharers, b->nr_sharers, compare_needs);
	sort_seats(b->others, b->nr_sharers, compare_rooms);
	sort_by_owner(b, slots->owner);
	for (i = 0; i < b->nr_seats; i++) {
		const struct seat *seat = &b->seats[i];

		end = i + 1 < b->nr_seats ? b->seats[i + 1].first : nr_slots(b);
		if (alive(seat))
			stand_in(b, slots->standin, seat,
				 &b->by_owner[seat->first], end - seat->first);
		cond_resched();
	}
}

/**
 * chring_balance_even() - give each member of a ring its due
 * @b: memory to work in, for the order of @slots
 * @ring: the members, with the nr_filled that they have in @before
 * @before: what @slots are to replace, of the same order, or NULL for nothing
 * @slots: filled in
 *
 * Of an empty ring all slots have CHRING_NO_MEMBER. A member stands in for
 * itself where no other is alive.
 *
 * Context: Process context, may sleep. The caller excludes changes of the
 * ring, and other fills.
 */
void chring_balance_even(struct chring_balancer *b,
			 const struct chring_ring *ring,
			 const struct chring_slots *before,
			 struct chring_slots *slots)
{
	const struct chring_member *member;
	u32 nr_living = 0;

	memset(b->seats, 0, b->nr_seats * sizeof(*b->seats));
	list_for_each_entry(member, &ring->members, list) {
		b->seats[member->index].member = member;
		nr_living += !member->dead;
	}
	chring_ring_fill(ring, false, b->order, b->arcs, b->home, b->next);
	if (!ring->nr_members) {
		memcpy(slots->owner, b->home, nr_slots(b) * sizeof(u16));
		memcpy(slots->standin, b->home, nr_slots(b) * sizeof(u16));
		return;
	}
	set_owners(b, ring, before, slots);
	if (!nr_living) {
		memcpy(slots->standin, slots->owner, nr_slots(b) * sizeof(u16));
		return;
	}
	if (nr_living < ring->nr_members) {
		find_sharers(b, ring, true);
		set_servers(b, ring, before, slots);
	}
	set_standins(b, slots);
}

/**
 * chring_balance_ring() - give each slot to its successor on a ring
 * @b: memory to work in, for the order of @slots
 * @ring: the members
 * @slots: filled in
 *
 * Of an empty ring all slots have CHRING_NO_MEMBER. A member stands in for
 * itself where no other is alive.
 *
 * Context: Process context, may sleep. The caller excludes changes of the
 * ring, and other fills.
 */
void chring_balance_ring(struct chring_balancer *b,
			 const struct chring_ring *ring,
			 struct chring_slots *slots)
{
	const struct chring_member *member;
	u32 nr_living = 0, slot;

	list_for_each_entry(member, &ring->members, list) {
		b->seats[member->index].member = member;
		nr_living += !member->dead;
	}
	chring_ring_fill(ring, false, b->order, b->arcs, slots->owner,
			 slots->standin);
	if (nr_living == ring->nr_members)
		return;
	if (!nr_living) {
		memcpy(slots->standin, slots->owner, nr_slots(b) * sizeof(u16));
		return;
	}
	/* The living's own stay theirs without the dead */
	chring_ring_fill(ring, true, b->order, b->arcs, b->home, b->next);
	for (slot = 0; slot < nr_slots(b); slot++) {
		chring_resched_sometimes(slot);
		if (alive(&b->seats[slots->owner[slot]]))
			slots->standin[slot] = b->next[slot];
		else
			slots->standin[slot] = b->home[slot];
	}
}
