// SPDX-License-Identifier: GPL-2.0
/*
 * What /dev/chring refuses: sizes, addresses, flags, names, deadlines, tokens,
 * mappings. Each with its errno, and nothing is changed by any.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lock_device.h"

#define KERNEL_ADDRESS (1UL << 63)

FIXTURE(refused)
{
	struct handle held;	/* of a lock that it holds */
	struct handle other;	/* of the same lock */
	struct chring_lock_acquire got;
	char *end;		/* of a page, with nothing mapped behind it */
	int device;
	int next;		/* descriptor */
};

FIXTURE_SETUP(refused)
{
	size_t size = getpagesize();
	char *pages = mmap(NULL, 2 * size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, pages);
	self->end = pages + size;
	ASSERT_EQ(0, munmap(self->end, size));
	self->device = open("/dev/chring", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->device);
	ASSERT_EQ(0, open_lock(&self->held, "refused", CHRING_OPEN_CREATE |
			       CHRING_OPEN_EXCLUSIVE, 0));
	ASSERT_EQ(0, open_lock(&self->other, "refused", 0, 0));
	ASSERT_EQ(0, acquire(&self->held, CHRING_ACQUIRE_TRY, 0, &self->got));
	self->next = dup(self->device);
	close(self->next);
}

FIXTURE_TEARDOWN(refused)
{
	close(self->held.fd);
	close(self->other.fd);
	close(self->device);
}

/* It is held as before, nobody waits, and no descriptor was given. */
#define EXPECT_UNCHANGED()						\
do {									\
	struct chring_lock_stat __stat;					\
	int __fd = dup(self->device);					\
									\
	EXPECT_EQ(0, stat_lock(&self->held, &__stat));			\
	EXPECT_EQ(CHRING_STAT_HELD | CHRING_STAT_MINE, __stat.flags);	\
	EXPECT_EQ(self->got.token, __stat.token);			\
	EXPECT_EQ(0U, __stat.waiters);					\
	EXPECT_EQ(0U, __stat.news);					\
	EXPECT_EQ(self->next, __fd);					\
	close(__fd);							\
} while (0)

/**
 * struct request - one of all that take an argument
 * @number: of the ioctl
 * @size: of its argument
 * @first: the same, in the first version
 * @err: what an argument of zeroes is answered, for a handle that holds nothing
 */
struct request {
	unsigned long number;
	uint32_t size;
	uint32_t first;
	int err;
};

static const struct request requests[] = {
	{ CHRING_IOC_OPEN, sizeof(struct chring_lock_open), 32, -EINVAL },
	{ CHRING_IOC_ACQUIRE, sizeof(struct chring_lock_acquire), 48,
	  -ETIMEDOUT },
	{ CHRING_IOC_RELEASE, sizeof(struct chring_lock_release), 16, -ESTALE },
	{ CHRING_IOC_STAT, sizeof(struct chring_lock_stat), 40, 0 },
	{ CHRING_IOC_ADOPT, sizeof(struct chring_lock_adopt), 32, -EALREADY },
	{ CHRING_IOC_FINISH, sizeof(struct chring_lock_finish), 40, -ENODATA },
};

#define END_OF_REQUESTS (requests + ARRAY_SIZE(requests))

static int ask(const struct request *request, int device, int handle,
	       uintptr_t argument)
{
	int fd = request->number == CHRING_IOC_OPEN ? device : handle;

	return result(ioctl(fd, request->number, argument));
}

TEST_F(refused, sizes_that_cannot_be)
{
	const struct request *r;
	char argument[8192] = {};
	uint32_t *size = (uint32_t *)argument;

	for (r = requests; r < END_OF_REQUESTS; r++) {
		for (*size = 0; *size < r->first; ++*size)
			EXPECT_EQ(-EINVAL, ask(r, self->device, self->other.fd,
					       (uintptr_t)argument));
		*size = getpagesize() + 1;
		EXPECT_EQ(-E2BIG, ask(r, self->device, self->other.fd,
				      (uintptr_t)argument));
		*size = UINT32_MAX;
		EXPECT_EQ(-E2BIG, ask(r, self->device, self->other.fd,
				      (uintptr_t)argument));
		/* What is not known yet must not be asked for */
		*size = r->size + 8;
		argument[r->size + 7] = 1;
		EXPECT_EQ(-E2BIG, ask(r, self->device, self->other.fd,
				      (uintptr_t)argument));
		argument[r->size + 7] = 0;
		EXPECT_EQ(r->err, ask(r, self->device, self->other.fd,
				      (uintptr_t)argument));
		memset(argument, 0, sizeof(argument));
		EXPECT_UNCHANGED();
	}
}

