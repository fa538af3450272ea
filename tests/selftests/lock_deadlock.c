// SPDX-License-Identifier: GPL-2.0
/*
 * Deadlocks: which cycles of processes that wait for each other are found, what is
 * said of them, and what is no deadlock, or is not known to be one.
 */
#include <chring.h>
#include <errno.h>
#include <fcntl.h>
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
#define SELF	CHRING_ACQUIRE_SELF
#define NOBODY	65534
#define NAME_SIZE 32

/* As long as a cycle that is found can be, and some more */
#define LONGEST	CHRING_STEPS_MAX
#define PLAYERS	(LONGEST + 12)

/* Who looks for a deadlock looks several times in that time. */
#define LOOK_MS	50
#define SOME_MS	300

/* Where more look at their words so often that nothing else would be done */
#define SELDOM_MS 250

/* How far a player is */
enum { NOT_YET, HOLDS, ASKS, ANSWERED, FAILED };

/**
 * struct player - a process that holds one lock, and then wants another
 * @holds: the one; empty for none
 * @wants: the other
 * @hold_flags: of the acquisition of @holds
 * @want_flags: of that of @wants
 * @by_word: @holds is taken by its word
 * @idles: it has another thread, that sleeps
 * @also_wants: a second thread wants this
 * @uid: the user that it is when it asks
 * @deadline_ms: for how long it waits for @wants
 * @pid: the process
 * @token: what it holds @holds by
 * @stage: how far it is
 * @go: a pipe, by which it is told to go on
 * @result: of the acquisition of @wants
 * @nr_steps: of the cycle
 * @steps: the cycle
 */
struct player {
	char holds[NAME_SIZE];
	char wants[NAME_SIZE];
	unsigned int hold_flags;
	unsigned int want_flags;
	bool by_word;
	bool idles;
	char also_wants[NAME_SIZE];
	uid_t uid;
	int deadline_ms;
	pid_t pid;
	uint64_t token;
	int stage;
	int go[2];
	int result;
	uint32_t nr_steps;
	struct chring_lock_step steps[LONGEST];
};

static struct player *players;

/* As it was */
static long look_again;

/* Network namespaces: of those who play, and of locks that are called "~..." */
static int here, elsewhere;

static void set(int *at, int value)
{
	__atomic_store_n(at, value, __ATOMIC_RELEASE);
}

static void call(char *lock, const char *name)
{
	snprintf(lock, NAME_SIZE, "%s", name);
}

static int get(const int *at)
{
	return __atomic_load_n(at, __ATOMIC_ACQUIRE);
}

/* ---- in the players' processes */

/* All may write the locks, and read those that are not "hidden..." */
static int open_one(struct handle *handle, const char *name,
		    unsigned int flags, unsigned int slots)
{
	struct chring_lock_open open_it = {
		.size = sizeof(open_it),
		.flags = flags | CHRING_OPEN_CREATE,
		.slots = slots,
		.name = (uintptr_t)name,
		.name_len = strlen(name),
		.mode = strncmp(name, "hidden", 6) ? 0666 : 0622,
	};
	int device = open("/dev/chring", O_RDWR | O_CLOEXEC);
	bool moves = *name == '~';
	int err = 0;

	if (device < 0)
		return -errno;
	memset(handle, 0, sizeof(*handle));
	handle->fd = moves && setns(elsewhere, CLONE_NEWNET) ? -1 :
		     ioctl(device, CHRING_IOC_OPEN, &open_it);
	if (handle->fd < 0)
		err = -errno;
	handle->id = open_it.id;
	close(device);
	if (moves && setns(here, CLONE_NEWNET))
		err = err ?: -errno;
	return err;
}

static void *sleep_on(void *unused)
{
	for (;;)
		pause();
	return NULL;
}

static void *want_also(void *data)
{
	struct player *player = data;
	struct chring_lock_acquire got;
	struct handle handle;

	if (!open_one(&handle, player->also_wants, 0, 0))
		handle_acquire(&handle, 0, CHRING_DEADLINE_NONE, &got);
	return sleep_on(NULL);
}

