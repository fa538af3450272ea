// SPDX-License-Identifier: GPL-2.0
/*
 * Handles: one process's hold on one lock, and what happens when it ends.
 */

#include <linux/mm.h>
#include <linux/pid.h>
#include <linux/poll.h>
#include <linux/slab.h>

#include "handle.h"
#include "lock.h"
#include "lock_async.h"
#include "lock_word.h"
#include "lockspace.h"
#include "owner.h"
#include "quota.h"

static void handle_put(struct chring_handle *handle)
{
	if (!refcount_dec_and_test(&handle->refs))
		return;
	chring_lockspace_unref(handle->lock);
	chring_quota_uncharge(handle->quota, CHRING_QUOTA_HANDLES);
	kfree_rcu(handle, rcu);
}

/* Makes a new handle the current process's. */
static int handle_own(struct chring_handle *handle)
{
	struct chring_lock *lock = handle->lock;
	struct chring_owner *owner;
	u32 id;
	int err;

	owner = chring_owner_get_current();
	if (IS_ERR(owner))
		return PTR_ERR(owner);
	err = chring_lockspace_new_id(lock->space, handle, &id);
	if (err) {
		chring_owner_put(owner);
		return err;
	}
	spin_lock(&lock->lock);
	handle->id = id;
	handle->owner = owner;
	chring_owner_add(owner, &handle->owned);
	spin_unlock(&lock->lock);
	return 0;
}

/**
 * chring_handle_open - a handle for the current process
 * @net: network namespace of the lock
 * @args: which lock
 *
 * Context: may sleep; takes the lockspace's lock.
 * Return: the handle, or an error pointer: what chring_quota_charge(),
 * chring_lockspace_attach(), chring_owner_get_current() and
 * chring_lockspace_new_id() say.
 */
struct chring_handle *chring_handle_open(struct net *net,
					 const struct chring_lock_args *args)
{
	struct chring_handle *handle;
	int err;

	handle = kzalloc(sizeof(*handle), GFP_KERNEL_ACCOUNT);
	if (!handle)
		return ERR_PTR(-ENOMEM);
	refcount_set(&handle->refs, 1);
	INIT_LIST_HEAD(&handle->owned);
	INIT_LIST_HEAD(&handle->others);
	init_waitqueue_head(&handle->poll);
	handle->quota = chring_quota_charge(CHRING_QUOTA_HANDLES);
	if (IS_ERR(handle->quota)) {
		err = PTR_ERR(handle->quota);
		goto free;
	}
	err = chring_lockspace_attach(chring_lockspace(net), handle, args);
	if (err)
		goto uncharge;
	err = handle_own(handle);
	if (err) {
		chring_lockspace_detach(handle);
		handle_put(handle);
		return ERR_PTR(err);
	}
	return handle;

uncharge:
	chring_quota_uncharge(handle->quota, CHRING_QUOTA_HANDLES);
free:
	kfree(handle);
	return ERR_PTR(err);
}

/**
 * chring_handle_end - its file is gone, and all its mappings
 * @handle: the handle
 *
 * Context: may sleep; takes the lockspace's lock.
 */
void chring_handle_end(struct chring_handle *handle)
{
	chring_lock_close(handle, true);
	chring_lockspace_detach(handle);
	handle_put(handle);
}

/**
 * chring_handle_adopt - make a handle the current process's
 * @handle: another process's
 * @grant: filled in where it held the lock
 * @id: set to the handle's new id
 *
 * Context: may sleep; takes the lock's lock.
 * Return: what chring_lock_adopt(), chring_owner_get_current() and
 * chring_lockspace_new_id() say.
 */
int chring_handle_adopt(struct chring_handle *handle,
			struct chring_grant *grant, u32 *id)
{
	struct chring_lockspace *space = handle->lock->space;
	struct chring_owner *owner;
	int err;

	owner = chring_owner_get_current();
	if (IS_ERR(owner))
		return PTR_ERR(owner);
	err = chring_lockspace_new_id(space, handle, id);
	if (err)
		goto put;
	err = chring_lock_adopt(handle, owner, *id, grant);
	if (!err)
		return 0;
	chring_lockspace_forget_id(space, *id);
put:
	chring_owner_put(owner);
	return err;
}

/**
 * chring_handle_stat - what there is to be known of a lock
 * @handle: the current process's
 * @stat: filled in, but for its size
 *
 * Context: process; takes the lock's lock.
 * Return: 0; -ESTALE.
 */
