// SPDX-License-Identifier: GPL-2.0
/*
 * Named locks: who holds one, who waits for it, who is next.
 *
 * Everything happens under the lock's spinlock, between a freeze and a thaw of
 * its word (lock_word.c), and nobody is woken before that spinlock is let go:
 * a woken CPU would displace the waker and then spin for what it holds.
 *
 * A lock that is released while there are waiters is handed over to the first
 * of them. In an adaptive lock that happens only once it has waited for
 * handoff_us: before, it is nudged, to try its luck against newcomers. A nudge
 * clears WAITERS, so that newcomers come and go without the kernel until the
 * nudged has had a look. It must not be lost:
 *
 *	waiter				releaser
 *	------				--------
 *	state = INTERRUPTIBLE	(A)	lock
 *	lock				  freeze, clear
 *	  freeze: held			  thaw without WAITERS
 *	  queue, thaw: WAITERS		unlock
 *	unlock				wake_up_process	(A)
 *	schedule()
 *
 * If the waiter's look comes first, the releaser finds it in the queue, and
 * its wake-up makes schedule() return at once, since the state was set before
 * (A). If it comes second, it finds the lock free. A waiter that gives up looks
 * again as it leaves the queue, and passes the nudge on.
 */

#include <linux/hrtimer.h>
#include <linux/moduleparam.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/timekeeping.h>

#include "lock.h"
#include "lock_word.h"
#include "lockspace.h"
#include "owner.h"

static unsigned int handoff_us = 1000;
module_param(handoff_us, uint, 0644);
MODULE_PARM_DESC(handoff_us, "Wait after which an adaptive lock is handed over");

/*
 * A waiter looks at the word of its own accord from time to time: who has it
 * mapped can wipe WAITERS, and then nobody wakes anybody.
 */
static unsigned int look_again_ms = 250;
module_param(look_again_ms, uint, 0644);
MODULE_PARM_DESC(look_again_ms, "Time after which a waiter looks unwoken");

/**
 * struct wakeup - what is to be done once the lock's lock is let go
 * @task: to be woken, with a reference; or NULL
 * @nudged: @task was not handed the lock, but is to have a look
 * @poll: something happened that handles' poll() tells of
 */
struct wakeup {
	struct task_struct *task;
	bool nudged;
	bool poll;
};

static void thaw_and_unlock(struct chring_lock *lock, struct wakeup *wakeup)
	__releases(&lock->lock)
{
	chring_word_thaw_locked(lock, wakeup->nudged);
	spin_unlock(&lock->lock);
	if (wakeup->task) {
		wake_up_process(wakeup->task);
		put_task_struct(wakeup->task);
	}
	if (wakeup->poll)
		wake_up_interruptible_poll(&lock->poll,
					   EPOLLPRI | EPOLLERR | EPOLLHUP);
}

static struct chring_waiter *first_waiter(struct chring_lock *lock)
{
	return list_first_entry_or_null(&lock->waiters, struct chring_waiter,
					node);
}

static bool is_fifo(const struct chring_lock *lock)
{
	return lock->flags & CHRING_LOCK_FIFO;
}

static bool is_overdue(const struct chring_waiter *waiter)
{
	return ktime_get_ns() - waiter->since >=
	       (u64)READ_ONCE(handoff_us) * NSEC_PER_USEC;
}

static void dequeue(struct chring_lock *lock, struct chring_waiter *waiter)
{
	list_del_init(&waiter->node);
	lock->nr_waiters--;
}

/* Nothing is touched of the waiter afterwards but by itself. */
static void finish(struct chring_lock *lock, struct chring_waiter *waiter,
		   int status)
{
	dequeue(lock, waiter);
	/* (B) pairs with the acquire of waiter_status() */
	smp_store_release(&waiter->status, status);
}

static int waiter_status(const struct chring_waiter *waiter)
{
	/* Pairs with (B): the grant is there as well */
	return smp_load_acquire(&waiter->status);
}

static void fill_grant(struct chring_lock *lock, struct chring_grant *grant)
{
	grant->token = chring_word_token_locked(lock);
	grant->word = lock->seen;
	grant->news = lock->news;
	grant->dead_token = lock->news ? lock->dead_token : 0;
	lock->news = 0;
}

