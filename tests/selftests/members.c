// SPDX-License-Identifier: GPL-2.0
/*
 * Replicas come, change, die, return and go: only the flows move that must,
 * and nothing is lost.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "steer_util.h"

#define SERVERS	4
#define ALL	0xf
#define FLOWS	64

/*
 * With the balance "ring" a replica that comes back has the flows that it had.
 * With "even" the table that it comes to depends on what was before.
 */
FIXTURE(members)
{
	struct stage stage;
	uint16_t sources[FLOWS];
	int before[FLOWS];
	int after[FLOWS];
};

FIXTURE_VARIANT(members)
{
	int protocol;
	const char *local;
	const char *client;	/* where that is not of the loopback's family */
	bool v6only;
	uint32_t balance;	/* the default, even, or ring */
};

FIXTURE_VARIANT_ADD(members, tcp)
{
	.protocol = IPPROTO_TCP, .local = "127.0.0.1",
	.balance = CHRING_BALANCE_RING,
};

FIXTURE_VARIANT_ADD(members, tcp_any)
{
	.protocol = IPPROTO_TCP, .local = "0.0.0.0",
	.balance = CHRING_BALANCE_RING,
};

FIXTURE_VARIANT_ADD(members, udp)
{
	.protocol = IPPROTO_UDP, .local = "127.0.0.1",
	.balance = CHRING_BALANCE_RING,
};

FIXTURE_VARIANT_ADD(members, udp_any)
{
	.protocol = IPPROTO_UDP, .local = "0.0.0.0",
	.balance = CHRING_BALANCE_RING,
};

FIXTURE_VARIANT_ADD(members, tcp_ipv6)
{
	.protocol = IPPROTO_TCP, .local = "::1", .v6only = true,
};

FIXTURE_VARIANT_ADD(members, tcp_ipv6_any)
{
	.protocol = IPPROTO_TCP, .local = "::",
	.v6only = true,
};

FIXTURE_VARIANT_ADD(members, tcp_dual)
{
	.protocol = IPPROTO_TCP, .local = "::",
};

FIXTURE_VARIANT_ADD(members, tcp_dual_ipv4)
{
	.protocol = IPPROTO_TCP, .local = "::",
	.client = "127.0.0.1",
};

FIXTURE_VARIANT_ADD(members, udp_ipv6)
{
	.protocol = IPPROTO_UDP, .local = "::1", .v6only = true,
};

FIXTURE_VARIANT_ADD(members, udp_ipv6_any)
{
	.protocol = IPPROTO_UDP, .local = "::",
	.v6only = true,
};

FIXTURE_VARIANT_ADD(members, udp_dual)
{
	.protocol = IPPROTO_UDP, .local = "::",
};

FIXTURE_VARIANT_ADD(members, udp_dual_ipv4)
{
	.protocol = IPPROTO_UDP, .local = "::",
	.client = "127.0.0.1",
};

FIXTURE_SETUP(members)
{
	netns_enter();
	stage_open(&self->stage, variant->protocol, variant->local);
	self->stage.v6only = variant->v6only;
	self->stage.balance = variant->balance;
	if (variant->client)
		stage_clients(&self->stage, variant->client);
	sources_fill(self->sources, FLOWS);
	servers_start(&self->stage, SERVERS);
	ASSERT_EQ(0, service_add(&self->stage));
	ASSERT_EQ(0, replicas_add(&self->stage, ALL));
	ASSERT_STREQ("", stage_odd(&self->stage));
}

FIXTURE_TEARDOWN(members)
{
	stage_close(&self->stage);
}

/* Who serves each flow; false where one is lost or look-up says otherwise. */
static bool map(struct stage *stage, const uint16_t *sources, int *answers)
{
	int foretold[FLOWS];
	int i;

	lookup(stage, sources, FLOWS, foretold);
	ask(stage, sources, FLOWS, answers);
	for (i = 0; i < FLOWS; i++) {
		if (answers[i] >= 0 && answers[i] == foretold[i])
			continue;
		ksft_print_msg("flow %d: foretold %d, got %d\n", i,
			       foretold[i], answers[i]);
		return false;
	}
	return true;
}

/* All flows of @server moved elsewhere, and no other did. */
static bool moved_from(const int *before, const int *after, int server)
{
	int i, moved = 0;

	for (i = 0; i < FLOWS; i++) {
		bool must = before[i] == server;
		bool stayed = before[i] == after[i];

		if (must == stayed) {
			ksft_print_msg("flow %d: %d, then %d\n", i, before[i],
				       after[i]);
			return false;
		}
		moved += must;
	}
	return moved;
}

