// SPDX-License-Identifier: GPL-2.0
/*
 * Deadlocks that many close at once, while others come, go and die: of those who are
 * in a cycle one is refused, and nobody who is in none.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lock_raw.h"

#define DETECT	CHRING_ACQUIRE_DETECT
#define SHARED	CHRING_ACQUIRE_SHARED

#define LOCKS 5
#define PROCESSES 6
#define MOST 8

/* Longer than any test: nobody looks but once. */
#define NEVER_MS 600000

/**
 * struct board - what the processes and the test tell each other
 * @barrier: of those in a ring
 * @refused: acquisitions that were refused
 * @wrong: things that were not as they are to be
 * @done: rounds that were got through
 * @stop: it is enough
 */
struct board {
	pthread_barrier_t barrier;
	int refused;
	int wrong;
	int done;
	int stop;
};

static struct board *board;
static pid_t pids[MOST];

/* As it was */
static long look_again;

static int get(const int *at)
{
	return __atomic_load_n(at, __ATOMIC_ACQUIRE);
}

static void add(int *at)
{
	__atomic_add_fetch(at, 1, __ATOMIC_ACQ_REL);
}

/* One more thing is wrong, of which the first ones are told. */
static void wrong(const char *what, const char *name, int value)
{
	if (__atomic_add_fetch(&board->wrong, 1, __ATOMIC_ACQ_REL) < 10)
		fprintf(stderr, "# %d: %s: %s %d\n", getpid(), what, name,
			value);
}

static bool set_up(int look_ms)
{
	board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (board == MAP_FAILED || unshare(CLONE_NEWNET))
		return false;
	memset(pids, 0, sizeof(pids));
	look_again = get_parameter("look_again_ms");
	return !set_parameter("look_again_ms", look_ms);
}

static bool spawn(int nr, void (*run)(int nr, int arg), int arg)
{
	pids[nr] = fork();
	if (!pids[nr]) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		run(nr, arg);
		_exit(0);
	}
	return pids[nr] > 0;
}

static void kill_one(int nr)
{
	if (pids[nr] <= 0)
		return;
	kill(pids[nr], SIGKILL);
	waitpid(pids[nr], NULL, 0);
	pids[nr] = 0;
}

static bool tear_down(void)
{
	int i;

	for (i = 0; i < MOST; i++)
		kill_one(i);
	return !set_parameter("look_again_ms", look_again);
}

/* ---- rings */

FIXTURE(ring) {
	int unused;
};

FIXTURE_VARIANT(ring) {
	int size;
	unsigned int flags;
	bool by_word;
};

FIXTURE_VARIANT_ADD(ring, two) { .size = 2, .by_word = true };

FIXTURE_VARIANT_ADD(ring, two_strict) {
	.size = 2,
	.flags = CHRING_LOCK_STRICT,
};

FIXTURE_VARIANT_ADD(ring, three_fifo) {
	.size = 3,
	.flags = CHRING_LOCK_FIFO,
	.by_word = true,
};

FIXTURE_VARIANT_ADD(ring, eight) { .size = 8, .by_word = true };

FIXTURE_VARIANT_ADD(ring, eight_strict) {
	.size = 8,
	.flags = CHRING_LOCK_STRICT,
};

FIXTURE_SETUP(ring)
{
	pthread_barrierattr_t shared;

	ASSERT_TRUE(set_up(NEVER_MS));
	pthread_barrierattr_init(&shared);
	pthread_barrierattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(&board->barrier, &shared, variant->size);
}

FIXTURE_TEARDOWN(ring)
{
	EXPECT_TRUE(tear_down());
}

#define ROUNDS 100

static const struct _fixture_variant_ring *ring;

static void go_round(int nr, struct handle *own, struct handle *next)
{
	struct chring_lock_acquire got = {};
	uint64_t token;
	int err;

	if (ring->by_word ? !word_take(own, &token) : handle_try(own, &got))
		wrong("own lock", "not free", nr);
	if (!ring->by_word)
		token = got.token;
	pthread_barrier_wait(&board->barrier);
	err = handle_acquire(next, DETECT, CHRING_DEADLINE_NONE, &got);
	if (err == -EDEADLK)
		add(&board->refused);
	else if (err)
		wrong("next lock", strerror(-err), nr);
	else if (handle_release(next, got.token))
		wrong("next lock", "lost", nr);
	if (!(ring->by_word && word_release(own, token)) &&
	    handle_release(own, token))
		wrong("own lock", "lost", nr);
	pthread_barrier_wait(&board->barrier);
	if (nr)
		return;
	/* All have what they asked for, or had it, but for one */
	add(&board->done);
	if (get(&board->refused) != get(&board->done))
		wrong("refused", "in all", get(&board->refused));
}

