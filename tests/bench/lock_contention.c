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

long long contention_round(const struct subject *subject,
			   const struct setting *setting, contend_fn *contend)
{
	long long begin;
	long long took;
	struct gate gate;
	int i;

	memset(shared->processes, 0, sizeof(shared->processes));
	shared->counter = 0;
	shared->finished = 0;
	atomic_store(&shared->inside, 0);
	atomic_store(&shared->stop, false);
	subject->create();
	gate_make(&gate);
	for (i = 0; i < setting->procs; i++) {
		if (!spawn(setting->cpus)) {
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
	reap_any(setting->procs);
	subject->destroy();
	return took;
}

/* Who gets its turn only because the others stop has waited at least until then. */
void note_wait(struct process *process, uint64_t begin, uint64_t end)
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
		if (!subject->slots)
			shared->counter++;
		else if (atomic_fetch_add(&shared->inside, 1) >= subject->slots)
			errx(1, "%s has too many holders", subject->name);
		work(cs);
		if (subject->slots)
			atomic_fetch_sub(&shared->inside, 1);
		subject->unlock();
		note_wait(process, begin, end);
		process->ops++;
		work(think);
	}
	subject->unlock();
	note_wait(process, begin, end);
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

/* What is sampled of a round, under the names that these have. */
struct names {
	const char *throughput;
	const char *fairness;
	const char *max_wait;
};

static void measure_round(const struct subject *subject,
			  const struct setting *setting,
			  const struct names *names)
{
	long long took = contention_round(subject, setting, contend);
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
	if (!subject->slots && all != shared->counter)
		errx(1, "%s does not exclude: %lu operations, but %lu counted",
		     subject->name, all, shared->counter);
	sample(names->throughput, subject, setting, all * 1e9 / took, "ops/s");
	if (this_round == rounds - 1)
		sample(names->fairness, subject, setting,
		       fairness_of(operations, setting->procs), "min/max");
	sample(names->max_wait, subject, setting, longest_wait / ticks_per_ns,
	       "ns");
}

void contention(const struct subject *subject, const struct setting *setting)
{
	static const struct names names = {
		"throughput", "fairness", "max_wait"
	};

	measure_round(subject, setting, &names);
}

void slots(const struct subject *subject, const struct setting *setting)
{
	static const struct names names = {
		"slots_throughput", "slots_fairness", "slots_max_wait"
	};

	measure_round(subject, setting, &names);
}
