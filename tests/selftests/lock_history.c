// SPDX-License-Identifier: GPL-2.0
/*
 * Locks under torture: processes and threads acquire and release one lock as
 * they please, sleep or poll for it, give up at a deadline or for a signal, and are
 * killed wherever they are. What they did is then held against the rules
 * (history.h).
 *
 * It goes in rounds. In each the storm goes on for a while; then it is calm,
 * and each thread that waits must get the lock, and rest, without anything
 * happening that might wake it for another reason.
 */
#define _GNU_SOURCE		/* gettid, tgkill */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "history.h"
#include "kselftest_harness.h"
#include "lock_raw.h"
#include "lock_util.h"

#define NAME "torture"

#define MAX_SEATS 16
#define MAX_LOG 8192
#define ROUNDS 8
#define STORM_MS 300
/* Looks at who holds the lock, to kill it in the act */
#define HOLDER_TRIES	100

/* The lock may be free for so long while somebody waits, on a slow machine. */
#define BOUND_MS 10000
/* Waiters do not look by themselves within the time of a test. */
#define NO_LOOK_MS 3600000

/**
 * struct seat - what one thread after the other does, as processes come and go
 * @actor: who has the seat
 * @tid: the thread, 0 before it has begun
 * @rested: the last round of which it saw the calm, with nothing under way
 * @count: operations in @log
 * @log: what they all did
 */
struct seat {
	uint32_t actor;
	int tid;
	int rested;
	uint32_t count;
	struct operation log[MAX_LOG];
};

/* Shared by all processes; @calm is the round that has come to its calm. */
struct board {
	int lease_ms;
	int shared;
	int async;
	int calm;
	int over;
	struct seat seat[MAX_SEATS];
	struct seat spectator;
};

FIXTURE(torture)
{
	struct board *board;
	struct chring_lock *lock;
	struct handle handle;
	pid_t pid[MAX_SEATS];
	unsigned int seed;
	uint32_t actors;
	bool is_fifo;
	int kills;
	long look_again;
};

FIXTURE_VARIANT(torture)
{
	unsigned int flags;
	int processes;
	int threads;		/* of each, which share a handle */
	int lease_ms;		/* and some hold the lock for longer */
	int shared;		/* so many of 8 acquisitions */
	int async;		/* the same */
	unsigned int slots;
};

FIXTURE_VARIANT_ADD(torture, adaptive_2_processes)
{
	.processes = 2,
	.threads = 1,
};

FIXTURE_VARIANT_ADD(torture, adaptive_16_processes)
{
	.processes = 16,
	.threads = 1,
};

FIXTURE_VARIANT_ADD(torture, adaptive_4_processes_of_4_threads)
{
	.processes = 4,
	.threads = 4,
};

FIXTURE_VARIANT_ADD(torture, fifo_2_processes)
{
	.flags = CHRING_LOCK_FIFO,
	.processes = 2,
	.threads = 1,
};

FIXTURE_VARIANT_ADD(torture, fifo_16_processes)
{
	.flags = CHRING_LOCK_FIFO,
	.processes = 16,
	.threads = 1,
};

FIXTURE_VARIANT_ADD(torture, fifo_4_processes_of_4_threads)
{
	.flags = CHRING_LOCK_FIFO,
	.processes = 4,
	.threads = 4,
};

FIXTURE_VARIANT_ADD(torture, strict_2_processes)
{
	.flags = CHRING_LOCK_STRICT,
	.processes = 2,
	.threads = 1,
};

FIXTURE_VARIANT_ADD(torture, strict_16_processes)
{
	.flags = CHRING_LOCK_STRICT,
	.processes = 16,
	.threads = 1,
};

FIXTURE_VARIANT_ADD(torture, strict_fifo_4_processes_of_4_threads)
{
	.flags = CHRING_LOCK_STRICT | CHRING_LOCK_FIFO,
	.processes = 4,
	.threads = 4,
};

FIXTURE_VARIANT_ADD(torture, adaptive_leased_4_processes)
{
	.processes = 4,
	.threads = 1,
	.lease_ms = 20,
};

