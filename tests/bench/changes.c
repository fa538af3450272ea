// SPDX-License-Identifier: GPL-2.0
/*
 * Latency of a steady stream of datagrams while a service changes: from when one
 * was to be sent until it has been at its server and is answered. By turns,
 *
 *	idle		nothing is done
 *	busy		a process computes: what the machine itself makes of that
 *	changing	it changes one replica's weight after the other
 *
 * Client and servers are one thread. Where there are two processors it has one
 * of its own, and does not sleep: how long an emulated machine takes to wake up
 * is not what is asked here. Where there is one it is a real-time thread there.
 *
 * usage: changes JSON-FILE REPLICAS CHANGES
 */
#define _GNU_SOURCE		/* CPU_SET */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "chring.h"

#define TURNS		10
#define TURN_NS		3000000000LL	/* without changes, all turns: 60 s */
#define TURN_SAME_NS	200000000LL
#define PACE_NS		1000000
#define CLIENTS		64
#define PORT		9300
#define SAMPLES_MAX	2000000
#define SETTLE_S	10		/* what a kernel does after its boot */
#define SERVICE		"bench"
#define AT_ONCE		50		/* replicas of a request */
#define MEMORY		(1 << 20)	/* that who computes looks at */
#define GOAL		1.5
#define QUIET		5	/* p99 / p50 without changes, on a host at rest */

enum phase { IDLE, BUSY, CHANGING, PHASES };

static const char *const phases[PHASES] = { "idle", "busy", "changing" };

/* What the two processes share. */
static struct shared {
	int phase;
	int left;		/* changes of this turn */
	long long spent;	/* nanoseconds, on all changes */
} *shared;

static bool apart;
static struct chring *chring;
static union chring_address server;
static int clients[CLIENTS];
static int epoll;
static char (*names)[16];
static unsigned int *samples[PHASES];	/* nanoseconds */
static size_t counts[PHASES];

static long long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void check(int ret, const char *what)
{
	if (ret < 0)
		errx(1, "%s: %s", what, chring_error(chring));
}

static void stay_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		err(1, "processor %d", cpu);
}

static int server_socket(void)
{
	struct epoll_event event = { .events = EPOLLIN };
	int one = 1;

	event.data.fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (event.data.fd < 0 ||
	    setsockopt(event.data.fd, SOL_SOCKET, SO_REUSEPORT, &one,
		       sizeof(one)) ||
	    bind(event.data.fd, &server.sa, sizeof(server.in)) ||
	    epoll_ctl(epoll, EPOLL_CTL_ADD, event.data.fd, &event))
		err(1, "server");
	return event.data.fd;
}

static void start_servers(int replicas)
{
	struct rlimit limit = { replicas + 256, replicas + 256 };
	struct chring_replica_request requests[AT_ONCE] = { 0 };
	struct chring_service_request service = {
		.name = SERVICE,
		.protocol = IPPROTO_UDP,
		.local = server,
		.owner = CHRING_OWNER_SELF,
	};
	int i, n = 0;

	if (setrlimit(RLIMIT_NOFILE, &limit))
		err(1, "RLIMIT_NOFILE");
	epoll = epoll_create1(0);
	names = calloc(replicas, sizeof(*names));
	if (epoll < 0 || !names)
		err(1, "servers");
	check(chring_service_new(chring, &service), "service");
	for (i = 0; i < replicas; i++) {
		snprintf(names[i], sizeof(names[i]), "r%d", i);
		requests[n].name = names[i];
		requests[n].fd = server_socket();
		requests[n].weight = 1;
		if (++n < AT_ONCE && i + 1 < replicas)
			continue;
		check(chring_replica_new(chring, SERVICE, requests, n),
		      "replicas");
		n = 0;
	}
}

static void start_clients(void)
{
	int i;

	for (i = 0; i < CLIENTS; i++) {
		clients[i] = socket(AF_INET, SOCK_DGRAM, 0);
		if (clients[i] < 0 ||
		    connect(clients[i], &server.sa, sizeof(server.in)))
			err(1, "client");
	}
}

