// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <linux/genetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "private.h"

CHRING_EXPORT const char *chring_replica_state_name(uint32_t state)
{
	static const char *const names[] = {
		[CHRING_REPLICA_UP]	= "up",
		[CHRING_REPLICA_DEAD]	= "dead",
		[CHRING_REPLICA_DRAINING] = "draining",
		[CHRING_REPLICA_FULL]	= "full",
		[CHRING_REPLICA_JOINING] = "joining",
	};

	return state < CHRING_ARRAY_SIZE(names) ? names[state] : "unknown";
}

/* A request about @service, with room for @size bytes of replicas. */
static int service_request(struct chring *chring, struct nl_msg **msg, int cmd,
			   int flags, const char *service, size_t size)
{
	int ret;

	ret = chring_request(chring, msg, cmd, flags,
			     chring_name_size(service) + size);
	if (ret < 0)
		return ret;
	ret = chring_put_name(chring, *msg, CHRING_A_REPLICAS_SERVICE, service);
	if (ret < 0)
		nlmsg_free(*msg);
	return ret;
}

/* Room that a replica takes in a message. */
static size_t replica_size(const char *name)
{
	return nla_total_size(chring_name_size(name) +
			      5 * nla_total_size(sizeof(uint32_t)));
}

static int begin_replica(struct chring *chring, struct nl_msg *msg,
			 const char *name, struct nlattr **nest)
{
	*nest = nla_nest_start(msg, CHRING_A_REPLICAS_REPLICA);
	if (!*nest)
		return chring_fail_nomem(chring);
	return chring_put_name(chring, msg, CHRING_A_REPLICA_NAME, name);
}

static int put_named_replica(struct chring *chring, struct nl_msg *msg,
			     const char *name)
{
	struct nlattr *nest;
	int ret;

	ret = begin_replica(chring, msg, name, &nest);
	if (ret < 0)
		return ret;
	nla_nest_end(msg, nest);
	return 0;
}

static int put_replica(struct chring *chring, struct nl_msg *msg, int cmd,
		       const struct chring_replica_request *replica, int pidfd)
{
	bool is_new = cmd == CHRING_CMD_REPLICA_NEW;
	struct nlattr *nest;
	int ret;

	ret = begin_replica(chring, msg, replica->name, &nest);
	if (ret < 0)
		return ret;
	if (is_new && nla_put_u32(msg, CHRING_A_REPLICA_FD, replica->fd) < 0)
		return chring_fail_nomem(chring);
	if ((replica->weight || !is_new) &&
	    nla_put_u32(msg, CHRING_A_REPLICA_WEIGHT, replica->weight) < 0)
		return chring_fail_nomem(chring);
	if (pidfd >= 0 && nla_put_u32(msg, CHRING_A_REPLICA_PIDFD, pidfd) < 0)
		return chring_fail_nomem(chring);
	if (is_new && replica->ramp &&
	    nla_put_u32(msg, CHRING_A_REPLICA_RAMP, replica->ramp) < 0)
		return chring_fail_nomem(chring);
	if (is_new && replica->replace &&
	    nla_put_flag(msg, CHRING_A_REPLICA_REPLACE) < 0)
		return chring_fail_nomem(chring);
	nla_nest_end(msg, nest);
	return 0;
}

/* The processes to watch: -1 in @pidfds where there is none. */
static int open_pidfds(struct chring *chring,
		       const struct chring_replica_request *replicas,
		       size_t count, int *pidfds)
{
	size_t i;

	for (i = 0; i < count; i++)
		pidfds[i] = -1;
	for (i = 0; i < count; i++) {
		if (!replicas[i].watch)
			continue;
		pidfds[i] = syscall(SYS_pidfd_open, replicas[i].watch, 0);
		if (pidfds[i] < 0)
			return chring_fail(chring, errno,
					   "process %d cannot be watched: %s",
					   (int)replicas[i].watch,
					   strerror(errno));
	}
	return 0;
}

static void close_pidfds(int *pidfds, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (pidfds[i] >= 0)
			close(pidfds[i]);
	}
	free(pidfds);
}

