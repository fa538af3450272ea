// SPDX-License-Identifier: GPL-2.0
/*
 * Locks straight over /dev/chring, without libchring: acquire, release, wait,
 * the word, news, death in each of its forms, and adoption.
 */
#define _GNU_SOURCE		/* unshare, CLONE_FILES */
#include <errno.h>
#include <fcntl.h>
#include <linux/chring_lock.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lock_device.h"

FIXTURE(lock)
{
	char name[32];
	struct handle a;
	struct handle b;
};

FIXTURE_VARIANT(lock)
{
	uint32_t flags;
};

FIXTURE_VARIANT_ADD(lock, adaptive)
{
	.flags = 0,
};

FIXTURE_VARIANT_ADD(lock, fifo)
{
	.flags = CHRING_LOCK_FIFO,
};

FIXTURE_VARIANT_ADD(lock, strict)
{
	.flags = CHRING_LOCK_STRICT,
};

FIXTURE_SETUP(lock)
{
	snprintf(self->name, sizeof(self->name), "basic/%d", getpid());
	ASSERT_EQ(0, open_lock(&self->a, self->name, variant->flags |
			       CHRING_OPEN_CREATE | CHRING_OPEN_EXCLUSIVE, 0));
	ASSERT_EQ(0, open_lock(&self->b, self->name, 0, 0));
}

FIXTURE_TEARDOWN(lock)
{
	close(self->a.fd);
	close(self->b.fd);
}

/* Runs act in a child that has a handle of its own; returns its pid. */
#define child(handle, name, action) ({					\
	pid_t __pid = fork();						\
	if (!__pid) {							\
		if (open_lock(handle, name, 0, 0))			\
			_exit(100);					\
		_exit(action);						\
	}								\
	__pid;								\
})

static int hold_and_pause(struct handle *handle)
{
	struct chring_lock_acquire got;

	if (acquire(handle, 0, CHRING_DEADLINE_NONE, &got))
		return 101;
	pause();
	return 0;
}

TEST_F(lock, tokens_rise_and_state_is_told)
{
	struct chring_lock_acquire got;
	struct chring_lock_stat stat;
	uint64_t last = 0;
	int i;

	EXPECT_EQ(variant->flags, self->a.flags);
	EXPECT_NE(self->a.id, self->b.id);
	ASSERT_EQ(0, stat_lock(&self->a, &stat));
	EXPECT_EQ(0U, stat.flags);
	EXPECT_EQ(0U, stat.token);
	for (i = 0; i < 3; i++) {
		struct handle *handle = i & 1 ? &self->b : &self->a;

		ASSERT_EQ(0, acquire(handle, CHRING_ACQUIRE_TRY, 0, &got));
		EXPECT_LT(last, got.token);
		EXPECT_EQ(0U, got.news);
		EXPECT_EQ(0U, got.dead_token);
		last = got.token;
		ASSERT_EQ(0, stat_lock(handle, &stat));
		EXPECT_EQ(CHRING_STAT_HELD | CHRING_STAT_MINE, stat.flags);
		EXPECT_EQ(got.token, stat.token);
		EXPECT_EQ(getpid(), stat.pid);
		EXPECT_EQ(0U, stat.waiters);
		ASSERT_EQ(0, release(handle, got.token));
		EXPECT_EQ(-ESTALE, release(handle, got.token));
	}
	ASSERT_EQ(0, stat_lock(&self->b, &stat));
	EXPECT_EQ(0U, stat.flags);
	EXPECT_EQ(last, stat.token);
}

TEST_F(lock, one_holder_at_a_time)
{
	struct chring_lock_acquire got, none;
	int64_t deadline;

	ASSERT_EQ(0, acquire(&self->a, 0, CHRING_DEADLINE_NONE, &got));
	EXPECT_EQ(-EBUSY, acquire(&self->b, CHRING_ACQUIRE_TRY, 0, &none));
	EXPECT_EQ(-ETIMEDOUT, acquire(&self->b, 0, 0, &none));
	deadline = now_ns() + 20000000;
	EXPECT_EQ(-ETIMEDOUT, acquire(&self->b, 0, deadline, &none));
	EXPECT_LE(deadline, now_ns());
	EXPECT_EQ(-EDEADLK, acquire(&self->a, 0, CHRING_DEADLINE_NONE, &none));
	EXPECT_EQ(-ETIMEDOUT, acquire(&self->a, CHRING_ACQUIRE_SELF,
				      now_ns() + 1000000, &none));
	EXPECT_EQ(-ESTALE, release(&self->b, got.token));
	EXPECT_EQ(-ESTALE, release(&self->a, got.token + 1));
	EXPECT_EQ(0, release(&self->a, got.token));
	EXPECT_EQ(0, acquire(&self->b, CHRING_ACQUIRE_TRY, 0, &none));
}

