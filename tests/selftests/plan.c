// SPDX-License-Identifier: GPL-2.0
/*
 * Plans: what is told of a change is what then happens, whatever the service's
 * replicas are at that moment; and to ask changes nothing.
 *
 * A table cannot be read, but asked: with as many replicas as slots, of one
 * slot each, it is found out which flows, by their source ports, come to which
 * slot. They stay there.
 */
#include <errno.h>
#include <linux/genetlink.h>
#include <netlink/genl/genl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "request.h"

#define HERE "127.0.0.1"
#define PORT 8000
#define SLOTS 256
#define NAMES 16
#define CHANGES 100
#define MANY 1000
#define NOBODY (-1)
#define LONG_TIME 86400
#define PARAMETERS "/sys/module/chring/parameters/"

/* Replica n is "r<n>". */
struct name {
	char text[8];
};

static struct name name_of(int n)
{
	struct name name;

	snprintf(name.text, sizeof(name.text), "r%d", n);
	return name;
}

static int number_of(const char *name)
{
	return name[0] ? atoi(name + 1) : NOBODY;
}

/**
 * struct view - a service at one moment
 * @replica: by number
 * @exists: whether there is that replica
 * @server: who serves each slot, or NOBODY
 */
struct view {
	struct chring_replica replica[NAMES];
	bool exists[NAMES];
	int server[SLOTS];
};

/**
 * struct scene - a service, and sockets that can be its replicas
 * @protocol: of the service
 * @session: root's
 * @listener: told of what happens
 * @seed: of what is chosen
 * @port: by slot, of a flow that comes to it
 * @spent: by slot, that flow was used
 * @fd: by replica, its socket; negative where it was closed
 * @filled: by replica, something waits in its socket
 */
struct scene {
	int protocol;
	struct session session;
	struct chring *listener;
	unsigned int seed;
	uint16_t port[SLOTS];
	bool spent[SLOTS];
	int fd[MANY];
	bool filled[NAMES];
};

static int below(struct scene *scene, int limit)
{
	return rand_r(&scene->seed) % limit;
}

static int service_make(struct scene *scene, int vnodes, int slots)
{
	struct chring_service_request service = {
		.name = "s",
		.protocol = scene->protocol,
		.local.in = address_of(HERE, PORT),
		.vnodes = vnodes,
		.slots = slots,
		.grace = LONG_TIME,
		.owner = CHRING_OWNER_SELF,
	};

	return chring_service_new(scene->session.chring, &service);
}

/* The first @n replicas, in one request. */
static int replicas_make(struct scene *scene, int n)
{
	static struct chring_replica_request requests[MANY];
	static struct name names[MANY];
	int i;

	for (i = 0; i < n; i++) {
		scene->fd[i] = bound_socket(scene->protocol, HERE, PORT);
		if (scene->fd[i] < 0)
			return -errno;
		names[i] = name_of(i);
		requests[i] = (struct chring_replica_request){
			.name = names[i].text, .fd = scene->fd[i],
		};
	}
	return chring_replica_new(scene->session.chring, "s", requests, n);
}

/* Who is told to get the flow from @port; or less than NOBODY. */
static int look_up(struct scene *scene, int port)
{
	union chring_address from = { .in = address_of(HERE, port) };
	char replica[CHRING_NAME_MAX + 1];

	if (chring_lookup(scene->session.chring, "s", &from, NULL, replica))
		return NOBODY - 1;
	return number_of(replica);
}

/* While each slot has a replica of its own. */
static bool ports_find(struct scene *scene)
{
	int port, slot, left = SLOTS;

	for (port = 1; left && port < 65536; port++) {
		slot = look_up(scene, port);
		if (slot < 0 || slot >= SLOTS)
			return false;
		left -= !scene->port[slot];
		scene->port[slot] = port;
	}
	return !left;
}

static int replicas_leave(struct scene *scene, int first, int last)
{
	const char *texts[SLOTS] = {};
	struct name names[SLOTS];
	int i;

	for (i = first; i <= last; i++) {
		names[i] = name_of(i);
		texts[i - first] = names[i].text;
	}
	i = chring_replica_del(scene->session.chring, "s", texts,
			       last - first + 1);
	while (first <= last)
		close(scene->fd[first++]);
	return i;
}

