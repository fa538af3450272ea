// SPDX-License-Identifier: GPL-2.0
/* The states of a replica's life, and what leads from one to another. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "steer_util.h"

#define SERVERS	4
#define ALL	0xf
#define FLOWS	64
#define SLOTS	16384

/* Seconds: it does not end before the test, and it ends soon. */
#define LONG	3600
#define SHORT	1

/* Connections that a server can have waiting, where that is to be few. */
#define FEW	3

FIXTURE(life)
{
	struct stage stage;
	uint16_t sources[FLOWS];
	int before[FLOWS];
	int after[FLOWS];
};

FIXTURE_VARIANT(life)
{
	int protocol;
};

FIXTURE_VARIANT_ADD(life, tcp)
{
	.protocol = IPPROTO_TCP,
};

FIXTURE_VARIANT_ADD(life, udp)
{
	.protocol = IPPROTO_UDP,
};

FIXTURE_SETUP(life)
{
	netns_enter();
	stage_open(&self->stage, variant->protocol, "127.0.0.1");
	sources_fill(self->sources, FLOWS);
	servers_start(&self->stage, SERVERS);
	ASSERT_EQ(0, service_add(&self->stage));
	ASSERT_EQ(0, replicas_add(&self->stage, ALL));
	ask(&self->stage, self->sources, FLOWS, self->before);
}

FIXTURE_TEARDOWN(life)
{
	stage_close(&self->stage);
}

/* All flows of @server, and no others, are elsewhere. */
static bool only_left(const int *before, const int *after, int server)
{
	int i, moved = 0;

	for (i = 0; i < FLOWS; i++) {
		bool was_its = before[i] == server;
		bool has_moved = before[i] != after[i];

		if (was_its != has_moved || after[i] < 0) {
			ksft_print_msg("flow %d: %d, then %d\n", i, before[i],
				       after[i]);
			return false;
		}
		moved += has_moved;
	}
	return moved;
}

static bool same(const int *before, const int *after)
{
	return !memcmp(before, after, FLOWS * sizeof(*before));
}

static bool is(struct stage *stage, int server, uint32_t state)
{
	return replica_now(stage, server).state == state;
}

static uint16_t source_of(const uint16_t *sources, const int *answers,
			  int server)
{
	int i;

	for (i = 0; i < FLOWS; i++)
		if (answers[i] == server)
			return sources[i];
	return 0;
}

/*
 * Something waits in server 1's socket, until server_accept(). Returns its
 * client, whose port is none of the flows'.
 */
static int leave_waiting(struct stage *stage)
{
	uint16_t source = FIRST_SOURCE + FLOWS;
	int client, server;

	for (;; source++) {
		lookup(stage, &source, 1, &server);
		if (server == 1)
			break;
	}
	server_hold(stage, 1);
	client = client_open(stage, source);
	if (client_connect(stage, client))
		return -1;
	if (stage->protocol == IPPROTO_UDP && send(client, "", 1, 0) != 1)
		return -1;
	return client;
}

static int grace(struct stage *stage, uint32_t seconds)
{
	return chring_service_set_grace(stage->chring, stage->service, seconds);
}

static int drain(struct stage *stage, int server, uint32_t seconds)
{
	char name[] = { 'r', '0' + server, '\0' };

	return chring_replica_drain(stage->chring, stage->service, name,
				    seconds);
}

static int up(struct stage *stage, int server)
{
	char name[] = { 'r', '0' + server, '\0' };

	return chring_replica_up(stage->chring, stage->service, name);
}

/* Adds the socket of @server as the replica of server 1. */
static int add_as_1(struct stage *stage, int server, bool replace,
		    uint32_t ramp)
{
	struct chring_replica_request request = {
		.name = "r1",
		.fd = server_socket_copy(stage, server),
		.replace = replace,
		.ramp = ramp,
	};
	int ret;

	ret = chring_replica_new(stage->chring, stage->service, &request, 1);
	close(request.fd);
	return ret;
}

