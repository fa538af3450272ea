// SPDX-License-Identifier: GPL-2.0
/*
 * Locks that are asked for and not waited for: who is told of a grant, and how; in
 * which order they are granted; and that no grant is lost, in whatever way the one
 * who asked goes away.
 */
#define _GNU_SOURCE		/* gettid, unshare */
#include <chring.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lock_raw.h"
#include "lock_util.h"

#define SHARED	CHRING_ACQUIRE_SHARED
#define TRY	CHRING_ACQUIRE_TRY
#define SELF	CHRING_ACQUIRE_SELF
#define ALONE	0

#define HANDLES 4
#define SHORT_MS 50
#define LONG_MS 3600000
#define RACES 500
#define RACES_MS 2000
#define MANY 1000
#define REFCOUNT "/sys/module/chring/refcnt"

#define state(handle) lock_state_of((handle)->fd)

#define EXPECT_STATE(handle, expected)					\
	EXPECT_STREQ(expected, state(handle))

#define is(handle, expected) wait_until(!strcmp(expected, state(handle)))

static bool is_done(const struct handle *handle)
{
	return handle_poll(handle) & POLLIN;
}

/* Asks for a lock that is not to be had yet. */
static int ask(const struct handle *handle, unsigned int flags)
{
	struct chring_lock_acquire none;

	return handle_ask(handle, flags, 0, &none);
}

/* Collects what is done, and lets go of it. Returns the token, 0 for errors. */
static uint64_t collect_and_release(const struct handle *handle)
{
	struct chring_lock_finish got;

	if (handle_finish(handle, &got) || handle_release(handle, got.token))
		return 0;
	return got.token;
}

FIXTURE(async)
{
	struct handle handle[HANDLES];
	struct chring_lock_acquire held;	/* by the first */
	char name[32];
};

FIXTURE_VARIANT(async)
{
	unsigned int flags;
};

FIXTURE_VARIANT_ADD(async, adaptive)
{
	.flags = 0,
};

FIXTURE_VARIANT_ADD(async, fifo)
{
	.flags = CHRING_LOCK_FIFO,
};

FIXTURE_VARIANT_ADD(async, strict)
{
	.flags = CHRING_LOCK_STRICT,
};

FIXTURE_SETUP(async)
{
	/* Some tests leave news, with which a lock stays */
	ASSERT_EQ(0, unshare(CLONE_NEWNET));
	snprintf(self->name, sizeof(self->name), "async/%d", getpid());
	ASSERT_EQ(0, handles_open(self->handle, HANDLES, self->name,
				  variant->flags, 0));
	ASSERT_EQ(0, handle_try(&self->handle[0], &self->held));
}

FIXTURE_TEARDOWN(async)
{
	handles_close(self->handle, HANDLES);
}

#define A (&self->handle[0])
#define B (&self->handle[1])
#define C (&self->handle[2])
#define D (&self->handle[3])

/* ---- asking, being told, collecting */

TEST_F(async, free_lock_is_had_at_once)
{
	struct chring_lock_acquire got;
	struct chring_lock_finish none;

	ASSERT_EQ(0, handle_release(A, self->held.token));
	ASSERT_EQ(0, handle_ask(B, 0, 0, &got));
	EXPECT_EQ(self->held.token + 1, got.token);
	EXPECT_STATE(B, "mine, 0 wait");
	EXPECT_EQ(0, handle_poll(B));
	EXPECT_EQ(-ENODATA, handle_finish(B, &none));
	EXPECT_EQ(-ENODATA, handle_cancel(B));
	EXPECT_STATE(B, "mine, 0 wait");
	ASSERT_EQ(0, handle_release(B, got.token));
}

TEST_F(async, grant_is_told_by_poll_and_collected_once)
{
	struct chring_lock_finish got, none;

	ASSERT_EQ(-EINPROGRESS, ask(B, 0));
	EXPECT_STATE(B, "held, 1 wait");
	EXPECT_EQ(0, handle_poll(B));
	EXPECT_EQ(-EAGAIN, handle_finish(B, &got));
	EXPECT_STATE(A, "mine, 1 wait");

	ASSERT_EQ(0, handle_release(A, self->held.token));
	EXPECT_STATE(B, "mine, 0 wait");
	EXPECT_EQ(POLLIN, handle_poll(B));
	EXPECT_EQ(0, handle_poll(C));
	memset(&got, 0xff, sizeof(got));
	ASSERT_EQ(0, handle_finish(B, &got));
	EXPECT_EQ(self->held.token + 1, got.token);
	EXPECT_EQ((got.token & CHRING_LOCK_SEQ_MAX) << CHRING_LOCK_SEQ_SHIFT |
		  (uint64_t)B->id << CHRING_LOCK_OWNER_SHIFT, got.word);
	EXPECT_EQ(0U, got.news);
	EXPECT_EQ(0U, got.dead_token);
	EXPECT_EQ(0U, got.pad);
	EXPECT_EQ(0, handle_poll(B));
	EXPECT_EQ(-ENODATA, handle_finish(B, &none));
	EXPECT_STATE(B, "mine, 0 wait");
	/* By the word, where there is one: nobody waits */
	ASSERT_TRUE(B->word ? word_release(B, got.token) :
			      !handle_release(B, got.token));
	EXPECT_STATE(B, "free, 0 wait");
}

TEST_F(async, handle_has_one_request_at_a_time)
{
	struct chring_lock_acquire got;

	ASSERT_EQ(-EINPROGRESS, ask(B, 0));
	EXPECT_EQ(-EALREADY, ask(B, 0));
	EXPECT_EQ(-EALREADY, ask(B, SHARED));
	EXPECT_STATE(A, "mine, 1 wait");
	ASSERT_EQ(0, handle_release(A, self->held.token));
	EXPECT_EQ(-EALREADY, ask(B, 0));
	EXPECT_EQ(-EALREADY, ask(B, SELF));
	ASSERT_EQ(self->held.token + 1, collect_and_release(B));
	ASSERT_EQ(0, handle_ask(B, 0, 0, &got));
	ASSERT_EQ(0, handle_release(B, got.token));
}

struct event {
	int epoll;
	pid_t tid;
	int result;
	struct epoll_event event;
};

static void *event_run(void *data)
{
	struct event *event = data;

	__atomic_store_n(&event->tid, gettid(), __ATOMIC_RELEASE);
	event->result = epoll_wait(event->epoll, &event->event, 1, PATIENCE_MS);
	return NULL;
}

static bool event_sleeps(const struct event *event)
{
	pid_t tid = __atomic_load_n(&event->tid, __ATOMIC_ACQUIRE);

	return tid && sleeps(tid);
}

static void expect_event(struct __test_metadata *_metadata,
			 struct _test_data_async *self, unsigned int edge)
{
	struct epoll_event events = { .events = EPOLLIN | edge };
	struct event event = { .epoll = epoll_create1(0) };
	pthread_t thread;

