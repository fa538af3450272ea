// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chringctl.h"
#include "output.h"

#define NSEC_PER_SEC UINT64_C(1000000000)

/* By CHRING_EXPIRY_... */
static const char *const expiries[] = { "fence", "signal", "kill", NULL };

/* Takes one key and its value, if the next word is a key. */
static bool take_permission(struct args *args,
			    struct chring_lock_request *request,
			    enum status *status)
{
	if (take_word(args, "mode"))
		*status = next_mode(args, &request->mode);
	else if (take_word(args, "owner"))
		*status = next_user(args, &request->owner);
	else if (take_word(args, "group"))
		*status = next_group(args, &request->group);
	else
		return false;
	return true;
}

static bool take_order(struct args *args, struct chring_lock_request *request)
{
	if (take_word(args, "fifo"))
		request->flags = CHRING_LOCK_FIFO;
	else if (take_word(args, "adaptive"))
		request->flags = 0;
	else
		return false;
	return true;
}

static enum status next_expiry(struct args *args, uint32_t *expiry)
{
	enum status status;
	const char *word;

	status = next_word(args, "expiry", &word);
	if (status)
		return status;
	for (*expiry = 0; expiries[*expiry]; ++*expiry) {
		if (!strcmp(word, expiries[*expiry]))
			return STATUS_DONE;
	}
	return mistake("expiry must be fence, signal or kill, not '%s'", word);
}

static bool take_lease(struct args *args, struct chring_lock_request *request,
		       enum status *status)
{
	if (take_word(args, "ttl"))
		*status = next_ttl(args, &request->ttl_ms);
	else if (take_word(args, "expiry"))
		*status = next_expiry(args, &request->expiry);
	else
		return false;
	return true;
}

/* What only a new lock can be told to be. */
static bool take_kind(struct args *args, struct chring_lock_request *request,
		      uint32_t *kinds, enum status *status)
{
	if (take_word(args, "slots"))
		*status = next_number(args, "slots", 1, CHRING_LOCK_SLOTS_MAX,
				      &request->slots);
	else if (take_word(args, "strict"))
		*kinds |= CHRING_LOCK_STRICT;
	else if (take_word(args, "sticky"))
		*kinds |= CHRING_LOCK_STICKY;
	else if (take_word(args, "eager"))
		*kinds |= CHRING_LOCK_EAGER;
	else
		return false;
	return true;
}

static enum status parse_request(struct args *args, bool is_new,
				 struct chring_lock_request *request)
{
	enum status status;
	uint32_t kinds = 0;

	request->flags = CHRING_LOCK_KEEP;
	request->mode = CHRING_LOCK_KEEP;
	request->owner = CHRING_LOCK_KEEP;
	request->group = CHRING_LOCK_KEEP;
	request->ttl_ms = CHRING_LOCK_KEEP;
	request->expiry = CHRING_LOCK_KEEP;
	request->slots = 0;
	status = next_word(args, "NAME", &request->name);
	while (!status && args->left) {
		if (take_permission(args, request, &status) ||
		    take_order(args, request) ||
		    take_lease(args, request, &status) ||
		    (is_new && take_kind(args, request, &kinds, &status)))
			continue;
		status = no_more_words(args);
	}
	if (request->flags != CHRING_LOCK_KEEP)
		request->flags |= kinds;
	else if (kinds)
		request->flags = kinds | (request->slots ? CHRING_LOCK_FIFO : 0);
	return status;
}

enum status lock_add(struct chring *chring, struct args *args)
{
	struct chring_lock_request request;
	enum status status;
	int ret;

	status = parse_request(args, true, &request);
	if (status)
		return status;
	ret = chring_open(chring);
	if (!ret)
		ret = chring_lock_new(chring, &request);
	return outcome(chring, ret);
}

enum status lock_set(struct chring *chring, struct args *args)
{
	struct chring_lock_request request;
	enum status status;
	int ret;

	status = parse_request(args, false, &request);
	if (status)
		return status;
	if (request.flags == CHRING_LOCK_KEEP &&
	    request.mode == CHRING_LOCK_KEEP &&
	    request.owner == CHRING_LOCK_KEEP &&
	    request.group == CHRING_LOCK_KEEP &&
	    request.ttl_ms == CHRING_LOCK_KEEP &&
	    request.expiry == CHRING_LOCK_KEEP)
		return mistake("what to set is missing, such as mode, fifo or ttl");
	ret = chring_open(chring);
	if (!ret)
		ret = chring_lock_set(chring, &request);
	return outcome(chring, ret);
}

static enum status parse_name(struct args *args, const char **name)
{
	enum status status;

	status = next_word(args, "NAME", name);
	return status ? status : no_more_words(args);
}

enum status lock_del(struct chring *chring, struct args *args)
{
	enum status status;
	const char *name;
	int ret;

	status = parse_name(args, &name);
	if (status)
		return status;
	ret = chring_open(chring);
	if (!ret)
		ret = chring_lock_del(chring, name);
	return outcome(chring, ret);
}

enum status lock_break(struct chring *chring, struct args *args)
{
	enum status status;
	const char *name;
	int ret;

	status = parse_name(args, &name);
	if (status)
		return status;
	ret = chring_open(chring);
	if (!ret)
		ret = chring_lock_break(chring, name);
	return outcome(chring, ret);
}

enum status lock_token(struct chring *chring, struct args *args)
{
	struct chring_lock_status lock;
	enum status status;
	const char *name;
	uint64_t token;
	int ret;

