// SPDX-License-Identifier: GPL-2.0
/*
 * Services: the registry of each network namespace, and how a service comes
 * and goes. What its replicas do is in replica.c.
 *
 * A service is made idle, and takes its port with its first replica. Removal
 * waits for grace periods, which a request must not: the service stays in the
 * registry, marked, until a work item is through with it and with all others
 * that came along.
 */

#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/log2.h>
#include <linux/module.h>
#include <linux/netlink.h>
#include <linux/slab.h>
#include <net/ipv6.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>

#include "anchor.h"
#include "life.h"
#include "lookup.h"
#include "membership.h"
#include "notify.h"
#include "override.h"
#include "replica.h"
#include "service.h"
#include "table.h"

static unsigned int max_services = 1024;
module_param(max_services, uint, 0644);
MODULE_PARM_DESC(max_services, "Most services of a network namespace");

static unsigned int chring_net_id __read_mostly;

/* Services and anchors on their way out, of all network namespaces */
static LIST_HEAD(retired);
static LIST_HEAD(retired_anchors);
static DEFINE_SPINLOCK(retired_lock); /* protects the lists and their members' links */

static void retire_work_fn(struct work_struct *work);
static DECLARE_WORK(retire_work, retire_work_fn);

/**
 * chring_net - the services of a network namespace
 * @net: the network namespace, alive
 *
 * Context: any.
 */
struct chring_net *chring_net(const struct net *net)
{
	return net_generic(net, chring_net_id);
}

/**
 * chring_service_find_locked - a service by its name
 * @cn: where to look; caller holds its lock
 * @name: the name
 *
 * Return: the service, which can be on its way out, or NULL.
 */
struct chring_service *chring_service_find_locked(struct chring_net *cn,
						  const char *name)
{
	struct chring_service *service;

	lockdep_assert_held(&cn->lock);
	list_for_each_entry(service, &cn->services, list)
		if (!strcmp(service->name, name))
			return service;
	return NULL;
}

/**
 * chring_service_active_locked - a service that can be changed, by its name
 * @cn: where to look; caller holds its lock
 * @name: the attribute with the name
 * @extack: says why not
 *
 * Return: the service, or an error pointer: -ENOENT, or -EBUSY where it is on
 * its way out.
 */
struct chring_service *
chring_service_active_locked(struct chring_net *cn, const struct nlattr *name,
			     struct netlink_ext_ack *extack)
{
	struct chring_service *service;

	service = chring_service_find_locked(cn, nla_data(name));
	if (!service) {
		NL_SET_ERR_MSG_ATTR(extack, name, "no service of this name");
		return ERR_PTR(-ENOENT);
	}
	if (service->removing) {
		NL_SET_ERR_MSG_ATTR(extack, name, "service is being removed");
		return ERR_PTR(-EBUSY);
	}
	return service;
}

/* Why there can be no service on @address; NULL where there can. */
static const char *refuse_address(const struct chring_address *address)
{
	bool linklocal;

	if (address->family == AF_INET)
		return ipv4_is_multicast(address->ipv4) ||
		       ipv4_is_lbcast(address->ipv4) ?
		       "address is not a unicast address" : NULL;

	if (ipv6_addr_is_multicast(&address->ipv6))
		return "address is not a unicast address";
	if (ipv6_addr_v4mapped(&address->ipv6))
		return "address is an IPv4 address: give it as one";
	linklocal = ipv6_addr_type(&address->ipv6) & IPV6_ADDR_LINKLOCAL;
	if (linklocal && !address->device)
		return "link-local address needs a device";
	if (!linklocal && address->device)
		return "only a link-local address is on a device";
	return NULL;
}

static int check_new(struct chring_net *cn,
		     const struct chring_service_args *args,
		     struct netlink_ext_ack *extack)
{
	struct chring_service *service;
	const char *text;

