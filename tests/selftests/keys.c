// SPDX-License-Identifier: GPL-2.0
/*
 * Services that go by another key than addresses and ports: what is alike in
 * it goes to one replica, and what is not is spread.
 */
#include <errno.h>
#include <net/if.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "steer_util.h"

#define SERVERS		4
#define ALL		0xfU
#define CLIENTS		16
#define PORTS		4
#define MANY		256

/* Of clients' addresses: the last byte is the host. */
#define PREFIX_IPV4	24
#define PREFIX_IPV6	120

FIXTURE(keys)
{
	struct stage stage;
	uint16_t sources[PORTS];
	int answers[PORTS];
	int others[PORTS];
};

FIXTURE_VARIANT(keys)
{
	int protocol;
	const char *local;
	bool v6only;
	bool ipv4;		/* the clients are */
};

FIXTURE_VARIANT_ADD(keys, tcp)
{
	.protocol = IPPROTO_TCP, .local = "0.0.0.0", .ipv4 = true,
};

FIXTURE_VARIANT_ADD(keys, udp)
{
	.protocol = IPPROTO_UDP, .local = "0.0.0.0", .ipv4 = true,
};

FIXTURE_VARIANT_ADD(keys, tcp_ipv6)
{
	.protocol = IPPROTO_TCP, .local = "::", .v6only = true,
};

FIXTURE_VARIANT_ADD(keys, udp_ipv6)
{
	.protocol = IPPROTO_UDP, .local = "::", .v6only = true,
};

FIXTURE_VARIANT_ADD(keys, tcp_dual_ipv4)
{
	.protocol = IPPROTO_TCP, .local = "::", .ipv4 = true,
};

FIXTURE_VARIANT_ADD(keys, udp_dual_ipv4)
{
	.protocol = IPPROTO_UDP, .local = "::", .ipv4 = true,
};

/* Any of these is the loopback's, as all of 127.0.0.0/8 are anyway. */
static void have_addresses(void)
{
	if (system("ip -6 route add local fd00::/64 dev lo"))
		ksft_exit_fail_msg("no addresses\n");
	if (system("echo 1 >/proc/sys/net/ipv6/ip_nonlocal_bind"))
		ksft_exit_fail_msg("cannot bind to them\n");
}

FIXTURE_SETUP(keys)
{
	netns_enter();
	have_addresses();
	stage_open(&self->stage, variant->protocol, variant->local);
	self->stage.v6only = variant->v6only;
	stage_clients(&self->stage, variant->ipv4 ? "127.0.0.1" : "::1");
	sources_fill(self->sources, PORTS);
	servers_start(&self->stage, SERVERS);
}

FIXTURE_TEARDOWN(keys)
{
	stage_close(&self->stage);
}

/* From now on the client is this host, one of 256 of one of as many networks. */
static void be_client(struct stage *stage, int network, int host)
{
	char address[INET6_ADDRSTRLEN];

	if (stage->remote.sa.sa_family == AF_INET)
		snprintf(address, sizeof(address), "127.1.%d.%d", network,
			 host);
	else
		snprintf(address, sizeof(address), "fd00::%x", network << 8 | host);
	stage->client = inet_address(address, 0);
}

/* All @n the same, which is returned; else -1. */
static int unanimous(const int *answers, int n)
{
	int i;

	for (i = 1; i < n; i++)
		if (answers[i] != answers[0])
			return -1;
	return answers[0];
}

static int begin(struct stage *stage, struct chring_key key)
{
	int ret;

	stage->key = key;
	ret = service_add(stage);
	return ret ? ret : replicas_add(stage, ALL);
}

static const struct chring_key client_key = { .type = CHRING_KEY_CLIENT };

static struct chring_key prefix_key(const struct stage *stage)
{
	struct chring_key key = { .type = CHRING_KEY_PREFIX };

	if (stage->local.sa.sa_family == AF_INET || !stage->v6only)
		key.prefix_ipv4 = PREFIX_IPV4;
	if (stage->local.sa.sa_family == AF_INET6)
		key.prefix_ipv6 = PREFIX_IPV6;
	return key;
}

