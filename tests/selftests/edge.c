// SPDX-License-Identifier: GPL-2.0
/* See edge.h. */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "edge.h"

#define BESIDE_SOURCE	20000

void edge_shell(const char *format, ...)
{
	char command[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	if (system(command))
		errx(1, "failed: %s", command);
}

/* Of the network namespace that the test is in. */
void edge_sysctl(const char *name, const char *value)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/%s", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		err(1, "%s", path);
	close(fd);
}

/* A file of lines in pairs: names, then their values. */
static long counter_in_pairs(const char *path, const char *group,
			     const char *name)
{
	char names[8192], values[8192];
	char *next_name, *next_value;
	FILE *file = fopen(path, "re");

	if (!file)
		err(1, "%s", path);
	while (fgets(names, sizeof(names), file) &&
	       fgets(values, sizeof(values), file)) {
		char *word = strtok_r(names, " :\n", &next_name);
		char *value = strtok_r(values, " :\n", &next_value);

		if (strcmp(word, group))
			continue;
		while (word && value && strcmp(word, name)) {
			word = strtok_r(NULL, "\n ", &next_name);
			value = strtok_r(NULL, "\n ", &next_value);
		}
		fclose(file);
		if (!word || !value)
			errx(1, "no counter %s %s", group, name);
		return atol(value);
	}
	errx(1, "no counters %s", group);
}

/* A file with a name and its value in each line. */
static long counter_in_lines(const char *path, const char *name)
{
	FILE *file = fopen(path, "re");
	char word[64];
	long value;

	if (!file)
		err(1, "%s", path);
	while (fscanf(file, "%63s %ld", word, &value) == 2) {
		if (strcmp(word, name))
			continue;
		fclose(file);
		return value;
	}
	errx(1, "no counter %s", name);
}

/**
 * edge_counter - a counter of the kernel's, in this network namespace
 * @group: "Ip", "TcpExt", ... or "Ip6"
 * @name: its name there
 */
long edge_counter(const char *group, const char *name)
{
	char name6[64];

	if (!strcmp(group, "Ip6")) {
		snprintf(name6, sizeof(name6), "%s%s", group, name);
		return counter_in_lines("/proc/net/snmp6", name6);
	}
	if (strstr(group, "Ext"))
		return counter_in_pairs("/proc/net/netstat", group, name);
	return counter_in_pairs("/proc/net/snmp", group, name);
}

/* ---- where it takes place */

static int netns_of_self(void)
{
	int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		err(1, "/proc/self/ns/net");
	return fd;
}

static void netns_change(int fd)
{
	if (setns(fd, CLONE_NEWNET))
		err(1, "setns");
}

void edge_enter_client(struct edge *edge)
{
	netns_change(edge->client_netns);
}

void edge_enter_server(struct edge *edge)
{
	netns_change(edge->server_netns);
}

bool edge_is_ipv6(const struct edge *edge)
{
	return edge->stage.client.sa.sa_family == AF_INET6;
}

void edge_open(struct edge *edge, int protocol, int family, bool steered)
{
	netns_enter();
	stage_open(&edge->stage, protocol,
		   family == AF_INET6 ? "::1" : "127.0.0.1");
	edge->stage.v6only = family == AF_INET6;
	edge->steered = steered;
	edge->server_netns = netns_of_self();
	edge->client_netns = edge->server_netns;
	edge->looked_up = edge->stage.remote;
	sources_fill(edge->sources, EDGE_FLOWS);
}

void edge_bind(struct edge *edge, const char *host)
{
	edge->stage.local = inet_address(host, STAGE_PORT);
	/* As a service has it: one on :: is for both families here */
	edge->stage.v6only = edge->stage.local.sa.sa_family == AF_INET6 &&
			     !inet_is_any(&edge->stage.local);
}

void edge_bind_any(struct edge *edge)
{
	edge_bind(edge, edge_is_ipv6(edge) ? "::" : "0.0.0.0");
}

/*
 *	server_netns                                  client_netns
 *	10.0.0.1/24, fd00::1/64                10.0.0.2/24, fd00::2/64
 *	            west ----------- veth ----------- east
 *
 * Both have a default route to the other. Addresses are not probed for
 * duplicates: that takes a second.
 */
static void link_address(const char *device, const char *me, const char *other)
{
	edge_shell("ip link set %s up;"
		   "ip addr add 10.0.0.%s/24 dev %s;"
		   "ip addr add fd00::%s/64 dev %s nodad;"
		   "ip route add default via 10.0.0.%s;"
		   "ip -6 route add default via fd00::%s", device, me, device,
		   me, device, other, other);
}

void edge_link(struct edge *edge)
{
	netns_enter();
	edge->far_netns = netns_of_self();
	edge_sysctl("ipv6/conf/default/accept_dad", "0");
	edge_enter_server(edge);
	edge_sysctl("ipv6/conf/default/accept_dad", "0");
	edge_shell("ip link add " EDGE_DEVICE " type veth peer name east netns /proc/%d/fd/%d",
		   getpid(), edge->far_netns);
	link_address(EDGE_DEVICE, "1", "2");
	netns_change(edge->far_netns);
	link_address("east", "2", "1");
	edge_enter_server(edge);
}

void edge_go_far(struct edge *edge)
{
	edge->client_netns = edge->far_netns;
	edge->stage.remote = inet_address(EDGE_HOST, STAGE_PORT);
	edge->stage.client = inet_address(EDGE_CLIENT, 0);
	edge->looked_up = edge->stage.remote;
}

