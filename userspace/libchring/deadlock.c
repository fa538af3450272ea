// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Cycles of processes that wait for each other, in words.
 */
#include <assert.h>
#include <linux/chring_lock.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "private.h"

/* The kernel fills them in. */
static_assert(sizeof(struct chring_deadlock_step) ==
	      sizeof(struct chring_lock_step), "a step is the kernel's");
static_assert(offsetof(struct chring_deadlock_step, name) ==
	      offsetof(struct chring_lock_step, name), "a step is the kernel's");
static_assert(CHRING_DEADLOCK_MAX == CHRING_STEPS_MAX, "as many as the kernel's");

/* A cycle of one: a thread that holds a lock, and would wait for it. */
void chring_deadlock_alone(struct chring_deadlock *deadlock, uint64_t token,
			   const char *name)
{
	struct chring_deadlock_step *step = deadlock->steps;

	memset(step, 0, sizeof(*step));
	step->token = token;
	step->pid = getpid();
	snprintf(step->name, sizeof(step->name), "%s", name);
	deadlock->nr = 1;
}

static const char *lock_name(const struct chring_deadlock_step *step)
{
	return *step->name ? step->name : "a lock";
}

CHRING_EXPORT size_t chring_deadlock_text(const struct chring_deadlock *deadlock,
					  char *text, size_t size)
{
	const struct chring_deadlock_step *step = deadlock->steps;
	const struct chring_deadlock_step *end = step + deadlock->nr;
	const struct chring_deadlock_step *next;
	size_t length = 0;
	char pid[32];
	size_t at;

	if (size)
		*text = '\0';
	for (; step < end; step++) {
		next = step + 1 < end ? step + 1 : deadlock->steps;
		snprintf(pid, sizeof(pid), "pid %d", step->pid);
		at = length < size ? length : size;
		length += snprintf(text + at, size - at,
				   "%s%s %s %s, waits for %s",
				   length ? "; " : "",
				   step->pid ? pid : "a process",
				   step->flags & CHRING_STEP_QUEUED ?
				   "is queued for" : "holds",
				   lock_name(step), lock_name(next));
	}
	return length;
}
