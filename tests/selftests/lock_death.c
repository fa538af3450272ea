// SPDX-License-Identifier: GPL-2.0
/*
 * Whoever holds a lock and comes to its end, however that is, and whoever has
 * copies of its descriptor: the lock is the next one's at once, who is told, but
 * where it was only shared. And what is no end at all changes nothing.
 */
#define _GNU_SOURCE		/* clone, unshare */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lock_raw.h"

#define NAME "death"
#define STACK_SIZE 65536

/* How a holder ends. */
enum end {
	KILLED,
	EXITS,
	EXECS,			/* and lives on as something else */
};

/* Who has its descriptor as well. */
enum keeper {
	NOBODY,
	FORKED_CHILD,
	SHARER,			/* of the descriptors, but not of the memory */
	MESSAGE,		/* on its way over a socket */
	RECEIVER,		/* of such a message; the holder closed its own */
};

/* What the holder tells. */
struct report {
	bool holds;
	uint64_t token;
	pid_t keeper;
	int keepers_result;
};

FIXTURE(death)
{
	struct handle handle;
	struct report *report;
	int socket[2];
	int control[2];		/* the holder ends when it reads something */
	pid_t holder;
};

FIXTURE_VARIANT(death)
{
	enum end end;
	enum keeper keeper;
	bool waiter;		/* somebody waits for the lock meanwhile */
	bool shares;		/* the holder does */
	unsigned int slots;
	unsigned int flags;
};

FIXTURE_VARIANT_ADD(death, kill)
{
	.end = KILLED,
};

FIXTURE_VARIANT_ADD(death, kill_waiter)
{
	.end = KILLED,
	.waiter = true,
};

FIXTURE_VARIANT_ADD(death, kill_strict)
{
	.end = KILLED,
	.flags = CHRING_LOCK_STRICT,
};

FIXTURE_VARIANT_ADD(death, kill_child)
{
	.end = KILLED,
	.keeper = FORKED_CHILD,
	.waiter = true,
};

FIXTURE_VARIANT_ADD(death, kill_sharer)
{
	.end = KILLED,
	.keeper = SHARER,
	.waiter = true,
};

FIXTURE_VARIANT_ADD(death, kill_message)
{
	.end = KILLED,
	.keeper = MESSAGE,
	.waiter = true,
};

FIXTURE_VARIANT_ADD(death, kill_receiver)
{
	.end = KILLED,
	.keeper = RECEIVER,
	.waiter = true,
};

FIXTURE_VARIANT_ADD(death, exit)
{
	.end = EXITS,
};

FIXTURE_VARIANT_ADD(death, exit_waiter)
{
	.end = EXITS,
	.waiter = true,
};

FIXTURE_VARIANT_ADD(death, exit_child)
{
	.end = EXITS,
	.keeper = FORKED_CHILD,
	.waiter = true,
};

FIXTURE_VARIANT_ADD(death, exit_sharer)
{
	.end = EXITS,
	.keeper = SHARER,
	.waiter = true,
};

FIXTURE_VARIANT_ADD(death, exit_message)
{
	.end = EXITS,
	.keeper = MESSAGE,
	.waiter = true,
};

FIXTURE_VARIANT_ADD(death, exit_receiver)
{
	.end = EXITS,
	.keeper = RECEIVER,
	.waiter = true,
};

FIXTURE_VARIANT_ADD(death, exec)
{
	.end = EXECS,
};

FIXTURE_VARIANT_ADD(death, exec_waiter)
{
	.end = EXECS,
	.waiter = true,
};

FIXTURE_VARIANT_ADD(death, exec_strict)
{
	.end = EXECS,
	.flags = CHRING_LOCK_STRICT,
};

FIXTURE_VARIANT_ADD(death, exec_child)
{
	.end = EXECS,
	.keeper = FORKED_CHILD,
	.waiter = true,
};

FIXTURE_VARIANT_ADD(death, exec_sharer)
{
	.end = EXECS,
	.keeper = SHARER,
	.waiter = true,
};