	ASSERT_LE(0, event.epoll);
	ASSERT_EQ(0, epoll_ctl(event.epoll, EPOLL_CTL_ADD, C->fd, &events));
	events.data.u32 = 7;
	ASSERT_EQ(0, epoll_ctl(event.epoll, EPOLL_CTL_ADD, B->fd, &events));
	ASSERT_EQ(-EINPROGRESS, ask(B, 0));
	EXPECT_EQ(0, epoll_wait(event.epoll, &event.event, 1, 0));
	ASSERT_EQ(0, pthread_create(&thread, NULL, event_run, &event));
	ASSERT_TRUE(wait_until(event_sleeps(&event)));
	ASSERT_EQ(0, handle_release(A, self->held.token));
	pthread_join(thread, NULL);
	EXPECT_EQ(1, event.result);
	EXPECT_EQ((uint32_t)EPOLLIN, event.event.events);
	EXPECT_EQ(7U, event.event.data.u32);
	EXPECT_EQ(edge ? 0 : 1, epoll_wait(event.epoll, &event.event, 1, 0));
	ASSERT_EQ(self->held.token + 1, collect_and_release(B));
	EXPECT_EQ(0, epoll_wait(event.epoll, &event.event, 1, 0));
	ASSERT_EQ(0, handle_try(A, &self->held));
	close(event.epoll);
}

TEST_F(async, epoll_wakes_who_sleeps_for_events)
{
	expect_event(_metadata, self, 0);
	expect_event(_metadata, self, EPOLLET);
}

/* ---- the order */

TEST_F(async, those_who_sleep_and_those_who_do_not_have_it_as_they_came)
{
	struct sleeper sleeper;

	ASSERT_EQ(-EINPROGRESS, ask(B, 0));
	ASSERT_TRUE(sleeper_queue(&sleeper, C, ALONE, 1));
	ASSERT_EQ(-EINPROGRESS, ask(D, 0));
	EXPECT_STATE(A, "mine, 3 wait");
	ASSERT_EQ(0, handle_release(A, self->held.token));
	ASSERT_TRUE(is_done(B));
	EXPECT_STATE(B, "mine, 2 wait");
	ASSERT_EQ(self->held.token + 1, collect_and_release(B));
	ASSERT_EQ(0, sleeper_end(&sleeper));
	EXPECT_EQ(self->held.token + 2, sleeper.got.token);
	EXPECT_FALSE(is_done(D));
	ASSERT_EQ(0, handle_release(C, sleeper.got.token));
	ASSERT_TRUE(is_done(D));
	EXPECT_EQ(self->held.token + 3, collect_and_release(D));
	EXPECT_STATE(A, "free, 0 wait");
}

/* There is nobody who could be nudged: it is handed over, whatever the lock. */
TEST_F(async, nobody_barges_in)
{
	struct chring_lock_acquire none;
	uint64_t token;

	ASSERT_EQ(-EINPROGRESS, ask(B, 0));
	ASSERT_EQ(0, handle_release(A, self->held.token));
	if (A->word)
		EXPECT_FALSE(word_take(A, &token));
	EXPECT_EQ(-EBUSY, handle_try(A, &none));
	EXPECT_EQ(-EINPROGRESS, ask(A, 0));
	EXPECT_EQ(self->held.token + 1, collect_and_release(B));
	EXPECT_EQ(self->held.token + 2, collect_and_release(A));
}

TEST_F(async, release_by_the_word_is_the_kernels_while_one_waits)
{
	uint64_t token;

	if (!A->word)
		return;
	ASSERT_TRUE(word_release(A, self->held.token));
	ASSERT_TRUE(word_take(A, &token));
	ASSERT_EQ(-EINPROGRESS, ask(B, 0));
	EXPECT_FALSE(word_release(A, token));
	ASSERT_EQ(0, handle_release(A, token));
	EXPECT_EQ(token + 1, collect_and_release(B));
	ASSERT_TRUE(word_take(A, &token));
	ASSERT_TRUE(word_release(A, token));
}

TEST_F(async, wiped_word_is_looked_at_again)
{
	uint64_t token;

	if (!A->word)
		return;
	ASSERT_TRUE(word_release(A, self->held.token));
	ASSERT_TRUE(word_take(A, &token));
	ASSERT_EQ(-EINPROGRESS, ask(B, 0));
	__atomic_fetch_and(A->word, ~CHRING_LOCK_FLAGS, __ATOMIC_RELAXED);
	EXPECT_TRUE(word_release(A, token));
	ASSERT_TRUE(wait_until(is_done(B)));
	EXPECT_EQ(token + 1, collect_and_release(B));
}

TEST_F(async, those_who_share_it_are_granted_together)
{
	struct chring_lock_finish got[2];

	ASSERT_EQ(-EINPROGRESS, ask(B, SHARED));
	ASSERT_EQ(-EINPROGRESS, ask(C, SHARED));
	ASSERT_EQ(-EINPROGRESS, ask(D, ALONE));
	ASSERT_EQ(0, handle_release(A, self->held.token));
	ASSERT_TRUE(is_done(B));
	ASSERT_TRUE(is_done(C));
	EXPECT_FALSE(is_done(D));
	ASSERT_EQ(0, handle_finish(B, &got[0]));
	ASSERT_EQ(0, handle_finish(C, &got[1]));
	EXPECT_EQ(self->held.token + 1, got[0].token);
	EXPECT_EQ(self->held.token + 2, got[1].token);
	EXPECT_EQ(CHRING_LOCK_NO_WORD, got[0].word);
	/* Behind one who wants it alone nobody shares it any more */
	EXPECT_EQ(-EINPROGRESS, ask(A, SHARED));
	ASSERT_EQ(0, handle_release(B, got[0].token));
	EXPECT_FALSE(is_done(D));
	ASSERT_EQ(0, handle_release(C, got[1].token));
	EXPECT_EQ(self->held.token + 3, collect_and_release(D));
	EXPECT_EQ(self->held.token + 4, collect_and_release(A));
}

TEST_F(async, share_that_is_cancelled_lets_in_who_wants_it_alone)
{
	ASSERT_EQ(-EINPROGRESS, ask(B, SHARED));
	ASSERT_EQ(-EINPROGRESS, ask(C, ALONE));
	ASSERT_EQ(-EINPROGRESS, ask(D, SHARED));
	ASSERT_EQ(0, handle_release(A, self->held.token));
	ASSERT_TRUE(is_done(B));
	EXPECT_FALSE(is_done(C));
	ASSERT_EQ(0, handle_cancel(B));
	ASSERT_TRUE(is_done(C));
	EXPECT_FALSE(is_done(D));
	/* One in the way goes: who shares it gets it with those who do */
	ASSERT_EQ(-EINPROGRESS, ask(B, ALONE));
	ASSERT_EQ(0, handle_cancel(C));
	ASSERT_TRUE(is_done(D));
	EXPECT_EQ(-EINPROGRESS, ask(A, SHARED));
	ASSERT_EQ(0, handle_cancel(B));
	ASSERT_TRUE(is_done(A));
	EXPECT_STATE(A, "mine, 0 wait");
}

