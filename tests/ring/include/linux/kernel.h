/* SPDX-License-Identifier: GPL-2.0 */
#ifndef RING_TEST_KERNEL_H
#define RING_TEST_KERNEL_H

#include <endian.h>
#include <linux/compiler.h>
#include <linux/export.h>
#include <linux/types.h>

/* No CONFIG_ option is set here */
#define IS_ENABLED(CONFIG_option) 0

#define BITS_PER_LONG __LONG_WIDTH__
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define IS_ALIGNED(x, a) (((x) & ((a) - 1)) == 0)
#define lower_32_bits(n) ((u32)(n))

#define le32_to_cpu(x) le32toh(x)
#define le64_to_cpu(x) le64toh(x)
#define le16_to_cpup(p) le16toh(*(const u16 *)(p))
#define le32_to_cpup(p) le32toh(*(const u32 *)(p))
#define le64_to_cpup(p) le64toh(*(const u64 *)(p))

static inline u32 rol32(u32 word, unsigned int shift)
{
	return word << shift | word >> (32 - shift);
}

static inline u64 rol64(u64 word, unsigned int shift)
{
	return word << shift | word >> (64 - shift);
}

#endif
