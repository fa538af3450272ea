/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CHRING_LOCK_ASYNC_H
#define CHRING_LOCK_ASYNC_H

#include <linux/types.h>

struct chring_grant;
struct chring_handle;

int chring_async_acquire(struct chring_handle *handle, u32 flags, u32 ttl_ms,
			 struct chring_grant *grant);
int chring_async_finish(struct chring_handle *handle,
			struct chring_grant *grant);
int chring_async_cancel(struct chring_handle *handle);
void chring_async_end(struct chring_handle *handle);
bool chring_async_is_done_locked(const struct chring_handle *handle);

#endif /* CHRING_LOCK_ASYNC_H */
