// SPDX-License-Identifier: GPL-2.0
/*
 * Leases: when their clock runs, what becomes of a holder that is stopped past
 * the end, or just goes on, and whom a lease must not touch.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/chring_lock.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lock_raw.h"
#include "lock_util.h"
#include "request.h"

#define GRACE "/sys/module/chring/parameters/grace_ms"

/* Nothing waits as long as the first; everything waits as long as the second. */
#define LONG_MS 3600000
#define SHORT_MS 50

#define OWNER 65533
#define USER 65534

/* What a holder in a process of its own shares with the test */
struct holder {
	volatile bool holds;
	volatile unsigned long steps;	/* it takes while it holds the lock */
	volatile int released;
	volatile bool releases;		/* and then stays; see release_and_stay() */
	volatile int polled;
	uint64_t token;
	pid_t pid;
};

FIXTURE(lease)
{
	struct chring *chring;
	struct chring_lock *lock;
	struct holder *holder;
	long grace;
};

FIXTURE_VARIANT(lease)
{
	uint32_t flags;
};

FIXTURE_VARIANT_ADD(lease, adaptive)
{
	.flags = 0,
};

FIXTURE_VARIANT_ADD(lease, fifo)
{
	.flags = CHRING_LOCK_FIFO,
};

FIXTURE_VARIANT_ADD(lease, strict)
{
	.flags = CHRING_LOCK_STRICT,
};

/* The lock "l", which is another user's where @owner says so. */
static int make(struct chring *chring, uint32_t flags, uint32_t ttl_ms,
		uint32_t expiry, uid_t owner)
{
	struct chring_lock_request request = {
		.name = "l",
		.flags = flags,
		.mode = 0666,
		.owner = owner,
		.group = CHRING_LOCK_KEEP,
		.ttl_ms = ttl_ms,
		.expiry = expiry,
	};

	return chring_lock_new(chring, &request);
}

/* And opened here. */
static int make_and_open(struct _test_data_lease *self, uint32_t flags,
			 uint32_t ttl_ms, uint32_t expiry, uid_t owner)
{
	return make(self->chring, flags, ttl_ms, expiry, owner) ?:
	       chring_lock_open(&self->lock, "l", 0, 0);
}

static int change(struct chring *chring, uint32_t ttl_ms, uint32_t expiry)
{
	struct chring_lock_request request = {
		.name = "l",
		.flags = CHRING_LOCK_KEEP,
		.mode = CHRING_LOCK_KEEP,
		.owner = CHRING_LOCK_KEEP,
		.group = CHRING_LOCK_KEEP,
		.ttl_ms = ttl_ms,
		.expiry = expiry,
	};

	return chring_lock_set(chring, &request);
}

static struct chring_lock_status status_of(struct chring *chring)
{
	struct chring_lock_status status = { .handles = -1 };

	chring_lock_get(chring, "l", &status);
	return status;
}

FIXTURE_SETUP(lease)
{
	ASSERT_TRUE(own_netns());
	self->chring = chring_alloc();
	ASSERT_EQ(0, chring_open(self->chring));
	self->holder = mmap(NULL, sizeof(*self->holder), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->holder);
	self->lock = NULL;
	self->grace = read_number(GRACE);
	ASSERT_LE(0, self->grace);
}

FIXTURE_TEARDOWN(lease)
{
	if (self->holder->pid) {
		kill(self->holder->pid, SIGKILL);
		waitpid(self->holder->pid, NULL, 0);
	}
	write_number(GRACE, self->grace);
	chring_lock_close(self->lock);
	chring_free(self->chring);
}

/* It goes on and on, until it notices that the lock is not its own any more. */
static void hold(struct holder *holder, uint32_t ttl_ms, unsigned int flags)
{
	struct pollfd poller;
	struct chring_lock *lock;

	if (chring_lock_open(&lock, "l", 0, 0) ||
	    chring_lock_acquire_leased(lock, ttl_ms, flags, NULL) < 0)
		_exit(1);
	holder->token = chring_lock_token(lock);
	holder->holds = true;
	poller = (struct pollfd){ .fd = chring_lock_fd(lock) };
	while (!(holder->polled = poll(&poller, 1, 0) > 0 ? poller.revents : 0))
		holder->steps++;
	holder->released = chring_lock_release(lock);
	_exit(0);
}

