/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause) */
/* Do not edit directly, auto-generated from: */
/*	Documentation/netlink/specs/chring.yaml */
/* YNL-GEN uapi header */

#ifndef _UAPI_LINUX_CHRING_H
#define _UAPI_LINUX_CHRING_H

#define CHRING_FAMILY_NAME	"chring"
#define CHRING_FAMILY_VERSION	1

#define CHRING_NAME_MAX		63
#define CHRING_WEIGHT_MAX	1024
#define CHRING_VNODES_MAX	4096
#define CHRING_VNODES_DEFAULT	160
#define CHRING_SLOTS_MIN	256
#define CHRING_SLOTS_MAX	65536
#define CHRING_SLOTS_DEFAULT	16384
#define CHRING_KEY_LENGTH_MAX	64
#define CHRING_SECONDS_MAX	86400
#define CHRING_GRACE_DEFAULT	30

/**
 * enum chring_protocol - Transport protocol of a service.
 */
enum chring_protocol {
	CHRING_PROTOCOL_TCP,
	CHRING_PROTOCOL_UDP,
};

/**
 * enum chring_service_state
 * @CHRING_SERVICE_STATE_IDLE: Never had a replica, or left its port to another
 *   program until it had none; the port is not touched.
 * @CHRING_SERVICE_STATE_STEERING: The service holds its port and steers what
 *   arrives there.
 * @CHRING_SERVICE_STATE_REMOVING: On its way out, for some grace periods;
 *   nothing can be done with it, and its name and its address are not free
 *   yet.
 * @CHRING_SERVICE_STATE_OVERRIDDEN: A socket of a port that it steers has put
 *   another program in the place of the selector, or taken that away. What
 *   comes of it is the service's override policy.
 */
enum chring_service_state {
	CHRING_SERVICE_STATE_IDLE,
	CHRING_SERVICE_STATE_STEERING,
	CHRING_SERVICE_STATE_REMOVING,
	CHRING_SERVICE_STATE_OVERRIDDEN,
};

/**
 * enum chring_none_policy - What becomes of new flows while no replica is
 *   alive.
 * @CHRING_NONE_POLICY_REFUSE: They are refused at once, by a reset or ICMP
 *   port unreachable.
 * @CHRING_NONE_POLICY_HOLD: They are dropped without a word, so that clients
 *   try again. What a client of UDP does is up to it.
 */
enum chring_none_policy {
	CHRING_NONE_POLICY_REFUSE,
	CHRING_NONE_POLICY_HOLD,
};

/**
 * enum chring_override_policy - What a service does that is overridden.
 * @CHRING_OVERRIDE_POLICY_REATTACH: It puts the selector back after 100 ms,
 *   and after twice as long, up to 10 s, each time that it did not stay for 10
 *   s.
 * @CHRING_OVERRIDE_POLICY_LEAVE: It leaves its port to the other program,
 *   until it is set to reattach or has no replicas any more.
 */
enum chring_override_policy {
	CHRING_OVERRIDE_POLICY_REATTACH,
	CHRING_OVERRIDE_POLICY_LEAVE,
};

/**
 * enum chring_balance_policy - How the slots of a table are shared among the
 *   replicas.
 * @CHRING_BALANCE_POLICY_EVEN: Each replica has what is due to it by its
 *   weight, to within a slot, and keeps what it has as far as that goes; the
 *   ring says who gets the rest. So the table depends on what was before it.
 * @CHRING_BALANCE_POLICY_RING: Each slot belongs to its successor on the ring.
 *   The table depends on nothing but names, weights and the seed.
 */
enum chring_balance_policy {
	CHRING_BALANCE_POLICY_EVEN,
	CHRING_BALANCE_POLICY_RING,
};