/* ---- cancelling */

TEST_F(async, cancelled_request_waits_no_longer)
{
	struct chring_lock_finish none;

	ASSERT_EQ(-EINPROGRESS, ask(B, 0));
	ASSERT_EQ(0, handle_cancel(B));
	EXPECT_STATE(A, "mine, 0 wait");
	EXPECT_EQ(-ENODATA, handle_cancel(B));
	EXPECT_EQ(-ENODATA, handle_finish(B, &none));
	ASSERT_EQ(0, handle_release(A, self->held.token));
	EXPECT_STATE(B, "free, 0 wait");
	EXPECT_EQ(0, handle_poll(B));
}

TEST_F(async, cancelled_grant_is_passed_on)
{
	struct chring_lock_finish got;
	struct sleeper sleeper;

	ASSERT_EQ(-EINPROGRESS, ask(B, 0));
	ASSERT_EQ(-EINPROGRESS, ask(C, 0));
	ASSERT_TRUE(sleeper_queue(&sleeper, D, ALONE, 2));
	ASSERT_EQ(0, handle_release(A, self->held.token));
	ASSERT_TRUE(is_done(B));
	ASSERT_EQ(0, handle_cancel(B));
	EXPECT_EQ(0, handle_poll(B));
	EXPECT_EQ(-ENODATA, handle_finish(B, &got));
	/* To one who does not sleep, then to one who does */
	ASSERT_TRUE(is_done(C));
	EXPECT_STATE(C, "mine, 1 wait");
	ASSERT_EQ(0, handle_cancel(C));
	ASSERT_EQ(0, sleeper_end(&sleeper));
	EXPECT_EQ(self->held.token + 3, sleeper.got.token);
	EXPECT_EQ(0U, sleeper.got.news);
	/* Then there is nobody */
	ASSERT_EQ(-EINPROGRESS, ask(B, 0));
	ASSERT_EQ(0, handle_release(D, sleeper.got.token));
	ASSERT_EQ(0, handle_cancel(B));
	EXPECT_STATE(A, "free, 0 wait");
}

struct canceller {
	pthread_barrier_t barrier;
	struct handle *handle;
	int result;
};

static void *canceller_run(void *data)
{
	struct canceller *canceller = data;
	int i;

	for (i = 0; i < RACES; i++) {
		pthread_barrier_wait(&canceller->barrier);
		canceller->result = handle_cancel(canceller->handle);
		pthread_barrier_wait(&canceller->barrier);
	}
	return NULL;
}

/* Whichever comes first, the next one has the lock. */
TEST_F(async, grant_that_meets_a_cancel_is_passed_on)
{
	struct canceller canceller = { .handle = B };
	int granted = 0, err, i;
	uint64_t token;
	pthread_t thread;

	ASSERT_EQ(0, pthread_barrier_init(&canceller.barrier, NULL, 2));
	ASSERT_EQ(0, pthread_create(&thread, NULL, canceller_run, &canceller));
	for (i = 0; i < RACES; i++) {
		ASSERT_EQ(-EINPROGRESS, ask(B, 0));
		ASSERT_EQ(-EINPROGRESS, ask(C, 0));
		pthread_barrier_wait(&canceller.barrier);
		err = handle_release(A, self->held.token);
		pthread_barrier_wait(&canceller.barrier);
		ASSERT_EQ(0, err);
		ASSERT_EQ(0, canceller.result);
		ASSERT_TRUE(wait_until(is_done(C)))
			TH_LOG("race %d: %s", i, state(C));
		token = collect_and_release(C);
		ASSERT_LT(self->held.token, token);
		granted += token - self->held.token == 2;
		EXPECT_STATE(B, "free, 0 wait");
		ASSERT_EQ(0, handle_try(A, &self->held));
	}
	pthread_join(thread, NULL);
	TH_LOG("%d of %d were granted, then cancelled", granted, RACES);
}

/* ---- news, for whoever is the first to collect them */

TEST_F(async, news_that_nobody_collected_is_told_to_the_next)
{
	uint64_t dead = self->held.token + 1;
	struct chring_lock_finish got;
	pid_t pid;

	ASSERT_EQ(0, handle_release(A, self->held.token));
	pid = holder_start(self->name, ALONE, NULL);
	ASSERT_TRUE(is(A, "held, 0 wait"));
	ASSERT_EQ(-EINPROGRESS, ask(B, 0));
	ASSERT_EQ(-EINPROGRESS, ask(C, 0));
	end_child(pid);
	ASSERT_TRUE(wait_until(is_done(B)));
	ASSERT_EQ(0, handle_cancel(B));
	ASSERT_TRUE(is_done(C));
	ASSERT_EQ(0, handle_cancel(C));
	EXPECT_STATE(A, "free, 0 wait, owner died");
	EXPECT_EQ(POLLPRI, handle_poll(A));
	ASSERT_EQ(0, handle_ask(A, 0, 0, &self->held));
	EXPECT_EQ(CHRING_NEWS_OWNER_DIED, self->held.news);
	EXPECT_EQ(dead, self->held.dead_token);
	ASSERT_EQ(-EINPROGRESS, ask(B, 0));
	ASSERT_EQ(0, handle_release(A, self->held.token));
	ASSERT_EQ(0, handle_finish(B, &got));
	EXPECT_EQ(0U, got.news);
	EXPECT_EQ(0U, got.dead_token);
}

TEST_F(async, grant_that_is_broken_before_it_is_collected_is_stale)
{
	uint64_t dead = self->held.token + 1;
	struct chring_lock_finish got;
	pid_t pid;

	ASSERT_EQ(0, handle_release(A, self->held.token));
	pid = holder_start(self->name, ALONE, NULL);
	ASSERT_TRUE(is(A, "held, 0 wait"));
	ASSERT_EQ(-EINPROGRESS, ask(B, 0));
	ASSERT_EQ(-EINPROGRESS, ask(C, 0));
	end_child(pid);
	ASSERT_TRUE(wait_until(is_done(B)));
	ASSERT_EQ(0, lock_break(self->name));
	EXPECT_EQ(POLLIN | POLLERR, handle_poll(B));
	EXPECT_EQ(-ESTALE, handle_finish(B, &got));
	EXPECT_EQ(0, handle_poll(B));
	EXPECT_EQ(-ENODATA, handle_finish(B, &got));
	/* Who comes next has what that one was to be told as well */
	ASSERT_EQ(0, handle_finish(C, &got));
	EXPECT_EQ(CHRING_NEWS_OWNER_DIED | CHRING_NEWS_BROKEN, got.news);
	EXPECT_EQ(dead + 1, got.dead_token);
	EXPECT_EQ(dead + 2, got.token);
}

