// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "private.h"

CHRING_EXPORT const char *chring_service_state_name(uint32_t state)
{
	static const char *const names[] = {
		[CHRING_SERVICE_IDLE]		= "idle",
		[CHRING_SERVICE_STEERING]	= "steering",
		[CHRING_SERVICE_REMOVING]	= "removing",
		[CHRING_SERVICE_OVERRIDDEN]	= "overridden",
	};

	return state < CHRING_ARRAY_SIZE(names) ? names[state] : "unknown";
}

CHRING_EXPORT const char *chring_none_name(uint32_t none)
{
	static const char *const names[] = {
		[CHRING_NONE_REFUSE]	= "refuse",
		[CHRING_NONE_HOLD]	= "hold",
	};

	return none < CHRING_ARRAY_SIZE(names) ? names[none] : "unknown";
}

CHRING_EXPORT const char *chring_override_name(uint32_t override)
{
	static const char *const names[] = {
		[CHRING_OVERRIDE_REATTACH]	= "reattach",
		[CHRING_OVERRIDE_LEAVE]		= "leave",
	};

	return override < CHRING_ARRAY_SIZE(names) ? names[override] : "unknown";
}

CHRING_EXPORT const char *chring_balance_name(uint32_t balance)
{
	static const char *const names[] = {
		[CHRING_BALANCE_EVEN]	= "even",
		[CHRING_BALANCE_RING]	= "ring",
	};

	return balance < CHRING_ARRAY_SIZE(names) ? names[balance] : "unknown";
}

/* A request that says which service by name, with room for @size bytes more. */
static int named_request(struct chring *chring, struct nl_msg **msg, int cmd,
			 int flags, const char *name, size_t size)
{
	int ret;

	ret = chring_request(chring, msg, cmd, flags,
			     chring_name_size(name) + size);
	if (ret < 0)
		return ret;
	ret = chring_put_name(chring, *msg, CHRING_A_SERVICE_NAME, name);
	if (ret < 0)
		nlmsg_free(*msg);
	return ret;
}

/* Those of the table; the kernel has defaults for what is not given. */
static int put_table(struct chring *chring, struct nl_msg *msg,
		     const struct chring_service_request *request)
{
	bool none = request->grace == CHRING_GRACE_NONE;
	uint32_t grace = none ? 0 : request->grace;

	if (nla_put_u32(msg, CHRING_A_SERVICE_BALANCE, request->balance) < 0 ||
	    (request->vnodes &&
	     nla_put_u32(msg, CHRING_A_SERVICE_VNODES, request->vnodes) < 0) ||
	    (request->slots &&
	     nla_put_u32(msg, CHRING_A_SERVICE_SLOTS, request->slots) < 0) ||
	    (request->grace &&
	     nla_put_u32(msg, CHRING_A_SERVICE_GRACE, grace) < 0) ||
	    (request->seed &&
	     nla_put(msg, CHRING_A_SERVICE_SEED, CHRING_SEED_SIZE,
		     request->seed) < 0))
		return chring_fail_nomem(chring);
	return 0;
}

static int put_service(struct chring *chring, struct nl_msg *msg,
		       const struct chring_service_request *request)
{
	const union chring_address *local = &request->local;
	int protocol = CHRING_PROTOCOL_TCP;
	uint32_t device = 0;
	int ret;

	if (request->protocol == IPPROTO_UDP)
		protocol = CHRING_PROTOCOL_UDP;
	if (local->sa.sa_family == AF_INET6)
		device = local->in6.sin6_scope_id;

	ret = chring_put_address(chring, msg, CHRING_A_SERVICE_LOCAL_IPV4,
				 CHRING_A_SERVICE_LOCAL_IPV6, local);
	if (!ret)
		ret = chring_put_key(chring, msg, &request->key);
	if (ret < 0)
		return ret;
	if (nla_put_u32(msg, CHRING_A_SERVICE_PROTOCOL, protocol) < 0 ||
	    nla_put_u32(msg, CHRING_A_SERVICE_LOCAL_PORT,
			chring_port(local)) < 0 ||
	    nla_put_u32(msg, CHRING_A_SERVICE_NONE, request->none) < 0 ||
	    nla_put_u32(msg, CHRING_A_SERVICE_OVERRIDE,
			request->override) < 0 ||
	    (device && nla_put_u32(msg, CHRING_A_SERVICE_DEVICE, device) < 0) ||
	    (request->v6only && nla_put_flag(msg, CHRING_A_SERVICE_V6ONLY) < 0))
		return chring_fail_nomem(chring);

	if (request->owner != CHRING_OWNER_SELF &&
	    nla_put_u32(msg, CHRING_A_SERVICE_OWNER, request->owner) < 0)
		return chring_fail_nomem(chring);
	return put_table(chring, msg, request);
}