FIXTURE_VARIANT_ADD(death, exec_message)
{
	.end = EXECS,
	.keeper = MESSAGE,
	.waiter = true,
};

FIXTURE_VARIANT_ADD(death, exec_receiver)
{
	.end = EXECS,
	.keeper = RECEIVER,
	.waiter = true,
};

FIXTURE_VARIANT_ADD(death, kill_sharing)
{
	.end = KILLED,
	.shares = true,
};

FIXTURE_VARIANT_ADD(death, kill_sharing_child)
{
	.end = KILLED,
	.keeper = FORKED_CHILD,
	.waiter = true,
	.shares = true,
};

FIXTURE_VARIANT_ADD(death, kill_sharing_receiver)
{
	.end = KILLED,
	.keeper = RECEIVER,
	.waiter = true,
	.shares = true,
};

FIXTURE_VARIANT_ADD(death, kill_with_slot)
{
	.end = KILLED,
	.slots = 1,
};

FIXTURE_VARIANT_ADD(death, kill_with_slot_child)
{
	.end = KILLED,
	.keeper = FORKED_CHILD,
	.waiter = true,
	.slots = 1,
};

FIXTURE_VARIANT_ADD(death, kill_with_slot_receiver)
{
	.end = KILLED,
	.keeper = RECEIVER,
	.waiter = true,
	.slots = 1,
};

FIXTURE_VARIANT_ADD(death, exit_sharing)
{
	.end = EXITS,
	.shares = true,
};

FIXTURE_VARIANT_ADD(death, exit_sharing_child)
{
	.end = EXITS,
	.keeper = FORKED_CHILD,
	.waiter = true,
	.shares = true,
};

FIXTURE_VARIANT_ADD(death, exit_sharing_receiver)
{
	.end = EXITS,
	.keeper = RECEIVER,
	.waiter = true,
	.shares = true,
};

FIXTURE_VARIANT_ADD(death, exit_with_slot)
{
	.end = EXITS,
	.slots = 1,
};

FIXTURE_VARIANT_ADD(death, exit_with_slot_child)
{
	.end = EXITS,
	.keeper = FORKED_CHILD,
	.waiter = true,
	.slots = 1,
};

FIXTURE_VARIANT_ADD(death, exit_with_slot_receiver)
{
	.end = EXITS,
	.keeper = RECEIVER,
	.waiter = true,
	.slots = 1,
};

FIXTURE_VARIANT_ADD(death, exec_sharing)
{
	.end = EXECS,
	.shares = true,
};

FIXTURE_VARIANT_ADD(death, exec_sharing_child)
{
	.end = EXECS,
	.keeper = FORKED_CHILD,
	.waiter = true,
	.shares = true,
};

FIXTURE_VARIANT_ADD(death, exec_sharing_receiver)
{
	.end = EXECS,
	.keeper = RECEIVER,
	.waiter = true,
	.shares = true,
};

FIXTURE_VARIANT_ADD(death, exec_with_slot)
{
	.end = EXECS,
	.slots = 1,
};

FIXTURE_VARIANT_ADD(death, exec_with_slot_child)
{
	.end = EXECS,
	.keeper = FORKED_CHILD,
	.waiter = true,
	.slots = 1,
};

FIXTURE_VARIANT_ADD(death, exec_with_slot_receiver)
{
	.end = EXECS,
	.keeper = RECEIVER,
	.waiter = true,
	.slots = 1,
};

FIXTURE_SETUP(death)
{
	/* Who has its descriptor is the holder's child, and waited for as well */
	ASSERT_EQ(0, prctl(PR_SET_CHILD_SUBREAPER, 1));
	/* Whatever stays is not in the way of the next one */
	ASSERT_EQ(0, unshare(CLONE_NEWNET));
	ASSERT_EQ(0, handle_open_slots(&self->handle, NAME,
				       variant->flags | CHRING_OPEN_CREATE,
				       variant->slots));
	self->report = mmap(NULL, sizeof(*self->report), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->report);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_DGRAM, 0, self->socket));
	ASSERT_EQ(0, pipe(self->control));
}

