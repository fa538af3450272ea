// SPDX-License-Identifier: GPL-2.0
/*
 * What a listener had not accepted yet when its process died is served by the
 * other replicas: connections, and handshakes on their way.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "steer_util.h"

#define SERVERS	4
#define ALL	0xf
#define CLIENTS	200

FIXTURE(migrate)
{
	struct stage stage;
	uint16_t sources[CLIENTS];
	int clients[CLIENTS];
	int answers[CLIENTS];
};

FIXTURE_VARIANT(migrate)
{
	const char *local;
	const char *client;	/* where that is not of the loopback's family */
	bool v6only;
};

FIXTURE_VARIANT_ADD(migrate, tcp)
{
	.local = "127.0.0.1",
};

FIXTURE_VARIANT_ADD(migrate, tcp_any)
{
	.local = "0.0.0.0",
};

FIXTURE_VARIANT_ADD(migrate, tcp_ipv6)
{
	.local = "::1", .v6only = true,
};

FIXTURE_VARIANT_ADD(migrate, tcp_ipv6_any)
{
	.local = "::", .v6only = true,
};

FIXTURE_VARIANT_ADD(migrate, tcp_dual)
{
	.local = "::",
};

FIXTURE_VARIANT_ADD(migrate, tcp_dual_ipv4)
{
	.local = "::", .client = "127.0.0.1",
};

FIXTURE_SETUP(migrate)
{
	netns_enter();
	stage_open(&self->stage, IPPROTO_TCP, variant->local);
	self->stage.v6only = variant->v6only;
	if (variant->client)
		stage_clients(&self->stage, variant->client);
	servers_start(&self->stage, SERVERS);
	ASSERT_EQ(0, service_add(&self->stage));
}

FIXTURE_TEARDOWN(migrate)
{
	stage_close(&self->stage);
}

/* Source ports of @n flows that are server 0's. */
static void choose(struct stage *stage, uint16_t *sources, int n)
{
	uint16_t source = FIRST_SOURCE;
	int answer;

	while (n) {
		lookup(stage, &source, 1, &answer);
		if (!answer)
			sources[--n] = source;
		source++;
	}
}

static int drop_all(int client)
{
	struct sock_filter none = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog prog = { .len = 1, .filter = &none };

	return setsockopt(client, SOL_SOCKET, SO_ATTACH_FILTER, &prog,
			  sizeof(prog));
}

static int drop_none(int client)
{
	int unused = 0;

	return setsockopt(client, SOL_SOCKET, SO_DETACH_FILTER, &unused,
			  sizeof(unused));
}

static int blocking(int client, bool on)
{
	return fcntl(client, F_SETFL, on ? 0 : O_NONBLOCK);
}

/* Connections that wait in the queue of a server that accepts none. */
static int connect_all(struct stage *stage, const uint16_t *sources,
		       int *clients)
{
	int i, failed = 0;

	for (i = 0; i < CLIENTS; i++) {
		clients[i] = client_open(stage, sources[i]);
		failed += !!client_connect(stage, clients[i]);
	}
	return failed;
}

/* Handshakes without an end: the clients do not see the SYN-ACK. */
static int begin_all(struct stage *stage, const uint16_t *sources, int *clients)
{
	int i, failed = 0;

	for (i = 0; i < CLIENTS; i++) {
		clients[i] = client_open(stage, sources[i]);
		failed += drop_all(clients[i]) || blocking(clients[i], false) ||
			  client_connect(stage, clients[i]) != -EINPROGRESS;
	}
	return failed;
}

/* The clients see the next SYN-ACK, or reset. */
static int go_on_all(const int *clients)
{
	int i, failed = 0;

	for (i = 0; i < CLIENTS; i++)
		failed += drop_none(clients[i]) || blocking(clients[i], true);
	return failed;
}

/* What became of the handshakes: how many failed with @error. */
static int connect_errors(const int *clients, int error)
{
	int i, so_error, n = 0;
	socklen_t length = sizeof(so_error);

	for (i = 0; i < CLIENTS; i++) {
		struct pollfd done = { clients[i], POLLOUT, 0 };

		if (poll(&done, 1, PATIENCE_MS) == 1 &&
		    !getsockopt(clients[i], SOL_SOCKET, SO_ERROR, &so_error,
				&length))
			n += so_error == error;
	}
	return n;
}

/* How many questions were answered, each by another than server 0. */
static int answers_of_others(const int *answers)
{
	int i, n = 0;

	for (i = 0; i < CLIENTS; i++)
		n += answers[i] > 0;
	return n;
}

static int answers_that_are(const int *answers, int answer)
{
	int i, n = 0;

	for (i = 0; i < CLIENTS; i++)
		n += answers[i] == answer;
	return n;
}

/* Connections in the queue of server 0's listener. */
static uint32_t queued(struct stage *stage)
{
	struct tcp_info info = {};
	socklen_t length = sizeof(info);
	int fd = server_socket_copy(stage, 0);

	getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length);
	close(fd);
	return info.tcpi_unacked;
}

/*
 * The survivors took over everything, and count it. For a handshake the kernel
 * asks again where the first attempt came to nothing.
 */
static bool migrated_by_others(struct stage *stage)
{
	uint64_t sum = 0;
	int i;

	for (i = 1; i < SERVERS; i++)
		sum += replica_now(stage, i).migrated;
	return sum >= CLIENTS && service_now(stage).migrated == sum;
}

static unsigned long accepted_by_others(const struct stage *stage)
{
	return stage->tally->accepted[1] + stage->tally->accepted[2] +
	       stage->tally->accepted[3];
}

