// SPDX-License-Identifier: GPL-2.0
/*
 * The word of a lock: what user space may change under our hands.
 *
 * The truth is struct chring_lock's: seen and holder. The word is read into
 * it by one wait-free fetch-and-or that sets WAITERS and KERNEL, after which no
 * honest compare-and-swap can succeed (freeze); then the truth is changed, and
 * stored again (thaw). The word is never waited for nor read twice, and only
 * what can be true is believed of it:
 *
 * - seq neither falls, nor rises faster than compare-and-swaps can make it;
 * - owner is a live handle of this lock, and the same as long as seq is; nobody
 *   where several hold the lock, which is the kernel's all the while.
 *
 * As long as nobody has mapped the lock, or once its word was found corrupt,
 * seen and holder are all there is.
 *
 *	user space				kernel
 *	----------				------
 *	e = info.epoch		(A)		fetch_or WAITERS | KERNEL   (B)
 *	w = word				[carry] info.epoch = e + 1  (C)
 *	cmpxchg word, w, w'	(B)		word = seen | flags	    (D)
 *	info.epoch == e ?	(E)
 *
 * A compare-and-swap before (B) is seen by it. One after it fails, as it
 * expects no KERNEL, until (D), whose release orders it after (C): whoever
 * takes the lock by what (D) stored sees the epoch of it at (E); whoever had
 * read an older one at (A) notices there.
 */

#include <linux/atomic.h>
#include <linux/gfp.h>
#include <linux/jiffies.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/timekeeping.h>

#include "lock.h"
#include "lock_word.h"
#include "lockspace.h"

/* No two acquisitions of a lock are closer: each is two locked instructions */
#define NS_PER_TOKEN	2
/* What may happen before the clock is seen to move */
#define TOKEN_SLACK	512

/* The epoch that tokens count from: 2024-01-01, in seconds */
#define TOKENS_SINCE	1704067200LL

static atomic64_t *map_word(const struct chring_lock_map *map)
{
	return page_address(map->word);
}

static struct chring_lock_info *map_info(const struct chring_lock_map *map)
{
	return page_address(map->info);
}

static u64 token(const struct chring_lock *lock, u64 seq)
{
	return (u64)lock->epoch << CHRING_LOCK_EPOCH_SHIFT | seq;
}

/**
 * chring_word_first_token - what the tokens of a new lock count from
 *
 * The wall time, in units of 16 s / 2^36 (0.23 ns): a token for each would take
 * a lock that is taken and released faster than any can be. So a lock that is
 * made anew begins beyond the tokens of the last one, also if it forgot them:
 * as long as the clock does not go back.
 *
 * Context: any.
 */
u64 chring_word_first_token(void)
{
	struct timespec64 now;

	ktime_get_real_ts64(&now);
	now.tv_sec -= TOKENS_SINCE;
	if (now.tv_sec < 0)
		return 0;
	return ((u64)now.tv_sec << 32) +
	       div_u64((u64)now.tv_nsec << 32, NSEC_PER_SEC);
}

/**
 * chring_word_start - begin a new lock's word
 * @lock: new
 * @first: the first token will be the one after this
 *
 * Context: any.
 */
void chring_word_start(struct chring_lock *lock, u64 first)
{
	lock->epoch = first >> CHRING_LOCK_EPOCH_SHIFT;
	lock->seen = chring_word(first & CHRING_LOCK_SEQ_MAX, 0);
}

/**
 * chring_word_raise_locked - have the next holder told
 * @lock: caller holds its lock
 * @news: CHRING_NEWS_..., of a holder that there is, or of the last one
 * @dead_token: that one's
 */
void chring_word_raise_locked(struct chring_lock *lock, u32 news,
			      u64 dead_token)
{
	lockdep_assert_held(&lock->lock);
	/* What a holder was told is not what befell it in turn */
	lock->raised |= lock->holder ? news : news & ~lock->news;
	lock->news |= news;
	lock->dead_token = dead_token;
}