static bool begin_as(struct holder *holder, uid_t user, uint32_t ttl_ms,
		     unsigned int flags)
{
	pid_t pid;

	*holder = (struct holder){ .released = 1 };
	pid = fork();
	if (!pid) {
		if (user && setresuid(user, user, user))
			_exit(2);
		hold(holder, ttl_ms, flags);
	}
	if (pid < 0)
		return false;
	holder->pid = pid;
	return wait_until(holder->holds);
}

static bool begin(struct holder *holder, uint32_t ttl_ms, unsigned int flags)
{
	return begin_as(holder, 0, ttl_ms, flags);
}

static bool stop(struct holder *holder)
{
	int status;

	return !kill(holder->pid, SIGSTOP) &&
	       waitpid(holder->pid, &status, WUNTRACED) == holder->pid &&
	       WIFSTOPPED(status);
}

static bool has_ended(pid_t pid)
{
	siginfo_t info = {};

	return waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT) ||
	       info.si_pid;
}

/* Its exit status, or minus the signal that ended it; -ETIMEDOUT if none did. */
static int ended(struct holder *holder)
{
	int status;

	if (!wait_until(has_ended(holder->pid)))
		return -ETIMEDOUT;
	status = exit_status(holder->pid);
	holder->pid = 0;
	return status;
}

/* Does it still do what only the holder may? */
static bool goes_on(struct holder *holder)
{
	unsigned long steps = holder->steps;

	pause_ms(50);
	return holder->steps != steps;
}

/* Acquires within a minute; returns the news. */
static int take(struct chring_lock *lock)
{
	struct timespec deadline;

	clock_gettime(CLOCK_MONOTONIC, &deadline);
	deadline.tv_sec += WAIT_MS / 1000;
	return chring_lock_acquire_until(lock, &deadline);
}

static int events_of(struct chring_lock *lock, int timeout)
{
	struct pollfd poller = { .fd = chring_lock_fd(lock) };

	return poll(&poller, 1, timeout) > 0 ? poller.revents : 0;
}

/* ---- when the clock runs */

TEST_F(lease, clock_runs_from_when_another_wants_the_lock)
{
	struct chring_lock *other;
	uint64_t left;

	ASSERT_EQ(0, make_and_open(self, variant->flags, LONG_MS,
				   CHRING_EXPIRY_FENCE, 0));
	ASSERT_EQ(0, chring_lock_open(&other, "l", 0, 0));
	ASSERT_EQ(0, chring_lock_acquire(self->lock));
	EXPECT_FALSE(status_of(self->chring).expires);
	/* Nor does the look itself start it */
	EXPECT_FALSE(status_of(self->chring).expires);

	EXPECT_EQ(-EBUSY, chring_lock_try(other));
	EXPECT_TRUE(status_of(self->chring).expires);
	left = status_of(self->chring).lease_ns;
	EXPECT_LT(0U, left);
	EXPECT_GE(LONG_MS * 1000000ULL, left);
	pause_ms(2);
	/* Who comes later does not set it back */
	EXPECT_EQ(-EBUSY, chring_lock_try(other));
	EXPECT_GT(left, status_of(self->chring).lease_ns);

	/* Nor does it run for the next holder */
	EXPECT_EQ(0, chring_lock_release(self->lock));
	EXPECT_FALSE(status_of(self->chring).expires);
	EXPECT_EQ(0, chring_lock_acquire(other));
	EXPECT_FALSE(status_of(self->chring).expires);
	EXPECT_FALSE(status_of(self->chring).expires);
	chring_lock_close(other);
}

