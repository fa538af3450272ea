// SPDX-License-Identifier: GPL-2.0
/*
 * The handles of libchring in one process: what their functions return and
 * leave, threads that share a handle, deadlines, signals, and the loss of a lock.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lock_util.h"
#include "request.h"

#define LOOK_AGAIN "/sys/module/chring/parameters/look_again_ms"

FIXTURE(lock)
{
	struct chring_lock *one;	/* a handle of the lock "l" */
	struct chring_lock *two;	/* another */
};

FIXTURE_VARIANT(lock)
{
	unsigned int flags;
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

FIXTURE_VARIANT_ADD(lock, strict_fifo)
{
	.flags = CHRING_LOCK_STRICT | CHRING_LOCK_FIFO,
};

FIXTURE_SETUP(lock)
{
	unsigned int flags = variant->flags | CHRING_LOCK_CREATE;

	ASSERT_TRUE(own_netns());
	ASSERT_EQ(0, chring_lock_open(&self->one, "l", flags, 0));
	ASSERT_EQ(0, chring_lock_open(&self->two, "l", flags, 0));
}

FIXTURE_TEARDOWN(lock)
{
	chring_lock_close(self->one);
	chring_lock_close(self->two);
}

TEST_F(lock, is_held_from_acquisition_to_release)
{
	uint64_t token;

	ASSERT_STREQ("free, 0 wait", lock_state(self->one));
	EXPECT_FALSE(chring_lock_is_held(self->one));
	EXPECT_EQ(0U, chring_lock_token(self->one));

	EXPECT_EQ(0, chring_lock_acquire(self->one));
	token = chring_lock_token(self->one);
	EXPECT_NE(0U, token);
	EXPECT_EQ(0U, chring_lock_dead_token(self->one));
	EXPECT_TRUE(chring_lock_is_held(self->one));
	EXPECT_FALSE(chring_lock_is_held(self->two));
	EXPECT_STREQ("mine, 0 wait", lock_state(self->one));
	EXPECT_STREQ("held, 0 wait", lock_state(self->two));
	EXPECT_EQ(-EBUSY, chring_lock_try(self->two));
	EXPECT_EQ(-EBUSY, chring_lock_try(self->one));
	EXPECT_EQ(-ESTALE, chring_lock_release(self->two));
	EXPECT_TRUE(chring_lock_is_held(self->one));

	EXPECT_EQ(0, chring_lock_release(self->one));
	EXPECT_FALSE(chring_lock_is_held(self->one));
	EXPECT_EQ(token, chring_lock_token(self->one));
	EXPECT_STREQ("free, 0 wait", lock_state(self->one));
	EXPECT_EQ(-ESTALE, chring_lock_release(self->one));
	EXPECT_STREQ("free, 0 wait", lock_state(self->one));

	EXPECT_EQ(0, chring_lock_try(self->two));
	EXPECT_LT(token, chring_lock_token(self->two));
	EXPECT_EQ(0, chring_lock_release(self->two));
}

TEST_F(lock, tokens_rise_across_handles_and_re_creation)
{
	unsigned int flags = variant->flags | CHRING_LOCK_CREATE;
	struct chring_lock *lock;
	uint64_t token = 0;
	int i;

	for (i = 0; i < 100; i++) {
		lock = i & 1 ? self->one : self->two;
		ASSERT_EQ(0, chring_lock_acquire(lock));
		ASSERT_LT(token, chring_lock_token(lock));
		token = chring_lock_token(lock);
		ASSERT_EQ(0, chring_lock_release(lock));
	}
	for (i = 0; i < 3; i++) {
		chring_lock_close(self->one);
		chring_lock_close(self->two);
		ASSERT_EQ(0, chring_lock_open(&self->one, "l",
					      flags | CHRING_LOCK_EXCLUSIVE, 0));
		ASSERT_EQ(0, chring_lock_open(&self->two, "l", flags, 0));
		ASSERT_EQ(0, chring_lock_acquire(self->two));
		ASSERT_LT(token, chring_lock_token(self->two));
		token = chring_lock_token(self->two);
	}
}

TEST_F(lock, close_releases)
{
	ASSERT_EQ(0, chring_lock_acquire(self->one));
	chring_lock_close(self->one);
	self->one = NULL;
	EXPECT_EQ(0, chring_lock_try(self->two));
	EXPECT_EQ(0U, chring_lock_dead_token(self->two));
}

/* ---- deadlines and signals */

static struct timespec in_ms(int ms)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	time.tv_nsec += ms % 1000 * 1000000L;
	time.tv_sec += ms / 1000 + time.tv_nsec / 1000000000;
	time.tv_nsec %= 1000000000;
	return time;
}

