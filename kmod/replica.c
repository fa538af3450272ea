// SPDX-License-Identifier: GPL-2.0
/*
 * Replicas: how the members of a service come, change, die and go.
 *
 * Every change edits the ring, fills a table aside and publishes it, once for
 * all replicas of a request. What can fail comes before the first edit, or can
 * be taken back.
 */

#include <linux/moduleparam.h>
#include <linux/net.h>
#include <linux/netlink.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <net/inet_sock.h>
#include <net/net_namespace.h>
#include <net/sock.h>

#include "anchor.h"
#include "aside.h"
#include "lookup.h"
#include "notify.h"
#include "override.h"
#include "replica.h"
#include "service.h"
#include "table.h"
#include "watch.h"

#define SWEEP_INTERVAL (HZ / 10)

static unsigned int max_replicas = 4096;
module_param(max_replicas, uint, 0644);
MODULE_PARM_DESC(max_replicas, "Most replicas of a network namespace");

static unsigned int max_points = 1 << 20;
module_param(max_points, uint, 0644);
MODULE_PARM_DESC(max_points, "Most virtual nodes of a network namespace");

/**
 * chring_replica_find_locked - a replica by its name
 * @service: where to look; caller holds the lock of its namespace's services
 * @name: the name
 *
 * Return: the replica, or NULL.
 */
struct chring_replica *
chring_replica_find_locked(struct chring_service *service, const char *name)
{
	struct chring_replica *replica;
	unsigned long index;

	xa_for_each(&service->replicas, index, replica)
		if (!strcmp(replica->name, name))
			return replica;
	return NULL;
}

/**
 * chring_replica_alive - does a replica take new flows?
 * @replica: caller holds the lock of its namespace's services
 *
 * Return: so it is; the answer can be old at once.
 */
bool chring_replica_alive(const struct chring_replica *replica)
{
	return !replica->dead &&
	       chring_target_alive(replica->sk, chring_ports(replica->port)) &&
	       !(replica->watch && chring_watch_over(replica->watch));
}

static struct chring_replica *find_sock(struct chring_service *service,
					const struct sock *sk)
{
	struct chring_replica *replica;
	unsigned long index;

	xa_for_each(&service->replicas, index, replica)
		if (replica->sk == sk)
			return replica;
	return NULL;
}

static u32 nr_points(const struct chring_service *service, u32 weight)
{
	return weight * service->vnodes;
}

static int check_points(struct chring_net *cn, u32 more,
			const struct chring_replica_args *args,
			struct netlink_ext_ack *extack)
{
	if (more <= max_points && cn->nr_points <= max_points - more)
		return 0;
	NL_SET_ERR_MSG_ATTR(extack, args->weight_attr ?: args->name_attr,
			    "too many virtual nodes (module parameter max_points)");
	return -ENOSPC;
}

static int check_new(struct chring_net *cn, struct chring_service *service,
		     const struct chring_replica_args *args,
		     struct netlink_ext_ack *extack)
{
	if (chring_replica_find_locked(service, args->name)) {
		NL_SET_ERR_MSG_ATTR(extack, args->name_attr,
				    "a replica of this name exists");
		return -EEXIST;
	}
	if (cn->nr_replicas >= max_replicas) {
		NL_SET_ERR_MSG_ATTR(extack, args->name_attr,
				    "too many replicas (module parameter max_replicas)");
		return -ENOSPC;
	}
	return check_points(cn, nr_points(service, args->weight), args, extack);
}

/*
 * A member of the group that steers, or is about to: without an anchor all
 * replicas are of the request under way, or the port was left.
 */
static const struct sock *group_peer(struct chring_service *service)
{
	struct chring_replica *replica;
	unsigned long index;

	if (service->anchor)
		return service->anchor->sock->sk;
	xa_for_each(&service->replicas, index, replica)
		if (replica->port == service->address.port)
			return replica->sk;
	return NULL;
}

