// SPDX-License-Identifier: GPL-2.0
/*
 * A failed allocation at each step of each request about locks: it fails as a
 * whole. See faults.c for fail-nth.
 */
#define _GNU_SOURCE		/* unshare */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lock_device.h"
#include "request.h"

#define DEBUGFS "/sys/kernel/debug/"
#define MOST 200

#define CREATE CHRING_OPEN_CREATE

static const struct {
	const char *path;
	const char *value, *restored;
} knobs[] = {
	{ DEBUGFS "failslab/ignore-gfp-wait", "N", "Y" },
	{ DEBUGFS "failslab/verbose", "0", "2" },
	{ DEBUGFS "fail_page_alloc/ignore-gfp-wait", "N", "Y" },
	{ DEBUGFS "fail_page_alloc/ignore-gfp-highmem", "N", "Y" },
	{ DEBUGFS "fail_page_alloc/min-order", "0", "1" },
	{ DEBUGFS "fail_page_alloc/verbose", "0", "2" },
};

FIXTURE(lock_faults)
{
	struct session session;
	int fail_nth;
	struct handle handle;
};

FIXTURE_SETUP(lock_faults)
{
	unsigned int i;

	self->fail_nth = open("/proc/thread-self/fail-nth", O_RDWR);
	if (self->fail_nth < 0)
		SKIP(return, "the kernel has no fail-nth");
	for (i = 0; i < elements(knobs); i++)
		ASSERT_TRUE(write_text(knobs[i].path, knobs[i].value))
			TH_LOG("knob %u", i);
	ASSERT_TRUE(own_netns());
	ASSERT_TRUE(session_open(&self->session));
	ASSERT_EQ(0, open_lock(&self->handle, "there", CREATE, 0));
}

FIXTURE_TEARDOWN(lock_faults)
{
	unsigned int i;

	close(self->handle.fd);
	for (i = 0; i < elements(knobs); i++)
		EXPECT_TRUE(write_text(knobs[i].path, knobs[i].restored));
	session_close(&self->session);
}

static void fail_from_now(int fail_nth, int n)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", n);
	if (pwrite(fail_nth, text, strlen(text), 0) < 0)
		abort();
}

/* Was there an allocation to fail? */
static bool has_failed(int fail_nth)
{
	char text[16] = "";

	if (pread(fail_nth, text, sizeof(text) - 1, 0) < 1 ||
	    pwrite(fail_nth, "0", 1, 0) < 0)
		abort();
	return !atoi(text);
}

/* The kernel's file table says -ENFILE where it is short of memory. */
static bool is_short_of_memory(int err)
{
	return err == -ENOMEM || err == -ENOBUFS || err == -ENFILE;
}

/*
 * Does @action with the n-th allocation failing, n = 1, 2, ... until none is
 * left to fail; @undo is done whenever it succeeds. Leaves the number of failed
 * allocations in @hits.
 */
#define FAIL_ALL(hits, action, undo)					\
do {									\
	char *before = state_read(&self->session), *after;		\
	bool hit = true;						\
	int err, n;							\
									\
	(hits) = 0;							\
	for (n = 1; hit && n < MOST; n++) {				\
		fail_from_now(self->fail_nth, n);			\
		err = (action);						\
		hit = has_failed(self->fail_nth);			\
		(hits) += hit;						\
		if (!err)						\
			undo;						\
		else							\
			EXPECT_TRUE(hit && is_short_of_memory(err))	\
				TH_LOG("%d: %d", n, err);		\
		after = state_read(&self->session);			\
		EXPECT_STREQ(before, after)				\
			TH_LOG("%d: %d", n, err);			\
		free(after);						\
	}								\
	EXPECT_GT(MOST, n);						\
	free(before);							\
} while (0)

TEST_F(lock_faults, open_and_make)
{
	struct handle handle;
	int device = open("/dev/chring", O_RDWR);
	struct chring_lock_open arg = {
		.size = sizeof(arg),
		.flags = CREATE,
		.name = (uintptr_t)"new",
		.name_len = 3,
	};
	int hits;

	ASSERT_LE(0, device);
	FAIL_ALL(hits,
		 (handle.fd = result(ioctl(device, CHRING_IOC_OPEN, &arg))) < 0 ?
		 handle.fd : 0, close(handle.fd));
	/* Handle, lock, file and so on */
	EXPECT_LE(4, hits);
}

/* The first handle of a process comes with what tells of its death. */
static int first_open_fails(struct __test_metadata *_metadata,
			    struct _test_data_lock_faults *self)
{
	int device = open("/dev/chring", O_RDWR);
	struct chring_lock_open arg = {
		.size = sizeof(arg),
		.name = (uintptr_t)"there",
		.name_len = 5,
	};
	int n, fd;
	bool hit;

	for (n = 1; n < MOST; n++) {
		fail_from_now(self->fail_nth, n);
		fd = result(ioctl(device, CHRING_IOC_OPEN, &arg));
		hit = has_failed(self->fail_nth);
		if (!hit)
			return fd < 0 ? 100 : n;
		if (fd >= 0)
			close(fd);
		else if (!is_short_of_memory(fd))
			return 101;
	}
	return 102;
}