/* Which servers the look-up names for many networks, or hosts of one. */
static unsigned int servers_of(struct stage *stage, bool networks)
{
	unsigned int seen = 0;
	uint16_t source = FIRST_SOURCE;
	int i, answer;

	for (i = 0; i < MANY; i++) {
		be_client(stage, networks ? i : 7, networks ? 7 : i);
		lookup(stage, &source, 1, &answer);
		if (answer < 0)
			return 0;
		seen |= 1 << answer;
	}
	return seen;
}

TEST_F(keys, all_flows_of_a_client_go_to_one_replica)
{
	struct stage *stage = &self->stage;
	int i, answer;

	ASSERT_EQ(0, begin(stage, client_key));
	for (i = 1; i <= CLIENTS; i++) {
		be_client(stage, i, i);
		ask(stage, self->sources, PORTS, self->answers);
		answer = unanimous(self->answers, PORTS);
		ASSERT_LE(0, answer);
		lookup(stage, self->sources, PORTS, self->others);
		ASSERT_EQ(answer, unanimous(self->others, PORTS));
	}
	EXPECT_EQ(ALL, servers_of(stage, true));
	EXPECT_EQ(ALL, servers_of(stage, false));
	EXPECT_STREQ("", stage_odd(stage));
}

TEST_F(keys, all_clients_of_a_prefix_go_to_one_replica)
{
	struct stage *stage = &self->stage;
	int i, host, answer;

	ASSERT_EQ(0, begin(stage, prefix_key(stage)));
	for (i = 1; i <= CLIENTS; i++) {
		answer = -1;
		for (host = 1; host <= 200; host += 66) {
			be_client(stage, i, host);
			ask(stage, self->sources, PORTS, self->answers);
			ASSERT_LE(0, unanimous(self->answers, PORTS));
			if (answer >= 0)
				ASSERT_EQ(answer, self->answers[0]);
			answer = self->answers[0];
			lookup(stage, self->sources, PORTS, self->others);
			ASSERT_EQ(answer, unanimous(self->others, PORTS));
		}
	}
	EXPECT_EQ(ALL, servers_of(stage, true));
	EXPECT_EQ(1, __builtin_popcount(servers_of(stage, false)));
	EXPECT_STREQ("", stage_odd(stage));
}

/* A client that the look-up sends to server 0. */
static bool be_client_of_0(struct stage *stage)
{
	uint16_t source = FIRST_SOURCE;
	int i, answer;

	for (i = 0; i < MANY; i++) {
		be_client(stage, i, 1);
		lookup(stage, &source, 1, &answer);
		if (!answer)
			return true;
	}
	return false;
}

/* What a listener leaves behind goes where the client's new flows go. */
static const char *left_behind(struct stage *stage, uint16_t *sources,
			       bool handshakes)
{
	int clients[PORTS], answers[PORTS], after[PORTS];
	unsigned long migrated;
	int i;

	if (!be_client_of_0(stage))
		return "no client of the server";
	if (handshakes)
		server_defer(stage, 0);
	server_hold(stage, 0);
	for (i = 0; i < PORTS; i++) {
		clients[i] = client_open(stage, sources[i]);
		if (client_connect(stage, clients[i]))
			return "no connection";
	}
	server_close(stage, 0);
	clients_ask(stage, clients, PORTS, answers);
	migrated = service_now(stage).migrated;
	lookup(stage, sources, PORTS, after);
	clients_close(stage, clients, PORTS);
	if (unanimous(after, PORTS) < 1)
		return "the look-up is not unanimous";
	if (unanimous(answers, PORTS) != after[0])
		return "not where new flows go";
	return migrated == PORTS ? "" : "not all have migrated";
}

TEST_F(keys, what_migrates_goes_by_its_client)
{
	struct stage *stage = &self->stage;

	if (variant->protocol != IPPROTO_TCP)
		return;
	ASSERT_EQ(0, begin(stage, client_key));
	EXPECT_STREQ("", left_behind(stage, self->sources, false));
}

TEST_F(keys, handshakes_that_migrate_go_by_their_client)
{
	struct stage *stage = &self->stage;

	if (variant->protocol != IPPROTO_TCP)
		return;
	ASSERT_EQ(0, begin(stage, client_key));
	EXPECT_STREQ("", left_behind(stage, self->sources, true));
}

/* ---- payload */

#define ID_OFFSET	4
#define ID_LENGTH	8
#define IDS		24

FIXTURE(payload)
{
	struct stage stage;
	int servers[IDS];	/* who serves the connection with this id */
	uint16_t source;
};