static bool at_home(const struct chring_service *service, const struct sock *sk)
{
	return inet_sk(sk)->inet_sport == service->address.port;
}

/* Who is not an administrator may do with what is its own. */
static int check_user(const struct chring_subject *subject, kuid_t uid,
		      const struct nlattr *attr, struct netlink_ext_ack *extack)
{
	if (subject->admin || uid_eq(subject->uid, uid))
		return 0;
	NL_SET_ERR_MSG_ATTR(extack, attr,
			    "socket is another user's: this needs CAP_NET_ADMIN");
	return -EPERM;
}

static struct sock *sock_get(struct chring_service *service,
			     const struct chring_subject *subject,
			     const struct chring_replica_args *args,
			     struct netlink_ext_ack *extack)
{
	const struct sock *peer;
	struct sock *sk;
	int err;

	NL_SET_BAD_ATTR(extack, args->fd_attr);
	sk = chring_target_get(args->fd, service->net, &service->address,
			       service->owner, extack);
	if (IS_ERR(sk))
		return sk;
	err = check_user(subject, sock_i_uid(sk), args->fd_attr, extack);
	if (err)
		goto put;
	err = -EEXIST;
	if (find_sock(service, sk)) {
		NL_SET_ERR_MSG(extack, "socket is a replica's already");
		goto put;
	}
	err = -EADDRNOTAVAIL;
	peer = at_home(service, sk) ? group_peer(service) : NULL;
	if (peer && !chring_group_shared(peer, sk)) {
		NL_SET_ERR_MSG(extack, "socket does not share the service's port");
		goto put;
	}
	return sk;

put:
	sock_put(sk);
	return ERR_PTR(err);
}

static struct chring_replica *
replica_alloc(const struct chring_service *service,
	      const struct chring_replica_args *args)
{
	struct chring_replica *replica;

	replica = kzalloc(sizeof(*replica), GFP_KERNEL_ACCOUNT);
	if (!replica)
		return NULL;
	strscpy(replica->name, args->name);
	replica->weight = args->weight;
	replica->counters = alloc_percpu_gfp(struct chring_counters,
					     GFP_KERNEL_ACCOUNT);
	if (!replica->counters)
		goto free;
	replica->member.name = replica->name;
	replica->member.nr_vnodes = nr_points(service, args->weight);
	replica->member.vnodes = chring_vnodes_alloc(replica->member.nr_vnodes);
	if (!replica->member.vnodes)
		goto free_counters;
	return replica;

free_counters:
	free_percpu(replica->counters);
free:
	kfree(replica);
	return NULL;
}

/* Last of all; no table has it any more, and a grace period is over. */
static void replica_free(struct chring_replica *replica)
{
	chring_watch_stop(replica->watch);
	if (replica->sk)
		sock_put(replica->sk);
	kvfree(replica->member.vnodes);
	free_percpu(replica->counters);
	kfree(replica);
}

static void replica_free_rcu(struct rcu_head *rcu)
{
	replica_free(container_of(rcu, struct chring_replica, rcu));
}

/*
 * Has a replica freed that is unlinked. Only packets may still look at it; the
 * sweep, which its watch wakes, can be gone before they have done with it.
 */
static void replica_release(struct chring_replica *replica)
{
	chring_watch_stop(replica->watch);
	replica->watch = NULL;
	call_rcu(&replica->rcu, replica_free_rcu);
}

static int replica_watch(struct chring_net *cn, struct chring_replica *replica,
			 const struct chring_replica_args *args,
			 struct netlink_ext_ack *extack)
{
	struct chring_watch *watch;

	if (!args->pidfd_attr)
		return 0;
	NL_SET_BAD_ATTR(extack, args->pidfd_attr);
	watch = chring_watch_start(args->pidfd, &cn->sweep, extack);
	if (IS_ERR(watch))
		return PTR_ERR(watch);
	replica->watch = watch;
	return 0;
}