static int change_replicas(struct chring *chring, int cmd, const char *service,
			   const struct chring_replica_request *replicas,
			   const int *pidfds, size_t count)
{
	struct nl_msg *msg;
	size_t size = 0;
	size_t i;
	int ret;

	for (i = 0; i < count; i++)
		size += replica_size(replicas[i].name);
	ret = service_request(chring, &msg, cmd, NLM_F_ACK, service, size);
	if (ret < 0)
		return ret;

	for (i = 0; i < count; i++) {
		ret = put_replica(chring, msg, cmd, &replicas[i],
				  pidfds ? pidfds[i] : -1);
		if (ret < 0) {
			nlmsg_free(msg);
			return ret;
		}
	}
	return chring_do(chring, msg, NULL, NULL);
}

CHRING_EXPORT int
chring_replica_new(struct chring *chring, const char *service,
		   const struct chring_replica_request *replicas, size_t count)
{
	int *pidfds;
	int ret;

	pidfds = malloc((count + 1) * sizeof(*pidfds));
	if (!pidfds)
		return chring_fail_nomem(chring);
	ret = open_pidfds(chring, replicas, count, pidfds);
	if (!ret)
		ret = change_replicas(chring, CHRING_CMD_REPLICA_NEW, service,
				      replicas, pidfds, count);
	close_pidfds(pidfds, count);
	return ret;
}

CHRING_EXPORT int
chring_replica_set(struct chring *chring, const char *service,
		   const struct chring_replica_request *replicas, size_t count)
{
	return change_replicas(chring, CHRING_CMD_REPLICA_SET, service,
			       replicas, NULL, count);
}

/* Asks something of one replica that takes one attribute besides its name. */
static int ask_of_replica(struct chring *chring, uint8_t cmd,
			  const char *service, const char *name, int type,
			  const void *value, int size)
{
	struct nlattr *nest;
	struct nl_msg *msg;
	int ret;

	ret = service_request(chring, &msg, cmd, NLM_F_ACK, service,
			      replica_size(name));
	if (ret < 0)
		return ret;
	ret = begin_replica(chring, msg, name, &nest);
	if (!ret && nla_put(msg, type, size, value) < 0)
		ret = chring_fail_nomem(chring);
	if (ret < 0) {
		nlmsg_free(msg);
		return ret;
	}
	nla_nest_end(msg, nest);
	return chring_do(chring, msg, NULL, NULL);
}

CHRING_EXPORT int chring_replica_drain(struct chring *chring,
				       const char *service, const char *name,
				       uint32_t seconds)
{
	return ask_of_replica(chring, CHRING_CMD_REPLICA_SET, service, name,
			      CHRING_A_REPLICA_DRAIN, &seconds,
			      sizeof(seconds));
}

CHRING_EXPORT int chring_replica_up(struct chring *chring, const char *service,
				    const char *name)
{
	return ask_of_replica(chring, CHRING_CMD_REPLICA_SET, service, name,
			      CHRING_A_REPLICA_UP, NULL, 0);
}

CHRING_EXPORT int chring_replica_del_socket(struct chring *chring,
					    const char *service,
					    const char *name, uint64_t inode)
{
	return ask_of_replica(chring, CHRING_CMD_REPLICA_DEL, service, name,
			      CHRING_A_REPLICA_INODE, &inode, sizeof(inode));
}

CHRING_EXPORT int chring_replica_del(struct chring *chring, const char *service,
				     const char *const *names, size_t count)
{
	struct nl_msg *msg;
	size_t size = 0;
	size_t i;
	int ret;

	for (i = 0; i < count; i++)
		size += replica_size(names[i]);
	ret = service_request(chring, &msg, CHRING_CMD_REPLICA_DEL, NLM_F_ACK,
			      service, size);
	if (ret < 0)
		return ret;

	for (i = 0; i < count; i++) {
		ret = put_named_replica(chring, msg, names[i]);
		if (ret < 0) {
			nlmsg_free(msg);
			return ret;
		}
	}
	return chring_do(chring, msg, NULL, NULL);
}

