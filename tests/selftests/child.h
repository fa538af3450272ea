/* SPDX-License-Identifier: GPL-2.0 */
/* Processes that tests start, and end. */
#ifndef CHILD_H
#define CHILD_H

#include <sys/types.h>

/* A fork() whose child ends with its parent. */
pid_t fork_child(void);

/* Kills a child, and waits for its end. */
void end_child(pid_t pid);

#endif /* CHILD_H */
