/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * DOC: libchring - services, their replicas, where a flow would go; and locks
 *
 * A *service* is a protocol, address and port in one network namespace. Its
 * *replicas* are listening TCP or bound UDP sockets, each with a name; the
 * kernel module chring steers every new connection or datagram to one of them
 * by consistent hashing of the names.
 *
 * A handle is a netlink socket of the network namespace that the thread was in
 * when it called chring_open(). A handle belongs to one thread at a time: give
 * each thread its own. After fork() use a handle in one of the two processes
 * only, and let the other call chring_free(). The sockets are close-on-exec.
 *
 * Calls that can fail return 0 or a negative errno; chring_error() then says
 * in one sentence what was wrong. A request is done as a whole or not at all.
 *
 *	struct chring *chring = chring_alloc();
 *	struct chring_replica_request me = { .name = "w1", .fd = listen_fd };
 *
 *	if (!chring)
 *		err(1, "chring_alloc");
 *	if (chring_open(chring) < 0 ||
 *	    chring_replica_new(chring, "web", &me, 1) < 0)
 *		errx(1, "%s", chring_error(chring));
 *	chring_free(chring);
 *
 * A *lock* is known by its name in a network namespace. It is not used through
 * such a handle but through one of its own, a struct chring_lock, which threads
 * may share: see chring_lock_open().
 */
#ifndef CHRING_H
#define CHRING_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Longest name of a service, of a replica or of a lock, in bytes. */
#define CHRING_NAME_MAX		63

/* Largest weight of a replica; the smallest is 1. */
#define CHRING_WEIGHT_MAX	1024

/* Longest key of payload, in bytes. */
#define CHRING_KEY_LENGTH_MAX	64

/* Longest payload of a datagram, in bytes. */
#define CHRING_PAYLOAD_MAX	65507

/* Most virtual nodes for each unit of weight; the fewest are 1. */
#define CHRING_VNODES_MAX	4096

/* Fewest and most slots of a table. */
#define CHRING_SLOTS_MIN	256
#define CHRING_SLOTS_MAX	65536

/* Length of a seed, in bytes. */
#define CHRING_SEED_SIZE	16

/* Longest grace, ramp or drain, in seconds. */
#define CHRING_SECONDS_MAX	86400

/* In place of the grace of a service that is to be made: none. */
#define CHRING_GRACE_NONE	((uint32_t)-1)

/* In place of a user id: the user who asks. */
#define CHRING_OWNER_SELF	((uid_t)-1)

struct chring;

/**
 * union chring_address - an address and a port, both in network order
 * @sa: any family; @sa.sa_family tells which
 * @in: AF_INET
 * @in6: AF_INET6; @in6.sin6_scope_id is the interface of a link-local address.
 *	Families other than these two are -EAFNOSUPPORT.
 * @storage: gives the union its size
 */
union chring_address {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_storage storage;
};

/* States of a service; see chring_service_state_name(). */
enum {
	CHRING_SERVICE_IDLE,		/* had no replica yet; holds no port */
	CHRING_SERVICE_STEERING,	/* holds its port and steers */
	CHRING_SERVICE_REMOVING,	/* deleted; its name is not free yet */
	CHRING_SERVICE_OVERRIDDEN,	/* its port has another program, or none */
};

/* What becomes of new flows while no replica is alive. */
enum {
	CHRING_NONE_REFUSE,		/* reset, or ICMP port unreachable */
	CHRING_NONE_HOLD,		/* dropped, so that clients try again */
};

/* What a service does that is overridden; see chring_override_name(). */
enum {
	CHRING_OVERRIDE_REATTACH,	/* puts the selector back, after a while */
	CHRING_OVERRIDE_LEAVE,		/* leaves its port to the other program */
};

/* What of a flow says which slot it has; see chring_key_name(). */
enum {
	CHRING_KEY_FLOW,		/* addresses and ports */
	CHRING_KEY_CLIENT,		/* the client's address */
	CHRING_KEY_PREFIX,		/* the first bits of that */
	CHRING_KEY_PAYLOAD,		/* bytes of each datagram */
};

/**
 * struct chring_key - what of a flow says which slot it has
 * @type: CHRING_KEY_...; a later kernel may have more
 * @prefix_ipv4: with CHRING_KEY_PREFIX, bits of an IPv4 client's address, 1 to
 *	32; on :: 0 is the default, 32; 0 where the service takes no IPv4
 * @prefix_ipv6: bits of an IPv6 client's address, 1 to 128; 0 where the service
 *	takes no IPv6
 * @offset: with CHRING_KEY_PAYLOAD, where it begins, in bytes from the end of
 *	the UDP header
 * @length: its length, 1 to CHRING_KEY_LENGTH_MAX bytes. A datagram that ends
 *	before the key does goes by addresses and ports
 *
 * What does not go with @type is 0.
 */
struct chring_key {
	uint32_t type;
	uint32_t prefix_ipv4;
	uint32_t prefix_ipv6;
	uint32_t offset;
	uint32_t length;
};

/* How slots are shared; see chring_balance_name(). */
enum {
	CHRING_BALANCE_EVEN,		/* as is due, and as it was before */
	CHRING_BALANCE_RING,		/* as the ring has it, and no other */
};

/* States of a replica; see chring_replica_state_name(). */
enum {
	CHRING_REPLICA_UP,		/* takes new flows */
	CHRING_REPLICA_DEAD,		/* its socket is gone; it is after grace */
	CHRING_REPLICA_DRAINING,	/* takes none, and goes when it is idle */
	CHRING_REPLICA_FULL,		/* takes none until there is room */
	CHRING_REPLICA_JOINING,		/* takes some, and more and more */
};

/* What is planned to be done to a replica; see chring_replica_plan(). */
enum {
	CHRING_CHANGE_ADD,		/* it is added, with all of its share */
	CHRING_CHANGE_WEIGHT,		/* it gets another weight */
	CHRING_CHANGE_DEL,		/* it is removed */
};

/**
 * struct chring_service - what the kernel tells of a service
 * @name: its name, unique in the network namespace
 * @protocol: IPPROTO_TCP or IPPROTO_UDP
 * @local: where it is, and its replicas are bound, but for TCP ones on other
 *	ports
 * @v6only: of an AF_INET6 address: it takes no IPv4. Always true but for ::
 * @owner: the user who owns the replicas' sockets
 * @none: CHRING_NONE_...; a later kernel may have more
 * @override: CHRING_OVERRIDE_...; a later kernel may have more
 * @key: what of a flow says which slot it has
 * @state: CHRING_SERVICE_...; a later kernel may have more
 * @balance: CHRING_BALANCE_...; a later kernel may have more
 * @vnodes: virtual nodes of a replica for each unit of its weight
 * @slots: slots of its table
 * @grace: seconds that the slots of a dead replica stay its own
 * @seed: keys the hash that makes virtual nodes out of names
 * @has_seed: whether @seed is told: that needs CAP_NET_ADMIN in the user
 *	namespace that owns the network namespace
 * @replicas: number of its replicas
 * @points: virtual nodes on its ring
 * @picks: times a replica was picked for a SYN or a datagram; the kernel may
 *	ask twice for one packet
 * @migrated: handshakes and unaccepted connections that moved from a closed
 *	listener to another replica
 * @passed_over: times the pick went to another replica since the owner of the
 *	slot was dead, or full, or draining
 * @refused: times no replica was alive, and a flow was refused or held
 *
 * The counters include the replicas that are gone.
 */
struct chring_service {
	char name[CHRING_NAME_MAX + 1];
	int protocol;
	union chring_address local;
	bool v6only;
	uid_t owner;
	uint32_t none;
	uint32_t override;
	struct chring_key key;
	uint32_t state;
	uint32_t balance;
	uint32_t vnodes;
	uint32_t slots;
	uint32_t grace;
	uint8_t seed[CHRING_SEED_SIZE];
	bool has_seed;
	uint32_t replicas;
	uint32_t points;
	uint64_t picks;
	uint64_t migrated;
	uint64_t passed_over;
	uint64_t refused;
};

