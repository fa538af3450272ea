// SPDX-License-Identifier: GPL-2.0
/*
 * The ring as its definition has it, and as slow as that makes it.
 */

#include <stdlib.h>
#include <string.h>

#include <linux/kernel.h>

#include "model.h"

static int compare(const void *left, const void *right)
{
	const struct model_point *a = left;
	const struct model_point *b = right;
	int names;

	if (a->point != b->point)
		return a->point < b->point ? -1 : 1;
	names = strcmp(a->member->name, b->member->name);
	if (names)
		return names;
	return a->number < b->number ? -1 : a->number > b->number;
}

void model_build(struct model *model, const siphash_key_t *seed,
		 struct chring_member *const *members, u32 nr_members)
{
	struct model_point *p;
	u64 digest;
	u32 i, j;

	model->nr_points = 0;
	for (i = 0; i < nr_members; i++)
		model->nr_points += members[i]->nr_vnodes;
	model->points = calloc(model->nr_points + 1, sizeof(*p));
	if (!model->points)
		abort();

	p = model->points;
	for (i = 0; i < nr_members; i++) {
		digest = siphash(members[i]->name, strlen(members[i]->name), seed);
		for (j = 0; j < members[i]->nr_vnodes; j++, p++) {
			p->point = siphash_2u64(digest, j, seed);
			p->number = j;
			p->member = members[i];
		}
	}
	qsort(model->points, model->nr_points, sizeof(*p), compare);
}

void model_free(struct model *model)
{
	free(model->points);
}

/* Place in the array of the first point at or after @point, else 0 */
static u32 successor(const struct model *model, u32 point)
{
	u32 low = 0, high = model->nr_points;
	u32 middle;

	while (low < high) {
		middle = (low + high) / 2;
		if (model->points[middle].point < point)
			low = middle + 1;
		else
			high = middle;
	}
	return low < model->nr_points ? low : 0;
}

struct chring_member *model_successor(const struct model *model, u32 point)
{
	if (!model->nr_points)
		return NULL;
	return model->points[successor(model, point)].member;
}

void model_fill(const struct model *model, unsigned int order, u16 *owner,
		u16 *standin)
{
	struct chring_member *member;
	u32 slot, place, i;

	for (slot = 0; slot < 1U << order; slot++) {
		owner[slot] = CHRING_NO_MEMBER;
		standin[slot] = CHRING_NO_MEMBER;
		if (!model->nr_points)
			continue;
		place = successor(model, slot << (32 - order));
		member = model->points[place].member;
		owner[slot] = member->index;
		for (i = 0; i < model->nr_points; i++) {
			standin[slot] = model->points[place].member->index;
			if (model->points[place].member != member)
				break;
			place = (place + 1) % model->nr_points;
		}
	}
}
