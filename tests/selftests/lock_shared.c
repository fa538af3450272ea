// SPDX-License-Identifier: GPL-2.0
/*
 * Locks that several hold at once, as they share them or have a slot each: who is
 * let in, in which order, and what is given back by whom, in whatever way it goes.
 */
#define _GNU_SOURCE		/* unshare */
#include <chring.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lock_raw.h"
#include "lock_util.h"

#define SHARED	CHRING_ACQUIRE_SHARED
#define ALONE	0
#define TRY	CHRING_ACQUIRE_TRY

#define HANDLES 5
/* Nothing takes so long, and everything waits for longer. */
#define LONG_MS 3600000
#define SHORT_MS 50

/* What STAT says: how many hold it and how many wait, and news. */
static const char *state(const struct handle *handle)
{
	struct chring_lock_stat stat;
	static char text[64];

	if (handle_stat(handle, &stat))
		return "no handle";
	snprintf(text, sizeof(text), "%u %s%s, %u wait%s", stat.holders,
		 stat.flags & CHRING_STAT_SHARED ? "share" :
		 stat.holders ? "alone" : "hold",
		 stat.flags & CHRING_STAT_MINE ? " with me" : "",
		 stat.waiters, stat.news ? ", news" : "");
	return text;
}

#define EXPECT_STATE(handle, expected)					\
	EXPECT_STREQ(expected, state(handle))

#define is(handle, expected) wait_until(!strcmp(expected, state(handle)))

FIXTURE(shared)
{
	struct handle handle[HANDLES];
	char name[32];
};

FIXTURE_VARIANT(shared)
{
	unsigned int flags;
};

FIXTURE_VARIANT_ADD(shared, adaptive)
{
	.flags = 0,
};

FIXTURE_VARIANT_ADD(shared, fifo)
{
	.flags = CHRING_LOCK_FIFO,
};

FIXTURE_VARIANT_ADD(shared, strict)
{
	.flags = CHRING_LOCK_STRICT,
};

FIXTURE_SETUP(shared)
{
	ASSERT_EQ(0, unshare(CLONE_NEWNET));
	snprintf(self->name, sizeof(self->name), "shared/%d", getpid());
	ASSERT_EQ(0, handles_open(self->handle, HANDLES, self->name,
				  variant->flags, 0));
}

FIXTURE_TEARDOWN(shared)
{
	handles_close(self->handle, HANDLES);
}

#define A (&self->handle[0])
#define B (&self->handle[1])
#define C (&self->handle[2])
#define D (&self->handle[3])
#define E (&self->handle[4])

/* ---- who is let in */

TEST_F(shared, some_share_it_and_nobody_has_it_alone_meanwhile)
{
	struct chring_lock_acquire got[3], none;

	ASSERT_EQ(0, handle_acquire(A, SHARED | TRY, 0, &got[0]));
	EXPECT_STATE(A, "1 share with me, 0 wait");
	EXPECT_STATE(B, "1 share, 0 wait");
	ASSERT_EQ(0, handle_acquire(B, SHARED, in_ms(PATIENCE_MS), &got[1]));
	EXPECT_STATE(B, "2 share with me, 0 wait");
	EXPECT_EQ(got[0].token + 1, got[1].token);
	EXPECT_EQ(CHRING_LOCK_NO_WORD, got[0].word);
	EXPECT_EQ(-EBUSY, handle_acquire(C, ALONE | TRY, 0, &none));
	EXPECT_EQ(-ETIMEDOUT, handle_acquire(C, ALONE, in_ms(10), &none));

	ASSERT_EQ(0, handle_release(A, got[0].token));
	EXPECT_STATE(A, "1 share, 0 wait");
	EXPECT_EQ(-EBUSY, handle_acquire(C, ALONE | TRY, 0, &none));
	ASSERT_EQ(0, handle_release(B, got[1].token));
	EXPECT_STATE(A, "0 hold, 0 wait");

	ASSERT_EQ(0, handle_acquire(C, ALONE | TRY, 0, &got[2]));
	EXPECT_EQ(got[1].token + 1, got[2].token);
	EXPECT_NE(CHRING_LOCK_NO_WORD, got[2].word);
	EXPECT_STATE(C, "1 alone with me, 0 wait");
	EXPECT_EQ(-EBUSY, handle_acquire(A, SHARED | TRY, 0, &none));
	EXPECT_EQ(-ETIMEDOUT, handle_acquire(A, SHARED, in_ms(10), &none));
	ASSERT_EQ(0, handle_release(C, got[2].token));
	ASSERT_EQ(0, handle_acquire(A, SHARED | TRY, 0, &got[0]));
	ASSERT_EQ(0, handle_release(A, got[0].token));
}

TEST_F(shared, word_is_the_kernels_while_some_share_it_and_free_again_then)
{
	struct chring_lock_acquire got[2];
	uint64_t token;

	if (variant->flags & CHRING_LOCK_STRICT)
		return;
	ASSERT_TRUE(word_take(C, &token));
	ASSERT_TRUE(word_release(C, token));
	ASSERT_EQ(0, handle_acquire(A, SHARED, in_ms(PATIENCE_MS), &got[0]));
	EXPECT_EQ(token + 1, got[0].token);
	EXPECT_EQ((uint64_t)CHRING_LOCK_KERNEL, *C->word & CHRING_LOCK_FLAGS);
	EXPECT_FALSE(word_take(C, &token));
	ASSERT_EQ(0, handle_acquire(B, SHARED, in_ms(PATIENCE_MS), &got[1]));
	ASSERT_EQ(0, handle_release(A, got[0].token));
	EXPECT_FALSE(word_take(C, &token));
	ASSERT_EQ(0, handle_release(B, got[1].token));
	EXPECT_EQ(0U, *C->word & CHRING_LOCK_FLAGS);
	ASSERT_TRUE(word_take(C, &token));
	EXPECT_EQ(got[1].token + 1, token);
	EXPECT_STATE(C, "1 alone with me, 0 wait");
	ASSERT_TRUE(word_release(C, token));
}