TEST_F(lock_faults, first_open_of_a_process)
{
	struct chring_lock_acquire got;
	int status;
	pid_t pid;

	pid = fork();
	if (!pid) {
		/* fail-nth is a thread's own */
		self->fail_nth = open("/proc/thread-self/fail-nth", O_RDWR);
		_exit(first_open_fails(_metadata, self));
	}
	status = status_of(pid);
	EXPECT_LE(4, status);
	EXPECT_GT(100, status);
	EXPECT_EQ(0, acquire(&self->handle, CHRING_ACQUIRE_TRY, 0, &got));
	EXPECT_EQ(0U, got.news);
}

static int map_both(struct handle *handle)
{
	size_t size = getpagesize();
	void *word, *info;
	int err = 0;

	word = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, handle->fd,
		    0);
	if (word == MAP_FAILED)
		return -errno;
	info = mmap(NULL, size, PROT_READ, MAP_SHARED, handle->fd, size);
	if (info == MAP_FAILED)
		err = -errno;
	else
		munmap(info, size);
	munmap(word, size);
	return err;
}

TEST_F(lock_faults, map)
{
	struct chring_lock_acquire got;
	int hits;

	FAIL_ALL(hits, map_both(&self->handle), (void)0);
	EXPECT_LE(3, hits);
	EXPECT_EQ(0, acquire(&self->handle, CHRING_ACQUIRE_TRY, 0, &got));
	EXPECT_EQ(0, release(&self->handle, got.token));
}

/* Nothing is allocated where it matters. */
TEST_F(lock_faults, acquire_and_release)
{
	struct chring_lock_acquire got;
	struct chring_lock_stat stat;
	int err;

	fail_from_now(self->fail_nth, 1);
	err = acquire(&self->handle, 0, CHRING_DEADLINE_NONE, &got);
	err = err ?: stat_lock(&self->handle, &stat);
	err = err ?: release(&self->handle, got.token);
	EXPECT_FALSE(has_failed(self->fail_nth));
	EXPECT_EQ(0, err);
}

/* One more holder needs no memory. */
TEST_F(lock_faults, share)
{
	struct chring_lock_acquire got[2];
	struct chring_lock_stat stat;
	struct handle other;
	int err;

	ASSERT_EQ(0, open_lock(&other, "there", 0, 0));
	fail_from_now(self->fail_nth, 1);
	err = acquire(&self->handle, CHRING_ACQUIRE_SHARED,
		      CHRING_DEADLINE_NONE, &got[0]);
	err = err ?: acquire(&other, CHRING_ACQUIRE_SHARED,
			     CHRING_DEADLINE_NONE, &got[1]);
	err = err ?: stat_lock(&self->handle, &stat);
	err = err ?: release(&self->handle, got[0].token);
	err = err ?: release(&other, got[1].token);
	EXPECT_FALSE(has_failed(self->fail_nth));
	EXPECT_EQ(0, err);
	EXPECT_EQ(2U, stat.holders);
	close(other.fd);
}

TEST_F(lock_faults, share_with_a_lease)
{
	struct chring_lock_acquire held, got = {
		.size = sizeof(got),
		.flags = CHRING_ACQUIRE_TRY | CHRING_ACQUIRE_SHARED,
		.deadline = CHRING_DEADLINE_NONE,
		.ttl_ms = 1000,
	};
	struct chring_lock_stat stat;
	struct handle other;

	ASSERT_EQ(0, open_lock(&other, "there", 0, 0));
	ASSERT_EQ(0, acquire(&other, CHRING_ACQUIRE_SHARED,
			     CHRING_DEADLINE_NONE, &held));
	fail_from_now(self->fail_nth, 1);
	EXPECT_EQ(-ENOMEM, result(ioctl(self->handle.fd, CHRING_IOC_ACQUIRE,
					&got)));
	EXPECT_TRUE(has_failed(self->fail_nth));
	/* The other one has it as before */
	ASSERT_EQ(0, stat_lock(&other, &stat));
	EXPECT_EQ(CHRING_STAT_HELD | CHRING_STAT_SHARED | CHRING_STAT_MINE,
		  stat.flags);
	EXPECT_EQ(1U, stat.holders);
	EXPECT_EQ(held.token, stat.token);
	ASSERT_EQ(0, result(ioctl(self->handle.fd, CHRING_IOC_ACQUIRE, &got)));
	EXPECT_EQ(0, release(&self->handle, got.token));
	EXPECT_EQ(0, release(&other, held.token));
	close(other.fd);
}

