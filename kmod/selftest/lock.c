// SPDX-License-Identifier: GPL-2.0
/*
 * The transitions of locks, one by one, with the process that loads the module
 * as the owner of all handles, and waiters that do not sleep. User space's part,
 * honest or not, is played on the word itself. The full state is compared.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": lock self-test: " fmt

#include <linux/cred.h>
#include <linux/init.h>
#include <linux/mm.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/timekeeping.h>
#include <net/net_namespace.h>

#include "../handle.h"
#include "../lock.h"
#include "../lock_async.h"
#include "../lock_lease.h"
#include "../lock_queue.h"
#include "../lock_word.h"
#include "../lockspace.h"
#include "selftest.h"

#define NAME "!selftest"
#define W CHRING_LOCK_WAITERS
#define K CHRING_LOCK_KERNEL

/* One lock with two handles, and who waits */
struct lock_test {
	struct chring_handle *a;
	struct chring_handle *b;
	struct chring_lock *lock;
	struct chring_waiter waiter[2];
	struct chring_grant grant[2];
};

static bool __init expect(bool condition, const char *test, const char *what)
{
	if (!condition)
		pr_err("FAIL: %s: %s\n", test, what);
	return condition;
}

#define EXPECT(condition) expect(condition, __func__, #condition)

static struct chring_handle *__init test_open(u8 flags)
{
	struct chring_lock_args args = {
		.name = NAME,
		.flags = flags,
		.create = true,
	};

	current_fsuid_fsgid(&args.uid, &args.gid);
	return chring_handle_open(&init_net, &args);
}

static bool __init test_begin(struct lock_test *t, u8 flags)
{
	*t = (struct lock_test){};
	t->a = test_open(flags);
	if (!EXPECT(!IS_ERR(t->a)))
		return false;
	t->b = test_open(0);
	if (!EXPECT(!IS_ERR(t->b))) {
		chring_handle_end(t->a);
		return false;
	}
	t->lock = t->a->lock;
	if (flags & CHRING_LOCK_STRICT || EXPECT(!chring_word_map(t->lock)))
		return true;
	chring_handle_end(t->a);
	chring_handle_end(t->b);
	return false;
}

static void __init test_end(struct lock_test *t)
{
	chring_handle_end(t->a);
	chring_handle_end(t->b);
}

static atomic64_t *__init word_of(const struct lock_test *t)
{
	return page_address(t->lock->map->word);
}

static u64 __init seq_of(const struct lock_test *t)
{
	return chring_word_seq(t->lock->seen);
}

static u64 __init token_of(const struct lock_test *t)
{
	return (u64)t->lock->epoch << CHRING_LOCK_EPOCH_SHIFT | seq_of(t);
}

/* The full state, and the word as user space sees it */
static bool __init is(const struct lock_test *t, u64 seq,
		      const struct chring_handle *holder, u32 waiters,
		      u32 news, u64 flags)
{
	const struct chring_lock *lock = t->lock;
	u64 word = chring_word(seq, holder ? holder->id : 0);

	if (lock->seen == word && lock->holder == holder && !lock->nr_shares &&
	    lock->nr_waiters == waiters && lock->news == news &&
	    (lock->flags & CHRING_LOCK_STRICT ||
	     atomic64_read(word_of(t)) == (word | flags)))
		return true;
	pr_err("seen %llx, should be %llx; waiters %u, %u; news %x, %x; flags %llx\n",
	       lock->seen, word, lock->nr_waiters, waiters, lock->news, news,
	       lock->map ? (u64)atomic64_read(word_of(t)) & CHRING_LOCK_FLAGS :
			   0);
	return false;
}

/* What an honest process does to the word */
static bool __init user_take(const struct lock_test *t,
			     const struct chring_handle *handle)
{
	u64 word = atomic64_read(word_of(t));
	u64 refused = t->lock->flags & CHRING_LOCK_FIFO ?
		      CHRING_LOCK_FLAGS : CHRING_LOCK_FLAGS & ~W;

	if (chring_word_owner(word) || word & refused)
		return false;
	return atomic64_try_cmpxchg(word_of(t), (s64 *)&word,
				    chring_word(chring_word_seq(word) + 1,
						handle->id) | (word & W));
}

static bool __init user_release(const struct lock_test *t,
				const struct chring_handle *handle, u64 seq)
{
	s64 word = chring_word(seq, handle->id);

	return atomic64_try_cmpxchg(word_of(t), &word, chring_word(seq, 0));
}

static int __init try_acquire(struct chring_handle *handle,
			      struct chring_grant *grant)
{
	return chring_lock_acquire(handle, CHRING_ACQUIRE_TRY, 0, 0, grant);
}

/* Somebody who waits, by the second handle; woken, it does nothing. */
static void __init enqueue(struct lock_test *t, int i, bool overdue)
{
	struct chring_waiter *waiter = &t->waiter[i];
	struct chring_wakeup wakeup = {};

	*waiter = (struct chring_waiter){
		.handle = t->b,
		.task = current,
		.grant = &t->grant[i],
	};
	spin_lock(&t->lock->lock);
	chring_word_freeze_locked(t->lock);
	chring_queue_add_locked(t->lock, waiter);
	if (overdue)
		waiter->since = 0;
	chring_queue_unlock(t->lock, &wakeup);
}

