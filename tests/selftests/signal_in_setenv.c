// SPDX-License-Identifier: GPL-2.0
/*
 * To be preloaded: sends the process the signal whose number is in $SIGNAL as
 * soon as it sets a variable of its environment. chringctl lock run does so when
 * it holds the lock and has not started its command.
 */
#define _GNU_SOURCE		/* RTLD_NEXT */
#include <dlfcn.h>
#include <signal.h>
#include <stdlib.h>

int setenv(const char *name, const char *value, int overwrite)
{
	int (*next)(const char *name, const char *value, int overwrite) =
		dlsym(RTLD_NEXT, "setenv");
	const char *number = getenv("SIGNAL");

	if (number)
		raise(atoi(number));
	return next(name, value, overwrite);
}
