// SPDX-License-Identifier: GPL-2.0
/* See inet.h. */
#include <arpa/inet.h>
#include <err.h>
#include <string.h>

#include "inet.h"

static struct sockaddr_in6 *in6_of(const union chring_address *address)
{
	return (struct sockaddr_in6 *)&address->storage;
}

/* IPv6 where there is a colon; @host is a literal. */
union chring_address inet_address(const char *host, uint16_t port)
{
	union chring_address address = { .sa.sa_family = AF_INET };
	void *binary = &address.in.sin_addr;

	if (strchr(host, ':')) {
		address.sa.sa_family = AF_INET6;
		binary = &in6_of(&address)->sin6_addr;
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
	return IN6_IS_ADDR_UNSPECIFIED(&in6_of(address)->sin6_addr);
}

bool inet_same(const union chring_address *a, const union chring_address *b)
{
	if (a->sa.sa_family != b->sa.sa_family ||
	    a->in.sin_port != b->in.sin_port)
		return false;
	if (a->sa.sa_family == AF_INET)
		return a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
	return IN6_ARE_ADDR_EQUAL(&in6_of(a)->sin6_addr,
				  &in6_of(b)->sin6_addr);
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