/**
 * chring_word_tell_flags_locked - show user space what the lock is
 * @lock: caller holds its lock
 */
void chring_word_tell_flags_locked(struct chring_lock *lock)
{
	lockdep_assert_held(&lock->lock);
	if (lock->map)
		WRITE_ONCE(map_info(lock->map)->flags, lock->flags);
}

static u64 token_limit(const struct chring_lock_map *map)
{
	u64 ns = ktime_to_ns(ktime_sub(ktime_get(), map->made));
	u64 limit;

	ns += ktime_get_resolution_ns();
	if (check_add_overflow(map->token, TOKEN_SLACK + ns / NS_PER_TOKEN,
			       &limit))
		return U64_MAX;
	return limit;
}

static bool is_plausible(const struct chring_lock *lock, u64 seq)
{
	struct chring_lock_map *map = lock->map;

	if (seq < chring_word_seq(lock->seen))
		return false;
	if (token(lock, seq) <= map->limit)
		return true;
	map->limit = token_limit(map);
	return token(lock, seq) <= map->limit;
}

static void see(struct chring_lock *lock, u64 word,
		struct chring_handle *holder)
{
	lock->seen = word;
	lock->holder = holder;
	if (holder)
		lock->since = get_jiffies_64();
}

static void be_corrupt(struct chring_lock *lock)
{
	chring_word_raise_locked(lock, CHRING_NEWS_CORRUPT,
				 chring_word_token_locked(lock));
}

/* Those who hold the lock at once do so whatever the word says */
static void be_nobodys(struct chring_lock *lock)
{
	if (!lock->nr_shares)
		chring_word_clear_locked(lock);
}

/* Makes of what the word says what is so. */
static void believe(struct chring_lock *lock, u64 word)
{
	struct chring_handle *holder = NULL;
	u64 seq = chring_word_seq(word);
	u32 id = chring_word_owner(word);

	word &= ~CHRING_LOCK_FLAGS;
	if (word == lock->seen)
		return;
	if (!is_plausible(lock, seq)) {
		be_corrupt(lock);
		be_nobodys(lock);
		lock->flags |= CHRING_LOCK_STRICT;
		chring_word_tell_flags_locked(lock);
		return;
	}
	if (seq != chring_word_seq(lock->seen))
		lock->taken = true;
	if (lock->nr_shares) {
		lock->seen = chring_word(seq, 0);
		be_corrupt(lock);
		return;
	}
	if (id && seq != chring_word_seq(lock->seen))
		holder = chring_lockspace_handle_locked(lock, id);
	see(lock, chring_word(seq, holder ? id : 0), holder);
	if (id && !holder)
		be_corrupt(lock);
}

/**
 * chring_word_read_locked - freeze a word that there is
 * @lock: has a map; caller holds its lock
 */
void chring_word_read_locked(struct chring_lock *lock)
{
	lockdep_assert_held(&lock->lock);
	/* (B) orders against all of the caller's, pairs with cmpxchgs */
	if (!(lock->flags & CHRING_LOCK_STRICT))
		believe(lock, atomic64_fetch_or(CHRING_LOCK_WAITERS |
						CHRING_LOCK_KERNEL,
						map_word(lock->map)));
}

/**
 * chring_word_write_locked - thaw a word that there is
 * @lock: has a map; caller holds its lock
 * @nudged: as for chring_word_thaw_locked()
 */
