/* SPDX-License-Identifier: GPL-2.0 */
#ifndef RING_TEST_SORT_H
#define RING_TEST_SORT_H

#include <stdlib.h>

typedef int (*cmp_func_t)(const void *a, const void *b);

/* The kernel's is not stable either */
#define sort_r(base, nr, size, compare, swap, priv)			\
	qsort_r(base, nr, size, (__compar_d_fn_t)(compare), (void *)(priv))

#endif
