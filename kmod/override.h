/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CHRING_OVERRIDE_H
#define CHRING_OVERRIDE_H

struct chring_net;
struct chring_service;
struct netlink_ext_ack;

void chring_override_sweep(struct chring_service *service);
void chring_override_forget(struct chring_service *service);
int chring_override_end(struct chring_net *cn, struct chring_service *service,
			struct netlink_ext_ack *extack);

#endif /* CHRING_OVERRIDE_H */
