// SPDX-License-Identifier: GPL-2.0
/*
 * Instructions per UDP datagram and per TCP connection, with and without
 * chring. Four sockets share a port on the loopback device; 16 clients with
 * fixed source ports, the same for all subjects, send to it.
 *
 * usage: steer JSON-FILE
 *
 * It takes nanoseconds for instructions: in a machine of which that is not
 * true the figures mean nothing. See tests/bench/steer.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "chring.h"

#define SERVERS		4
#define CLIENTS		16	/* one batch is one flow of each */
#define ROUNDS		5	/* that count; one more comes before them */
#define BATCHES_MAX	200
#define PORT		9300
#define CLIENT_PORT	21000
#define SETTLE_S	20	/* what a kernel does after its boot */
#define SERVICE		"bench"
#define BENCHES		2

enum { PLAIN, CHRING, CONTROL, SUBJECTS };

static const char *const subjects[SUBJECTS] = {
	[PLAIN]		= "plain",
	[CHRING]	= "chring",
	[CONTROL]	= "plain, again",
};

struct bench {
	const char *name;
	int type;
	int protocol;
	int batches;		/* per subject in a round */
	long long (*batch)(const int *servers);
};

static struct chring *chring;
static union chring_address server;
static int udp_clients[CLIENTS];
static long long reading;

static long long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static int socket_on(int type, int port, bool shared)
{
	struct sockaddr_in local = server.in;
	int one = 1;
	int fd;

	local.sin_port = htons(port);
	fd = socket(AF_INET, type, 0);
	if (fd < 0)
		err(1, "socket");
	if (shared &&
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)))
		err(1, "SO_REUSEPORT");
	if (bind(fd, (struct sockaddr *)&local, sizeof(local)))
		err(1, "port %d", port);
	return fd;
}

/* What it costs to know what something cost. */
static long long clock_cost(void)
{
	long long least = LLONG_MAX;
	long long begin;
	long long cost;
	int i;

	for (i = 0; i < 100; i++) {
		begin = now();
		cost = now() - begin;
		if (cost < least)
			least = cost;
	}
	return least;
}

static int receive(const int *servers)
{
	char datagram[32];
	int received = 0;
	int i;

	for (i = 0; i < SERVERS; i++) {
		while (recv(servers[i], datagram, sizeof(datagram),
			    MSG_DONTWAIT) >= 0)
			received++;
	}
	return received;
}

/*
 * Sent and delivered; what takes it out again does not count. It is taken out
 * before the next is sent: some pay for the memory of others in the queue, and
 * how the flows are shared among the servers must make no difference.
 */
static long long udp_batch(const int *servers)
{
	char datagram[32] = { 0 };
	long long total = 0;
	long long begin;
	int i;

	for (i = 0; i < CLIENTS; i++) {
		begin = now();
		if (sendto(udp_clients[i], datagram, sizeof(datagram), 0,
			   &server.sa, sizeof(server.in)) < 0)
			err(1, "sendto");
		total += now() - begin - reading;
		if (receive(servers) != 1)
			errx(1, "a datagram did not arrive");
	}
	return total;
}

/* From connect() to the last close(). */
static long long tcp_batch(const int *servers)
{
	struct linger reset = { .l_onoff = 1 };
	int clients[CLIENTS];
	int accepted = 0;
	long long begin;
	long long end;
	int fd;
	int i;

	for (i = 0; i < CLIENTS; i++) {
		clients[i] = socket_on(SOCK_STREAM, CLIENT_PORT + i, false);
		if (setsockopt(clients[i], SOL_SOCKET, SO_LINGER, &reset,
			       sizeof(reset)))
			err(1, "SO_LINGER");
	}

	begin = now();
	for (i = 0; i < CLIENTS; i++) {
		if (connect(clients[i], &server.sa, sizeof(server.in)))
			err(1, "connect");
	}
	/* All connections, and then once more nothing, of each server. */
	for (i = 0; i < SERVERS; i++) {
		while ((fd = accept(servers[i], NULL, NULL)) >= 0) {
			close(fd);
			accepted++;
		}
	}
	for (i = 0; i < CLIENTS; i++)
		close(clients[i]);
	end = now();

	if (accepted != CLIENTS)
		errx(1, "%d of %d connections arrived", accepted, CLIENTS);
	return end - begin;
}

static const struct bench benches[BENCHES] = {
	{ "UDP datagram, 32 bytes, send and deliver", SOCK_DGRAM, IPPROTO_UDP,
	  BATCHES_MAX, udp_batch },
	{ "TCP connection, connect, accept, close", SOCK_STREAM, IPPROTO_TCP,
	  BATCHES_MAX / 4, tcp_batch },
};

