// SPDX-License-Identifier: GPL-2.0
/*
 * Traffic for scripts: connects, or sends datagrams, from ever new ports until
 * it is killed; refused or not.
 *
 * usage: traffic tcp|udp ADDRESS PORT
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "request.h"

int main(int argc, char **argv)
{
	struct linger reset = { .l_onoff = 1 };
	struct sockaddr_in there;
	int protocol, fd;

	if (argc != 4)
		return 1;
	protocol = strcmp(argv[1], "tcp") ? IPPROTO_UDP : IPPROTO_TCP;
	there = address_of(argv[2], atoi(argv[3]));
	for (;;) {
		fd = open_socket(protocol, false);
		if (fd < 0)
			return 1;
		/* Leaves no TIME_WAIT behind, the ports would run out. */
		if (protocol == IPPROTO_TCP)
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset,
				   sizeof(reset));
		if (!connect(fd, (struct sockaddr *)&there, sizeof(there)) &&
		    protocol == IPPROTO_UDP)
			send(fd, "", 1, 0);
		close(fd);
		pause_ms(1);
	}
}
