// SPDX-License-Identifier: GPL-2.0
/* The family's requests about replicas, and where a flow would go */

#include <linux/slab.h>
#include <net/genetlink.h>

#include "generated/netlink.h"
#include "lookup.h"
#include "message.h"
#include "netlink.h"
#include "plan.h"
#include "replica.h"
#include "service.h"

/* One bit for each attribute of a replica that a request takes */
#define TAKES(name) BIT(CHRING_A_REPLICA_##name)

static int parse_life(struct chring_replica_args *args, struct nlattr **tb,
		      struct netlink_ext_ack *extack)
{
	const struct nlattr *drain = tb[CHRING_A_REPLICA_DRAIN];
	const struct nlattr *ramp = tb[CHRING_A_REPLICA_RAMP];

	args->replace = tb[CHRING_A_REPLICA_REPLACE];
	args->ramp = ramp ? nla_get_u32(ramp) : 0;
	args->drain = drain;
	args->drain_bound = drain ? nla_get_u32(drain) : 0;
	args->up = tb[CHRING_A_REPLICA_UP];
	if (!args->drain || !args->up)
		return 0;
	NL_SET_ERR_MSG_ATTR(extack, tb[CHRING_A_REPLICA_UP],
			    "a replica cannot drain and be up");
	return -EINVAL;
}

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
	err = chring_nl_check_name(tb[CHRING_A_REPLICA_NAME], extack);
	if (err)
		return err;

	args->name_attr = tb[CHRING_A_REPLICA_NAME];
	args->name = nla_data(args->name_attr);
	if (takes & TAKES(FD)) {
		if (NL_REQ_ATTR_CHECK(extack, nest, tb, CHRING_A_REPLICA_FD))
			return -EINVAL;
		args->fd_attr = tb[CHRING_A_REPLICA_FD];
		args->fd = nla_get_u32(args->fd_attr);
		args->pidfd_attr = tb[CHRING_A_REPLICA_PIDFD];
		if (args->pidfd_attr)
			args->pidfd = nla_get_u32(args->pidfd_attr);
	} else if (takes & TAKES(UP)) {
		/* One of them at least */
		if (!tb[CHRING_A_REPLICA_DRAIN] && !tb[CHRING_A_REPLICA_UP] &&
		    NL_REQ_ATTR_CHECK(extack, nest, tb,
				      CHRING_A_REPLICA_WEIGHT))
			return -EINVAL;
	}
	err = parse_life(args, tb, extack);
	if (err)
		return err;
	args->weight_attr = tb[CHRING_A_REPLICA_WEIGHT];
	args->weight = args->weight_attr ? nla_get_u32(args->weight_attr) : 1;
	args->inode_attr = tb[CHRING_A_REPLICA_INODE];
	if (args->inode_attr)
		args->inode = nla_get_uint(args->inode_attr);
	return 0;
}