static void __init dequeue(struct lock_test *t, int i)
{
	struct chring_wakeup wakeup = {};

	spin_lock(&t->lock->lock);
	chring_word_freeze_locked(t->lock);
	chring_queue_remove_locked(t->lock, &t->waiter[i]);
	chring_queue_unlock(t->lock, &wakeup);
}

static bool __init test_take_and_release(struct lock_test *t)
{
	struct chring_grant got, none;
	u64 seq = seq_of(t);

	return EXPECT(is(t, seq, NULL, 0, 0, 0)) &&
	       EXPECT(!try_acquire(t->a, &got)) &&
	       EXPECT(is(t, seq + 1, t->a, 0, 0, 0)) &&
	       EXPECT(got.token == token_of(t) && got.word == t->lock->seen &&
		      !got.news && !got.dead_token) &&
	       EXPECT(try_acquire(t->b, &none) == -EBUSY) &&
	       EXPECT(chring_lock_release(t->b, got.token) == -ESTALE) &&
	       EXPECT(chring_lock_release(t->a, got.token - 1) == -ESTALE) &&
	       EXPECT(is(t, seq + 1, t->a, 0, 0, 0)) &&
	       EXPECT(!chring_lock_release(t->a, got.token)) &&
	       EXPECT(is(t, seq + 1, NULL, 0, 0, 0)) &&
	       EXPECT(chring_lock_release(t->a, got.token) == -ESTALE);
}

static bool __init test_word(struct lock_test *t)
{
	struct chring_grant got;
	u64 seq = seq_of(t);

	return EXPECT(user_take(t, t->a)) &&
	       EXPECT(!user_take(t, t->b)) &&
	       EXPECT(try_acquire(t->b, &got) == -EBUSY) &&
	       EXPECT(is(t, seq + 1, t->a, 0, 0, 0)) &&
	       EXPECT(user_release(t, t->a, seq + 1)) &&
	       EXPECT(!user_release(t, t->a, seq + 1)) &&
	       EXPECT(user_take(t, t->b)) &&
	       EXPECT(chring_lock_release(t->a, token_of(t)) == -ESTALE) &&
	       EXPECT(is(t, seq + 2, t->b, 0, 0, 0)) &&
	       EXPECT(!chring_lock_release(t->b, token_of(t))) &&
	       EXPECT(is(t, seq + 2, NULL, 0, 0, 0));
}

/* Waiters who have waited for long, or those of a fifo lock, are handed it. */
static bool __init test_hand_over(struct lock_test *t)
{
	bool overdue = !(t->lock->flags & CHRING_LOCK_FIFO);
	struct chring_grant got;
	u64 seq = seq_of(t);
	bool passed;

	if (!EXPECT(!try_acquire(t->a, &got)))
		return false;
	enqueue(t, 0, overdue);
	enqueue(t, 1, overdue);
	passed = EXPECT(is(t, seq + 1, t->a, 2, 0, W)) &&
		 EXPECT(!chring_lock_release(t->a, got.token)) &&
		 EXPECT(is(t, seq + 2, t->b, 1, 0, W)) &&
		 EXPECT(t->waiter[0].status == 1 && !t->waiter[1].status) &&
		 EXPECT(t->grant[0].token == token_of(t)) &&
		 EXPECT(t->grant[0].word == t->lock->seen) &&
		 EXPECT(!chring_lock_release(t->b, t->grant[0].token)) &&
		 EXPECT(is(t, seq + 3, t->b, 0, 0, 0)) &&
		 EXPECT(t->waiter[1].status == 1) &&
		 EXPECT(!chring_lock_release(t->b, t->grant[1].token)) &&
		 EXPECT(is(t, seq + 3, NULL, 0, 0, 0));
	dequeue(t, 0);
	dequeue(t, 1);
	return passed;
}

/* Newcomers pass an adaptive lock's waiters by, for a while. */
static bool __init test_nudge(struct lock_test *t)
{
	struct chring_grant got;
	u64 seq = seq_of(t);
	bool passed;

	if (!EXPECT(!try_acquire(t->a, &got)))
		return false;
	enqueue(t, 0, false);
	/* A slow machine must not make it overdue */
	t->waiter[0].since += 60ULL * NSEC_PER_SEC;
	passed = EXPECT(!chring_lock_release(t->a, got.token)) &&
		 EXPECT(is(t, seq + 1, NULL, 1, 0, 0)) &&
		 EXPECT(!t->waiter[0].status) &&
		 EXPECT(user_take(t, t->a)) &&
		 EXPECT(user_release(t, t->a, seq + 2)) &&
		 EXPECT(!try_acquire(t->a, &got)) &&
		 EXPECT(is(t, seq + 3, t->a, 1, 0, W)) &&
		 EXPECT(!user_release(t, t->a, seq + 3));
	/* Then no more */
	t->waiter[0].since = 0;
	passed = passed &&
		 EXPECT(!chring_lock_release(t->a, got.token)) &&
		 EXPECT(is(t, seq + 4, t->b, 0, 0, 0)) &&
		 EXPECT(t->waiter[0].status == 1) &&
		 EXPECT(!chring_lock_release(t->b, t->grant[0].token));
	dequeue(t, 0);
	return passed;
}

