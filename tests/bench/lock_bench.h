/* SPDX-License-Identifier: GPL-2.0 */
/* What the parts of tests/bench/lock.c have in common. */
#ifndef BENCH_LOCK_BENCH_H
#define BENCH_LOCK_BENCH_H

#include <stdatomic.h>
#include <stdint.h>

#include "lock_subjects.h"
#include "processes.h"

#define PROCESSES	9	/* the most that contend */

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
 * @finished: of those of them that are over; each holder changes both
 * @inside: how many hold the lock, where several may
 * @stop: the round is over
 * @stopped: since these ticks
 * @entered: the waiter is about to lock, so many times
 * @acquired: when it had the lock
 * @value: what a process has found
 * @progress: how far each has come, see lock_killed.c
 */
struct shared {
	struct process processes[PROCESSES];
	volatile unsigned long counter;
	volatile unsigned long finished;
	atomic_int inside;
	char rest[CACHE_LINE - 2 * sizeof(long) - sizeof(int)];
	atomic_bool stop;
	uint64_t stopped;
	atomic_uint entered;
	long long acquired;
	double value;
	atomic_int progress[PROCESSES];
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

typedef void contend_fn(const struct subject *subject, int number,
			const struct setting *setting);

/*
 * One round of one subject: processes, by number, do @contend until it is over.
 * Returns how long it took, in ns.
 */
long long contention_round(const struct subject *subject,
			   const struct setting *setting, contend_fn *contend);

static inline bool round_is_over(void)
{
	/* Pairs with the store: @stopped is there */
	return atomic_load_explicit(&shared->stop, memory_order_acquire);
}

void note_wait(struct process *process, uint64_t begin, uint64_t end);

/* What a holder does with the lock */
typedef void hold_fn(const struct subject *subject, unsigned long loops);

/*
 * For @contend: locks, holds, unlocks, does without for a while, and again, until
 * the round is over. In line, as are @lock and @hold where the caller knows them.
 */
static inline __attribute__((always_inline)) void
take_turns(const struct subject *subject, int number,
	   const struct setting *setting, void (*lock)(void), hold_fn *hold)
{
	struct process *process = &shared->processes[number];
	unsigned long think = setting->think_ns * loops_per_ns;
	unsigned long cs = setting->cs_ns * loops_per_ns;
	uint64_t begin;
	uint64_t end;

	for (;;) {
		begin = ticks();
		lock();
		end = ticks();
		if (round_is_over())
			break;
		hold(subject, cs);
		subject->unlock();
		note_wait(process, begin, end);
		process->ops++;
		work(think);
	}
	subject->unlock();
	note_wait(process, begin, end);
}

/* What all processes from one on have done, and the longest that any waited. */
struct turns {
	unsigned long ops;
	uint64_t longest_wait;		/* ticks */
};

struct turns turns_from(int first, const struct setting *setting);

void contention(const struct subject *subject, const struct setting *setting);

/* lock_readers.c */
void readers(const struct subject *subject, const struct setting *setting);

/* lock_killed.c */
void killed(const struct subject *subject, const struct setting *setting);

#endif /* BENCH_LOCK_BENCH_H */