FIXTURE_VARIANT_ADD(torture, strict_fifo_leased_2_processes_of_2_threads)
{
	.flags = CHRING_LOCK_STRICT | CHRING_LOCK_FIFO,
	.processes = 2,
	.threads = 2,
	.lease_ms = 20,
};

FIXTURE_VARIANT_ADD(torture, adaptive_shared_4_processes)
{
	.processes = 4,
	.threads = 1,
	.shared = 4,
};

FIXTURE_VARIANT_ADD(torture, adaptive_mostly_shared_16_processes)
{
	.processes = 16,
	.threads = 1,
	.shared = 7,
};

FIXTURE_VARIANT_ADD(torture, fifo_shared_4_processes_of_4_threads)
{
	.flags = CHRING_LOCK_FIFO,
	.processes = 4,
	.threads = 4,
	.shared = 6,
};

FIXTURE_VARIANT_ADD(torture, strict_shared_leased_4_processes)
{
	.flags = CHRING_LOCK_STRICT,
	.processes = 4,
	.threads = 1,
	.lease_ms = 20,
	.shared = 5,
};

FIXTURE_VARIANT_ADD(torture, slots_4_processes)
{
	.flags = CHRING_LOCK_FIFO,
	.processes = 4,
	.threads = 1,
	.slots = 2,
};

FIXTURE_VARIANT_ADD(torture, slots_16_processes)
{
	.flags = CHRING_LOCK_FIFO,
	.processes = 16,
	.threads = 1,
	.slots = 5,
};

FIXTURE_VARIANT_ADD(torture, adaptive_async_4_processes)
{
	.processes = 4,
	.threads = 1,
	.async = 4,
};

FIXTURE_VARIANT_ADD(torture, fifo_async_16_processes)
{
	.flags = CHRING_LOCK_FIFO,
	.processes = 16,
	.threads = 1,
	.async = 5,
};

FIXTURE_VARIANT_ADD(torture, strict_async_shared_4_processes_of_2_threads)
{
	.flags = CHRING_LOCK_STRICT,
	.processes = 4,
	.threads = 2,
	.shared = 4,
	.async = 4,
};

FIXTURE_VARIANT_ADD(torture, slots_async_8_processes)
{
	.flags = CHRING_LOCK_FIFO,
	.processes = 8,
	.threads = 1,
	.slots = 3,
	.async = 6,
};

static void be_interrupted(int signal)
{
}

FIXTURE_SETUP(torture)
{
	struct sigaction interrupted = { .sa_handler = be_interrupted };

	/* Processes are to have it from the first moment on. */
	ASSERT_EQ(0, sigaction(SIGUSR1, &interrupted, NULL));
	self->board = mmap(NULL, sizeof(*self->board), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->board);
	if (variant->lease_ms)
		ASSERT_EQ(0, lock_make_leased(NAME, variant->flags,
					      variant->lease_ms));
	ASSERT_EQ(0, chring_lock_open_slots(&self->lock, NAME, variant->slots,
					    variant->flags | CHRING_LOCK_CREATE,
					    0));
	self->handle.fd = chring_lock_fd(self->lock);
	self->is_fifo = variant->flags & CHRING_LOCK_FIFO;
	self->look_again = get_parameter("look_again_ms");
	ASSERT_EQ(0, set_parameter("look_again_ms", NO_LOOK_MS));
	self->seed = time(NULL);
	TH_LOG("seed %u", self->seed);
}

FIXTURE_TEARDOWN(torture)
{
	EXPECT_EQ(0, set_parameter("look_again_ms", self->look_again));
	/* With news for somebody the lock would stay. */
	EXPECT_LE(0, chring_lock_acquire(self->lock));
	if (variant->lease_ms)
		EXPECT_EQ(0, lock_delete(NAME));
	chring_lock_close(self->lock);
}

/* ---- what a thread does */

static struct operation *begin(struct seat *seat, enum operation_kind kind)
{
	struct operation *operation = &seat->log[seat->count];

