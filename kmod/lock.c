// SPDX-License-Identifier: GPL-2.0
/*
 * Named locks: taken, waited for, let go, taken away.
 */

#include <linux/hrtimer.h>
#include <linux/jiffies.h>
#include <linux/mutex.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>

#include "lock.h"
#include "lock_deadlock.h"
#include "lock_holder.h"
#include "lock_lease.h"
#include "lock_queue.h"
#include "lock_word.h"
#include "lockspace.h"
#include "owner.h"

/**
 * chring_handle_check_locked - is a handle the current process's?
 * @handle: caller holds its lock's lock
 *
 * Return: 0; -ESTALE where it is not, or is closed.
 */
int chring_handle_check_locked(const struct chring_handle *handle)
{
	lockdep_assert_held(&handle->lock->lock);
	if (handle->closed || !handle->owner ||
	    !chring_owner_is_current(handle->owner))
		return -ESTALE;
	return 0;
}

/* Of several holders it shows the one that is asked for, or else the first. */
static void fill_view_locked(struct chring_lock *lock,
			     const struct chring_handle *asked,
			     struct chring_lock_view *view)
{
	u64 mine = asked ? chring_holder_token_locked(asked) : 0;
	const struct chring_handle *holder = mine ? asked : lock->holder;

	lockdep_assert_held(&lock->lock);
	*view = (struct chring_lock_view){
		.token = chring_word_token_locked(lock),
		.mine = mine,
		.held = holder,
		.shared = lock->nr_shares,
		.holders = lock->nr_shares ?: !!holder,
		.slots = lock->slots,
		.news = lock->news,
		.dead_token = lock->news ? lock->dead_token : 0,
		.handles = lock->nr_handles,
		.waiters = lock->nr_waiters,
		.uid = lock->uid,
		.gid = lock->gid,
		.mode = lock->mode,
		.flags = lock->flags,
		.persistent = lock->persistent,
	};
	/* Who asks for its handle is not told of leases, of which there may be many */
	if (lock->lease && !asked)
		chring_lease_view_locked(lock, view);
	if (!holder)
		return;
	view->held_ns = chring_holder_held_ns_locked(holder);
	if (holder->owner)
		view->tgid = get_pid(holder->owner->tgid);
}

/**
 * chring_lock_view - see how a lock stands
 * @lock: the lock; caller has a reference, or its lockspace's lock
 * @handle: one of the lock's, which is to see what is its own, but no leases; or
 *	NULL
 * @view: filled in; the caller is to put its @tgid
 *
 * Context: process; takes the lock's lock.
 */
void chring_lock_view(struct chring_lock *lock,
		      const struct chring_handle *handle,
		      struct chring_lock_view *view)
{
	struct chring_wakeup wakeup = {};

	spin_lock(&lock->lock);
	chring_word_freeze_locked(lock);
	fill_view_locked(lock, handle, view);
	chring_queue_settle(lock, &wakeup);
}

/**
 * chring_lock_has_token - has nobody taken the lock from who has a token?
 * @lock: the lock; caller has a reference, or its lockspace's lock
 * @token: what is asked about
 *
 * Context: process; takes the lock's lock.
 * Return: whether @token is the newest one, or somebody holds the lock by it.
 */
bool chring_lock_has_token(struct chring_lock *lock, u64 token)
{
	struct chring_wakeup wakeup = {};
	struct chring_handle *handle;
	bool has;

	spin_lock(&lock->lock);
	chring_word_freeze_locked(lock);
	has = token && token == chring_word_token_locked(lock);
	for (handle = lock->holder; handle && !has;
	     handle = chring_holder_next_locked(handle))
		has = token == chring_holder_token_locked(handle);
	chring_queue_settle(lock, &wakeup);
	return has;
}

/**
 * chring_lock_peek - see how a lock stood last, without a look at its word
 * @lock: the lock; caller has a reference, or its lockspace's lock
 * @view: filled in; the caller is to put its @tgid
 *
 * Context: process; takes the lock's lock.
 */
void chring_lock_peek(struct chring_lock *lock, struct chring_lock_view *view)
{
	spin_lock(&lock->lock);
	fill_view_locked(lock, NULL, view);
	spin_unlock(&lock->lock);
}

