// SPDX-License-Identifier: GPL-2.0
/*
 * Services, replicas and servers come and go on a port that is in use: no
 * connection and no datagram is lost, refused or late.
 *
 *	clients (processes)  --->  TCP port, UDP port  --->  4 servers each
 *	                                 ^
 *	      this process: service add, replica add, del, service del, and again
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "steer_util.h"

#define SERVERS	4
#define ALL	0xf
#define FLOWS	64
#define CYCLES	50

FIXTURE(live)
{
	struct stage tcp;
	struct stage udp;
	struct load tcp_load;
	struct load udp_load;
};

FIXTURE_VARIANT(live)
{
	const char *local;
	const char *client;	/* where that is not of the loopback's family */
	bool v6only;
};

FIXTURE_VARIANT_ADD(live, loopback)
{
	.local = "127.0.0.1",
};

FIXTURE_VARIANT_ADD(live, any)
{
	.local = "0.0.0.0",
};

FIXTURE_VARIANT_ADD(live, ipv6)
{
	.local = "::1", .v6only = true,
};

FIXTURE_VARIANT_ADD(live, ipv6_any)
{
	.local = "::", .v6only = true,
};

FIXTURE_VARIANT_ADD(live, dual)
{
	.local = "::",
};

FIXTURE_VARIANT_ADD(live, dual_ipv4)
{
	.local = "::", .client = "127.0.0.1",
};

FIXTURE_SETUP(live)
{
	netns_enter();
	stage_open(&self->tcp, IPPROTO_TCP, variant->local);
	stage_open(&self->udp, IPPROTO_UDP, variant->local);
	self->tcp.v6only = variant->v6only;
	self->udp.v6only = variant->v6only;
	if (variant->client) {
		stage_clients(&self->tcp, variant->client);
		stage_clients(&self->udp, variant->client);
	}
	self->udp.service = "dns";
	/* They would keep all processors busy, and what is tested waiting. */
	ASSERT_EQ(0, setpriority(PRIO_PROCESS, 0, 19));
	servers_start(&self->tcp, SERVERS);
	servers_start(&self->udp, SERVERS);
	load_start(&self->tcp_load, &self->tcp, 2);
	load_start(&self->udp_load, &self->udp, 2);
	ASSERT_EQ(0, setpriority(PRIO_PROCESS, 0, 0));
}

FIXTURE_TEARDOWN(live)
{
	stage_close(&self->tcp);
	stage_close(&self->udp);
}

/* The load has got on by some questions. */
static bool load_flows(struct stage *stage)
{
	unsigned long *answered = &stage->tally->answered;
	unsigned long target;

	target = __atomic_load_n(answered, __ATOMIC_SEQ_CST) + 64;
	return wait_until(__atomic_load_n(answered, __ATOMIC_SEQ_CST) >=
			  target);
}

/* Flows that began now are steered. */
static bool is_steering(struct stage *stage)
{
	uint64_t picks = service_now(stage).picks;

	return wait_until(service_now(stage).picks >= picks + 32);
}

static void nothing_failed(struct __test_metadata *_metadata,
			   struct stage *stage, struct load *load)
{
	load_stop(load);
	EXPECT_EQ(0U, stage->tally->failed)
		TH_LOG("%s: %s", stage->service, strerror(stage->tally->error));
	EXPECT_EQ(stage->tally->sent, stage->tally->answered);
	EXPECT_EQ((int)stage->tally->sent, served(stage));
}

static void begin(struct __test_metadata *_metadata, struct stage *stage,
		  unsigned int servers)
{
	ASSERT_EQ(0, service_add(stage));
	ASSERT_STREQ("", stage_odd(stage));
	ASSERT_EQ(0, replicas_add(stage, servers));
	ASSERT_STREQ("", stage_odd(stage));
}

/* Fewer where the families differ only, or the kernel has much to check. */
static int cycles(const struct stage *stage)
{
	int n = stage->local.sa.sa_family == AF_INET ? CYCLES : CYCLES / 3;

	return access("/sys/kernel/debug/kmemleak", F_OK) ? n : n / 5;
}

static void end(struct __test_metadata *_metadata, struct stage *stage)
{
	EXPECT_EQ(0U, service_now(stage).refused);
	ASSERT_EQ(0, service_del(stage));
}

TEST_F_TIMEOUT(live, a_service_comes_and_goes_and_nothing_is_lost, 600)
{
	int cycle, n = cycles(&self->tcp);

	for (cycle = 0; cycle < n; cycle++) {
		begin(_metadata, &self->tcp, ALL);
		begin(_metadata, &self->udp, ALL);
		ASSERT_TRUE(is_steering(&self->tcp));
		ASSERT_TRUE(is_steering(&self->udp));
		end(_metadata, &self->tcp);
		end(_metadata, &self->udp);
		ASSERT_TRUE(wait_until(service_is_gone(&self->tcp)));
		ASSERT_TRUE(wait_until(service_is_gone(&self->udp)));
	}
	ASSERT_TRUE(load_flows(&self->tcp));
	ASSERT_TRUE(load_flows(&self->udp));
	nothing_failed(_metadata, &self->tcp, &self->tcp_load);
	nothing_failed(_metadata, &self->udp, &self->udp_load);
}

static void add_changes_nothing(struct __test_metadata *_metadata,
				struct stage *stage)
{
	int before[FLOWS], after[FLOWS];
	uint16_t sources[FLOWS];

	sources_fill(sources, FLOWS);
	ask(stage, sources, FLOWS, before);
	ASSERT_EQ(0, service_add(stage));
	ASSERT_STREQ("", stage_odd(stage));
	ask(stage, sources, FLOWS, after);
	EXPECT_EQ(0, memcmp(before, after, sizeof(before)));
	EXPECT_EQ(CHRING_SERVICE_IDLE, (int)service_now(stage).state);
	EXPECT_EQ(0U, service_now(stage).picks);

