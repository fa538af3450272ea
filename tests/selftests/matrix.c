// SPDX-License-Identifier: GPL-2.0
/*
 * Who may do what: each request of the family, each of its groups, and what
 * /dev/chring is asked, by each kind of caller. What is refused must not change
 * anything. A request or a group that the table does not name is a failure, and
 * so is a manual that has another table: Documentation/privileges.rst.
 */
#define _GNU_SOURCE		/* unshare, setns */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/genetlink.h>
#include <netlink/genl/genl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lock_device.h"
#include "request.h"

#define HERE "127.0.0.1"
#define PORT 8000
#define REFCOUNT "/sys/module/chring/refcnt"

/* Users; the last one makes a user namespace, and is root there. */
#define NOBODY 65534
#define OWNER 1000
#define OTHER 1001
#define GIVEN 1002
#define STRANGER 1003

/**
 * struct world - a network namespace with what requests are about
 * @userns: of STRANGER
 * @session: root's, or the caller's
 * @roots: a socket of root's
 * @own: one of the caller's
 * @handle: of the lock "private", which it holds
 * @token: by which it does
 *
 * Service "s" is OWNER's, its replica "owners" has a socket of OWNER's, and
 * "roots" one of root's; "idle" has none. The locks are OWNER's: "private" is
 * for nobody else, "readable" and "writable" are what they are called.
 */
struct world {
	int userns;
	struct session session;
	int roots;
	int own;
	struct handle handle;
	uint64_t token;
};

/* ---- the callers */

static bool be_root(const struct world *world)
{
	return true;
}

static bool be_net_admin(const struct world *world)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct one[2] = {
		{ 1 << CAP_NET_ADMIN, 1 << CAP_NET_ADMIN, 0 },
	};

	return !prctl(PR_SET_KEEPCAPS, 1) && become(NOBODY) &&
	       !syscall(SYS_capset, &header, one);
}

static bool be_owner(const struct world *world)
{
	return become(OWNER);
}

static bool be_other(const struct world *world)
{
	return become(OTHER);
}

static bool be_userns_root(const struct world *world)
{
	return become(STRANGER) && !setns(world->userns, CLONE_NEWUSER);
}

enum { ROOT, NET_ADMIN, IS_OWNER, IS_OTHER, OWN_NET, OTHER_NET, CALLERS };

static const struct caller {
	const char *name;
	bool (*be)(const struct world *world);
	uid_t uid;
} callers[CALLERS] = {
	[ROOT]		= { "root", be_root, 0 },
	[NET_ADMIN]	= { "net admin", be_net_admin, NOBODY },
	[IS_OWNER]	= { "owner", be_owner, OWNER },
	[IS_OTHER]	= { "other", be_other, OTHER },
	[OWN_NET]	= { "userns, own net", be_userns_root, STRANGER },
	[OTHER_NET]	= { "userns, other net", be_userns_root, STRANGER },
};

/* ---- the table, as it is to be read */

/* Done, but what this is about was left out. */
#define NOT_TOLD (-ENODATA)

#define P (-EPERM)
#define A (-EACCES)
#define I (-EINVAL)
#define S (-ESTALE)
#define N NOT_TOLD

/* Whether anything else can be seen once it was done. */
#define READS false
#define CHANGES true

#define OPERATION(cmd, how) ((cmd) | (how) << 8)
#define DO(cmd) OPERATION(CHRING_CMD_##cmd, GENL_CMD_CAP_DO)
#define DUMP(cmd) OPERATION(CHRING_CMD_##cmd, GENL_CMD_CAP_DUMP)

/**
 * struct row - a request, and what each caller is answered
 * @what: in words
 * @answers: 0, a negative errno, or NOT_TOLD
 * @changes: CHANGES or READS
 * @operation: DO() or DUMP(), where it is one of the family; or 0
 * @try: makes the request; returns the answer
 * @name: of what it is about
 * @attr: an attribute besides, or 0
 * @value: of this, or whatever @try needs
 */
struct row {
	const char *what;
	int answers[CALLERS];
	bool changes;
	unsigned int operation;
	int (*try)(struct world *world, const struct row *row);
	const char *name;
	int attr;
	uint32_t value;
};

