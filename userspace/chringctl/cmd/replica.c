// SPDX-License-Identifier: GPL-2.0
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "chringctl.h"
#include "output.h"

/* How long a drain may take where nobody says. */
#define DRAIN_SECONDS 30

/* A replica as the words say it; 0 and -1 stand for what they do not say. */
struct wanted {
	const char *name;
	uint32_t pid;
	uint32_t weight;
	uint32_t watch;
	uint32_t ramp;
	bool replace;
	int fd;
	union chring_address at;
};

struct wanted_list {
	struct wanted *items;
	size_t count;
};

static enum status next_fd(struct args *args, int *fd)
{
	enum status status;
	uint32_t number;

	status = next_number(args, "fd", 0, INT_MAX, &number);
	if (!status)
		*fd = number;
	return status;
}

/* NAME and its keys, as far as the next word that is not one of them. */
static enum status next_wanted(struct args *args, struct wanted *wanted)
{
	enum status status;
	bool given;

	status = next_word(args, "NAME", &wanted->name);
	wanted->pid = 0;
	wanted->weight = 0;
	wanted->watch = 0;
	wanted->ramp = 0;
	wanted->replace = false;
	wanted->fd = -1;
	wanted->at.sa.sa_family = AF_UNSPEC;

	while (!status && args->left) {
		if (take_word(args, "pid")) {
			given = wanted->pid;
			status = next_number(args, "pid", 1, INT_MAX,
					     &wanted->pid);
		} else if (take_word(args, "fd")) {
			given = wanted->fd >= 0;
			status = next_fd(args, &wanted->fd);
		} else if (take_word(args, "at")) {
			given = wanted->at.sa.sa_family;
			status = next_endpoint(args, &wanted->at);
		} else if (take_word(args, "weight")) {
			given = wanted->weight;
			status = next_number(args, "weight", 1,
					     CHRING_WEIGHT_MAX,
					     &wanted->weight);
		} else if (take_word(args, "watch")) {
			given = wanted->watch;
			status = next_number(args, "watch", 1, INT_MAX,
					     &wanted->watch);
		} else if (take_word(args, "ramp")) {
			given = wanted->ramp;
			status = next_number(args, "ramp", 1,
					     CHRING_SECONDS_MAX, &wanted->ramp);
		} else if (take_word(args, "replace")) {
			given = wanted->replace;
			wanted->replace = true;
		} else {
			break;
		}
		if (!status && given)
			return mistake("a key is given twice for replica '%s'",
				       wanted->name);
	}
	return status;
}

static enum status check_for_add(const struct wanted *wanted)
{
	if (!wanted->pid)
		return mistake("pid is missing for replica '%s'", wanted->name);
	if (wanted->fd >= 0 && wanted->at.sa.sa_family)
		return mistake("fd and at are both given for replica '%s'",
			       wanted->name);
	return STATUS_DONE;
}

static enum status check_for_set(const struct wanted *wanted)
{
	if (wanted->pid || wanted->watch || wanted->fd >= 0 ||
	    wanted->at.sa.sa_family || wanted->ramp || wanted->replace)
		return mistake("only the weight of replica '%s' can be set",
			       wanted->name);
	if (!wanted->weight)
		return mistake("weight is missing for replica '%s'",
			       wanted->name);
	return STATUS_DONE;
}

/* SERVICE and at least one replica; the caller frees @list->items. */
static enum status parse_wanted(struct args *args, const char **service,
				struct wanted_list *list,
				enum status (*check)(const struct wanted *))
{
	struct wanted *wanted;
	enum status status;

	status = next_word(args, "SERVICE", service);
	if (status)
		return status;
	list->items = allocate(NULL, args->left + 1, sizeof(*list->items));
	list->count = 0;

	do {
		wanted = &list->items[list->count++];
		status = next_wanted(args, wanted);
		if (!status)
			status = check(wanted);
	} while (!status && args->left);
	return status;
}

static struct chring_replica_request *
requests_of(const struct wanted_list *list)
{
	struct chring_replica_request *requests;
	size_t i;

	requests = allocate(NULL, list->count, sizeof(*requests));
	for (i = 0; i < list->count; i++) {
		requests[i].name = list->items[i].name;
		requests[i].weight = list->items[i].weight;
		requests[i].watch = list->items[i].watch;
		requests[i].ramp = list->items[i].ramp;
		requests[i].replace = list->items[i].replace;
		requests[i].fd = -1;
	}
	return requests;
}

/* Copy the replicas' sockets from their processes. */
static int take_sockets(struct chring *chring, const char *service_name,
			const struct wanted_list *list,
			struct chring_replica_request *requests)
{
	struct chring_service service;
	struct wanted *wanted;
	size_t i;
	int ret;

	ret = chring_service_get(chring, service_name, &service);
	if (ret < 0)
		return ret;
	for (i = 0; i < list->count; i++) {
		wanted = &list->items[i];
		ret = chring_socket_from_pid(chring, wanted->pid,
					     service.protocol,
					     wanted->at.sa.sa_family ?
					     &wanted->at : &service.local,
					     wanted->fd);
		if (ret < 0)
			return ret;
		requests[i].fd = ret;
	}
	return 0;
}

