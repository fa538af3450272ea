// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>

#include "chringctl.h"
#include "output.h"

static enum status next_weight(struct args *args, uint32_t *weight)
{
	return next_number(args, "weight", 1, CHRING_WEIGHT_MAX, weight);
}

static enum status next_change(struct args *args,
			       struct chring_change *change)
{
	enum status status;

	if (take_word(args, "add"))
		change->change = CHRING_CHANGE_ADD;
	else if (take_word(args, "weight"))
		change->change = CHRING_CHANGE_WEIGHT;
	else if (take_word(args, "del"))
		change->change = CHRING_CHANGE_DEL;
	else
		return mistake("add NAME, del NAME or weight NAME W is missing");

	status = next_word(args, "NAME", &change->name);
	if (!status && (change->change == CHRING_CHANGE_WEIGHT ||
			(change->change == CHRING_CHANGE_ADD &&
			 take_word(args, "weight"))))
		status = next_weight(args, &change->weight);
	return status;
}

static void print_replica(const struct chring_replica_plan *replica)
{
	output_object_begin();
	output_word(OUTPUT_BOTH, "name", replica->name);
	output_number(OUTPUT_BOTH, "weight", replica->weight);
	output_number(OUTPUT_JSON, "weight-then", replica->weight_then);
	output_number(OUTPUT_TEXT, "then", replica->weight_then);
	output_number(OUTPUT_BOTH, "slots", replica->slots);
	output_number(OUTPUT_JSON, "slots-then", replica->slots_then);
	output_number(OUTPUT_TEXT, "then", replica->slots_then);
	output_number(OUTPUT_BOTH, "takes", replica->takes);
	output_number(OUTPUT_BOTH, "gives", replica->gives);
	output_object_end();
}

static void print_plan(const char *service, const struct chring_plan *plan)
{
	struct balance now = { 0 }, then = { 0 };
	const struct chring_replica_plan *replica;
	size_t i;

	for (i = 0; i < plan->count; i++) {
		replica = &plan->replicas[i];
		balance_add(&now, replica->slots, replica->weight);
		balance_add(&then, replica->slots_then, replica->weight_then);
	}

	output_object_begin();
	output_word(OUTPUT_BOTH, "service", service);
	output_number(OUTPUT_BOTH, "slots", plan->slots);
	output_number(OUTPUT_BOTH, "moves", plan->moves);
	print_share("share", (double)plan->moves / plan->slots);
	output_decimal(OUTPUT_TEXT, "peak/mean", balance_peak(&now));
	output_decimal(OUTPUT_TEXT, "then", balance_peak(&then));
	output_decimal(OUTPUT_JSON, "peak-to-mean", balance_peak(&now));
	output_decimal(OUTPUT_JSON, "peak-to-mean-then", balance_peak(&then));
	output_array_begin("replica");
	for (i = 0; i < plan->count; i++)
		print_replica(&plan->replicas[i]);
	output_array_end();
	output_object_end();
}

enum status plan(struct chring *chring, struct args *args)
{
	struct chring_change change = { 0 };
	struct chring_plan answer;
	const char *service;
	enum status status;
	int ret;

	status = next_word(args, "SERVICE", &service);
	if (!status)
		status = next_change(args, &change);
	if (!status)
		status = no_more_words(args);
	if (status)
		return status;

	ret = chring_open(chring);
	if (!ret)
		ret = chring_replica_plan(chring, service, &change, &answer);
	if (ret < 0)
		return outcome(chring, ret);
	print_plan(service, &answer);
	free(answer.replicas);
	return STATUS_DONE;
}
