// SPDX-License-Identifier: GPL-2.0
/* The family's requests about services */

#include <linux/log2.h>
#include <linux/random.h>
#include <linux/unaligned.h>
#include <net/genetlink.h>

#include "generated/netlink.h"
#include "lookup.h"
#include "message.h"
#include "netlink.h"
#include "service.h"

static int get_owner(const struct genl_info *info, kuid_t *owner)
{
	const struct nlattr *attr = info->attrs[CHRING_A_SERVICE_OWNER];

	*owner = attr ? make_kuid(current_user_ns(), nla_get_u32(attr)) :
			current_fsuid();
	if (uid_valid(*owner))
		return 0;
	NL_SET_ERR_MSG_ATTR(info->extack, attr, "no such user id here");
	return -EINVAL;
}

/* What a key of this type has no use for, NULL where there is no such thing */
static const struct nlattr *surplus_attr(const struct genl_info *info,
					 enum chring_key_type type)
{
	static const struct {
		int attr;
		enum chring_key_type type;
	} uses[] = {
		{ CHRING_A_SERVICE_PREFIX_IPV4, CHRING_KEY_TYPE_PREFIX },
		{ CHRING_A_SERVICE_PREFIX_IPV6, CHRING_KEY_TYPE_PREFIX },
		{ CHRING_A_SERVICE_PAYLOAD_OFFSET, CHRING_KEY_TYPE_PAYLOAD },
		{ CHRING_A_SERVICE_PAYLOAD_LENGTH, CHRING_KEY_TYPE_PAYLOAD },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(uses); i++)
		if (info->attrs[uses[i].attr] && uses[i].type != type)
			return info->attrs[uses[i].attr];
	return NULL;
}

static int get_prefixes(struct genl_info *info,
			const struct chring_address *address,
			struct chring_key *key)
{
	const struct nlattr *ipv4 = info->attrs[CHRING_A_SERVICE_PREFIX_IPV4];
	const struct nlattr *ipv6 = info->attrs[CHRING_A_SERVICE_PREFIX_IPV6];

	bool takes_ipv4 = address->family == AF_INET ||
			  chring_address_dual(address);

	if (address->family == AF_INET && ipv6) {
		NL_SET_ERR_MSG_ATTR(info->extack, ipv6, "service takes no IPv6");
		return -EINVAL;
	}
	if (!takes_ipv4 && ipv4) {
		NL_SET_ERR_MSG_ATTR(info->extack, ipv4, "service takes no IPv4");
		return -EINVAL;
	}
	if (GENL_REQ_ATTR_CHECK(info, address->family == AF_INET ?
				      CHRING_A_SERVICE_PREFIX_IPV4 :
				      CHRING_A_SERVICE_PREFIX_IPV6))
		return -EINVAL;
	if (takes_ipv4)
		key->prefix_ipv4 = ipv4 ? nla_get_u32(ipv4) : 32;
	if (ipv6)
		key->prefix_ipv6 = nla_get_u32(ipv6);
	return 0;
}

static int get_payload(struct genl_info *info,
		       const struct chring_address *address,
		       struct chring_key *key)
{
	const struct nlattr *offset;

	if (address->protocol != IPPROTO_UDP) {
		NL_SET_ERR_MSG_ATTR(info->extack,
				    info->attrs[CHRING_A_SERVICE_KEY],
				    "key payload is for UDP only");
		return -EINVAL;
	}
	if (GENL_REQ_ATTR_CHECK(info, CHRING_A_SERVICE_PAYLOAD_OFFSET) ||
	    GENL_REQ_ATTR_CHECK(info, CHRING_A_SERVICE_PAYLOAD_LENGTH))
		return -EINVAL;
	offset = info->attrs[CHRING_A_SERVICE_PAYLOAD_OFFSET];
	key->offset = nla_get_u32(offset);
	key->length = nla_get_u32(info->attrs[CHRING_A_SERVICE_PAYLOAD_LENGTH]);
	if (key->offset + key->length > CHRING_PAYLOAD_MAX) {
		NL_SET_ERR_MSG_ATTR(info->extack, offset,
				    "no datagram is as long as offset and length");
		return -EINVAL;
	}
	return 0;
}

static int get_key(struct genl_info *info, const struct chring_address *address,
		   struct chring_key *key)
{
	const struct nlattr *attr = info->attrs[CHRING_A_SERVICE_KEY];
	const struct nlattr *surplus;