static int replica_link(struct chring_net *cn, struct chring_service *service,
			const struct chring_subject *subject,
			struct chring_replica_args *args,
			struct netlink_ext_ack *extack)
{
	struct chring_replica *replica;
	struct sock *sk;
	u32 index;
	int err;

	err = check_new(cn, service, args, extack);
	if (err)
		return err;
	replica = replica_alloc(service, args);
	if (!replica)
		return -ENOMEM;
	sk = sock_get(service, subject, args, extack);
	if (IS_ERR(sk)) {
		err = PTR_ERR(sk);
		goto free;
	}
	replica->sk = sk;
	err = replica_watch(cn, replica, args, extack);
	if (err)
		goto free;
	replica->port = inet_sk(sk)->inet_sport;
	replica->uid = sock_i_uid(sk);
	replica->inode = sock_i_ino(sk);
	if (!at_home(service, sk) && !service->left) {
		replica->aside = chring_aside_get(service, sk, extack);
		if (IS_ERR(replica->aside)) {
			err = PTR_ERR(replica->aside);
			goto free;
		}
	}
	err = xa_alloc(&service->replicas, &index, replica,
		       XA_LIMIT(0, CHRING_NO_MEMBER - 1), GFP_KERNEL_ACCOUNT);
	if (err)
		goto put_aside;
	replica->member.index = index;
	chring_ring_insert(&service->ring, &replica->member);
	service->nr_replicas++;
	cn->nr_replicas++;
	cn->nr_points += replica->member.nr_vnodes;
	args->replica = replica;
	return 0;

put_aside:
	if (replica->aside)
		replica->aside->nr_replicas--;
free:
	replica_free(replica);
	return err;
}

static void replica_unlink(struct chring_net *cn,
			   struct chring_service *service,
			   struct chring_replica *replica)
{
	chring_ring_remove(&service->ring, &replica->member);
	xa_erase(&service->replicas, replica->member.index);
	/* Of a service that is being removed they are gone already */
	if (replica->aside && !service->removing)
		chring_aside_put(service, replica);
	service->nr_replicas--;
	cn->nr_replicas--;
	cn->nr_points -= replica->member.nr_vnodes;
}

/*
 * Unlinks replicas, listed by @leaving, from a service that has others left
 * where @table is one for it to fill. They are freed after the table that has
 * them was replaced. Their counts go to the service's, but for what packets
 * under way add.
 */
static void replicas_leave(struct chring_net *cn,
			   struct chring_service *service,
			   struct list_head *leaving,
			   struct chring_table *table)
{
	struct chring_replica *replica, *next;

	list_for_each_entry(replica, leaving, leaving) {
		replica_unlink(cn, service, replica);
		chring_replica_totals(replica, &service->gone);
	}
	chring_table_replace(cn, service, table);
	if (!table && service->anchor)
		chring_anchor_advance(service->anchor);
	else if (!table)
		chring_override_forget(service);
	list_for_each_entry_safe(replica, next, leaving, leaving) {
		chring_notify_replica_locked(CHRING_CMD_REPLICA_DEL_NTF,
					     service, replica);
		replica_release(replica);
	}
}

/*
 * Where memory is short the dead stay until the next time: packets pass them
 * over anyway.
 */
static void sweep_service(struct chring_net *cn, struct chring_service *service)
{
	struct chring_table *table = NULL;
	struct chring_replica *replica;
	unsigned int nr_dead = 0;
	LIST_HEAD(leaving);
	unsigned long index;

	xa_for_each(&service->replicas, index, replica) {
		if (!replica->dead) {
			if (chring_replica_alive(replica))
				continue;
			replica->dead = true;
			cn->seq++;
			chring_notify_replica_locked(CHRING_CMD_REPLICA_SET_NTF,
						     service, replica);
		}
		list_add_tail(&replica->leaving, &leaving);
		nr_dead++;
	}
	if (!nr_dead)
		return;
	if (nr_dead < service->nr_replicas) {
		table = chring_table_alloc(service);
		if (!table)
			return;
	}
	replicas_leave(cn, service, &leaving, table);
}