	text = refuse_address(&args->address);
	if (text) {
		NL_SET_ERR_MSG_ATTR_FMT(extack, args->address_attr, "%s",
					text);
		return -EINVAL;
	}
	list_for_each_entry(service, &cn->services, list) {
		bool same_name = !strcmp(service->name, args->name);

		if (!same_name &&
		    !chring_address_overlaps(&service->address,
					     &args->address))
			continue;
		NL_SET_BAD_ATTR(extack, same_name ? args->name_attr :
						    args->address_attr);
		if (service->removing) {
			NL_SET_ERR_MSG(extack, "service is being removed");
			return -EBUSY;
		}
		if (same_name)
			NL_SET_ERR_MSG(extack, "a service of this name exists");
		else
			NL_SET_ERR_MSG(extack, "a service on this address and port exists");
		return -EEXIST;
	}
	if (cn->nr_services >= max_services) {
		NL_SET_ERR_MSG(extack, "too many services (module parameter max_services)");
		return -ENOSPC;
	}
	return 0;
}

static struct chring_service *
service_alloc(struct net *net, const struct chring_service_args *args)
{
	struct chring_service *service;

	service = kzalloc(sizeof(*service), GFP_KERNEL_ACCOUNT);
	if (!service)
		return NULL;
	if (chring_selector_init(&service->selector, &args->address,
				 &args->key))
		goto free;
	service->order = ilog2(args->slots);
	chring_ring_init(&service->ring, &args->seed);
	service->ring.kept = chring_kept_alloc(service->order);
	if (!service->ring.kept)
		goto free_selector;
	strscpy(service->name, args->name);
	service->net = net;
	service->address = args->address;
	service->owner = args->owner;
	service->selector.hold = args->hold;
	service->leave = args->leave;
	INIT_LIST_HEAD(&service->asides);
	service->balance = args->balance;
	service->vnodes = args->vnodes;
	service->grace = args->grace;
	xa_init_flags(&service->replicas, XA_FLAGS_ALLOC | XA_FLAGS_ACCOUNT);
	return service;

free_selector:
	chring_selector_free(&service->selector);
free:
	kfree(service);
	return NULL;
}

/**
 * chring_service_new - make a service
 * @net: its network namespace
 * @args: name, address and owner
 * @extack: says why not
 *
 * Context: may sleep; takes the lock of the namespace's services.
 * Return: 0; -EEXIST for a name or an address that is taken; -EBUSY while its
 * last holder is being removed; -EINVAL for an address that is no host's;
 * -ENOSPC over the limit; -ENODEV while the module goes; -ENOMEM.
 */
int chring_service_new(struct net *net, const struct chring_service_args *args,
		       struct netlink_ext_ack *extack)
{
	struct chring_net *cn = chring_net(net);
	struct chring_service *service;
	int err;

	/* Put back when the service is gone */
	if (!try_module_get(THIS_MODULE)) {
		NL_SET_ERR_MSG(extack, "module is being unloaded");
		return -ENODEV;
	}
	mutex_lock(&cn->lock);
	err = check_new(cn, args, extack);
	if (err)
		goto unlock;
	err = -ENOMEM;
	service = service_alloc(net, args);
	if (!service)
		goto unlock;
	list_add_tail(&service->list, &cn->services);
	cn->nr_services++;
	cn->seq++;
	chring_notify_service_locked(CHRING_CMD_SERVICE_NEW_NTF, service);
	err = 0;
unlock:
	mutex_unlock(&cn->lock);
	if (err)
		module_put(THIS_MODULE);
	return err;
}

/**
 * chring_service_changed_locked - a service is not what it was told to be
 * @service: caller holds the lock of its namespace's services
 *
 * Dumps under way know from then on, and so does who listens.
 *
 * Context: may sleep.
 */
void chring_service_changed_locked(struct chring_service *service)
{
	chring_net(service->net)->seq++;
	chring_notify_service_locked(CHRING_CMD_SERVICE_SET_NTF, service);
}

