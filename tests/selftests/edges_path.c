// SPDX-License-Identifier: GPL-2.0
/* Edges on the way to the socket, and of the port: see edge.h. */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <linux/filter.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "edge.h"
#include "sk_lookup.h"

#define FRONT_PORT	8000
#define OTHER		EDGE_SERVERS
#define OTHER_USER	1000

FIXTURE(path)
{
	struct edge edge;
};

FIXTURE_VARIANT(path)
{
	int protocol;
	int family;
	bool steered;
};

FIXTURE_VARIANT_ADD(path, tcp_v4_plain)
{
	.protocol = IPPROTO_TCP, .family = AF_INET,
};

FIXTURE_VARIANT_ADD(path, tcp_v4_chring)
{
	.protocol = IPPROTO_TCP, .family = AF_INET, .steered = true,
};

FIXTURE_VARIANT_ADD(path, tcp_v6_plain)
{
	.protocol = IPPROTO_TCP, .family = AF_INET6,
};

FIXTURE_VARIANT_ADD(path, tcp_v6_chring)
{
	.protocol = IPPROTO_TCP, .family = AF_INET6, .steered = true,
};

FIXTURE_VARIANT_ADD(path, udp_v4_plain)
{
	.protocol = IPPROTO_UDP, .family = AF_INET,
};

FIXTURE_VARIANT_ADD(path, udp_v4_chring)
{
	.protocol = IPPROTO_UDP, .family = AF_INET, .steered = true,
};

FIXTURE_VARIANT_ADD(path, udp_v6_plain)
{
	.protocol = IPPROTO_UDP, .family = AF_INET6,
};

FIXTURE_VARIANT_ADD(path, udp_v6_chring)
{
	.protocol = IPPROTO_UDP, .family = AF_INET6, .steered = true,
};

FIXTURE_SETUP(path)
{
	edge_open(&self->edge, variant->protocol, variant->family,
		  variant->steered);
}

FIXTURE_TEARDOWN(path)
{
	EXPECT_STREQ("", edge_close(&self->edge));
}

/* Clients come from another network namespace. */
static void be_linked(struct edge *edge)
{
	edge_link(edge);
	edge_go_far(edge);
	edge_bind(edge, EDGE_HOST);
}

TEST_F(path, veth)
{
	struct edge *edge = &self->edge;

	be_linked(edge);
	ASSERT_EQ(0, edge_serve(edge));
	edge_ask(edge);
	EXPECT_EDGE(edge, "veth from another namespace", edge_wanted(edge));
}

/* ---- netfilter */

static const char *protocol_name(const struct edge *edge)
{
	return edge->stage.protocol == IPPROTO_TCP ? "tcp" : "udp";
}

TEST_F(path, nftables_dnat)
{
	struct edge *edge = &self->edge;

	be_linked(edge);
	edge_shell("nft add table inet t;"
		   "nft add chain inet t pre '{ type nat hook prerouting priority dstnat; }';"
		   "nft add chain inet t in '{ type filter hook input priority 0; policy drop; }';"
		   "nft add rule inet t in ct state established,related accept;"
		   "nft add rule inet t in %s dport %d ct state new accept;"
		   "nft add rule inet t in icmpv6 type nd-neighbor-solicit accept;"
		   "nft add rule inet t in icmpv6 type nd-neighbor-advert accept;"
		   "nft add rule inet t pre %s dport %d dnat %s to '%s:%d'",
		   protocol_name(edge), STAGE_PORT, protocol_name(edge),
		   FRONT_PORT, edge_is_ipv6(edge) ? "ip6" : "ip",
		   edge_is_ipv6(edge) ? "[fd00::1]" : "10.0.0.1", STAGE_PORT);
	ASSERT_EQ(0, edge_serve(edge));
	edge->stage.remote = inet_at(&edge->stage.remote, FRONT_PORT);
	edge_ask(edge);
	EXPECT_EDGE(edge, "nftables: conntrack, DNAT", edge_wanted(edge));
}