static int parse_replica(struct chring *chring, struct nlattr *nest,
			 struct chring_replica *replica)
{
	struct nlattr *attrs[CHRING_A_REPLICA_MAX + 1];
	int ret;

	ret = chring_parse_nest(chring, nest, attrs, CHRING_A_REPLICA_MAX);
	if (ret < 0)
		return ret;
	ret = chring_get_name(chring, attrs[CHRING_A_REPLICA_NAME],
			      replica->name);
	if (ret < 0)
		return ret;

	replica->weight = chring_get_uint(attrs[CHRING_A_REPLICA_WEIGHT]);
	replica->state = chring_get_uint(attrs[CHRING_A_REPLICA_STATE]);
	replica->inode = chring_get_uint(attrs[CHRING_A_REPLICA_INODE]);
	replica->watched = attrs[CHRING_A_REPLICA_WATCHED];
	replica->points = chring_get_uint(attrs[CHRING_A_REPLICA_POINTS]);
	replica->slots = chring_get_uint(attrs[CHRING_A_REPLICA_SLOTS]);
	replica->picks = chring_get_uint(attrs[CHRING_A_REPLICA_PICKS]);
	replica->migrated = chring_get_uint(attrs[CHRING_A_REPLICA_MIGRATED]);
	replica->passed_over =
		chring_get_uint(attrs[CHRING_A_REPLICA_PASSED_OVER]);
	return 0;
}

/*
 * Adds to the struct chring_list @arg: a message holds one service's name and
 * any number of its replicas.
 */
int chring_take_replicas(struct chring *chring, struct nlmsghdr *message,
			 void *arg)
{
	struct nlattr *attrs[CHRING_A_REPLICAS_MAX + 1];
	char service[CHRING_NAME_MAX + 1] = "";
	struct chring_replica *replica;
	struct nlattr *attr;
	int left;
	int ret;

	ret = chring_parse(chring, message, attrs, CHRING_A_REPLICAS_MAX);
	if (ret < 0)
		return ret;
	ret = chring_get_name(chring, attrs[CHRING_A_REPLICAS_SERVICE],
			      service);
	if (ret < 0)
		return ret;

	nlmsg_for_each_attr(attr, message, GENL_HDRLEN, left) {
		if (nla_type(attr) != CHRING_A_REPLICAS_REPLICA)
			continue;
		replica = chring_list_add(chring, arg);
		if (!replica)
			return -ENOMEM;
		memcpy(replica->service, service, sizeof(service));
		ret = parse_replica(chring, attr, replica);
		if (ret < 0)
			return ret;
	}
	return 0;
}

CHRING_EXPORT int chring_replica_get(struct chring *chring, const char *service,
				     const char *name,
				     struct chring_replica *replica)
{
	struct chring_list list = { .item_size = sizeof(*replica) };
	struct nl_msg *msg;
	int ret;

	ret = service_request(chring, &msg, CHRING_CMD_REPLICA_GET, NLM_F_ACK,
			      service, replica_size(name));
	if (ret < 0)
		return ret;
	ret = put_named_replica(chring, msg, name);
	if (ret < 0) {
		nlmsg_free(msg);
		return ret;
	}

	ret = chring_do(chring, msg, chring_take_replicas, &list);
	if (!ret && list.count != 1)
		ret = chring_fail_reply(chring);
	if (!ret)
		*replica = *(struct chring_replica *)list.items;
	free(list.items);
	return ret;
}

CHRING_EXPORT int chring_replica_dump(struct chring *chring,
				      const char *service,
				      struct chring_replica **replicas,
				      size_t *count)
{
	struct chring_list list = { .item_size = sizeof(**replicas) };
	struct nl_msg *msg;
	int ret;

	if (service)
		ret = service_request(chring, &msg, CHRING_CMD_REPLICA_GET,
				      NLM_F_DUMP, service, 0);
	else
		ret = chring_request(chring, &msg, CHRING_CMD_REPLICA_GET,
				     NLM_F_DUMP, 0);
	if (ret < 0)
		return ret;
	ret = chring_dump(chring, msg, chring_take_replicas, &list);
	if (ret < 0)
		return ret;
	*replicas = list.items;
	*count = list.count;
	return 0;
}

