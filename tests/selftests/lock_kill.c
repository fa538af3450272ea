// SPDX-License-Identifier: GPL-2.0
/*
 * A process is killed at each instruction of acquiring and releasing a lock.
 * Whoever comes next must get the lock, and be told of a death if and only if
 * the dead one held it, by the right token, once. Where it shared the lock, or had
 * a slot, nothing but that is given back: who holds it beside goes on to. And what
 * it was granted without having been told is not a death.
 *
 * A tracer steps a child through an acquisition and kills it after the first
 * step, then another after the second, and so on until one gets through; then
 * the same through a release. System calls are steps of their own: where one is
 * entered, where it sleeps, where it is left.
 */
#define _GNU_SOURCE		/* sched_setaffinity */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lock_raw.h"
#include "lock_util.h"

#define NAME "kill"
#define MAX_STEPS 20000
#define LONG_MS 3600000

/* Machine code. */
#define SYSCALL_INSN 0x050f
#define MARK_INSN 0xcc

#if defined(__x86_64__)

/* Where a child was when it was killed. */
enum point {
	USER,
	ENTERING,		/* a system call */
	ASLEEP,
	LEAVING,
	POINTS
};

/**
 * struct walk - one child on its way
 * @pid: the child
 * @at: where it is
 * @through: it has come to its next mark
 * @asks: without waiting, and has not been told what came of it
 * @id: of its handle, once it has held the lock; a waiter may have it next
 */
struct walk {
	pid_t pid;
	enum point at;
	bool through;
	bool asks;
	uint32_t id;
};

/* What a waiter tells. */
struct told {
	int result;
	uint64_t token;
	uint64_t dead_token;
};

FIXTURE(killed)
{
	struct handle handle;
	struct chring_lock_acquire held;	/* by the tracer */
	bool holds;
	struct handle beside;			/* the tracer's as well */
	struct chring_lock_acquire had;		/* by that, all the time */
	struct told *told;
	pid_t waiter;
	int points[POINTS];
	int deaths;
	int served;
};

FIXTURE_VARIANT(killed)
{
	unsigned int flags;
	uint32_t ttl_ms;	/* its lease, which runs only while another waits */
	bool contended;		/* it has to wait, or another waits for it */
	bool releases;		/* not acquires */
	bool async;		/* acquires when it is told that it can */
	bool shared;
	unsigned int slots;
	bool beside;		/* another shares it, or has a slot, all the time */
};

FIXTURE_VARIANT_ADD(killed, acquiring)
{
};

FIXTURE_VARIANT_ADD(killed, releasing)
{
	.releases = true,
};

FIXTURE_VARIANT_ADD(killed, acquiring_strict)
{
	.flags = CHRING_LOCK_STRICT,
};

FIXTURE_VARIANT_ADD(killed, releasing_strict)
{
	.flags = CHRING_LOCK_STRICT,
	.releases = true,
};

FIXTURE_VARIANT_ADD(killed, acquiring_contended)
{
	.contended = true,
};

FIXTURE_VARIANT_ADD(killed, releasing_contended)
{
	.contended = true,
	.releases = true,
};

FIXTURE_VARIANT_ADD(killed, acquiring_contended_fifo)
{
	.flags = CHRING_LOCK_FIFO,
	.contended = true,
};

FIXTURE_VARIANT_ADD(killed, releasing_contended_fifo)
{
	.flags = CHRING_LOCK_FIFO,
	.contended = true,
	.releases = true,
};

FIXTURE_VARIANT_ADD(killed, acquiring_contended_strict)
{
	.flags = CHRING_LOCK_STRICT | CHRING_LOCK_FIFO,
	.contended = true,
};

FIXTURE_VARIANT_ADD(killed, releasing_contended_strict)
{
	.flags = CHRING_LOCK_STRICT | CHRING_LOCK_FIFO,
	.contended = true,
	.releases = true,
};

FIXTURE_VARIANT_ADD(killed, acquiring_async)
{
	.async = true,
};

FIXTURE_VARIANT_ADD(killed, acquiring_contended_async)
{
	.async = true,
	.contended = true,
};