static void be_transparent(int fd)
{
	int domain;
	socklen_t length = sizeof(domain);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length))
		err(1, "SO_DOMAIN");
	if (domain == AF_INET6)
		inet_set(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, 1);
	else
		inet_set(fd, IPPROTO_IP, IP_TRANSPARENT, 1);
}

/*
 * Clients ask an address that nobody has. For UDP the kernel looks the socket
 * up without the packet, and so by its hash.
 */
TEST_F(path, nftables_tproxy)
{
	struct edge *edge = &self->edge;
	const char *ip = edge_is_ipv6(edge) ? "-6" : "-4";
	int i;

	be_linked(edge);
	edge->stage.prepare = be_transparent;
	edge->stage.unconnected = edge->stage.protocol == IPPROTO_UDP;
	edge_shell("ip %s rule add fwmark 1 lookup 100;"
		   "ip %s route add local default dev lo table 100;"
		   "nft add table inet t;"
		   "nft add chain inet t pre '{ type filter hook prerouting priority mangle; }';"
		   "nft add rule inet t pre %s dport %d tproxy %s to ':%d' meta mark set 1",
		   ip, ip, protocol_name(edge), FRONT_PORT,
		   edge_is_ipv6(edge) ? "ip6" : "ip", STAGE_PORT);
	ASSERT_EQ(0, edge_serve(edge));
	edge->stage.remote = inet_address(edge_is_ipv6(edge) ? "2001:db8::1" :
					  "192.0.2.1", FRONT_PORT);
	edge_ask(edge);
	if (variant->protocol == IPPROTO_UDP) {
		for (i = 0; i < EDGE_FLOWS; i++)
			edge->foretold[i] = -ENOENT;
		EXPECT_EDGE(edge, "nftables: TPROXY", "32 of 32 served");
	} else {
		EXPECT_EDGE(edge, "nftables: TPROXY", edge_wanted(edge));
	}
}

/* ---- a BPF program in front */

static void be_assigned(struct __test_metadata *_metadata, struct edge *edge,
			bool group)
{
	int fd;

	ASSERT_EQ(0, edge_serve(edge));
	fd = server_socket_copy(&edge->stage, 0);
	sk_lookup_attach(FRONT_PORT, fd, group);
	close(fd);
	/* Servers answer from their own port. */
	edge->stage.unconnected = edge->stage.protocol == IPPROTO_UDP;
	edge->stage.remote = inet_at(&edge->stage.remote, FRONT_PORT);
	edge_ask(edge);
}

/*
 * The hash is of the port that clients ask for, which is not the service's. That
 * the ring has its say shows as a replica is removed.
 */
TEST_F(path, sk_lookup_to_the_group)
{
	struct edge *edge = &self->edge;
	int before[EDGE_FLOWS], i;

	be_assigned(_metadata, edge, true);
	if (edge->steered) {
		memcpy(before, edge->answers, sizeof(before));
		ASSERT_EQ(0, replicas_del(&edge->stage, 1 << 1));
		edge_ask(edge);
		EXPECT_EQ(0, edge_count(edge, 1));
		for (i = 0; i < EDGE_FLOWS; i++)
			edge->foretold[i] = before[i] == 1 ? edge->answers[i] :
							     before[i];
	}
	EXPECT_EDGE(edge, "BPF sk_lookup, to the group", edge_wanted(edge));
}

TEST_F(path, sk_lookup_to_a_socket)
{
	struct edge *edge = &self->edge;
	char cell[64];

	be_assigned(_metadata, edge, false);
	snprintf(cell, sizeof(cell), "%d of %d to it", edge_count(edge, 0),
		 EDGE_FLOWS);
	edge_tell(edge, "BPF sk_lookup, to one socket", cell);
	EXPECT_EQ(EDGE_FLOWS, edge_count(edge, 0));
}

/* ---- devices */