struct waiter {
	struct handle handle;
	pthread_t thread;
	struct chring_lock_acquire got;
	int result;
};

static void *waiter_run(void *data)
{
	struct waiter *waiter = data;

	waiter->result = acquire(&waiter->handle, 0, now_ns() + WAIT_NS,
				 &waiter->got);
	return NULL;
}

TEST_F(lock, release_lets_waiters_in)
{
	struct chring_lock_acquire got;
	struct waiter waiter[3] = {};
	uint64_t last;
	int i;

	ASSERT_EQ(0, acquire(&self->a, 0, CHRING_DEADLINE_NONE, &got));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, open_lock(&waiter[i].handle, self->name, 0, 0));
		ASSERT_EQ(0, pthread_create(&waiter[i].thread, NULL, waiter_run,
					    &waiter[i]));
		ASSERT_TRUE(wait_until(waiters(&self->a) == i + 1));
	}
	last = got.token;
	ASSERT_EQ(0, release(&self->a, last));
	/* They wait long enough to be served in order, whatever the discipline */
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, pthread_join(waiter[i].thread, NULL));
		ASSERT_EQ(0, waiter[i].result);
		EXPECT_LT(last, waiter[i].got.token);
		last = waiter[i].got.token;
		EXPECT_EQ(2 - i, waiters(&self->a));
		ASSERT_EQ(0, release(&waiter[i].handle, last));
		close(waiter[i].handle.fd);
	}
}

TEST_F(lock, word_is_the_fast_path)
{
	struct chring_lock_acquire got;
	struct chring_lock_stat stat;
	struct waiter waiter = {};
	uint64_t token, next;

	if (variant->flags & CHRING_LOCK_STRICT) {
		ASSERT_EQ(-EOPNOTSUPP, map_lock(&self->a));
		return;
	}
	ASSERT_EQ(0, map_lock(&self->a));
	ASSERT_EQ(0, map_lock(&self->b));
	EXPECT_EQ(variant->flags, self->a.info->flags);

	token = fast_acquire(&self->a);
	ASSERT_NE(0U, token);
	EXPECT_EQ(0U, fast_acquire(&self->b));
	ASSERT_EQ(0, stat_lock(&self->b, &stat));
	EXPECT_EQ(CHRING_STAT_HELD, stat.flags);
	EXPECT_EQ(token, stat.token);
	EXPECT_EQ(-EBUSY, acquire(&self->b, CHRING_ACQUIRE_TRY, 0, &got));
	ASSERT_TRUE(fast_release(&self->a, token));
	EXPECT_FALSE(fast_release(&self->a, token));
	next = fast_acquire(&self->b);
	EXPECT_EQ(token + 1, next);
	EXPECT_EQ(-ESTALE, release(&self->a, token));

	/* With somebody waiting, the release is the kernel's */
	ASSERT_EQ(0, open_lock(&waiter.handle, self->name, 0, 0));
	ASSERT_EQ(0, pthread_create(&waiter.thread, NULL, waiter_run, &waiter));
	ASSERT_TRUE(wait_until(waiters(&self->a) == 1));
	EXPECT_FALSE(fast_release(&self->b, next));
	ASSERT_EQ(0, release(&self->b, next));
	ASSERT_EQ(0, pthread_join(waiter.thread, NULL));
	EXPECT_EQ(0, waiter.result);
	EXPECT_EQ(next + 1, waiter.got.token);
	close(waiter.handle.fd);
}

