// SPDX-License-Identifier: GPL-2.0
/*
 * Asynchronous acquisitions: those that nobody sleeps for.
 *
 * A handle has one at most, so that their number is bounded by that of handles. It
 * waits in the lock's queue like any other, but is never nudged: it is handed the
 * lock, or the reason why it cannot be. Then it is done, which poll() of the handle
 * tells, and stays with the handle until it is collected.
 *
 * From the grant on the handle holds the lock. But as long as that is not collected
 * nobody has made use of it: where the acquisition ends otherwise, as it is
 * cancelled or its handle is no longer its owner's, the lock is given back as if
 * the grant had never been, and passed on.
 *
 *	releaser			who cancels
 *	--------			-----------
 *	lock
 *	  take it off the queue
 *	  fill its grant, status = 1
 *	unlock				lock
 *	wake up those who poll		  take it from its handle
 *					  it is granted: give back, pass on
 *					unlock, free it
 *
 * Who is first under the lock's lock decides, and nobody touches it after having let
 * go of that, but who took it from its handle. If the right side comes first, it is
 * no longer in the queue for the left one.
 */

#include <linux/slab.h>
#include <linux/workqueue.h>

#include "lock.h"
#include "lock_async.h"
#include "lock_holder.h"
#include "lock_queue.h"
#include "lock_word.h"

/* The word may have been wiped of WAITERS: see look_again_ms. The first one looks. */
static void look(struct work_struct *work)
{
	struct chring_async *async = container_of(to_delayed_work(work),
						  struct chring_async, look);
	struct chring_lock *lock = async->waiter.handle->lock;
	struct chring_wakeup wakeup = {};

	spin_lock(&lock->lock);
	if (chring_queue_first_locked(lock) != &async->waiter) {
		spin_unlock(&lock->lock);
		return;
	}
	chring_word_freeze_locked(lock);
	chring_queue_settle(lock, &wakeup);
}

static void async_free(struct chring_async *async)
{
	cancel_delayed_work_sync(&async->look);
	kfree(async);
}

/* Returns as chring_lock_try_locked(), and -EALREADY, -ESTALE. */
static int start(struct chring_async *async, u32 flags)
{
	struct chring_handle *handle = async->waiter.handle;
	struct chring_lock *lock = handle->lock;
	struct chring_wakeup wakeup = {};
	int status;

	spin_lock(&lock->lock);
	status = chring_handle_check_locked(handle);
	if (!status && handle->async)
		status = -EALREADY;
	if (status) {
		spin_unlock(&lock->lock);
		return status;
	}
	chring_word_freeze_locked(lock);
	status = chring_lock_try_locked(&async->waiter, flags, &wakeup);
	if (!status) {
		WRITE_ONCE(handle->async, async);
		handle->lost = false;
	}
	chring_queue_unlock(lock, &wakeup);
	return status;
}

/**
 * chring_async_acquire - take a lock, or begin to wait for it
 * @handle: the current process's
 * @flags: CHRING_ACQUIRE_...
 * @ttl_ms: how long the holder may make others wait, or 0
 * @grant: filled in, where the lock is taken
 *
 * Context: may sleep; takes the lock's lock.
 * Return: 0; -EINPROGRESS where the handle is waiting now; what
 * chring_lock_prepare() says; -EALREADY where the handle has an acquisition that
 * has not been collected; -ESTALE; -EDEADLK; -EOVERFLOW; -ENOMEM.
 */
int chring_async_acquire(struct chring_handle *handle, u32 flags, u32 ttl_ms,
			 struct chring_grant *grant)
{
	struct chring_async *async;
	int status;

	async = kzalloc(sizeof(*async), GFP_KERNEL_ACCOUNT);
	if (!async)
		return -ENOMEM;
	INIT_LIST_HEAD(&async->waiter.node);
	async->waiter.handle = handle;
	async->waiter.grant = &async->grant;
	INIT_DELAYED_WORK(&async->look, look);

