// SPDX-License-Identifier: GPL-2.0
/*
 * Overriding: a member of a group attaches a program of its own, or detaches
 * the selector, which takes no privilege. Nobody tells the module: it looks at
 * each sweep, and puts the selector back after a while.
 */

#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/minmax.h>

#include "anchor.h"
#include "override.h"
#include "service.h"

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

/**
 * chring_override_sweep - see that the selector is where it was attached
 * @service: not being removed; caller holds the lock of its namespace's services
 *
 * Context: may sleep; takes the locks of anchors.
 */
void chring_override_sweep(struct chring_service *service)
{
	struct chring_anchor *anchor;
	bool overridden = false;

	if (service->anchor)
		overridden = anchor_sweep(service->anchor);
	list_for_each_entry(anchor, &service->asides, list)
		overridden |= anchor_sweep(anchor);
	if (overridden == service->overridden)
		return;
	service->overridden = overridden;
	chring_service_changed_locked(service);
}
