// SPDX-License-Identifier: GPL-2.0
/*
 * Who may make and use locks: mode bits, reserved names, namespaces, limits.
 */
#define _GNU_SOURCE		/* unshare, setresuid */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lock_device.h"

#define PARAMETERS "/sys/module/chring/parameters/"
#define ALICE 1001
#define BOB 1002
#define STAFF 1100

struct attempt {
	const char *name;
	uint32_t flags;
	uint32_t mode;
};

/* The handle stays open until the process ends. */
static int attempt_open(const struct attempt *attempt)
{
	struct handle handle;

	return open_lock(&handle, attempt->name, attempt->flags, attempt->mode);
}

static int acquire_once(const struct attempt *attempt, uint32_t mode)
{
	struct chring_lock_acquire got;
	struct handle handle;
	int err;

	err = open_lock(&handle, attempt->name, attempt->flags, attempt->mode);
	if (err)
		return err;
	err = acquire(&handle, CHRING_ACQUIRE_TRY | mode, 0, &got);
	if (!err)
		release(&handle, got.token);
	return err;
}

static int attempt_acquire(const struct attempt *attempt)
{
	return acquire_once(attempt, 0);
}

static int attempt_share(const struct attempt *attempt)
{
	return acquire_once(attempt, CHRING_ACQUIRE_SHARED);
}

/* Another's pid is told to those who may read. */
static int attempt_see(const struct attempt *attempt)
{
	struct chring_lock_stat stat;
	struct handle handle;
	int err;

	err = open_lock(&handle, attempt->name, attempt->flags, attempt->mode);
	err = err ?: stat_lock(&handle, &stat);
	return err ?: stat.pid;
}