static int new_service(struct world *world, const struct row *row);
static int ask_service(struct world *world, const struct row *row);
static int seed_of_service(struct world *world, const struct row *row);
static int seeds_of_services(struct world *world, const struct row *row);
static int new_own_replica(struct world *world, const struct row *row);
static int new_roots_replica(struct world *world, const struct row *row);
static int replace_replica(struct world *world, const struct row *row);
static int ask_replica(struct world *world, const struct row *row);
static int plan_replica(struct world *world, const struct row *row);
static int look_up(struct world *world, const struct row *row);
static int ask_lock(struct world *world, const struct row *row);
static int lock_of_all(struct world *world, const struct row *row);
static int ask_all(struct world *world, const struct row *row);
static int join(struct world *world, const struct row *row);
static int open_device(struct world *world, const struct row *row);
static int stat_device(struct world *world, const struct row *row);
static int acquire_device(struct world *world, const struct row *row);
static int acquire_handle(struct world *world, const struct row *row);
static int release_handle(struct world *world, const struct row *row);
static int consistent_handle(struct world *world, const struct row *row);
static int finish_handle(struct world *world, const struct row *row);
static int cancel_handle(struct world *world, const struct row *row);
static int stat_handle(struct world *world, const struct row *row);
static int map_handle(struct world *world, const struct row *row);
static int close_handle(struct world *world, const struct row *row);
static int adopt_handle(struct world *world, const struct row *row);

