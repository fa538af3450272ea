// SPDX-License-Identifier: GPL-2.0
/* Keys, as they are written and printed. */
#include <stdio.h>
#include <string.h>

#include "chringctl.h"
#include "output.h"

#define OFFSET_MAX	65535

/* @local is the service's, whose family LENGTH is for. */
static enum status next_prefix(struct args *args,
			       const union chring_address *local,
			       struct chring_key *key)
{
	enum status status;

	key->type = CHRING_KEY_PREFIX;
	if (local->sa.sa_family == AF_INET)
		return next_number(args, "the prefix LENGTH", 1, 32,
				   &key->prefix_ipv4);
	status = next_number(args, "the prefix LENGTH", 1, 128,
			     &key->prefix_ipv6);
	if (!status && take_word(args, "ipv4"))
		status = next_number(args, "the prefix LENGTH", 1, 32,
				     &key->prefix_ipv4);
	return status;
}

static enum status next_payload(struct args *args, struct chring_key *key)
{
	enum status status;

	key->type = CHRING_KEY_PAYLOAD;
	status = next_number(args, "the payload OFFSET", 0, OFFSET_MAX,
			     &key->offset);
	if (!status)
		status = next_number(args, "the payload LENGTH", 1,
				     CHRING_KEY_LENGTH_MAX, &key->length);
	return status;
}

enum status next_key(struct args *args, const union chring_address *local,
		     struct chring_key *key)
{
	if (take_word(args, "prefix"))
		return next_prefix(args, local, key);
	if (take_word(args, "payload"))
		return next_payload(args, key);
	if (take_word(args, "client"))
		key->type = CHRING_KEY_CLIENT;
	else if (take_word(args, "flow"))
		key->type = CHRING_KEY_FLOW;
	else if (!args->left)
		return mistake("key flow|client|prefix|payload is missing");
	else
		return mistake("the key must be flow, client, prefix or payload, not '%s'",
			       *args->words);
	return STATUS_DONE;
}

static void print_prefix(const struct chring_key *key)
{
	char text[40];

	if (!key->prefix_ipv6)
		snprintf(text, sizeof(text), "prefix %u", key->prefix_ipv4);
	else if (!key->prefix_ipv4)
		snprintf(text, sizeof(text), "prefix %u", key->prefix_ipv6);
	else
		snprintf(text, sizeof(text), "prefix %u ipv4 %u",
			 key->prefix_ipv6, key->prefix_ipv4);
	output_string(OUTPUT_TEXT, "key", text);
	if (key->prefix_ipv4)
		output_number(OUTPUT_JSON, "prefix-ipv4", key->prefix_ipv4);
	if (key->prefix_ipv6)
		output_number(OUTPUT_JSON, "prefix-ipv6", key->prefix_ipv6);
}

void print_key(const struct chring_key *key)
{
	const char *name = chring_key_name(key->type);
	char text[40];

	output_string(OUTPUT_JSON, "key", name);
	if (key->type == CHRING_KEY_PREFIX) {
		print_prefix(key);
	} else if (key->type == CHRING_KEY_PAYLOAD) {
		snprintf(text, sizeof(text), "%s %u %u", name, key->offset,
			 key->length);
		output_string(OUTPUT_TEXT, "key", text);
		output_number(OUTPUT_JSON, "payload-offset", key->offset);
		output_number(OUTPUT_JSON, "payload-length", key->length);
	} else {
		output_string(OUTPUT_TEXT, "key", name);
	}
}
