// SPDX-License-Identifier: GPL-2.0
/*
 * Deadlocks: who waits for whom, as it is found in the locks.
 *
 * It starts at the process that asks, which is in a queue already, and goes from
 * each process that it finds to the locks that its threads wait for, and on to
 * those who hold them, or are to have them before. A process of which anything
 * still runs can let go of what it holds: there it ends. What was found is
 * judged by knot.c.
 *
 * Locks are looked at one by one, so what is found may never have been so.
 * If it is a deadlock it is looked for again: waits have numbers, acquisitions
 * tokens, neither of which is there twice; so whatever is in both was there all
 * the time from the end of the first look to the beginning of the second, and
 * the deadlock is one. That its processes can do nothing about it means that it
 * stays one, too.
 *
 * Of several who close a cycle at once, the last one to queue finds all others in
 * their queues, and what they hold they had before. As the lockspace's lock is
 * held until whoever is refused has left the queue, nobody else is then.
 * That lock also keeps the locks: those who wait for one have a handle of it.
 */

#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <net/net_namespace.h>

#include "access.h"
#include "knot.h"
#include "lock.h"
#include "lock_deadlock.h"
#include "lock_holder.h"
#include "lock_queue.h"
#include "lock_word.h"
#include "lockspace.h"
#include "owner.h"

/* So many of a lock's holders are looked at, and of its waiters */
#define SCAN 64

static_assert(CHRING_KNOT_PROCESSES == CHRING_STEPS_MAX);

/**
 * struct look - what is needed to look for a deadlock
 * @knot: who waits for whom
 * @again: the same, a little later
 * @edges: of the cycle
 */
struct look {
	struct chring_knot knot;
	struct chring_knot again;
	u16 edges[CHRING_KNOT_PROCESSES];
};

/* ---- who waits for whom */

/*
 * Notes the waits of a process, if nothing of it runs. The latest comes first. Who
 * has a signal pending is about to leave; and what waits in another lockspace,
 * whose locks are not ours to look at, may be about to.
 */
static bool add_waits_locked(struct chring_knot *knot,
			     const struct chring_owner *owner,
			     const struct chring_lockspace *space)
{
	struct chring_waiter *waiter;
	unsigned int nr = knot->nr_waits;

	if (!chring_owner_is_stuck_locked(owner) ||
	    owner->nr_waits > CHRING_KNOT_WAITS - nr)
		return false;
	list_for_each_entry_reverse(waiter, &owner->waits, waits) {
		struct chring_lock *lock = waiter->handle->lock;

		if (lock->space != space || signal_pending(waiter->task))
			return false;
		knot->waits[nr++] = (struct chring_knot_wait){
			.lock = lock,
			.id = waiter->id,
			.process = knot->nr_processes,
			.needed = 1,
		};
	}
	return true;
}

/* Returns the number of a process, or -1 where it is not, or cannot be, noted. */
static int add_process(struct chring_knot *knot, struct chring_owner *owner,
		       const struct chring_lockspace *space)
{
	bool added;
	int i;

	for (i = 0; i < knot->nr_processes; i++)
		if (knot->processes[i].owner == owner)
			return i;
	if (i == CHRING_KNOT_PROCESSES)
		return -1;
	spin_lock(&owner->lock);
	added = add_waits_locked(knot, owner, space);
	if (added) {
		knot->processes[i] = (struct chring_knot_process){
			.owner = owner,
			.wait = knot->nr_waits,
			.nr_waits = owner->nr_waits,
			.stuck = true,
		};
		knot->nr_waits += owner->nr_waits;
	}
	spin_unlock(&owner->lock);
	if (!added)
		return -1;
	chring_owner_get(owner);
	knot->nr_processes++;
	return i;
}

/* What a wait is for; not there where that is nothing that could be stuck. */
static void add_edge(struct chring_knot *knot, struct chring_knot_wait *wait,
		     struct chring_owner *owner, u64 key, bool queued)
{
	int process;

	if (!owner || knot->nr_edges == CHRING_KNOT_EDGES)
		return;
	process = add_process(knot, owner, wait->lock->space);
	if (process < 0)
		return;
	knot->edges[knot->nr_edges++] = (struct chring_knot_edge){
		.key = key,
		.process = process,
		.wait = wait - knot->waits,
		.queued = queued,
	};
	wait->nr_edges++;
}