/* Some flows moved, all of them to or all of them from @server. */
static bool moved_to(const int *before, const int *after, int server)
{
	int i, moved = 0;

	for (i = 0; i < FLOWS; i++) {
		if (before[i] == after[i])
			continue;
		if (after[i] != server) {
			ksft_print_msg("flow %d: %d, then %d\n", i, before[i],
				       after[i]);
			return false;
		}
		moved++;
	}
	return moved;
}

static bool unmoved(const int *before, const int *after)
{
	return !memcmp(before, after, FLOWS * sizeof(*before));
}

/* As it was before replicas went that are back, where that is promised. */
static bool restored(const struct stage *stage, const int *before,
		     const int *after)
{
	return stage->balance == CHRING_BALANCE_EVEN || unmoved(before, after);
}

TEST_F(members, removal_moves_only_the_flows_of_the_removed)
{
	int again[FLOWS];

	ASSERT_TRUE(map(&self->stage, self->sources, self->before));
	ASSERT_EQ(0, replicas_del(&self->stage, 1 << 1));
	ASSERT_STREQ("", stage_odd(&self->stage));
	ASSERT_TRUE(map(&self->stage, self->sources, self->after));
	EXPECT_TRUE(moved_from(self->before, self->after, 1));

	/* Two at once. */
	ASSERT_EQ(0, replicas_del(&self->stage, 1 << 0 | 1 << 3));
	ASSERT_STREQ("", stage_odd(&self->stage));
	ASSERT_TRUE(map(&self->stage, self->sources, again));
	EXPECT_TRUE(moved_to(self->after, again, 2));

	/* The socket was left as it is: it can be added again. */
	ASSERT_EQ(0, replicas_add(&self->stage, 1 << 0 | 1 << 1 | 1 << 3));
	ASSERT_STREQ("", stage_odd(&self->stage));
	ASSERT_TRUE(map(&self->stage, self->sources, self->after));
	EXPECT_TRUE(restored(&self->stage, self->before, self->after));
	EXPECT_EQ(4 * FLOWS, served(&self->stage));
}

TEST_F(members, addition_takes_flows_only_for_the_newcomer)
{
	int again[FLOWS];

	ASSERT_TRUE(map(&self->stage, self->sources, self->before));
	server_start(&self->stage, 4);
	ASSERT_EQ(0, replicas_add(&self->stage, 1 << 4));
	ASSERT_STREQ("", stage_odd(&self->stage));
	ASSERT_TRUE(map(&self->stage, self->sources, self->after));
	EXPECT_TRUE(moved_to(self->before, self->after, 4));

	ASSERT_EQ(0, replicas_del(&self->stage, 1 << 4));
	ASSERT_STREQ("", stage_odd(&self->stage));
	ASSERT_TRUE(map(&self->stage, self->sources, again));
	EXPECT_TRUE(restored(&self->stage, self->before, again));
	EXPECT_EQ(3 * FLOWS, served(&self->stage));
}

TEST_F(members, a_new_weight_moves_flows_only_to_or_from_its_replica)
{
	int again[FLOWS];

	ASSERT_TRUE(map(&self->stage, self->sources, self->before));
	ASSERT_EQ(0, replica_weigh(&self->stage, 2, 5));
	ASSERT_STREQ("", stage_odd(&self->stage));
	ASSERT_TRUE(map(&self->stage, self->sources, self->after));
	EXPECT_TRUE(moved_to(self->before, self->after, 2));

	/* Backwards, what moves from it is what moved to it. */
	ASSERT_EQ(0, replica_weigh(&self->stage, 2, 2));
	ASSERT_STREQ("", stage_odd(&self->stage));
	ASSERT_TRUE(map(&self->stage, self->sources, again));
	EXPECT_TRUE(moved_to(again, self->after, 2));

	ASSERT_EQ(0, replica_weigh(&self->stage, 2, 1));
	ASSERT_STREQ("", stage_odd(&self->stage));
	ASSERT_TRUE(map(&self->stage, self->sources, again));
	EXPECT_TRUE(restored(&self->stage, self->before, again));
	EXPECT_EQ(4 * FLOWS, served(&self->stage));
}

typedef void (*death_fn)(struct stage *stage, int server);

static int flows_of(const uint16_t *sources, const int *answers, int server,
		    uint16_t *chosen, int wanted)
{
	int i, n = 0;

	for (i = 0; i < FLOWS && n < wanted; i++)
		if (answers[i] == server)
			chosen[n++] = sources[i];
	return n;
}

