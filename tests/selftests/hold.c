// SPDX-License-Identifier: GPL-2.0
/* What becomes of new flows while no replica of a service is alive. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "request.h"

#define HERE "127.0.0.1"
#define PORT 8000
#define CLIENTS 50
#define COOKIES "/proc/sys/net/ipv4/tcp_syncookies"

FIXTURE(hold)
{
	struct session session;
	int client[CLIENTS];
	int server;
};

FIXTURE_VARIANT(hold)
{
	const char *address;
	int cookies;
};

FIXTURE_VARIANT_ADD(hold, one)
{
	.address = HERE,
	.cookies = 1,
};

FIXTURE_VARIANT_ADD(hold, any)
{
	.address = "0.0.0.0",
	.cookies = 1,
};

FIXTURE_VARIANT_ADD(hold, syn_cookies)
{
	.address = HERE,
	.cookies = 2,
};

static bool start(struct session *session, const char *address, int protocol,
		  uint32_t none)
{
	struct chring_service_request request = {
		.name = "s",
		.protocol = protocol,
		.local.in = address_of(address, PORT),
		.owner = CHRING_OWNER_SELF,
		.none = none,
		.grace = CHRING_GRACE_NONE,
	};

	return own_netns() && session_open(session) &&
	       !chring_service_new(session->chring, &request);
}

static struct chring_service now(struct session *session)
{
	struct chring_service service = {};

	chring_service_get(session->chring, "s", &service);
	return service;
}

/* A replica that is gone again leaves the service steering, without any. */
static bool come_and_go(struct session *session, const char *address,
			int protocol)
{
	long end = milliseconds() + WAIT_MS;
	int fd = bound_socket(protocol, address, PORT);

	if (fd < 0 || replica_new(session, "s", "r", fd))
		return false;
	close(fd);
	while (now(session).replicas && milliseconds() < end)
		pause_ms(1);
	return !now(session).replicas;
}

FIXTURE_SETUP(hold)
{
	memset(self->client, 0xff, sizeof(self->client));
	self->server = -1;
	ASSERT_TRUE(start(&self->session, variant->address, IPPROTO_TCP,
			  CHRING_NONE_HOLD));
	ASSERT_TRUE(write_number(COOKIES, variant->cookies));
	ASSERT_TRUE(come_and_go(&self->session, variant->address, IPPROTO_TCP));
}

FIXTURE_TEARDOWN(hold)
{
	int i;

	for (i = 0; i < CLIENTS; i++)
		close(self->client[i]);
	close(self->server);
	EXPECT_TRUE(services_gone(&self->session));
	session_close(&self->session);
}

