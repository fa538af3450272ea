/* SPDX-License-Identifier: GPL-2.0 */
#ifndef RING_TEST_MODEL_H
#define RING_TEST_MODEL_H

#include "ring.h"

/* What a ring ought to be: all its points in a sorted array */
struct model_point {
	u32 point;
	u32 number;
	struct chring_member *member;
};

struct model {
	struct model_point *points;
	u32 nr_points;
};

void model_build(struct model *model, const siphash_key_t *seed,
		 struct chring_member *const *members, u32 nr_members);
void model_free(struct model *model);
struct chring_member *model_successor(const struct model *model, u32 point);
void model_fill(const struct model *model, unsigned int order, u16 *owner,
		u16 *standin);

#endif
