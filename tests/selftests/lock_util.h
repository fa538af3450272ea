/* SPDX-License-Identifier: GPL-2.0 */
/* Locks: what the kernel thinks of them, and waiting for it. */
#ifndef CHRING_TESTS_LOCK_UTIL_H
#define CHRING_TESTS_LOCK_UTIL_H

#include <stdbool.h>
#include <stdint.h>

#include "chring.h"
#include "patience.h"

const char *lock_state_of(int fd);
const char *lock_state(struct chring_lock *lock);
bool lock_waits(struct chring_lock *lock, unsigned int waiters);
bool lock_is(struct chring_lock *lock, const char *state);
int lock_break(const char *name);
int lock_make_leased(const char *name, uint32_t flags, uint32_t ttl_ms);
int lock_delete(const char *name);

#endif /* CHRING_TESTS_LOCK_UTIL_H */
