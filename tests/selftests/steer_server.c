// SPDX-License-Identifier: GPL-2.0
/* See steer_util.h: servers, each a process that obeys orders. */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <linux/membarrier.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "steer_private.h"

#define BACKLOG		1024
#define MAX_CONNECTIONS	1024

struct order {
	enum {
		ORDER_CLOSE,
		ORDER_SHUTDOWN,
		ORDER_HOLD,
		ORDER_ACCEPT,
		ORDER_DEFER,
		ORDER_CONNECT,
		ORDER_CONNECT_SOCKET,
		ORDER_SEND,
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

/* Several datagrams that the kernel joined, for a socket that wants it so? */
static bool is_coalesced(struct msghdr *msg)
{
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg);

	return cmsg && cmsg->cmsg_level == SOL_UDP &&
	       cmsg->cmsg_type == UDP_GRO;
}

/*
 * Answers one question: 1, 0 where there is none, -1 where there will be none
 * any more.
 */
static int serve_answer(struct serving *serving, int fd)
{
	union chring_address peer;
	char control[CMSG_SPACE(sizeof(int))];
	uint8_t question, answer = serving->me;
	struct iovec iov = { &question, 1 };
	struct msghdr msg = {
		.msg_name = &peer, .msg_namelen = sizeof(peer),
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	ssize_t got = recvmsg(fd, &msg, MSG_DONTWAIT);

	if (got != 1)
		return got < 0 && errno == EAGAIN ? 0 : -1;
	if (is_coalesced(&msg))
		tally_count(&serving->stage->tally->coalesced);
	tally_count(&serving->stage->tally->served[serving->me]);
	/* A peer that is gone has asked in vain; it will have counted that. */
	sendto(fd, &answer, 1, 0, msg.msg_namelen ? &peer.sa : NULL,
	       msg.msg_namelen);
	return question == QUESTION_LAST ? -1 : 1;
}

static void serve_datagrams(struct serving *serving, int fd)
{
	while (serve_answer(serving, fd))
		;
}

/* Notes the clients whose ports were said to be closed. */
static void serve_errors(struct serving *serving)
{
	union chring_address client;
	struct msghdr msg = {
		.msg_name = &client, .msg_namelen = sizeof(client),
	};
	int flow;

	while (recvmsg(serving->fd, &msg, MSG_ERRQUEUE | MSG_DONTWAIT) >= 0) {
		flow = inet_port(&client) - FIRST_SOURCE;
		if (flow >= 0 && flow < MAX_TOLD)
			serving->stage->tally->told[flow] = serving->me + 1;
		msg.msg_namelen = sizeof(client);
	}
}

static void serve_socket(struct serving *serving)
{
	int fd;

	if (serving->stage->protocol == IPPROTO_UDP) {
		if (serving->polls[1].revents & POLLERR)
			serve_errors(serving);
		serve_datagrams(serving, serving->fd);
		return;
	}
	while ((fd = accept4(serving->fd, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
		tally_count(&serving->stage->tally->accepted[serving->me]);
		serve_take_up(serving, fd);
	}
}

/*
 * Ends a connection; unless it is to be orderly by a reset, so that the client's
 * port is free at once: this end is gone before the client sees it.
 */
static void hang_up(const struct stage *stage, int fd)
{
	struct linger reset = { .l_onoff = 1 };

	if (!stage->orderly)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset,
			   sizeof(reset));
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
		hang_up(serving->stage, fd);
		serving->polls[i] = serving->polls[--serving->n];
	}
}

static int server_socket(const struct stage *stage)
{
	int fd = inet_socket(&stage->local,
			     stage->server_as ?: stage->protocol,
			     SOCK_NONBLOCK);

	inet_set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	inet_set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	inet_set(fd, SOL_SOCKET, SO_RCVBUFFORCE, 1 << 20);
	if (stage->local.sa.sa_family == AF_INET6)
		inet_set(fd, IPPROTO_IPV6, IPV6_V6ONLY, stage->v6only);
	if (stage->prepare)
		stage->prepare(fd);
	if (inet_bind(fd, &stage->local))
		err(1, "bind");
	return fd;
}

static union chring_address client_of(const struct serving *serving,
				      uint16_t source)
{
	const struct stage *stage = serving->stage;
	union chring_address client = inet_at(&stage->client, source);

	return inet_as_seen_by(&stage->local, &client);
}

/* Makes a socket of its own for a client, as servers do over DTLS or QUIC. */
static void serve_connect(struct serving *serving, uint16_t source)
{
	union chring_address client = client_of(serving, source);
	int fd = server_socket(serving->stage);

	if (inet_connect(fd, &client))
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
	union chring_address nobody = client_of(serving, 1);

	if (serving->stage->protocol == IPPROTO_UDP) {
		if (inet_connect(serving->fd, &nobody))
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

static void serve_send(struct serving *serving, uint16_t source)
{
	union chring_address client = inet_at(&serving->stage->client, source);

	/* An error that was queued before is reported instead of sending. */
	while (sendto(serving->fd, "", 1, 0, &client.sa,
		      inet_length(&client)) != 1)
		if (errno != ECONNREFUSED)
			err(1, "sendto");
}

static void serve_order(struct serving *serving)
{
	union chring_address client;
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
		inet_set(serving->fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, 60);
		break;
	case ORDER_CONNECT:
		serve_connect(serving, order.source);
		break;
	case ORDER_CONNECT_SOCKET:
		client = client_of(serving, order.source);
		if (inet_connect(serving->fd, &client))
			err(1, "connect");
		break;
	case ORDER_SEND:
		serve_send(serving, order.source);
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

void server_send(struct stage *stage, int server, uint16_t source)
{
	server_order(stage, server, (struct order) { ORDER_SEND, source });
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
		sum += tally_counted(&stage->tally->served[i]);
	return sum;
}