int chring_handle_stat(struct chring_handle *handle,
		       struct chring_lock_stat *stat)
{
	struct chring_lock *lock = handle->lock;
	struct chring_lock_view view;
	int err;

	spin_lock(&lock->lock);
	err = chring_handle_check_locked(handle);
	if (handle->lost)
		stat->flags |= CHRING_STAT_LOST;
	spin_unlock(&lock->lock);
	if (err)
		return err;
	chring_lock_view(lock, handle, &view);
	if (view.held)
		stat->flags |= CHRING_STAT_HELD;
	if (view.mine)
		stat->flags |= CHRING_STAT_MINE;
	if (view.shared)
		stat->flags |= CHRING_STAT_SHARED;
	stat->token = view.mine ?: view.token;
	stat->held_ns = view.held_ns;
	if (handle->may_read || view.mine)
		stat->pid = pid_vnr(view.tgid);
	stat->holders = view.holders;
	stat->slots = view.slots;
	stat->waiters = view.waiters;
	stat->news = view.news;
	stat->lock_flags = view.flags;
	put_pid(view.tgid);
	return 0;
}

/**
 * chring_handle_mmap - show the current process a page of a lock
 * @handle: the current process's
 * @vma: where, and which page
 *
 * Context: may sleep; the caller holds mmap_lock; takes the lock's lock.
 * Return: 0; -EINVAL for what cannot be mapped, or so; -EACCES; -ESTALE;
 * -EOPNOTSUPP for a strict lock; -ENOMEM.
 */
int chring_handle_mmap(struct chring_handle *handle,
		       struct vm_area_struct *vma)
{
	struct chring_lock *lock = handle->lock;
	bool word = vma->vm_pgoff == CHRING_LOCK_PGOFF_WORD;
	int err;

	if (!(vma->vm_flags & VM_SHARED) || vma_pages(vma) != 1 ||
	    vma->vm_pgoff > CHRING_LOCK_PGOFF_INFO)
		return -EINVAL;
	if (vma->vm_flags & VM_EXEC || (!word && vma->vm_flags & VM_WRITE))
		return -EINVAL;
	if (word && !handle->may_write)
		return -EACCES;
	spin_lock(&lock->lock);
	err = chring_handle_check_locked(handle);
	spin_unlock(&lock->lock);
	if (err)
		return err;
	err = chring_word_map(lock);
	if (err)
		return err;
	vm_flags_mod(vma, VM_DONTCOPY | VM_DONTEXPAND | VM_DONTDUMP,
		     VM_MAYEXEC | (word ? 0 : VM_MAYWRITE));
	return vm_insert_page(vma, vma->vm_start,
			      word ? lock->map->word : lock->map->info);
}

/**
 * chring_handle_poll - what has happened to a handle
 * @handle: the handle
 *
 * Context: process; takes the lock's lock.
 * Return: EPOLLIN and EPOLLRDNORM, EPOLLPRI, EPOLLERR, EPOLLHUP.
 */
__poll_t chring_handle_poll(struct chring_handle *handle)
{
	struct chring_lock *lock = handle->lock;
	__poll_t events = 0;

	spin_lock(&lock->lock);
	if (chring_handle_check_locked(handle))
		events |= EPOLLHUP;
	else if (chring_async_is_done_locked(handle))
		events |= EPOLLIN | EPOLLRDNORM;
	if (handle->lost)
		events |= EPOLLERR;
	if (lock->news)
		events |= EPOLLPRI;
	spin_unlock(&lock->lock);
	return events;
}

/* All that a dead process holds is let go. */
static void owner_died(struct chring_owner *owner)
{
	struct chring_handle *handle;

	for (;;) {
		spin_lock(&owner->lock);
		handle = list_first_entry_or_null(&owner->handles,
						  struct chring_handle, owned);
		/* In the list it has the reference of its file still */
		if (handle)
			refcount_inc(&handle->refs);
		spin_unlock(&owner->lock);
		if (!handle)
			break;
		chring_lock_owner_died(handle, owner);
		handle_put(handle);
		cond_resched();
	}
}

/**
 * chring_handle_init - begin to see owners die
 *
 * Context: may sleep.
 * Return: 0, or -ENOMEM.
 */
int __init chring_handle_init(void)
{
	return chring_owner_init(owner_died);
}

/**
 * chring_handle_exit - the reverse; there is no handle any more
 *
 * Context: may sleep.
 */
void chring_handle_exit(void)
{
	chring_owner_exit();
}