static const struct row rows[] = {
	/*			       root, net admin
	 *				  |  |	owner, other
	 *				  |  |	|  |  userns: own net, other net
	 */
	{ "service-new",		{ 0, 0, P, P, 0, P }, CHANGES,
	  DO(SERVICE_NEW), .try = new_service, .name = "new" },
	{ "service-set",		{ 0, 0, P, P, 0, P }, CHANGES,
	  DO(SERVICE_SET), .try = ask_service, .name = "s",
	  .attr = CHRING_A_SERVICE_NONE, .value = CHRING_NONE_POLICY_HOLD },
	{ "service-get",		{ 0, 0, 0, 0, 0, 0 }, READS,
	  DO(SERVICE_GET), .try = ask_service, .name = "s" },
	{ "service-get, the seed",	{ 0, 0, N, N, 0, N }, READS,
	  DO(SERVICE_GET), .try = seed_of_service, .name = "s" },
	{ "service-get, all",		{ 0, 0, 0, 0, 0, 0 }, READS,
	  DUMP(SERVICE_GET), .try = ask_all },
	{ "service-get, all, the seed",	{ 0, 0, N, N, 0, N }, READS,
	  DUMP(SERVICE_GET), .try = seeds_of_services },
	{ "service-del",		{ 0, 0, P, P, 0, P }, CHANGES,
	  DO(SERVICE_DEL), .try = ask_service, .name = "idle" },

	{ "replica-new, own socket",	{ 0, 0, 0, P, 0, P }, CHANGES,
	  DO(REPLICA_NEW), .try = new_own_replica, .name = "new" },
	{ "replica-new, root's socket",	{ 0, 0, P, P, 0, P }, CHANGES,
	  DO(REPLICA_NEW), .try = new_roots_replica, .name = "new" },
	{ "replica-new, replacing root's", { 0, 0, P, P, 0, P }, CHANGES,
	  DO(REPLICA_NEW), .try = replace_replica, .name = "roots" },
	{ "replica-set, owner's socket", { 0, 0, 0, P, 0, P }, CHANGES,
	  DO(REPLICA_SET), .try = ask_replica, .name = "owners", .value = 2 },
	{ "replica-set, root's socket",	{ 0, 0, P, P, 0, P }, CHANGES,
	  DO(REPLICA_SET), .try = ask_replica, .name = "roots", .value = 2 },
	{ "replica-get",		{ 0, 0, 0, 0, 0, 0 }, READS,
	  DO(REPLICA_GET), .try = ask_replica, .name = "roots" },
	{ "replica-get, all",		{ 0, 0, 0, 0, 0, 0 }, READS,
	  DUMP(REPLICA_GET), .try = ask_all },
	{ "replica-del, owner's socket", { 0, 0, 0, P, 0, P }, CHANGES,
	  DO(REPLICA_DEL), .try = ask_replica, .name = "owners" },
	{ "replica-del, root's socket",	{ 0, 0, P, P, 0, P }, CHANGES,
	  DO(REPLICA_DEL), .try = ask_replica, .name = "roots" },
	{ "replica-plan",		{ 0, 0, 0, 0, 0, 0 }, READS,
	  DUMP(REPLICA_PLAN), .try = plan_replica, .name = "roots" },
	{ "lookup",			{ 0, 0, 0, 0, 0, 0 }, READS,
	  DO(LOOKUP), .try = look_up, .name = "s" },
	{ "join services",		{ 0, 0, 0, 0, 0, 0 }, READS,
	  .try = join, .name = "services", .value = CHRING_EVENTS_SERVICES },

	{ "lock-new",			{ 0, 0, 0, 0, 0, 0 }, CHANGES,
	  DO(LOCK_NEW), .try = ask_lock, .name = "new" },
	{ "lock-new, for another user",	{ 0, 0, P, P, I, I }, CHANGES,
	  DO(LOCK_NEW), .try = ask_lock, .name = "new",
	  .attr = CHRING_A_LOCK_UID, .value = GIVEN },
	{ "lock-new, named !...",	{ 0, 0, P, P, 0, P }, CHANGES,
	  DO(LOCK_NEW), .try = ask_lock, .name = "!new" },
	{ "lock-new, named @OWNER/...",	{ P, P, 0, P, P, P }, CHANGES,
	  DO(LOCK_NEW), .try = ask_lock, .name = "@1000/new" },
	{ "lock-new, with slots",	{ 0, 0, 0, 0, 0, 0 }, CHANGES,
	  DO(LOCK_NEW), .try = ask_lock, .name = "new",
	  .attr = CHRING_A_LOCK_SLOTS, .value = 2 },
	{ "lock-set",			{ 0, 0, 0, P, 0, P }, CHANGES,
	  DO(LOCK_SET), .try = ask_lock, .name = "writable",
	  .attr = CHRING_A_LOCK_MODE, .value = 0640 },
	{ "lock-set, to another user",	{ 0, 0, P, P, I, I }, CHANGES,
	  DO(LOCK_SET), .try = ask_lock, .name = "writable",
	  .attr = CHRING_A_LOCK_UID, .value = GIVEN },
	{ "lock-set, its lease",	{ 0, 0, 0, P, 0, P }, CHANGES,
	  DO(LOCK_SET), .try = ask_lock, .name = "writable",
	  .attr = CHRING_A_LOCK_TTL_MS, .value = 1000 },
	{ "lock-get, mode 0600",	{ 0, 0, 0, A, 0, A }, READS,
	  DO(LOCK_GET), .try = ask_lock, .name = "private" },
	{ "lock-get, mode 0604",	{ 0, 0, 0, 0, 0, 0 }, READS,
	  DO(LOCK_GET), .try = ask_lock, .name = "readable" },
	{ "lock-get, all",		{ 0, 0, 0, 0, 0, 0 }, READS,
	  DUMP(LOCK_GET), .try = ask_all },
	{ "lock-get, all, mode 0600",	{ 0, 0, 0, N, 0, N }, READS,
	  DUMP(LOCK_GET), .try = lock_of_all, .name = "private" },
	{ "lock-get, all, mode 0604",	{ 0, 0, 0, 0, 0, 0 }, READS,
	  DUMP(LOCK_GET), .try = lock_of_all, .name = "readable" },
	{ "lock-del",			{ 0, 0, 0, P, 0, P }, CHANGES,
	  DO(LOCK_DEL), .try = ask_lock, .name = "writable" },
	{ "lock-break",			{ 0, 0, 0, P, 0, P }, CHANGES,
	  DO(LOCK_BREAK), .try = ask_lock, .name = "private" },
	{ "join locks",			{ 0, 0, P, P, 0, P }, READS,
	  .try = join, .name = "locks", .value = CHRING_EVENTS_LOCKS },

	{ "OPEN, CREATE",		{ 0, 0, 0, 0, 0, 0 }, READS,
	  .try = open_device, .name = "new", .value = CHRING_OPEN_CREATE },
	{ "OPEN, CREATE, named !...",	{ 0, 0, P, P, 0, P }, READS,
	  .try = open_device, .name = "!new", .value = CHRING_OPEN_CREATE },
	{ "OPEN, mode 0600",		{ 0, A, 0, A, A, A }, READS,
	  .try = open_device, .name = "private" },
	{ "STAT, mode 0604",		{ 0, 0, 0, 0, 0, 0 }, READS,
	  .try = stat_device, .name = "readable" },
	{ "ACQUIRE, mode 0604",		{ 0, A, 0, A, A, A }, CHANGES,
	  .try = acquire_device, .name = "readable",
	  .value = CHRING_ACQUIRE_TRY },
	{ "ACQUIRE, mode 0602",		{ 0, 0, 0, 0, 0, 0 }, CHANGES,
	  .try = acquire_device, .name = "writable",
	  .value = CHRING_ACQUIRE_TRY },
	{ "ACQUIRE, shared, mode 0604",	{ 0, A, 0, A, A, A }, CHANGES,
	  .try = acquire_device, .name = "readable",
	  .value = CHRING_ACQUIRE_TRY | CHRING_ACQUIRE_SHARED },
	{ "ACQUIRE, shared, mode 0602",	{ 0, 0, 0, 0, 0, 0 }, CHANGES,
	  .try = acquire_device, .name = "writable",
	  .value = CHRING_ACQUIRE_TRY | CHRING_ACQUIRE_SHARED },
	{ "ACQUIRE, ASYNC, mode 0604",	{ 0, A, 0, A, A, A }, CHANGES,
	  .try = acquire_device, .name = "readable",
	  .value = CHRING_ACQUIRE_ASYNC },
	{ "ACQUIRE, another's handle",	{ S, S, S, S, S, S }, CHANGES,
	  .try = acquire_handle },
	{ "RELEASE, another's handle",	{ S, S, S, S, S, S }, CHANGES,
	  .try = release_handle },
	{ "CONSISTENT, another's handle", { S, S, S, S, S, S }, CHANGES,
	  .try = consistent_handle },
	{ "FINISH, another's handle",	{ S, S, S, S, S, S }, CHANGES,
	  .try = finish_handle },
	{ "CANCEL, another's handle",	{ S, S, S, S, S, S }, CHANGES,
	  .try = cancel_handle },
	{ "STAT, another's handle",	{ S, S, S, S, S, S }, READS,
	  .try = stat_handle },
	{ "mmap, another's handle",	{ S, S, S, S, S, S }, READS,
	  .try = map_handle },
	{ "CLOSE, another's handle",	{ S, S, S, S, S, S }, CHANGES,
	  .try = close_handle },
	{ "ADOPT, another's handle",	{ 0, 0, 0, 0, 0, 0 }, CHANGES,
	  .try = adopt_handle },
};