static bool events_drop(struct scene *scene)
{
	struct chring_event event;
	bool any = false;

	while (!chring_event_next(scene->listener, &event))
		any = true;
	return any;
}

static void scene_open(struct __test_metadata *_metadata, struct scene *scene,
		       int protocol)
{
	struct rlimit files = { 4 * MANY, 4 * MANY };

	memset(scene, 0, sizeof(*scene));
	scene->protocol = protocol;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &files));
	ASSERT_TRUE(own_netns());
	ASSERT_TRUE(session_open(&scene->session));
	scene->listener = chring_alloc();
	ASSERT_EQ(0, chring_open(scene->listener));
	ASSERT_EQ(0, chring_subscribe(scene->listener, CHRING_EVENTS_SERVICES));
}

static void scene_close(struct __test_metadata *_metadata, struct scene *scene)
{
	EXPECT_TRUE(services_gone(&scene->session));
	chring_free(scene->listener);
	session_close(&scene->session);
}

/* All that is told of the replicas, and their counters. */
static bool replicas_take(struct scene *scene, struct view *view)
{
	struct chring_replica *replicas;
	size_t count, i;
	int n;

	memset(view, 0, sizeof(*view));
	if (chring_replica_dump(scene->session.chring, "s", &replicas, &count))
		return false;
	for (i = 0; i < count; i++) {
		n = number_of(replicas[i].name);
		memcpy(&view->replica[n], &replicas[i], sizeof(replicas[i]));
		view->exists[n] = true;
	}
	free(replicas);
	return true;
}

static bool view_take(struct scene *scene, struct view *view)
{
	int slot;

	if (!replicas_take(scene, view))
		return false;
	for (slot = 0; slot < SLOTS; slot++) {
		view->server[slot] = look_up(scene, scene->port[slot]);
		if (view->server[slot] < NOBODY)
			return false;
	}
	return true;
}

/* ---- a plan, and what happened */

/* How many slots pass from @from to @to; either may be anybody, if negative. */
#define ANYBODY (-2)
static unsigned int passed(const struct view *now, const struct view *then,
			   int from, int to)
{
	unsigned int count = 0;
	int slot;

	for (slot = 0; slot < SLOTS; slot++)
		count += now->server[slot] != then->server[slot] &&
			 (from == ANYBODY || now->server[slot] == from) &&
			 (to == ANYBODY || then->server[slot] == to);
	return count;
}

/* Returns "", or what of a replica was not planned. */
static const char *row_odd(const struct chring_replica_plan *row,
			   const struct view *now, const struct view *then)
{
	static char why[256];
	int n = number_of(row->name);
	struct chring_replica_plan happened = {};

	if (n < 0 || n >= NAMES || !(now->exists[n] || then->exists[n])) {
		snprintf(why, sizeof(why), "%s is nobody", row->name);
		return why;
	}
	memcpy(happened.name, row->name, sizeof(row->name));
	happened.weight = now->replica[n].weight;
	happened.slots = now->replica[n].slots;
	happened.weight_then = then->replica[n].weight;
	happened.slots_then = then->replica[n].slots;
	happened.takes = passed(now, then, ANYBODY, n);
	happened.gives = passed(now, then, n, ANYBODY);
	if (!memcmp(row, &happened, sizeof(happened)))
		return "";
	snprintf(why, sizeof(why),
		 "%s: planned weight %u then %u slots %u then %u takes %u gives %u; it was %u %u %u %u %u %u",
		 row->name, row->weight, row->weight_then, row->slots,
		 row->slots_then, row->takes, row->gives, happened.weight,
		 happened.weight_then, happened.slots, happened.slots_then,
		 happened.takes, happened.gives);
	return why;
}

static const char *plan_odd(const struct chring_plan *plan,
			    const struct view *now, const struct view *then)
{
	static char why[256];
	unsigned int moves = passed(now, then, ANYBODY, ANYBODY);
	const char *odd = "";
	size_t count = 0, i;

	for (i = 0; i < NAMES; i++)
		count += now->exists[i] || then->exists[i];
	if (plan->slots != SLOTS || plan->moves != moves ||
	    plan->count != count) {
		snprintf(why, sizeof(why),
			 "planned %u of %u slots, %zu replicas; it was %u, %zu",
			 plan->moves, plan->slots, plan->count, moves, count);
		return why;
	}
	for (i = 0; i < plan->count && !odd[0]; i++)
		odd = row_odd(&plan->replicas[i], now, then);
	return odd;
}

