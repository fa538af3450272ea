// SPDX-License-Identifier: GPL-2.0
/*
 * A process writes what it likes to the word of a lock that it may map. Those
 * who go through the kernel get on with that lock, by tokens that rise and are
 * no more than the clock allows; who shares it has it until it lets it go, and
 * nobody has it alone meanwhile; and the lock beside it is exact.
 *
 * A word that cannot be makes a lock strict, and its word is nothing any more.
 * So there are many locks, one after the other.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lock_raw.h"

#define NEIGHBOUR "neighbour"
#define DURATION_MS 10000
#define LOOK_AGAIN_MS 10
#define MALLORY 1009		/* nobody in other tests: what it leaves counts */
#define HONEST 2
#define TURNS 20		/* of each honest process, by each lock */

/* The kernel believes in a token for each 2 ns, and gives some itself. */
#define NS_PER_TOKEN 2
#define TOKEN_SLACK 100000

#define SEQ_ONE		(1ULL << CHRING_LOCK_SEQ_SHIFT)
#define OWNER_MASK	(CHRING_LOCK_OWNER_MAX << CHRING_LOCK_OWNER_SHIFT)

/**
 * struct board - what the processes share
 * @seed: of the hostile one
 * @wanted: number of the lock that is to be attacked
 * @round: number of the lock that is attacked
 * @stop: all are to end
 * @first: first token of this lock
 * @since: when its word was not mapped yet
 * @newest: highest token of it that is known
 * @written: words
 * @turns: of each honest process, by this lock
 * @shares: token by which each of them shares it, or 0
 * @strict: locks that were given up
 * @entries: of the neighbour's users
 * @counter: what they count, one at a time
 * @last: token of the last of them
 */
struct board {
	unsigned int seed;
	unsigned int wanted;
	unsigned int round;
	bool stop;
	uint64_t first;
	long long since;
	uint64_t newest;
	uint64_t written;
	unsigned int turns[HONEST];
	uint64_t shares[HONEST];
	unsigned int strict;
	uint64_t entries[HONEST];
	volatile uint64_t counter;
	volatile uint64_t last;
};

