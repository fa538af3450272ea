/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of locks share: handles as the kernel gives them, without
 * libchring, and waiting for things to happen.
 *
 * Calls return 0 or a negative errno.
 */
#ifndef LOCK_RAW_H
#define LOCK_RAW_H

#include <linux/chring_lock.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "child.h"
#include "patience.h"

/* No condition takes as long, however slow the machine. */
#define PATIENCE_MS	30000

#define NS_PER_MS	1000000LL

/**
 * struct handle - a handle of a lock
 * @fd: its descriptor
 * @id: its id, as the word has it
 * @flags: what the lock is
 * @word: the mapped word, NULL where it is not mapped
 * @info: what is mapped beside it
 */
struct handle {
	int fd;
	uint32_t id;
	uint32_t flags;
	volatile uint64_t *word;
	const volatile struct chring_lock_info *info;
};

int handle_open(struct handle *handle, const char *name, unsigned int flags);
int handle_open_slots(struct handle *handle, const char *name,
		      unsigned int flags, unsigned int slots);
int handle_map(struct handle *handle);
void handle_unmap(struct handle *handle);
int handles_open(struct handle *handles, int count, const char *name,
		 unsigned int flags, unsigned int slots);
void handles_close(const struct handle *handles, int count);
int handle_lease(const struct handle *handle, unsigned int flags,
		 long long deadline, uint32_t ttl_ms,
		 struct chring_lock_acquire *acquired);
int handle_acquire(const struct handle *handle, unsigned int flags,
		   long long deadline, struct chring_lock_acquire *acquired);
int handle_try(const struct handle *handle,
	       struct chring_lock_acquire *acquired);
int handle_ask(const struct handle *handle, unsigned int flags,
	       uint32_t ttl_ms, struct chring_lock_acquire *acquired);
int handle_finish(const struct handle *handle,
		  struct chring_lock_finish *finished);
int handle_cancel(const struct handle *handle);
int handle_release(const struct handle *handle, uint64_t token);
int handle_consistent(const struct handle *handle, uint64_t token);
int handle_stat(const struct handle *handle, struct chring_lock_stat *stat);
int handle_adopt(struct handle *handle, struct chring_lock_adopt *adopted);
int handle_close(const struct handle *handle);
int handle_poll(const struct handle *handle);

/* Over a socket; receiving returns the descriptor. */
int send_descriptor(int socket, int fd);
int receive_descriptor(int socket);

/* What STAT says, or what cannot be where it fails. */
int waiters_of(const struct handle *handle);
unsigned int news_of(const struct handle *handle);
bool is_held(const struct handle *handle);
bool is_mine(const struct handle *handle);

/**
 * struct sleeper - a thread that acquires, and sleeps for it
 * @handle: with this handle
 * @got: what it asks for, then what it has
 * @thread: itself
 * @result: what came of it
 */
struct sleeper {
	struct handle *handle;
	struct chring_lock_acquire got;
	pthread_t thread;
	int result;
};

/* It may be in the queue then, or not yet, or have what it wants. */
int sleeper_start(struct sleeper *sleeper, struct handle *handle,
		  unsigned int flags, int patience_ms, uint32_t ttl_ms);
/* Returns once it is in the queue, behind so many. */
bool sleeper_queue(struct sleeper *sleeper, struct handle *handle,
		   unsigned int flags, int before);
/* Waits for its end; returns its result. */
int sleeper_end(struct sleeper *sleeper);

/*
 * A process that acquires a lock, and stays. Its token is there once it is not 0:
 * in memory that is shared, where it is asked for.
 */
pid_t holder_start(const char *name, unsigned int flags, uint64_t *token);

/* The fast path, as chring_lock.h has it; false where it does not go. */
bool word_take(const struct handle *handle, uint64_t *token);
bool word_release(const struct handle *handle, uint64_t token);

long long now_ns(void);
long long in_ms(int ms);
void pause_us(int us);
bool sleeps(pid_t pid);
int exit_status(pid_t pid);
int set_parameter(const char *name, long value);
long get_parameter(const char *name);
long number_in(const char *path);

/* Waits until a condition holds; says whether it does. */
#define wait_until(condition) ({					\
	long long __deadline = in_ms(PATIENCE_MS);			\
	bool __holds;							\
	while (!(__holds = (condition)) && now_ns() < __deadline)	\
		pause_us(1000);						\
	__holds;							\
})

#endif /* LOCK_RAW_H */
