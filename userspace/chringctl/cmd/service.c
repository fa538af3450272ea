// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "chringctl.h"
#include "output.h"

#define REMOVAL_POLL_MS		5
#define REMOVAL_BOUND_MS	30000

/* A setting of two values, 0 and 1, whose words @name_of has. */
static enum status next_choice(struct args *args, const char *setting,
			       const char *(*name_of)(uint32_t value),
			       uint32_t *value)
{
	for (*value = 0; *value < 2; ++*value)
		if (take_word(args, name_of(*value)))
			return STATUS_DONE;
	if (!args->left)
		return mistake("%s %s|%s is missing", setting, name_of(0),
			       name_of(1));
	return mistake("%s must be %s or %s, not '%s'", setting, name_of(0),
		       name_of(1), *args->words);
}

static enum status next_none(struct args *args, uint32_t *none)
{
	return next_choice(args, "none", chring_none_name, none);
}

static enum status next_override(struct args *args, uint32_t *override)
{
	return next_choice(args, "override", chring_override_name, override);
}

static enum status next_balance(struct args *args, uint32_t *balance)
{
	return next_choice(args, "balance", chring_balance_name, balance);
}

static enum status next_seed(struct args *args, uint8_t *seed)
{
	enum status status;
	const char *word;
	int byte;
	int i;

	status = next_word(args, "seed HEX", &word);
	if (status)
		return status;
	if (strlen(word) != 2 * CHRING_SEED_SIZE)
		return mistake("seed must be %d hexadecimal digits",
			       2 * CHRING_SEED_SIZE);
	for (i = 0; i < CHRING_SEED_SIZE; i++) {
		byte = parse_hex(word + 2 * i);
		if (byte < 0)
			return mistake("seed must be hexadecimal digits, not '%s'",
				       word);
		seed[i] = byte;
	}
	return STATUS_DONE;
}

/* In a request for a new service 0 is the default. */
static enum status next_grace(struct args *args, uint32_t *grace)
{
	enum status status;

	status = next_number(args, "grace", 0, CHRING_SECONDS_MAX, grace);
	if (!status && !*grace)
		*grace = CHRING_GRACE_NONE;
	return status;
}

enum setting {
	SET_V6ONLY, SET_OWNER, SET_NONE, SET_OVERRIDE, SET_KEY, SET_BALANCE,
	SET_VNODES, SET_SLOTS, SET_SEED, SET_GRACE, NR_SETTINGS
};

/* What follows the address: each once at most, in any order. */
static enum status next_setting(struct args *args,
				struct chring_service_request *request,
				uint8_t *seed, unsigned int *given)
{
	static const char *const words[NR_SETTINGS] = {
		"v6only", "owner", "none", "override", "key", "balance",
		"vnodes", "slots", "seed", "grace"
	};
	unsigned int setting = 0;

	while (setting < NR_SETTINGS && !next_is(args, words[setting]))
		setting++;
	if (setting == NR_SETTINGS || *given & 1U << setting)
		return no_more_words(args);
	take_word(args, words[setting]);
	*given |= 1U << setting;

	switch (setting) {
	case SET_OWNER:
		return next_user(args, &request->owner);
	case SET_NONE:
		return next_none(args, &request->none);
	case SET_OVERRIDE:
		return next_override(args, &request->override);
	case SET_KEY:
		return next_key(args, &request->local, &request->key);
	case SET_BALANCE:
		return next_balance(args, &request->balance);
	case SET_VNODES:
		return next_number(args, "vnodes", 1, CHRING_VNODES_MAX,
				   &request->vnodes);
	case SET_SLOTS:
		return next_number(args, "slots", CHRING_SLOTS_MIN,
				   CHRING_SLOTS_MAX, &request->slots);
	case SET_GRACE:
		return next_grace(args, &request->grace);
	case SET_SEED:
		request->seed = seed;
		return next_seed(args, seed);
	}
	request->v6only = true;
	return STATUS_DONE;
}

enum status service_add(struct chring *chring, struct args *args)
{
	struct chring_service_request request = { .owner = CHRING_OWNER_SELF };
	uint8_t seed[CHRING_SEED_SIZE];
	unsigned int given = 0;
	enum status status;
	int ret;

	status = next_word(args, "NAME", &request.name);
	if (!status)
		status = next_protocol(args, &request.protocol);
	if (!status)
		status = next_endpoint(args, &request.local);
	while (!status && args->left)
		status = next_setting(args, &request, seed, &given);
	if (status)
		return status;

	ret = chring_open(chring);
	if (!ret)
		ret = chring_service_new(chring, &request);
	return outcome(chring, ret);
}

enum status service_set(struct chring *chring, struct args *args)
{
	int (*set)(struct chring *chring, const char *name, uint32_t value);
	enum status status;
	const char *name;
	uint32_t value;
	int ret;

	status = next_word(args, "NAME", &name);
	if (status)
		return status;
	if (take_word(args, "owner")) {
		set = chring_service_set_owner;
		status = next_user(args, &value);
	} else if (take_word(args, "none")) {
		set = chring_service_set_none;
		status = next_none(args, &value);
	} else if (take_word(args, "override")) {
		set = chring_service_set_override;
		status = next_override(args, &value);
	} else if (take_word(args, "balance")) {
		set = chring_service_set_balance;
		status = next_balance(args, &value);
	} else if (take_word(args, "grace")) {
		set = chring_service_set_grace;
		status = next_number(args, "grace", 0, CHRING_SECONDS_MAX,
				     &value);
	} else {
		return mistake("what to set is missing: owner, none, override, balance or grace");
	}
	if (!status)
		status = no_more_words(args);
	if (status)
		return status;

	ret = chring_open(chring);
	if (!ret)
		ret = set(chring, name, value);
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

/* A secret: where it is wanted, not wherever a service is shown. */
static void print_seed(const struct chring_service *service)
{
	char text[2 * CHRING_SEED_SIZE + 1];
	int i;

	if (!service->has_seed)
		return;
	for (i = 0; i < CHRING_SEED_SIZE; i++)
		sprintf(&text[2 * i], "%02x", service->seed[i]);
	output_string(OUTPUT_JSON, "seed", text);
}

void service_values(const struct chring_service *service)
{
	output_word(OUTPUT_BOTH, "name", service->name);
	output_word(OUTPUT_BOTH, "protocol",
		    service->protocol == IPPROTO_TCP ? "tcp" : "udp");
	print_endpoint(&service->local, service->v6only);
	print_owner(service->owner);
	output_string(OUTPUT_BOTH, "none", chring_none_name(service->none));
	output_string(OUTPUT_BOTH, "override",
		      chring_override_name(service->override));
	print_key(&service->key);
	output_break();
	output_string(OUTPUT_BOTH, "state",
		      chring_service_state_name(service->state));
	output_number(OUTPUT_BOTH, "replicas", service->replicas);
	output_number(OUTPUT_BOTH, "points", service->points);
	output_break();
	output_string(OUTPUT_BOTH, "balance",
		      chring_balance_name(service->balance));
	output_number(OUTPUT_BOTH, "vnodes", service->vnodes);
	output_number(OUTPUT_BOTH, "slots", service->slots);
	output_number(OUTPUT_BOTH, "grace", service->grace);
	print_seed(service);
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