/* ---- acquiring */

/*
 * May the waiter, in the queue or not yet, take the lock? Who would share it
 * never passes another by: or else those who share would come and go, while who
 * wants the lock alone never finds it free.
 */
static bool may_take(struct chring_lock *lock,
		     const struct chring_waiter *waiter)
{
	const struct chring_waiter *first;

	if (lock->holder && !chring_holder_fits_locked(waiter))
		return false;
	if (!lock->nr_waiters)
		return true;
	first = chring_queue_first_locked(lock);
	if (first == waiter)
		return true;
	return !(lock->flags & CHRING_LOCK_FIFO) &&
	       !chring_holder_shares_locked(waiter) &&
	       !chring_queue_is_overdue(first);
}

/* Nobody but the current thread could release what its handle holds, or will. */
static bool is_deadlock(const struct chring_handle *handle, u32 flags)
{
	return (chring_holder_token_locked(handle) || handle->async) &&
	       !(flags & (CHRING_ACQUIRE_SELF | CHRING_ACQUIRE_DETECT)) &&
	       thread_group_empty(current);
}

/**
 * chring_lock_try_locked - take a lock, or else wait for it
 * @waiter: in the queue or not; caller holds its lock's lock
 * @flags: CHRING_ACQUIRE_...
 * @wakeup: gets who is to be woken
 *
 * The lock is frozen.
 *
 * Return: 1 where it is taken; 0 where the waiter is in the queue; -EBUSY;
 * -EDEADLK; -EOVERFLOW.
 */
int chring_lock_try_locked(struct chring_waiter *waiter, u32 flags,
			   struct chring_wakeup *wakeup)
{
	struct chring_lock *lock = waiter->handle->lock;
	int err;

	if (may_take(lock, waiter)) {
		err = chring_holder_take_locked(waiter->handle, waiter->grant);
		chring_queue_remove_locked(lock, waiter);
		/* The next one can share it; or cannot have it either, but is to know */
		if (err || lock->nr_shares)
			chring_queue_pass_on_locked(lock, wakeup);
		return err ?: 1;
	}
	if (!list_empty(&waiter->node)) {
		chring_queue_tried_locked(lock, waiter);
		return 0;
	}
	if (lock->lease && lock->holder &&
	    (lock->holder != waiter->handle || lock->nr_shares > 1))
		chring_lease_want_locked(lock);
	if (flags & CHRING_ACQUIRE_TRY)
		return -EBUSY;
	if (is_deadlock(waiter->handle, flags))
		return -EDEADLK;
	/* Before this one queues: it must not be the one that is woken */
	chring_queue_pass_on_locked(lock, wakeup);
	chring_queue_add_locked(lock, waiter);
	return 0;
}

/* One look at the lock. Returns as chring_lock_try_locked(). */
static int look(struct chring_waiter *waiter, u32 flags)
{
	struct chring_lock *lock = waiter->handle->lock;
	struct chring_wakeup wakeup = {};
	int status;

	spin_lock(&lock->lock);
	status = waiter->status;
	/* Whoever disowns the handle sends those away who are in the queue */
	if (!status && list_empty(&waiter->node))
		status = chring_handle_check_locked(waiter->handle);
	if (status) {
		spin_unlock(&lock->lock);
		return status;
	}
	chring_word_freeze_locked(lock);
	status = chring_lock_try_locked(waiter, flags, &wakeup);
	chring_queue_unlock(lock, &wakeup);
	return status;
}

/* Ends a wait for a reason, unless it has just ended for another. */
static int give_up(struct chring_waiter *waiter, int reason)
{
	struct chring_lock *lock = waiter->handle->lock;
	struct chring_wakeup wakeup = {};
	int status;

	spin_lock(&lock->lock);
	status = waiter->status;
	if (status) {
		spin_unlock(&lock->lock);
		return status;
	}
	chring_queue_remove_locked(lock, waiter);
	chring_word_freeze_locked(lock);
	chring_queue_settle(lock, &wakeup);
	return reason;
}

/*
 * Ends the wait of the current thread if its process is in a cycle by it. That is
 * looked for by one at a time, who has left the queue before the next one looks.
 */
