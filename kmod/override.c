// SPDX-License-Identifier: GPL-2.0
/*
 * Overriding: a member of a group attaches a program of its own, or detaches
 * the selector, which takes no privilege. Nobody tells the module: it looks at
 * each sweep, and puts the selector back after a while, or leaves the port, as
 * the service is set to.
 */

#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/xarray.h>

#include "anchor.h"
#include "aside.h"
#include "membership.h"
#include "override.h"
#include "replica.h"
#include "service.h"
#include "table.h"

/*
 * Who puts another program back at once would be fought for ever: the wait is
 * twice as long each time, until the selector has stayed for MAX_DELAY.
 */
#define MIN_DELAY	(HZ / 10)
#define MAX_DELAY	(10 * HZ)

/* Returns whether the selector is not where it is to be. */
static bool anchor_check(struct chring_anchor *anchor)
{
	if (!chring_anchor_steers(anchor)) {
		anchor->delay = clamp_t(unsigned long, 2 * anchor->delay,
					MIN_DELAY, MAX_DELAY);
		anchor->since = jiffies + anchor->delay;
		return true;
	}
	if (anchor->delay && time_after(jiffies, anchor->since + MAX_DELAY))
		anchor->delay = 0;
	return false;
}

/* The same, where it was so before. */
static bool anchor_recheck(struct chring_anchor *anchor)
{
	if (time_before(jiffies, anchor->since) ||
	    chring_anchor_reattach(anchor))
		return true;
	anchor->since = jiffies;
	return false;
}

static bool anchor_sweep(struct chring_anchor *anchor)
{
	anchor->overridden = anchor->overridden ? anchor_recheck(anchor) :
						  anchor_check(anchor);
	return anchor->overridden;
}

static void asides_leave(struct chring_service *service)
{
	struct chring_anchor *anchor, *next;
	struct chring_replica *replica;
	unsigned long index;

	xa_for_each(&service->replicas, index, replica)
		replica->aside = NULL;
	list_for_each_entry_safe(anchor, next, &service->asides, list) {
		anchor->nr_replicas = 0;
		list_del(&anchor->list);
		chring_service_retire_anchor(anchor);
	}
}

/* A socket in the group of the home anchor, by which that is to leave */
static struct sock *home_member(struct chring_service *service)
{
	struct chring_replica *replica;
	unsigned long index;

	xa_for_each(&service->replicas, index, replica)
		if (chring_at_home(service, replica->port) &&
		    chring_replica_alive(replica))
			return replica->sk;
	return NULL;
}

/*
 * The anchors go: by hash, or by the other program, they would have a share of
 * the flows.
 */
static void service_leave(struct chring_service *service)
{
	struct chring_anchor *anchor = service->anchor;

	chring_anchor_leave_by(anchor, home_member(service));
	service->anchor = NULL;
	service->left = true;
	chring_service_retire_anchor(anchor);
	asides_leave(service);
}

/**
 * chring_override_sweep - see that the selector is where it was attached
 * @service: not being removed; caller holds the lock of its namespace's services
 *
 * Context: may sleep; takes the locks of anchors.
 */
void chring_override_sweep(struct chring_service *service)
{
	struct chring_anchor *anchor;
	bool overridden;

	if (!service->anchor)
		return;
	overridden = anchor_sweep(service->anchor);
	list_for_each_entry(anchor, &service->asides, list)
		overridden |= anchor_sweep(anchor);
	if (overridden && service->leave)
		service_leave(service);
	if (overridden != service->overridden) {
		service->overridden = overridden;
		chring_service_changed_locked(service);
	}
	if (service->left && !service->nr_replicas)
		chring_override_forget(service);
}

/**
 * chring_override_forget - a service that has left its port is idle
 * @service: has no replicas; caller holds the lock of its namespace's services
 *
 * Its next replica is like its first.
 *
 * Context: may sleep.
 */
void chring_override_forget(struct chring_service *service)
{
	service->left = false;
	service->overridden = false;
	chring_service_changed_locked(service);
}

/* Those of replicas on other ports come back with them. */
static int asides_join(struct chring_service *service,
		       struct netlink_ext_ack *extack)
{
	struct chring_anchor *anchor;
	struct chring_replica *replica;
	unsigned long index;

	xa_for_each(&service->replicas, index, replica) {
		if (chring_at_home(service, replica->port) ||
		    !chring_replica_alive(replica))
			continue;
		chring_group_clear(replica->sk);
		anchor = chring_aside_get(service, replica->sk, extack);
		if (IS_ERR(anchor))
			return PTR_ERR(anchor);
		replica->aside = anchor;
	}
	return 0;
}

static struct chring_anchor *home_join(struct chring_net *cn,
				       struct chring_service *service,
				       struct netlink_ext_ack *extack)
{
	struct sock *member = home_member(service);
	const struct chring_table *table;

	if (member)
		chring_group_clear(member);
	table = rcu_dereference_protected(service->selector.table,
					  lockdep_is_held(&cn->lock));
	return chring_anchor_join(&service->selector, table, service->net,
				  &service->address, service->owner, extack);
}

/**
 * chring_override_end - steer again where the port was left
 * @cn: services of the network namespace; caller holds its lock
 * @service: one of them
 * @extack: says why not
 *
 * What other programs are there go, even where this fails.
 *
 * Context: may sleep; takes the locks of chring_anchor_join().
 * Return: 0, or what chring_anchor_join() and chring_anchor_join_aside() return.
 */
int chring_override_end(struct chring_net *cn, struct chring_service *service,
			struct netlink_ext_ack *extack)
{
	struct chring_anchor *anchor;
	int err;

	if (!service->left)
		return 0;
	err = asides_join(service, extack);
	anchor = err ? ERR_PTR(err) : home_join(cn, service, extack);
	if (IS_ERR(anchor)) {
		asides_leave(service);
		return PTR_ERR(anchor);
	}
	service->anchor = anchor;
	service->left = false;
	service->overridden = false;
	return 0;
}