TEST_F(shared, handle_holds_it_once)
{
	struct chring_lock_acquire got[2], none;

	ASSERT_EQ(0, handle_acquire(A, SHARED, in_ms(PATIENCE_MS), &got[0]));
	ASSERT_EQ(0, handle_acquire(B, SHARED, in_ms(PATIENCE_MS), &got[1]));
	EXPECT_EQ(-EBUSY, handle_acquire(A, SHARED | TRY, 0, &none));
	EXPECT_EQ(-EDEADLK, handle_acquire(A, SHARED, in_ms(PATIENCE_MS),
					   &none));
	EXPECT_EQ(-EDEADLK, handle_acquire(A, ALONE, in_ms(PATIENCE_MS),
					   &none));
	EXPECT_EQ(-ETIMEDOUT, handle_acquire(A, SHARED | CHRING_ACQUIRE_SELF,
					     in_ms(10), &none));
	EXPECT_EQ(-ESTALE, handle_release(A, got[1].token));
	EXPECT_EQ(-ESTALE, handle_release(B, got[0].token));
	EXPECT_EQ(-ESTALE, handle_release(A, 0));
	EXPECT_EQ(-ESTALE, handle_release(C, 0));
	EXPECT_STATE(A, "2 share with me, 0 wait");
	EXPECT_EQ(0, handle_release(A, got[0].token));
	EXPECT_EQ(-ESTALE, handle_release(A, got[0].token));
	EXPECT_EQ(0, handle_release(B, got[1].token));
	EXPECT_STATE(A, "0 hold, 0 wait");
}

/* ---- in which order */

TEST_F(shared, who_comes_after_one_that_wants_it_alone_waits_for_that)
{
	struct sleeper writer, reader;
	struct chring_lock_acquire got, none;

	ASSERT_EQ(0, handle_acquire(A, SHARED, in_ms(PATIENCE_MS), &got));
	ASSERT_TRUE(sleeper_queue(&writer, B, ALONE, 0));
	EXPECT_EQ(-EBUSY, handle_acquire(C, SHARED | TRY, 0, &none));
	ASSERT_TRUE(sleeper_queue(&reader, C, SHARED, 1));
	EXPECT_STATE(A, "1 share with me, 2 wait");

	ASSERT_EQ(0, handle_release(A, got.token));
	ASSERT_EQ(0, sleeper_end(&writer));
	EXPECT_EQ(got.token + 1, writer.got.token);
	EXPECT_STATE(B, "1 alone with me, 1 wait");
	ASSERT_EQ(0, handle_release(B, writer.got.token));
	ASSERT_EQ(0, sleeper_end(&reader));
	EXPECT_EQ(got.token + 2, reader.got.token);
	EXPECT_STATE(C, "1 share with me, 0 wait");
	ASSERT_EQ(0, handle_release(C, reader.got.token));
}

TEST_F(shared, neighbours_in_the_queue_share_it_together)
{
	struct sleeper reader[2], writer, last;
	struct chring_lock_acquire got;

	ASSERT_EQ(0, handle_acquire(A, ALONE, in_ms(PATIENCE_MS), &got));
	ASSERT_TRUE(sleeper_queue(&reader[0], B, SHARED, 0));
	ASSERT_TRUE(sleeper_queue(&reader[1], C, SHARED, 1));
	ASSERT_TRUE(sleeper_queue(&writer, D, ALONE, 2));
	ASSERT_TRUE(sleeper_queue(&last, E, SHARED, 3));

	ASSERT_EQ(0, handle_release(A, got.token));
	ASSERT_EQ(0, sleeper_end(&reader[0]));
	ASSERT_EQ(0, sleeper_end(&reader[1]));
	EXPECT_EQ(got.token + 1, reader[0].got.token);
	EXPECT_EQ(got.token + 2, reader[1].got.token);
	EXPECT_STATE(A, "2 share, 2 wait");
	ASSERT_EQ(0, handle_release(B, reader[0].got.token));
	EXPECT_STATE(A, "1 share, 2 wait");
	ASSERT_EQ(0, handle_release(C, reader[1].got.token));
	ASSERT_EQ(0, sleeper_end(&writer));
	EXPECT_STATE(A, "1 alone, 1 wait");
	ASSERT_EQ(0, handle_release(D, writer.got.token));
	ASSERT_EQ(0, sleeper_end(&last));
	ASSERT_EQ(0, handle_release(E, last.got.token));
	EXPECT_STATE(A, "0 hold, 0 wait");
}

TEST_F(shared, one_that_gives_up_lets_those_behind_it_share)
{
	struct sleeper reader[2], writer;
	struct chring_lock_acquire got;

	ASSERT_EQ(0, handle_acquire(A, SHARED, in_ms(PATIENCE_MS), &got));
	ASSERT_EQ(0, sleeper_start(&writer, B, ALONE, 500, 0));
	ASSERT_TRUE(wait_until(waiters_of(A) == 1 ||
			       now_ns() > writer.got.deadline));
	ASSERT_EQ(0, sleeper_start(&reader[0], C, SHARED, PATIENCE_MS, 0));
	ASSERT_EQ(0, sleeper_start(&reader[1], D, SHARED, PATIENCE_MS, 0));
	EXPECT_EQ(-ETIMEDOUT, sleeper_end(&writer));
	ASSERT_EQ(0, sleeper_end(&reader[0]));
	ASSERT_EQ(0, sleeper_end(&reader[1]));
	EXPECT_STATE(A, "3 share with me, 0 wait");
	ASSERT_EQ(0, handle_release(A, got.token));
	ASSERT_EQ(0, handle_release(C, reader[0].got.token));
	ASSERT_EQ(0, handle_release(D, reader[1].got.token));
	EXPECT_STATE(A, "0 hold, 0 wait");
}