/* ---- changes */

static int change_make(struct scene *scene, const struct chring_change *change)
{
	struct chring *chring = scene->session.chring;
	struct chring_replica_request request = {
		.name = change->name,
		.weight = change->weight,
		.fd = scene->fd[number_of(change->name)],
	};

	switch (change->change) {
	case CHRING_CHANGE_ADD:
		return chring_replica_new(chring, "s", &request, 1);
	case CHRING_CHANGE_WEIGHT:
		return chring_replica_set(chring, "s", &request, 1);
	default:
		return chring_replica_del(chring, "s", &change->name, 1);
	}
}

static bool is_dead(const struct view *view, int n)
{
	return view->replica[n].state == CHRING_REPLICA_DEAD;
}

/* A change of replica @n, or of one that is not there in the same place. */
static struct chring_change change_choose(struct scene *scene,
					  const struct view *view, int n)
{
	static struct name name;
	struct chring_change change = { .name = name.text };
	bool may_add = !view->exists[n] || is_dead(view, n);

	name = name_of(n);
	if (!view->exists[n] || (may_add && below(scene, 2)))
		change.change = CHRING_CHANGE_ADD;
	else if (below(scene, 2))
		change.change = CHRING_CHANGE_WEIGHT;
	else
		change.change = CHRING_CHANGE_DEL;
	if (change.change == CHRING_CHANGE_WEIGHT)
		change.weight = 1 + below(scene, 8);
	else if (change.change == CHRING_CHANGE_ADD)
		change.weight = below(scene, 8);
	return change;
}

/* What was closed is bound anew. */
static void socket_renew(struct scene *scene, int n)
{
	if (scene->fd[n] >= 0)
		return;
	scene->fd[n] = bound_socket(scene->protocol, HERE, PORT);
	scene->filled[n] = false;
	if (scene->fd[n] < 0)
		abort();
}

/* Lets a flow wait in the socket of @n, if one comes there. */
static bool socket_fill(struct scene *scene, const struct view *view, int n)
{
	struct pollfd event = { .fd = scene->fd[n], .events = POLLIN };
	struct sockaddr_in here = address_of(HERE, PORT), from;
	int fd, slot;

	for (slot = 0; slot < SLOTS && !scene->filled[n]; slot++) {
		if (view->server[slot] != n || scene->spent[slot])
			continue;
		scene->spent[slot] = true;
		/* Stays open, so that nothing of it goes */
		fd = open_socket(scene->protocol, false);
		from = address_of(HERE, scene->port[slot]);
		if (fd < 0 ||
		    bind(fd, (struct sockaddr *)&from, sizeof(from)) ||
		    connect(fd, (struct sockaddr *)&here, sizeof(here)) ||
		    (scene->protocol == IPPROTO_UDP && send(fd, "", 1, 0) != 1))
			continue;
		scene->filled[n] = poll(&event, 1, WAIT_MS) == 1;
	}
	return scene->filled[n];
}

static bool death_await(struct scene *scene, int n)
{
	struct chring_event event;
	struct pollfd poll_event = {
		.fd = chring_event_fd(scene->listener), .events = POLLIN,
	};

	for (;;) {
		if (poll(&poll_event, 1, WAIT_MS) != 1 ||
		    chring_event_next(scene->listener, &event))
			return false;
		if (event.type == CHRING_EVENT_REPLICA_SET &&
		    number_of(event.replica.name) == n &&
		    event.replica.state == CHRING_REPLICA_DEAD)
			return true;
	}
}

