// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <linux/chring_lock.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "history_private.h"

bool history_violated(struct lock *lock, const struct hold *hold,
		      const char *format, ...)
{
	char *text = lock->findings->violation;
	size_t size = sizeof(lock->findings->violation);
	va_list arguments;
	int length;

	length = snprintf(text, size,
			  "lock %u, actor %u, token %#llx (%llu to %llu): ",
			  hold->acquire->lock, hold->acquire->actor,
			  hold->token, hold->from, hold->until);
	va_start(arguments, format);
	vsnprintf(text + length, size - length, format, arguments);
	va_end(arguments);
	return false;
}

static bool is_done(const struct operation *operation)
{
	return operation->returned && operation->result >= 0;
}

/* When an operation was over, whatever it came to. */
unsigned long long history_over(const struct lock *lock, const struct operation *operation)
{
	const struct operation *kill = lock->kills[operation->actor];

	if (operation->returned)
		return operation->returned;
	return kill && kill->returned ? kill->returned : NEVER;
}

/* From here on nothing is asked of what was over before @time. */
void history_forget(struct lock *lock, unsigned long long time)
{
	while (lock->first < lock->end && history_over(lock, lock->first) < time)
		lock->first++;
}

/* An acquisition whose end was never seen, for its actor was killed. */
bool history_is_unseen(const struct lock *lock,
		       const struct operation *operation)
{
	return operation->kind == OPERATION_ACQUIRE && !operation->returned &&
	       lock->kills[operation->actor];
}

/* ---- who held it */

/*
 * Operations that begin after this one, of the same actor, until it acquires
 * again: the release of what it acquired, if any.
 */
static const struct operation *release_of(const struct lock *lock,
					  const struct operation *acquire)
{
	const struct operation *next;

	for (next = acquire + 1; next < lock->end; next++) {
		if (next->actor != acquire->actor ||
		    next->kind == OPERATION_KILL)
			continue;
		if (next->kind == OPERATION_ACQUIRE)
			break;
		if (next->kind == OPERATION_RELEASE &&
		    next->token == acquire->token)
			return next;
	}
	return NULL;
}

bool history_is_dead(const struct hold *hold)
{
	return hold->fate == DEAD || hold->fate == DEAD_RELEASING;
}

static int by_token(const void *a, const void *b)
{
	const struct hold *one = a, *other = b;

	return (one->token > other->token) - (one->token < other->token);
}

struct hold *history_find_hold(const struct lock *lock, unsigned long long token)
{
	struct hold key = { .token = token };

	return bsearch(&key, lock->holds, lock->count, sizeof(key), by_token);
}

/* May others hold it at the same time, if they want no more? */
bool history_is_shared(const struct lock *lock, const struct hold *hold)
{
	return lock->history->slots || hold->acquire->is_shared;
}

/* The first break that may have ended a hold. */
static const struct operation *break_of(const struct lock *lock,
					const struct hold *hold)
{
	const struct operation *found;

	for (found = lock->begin; found < lock->end; found++) {
		if (found->kind == OPERATION_BREAK && is_done(found) &&
		    found->returned > hold->acquire->called)
			return found;
	}
	return NULL;
}

static void hold_ends(const struct lock *lock, struct hold *hold)
{
	const struct operation *release = release_of(lock, hold->acquire);
	const struct operation *kill = lock->kills[hold->acquire->actor];

	hold->until = NEVER;
	hold->freed = NEVER;
	hold->fate = HELD;
	if (release && (release->returned || kill)) {
		hold->until = release->called;
		hold->freed = release->returned;
		hold->fate = release->result < 0 ? LOST : RELEASED;
	}
	if (kill && (!release || !release->returned)) {
		hold->until = min(hold->until, kill->called);
		hold->freed = kill->returned;
		hold->fate = release ? DEAD_RELEASING : DEAD;
	}
}

static void find_told(struct lock *lock)
{
	const struct operation *acquire;
	struct hold *dead;
	size_t i;

	for (i = 0; i < lock->count; i++) {
		acquire = lock->holds[i].acquire;
		dead = acquire->dead_token ?
		       history_find_hold(lock, acquire->dead_token) : NULL;
		if (dead && !dead->told)
			dead->told = acquire;
	}
}

static void find_holds(struct lock *lock)
{
	const struct operation *acquire;
	struct hold *hold;

	lock->is_shared = lock->history->slots;

	for (acquire = lock->begin; acquire < lock->end; acquire++) {
		if (acquire->kind != OPERATION_ACQUIRE || !is_done(acquire))
			continue;
		hold = &lock->holds[lock->count++];
		hold->acquire = acquire;
		hold->told = NULL;
		lock->is_shared |= acquire->is_shared;
		hold->token = acquire->token;
		hold->from = acquire->returned;
		hold_ends(lock, hold);
	}
	qsort(lock->holds, lock->count, sizeof(*lock->holds), by_token);
	find_told(lock);
}

