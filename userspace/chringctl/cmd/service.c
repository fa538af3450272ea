// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "chringctl.h"
#include "output.h"

#define REMOVAL_POLL_MS		5
#define REMOVAL_BOUND_MS	30000

static enum status next_none(struct args *args, uint32_t *none)
{
	if (take_word(args, "refuse"))
		*none = CHRING_NONE_REFUSE;
	else if (take_word(args, "hold"))
		*none = CHRING_NONE_HOLD;
	else if (!args->left)
		return mistake("none refuse|hold is missing");
	else
		return mistake("none must be refuse or hold, not '%s'",
			       *args->words);
	return STATUS_DONE;
}

enum status service_add(struct chring *chring, struct args *args)
{
	struct chring_service_request request = { .owner = CHRING_OWNER_SELF };
	enum status status;
	int ret;

	status = next_word(args, "NAME", &request.name);
	if (!status)
		status = next_protocol(args, &request.protocol);
	if (!status)
		status = next_endpoint(args, &request.local);
	if (!status)
		request.v6only = take_word(args, "v6only");
	if (!status && take_word(args, "owner"))
		status = next_user(args, &request.owner);
	if (!status && take_word(args, "none"))
		status = next_none(args, &request.none);
	if (!status)
		status = no_more_words(args);
	if (status)
		return status;

	ret = chring_open(chring);
	if (!ret)
		ret = chring_service_new(chring, &request);
	return outcome(chring, ret);
}

enum status service_set(struct chring *chring, struct args *args)
{
	enum status status;
	const char *name;
	bool owner;
	uint32_t value;
	int ret;

	status = next_word(args, "NAME", &name);
	if (status)
		return status;
	owner = take_word(args, "owner");
	if (owner)
		status = next_user(args, &value);
	else if (take_word(args, "none"))
		status = next_none(args, &value);
	else
		return mistake("what to set is missing: owner USER, or none refuse|hold");
	if (!status)
		status = no_more_words(args);
	if (status)
		return status;

	ret = chring_open(chring);
	if (!ret)
		ret = owner ? chring_service_set_owner(chring, name, value) :
			      chring_service_set_none(chring, name, value);
	return outcome(chring, ret);
}

/*
 * A deletion ends after some grace periods. Who runs a script wants the name
 * and the port to be free when the command is done.
 */
static enum status await_removal(struct chring *chring, const char *name)
{
	struct chring_service service;
	int ms;
	int ret;

	for (ms = 0; ms < REMOVAL_BOUND_MS; ms += REMOVAL_POLL_MS) {
		ret = chring_service_get(chring, name, &service);
		if (ret == -ENOENT)
			return STATUS_DONE;
		if (ret < 0)
			return outcome(chring, ret);
		/* Somebody made another one of this name. */
		if (service.state != CHRING_SERVICE_REMOVING)
			return STATUS_DONE;
		usleep(1000 * REMOVAL_POLL_MS);
	}
	fprintf(stderr, "chringctl: service '%s' is still being removed\n",
		name);
	return STATUS_CONDITION;
}

enum status service_del(struct chring *chring, struct args *args)
{
	enum status status;
	const char *name;
	int ret;

	status = next_word(args, "NAME", &name);
	if (!status)
		status = no_more_words(args);
	if (status)
		return status;

	ret = chring_open(chring);
	if (!ret)
		ret = chring_service_del(chring, name);
	if (ret < 0)
		return outcome(chring, ret);
	return await_removal(chring, name);
}

static void print_owner(uid_t owner)
{
	const struct passwd *entry = getpwuid(owner);

	if (entry)
		output_string(OUTPUT_TEXT, "owner", entry->pw_name);
	else
		output_number(OUTPUT_TEXT, "owner", owner);
	output_number(OUTPUT_JSON, "owner", owner);
}

void service_values(const struct chring_service *service)
{
	output_word(OUTPUT_BOTH, "name", service->name);
	output_word(OUTPUT_BOTH, "protocol",
		    service->protocol == IPPROTO_TCP ? "tcp" : "udp");
	print_endpoint(&service->local, service->v6only);
	print_owner(service->owner);
	output_string(OUTPUT_BOTH, "none", chring_none_name(service->none));
	output_break();
	output_string(OUTPUT_BOTH, "state",
		      chring_service_state_name(service->state));
	output_number(OUTPUT_BOTH, "slots", service->slots);
	output_number(OUTPUT_BOTH, "replicas", service->replicas);
	output_number(OUTPUT_BOTH, "points", service->points);
	output_break();
	output_number(OUTPUT_BOTH, "picks", service->picks);
	output_number(OUTPUT_BOTH, "migrated", service->migrated);
	output_number(OUTPUT_BOTH, "passed-over", service->passed_over);
	output_number(OUTPUT_BOTH, "refused", service->refused);
}

static void print_service(const struct chring_service *service)
{
	output_object_begin();
	service_values(service);
	output_object_end();
}

static int show_all(struct chring *chring)
{
	struct chring_service *services;
	size_t count;
	size_t i;
	int ret;

	ret = chring_service_dump(chring, &services, &count);
	if (ret < 0)
		return ret;
	for (i = 0; i < count; i++)
		print_service(&services[i]);
	free(services);
	return 0;
}

static int show_one(struct chring *chring, const char *name)
{
	struct chring_service service;
	int ret;

	ret = chring_service_get(chring, name, &service);
	if (!ret)
		print_service(&service);
	return ret;
}

enum status service_show(struct chring *chring, struct args *args)
{
	enum status status = STATUS_DONE;
	const char *name = NULL;
	int ret;

	if (args->left)
		status = next_word(args, "NAME", &name);
	if (!status)
		status = no_more_words(args);
	if (status)
		return status;

	ret = chring_open(chring);
	if (!ret)
		ret = name ? show_one(chring, name) : show_all(chring);
	return outcome(chring, ret);
}
