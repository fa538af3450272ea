// SPDX-License-Identifier: GPL-2.0
/*
 * Who gets a flow: each replica its share, the same client the same replica,
 * and the counters say so.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kselftest_harness.h"
#include "steer_util.h"

#define SERVERS	4
#define ALL	0xf
#define FLOWS	200
#define FEW	64
#define MANY	600

FIXTURE(steer)
{
	struct stage stage;
	uint16_t sources[MANY];
	int answers[MANY];
	int others[MANY];
	int clients[FLOWS];
};

FIXTURE_VARIANT(steer)
{
	int protocol;
	const char *local;
	const char *client;	/* where that is not of the loopback's family */
	bool v6only;
};

FIXTURE_VARIANT_ADD(steer, tcp)
{
	.protocol = IPPROTO_TCP, .local = "127.0.0.1",
};

FIXTURE_VARIANT_ADD(steer, tcp_any)
{
	.protocol = IPPROTO_TCP, .local = "0.0.0.0",
};

FIXTURE_VARIANT_ADD(steer, udp)
{
	.protocol = IPPROTO_UDP, .local = "127.0.0.1",
};

FIXTURE_VARIANT_ADD(steer, udp_any)
{
	.protocol = IPPROTO_UDP, .local = "0.0.0.0",
};

FIXTURE_VARIANT_ADD(steer, tcp_ipv6)
{
	.protocol = IPPROTO_TCP, .local = "::1", .v6only = true,
};

FIXTURE_VARIANT_ADD(steer, tcp_ipv6_any)
{
	.protocol = IPPROTO_TCP, .local = "::",
	.v6only = true,
};

FIXTURE_VARIANT_ADD(steer, tcp_dual)
{
	.protocol = IPPROTO_TCP, .local = "::",
};

FIXTURE_VARIANT_ADD(steer, tcp_dual_ipv4)
{
	.protocol = IPPROTO_TCP, .local = "::",
	.client = "127.0.0.1",
};

FIXTURE_VARIANT_ADD(steer, udp_ipv6)
{
	.protocol = IPPROTO_UDP, .local = "::1", .v6only = true,
};

FIXTURE_VARIANT_ADD(steer, udp_ipv6_any)
{
	.protocol = IPPROTO_UDP, .local = "::",
	.v6only = true,
};

FIXTURE_VARIANT_ADD(steer, udp_dual)
{
	.protocol = IPPROTO_UDP, .local = "::",
};

FIXTURE_VARIANT_ADD(steer, udp_dual_ipv4)
{
	.protocol = IPPROTO_UDP, .local = "::",
	.client = "127.0.0.1",
};

FIXTURE_SETUP(steer)
{
	netns_enter();
	stage_open(&self->stage, variant->protocol, variant->local);
	self->stage.v6only = variant->v6only;
	if (variant->client)
		stage_clients(&self->stage, variant->client);
	sources_fill(self->sources, MANY);
	servers_start(&self->stage, SERVERS);
	ASSERT_EQ(0, service_add(&self->stage));
	ASSERT_STREQ("", stage_odd(&self->stage));
}

FIXTURE_TEARDOWN(steer)
{
	stage_close(&self->stage);
}

/* How many of @n answers each server gave; -1 where one is no server. */
static int shares(const int *answers, int n, int *share)
{
	int i;

	memset(share, 0, MAX_SERVERS * sizeof(*share));
	for (i = 0; i < n; i++) {
		if (answers[i] < 0)
			return -1;
		share[answers[i]]++;
	}
	return 0;
}

/* Five standard deviations of a fair draw: once in two million. */
static bool is_fair(int share, int n, uint32_t slots)
{
	double p = slots / 16384.0;
	double off = share - n * p;

	return off * off <= 25 * n * p * (1 - p);
}

TEST_F(steer, every_replica_gets_the_share_that_its_slots_say)
{
	int share[MAX_SERVERS], i;

	ASSERT_EQ(0, replicas_add(&self->stage, ALL));
	ask(&self->stage, self->sources, MANY, self->answers);
	ASSERT_EQ(0, shares(self->answers, MANY, share));
	for (i = 0; i < SERVERS; i++) {
		uint32_t slots = replica_now(&self->stage, i).slots;

		EXPECT_GT(share[i], 0);
		EXPECT_TRUE(is_fair(share[i], MANY, slots))
			TH_LOG("r%d: %d of %d flows by %u slots", i, share[i],
			       MANY, slots);
	}
	EXPECT_EQ(MANY, served(&self->stage));
	EXPECT_STREQ("", stage_odd(&self->stage));
}