TEST_F(refused, addresses_that_are_none)
{
	const struct request *r;
	uint32_t *half;

	for (r = requests; r < END_OF_REQUESTS; r++) {
		EXPECT_EQ(-EFAULT, ask(r, self->device, self->other.fd, 0));
		EXPECT_EQ(-EFAULT, ask(r, self->device, self->other.fd,
				       KERNEL_ADDRESS));
		EXPECT_EQ(-EFAULT, ask(r, self->device, self->other.fd,
				       (uintptr_t)self->end - 2));
		half = (uint32_t *)(self->end - r->size + 8);
		*half = r->size;
		EXPECT_EQ(-EFAULT, ask(r, self->device, self->other.fd,
				       (uintptr_t)half));
		EXPECT_UNCHANGED();
	}
}

/* Nothing is written beyond what the caller knows of. */
TEST_F(refused, answers_longer_than_those_of_the_first_version)
{
	struct chring_lock_stat stat;
	struct chring_lock_open opened = {
		.size = 32,
		.flags = CHRING_OPEN_CREATE,
		.name = (uintptr_t)"first",
		.name_len = strlen("first"),
		.slots = 7,
		.pad = 7,
	};
	int fd;

	fd = result(ioctl(self->device, CHRING_IOC_OPEN, &opened));
	ASSERT_LE(0, fd);
	EXPECT_NE(0U, opened.id);
	EXPECT_EQ(7U, opened.slots);
	EXPECT_EQ(7U, opened.pad);
	memset(&stat, 7, sizeof(stat));
	stat.size = 40;
	EXPECT_EQ(0, result(ioctl(fd, CHRING_IOC_STAT, &stat)));
	EXPECT_EQ(0U, stat.lock_flags);
	EXPECT_EQ(0x07070707U, stat.holders);
	EXPECT_EQ(0x07070707U, stat.slots);
	close(fd);
	EXPECT_UNCHANGED();
}

/* The kernel takes the lock, cannot say so, and lets it go. */
TEST_F(refused, answers_that_cannot_be_given)
{
	struct chring_lock_acquire *acquired = (void *)(self->end - getpagesize());
	struct chring_lock_open *opened = (void *)acquired;
	struct chring_lock_stat stat;
	struct chring_lock_open arg = {
		.size = sizeof(arg),
		.flags = CHRING_OPEN_CREATE,
		.name = (uintptr_t)"unanswered",
		.name_len = strlen("unanswered"),
	};
	struct handle handle;

	*opened = arg;
	ASSERT_EQ(0, mprotect(opened, getpagesize(), PROT_READ));
	EXPECT_EQ(-EFAULT, result(ioctl(self->device, CHRING_IOC_OPEN,
					opened)));
	EXPECT_UNCHANGED();
	EXPECT_EQ(-ENOENT, open_lock(&handle, "unanswered", 0, 0));

	ASSERT_EQ(0, release(&self->held, self->got.token));
	ASSERT_EQ(0, mprotect(opened, getpagesize(), PROT_READ | PROT_WRITE));
	*acquired = (struct chring_lock_acquire){ .size = sizeof(*acquired) };
	ASSERT_EQ(0, mprotect(opened, getpagesize(), PROT_READ));
	EXPECT_EQ(-EFAULT, result(ioctl(self->other.fd, CHRING_IOC_ACQUIRE,
					acquired)));
	ASSERT_EQ(0, stat_lock(&self->other, &stat));
	EXPECT_EQ(0U, stat.flags);
	EXPECT_EQ(0U, stat.news);
}