	operation->kind = kind;
	operation->actor = seat->actor;
	operation->called = now_ns();
	__atomic_store_n(&seat->count, seat->count + 1, __ATOMIC_RELEASE);
	return operation;
}

static void end(struct operation *operation, int result)
{
	operation->result = result;
	__atomic_store_n(&operation->returned, now_ns(), __ATOMIC_RELEASE);
}

static bool is_full(const struct seat *seat)
{
	/* The last ones are for what must not be missing. */
	return seat->count + 2 * MAX_SEATS > MAX_LOG;
}

static int see(const int *number)
{
	return __atomic_load_n(number, __ATOMIC_ACQUIRE);
}

static void show(int *number, int value)
{
	__atomic_store_n(number, value, __ATOMIC_RELEASE);
}

static int acquire_until(struct chring_lock *lock, bool is_shared,
			 const struct timespec *deadline)
{
	return is_shared ? chring_lock_acquire_shared(lock, deadline) :
			   chring_lock_acquire_until(lock, deadline);
}

/*
 * Asks, and polls until it is told; or cancels, at a deadline or for a signal. Where
 * another thread asks by this handle, it is for that one.
 */
static int ask_until(struct chring_lock *lock, bool is_shared, int wait_ms)
{
	struct pollfd pollfd = {
		.fd = chring_lock_fd(lock), .events = POLLIN,
	};
	int ret, reason;

	ret = chring_lock_acquire_async(lock, 0,
					is_shared ? CHRING_LOCK_SHARED : 0);
	if (ret != -EINPROGRESS)
		return ret == -EALREADY ? -EBUSY : ret;
	ret = poll(&pollfd, 1, wait_ms);
	if (ret == 1)
		return chring_lock_finish(lock);
	reason = ret ? -EINTR : -ETIMEDOUT;
	ret = chring_lock_cancel(lock);
	return ret ?: reason;
}

static int acquire_somehow(struct chring_lock *lock, unsigned int choice,
			   bool is_async, struct operation *operation)
{
	bool is_shared = operation->is_shared;
	struct timespec deadline;
	long long ns;

	if (is_async)
		return ask_until(lock, is_shared, choice % 8 < 4 ?
				 (int)(choice / 8 % 20) : -1);
	switch (choice % 8) {
	case 0:
		operation->is_try = true;
		return is_shared ? chring_lock_try_shared(lock) :
				   chring_lock_try(lock);
	case 1:
	case 2:
		ns = now_ns() + choice / 8 % 20 * NS_PER_MS;
		deadline.tv_sec = ns / 1000000000;
		deadline.tv_nsec = ns % 1000000000;
		return acquire_until(lock, is_shared, &deadline);
	}
	return acquire_until(lock, is_shared, NULL);
}

static void spend_time(unsigned int choice)
{
	long long until = now_ns() + choice / 4 % 100 * 1000;

	switch (choice % 4) {
	case 0:
		pause_us(choice / 4 % 2000);
		break;
	case 1:
		while (now_ns() < until)
			;
	}
}

/* Anything but these ends the test, as a lock of which nothing is known. */
static bool is_expected(int result)
{
	return result >= 0 || result == -EBUSY || result == -ETIMEDOUT ||
	       result == -EINTR;
}

static void acquire_and_release(const struct board *board,
				struct chring_lock *lock, struct seat *seat,
				unsigned int *seed)
{
	struct operation *operation = begin(seat, OPERATION_ACQUIRE);
	int lease_ms = board->lease_ms;
	uint64_t token;
	bool is_async;
	int result;

	operation->is_shared = (int)(rand_r(seed) % 8U) < board->shared;
	is_async = (int)(rand_r(seed) % 8U) < board->async;
	result = acquire_somehow(lock, rand_r(seed), is_async, operation);
	if (result >= 0) {
		operation->token = chring_lock_token(lock);
		operation->dead_token = chring_lock_dead_token(lock);
	}
	end(operation, result);
	if (!is_expected(result))
		_exit(100 - result);
	if (result < 0)
		return;
	token = operation->token;
	if (lease_ms && seat->count % 16 < 2)
		pause_us(2 * lease_ms * 1000);
	spend_time(rand_r(seed));
	operation = begin(seat, OPERATION_RELEASE);
	operation->token = token;
	end(operation, chring_lock_release(lock));
}

