// SPDX-License-Identifier: GPL-2.0
/* The family's requests about locks */

#include <linux/cred.h>
#include <linux/file.h>
#include <linux/pid_namespace.h>
#include <net/genetlink.h>
#include <net/sock.h>

#include "access.h"
#include "generated/netlink.h"
#include "lock.h"
#include "lock_admin.h"
#include "lockspace.h"
#include "message_lock.h"
#include "netlink.h"

/* INVALID_UID where there is none given. */
static int get_uid_attr(const struct genl_info *info, kuid_t *uid)
{
	const struct nlattr *attr = info->attrs[CHRING_A_LOCK_UID];

	*uid = INVALID_UID;
	if (!attr)
		return 0;
	*uid = make_kuid(current_user_ns(), nla_get_u32(attr));
	if (uid_valid(*uid))
		return 0;
	NL_SET_ERR_MSG_ATTR(info->extack, attr, "no such user id here");
	return -EINVAL;
}

static int get_gid_attr(const struct genl_info *info, kgid_t *gid)
{
	const struct nlattr *attr = info->attrs[CHRING_A_LOCK_GID];

	*gid = INVALID_GID;
	if (!attr)
		return 0;
	*gid = make_kgid(current_user_ns(), nla_get_u32(attr));
	if (gid_valid(*gid))
		return 0;
	NL_SET_ERR_MSG_ATTR(info->extack, attr, "no such group id here");
	return -EINVAL;
}

/* What new and set have in common */
static int get_changes(const struct genl_info *info,
		       struct chring_lock_changes *changes)
{
	const struct nlattr *mode = info->attrs[CHRING_A_LOCK_MODE];
	const struct nlattr *discipline = info->attrs[CHRING_A_LOCK_DISCIPLINE];
	int err;

	if (mode && nla_get_u32(mode) & ~CHRING_ACCESS_MODES) {
		NL_SET_ERR_MSG_ATTR(info->extack, mode,
				    "mode must be of bits to read and write, 0666 at most");
		return -EINVAL;
	}
	if (mode) {
		changes->set_mode = true;
		changes->mode = nla_get_u32(mode);
	}
	if (discipline) {
		changes->kinds = CHRING_LOCK_FIFO;
		if (nla_get_u32(discipline) == CHRING_LOCK_DISCIPLINE_FIFO)
			changes->flags = CHRING_LOCK_FIFO;
	}
	if (info->attrs[CHRING_A_LOCK_TTL_MS]) {
		changes->set_ttl = true;
		changes->ttl_ms = nla_get_u32(info->attrs[CHRING_A_LOCK_TTL_MS]);
	}
	if (info->attrs[CHRING_A_LOCK_EXPIRY]) {
		changes->set_expiry = true;
		changes->expiry = nla_get_u32(info->attrs[CHRING_A_LOCK_EXPIRY]);
	}
	changes->uid_attr = info->attrs[CHRING_A_LOCK_UID];
	changes->gid_attr = info->attrs[CHRING_A_LOCK_GID];
	changes->kind_attr = discipline;
	err = get_uid_attr(info, &changes->uid);
	return err ?: get_gid_attr(info, &changes->gid);
}

int chring_nl_lock_new_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct chring_subject subject = chring_nl_subject(skb, genl_info_net(info));
	struct chring_lock_changes changes = {};
	int err;

	if (GENL_REQ_ATTR_CHECK(info, CHRING_A_LOCK_NAME))
		return -EINVAL;
	err = get_changes(info, &changes);
	if (err)
		return err;
	if (info->attrs[CHRING_A_LOCK_STRICT])
		changes.flags |= CHRING_LOCK_STRICT;
	if (info->attrs[CHRING_A_LOCK_STICKY])
		changes.flags |= CHRING_LOCK_STICKY;
	if (info->attrs[CHRING_A_LOCK_EAGER])
		changes.flags |= CHRING_LOCK_EAGER;
	if (info->attrs[CHRING_A_LOCK_SLOTS])
		changes.slots = nla_get_u32(info->attrs[CHRING_A_LOCK_SLOTS]);
	NL_SET_BAD_ATTR(info->extack, info->attrs[CHRING_A_LOCK_NAME]);
	return chring_lock_new(chring_lockspace(genl_info_net(info)),
			       nla_data(info->attrs[CHRING_A_LOCK_NAME]),
			       &changes, &subject, info->extack);
}

int chring_nl_lock_set_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct chring_subject subject = chring_nl_subject(skb, genl_info_net(info));
	struct chring_lock_changes changes = {};
	int err;

	if (GENL_REQ_ATTR_CHECK(info, CHRING_A_LOCK_NAME))
		return -EINVAL;
	/* One of them at least */
	if (!info->attrs[CHRING_A_LOCK_UID] &&
	    !info->attrs[CHRING_A_LOCK_GID] &&
	    !info->attrs[CHRING_A_LOCK_DISCIPLINE] &&
	    !info->attrs[CHRING_A_LOCK_TTL_MS] &&
	    !info->attrs[CHRING_A_LOCK_EXPIRY] &&
	    GENL_REQ_ATTR_CHECK(info, CHRING_A_LOCK_MODE))
		return -EINVAL;
	err = get_changes(info, &changes);
	if (err)
		return err;
	NL_SET_BAD_ATTR(info->extack, info->attrs[CHRING_A_LOCK_NAME]);
	return chring_lock_set(chring_lockspace(genl_info_net(info)),
			       nla_data(info->attrs[CHRING_A_LOCK_NAME]),
			       &changes, &subject, info->extack);
}

