// SPDX-License-Identifier: GPL-2.0
/*
 * The family's handlers: decode, call, encode. The tables that bind them to
 * commands are made from Documentation/netlink/specs/chring.yaml.
 */

#include <linux/ctype.h>
#include <linux/slab.h>
#include <net/genetlink.h>

#include "generated/netlink.h"
#include "netlink.h"
#include "replica.h"
#include "service.h"
#include "table.h"

static int check_name(const struct nlattr *attr, struct netlink_ext_ack *extack)
{
	const char *name = nla_data(attr), *p;

	for (p = name; *p; p++)
		if (!isascii(*p) || !isgraph(*p))
			break;
	if (p != name && !*p)
		return 0;
	NL_SET_ERR_MSG_ATTR(extack, attr,
			    "name must be printable ASCII without white space");
	return -EINVAL;
}

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

int chring_nl_service_new_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct chring_service_args args = {};
	struct nlattr **attrs = info->attrs;
	int err;

	if (GENL_REQ_ATTR_CHECK(info, CHRING_A_SERVICE_NAME) ||
	    GENL_REQ_ATTR_CHECK(info, CHRING_A_SERVICE_PROTOCOL) ||
	    GENL_REQ_ATTR_CHECK(info, CHRING_A_SERVICE_LOCAL_IPV4) ||
	    GENL_REQ_ATTR_CHECK(info, CHRING_A_SERVICE_LOCAL_PORT))
		return -EINVAL;
	err = check_name(attrs[CHRING_A_SERVICE_NAME], info->extack);
	if (err)
		return err;
	err = get_owner(info, &args.owner);
	if (err)
		return err;

	args.name_attr = attrs[CHRING_A_SERVICE_NAME];
	args.name = nla_data(args.name_attr);
	if (nla_get_u32(attrs[CHRING_A_SERVICE_PROTOCOL]) ==
	    CHRING_PROTOCOL_TCP)
		args.address.protocol = IPPROTO_TCP;
	else
		args.address.protocol = IPPROTO_UDP;
	args.address_attr = attrs[CHRING_A_SERVICE_LOCAL_IPV4];
	args.address.ipv4 = nla_get_in_addr(args.address_attr);
	args.address.port =
		htons(nla_get_u32(attrs[CHRING_A_SERVICE_LOCAL_PORT]));
	return chring_service_new(genl_info_net(info), &args, info->extack);
}

int chring_nl_service_set_doit(struct sk_buff *skb, struct genl_info *info)
{
	kuid_t owner;
	int err;

	if (GENL_REQ_ATTR_CHECK(info, CHRING_A_SERVICE_NAME) ||
	    GENL_REQ_ATTR_CHECK(info, CHRING_A_SERVICE_OWNER))
		return -EINVAL;
	err = get_owner(info, &owner);
	if (err)
		return err;
	NL_SET_BAD_ATTR(info->extack, info->attrs[CHRING_A_SERVICE_OWNER]);
	return chring_service_set_owner(genl_info_net(info),
					info->attrs[CHRING_A_SERVICE_NAME],
					owner, info->extack);
}

int chring_nl_service_del_doit(struct sk_buff *skb, struct genl_info *info)
{
	if (GENL_REQ_ATTR_CHECK(info, CHRING_A_SERVICE_NAME))
		return -EINVAL;
	return chring_service_del(genl_info_net(info),
				  info->attrs[CHRING_A_SERVICE_NAME],
				  info->extack);
}

static enum chring_service_state
service_state(const struct chring_service *service)
{
	if (service->removing)
		return CHRING_SERVICE_STATE_REMOVING;
	return service->anchor ? CHRING_SERVICE_STATE_STEERING :
				 CHRING_SERVICE_STATE_IDLE;
}

/* @ns: whose user ids the reader knows. Caller holds the services' lock. */
static int put_service(struct sk_buff *skb, struct chring_service *service,
		       struct user_namespace *ns)
{
	const struct chring_address *address = &service->address;
	struct chring_totals totals;