/**
 * struct chring_service_request - a service to be made
 * @name: 1 to CHRING_NAME_MAX bytes of printable ASCII without white space
 * @protocol: IPPROTO_TCP or IPPROTO_UDP
 * @local: address and port of the service, which replicas are bound to,
 *	exactly, but for TCP ones on other ports
 * @v6only: on ::, take no IPv4
 * @owner: the user who owns the sockets on @local, or CHRING_OWNER_SELF
 * @none: CHRING_NONE_...
 * @override: CHRING_OVERRIDE_...
 * @key: what of a flow says which slot it has; all zero is the default
 * @balance: CHRING_BALANCE_...
 * @vnodes: virtual nodes of a replica for each unit of its weight, 1 to
 *	CHRING_VNODES_MAX; 0 is the default, 160
 * @slots: slots of its table, a power of two, CHRING_SLOTS_MIN to
 *	CHRING_SLOTS_MAX; 0 is the default, 16384
 * @grace: seconds that the slots of a dead replica stay its own, should it come
 *	back, 1 to CHRING_SECONDS_MAX, or CHRING_GRACE_NONE; 0 is the default, 30
 * @seed: CHRING_SEED_SIZE bytes, for rings that are the same on several hosts;
 *	NULL is a random one
 */
struct chring_service_request {
	const char *name;
	int protocol;
	union chring_address local;
	bool v6only;
	uid_t owner;
	uint32_t none;
	uint32_t override;
	struct chring_key key;
	uint32_t balance;
	uint32_t vnodes;
	uint32_t slots;
	uint32_t grace;
	const uint8_t *seed;
};

/**
 * struct chring_replica - what the kernel tells of a replica
 * @service: name of its service
 * @name: its name, unique in the service
 * @weight: its share of new flows relative to the others, 1 to
 *	CHRING_WEIGHT_MAX
 * @state: CHRING_REPLICA_...; a later kernel may have more
 * @inode: inode number of its socket, as in /proc/PID/fd
 * @watched: it dies with a process
 * @points: its virtual nodes on the ring
 * @slots: slots of the table that it owns
 * @picks: times it was picked for a SYN or a datagram
 * @migrated: handshakes and unaccepted connections it took over
 * @passed_over: times it was passed over because its socket was dead, or full,
 *	or draining
 */
struct chring_replica {
	char service[CHRING_NAME_MAX + 1];
	char name[CHRING_NAME_MAX + 1];
	uint32_t weight;
	uint32_t state;
	uint64_t inode;
	bool watched;
	uint32_t points;
	uint32_t slots;
	uint64_t picks;
	uint64_t migrated;
	uint64_t passed_over;
};

/**
 * struct chring_replica_request - a replica to be added or changed
 * @name: 1 to CHRING_NAME_MAX bytes of printable ASCII without white space
 * @fd: the caller's descriptor of the socket; the module takes a reference on
 *	the socket, never on the descriptor, so closing the last descriptor
 *	still closes the socket. chring_replica_set() does not look at it.
 * @weight: 1 to CHRING_WEIGHT_MAX; 0 in chring_replica_new() is the default, 1
 * @watch: a process that the replica is to die with, even where its socket lives
 *	on in another, or 0. chring_replica_set() does not look at it.
 * @ramp: of chring_replica_new(): seconds in which its share comes up, 0 to
 *	CHRING_SECONDS_MAX
 * @replace: of chring_replica_new(): take the place of a replica of this name,
 *	whose socket gets no new flows from then on
 */
struct chring_replica_request {
	const char *name;
	int fd;
	uint32_t weight;
	pid_t watch;
	uint32_t ramp;
	bool replace;
};

/**
 * struct chring_change - a change of a replica that is planned
 * @change: CHRING_CHANGE_...
 * @name: the replica's
 * @weight: with CHRING_CHANGE_ADD and CHRING_CHANGE_WEIGHT, as in struct
 *	chring_replica_request
 */
struct chring_change {
	uint32_t change;
	const char *name;
	uint32_t weight;
};

/**
 * struct chring_replica_plan - what a change would do to one replica
 * @name: its name
 * @weight: that it has; 0 for one that would be added
 * @weight_then: that it would have; 0 for one that would be removed
 * @slots: slots of the table that it owns
 * @slots_then: that it would own
 * @takes: slots whose new flows it would get, and does not get now
 * @gives: slots whose new flows it gets now, and would not get then
 *
 * Where no replica is dead or draining, @slots_then is @slots + @takes - @gives.
 * Flows of those who are go to their stand-ins, though they own their slots.
 */
struct chring_replica_plan {
	char name[CHRING_NAME_MAX + 1];
	uint32_t weight;
	uint32_t weight_then;
	uint32_t slots;
	uint32_t slots_then;
	uint32_t takes;
	uint32_t gives;
};

/**
 * struct chring_plan - what a change would do to a service
 * @slots: slots of its table
 * @moves: slots whose new flows would go to another replica than now, to one
 *	instead of none, or to none
 * @replicas: array of its replicas, now and then, that the caller gives to
 *	free()
 * @count: its number of elements
 */
struct chring_plan {
	uint32_t slots;
	uint32_t moves;
	struct chring_replica_plan *replicas;
	size_t count;
};

/**
 * chring_alloc - make a handle
 *
 * Return: a handle that is to be opened, and freed with chring_free(); NULL
 * where there is no memory.
 */
struct chring *chring_alloc(void);

/**
 * chring_open - connect a handle to the module
 * @chring: a handle that is not open
 *
 * Return: 0; -ENOENT where the module is not loaded (and the kernel could not
 * load it by itself); otherwise the negative errno of the netlink socket.
 */
int chring_open(struct chring *chring);

/**
 * chring_free - close a handle and free it
 * @chring: a handle in any state, or NULL
 *
 * Services and replicas stay as they are.
 */
void chring_free(struct chring *chring);

/**
 * chring_error - say what was wrong
 * @chring: the handle of the call that failed
 *
 * One sentence without a full stop or a line feed. Where the kernel refused it
 * is the kernel's text, the attribute that it is about by the name it has in
 * the family's specification, and the meaning of the errno: "weight must be
 * 1..1024 (attribute weight): Numerical result out of range". In a request for
 * several replicas it says which: "(attribute weight of replica w2)".
 *
 * Return: the text, valid until the next call with this handle; never NULL.
 */
const char *chring_error(const struct chring *chring);

/**
 * chring_service_new - make a service
 * @chring: an open handle
 * @request: what to make
 *
 * Live traffic is not touched before the first replica comes.
 *
 * Needs CAP_NET_ADMIN in the user namespace that owns the network namespace.
 *
 * Return: 0; -EEXIST where the name, or the address and port, are taken; -EBUSY
 * where they are a service's that is being removed; -EINVAL for a name,
 * protocol, address, key or user that cannot be, or slots that are no power of
 * two; -ERANGE for a number or a policy that is out of range; -EAFNOSUPPORT for
 * an address of another family; -ENOSPC where there are as many services as may
 * be; -EPERM without the privilege; -ENOMEM.
 */
int chring_service_new(struct chring *chring,
		       const struct chring_service_request *request);

/**
 * chring_service_set_owner - change who owns the sockets of a service
 * @chring: an open handle
 * @name: the service
 * @owner: the user, or CHRING_OWNER_SELF
 *
 * Only while the service holds no port (CHRING_SERVICE_IDLE).
 * Needs CAP_NET_ADMIN in the user namespace that owns the network namespace.
 *
 * Return: 0; -ENOENT where there is no such service; -EBUSY where it holds its
 * port; -EINVAL for a user that cannot be; -EPERM without the privilege.
 */
int chring_service_set_owner(struct chring *chring, const char *name,
			     uid_t owner);

/**
 * chring_service_set_none - change what becomes of flows that nobody can take
 * @chring: an open handle
 * @name: the service
 * @none: CHRING_NONE_...
 *
 * Needs CAP_NET_ADMIN in the user namespace that owns the network namespace.
 *
 * Return: 0; -ENOENT where there is no such service; -ERANGE for a policy that
 * the kernel does not know; -EPERM without the privilege.
 */