	key->type = attr ? nla_get_u32(attr) : CHRING_KEY_TYPE_FLOW;
	surplus = surplus_attr(info, key->type);
	if (surplus) {
		NL_SET_ERR_MSG_ATTR(info->extack, surplus,
				    "is for another key than the service's");
		return -EINVAL;
	}
	switch (key->type) {
	case CHRING_KEY_TYPE_PREFIX:
		return get_prefixes(info, address, key);
	case CHRING_KEY_TYPE_PAYLOAD:
		return get_payload(info, address, key);
	default:
		return 0;
	}
}

static bool get_hold(const struct nlattr *attr)
{
	return attr && nla_get_u32(attr) == CHRING_NONE_POLICY_HOLD;
}

static bool get_leave(const struct nlattr *attr)
{
	return attr && nla_get_u32(attr) == CHRING_OVERRIDE_POLICY_LEAVE;
}

static int get_address(struct genl_info *info, struct chring_service_args *args)
{
	struct chring_address *address = &args->address;
	struct nlattr **attrs = info->attrs;
	const struct nlattr *v6only = attrs[CHRING_A_SERVICE_V6ONLY];
	const struct nlattr *device = attrs[CHRING_A_SERVICE_DEVICE];
	int err;

	err = chring_nl_get_ip(info, CHRING_A_SERVICE_LOCAL_IPV4,
			       CHRING_A_SERVICE_LOCAL_IPV6, address);
	if (err == -ENOENT) {
		GENL_SET_ERR_MSG(info, "address is missing");
		NL_SET_ERR_ATTR_MISS(info->extack, NULL,
				     CHRING_A_SERVICE_LOCAL_IPV4);
		return -EINVAL;
	}
	if (err)
		return err;
	args->address_attr = attrs[CHRING_A_SERVICE_LOCAL_IPV4] ?:
			     attrs[CHRING_A_SERVICE_LOCAL_IPV6];
	if (address->family == AF_INET && (v6only || device)) {
		NL_SET_ERR_MSG_ATTR(info->extack, v6only ?: device,
				    "address is not an IPv6 address");
		return -EINVAL;
	}
	if (device)
		address->device = nla_get_u32(device);
	/* As the kernel does when a socket is bound */
	address->v6only = address->family == AF_INET6 &&
			  (v6only || !chring_address_any(address));
	address->protocol = nla_get_u32(attrs[CHRING_A_SERVICE_PROTOCOL]) ==
			    CHRING_PROTOCOL_TCP ? IPPROTO_TCP : IPPROTO_UDP;
	address->port = htons(nla_get_u32(attrs[CHRING_A_SERVICE_LOCAL_PORT]));
	return 0;
}

static int get_table(struct genl_info *info, struct chring_service_args *args)
{
	const struct nlattr *balance = info->attrs[CHRING_A_SERVICE_BALANCE];
	const struct nlattr *vnodes = info->attrs[CHRING_A_SERVICE_VNODES];
	const struct nlattr *slots = info->attrs[CHRING_A_SERVICE_SLOTS];
	const struct nlattr *grace = info->attrs[CHRING_A_SERVICE_GRACE];
	const struct nlattr *seed = info->attrs[CHRING_A_SERVICE_SEED];

	args->balance = balance ? nla_get_u32(balance) : CHRING_BALANCE_POLICY_EVEN;
	args->vnodes = vnodes ? nla_get_u32(vnodes) : CHRING_VNODES_DEFAULT;
	args->grace = grace ? nla_get_u32(grace) : CHRING_GRACE_DEFAULT;
	args->slots = slots ? nla_get_u32(slots) : CHRING_SLOTS_DEFAULT;
	if (!is_power_of_2(args->slots)) {
		NL_SET_ERR_MSG_ATTR(info->extack, slots,
				    "slots must be a power of two");
		return -EINVAL;
	}
	if (seed) {
		args->seed.key[0] = get_unaligned_le64(nla_data(seed));
		args->seed.key[1] = get_unaligned_le64(nla_data(seed) + 8);
	} else {
		get_random_bytes(&args->seed, sizeof(args->seed));
	}
	return 0;
}

int chring_nl_service_new_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct chring_service_args args = {};
	int err;

	if (GENL_REQ_ATTR_CHECK(info, CHRING_A_SERVICE_NAME) ||
	    GENL_REQ_ATTR_CHECK(info, CHRING_A_SERVICE_PROTOCOL) ||
	    GENL_REQ_ATTR_CHECK(info, CHRING_A_SERVICE_LOCAL_PORT))
		return -EINVAL;
	args.name_attr = info->attrs[CHRING_A_SERVICE_NAME];
	args.name = nla_data(args.name_attr);
	err = chring_nl_check_name(args.name_attr, info->extack);
	if (err)
		return err;
	err = get_address(info, &args);
	if (err)
		return err;
	err = get_owner(info, &args.owner);
	if (err)
		return err;
	err = get_key(info, &args.address, &args.key);
	if (err)
		return err;
	err = get_table(info, &args);
	if (err)
		return err;
	args.hold = get_hold(info->attrs[CHRING_A_SERVICE_NONE]);
	args.leave = get_leave(info->attrs[CHRING_A_SERVICE_OVERRIDE]);
	return chring_service_new(genl_info_net(info), &args, info->extack);
}

