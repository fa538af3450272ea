// SPDX-License-Identifier: GPL-2.0
/*
 * What is done to locks by name, without having them open.
 */

#include <linux/cred.h>
#include <linux/err.h>
#include <linux/netlink.h>
#include <net/net_namespace.h>

#include "access.h"
#include "lock.h"
#include "lock_admin.h"
#include "lock_lease.h"
#include "lock_queue.h"
#include "lock_word.h"
#include "lockspace.h"
#include "notify.h"

/* Also says whether the subject may change the lock. */
static struct chring_lock *find_own_locked(struct chring_lockspace *space,
					   const char *name,
					   const struct chring_subject *subject,
					   struct netlink_ext_ack *extack)
{
	struct chring_lock *lock = chring_lockspace_find_locked(space, name);
	bool own;

	if (!lock) {
		NL_SET_ERR_MSG(extack, "no lock of this name");
		return ERR_PTR(-ENOENT);
	}
	spin_lock(&lock->lock);
	own = chring_access_is_owner_locked(lock, subject);
	spin_unlock(&lock->lock);
	if (own)
		return lock;
	NL_SET_ERR_MSG(extack, "lock is another user's");
	return ERR_PTR(-EPERM);
}

/* Giving a lock away needs privilege; so does a group that one is not in. */
static int check_ids(const struct chring_lock_changes *changes,
		     const struct chring_subject *subject,
		     struct netlink_ext_ack *extack)
{
	if (subject->admin)
		return 0;
	if (uid_valid(changes->uid) && !uid_eq(changes->uid, subject->uid)) {
		NL_SET_ERR_MSG_ATTR(extack, changes->uid_attr,
				    "locks are given to others by administrators");
		return -EPERM;
	}
	if (gid_valid(changes->gid) && !in_group_p(changes->gid)) {
		NL_SET_ERR_MSG_ATTR(extack, changes->gid_attr,
				    "not a member of this group");
		return -EPERM;
	}
	return 0;
}

static int check_discipline(u32 slots, const struct chring_lock_changes *changes,
			    struct netlink_ext_ack *extack)
{
	if (!slots || !(changes->kinds & ~changes->flags))
		return 0;
	NL_SET_ERR_MSG_ATTR(extack, changes->kind_attr,
			    "slots are given in order of arrival");
	return -EINVAL;
}

/**
 * chring_lock_new - make a lock that outlives its handles
 * @space: where
 * @name: its name
 * @changes: what it is to be, where it is not to be as by default
 * @subject: who asks
 * @extack: says why not
 *
 * Context: may sleep; takes the lockspace's lock.
 * Return: 0; -EEXIST; -EINVAL for a name, or for slots that are to be adaptive;
 * -EPERM; -EDQUOT; -ENOMEM.
 */
int chring_lock_new(struct chring_lockspace *space, const char *name,
		    const struct chring_lock_changes *changes,
		    const struct chring_subject *subject,
		    struct netlink_ext_ack *extack)
{
	struct chring_lock_args args = {
		.name = name,
		.flags = changes->flags,
		.ttl_ms = changes->ttl_ms,
		.expiry = changes->expiry,
		.slots = changes->slots,
		.persistent = true,
		.mode = changes->mode,
		.uid = changes->uid,
		.gid = changes->gid,
	};
	int err;

	err = check_discipline(changes->slots, changes, extack) ?:
	      check_ids(changes, subject, extack);
	if (err)
		return err;
	/* Who is not sure to ask of its own accord has no id to make it by */
	if (!uid_valid(args.uid))
		args.uid = subject->admin ? current_fsuid() : subject->uid;
	if (!gid_valid(args.gid))
		args.gid = current_fsgid();
	if (!uid_valid(args.uid)) {
		NL_SET_ERR_MSG(extack, "the socket is another user's");
		return -EPERM;
	}
	mutex_lock(&space->lock);
	if (chring_lockspace_find_locked(space, args.name)) {
		NL_SET_ERR_MSG(extack, "a lock of this name exists");
		err = -EEXIST;
	} else {
		err = PTR_ERR_OR_ZERO(chring_lockspace_make_locked(space, &args,
								   subject->admin,
								   extack));
	}
	mutex_unlock(&space->lock);
	return err;
}

static int lock_change_locked(struct chring_lock *lock,
			      const struct chring_lock_changes *changes,
			      struct netlink_ext_ack *extack)
{
	int err;