TEST_F(async, news_comes_with_the_grant)
{
	struct chring_lock_finish got;

	ASSERT_EQ(-EINPROGRESS, ask(B, 0));
	ASSERT_EQ(0, lock_break(self->name));
	ASSERT_TRUE(is_done(B));
	ASSERT_EQ(0, handle_finish(B, &got));
	EXPECT_EQ(CHRING_NEWS_BROKEN, got.news);
	EXPECT_EQ(self->held.token, got.dead_token);
	EXPECT_EQ(POLLERR, handle_poll(A));
	EXPECT_EQ(-ESTALE, handle_release(A, self->held.token));
	/* Who asks again has taken note of the loss */
	ASSERT_EQ(0, lock_break(self->name));
	EXPECT_EQ(POLLERR | POLLPRI, handle_poll(B));
	ASSERT_EQ(0, handle_try(A, &self->held));
	ASSERT_EQ(-EINPROGRESS, ask(B, 0));
	EXPECT_EQ(0, handle_poll(B));
}

TEST_F(async, deleted_lock_is_granted_to_those_who_have_it_open)
{
	ASSERT_EQ(-EINPROGRESS, ask(B, 0));
	ASSERT_EQ(0, lock_delete(self->name));
	EXPECT_STATE(A, "mine, 1 wait");
	ASSERT_EQ(0, handle_release(A, self->held.token));
	EXPECT_EQ(self->held.token + 1, collect_and_release(B));
}

/* ---- the end of who asked */

TEST_F(async, request_lives_as_long_as_a_copy_of_the_descriptor)
{
	struct handle copy;

	ASSERT_EQ(-EINPROGRESS, ask(B, 0));
	copy = *B;
	copy.fd = dup(B->fd);
	ASSERT_LE(0, copy.fd);
	close(B->fd);
	EXPECT_STATE(A, "mine, 1 wait");
	ASSERT_EQ(0, handle_release(A, self->held.token));
	ASSERT_TRUE(is_done(&copy));
	ASSERT_EQ(-EINPROGRESS, ask(C, 0));
	/* The mapping is one as well */
	close(copy.fd);
	if (B->word) {
		EXPECT_FALSE(is_done(C));
		handle_unmap(B);
	}
	ASSERT_TRUE(is_done(C));
	EXPECT_EQ(self->held.token + 2, collect_and_release(C));
	B->fd = dup(C->fd);
}

TEST_F(async, closing_cancels)
{
	struct chring_lock_finish none;

	ASSERT_EQ(-EINPROGRESS, ask(B, 0));
	ASSERT_EQ(-EINPROGRESS, ask(C, 0));
	ASSERT_EQ(-EINPROGRESS, ask(D, 0));
	ASSERT_EQ(0, handle_close(B));
	EXPECT_STATE(A, "mine, 2 wait");
	EXPECT_EQ(POLLHUP, handle_poll(B));
	EXPECT_EQ(-ESTALE, handle_finish(B, &none));
	EXPECT_EQ(-ESTALE, handle_cancel(B));
	EXPECT_EQ(-ESTALE, ask(B, 0));
	ASSERT_EQ(0, handle_release(A, self->held.token));
	ASSERT_TRUE(is_done(C));
	ASSERT_EQ(0, handle_close(C));
	ASSERT_EQ(0, handle_finish(D, &none));
	EXPECT_EQ(self->held.token + 2, none.token);
	EXPECT_EQ(0U, none.news);
}

/*
 * A process that asks; and collects, if that is wanted, then asks again, which shows
 * that it has.
 */
static pid_t asker(const char *name, bool collects)
{
	struct chring_lock_finish got;
	struct handle handle;
	pid_t pid = fork_child();

	if (pid)
		return pid;
	if (handle_open(&handle, name, 0) || ask(&handle, 0) != -EINPROGRESS)
		_exit(1);
	if (collects && (!wait_until(is_done(&handle)) ||
			 handle_finish(&handle, &got) ||
			 ask(&handle, SELF) != -EINPROGRESS))
		_exit(2);
	for (;;)
		pause();
}

TEST_F(async, request_of_the_dead_waits_no_longer)
{
	pid_t pid = asker(self->name, false);

	ASSERT_TRUE(is(A, "mine, 1 wait"));
	ASSERT_EQ(-EINPROGRESS, ask(B, 0));
	end_child(pid);
	ASSERT_TRUE(is(A, "mine, 1 wait"));
	ASSERT_EQ(0, handle_release(A, self->held.token));
	ASSERT_TRUE(is_done(B));
	EXPECT_EQ(self->held.token + 1, collect_and_release(B));
}

TEST_F(async, grant_to_the_dead_is_passed_on)
{
	struct chring_lock_finish got;
	pid_t pid = asker(self->name, false);

	ASSERT_TRUE(is(A, "mine, 1 wait"));
	ASSERT_EQ(-EINPROGRESS, ask(B, 0));
	ASSERT_EQ(0, handle_release(A, self->held.token));
	EXPECT_STATE(B, "held, 1 wait");
	end_child(pid);
	ASSERT_TRUE(wait_until(is_done(B)));
	ASSERT_EQ(0, handle_finish(B, &got));
	EXPECT_EQ(self->held.token + 2, got.token);
	/* It did not know that it had it, and has left nothing half done */
	EXPECT_EQ(0U, got.news);
}

TEST_F(async, death_of_one_that_collected_is_news)
{
	struct chring_lock_finish got;
	pid_t pid = asker(self->name, true);

	ASSERT_TRUE(is(A, "mine, 1 wait"));
	ASSERT_EQ(0, handle_release(A, self->held.token));
	ASSERT_TRUE(is(A, "held, 1 wait"));
	ASSERT_EQ(-EINPROGRESS, ask(B, 0));
	end_child(pid);
	ASSERT_TRUE(wait_until(is_done(B)));
	EXPECT_STATE(B, "mine, 0 wait");
	ASSERT_EQ(0, handle_finish(B, &got));
	EXPECT_EQ(self->held.token + 2, got.token);
	EXPECT_EQ(CHRING_NEWS_OWNER_DIED, got.news);
	EXPECT_EQ(self->held.token + 1, got.dead_token);
}