int chring_nl_service_set_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct chring_service_change change = {
		.owner_attr = info->attrs[CHRING_A_SERVICE_OWNER],
		.hold_attr = info->attrs[CHRING_A_SERVICE_NONE],
		.leave_attr = info->attrs[CHRING_A_SERVICE_OVERRIDE],
		.balance_attr = info->attrs[CHRING_A_SERVICE_BALANCE],
		.grace_attr = info->attrs[CHRING_A_SERVICE_GRACE],
	};
	int err;

	if (GENL_REQ_ATTR_CHECK(info, CHRING_A_SERVICE_NAME))
		return -EINVAL;
	/* One of them at least */
	if (!change.hold_attr && !change.leave_attr && !change.balance_attr &&
	    !change.grace_attr &&
	    GENL_REQ_ATTR_CHECK(info, CHRING_A_SERVICE_OWNER))
		return -EINVAL;
	err = change.owner_attr ? get_owner(info, &change.owner) : 0;
	if (err)
		return err;
	change.hold = get_hold(change.hold_attr);
	change.leave = get_leave(change.leave_attr);
	if (change.balance_attr)
		change.balance = nla_get_u32(change.balance_attr);
	if (change.grace_attr)
		change.grace = nla_get_u32(change.grace_attr);
	return chring_service_set(genl_info_net(info),
				  info->attrs[CHRING_A_SERVICE_NAME], &change,
				  info->extack);
}

int chring_nl_service_del_doit(struct sk_buff *skb, struct genl_info *info)
{
	if (GENL_REQ_ATTR_CHECK(info, CHRING_A_SERVICE_NAME))
		return -EINVAL;
	return chring_service_del(genl_info_net(info),
				  info->attrs[CHRING_A_SERVICE_NAME],
				  info->extack);
}

int chring_nl_service_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct chring_net *cn = chring_net(genl_info_net(info));
	struct chring_service *service;
	struct sk_buff *msg;
	void *hdr;
	int err;

	if (GENL_REQ_ATTR_CHECK(info, CHRING_A_SERVICE_NAME))
		return -EINVAL;
	msg = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_KERNEL);
	if (!msg)
		return -ENOMEM;
	hdr = genlmsg_iput(msg, info);
	if (!hdr) {
		nlmsg_free(msg);
		return -EMSGSIZE;
	}

	mutex_lock(&cn->lock);
	err = chring_nl_find_service_locked(info, cn, CHRING_A_SERVICE_NAME, &service);
	if (!err)
		err = chring_put_service(msg, service, current_user_ns());
	if (!err && chring_nl_subject(skb, genl_info_net(info)).admin)
		err = chring_put_seed(msg, service);
	mutex_unlock(&cn->lock);
	if (err) {
		nlmsg_free(msg);
		return err;
	}
	genlmsg_end(msg, hdr);
	return genlmsg_reply(msg, info);
}

int chring_nl_service_get_dumpit(struct sk_buff *skb,
				 struct netlink_callback *cb)
{
	struct chring_subject subject = chring_nl_subject(cb->skb, sock_net(skb->sk));
	struct chring_net *cn = chring_net(sock_net(skb->sk));
	struct chring_nl_dump *state = chring_nl_dump_state(cb);
	struct chring_service *service;
	unsigned int index = 0;
	int err = 0;
	void *hdr;

	mutex_lock(&cn->lock);
	cb->seq = cn->seq;
	list_for_each_entry(service, &cn->services, list) {
		if (index++ < state->service)
			continue;
		hdr = chring_nl_dump_put(skb, cb);
		if (!hdr) {
			err = -EMSGSIZE;
			break;
		}
		err = chring_put_service(skb, service,
					 sk_user_ns(NETLINK_CB(cb->skb).sk));
		if (!err && subject.admin)
			err = chring_put_seed(skb, service);
		if (err) {
			genlmsg_cancel(skb, hdr);
			break;
		}
		genlmsg_end(skb, hdr);
		state->service = index;
	}
	mutex_unlock(&cn->lock);
	return err;
}
