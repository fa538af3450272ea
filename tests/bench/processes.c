// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "processes.h"

long long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

void sleep_ns(long long ns)
{
	struct timespec time = { ns / 1000000000, ns % 1000000000 };

	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &time, &time))
		;
}

static void pin(int cpus)
{
	cpu_set_t set;
	int cpu;

	CPU_ZERO(&set);
	for (cpu = 0; cpu < cpus; cpu++)
		CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		err(1, "sched_setaffinity");
}

pid_t spawn(int cpus)
{
	pid_t parent = getpid();
	pid_t pid = fork();

	if (pid < 0)
		err(1, "fork");
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	pin(cpus);
	return 0;
}

void reap(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid || status)
		errx(1, "a process failed");
}

void reap_any(int count)
{
	int status;

	while (count--) {
		if (wait(&status) < 0 || status)
			errx(1, "a process failed");
	}
}

bool asleep(pid_t pid)
{
	char state = '\0';
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	if (!file || fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
		err(1, "%s", path);
	fclose(file);
	return state == 'S';
}

void make_pipe(int *ends)
{
	if (pipe2(ends, O_CLOEXEC))
		err(1, "pipe");
}

void tell(int pipe)
{
	if (write(pipe, "", 1) != 1)
		err(1, "a process is gone");
}

void await(int pipe)
{
	char byte;

	if (read(pipe, &byte, 1) != 1)
		errx(1, "a process is gone");
}

void gate_make(struct gate *gate)
{
	make_pipe(gate->here);
	make_pipe(gate->go);
}

void gate_pass(struct gate *gate)
{
	char byte;

	close(gate->go[1]);
	tell(gate->here[1]);
	if (read(gate->go[0], &byte, 1))
		err(1, "gate");
	close(gate->here[0]);
	close(gate->here[1]);
	close(gate->go[0]);
}

void gate_gather(struct gate *gate, int count)
{
	close(gate->here[1]);
	while (count--)
		await(gate->here[0]);
}

void gate_open(struct gate *gate)
{
	close(gate->here[0]);
	close(gate->go[0]);
	close(gate->go[1]);
}