FIXTURE_TEARDOWN(death)
{
	if (self->holder)
		end_child(self->holder);
	/* The holder's child is this one's now */
	if (self->report->keeper)
		end_child(self->report->keeper);
	EXPECT_EQ(0, handle_close(&self->handle));
}

/* ---- the holder, and those who have its descriptor */

/* A process that has no claim: what it is told is in the report. */
static int keep(void *data)
{
	struct _test_data_death *self = data;
	struct chring_lock_stat stat;

	self->report->keepers_result = handle_stat(&self->handle, &stat);
	for (;;)
		pause();
	return 0;
}

static void start_keeper(struct _test_data_death *self, enum keeper keeper)
{
	pid_t pid = 0;

	switch (keeper) {
	case NOBODY:
		return;
	case MESSAGE:
		if (send_descriptor(self->socket[0], self->handle.fd))
			_exit(10);
		return;
	case SHARER:
		pid = clone(keep, (char *)malloc(STACK_SIZE) + STACK_SIZE,
			    CLONE_FILES | SIGCHLD, self);
		break;
	case FORKED_CHILD:
		pid = fork();
		if (!pid)
			keep(self);
		break;
	case RECEIVER:
		if (send_descriptor(self->socket[0], self->handle.fd))
			_exit(11);
		pid = fork();
		if (!pid) {
			close(self->handle.fd);
			self->handle.fd = receive_descriptor(self->socket[1]);
			keep(self);
		}
		break;
	}
	if (pid < 0)
		_exit(12);
	self->report->keeper = pid;
	if (!wait_until(__atomic_load_n(&self->report->keepers_result,
					__ATOMIC_ACQUIRE)))
		_exit(13);
	if (keeper == RECEIVER)
		close(self->handle.fd);
}

static void end(struct _test_data_death *self, enum end how)
{
	char byte;

	if (read(self->control[0], &byte, 1) < 0)
		_exit(20);
	if (how == EXECS)
		execl("/bin/sleep", "sleep", "1000", NULL);
	_exit(0);
}

static void holder(struct _test_data_death *self, enum end how,
		   enum keeper keeper, unsigned int flags)
{
	struct chring_lock_acquire acquired;

	if (handle_open(&self->handle, NAME, 0) ||
	    handle_acquire(&self->handle, CHRING_ACQUIRE_TRY | flags, 0,
			   &acquired))
		_exit(1);
	/* One that survives an exec is no claim either. */
	fcntl(self->handle.fd, F_SETFD, 0);
	start_keeper(self, keeper);
	self->report->token = acquired.token;
	__atomic_store_n(&self->report->holds, true, __ATOMIC_RELEASE);
	end(self, how);
}

static void start_holder(struct __test_metadata *_metadata,
			 struct _test_data_death *self, enum end how,
			 enum keeper keeper, unsigned int flags)
{
	self->holder = fork();
	ASSERT_LE(0, self->holder);
	if (!self->holder)
		holder(self, how, keeper, flags);
	ASSERT_TRUE(wait_until(__atomic_load_n(&self->report->holds,
					       __ATOMIC_ACQUIRE)));
}

static void end_holder(struct _test_data_death *self, enum end how)
{
	if (how == KILLED)
		kill(self->holder, SIGKILL);
	else if (write(self->control[1], "", 1) != 1)
		abort();
}

/* ---- the end */

struct waiter {
	struct handle handle;
	struct chring_lock_acquire acquired;
	int result;
	long long returned;
};

static void *wait_for_it(void *data)
{
	struct waiter *waiter = data;

	waiter->result = handle_acquire(&waiter->handle, 0, in_ms(PATIENCE_MS),
					&waiter->acquired);
	waiter->returned = now_ns();
	return NULL;
}