static bool take_first(struct player *player, struct handle *handle)
{
	struct chring_lock_acquire got;

	if (!*player->holds)
		return true;
	if (open_one(handle, player->holds, 0, 0))
		return false;
	if (player->by_word)
		return !handle_map(handle) && word_take(handle, &player->token);
	if (handle_acquire(handle, player->hold_flags, CHRING_DEADLINE_NONE,
			   &got))
		return false;
	player->token = got.token;
	return true;
}

static bool have_thread(struct player *player)
{
	pthread_t thread;

	if (player->idles)
		return !pthread_create(&thread, NULL, sleep_on, NULL);
	if (*player->also_wants)
		return !pthread_create(&thread, NULL, want_also, player);
	return true;
}

static int ask(const struct player *player, const struct handle *handle,
	       struct chring_lock_acquire *request)
{
	*request = (struct chring_lock_acquire){
		.size = sizeof(*request),
		.flags = player->want_flags,
		.deadline = player->deadline_ms ? in_ms(player->deadline_ms) :
						  CHRING_DEADLINE_NONE,
		.steps = (uintptr_t)player->steps,
		.nr_steps = LONGEST,
		.step_size = sizeof(player->steps[0]),
	};
	return ioctl(handle->fd, CHRING_IOC_ACQUIRE, request) ? -errno : 0;
}

/* With the uid goes what was asked for with PR_SET_PDEATHSIG. */
static int become(uid_t uid)
{
	return setresuid(uid, uid, uid) ?: prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static void play(struct player *player)
{
	struct chring_lock_acquire request;
	struct handle holds, wants;
	char byte;

	if (open_one(&wants, player->wants, 0, 0) ||
	    !take_first(player, &holds) ||
	    (player->uid && become(player->uid)))
		return;
	set(&player->stage, HOLDS);
	if (read(player->go[0], &byte, 1) != 1 || !have_thread(player))
		return;
	set(&player->stage, ASKS);
	player->result = ask(player, &wants, &request);
	player->nr_steps = request.nr_steps;
	set(&player->stage, ANSWERED);
	sleep_on(NULL);
}

/* ---- in the tests' */

static bool start(struct player *player)
{
	pid_t pid;

	if (pipe(player->go))
		return false;
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		play(player);
		set(&player->stage, FAILED);
		_exit(1);
	}
	/* The players' memory is shared */
	player->pid = pid;
	return pid > 0 && wait_until(get(&player->stage) >= HOLDS) &&
	       get(&player->stage) == HOLDS;
}

static void go_on(const struct player *player)
{
	if (write(player->go[1], "", 1) != 1)
		abort();
}

/* It ends, and all that it holds is free. */
static void end(struct player *player)
{
	if (player->pid <= 0)
		return;
	kill(player->pid, SIGKILL);
	waitpid(player->pid, NULL, 0);
	player->pid = 0;
	close(player->go[0]);
	close(player->go[1]);
}

