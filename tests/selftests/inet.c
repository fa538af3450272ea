// SPDX-License-Identifier: GPL-2.0
/* See inet.h. */
#include <arpa/inet.h>
#include <err.h>
#include <string.h>

#include "inet.h"

/* IPv6 where there is a colon; @host is a literal. */
union chring_address inet_address(const char *host, uint16_t port)
{
	union chring_address address = { .sa.sa_family = AF_INET };
	void *binary = &address.in.sin_addr;

	if (strchr(host, ':')) {
		address.sa.sa_family = AF_INET6;
		binary = &address.in6.sin6_addr;
	}
	if (inet_pton(address.sa.sa_family, host, binary) != 1)
		errx(1, "%s is no address", host);
	return inet_at(&address, port);
}

union chring_address inet_at(const union chring_address *host, uint16_t port)
{
	union chring_address address = *host;

	/* Both families have it in the same place. */
	address.in.sin_port = htons(port);
	return address;
}

uint16_t inet_port(const union chring_address *address)
{
	return ntohs(address->in.sin_port);
}

bool inet_is_any(const union chring_address *address)
{
	if (address->sa.sa_family == AF_INET)
		return !address->in.sin_addr.s_addr;
	return IN6_IS_ADDR_UNSPECIFIED(&address->in6.sin6_addr);
}

bool inet_same(const union chring_address *a, const union chring_address *b)
{
	if (a->sa.sa_family != b->sa.sa_family ||
	    a->in.sin_port != b->in.sin_port)
		return false;
	if (a->sa.sa_family == AF_INET)
		return a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
	return IN6_ARE_ADDR_EQUAL(&a->in6.sin6_addr,
				  &b->in6.sin6_addr);
}

/* The address of a peer, as a socket of a family has it: IPv4-mapped or not. */
union chring_address inet_as_seen_by(const union chring_address *socket,
				     const union chring_address *peer)
{
	union chring_address mapped = { .sa.sa_family = AF_INET6 };

	if (socket->sa.sa_family == peer->sa.sa_family)
		return *peer;
	mapped.in6.sin6_port = peer->in.sin_port;
	mapped.in6.sin6_addr.s6_addr[10] = 0xff;
	mapped.in6.sin6_addr.s6_addr[11] = 0xff;
	memcpy(&mapped.in6.sin6_addr.s6_addr[12], &peer->in.sin_addr, 4);
	return mapped;
}

socklen_t inet_length(const union chring_address *address)
{
	return address->sa.sa_family == AF_INET ? sizeof(struct sockaddr_in) :
						  sizeof(struct sockaddr_in6);
}

int inet_socket(const union chring_address *address, int protocol, int flags)
{
	int type = protocol == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM;
	int fd = socket(address->sa.sa_family, type | flags | SOCK_CLOEXEC,
			protocol);

	if (fd < 0)
		err(1, "socket");
	return fd;
}

int inet_bind(int fd, const union chring_address *address)
{
	return bind(fd, &address->sa, inet_length(address));
}

int inet_connect(int fd, const union chring_address *address)
{
	return connect(fd, &address->sa, inet_length(address));
}

void inet_set(int fd, int level, int option, int value)
{
	if (setsockopt(fd, level, option, &value, sizeof(value)))
		err(1, "setsockopt %d %d", level, option);
}
