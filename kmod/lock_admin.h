/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CHRING_LOCK_ADMIN_H
#define CHRING_LOCK_ADMIN_H

#include <linux/types.h>
#include <linux/uidgid.h>

struct chring_lock_args;
struct chring_lockspace;
struct chring_subject;
struct netlink_ext_ack;

/**
 * struct chring_lock_changes - what is to change of a lock
 * @mode: permissions, 0 to keep them
 * @uid: owner, or INVALID_UID
 * @gid: group, or INVALID_GID
 * @kinds: which of CHRING_LOCK_FIFO is to change
 * @flags: what to
 */
struct chring_lock_changes {
	umode_t mode;
	kuid_t uid;
	kgid_t gid;
	u8 kinds;
	u8 flags;
};

int chring_lock_new(struct chring_lockspace *space,
		    const struct chring_lock_args *args,
		    const struct chring_subject *subject,
		    struct netlink_ext_ack *extack);
int chring_lock_set(struct chring_lockspace *space, const char *name,
		    const struct chring_lock_changes *changes,
		    const struct chring_subject *subject,
		    struct netlink_ext_ack *extack);
int chring_lock_del(struct chring_lockspace *space, const char *name,
		    const struct chring_subject *subject,
		    struct netlink_ext_ack *extack);
int chring_lock_break_by_name(struct chring_lockspace *space, const char *name,
			      const struct chring_subject *subject,
			      struct netlink_ext_ack *extack);

#endif /* CHRING_LOCK_ADMIN_H */