static int detect(struct chring_waiter *waiter)
{
	struct chring_lockspace *space = waiter->handle->lock->space;
	struct chring_deadlock *deadlock = NULL;
	int status;

	if (!chring_deadlock_can_be(waiter))
		return 0;
	mutex_lock(&space->lock);
	status = chring_deadlock_find_locked(waiter, &deadlock);
	if (status)
		status = give_up(waiter, status);
	mutex_unlock(&space->lock);
	if (status == -EDEADLK)
		waiter->grant->deadlock = deadlock;
	else
		kfree(deadlock);
	return status;
}

/* Returns false where the deadline has passed. */
static bool sleep_until(bool looks, ktime_t deadline)
{
	unsigned long look_again = chring_queue_look_again();
	ktime_t next;

	if (deadline == KTIME_MAX) {
		schedule_timeout(looks ? look_again : MAX_SCHEDULE_TIMEOUT);
		return true;
	}
	next = ktime_add_ns(ktime_get(), jiffies_to_nsecs(look_again));
	if (looks && ktime_before(next, deadline)) {
		schedule_timeout(look_again);
		return true;
	}
	return schedule_hrtimeout_range(&deadline, current->timer_slack_ns,
					HRTIMER_MODE_ABS);
}

/* Sleeps until the lock is there to be taken. Returns as look(). */
static int wait(struct chring_waiter *waiter, u32 flags, ktime_t deadline)
{
	bool looks = flags & CHRING_ACQUIRE_DETECT ||
		     !(READ_ONCE(waiter->handle->lock->flags) &
		       CHRING_LOCK_STRICT);
	unsigned long detect_at = jiffies;
	bool in_time = true;
	int status;

	do {
		/* (F) before the look, pairs with wake_up_process() */
		set_current_state(TASK_INTERRUPTIBLE | TASK_FREEZABLE);
		status = look(waiter, flags);
		if (status)
			break;
		if (signal_pending(current)) {
			status = give_up(waiter, -ERESTARTSYS);
			break;
		}
		if (!in_time) {
			status = give_up(waiter, -ETIMEDOUT);
			break;
		}
		/* Another one may close a cycle later, and not look for it */
		if (flags & CHRING_ACQUIRE_DETECT &&
		    time_after_eq(jiffies, detect_at)) {
			__set_current_state(TASK_RUNNING);
			status = detect(waiter);
			detect_at = jiffies + chring_queue_look_again();
			continue;
		}
		in_time = sleep_until(looks, deadline);
		status = chring_queue_status(waiter);
	} while (!status);
	__set_current_state(TASK_RUNNING);
	return status;
}

/**
 * chring_lock_prepare - look whether a handle can acquire, and by what
 * @handle: the handle
 * @flags: CHRING_ACQUIRE_...
 * @ttl_ms: how long the holder may make others wait, or 0
 * @grant: what is asked for is filled in
 *
 * Context: may sleep; takes the lock's lock.
 * Return: 0; -EACCES; -EINVAL to share a lock with slots; -ENOMEM, only with a
 * lease.
 */
int chring_lock_prepare(struct chring_handle *handle, u32 flags, u32 ttl_ms,
			struct chring_grant *grant)
{
	if (!handle->may_write)
		return -EACCES;
	if (flags & CHRING_ACQUIRE_SHARED && handle->lock->slots)
		return -EINVAL;
	if (ttl_ms && chring_lease_make(handle->lock))
		return -ENOMEM;
	grant->ttl_ms = ttl_ms;
	grant->flags = flags;
	return 0;
}

/**
 * chring_lock_acquire - take a lock
 * @handle: the current process's
 * @flags: CHRING_ACQUIRE_...
 * @ttl_ms: how long the holder may make others wait, or 0
 * @deadline: when to give up, or KTIME_MAX; CLOCK_MONOTONIC
 * @grant: filled in
 *
 * Context: may sleep; takes the lock's lock.
 * Return: 0; what chring_lock_prepare() says; -ESTALE where the handle is not the
 * current process's, or is so no longer; -EBUSY; -ETIMEDOUT; -EDEADLK;
 * -ERESTARTSYS; -EOVERFLOW where there are no more tokens; -ENOMEM with
 * CHRING_ACQUIRE_DETECT.
 */
