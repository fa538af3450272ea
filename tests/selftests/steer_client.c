// SPDX-License-Identifier: GPL-2.0
/* See steer_util.h: clients, and what they learn. */
#include <err.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "steer_private.h"

#define BATCH		32

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
	union chring_address from = inet_at(&stage->client, source);
	int fd = inet_socket(&from, stage->client_as ?: stage->protocol, 0);

	/* Otherwise the port would be taken for a while after close(). */
	if (!stage->orderly && setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset,
					  sizeof(reset)))
		err(1, "SO_LINGER");
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience,
		       sizeof(patience)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
		       sizeof(patience)))
		err(1, "setsockopt");
	if (source && inet_bind(fd, &from))
		err(1, "bind source port %u", source);
	return fd;
}

int client_connect(struct stage *stage, int fd)
{
	struct tcp_info info;
	socklen_t length = sizeof(info);

	if (stage->unconnected)
		return 0;
	if (inet_connect(fd, &stage->remote))
		return -errno;
	if (stage->protocol == IPPROTO_UDP)
		return 0;
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length))
		err(1, "TCP_INFO");
	return info.tcpi_total_retrans ? -ETIMEDOUT : 0;
}

static int client_send(struct stage *stage, int fd, uint8_t question)
{
	const struct sockaddr *to = stage->unconnected ? &stage->remote.sa : NULL;
	socklen_t length = to ? inet_length(&stage->remote) : 0;

	if (sendto(fd, &question, 1, 0, to, length) != 1)
		return -errno;
	tally_count(&stage->tally->sent);
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
	tally_count(&stage->tally->answered);
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
	union chring_address from = inet_at(&stage->client, source);
	char name[CHRING_NAME_MAX + 1];

	if (chring_lookup(stage->chring, stage->service, &from,
			  &stage->remote, name))
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
			tally_count(&tally->failed);
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