/* ---- what is tried */

static int command(const struct row *row)
{
	return row->operation & 0xff;
}

static int new_service(struct world *world, const struct row *row)
{
	return service_new(&world->session, row->name, IPPROTO_TCP, HERE,
			   PORT + 9);
}

/* The attribute besides the name */
static int ask_with(struct world *world, struct nl_msg *msg,
		    const struct row *row)
{
	if (row->attr)
		nla_put_u32(msg, row->attr, row->value);
	return ask(&world->session, msg);
}

static int ask_service(struct world *world, const struct row *row)
{
	return ask_with(world,
			request_service(&world->session, command(row), row->name),
			row);
}

static int seed_of_service(struct world *world, const struct row *row)
{
	struct chring_service service;
	int err;

	err = chring_service_get(world->session.chring, row->name, &service);
	return err ?: service.has_seed ? 0 : NOT_TOLD;
}

static int seeds_of_services(struct world *world, const struct row *row)
{
	struct chring_service *services;
	size_t count, i, told = 0;
	int err;

	err = chring_service_dump(world->session.chring, &services, &count);
	if (err)
		return err;
	for (i = 0; i < count; i++)
		told += services[i].has_seed;
	free(services);
	return told ? 0 : NOT_TOLD;
}

static int new_own_replica(struct world *world, const struct row *row)
{
	return replica_new(&world->session, "s", row->name, world->own);
}

static int new_roots_replica(struct world *world, const struct row *row)
{
	return replica_new(&world->session, "s", row->name, world->roots);
}

static int replace_replica(struct world *world, const struct row *row)
{
	struct nl_msg *msg = request_replicas(&world->session, command(row),
					      "s");
	struct nlattr *nest = nla_nest_start(msg, CHRING_A_REPLICAS_REPLICA);

	nla_put_string(msg, CHRING_A_REPLICA_NAME, row->name);
	nla_put_u32(msg, CHRING_A_REPLICA_FD, world->own);
	nla_put_flag(msg, CHRING_A_REPLICA_REPLACE);
	nla_nest_end(msg, nest);
	return ask(&world->session, msg);
}

static int ask_replica(struct world *world, const struct row *row)
{
	return ask(&world->session,
		   request_replica(&world->session, command(row), "s", row->name,
				   -1, row->value));
}

static int plan_replica(struct world *world, const struct row *row)
{
	struct nl_msg *msg = request_replica(&world->session, command(row), "s",
					     row->name, -1, 0);

	nla_put_u32(msg, CHRING_A_REPLICAS_CHANGE, CHRING_REPLICA_CHANGE_DEL);
	return ask(&world->session, msg);
}

