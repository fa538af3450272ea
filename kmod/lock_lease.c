// SPDX-License-Identifier: GPL-2.0
/*
 * Leases: how long a holder may make others wait.
 *
 * The clock of a lease runs from when somebody else first wants the lock; so a
 * holder that nobody waits for needs no kernel. Only where the lease is eager it
 * runs from the acquisition. Once it runs it does so until this holder is gone,
 * whether anybody still waits or not.
 *
 * Whom a lease is about is said by the holder's token. The timer does nothing
 * but have the work done that looks at the lock: so one that comes late finds
 * another token, or another deadline, and all it does is to set itself anew.
 *
 * A holder that is to be killed has the lock until it is dead, and lets it go
 * as all the dead do (lock_owner.c). It must be one that the kernel itself gave
 * the lock to: whoever has the word mapped can write there that somebody else
 * holds it. So where a lease can kill, the word is the kernel's.
 */

#include <linux/cred.h>
#include <linux/minmax.h>
#include <linux/moduleparam.h>
#include <linux/pid.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include <linux/user_namespace.h>
#include <net/net_namespace.h>

#include "lock.h"
#include "lock_lease.h"
#include "lock_queue.h"
#include "lock_word.h"
#include "lockspace.h"
#include "owner.h"

static unsigned int grace_ms = 5000;
module_param(grace_ms, uint, 0644);
MODULE_PARM_DESC(grace_ms, "Time from the SIGTERM at a lease's end to SIGKILL");

static void lease_work(struct work_struct *work)
{
	chring_lease_look(container_of(work, struct chring_lease, work)->lock);
}

static enum hrtimer_restart lease_timer(struct hrtimer *timer)
{
	struct chring_lease *lease = container_of(timer, struct chring_lease,
						  timer);

	queue_work(system_highpri_wq, &lease->work);
	return HRTIMER_NORESTART;
}

/**
 * chring_lease_make - have a lock be able to have leases
 * @lock: the lock
 *
 * Context: may sleep; takes the lock's lock.
 * Return: 0, then the lock's @lease stays as long as the lock; -ENOMEM.
 */
int chring_lease_make(struct chring_lock *lock)
{
	struct chring_lease *lease;

	if (READ_ONCE(lock->lease))
		return 0;
	lease = kzalloc(sizeof(*lease), GFP_KERNEL_ACCOUNT);
	if (!lease)
		return -ENOMEM;
	lease->lock = lock;
	lease->deadline = KTIME_MAX;
	hrtimer_init(&lease->timer, CLOCK_BOOTTIME, HRTIMER_MODE_ABS);
	lease->timer.function = lease_timer;
	INIT_WORK(&lease->work, lease_work);

	spin_lock(&lock->lock);
	if (!lock->lease) {
		WRITE_ONCE(lock->lease, lease);
		lease = NULL;
	}
	spin_unlock(&lock->lock);
	kfree(lease);
	return 0;
}

/**
 * chring_lease_free - there are no leases any more
 * @lock: the lock, on its way out; nobody holds it
 *
 * Context: may sleep.
 */
void chring_lease_free(struct chring_lock *lock)
{
	if (!lock->lease)
		return;
	hrtimer_cancel(&lock->lease->timer);
	/* It finds no holder, and so does not set the timer anew */
	cancel_work_sync(&lock->lease->work);
	kfree(lock->lease);
}

/* What was of another holder is forgotten. */
static void follow_holder(struct chring_lock *lock)
{
	u64 token = lock->holder ? chring_word_token_locked(lock) : 0;
	struct chring_lease *lease = lock->lease;

	lockdep_assert_held(&lock->lock);
	if (lease->token == token)
		return;
	lease->token = token;
	lease->given = false;
	lease->asked_ms = 0;
	lease->asked = 0;
	lease->wanted = false;
	lease->signalled = false;
	lease->deadline = KTIME_MAX;
}

/**
 * chring_lease_begin_locked - a holder has a lease of its own
 * @lock: caller holds its lock; it has just been taken, and can have leases
 * @grant: what the holder asked for
 */
void chring_lease_begin_locked(struct chring_lock *lock,
			       const struct chring_grant *grant)
{
	follow_holder(lock);
	lock->lease->given = true;
	lock->lease->asked_ms = grant->ttl_ms;
	lock->lease->asked = grant->lease;
}

/**
 * chring_lease_want_locked - somebody wants a lock that another has
 * @lock: frozen; caller holds its lock; it can have leases
 */
void chring_lease_want_locked(struct chring_lock *lock)
{
	follow_holder(lock);
	lock->lease->wanted = true;
}

static bool can_kill(const struct chring_lease *lease)
{
	return lease->expiry != CHRING_LEASE_FENCE ||
	       lease->asked & (CHRING_ACQUIRE_SIGNAL | CHRING_ACQUIRE_KILL);
}

/**
 * chring_lease_update_locked - let the clock run, if it is to run by now
 * @lock: caller holds its lock; it can have leases
 *
 * Also says whose the word is.
 */
void chring_lease_update_locked(struct chring_lock *lock)
{
	struct chring_lease *lease = lock->lease;
	u32 ttl_ms;

	follow_holder(lock);
	lock->kernels = can_kill(lease);
	ttl_ms = min_not_zero(lease->ttl_ms, lease->asked_ms);
	if (!lease->token || !ttl_ms || lease->signalled ||
	    lease->deadline != KTIME_MAX)
		return;
	if (!lock->nr_waiters && !lease->wanted &&
	    !(lock->flags & CHRING_LOCK_EAGER) &&
	    !(lease->asked & CHRING_ACQUIRE_EAGER))
		return;
	lease->deadline = ktime_add_ms(ktime_get_boottime(), ttl_ms);
	hrtimer_start(&lease->timer, lease->deadline, HRTIMER_MODE_ABS);
}

