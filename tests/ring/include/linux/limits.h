/* SPDX-License-Identifier: GPL-2.0 */
#ifndef RING_TEST_LIMITS_H
#define RING_TEST_LIMITS_H

#define U16_MAX ((u16)~0U)
#define U32_MAX ((u32)~0U)

#endif