/* The next holder is told, and only that one; it goes through the kernel. */
static bool __init test_break(struct lock_test *t)
{
	struct chring_grant got;
	u64 seq = seq_of(t);

	return EXPECT(chring_lock_break(t->lock) == -ESRCH) &&
	       EXPECT(user_take(t, t->a)) &&
	       EXPECT(!chring_lock_break(t->lock)) &&
	       EXPECT(is(t, seq + 1, NULL, 0, CHRING_NEWS_BROKEN, K)) &&
	       EXPECT(t->a->lost && !t->b->lost) &&
	       EXPECT(!user_take(t, t->b)) &&
	       EXPECT(!user_release(t, t->a, seq + 1)) &&
	       EXPECT(chring_lock_release(t->a, token_of(t)) == -ESTALE) &&
	       EXPECT(!t->a->lost) &&
	       EXPECT(is(t, seq + 1, NULL, 0, CHRING_NEWS_BROKEN, K)) &&
	       EXPECT(!try_acquire(t->b, &got)) &&
	       EXPECT(got.news == CHRING_NEWS_BROKEN &&
		      got.dead_token == got.token - 1) &&
	       EXPECT(is(t, seq + 2, t->b, 0, 0, 0)) &&
	       EXPECT(!chring_lock_release(t->b, got.token)) &&
	       EXPECT(is(t, seq + 2, NULL, 0, 0, 0));
}

/* A death is news to whom the lock is handed over, however short it waited. */
static bool __init test_death(struct lock_test *t)
{
	u64 seq = seq_of(t);
	bool passed;
	u32 id;

	if (!EXPECT(user_take(t, t->a)))
		return false;
	enqueue(t, 0, false);
	t->waiter[0].since += 60ULL * NSEC_PER_SEC;
	chring_lock_owner_died(t->a, t->a->owner);
	passed = EXPECT(is(t, seq + 2, t->b, 0, 0, 0)) &&
		 EXPECT(t->waiter[0].status == 1) &&
		 EXPECT(t->grant[0].news == CHRING_NEWS_OWNER_DIED) &&
		 EXPECT(t->grant[0].dead_token == t->grant[0].token - 1) &&
		 EXPECT(!t->a->owner && !t->a->id && !t->a->closed) &&
		 EXPECT(try_acquire(t->a, &t->grant[1]) == -ESTALE) &&
		 EXPECT(!chring_lock_release(t->b, t->grant[0].token)) &&
		 /* The dead one's handle can be had again */
		 EXPECT(!chring_handle_adopt(t->a, &t->grant[1], &id)) &&
		 EXPECT(t->a->id == id && !t->grant[1].token) &&
		 EXPECT(chring_handle_adopt(t->a, &t->grant[1], &id) == -EALREADY) &&
		 EXPECT(user_take(t, t->a)) &&
		 EXPECT(!chring_lock_release(t->a, token_of(t) + 1)) &&
		 EXPECT(is(t, seq + 3, NULL, 0, 0, 0));
	dequeue(t, 0);
	return passed;
}

/* Each is told, until one says that all is well; the kernel is asked by all. */
static bool __init test_sticky(struct lock_test *t)
{
	u32 broken = CHRING_NEWS_BROKEN;
	struct chring_grant got;
	u64 seq = seq_of(t);

	return EXPECT(user_take(t, t->a)) &&
	       EXPECT(!chring_lock_break(t->lock)) &&
	       EXPECT(is(t, seq + 1, NULL, 0, broken, K)) &&
	       EXPECT(!try_acquire(t->b, &got)) &&
	       EXPECT(got.news == broken && got.dead_token == got.token - 1) &&
	       EXPECT(is(t, seq + 2, t->b, 0, broken, K)) &&
	       EXPECT(!user_release(t, t->b, seq + 2)) &&
	       EXPECT(!chring_lock_release(t->b, got.token)) &&
	       EXPECT(is(t, seq + 2, NULL, 0, broken, K)) &&
	       EXPECT(!user_take(t, t->a)) &&
	       EXPECT(!try_acquire(t->a, &got)) &&
	       EXPECT(got.news == broken && got.dead_token == got.token - 2) &&
	       EXPECT(chring_lock_consistent(t->b, got.token) == -ESTALE) &&
	       EXPECT(chring_lock_consistent(t->a, got.token - 1) == -ESTALE) &&
	       EXPECT(is(t, seq + 3, t->a, 0, broken, K)) &&
	       EXPECT(!chring_lock_consistent(t->a, got.token)) &&
	       EXPECT(is(t, seq + 3, t->a, 0, 0, 0)) &&
	       EXPECT(user_release(t, t->a, seq + 3)) &&
	       EXPECT(chring_lock_consistent(t->a, got.token) == -ESTALE) &&
	       EXPECT(!try_acquire(t->b, &got)) &&
	       EXPECT(!got.news && !got.dead_token) &&
	       EXPECT(!chring_lock_release(t->b, got.token)) &&
	       EXPECT(is(t, seq + 4, NULL, 0, 0, 0));
}

