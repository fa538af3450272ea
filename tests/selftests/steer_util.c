// SPDX-License-Identifier: GPL-2.0
/* See steer_util.h. */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <linux/membarrier.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kselftest.h"
#include "steer_util.h"

#define BATCH		32
#define BACKLOG		1024
#define MAX_CONNECTIONS	1024
#define SLOTS		16384

/* Over TCP, after the answer to the last question the server hangs up. */
#define QUESTION	'?'
#define QUESTION_LAST	'!'

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

static void count(unsigned long *counter)
{
	__atomic_add_fetch(counter, 1, __ATOMIC_SEQ_CST);
}

static unsigned long counted(const unsigned long *counter)
{
	return __atomic_load_n(counter, __ATOMIC_SEQ_CST);
}

static void set(int fd, int level, int option, int value)
{
	if (setsockopt(fd, level, option, &value, sizeof(value)))
		err(1, "setsockopt %d %d", level, option);
}

static struct sockaddr_in address(in_addr_t host, uint16_t port)
{
	return (struct sockaddr_in) {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = host,
	};
}

static int bind_to(int fd, in_addr_t host, uint16_t port)
{
	struct sockaddr_in sin = address(host, port);

	return bind(fd, (struct sockaddr *)&sin, sizeof(sin));
}

static int connect_to(int fd, in_addr_t host, uint16_t port)
{
	struct sockaddr_in sin = address(host, port);

	return connect(fd, (struct sockaddr *)&sin, sizeof(sin));
}

static int socket_of(const struct stage *stage, int flags)
{
	int type = stage->protocol == IPPROTO_TCP ? SOCK_STREAM : SOCK_DGRAM;
	int fd = socket(AF_INET, type | flags | SOCK_CLOEXEC, 0);

	if (fd < 0)
		err(1, "socket");
	return fd;
}

pid_t fork_child(void)
{
	pid_t parent = getpid();
	pid_t pid = fork();

	if (pid < 0)
		err(1, "fork");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
	}
	return pid;
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

void stage_open(struct stage *stage, int protocol, in_addr_t local)
{
	memset(stage, 0, sizeof(*stage));
	stage->protocol = protocol;
	stage->local = local;
	stage->port = STAGE_PORT;
	stage->service = STAGE_SERVICE;
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
		.local.in = address(stage->local, stage->port),
		.owner = CHRING_OWNER_SELF,
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
	union chring_address local = {
		.in = address(stage->local, stage->port),
	};
	int fd = chring_socket_from_pid(stage->chring,
					stage->server[server].pid,
					stage->protocol, &local,
					stage->server[server].fd);

	if (fd < 0)
		errx(1, "%s", chring_error(stage->chring));
	return fd;
}