int chring_service_set_none(struct chring *chring, const char *name,
			    uint32_t none);

/**
 * chring_service_set_override - change what a service does that is overridden
 * @chring: an open handle
 * @name: the service
 * @override: CHRING_OVERRIDE_...
 *
 * A service that has left its port takes it again with
 * CHRING_OVERRIDE_REATTACH, and takes other programs off it.
 * Needs CAP_NET_ADMIN in the user namespace that owns the network namespace.
 *
 * Return: 0; -ENOENT where there is no such service; -ERANGE for a policy that
 * the kernel does not know; -EPERM without the privilege; where it is to take its
 * port again, what chring_replica_new() returns of that.
 */
int chring_service_set_override(struct chring *chring, const char *name,
				uint32_t override);

/**
 * chring_service_set_balance - change how the slots of a service are shared
 * @chring: an open handle
 * @name: the service
 * @balance: CHRING_BALANCE_...
 *
 * To CHRING_BALANCE_EVEN, only those slots move that are too many for their
 * replicas; to CHRING_BALANCE_RING, all that are not as the ring has them.
 * Needs CAP_NET_ADMIN in the user namespace that owns the network namespace.
 *
 * Return: 0; -ENOENT where there is no such service; -ERANGE for a balance that
 * the kernel does not know; -EPERM without the privilege; -ENOMEM.
 */
int chring_service_set_balance(struct chring *chring, const char *name,
			       uint32_t balance);

/**
 * chring_service_set_grace - change how long the dead are waited for
 * @chring: an open handle
 * @name: the service
 * @grace: seconds, 0 to CHRING_SECONDS_MAX; for those who die from now on
 *
 * Needs CAP_NET_ADMIN in the user namespace that owns the network namespace.
 *
 * Return: 0; -ENOENT where there is no such service; -ERANGE for more than may
 * be; -EPERM without the privilege.
 */
int chring_service_set_grace(struct chring *chring, const char *name,
			     uint32_t grace);

/**
 * chring_service_get - read one service
 * @chring: an open handle
 * @name: the service
 * @service: filled on success
 *
 * Return: 0; -ENOENT where there is no such service.
 */
int chring_service_get(struct chring *chring, const char *name,
		       struct chring_service *service);

/**
 * chring_service_dump - read all services of the network namespace
 * @chring: an open handle
 * @services: set to an array that the caller gives to free(); NULL when empty
 * @count: set to its number of elements
 *
 * Where services come or go meanwhile the list is read again, a few times.
 *
 * Return: 0; -EAGAIN where it never was consistent; -ENOMEM.
 */
int chring_service_dump(struct chring *chring, struct chring_service **services,
			size_t *count);

/**
 * chring_service_del - begin to remove a service and its replicas
 * @chring: an open handle
 * @name: the service
 *
 * The replicas' sockets are left as they are. The module finishes by itself,
 * usually within a second; until then the service is CHRING_SERVICE_REMOVING
 * and its name, address and port are taken. It is gone when
 * chring_service_get() returns -ENOENT.
 *
 * Needs CAP_NET_ADMIN in the user namespace that owns the network namespace.
 *
 * Return: 0; -ENOENT where there is no such service; -EPERM without the
 * privilege.
 */
int chring_service_del(struct chring *chring, const char *name);

/**
 * chring_replica_new - add replicas to a service, all or none
 * @chring: an open handle
 * @service: name of the service
 * @replicas: array of the replicas
 * @count: its number of elements, at least 1
 *
 * A service takes over its port with its first replicas: give all of them at
 * once, or the first has the whole load until the others come.
 *
 * Needs CAP_NET_ADMIN in the user namespace that owns the network namespace, or
 * that this user is the owner of the service, and of the sockets.
 *
 * Return: 0, or for a socket that cannot be a replica
 *
 * - -EBADF: the descriptor is not open; -ENOTSOCK: it is not a socket
 * - -EAFNOSUPPORT: does not take the service's family; -EPROTOTYPE: not of its
 *   protocol
 * - -EXDEV: of another network namespace
 * - -EINVAL: not listening or not bound; on the service's port, but bound
 *   without SO_REUSEPORT
 * - -EISCONN: a connected UDP socket
 * - -EADDRNOTAVAIL: bound to another address, or to a device; UDP on another
 *   port
 * - -EPERM: on the service's port, of another user than the service's owner
 * - -EEXIST: a replica already
 * - -ESRCH: the process to watch is not there
 *
 * and for the request
 *
 * - -ENOENT: there is no such service
 * - -EEXIST: a name is taken
 * - -EINVAL: a name that cannot be, or no replicas at all
 * - -ERANGE: a weight or a ramp that is too large
 * - -EADDRINUSE: the port is held by other sockets, that do not share it
 * - -EBUSY: another program steers the port already, or the service is being
 *   removed
 * - -ENOSPC: as many replicas or points as may be
 * - -EMSGSIZE: more replicas than one message takes (about 2000)
 * - -EPERM: without the privilege
 * - -ENOMEM
 */
int chring_replica_new(struct chring *chring, const char *service,
		       const struct chring_replica_request *replicas,
		       size_t count);

/**
 * chring_replica_set - change the weights of replicas, all or none
 * @chring: an open handle
 * @service: name of the service
 * @replicas: array of the replicas' names and new weights
 * @count: its number of elements, at least 1
 *
 * Needs the privilege that chring_replica_new() does.
 *
 * Return: 0; -ENOENT where there is no such service or replica; -EBUSY where the
 * service is being removed; -ERANGE for a weight out of range; -EINVAL for a name
 * given twice; -ENOSPC where that makes more points than may be; -EMSGSIZE; -EPERM
 * without the privilege; -ENOMEM.
 */
int chring_replica_set(struct chring *chring, const char *service,
		       const struct chring_replica_request *replicas,
		       size_t count);

/**
 * chring_replica_drain - let a replica go when it is idle
 * @chring: an open handle
 * @service: the service
 * @name: the replica
 * @seconds: how long to wait for that at most, 0 to CHRING_SECONDS_MAX
 *
 * It gets no new flows; it goes when nothing waits to be accepted or read, and
 * then CHRING_EVENT_REPLICA_DEL tells.
 *
 * Needs the privilege of chring_replica_set().
 *
 * Return: as chring_replica_set(); -EBUSY also where it is dead; -ERANGE for more
 * seconds than may be.
 */
int chring_replica_drain(struct chring *chring, const char *service,
			 const char *name, uint32_t seconds);

/**
 * chring_replica_up - give flows again to a replica that is draining
 * @chring: an open handle
 * @service: the service
 * @name: the replica
 *
 * It has the flows that it had.
 *
 * Needs the privilege of chring_replica_set().
 *
 * Return: as chring_replica_set(); -EBUSY also where it is dead.
 */
int chring_replica_up(struct chring *chring, const char *service,
		      const char *name);

/**
 * chring_replica_get - read one replica
 * @chring: an open handle
 * @service: name of the service
 * @name: name of the replica
 * @replica: filled on success
 *
 * Return: 0; -ENOENT where there is no such service or replica.
 */
int chring_replica_get(struct chring *chring, const char *service,
		       const char *name, struct chring_replica *replica);

/**
 * chring_replica_dump - read all replicas of one service, or of all
 * @chring: an open handle
 * @service: name of the service, or NULL for all services
 * @replicas: set to an array that the caller gives to free(); NULL when empty
 * @count: set to its number of elements
 *
 * Where replicas come or go meanwhile the list is read again, a few times.
 *
 * Return: 0; -ENOENT where there is no such service; -EAGAIN where the list
 * never was consistent; -ENOMEM.
 */
int chring_replica_dump(struct chring *chring, const char *service,
			struct chring_replica **replicas, size_t *count);

/**
 * chring_replica_del - remove replicas from a service, all or none
 * @chring: an open handle
 * @service: name of the service
 * @names: array of the replicas' names
 * @count: its number of elements, at least 1
 *
 * Their sockets are left as they are.
 * Needs the privilege that chring_replica_new() does.
 *
 * Return: 0; -ENOENT where there is no such service or replica; -EBUSY where the
 * service is being removed; -EINVAL for a name given twice; -EMSGSIZE; -EPERM without
 * the privilege; -ENOMEM.
 */