/* But what tells of leases, with the first of a lock. */
TEST_F(lock_faults, acquire_with_a_lease)
{
	struct chring_lock_acquire got = {
		.size = sizeof(got),
		.flags = CHRING_ACQUIRE_TRY,
		.deadline = CHRING_DEADLINE_NONE,
		.ttl_ms = 1000,
	};
	struct chring_lock_stat stat;

	fail_from_now(self->fail_nth, 1);
	EXPECT_EQ(-ENOMEM, result(ioctl(self->handle.fd, CHRING_IOC_ACQUIRE,
					&got)));
	EXPECT_TRUE(has_failed(self->fail_nth));
	ASSERT_EQ(0, stat_lock(&self->handle, &stat));
	EXPECT_EQ(0U, stat.flags);
	EXPECT_EQ(0U, stat.token);
	ASSERT_EQ(0, result(ioctl(self->handle.fd, CHRING_IOC_ACQUIRE, &got)));
	EXPECT_EQ(0, release(&self->handle, got.token));

	fail_from_now(self->fail_nth, 1);
	EXPECT_EQ(0, result(ioctl(self->handle.fd, CHRING_IOC_ACQUIRE, &got)));
	EXPECT_FALSE(has_failed(self->fail_nth));
	EXPECT_EQ(0, release(&self->handle, got.token));
}

TEST_F(lock_faults, ask_without_waiting)
{
	const uint32_t flags = CHRING_ACQUIRE_ASYNC;
	struct chring_lock_acquire held, got;
	struct handle other;

	ASSERT_EQ(0, open_lock(&other, "there", 0, 0));
	ASSERT_EQ(0, acquire(&other, CHRING_ACQUIRE_TRY, 0, &held));
	fail_from_now(self->fail_nth, 1);
	EXPECT_EQ(-ENOMEM, acquire(&self->handle, flags, CHRING_DEADLINE_NONE,
				   &got));
	EXPECT_TRUE(has_failed(self->fail_nth));
	EXPECT_EQ(0, waiters(&other));
	EXPECT_EQ(-ENODATA, result(ioctl(self->handle.fd, CHRING_IOC_CANCEL)));
	EXPECT_EQ(-EINPROGRESS, acquire(&self->handle, flags,
					CHRING_DEADLINE_NONE, &got));
	EXPECT_EQ(1, waiters(&other));
	/* From then on nothing is allocated */
	fail_from_now(self->fail_nth, 1);
	EXPECT_EQ(0, release(&other, held.token));
	EXPECT_EQ(0, result(ioctl(self->handle.fd, CHRING_IOC_CANCEL)));
	EXPECT_FALSE(has_failed(self->fail_nth));
	close(other.fd);
}

/* That it is refused for the deadlock is success; @failed counts lack of memory. */
static int refuse_deadlock(const struct handle *handle, int *failed)
{
	struct chring_lock_acquire got;
	int err;

	err = acquire(handle, CHRING_ACQUIRE_DETECT, CHRING_DEADLINE_NONE, &got);
	*failed += err == -ENOMEM;
	return err == -EDEADLK ? 0 : err ?: -EEXIST;
}

/* And what it takes to find a deadlock, and to tell of it. */
TEST_F(lock_faults, acquire_in_a_deadlock)
{
	struct chring_lock_acquire held;
	struct chring_lock_stat stat;
	int hits, failed = 0;

	ASSERT_EQ(0, acquire(&self->handle, 0, CHRING_DEADLINE_NONE, &held));
	FAIL_ALL(hits, refuse_deadlock(&self->handle, &failed), (void)0);
	EXPECT_LE(2, failed);
	ASSERT_EQ(0, stat_lock(&self->handle, &stat));
	EXPECT_EQ(CHRING_STAT_HELD | CHRING_STAT_MINE, stat.flags);
	EXPECT_EQ(held.token, stat.token);
	EXPECT_EQ(0U, stat.waiters);
	EXPECT_EQ(0, release(&self->handle, held.token));
}

static int lock_new(struct session *session, const char *name, uint32_t ttl_ms,
		    uint32_t slots)
{
	struct nl_msg *msg = request(session, CHRING_CMD_LOCK_NEW);
	int err;

	nla_put_string(msg, CHRING_A_LOCK_NAME, name);
	nla_put_u32(msg, CHRING_A_LOCK_TTL_MS, ttl_ms);
	if (slots)
		nla_put_u32(msg, CHRING_A_LOCK_SLOTS, slots);
	err = ask(session, msg);
	/* Maybe there was only no memory left to say that it is done */
	if (err == -ENOBUFS)
		chring_lock_del(session->chring, name);
	return err;
}

TEST_F(lock_faults, new)
{
	int hits, leased, slotted;

	FAIL_ALL(hits, lock_new(&self->session, "new", 0, 0),
		 chring_lock_del(self->session.chring, "new"));
	EXPECT_LE(3, hits);
	FAIL_ALL(leased, lock_new(&self->session, "new", 1000, 0),
		 chring_lock_del(self->session.chring, "new"));
	EXPECT_LE(3, leased);
	/* However many: no more than what caches happen to need besides */
	FAIL_ALL(slotted, lock_new(&self->session, "new", 0,
				   CHRING_LOCK_SLOTS_MAX),
		 chring_lock_del(self->session.chring, "new"));
	EXPECT_GT(2 * hits, slotted);
}

TEST_HARNESS_MAIN
