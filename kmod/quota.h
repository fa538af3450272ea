/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CHRING_QUOTA_H
#define CHRING_QUOTA_H

#include <linux/list.h>
#include <linux/types.h>
#include <linux/uidgid.h>

enum chring_quota_kind {
	CHRING_QUOTA_LOCKS,
	CHRING_QUOTA_HANDLES,
	CHRING_QUOTA_KINDS,
};

/**
 * struct chring_quota - what a user has, in all network namespaces
 * @node: in the hash of all users that have anything
 * @uid: the user
 * @nr: of each kind
 */
struct chring_quota {
	struct hlist_node node;
	kuid_t uid;
	unsigned int nr[CHRING_QUOTA_KINDS];
};

struct chring_quota *chring_quota_charge(enum chring_quota_kind kind);
void chring_quota_uncharge(struct chring_quota *quota,
			   enum chring_quota_kind kind);

#endif /* CHRING_QUOTA_H */
