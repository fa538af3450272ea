// SPDX-License-Identifier: GPL-2.0
/*
 * Random requests about locks: of the device, of handles, of the family, by two
 * processes, for some seconds. Each is granted, or refused as the document has
 * it; the kernel's log is for whoever runs this to judge; and afterwards locks
 * are as usual.
 *
 * The same SEED in the environment makes the same requests, in each process.
 */
#define _GNU_SOURCE		/* unshare, mremap */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netlink/msg.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lock_device.h"
#include "request.h"

#define DURATION_NS (10 * 1000000000LL)
#define ALICE 1001
#define PROCESSES 2
#define HANDLES 16
#define MAPPINGS 8

/**
 * struct fuzz - one process at work
 * @seed: of what comes next
 * @page: an argument, with nothing mapped behind it
 * @size: of a page
 * @device: /dev/chring
 * @handles: descriptors, or -1
 * @mappings: of words and more, or NULL
 * @session: with the family
 * @granted: requests
 * @refused: requests
 */
struct fuzz {
	unsigned int seed;
	char *page;
	size_t size;
	int device;
	int handles[HANDLES];
	uint64_t *mappings[MAPPINGS];
	struct session session;
	unsigned long granted;
	unsigned long refused;
};

/**
 * struct rule - how a request may be refused
 * @number: of the request
 * @size: of its argument
 * @errors: that it may give
 */
struct rule {
	unsigned long number;
	size_t size;
	const int *errors;
};

#define ERRORS(...) ((const int []){ __VA_ARGS__, 0 })

static const struct rule device_rule = {
	CHRING_IOC_OPEN, sizeof(struct chring_lock_open),
	ERRORS(EFAULT, EINVAL, E2BIG, ENOENT, EEXIST, EACCES, EPERM, EDQUOT,
	       ENFILE, EMFILE, ENOMEM),
};

static const struct rule handle_rules[] = {
	{ CHRING_IOC_ACQUIRE, sizeof(struct chring_lock_acquire),
	  ERRORS(EFAULT, EINVAL, E2BIG, EACCES, ESTALE, EBUSY, ETIMEDOUT,
		 EINTR, EDEADLK, EOVERFLOW, ENOMEM, EINPROGRESS, EALREADY) },
	{ CHRING_IOC_FINISH, sizeof(struct chring_lock_finish),
	  ERRORS(EFAULT, EINVAL, E2BIG, ENODATA, EAGAIN, ESTALE, EOVERFLOW) },
	{ CHRING_IOC_CANCEL, sizeof(uint32_t), ERRORS(ENODATA, ESTALE) },
	{ CHRING_IOC_RELEASE, sizeof(struct chring_lock_release),
	  ERRORS(EFAULT, EINVAL, E2BIG, ESTALE) },
	{ CHRING_IOC_STAT, sizeof(struct chring_lock_stat),
	  ERRORS(EFAULT, EINVAL, E2BIG, ESTALE) },
	{ CHRING_IOC_ADOPT, sizeof(struct chring_lock_adopt),
	  ERRORS(EFAULT, EINVAL, E2BIG, EALREADY, ESTALE, ENFILE, ENOMEM) },
	{ CHRING_IOC_CONSISTENT, sizeof(struct chring_lock_consistent),
	  ERRORS(EFAULT, EINVAL, E2BIG, ESTALE) },
	{ CHRING_IOC_CLOSE, sizeof(uint32_t), ERRORS(ESTALE) },
	{ CHRING_IOC_OPEN, sizeof(uint32_t), ERRORS(ENOTTY) },
	{ ~0U, sizeof(uint32_t), ERRORS(ENOTTY) },
};

static const int * const family_errors =
	ERRORS(EINVAL, ERANGE, ENOENT, EEXIST, EPERM, EACCES, EBUSY, ESRCH,
	       EDQUOT, ENOMEM, EOPNOTSUPP, EMSGSIZE);

static const int * const mmap_errors =
	ERRORS(EINVAL, EACCES, EOPNOTSUPP, ESTALE, ENOMEM, EOVERFLOW);

static unsigned int below(struct fuzz *fuzz, unsigned int limit)
{
	return rand_r(&fuzz->seed) % limit;
}

static uint64_t any_number(struct fuzz *fuzz)
{
	static const uint64_t edges[] = {
		0, 1, INT32_MAX, UINT32_MAX, INT64_MAX, 1ULL << 63, UINT64_MAX,
	};
	unsigned int which = below(fuzz, 2 * elements(edges));

	if (which < elements(edges))
		return edges[which];
	return (uint64_t)rand_r(&fuzz->seed) << 33 ^ rand_r(&fuzz->seed);
}

