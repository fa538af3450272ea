// SPDX-License-Identifier: GPL-2.0
/* chring's locks. */
#include <err.h>
#include <errno.h>
#include <stdio.h>

#include "chring.h"
#include "lock_subjects.h"

static struct chring_lock *lock;

static void check(int ret, const char *what)
{
	if (ret >= 0)
		return;
	errno = -ret;
	err(1, "%s", what);
}

static struct chring_lock *lock_open(const char *name, unsigned int flags)
{
	struct chring_lock *opened;

	check(chring_lock_open(&opened, name, flags | CHRING_LOCK_CREATE, 0),
	      "chring_lock_open");
	return opened;
}

/* The lock is made by the first process that opens it, and goes with the last. */
static void chring_create(void)
{
}

static void chring_destroy(void)
{
}

static inline void chring_lock(void)
{
	check(chring_lock_acquire(lock), "chring_lock_acquire");
}

static inline void chring_unlock(void)
{
	check(chring_lock_release(lock), "chring_lock_release");
}

DEFINE_PAIRS(chring)

static inline void shared_lock(void)
{
	check(chring_lock_acquire_shared(lock, NULL),
	      "chring_lock_acquire_shared");
}

static inline void shared_unlock(void)
{
	chring_unlock();
}

DEFINE_PAIRS(shared)

static void adaptive_open(void)
{
	lock = lock_open("bench/adaptive", 0);
}

static void fifo_open(void)
{
	lock = lock_open("bench/fifo", CHRING_LOCK_FIFO);
}

static void strict_open(void)
{
	lock = lock_open("bench/strict", CHRING_LOCK_STRICT);
}

static void slots_open(void)
{
	check(chring_lock_open_slots(&lock, "bench/slots", SLOTS,
				     CHRING_LOCK_CREATE, 0),
	      "chring_lock_open_slots");
}

static void open_idle(unsigned int first, unsigned int count, unsigned int flags)
{
	char name[CHRING_NAME_MAX + 1];

	while (count--) {
		snprintf(name, sizeof(name), "bench/idle/%u", first++);
		lock_open(name, flags);
	}
}

static struct chring *connect_here(void)
{
	struct chring *chring = chring_alloc();

	if (!chring)
		errx(1, "chring_alloc");
	check(chring_open(chring), "chring_open");
	return chring;
}

/* Locks that nobody has open, until they are deleted. */
static void made_idle(unsigned int first, unsigned int count)
{
	char name[CHRING_NAME_MAX + 1];
	const struct chring_lock_request request = {
		.name = name,
		.owner = CHRING_LOCK_KEEP,
		.group = CHRING_LOCK_KEEP,
	};
	struct chring *chring = connect_here();

	while (count--) {
		snprintf(name, sizeof(name), "bench/made/%u", first++);
		check(chring_lock_new(chring, &request), "chring_lock_new");
	}
	chring_free(chring);
}

static void made_forget(unsigned int first, unsigned int count)
{
	struct chring *chring = connect_here();
	char name[CHRING_NAME_MAX + 1];

	while (count--) {
		snprintf(name, sizeof(name), "bench/made/%u", first++);
		check(chring_lock_del(chring, name), "chring_lock_del");
	}
	chring_free(chring);
}

/* One that others may be made to wait for, but not for ever; nobody does. */
static void lazy_create(void)
{
	const struct chring_lock_request request = {
		.name = "bench/lazy",
		.owner = CHRING_LOCK_KEEP,
		.group = CHRING_LOCK_KEEP,
		.ttl_ms = 10000,
	};
	struct chring *chring = connect_here();

	check(chring_lock_new(chring, &request), "chring_lock_new");
	chring_free(chring);
}

static void lazy_open(void)
{
	lock = lock_open("bench/lazy", 0);
}

static void lazy_destroy(void)
{
	struct chring *chring = connect_here();

	check(chring_lock_del(chring, "bench/lazy"), "chring_lock_del");
	chring_free(chring);
}

static void mapped_idle(unsigned int first, unsigned int count)
{
	open_idle(first, count, 0);
}

static void strict_idle(unsigned int first, unsigned int count)
{
	open_idle(first, count, CHRING_LOCK_STRICT);
}

const struct subject chring_fast_subject = {
	.name = "chring-fast", .uncontended_only = true, .crash_safe = true,
	.create = chring_create, .open = adaptive_open,
	.lock = chring_lock, .unlock = chring_unlock, .pairs = chring_pairs,
	.destroy = chring_destroy, .idle = mapped_idle,
};

const struct subject chring_lazy_lease_subject = {
	.name = "chring-lazy-lease", .uncontended_only = true, .crash_safe = true,
	.create = lazy_create, .open = lazy_open,
	.lock = chring_lock, .unlock = chring_unlock, .pairs = chring_pairs,
	.destroy = lazy_destroy,
};

const struct subject chring_adaptive_subject = {
	.name = "chring-adaptive", .crash_safe = true,
	.create = chring_create, .open = adaptive_open,
	.lock = chring_lock, .unlock = chring_unlock, .pairs = chring_pairs,
	.destroy = chring_destroy, .idle = made_idle, .forget = made_forget,
};

const struct subject chring_fifo_subject = {
	.name = "chring-fifo", .crash_safe = true,
	.create = chring_create, .open = fifo_open,
	.lock = chring_lock, .unlock = chring_unlock, .pairs = chring_pairs,
	.destroy = chring_destroy,
};

const struct subject chring_strict_subject = {
	.name = "chring-strict", .crash_safe = true,
	.create = chring_create, .open = strict_open,
	.lock = chring_lock, .unlock = chring_unlock, .pairs = chring_pairs,
	.destroy = chring_destroy, .idle = strict_idle,
};

/* To be shared; who writes has it alone. */
const struct subject chring_shared_subject = {
	.name = "chring-shared", .crash_safe = true,
	.create = chring_create, .open = adaptive_open,
	.lock = shared_lock, .unlock = chring_unlock, .pairs = shared_pairs,
	.lock_alone = chring_lock, .destroy = chring_destroy,
};

const struct subject chring_slots_subject = {
	.name = "chring-slots", .crash_safe = true, .slots = SLOTS,
	.create = chring_create, .open = slots_open,
	.lock = chring_lock, .unlock = chring_unlock, .pairs = chring_pairs,
	.destroy = chring_destroy,
};
