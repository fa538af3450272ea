// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Events: the family's notifications. They come over a socket of their own, so
 * that requests and their answers are not mixed up with them.
 */
#include <errno.h>
#include <linux/genetlink.h>
#include <netlink/errno.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/socket.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "private.h"

/* Room for a few thousand events, where the kernel gives as much. */
#define EVENT_ROOM (4 << 20)

/* More than any notification takes. */
#define EVENT_SIZE 8192

/* The family's multicast groups. */
static const struct {
	unsigned int events;		/* CHRING_EVENTS_... */
	const char *name;
} groups[] = {
	{ CHRING_EVENTS_SERVICES, CHRING_MCGRP_SERVICES },
	{ CHRING_EVENTS_LOCKS, CHRING_MCGRP_LOCKS },
};

static int take_service(struct chring *chring, struct nlmsghdr *message,
			void *arg)
{
	struct chring_event *event = arg;

	return chring_take_service(chring, message, &event->service);
}

static int take_replica(struct chring *chring, struct nlmsghdr *message,
			void *arg)
{
	struct chring_list list = { .item_size = sizeof(struct chring_replica) };
	struct chring_event *event = arg;
	int ret;

	ret = chring_take_replicas(chring, message, &list);
	if (!ret && list.count != 1)
		ret = chring_fail_reply(chring);
	if (!ret)
		event->replica = *(struct chring_replica *)list.items;
	free(list.items);
	return ret;
}

static int take_lock(struct chring *chring, struct nlmsghdr *message, void *arg)
{
	struct chring_event *event = arg;

	return chring_take_lock(chring, message, &event->lock);
}

/* By CHRING_EVENT_... */
static const struct {
	int cmd;
	const char *name;
	chring_reply_fn take;		/* fills a struct chring_event */
} types[] = {
	[CHRING_EVENT_SERVICE_NEW] = {
		CHRING_CMD_SERVICE_NEW_NTF, "service-new", take_service
	},
	[CHRING_EVENT_SERVICE_SET] = {
		CHRING_CMD_SERVICE_SET_NTF, "service-set", take_service
	},
	[CHRING_EVENT_SERVICE_DEL] = {
		CHRING_CMD_SERVICE_DEL_NTF, "service-del", take_service
	},
	[CHRING_EVENT_REPLICA_NEW] = {
		CHRING_CMD_REPLICA_NEW_NTF, "replica-new", take_replica
	},
	[CHRING_EVENT_REPLICA_SET] = {
		CHRING_CMD_REPLICA_SET_NTF, "replica-set", take_replica
	},
	[CHRING_EVENT_REPLICA_DEL] = {
		CHRING_CMD_REPLICA_DEL_NTF, "replica-del", take_replica
	},
	[CHRING_EVENT_LOCK_NEW] = {
		CHRING_CMD_LOCK_NEW_NTF, "lock-new", take_lock
	},
	[CHRING_EVENT_LOCK_SET] = {
		CHRING_CMD_LOCK_SET_NTF, "lock-set", take_lock
	},
	[CHRING_EVENT_LOCK_DEL] = {
		CHRING_CMD_LOCK_DEL_NTF, "lock-del", take_lock
	},
	[CHRING_EVENT_LOCK_OWNER_DIED] = {
		CHRING_CMD_LOCK_OWNER_DIED_NTF, "lock-owner-died", take_lock
	},
	[CHRING_EVENT_LOCK_BROKEN] = {
		CHRING_CMD_LOCK_BROKEN_NTF, "lock-broken", take_lock
	},
	[CHRING_EVENT_LOCK_CORRUPT] = {
		CHRING_CMD_LOCK_CORRUPT_NTF, "lock-corrupt", take_lock
	},
	[CHRING_EVENT_LOCK_EXPIRED] = {
		CHRING_CMD_LOCK_EXPIRED_NTF, "lock-expired", take_lock
	},
};

CHRING_EXPORT const char *chring_event_name(uint32_t type)
{
	return type < CHRING_ARRAY_SIZE(types) ? types[type].name : "unknown";
}

/* What is lost when there is too little room is told, so failure is not. */
static void make_room(int fd)
{
	int room = EVENT_ROOM;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
}

