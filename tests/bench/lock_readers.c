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

static void hold_to_read(const struct subject *subject, unsigned long loops)
{
	check_unwritten(subject);
	work(loops);
	check_unwritten(subject);
}

static void hold_to_write(const struct subject *subject, unsigned long loops)
{
	shared->counter++;
	work(loops);
	shared->finished++;
}

/* The first one writes. */
static void contend(const struct subject *subject, int number,
		    const struct setting *setting)
{
	if (number)
		take_turns(subject, number, setting, subject->lock,
			   hold_to_read);
	else
		take_turns(subject, number, setting, subject->lock_alone,
			   hold_to_write);
}

void readers(const struct subject *subject, const struct setting *setting)
{
	long long took = contention_round(subject, setting, contend);
	const struct process *writer = &shared->processes[0];
	struct turns reads = turns_from(1, setting);

	sample("reads", subject, setting, reads.ops * 1e9 / took, "ops/s");
	sample("reader_max_wait", subject, setting,
	       reads.longest_wait / ticks_per_ns, "ns");
	sample("writes", subject, setting, writer->ops * 1e9 / took, "ops/s");
	sample("writer_max_wait", subject, setting,
	       writer->longest_wait / ticks_per_ns, "ns");
}
