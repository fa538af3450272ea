// SPDX-License-Identifier: GPL-2.0
/*
 * The handles of libchring across fork(), its kin and execve(): what was the
 * parent's stays the parent's, and the child's handle is its own.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lock_util.h"
#include "request.h"

FIXTURE(forked)
{
	struct chring_lock *lock;	/* held */
	uint64_t token;
};

FIXTURE_VARIANT(forked)
{
	unsigned int flags;
};

FIXTURE_VARIANT_ADD(forked, adaptive)
{
	.flags = 0,
};

FIXTURE_VARIANT_ADD(forked, strict)
{
	.flags = CHRING_LOCK_STRICT,
};

FIXTURE_VARIANT_ADD(forked, any_thread)
{
	.flags = CHRING_LOCK_ANY_THREAD,
};

FIXTURE_SETUP(forked)
{
	ASSERT_TRUE(own_netns());
	ASSERT_EQ(0, chring_lock_open(&self->lock, "l", variant->flags |
				      CHRING_LOCK_CREATE |
				      CHRING_LOCK_EXCLUSIVE, 0));
	ASSERT_EQ(0, chring_lock_acquire(self->lock));
	self->token = chring_lock_token(self->lock);
}

FIXTURE_TEARDOWN(forked)
{
	chring_lock_close(self->lock);
}

/* The ways to copy a process. */
static pid_t by_fork(void)
{
	return fork();
}

/* Nothing in user space hears of this one. */
static pid_t by_clone(void)
{
	return syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
}

static pid_t by_clone3(void)
{
	struct clone_args args = { .exit_signal = SIGCHLD };

	return syscall(SYS_clone3, &args, sizeof(args));
}

static pid_t (*const ways[])(void) = { by_fork, by_clone, by_clone3 };

/* The status that a child ended with, or its signal above 1000. */
static int status_of(pid_t child)
{
	int status;

	if (waitpid(child, &status, 0) != child)
		return -1;
	return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) :
				     WEXITSTATUS(status);
}

static int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

/* What is odd in a child that has done nothing with its handle yet. */
static int untouched_is_odd(struct chring_lock *lock)
{
	if (chring_lock_is_held(lock))
		return 1;
	if (chring_lock_token(lock) || chring_lock_dead_token(lock))
		return 2;
	if (chring_lock_release(lock) != -ESTALE)
		return 3;
	return 0;
}

static int child_is_odd(struct chring_lock *lock, uint64_t token)
{
	int odd = untouched_is_odd(lock);
	int fds = count_fds();

	if (odd)
		return odd;
	if (chring_lock_try(lock) != -EBUSY)
		return 4;
	if (chring_lock_is_held(lock) || chring_lock_token(lock))
		return 5;
	if (strcmp(lock_state(lock), "held, 0 wait"))
		return 6;
	if (chring_lock_acquire(lock))
		return 7;
	if (!chring_lock_is_held(lock) || chring_lock_token(lock) <= token)
		return 8;
	if (strcmp(lock_state(lock), "mine, 0 wait"))
		return 9;
	if (chring_lock_release(lock))
		return 10;
	if (count_fds() != fds)
		return 11;
	chring_lock_close(lock);
	if (count_fds() != fds - 1)
		return 12;
	return 0;
}

TEST_F(forked, child_waits_for_the_parent)
{
	pid_t child;
	size_t i;

	for (i = 0; i < elements(ways); i++) {
		child = ways[i]();
		if (!child)
			_exit(child_is_odd(self->lock, self->token));
		ASSERT_TRUE(lock_waits(self->lock, 1));
		EXPECT_TRUE(chring_lock_is_held(self->lock));
		EXPECT_EQ(self->token, chring_lock_token(self->lock));
		EXPECT_EQ(0, chring_lock_release(self->lock));
		EXPECT_EQ(0, status_of(child));
		EXPECT_EQ(0, chring_lock_acquire(self->lock));
		self->token = chring_lock_token(self->lock);
	}
}