/* Who has to let go of the lock? */
static void add_holders_locked(struct chring_knot *knot,
			       struct chring_knot_wait *wait,
			       const struct chring_waiter *waiter)
{
	bool shares = chring_holder_shares_locked(waiter);
	struct chring_handle *handle = waiter->handle;
	struct chring_lock *lock = wait->lock;
	unsigned int i;

	if (chring_holder_fits_locked(waiter))
		return;
	/* It has its share already, and waits for that to be let go of */
	if (shares && handle->token) {
		add_edge(knot, wait, handle->owner, handle->token, false);
		return;
	}
	/* Who has no room beside others needs one of them to go, whichever */
	if (shares && lock->nr_shares)
		wait->needed = lock->nr_shares;
	handle = lock->holder;
	for (i = 0; handle && i < SCAN; i++) {
		add_edge(knot, wait, handle->owner,
			 chring_holder_token_locked(handle), false);
		handle = chring_holder_next_locked(handle);
	}
}

/*
 * Who has to have had the lock before? Whoever wants it alone waits for those who
 * hold it, as do all that are before it in the queue; who shares it may only wait
 * for the latter.
 */
static void add_queue_locked(struct chring_knot *knot,
			     struct chring_knot_wait *wait,
			     const struct chring_waiter *waiter)
{
	const struct chring_waiter *before = waiter;
	unsigned int i = 0;

	if (!chring_holder_shares_locked(waiter))
		return;
	list_for_each_entry_continue_reverse(before, &wait->lock->waiters,
					     node) {
		if (i++ == SCAN)
			break;
		add_edge(knot, wait, before->owner, before->id, true);
	}
}

/* A wait that was noted, if it still lasts; caller holds the lock's lock. */
static const struct chring_waiter *
find_waiter_locked(struct chring_owner *owner, u64 id)
{
	const struct chring_waiter *waiter, *found = NULL;

	spin_lock(&owner->lock);
	list_for_each_entry(waiter, &owner->waits, waits)
		if (waiter->id == id) {
			found = waiter;
			break;
		}
	spin_unlock(&owner->lock);
	return found;
}

static void add_edges(struct chring_knot *knot, struct chring_knot_wait *wait)
{
	struct chring_wakeup wakeup = {};
	const struct chring_waiter *waiter;
	struct chring_lock *lock = wait->lock;

	wait->edge = knot->nr_edges;
	spin_lock(&lock->lock);
	waiter = find_waiter_locked(knot->processes[wait->process].owner,
				    wait->id);
	if (!waiter) {
		spin_unlock(&lock->lock);
		return;
	}
	chring_word_freeze_locked(lock);
	add_holders_locked(knot, wait, waiter);
	add_queue_locked(knot, wait, waiter);
	chring_queue_settle(lock, &wakeup);
}

/* Notes who waits for whom, as far as there is room. */
static bool collect(struct chring_knot *knot, struct chring_owner *owner,
		    const struct chring_lockspace *space)
{
	unsigned int i;

	lockdep_assert_held(&space->lock);
	knot->nr_processes = 0;
	knot->nr_waits = 0;
	knot->nr_edges = 0;
	if (add_process(knot, owner, space) < 0)
		return false;
	for (i = 0; i < knot->nr_waits; i++) {
		add_edges(knot, &knot->waits[i]);
		cond_resched();
	}
	return true;
}

static void forget(struct chring_knot *knot)
{
	while (knot->nr_processes)
		chring_owner_put(knot->processes[--knot->nr_processes].owner);
}

/* Returns the length of a cycle that the owner is in, which @look has; or 0. */
static unsigned int find_cycle(struct look *look, struct chring_owner *owner,
			       const struct chring_lockspace *space)
{
	struct chring_knot *knot = &look->knot;

	if (!collect(knot, owner, space) || !chring_knot_tie(knot) ||
	    !chring_knot_cycle(knot, look->edges))
		return 0;
	collect(&look->again, owner, space);
	chring_knot_intersect(knot, &look->again);
	if (!chring_knot_tie(knot))
		return 0;
	return chring_knot_cycle(knot, look->edges);
}