TEST_F(lock, free_lock_is_acquired_whatever_the_deadline)
{
	struct timespec times[] = {
		{ 0, 0 }, { -1, 0 }, { LONG_MIN, 999999999 }, in_ms(-1000),
		in_ms(1000), { LONG_MAX / 1000000000, 999999999 },
		{ LONG_MAX, 999999999 },
	};
	size_t i;

	for (i = 0; i < elements(times); i++) {
		ASSERT_EQ(0, chring_lock_acquire_until(self->one, &times[i]));
		ASSERT_EQ(0, chring_lock_release(self->one));
	}
	ASSERT_EQ(0, chring_lock_acquire_until(self->one, NULL));
}

TEST_F(lock, held_lock_times_out_at_the_deadline)
{
	struct timespec times[] = {
		{ 0, 0 }, { -1, 0 }, { LONG_MIN, 0 }, in_ms(-1000),
	};
	struct timespec wrong[] = { { 1, -1 }, { 1, 1000000000 } };
	struct timespec soon;
	long begin;
	size_t i;

	ASSERT_EQ(0, chring_lock_acquire(self->one));
	for (i = 0; i < elements(times); i++)
		ASSERT_EQ(-ETIMEDOUT,
			  chring_lock_acquire_until(self->two, &times[i]));
	for (i = 0; i < elements(wrong); i++)
		ASSERT_EQ(-EINVAL,
			  chring_lock_acquire_until(self->two, &wrong[i]));

	begin = milliseconds();
	soon = in_ms(100);
	EXPECT_EQ(-ETIMEDOUT, chring_lock_acquire_until(self->two, &soon));
	EXPECT_LE(begin + 99, milliseconds());
	EXPECT_STREQ("mine, 0 wait", lock_state(self->one));
}

static volatile int signals;

static void count_signal(int signal)
{
	signals++;
}

