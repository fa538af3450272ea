/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Histories of locks, and what must hold of them whoever made them:
 *
 *	exclusion	no two hold the lock at once, unless both share it
 *	slots		no more hold it at once than it has
 *	tokens		each acquisition has a greater one than those before it
 *	order		in a lock that is first in, first out, who waited before
 *			another asked has it before that one
 *	wake-ups	nobody waits for longer than a bound while it is free, or
 *			a slot of it
 *	leases		nobody loses it before another was made to wait for as long
 *	news		where a holder died the next one is told so, with the
 *			dead one's token, and no other is; nor is one told of
 *			the death of one that only shared it
 *
 * Stamps are of one clock for all processes. All that is known of an operation
 * is that it took effect between its two stamps, so what is checked is what must
 * be so wherever in between that was.
 */
#ifndef HISTORY_H
#define HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum operation_kind {
	OPERATION_NONE,
	OPERATION_ACQUIRE,
	OPERATION_RELEASE,
	OPERATION_STAT,
	OPERATION_KILL,
	OPERATION_BREAK,
};

/**
 * struct operation - what somebody did to a lock
 * @kind: OPERATION_...
 * @lock: number of the lock
 * @actor: who: a number for each thread of each process, none used twice, each
 *	for one lock; in OPERATION_KILL whom
 * @result: 0 or more: done; of an acquisition also the CHRING_NEWS_... it came
 *	with; of OPERATION_STAT the number of waiters; negative errno
 * @is_try: an acquisition that does not wait
 * @is_shared: one that shares the lock
 * @token: of an acquisition, what it got; of a release, what it gave
 * @dead_token: of an acquisition, what the news is about
 * @called: when it began, in ns; of a kill, before the signal was sent
 * @returned: when it had ended, in ns, 0 where it never did; of a kill, when
 *	the whole process had been reaped
 */
struct operation {
	unsigned int kind;
	unsigned int lock;
	unsigned int actor;
	int result;
	bool is_try;
	bool is_shared;
	unsigned long long token;
	unsigned long long dead_token;
	unsigned long long called;
	unsigned long long returned;
};

/**
 * struct history - operations, and what kind of lock they were done to
 * @operations: in any order
 * @count: of them
 * @is_fifo: the order of arrival is kept
 * @slots: how many may hold it at once, or 0: one alone, or those who share it
 * @lease: how long a holder may make others wait, in ns, or 0: for ever
 * @bound: how long the lock may be free while somebody waits, in ns
 * @ended: when the last operation was waited for, in ns
 */
struct history {
	struct operation *operations;
	size_t count;
	bool is_fifo;
	unsigned int slots;
	unsigned long long lease;
	unsigned long long bound;
	unsigned long long ended;
};

/**
 * struct findings - what a check came to
 * @violation: what does not hold, empty where all does
 * @holds: acquisitions that were seen
 * @deaths: deaths of holders that were told
 * @expired: holds whose lease was over
 * @ordered: pairs of which it was known who was to be first
 * @longest: the longest time that the lock was free while somebody waited, ns
 */
struct findings {
	char violation[256];
	int holds;
	int deaths;
	int expired;
	int ordered;
	unsigned long long longest;
};

/**
 * history_check - check the history of one or more locks
 * @history: sorted by this, by lock and time of call
 * @findings: filled
 *
 * Return: whether all holds.
 */
bool history_check(struct history *history, struct findings *findings);

#endif /* HISTORY_H */