FIXTURE_VARIANT(payload)
{
	const char *local;
	bool ipv4;
};

FIXTURE_VARIANT_ADD(payload, ipv4)
{
	.local = "0.0.0.0", .ipv4 = true,
};

FIXTURE_VARIANT_ADD(payload, ipv6)
{
	.local = "::",
};

FIXTURE_VARIANT_ADD(payload, dual_ipv4)
{
	.local = "::", .ipv4 = true,
};

FIXTURE_SETUP(payload)
{
	netns_enter();
	have_addresses();
	stage_open(&self->stage, IPPROTO_UDP, variant->local);
	stage_clients(&self->stage, variant->ipv4 ? "127.0.0.1" : "::1");
	servers_start(&self->stage, SERVERS);
	self->source = FIRST_SOURCE;
}

FIXTURE_TEARDOWN(payload)
{
	stage_close(&self->stage);
}

static struct chring_key payload_key(int offset)
{
	return (struct chring_key) {
		.type = CHRING_KEY_PAYLOAD,
		.offset = offset,
		.length = ID_LENGTH,
	};
}

/* A question, with the id of a connection where the key says; noise elsewhere */
static void fill(const struct stage *stage, char *bytes, int length, int id)
{
	int i;

	for (i = 1; i < length; i++)
		bytes[i] = rand();
	bytes[0] = '?';
	if (length >= (int)(stage->key.offset + ID_LENGTH))
		snprintf(bytes + stage->key.offset, ID_LENGTH, "id%05d", id);
}

/* @segment is the length of a datagram, of which @bytes are several; 0: one */
static void send_bytes(struct stage *stage, int fd, const char *bytes,
		       int length, int segment)
{
	if (segment)
		inet_set(fd, SOL_UDP, UDP_SEGMENT, segment);
	if (client_connect(stage, fd) || send(fd, bytes, length, 0) != length)
		ksft_exit_fail_msg("send: %s\n", strerror(errno));
}

/* Whoever answers all @n datagrams, -1 where that are several. */
static int receive(int fd, int n)
{
	char first, next;

	if (recv(fd, &first, 1, 0) != 1)
		return -ETIMEDOUT;
	while (--n)
		if (recv(fd, &next, 1, 0) != 1 || next != first)
			return -1;
	return first;
}

/* From a port that was not used yet. */
static int ask_bytes(struct stage *stage, uint16_t source, const char *bytes,
		     int length, int segment)
{
	int fd = client_open(stage, source);
	int answer;

	send_bytes(stage, fd, bytes, length, segment);
	answer = receive(fd, segment ? length / segment : 1);
	close(fd);
	return answer;
}

static int lookup_bytes(struct stage *stage, uint16_t source, const char *bytes,
			int length)
{
	union chring_address from = inet_at(&stage->client, source);
	char name[CHRING_NAME_MAX + 1];

	if (chring_lookup_payload(stage->chring, stage->service, &from,
				  &stage->remote, bytes, length, name))
		ksft_exit_fail_msg("%s\n", chring_error(stage->chring));
	return *name ? atoi(name + 1) : -ECONNREFUSED;
}

/* Who gets a datagram of this length, from wherever the client is now. */
static int ask_id(struct stage *stage, uint16_t source, int id, int length)
{
	char bytes[4096];

	fill(stage, bytes, length, id);
	return ask_bytes(stage, source, bytes, length, 0);
}

static int lookup_id(struct stage *stage, uint16_t source, int id, int length)
{
	char bytes[4096];

	fill(stage, bytes, length, id);
	return lookup_bytes(stage, source, bytes, length);
}

TEST_F(payload, a_connection_stays_where_it_is_wherever_it_comes_from)
{
	struct stage *stage = &self->stage;
	unsigned int seen = 0;
	int id, move;

	ASSERT_EQ(0, begin(stage, payload_key(ID_OFFSET)));
	for (id = 0; id < IDS; id++) {
		be_client(stage, 1, 1);
		self->servers[id] = ask_id(stage, self->source++, id, 40);
		ASSERT_LE(0, self->servers[id]);
		for (move = 2; move < 5; move++) {
			be_client(stage, move, id);
			ASSERT_EQ(self->servers[id],
				  ask_id(stage, self->source++, id,
					 ID_OFFSET + ID_LENGTH + move - 2));
			ASSERT_EQ(self->servers[id],
				  lookup_id(stage, self->source, id, 40));
		}
	}
	for (id = 0; id < MANY; id++)
		seen |= 1 << lookup_id(stage, 1, id, 40);
	EXPECT_EQ(ALL, seen);
	EXPECT_STREQ("", stage_odd(stage));
}

