/* SPDX-License-Identifier: GPL-2.0 */
#ifndef RING_TEST_SORT_H
#define RING_TEST_SORT_H

#include <stdlib.h>

/* The kernel's is not stable either */
#define sort(base, nr, size, compare, swap) qsort(base, nr, size, compare)

#endif