static int take(struct chring_handle *handle, struct chring_grant *grant)
{
	struct chring_lock *lock = handle->lock;
	int err;

	err = chring_word_take_locked(lock, handle, handle->id);
	if (err)
		return err;
	handle->lost = false;
	fill_grant(lock, grant);
	return 0;
}

/* A frozen lock that nobody holds: whose turn is it? */
static void pass_on(struct chring_lock *lock, struct wakeup *wakeup)
{
	struct chring_waiter *waiter = first_waiter(lock);

	lockdep_assert_held(&lock->lock);
	if (lock->news)
		wakeup->poll = true;
	if (!waiter || wakeup->task)
		return;
	wakeup->task = get_task_struct(waiter->task);
	/* Out of tokens, it is to learn by itself */
	if ((is_fifo(lock) || lock->news || is_overdue(waiter)) &&
	    !take(waiter->handle, waiter->grant))
		finish(lock, waiter, 1);
	else
		wakeup->nudged = true;
}

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

/* ---- acquiring */

/* May the waiter, in the queue or not yet, take a lock that nobody holds? */
static bool may_take(struct chring_lock *lock,
		     const struct chring_waiter *waiter)
{
	const struct chring_waiter *first = first_waiter(lock);

	if (!first || first == waiter)
		return true;
	return !is_fifo(lock) && !is_overdue(first);
}

/* Nobody but the current thread could release what its handle holds. */
static bool is_deadlock(const struct chring_handle *handle, u32 flags)
{
	return handle->lock->holder == handle &&
	       !(flags & CHRING_ACQUIRE_SELF) &&
	       thread_group_empty(current);
}

static void queue(struct chring_lock *lock, struct chring_waiter *waiter)
{
	waiter->since = ktime_get_ns();
	list_add_tail(&waiter->node, &lock->waiters);
	lock->nr_waiters++;
}

/* Returns 1 where the lock is taken, 0 where the waiter waits, or why not. */
static int try_locked(struct chring_waiter *waiter, u32 flags,
		      struct wakeup *wakeup)
{
	struct chring_lock *lock = waiter->handle->lock;
	int err;

	if (!lock->holder && may_take(lock, waiter)) {
		err = take(waiter->handle, waiter->grant);
		if (err)
			return err;
		if (!list_empty(&waiter->node))
			dequeue(lock, waiter);
		return 1;
	}
	if (!list_empty(&waiter->node))
		return 0;
	if (flags & CHRING_ACQUIRE_TRY)
		return -EBUSY;
	if (is_deadlock(waiter->handle, flags))
		return -EDEADLK;
	/* Before this one queues: it must not be the one that is woken */
	if (!lock->holder)
		pass_on(lock, wakeup);
	queue(lock, waiter);
	return 0;
}

/* One look at the lock. Returns as try_locked(). */
static int look(struct chring_waiter *waiter, u32 flags)
{
	struct chring_lock *lock = waiter->handle->lock;
	struct wakeup wakeup = {};
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
	status = try_locked(waiter, flags, &wakeup);
	thaw_and_unlock(lock, &wakeup);
	return status;
}

/* Ends a wait for a reason, unless it has just ended for another. */
static int give_up(struct chring_waiter *waiter, int reason)
{
	struct chring_lock *lock = waiter->handle->lock;
	struct wakeup wakeup = {};
	int status;

	spin_lock(&lock->lock);
	status = waiter->status;
	if (status) {
		spin_unlock(&lock->lock);
		return status;
	}
	if (!list_empty(&waiter->node))
		dequeue(lock, waiter);
	chring_word_freeze_locked(lock);
	if (!lock->holder)
		pass_on(lock, &wakeup);
	thaw_and_unlock(lock, &wakeup);
	return reason;
}

/* Returns false where the deadline has passed. */
static bool sleep_until(const struct chring_lock *lock, ktime_t deadline)
{
	bool looks = !(READ_ONCE(lock->flags) & CHRING_LOCK_STRICT);
	unsigned int look_ms = max(READ_ONCE(look_again_ms), 1U);
	ktime_t next;

	if (deadline == KTIME_MAX) {
		schedule_timeout(looks ? msecs_to_jiffies(look_ms) :
					 MAX_SCHEDULE_TIMEOUT);
		return true;
	}
	next = ktime_add_ms(ktime_get(), look_ms);
	if (looks && ktime_before(next, deadline)) {
		schedule_timeout(msecs_to_jiffies(look_ms));
		return true;
	}
	return schedule_hrtimeout_range(&deadline, current->timer_slack_ns,
					HRTIMER_MODE_ABS);
}