int replicas_add(struct stage *stage, unsigned int servers)
{
	struct chring_replica_request requests[MAX_SERVERS];
	int i, n = 0, ret;

	for (i = 0; i < MAX_SERVERS; i++) {
		if (!(servers & 1 << i))
			continue;
		requests[n].name = replica_name(i);
		requests[n].fd = server_socket_copy(stage, i);
		requests[n++].weight = stage->server[i].weight;
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

static int replica_state(struct stage *stage, int server)
{
	struct chring_replica replica;
	int ret = chring_replica_get(stage->chring, stage->service,
				     replica_name(server), &replica);

	if (ret && ret != -ENOENT)
		errx(1, "%s", chring_error(stage->chring));
	return ret ? ret : (int)replica.state;
}

bool replica_died(struct stage *stage, int server)
{
	return replica_state(stage, server) == CHRING_REPLICA_DEAD;
}

bool replica_is_gone(struct stage *stage, int server)
{
	if (replica_state(stage, server) != -ENOENT)
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
	const struct sockaddr_in *in = &service->local.in;
	bool steering = service->state == CHRING_SERVICE_STEERING;

	if (strcmp(service->name, stage->service) ||
	    service->protocol != stage->protocol ||
	    in->sin_family != AF_INET || in->sin_addr.s_addr != stage->local ||
	    in->sin_port != htons(stage->port) || service->owner != getuid())
		return odd("another service");
	if (!steering && service->state != CHRING_SERVICE_IDLE)
		return odd("service is %s",
			   chring_service_state_name(service->state));
	if (!steering && (stage->replicas || service->picks))
		return odd("service is idle, with %u replicas, %llu picks",
			   service->replicas,
			   (unsigned long long)service->picks);
	if (service->replicas != (uint32_t)__builtin_popcount(stage->replicas))
		return odd("service counts %u replicas", service->replicas);
	if (service->slots != SLOTS)
		return odd("%u slots in the service", service->slots);
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

/* ---- a server's process */

struct order {
	enum {
		ORDER_CLOSE,
		ORDER_SHUTDOWN,
		ORDER_HOLD,
		ORDER_ACCEPT,
		ORDER_DEFER,
		ORDER_CONNECT,
		ORDER_CONNECT_SOCKET,
		ORDER_LEAVE,
		ORDER_FINISH,
	} what;
	uint16_t source;
};

/*
 * polls[0] is for orders, polls[1] the socket (its complement while it is not
 * to be looked at), the others are connections.
 */
struct serving {
	const struct stage *stage;
	int me;
	int fd;
	int n;
	struct pollfd polls[2 + MAX_CONNECTIONS];
};

static void serve_take_up(struct serving *serving, int fd)
{
	if (serving->n == 2 + MAX_CONNECTIONS)
		errx(1, "too many connections");
	serving->polls[serving->n++] = (struct pollfd) { fd, POLLIN, 0 };
}

/*
 * Answers one question: 1, 0 where there is none, -1 where there will be none
 * any more.
 */
static int serve_answer(struct serving *serving, int fd)
{
	struct sockaddr_in peer;
	socklen_t length = sizeof(peer);
	uint8_t question, answer = serving->me;
	ssize_t got;

	got = recvfrom(fd, &question, 1, MSG_DONTWAIT, (struct sockaddr *)&peer,
		       &length);
	if (got != 1)
		return got < 0 && errno == EAGAIN ? 0 : -1;
	count(&serving->stage->tally->served[serving->me]);
	/* A peer that is gone has asked in vain; it will have counted that. */
	sendto(fd, &answer, 1, 0, length ? (struct sockaddr *)&peer : NULL,
	       length);
	return question == QUESTION_LAST ? -1 : 1;
}

static void serve_datagrams(struct serving *serving, int fd)
{
	while (serve_answer(serving, fd))
		;
}

static void serve_socket(struct serving *serving)
{
	int fd;

	if (serving->stage->protocol == IPPROTO_UDP) {
		serve_datagrams(serving, serving->fd);
		return;
	}
	while ((fd = accept4(serving->fd, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
		count(&serving->stage->tally->accepted[serving->me]);
		serve_take_up(serving, fd);
	}
}

/*
 * Ends a connection by a reset, so that the client's port is free at once: this
 * end is gone before the client sees it.
 */
static void hang_up(int fd)
{
	struct linger reset = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(fd);
}

static void serve_connections(struct serving *serving)
{
	int i, ret;

	for (i = serving->n - 1; i >= 2; i--) {
		int fd = serving->polls[i].fd;

		if (!serving->polls[i].revents)
			continue;
		if (serving->stage->protocol == IPPROTO_UDP) {
			serve_datagrams(serving, fd);
			continue;
		}
		do
			ret = serve_answer(serving, fd);
		while (ret > 0);
		if (!ret)
			continue;
		hang_up(fd);
		serving->polls[i] = serving->polls[--serving->n];
	}
}

static int server_socket(const struct stage *stage)
{
	int fd = socket_of(stage, SOCK_NONBLOCK);

	set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	set(fd, SOL_SOCKET, SO_RCVBUFFORCE, 1 << 20);
	if (bind_to(fd, stage->local, stage->port))
		err(1, "bind");
	return fd;
}

/* Makes a socket of its own for a client, as servers do over DTLS or QUIC. */
static void serve_connect(struct serving *serving, uint16_t source)
{
	int fd = server_socket(serving->stage);

	if (connect_to(fd, htonl(INADDR_LOOPBACK), source))
		err(1, "connect");
	serve_take_up(serving, fd);
}

/* Whoever had hold of the socket in the kernel's look-up is through with it */
static void wait_for_lookups(void)
{
	if (syscall(__NR_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0))
		err(1, "membarrier");
}

/*
 * Leaves a port that is steered elsewhere, and loses nothing. A socket that is
 * destroyed while the kernel's look-up has it in hand takes that packet with
 * it. A connected UDP socket, and a listener that was shut down, are not found
 * any more, and after a grace period are in nobody's hands. A listener that the
 * look-up chose by hash, before the port was steered, must not be shut down
 * earlier than that.
 */
static void serve_leave(struct serving *serving)
{
	if (serving->stage->protocol == IPPROTO_UDP) {
		if (connect_to(serving->fd, htonl(INADDR_LOOPBACK), 1))
			err(1, "connect");
		wait_for_lookups();
		serve_datagrams(serving, serving->fd);
	} else {
		wait_for_lookups();
		if (shutdown(serving->fd, SHUT_RDWR))
			err(1, "shutdown");
		wait_for_lookups();
	}
	close(serving->fd);
	serving->polls[1].fd = -1;
}

/* Until the clients of all connections have their answers. */
static void serve_rest(struct serving *serving)
{
	while (serving->n > 2) {
		poll(serving->polls + 2, serving->n - 2, -1);
		serve_connections(serving);
	}
}

static void serve_order(struct serving *serving)
{
	struct order order;
	int *look = &serving->polls[1].fd;

	if (recv(serving->polls[0].fd, &order, sizeof(order), 0) !=
	    sizeof(order))
		_exit(1);
	switch (order.what) {
	case ORDER_CLOSE:
		close(serving->fd);
		*look = -1;
		break;
	case ORDER_SHUTDOWN:
		shutdown(serving->fd, SHUT_RDWR);
		*look = -1;
		break;
	case ORDER_HOLD:
		*look = ~serving->fd;
		break;
	case ORDER_ACCEPT:
		*look = serving->fd;
		break;
	case ORDER_DEFER:
		set(serving->fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, 60);
		break;
	case ORDER_CONNECT:
		serve_connect(serving, order.source);
		break;
	case ORDER_CONNECT_SOCKET:
		if (connect_to(serving->fd, htonl(INADDR_LOOPBACK),
			       order.source))
			err(1, "connect");
		break;
	case ORDER_LEAVE:
		serve_leave(serving);
		break;
	case ORDER_FINISH:
		serve_rest(serving);
		break;
	}
	send(serving->polls[0].fd, "", 1, 0);
}

static void serve(const struct stage *stage, int server, int control)
{
	struct serving serving = {
		.stage = stage,
		.me = server,
		.fd = stage->server[server].fd,
		.n = 2,
		.polls = {
			{ control, POLLIN, 0 },
			{ stage->server[server].fd, POLLIN, 0 },
		},
	};

	for (;;) {
		poll(serving.polls, serving.n, -1);
		serve_connections(&serving);
		if (serving.polls[1].revents)
			serve_socket(&serving);
		if (serving.polls[0].revents)
			serve_order(&serving);
	}
}

/* ---- servers, from outside */

/* The server has its socket when this returns, and nobody else has. */
void server_start(struct stage *stage, int server)
{
	struct server *s = &stage->server[server];
	int fd = server_socket(stage);
	struct stat stat;
	int control[2];

	if (stage->protocol == IPPROTO_TCP && listen(fd, BACKLOG))
		err(1, "listen");
	if (fstat(fd, &stat) ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET, 0, control))
		err(1, "socketpair");
	*s = (struct server) {
		.fd = fd, .inode = stat.st_ino, .control = control[0],
		.weight = 1,
	};
	s->pid = fork_child();
	if (!s->pid) {
		close(control[0]);
		serve(stage, server, control[1]);
	}
	close(control[1]);
	close(fd);
}

void servers_start(struct stage *stage, int n)
{
	int i;

	for (i = 0; i < n; i++)
		server_start(stage, i);
}

void server_kill(struct stage *stage, int server)
{
	struct server *s = &stage->server[server];

	kill(s->pid, SIGKILL);
	if (waitpid(s->pid, NULL, 0) != s->pid)
		err(1, "waitpid");
	close(s->control);
	s->pid = 0;
}

static void server_order(struct stage *stage, int server, struct order order)
{
	struct pollfd poll_in = { stage->server[server].control, POLLIN, 0 };
	char done;

	if (send(poll_in.fd, &order, sizeof(order), 0) != sizeof(order) ||
	    poll(&poll_in, 1, PATIENCE_MS) != 1 ||
	    recv(poll_in.fd, &done, 1, 0) != 1)
		errx(1, "server %d does not obey", server);
}

void server_close(struct stage *stage, int server)
{
	server_order(stage, server, (struct order) { ORDER_CLOSE, 0 });
}

void server_shutdown(struct stage *stage, int server)
{
	server_order(stage, server, (struct order) { ORDER_SHUTDOWN, 0 });
}

void server_hold(struct stage *stage, int server)
{
	server_order(stage, server, (struct order) { ORDER_HOLD, 0 });
}

void server_accept(struct stage *stage, int server)
{
	server_order(stage, server, (struct order) { ORDER_ACCEPT, 0 });
}

void server_defer(struct stage *stage, int server)
{
	server_order(stage, server, (struct order) { ORDER_DEFER, 0 });
}

void server_connect(struct stage *stage, int server, uint16_t source)
{
	server_order(stage, server, (struct order) { ORDER_CONNECT, source });
}

void server_connect_socket(struct stage *stage, int server, uint16_t source)
{
	server_order(stage, server,
		     (struct order) { ORDER_CONNECT_SOCKET, source });
}

void server_leave(struct stage *stage, int server)
{
	server_order(stage, server, (struct order) { ORDER_LEAVE, 0 });
}

void server_finish(struct stage *stage, int server)
{
	server_order(stage, server, (struct order) { ORDER_FINISH, 0 });
	server_kill(stage, server);
}

int served(const struct stage *stage)
{
	int i, sum = 0;

	for (i = 0; i < MAX_SERVERS; i++)
		sum += counted(&stage->tally->served[i]);
	return sum;
}

/* ---- questions */

void sources_fill(uint16_t *sources, int n)
{
	int i;

	for (i = 0; i < n; i++)
		sources[i] = FIRST_SOURCE + i;
}

int client_open(struct stage *stage, uint16_t source)
{
	struct linger reset = { .l_onoff = 1 };
	struct timeval patience = { .tv_sec = PATIENCE_MS / 1000 };
	int fd = socket_of(stage, 0);

	/* Otherwise the port would be taken for a while after close(). */
	if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience,
		       sizeof(patience)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
		       sizeof(patience)))
		err(1, "setsockopt");
	if (source && bind_to(fd, htonl(INADDR_LOOPBACK), source))
		err(1, "bind source port %u", source);
	return fd;
}

int client_connect(struct stage *stage, int fd)
{
	struct tcp_info info;
	socklen_t length = sizeof(info);

	if (connect_to(fd, htonl(INADDR_LOOPBACK), stage->port))
		return -errno;
	if (stage->protocol == IPPROTO_UDP)
		return 0;
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length))
		err(1, "TCP_INFO");
	return info.tcpi_total_retrans ? -ETIMEDOUT : 0;
}

