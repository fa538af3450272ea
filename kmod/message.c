// SPDX-License-Identifier: GPL-2.0
/* What replies and notifications tell of services and replicas */

#include <linux/in.h>
#include <net/netlink.h>

#include "life.h"
#include "message.h"
#include "plan.h"
#include "replica.h"
#include "service.h"
#include "table.h"

static enum chring_service_state
service_state(const struct chring_service *service)
{
	if (service->removing)
		return CHRING_SERVICE_STATE_REMOVING;
	if (service->overridden)
		return CHRING_SERVICE_STATE_OVERRIDDEN;
	return service->anchor ? CHRING_SERVICE_STATE_STEERING :
				 CHRING_SERVICE_STATE_IDLE;
}

static int put_address(struct sk_buff *skb,
		       const struct chring_address *address)
{
	if (address->family == AF_INET)
		return nla_put_in_addr(skb, CHRING_A_SERVICE_LOCAL_IPV4,
				       address->ipv4);
	if (nla_put_in6_addr(skb, CHRING_A_SERVICE_LOCAL_IPV6,
			     &address->ipv6) ||
	    (address->v6only && nla_put_flag(skb, CHRING_A_SERVICE_V6ONLY)) ||
	    (address->device && nla_put_u32(skb, CHRING_A_SERVICE_DEVICE,
					    address->device)))
		return -EMSGSIZE;
	return 0;
}

/* All of it but its secret */
static int put_key(struct sk_buff *skb, const struct chring_service *service)
{
	const struct chring_key *key = &service->selector.key;

	if (nla_put_u32(skb, CHRING_A_SERVICE_KEY, key->type) ||
	    (key->prefix_ipv4 && nla_put_u32(skb, CHRING_A_SERVICE_PREFIX_IPV4,
					     key->prefix_ipv4)) ||
	    (key->prefix_ipv6 && nla_put_u32(skb, CHRING_A_SERVICE_PREFIX_IPV6,
					     key->prefix_ipv6)))
		return -EMSGSIZE;
	if (key->type == CHRING_KEY_TYPE_PAYLOAD &&
	    (nla_put_u32(skb, CHRING_A_SERVICE_PAYLOAD_OFFSET, key->offset) ||
	     nla_put_u32(skb, CHRING_A_SERVICE_PAYLOAD_LENGTH, key->length)))
		return -EMSGSIZE;
	return 0;
}

/**
 * chring_put_service - put a service into a message
 * @skb: the message
 * @service: caller holds the lock of its namespace's services
 * @ns: whose user ids the reader knows
 *
 * Return: 0, or -EMSGSIZE.
 */
int chring_put_service(struct sk_buff *skb, struct chring_service *service,
		       struct user_namespace *ns)
{
	const struct chring_address *address = &service->address;
	struct chring_totals totals;

	chring_service_totals_locked(service, &totals);
	if (nla_put_string(skb, CHRING_A_SERVICE_NAME, service->name) ||
	    nla_put_u32(skb, CHRING_A_SERVICE_PROTOCOL,
			address->protocol == IPPROTO_TCP ?
			CHRING_PROTOCOL_TCP : CHRING_PROTOCOL_UDP) ||
	    put_address(skb, address) ||
	    nla_put_u32(skb, CHRING_A_SERVICE_LOCAL_PORT,
			ntohs(address->port)) ||
	    nla_put_u32(skb, CHRING_A_SERVICE_OWNER,
			from_kuid_munged(ns, service->owner)) ||
	    nla_put_u32(skb, CHRING_A_SERVICE_NONE,
			READ_ONCE(service->selector.hold) ?
			CHRING_NONE_POLICY_HOLD : CHRING_NONE_POLICY_REFUSE) ||
	    nla_put_u32(skb, CHRING_A_SERVICE_OVERRIDE,
			service->leave ? CHRING_OVERRIDE_POLICY_LEAVE :
					 CHRING_OVERRIDE_POLICY_REATTACH) ||
	    put_key(skb, service) ||
	    nla_put_u32(skb, CHRING_A_SERVICE_STATE, service_state(service)) ||
	    nla_put_u32(skb, CHRING_A_SERVICE_BALANCE, service->balance) ||
	    nla_put_u32(skb, CHRING_A_SERVICE_VNODES, service->vnodes) ||
	    nla_put_u32(skb, CHRING_A_SERVICE_SLOTS, 1 << service->order) ||
	    nla_put_u32(skb, CHRING_A_SERVICE_GRACE, service->grace) ||
	    nla_put_u32(skb, CHRING_A_SERVICE_REPLICAS, service->nr_replicas) ||
	    nla_put_u32(skb, CHRING_A_SERVICE_POINTS, service->ring.nr_points) ||
	    nla_put_uint(skb, CHRING_A_SERVICE_PICKS, totals.picks) ||
	    nla_put_uint(skb, CHRING_A_SERVICE_MIGRATED, totals.migrated) ||
	    nla_put_uint(skb, CHRING_A_SERVICE_PASSED_OVER,
			 totals.passed_over) ||
	    nla_put_uint(skb, CHRING_A_SERVICE_REFUSED,
			 chring_selector_refused(&service->selector)))
		return -EMSGSIZE;
	return 0;
}

