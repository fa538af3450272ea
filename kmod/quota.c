// SPDX-License-Identifier: GPL-2.0
/*
 * How many locks and handles each user has, and may have. What they take is
 * charged to memory cgroups besides; the limits are for ids and look-ups.
 */

#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/hashtable.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "quota.h"

static unsigned int user_locks = 8192;
module_param(user_locks, uint, 0644);
MODULE_PARM_DESC(user_locks, "Most locks that a user may have made");

static unsigned int user_handles = 65536;
module_param(user_handles, uint, 0644);
MODULE_PARM_DESC(user_handles, "Most handles that a user may have opened");

static DEFINE_HASHTABLE(users, 6);
static DEFINE_SPINLOCK(users_lock); /* protects the hash and the counts in it */

static unsigned int limit(enum chring_quota_kind kind)
{
	return READ_ONCE(*(kind == CHRING_QUOTA_LOCKS ? &user_locks :
							&user_handles));
}

static struct chring_quota *find_locked(kuid_t uid)
{
	struct chring_quota *quota;

	lockdep_assert_held(&users_lock);
	hash_for_each_possible(users, quota, node, __kuid_val(uid))
		if (uid_eq(quota->uid, uid))
			return quota;
	return NULL;
}

/**
 * chring_quota_charge - count one more of the current user's
 * @kind: of what
 *
 * CAP_SYS_RESOURCE goes beyond the limit.
 *
 * Context: may sleep.
 * Return: what is to be uncharged, or an error pointer: -EDQUOT; -ENOMEM.
 */
struct chring_quota *chring_quota_charge(enum chring_quota_kind kind)
{
	struct chring_quota *quota, *new = NULL;
	kuid_t uid = current_fsuid();
	bool full;

	spin_lock(&users_lock);
	quota = find_locked(uid);
	if (!quota) {
		/* The user's first, mostly */
		spin_unlock(&users_lock);
		new = kzalloc(sizeof(*new), GFP_KERNEL_ACCOUNT);
		if (!new)
			return ERR_PTR(-ENOMEM);
		new->uid = uid;
		spin_lock(&users_lock);
		quota = find_locked(uid);
	}
	if (!quota) {
		quota = new;
		new = NULL;
		hash_add(users, &quota->node, __kuid_val(uid));
	}
	full = quota->nr[kind]++ >= limit(kind);
	spin_unlock(&users_lock);

	kfree(new);
	if (!full || capable(CAP_SYS_RESOURCE))
		return quota;
	chring_quota_uncharge(quota, kind);
	return ERR_PTR(-EDQUOT);
}

/**
 * chring_quota_uncharge - count one less
 * @quota: what charging it gave
 * @kind: of what
 *
 * Context: process.
 */
void chring_quota_uncharge(struct chring_quota *quota,
			   enum chring_quota_kind kind)
{
	bool unused;

	spin_lock(&users_lock);
	quota->nr[kind]--;
	unused = !quota->nr[CHRING_QUOTA_LOCKS] &&
		 !quota->nr[CHRING_QUOTA_HANDLES];
	if (unused)
		hash_del(&quota->node);
	spin_unlock(&users_lock);
	if (unused)
		kfree(quota);
}
