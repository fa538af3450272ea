// SPDX-License-Identifier: GPL-2.0
/*
 * Locks between processes: what they cost alone, how they share under
 * contention, how fast they change hands, what they take when idle; and those
 * that several hold at once.
 *
 * usage: lock [-b BENCH,...] [-p PROCESSES] [-r ROUNDS] [-s SUBJECT,...] FILE
 *
 * Appends samples to FILE, an object of JSON to each line. The subjects take
 * turns, for ROUNDS rounds, so that what else goes on in the machine meets them
 * alike. See tests/bench/lock, which runs it and makes sense of the samples.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lock_bench.h"

#define ROUNDS		6
#define BATCH_NS	500000		/* at least, of uncontended pairs */
#define BATCHES		101
#define HANDOFFS	50	/* per subject in a round */
#define DEATHS		20
#define IDLE		100000
#define IDLE_PROCESSES	10	/* that they are spread over */
#define READERS		8	/* and one who writes */
#define SLOT_USERS	8

static const struct subject *const subjects[] = {
	&chring_fast_subject,
	&chring_lazy_lease_subject,
	&chring_adaptive_subject,
	&chring_fifo_subject,
	&chring_strict_subject,
	&mutex_subject,
	&robust_subject,
	&robust_pi_subject,
	&sem_open_subject,
	&flock_subject,
	&ofd_subject,
	&sysv_subject,
	NULL,
};

static const struct subject *const shared_subjects[] = {
	&chring_shared_subject,
	&rwlock_subject,
	&rwlock_writer_subject,
	&flock_shared_subject,
	NULL,
};

static const struct subject *const slot_subjects[] = {
	&chring_slots_subject,
	&sem_open_slots_subject,
	&sysv_slots_subject,
	NULL,
};

struct shared *shared;
int rounds = ROUNDS;
int this_round;
double loops_per_ns;
double ticks_per_ns;

static const char *bench_list;
static const char *subject_list;
static int only_procs;
static FILE *samples;

/* ---- time */

/* The least of some times, which others on the processor have not met. */
static void calibrate(void)
{
	const unsigned long loops = 1000000;
	long long least = INT64_MAX;
	long long begin;
	long long took;
	uint64_t tick;
	int i;

	for (i = 0; i < 20; i++) {
		begin = now();
		work(loops);
		took = now() - begin;
		if (took < least)
			least = took;
	}
	loops_per_ns = (double)loops / least;

	begin = now();
	tick = ticks();
	sleep_ns(100000000);
	ticks_per_ns = (double)(ticks() - tick) / (now() - begin);
}

/* ---- samples */

void sample(const char *bench, const struct subject *subject,
	    const struct setting *setting, double value, const char *unit)
{
	fprintf(samples, "{\"bench\": \"%s\", \"subject\": \"%s\", ", bench,
		subject->name);
	fprintf(samples, "\"procs\": %d, \"cpus\": %d, ", setting->procs,
		setting->cpus);
	fprintf(samples, "\"cs_ns\": %d, \"think_ns\": %d, ", setting->cs_ns,
		setting->think_ns);
	fprintf(samples, "\"value\": %.6g, \"unit\": \"%s\"}\n", value, unit);
	if (fflush(samples))
		err(1, "samples");
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, size_t count)
{
	qsort(values, count, sizeof(*values), compare);
	return values[count / 2];
}

/* ---- uncontended */

static double batch(const struct subject *subject, unsigned long pairs)
{
	long long begin = now();

	subject->pairs(pairs);
	return now() - begin;
}

static void uncontended(const struct subject *subject,
			const struct setting *setting)
{
	double took[BATCHES];
	unsigned long pairs = 16;
	pid_t pid;
	int i;

	subject->create();
	pid = spawn(setting->cpus);
	if (!pid) {
		if (subject->open)
			subject->open();
		while (batch(subject, pairs) < BATCH_NS)
			pairs *= 2;
		for (i = 0; i < BATCHES; i++)
			took[i] = batch(subject, pairs);
		/* The median leaves out those that the timer's tick met. */
		shared->value = median(took, BATCHES) / pairs;
		_exit(0);
	}
	reap(pid);
	subject->destroy();
	sample("uncontended", subject, setting, shared->value, "ns");
}

/* ---- from one owner to the next */

struct waiter {
	pid_t pid;
	unsigned int turns;
	int turn[2];	/* it is to take the lock once more */
	int done[2];	/* it has, and has given it back */
};

