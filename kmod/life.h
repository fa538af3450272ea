/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CHRING_LIFE_H
#define CHRING_LIFE_H

#include <linux/types.h>
#include <uapi/linux/chring.h>

struct chring_net;
struct chring_replica;
struct chring_service;
struct work_struct;

enum chring_replica_state
chring_replica_state(const struct chring_replica *replica);
void chring_ramp_begin(struct chring_replica *replica, u32 seconds);
void chring_drain_begin(struct chring_replica *replica, u32 seconds);
void chring_drain_steered(struct chring_replica *replica);
void chring_drain_end(struct chring_replica *replica);

void chring_sweep_begin(struct chring_net *cn);
void chring_sweep_service_locked(struct chring_net *cn,
				 struct chring_service *service);
void chring_sweep(struct work_struct *work);

#endif /* CHRING_LIFE_H */
