/* SPDX-License-Identifier: GPL-2.0 */
#ifndef RING_TEST_SLAB_H
#define RING_TEST_SLAB_H

#include <stdlib.h>

#define GFP_KERNEL_ACCOUNT 0
#define kzalloc(size, flags) calloc(1, size)
#define kfree(p) free(p)
#define kvmalloc(size, flags) malloc(size)
#define kvmalloc_array(n, size, flags) reallocarray(NULL, n, size)
#define kvfree(p) free(p)

#endif