/**
 * chring_lease_news_locked - what else befell a holder that has died
 * @lock: frozen; caller holds its lock; it can have leases
 *
 * Return: CHRING_NEWS_EXPIRED where it was told to, or 0.
 */
u32 chring_lease_news_locked(struct chring_lock *lock)
{
	follow_holder(lock);
	return lock->lease->signalled ? CHRING_NEWS_EXPIRED : 0;
}

/**
 * chring_lease_view_locked - see how the lease stands
 * @lock: caller holds its lock; it can have leases
 * @view: what is of the lease is filled in
 */
void chring_lease_view_locked(struct chring_lock *lock,
			      struct chring_lock_view *view)
{
	const struct chring_lease *lease = lock->lease;

	lockdep_assert_held(&lock->lock);
	view->ttl_ms = lease->ttl_ms;
	view->expiry = lease->expiry;
	if (!lock->holder || lease->token != chring_word_token_locked(lock))
		return;
	view->expires = lease->signalled || lease->deadline != KTIME_MAX;
	if (lease->deadline != KTIME_MAX)
		view->left_ns = max(ktime_sub(lease->deadline,
					      ktime_get_boottime()), 0);
}

/* ---- the end of a lease */

/* Could the lock's owner send the holder a signal by kill(2)? */
static bool owner_may_kill(const struct chring_lock *lock, struct pid *tgid)
{
	struct user_namespace *root_ns = lock->space->net->user_ns;
	bool root = uid_eq(lock->uid, make_kuid(root_ns, 0));
	struct user_namespace *ns;
	struct task_struct *task;
	const struct cred *cred;
	bool may = false;

	rcu_read_lock();
	task = pid_task(tgid, PIDTYPE_TGID);
	if (task) {
		cred = __task_cred(task);
		may = uid_eq(lock->uid, cred->uid) ||
		      uid_eq(lock->uid, cred->suid);
		for (ns = cred->user_ns; root && !may && ns; ns = ns->parent)
			may = ns == root_ns;
	}
	rcu_read_unlock();
	return may;
}

static unsigned int expiry_of(const struct chring_lock *lock, struct pid *tgid)
{
	const struct chring_lease *lease = lock->lease;
	unsigned int agreed = CHRING_LEASE_FENCE;

	/* Not one that the word names, nor, ever, init */
	if (!lease->given || pid_nr(tgid) == 1)
		return CHRING_LEASE_FENCE;
	if (lease->asked & CHRING_ACQUIRE_KILL)
		agreed = CHRING_LEASE_KILL;
	else if (lease->asked & CHRING_ACQUIRE_SIGNAL)
		agreed = CHRING_LEASE_SIGNAL;
	/* A lock must not be a way to do more to others than they agreed to */
	if (!owner_may_kill(lock, tgid))
		return agreed;
	return max_t(unsigned int, agreed, lease->expiry);
}

/* The holder's lease is over. Returns the signal that it is to be sent, or 0. */
static int expire_locked(struct chring_lock *lock, struct chring_wakeup *wakeup)
{
	struct chring_lease *lease = lock->lease;
	unsigned int expiry = expiry_of(lock, lock->holder->owner->tgid);

	lockdep_assert_held(&lock->lock);
	if (expiry == CHRING_LEASE_FENCE) {
		chring_word_take_away_locked(lock, CHRING_NEWS_EXPIRED);
		wakeup->poll = true;
		return 0;
	}
	lease->deadline = KTIME_MAX;
	if (expiry == CHRING_LEASE_KILL || lease->signalled) {
		lease->signalled = true;
		return SIGKILL;
	}
	lease->signalled = true;
	lease->deadline = ktime_add_ms(ktime_get_boottime(),
				       READ_ONCE(grace_ms));
	hrtimer_start(&lease->timer, lease->deadline, HRTIMER_MODE_ABS);
	return SIGTERM;
}

/* Is it over? Where it is not yet, the timer is set anew. */
static bool is_over_locked(struct chring_lock *lock)
{
	struct chring_lease *lease = lock->lease;
	const struct chring_owner *owner;

	follow_holder(lock);
	if (lease->deadline == KTIME_MAX)
		return false;
	if (ktime_before(ktime_get_boottime(), lease->deadline)) {
		hrtimer_start(&lease->timer, lease->deadline, HRTIMER_MODE_ABS);
		return false;
	}
	/* The dead are about to let go; their process may be another program */
	owner = lock->holder->owner;
	return owner && !chring_owner_is_dead(owner);
}

/**
 * chring_lease_look - look whether the holder's lease is over
 * @lock: caller has a reference, or is waited for; it can have leases
 *
 * Context: may sleep; takes the lock's lock.
 */
void chring_lease_look(struct chring_lock *lock)
{
	struct chring_wakeup wakeup = {};
	struct pid *tgid = NULL;
	int signal = 0;

	spin_lock(&lock->lock);
	chring_word_freeze_locked(lock);
	if (is_over_locked(lock)) {
		tgid = get_pid(lock->holder->owner->tgid);
		signal = expire_locked(lock, &wakeup);
	}
	chring_queue_settle(lock, &wakeup);
	/* It wakes somebody, and so waits until the lock's lock is let go */
	if (signal)
		kill_pid(tgid, signal, 1);
	put_pid(tgid);
}
