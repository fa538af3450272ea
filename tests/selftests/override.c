// SPDX-License-Identifier: GPL-2.0
/*
 * A member of the group puts a program of its own in the place of the selector,
 * or takes that away. It is noticed, told, and put back, or left.
 *
 *	clients  --->  STAGE_PORT  --->  3 servers, all of them replicas
 *	                   ^
 *	this process, with a copy of a server's socket: attach, detach
 */
#include <err.h>
#include <errno.h>
#include <linux/filter.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "steer_util.h"

#define SERVERS	3
#define ALL	0x7
#define FLOWS	32
#define NOBODY	65534
#define REFCNT	"/sys/module/chring/refcnt"

/* Delays are in jiffies, of which one may have begun. */
#define JIFFY_MS	10
#define MAX_DELAY_MS	10000

/* ---- events */

static struct chring *listener_open(void)
{
	struct chring *listener = chring_alloc();

	if (!listener || chring_open(listener) ||
	    chring_subscribe(listener, CHRING_EVENTS_SERVICES))
		errx(1, "no events");
	return listener;
}

/* The state that is told next of the stage's service, by its name. */
static const char *next_state(struct stage *stage, struct chring *listener)
{
	struct pollfd events = { chring_event_fd(listener), POLLIN, 0 };
	struct chring_event event;

	while (poll(&events, 1, PATIENCE_MS) == 1) {
		if (chring_event_next(listener, &event))
			return chring_error(listener);
		if (event.type <= CHRING_EVENT_SERVICE_DEL &&
		    !strcmp(event.service.name, stage->service))
			return chring_service_state_name(event.service.state);
	}
	return "nothing";
}

#define EXPECT_TOLD(state)						\
	EXPECT_STREQ(state, next_state(&scene->stage, scene->listener))
#define ASSERT_TOLD(state)						\
	ASSERT_STREQ(state, next_state(&scene->stage, scene->listener))

/* ---- those who override */

/* A program that selects the member of the group that has this index. */
static int attach(int fd, uint32_t index)
{
	struct sock_filter ret = { BPF_RET | BPF_K, 0, 0, index };
	struct sock_fprog program = { 1, &ret };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program,
			  sizeof(program));
}

static int detach(int fd)
{
	int unused = 0;

	return setsockopt(fd, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, &unused,
			  sizeof(unused));
}

/* ---- the stage, with a copy of the socket of server 1 */

struct scene {
	struct stage stage;
	struct chring *listener;
	int member;
};

static void scene_open(struct scene *scene, int protocol, const char *local)
{
	netns_enter();
	stage_open(&scene->stage, protocol, local);
	scene->stage.v6only = scene->stage.local.sa.sa_family == AF_INET6;
	servers_start(&scene->stage, SERVERS);
	scene->member = server_socket_copy(&scene->stage, 1);
	scene->listener = listener_open();
}

static bool scene_begin(struct scene *scene)
{
	return !service_add(&scene->stage) &&
	       !replicas_add(&scene->stage, ALL) &&
	       !strcmp("idle", next_state(&scene->stage, scene->listener)) &&
	       !strcmp("steering", next_state(&scene->stage, scene->listener));
}

static void scene_close(struct scene *scene)
{
	close(scene->member);
	chring_free(scene->listener);
	stage_close(&scene->stage);
}

FIXTURE(override)
{
	struct scene scene;
};

FIXTURE_VARIANT(override)
{
	int protocol;
	const char *local;
};

FIXTURE_VARIANT_ADD(override, tcp)
{
	.protocol = IPPROTO_TCP, .local = "127.0.0.1",
};

FIXTURE_VARIANT_ADD(override, udp)
{
	.protocol = IPPROTO_UDP, .local = "127.0.0.1",
};

FIXTURE_VARIANT_ADD(override, tcp_ipv6)
{
	.protocol = IPPROTO_TCP, .local = "::1",
};

FIXTURE_VARIANT_ADD(override, udp_ipv6)
{
	.protocol = IPPROTO_UDP, .local = "::1",
};

FIXTURE_SETUP(override)
{
	scene_open(&self->scene, variant->protocol, variant->local);
	ASSERT_TRUE(scene_begin(&self->scene));
}