	chring_service_totals_locked(service, &totals);
	if (nla_put_string(skb, CHRING_A_SERVICE_NAME, service->name) ||
	    nla_put_u32(skb, CHRING_A_SERVICE_PROTOCOL,
			address->protocol == IPPROTO_TCP ?
			CHRING_PROTOCOL_TCP : CHRING_PROTOCOL_UDP) ||
	    nla_put_in_addr(skb, CHRING_A_SERVICE_LOCAL_IPV4, address->ipv4) ||
	    nla_put_u32(skb, CHRING_A_SERVICE_LOCAL_PORT,
			ntohs(address->port)) ||
	    nla_put_u32(skb, CHRING_A_SERVICE_OWNER,
			from_kuid_munged(ns, service->owner)) ||
	    nla_put_u32(skb, CHRING_A_SERVICE_STATE, service_state(service)) ||
	    nla_put_u32(skb, CHRING_A_SERVICE_SLOTS, CHRING_TABLE_SLOTS) ||
	    nla_put_u32(skb, CHRING_A_SERVICE_REPLICAS, service->nr_replicas) ||
	    nla_put_u32(skb, CHRING_A_SERVICE_POINTS, service->ring.nr_points) ||
	    nla_put_uint(skb, CHRING_A_SERVICE_PICKS, totals.picks) ||
	    nla_put_uint(skb, CHRING_A_SERVICE_MIGRATED, totals.migrated) ||
	    nla_put_uint(skb, CHRING_A_SERVICE_PASSED_OVER,
			 totals.passed_over) ||
	    nla_put_uint(skb, CHRING_A_SERVICE_REFUSED,
			 chring_service_refused(service)))
		return -EMSGSIZE;
	return 0;
}

