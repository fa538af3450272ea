/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Addresses of both families, and sockets with them. What cannot fail but for
 * want of means ends the test.
 */
#ifndef INET_H
#define INET_H

#include <chring.h>
#include <stdbool.h>
#include <stdint.h>

union chring_address inet_address(const char *host, uint16_t port);
union chring_address inet_at(const union chring_address *host, uint16_t port);
uint16_t inet_port(const union chring_address *address);
bool inet_is_any(const union chring_address *address);
bool inet_same(const union chring_address *a, const union chring_address *b);
union chring_address inet_as_seen_by(const union chring_address *socket,
				     const union chring_address *peer);
socklen_t inet_length(const union chring_address *address);

int inet_socket(const union chring_address *address, int protocol, int flags);
int inet_bind(int fd, const union chring_address *address);
int inet_connect(int fd, const union chring_address *address);
void inet_set(int fd, int level, int option, int value);

#endif /* INET_H */
