/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CHRING_HANDLE_H
#define CHRING_HANDLE_H

#include <linux/types.h>

struct chring_grant;
struct chring_handle;
struct chring_lock_args;
struct chring_lock_stat;
struct net;
struct vm_area_struct;

struct chring_handle *chring_handle_open(struct net *net,
					 const struct chring_lock_args *args);
void chring_handle_end(struct chring_handle *handle);
int chring_handle_adopt(struct chring_handle *handle,
			struct chring_grant *grant, u32 *id);
int chring_handle_stat(struct chring_handle *handle,
		       struct chring_lock_stat *stat);
int chring_handle_mmap(struct chring_handle *handle,
		       struct vm_area_struct *vma);
__poll_t chring_handle_poll(struct chring_handle *handle);

int chring_handle_init(void);
void chring_handle_exit(void);

#endif /* CHRING_HANDLE_H */
