/* SPDX-License-Identifier: GPL-2.0 */
#ifndef RING_TEST_RANDOM_H
#define RING_TEST_RANDOM_H

#include <linux/types.h>

/* SplitMix64: small, and the same everywhere for the same seed */
static inline u64 random_u64(u64 *state)
{
	u64 z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

/* Uniform enough below a small bound */
static inline u32 random_below(u64 *state, u32 bound)
{
	return (random_u64(state) >> 32) * bound >> 32;
}

#endif
