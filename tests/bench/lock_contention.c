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

struct turns turns_from(int first, const struct setting *setting)
{
	struct turns turns = { 0 };
	int i;

	for (i = first; i < setting->procs; i++) {
		const struct process *process = &shared->processes[i];

		turns.ops += process->ops;
		if (process->longest_wait > turns.longest_wait)
			turns.longest_wait = process->longest_wait;
	}
	return turns;
}

static void hold(const struct subject *subject, unsigned long loops)
{
	if (!subject->slots)
		shared->counter++;
	else if (atomic_fetch_add(&shared->inside, 1) >= subject->slots)
		errx(1, "%s has too many holders", subject->name);
	work(loops);
	if (subject->slots)
		atomic_fetch_sub(&shared->inside, 1);
}

static void contend(const struct subject *subject, int number,
		    const struct setting *setting)
{
	take_turns(subject, number, setting, subject->lock, hold);
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
	/* Without slots, and with them */
	static const struct {
		const char *throughput;
		const char *fairness;
		const char *max_wait;
	} names[] = {
		{ "throughput", "fairness", "max_wait" },
		{ "slots_throughput", "slots_fairness", "slots_max_wait" },
	}, *name;
	long long took = contention_round(subject, setting, contend);
	const unsigned long *operations = operations_of(subject, setting);
	struct turns turns = turns_from(0, setting);

	if (!subject->slots && turns.ops != shared->counter)
		errx(1, "%s does not exclude: %lu operations, but %lu counted",
		     subject->name, turns.ops, shared->counter);
	name = &names[subject->slots > 0];
	sample(name->throughput, subject, setting, turns.ops * 1e9 / took,
	       "ops/s");
	if (this_round == rounds - 1)
		sample(name->fairness, subject, setting,
		       fairness_of(operations, setting->procs), "min/max");
	sample(name->max_wait, subject, setting,
	       turns.longest_wait / ticks_per_ns, "ns");
}
