// SPDX-License-Identifier: GPL-2.0
/*
 * Replicas: what is asked of them: to come, to change, to go.
 *
 * Every change edits the ring, fills a table aside and publishes it, once for
 * all replicas of a request. What can fail comes before the first edit, or can
 * be taken back.
 */

#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/netlink.h>
#include <linux/sched.h>
#include <linux/skbuff.h>
#include <net/inet_sock.h>
#include <net/sock.h>

#include "anchor.h"
#include "life.h"
#include "lookup.h"
#include "membership.h"
#include "notify.h"
#include "replica.h"
#include "service.h"
#include "table.h"
#include "watch.h"

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
 * Context: may sleep.
 * Return: the replica, or NULL.
 */
struct chring_replica *
chring_replica_find_locked(struct chring_service *service, const char *name)
{
	struct chring_replica *replica;
	unsigned long index;

	xa_for_each(&service->replicas, index, replica) {
		if (!strcmp(replica->name, name))
			return replica;
		cond_resched();
	}
	return NULL;
}

/**
 * chring_replica_alive - are a replica's socket and process there?
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

	/* The dead have no socket, and nobody looks for that */
	xa_for_each(&service->replicas, index, replica)
		if (sk && replica->sk == sk)
			return replica;
	return NULL;
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

/* Whether there may be a new one, in the place of who has that name */
static int check_new(struct chring_net *cn, const struct chring_service *service,
		     const struct chring_replica_args *args,
		     struct netlink_ext_ack *extack)
{
	const struct chring_replica *replaced = args->replaced;

	if (replaced && chring_replica_alive(replaced) && !args->replace) {
		NL_SET_ERR_MSG_ATTR(extack, args->name_attr,
				    "a replica of this name exists");
		return -EEXIST;
	}
	if (!replaced && cn->nr_replicas >= max_replicas) {
		NL_SET_ERR_MSG_ATTR(extack, args->name_attr,
				    "too many replicas (module parameter max_replicas)");
		return -ENOSPC;
	}
	return check_points(cn, chring_service_points(service, args->weight),
			    args, extack);
}

/* Whether a new one is the only one of that name in the request */
static int check_once(const struct chring_replicas_request *request,
		      const struct chring_replica_args *args,
		      struct netlink_ext_ack *extack)
{
	const struct chring_replica_args *earlier;

	for (earlier = request->args; earlier < args; earlier++) {
		if (!strcmp(earlier->name, args->name)) {
			NL_SET_ERR_MSG_ATTR(extack, args->name_attr,
					    "replica is named twice");
			return -EINVAL;
		}
	}
	return 0;
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
		if (replica->sk && chring_at_home(service, replica->port))
			return replica->sk;
	return NULL;
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
	peer = chring_at_home(service, inet_sk(sk)->inet_sport) ?
	       group_peer(service) : NULL;
	if (peer && !chring_group_shared(peer, sk)) {
		NL_SET_ERR_MSG(extack, "socket does not share the service's port");
		goto put;
	}
	return sk;

put:
	sock_put(sk);
	return ERR_PTR(err);
}

static int replica_enter(struct chring_net *cn, struct chring_service *service,
			 const struct chring_replicas_request *request,
			 struct chring_replica_args *args,
			 struct netlink_ext_ack *extack)
{
	const struct chring_subject *subject = &request->subject;
	struct sock *sk;
	int err;

	args->replaced = chring_replica_find_locked(service, args->name);
	err = check_new(cn, service, args, extack);
	if (!err)
		err = check_once(request, args, extack);
	if (!err && args->replaced)
		err = check_user(subject, args->replaced->uid, args->name_attr,
				 extack);
	if (err)
		return err;
	sk = sock_get(service, subject, args, extack);
	if (IS_ERR(sk))
		return PTR_ERR(sk);
	return chring_member_enter_locked(cn, service, args, sk, extack);
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
	chring_sweep_service_locked(cn, service);
	chring_sweep_begin(cn);
	for (i = 0; i < nr; i++) {
		cond_resched();
		err = replica_enter(cn, service, request, &args[i], extack);
		if (err)
			goto retract;
	}
	err = chring_members_settle_locked(cn, service, extack);
	if (err)
		goto retract;
	for (i = 0; i < nr; i++) {
		chring_notify_replica_locked(args[i].replaced ?
					     CHRING_CMD_REPLICA_SET_NTF :
					     CHRING_CMD_REPLICA_NEW_NTF,
					     service, args[i].replica);
		if (args[i].replaced)
			chring_member_replaced_locked(service, &args[i]);
	}
	return 0;

retract:
	while (i--)
		chring_member_retract_locked(cn, service, &args[i]);
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
 * administrator nor the owner of service and sockets; -EEXIST for a socket that
 * is there, or a name that is not to be replaced; -EINVAL for a name that is
 * there twice; -ENOSPC over a limit; -ENOMEM; what chring_target_get(),
 * chring_watch_start() and chring_anchor_join() return.
 */
int chring_replica_new(const struct chring_replicas_request *request,
		       struct netlink_ext_ack *extack)
{
	return for_service(request, replicas_add, extack);
}

static int replica_find(struct chring_service *service,
			struct chring_replica_args *args,
			struct netlink_ext_ack *extack)
{
	args->replica = chring_replica_find_locked(service, args->name);
	if (args->replica)
		return 0;
	NL_SET_ERR_MSG_ATTR(extack, args->name_attr, "no replica of this name");
	return -ENOENT;
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
		/* Of many, each is looked for among many */
		cond_resched();
		err = replica_find(service, &args[i], extack);
		if (err)
			return err;
		err = check_user(&request->subject, args[i].replica->uid,
				 args[i].name_attr, extack);
		if (err)
			return err;
		if (args[i].inode_attr &&
		    args[i].inode != args[i].replica->inode) {
			NL_SET_ERR_MSG_ATTR(extack, args[i].inode_attr,
					    "replica has another socket");
			return -ESTALE;
		}
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

/* Makes what a change needs; @more are the virtual nodes of those before it */
static int prepare_change(struct chring_net *cn, struct chring_service *service,
			  struct chring_replica_args *args, u32 *more,
			  struct netlink_ext_ack *extack)
{
	u32 points = chring_service_points(service, args->weight);
	int err;