struct job {
	struct board *board;
	struct seat *seat;
	struct chring_lock *lock;
	unsigned int seed;
};

static void *work(void *data)
{
	struct job *job = data;
	int calm;

	show(&job->seat->tid, gettid());
	while (!see(&job->board->over)) {
		calm = see(&job->board->calm);
		if (calm || is_full(job->seat)) {
			show(&job->seat->rested, calm);
			pause_us(1000);
			continue;
		}
		acquire_and_release(job->board, job->lock, job->seat,
				    &job->seed);
		spend_time(rand_r(&job->seed));
	}
	return NULL;
}

static void process(struct board *board, int first, int threads,
		    unsigned int seed)
{
	struct job job[MAX_SEATS];
	pthread_t thread;
	int i;

	for (i = 0; i < threads; i++) {
		job[i] = (struct job) {
			.board = board,
			.seat = &board->seat[first + i],
			.seed = seed + i,
		};
		if (i)
			job[i].lock = job[0].lock;
		else if (chring_lock_open(&job[0].lock, NAME, 0, 0))
			_exit(1);
		if (i && pthread_create(&thread, NULL, work, &job[i]))
			_exit(2);
	}
	work(&job[0]);
	_exit(0);
}

/* ---- what befalls them */

static void start(struct _test_data_torture *self, int number, int threads)
{
	struct seat *seat = &self->board->seat[number * threads];
	int i;

	for (i = 0; i < threads; i++) {
		seat[i].actor = ++self->actors;
		seat[i].tid = 0;
		seat[i].rested = 0;
	}
	self->seed++;
	self->pid[number] = fork();
	if (self->pid[number])
		return;
	process(self->board, number * threads, threads, self->seed * MAX_SEATS);
}

static void kill_one(struct _test_data_torture *self, int number, int threads)
{
	struct operation *kills[MAX_SEATS];
	int i;

	for (i = 0; i < threads; i++) {
		kills[i] = begin(&self->board->spectator, OPERATION_KILL);
		kills[i]->actor = self->board->seat[number * threads + i].actor;
	}
	end_child(self->pid[number]);
	for (i = 0; i < threads; i++)
		end(kills[i], 0);
	self->kills++;
}

/*
 * The process that holds the lock, or, where none can be caught, any. It is
 * stopped, to hold it still, but not where that could cost it its place in the
 * order: who waits is interrupted by it, and queues anew.
 */
static int catch_holder(struct _test_data_torture *self, int processes,
			int any)
{
	struct chring_lock_stat stat;
	int tries, i, status;

	for (tries = 0; tries < HOLDER_TRIES; tries++) {
		if (handle_stat(&self->handle, &stat))
			break;
		for (i = 0; i < processes && self->pid[i] != stat.pid; i++)
			;
		if (i == processes)
			continue;
		if (self->is_fifo)
			return i;
		kill(self->pid[i], SIGSTOP);
		waitpid(self->pid[i], &status, WUNTRACED);
		if (!handle_stat(&self->handle, &stat) &&
		    stat.pid == self->pid[i])
			return i;
		kill(self->pid[i], SIGCONT);
	}
	return any;
}

static void count_waiters(struct _test_data_torture *self)
{
	struct operation *operation;

	operation = begin(&self->board->spectator, OPERATION_STAT);
	end(operation, waiters_of(&self->handle));
}

/*
 * A signal for the whole process would do for one thread at most, but another
 * may see it, restart its call, and queue anew without a word of it.
 */
static void interrupt_one(struct _test_data_torture *self, int number,
			  int threads)
{
	int thread = rand_r(&self->seed) % threads;
	struct seat *seat = &self->board->seat[number * threads + thread];

	tgkill(self->pid[number], see(&seat->tid), SIGUSR1);
}