/* The earliest that a hold's lease was over: it runs since another wanted it. */
static unsigned long long lease_over(const struct lock *lock,
				     const struct hold *hold)
{
	const struct operation *other;

	for (other = lock->begin; other < lock->end; other++) {
		if (other->kind == OPERATION_ACQUIRE &&
		    other->actor != hold->acquire->actor &&
		    history_over(lock, other) >= hold->acquire->called)
			return lock->history->lease +
			       max(other->called, hold->acquire->called);
	}
	return NEVER;
}

/*
 * Was the lock taken from a hold, as far as can be known? Where several lose it at
 * once, the token of one is told; and who is killed then does not tell itself.
 */
static bool is_taken(const struct lock *lock, const struct hold *hold)
{
	if (hold->fate == LOST)
		return true;
	if (hold->told)
		return hold->told->result & CHRING_NEWS_EXPIRED;
	return lock->is_shared && history_is_dead(hold);
}

/* Whose lease was over has not died with the lock, though it may have later. */
static void find_expired(struct lock *lock)
{
	unsigned long long end;
	struct hold *hold;
	size_t i;

	for (i = 0; i < lock->count && lock->history->lease; i++) {
		hold = &lock->holds[i];
		end = lease_over(lock, hold);
		if (!is_taken(lock, hold) || end == NEVER)
			continue;
		hold->until = min(hold->until, max(end, hold->from));
		hold->fate = EXPIRED;
		lock->findings->expired++;
	}
}

/* Those that were broken are known by that they were lost, or by the news. */
static bool find_broken(struct lock *lock)
{
	const struct operation *broken;
	struct hold *hold;
	size_t i;

	for (i = 0; i < lock->count; i++) {
		hold = &lock->holds[i];
		if (hold->fate != LOST &&
		    !(hold->told && hold->told->result & CHRING_NEWS_BROKEN))
			continue;
		broken = break_of(lock, hold);
		if (!broken)
			return history_violated(lock, hold, "it was lost");
		hold->until = min(hold->until, broken->called);
		hold->until = max(hold->until, hold->from);
		hold->freed = broken->returned;
	}
	return true;
}

/* ---- what must hold */

static const struct hold *later(const struct hold *one,
				const struct hold *other)
{
	return !one || other->until > one->until ? other : one;
}

/* @earlier has the smaller token, and they must not have met. */
static bool check_apart(struct lock *lock, const struct hold *earlier,
			const struct hold *hold)
{
	if (!earlier || earlier->until <= hold->from)
		return true;
	if (hold->until <= earlier->from)
		return history_violated(lock, earlier,
					"token %#llx is greater, but came before",
					hold->token);
	return history_violated(lock, earlier, "actor %u held it as well, from %llu",
				hold->acquire->actor, hold->from);
}

static bool check_exclusion(struct lock *lock)
{
	/* Of those with smaller tokens: who held it last; alone; who asked last */
	const struct hold *last = NULL, *alone = NULL, *asked = NULL;
	const struct hold *hold;
	size_t i;

	for (i = 0; i < lock->count; i++) {
		hold = &lock->holds[i];
		if (i && hold[-1].token == hold->token)
			return history_violated(lock, hold - 1,
						"actor %u was given the same token",
						hold->acquire->actor);
		if (!check_apart(lock, history_is_shared(lock, hold) ? alone : last,
				 hold))
			return false;
		if (asked && hold->from < asked->acquire->called)
			return history_violated(lock, asked,
						"token %#llx is greater, but came before",
						hold->token);
		/* Of one that lost it before it could say so nothing is known */
		if (hold->until > hold->from) {
			last = later(last, hold);
			if (!history_is_shared(lock, hold))
				alone = later(alone, hold);
		}
		if (!asked || hold->acquire->called > asked->acquire->called)
			asked = hold;
	}
	return true;
}

static bool waits(const struct operation *operation)
{
	return operation->kind == OPERATION_ACQUIRE && !operation->is_try;
}

/* Nobody waits longer than the bound while it is free, since @hold. */
bool history_check_waits(struct lock *lock, const struct hold *hold,
			 unsigned long long since, unsigned long long until,
			 const char *what)
{
	const struct operation *waiter;
	unsigned long long from, to;

	for (waiter = lock->first; waiter < lock->end; waiter++) {
		if (waiter->called >= until)
			break;
		if (!waits(waiter))
			continue;
		from = max(since, waiter->called);
		to = min(until, history_over(lock, waiter));
		if (from >= to)
			continue;
		lock->findings->longest = max(lock->findings->longest,
					      to - from);
		if (to - from > lock->history->bound)
			return history_violated(lock, hold,
						"actor %u waited for %llu ms after %s",
						waiter->actor, (to - from) / 1000000, what);
	}
	return true;
}

/* The earliest that somebody has the lock, after a hold. */
static unsigned long long taken_again(const struct lock *lock, const struct hold *hold)
{
	if (hold + 1 < lock->holds + lock->count)
		return hold[1].from;
	return lock->history->ended;
}

/*
 * Nobody waits all through the time in which the lock was free: from a hold's
 * end to the next one. Who was killed while acquiring may have held it, though.
 */