/* Death, where the grant comes at about the same time. */
TEST_F(async, grant_that_meets_a_death_is_passed_on)
{
	uint64_t token;
	pid_t pid;
	int i;

	for (i = 0; i < RACES / 20; i++) {
		pid = asker(self->name, false);
		ASSERT_TRUE(is(A, "mine, 1 wait"));
		ASSERT_EQ(-EINPROGRESS, ask(B, 0));
		kill(pid, SIGKILL);
		ASSERT_EQ(0, handle_release(A, self->held.token));
		ASSERT_TRUE(wait_until(is_done(B)))
			TH_LOG("race %d: %s", i, state(B));
		token = collect_and_release(B);
		ASSERT_LT(self->held.token, token);
		ASSERT_EQ(-SIGKILL, exit_status(pid));
		ASSERT_EQ(0, handle_try(A, &self->held));
		EXPECT_EQ(0U, self->held.news);
	}
}

/* ---- other processes that have the descriptor */

static int forked_is_stale(const struct handle *handle)
{
	struct chring_lock_finish none;

	if (handle_finish(handle, &none) != -ESTALE)
		return 1;
	if (handle_cancel(handle) != -ESTALE)
		return 2;
	if (ask(handle, 0) != -ESTALE)
		return 3;
	return handle_poll(handle) == POLLHUP ? 0 : 4;
}

TEST_F(async, forked_child_neither_collects_nor_cancels)
{
	pid_t pid;

	ASSERT_EQ(-EINPROGRESS, ask(B, 0));
	pid = fork();
	if (!pid)
		_exit(forked_is_stale(B));
	EXPECT_EQ(0, exit_status(pid));
	ASSERT_EQ(0, handle_release(A, self->held.token));
	ASSERT_TRUE(is_done(B));
	pid = fork();
	if (!pid)
		_exit(forked_is_stale(B));
	EXPECT_EQ(0, exit_status(pid));
	EXPECT_EQ(self->held.token + 1, collect_and_release(B));
}

/* Receives a handle, adopts it, and makes a request of its own. */
static int adopt_and_ask(int socket)
{
	struct chring_lock_adopt adopted;
	struct chring_lock_finish got;
	struct handle handle = {};
	int err;

	handle.fd = receive_descriptor(socket);
	if (forked_is_stale(&handle) || handle_adopt(&handle, &adopted))
		return 1;
	if (adopted.token || handle_finish(&handle, &got) != -ENODATA)
		return 2;
	err = ask(&handle, 0);
	if (err != -EINPROGRESS || send_descriptor(socket, handle.fd))
		return 3;
	if (!wait_until(is_done(&handle)))
		return 4;
	return collect_and_release(&handle) ? 0 : 5;
}

static void adopt(struct __test_metadata *_metadata,
		  struct _test_data_async *self, bool granted)
{
	struct chring_lock_finish got;
	int pair[2], fd;
	pid_t pid;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair));
	pid = fork();
	if (!pid)
		_exit(adopt_and_ask(pair[1]));
	ASSERT_EQ(-EINPROGRESS, ask(B, 0));
	ASSERT_EQ(-EINPROGRESS, ask(C, 0));
	if (granted)
		ASSERT_EQ(0, handle_release(A, self->held.token));
	ASSERT_EQ(0, send_descriptor(pair[0], B->fd));
	fd = receive_descriptor(pair[0]);
	ASSERT_LE(0, fd);
	close(fd);
	EXPECT_EQ(-ESTALE, handle_finish(B, &got));
	EXPECT_EQ(-ESTALE, handle_cancel(B));
	EXPECT_EQ(POLLHUP, handle_poll(B));
	if (!granted)
		ASSERT_EQ(0, handle_release(A, self->held.token));
	ASSERT_TRUE(wait_until(is_done(C)));
	ASSERT_EQ(0, handle_finish(C, &got));
	EXPECT_EQ(self->held.token + (granted ? 2 : 1), got.token);
	EXPECT_EQ(0U, got.news);
	ASSERT_EQ(0, handle_release(C, got.token));
	EXPECT_EQ(0, exit_status(pid));
}

TEST_F(async, who_adopts_the_handle_cancels_a_request)
{
	adopt(_metadata, self, false);
}

TEST_F(async, who_adopts_the_handle_passes_on_what_was_not_collected)
{
	adopt(_metadata, self, true);
}

/* What two processes that adopt a handle have in common, with who watches. */
struct race {
	pthread_barrier_t barrier;
	bool over;
	int ready, asked;	/* so often one of the two was, in all rounds */
	struct {
		int adopted;
		int asked;
		int finished;
	} of[2];
};

/* Waits for the other one, which is on its way, and close by. */
static void meet(int *count, int round)
{
	__atomic_add_fetch(count, 1, __ATOMIC_ACQ_REL);
	while (__atomic_load_n(count, __ATOMIC_ACQUIRE) < 2 * round)
		sched_yield();
}

/* Says whether it had the lock in the end, 0, or its handle was another's, 1. */
static int runner(struct race *race, struct handle *handle, int nr)
{
	struct chring_lock_adopt adopted;
	struct chring_lock_finish got;
	struct handle own;
	int round, err;

	/* With the first handle of a process comes more, which takes its time */
	if (handle_open(&own, "async/own", CHRING_OPEN_CREATE))
		return 5;
	for (round = 1; ; round++) {
		pthread_barrier_wait(&race->barrier);
		if (race->over)
			break;
		meet(&race->ready, round);
		race->of[nr].adopted = handle_adopt(handle, &adopted);
		race->of[nr].asked = ask(handle, 0);
		meet(&race->asked, round);
		race->of[nr].finished = handle_finish(handle, &got);
		pthread_barrier_wait(&race->barrier);
	}
	if (!wait_until(handle_poll(handle)))
		return 2;
	err = handle_finish(handle, &got);
	if (err)
		return err == -ESTALE ? 1 : 3;
	return handle_release(handle, got.token) ? 4 : 0;
}