/* Let SIGALRM come every 10 ms. */
static void alarms(int flags)
{
	struct sigaction action = {
		.sa_handler	= count_signal,
		.sa_flags	= flags,
	};
	struct itimerval timer = {
		.it_value.tv_usec	= 10000,
		.it_interval.tv_usec	= 10000,
	};

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

TEST_F(lock, signal_without_sa_restart_interrupts)
{
	ASSERT_EQ(0, chring_lock_acquire(self->one));
	alarms(0);
	EXPECT_EQ(-EINTR, chring_lock_acquire(self->two));
	EXPECT_NE(0, signals);
	EXPECT_STREQ("mine, 0 wait", lock_state(self->one));
	EXPECT_FALSE(chring_lock_is_held(self->two));
}

TEST_F(lock, signals_with_sa_restart_do_not_move_the_deadline)
{
	struct timespec soon;
	long begin;

	ASSERT_EQ(0, chring_lock_acquire(self->one));
	alarms(SA_RESTART);
	begin = milliseconds();
	soon = in_ms(200);
	EXPECT_EQ(-ETIMEDOUT, chring_lock_acquire_until(self->two, &soon));
	EXPECT_LE(begin + 199, milliseconds());
	EXPECT_LT(1, signals);
	EXPECT_STREQ("mine, 0 wait", lock_state(self->one));
}

/* ---- threads */

/* A thread that acquires; what it got is in @ret once it is joined. */
struct taker {
	struct chring_lock *lock;
	pthread_t thread;
	int ret;
	uint64_t token;
};

static void *take(void *arg)
{
	struct taker *taker = arg;

	taker->ret = chring_lock_acquire(taker->lock);
	taker->token = chring_lock_token(taker->lock);
	return NULL;
}

static void *give(void *arg)
{
	struct taker *taker = arg;

	taker->ret = chring_lock_release(taker->lock);
	return NULL;
}

static bool begin(struct taker *taker, struct chring_lock *lock,
		  void *(*run)(void *))
{
	taker->lock = lock;
	taker->ret = 1000;
	return !pthread_create(&taker->thread, NULL, run, taker);
}

TEST_F(lock, thread_does_not_wait_for_itself)
{
	struct timespec soon = in_ms(60000);

	ASSERT_EQ(0, chring_lock_acquire(self->one));
	EXPECT_EQ(-EDEADLK, chring_lock_acquire(self->one));
	EXPECT_EQ(-EDEADLK, chring_lock_acquire_until(self->one, &soon));
	EXPECT_TRUE(chring_lock_is_held(self->one));
	EXPECT_EQ(0, chring_lock_release(self->one));
	/* Nor is it mistaken in what it holds no longer, or another holds. */
	EXPECT_EQ(0, chring_lock_acquire(self->two));
	soon = in_ms(20);
	EXPECT_EQ(-ETIMEDOUT, chring_lock_acquire_until(self->one, &soon));
	EXPECT_EQ(0, chring_lock_release(self->two));
	EXPECT_EQ(0, chring_lock_acquire(self->one));
}

TEST_F(lock, threads_wait_for_each_other)
{
	struct taker taker;
	uint64_t token;

	ASSERT_EQ(0, chring_lock_acquire(self->one));
	token = chring_lock_token(self->one);
	ASSERT_TRUE(begin(&taker, self->one, take));
	ASSERT_TRUE(lock_waits(self->one, 1));
	EXPECT_EQ(-EDEADLK, chring_lock_acquire(self->one));
	EXPECT_EQ(0, chring_lock_release(self->one));
	pthread_join(taker.thread, NULL);
	EXPECT_EQ(0, taker.ret);
	EXPECT_LT(token, taker.token);
	EXPECT_FALSE(chring_lock_is_held(self->one));
	EXPECT_STREQ("mine, 0 wait", lock_state(self->one));
}

static void *take_in_time(void *arg)
{
	struct taker *taker = arg;
	struct timespec end = in_ms(WAIT_MS);

	taker->ret = chring_lock_acquire_until(taker->lock, &end);
	return NULL;
}

/* Nobody looks by himself: if this wake-up is lost, there is no other. */
TEST_F_TIMEOUT(lock, release_wakes_who_waits, 120)
{
	long look_again = read_number(LOOK_AGAIN);
	struct taker taker;

	ASSERT_TRUE(write_number(LOOK_AGAIN, 3600000));
	EXPECT_EQ(0, chring_lock_acquire(self->one));
	EXPECT_TRUE(begin(&taker, self->two, take_in_time));
	EXPECT_TRUE(lock_waits(self->one, 1));
	EXPECT_EQ(0, chring_lock_release(self->one));
	pthread_join(taker.thread, NULL);
	EXPECT_EQ(0, taker.ret);
	EXPECT_TRUE(write_number(LOOK_AGAIN, look_again));
}

TEST_F(lock, thread_releases_only_its_own)
{
	struct taker giver;

	ASSERT_TRUE(begin(&giver, self->one, give));
	pthread_join(giver.thread, NULL);
	EXPECT_EQ(-ESTALE, giver.ret);

	ASSERT_EQ(0, chring_lock_acquire(self->one));
	ASSERT_TRUE(begin(&giver, self->one, give));
	pthread_join(giver.thread, NULL);
	EXPECT_EQ(-EPERM, giver.ret);
	EXPECT_TRUE(chring_lock_is_held(self->one));
	EXPECT_EQ(0, chring_lock_release(self->one));

	ASSERT_TRUE(begin(&giver, self->one, give));
	pthread_join(giver.thread, NULL);
	EXPECT_EQ(-ESTALE, giver.ret);
}

TEST_F(lock, any_thread_releases_if_told_so)
{
	struct chring_lock *lock;
	struct taker taker;

	ASSERT_EQ(0, chring_lock_open(&lock, "l", CHRING_LOCK_ANY_THREAD, 0));
	ASSERT_TRUE(begin(&taker, lock, take));
	pthread_join(taker.thread, NULL);
	EXPECT_EQ(0, taker.ret);
	EXPECT_TRUE(chring_lock_is_held(lock));

	/* One that holds the lock waits for it, until another releases it. */
	ASSERT_TRUE(begin(&taker, lock, take));
	ASSERT_TRUE(lock_waits(self->one, 1));
	EXPECT_EQ(0, chring_lock_release(lock));
	pthread_join(taker.thread, NULL);
	EXPECT_EQ(0, taker.ret);
	EXPECT_EQ(0, chring_lock_release(lock));
	EXPECT_FALSE(chring_lock_is_held(lock));
	EXPECT_EQ(-ESTALE, chring_lock_release(lock));
	chring_lock_close(lock);
}

#define THREADS 4
#define ROUNDS 2000

static struct chring_lock *shared;
static uint64_t last_token;
static volatile int inside;
static unsigned long entries;

static void *enter_and_leave(void *arg)
{
	intptr_t odd = 0;
	uint64_t token;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		if (chring_lock_acquire(shared))
			odd++;
		token = chring_lock_token(shared);
		odd += inside++ || token <= last_token ||
		       !chring_lock_is_held(shared);
		last_token = token;
		entries++;
		inside--;
		if (chring_lock_release(shared))
			odd++;
	}
	return (void *)odd;
}