/* A replica that leaves and comes has what it had, but perhaps other flows. */
TEST_F(life, from_new_to_up_it_has_its_share)
{
	ASSERT_EQ(0, replicas_del(&self->stage, 1 << 1));
	EXPECT_TRUE(replica_is_gone(&self->stage, 1));
	ask(&self->stage, self->sources, FLOWS, self->after);
	EXPECT_TRUE(only_left(self->before, self->after, 1));
	ASSERT_EQ(0, replicas_add(&self->stage, 1 << 1));
	EXPECT_TRUE(is(&self->stage, 1, CHRING_REPLICA_UP));
	EXPECT_EQ(SLOTS / SERVERS, (int)replica_now(&self->stage, 1).slots);
	EXPECT_STREQ("", stage_odd(&self->stage));
}

TEST_F(life, from_up_to_draining_and_back)
{
	int client;

	client = leave_waiting(&self->stage);
	ASSERT_LE(0, client);
	ASSERT_EQ(0, drain(&self->stage, 1, LONG));
	EXPECT_TRUE(is(&self->stage, 1, CHRING_REPLICA_DRAINING));
	ask(&self->stage, self->sources, FLOWS, self->after);
	EXPECT_TRUE(only_left(self->before, self->after, 1));

	ASSERT_EQ(0, up(&self->stage, 1));
	EXPECT_TRUE(is(&self->stage, 1, CHRING_REPLICA_UP));
	server_accept(&self->stage, 1);
	ask(&self->stage, self->sources, FLOWS, self->after);
	EXPECT_TRUE(same(self->before, self->after));
	close(client);
}

TEST_F(life, from_draining_to_gone_when_nothing_waits)
{
	int client, early[FLOWS];

	client = leave_waiting(&self->stage);
	ASSERT_LE(0, client);
	ASSERT_EQ(0, drain(&self->stage, 1, LONG));
	ask(&self->stage, self->sources, FLOWS, early);
	/* The sweep has been, several times. */
	usleep(500000);
	ASSERT_TRUE(is(&self->stage, 1, CHRING_REPLICA_DRAINING));

	server_accept(&self->stage, 1);
	ASSERT_TRUE(wait_until(replica_is_gone(&self->stage, 1)));
	EXPECT_STREQ("", stage_odd(&self->stage));
	ask(&self->stage, self->sources, FLOWS, self->after);
	EXPECT_TRUE(only_left(self->before, self->after, 1));
	EXPECT_TRUE(same(early, self->after));
	close(client);
}

TEST_F(life, from_draining_to_gone_when_time_is_over)
{
	int client;

	client = leave_waiting(&self->stage);
	ASSERT_LE(0, client);
	ASSERT_EQ(0, drain(&self->stage, 1, SHORT));
	ASSERT_TRUE(wait_until(replica_is_gone(&self->stage, 1)));
	EXPECT_STREQ("", stage_odd(&self->stage));
	close(client);
}

TEST_F(life, the_last_one_up_drains_and_new_flows_are_refused)
{
	int client;

	client = leave_waiting(&self->stage);
	ASSERT_LE(0, client);
	ASSERT_EQ(0, replicas_del(&self->stage, ALL & ~(1 << 1)));
	ASSERT_EQ(0, drain(&self->stage, 1, LONG));
	EXPECT_TRUE(is(&self->stage, 1, CHRING_REPLICA_DRAINING));
	EXPECT_EQ(-ECONNREFUSED,
		  ask_one(&self->stage, source_of(self->sources, self->before, 2)));
	EXPECT_TRUE(service_now(&self->stage).refused > 0);
	ASSERT_EQ(0, up(&self->stage, 1));
	server_accept(&self->stage, 1);
	EXPECT_EQ(1, ask_one(&self->stage,
			     source_of(self->sources, self->before, 2)));
	close(client);
}

