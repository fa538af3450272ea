/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CHRING_LOCK_LEASE_H
#define CHRING_LOCK_LEASE_H

#include <linux/hrtimer.h>
#include <linux/ktime.h>
#include <linux/types.h>
#include <linux/workqueue.h>

#include "lock.h"

/* What becomes of a holder whose lease is over; as enum chring_lock_expiry */
enum chring_lease_expiry {
	CHRING_LEASE_FENCE,
	CHRING_LEASE_SIGNAL,
	CHRING_LEASE_KILL,
};

/**
 * struct chring_lease - the leases of one lock; the lock's lock protects it
 * @lock: the lock
 * @timer: runs out at the first deadline, or earlier, at that of one who is gone
 * @work: looks whether the lease is over
 * @ttl_ms: how long a holder may make others wait; 0: for ever
 * @expiry: what becomes of it then
 * @wanted: the newest token when somebody last wanted the lock: it is about all
 *	who hold it by that, or by a lesser one
 * @stale: a clock of those who hold the lock may have to run by now
 * @token: of the one holder that @term is about; 0: there is none
 * @term: its lease; where several hold the lock their handles have them
 */
struct chring_lease {
	struct chring_lock *lock;
	struct hrtimer timer;
	struct work_struct work;
	u32 ttl_ms;
	u8 expiry;
	bool stale;
	u64 wanted;
	u64 token;
	struct chring_term term;
};

int chring_lease_make(struct chring_lock *lock);
void chring_lease_free(struct chring_lock *lock);
void chring_lease_begin_locked(struct chring_handle *handle,
			       const struct chring_grant *grant);
void chring_lease_stale_locked(struct chring_lock *lock);
void chring_lease_want_locked(struct chring_lock *lock);
void chring_lease_update_locked(struct chring_lock *lock);
u32 chring_lease_news_locked(struct chring_handle *handle);
bool chring_lease_left_locked(struct chring_handle *handle, u64 *ns);
void chring_lease_view_locked(struct chring_lock *lock,
			      struct chring_lock_view *view);
void chring_lease_look(struct chring_lock *lock);

#endif /* CHRING_LOCK_LEASE_H */
