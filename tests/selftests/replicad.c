// SPDX-License-Identifier: GPL-2.0
/*
 * A small server for scripts: opens sockets that can be replicas', says so by
 * "ready" and their descriptors, and then answers until it is killed. Takes
 * what comes, and throws it away.
 *
 * usage: replicad tcp|udp ADDRESS PORT [COUNT]
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "request.h"

#define MOST 16

static void take(int protocol, int fd)
{
	char byte;
	int one;

	if (protocol == IPPROTO_UDP) {
		recv(fd, &byte, sizeof(byte), MSG_DONTWAIT);
		return;
	}
	one = accept(fd, NULL, NULL);
	if (one >= 0)
		close(one);
}

int main(int argc, char **argv)
{
	int count = argc > 4 ? atoi(argv[4]) : 1, protocol, i;
	struct pollfd polls[MOST];

	if (argc < 4 || count < 1 || count > MOST)
		return 1;
	protocol = strcmp(argv[1], "tcp") ? IPPROTO_UDP : IPPROTO_TCP;
	for (i = 0; i < count; i++) {
		polls[i].events = POLLIN;
		polls[i].fd = bound_socket(protocol, argv[2], atoi(argv[3]));
		if (polls[i].fd < 0) {
			perror("replicad");
			return 1;
		}
	}
	printf("ready");
	for (i = 0; i < count; i++)
		printf(" %d", polls[i].fd);
	puts("");
	fclose(stdout);

	while (poll(polls, count, -1) > 0)
		for (i = 0; i < count; i++)
			if (polls[i].revents)
				take(protocol, polls[i].fd);
	return 1;
}