static int replicas_publish(struct chring_net *cn,
			    struct chring_service *service,
			    struct netlink_ext_ack *extack)
{
	struct chring_table *table = chring_table_alloc(service);
	struct chring_anchor *anchor;

	if (!table)
		return -ENOMEM;
	if (service->anchor || service->left) {
		chring_table_replace(cn, service, table);
		if (service->anchor)
			chring_anchor_recede(service->anchor);
		return 0;
	}
	/* The first replicas: there is no table yet */
	chring_table_replace(cn, service, table);
	anchor = chring_anchor_join(&service->selector, table, service->net,
				    &service->address, service->owner, extack);
	if (IS_ERR(anchor)) {
		chring_table_publish(cn, service, NULL);
		kvfree_rcu(table, rcu);
		return PTR_ERR(anchor);
	}
	service->anchor = anchor;
	chring_notify_service_locked(CHRING_CMD_SERVICE_SET_NTF, service);
	return 0;
}

static int replicas_add(struct chring_net *cn, struct chring_service *service,
			const struct chring_replicas_request *request,
			struct netlink_ext_ack *extack)
{
	struct chring_replica_args *args = request->args;
	unsigned int nr = request->nr;
	unsigned int i;
	int err = 0;

	/* A process that is restarted finds its name free */
	sweep_service(cn, service);
	queue_delayed_work(system_unbound_wq, &cn->sweep, SWEEP_INTERVAL);
	for (i = 0; i < nr; i++) {
		err = replica_link(cn, service, &request->subject, &args[i],
				   extack);
		if (err)
			goto unlink;
	}
	err = replicas_publish(cn, service, extack);
	if (err)
		goto unlink;
	for (i = 0; i < nr; i++)
		chring_notify_replica_locked(CHRING_CMD_REPLICA_NEW_NTF,
					     service, args[i].replica);
	return 0;

unlink:
	while (i--) {
		replica_unlink(cn, service, args[i].replica);
		replica_release(args[i].replica);
	}
	return err;
}

typedef int (*replicas_fn)(struct chring_net *cn,
			   struct chring_service *service,
			   const struct chring_replicas_request *request,
			   struct netlink_ext_ack *extack);

static int for_service(const struct chring_replicas_request *request,
		       replicas_fn fn, struct netlink_ext_ack *extack)
{
	const struct chring_subject *subject = &request->subject;
	struct chring_net *cn = chring_net(request->net);
	struct chring_service *service;
	int err;

	mutex_lock(&cn->lock);
	service = chring_service_active_locked(cn, request->service, extack);
	if (IS_ERR(service)) {
		err = PTR_ERR(service);
	} else if (!subject->admin && !uid_eq(subject->uid, service->owner)) {
		NL_SET_ERR_MSG_ATTR(extack, request->service,
				    "this needs CAP_NET_ADMIN, or to be the service's owner");
		err = -EPERM;
	} else {
		err = fn(cn, service, request, extack);
	}
	mutex_unlock(&cn->lock);
	return err;
}

/**
 * chring_replica_new - add replicas to a service
 * @request: the replicas; descriptors are the caller's
 * @extack: says why not, and which attribute it is about
 *
 * All or none are added, and steered to from the same moment on.
 *
 * Context: may sleep; current is who made the request. Takes the lock of the
 * namespace's services, inside it the locks of chring_anchor_join().
 * Return: 0; -ENOENT or -EBUSY for the service; -EPERM for who is neither an
 * administrator nor the owner of service and sockets; -EEXIST for a name or a
 * socket that is there; -ENOSPC over a limit; -ENOMEM; what chring_target_get(),
 * chring_watch_start() and chring_anchor_join() return.
 */
