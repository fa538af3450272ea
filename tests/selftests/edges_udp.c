// SPDX-License-Identifier: GPL-2.0
/* Edges of UDP: see edge.h. */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "edge.h"

#define SEGMENTS	10
#define SEGMENT		100

#define MULTICAST_V4	"239.42.42.42"
#define MULTICAST_V6	"ff05::4242"

FIXTURE(udp)
{
	struct edge edge;
};

FIXTURE_VARIANT(udp)
{
	int family;
	bool steered;
};

FIXTURE_VARIANT_ADD(udp, v4_plain)
{
	.family = AF_INET,
};

FIXTURE_VARIANT_ADD(udp, v4_chring)
{
	.family = AF_INET, .steered = true,
};

FIXTURE_VARIANT_ADD(udp, v6_plain)
{
	.family = AF_INET6,
};

FIXTURE_VARIANT_ADD(udp, v6_chring)
{
	.family = AF_INET6, .steered = true,
};

FIXTURE_SETUP(udp)
{
	edge_open(&self->edge, IPPROTO_UDP, variant->family, variant->steered);
}

FIXTURE_TEARDOWN(udp)
{
	EXPECT_STREQ("", edge_close(&self->edge));
}

TEST_F(udp, a_datagram)
{
	struct edge *edge = &self->edge;

	ASSERT_EQ(0, edge_serve(edge));
	edge_ask(edge);
	EXPECT_EDGE(edge, "nothing special", edge_wanted(edge));
}

/* Each flow has a socket of its own, in the process that must not get it. */
TEST_F(udp, connected_sockets_of_a_server)
{
	struct edge *edge = &self->edge;
	char cell[64];
	int i, kept = 0;

	ASSERT_EQ(0, edge_serve(edge));
	for (i = 0; i < EDGE_FLOWS; i++)
		server_connect(&edge->stage, 3, edge->sources[i]);
	ask(&edge->stage, edge->sources, EDGE_FLOWS, edge->answers);
	kept = edge_count(edge, 3);
	snprintf(cell, sizeof(cell), "%d of %d keep their peer", kept,
		 EDGE_FLOWS);
	edge_tell(edge, "connected sockets of a server", cell);
	EXPECT_EQ(EDGE_FLOWS, kept);
}

/* It keeps its one client, and the others go elsewhere. */
TEST_F(udp, a_server_that_connects)
{
	struct edge *edge = &self->edge;

	ASSERT_EQ(0, edge_serve(edge));
	server_connect_socket(&edge->stage, 0, FIRST_SOURCE + EDGE_FLOWS);
	if (edge->steered)
		ASSERT_TRUE(wait_until(replica_is_gone(&edge->stage, 0)));
	edge_ask(edge);
	EXPECT_EQ(0, edge_count(edge, 0));
	EXPECT_EQ(0, ask_one(&edge->stage, FIRST_SOURCE + EDGE_FLOWS));
	EXPECT_EDGE(edge, "a server connects its socket", edge_wanted(edge));
}

/* One call, and one packet as far as loopback is concerned. */
static void send_segments(int fd)
{
	char data[SEGMENTS * SEGMENT];

	memset(data, '?', sizeof(data));
	inet_set(fd, SOL_UDP, UDP_SEGMENT, SEGMENT);
	if (send(fd, data, sizeof(data), 0) != sizeof(data))
		err(1, "send");
}

static int receive_answers(int fd, int n)
{
	uint8_t first, answer;
	int i;

	if (recv(fd, &first, 1, 0) != 1)
		return -errno;
	for (i = 1; i < n; i++) {
		if (recv(fd, &answer, 1, 0) != 1)
			return -errno;
		if (answer != first)
			return -EXDEV;
	}
	return first;
}

/* Each flow sends at once what is to become SEGMENTS datagrams. */
static void ask_in_segments(struct edge *edge, int answers)
{
	int fd, i;

	if (edge->steered)
		edge_foretell(edge);
	edge_enter_client(edge);
	for (i = 0; i < EDGE_FLOWS; i++) {
		fd = client_open(&edge->stage, edge->sources[i]);
		edge->answers[i] = client_connect(&edge->stage, fd);
		send_segments(fd);
		edge->answers[i] = receive_answers(fd, answers);
		close(fd);
	}
	edge_enter_server(edge);
}

TEST_F(udp, segmentation_offload)
{
	struct edge *edge = &self->edge;

	ASSERT_EQ(0, edge_serve(edge));
	ask_in_segments(edge, SEGMENTS);
	EXPECT_EQ(0U, edge->stage.tally->coalesced);
	EXPECT_EDGE(edge, "GSO, 10 datagrams at once", edge_wanted(edge));
}