static bool check_wakeups(struct lock *lock, const struct hold *hold)
{
	unsigned long long until = taken_again(lock, hold);
	unsigned long long since = hold->freed;
	const struct operation *waiter;

	history_forget(lock, hold->from);
	for (waiter = lock->first; waiter < lock->end; waiter++) {
		if (waiter->called >= until)
			break;
		if (waits(waiter) && history_is_unseen(lock, waiter) &&
		    history_over(lock, waiter) > hold->from)
			since = max(since, history_over(lock, waiter));
	}
	return history_check_waits(lock, hold, since, until, "it was free");
}

/* ---- who was first */

/* The last of all calls that were served before each hold, itself included. */
static unsigned long long *latest_calls(const struct lock *lock)
{
	unsigned long long *latest = calloc(lock->count + 1, sizeof(*latest));
	size_t i;

	if (!latest)
		abort();
	for (i = 0; i < lock->count; i++)
		latest[i + 1] = max(latest[i], lock->holds[i].acquire->called);
	return latest;
}

/* How many were served after @acquire that came when it was in the queue. */
static int followers(const struct lock *lock, const struct operation *acquire,
		     unsigned long long queued)
{
	const struct operation *next;
	int count = 0;

	for (next = acquire + 1; next < lock->end; next++) {
		if (next->called > acquire->returned)
			break;
		if (waits(next) && is_done(next) && next->called > queued)
			count++;
	}
	return count;
}

/*
 * Where as many may have been waiting as the kernel counted, all of them were,
 * and who asked later has it later.
 */
static bool check_stat(struct lock *lock, const struct operation *stat,
		       const unsigned long long *latest)
{
	const struct operation *waiter;
	struct hold *hold;
	size_t count = 0;

	history_forget(lock, stat->called);
	for (waiter = lock->first; waiter < lock->end; waiter++) {
		if (waiter->called > stat->returned)
			break;
		if (waits(waiter) && history_over(lock, waiter) >= stat->called)
			count++;
	}
	if (!count || count != (size_t)stat->result)
		return true;
	for (waiter = lock->first; waiter < lock->end; waiter++) {
		if (waiter->called > stat->returned)
			break;
		if (!waits(waiter) || history_over(lock, waiter) < stat->called ||
		    !is_done(waiter))
			continue;
		hold = history_find_hold(lock, waiter->token);
		if (latest[hold - lock->holds] > stat->returned)
			return history_violated(lock, hold,
						"it waited since %llu or before, and one had it first that asked at %llu",
						stat->returned,
						latest[hold - lock->holds]);
		lock->findings->ordered += followers(lock, waiter,
						     stat->returned);
	}
	return true;
}

static bool check_order(struct lock *lock)
{
	const struct operation *stat;
	unsigned long long *latest;
	bool good = true;

	if (!lock->history->is_fifo)
		return true;
	latest = latest_calls(lock);
	lock->first = lock->begin;
	for (stat = lock->begin; stat < lock->end && good; stat++) {
		if (stat->kind == OPERATION_STAT && is_done(stat))
			good = check_stat(lock, stat, latest);
	}
	free(latest);
	return good;
}

/* ---- all of it */

static int by_lock_and_call(const void *a, const void *b)
{
	const struct operation *one = a, *other = b;

	if (one->lock != other->lock)
		return one->lock < other->lock ? -1 : 1;
	return (one->called > other->called) - (one->called < other->called);
}

static bool check_lock(struct lock *lock)
{
	size_t i;

	find_holds(lock);
	lock->findings->holds += lock->count;
	find_expired(lock);
	if (!find_broken(lock) || !check_exclusion(lock) || !history_check_slots(lock) ||
	    !history_check_news(lock) || !check_order(lock))
		return false;
	if (lock->is_shared)
		return history_check_room(lock);
	lock->first = lock->begin;
	for (i = 0; i < lock->count; i++) {
		if (!check_wakeups(lock, &lock->holds[i]))
			return false;
	}
	return true;
}

static const struct operation **kills_by_actor(const struct history *history)
{
	const struct operation **kills;
	unsigned int most = 0;
	size_t i;

	for (i = 0; i < history->count; i++)
		most = max(most, history->operations[i].actor);
	kills = calloc(most + 1, sizeof(*kills));
	if (!kills)
		abort();
	for (i = 0; i < history->count; i++) {
		if (history->operations[i].kind == OPERATION_KILL)
			kills[history->operations[i].actor] =
				&history->operations[i];
	}
	return kills;
}

bool history_check(struct history *history, struct findings *findings)
{
	const struct operation *end = history->operations + history->count;
	struct lock lock = {
		.history = history,
		.begin = history->operations,
		.findings = findings,
	};
	bool good = true;

	memset(findings, 0, sizeof(*findings));
	qsort(history->operations, history->count, sizeof(*history->operations),
	      by_lock_and_call);
	lock.kills = kills_by_actor(history);
	lock.holds = calloc(history->count + 1, sizeof(*lock.holds));
	if (!lock.holds)
		abort();
	for (; good && lock.begin < end; lock.begin = lock.end) {
		lock.end = lock.begin;
		while (lock.end < end && lock.end->lock == lock.begin->lock)
			lock.end++;
		lock.count = 0;
		good = check_lock(&lock);
	}
	free(lock.holds);
	free(lock.kills);
	return good;
}