TEST_F(lock, threads_of_one_handle_exclude_each_other)
{
	pthread_t threads[THREADS];
	void *odd;
	int i;

	shared = self->one;
	for (i = 0; i < THREADS; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, enter_and_leave,
					    NULL));
	for (i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &odd);
		EXPECT_EQ(NULL, odd);
	}
	EXPECT_EQ(0U + THREADS * ROUNDS, entries);
	EXPECT_STREQ("free, 0 wait", lock_state(self->one));
}

/* ---- losing it */

TEST_F(lock, broken_lock_is_lost_and_told)
{
	struct pollfd poller = { .fd = chring_lock_fd(self->one) };
	uint64_t token;

	ASSERT_LE(0, poller.fd);
	ASSERT_EQ(0, chring_lock_acquire(self->one));
	token = chring_lock_token(self->one);
	EXPECT_EQ(0, poll(&poller, 1, 0));

	ASSERT_EQ(0, lock_break("l"));
	EXPECT_EQ(1, poll(&poller, 1, WAIT_MS));
	EXPECT_EQ(POLLERR, poller.revents);
	EXPECT_FALSE(chring_lock_is_held(self->one));
	EXPECT_EQ(-ESTALE, chring_lock_release(self->one));
	EXPECT_EQ(0, poll(&poller, 1, 0));

	EXPECT_EQ((int)CHRING_NEWS_BROKEN, chring_lock_acquire(self->two));
	EXPECT_EQ(token, chring_lock_dead_token(self->two));
	EXPECT_LT(token, chring_lock_token(self->two));
	EXPECT_EQ(-ESTALE, chring_lock_release(self->one));
	EXPECT_TRUE(chring_lock_is_held(self->two));
	EXPECT_EQ(0, chring_lock_release(self->two));
	EXPECT_EQ(0, chring_lock_acquire(self->one));
	EXPECT_EQ(0U, chring_lock_dead_token(self->one));
}

TEST_F(lock, late_release_does_not_hit_another_thread)
{
	struct taker taker;

	ASSERT_EQ(0, chring_lock_acquire(self->one));
	ASSERT_TRUE(begin(&taker, self->one, take));
	ASSERT_TRUE(lock_waits(self->one, 1));
	ASSERT_EQ(0, lock_break("l"));
	pthread_join(taker.thread, NULL);
	EXPECT_EQ((int)CHRING_NEWS_BROKEN, taker.ret);
	EXPECT_EQ(-EPERM, chring_lock_release(self->one));
	EXPECT_STREQ("mine, 0 wait", lock_state(self->one));
}