CHRING_EXPORT int chring_service_new(struct chring *chring,
				     const struct chring_service_request *request)
{
	struct nl_msg *msg;
	int ret;

	if (request->protocol != IPPROTO_TCP &&
	    request->protocol != IPPROTO_UDP)
		return chring_fail(chring, EINVAL,
				   "the protocol must be TCP or UDP: %s",
				   strerror(EINVAL));
	ret = chring_check_address(chring, &request->local);
	if (ret < 0)
		return ret;

	ret = named_request(chring, &msg, CHRING_CMD_SERVICE_NEW, NLM_F_ACK,
			    request->name,
			    11 * nla_total_size(sizeof(uint32_t)) +
			    nla_total_size(CHRING_SEED_SIZE) +
			    chring_address_size() + chring_key_size());
	if (ret < 0)
		return ret;
	ret = put_service(chring, msg, request);
	if (ret < 0) {
		nlmsg_free(msg);
		return ret;
	}
	return chring_do(chring, msg, NULL, NULL);
}

static int set_number(struct chring *chring, const char *name, int type,
		      uint32_t number)
{
	struct nl_msg *msg;
	int ret;

	ret = named_request(chring, &msg, CHRING_CMD_SERVICE_SET, NLM_F_ACK,
			    name, nla_total_size(sizeof(number)));
	if (ret < 0)
		return ret;
	if (nla_put_u32(msg, type, number) < 0) {
		nlmsg_free(msg);
		return chring_fail_nomem(chring);
	}
	return chring_do(chring, msg, NULL, NULL);
}

CHRING_EXPORT int chring_service_set_owner(struct chring *chring,
					   const char *name, uid_t owner)
{
	return set_number(chring, name, CHRING_A_SERVICE_OWNER,
			  owner == CHRING_OWNER_SELF ? geteuid() : owner);
}

CHRING_EXPORT int chring_service_set_none(struct chring *chring,
					  const char *name, uint32_t none)
{
	return set_number(chring, name, CHRING_A_SERVICE_NONE, none);
}

CHRING_EXPORT int chring_service_set_override(struct chring *chring,
					      const char *name,
					      uint32_t override)
{
	return set_number(chring, name, CHRING_A_SERVICE_OVERRIDE, override);
}

CHRING_EXPORT int chring_service_set_balance(struct chring *chring,
					     const char *name,
					     uint32_t balance)
{
	return set_number(chring, name, CHRING_A_SERVICE_BALANCE, balance);
}

CHRING_EXPORT int chring_service_set_grace(struct chring *chring,
					   const char *name, uint32_t grace)
{
	return set_number(chring, name, CHRING_A_SERVICE_GRACE, grace);
}

static void parse_table(struct nlattr *const *attrs,
			struct chring_service *service)
{
	const struct nlattr *seed = attrs[CHRING_A_SERVICE_SEED];

	service->balance = chring_get_uint(attrs[CHRING_A_SERVICE_BALANCE]);
	service->vnodes = chring_get_uint(attrs[CHRING_A_SERVICE_VNODES]);
	service->slots = chring_get_uint(attrs[CHRING_A_SERVICE_SLOTS]);
	service->grace = chring_get_uint(attrs[CHRING_A_SERVICE_GRACE]);
	service->has_seed = seed && nla_len(seed) == CHRING_SEED_SIZE;
	if (service->has_seed)
		memcpy(service->seed, nla_data(seed), CHRING_SEED_SIZE);
}

static int parse_service(struct chring *chring, struct nlmsghdr *reply,
			 struct chring_service *service)
{
	struct nlattr *attrs[CHRING_A_SERVICE_MAX + 1];
	union chring_address *local = &service->local;
	in_port_t port;
	int ret;

