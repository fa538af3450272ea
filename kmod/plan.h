/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CHRING_PLAN_H
#define CHRING_PLAN_H

#include <linux/types.h>
#include <uapi/linux/chring.h>

struct chring_replicas_request;
struct netlink_ext_ack;

/**
 * struct chring_plan_row - what a change would do to one replica
 * @name: its name; empty where the plan has no such row
 * @weight: that it has; 0 for one that would be added
 * @weight_then: that it would have; 0 for one that would be removed
 * @slots: that it owns
 * @slots_then: that it would own
 * @takes: slots whose flows it would serve, and does not now
 * @gives: slots whose flows it serves now, and would not then
 */
struct chring_plan_row {
	char name[CHRING_NAME_MAX + 1];
	u32 weight;
	u32 weight_then;
	u32 slots;
	u32 slots_then;
	u32 takes;
	u32 gives;
};

/**
 * struct chring_plan - what a change of one replica would do to its service
 * @service: name of the service
 * @nr_slots: slots of its table
 * @nr_moves: slots that another replica would serve than now
 * @nr_rows: length of @row
 * @row: the replicas, now and then, by the index that a table has of them
 */
struct chring_plan {
	char service[CHRING_NAME_MAX + 1];
	u32 nr_slots;
	u32 nr_moves;
	u32 nr_rows;
	struct chring_plan_row row[] __counted_by(nr_rows);
};

struct chring_plan *
chring_plan_make(const struct chring_replicas_request *request,
		 enum chring_replica_change change,
		 struct netlink_ext_ack *extack);
void chring_plan_free(struct chring_plan *plan);

#endif /* CHRING_PLAN_H */
