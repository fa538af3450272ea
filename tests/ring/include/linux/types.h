/* SPDX-License-Identifier: GPL-2.0 */
#ifndef RING_TEST_TYPES_H
#define RING_TEST_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t s32;
typedef uint32_t __le32;
typedef uint64_t __le64;

struct list_head {
	struct list_head *next;
	struct list_head *prev;
};

#endif