int chring_replica_del(struct chring *chring, const char *service,
		       const char *const *names, size_t count);

/**
 * chring_replica_del_socket - remove a replica as long as it has a socket
 * @chring: an open handle
 * @service: name of the service
 * @name: name of the replica
 * @inode: inode number of the socket, as fstat() tells it
 *
 * Who added a replica removes no other so, which may have taken its place.
 * Needs the privilege that chring_replica_new() does.
 *
 * Return: 0; -ESTALE where the replica has another socket; what
 * chring_replica_del() returns.
 */
int chring_replica_del_socket(struct chring *chring, const char *service,
			      const char *name, uint64_t inode);

/**
 * chring_replica_plan - ask what a change of a replica would do
 * @chring: an open handle
 * @service: name of the service
 * @change: what would be done
 * @plan: filled on success
 *
 * Nothing is changed, nor does this need a privilege. The plan is what the
 * change would do at that moment: a replica is added without a ramp, and the
 * dead stay so. A name that is a dead replica's may be added.
 *
 * Return: 0; what chring_replica_new(), chring_replica_set() or
 * chring_replica_del() would return, but for the privilege and the socket;
 * -EOPNOTSUPP where the module makes no plans.
 */
int chring_replica_plan(struct chring *chring, const char *service,
			const struct chring_change *change,
			struct chring_plan *plan);

/**
 * chring_lookup - ask which replica a new flow would get
 * @chring: an open handle
 * @service: name of the service
 * @remote: address and port of the client
 * @local: the address that the client sends to, its port is not looked at;
 *	NULL is the service's own, which will not do where that is 0.0.0.0 or ::
 * @replica: room for CHRING_NAME_MAX + 1 bytes: the replica's name, or "" where
 *	none would get the flow
 *
 * Return: 0; -ENOENT where there is no such service; -EDESTADDRREQ where @local
 * is needed; -EADDRNOTAVAIL where the service is on another address; -ERANGE
 * for port 0; -EINVAL for addresses of two families, or a service whose key is
 * CHRING_KEY_PAYLOAD; -EAFNOSUPPORT for a family that the service does not
 * take.
 */
int chring_lookup(struct chring *chring, const char *service,
		  const union chring_address *remote,
		  const union chring_address *local, char *replica);

/**
 * chring_lookup_payload - ask which replica a datagram would get
 * @chring: an open handle
 * @service: name of the service, over UDP
 * @remote: address and port of the client
 * @local: as in chring_lookup()
 * @payload: the datagram's first bytes, or all
 * @length: how many, at most CHRING_PAYLOAD_MAX
 * @replica: as in chring_lookup()
 *
 * Return: as chring_lookup(); -EINVAL also for a service over TCP, or a payload
 * that is too long.
 */
int chring_lookup_payload(struct chring *chring, const char *service,
			  const union chring_address *remote,
			  const union chring_address *local,
			  const void *payload, size_t length, char *replica);

/**
 * chring_socket_from_pid - copy the socket of a running server
 * @chring: an open handle
 * @pid: the process
 * @protocol: IPPROTO_TCP for a listening socket, IPPROTO_UDP for an
 *	unconnected one
 * @local: the address and port that it is bound to, exactly
 * @fd: the process's descriptor of it, copied without further questions; or -1
 *	to look for it by @protocol and @local, in the network namespace that
 *	the thread is in
 *
 * Needs the right to ptrace the process. Close the copy as soon as the replica
 * is registered: a socket lives until its last descriptor is closed, so a copy
 * would keep the replica alive when its process is dead.
 *
 * Return: a close-on-exec descriptor; -ESRCH where there is no such process;
 * -ENOENT where it has no such socket; -ENOTUNIQ where it has several; -EPERM
 * without the right to take it; -EBADF where @fd is not open there; -EOPNOTSUPP
 * where the kernel cannot list sockets (sock_diag); -EAFNOSUPPORT for an
 * address of another family.
 */
int chring_socket_from_pid(struct chring *chring, pid_t pid, int protocol,
			   const union chring_address *local, int fd);

/**
 * chring_sockets_from_pid - copy all sockets that a running server serves with
 * @chring: an open handle
 * @pid: the process; those that it has started, directly or not, are searched
 *	as well
 * @protocol: IPPROTO_TCP for listening sockets, IPPROTO_UDP for unconnected
 *	ones
 * @local: the address and port that they are bound to, exactly
 * @fds: set to an array of close-on-exec descriptors: each socket once, those
 *	of @pid first, in the order of its descriptors, then those that only its
 *	children have. The caller closes them, as of chring_socket_from_pid(),
 *	and gives the array to free(). NULL on failure.
 * @count: set to its number of elements
 *
 * A server that makes a socket for each of its workers, as with nginx's
 * "listen ... reuseport", makes them in the same order whenever it starts.
 *
 * Needs the right to ptrace the processes.
 *
 * Return: 0; -ESRCH where there is no such process; -ENOENT where it has no
 * such socket; -EAGAIN where one was closed meanwhile; -ENOMEM; -EPERM,
 * -EOPNOTSUPP and -EAFNOSUPPORT as of chring_socket_from_pid().
 */
int chring_sockets_from_pid(struct chring *chring, pid_t pid, int protocol,
			    const union chring_address *local, int **fds,
			    size_t *count);

/**
 * chring_balance_name - a word for how slots are shared
 * @balance: from struct chring_service
 *
 * Return: "even" or "ring"; "unknown" for what this library does not know.
 */
const char *chring_balance_name(uint32_t balance);

/**
 * chring_none_name - a word for what becomes of flows that nobody can take
 * @none: from struct chring_service
 *
 * Return: "refuse" or "hold"; "unknown" for what this library does not know.
 */
const char *chring_none_name(uint32_t none);

/**
 * chring_override_name - a word for what a service does that is overridden
 * @override: from struct chring_service
 *
 * Return: "reattach" or "leave"; "unknown" for what this library does not know.
 */
const char *chring_override_name(uint32_t override);

/**
 * chring_lookup_inode - say who would get a flow that no replica would
 * @chring: the handle of the last look-up
 *
 * The kernel prefers some sockets to a service, such as those on the very
 * address that a flow goes to where the service is on all.
 *
 * Return: the inode number of the socket, as in /proc/PID/fd and in ss -e; 0
 * where a replica would get the flow, or nobody.
 */
uint64_t chring_lookup_inode(const struct chring *chring);

/**
 * chring_key_name - a word for the type of a key
 * @type: from struct chring_key
 *
 * Return: "flow", "client", "prefix" or "payload"; "unknown" for what this
 * library does not know.
 */
const char *chring_key_name(uint32_t type);

/**
 * chring_service_state_name - a word for the state of a service
 * @state: from struct chring_service
 *
 * Return: "idle", "steering", "removing" or "overridden"; "unknown" for what this
 * library does not know.
 */
const char *chring_service_state_name(uint32_t state);

/**
 * chring_replica_state_name - a word for the state of a replica
 * @state: from struct chring_replica
 *
 * Return: "up" or "dead"; "unknown" for what this library does not know.
 */
const char *chring_replica_state_name(uint32_t state);

/* What a lock is; it is decided where the lock is made. */
#define CHRING_LOCK_FIFO	0x1U	/* in the order of arrival */
#define CHRING_LOCK_STRICT	0x2U	/* by the kernel alone */
#define CHRING_LOCK_STICKY	0x4U	/* news stay until what it is of is mended */
#define CHRING_LOCK_EAGER	0x8U	/* leases run from the acquisition */

/* How chring_lock_open() opens it. */
#define CHRING_LOCK_CREATE	0x100U	/* make it if it is not there */
#define CHRING_LOCK_EXCLUSIVE	0x200U	/* it must not be there */
#define CHRING_LOCK_ANY_THREAD	0x10000U	/* any thread may release */

/* Most slots that a lock can have. */
#define CHRING_LOCK_SLOTS_MAX	65535

