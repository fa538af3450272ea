/* SPDX-License-Identifier: GPL-2.0 */
#ifndef RING_TEST_UNALIGNED_H
#define RING_TEST_UNALIGNED_H

#include <endian.h>
#include <linux/types.h>
#include <string.h>

static inline u16 get_unaligned_le16(const void *p)
{
	u16 word;

	memcpy(&word, p, sizeof(word));
	return le16toh(word);
}

static inline u32 get_unaligned_le32(const void *p)
{
	u32 word;

	memcpy(&word, p, sizeof(word));
	return le32toh(word);
}

static inline u64 get_unaligned_le64(const void *p)
{
	u64 word;

	memcpy(&word, p, sizeof(word));
	return le64toh(word);
}

#endif
