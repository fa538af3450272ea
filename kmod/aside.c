// SPDX-License-Identifier: GPL-2.0
/*
 * The anchors of a service on other ports than its own, where TCP replicas
 * listen: one for each group, shared by the replicas that are in it.
 */

#include <linux/list.h>
#include <linux/xarray.h>

#include "anchor.h"
#include "aside.h"
#include "replica.h"
#include "service.h"

/**
 * chring_aside_get - the anchor on another port of a listener
 * @service: of the listener; caller holds the lock of its namespace's services
 * @sk: the listener
 * @extack: says why not
 *
 * Context: may sleep; takes the locks of chring_anchor_join_aside().
 * Return: the anchor, which counts one replica more; or an error pointer, as
 * chring_anchor_join_aside().
 */
struct chring_anchor *chring_aside_get(struct chring_service *service,
				       struct sock *sk,
				       struct netlink_ext_ack *extack)
{
	struct chring_anchor *anchor;

	list_for_each_entry(anchor, &service->asides, list) {
		if (chring_anchor_shares(anchor, sk)) {
			chring_anchor_leave_by(anchor, sk);
			anchor->nr_replicas++;
			return anchor;
		}
	}
	anchor = chring_anchor_join_aside(&service->selector, sk, extack);
	if (IS_ERR(anchor))
		return anchor;
	anchor->nr_replicas = 1;
	list_add_tail(&anchor->list, &service->asides);
	return anchor;
}

/* A reference on one that is closed would keep its requests' group for good. */
static void forget_closed(struct chring_anchor *anchor)
{
	if (anchor->member &&
	    !chring_target_alive(anchor->member,
				 chring_ports(anchor->address.port)))
		chring_anchor_leave_by(anchor, NULL);
}

/**
 * chring_aside_put - a replica needs its anchor no more
 * @service: caller holds the lock of its namespace's services
 * @leaving: the replica, which has one; gets none
 *
 * The anchor leaves by a socket of a replica that still needs it, if any.
 *
 * Context: may sleep.
 */
void chring_aside_put(struct chring_service *service,
		      struct chring_replica *leaving)
{
	struct chring_anchor *anchor = leaving->aside;
	struct chring_replica *replica;
	unsigned long index;

	leaving->aside = NULL;
	anchor->nr_replicas--;
	xa_for_each(&service->replicas, index, replica) {
		if (replica->aside == anchor) {
			chring_anchor_leave_by(anchor, replica->sk);
			return;
		}
	}
	forget_closed(anchor);
}

/**
 * chring_aside_retire - let go of the anchors that no replica needs
 * @service: caller holds the lock of its namespace's services
 *
 * Others that need one may come until the sweep has been; and a listener that
 * closed may have left requests behind, which its group still has to steer.
 *
 * Context: may sleep.
 */
void chring_aside_retire(struct chring_service *service)
{
	struct chring_anchor *anchor, *next;

	list_for_each_entry_safe(anchor, next, &service->asides, list) {
		if (anchor->nr_replicas)
			continue;
		/* It may be closed only now that its replica is gone */
		forget_closed(anchor);
		if (chring_anchor_busy(anchor))
			continue;
		list_del(&anchor->list);
		chring_service_retire_anchor(anchor);
	}
}
