// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>

#include "chringctl.h"
#include "output.h"

static void print_replica(const struct chring_replica *replica,
			  const struct balance *balance)
{
	output_object_begin();
	output_word(OUTPUT_BOTH, "name", replica->name);
	output_number(OUTPUT_BOTH, "weight", replica->weight);
	output_number(OUTPUT_BOTH, "points", replica->points);
	output_number(OUTPUT_BOTH, "slots", replica->slots);
	print_share("share", balance->slots ?
			     replica->slots / balance->slots : 0);
	print_share("due", replica->weight / balance->weight);
	output_object_end();
}

static void print_ring(const struct chring_service *service,
		       const struct chring_replica *replicas, size_t count)
{
	struct balance balance = { 0 };
	size_t i;

	for (i = 0; i < count; i++)
		balance_add(&balance, replicas[i].slots, replicas[i].weight);

	output_object_begin();
	output_word(OUTPUT_BOTH, "service", service->name);
	output_number(OUTPUT_BOTH, "slots", service->slots);
	output_number(OUTPUT_BOTH, "points", service->points);
	if (count) {
		output_decimal(OUTPUT_TEXT, "peak/mean", balance_peak(&balance));
		output_decimal(OUTPUT_JSON, "peak-to-mean",
			       balance_peak(&balance));
	}
	output_array_begin("replica");
	for (i = 0; i < count; i++)
		print_replica(&replicas[i], &balance);
	output_array_end();
	output_object_end();
}

enum status ring_show(struct chring *chring, struct args *args)
{
	struct chring_replica *replicas;
	struct chring_service service;
	enum status status;
	const char *name;
	size_t count;
	int ret;

	status = next_word(args, "SERVICE", &name);
	if (!status)
		status = no_more_words(args);
	if (status)
		return status;

	ret = chring_open(chring);
	if (!ret)
		ret = chring_service_get(chring, name, &service);
	if (!ret)
		ret = chring_replica_dump(chring, name, &replicas, &count);
	if (ret < 0)
		return outcome(chring, ret);
	print_ring(&service, replicas, count);
	free(replicas);
	return STATUS_DONE;
}
