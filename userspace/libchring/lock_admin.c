// SPDX-License-Identifier: LGPL-2.1-or-later
/* Locks as the family sees them: made, changed, shown, deleted, broken. */
#include <errno.h>
#include <string.h>

#include "private.h"

/* A request that says which lock by name, with room for @size bytes more. */
static int lock_request(struct chring *chring, struct nl_msg **msg, int cmd,
			const char *name, size_t size)
{
	int ret;

	ret = chring_request(chring, msg, cmd, NLM_F_ACK,
			     chring_name_size(name) + size);
	if (ret < 0)
		return ret;
	ret = chring_put_name(chring, *msg, CHRING_A_LOCK_NAME, name);
	if (ret < 0)
		nlmsg_free(*msg);
	return ret;
}

static int put_unless_kept(struct nl_msg *msg, int type, uint32_t value)
{
	return value == CHRING_LOCK_KEEP ? 0 : nla_put_u32(msg, type, value);
}

static int put_flags(struct nl_msg *msg, uint32_t flags)
{
	int discipline = CHRING_LOCK_DISCIPLINE_ADAPTIVE;

	if (flags == CHRING_LOCK_KEEP)
		return 0;
	if (flags & CHRING_LOCK_FIFO)
		discipline = CHRING_LOCK_DISCIPLINE_FIFO;
	if (flags & CHRING_LOCK_STRICT &&
	    nla_put_flag(msg, CHRING_A_LOCK_STRICT) < 0)
		return -1;
	if (flags & CHRING_LOCK_STICKY &&
	    nla_put_flag(msg, CHRING_A_LOCK_STICKY) < 0)
		return -1;
	if (flags & CHRING_LOCK_EAGER &&
	    nla_put_flag(msg, CHRING_A_LOCK_EAGER) < 0)
		return -1;
	return nla_put_u32(msg, CHRING_A_LOCK_DISCIPLINE, discipline);
}

static int send_request(struct chring *chring, int cmd,
			const struct chring_lock_request *request)
{
	struct nl_msg *msg;
	int ret;

	ret = lock_request(chring, &msg, cmd, request->name,
			   9 * nla_total_size(sizeof(uint32_t)));
	if (ret < 0)
		return ret;
	if (put_flags(msg, request->flags) < 0 ||
	    put_unless_kept(msg, CHRING_A_LOCK_MODE, request->mode) < 0 ||
	    put_unless_kept(msg, CHRING_A_LOCK_UID, request->owner) < 0 ||
	    put_unless_kept(msg, CHRING_A_LOCK_GID, request->group) < 0 ||
	    put_unless_kept(msg, CHRING_A_LOCK_TTL_MS, request->ttl_ms) < 0 ||
	    put_unless_kept(msg, CHRING_A_LOCK_EXPIRY, request->expiry) < 0 ||
	    (request->slots &&
	     nla_put_u32(msg, CHRING_A_LOCK_SLOTS, request->slots) < 0)) {
		nlmsg_free(msg);
		return chring_fail_nomem(chring);
	}
	return chring_do(chring, msg, NULL, NULL);
}

CHRING_EXPORT int chring_lock_new(struct chring *chring,
				  const struct chring_lock_request *request)
{
	return send_request(chring, CHRING_CMD_LOCK_NEW, request);
}

CHRING_EXPORT int chring_lock_set(struct chring *chring,
				  const struct chring_lock_request *request)
{
	return send_request(chring, CHRING_CMD_LOCK_SET, request);
}

static int send_name(struct chring *chring, int cmd, const char *name)
{
	struct nl_msg *msg;
	int ret;

	ret = lock_request(chring, &msg, cmd, name, 0);
	if (ret < 0)
		return ret;
	return chring_do(chring, msg, NULL, NULL);
}

CHRING_EXPORT int chring_lock_del(struct chring *chring, const char *name)
{
	return send_name(chring, CHRING_CMD_LOCK_DEL, name);
}

CHRING_EXPORT int chring_lock_break(struct chring *chring, const char *name)
{
	return send_name(chring, CHRING_CMD_LOCK_BREAK, name);
}

static void take_command(const struct nlattr *attr, char *command, size_t size)
{
	size_t length;

	if (!attr)
		return;
	length = strnlen(nla_data(attr), nla_len(attr));
	if (length >= size)
		length = size - 1;
	memcpy(command, nla_data(attr), length);
	command[length] = '\0';
}

static int take_holder(struct chring *chring, struct nlattr *nest,
		       struct chring_lock_holder *holder)
{
	struct nlattr *attrs[CHRING_A_LOCK_MAX + 1];
	int ret;

	ret = chring_parse_nest(chring, nest, attrs, CHRING_A_LOCK_MAX);
	if (ret < 0)
		return ret;
	holder->pid = chring_get_uint(attrs[CHRING_A_LOCK_PID]);
	take_command(attrs[CHRING_A_LOCK_COMM], holder->command,
		     sizeof(holder->command));
	holder->token = chring_get_uint(attrs[CHRING_A_LOCK_TOKEN]);
	holder->held_ns = chring_get_uint(attrs[CHRING_A_LOCK_HELD_NS]);
	holder->expires = attrs[CHRING_A_LOCK_LEASE_NS];
	holder->lease_ns = chring_get_uint(attrs[CHRING_A_LOCK_LEASE_NS]);
	return 0;
}

/* Those of a lock that several may hold, of whom the message tells one by one. */
static int take_holders(struct chring *chring, struct nlmsghdr *reply,
			struct chring_lock_status *lock)
{
	struct nlattr *attr;
	int left;
	int ret;