/* What else becomes of a replica, of which there are no plans. */
static bool happen(struct scene *scene, const struct view *view, int n)
{
	struct chring *chring = scene->session.chring;
	struct name name = name_of(n);
	struct chring_replica_request joining = {
		.name = name.text, .fd = scene->fd[n], .ramp = LONG_TIME,
		.weight = 1 + below(scene, 8),
	};

	if (!view->exists[n] || is_dead(view, n))
		return !chring_replica_new(chring, "s", &joining, 1);
	if (view->replica[n].state == CHRING_REPLICA_DRAINING)
		return !chring_replica_up(chring, "s", name.text);
	if (below(scene, 2)) {
		/* It is gone at once where nothing waits */
		return !socket_fill(scene, view, n) ||
		       !chring_replica_drain(chring, "s", name.text, LONG_TIME);
	}
	events_drop(scene);
	close(scene->fd[n]);
	scene->fd[n] = -1;
	return death_await(scene, n);
}

FIXTURE(plan)
{
	struct scene scene;
	struct view now, then;
};

FIXTURE_VARIANT(plan)
{
	int protocol;
	uint32_t balance;
};

FIXTURE_VARIANT_ADD(plan, tcp_even)
{
	.protocol = IPPROTO_TCP,
	.balance = CHRING_BALANCE_EVEN,
};

FIXTURE_VARIANT_ADD(plan, tcp_ring)
{
	.protocol = IPPROTO_TCP,
	.balance = CHRING_BALANCE_RING,
};

FIXTURE_VARIANT_ADD(plan, udp_even)
{
	.protocol = IPPROTO_UDP,
	.balance = CHRING_BALANCE_EVEN,
};

FIXTURE_VARIANT_ADD(plan, udp_ring)
{
	.protocol = IPPROTO_UDP,
	.balance = CHRING_BALANCE_RING,
};

FIXTURE_SETUP(plan)
{
	struct scene *scene = &self->scene;

	scene_open(_metadata, scene, variant->protocol);
	ASSERT_EQ(0, service_make(scene, 20, SLOTS));
	ASSERT_EQ(0, replicas_make(scene, SLOTS));
	ASSERT_TRUE(ports_find(scene));
	ASSERT_EQ(0, replicas_leave(scene, NAMES, SLOTS - 1));
	ASSERT_EQ(0, chring_service_set_balance(scene->session.chring, "s",
						variant->balance));
	ASSERT_TRUE(view_take(scene, &self->now));
	events_drop(scene);
}

FIXTURE_TEARDOWN(plan)
{
	scene_close(_metadata, &self->scene);
}

/* Plans a change, sees that this changed nothing, makes it, and compares. */
static int plan_and_change(struct __test_metadata *_metadata,
			   struct _test_data_plan *self,
			   const struct chring_change *change)
{
	struct scene *scene = &self->scene;
	char *before = state_read(&scene->session), *after;
	struct chring_plan plan;
	const char *odd;

	ASSERT_EQ(0, chring_replica_plan(scene->session.chring, "s", change,
					 &plan))
		TH_LOG("%s", chring_error(scene->session.chring));
	after = state_read(&scene->session);
	EXPECT_STREQ(before, after);
	EXPECT_FALSE(events_drop(scene));
	ASSERT_TRUE(replicas_take(scene, &self->then));
	EXPECT_EQ(0, memcmp(self->then.replica, self->now.replica,
			    sizeof(self->now.replica)));
	free(before);
	free(after);
	ASSERT_EQ(0, change_make(scene, change))
		TH_LOG("%s", chring_error(scene->session.chring));
	ASSERT_TRUE(view_take(scene, &self->then));
	odd = plan_odd(&plan, &self->now, &self->then);
	EXPECT_STREQ("", odd)
		TH_LOG("change %u of %s to %u: %s", change->change,
		       change->name, change->weight, odd);
	free(plan.replicas);
	self->now = self->then;
	events_drop(scene);
	return plan.moves;
}

TEST_F(plan, of_a_random_change_is_what_then_happens)
{
	struct scene *scene = &self->scene;
	unsigned int seed = milliseconds();
	struct chring_change change;
	int moves = 0, i, n;

	TH_LOG("seed %u", seed);
	scene->seed = seed;
	for (i = 0; i < CHANGES; i++) {
		n = below(scene, NAMES);
		socket_renew(scene, n);
		if (below(scene, 4) == 0) {
			ASSERT_TRUE(happen(scene, &self->now, n));
			ASSERT_TRUE(view_take(scene, &self->now));
			events_drop(scene);
		}
		n = below(scene, NAMES);
		socket_renew(scene, n);
		change = change_choose(scene, &self->now, n);
		moves += plan_and_change(_metadata, self, &change);
	}
	EXPECT_LT(0, moves);
}

