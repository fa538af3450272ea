/* SPDX-License-Identifier: GPL-2.0 */
/* What tests/bench/lock.c measures: locks between processes, used alike. */
#ifndef BENCH_LOCK_SUBJECTS_H
#define BENCH_LOCK_SUBJECTS_H

#include <stdbool.h>

#define SLOTS	3	/* of those that have slots */

/**
 * struct subject - a kind of lock
 * @name: as in the results
 * @crash_safe: goes on to the next owner when its owner is killed
 * @uncontended_only: another name of a subject, for what costs it nothing else
 * @create: makes the one lock, before the processes that use it are forked
 * @open: a process's way to it, after the fork; NULL if it needs none
 * @lock: takes it, however long that takes
 * @unlock: gives it back
 * @lock_alone: takes it from those whom @lock has share it; NULL where it does
 *	not. @unlock gives it back.
 * @slots: so many have it at once; 0 for one, or for any number who share it
 * @pairs: does @lock and @unlock, so many times, without a call through a
 *	pointer
 * @destroy: removes what @create made
 * @idle: makes so many locks, numbered from @first, and leaves them idle until
 *	the process ends; NULL if that shows nothing that others do not
 * @forget: removes what @idle made; NULL if that goes with the process
 */
struct subject {
	const char *name;
	bool crash_safe;
	bool uncontended_only;
	void (*create)(void);
	void (*open)(void);
	void (*lock)(void);
	void (*unlock)(void);
	void (*lock_alone)(void);
	int slots;
	void (*pairs)(unsigned long count);
	void (*destroy)(void);
	void (*idle)(unsigned int first, unsigned int count);
	void (*forget)(unsigned int first, unsigned int count);
};

/* Defines @pairs of a subject whose functions begin with @prefix. */
#define DEFINE_PAIRS(prefix)						\
static void prefix##_pairs(unsigned long count)				\
{									\
	while (count--) {						\
		prefix##_lock();					\
		prefix##_unlock();					\
	}								\
}

/* lock_chring.c */
extern const struct subject chring_fast_subject;
extern const struct subject chring_lazy_lease_subject;
extern const struct subject chring_adaptive_subject;
extern const struct subject chring_fifo_subject;
extern const struct subject chring_strict_subject;
extern const struct subject chring_shared_subject;
extern const struct subject chring_slots_subject;

/* lock_peers.c */
extern const struct subject mutex_subject;
extern const struct subject robust_subject;
extern const struct subject robust_pi_subject;
extern const struct subject sem_open_subject;
extern const struct subject flock_subject;
extern const struct subject ofd_subject;
extern const struct subject sysv_subject;
extern const struct subject rwlock_subject;
extern const struct subject rwlock_writer_subject;
extern const struct subject flock_shared_subject;
extern const struct subject sem_open_slots_subject;
extern const struct subject sysv_slots_subject;

#endif /* BENCH_LOCK_SUBJECTS_H */