TEST_F(steer, weights_give_shares)
{
	static const uint32_t weight[SERVERS] = { 1, 1, 2, 4 };
	int share[MAX_SERVERS], i;

	for (i = 0; i < SERVERS; i++)
		self->stage.server[i].weight = weight[i];
	ASSERT_EQ(0, replicas_add(&self->stage, ALL));
	ASSERT_STREQ("", stage_odd(&self->stage));

	ask(&self->stage, self->sources, MANY, self->answers);
	ASSERT_EQ(0, shares(self->answers, MANY, share));
	for (i = 0; i < SERVERS; i++) {
		uint32_t slots = replica_now(&self->stage, i).slots;

		/* A ring is not exact: its points lie at random. */
		EXPECT_GT(slots, 16384 * weight[i] / 8 * 6 / 10);
		EXPECT_LT(slots, 16384 * weight[i] / 8 * 14 / 10);
		EXPECT_TRUE(is_fair(share[i], MANY, slots))
			TH_LOG("r%d: %d of %d flows by %u slots", i, share[i],
			       MANY, slots);
	}
}

TEST_F(steer, the_same_client_always_gets_the_same_replica)
{
	int i, round;

	ASSERT_EQ(0, replicas_add(&self->stage, ALL));
	ask(&self->stage, self->sources, FLOWS, self->answers);
	for (round = 0; round < 3; round++) {
		ask(&self->stage, self->sources, FLOWS, self->others);
		for (i = 0; i < FLOWS; i++) {
			ASSERT_LE(0, self->answers[i]);
			ASSERT_EQ(self->answers[i], self->others[i]);
		}
	}
	for (i = 0; i < 20; i++)
		ASSERT_EQ(self->answers[0],
			  ask_one(&self->stage, self->sources[0]));
	EXPECT_EQ(4 * FLOWS + 20, served(&self->stage));
}

static bool same_counters(struct chring_service a, struct chring_service b)
{
	return a.picks == b.picks && a.migrated == b.migrated &&
	       a.passed_over == b.passed_over && a.refused == b.refused;
}

TEST_F(steer, lookup_says_what_happens_and_counts_nothing)
{
	struct chring_service before, after;
	int i;

	ASSERT_EQ(0, replicas_add(&self->stage, ALL));
	ask(&self->stage, self->sources, FLOWS, self->answers);
	before = service_now(&self->stage);
	lookup(&self->stage, self->sources, FLOWS, self->others);
	after = service_now(&self->stage);
	for (i = 0; i < FLOWS; i++) {
		ASSERT_LE(0, self->answers[i]);
		ASSERT_EQ(self->answers[i], self->others[i]);
	}
	EXPECT_TRUE(same_counters(before, after));
	EXPECT_EQ(FLOWS, served(&self->stage));

	/* Nor where there is nobody. */
	ASSERT_EQ(0, replicas_del(&self->stage, ALL));
	lookup(&self->stage, self->sources, FLOWS, self->others);
	for (i = 0; i < FLOWS; i++)
		ASSERT_EQ(-ECONNREFUSED, self->others[i]);
	EXPECT_TRUE(same_counters(before, service_now(&self->stage)));
	EXPECT_STREQ("", stage_odd(&self->stage));
}

/*
 * The kernel may ask twice for a datagram; for a SYN it does not. It asks for
 * other segments too where there is no connection, so connections stay open
 * until all is counted.
 */
static bool picks_are(const struct stage *stage, uint64_t picks, uint64_t flows)
{
	if (stage->protocol == IPPROTO_TCP)
		return picks == flows;
	return picks >= flows && picks <= 2 * flows;
}

TEST_F(steer, picks_are_the_flows)
{
	struct chring_service service;
	int share[MAX_SERVERS], i;
	uint64_t sum = 0;

	ASSERT_EQ(0, replicas_add(&self->stage, ALL));
	service = service_now(&self->stage);
	EXPECT_EQ(0U, service.picks);
	clients_open(&self->stage, self->sources, FLOWS, self->clients,
		     self->answers);
	ASSERT_EQ(0, shares(self->answers, FLOWS, share));
	for (i = 0; i < SERVERS; i++) {
		struct chring_replica replica = replica_now(&self->stage, i);

		EXPECT_TRUE(picks_are(&self->stage, replica.picks, share[i]))
			TH_LOG("r%d: %llu picks, %d flows", i,
			       (unsigned long long)replica.picks, share[i]);
		EXPECT_EQ(0U, replica.migrated);
		EXPECT_EQ(0U, replica.passed_over);
		EXPECT_EQ(share[i], (int)self->stage.tally->served[i]);
		sum += replica.picks;
	}
	service = service_now(&self->stage);
	EXPECT_EQ(sum, service.picks);
	EXPECT_EQ(0U, service.migrated);
	EXPECT_EQ(0U, service.passed_over);
	EXPECT_EQ(0U, service.refused);
	EXPECT_STREQ("", stage_odd(&self->stage));
}