/**
 * enum chring_key_type - What of a flow says which slot it has.
 * @CHRING_KEY_TYPE_FLOW: Addresses and ports, by the kernel's own hash.
 * @CHRING_KEY_TYPE_CLIENT: The client's address.
 * @CHRING_KEY_TYPE_PREFIX: The first bits of the client's address.
 * @CHRING_KEY_TYPE_PAYLOAD: Bytes of each datagram, wherever it comes from.
 *   One that ends before they do goes by addresses and ports.
 */
enum chring_key_type {
	CHRING_KEY_TYPE_FLOW,
	CHRING_KEY_TYPE_CLIENT,
	CHRING_KEY_TYPE_PREFIX,
	CHRING_KEY_TYPE_PAYLOAD,
};

/**
 * enum chring_replica_state
 * @CHRING_REPLICA_STATE_UP: The socket takes new flows.
 * @CHRING_REPLICA_STATE_DEAD: The socket was closed or shut down, or the
 *   process has ended that the replica dies with; its flows go to the
 *   stand-ins. The replica is removed when the service's grace is over.
 * @CHRING_REPLICA_STATE_DRAINING: It gets no new flows, and is removed when
 *   nothing waits to be accepted or read, or when the time for that is over.
 * @CHRING_REPLICA_STATE_FULL: Its accept queue is full; new connections go to
 *   the stand-ins until there is room.
 * @CHRING_REPLICA_STATE_JOINING: It is up, and its share is still rising.
 */
enum chring_replica_state {
	CHRING_REPLICA_STATE_UP,
	CHRING_REPLICA_STATE_DEAD,
	CHRING_REPLICA_STATE_DRAINING,
	CHRING_REPLICA_STATE_FULL,
	CHRING_REPLICA_STATE_JOINING,
};

/**
 * enum chring_replica_change - What is to be planned.
 * @CHRING_REPLICA_CHANGE_ADD: A replica is added, and has all of its share at
 *   once.
 * @CHRING_REPLICA_CHANGE_WEIGHT: A replica is given another weight.
 * @CHRING_REPLICA_CHANGE_DEL: A replica is removed.
 */
enum chring_replica_change {
	CHRING_REPLICA_CHANGE_ADD,
	CHRING_REPLICA_CHANGE_WEIGHT,
	CHRING_REPLICA_CHANGE_DEL,
};

/**
 * enum chring_lock_discipline
 * @CHRING_LOCK_DISCIPLINE_ADAPTIVE: Newcomers may pass those who wait by,
 *   until the first of these has waited for a bound.
 * @CHRING_LOCK_DISCIPLINE_FIFO: In the order of arrival.
 */
enum chring_lock_discipline {
	CHRING_LOCK_DISCIPLINE_ADAPTIVE,
	CHRING_LOCK_DISCIPLINE_FIFO,
};

/**
 * enum chring_lock_expiry - What becomes of a holder whose lease is over.
 * @CHRING_LOCK_EXPIRY_FENCE: The lock is taken from it.
 * @CHRING_LOCK_EXPIRY_SIGNAL: It is sent SIGTERM, and killed if it still has
 *   the lock after the module's grace_ms.
 * @CHRING_LOCK_EXPIRY_KILL: It is killed, and has the lock until it is dead.
 *   Neither is done to one that has not agreed to it, unless the lock's owner
 *   could do it; the lock is taken from it then.
 */
enum chring_lock_expiry {
	CHRING_LOCK_EXPIRY_FENCE,
	CHRING_LOCK_EXPIRY_SIGNAL,
	CHRING_LOCK_EXPIRY_KILL,
};

/**
 * enum chring_lock_news - What befell a lock; its next holder is told.
 * @CHRING_LOCK_NEWS_OWNER_DIED: Its holder died with it.
 * @CHRING_LOCK_NEWS_BROKEN: It was taken from its holder.
 * @CHRING_LOCK_NEWS_CORRUPT: Its word was scribbled on.
 * @CHRING_LOCK_NEWS_EXPIRED: Its holder's lease was over.
 */