static struct race *race_new(void)
{
	struct race *race = mmap(NULL, sizeof(*race), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_barrierattr_t shared;

	if (race == MAP_FAILED)
		return NULL;
	pthread_barrierattr_init(&shared);
	pthread_barrierattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
	return pthread_barrier_init(&race->barrier, &shared, 3) ? NULL : race;
}

/* Returns the number of the one whose the handle is, and what it asked for. */
static int expect_one_winner(struct __test_metadata *_metadata,
			     const struct race *race)
{
	int winner = race->of[0].finished == -ESTALE;
	const typeof(race->of[0]) *it = &race->of[winner];

	ASSERT_EQ(-ESTALE, race->of[!winner].finished);
	ASSERT_EQ(0, it->adopted);
	ASSERT_EQ(-EINPROGRESS, it->asked);
	ASSERT_EQ(-EAGAIN, it->finished);
	return winner;
}

TEST_F(async, who_adopts_the_handle_last_has_what_it_asked_for)
{
	long long end = in_ms(RACES_MS);
	struct race *race = race_new();
	struct chring_lock_adopt none;
	int winner, nr, round;
	pid_t pid[2];

	ASSERT_NE(NULL, race);
	for (nr = 0; nr < 2; nr++) {
		pid[nr] = fork_child();
		if (!pid[nr])
			_exit(runner(race, B, nr));
	}
	for (round = 1; ; round++) {
		/* So that there is something to be ended */
		ASSERT_EQ(-EINPROGRESS, ask(B, 0));
		pthread_barrier_wait(&race->barrier);
		pthread_barrier_wait(&race->barrier);
		winner = expect_one_winner(_metadata, race);
		ASSERT_EQ(1, waiters_of(A));
		if (now_ns() > end)
			break;
		ASSERT_EQ(0, handle_adopt(B, &none));
	}
	TH_LOG("%d races", round);
	race->over = true;
	pthread_barrier_wait(&race->barrier);
	ASSERT_EQ(0, handle_release(A, self->held.token));
	EXPECT_EQ(0, exit_status(pid[winner]));
	EXPECT_EQ(1, exit_status(pid[!winner]));
	EXPECT_STATE(A, "free, 0 wait");
}

/* ---- leases */

TEST_F(async, lease_runs_whether_it_is_collected_or_not)
{
	struct chring_lock_acquire none;
	struct chring_lock_finish got;

	ASSERT_EQ(-EINPROGRESS, handle_ask(B, 0, SHORT_MS, &none));
	ASSERT_EQ(0, handle_release(A, self->held.token));
	pause_us(2 * SHORT_MS * 1000);
	/* Nobody wants it yet */
	EXPECT_EQ(POLLIN, handle_poll(B));
	ASSERT_EQ(-EINPROGRESS, ask(C, 0));
	ASSERT_TRUE(wait_until(is_done(C)));
	EXPECT_EQ(POLLIN | POLLERR, handle_poll(B));
	EXPECT_EQ(-ESTALE, handle_finish(B, &got));
	ASSERT_EQ(0, handle_finish(C, &got));
	EXPECT_EQ(CHRING_NEWS_EXPIRED, got.news);
	EXPECT_EQ(self->held.token + 1, got.dead_token);
}

TEST_F(async, lease_that_is_eager_runs_from_the_grant)
{
	struct chring_lock_acquire none;
	struct chring_lock_finish got;

	ASSERT_EQ(-EINPROGRESS, handle_ask(B, CHRING_ACQUIRE_EAGER, SHORT_MS,
					   &none));
	pause_us(2 * SHORT_MS * 1000);
	EXPECT_STATE(A, "mine, 1 wait");
	ASSERT_EQ(0, handle_release(A, self->held.token));
	ASSERT_TRUE(wait_until(handle_poll(B) & POLLERR));
	EXPECT_STATE(B, "free, 0 wait, lost, expired");
	EXPECT_EQ(-ESTALE, handle_finish(B, &got));
}

TEST_F(async, waiting_without_sleep_ends_a_holders_lease)
{
	struct chring_lock_acquire leased;
	struct chring_lock_finish got;

	ASSERT_EQ(0, handle_release(A, self->held.token));
	ASSERT_EQ(0, handle_ask(A, 0, SHORT_MS, &leased));
	ASSERT_EQ(-EINPROGRESS, ask(B, 0));
	ASSERT_TRUE(wait_until(is_done(B)));
	ASSERT_EQ(0, handle_finish(B, &got));
	EXPECT_EQ(CHRING_NEWS_EXPIRED, got.news);
	EXPECT_EQ(leased.token, got.dead_token);
	EXPECT_EQ(-ESTALE, handle_release(A, leased.token));
}

/* ---- what is refused */

TEST_F(async, thread_does_not_wait_for_itself)
{
	struct chring_lock_acquire got;
	struct chring_lock_finish none;

	EXPECT_EQ(-EDEADLK, ask(A, 0));
	EXPECT_EQ(-ENODATA, handle_finish(A, &none));
	EXPECT_STATE(A, "mine, 0 wait");
	ASSERT_EQ(-EINPROGRESS, ask(A, SELF));
	EXPECT_STATE(A, "mine, 1 wait");
	EXPECT_EQ(0, handle_poll(A));
	ASSERT_EQ(0, handle_release(A, self->held.token));
	EXPECT_EQ(self->held.token + 1, collect_and_release(A));

	/* Nor for what it is yet to collect */
	ASSERT_EQ(0, handle_try(A, &self->held));
	ASSERT_EQ(-EINPROGRESS, ask(B, 0));
	EXPECT_EQ(-EDEADLK, handle_acquire(B, 0, in_ms(PATIENCE_MS), &got));
	EXPECT_EQ(-EBUSY, handle_try(B, &got));
	EXPECT_EQ(-ETIMEDOUT, handle_acquire(B, SELF, in_ms(10), &got));
	ASSERT_EQ(0, handle_release(A, self->held.token));
	EXPECT_EQ(-EDEADLK, handle_acquire(B, 0, in_ms(PATIENCE_MS), &got));
	EXPECT_EQ(self->held.token + 1, collect_and_release(B));
}

TEST_F(async, what_makes_no_sense_is_refused)
{
	struct chring_lock_acquire request = {
		.size = sizeof(request),
		.flags = CHRING_ACQUIRE_ASYNC,
	};
	struct chring_lock_finish got;

	EXPECT_EQ(-1, ioctl(B->fd, CHRING_IOC_ACQUIRE, &request));
	EXPECT_EQ(EINVAL, errno);
	request.deadline = in_ms(PATIENCE_MS);
	EXPECT_EQ(-1, ioctl(B->fd, CHRING_IOC_ACQUIRE, &request));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-EINVAL, ask(B, TRY));
	EXPECT_STATE(A, "mine, 0 wait");
	ASSERT_EQ(-EINPROGRESS, ask(B, 0));
	ASSERT_EQ(0, handle_release(A, self->held.token));
	got = (struct chring_lock_finish){ .size = sizeof(got), .flags = 1 };
	EXPECT_EQ(-1, ioctl(B->fd, CHRING_IOC_FINISH, &got));
	EXPECT_EQ(EINVAL, errno);
	got = (struct chring_lock_finish){ .size = sizeof(got) - 1 };
	EXPECT_EQ(-1, ioctl(B->fd, CHRING_IOC_FINISH, &got));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, ioctl(B->fd, CHRING_IOC_FINISH, NULL));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(self->held.token + 1, collect_and_release(B));
}

/* What cannot be told is given back, and the news with it. */
TEST_F(async, answer_that_cannot_be_given_is_the_next_ones)
{
	size_t size = getpagesize();
	struct chring_lock_finish *answer;
	struct chring_lock_finish got;

	answer = mmap(NULL, size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, answer);
	answer->size = sizeof(*answer);
	ASSERT_EQ(0, mprotect(answer, size, PROT_READ));
	ASSERT_EQ(-EINPROGRESS, ask(B, 0));
	ASSERT_EQ(-EINPROGRESS, ask(C, 0));
	ASSERT_EQ(0, lock_break(self->name));
	ASSERT_TRUE(is_done(B));
	EXPECT_EQ(-1, ioctl(B->fd, CHRING_IOC_FINISH, answer));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-ENODATA, handle_finish(B, &got));
	ASSERT_EQ(0, handle_finish(C, &got));
	EXPECT_EQ(CHRING_NEWS_BROKEN, got.news);
	EXPECT_EQ(self->held.token, got.dead_token);
	EXPECT_EQ(self->held.token + 2, got.token);
	munmap(answer, size);
}

