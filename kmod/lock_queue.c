// SPDX-License-Identifier: GPL-2.0
/*
 * Whose turn it is.
 *
 * Everything happens under the lock's spinlock, between a freeze and a thaw of
 * its word (lock_word.c), and nobody is woken before that spinlock is let go:
 * a woken CPU would displace the waker and then spin for what it holds.
 *
 * A lock that is released while there are waiters is handed over to the first
 * of them. In an adaptive lock that happens only handoff_us after it has tried
 * in vain: before, it is nudged, to try its luck against newcomers. Time in the
 * queue does not count, or else a queue that is slow to go through would have
 * the lock handed over each time, which is what makes it slow. A nudge
 * clears WAITERS, so that newcomers come and go without the kernel until the
 * nudged has had a look. It must not be lost:
 *
 *	waiter				releaser
 *	------				--------
 *	state = INTERRUPTIBLE	(F)	lock
 *	lock				  freeze, clear
 *	  freeze: held			  thaw without WAITERS
 *	  queue, thaw: WAITERS		unlock
 *	unlock				wake_up_process	(F)
 *	schedule()
 *
 * If the waiter's look comes first, the releaser finds it in the queue, and
 * its wake-up makes schedule() return at once, since the state was set before
 * (F). If it comes second, it finds the lock free. A waiter that gives up looks
 * again as it leaves the queue, and passes the nudge on.
 *
 * Who would share the lock, or have a slot of it, is never nudged: it is handed
 * its share as soon as it is first and there is room. Those behind it who fit
 * as well are served in the same way, one after the other, the lock being let go
 * of in between to wake each; as newcomers queue, nobody can come before them.
 *
 * So it is with an acquisition that nobody sleeps for, which has nobody who could be
 * nudged. In an adaptive lock it is overdue from when it queues.
 */

#include <linux/moduleparam.h>
#include <linux/poll.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/task.h>
#include <linux/timekeeping.h>

#include "lock.h"
#include "lock_holder.h"
#include "lock_lease.h"
#include "lock_queue.h"
#include "lock_word.h"
#include "notify.h"
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

#define LOOK_AGAIN_MAX_MS	(3600U * MSEC_PER_SEC)

/**
 * chring_queue_look_again - when to look at a word of one's own accord
 *
 * Context: any.
 * Return: after so much time, in jiffies; an hour at most.
 */
unsigned long chring_queue_look_again(void)
{
	return msecs_to_jiffies(clamp(READ_ONCE(look_again_ms), 1U,
				      LOOK_AGAIN_MAX_MS));
}

/**
 * chring_queue_first_locked - who has waited longest
 * @lock: caller holds its lock
 *
 * Return: the waiter, or NULL.
 */
struct chring_waiter *chring_queue_first_locked(struct chring_lock *lock)
{
	lockdep_assert_held(&lock->lock);
	return list_first_entry_or_null(&lock->waiters, struct chring_waiter,
					node);
}

/* Whoever is first, of at least one, looks for all; a sleeper does so by itself. */
static void have_first_look_locked(struct chring_lock *lock)
{
	struct chring_waiter *first = list_first_entry(&lock->waiters,
						       struct chring_waiter,
						       node);

	if (!first->task && !(lock->flags & CHRING_LOCK_STRICT))
		schedule_delayed_work(&container_of(first, struct chring_async,
						    waiter)->look,
				      chring_queue_look_again());
}

/* Out of line: mostly there is nobody to wake */
static noinline void unlock_and_wake(struct chring_lock *lock,
				     struct chring_wakeup *wakeup)
	__releases(&lock->lock)
{
	u32 raised = lock->raised;
	u64 token = lock->dead_token;

	lock->raised = 0;
	if (wakeup->handle) {
		/* Who polls may collect at once, and close the handle */
		rcu_read_lock();
		spin_unlock(&lock->lock);
		wake_up_interruptible_poll(&wakeup->handle->poll,
					   EPOLLIN | EPOLLRDNORM);
		rcu_read_unlock();
	} else {
		spin_unlock(&lock->lock);
	}
	if (wakeup->task) {
		wake_up_process(wakeup->task);
		put_task_struct(wakeup->task);
	}
	if (wakeup->poll)
		wake_up_interruptible_poll(&lock->poll,
					   EPOLLPRI | EPOLLERR | EPOLLHUP);
	if (raised)
		chring_notify_lock_news(lock, raised, token);
}

/**
 * chring_queue_unlock - thaw a lock, let go of it, and wake who is to be woken
 * @lock: frozen; caller holds its lock, and a reference
 * @wakeup: what has come of it
 *
 * Context: may sleep; releases the lock's lock.
 */
void chring_queue_unlock(struct chring_lock *lock, struct chring_wakeup *wakeup)
	__releases(&lock->lock)
{
	for (;;) {
		if (lock->lease)
			chring_lease_update_locked(lock);
		if (lock->nr_waiters)
			have_first_look_locked(lock);
		chring_word_thaw_locked(lock, wakeup->nudged);
		if (lock->raised || wakeup->task || wakeup->handle ||
		    wakeup->poll)
			unlock_and_wake(lock, wakeup);
		else
			spin_unlock(&lock->lock);
		if (likely(!wakeup->more))
			return;
		cond_resched();
		*wakeup = (struct chring_wakeup){};
		spin_lock(&lock->lock);
		chring_word_freeze_locked(lock);
		chring_queue_pass_on_locked(lock, wakeup);
	}
}

