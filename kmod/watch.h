/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CHRING_WATCH_H
#define CHRING_WATCH_H

#include <linux/types.h>

struct chring_watch;
struct delayed_work;
struct netlink_ext_ack;

struct chring_watch *chring_watch_start(unsigned int pidfd,
					struct delayed_work *work,
					struct netlink_ext_ack *extack);
bool chring_watch_over(const struct chring_watch *watch);
void chring_watch_stop(struct chring_watch *watch);

#endif /* CHRING_WATCH_H */
