/* SPDX-License-Identifier: GPL-2.0 */
/* What the parts of tests/bench/lock.c have in common. */
#ifndef BENCH_LOCK_BENCH_H
#define BENCH_LOCK_BENCH_H

#include <stdatomic.h>
#include <stdint.h>

#include "lock_subjects.h"
#include "processes.h"

#define PROCESSES	8	/* the most that contend */

#define CACHE_LINE	64

struct setting {
	int procs;
	int cpus;
	int cs_ns;
	int think_ns;
};

struct process {
	unsigned long ops;
	uint64_t longest_wait;		/* ticks */
	char rest[CACHE_LINE - 16];
};

/**
 * struct shared - what the processes share, but for the lock
 * @processes: what each has done
 * @counter: of operations, under the lock
 * @stop: the round is over
 * @stopped: since these ticks
 * @entered: the waiter is about to lock, so many times
 * @acquired: when it had the lock
 * @value: what a process has found
 */
struct shared {
	struct process processes[PROCESSES];
	volatile unsigned long counter;
	char rest[CACHE_LINE - sizeof(long)];
	atomic_bool stop;
	uint64_t stopped;
	atomic_uint entered;
	long long acquired;
	double value;
};

/* lock.c */
extern struct shared *shared;
extern int rounds;
extern int this_round;
extern double loops_per_ns;
extern double ticks_per_ns;

void sample(const char *bench, const struct subject *subject,
	    const struct setting *setting, double value, const char *unit);

/* Cheaper than now(), which a lock may be cheaper than. */
static inline uint64_t ticks(void)
{
#ifdef __x86_64__
	return __builtin_ia32_rdtsc();
#else
	return now();
#endif
}

static inline void work(unsigned long loops)
{
	while (loops--)
		__asm__ volatile("");
}

/* lock_contention.c */
void contention(const struct subject *subject, const struct setting *setting);

#endif /* BENCH_LOCK_BENCH_H */