FIXTURE_TEARDOWN(override)
{
	scene_close(&self->scene);
}

/* Each flow goes where the ring says. */
static void expect_steered(struct __test_metadata *_metadata,
			   struct stage *stage)
{
	int answers[FLOWS], right[FLOWS];
	uint16_t sources[FLOWS];

	sources_fill(sources, FLOWS);
	lookup(stage, sources, FLOWS, right);
	ask(stage, sources, FLOWS, answers);
	EXPECT_EQ(0, memcmp(right, answers, sizeof(right)));
	EXPECT_STREQ("", stage_odd(stage));
	EXPECT_EQ(0U, service_now(stage).refused);
}

/* Nothing is told but that the service goes. */
static void expect_end(struct __test_metadata *_metadata, struct scene *scene)
{
	EXPECT_EQ(0, service_del(&scene->stage));
	EXPECT_TOLD("removing");
	EXPECT_TOLD("removing");
	EXPECT_TRUE(service_is_gone(&scene->stage));
}

static void expect_nothing_failed(struct __test_metadata *_metadata,
				  struct stage *stage, struct load *load)
{
	load_stop(load);
	EXPECT_LT(0U, stage->tally->answered);
	EXPECT_EQ(0U, stage->tally->failed)
		TH_LOG("%s: %s", stage->service, strerror(stage->tally->error));
	EXPECT_EQ(stage->tally->sent, stage->tally->answered);
}

/* Sockets that are bound to this port, kernel's and processes'. */
static int sockets_on(const struct stage *stage, unsigned int port)
{
	bool tcp = stage->protocol == IPPROTO_TCP, ipv4;
	unsigned int local, state;
	char path[32], line[256];
	int n = 0;
	FILE *file;

	ipv4 = stage->local.sa.sa_family == AF_INET;
	snprintf(path, sizeof(path), "/proc/net/%s%s", tcp ? "tcp" : "udp",
		 ipv4 ? "" : "6");
	file = fopen(path, "r");
	if (!file)
		err(1, "%s", path);
	while (fgets(line, sizeof(line), file))
		n += sscanf(line, "%*s %*[^:]:%x %*s %x", &local, &state) == 2 &&
		     local == port && (!tcp || state == TCP_LISTEN);
	fclose(file);
	return n;
}

static int set_override(struct stage *stage, uint32_t override)
{
	return chring_service_set_override(stage->chring, stage->service,
					   override);
}

/* While others come and go the kernel can list one twice, or not at all. */
static bool sockets_become(const struct stage *stage, unsigned int port, int n)
{
	return wait_until(sockets_on(stage, port) == n &&
			  sockets_on(stage, port) == n &&
			  sockets_on(stage, port) == n);
}

static bool anchor_left(const struct stage *stage)
{
	return sockets_become(stage, STAGE_PORT, SERVERS);
}

static bool anchor_came(const struct stage *stage)
{
	return sockets_become(stage, STAGE_PORT, SERVERS + 1);
}

/* Some questions more are answered. */
static bool load_goes_on(struct stage *stage)
{
	unsigned long *answered = &stage->tally->answered;
	unsigned long target;

	target = __atomic_load_n(answered, __ATOMIC_SEQ_CST) + 64;
	return wait_until(__atomic_load_n(answered, __ATOMIC_SEQ_CST) >=
			  target);
}

/* All flows go to one server. */
static void expect_all(struct __test_metadata *_metadata, struct stage *stage,
		       int server)
{
	uint16_t sources[FLOWS];
	int answers[FLOWS], i;

	sources_fill(sources, FLOWS);
	ask(stage, sources, FLOWS, answers);
	for (i = 0; i < FLOWS; i++)
		EXPECT_EQ(server, answers[i]);
}

/* ---- tests */