static int look_up(struct world *world, const struct row *row)
{
	return ask(&world->session, request_lookup(&world->session, row->name));
}

static struct nl_msg *request_lock(struct session *session, int cmd,
				   const char *name)
{
	struct nl_msg *msg = request(session, cmd);

	nla_put_string(msg, CHRING_A_LOCK_NAME, name);
	return msg;
}

static int ask_lock(struct world *world, const struct row *row)
{
	return ask_with(world,
			request_lock(&world->session, command(row), row->name),
			row);
}

static int lock_of_all(struct world *world, const struct row *row)
{
	struct chring_lock_status *locks;
	size_t count, i;
	int err;

	err = chring_lock_dump(world->session.chring, &locks, &count);
	if (err)
		return err;
	for (i = 0; i < count; i++)
		if (!strcmp(locks[i].name, row->name))
			break;
	free(locks);
	return i < count ? 0 : NOT_TOLD;
}

static int ask_all(struct world *world, const struct row *row)
{
	struct nl_msg *msg = request(&world->session, command(row));

	nlmsg_hdr(msg)->nlmsg_flags |= NLM_F_DUMP;
	return ask(&world->session, msg);
}

static int join(struct world *world, const struct row *row)
{
	return chring_subscribe(world->session.chring, row->value);
}

/* What is opened stays so until the caller ends. */
static int open_device(struct world *world, const struct row *row)
{
	struct handle handle;

	return open_lock(&handle, row->name, row->value, 0);
}

static int stat_device(struct world *world, const struct row *row)
{
	struct chring_lock_stat stat;
	struct handle handle;
	int err;

	err = open_lock(&handle, row->name, 0, 0);
	return err ?: stat_lock(&handle, &stat);
}

static int acquire_device(struct world *world, const struct row *row)
{
	struct chring_lock_acquire got;
	struct handle handle;
	int err;

	err = open_lock(&handle, row->name, 0, 0);
	return err ?: acquire(&handle, row->value, CHRING_DEADLINE_NONE, &got);
}

static int acquire_handle(struct world *world, const struct row *row)
{
	struct chring_lock_acquire got;

	return acquire(&world->handle, CHRING_ACQUIRE_TRY, 0, &got);
}

static int release_handle(struct world *world, const struct row *row)
{
	return release(&world->handle, world->token);
}

static int consistent_handle(struct world *world, const struct row *row)
{
	struct chring_lock_consistent arg = {
		.size = sizeof(arg),
		.token = world->token,
	};

	return result(ioctl(world->handle.fd, CHRING_IOC_CONSISTENT, &arg));
}

static int finish_handle(struct world *world, const struct row *row)
{
	struct chring_lock_finish arg = { .size = sizeof(arg) };

	return result(ioctl(world->handle.fd, CHRING_IOC_FINISH, &arg));
}

static int cancel_handle(struct world *world, const struct row *row)
{
	return result(ioctl(world->handle.fd, CHRING_IOC_CANCEL));
}

static int stat_handle(struct world *world, const struct row *row)
{
	struct chring_lock_stat stat;

	return stat_lock(&world->handle, &stat);
}

static int map_handle(struct world *world, const struct row *row)
{
	return map_lock(&world->handle);
}

static int close_handle(struct world *world, const struct row *row)
{
	return result(ioctl(world->handle.fd, CHRING_IOC_CLOSE));
}

static int adopt_handle(struct world *world, const struct row *row)
{
	struct chring_lock_adopt arg;

	return adopt(&world->handle, &arg);
}

static const char *answer_name(int answer)
{
	switch (answer) {
	case 0:
		return "yes";
	case NOT_TOLD:
		return "not told";
	case P:
		return "EPERM";
	case A:
		return "EACCES";
	case I:
		return "EINVAL";
	case S:
		return "ESTALE";
	default:
		return strerrorname_np(-answer) ?: "?";
	}
}

/* ---- the world */

static bool goes_to_userns(const struct world *world)
{
	return become(STRANGER) && own_userns();
}

static bool goes_to_its_netns(const struct world *world)
{
	return be_userns_root(world) && own_netns();
}

/* A namespace of a child's that goes there. */
static int namespace_of(const struct world *world,
			bool (*go)(const struct world *world), const char *kind)
{
	int status, fd = -1;
	char path[64];
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		if (go(world))
			raise(SIGSTOP);
		_exit(1);
	}
	if (waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status))
		return -1;
	snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, kind);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return fd;
}