/* The next one is told, once. */
static bool told_of(struct __test_metadata *_metadata, struct handle *handle,
		    uint32_t news, uint64_t dead)
{
	struct chring_lock_acquire got;

	EXPECT_EQ(0, acquire(handle, 0, now_ns() + WAIT_NS, &got));
	EXPECT_EQ(news, got.news);
	EXPECT_EQ(dead, got.dead_token);
	EXPECT_LT(dead, got.token);
	EXPECT_EQ(0, release(handle, got.token));
	EXPECT_EQ(0, acquire(handle, 0, now_ns() + WAIT_NS, &got));
	EXPECT_EQ(0U, got.news);
	EXPECT_EQ(0U, got.dead_token);
	return !release(handle, got.token);
}

TEST_F(lock, kill_passes_it_on_with_news)
{
	struct chring_lock_stat stat;
	struct handle mine;
	struct pollfd pfd;
	pid_t pid;

	pid = child(&mine, self->name, hold_and_pause(&mine));
	ASSERT_TRUE(wait_until(is_held(&self->a)));
	ASSERT_EQ(0, stat_lock(&self->a, &stat));
	EXPECT_EQ(pid, stat.pid);
	pfd = (struct pollfd){ .fd = self->a.fd, .events = POLLPRI };
	EXPECT_EQ(0, poll(&pfd, 1, 0));
	kill(pid, SIGKILL);
	EXPECT_EQ(1, poll(&pfd, 1, 30000));
	EXPECT_EQ(POLLPRI, pfd.revents);
	EXPECT_EQ(-SIGKILL, status_of(pid));
	EXPECT_TRUE(told_of(_metadata, &self->a, CHRING_NEWS_OWNER_DIED,
			    stat.token));
}

TEST_F(lock, kill_wakes_a_waiter_with_news)
{
	struct chring_lock_stat stat;
	struct waiter waiter = {};
	struct handle mine;
	pid_t pid;

	pid = child(&mine, self->name, hold_and_pause(&mine));
	ASSERT_TRUE(wait_until(is_held(&self->a)));
	ASSERT_EQ(0, stat_lock(&self->a, &stat));
	waiter.handle = self->b;
	ASSERT_EQ(0, pthread_create(&waiter.thread, NULL, waiter_run, &waiter));
	ASSERT_TRUE(wait_until(waiters(&self->a) == 1));
	kill(pid, SIGKILL);
	ASSERT_EQ(0, pthread_join(waiter.thread, NULL));
	EXPECT_EQ(0, waiter.result);
	EXPECT_EQ(CHRING_NEWS_OWNER_DIED, waiter.got.news);
	EXPECT_EQ(stat.token, waiter.got.dead_token);
	EXPECT_EQ(stat.token + 1, waiter.got.token);
	status_of(pid);
}

/*
 * The holder's descriptor lives on in a child of it, which sees ESTALE, tells,
 * and waits for the end of its test.
 */
static int hold_fork_and_die(struct handle *handle, int report, const int *end)
{
	struct chring_lock_acquire got;
	pid_t parent = getpid();
	int err;

	if (acquire(handle, 0, CHRING_DEADLINE_NONE, &got))
		return 101;
	if (fork())
		pause();
	close(end[1]);
	err = release(handle, got.token);
	kill(parent, SIGKILL);
	wait_until(getppid() != parent);
	if (write(report, &err, sizeof(err)) != sizeof(err))
		return 102;
	return read(end[0], &err, 1);
}

TEST_F(lock, fork_does_not_inherit_nor_keep)
{
	struct chring_lock_acquire got;
	struct handle mine;
	int report[2], end[2], err;
	pid_t pid;

	ASSERT_EQ(0, pipe(report));
	ASSERT_EQ(0, pipe(end));
	pid = child(&mine, self->name,
		    hold_fork_and_die(&mine, report[1], end));
	ASSERT_EQ((ssize_t)sizeof(err), read(report[0], &err, sizeof(err)));
	EXPECT_EQ(-ESTALE, err);
	EXPECT_EQ(-SIGKILL, status_of(pid));
	EXPECT_EQ(0, acquire(&self->a, 0, now_ns() + WAIT_NS, &got));
	EXPECT_EQ(CHRING_NEWS_OWNER_DIED, got.news);
}

static bool is_held_or_news(const struct handle *handle)
{
	struct chring_lock_stat stat;

	return !stat_lock(handle, &stat) &&
	       (stat.flags & CHRING_STAT_HELD || stat.news);
}