static int client_send(struct stage *stage, int fd, uint8_t question)
{
	if (send(fd, &question, 1, 0) != 1)
		return -errno;
	count(&stage->tally->sent);
	return 0;
}

static int client_receive(struct stage *stage, int fd, int flags)
{
	uint8_t byte;
	ssize_t got = recv(fd, &byte, 1, flags);

	if (got < 0)
		return -errno;
	if (!got)
		return -EPIPE;
	count(&stage->tally->answered);
	return byte;
}

int client_ask(struct stage *stage, int fd)
{
	int ret = client_send(stage, fd, QUESTION);

	return ret ? ret : client_receive(stage, fd, 0);
}

void clients_open(struct stage *stage, const uint16_t *sources, int n,
		  int *clients, int *answers)
{
	int i;

	for (i = 0; i < n; i++) {
		clients[i] = client_open(stage, sources[i]);
		answers[i] = client_connect(stage, clients[i]);
		if (!answers[i])
			answers[i] = client_send(stage, clients[i], QUESTION);
	}
	for (i = 0; i < n; i++)
		if (!answers[i])
			answers[i] = client_receive(stage, clients[i], 0);
}

void clients_ask(struct stage *stage, const int *clients, int n, int *answers)
{
	int i;

	for (i = 0; i < n; i++)
		answers[i] = client_ask(stage, clients[i]);
}

