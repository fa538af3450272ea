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
 * Of several who hold a lock at once each has its lease, in its handle, whose
 * clock runs from when somebody wants the lock, or from its own acquisition where
 * somebody did before. All have the one timer, which is set to the first end.
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
#include "lock_holder.h"
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
	lease->term.deadline = KTIME_MAX;
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
	struct chring_lease *lease = lock->lease;
	u64 token = 0;

	lockdep_assert_held(&lock->lock);
	if (lock->holder && !lock->nr_shares)
		token = chring_word_token_locked(lock);
	if (lease->token == token)
		return;
	lease->token = token;
	lease->term = (struct chring_term){ .deadline = KTIME_MAX };
}

/* The lease of one who holds its lock */
static struct chring_term *term_of(struct chring_handle *handle)
{
	struct chring_lock *lock = handle->lock;

	return lock->nr_shares ? &handle->term : &lock->lease->term;
}

/* The dead are about to let go; their process may be another program */
static bool is_alive(const struct chring_handle *handle)
{
	return handle->owner && !chring_owner_is_dead(handle->owner);
}

/* Sets the timer to the first end of a lease. */
static void set_timer(struct chring_lock *lock)
{
	ktime_t first = KTIME_MAX;
	struct chring_handle *handle;

	for (handle = lock->holder; handle;
	     handle = chring_holder_next_locked(handle))
		if (is_alive(handle))
			first = min(first, term_of(handle)->deadline);
	if (first != KTIME_MAX)
		hrtimer_start(&lock->lease->timer, first, HRTIMER_MODE_ABS);
}

/**
 * chring_lease_stale_locked - clocks may have to run that did not have to before
 * @lock: caller holds its lock; it can have leases
 *
 * chring_lease_update_locked() is to come. Without this it looks at one who holds
 * the lock alone, but at none of several.
 */
void chring_lease_stale_locked(struct chring_lock *lock)
{
	lockdep_assert_held(&lock->lock);
	lock->lease->stale = true;
}

/**
 * chring_lease_begin_locked - a holder has a lease of its own
 * @handle: has just taken its lock, which can have leases; caller holds that's
 *	lock
 * @grant: what it asked for
 */
void chring_lease_begin_locked(struct chring_handle *handle,
			       const struct chring_grant *grant)
{
	struct chring_term *term;

	follow_holder(handle->lock);
	term = term_of(handle);
	term->given = true;
	term->asked_ms = grant->ttl_ms;
	term->asked = grant->flags;
	chring_lease_stale_locked(handle->lock);
}

/**
 * chring_lease_want_locked - somebody wants a lock that others have
 * @lock: frozen; caller holds its lock; it can have leases
 */
void chring_lease_want_locked(struct chring_lock *lock)
{
	u64 newest = chring_word_token_locked(lock);

	if (lock->lease->wanted == newest)
		return;
	lock->lease->wanted = newest;
	chring_lease_stale_locked(lock);
}

/* Lets a holder's clock run, if it is to run by now, and says whether it did. */
static bool start(struct chring_handle *handle)
{
	struct chring_lock *lock = handle->lock;
	struct chring_term *term = term_of(handle);
	u32 ttl_ms = min_not_zero(lock->lease->ttl_ms, term->asked_ms);

	if (!ttl_ms || term->signalled || term->deadline != KTIME_MAX)
		return false;
	if (!lock->nr_waiters &&
	    chring_holder_token_locked(handle) > lock->lease->wanted &&
	    !(lock->flags & CHRING_LOCK_EAGER) &&
	    !(term->asked & CHRING_ACQUIRE_EAGER))
		return false;
	term->deadline = ktime_add_ms(ktime_get_boottime(), ttl_ms);
	return true;
}

static bool can_kill(const struct chring_lease *lease)
{
	return lease->expiry != CHRING_LEASE_FENCE ||
	       lease->term.asked & (CHRING_ACQUIRE_SIGNAL | CHRING_ACQUIRE_KILL);
}

/**
 * chring_lease_update_locked - let the clocks run that are to run by now
 * @lock: caller holds its lock; it can have leases
 *
 * Also says whose the word is.
 */
void chring_lease_update_locked(struct chring_lock *lock)
{
	struct chring_handle *handle;
	bool started = false;

	follow_holder(lock);
	lock->kernels = can_kill(lock->lease);
	if (lock->nr_shares && !lock->lease->stale)
		return;
	lock->lease->stale = false;
	for (handle = lock->holder; handle;
	     handle = chring_holder_next_locked(handle))
		started |= start(handle);
	if (started)
		set_timer(lock);
}

/**
 * chring_lease_news_locked - what else befell a holder that has died
 * @handle: holds its lock, which is frozen and can have leases; caller holds
 *	that's lock
 *
 * Return: CHRING_NEWS_EXPIRED where it was told to, or 0.
 */