int chring_lock_acquire(struct chring_handle *handle, u32 flags, u32 ttl_ms,
			ktime_t deadline, struct chring_grant *grant)
{
	struct chring_waiter waiter = {
		.node = LIST_HEAD_INIT(waiter.node),
		.handle = handle,
		.task = current,
		.grant = grant,
	};
	int status;

	status = chring_lock_prepare(handle, flags, ttl_ms, grant);
	if (status)
		return status;
	status = -EBUSY;
	/* Where there is a word, it was tried; else the lock is free, mostly */
	if (flags & CHRING_ACQUIRE_TRY || !READ_ONCE(handle->lock->map))
		status = look(&waiter, flags | CHRING_ACQUIRE_TRY);
	if (status == -EBUSY && !(flags & CHRING_ACQUIRE_TRY))
		status = wait(&waiter, flags, deadline);
	return status > 0 ? 0 : status;
}

/* ---- letting go */

static bool holds_by(const struct chring_handle *handle, u64 token)
{
	return token && chring_holder_token_locked(handle) == token;
}

/**
 * chring_lock_release - let a lock go
 * @handle: the current process's
 * @token: what it holds it by
 *
 * Context: process; takes the lock's lock.
 * Return: 0; -ESTALE where the handle does not hold the lock by @token, or is
 * not the current process's.
 */
int chring_lock_release(struct chring_handle *handle, u64 token)
{
	struct chring_lock *lock = handle->lock;
	struct chring_wakeup wakeup = {};
	int err;

	spin_lock(&lock->lock);
	err = chring_handle_check_locked(handle);
	if (err) {
		spin_unlock(&lock->lock);
		return err;
	}
	chring_word_freeze_locked(lock);
	handle->lost = false;
	if (holds_by(handle, token))
		chring_holder_clear_locked(handle);
	else
		err = -ESTALE;
	chring_queue_settle(lock, &wakeup);
	return err;
}

/**
 * chring_lock_give_back - undo an acquisition that its process was not told of
 * @handle: the current process's
 * @grant: of the acquisition
 *
 * Context: process; takes the lock's lock.
 */
void chring_lock_give_back(struct chring_handle *handle,
			   const struct chring_grant *grant)
{
	struct chring_lock *lock = handle->lock;
	struct chring_wakeup wakeup = {};

	spin_lock(&lock->lock);
	chring_word_freeze_locked(lock);
	chring_holder_give_back_locked(handle, grant);
	chring_queue_settle(lock, &wakeup);
}

/**
 * chring_lock_consistent - have the next holder not told what this one was
 * @handle: the current process's
 * @token: what it holds the lock by
 *
 * Of several holders one may have died since this one was told: that is for the next
 * one all the same.
 *
 * Context: process; takes the lock's lock.
 * Return: 0; -ESTALE where the handle does not hold the lock by @token, or is
 * not the current process's.
 */
int chring_lock_consistent(struct chring_handle *handle, u64 token)
{
	struct chring_lock *lock = handle->lock;
	struct chring_wakeup wakeup = {};
	int err;

	spin_lock(&lock->lock);
	err = chring_handle_check_locked(handle);
	if (err) {
		spin_unlock(&lock->lock);
		return err;
	}
	chring_word_freeze_locked(lock);
	if (!holds_by(handle, token))
		err = -ESTALE;
	else if (!lock->nr_shares || lock->dead_token == handle->told)
		lock->news = 0;
	chring_queue_settle(lock, &wakeup);
	return err;
}

/**
 * chring_lock_break - take a lock from its holder, or from all of them
 * @lock: the lock; caller has a reference
 *
 * The holder's handle has lost it, the next holder is told.
 *
 * Context: process; takes the lock's lock.
 * Return: 0; -ESRCH where nobody holds it.
 */
int chring_lock_break(struct chring_lock *lock)
{
	struct chring_wakeup wakeup = { .poll = true };
	int err = -ESRCH;

	spin_lock(&lock->lock);
	chring_word_freeze_locked(lock);
	while (lock->holder) {
		chring_holder_take_away_locked(lock->holder,
					       CHRING_NEWS_BROKEN);
		err = 0;
	}
	chring_queue_settle(lock, &wakeup);
	return err;
}
