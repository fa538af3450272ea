// SPDX-License-Identifier: GPL-2.0

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "ktap.h"

u64 random_state;

int run_tests(const struct test *tests, u32 nr, int argc, char **argv)
{
	u64 seed = argc > 1 ? strtoull(argv[1], NULL, 0) : time(NULL);
	int nr_failed = 0;
	bool ok;
	u32 i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("KTAP version 1\n1..%u\n# seed %llu\n", nr,
	       (unsigned long long)seed);
	for (i = 0; i < nr; i++) {
		/* A test draws the same numbers whatever ran before it */
		random_state = seed + i;
		ok = tests[i].run();
		nr_failed += !ok;
		printf("%s %u %s\n", ok ? "ok" : "not ok", i + 1, tests[i].name);
	}
	/* A failed test frees nothing: without a report of that as leaks */
	if (nr_failed)
		_exit(EXIT_FAILURE);
	return EXIT_SUCCESS;
}