/*
 * Two share it, and would in turns, so that it were never free: but one wants it alone,
 * and they are not let in again.
 */
TEST_F(shared, who_wants_it_alone_does_not_starve)
{
	struct chring_lock_acquire got[2], none;
	struct sleeper writer, reader;
	int i;

	ASSERT_EQ(0, handle_acquire(A, SHARED, in_ms(PATIENCE_MS), &got[0]));
	ASSERT_EQ(0, handle_acquire(B, SHARED, in_ms(PATIENCE_MS), &got[1]));
	ASSERT_TRUE(sleeper_queue(&writer, C, ALONE, 0));
	ASSERT_EQ(0, handle_release(B, got[1].token));
	for (i = 0; i < 100; i++)
		ASSERT_EQ(-EBUSY, handle_acquire(B, SHARED | TRY, 0, &none));
	ASSERT_TRUE(sleeper_queue(&reader, B, SHARED, 1));
	ASSERT_EQ(0, handle_release(A, got[0].token));
	ASSERT_EQ(-EBUSY, handle_acquire(A, SHARED | TRY, 0, &none));
	ASSERT_EQ(0, sleeper_end(&writer));
	EXPECT_STATE(A, "1 alone, 1 wait");
	ASSERT_EQ(0, handle_release(C, writer.got.token));
	ASSERT_EQ(0, sleeper_end(&reader));
	ASSERT_EQ(0, handle_release(B, reader.got.token));
}

/* ---- what is given back */

TEST_F(shared, who_dies_sharing_gives_back_its_own_and_is_no_news)
{
	struct chring_lock_acquire got;
	pid_t pid[3];
	int i;

	for (i = 0; i < 3; i++)
		pid[i] = holder_start(self->name, SHARED, NULL);
	ASSERT_TRUE(is(A, "3 share, 0 wait"));
	end_child(pid[1]);
	ASSERT_TRUE(is(A, "2 share, 0 wait"));
	EXPECT_EQ(-EBUSY, handle_acquire(A, ALONE | TRY, 0, &got));
	end_child(pid[0]);
	ASSERT_TRUE(is(A, "1 share, 0 wait"));
	ASSERT_EQ(0, handle_acquire(A, SHARED | TRY, 0, &got));
	EXPECT_EQ(0U, got.news);
	ASSERT_EQ(0, handle_release(A, got.token));
	end_child(pid[2]);
	ASSERT_TRUE(is(A, "0 hold, 0 wait"));
	ASSERT_EQ(0, handle_acquire(A, ALONE | TRY, 0, &got));
	EXPECT_EQ(0U, got.news);
	ASSERT_EQ(0, handle_release(A, got.token));
}

TEST_F(shared, last_one_that_dies_lets_in_who_waits)
{
	struct sleeper writer;
	pid_t pid[2];

	pid[0] = holder_start(self->name, SHARED, NULL);
	pid[1] = holder_start(self->name, SHARED, NULL);
	ASSERT_TRUE(is(A, "2 share, 0 wait"));
	ASSERT_TRUE(sleeper_queue(&writer, A, ALONE, 0));
	end_child(pid[0]);
	ASSERT_TRUE(is(B, "1 share, 1 wait"));
	end_child(pid[1]);
	ASSERT_EQ(0, sleeper_end(&writer));
	EXPECT_EQ(0U, writer.got.news);
	ASSERT_EQ(0, handle_release(A, writer.got.token));
}

TEST_F(shared, who_shares_it_next_is_told_of_a_death_once)
{
	struct chring_lock_acquire got[2];
	pid_t pid;

	pid = holder_start(self->name, ALONE, NULL);
	ASSERT_TRUE(is(A, "1 alone, 0 wait"));
	end_child(pid);
	ASSERT_EQ(0, handle_acquire(A, SHARED, in_ms(PATIENCE_MS), &got[0]));
	EXPECT_EQ(CHRING_NEWS_OWNER_DIED, got[0].news);
	EXPECT_EQ(got[0].token - 1, got[0].dead_token);
	ASSERT_EQ(0, handle_acquire(B, SHARED, in_ms(PATIENCE_MS), &got[1]));
	EXPECT_EQ(0U, got[1].news);
	EXPECT_EQ(0U, got[1].dead_token);
	ASSERT_EQ(0, handle_release(A, got[0].token));
	ASSERT_EQ(0, handle_release(B, got[1].token));
}

TEST_F(shared, close_gives_back_its_own)
{
	struct chring_lock_acquire got[2];

	ASSERT_EQ(0, handle_acquire(A, SHARED, in_ms(PATIENCE_MS), &got[0]));
	ASSERT_EQ(0, handle_acquire(B, SHARED, in_ms(PATIENCE_MS), &got[1]));
	ASSERT_EQ(0, handle_close(A));
	EXPECT_EQ(-ESTALE, handle_release(A, got[0].token));
	EXPECT_STATE(B, "1 share with me, 0 wait");
	ASSERT_EQ(0, handle_release(B, got[1].token));
	EXPECT_STATE(B, "0 hold, 0 wait");
}