static long long samples[BENCHES][SUBJECTS][ROUNDS * BATCHES_MAX];

static void check(int ret, const char *what)
{
	if (ret < 0)
		errx(1, "%s: %s", what, chring_error(chring));
}

static void steer(const struct bench *bench, const int *servers)
{
	static const char *const names[SERVERS] = { "r1", "r2", "r3", "r4" };
	struct chring_replica_request replicas[SERVERS] = { 0 };
	struct chring_service_request service = {
		.name = SERVICE,
		.protocol = bench->protocol,
		.local = server,
		.owner = CHRING_OWNER_SELF,
	};
	int i;

	for (i = 0; i < SERVERS; i++) {
		replicas[i] = (struct chring_replica_request) {
			.name = names[i],
			.fd = servers[i],
			.weight = 1,
		};
	}
	check(chring_service_new(chring, &service), "service");
	check(chring_replica_new(chring, SERVICE, replicas, SERVERS),
	      "replicas");
}

/* Ends the service, and makes sure that it was asked for every flow. */
static void unsteer(unsigned int flows)
{
	struct chring_service service;

	check(chring_service_get(chring, SERVICE, &service), "counters");
	if (service.picks < flows)
		errx(1, "chring picked %llu times for %u flows",
		     (unsigned long long)service.picks, flows);
	check(chring_service_del(chring, SERVICE), "removal");
	while (chring_service_get(chring, SERVICE, &service) != -ENOENT)
		usleep(1000);
}

static void measure(const struct bench *bench, int subject, long long *into)
{
	int servers[SERVERS];
	int i;

	for (i = 0; i < SERVERS; i++) {
		servers[i] = socket_on(bench->type | SOCK_NONBLOCK, PORT, true);
		if (bench->type == SOCK_STREAM && listen(servers[i], 64))
			err(1, "listen");
	}
	if (subject == CHRING)
		steer(bench, servers);
	for (i = 0; i < bench->batches; i++)
		into[i] = bench->batch(servers);
	if (subject == CHRING)
		unsteer(bench->batches * CLIENTS);
	for (i = 0; i < SERVERS; i++)
		close(servers[i]);
}

static int compare(const void *a, const void *b)
{
	long long x = *(const long long *)a;
	long long y = *(const long long *)b;

	return (x > y) - (x < y);
}

/* The median leaves out the batches that the timer's interrupt met. */
static double per_flow(unsigned int b, int subject)
{
	long long *values = samples[b][subject];
	size_t count = ROUNDS * benches[b].batches;

	qsort(values, count, sizeof(*values), compare);
	return (double)values[count / 2] / CLIENTS;
}

static void report(const char *path)
{
	const char *separator = "[\n";
	double value;
	double plain;
	unsigned int b;
	FILE *json;
	int s;

	json = fopen(path, "w");
	if (!json)
		err(1, "%s", path);
	for (b = 0; b < BENCHES; b++) {
		printf("%s\n", benches[b].name);
		plain = per_flow(b, PLAIN);
		for (s = 0; s < SUBJECTS; s++) {
			value = per_flow(b, s);
			printf("  %-14s %9.1f instructions %+8.1f %+7.2f%%\n",
			       subjects[s], value, value - plain,
			       100 * (value / plain - 1));
			fprintf(json, "%s\t{\"bench\": \"%s\", ", separator,
				benches[b].name);
			fprintf(json, "\"subject\": \"%s\", ", subjects[s]);
			fprintf(json, "\"value\": %.1f, ", value);
			fprintf(json, "\"unit\": \"instructions\"}");
			separator = ",\n";
		}
	}
	fputs("\n]\n", json);
	if (fclose(json))
		err(1, "%s", path);
}

int main(int argc, char **argv)
{
	unsigned int b;
	int round;
	int i;

	if (argc != 2)
		errx(1, "usage: steer JSON-FILE");
	server.in.sin_family = AF_INET;
	server.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server.in.sin_port = htons(PORT);
	for (i = 0; i < CLIENTS; i++)
		udp_clients[i] = socket_on(SOCK_DGRAM, CLIENT_PORT + i, false);
	chring = chring_alloc();
	if (!chring)
		err(1, "chring");
	check(chring_open(chring), "chring");
	sleep(SETTLE_S);
	reading = clock_cost();

	for (round = -1; round < ROUNDS; round++) {
		for (b = 0; b < BENCHES; b++) {
			for (i = 0; i < SUBJECTS; i++)
				measure(&benches[b], i, samples[b][i] +
					(round < 0 ? 0 : round) *
					benches[b].batches);
		}
	}
	report(argv[1]);
	chring_free(chring);
	return 0;
}