/* Ends the process where an error is none of those that there may be. */
static void judge(struct fuzz *fuzz, const char *what, long number, int err,
		  const int *errors)
{
	if (err >= 0) {
		fuzz->granted++;
		return;
	}
	fuzz->refused++;
	for (; *errors; errors++) {
		if (-err == *errors)
			return;
	}
	fprintf(stderr, "# %s %#lx: %s\n", what, number, strerror(-err));
	_exit(1);
}

/* ---- requests of the device, and of handles */

/* Of names that meet again, mostly. Returns its length. */
static unsigned int put_name(struct fuzz *fuzz, char *name)
{
	static const char * const starts[] = { "", "!", "@0/", "@1001/", "@" };
	unsigned int length, i;

	length = sprintf(name, "%sfuzz%u",
			 starts[below(fuzz, elements(starts))], below(fuzz, 4));
	if (!below(fuzz, 8)) {
		length = below(fuzz, 80);
		for (i = 0; i < length; i++)
			name[i] = below(fuzz, 256);
	}
	return length;
}

static unsigned int any_size(struct fuzz *fuzz, unsigned int size)
{
	switch (below(fuzz, 10)) {
	case 0:
		return below(fuzz, size + 1);
	case 1:
		return size + below(fuzz, fuzz->size - size);
	case 2:
		return any_number(fuzz);
	default:
		return size;
	}
}

/* An address that may be none. */
static uintptr_t any_address(struct fuzz *fuzz, void *good)
{
	switch (below(fuzz, 12)) {
	case 0:
		return any_number(fuzz);
	case 1:
		return (uintptr_t)fuzz->page + fuzz->size - below(fuzz, 40);
	default:
		return (uintptr_t)good;
	}
}

static void keep(struct fuzz *fuzz, int fd)
{
	unsigned int i = below(fuzz, HANDLES);

	if (fuzz->handles[i] >= 0)
		close(fuzz->handles[i]);
	fuzz->handles[i] = fd;
}

static void open_any(struct fuzz *fuzz)
{
	const uint32_t usual = CHRING_OPEN_CREATE | CHRING_LOCK_FIFO |
			       CHRING_LOCK_STRICT;
	struct chring_lock_open *open = (void *)fuzz->page;
	char name[128];
	int fd;

	memset(open, 0, sizeof(*open) + 8);
	open->size = any_size(fuzz, sizeof(*open));
	open->flags = CHRING_OPEN_CREATE | (rand_r(&fuzz->seed) & usual);
	if (!below(fuzz, 8))
		open->flags = any_number(fuzz);
	open->name_len = put_name(fuzz, name);
	if (!below(fuzz, 16))
		open->name_len = any_number(fuzz);
	open->name = any_address(fuzz, name);
	open->mode = below(fuzz, 8) ? 0666 : any_number(fuzz);
	fd = result(ioctl(fuzz->device, CHRING_IOC_OPEN,
			  any_address(fuzz, open)));
	judge(fuzz, "open", CHRING_IOC_OPEN, fd, device_rule.errors);
	if (fd >= 0)
		keep(fuzz, fd);
}

static void fill(struct fuzz *fuzz, const struct rule *rule)
{
	static struct chring_lock_step steps[CHRING_STEPS_MAX];
	struct chring_lock_acquire *acquire = (void *)fuzz->page;
	unsigned int i;

	memset(fuzz->page, 0, fuzz->size);
	for (i = 0; i + 8 <= rule->size; i += 8) {
		if (!below(fuzz, 4))
			memcpy(fuzz->page + i, &(uint64_t){ any_number(fuzz) },
			       8);
	}
	*(uint32_t *)fuzz->page = any_size(fuzz, rule->size);
	if (rule->number == CHRING_IOC_ACQUIRE) {
		acquire->flags = below(fuzz, 8) ? below(fuzz, 4) :
						  any_number(fuzz);
		/* It does not agree to its own end */
		acquire->flags &= ~(CHRING_ACQUIRE_SIGNAL |
				    CHRING_ACQUIRE_KILL);
		if (below(fuzz, 4))
			acquire->flags |= CHRING_ACQUIRE_DETECT;
		if (below(fuzz, 4))
			acquire->step_size = sizeof(steps[0]);
		acquire->steps = any_address(fuzz, steps);
		acquire->deadline = below(fuzz, 2) ? now_ns() + 100000 :
						     (int64_t)any_number(fuzz);
		if (!below(fuzz, 4)) {
			acquire->flags = CHRING_ACQUIRE_ASYNC;
			acquire->deadline = CHRING_DEADLINE_NONE;
		}
	}
}