FIXTURE_VARIANT_ADD(killed, acquiring_contended_async_strict)
{
	.flags = CHRING_LOCK_STRICT,
	.async = true,
	.contended = true,
};

FIXTURE_VARIANT_ADD(killed, acquiring_contended_async_slot)
{
	.slots = 2,
	.beside = true,
	.async = true,
	.contended = true,
};

FIXTURE_VARIANT_ADD(killed, acquiring_leased)
{
	.ttl_ms = LONG_MS,
};

FIXTURE_VARIANT_ADD(killed, releasing_leased)
{
	.ttl_ms = LONG_MS,
	.releases = true,
};

FIXTURE_VARIANT_ADD(killed, acquiring_contended_leased)
{
	.ttl_ms = LONG_MS,
	.contended = true,
};

FIXTURE_VARIANT_ADD(killed, releasing_contended_leased)
{
	.ttl_ms = LONG_MS,
	.contended = true,
	.releases = true,
};

FIXTURE_VARIANT_ADD(killed, acquiring_shared)
{
	.shared = true,
	.beside = true,
};

FIXTURE_VARIANT_ADD(killed, releasing_shared)
{
	.shared = true,
	.beside = true,
	.releases = true,
};

FIXTURE_VARIANT_ADD(killed, acquiring_contended_shared)
{
	.shared = true,
	.contended = true,
};

FIXTURE_VARIANT_ADD(killed, releasing_contended_shared_leased)
{
	.shared = true,
	.ttl_ms = LONG_MS,
	.contended = true,
	.releases = true,
};

FIXTURE_VARIANT_ADD(killed, acquiring_slot)
{
	.slots = 3,
	.beside = true,
};

FIXTURE_VARIANT_ADD(killed, releasing_slot)
{
	.slots = 3,
	.beside = true,
	.releases = true,
};

FIXTURE_VARIANT_ADD(killed, acquiring_contended_slot)
{
	.slots = 2,
	.beside = true,
	.contended = true,
};

FIXTURE_VARIANT_ADD(killed, releasing_contended_slot)
{
	.slots = 2,
	.beside = true,
	.contended = true,
	.releases = true,
};

/* How those hold it who may hold it at once */
static unsigned int mode(const struct _fixture_variant_killed *variant)
{
	return variant->shared ? CHRING_ACQUIRE_SHARED : 0;
}

FIXTURE_SETUP(killed)
{
	if (variant->ttl_ms)
		ASSERT_EQ(0, lock_make_leased(NAME, 0, variant->ttl_ms));
	ASSERT_EQ(0, handle_open_slots(&self->handle, NAME,
				       variant->flags | CHRING_OPEN_CREATE,
				       variant->slots));
	/* Of those who share it the word says nothing */
	if (!(self->handle.flags & CHRING_LOCK_STRICT) && !variant->shared)
		ASSERT_EQ(0, handle_map(&self->handle));
	ASSERT_EQ(0, handle_open(&self->beside, NAME, 0));
	if (variant->beside)
		ASSERT_EQ(0, handle_acquire(&self->beside, mode(variant),
					    in_ms(PATIENCE_MS), &self->had));
	self->told = mmap(NULL, sizeof(*self->told), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->told);
}

FIXTURE_TEARDOWN(killed)
{
	if (variant->beside)
		EXPECT_EQ(0, handle_release(&self->beside, self->had.token));
	EXPECT_FALSE(is_held(&self->handle));
	EXPECT_EQ(0, handle_close(&self->beside));
	EXPECT_EQ(0, handle_close(&self->handle));
	if (variant->ttl_ms)
		EXPECT_EQ(0, lock_delete(NAME));
}

/* ---- the child */

/* On one processor it does not spin, which would be the same over and over. */
static void be_on_one_processor(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	sched_setaffinity(0, sizeof(one), &one);
}

/* Stops a process that is traced. */
static inline void mark(void)
{
	asm volatile("int3" : : : "memory");
}

