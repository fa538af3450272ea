/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CHRING_MEMBERSHIP_H
#define CHRING_MEMBERSHIP_H

#include <linux/types.h>

struct chring_net;
struct chring_replica_args;
struct chring_service;
struct chring_table;
struct list_head;
struct netlink_ext_ack;
struct sock;

bool chring_at_home(const struct chring_service *service, __be16 port);
int chring_member_enter_locked(struct chring_net *cn,
			       struct chring_service *service,
			       struct chring_replica_args *args,
			       struct sock *sk,
			       struct netlink_ext_ack *extack);
void chring_member_retract_locked(struct chring_net *cn,
				  struct chring_service *service,
				  const struct chring_replica_args *args);
void chring_member_resize_locked(struct chring_net *cn,
				 struct chring_service *service,
				 const struct chring_replica_args *args);
void chring_members_publish_locked(struct chring_net *cn,
				   struct chring_service *service,
				   struct chring_table *table);
int chring_members_settle_locked(struct chring_net *cn,
				 struct chring_service *service,
				 struct netlink_ext_ack *extack);
void chring_member_replaced_locked(struct chring_service *service,
				   const struct chring_replica_args *args);
void chring_members_leave_locked(struct chring_net *cn,
				 struct chring_service *service,
				 struct list_head *leaving,
				 struct chring_table *table);
void chring_members_free(struct chring_net *cn, struct chring_service *service);

#endif /* CHRING_MEMBERSHIP_H */
