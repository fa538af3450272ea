// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <limits.h>
#include <linux/chring_lock.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "history.h"

#define NEVER ULLONG_MAX

#define max(a, b) ((a) > (b) ? (a) : (b))
#define min(a, b) ((a) < (b) ? (a) : (b))

/* How a hold ended, as far as is known. */
enum fate {
	HELD,			/* for all we know it has not */
	RELEASED,
	LOST,			/* the release came too late */
	EXPIRED,		/* its lease was over before */
	DEAD,			/* killed, and had not begun to release it */
	DEAD_RELEASING,
};

/*
 * An acquisition that succeeded. The lock was held from @from to @until at
 * least, and was free again by @freed if nobody else has taken it.
 */
struct hold {
	const struct operation *acquire;
	unsigned long long token;
	unsigned long long from, until, freed;
	enum fate fate;
};

/*
 * What is known of one lock. Before @first all is over that is of interest yet:
 * checks go on in time, and would take for ever if each looked at everything.
 */
struct lock {
	const struct history *history;
	const struct operation *begin, *first, *end;
	const struct operation **kills;		/* by actor */
	struct hold *holds;			/* by token */
	size_t count;
	struct findings *findings;
};

static bool violated(struct lock *lock, const struct hold *hold,
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
static unsigned long long over(const struct lock *lock, const struct operation *operation)
{
	const struct operation *kill = lock->kills[operation->actor];

	if (operation->returned)
		return operation->returned;
	return kill && kill->returned ? kill->returned : NEVER;
}

/* From here on nothing is asked of what was over before @time. */
static void forget(struct lock *lock, unsigned long long time)
{
	while (lock->first < lock->end && over(lock, lock->first) < time)
		lock->first++;
}

static bool is_killed(const struct lock *lock,
		      const struct operation *operation)
{
	return !operation->returned && lock->kills[operation->actor];
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

static int by_token(const void *a, const void *b)
{
	const struct hold *one = a, *other = b;

	return (one->token > other->token) - (one->token < other->token);
}

static void find_holds(struct lock *lock)
{
	const struct operation *acquire;
	struct hold *hold;

	for (acquire = lock->begin; acquire < lock->end; acquire++) {
		if (acquire->kind != OPERATION_ACQUIRE || !is_done(acquire))
			continue;
		hold = &lock->holds[lock->count++];
		hold->acquire = acquire;
		hold->token = acquire->token;
		hold->from = acquire->returned;
		hold_ends(lock, hold);
	}
	qsort(lock->holds, lock->count, sizeof(*lock->holds), by_token);
}

/* The earliest that a hold's lease was over: it runs since another wanted it. */
static unsigned long long lease_over(const struct lock *lock,
				     const struct hold *hold)
{
	const struct operation *other;

	for (other = lock->begin; other < lock->end; other++) {
		if (other->kind == OPERATION_ACQUIRE &&
		    other->actor != hold->acquire->actor &&
		    over(lock, other) >= hold->acquire->called)
			return lock->history->lease +
			       max(other->called, hold->acquire->called);
	}
	return NEVER;
}

/* Whose lease was over has not died with the lock, though it may have later. */
static void find_expired(struct lock *lock)
{
	const struct operation *next;
	unsigned long long end;
	struct hold *hold;
	size_t i;

	for (i = 0; i < lock->count && lock->history->lease; i++) {
		hold = &lock->holds[i];
		next = i + 1 < lock->count ? hold[1].acquire : NULL;
		end = lease_over(lock, hold);
		if (hold->fate != LOST &&
		    !(next && next->result & CHRING_NEWS_EXPIRED &&
		      next->dead_token == hold->token))
			continue;
		if (end == NEVER)
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
	const struct operation *next;
	struct hold *hold;
	size_t i;

	for (i = 0; i < lock->count; i++) {
		hold = &lock->holds[i];
		next = i + 1 < lock->count ? hold[1].acquire : NULL;
		if (hold->fate != LOST &&
		    !(next && next->result & CHRING_NEWS_BROKEN &&
		      next->dead_token == hold->token))
			continue;
		broken = break_of(lock, hold);
		if (!broken)
			return violated(lock, hold, "it was lost");
		hold->until = min(hold->until, broken->called);
		hold->until = max(hold->until, hold->from);
		hold->freed = broken->returned;
	}
	return true;
}

/* ---- what must hold */

static bool check_exclusion(struct lock *lock)
{
	struct hold *hold = NULL, *last, *next;
	size_t i;

	for (i = 0; i + 1 < lock->count; i++) {
		last = &lock->holds[i];
		next = last + 1;
		if (last->token == next->token)
			return violated(lock, last,
					"actor %u was given the same token",
					next->acquire->actor);
		/* Its lease may have ended before it knew that it held it. */
		if (last->until > last->from)
			hold = last;
		if (!hold || hold->until <= next->from)
			continue;
		if (next->until <= hold->from)
			return violated(lock, hold,
					"token %#llx is greater, but came before",
					next->token);
		return violated(lock, hold,
				"actor %u held it as well, from %llu",
				next->acquire->actor, next->from);
	}
	return true;
}

/* Acquisitions whose end was never seen, for their actors were killed. */
static size_t unseen_before(const struct lock *lock, unsigned long long time)
{
	const struct operation *acquire;
	size_t count = 0;

	for (acquire = lock->begin; acquire < lock->end; acquire++) {
		if (acquire->kind == OPERATION_ACQUIRE &&
		    is_killed(lock, acquire) && acquire->called < time)
			count++;
	}
	return count;
}

/* Was @hold rightly told what it was of the one before it? */
static bool check_told(struct lock *lock, const struct hold *hold,
		       size_t *unseen)
{
	const struct hold *last = hold > lock->holds ? hold - 1 : NULL;
	bool died = hold->acquire->result & CHRING_NEWS_OWNER_DIED;
	unsigned long long dead_token = hold->acquire->dead_token;

	if (dead_token && last && dead_token == last->token) {
		if (died && last->fate != DEAD && last->fate != DEAD_RELEASING)
			return violated(lock, hold,
					"told that actor %u died, which it did not",
					last->acquire->actor);
		lock->findings->deaths += died;
		return true;
	}
	if (died) {
		if (last && dead_token < last->token)
			return violated(lock, hold,
					"told of token %#llx, which was not the last one",
					dead_token);
		if (dead_token >= hold->token ||
		    ++*unseen > unseen_before(lock, hold->from))
			return violated(lock, hold,
					"told of token %#llx, which was nobody's",
					dead_token);
		lock->findings->deaths++;
		return true;
	}
	/* It was told that itself, but was killed before it could say so */
	if (hold->acquire->result & CHRING_NEWS_EXPIRED)
		return true;
	if (last && last->fate == DEAD)
		return violated(lock, hold,
				"not told that actor %u died", last->acquire->actor);
	if (dead_token && !hold->acquire->result)
		return violated(lock, hold, "a dead token without news");
	return true;
}

static bool check_news(struct lock *lock)
{
	size_t unseen = 0;
	size_t i;

	for (i = 0; i < lock->count; i++) {
		if (!check_told(lock, &lock->holds[i], &unseen))
			return false;
	}
	return true;
}

static bool waits(const struct operation *operation)
{
	return operation->kind == OPERATION_ACQUIRE && !operation->is_try;
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
	unsigned long long from, to;

	forget(lock, hold->from);
	for (waiter = lock->first; waiter < lock->end; waiter++) {
		if (waiter->called >= until)
			break;
		if (waits(waiter) && is_killed(lock, waiter) &&
		    over(lock, waiter) > hold->from)
			since = max(since, over(lock, waiter));
	}
	for (waiter = lock->first; waiter < lock->end; waiter++) {
		if (waiter->called >= until)
			break;
		if (!waits(waiter))
			continue;
		from = max(since, waiter->called);
		to = min(until, over(lock, waiter));
		if (from >= to)
			continue;
		lock->findings->longest = max(lock->findings->longest,
					      to - from);
		if (to - from > lock->history->bound)
			return violated(lock, hold,
					"actor %u waited for %llu ms after it was free",
					waiter->actor, (to - from) / 1000000);
	}
	return true;
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

static struct hold *hold_of(const struct lock *lock,
			    const struct operation *acquire)
{
	struct hold key = { .token = acquire->token };

	return bsearch(&key, lock->holds, lock->count, sizeof(key), by_token);
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

	forget(lock, stat->called);
	for (waiter = lock->first; waiter < lock->end; waiter++) {
		if (waiter->called > stat->returned)
			break;
		if (waits(waiter) && over(lock, waiter) >= stat->called)
			count++;
	}
	if (!count || count != (size_t)stat->result)
		return true;
	for (waiter = lock->first; waiter < lock->end; waiter++) {
		if (waiter->called > stat->returned)
			break;
		if (!waits(waiter) || over(lock, waiter) < stat->called ||
		    !is_done(waiter))
			continue;
		hold = hold_of(lock, waiter);
		if (latest[hold - lock->holds] > stat->returned)
			return violated(lock, hold,
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
	if (!find_broken(lock) || !check_exclusion(lock) ||
	    !check_news(lock) || !check_order(lock))
		return false;
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