TEST_F(shared, all_who_share_it_lose_it_when_it_is_broken)
{
	struct chring_lock_acquire got[2], next;
	struct sleeper writer;

	ASSERT_EQ(0, handle_acquire(A, SHARED, in_ms(PATIENCE_MS), &got[0]));
	ASSERT_EQ(0, handle_acquire(B, SHARED, in_ms(PATIENCE_MS), &got[1]));
	ASSERT_TRUE(sleeper_queue(&writer, C, ALONE, 0));
	ASSERT_EQ(0, lock_break(self->name));
	ASSERT_EQ(0, sleeper_end(&writer));
	EXPECT_EQ(CHRING_NEWS_BROKEN, writer.got.news);
	EXPECT_EQ(got[1].token, writer.got.dead_token);
	EXPECT_TRUE(handle_poll(A) & POLLERR);
	EXPECT_TRUE(handle_poll(B) & POLLERR);
	EXPECT_EQ(-ESTALE, handle_release(A, got[0].token));
	EXPECT_EQ(-ESTALE, handle_release(B, got[1].token));
	EXPECT_STATE(C, "1 alone with me, 0 wait");
	ASSERT_EQ(0, handle_release(C, writer.got.token));
	EXPECT_EQ(-ESRCH, lock_break(self->name));
	ASSERT_EQ(0, handle_acquire(A, SHARED | TRY, 0, &next));
	EXPECT_EQ(0U, next.news);
}

/* A child takes over what its parent has, which was open when it was forked. */
static int adopt_and_release(const struct handle *inherited, uint64_t old)
{
	struct handle handle = *inherited;
	struct chring_lock_adopt adopted;

	if (handle_adopt(&handle, &adopted))
		return 1;
	if (adopted.token <= old || adopted.word != CHRING_LOCK_NO_WORD)
		return 2;
	if (strcmp(state(&handle), "2 share with me, 0 wait"))
		return 3;
	if (handle_release(&handle, old) != -ESTALE)
		return 4;
	return handle_release(&handle, adopted.token) ? 5 : 0;
}

TEST_F(shared, share_goes_to_who_adopts_the_handle)
{
	struct chring_lock_acquire got[2];
	pid_t pid;

	ASSERT_EQ(0, handle_acquire(A, SHARED, in_ms(PATIENCE_MS), &got[0]));
	ASSERT_EQ(0, handle_acquire(B, SHARED, in_ms(PATIENCE_MS), &got[1]));
	pid = fork();
	if (!pid)
		_exit(adopt_and_release(A, got[0].token));
	EXPECT_EQ(0, exit_status(pid));
	EXPECT_EQ(-ESTALE, handle_release(A, got[0].token));
	EXPECT_STATE(B, "1 share with me, 0 wait");
	ASSERT_EQ(0, handle_release(B, got[1].token));
	EXPECT_STATE(B, "0 hold, 0 wait");
}

/* ---- leases */

TEST_F(shared, lease_of_each_is_its_own)
{
	struct chring_lock_acquire got[2];
	struct sleeper writer;

	ASSERT_EQ(0, handle_lease(A, SHARED, in_ms(PATIENCE_MS), SHORT_MS,
				  &got[0]));
	ASSERT_EQ(0, handle_lease(B, SHARED, in_ms(PATIENCE_MS), LONG_MS,
				  &got[1]));
	pause_us(2 * SHORT_MS * 1000);
	/* Nobody wants it yet */
	EXPECT_STATE(A, "2 share with me, 0 wait");
	ASSERT_TRUE(sleeper_queue(&writer, C, ALONE, 0));
	ASSERT_TRUE(is(B, "1 share with me, 1 wait, news"));
	EXPECT_TRUE(handle_poll(A) & POLLERR);
	EXPECT_FALSE(handle_poll(B) & POLLERR);
	EXPECT_EQ(-ESTALE, handle_release(A, got[0].token));
	ASSERT_EQ(0, handle_release(B, got[1].token));
	ASSERT_EQ(0, sleeper_end(&writer));
	EXPECT_EQ(CHRING_NEWS_EXPIRED, writer.got.news);
	EXPECT_EQ(got[0].token, writer.got.dead_token);
	ASSERT_EQ(0, handle_release(C, writer.got.token));
}

TEST_F(shared, leases_of_all_end_and_who_waits_has_it)
{
	struct chring_lock_acquire got[3];
	struct sleeper writer;
	int i;

	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, handle_lease(&self->handle[i], SHARED,
					  in_ms(PATIENCE_MS), SHORT_MS, &got[i]));
	ASSERT_EQ(0, sleeper_start(&writer, D, ALONE, PATIENCE_MS, 0));
	ASSERT_EQ(0, sleeper_end(&writer));
	EXPECT_EQ(CHRING_NEWS_EXPIRED, writer.got.news);
	for (i = 0; i < 3; i++)
		EXPECT_EQ(-ESTALE, handle_release(&self->handle[i],
						  got[i].token));
	EXPECT_STATE(D, "1 alone with me, 0 wait");
	ASSERT_EQ(0, handle_release(D, writer.got.token));
}

TEST_F(shared, one_that_agreed_to_it_is_killed_and_its_share_given_back)
{
	struct chring_lock_acquire got, next;
	struct handle handle;
	pid_t pid;

	ASSERT_EQ(0, handle_acquire(A, SHARED, in_ms(PATIENCE_MS), &got));
	pid = fork_child();
	if (!pid) {
		if (!handle_open(&handle, self->name, 0) &&
		    !handle_lease(&handle, SHARED | CHRING_ACQUIRE_KILL,
				  in_ms(PATIENCE_MS), SHORT_MS, &next))
			pause();
		_exit(1);
	}
	ASSERT_TRUE(is(A, "2 share with me, 0 wait"));
	EXPECT_EQ(-EBUSY, handle_acquire(B, ALONE | TRY, 0, &next));
	EXPECT_EQ(-SIGKILL, exit_status(pid));
	ASSERT_TRUE(is(A, "1 share with me, 0 wait"));
	ASSERT_EQ(0, handle_release(A, got.token));
}

