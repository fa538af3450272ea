/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CHRING_NETLINK_H
#define CHRING_NETLINK_H

int chring_netlink_init(void);
void chring_netlink_exit(void);

#endif /* CHRING_NETLINK_H */