/* What somebody else gets, in a process that ends then. */
static int as_user(uid_t uid, gid_t group,
		   int (*try)(const struct attempt *attempt),
		   const char *name, uint32_t flags, uint32_t mode)
{
	struct attempt attempt = { name, flags, mode };
	int *got = mmap(NULL, sizeof(*got), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int value;
	pid_t pid = fork();

	if (!pid) {
		if (setgroups(group ? 1 : 0, &group) ||
		    setresgid(uid, uid, uid) || setresuid(uid, uid, uid))
			_exit(1);
		*got = try(&attempt);
		_exit(0);
	}
	value = status_of(pid) ? -ECHILD : *got;
	munmap(got, sizeof(*got));
	return value;
}

static bool set_parameter(const char *name, const char *value)
{
	char path[128];
	bool done;
	int fd;

	snprintf(path, sizeof(path), PARAMETERS "%s", name);
	fd = open(path, O_WRONLY);
	done = fd >= 0 &&
	       write(fd, value, strlen(value)) == (ssize_t)strlen(value);
	close(fd);
	return done;
}

/* In a network namespace of its own, with nobody else's locks. */
FIXTURE(access) {};

FIXTURE_SETUP(access)
{
	ASSERT_EQ(0, unshare(CLONE_NEWNET));
}

FIXTURE_TEARDOWN(access)
{
	set_parameter("user_locks", "8192");
	set_parameter("user_handles", "65536");
	set_parameter("unprivileged_create", "Y");
}

#define CREATE CHRING_OPEN_CREATE

TEST_F(access, mode_is_as_a_files)
{
	struct chring_lock_acquire got;
	struct handle handle;

	/* Mode 0 is 0600 */
	ASSERT_EQ(0, open_lock(&handle, "private", CREATE, 0));
	EXPECT_EQ(-EACCES, as_user(ALICE, 0, attempt_open, "private", 0, 0));
	EXPECT_EQ(-EACCES, as_user(ALICE, 0, attempt_open, "private", CREATE, 0));
	EXPECT_EQ(0, as_user(0, 0, attempt_acquire, "private", 0, 0));

	ASSERT_EQ(0, open_lock(&handle, "readable", CREATE, 0644));
	ASSERT_EQ(0, acquire(&handle, 0, 0, &got));
	EXPECT_EQ(-EACCES, as_user(ALICE, 0, attempt_acquire, "readable", 0, 0));
	EXPECT_EQ(getpid(), as_user(ALICE, 0, attempt_see, "readable", 0, 0));

	ASSERT_EQ(0, open_lock(&handle, "writable", CREATE, 0622));
	ASSERT_EQ(0, acquire(&handle, 0, 0, &got));
	EXPECT_EQ(-EBUSY, as_user(ALICE, 0, attempt_acquire, "writable", 0, 0));
	EXPECT_EQ(0, as_user(ALICE, 0, attempt_see, "writable", 0, 0));
}

/* Or else who may only read a lock keeps others from having it alone. */
TEST_F(access, who_shares_must_be_let_write)
{
	struct chring_lock_acquire got;
	struct handle handle;

	ASSERT_EQ(0, open_lock(&handle, "readable", CREATE, 0644));
	EXPECT_EQ(-EACCES, as_user(ALICE, 0, attempt_share, "readable", 0, 0));
	ASSERT_EQ(0, acquire(&handle, CHRING_ACQUIRE_SHARED, 0, &got));
	EXPECT_EQ(-EACCES, as_user(ALICE, 0, attempt_share, "readable", 0, 0));
	EXPECT_EQ(getpid(), as_user(ALICE, 0, attempt_see, "readable", 0, 0));

	ASSERT_EQ(0, open_lock(&handle, "writable", CREATE, 0622));
	ASSERT_EQ(0, acquire(&handle, CHRING_ACQUIRE_SHARED, 0, &got));
	EXPECT_EQ(0, as_user(ALICE, 0, attempt_share, "writable", 0, 0));
	EXPECT_EQ(-EBUSY, as_user(ALICE, 0, attempt_acquire, "writable", 0, 0));
	/* The others' pids are for those who may read */
	EXPECT_EQ(0, as_user(ALICE, 0, attempt_see, "writable", 0, 0));
}

TEST_F(access, group_is_as_a_files)
{
	struct handle handle;
	pid_t pid;
	int ready[2], end[2], got;
	char byte;

	ASSERT_EQ(0, pipe(ready));
	ASSERT_EQ(0, pipe(end));
	pid = fork();
	if (!pid) {
		close(end[1]);
		if (setgroups(0, NULL) || setresgid(STAFF, STAFF, STAFF) ||
		    setresuid(ALICE, ALICE, ALICE))
			_exit(1);
		got = open_lock(&handle, "staff", CREATE, 0060);
		/* The owner's bits are the owner's, whatever group it is in */
		got = got ?: open_lock(&handle, "staff", 0, 0);
		if (write(ready[1], &got, sizeof(got)) != sizeof(got))
			_exit(1);
		_exit(read(end[0], &byte, 1));
	}
	ASSERT_EQ((ssize_t)sizeof(got), read(ready[0], &got, sizeof(got)));
	EXPECT_EQ(-EACCES, got);
	EXPECT_EQ(0, as_user(BOB, STAFF, attempt_acquire, "staff", 0, 0));
	EXPECT_EQ(-EACCES, as_user(BOB, 0, attempt_acquire, "staff", 0, 0));
	close(end[1]);
	EXPECT_EQ(0, status_of(pid));
}

TEST_F(access, reserved_names_are_their_users)
{
	static const char * const bad[] = {
		"@", "@/", "@1001", "@1001/", "@01001/x", "@+1/x", "@-1/x",
		"@4294967296/x", "@alice/x", "@ /x",
	};
	unsigned int i;

	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		EXPECT_EQ(-EINVAL, as_user(ALICE, 0, attempt_open, bad[i],
					   CREATE, 0))
			TH_LOG("case %u", i);
	EXPECT_EQ(0, as_user(ALICE, 0, attempt_open, "@1001/x", CREATE, 0));
	EXPECT_EQ(-EPERM, as_user(ALICE, 0, attempt_open, "@1002/x", CREATE, 0));
	EXPECT_EQ(-EPERM, as_user(ALICE, 0, attempt_open, "@0/x", CREATE, 0));
	EXPECT_EQ(-EPERM, as_user(0, 0, attempt_open, "@1001/x", CREATE, 0));
	EXPECT_EQ(0, as_user(0, 0, attempt_open, "@0/x", CREATE, 0));
	EXPECT_EQ(0, as_user(ALICE, 0, attempt_open, "x@1002/x", CREATE, 0));

	EXPECT_EQ(-EPERM, as_user(ALICE, 0, attempt_open, "!x", CREATE, 0));
	EXPECT_EQ(-EPERM, as_user(ALICE, 0, attempt_open, "!", CREATE, 0));
	EXPECT_EQ(0, as_user(0, 0, attempt_open, "!x", CREATE, 0));
	EXPECT_EQ(-ENOENT, as_user(ALICE, 0, attempt_open, "!x", 0, 0));
}

TEST_F(access, reserved_names_are_used_as_their_mode_says)
{
	struct handle handle;

	ASSERT_EQ(0, open_lock(&handle, "!open", CREATE, 0666));
	EXPECT_EQ(0, as_user(ALICE, 0, attempt_acquire, "!open", CREATE, 0));
}

TEST_F(access, making_can_be_turned_off)
{
	struct handle handle;

	ASSERT_TRUE(set_parameter("unprivileged_create", "N"));
	EXPECT_EQ(-EPERM, as_user(ALICE, 0, attempt_open, "made", CREATE, 0));
	ASSERT_EQ(0, open_lock(&handle, "made", CREATE, 0666));
	EXPECT_EQ(0, as_user(ALICE, 0, attempt_acquire, "made", CREATE, 0));
}

static int make_three(const struct attempt *attempt)
{
	struct handle handle[4];
	char name[16];
	int i, err;

	for (i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "%s%d", attempt->name, i);
		err = open_lock(&handle[i], name, CREATE, 0);
		if (err)
			return i ? err : -ECANCELED;
	}
	/* One that goes makes room for another */
	close(handle[2].fd);
	return open_lock(&handle[3], "another", CREATE, 0);
}