static int hold_and_exec(struct handle *handle)
{
	struct chring_lock_acquire got;

	if (acquire(handle, 0, CHRING_DEADLINE_NONE, &got))
		return 101;
	fcntl(handle->fd, F_SETFD, 0);
	execl("/bin/sleep", "sleep", "1000", NULL);
	return 102;
}

TEST_F(lock, exec_is_death)
{
	struct chring_lock_acquire got;
	struct handle mine;
	pid_t pid;

	pid = child(&mine, self->name, hold_and_exec(&mine));
	ASSERT_TRUE(wait_until(is_held_or_news(&self->a)));
	EXPECT_EQ(0, acquire(&self->a, 0, now_ns() + WAIT_NS, &got));
	EXPECT_EQ(CHRING_NEWS_OWNER_DIED, got.news);
	EXPECT_EQ(0, waitpid(pid, NULL, WNOHANG));
	kill(pid, SIGKILL);
	status_of(pid);
}

static void *thread_that_holds(void *data)
{
	struct handle *handle = data;
	struct chring_lock_acquire got;

	unshare(CLONE_FILES);
	return (void *)(intptr_t)acquire(handle, 0, CHRING_DEADLINE_NONE, &got);
}

TEST_F(lock, end_of_a_thread_is_nothing)
{
	struct chring_lock_acquire got;
	struct chring_lock_stat stat;
	pthread_t thread;
	void *failed;

	ASSERT_EQ(0, pthread_create(&thread, NULL, thread_that_holds,
				    &self->a));
	ASSERT_EQ(0, pthread_join(thread, &failed));
	ASSERT_EQ(NULL, failed);
	EXPECT_EQ(-EBUSY, acquire(&self->b, CHRING_ACQUIRE_TRY, 0, &got));
	ASSERT_EQ(0, stat_lock(&self->a, &stat));
	EXPECT_EQ(CHRING_STAT_HELD | CHRING_STAT_MINE, stat.flags);
	EXPECT_EQ(0, release(&self->a, stat.token));
}

TEST_F(lock, close_of_a_copy_is_nothing)
{
	struct chring_lock_acquire got, none;
	int copy = dup(self->a.fd);

	ASSERT_EQ(0, acquire(&self->a, 0, CHRING_DEADLINE_NONE, &got));
	close(copy);
	EXPECT_EQ(-EBUSY, acquire(&self->b, CHRING_ACQUIRE_TRY, 0, &none));
	copy = dup(self->a.fd);
	close(self->a.fd);
	EXPECT_EQ(-EBUSY, acquire(&self->b, CHRING_ACQUIRE_TRY, 0, &none));
	close(copy);
	/* Nobody died */
	EXPECT_EQ(0, acquire(&self->b, CHRING_ACQUIRE_TRY, 0, &none));
	EXPECT_EQ(0U, none.news);
	EXPECT_EQ(got.token + 1, none.token);
}

TEST_F(lock, explicit_close_releases_and_ends)
{
	struct chring_lock_acquire got, none;
	struct chring_lock_stat stat;
	struct pollfd pfd = { .fd = self->a.fd };

	ASSERT_EQ(0, acquire(&self->a, 0, CHRING_DEADLINE_NONE, &got));
	ASSERT_EQ(0, result(ioctl(self->a.fd, CHRING_IOC_CLOSE)));
	EXPECT_EQ(1, poll(&pfd, 1, 0));
	EXPECT_EQ(POLLHUP, pfd.revents);
	EXPECT_EQ(-ESTALE, acquire(&self->a, 0, 0, &none));
	EXPECT_EQ(-ESTALE, release(&self->a, got.token));
	EXPECT_EQ(-ESTALE, stat_lock(&self->a, &stat));
	EXPECT_EQ(-ESTALE, result(ioctl(self->a.fd, CHRING_IOC_CLOSE)));
	EXPECT_EQ(0, acquire(&self->b, CHRING_ACQUIRE_TRY, 0, &none));
	EXPECT_EQ(0U, none.news);
}

static void *close_later(void *data)
{
	struct handle *handle = data;

	wait_until(waiters(handle) == 1);
	ioctl(handle->fd, CHRING_IOC_CLOSE);
	return NULL;
}