TEST_F(lease, eager_clock_runs_from_the_acquisition)
{
	ASSERT_EQ(0, make_and_open(self, variant->flags | CHRING_LOCK_EAGER,
				   LONG_MS, CHRING_EXPIRY_FENCE, 0));
	EXPECT_FALSE(status_of(self->chring).expires);
	ASSERT_EQ(0, chring_lock_acquire(self->lock));
	EXPECT_TRUE(status_of(self->chring).expires);
	EXPECT_TRUE(chring_lock_is_held(self->lock));
	EXPECT_EQ(0, chring_lock_release(self->lock));
	EXPECT_FALSE(status_of(self->chring).expires);
}

TEST_F(lease, eager_acquisition_expires_though_nobody_wants_the_lock)
{
	uint64_t token;

	ASSERT_EQ(0, make_and_open(self, variant->flags, 0, 0, 0));
	ASSERT_EQ(0, chring_lock_acquire_leased(self->lock, SHORT_MS,
						CHRING_LEASE_EAGER, NULL));
	token = chring_lock_token(self->lock);
	EXPECT_EQ(POLLERR, events_of(self->lock, WAIT_MS));
	EXPECT_FALSE(chring_lock_is_held(self->lock));
	EXPECT_EQ((uint32_t)CHRING_NEWS_EXPIRED, status_of(self->chring).news);
	EXPECT_EQ(-ESTALE, chring_lock_release(self->lock));

	EXPECT_EQ((int)CHRING_NEWS_EXPIRED, chring_lock_acquire(self->lock));
	EXPECT_EQ(token, chring_lock_dead_token(self->lock));
	EXPECT_LT(token, chring_lock_token(self->lock));
	/* That was one acquisition's: this one has no lease */
	EXPECT_FALSE(status_of(self->chring).expires);
	EXPECT_EQ(0, chring_lock_release(self->lock));
}

TEST_F(lease, clock_runs_on_though_nobody_wants_the_lock_any_more)
{
	struct chring_lock *other;

	ASSERT_EQ(0, make_and_open(self, variant->flags, SHORT_MS,
				   CHRING_EXPIRY_FENCE, 0));
	ASSERT_EQ(0, chring_lock_open(&other, "l", 0, 0));
	ASSERT_EQ(0, chring_lock_acquire(self->lock));
	EXPECT_EQ(-EBUSY, chring_lock_try(other));
	EXPECT_EQ(POLLERR, events_of(self->lock, WAIT_MS));
	chring_lock_close(other);
	EXPECT_EQ((int)CHRING_NEWS_EXPIRED, chring_lock_acquire(self->lock));
	EXPECT_EQ(0, chring_lock_release(self->lock));
}

TEST_F(lease, late_timer_does_not_touch_the_next_holder)
{
	struct chring_lock *other;
	int i;

	ASSERT_EQ(0, make_and_open(self, variant->flags, SHORT_MS,
				   CHRING_EXPIRY_FENCE, 0));
	ASSERT_EQ(0, chring_lock_open(&other, "l", 0, 0));
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, chring_lock_acquire(self->lock));
		if (chring_lock_try(other) != -EBUSY ||
		    chring_lock_release(self->lock)) {
			/* The host was busy for as long as the lease */
			chring_lock_acquire(self->lock);
			chring_lock_release(self->lock);
			continue;
		}
		/* By the word, which the kernel sees nothing of */
		ASSERT_EQ(0, chring_lock_acquire(self->lock));
		pause_ms(3 * SHORT_MS);
		EXPECT_TRUE(chring_lock_is_held(self->lock));
		EXPECT_EQ(0, events_of(self->lock, 0));
		EXPECT_EQ(0U, status_of(self->chring).news);
		EXPECT_EQ(0, chring_lock_release(self->lock));
	}
	chring_lock_close(other);
}