/* What was got is let go of, mostly. */
static void release_got(struct fuzz *fuzz, int fd)
{
	const struct chring_lock_acquire *got = (void *)fuzz->page;
	struct handle handle = { .fd = fd };

	if (below(fuzz, 8))
		judge(fuzz, "release", CHRING_IOC_RELEASE,
		      release(&handle, got->token), ERRORS(ESTALE));
}

static void ask_any(struct fuzz *fuzz)
{
	const struct rule *rule = &handle_rules[0];
	int fd = fuzz->handles[below(fuzz, HANDLES)];
	unsigned long number;
	uintptr_t address;
	int err;

	if (fd < 0)
		return;
	if (below(fuzz, 2))
		rule = &handle_rules[below(fuzz, elements(handle_rules))];
	if (rule->number == CHRING_IOC_CLOSE && below(fuzz, 4))
		return;
	number = rule->number == ~0U ? 0xff00 | below(fuzz, 256) :
				       rule->number;
	fill(fuzz, rule);
	address = any_address(fuzz, fuzz->page);
	err = result(ioctl(fd, number, address));
	judge(fuzz, "request", number, err, rule->errors);
	if (!err && number == CHRING_IOC_ACQUIRE &&
	    address == (uintptr_t)fuzz->page)
		release_got(fuzz, fd);
}

/* ---- mappings, copies */

static void map_any(struct fuzz *fuzz)
{
	static const int flags[] = { MAP_SHARED, MAP_SHARED, MAP_PRIVATE };
	uint64_t **mapping = &fuzz->mappings[below(fuzz, MAPPINGS)];
	int fd = fuzz->handles[below(fuzz, HANDLES)];
	bool usual = below(fuzz, 2);
	void *map;

	if (*mapping)
		munmap(*mapping, fuzz->size);
	*mapping = NULL;
	if (fd < 0)
		return;
	map = mmap(NULL, fuzz->size * (usual ? 1 : 1 + below(fuzz, 2)),
		   usual ? PROT_READ | PROT_WRITE : (int)below(fuzz, 8),
		   usual ? MAP_SHARED : flags[below(fuzz, elements(flags))], fd,
		   usual ? 0 : below(fuzz, 3) * fuzz->size);
	judge(fuzz, "mmap", 0, map == MAP_FAILED ? -errno : 0, mmap_errors);
	if (map == MAP_FAILED)
		return;
	if (usual)
		*mapping = map;
	else
		munmap(map, fuzz->size);
}

static void write_any(struct fuzz *fuzz)
{
	uint64_t *word = fuzz->mappings[below(fuzz, MAPPINGS)];
	uint64_t number = any_number(fuzz);

	if (!word)
		return;
	if (below(fuzz, 4))
		number = *word ^ (number & 0xff);
	__atomic_store_n(word, number, __ATOMIC_RELAXED);
}

static void shuffle_any(struct fuzz *fuzz)
{
	int fd = fuzz->handles[below(fuzz, HANDLES)];
	struct pollfd pollfd = { .fd = fd, .events = any_number(fuzz) };

	if (fd < 0)
		return;
	poll(&pollfd, 1, 0);
	if (!below(fuzz, 4))
		keep(fuzz, dup(fd));
}

/* ---- the family */

/* Most of the types that there are, in most of the sizes. */
static void put_any(struct fuzz *fuzz, struct nl_msg *msg)
{
	unsigned int type = below(fuzz, CHRING_A_LOCK_MAX + 3);
	char bytes[128];
	unsigned int i, length = below(fuzz, sizeof(bytes));
	uint64_t number = below(fuzz, 2) ? below(fuzz, 1024) :
					   any_number(fuzz);

	/* A lock must not end the one who makes it */
	if (type == CHRING_A_LOCK_EXPIRY)
		number = CHRING_LOCK_EXPIRY_FENCE;
	if (below(fuzz, 4)) {
		nla_put(msg, type, below(fuzz, 16) ? 4 : 8, &number);
		return;
	}
	for (i = 0; i < length; i++)
		bytes[i] = below(fuzz, 256);
	nla_put(msg, type | (below(fuzz, 8) ? 0 : NLA_F_NESTED), length, bytes);
}