static int connect_all(int *client)
{
	struct sockaddr_in to = address_of(HERE, PORT);
	int i;

	for (i = 0; i < CLIENTS; i++) {
		client[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		if (!connect(client[i], (struct sockaddr *)&to, sizeof(to)) ||
		    errno != EINPROGRESS)
			return -errno;
	}
	return 0;
}

/* How many are connected, within a time; -1 where one was refused. */
static int connected(const int *client, int wait_ms)
{
	long end = milliseconds() + wait_ms;
	int i, n, err;
	socklen_t length;

	do {
		for (i = 0, n = 0; i < CLIENTS; i++) {
			struct pollfd event = { client[i], POLLOUT, 0 };

			if (poll(&event, 1, 0) != 1)
				continue;
			length = sizeof(err);
			getsockopt(client[i], SOL_SOCKET, SO_ERROR, &err,
				   &length);
			if (err)
				return -1;
			n++;
		}
		pause_ms(10);
	} while (n < CLIENTS && milliseconds() < end);
	return n;
}

TEST_F(hold, connections_wait_for_the_next_replica)
{
	ASSERT_EQ(0, connect_all(self->client));
	/* Long enough for refusals, which come at once, to be seen */
	EXPECT_EQ(0, connected(self->client, 200));
	EXPECT_LE((uint64_t)CLIENTS, now(&self->session).refused);

	self->server = bound_socket(IPPROTO_TCP, variant->address, PORT);
	ASSERT_EQ(0, replica_new(&self->session, "s", "r", self->server));
	EXPECT_EQ(CLIENTS, connected(self->client, WAIT_MS));
}

TEST_F(hold, it_can_be_changed_to_refuse)
{
	ASSERT_EQ(0, chring_service_set_none(self->session.chring, "s",
					     CHRING_NONE_REFUSE));
	EXPECT_EQ((uint32_t)CHRING_NONE_REFUSE,
		  now(&self->session).none);
	connect_all(self->client);
	EXPECT_EQ(-1, connected(self->client, WAIT_MS));
}

/* A client of UDP hears of a refusal, and of nothing that is held. */
TEST(datagrams_are_refused_or_held)
{
	static const char *const addresses[] = { HERE, "0.0.0.0" };
	struct sockaddr_in to = address_of(HERE, PORT);
	struct session session;
	struct pollfd event;
	unsigned int i;

	for (i = 0; i < elements(addresses); i++) {
		ASSERT_TRUE(start(&session, addresses[i], IPPROTO_UDP,
				  CHRING_NONE_HOLD));
		ASSERT_TRUE(come_and_go(&session, addresses[i], IPPROTO_UDP));
		event.fd = socket(AF_INET, SOCK_DGRAM, 0);
		event.events = POLLIN;
		ASSERT_EQ(0, connect(event.fd, (struct sockaddr *)&to,
				     sizeof(to)));
		ASSERT_EQ(1, send(event.fd, "x", 1, 0));
		EXPECT_EQ(0, poll(&event, 1, 200));
		EXPECT_EQ((uint64_t)1, now(&session).refused);

		ASSERT_EQ(0, chring_service_set_none(session.chring, "s",
						     CHRING_NONE_REFUSE));
		ASSERT_EQ(1, send(event.fd, "x", 1, 0));
		EXPECT_EQ(1, poll(&event, 1, WAIT_MS));
		close(event.fd);
		EXPECT_TRUE(services_gone(&session));
		session_close(&session);
	}
}

/* Waits for one of the two; false where there is neither. */
static bool refused_or_counted(struct session *session, int client,
			       uint64_t before, bool *refused)
{
	struct pollfd event = { .fd = client, .events = POLLIN };
	long end = milliseconds() + WAIT_MS;
	char byte;

	do {
		if (poll(&event, 1, 1) == 1) {
			*refused = recv(client, &byte, 1, MSG_DONTWAIT) < 0 &&
				   errno == ECONNREFUSED;
			return *refused &&
			       now(session).refused == before;
		}
		*refused = false;
		if (now(session).refused == before + 1)
			return true;
	} while (milliseconds() < end);
	return false;
}

/* Until the sweep the kernel does not find the anchor, and refuses itself. */
TEST(datagrams_are_held_from_the_sweep_on)
{
	struct sockaddr_in to = address_of(HERE, PORT);
	uint64_t held = 0, sent = 0, refusals = 0;
	struct session session;
	int client, server;
	bool refused;

	ASSERT_TRUE(start(&session, HERE, IPPROTO_UDP, CHRING_NONE_HOLD));
	server = bound_socket(IPPROTO_UDP, HERE, PORT);
	ASSERT_EQ(0, replica_new(&session, "s", "r", server));
	client = socket(AF_INET, SOCK_DGRAM, 0);
	ASSERT_EQ(0, connect(client, (struct sockaddr *)&to, sizeof(to)));
	close(server);
	while (held < CLIENTS) {
		ASSERT_EQ(1, send(client, "x", 1, 0));
		sent++;
		ASSERT_TRUE(refused_or_counted(&session, client, held,
					       &refused));
		/* Once one is held, all are */
		ASSERT_TRUE(!refused || !held);
		refusals += refused;
		held += !refused;
	}
	EXPECT_EQ(sent, held + refusals);
	close(client);
	EXPECT_TRUE(services_gone(&session));
	session_close(&session);
}

TEST_HARNESS_MAIN