/* The clock runs from when another wants the lock, and for that holder only. */
static bool __init test_lease(struct lock_test *t)
{
	u32 expired = CHRING_NEWS_EXPIRED;
	struct chring_lease *lease;
	struct chring_grant got;
	u64 seq = seq_of(t);
	bool passed;

	if (!EXPECT(!chring_lease_make(t->lock)))
		return false;
	lease = t->lock->lease;
	lease->ttl_ms = 3600 * MSEC_PER_SEC;
	passed = EXPECT(user_take(t, t->a)) &&
		 EXPECT((chring_lease_look(t->lock), is(t, seq + 1, t->a, 0, 0, 0))) &&
		 EXPECT(lease->term.deadline == KTIME_MAX) &&
		 EXPECT(try_acquire(t->b, &got) == -EBUSY) &&
		 EXPECT(lease->term.deadline != KTIME_MAX) &&
		 EXPECT((chring_lease_look(t->lock), is(t, seq + 1, t->a, 0, 0, 0)));
	/* Of the last holder the kernel hears nothing */
	lease->term.deadline = 0;
	passed = passed && EXPECT(user_release(t, t->a, seq + 1)) &&
		 EXPECT(user_take(t, t->a)) &&
		 EXPECT((chring_lease_look(t->lock), is(t, seq + 2, t->a, 0, 0, 0))) &&
		 EXPECT(lease->term.deadline == KTIME_MAX && !t->a->lost);
	if (!passed)
		return false;
	enqueue(t, 0, false);
	lease->term.deadline = 0;
	chring_lease_look(t->lock);
	passed = EXPECT(is(t, seq + 3, t->b, 0, 0, 0)) &&
		 EXPECT(t->waiter[0].status == 1 && t->a->lost) &&
		 EXPECT(t->grant[0].news == expired) &&
		 EXPECT(t->grant[0].dead_token == t->grant[0].token - 1) &&
		 EXPECT(lease->term.deadline == KTIME_MAX) &&
		 EXPECT(!user_release(t, t->a, seq + 2)) &&
		 EXPECT(!chring_lock_release(t->b, t->grant[0].token)) &&
		 EXPECT(is(t, seq + 3, NULL, 0, 0, 0));
	dequeue(t, 0);
	return passed;
}

/* The word names a holder that it is not for it to name: that is not killed. */
static bool __init test_word_kills_nobody(struct lock_test *t, u64 seq)
{
	struct chring_grant got;

	atomic64_set(word_of(t), chring_word(seq + 1, t->b->id));
	if (!EXPECT(try_acquire(t->a, &got) == -EBUSY) ||
	    !EXPECT(is(t, seq + 1, t->b, 0, 0, K)))
		return false;
	t->lock->lease->term.deadline = 0;
	chring_lease_look(t->lock);
	/* With news for somebody the lock would stay */
	return EXPECT(is(t, seq + 1, NULL, 0, CHRING_NEWS_EXPIRED, K)) &&
	       EXPECT(t->b->lost) &&
	       EXPECT(!try_acquire(t->a, &got)) &&
	       EXPECT(got.news == CHRING_NEWS_EXPIRED) &&
	       EXPECT(!chring_lock_release(t->a, got.token)) &&
	       EXPECT(is(t, seq + 2, NULL, 0, 0, K));
}

/* Where a lease can kill, the word is the kernel's. */
static bool __init test_lease_that_kills(struct lock_test *t)
{
	const u32 agrees = CHRING_ACQUIRE_TRY | CHRING_ACQUIRE_KILL;
	const u32 ttl_ms = 3600 * MSEC_PER_SEC;
	struct chring_grant got;
	u64 seq = seq_of(t);

	if (!EXPECT(!chring_lease_make(t->lock)))
		return false;
	t->lock->lease->expiry = CHRING_LEASE_KILL;
	chring_lease_look(t->lock);
	if (!EXPECT(is(t, seq, NULL, 0, 0, K)) ||
	    !EXPECT(!try_acquire(t->a, &got)) ||
	    !EXPECT(is(t, seq + 1, t->a, 0, 0, K)) ||
	    !EXPECT(!chring_lock_release(t->a, got.token)) ||
	    !EXPECT(is(t, seq + 1, NULL, 0, 0, K)))
		return false;
	/* Otherwise it is so as long as one holds it that has agreed */
	t->lock->lease->expiry = CHRING_LEASE_FENCE;
	chring_lease_look(t->lock);
	if (!EXPECT(is(t, seq + 1, NULL, 0, 0, 0)) ||
	    !EXPECT(!chring_lock_acquire(t->a, agrees, ttl_ms, 0, &got)) ||
	    !EXPECT(is(t, seq + 2, t->a, 0, 0, K)) ||
	    !EXPECT(!chring_lock_release(t->a, got.token)) ||
	    !EXPECT(is(t, seq + 2, NULL, 0, 0, 0)))
		return false;
	t->lock->lease->expiry = CHRING_LEASE_KILL;
	t->lock->lease->ttl_ms = ttl_ms;
	return test_word_kills_nobody(t, seq + 2);
}

