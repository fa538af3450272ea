/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CHRING_LOCK_DEADLOCK_H
#define CHRING_LOCK_DEADLOCK_H

#include <linux/types.h>
#include <uapi/linux/chring_lock.h>

struct chring_waiter;

/**
 * struct chring_deadlock - a cycle of processes that wait for each other
 * @nr: its length
 * @steps: of the process that asked, of the one that it waits for, and so on
 */
struct chring_deadlock {
	unsigned int nr;
	struct chring_lock_step steps[] __counted_by(nr);
};

bool chring_deadlock_can_be(const struct chring_waiter *waiter);
int chring_deadlock_find_locked(const struct chring_waiter *waiter,
				struct chring_deadlock **deadlock);

#endif /* CHRING_LOCK_DEADLOCK_H */
