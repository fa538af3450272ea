// SPDX-License-Identifier: GPL-2.0
/*
 * Lockspaces: which locks a network namespace has.
 *
 * A lock that was made through the device is there as long as it has handles,
 * or news for its next holder; one that was made by name until it is deleted.
 * What its last token was outlives it.
 */

#include <linux/cred.h>
#include <linux/jhash.h>
#include <linux/netlink.h>
#include <linux/rhashtable.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>

#include "access.h"
#include "lock.h"
#include "lock_lease.h"
#include "lock_word.h"
#include "lockspace.h"
#include "notify.h"
#include "quota.h"

#define DEFAULT_MODE	0600

static unsigned int lockspace_id __read_mostly;

static u32 name_hash(const void *data, u32 len, u32 seed)
{
	const char *name = data;

	return jhash(name, strlen(name), seed);
}

static u32 lock_hash(const void *data, u32 len, u32 seed)
{
	const struct chring_lock *lock = data;

	return name_hash(lock->name, 0, seed);
}

static int lock_cmp(struct rhashtable_compare_arg *arg, const void *data)
{
	const struct chring_lock *lock = data;

	return strcmp(arg->key, lock->name);
}

static const struct rhashtable_params names_params = {
	.head_offset = offsetof(struct chring_lock, node),
	.hashfn = name_hash,
	.obj_hashfn = lock_hash,
	.obj_cmpfn = lock_cmp,
	.automatic_shrinking = true,
};

/**
 * chring_lockspace - the locks of a network namespace
 * @net: the network namespace, alive
 *
 * Context: any.
 */
struct chring_lockspace *chring_lockspace(const struct net *net)
{
	return net_generic(net, lockspace_id);
}

/* ---- ids of handles */

/**
 * chring_lockspace_handle_locked - a handle of a lock by its id
 * @lock: caller holds its lock
 * @id: what was found in the word
 *
 * Return: the handle, as long as the lock's lock is held; or NULL.
 */
struct chring_handle *
chring_lockspace_handle_locked(const struct chring_lock *lock, u32 id)
{
	struct chring_handle *handle;

	lockdep_assert_held(&lock->lock);
	rcu_read_lock();
	handle = xa_load(&lock->space->handles, id);
	/* A handle of this lock has its id changed under the lock's lock only */
	if (handle && (READ_ONCE(handle->lock) != lock || handle->id != id))
		handle = NULL;
	rcu_read_unlock();
	return handle;
}

/**
 * chring_lockspace_new_id - a new id for a handle
 * @space: where its lock is
 * @handle: the handle
 * @id: set to it
 *
 * Context: may sleep.
 * Return: 0; -ENFILE where there is none left; -ENOMEM.
 */
int chring_lockspace_new_id(struct chring_lockspace *space,
			    struct chring_handle *handle, u32 *id)
{
	int err;

	err = xa_alloc_cyclic(&space->handles, id, handle,
			      XA_LIMIT(1, CHRING_LOCK_OWNER_MAX),
			      &space->next_id, GFP_KERNEL);
	if (err < 0)
		return err == -EBUSY ? -ENFILE : err;
	return 0;
}

/**
 * chring_lockspace_forget_id - the handle of this id has it no more
 * @space: where its lock is
 * @id: the id
 *
 * Context: any.
 */
void chring_lockspace_forget_id(struct chring_lockspace *space, u32 id)
{
	xa_erase(&space->handles, id);
}

/* ---- locks */

/**
 * chring_lockspace_changed_locked - dumps are to know of a change
 * @space: caller holds its lock
 */
void chring_lockspace_changed_locked(struct chring_lockspace *space)
{
	lockdep_assert_held(&space->lock);
	if (!++space->seq)
		space->seq = 1;
}

static struct chring_lock *lock_alloc(struct chring_lockspace *space,
				      const struct chring_lock_args *args)
{
	size_t len = strlen(args->name);
	struct chring_lock *lock;

	lock = kzalloc(struct_size(lock, name, len + 1), GFP_KERNEL_ACCOUNT);
	if (!lock)
		return NULL;
	memcpy(lock->name, args->name, len + 1);
	lock->space = space;
	lock->flags = args->flags;
	lock->slots = args->slots;
	/* The word cannot say who has them; and they are given in order */
	if (lock->slots)
		lock->flags |= CHRING_LOCK_STRICT | CHRING_LOCK_FIFO;
	lock->persistent = args->persistent;
	lock->mode = args->mode ?: DEFAULT_MODE;
	lock->uid = args->uid;
	lock->gid = args->gid;
	refcount_set(&lock->refs, 1);
	spin_lock_init(&lock->lock);
	INIT_LIST_HEAD(&lock->waiters);
	INIT_LIST_HEAD(&lock->handles);
	init_waitqueue_head(&lock->poll);
	chring_word_start(lock, max(chring_word_first_token(),
				    space->high_water));
	if (!args->ttl_ms && !args->expiry)
		return lock;
	if (chring_lease_make(lock)) {
		kfree(lock);
		return NULL;
	}
	spin_lock(&lock->lock);
	lock->lease->ttl_ms = args->ttl_ms;
	lock->lease->expiry = args->expiry;
	chring_lease_update_locked(lock);
	spin_unlock(&lock->lock);
	return lock;
}

