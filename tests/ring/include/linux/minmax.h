/* SPDX-License-Identifier: GPL-2.0 */
#ifndef RING_TEST_MINMAX_H
#define RING_TEST_MINMAX_H

#define min(x, y) ((x) < (y) ? (x) : (y))

#endif