TEST_F(steer, totals_go_on_when_a_replica_is_gone)
{
	uint64_t picks;

	ASSERT_EQ(0, replicas_add(&self->stage, ALL));
	clients_open(&self->stage, self->sources, FEW, self->clients,
		     self->answers);
	picks = service_now(&self->stage).picks;
	EXPECT_TRUE(picks_are(&self->stage, picks, FEW));

	/* One that is removed. */
	ASSERT_LT(0U, replica_now(&self->stage, 0).picks);
	ASSERT_EQ(0, replicas_del(&self->stage, 1 << 0));
	ASSERT_STREQ("", stage_odd(&self->stage));
	EXPECT_EQ(picks, service_now(&self->stage).picks);
	clients_open(&self->stage, self->sources + FEW, FEW,
		     self->clients + FEW, self->answers);
	picks = service_now(&self->stage).picks;
	EXPECT_TRUE(picks_are(&self->stage, picks, 2 * FEW));

	/* One that dies. */
	ASSERT_LT(0U, replica_now(&self->stage, 1).picks);
	server_close(&self->stage, 1);
	ASSERT_TRUE(wait_until(replica_is_gone(&self->stage, 1)));
	ASSERT_STREQ("", stage_odd(&self->stage));
	EXPECT_EQ(picks, service_now(&self->stage).picks);
	clients_open(&self->stage, self->sources + 2 * FEW, FEW,
		     self->clients + 2 * FEW, self->answers);
	picks = service_now(&self->stage).picks;
	EXPECT_TRUE(picks_are(&self->stage, picks, 3 * FEW));

	/* The same name begins anew. */
	ASSERT_EQ(0, replicas_add(&self->stage, 1 << 0));
	EXPECT_EQ(0U, replica_now(&self->stage, 0).picks);
	EXPECT_EQ(picks, service_now(&self->stage).picks);
	EXPECT_STREQ("", stage_odd(&self->stage));
	EXPECT_EQ(3 * FEW, served(&self->stage));
}

/*
 * Flows of a dead replica count as passed over until the sweep takes it away,
 * within a tenth of a second: where the machine was too slow to ask before,
 * it is done again.
 */
TEST_F_TIMEOUT(steer, a_dead_replica_is_passed_over, 600)
{
	struct chring_service before, after;
	struct chring_replica dead;
	uint16_t chosen[8];
	int attempt, wanted, i, n;

	ASSERT_EQ(0, replicas_add(&self->stage, ALL));
	/* Where a few take longer than until the sweep, one may not */
	for (attempt = 0; attempt < 100; attempt++) {
		wanted = attempt < 3 ? 8 : 1;
		lookup(&self->stage, self->sources, FLOWS, self->others);
		for (i = 0, n = 0; i < FLOWS && n < wanted; i++)
			if (!self->others[i])
				chosen[n++] = self->sources[i];
		ASSERT_EQ(wanted, n);
		before = service_now(&self->stage);
		server_kill(&self->stage, 0);
		clients_open(&self->stage, chosen, n, self->clients,
			     self->answers);
		for (i = 0; i < n; i++)
			ASSERT_LT(0, self->answers[i]);
		if (replica_died(&self->stage, 0, &dead))
			break;
		ASSERT_TRUE(replica_is_gone(&self->stage, 0));
		clients_close(&self->stage, self->clients, n);
		server_start(&self->stage, 0);
		ASSERT_EQ(0, replicas_add(&self->stage, 1 << 0));
	}
	ASSERT_LT(attempt, 100);
	EXPECT_TRUE(picks_are(&self->stage, dead.passed_over, n));
	ASSERT_TRUE(wait_until(replica_is_gone(&self->stage, 0)));
	after = service_now(&self->stage);
	EXPECT_TRUE(picks_are(&self->stage, after.passed_over -
			      before.passed_over, n));
	EXPECT_TRUE(picks_are(&self->stage, after.picks - before.picks, n));
	EXPECT_EQ(0U, after.refused);
	EXPECT_STREQ("", stage_odd(&self->stage));
}

TEST_F(steer, an_unregistered_socket_of_the_port_gets_nothing)
{
	int i;

	/* One was there before, one comes now. */
	ASSERT_EQ(0, replicas_add(&self->stage, 0x7));
	server_start(&self->stage, 4);
	ask(&self->stage, self->sources, FLOWS, self->answers);
	for (i = 0; i < FLOWS; i++) {
		ASSERT_LE(0, self->answers[i]);
		ASSERT_GT(3, self->answers[i]);
	}
	EXPECT_EQ(0U, self->stage.tally->served[3]);
	EXPECT_EQ(0U, self->stage.tally->served[4]);
	EXPECT_EQ(0U, self->stage.tally->accepted[3]);
	EXPECT_EQ(0U, self->stage.tally->accepted[4]);
	EXPECT_EQ(FLOWS, served(&self->stage));

	/* That they leave makes no difference. */
	memcpy(self->others, self->answers, sizeof(self->others));
	server_kill(&self->stage, 3);
	server_kill(&self->stage, 4);
	ask(&self->stage, self->sources, FLOWS, self->answers);
	for (i = 0; i < FLOWS; i++)
		ASSERT_EQ(self->others[i], self->answers[i]);
	EXPECT_STREQ("", stage_odd(&self->stage));
}

TEST_HARNESS_MAIN
