/* SPDX-License-Identifier: GPL-2.0 */
/* What the rules of histories have in common. */
#ifndef HISTORY_PRIVATE_H
#define HISTORY_PRIVATE_H

#include <limits.h>

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
 * least, and was free again by @freed if nobody else has taken it. @told is the
 * acquisition that was told what befell this one, if any.
 */
struct hold {
	const struct operation *acquire;
	const struct operation *told;
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
	bool is_shared;				/* by some, or has slots */
	struct hold *holds;			/* by token */
	size_t count;
	struct findings *findings;
};

bool history_violated(struct lock *lock, const struct hold *hold,
		      const char *format, ...);
unsigned long long history_over(const struct lock *lock,
				const struct operation *operation);
void history_forget(struct lock *lock, unsigned long long time);
bool history_is_unseen(const struct lock *lock,
		       const struct operation *operation);
bool history_is_dead(const struct hold *hold);
bool history_is_shared(const struct lock *lock, const struct hold *hold);
struct hold *history_find_hold(const struct lock *lock,
			       unsigned long long token);

bool history_check_waits(struct lock *lock, const struct hold *hold,
			 unsigned long long since, unsigned long long until,
			 const char *what);
bool history_check_news(struct lock *lock);
bool history_check_slots(struct lock *lock);
bool history_check_room(struct lock *lock);

#endif /* HISTORY_PRIVATE_H */