/* Over TCP the servers hang up first: the ports are free afterwards. */
void clients_close(struct stage *stage, const int *clients, int n)
{
	int i;

	for (i = 0; i < n; i++) {
		if (stage->protocol == IPPROTO_TCP &&
		    !client_send(stage, clients[i], QUESTION_LAST))
			while (client_receive(stage, clients[i], 0) >= 0)
				;
		close(clients[i]);
	}
}

/* Asks; returns a socket that an answer will come to, or -1. */
static int question(struct stage *stage, uint16_t source, int *answer)
{
	int fd = client_open(stage, source);

	*answer = client_connect(stage, fd);
	if (!*answer)
		*answer = client_send(stage, fd, QUESTION_LAST);
	if (!*answer) {
		*answer = -EINPROGRESS;
		return fd;
	}
	close(fd);
	return -1;
}

/* Receives what is there; true when that was all. */
static bool answered(struct stage *stage, int fd, int *answer)
{
	int ret;

	do {
		ret = client_receive(stage, fd, MSG_DONTWAIT);
		if (ret == -EAGAIN)
			return false;
		if (*answer < 0)
			*answer = ret;
	} while (ret >= 0 && stage->protocol == IPPROTO_TCP);
	return true;
}

static void collect(struct stage *stage, struct pollfd *polls, int n,
		    int *answers, int waiting)
{
	long long deadline = now_ms() + PATIENCE_MS;
	int i;

	while (waiting && now_ms() < deadline) {
		poll(polls, n, PATIENCE_MS);
		for (i = 0; i < n; i++) {
			if (polls[i].fd < 0 || !polls[i].revents ||
			    !answered(stage, polls[i].fd, &answers[i]))
				continue;
			close(polls[i].fd);
			polls[i].fd = -1;
			waiting--;
		}
	}
	for (i = 0; i < n; i++) {
		if (polls[i].fd < 0)
			continue;
		answers[i] = -ETIMEDOUT;
		close(polls[i].fd);
	}
}