static bool set_up(void)
{
	players = mmap(NULL, PLAYERS * sizeof(*players), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	look_again = get_parameter("look_again_ms");
	return players != MAP_FAILED && !unshare(CLONE_NEWNET) &&
	       !set_parameter("look_again_ms", LOOK_MS);
}

static bool tear_down(void)
{
	int i;

	for (i = 0; i < PLAYERS; i++)
		end(&players[i]);
	return !set_parameter("look_again_ms", look_again);
}

/* Starts a player that holds one lock, and will want another. */
#define START(nr, first, second)					\
	({								\
		struct player *__player = &players[nr];			\
		call(__player->holds, first);				\
		call(__player->wants, second);			\
		ASSERT_TRUE(start(__player))				\
			TH_LOG("player %d", nr);			\
		__player;						\
	})

/* Has a player wait for what it wants, as the so manyth of those who do. */
#define WAITS(player, handle, nr)					\
	do {								\
		go_on(player);				\
		ASSERT_TRUE(wait_until(waiters_of(handle) == (nr)))	\
			TH_LOG("%s", (player)->wants);			\
	} while (0)

#define EXPECT_ANSWER(expected, player)					\
	do {								\
		go_on(player);				\
		ASSERT_TRUE(wait_until(get(&(player)->stage) >= ANSWERED)); \
		ASSERT_EQ(ANSWERED, get(&(player)->stage));		\
		EXPECT_EQ(expected, (player)->result);			\
	} while (0)

/* Asks, and waits in vain: there is no deadlock, or none that is known to be. */
#define EXPECT_NONE(player)						\
	do {								\
		(player)->want_flags |= DETECT;				\
		(player)->deadline_ms = SOME_MS;			\
		EXPECT_ANSWER(-ETIMEDOUT, player);			\
	} while (0)

#define EXPECT_FOUND(player)						\
	do {								\
		(player)->want_flags |= DETECT;				\
		EXPECT_ANSWER(-EDEADLK, player);			\
	} while (0)

/* As the kernel sees who asks, in the initial namespace. */
#define EXPECT_STEP(step, of, of_name)					\
	do {								\
		const struct chring_lock_step *__step = step;		\
		EXPECT_EQ((of)->pid, __step->pid);			\
		EXPECT_STREQ(of_name, __step->name);			\
		EXPECT_EQ(0U, __step->flags);				\
		EXPECT_EQ((of)->token, __step->token);			\
	} while (0)

/* ---- cycles, of locks of each kind */

FIXTURE(cycle) {
	struct handle a, b, c;
};

FIXTURE_VARIANT(cycle) {
	unsigned int flags;
	bool by_word;
};

FIXTURE_VARIANT_ADD(cycle, word) { .by_word = true };
FIXTURE_VARIANT_ADD(cycle, fifo) { .flags = CHRING_LOCK_FIFO };
FIXTURE_VARIANT_ADD(cycle, strict) { .flags = CHRING_LOCK_STRICT };

FIXTURE_SETUP(cycle)
{
	int i;

	ASSERT_TRUE(set_up());
	ASSERT_EQ(0, open_one(&self->a, "a", variant->flags, 0));
	ASSERT_EQ(0, open_one(&self->b, "b", variant->flags, 0));
	ASSERT_EQ(0, open_one(&self->c, "c", variant->flags, 0));
	for (i = 0; i < 3; i++)
		players[i].by_word = variant->by_word;
}

FIXTURE_TEARDOWN(cycle)
{
	EXPECT_TRUE(tear_down());
}

TEST_F(cycle, two_who_wait_for_each_other)
{
	struct player *one = START(0, "a", "b");
	struct player *two = START(1, "b", "a");

	WAITS(one, &self->b, 1);
	EXPECT_FOUND(two);
	ASSERT_EQ(2U, two->nr_steps);
	EXPECT_STEP(&two->steps[0], two, "b");
	EXPECT_STEP(&two->steps[1], one, "a");
	/* All is as before, but that it does not wait */
	EXPECT_EQ(0, waiters_of(&self->a));
	EXPECT_EQ(1, waiters_of(&self->b));
	EXPECT_EQ(0U, news_of(&self->a) | news_of(&self->b));
	EXPECT_EQ(ASKS, get(&one->stage));
	/* It gives way, and the other goes on */
	end(two);
	EXPECT_ANSWER(0, one);
}

TEST_F(cycle, three_of_which_one_asks)
{
	struct player *one = START(0, "a", "b");
	struct player *two = START(1, "b", "c");
	struct player *three = START(2, "c", "a");

	WAITS(one, &self->b, 1);
	WAITS(three, &self->a, 1);
	EXPECT_FOUND(two);
	ASSERT_EQ(3U, two->nr_steps);
	EXPECT_STEP(&two->steps[0], two, "b");
	EXPECT_STEP(&two->steps[1], three, "c");
	EXPECT_STEP(&two->steps[2], one, "a");
}

TEST_F(cycle, one_that_another_closes_who_does_not_ask)
{
	struct player *one = START(0, "a", "b");
	struct player *two = START(1, "b", "a");

	one->want_flags = DETECT;
	WAITS(one, &self->b, 1);
	WAITS(two, &self->a, 1);
	EXPECT_ANSWER(-EDEADLK, one);
	ASSERT_EQ(2U, one->nr_steps);
	EXPECT_STEP(&one->steps[0], one, "a");
	EXPECT_STEP(&one->steps[1], two, "b");
	EXPECT_EQ(ASKS, get(&two->stage));
}

TEST_F(cycle, a_wait_that_has_a_deadline_counts)
{
	struct player *one = START(0, "a", "b");
	struct player *two = START(1, "b", "a");

	one->deadline_ms = PATIENCE_MS * 2;
	WAITS(one, &self->b, 1);
	two->deadline_ms = PATIENCE_MS * 2;
	EXPECT_FOUND(two);
}

TEST_F(cycle, none_where_the_holder_runs)
{
	struct player *one = START(0, "a", "b");
	struct player *two = START(1, "b", "c");
	struct player *three = START(2, "c", "a");

	WAITS(two, &self->c, 1);
	EXPECT_NONE(one);
	EXPECT_EQ(HOLDS, get(&three->stage));
}

TEST_F(cycle, none_for_who_waits_for_one_but_is_not_in_it)
{
	struct player *one = START(0, "a", "b");
	struct player *two = START(1, "b", "a");
	struct player *three = START(2, "c", "a");

	WAITS(one, &self->b, 1);
	WAITS(two, &self->a, 1);
	EXPECT_NONE(three);
}

/* ---- how long they are */

FIXTURE(deadlock) {
	struct handle a, b, c;
};

FIXTURE_SETUP(deadlock)
{
	ASSERT_TRUE(set_up());
	ASSERT_EQ(0, open_one(&self->a, "a", 0, 0));
	ASSERT_EQ(0, open_one(&self->b, "b", 0, 0));
	ASSERT_EQ(0, open_one(&self->c, "c", 0, 0));
}

FIXTURE_TEARDOWN(deadlock)
{
	EXPECT_TRUE(tear_down());
}

/* All but the first one wait for what the next one holds. */
static bool start_ring(int size)
{
	char own[32], next[32];
	int i;

	set_parameter("look_again_ms", SELDOM_MS);
	for (i = 0; i < size; i++) {
		snprintf(own, sizeof(own), "ring%d", i);
		snprintf(next, sizeof(next), "ring%d", (i + 1) % size);
		call(players[i].holds, own);
		call(players[i].wants, next);
		if (!start(&players[i]))
			return false;
	}
	for (i = 1; i < size; i++) {
		go_on(&players[i]);
		if (!wait_until(get(&players[i].stage) == ASKS &&
				sleeps(players[i].pid)))
			return false;
	}
	return true;
}

TEST_F(deadlock, of_sixteen_names_them_in_order)
{
	const struct chring_lock_step *step;
	char name[32];
	int i;

	ASSERT_TRUE(start_ring(16));
	EXPECT_FOUND(&players[0]);
	ASSERT_EQ(16U, players[0].nr_steps);
	for (i = 0; i < 16; i++) {
		step = &players[0].steps[i];
		snprintf(name, sizeof(name), "ring%d", i);
		EXPECT_STEP(step, &players[i], name);
	}
}

TEST_F(deadlock, of_as_many_as_can_be_is_found)
{
	ASSERT_TRUE(start_ring(LONGEST));
	EXPECT_FOUND(&players[0]);
	EXPECT_EQ((unsigned int)LONGEST, players[0].nr_steps);
}

TEST_F(deadlock, of_one_more_is_not)
{
	ASSERT_TRUE(start_ring(LONGEST + 1));
	EXPECT_NONE(&players[0]);
}

TEST_F(deadlock, is_found_behind_a_long_queue)
{
	struct player *one = START(0, "b", "a");
	struct player *last;
	int i;

	set_parameter("look_again_ms", SELDOM_MS);
	for (i = 1; i <= LONGEST + 8; i++) {
		START(i, "", "b");
		WAITS(&players[i], &self->b, i);
	}
	last = START(i, "a", "b");
	WAITS(last, &self->b, i);
	EXPECT_FOUND(one);
	ASSERT_EQ(2U, one->nr_steps);
	EXPECT_STEP(&one->steps[1], last, "a");
}

/* ---- threads, and other things that a process does meanwhile */

TEST_F(deadlock, none_where_a_thread_of_the_other_can_go_on)
{
	struct player *one = START(0, "a", "b");
	struct player *two = START(1, "b", "a");

	one->idles = true;
	WAITS(one, &self->b, 1);
	EXPECT_NONE(two);
}

TEST_F(deadlock, none_where_a_thread_of_its_own_can_go_on)
{
	struct player *one = START(0, "a", "b");
	struct player *two = START(1, "b", "a");

	two->idles = true;
	WAITS(one, &self->b, 1);
	EXPECT_NONE(two);
}

TEST_F(deadlock, none_where_a_thread_waits_for_one_who_runs)
{
	struct player *one = START(0, "a", "b");
	struct player *two = START(1, "b", "a");
	struct player *three = START(2, "c", "a");

	call(one->also_wants, "c");
	WAITS(one, &self->b, 1);
	ASSERT_TRUE(wait_until(waiters_of(&self->c) == 1));
	EXPECT_NONE(two);
	EXPECT_EQ(HOLDS, get(&three->stage));
}

TEST_F(deadlock, where_each_thread_waits_for_one_of_it)
{
	struct player *one = START(0, "a", "b");
	struct player *two = START(1, "b", "a");
	struct player *three = START(2, "c", "a");

	call(one->also_wants, "c");
	WAITS(one, &self->b, 1);
	ASSERT_TRUE(wait_until(waiters_of(&self->c) == 1));
	WAITS(three, &self->a, 1);
	EXPECT_FOUND(two);
	ASSERT_EQ(2U, two->nr_steps);
	EXPECT_STEP(&two->steps[0], two, "b");
	EXPECT_STEP(&two->steps[1], one, "a");
}

TEST_F(deadlock, of_the_threads_of_one_process)
{
	struct player *one = START(0, "a", "a");

	call(one->also_wants, "a");
	EXPECT_FOUND(one);
	ASSERT_EQ(1U, one->nr_steps);
	EXPECT_STEP(&one->steps[0], one, "a");
	EXPECT_TRUE(wait_until(waiters_of(&self->a) == 1));
}

TEST_F(deadlock, none_while_the_other_is_stopped)
{
	struct player *one = START(0, "a", "b");
	struct player *two = START(1, "b", "a");
	int status;

	WAITS(one, &self->b, 1);
	ASSERT_EQ(0, kill(one->pid, SIGSTOP));
	ASSERT_EQ(one->pid, waitpid(one->pid, &status, WUNTRACED));
	two->want_flags = DETECT;
	WAITS(two, &self->a, 1);
	pause_us(4 * LOOK_MS * 1000);
	EXPECT_EQ(ASKS, get(&two->stage));
	ASSERT_EQ(0, kill(one->pid, SIGCONT));
	EXPECT_ANSWER(-EDEADLK, two);
}

/* ---- one process */

TEST_F(deadlock, with_itself_by_two_handles)
{
	struct player *one = START(0, "a", "a");

	EXPECT_FOUND(one);
	ASSERT_EQ(1U, one->nr_steps);
	EXPECT_STEP(&one->steps[0], one, "a");
	EXPECT_EQ(0, waiters_of(&self->a));
}

TEST_F(deadlock, with_itself_by_one_handle)
{
	struct player self_made = {
		.want_flags = DETECT,
		.deadline_ms = PATIENCE_MS,
	};
	struct chring_lock_acquire got, request;

	ASSERT_EQ(0, handle_try(&self->a, &got));
	EXPECT_EQ(-EDEADLK, ask(&self_made, &self->a, &request));
	ASSERT_EQ(1U, request.nr_steps);
	EXPECT_STREQ("a", self_made.steps[0].name);
	EXPECT_EQ(getpid(), self_made.steps[0].pid);
	EXPECT_EQ(got.token, self_made.steps[0].token);
	/* It says no less, though it may wait for itself */
	self_made.want_flags |= SELF;
	EXPECT_EQ(-EDEADLK, ask(&self_made, &self->a, &request));
	EXPECT_TRUE(is_mine(&self->a));
}

/* ---- several holders */

TEST_F(deadlock, through_one_of_those_who_share)
{
	struct player *one, *two, *three;

	players[0].hold_flags = SHARED;
	players[1].hold_flags = SHARED;
	one = START(0, "a", "b");
	two = START(1, "a", "c");
	three = START(2, "b", "a");

	/* Who wants it alone needs both of them to go, also the one who runs */
	WAITS(three, &self->a, 1);
	EXPECT_FOUND(one);
	ASSERT_EQ(2U, one->nr_steps);
	EXPECT_STEP(&one->steps[0], one, "a");
	EXPECT_STEP(&one->steps[1], three, "b");
	EXPECT_EQ(HOLDS, get(&two->stage));
}

TEST_F(deadlock, none_for_who_can_share)
{
	struct player *one, *two;

	players[0].hold_flags = SHARED;
	one = START(0, "a", "b");
	two = START(1, "b", "a");
	WAITS(one, &self->b, 1);
	two->want_flags = DETECT | SHARED;
	EXPECT_ANSWER(0, two);
}

TEST_F(deadlock, behind_one_who_waits_for_the_share_of_this_one)
{
	struct player *one, *two;

	players[0].hold_flags = SHARED;
	one = START(0, "a", "a");
	two = START(1, "", "a");
	WAITS(two, &self->a, 1);
	one->want_flags = SHARED;
	EXPECT_FOUND(one);
	ASSERT_EQ(2U, one->nr_steps);
	EXPECT_STEP(&one->steps[0], one, "a");
	EXPECT_EQ(two->pid, one->steps[1].pid);
	EXPECT_EQ(CHRING_STEP_QUEUED, one->steps[1].flags);
	EXPECT_STREQ("a", one->steps[1].name);
	EXPECT_EQ(0ULL, one->steps[1].token);
}

TEST_F(deadlock, of_slots_needs_all_who_have_one)
{
	struct player *one, *two, *three;
	struct handle slots;

	ASSERT_EQ(0, open_one(&slots, "slots", 0, 2));
	one = START(0, "slots", "a");
	two = START(1, "slots", "a");
	three = START(2, "a", "slots");
	WAITS(one, &self->a, 1);
	/* The second one may yet give back its slot */
	EXPECT_NONE(three);
	end(three);
	EXPECT_ANSWER(0, one);

	end(one);
	end(two);
	memset(players, 0, 3 * sizeof(*players));
	one = START(0, "slots", "a");
	two = START(1, "slots", "a");
	three = START(2, "a", "slots");
	WAITS(one, &self->a, 1);
	WAITS(two, &self->a, 2);
	EXPECT_FOUND(three);
	ASSERT_EQ(2U, three->nr_steps);
	EXPECT_STEP(&three->steps[0], three, "a");
	EXPECT_STREQ("slots", three->steps[1].name);
}

/* ---- what is told to whom */

TEST_F(deadlock, does_not_tell_what_may_not_be_read)
{
	struct player *one, *two, *three;
	struct handle hidden[3];

	ASSERT_EQ(0, open_one(&hidden[0], "hidden0", 0, 0));
	ASSERT_EQ(0, open_one(&hidden[1], "hidden1", 0, 0));
	ASSERT_EQ(0, open_one(&hidden[2], "hidden2", 0, 0));
	one = START(0, "hidden0", "hidden1");
	two = START(1, "hidden1", "hidden2");
	players[2].uid = NOBODY;
	three = START(2, "hidden2", "hidden0");
	WAITS(one, &hidden[1], 1);
	WAITS(two, &hidden[2], 1);
	EXPECT_FOUND(three);
	ASSERT_EQ(3U, three->nr_steps);
	/* It knows what it holds itself, and what it wants, not who has it */
	EXPECT_STEP(&three->steps[0], three, "hidden2");
	EXPECT_EQ(0, three->steps[1].pid);
	EXPECT_EQ(0ULL, three->steps[1].token);
	EXPECT_STREQ("hidden0", three->steps[1].name);
	EXPECT_EQ(0, three->steps[2].pid);
	EXPECT_EQ(0ULL, three->steps[2].token);
	EXPECT_STREQ("", three->steps[2].name);
}

TEST_F(deadlock, tells_pids_as_they_are_seen_by_who_asks)
{
	struct player *one = START(0, "a", "b");
	struct player *two;

	ASSERT_EQ(0, unshare(CLONE_NEWPID));
	two = START(1, "b", "a");
	WAITS(one, &self->b, 1);
	EXPECT_FOUND(two);
	ASSERT_EQ(2U, two->nr_steps);
	EXPECT_EQ(1, two->steps[0].pid);
	EXPECT_EQ(0, two->steps[1].pid);
	EXPECT_STREQ("a", two->steps[1].name);
	EXPECT_EQ(one->token, two->steps[1].token);
}

TEST_F(deadlock, of_locks_of_two_namespaces_is_not_found)
{
	struct player *one, *two;
	struct handle other;

	elsewhere = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	ASSERT_EQ(0, unshare(CLONE_NEWNET));
	here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	one = START(0, "a", "~a");
	two = START(1, "~a", "a");
	ASSERT_EQ(0, open_one(&other, "~a", 0, 0));
	WAITS(one, &other, 1);
	EXPECT_NONE(two);
}

TEST_F(deadlock, tells_as_much_as_there_is_room_for)
{
	struct player *one = START(0, "a", "b");
	struct chring_lock_acquire got;
	struct chring_lock_step steps[2];
	struct chring_lock_acquire request = {
		.size = sizeof(request),
		.flags = DETECT,
		.deadline = in_ms(PATIENCE_MS),
		.steps = (uintptr_t)steps,
		.nr_steps = 1,
		.step_size = sizeof(steps[0]),
	};

	ASSERT_EQ(0, handle_try(&self->b, &got));
	WAITS(one, &self->b, 1);
	memset(steps, 0x5a, sizeof(steps));
	EXPECT_EQ(-1, ioctl(self->a.fd, CHRING_IOC_ACQUIRE, &request));
	EXPECT_EQ(EDEADLK, errno);
	EXPECT_EQ(2U, request.nr_steps);
	EXPECT_STREQ("b", steps[0].name);
	EXPECT_EQ(0x5a, steps[1].name[0]);

	/* Nowhere to tell it */
	request.steps = 0;
	request.nr_steps = 7;
	EXPECT_EQ(-1, ioctl(self->a.fd, CHRING_IOC_ACQUIRE, &request));
	EXPECT_EQ(EDEADLK, errno);
	EXPECT_EQ(7U, request.nr_steps);
	/* As those who were compiled before there was this */
	request.size = offsetof(struct chring_lock_acquire, steps);
	EXPECT_EQ(-1, ioctl(self->a.fd, CHRING_IOC_ACQUIRE, &request));
	EXPECT_EQ(EDEADLK, errno);
	EXPECT_EQ(0, waiters_of(&self->a));
}

TEST_F(deadlock, that_cannot_be_told_is_refused_all_the_same)
{
	struct player *one = START(0, "a", "b");
	struct chring_lock_step step;
	struct chring_lock_acquire got;
	struct chring_lock_acquire request = {
		.size = sizeof(request),
		.flags = DETECT,
		.deadline = in_ms(PATIENCE_MS),
		.steps = 1,
		.nr_steps = LONGEST,
		.step_size = sizeof(step),
	};

	ASSERT_EQ(0, handle_try(&self->b, &got));
	WAITS(one, &self->b, 1);
	EXPECT_EQ(-1, ioctl(self->a.fd, CHRING_IOC_ACQUIRE, &request));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(0, waiters_of(&self->a));
	EXPECT_FALSE(is_mine(&self->a));

	request.steps = (uintptr_t)&step;
	for (request.step_size = 0; request.step_size < 2 * sizeof(step);
	     request.step_size += 4) {
		if (request.step_size == sizeof(step))
			continue;
		EXPECT_EQ(-1, ioctl(self->a.fd, CHRING_IOC_ACQUIRE, &request));
		EXPECT_EQ(EINVAL, errno);
	}
	EXPECT_EQ(0, waiters_of(&self->a));
}

/* ---- the library */

TEST_F(deadlock, is_put_in_words_by_the_library)
{
	struct player *one = START(0, "a", "b");
	struct chring_deadlock deadlock;
	struct chring_lock *a, *b;
	char expected[128], text[128];

	ASSERT_EQ(0, chring_lock_open(&a, "a", 0, 0));
	ASSERT_EQ(0, chring_lock_open(&b, "b", 0, 0));
	ASSERT_EQ(0, chring_lock_acquire_detect(b, 0, NULL, NULL));
	WAITS(one, &self->b, 1);
	EXPECT_EQ(-EDEADLK, chring_lock_acquire_detect(a, 0, NULL, NULL));
	EXPECT_EQ(-EDEADLK, chring_lock_acquire_detect(a, 0, NULL, &deadlock));
	EXPECT_EQ(2U, deadlock.nr);
	snprintf(expected, sizeof(expected),
		 "pid %d holds b, waits for a; pid %d holds a, waits for b",
		 getpid(), one->pid);
	EXPECT_EQ(strlen(expected),
		  chring_deadlock_text(&deadlock, text, sizeof(text)));
	EXPECT_STREQ(expected, text);
	/* As much as there is room for */
	EXPECT_EQ(strlen(expected), chring_deadlock_text(&deadlock, text, 8));
	EXPECT_EQ(7U, strlen(text));
	EXPECT_EQ(strlen(expected), chring_deadlock_text(&deadlock, NULL, 0));

	EXPECT_EQ(-EDEADLK, chring_lock_acquire_detect(a, CHRING_LOCK_SHARED,
						       NULL, &deadlock));
	EXPECT_EQ(-EINVAL, chring_lock_acquire_detect(a, 0x1000, NULL, NULL));
	EXPECT_TRUE(chring_lock_is_held(b));
	EXPECT_EQ(0, chring_lock_release(b));
	EXPECT_ANSWER(0, one);
	chring_lock_close(a);
	chring_lock_close(b);
}

TEST_F(deadlock, of_a_thread_with_itself_is_put_in_words)
{
	struct chring_deadlock deadlock;
	struct chring_lock *a;
	char expected[64], text[64];

	ASSERT_EQ(0, chring_lock_open(&a, "a", 0, 0));
	ASSERT_EQ(0, chring_lock_acquire_detect(a, 0, NULL, &deadlock));
	EXPECT_EQ(-EDEADLK, chring_lock_acquire_detect(a, 0, NULL, &deadlock));
	EXPECT_EQ(1U, deadlock.nr);
	EXPECT_EQ(chring_lock_token(a), deadlock.steps[0].token);
	snprintf(expected, sizeof(expected), "pid %d holds a, waits for a",
		 getpid());
	chring_deadlock_text(&deadlock, text, sizeof(text));
	EXPECT_STREQ(expected, text);
	EXPECT_EQ(0, chring_lock_release(a));
	chring_lock_close(a);
}

TEST(words_for_what_is_not_known)
{
	static const struct chring_deadlock deadlock = {
		.nr = 3,
		.steps = {
			{ .pid = 7, .name = "a", .token = 1 },
			{ .pid = 0, .name = "b", .token = 2 },
			{ .pid = 9, .flags = CHRING_STEP_QUEUED },
		},
	};
	char text[160];

	chring_deadlock_text(&deadlock, text, sizeof(text));
	EXPECT_STREQ(text,
		     "pid 7 holds a, waits for b; a process holds b, waits for a lock; pid 9 is queued for a lock, waits for a");
}

TEST_HARNESS_MAIN