/* ---- telling of it */

/* What the current process may know: of itself all. */
static void describe_step(const struct chring_knot *knot, unsigned int nr,
			  const struct chring_subject *subject,
			  struct chring_lock_step *step)
{
	const struct chring_knot_edge *edge = &knot->edges[nr];
	const struct chring_knot_wait *wait = &knot->waits[edge->wait];
	bool may = chring_access_may_see(wait->lock, subject);

	*step = (struct chring_lock_step){};
	if (edge->queued)
		step->flags |= CHRING_STEP_QUEUED;
	if (may || !edge->process) {
		step->pid = pid_vnr(knot->processes[edge->process].owner->tgid);
		step->token = edge->queued ? 0 : edge->key;
	}
	if (may || !edge->process || !wait->process)
		strscpy(step->name, wait->lock->name);
}

static struct chring_deadlock *describe(const struct look *look,
					unsigned int nr,
					const struct chring_lockspace *space)
{
	struct chring_subject subject = {
		.uid = current_fsuid(),
		.admin = ns_capable(space->net->user_ns, CAP_NET_ADMIN),
	};
	struct chring_deadlock *deadlock;
	unsigned int i;

	deadlock = kmalloc(struct_size(deadlock, steps, nr),
			   GFP_KERNEL_ACCOUNT);
	if (!deadlock)
		return NULL;
	deadlock->nr = nr;
	for (i = 0; i < nr; i++)
		describe_step(&look->knot, look->edges[i], &subject,
			      &deadlock->steps[i]);
	return deadlock;
}

/* ---- who asks */

/* The process whose wait this is, with a reference, if it can be in a deadlock. */
static struct chring_owner *stuck_owner(const struct chring_waiter *waiter)
{
	struct chring_lock *lock = waiter->handle->lock;
	struct chring_owner *owner = NULL;

	spin_lock(&lock->lock);
	if (!list_empty(&waiter->node)) {
		spin_lock(&waiter->owner->lock);
		if (chring_owner_is_stuck_locked(waiter->owner))
			owner = waiter->owner;
		spin_unlock(&waiter->owner->lock);
	}
	if (owner)
		chring_owner_get(owner);
	spin_unlock(&lock->lock);
	return owner;
}

/**
 * chring_deadlock_can_be - is it worth looking for a deadlock?
 * @waiter: the current thread's
 *
 * Context: process; takes the lock's lock, and the owner's in it.
 * Return: whether nothing of the process runs but what has called this.
 */
bool chring_deadlock_can_be(const struct chring_waiter *waiter)
{
	struct chring_owner *owner = stuck_owner(waiter);

	if (!owner)
		return false;
	chring_owner_put(owner);
	return true;
}

/**
 * chring_deadlock_find_locked - look for a cycle that a process has closed
 * @waiter: the current thread's; caller holds the lockspace's lock, and keeps it
 *	until the waiter has left the queue
 * @deadlock: set to the cycle, to be freed
 *
 * Context: may sleep; takes the locks' locks, one by one, and the owners' in them.
 * Return: 0 where none was found; -EDEADLK; -ENOMEM.
 */
int chring_deadlock_find_locked(const struct chring_waiter *waiter,
				struct chring_deadlock **deadlock)
{
	const struct chring_lockspace *space = waiter->handle->lock->space;
	struct chring_owner *owner;
	struct look *look;
	unsigned int nr;
	int err = 0;

	lockdep_assert_held(&space->lock);
	look = kmalloc(sizeof(*look), GFP_KERNEL_ACCOUNT);
	if (!look)
		return -ENOMEM;
	owner = stuck_owner(waiter);
	if (!owner)
		goto free;
	look->again.nr_processes = 0;
	nr = find_cycle(look, owner, space);
	if (nr) {
		*deadlock = describe(look, nr, space);
		err = *deadlock ? -EDEADLK : -ENOMEM;
	}
	forget(&look->knot);
	forget(&look->again);
	chring_owner_put(owner);
free:
	kfree(look);
	return err;
}