TEST_F(life, from_draining_to_dead_and_gone)
{
	int client;

	client = leave_waiting(&self->stage);
	ASSERT_LE(0, client);
	/* No grace for one that is to go anyway. */
	ASSERT_EQ(0, grace(&self->stage, LONG));
	ASSERT_EQ(0, drain(&self->stage, 1, LONG));
	server_kill(&self->stage, 1);
	ASSERT_TRUE(wait_until(replica_is_gone(&self->stage, 1)));
	ask(&self->stage, self->sources, FLOWS, self->after);
	EXPECT_TRUE(only_left(self->before, self->after, 1));
	close(client);
}

TEST_F(life, a_new_socket_takes_the_place_of_one_that_is_up)
{
	int i;

	server_start(&self->stage, 4);
	EXPECT_EQ(-EEXIST, add_as_1(&self->stage, 4, false, 0));
	EXPECT_TRUE(replica_now(&self->stage, 1).inode ==
		    self->stage.server[1].inode);
	ASSERT_EQ(0, add_as_1(&self->stage, 4, true, 0));
	EXPECT_TRUE(replica_now(&self->stage, 1).inode ==
		    self->stage.server[4].inode);
	EXPECT_EQ(SERVERS, (int)service_now(&self->stage).replicas);

	ask(&self->stage, self->sources, FLOWS, self->after);
	for (i = 0; i < FLOWS; i++)
		EXPECT_EQ(self->before[i] == 1 ? 4 : self->before[i],
			  self->after[i]);
	/* The old one is nobody's any more. */
	server_kill(&self->stage, 1);
	usleep(300000);
	EXPECT_TRUE(is(&self->stage, 1, CHRING_REPLICA_UP));
	ask(&self->stage, self->sources, FLOWS, self->after);
	for (i = 0; i < FLOWS; i++)
		EXPECT_EQ(self->before[i] == 1 ? 4 : self->before[i],
			  self->after[i]);
}

/* With the other balance slots would keep their owner whatever its points. */
TEST_F(life, a_new_socket_has_the_points_of_the_one_before)
{
	struct stage *stage = &self->stage;
	int i;

	ASSERT_EQ(0, chring_service_set_balance(stage->chring, stage->service,
						CHRING_BALANCE_RING));
	ask(stage, self->sources, FLOWS, self->before);
	server_start(stage, 4);
	ASSERT_EQ(0, add_as_1(stage, 4, true, 0));
	ask(stage, self->sources, FLOWS, self->after);
	for (i = 0; i < FLOWS; i++)
		EXPECT_EQ(self->before[i] == 1 ? 4 : self->before[i],
			  self->after[i]);
}

TEST_F(life, who_was_replaced_does_not_remove_its_successor)
{
	struct stage *stage = &self->stage;

	server_start(stage, 4);
	ASSERT_EQ(0, add_as_1(stage, 4, true, 0));
	EXPECT_EQ(-ESTALE,
		  chring_replica_del_socket(stage->chring, stage->service, "r1",
					    stage->server[1].inode));
	EXPECT_TRUE(is(stage, 1, CHRING_REPLICA_UP));
	EXPECT_EQ(SERVERS, (int)service_now(stage).replicas);
	EXPECT_EQ(0, chring_replica_del_socket(stage->chring, stage->service,
					       "r1", stage->server[4].inode));
	EXPECT_TRUE(replica_is_gone(stage, 1));
}

TEST_F(life, who_returns_in_its_grace_has_its_flows_again)
{
	int early[FLOWS];

	ASSERT_EQ(0, grace(&self->stage, LONG));
	server_kill(&self->stage, 1);
	ASSERT_TRUE(wait_until(is(&self->stage, 1, CHRING_REPLICA_DEAD)));
	ask(&self->stage, self->sources, FLOWS, early);
	EXPECT_TRUE(only_left(self->before, early, 1));
	usleep(500000);
	EXPECT_TRUE(is(&self->stage, 1, CHRING_REPLICA_DEAD));
	EXPECT_EQ(SLOTS / SERVERS, (int)replica_now(&self->stage, 1).slots);
	EXPECT_EQ(-EBUSY, up(&self->stage, 1));
	EXPECT_EQ(-EBUSY, drain(&self->stage, 1, LONG));
	ask(&self->stage, self->sources, FLOWS, self->after);
	EXPECT_TRUE(same(early, self->after));

	server_start(&self->stage, 1);
	ASSERT_EQ(0, replicas_add(&self->stage, 1 << 1));
	EXPECT_STREQ("", stage_odd(&self->stage));
	ask(&self->stage, self->sources, FLOWS, self->after);
	EXPECT_TRUE(same(self->before, self->after));
}