/*
 * What so many flows of server 0 meet before the sweep, and whether it was
 * before: the sweep comes within a tenth of a second.
 */
static bool asked_before_sweep(struct stage *stage, const uint16_t *sources,
			       const int *before, int *answers, int wanted)
{
	struct chring_replica replica;
	uint16_t chosen[FLOWS];
	int n = flows_of(sources, before, 0, chosen, wanted);

	ask(stage, chosen, n, answers);
	answers[n] = -1;
	return replica_died(stage, 0, &replica);
}

/* The flows of server 0 that were asked before the sweep go where they did. */
static bool as_before_sweep(const int *before, const int *after,
			    const int *early)
{
	int i;

	for (i = 0; i < FLOWS && *early >= 0; i++)
		if (!before[i] && after[i] != *early++)
			return false;
	return true;
}

static void rise(struct stage *stage)
{
	if (stage->server[0].pid)
		server_kill(stage, 0);
	server_start(stage, 0);
}

static void death(struct __test_metadata *_metadata,
		  FIXTURE_DATA(members) * self, death_fn die)
{
	int early[FLOWS + 1], attempt;
	bool in_time = false;

	ASSERT_TRUE(map(&self->stage, self->sources, self->before));
	/* Where a few take too long to ask, one may not */
	for (attempt = 0; attempt < 100 && !in_time; attempt++) {
		die(&self->stage, 0);
		in_time = asked_before_sweep(&self->stage, self->sources,
					     self->before, early,
					     attempt < 3 ? 4 : 1);
		ask(&self->stage, self->sources, FLOWS, self->after);
		ASSERT_TRUE(moved_from(self->before, self->after, 0));
		ASSERT_TRUE(as_before_sweep(self->before, self->after, early));

		ASSERT_TRUE(wait_until(replica_is_gone(&self->stage, 0)));
		ASSERT_STREQ("", stage_odd(&self->stage));
		memcpy(early, self->after, FLOWS * sizeof(*early));
		ASSERT_TRUE(map(&self->stage, self->sources, self->after));
		ASSERT_TRUE(unmoved(early, self->after));

		rise(&self->stage);
		ASSERT_EQ(0, replicas_add(&self->stage, 1 << 0));
		ASSERT_STREQ("", stage_odd(&self->stage));
		ASSERT_TRUE(map(&self->stage, self->sources, self->after));
		ASSERT_TRUE(moved_to(early, self->after, 0));
		ASSERT_TRUE(restored(&self->stage, self->before, self->after));
		memcpy(self->before, self->after, sizeof(self->before));
	}
	ASSERT_TRUE(in_time);
	EXPECT_EQ(self->stage.tally->answered, self->stage.tally->sent);
	EXPECT_EQ((int)self->stage.tally->sent, served(&self->stage));
}

TEST_F_TIMEOUT(members, closing_moves_only_the_flows_of_the_closed, 600)
{
	death(_metadata, self, server_close);
}

TEST_F_TIMEOUT(members, kill_moves_only_the_flows_of_the_killed, 600)
{
	death(_metadata, self, server_kill);
}

/* For UDP it means that datagrams are for one peer only from now on. */
static void shut(struct stage *stage, int server)
{
	if (stage->protocol == IPPROTO_TCP)
		server_shutdown(stage, server);
	else
		server_connect_socket(stage, server, FIRST_SOURCE - 1);
}

TEST_F_TIMEOUT(members, shutdown_moves_only_the_flows_of_the_shut, 600)
{
	death(_metadata, self, shut);
}

TEST_F(members, a_replica_that_returns_at_once_has_its_flows_again)
{
	int round;

	ASSERT_TRUE(map(&self->stage, self->sources, self->before));
	for (round = 0; round < 5; round++) {
		server_kill(&self->stage, 0);
		server_start(&self->stage, 0);
		ASSERT_EQ(0, replicas_add(&self->stage, 1 << 0));
		ASSERT_STREQ("", stage_odd(&self->stage));
		ASSERT_TRUE(map(&self->stage, self->sources, self->after));
		ASSERT_TRUE(restored(&self->stage, self->before, self->after));
	}
	EXPECT_EQ(6 * FLOWS, served(&self->stage));
}