TEST_F(lock, close_sends_its_waiters_away)
{
	struct chring_lock_acquire got, none;
	pthread_t thread;

	ASSERT_EQ(0, acquire(&self->b, 0, CHRING_DEADLINE_NONE, &got));
	ASSERT_EQ(0, pthread_create(&thread, NULL, close_later, &self->a));
	EXPECT_EQ(-ESTALE, acquire(&self->a, 0, now_ns() + WAIT_NS, &none));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(0, waiters(&self->b));
	EXPECT_EQ(0, release(&self->b, got.token));
}

/* Adopts, says what it got, and waits for its end. */
static int adopt_and_tell(const struct handle *handle, int report)
{
	struct chring_lock_adopt adopted;
	int err;

	err = adopt(handle, &adopted);
	if (err)
		return -err;
	if (write(report, &adopted, sizeof(adopted)) != sizeof(adopted))
		return 102;
	pause();
	return 0;
}

TEST_F(lock, adoption_moves_what_is_held)
{
	struct chring_lock_acquire got, none;
	struct chring_lock_adopt adopted, own;
	struct chring_lock_stat stat;
	struct pollfd pfd = { .fd = self->a.fd };
	int report[2];
	pid_t pid;

	ASSERT_EQ(0, pipe(report));
	ASSERT_EQ(0, acquire(&self->a, 0, CHRING_DEADLINE_NONE, &got));
	EXPECT_EQ(-EALREADY, adopt(&self->a, &own));
	pid = fork();
	if (!pid)
		_exit(adopt_and_tell(&self->a, report[1]));
	ASSERT_EQ((ssize_t)sizeof(adopted),
		  read(report[0], &adopted, sizeof(adopted)));
	EXPECT_EQ(got.token + 1, adopted.token);
	EXPECT_NE(self->a.id, adopted.id);
	EXPECT_EQ(variant->flags, adopted.lock_flags);
	EXPECT_EQ(adopted.id, adopted.word >> CHRING_LOCK_OWNER_SHIFT &
			      CHRING_LOCK_OWNER_MAX);
	EXPECT_EQ(-ESTALE, release(&self->a, got.token));
	EXPECT_EQ(-ESTALE, release(&self->a, adopted.token));
	EXPECT_EQ(1, poll(&pfd, 1, 0));
	EXPECT_EQ(POLLHUP, pfd.revents);
	ASSERT_EQ(0, stat_lock(&self->b, &stat));
	EXPECT_EQ(CHRING_STAT_HELD, stat.flags);
	EXPECT_EQ(adopted.token, stat.token);
	EXPECT_EQ(pid, stat.pid);
	EXPECT_EQ(-EBUSY, acquire(&self->b, CHRING_ACQUIRE_TRY, 0, &none));
	kill(pid, SIGKILL);
	status_of(pid);
	EXPECT_TRUE(told_of(_metadata, &self->b, CHRING_NEWS_OWNER_DIED,
			    adopted.token));
	/* What is left of it can be had again, but for the lock */
	EXPECT_EQ(0, adopt(&self->a, &own));
	EXPECT_EQ(0U, own.token);
	EXPECT_EQ(0U, own.word);
}

TEST_F(lock, garbage_in_the_word_is_found)
{
	struct chring_lock_acquire got;
	struct chring_lock_stat stat;
	uint64_t token;

	if (variant->flags & CHRING_LOCK_STRICT)
		return;
	ASSERT_EQ(0, map_lock(&self->a));
	token = fast_acquire(&self->a);
	ASSERT_NE(0U, token);
	/* An owner that is none is taken over */
	__atomic_fetch_or(self->a.word, CHRING_LOCK_OWNER_MAX <<
			  CHRING_LOCK_OWNER_SHIFT, __ATOMIC_SEQ_CST);
	ASSERT_EQ(0, acquire(&self->b, 0, now_ns() + WAIT_NS, &got));
	EXPECT_EQ(CHRING_NEWS_CORRUPT, got.news);
	EXPECT_EQ(token, got.dead_token);
	EXPECT_EQ(token + 1, got.token);
	EXPECT_EQ(0, release(&self->b, got.token));
	EXPECT_EQ(variant->flags, self->a.info->flags);

	/* Tokens neither fall nor are burnt, and the word is given up */
	__atomic_store_n(self->a.word, ~0ULL << CHRING_LOCK_SEQ_SHIFT,
			 __ATOMIC_SEQ_CST);
	ASSERT_EQ(0, acquire(&self->b, 0, now_ns() + WAIT_NS, &got));
	EXPECT_EQ(CHRING_NEWS_CORRUPT, got.news);
	EXPECT_EQ(token + 2, got.token);
	EXPECT_EQ(variant->flags | CHRING_LOCK_STRICT, self->a.info->flags);
	__atomic_store_n(self->a.word, 0, __ATOMIC_SEQ_CST);
	ASSERT_EQ(0, stat_lock(&self->a, &stat));
	EXPECT_EQ(CHRING_STAT_HELD, stat.flags);
	EXPECT_EQ(token + 2, stat.token);
	EXPECT_EQ(0, release(&self->b, got.token));
	ASSERT_EQ(0, acquire(&self->b, 0, now_ns() + WAIT_NS, &got));
	EXPECT_EQ(0U, got.news);
	EXPECT_EQ(token + 3, got.token);
}