TEST_F(death, of_the_holder_makes_it_the_next_ones)
{
	const bool shared = variant->shares || variant->slots;
	const uint32_t news = variant->shares ? 0 : CHRING_NEWS_OWNER_DIED;
	struct waiter waiter = {};
	struct chring_lock_stat stat;
	pthread_t thread;
	long long killed;

	ASSERT_EQ(0, handle_open(&waiter.handle, NAME, 0));
	start_holder(_metadata, self, variant->end, variant->keeper,
		     variant->shares ? CHRING_ACQUIRE_SHARED : 0);
	if (variant->keeper != NOBODY && variant->keeper != MESSAGE)
		EXPECT_EQ(-ESTALE, self->report->keepers_result);
	ASSERT_EQ(0, handle_stat(&self->handle, &stat));
	EXPECT_EQ(CHRING_STAT_HELD | (shared ? CHRING_STAT_SHARED : 0),
		  stat.flags);
	EXPECT_EQ(1U, stat.holders);
	EXPECT_EQ(self->report->token, stat.token);
	EXPECT_EQ(self->holder, stat.pid);

	if (variant->waiter) {
		ASSERT_EQ(0, pthread_create(&thread, NULL, wait_for_it,
					    &waiter));
		ASSERT_TRUE(wait_until(waiters_of(&self->handle) == 1));
	}
	killed = now_ns();
	end_holder(self, variant->end);
	if (variant->waiter) {
		ASSERT_EQ(0, pthread_join(thread, NULL));
	} else {
		/* Free, and the news is kept for whoever comes. */
		ASSERT_TRUE(wait_until(!is_held(&self->handle)));
		EXPECT_EQ(news, news_of(&self->handle));
		EXPECT_EQ(news ? POLLPRI : 0, handle_poll(&self->handle));
		wait_for_it(&waiter);
	}
	ASSERT_EQ(0, waiter.result);
	TH_LOG("after %lld us", (waiter.returned - killed) / 1000);
	EXPECT_EQ(news, waiter.acquired.news);
	EXPECT_EQ(news ? self->report->token : 0, waiter.acquired.dead_token);
	EXPECT_LT(self->report->token, waiter.acquired.token);

	/* Told once. */
	ASSERT_EQ(0, handle_release(&waiter.handle, waiter.acquired.token));
	EXPECT_EQ(0, handle_poll(&self->handle));
	ASSERT_EQ(0, handle_try(&waiter.handle, &waiter.acquired));
	EXPECT_EQ(0U, waiter.acquired.news);
	EXPECT_EQ(0U, waiter.acquired.dead_token);
	EXPECT_EQ(0, handle_close(&waiter.handle));
}

/* ---- what is no end */

FIXTURE(life)
{
	struct handle handle, other;
	struct chring_lock_acquire held;
	struct chring_lock_stat before;
};

FIXTURE_SETUP(life)
{
	ASSERT_EQ(0, handle_open(&self->handle, NAME, CHRING_OPEN_CREATE));
	ASSERT_EQ(0, handle_open(&self->other, NAME, 0));
	ASSERT_EQ(0, handle_map(&self->handle));
	ASSERT_EQ(0, handle_try(&self->handle, &self->held));
	ASSERT_EQ(0, handle_stat(&self->handle, &self->before));
}

FIXTURE_TEARDOWN(life)
{
	handle_close(&self->handle);
	handle_close(&self->other);
}

#define EXPECT_STILL_HELD()						\
do {									\
	struct chring_lock_stat stat_;					\
	struct chring_lock_acquire acquired_;				\
									\
	ASSERT_EQ(0, handle_stat(&self->handle, &stat_));		\
	EXPECT_EQ(CHRING_STAT_HELD | CHRING_STAT_MINE, stat_.flags);	\
	EXPECT_EQ(self->held.token, stat_.token);			\
	EXPECT_EQ(0U, stat_.news);					\
	EXPECT_EQ(0U, stat_.waiters);					\
	EXPECT_EQ(getpid(), stat_.pid);					\
	EXPECT_EQ(-EBUSY, handle_try(&self->other, &acquired_));	\
} while (0)

static void *end_thread(void *unshares)
{
	if (unshares && unshare(CLONE_FILES))
		return (void *)(intptr_t)errno;
	return NULL;
}