int chring_replica_new(const struct chring_replicas_request *request,
		       struct netlink_ext_ack *extack)
{
	return for_service(request, replicas_add, extack);
}

/* Finds what each of @args names, none of them twice */
static int replicas_find(struct chring_service *service,
			 const struct chring_replicas_request *request,
			 struct netlink_ext_ack *extack)
{
	struct chring_replica_args *args = request->args;
	unsigned int i, k;
	int err;

	for (i = 0; i < request->nr; i++) {
		args[i].replica = chring_replica_find_locked(service,
							     args[i].name);
		if (!args[i].replica) {
			NL_SET_ERR_MSG_ATTR(extack, args[i].name_attr,
					    "no replica of this name");
			return -ENOENT;
		}
		err = check_user(&request->subject, args[i].replica->uid,
				 args[i].name_attr, extack);
		if (err)
			return err;
		for (k = 0; k < i; k++) {
			if (args[k].replica == args[i].replica) {
				NL_SET_ERR_MSG_ATTR(extack, args[i].name_attr,
						    "replica is named twice");
				return -EINVAL;
			}
		}
	}
	return 0;
}

static void member_resize(struct chring_net *cn, struct chring_service *service,
			  const struct chring_replica_args *args)
{
	struct chring_replica *replica = args->replica;
	struct chring_member *member = &replica->member;

	chring_ring_remove(&service->ring, member);
	kvfree(member->vnodes);
	cn->nr_points -= member->nr_vnodes;
	member->vnodes = args->vnodes;
	member->nr_vnodes = nr_points(service, args->weight);
	cn->nr_points += member->nr_vnodes;
	replica->weight = args->weight;
	chring_ring_insert(&service->ring, member);
}

static int replicas_set(struct chring_net *cn, struct chring_service *service,
			const struct chring_replicas_request *request,
			struct netlink_ext_ack *extack)
{
	struct chring_replica_args *args = request->args;
	unsigned int nr = request->nr;
	struct chring_table *table;
	unsigned int i;
	u32 more = 0;
	int err;

	err = replicas_find(service, request, extack);
	if (err)
		return err;
	table = chring_table_alloc(service);
	if (!table)
		return -ENOMEM;
	for (i = 0; i < nr; i++) {
		/* The old ones are counted too until the new ones are in place */
		more += nr_points(service, args[i].weight);
		err = check_points(cn, more, &args[i], extack);
		if (err)
			goto free;
		err = -ENOMEM;
		args[i].vnodes = chring_vnodes_alloc(nr_points(service, args[i].weight));
		if (!args[i].vnodes)
			goto free;
	}
	for (i = 0; i < nr; i++)
		member_resize(cn, service, &args[i]);
	chring_table_replace(cn, service, table);
	for (i = 0; i < nr; i++)
		chring_notify_replica_locked(CHRING_CMD_REPLICA_SET_NTF,
					     service, args[i].replica);
	return 0;

free:
	while (i--)
		kvfree(args[i].vnodes);
	chring_table_free(table);
	return err;
}

/**
 * chring_replica_set - change the weights of replicas
 * @request: their names and new weights
 * @extack: says why not, and which attribute it is about
 *
 * All or none are changed, from the same moment on.
 *
 * Context: may sleep; takes the lock of the namespace's services.
 * Return: 0; -ENOENT; -EBUSY; -EPERM as chring_replica_new(); -EINVAL for a
 * replica named twice; -ENOSPC over a limit, which the old and the new virtual
 * nodes have to fit together; -ENOMEM.
 */
int chring_replica_set(const struct chring_replicas_request *request,
		       struct netlink_ext_ack *extack)
{
	return for_service(request, replicas_set, extack);
}

static int replicas_del(struct chring_net *cn, struct chring_service *service,
			const struct chring_replicas_request *request,
			struct netlink_ext_ack *extack)
{
	struct chring_replica_args *args = request->args;
	struct chring_table *table = NULL;
	unsigned int nr = request->nr;
	LIST_HEAD(leaving);
	unsigned int i;
	int err;