/* It runs at once, and ends though nobody else is there. */
static bool __init test_eager_lease(struct lock_test *t)
{
	u64 k = t->lock->flags & CHRING_LOCK_EAGER ? K : 0;
	u32 eager = k ? 0 : CHRING_ACQUIRE_EAGER;
	u32 expired = CHRING_NEWS_EXPIRED;
	struct chring_grant got;
	u64 seq = seq_of(t);

	if (!EXPECT(!chring_lease_make(t->lock)) ||
	    !EXPECT(is(t, seq, NULL, 0, 0, k)) ||
	    !EXPECT(!chring_lock_acquire(t->a, CHRING_ACQUIRE_TRY | eager,
					 3600 * MSEC_PER_SEC, 0, &got)) ||
	    !EXPECT(is(t, seq + 1, t->a, 0, 0, k)) ||
	    !EXPECT(t->lock->lease->term.deadline != KTIME_MAX))
		return false;
	t->lock->lease->term.deadline = 0;
	chring_lease_look(t->lock);
	return EXPECT(is(t, seq + 1, NULL, 0, expired, K)) &&
	       EXPECT(t->a->lost) &&
	       EXPECT(chring_lock_release(t->a, got.token) == -ESTALE) &&
	       EXPECT(!try_acquire(t->b, &got)) &&
	       EXPECT(got.news == expired && got.dead_token == got.token - 1) &&
	       EXPECT(is(t, seq + 2, t->b, 0, 0, k)) &&
	       EXPECT(t->lock->lease->term.deadline == KTIME_MAX) &&
	       EXPECT(!chring_lock_release(t->b, got.token)) &&
	       EXPECT(is(t, seq + 2, NULL, 0, 0, k));
}

/* To close is to release, and sends those away who wait by the handle. */
static bool __init test_close(struct lock_test *t)
{
	struct chring_grant got;
	u64 seq = seq_of(t);
	bool passed;
	u32 id;

	if (!EXPECT(!try_acquire(t->a, &got)))
		return false;
	enqueue(t, 0, true);
	passed = EXPECT(!chring_lock_close(t->b, false)) &&
		 EXPECT(t->waiter[0].status == -ESTALE) &&
		 EXPECT(is(t, seq + 1, t->a, 0, 0, 0)) &&
		 EXPECT(!chring_lock_close(t->a, false)) &&
		 EXPECT(is(t, seq + 1, NULL, 0, 0, 0)) &&
		 EXPECT(chring_lock_close(t->a, false) == -ESTALE) &&
		 EXPECT(chring_handle_adopt(t->a, &got, &id) == -ESTALE);
	dequeue(t, 0);
	return passed;
}

/* One token is left of an epoch. */
static void __init have_one_token(struct lock_test *t, u32 epoch)
{
	t->lock->map->limit = U64_MAX;
	t->lock->epoch = epoch;
	t->lock->seen = chring_word(CHRING_LOCK_SEQ_MAX - 1, 0);
	atomic64_set(word_of(t), t->lock->seen);
}

/* Tokens rise over the end of seq, and end with the last epoch. */
static bool __init test_last_tokens(struct lock_test *t)
{
	struct chring_lock_info *info = page_address(t->lock->map->info);
	struct chring_grant got;

	t->lock->map->token = 0;
	have_one_token(t, 7);
	if (!EXPECT(user_take(t, t->a)) ||
	    !EXPECT(user_release(t, t->a, CHRING_LOCK_SEQ_MAX)) ||
	    !EXPECT(!try_acquire(t->a, &got)) ||
	    !EXPECT(is(t, 0, t->a, 0, 0, 0)) ||
	    !EXPECT(got.token == 8ULL << CHRING_LOCK_EPOCH_SHIFT) ||
	    !EXPECT(info->epoch == 8) ||
	    !EXPECT(!chring_lock_release(t->a, got.token)))
		return false;

	have_one_token(t, CHRING_LOCK_EPOCH_MAX);
	if (!EXPECT(!try_acquire(t->a, &got)) ||
	    !EXPECT(got.token == U64_MAX) ||
	    !EXPECT(!chring_lock_release(t->a, got.token)) ||
	    !EXPECT(try_acquire(t->a, &got) == -EOVERFLOW) ||
	    !EXPECT(is(t, CHRING_LOCK_SEQ_MAX, NULL, 0, 0, 0)))
		return false;
	/* The lockspace is not to begin there */
	t->lock->taken = false;
	return true;
}

/* A waiter that can have no token is woken, and leaves with an error. */
static bool __init test_no_token_for_waiter(struct lock_test *t)
{
	struct chring_grant got;
	bool passed;

	have_one_token(t, CHRING_LOCK_EPOCH_MAX);
	if (!EXPECT(!try_acquire(t->a, &got)))
		return false;
	enqueue(t, 0, true);
	passed = EXPECT(!chring_lock_release(t->a, got.token)) &&
		 EXPECT(is(t, CHRING_LOCK_SEQ_MAX, NULL, 1, 0, 0)) &&
		 EXPECT(!t->waiter[0].status);
	dequeue(t, 0);
	t->lock->taken = false;
	return passed;
}

static int __init ask(struct chring_handle *handle)
{
	struct chring_grant none;

	return chring_async_acquire(handle, 0, 0, &none);
}

