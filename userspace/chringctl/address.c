// SPDX-License-Identifier: GPL-2.0
/* Addresses, as they are written and printed. */
#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chringctl.h"
#include "output.h"

static bool parse_ipv4(const char *word, union chring_address *address)
{
	address->in.sin_family = AF_INET;
	return inet_pton(AF_INET, word, &address->in.sin_addr) == 1;
}

/* A name, or a number. Interfaces are those of the network namespace. */
static bool parse_device(const char *word, uint32_t *device)
{
	*device = if_nametoindex(word);
	return *device || parse_number(word, 1, INT32_MAX, device);
}

/* @word is changed. */
static bool parse_ipv6(char *word, union chring_address *address)
{
	char *device = strchr(word, '%');

	address->in6.sin6_family = AF_INET6;
	if (device) {
		*device++ = '\0';
		if (!parse_device(device, &address->in6.sin6_scope_id))
			return false;
	}
	return inet_pton(AF_INET6, word, &address->in6.sin6_addr) == 1;
}

static char *copy_of(const char *word, size_t length)
{
	char *copy = allocate(NULL, length + 1, 1);

	memcpy(copy, word, length);
	copy[length] = '\0';
	return copy;
}

enum status next_address(struct args *args, union chring_address *address)
{
	enum status status;
	const char *word;
	char *copy;
	bool good;

	status = next_word(args, "ADDRESS", &word);
	if (status)
		return status;
	memset(address, 0, sizeof(*address));
	if (!strchr(word, ':')) {
		good = parse_ipv4(word, address);
	} else {
		copy = copy_of(word, strlen(word));
		good = parse_ipv6(copy, address);
		free(copy);
	}
	if (!good)
		return mistake("the address must be an IPv4 or IPv6 address, not '%s'",
			       word);
	return STATUS_DONE;
}

/* The part of ADDRESS:PORT before the colon: IPv6 is in brackets. @word is
 * changed.
 */
static bool parse_host(char *word, union chring_address *address)
{
	size_t length = strlen(word);

	if (word[0] != '[')
		return parse_ipv4(word, address);
	if (word[length - 1] != ']')
		return false;
	word[length - 1] = '\0';
	return parse_ipv6(word + 1, address);
}

enum status next_endpoint(struct args *args, union chring_address *address)
{
	enum status status;
	const char *colon;
	const char *word;
	uint32_t port;
	char *host;
	bool good;

	status = next_word(args, "ADDRESS:PORT", &word);
	if (status)
		return status;
	colon = strrchr(word, ':');
	if (!colon || strchr(colon, ']'))
		return mistake("ADDRESS:PORT has no port in '%s'", word);
	if (!parse_number(colon + 1, 1, UINT16_MAX, &port))
		return mistake("the port must be 1..%d, not '%s'", UINT16_MAX,
			       colon + 1);

	memset(address, 0, sizeof(*address));
	host = copy_of(word, colon - word);
	good = parse_host(host, address);
	free(host);
	if (!good)
		return mistake("the address must be 1.2.3.4 or [1:2::3], not '%.*s'",
			       (int)(colon - word), word);
	if (address->sa.sa_family == AF_INET)
		address->in.sin_port = htons(port);
	else
		address->in6.sin6_port = htons(port);
	return STATUS_DONE;
}

static void print_ipv6(const struct sockaddr_in6 *local, bool v6only)
{
	bool told = v6only && IN6_IS_ADDR_UNSPECIFIED(&local->sin6_addr);
	char endpoint[INET6_ADDRSTRLEN + IF_NAMESIZE + 20];
	char device[IF_NAMESIZE + 1] = "";
	char number[INET6_ADDRSTRLEN];

	inet_ntop(AF_INET6, &local->sin6_addr, number, sizeof(number));
	if (local->sin6_scope_id) {
		device[0] = '%';
		if (!if_indextoname(local->sin6_scope_id, device + 1))
			snprintf(device + 1, IF_NAMESIZE, "%u",
				 local->sin6_scope_id);
	}
	snprintf(endpoint, sizeof(endpoint), "[%s%s]:%u%s", number, device,
		 ntohs(local->sin6_port), told ? " v6only" : "");
	output_word(OUTPUT_TEXT, NULL, endpoint);
	output_string(OUTPUT_JSON, "local-ipv6", number);
	output_bool(OUTPUT_JSON, "v6only", v6only);
	if (local->sin6_scope_id)
		output_number(OUTPUT_JSON, "device", local->sin6_scope_id);
	output_number(OUTPUT_JSON, "local-port", ntohs(local->sin6_port));
}

void print_endpoint(const union chring_address *local, bool v6only)
{
	char endpoint[INET_ADDRSTRLEN + 6];
	char number[INET_ADDRSTRLEN];

	if (local->sa.sa_family == AF_INET6) {
		print_ipv6(&local->in6, v6only);
		return;
	}
	inet_ntop(AF_INET, &local->in.sin_addr, number, sizeof(number));
	snprintf(endpoint, sizeof(endpoint), "%s:%u", number,
		 ntohs(local->in.sin_port));
	output_word(OUTPUT_TEXT, NULL, endpoint);
	output_string(OUTPUT_JSON, "local-ipv4", number);
	output_number(OUTPUT_JSON, "local-port", ntohs(local->in.sin_port));
}