	if ((args->drain || args->up) && !chring_replica_alive(args->replica)) {
		NL_SET_ERR_MSG_ATTR(extack, args->name_attr, "replica is dead");
		return -EBUSY;
	}
	if (!args->weight_attr)
		return 0;
	/* The old ones are counted too until the new ones are in place */
	*more += points;
	err = check_points(cn, *more, args, extack);
	if (err)
		return err;
	args->vnodes = chring_vnodes_alloc(points);
	return args->vnodes ? 0 : -ENOMEM;
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
		err = prepare_change(cn, service, &args[i], &more, extack);
		if (err)
			goto free;
	}
	for (i = 0; i < nr; i++) {
		if (args[i].vnodes)
			chring_member_resize_locked(cn, service, &args[i]);
		if (args[i].drain)
			chring_drain_begin(args[i].replica, args[i].drain_bound);
		if (args[i].up)
			chring_drain_end(args[i].replica);
	}
	chring_members_publish_locked(cn, service, table);
	for (i = 0; i < nr; i++) {
		if (args[i].drain)
			chring_drain_steered(args[i].replica);
		chring_notify_replica_locked(CHRING_CMD_REPLICA_SET_NTF,
					     service, args[i].replica);
	}
	return 0;

free:
	while (i--)
		kvfree(args[i].vnodes);
	chring_table_free(table);
	return err;
}

/**
 * chring_replica_set - change replicas
 * @request: their names, and what is to be otherwise
 * @extack: says why not, and which attribute it is about
 *
 * All or none are changed, from the same moment on.
 *
 * Context: may sleep; takes the lock of the namespace's services.
 * Return: 0; -ENOENT; -EBUSY, also for one that is to drain or to be up and is
 * dead; -EPERM as chring_replica_new(); -EINVAL for a replica named twice;
 * -ENOSPC over a limit, which the old and the new virtual nodes have to fit
 * together; -ENOMEM.
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
	chring_members_leave_locked(cn, service, &leaving, table);
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
 * replica named twice; -ESTALE for one that has not the socket that it is to be
 * removed with; -ENOMEM.
 */
int chring_replica_del(const struct chring_replicas_request *request,
		       struct netlink_ext_ack *extack)
{
	return for_service(request, replicas_del, extack);
}

/**
 * chring_replica_check_locked - would a change of a replica be refused?
 * @cn: services of the network namespace; caller holds its lock
 * @service: one of them
 * @change: what would be done
 * @args: name and weight of the replica; gets the replica of that name, or NULL
 * @extack: says why, and which attribute it is about
 *
 * For who makes it, and for its socket, there may be reasons besides.
 *
 * Context: may sleep.
 * Return: 0; -ENOENT; -EEXIST for the name of one that is alive, where one is to
 * be added; -ENOSPC over a limit.
 */
int chring_replica_check_locked(struct chring_net *cn,
				struct chring_service *service,
				enum chring_replica_change change,
				struct chring_replica_args *args,
				struct netlink_ext_ack *extack)
{
	int err;

	if (change == CHRING_REPLICA_CHANGE_ADD) {
		args->replaced = chring_replica_find_locked(service, args->name);
		args->replica = args->replaced;
		return check_new(cn, service, args, extack);
	}
	err = replica_find(service, args, extack);
	if (!err && change == CHRING_REPLICA_CHANGE_WEIGHT)
		err = check_points(cn,
				   chring_service_points(service, args->weight),
				   args, extack);
	return err;
}

/*
 * What a look-up meets need not be the service that it is for, where another is
 * on one address of all those. @probe is NULL where it is over.
 */
static void tell_selectors(struct chring_net *cn, int protocol,
			   const struct sk_buff *probe)
{
	struct chring_service *service;

	list_for_each_entry(service, &cn->services, list)
		if (!service->removing && service->anchor &&
		    service->address.protocol == protocol)
			chring_selector_probe(&service->selector,
					      service->anchor->prog, protocol,
					      probe);
}

/**
 * chring_replica_lookup_locked - who would get a new flow?
 * @cn: services of the network namespace; caller holds its lock
 * @service: one of them
 * @flow: the flow
 * @found: gets the answer
 *
 * Context: may sleep.
 * Return: 0, or -ENOMEM.
 */
int chring_replica_lookup_locked(struct chring_net *cn,
				 struct chring_service *service,
				 const struct chring_flow *flow,
				 struct chring_found *found)
{
	struct chring_replica *replica;
	struct sk_buff *probe;
	struct sock *sk;

	memset(found, 0, sizeof(*found));
	if (!service->anchor && !service->left)
		return 0;
	probe = chring_probe_alloc(service->net, flow);
	if (!probe)
		return -ENOMEM;
	tell_selectors(cn, flow->to.protocol, probe);
	sk = chring_lookup(service->net, flow, probe, &found->inode);
	tell_selectors(cn, flow->to.protocol, NULL);
	kfree_skb(probe);
	replica = find_sock(service, sk);
	if (replica) {
		strscpy(found->replica, replica->name);
		found->inode = 0;
	}
	return 0;
}