/* Nobody is nudged: it is handed over, and if it is not wanted any more, again. */
static bool __init test_async(struct lock_test *t)
{
	u32 broken = CHRING_NEWS_BROKEN;
	struct chring_grant got, next;
	u64 seq = seq_of(t);

	return EXPECT(!try_acquire(t->a, &got)) &&
	       EXPECT(ask(t->b) == -EINPROGRESS) &&
	       EXPECT(ask(t->b) == -EALREADY) &&
	       EXPECT(is(t, seq + 1, t->a, 1, 0, W)) &&
	       EXPECT(chring_async_finish(t->b, &next) == -EAGAIN) &&
	       EXPECT(!chring_async_cancel(t->b)) &&
	       EXPECT(chring_async_cancel(t->b) == -ENODATA) &&
	       EXPECT(is(t, seq + 1, t->a, 0, 0, 0)) &&
	       EXPECT(ask(t->b) == -EINPROGRESS) &&
	       EXPECT(!chring_lock_break(t->lock)) &&
	       EXPECT(is(t, seq + 2, t->b, 0, 0, 0)) &&
	       EXPECT(ask(t->a) == -EINPROGRESS && !t->a->lost) &&
	       EXPECT(!chring_async_cancel(t->b)) &&
	       EXPECT(is(t, seq + 3, t->a, 0, 0, 0)) &&
	       EXPECT(!chring_async_cancel(t->a)) &&
	       EXPECT(is(t, seq + 3, NULL, 0, broken, K)) &&
	       EXPECT(!chring_async_acquire(t->b, 0, 0, &got)) &&
	       EXPECT(got.news == broken && got.dead_token == got.token - 3) &&
	       EXPECT(ask(t->a) == -EINPROGRESS) &&
	       EXPECT(!chring_lock_release(t->b, got.token)) &&
	       EXPECT(is(t, seq + 5, t->a, 0, 0, 0)) &&
	       EXPECT(!chring_async_finish(t->a, &next)) &&
	       EXPECT(next.token == got.token + 1 && !next.news) &&
	       EXPECT(chring_async_finish(t->a, &got) == -ENODATA) &&
	       EXPECT(!chring_lock_release(t->a, next.token)) &&
	       EXPECT(is(t, seq + 5, NULL, 0, 0, 0));
}

/* It is told that there is no token for it, as there is nobody who would look. */
static bool __init test_no_token_for_async(struct lock_test *t)
{
	struct chring_grant got;
	bool passed;

	have_one_token(t, CHRING_LOCK_EPOCH_MAX);
	passed = EXPECT(!try_acquire(t->a, &got)) &&
		 EXPECT(ask(t->b) == -EINPROGRESS) &&
		 EXPECT(!chring_lock_release(t->a, got.token)) &&
		 EXPECT(is(t, CHRING_LOCK_SEQ_MAX, NULL, 0, 0, 0)) &&
		 EXPECT(chring_async_finish(t->b, &got) == -EOVERFLOW) &&
		 EXPECT(chring_async_finish(t->b, &got) == -ENODATA) &&
		 EXPECT(ask(t->b) == -EOVERFLOW);
	t->lock->taken = false;
	return passed;
}

/* What nobody can have done is not believed, and told. */
static bool __init test_garbage_owner(struct lock_test *t)
{
	struct chring_grant got;
	u64 seq = seq_of(t);

	if (!EXPECT(user_take(t, t->a)))
		return false;
	atomic64_set(word_of(t), chring_word(seq + 1, CHRING_LOCK_OWNER_MAX));
	if (!EXPECT(!try_acquire(t->b, &got)) ||
	    !EXPECT(got.news == CHRING_NEWS_CORRUPT) ||
	    !EXPECT(is(t, seq + 2, t->b, 0, 0, 0)))
		return false;
	/* The token is one holder's: another by the same is none */
	atomic64_set(word_of(t), chring_word(seq + 2, t->a->id));
	return EXPECT(chring_lock_release(t->a, token_of(t)) == -ESTALE) &&
	       EXPECT(is(t, seq + 2, NULL, 0, CHRING_NEWS_CORRUPT, K)) &&
	       EXPECT(!(t->lock->flags & CHRING_LOCK_STRICT)) &&
	       EXPECT(!try_acquire(t->a, &got)) &&
	       EXPECT(!chring_lock_release(t->a, got.token));
}

static bool __init test_garbage_seq(struct lock_test *t, u64 garbage)
{
	struct chring_lock_info *info = page_address(t->lock->map->info);
	struct chring_grant got;
	u64 seq = seq_of(t);

	if (!EXPECT(!try_acquire(t->a, &got)))
		return false;
	atomic64_set(word_of(t), garbage);
	if (!EXPECT(!try_acquire(t->b, &got)) ||
	    !EXPECT(got.news == CHRING_NEWS_CORRUPT) ||
	    !EXPECT(got.dead_token == got.token - 1) ||
	    !EXPECT(is(t, seq + 2, t->b, 0, 0, 0)) ||
	    !EXPECT(t->lock->flags & CHRING_LOCK_STRICT) ||
	    !EXPECT(info->flags == t->lock->flags))
		return false;
	/* From now on the word does not matter, and sends all to the kernel */
	atomic64_set(word_of(t), garbage);
	return EXPECT(try_acquire(t->a, &got) == -EBUSY) &&
	       EXPECT(is(t, seq + 2, t->b, 0, 0, 0)) &&
	       EXPECT(atomic64_read(word_of(t)) == (W | K)) &&
	       EXPECT(!chring_lock_release(t->b, token_of(t)));
}

static bool __init test_seq_that_falls(struct lock_test *t)
{
	return test_garbage_seq(t, chring_word(seq_of(t) - 1, 0));
}