enum chring_lock_news {
	CHRING_LOCK_NEWS_OWNER_DIED = 1,
	CHRING_LOCK_NEWS_BROKEN = 2,
	CHRING_LOCK_NEWS_CORRUPT = 4,
	CHRING_LOCK_NEWS_EXPIRED = 8,
};

enum {
	CHRING_A_SERVICE_NAME = 1,
	CHRING_A_SERVICE_PROTOCOL,
	CHRING_A_SERVICE_LOCAL_IPV4,
	CHRING_A_SERVICE_LOCAL_IPV6,
	CHRING_A_SERVICE_V6ONLY,
	CHRING_A_SERVICE_DEVICE,
	CHRING_A_SERVICE_LOCAL_PORT,
	CHRING_A_SERVICE_OWNER,
	CHRING_A_SERVICE_NONE,
	CHRING_A_SERVICE_KEY,
	CHRING_A_SERVICE_PREFIX_IPV4,
	CHRING_A_SERVICE_PREFIX_IPV6,
	CHRING_A_SERVICE_PAYLOAD_OFFSET,
	CHRING_A_SERVICE_PAYLOAD_LENGTH,
	CHRING_A_SERVICE_STATE,
	CHRING_A_SERVICE_SLOTS,
	CHRING_A_SERVICE_BALANCE,
	CHRING_A_SERVICE_VNODES,
	CHRING_A_SERVICE_SEED,
	CHRING_A_SERVICE_GRACE,
	CHRING_A_SERVICE_REPLICAS,
	CHRING_A_SERVICE_POINTS,
	CHRING_A_SERVICE_PICKS,
	CHRING_A_SERVICE_MIGRATED,
	CHRING_A_SERVICE_PASSED_OVER,
	CHRING_A_SERVICE_REFUSED,
	CHRING_A_SERVICE_OVERRIDE,

	__CHRING_A_SERVICE_MAX,
	CHRING_A_SERVICE_MAX = (__CHRING_A_SERVICE_MAX - 1)
};

enum {
	CHRING_A_REPLICA_NAME = 1,
	CHRING_A_REPLICA_FD,
	CHRING_A_REPLICA_WEIGHT,
	CHRING_A_REPLICA_STATE,
	CHRING_A_REPLICA_INODE,
	CHRING_A_REPLICA_POINTS,
	CHRING_A_REPLICA_SLOTS,
	CHRING_A_REPLICA_PICKS,
	CHRING_A_REPLICA_MIGRATED,
	CHRING_A_REPLICA_PASSED_OVER,
	CHRING_A_REPLICA_PIDFD,
	CHRING_A_REPLICA_WATCHED,
	CHRING_A_REPLICA_RAMP,
	CHRING_A_REPLICA_REPLACE,
	CHRING_A_REPLICA_DRAIN,
	CHRING_A_REPLICA_UP,
	CHRING_A_REPLICA_WEIGHT_THEN,
	CHRING_A_REPLICA_SLOTS_THEN,
	CHRING_A_REPLICA_TAKES,
	CHRING_A_REPLICA_GIVES,

	__CHRING_A_REPLICA_MAX,
	CHRING_A_REPLICA_MAX = (__CHRING_A_REPLICA_MAX - 1)
};

enum {
	CHRING_A_REPLICAS_SERVICE = 1,
	CHRING_A_REPLICAS_REPLICA,
	CHRING_A_REPLICAS_CHANGE,
	CHRING_A_REPLICAS_SLOTS,
	CHRING_A_REPLICAS_MOVES,

	__CHRING_A_REPLICAS_MAX,
	CHRING_A_REPLICAS_MAX = (__CHRING_A_REPLICAS_MAX - 1)
};

