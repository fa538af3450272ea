// SPDX-License-Identifier: GPL-2.0
/* Locks that several hold at once: how many, and whether there was room. */
#include <stdlib.h>

#include "history_private.h"

/* One more holds the lock, or one less, from @time on. */
struct change {
	unsigned long long time;
	int by;
	const struct hold *hold;
};

static int by_time(const void *a, const void *b)
{
	const struct change *one = a, *other = b;

	if (one->time != other->time)
		return one->time < other->time ? -1 : 1;
	return one->by - other->by;
}

static void add_change(struct change *changes, size_t *count,
		       unsigned long long time, int by, const struct hold *hold)
{
	changes[*count] = (struct change){ time, by, hold };
	++*count;
}

static struct change *alloc_changes(const struct lock *lock)
{
	struct change *changes;

	changes = calloc(2 * (lock->end - lock->begin) + 1, sizeof(*changes));
	if (!changes)
		abort();
	return changes;
}

/* No more hold it than it has slots, for all that is known for sure. */
bool history_check_slots(struct lock *lock)
{
	struct change *changes;
	unsigned int held = 0;
	bool good = true;
	size_t count = 0;
	size_t i;

	if (!lock->history->slots)
		return true;
	changes = alloc_changes(lock);
	for (i = 0; i < lock->count; i++) {
		const struct hold *hold = &lock->holds[i];

		if (hold->from >= hold->until)
			continue;
		add_change(changes, &count, hold->from, 1, hold);
		add_change(changes, &count, hold->until, -1, hold);
	}
	qsort(changes, count, sizeof(*changes), by_time);
	for (i = 0; i < count && good; i++) {
		held += changes[i].by;
		if (held > lock->history->slots)
			good = history_violated(lock, changes[i].hold,
						"there were %u that held it", held);
	}
	free(changes);
	return good;
}

/* Does anybody wait for too long while no more hold it than can be seen? */
static bool check_idle(struct lock *lock, const struct change *begin,
		       const struct change *end)
{
	unsigned long long since = begin->time;
	unsigned long long until = end ? end->time : lock->history->ended;

	history_forget(lock, since);
	return history_check_waits(lock, begin->hold, since, until, "there was room");
}

/* Who may hold the lock, from when it could say so on. */
static size_t possible_changes(const struct lock *lock, struct change *changes)
{
	const struct operation *acquire;
	size_t count = 0;
	size_t i;

	for (i = 0; i < lock->count; i++) {
		const struct hold *hold = &lock->holds[i];

		add_change(changes, &count, hold->from, 1, hold);
		if (hold->freed != NEVER)
			add_change(changes, &count, max(hold->freed, hold->from),
				   -1, hold);
	}
	for (acquire = lock->begin; acquire < lock->end; acquire++) {
		if (!history_is_unseen(lock, acquire))
			continue;
		add_change(changes, &count, acquire->called, 1, lock->holds);
		if (history_over(lock, acquire) != NEVER)
			add_change(changes, &count, history_over(lock, acquire), -1,
				   lock->holds);
	}
	qsort(changes, count, sizeof(*changes), by_time);
	return count;
}

/* The same of a lock that several may hold: a slot is free, or all of it is. */
bool history_check_room(struct lock *lock)
{
	struct change *changes = alloc_changes(lock);
	int room = lock->history->slots ? (int)lock->history->slots : 1;
	size_t count = possible_changes(lock, changes);
	const struct change *idle = NULL;
	bool good = true;
	int held = 0;
	size_t i;

	lock->first = lock->begin;
	for (i = 0; i < count && good; i++) {
		held += changes[i].by;
		if (held >= room && idle)
			good = check_idle(lock, idle, &changes[i]);
		if (held >= room)
			idle = NULL;
		else if (!idle)
			idle = &changes[i];
	}
	if (good && idle)
		good = check_idle(lock, idle, NULL);
	free(changes);
	return good;
}
