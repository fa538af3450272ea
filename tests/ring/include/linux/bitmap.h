/* SPDX-License-Identifier: GPL-2.0 */
#ifndef RING_TEST_BITMAP_H
#define RING_TEST_BITMAP_H

#include <limits.h>
#include <stdbool.h>

#define BITMAP_BITS		(sizeof(long) * CHAR_BIT)
#define BITS_TO_LONGS(nr)	(((nr) + BITMAP_BITS - 1) / BITMAP_BITS)

static inline void __set_bit(unsigned long nr, unsigned long *bitmap)
{
	bitmap[nr / BITMAP_BITS] |= 1UL << nr % BITMAP_BITS;
}

static inline bool test_bit(unsigned long nr, const unsigned long *bitmap)
{
	return bitmap[nr / BITMAP_BITS] >> nr % BITMAP_BITS & 1;
}

/* All of the last word, as the kernel may, too */
static inline void bitmap_fill(unsigned long *bitmap, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < BITS_TO_LONGS(nr); i++)
		bitmap[i] = ~0UL;
}

static inline void bitmap_zero(unsigned long *bitmap, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < BITS_TO_LONGS(nr); i++)
		bitmap[i] = 0;
}

static inline unsigned int bitmap_weight(const unsigned long *bitmap,
					 unsigned int nr)
{
	unsigned int i, weight = 0;

	for (i = 0; i < nr; i++)
		weight += test_bit(i, bitmap);
	return weight;
}

#define for_each_set_bit(bit, bitmap, size)				\
	for ((bit) = 0; (bit) < (size); (bit)++)			\
		if (test_bit(bit, bitmap))

#endif
