// SPDX-License-Identifier: GPL-2.0

#include <linux/limits.h>

#include "points.h"

u32 point_mask = U32_MAX;
u32 point_flip;

u64 __wrap_siphash_2u64(u64 first, u64 second, const siphash_key_t *key)
{
	return (__real_siphash_2u64(first, second, key) & point_mask) ^ point_flip;
}