TEST_F(forked, death_of_a_child_releases_nothing_of_the_parent)
{
	pid_t child;
	size_t i;

	for (i = 0; i < elements(ways); i++) {
		child = ways[i]();
		if (!child)
			raise(SIGKILL);
		EXPECT_EQ(1000 + SIGKILL, status_of(child));
		child = ways[i]();
		if (!child) {
			chring_lock_close(self->lock);
			_exit(0);
		}
		EXPECT_EQ(0, status_of(child));
	}
	EXPECT_TRUE(chring_lock_is_held(self->lock));
	EXPECT_STREQ("mine, 0 wait", lock_state(self->lock));
	EXPECT_EQ(0, chring_lock_release(self->lock));
}

TEST_F(forked, vforked_child_is_the_process)
{
	static struct chring_lock *lock;
	static volatile int held, ret;
	pid_t child;

	lock = self->lock;
	child = vfork();
	if (!child) {
		held = chring_lock_is_held(lock);
		ret = chring_lock_release(lock);
		if (!ret)
			ret = chring_lock_acquire(lock);
		_exit(0);
	}
	EXPECT_EQ(0, status_of(child));
	EXPECT_EQ(1, held);
	EXPECT_EQ(0, ret);
	EXPECT_TRUE(chring_lock_is_held(self->lock));
	EXPECT_STREQ("mine, 0 wait", lock_state(self->lock));
	EXPECT_EQ(0, chring_lock_release(self->lock));
}

/* In a child of the holder, which it kills. */
static char heir_is_odd(struct chring_lock *lock, uint64_t token)
{
	int odd = untouched_is_odd(lock);

	kill(getppid(), SIGKILL);
	if (odd)
		return odd;
	if (chring_lock_acquire(lock) != CHRING_NEWS_OWNER_DIED)
		return 4;
	if (chring_lock_dead_token(lock) != token)
		return 5;
	return chring_lock_release(lock) ? 6 : 0;
}

TEST_F(forked, child_that_survives_the_holder_is_told)
{
	int pipes[2];
	char odd = -1;
	pid_t child;

	ASSERT_EQ(0, pipe(pipes));
	ASSERT_EQ(0, chring_lock_release(self->lock));
	child = fork();
	if (!child) {
		if (chring_lock_acquire(self->lock))
			_exit(1);
		self->token = chring_lock_token(self->lock);
		if (!fork()) {
			odd = heir_is_odd(self->lock, self->token);
			_exit(write(pipes[1], &odd, 1) != 1);
		}
		for (;;)
			pause();
	}
	close(pipes[1]);
	EXPECT_EQ(1000 + SIGKILL, status_of(child));
	EXPECT_EQ(1, read(pipes[0], &odd, 1));
	EXPECT_EQ(0, odd);
	EXPECT_STREQ("free, 0 wait", lock_state(self->lock));
}

/* The number of the descriptor may be something else's by then. */
TEST_F(forked, descriptor_closed_by_the_child_is_not_missed)
{
	char text[8];
	int fd, comm;
	pid_t child;

	fd = chring_lock_fd(self->lock);
	child = fork();
	if (!child) {
		close(fd);
		comm = open("/proc/self/comm", O_RDONLY);
		if (dup2(comm, fd) != fd)
			_exit(1);
		if (chring_lock_try(self->lock) != -EBUSY)
			_exit(2);
		if (read(fd, text, sizeof(text)) <= 0)
			_exit(3);
		chring_lock_close(self->lock);
		_exit(read(fd, text, 1) < 0);
	}
	EXPECT_EQ(0, status_of(child));
}

static void *try_it(void *lock)
{
	return (void *)(intptr_t)chring_lock_try(lock);
}

/* They find no handle all at once, and one is enough. */
static int opened_by_threads_is_odd(struct chring_lock *lock)
{
	pthread_t threads[8];
	int fds = count_fds();
	void *ret;
	int odd = 0;
	int i;

	for (i = 0; i < 8; i++)
		if (pthread_create(&threads[i], NULL, try_it, lock))
			return 3;
	for (i = 0; i < 8; i++) {
		pthread_join(threads[i], &ret);
		if ((intptr_t)ret != -EBUSY)
			odd = 1;
	}
	return odd ?: count_fds() == fds ? 0 : 2;
}

