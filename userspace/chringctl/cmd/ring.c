// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <stdlib.h>

#include "chringctl.h"
#include "output.h"

/* What a service's replicas have together. */
struct totals {
	double slots;
	double weight;
};

static double share(const struct chring_replica *replica,
		    const struct totals *totals)
{
	return totals->slots ? replica->slots / totals->slots : 0;
}

/* The share that the weight asks for. */
static double due(const struct chring_replica *replica,
		  const struct totals *totals)
{
	return replica->weight / totals->weight;
}

static void print_share(const char *key, double value)
{
	char text[16];

	snprintf(text, sizeof(text), "%6.2f%%", 100 * value);
	output_string(OUTPUT_TEXT, key, text);
	output_decimal(OUTPUT_JSON, key, value);
}

static void print_replica(const struct chring_replica *replica,
			  const struct totals *totals)
{
	output_object_begin();
	output_word(OUTPUT_BOTH, "name", replica->name);
	output_number(OUTPUT_BOTH, "weight", replica->weight);
	output_number(OUTPUT_BOTH, "points", replica->points);
	output_number(OUTPUT_BOTH, "slots", replica->slots);
	print_share("share", share(replica, totals));
	print_share("due", due(replica, totals));
	output_object_end();
}

/* How far the most loaded replica is above what is due to it. */
static double peak_to_mean(const struct chring_replica *replicas, size_t count,
			   const struct totals *totals)
{
	double peak = 0;
	double ratio;
	size_t i;

	for (i = 0; i < count; i++) {
		ratio = share(&replicas[i], totals) / due(&replicas[i], totals);
		if (ratio > peak)
			peak = ratio;
	}
	return peak;
}

static void print_ring(const struct chring_service *service,
		       const struct chring_replica *replicas, size_t count)
{
	struct totals totals = { 0 };
	double peak;
	size_t i;

	for (i = 0; i < count; i++) {
		totals.slots += replicas[i].slots;
		totals.weight += replicas[i].weight;
	}

	output_object_begin();
	output_word(OUTPUT_BOTH, "service", service->name);
	output_number(OUTPUT_BOTH, "slots", service->slots);
	output_number(OUTPUT_BOTH, "points", service->points);
	if (count) {
		peak = peak_to_mean(replicas, count, &totals);
		output_decimal(OUTPUT_TEXT, "peak/mean", peak);
		output_decimal(OUTPUT_JSON, "peak-to-mean", peak);
	}
	output_array_begin("replica");
	for (i = 0; i < count; i++)
		print_replica(&replicas[i], &totals);
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