/* The program gives all flows to a server, so that none is lost meanwhile. */
TEST_F(override, a_members_program_is_replaced_under_load)
{
	struct scene *scene = &self->scene;
	struct load load, beside_load;
	struct stage beside;
	int round;

	stage_open(&beside, variant->protocol == IPPROTO_TCP ? IPPROTO_UDP :
							       IPPROTO_TCP,
		   variant->local);
	beside.v6only = scene->stage.v6only;
	beside.service = "beside";
	servers_start(&beside, SERVERS);
	ASSERT_EQ(0, service_add(&beside));
	ASSERT_EQ(0, replicas_add(&beside, ALL));
	load_start(&load, &scene->stage, 1);
	load_start(&beside_load, &beside, 1);

	for (round = 0; round < 2; round++) {
		ASSERT_EQ(0, attach(scene->member, 0));
		ASSERT_TOLD("overridden");
		ASSERT_TOLD("steering");
	}
	expect_nothing_failed(_metadata, &scene->stage, &load);
	expect_nothing_failed(_metadata, &beside, &beside_load);
	expect_steered(_metadata, &scene->stage);
	expect_steered(_metadata, &beside);
	expect_end(_metadata, scene);
	stage_close(&beside);
}

TEST_F(override, a_selector_that_a_member_detached_comes_back)
{
	struct scene *scene = &self->scene;

	ASSERT_EQ(0, detach(scene->member));
	EXPECT_TOLD("overridden");
	EXPECT_TOLD("steering");
	expect_steered(_metadata, &scene->stage);
	/* That it is there again is seen also by who detaches it. */
	ASSERT_EQ(0, detach(scene->member));
	EXPECT_TOLD("overridden");
	EXPECT_TOLD("steering");
	expect_end(_metadata, scene);
}

TEST_F(override, it_takes_no_privilege_and_no_replica)
{
	struct scene *scene = &self->scene;
	int status;
	pid_t pid;

	ASSERT_EQ(0, replicas_del(&scene->stage, ALL));
	pid = fork_child();
	if (!pid)
		_exit(setresuid(NOBODY, NOBODY, NOBODY) ||
		      detach(scene->member));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(0, status);
	EXPECT_TOLD("overridden");
	EXPECT_TOLD("steering");
	ASSERT_EQ(0, replicas_add(&scene->stage, ALL));
	expect_steered(_metadata, &scene->stage);
	expect_end(_metadata, scene);
}

/* What is not the selector is left as it is: all flows go to one server. */
TEST_F(override, a_service_that_is_deleted_leaves_the_program)
{
	struct scene *scene = &self->scene;
	const char *state;

	for (;;) {
		ASSERT_EQ(0, attach(scene->member, 2));
		ASSERT_TOLD("overridden");
		ASSERT_EQ(0, service_del(&scene->stage));
		state = next_state(&scene->stage, scene->listener);
		if (strcmp("steering", state))
			break;
		/* It was put back before; once more. */
		ASSERT_TOLD("removing");
		ASSERT_TOLD("removing");
		ASSERT_TRUE(scene_begin(scene));
	}
	ASSERT_STREQ("removing", state);
	ASSERT_TOLD("removing");

	expect_all(_metadata, &scene->stage, 2);
	EXPECT_EQ(0, detach(scene->member));
}

static long refcnt(void)
{
	FILE *file = fopen(REFCNT, "r");
	long count = -1;

	if (file) {
		if (fscanf(file, "%ld", &count) != 1)
			count = -1;
		fclose(file);
	}
	return count;
}

/* Ends, with all that is in its network namespace, while it is overridden. */
static void die_overridden(int protocol, const char *local, bool leave)
{
	struct scene scene;

	scene_open(&scene, protocol, local);
	if (!scene_begin(&scene))
		_exit(1);
	if (leave && (set_override(&scene.stage, CHRING_OVERRIDE_LEAVE) ||
		      strcmp("steering",
			     next_state(&scene.stage, scene.listener))))
		_exit(2);
	if (attach(scene.member, 0))
		_exit(3);
	_exit(strcmp("overridden", next_state(&scene.stage, scene.listener)));
}

/* Each service has a reference on the module. */
TEST_F(override, a_network_namespace_ends_overridden)
{
	int status, leave;
	pid_t pid;

	ASSERT_TRUE(wait_until(refcnt() == 1));
	for (leave = 0; leave < 2; leave++) {
		pid = fork_child();
		if (!pid)
			die_overridden(variant->protocol, variant->local,
				       leave);
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		ASSERT_EQ(0, status);
		EXPECT_TRUE(wait_until(refcnt() == 1));
	}
}