static void replace_one(struct _test_data_torture *self, int number,
			int threads)
{
	kill_one(self, number, threads);
	start(self, number, threads);
}

static void storm(struct _test_data_torture *self, int processes, int threads)
{
	long long until = in_ms(STORM_MS);
	struct seat *spectator = &self->board->spectator;
	int number;

	while (now_ns() < until && !is_full(spectator)) {
		number = rand_r(&self->seed) % processes;
		switch (rand_r(&self->seed) % 32) {
		case 0:
			if (self->kills % 4)
				number = catch_holder(self, processes, number);
			replace_one(self, number, threads);
			break;
		case 1 ... 4:
			interrupt_one(self, number, threads);
			break;
		default:
			count_waiters(self);
		}
		pause_us(500);
	}
	/* However few of all that there were on a slow machine */
	number = rand_r(&self->seed) % processes;
	replace_one(self, catch_holder(self, processes, number), threads);
}

static bool all_rest(const struct board *board, int seats)
{
	int i;

	for (i = 0; i < seats; i++)
		if (see(&board->seat[i].rested) != board->calm)
			return false;
	return true;
}

/* Ends whoever is left. Returns the status of one who ended before, if any. */
static int end_all(struct _test_data_torture *self, int processes)
{
	int strange = 0;
	int status;
	int i;

	show(&self->board->over, true);
	for (i = 0; i < processes; i++) {
		if (waitpid(self->pid[i], &status, WNOHANG)) {
			strange = status ?: strange;
			continue;
		}
		end_child(self->pid[i]);
	}
	return strange;
}

static struct history gather(const struct board *board, int seats)
{
	struct history history = { .bound = BOUND_MS * NS_PER_MS };
	const struct seat *seat;
	int i;

	history.operations = calloc(seats + 1, sizeof(seat->log));
	if (!history.operations)
		abort();
	for (i = 0; i <= seats; i++) {
		seat = i < seats ? &board->seat[i] : &board->spectator;
		memcpy(history.operations + history.count, seat->log,
		       seat->count * sizeof(*seat->log));
		history.count += seat->count;
	}
	return history;
}

TEST_F_TIMEOUT(torture, leaves_a_history_without_fault, 600)
{
	int seats = variant->processes * variant->threads;
	struct findings findings;
	struct history history;
	long long ended;
	bool calm = true;
	int i;

	self->board->lease_ms = variant->lease_ms;
	self->board->shared = variant->shared;
	self->board->async = variant->async;
	for (i = 0; i < variant->processes; i++)
		start(self, i, variant->threads);
	for (i = 1; i <= ROUNDS && calm; i++) {
		storm(self, variant->processes, variant->threads);
		show(&self->board->calm, i);
		calm = wait_until(all_rest(self->board, seats));
		if (calm && i < ROUNDS)
			show(&self->board->calm, 0);
	}
	ended = now_ns();
	EXPECT_EQ(0, end_all(self, variant->processes));
	history = gather(self->board, seats);
	history.ended = ended;
	history.is_fifo = variant->flags & CHRING_LOCK_FIFO;
	history.slots = variant->slots;
	history.lease = variant->lease_ms * NS_PER_MS;

	EXPECT_TRUE(history_check(&history, &findings))
		TH_LOG("%s", findings.violation);
	EXPECT_TRUE(calm);
	TH_LOG("%zu operations, %d holds, %d kills, %d told, %d expired, %d ordered, free %llu ms",
	       history.count, findings.holds, self->kills, findings.deaths,
	       findings.expired, findings.ordered, findings.longest / 1000000);
	EXPECT_LT(100, findings.holds);
	/* Most die sharing it, or before they collect, or have just let it go */
	if (!variant->shared && !variant->async)
		EXPECT_LT(0, findings.deaths);
	if (variant->lease_ms)
		EXPECT_LT(0, findings.expired);
	if (history.is_fifo && variant->processes > 2)
		EXPECT_LT(0, findings.ordered);
	free(history.operations);
}

TEST_HARNESS_MAIN
