/* SPDX-License-Identifier: GPL-2.0 */
#ifndef RING_TEST_POINTS_H
#define RING_TEST_POINTS_H

#include <linux/siphash.h>

/*
 * The hash that makes the points, and what the linker calls instead of it.
 * Narrowed to a few bits by the mask, points collide all the time; flipped,
 * they reach U32_MAX.
 */
extern u32 point_mask;
extern u32 point_flip;

u64 __real_siphash_2u64(u64 first, u64 second, const siphash_key_t *key);
u64 __wrap_siphash_2u64(u64 first, u64 second, const siphash_key_t *key);

#endif
