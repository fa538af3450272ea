/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CHRING_LOCK_HOLDER_H
#define CHRING_LOCK_HOLDER_H

#include <linux/lockdep.h>
#include <linux/types.h>

#include "lock.h"
#include "lock_word.h"

struct pid;

/* So many of the holders of a lock are told by name */
#define CHRING_HOLDERS_SHOWN 16

/**
 * struct chring_holder_view - one of those who hold a lock
 * @tgid: its process, with a reference; NULL where there is none
 * @token: what it holds the lock by
 * @held_ns: since when it is known to, as a time span
 * @expires: its lease runs, or has run out
 * @left_ns: time until it does
 */
struct chring_holder_view {
	struct pid *tgid;
	u64 token;
	u64 held_ns;
	bool expires;
	u64 left_ns;
};

struct chring_handle *chring_holder_next_locked(struct chring_handle *handle);
bool chring_holder_shares_locked(const struct chring_waiter *waiter);
bool chring_holder_fits_locked(const struct chring_waiter *waiter);
u64 chring_holder_held_ns_locked(const struct chring_handle *handle);
int chring_holder_take_locked(struct chring_handle *handle,
			      struct chring_grant *grant);
int chring_holder_renew_locked(struct chring_handle *handle,
			       struct chring_grant *grant);
void chring_holder_drop_share_locked(struct chring_handle *handle);
void chring_holder_give_back_locked(struct chring_handle *handle,
				    const struct chring_grant *grant);
void chring_holder_take_away_locked(struct chring_handle *handle, u32 news);
unsigned int chring_holder_views_locked(struct chring_lock *lock,
					struct chring_holder_view *views);

/**
 * chring_holder_token_locked - what a handle holds its lock by
 * @handle: caller holds its lock's lock
 *
 * Return: the token, as far as the kernel has seen; 0 where it does not hold it.
 */
static inline u64 chring_holder_token_locked(const struct chring_handle *handle)
{
	const struct chring_lock *lock = handle->lock;

	lockdep_assert_held(&lock->lock);
	if (lock->nr_shares)
		return handle->token;
	return lock->holder == handle ? chring_word_token_locked(lock) : 0;
}

/**
 * chring_holder_clear_locked - a handle holds its lock no more
 * @handle: holds it; caller holds the lock's lock, and that is frozen
 */
static inline void chring_holder_clear_locked(struct chring_handle *handle)
{
	struct chring_lock *lock = handle->lock;

	if (lock->nr_shares)
		chring_holder_drop_share_locked(handle);
	else
		chring_word_clear_locked(lock);
}

#endif /* CHRING_LOCK_HOLDER_H */