	status = chring_lock_prepare(handle, flags, ttl_ms, &async->grant);
	if (!status)
		status = start(async, flags);
	/* From here on it may be gone */
	if (!status)
		return -EINPROGRESS;
	if (status > 0)
		*grant = async->grant;
	kfree(async);
	return status > 0 ? 0 : status;
}

/* What has become of an acquisition that is done. */
static int result_locked(struct chring_async *async)
{
	struct chring_handle *handle = async->waiter.handle;

	if (async->waiter.status < 0)
		return async->waiter.status;
	if (chring_holder_token_locked(handle) == async->grant.token)
		return 0;
	/* It need not be told twice */
	handle->lost = false;
	return -ESTALE;
}

/**
 * chring_async_finish - collect an asynchronous acquisition that is done
 * @handle: the current process's
 * @grant: filled in
 *
 * Context: may sleep; takes the lock's lock.
 * Return: 0, the handle holds the lock; -EAGAIN where it is not done yet; -ENODATA
 * where there is none; -ESTALE where the handle has lost the lock meanwhile, or is
 * not the current process's; -EOVERFLOW where there are no more tokens.
 */
int chring_async_finish(struct chring_handle *handle,
			struct chring_grant *grant)
{
	struct chring_lock *lock = handle->lock;
	struct chring_wakeup wakeup = {};
	struct chring_async *async;
	int err;

	spin_lock(&lock->lock);
	async = handle->async;
	err = chring_handle_check_locked(handle);
	if (!err && !async)
		err = -ENODATA;
	if (err) {
		spin_unlock(&lock->lock);
		return err;
	}
	chring_word_freeze_locked(lock);
	/* What the word was found to be may have freed the lock */
	chring_queue_pass_on_locked(lock, &wakeup);
	if (async->waiter.status) {
		err = result_locked(async);
		*grant = async->grant;
		WRITE_ONCE(handle->async, NULL);
	} else {
		err = -EAGAIN;
		async = NULL;
	}
	chring_queue_unlock(lock, &wakeup);
	if (async)
		async_free(async);
	return err;
}

/* Ends what a handle has, whatever has come of it. Returns 0, -ENODATA, -ESTALE. */
static int end(struct chring_handle *handle, bool force)
{
	struct chring_lock *lock = handle->lock;
	struct chring_wakeup wakeup = {};
	struct chring_async *async;
	int err = 0;

	spin_lock(&lock->lock);
	async = handle->async;
	if (!force)
		err = chring_handle_check_locked(handle);
	else if (handle->owner)
		err = -ESTALE;
	if (!err && !async)
		err = -ENODATA;
	if (err) {
		spin_unlock(&lock->lock);
		return err;
	}
	WRITE_ONCE(handle->async, NULL);
	chring_word_freeze_locked(lock);
	if (async->waiter.status > 0)
		chring_holder_give_back_locked(handle, &async->grant);
	else
		chring_queue_remove_locked(lock, &async->waiter);
	chring_queue_settle(lock, &wakeup);
	async_free(async);
	return 0;
}

/**
 * chring_async_cancel - end an asynchronous acquisition, done or not
 * @handle: the current process's
 *
 * Afterwards the handle does not hold the lock by it, if it ever did.
 *
 * Context: may sleep; takes the lock's lock.
 * Return: 0; -ENODATA where there is none; -ESTALE.
 */
int chring_async_cancel(struct chring_handle *handle)
{
	return end(handle, false);
}

/**
 * chring_async_end - the same, where a handle is no longer its owner's
 * @handle: was disowned; caller has a reference
 *
 * What another owner asks for, which has adopted the handle meanwhile, stays.
 *
 * Context: may sleep; takes the lock's lock.
 */
void chring_async_end(struct chring_handle *handle)
{
	if (READ_ONCE(handle->async))
		end(handle, true);
}

/**
 * chring_async_is_done_locked - is there something to collect?
 * @handle: caller holds its lock's lock
 */
bool chring_async_is_done_locked(const struct chring_handle *handle)
{
	lockdep_assert_held(&handle->lock->lock);
	return handle->async && handle->async->waiter.status;
}
