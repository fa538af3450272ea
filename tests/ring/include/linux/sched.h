/* SPDX-License-Identifier: GPL-2.0 */
#ifndef RING_TEST_SCHED_H
#define RING_TEST_SCHED_H

#define cond_resched() do { } while (0)

#endif