TEST_F(plan, of_the_last_to_leave_and_the_first_to_come)
{
	struct scene *scene = &self->scene;
	struct chring_change change = {
		.change = CHRING_CHANGE_DEL, .name = "r0",
	};

	ASSERT_EQ(0, replicas_leave(scene, 1, NAMES - 1));
	ASSERT_TRUE(view_take(scene, &self->now));
	events_drop(scene);
	EXPECT_EQ(SLOTS, plan_and_change(_metadata, self, &change));
	change.change = CHRING_CHANGE_ADD;
	EXPECT_EQ(SLOTS, plan_and_change(_metadata, self, &change));
	/* Alone it has all, whatever its weight */
	change.change = CHRING_CHANGE_WEIGHT;
	change.weight = CHRING_WEIGHT_MAX;
	EXPECT_EQ(0, plan_and_change(_metadata, self, &change));
}

/* Flows went to the stand-ins when it died, and stay there. */
TEST_F(plan, of_the_removal_of_a_dead_one_moves_nothing)
{
	struct scene *scene = &self->scene;
	struct chring_change change = {
		.change = CHRING_CHANGE_DEL, .name = "r3",
	};

	close(scene->fd[3]);
	scene->fd[3] = -1;
	ASSERT_TRUE(death_await(scene, 3));
	ASSERT_TRUE(view_take(scene, &self->now));
	events_drop(scene);
	EXPECT_EQ(0, plan_and_change(_metadata, self, &change));
}

TEST_F(plan, of_a_weight_that_it_has_moves_nothing)
{
	struct chring_change change = {
		.change = CHRING_CHANGE_WEIGHT, .name = "r3", .weight = 1,
	};

	EXPECT_EQ(0, plan_and_change(_metadata, self, &change));
}

/* ---- refusals */

static struct nl_msg *ask_plan(struct scene *scene, uint32_t change,
			       const char *name, int weight)
{
	struct nl_msg *msg = request_replica(&scene->session,
					     CHRING_CMD_REPLICA_PLAN, "s", name,
					     -1, weight);

	nla_put_u32(msg, CHRING_A_REPLICAS_CHANGE, change);
	return msg;
}

/* The request itself. */
static struct nl_msg *ask_change(struct scene *scene, uint32_t change,
				 const char *name, int weight)
{
	static const int cmds[] = {
		[CHRING_REPLICA_CHANGE_ADD] = CHRING_CMD_REPLICA_NEW,
		[CHRING_REPLICA_CHANGE_WEIGHT] = CHRING_CMD_REPLICA_SET,
		[CHRING_REPLICA_CHANGE_DEL] = CHRING_CMD_REPLICA_DEL,
	};
	int fd = -1;

	if (change == CHRING_REPLICA_CHANGE_ADD)
		fd = bound_socket(scene->protocol, HERE, PORT);
	return request_replica(&scene->session, cmds[change], "s", name, fd,
			       weight);
}

#define EXPECT_BOTH_REFUSED(change, name, weight, err, text, where)	\
do {									\
	EXPECT_REFUSED(&scene->session,					\
		       ask_plan(scene, CHRING_REPLICA_CHANGE_##change,	\
				name, weight), err, text, where);	\
	EXPECT_REFUSED(&scene->session,					\
		       ask_change(scene, CHRING_REPLICA_CHANGE_##change,	\
				  name, weight), err, text, where);	\
	EXPECT_FALSE(events_drop(scene));				\
} while (0)

FIXTURE(refused_plan)
{
	struct scene scene;
	long replicas, points;
};

FIXTURE_SETUP(refused_plan)
{
	struct scene *scene = &self->scene;

	self->replicas = read_number(PARAMETERS "max_replicas");
	self->points = read_number(PARAMETERS "max_points");
	ASSERT_LT(0, self->replicas);
	ASSERT_LT(0, self->points);
	scene_open(_metadata, scene, IPPROTO_UDP);
	ASSERT_EQ(0, service_make(scene, 20, SLOTS));
	ASSERT_EQ(0, replicas_make(scene, 2));
	events_drop(scene);
}

