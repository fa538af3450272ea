// SPDX-License-Identifier: GPL-2.0
/*
 * Owners of handles: address spaces, and how their death is seen.
 *
 * What a process holds must be let go when it dies, whoever has copies of its
 * descriptors; and as soon as nothing of it runs any more. Files do not tell:
 * they are closed late or never. An interval notifier, on the one page at the
 * end of the address space that nobody can map, is called for nothing but the
 * end of the address space (exit, or exec), before it is taken down.
 */

#include <linux/atomic.h>
#include <linux/hashtable.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>

#include "owner.h"

static DEFINE_HASHTABLE(owners, 8);
static DEFINE_SPINLOCK(owners_lock); /* protects the hash and its members' links */

static struct workqueue_struct *owner_wq;

/* Those that have a notifier, whose callback is the module's code */
static atomic_t nr_owners;
static void (*owner_died)(struct chring_owner *owner);

/* Held by the one handle's or by the death's last reference. */
static void end_work(struct work_struct *work)
{
	struct chring_owner *owner = container_of(work, struct chring_owner,
						  end);

	spin_lock(&owners_lock);
	hash_del(&owner->node);
	spin_unlock(&owners_lock);
	/* Waits for a callback that is under way; never called from one */
	mmu_interval_notifier_remove(&owner->notifier);
	put_pid(owner->tgid);
	kfree(owner);
	if (atomic_dec_and_test(&nr_owners))
		wake_up_var(&nr_owners);
}

/*
 * Whoever takes the address space down runs this: anybody, who may sleep, and
 * holds no lock of ours. What the owner held is passed on here and now: a work
 * item would make the next holder wait for a context switch more.
 */
static bool invalidate(struct mmu_interval_notifier *notifier,
		       const struct mmu_notifier_range *range,
		       unsigned long seq)
{
	struct chring_owner *owner = container_of(notifier, struct chring_owner,
						  notifier);

	if (range->event != MMU_NOTIFY_RELEASE)
		return true;
	WRITE_ONCE(owner->dead, true);
	if (refcount_inc_not_zero(&owner->refs)) {
		owner_died(owner);
		chring_owner_put(owner);
	}
	return true;
}

static const struct mmu_interval_notifier_ops notifier_ops = {
	.invalidate = invalidate,
};

/* Caller holds the owners' lock. */
static struct chring_owner *find_locked(const struct mm_struct *mm)
{
	struct chring_owner *owner;

	lockdep_assert_held(&owners_lock);
	hash_for_each_possible(owners, owner, node, (unsigned long)mm)
		if (owner->notifier.mm == mm &&
		    refcount_inc_not_zero(&owner->refs))
			return owner;
	return NULL;
}

static struct chring_owner *owner_alloc(struct mm_struct *mm)
{
	struct chring_owner *owner;
	int err;

	owner = kzalloc(sizeof(*owner), GFP_KERNEL_ACCOUNT);
	if (!owner)
		return ERR_PTR(-ENOMEM);
	refcount_set(&owner->refs, 1);
	spin_lock_init(&owner->lock);
	INIT_LIST_HEAD(&owner->handles);
	INIT_LIST_HEAD(&owner->waits);
	INIT_WORK(&owner->end, end_work);
	err = mmu_interval_notifier_insert(&owner->notifier, mm,
					   ULONG_MAX - PAGE_SIZE + 1, PAGE_SIZE,
					   &notifier_ops);
	if (err) {
		kfree(owner);
		/* A signal came: to be tried again, once it is dealt with */
		return ERR_PTR(err == -EINTR ? -ERESTARTNOINTR : err);
	}
	atomic_inc(&nr_owners);
	owner->tgid = get_pid(task_tgid(current));
	return owner;
}

/**
 * chring_owner_get_current - the owner that the current process is
 *
 * Context: may sleep; takes the address space's mmap_lock, so no lock may be
 * held that is taken inside that.
 * Return: it, with a reference, or an error pointer: -ESRCH where the current
 * thread has no address space; -ERESTARTNOINTR; -ENOMEM.
 */
struct chring_owner *chring_owner_get_current(void)
{
	struct mm_struct *mm = current->mm;
	struct chring_owner *owner, *other;