/* What befell the lock since its last holder acquired it. */
#define CHRING_NEWS_OWNER_DIED	0x1U	/* that holder died with it */
#define CHRING_NEWS_BROKEN	0x2U	/* it was taken from it */
#define CHRING_NEWS_CORRUPT	0x4U	/* its word was scribbled on */
#define CHRING_NEWS_EXPIRED	0x8U	/* its lease was over */

/*
 * Of the lease of one acquisition, in chring_lock_acquire_leased(). With the last
 * two the process agrees to its own end, if it still holds the lock as the lease
 * ends; to release the lock is the kernel's then.
 */
#define CHRING_LEASE_EAGER	0x4U	/* runs from the acquisition */
#define CHRING_LEASE_SIGNAL	0x8U	/* SIGTERM, and SIGKILL a little later */
#define CHRING_LEASE_KILL	0x10U	/* SIGKILL */

/* The same function: hold it with others that want no more. */
#define CHRING_LOCK_SHARED	0x20U

/* What becomes of a holder whose lease is over. */
enum {
	CHRING_EXPIRY_FENCE,		/* the lock is taken from it */
	CHRING_EXPIRY_SIGNAL,		/* SIGTERM, and SIGKILL a little later */
	CHRING_EXPIRY_KILL,		/* SIGKILL */
};

/* In place of what a lock is to be: as it is, or the default. */
#define CHRING_LOCK_KEEP	((uint32_t)-1)

/* So many of those who hold a lock at once are told one by one. */
#define CHRING_HOLDERS_SHOWN 16

/**
 * struct chring_lock_holder - one of those who hold a lock at once
 * @pid: its process, as the caller sees it; 0 where it does not
 * @command: name of that process, or ""
 * @token: what it holds the lock by
 * @held_ns: for how long
 * @expires: its lease runs, or has run out
 * @lease_ns: time until it does
 */
struct chring_lock_holder {
	pid_t pid;
	char command[32];
	uint64_t token;
	uint64_t held_ns;
	bool expires;
	uint64_t lease_ns;
};

/**
 * struct chring_lock_status - what the kernel tells of a lock
 * @name: its name, unique in the network namespace
 * @flags: CHRING_LOCK_FIFO, CHRING_LOCK_STRICT, CHRING_LOCK_STICKY,
 *	CHRING_LOCK_EAGER
 * @mode: who may use it, as a file's mode
 * @owner: its user
 * @group: its group
 * @persistent: stays without handles
 * @held: somebody holds it
 * @pid: process that does, as the caller sees it; 0 where it does not. Of several
 *	the one that has held it longest
 * @command: name of that process, or ""
 * @token: of the holder, or of the last one; 0 if there was none. Of several the
 *	newest
 * @held_ns: how long the kernel has known that it is held: a holder that did
 *	not have to wait is known when somebody waits, or asks
 * @waiters: how many acquisitions wait
 * @handles: how many handles there are
 * @news: CHRING_NEWS_... that the next holder will be told, unless the one that
 *	there is calls chring_lock_consistent() before
 * @dead_token: where there is @news, of the holder that it is of
 * @ttl_ms: lease of holders that asked for none shorter, in ms; 0 is none
 * @expiry: CHRING_EXPIRY_..., what becomes of them then
 * @expires: a holder's lease runs, or has run out
 * @lease_ns: time until the first one does
 * @slots: how many may hold it at once, each one slot; 0 where one holds it alone,
 *	or some share it
 * @holders: how many hold it
 * @shared: more may, beside those
 * @shown: how many of them are in @holder: none where one holds the lock alone,
 *	and none in events
 * @holder: who they are, first who has held it longest
 */
struct chring_lock_status {
	char name[CHRING_NAME_MAX + 1];
	uint32_t flags;
	uint32_t mode;
	uid_t owner;
	gid_t group;
	bool persistent;
	bool held;
	pid_t pid;
	char command[32];
	uint64_t token;
	uint64_t held_ns;
	uint32_t waiters;
	uint32_t handles;
	uint32_t news;
	uint64_t dead_token;
	uint32_t ttl_ms;
	uint32_t expiry;
	bool expires;
	uint64_t lease_ns;
	uint32_t slots;
	uint32_t holders;
	bool shared;
	uint32_t shown;
	struct chring_lock_holder holder[CHRING_HOLDERS_SHOWN];
};

/**
 * struct chring_lock_request - a lock to be made or changed
 * @name: 1 to CHRING_NAME_MAX bytes of printable ASCII without white space
 * @flags: CHRING_LOCK_FIFO, CHRING_LOCK_STRICT, CHRING_LOCK_STICKY,
 *	CHRING_LOCK_EAGER. For chring_lock_set(), CHRING_LOCK_FIFO, 0 or
 *	CHRING_LOCK_KEEP: a lock stays strict, sticky or eager, or not
 * @mode: who may use it, as a file's mode, or CHRING_LOCK_KEEP; by default 0600
 * @owner: its user, or CHRING_LOCK_KEEP; by default who asks
 * @group: its group, or CHRING_LOCK_KEEP; by default that of who asks
 * @ttl_ms: lease of its holders, in ms, 0 for none, or CHRING_LOCK_KEEP; by
 *	default there is none
 * @expiry: CHRING_EXPIRY_..., or CHRING_LOCK_KEEP; by default CHRING_EXPIRY_FENCE
 * @slots: how many may hold a new lock at once, at most CHRING_LOCK_SLOTS_MAX; 0
 *	for one that is held alone, or shared. A lock with slots is fifo and strict:
 *	@flags have CHRING_LOCK_FIFO, or are CHRING_LOCK_KEEP. chring_lock_set()
 *	takes 0 only
 */
struct chring_lock_request {
	const char *name;
	uint32_t flags;
	uint32_t mode;
	uid_t owner;
	gid_t group;
	uint32_t ttl_ms;
	uint32_t expiry;
	uint32_t slots;
};

/* What to be told of, in chring_subscribe(). */
#define CHRING_EVENTS_SERVICES	(1U << 0)	/* services and replicas */
#define CHRING_EVENTS_LOCKS	(1U << 1)	/* but for who holds them */

/* What has happened; see chring_event_name(). */
enum {
	CHRING_EVENT_SERVICE_NEW,	/* made */
	CHRING_EVENT_SERVICE_SET,	/* another state, or other settings */
	CHRING_EVENT_SERVICE_DEL,	/* gone, its name and address are free */
	CHRING_EVENT_REPLICA_NEW,	/* added */
	CHRING_EVENT_REPLICA_SET,	/* another state, or another weight */
	CHRING_EVENT_REPLICA_DEL,	/* gone */
	CHRING_EVENT_LOCK_NEW,		/* made */
	CHRING_EVENT_LOCK_SET,		/* other settings */
	CHRING_EVENT_LOCK_DEL,		/* gone, its name is free */
	CHRING_EVENT_LOCK_OWNER_DIED,	/* its holder died with it */
	CHRING_EVENT_LOCK_BROKEN,	/* it was taken from its holder */
	CHRING_EVENT_LOCK_CORRUPT,	/* its word was scribbled on */
	CHRING_EVENT_LOCK_EXPIRED,	/* its holder's lease was over */
};

/**
 * struct chring_event - what has happened
 * @type: CHRING_EVENT_...
 * @service: of CHRING_EVENT_SERVICE_...: what it is now, or was last
 * @replica: of CHRING_EVENT_REPLICA_...: what it is now, or was last
 * @lock: of CHRING_EVENT_LOCK_...: what it is now, or was last, but without the
 *	holder's process. Where something befell a holder, its news are just
 *	that, and its dead_token is that holder's
 *
 * User and group ids are those of the user namespace that owns the network
 * namespace.
 */
struct chring_event {
	uint32_t type;
	union {
		struct chring_service service;
		struct chring_replica replica;
		struct chring_lock_status lock;
	};
};

