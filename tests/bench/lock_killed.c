// SPDX-License-Identifier: GPL-2.0
/*
 * One of several holders of a lock is killed: can the others have what it had?
 */
#include <err.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lock_bench.h"

/* How far one has come who wants the lock */
enum { BEGUN, WANTS, HAS };

static pid_t start(const struct subject *subject, void (*lock)(void),
		   int number, const struct setting *setting)
{
	atomic_int *progress = &shared->progress[number];
	pid_t pid;

	atomic_store(progress, BEGUN);
	pid = spawn(setting->cpus);
	if (pid)
		return pid;
	if (subject->open)
		subject->open();
	atomic_store(progress, WANTS);
	lock();
	atomic_store(progress, HAS);
	for (;;)
		pause();
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	if (waitpid(pid, NULL, 0) != pid)
		err(1, "waitpid");
}

/* Returns whether it has the lock, once it does, or sleeps for it. */
static bool has_it(pid_t pid, int number)
{
	atomic_int *progress = &shared->progress[number];

	while (atomic_load(progress) != HAS) {
		/* Between these two it was nowhere but in lock() */
		if (atomic_load(progress) == WANTS && asleep(pid) &&
		    atomic_load(progress) == WANTS)
			return false;
		sleep_ns(1000000);
	}
	return true;
}

void killed(const struct subject *subject, const struct setting *setting)
{
	void (*lock)(void) = subject->lock_alone ?: subject->lock;
	pid_t pids[PROCESSES];
	pid_t holder;
	int have = 0;
	int i;

	subject->create();
	holder = start(subject, subject->lock, 0, setting);
	if (!has_it(holder, 0))
		errx(1, "%s is nobody's, and yet not to be had", subject->name);
	end(holder);
	for (i = 0; i < setting->procs; i++)
		pids[i] = start(subject, lock, i, setting);
	for (i = 0; i < setting->procs; i++)
		have += has_it(pids[i], i);
	for (i = 0; i < setting->procs; i++)
		end(pids[i]);
	subject->destroy();
	if (subject->slots)
		sample("slots_after_kill", subject, setting, have, "slots");
	else
		sample("writers_after_kill", subject, setting, have, "writers");
}