TEST_F(refused, flags_that_are_unknown)
{
	struct chring_lock_consistent mend = { .size = sizeof(mend) };
	struct chring_lock_finish finish = { .size = sizeof(finish) };
	struct chring_lock_release release_it = { .size = sizeof(release_it) };
	struct chring_lock_adopt adopt_it = { .size = sizeof(adopt_it) };
	struct chring_lock_acquire got;
	struct handle handle;
	uint32_t flag;

	for (flag = 1; flag; flag <<= 1) {
		if (flag & ~(CHRING_ACQUIRE_TRY | CHRING_ACQUIRE_SELF |
			     CHRING_ACQUIRE_EAGER | CHRING_ACQUIRE_SIGNAL |
			     CHRING_ACQUIRE_KILL | CHRING_ACQUIRE_SHARED |
			     CHRING_ACQUIRE_ASYNC | CHRING_ACQUIRE_DETECT))
			EXPECT_EQ(-EINVAL, acquire(&self->other, flag, 0,
						   &got));
		release_it.flags = flag;
		release_it.token = self->got.token;
		EXPECT_EQ(-EINVAL, result(ioctl(self->held.fd,
						CHRING_IOC_RELEASE,
						&release_it)));
		finish.flags = flag;
		EXPECT_EQ(-EINVAL, result(ioctl(self->other.fd,
						CHRING_IOC_FINISH, &finish)));
		mend.flags = flag;
		mend.token = self->got.token;
		EXPECT_EQ(-EINVAL, result(ioctl(self->held.fd,
						CHRING_IOC_CONSISTENT, &mend)));
		adopt_it.flags = flag;
		EXPECT_EQ(-EINVAL, result(ioctl(self->held.fd, CHRING_IOC_ADOPT,
						&adopt_it)));
		if (flag & ~(CHRING_LOCK_FIFO | CHRING_LOCK_STRICT |
			     CHRING_LOCK_STICKY | CHRING_OPEN_CREATE |
			     CHRING_OPEN_EXCLUSIVE))
			EXPECT_EQ(-EINVAL, open_lock(&handle, "unknown",
						     CHRING_OPEN_CREATE | flag,
						     0));
		if (flag & ~0666U)
			EXPECT_EQ(-EINVAL, open_lock(&handle, "unknown",
						     CHRING_OPEN_CREATE,
						     flag));
	}
	EXPECT_UNCHANGED();
	EXPECT_EQ(-ENOENT, open_lock(&handle, "unknown", 0, 0));
}

TEST_F(refused, requests_that_do_not_wait_and_yet_are_to_end)
{
	const uint32_t flags = CHRING_ACQUIRE_ASYNC;
	struct chring_lock_acquire got;

	EXPECT_EQ(-EINVAL, acquire(&self->other, flags, 0, &got));
	EXPECT_EQ(-EINVAL, acquire(&self->other, flags, -1, &got));
	EXPECT_EQ(-EINVAL, acquire(&self->other, flags, INT64_MAX - 1, &got));
	EXPECT_EQ(-EINVAL, acquire(&self->other, flags | CHRING_ACQUIRE_TRY,
				   CHRING_DEADLINE_NONE, &got));
	EXPECT_EQ(-EDEADLK, acquire(&self->held, flags, CHRING_DEADLINE_NONE,
				    &got));
	EXPECT_EQ(-ENODATA, result(ioctl(self->held.fd, CHRING_IOC_CANCEL)));
	EXPECT_EQ(-ENODATA, result(ioctl(self->other.fd, CHRING_IOC_CANCEL)));
	EXPECT_EQ(-ENOTTY, result(ioctl(self->device, CHRING_IOC_FINISH)));
	EXPECT_EQ(-ENOTTY, result(ioctl(self->device, CHRING_IOC_CANCEL)));
	EXPECT_UNCHANGED();
}

