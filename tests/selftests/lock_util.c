// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <linux/chring_lock.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "lock_util.h"
#include "request.h"

/*
 * What the kernel says of a lock, to the handle of this descriptor: "free, held, or
 * mine", how many wait, and news if there is. Valid until the next call.
 */
const char *lock_state_of(int fd)
{
	struct chring_lock_stat stat = { .size = sizeof(stat) };
	static char text[80];

	if (ioctl(fd, CHRING_IOC_STAT, &stat))
		return strerror(errno);
	snprintf(text, sizeof(text), "%s, %u wait%s%s%s%s%s",
		 stat.flags & CHRING_STAT_MINE ? "mine" :
		 stat.flags & CHRING_STAT_HELD ? "held" : "free", stat.waiters,
		 stat.flags & CHRING_STAT_LOST ? ", lost" : "",
		 stat.news & CHRING_NEWS_OWNER_DIED ? ", owner died" : "",
		 stat.news & CHRING_NEWS_BROKEN ? ", broken" : "",
		 stat.news & CHRING_NEWS_CORRUPT ? ", corrupt" : "",
		 stat.news & CHRING_NEWS_EXPIRED ? ", expired" : "");
	return text;
}

const char *lock_state(struct chring_lock *lock)
{
	return lock_state_of(chring_lock_fd(lock));
}

/* Wait until so many wait. */
bool lock_waits(struct chring_lock *lock, unsigned int waiters)
{
	struct chring_lock_stat stat = { .size = sizeof(stat) };
	long end = milliseconds() + WAIT_MS;

	do {
		if (ioctl(chring_lock_fd(lock), CHRING_IOC_STAT, &stat))
			return false;
		if (stat.waiters == waiters)
			return true;
		pause_ms(1);
	} while (milliseconds() < end);
	return false;
}

/* Wait until a lock is as lock_state() says. */
bool lock_is(struct chring_lock *lock, const char *state)
{
	long end = milliseconds() + WAIT_MS;

	while (strcmp(lock_state(lock), state)) {
		if (milliseconds() >= end)
			return false;
		pause_ms(1);
	}
	return true;
}

static int by_name(const char *name,
		   int (*call)(struct chring *chring, const char *name))
{
	struct chring *chring = chring_alloc();
	int ret;

	ret = chring_open(chring);
	if (!ret)
		ret = call(chring, name);
	chring_free(chring);
	return ret;
}

int lock_break(const char *name)
{
	return by_name(name, chring_lock_break);
}

/* So that its holders have a lease, at whose end the lock is taken from them. */
int lock_make_leased(const char *name, uint32_t flags, uint32_t ttl_ms)
{
	struct chring_lock_request request = {
		.name = name,
		.flags = flags,
		.mode = CHRING_LOCK_KEEP,
		.owner = CHRING_LOCK_KEEP,
		.group = CHRING_LOCK_KEEP,
		.ttl_ms = ttl_ms,
		.expiry = CHRING_EXPIRY_FENCE,
	};
	struct chring *chring = chring_alloc();
	int ret;

	ret = chring_open(chring);
	if (!ret)
		ret = chring_lock_new(chring, &request);
	chring_free(chring);
	return ret;
}

int lock_delete(const char *name)
{
	return by_name(name, chring_lock_del);
}
