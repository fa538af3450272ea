// SPDX-License-Identifier: GPL-2.0
/* Edges of TCP: see edge.h. */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "edge.h"

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

FIXTURE(tcp)
{
	struct edge edge;
};

FIXTURE_VARIANT(tcp)
{
	int family;
	bool steered;
};

FIXTURE_VARIANT_ADD(tcp, v4_plain)
{
	.family = AF_INET,
};

FIXTURE_VARIANT_ADD(tcp, v4_chring)
{
	.family = AF_INET, .steered = true,
};

FIXTURE_VARIANT_ADD(tcp, v6_plain)
{
	.family = AF_INET6,
};

FIXTURE_VARIANT_ADD(tcp, v6_chring)
{
	.family = AF_INET6, .steered = true,
};

FIXTURE_SETUP(tcp)
{
	edge_open(&self->edge, IPPROTO_TCP, variant->family, variant->steered);
}

FIXTURE_TEARDOWN(tcp)
{
	EXPECT_STREQ("", edge_close(&self->edge));
}

TEST_F(tcp, a_syn)
{
	struct edge *edge = &self->edge;

	ASSERT_EQ(0, edge_serve(edge));
	edge_ask(edge);
	EXPECT_EDGE(edge, "nothing special", edge_wanted(edge));
}

/* The last ACK of the handshake is looked up again, without a trace of it. */
TEST_F(tcp, syn_cookies)
{
	struct edge *edge = &self->edge;
	long before;

	edge_sysctl("ipv4/tcp_syncookies", "2");
	ASSERT_EQ(0, edge_serve(edge));
	before = edge_counter("TcpExt", "SyncookiesRecv");
	edge_ask(edge);
	/* More where the data comes before the socket that its ACK made. */
	EXPECT_LE(before + EDGE_FLOWS,
		  edge_counter("TcpExt", "SyncookiesRecv"));
	EXPECT_EDGE(edge, "SYN cookies", edge_wanted(edge));
}

/*
 * Clients are connected, and no server knows: their ACKs were dropped. Then a
 * server dies, and the first data brings the cookies to the others.
 */
TEST_F(tcp, syn_cookies_of_a_server_that_dies)
{
	struct edge *edge = &self->edge;
	int clients[EDGE_FLOWS], i;

	edge_sysctl("ipv4/tcp_syncookies", "2");
	ASSERT_EQ(0, edge_serve(edge));
	edge_shell("nft add table inet t;"
		   "nft add chain inet t in '{ type filter hook input priority 0; }';"
		   "nft add rule inet t in tcp dport %d tcp 'flags & (syn|ack) == ack' drop",
		   STAGE_PORT);
	for (i = 0; i < EDGE_FLOWS; i++) {
		clients[i] = client_open(&edge->stage, edge->sources[i]);
		ASSERT_EQ(0, client_connect(&edge->stage, clients[i]));
	}
	server_kill(&edge->stage, 0);
	if (edge->steered) {
		ASSERT_TRUE(wait_until(replica_is_gone(&edge->stage, 0)));
		edge_foretell(edge);
	}
	edge_shell("nft delete table inet t");
	clients_ask(&edge->stage, clients, EDGE_FLOWS, edge->answers);
	EXPECT_EQ(0, edge_count(edge, 0));
	EXPECT_EDGE(edge, "SYN cookies, a server dies before the ACK",
		    edge_wanted(edge));
}

/* The data comes in the SYN, with a cookie that any server may have given. */
static int ask_in_syn(struct stage *stage, int fd)
{
	uint8_t answer;

	if (sendto(fd, "?", 1, MSG_FASTOPEN, &stage->remote.sa,
		   inet_length(&stage->remote)) != 1 ||
	    recv(fd, &answer, 1, 0) != 1)
		return -errno;
	return answer;
}

static void enable_fast_open(int fd)
{
	inet_set(fd, IPPROTO_TCP, TCP_FASTOPEN, 64);
}

TEST_F(tcp, fast_open)
{
	struct edge *edge = &self->edge;
	long before;
	int i, fd;

	edge_sysctl("ipv4/tcp_fastopen", "3");
	edge->stage.prepare = enable_fast_open;
	ASSERT_EQ(0, edge_serve(edge));
	fd = client_open(&edge->stage, 0);
	ASSERT_LE(0, ask_in_syn(&edge->stage, fd));
	before = edge_counter("TcpExt", "TCPFastOpenPassive");
	if (edge->steered)
		edge_foretell(edge);
	for (i = 0; i < EDGE_FLOWS; i++) {
		fd = client_open(&edge->stage, edge->sources[i]);
		edge->answers[i] = ask_in_syn(&edge->stage, fd);
	}
	EXPECT_EQ(before + EDGE_FLOWS,
		  edge_counter("TcpExt", "TCPFastOpenPassive"));
	EXPECT_EDGE(edge, "Fast Open", edge_wanted(edge));
}

static long time_waits(void)
{
	char line[256];
	FILE *file = fopen("/proc/net/sockstat", "re");
	long n = -1;

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "TCP: %*s %*d %*s %*d tw %ld", &n) == 1)
			break;
	if (file)
		fclose(file);
	return n;
}

