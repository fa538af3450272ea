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
struct netlink_ext_ack;

/**
 * struct chring_lockspace - the locks of a network namespace
 * @net: the network namespace
 * @lock: protects which locks there are, and of what follows all but @handles
 * @names: &struct chring_lock, by name
 * @locks: the same, by number
 * @handles: &struct chring_handle, by id
 * @next_id: where to look for a free id
 * @seq: changes with each change of @locks; never 0
 * @high_water: no lock that is gone had a token beyond this
 */
struct chring_lockspace {
	struct net *net;
	struct mutex lock; /* protects which locks there are */
	struct rhashtable names;
	struct xarray locks;
	struct xarray handles;
	u32 next_id;
	unsigned int seq;
	u64 high_water;
};

/**
 * struct chring_lock_args - which lock, and what it is to be if it is made
 * @name: its name
 * @flags: CHRING_LOCK_FIFO, CHRING_LOCK_STRICT, CHRING_LOCK_STICKY,
 *	CHRING_LOCK_EAGER
 * @create: make it where it is not there
 * @ttl_ms: lease of its holders, or 0
 * @expiry: what becomes of them then: enum chring_lease_expiry
 * @slots: how many may hold it at once, or 0
 * @exclusive: it must not be there
 * @persistent: it outlives its handles
 * @mode: permissions, 0 for the default
 * @uid: owner
 * @gid: group
 */
struct chring_lock_args {
	const char *name;
	u8 flags;
	u8 expiry;
	u32 ttl_ms;
	u16 slots;
	bool create;
	bool exclusive;
	bool persistent;
	umode_t mode;
	kuid_t uid;
	kgid_t gid;
};

struct chring_lockspace *chring_lockspace(const struct net *net);
struct chring_handle *
chring_lockspace_handle_locked(const struct chring_lock *lock, u32 id);
int chring_lockspace_new_id(struct chring_lockspace *space,
			    struct chring_handle *handle, u32 *id);
void chring_lockspace_forget_id(struct chring_lockspace *space, u32 id);

struct chring_lock *
chring_lockspace_find_locked(struct chring_lockspace *space, const char *name);
struct chring_lock *
chring_lockspace_make_locked(struct chring_lockspace *space,
			     const struct chring_lock_args *args, bool admin,
			     struct netlink_ext_ack *extack);
void chring_lockspace_reap_locked(struct chring_lockspace *space,
				  struct chring_lock *lock);
void chring_lockspace_changed_locked(struct chring_lockspace *space);

int chring_lockspace_attach(struct chring_lockspace *space,
			    struct chring_handle *handle,
			    const struct chring_lock_args *args);
void chring_lockspace_detach(struct chring_handle *handle);
void chring_lockspace_unref(struct chring_lock *lock);

int chring_lockspace_init(void);
void chring_lockspace_exit(void);

#endif /* CHRING_LOCKSPACE_H */