static void enable_gro(int fd)
{
	inet_set(fd, SOL_UDP, UDP_GRO, 1);
}

TEST_F(udp, receive_offload)
{
	struct edge *edge = &self->edge;

	edge->stage.prepare = enable_gro;
	ASSERT_EQ(0, edge_serve(edge));
	ask_in_segments(edge, 1);
	EXPECT_EQ(EDGE_FLOWS, (int)edge->stage.tally->coalesced);
	EXPECT_EDGE(edge, "GSO to GRO, 10 datagrams in one",
		    edge_wanted(edge));
}

static void set_offload(const char *device, uint32_t which, uint32_t on)
{
	struct ethtool_value value = { .cmd = which, .data = on };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { .ifr_data = (void *)&value };

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", device);
	if (ioctl(fd, SIOCETHTOOL, &request))
		err(1, "offload of %s", device);
	close(fd);
}

/*
 * The datagrams leave one by one, and are joined where they come in. For that
 * the kernel looks up a socket as well, by its own hash.
 */
TEST_F(udp, receive_offload_of_a_device)
{
	struct edge *edge = &self->edge;

	edge_link(edge);
	edge_go_far(edge);
	edge_bind(edge, EDGE_HOST);
	set_offload(EDGE_DEVICE, ETHTOOL_SGRO, true);
	edge_enter_client(edge);
	/* veth passes by the receiver's GRO what it takes to have been segmented */
	set_offload("east", ETHTOOL_STSO, false);
	edge_shell("ip link set east gso_max_segs 1");
	edge_enter_server(edge);
	edge->stage.prepare = enable_gro;
	ASSERT_EQ(0, edge_serve(edge));
	ask_in_segments(edge, 1);
	EXPECT_EQ(EDGE_FLOWS, (int)edge->stage.tally->coalesced);
	EXPECT_EDGE(edge, "GRO of a veth, 10 datagrams joined",
		    edge_wanted(edge));
}

/* Only the first fragment has the ports. */
TEST_F(udp, fragments)
{
	struct edge *edge = &self->edge;
	const char *group = edge_is_ipv6(edge) ? "Ip6" : "Ip";
	char data[4000];
	long before;
	int fd, i;

	ASSERT_EQ(0, edge_serve(edge));
	edge_shell("ip link set lo mtu 1280");
	before = edge_counter(group, "ReasmOKs");
	memset(data, '?', sizeof(data));
	if (edge->steered)
		edge_foretell(edge);
	for (i = 0; i < EDGE_FLOWS; i++) {
		fd = client_open(&edge->stage, edge->sources[i]);
		ASSERT_EQ(0, client_connect(&edge->stage, fd));
		ASSERT_EQ(4000, send(fd, data, sizeof(data), 0));
		edge->answers[i] = receive_answers(fd, 1);
		close(fd);
	}
	EXPECT_EQ(before + EDGE_FLOWS, edge_counter(group, "ReasmOKs"));
	EXPECT_EDGE(edge, "fragments", edge_wanted(edge));
}

static void want_errors(int fd)
{
	int domain;
	socklen_t length = sizeof(domain);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length))
		err(1, "SO_DOMAIN");
	if (domain == AF_INET6)
		inet_set(fd, IPPROTO_IPV6, IPV6_RECVERR, 1);
	else
		inet_set(fd, IPPROTO_IP, IP_RECVERR, 1);
}

/*
 * Each client is answered, goes away, and is sent to once more: who is told
 * that its port is closed? The kernel looks the socket up without a packet,
 * and so by its hash; some will be told who sent nothing.
 */
TEST_F(udp, icmp_errors)
{
	struct edge *edge = &self->edge;
	const int *told = edge->stage.tally->told;
	const char *cell = "nobody";
	int i, right = 0, somebody = 0;

	edge->stage.prepare = want_errors;
	ASSERT_EQ(0, edge_serve(edge));
	edge_ask(edge);
	ASSERT_STREQ(edge_wanted(edge), edge_result(edge));
	for (i = 0; i < EDGE_FLOWS; i++)
		server_send(&edge->stage, edge->answers[i], edge->sources[i]);
	/* Whoever takes an order has seen to its socket before. */
	for (i = 0; i < EDGE_SERVERS; i++)
		server_accept(&edge->stage, i);
	for (i = 0; i < EDGE_FLOWS; i++) {
		right += told[i] == edge->answers[i] + 1;
		somebody += !!told[i];
	}
	if (right == EDGE_FLOWS)
		cell = "to who has sent";
	else if (somebody == EDGE_FLOWS)
		cell = "to any server";
	else if (somebody)
		cell = "some to nobody";
	edge_tell(edge, "ICMP errors", cell);
	EXPECT_STREQ(edge->steered ? "to any server" : "to who has sent", cell);
}