/* Connections beside go over loopback; then clients come by a device. */
static void make_vrf(struct edge *edge, const char *accept)
{
	edge_sysctl("ipv4/icmp_ratelimit", "0");
	edge_sysctl("ipv6/icmp/ratelimit", "0");
	edge_link(edge);
	edge_shell("ip link add vrf0 type vrf table 10;"
		   "ip link set vrf0 up;"
		   "ip link set " EDGE_DEVICE " master vrf0;"
		   "ip addr replace fd00::1/64 dev " EDGE_DEVICE " nodad");
	edge_sysctl("ipv4/tcp_l3mdev_accept", accept);
	edge_sysctl("ipv4/udp_l3mdev_accept", accept);
	edge_bind_any(edge);
}

TEST_F(path, vrf_that_servers_do_not_accept)
{
	struct edge *edge = &self->edge;

	make_vrf(edge, "0");
	ASSERT_EQ(0, edge_serve(edge));
	edge_go_far(edge);
	edge_ask(edge);
	EXPECT_EDGE(edge, "VRF, l3mdev_accept=0", "ECONNREFUSED");
}

TEST_F(path, vrf_that_servers_accept)
{
	struct edge *edge = &self->edge;

	make_vrf(edge, "1");
	/* Answers of a UDP socket that is not of the VRF leave by main's route. */
	edge_shell("ip route add 10.0.0.0/24 dev " EDGE_DEVICE ";"
		   "ip -6 route add fd00::/64 dev " EDGE_DEVICE);
	edge->stage.unconnected = edge->stage.protocol == IPPROTO_UDP;
	ASSERT_EQ(0, edge_serve(edge));
	edge_go_far(edge);
	edge_ask(edge);
	EXPECT_EDGE(edge, "VRF, l3mdev_accept=1", edge_wanted(edge));
}

static void bind_to_vrf(int fd)
{
	if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "vrf0", 5))
		err(1, "SO_BINDTODEVICE");
}

static void bind_to_device(int fd)
{
	if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, EDGE_DEVICE,
		       sizeof(EDGE_DEVICE)))
		err(1, "SO_BINDTODEVICE");
}

/* As replicas they are refused, and nothing changes for them. */
static void be_refused(struct __test_metadata *_metadata, struct edge *edge,
		       const char *row, int error)
{
	int ret = edge_serve(edge);

	ASSERT_EQ(edge->steered ? -error : 0, ret);
	edge_ask(edge);
	if (edge->steered)
		edge_tell(edge, row, strerrorname_np(-ret));
	else
		edge_tell(edge, row, edge_result(edge));
	EXPECT_STREQ("32 of 32 served", edge_result(edge));
}

TEST_F(path, vrf_that_servers_are_bound_to)
{
	struct edge *edge = &self->edge;

	make_vrf(edge, "0");
	edge->stage.prepare = bind_to_vrf;
	edge_go_far(edge);
	be_refused(_metadata, edge, "servers bound to a VRF", EADDRNOTAVAIL);
}

TEST_F(path, device_that_servers_are_bound_to)
{
	struct edge *edge = &self->edge;

	edge_link(edge);
	edge_bind_any(edge);
	edge->stage.prepare = bind_to_device;
	edge_go_far(edge);
	be_refused(_metadata, edge, "servers bound to a device",
		   EADDRNOTAVAIL);
}

/* One more server, not a replica, that the look-up finds before the others. */
static void be_bypassed(struct __test_metadata *_metadata, struct edge *edge,
			const char *row, int wanted)
{
	char cell[64];

	server_start(&edge->stage, OTHER);
	edge_ask(edge);
	snprintf(cell, sizeof(cell), "%d of %d to it", edge_count(edge, OTHER),
		 EDGE_FLOWS);
	edge_tell(edge, row, cell);
	EXPECT_EQ(wanted, edge_count(edge, OTHER));
}