void chring_word_write_locked(struct chring_lock *lock, bool nudged)
{
	u64 flags = 0;

	lockdep_assert_held(&lock->lock);
	if (lock->nr_waiters && !nudged)
		flags |= CHRING_LOCK_WAITERS;
	/* While somebody is told of it, too: it is there after a release */
	if (lock->news || lock->nr_shares || lock->kernels ||
	    lock->flags & CHRING_LOCK_EAGER)
		flags |= CHRING_LOCK_KERNEL;
	/* Those who still look at a corrupt word are to ask the kernel */
	if (lock->flags & CHRING_LOCK_STRICT)
		atomic64_set(map_word(lock->map),
			     CHRING_LOCK_WAITERS | CHRING_LOCK_KERNEL);
	else
		/* (D) pairs with cmpxchg (B) of those who take the lock */
		atomic64_set_release(map_word(lock->map), lock->seen | flags);
}

/**
 * chring_word_take_locked - make a handle the holder, by the next token
 * @lock: frozen; caller holds its lock
 * @handle: the new holder; of several the first
 * @id: what names it in the word; 0 for one of several
 *
 * Return: 0; -EOVERFLOW where there are no more tokens, nothing is changed.
 */
int chring_word_take_locked(struct chring_lock *lock,
			    struct chring_handle *handle, u32 id)
{
	u64 seq = chring_word_seq(lock->seen);

	lockdep_assert_held(&lock->lock);
	if (seq < CHRING_LOCK_SEQ_MAX) {
		seq++;
	} else if (lock->epoch < CHRING_LOCK_EPOCH_MAX) {
		seq = 0;
		lock->epoch++;
		/* (C) before (D), pairs with (A) and (E) */
		if (lock->map)
			WRITE_ONCE(map_info(lock->map)->epoch, lock->epoch);
	} else {
		return -EOVERFLOW;
	}
	lock->taken = true;
	see(lock, chring_word(seq, id), handle);
	return 0;
}

/**
 * chring_word_clear_locked - nobody is the holder any more
 * @lock: frozen; caller holds its lock
 */
void chring_word_clear_locked(struct chring_lock *lock)
{
	lockdep_assert_held(&lock->lock);
	see(lock, chring_word(chring_word_seq(lock->seen), 0), NULL);
}

static void map_free(struct chring_lock_map *map)
{
	if (map->word)
		__free_page(map->word);
	if (map->info)
		__free_page(map->info);
	kfree(map);
}

static struct chring_lock_map *map_alloc(void)
{
	struct chring_lock_map *map;

	map = kzalloc(sizeof(*map), GFP_KERNEL_ACCOUNT);
	if (!map)
		return NULL;
	map->word = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	map->info = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!map->word || !map->info) {
		map_free(map);
		return NULL;
	}
	map->made = ktime_get();
	return map;
}

/**
 * chring_word_map - have pages that can be mapped
 * @lock: the lock
 *
 * Context: may sleep; takes the lock's lock.
 * Return: 0, then the lock's @map stays as long as the lock; -EOPNOTSUPP for
 * a strict lock; -ENOMEM.
 */
int chring_word_map(struct chring_lock *lock)
{
	struct chring_lock_map *map;

	/* Pairs with the release (H) below */
	if (smp_load_acquire(&lock->map))
		return 0;
	/* No lock becomes strict that has no map */
	if (READ_ONCE(lock->flags) & CHRING_LOCK_STRICT)
		return -EOPNOTSUPP;
	map = map_alloc();
	if (!map)
		return -ENOMEM;

	spin_lock(&lock->lock);
	if (!lock->map) {
		map_info(map)->epoch = lock->epoch;
		map_info(map)->flags = lock->flags;
		map->token = token(lock, chring_word_seq(lock->seen));
		/* (H) with what is in it */
		smp_store_release(&lock->map, map);
		chring_word_thaw_locked(lock, false);
		map = NULL;
	}
	spin_unlock(&lock->lock);
	if (map)
		map_free(map);
	return 0;
}

/**
 * chring_word_unmap - free what could be mapped; nobody has it mapped any more
 * @lock: the lock, on its way out
 *
 * Context: may sleep.
 */
void chring_word_unmap(struct chring_lock *lock)
{
	if (lock->map)
		map_free(lock->map);
}
