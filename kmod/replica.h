/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CHRING_REPLICA_H
#define CHRING_REPLICA_H

#include <linux/list.h>
#include <linux/rcupdate.h>
#include <linux/types.h>
#include <uapi/linux/chring.h>

#include "ring.h"
#include "subject.h"
#include "target.h"

struct chring_address;
struct chring_anchor;
struct chring_counters;
struct chring_flow;
struct chring_found;
struct chring_net;
struct chring_service;
struct chring_watch;
struct net;
struct netlink_ext_ack;
struct nlattr;
struct sock;

/**
 * struct chring_replica - a named member of a service
 * @member: its place on the service's ring
 * @name: unique in the service
 * @weight: share of the flows, relative to the other replicas
 * @nr_points: virtual nodes that it has, or comes to have
 * @slots: slots of the table that it owns
 * @sk: its socket, with a reference
 * @uid: user that the socket was of when it was added
 * @inode: inode number that the socket has, or had
 * @port: port that the socket has while it is alive, in network order
 * @aside: anchor on that port where it is not the service's, or NULL
 * @watch: on the process that it dies with, or NULL
 * @dead: found so; its socket may be gone already
 * @draining: takes no new flows, and leaves when it is idle
 * @full: its accept queue was so when the sweep was here last
 * @until: jiffies when grace or drain are over
 * @drained: when no packet under way was steered to it before the drain
 * @ramp: time that its virtual nodes come up in, 0 where all are there
 * @since: jiffies when they began to
 * @counters: what was steered to it
 * @leaving: in a list of replicas that are removed together
 * @rcu: frees it a grace period after it left the table
 */
struct chring_replica {
	struct chring_member member;
	char name[CHRING_NAME_MAX + 1];
	u32 weight;
	u32 nr_points;
	u32 slots;
	struct sock *sk;
	kuid_t uid;
	unsigned long inode;
	__be16 port;
	struct chring_anchor *aside;
	struct chring_watch *watch;
	bool dead;
	bool draining;
	bool full;
	unsigned long until;
	unsigned long drained;
	unsigned long ramp;
	unsigned long since;
	struct chring_counters __percpu *counters;
	struct list_head leaving;
	struct rcu_head rcu;
};

/**
 * struct chring_replica_args - a request that concerns one replica
 * @name: 1 to CHRING_NAME_MAX bytes, printable, without white space
 * @fd: the caller's file descriptor of its socket
 * @pidfd: the caller's of the process that it is to die with, where there is
 *	@pidfd_attr
 * @weight: 1 to CHRING_WEIGHT_MAX
 * @ramp: seconds that its share comes up in, 0 for at once
 * @replace: take the place of one of this name that is alive
 * @drain: begin to drain, for @drain_bound seconds at most
 * @drain_bound: see @drain
 * @up: drain no more
 * @inode: inode number that its socket must have, where there is @inode_attr
 * @name_attr: where @name came from, to point at in a refusal
 * @fd_attr: where @fd came from
 * @pidfd_attr: where @pidfd came from, or NULL
 * @weight_attr: where @weight came from
 * @inode_attr: where @inode came from, or NULL
 * @replica: for the service's own use
 * @replaced: for the service's own use
 * @vnodes: for the service's own use
 */
struct chring_replica_args {
	const char *name;
	u32 fd;
	u32 pidfd;
	u32 weight;
	u32 ramp;
	bool replace;
	bool drain;
	u32 drain_bound;
	bool up;
	u64 inode;
	const struct nlattr *name_attr;
	const struct nlattr *fd_attr;
	const struct nlattr *pidfd_attr;
	const struct nlattr *weight_attr;
	const struct nlattr *inode_attr;
	struct chring_replica *replica;
	struct chring_replica *replaced;
	struct chring_vnode *vnodes;
};

/**
 * struct chring_replicas_request - a request that concerns replicas
 * @net: network namespace
 * @service: the attribute with the name of the replicas' service
 * @subject: who asks
 * @args: the replicas
 * @nr: number of them, at least 1
 */
struct chring_replicas_request {
	struct net *net;
	const struct nlattr *service;
	struct chring_subject subject;
	struct chring_replica_args *args;
	unsigned int nr;
};

int chring_replica_new(const struct chring_replicas_request *request,
		       struct netlink_ext_ack *extack);
int chring_replica_set(const struct chring_replicas_request *request,
		       struct netlink_ext_ack *extack);
int chring_replica_del(const struct chring_replicas_request *request,
		       struct netlink_ext_ack *extack);
int chring_replica_check_locked(struct chring_net *cn,
				struct chring_service *service,
				enum chring_replica_change change,
				struct chring_replica_args *args,
				struct netlink_ext_ack *extack);
bool chring_replica_alive(const struct chring_replica *replica);
struct chring_replica *chring_replica_find_locked(struct chring_service *service,
						  const char *name);

int chring_replica_lookup_locked(struct chring_net *cn,
				 struct chring_service *service,
				 const struct chring_flow *flow,
				 struct chring_found *found);

#endif /* CHRING_REPLICA_H */
