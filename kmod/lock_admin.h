/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CHRING_LOCK_ADMIN_H
#define CHRING_LOCK_ADMIN_H

#include <linux/types.h>
#include <linux/uidgid.h>

struct chring_lockspace;
struct chring_subject;
struct netlink_ext_ack;
struct nlattr;

/**
 * struct chring_lock_changes - what is to change of a lock, or what it is to be
 * @set_mode: @mode is to change
 * @mode: permissions
 * @uid: owner, or INVALID_UID
 * @gid: group, or INVALID_GID
 * @kinds: which of CHRING_LOCK_FIFO is to change
 * @flags: what to
 * @set_ttl: @ttl_ms is to change
 * @set_expiry: @expiry is to change
 * @ttl_ms: lease of the holders, or 0
 * @expiry: what becomes of them then: enum chring_lease_expiry
 * @slots: how many may hold a new lock at once, or 0
 * @uid_attr: where @uid came from, to point at in a refusal
 * @gid_attr: where @gid came from
 * @kind_attr: where @flags came from
 */
struct chring_lock_changes {
	bool set_mode;
	umode_t mode;
	kuid_t uid;
	kgid_t gid;
	u8 kinds;
	u8 flags;
	bool set_ttl;
	bool set_expiry;
	u32 ttl_ms;
	u8 expiry;
	u16 slots;
	const struct nlattr *uid_attr;
	const struct nlattr *gid_attr;
	const struct nlattr *kind_attr;
};

int chring_lock_new(struct chring_lockspace *space, const char *name,
		    const struct chring_lock_changes *changes,
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