static void close_sockets(const struct chring_replica_request *requests,
			  size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (requests[i].fd >= 0)
			close(requests[i].fd);
	}
}

enum status replica_add(struct chring *chring, struct args *args)
{
	struct chring_replica_request *requests;
	struct wanted_list list = { 0 };
	enum status status;
	const char *service;
	int ret;

	status = parse_wanted(args, &service, &list, check_for_add);
	if (status) {
		free(list.items);
		return status;
	}

	requests = requests_of(&list);
	ret = chring_open(chring);
	if (!ret)
		ret = take_sockets(chring, service, &list, requests);
	if (!ret)
		ret = chring_replica_new(chring, service, requests, list.count);
	close_sockets(requests, list.count);
	free(requests);
	free(list.items);
	return outcome(chring, ret);
}

enum status replica_set(struct chring *chring, struct args *args)
{
	struct chring_replica_request *requests;
	struct wanted_list list = { 0 };
	enum status status;
	const char *service;
	int ret;

	status = parse_wanted(args, &service, &list, check_for_set);
	if (status) {
		free(list.items);
		return status;
	}

	requests = requests_of(&list);
	ret = chring_open(chring);
	if (!ret)
		ret = chring_replica_set(chring, service, requests, list.count);
	free(requests);
	free(list.items);
	return outcome(chring, ret);
}

/* SERVICE NAME, and what else there may be. */
static enum status next_replica(struct args *args, const char **service,
				const char **name)
{
	enum status status;

	status = next_word(args, "SERVICE", service);
	return status ? status : next_word(args, "NAME", name);
}

enum status replica_drain(struct chring *chring, struct args *args)
{
	uint32_t seconds = DRAIN_SECONDS;
	const char *service;
	enum status status;
	const char *name;
	int ret;

	status = next_replica(args, &service, &name);
	if (!status && args->left)
		status = next_number(args, "SECONDS", 0, CHRING_SECONDS_MAX,
				     &seconds);
	if (!status)
		status = no_more_words(args);
	if (status)
		return status;

	ret = chring_open(chring);
	if (!ret)
		ret = chring_replica_drain(chring, service, name, seconds);
	return outcome(chring, ret);
}

enum status replica_up(struct chring *chring, struct args *args)
{
	const char *service;
	enum status status;
	const char *name;
	int ret;

	status = next_replica(args, &service, &name);
	if (!status)
		status = no_more_words(args);
	if (status)
		return status;

	ret = chring_open(chring);
	if (!ret)
		ret = chring_replica_up(chring, service, name);
	return outcome(chring, ret);
}

enum status replica_del(struct chring *chring, struct args *args)
{
	enum status status;
	const char *service;
	int ret;

	status = next_word(args, "SERVICE", &service);
	if (status)
		return status;
	if (!args->left)
		return mistake("NAME is missing");

	ret = chring_open(chring);
	if (!ret)
		ret = chring_replica_del(chring, service,
					 (const char *const *)args->words,
					 args->left);
	return outcome(chring, ret);
}

void replica_values(const struct chring_replica *replica)
{
	output_word(OUTPUT_BOTH, "service", replica->service);
	output_word(OUTPUT_BOTH, "name", replica->name);
	output_number(OUTPUT_BOTH, "weight", replica->weight);
	output_string(OUTPUT_BOTH, "state",
		      chring_replica_state_name(replica->state));
	output_number(OUTPUT_BOTH, "points", replica->points);
	output_number(OUTPUT_BOTH, "slots", replica->slots);
	output_number(OUTPUT_BOTH, "picks", replica->picks);
	output_number(OUTPUT_BOTH, "migrated", replica->migrated);
	output_number(OUTPUT_BOTH, "passed-over", replica->passed_over);
	output_number(OUTPUT_BOTH, "inode", replica->inode);
	output_bool(OUTPUT_JSON, "watched", replica->watched);
	if (replica->watched)
		output_word(OUTPUT_TEXT, NULL, "watched");
}

static void print_replica(const struct chring_replica *replica)
{
	output_object_begin();
	replica_values(replica);
	output_object_end();
}

static int show_all(struct chring *chring, const char *service)
{
	struct chring_replica *replicas;
	size_t count;
	size_t i;
	int ret;

	ret = chring_replica_dump(chring, service, &replicas, &count);
	if (ret < 0)
		return ret;
	for (i = 0; i < count; i++)
		print_replica(&replicas[i]);
	free(replicas);
	return 0;
}

static int show_one(struct chring *chring, const char *service,
		    const char *name)
{
	struct chring_replica replica;
	int ret;

	ret = chring_replica_get(chring, service, name, &replica);
	if (!ret)
		print_replica(&replica);
	return ret;
}

enum status replica_show(struct chring *chring, struct args *args)
{
	enum status status = STATUS_DONE;
	const char *service = NULL;
	const char *name = NULL;
	int ret;

	if (args->left)
		status = next_word(args, "SERVICE", &service);
	if (args->left)
		status = next_word(args, "NAME", &name);
	if (!status)
		status = no_more_words(args);
	if (status)
		return status;

	ret = chring_open(chring);
	if (!ret)
		ret = name ? show_one(chring, service, name) :
			     show_all(chring, service);
	return outcome(chring, ret);
}