static bool __init test_seq_that_leaps(struct lock_test *t)
{
	/* Unless that is near, just now */
	if (CHRING_LOCK_SEQ_MAX - seq_of(t) < 1ULL << 34)
		return true;
	return test_garbage_seq(t, chring_word(CHRING_LOCK_SEQ_MAX, t->a->id));
}

/* As fast as can be, and after some time, is not too fast. */
static bool __init test_seq_that_may_be(struct lock_test *t)
{
	u64 seq = seq_of(t) + 400;
	struct chring_grant got;

	atomic64_set(word_of(t), chring_word(seq, t->a->id));
	if (!EXPECT(try_acquire(t->b, &got) == -EBUSY) ||
	    !EXPECT(is(t, seq, t->a, 0, 0, 0)))
		return false;
	t->lock->map->made = ktime_sub_ns(t->lock->map->made,
					  NSEC_PER_SEC);
	seq += NSEC_PER_SEC / 4;
	if (seq > CHRING_LOCK_SEQ_MAX)
		return true;
	atomic64_set(word_of(t), chring_word(seq, t->b->id));
	return EXPECT(try_acquire(t->a, &got) == -EBUSY) &&
	       EXPECT(is(t, seq, t->b, 0, 0, 0)) &&
	       EXPECT(!chring_lock_release(t->b, token_of(t)));
}

/* A lock that is made anew goes on beyond its last token. */
static bool __init test_tokens_of_a_name(struct lock_test *t)
{
	struct chring_grant got, again;
	struct chring_handle *handle;
	bool passed;

	if (!EXPECT(!try_acquire(t->a, &got)) ||
	    !EXPECT(!chring_lock_release(t->a, got.token)))
		return false;
	test_end(t);
	if (!EXPECT(chring_lockspace(&init_net)->high_water >= got.token))
		return false;
	/* Also if it lies ahead of the clock */
	chring_lockspace(&init_net)->high_water += 1000ULL << 32;
	handle = test_open(0);
	passed = EXPECT(!IS_ERR(handle)) &&
		 EXPECT(!try_acquire(handle, &again)) &&
		 EXPECT(again.token > got.token + (1000ULL << 32)) &&
		 EXPECT(!chring_lock_release(handle, again.token));
	chring_lockspace(&init_net)->high_water = got.token;
	if (!passed || !EXPECT(!IS_ERR(handle)))
		return false;
	handle->lock->taken = false;
	t->a = handle;
	t->b = test_open(0);
	return EXPECT(!IS_ERR(t->b));
}

/* Several hold it: the full state, and the word as user space sees it */
static bool __init is_shared(const struct lock_test *t, u64 seq, u16 nr,
			     const struct chring_handle *first, u32 waiters,
			     u64 flags)
{
	const struct chring_lock *lock = t->lock;

	if (lock->nr_shares == nr && lock->holder == first &&
	    lock->seen == chring_word(seq, 0) && lock->nr_waiters == waiters &&
	    (lock->flags & CHRING_LOCK_STRICT ||
	     atomic64_read(word_of(t)) == (chring_word(seq, 0) | K | flags)))
		return true;
	pr_err("shares %u, should be %u; seen %llx, should be %llx; waiters %u, %u\n",
	       lock->nr_shares, nr, lock->seen, chring_word(seq, 0),
	       lock->nr_waiters, waiters);
	return false;
}

static int __init try_shared(struct chring_handle *handle,
			     struct chring_grant *grant)
{
	return chring_lock_acquire(handle,
				   CHRING_ACQUIRE_TRY | CHRING_ACQUIRE_SHARED, 0,
				   0, grant);
}

/* Who comes after one that wants it alone waits for that. */
static bool __init test_shared(struct lock_test *t)
{
	struct chring_grant got, other;
	u64 seq = seq_of(t);
	bool passed;

	passed = EXPECT(!try_shared(t->a, &got)) &&
		 EXPECT(is_shared(t, seq + 1, 1, t->a, 0, 0)) &&
		 EXPECT(got.token == t->a->token && got.token == token_of(t)) &&
		 EXPECT(got.word == CHRING_LOCK_NO_WORD) &&
		 EXPECT(try_shared(t->a, &other) == -EBUSY) &&
		 EXPECT(!try_shared(t->b, &other)) &&
		 EXPECT(is_shared(t, seq + 2, 2, t->a, 0, 0)) &&
		 EXPECT(chring_lock_release(t->a, other.token) == -ESTALE) &&
		 EXPECT(!chring_lock_release(t->a, got.token)) &&
		 EXPECT(is_shared(t, seq + 2, 1, t->b, 0, 0)) &&
		 EXPECT(!try_shared(t->a, &got)) &&
		 EXPECT(!chring_lock_release(t->b, other.token)) &&
		 EXPECT(is_shared(t, seq + 3, 1, t->a, 0, 0));
	if (!passed)
		return false;
	t->grant[1].flags = CHRING_ACQUIRE_SHARED;
	enqueue(t, 0, true);
	enqueue(t, 1, true);
	passed = EXPECT(is_shared(t, seq + 3, 1, t->a, 2, W)) &&
		 EXPECT(try_shared(t->b, &other) == -EBUSY) &&
		 EXPECT(!chring_lock_release(t->a, got.token)) &&
		 EXPECT(is(t, seq + 4, t->b, 1, 0, W)) &&
		 EXPECT(!chring_lock_release(t->b, t->grant[0].token)) &&
		 EXPECT(is_shared(t, seq + 5, 1, t->b, 0, 0)) &&
		 EXPECT(t->waiter[0].status == 1 && t->waiter[1].status == 1) &&
		 EXPECT(!chring_lock_release(t->b, t->grant[1].token)) &&
		 EXPECT(is(t, seq + 5, NULL, 0, 0, 0));
	dequeue(t, 0);
	dequeue(t, 1);
	return passed;
}