	nlmsg_for_each_attr(attr, reply, GENL_HDRLEN, left) {
		if (nla_type(attr) != CHRING_A_LOCK_HOLDER ||
		    lock->shown == CHRING_HOLDERS_SHOWN)
			continue;
		ret = take_holder(chring, attr, &lock->holder[lock->shown]);
		if (ret < 0)
			return ret;
		lock->shown++;
	}
	return 0;
}

static int parse_lock(struct chring *chring, struct nlmsghdr *reply,
		      struct chring_lock_status *lock)
{
	struct nlattr *attrs[CHRING_A_LOCK_MAX + 1];
	int ret;

	ret = chring_parse(chring, reply, attrs, CHRING_A_LOCK_MAX);
	if (ret < 0)
		return ret;
	ret = chring_get_name(chring, attrs[CHRING_A_LOCK_NAME], lock->name);
	if (ret < 0)
		return ret;

	if (chring_get_uint(attrs[CHRING_A_LOCK_DISCIPLINE]) ==
	    CHRING_LOCK_DISCIPLINE_FIFO)
		lock->flags |= CHRING_LOCK_FIFO;
	if (attrs[CHRING_A_LOCK_STRICT])
		lock->flags |= CHRING_LOCK_STRICT;
	if (attrs[CHRING_A_LOCK_STICKY])
		lock->flags |= CHRING_LOCK_STICKY;
	if (attrs[CHRING_A_LOCK_EAGER])
		lock->flags |= CHRING_LOCK_EAGER;
	lock->mode = chring_get_uint(attrs[CHRING_A_LOCK_MODE]);
	lock->owner = chring_get_uint(attrs[CHRING_A_LOCK_UID]);
	lock->group = chring_get_uint(attrs[CHRING_A_LOCK_GID]);
	lock->persistent = attrs[CHRING_A_LOCK_PERSISTENT];
	lock->held = attrs[CHRING_A_LOCK_HELD];
	lock->pid = chring_get_uint(attrs[CHRING_A_LOCK_PID]);
	take_command(attrs[CHRING_A_LOCK_COMM], lock->command,
		     sizeof(lock->command));
	lock->token = chring_get_uint(attrs[CHRING_A_LOCK_TOKEN]);
	lock->held_ns = chring_get_uint(attrs[CHRING_A_LOCK_HELD_NS]);
	lock->waiters = chring_get_uint(attrs[CHRING_A_LOCK_WAITERS]);
	lock->handles = chring_get_uint(attrs[CHRING_A_LOCK_HANDLES]);
	lock->news = chring_get_uint(attrs[CHRING_A_LOCK_NEWS]);
	lock->dead_token = chring_get_uint(attrs[CHRING_A_LOCK_DEAD_TOKEN]);
	lock->ttl_ms = chring_get_uint(attrs[CHRING_A_LOCK_TTL_MS]);
	lock->expiry = chring_get_uint(attrs[CHRING_A_LOCK_EXPIRY]);
	lock->expires = attrs[CHRING_A_LOCK_LEASE_NS];
	lock->lease_ns = chring_get_uint(attrs[CHRING_A_LOCK_LEASE_NS]);
	lock->slots = chring_get_uint(attrs[CHRING_A_LOCK_SLOTS]);
	lock->holders = chring_get_uint(attrs[CHRING_A_LOCK_HOLDERS]);
	lock->shared = attrs[CHRING_A_LOCK_SHARED];
	return take_holders(chring, reply, lock);
}

/* A chring_reply_fn that fills a struct chring_lock_status, all zeroes. */
int chring_take_lock(struct chring *chring, struct nlmsghdr *reply, void *arg)
{
	return parse_lock(chring, reply, arg);
}

static int take_listed_lock(struct chring *chring, struct nlmsghdr *reply,
			    void *arg)
{
	struct chring_lock_status *lock = chring_list_add(chring, arg);

	return lock ? parse_lock(chring, reply, lock) : -ENOMEM;
}

CHRING_EXPORT int chring_lock_get(struct chring *chring, const char *name,
				  struct chring_lock_status *lock)
{
	struct nl_msg *msg;
	int ret;

	ret = lock_request(chring, &msg, CHRING_CMD_LOCK_GET, name, 0);
	if (ret < 0)
		return ret;
	memset(lock, 0, sizeof(*lock));
	return chring_do(chring, msg, chring_take_lock, lock);
}

CHRING_EXPORT int chring_lock_check_token(struct chring *chring,
					  const char *name, uint64_t token)
{
	struct nl_msg *msg;
	int ret;

	ret = lock_request(chring, &msg, CHRING_CMD_LOCK_GET, name,
			   nla_total_size(sizeof(token)));
	if (ret < 0)
		return ret;
	if (nla_put_u64(msg, CHRING_A_LOCK_TOKEN, token) < 0) {
		nlmsg_free(msg);
		return chring_fail_nomem(chring);
	}
	return chring_do(chring, msg, NULL, NULL);
}

CHRING_EXPORT int chring_lock_dump(struct chring *chring,
				   struct chring_lock_status **locks,
				   size_t *count)
{
	struct chring_list list = { .item_size = sizeof(**locks) };
	struct nl_msg *msg;
	int ret;

	ret = chring_request(chring, &msg, CHRING_CMD_LOCK_GET, NLM_F_DUMP, 0);
	if (ret < 0)
		return ret;
	ret = chring_dump(chring, msg, take_listed_lock, &list);
	if (ret < 0)
		return ret;
	*locks = list.items;
	*count = list.count;
	return 0;
}