/* Ends a process that finds something wrong; tells where. */
#define REQUIRE(condition)						\
do {									\
	if (!(condition)) {						\
		fprintf(stderr, "# %s:%d: not so: %s\n", __FILE__,	\
			__LINE__, #condition);				\
		_exit(1);						\
	}								\
} while (0)

FIXTURE(hostile)
{
	struct board *board;
	struct handle neighbour;
	long look_again;
	pid_t mallory;
	pid_t honest[HONEST];
	pid_t neighbours[HONEST];
};

static unsigned int now(const unsigned int *value)
{
	return __atomic_load_n(value, __ATOMIC_ACQUIRE);
}

static bool goes_on(const struct board *board)
{
	return !__atomic_load_n(&board->stop, __ATOMIC_ACQUIRE);
}

static void name_of(unsigned int round, char *name, size_t size)
{
	snprintf(name, size, "hostile/%u", round);
}

/* ---- the hostile process */

/* @kind 0 to 3 can be, mostly; others cannot. */
static uint64_t garbage(unsigned int kind, uint64_t word, unsigned int *seed)
{
	uint64_t owner = (uint64_t)(rand_r(seed) % 64) <<
			 CHRING_LOCK_OWNER_SHIFT;

	switch (kind) {
	case 0:
		return word ^ (rand_r(seed) & CHRING_LOCK_FLAGS);
	case 1:
		return (word & ~OWNER_MASK) + SEQ_ONE + owner;
	case 2:
		return (word & ~OWNER_MASK) | owner;
	case 3:
		return word & ~(OWNER_MASK | CHRING_LOCK_FLAGS);
	case 4:
		return 0;
	case 5:
		return UINT64_MAX;
	case 6:
		return word - SEQ_ONE;
	default:
		return (uint64_t)rand_r(seed) << 42 ^
		       (uint64_t)rand_r(seed) << 21 ^ rand_r(seed);
	}
}

/* Requests of the same handle, as they may be, meanwhile. */
static void *request_meanwhile(void *data)
{
	const struct handle *handle = data;
	struct chring_lock_acquire got;
	struct chring_lock_adopt adopted;
	struct chring_lock_stat stat;
	struct handle own = *handle;
	int err;

	do {
		err = handle_try(handle, &got);
		if (!err)
			handle_release(handle, got.token);
		err = handle_acquire(handle, CHRING_ACQUIRE_SELF |
				     CHRING_ACQUIRE_SHARED, in_ms(1), &got);
		if (!err)
			handle_release(handle, got.token);
		handle_release(handle, got.token + 1);
		/* What is asked for goes to somebody, whatever the word is */
		err = handle_ask(handle, CHRING_ACQUIRE_SELF, 0, &got);
		if (!err)
			handle_release(handle, got.token);
		handle_cancel(handle);
		err = handle_adopt(&own, &adopted);
		REQUIRE(err == -EALREADY || err == -ESTALE);
		REQUIRE(handle_poll(handle) >= 0);
	} while (!handle_stat(handle, &stat));
	return NULL;
}

/* Writes to all of the page that it has, and to no other. */
static void scribble(struct board *board, const struct handle *handle)
{
	size_t words = sysconf(_SC_PAGESIZE) / sizeof(*handle->word);
	uint64_t seen;
	size_t i;

	REQUIRE(mprotect((void *)handle->info, 1, PROT_READ | PROT_WRITE) &&
		errno == EACCES);
	while (now(&board->wanted) == board->round && goes_on(board)) {
		seen = __atomic_load_n(handle->word, __ATOMIC_RELAXED);
		i = rand_r(&board->seed) % 4;
		if (!(rand_r(&board->seed) % 256))
			i += 4;
		__atomic_store_n(handle->word, garbage(i, seen, &board->seed),
				 __ATOMIC_RELAXED);
		board->written++;
		i = 1 + rand_r(&board->seed) % (words - 1);
		handle->word[i] = UINT64_MAX;
	}
	board->strict += !!(handle->info->flags & CHRING_LOCK_STRICT);
}

/* One lock of its own. */
static void attack(struct board *board)
{
	unsigned int round = now(&board->wanted);
	struct chring_lock_acquire got;
	struct handle handle;
	pthread_t thread;
	char name[32];

	name_of(round, name, sizeof(name));
	REQUIRE(!handle_open(&handle, name, CHRING_OPEN_CREATE |
			     (round & 1 ? CHRING_LOCK_FIFO : 0)));
	REQUIRE(!handle_try(&handle, &got));
	REQUIRE(!handle_release(&handle, got.token));
	board->first = got.token;
	board->newest = got.token;
	board->since = now_ns();
	memset(board->turns, 0, sizeof(board->turns));
	memset(board->shares, 0, sizeof(board->shares));
	REQUIRE(!handle_map(&handle));
	__atomic_store_n(&board->round, round, __ATOMIC_RELEASE);
	REQUIRE(!pthread_create(&thread, NULL, request_meanwhile, &handle));
	scribble(board, &handle);
	REQUIRE(!handle_close(&handle));
	pthread_join(thread, NULL);
	handle_unmap(&handle);
	close(handle.fd);
}

static void be_mallory(struct board *board)
{
	struct handle handle;

	REQUIRE(!setgroups(0, NULL) && !setresgid(MALLORY, MALLORY, MALLORY) &&
		!setresuid(MALLORY, MALLORY, MALLORY));
	REQUIRE(handle_open(&handle, NEIGHBOUR, 0) == -EACCES);
	while (goes_on(board)) {
		if (now(&board->wanted) == board->round)
			pause_us(100);
		else
			attack(board);
	}
	_exit(0);
}

/* ---- the honest ones */

static void raise_to(uint64_t *newest, uint64_t token)
{
	uint64_t seen = __atomic_load_n(newest, __ATOMIC_ACQUIRE);

	while (seen < token &&
	       !__atomic_compare_exchange_n(newest, &seen, token, false,
					    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		;
}

/* What the kernel alone knows no scribbler can take away. */
static void share(struct board *board, const struct handle *handle, int me,
		  uint64_t token)
{
	__atomic_store_n(&board->shares[me], token, __ATOMIC_RELEASE);
	sched_yield();
	REQUIRE(is_mine(handle));
	__atomic_store_n(&board->shares[me], 0, __ATOMIC_RELEASE);
	REQUIRE(!handle_release(handle, token));
}

/* That may be lost at any time; but nobody shares it who did so before. */
static void have_alone(struct board *board, const struct handle *handle,
		       uint64_t token)
{
	uint64_t shared;
	int i, err;

	for (i = 0; i < HONEST; i++) {
		shared = __atomic_load_n(&board->shares[i], __ATOMIC_ACQUIRE);
		REQUIRE(!shared || shared > token);
	}
	err = handle_release(handle, token);
	REQUIRE(!err || err == -ESTALE);
}

/* Comes to the lock, by a token that can be. */
static void take_turn(struct board *board, const struct handle *handle, int me,
		      bool shared)
{
	uint64_t newest = __atomic_load_n(&board->newest, __ATOMIC_ACQUIRE);
	struct chring_lock_acquire got;
	uint64_t most;

	REQUIRE(!handle_acquire(handle, CHRING_ACQUIRE_SELF |
				(shared ? CHRING_ACQUIRE_SHARED : 0),
				in_ms(PATIENCE_MS), &got));
	most = board->first + TOKEN_SLACK +
	       (now_ns() - board->since) / NS_PER_TOKEN;
	REQUIRE(got.token > newest);
	REQUIRE(got.token <= most);
	REQUIRE(!(got.news & ~CHRING_NEWS_CORRUPT));
	REQUIRE(got.dead_token < got.token);
	raise_to(&board->newest, got.token);
	if (shared)
		share(board, handle, me, got.token);
	else
		have_alone(board, handle, got.token);
	__atomic_add_fetch(&board->turns[me], 1, __ATOMIC_RELEASE);
}

static void be_honest(struct board *board, int me)
{
	unsigned int round = 0;
	struct handle handle;
	char name[32];
	int i;

	while (goes_on(board)) {
		if (now(&board->round) == round) {
			pause_us(100);
			continue;
		}
		round = now(&board->round);
		name_of(round, name, sizeof(name));
		REQUIRE(!handle_open(&handle, name, 0));
		for (i = 0; i < TURNS; i++)
			take_turn(board, &handle, me, (i + me) & 1);
		REQUIRE(!handle_close(&handle));
		close(handle.fd);
	}
	_exit(0);
}

/* ---- the neighbour's users */

static void count(struct board *board, uint64_t token)
{
	uint64_t counter = board->counter;

	REQUIRE(token > board->last);
	board->last = token;
	if (!(counter % 64))
		sched_yield();
	board->counter = counter + 1;
}

static void be_neighbour(struct board *board, int me)
{
	struct chring_lock_acquire got;
	struct handle handle;
	uint64_t token;

	REQUIRE(!handle_open(&handle, NEIGHBOUR, 0));
	REQUIRE(!handle_map(&handle));
	while (goes_on(board)) {
		if (!word_take(&handle, &token)) {
			REQUIRE(!handle_acquire(&handle, 0, in_ms(PATIENCE_MS),
						&got));
			REQUIRE(!got.news);
			token = got.token;
		}
		count(board, token);
		board->entries[me]++;
		REQUIRE(word_release(&handle, token) ||
			!handle_release(&handle, token));
		pause_us(50);
	}
	_exit(0);
}

/* ---- all of it */

FIXTURE_SETUP(hostile)
{
	self->board = mmap(NULL, sizeof(*self->board), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->board);
	self->board->seed = getenv("SEED") ? atoi(getenv("SEED")) : now_ns();
	TH_LOG("SEED=%u", self->board->seed);
	self->look_again = get_parameter("look_again_ms");
	ASSERT_EQ(0, set_parameter("look_again_ms", LOOK_AGAIN_MS));
	ASSERT_EQ(0, handle_open(&self->neighbour, NEIGHBOUR,
				 CHRING_OPEN_CREATE | CHRING_OPEN_EXCLUSIVE));
}

FIXTURE_TEARDOWN(hostile)
{
	EXPECT_EQ(0, set_parameter("look_again_ms", self->look_again));
}

static void start_all(struct _test_data_hostile *self)
{
	int i;

	self->mallory = fork();
	if (!self->mallory)
		be_mallory(self->board);
	for (i = 0; i < HONEST; i++) {
		self->honest[i] = fork();
		if (!self->honest[i])
			be_honest(self->board, i);
		self->neighbours[i] = fork();
		if (!self->neighbours[i])
			be_neighbour(self->board, i);
	}
}

static bool all_had_their_turns(const struct board *board)
{
	int i;

	if (now(&board->round) != board->wanted)
		return false;
	for (i = 0; i < HONEST; i++) {
		if (now(&board->turns[i]) < TURNS)
			return false;
	}
	return true;
}

TEST_F_TIMEOUT(hostile, mapper_spoils_nothing_but_its_own_lock, 300)
{
	long long end = in_ms(DURATION_MS);
	struct board *board = self->board;
	struct chring_lock_stat stat;
	bool progress = true;
	int i;

	start_all(self);
	do {
		__atomic_add_fetch(&board->wanted, 1, __ATOMIC_RELEASE);
		progress = wait_until(all_had_their_turns(board));
	} while (progress && now_ns() < end);
	EXPECT_TRUE(progress);
	__atomic_store_n(&board->stop, true, __ATOMIC_RELEASE);

	EXPECT_EQ(0, exit_status(self->mallory));
	for (i = 0; i < HONEST; i++) {
		EXPECT_EQ(0, exit_status(self->honest[i]));
		EXPECT_EQ(0, exit_status(self->neighbours[i]));
		EXPECT_LT(0U, board->entries[i]);
	}
	EXPECT_EQ(board->entries[0] + board->entries[1], board->counter);
	ASSERT_EQ(0, handle_stat(&self->neighbour, &stat));
	EXPECT_EQ(0U, stat.flags);
	EXPECT_EQ(0U, stat.news);
	EXPECT_EQ(0U, stat.lock_flags);
	EXPECT_EQ(board->last, stat.token);
	EXPECT_LT(0U, board->strict);
	TH_LOG("%lu words written to %u locks, %u of them given up; neighbour held %lu times",
	       board->written, board->round, board->strict, board->counter);
}

TEST_HARNESS_MAIN