TEST_F(life, goes_on_when_a_thread_ends)
{
	pthread_t thread;
	void *err;

	ASSERT_EQ(0, pthread_create(&thread, NULL, end_thread, NULL));
	ASSERT_EQ(0, pthread_join(thread, &err));
	EXPECT_STILL_HELD();
	EXPECT_EQ(0, handle_release(&self->handle, self->held.token));
}

TEST_F(life, goes_on_when_a_thread_ends_that_unshared_its_files)
{
	pthread_t thread;
	void *err;

	ASSERT_EQ(0, pthread_create(&thread, NULL, end_thread, (void *)1));
	ASSERT_EQ(0, pthread_join(thread, &err));
	ASSERT_EQ(NULL, err);
	EXPECT_STILL_HELD();
	EXPECT_EQ(0, handle_release(&self->handle, self->held.token));
}

struct main_thread {
	pthread_t thread;
	struct handle handle;
	int report;
};

/* Once the first thread of the process has ended, so that no task has its id. */
static void *outlive_the_first(void *data)
{
	struct main_thread *first = data;
	struct chring_lock_stat stat;

	pthread_join(first->thread, NULL);
	if (handle_stat(&first->handle, &stat) ||
	    write(first->report, &stat, sizeof(stat)) != sizeof(stat))
		_exit(1);
	_exit(0);
}

TEST_F(life, goes_on_when_the_first_thread_ends)
{
	struct main_thread first;
	struct chring_lock_acquire held;
	pthread_t thread;
	struct chring_lock_stat stat;
	int report[2];
	pid_t pid;

	ASSERT_EQ(0, handle_release(&self->handle, self->held.token));
	ASSERT_EQ(0, pipe(report));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		first.report = report[1];
		first.thread = pthread_self();
		if (handle_open(&first.handle, NAME, 0) ||
		    handle_try(&first.handle, &held) ||
		    pthread_create(&thread, NULL, outlive_the_first, &first))
			_exit(2);
		pthread_exit(NULL);
	}
	ASSERT_EQ((ssize_t)sizeof(stat),
		  read(report[0], &stat, sizeof(stat)));
	EXPECT_EQ(CHRING_STAT_HELD | CHRING_STAT_MINE, stat.flags);
	EXPECT_EQ(0, exit_status(pid));
	ASSERT_EQ(0, handle_acquire(&self->handle, 0, in_ms(PATIENCE_MS),
				    &self->held));
	EXPECT_EQ(CHRING_NEWS_OWNER_DIED, self->held.news);
	EXPECT_EQ(stat.token, self->held.dead_token);
}

TEST_F(life, goes_on_when_one_of_two_copies_is_closed)
{
	int copy = dup(self->handle.fd);

	ASSERT_LE(0, copy);
	ASSERT_EQ(0, close(self->handle.fd));
	self->handle.fd = copy;
	EXPECT_STILL_HELD();
	EXPECT_EQ(0, handle_release(&self->handle, self->held.token));
}

/* What a child is answered that has the descriptor, and no mapping. */
static int childs_results(const struct handle *parents)
{
	struct chring_lock_acquire acquired;
	struct chring_lock_stat stat;
	unsigned char resident;
	struct handle mapped = *parents;

	if (handle_stat(parents, &stat) != -ESTALE)
		return 1;
	if (handle_try(parents, &acquired) != -ESTALE)
		return 2;
	if (handle_acquire(parents, 0, in_ms(1000), &acquired) != -ESTALE)
		return 3;
	if (handle_release(parents, 0) != -ESTALE)
		return 4;
	if (handle_close(parents) != -ESTALE)
		return 5;
	if (handle_map(&mapped) != -ESTALE)
		return 6;
	if (!(handle_poll(parents) & POLLHUP))
		return 7;
	/* Nothing is where the word was. */
	if (!mincore((void *)parents->word, 1, &resident) || errno != ENOMEM)
		return 8;
	return 0;
}

TEST_F(life, of_a_child_gives_it_no_claim)
{
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid)
		_exit(childs_results(&self->handle));
	EXPECT_EQ(0, exit_status(pid));
	EXPECT_STILL_HELD();
	EXPECT_EQ(0, handle_release(&self->handle, self->held.token));
}