	lockdep_assert_held(&lock->lock);
	/* Those who have it mapped know by which rule to take it */
	if ((lock->flags ^ changes->flags) & changes->kinds &&
	    !list_empty(&lock->handles)) {
		NL_SET_ERR_MSG_ATTR(extack, changes->kind_attr,
				    "discipline cannot change while the lock is open");
		return -EBUSY;
	}
	err = check_discipline(lock->slots, changes, extack);
	if (err)
		return err;
	lock->flags &= ~changes->kinds;
	lock->flags |= changes->flags & changes->kinds;
	chring_word_tell_flags_locked(lock);
	if (changes->set_mode)
		lock->mode = changes->mode;
	if (uid_valid(changes->uid))
		lock->uid = changes->uid;
	if (gid_valid(changes->gid))
		lock->gid = changes->gid;
	if (changes->set_ttl)
		lock->lease->ttl_ms = changes->ttl_ms;
	if (changes->set_expiry)
		lock->lease->expiry = changes->expiry;
	if (lock->lease)
		chring_lease_stale_locked(lock);
	return 0;
}

/**
 * chring_lock_set - change a lock; handles that are open stay as they are
 * @space: where it is
 * @name: its name
 * @changes: what is to change
 * @subject: who asks
 * @extack: says why not
 *
 * Context: may sleep; takes the lockspace's lock.
 * Return: 0; -ENOENT; -EPERM; -EBUSY where it must not be open for that;
 * -EINVAL where it has slots; -ENOMEM.
 */
int chring_lock_set(struct chring_lockspace *space, const char *name,
		    const struct chring_lock_changes *changes,
		    const struct chring_subject *subject,
		    struct netlink_ext_ack *extack)
{
	struct chring_wakeup wakeup = {};
	struct chring_lock *lock;
	int err;

	err = check_ids(changes, subject, extack);
	if (err)
		return err;
	mutex_lock(&space->lock);
	lock = find_own_locked(space, name, subject, extack);
	if (IS_ERR(lock)) {
		err = PTR_ERR(lock);
		goto unlock;
	}
	if (uid_valid(changes->uid)) {
		err = chring_access_give(space->net->user_ns, name,
					 changes->uid, extack);
		if (err)
			goto unlock;
	}
	if (changes->set_ttl || changes->set_expiry) {
		err = chring_lease_make(lock);
		if (err)
			goto unlock;
	}
	spin_lock(&lock->lock);
	chring_word_freeze_locked(lock);
	err = lock_change_locked(lock, changes, extack);
	/* Those who wait start the clock of a lease that is new */
	chring_queue_settle(lock, &wakeup);
	if (err)
		goto unlock;
	chring_lockspace_changed_locked(space);
	chring_notify_lock(CHRING_CMD_LOCK_SET_NTF, lock);
unlock:
	mutex_unlock(&space->lock);
	return err;
}

/**
 * chring_lock_del - have a lock gone as soon as it has no handles
 * @space: where it is
 * @name: its name
 * @subject: who asks
 * @extack: says why not
 *
 * Those who have it open use it as before; nobody is left with another lock
 * than the others.
 *
 * Context: may sleep; takes the lockspace's lock.
 * Return: 0; -ENOENT; -EPERM.
 */
int chring_lock_del(struct chring_lockspace *space, const char *name,
		    const struct chring_subject *subject,
		    struct netlink_ext_ack *extack)
{
	struct chring_lock *lock;
	int err;

	mutex_lock(&space->lock);
	lock = find_own_locked(space, name, subject, extack);
	err = PTR_ERR_OR_ZERO(lock);
	if (!err) {
		spin_lock(&lock->lock);
		lock->persistent = false;
		lock->doomed = true;
		spin_unlock(&lock->lock);
		chring_lockspace_reap_locked(space, lock);
	}
	mutex_unlock(&space->lock);
	return err;
}

/**
 * chring_lock_break_by_name - take a lock from its holder
 * @space: where it is
 * @name: its name
 * @subject: who asks
 * @extack: says why not
 *
 * Context: may sleep; takes the lockspace's lock.
 * Return: 0; -ENOENT; -EPERM; -ESRCH where nobody holds it.
 */
int chring_lock_break_by_name(struct chring_lockspace *space, const char *name,
			      const struct chring_subject *subject,
			      struct netlink_ext_ack *extack)
{
	struct chring_lock *lock;
	int err;

	mutex_lock(&space->lock);
	lock = find_own_locked(space, name, subject, extack);
	if (IS_ERR(lock)) {
		err = PTR_ERR(lock);
	} else {
		err = chring_lock_break(lock);
		if (err)
			NL_SET_ERR_MSG(extack, "nobody holds the lock");
	}
	mutex_unlock(&space->lock);
	return err;
}
