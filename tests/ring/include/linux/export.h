/* SPDX-License-Identifier: GPL-2.0 */
#ifndef RING_TEST_EXPORT_H
#define RING_TEST_EXPORT_H

#define EXPORT_SYMBOL(symbol) _Static_assert(1, #symbol)

#endif