TEST_F(lease, shorter_of_the_lock_and_the_acquisition_counts)
{
	uint32_t of_lock, of_holder;
	int i;

	for (i = 0; i < 2; i++) {
		of_lock = i ? SHORT_MS : LONG_MS;
		of_holder = i ? LONG_MS : SHORT_MS;
		ASSERT_EQ(0, make_and_open(self, variant->flags, of_lock,
					   CHRING_EXPIRY_FENCE, 0));
		ASSERT_TRUE(begin(self->holder, of_holder, 0));
		EXPECT_EQ((int)CHRING_NEWS_EXPIRED, take(self->lock));
		EXPECT_EQ(0, ended(self->holder));
		EXPECT_EQ(0, chring_lock_release(self->lock));
		ASSERT_EQ(0, chring_lock_del(self->chring, "l"));
		chring_lock_close(self->lock);
		self->lock = NULL;
	}
}

/* A lock that is freed while its timer runs out, or has just done so. */
TEST_F(lease, timer_does_not_outlive_its_lock)
{
	struct chring_lock *lock;
	long long end;
	int i;

	for (i = 0; i < 300; i++) {
		ASSERT_EQ(0, chring_lock_open(&lock, "brief", variant->flags |
					      CHRING_LOCK_CREATE, 0));
		end = now_ns() + 1000000 + i % 30 * 20000;
		ASSERT_EQ(0, chring_lock_acquire_leased(lock, 1,
							CHRING_LEASE_EAGER,
							NULL));
		/* It would be told of otherwise, and the lock stay */
		if (chring_lock_release(lock))
			ASSERT_LT(0, chring_lock_acquire(lock));
		while (now_ns() < end)
			;
		chring_lock_close(lock);
	}
	EXPECT_EQ(-ENOENT, chring_lock_open(&lock, "brief", 0, 0));
}

/* ---- what becomes of the holder */

TEST_F(lease, stopped_holder_is_fenced_and_finds_out)
{
	ASSERT_EQ(0, make_and_open(self, variant->flags, SHORT_MS,
				   CHRING_EXPIRY_FENCE, 0));
	ASSERT_TRUE(begin(self->holder, 0, 0));
	ASSERT_TRUE(stop(self->holder));
	EXPECT_EQ((int)CHRING_NEWS_EXPIRED, take(self->lock));
	EXPECT_EQ(self->holder->token, chring_lock_dead_token(self->lock));
	EXPECT_LT(self->holder->token, chring_lock_token(self->lock));

	kill(self->holder->pid, SIGCONT);
	EXPECT_EQ(0, ended(self->holder));
	EXPECT_EQ(POLLERR, self->holder->polled);
	EXPECT_EQ(-ESTALE, self->holder->released);
	EXPECT_TRUE(chring_lock_is_held(self->lock));
	EXPECT_EQ(0, chring_lock_release(self->lock));
}

TEST_F(lease, stopped_holder_that_agreed_is_dead_before_another_has_the_lock)
{
	const int news = CHRING_NEWS_OWNER_DIED | CHRING_NEWS_EXPIRED;

	ASSERT_EQ(0, make_and_open(self, variant->flags, SHORT_MS,
				   CHRING_EXPIRY_FENCE, 0));
	ASSERT_TRUE(begin(self->holder, 0, CHRING_LEASE_KILL));
	ASSERT_TRUE(stop(self->holder));
	EXPECT_EQ(news, take(self->lock));
	kill(self->holder->pid, SIGCONT);
	EXPECT_FALSE(goes_on(self->holder));
	EXPECT_EQ(self->holder->token, chring_lock_dead_token(self->lock));
	EXPECT_EQ(-SIGKILL, ended(self->holder));
	EXPECT_EQ(0, chring_lock_release(self->lock));
}

TEST_F(lease, running_holder_never_goes_on_beside_the_next)
{
	const int news = CHRING_NEWS_OWNER_DIED | CHRING_NEWS_EXPIRED;

	ASSERT_EQ(0, make_and_open(self, variant->flags, SHORT_MS,
				   CHRING_EXPIRY_KILL, 0));
	ASSERT_TRUE(begin(self->holder, 0, 0));
	EXPECT_EQ(news, take(self->lock));
	EXPECT_FALSE(goes_on(self->holder));
	EXPECT_EQ(-SIGKILL, ended(self->holder));
}