/**
 * chring_subscribe - be told of changes from now on
 * @chring: an open handle
 * @events: what to be told of, CHRING_EVENTS_... bits; what the handle is told
 *	of already stays
 *
 * Events come in the order of the changes, by chring_event_next(), and do not
 * get in the way of requests with the same handle. To know the state at each
 * moment, subscribe, then read it, then follow the events; some of the first
 * ones may tell what was read already. Events are those of the network
 * namespace that the thread is in, which must be that of the handle.
 *
 * What befalls a lock, such as its holder's death, may come before or after what
 * is told of its making and changing.
 *
 * Those of locks need CAP_NET_ADMIN in the user namespace that owns the network
 * namespace, the others no privilege.
 *
 * Return: 0; -EINVAL for what is no event; -ENOENT where the module does not
 * tell of such; -EPERM without the privilege; -ENOMEM; the negative errno of the
 * netlink socket.
 */
int chring_subscribe(struct chring *chring, unsigned int events);

/**
 * chring_event_fd - a descriptor to poll for events
 * @chring: a handle that has subscribed
 *
 * It is readable (POLLIN, POLLERR) when chring_event_next() has something to
 * tell. It is close-on-exec, and the handle's: do not read or close it.
 *
 * Return: the descriptor; -ENOTCONN where the handle has not subscribed.
 */
int chring_event_fd(struct chring *chring);

/**
 * chring_event_next - take the next event
 * @chring: a handle that has subscribed
 * @event: filled on success
 *
 * Does not wait.
 *
 * Return: 0; -EAGAIN where there is none now; -ENOBUFS where events were lost,
 * because they came faster than they were taken, or because the kernel had no
 * memory: read the state anew, and go on taking events; -ENOTCONN where the
 * handle has not subscribed; -EPROTO; -ENOMEM.
 */
int chring_event_next(struct chring *chring, struct chring_event *event);

/**
 * chring_event_name - a word for what has happened
 * @type: from struct chring_event
 *
 * Return: such as "service-new", as the family's specification has it, but
 * without "-ntf"; "unknown" for what this library does not know.
 */
const char *chring_event_name(uint32_t type);

/**
 * struct chring_lock - a handle of a named lock, in one process
 *
 * The lock is the handle's, from an acquisition to its release. All threads of
 * the process may use one handle, and exclude each other by it; a second handle
 * of the same lock is as another process's.
 *
 * What is acquired is released by the same thread, unless the handle was opened
 * with CHRING_LOCK_ANY_THREAD. So a thread that acquires what it holds would
 * wait for itself: that is -EDEADLK. With CHRING_LOCK_ANY_THREAD it waits for
 * another thread's release, if the process has another thread.
 *
 * When the process dies or calls execve(), the lock is free at once, whoever
 * has copies of the descriptor, and the next holder is told. It waits for the
 * memory of the process to go: after vfork() or clone(CLONE_VM) that is when
 * the last process with it is gone; while a core is dumped, when it is written.
 *
 * After fork() the lock stays the parent's. The handle works in the child too,
 * which opens the lock anew, by its name and with the child's own rights, when
 * it first uses the handle: so that may fail as chring_lock_open() does, save
 * that CHRING_LOCK_EXCLUSIVE is not asked again. Any way to fork will do.
 *
 * The functions can be called from several threads at once, all but
 * chring_lock_close(), and not from signal handlers, but for
 * chring_lock_shutdown().
 */
struct chring_lock;

/**
 * chring_lock_open - open a named lock
 * @lock: set to a handle, to be closed with chring_lock_close(); untouched
 *	where this fails
 * @name: 1 to CHRING_NAME_MAX bytes of printable ASCII without white space
 * @flags: CHRING_LOCK_CREATE and so on; with CHRING_LOCK_CREATE also
 *	CHRING_LOCK_EXCLUSIVE, and what a new lock is to be, CHRING_LOCK_FIFO,
 *	CHRING_LOCK_STRICT and CHRING_LOCK_STICKY: a lock that is there stays
 *	as it is
 * @mode: with CHRING_LOCK_CREATE, permissions of a new lock, as open(2) has
 *	them, but for the umask; 0 is 0600. Acquiring needs the permission to
 *	write
 *
 * The name is looked up in the network namespace that the thread is in. A lock
 * that is made so is gone with its last handle, unless there is news for the
 * next holder; chring_lock_new() makes one that stays.
 *
 * By default, *adaptive*, a process that is awake may overtake those that sleep,
 * for a bounded time: that is many times faster where the lock changes hands
 * often. CHRING_LOCK_FIFO is for those who must not be overtaken.
 * Both share a word of memory among those who may open the lock, and enter the
 * kernel only to wait or to wake. Whoever may write to that word can break this
 * lock, and nothing else. CHRING_LOCK_STRICT has no such word: for processes
 * that do not trust each other.
 *
 * Return: 0, or
 *
 * - -ENODEV: there is no /dev/chring, the module is not loaded
 * - -ENOENT: there is no such lock, and CHRING_LOCK_CREATE is not given
 * - -EEXIST: there is one, with CHRING_LOCK_EXCLUSIVE
 * - -EINVAL: a name, flags or a mode that cannot be; flags that need
 *	CHRING_LOCK_CREATE without it
 * - -EACCES: the lock's permissions let this user neither read nor write
 * - -EPERM: this user may not make locks, or not with this name
 * - -EDQUOT: the user has as many locks or handles as may be
 * - -EMFILE, -ENFILE, -ENOMEM
 */
int chring_lock_open(struct chring_lock **lock, const char *name,
		     unsigned int flags, mode_t mode);

/**
 * chring_lock_open_slots - open a lock that several may hold at once
 * @lock: as of chring_lock_open()
 * @name: as of chring_lock_open()
 * @slots: with CHRING_LOCK_CREATE, how many may hold a new lock at once, at most
 *	CHRING_LOCK_SLOTS_MAX: a lock that is there has what it has; 0 otherwise
 * @flags: as of chring_lock_open()
 * @mode: as of chring_lock_open()
 *
 * Each acquisition has one of the slots, until it is released, or its process
 * dies: then that slot is free again, and no other. It is a counting semaphore
 * that no crash puts out of count. The slots are given in order of arrival
 * (CHRING_LOCK_FIFO), and all is the kernel's (CHRING_LOCK_STRICT).
 *
 * A handle has one slot at a time; who needs more has more handles.
 *
 * Return: as chring_lock_open(), and -EINVAL for more slots than may be, or slots
 * without CHRING_LOCK_CREATE.
 */
int chring_lock_open_slots(struct chring_lock **lock, const char *name,
			   uint32_t slots, unsigned int flags, mode_t mode);

/**
 * chring_lock_adopt - make a handle of another process this one's
 * @lock: set to the handle, to be closed with chring_lock_close(); untouched
 *	where this fails
 * @fd: a descriptor that is chring_lock_fd() there: a copy that was inherited,
 *	or came in a message (SCM_RIGHTS). It is the handle's if this succeeds:
 *	give a duplicate where it is needed otherwise
 * @flags: CHRING_LOCK_ANY_THREAD, or 0
 *
 * So a lock is handed over without being free in between. What the other
 * process held this thread holds then, by a new token, chring_lock_token(): the
 * other has lost it, and must do nothing but chring_lock_close(): acquiring by a
 * handle that was given away may spoil the lock's word (CHRING_NEWS_CORRUPT). In
 * a child that this process forks, the adopted handle is -ESTALE: it has no name
 * to be opened anew by.
 *
 * Return: 1 where the lock is held with the handle; 0 where it is not, also
 * since the other process has died meanwhile; -EALREADY where the handle is this
 * process's; -ESTALE where it is closed, or a third process adopts it; -ENOTTY
 * where @fd is no handle; -EINVAL for other flags; -EBADF, -ENFILE, -ENOMEM.
 */
int chring_lock_adopt(struct chring_lock **lock, int fd, unsigned int flags);

/**
 * chring_lock_try - acquire a lock that is free
 * @lock: the handle
 *
 * Return: as chring_lock_acquire(), and -EBUSY where somebody holds the lock
 * or, in a lock that is CHRING_LOCK_FIFO, waits for it.
 */
int chring_lock_try(struct chring_lock *lock);