static void waiter_start(struct waiter *waiter, const struct subject *subject,
			 const struct setting *setting)
{
	char byte;

	make_pipe(waiter->turn);
	make_pipe(waiter->done);
	waiter->turns = 0;
	atomic_store(&shared->entered, 0);
	waiter->pid = spawn(setting->cpus);
	if (waiter->pid)
		return;

	close(waiter->turn[1]);
	if (subject->open)
		subject->open();
	while (read(waiter->turn[0], &byte, 1) == 1) {
		atomic_fetch_add(&shared->entered, 1);
		subject->lock();
		shared->acquired = now();
		subject->unlock();
		tell(waiter->done[1]);
	}
	_exit(0);
}

/* Returns when the waiter sleeps for the lock, which somebody holds. */
static void waiter_turn(struct waiter *waiter)
{
	tell(waiter->turn[1]);
	waiter->turns++;
	while (atomic_load(&shared->entered) != waiter->turns ||
	       !asleep(waiter->pid))
		sleep_ns(200000);
}

static void waiter_stop(struct waiter *waiter)
{
	close(waiter->turn[1]);
	reap(waiter->pid);
	close(waiter->turn[0]);
	close(waiter->done[0]);
	close(waiter->done[1]);
}

/* From just before the release to just after the acquisition. */
static void handoff(const struct subject *subject,
		    const struct setting *setting)
{
	double took[HANDOFFS];
	struct waiter waiter;
	long long begin;
	pid_t pid;
	int i;

	subject->create();
	waiter_start(&waiter, subject, setting);
	pid = spawn(setting->cpus);
	if (!pid) {
		if (subject->open)
			subject->open();
		for (i = 0; i < HANDOFFS; i++) {
			subject->lock();
			waiter_turn(&waiter);
			begin = now();
			subject->unlock();
			await(waiter.done[0]);
			took[i] = shared->acquired - begin;
		}
		shared->value = median(took, HANDOFFS);
		_exit(0);
	}
	reap(pid);
	waiter_stop(&waiter);
	subject->destroy();
	sample("handoff", subject, setting, shared->value, "ns");
}

/* From just before kill() of the owner to just after the acquisition. */
static void death(const struct subject *subject, const struct setting *setting)
{
	struct waiter waiter;
	double took[DEATHS];
	long long begin;
	int held[2];
	pid_t pid;
	int i;

	if (!subject->crash_safe)
		return;
	subject->create();
	waiter_start(&waiter, subject, setting);
	make_pipe(held);
	for (i = 0; i < DEATHS; i++) {
		pid = spawn(setting->cpus);
		if (!pid) {
			if (subject->open)
				subject->open();
			subject->lock();
			tell(held[1]);
			for (;;)
				pause();
		}
		await(held[0]);
		waiter_turn(&waiter);
		begin = now();
		kill(pid, SIGKILL);
		await(waiter.done[0]);
		took[i] = shared->acquired - begin;
		waitpid(pid, NULL, 0);
	}
	close(held[0]);
	close(held[1]);
	waiter_stop(&waiter);
	subject->destroy();
	sample("death_to_owner", subject, setting, median(took, DEATHS), "ns");
}

/* ---- memory */

/* Adds up the numbers that follow this word at the beginning of lines. */
static long long sum_of(const char *path, const char *word)
{
	char line[256];
	long long sum = 0;
	char *at;
	FILE *file;

	file = fopen(path, "re");
	if (!file)
		err(1, "%s", path);
	while (fgets(line, sizeof(line), file)) {
		at = line + strspn(line, " ");
		if (!strncmp(at, word, strlen(word)))
			sum += atoll(at + strlen(word));
	}
	fclose(file);
	return sum;
}

/* What is in use once caches are dropped, pages kept by processors aside. */
static double memory_in_use(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "3", 1) != 1)
		err(1, "drop_caches");
	close(fd);
	sleep_ns(500000000);
	return 1024.0 * (sum_of("/proc/meminfo", "MemTotal:") -
			 sum_of("/proc/meminfo", "MemFree:")) -
	       sysconf(_SC_PAGESIZE) * sum_of("/proc/zoneinfo", "count:");
}

static void memory(const struct subject *subject, const struct setting *setting)
{
	const unsigned int share = IDLE / IDLE_PROCESSES;
	struct gate made;
	struct gate begin;
	pid_t pids[IDLE_PROCESSES];
	double before;
	double after;
	int i;

	if (!subject->idle)
		return;
	gate_make(&begin);
	gate_make(&made);
	for (i = 0; i < IDLE_PROCESSES; i++) {
		pids[i] = spawn(setting->cpus);
		if (!pids[i]) {
			gate_pass(&begin);
			subject->idle(i * share, share);
			gate_pass(&made);
			if (subject->forget)
				subject->forget(i * share, share);
			_exit(0);
		}
	}
	gate_gather(&begin, IDLE_PROCESSES);
	before = memory_in_use();
	gate_open(&begin);
	gate_gather(&made, IDLE_PROCESSES);
	after = memory_in_use();
	gate_open(&made);
	for (i = 0; i < IDLE_PROCESSES; i++)
		reap(pids[i]);
	sample("memory", subject, setting, (after - before) / IDLE, "bytes");
}