TEST_F(lease, signal_ends_the_holder_in_its_own_way)
{
	const int news = CHRING_NEWS_OWNER_DIED | CHRING_NEWS_EXPIRED;

	ASSERT_TRUE(write_number(GRACE, LONG_MS));
	ASSERT_EQ(0, make_and_open(self, variant->flags, SHORT_MS,
				   CHRING_EXPIRY_SIGNAL, 0));
	ASSERT_TRUE(begin(self->holder, 0, 0));
	EXPECT_EQ(news, take(self->lock));
	EXPECT_EQ(-SIGTERM, ended(self->holder));
}

TEST_F(lease, signal_that_is_ignored_is_followed_by_kill)
{
	const int news = CHRING_NEWS_OWNER_DIED | CHRING_NEWS_EXPIRED;

	ASSERT_TRUE(write_number(GRACE, SHORT_MS));
	ASSERT_EQ(0, make_and_open(self, variant->flags, SHORT_MS,
				   CHRING_EXPIRY_FENCE, 0));
	signal(SIGTERM, SIG_IGN);
	ASSERT_TRUE(begin(self->holder, 0, CHRING_LEASE_SIGNAL));
	signal(SIGTERM, SIG_DFL);
	EXPECT_EQ(news, take(self->lock));
	EXPECT_FALSE(goes_on(self->holder));
	EXPECT_EQ(-SIGKILL, ended(self->holder));
}

TEST_F(lease, stopped_holder_is_killed_after_the_grace)
{
	ASSERT_TRUE(write_number(GRACE, SHORT_MS));
	ASSERT_EQ(0, make_and_open(self, variant->flags, SHORT_MS,
				   CHRING_EXPIRY_SIGNAL, 0));
	ASSERT_TRUE(begin(self->holder, 0, 0));
	ASSERT_TRUE(stop(self->holder));
	EXPECT_EQ((int)(CHRING_NEWS_OWNER_DIED | CHRING_NEWS_EXPIRED),
		  take(self->lock));
	EXPECT_EQ(-SIGKILL, ended(self->holder));
}

/* ---- whom a lock may kill */

TEST_F(lease, lock_of_another_user_kills_nobody_who_did_not_agree)
{
	ASSERT_EQ(0, make_and_open(self, variant->flags, SHORT_MS,
				   CHRING_EXPIRY_KILL, OWNER));
	ASSERT_TRUE(begin_as(self->holder, USER, 0, 0));
	EXPECT_EQ((int)CHRING_NEWS_EXPIRED, take(self->lock));
	EXPECT_EQ(0, ended(self->holder));
	EXPECT_EQ(-ESTALE, self->holder->released);
}

TEST_F(lease, lock_of_another_user_kills_who_agreed)
{
	ASSERT_EQ(0, make_and_open(self, variant->flags, SHORT_MS,
				   CHRING_EXPIRY_KILL, OWNER));
	ASSERT_TRUE(begin_as(self->holder, USER, 0, CHRING_LEASE_KILL));
	EXPECT_EQ((int)(CHRING_NEWS_OWNER_DIED | CHRING_NEWS_EXPIRED),
		  take(self->lock));
	EXPECT_EQ(-SIGKILL, ended(self->holder));
}

TEST_F(lease, lock_of_another_user_does_no_more_than_was_agreed_to)
{
	ASSERT_TRUE(write_number(GRACE, LONG_MS));
	ASSERT_EQ(0, make_and_open(self, variant->flags, SHORT_MS,
				   CHRING_EXPIRY_KILL, OWNER));
	ASSERT_TRUE(begin_as(self->holder, USER, 0, CHRING_LEASE_SIGNAL));
	EXPECT_EQ((int)(CHRING_NEWS_OWNER_DIED | CHRING_NEWS_EXPIRED),
		  take(self->lock));
	EXPECT_EQ(-SIGTERM, ended(self->holder));
}