/**
 * chring_lock_acquire - acquire a lock, wait as long as it takes
 * @lock: the handle
 *
 * Return: 0; or more: acquired with news, CHRING_NEWS_... bits, which are told
 * once, to one: what the lock protects may have been left half done. Then
 * chring_lock_dead_token() is the token of the holder that they are about.
 * Where the lock is CHRING_LOCK_STICKY they are told to each holder, until one
 * calls chring_lock_consistent().
 * Less than 0 is
 *
 * - -EINTR: a signal came whose handler was installed without SA_RESTART
 * - -EDEADLK: this thread holds the lock by this handle; or the process does, or
 *	waits for it by chring_lock_acquire_async(), and has no other thread
 * - -EACCES: the lock's permissions did not let who opened the handle write
 * - -ESTALE: the handle was shut down; or another process has adopted it, where
 *	the kernel was asked
 * - -EOVERFLOW: the lock has run out of tokens
 * - in a child that uses the handle first, what chring_lock_open() returns
 */
int chring_lock_acquire(struct chring_lock *lock);

/**
 * chring_lock_acquire_until - acquire a lock, wait until a time at most
 * @lock: the handle
 * @deadline: absolute, of CLOCK_MONOTONIC; one that is past is a try that does
 *	not wait; NULL is none
 *
 * Return: as chring_lock_acquire(), and -ETIMEDOUT; -EINVAL where the
 * nanoseconds are not 0 to 999999999.
 */
int chring_lock_acquire_until(struct chring_lock *lock,
			      const struct timespec *deadline);

/**
 * chring_lock_acquire_leased - acquire a lock for some time
 * @lock: the handle
 * @ttl_ms: for how long others may be made to wait, in ms; 0 is as the lock has it
 * @flags: CHRING_LEASE_... bits, and CHRING_LOCK_SHARED for what
 *	chring_lock_acquire_shared() does; or 0
 * @deadline: as of chring_lock_acquire_until()
 *
 * The lease runs from when somebody else first wants the lock, so that until then
 * it costs nothing; or with CHRING_LEASE_EAGER from the acquisition. The clock goes
 * on while the system is suspended. Where the lock has a lease of its own, the
 * shorter one counts, and of what becomes of the holder the harder.
 *
 * As the lease ends the lock is taken from the handle, see chring_lock_fd(), and
 * the next holder is told (CHRING_NEWS_EXPIRED). That does not keep this process
 * from what it is about to do, which may have been stopped, and goes on: let what
 * the lock protects check the token. Only CHRING_LEASE_KILL, by which the process
 * is dead before another holds the lock, excludes it.
 *
 * The kernel is asked even where nobody contends.
 *
 * Return: as chring_lock_acquire_until(); -EINVAL for other flags; -ENOMEM.
 */
int chring_lock_acquire_leased(struct chring_lock *lock, uint32_t ttl_ms,
			       unsigned int flags,
			       const struct timespec *deadline);

/**
 * chring_lock_acquire_shared - hold a lock with others that share it
 * @lock: the handle
 * @deadline: as of chring_lock_acquire_until()
 *
 * While some share a lock nobody holds it alone, as chring_lock_acquire() would
 * have it. They wait for their turn in order of arrival: those that are next to
 * each other in the queue get it together, and who comes while somebody waits to
 * have it alone waits behind that one. So nobody starves.
 *
 * A handle holds its lock once: threads that are to share it at the same time have
 * a handle each. It cannot go over from one to the other either: release it, and
 * acquire it anew. Each share has its own token, which is greater than that of
 * whoever held the lock alone before, and less than that of the next who does. Who
 * dies with a share is no news to the next holder.
 *
 * The kernel is asked even where nobody contends.
 *
 * Return: as chring_lock_acquire_until(); -EINVAL for a lock that has slots.
 */
int chring_lock_acquire_shared(struct chring_lock *lock,
			       const struct timespec *deadline);

/* In a cycle of processes: it does not hold the lock, but is to have it before. */
#define CHRING_STEP_QUEUED	0x1U

/**
 * struct chring_deadlock_step - a process in a cycle of those who wait
 * @token: of its acquisition; 0 where it is not to be known
 * @pid: of the process, as this one sees it; 0 where it does not, or is not to know
 * @flags: CHRING_STEP_QUEUED
 * @name: the lock that it holds, and that the process before it waits for; empty
 *	where this process may not read that lock, nor holds it, nor waits for it;
 *	and where it would wait for itself by a handle that it has adopted
 */
struct chring_deadlock_step {
	uint64_t token;
	int32_t pid;
	uint32_t flags;
	char name[CHRING_NAME_MAX + 1];
};

/* No cycle that is found is longer. */
#define CHRING_DEADLOCK_MAX 64

/**
 * struct chring_deadlock - processes that would wait for each other, for ever
 * @nr: how many they are
 * @steps: this process, with the lock that the last one waits for; then the one
 *	that it waits for itself, and so on
 */
struct chring_deadlock {
	uint32_t nr;
	struct chring_deadlock_step steps[CHRING_DEADLOCK_MAX];
};

/**
 * chring_lock_acquire_detect - acquire a lock, but do not wait in a cycle
 * @lock: the handle
 * @flags: CHRING_LOCK_SHARED for what chring_lock_acquire_shared() does, or 0
 * @deadline: as of chring_lock_acquire_until()
 * @deadlock: set to the cycle where this is -EDEADLK; or NULL
 *
 * -EDEADLK where processes would wait for each other, one for a lock that the next
 * one holds, and this is one of them. It is refused the lock, and keeps what it
 * holds: it is to release that, and to begin anew. Of several that ask for it one is
 * refused, which is enough for all to go on; those that do not ask for it are never.
 *
 * A process is taken to wait only if each of its threads waits for a lock here, in
 * the kernel: any other could release something. So a cycle through pipes, child
 * processes or other kinds of locks is not found, nor one through a process that has
 * a thread that does something else, or sleeps. That some of those who wait have a
 * deadline, or a lease that will end, does not count: they are found all the same.
 *
 * Where nobody contends it costs no more than chring_lock_acquire(); a wait costs a
 * look at who waits for whom, and another every 250 ms.
 *
 * Return: as chring_lock_acquire_until(); -EINVAL for other flags, and for
 * CHRING_LOCK_SHARED of a lock that has slots; -ENOMEM.
 */
int chring_lock_acquire_detect(struct chring_lock *lock, unsigned int flags,
			       const struct timespec *deadline,
			       struct chring_deadlock *deadlock);

/**
 * chring_deadlock_text - put a cycle in words
 * @deadlock: the cycle
 * @text: written to: such as "pid 812 holds a, waits for b; pid 813 holds b, waits
 *	for a"; always terminated if there is room for anything
 * @size: room in @text
 *
 * Return: its length, which may be more than there was room for.
 */
size_t chring_deadlock_text(const struct chring_deadlock *deadlock, char *text,
			    size_t size);

/**
 * chring_lock_try_shared - share a lock that nobody holds alone, or waits for
 * @lock: the handle
 *
 * Return: as chring_lock_acquire_shared(), and -EBUSY.
 */
int chring_lock_try_shared(struct chring_lock *lock);

/**
 * chring_lock_acquire_async - acquire a lock without waiting for it
 * @lock: the handle
 * @ttl_ms: as of chring_lock_acquire_leased()
 * @flags: as of chring_lock_acquire_leased()
 *
 * Where the lock is not to be had at once, the handle waits for it, in order with
 * all others that wait: -EINPROGRESS. When the lock is its, chring_lock_fd() becomes
 * ready with POLLIN, and chring_lock_finish() says what has come of it. A handle
 * has one such request at a time. There is no deadline: use chring_lock_cancel().
 *
 * From when it is granted the lock is this process's, which others wait for then,
 * whether it knows so already or not. If it dies, or closes the handle before it
 * does, the lock goes to the next as if it had not been granted.
 *
 * Return: as chring_lock_acquire(), where the lock was to be had; -EINPROGRESS;
 * -EALREADY where the handle has a request that is not finished or cancelled;
 * -EINVAL for other flags, or to share a lock that has slots; -ENOMEM.
 */
