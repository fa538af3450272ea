/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CHRING_NOTIFY_H
#define CHRING_NOTIFY_H

#include <uapi/linux/chring.h>

struct chring_lock;
struct chring_replica;
struct chring_service;

void chring_notify_service_locked(enum chring_cmd cmd,
				  struct chring_service *service);
void chring_notify_replica_locked(enum chring_cmd cmd,
				  const struct chring_service *service,
				  const struct chring_replica *replica);
void chring_notify_lock(enum chring_cmd cmd, struct chring_lock *lock);
void chring_notify_lock_news(struct chring_lock *lock, u32 news, u64 token);

#endif /* CHRING_NOTIFY_H */
