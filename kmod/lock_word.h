/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CHRING_LOCK_WORD_H
#define CHRING_LOCK_WORD_H

#include <linux/ktime.h>
#include <linux/lockdep.h>
#include <linux/types.h>
#include <uapi/linux/chring_lock.h>

#include "lock.h"

struct page;

/**
 * struct chring_lock_map - what user space sees of a lock
 * @word: page with the word
 * @info: page with &struct chring_lock_info
 * @token: the lock's last one when this was made
 * @made: when this was made
 * @limit: what no token has reached yet, as far as we have looked
 */
struct chring_lock_map {
	struct page *word;
	struct page *info;
	u64 token;
	ktime_t made;
	u64 limit;
};

static inline u64 chring_word_seq(u64 word)
{
	return word >> CHRING_LOCK_SEQ_SHIFT;
}

static inline u32 chring_word_owner(u64 word)
{
	return word >> CHRING_LOCK_OWNER_SHIFT & CHRING_LOCK_OWNER_MAX;
}

static inline u64 chring_word(u64 seq, u32 owner)
{
	return seq << CHRING_LOCK_SEQ_SHIFT |
	       (u64)owner << CHRING_LOCK_OWNER_SHIFT;
}

/**
 * chring_word_token_locked - token of the holder, or of the last one
 * @lock: caller holds its lock
 *
 * Return: it, as far as the kernel has seen; 0 if there was none.
 */
static inline u64 chring_word_token_locked(const struct chring_lock *lock)
{
	lockdep_assert_held(&lock->lock);
	if (!lock->taken)
		return 0;
	return (u64)lock->epoch << CHRING_LOCK_EPOCH_SHIFT |
	       chring_word_seq(lock->seen);
}

u64 chring_word_first_token(void);
void chring_word_start(struct chring_lock *lock, u64 first);

void chring_word_tell_flags_locked(struct chring_lock *lock);
void chring_word_raise_locked(struct chring_lock *lock, u32 news,
			      u64 dead_token);
void chring_word_read_locked(struct chring_lock *lock);
void chring_word_write_locked(struct chring_lock *lock, bool nudged);
int chring_word_take_locked(struct chring_lock *lock,
			    struct chring_handle *handle, u32 id);
void chring_word_clear_locked(struct chring_lock *lock);

int chring_word_map(struct chring_lock *lock);
void chring_word_unmap(struct chring_lock *lock);

/**
 * chring_word_freeze_locked - keep user space off the word, and read it
 * @lock: caller holds its lock, and is to thaw the word before it lets go
 *
 * Afterwards the lock's @seen and @holder are what the word said, if that can
 * be; what cannot is the lock's @news, and nobody holds it.
 */
static inline void chring_word_freeze_locked(struct chring_lock *lock)
{
	lockdep_assert_held(&lock->lock);
	/* In line, as there is none where all ask the kernel, who pay for the call */
	if (lock->map)
		chring_word_read_locked(lock);
}

/**
 * chring_word_thaw_locked - let user space see the word again
 * @lock: caller holds its lock
 * @nudged: a waiter is awake, and will look at the lock itself
 */
static inline void chring_word_thaw_locked(struct chring_lock *lock, bool nudged)
{
	lockdep_assert_held(&lock->lock);
	if (lock->map)
		chring_word_write_locked(lock, nudged);
}

#endif /* CHRING_LOCK_WORD_H */