static int put_replica(struct sk_buff *skb,
		       const struct chring_service *service,
		       const struct chring_replica *replica)
{
	__portpair ports = chring_ports(&service->address);
	struct chring_totals totals = {};
	struct nlattr *nest;

	if (nla_put_string(skb, CHRING_A_REPLICAS_SERVICE, service->name))
		return -EMSGSIZE;
	nest = nla_nest_start(skb, CHRING_A_REPLICAS_REPLICA);
	if (!nest)
		return -EMSGSIZE;

	chring_replica_totals(replica, &totals);
	if (nla_put_string(skb, CHRING_A_REPLICA_NAME, replica->name) ||
	    nla_put_u32(skb, CHRING_A_REPLICA_WEIGHT, replica->weight) ||
	    nla_put_u32(skb, CHRING_A_REPLICA_STATE,
			chring_target_alive(replica->sk, ports) ?
			CHRING_REPLICA_STATE_UP : CHRING_REPLICA_STATE_DEAD) ||
	    nla_put_uint(skb, CHRING_A_REPLICA_INODE, replica->inode) ||
	    nla_put_u32(skb, CHRING_A_REPLICA_POINTS,
			replica->member.nr_vnodes) ||
	    nla_put_u32(skb, CHRING_A_REPLICA_SLOTS, replica->slots) ||
	    nla_put_uint(skb, CHRING_A_REPLICA_PICKS, totals.picks) ||
	    nla_put_uint(skb, CHRING_A_REPLICA_MIGRATED, totals.migrated) ||
	    nla_put_uint(skb, CHRING_A_REPLICA_PASSED_OVER,
			 totals.passed_over))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

/* Caller holds the services' lock. */
static int get_service(struct genl_info *info, struct chring_net *cn,
		       unsigned int type, struct chring_service **service)
{
	const struct nlattr *attr = info->attrs[type];

	*service = chring_service_find_locked(cn, nla_data(attr));
	if (*service)
		return 0;
	NL_SET_ERR_MSG_ATTR(info->extack, attr, "no service of this name");
	return -ENOENT;
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
	err = get_service(info, cn, CHRING_A_SERVICE_NAME, &service);
	if (!err)
		err = put_service(msg, service, current_user_ns());
	mutex_unlock(&cn->lock);
	if (err) {
		nlmsg_free(msg);
		return err;
	}
	genlmsg_end(msg, hdr);
	return genlmsg_reply(msg, info);
}

/* What a dump has to come back to; the namespace's seq tells it of changes */
struct dump_state {
	unsigned int service;
	unsigned long replica;
};

static struct dump_state *dump_state(struct netlink_callback *cb)
{
	NL_ASSERT_DUMP_CTX_FITS(struct dump_state);
	return (struct dump_state *)cb->ctx;
}

static void *dump_put(struct sk_buff *skb, struct netlink_callback *cb)
{
	void *hdr = genlmsg_iput(skb, genl_info_dump(cb));

	if (hdr)
		genl_dump_check_consistent(cb, hdr);
	return hdr;
}

int chring_nl_service_get_dumpit(struct sk_buff *skb,
				 struct netlink_callback *cb)
{
	struct chring_net *cn = chring_net(sock_net(skb->sk));
	struct dump_state *state = dump_state(cb);
	struct chring_service *service;
	unsigned int index = 0;
	int err = 0;
	void *hdr;

	mutex_lock(&cn->lock);
	cb->seq = cn->seq;
	list_for_each_entry(service, &cn->services, list) {
		if (index++ < state->service)
			continue;
		hdr = dump_put(skb, cb);
		if (!hdr) {
			err = -EMSGSIZE;
			break;
		}
		err = put_service(skb, service,
				  sk_user_ns(NETLINK_CB(cb->skb).sk));
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

/* One bit for each attribute of a replica that a request takes */
#define TAKES(name) BIT(CHRING_A_REPLICA_##name)

static int parse_replica(struct chring_replica_args *args,
			 const struct nlattr *nest, unsigned long takes,
			 struct netlink_ext_ack *extack)
{
	struct nlattr *tb[CHRING_A_REPLICA_MAX + 1];
	unsigned int type;
	int err;

	err = nla_parse_nested(tb, CHRING_A_REPLICA_MAX, nest,
			       chring_replica_nl_policy, extack);
	if (err)
		return err;
	for (type = 1; type <= CHRING_A_REPLICA_MAX; type++) {
		if (tb[type] && !(takes & BIT(type))) {
			NL_SET_ERR_MSG_ATTR(extack, tb[type],
					    "this request does not take the attribute");
			return -EINVAL;
		}
	}
	if (NL_REQ_ATTR_CHECK(extack, nest, tb, CHRING_A_REPLICA_NAME))
		return -EINVAL;
	err = check_name(tb[CHRING_A_REPLICA_NAME], extack);
	if (err)
		return err;

	args->name_attr = tb[CHRING_A_REPLICA_NAME];
	args->name = nla_data(args->name_attr);
	if (takes & TAKES(FD)) {
		if (NL_REQ_ATTR_CHECK(extack, nest, tb, CHRING_A_REPLICA_FD))
			return -EINVAL;
		args->fd_attr = tb[CHRING_A_REPLICA_FD];
		args->fd = nla_get_u32(args->fd_attr);
	} else if (takes & TAKES(WEIGHT)) {
		if (NL_REQ_ATTR_CHECK(extack, nest, tb,
				      CHRING_A_REPLICA_WEIGHT))
			return -EINVAL;
	}
	args->weight_attr = tb[CHRING_A_REPLICA_WEIGHT];
	args->weight = args->weight_attr ? nla_get_u32(args->weight_attr) : 1;
	return 0;
}

static int parse_replicas(struct genl_info *info, unsigned long takes,
			  struct chring_replica_args **argsp, unsigned int *nr)
{
	struct chring_replica_args *args;
	struct nlattr *attr;
	unsigned int n = 0;
	int err, rem;

	if (GENL_REQ_ATTR_CHECK(info, CHRING_A_REPLICAS_SERVICE) ||
	    GENL_REQ_ATTR_CHECK(info, CHRING_A_REPLICAS_REPLICA))
		return -EINVAL;
	nlmsg_for_each_attr(attr, info->nlhdr, GENL_HDRLEN, rem)
		n += nla_type(attr) == CHRING_A_REPLICAS_REPLICA;
	args = kvcalloc(n, sizeof(*args), GFP_KERNEL_ACCOUNT);
	if (!args)
		return -ENOMEM;

	n = 0;
	nlmsg_for_each_attr(attr, info->nlhdr, GENL_HDRLEN, rem) {
		if (nla_type(attr) != CHRING_A_REPLICAS_REPLICA)
			continue;
		err = parse_replica(&args[n++], attr, takes, info->extack);
		if (err) {
			kvfree(args);
			return err;
		}
	}
	*argsp = args;
	*nr = n;
	return 0;
}

typedef int (*replicas_fn)(struct net *net, const struct nlattr *name,
			   struct chring_replica_args *args, unsigned int nr,
			   struct netlink_ext_ack *extack);

static int change_replicas(struct genl_info *info, unsigned long takes,
			   replicas_fn fn)
{
	struct chring_replica_args *args;
	unsigned int nr;
	int err;

	err = parse_replicas(info, takes, &args, &nr);
	if (err)
		return err;
	err = fn(genl_info_net(info), info->attrs[CHRING_A_REPLICAS_SERVICE],
		 args, nr, info->extack);
	kvfree(args);
	return err;
}

int chring_nl_replica_new_doit(struct sk_buff *skb, struct genl_info *info)
{
	return change_replicas(info, TAKES(NAME) | TAKES(FD) | TAKES(WEIGHT),
			       chring_replica_new);
}

int chring_nl_replica_set_doit(struct sk_buff *skb, struct genl_info *info)
{
	return change_replicas(info, TAKES(NAME) | TAKES(WEIGHT),
			       chring_replica_set);
}

int chring_nl_replica_del_doit(struct sk_buff *skb, struct genl_info *info)
{
	return change_replicas(info, TAKES(NAME), chring_replica_del);
}

static int put_replica_by_name(struct sk_buff *msg, struct genl_info *info,
			       const struct chring_replica_args *args)
{
	struct chring_net *cn = chring_net(genl_info_net(info));
	struct chring_service *service;
	struct chring_replica *replica;
	int err;

	mutex_lock(&cn->lock);
	err = get_service(info, cn, CHRING_A_REPLICAS_SERVICE, &service);
	if (err)
		goto unlock;
	replica = chring_replica_find_locked(service, args->name);
	if (replica) {
		err = put_replica(msg, service, replica);
	} else {
		NL_SET_ERR_MSG_ATTR(info->extack, args->name_attr,
				    "no replica of this name");
		err = -ENOENT;
	}
unlock:
	mutex_unlock(&cn->lock);
	return err;
}

int chring_nl_replica_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct chring_replica_args *args;
	struct sk_buff *msg = NULL;
	unsigned int nr;
	void *hdr;
	int err;

	err = parse_replicas(info, TAKES(NAME), &args, &nr);
	if (err)
		return err;
	err = -EINVAL;
	if (nr != 1) {
		NL_SET_ERR_MSG_ATTR(info->extack, args[1].name_attr,
				    "this request takes one replica");
		goto free;
	}
	err = -ENOMEM;
	msg = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_KERNEL);
	if (!msg)
		goto free;
	err = -EMSGSIZE;
	hdr = genlmsg_iput(msg, info);
	if (!hdr)
		goto free;
	err = put_replica_by_name(msg, info, args);
	if (err)
		goto free;
	kvfree(args);
	genlmsg_end(msg, hdr);
	return genlmsg_reply(msg, info);

free:
	kvfree(args);
	nlmsg_free(msg);
	return err;
}

static int dump_replicas(struct sk_buff *skb, struct netlink_callback *cb,
			 struct chring_service *service)
{
	struct dump_state *state = dump_state(cb);
	struct chring_replica *replica;
	unsigned long index;
	void *hdr;
	int err;

	xa_for_each_start(&service->replicas, index, replica, state->replica) {
		hdr = dump_put(skb, cb);
		if (!hdr)
			return -EMSGSIZE;
		err = put_replica(skb, service, replica);
		if (err) {
			genlmsg_cancel(skb, hdr);
			return err;
		}
		genlmsg_end(skb, hdr);
		state->replica = index + 1;
	}
	return 0;
}

int chring_nl_replica_get_dumpit(struct sk_buff *skb,
				 struct netlink_callback *cb)
{
	const struct genl_info *info = genl_info_dump(cb);
	struct chring_net *cn = chring_net(sock_net(skb->sk));
	struct nlattr *attr = info->attrs[CHRING_A_REPLICAS_SERVICE];
	struct dump_state *state = dump_state(cb);
	struct chring_service *service;
	unsigned int index = 0;
	int err = 0;

	mutex_lock(&cn->lock);
	cb->seq = cn->seq;
	if (attr && !state->service &&
	    !chring_service_find_locked(cn, nla_data(attr))) {
		NL_SET_ERR_MSG_ATTR(info->extack, attr,
				    "no service of this name");
		err = -ENOENT;
		goto unlock;
	}
	list_for_each_entry(service, &cn->services, list) {
		if (index++ < state->service)
			continue;
		if (!attr || !nla_strcmp(attr, service->name)) {
			err = dump_replicas(skb, cb, service);
			if (err)
				break;
		}
		state->service = index;
		state->replica = 0;
	}
unlock:
	mutex_unlock(&cn->lock);
	return err;
}

int chring_nl_lookup_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct nlattr **attrs = info->attrs;
	char replica[CHRING_NAME_MAX + 1];
	struct sk_buff *msg;
	__be32 to = 0;
	void *hdr;
	int err;

	if (GENL_REQ_ATTR_CHECK(info, CHRING_A_LOOKUP_SERVICE) ||
	    GENL_REQ_ATTR_CHECK(info, CHRING_A_LOOKUP_REMOTE_IPV4) ||
	    GENL_REQ_ATTR_CHECK(info, CHRING_A_LOOKUP_REMOTE_PORT))
		return -EINVAL;
	if (attrs[CHRING_A_LOOKUP_LOCAL_IPV4])
		to = nla_get_in_addr(attrs[CHRING_A_LOOKUP_LOCAL_IPV4]);
	NL_SET_BAD_ATTR(info->extack, attrs[CHRING_A_LOOKUP_LOCAL_IPV4]);
	err = chring_service_lookup(genl_info_net(info),
				    attrs[CHRING_A_LOOKUP_SERVICE], to,
				    nla_get_in_addr(attrs[CHRING_A_LOOKUP_REMOTE_IPV4]),
				    htons(nla_get_u32(attrs[CHRING_A_LOOKUP_REMOTE_PORT])),
				    replica, info->extack);
	if (err)
		return err;

	msg = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_KERNEL);
	if (!msg)
		return -ENOMEM;
	hdr = genlmsg_iput(msg, info);
	if (!hdr ||
	    (replica[0] &&
	     nla_put_string(msg, CHRING_A_LOOKUP_REPLICA, replica))) {
		nlmsg_free(msg);
		return -EMSGSIZE;
	}
	genlmsg_end(msg, hdr);
	return genlmsg_reply(msg, info);
}

/**
 * chring_netlink_init - begin to take requests
 *
 * Context: may sleep.
 * Return: 0, or what genl_register_family() says.
 */
int __init chring_netlink_init(void)
{
	return genl_register_family(&chring_nl_family);
}

/**
 * chring_netlink_exit - end; no request is under way afterwards
 *
 * Context: may sleep.
 */
void chring_netlink_exit(void)
{
	genl_unregister_family(&chring_nl_family);
}

MODULE_ALIAS_GENL_FAMILY(CHRING_FAMILY_NAME);