/* A waiter comes to the lock, though WAITERS was wiped and nobody wakes it. */
TEST_F(lock, wiped_waiters_heals)
{
	struct waiter waiter = {};
	uint64_t token;

	if (variant->flags & CHRING_LOCK_STRICT)
		return;
	ASSERT_EQ(0, map_lock(&self->a));
	token = fast_acquire(&self->a);
	ASSERT_NE(0U, token);
	waiter.handle = self->b;
	ASSERT_EQ(0, pthread_create(&waiter.thread, NULL, waiter_run, &waiter));
	ASSERT_TRUE(wait_until(waiters(&self->a) == 1));
	__atomic_fetch_and(self->a.word, ~CHRING_LOCK_FLAGS, __ATOMIC_SEQ_CST);
	EXPECT_TRUE(fast_release(&self->a, token));
	ASSERT_EQ(0, pthread_join(waiter.thread, NULL));
	EXPECT_EQ(0, waiter.result);
	EXPECT_EQ(token + 1, waiter.got.token);
	EXPECT_EQ(0U, waiter.got.news);
}

TEST_F(lock, name_lives_as_long_as_handles)
{
	struct chring_lock_acquire got, again;
	struct handle handle;

	ASSERT_EQ(0, acquire(&self->a, 0, CHRING_DEADLINE_NONE, &got));
	EXPECT_EQ(-EEXIST, open_lock(&handle, self->name, CHRING_OPEN_CREATE |
				     CHRING_OPEN_EXCLUSIVE, 0));
	close(self->a.fd);
	ASSERT_EQ(0, open_lock(&handle, self->name, CHRING_OPEN_CREATE, 0));
	EXPECT_EQ(variant->flags, handle.flags);
	close(handle.fd);
	close(self->b.fd);
	EXPECT_EQ(-ENOENT, open_lock(&handle, self->name, 0, 0));
	/* Made anew, it goes on where it was, or beyond */
	ASSERT_EQ(0, open_lock(&self->a, self->name, CHRING_OPEN_CREATE, 0));
	EXPECT_EQ(0U, self->a.flags);
	ASSERT_EQ(0, acquire(&self->a, 0, CHRING_DEADLINE_NONE, &again));
	EXPECT_LT(got.token, again.token);
}

static void on_alarm(int signal)
{
}

/* In a time namespace: how deadlines are kept there; 0 where well. */
static int keep_deadlines(struct handle *handle)
{
	const struct sigaction interrupt = { .sa_handler = on_alarm };
	struct chring_lock_acquire none;
	int64_t deadline = now_ns() + 200000000;

	if (acquire(handle, 0, deadline, &none) != -ETIMEDOUT)
		return 102;
	if (now_ns() < deadline || now_ns() > deadline + WAIT_NS)
		return 103;
	sigaction(SIGALRM, &interrupt, NULL);
	alarm(1);
	if (acquire(handle, 0, CHRING_DEADLINE_NONE - 1, &none) != -EINTR)
		return 104;
	return acquire(handle, 0, 0, &none) == -ETIMEDOUT ? 0 : 105;
}