/* One thread comes between another's looking and binding in few of them. */
TEST_F(forked, threads_of_a_child_open_one_handle)
{
	pid_t child;
	int i;

	for (i = 0; i < 50; i++) {
		child = fork();
		if (!child)
			_exit(opened_by_threads_is_odd(self->lock));
		ASSERT_EQ(0, status_of(child));
	}
}

static volatile bool stop;

static void *lock_and_unlock(void *lock)
{
	while (!stop) {
		chring_lock_acquire(lock);
		chring_lock_release(lock);
	}
	return NULL;
}

/* Whatever the other threads were doing with it at that moment. */
TEST_F(forked, handle_in_use_by_threads_can_be_forked)
{
	pthread_t threads[2];
	pid_t child;
	int i;

	ASSERT_EQ(0, chring_lock_release(self->lock));
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, lock_and_unlock,
					    self->lock));
	for (i = 0; i < 20; i++) {
		child = ways[i % elements(ways)]();
		if (!child) {
			alarm(60);
			_exit(untouched_is_odd(self->lock) ||
			      chring_lock_acquire(self->lock) ||
			      chring_lock_release(self->lock));
		}
		ASSERT_EQ(0, status_of(child));
	}
	stop = true;
	for (i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
}

TEST_F(forked, exec_gives_the_lock_up_and_no_descriptor_on)
{
	static const char script[] =
		"ls -l /proc/self/fd | grep chring || echo && exec sleep 1000";
	struct chring_lock *lock;
	int pipes[2];
	pid_t child;
	char byte;

	ASSERT_EQ(0, chring_lock_release(self->lock));
	ASSERT_EQ(0, pipe(pipes));
	child = fork();
	if (!child) {
		dup2(pipes[1], 1);
		if (!chring_lock_acquire(self->lock))
			execl("/bin/sh", "sh", "-c", script, NULL);
		_exit(2);
	}
	close(pipes[1]);
	/* It runs, and names what it should not have. */
	EXPECT_EQ(1, read(pipes[0], &byte, 1));
	EXPECT_EQ('\n', byte);
	EXPECT_EQ(0, chring_lock_open(&lock, "l", 0, 0));
	EXPECT_EQ((int)CHRING_NEWS_OWNER_DIED, chring_lock_try(lock));
	EXPECT_EQ(self->token + 1, chring_lock_dead_token(lock));
	kill(child, SIGKILL);
	EXPECT_EQ(1000 + SIGKILL, status_of(child));
	chring_lock_close(lock);
}

/* The child opens the lock by its own rights, and is told where it may not. */
TEST_F(forked, child_without_rights_is_refused)
{
	pid_t child;

	child = fork();
	if (!child) {
		if (setresgid(65534, 65534, 65534) ||
		    setresuid(65534, 65534, 65534))
			_exit(1);
		_exit(chring_lock_acquire(self->lock) != -EACCES ||
		      chring_lock_try(self->lock) != -EACCES ||
		      chring_lock_fd(self->lock) != -EACCES ||
		      untouched_is_odd(self->lock));
	}
	EXPECT_EQ(0, status_of(child));
}

/* ---- handing over */

/* In a child: the parent's handle becomes this process's, with the lock. */
static int heir_by_adoption_is_odd(struct chring_lock *lock, int fd,
				   uint64_t token)
{
	struct chring_lock *ours;
	pid_t child;

	if (chring_lock_adopt(&ours, fd, 1) != -EINVAL)
		return 1;
	if (chring_lock_adopt(&ours, fd, 0) != 1)
		return 2;
	if (chring_lock_token(ours) <= token || !chring_lock_is_held(ours) ||
	    strcmp(lock_state(ours), "mine, 0 wait"))
		return 3;
	if (chring_lock_adopt(&ours, fd, 0) != -EALREADY)
		return 4;
	/* It is as any other handle, */
	if (chring_lock_acquire(ours) != -EDEADLK ||
	    chring_lock_try(lock) != -EBUSY)
		return 5;
	if (chring_lock_release(ours) || chring_lock_try(lock) ||
	    chring_lock_release(lock) || chring_lock_acquire(ours))
		return 6;
	/* but in a child. */
	child = fork();
	if (!child)
		_exit(chring_lock_acquire(ours) != -ESTALE ||
		      chring_lock_try(ours) != -ESTALE ||
		      untouched_is_odd(ours));
	if (status_of(child))
		return 7;
	if (!chring_lock_is_held(ours))
		return 8;
	chring_lock_close(ours);
	return 0;
}