/* What is queued at each socket of the port, the anchor included. */
static long queued_at(const char *path, uint16_t port)
{
	unsigned long local_port, queue, sum = 0;
	FILE *file = fopen(path, "re");
	char line[512];

	if (!file)
		err(1, "%s", path);
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "%*d: %*[0-9A-F]:%lx %*[0-9A-F]:%*x %*x %*x:%lx",
			   &local_port, &queue) == 2 && local_port == port)
			sum += queue;
	fclose(file);
	return sum;
}

/*
 * All sockets that may have it get a copy: what each server was asked is
 * compared before and after.
 */
static void ask_all(struct __test_metadata *_metadata, struct edge *edge,
		    const char *row, const char *group)
{
	struct stage *stage = &edge->stage;
	char cell[64];
	int fd, i, n = 0;

	edge_shell("ip link add dummy0 type dummy;"
		   "ip link set dummy0 up;"
		   "ip addr add 10.1.0.1/24 brd + dev dummy0;"
		   "ip addr add fd01::1/64 dev dummy0 nodad;"
		   "ip route add default dev dummy0;"
		   "ip -6 route add default dev dummy0");
	edge_bind_any(edge);
	ASSERT_EQ(0, edge_serve(edge));
	fd = client_open(stage, 0);
	inet_set(fd, SOL_SOCKET, SO_BROADCAST, 1);
	stage->remote = inet_address(group, STAGE_PORT);
	memset(stage->tally->served, 0, sizeof(stage->tally->served));
	ASSERT_EQ(1, sendto(fd, "?", 1, 0, &stage->remote.sa,
			    inet_length(&stage->remote)));
	wait_until(served(stage) >= EDGE_SERVERS);
	for (i = 0; i < EDGE_SERVERS; i++)
		n += stage->tally->served[i] == 1;
	EXPECT_EQ(n, served(stage));
	EXPECT_EQ(0, queued_at(edge_is_ipv6(edge) ? "/proc/net/udp6" :
			       "/proc/net/udp", STAGE_PORT));
	snprintf(cell, sizeof(cell), "to %d of %d servers", n, EDGE_SERVERS);
	edge_tell(edge, row, cell);
	EXPECT_EQ(EDGE_SERVERS, n);
	close(fd);
}

static void join(int fd, const char *group)
{
	struct group_req req = { .gr_interface = if_nametoindex("dummy0") };
	union chring_address address = inet_address(group, 0);
	bool ipv6 = address.sa.sa_family == AF_INET6;

	req.gr_group = address.storage;
	if (setsockopt(fd, ipv6 ? IPPROTO_IPV6 : IPPROTO_IP, MCAST_JOIN_GROUP,
		       &req, sizeof(req)))
		err(1, "MCAST_JOIN_GROUP %s", group);
}

static void join_v4(int fd)
{
	join(fd, MULTICAST_V4);
}

static void join_v6(int fd)
{
	join(fd, MULTICAST_V6);
}

TEST_F(udp, multicast)
{
	bool ipv6 = edge_is_ipv6(&self->edge);

	self->edge.stage.prepare = ipv6 ? join_v6 : join_v4;
	ask_all(_metadata, &self->edge, "multicast",
		ipv6 ? MULTICAST_V6 : MULTICAST_V4);
}

FIXTURE(broadcast)
{
	struct edge edge;
};

FIXTURE_VARIANT(broadcast)
{
	bool steered;
};

FIXTURE_VARIANT_ADD(broadcast, plain)
{
};

FIXTURE_VARIANT_ADD(broadcast, chring)
{
	.steered = true,
};

FIXTURE_SETUP(broadcast)
{
	edge_open(&self->edge, IPPROTO_UDP, AF_INET, variant->steered);
}

FIXTURE_TEARDOWN(broadcast)
{
	EXPECT_STREQ("", edge_close(&self->edge));
}

TEST_F(broadcast, each_server)
{
	ask_all(_metadata, &self->edge, "broadcast", "10.1.0.255");
}

TEST_HARNESS_MAIN
