// SPDX-License-Identifier: GPL-2.0
/*
 * Who may make a lock, use it, and change it: as with a file that is in the
 * user namespace of the lock's network namespace.
 */

#include <linux/cred.h>
#include <linux/ctype.h>
#include <linux/kernel.h>
#include <linux/moduleparam.h>
#include <linux/netlink.h>
#include <linux/user_namespace.h>
#include <net/net_namespace.h>

#include "access.h"
#include "lock.h"
#include "lockspace.h"

static bool unprivileged_create = true;
module_param(unprivileged_create, bool, 0644);
MODULE_PARM_DESC(unprivileged_create, "Let users without privileges make locks");

/*
 * "@UID/...": the user that a name is for, by its decimal id. Returns 1 where
 * it is for one, 0 where it is not of this kind.
 */
static int reserved_for(const char *name, uid_t *uid)
{
	char digits[sizeof("4294967295")];
	size_t len;

	if (*name != '@')
		return 0;
	len = strcspn(++name, "/");
	if (!name[len] || !name[len + 1] || !len || len >= sizeof(digits) ||
	    !isdigit(*name) || (*name == '0' && len > 1))
		return -EINVAL;
	memcpy(digits, name, len);
	digits[len] = '\0';
	return kstrtou32(digits, 10, uid) ? -EINVAL : 1;
}

/**
 * chring_access_give - may a lock of a name be somebody's?
 * @ns: user namespace of the network namespace
 * @name: the name
 * @owner: the somebody
 * @extack: says why not, or NULL
 *
 * Context: any.
 * Return: 0; -EINVAL for what is no name; -EPERM.
 */
int chring_access_give(struct user_namespace *ns, const char *name,
		       kuid_t owner, struct netlink_ext_ack *extack)
{
	uid_t uid;
	int err;

	err = reserved_for(name, &uid);
	if (err < 0) {
		NL_SET_ERR_MSG(extack, "names in @ are @UID/NAME, with a number");
		return err;
	}
	if (err && !uid_eq(make_kuid(ns, uid), owner)) {
		NL_SET_ERR_MSG(extack, "names in @ are for their user's locks");
		return -EPERM;
	}
	return 0;
}

/**
 * chring_access_create - may a lock of a name be made?
 * @ns: user namespace of the network namespace
 * @name: the name
 * @owner: the lock's
 * @admin: who asks has CAP_NET_ADMIN over the network namespace
 * @extack: says why not, or NULL
 *
 * Context: process.
 * Return: 0; -EINVAL for what is no name; -EPERM.
 */
int chring_access_create(struct user_namespace *ns, const char *name,
			 kuid_t owner, bool admin,
			 struct netlink_ext_ack *extack)
{
	const char *p;

	for (p = name; *p; p++)
		if (!isascii(*p) || !isgraph(*p))
			break;
	if (*p || p == name || p - name > CHRING_LOCK_NAME_MAX) {
		NL_SET_ERR_MSG(extack, "name must be 1 to 63 printable ASCII characters");
		return -EINVAL;
	}
	if (!READ_ONCE(unprivileged_create) && !admin &&
	    !ns_capable(ns, CAP_SYS_ADMIN)) {
		NL_SET_ERR_MSG(extack, "making locks is for administrators here");
		return -EPERM;
	}
	if (*name == '!' && !admin && !ns_capable(ns, CAP_SYS_ADMIN)) {
		NL_SET_ERR_MSG(extack, "names in ! are for administrators");
		return -EPERM;
	}
	return chring_access_give(ns, name, owner, extack);
}

/**
 * chring_access_locked - what a lock's mode lets the current process do
 * @lock: caller holds its lock
 *
 * Return: CHRING_ACCESS_...
 */
unsigned int chring_access_locked(const struct chring_lock *lock)
{
	struct user_namespace *ns = lock->space->net->user_ns;
	const unsigned int all = CHRING_ACCESS_READ | CHRING_ACCESS_WRITE;
	umode_t mode = lock->mode;

	lockdep_assert_held(&lock->lock);
	if (uid_eq(current_fsuid(), lock->uid))
		mode >>= 6;
	else if (in_group_p(lock->gid))
		mode >>= 3;
	if ((mode & all) != all && kuid_has_mapping(ns, lock->uid) &&
	    kgid_has_mapping(ns, lock->gid) &&
	    ns_capable(ns, CAP_DAC_OVERRIDE))
		return all;
	return mode & all;
}

/**
 * chring_access_is_owner_locked - may somebody break, change, remove a lock?
 * @lock: caller holds its lock
 * @subject: who
 */
bool chring_access_is_owner_locked(const struct chring_lock *lock,
				   const struct chring_subject *subject)
{
	lockdep_assert_held(&lock->lock);
	return subject->admin || uid_eq(subject->uid, lock->uid);
}

/**
 * chring_access_may_see - may somebody see a lock in listings?
 * @lock: caller has a reference, or its lockspace's lock
 * @subject: who; the current process
 *
 * Context: process; takes the lock's lock.
 */
bool chring_access_may_see(struct chring_lock *lock,
			   const struct chring_subject *subject)
{
	bool may;

	spin_lock(&lock->lock);
	may = chring_access_is_owner_locked(lock, subject) ||
	      chring_access_locked(lock) & CHRING_ACCESS_READ;
	spin_unlock(&lock->lock);
	return may;
}
