/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CHRING_ASIDE_H
#define CHRING_ASIDE_H

struct chring_anchor;
struct chring_replica;
struct chring_service;
struct netlink_ext_ack;
struct sock;

struct chring_anchor *chring_aside_get(struct chring_service *service,
				       struct sock *sk,
				       struct netlink_ext_ack *extack);
void chring_aside_put(struct chring_service *service,
		      struct chring_replica *leaving);
void chring_aside_retire(struct chring_service *service);

#endif /* CHRING_ASIDE_H */
