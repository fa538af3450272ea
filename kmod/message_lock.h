/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CHRING_MESSAGE_LOCK_H
#define CHRING_MESSAGE_LOCK_H

struct chring_lock;
struct chring_lock_view;
struct pid_namespace;
struct sk_buff;
struct user_namespace;

int chring_put_lock(struct sk_buff *skb, const struct chring_lock *lock,
		    const struct chring_lock_view *view,
		    struct user_namespace *user_ns,
		    struct pid_namespace *pid_ns);
int chring_put_lock_holders(struct sk_buff *skb, struct chring_lock *lock,
			    struct pid_namespace *pid_ns);

#endif /* CHRING_MESSAGE_LOCK_H */