/* ---- all of them */

static bool listed(const char *list, const char *word)
{
	size_t length = strlen(word);
	const char *at;

	if (!list)
		return true;
	for (at = list; (at = strstr(at, word)); at++) {
		if ((at == list || at[-1] == ',') &&
		    (!at[length] || at[length] == ','))
			return true;
	}
	return false;
}

typedef void bench_fn(const struct subject *subject,
		      const struct setting *setting);

static void measure(bench_fn *bench, const struct subject *const *group,
		    const struct setting *setting)
{
	const struct subject *const *subject;

	if (only_procs && setting->procs != only_procs)
		return;
	for (this_round = 0; this_round < rounds; this_round++) {
		for (subject = group; *subject; subject++) {
			if (!listed(subject_list, (*subject)->name))
				continue;
			if ((*subject)->uncontended_only &&
			    bench != uncontended && bench != memory)
				continue;
			bench(*subject, setting);
		}
	}
}

static void measure_once(bench_fn *bench, const struct subject *const *group,
			 const struct setting *setting)
{
	int all_rounds = rounds;

	rounds = 1;
	measure(bench, group, setting);
	rounds = all_rounds;
}

static void measure_contention(int cpus)
{
	static const int procs[] = { 2, 8 };
	struct setting setting = { .cpus = cpus };
	int i;

	for (i = 0; i < 8; i++) {
		setting.procs = procs[i & 1];
		setting.cs_ns = i & 2 ? 200 : 0;
		setting.think_ns = i & 4 ? 1000 : 0;
		measure(contention, subjects, &setting);
	}
}

/* Of one owner each. */
static void measure_alone(int processors)
{
	struct setting setting = { .procs = 1, .cpus = 1 };

	if (listed(bench_list, "uncontended"))
		measure(uncontended, subjects, &setting);
	setting.procs = IDLE_PROCESSES;
	setting.cpus = processors;
	if (listed(bench_list, "memory"))
		measure_once(memory, subjects, &setting);
	setting.procs = 2;
	for (setting.cpus = 1; setting.cpus <= processors; setting.cpus++) {
		if (listed(bench_list, "handoff"))
			measure(handoff, subjects, &setting);
		if (listed(bench_list, "death_to_owner"))
			measure(death, subjects, &setting);
		if (listed(bench_list, "contention"))
			measure_contention(setting.cpus);
	}
}

/* Of several holders; @bench has so many processes, which come back or do not. */
static void measure_several(const struct subject *const *group,
			    const char *name, bench_fn *bench, int procs,
			    int killed_procs, int processors)
{
	struct setting setting = { .procs = 1, .cpus = 1 };

	if (listed(bench_list, "uncontended"))
		measure(uncontended, group, &setting);
	setting.cpus = processors;
	setting.procs = killed_procs;
	if (listed(bench_list, "killed"))
		measure_once(killed, group, &setting);
	if (!listed(bench_list, name))
		return;
	setting.procs = procs;
	setting.cs_ns = 1000;
	measure(bench, group, &setting);
	setting.think_ns = 100000;
	measure(bench, group, &setting);
}

static void parse(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "b:p:r:s:")) >= 0) {
		if (option == 'b')
			bench_list = optarg;
		else if (option == 'p')
			only_procs = atoi(optarg);
		else if (option == 'r')
			rounds = atoi(optarg);
		else if (option == 's')
			subject_list = optarg;
		else
			exit(1);
	}
	if (optind != argc - 1 || rounds < 1)
		errx(1, "the arguments are wrong");
	samples = fopen(argv[optind], "ae");
	if (!samples)
		err(1, "%s", argv[optind]);
}

int main(int argc, char **argv)
{
	struct rlimit files = { IDLE, IDLE };
	long processors = sysconf(_SC_NPROCESSORS_ONLN);

	parse(argc, argv);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		err(1, "mmap");
	if (listed(bench_list, "memory") && setrlimit(RLIMIT_NOFILE, &files))
		err(1, "RLIMIT_NOFILE");
	calibrate();
	if (processors > 2)
		processors = 2;
	measure_alone(processors);
	measure_several(shared_subjects, "readers", readers, READERS + 1, 1,
			processors);
	/* One more than there are slots is not to have one. */
	measure_several(slot_subjects, "slots", contention, SLOT_USERS,
			SLOTS + 1, processors);
	return 0;
}