/* ---- the process beside the stream */

static void change(int replicas)
{
	static int changes;
	struct chring_replica_request request = {
		.name = names[changes % replicas],
		.fd = -1,
		/* Up, and down again in the next round */
		.weight = 2 - changes / replicas % 2,
	};
	long long begin = now();

	check(chring_replica_set(chring, SERVICE, &request, 1), "change");
	shared->spent += now() - begin;
	changes++;
}

/* Here and there, as one that fills a table. */
static void compute(void)
{
	static uint32_t memory[MEMORY / sizeof(uint32_t)];
	static uint32_t at = 1;
	int i;

	for (i = 0; i < 1000; i++) {
		at = at * 1664525 + 1013904223;
		memory[at / (UINT32_MAX / (MEMORY / sizeof(uint32_t)) + 1)] +=
			at;
	}
}

static void work(int replicas)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	stay_on(apart ? 1 : 0);
	chring_free(chring);
	chring = chring_alloc();
	check(chring_open(chring), "chring");
	for (;;) {
		int phase = __atomic_load_n(&shared->phase, __ATOMIC_ACQUIRE);

		if (phase == CHANGING &&
		    __atomic_load_n(&shared->left, __ATOMIC_RELAXED)) {
			change(replicas);
			__atomic_fetch_sub(&shared->left, 1, __ATOMIC_RELEASE);
		} else if (phase == BUSY) {
			compute();
		} else {
			usleep(10000);
		}
	}
}

/* ---- the stream */

static void wait_until(long long when)
{
	struct timespec time = { when / 1000000000, when % 1000000000 };

	while (apart && now() < when)
		;
	if (!apart)
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
}

static void exchange(int client)
{
	struct sockaddr_in from;
	socklen_t length = sizeof(from);
	struct epoll_event event;
	char datagram[32] = { 0 };

	if (send(client, datagram, sizeof(datagram), 0) < 0)
		err(1, "send");
	if (epoll_wait(epoll, &event, 1, 60000) != 1)
		errx(1, "a datagram did not arrive");
	if (recvfrom(event.data.fd, datagram, sizeof(datagram), 0,
		     (struct sockaddr *)&from, &length) < 0 ||
	    sendto(event.data.fd, datagram, sizeof(datagram), 0,
		   (struct sockaddr *)&from, length) < 0 ||
	    recv(client, datagram, sizeof(datagram), 0) < 0)
		err(1, "answer");
}

/* Goes on until then, or until the turn's changes are made. */
static void stream(enum phase phase, long long end)
{
	long long next = now();
	int n = 0;

	__atomic_store_n(&shared->phase, phase, __ATOMIC_RELEASE);
	while (phase == CHANGING ?
	       __atomic_load_n(&shared->left, __ATOMIC_ACQUIRE) > 0 :
	       next < end) {
		next += PACE_NS;
		wait_until(next);
		if (counts[phase] == SAMPLES_MAX)
			errx(1, "this takes too long");
		exchange(clients[n++ % CLIENTS]);
		samples[phase][counts[phase]++] = now() - next;
	}
	__atomic_store_n(&shared->phase, IDLE, __ATOMIC_RELEASE);
}

/* ---- what came out */

static int compare(const void *a, const void *b)
{
	unsigned int x = *(const unsigned int *)a, y = *(const unsigned int *)b;

	return (x > y) - (x < y);
}

static double percentile(enum phase phase, double percent)
{
	return samples[phase][(size_t)(counts[phase] * percent / 100)] / 1e3;
}

static void report_phase(FILE *json, enum phase phase, int replicas,
			 int changes)
{
	double most = samples[phase][counts[phase] - 1] / 1e3;

	printf("%-10s %8zu %9.1f %9.1f %9.1f %9.1f\n", phases[phase],
	       counts[phase], percentile(phase, 50), percentile(phase, 99),
	       percentile(phase, 99.9), most);
	fprintf(json, "%s\t{\"phase\": \"%s\", \"processors\": %d, ",
		phase ? ",\n" : "[\n", phases[phase], apart ? 2 : 1);
	fprintf(json, "\"replicas\": %d, \"changes\": %d, \"samples\": %zu, ",
		replicas, phase == CHANGING ? changes : 0, counts[phase]);
	fprintf(json, "\"p50\": %.1f, \"p99\": %.1f, \"p99.9\": %.1f, ",
		percentile(phase, 50), percentile(phase, 99),
		percentile(phase, 99.9));
	fprintf(json, "\"max\": %.1f, \"unit\": \"microseconds\"}", most);
}

