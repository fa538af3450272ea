/* SPDX-License-Identifier: GPL-2.0 */
/* For tests on slow machines, and kernels: to be included after the harness. */
#ifndef PATIENCE_H
#define PATIENCE_H

/* No test takes as long, in seconds. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 600

#endif /* PATIENCE_H */