static int check_owner(const struct chring_service *service,
		       const struct nlattr *attr,
		       struct netlink_ext_ack *extack)
{
	if (!service->anchor && !service->left)
		return 0;
	NL_SET_ERR_MSG_ATTR_FMT(extack, attr, "owner cannot change while the service %s",
				service->anchor ? "holds its port" :
						  "has replicas");
	return -EBUSY;
}

/* What can fail comes first. */
static int service_change(struct chring_net *cn,
			  struct chring_service *service,
			  const struct chring_service_change *change,
			  struct netlink_ext_ack *extack)
{
	struct chring_table *table = NULL;
	int err = 0;

	if (change->owner_attr)
		err = check_owner(service, change->owner_attr, extack);
	if (err)
		return err;
	if (change->balance_attr && service->nr_replicas &&
	    service->balance != change->balance) {
		table = chring_table_alloc(service);
		if (!table)
			return -ENOMEM;
	}
	if (change->leave_attr && !change->leave) {
		NL_SET_BAD_ATTR(extack, change->leave_attr);
		err = chring_override_end(cn, service, extack);
		if (err)
			goto free;
	}
	if (change->balance_attr)
		service->balance = change->balance;
	if (table)
		chring_table_replace(cn, service, table);
	if (change->owner_attr)
		service->owner = change->owner;
	if (change->leave_attr)
		service->leave = change->leave;
	if (change->grace_attr)
		service->grace = change->grace;
	/* Packets read it */
	if (change->hold_attr)
		WRITE_ONCE(service->selector.hold, change->hold);
	return 0;

free:
	if (table)
		chring_table_free(table);
	return err;
}

/**
 * chring_service_set - change a service
 * @net: its network namespace
 * @name: the attribute with its name
 * @change: what is to be otherwise
 * @extack: says why not
 *
 * Context: may sleep; takes the lock of the namespace's services, inside it the
 * locks of chring_override_end().
 * Return: 0; -ENOENT; -EBUSY where it is being removed, or is to have another
 * owner and holds its port, or has replicas; -ENOMEM; what
 * chring_override_end() returns.
 */
int chring_service_set(struct net *net, const struct nlattr *name,
		       const struct chring_service_change *change,
		       struct netlink_ext_ack *extack)
{
	struct chring_net *cn = chring_net(net);
	struct chring_service *service;
	int err;

	mutex_lock(&cn->lock);
	service = chring_service_active_locked(cn, name, extack);
	if (IS_ERR(service))
		err = PTR_ERR(service);
	else
		err = service_change(cn, service, change, extack);
	if (!err)
		chring_service_changed_locked(service);
	mutex_unlock(&cn->lock);
	return err;
}

/**
 * chring_service_retire_anchor - begin to leave a port
 * @anchor: in no list; with a socket or a table to leave by
 *
 * Context: any but hard interrupts.
 */
void chring_service_retire_anchor(struct chring_anchor *anchor)
{
	spin_lock(&retired_lock);
	list_add_tail(&anchor->list, &retired_anchors);
	spin_unlock(&retired_lock);
	queue_work(system_unbound_wq, &retire_work);
}

static void service_retire_locked(struct chring_net *cn,
				  struct chring_service *service)
{
	struct chring_anchor *anchor;

	lockdep_assert_held(&cn->lock);
	service->removing = true;
	chring_service_changed_locked(service);
	if (service->anchor)
		service->anchor->table =
			rcu_dereference_protected(service->selector.table,
						  lockdep_is_held(&cn->lock));
	spin_lock(&retired_lock);
	if (service->anchor)
		list_add_tail(&service->anchor->list, &retired_anchors);
	list_for_each_entry(anchor, &service->asides, list)
		anchor->nr_replicas = 0;
	list_splice_tail_init(&service->asides, &retired_anchors);
	list_add_tail(&service->retired, &retired);
	spin_unlock(&retired_lock);
	queue_work(system_unbound_wq, &retire_work);
}