/* Runs keep_deadlines() where the clock is offset seconds ahead. */
static int keep_deadlines_at(const char *name, int offset)
{
	struct handle handle;
	pid_t pid;
	FILE *file;

	if (unshare(CLONE_NEWTIME))
		return 106;
	file = fopen("/proc/self/timens_offsets", "w");
	if (!file)
		return 107;
	fprintf(file, "monotonic %d 0\n", offset);
	if (fclose(file))
		return 108;
	pid = child(&handle, name, keep_deadlines(&handle));
	return status_of(pid);
}

TEST_F(lock, deadlines_are_of_the_callers_time_namespace)
{
	static const int offsets[] = { -2, 100000 };
	struct chring_lock_acquire got;
	unsigned int i;
	pid_t pid;

	ASSERT_EQ(0, acquire(&self->a, 0, CHRING_DEADLINE_NONE, &got));
	for (i = 0; i < ARRAY_SIZE(offsets); i++) {
		pid = fork();
		if (!pid)
			_exit(keep_deadlines_at(self->name, offsets[i]));
		EXPECT_EQ(0, status_of(pid))
			TH_LOG("offset %d", offsets[i]);
	}
}

TEST(bad_input_is_refused)
{
	static const struct {
		const char *name;
		uint32_t flags, mode;
		int err;
	} refused[] = {
		{ "", CHRING_OPEN_CREATE, 0, -EINVAL },
		{ "a b", CHRING_OPEN_CREATE, 0, -EINVAL },
		{ "a\tb", CHRING_OPEN_CREATE, 0, -EINVAL },
		{ "a\x80", CHRING_OPEN_CREATE, 0, -EINVAL },
		{ "0123456789012345678901234567890123456789012345678901234567890123",
		  CHRING_OPEN_CREATE, 0, -EINVAL },
		{ "basic/refused", CHRING_OPEN_CREATE, 01600, -EINVAL },
		{ "basic/refused", CHRING_OPEN_EXCLUSIVE, 0, -EINVAL },
		{ "basic/refused", CHRING_LOCK_FIFO, 0, -EINVAL },
		{ "basic/refused", 0, 0600, -EINVAL },
		{ "basic/refused", CHRING_OPEN_CREATE | 1U << 31, 0, -EINVAL },
		{ "basic/refused", 0, 0, -ENOENT },
	};
	struct chring_lock_acquire got;
	struct handle handle;
	char large[4100] = {};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(refused); i++)
		EXPECT_EQ(refused[i].err, open_lock(&handle, refused[i].name,
						    refused[i].flags,
						    refused[i].mode))
			TH_LOG("case %u", i);

	ASSERT_EQ(0, open_lock(&handle, "basic/bad", CHRING_OPEN_CREATE, 0));
	EXPECT_EQ(-EINVAL, acquire(&handle, 1U << 31, 0, &got));
	EXPECT_EQ(-EINVAL, acquire(&handle, 0, -1, &got));
	for (i = 0; i < offsetof(struct chring_lock_acquire, steps); i++) {
		got = (struct chring_lock_acquire){ .size = i };
		EXPECT_EQ(-EINVAL, result(ioctl(handle.fd, CHRING_IOC_ACQUIRE,
						&got)));
	}
	memcpy(large, &(uint32_t){ sizeof(large) }, 4);
	EXPECT_EQ(-E2BIG, result(ioctl(handle.fd, CHRING_IOC_ACQUIRE, large)));
	memcpy(large, &(uint32_t){ 200 }, 4);
	large[199] = 1;
	EXPECT_EQ(-E2BIG, result(ioctl(handle.fd, CHRING_IOC_ACQUIRE, large)));
	EXPECT_EQ(-EFAULT, result(ioctl(handle.fd, CHRING_IOC_ACQUIRE, 8)));
	EXPECT_EQ(-ENOTTY, result(ioctl(handle.fd, 0xc7ff, 0)));
	EXPECT_EQ(-ENOTTY, result(ioctl(handle.fd, CHRING_IOC_OPEN, &got)));
	large[199] = 0;
	EXPECT_EQ(0, result(ioctl(handle.fd, CHRING_IOC_ACQUIRE, large)));
	memcpy(&got, large, sizeof(got));
	EXPECT_EQ(0, release(&handle, got.token));
	close(handle.fd);
}

TEST_HARNESS_MAIN