TEST_F(path, server_beside_bound_to_a_device)
{
	struct edge *edge = &self->edge;

	edge_link(edge);
	edge_bind_any(edge);
	ASSERT_EQ(0, edge_serve(edge));
	edge_go_far(edge);
	edge->stage.prepare = bind_to_device;
	/*
	 * The kernel takes the first group on its way that will do, and puts
	 * what comes later before the others, or, for IPv6, behind.
	 */
	be_bypassed(_metadata, edge, "a server beside, bound to a device",
		    edge_is_ipv6(edge) ? 0 : EDGE_FLOWS);
}

TEST_F(path, server_beside_bound_to_the_address)
{
	struct edge *edge = &self->edge;
	union chring_address any;

	edge_bind_any(edge);
	ASSERT_EQ(0, edge_serve(edge));
	/* A group of a better address hides connected sockets of any address. */
	if (variant->protocol == IPPROTO_UDP)
		edge_forget_beside(edge);
	any = edge->stage.local;
	edge->stage.local = edge->stage.remote;
	be_bypassed(_metadata, edge, "a server beside, bound to the address",
		    EDGE_FLOWS);
	edge->stage.local = any;
}

/* ---- the port */

/* Whether one more socket of the port can be bound, and by whom. */
static const char *bind_another(struct edge *edge, uid_t user, int option)
{
	const struct stage *stage = &edge->stage;
	int fd, ret;

	setfsuid(user);
	fd = inet_socket(&stage->local, stage->protocol, 0);
	setfsuid(0);
	inet_set(fd, SOL_SOCKET, option, 1);
	ret = inet_bind(fd, &stage->local);
	if (!ret && stage->protocol == IPPROTO_TCP)
		ret = listen(fd, 1);
	close(fd);
	return ret ? strerrorname_np(errno) : "bound";
}

TEST_F(path, another_user)
{
	struct edge *edge = &self->edge;
	const char *cell;

	ASSERT_EQ(0, edge_serve(edge));
	cell = bind_another(edge, OTHER_USER, SO_REUSEPORT);
	edge_tell(edge, "another user's server", cell);
	EXPECT_STREQ("EADDRINUSE", cell);
}

/* The service holds the port, whether it has replicas or not. */
TEST_F(path, server_without_reuseport)
{
	struct edge *edge = &self->edge;
	const char *cell;
	int i;

	ASSERT_EQ(0, edge_serve(edge));
	for (i = 0; i < EDGE_SERVERS; i++) {
		server_kill(&edge->stage, i);
		if (edge->steered)
			ASSERT_TRUE(wait_until(replica_is_gone(&edge->stage,
							       i)));
	}
	cell = bind_another(edge, 0, SO_REUSEADDR);
	edge_tell(edge, "restart of a server without SO_REUSEPORT", cell);
	EXPECT_STREQ(edge->steered ? "EADDRINUSE" : "bound", cell);
}

/* ---- IPv4 clients of IPv6 sockets */

FIXTURE(mapped)
{
	struct edge edge;
};

FIXTURE_VARIANT(mapped)
{
	int protocol;
	bool steered;
};

FIXTURE_VARIANT_ADD(mapped, tcp_plain)
{
	.protocol = IPPROTO_TCP,
};

FIXTURE_VARIANT_ADD(mapped, tcp_chring)
{
	.protocol = IPPROTO_TCP, .steered = true,
};

FIXTURE_VARIANT_ADD(mapped, udp_plain)
{
	.protocol = IPPROTO_UDP,
};

FIXTURE_VARIANT_ADD(mapped, udp_chring)
{
	.protocol = IPPROTO_UDP, .steered = true,
};

FIXTURE_SETUP(mapped)
{
	edge_open(&self->edge, variant->protocol, AF_INET, variant->steered);
}

FIXTURE_TEARDOWN(mapped)
{
	EXPECT_STREQ("", edge_close(&self->edge));
}

TEST_F(mapped, v4_client_of_dual_stack)
{
	struct edge *edge = &self->edge;

	edge_bind(edge, "::");
	ASSERT_EQ(0, edge_serve(edge));
	edge_ask(edge);
	EXPECT_EDGE(edge, "dual-stack servers", edge_wanted(edge));
}

TEST_HARNESS_MAIN
