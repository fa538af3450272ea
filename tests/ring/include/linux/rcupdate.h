/* SPDX-License-Identifier: GPL-2.0 */
#ifndef RING_TEST_RCUPDATE_H
#define RING_TEST_RCUPDATE_H

#include <linux/compiler.h>
#include <linux/types.h>

/* One thread: nobody reads while it writes */
#define rcu_assign_pointer(p, value) WRITE_ONCE(p, value)
#define rcu_dereference_raw(p) (p)

#endif