	/* Nor does its end, nor is there anything left of one that steered. */
	ASSERT_EQ(0, service_del(stage));
	ASSERT_TRUE(wait_until(service_is_gone(stage)));
	ask(stage, sources, FLOWS, after);
	EXPECT_EQ(0, memcmp(before, after, sizeof(before)));
	begin(_metadata, stage, ALL);
	ask(stage, sources, FLOWS, after);
	EXPECT_NE(0, memcmp(before, after, sizeof(before)));
	end(_metadata, stage);
	ASSERT_TRUE(wait_until(service_is_gone(stage)));
	ask(stage, sources, FLOWS, after);
	EXPECT_EQ(0, memcmp(before, after, sizeof(before)));
}

TEST_F_TIMEOUT(live, to_add_a_service_changes_nothing, 600)
{
	add_changes_nothing(_metadata, &self->tcp);
	add_changes_nothing(_metadata, &self->udp);
	nothing_failed(_metadata, &self->tcp, &self->tcp_load);
	nothing_failed(_metadata, &self->udp, &self->udp_load);
}

static pthread_mutex_t *shared_mutex(void)
{
	pthread_mutexattr_t shared;
	pthread_mutex_t *mutex;

	mutex = mmap(NULL, sizeof(*mutex), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (mutex == MAP_FAILED)
		return NULL;
	pthread_mutexattr_init(&shared);
	pthread_mutexattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(mutex, &shared);
	return mutex;
}

/*
 * One more server joins the port at any time, and leaves it at a time when it
 * is steered: without a service a server cannot leave a port and lose nothing.
 */
static void guest_run(struct stage *stage, pthread_mutex_t *steered)
{
	while (!__atomic_load_n(&stage->tally->stop, __ATOMIC_SEQ_CST)) {
		server_start(stage, SERVERS);
		pthread_mutex_lock(steered);
		server_leave(stage, SERVERS);
		pthread_mutex_unlock(steered);
		server_finish(stage, SERVERS);
		__atomic_add_fetch(&stage->tally->visits, 1, __ATOMIC_SEQ_CST);
	}
	_exit(0);
}

/*
 * A UDP socket on 0.0.0.0 cannot leave so: as it is connected, it moves to
 * another hash chain, and takes a look-up with it that passes by, which finds
 * nobody then. It stays.
 */
static bool can_leave(const struct stage *stage)
{
	return stage->protocol == IPPROTO_TCP || !inet_is_any(&stage->local);
}

static pid_t guest_start(struct stage *stage, pthread_mutex_t *steered)
{
	pid_t pid;

	if (!can_leave(stage)) {
		server_start(stage, SERVERS);
		return 0;
	}
	pid = fork_child();
	if (!pid)
		guest_run(stage, steered);
	return pid;
}

/* It has been there, and left without a complaint. */
static bool guest_left(struct stage *stage, pid_t guest)
{
	int status;

	return waitpid(guest, &status, 0) == guest && !status &&
	       stage->tally->visits;
}

/*
 * With the port steered by half of the servers: the others become replicas one
 * by one, and cease to be, and so does one that was there from the beginning.
 */
static void one_by_one(struct __test_metadata *_metadata, struct stage *stage)
{
	ASSERT_EQ(0, replicas_add(stage, 1 << 2));
	ASSERT_EQ(0, replicas_add(stage, 1 << 3));
	ASSERT_STREQ("", stage_odd(stage));
	ASSERT_EQ(0, replicas_del(stage, 1 << 0));
	ASSERT_EQ(0, replica_weigh(stage, 1, 3));
	ASSERT_EQ(0, replicas_add(stage, 1 << 0));
	ASSERT_STREQ("", stage_odd(stage));
	ASSERT_EQ(0, replicas_del(stage, 1 << 2));
	ASSERT_EQ(0, replica_weigh(stage, 1, 1));
	ASSERT_EQ(0, replicas_del(stage, 1 << 3));
	ASSERT_STREQ("", stage_odd(stage));
}

TEST_F_TIMEOUT(live, members_come_and_go_and_nothing_is_lost, 600)
{
	struct stage *stages[] = { &self->tcp, &self->udp };
	struct load *loads[] = { &self->tcp_load, &self->udp_load };
	pthread_mutex_t *steered[2];
	pid_t guests[2];
	int cycle, i, n = cycles(&self->tcp);

	for (i = 0; i < 2; i++) {
		steered[i] = shared_mutex();
		ASSERT_NE(NULL, steered[i]);
		pthread_mutex_lock(steered[i]);
		guests[i] = guest_start(stages[i], steered[i]);
	}
	for (cycle = 0; cycle < n; cycle++) {
		for (i = 0; i < 2; i++) {
			begin(_metadata, stages[i], 0x3);
			pthread_mutex_unlock(steered[i]);
		}
		for (i = 0; i < 2; i++) {
			one_by_one(_metadata, stages[i]);
			ASSERT_TRUE(is_steering(stages[i]));
			pthread_mutex_lock(steered[i]);
			end(_metadata, stages[i]);
		}
		for (i = 0; i < 2; i++)
			ASSERT_TRUE(wait_until(service_is_gone(stages[i])));
	}
	for (i = 0; i < 2; i++) {
		begin(_metadata, stages[i], 0x3);
		pthread_mutex_unlock(steered[i]);
		nothing_failed(_metadata, stages[i], loads[i]);
		if (can_leave(stages[i]))
			EXPECT_TRUE(guest_left(stages[i], guests[i]));
	}
}

TEST_HARNESS_MAIN