/**
 * chring_queue_is_overdue - has a waiter waited too long to be passed by?
 * @waiter: in the queue
 */
bool chring_queue_is_overdue(const struct chring_waiter *waiter)
{
	return !waiter->task ||
	       ktime_get_ns() >= waiter->since +
	       (u64)READ_ONCE(handoff_us) * NSEC_PER_USEC;
}

/**
 * chring_queue_add_locked - begin to wait
 * @lock: caller holds its lock
 * @waiter: not in the queue
 */
void chring_queue_add_locked(struct chring_lock *lock,
			     struct chring_waiter *waiter)
{
	lockdep_assert_held(&lock->lock);
	waiter->since = KTIME_MAX;
	if (waiter->task) {
		waiter->owner = waiter->handle->owner;
		waiter->id = chring_owner_wait(waiter->owner, &waiter->waits);
		waiter->handle->nr_sleepers++;
	}
	list_add_tail(&waiter->node, &lock->waiters);
	if (!lock->nr_waiters++ && lock->lease)
		chring_lease_stale_locked(lock);
}

/**
 * chring_queue_tried_locked - a waiter had a look, and others have the lock
 * @lock: caller holds its lock
 * @waiter: in the queue
 */
void chring_queue_tried_locked(struct chring_lock *lock,
			       struct chring_waiter *waiter)
{
	lockdep_assert_held(&lock->lock);
	if (waiter->nudged && waiter->since == KTIME_MAX)
		waiter->since = ktime_get_ns();
}

/**
 * chring_queue_remove_locked - wait no longer
 * @lock: caller holds its lock
 * @waiter: in the queue, or not
 */
void chring_queue_remove_locked(struct chring_lock *lock,
				struct chring_waiter *waiter)
{
	lockdep_assert_held(&lock->lock);
	if (list_empty(&waiter->node))
		return;
	list_del_init(&waiter->node);
	lock->nr_waiters--;
	/* Whoever has disowned the handle keeps its owner until this is done */
	if (waiter->task) {
		chring_owner_wait_no_more(waiter->owner, &waiter->waits);
		waiter->handle->nr_sleepers--;
	}
}

/**
 * chring_queue_finish_locked - end somebody's wait, who is to be woken then
 * @lock: caller holds its lock
 * @waiter: in the queue; not to be touched any more
 * @status: how it ends: 1, or a negative errno
 */
void chring_queue_finish_locked(struct chring_lock *lock,
				struct chring_waiter *waiter, int status)
{
	chring_queue_remove_locked(lock, waiter);
	/* (G) pairs with the acquire of chring_queue_status() */
	smp_store_release(&waiter->status, status);
}

/**
 * chring_queue_status - how a wait has ended
 * @waiter: the current thread's
 *
 * Context: any.
 * Return: 0 where it has not; 1, and the grant is filled in; or a negative
 * errno.
 */
int chring_queue_status(const struct chring_waiter *waiter)
{
	/* Pairs with (G): the grant is there as well */
	return smp_load_acquire(&waiter->status);
}

static void nudge(struct chring_waiter *waiter, struct chring_wakeup *wakeup)
{
	waiter->nudged = true;
	wakeup->nudged = true;
}

/* Is a waiter handed the lock, or does it try its luck against newcomers? */
static bool is_due(const struct chring_lock *lock,
		   const struct chring_waiter *waiter)
{
	return lock->flags & CHRING_LOCK_FIFO || lock->news ||
	       chring_holder_shares_locked(waiter) ||
	       chring_queue_is_overdue(waiter);
}

/**
 * chring_queue_pass_on_locked - see to it that a lock is not left lying
 * @lock: frozen; caller holds its lock
 * @wakeup: gets who is to be woken
 *
 * Where there is room for the first waiter it becomes the holder, or one of them,
 * or is nudged.
 */
void chring_queue_pass_on_locked(struct chring_lock *lock,
				 struct chring_wakeup *wakeup)
{
	struct chring_waiter *first = chring_queue_first_locked(lock);
	int status = 0;

	/* Of one holder alone news come from the one before, and it was told */
	if (lock->news && (!lock->holder || lock->nr_shares))
		wakeup->poll = true;
	if (!first || wakeup->task || wakeup->handle ||
	    !chring_holder_fits_locked(first))
		return;
	if (is_due(lock, first))
		status = chring_holder_take_locked(first->handle,
						   first->grant) ?: 1;
	if (first->task)
		wakeup->task = get_task_struct(first->task);
	else
		wakeup->handle = first->handle;
	/* Where there are no more tokens, it is to learn that by itself */
	if (status <= 0 && first->task) {
		nudge(first, wakeup);
		return;
	}
	chring_queue_finish_locked(lock, first, status);
	first = chring_queue_first_locked(lock);
	wakeup->more = first && chring_holder_fits_locked(first);
}

/**
 * chring_queue_settle - what comes after whatever was done to a frozen lock
 * @lock: frozen; caller holds its lock, and a reference
 * @wakeup: what has come of it
 *
 * That a lock is not left lying is seen to even where nothing was done: what
 * its word was found to be may have freed it.
 *
 * Context: as chring_queue_unlock().
 */
void chring_queue_settle(struct chring_lock *lock, struct chring_wakeup *wakeup)
	__releases(&lock->lock)
{
	if (lock->nr_waiters || lock->news)
		chring_queue_pass_on_locked(lock, wakeup);
	chring_queue_unlock(lock, wakeup);
}
