/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CHRING_SERVICE_H
#define CHRING_SERVICE_H

#include <linux/mutex.h>
#include <linux/types.h>
#include <linux/uidgid.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include <uapi/linux/chring.h>

#include "key.h"
#include "ring.h"
#include "selector.h"
#include "table.h"
#include "target.h"

struct chring_anchor;
struct chring_flow;
struct chring_found;
struct net;
struct netlink_ext_ack;
struct nlattr;

/**
 * struct chring_net - the services of a network namespace
 * @lock: protects all of it, and the services with their replicas
 * @services: &struct chring_service, in the order of their making
 * @nr_services: length of @services
 * @nr_replicas: replicas of all services
 * @nr_points: virtual nodes of all services
 * @seq: changes with each change that a dump can see; never 0
 * @sweep: looks after the services, while there is a replica or an anchor
 * @swept: when it did so last, in jiffies; the sweep's own
 */
struct chring_net {
	struct mutex lock; /* protects all of it, and the services */
	struct list_head services;
	unsigned int nr_services;
	unsigned int nr_replicas;
	unsigned int nr_points;
	unsigned int seq;
	struct delayed_work sweep;
	unsigned long swept;
};

/**
 * struct chring_service - replicas that share a protocol, address and port
 * @list: in its namespace's services
 * @retired: in the list of those that are being removed
 * @net: its network namespace
 * @name: unique in the network namespace
 * @address: what the replicas are bound to
 * @owner: user that the replicas' sockets belong to
 * @removing: on its way out: nothing but the removal touches it any more
 * @leave: where it is overridden it leaves its port
 * @overridden: one of its groups has been seen without the selector
 * @left: so it has left its port, and the others that its replicas are on
 * @balance: how its tables are filled
 * @order: they have 2^@order slots
 * @vnodes: virtual nodes of a replica for each unit of its weight
 * @grace: seconds that the slots of a dead replica stay its own
 * @stale: its table is behind its replicas: memory was short
 * @ring: the replicas' virtual nodes
 * @replicas: &struct chring_replica, by the index that the table has of them
 * @nr_replicas: number of them
 * @selector: steers, by a table filled from @ring
 * @anchor: holds the port; NULL before the first replica, and while it is @left
 * @asides: &struct chring_anchor on other ports, of TCP replicas
 * @gone: counts of the replicas that are no longer
 */
struct chring_service {
	struct list_head list;
	struct list_head retired;
	struct net *net;
	char name[CHRING_NAME_MAX + 1];
	struct chring_address address;
	kuid_t owner;
	bool removing;
	bool leave;
	bool overridden;
	bool left;
	enum chring_balance_policy balance;
	unsigned int order;
	u32 vnodes;
	u32 grace;
	bool stale;
	struct chring_ring ring;
	struct xarray replicas;
	unsigned int nr_replicas;
	struct chring_selector selector;
	struct chring_anchor *anchor;
	struct list_head asides;
	struct chring_totals gone;
};

/**
 * struct chring_service_args - a request to make a service
 * @name: 1 to CHRING_NAME_MAX bytes, printable, without white space
 * @address: of the service
 * @owner: a valid user id
 * @hold: what new flows are while no replica is alive, instead of refused
 * @leave: where it is overridden it leaves its port
 * @key: what of a flow says which slot it has; its secret is not looked at
 * @balance: how its tables are filled
 * @slots: number of slots of its tables, a power of two
 * @vnodes: virtual nodes of a replica for each unit of its weight
 * @grace: seconds that the slots of a dead replica stay its own
 * @seed: keys the ring
 * @name_attr: where @name came from, to point at in a refusal
 * @address_attr: where the address came from
 */
struct chring_service_args {
	const char *name;
	struct chring_address address;
	kuid_t owner;
	bool hold;
	bool leave;
	struct chring_key key;
	enum chring_balance_policy balance;
	u32 slots;
	u32 vnodes;
	u32 grace;
	siphash_key_t seed;
	const struct nlattr *name_attr;
	const struct nlattr *address_attr;
};

/**
 * struct chring_service_change - a request to change a service
 * @owner: a valid user id, where there is @owner_attr
 * @owner_attr: where @owner came from; NULL leaves it as it is
 * @hold: as in &struct chring_service_args, where there is @hold_attr
 * @hold_attr: where @hold came from; NULL leaves it as it is
 * @leave: as in &struct chring_service_args, where there is @leave_attr
 * @leave_attr: where @leave came from; NULL leaves it as it is
 * @balance: as in &struct chring_service_args, where there is @balance_attr
 * @balance_attr: where @balance came from; NULL leaves it as it is
 * @grace: as in &struct chring_service_args, where there is @grace_attr
 * @grace_attr: where @grace came from; NULL leaves it as it is
 */
struct chring_service_change {
	kuid_t owner;
	const struct nlattr *owner_attr;
	bool hold;
	const struct nlattr *hold_attr;
	bool leave;
	const struct nlattr *leave_attr;
	enum chring_balance_policy balance;
	const struct nlattr *balance_attr;
	u32 grace;
	const struct nlattr *grace_attr;
};

/* The virtual nodes of a replica that has all of them */
static inline u32 chring_service_points(const struct chring_service *service,
					u32 weight)
{
	return weight * service->vnodes;
}

struct chring_net *chring_net(const struct net *net);

int chring_service_new(struct net *net, const struct chring_service_args *args,
		       struct netlink_ext_ack *extack);
int chring_service_set(struct net *net, const struct nlattr *name,
		       const struct chring_service_change *change,
		       struct netlink_ext_ack *extack);
int chring_service_del(struct net *net, const struct nlattr *name,
		       struct netlink_ext_ack *extack);
int chring_service_lookup(struct net *net, const struct nlattr *name,
			  const struct chring_flow *flow,
			  struct chring_found *found,
			  struct netlink_ext_ack *extack);
struct chring_service *chring_service_find_locked(struct chring_net *cn,
						  const char *name);
struct chring_service *
chring_service_active_locked(struct chring_net *cn, const struct nlattr *name,
			     struct netlink_ext_ack *extack);

void chring_service_changed_locked(struct chring_service *service);
void chring_service_retire_anchor(struct chring_anchor *anchor);

int chring_service_init(void);
void chring_service_exit(void);

#endif /* CHRING_SERVICE_H */
