/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CHRING_LOCK_QUEUE_H
#define CHRING_LOCK_QUEUE_H

#include <linux/types.h>

struct chring_handle;
struct chring_lock;
struct chring_waiter;
struct task_struct;

/**
 * struct chring_wakeup - what is to be done once a lock's lock is let go
 * @task: to be woken, with a reference; or NULL
 * @handle: whose asynchronous acquisition is done, as long as the lock's lock is
 *	held or RCU's; or NULL
 * @nudged: @task was not handed the lock, but is to have a look
 * @more: there is room for the next waiter as well
 * @poll: something happened that handles' poll() tells of
 */
struct chring_wakeup {
	struct task_struct *task;
	struct chring_handle *handle;
	bool nudged;
	bool more;
	bool poll;
};

unsigned long chring_queue_look_again(void);
void chring_queue_unlock(struct chring_lock *lock, struct chring_wakeup *wakeup)
	__releases(&lock->lock);
struct chring_waiter *chring_queue_first_locked(struct chring_lock *lock);
bool chring_queue_is_overdue(const struct chring_waiter *waiter);
void chring_queue_add_locked(struct chring_lock *lock,
			     struct chring_waiter *waiter);
void chring_queue_tried_locked(struct chring_lock *lock,
			       struct chring_waiter *waiter);
void chring_queue_remove_locked(struct chring_lock *lock,
				struct chring_waiter *waiter);
void chring_queue_finish_locked(struct chring_lock *lock,
				struct chring_waiter *waiter, int status);
int chring_queue_status(const struct chring_waiter *waiter);
void chring_queue_pass_on_locked(struct chring_lock *lock,
				 struct chring_wakeup *wakeup);
void chring_queue_settle(struct chring_lock *lock, struct chring_wakeup *wakeup)
	__releases(&lock->lock);

#endif /* CHRING_LOCK_QUEUE_H */