static bool enters_netns(const struct world *world, int caller)
{
	bool there;
	int fd;

	if (caller != OWN_NET)
		return own_netns();
	fd = namespace_of(world, goes_to_its_netns, "net");
	there = !setns(fd, CLONE_NEWNET);
	close(fd);
	return there;
}

static int socket_of(uid_t uid, int port)
{
	int fd;

	if (seteuid(uid))
		return -1;
	fd = bound_socket(IPPROTO_TCP, HERE, port);
	return seteuid(0) ? -1 : fd;
}

static bool has_services(struct world *world)
{
	struct session *session = &world->session;
	struct nl_msg *msg = request_service_new(session, "s", IPPROTO_TCP,
						 HERE, PORT);

	nla_put_u32(msg, CHRING_A_SERVICE_OWNER, OWNER);
	/* The namespace goes with the last replica's socket */
	nla_put_u32(msg, CHRING_A_SERVICE_GRACE, 0);
	return !ask(session, msg) &&
	       !replica_new(session, "s", "owners", socket_of(OWNER, PORT + 1)) &&
	       !replica_new(session, "s", "roots", socket_of(0, PORT + 2)) &&
	       !service_new(session, "idle", IPPROTO_TCP, HERE, PORT + 8);
}

static bool has_lock(struct world *world, const char *name, int mode)
{
	struct nl_msg *msg = request_lock(&world->session, CHRING_CMD_LOCK_NEW,
					  name);

	nla_put_u32(msg, CHRING_A_LOCK_UID, OWNER);
	nla_put_u32(msg, CHRING_A_LOCK_MODE, mode);
	return !ask(&world->session, msg);
}

static bool has_locks(struct world *world)
{
	struct chring_lock_acquire got = {};
	bool held;

	if (!has_lock(world, "private", 0600) ||
	    !has_lock(world, "readable", 0604) ||
	    !has_lock(world, "writable", 0602) || seteuid(OWNER))
		return false;
	held = !open_lock(&world->handle, "private", 0, 0) &&
	       !acquire(&world->handle, CHRING_ACQUIRE_TRY, 0, &got);
	world->token = got.token;
	return !seteuid(0) && held;
}

static bool world_begin(struct world *world, int caller)
{
	if (!enters_netns(world, caller) || !session_open(&world->session) ||
	    !has_services(world) || !has_locks(world))
		return false;
	world->roots = socket_of(0, PORT + 3);
	world->own = socket_of(callers[caller].uid, PORT + 4);
	return world->roots >= 0 && world->own >= 0;
}

/* All descriptors but the first: with them goes the network namespace. */
static void world_end(struct world *world)
{
	chring_free(world->session.chring);
	close_range(world->userns + 1, ~0U, 0);
}

/* ---- a cell */

/* In a child, for there is no way back. Returns the answer; 1 is none. */
static int answer_to(struct world *world, const struct caller *caller,
		     const struct row *row)
{
	int status, answer;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		if (!caller->be(world) || !session_open(&world->session))
			_exit(255);
		answer = row->try(world, row);
		_exit(answer > 0 ? 255 : -answer);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
	    WEXITSTATUS(status) == 255)
		return 1;
	return -WEXITSTATUS(status);
}

static bool state_is(struct session *session, const char *state)
{
	char *now = state_read(session);
	bool same = !strcmp(now, state);

	free(now);
	return same;
}

/* What a caller had open may be gone a little after it. */
static bool state_stays(struct session *session, const char *state)
{
	long end = milliseconds() + WAIT_MS;

	while (!state_is(session, state)) {
		if (milliseconds() > end)
			return false;
		pause_ms(1);
	}
	return true;
}

/* Returns whether the world is another one now. */
static bool try_cell(struct __test_metadata *_metadata, struct world *world,
		     int caller, const struct row *row)
{
	char *before = state_read(&world->session);
	int answer = answer_to(world, &callers[caller], row);
	bool changed = !answer && row->changes;

	EXPECT_EQ(row->answers[caller], answer)
		TH_LOG("%s: %s: %s, not %s", callers[caller].name, row->what,
		       answer_name(answer), answer_name(row->answers[caller]));
	if (changed) {
		EXPECT_FALSE(state_is(&world->session, before))
			TH_LOG("%s: %s changed nothing", callers[caller].name,
			       row->what);
	} else {
		EXPECT_TRUE(state_stays(&world->session, before))
			TH_LOG("%s: %s changed something", callers[caller].name,
			       row->what);
	}
	free(before);
	return changed;
}

