// SPDX-License-Identifier: GPL-2.0
/* Every socket of a running server becomes a replica, all or none. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "chringctl.h"

/* Longer than a name may be, so that libchring sees what is too long. */
#define NAME_ROOM (CHRING_NAME_MAX + 16)

struct adoption {
	const char *service;
	const char *prefix;	/* NULL: the service's name and "-" */
	uint32_t pid;
	uint32_t weight;	/* 0: the default */
};

static enum status parse_adoption(struct args *args, struct adoption *adoption)
{
	enum status status;

	status = next_word(args, "SERVICE", &adoption->service);
	while (!status && args->left) {
		if (!adoption->pid && take_word(args, "pid"))
			status = next_number(args, "pid", 1, INT_MAX,
					     &adoption->pid);
		else if (!adoption->prefix && take_word(args, "prefix"))
			status = next_word(args, "prefix", &adoption->prefix);
		else if (!adoption->weight && take_word(args, "weight"))
			status = next_number(args, "weight", 1,
					     CHRING_WEIGHT_MAX,
					     &adoption->weight);
		else
			status = no_more_words(args);
	}
	if (!status && !adoption->pid)
		status = mistake("pid is missing");
	return status;
}

static void name_replica(const struct adoption *adoption, size_t number,
			 char *name)
{
	if (adoption->prefix)
		snprintf(name, NAME_ROOM, "%s%zu", adoption->prefix, number);
	else
		snprintf(name, NAME_ROOM, "%s-%zu", adoption->service, number);
}

static int register_all(struct chring *chring, const struct adoption *adoption,
			const int *fds, size_t count)
{
	struct chring_replica_request *requests;
	char (*names)[NAME_ROOM];
	size_t i;
	int ret;

	requests = allocate(NULL, count, sizeof(*requests));
	names = allocate(NULL, count, sizeof(*names));
	for (i = 0; i < count; i++) {
		name_replica(adoption, i + 1, names[i]);
		requests[i] = (struct chring_replica_request) {
			.name	= names[i],
			.fd	= fds[i],
			.weight	= adoption->weight,
		};
	}
	ret = chring_replica_new(chring, adoption->service, requests, count);
	free(names);
	free(requests);
	return ret;
}

static int adopt(struct chring *chring, const struct adoption *adoption)
{
	struct chring_service service;
	size_t count;
	int *fds;
	int ret;

	ret = chring_service_get(chring, adoption->service, &service);
	if (ret < 0)
		return ret;
	ret = chring_sockets_from_pid(chring, adoption->pid, service.protocol,
				      &service.local, &fds, &count);
	if (ret < 0)
		return ret;
	ret = register_all(chring, adoption, fds, count);
	while (count--)
		close(fds[count]);
	free(fds);
	return ret;
}

enum status replica_adopt(struct chring *chring, struct args *args)
{
	struct adoption adoption = { 0 };
	enum status status;
	int ret;

	status = parse_adoption(args, &adoption);
	if (status)
		return status;
	ret = chring_open(chring);
	if (!ret)
		ret = adopt(chring, &adoption);
	return outcome(chring, ret);
}
