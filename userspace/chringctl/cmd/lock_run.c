// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "chringctl.h"

#define NSEC_PER_SEC UINT64_C(1000000000)

/* What is to be done under which lock. */
struct job {
	const char *name;
	char **words;
	bool is_shared;
	uint32_t slots;		/* of the lock, where it is made; or 0 */
	bool has_timeout;
	uint64_t timeout;	/* ns */
	uint32_t ttl;		/* ms, or 0 */
	int loss_signal;	/* 0 where the loss of the lock is ignored */
	struct chring_lock *lock;
};

static enum status parse_loss(struct args *args, struct job *job)
{
	enum status status;
	const char *word;

	status = next_word(args, "on-loss", &word);
	if (status)
		return status;
	if (!strcmp(word, "term"))
		job->loss_signal = SIGTERM;
	else if (!strcmp(word, "kill"))
		job->loss_signal = SIGKILL;
	else if (!strcmp(word, "ignore"))
		job->loss_signal = 0;
	else
		return mistake("on-loss must be term, kill or ignore, not '%s'",
			       word);
	return STATUS_DONE;
}

static enum status parse_job(struct args *args, struct job *job)
{
	enum status status;

	job->loss_signal = SIGTERM;
	status = next_word(args, "NAME", &job->name);
	while (!status && !take_word(args, "--")) {
		if (take_word(args, "shared")) {
			job->is_shared = true;
		} else if (take_word(args, "slots")) {
			status = next_number(args, "slots", 1,
					     CHRING_LOCK_SLOTS_MAX,
					     &job->slots);
		} else if (take_word(args, "timeout")) {
			status = next_duration(args, "timeout", &job->timeout);
			job->has_timeout = true;
		} else if (take_word(args, "ttl")) {
			status = next_ttl(args, &job->ttl);
		} else if (take_word(args, "on-loss")) {
			status = parse_loss(args, job);
		} else {
			status = no_such_option(args);
		}
	}
	if (!status && job->is_shared && job->slots)
		status = mistake("a lock with slots cannot be shared besides");
	return status ? status : take_command(args, &job->words);
}

static int acquire(struct job *job)
{
	unsigned int flags = job->is_shared ? CHRING_LOCK_SHARED : 0;
	struct timespec deadline;

	if (!job->has_timeout)
		return chring_lock_acquire_leased(job->lock, job->ttl, flags,
						  NULL);
	if (!job->timeout && !job->ttl)
		return job->is_shared ? chring_lock_try_shared(job->lock) :
					chring_lock_try(job->lock);
	clock_gettime(CLOCK_MONOTONIC, &deadline);
	job->timeout += deadline.tv_nsec;
	deadline.tv_sec += job->timeout / NSEC_PER_SEC;
	deadline.tv_nsec = job->timeout % NSEC_PER_SEC;
	return chring_lock_acquire_leased(job->lock, job->ttl, flags,
					  &deadline);
}

static enum status fail(const struct job *job, const char *what, int err)
{
	/* It is not about this lock. */
	if (err == -ENODEV)
		return failure("%s", chring_lock_strerror(err));
	return failure("cannot %s lock '%s': %s", what, job->name,
		       chring_lock_strerror(err));
}

static enum status tell_busy(struct chring *chring, const struct job *job)
{
	struct chring_lock_status lock;
	char holder[64] = "a process that is not seen from here";
	char others[32] = "";

	if (chring_open(chring) || chring_lock_get(chring, job->name, &lock) ||
	    !lock.held) {
		failure("lock '%s' was busy", job->name);
		return STATUS_CONDITION;
	}
	if (lock.pid)
		snprintf(holder, sizeof(holder), "pid %d (%s)", lock.pid,
			 lock.command);
	if (lock.holders > 1)
		snprintf(others, sizeof(others), " and %u more",
			 lock.holders - 1);
	failure("lock '%s' is held by %s%s for %ju s, token %ju, %u waiting",
		job->name, holder, others, (uintmax_t)(lock.held_ns / NSEC_PER_SEC),
		(uintmax_t)lock.token, lock.waiters);
	return STATUS_CONDITION;
}

static void set_token(const char *variable, uint64_t token)
{
	char text[32];

	snprintf(text, sizeof(text), "%ju", (uintmax_t)token);
	setenv(variable, text, 1);
}

/* What the command finds in its environment. */
static void export(const struct job *job, int news)
{
	static const struct {
		int news;
		const char *variable;
	} told[] = {
		{ CHRING_NEWS_OWNER_DIED,	"CHRING_OWNER_DIED" },
		{ CHRING_NEWS_BROKEN,		"CHRING_BROKEN" },
		{ CHRING_NEWS_CORRUPT,		"CHRING_CORRUPT" },
		{ CHRING_NEWS_EXPIRED,		"CHRING_EXPIRED" },
		{ }
	};
	size_t i;

	setenv("CHRING_LOCK", job->name, 1);
	set_token("CHRING_TOKEN", chring_lock_token(job->lock));
	for (i = 0; told[i].news; i++) {
		/* Not what an outer lock run was told. */
		unsetenv(told[i].variable);
		if (news & told[i].news)
			set_token(told[i].variable,
				  chring_lock_dead_token(job->lock));
	}
}

static void lose(struct program *program)
{
	const struct job *job = program->data;

	failure("lock '%s' was taken away%s", job->name,
		job->loss_signal == SIGTERM ? ": terminating the command" :
		job->loss_signal == SIGKILL ? ": killing the command" : "");
	if (job->loss_signal)
		kill(program->pid, job->loss_signal);
}

static enum status run(struct job *job)
{
	struct program program = {
		.words		= job->words,
		.death_signal	= job->loss_signal,
		.watched	= chring_lock_fd(job->lock),
		.on_event	= lose,
		.data		= job,
	};
	enum status status;

	status = program_run(&program);
	/* What was half done is put right, where the command says it is done */
	if (status == STATUS_PASSED)
		chring_lock_consistent(job->lock);
	return status;
}

/* The kernel hears of a holder, and since when it is one, when it is asked. */
static void make_known(struct chring *chring, const struct job *job)
{
	struct chring_lock_status lock;

	if (!chring_open(chring))
		chring_lock_get(chring, job->name, &lock);
}

/* Others are to see whose job it is, not that it has been started by us. */
static void take_name(const char *command)
{
	const char *slash = strrchr(command, '/');

	prctl(PR_SET_NAME, slash ? slash + 1 : command);
}

/* What is to be let go when a signal ends chringctl. */
static const struct chring_lock *lock_in_use;

/* To be ended before the command runs is no death with the lock. */
static void end(int signal)
{
	chring_lock_shutdown(lock_in_use);
	raise(signal);
}

enum status lock_run(struct chring *chring, struct args *args)
{
	struct job job = { 0 };
	enum status status;
	int ret;

	status = parse_job(args, &job);
	if (status)
		return status;

	take_name(job.words[0]);
	ret = chring_lock_open_slots(&job.lock, job.name, job.slots,
				     CHRING_LOCK_CREATE, 0);
	if (ret < 0)
		return fail(&job, "open", ret);
	lock_in_use = job.lock;
	program_end_by(end);

	ret = acquire(&job);
	if (ret == -EBUSY || ret == -ETIMEDOUT) {
		status = tell_busy(chring, &job);
	} else if (ret < 0) {
		status = fail(&job, "acquire", ret);
	} else {
		make_known(chring, &job);
		export(&job, ret);
		status = run(&job);
	}
	chring_lock_close(job.lock);
	return status;
}