static int put_change(struct chring *chring, struct nl_msg *msg,
		      const struct chring_change *change)
{
	bool is_del = change->change == CHRING_CHANGE_DEL;
	bool is_add = change->change == CHRING_CHANGE_ADD;
	struct nlattr *nest;
	int ret;

	if (nla_put_u32(msg, CHRING_A_REPLICAS_CHANGE, change->change) < 0)
		return chring_fail_nomem(chring);
	ret = begin_replica(chring, msg, change->name, &nest);
	if (ret < 0)
		return ret;
	if (!is_del && (change->weight || !is_add) &&
	    nla_put_u32(msg, CHRING_A_REPLICA_WEIGHT, change->weight) < 0)
		return chring_fail_nomem(chring);
	nla_nest_end(msg, nest);
	return 0;
}

/* Of a plan, while it comes in: a message for each replica. */
struct plan_list {
	struct chring_list list;
	struct chring_plan *plan;
};

static int take_plan(struct chring *chring, struct nlmsghdr *message, void *arg)
{
	struct nlattr *attrs[CHRING_A_REPLICAS_MAX + 1];
	struct nlattr *inner[CHRING_A_REPLICA_MAX + 1];
	struct plan_list *list = arg;
	struct chring_replica_plan *replica;
	int ret;

	ret = chring_parse(chring, message, attrs, CHRING_A_REPLICAS_MAX);
	if (ret < 0)
		return ret;
	if (!attrs[CHRING_A_REPLICAS_REPLICA])
		return chring_fail_reply(chring);
	ret = chring_parse_nest(chring, attrs[CHRING_A_REPLICAS_REPLICA], inner,
				CHRING_A_REPLICA_MAX);
	if (ret < 0)
		return ret;
	replica = chring_list_add(chring, &list->list);
	if (!replica)
		return -ENOMEM;
	list->plan->slots = chring_get_uint(attrs[CHRING_A_REPLICAS_SLOTS]);
	list->plan->moves = chring_get_uint(attrs[CHRING_A_REPLICAS_MOVES]);
	replica->weight = chring_get_uint(inner[CHRING_A_REPLICA_WEIGHT]);
	replica->weight_then =
		chring_get_uint(inner[CHRING_A_REPLICA_WEIGHT_THEN]);
	replica->slots = chring_get_uint(inner[CHRING_A_REPLICA_SLOTS]);
	replica->slots_then =
		chring_get_uint(inner[CHRING_A_REPLICA_SLOTS_THEN]);
	replica->takes = chring_get_uint(inner[CHRING_A_REPLICA_TAKES]);
	replica->gives = chring_get_uint(inner[CHRING_A_REPLICA_GIVES]);
	return chring_get_name(chring, inner[CHRING_A_REPLICA_NAME],
			       replica->name);
}

CHRING_EXPORT int
chring_replica_plan(struct chring *chring, const char *service,
		    const struct chring_change *change,
		    struct chring_plan *plan)
{
	struct plan_list list = {
		.list.item_size = sizeof(*plan->replicas),
		.plan = plan,
	};
	struct nl_msg *msg;
	int ret;

	*plan = (struct chring_plan){ 0 };
	ret = service_request(chring, &msg, CHRING_CMD_REPLICA_PLAN, NLM_F_DUMP,
			      service, nla_total_size(sizeof(uint32_t)) +
				       replica_size(change->name));
	if (ret < 0)
		return ret;
	ret = put_change(chring, msg, change);
	if (ret < 0) {
		nlmsg_free(msg);
		return ret;
	}
	/* The list is the first in it. */
	ret = chring_dump(chring, msg, take_plan, &list.list);
	if (ret < 0)
		return ret;
	plan->replicas = list.list.items;
	plan->count = list.list.count;
	return 0;
}