	ret = chring_parse(chring, reply, attrs, CHRING_A_SERVICE_MAX);
	if (ret < 0)
		return ret;
	ret = chring_get_name(chring, attrs[CHRING_A_SERVICE_NAME],
			      service->name);
	if (ret < 0)
		return ret;

	switch (chring_get_uint(attrs[CHRING_A_SERVICE_PROTOCOL])) {
	case CHRING_PROTOCOL_TCP:
		service->protocol = IPPROTO_TCP;
		break;
	case CHRING_PROTOCOL_UDP:
		service->protocol = IPPROTO_UDP;
		break;
	default:
		return chring_fail_reply(chring);
	}

	ret = chring_get_address(chring, attrs[CHRING_A_SERVICE_LOCAL_IPV4],
				 attrs[CHRING_A_SERVICE_LOCAL_IPV6], local);
	if (ret < 0)
		return ret;
	port = htons(chring_get_uint(attrs[CHRING_A_SERVICE_LOCAL_PORT]));
	if (local->sa.sa_family == AF_INET) {
		local->in.sin_port = port;
	} else {
		local->in6.sin6_port = port;
		local->in6.sin6_scope_id =
			chring_get_uint(attrs[CHRING_A_SERVICE_DEVICE]);
	}
	service->v6only = attrs[CHRING_A_SERVICE_V6ONLY];

	service->owner = chring_get_uint(attrs[CHRING_A_SERVICE_OWNER]);
	service->none = chring_get_uint(attrs[CHRING_A_SERVICE_NONE]);
	service->override = chring_get_uint(attrs[CHRING_A_SERVICE_OVERRIDE]);
	chring_get_key(attrs, &service->key);
	service->state = chring_get_uint(attrs[CHRING_A_SERVICE_STATE]);
	parse_table(attrs, service);
	service->replicas = chring_get_uint(attrs[CHRING_A_SERVICE_REPLICAS]);
	service->points = chring_get_uint(attrs[CHRING_A_SERVICE_POINTS]);
	service->picks = chring_get_uint(attrs[CHRING_A_SERVICE_PICKS]);
	service->migrated = chring_get_uint(attrs[CHRING_A_SERVICE_MIGRATED]);
	service->passed_over =
		chring_get_uint(attrs[CHRING_A_SERVICE_PASSED_OVER]);
	service->refused = chring_get_uint(attrs[CHRING_A_SERVICE_REFUSED]);
	return 0;
}

/* Fills the struct chring_service @arg. */
int chring_take_service(struct chring *chring, struct nlmsghdr *message,
			void *arg)
{
	return parse_service(chring, message, arg);
}

static int take_listed_service(struct chring *chring, struct nlmsghdr *reply,
			       void *arg)
{
	struct chring_service *service = chring_list_add(chring, arg);

	return service ? parse_service(chring, reply, service) : -ENOMEM;
}

CHRING_EXPORT int chring_service_get(struct chring *chring, const char *name,
				     struct chring_service *service)
{
	struct nl_msg *msg;
	int ret;

	ret = named_request(chring, &msg, CHRING_CMD_SERVICE_GET, NLM_F_ACK,
			    name, 0);
	if (ret < 0)
		return ret;
	memset(service, 0, sizeof(*service));
	return chring_do(chring, msg, chring_take_service, service);
}

CHRING_EXPORT int chring_service_dump(struct chring *chring,
				      struct chring_service **services,
				      size_t *count)
{
	struct chring_list list = { .item_size = sizeof(**services) };
	struct nl_msg *msg;
	int ret;

	ret = chring_request(chring, &msg, CHRING_CMD_SERVICE_GET, NLM_F_DUMP,
			     0);
	if (ret < 0)
		return ret;
	ret = chring_dump(chring, msg, take_listed_service, &list);
	if (ret < 0)
		return ret;
	*services = list.items;
	*count = list.count;
	return 0;
}

CHRING_EXPORT int chring_service_del(struct chring *chring, const char *name)
{
	struct nl_msg *msg;
	int ret;

	ret = named_request(chring, &msg, CHRING_CMD_SERVICE_DEL, NLM_F_ACK,
			    name, 0);
	if (ret < 0)
		return ret;
	return chring_do(chring, msg, NULL, NULL);
}