static void ask_batch(struct stage *stage, const uint16_t *sources, int n,
		      int *answers)
{
	struct pollfd polls[BATCH];
	int i, waiting = 0;

	for (i = 0; i < n; i++) {
		polls[i].events = POLLIN;
		polls[i].fd = question(stage, sources ? sources[i] : 0,
				       &answers[i]);
		waiting += polls[i].fd >= 0;
	}
	collect(stage, polls, n, answers, waiting);
}

void ask(struct stage *stage, const uint16_t *sources, int n, int *answers)
{
	int i;

	for (i = 0; i < n; i += BATCH)
		ask_batch(stage, sources ? sources + i : NULL,
			  n - i < BATCH ? n - i : BATCH, answers + i);
}

int ask_one(struct stage *stage, uint16_t source)
{
	int answer;

	ask(stage, &source, 1, &answer);
	return answer;
}

static int lookup_one(struct stage *stage, uint16_t source)
{
	union chring_address remote = {
		.in = address(htonl(INADDR_LOOPBACK), source),
	};
	union chring_address local = {
		.in = address(htonl(INADDR_LOOPBACK), stage->port),
	};
	char name[CHRING_NAME_MAX + 1];

	if (chring_lookup(stage->chring, stage->service, &remote, &local,
			  name))
		errx(1, "%s", chring_error(stage->chring));
	return *name ? atoi(name + 1) : -ECONNREFUSED;
}

void lookup(struct stage *stage, const uint16_t *sources, int n, int *answers)
{
	int i;

	for (i = 0; i < n; i++)
		answers[i] = lookup_one(stage, sources[i]);
}

/* ---- load */

static void load_run(struct stage *stage)
{
	struct tally *tally = stage->tally;
	int answers[BATCH];
	int i;

	while (!__atomic_load_n(&tally->stop, __ATOMIC_SEQ_CST)) {
		ask(stage, NULL, BATCH / 2, answers);
		for (i = 0; i < BATCH / 2; i++) {
			if (answers[i] >= 0)
				continue;
			tally->error = -answers[i];
			count(&tally->failed);
		}
	}
	_exit(0);
}

void load_start(struct load *load, struct stage *stage, int n)
{
	int i;

	load->stage = stage;
	load->n = n;
	stage->tally->stop = 0;
	for (i = 0; i < n; i++) {
		load->pid[i] = fork_child();
		if (!load->pid[i])
			load_run(stage);
	}
}

void load_stop(struct load *load)
{
	int i, status;

	__atomic_store_n(&load->stage->tally->stop, 1, __ATOMIC_SEQ_CST);
	for (i = 0; i < load->n; i++)
		if (waitpid(load->pid[i], &status, 0) != load->pid[i] ||
		    status)
			errx(1, "load ended with status %#x", status);
}