/**
 * chring_put_seed - put a service's seed into a message
 * @skb: the message; its reader may know secrets
 * @service: the service
 *
 * Return: 0, or -EMSGSIZE.
 */
int chring_put_seed(struct sk_buff *skb, const struct chring_service *service)
{
	const __le64 seed[] = {
		cpu_to_le64(service->ring.seed.key[0]),
		cpu_to_le64(service->ring.seed.key[1]),
	};

	return nla_put(skb, CHRING_A_SERVICE_SEED, sizeof(seed), seed);
}

/**
 * chring_put_replica - put a replica into a message
 * @skb: the message
 * @service: caller holds the lock of its namespace's services
 * @replica: one of its replicas
 *
 * Return: 0, or -EMSGSIZE.
 */
int chring_put_replica(struct sk_buff *skb,
		       const struct chring_service *service,
		       const struct chring_replica *replica)
{
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
			chring_replica_state(replica)) ||
	    nla_put_uint(skb, CHRING_A_REPLICA_INODE, replica->inode) ||
	    (replica->watch && nla_put_flag(skb, CHRING_A_REPLICA_WATCHED)) ||
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

/**
 * chring_put_plan - put what a plan tells of one replica into a message
 * @skb: the message
 * @plan: the plan
 * @row: one of its rows, that has a name
 *
 * Return: 0, or -EMSGSIZE.
 */
int chring_put_plan(struct sk_buff *skb, const struct chring_plan *plan,
		    const struct chring_plan_row *row)
{
	struct nlattr *nest;

	if (nla_put_string(skb, CHRING_A_REPLICAS_SERVICE, plan->service) ||
	    nla_put_u32(skb, CHRING_A_REPLICAS_SLOTS, plan->nr_slots) ||
	    nla_put_u32(skb, CHRING_A_REPLICAS_MOVES, plan->nr_moves))
		return -EMSGSIZE;
	nest = nla_nest_start(skb, CHRING_A_REPLICAS_REPLICA);
	if (!nest)
		return -EMSGSIZE;
	if (nla_put_string(skb, CHRING_A_REPLICA_NAME, row->name) ||
	    (row->weight &&
	     nla_put_u32(skb, CHRING_A_REPLICA_WEIGHT, row->weight)) ||
	    (row->weight_then && nla_put_u32(skb, CHRING_A_REPLICA_WEIGHT_THEN,
					     row->weight_then)) ||
	    nla_put_u32(skb, CHRING_A_REPLICA_SLOTS, row->slots) ||
	    nla_put_u32(skb, CHRING_A_REPLICA_SLOTS_THEN, row->slots_then) ||
	    nla_put_u32(skb, CHRING_A_REPLICA_TAKES, row->takes) ||
	    nla_put_u32(skb, CHRING_A_REPLICA_GIVES, row->gives))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}
