// SPDX-License-Identifier: GPL-2.0
/*
 * Clients that come at a constant rate, each once, until SIGTERM: a client
 * connects, takes an answer, and never tries again.
 *
 * usage: soak_client ADDRESS PORT RATE FIRST
 *
 * Client I, counted from FIRST, has the address 127.1.0.0 + I / 20000 and the
 * port 10000 + I % 20000, which nobody else ever has. Prints a line
 * "ADDRESS PORT WHAT" for each that got no answer, where WHAT is refused, reset,
 * cut, timed-out or another error, and in the end
 * "total CLIENTS MILLISECONDS SLOWEST", the last being how many came in the
 * full second in which the fewest did.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define AT_ONCE		400	/* at most; more have to wait */
#define TIMEOUT_MS	30000
#define PORTS		20000
#define FIRST_PORT	10000

struct client {
	struct sockaddr_in local;
	long long deadline;
	bool answered;
};

static struct sockaddr_in server = { .sin_family = AF_INET };
static volatile sig_atomic_t ending;
static struct client clients[AT_ONCE];
static struct pollfd fds[AT_ONCE];	/* .fd < 0: there is no client */
static unsigned int busy;
static int used;			/* all after it are free */

static void end(int signal)
{
	ending = true;
}

static long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static void finish(int i, const char *problem)
{
	if (problem)
		printf("%s %u %s\n", inet_ntoa(clients[i].local.sin_addr),
		       ntohs(clients[i].local.sin_port), problem);
	close(fds[i].fd);
	fds[i].fd = -1;
	busy--;
}

static const char *problem_of(int error)
{
	switch (error) {
	case ECONNREFUSED:
		return "refused";
	case ECONNRESET:
		return "reset";
	case ETIMEDOUT:
		return "timed-out";
	}
	return strerror(error);
}

static void start(int i, unsigned int number)
{
	struct client *client = &clients[i];
	int one = 1;
	int fd;

	client->local = (struct sockaddr_in) {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(0x7f010000 + number / PORTS),
		.sin_port = htons(FIRST_PORT + number % PORTS),
	};
	client->deadline = now_ms() + TIMEOUT_MS;
	client->answered = false;

	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		err(1, "socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&client->local, sizeof(client->local)))
		err(1, "bind");
	fds[i] = (struct pollfd) { .fd = fd, .events = POLLIN };
	busy++;
	if (connect(fd, (struct sockaddr *)&server, sizeof(server)) &&
	    errno != EINPROGRESS)
		finish(i, problem_of(errno));
}

static void go_on(int i)
{
	char answer[64];
	ssize_t length;

	if (fds[i].revents) {
		length = recv(fds[i].fd, answer, sizeof(answer), 0);
		if (length > 0)
			clients[i].answered = true;
		else if (!length)
			finish(i, clients[i].answered ? NULL : "cut");
		else if (errno != EAGAIN)
			finish(i, problem_of(errno));
	} else if (now_ms() > clients[i].deadline) {
		finish(i, "timed-out");
	}
}

/* Start the next client, if there is room for it. */
static bool start_next(unsigned int number)
{
	int i;

	for (i = 0; i < AT_ONCE; i++) {
		if (fds[i].fd < 0) {
			used = i < used ? used : i + 1;
			start(i, number);
			return true;
		}
	}
	return false;
}

static void go_on_all(void)
{
	int i;

	if (poll(fds, used, 2) < 0 && errno != EINTR)
		err(1, "poll");
	for (i = 0; i < used; i++) {
		if (fds[i].fd >= 0)
			go_on(i);
	}
	while (used && fds[used - 1].fd < 0)
		used--;
}

static void run(unsigned int rate, unsigned int first)
{
	long long begin = now_ms(), second = begin, now = begin;
	unsigned int slowest = ~0U, in_second = 0, count = 0;

	while (!ending) {
		now = now_ms();
		if (now - second >= 1000) {
			/* Where it took longer, there is none it was full of. */
			in_second = in_second * 1000 / (now - second);
			slowest = in_second < slowest ? in_second : slowest;
			in_second = 0;
			second = now;
		}
		while (count < (now - begin) * rate / 1000 &&
		       start_next(first + count)) {
			count++;
			in_second++;
		}
		go_on_all();
	}
	while (busy)
		go_on_all();
	printf("total %u %lld %u\n", count, now - begin,
	       slowest == ~0U ? 0 : slowest);
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = end };
	int i;

	if (argc != 5 || inet_pton(AF_INET, argv[1], &server.sin_addr) != 1)
		errx(1, "usage: soak_client ADDRESS PORT RATE FIRST");
	server.sin_port = htons(atoi(argv[2]));
	sigaction(SIGTERM, &action, NULL);
	for (i = 0; i < AT_ONCE; i++)
		fds[i].fd = -1;
	run(atoi(argv[3]), atoi(argv[4]));
	return 0;
}