enum {
	CHRING_A_LOOKUP_SERVICE = 1,
	CHRING_A_LOOKUP_REMOTE_IPV4,
	CHRING_A_LOOKUP_REMOTE_IPV6,
	CHRING_A_LOOKUP_REMOTE_PORT,
	CHRING_A_LOOKUP_LOCAL_IPV4,
	CHRING_A_LOOKUP_LOCAL_IPV6,
	CHRING_A_LOOKUP_REPLICA,
	CHRING_A_LOOKUP_PAYLOAD,
	CHRING_A_LOOKUP_INODE,

	__CHRING_A_LOOKUP_MAX,
	CHRING_A_LOOKUP_MAX = (__CHRING_A_LOOKUP_MAX - 1)
};

enum {
	CHRING_A_LOCK_NAME = 1,
	CHRING_A_LOCK_MODE,
	CHRING_A_LOCK_UID,
	CHRING_A_LOCK_GID,
	CHRING_A_LOCK_DISCIPLINE,
	CHRING_A_LOCK_STRICT,
	CHRING_A_LOCK_PERSISTENT,
	CHRING_A_LOCK_HANDLES,
	CHRING_A_LOCK_WAITERS,
	CHRING_A_LOCK_TOKEN,
	CHRING_A_LOCK_HELD,
	CHRING_A_LOCK_HELD_NS,
	CHRING_A_LOCK_PID,
	CHRING_A_LOCK_COMM,
	CHRING_A_LOCK_NEWS,
	CHRING_A_LOCK_DEAD_TOKEN,
	CHRING_A_LOCK_STICKY,
	CHRING_A_LOCK_TTL_MS,
	CHRING_A_LOCK_EXPIRY,
	CHRING_A_LOCK_EAGER,
	CHRING_A_LOCK_LEASE_NS,
	CHRING_A_LOCK_SLOTS,
	CHRING_A_LOCK_HOLDERS,
	CHRING_A_LOCK_SHARED,
	CHRING_A_LOCK_HOLDER,

	__CHRING_A_LOCK_MAX,
	CHRING_A_LOCK_MAX = (__CHRING_A_LOCK_MAX - 1)
};

enum chring_cmd {
	CHRING_CMD_SERVICE_NEW = 1,
	CHRING_CMD_SERVICE_SET,
	CHRING_CMD_SERVICE_GET,
	CHRING_CMD_SERVICE_DEL,
	CHRING_CMD_REPLICA_NEW,
	CHRING_CMD_REPLICA_SET,
	CHRING_CMD_REPLICA_GET,
	CHRING_CMD_REPLICA_DEL,
	CHRING_CMD_REPLICA_PLAN,
	CHRING_CMD_LOOKUP,
	CHRING_CMD_SERVICE_NEW_NTF,
	CHRING_CMD_SERVICE_SET_NTF,
	CHRING_CMD_SERVICE_DEL_NTF,
	CHRING_CMD_REPLICA_NEW_NTF,
	CHRING_CMD_REPLICA_SET_NTF,
	CHRING_CMD_REPLICA_DEL_NTF,
	CHRING_CMD_LOCK_NEW,
	CHRING_CMD_LOCK_SET,
	CHRING_CMD_LOCK_GET,
	CHRING_CMD_LOCK_DEL,
	CHRING_CMD_LOCK_BREAK,
	CHRING_CMD_LOCK_NEW_NTF,
	CHRING_CMD_LOCK_SET_NTF,
	CHRING_CMD_LOCK_DEL_NTF,
	CHRING_CMD_LOCK_OWNER_DIED_NTF,
	CHRING_CMD_LOCK_BROKEN_NTF,
	CHRING_CMD_LOCK_CORRUPT_NTF,
	CHRING_CMD_LOCK_EXPIRED_NTF,

	__CHRING_CMD_MAX,
	CHRING_CMD_MAX = (__CHRING_CMD_MAX - 1)
};

#define CHRING_MCGRP_SERVICES	"services"
#define CHRING_MCGRP_LOCKS	"locks"

#endif /* _UAPI_LINUX_CHRING_H */
