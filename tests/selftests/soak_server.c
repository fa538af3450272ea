// SPDX-License-Identifier: GPL-2.0
/*
 * A server to be restarted: answers each connection with its process id, after
 * a while in which it does not accept, and closes it.
 *
 * usage: soak_server LOG [ADDRESS PORT]
 *
 * Its socket is handed over (LISTEN_FDS), or its own, on a port that it shares.
 * SIGTERM closes the socket at once; what was accepted is still answered.
 *
 * LOG, 16 bytes a record: first the process id, then the address and port of
 * each connection that was accepted. The kernel writes these itself, in the
 * system call that accepts, so that none is missing when the process is killed.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "request.h"

#define RECORDS	(1 << 17)
#define BATCH	64		/* accepted before they are answered */
#define WORK_MS	20

static volatile sig_atomic_t ending;
static struct sockaddr_in *records;
static unsigned int accepted;

static void end(int signal)
{
	ending = true;
}

static void open_log(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || ftruncate(fd, RECORDS * sizeof(*records)))
		err(1, "%s", path);
	records = mmap(NULL, RECORDS * sizeof(*records), PROT_READ | PROT_WRITE,
		       MAP_SHARED, fd, 0);
	if (records == MAP_FAILED)
		err(1, "%s", path);
	close(fd);
}

static int accept_one(int listener)
{
	socklen_t size = sizeof(*records);

	if (accepted + 1 == RECORDS)
		errx(1, "the log is full");
	return accept4(listener, (struct sockaddr *)&records[accepted + 1],
		       &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

static void serve_batch(int listener)
{
	int connections[BATCH];
	char answer[16];
	int length;
	int count;

	length = snprintf(answer, sizeof(answer), "%d\n", getpid());
	for (count = 0; count < BATCH; count++) {
		connections[count] = accept_one(listener);
		if (connections[count] < 0)
			break;
		accepted++;
	}
	pause_ms(WORK_MS);
	if (ending)
		close(listener);
	while (count--) {
		send(connections[count], answer, length, MSG_NOSIGNAL);
		close(connections[count]);
	}
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = end };
	struct pollfd poll_listener = { .events = POLLIN };

	if (argc != 2 && argc != 4)
		errx(1, "usage: soak_server LOG [ADDRESS PORT]");
	sigaction(SIGTERM, &action, NULL);
	open_log(argv[1]);
	poll_listener.fd = argc == 2 ?
			   3 : bound_socket(IPPROTO_TCP, argv[2], atoi(argv[3]));
	if (argc == 2 && (!getenv("LISTEN_PID") ||
			  atoi(getenv("LISTEN_PID")) != getpid()))
		errx(1, "no socket was handed over");
	if (poll_listener.fd < 0 ||
	    fcntl(poll_listener.fd, F_SETFL, O_NONBLOCK) < 0)
		err(1, "socket");

	*(volatile pid_t *)records = getpid();
	while (!ending) {
		if (poll(&poll_listener, 1, WORK_MS) > 0)
			serve_batch(poll_listener.fd);
	}
	return 0;
}
