/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CHRING_SELFTEST_H
#define CHRING_SELFTEST_H

#include <linux/types.h>

/* Tests that debug builds run at load; one that fails refuses the load. */
#ifdef DEBUG
bool chring_selftest_ring(void);
bool chring_selftest_balance(void);
bool chring_selftest_knot(void);
bool chring_selftest_lock(void);
#else
static inline bool chring_selftest_ring(void)
{
	return true;
}

static inline bool chring_selftest_balance(void)
{
	return true;
}

static inline bool chring_selftest_knot(void)
{
	return true;
}

static inline bool chring_selftest_lock(void)
{
	return true;
}
#endif

#endif /* CHRING_SELFTEST_H */