/**
 * chring_service_del - begin to remove a service
 * @net: its network namespace
 * @name: the attribute with its name
 * @extack: says why not
 *
 * Until the service is gone it stays visible, and its name and address taken.
 *
 * Context: may sleep; takes the lock of the namespace's services.
 * Return: 0; -ENOENT; -EBUSY where it is being removed already.
 */
int chring_service_del(struct net *net, const struct nlattr *name,
		       struct netlink_ext_ack *extack)
{
	struct chring_net *cn = chring_net(net);
	struct chring_service *service;
	int err = 0;

	mutex_lock(&cn->lock);
	service = chring_service_active_locked(cn, name, extack);
	if (IS_ERR(service))
		err = PTR_ERR(service);
	else
		service_retire_locked(cn, service);
	mutex_unlock(&cn->lock);
	return err;
}

/* Last of all; the selector runs no more. */
static void service_free(struct chring_service *service)
{
	struct chring_net *cn = chring_net(service->net);

	mutex_lock(&cn->lock);
	list_del(&service->list);
	cn->nr_services--;
	cn->seq++;
	chring_notify_service_locked(CHRING_CMD_SERVICE_DEL_NTF, service);
	mutex_unlock(&cn->lock);

	xa_destroy(&service->replicas);
	chring_kept_free(service->ring.kept);
	chring_selector_free(&service->selector);
	kfree(service);
	module_put(THIS_MODULE);
}

static void anchors_leave(struct list_head *anchors)
{
	struct chring_anchor *anchor, *next;

	if (list_empty(anchors))
		return;
	list_for_each_entry(anchor, anchors, list)
		chring_anchor_hide(anchor);
	synchronize_rcu();
	list_for_each_entry(anchor, anchors, list)
		chring_anchor_leave(anchor);
	synchronize_rcu();
	/* Groups that died with their sockets drop the selector by RCU */
	rcu_barrier();
	list_for_each_entry_safe(anchor, next, anchors, list)
		chring_anchor_free(anchor);
}

/*
 * Takes any number of services and anchors through their end, with the same
 * few grace periods. Anchors come before their service, or with it, and nobody
 * but this work touches what a retired service has.
 */
static void retire_work_fn(struct work_struct *work)
{
	struct chring_service *service, *next;
	LIST_HEAD(anchors);
	LIST_HEAD(batch);

	spin_lock(&retired_lock);
	list_splice_init(&retired_anchors, &anchors);
	list_splice_init(&retired, &batch);
	spin_unlock(&retired_lock);

	anchors_leave(&anchors);
	list_for_each_entry_safe(service, next, &batch, retired) {
		/* Leaked, and stays visible as what keeps the module */
		if (chring_selector_in_use(&service->selector))
			continue;
		chring_members_free(chring_net(service->net), service);
		service_free(service);
	}
}

/* Where a client's packet goes that is sent to @to, at a service on @address */
static int resolve(struct chring_address *resolved,
		   const struct chring_address *address,
		   const struct chring_address *to,
		   struct netlink_ext_ack *extack)
{
	*resolved = *to;
	resolved->protocol = address->protocol;
	resolved->port = address->port;
	resolved->v6only = address->v6only;
	if (to->family != address->family && !(to->family == AF_INET &&
					       chring_address_dual(address))) {
		NL_SET_ERR_MSG(extack, "service is of another address family");
		return -EAFNOSUPPORT;
	}
	if (chring_address_any(address)) {
		if (!chring_address_any(to))
			return 0;
		NL_SET_ERR_MSG(extack, "service is on any address: which one is sent to?");
		return -EDESTADDRREQ;
	}
	if (chring_address_any(to)) {
		*resolved = *address;
		return 0;
	}
	resolved->device = address->device;
	if (!chring_address_equal(resolved, address)) {
		NL_SET_ERR_MSG(extack, "service is on another address");
		return -EADDRNOTAVAIL;
	}
	return 0;
}