FIXTURE_TEARDOWN(refused_plan)
{
	EXPECT_TRUE(write_number(PARAMETERS "max_replicas", self->replicas));
	EXPECT_TRUE(write_number(PARAMETERS "max_points", self->points));
	scene_close(_metadata, &self->scene);
}

#define NAME IN(0, CHRING_A_REPLICA_NAME)
#define WEIGHT IN(0, CHRING_A_REPLICA_WEIGHT)

TEST_F(refused_plan, is_what_the_request_is_refused_for)
{
	struct scene *scene = &self->scene;

	EXPECT_BOTH_REFUSED(ADD, "r1", 0, -EEXIST,
			    "a replica of this name exists", NAME);
	EXPECT_BOTH_REFUSED(WEIGHT, "r2", 3, -ENOENT, "no replica of this name",
			    NAME);
	EXPECT_BOTH_REFUSED(DEL, "r2", 0, -ENOENT, "no replica of this name",
			    NAME);
	EXPECT_BOTH_REFUSED(ADD, "r 2", 0, -EINVAL, "printable", NAME);
	EXPECT_BOTH_REFUSED(WEIGHT, "", 1, -EINVAL, "printable", NAME);
	EXPECT_BOTH_REFUSED(DEL, "r1", 1, -EINVAL, "does not take", WEIGHT);
	EXPECT_BOTH_REFUSED(ADD, "r2", CHRING_WEIGHT_MAX + 1, -ERANGE,
			    "out of range", WEIGHT);
	EXPECT_BOTH_REFUSED(WEIGHT, "r1", CHRING_WEIGHT_MAX + 1, -ERANGE,
			    "out of range", WEIGHT);
	EXPECT_BOTH_REFUSED(WEIGHT, "r1", 0, -EINVAL, NULL, MISSING(WEIGHT));
}

TEST_F(refused_plan, is_over_a_limit)
{
	struct scene *scene = &self->scene;

	/* Of two replicas of 20 points each */
	ASSERT_TRUE(write_number(PARAMETERS "max_points", 100));
	EXPECT_BOTH_REFUSED(ADD, "r2", 4, -ENOSPC, "max_points", WEIGHT);
	EXPECT_BOTH_REFUSED(WEIGHT, "r1", 4, -ENOSPC, "max_points", WEIGHT);
	EXPECT_EQ(0, ask(&scene->session,
			 ask_plan(scene, CHRING_REPLICA_CHANGE_ADD, "r2", 3)));
	EXPECT_EQ(0, ask(&scene->session,
			 ask_plan(scene, CHRING_REPLICA_CHANGE_WEIGHT, "r1",
				  3)));
	ASSERT_TRUE(write_number(PARAMETERS "max_replicas", 2));
	EXPECT_BOTH_REFUSED(ADD, "r2", 1, -ENOSPC, "max_replicas", NAME);
	EXPECT_EQ(0, ask(&scene->session,
			 ask_plan(scene, CHRING_REPLICA_CHANGE_DEL, "r1", 0)));
}

TEST_F(refused_plan, is_of_two_replicas_or_no_change)
{
	struct scene *scene = &self->scene;
	struct session *session = &scene->session;
	struct nl_msg *msg;

	msg = ask_plan(scene, CHRING_REPLICA_CHANGE_DEL, "r0", 0);
	put_replica(msg, "r1", -1, 0);
	EXPECT_REFUSED(session, msg, -EINVAL, "takes one replica",
		       IN(1, CHRING_A_REPLICA_NAME));
	EXPECT_REFUSED(session,
		       request_replica(session, CHRING_CMD_REPLICA_PLAN, "s",
				       "r0", -1, 0),
		       -EINVAL, NULL, MISSING(CHRING_A_REPLICAS_CHANGE));
	EXPECT_REFUSED(session,
		       ask_plan(scene, CHRING_REPLICA_CHANGE_DEL + 1, "r0", 0),
		       -ERANGE, "out of range", AT(CHRING_A_REPLICAS_CHANGE));
	/* The answer takes more than one message. */
	msg = ask_plan(scene, CHRING_REPLICA_CHANGE_DEL, "r0", 0);
	nlmsg_hdr(msg)->nlmsg_flags &= ~NLM_F_DUMP;
	EXPECT_EQ(-EOPNOTSUPP, ask(session, msg));
	EXPECT_FALSE(events_drop(scene));
}

