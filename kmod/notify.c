// SPDX-License-Identifier: GPL-2.0
/*
 * Notifications: what has changed, told to who listens.
 *
 * They are sent under the lock that protects what they tell of, after the
 * change: so they are in the order of the changes, and who reads the state
 * after one of them sees that state or a later one. But news of locks, which
 * come under a spinlock, are sent once that is let go.
 */

#include <linux/pid.h>
#include <net/genetlink.h>
#include <net/net_namespace.h>

#include "generated/netlink.h"
#include "lock.h"
#include "lockspace.h"
#include "message.h"
#include "message_lock.h"
#include "notify.h"
#include "service.h"

/* NULL where nobody listens; where memory is short, listeners are told that. */
static struct sk_buff *message_begin(struct net *net, unsigned int group,
				     enum chring_cmd cmd, void **hdr)
{
	struct sk_buff *skb;

	if (!genl_has_listeners(&chring_nl_family, net, group))
		return NULL;
	skb = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_KERNEL);
	if (skb)
		*hdr = genlmsg_put(skb, 0, 0, &chring_nl_family, 0, cmd);
	else
		genl_set_err(&chring_nl_family, net, 0, group, -ENOBUFS);
	return skb;
}

/* @err is of what was put into the message, which can have become too long. */
static void message_send(struct net *net, unsigned int group,
			 struct sk_buff *skb, void *hdr, int err)
{
	if (WARN_ON_ONCE(err)) {
		nlmsg_free(skb);
		genl_set_err(&chring_nl_family, net, 0, group, -ENOBUFS);
		return;
	}
	genlmsg_end(skb, hdr);
	/* What does not reach a listener is an error that it reads */
	genlmsg_multicast_netns(&chring_nl_family, net, skb, 0, group,
				GFP_KERNEL);
}

/**
 * chring_notify_service_locked - tell of a change of a service
 * @cmd: what has happened: CHRING_CMD_SERVICE_..._NTF
 * @service: as it is now; caller holds the lock of its namespace's services
 *
 * Context: may sleep.
 */
void chring_notify_service_locked(enum chring_cmd cmd,
				  struct chring_service *service)
{
	struct net *net = service->net;
	struct sk_buff *skb;
	void *hdr;

	skb = message_begin(net, CHRING_NLGRP_SERVICES, cmd, &hdr);
	if (skb)
		message_send(net, CHRING_NLGRP_SERVICES, skb, hdr,
			     chring_put_service(skb, service, net->user_ns));
}

/**
 * chring_notify_replica_locked - tell of a change of a replica
 * @cmd: what has happened: CHRING_CMD_REPLICA_..._NTF
 * @service: its service; caller holds the lock of the namespace's services
 * @replica: as it is now, or was last
 *
 * Context: may sleep.
 */
void chring_notify_replica_locked(enum chring_cmd cmd,
				  const struct chring_service *service,
				  const struct chring_replica *replica)
{
	struct net *net = service->net;
	struct sk_buff *skb;
	void *hdr;

	skb = message_begin(net, CHRING_NLGRP_SERVICES, cmd, &hdr);
	if (skb)
		message_send(net, CHRING_NLGRP_SERVICES, skb, hdr,
			     chring_put_replica(skb, service, replica));
}

static void notify_lock(enum chring_cmd cmd, struct chring_lock *lock, u32 news,
			u64 token)
{
	struct net *net = lock->space->net;
	struct chring_lock_view view;
	struct sk_buff *skb;
	void *hdr;
	int err;

	skb = message_begin(net, CHRING_NLGRP_LOCKS, cmd, &hdr);
	if (!skb)
		return;
	/* A look at the word could bring news in turn */
	chring_lock_peek(lock, &view);
	if (news) {
		view.news = news;
		view.dead_token = token;
	}
	err = chring_put_lock(skb, lock, &view, net->user_ns, NULL);
	put_pid(view.tgid);
	message_send(net, CHRING_NLGRP_LOCKS, skb, hdr, err);
}

/**
 * chring_notify_lock - tell of a change of a lock
 * @cmd: what has happened: CHRING_CMD_LOCK_..._NTF
 * @lock: as it is now, or was last; caller has its lockspace's lock
 *
 * Context: may sleep; takes the lock's lock.
 */
void chring_notify_lock(enum chring_cmd cmd, struct chring_lock *lock)
{
	notify_lock(cmd, lock, 0, 0);
}

/**
 * chring_notify_lock_news - tell of a lock's news
 * @lock: the lock; caller has a reference, or its lockspace's lock
 * @news: CHRING_NEWS_...
 * @token: of the holder that they are of
 *
 * Context: may sleep; takes the lock's lock.
 */
void chring_notify_lock_news(struct chring_lock *lock, u32 news, u64 token)
{
	static const enum chring_cmd cmds[] = {
		CHRING_CMD_LOCK_OWNER_DIED_NTF,
		CHRING_CMD_LOCK_BROKEN_NTF,
		CHRING_CMD_LOCK_CORRUPT_NTF,
		CHRING_CMD_LOCK_EXPIRED_NTF,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cmds); i++)
		if (news & BIT(i))
			notify_lock(cmds[i], lock, BIT(i), token);
}
