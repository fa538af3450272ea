/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CHRING_MESSAGE_H
#define CHRING_MESSAGE_H

struct chring_plan;
struct chring_plan_row;
struct chring_replica;
struct chring_service;
struct sk_buff;
struct user_namespace;

int chring_put_service(struct sk_buff *skb, struct chring_service *service,
		       struct user_namespace *ns);
int chring_put_seed(struct sk_buff *skb, const struct chring_service *service);
int chring_put_replica(struct sk_buff *skb,
		       const struct chring_service *service,
		       const struct chring_replica *replica);
int chring_put_plan(struct sk_buff *skb, const struct chring_plan *plan,
		    const struct chring_plan_row *row);

#endif /* CHRING_MESSAGE_H */