TEST_F(life, when_grace_is_over_the_flows_stay_with_the_stand_ins)
{
	int early[FLOWS];

	ASSERT_EQ(0, grace(&self->stage, SHORT));
	server_kill(&self->stage, 1);
	ask(&self->stage, self->sources, FLOWS, early);
	EXPECT_TRUE(only_left(self->before, early, 1));
	ASSERT_TRUE(wait_until(replica_is_gone(&self->stage, 1)));
	EXPECT_STREQ("", stage_odd(&self->stage));
	ask(&self->stage, self->sources, FLOWS, self->after);
	EXPECT_TRUE(same(early, self->after));
}

TEST_F(life, from_dead_to_gone_by_request)
{
	int early[FLOWS];

	ASSERT_EQ(0, grace(&self->stage, LONG));
	server_kill(&self->stage, 1);
	ASSERT_TRUE(wait_until(is(&self->stage, 1, CHRING_REPLICA_DEAD)));
	ask(&self->stage, self->sources, FLOWS, early);
	ASSERT_EQ(0, replicas_del(&self->stage, 1 << 1));
	EXPECT_STREQ("", stage_odd(&self->stage));
	ask(&self->stage, self->sources, FLOWS, self->after);
	EXPECT_TRUE(same(early, self->after));
}

/* Whoever finds nobody alive is counted, as long as nobody is. */
TEST_F(life, all_dead_in_their_grace_return_to_what_they_had)
{
	uint64_t refused;
	int i;

	ASSERT_EQ(0, grace(&self->stage, LONG));
	for (i = 0; i < SERVERS; i++)
		server_kill(&self->stage, i);
	EXPECT_EQ(-ECONNREFUSED, ask_one(&self->stage, self->sources[0]));
	for (i = 0; i < SERVERS; i++)
		ASSERT_TRUE(wait_until(is(&self->stage, i,
					  CHRING_REPLICA_DEAD)));
	/* Each is told by the sweep, which has seen to the others since. */
	usleep(500000);
	refused = service_now(&self->stage).refused;
	EXPECT_EQ(-ECONNREFUSED, ask_one(&self->stage, self->sources[0]));
	EXPECT_LT(refused, service_now(&self->stage).refused);
	for (i = SERVERS - 1; i >= 0; i--) {
		server_start(&self->stage, i);
		ASSERT_EQ(0, replicas_add(&self->stage, 1 << i));
	}
	EXPECT_STREQ("", stage_odd(&self->stage));
	ask(&self->stage, self->sources, FLOWS, self->after);
	EXPECT_TRUE(same(self->before, self->after));
}

TEST_F(life, a_request_that_fails_gives_places_back)
{
	struct chring_replica_request requests[2] = {
		{ .name = "r1", .replace = true }, { .name = "r2" },
	};

	server_start(&self->stage, 4);
	requests[0].fd = server_socket_copy(&self->stage, 4);
	requests[1].fd = requests[0].fd;
	EXPECT_EQ(-EEXIST, chring_replica_new(self->stage.chring,
					      self->stage.service, requests, 2));
	requests[1] = requests[0];
	EXPECT_EQ(-EINVAL, chring_replica_new(self->stage.chring,
					      self->stage.service, requests, 2));
	requests[1].name = "r2";
	EXPECT_EQ(-EEXIST, chring_replica_new(self->stage.chring,
					      self->stage.service, requests, 2));
	close(requests[0].fd);
	EXPECT_STREQ("", stage_odd(&self->stage));
	ask(&self->stage, self->sources, FLOWS, self->after);
	EXPECT_TRUE(same(self->before, self->after));
}