TEST_F(lease, lock_of_the_same_user_kills)
{
	ASSERT_EQ(0, make_and_open(self, variant->flags, SHORT_MS,
				   CHRING_EXPIRY_KILL, USER));
	ASSERT_TRUE(begin_as(self->holder, USER, 0, 0));
	EXPECT_EQ((int)(CHRING_NEWS_OWNER_DIED | CHRING_NEWS_EXPIRED),
		  take(self->lock));
	EXPECT_EQ(-SIGKILL, ended(self->holder));
}

/* Holds the lock, lets it go as it is told to, and has it open ever after. */
static void release_and_stay(struct holder *holder, unsigned int flags)
{
	struct chring_lock *lock;

	if (chring_lock_open(&lock, "l", 0, 0) ||
	    chring_lock_acquire_leased(lock, SHORT_MS, flags, NULL) < 0)
		_exit(1);
	holder->holds = true;
	while (!holder->releases)
		pause_ms(1);
	holder->released = chring_lock_release(lock);
	for (;;)
		pause();
}

static volatile uint64_t *map_word(struct chring_lock *lock)
{
	return mmap(NULL, getpagesize(), PROT_READ | PROT_WRITE, MAP_SHARED,
		    chring_lock_fd(lock), CHRING_LOCK_PGOFF_WORD);
}

static bool is_alive(const struct holder *holder)
{
	return !has_ended(holder->pid);
}

/* A process that has released the lock is put into the word by another. */
static void name_in_word(struct __test_metadata *_metadata,
			 struct _test_data_lease *self, unsigned int flags)
{
	const uint64_t seq_one = 1ULL << CHRING_LOCK_SEQ_SHIFT;
	struct holder *holder = self->holder;
	volatile uint64_t *word;
	uint64_t held;
	pid_t pid;

	word = map_word(self->lock);
	ASSERT_NE(MAP_FAILED, word);
	*holder = (struct holder){ .released = 1 };
	/* What the child would set it to is shared */
	pid = fork();
	if (!pid)
		release_and_stay(holder, flags);
	ASSERT_LT(0, pid);
	holder->pid = pid;
	ASSERT_TRUE(wait_until(holder->holds));
	held = *word;
	EXPECT_EQ(CHRING_LOCK_KERNEL, held & CHRING_LOCK_FLAGS);
	holder->releases = true;
	ASSERT_TRUE(wait_until(holder->released <= 0));
	ASSERT_EQ(0, holder->released);

	/* By the token that it had, and by one that it has never had */
	*word = held & ~CHRING_LOCK_FLAGS;
	EXPECT_EQ((int)CHRING_NEWS_CORRUPT, take(self->lock));
	EXPECT_EQ(0, chring_lock_release(self->lock));
	*word = (held & ~CHRING_LOCK_FLAGS) + 2 * seq_one;
	EXPECT_EQ((int)CHRING_NEWS_EXPIRED, take(self->lock));
	EXPECT_EQ(0, chring_lock_release(self->lock));
	pause_ms(50);
	EXPECT_TRUE(is_alive(holder));
	kill(holder->pid, SIGKILL);
	EXPECT_EQ(-SIGKILL, ended(holder));
	munmap((void *)word, getpagesize());
}

TEST_F(lease, word_that_names_another_has_nobody_killed)
{
	/* Such a lock has none */
	if (variant->flags & CHRING_LOCK_STRICT)
		return;
	ASSERT_EQ(0, make_and_open(self, variant->flags, SHORT_MS,
				   CHRING_EXPIRY_KILL, 0));
	name_in_word(_metadata, self, 0);
}

TEST_F(lease, word_that_names_one_that_agreed_does_not_have_it_killed)
{
	if (variant->flags & CHRING_LOCK_STRICT)
		return;
	ASSERT_EQ(0, make_and_open(self, variant->flags, SHORT_MS,
				   CHRING_EXPIRY_FENCE, 0));
	name_in_word(_metadata, self, CHRING_LEASE_KILL);
}

