// SPDX-License-Identifier: GPL-2.0
/*
 * Who holds a lock: one alone, or several at once, who share it or have one of
 * its slots each.
 *
 * One alone is what the word can say, and who takes the lock by the word is
 * that. Several are known to the kernel alone: the word has KERNEL set, and no
 * owner, as long as there is one of them. A handle has one share, or slot, at a
 * time, and is where that is kept: so there is nothing to run out of, nor to count
 * but how many there are; and a handle that dies gives back what it has, no less
 * and no more.
 *
 * Each has a token of its own. That of one who shares is greater than that of
 * whoever held the lock alone before, and less than that of the next who does.
 */

#include <linux/jiffies.h>
#include <linux/pid.h>

#include "lock.h"
#include "lock_holder.h"
#include "lock_lease.h"
#include "lock_word.h"
#include "owner.h"

/* As many as can be counted */
#define SHARES_MAX	U16_MAX

/**
 * chring_holder_next_locked - the next one of those who hold a lock
 * @handle: one of them; caller holds the lock's lock
 *
 * Return: the one that came after it; NULL where it is the last one.
 */
struct chring_handle *chring_holder_next_locked(struct chring_handle *handle)
{
	struct chring_handle *next = list_next_entry(handle, others);

	lockdep_assert_held(&handle->lock->lock);
	return next == handle->lock->holder ? NULL : next;
}

static bool shares(const struct chring_lock *lock,
		   const struct chring_grant *grant)
{
	return lock->slots || grant->flags & CHRING_ACQUIRE_SHARED;
}

/**
 * chring_holder_shares_locked - would a waiter hold the lock with others?
 * @waiter: in the queue or not yet; caller holds the lock's lock
 */
bool chring_holder_shares_locked(const struct chring_waiter *waiter)
{
	lockdep_assert_held(&waiter->handle->lock->lock);
	return shares(waiter->handle->lock, waiter->grant);
}

/**
 * chring_holder_fits_locked - could a waiter have the lock beside its holders?
 * @waiter: in the queue or not yet; caller holds the lock's lock
 *
 * It does not ask whose turn that would be.
 */
bool chring_holder_fits_locked(const struct chring_waiter *waiter)
{
	const struct chring_lock *lock = waiter->handle->lock;

	lockdep_assert_held(&lock->lock);
	if (!lock->holder)
		return true;
	/* A handle holds its lock once: its threads wait for each other */
	return lock->nr_shares && shares(lock, waiter->grant) &&
	       lock->nr_shares < (lock->slots ?: SHARES_MAX) &&
	       !waiter->handle->token;
}

/**
 * chring_holder_held_ns_locked - since when a handle is known to hold its lock
 * @handle: holds it; caller holds the lock's lock
 *
 * Return: a time span, to a tick.
 */
u64 chring_holder_held_ns_locked(const struct chring_handle *handle)
{
	const struct chring_lock *lock = handle->lock;

	lockdep_assert_held(&lock->lock);
	return jiffies64_to_nsecs(get_jiffies_64() - (lock->nr_shares ?
						      handle->since :
						      lock->since));
}

/* Gives a handle a share, or, where it has one, another token for it. */
static int take_share(struct chring_handle *handle)
{
	struct chring_lock *lock = handle->lock;
	int err;

	err = chring_word_take_locked(lock, lock->holder ?: handle, 0);
	if (err)
		return err;
	if (!handle->token) {
		/* At the end of the ring; alone in it where it is the first */
		if (lock->holder != handle)
			list_add_tail(&handle->others, &lock->holder->others);
		lock->nr_shares++;
		handle->since = get_jiffies_64();
	}
	/* Who adopts it has not agreed to anything */
	handle->term = (struct chring_term){ .deadline = KTIME_MAX };
	handle->token = chring_word_token_locked(lock);
	return 0;
}

/**
 * chring_holder_drop_share_locked - a handle has its share, or slot, no more
 * @handle: has one; caller holds the lock's lock, and that is frozen
 */
void chring_holder_drop_share_locked(struct chring_handle *handle)
{
	struct chring_lock *lock = handle->lock;

	lockdep_assert_held(&lock->lock);
	if (lock->holder == handle)
		lock->holder = chring_holder_next_locked(handle);
	list_del_init(&handle->others);
	handle->token = 0;
	lock->nr_shares--;
}