TEST_F(payload, a_connection_stays_while_another_replica_restarts)
{
	struct stage *stage = &self->stage;
	int id, other;

	/* Who comes back has the slots again that it had */
	stage->balance = CHRING_BALANCE_RING;
	ASSERT_EQ(0, begin(stage, payload_key(ID_OFFSET)));
	for (id = 0; id < IDS; id++)
		self->servers[id] = ask_id(stage, self->source++, id, 40);
	for (other = 0; other < SERVERS; other++) {
		server_kill(stage, other);
		for (id = 0; id < IDS; id++) {
			be_client(stage, other, id);
			if (self->servers[id] != other)
				ASSERT_EQ(self->servers[id],
					  ask_id(stage, self->source++, id, 40));
		}
		ASSERT_TRUE(wait_until(replica_is_gone(stage, other)));
		server_start(stage, other);
		ASSERT_EQ(0, replicas_add(stage, 1 << other));
		for (id = 0; id < IDS; id++) {
			be_client(stage, 100 + other, id);
			ASSERT_EQ(self->servers[id],
				  ask_id(stage, self->source++, id, 40));
		}
	}
	EXPECT_STREQ("", stage_odd(stage));
}

/* By addresses and ports, which are as many as there are questions. */
TEST_F(payload, datagrams_that_are_too_short_go_by_their_flow)
{
	static const int lengths[] = { 1, ID_OFFSET, ID_OFFSET + ID_LENGTH - 1 };
	struct stage *stage = &self->stage;
	unsigned int seen;
	int i, n, answer;

	ASSERT_EQ(0, begin(stage, payload_key(ID_OFFSET)));
	for (i = 0; i < 3; i++) {
		seen = 0;
		for (n = 0; n < MANY; n++)
			seen |= 1 << lookup_id(stage, FIRST_SOURCE + n, 7,
					       lengths[i]);
		EXPECT_EQ(ALL, seen);
		for (n = 0; n < IDS; n++) {
			answer = ask_id(stage, self->source, n, lengths[i]);
			ASSERT_EQ(lookup_id(stage, self->source, 0, 0), answer);
			self->source++;
		}
	}
	EXPECT_STREQ("", stage_odd(stage));
}

static void have_mtu(int mtu)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_mtu = mtu };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (ioctl(fd, SIOCSIFMTU, &lo))
		ksft_exit_fail_msg("SIOCSIFMTU: %s\n", strerror(errno));
	close(fd);
}

/* Datagrams put together again from fragments, so far. */
static unsigned long reassembled(bool ipv4)
{
	unsigned long n = 0;
	FILE *file;

	file = popen(ipv4 ? "nstat -asz IpReasmOKs" : "nstat -asz Ip6ReasmOKs",
		     "r");
	if (!file || fscanf(file, "#kernel %*s %lu", &n) != 1)
		ksft_exit_fail_msg("cannot count fragments\n");
	pclose(file);
	return n;
}

/* The key in the second fragment; and in the first two. */
TEST_F(payload, datagrams_in_fragments)
{
	const int offsets[] = { 2000, variant->ipv4 ? 1468 : 1436 };
	struct stage *stage = &self->stage;
	unsigned long before;
	int i, id;

	have_mtu(1500);
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, begin(stage, payload_key(offsets[i])));
		before = reassembled(variant->ipv4);
		for (id = 0; id < IDS; id++) {
			be_client(stage, i, id);
			ASSERT_EQ(lookup_id(stage, 1, id, 3000),
				  ask_id(stage, self->source++, id, 3000));
		}
		EXPECT_LE(before + IDS, reassembled(variant->ipv4));
		EXPECT_STREQ("", stage_odd(stage));
		ASSERT_EQ(0, service_del(stage));
		ASSERT_TRUE(wait_until(service_is_gone(stage)));
	}
}

