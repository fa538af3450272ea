// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>

#include "chringctl.h"
#include "output.h"

enum status lookup(struct chring *chring, struct args *args)
{
	char replica[CHRING_NAME_MAX + 1];
	union chring_address remote;
	union chring_address local;
	const char *service;
	enum status status;
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
	if (!status)
		status = no_more_words(args);
	if (status)
		return status;

	ret = chring_open(chring);
	if (!ret)
		ret = chring_lookup(chring, service, &remote,
				    to ? &local : NULL, replica);
	if (ret < 0)
		return outcome(chring, ret);
	if (!replica[0]) {
		fprintf(stderr,
			"chringctl: no replica of '%s' would get the flow\n",
			service);
		return STATUS_CONDITION;
	}

	output_object_begin();
	output_word(OUTPUT_BOTH, "replica", replica);
	output_object_end();
	return STATUS_DONE;
}