/* ---- the tests */

FIXTURE(matrix)
{
	struct world world;
	long references;
};

FIXTURE_VARIANT(matrix)
{
	int caller;
};

FIXTURE_VARIANT_ADD(matrix, root)
{
	.caller = ROOT,
};

FIXTURE_VARIANT_ADD(matrix, net_admin)
{
	.caller = NET_ADMIN,
};

FIXTURE_VARIANT_ADD(matrix, owner)
{
	.caller = IS_OWNER,
};

FIXTURE_VARIANT_ADD(matrix, other)
{
	.caller = IS_OTHER,
};

FIXTURE_VARIANT_ADD(matrix, userns_own_net)
{
	.caller = OWN_NET,
};

FIXTURE_VARIANT_ADD(matrix, userns_other_net)
{
	.caller = OTHER_NET,
};

FIXTURE_SETUP(matrix)
{
	struct world *world = &self->world;

	self->references = read_number(REFCOUNT);
	ASSERT_LE(0, self->references);
	world->userns = namespace_of(world, goes_to_userns, "user");
	ASSERT_LE(0, world->userns);
	ASSERT_TRUE(world_begin(world, variant->caller));
}

FIXTURE_TEARDOWN(matrix)
{
	long end = milliseconds() + WAIT_MS;

	world_end(&self->world);
	ASSERT_TRUE(own_netns());
	/* All worlds go, whatever happened in them */
	while (read_number(REFCOUNT) > self->references) {
		ASSERT_LT(milliseconds(), end);
		pause_ms(10);
	}
}

TEST_F(matrix, each_request_is_answered_as_it_says)
{
	struct world *world = &self->world;
	unsigned int i;

	for (i = 0; i < elements(rows); i++) {
		if (!try_cell(_metadata, world, variant->caller, &rows[i]))
			continue;
		world_end(world);
		ASSERT_TRUE(world_begin(world, variant->caller));
	}
}

/* What the running kernel knows of the family. */
static bool ask_family(struct session *session, struct nlattr **attrs)
{
	static struct nlmsghdr reply[1 << 10];
	struct nl_msg *msg = nlmsg_alloc();
	ssize_t length;
	int err;

	genlmsg_put(msg, 0, ++session->seq, GENL_ID_CTRL, 0, NLM_F_REQUEST,
		    CTRL_CMD_GETFAMILY, 2);
	nla_put_string(msg, CTRL_ATTR_FAMILY_NAME, CHRING_FAMILY_NAME);
	err = tell(session, nlmsg_hdr(msg), nlmsg_hdr(msg)->nlmsg_len);
	nlmsg_free(msg);
	if (err)
		return false;
	length = recv(session->fd, reply, sizeof(reply), 0);
	return nlmsg_ok(reply, length) &&
	       reply->nlmsg_type == GENL_ID_CTRL &&
	       !genlmsg_parse(reply, 0, attrs, CTRL_ATTR_MAX, NULL) &&
	       attrs[CTRL_ATTR_OPS] && attrs[CTRL_ATTR_MCAST_GROUPS];
}

static unsigned int rows_of(unsigned int cmd, unsigned int how)
{
	unsigned int i, count = 0;

	for (i = 0; i < elements(rows); i++)
		count += rows[i].operation == OPERATION(cmd, how);
	return count;
}

static unsigned int rows_to_join(const char *group)
{
	unsigned int i, count = 0;

	for (i = 0; i < elements(rows); i++)
		count += rows[i].try == join && !strcmp(rows[i].name, group);
	return count;
}

/* Returns the number of the rows that are of this command. */
static unsigned int names_command(struct __test_metadata *_metadata,
				  struct nlattr *op)
{
	static const unsigned int hows[] = {
		GENL_CMD_CAP_DO, GENL_CMD_CAP_DUMP,
	};
	struct nlattr *id = nla_find(nla_data(op), nla_len(op),
				     CTRL_ATTR_OP_ID);
	struct nlattr *flags = nla_find(nla_data(op), nla_len(op),
					CTRL_ATTR_OP_FLAGS);
	unsigned int i, count, sum = 0;

	if (!id || !flags)
		return 0;
	for (i = 0; i < elements(hows); i++) {
		if (!(nla_get_u32(flags) & hows[i]))
			continue;
		count = rows_of(nla_get_u32(id), hows[i]);
		EXPECT_NE(0U, count)
			TH_LOG("no row for %s of command %u",
			       hows[i] == GENL_CMD_CAP_DO ? "do" : "dump",
			       nla_get_u32(id));
		sum += count;
	}
	return sum;
}