typedef int (*lock_fn)(struct chring_lockspace *space, const char *name,
		       const struct chring_subject *subject,
		       struct netlink_ext_ack *extack);

static int do_by_name(struct sk_buff *skb, struct genl_info *info, lock_fn fn)
{
	struct chring_subject subject = chring_nl_subject(skb, genl_info_net(info));

	if (GENL_REQ_ATTR_CHECK(info, CHRING_A_LOCK_NAME))
		return -EINVAL;
	NL_SET_BAD_ATTR(info->extack, info->attrs[CHRING_A_LOCK_NAME]);
	return fn(chring_lockspace(genl_info_net(info)),
		  nla_data(info->attrs[CHRING_A_LOCK_NAME]), &subject,
		  info->extack);
}

int chring_nl_lock_del_doit(struct sk_buff *skb, struct genl_info *info)
{
	return do_by_name(skb, info, chring_lock_del);
}

int chring_nl_lock_break_doit(struct sk_buff *skb, struct genl_info *info)
{
	return do_by_name(skb, info, chring_lock_break_by_name);
}

static int put_lock(struct sk_buff *skb, struct chring_lock *lock,
		    struct user_namespace *ns)
{
	struct pid_namespace *pid_ns = task_active_pid_ns(current);
	struct chring_lock_view view;
	int err;

	chring_lock_view(lock, NULL, &view);
	err = chring_put_lock(skb, lock, &view, ns, pid_ns);
	put_pid(view.tgid);
	if (err || !view.shared)
		return err;
	return chring_put_lock_holders(skb, lock, pid_ns);
}

static int check_token(struct chring_lock *lock, const struct genl_info *info)
{
	const struct nlattr *token = info->attrs[CHRING_A_LOCK_TOKEN];

	if (!token || chring_lock_has_token(lock, nla_get_uint(token)))
		return 0;
	NL_SET_ERR_MSG_ATTR(info->extack, token,
			    "token is neither the newest nor a holder's");
	return -ESTALE;
}

static int put_by_name(struct sk_buff *msg, const struct sk_buff *skb,
		       struct genl_info *info)
{
	struct chring_lockspace *space = chring_lockspace(genl_info_net(info));
	struct chring_subject subject = chring_nl_subject(skb, genl_info_net(info));
	const struct nlattr *name = info->attrs[CHRING_A_LOCK_NAME];
	struct chring_lock *lock;
	int err;

	mutex_lock(&space->lock);
	lock = chring_lockspace_find_locked(space, nla_data(name));
	if (!lock) {
		NL_SET_ERR_MSG_ATTR(info->extack, name, "no lock of this name");
		err = -ENOENT;
	} else if (!chring_access_may_see(lock, &subject)) {
		NL_SET_ERR_MSG_ATTR(info->extack, name,
				    "lock may not be read");
		err = -EACCES;
	} else {
		err = check_token(lock, info) ?:
		      put_lock(msg, lock, current_user_ns());
	}
	mutex_unlock(&space->lock);
	return err;
}

int chring_nl_lock_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct sk_buff *msg;
	void *hdr;
	int err;

	if (GENL_REQ_ATTR_CHECK(info, CHRING_A_LOCK_NAME))
		return -EINVAL;
	msg = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_KERNEL);
	if (!msg)
		return -ENOMEM;
	hdr = genlmsg_iput(msg, info);
	err = hdr ? put_by_name(msg, skb, info) : -EMSGSIZE;
	if (err) {
		nlmsg_free(msg);
		return err;
	}
	genlmsg_end(msg, hdr);
	return genlmsg_reply(msg, info);
}

static int dump_lock(struct sk_buff *skb, struct netlink_callback *cb,
		     struct chring_lock *lock)
{
	void *hdr;
	int err;

	hdr = chring_nl_dump_put(skb, cb);
	if (!hdr)
		return -EMSGSIZE;
	err = put_lock(skb, lock, sk_user_ns(NETLINK_CB(cb->skb).sk));
	if (err) {
		genlmsg_cancel(skb, hdr);
		return err;
	}
	genlmsg_end(skb, hdr);
	return 0;
}

int chring_nl_lock_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct chring_lockspace *space = chring_lockspace(sock_net(skb->sk));
	struct chring_subject subject = chring_nl_subject(cb->skb, sock_net(skb->sk));
	struct chring_nl_dump *state = chring_nl_dump_state(cb);
	struct chring_lock *lock;
	unsigned long id;
	int err = 0;

	mutex_lock(&space->lock);
	cb->seq = space->seq;
	xa_for_each_start(&space->locks, id, lock, state->lock) {
		if (chring_access_may_see(lock, &subject))
			err = dump_lock(skb, cb, lock);
		if (err)
			break;
		state->lock = id + 1;
	}
	mutex_unlock(&space->lock);
	return err;
}