/* ---- the word, in the hands of one who scribbles */

TEST_F(shared, scribbled_word_changes_nothing_for_those_who_share_it)
{
	struct chring_lock_acquire got[2], none;

	if (variant->flags & CHRING_LOCK_STRICT)
		return;
	ASSERT_EQ(0, handle_acquire(A, SHARED, in_ms(PATIENCE_MS), &got[0]));
	ASSERT_EQ(0, handle_acquire(B, SHARED, in_ms(PATIENCE_MS), &got[1]));
	/* As if the next one had it, which no honest process can say now */
	*C->word = ((got[1].token + 1) & CHRING_LOCK_SEQ_MAX)
		   << CHRING_LOCK_SEQ_SHIFT |
		   (uint64_t)C->id << CHRING_LOCK_OWNER_SHIFT;
	EXPECT_STATE(C, "2 share, 0 wait, news");
	EXPECT_EQ(-ESTALE, handle_release(C, got[1].token + 1));
	EXPECT_EQ(-EBUSY, handle_acquire(C, ALONE | TRY, 0, &none));
	ASSERT_EQ(0, handle_release(A, got[0].token));
	ASSERT_EQ(0, handle_release(B, got[1].token));
	ASSERT_EQ(0, handle_acquire(C, ALONE | TRY, 0, &none));
	EXPECT_EQ(CHRING_NEWS_CORRUPT, none.news);
	EXPECT_LT(got[1].token + 1, none.token);
	ASSERT_EQ(0, handle_release(C, none.token));
}

/* ---- by libchring */

TEST_F(shared, libchring_shares_it_and_knows_when_it_does_not)
{
	struct chring_lock *one, *other;

	ASSERT_EQ(0, chring_lock_open(&one, self->name, 0, 0));
	ASSERT_EQ(0, chring_lock_open(&other, self->name, 0, 0));
	ASSERT_EQ(0, chring_lock_acquire_shared(one, NULL));
	ASSERT_EQ(0, chring_lock_try_shared(other));
	EXPECT_EQ(-EDEADLK, chring_lock_acquire_shared(one, NULL));
	EXPECT_EQ(-EDEADLK, chring_lock_acquire(one));
	EXPECT_LT(chring_lock_token(one), chring_lock_token(other));
	EXPECT_TRUE(chring_lock_is_held(one));
	EXPECT_TRUE(chring_lock_is_held(other));
	ASSERT_EQ(0, chring_lock_release(one));
	EXPECT_FALSE(chring_lock_is_held(one));
	EXPECT_TRUE(chring_lock_is_held(other));
	EXPECT_EQ(-ESTALE, chring_lock_release(one));
	EXPECT_EQ(-EBUSY, chring_lock_try(one));

	ASSERT_EQ(0, lock_break(self->name));
	EXPECT_FALSE(chring_lock_is_held(other));
	EXPECT_EQ(CHRING_NEWS_BROKEN, (unsigned int)chring_lock_acquire(one));
	ASSERT_EQ(0, chring_lock_release(one));
	/* The word has no flags any more, and still it is none of its own */
	EXPECT_FALSE(chring_lock_is_held(other));
	EXPECT_EQ(-ESTALE, chring_lock_release(other));
	ASSERT_EQ(0, chring_lock_acquire(other));
	EXPECT_EQ(-EBUSY, chring_lock_try_shared(one));
	ASSERT_EQ(0, chring_lock_release(other));
	chring_lock_close(one);
	chring_lock_close(other);
}

TEST_F(shared, token_is_good_while_it_is_held_or_the_newest)
{
	struct chring_lock_acquire got[2], alone;
	struct chring *chring = chring_alloc();
	struct chring_lock_adopt adopted;
	struct handle child;
	pid_t pid;

	ASSERT_EQ(0, chring_open(chring));
#define check(token) chring_lock_check_token(chring, self->name, token)
	EXPECT_EQ(-ESTALE, check(0));
	EXPECT_EQ(-ENOENT, chring_lock_check_token(chring, "none", 1));
	ASSERT_EQ(0, handle_acquire(A, SHARED, in_ms(PATIENCE_MS), &got[0]));
	ASSERT_EQ(0, handle_acquire(B, SHARED, in_ms(PATIENCE_MS), &got[1]));
	EXPECT_EQ(0, check(got[0].token));
	EXPECT_EQ(0, check(got[1].token));
	EXPECT_EQ(-ESTALE, check(0));
	EXPECT_EQ(-ESTALE, check(got[0].token - 1));
	EXPECT_EQ(-ESTALE, check(got[1].token + 1));
	EXPECT_STATE(A, "2 share with me, 0 wait");

	/* The old place, and the newest token */
	pid = fork();
	if (!pid) {
		child = *A;
		_exit(handle_adopt(&child, &adopted) ||
		      adopted.token != got[1].token + 1 ||
		      check(adopted.token) || check(got[1].token) ||
		      check(got[0].token) != -ESTALE);
	}
	EXPECT_EQ(0, exit_status(pid));
	ASSERT_TRUE(is(B, "1 share with me, 0 wait"));
	EXPECT_EQ(0, check(got[1].token));
	ASSERT_EQ(0, handle_release(B, got[1].token));
	EXPECT_EQ(-ESTALE, check(got[1].token));
	EXPECT_EQ(0, check(got[1].token + 1));

	ASSERT_EQ(0, handle_acquire(C, ALONE, in_ms(PATIENCE_MS), &alone));
	EXPECT_EQ(-ESTALE, check(got[1].token + 1));
	EXPECT_EQ(0, check(alone.token));
	ASSERT_EQ(0, handle_release(C, alone.token));
	EXPECT_EQ(0, check(alone.token));
#undef check
	chring_free(chring);
}