static unsigned int names_group(struct __test_metadata *_metadata,
				struct nlattr *group)
{
	struct nlattr *name = nla_find(nla_data(group), nla_len(group),
				       CTRL_ATTR_MCAST_GRP_NAME);
	unsigned int count = name ? rows_to_join(nla_get_string(name)) : 0;

	EXPECT_NE(0U, count)
		TH_LOG("no row for group %s",
		       name ? nla_get_string(name) : "?");
	return count;
}

TEST(matrix_has_every_command_and_group)
{
	struct nlattr *attrs[CTRL_ATTR_MAX + 1], *attr;
	unsigned int i, sum = 0, of_family = 0;
	struct session session;
	int left;

	ASSERT_TRUE(session_open(&session));
	ASSERT_TRUE(ask_family(&session, attrs));
	nla_for_each_nested(attr, attrs[CTRL_ATTR_OPS], left)
		sum += names_command(_metadata, attr);
	nla_for_each_nested(attr, attrs[CTRL_ATTR_MCAST_GROUPS], left)
		sum += names_group(_metadata, attr);
	for (i = 0; i < elements(rows); i++)
		of_family += rows[i].operation || rows[i].try == join;
	/* And nothing that the family does not have */
	EXPECT_EQ(of_family, sum);
	session_close(&session);
}

/* ---- the manual */

static void print_line(FILE *stream, const size_t *widths,
		       const char *const *cells)
{
	int i;

	for (i = 0; i < CALLERS; i++)
		fprintf(stream, "%-*s ", (int)widths[i], cells[i]);
	fprintf(stream, "%s\n", cells[CALLERS]);
}

static void print_rule(FILE *stream, const size_t *widths)
{
	static const char rule[] = "========================================";
	int i;

	for (i = 0; i <= CALLERS; i++)
		fprintf(stream, "%.*s%c", (int)widths[i], rule,
			i < CALLERS ? ' ' : '\n');
}

static void cells_of(const struct row *row, const char **cells)
{
	int i;

	cells[0] = row ? row->what : "request";
	for (i = 0; i < CALLERS; i++)
		cells[i + 1] = row ? answer_name(row->answers[i]) :
				     callers[i].name;
}

/* A simple table of reStructuredText, that the caller frees. */
static char *table_print(void)
{
	size_t widths[CALLERS + 1] = {}, size;
	const char *cells[CALLERS + 1];
	unsigned int i, j;
	char *text = NULL;
	FILE *stream = open_memstream(&text, &size);

	/* The first line is what the columns are called */
	for (i = 0; i <= elements(rows); i++) {
		cells_of(i ? &rows[i - 1] : NULL, cells);
		for (j = 0; j <= CALLERS; j++)
			if (strlen(cells[j]) > widths[j])
				widths[j] = strlen(cells[j]);
	}
	print_rule(stream, widths);
	for (i = 0; i <= elements(rows); i++) {
		cells_of(i ? &rows[i - 1] : NULL, cells);
		print_line(stream, widths, cells);
		if (!i)
			print_rule(stream, widths);
	}
	print_rule(stream, widths);
	fclose(stream);
	return text;
}

/* The manual as it was installed beside, or in the tree that this is built in. */
static char *manual_read(void)
{
	static const char *const places[] = {
		"privileges.rst", "../../../Documentation/privileges.rst",
	};
	static char text[1 << 16];
	char path[4096 + 64];
	unsigned int i;
	ssize_t length;
	FILE *file;

	for (i = 0; i < elements(places); i++) {
		length = readlink("/proc/self/exe", path, 4096);
		while (length > 0 && path[length - 1] != '/')
			length--;
		snprintf(path + length, sizeof(path) - length, "%s", places[i]);
		file = fopen(path, "r");
		if (!file)
			continue;
		text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
		fclose(file);
		return text;
	}
	return NULL;
}

TEST(matrix_is_in_the_manual)
{
	char *table, *line, *manual = manual_read(), *rest;

	if (!manual)
		SKIP(return, "no privileges.rst");
	table = table_print();
	if (strstr(manual, table)) {
		free(table);
		return;
	}
	for (line = strtok_r(table, "\n", &rest); line;
	     line = strtok_r(NULL, "\n", &rest))
		TH_LOG("%s", line);
	EXPECT_TRUE(false)
		TH_LOG("is what privileges.rst should have");
	free(table);
}

TEST_HARNESS_MAIN
