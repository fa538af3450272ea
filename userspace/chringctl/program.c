// SPDX-License-Identifier: GPL-2.0
/* A program that a command runs: signals go through to it, its status back. */
#define _GNU_SOURCE		/* sigset_t of signalfd() */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "chringctl.h"

/* As env(1) has them. */
#define EXIT_CANNOT_RUN	126
#define EXIT_NOT_FOUND	127

/* The first descriptor of those that are handed over, by the protocol. */
#define LISTEN_FDS_START 3

/* What a process had before it took signals from a descriptor. */
struct signals {
	int fd;
	sigset_t mask;
	struct sigaction child;
};

static const int forwarded[] = {
	SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGTERM, 0
};

/*
 * Have a function called when one of the signals comes that a program gets, once
 * there is one: chringctl has to end by it.
 */
void program_end_by(void (*handler)(int signal))
{
	struct sigaction action = {
		.sa_handler = handler,
		.sa_flags = SA_RESETHAND | SA_NODEFER,
	};
	struct sigaction old;
	size_t i;

	for (i = 0; forwarded[i]; i++) {
		if (!sigaction(forwarded[i], NULL, &old) &&
		    old.sa_handler != SIG_IGN)
			sigaction(forwarded[i], &action, NULL);
	}
}

static bool take_signals(struct signals *signals)
{
	struct sigaction standard = { .sa_handler = SIG_DFL };
	sigset_t mask;
	size_t i;

	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	for (i = 0; forwarded[i]; i++)
		sigaddset(&mask, forwarded[i]);

	signals->fd = signalfd(-1, &mask, SFD_CLOEXEC);
	if (signals->fd < 0)
		return false;
	/* Where it is ignored, nobody could be waited for. */
	sigaction(SIGCHLD, &standard, &signals->child);
	sigprocmask(SIG_BLOCK, &mask, &signals->mask);
	return true;
}

/* For the program; chringctl is about to end, and a late one does no harm. */
static void give_back_signals(const struct signals *signals)
{
	sigaction(SIGCHLD, &signals->child, NULL);
	sigprocmask(SIG_SETMASK, &signals->mask, NULL);
}

/* In the child: as sd_listen_fds(3) expects it. */
static bool hand_over(const struct handed_socket *socket)
{
	char number[16];
	char *name;
	char *colon;

	/* dup2() to itself would leave it close-on-exec. */
	if (socket->fd == LISTEN_FDS_START ?
	    fcntl(socket->fd, F_SETFD, 0) < 0 :
	    dup2(socket->fd, LISTEN_FDS_START) < 0)
		return false;

	/* Colons are between names. */
	name = strdup(socket->name);
	while (name && (colon = strchr(name, ':')))
		*colon = '_';
	snprintf(number, sizeof(number), "%d", getpid());
	return name && !setenv("LISTEN_PID", number, 1) &&
	       !setenv("LISTEN_FDS", "1", 1) &&
	       !setenv("LISTEN_FDNAMES", name, 1);
}

/* In the child. */
static void become(const struct program *program,
		   const struct signals *signals, pid_t parent)
{
	int status;

	give_back_signals(signals);
	if (program->death_signal) {
		prctl(PR_SET_PDEATHSIG, program->death_signal);
		/* It may have died before it was asked about. */
		if (getppid() != parent)
			_exit(EXIT_CANNOT_RUN);
	}
	if (program->socket && !hand_over(program->socket)) {
		failure("cannot hand over the socket: %s", strerror(errno));
		_exit(EXIT_CANNOT_RUN);
	}
	execvp(program->words[0], program->words);
	status = errno == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
	failure("cannot run '%s': %s", program->words[0], strerror(errno));
	_exit(status);
}

/* True when the program has ended. */
static bool reap(const struct program *program, enum status *status)
{
	int how;

	if (waitpid(program->pid, &how, WNOHANG) != program->pid)
		return false;
	if (WIFSIGNALED(how))
		*status = STATUS_PASSED + 128 + WTERMSIG(how);
	else
		*status = STATUS_PASSED + WEXITSTATUS(how);
	return true;
}

static void forward(const struct program *program, int fd)
{
	struct signalfd_siginfo info;

	if (read(fd, &info, sizeof(info)) != sizeof(info) ||
	    info.ssi_signo == SIGCHLD)
		return;
	/* What the terminal sends it sends to both. */
	if (info.ssi_code != SI_KERNEL)
		kill(program->pid, info.ssi_signo);
}

static enum status wait_for(struct program *program, int signals)
{
	struct pollfd fds[] = {
		{ .fd = signals, .events = POLLIN },
		{ .fd = program->watched },
	};
	enum status status;

	while (!reap(program, &status)) {
		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[0].revents)
			forward(program, signals);
		if (fds[1].revents) {
			program->on_event(program);
			fds[1].fd = -1;
		}
	}
	return status;
}

/*
 * Run a program to its end; signals are blocked from then on.
 *
 * Returns STATUS_PASSED and the status that it ended with, 128 and the number
 * of the signal that ended it, or 126 or 127 where it could not be run; or
 * STATUS_SYSTEM.
 */
enum status program_run(struct program *program)
{
	pid_t parent = getpid();
	struct signals signals;
	enum status status;

	if (!take_signals(&signals))
		return failure("cannot take signals: %s", strerror(errno));
	program->pid = fork();
	if (!program->pid)
		become(program, &signals, parent);
	if (program->socket)
		close(program->socket->fd);
	if (program->pid < 0)
		status = failure("cannot fork: %s", strerror(errno));
	else
		status = wait_for(program, signals.fd);
	close(signals.fd);
	return status;
}
