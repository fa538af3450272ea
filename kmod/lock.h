/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CHRING_LOCK_H
#define CHRING_LOCK_H

#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/refcount.h>
#include <linux/rhashtable-types.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/uidgid.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <uapi/linux/chring_lock.h>

struct chring_async;
struct chring_deadlock;
struct chring_lease;
struct chring_lock_map;
struct chring_lockspace;
struct chring_owner;
struct chring_quota;
struct chring_wakeup;
struct pid;
struct task_struct;

/**
 * struct chring_lock - a named lock
 * @node: in the names of its lockspace
 * @space: its lockspace
 * @refs: one of each handle, one of the lockspace
 * @id: its number in the lockspace
 * @lock: protects what follows but @quota and @name; and of the lock's handles
 *	and waiters what is said to be the lock's
 * @flags: CHRING_LOCK_FIFO, CHRING_LOCK_STRICT, CHRING_LOCK_STICKY,
 *	CHRING_LOCK_EAGER
 * @persistent: outlives its handles
 * @doomed: does not outlive its handles, whatever news there is
 * @taken: somebody has held it
 * @kernels: the word is the kernel's, so that it knows who holds the lock
 * @raised: of @news, what has not been told to those who listen
 * @mode: permissions
 * @news: CHRING_NEWS_... for the next holder. While one alone holds the lock
 *	none, but where it is sticky what the holder was told as well
 * @slots: how many may hold it at once, each of them one of these; 0 where it is
 *	held by one alone, or shared
 * @nr_shares: of those who hold it at once, as @slots has it or by sharing it; 0
 *	where one holds it alone, or nobody
 * @uid: owner
 * @gid: group
 * @epoch: of the tokens
 * @nr_waiters: length of @waiters
 * @nr_handles: length of @handles
 * @map: what is, or can be, mapped; NULL before the first mmap()
 * @lease: its holders' leases; NULL where none has had one
 * @seen: the word, without flags, as it was last believed or stored
 * @holder: the handle that holds the lock, which @seen names; of several the one
 *	that has longest, and the others are in its @others
 * @since: when a holder that is alone was first seen to be it, jiffies
 * @dead_token: of the holder that the latest of @news is of
 * @waiters: &struct chring_waiter, in the order of their coming
 * @handles: &struct chring_handle
 * @poll: those who poll handles
 * @quota: counts it
 * @name: unique in the lockspace
 */
struct chring_lock {
	struct rhash_head node;
	struct chring_lockspace *space;
	refcount_t refs;
	u32 id;
	spinlock_t lock; /* protects the state, see above */
	u8 flags;
	u8 persistent : 1;
	u8 doomed : 1;
	u8 taken : 1;
	u8 raised : 4;
	u16 nr_shares;
	u16 mode : 9;
	u16 news : 4;
	u16 kernels : 1;
	u16 slots;
	kuid_t uid;
	kgid_t gid;
	u32 epoch;
	u32 nr_waiters;
	u32 nr_handles;
	struct chring_lock_map *map;
	struct chring_lease *lease;
	u64 seen;
	struct chring_handle *holder;
	u64 since;
	u64 dead_token;
	struct list_head waiters;
	struct list_head handles;
	wait_queue_head_t poll;
	struct chring_quota *quota;
	char name[];
};

/**
 * struct chring_term - the lease of one holder
 * @deadline: when it is over, CLOCK_BOOTTIME; KTIME_MAX: the clock does not run
 * @given: it has the lock from the kernel, not by the word
 * @asked_ms: what it asked for instead of the lock's, if that is longer; or 0
 * @asked: CHRING_ACQUIRE_..., of which EAGER, SIGNAL and KILL matter
 * @signalled: the holder was sent the signal that its lease is over
 */
struct chring_term {
	ktime_t deadline;
	u32 asked_ms;
	u32 asked;
	bool given;
	bool signalled;
};

/**
 * struct chring_handle - one opener's hold on a lock
 * @lock: the lock; the handle has a reference
 * @node: in the lock's handles
 * @owned: in its owner's handles; protected by the owner's lock
 * @owner: whose it is; NULL when that has died. Protected by the lock's lock
 * @id: in the word; 0 while there is no owner. Protected by the lock's lock
 * @may_read: the opener may read the lock
 * @may_write: the opener may acquire the lock
 * @closed: for good. Protected by the lock's lock
 * @lost: the lock was taken from it. Protected by the lock's lock
 * @poll: those who poll it for the end of @async
 * @others: those who hold the lock at the same time, in a ring without a head,
 *	in the order of their coming. Protected, as all that follows but @refs,
 *	@quota and @rcu, by the lock's lock
 * @token: of its share of the lock, or slot; 0 where it has none
 * @since: when it was given that, jiffies
 * @term: its lease
 * @told: the dead token that it was told as it took the lock, or 0
 * @async: its asynchronous acquisition, under way or not yet collected; or NULL
 * @nr_sleepers: threads that wait by it
 * @refs: one of the file, and while it is looked at
 * @quota: counts it
 * @rcu: frees it
 */
struct chring_handle {
	struct chring_lock *lock;
	struct list_head node;
	struct list_head owned;
	struct chring_owner *owner;
	u32 id;
	u8 may_read : 1;
	u8 may_write : 1;
	bool closed;
	bool lost;
	wait_queue_head_t poll;
	struct list_head others;
	u64 token;
	u64 since;
	struct chring_term term;
	u64 told;
	struct chring_async *async;
	u32 nr_sleepers;
	refcount_t refs;
	struct chring_quota *quota;
	struct rcu_head rcu;
};

