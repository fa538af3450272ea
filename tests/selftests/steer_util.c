// SPDX-License-Identifier: GPL-2.0
/* See steer_util.h: the stage, its service, and what the dumps must say. */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "kselftest.h"
#include "steer_util.h"

#define SLOTS		16384

long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

void nap(void)
{
	poll(NULL, 0, 1);
}

/* ---- the stage */

void netns_enter(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd;

	if (unshare(CLONE_NEWNET))
		err(1, "unshare");
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &lo))
		err(1, "lo");
	close(fd);
}

/* Where the clients come from and connect to, a loopback's address. */
void stage_clients(struct stage *stage, const char *client)
{
	stage->remote = inet_address(client, inet_port(&stage->local));
	stage->client = inet_at(&stage->remote, 0);
}

/* Where @local is any address, clients come from and to the loopback's. */
void stage_open(struct stage *stage, int protocol, const char *local)
{
	bool ipv6 = strchr(local, ':');

	memset(stage, 0, sizeof(*stage));
	stage->protocol = protocol;
	stage->local = inet_address(local, STAGE_PORT);
	stage_clients(stage, ipv6 ? "::1" : "127.0.0.1");
	stage->service = STAGE_SERVICE;
	stage->grace = CHRING_GRACE_NONE;
	stage->tally = mmap(NULL, sizeof(*stage->tally), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (stage->tally == MAP_FAILED)
		err(1, "mmap");
	signal(SIGPIPE, SIG_IGN);
	stage->chring = chring_alloc();
	if (!stage->chring)
		err(1, "chring_alloc");
	if (chring_open(stage->chring))
		errx(1, "%s", chring_error(stage->chring));
}

void stage_close(struct stage *stage)
{
	struct chring_service service;
	int i;

	__atomic_store_n(&stage->tally->stop, 1, __ATOMIC_SEQ_CST);
	if (!chring_service_get(stage->chring, stage->service, &service)) {
		chring_service_del(stage->chring, stage->service);
		if (!wait_until(service_is_gone(stage)))
			errx(1, "the service is not removed");
	}
	for (i = 0; i < MAX_SERVERS; i++)
		if (stage->server[i].pid)
			server_kill(stage, i);
	chring_free(stage->chring);
	munmap(stage->tally, sizeof(*stage->tally));
}

/* ---- the service */

/* What was refused is shown: no test here expects it. */
static int shown(struct stage *stage, int ret)
{
	if (ret < 0)
		printf("# %s\n", chring_error(stage->chring));
	return ret;
}

int service_add(struct stage *stage)
{
	struct chring_service_request request = {
		.name = stage->service,
		.protocol = stage->protocol,
		.local = stage->local,
		.v6only = stage->v6only,
		.key = stage->key,
		.owner = CHRING_OWNER_SELF,
		.balance = stage->balance,
		.grace = stage->grace,
	};

	return shown(stage, chring_service_new(stage->chring, &request));
}

int service_del(struct stage *stage)
{
	int ret = chring_service_del(stage->chring, stage->service);

	if (!ret)
		stage->replicas = 0;
	return shown(stage, ret);
}

bool service_is_gone(struct stage *stage)
{
	struct chring_service service;
	int ret = chring_service_get(stage->chring, stage->service, &service);

	if (ret && ret != -ENOENT)
		errx(1, "%s", chring_error(stage->chring));
	return ret;
}

struct chring_service service_now(struct stage *stage)
{
	struct chring_service service;

	if (chring_service_get(stage->chring, stage->service, &service))
		errx(1, "%s", chring_error(stage->chring));
	return service;
}

static const char *replica_name(int server)
{
	static const char *const names[MAX_SERVERS] = {
		"r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7",
	};

	return names[server];
}

int server_socket_copy(struct stage *stage, int server)
{
	int fd = chring_socket_from_pid(stage->chring,
					stage->server[server].pid,
					stage->protocol, &stage->local,
					stage->server[server].fd);

	if (fd < 0)
		errx(1, "%s", chring_error(stage->chring));
	return fd;
}

int replicas_add(struct stage *stage, unsigned int servers)
{
	struct chring_replica_request requests[MAX_SERVERS] = { 0 };
	int i, n = 0, ret;

	for (i = 0; i < MAX_SERVERS; i++) {
		if (!(servers & 1 << i))
			continue;
		requests[n++] = (struct chring_replica_request) {
			.name = replica_name(i),
			.fd = server_socket_copy(stage, i),
			.weight = stage->server[i].weight,
		};
	}
	ret = chring_replica_new(stage->chring, stage->service, requests, n);
	for (i = 0; i < n; i++)
		close(requests[i].fd);
	if (!ret)
		stage->replicas |= servers;
	return shown(stage, ret);
}

int replicas_del(struct stage *stage, unsigned int servers)
{
	const char *names[MAX_SERVERS];
	int i, n = 0, ret;

	for (i = 0; i < MAX_SERVERS; i++)
		if (servers & 1 << i)
			names[n++] = replica_name(i);
	ret = chring_replica_del(stage->chring, stage->service, names, n);
	if (!ret)
		stage->replicas &= ~servers;
	return shown(stage, ret);
}

int replica_weigh(struct stage *stage, int server, uint32_t weight)
{
	struct chring_replica_request request = {
		.name = replica_name(server),
		.fd = -1,
		.weight = weight,
	};
	int ret;

	ret = chring_replica_set(stage->chring, stage->service, &request, 1);
	if (!ret)
		stage->server[server].weight = weight;
	return shown(stage, ret);
}

struct chring_replica replica_now(struct stage *stage, int server)
{
	struct chring_replica replica;

	if (chring_replica_get(stage->chring, stage->service,
			       replica_name(server), &replica))
		errx(1, "%s", chring_error(stage->chring));
	return replica;
}

/* False where there is none of this name. */
static bool replica_look(struct stage *stage, int server,
			 struct chring_replica *replica)
{
	int ret = chring_replica_get(stage->chring, stage->service,
				     replica_name(server), replica);

	if (ret && ret != -ENOENT)
		errx(1, "%s", chring_error(stage->chring));
	return !ret;
}

bool replica_died(struct stage *stage, int server,
		  struct chring_replica *replica)
{
	return replica_look(stage, server, replica) &&
	       replica->state == CHRING_REPLICA_DEAD;
}

bool replica_is_gone(struct stage *stage, int server)
{
	struct chring_replica replica;

	if (replica_look(stage, server, &replica))
		return false;
	stage->replicas &= ~(1 << server);
	return true;
}

/* ---- what the dumps must say */

static char odd_text[256];

__printf(1, 2)
static bool odd(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(odd_text, sizeof(odd_text), format, args);
	va_end(args);
	return false;
}

static bool service_is_right(const struct stage *stage,
			     const struct chring_service *service)
{
	bool steering = service->state == CHRING_SERVICE_STEERING;

	if (strcmp(service->name, stage->service) ||
	    service->protocol != stage->protocol ||
	    !inet_same(&service->local, &stage->local) ||
	    service->v6only != stage->v6only ||
	    service->owner != getuid())
		return odd("another service");
	if (memcmp(&service->key, &stage->key, sizeof(stage->key)))
		return odd("key is %s", chring_key_name(service->key.type));
	if (!steering && service->state != CHRING_SERVICE_IDLE)
		return odd("service is %s",
			   chring_service_state_name(service->state));
	if (!steering && (stage->replicas || service->picks))
		return odd("service is idle, with %u replicas, %llu picks",
			   service->replicas,
			   (unsigned long long)service->picks);
	if (service->replicas != (uint32_t)__builtin_popcount(stage->replicas))
		return odd("service counts %u replicas", service->replicas);
	if (service->slots != SLOTS || service->balance != stage->balance)
		return odd("%u slots in the service, balance %s", service->slots,
			   chring_balance_name(service->balance));
	return true;
}

static bool replica_is_right(const struct stage *stage,
			     const struct chring_replica *replica,
			     const struct server *server)
{
	if (strcmp(replica->service, stage->service))
		return odd("%s is of %s", replica->name, replica->service);
	if (replica->state != CHRING_REPLICA_UP)
		return odd("%s is %s", replica->name,
			   chring_replica_state_name(replica->state));
	if (replica->inode != server->inode)
		return odd("%s is another socket", replica->name);
	if (replica->weight != server->weight)
		return odd("%s weighs %u", replica->name, replica->weight);
	if (!replica->points || replica->points % replica->weight)
		return odd("%s of weight %u has %u points", replica->name,
			   replica->weight, replica->points);
	return true;
}

/* All replicas are there, no other is, and they share points and slots. */
static bool replicas_are_right(const struct stage *stage,
			       const struct chring_service *service,
			       const struct chring_replica *replicas, size_t n)
{
	unsigned int points = 0, slots = 0, seen = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		int server = atoi(replicas[i].name + 1);

		if (server < 0 || server >= MAX_SERVERS ||
		    !(stage->replicas & ~seen & 1 << server))
			return odd("%s is a replica", replicas[i].name);
		if (!replica_is_right(stage, &replicas[i],
				      &stage->server[server]))
			return false;
		if (replicas[i].points / replicas[i].weight !=
		    replicas[0].points / replicas[0].weight)
			return odd("points are not by weight");
		seen |= 1 << server;
		points += replicas[i].points;
		slots += replicas[i].slots;
	}
	if (seen != stage->replicas)
		return odd("replicas are %#x instead of %#x", seen,
			   stage->replicas);
	if (slots != (n ? SLOTS : 0))
		return odd("replicas have %u slots", slots);
	if (service->points != points)
		return odd("replicas have %u points, the service %u", points,
			   service->points);
	return true;
}

static bool stage_is_right(const struct stage *stage,
			   const struct chring_service *services,
			   size_t n_services,
			   const struct chring_replica *replicas,
			   size_t n_replicas)
{
	const struct chring_service *service = NULL;
	size_t i;

	for (i = 0; i < n_services; i++) {
		if (strcmp(services[i].name, stage->service))
			continue;
		if (service)
			return odd("two services of one name");
		service = &services[i];
	}
	if (!service)
		return odd("no service");
	return service_is_right(stage, service) &&
	       replicas_are_right(stage, service, replicas, n_replicas);
}

const char *stage_odd(struct stage *stage)
{
	struct chring_replica *replicas = NULL;
	struct chring_service *services = NULL;
	size_t n_services, n_replicas;

	odd_text[0] = '\0';
	if (chring_service_dump(stage->chring, &services, &n_services) ||
	    chring_replica_dump(stage->chring, stage->service, &replicas,
				&n_replicas))
		odd("%s", chring_error(stage->chring));
	else
		stage_is_right(stage, services, n_services, replicas,
			       n_replicas);
	free(services);
	free(replicas);
	return odd_text;
}