/* Do clients still have sockets on their ports, if only to see an ACK? */
static bool clients_linger(void)
{
	static const char * const paths[] = {
		"/proc/net/tcp", "/proc/net/tcp6"
	};
	char line[256];
	unsigned int i, port, n = 0;
	FILE *file;

	for (i = 0; i < 2; i++) {
		file = fopen(paths[i], "re");
		while (file && fgets(line, sizeof(line), file))
			if (sscanf(line, " %*d: %*[0-9A-F]:%x", &port) == 1 &&
			    port >= FIRST_SOURCE &&
			    port < FIRST_SOURCE + EDGE_FLOWS)
				n++;
		if (file)
			fclose(file);
	}
	return n;
}

static bool all_in_time_wait(void)
{
	return time_waits() == EDGE_FLOWS && !clients_linger();
}

/* So that the servers' ends stay there, though a late segment be reset. */
static void keep_time_waits(struct edge *edge)
{
	edge->stage.orderly = true;
	edge_sysctl("ipv4/tcp_rfc1337", "1");
}

/* The server's end is in TIME_WAIT, and the client comes again from its port. */
TEST_F(tcp, time_wait_reuse)
{
	struct edge *edge = &self->edge;

	keep_time_waits(edge);
	ASSERT_EQ(0, edge_serve(edge));
	edge_ask(edge);
	ASSERT_STREQ(edge_wanted(edge), edge_result(edge));
	ASSERT_TRUE(wait_until(all_in_time_wait()))
		TH_LOG("%ld in TIME_WAIT", time_waits());
	edge_ask(edge);
	EXPECT_EDGE(edge, "again from a port in TIME_WAIT", edge_wanted(edge));
}

TEST_F(tcp, time_wait_reuse_of_a_server_that_died)
{
	struct edge *edge = &self->edge;

	keep_time_waits(edge);
	ASSERT_EQ(0, edge_serve(edge));
	edge_ask(edge);
	ASSERT_TRUE(wait_until(all_in_time_wait()))
		TH_LOG("%ld in TIME_WAIT", time_waits());
	server_kill(&edge->stage, 0);
	if (edge->steered)
		ASSERT_TRUE(wait_until(replica_is_gone(&edge->stage, 0)));
	edge_ask(edge);
	EXPECT_EQ(0, edge_count(edge, 0));
	EXPECT_EDGE(edge, "the same, after a server died", edge_wanted(edge));
}

/* How many connections wait at a listener. */
static int backlog(struct stage *stage, int server)
{
	int fd = server_socket_copy(stage, server);
	struct tcp_info info;
	socklen_t length = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length))
		err(1, "TCP_INFO");
	close(fd);
	return info.tcpi_unacked;
}

/*
 * Of a server that dies: what it has accepted is lost in any case, what waits
 * need not be.
 */
TEST_F(tcp, connections_not_accepted)
{
	struct edge *edge = &self->edge;
	struct stage *stage = &edge->stage;
	int clients[EDGE_FLOWS], i, before, waiting, lost = 0;
	const char *cell = "some lost";

	edge_sysctl("ipv4/tcp_migrate_req", "0");
	ASSERT_EQ(0, edge_serve(edge));
	before = served(stage);
	server_hold(stage, 0);
	for (i = 0; i < EDGE_FLOWS; i++) {
		clients[i] = client_open(stage, edge->sources[i]);
		ASSERT_EQ(0, client_connect(stage, clients[i]));
		ASSERT_EQ(1, send(clients[i], "?", 1, 0));
	}
	ASSERT_TRUE(wait_until(served(stage) + backlog(stage, 0) ==
			       before + EDGE_FLOWS));
	waiting = backlog(stage, 0);
	ASSERT_LT(0, waiting);
	server_kill(stage, 0);
	if (edge->steered)
		ASSERT_TRUE(wait_until(replica_is_gone(stage, 0)));
	for (i = 0; i < EDGE_FLOWS; i++) {
		uint8_t answer;

		lost += recv(clients[i], &answer, 1, 0) != 1;
	}
	if (!lost)
		cell = "none lost";
	else if (lost == waiting)
		cell = "all lost";
	edge_tell(edge, "connections that a server dies before accepting",
		  cell);
	EXPECT_STREQ(edge->steered ? "none lost" : "all lost", cell);
}

TEST_F(tcp, mptcp_listener)
{
	struct edge *edge = &self->edge;
	int ret;

	edge->stage.server_as = IPPROTO_MPTCP;
	ret = edge_serve(edge);
	if (!edge->steered) {
		ASSERT_EQ(0, ret);
		edge_ask(edge);
		EXPECT_EDGE(edge, "MPTCP server", edge_wanted(edge));
		return;
	}
	EXPECT_EQ(-EPROTOTYPE, ret);
	edge_tell(edge, "MPTCP server", strerrorname_np(-ret));
}

TEST_F(tcp, mptcp_client)
{
	struct edge *edge = &self->edge;

	ASSERT_EQ(0, edge_serve(edge));
	edge->stage.client_as = IPPROTO_MPTCP;
	edge_ask(edge);
	EXPECT_EDGE(edge, "MPTCP client of a TCP server", edge_wanted(edge));
}

TEST_HARNESS_MAIN