static int acquire_when_told(struct chring_lock *lock)
{
	int news = chring_lock_acquire_async(lock, 0, 0);
	struct pollfd pollfd = {
		.fd = chring_lock_fd(lock), .events = POLLIN,
	};

	if (news != -EINPROGRESS)
		return news;
	poll(&pollfd, 1, PATIENCE_MS);
	return chring_lock_finish(lock);
}

static int acquire(struct chring_lock *lock,
		   const struct _fixture_variant_killed *variant)
{
	if (variant->async)
		return acquire_when_told(lock);
	return variant->shared ? chring_lock_acquire_shared(lock, NULL) :
				 chring_lock_acquire(lock);
}

static void child(const struct _fixture_variant_killed *variant)
{
	struct chring_lock *lock;

	be_on_one_processor();
	if (chring_lock_open(&lock, NAME, 0, 0) ||
	    ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		_exit(1);
	mark();
	if (acquire(lock, variant) < 0)
		_exit(2);
	mark();
	if (chring_lock_release(lock))
		_exit(3);
	mark();
	_exit(0);
}

/* ---- the tracer */

/* Waits for the child to stop; says whether it did at a system call. */
static bool wait_stop(const struct walk *walk)
{
	int status;

	if (waitpid(walk->pid, &status, 0) != walk->pid || !WIFSTOPPED(status))
		abort();
	if (WSTOPSIG(status) != SIGTRAP && WSTOPSIG(status) != (SIGTRAP | 0x80))
		abort();
	return WSTOPSIG(status) & 0x80;
}

/* Waits for the child to stop, or sleep; says whether it sleeps. */
static bool wait_asleep(const struct walk *walk)
{
	siginfo_t info = {};
	int asleep = 0;

	/* Seen twice, lest it be on its way to sleep or to stop. */
	while (asleep < 2) {
		if (waitid(P_PID, walk->pid, &info,
			   WSTOPPED | WEXITED | WNOHANG | WNOWAIT))
			abort();
		if (info.si_pid)
			return false;
		asleep = sleeps(walk->pid) ? asleep + 1 : 0;
		pause_us(200);
	}
	return true;
}

static void start(struct walk *walk,
		  const struct _fixture_variant_killed *variant)
{
	*walk = (struct walk) { .pid = fork() };
	if (!walk->pid)
		child(variant);
	wait_stop(walk);
	/* Stops for system calls are told from others. */
	ptrace(PTRACE_SETOPTIONS, walk->pid, NULL,
	       PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
}

static struct user_regs_struct registers(const struct walk *walk)
{
	struct user_regs_struct regs;

	if (ptrace(PTRACE_GETREGS, walk->pid, NULL, &regs))
		abort();
	return regs;
}

/* It leaves a system call, by which it may ask for the lock, or be told. */
static void note_call(struct walk *walk)
{
	struct user_regs_struct regs = registers(walk);

	if (regs.orig_rax != SYS_ioctl)
		return;
	if (regs.rsi == CHRING_IOC_ACQUIRE)
		walk->asks = (long)regs.rax == -EINPROGRESS;
	else if (regs.rsi == CHRING_IOC_FINISH)
		walk->asks = false;
}

static unsigned long next_insn(const struct walk *walk)
{
	struct user_regs_struct regs = registers(walk);
	long text;

	errno = 0;
	text = ptrace(PTRACE_PEEKTEXT, walk->pid, regs.rip, NULL);
	if (errno)
		abort();
	return text;
}

/* One step further. */
static void step(struct walk *walk)
{
	unsigned long insn = walk->at == USER ? next_insn(walk) : 0;

	if ((insn & 0xff) == MARK_INSN) {
		walk->through = true;
		return;
	}
	if (walk->at == ENTERING || (insn & 0xffff) == SYSCALL_INSN)
		ptrace(PTRACE_SYSCALL, walk->pid, NULL, NULL);
	else if (walk->at != ASLEEP)
		ptrace(PTRACE_SINGLESTEP, walk->pid, NULL, NULL);
	if (walk->at == ENTERING && wait_asleep(walk))
		walk->at = ASLEEP;
	else if (!wait_stop(walk))
		walk->at = USER;
	else
		walk->at = walk->at == USER ? ENTERING : LEAVING;
	if (walk->at == LEAVING)
		note_call(walk);
}

/* ---- the others */

/* Another process waits for the lock. */
static void start_waiter(struct _test_data_killed *self)
{
	struct chring_lock_acquire acquired;
	struct handle handle;

	self->waiter = fork();
	if (self->waiter) {
		if (!wait_until(waiters_of(&self->handle) == 1))
			abort();
		return;
	}
	self->told->result = handle_open(&handle, NAME, 0);
	if (!self->told->result)
		self->told->result = handle_acquire(&handle, 0,
						    in_ms(PATIENCE_MS),
						    &acquired);
	if (!self->told->result)
		self->told->result = acquired.news;
	self->told->token = acquired.token;
	self->told->dead_token = acquired.dead_token;
	_exit(handle_release(&handle, acquired.token) != 0);
}

static void hold(struct _test_data_killed *self)
{
	if (handle_acquire(&self->handle, 0, in_ms(PATIENCE_MS), &self->held))
		abort();
	self->holds = true;
}

static void let_go(struct _test_data_killed *self)
{
	if (self->holds && handle_release(&self->handle, self->held.token))
		abort();
	self->holds = false;
}

static uint32_t owner_of(const struct handle *handle)
{
	return *handle->word >> CHRING_LOCK_OWNER_SHIFT & CHRING_LOCK_OWNER_MAX;
}

/* The child acquires, and stops there. */
static void acquire_first(struct _test_data_killed *self, struct walk *walk,
			  bool contended)
{
	ptrace(PTRACE_CONT, walk->pid, NULL, NULL);
	wait_stop(walk);
	if (self->handle.word)
		walk->id = owner_of(&self->handle);
	if (contended)
		start_waiter(self);
}

/* Brings a child as far as it is to come. */
static void go(struct _test_data_killed *self, struct walk *walk, int steps,
	       const struct _fixture_variant_killed *variant)
{
	if (variant->contended && !variant->releases)
		hold(self);
	start(walk, variant);
	if (variant->releases)
		acquire_first(self, walk, variant->contended);
	while (steps-- && !walk->through) {
		if (walk->at == ASLEEP)
			let_go(self);
		step(walk);
	}
}

/* ---- what is to be so after it */

/* How it is as the child is killed. */
struct seen {
	bool held;		/* by the child, which knows */
	uint64_t token;		/* its own, or the last one */
};

/* Of one alone, or of those who are several. */
static int see_by_name(const struct walk *walk, struct seen *seen)
{
	static struct chring_lock_status lock;
	struct chring *chring = chring_alloc();
	uint32_t i;
	int err;

	err = chring_open(chring);
	err = err ?: chring_lock_get(chring, NAME, &lock);
	chring_free(chring);
	*seen = (struct seen) {
		.held = lock.held && lock.pid == walk->pid,
		.token = lock.token,
	};
	for (i = 0; !err && i < lock.shown; i++) {
		if (lock.holder[i].pid != walk->pid)
			continue;
		seen->held = true;
		seen->token = lock.holder[i].token;
	}
	return err;
}

/* Where there is a word, the kernel is not asked: it is not to look before. */
static int see(const struct _test_data_killed *self, const struct walk *walk,
	       struct seen *seen)
{
	uint32_t owner;

	if (!self->handle.word)
		return see_by_name(walk, seen);
	owner = owner_of(&self->handle);
	seen->held = walk->id ? owner == walk->id :
				owner && owner != self->handle.id;
	seen->token = self->handle.info->epoch << CHRING_LOCK_EPOCH_SHIFT |
		      *self->handle.word >> CHRING_LOCK_SEQ_SHIFT;
	return 0;
}

static void check_told(struct __test_metadata *_metadata,
		       const struct seen *seen, bool died,
		       unsigned int news, uint64_t token, uint64_t dead_token)
{
	EXPECT_EQ(died ? CHRING_NEWS_OWNER_DIED : 0U, news);
	EXPECT_EQ(died ? seen->token : 0, dead_token);
	EXPECT_LT(seen->token, token);
}

/*
 * It is free but for who holds it beside, nobody waits, and the next one is told
 * nothing, or of @died.
 */
static void check_next(struct __test_metadata *_metadata,
		       struct _test_data_killed *self,
		       const struct _fixture_variant_killed *variant,
		       const struct seen *seen, bool died)
{
	struct chring_lock_acquire acquired;
	struct chring_lock_stat now;

	ASSERT_EQ(0, handle_acquire(&self->handle,
				    variant->beside ? mode(variant) : 0,
				    in_ms(PATIENCE_MS), &acquired));
	check_told(_metadata, seen, died, acquired.news, acquired.token,
		   acquired.dead_token);
	ASSERT_EQ(0, handle_release(&self->handle, acquired.token));
	ASSERT_EQ(0, handle_stat(&self->handle, &now));
	EXPECT_EQ(variant->beside ? CHRING_STAT_HELD | CHRING_STAT_SHARED : 0U,
		  now.flags);
	EXPECT_EQ(variant->beside ? 1U : 0U, now.holders);
	EXPECT_EQ(0U, now.waiters);
	EXPECT_EQ(0U, now.news);
	EXPECT_EQ(acquired.token, now.token);
}

static void check_waiter(struct __test_metadata *_metadata,
			 struct _test_data_killed *self,
			 const struct seen *seen, bool died)
{
	EXPECT_EQ(0, exit_status(self->waiter));
	self->waiter = 0;
	self->served++;
	/* Without a death it may have had the lock before. */
	if (seen->held)
		check_told(_metadata, seen, died, self->told->result,
			   self->told->token, self->told->dead_token);
	else
		EXPECT_EQ(0, self->told->result);
}

static void kill_here(struct __test_metadata *_metadata,
		      struct _test_data_killed *self, struct walk *walk,
		      const struct _fixture_variant_killed *variant)
{
	bool waited = self->waiter;
	struct seen seen;
	bool died;

	ASSERT_EQ(0, see(self, walk, &seen));
	seen.held &= !walk->asks;
	kill(walk->pid, SIGKILL);
	ASSERT_EQ(-SIGKILL, exit_status(walk->pid));
	self->points[walk->at]++;
	self->deaths += seen.held;
	/* Who shares a lock leaves nothing half done, which one should know of */
	died = seen.held && !variant->shared;
	let_go(self);
	if (waited)
		check_waiter(_metadata, self, &seen, died);
	check_next(_metadata, self, variant, &seen, died && !waited);
}

TEST_F_TIMEOUT(killed, at_each_instruction, 600)
{
	bool calls = variant->contended || variant->shared ||
		     self->handle.flags & CHRING_LOCK_STRICT;
	struct walk walk = {};
	int steps;

	for (steps = 0; !walk.through && steps < MAX_STEPS; steps++) {
		go(self, &walk, steps, variant);
		kill_here(_metadata, self, &walk, variant);
		ASSERT_TRUE(__test_passed(_metadata))
			TH_LOG("step %d, at %d", steps, walk.at);
	}
	EXPECT_TRUE(walk.through);

	TH_LOG("%d points: %d instructions, %d entries, %d asleep, %d exits; %d held, %d awaited",
	       steps, self->points[USER], self->points[ENTERING],
	       self->points[ASLEEP], self->points[LEAVING], self->deaths,
	       self->served);
	EXPECT_LT(10, self->points[USER]);
	EXPECT_LT(0, self->deaths);
	EXPECT_LT(self->deaths, steps);
	EXPECT_EQ(calls, self->points[ENTERING] > 0);
	EXPECT_EQ(calls, self->points[LEAVING] > 0);
	EXPECT_EQ(variant->contended && !variant->releases,
		  self->points[ASLEEP] > 0);
	EXPECT_EQ(variant->contended && variant->releases, self->served > 0);
}

#else

TEST(killed_at_each_instruction)
{
	SKIP(return, "which instructions are system calls is known of x86-64 only");
}

#endif

TEST_HARNESS_MAIN