/**
 * struct chring_grant - what an acquisition asks for, and gives
 * @ttl_ms: lease that is asked for, or 0
 * @flags: CHRING_ACQUIRE_..., all that were given
 * @token: of the acquisition
 * @word: the word, without flags; CHRING_LOCK_NO_WORD where others may hold the
 *	lock at once
 * @dead_token: of the last holder, where there is @news
 * @news: CHRING_NEWS_...
 * @deadlock: why it was refused, where it asked for CHRING_ACQUIRE_DETECT and that
 *	is -EDEADLK: to be freed
 */
struct chring_grant {
	u32 ttl_ms;
	u32 flags;
	u64 token;
	u64 word;
	u64 dead_token;
	u32 news;
	struct chring_deadlock *deadlock;
};

/**
 * struct chring_waiter - an acquisition under way
 * @node: in the lock's waiters, or empty; protected by the lock's lock
 * @waits: in its owner's waits, while it is in the lock's waiters
 * @owner: the process whose thread sleeps; its handle keeps it
 * @id: which of the owner's waits it is
 * @handle: for whom
 * @task: who waits; NULL where nobody sleeps for it, as it is asynchronous
 * @grant: to be filled in
 * @nudged: it was woken to try
 * @since: when it first tried in vain after that, ns; KTIME_MAX before
 * @status: 0 while it waits, then 1 or a negative errno; whoever sets it takes
 *	it off the queue before and does not touch it afterwards
 */
struct chring_waiter {
	struct list_head node;
	struct list_head waits;
	struct chring_owner *owner;
	u64 id;
	struct chring_handle *handle;
	struct task_struct *task;
	struct chring_grant *grant;
	bool nudged;
	u64 since;
	int status;
};

/**
 * struct chring_async - an acquisition that nobody sleeps for
 * @waiter: in the queue until it is done
 * @grant: of @waiter
 * @look: looks at the lock from time to time, as one who sleeps would
 *
 * The lock's lock protects it. Whoever takes it from its handle frees it.
 */
struct chring_async {
	struct chring_waiter waiter;
	struct chring_grant grant;
	struct delayed_work look;
};

/**
 * struct chring_lock_view - what a lock is, and how it stands
 * @token: the newest that was given; 0 if there was none
 * @mine: what the handle that looks holds the lock by, or 0
 * @held_ns: since when the holder, of several the first, is known to be it, as a
 *	time span
 * @dead_token: of the holder that the news is of
 * @held: somebody holds the lock
 * @shared: several do, or may
 * @holders: how many do
 * @slots: how many may; 0 where it is one alone, or as many as share it
 * @tgid: process of the holder, of several the first, with a reference; NULL
 *	where there is none
 * @handles: that are open
 * @waiters: who wait
 * @uid: owner
 * @gid: group
 * @mode: permissions
 * @ttl_ms: lease of holders that ask for none; 0 is none
 * @expiry: what becomes of them: enum chring_lease_expiry
 * @expires: a holder's lease runs, or has run out
 * @left_ns: time until the first one does
 * @flags: CHRING_LOCK_FIFO, CHRING_LOCK_STRICT, CHRING_LOCK_STICKY,
 *	CHRING_LOCK_EAGER
 * @news: CHRING_NEWS_...
 * @persistent: outlives its handles
 */
struct chring_lock_view {
	u64 token;
	u64 mine;
	u64 held_ns;
	u64 dead_token;
	bool held;
	bool shared;
	u32 holders;
	u32 slots;
	struct pid *tgid;
	u32 handles;
	u32 waiters;
	kuid_t uid;
	kgid_t gid;
	umode_t mode;
	u32 ttl_ms;
	u8 expiry;
	bool expires;
	u64 left_ns;
	u8 flags;
	u8 news;
	bool persistent;
};

void chring_lock_view(struct chring_lock *lock,
		      const struct chring_handle *handle,
		      struct chring_lock_view *view);
bool chring_lock_has_token(struct chring_lock *lock, u64 token);
void chring_lock_peek(struct chring_lock *lock, struct chring_lock_view *view);
int chring_lock_prepare(struct chring_handle *handle, u32 flags, u32 ttl_ms,
			struct chring_grant *grant);
int chring_lock_try_locked(struct chring_waiter *waiter, u32 flags,
			   struct chring_wakeup *wakeup);
int chring_lock_acquire(struct chring_handle *handle, u32 flags, u32 ttl_ms,
			ktime_t deadline, struct chring_grant *grant);
void chring_lock_give_back(struct chring_handle *handle,
			   const struct chring_grant *grant);
int chring_lock_release(struct chring_handle *handle, u64 token);
int chring_lock_consistent(struct chring_handle *handle, u64 token);
int chring_lock_break(struct chring_lock *lock);
int chring_lock_adopt(struct chring_handle *handle, struct chring_owner *owner,
		      u32 id, struct chring_grant *grant);
int chring_lock_close(struct chring_handle *handle, bool force);
void chring_lock_owner_died(struct chring_handle *handle,
			    struct chring_owner *owner);
int chring_handle_check_locked(const struct chring_handle *handle);

#endif /* CHRING_LOCK_H */