TEST_F(refused_plan, is_not_of_a_name_whose_replica_is_dead)
{
	struct scene *scene = &self->scene;

	close(scene->fd[1]);
	EXPECT_EQ(0, ask(&scene->session,
			 ask_plan(scene, CHRING_REPLICA_CHANGE_ADD, "r1", 0)));
	ASSERT_TRUE(death_await(scene, 1));
	EXPECT_EQ(0, ask(&scene->session,
			 ask_plan(scene, CHRING_REPLICA_CHANGE_ADD, "r1", 0)));
}

/* ---- large ones */

FIXTURE(large_plan)
{
	struct scene scene;
};

FIXTURE_SETUP(large_plan)
{
	struct scene *scene = &self->scene;

	scene_open(_metadata, scene, IPPROTO_UDP);
	ASSERT_EQ(0, service_make(scene, 160, 16384));
	ASSERT_EQ(0, replicas_make(scene, MANY));
	events_drop(scene);
}

FIXTURE_TEARDOWN(large_plan)
{
	scene_close(_metadata, &self->scene);
}

TEST_F(large_plan, is_told_in_full)
{
	struct scene *scene = &self->scene;
	struct chring *chring = scene->session.chring;
	struct chring_change change = {
		.change = CHRING_CHANGE_DEL, .name = "r7",
	};
	static unsigned int slots[MANY], planned[MANY];
	struct chring_replica *replicas;
	struct chring_plan plan;
	size_t count, i;

	ASSERT_EQ(0, chring_replica_plan(chring, "s", &change, &plan));
	ASSERT_EQ(MANY, (int)plan.count);
	EXPECT_EQ(16384U, plan.slots);
	for (i = 0; i < plan.count; i++)
		planned[number_of(plan.replicas[i].name)] =
			plan.replicas[i].slots_then;
	free(plan.replicas);
	ASSERT_EQ(0, change_make(scene, &change));
	ASSERT_EQ(0, chring_replica_dump(chring, "s", &replicas, &count));
	for (i = 0; i < count; i++)
		slots[number_of(replicas[i].name)] = replicas[i].slots;
	free(replicas);
	EXPECT_EQ(0, memcmp(slots, planned, sizeof(slots)));
}

/* The messages that are left of an answer, and whether one is of a change. */
static int messages_left(struct session *session, bool *interrupted)
{
	static struct nlmsghdr buffer[1 << 12];
	struct nlmsghdr *nlh;
	int left, count = 0;

	*interrupted = false;
	while ((left = recv(session->fd, buffer, sizeof(buffer), 0)) > 0) {
		for (nlh = buffer; nlmsg_ok(nlh, left);
		     nlh = nlmsg_next(nlh, &left)) {
			*interrupted |= nlh->nlmsg_flags & NLM_F_DUMP_INTR;
			if (nlh->nlmsg_type == NLMSG_DONE)
				return count;
			count++;
		}
	}
	return -1;
}

TEST_F(large_plan, is_of_one_moment)
{
	struct scene *scene = &self->scene;
	struct session *session = &scene->session;
	struct nl_msg *msg = ask_plan(scene, CHRING_REPLICA_CHANGE_ADD, "new",
				      3);
	bool interrupted;

	/* What does not fit into the first buffers is told later. */
	ASSERT_EQ(0, tell(session, nlmsg_hdr(msg), nlmsg_hdr(msg)->nlmsg_len));
	nlmsg_free(msg);
	ASSERT_EQ(0, replicas_leave(scene, 0, 99));
	EXPECT_EQ(MANY + 1, messages_left(session, &interrupted));
	EXPECT_FALSE(interrupted);
}

TEST_F(large_plan, may_go_unread)
{
	struct scene *scene = &self->scene;
	struct nl_msg *msg = ask_plan(scene, CHRING_REPLICA_CHANGE_DEL, "r0",
				      0);
	struct session other;

	ASSERT_TRUE(session_open(&other));
	ASSERT_EQ(0, tell(&other, nlmsg_hdr(msg), nlmsg_hdr(msg)->nlmsg_len));
	nlmsg_free(msg);
	session_close(&other);
}

TEST_HARNESS_MAIN
