/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CHRING_LOCKSPACE_H
#define CHRING_LOCKSPACE_H

#include <linux/mutex.h>
#include <linux/rhashtable-types.h>
#include <linux/types.h>
#include <linux/uidgid.h>
#include <linux/xarray.h>

struct chring_handle;
struct chring_lock;
struct net;

/**
 * struct chring_lockspace - the locks of a network namespace
 * @net: the network namespace
 * @lock: protects which locks there are, and of what follows all but @handles
 * @names: &struct chring_lock, by name
 * @locks: the same, by number
 * @handles: &struct chring_handle, by id
 * @next_id: where to look for a free id
 * @high_water: no lock that is gone had a token beyond this
 */
struct chring_lockspace {
	struct net *net;
	struct mutex lock; /* protects which locks there are */
	struct rhashtable names;
	struct xarray locks;
	struct xarray handles;
	u32 next_id;
	u64 high_water;
};

/**
 * struct chring_lock_args - a request for a lock
 * @name: 1 to CHRING_LOCK_NAME_MAX bytes
 * @flags: of CHRING_IOC_OPEN
 * @mode: where the lock is made
 */
struct chring_lock_args {
	const char *name;
	u32 flags;
	umode_t mode;
};

struct chring_lockspace *chring_lockspace(const struct net *net);
struct chring_handle *
chring_lockspace_handle_locked(const struct chring_lock *lock, u32 id);
int chring_lockspace_new_id(struct chring_lockspace *space,
			    struct chring_handle *handle, u32 *id);
void chring_lockspace_forget_id(struct chring_lockspace *space, u32 id);

int chring_lockspace_attach(struct chring_lockspace *space,
			    struct chring_handle *handle,
			    const struct chring_lock_args *args);
void chring_lockspace_detach(struct chring_handle *handle);
void chring_lockspace_unref(struct chring_lock *lock);

int chring_lockspace_init(void);
void chring_lockspace_exit(void);

#endif /* CHRING_LOCKSPACE_H */