/* Sleeps until the lock is there to be looked at. Returns as try_locked(). */
static int wait(struct chring_waiter *waiter, u32 flags, ktime_t deadline)
{
	bool in_time = true;
	int status;

	do {
		/* (A) before the look, pairs with wake_up_process() */
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
		in_time = sleep_until(waiter->handle->lock, deadline);
		status = waiter_status(waiter);
	} while (!status);
	__set_current_state(TASK_RUNNING);
	return status;
}

/**
 * chring_lock_acquire - take a lock
 * @handle: the current process's
 * @flags: CHRING_ACQUIRE_...
 * @deadline: when to give up, or KTIME_MAX; CLOCK_MONOTONIC
 * @grant: filled in
 *
 * Context: may sleep; takes the lock's lock.
 * Return: 0; -EACCES; -ESTALE where the handle is not the current process's, or
 * is so no longer; -EBUSY; -ETIMEDOUT; -EDEADLK; -ERESTARTSYS; -EOVERFLOW where
 * there are no more tokens.
 */
int chring_lock_acquire(struct chring_handle *handle, u32 flags,
			ktime_t deadline, struct chring_grant *grant)
{
	struct chring_waiter waiter = {
		.node = LIST_HEAD_INIT(waiter.node),
		.handle = handle,
		.task = current,
		.grant = grant,
	};
	int status;

	if (!handle->may_write)
		return -EACCES;
	if (flags & CHRING_ACQUIRE_TRY)
		status = look(&waiter, flags);
	else
		status = wait(&waiter, flags, deadline);
	return status > 0 ? 0 : status;
}

/* ---- letting go */

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
	struct wakeup wakeup = {};
	int err;

	spin_lock(&lock->lock);
	err = chring_handle_check_locked(handle);
	if (err) {
		spin_unlock(&lock->lock);
		return err;
	}
	chring_word_freeze_locked(lock);
	handle->lost = false;
	if (lock->holder == handle && chring_word_token_locked(lock) == token) {
		chring_word_clear_locked(lock);
		pass_on(lock, &wakeup);
	} else {
		err = -ESTALE;
	}
	thaw_and_unlock(lock, &wakeup);
	return err;
}

/* Sends one waiter of a handle away. Returns false where there is none. */
static bool send_one_away(struct chring_handle *handle)
{
	struct chring_lock *lock = handle->lock;
	struct task_struct *task = NULL;
	struct chring_waiter *waiter;
	struct wakeup wakeup = {};

	spin_lock(&lock->lock);
	list_for_each_entry(waiter, &lock->waiters, node) {
		if (waiter->handle != handle)
			continue;
		task = get_task_struct(waiter->task);
		finish(lock, waiter, -ESTALE);
		break;
	}
	if (!task) {
		spin_unlock(&lock->lock);
		return false;
	}
	/* It may have been the one that was nudged */
	chring_word_freeze_locked(lock);
	if (!lock->holder)
		pass_on(lock, &wakeup);
	thaw_and_unlock(lock, &wakeup);
	wake_up_process(task);
	put_task_struct(task);
	return true;
}

/* Takes a handle from its owner; returns that with its reference, or NULL. */
static struct chring_owner *disown_locked(struct chring_handle *handle)
{
	struct chring_owner *owner = handle->owner;

	lockdep_assert_held(&handle->lock->lock);
	handle->owner = NULL;
	if (owner)
		chring_owner_remove(owner, &handle->owned);
	return owner;
}

/* The lock is no longer the handle's, if it was: frozen, and not passed on. */
static void let_go_locked(struct chring_handle *handle, bool died)
{
	struct chring_lock *lock = handle->lock;

	lockdep_assert_held(&lock->lock);
	if (lock->holder != handle)
		return;
	if (died) {
		lock->news |= CHRING_NEWS_OWNER_DIED;
		lock->dead_token = chring_word_token_locked(lock);
	}
	chring_word_clear_locked(lock);
}