	if (!mm)
		return ERR_PTR(-ESRCH);
	spin_lock(&owners_lock);
	owner = find_locked(mm);
	spin_unlock(&owners_lock);
	if (owner)
		return owner;

	owner = owner_alloc(mm);
	if (IS_ERR(owner))
		return owner;
	spin_lock(&owners_lock);
	other = find_locked(mm);
	hash_add(owners, &owner->node, (unsigned long)mm);
	spin_unlock(&owners_lock);
	if (!other)
		return owner;
	/* Another thread was faster */
	chring_owner_put(owner);
	return other;
}

/**
 * chring_owner_get - take another reference
 * @owner: the owner; it has one
 *
 * Context: any.
 */
void chring_owner_get(struct chring_owner *owner)
{
	refcount_inc(&owner->refs);
}

/**
 * chring_owner_put - drop a reference
 * @owner: the owner
 *
 * Context: any.
 */
void chring_owner_put(struct chring_owner *owner)
{
	if (refcount_dec_and_test(&owner->refs))
		queue_work(owner_wq, &owner->end);
}

/**
 * chring_owner_add - give an owner a handle, which is to be told of its death
 * @owner: the owner, current
 * @handle: the handle's link
 *
 * Context: atomic; takes the owner's lock.
 */
void chring_owner_add(struct chring_owner *owner, struct list_head *handle)
{
	spin_lock(&owner->lock);
	list_add_tail(handle, &owner->handles);
	spin_unlock(&owner->lock);
}

/**
 * chring_owner_remove - take a handle from its owner
 * @owner: the owner
 * @handle: the handle's link
 *
 * Context: atomic; takes the owner's lock.
 */
void chring_owner_remove(struct chring_owner *owner, struct list_head *handle)
{
	spin_lock(&owner->lock);
	list_del_init(handle);
	spin_unlock(&owner->lock);
}

/**
 * chring_owner_wait - a thread of an owner's waits for a lock
 * @owner: the owner, current; it has a reference as long as the wait lasts
 * @wait: the wait's link
 *
 * Context: atomic; takes the owner's lock.
 * Return: a number that no other wait of the owner's has.
 */
u64 chring_owner_wait(struct chring_owner *owner, struct list_head *wait)
{
	u64 id;

	spin_lock(&owner->lock);
	list_add_tail(wait, &owner->waits);
	owner->nr_waits++;
	id = ++owner->last_wait;
	spin_unlock(&owner->lock);
	return id;
}

/**
 * chring_owner_wait_no_more - the reverse
 * @owner: the owner
 * @wait: the wait's link
 *
 * Context: atomic; takes the owner's lock.
 */
void chring_owner_wait_no_more(struct chring_owner *owner,
			       struct list_head *wait)
{
	spin_lock(&owner->lock);
	list_del(wait);
	owner->nr_waits--;
	spin_unlock(&owner->lock);
}

/**
 * chring_owner_is_stuck_locked - does all that could run in an address space wait?
 * @owner: caller holds its lock
 *
 * Threads, and whatever else shares the address space, are counted as its users. So
 * is who looks at it from outside, /proc for one, for that time: then this says no.
 */
bool chring_owner_is_stuck_locked(const struct chring_owner *owner)
{
	lockdep_assert_held(&owner->lock);
	/* A thread that is new was counted before the one that made it waits */
	return owner->nr_waits && !chring_owner_is_dead(owner) &&
	       owner->nr_waits == atomic_read(&owner->notifier.mm->mm_users);
}

/**
 * chring_owner_init - begin to see deaths
 * @died: called for each owner that has died, by whoever takes it down; it may
 *	sleep, but not wait for what that may hold
 *
 * Context: may sleep.
 * Return: 0, or -ENOMEM.
 */
int __init chring_owner_init(void (*died)(struct chring_owner *owner))
{
	owner_died = died;
	owner_wq = alloc_workqueue("chring", WQ_UNBOUND, 0);
	return owner_wq ? 0 : -ENOMEM;
}

/**
 * chring_owner_exit - the reverse; there is no handle any more
 *
 * Context: may sleep.
 */
void chring_owner_exit(void)
{
	/* A callback can outlast the handles, and queues work at its end */
	wait_var_event(&nr_owners, !atomic_read(&nr_owners));
	destroy_workqueue(owner_wq);
}