/* The port is the other program's, and the anchor has no share of it. */
TEST_F(override, a_service_leaves_and_comes_back_under_load)
{
	struct scene *scene = &self->scene;
	struct stage *stage = &scene->stage;
	struct load load;
	uint64_t picks;

	ASSERT_TRUE(anchor_came(stage));
	ASSERT_EQ(0, set_override(stage, CHRING_OVERRIDE_LEAVE));
	ASSERT_TOLD("steering");
	load_start(&load, stage, 1);
	ASSERT_EQ(0, attach(scene->member, 0));
	ASSERT_TOLD("overridden");
	ASSERT_TRUE(anchor_left(stage));
	EXPECT_EQ(CHRING_SERVICE_OVERRIDDEN, (int)service_now(stage).state);

	/* It selects what was the anchor: nobody, so that the hash does. */
	picks = service_now(stage).picks;
	ASSERT_EQ(0, attach(scene->member, SERVERS));
	EXPECT_TRUE(load_goes_on(stage));
	ASSERT_EQ(0, detach(scene->member));
	EXPECT_TRUE(load_goes_on(stage));
	ASSERT_EQ(0, attach(scene->member, 1));
	EXPECT_TRUE(load_goes_on(stage));
	EXPECT_EQ(picks, service_now(stage).picks);

	ASSERT_EQ(0, set_override(stage, CHRING_OVERRIDE_REATTACH));
	ASSERT_TOLD("steering");
	EXPECT_TRUE(anchor_came(stage));
	EXPECT_TRUE(load_goes_on(stage));
	EXPECT_LT(picks, service_now(stage).picks);
	expect_nothing_failed(_metadata, stage, &load);
	expect_steered(_metadata, stage);
	expect_end(_metadata, scene);
}

TEST_F(override, a_service_that_has_left_is_deleted)
{
	struct scene *scene = &self->scene;
	struct stage *stage = &scene->stage;
	uint16_t sources[FLOWS];
	int answers[FLOWS], i;

	ASSERT_EQ(0, set_override(stage, CHRING_OVERRIDE_LEAVE));
	ASSERT_TOLD("steering");
	ASSERT_EQ(0, attach(scene->member, 2));
	ASSERT_TOLD("overridden");
	ASSERT_TRUE(anchor_left(stage));
	expect_all(_metadata, stage, 2);
	/* Who asks is told what is so. */
	sources_fill(sources, FLOWS);
	lookup(stage, sources, FLOWS, answers);
	for (i = 0; i < FLOWS; i++)
		EXPECT_EQ(2, answers[i]);
	expect_end(_metadata, scene);
	EXPECT_TRUE(wait_until(!refcnt()));
	expect_all(_metadata, stage, 2);
	EXPECT_EQ(0, detach(scene->member));
}

/* Replicas come and go, as anywhere; with the last it is as without any. */
TEST_F(override, a_service_that_has_left_begins_anew_without_replicas)
{
	struct scene *scene = &self->scene;
	struct stage *stage = &scene->stage;

	ASSERT_EQ(0, set_override(stage, CHRING_OVERRIDE_LEAVE));
	ASSERT_TOLD("steering");
	ASSERT_EQ(0, detach(scene->member));
	ASSERT_TOLD("overridden");
	EXPECT_EQ(-EBUSY, chring_service_set_owner(stage->chring,
						   stage->service, NOBODY));
	EXPECT_NE(NULL, strstr(chring_error(stage->chring), "has replicas"));
	server_kill(stage, 2);
	EXPECT_TRUE(wait_until(replica_is_gone(stage, 2)));
	ASSERT_EQ(0, replicas_del(stage, 1 << 0));
	ASSERT_EQ(0, replicas_add(stage, 1 << 0));
	EXPECT_EQ(2U, service_now(stage).replicas);
	EXPECT_EQ(CHRING_SERVICE_OVERRIDDEN, (int)service_now(stage).state);
	ASSERT_EQ(0, replicas_del(stage, 0x3));
	EXPECT_TOLD("idle");

	ASSERT_EQ(0, replicas_add(stage, 0x3));
	EXPECT_TOLD("steering");
	expect_steered(_metadata, stage);
	/* Where there is none to begin with, it is both at once. */
	ASSERT_EQ(0, replicas_del(stage, 0x3));
	ASSERT_EQ(0, detach(scene->member));
	EXPECT_TOLD("overridden");
	EXPECT_TOLD("idle");
	expect_end(_metadata, scene);
}