TEST_F(life, of_a_receiver_begins_with_adoption)
{
	struct chring_lock_acquire acquired;
	struct chring_lock_adopt adopted;
	struct chring_lock_stat stat;
	struct handle received;
	int socket[2];
	pid_t pid;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_DGRAM, 0, socket));
	ASSERT_EQ(0, send_descriptor(socket[0], self->handle.fd));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		received = self->handle;
		received.fd = receive_descriptor(socket[1]);
		if (handle_release(&received, self->held.token) != -ESTALE)
			_exit(1);
		if (handle_adopt(&received, &adopted) ||
		    adopted.token <= self->held.token)
			_exit(2);
		if (received.id == self->handle.id ||
		    handle_adopt(&received, &adopted) != -EALREADY)
			_exit(3);
		if (handle_stat(&received, &stat) || stat.pid != getpid() ||
		    stat.flags != (CHRING_STAT_HELD | CHRING_STAT_MINE))
			_exit(4);
		_exit(0);
	}
	ASSERT_EQ(0, exit_status(pid));
	/* Neither its token nor its word is worth anything any more. */
	EXPECT_EQ(-ESTALE, handle_release(&self->handle, self->held.token));
	EXPECT_EQ(-ESTALE, handle_stat(&self->handle, &stat));
	EXPECT_FALSE(word_release(&self->handle, self->held.token));
	/* And the adopter has died with it. */
	ASSERT_EQ(0, handle_acquire(&self->other, 0, in_ms(PATIENCE_MS),
				    &acquired));
	EXPECT_EQ(CHRING_NEWS_OWNER_DIED, acquired.news);
	EXPECT_LT(self->held.token, acquired.dead_token);
	EXPECT_LT(acquired.dead_token, acquired.token);
}

TEST_F(life, of_a_mapping_ends_with_the_handle)
{
	struct chring_lock_acquire acquired;
	uint64_t token;

	ASSERT_EQ(0, handle_close(&self->handle));
	ASSERT_EQ(0, handle_try(&self->other, &acquired));
	EXPECT_EQ(0U, acquired.news);
	/* Still mapped, but what it says is another's. */
	EXPECT_FALSE(word_release(&self->handle, self->held.token));
	EXPECT_FALSE(word_take(&self->handle, &token));
	EXPECT_TRUE(is_mine(&self->other));
	EXPECT_EQ(0, handle_release(&self->other, acquired.token));
}

struct thread {
	const struct handle *handle;
	struct chring_lock_acquire acquired;
	int result;
};

static void *acquire_by_same(void *data)
{
	struct thread *thread = data;

	thread->result = handle_acquire(thread->handle, 0, in_ms(PATIENCE_MS),
					&thread->acquired);
	return NULL;
}

TEST_F(life, in_threads_is_one_after_the_other)
{
	struct chring_lock_acquire acquired;
	struct thread thread = { .handle = &self->handle };
	pthread_t id;

	/* Alone, nobody could ever release it. */
	EXPECT_EQ(-EDEADLK, handle_acquire(&self->handle, 0, in_ms(PATIENCE_MS),
					   &acquired));
	EXPECT_EQ(-ETIMEDOUT, handle_acquire(&self->handle, CHRING_ACQUIRE_SELF,
					     in_ms(20), &acquired));
	ASSERT_EQ(0, pthread_create(&id, NULL, acquire_by_same, &thread));
	ASSERT_TRUE(wait_until(waiters_of(&self->handle) == 1));
	EXPECT_EQ(0, handle_release(&self->handle, self->held.token));
	ASSERT_EQ(0, pthread_join(id, NULL));
	ASSERT_EQ(0, thread.result);
	EXPECT_LT(self->held.token, thread.acquired.token);
	/* Each hold has its own token. */
	EXPECT_EQ(-ESTALE, handle_release(&self->handle, self->held.token));
	EXPECT_TRUE(is_mine(&self->handle));
	EXPECT_EQ(0, handle_release(&self->handle, thread.acquired.token));
}

TEST_HARNESS_MAIN