/* ---- slots */

#define SLOTS 3

FIXTURE(slots)
{
	struct handle handle[HANDLES];
	uint64_t *shown;	/* the tokens of processes that hold it */
	char name[32];
};

FIXTURE_SETUP(slots)
{
	/* Some tests leave news, with which a lock stays */
	ASSERT_EQ(0, unshare(CLONE_NEWNET));
	snprintf(self->name, sizeof(self->name), "slots/%d", getpid());
	ASSERT_EQ(0, handles_open(self->handle, HANDLES, self->name, 0, SLOTS));
	self->shown = mmap(NULL, getpagesize(), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->shown);
}

FIXTURE_TEARDOWN(slots)
{
	handles_close(self->handle, HANDLES);
}

TEST_F(slots, so_many_hold_it_and_no_more)
{
	struct chring_lock_acquire got[SLOTS], none;
	struct chring_lock_stat stat;
	int i;

	EXPECT_EQ(CHRING_LOCK_STRICT | CHRING_LOCK_FIFO, self->handle[0].flags);
	EXPECT_EQ(-EOPNOTSUPP, handle_map(A));
	for (i = 0; i < SLOTS; i++)
		ASSERT_EQ(0, handle_try(&self->handle[i], &got[i]));
	EXPECT_EQ(got[0].token + 2, got[2].token);
	ASSERT_EQ(0, handle_stat(D, &stat));
	EXPECT_EQ((unsigned int)SLOTS, stat.slots);
	EXPECT_EQ((unsigned int)SLOTS, stat.holders);
	EXPECT_EQ(-EBUSY, handle_try(D, &none));
	EXPECT_EQ(-ETIMEDOUT, handle_acquire(D, 0, in_ms(10), &none));
	EXPECT_EQ(-EDEADLK, handle_acquire(A, 0, in_ms(PATIENCE_MS), &none));
	ASSERT_EQ(0, handle_release(B, got[1].token));
	EXPECT_EQ(-ESTALE, handle_release(B, got[1].token));
	ASSERT_EQ(0, handle_try(D, &none));
	EXPECT_EQ(-EBUSY, handle_try(B, &none));
	EXPECT_STATE(D, "3 share with me, 0 wait");
}

TEST_F(slots, are_given_in_order_of_arrival)
{
	struct chring_lock_acquire got[SLOTS], none;
	struct sleeper waiter[2];
	int i;

	for (i = 0; i < SLOTS; i++)
		ASSERT_EQ(0, handle_try(&self->handle[i], &got[i]));
	ASSERT_TRUE(sleeper_queue(&waiter[0], D, 0, 0));
	ASSERT_TRUE(sleeper_queue(&waiter[1], E, 0, 1));
	ASSERT_EQ(0, handle_release(A, got[0].token));
	ASSERT_EQ(0, sleeper_end(&waiter[0]));
	EXPECT_STATE(A, "3 share, 1 wait");
	EXPECT_EQ(-EBUSY, handle_try(A, &none));
	ASSERT_EQ(0, handle_release(C, got[2].token));
	ASSERT_EQ(0, sleeper_end(&waiter[1]));
	EXPECT_EQ(waiter[0].got.token + 1, waiter[1].got.token);
	EXPECT_STATE(A, "3 share, 0 wait");
}

/* However many die, and in whatever order, there are never more nor fewer. */
TEST_F(slots, dead_holder_gives_back_its_slot_and_no_other)
{
	struct chring_lock_acquire got, none;
	pid_t pid[SLOTS];
	uint64_t dead;
	int round, i;

	for (round = 0; round < 2 * SLOTS; round++) {
		for (i = 0; i < SLOTS; i++)
			pid[i] = holder_start(self->name, 0, &self->shown[i]);
		ASSERT_TRUE(is(A, "3 share, 0 wait"));
		ASSERT_TRUE(wait_until(self->shown[round % SLOTS]));
		dead = self->shown[round % SLOTS];
		end_child(pid[round % SLOTS]);
		ASSERT_TRUE(is(A, "2 share, 0 wait, news"));
		ASSERT_EQ(0, handle_try(A, &got));
		EXPECT_EQ(CHRING_NEWS_OWNER_DIED, got.news);
		EXPECT_EQ(dead, got.dead_token);
		EXPECT_EQ(-EBUSY, handle_try(B, &none));
		ASSERT_EQ(0, handle_release(A, got.token));
		ASSERT_EQ(0, handle_try(B, &got));
		EXPECT_EQ(0U, got.news);
		ASSERT_EQ(0, handle_release(B, got.token));
		for (i = 0; i < SLOTS; i++)
			if (i != round % SLOTS)
				end_child(pid[i]);
		ASSERT_TRUE(is(A, "0 hold, 0 wait, news"));
		ASSERT_EQ(0, handle_try(A, &got));
		ASSERT_EQ(0, handle_release(A, got.token));
		memset(self->shown, 0, SLOTS * sizeof(*self->shown));
	}
}