TEST_F(access, locks_and_handles_are_limited)
{
	struct handle handle;

	ASSERT_TRUE(set_parameter("user_locks", "2"));
	EXPECT_EQ(-EDQUOT, as_user(ALICE, 0, make_three, "x", CREATE, 0));
	ASSERT_TRUE(set_parameter("user_locks", "3"));
	EXPECT_EQ(0, as_user(ALICE, 0, make_three, "x", CREATE, 0));
	/* What ended with its process counts no more, nor do those of others */
	EXPECT_EQ(0, as_user(ALICE, 0, make_three, "x", CREATE, 0));
	ASSERT_EQ(0, open_lock(&handle, "open", CREATE, 0666));
	EXPECT_EQ(0, as_user(BOB, 0, make_three, "y", CREATE, 0));

	ASSERT_TRUE(set_parameter("user_handles", "2"));
	EXPECT_EQ(-EDQUOT, as_user(ALICE, 0, make_three, "x", CREATE, 0));
	/* Privilege goes beyond */
	ASSERT_TRUE(set_parameter("user_handles", "0"));
	ASSERT_TRUE(set_parameter("user_locks", "0"));
	EXPECT_EQ(0, make_three(&(struct attempt){ .name = "z" }));
}

/* In a network namespace of its own, as root of a user namespace. */
static int in_namespaces(const struct attempt *attempt)
{
	char map[32];
	int fd;

	snprintf(map, sizeof(map), "0 %d 1", getuid());
	/* Having changed its user, it does not own its files in /proc */
	if (prctl(PR_SET_DUMPABLE, 1) ||
	    unshare(CLONE_NEWUSER | CLONE_NEWNET))
		return -errno;
	fd = open("/proc/self/uid_map", O_WRONLY);
	if (fd < 0 || write(fd, map, strlen(map)) != (ssize_t)strlen(map))
		return -ECANCELED;
	close(fd);
	return attempt_open(attempt);
}

/* Only the user namespace is new; the locks are the old one's. */
static int as_root_of_nothing(const struct attempt *attempt)
{
	if (unshare(CLONE_NEWUSER))
		return -errno;
	return attempt_open(attempt);
}

TEST_F(access, namespaces_are_apart)
{
	struct handle handle;

	ASSERT_EQ(0, open_lock(&handle, "here", CREATE, 0600));
	EXPECT_EQ(-ENOENT, as_user(ALICE, 0, in_namespaces, "here", 0, 0));
	EXPECT_EQ(0, as_user(ALICE, 0, in_namespaces, "!there", CREATE, 0));
	/* Ids in names are those of the user namespace */
	EXPECT_EQ(0, as_user(ALICE, 0, in_namespaces, "@0/x", CREATE, 0));
	EXPECT_EQ(-EPERM, as_user(ALICE, 0, in_namespaces, "@1001/x", CREATE, 0));
	EXPECT_EQ(-EACCES, as_user(ALICE, 0, as_root_of_nothing, "here", 0, 0));
	EXPECT_EQ(-EPERM, as_user(ALICE, 0, as_root_of_nothing, "!x", CREATE, 0));
}

TEST_HARNESS_MAIN
