/* SPDX-License-Identifier: GPL-2.0 */
#ifndef RING_TEST_COMPILER_H
#define RING_TEST_COMPILER_H

/* glibc has __always_inline already */
#include <sys/cdefs.h>

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define fallthrough __attribute__((fallthrough))
#define __aligned(n) __attribute__((aligned(n)))
#define WRITE_ONCE(x, value) (*(volatile typeof(x) *)&(x) = (value))

#endif