/* Sent as one, they are looked up as one packet, by the first of them. */
TEST_F(payload, several_datagrams_in_one_packet)
{
	struct stage *stage = &self->stage;
	char bytes[4 * 20];
	int id, i, answer;

	ASSERT_EQ(0, begin(stage, payload_key(ID_OFFSET)));
	for (id = 0; id < IDS; id++) {
		be_client(stage, 1, id);
		for (i = 0; i < 4; i++)
			fill(stage, bytes + 20 * i, 20, id);
		ASSERT_EQ(lookup_bytes(stage, 1, bytes, 20),
			  ask_bytes(stage, self->source++, bytes,
				    sizeof(bytes), 20));

		/* Too short each, however long the packet is */
		fill(stage, bytes, sizeof(bytes), id);
		answer = ask_bytes(stage, self->source, bytes, 40, 10);
		ASSERT_EQ(lookup_bytes(stage, self->source, bytes, 10), answer);
		self->source++;
	}
	EXPECT_STREQ("", stage_odd(stage));
}

/* ---- attack */

#define CHOSEN	10000

static uint64_t rotate(uint64_t x, int bits)
{
	return x << bits | x >> (64 - bits);
}

static void siphash_round(uint64_t *v)
{
	v[0] += v[1];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[0] = rotate(v[0], 32);
	v[2] += v[3];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

/* SipHash-2-4 of four bytes, as the module has it, under a guess: all zero. */
static uint32_t guess(uint32_t address)
{
	uint64_t last = 4ULL << 56 | address;
	uint64_t v[4] = {
		0x736f6d6570736575, 0x646f72616e646f6d,
		0x6c7967656e657261, 0x7465646279746573 ^ last,
	};

	siphash_round(v);
	siphash_round(v);
	v[0] ^= last;
	v[2] ^= 0xff;
	siphash_round(v);
	siphash_round(v);
	siphash_round(v);
	siphash_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

FIXTURE(attack)
{
	struct stage stage;
	uint32_t chosen[CHOSEN];	/* in network order */
};

FIXTURE_SETUP(attack)
{
	netns_enter();
	stage_open(&self->stage, IPPROTO_UDP, "127.0.0.1");
	servers_start(&self->stage, SERVERS);
	ASSERT_EQ(0, begin(&self->stage,
			   client_key));
}

FIXTURE_TEARDOWN(attack)
{
	stage_close(&self->stage);
}

/*
 * How far a replica's share of the chosen clients is from what it has of the
 * slots, in variances: the largest of all replicas.
 */
static double worst_deviation(struct stage *stage, const uint32_t *chosen)
{
	union chring_address from = { .in.sin_family = AF_INET };
	int count[SERVERS] = {}, i;
	double worst = 0, p, far;
	char name[64];

	from.in.sin_port = htons(1);
	for (i = 0; i < CHOSEN; i++) {
		from.in.sin_addr.s_addr = chosen[i];
		if (chring_lookup(stage->chring, stage->service, &from, NULL,
				  name))
			ksft_exit_fail_msg("%s\n", chring_error(stage->chring));
		count[atoi(name + 1)]++;
	}
	for (i = 0; i < SERVERS; i++) {
		p = replica_now(stage, i).slots / 16384.0;
		far = count[i] - CHOSEN * p;
		far = far * far / (CHOSEN * p * (1 - p));
		if (far > worst)
			worst = far;
	}
	return worst;
}

/* Six standard deviations: by chance, once in 100 million times. */
#define CHANCE	36.0

TEST_F(attack, clients_chosen_by_a_guess_at_the_secret)
{
	uint32_t address;
	int n = 0;

	/* They would have 64 slots that are neighbours, were the guess right */
	for (address = 10 << 24; n < CHOSEN; address++)
		if (guess(htonl(address)) >> 24 == 0x55)
			self->chosen[n++] = htonl(address);
	EXPECT_GT(CHANCE, worst_deviation(&self->stage, self->chosen));
}

TEST_F(attack, clients_that_are_neighbours)
{
	int n;

	for (n = 0; n < CHOSEN; n++)
		self->chosen[n] = htonl((10 << 24) + n);
	EXPECT_GT(CHANCE, worst_deviation(&self->stage, self->chosen));
}

TEST_F(attack, clients_that_differ_in_high_bits_only)
{
	int n;

	for (n = 0; n < CHOSEN; n++)
		self->chosen[n] = htonl((0x1000 + n) << 16 | 1);
	EXPECT_GT(CHANCE, worst_deviation(&self->stage, self->chosen));
}

TEST_HARNESS_MAIN