static int check_payload(const struct chring_service *service,
			 const struct chring_flow *flow,
			 struct netlink_ext_ack *extack)
{
	if (flow->payload && service->address.protocol == IPPROTO_TCP) {
		NL_SET_ERR_MSG_ATTR(extack, flow->payload_attr,
				    "service is TCP: nothing of its payload is looked at");
		return -EINVAL;
	}
	if (!flow->payload &&
	    service->selector.key.type == CHRING_KEY_TYPE_PAYLOAD) {
		NL_SET_ERR_MSG(extack, "payload is missing: the service's key is of it");
		NL_SET_BAD_ATTR(extack, NULL);
		NL_SET_ERR_ATTR_MISS(extack, NULL, CHRING_A_LOOKUP_PAYLOAD);
		return -EINVAL;
	}
	return 0;
}

/**
 * chring_service_lookup - who would get a new flow?
 * @net: network namespace
 * @name: the attribute with the service's name
 * @flow: the flow; where it is sent to any address, that is the service's own,
 *	and of no concern are the port and the protocol there
 * @found: gets the answer
 * @extack: says why not
 *
 * Context: may sleep; takes the lock of the namespace's services.
 * Return: 0; -ENOENT; -EBUSY; -EAFNOSUPPORT where the service takes no flows
 * of that family; -EDESTADDRREQ where the address that it is sent to is needed;
 * -EADDRNOTAVAIL where the service is not on that; -EINVAL where the payload is
 * needed, or is one of TCP; -ENOMEM.
 */
int chring_service_lookup(struct net *net, const struct nlattr *name,
			  const struct chring_flow *flow,
			  struct chring_found *found,
			  struct netlink_ext_ack *extack)
{
	struct chring_net *cn = chring_net(net);
	struct chring_service *service;
	struct chring_flow resolved = *flow;
	int err;

	mutex_lock(&cn->lock);
	service = chring_service_active_locked(cn, name, extack);
	if (IS_ERR(service))
		err = PTR_ERR(service);
	else
		err = resolve(&resolved.to, &service->address, &flow->to,
			      extack);
	if (!err)
		err = check_payload(service, flow, extack);
	if (!err)
		err = chring_replica_lookup_locked(cn, service, &resolved,
						   found);
	mutex_unlock(&cn->lock);
	return err;
}

static int __net_init net_init(struct net *net)
{
	struct chring_net *cn = chring_net(net);

	cn->seq = 1;
	mutex_init(&cn->lock);
	INIT_LIST_HEAD(&cn->services);
	INIT_DELAYED_WORK(&cn->sweep, chring_sweep);
	cn->swept = jiffies;
	return 0;
}

/* Sockets keep a namespace alive: there is no replica that has one any more. */
static void __net_exit net_exit_batch(struct list_head *nets)
{
	struct chring_service *service;
	struct chring_net *cn;
	struct net *net;

	list_for_each_entry(net, nets, exit_list) {
		cn = chring_net(net);
		cancel_delayed_work_sync(&cn->sweep);
		mutex_lock(&cn->lock);
		list_for_each_entry(service, &cn->services, list)
			if (!service->removing)
				service_retire_locked(cn, service);
		mutex_unlock(&cn->lock);
	}
	flush_work(&retire_work);
}

static struct pernet_operations net_ops = {
	.init = net_init,
	.exit_batch = net_exit_batch,
	.id = &chring_net_id,
	.size = sizeof(struct chring_net),
};

/**
 * chring_service_init - begin to keep services, in every network namespace
 *
 * Context: may sleep.
 * Return: 0, or -ENOMEM.
 */
int __init chring_service_init(void)
{
	return register_pernet_subsys(&net_ops);
}

/**
 * chring_service_exit - the reverse; there is no service, nor any request
 *
 * Context: may sleep.
 */
void chring_service_exit(void)
{
	unregister_pernet_subsys(&net_ops);
	/* What the last service's end left to RCU */
	rcu_barrier();
}