TEST_F(slots, death_lets_in_who_waits_and_tells)
{
	struct sleeper waiter[2];
	pid_t pid[SLOTS];
	int i;

	for (i = 0; i < SLOTS; i++)
		pid[i] = holder_start(self->name, 0, &self->shown[i]);
	ASSERT_TRUE(is(A, "3 share, 0 wait"));
	ASSERT_TRUE(wait_until(self->shown[2]));
	ASSERT_TRUE(sleeper_queue(&waiter[0], A, 0, 0));
	ASSERT_TRUE(sleeper_queue(&waiter[1], B, 0, 1));
	end_child(pid[2]);
	ASSERT_EQ(0, sleeper_end(&waiter[0]));
	EXPECT_EQ(CHRING_NEWS_OWNER_DIED, waiter[0].got.news);
	EXPECT_EQ(self->shown[2], waiter[0].got.dead_token);
	EXPECT_STATE(A, "3 share with me, 1 wait");
	ASSERT_EQ(0, handle_release(A, waiter[0].got.token));
	ASSERT_EQ(0, sleeper_end(&waiter[1]));
	EXPECT_EQ(0U, waiter[1].got.news);
	end_child(pid[0]);
	end_child(pid[1]);
	ASSERT_TRUE(is(B, "1 share with me, 0 wait, news"));
}

/* A process takes a slot, and dies. Returns its token. */
static uint64_t die_with_slot(const char *name, uint64_t *shown)
{
	pid_t pid;

	*shown = 0;
	pid = holder_start(name, 0, shown);
	wait_until(__atomic_load_n(shown, __ATOMIC_ACQUIRE));
	end_child(pid);
	return *shown;
}

TEST_F(slots, consistent_of_who_was_not_told_leaves_the_news_to_the_next)
{
	struct chring_lock_acquire got, next;
	uint64_t dead;

	ASSERT_EQ(0, handle_try(A, &got));
	dead = die_with_slot(self->name, self->shown);
	ASSERT_TRUE(is(A, "1 share with me, 0 wait, news"));
	ASSERT_EQ(0, handle_consistent(A, got.token));
	EXPECT_STATE(A, "1 share with me, 0 wait, news");
	ASSERT_EQ(0, handle_try(B, &next));
	EXPECT_EQ(CHRING_NEWS_OWNER_DIED, next.news);
	EXPECT_EQ(dead, next.dead_token);
	EXPECT_STATE(A, "2 share with me, 0 wait");
}

/* It was told of a death, but not of the one after that. */
TEST_F(slots, consistent_of_one_death_leaves_the_news_of_another)
{
	struct chring_lock_acquire got, next;
	uint64_t dead[2];

	handles_close(self->handle, HANDLES);
	ASSERT_EQ(0, handles_open(self->handle, HANDLES, "slots/sticky",
				  CHRING_LOCK_STICKY, SLOTS));
	dead[0] = die_with_slot("slots/sticky", self->shown);
	ASSERT_TRUE(is(A, "0 hold, 0 wait, news"));
	ASSERT_EQ(0, handle_try(A, &got));
	EXPECT_EQ(CHRING_NEWS_OWNER_DIED, got.news);
	EXPECT_EQ(dead[0], got.dead_token);
	dead[1] = die_with_slot("slots/sticky", self->shown);
	ASSERT_TRUE(is(A, "1 share with me, 0 wait, news"));
	ASSERT_EQ(0, handle_consistent(A, got.token));
	EXPECT_STATE(A, "1 share with me, 0 wait, news");

	ASSERT_EQ(0, handle_try(B, &next));
	EXPECT_EQ(CHRING_NEWS_OWNER_DIED, next.news);
	EXPECT_EQ(dead[1], next.dead_token);
	ASSERT_EQ(0, handle_consistent(B, next.token));
	EXPECT_STATE(B, "2 share with me, 0 wait");
	ASSERT_EQ(0, handle_try(C, &next));
	EXPECT_EQ(0U, next.news);
	EXPECT_EQ(0U, next.dead_token);
}

/* Where it is slow the first one has its slot before the second one waits. */
TEST_F(slots, lease_runs_from_the_acquisition_where_somebody_waits)
{
	struct chring_lock_acquire got[SLOTS];
	struct sleeper waiter[2];
	int i;

	for (i = 0; i < SLOTS; i++)
		ASSERT_EQ(0, handle_lease(&self->handle[i], 0, in_ms(PATIENCE_MS),
					  i ? LONG_MS : SHORT_MS, &got[i]));
	ASSERT_EQ(0, sleeper_start(&waiter[0], D, 0, PATIENCE_MS, SHORT_MS));
	ASSERT_TRUE(wait_until(waiters_of(D) == 1 || is_mine(D)));
	ASSERT_EQ(0, sleeper_start(&waiter[1], E, 0, PATIENCE_MS, 0));
	ASSERT_EQ(0, sleeper_end(&waiter[0]));
	EXPECT_EQ(CHRING_NEWS_EXPIRED, waiter[0].got.news);
	EXPECT_EQ(got[0].token, waiter[0].got.dead_token);
	EXPECT_EQ(-ESTALE, handle_release(A, got[0].token));
	ASSERT_EQ(0, sleeper_end(&waiter[1]));
	EXPECT_EQ(CHRING_NEWS_EXPIRED, waiter[1].got.news);
	EXPECT_EQ(waiter[0].got.token, waiter[1].got.dead_token);
	EXPECT_EQ(-ESTALE, handle_release(D, waiter[0].got.token));
	EXPECT_STATE(E, "3 share with me, 0 wait");
}