static void in_ring(int nr, int rounds)
{
	struct handle own, next;
	char name[32];

	snprintf(name, sizeof(name), "ring%d", nr);
	if (handle_open(&own, name, ring->flags | CHRING_OPEN_CREATE) ||
	    (ring->by_word && handle_map(&own)))
		wrong("ring", "cannot be opened", nr);
	snprintf(name, sizeof(name), "ring%d", (nr + 1) % ring->size);
	if (handle_open(&next, name, ring->flags | CHRING_OPEN_CREATE))
		wrong("ring", "cannot be opened", nr);
	while (rounds--) {
		pthread_barrier_wait(&board->barrier);
		go_round(nr, &own, &next);
	}
}

static void expect_progress(struct __test_metadata *_metadata, int goal)
{
	int done = 0;

	while (done < goal) {
		ASSERT_TRUE(wait_until(get(&board->done) > done))
			TH_LOG("nobody goes on after %d rounds, %d refused",
			       done, get(&board->refused));
		done = get(&board->done);
	}
}

static void expect_ended(struct __test_metadata *_metadata, int processes)
{
	int i;

	for (i = 0; i < processes; i++) {
		EXPECT_EQ(0, exit_status(pids[i]));
		pids[i] = 0;
	}
}

/* Nobody looks again: who misses it, or refuses too many, is seen. */
TEST_F(ring, of_all_who_close_it_at_once_one_is_refused)
{
	int i;

	ring = variant;
	for (i = 0; i < ring->size; i++)
		ASSERT_TRUE(spawn(i, in_ring, ROUNDS));
	expect_progress(_metadata, ROUNDS);
	expect_ended(_metadata, ring->size);
	EXPECT_EQ(ROUNDS, board->refused);
	EXPECT_EQ(0, board->wrong);
}

/* ---- locks of all kinds, in some order */

FIXTURE(locks) {
	int unused;
};

FIXTURE_SETUP(locks)
{
	/* As often as can be */
	ASSERT_TRUE(set_up(1));
}

FIXTURE_TEARDOWN(locks)
{
	EXPECT_TRUE(tear_down());
}

static const struct {
	unsigned int flags;
	unsigned int slots;
	bool shared;
} kinds[LOCKS] = {
	{ .flags = 0 },
	{ .flags = CHRING_LOCK_FIFO, .shared = true },
	{ .slots = 2 },
	{ .flags = CHRING_LOCK_STRICT },
	{ .flags = CHRING_LOCK_FIFO | CHRING_LOCK_STICKY, .shared = true },
};

/**
 * struct hands - what a thread has of all locks
 * @handles: one of each
 * @tokens: what it holds them by, 0 for those that it does not
 * @order: the locks, as they are acquired
 * @seed: of what it does
 */
struct hands {
	struct handle handles[LOCKS];
	uint64_t tokens[LOCKS];
	int order[LOCKS];
	unsigned int seed;
};

static bool open_all(struct hands *hands)
{
	char name[2] = "";
	int i;

	for (i = 0; i < LOCKS; i++) {
		name[0] = 'a' + i;
		hands->order[i] = i;
		hands->tokens[i] = 0;
		if (handle_open_slots(&hands->handles[i], name,
				      kinds[i].flags | CHRING_OPEN_CREATE,
				      kinds[i].slots))
			return false;
		if (!(hands->handles[i].flags & CHRING_LOCK_STRICT) &&
		    handle_map(&hands->handles[i]))
			return false;
	}
	return true;
}

/* Is what was said of a deadlock so, as far as this thread can tell? */
static bool is_told_right(const struct hands *hands, int wanted,
			  const struct chring_lock_step *steps, uint32_t nr)
{
	int held = steps[0].name[0] - 'a';

	if (!nr || nr > PROCESSES || steps[0].pid != getpid() || held < 0 ||
	    held >= LOCKS || steps[nr == 1 ? 0 : 1].name[0] != 'a' + wanted)
		return false;
	if (steps[0].flags & CHRING_STEP_QUEUED)
		return held == wanted;
	return hands->tokens[held] && steps[0].token == hands->tokens[held];
}

