/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Requests of /dev/chring as they are, without libchring. They return 0 or
 * more, or a negative errno.
 */
#ifndef LOCK_DEVICE_H
#define LOCK_DEVICE_H

#include <linux/chring_lock.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "patience.h"

/* No condition takes as long, however slow the machine. */
#define WAIT_NS (30 * 1000000000LL)

#define wait_until(condition) ({					\
	int64_t __end = now_ns() + WAIT_NS;				\
	bool __holds;							\
	while (!(__holds = (condition)) && now_ns() < __end)		\
		nap();							\
	__holds;							\
})
int64_t now_ns(void);
void nap(void);

/* How a child ended: its exit status, or minus the signal. */
int status_of(pid_t pid);

/* What a system call returned, or -errno. */
int result(int value);

/**
 * struct handle - a handle of a lock
 * @fd: its descriptor
 * @id: its id
 * @flags: what the lock is
 * @word: the word, once it is mapped
 * @info: the page that the kernel writes, once it is mapped
 */
struct handle {
	int fd;
	uint32_t id;
	uint32_t flags;
	uint64_t *word;
	const volatile struct chring_lock_info *info;
};

int open_lock(struct handle *handle, const char *name, uint32_t flags,
	      uint32_t mode);
int map_lock(struct handle *handle);
int acquire(const struct handle *handle, uint32_t flags, int64_t deadline,
	    struct chring_lock_acquire *arg);
int release(const struct handle *handle, uint64_t token);
int stat_lock(const struct handle *handle, struct chring_lock_stat *stat);
int adopt(const struct handle *handle, struct chring_lock_adopt *arg);
int waiters(const struct handle *handle);
bool is_held(const struct handle *handle);

/* The fast path. Returns the token, or 0 where it must be the kernel's. */
uint64_t fast_acquire(const struct handle *handle);
bool fast_release(const struct handle *handle, uint64_t token);

#endif /* LOCK_DEVICE_H */