static void lock_put(struct chring_lock *lock)
{
	if (!refcount_dec_and_test(&lock->refs))
		return;
	/* First what may still look at the word */
	chring_lease_free(lock);
	chring_word_unmap(lock);
	chring_quota_uncharge(lock->quota, CHRING_QUOTA_LOCKS);
	kfree(lock);
}

static int lock_add_locked(struct chring_lockspace *space,
			   struct chring_lock *lock)
{
	int err;

	lockdep_assert_held(&space->lock);
	err = xa_alloc(&space->locks, &lock->id, lock, xa_limit_32b,
		       GFP_KERNEL);
	if (err)
		return err;
	err = rhashtable_insert_fast(&space->names, &lock->node, names_params);
	if (err) {
		xa_erase(&space->locks, lock->id);
		return err;
	}
	chring_lockspace_changed_locked(space);
	return 0;
}

static void lock_remove_locked(struct chring_lockspace *space,
			       struct chring_lock *lock)
{
	lockdep_assert_held(&space->lock);
	rhashtable_remove_fast(&space->names, &lock->node, names_params);
	xa_erase(&space->locks, lock->id);
	chring_lockspace_changed_locked(space);

	/* Nobody has it mapped, but what was done so may not have been seen */
	spin_lock(&lock->lock);
	chring_word_freeze_locked(lock);
	space->high_water = max(space->high_water,
				chring_word_token_locked(lock));
	spin_unlock(&lock->lock);
}

/**
 * chring_lockspace_make_locked - make a lock
 * @space: where; caller holds its lock
 * @args: what it is to be; nothing is called so
 * @admin: who asks has CAP_NET_ADMIN over the network namespace
 * @extack: says why not, or NULL
 *
 * Context: may sleep.
 * Return: the lock, or an error pointer: -EINVAL for a name; -EPERM; -EDQUOT;
 * -ENOMEM.
 */
struct chring_lock *
chring_lockspace_make_locked(struct chring_lockspace *space,
			     const struct chring_lock_args *args, bool admin,
			     struct netlink_ext_ack *extack)
{
	struct chring_quota *quota;
	struct chring_lock *lock;
	int err;

	err = chring_access_create(space->net->user_ns, args->name, args->uid,
				   admin, extack);
	if (err)
		return ERR_PTR(err);
	quota = chring_quota_charge(CHRING_QUOTA_LOCKS);
	if (IS_ERR(quota)) {
		NL_SET_ERR_MSG(extack, "user has too many locks");
		return ERR_CAST(quota);
	}
	lock = lock_alloc(space, args);
	if (!lock) {
		chring_quota_uncharge(quota, CHRING_QUOTA_LOCKS);
		return ERR_PTR(-ENOMEM);
	}
	lock->quota = quota;
	err = lock_add_locked(space, lock);
	if (err) {
		lock_put(lock);
		return ERR_PTR(err);
	}
	chring_notify_lock(CHRING_CMD_LOCK_NEW_NTF, lock);
	return lock;
}

/* Is there any reason left for a lock to be there? */
static bool is_needed_locked(const struct chring_lock *lock)
{
	lockdep_assert_held(&lock->lock);
	if (!list_empty(&lock->handles))
		return true;
	return !lock->doomed && (lock->persistent || lock->news);
}

/**
 * chring_lockspace_reap_locked - end a lock that nothing needs any more
 * @space: where it is; caller holds its lock
 * @lock: the lock, which may be gone afterwards
 *
 * Context: may sleep.
 */
void chring_lockspace_reap_locked(struct chring_lockspace *space,
				  struct chring_lock *lock)
{
	bool needed;

	lockdep_assert_held(&space->lock);
	spin_lock(&lock->lock);
	needed = is_needed_locked(lock);
	spin_unlock(&lock->lock);
	/* Handles are added under the lockspace's lock only */
	if (needed)
		return;
	lock_remove_locked(space, lock);
	chring_notify_lock(CHRING_CMD_LOCK_DEL_NTF, lock);
	lock_put(lock);
}

/**
 * chring_lockspace_find_locked - a lock by its name
 * @space: where to look; caller holds its lock
 * @name: the name
 *
 * Return: the lock, as long as the lockspace's lock is held; or NULL.
 */
struct chring_lock *
chring_lockspace_find_locked(struct chring_lockspace *space, const char *name)
{
	lockdep_assert_held(&space->lock);
	return rhashtable_lookup_fast(&space->names, name, names_params);
}

/* ---- handles */