/* Server 0 is dead: all is as it must be with the others. */
static void others_serve(struct __test_metadata *_metadata,
			 FIXTURE_DATA(migrate) * self)
{
	clients_ask(&self->stage, self->clients, CLIENTS, self->answers);
	EXPECT_EQ(CLIENTS, answers_of_others(self->answers));
	EXPECT_EQ(CLIENTS, served(&self->stage));
	EXPECT_EQ(0U, self->stage.tally->accepted[0]);
	EXPECT_EQ(CLIENTS + 0U, accepted_by_others(&self->stage));
	EXPECT_TRUE(migrated_by_others(&self->stage));
	ASSERT_TRUE(wait_until(replica_is_gone(&self->stage, 0)));
	EXPECT_STREQ("", stage_odd(&self->stage));
	/* Established, they are like any other. */
	clients_ask(&self->stage, self->clients, CLIENTS, self->answers);
	EXPECT_EQ(CLIENTS, answers_of_others(self->answers));
	EXPECT_TRUE(migrated_by_others(&self->stage));
	EXPECT_EQ(0U, service_now(&self->stage).refused);
}

static void unaccepted(struct __test_metadata *_metadata,
		       FIXTURE_DATA(migrate) * self)
{
	server_hold(&self->stage, 0);
	choose(&self->stage, self->sources, CLIENTS);
	ASSERT_EQ(0, connect_all(&self->stage, self->sources, self->clients));
	ASSERT_TRUE(wait_until(queued(&self->stage) == CLIENTS));
	EXPECT_EQ(CLIENTS + 0U, service_now(&self->stage).picks);
}

static void half_open(struct __test_metadata *_metadata,
		      FIXTURE_DATA(migrate) * self)
{
	choose(&self->stage, self->sources, CLIENTS);
	ASSERT_EQ(0, begin_all(&self->stage, self->sources, self->clients));
	ASSERT_TRUE(wait_until(service_now(&self->stage).picks == CLIENTS));
}

static void deferred(struct __test_metadata *_metadata,
		     FIXTURE_DATA(migrate) * self)
{
	int i;

	for (i = 0; i < SERVERS; i++)
		server_defer(&self->stage, i);
	choose(&self->stage, self->sources, CLIENTS);
	ASSERT_EQ(0, connect_all(&self->stage, self->sources, self->clients));
	EXPECT_EQ(CLIENTS + 0U, service_now(&self->stage).picks);
	EXPECT_EQ(0U, queued(&self->stage));
	EXPECT_EQ(0U, self->stage.tally->accepted[0]);
}

TEST_F(migrate, unaccepted_connections_survive_the_kill_of_their_listener)
{
	ASSERT_EQ(0, replicas_add(&self->stage, ALL));
	unaccepted(_metadata, self);
	server_kill(&self->stage, 0);
	others_serve(_metadata, self);
}

TEST_F(migrate, unaccepted_connections_survive_the_close_of_their_listener)
{
	ASSERT_EQ(0, replicas_add(&self->stage, ALL));
	unaccepted(_metadata, self);
	server_close(&self->stage, 0);
	others_serve(_metadata, self);
}

TEST_F_TIMEOUT(migrate, half_open_ones_survive_the_kill_of_their_listener, 600)
{
	ASSERT_EQ(0, replicas_add(&self->stage, ALL));
	half_open(_metadata, self);
	server_kill(&self->stage, 0);
	ASSERT_EQ(0, go_on_all(self->clients));
	ASSERT_EQ(CLIENTS, connect_errors(self->clients, 0));
	others_serve(_metadata, self);
}

TEST_F(migrate, deferred_ones_survive_the_kill_of_their_listener)
{
	ASSERT_EQ(0, replicas_add(&self->stage, ALL));
	deferred(_metadata, self);
	server_kill(&self->stage, 0);
	others_serve(_metadata, self);
}

/* The other servers have the port too, but are no replicas. */
static void nobody_serves(struct __test_metadata *_metadata,
			  FIXTURE_DATA(migrate) * self)
{
	ASSERT_TRUE(wait_until(replica_is_gone(&self->stage, 0)));
	EXPECT_EQ(0U, service_now(&self->stage).migrated);
	EXPECT_EQ(0, served(&self->stage));
	EXPECT_EQ(0U, accepted_by_others(&self->stage));
	EXPECT_STREQ("", stage_odd(&self->stage));
}

TEST_F(migrate, without_a_survivor_unaccepted_connections_are_reset)
{
	ASSERT_EQ(0, replicas_add(&self->stage, 1 << 0));
	unaccepted(_metadata, self);
	server_kill(&self->stage, 0);
	EXPECT_EQ(CLIENTS, connect_errors(self->clients, ECONNRESET));
	nobody_serves(_metadata, self);
}

TEST_F_TIMEOUT(migrate, without_a_survivor_half_open_ones_are_refused, 600)
{
	ASSERT_EQ(0, replicas_add(&self->stage, 1 << 0));
	half_open(_metadata, self);
	server_kill(&self->stage, 0);
	ASSERT_EQ(0, go_on_all(self->clients));
	EXPECT_EQ(CLIENTS, connect_errors(self->clients, ECONNREFUSED));
	nobody_serves(_metadata, self);
}

TEST_F(migrate, without_a_survivor_deferred_ones_are_reset)
{
	ASSERT_EQ(0, replicas_add(&self->stage, 1 << 0));
	deferred(_metadata, self);
	server_kill(&self->stage, 0);
	clients_ask(&self->stage, self->clients, CLIENTS, self->answers);
	EXPECT_EQ(CLIENTS, answers_that_are(self->answers, -ECONNRESET));
	nobody_serves(_metadata, self);
}

TEST_HARNESS_MAIN