static void tell_any(struct fuzz *fuzz)
{
	static const int commands[] = {
		CHRING_CMD_LOCK_NEW, CHRING_CMD_LOCK_NEW, CHRING_CMD_LOCK_SET,
		CHRING_CMD_LOCK_GET, CHRING_CMD_LOCK_DEL, CHRING_CMD_LOCK_BREAK,
	};
	struct nl_msg *msg = request(&fuzz->session,
				     commands[below(fuzz, elements(commands))]);
	struct nlmsghdr *nlh = nlmsg_hdr(msg);
	unsigned int left = below(fuzz, 4);
	struct answer answer;
	char name[128];

	if (below(fuzz, 8))
		nla_put(msg, CHRING_A_LOCK_NAME, put_name(fuzz, name), name);
	while (left--)
		put_any(fuzz, msg);
	if (!below(fuzz, 8))
		nlh->nlmsg_flags |= NLM_F_DUMP;
	if (!below(fuzz, 8))
		nlh->nlmsg_len -= below(fuzz, nlh->nlmsg_len - NLMSG_HDRLEN);
	transact(&fuzz->session, nlh, nlh->nlmsg_len, &answer);
	nlmsg_free(msg);
	if (answer.err != NO_ANSWER)
		judge(fuzz, "message", 0, answer.err, family_errors);
}

/* ---- all of it */

static void nothing(int sig)
{
}

/* Whoever waits for long is interrupted. */
static void interrupt_all_the_time(void)
{
	struct sigaction action = { .sa_handler = nothing };
	struct itimerval often = {
		.it_interval.tv_usec = 20000,
		.it_value.tv_usec = 20000,
	};

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
}

static bool begin(struct fuzz *fuzz, unsigned int seed)
{
	int i;

	memset(fuzz, 0, sizeof(*fuzz));
	fuzz->seed = seed;
	fuzz->size = getpagesize();
	fuzz->page = mmap(NULL, 2 * fuzz->size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	fuzz->device = open("/dev/chring", O_RDWR | O_CLOEXEC);
	for (i = 0; i < HANDLES; i++)
		fuzz->handles[i] = -1;
	return fuzz->page != MAP_FAILED && fuzz->device >= 0 &&
	       !munmap(fuzz->page + fuzz->size, fuzz->size) &&
	       session_open(&fuzz->session);
}

static void work(unsigned int seed, bool as_alice)
{
	static void (* const acts[])(struct fuzz *fuzz) = {
		open_any, open_any, ask_any, ask_any, ask_any, ask_any,
		map_any, write_any, shuffle_any, tell_any,
	};
	int64_t end = now_ns() + DURATION_NS;
	struct fuzz fuzz;

	if (as_alice && (setgroups(0, NULL) || setresgid(ALICE, ALICE, ALICE) ||
			 setresuid(ALICE, ALICE, ALICE)))
		_exit(2);
	if (!begin(&fuzz, seed))
		_exit(3);
	interrupt_all_the_time();
	while (now_ns() < end)
		acts[below(&fuzz, elements(acts))](&fuzz);
	fprintf(stderr, "# seed %u: %lu granted, %lu refused\n", seed,
		fuzz.granted, fuzz.refused);
	_exit(!fuzz.granted || !fuzz.refused);
}

/* A lock of a name that was not in use is made, taken, and let go. */
static int use(const char *name)
{
	struct chring_lock_acquire got;
	struct handle handle;
	int err;

	err = open_lock(&handle, name, CHRING_OPEN_CREATE |
			CHRING_OPEN_EXCLUSIVE, 0);
	err = err ?: acquire(&handle, CHRING_ACQUIRE_TRY, 0, &got);
	err = err ?: release(&handle, got.token);
	close(handle.fd);
	return err;
}

TEST(random_requests_are_granted_or_refused_as_they_should)
{
	const char *given = getenv("SEED");
	unsigned int seed = given ? atoi(given) : (int)now_ns();
	pid_t pid[PROCESSES];
	int i;

	TH_LOG("SEED=%u", seed);
	ASSERT_TRUE(own_netns());
	for (i = 0; i < PROCESSES; i++) {
		pid[i] = fork();
		if (!pid[i])
			work(seed + i, i & 1);
	}
	for (i = 0; i < PROCESSES; i++)
		EXPECT_EQ(0, status_of(pid[i]));
	EXPECT_EQ(0, use("afterwards"));
}

TEST_HARNESS_MAIN
