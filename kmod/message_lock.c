// SPDX-License-Identifier: GPL-2.0
/* What replies and notifications tell of locks */

#include <linux/pid.h>
#include <linux/sched/task.h>
#include <net/netlink.h>
#include <uapi/linux/chring.h>

#include "lock.h"
#include "lock_holder.h"
#include "lock_lease.h"
#include "message_lock.h"

/* The device and the family have the same bits */
static_assert((int)CHRING_LOCK_NEWS_OWNER_DIED == CHRING_NEWS_OWNER_DIED);
static_assert((int)CHRING_LOCK_NEWS_BROKEN == CHRING_NEWS_BROKEN);
static_assert((int)CHRING_LOCK_NEWS_CORRUPT == CHRING_NEWS_CORRUPT);
static_assert((int)CHRING_LOCK_NEWS_EXPIRED == CHRING_NEWS_EXPIRED);
static_assert((int)CHRING_LOCK_EXPIRY_SIGNAL == CHRING_LEASE_SIGNAL);
static_assert((int)CHRING_LOCK_EXPIRY_KILL == CHRING_LEASE_KILL);

static int put_leases(struct sk_buff *skb, const struct chring_lock_view *view)
{
	if (nla_put_u32(skb, CHRING_A_LOCK_TTL_MS, view->ttl_ms) ||
	    nla_put_u32(skb, CHRING_A_LOCK_EXPIRY, view->expiry) ||
	    (view->flags & CHRING_LOCK_EAGER &&
	     nla_put_flag(skb, CHRING_A_LOCK_EAGER)) ||
	    (view->expires &&
	     nla_put_uint(skb, CHRING_A_LOCK_LEASE_NS, view->left_ns)))
		return -EMSGSIZE;
	return 0;
}

static int put_settings(struct sk_buff *skb, const struct chring_lock *lock,
			const struct chring_lock_view *view,
			struct user_namespace *ns)
{
	if (nla_put_string(skb, CHRING_A_LOCK_NAME, lock->name) ||
	    nla_put_u32(skb, CHRING_A_LOCK_MODE, view->mode) ||
	    nla_put_u32(skb, CHRING_A_LOCK_UID,
			from_kuid_munged(ns, view->uid)) ||
	    nla_put_u32(skb, CHRING_A_LOCK_GID,
			from_kgid_munged(ns, view->gid)) ||
	    nla_put_u32(skb, CHRING_A_LOCK_DISCIPLINE,
			view->flags & CHRING_LOCK_FIFO ?
			CHRING_LOCK_DISCIPLINE_FIFO :
			CHRING_LOCK_DISCIPLINE_ADAPTIVE) ||
	    (view->flags & CHRING_LOCK_STRICT &&
	     nla_put_flag(skb, CHRING_A_LOCK_STRICT)) ||
	    (view->flags & CHRING_LOCK_STICKY &&
	     nla_put_flag(skb, CHRING_A_LOCK_STICKY)) ||
	    (view->slots &&
	     nla_put_u32(skb, CHRING_A_LOCK_SLOTS, view->slots)) ||
	    (view->persistent && nla_put_flag(skb, CHRING_A_LOCK_PERSISTENT)))
		return -EMSGSIZE;
	return 0;
}

/* The holder's process, if the reader sees it. */
static int put_process(struct sk_buff *skb, struct pid *tgid,
		       struct pid_namespace *ns)
{
	char comm[TASK_COMM_LEN];
	struct task_struct *task;
	pid_t pid = pid_nr_ns(tgid, ns);

	if (!pid)
		return 0;
	if (nla_put_u32(skb, CHRING_A_LOCK_PID, pid))
		return -EMSGSIZE;
	task = get_pid_task(tgid, PIDTYPE_TGID);
	if (!task)
		return 0;
	get_task_comm(comm, task);
	put_task_struct(task);
	return nla_put_string(skb, CHRING_A_LOCK_COMM, comm);
}

static int put_state(struct sk_buff *skb, const struct chring_lock_view *view,
		     struct pid_namespace *ns)
{
	if (nla_put_u32(skb, CHRING_A_LOCK_HANDLES, view->handles) ||
	    nla_put_u32(skb, CHRING_A_LOCK_WAITERS, view->waiters) ||
	    nla_put_u32(skb, CHRING_A_LOCK_NEWS, view->news) ||
	    (view->token &&
	     nla_put_uint(skb, CHRING_A_LOCK_TOKEN, view->token)) ||
	    (view->news &&
	     nla_put_uint(skb, CHRING_A_LOCK_DEAD_TOKEN, view->dead_token)))
		return -EMSGSIZE;
	if (!view->held)
		return 0;
	if (nla_put_flag(skb, CHRING_A_LOCK_HELD) ||
	    nla_put_u32(skb, CHRING_A_LOCK_HOLDERS, view->holders) ||
	    (view->shared && nla_put_flag(skb, CHRING_A_LOCK_SHARED)) ||
	    nla_put_uint(skb, CHRING_A_LOCK_HELD_NS, view->held_ns) ||
	    (ns && view->tgid && put_process(skb, view->tgid, ns)))
		return -EMSGSIZE;
	return 0;
}

static int put_holder(struct sk_buff *skb,
		      const struct chring_holder_view *view,
		      struct pid_namespace *ns)
{
	struct nlattr *nest;

	nest = nla_nest_start(skb, CHRING_A_LOCK_HOLDER);
	if (!nest)
		return -EMSGSIZE;
	if (nla_put_uint(skb, CHRING_A_LOCK_TOKEN, view->token) ||
	    nla_put_uint(skb, CHRING_A_LOCK_HELD_NS, view->held_ns) ||
	    (view->expires &&
	     nla_put_uint(skb, CHRING_A_LOCK_LEASE_NS, view->left_ns)) ||
	    (view->tgid && put_process(skb, view->tgid, ns))) {
		nla_nest_cancel(skb, nest);
		return -EMSGSIZE;
	}
	nla_nest_end(skb, nest);
	return 0;
}

/**
 * chring_put_lock - put a lock into a message
 * @skb: the message
 * @lock: caller has a reference, or its lockspace's lock
 * @view: how it stands
 * @user_ns: whose user and group ids the reader knows
 * @pid_ns: whose processes it sees; NULL where it is nobody in particular
 *
 * Return: 0, or -EMSGSIZE.
 */
int chring_put_lock(struct sk_buff *skb, const struct chring_lock *lock,
		    const struct chring_lock_view *view,
		    struct user_namespace *user_ns,
		    struct pid_namespace *pid_ns)
{
	return put_settings(skb, lock, view, user_ns) ?: put_leases(skb, view) ?:
	       put_state(skb, view, pid_ns);
}

/**
 * chring_put_lock_holders - put into a message who holds a lock
 * @skb: the message
 * @lock: caller has a reference, or its lockspace's lock
 * @pid_ns: whose processes the reader sees
 *
 * Context: process; takes the lock's lock.
 * Return: 0, or -EMSGSIZE.
 */
int chring_put_lock_holders(struct sk_buff *skb, struct chring_lock *lock,
			    struct pid_namespace *pid_ns)
{
	struct chring_holder_view views[CHRING_HOLDERS_SHOWN];
	unsigned int nr, i;
	int err = 0;

	spin_lock(&lock->lock);
	nr = chring_holder_views_locked(lock, views);
	spin_unlock(&lock->lock);
	for (i = 0; i < nr; i++) {
		err = err ?: put_holder(skb, &views[i], pid_ns);
		put_pid(views[i].tgid);
	}
	return err;
}