TEST_F(slots, cannot_be_shared_nor_be_too_many)
{
	struct chring_lock_acquire none;
	struct handle handle;

	EXPECT_EQ(-EINVAL, handle_acquire(A, SHARED | TRY, 0, &none));
	EXPECT_EQ(-EINVAL, handle_acquire(A, SHARED, 0, &none));
	EXPECT_STATE(A, "0 hold, 0 wait");
	EXPECT_EQ(-EINVAL, handle_open_slots(&handle, "none",
					     CHRING_OPEN_CREATE,
					     CHRING_LOCK_SLOTS_MAX + 1));
	EXPECT_EQ(-EINVAL, handle_open_slots(&handle, self->name, 0, SLOTS));
	EXPECT_EQ(-ENOENT, handle_open(&handle, "none", 0));
	/* Who opens it does not change it */
	ASSERT_EQ(0, handle_open_slots(&handle, self->name, CHRING_OPEN_CREATE,
				       SLOTS + 1));
	EXPECT_STATE(&handle, "0 hold, 0 wait");
	close(handle.fd);
}

TEST_F(slots, libchring_has_one_each)
{
	struct chring_lock *lock[SLOTS + 1];
	int i;

	EXPECT_EQ(-EINVAL, chring_lock_open_slots(&lock[0], self->name, SLOTS,
						  0, 0));
	for (i = 0; i <= SLOTS; i++)
		ASSERT_EQ(0, chring_lock_open_slots(&lock[i], "slots/lib",
						    SLOTS, CHRING_LOCK_CREATE,
						    0));
	for (i = 0; i < SLOTS; i++)
		ASSERT_EQ(0, chring_lock_acquire(lock[i]));
	EXPECT_EQ(-EBUSY, chring_lock_try(lock[SLOTS]));
	EXPECT_EQ(-EINVAL, chring_lock_try_shared(lock[SLOTS]));
	for (i = 0; i < SLOTS; i++)
		EXPECT_TRUE(chring_lock_is_held(lock[i]));
	ASSERT_EQ(0, chring_lock_release(lock[0]));
	EXPECT_FALSE(chring_lock_is_held(lock[0]));
	EXPECT_EQ(-ESTALE, chring_lock_release(lock[0]));
	ASSERT_EQ(0, chring_lock_try(lock[SLOTS]));
	for (i = 0; i <= SLOTS; i++)
		chring_lock_close(lock[i]);
}

/* ---- what is told of them */

TEST_F(slots, holders_are_told_one_by_one)
{
	struct chring_lock_status *status = calloc(1, sizeof(*status));
	struct chring *chring = chring_alloc();
	struct chring_lock_acquire got[2];
	struct handle more[CHRING_HOLDERS_SHOWN + 1];
	int i;

	ASSERT_NE(NULL, status);
	ASSERT_EQ(0, chring_open(chring));
	ASSERT_EQ(0, handle_try(A, &got[0]));
	ASSERT_EQ(0, handle_try(B, &got[1]));
	ASSERT_EQ(0, chring_lock_get(chring, self->name, status));
	EXPECT_EQ((uint32_t)SLOTS, status->slots);
	EXPECT_EQ(2U, status->holders);
	EXPECT_EQ(2U, status->shown);
	EXPECT_TRUE(status->held);
	EXPECT_TRUE(status->shared);
	EXPECT_EQ(got[1].token, status->token);
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(got[i].token, status->holder[i].token);
		EXPECT_EQ(getpid(), status->holder[i].pid);
		EXPECT_STRNE("", status->holder[i].command);
		EXPECT_FALSE(status->holder[i].expires);
	}
	/* The first one goes: the other is the first then */
	ASSERT_EQ(0, handle_release(A, got[0].token));
	ASSERT_EQ(0, chring_lock_get(chring, self->name, status));
	EXPECT_EQ(1U, status->shown);
	EXPECT_EQ(got[1].token, status->holder[0].token);

	/* Of many the first ones */
	for (i = 0; i <= CHRING_HOLDERS_SHOWN; i++) {
		ASSERT_EQ(0, handle_open(&more[i], "slots/many", CHRING_OPEN_CREATE));
		ASSERT_EQ(0, handle_acquire(&more[i], SHARED | TRY, 0, &got[0]));
	}
	ASSERT_EQ(0, chring_lock_get(chring, "slots/many", status));
	EXPECT_EQ(0U, status->slots);
	EXPECT_EQ(CHRING_HOLDERS_SHOWN + 1U, status->holders);
	EXPECT_EQ((uint32_t)CHRING_HOLDERS_SHOWN, status->shown);
	EXPECT_EQ(got[0].token, status->token);
	/* All of them are asked whose a token is */
	for (i = 0; i <= CHRING_HOLDERS_SHOWN; i++)
		EXPECT_EQ(0, chring_lock_check_token(chring, "slots/many",
						     got[0].token - i));
	EXPECT_EQ(-ESTALE, chring_lock_check_token(chring, "slots/many",
						   got[0].token - i));
	handles_close(more, CHRING_HOLDERS_SHOWN + 1);
	chring_free(chring);
	free(status);
}

TEST_F(slots, refusals_name_what_they_are_about)
{
	struct chring_lock_request request = {
		.name = "slots/new",
		.flags = CHRING_LOCK_KEEP,
		.mode = CHRING_LOCK_KEEP,
		.owner = CHRING_LOCK_KEEP,
		.group = CHRING_LOCK_KEEP,
		.ttl_ms = CHRING_LOCK_KEEP,
		.expiry = CHRING_LOCK_KEEP,
		.slots = CHRING_LOCK_SLOTS_MAX + 1,
	};
	struct chring *chring = chring_alloc();

	ASSERT_EQ(0, chring_open(chring));
	EXPECT_EQ(-ERANGE, chring_lock_new(chring, &request));
	EXPECT_NE(NULL, strstr(chring_error(chring),
			       "slots must be 1..65535 (attribute slots)"));
	EXPECT_EQ(-ESTALE, chring_lock_check_token(chring, self->name, 1));
	EXPECT_NE(NULL, strstr(chring_error(chring), "(attribute token)"));
	chring_free(chring);
}

TEST_HARNESS_MAIN