	status = next_word(args, "NAME", &name);
	if (!status)
		status = next_token(args, &token);
	if (!status)
		status = no_more_words(args);
	if (status)
		return status;
	ret = chring_open(chring);
	if (!ret)
		ret = chring_lock_check_token(chring, name, token);
	if (ret != -ESTALE)
		return outcome(chring, ret);
	ret = chring_lock_get(chring, name, &lock);
	if (ret < 0)
		return outcome(chring, ret);
	if (!lock.token)
		failure("nobody has acquired lock '%s' yet", name);
	else
		failure("token %ju of lock '%s' is %s, the newest is %ju",
			(uintmax_t)token, name,
			token < lock.token ? "stale" : "not given yet",
			(uintmax_t)lock.token);
	return STATUS_CONDITION;
}

/* A time in whole seconds, under @text, or in ns, under @key. */
static void print_time(const char *text, const char *key, uint64_t ns)
{
	output_number(OUTPUT_TEXT, text, ns / NSEC_PER_SEC);
	output_number(OUTPUT_JSON, key, ns);
}

static void print_process(pid_t pid, const char *command)
{
	if (!pid)
		return;
	output_number(OUTPUT_BOTH, "pid", pid);
	output_string(OUTPUT_BOTH, "comm", command);
}

static void print_holder(const struct chring_lock_status *lock)
{
	output_word(OUTPUT_TEXT, NULL, lock->held ? "held" : "free");
	output_bool(OUTPUT_JSON, "held", lock->held);
	output_bool(OUTPUT_JSON, "shared", lock->shared);
	output_number(lock->shared ? OUTPUT_BOTH : OUTPUT_JSON, "holders",
		      lock->holders);
	print_process(lock->pid, lock->command);
	if (lock->held)
		print_time("seconds", "held-ns", lock->held_ns);
	if (lock->token)
		output_number(OUTPUT_BOTH, "token", lock->token);
	if (lock->expires)
		print_time("seconds-left", "lease-ns", lock->lease_ns);
	output_number(OUTPUT_BOTH, "waiters", lock->waiters);
}

static void print_news(const struct chring_lock_status *lock)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} news[] = {
		{ CHRING_NEWS_OWNER_DIED,	"owner-died" },
		{ CHRING_NEWS_BROKEN,		"broken" },
		{ CHRING_NEWS_CORRUPT,		"corrupt" },
		{ CHRING_NEWS_EXPIRED,		"expired" },
		{ }
	};
	const char *names[sizeof(news) / sizeof(*news)];
	size_t count = 0;
	size_t i;

	for (i = 0; news[i].bit; i++) {
		if (lock->news & news[i].bit)
			names[count++] = news[i].name;
	}
	output_words(OUTPUT_BOTH, "news", names, count);
	if (lock->news)
		output_number(OUTPUT_BOTH, "dead-token", lock->dead_token);
}

static void print_leases(const struct chring_lock_status *lock)
{
	enum output_form text = lock->ttl_ms ? OUTPUT_BOTH : OUTPUT_JSON;

	output_number(text, "ttl-ms", lock->ttl_ms);
	if (lock->expiry <= CHRING_EXPIRY_KILL)
		output_string(lock->expiry ? OUTPUT_BOTH : text, "expiry",
			      expiries[lock->expiry]);
	output_bool(OUTPUT_JSON, "eager", lock->flags & CHRING_LOCK_EAGER);
}

void lock_values(const struct chring_lock_status *lock)
{
	char mode[8];

	snprintf(mode, sizeof(mode), "%04o", lock->mode);
	output_word(OUTPUT_BOTH, "name", lock->name);
	output_word(OUTPUT_BOTH, "discipline",
		    lock->flags & CHRING_LOCK_FIFO ? "fifo" : "adaptive");
	output_bool(OUTPUT_JSON, "strict", lock->flags & CHRING_LOCK_STRICT);
	output_bool(OUTPUT_JSON, "sticky", lock->flags & CHRING_LOCK_STICKY);
	output_bool(OUTPUT_JSON, "persistent", lock->persistent);
	output_string(OUTPUT_TEXT, "mode", mode);
	output_number(OUTPUT_JSON, "mode", lock->mode);
	output_number(OUTPUT_BOTH, "uid", lock->owner);
	output_number(OUTPUT_BOTH, "gid", lock->group);
	print_leases(lock);
	output_number(lock->slots ? OUTPUT_BOTH : OUTPUT_JSON, "slots",
		      lock->slots);
	output_number(OUTPUT_BOTH, "handles", lock->handles);
	output_break();
	print_holder(lock);
	print_news(lock);
}

static void print_one_holder(const struct chring_lock_holder *holder)
{
	output_object_begin();
	output_word(OUTPUT_TEXT, NULL, "holder");
	print_process(holder->pid, holder->command);
	print_time("seconds", "held-ns", holder->held_ns);
	output_number(OUTPUT_BOTH, "token", holder->token);
	if (holder->expires)
		print_time("seconds-left", "lease-ns", holder->lease_ns);
	output_object_end();
}

static void print_lock(const struct chring_lock_status *lock)
{
	uint32_t i;

	output_object_begin();
	lock_values(lock);
	if (lock->shown) {
		output_array_begin("holder");
		for (i = 0; i < lock->shown; i++)
			print_one_holder(&lock->holder[i]);
		output_array_end();
	}
	output_object_end();
}

static int show_all(struct chring *chring)
{
	struct chring_lock_status *locks;
	size_t count;
	size_t i;
	int ret;

	ret = chring_lock_dump(chring, &locks, &count);
	if (ret < 0)
		return ret;
	for (i = 0; i < count; i++)
		print_lock(&locks[i]);
	free(locks);
	return 0;
}

static int show_one(struct chring *chring, const char *name)
{
	struct chring_lock_status lock;
	int ret;

	ret = chring_lock_get(chring, name, &lock);
	if (!ret)
		print_lock(&lock);
	return ret;
}

enum status lock_show(struct chring *chring, struct args *args)
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