int chring_lock_acquire_async(struct chring_lock *lock, uint32_t ttl_ms,
			      unsigned int flags);

/**
 * chring_lock_finish - acquire what was asked for by chring_lock_acquire_async()
 * @lock: the handle
 *
 * It is this thread that has acquired the lock then.
 *
 * Return: as chring_lock_acquire(), and the request is over but in these cases:
 * -EAGAIN: the lock is not there yet; -ENODATA: there is no such request of this
 * process. -ESTALE: the lock was this handle's, and was taken from it before this.
 */
int chring_lock_finish(struct chring_lock *lock);

/**
 * chring_lock_cancel - ask for a lock no more
 * @lock: the handle
 *
 * Whatever has come of chring_lock_acquire_async(), this handle has not acquired
 * the lock by it then: the next one that waits has it.
 *
 * Return: 0; -ENODATA where there is no such request of this process; -ESTALE.
 */
int chring_lock_cancel(struct chring_lock *lock);

/**
 * chring_lock_release - release a lock
 * @lock: the handle
 *
 * Return: 0; -ESTALE where the handle does not hold the lock: it was not
 * acquired, or it was taken away meanwhile; -EPERM where another thread holds
 * it by this handle. Nothing has changed then.
 */
int chring_lock_release(struct chring_lock *lock);

/**
 * chring_lock_consistent - say that what a lock protects has been put right
 * @lock: the handle, which holds the lock
 *
 * The next holder is not told then what this one was: in a lock that is
 * CHRING_LOCK_STICKY each is, until one has put right what may be half done, and
 * says so. Who finds that it cannot releases the lock without saying it. Of a lock
 * with slots another holder may have died since: the next one is told that.
 *
 * Return: 0, also where there was no news; -ESTALE where the handle does not
 * hold the lock, -EPERM where another thread does by it.
 */
int chring_lock_consistent(struct chring_lock *lock);

/**
 * chring_lock_is_held - look whether a lock is still held
 * @lock: the handle
 *
 * Return: whether chring_lock_release() by this thread would release it now.
 * Where that must hold later too, check the token where it counts.
 */
bool chring_lock_is_held(const struct chring_lock *lock);

/**
 * chring_lock_token - the token of the last acquisition
 * @lock: the handle
 *
 * A *fencing token*: it rises with each acquisition of a lock of that name, by
 * whomever, also where the lock was gone meanwhile, and after a reboot unless
 * the clock went back. Send it along with what the lock protects, and let the
 * receiver refuse what comes with a smaller token than it has seen. Where several
 * hold the lock at once a smaller one may be good as well: there the receiver is
 * to ask, by chring_lock_check_token().
 *
 * Return: the token, which stays after the release; 0 before any acquisition.
 */
uint64_t chring_lock_token(const struct chring_lock *lock);

/**
 * chring_lock_dead_token - the token of the holder that the news is about
 * @lock: the handle
 *
 * Return: the token, where the last acquisition came with news; 0 otherwise.
 */
uint64_t chring_lock_dead_token(const struct chring_lock *lock);

/**
 * chring_lock_fd - a descriptor to poll
 * @lock: the handle
 *
 * It becomes ready with POLLIN when chring_lock_finish() has something to say;
 * POLLERR when the lock is taken from this handle, until that acquires, asks for it,
 * or releases the next time; POLLPRI where there is news for the next holder. It is
 * close-on-exec, and the handle's: do not close it.
 *
 * Return: the descriptor; or, in a child that uses the handle first, what
 * chring_lock_open() returns where that fails.
 */
int chring_lock_fd(struct chring_lock *lock);

/**
 * chring_lock_shutdown - release what a handle holds, and end it
 * @lock: the handle
 *
 * Unlike the other functions this one may be called from a signal handler, and
 * while threads acquire: they get -ESTALE. It is for handlers that end the
 * process, which would be a death with the lock otherwise: a handler that has
 * interrupted a function of @lock must not return to it. All that is left to be
 * done to the handle is chring_lock_close(). Nothing happens in a child that has
 * not used the handle.
 */
void chring_lock_shutdown(const struct chring_lock *lock);

/**
 * chring_lock_close - close a handle, which releases what it holds
 * @lock: the handle, which no thread uses any more, or NULL
 */
void chring_lock_close(struct chring_lock *lock);

/**
 * chring_lock_strerror - what an errno means of a lock
 * @err: what one of the functions above returned, or its negative
 *
 * Return: a sentence without a full stop or a line feed; never NULL.
 */
const char *chring_lock_strerror(int err);

/**
 * chring_lock_new - make a lock that stays
 * @chring: an open handle of the family
 * @request: what to make
 *
 * Return: 0; -EEXIST where the name is taken; -EINVAL for a name, flags, mode,
 * user or group that cannot be; -ERANGE for an expiry that there is not, or more
 * slots than may be; -EPERM where this user may not make locks, or none with this
 * name or for that user; -EDQUOT; -ENOMEM.
 */
int chring_lock_new(struct chring *chring,
		    const struct chring_lock_request *request);

/**
 * chring_lock_set - change who may use a lock, or in which order
 * @chring: an open handle of the family
 * @request: its name, and what is to change
 *
 * Handles that are open may do what they might before.
 *
 * Return: 0; -ENOENT where there is no such lock; -EBUSY where the order is to
 * change of a lock that has handles; -EINVAL where nothing is to change, for a mode,
 * user or group that cannot be, or for a lock with slots that is to be adaptive;
 * -ERANGE for an expiry that there is not; -ENOMEM with a lease; -EPERM without the
 * privilege: it needs the lock's user, or CAP_NET_ADMIN in the user namespace that
 * owns the network namespace.
 */
int chring_lock_set(struct chring *chring,
		    const struct chring_lock_request *request);

/**
 * chring_lock_check_token - is what is sent along with a token to be refused?
 * @chring: an open handle of the family
 * @name: the lock
 * @token: of some acquisition
 *
 * It is good as long as somebody holds the lock by it, and then until somebody
 * acquires the lock. Of several who hold a lock each has a good one.
 *
 * Return: 0; -ESTALE where it is neither; -ENOENT where there is no such lock;
 * -EACCES where its mode does not let this user read.
 */
int chring_lock_check_token(struct chring *chring, const char *name,
			    uint64_t token);

/**
 * chring_lock_get - read one lock
 * @chring: an open handle of the family
 * @name: the lock
 * @lock: filled on success
 *
 * Return: 0; -ENOENT where there is no such lock; -EACCES where its mode does
 * not let this user read.
 */
int chring_lock_get(struct chring *chring, const char *name,
		    struct chring_lock_status *lock);

/**
 * chring_lock_dump - read all locks of the network namespace
 * @chring: an open handle of the family
 * @locks: set to an array that the caller gives to free(); NULL when empty
 * @count: set to its number of elements
 *
 * Locks that this user may not read are not among them.
 * Where locks come or go meanwhile the list is read again, a few times.
 *
 * Return: 0; -EAGAIN where it never was consistent; -ENOMEM.
 */
int chring_lock_dump(struct chring *chring, struct chring_lock_status **locks,
		     size_t *count);

/**
 * chring_lock_del - let a lock go
 * @chring: an open handle of the family
 * @name: the lock
 *
 * It is gone when its last handle is.
 *
 * Return: 0; -ENOENT where there is no such lock; -EPERM as chring_lock_set().
 */
int chring_lock_del(struct chring *chring, const char *name);

/**
 * chring_lock_break - take a lock from its holder, or from all of them
 * @chring: an open handle of the family
 * @name: the lock
 *
 * The next holder is told, with CHRING_NEWS_BROKEN. The one that it is taken
 * from goes on until it looks: see chring_lock_is_held(), chring_lock_fd().
 *
 * Return: 0; -ENOENT where there is no such lock; -ESRCH where nobody holds it;
 * -EPERM as chring_lock_set().
 */
int chring_lock_break(struct chring *chring, const char *name);

#ifdef __cplusplus
}
#endif

#endif /* CHRING_H */