/* Time from an override until the selector is back. */
static long long override_once(struct __test_metadata *_metadata,
			       struct scene *scene)
{
	long long start = now_ms();

	EXPECT_EQ(0, attach(scene->member, 0));
	EXPECT_TOLD("overridden");
	EXPECT_TOLD("steering");
	return now_ms() - start;
}

/* Slow machines make it later, and never earlier. */
TEST(who_insists_waits_longer_each_time_until_the_selector_has_stayed)
{
	struct scene scenery, *scene = &scenery;
	long long delay, ms;
	int tries = 3;

	scene_open(scene, IPPROTO_TCP, "127.0.0.1");
	ASSERT_TRUE(scene_begin(scene));
	for (delay = 100; delay <= 1600; delay *= 2) {
		ms = override_once(_metadata, scene);
		EXPECT_LE(delay - JIFFY_MS, ms);
	}
	do {
		poll(NULL, 0, MAX_DELAY_MS + 500);
		ms = override_once(_metadata, scene);
	} while (ms >= delay && --tries);
	EXPECT_GT(delay, ms);
	expect_steered(_metadata, &scene->stage);
	expect_end(_metadata, scene);
	scene_close(scene);
}

/* A listener elsewhere, as the replica "elsewhere". */
static int elsewhere_add(struct stage *stage)
{
	struct chring_replica_request request = { .name = "elsewhere" };
	union chring_address address;

	address = inet_at(&stage->local, STAGE_PORT + 1);
	request.fd = inet_socket(&address, IPPROTO_TCP, 0);
	if (inet_bind(request.fd, &address) || listen(request.fd, 16) ||
	    chring_replica_new(stage->chring, stage->service, &request, 1))
		errx(1, "%s", chring_error(stage->chring));
	return request.fd;
}

/* The group of a listener elsewhere is one of the service's as well. */
TEST(the_group_of_a_listener_elsewhere_counts)
{
	struct scene scenery, *scene = &scenery;
	int fd;

	scene_open(scene, IPPROTO_TCP, "127.0.0.1");
	ASSERT_TRUE(scene_begin(scene));
	fd = elsewhere_add(&scene->stage);
	ASSERT_EQ(0, detach(fd));
	EXPECT_TOLD("overridden");
	EXPECT_TOLD("steering");
	/* As the group goes, so does what is overridden. */
	ASSERT_EQ(0, detach(fd));
	EXPECT_TOLD("overridden");
	close(fd);
	EXPECT_TOLD("steering");

	/* Where one group is left, all are. */
	ASSERT_TRUE(sockets_become(&scene->stage, STAGE_PORT + 1, 0));
	fd = elsewhere_add(&scene->stage);
	ASSERT_TRUE(sockets_become(&scene->stage, STAGE_PORT + 1, 2));
	ASSERT_EQ(0, set_override(&scene->stage, CHRING_OVERRIDE_LEAVE));
	ASSERT_TOLD("steering");
	ASSERT_EQ(0, attach(fd, 0));
	ASSERT_TOLD("overridden");
	EXPECT_TRUE(anchor_left(&scene->stage));
	EXPECT_TRUE(sockets_become(&scene->stage, STAGE_PORT + 1, 1));
	ASSERT_EQ(0, set_override(&scene->stage, CHRING_OVERRIDE_REATTACH));
	ASSERT_TOLD("steering");
	EXPECT_TRUE(anchor_came(&scene->stage));
	EXPECT_TRUE(sockets_become(&scene->stage, STAGE_PORT + 1, 2));
	close(fd);
	expect_end(_metadata, scene);
	scene_close(scene);
}

TEST_HARNESS_MAIN
