// SPDX-License-Identifier: GPL-2.0
/*
 * Those who share a lock, and one who wants it alone: what each side gets done,
 * and for how long it waits.
 */
#include <err.h>
#include <unistd.h>

#include "lock_bench.h"

/* As long as nobody writes both are the same. */
static void check_unwritten(const struct subject *subject)
{
	if (shared->counter != shared->finished)
		errx(1, "%s is shared while somebody has it alone",
		     subject->name);
}

static void read_on(const struct subject *subject, struct process *process,
		    unsigned long cs, unsigned long think)
{
	uint64_t begin;
	uint64_t end;

	for (;;) {
		begin = ticks();
		subject->lock();
		end = ticks();
		if (round_is_over())
			break;
		check_unwritten(subject);
		work(cs);
		check_unwritten(subject);
		subject->unlock();
		note_wait(process, begin, end);
		process->ops++;
		work(think);
	}
	subject->unlock();
	note_wait(process, begin, end);
}

static void write_on(const struct subject *subject, struct process *process,
		     unsigned long cs, unsigned long think)
{
	uint64_t begin;
	uint64_t end;

	for (;;) {
		begin = ticks();
		subject->lock_alone();
		end = ticks();
		if (round_is_over())
			break;
		shared->counter++;
		work(cs);
		shared->finished++;
		subject->unlock();
		note_wait(process, begin, end);
		process->ops++;
		work(think);
	}
	subject->unlock();
	note_wait(process, begin, end);
}

/* The first one writes. */
static void contend(const struct subject *subject, int number,
		    const struct setting *setting)
{
	struct process *process = &shared->processes[number];
	unsigned long think = setting->think_ns * loops_per_ns;
	unsigned long cs = setting->cs_ns * loops_per_ns;

	if (number)
		read_on(subject, process, cs, think);
	else
		write_on(subject, process, cs, think);
}

void readers(const struct subject *subject, const struct setting *setting)
{
	long long took = contention_round(subject, setting, contend);
	const struct process *writer = &shared->processes[0];
	uint64_t longest_wait = 0;
	unsigned long all = 0;
	int i;

	for (i = 1; i < setting->procs; i++) {
		all += shared->processes[i].ops;
		if (shared->processes[i].longest_wait > longest_wait)
			longest_wait = shared->processes[i].longest_wait;
	}
	sample("reads", subject, setting, all * 1e9 / took, "ops/s");
	sample("reader_max_wait", subject, setting,
	       longest_wait / ticks_per_ns, "ns");
	sample("writes", subject, setting, writer->ops * 1e9 / took, "ops/s");
	sample("writer_max_wait", subject, setting,
	       writer->longest_wait / ticks_per_ns, "ns");
}