u32 chring_lease_news_locked(struct chring_handle *handle)
{
	follow_holder(handle->lock);
	return term_of(handle)->signalled ? CHRING_NEWS_EXPIRED : 0;
}

/**
 * chring_lease_left_locked - how much of a holder's lease is left
 * @handle: holds its lock, which can have leases; caller holds that's lock
 * @ns: set to it; 0 where it is being ended
 *
 * Return: whether it runs, or has run out.
 */
bool chring_lease_left_locked(struct chring_handle *handle, u64 *ns)
{
	struct chring_lock *lock = handle->lock;
	const struct chring_term *term = term_of(handle);

	lockdep_assert_held(&lock->lock);
	*ns = 0;
	if (!lock->nr_shares &&
	    lock->lease->token != chring_word_token_locked(lock))
		return false;
	if (term->deadline != KTIME_MAX)
		*ns = max(ktime_sub(term->deadline, ktime_get_boottime()), 0);
	return term->signalled || term->deadline != KTIME_MAX;
}

/**
 * chring_lease_view_locked - see how the leases stand
 * @lock: caller holds its lock; it can have leases
 * @view: what is of the leases is filled in
 */
void chring_lease_view_locked(struct chring_lock *lock,
			      struct chring_lock_view *view)
{
	struct chring_handle *handle;
	u64 ns;

	lockdep_assert_held(&lock->lock);
	view->ttl_ms = lock->lease->ttl_ms;
	view->expiry = lock->lease->expiry;
	for (handle = lock->holder; handle;
	     handle = chring_holder_next_locked(handle)) {
		if (!chring_lease_left_locked(handle, &ns))
			continue;
		view->left_ns = view->expires ? min(view->left_ns, ns) : ns;
		view->expires = true;
	}
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

static unsigned int expiry_of(const struct chring_lock *lock,
			      const struct chring_term *term, struct pid *tgid)
{
	unsigned int agreed = CHRING_LEASE_FENCE;

	/* Not one that the word names, nor, ever, init */
	if (!term->given || pid_nr(tgid) == 1)
		return CHRING_LEASE_FENCE;
	if (term->asked & CHRING_ACQUIRE_KILL)
		agreed = CHRING_LEASE_KILL;
	else if (term->asked & CHRING_ACQUIRE_SIGNAL)
		agreed = CHRING_LEASE_SIGNAL;
	/* A lock must not be a way to do more to others than they agreed to */
	if (!owner_may_kill(lock, tgid))
		return agreed;
	return max_t(unsigned int, agreed, lock->lease->expiry);
}

/* A holder's lease is over. Returns the signal that it is to be sent, or 0. */
static int expire_locked(struct chring_handle *handle,
			 struct chring_wakeup *wakeup)
{
	struct chring_lock *lock = handle->lock;
	struct chring_term *term = term_of(handle);
	unsigned int expiry = expiry_of(lock, term, handle->owner->tgid);

	lockdep_assert_held(&lock->lock);
	if (expiry == CHRING_LEASE_FENCE) {
		chring_holder_take_away_locked(handle, CHRING_NEWS_EXPIRED);
		wakeup->poll = true;
		return 0;
	}
	term->deadline = KTIME_MAX;
	if (expiry == CHRING_LEASE_KILL || term->signalled) {
		term->signalled = true;
		return SIGKILL;
	}
	term->signalled = true;
	term->deadline = ktime_add_ms(ktime_get_boottime(),
				      READ_ONCE(grace_ms));
	return SIGTERM;
}

/* One whose lease is over. */
static struct chring_handle *find_over_locked(struct chring_lock *lock)
{
	ktime_t now = ktime_get_boottime();
	struct chring_handle *handle;

	follow_holder(lock);
	for (handle = lock->holder; handle;
	     handle = chring_holder_next_locked(handle))
		if (is_alive(handle) &&
		    !ktime_before(now, term_of(handle)->deadline))
			return handle;
	return NULL;
}

/*
 * Ends one lease that is over, or sets the timer for the next. Returns whether
 * there was one.
 */
static bool end_one(struct chring_lock *lock)
{
	struct chring_wakeup wakeup = {};
	struct chring_handle *over;
	struct pid *tgid = NULL;
	int signal = 0;

	spin_lock(&lock->lock);
	chring_word_freeze_locked(lock);
	over = find_over_locked(lock);
	if (over) {
		tgid = get_pid(over->owner->tgid);
		signal = expire_locked(over, &wakeup);
	} else {
		set_timer(lock);
	}
	chring_queue_settle(lock, &wakeup);
	/* It wakes somebody, and so waits until the lock's lock is let go */
	if (signal)
		kill_pid(tgid, signal, 1);
	put_pid(tgid);
	return over;
}

/**
 * chring_lease_look - look whose leases are over
 * @lock: caller has a reference, or is waited for; it can have leases
 *
 * Context: may sleep; takes the lock's lock.
 */
void chring_lease_look(struct chring_lock *lock)
{
	while (end_one(lock))
		cond_resched();
}