TEST_F(async, release_of_what_was_not_collected_leaves_it_stale)
{
	struct chring_lock_finish got;

	ASSERT_EQ(-EINPROGRESS, ask(B, 0));
	ASSERT_EQ(0, handle_release(A, self->held.token));
	ASSERT_EQ(0, handle_release(B, self->held.token + 1));
	EXPECT_STATE(A, "free, 0 wait");
	EXPECT_EQ(POLLIN, handle_poll(B));
	EXPECT_EQ(-ESTALE, handle_finish(B, &got));
	EXPECT_EQ(-ENODATA, handle_finish(B, &got));
	EXPECT_STATE(B, "free, 0 wait");
}

/* ---- slots */

TEST(slots_are_granted_in_order_and_given_back)
{
	struct chring_lock_acquire held[2];
	struct handle handle[5];
	int i;

	ASSERT_EQ(0, handles_open(handle, 5, "async/slots", 0, 2));
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, handle_ask(&handle[i], 0, 0, &held[i]));
	for (i = 2; i < 5; i++)
		ASSERT_EQ(-EINPROGRESS, ask(&handle[i], 0));
	EXPECT_EQ(-EINVAL, ask(&handle[0], SHARED));
	EXPECT_STATE(&handle[0], "mine, 3 wait");
	ASSERT_EQ(0, handle_release(&handle[1], held[1].token));
	ASSERT_TRUE(is_done(&handle[2]));
	EXPECT_FALSE(is_done(&handle[3]));
	ASSERT_EQ(0, handle_cancel(&handle[2]));
	ASSERT_TRUE(is_done(&handle[3]));
	EXPECT_FALSE(is_done(&handle[4]));
	ASSERT_EQ(0, handle_release(&handle[0], held[0].token));
	ASSERT_TRUE(is_done(&handle[4]));
	ASSERT_NE(0U, collect_and_release(&handle[3]));
	ASSERT_NE(0U, collect_and_release(&handle[4]));
	EXPECT_STATE(&handle[0], "free, 0 wait");
	handles_close(handle, 5);
}

/* ---- many */

static bool allow_files(int files)
{
	struct rlimit limit = { .rlim_cur = files, .rlim_max = files };

	return !setrlimit(RLIMIT_NOFILE, &limit);
}

/* One process asks for many locks, each of which another holds, at once. */
TEST(many_locks_are_waited_for_in_one_loop)
{
	struct handle *held = calloc(MANY, sizeof(*held));
	struct handle *wanted = calloc(MANY, sizeof(*wanted));
	struct chring_lock_acquire *got = calloc(MANY, sizeof(*got));
	struct epoll_event event = { .events = EPOLLIN };
	int epoll = epoll_create1(0);
	char name[32];
	int i, done;

	ASSERT_TRUE(held && wanted && got && epoll >= 0);
	ASSERT_TRUE(allow_files(3 * MANY));
	for (i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "async/many/%d", i);
		ASSERT_EQ(0, handle_open(&held[i], name, CHRING_OPEN_CREATE));
		ASSERT_EQ(0, handle_open(&wanted[i], name, 0));
		ASSERT_EQ(0, handle_try(&held[i], &got[i]));
		ASSERT_EQ(-EINPROGRESS, ask(&wanted[i], 0));
		event.data.u32 = i;
		ASSERT_EQ(0, epoll_ctl(epoll, EPOLL_CTL_ADD, wanted[i].fd,
				       &event));
	}
	EXPECT_EQ(0, epoll_wait(epoll, &event, 1, 0));
	/* From the last one on, as each is granted */
	for (i = MANY - 1; i >= 0; i--) {
		ASSERT_EQ(0, handle_release(&held[i], got[i].token));
		ASSERT_EQ(1, epoll_wait(epoll, &event, 1, PATIENCE_MS));
		ASSERT_EQ((uint32_t)i, event.data.u32);
		ASSERT_EQ(got[i].token + 1, collect_and_release(&wanted[i]));
	}
	for (i = 0, done = 0; i < MANY; i++) {
		done += !strcmp(state(&held[i]), "free, 0 wait");
		close(held[i].fd);
		close(wanted[i].fd);
	}
	EXPECT_EQ(MANY, done);
	close(epoll);
}

/* Many wait for one lock: each has it once, in order, and nobody else is woken. */
TEST(lock_goes_through_the_hands_of_many)
{
	struct handle *handle = calloc(MANY, sizeof(*handle));
	struct epoll_event event = { .events = EPOLLIN };
	int epoll = epoll_create1(0);
	struct chring_lock_acquire got;
	int i;

	ASSERT_TRUE(handle && epoll >= 0);
	ASSERT_TRUE(allow_files(2 * MANY));
	for (i = 0; i < MANY; i++) {
		ASSERT_EQ(0, handle_open(&handle[i], "async/one",
					 CHRING_OPEN_CREATE));
		if (!i) {
			ASSERT_EQ(0, handle_try(&handle[i], &got));
			continue;
		}
		ASSERT_EQ(-EINPROGRESS, ask(&handle[i], 0));
		event.data.u32 = i;
		ASSERT_EQ(0, epoll_ctl(epoll, EPOLL_CTL_ADD, handle[i].fd,
				       &event));
	}
	EXPECT_EQ(MANY - 1, waiters_of(&handle[0]));
	ASSERT_EQ(0, handle_release(&handle[0], got.token));
	for (i = 1; i < MANY; i++) {
		ASSERT_EQ(1, epoll_wait(epoll, &event, 1, PATIENCE_MS));
		ASSERT_EQ((uint32_t)i, event.data.u32);
		ASSERT_EQ(got.token + i, collect_and_release(&handle[i]));
	}
	EXPECT_STATE(&handle[0], "free, 0 wait");
	handles_close(handle, MANY);
	close(epoll);
}

/* ---- the ends of namespaces, and of all that refers to the module */

static int ask_in_own_netns(bool release)
{
	struct chring_lock_acquire got;
	struct handle handle[3];
	int i;

	if (unshare(CLONE_NEWNET))
		return 1;
	for (i = 0; i < 3; i++)
		if (handle_open(&handle[i], "async/netns", CHRING_OPEN_CREATE))
			return 2;
	if (handle_ask(&handle[0], 0, 0, &got) ||
	    ask(&handle[1], 0) != -EINPROGRESS ||
	    ask(&handle[2], 0) != -EINPROGRESS)
		return 3;
	return release && handle_release(&handle[0], got.token) ? 4 : 0;
}

