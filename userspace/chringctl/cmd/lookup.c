// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>

#include "chringctl.h"
#include "output.h"

/* Too long for the stack. */
static uint8_t payload[CHRING_PAYLOAD_MAX];

static enum status next_payload(struct args *args, size_t *length)
{
	enum status status;
	const char *word;
	size_t i;

	status = next_word(args, "HEX", &word);
	if (status)
		return status;
	for (i = 0; word[2 * i]; i++) {
		int byte = parse_hex(word + 2 * i);

		if (byte < 0)
			return mistake("the payload must be pairs of hexadecimal digits, not '%s'",
				       word);
		if (i == sizeof(payload))
			return mistake("the payload must be at most %zu bytes",
				       sizeof(payload));
		payload[i] = byte;
	}
	*length = i;
	return STATUS_DONE;
}

static enum status no_replica(const char *service, uint64_t inode)
{
	fprintf(stderr, "chringctl: no replica of '%s' would get the flow",
		service);
	if (inode)
		fprintf(stderr, ", the socket with inode %llu would",
			(unsigned long long)inode);
	fputc('\n', stderr);
	return STATUS_CONDITION;
}

enum status lookup(struct chring *chring, struct args *args)
{
	char replica[CHRING_NAME_MAX + 1];
	union chring_address remote;
	union chring_address local;
	const char *service;
	enum status status;
	bool has_payload = false;
	size_t length = 0;
	bool to = false;
	int ret;

	status = next_word(args, "SERVICE", &service);
	if (status)
		return status;
	if (!take_word(args, "from"))
		return mistake("from ADDRESS:PORT is missing");
	status = next_endpoint(args, &remote);
	if (!status && take_word(args, "to")) {
		to = true;
		status = next_address(args, &local);
	}
	if (!status && take_word(args, "payload")) {
		has_payload = true;
		status = next_payload(args, &length);
	}
	if (!status)
		status = no_more_words(args);
	if (status)
		return status;

	ret = chring_open(chring);
	if (!ret && has_payload)
		ret = chring_lookup_payload(chring, service, &remote,
					    to ? &local : NULL, payload, length,
					    replica);
	else if (!ret)
		ret = chring_lookup(chring, service, &remote,
				    to ? &local : NULL, replica);
	if (ret < 0)
		return outcome(chring, ret);
	if (!replica[0])
		return no_replica(service, chring_lookup_inode(chring));

	output_object_begin();
	output_word(OUTPUT_BOTH, "replica", replica);
	output_object_end();
	return STATUS_DONE;
}