static void leave(struct chring_handle *handle, u32 id, bool died)
{
	struct chring_lock *lock = handle->lock;
	struct wakeup wakeup = { .poll = true };

	/* Nobody queues any more whom these could miss */
	while (send_one_away(handle))
		;
	spin_lock(&lock->lock);
	chring_word_freeze_locked(lock);
	/* Otherwise it was adopted, and let go by that */
	if (handle->id == id) {
		let_go_locked(handle, died);
		handle->id = 0;
		chring_lockspace_forget_id(lock->space, id);
	}
	if (!lock->holder)
		pass_on(lock, &wakeup);
	thaw_and_unlock(lock, &wakeup);
}

/**
 * chring_lock_owner_died - what a handle holds is nobody's any more
 * @handle: one that was its owner's
 * @owner: the owner, which has died
 *
 * Context: may sleep; takes the lock's lock.
 */
void chring_lock_owner_died(struct chring_handle *handle,
			    struct chring_owner *owner)
{
	struct chring_lock *lock = handle->lock;
	u32 id;

	spin_lock(&lock->lock);
	/* Otherwise it was adopted, or closed */
	if (handle->owner != owner) {
		spin_unlock(&lock->lock);
		return;
	}
	disown_locked(handle);
	id = handle->id;
	spin_unlock(&lock->lock);
	leave(handle, id, true);
	chring_owner_put(owner);
}

/**
 * chring_lock_close - end a handle
 * @handle: the handle
 * @force: it need not be the current process's
 *
 * What the handle holds is released; if that is not its owner's own doing, its
 * owner counts as dead.
 *
 * Context: may sleep; takes the lock's lock.
 * Return: 0; -ESTALE.
 */
int chring_lock_close(struct chring_handle *handle, bool force)
{
	struct chring_lock *lock = handle->lock;
	struct chring_owner *owner;
	bool voluntary;
	u32 id;
	int err;

	spin_lock(&lock->lock);
	err = chring_handle_check_locked(handle);
	if (err && !force) {
		spin_unlock(&lock->lock);
		return err;
	}
	voluntary = !err && !(current->flags & PF_EXITING);
	owner = disown_locked(handle);
	handle->closed = true;
	id = handle->id;
	spin_unlock(&lock->lock);
	if (id)
		leave(handle, id, !voluntary);
	if (owner)
		chring_owner_put(owner);
	return 0;
}

/* Makes a disowned handle an owner's. Caller holds the lock's lock. */
static void readopt_locked(struct chring_handle *handle,
			   struct chring_owner *owner, u32 id, bool died,
			   struct chring_grant *grant)
{
	struct chring_lock *lock = handle->lock;

	if (handle->id)
		chring_lockspace_forget_id(lock->space, handle->id);
	handle->id = id;
	handle->owner = owner;
	handle->lost = false;
	chring_owner_add(owner, &handle->owned);
	if (lock->holder != handle)
		return;
	if (died || take(handle, grant))
		let_go_locked(handle, died);
}

/**
 * chring_lock_adopt - make a handle of another process the current one's
 * @handle: the handle
 * @owner: the current process; its reference is the handle's on success
 * @id: a new one for the handle
 * @grant: filled in where the handle held the lock, which it does by a new
 *	token then; untouched otherwise
 *
 * Context: may sleep; takes the lock's lock.
 * Return: 0; -EALREADY where it is the current process's; -ESTALE where it is
 * closed, or another process adopts it.
 */
int chring_lock_adopt(struct chring_handle *handle, struct chring_owner *owner,
		      u32 id, struct chring_grant *grant)
{
	struct chring_lock *lock = handle->lock;
	struct wakeup wakeup = { .poll = true };
	struct chring_owner *last;
	bool died;
	int err;

	spin_lock(&lock->lock);
	if (!chring_handle_check_locked(handle))
		err = -EALREADY;
	else
		err = handle->closed ? -ESTALE : 0;
	if (err) {
		spin_unlock(&lock->lock);
		return err;
	}
	last = disown_locked(handle);
	died = !last || chring_owner_is_dead(last);
	spin_unlock(&lock->lock);

	while (send_one_away(handle))
		;

	spin_lock(&lock->lock);
	chring_word_freeze_locked(lock);
	if (handle->closed || handle->owner)
		err = -ESTALE;
	else
		readopt_locked(handle, owner, id, died, grant);
	if (!lock->holder)
		pass_on(lock, &wakeup);
	thaw_and_unlock(lock, &wakeup);
	if (last)
		chring_owner_put(last);
	return err;
}
