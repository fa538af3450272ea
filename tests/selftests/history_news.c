// SPDX-License-Identifier: GPL-2.0
/* What holders were told of those before them. */
#include <linux/chring_lock.h>

#include "history_private.h"

static size_t unseen_before(const struct lock *lock, unsigned long long time)
{
	const struct operation *acquire;
	size_t count = 0;

	for (acquire = lock->begin; acquire < lock->end; acquire++) {
		if (history_is_unseen(lock, acquire) && acquire->called < time)
			count++;
	}
	return count;
}

/*
 * Who shares a lock and is killed before it can say so may have been told what
 * nobody is told again.
 */
static bool may_be_swallowed(const struct lock *lock, unsigned long long since,
			     unsigned long long until)
{
	const struct operation *acquire;

	for (acquire = lock->begin; acquire < lock->end; acquire++) {
		if (history_is_unseen(lock, acquire) && acquire->called < until &&
		    history_over(lock, acquire) > since &&
		    (acquire->is_shared || lock->history->slots))
			return true;
	}
	return false;
}

/* Was @hold rightly told what it was of the one before it? */
static bool check_told(struct lock *lock, const struct hold *hold,
		       size_t *unseen)
{
	const struct hold *last = hold > lock->holds ? hold - 1 : NULL;
	bool died = hold->acquire->result & CHRING_NEWS_OWNER_DIED;
	unsigned long long dead_token = hold->acquire->dead_token;

	if (dead_token && last && dead_token == last->token) {
		if (died && !history_is_dead(last))
			return history_violated(lock, hold,
						"told that actor %u died, which it did not",
						last->acquire->actor);
		if (died && history_is_shared(lock, last))
			return history_violated(lock, hold,
						"told that actor %u died, which only shared it",
						last->acquire->actor);
		lock->findings->deaths += died;
		return true;
	}
	if (died) {
		if (last && dead_token < last->token)
			return history_violated(lock, hold,
						"told of token %#llx, which was not the last one",
						dead_token);
		if (dead_token >= hold->token ||
		    ++*unseen > unseen_before(lock, hold->from))
			return history_violated(lock, hold,
						"told of token %#llx, which was nobody's",
						dead_token);
		lock->findings->deaths++;
		return true;
	}
	/* It was told that itself, but was killed before it could say so */
	if (hold->acquire->result & CHRING_NEWS_EXPIRED)
		return true;
	if (last && last->fate == DEAD && !history_is_shared(lock, last) &&
	    !may_be_swallowed(lock, last->from, hold->from))
		return history_violated(lock, hold,
					"not told that actor %u died", last->acquire->actor);
	if (dead_token && !hold->acquire->result)
		return history_violated(lock, hold, "a dead token without news");
	return true;
}

/* Of those who have slots any may have died; each of them is told of once. */
static bool check_told_of_slot(struct lock *lock, const struct hold *hold,
			       size_t *unseen)
{
	const struct operation *acquire = hold->acquire;
	const struct hold *dead;

	if (!(acquire->result & CHRING_NEWS_OWNER_DIED))
		return true;
	dead = history_find_hold(lock, acquire->dead_token);
	if (!dead && (acquire->dead_token >= hold->token ||
		      ++*unseen > unseen_before(lock, hold->from)))
		return history_violated(lock, hold,
					"told of token %#llx, which was nobody's",
					acquire->dead_token);
	if (dead && !history_is_dead(dead) && dead->fate != EXPIRED)
		return history_violated(lock, hold,
					"told that actor %u died, which it did not",
					dead->acquire->actor);
	if (dead && dead->told != acquire)
		return history_violated(lock, hold, "told that actor %u died, as was actor %u",
					dead->acquire->actor, dead->told->actor);
	lock->findings->deaths++;
	return true;
}

/* Was somebody told that one died who had a slot, or others that died later? */
static bool check_slot_is_told(struct lock *lock, const struct hold *dead)
{
	const struct operation *kill = lock->kills[dead->acquire->actor];
	const struct hold *hold;

	for (hold = dead + 1; hold < lock->holds + lock->count; hold++) {
		if (hold->acquire->result & CHRING_NEWS_OWNER_DIED &&
		    hold->from > kill->called)
			return true;
		if (hold->acquire->called > kill->returned)
			break;
	}
	if (hold == lock->holds + lock->count ||
	    may_be_swallowed(lock, kill->called, hold->from))
		return true;
	return history_violated(lock, hold, "not told that actor %u died",
				dead->acquire->actor);
}

static bool check_news_of_slots(struct lock *lock)
{
	size_t unseen = 0;
	size_t i;

	for (i = 0; i < lock->count; i++) {
		if (!check_told_of_slot(lock, &lock->holds[i], &unseen) ||
		    (lock->holds[i].fate == DEAD &&
		     !check_slot_is_told(lock, &lock->holds[i])))
			return false;
	}
	return true;
}

bool history_check_news(struct lock *lock)
{
	size_t unseen = 0;
	size_t i;

	if (lock->history->slots)
		return check_news_of_slots(lock);
	for (i = 0; i < lock->count; i++) {
		if (!check_told(lock, &lock->holds[i], &unseen))
			return false;
	}
	return true;
}
