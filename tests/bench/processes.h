/* SPDX-License-Identifier: GPL-2.0 */
/* Processes that measure something together. */
#ifndef BENCH_PROCESSES_H
#define BENCH_PROCESSES_H

#include <stdbool.h>
#include <sys/types.h>

/**
 * struct gate - what processes wait at before a measurement
 * @here: each tells that it is there
 * @go: and finds the end of this pipe when all may go
 */
struct gate {
	int here[2];
	int go[2];
};

/* CLOCK_MONOTONIC, in nanoseconds. */
long long now(void);
void sleep_ns(long long ns);

/*
 * Forks: in the child returns 0, on that many processors, to end with its
 * parent.
 */
pid_t spawn(int cpus);
void reap(pid_t pid);
/* So many, in whatever order they end: one that fails may leave others stuck. */
void reap_any(int count);
/* Does a process wait for something? */
bool asleep(pid_t pid);

/* A byte through a pipe. */
void make_pipe(int *ends);
void tell(int pipe);
void await(int pipe);

void gate_make(struct gate *gate);
/* By each process: returns once the gate is open. */
void gate_pass(struct gate *gate);
/* By their parent: returns once so many are there. */
void gate_gather(struct gate *gate, int count);
void gate_open(struct gate *gate);

#endif /* BENCH_PROCESSES_H */