static inline int hold(struct chring_handle *handle, bool shared,
		       struct chring_grant *grant)
{
	struct chring_lock *lock = handle->lock;
	int err;

	if (shared)
		err = take_share(handle);
	else
		err = chring_word_take_locked(lock, handle, handle->id);
	if (err)
		return err;
	if (lock->lease)
		chring_lease_begin_locked(handle, grant);
	grant->token = chring_word_token_locked(lock);
	grant->word = shared ? CHRING_LOCK_NO_WORD : lock->seen;
	return 0;
}

/**
 * chring_holder_renew_locked - give a holder another token
 * @handle: holds its lock, which is frozen; caller holds that's lock
 * @grant: asks for nothing; token and word are filled in
 *
 * Return: 0; -EOVERFLOW, and nothing is changed.
 */
int chring_holder_renew_locked(struct chring_handle *handle,
			       struct chring_grant *grant)
{
	return hold(handle, handle->lock->nr_shares, grant);
}

/**
 * chring_holder_take_locked - make a handle the holder, or one of them
 * @handle: caller holds its lock's lock; that is frozen, and there is room
 * @grant: says how; filled in
 *
 * Return: 0; -EOVERFLOW, and nothing is changed.
 */
int chring_holder_take_locked(struct chring_handle *handle,
			      struct chring_grant *grant)
{
	struct chring_lock *lock = handle->lock;
	int err;

	err = hold(handle, shares(lock, grant), grant);
	if (err)
		return err;
	handle->lost = false;
	grant->news = lock->news;
	grant->dead_token = lock->news ? lock->dead_token : 0;
	handle->told = grant->dead_token;
	if (!(lock->flags & CHRING_LOCK_STICKY))
		lock->news = 0;
	return 0;
}

/**
 * chring_holder_give_back_locked - have an acquisition never been
 * @handle: caller holds its lock's lock, and the lock is frozen
 * @grant: of an acquisition that its process has not been told of
 *
 * Where the handle still holds the lock by it, then no more; the next holder is
 * told what this one was to be.
 */
void chring_holder_give_back_locked(struct chring_handle *handle,
				    const struct chring_grant *grant)
{
	struct chring_lock *lock = handle->lock;

	if (chring_holder_token_locked(handle) != grant->token)
		return;
	chring_holder_clear_locked(handle);
	/* Others that held the lock with it may have left news since */
	if (!lock->news)
		lock->dead_token = grant->dead_token;
	lock->news |= grant->news;
}

/**
 * chring_holder_take_away_locked - a handle has lost its lock
 * @handle: holds it; caller holds the lock's lock, and that is frozen
 * @news: CHRING_NEWS_..., why
 */
void chring_holder_take_away_locked(struct chring_handle *handle, u32 news)
{
	const struct chring_async *async = handle->async;
	u64 token = chring_holder_token_locked(handle);

	handle->lost = true;
	chring_word_raise_locked(handle->lock, news, token);
	/* What it was to be told and has not been is for the next one as well */
	if (async && async->grant.token == token)
		handle->lock->news |= async->grant.news;
	chring_holder_clear_locked(handle);
}

/**
 * chring_holder_views_locked - see who holds a lock
 * @lock: caller holds its lock
 * @views: CHRING_HOLDERS_SHOWN, of which those who have held it longest are
 *	filled in; the caller is to put their @tgid
 *
 * Return: how many were filled in.
 */
unsigned int chring_holder_views_locked(struct chring_lock *lock,
					struct chring_holder_view *views)
{
	struct chring_handle *handle;
	unsigned int nr = 0;

	lockdep_assert_held(&lock->lock);
	for (handle = lock->holder; handle;
	     handle = chring_holder_next_locked(handle)) {
		struct chring_holder_view *view = &views[nr++];

		*view = (struct chring_holder_view){
			.token = chring_holder_token_locked(handle),
			.held_ns = chring_holder_held_ns_locked(handle),
		};
		if (handle->owner)
			view->tgid = get_pid(handle->owner->tgid);
		if (lock->lease)
			view->expires = chring_lease_left_locked(handle,
								 &view->left_ns);
		if (nr == CHRING_HOLDERS_SHOWN)
			break;
	}
	return nr;
}
