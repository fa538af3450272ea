// SPDX-License-Identifier: GPL-2.0
/*
 * From state to state of a lock, as its word shows it: what other programs here
 * look at by the way only. Documentation/testing.rst has where the rest is.
 */
#include <signal.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lock_raw.h"

#define NAME "arrows"
#define NEVER_US 2000000000L
#define NEVER_MS 2000000000L

#define STATE_MASK \
	(CHRING_LOCK_OWNER_MAX << CHRING_LOCK_OWNER_SHIFT | CHRING_LOCK_FLAGS)

FIXTURE(arrow)
{
	struct handle handle;
	long handoff;
	long look_again;
	uint64_t held;		/* the word, without flags */
};

FIXTURE_VARIANT(arrow)
{
	unsigned int flags;
};

FIXTURE_VARIANT_ADD(arrow, adaptive)
{
	.flags = 0,
};

FIXTURE_VARIANT_ADD(arrow, fifo)
{
	.flags = CHRING_LOCK_FIFO,
};

FIXTURE_SETUP(arrow)
{
	self->handoff = get_parameter("handoff_us");
	self->look_again = get_parameter("look_again_ms");
	/* A look changes the word for a moment */
	ASSERT_EQ(0, set_parameter("look_again_ms", NEVER_MS));
	ASSERT_EQ(0, handle_open(&self->handle, NAME, variant->flags |
				 CHRING_OPEN_CREATE | CHRING_OPEN_EXCLUSIVE));
	ASSERT_EQ(0, handle_map(&self->handle));
	self->held = (uint64_t)self->handle.id << CHRING_LOCK_OWNER_SHIFT;
}

FIXTURE_TEARDOWN(arrow)
{
	EXPECT_EQ(0, set_parameter("handoff_us", self->handoff));
	EXPECT_EQ(0, set_parameter("look_again_ms", self->look_again));
	EXPECT_EQ(0, handle_close(&self->handle));
}

/* Waits in a process of its own until it is killed, or has the lock. */
static pid_t start_waiter(void)
{
	struct chring_lock_acquire acquired;
	struct handle handle;
	pid_t pid = fork_child();
	int err;

	if (pid)
		return pid;
	err = handle_open(&handle, NAME, 0);
	err = err ?: handle_acquire(&handle, 0, in_ms(2 * PATIENCE_MS),
				    &acquired);
	err = err ?: handle_release(&handle, acquired.token);
	_exit(err != 0);
}

/* Owner and flags. */
static uint64_t state_of(const struct handle *handle)
{
	return __atomic_load_n(handle->word, __ATOMIC_RELAXED) & STATE_MASK;
}

/* FREE, HELD, HELD W with two, with one, HELD, FREE. */
TEST_F(arrow, waiters_come_and_give_up)
{
	pid_t first, second;
	uint64_t token;

	ASSERT_TRUE(word_take(&self->handle, &token));
	EXPECT_EQ(self->held, state_of(&self->handle));
	first = start_waiter();
	ASSERT_TRUE(wait_until(waiters_of(&self->handle) == 1));
	second = start_waiter();
	ASSERT_TRUE(wait_until(waiters_of(&self->handle) == 2));
	EXPECT_EQ(self->held | CHRING_LOCK_WAITERS, state_of(&self->handle));
	EXPECT_FALSE(word_release(&self->handle, token));

	kill(first, SIGKILL);
	EXPECT_EQ(-SIGKILL, exit_status(first));
	EXPECT_EQ(1, waiters_of(&self->handle));
	EXPECT_EQ(self->held | CHRING_LOCK_WAITERS, state_of(&self->handle));
	EXPECT_FALSE(word_release(&self->handle, token));

	kill(second, SIGKILL);
	EXPECT_EQ(-SIGKILL, exit_status(second));
	EXPECT_EQ(0, waiters_of(&self->handle));
	EXPECT_EQ(self->held, state_of(&self->handle));
	EXPECT_TRUE(word_release(&self->handle, token));
	EXPECT_EQ(0U, state_of(&self->handle));
	EXPECT_EQ(0U, news_of(&self->handle));
}

/* HELD W, FREE or handed over, and FREE in the end, by the next tokens. */
TEST_F(arrow, release_with_waiters_ends_free)
{
	pid_t waiter[3];
	uint64_t token, next;
	unsigned int i;

	/* Nobody is overdue: an adaptive lock is nobody's for a while */
	ASSERT_EQ(0, set_parameter("handoff_us", NEVER_US));
	ASSERT_TRUE(word_take(&self->handle, &token));
	for (i = 0; i < 3; i++) {
		waiter[i] = start_waiter();
		ASSERT_TRUE(wait_until(waiters_of(&self->handle) ==
				       (int)i + 1));
	}
	ASSERT_EQ(0, handle_release(&self->handle, token));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, exit_status(waiter[i]));
	EXPECT_EQ(0U, state_of(&self->handle));
	ASSERT_TRUE(word_take(&self->handle, &next));
	EXPECT_EQ(token + 4, next);
	EXPECT_TRUE(word_release(&self->handle, next));
}

/* HELD, FREE K, HELD and told, FREE. */
TEST_F(arrow, news_keep_the_word_the_kernels)
{
	struct chring_lock_acquire acquired;
	uint64_t token, dead;
	struct handle other;
	pid_t pid = fork();

	if (!pid) {
		_exit(handle_open(&other, NAME, 0) || handle_map(&other) ||
		      !word_take(&other, &token));
	}
	ASSERT_EQ(0, exit_status(pid));
	ASSERT_TRUE(wait_until(news_of(&self->handle) ==
			       CHRING_NEWS_OWNER_DIED));
	EXPECT_EQ(CHRING_LOCK_KERNEL, state_of(&self->handle));
	EXPECT_FALSE(word_take(&self->handle, &token));
	dead = *self->handle.word >> CHRING_LOCK_SEQ_SHIFT;
	ASSERT_EQ(0, handle_try(&self->handle, &acquired));
	EXPECT_EQ(CHRING_NEWS_OWNER_DIED, acquired.news);
	EXPECT_EQ(dead, acquired.dead_token & CHRING_LOCK_SEQ_MAX);
	EXPECT_EQ(self->held, state_of(&self->handle));
	EXPECT_TRUE(word_release(&self->handle, acquired.token));
	EXPECT_EQ(0U, state_of(&self->handle));
}

TEST_HARNESS_MAIN
