/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CHRING_OWNER_H
#define CHRING_OWNER_H

#include <linux/list.h>
#include <linux/mmu_notifier.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

struct pid;

/**
 * struct chring_owner - an address space that owns handles
 * @notifier: tells of its death, and has the address space
 * @node: in the hash of all owners
 * @refs: one of each handle, of who looks for a deadlock, and of the death that is
 *	being dealt with
 * @lock: protects @handles, @waits, and what is counted of these
 * @handles: what is to be told of the death
 * @waits: of its threads, for locks: &struct chring_waiter
 * @nr_waits: length of @waits
 * @last_wait: id of the latest of them
 * @dead: nothing runs in it any more
 * @tgid: the process that it was first seen in
 * @end: work: give it up, which waits for the callback
 */
struct chring_owner {
	struct mmu_interval_notifier notifier;
	struct hlist_node node;
	refcount_t refs;
	spinlock_t lock; /* protects the lists of handles and of waits */
	struct list_head handles;
	struct list_head waits;
	unsigned int nr_waits;
	u64 last_wait;
	bool dead;
	struct pid *tgid;
	struct work_struct end;
};

/* Does the current thread run in the owner's address space? */
static inline bool chring_owner_is_current(const struct chring_owner *owner)
{
	return owner->notifier.mm == current->mm;
}

static inline bool chring_owner_is_dead(const struct chring_owner *owner)
{
	return READ_ONCE(owner->dead);
}

bool chring_owner_is_stuck_locked(const struct chring_owner *owner);
u64 chring_owner_wait(struct chring_owner *owner, struct list_head *wait);
void chring_owner_wait_no_more(struct chring_owner *owner,
			       struct list_head *wait);

struct chring_owner *chring_owner_get_current(void);
void chring_owner_get(struct chring_owner *owner);
void chring_owner_put(struct chring_owner *owner);
void chring_owner_add(struct chring_owner *owner, struct list_head *handle);
void chring_owner_remove(struct chring_owner *owner, struct list_head *handle);

int chring_owner_init(void (*died)(struct chring_owner *owner));
void chring_owner_exit(void);

#endif /* CHRING_OWNER_H */
