// SPDX-License-Identifier: LGPL-2.1-or-later
/* A process and those that it has started, as /proc shows them. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "private.h"

struct relative {
	pid_t pid;
	pid_t parent;
	bool belongs;		/* to the family that is looked for */
};

/* 0 where there is no such process, or none any more. */
static pid_t parent_of(const char *pid)
{
	char text[512];
	size_t length;
	char *command;
	FILE *file;
	int parent;

	snprintf(text, sizeof(text), "/proc/%s/stat", pid);
	file = fopen(text, "re");
	if (!file)
		return 0;
	length = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[length] = '\0';

	/* The name may have spaces and parentheses of its own. */
	command = strrchr(text, ')');
	if (!command || sscanf(command, ") %*c %d", &parent) != 1)
		return 0;
	return parent;
}

static int list_processes(struct chring *chring, struct chring_list *processes)
{
	struct relative *relative;
	struct dirent *entry;
	pid_t parent;
	int ret = 0;
	DIR *dir;

	dir = opendir("/proc");
	if (!dir)
		return chring_fail_errno(chring, errno, "cannot read /proc");
	while (!ret && (entry = readdir(dir))) {
		if (!atoi(entry->d_name))
			continue;
		parent = parent_of(entry->d_name);
		if (!parent)
			continue;
		relative = chring_list_add(chring, processes);
		if (relative) {
			relative->pid = atoi(entry->d_name);
			relative->parent = parent;
		} else {
			ret = -ENOMEM;
		}
	}
	closedir(dir);
	return ret;
}

static bool belongs(const struct chring_list *processes, pid_t pid)
{
	const struct relative *relative = processes->items;
	size_t i;

	for (i = 0; i < processes->count; i++, relative++) {
		if (relative->pid == pid)
			return relative->belongs;
	}
	return false;
}

/* Numbers start again from below: a child's may be less than its parent's. */
static void mark_family(struct chring_list *processes, pid_t pid)
{
	struct relative *relative;
	bool grew;
	size_t i;

	do {
		grew = false;
		relative = processes->items;
		for (i = 0; i < processes->count; i++, relative++) {
			if (relative->belongs || relative->pid == pid ||
			    (relative->parent != pid &&
			     !belongs(processes, relative->parent)))
				continue;
			relative->belongs = true;
			grew = true;
		}
	} while (grew);
}

static int add_pid(struct chring *chring, struct chring_list *pids, pid_t pid)
{
	pid_t *added = chring_list_add(chring, pids);

	if (!added)
		return -ENOMEM;
	*added = pid;
	return 0;
}

/* Fills @pids: first @pid, then those it started, directly or not. */
int chring_list_family(struct chring *chring, pid_t pid,
		       struct chring_list *pids)
{
	struct chring_list processes = {
		.item_size = sizeof(struct relative),
	};
	struct relative *relative;
	size_t i;
	int ret;

	ret = list_processes(chring, &processes);
	if (!ret) {
		mark_family(&processes, pid);
		ret = add_pid(chring, pids, pid);
	}
	relative = processes.items;
	for (i = 0; !ret && i < processes.count; i++, relative++) {
		if (relative->belongs)
			ret = add_pid(chring, pids, relative->pid);
	}
	free(processes.items);
	return ret;
}