/* Returns the lock, which is the caller's as long as it holds the lockspace's. */
static struct chring_lock *find_or_new_locked(struct chring_lockspace *space,
					      const struct chring_lock_args *args,
					      unsigned int *access)
{
	struct chring_lock *lock;

	*access = CHRING_ACCESS_READ | CHRING_ACCESS_WRITE;
	lock = chring_lockspace_find_locked(space, args->name);
	if (!lock) {
		if (!args->create)
			return ERR_PTR(-ENOENT);
		return chring_lockspace_make_locked(space, args,
						    ns_capable(space->net->user_ns,
							       CAP_NET_ADMIN),
						    NULL);
	}
	if (args->exclusive)
		return ERR_PTR(-EEXIST);
	spin_lock(&lock->lock);
	*access = chring_access_locked(lock);
	spin_unlock(&lock->lock);
	return *access ? lock : ERR_PTR(-EACCES);
}

/**
 * chring_lockspace_attach - give a handle its lock
 * @space: where to look for it, or make it
 * @handle: new
 * @args: which one
 *
 * Context: may sleep; takes the lockspace's lock, and the lock's in it.
 * Return: 0; -ENOENT; -EEXIST; -EACCES; what
 * chring_lockspace_make_locked() says.
 */
int chring_lockspace_attach(struct chring_lockspace *space,
			    struct chring_handle *handle,
			    const struct chring_lock_args *args)
{
	struct chring_lock *lock;
	unsigned int access;

	mutex_lock(&space->lock);
	lock = find_or_new_locked(space, args, &access);
	if (IS_ERR(lock)) {
		mutex_unlock(&space->lock);
		return PTR_ERR(lock);
	}
	handle->may_read = !!(access & CHRING_ACCESS_READ);
	handle->may_write = !!(access & CHRING_ACCESS_WRITE);
	spin_lock(&lock->lock);
	list_add_tail(&handle->node, &lock->handles);
	lock->nr_handles++;
	spin_unlock(&lock->lock);
	refcount_inc(&lock->refs);
	get_net(space->net);
	WRITE_ONCE(handle->lock, lock);
	mutex_unlock(&space->lock);
	return 0;
}

/**
 * chring_lockspace_detach - take a handle, which is closed, from its lock
 * @handle: the handle
 *
 * Context: may sleep; takes the lockspace's lock, and the lock's in it.
 */
void chring_lockspace_detach(struct chring_handle *handle)
{
	struct chring_lock *lock = handle->lock;
	struct chring_lockspace *space = lock->space;

	mutex_lock(&space->lock);
	spin_lock(&lock->lock);
	list_del(&handle->node);
	lock->nr_handles--;
	spin_unlock(&lock->lock);
	chring_lockspace_reap_locked(space, lock);
	mutex_unlock(&space->lock);
}

/**
 * chring_lockspace_unref - drop a detached handle's reference on its lock
 * @lock: the lock
 *
 * Context: may sleep.
 */
void chring_lockspace_unref(struct chring_lock *lock)
{
	struct net *net = lock->space->net;

	lock_put(lock);
	put_net(net);
}

/* ---- network namespaces */

static int __net_init net_init(struct net *net)
{
	struct chring_lockspace *space = chring_lockspace(net);

	space->net = net;
	space->seq = 1;
	mutex_init(&space->lock);
	xa_init_flags(&space->locks, XA_FLAGS_ALLOC | XA_FLAGS_ACCOUNT);
	xa_init_flags(&space->handles, XA_FLAGS_ALLOC1 | XA_FLAGS_ACCOUNT);
	return rhashtable_init(&space->names, &names_params);
}

/* Handles keep a namespace alive: there is none any more. */
static void __net_exit net_exit(struct net *net)
{
	struct chring_lockspace *space = chring_lockspace(net);
	struct chring_lock *lock;
	unsigned long id;

	mutex_lock(&space->lock);
	/* Nobody is left to be told */
	xa_for_each(&space->locks, id, lock) {
		lock_remove_locked(space, lock);
		lock_put(lock);
		cond_resched();
	}
	mutex_unlock(&space->lock);
	rhashtable_destroy(&space->names);
	xa_destroy(&space->locks);
	xa_destroy(&space->handles);
}

static struct pernet_operations net_ops = {
	.init = net_init,
	.exit = net_exit,
	.id = &lockspace_id,
	.size = sizeof(struct chring_lockspace),
};

/**
 * chring_lockspace_init - begin to keep locks, in every network namespace
 *
 * Context: may sleep.
 * Return: 0, or -ENOMEM.
 */
int __init chring_lockspace_init(void)
{
	return register_pernet_subsys(&net_ops);
}

/**
 * chring_lockspace_exit - the reverse; there is no handle any more
 *
 * Context: may sleep.
 */
void chring_lockspace_exit(void)
{
	unregister_pernet_subsys(&net_ops);
	/* Handles that were left to RCU */
	rcu_barrier();
}