/* ---- settings */

TEST_F(lease, that_is_set_while_somebody_waits_runs)
{
	struct chring_lock *other;
	pid_t pid;

	ASSERT_EQ(0, make_and_open(self, variant->flags, 0, 0, 0));
	ASSERT_EQ(0, chring_lock_acquire(self->lock));
	pid = fork();
	if (!pid)
		_exit(chring_lock_open(&other, "l", 0, 0) ? 100 : take(other));
	self->holder->pid = pid;
	ASSERT_TRUE(lock_waits(self->lock, 1));
	EXPECT_FALSE(status_of(self->chring).expires);
	EXPECT_EQ(0, change(self->chring, SHORT_MS, CHRING_LOCK_KEEP));
	EXPECT_EQ((int)CHRING_NEWS_EXPIRED, ended(self->holder));
	EXPECT_EQ(-ESTALE, chring_lock_release(self->lock));
}

TEST_F(lease, that_is_to_kill_makes_the_word_the_kernels)
{
	volatile uint64_t *word;

	if (variant->flags & CHRING_LOCK_STRICT)
		return;
	ASSERT_EQ(0, make_and_open(self, variant->flags, LONG_MS,
				   CHRING_EXPIRY_FENCE, 0));
	word = map_word(self->lock);
	ASSERT_NE(MAP_FAILED, word);
	ASSERT_EQ(0, chring_lock_acquire(self->lock));
	EXPECT_EQ(0U, *word & CHRING_LOCK_FLAGS);
	EXPECT_EQ(0, change(self->chring, CHRING_LOCK_KEEP,
			    CHRING_EXPIRY_SIGNAL));
	EXPECT_EQ(CHRING_LOCK_KERNEL, *word & CHRING_LOCK_FLAGS);
	EXPECT_TRUE(chring_lock_is_held(self->lock));
	EXPECT_EQ(0, chring_lock_release(self->lock));
	EXPECT_EQ(CHRING_LOCK_KERNEL, *word & CHRING_LOCK_FLAGS);
	EXPECT_EQ(0, change(self->chring, CHRING_LOCK_KEEP,
			    CHRING_EXPIRY_FENCE));
	EXPECT_EQ(0U, *word & CHRING_LOCK_FLAGS);
	munmap((void *)word, getpagesize());
}

TEST_F(lease, settings_are_shown_and_changed)
{
	struct chring_lock_status status;

	ASSERT_EQ(0, make(self->chring, variant->flags | CHRING_LOCK_EAGER,
			  1234, CHRING_EXPIRY_SIGNAL, 0));
	status = status_of(self->chring);
	EXPECT_EQ(variant->flags | CHRING_LOCK_EAGER, status.flags);
	EXPECT_EQ(1234U, status.ttl_ms);
	EXPECT_EQ((uint32_t)CHRING_EXPIRY_SIGNAL, status.expiry);

	EXPECT_EQ(0, change(self->chring, 0, CHRING_LOCK_KEEP));
	status = status_of(self->chring);
	EXPECT_EQ(0U, status.ttl_ms);
	EXPECT_EQ((uint32_t)CHRING_EXPIRY_SIGNAL, status.expiry);
	EXPECT_EQ(0, change(self->chring, CHRING_LOCK_KEEP,
			    CHRING_EXPIRY_KILL));
	EXPECT_EQ((uint32_t)CHRING_EXPIRY_KILL, status_of(self->chring).expiry);

	EXPECT_EQ(0, chring_lock_open(&self->lock, "l", 0, 0));
	EXPECT_EQ(-EINVAL, chring_lock_acquire_leased(self->lock, 1, 0x40, NULL));
	EXPECT_EQ(-EINVAL, chring_lock_acquire_leased(self->lock, 1, 0x1, NULL));
	EXPECT_EQ(0U, status_of(self->chring).token);
}

TEST_HARNESS_MAIN