/* What one that joins has now must not be less than what it had. */
static bool has_joined(struct stage *stage, uint32_t *slots, bool *fell)
{
	bool joined = !is(stage, 1, CHRING_REPLICA_JOINING);
	uint32_t now = replica_now(stage, 1).slots;

	*fell |= now < *slots;
	*slots = now;
	return joined;
}

TEST_F(life, from_joining_to_up_the_share_rises)
{
	uint32_t slots = 0;
	bool fell = false;
	int i;

	ASSERT_EQ(0, replicas_del(&self->stage, 1 << 1));
	ask(&self->stage, self->sources, FLOWS, self->before);
	ASSERT_EQ(0, add_as_1(&self->stage, 1, false, 3));
	self->stage.replicas |= 1 << 1;
	ASSERT_TRUE(wait_until(has_joined(&self->stage, &slots, &fell)));
	EXPECT_FALSE(fell);
	EXPECT_EQ(SLOTS / SERVERS, (int)replica_now(&self->stage, 1).slots);
	EXPECT_STREQ("", stage_odd(&self->stage));
	ask(&self->stage, self->sources, FLOWS, self->after);
	for (i = 0; i < FLOWS; i++)
		if (self->after[i] != 1)
			EXPECT_EQ(self->before[i], self->after[i]);
}

TEST_F(life, a_weight_that_is_set_is_had_at_once)
{
	ASSERT_EQ(0, replicas_del(&self->stage, 1 << 1));
	ASSERT_EQ(0, add_as_1(&self->stage, 1, false, LONG));
	self->stage.replicas |= 1 << 1;
	EXPECT_TRUE(is(&self->stage, 1, CHRING_REPLICA_JOINING));
	EXPECT_GT((uint32_t)(SLOTS / SERVERS / 8),
		  replica_now(&self->stage, 1).slots);
	ASSERT_EQ(0, replica_weigh(&self->stage, 1, 1));
	EXPECT_TRUE(is(&self->stage, 1, CHRING_REPLICA_UP));
	EXPECT_EQ(SLOTS / SERVERS, (int)replica_now(&self->stage, 1).slots);
}

TEST_F(life, a_new_socket_may_join_in_the_place_of_another)
{
	int client, i;

	client = leave_waiting(&self->stage);
	ASSERT_LE(0, client);
	ASSERT_EQ(0, drain(&self->stage, 1, LONG));
	server_start(&self->stage, 4);
	ASSERT_EQ(0, add_as_1(&self->stage, 4, true, LONG));
	EXPECT_TRUE(is(&self->stage, 1, CHRING_REPLICA_JOINING));
	ask(&self->stage, self->sources, FLOWS, self->after);
	for (i = 0; i < FLOWS; i++) {
		if (self->after[i] == 4)
			EXPECT_EQ(1, self->before[i]);
		if (self->before[i] != 1)
			EXPECT_EQ(self->before[i], self->after[i]);
	}
	close(client);
}

/* A queue that holds few connections, in this network namespace. */
static bool queues_hold_few(void)
{
	int fd = open("/proc/sys/net/core/somaxconn", O_WRONLY);
	char text[] = { '0' + FEW, '\0' };
	bool written = write(fd, text, 1) == 1;

	close(fd);
	return written;
}

FIXTURE(full)
{
	struct stage stage;
	uint16_t sources[FLOWS];
	int before[FLOWS];
	int after[FLOWS];
	int clients[FEW + 1];
};

FIXTURE_SETUP(full)
{
	netns_enter();
	memset(self->clients, -1, sizeof(self->clients));
	ASSERT_TRUE(queues_hold_few());
	stage_open(&self->stage, IPPROTO_TCP, "127.0.0.1");
	sources_fill(self->sources, FLOWS);
	servers_start(&self->stage, SERVERS);
	ASSERT_EQ(0, service_add(&self->stage));
	ASSERT_EQ(0, replicas_add(&self->stage, ALL));
	lookup(&self->stage, self->sources, FLOWS, self->before);
}