/* All lose it; who only shared it leaves no news as it dies. */
static bool __init test_shared_loss(struct lock_test *t)
{
	u32 broken = CHRING_NEWS_BROKEN;
	struct chring_grant got, other;
	u64 seq = seq_of(t);

	return EXPECT(!try_shared(t->a, &got)) &&
	       EXPECT(!try_shared(t->b, &other)) &&
	       EXPECT(!chring_lock_break(t->lock)) &&
	       EXPECT(t->a->lost && t->b->lost) &&
	       EXPECT(is(t, seq + 2, NULL, 0, broken, K)) &&
	       EXPECT(chring_lock_release(t->a, got.token) == -ESTALE) &&
	       EXPECT(!try_shared(t->a, &got)) &&
	       EXPECT(got.news == broken && got.dead_token == other.token) &&
	       EXPECT(!try_shared(t->b, &other) && !other.news) &&
	       EXPECT((chring_lock_owner_died(t->a, t->a->owner), true)) &&
	       EXPECT(is_shared(t, seq + 4, 1, t->b, 0, 0)) &&
	       EXPECT(!t->lock->news) &&
	       EXPECT(!chring_lock_release(t->b, other.token)) &&
	       EXPECT(is(t, seq + 4, NULL, 0, 0, 0));
}

/* What is scribbled on the word is no holder's, and told. */
static bool __init test_shared_garbage(struct lock_test *t)
{
	struct chring_grant got, next;
	u64 seq = seq_of(t);

	if (!EXPECT(!try_shared(t->a, &got)))
		return false;
	atomic64_set(word_of(t), chring_word(seq + 2, t->b->id));
	return EXPECT(chring_lock_release(t->b, got.token + 1) == -ESTALE) &&
	       EXPECT(is_shared(t, seq + 2, 1, t->a, 0, 0)) &&
	       EXPECT(!chring_lock_release(t->a, got.token)) &&
	       EXPECT(!try_acquire(t->b, &next)) &&
	       EXPECT(next.news == CHRING_NEWS_CORRUPT) &&
	       EXPECT(is(t, seq + 3, t->b, 0, 0, 0)) &&
	       EXPECT(!chring_lock_release(t->b, next.token));
}

struct lock_case {
	bool (*test)(struct lock_test *t);
	u8 flags;
};

static const struct lock_case tests[] __initconst = {
	{ test_take_and_release, 0 },
	{ test_take_and_release, CHRING_LOCK_FIFO },
	{ test_take_and_release, CHRING_LOCK_STRICT },
	{ test_word, 0 },
	{ test_word, CHRING_LOCK_FIFO },
	{ test_hand_over, 0 },
	{ test_hand_over, CHRING_LOCK_FIFO },
	{ test_hand_over, CHRING_LOCK_FIFO | CHRING_LOCK_STRICT },
	{ test_nudge, 0 },
	{ test_break, 0 },
	{ test_break, CHRING_LOCK_FIFO },
	{ test_death, 0 },
	{ test_death, CHRING_LOCK_FIFO },
	{ test_sticky, CHRING_LOCK_STICKY },
	{ test_sticky, CHRING_LOCK_STICKY | CHRING_LOCK_FIFO },
	{ test_lease, 0 },
	{ test_lease, CHRING_LOCK_FIFO },
	{ test_lease_that_kills, 0 },
	{ test_lease_that_kills, CHRING_LOCK_FIFO },
	{ test_shared, 0 },
	{ test_shared, CHRING_LOCK_FIFO },
	{ test_shared, CHRING_LOCK_STRICT },
	{ test_shared_loss, 0 },
	{ test_shared_loss, CHRING_LOCK_FIFO | CHRING_LOCK_STRICT },
	{ test_shared_garbage, 0 },
	{ test_async, 0 },
	{ test_async, CHRING_LOCK_FIFO },
	{ test_async, CHRING_LOCK_STRICT },
	{ test_eager_lease, 0 },
	{ test_eager_lease, CHRING_LOCK_EAGER },
	{ test_close, 0 },
	{ test_last_tokens, 0 },
	{ test_no_token_for_waiter, 0 },
	{ test_no_token_for_async, 0 },
	{ test_garbage_owner, 0 },
	{ test_seq_that_falls, 0 },
	{ test_seq_that_leaps, 0 },
	{ test_seq_that_may_be, 0 },
	{ test_tokens_of_a_name, 0 },
};

/**
 * chring_selftest_lock() - test locks
 *
 * Context: Process context, at load of the module, when there can be handles.
 * Return: whether all passed; what failed is in the kernel's log.
 */
bool __init chring_selftest_lock(void)
{
	struct lock_test t;
	bool passed = true;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(tests); i++) {
		if (!test_begin(&t, tests[i].flags))
			return false;
		passed &= tests[i].test(&t);
		test_end(&t);
	}
	if (passed)
		pr_info("pass\n");
	return passed;
}