/* ---- what is beside */

static void beside_open(struct edge *edge)
{
	struct stage *stage = &edge->stage;
	bool unconnected = stage->unconnected;
	uint16_t sources[EDGE_BESIDE];
	int i;

	for (i = 0; i < EDGE_BESIDE; i++) {
		sources[i] = BESIDE_SOURCE + i;
		if (stage->protocol == IPPROTO_UDP)
			server_connect(stage, i % EDGE_SERVERS, sources[i]);
	}
	stage->unconnected = false;
	edge_enter_client(edge);
	clients_open(stage, sources, EDGE_BESIDE, edge->beside,
		     edge->beside_answers);
	edge_enter_server(edge);
	stage->unconnected = unconnected;
	for (i = 0; i < EDGE_BESIDE; i++)
		if (edge->beside_answers[i] < 0)
			errx(1, "connection %d beside: %s", i,
			     strerrorname_np(-edge->beside_answers[i]));
}

/* Where the kernel itself is known not to go on with them. */
void edge_forget_beside(struct edge *edge)
{
	int i;

	for (i = 0; i < EDGE_BESIDE; i++) {
		close(edge->beside[i]);
		edge->beside[i] = -1;
	}
}

/* Those of servers that are dead aside, nothing has become of them. */
static bool beside_goes_on(struct edge *edge)
{
	int i;

	edge->stage.unconnected = false;
	for (i = 0; i < EDGE_BESIDE; i++) {
		int server = edge->beside_answers[i];

		if (edge->beside[i] >= 0 && edge->stage.server[server].pid &&
		    client_ask(&edge->stage, edge->beside[i]) != server)
			return false;
	}
	return true;
}

/* ---- the service and its flows */

int edge_serve(struct edge *edge)
{
	int ret;

	servers_start(&edge->stage, EDGE_SERVERS);
	beside_open(edge);
	if (!edge->steered)
		return 0;
	ret = service_add(&edge->stage);
	return ret ? ret : replicas_add(&edge->stage, EDGE_ALL);
}

/* "" or what is wrong. */
static const char *service_end(struct edge *edge)
{
	const char *odd = "";

	if (!edge->steered || service_is_gone(&edge->stage))
		return odd;
	odd = stage_odd(&edge->stage);
	if (*odd)
		return odd;
	if (service_del(&edge->stage) ||
	    !wait_until(service_is_gone(&edge->stage)))
		return "service is not removed";
	if (!beside_goes_on(edge))
		return "a connection beside ended with the service";
	return odd;
}

/* Returns "" or what is wrong, apart from the flows. */
const char *edge_close(struct edge *edge)
{
	static char odd[256];

	if (beside_goes_on(edge))
		snprintf(odd, sizeof(odd), "%s", service_end(edge));
	else
		snprintf(odd, sizeof(odd), "a connection beside was lost");
	stage_close(&edge->stage);
	return odd;
}

void edge_foretell(struct edge *edge)
{
	struct stage stage = edge->stage;

	stage.remote = edge->looked_up;
	lookup(&stage, edge->sources, EDGE_FLOWS, edge->foretold);
}

void edge_ask(struct edge *edge)
{
	if (edge->stage.replicas)
		edge_foretell(edge);
	edge_enter_client(edge);
	ask(&edge->stage, edge->sources, EDGE_FLOWS, edge->answers);
	edge_enter_server(edge);
}

int edge_count(const struct edge *edge, int server)
{
	int i, n = 0;

	for (i = 0; i < EDGE_FLOWS; i++)
		n += edge->answers[i] == server;
	return n;
}

const char *edge_wanted(const struct edge *edge)
{
	static char text[64];

	snprintf(text, sizeof(text), "%d of %d %s", EDGE_FLOWS, EDGE_FLOWS,
		 edge->stage.replicas ? "by ring" : "served");
	return text;
}

const char *edge_result(const struct edge *edge)
{
	static char text[64];
	int i, served = 0, by_ring = 0, first = edge->answers[0];

	for (i = 0; i < EDGE_FLOWS; i++) {
		served += edge->answers[i] >= 0;
		by_ring += edge->answers[i] >= 0 &&
			   edge->answers[i] == edge->foretold[i];
	}
	if (first < 0 && edge_count(edge, first) == EDGE_FLOWS)
		return strerrorname_np(-first);
	if (edge->stage.replicas && (by_ring || !served))
		snprintf(text, sizeof(text), "%d of %d by ring", by_ring,
			 EDGE_FLOWS);
	else
		snprintf(text, sizeof(text), "%d of %d served", served,
			 EDGE_FLOWS);
	return text;
}

/*
 * One write to a file that is open for appending is whole.
 */
void edge_tell(const struct edge *edge, const char *row, const char *cell)
{
	const char *path = getenv("CHRING_EDGES");
	const char *protocol;
	char line[256];
	int fd, n;

	protocol = edge->stage.protocol == IPPROTO_TCP ? "TCP" : "UDP";
	n = snprintf(line, sizeof(line), "%s|%s|%s|%s|%s\n", row, protocol,
		     edge_is_ipv6(edge) ? "v6" : "v4",
		     edge->steered ? "chring" : "plain", cell);
	if (!path)
		return;
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, line, n) != n)
		err(1, "%s", path);
	close(fd);
}