	err = replicas_find(service, request, extack);
	if (err)
		return err;
	if (service->nr_replicas > nr) {
		table = chring_table_alloc(service);
		if (!table)
			return -ENOMEM;
	}
	for (i = 0; i < nr; i++)
		list_add_tail(&args[i].replica->leaving, &leaving);
	replicas_leave(cn, service, &leaving, table);
	return 0;
}

/**
 * chring_replica_del - remove replicas from a service
 * @request: their names
 * @extack: says why not, and which attribute it is about
 *
 * All or none are removed. Their sockets are left as they are; what they have
 * accepted stays theirs.
 *
 * Context: may sleep; takes the lock of the namespace's services.
 * Return: 0; -ENOENT; -EBUSY; -EPERM as chring_replica_new(); -EINVAL for a
 * replica named twice; -ENOMEM.
 */
int chring_replica_del(const struct chring_replicas_request *request,
		       struct netlink_ext_ack *extack)
{
	return for_service(request, replicas_del, extack);
}

/**
 * chring_replica_sweep - look after the services of a network namespace
 * @work: the namespace's sweep
 *
 * Removes dead replicas: their sockets, as long as they are kept, keep the
 * namespace. Sees whether the selector is where it was attached.
 *
 * Context: work item; takes the lock of the namespace's services, inside it
 * those of anchors.
 */
void chring_replica_sweep(struct work_struct *work)
{
	struct chring_service *service;
	struct chring_net *cn;
	bool again = false;

	cn = container_of(to_delayed_work(work), struct chring_net, sweep);
	mutex_lock(&cn->lock);
	list_for_each_entry(service, &cn->services, list) {
		if (service->removing)
			continue;
		sweep_service(cn, service);
		chring_aside_retire(service);
		chring_override_sweep(service);
		again |= service->anchor || !list_empty(&service->asides);
	}
	if (cn->nr_replicas || again)
		queue_delayed_work(system_unbound_wq, &cn->sweep,
				   SWEEP_INTERVAL);
	mutex_unlock(&cn->lock);
}

/**
 * chring_replica_free_all - free the table and the replicas of a service
 * @cn: services of its network namespace
 * @service: being removed, and in no group for a grace period
 *
 * Context: may sleep; takes the lock of the namespace's services.
 */
void chring_replica_free_all(struct chring_net *cn,
			     struct chring_service *service)
{
	struct chring_replica *replica;
	unsigned long index;

	mutex_lock(&cn->lock);
	kvfree(chring_table_publish(cn, service, NULL));
	xa_for_each(&service->replicas, index, replica) {
		replica_unlink(cn, service, replica);
		chring_replica_totals(replica, &service->gone);
		chring_notify_replica_locked(CHRING_CMD_REPLICA_DEL_NTF,
					     service, replica);
		replica_free(replica);
	}
	mutex_unlock(&cn->lock);
}

/**
 * chring_replica_lookup_locked - who would get a new flow?
 * @service: caller holds the lock of its namespace's services
 * @flow: the flow
 * @found: gets the answer
 *
 * Context: may sleep.
 * Return: 0, or -ENOMEM.
 */
int chring_replica_lookup_locked(struct chring_service *service,
				 const struct chring_flow *flow,
				 struct chring_found *found)
{
	struct chring_replica *replica = NULL;
	struct sock *sk;

	memset(found, 0, sizeof(*found));
	if (service->anchor || service->left) {
		sk = chring_lookup(&service->selector, service->anchor,
				   service->net, flow, &found->inode);
		if (IS_ERR(sk))
			return PTR_ERR(sk);
		replica = find_sock(service, sk);
	}
	if (replica) {
		strscpy(found->replica, replica->name);
		found->inode = 0;
	}
	return 0;
}
