/* SPDX-License-Identifier: GPL-2.0 */
#ifndef RING_TEST_KTAP_H
#define RING_TEST_KTAP_H

#include <stdbool.h>
#include <stdio.h>

#include <linux/types.h>

/* A failure says what is wrong and where, and ends the test */
#define CHECK(condition, ...) do {					\
	if (!(condition)) {						\
		printf("# %s:%d: !(%s): ", __FILE__, __LINE__, #condition); \
		printf(__VA_ARGS__);					\
		printf("\n");						\
		return false;						\
	}								\
} while (0)

#define TEST(name) { #name, name }

struct test {
	const char *name;
	bool (*run)(void);
};

/* What tests draw random numbers from */
extern u64 random_state;

/*
 * Runs tests as a program of the arguments [SEED], which makes a run
 * repeatable: without it, it comes from the clock. It is printed either way.
 */
int run_tests(const struct test *tests, u32 nr, int argc, char **argv);

#endif