TEST(namespace_ends_with_those_who_wait_in_it)
{
	long before = number_in(REFCOUNT);
	pid_t pid;
	int i;

	ASSERT_LE(0, before);
	for (i = 0; i < 10; i++) {
		pid = fork();
		if (!pid)
			_exit(ask_in_own_netns(i & 1));
		ASSERT_EQ(0, exit_status(pid));
	}
	/* Namespaces of before may have gone as well */
	EXPECT_TRUE(wait_until(number_in(REFCOUNT) <= before));
}

/* ---- by libchring */

FIXTURE(lib)
{
	struct chring_lock *held;
	struct chring_lock *lock;
	char name[32];
};

FIXTURE_SETUP(lib)
{
	snprintf(self->name, sizeof(self->name), "async/lib/%d", getpid());
	ASSERT_EQ(0, chring_lock_open(&self->held, self->name,
				      CHRING_LOCK_CREATE, 0));
	ASSERT_EQ(0, chring_lock_open(&self->lock, self->name, 0, 0));
	ASSERT_EQ(0, chring_lock_acquire(self->held));
}

FIXTURE_TEARDOWN(lib)
{
	chring_lock_close(self->held);
	chring_lock_close(self->lock);
}

static int events_of(struct chring_lock *lock)
{
	struct handle handle = { .fd = chring_lock_fd(lock) };

	return handle_poll(&handle);
}

TEST_F(lib, lock_is_asked_for_and_had)
{
	uint64_t token = chring_lock_token(self->held);

	EXPECT_EQ(-ENODATA, chring_lock_finish(self->lock));
	EXPECT_EQ(-ENODATA, chring_lock_cancel(self->lock));
	ASSERT_EQ(-EINPROGRESS, chring_lock_acquire_async(self->lock, 0, 0));
	EXPECT_EQ(-EALREADY, chring_lock_acquire_async(self->lock, 0, 0));
	EXPECT_EQ(-EAGAIN, chring_lock_finish(self->lock));
	EXPECT_FALSE(chring_lock_is_held(self->lock));
	ASSERT_EQ(0, chring_lock_release(self->held));
	EXPECT_EQ(POLLIN, events_of(self->lock));
	EXPECT_FALSE(chring_lock_is_held(self->lock));
	ASSERT_EQ(0, chring_lock_finish(self->lock));
	EXPECT_TRUE(chring_lock_is_held(self->lock));
	EXPECT_EQ(token + 1, chring_lock_token(self->lock));
	EXPECT_EQ(-EDEADLK, chring_lock_acquire_async(self->lock, 0, 0));
	ASSERT_EQ(0, chring_lock_release(self->lock));
	/* Free, it is had by the word, or by the kernel */
	ASSERT_EQ(0, chring_lock_acquire_async(self->lock, 0, 0));
	ASSERT_EQ(0, chring_lock_release(self->lock));
	ASSERT_EQ(0, chring_lock_acquire_async(self->lock, LONG_MS,
					       CHRING_LEASE_EAGER));
	EXPECT_TRUE(chring_lock_is_held(self->lock));
	ASSERT_EQ(0, chring_lock_release(self->lock));
	ASSERT_EQ(0, chring_lock_acquire_async(self->lock, 0,
					       CHRING_LOCK_SHARED));
	ASSERT_EQ(0, chring_lock_acquire_async(self->held, 0,
					       CHRING_LOCK_SHARED));
	EXPECT_EQ(-EINVAL, chring_lock_acquire_async(self->lock, 0,
						     CHRING_LOCK_CREATE));
	ASSERT_EQ(0, chring_lock_release(self->lock));
	ASSERT_EQ(0, chring_lock_release(self->held));
}

TEST_F(lib, news_come_with_the_lock)
{
	uint64_t token = chring_lock_token(self->held);

	ASSERT_EQ(-EINPROGRESS, chring_lock_acquire_async(self->lock, 0, 0));
	ASSERT_EQ(0, lock_break(self->name));
	ASSERT_EQ(CHRING_NEWS_BROKEN, (unsigned int)
		  chring_lock_finish(self->lock));
	EXPECT_EQ(token, chring_lock_dead_token(self->lock));
	ASSERT_EQ(0, chring_lock_release(self->lock));
}

TEST_F(lib, cancelled_lock_is_not_held)
{
	ASSERT_EQ(-EINPROGRESS, chring_lock_acquire_async(self->lock, 0, 0));
	ASSERT_EQ(0, chring_lock_release(self->held));
	ASSERT_EQ(0, chring_lock_cancel(self->lock));
	EXPECT_FALSE(chring_lock_is_held(self->lock));
	EXPECT_EQ(-ESTALE, chring_lock_release(self->lock));
	EXPECT_EQ(0, events_of(self->lock));
	ASSERT_EQ(0, chring_lock_try(self->held));
}

static void *finish_run(void *data)
{
	return (void *)(intptr_t)chring_lock_finish(data);
}

TEST_F(lib, thread_that_finishes_has_acquired_it)
{
	pthread_t thread;
	void *result;

	ASSERT_EQ(-EINPROGRESS, chring_lock_acquire_async(self->lock, 0, 0));
	ASSERT_EQ(0, chring_lock_release(self->held));
	ASSERT_EQ(0, pthread_create(&thread, NULL, finish_run, self->lock));
	pthread_join(thread, &result);
	ASSERT_EQ(NULL, result);
	EXPECT_FALSE(chring_lock_is_held(self->lock));
	EXPECT_EQ(-EPERM, chring_lock_release(self->lock));
	EXPECT_EQ(-ENODATA, chring_lock_finish(self->lock));
}

static int child_asks(struct chring_lock *lock)
{
	if (chring_lock_finish(lock) != -ENODATA ||
	    chring_lock_cancel(lock) != -ENODATA)
		return 1;
	if (chring_lock_acquire_async(lock, 0, 0) != -EINPROGRESS)
		return 2;
	/* Its own handle, not its parent's */
	if (chring_lock_finish(lock) != -EAGAIN || events_of(lock))
		return 3;
	return chring_lock_cancel(lock) ? 4 : 0;
}

TEST_F(lib, forked_child_asks_for_itself)
{
	pid_t pid;

	ASSERT_EQ(-EINPROGRESS, chring_lock_acquire_async(self->lock, 0, 0));
	pid = fork();
	if (!pid)
		_exit(child_asks(self->lock));
	EXPECT_EQ(0, exit_status(pid));
	ASSERT_EQ(0, chring_lock_release(self->held));
	ASSERT_EQ(0, chring_lock_finish(self->lock));
	ASSERT_EQ(0, chring_lock_release(self->lock));
}

TEST_HARNESS_MAIN