static int open_events(struct chring *chring)
{
	int ret;

	if (chring->events)
		return 0;
	chring->events = nl_socket_alloc();
	if (!chring->events)
		return chring_fail_nomem(chring);
	ret = genl_connect(chring->events);
	if (ret < 0) {
		nl_socket_free(chring->events);
		chring->events = NULL;
		return chring_fail_nl(chring, ret, "cannot open netlink");
	}
	make_room(nl_socket_get_fd(chring->events));
	return 0;
}

static int join_group(struct chring *chring, const char *name)
{
	int ret;

	ret = genl_ctrl_resolve_grp(chring->sock, CHRING_FAMILY_NAME, name);
	if (ret == -NLE_OBJ_NOTFOUND)
		return chring_fail(chring, ENOENT,
				   "the module does not tell of %s", name);
	if (ret >= 0)
		ret = nl_socket_add_membership(chring->events, ret);
	if (ret == -NLE_PERM)
		return chring_fail(chring, EPERM,
				   "to be told of %s needs CAP_NET_ADMIN: %s",
				   name, strerror(EPERM));
	if (ret < 0)
		return chring_fail_nl(chring, ret, "cannot listen for events");
	return 0;
}

CHRING_EXPORT int chring_subscribe(struct chring *chring, unsigned int events)
{
	unsigned int known = 0;
	size_t i;
	int ret;

	for (i = 0; i < CHRING_ARRAY_SIZE(groups); i++)
		known |= groups[i].events;
	if (!events || events & ~known)
		return chring_fail(chring, EINVAL, "there are no such events: %s",
				   strerror(EINVAL));
	if (!chring->sock)
		return chring_fail(chring, ENOTCONN, "the handle is not open");

	ret = open_events(chring);
	for (i = 0; !ret && i < CHRING_ARRAY_SIZE(groups); i++)
		if (events & groups[i].events)
			ret = join_group(chring, groups[i].name);
	return ret;
}

CHRING_EXPORT int chring_event_fd(struct chring *chring)
{
	if (!chring->events)
		return chring_fail(chring, ENOTCONN,
				   "the handle has not subscribed to events");
	return nl_socket_get_fd(chring->events);
}

/* Returns 0 also for what is not an event that is known; its type says that. */
static int take_event(struct chring *chring, struct nlmsghdr *message,
		      struct chring_event *event)
{
	uint32_t type;

	memset(event, 0, sizeof(*event));
	event->type = CHRING_ARRAY_SIZE(types);
	if (message->nlmsg_type != chring->family ||
	    !nlmsg_valid_hdr(message, GENL_HDRLEN))
		return 0;
	for (type = 0; type < CHRING_ARRAY_SIZE(types); type++) {
		if (types[type].cmd != genlmsg_hdr(message)->cmd)
			continue;
		event->type = type;
		return types[type].take(chring, message, event);
	}
	return 0;
}

/* The kernel sends each notification by itself. */
static int receive(struct chring *chring, struct chring_event *event)
{
	struct nlmsghdr buffer[EVENT_SIZE / sizeof(struct nlmsghdr)];
	struct sockaddr_nl from = { 0 };
	socklen_t size = sizeof(from);
	ssize_t length;

	length = recvfrom(nl_socket_get_fd(chring->events), buffer,
			  sizeof(buffer), MSG_DONTWAIT | MSG_TRUNC,
			  (struct sockaddr *)&from, &size);
	if (length < 0 && errno == ENOBUFS)
		return chring_fail(chring, ENOBUFS, "events were lost");
	if (length < 0)
		return chring_fail_errno(chring, errno, "cannot read events");

	event->type = CHRING_ARRAY_SIZE(types);
	/* Any process may write to a netlink socket; the kernel is port 0. */
	if (from.nl_pid)
		return 0;
	if (!nlmsg_ok(buffer, length))
		return chring_fail_reply(chring);
	return take_event(chring, buffer, event);
}

CHRING_EXPORT int chring_event_next(struct chring *chring,
				    struct chring_event *event)
{
	int ret;

	ret = chring_event_fd(chring);
	if (ret < 0)
		return ret;
	do
		ret = receive(chring, event);
	while (!ret && event->type == CHRING_ARRAY_SIZE(types));
	return ret;
}