TEST_F(forked, lock_is_handed_over_to_a_child)
{
	int fd = dup(chring_lock_fd(self->lock));
	struct chring_lock *other;
	pid_t child;

	ASSERT_EQ(0, chring_lock_open(&other, "l", 0, 0));
	child = fork();
	if (!child)
		_exit(heir_by_adoption_is_odd(other, fd, self->token));
	EXPECT_EQ(0, status_of(child));
	EXPECT_FALSE(chring_lock_is_held(self->lock));
	EXPECT_EQ(-ESTALE, chring_lock_release(self->lock));
	/* It was closed, so nobody died with it. */
	EXPECT_EQ(0, chring_lock_try(other));
	EXPECT_LT(self->token + 3, chring_lock_token(other));
	chring_lock_close(other);
	close(fd);
}

TEST_F(forked, adopted_handle_without_the_lock_acquires_it)
{
	int fd = dup(chring_lock_fd(self->lock));
	struct chring_lock *ours;
	pid_t child;

	ASSERT_EQ(0, chring_lock_release(self->lock));
	child = fork();
	if (!child)
		_exit(chring_lock_adopt(&ours, fd, CHRING_LOCK_ANY_THREAD) ||
		      chring_lock_is_held(ours) || chring_lock_token(ours) ||
		      chring_lock_acquire(ours) ||
		      chring_lock_token(ours) <= self->token ||
		      !chring_lock_is_held(ours));
	/* Which it dies with. */
	EXPECT_EQ(0, status_of(child));
	chring_lock_close(self->lock);
	ASSERT_EQ(0, chring_lock_open(&self->lock, "l", 0, 0));
	EXPECT_EQ((int)CHRING_NEWS_OWNER_DIED, chring_lock_acquire(self->lock));
	EXPECT_EQ(self->token + 1, chring_lock_dead_token(self->lock));
	close(fd);
}

TEST_F(forked, what_is_no_handle_is_not_adopted)
{
	struct chring_lock *untouched = (void *)self, *lock = untouched;
	int null = open("/dev/null", O_RDWR);
	int fd = chring_lock_fd(self->lock);
	int device = open("/dev/chring", O_RDWR);

	EXPECT_EQ(-EBADF, chring_lock_adopt(&lock, -1, 0));
	EXPECT_EQ(-ENOTTY, chring_lock_adopt(&lock, null, 0));
	EXPECT_EQ(-ENOTTY, chring_lock_adopt(&lock, device, 0));
	EXPECT_EQ(-EALREADY, chring_lock_adopt(&lock, fd, 0));
	chring_lock_shutdown(self->lock);
	EXPECT_EQ(-ESTALE, chring_lock_adopt(&lock, fd, 0));
	EXPECT_EQ(untouched, lock);
	close(null);
	close(device);
}

#define CHILDREN 4
#define ROUNDS 500

TEST_F(forked, processes_exclude_each_other)
{
	struct area {
		volatile int inside;
		unsigned long entries;
		uint64_t last;
	} *area;
	pid_t children[CHILDREN];
	int i, j, odd = 0;

	area = mmap(NULL, sizeof(*area), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, area);
	for (i = 0; i < CHILDREN; i++) {
		children[i] = fork();
		if (children[i])
			continue;
		for (j = 0; j < ROUNDS; j++) {
			odd |= chring_lock_acquire(self->lock);
			odd |= area->inside++;
			odd |= chring_lock_token(self->lock) <= area->last;
			area->last = chring_lock_token(self->lock);
			area->entries++;
			area->inside--;
			odd |= chring_lock_release(self->lock);
		}
		_exit(!!odd);
	}
	ASSERT_EQ(0, chring_lock_release(self->lock));
	for (i = 0; i < CHILDREN; i++)
		EXPECT_EQ(0, status_of(children[i]));
	EXPECT_EQ(0U + CHILDREN * ROUNDS, area->entries);
	EXPECT_STREQ("free, 0 wait", lock_state(self->lock));
}

TEST_HARNESS_MAIN
