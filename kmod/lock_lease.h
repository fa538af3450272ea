/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CHRING_LOCK_LEASE_H
#define CHRING_LOCK_LEASE_H

#include <linux/hrtimer.h>
#include <linux/ktime.h>
#include <linux/types.h>
#include <linux/workqueue.h>

struct chring_grant;
struct chring_lock;
struct chring_lock_view;

/* What becomes of a holder whose lease is over; as enum chring_lock_expiry */
enum chring_lease_expiry {
	CHRING_LEASE_FENCE,
	CHRING_LEASE_SIGNAL,
	CHRING_LEASE_KILL,
};

/**
 * struct chring_lease - the leases of one lock; the lock's lock protects it
 * @lock: the lock
 * @timer: runs out at @deadline, or earlier, at that of another holder
 * @work: looks whether the lease is over
 * @ttl_ms: how long a holder may make others wait; 0: for ever
 * @expiry: what becomes of it then
 * @token: of the holder that all that follows is about; 0: there is none
 * @given: it has the lock from the kernel, not by the word
 * @asked_ms: what it asked for instead of @ttl_ms, if that is longer; or 0
 * @asked: CHRING_ACQUIRE_EAGER, CHRING_ACQUIRE_SIGNAL, CHRING_ACQUIRE_KILL
 * @wanted: somebody else tried to get the lock
 * @signalled: the holder was sent the signal that its lease is over
 * @deadline: when it is over, CLOCK_BOOTTIME; KTIME_MAX: the clock does not run
 */
struct chring_lease {
	struct chring_lock *lock;
	struct hrtimer timer;
	struct work_struct work;
	u32 ttl_ms;
	u8 expiry;
	u64 token;
	bool given;
	u32 asked_ms;
	u8 asked;
	bool wanted;
	bool signalled;
	ktime_t deadline;
};

int chring_lease_make(struct chring_lock *lock);
void chring_lease_free(struct chring_lock *lock);
void chring_lease_begin_locked(struct chring_lock *lock,
			       const struct chring_grant *grant);
void chring_lease_want_locked(struct chring_lock *lock);
void chring_lease_update_locked(struct chring_lock *lock);
u32 chring_lease_news_locked(struct chring_lock *lock);
void chring_lease_view_locked(struct chring_lock *lock,
			      struct chring_lock_view *view);
void chring_lease_look(struct chring_lock *lock);

#endif /* CHRING_LOCK_LEASE_H */
