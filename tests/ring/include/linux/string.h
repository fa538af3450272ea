/* SPDX-License-Identifier: GPL-2.0 */
#ifndef RING_TEST_STRING_H
#define RING_TEST_STRING_H

#include <linux/types.h>
#include <string.h>

static inline void memset16(u16 *p, u16 value, size_t nr)
{
	while (nr--)
		*p++ = value;
}

#endif
