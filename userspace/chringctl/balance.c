// SPDX-License-Identifier: GPL-2.0
/* How far a service's slots are shared as its replicas' weights say. */
#include <stdio.h>

#include "chringctl.h"
#include "output.h"

/* A replica that has no weight is not there. */
void balance_add(struct balance *balance, uint32_t slots, uint32_t weight)
{
	double ratio;

	balance->slots += slots;
	balance->weight += weight;
	if (!weight)
		return;
	ratio = (double)slots / weight;
	if (ratio > balance->peak)
		balance->peak = ratio;
}

/* How far the most loaded replica is above what is due to it; 0 without any. */
double balance_peak(const struct balance *balance)
{
	if (!balance->slots)
		return 0;
	return balance->peak * balance->weight / balance->slots;
}

void print_share(const char *key, double value)
{
	char text[16];

	snprintf(text, sizeof(text), "%6.2f%%", 100 * value);
	output_string(OUTPUT_TEXT, key, text);
	output_decimal(OUTPUT_JSON, key, value);
}
