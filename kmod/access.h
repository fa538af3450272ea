/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CHRING_ACCESS_H
#define CHRING_ACCESS_H

#include <linux/types.h>
#include <linux/uidgid.h>

#include "subject.h"

struct chring_lock;
struct net;
struct netlink_ext_ack;
struct nlattr;
struct user_namespace;

/* As of a file's mode */
#define CHRING_ACCESS_WRITE	2
#define CHRING_ACCESS_READ	4
#define CHRING_ACCESS_MODES	0666

int chring_access_create(struct user_namespace *ns, const char *name,
			 kuid_t owner, bool admin,
			 struct netlink_ext_ack *extack);
int chring_access_give(struct user_namespace *ns, const char *name,
		       kuid_t owner, struct netlink_ext_ack *extack);
unsigned int chring_access_locked(const struct chring_lock *lock);
bool chring_access_may_see(struct chring_lock *lock,
			   const struct chring_subject *subject);
bool chring_access_is_owner_locked(const struct chring_lock *lock,
				   const struct chring_subject *subject);

#endif /* CHRING_ACCESS_H */