static int take(struct hands *hands, int nr)
{
	struct chring_lock_step steps[PROCESSES] = {};
	struct chring_lock_acquire request = {
		.size = sizeof(request),
		.flags = DETECT,
		.deadline = CHRING_DEADLINE_NONE,
		.steps = (uintptr_t)steps,
		.nr_steps = PROCESSES,
		.step_size = sizeof(steps[0]),
	};
	struct handle *handle = &hands->handles[nr];

	if (handle->word && rand_r(&hands->seed) % 4 &&
	    word_take(handle, &hands->tokens[nr]))
		return 0;
	if (kinds[nr].shared && rand_r(&hands->seed) % 2)
		request.flags |= SHARED;
	if (!ioctl(handle->fd, CHRING_IOC_ACQUIRE, &request)) {
		hands->tokens[nr] = request.token;
		return 0;
	}
	if (errno != EDEADLK)
		wrong("acquire", strerror(errno), nr);
	else if (!is_told_right(hands, nr, steps, request.nr_steps))
		wrong("deadlock", steps[0].name, request.nr_steps);
	return -errno;
}

static void let_all_go(struct hands *hands)
{
	int i;

	for (i = 0; i < LOCKS; i++) {
		if (!hands->tokens[i])
			continue;
		if (!(hands->handles[i].word &&
		      word_release(&hands->handles[i], hands->tokens[i])) &&
		    handle_release(&hands->handles[i], hands->tokens[i]))
			wrong("release", "not held", i);
		hands->tokens[i] = 0;
	}
}

/* Some of the locks, as they come; begun anew where that is refused. */
static void take_some(struct hands *hands)
{
	int i, err;

again:
	for (i = 0; i < LOCKS; i++) {
		if (rand_r(&hands->seed) % 2)
			continue;
		err = take(hands, hands->order[i]);
		if (err) {
			add(&board->refused);
			let_all_go(hands);
			goto again;
		}
		if (!(rand_r(&hands->seed) % 4))
			sched_yield();
	}
	let_all_go(hands);
	add(&board->done);
}

static void *in_order(void *data)
{
	struct hands *hands = data;

	while (!get(&board->stop))
		take_some(hands);
	return NULL;
}

/* With two threads, every other one. */
static void all_in_order(int nr, int seed)
{
	static struct hands hands[2];
	pthread_t thread;

	hands[0].seed = 2 * seed;
	hands[1].seed = 2 * seed + 1;
	if (!open_all(&hands[0]) || !open_all(&hands[1]))
		wrong("locks", "cannot be opened", nr);
	if (nr % 2 && pthread_create(&thread, NULL, in_order, &hands[1]))
		wrong("thread", "cannot be made", nr);
	in_order(&hands[0]);
	if (nr % 2)
		pthread_join(thread, NULL);
}

static void in_any_order(int nr, int seed)
{
	static struct hands hands;
	int i, j, swapped;

	hands.seed = seed;
	if (!open_all(&hands))
		wrong("locks", "cannot be opened", nr);
	while (!get(&board->stop)) {
		for (i = LOCKS - 1; i > 0; i--) {
			j = rand_r(&hands.seed) % (i + 1);
			swapped = hands.order[i];
			hands.order[i] = hands.order[j];
			hands.order[j] = swapped;
		}
		take_some(&hands);
	}
}

static void all_go_on(struct __test_metadata *_metadata,
		      void (*run)(int nr, int arg))
{
	int i;

	for (i = 0; i < PROCESSES; i++)
		ASSERT_TRUE(spawn(i, run, i + 1));
	expect_progress(_metadata, 2000);
	__atomic_store_n(&board->stop, 1, __ATOMIC_RELEASE);
	expect_ended(_metadata, PROCESSES);
}

TEST_F(locks, that_all_take_in_one_order_are_never_refused)
{
	all_go_on(_metadata, all_in_order);
	EXPECT_EQ(0, board->refused);
	EXPECT_EQ(0, board->wrong);
}

TEST_F(locks, that_are_taken_in_any_order_are_all_had)
{
	all_go_on(_metadata, in_any_order);
	/* Or else this has shown nothing */
	EXPECT_LT(0, board->refused);
	EXPECT_EQ(0, board->wrong);
}

TEST_F(locks, that_the_dead_held_are_had_by_others)
{
	unsigned int seed = 1;
	int i, killed, done;

	for (i = 0; i < PROCESSES; i++)
		ASSERT_TRUE(spawn(i, in_any_order, i + 1));
	for (killed = 0; killed < 60; killed++) {
		done = get(&board->done);
		pause_us(rand_r(&seed) % 5000);
		i = rand_r(&seed) % PROCESSES;
		kill_one(i);
		ASSERT_TRUE(spawn(i, in_any_order, 100 + killed));
		ASSERT_TRUE(wait_until(get(&board->done) > done))
			TH_LOG("nobody goes on after %d deaths", killed);
	}
	EXPECT_LT(0, board->refused);
	EXPECT_EQ(0, board->wrong);
}

TEST_HARNESS_MAIN
