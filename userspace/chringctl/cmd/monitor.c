// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "chringctl.h"
#include "output.h"

static void service_event(const struct chring_event *event)
{
	service_values(&event->service);
}

static void replica_event(const struct chring_event *event)
{
	replica_values(&event->replica);
}

static void lock_event(const struct chring_event *event)
{
	lock_values(&event->lock);
}

/* By CHRING_EVENT_... */
static void (*const print_values[])(const struct chring_event *event) = {
	[CHRING_EVENT_SERVICE_NEW] = service_event,
	[CHRING_EVENT_SERVICE_SET] = service_event,
	[CHRING_EVENT_SERVICE_DEL] = service_event,
	[CHRING_EVENT_REPLICA_NEW] = replica_event,
	[CHRING_EVENT_REPLICA_SET] = replica_event,
	[CHRING_EVENT_REPLICA_DEL] = replica_event,
	[CHRING_EVENT_LOCK_NEW] = lock_event,
	[CHRING_EVENT_LOCK_SET] = lock_event,
	[CHRING_EVENT_LOCK_DEL] = lock_event,
	[CHRING_EVENT_LOCK_OWNER_DIED] = lock_event,
	[CHRING_EVENT_LOCK_BROKEN] = lock_event,
	[CHRING_EVENT_LOCK_CORRUPT] = lock_event,
	[CHRING_EVENT_LOCK_EXPIRED] = lock_event,
};

/* What can be asked for. */
static const struct {
	const char *word;
	unsigned int events;
} groups[] = {
	{ "services", CHRING_EVENTS_SERVICES },
	{ "locks", CHRING_EVENTS_LOCKS },
	{ }
};

/* The events that the words ask for; without a word, all. */
static enum status next_events(struct args *args, unsigned int *events)
{
	const char *word;
	size_t i;

	*events = 0;
	for (i = 0; !args->left && groups[i].word; i++)
		*events |= groups[i].events;
	while (args->left) {
		next_word(args, "what to monitor", &word);
		for (i = 0; groups[i].word; i++)
			if (!strcmp(word, groups[i].word))
				break;
		if (!groups[i].word)
			return mistake("'%s' cannot be monitored", word);
		*events |= groups[i].events;
	}
	return STATUS_DONE;
}

/* Nothing is lost: each event was written out when it came. */
static void end(int signal)
{
	(void)signal;
	_exit(STATUS_DONE);
}

static void end_on_signals(void)
{
	struct sigaction action = { .sa_handler = end };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	/* That nobody reads any more is seen where it is written. */
	signal(SIGPIPE, SIG_IGN);
}

static void print_event(const struct chring_event *event)
{
	output_object_begin();
	output_word(OUTPUT_BOTH, "event", chring_event_name(event->type));
	print_values[event->type](event);
	output_object_end();
}

/* In the place where they would have been. */
static void print_loss(void)
{
	output_object_begin();
	output_word(OUTPUT_BOTH, "event", "lost");
	output_object_end();
}

/* All that are there now. */
static int print_events(struct chring *chring)
{
	struct chring_event event;
	int ret = 0;

	while (!ret && !ferror(stdout)) {
		ret = chring_event_next(chring, &event);
		if (!ret) {
			print_event(&event);
		} else if (ret == -ENOBUFS) {
			print_loss();
			ret = 0;
		}
	}
	return ret == -EAGAIN ? 0 : ret;
}

static enum status follow(struct chring *chring)
{
	struct pollfd polls[] = {
		{ .fd = chring_event_fd(chring), .events = POLLIN },
		/* For POLLERR: whoever read it is gone. */
		{ .fd = STDOUT_FILENO },
	};
	int ret;

	output_as_stream();
	for (;;) {
		if (poll(polls, 2, -1) < 0 && errno != EINTR)
			return failure("cannot wait: %s", strerror(errno));
		if (polls[0].revents) {
			ret = print_events(chring);
			if (ret < 0)
				return outcome(chring, ret);
		}
		if (ferror(stdout) && errno != EPIPE)
			return STATUS_DONE;	/* main() says what is wrong */
		if (ferror(stdout) || polls[1].revents)
			exit(STATUS_DONE);
	}
}

enum status monitor(struct chring *chring, struct args *args)
{
	unsigned int events;
	enum status status;
	int ret;

	status = next_events(args, &events);
	if (status)
		return status;

	end_on_signals();
	ret = chring_open(chring);
	if (!ret)
		ret = chring_subscribe(chring, events);
	if (ret < 0)
		return outcome(chring, ret);
	return follow(chring);
}