FIXTURE_TEARDOWN(full)
{
	int i;

	for (i = 0; i <= FEW; i++)
		close(self->clients[i]);
	stage_close(&self->stage);
}

/*
 * Connects to server 1, which does not accept, until its queue is full: one more
 * than it says. Returns the first flow that was not needed for that.
 */
static int fill(struct stage *stage, const uint16_t *sources, const int *before,
		int *clients)
{
	int i, n = 0;

	for (i = 0; i < FLOWS && n <= FEW; i++) {
		if (before[i] != 1)
			continue;
		clients[n] = client_open(stage, sources[i]);
		if (client_connect(stage, clients[n++]))
			return FLOWS;
	}
	return i;
}

TEST_F(full, from_up_to_full_and_back)
{
	int rest;

	server_hold(&self->stage, 1);
	rest = fill(&self->stage, self->sources, self->before, self->clients);
	ASSERT_GT(FLOWS, rest);
	ASSERT_TRUE(wait_until(is(&self->stage, 1, CHRING_REPLICA_FULL)));
	lookup(&self->stage, self->sources, FLOWS, self->after);
	EXPECT_TRUE(only_left(self->before, self->after, 1));

	server_accept(&self->stage, 1);
	ASSERT_TRUE(wait_until(is(&self->stage, 1, CHRING_REPLICA_UP)));
	lookup(&self->stage, self->sources, FLOWS, self->after);
	EXPECT_TRUE(same(self->before, self->after));
}

/* Those who wait in its queue have their answers when it goes on. */
TEST_F(full, a_process_that_hangs_is_passed_over_until_it_goes_on)
{
	int elsewhere[FLOWS], rest, i;
	pid_t hung = self->stage.server[1].pid;

	ASSERT_EQ(0, kill(hung, SIGSTOP));
	rest = fill(&self->stage, self->sources, self->before, self->clients);
	ASSERT_GT(FLOWS, rest);
	lookup(&self->stage, self->sources, FLOWS, elsewhere);
	EXPECT_TRUE(only_left(self->before, elsewhere, 1));
	/* One after the other, as others have short queues, too. None waits. */
	for (i = rest; i < FLOWS; i++)
		EXPECT_EQ(elsewhere[i],
			  ask_one(&self->stage, self->sources[i]));
	EXPECT_TRUE(is(&self->stage, 1, CHRING_REPLICA_FULL));
	EXPECT_TRUE(replica_now(&self->stage, 1).passed_over > 0);

	ASSERT_EQ(0, kill(hung, SIGCONT));
	for (i = 0; i <= FEW; i++)
		EXPECT_EQ(1, client_ask(&self->stage, self->clients[i]));
	ASSERT_TRUE(wait_until(is(&self->stage, 1, CHRING_REPLICA_UP)));
	EXPECT_STREQ("", stage_odd(&self->stage));
	for (i = rest; i < FLOWS; i++)
		EXPECT_EQ(self->before[i],
			  ask_one(&self->stage, self->sources[i]));
}

TEST_F(full, where_all_are_full_nobody_is_refused)
{
	int i, full[SERVERS] = { 0 };

	for (i = 0; i < SERVERS; i++)
		server_hold(&self->stage, i);
	/* Each of the first four of a server goes to it, the others elsewhere. */
	for (i = 0; i < FLOWS; i++) {
		int server = self->before[i];

		if (full[server] > FEW)
			continue;
		ASSERT_EQ(0, client_connect(&self->stage,
					    client_open(&self->stage,
							self->sources[i])));
		full[server]++;
	}
	for (i = 0; i < SERVERS; i++)
		ASSERT_TRUE(is(&self->stage, i, CHRING_REPLICA_FULL));
	lookup(&self->stage, self->sources, FLOWS, self->after);
	EXPECT_TRUE(same(self->before, self->after));
}

TEST_HARNESS_MAIN