static int open_named(int device, const void *name, uint32_t length)
{
	struct chring_lock_open arg = {
		.size = sizeof(arg),
		.flags = CHRING_OPEN_CREATE,
		.name = (uintptr_t)name,
		.name_len = length,
	};
	int fd = result(ioctl(device, CHRING_IOC_OPEN, &arg));

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

TEST_F(refused, names_that_are_none)
{
	char name[CHRING_LOCK_NAME_MAX + 1];
	int byte, err;

	memset(name, 'n', sizeof(name));
	EXPECT_EQ(-EINVAL, open_named(self->device, name, 0));
	EXPECT_EQ(0, open_named(self->device, name, CHRING_LOCK_NAME_MAX));
	EXPECT_EQ(-EINVAL, open_named(self->device, name,
				      CHRING_LOCK_NAME_MAX + 1));
	EXPECT_EQ(-EINVAL, open_named(self->device, name, UINT32_MAX));
	EXPECT_EQ(-EFAULT, open_named(self->device, NULL, 1));
	EXPECT_EQ(-EFAULT, open_named(self->device, self->end - 1, 2));
	EXPECT_EQ(-EFAULT, open_named(self->device, (void *)KERNEL_ADDRESS, 1));
	/* First, in the middle, last: only what prints and is no space */
	for (byte = 0; byte < 256; byte++) {
		err = byte > ' ' && byte < 0x7f ? 0 : -EINVAL;
		name[1] = byte;
		EXPECT_EQ(err, open_named(self->device, name, 2));
		EXPECT_EQ(err, open_named(self->device, name, 3));
		if (byte != '@')
			EXPECT_EQ(err, open_named(self->device, name + 1, 2));
	}
	EXPECT_UNCHANGED();
}

TEST_F(refused, deadlines_before_the_clock_began)
{
	struct chring_lock_acquire got;

	EXPECT_EQ(-EINVAL, acquire(&self->other, 0, -1, &got));
	EXPECT_EQ(-EINVAL, acquire(&self->other, 0, INT64_MIN, &got));
	EXPECT_EQ(-EINVAL, acquire(&self->other, CHRING_ACQUIRE_TRY, -1, &got));
	EXPECT_EQ(-ETIMEDOUT, acquire(&self->other, 0, 0, &got));
	EXPECT_EQ(-ETIMEDOUT, acquire(&self->other, 0, 1, &got));
	EXPECT_EQ(-EBUSY, acquire(&self->other, CHRING_ACQUIRE_TRY, INT64_MAX,
				  &got));
	EXPECT_EQ(-EDEADLK, acquire(&self->held, 0, INT64_MAX - 1, &got));
	EXPECT_UNCHANGED();
	ASSERT_EQ(0, release(&self->held, self->got.token));
	EXPECT_EQ(0, acquire(&self->other, 0, INT64_MAX - 1, &got));
	EXPECT_EQ(0, release(&self->other, got.token));
}

TEST_F(refused, tokens_that_hold_nothing)
{
	uint64_t token = self->got.token;
	struct chring_lock_acquire got;

	EXPECT_EQ(-ESTALE, release(&self->other, token));
	EXPECT_EQ(-ESTALE, release(&self->held, token - 1));
	EXPECT_EQ(-ESTALE, release(&self->held, token + 1));
	EXPECT_EQ(-ESTALE, release(&self->held, 0));
	EXPECT_EQ(-ESTALE, release(&self->held, UINT64_MAX));
	EXPECT_UNCHANGED();
	ASSERT_EQ(0, release(&self->held, token));
	EXPECT_EQ(-ESTALE, release(&self->held, token));
	ASSERT_EQ(0, acquire(&self->other, CHRING_ACQUIRE_TRY, 0, &got));
	EXPECT_EQ(-ESTALE, release(&self->held, token));
	EXPECT_EQ(-ESTALE, release(&self->held, got.token));
	EXPECT_EQ(-ESTALE, release(&self->other, token));
	EXPECT_EQ(0, release(&self->other, got.token));
}

TEST_F(refused, mappings_that_there_are_not)
{
	static const struct {
		size_t pages;
		off_t offset;
		int prot, flags;
	} cases[] = {
		{ 2, 0, PROT_READ, MAP_SHARED },
		{ 1, 2, PROT_READ, MAP_SHARED },
		{ 1, 1 << 20, PROT_READ, MAP_SHARED },
		{ 1, 0, PROT_READ | PROT_WRITE, MAP_PRIVATE },
		{ 1, 0, PROT_READ, MAP_PRIVATE },
		{ 1, 0, PROT_READ | PROT_EXEC, MAP_SHARED },
		{ 1, 1, PROT_READ | PROT_WRITE, MAP_SHARED },
		{ 2, 1, PROT_READ, MAP_SHARED },
	};
	size_t size = getpagesize();
	unsigned int i;
	void *map;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		map = mmap(NULL, cases[i].pages * size, cases[i].prot,
			   cases[i].flags, self->held.fd,
			   cases[i].offset * size);
		EXPECT_EQ(MAP_FAILED, map)
			TH_LOG("case %u", i);
		EXPECT_EQ(EINVAL, errno)
			TH_LOG("case %u", i);
	}
	map = mmap(NULL, size, PROT_READ, MAP_SHARED, self->held.fd, size);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(-EACCES, result(mprotect(map, size, PROT_READ | PROT_WRITE)));
	EXPECT_EQ(-EACCES, result(mprotect(map, size, PROT_READ | PROT_EXEC)));
	EXPECT_UNCHANGED();
}

TEST_HARNESS_MAIN
