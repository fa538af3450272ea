// SPDX-License-Identifier: GPL-2.0
/*
 * Answers every datagram with its own name. Any number of these share a port
 * by SO_REUSEPORT; that something may steer their datagrams is unknown to
 * them.
 *
 * usage: udp-server ADDRESS PORT NAME
 */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

int main(int argc, char **argv)
{
	struct sockaddr_in local = { .sin_family = AF_INET };
	struct sockaddr_in client;
	socklen_t length;
	char request[64];
	int one = 1;
	int fd;

	if (argc != 4 || inet_pton(AF_INET, argv[1], &local.sin_addr) != 1)
		errx(1, "usage: udp-server ADDRESS PORT NAME");
	local.sin_port = htons(atoi(argv[2]));

	fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (fd < 0)
		err(1, "socket");
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)))
		err(1, "SO_REUSEPORT");
	if (bind(fd, (struct sockaddr *)&local, sizeof(local)))
		err(1, "bind");

	for (;;) {
		length = sizeof(client);
		if (recvfrom(fd, request, sizeof(request), 0,
			     (struct sockaddr *)&client, &length) < 0)
			err(1, "recvfrom");
		sendto(fd, argv[3], strlen(argv[3]), 0,
		       (struct sockaddr *)&client, length);
	}
}
