// SPDX-License-Identifier: GPL-2.0
/*
 * How a handle ceases to be somebody's, and what it held somebody's.
 *
 * First the handle is disowned: from then on nobody acquires by it. Then its
 * asynchronous acquisition is ended, and those who sleep for it are sent away, one
 * by one, since nobody is woken under the lock's lock. Then what it held is let go,
 * its id with it.
 */

#include <linux/sched.h>
#include <linux/sched/task.h>

#include "lock.h"
#include "lock_async.h"
#include "lock_holder.h"
#include "lock_lease.h"
#include "lock_queue.h"
#include "lock_word.h"
#include "lockspace.h"
#include "owner.h"

/*
 * One who sleeps by a handle that was disowned, or NULL: where it was adopted
 * meanwhile, those of its last owner were sent away.
 */
static struct chring_waiter *find_sleeper_locked(const struct chring_handle *handle)
{
	struct chring_lock *lock = handle->lock;
	struct chring_waiter *waiter;

	if (handle->owner || !handle->nr_sleepers)
		return NULL;
	list_for_each_entry(waiter, &lock->waiters, node)
		if (waiter->handle == handle && waiter->task)
			return waiter;
	return NULL;
}

/* Sends one waiter of a handle away. Returns false where there is none. */
static bool send_one_away(struct chring_handle *handle)
{
	struct chring_lock *lock = handle->lock;
	struct chring_wakeup wakeup = {};
	struct chring_waiter *waiter;
	struct task_struct *task;

	spin_lock(&lock->lock);
	waiter = find_sleeper_locked(handle);
	if (!waiter) {
		spin_unlock(&lock->lock);
		return false;
	}
	task = get_task_struct(waiter->task);
	chring_queue_finish_locked(lock, waiter, -ESTALE);
	/* It may have been the one that was nudged */
	chring_word_freeze_locked(lock);
	chring_queue_settle(lock, &wakeup);
	wake_up_process(task);
	put_task_struct(task);
	return true;
}

/*
 * Ends what a handle that was disowned waits for. Nobody queues any more whom this
 * could miss, but who adopts the handle meanwhile: that one's is its own affair.
 */
static void send_all_away(struct chring_handle *handle)
{
	chring_async_end(handle);
	while (send_one_away(handle))
		;
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

/*
 * The lock is no longer the handle's, if it was: frozen, and not passed on. Who
 * only shared it has left nothing half done.
 */
static void let_go_locked(struct chring_handle *handle, bool died)
{
	struct chring_lock *lock = handle->lock;
	u64 token = chring_holder_token_locked(handle);
	u32 news = CHRING_NEWS_OWNER_DIED;

	lockdep_assert_held(&lock->lock);
	if (!token)
		return;
	if (died && (lock->slots || !lock->nr_shares)) {
		if (lock->lease)
			news |= chring_lease_news_locked(handle);
		chring_word_raise_locked(lock, news, token);
	}
	chring_holder_clear_locked(handle);
}

static void leave(struct chring_handle *handle, u32 id, bool died)
{
	struct chring_lock *lock = handle->lock;
	struct chring_wakeup wakeup = { .poll = true };
	bool ours;

	send_all_away(handle);
	spin_lock(&lock->lock);
	chring_word_freeze_locked(lock);
	/* Otherwise it was adopted, and let go by that */
	ours = handle->id == id;
	if (ours) {
		let_go_locked(handle, died);
		handle->id = 0;
	}
	chring_queue_settle(lock, &wakeup);
	/* The next holder goes first: the id, though taken, is nobody's */
	cond_resched();
	if (ours)
		chring_lockspace_forget_id(lock->space, id);
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
	if (!chring_holder_token_locked(handle))
		return;
	if (died || chring_holder_renew_locked(handle, grant))
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
	struct chring_wakeup wakeup = { .poll = true };
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

	send_all_away(handle);
	spin_lock(&lock->lock);
	chring_word_freeze_locked(lock);
	if (handle->closed || handle->owner)
		err = -ESTALE;
	else
		readopt_locked(handle, owner, id, died, grant);
	chring_queue_settle(lock, &wakeup);
	if (last)
		chring_owner_put(last);
	return err;
}