/* What a busy host does to the stream hides what the changes do. */
static bool judge(double ratio)
{
	bool quiet = percentile(IDLE, 99) <= QUIET * percentile(IDLE, 50);

	printf("goal: at most %.2f of that without: %s\n", GOAL,
	       !quiet ? "cannot be told, the host was busy" :
	       ratio <= GOAL ? "met" : "missed");
	return quiet && ratio <= GOAL;
}

/* Returns whether the goal is met, where there is one. */
static bool report(const char *path, int replicas, int changes)
{
	FILE *json = fopen(path, "w");
	double of_idle, of_busy;
	int i;

	if (!json)
		err(1, "%s", path);
	printf("%d replicas, %d changes on %s processor, %.1f ms each; latency in microseconds\n",
	       replicas, changes, apart ? "another" : "the same",
	       shared->spent / 1e6 / changes);
	printf("%-10s %8s %9s %9s %9s %9s\n", "", "samples", "p50", "p99",
	       "p99.9", "max");
	for (i = 0; i < PHASES; i++) {
		qsort(samples[i], counts[i], sizeof(**samples), compare);
		report_phase(json, i, replicas, changes);
	}
	of_idle = percentile(CHANGING, 99) / percentile(IDLE, 99);
	of_busy = percentile(CHANGING, 99) / percentile(BUSY, 99);
	printf("p99 with changes: %.2f of that without, %.2f of that beside a busy process\n",
	       of_idle, of_busy);
	fputs("\n]\n", json);
	if (fclose(json))
		err(1, "%s", path);
	return !apart || judge(of_idle);
}

static void prepare(int replicas)
{
	int i;

	apart = sysconf(_SC_NPROCESSORS_ONLN) > 1;
	server.in.sin_family = AF_INET;
	server.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server.in.sin_port = htons(PORT);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		err(1, "memory");
	for (i = 0; i < PHASES; i++) {
		samples[i] = malloc(SAMPLES_MAX * sizeof(**samples));
		if (!samples[i])
			err(1, "memory");
	}
	chring = chring_alloc();
	if (!chring)
		err(1, "memory");
	check(chring_open(chring), "chring");
	start_servers(replicas);
	start_clients();
}

int main(int argc, char **argv)
{
	struct sched_param first = { .sched_priority = 1 };
	int replicas, changes, i;
	long long turn;
	pid_t worker;
	bool met;

	if (argc != 4 || atoi(argv[2]) < 1 || atoi(argv[3]) < TURNS)
		errx(2, "usage: changes JSON-FILE REPLICAS CHANGES");
	replicas = atoi(argv[2]);
	changes = atoi(argv[3]) / TURNS * TURNS;
	prepare(replicas);
	worker = fork();
	if (!worker)
		work(replicas);
	stay_on(0);
	if (!apart && sched_setscheduler(0, SCHED_FIFO, &first))
		err(1, "SCHED_FIFO");
	turn = apart ? TURN_NS : TURN_SAME_NS;
	sleep(SETTLE_S);

	for (i = 0; i < TURNS; i++) {
		shared->left = changes / TURNS;
		stream(CHANGING, 0);
		stream(IDLE, now() + turn);
		stream(BUSY, now() + turn);
		if (waitpid(worker, NULL, WNOHANG))
			errx(1, "the changes ended");
	}
	kill(worker, SIGKILL);
	waitpid(worker, NULL, 0);
	check(chring_service_del(chring, SERVICE), "removal");
	met = report(argv[1], replicas, changes);
	chring_free(chring);
	return !met;
}