/* Each client is refused, sooner than a SYN would be sent again. */
static bool refused(struct stage *stage, const uint16_t *sources)
{
	int i;

	for (i = 0; i < 16; i++) {
		long long begun = now_ms();
		int answer = ask_one(stage, sources[i]);

		if (answer == -ECONNREFUSED && now_ms() - begun < 1000)
			continue;
		ksft_print_msg("%d after %lld ms\n", answer, now_ms() - begun);
		return false;
	}
	return true;
}

TEST_F(members, where_none_is_alive_clients_are_refused_at_once)
{
	struct chring_service service;
	int i;

	/* The sockets are there, but no replicas. */
	ASSERT_TRUE(map(&self->stage, self->sources, self->before));
	ASSERT_EQ(0, replicas_del(&self->stage, ALL));
	ASSERT_STREQ("", stage_odd(&self->stage));
	EXPECT_TRUE(refused(&self->stage, self->sources));
	ASSERT_EQ(0, replicas_add(&self->stage, ALL));
	ASSERT_TRUE(map(&self->stage, self->sources, self->after));
	EXPECT_TRUE(unmoved(self->before, self->after));

	/* The sockets are gone, the replicas too, but at first. */
	for (i = 0; i < SERVERS; i++)
		server_kill(&self->stage, i);
	EXPECT_TRUE(refused(&self->stage, self->sources));
	for (i = 0; i < SERVERS; i++)
		ASSERT_TRUE(wait_until(replica_is_gone(&self->stage, i)));
	ASSERT_STREQ("", stage_odd(&self->stage));
	EXPECT_TRUE(refused(&self->stage, self->sources));
	service = service_now(&self->stage);
	EXPECT_EQ(CHRING_SERVICE_STEERING, (int)service.state);
	/* Of the dead that the sweep has not seen the kernel refuses, for UDP. */
	EXPECT_LE((variant->protocol == IPPROTO_UDP ? 2U : 3U) * 16,
		  service.refused);
	EXPECT_EQ(2 * FLOWS, served(&self->stage));

	/* And the first that comes has all. */
	server_start(&self->stage, 2);
	ASSERT_EQ(0, replicas_add(&self->stage, 1 << 2));
	ASSERT_STREQ("", stage_odd(&self->stage));
	ASSERT_TRUE(map(&self->stage, self->sources, self->after));
	for (i = 0; i < FLOWS; i++)
		ASSERT_EQ(2, self->after[i]);
}

/*
 * Connections that their servers have accepted, or for UDP made a connected
 * socket for. The 16 clients are spread over servers 0, 1 and 2.
 */
static void establish(struct stage *stage, const uint16_t *sources,
		      int *clients, int *answers)
{
	int i;

	if (stage->protocol == IPPROTO_UDP)
		for (i = 0; i < 16; i++)
			server_connect(stage, i % 3, sources[i]);
	clients_open(stage, sources, 16, clients, answers);
}

static bool established(struct stage *stage, const int *clients,
			const int *answers)
{
	int now[16];

	clients_ask(stage, clients, 16, now);
	return !memcmp(now, answers, sizeof(now));
}

TEST_F(members, what_is_established_survives_every_change)
{
	int clients[16], answers[16], i;

	server_kill(&self->stage, 3);
	ASSERT_TRUE(wait_until(replica_is_gone(&self->stage, 3)));
	establish(&self->stage, self->sources, clients, answers);
	for (i = 0; i < 16; i++) {
		ASSERT_LE(0, answers[i]);
		if (variant->protocol == IPPROTO_UDP)
			ASSERT_EQ(i % 3, answers[i]);
	}
	EXPECT_TRUE(established(&self->stage, clients, answers));

	server_start(&self->stage, 3);
	ASSERT_EQ(0, replicas_add(&self->stage, 1 << 3));
	EXPECT_TRUE(established(&self->stage, clients, answers));
	ASSERT_EQ(0, replica_weigh(&self->stage, 3, 100));
	EXPECT_TRUE(established(&self->stage, clients, answers));
	ASSERT_EQ(0, replicas_del(&self->stage, 1 << 0));
	EXPECT_TRUE(established(&self->stage, clients, answers));
	server_close(&self->stage, 1);
	EXPECT_TRUE(established(&self->stage, clients, answers));
	ASSERT_TRUE(wait_until(replica_is_gone(&self->stage, 1)));
	EXPECT_TRUE(established(&self->stage, clients, answers));
	server_kill(&self->stage, 3);
	EXPECT_TRUE(established(&self->stage, clients, answers));
	ASSERT_TRUE(wait_until(replica_is_gone(&self->stage, 3)));
	ASSERT_EQ(0, replicas_del(&self->stage, 1 << 2));
	ASSERT_STREQ("", stage_odd(&self->stage));
	EXPECT_TRUE(established(&self->stage, clients, answers));

	ASSERT_EQ(0, service_del(&self->stage));
	EXPECT_TRUE(established(&self->stage, clients, answers));
	ASSERT_TRUE(wait_until(service_is_gone(&self->stage)));
	EXPECT_TRUE(established(&self->stage, clients, answers));
}

