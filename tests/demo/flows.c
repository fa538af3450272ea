// SPDX-License-Identifier: GPL-2.0
/*
 * Many clients of one server: each has a source port of its own, asks once,
 * and notes who answered.
 *
 * usage: flows tcp|udp ADDRESS PORT FIRST COUNT
 *
 * For every line on standard input all clients come once, with the source
 * ports FIRST to FIRST + COUNT - 1, and print in any order, each on a line,
 * their port and the answer, or their port, "-" and what went wrong. An empty
 * line ends the round.
 *
 * A TCP client asks for / by HTTP/1.0 and takes the body as the answer; then it
 * resets the connection, so that its port is free for the next round. A UDP
 * client sends one datagram and never repeats it.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define AT_ONCE		32	/* clients at the same time */
#define TIMEOUT_MS	10000	/* for one client: a SYN may be sent again, twice */
#define POLL_MS		100

struct client {
	unsigned int port;	/* 0: there is none */
	bool asked;
	long long deadline;
	size_t length;		/* of the answer so far */
	char answer[512];
};

static struct sockaddr_in server = { .sin_family = AF_INET };
static bool tcp;
static const char *request;

static struct client clients[AT_ONCE];
static struct pollfd fds[AT_ONCE];	/* .fd < 0: there is no client */

static long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static void end(int i, const char *problem)
{
	const char *name = clients[i].answer;

	if (tcp && !problem) {
		name = strstr(clients[i].answer, "\r\n\r\n");
		if (name)
			name += 4;
		else
			problem = "cut short";
	}
	if (problem)
		printf("%u - %s\n", clients[i].port, problem);
	else
		printf("%u %.*s\n", clients[i].port,
		       (int)strcspn(name, "\r\n"), name);
	close(fds[i].fd);
	fds[i].fd = -1;
}

static void start(int i, unsigned int port)
{
	struct sockaddr_in local = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(port),
	};
	struct linger reset = { .l_onoff = 1 };
	struct client *client = &clients[i];
	int type = tcp ? SOCK_STREAM : SOCK_DGRAM;
	int fd;

	fd = socket(AF_INET, type | SOCK_NONBLOCK, 0);
	if (fd < 0)
		err(1, "socket");
	if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)))
		err(1, "SO_LINGER");
	if (bind(fd, (struct sockaddr *)&local, sizeof(local)))
		err(1, "source port %u", port);

	client->port = port;
	client->asked = false;
	client->deadline = now_ms() + TIMEOUT_MS;
	client->length = 0;
	fds[i].fd = fd;
	fds[i].events = POLLOUT;
	if (connect(fd, (struct sockaddr *)&server, sizeof(server)) &&
	    errno != EINPROGRESS)
		end(i, strerror(errno));
}

static void ask(int i)
{
	if (send(fds[i].fd, request, strlen(request), MSG_NOSIGNAL) < 0) {
		end(i, strerror(errno));
		return;
	}
	clients[i].asked = true;
	fds[i].events = POLLIN;
}

static void listen_to(int i)
{
	struct client *client = &clients[i];
	ssize_t length;

	length = recv(fds[i].fd, client->answer + client->length,
		      sizeof(client->answer) - 1 - client->length, 0);
	if (length < 0) {
		end(i, strerror(errno));
		return;
	}
	client->length += length;
	client->answer[client->length] = '\0';
	/* A datagram is the whole answer, a connection's comes in pieces. */
	if (!tcp || !length)
		end(i, NULL);
}

static void round_of(unsigned int first, unsigned int count)
{
	unsigned int next = first;
	bool busy;
	int i;

	do {
		busy = false;
		for (i = 0; i < AT_ONCE; i++) {
			if (fds[i].fd < 0 && next < first + count)
				start(i, next++);
			busy |= fds[i].fd >= 0;
		}
		if (poll(fds, AT_ONCE, POLL_MS) < 0)
			err(1, "poll");
		for (i = 0; i < AT_ONCE; i++) {
			if (fds[i].fd < 0)
				continue;
			if (fds[i].revents && clients[i].asked)
				listen_to(i);
			else if (fds[i].revents)
				ask(i);
			else if (now_ms() > clients[i].deadline)
				end(i, "no answer");
		}
	} while (busy || next < first + count);
	putchar('\n');
	fflush(stdout);
}

int main(int argc, char **argv)
{
	unsigned int first, count;
	int i;

	if (argc != 6 || inet_pton(AF_INET, argv[2], &server.sin_addr) != 1)
		errx(1, "usage: flows tcp|udp ADDRESS PORT FIRST COUNT");
	tcp = !strcmp(argv[1], "tcp");
	request = tcp ? "GET / HTTP/1.0\r\n\r\n" : "who?";
	server.sin_port = htons(atoi(argv[3]));
	first = atoi(argv[4]);
	count = atoi(argv[5]);

	for (i = 0; i < AT_ONCE; i++)
		fds[i].fd = -1;
	while ((i = getchar()) != EOF) {
		if (i == '\n')
			round_of(first, count);
	}
	return 0;
}