TEST_F(lock, death_of_the_holder_is_told_once)
{
	uint64_t token;
	pid_t child;
	int status;

	ASSERT_EQ(0, chring_lock_acquire(self->one));
	token = chring_lock_token(self->one);
	ASSERT_EQ(0, chring_lock_release(self->one));
	child = fork();
	if (!child) {
		chring_lock_acquire(self->one);
		raise(SIGKILL);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	ASSERT_TRUE(WIFSIGNALED(status));

	EXPECT_EQ((int)CHRING_NEWS_OWNER_DIED, chring_lock_acquire(self->one));
	EXPECT_EQ(token + 1, chring_lock_dead_token(self->one));
	EXPECT_EQ(0, chring_lock_release(self->one));
	EXPECT_EQ(0, chring_lock_acquire(self->one));
	EXPECT_EQ(0U, chring_lock_dead_token(self->one));
	EXPECT_EQ(0, chring_lock_release(self->one));
	EXPECT_EQ(0, chring_lock_acquire(self->two));
	EXPECT_EQ(0U, chring_lock_dead_token(self->two));
}

/* ---- news that stay */

/* Leaves a lock behind whose holder has died; returns that one's token. */
static uint64_t die_with(struct chring_lock *lock)
{
	uint64_t token;
	pid_t child;

	chring_lock_acquire(lock);
	token = chring_lock_token(lock);
	chring_lock_release(lock);
	child = fork();
	if (!child) {
		chring_lock_acquire(lock);
		raise(SIGKILL);
	}
	waitpid(child, NULL, 0);
	lock_is(lock, "free, 0 wait, owner died");
	return token + 1;
}

TEST_F(lock, news_of_a_sticky_lock_stay_until_consistent)
{
	const int died = CHRING_NEWS_OWNER_DIED, broken = CHRING_NEWS_BROKEN;
	unsigned int flags = variant->flags | CHRING_LOCK_CREATE;
	struct chring_lock *one, *two;
	struct taker taker;
	uint64_t dead;

	flags |= CHRING_LOCK_STICKY;
	ASSERT_EQ(0, chring_lock_open(&one, "s", flags, 0));
	ASSERT_EQ(0, chring_lock_open(&two, "s", 0, 0));
	dead = die_with(one);
	ASSERT_STREQ("free, 0 wait, owner died", lock_state(one));
	EXPECT_EQ(died, chring_lock_acquire(one));
	EXPECT_EQ(dead, chring_lock_dead_token(one));
	EXPECT_TRUE(chring_lock_is_held(one));
	EXPECT_STREQ("mine, 0 wait, owner died", lock_state(one));
	EXPECT_EQ(-ESTALE, chring_lock_consistent(two));

	/* Who waits meanwhile is told as well, */
	ASSERT_TRUE(begin(&taker, two, take));
	ASSERT_TRUE(lock_waits(one, 1));
	EXPECT_EQ(0, chring_lock_release(one));
	pthread_join(taker.thread, NULL);
	EXPECT_EQ(died, taker.ret);
	EXPECT_EQ(dead, chring_lock_dead_token(two));
	EXPECT_EQ(-EPERM, chring_lock_consistent(two));

	/* and of what befell that one. */
	dead = chring_lock_token(two);
	ASSERT_EQ(0, lock_break("s"));
	EXPECT_EQ(died | broken, chring_lock_try(one));
	EXPECT_EQ(dead, chring_lock_dead_token(one));
	EXPECT_EQ(0, chring_lock_consistent(one));
	EXPECT_STREQ("mine, 0 wait", lock_state(one));
	EXPECT_EQ(0, chring_lock_consistent(one));
	EXPECT_EQ(0, chring_lock_release(one));
	EXPECT_EQ(-ESTALE, chring_lock_consistent(one));
	EXPECT_EQ(0, chring_lock_acquire(two));
	EXPECT_EQ(0U, chring_lock_dead_token(two));
	EXPECT_EQ(0, chring_lock_release(two));
	chring_lock_close(one);
	chring_lock_close(two);
}

TEST_F(lock, news_of_others_need_nobody_to_be_consistent)
{
	die_with(self->one);
	EXPECT_EQ((int)CHRING_NEWS_OWNER_DIED, chring_lock_acquire(self->one));
	EXPECT_EQ(0, chring_lock_consistent(self->one));
	EXPECT_EQ(0, chring_lock_release(self->one));
	EXPECT_EQ(0, chring_lock_acquire(self->two));
}

/* ---- shutting down */

static struct chring_lock *ended;

static void end_by_signal(int signal)
{
	chring_lock_shutdown(ended);
	_exit(signal);
}

/* By a signal that comes while it holds the lock, or waits for it. */
TEST_F(lock, shutdown_by_a_signal_is_no_death)
{
	bool holds;
	pid_t child;
	int status;

	for (holds = false;; holds = true) {
		ASSERT_EQ(0, chring_lock_acquire(self->one));
		child = fork();
		if (!child) {
			ended = self->one;
			signal(SIGTERM, end_by_signal);
			chring_lock_acquire(self->one);
			for (;;)
				pause();
		}
		ASSERT_TRUE(lock_waits(self->two, 1));
		if (holds) {
			ASSERT_EQ(0, chring_lock_release(self->one));
			ASSERT_TRUE(lock_waits(self->two, 0));
			ASSERT_TRUE(lock_is(self->two, "held, 0 wait"));
		}
		kill(child, SIGTERM);
		ASSERT_EQ(child, waitpid(child, &status, 0));
		EXPECT_TRUE(WIFEXITED(status));
		EXPECT_EQ(SIGTERM, WEXITSTATUS(status));
		if (holds)
			break;
		EXPECT_STREQ("mine, 0 wait", lock_state(self->one));
		ASSERT_EQ(0, chring_lock_release(self->one));
	}
	EXPECT_STREQ("free, 0 wait", lock_state(self->one));
	EXPECT_EQ(0, chring_lock_acquire(self->one));
}

TEST_F(lock, shutdown_ends_the_handle_and_who_waits_by_it)
{
	struct taker taker;

	ASSERT_EQ(0, chring_lock_acquire(self->two));
	ASSERT_TRUE(begin(&taker, self->one, take));
	ASSERT_TRUE(lock_waits(self->two, 1));
	chring_lock_shutdown(self->one);
	pthread_join(taker.thread, NULL);
	EXPECT_EQ(-ESTALE, taker.ret);
	EXPECT_STREQ("mine, 0 wait", lock_state(self->two));
	chring_lock_shutdown(self->two);
	EXPECT_FALSE(chring_lock_is_held(self->two));
	EXPECT_EQ(-ESTALE, chring_lock_release(self->two));
	chring_lock_shutdown(self->two);
	EXPECT_STREQ(strerror(ESTALE), lock_state(self->two));
}

/* ---- what cannot be opened */

TEST(odd_arguments_open_nothing)
{
	static const struct {
		const char *name;
		unsigned int flags;
		mode_t mode;
		int ret;
	} cases[] = {
		{ "", CHRING_LOCK_CREATE, 0, -EINVAL },
		{ "a b", CHRING_LOCK_CREATE, 0, -EINVAL },
		{ "a\n", CHRING_LOCK_CREATE, 0, -EINVAL },
		{ "caf\xc3\xa9", CHRING_LOCK_CREATE, 0, -EINVAL },
		{ "l", CHRING_LOCK_EXCLUSIVE, 0, -EINVAL },
		{ "l", CHRING_LOCK_FIFO, 0, -EINVAL },
		{ "l", CHRING_LOCK_STRICT, 0, -EINVAL },
		{ "l", CHRING_LOCK_CREATE | 1U << 31, 0, -EINVAL },
		{ "l", CHRING_LOCK_CREATE | 1U << 7, 0, -EINVAL },
		{ "l", CHRING_LOCK_CREATE, 01000, -EINVAL },
		{ "l", 0, 0, -ENOENT },
	};
	struct chring_lock *untouched = (void *)cases;
	struct chring_lock *lock = untouched;
	char name[1000];
	size_t i;

	ASSERT_TRUE(own_netns());
	for (i = 0; i < elements(cases); i++) {
		EXPECT_EQ(cases[i].ret,
			  chring_lock_open(&lock, cases[i].name, cases[i].flags,
					   cases[i].mode))
			TH_LOG("case %zu", i);
		EXPECT_EQ(untouched, lock);
	}

	memset(name, 'x', sizeof(name));
	for (i = sizeof(name) - 1; i > CHRING_NAME_MAX; i /= 2) {
		name[i] = '\0';
		EXPECT_EQ(-EINVAL, chring_lock_open(&lock, name,
						    CHRING_LOCK_CREATE, 0));
	}
	name[CHRING_NAME_MAX] = '\0';
	ASSERT_EQ(0, chring_lock_open(&lock, name, CHRING_LOCK_CREATE, 0));
	EXPECT_EQ(-EEXIST, chring_lock_open(&untouched, name,
					    CHRING_LOCK_CREATE |
					    CHRING_LOCK_EXCLUSIVE, 0));
	chring_lock_close(lock);
	EXPECT_EQ(-ENOENT, chring_lock_open(&lock, name, 0, 0));
	chring_lock_close(NULL);
}

TEST(every_errno_has_a_sentence)
{
	int err;

	for (err = 0; err < 200; err++) {
		const char *text = chring_lock_strerror(err);

		EXPECT_NE('\0', *text);
		EXPECT_EQ(NULL, strchr(text, '\n'));
		EXPECT_NE('.', text[strlen(text) - 1]);
		EXPECT_STREQ(text, chring_lock_strerror(-err));
	}
	EXPECT_STREQ("somebody holds the lock", chring_lock_strerror(-EBUSY));
}

TEST_HARNESS_MAIN