static int parse_replicas(const struct genl_info *info, unsigned long takes,
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

/* The same, of a request that takes no more than one */
static int parse_one(const struct genl_info *info, unsigned long takes,
		     struct chring_replica_args **args)
{
	unsigned int nr;
	int err;

	err = parse_replicas(info, takes, args, &nr);
	if (err || nr == 1)
		return err;
	NL_SET_ERR_MSG_ATTR(info->extack, (*args)[1].name_attr,
			    "this request takes one replica");
	kvfree(*args);
	return -EINVAL;
}

typedef int (*replicas_fn)(const struct chring_replicas_request *request,
			   struct netlink_ext_ack *extack);

static int change_replicas(const struct sk_buff *skb, struct genl_info *info,
			   unsigned long takes, replicas_fn fn)
{
	struct chring_replicas_request request = {
		.net = genl_info_net(info),
		.service = info->attrs[CHRING_A_REPLICAS_SERVICE],
		.subject = chring_nl_subject(skb, genl_info_net(info)),
	};
	int err;

	err = parse_replicas(info, takes, &request.args, &request.nr);
	if (err)
		return err;
	err = fn(&request, info->extack);
	kvfree(request.args);
	return err;
}

int chring_nl_replica_new_doit(struct sk_buff *skb, struct genl_info *info)
{
	return change_replicas(skb, info,
			       TAKES(NAME) | TAKES(FD) | TAKES(PIDFD) |
			       TAKES(WEIGHT) | TAKES(RAMP) | TAKES(REPLACE),
			       chring_replica_new);
}

int chring_nl_replica_set_doit(struct sk_buff *skb, struct genl_info *info)
{
	return change_replicas(skb, info,
			       TAKES(NAME) | TAKES(WEIGHT) | TAKES(DRAIN) |
			       TAKES(UP),
			       chring_replica_set);
}

int chring_nl_replica_del_doit(struct sk_buff *skb, struct genl_info *info)
{
	return change_replicas(skb, info, TAKES(NAME) | TAKES(INODE),
			       chring_replica_del);
}

static int put_replica_by_name(struct sk_buff *msg, struct genl_info *info,
			       const struct chring_replica_args *args)
{
	struct chring_net *cn = chring_net(genl_info_net(info));
	struct chring_service *service;
	struct chring_replica *replica;
	int err;

	mutex_lock(&cn->lock);
	err = chring_nl_find_service_locked(info, cn, CHRING_A_REPLICAS_SERVICE, &service);
	if (err)
		goto unlock;
	replica = chring_replica_find_locked(service, args->name);
	if (replica) {
		err = chring_put_replica(msg, service, replica);
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
	struct sk_buff *msg;
	void *hdr;
	int err;

	err = parse_one(info, TAKES(NAME), &args);
	if (err)
		return err;
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
	struct chring_nl_dump *state = chring_nl_dump_state(cb);
	struct chring_replica *replica;
	unsigned long index;
	void *hdr;
	int err;

	xa_for_each_start(&service->replicas, index, replica, state->replica) {
		hdr = chring_nl_dump_put(skb, cb);
		if (!hdr)
			return -EMSGSIZE;
		err = chring_put_replica(skb, service, replica);
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
	struct chring_nl_dump *state = chring_nl_dump_state(cb);
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

static int parse_change(const struct genl_info *info,
			enum chring_replica_change *change,
			struct chring_replica_args **args)
{
	unsigned long takes = TAKES(NAME);
	int err;

	if (GENL_REQ_ATTR_CHECK(info, CHRING_A_REPLICAS_CHANGE))
		return -EINVAL;
	*change = nla_get_u32(info->attrs[CHRING_A_REPLICAS_CHANGE]);
	if (*change != CHRING_REPLICA_CHANGE_DEL)
		takes |= TAKES(WEIGHT);
	err = parse_one(info, takes, args);
	if (err)
		return err;
	if (*change != CHRING_REPLICA_CHANGE_WEIGHT || (*args)->weight_attr)
		return 0;
	NL_SET_ERR_ATTR_MISS(info->extack,
			     info->attrs[CHRING_A_REPLICAS_REPLICA],
			     CHRING_A_REPLICA_WEIGHT);
	kvfree(*args);
	return -EINVAL;
}

int chring_nl_replica_plan_start(struct netlink_callback *cb)
{
	const struct genl_info *info = genl_info_dump(cb);
	struct chring_replicas_request request = {
		.net = genl_info_net(info),
		.service = info->attrs[CHRING_A_REPLICAS_SERVICE],
		.nr = 1,
	};
	enum chring_replica_change change;
	struct chring_plan *plan;
	int err;

	err = parse_change(info, &change, &request.args);
	if (err)
		return err;
	plan = chring_plan_make(&request, change, info->extack);
	kvfree(request.args);
	if (IS_ERR(plan))
		return PTR_ERR(plan);
	chring_nl_dump_state(cb)->plan = plan;
	return 0;
}

/* The plan is of one moment, whenever it is read: there is no seq to compare. */
int chring_nl_replica_plan_dumpit(struct sk_buff *skb,
				  struct netlink_callback *cb)
{
	struct chring_nl_dump *state = chring_nl_dump_state(cb);
	const struct chring_plan *plan = state->plan;
	void *hdr;

	for (; state->replica < plan->nr_rows; state->replica++) {
		/* Indexes can have holes */
		if (!plan->row[state->replica].name[0])
			continue;
		hdr = chring_nl_dump_put(skb, cb);
		if (!hdr)
			return -EMSGSIZE;
		if (chring_put_plan(skb, plan, &plan->row[state->replica])) {
			genlmsg_cancel(skb, hdr);
			return -EMSGSIZE;
		}
		genlmsg_end(skb, hdr);
	}
	return 0;
}

int chring_nl_replica_plan_done(struct netlink_callback *cb)
{
	chring_plan_free(chring_nl_dump_state(cb)->plan);
	return 0;
}

static int get_payload(struct genl_info *info, struct chring_flow *flow)
{
	const struct nlattr *attr = info->attrs[CHRING_A_LOOKUP_PAYLOAD];

	if (!attr)
		return 0;
	if (nla_len(attr) > CHRING_PAYLOAD_MAX) {
		NL_SET_ERR_MSG_ATTR(info->extack, attr,
				    "payload is too long for a datagram");
		return -EINVAL;
	}
	flow->payload = nla_data(attr);
	flow->payload_len = nla_len(attr);
	flow->payload_attr = attr;
	return 0;
}

static int get_flow(struct genl_info *info, struct chring_flow *flow)
{
	struct chring_address *from = &flow->from, *to = &flow->to;
	int err;

	err = chring_nl_get_ip(info, CHRING_A_LOOKUP_REMOTE_IPV4,
			       CHRING_A_LOOKUP_REMOTE_IPV6, from);
	if (err == -ENOENT) {
		GENL_SET_ERR_MSG(info, "address is missing");
		NL_SET_ERR_ATTR_MISS(info->extack, NULL,
				     CHRING_A_LOOKUP_REMOTE_IPV4);
		return -EINVAL;
	}
	if (err)
		return err;
	from->port = htons(nla_get_u32(info->attrs[CHRING_A_LOOKUP_REMOTE_PORT]));
	err = chring_nl_get_ip(info, CHRING_A_LOOKUP_LOCAL_IPV4,
			       CHRING_A_LOOKUP_LOCAL_IPV6, to);
	if (err == -ENOENT) {
		to->family = from->family;
		err = 0;
	}
	if (!err && to->family != from->family) {
		NL_SET_ERR_MSG_ATTR(info->extack,
				    info->attrs[CHRING_A_LOOKUP_LOCAL_IPV4] ?:
				    info->attrs[CHRING_A_LOOKUP_LOCAL_IPV6],
				    "addresses are of different families");
		err = -EINVAL;
	}
	return err ?: get_payload(info, flow);
}

int chring_nl_lookup_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct chring_flow flow = {};
	struct nlattr **attrs = info->attrs;
	struct chring_found found;
	struct sk_buff *msg;
	void *hdr;
	int err;

	if (GENL_REQ_ATTR_CHECK(info, CHRING_A_LOOKUP_SERVICE) ||
	    GENL_REQ_ATTR_CHECK(info, CHRING_A_LOOKUP_REMOTE_PORT))
		return -EINVAL;
	err = get_flow(info, &flow);
	if (err)
		return err;
	NL_SET_BAD_ATTR(info->extack, attrs[CHRING_A_LOOKUP_LOCAL_IPV4] ?:
				      attrs[CHRING_A_LOOKUP_LOCAL_IPV6]);
	err = chring_service_lookup(genl_info_net(info),
				    attrs[CHRING_A_LOOKUP_SERVICE], &flow,
				    &found, info->extack);
	if (err)
		return err;

	msg = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_KERNEL);
	if (!msg)
		return -ENOMEM;
	hdr = genlmsg_iput(msg, info);
	if (!hdr ||
	    (found.replica[0] &&
	     nla_put_string(msg, CHRING_A_LOOKUP_REPLICA, found.replica)) ||
	    (found.inode &&
	     nla_put_uint(msg, CHRING_A_LOOKUP_INODE, found.inode))) {
		nlmsg_free(msg);
		return -EMSGSIZE;
	}
	genlmsg_end(msg, hdr);
	return genlmsg_reply(msg, info);
}