/*
 * A process that asks all the time, round after round, and notes for each flow
 * who served it, whenever that changes.
 */
struct watch {
	int rounds;
	int stop;
	int changes[FLOWS];
	int noted[FLOWS][16];
};

static void watch_note(struct watch *watch, int flow, int answer)
{
	int n = watch->changes[flow];

	if (n && watch->noted[flow][n - 1] == answer)
		return;
	if (n < 16)
		watch->noted[flow][n] = answer;
	watch->changes[flow] = n + 1;
}

static pid_t watch_start(struct watch *watch, struct stage *stage,
			 const uint16_t *sources)
{
	pid_t pid = fork_child();
	int answers[FLOWS];
	int i;

	if (pid)
		return pid;
	while (!__atomic_load_n(&watch->stop, __ATOMIC_SEQ_CST)) {
		ask(stage, sources, FLOWS, answers);
		for (i = 0; i < FLOWS; i++)
			watch_note(watch, i, answers[i]);
		__atomic_add_fetch(&watch->rounds, 1, __ATOMIC_SEQ_CST);
	}
	_exit(0);
}

/* True when each flow was asked at least once from now on. */
static bool watch_round(struct watch *watch)
{
	int target = __atomic_load_n(&watch->rounds, __ATOMIC_SEQ_CST) + 2;

	return wait_until(__atomic_load_n(&watch->rounds, __ATOMIC_SEQ_CST) >=
			  target);
}

/* Each flow was first here, then there, @n places in turn, never elsewhere. */
static bool watch_saw(const struct watch *watch, const int *here,
		      const int *there, int n)
{
	int i, k;

	for (i = 0; i < FLOWS; i++) {
		if (watch->changes[i] != (here[i] == there[i] ? 1 : n)) {
			ksft_print_msg("flow %d: %d changes\n", i,
				       watch->changes[i]);
			return false;
		}
		for (k = 0; k < watch->changes[i]; k++) {
			if (watch->noted[i][k] == (k & 1 ? there : here)[i])
				continue;
			ksft_print_msg("flow %d: %d instead of %d or %d\n", i,
				       watch->noted[i][k], here[i], there[i]);
			return false;
		}
	}
	return true;
}

TEST_F_TIMEOUT(members, replicas_of_one_message_come_and_go_at_once, 600)
{
	enum { ROUNDS = 4, MORE = 0xf0 };
	struct watch *watch;
	int round, i;
	pid_t pid;

	/* For there to be two tables, that of all and that of some */
	self->stage.balance = CHRING_BALANCE_RING;
	ASSERT_EQ(0, chring_service_set_balance(self->stage.chring,
						self->stage.service,
						CHRING_BALANCE_RING));
	watch = mmap(NULL, sizeof(*watch), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, watch);
	for (i = SERVERS; i < MAX_SERVERS; i++)
		server_start(&self->stage, i);
	ASSERT_TRUE(map(&self->stage, self->sources, self->before));
	pid = watch_start(watch, &self->stage, self->sources);
	for (round = 0; round < ROUNDS; round++) {
		ASSERT_TRUE(watch_round(watch));
		ASSERT_EQ(0, replicas_add(&self->stage, MORE));
		ASSERT_STREQ("", stage_odd(&self->stage));
		ASSERT_TRUE(watch_round(watch));
		ASSERT_EQ(0, replicas_del(&self->stage, MORE));
		ASSERT_STREQ("", stage_odd(&self->stage));
	}
	ASSERT_TRUE(watch_round(watch));
	__atomic_store_n(&watch->stop, 1, __ATOMIC_SEQ_CST);
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));

	ASSERT_EQ(0, replicas_add(&self->stage, MORE));
	ASSERT_TRUE(map(&self->stage, self->sources, self->after));
	EXPECT_TRUE(watch_saw(watch, self->before, self->after,
			      2 * ROUNDS + 1));
	EXPECT_EQ((int)self->stage.tally->sent, served(&self->stage));
	munmap(watch, sizeof(*watch));
}

TEST_HARNESS_MAIN
