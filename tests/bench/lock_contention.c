// SPDX-License-Identifier: GPL-2.0
/*
 * Processes that want a lock all the time: what they get done together, how it
 * is shared out among them, and who waits for how long.
 */
#include <err.h>
#include <string.h>
#include <unistd.h>

#include "lock_bench.h"

#define CONTENTION_NS	3000000000LL	/* per subject, over all rounds */

static inline bool round_is_over(void)
{
	/* Pairs with the store: @stopped is there */
	return atomic_load_explicit(&shared->stop, memory_order_acquire);
}

/* Who gets its turn only because the others stop has waited at least until then. */
static void note_wait(struct process *process, uint64_t begin, uint64_t end)
{
	if (round_is_over() && end > shared->stopped)
		end = shared->stopped;
	if (end > begin && end - begin > process->longest_wait)
		process->longest_wait = end - begin;
}

static void contend(const struct subject *subject, int number,
		    const struct setting *setting)
{
	struct process *process = &shared->processes[number];
	unsigned long think = setting->think_ns * loops_per_ns;
	unsigned long cs = setting->cs_ns * loops_per_ns;
	uint64_t begin;
	uint64_t end;

	for (;;) {
		begin = ticks();
		subject->lock();
		end = ticks();
		if (round_is_over())
			break;
		shared->counter++;
		work(cs);
		subject->unlock();
		note_wait(process, begin, end);
		process->ops++;
		work(think);
	}
	subject->unlock();
	note_wait(process, begin, end);
}

/* One round of one subject; returns how long it took. */
static long long contention_round(const struct subject *subject,
				  const struct setting *setting)
{
	pid_t pids[PROCESSES];
	long long begin;
	long long took;
	struct gate gate;
	int i;

	memset(shared->processes, 0, sizeof(shared->processes));
	shared->counter = 0;
	atomic_store(&shared->stop, false);
	subject->create();
	gate_make(&gate);
	for (i = 0; i < setting->procs; i++) {
		pids[i] = spawn(setting->cpus);
		if (!pids[i]) {
			if (subject->open)
				subject->open();
			gate_pass(&gate);
			contend(subject, i, setting);
			_exit(0);
		}
	}
	gate_gather(&gate, setting->procs);
	begin = now();
	gate_open(&gate);
	sleep_ns(CONTENTION_NS / rounds);
	shared->stopped = ticks();
	atomic_store(&shared->stop, true);
	took = now() - begin;
	for (i = 0; i < setting->procs; i++)
		reap(pids[i]);
	subject->destroy();
	return took;
}

/* What each process of a subject has done in the rounds of a setting so far. */
static const unsigned long *operations_of(const struct subject *subject,
					  const struct setting *setting)
{
	static struct {
		const struct subject *subject;
		unsigned long ops[PROCESSES];
	} done[32];
	int i = 0;
	int j;

	while (done[i].subject && done[i].subject != subject)
		i++;
	done[i].subject = subject;
	if (!this_round)
		memset(done[i].ops, 0, sizeof(done[i].ops));
	for (j = 0; j < setting->procs; j++)
		done[i].ops[j] += shared->processes[j].ops;
	return done[i].ops;
}

static double fairness_of(const unsigned long *operations, int procs)
{
	unsigned long least = -1UL;
	unsigned long most = 0;
	int i;

	for (i = 0; i < procs; i++) {
		if (operations[i] < least)
			least = operations[i];
		if (operations[i] > most)
			most = operations[i];
	}
	return most ? (double)least / most : 0;
}

void contention(const struct subject *subject, const struct setting *setting)
{
	long long took = contention_round(subject, setting);
	const unsigned long *operations = operations_of(subject, setting);
	uint64_t longest_wait = 0;
	unsigned long all = 0;
	int i;

	for (i = 0; i < setting->procs; i++) {
		struct process *process = &shared->processes[i];

		all += process->ops;
		if (process->longest_wait > longest_wait)
			longest_wait = process->longest_wait;
	}
	if (all != shared->counter)
		errx(1, "%s does not exclude: %lu operations, but %lu counted",
		     subject->name, all, shared->counter);
	sample("throughput", subject, setting, all * 1e9 / took, "ops/s");
	if (this_round == rounds - 1)
		sample("fairness", subject, setting,
		       fairness_of(operations, setting->procs), "min/max");
	sample("max_wait", subject, setting, longest_wait / ticks_per_ns, "ns");
}
