// SPDX-License-Identifier: GPL-2.0
/* A command with a socket of a service, which is a replica while it runs. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "chringctl.h"

struct job {
	const char *service;
	const char *name;
	uint32_t weight;	/* 0: the default */
	uint32_t ramp;
	bool replace;
	char **words;
	int fd;			/* the socket */
	uint64_t inode;		/* its number */
};

static enum status parse_job(struct args *args, struct job *job)
{
	enum status status;

	status = next_word(args, "SERVICE", &job->service);
	if (!status)
		status = next_word(args, "NAME", &job->name);
	while (!status && !take_word(args, "--")) {
		if (!job->replace && take_word(args, "replace")) {
			job->replace = true;
		} else if (!job->weight && take_word(args, "weight")) {
			status = next_number(args, "weight", 1,
					     CHRING_WEIGHT_MAX, &job->weight);
		} else if (!job->ramp && take_word(args, "ramp")) {
			status = next_number(args, "ramp", 1,
					     CHRING_SECONDS_MAX, &job->ramp);
		} else {
			status = no_such_option(args);
		}
	}
	return status ? status : take_command(args, &job->words);
}

/* A port is shared by the sockets of one user: the service's owner's. */
static bool give_to_owner(int fd, uid_t owner)
{
	return owner == geteuid() || !fchown(fd, owner, -1);
}

static bool take_port(int fd, const struct chring_service *service)
{
	socklen_t size = service->local.sa.sa_family == AF_INET ?
			 sizeof(service->local.in) : sizeof(service->local.in6);
	int v6only = service->v6only;
	int one = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)))
		return false;
	/* So that connections of those before, in TIME_WAIT, are no obstacle. */
	if (service->protocol == IPPROTO_TCP &&
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)))
		return false;
	if (service->local.sa.sa_family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only)))
		return false;
	if (bind(fd, &service->local.sa, size))
		return false;
	return service->protocol != IPPROTO_TCP || !listen(fd, SOMAXCONN);
}

static enum status make_socket(const struct chring_service *service,
			       struct job *job)
{
	int type = service->protocol == IPPROTO_TCP ? SOCK_STREAM : SOCK_DGRAM;
	struct stat stat;

	job->fd = socket(service->local.sa.sa_family, type | SOCK_CLOEXEC, 0);
	if (job->fd < 0)
		return failure("cannot make a socket: %s", strerror(errno));
	if (!give_to_owner(job->fd, service->owner))
		return failure("cannot make a socket of user %u, who owns service '%s': %s",
			       service->owner, job->service, strerror(errno));
	if (!take_port(job->fd, service) || fstat(job->fd, &stat))
		return failure("cannot take the port of service '%s': %s",
			       job->service, strerror(errno));
	job->inode = stat.st_ino;
	return STATUS_DONE;
}

/* Whether who had the name is no longer there to have it. */
static bool is_free_since(struct chring *chring, const struct job *job)
{
	struct chring_replica replica;
	int ret;

	ret = chring_replica_get(chring, job->service, job->name, &replica);
	return ret == -ENOENT || (!ret && replica.state == CHRING_REPLICA_DEAD);
}

static enum status enter(struct chring *chring, const struct job *job)
{
	const struct chring_replica_request request = {
		.name		= job->name,
		.fd		= job->fd,
		.weight		= job->weight,
		.ramp		= job->ramp,
		.replace	= job->replace,
	};
	int ret;

	do {
		ret = chring_replica_new(chring, job->service, &request, 1);
		if (ret != -EEXIST)
			return outcome(chring, ret);
	} while (is_free_since(chring, job));
	return failure("there is a replica '%s' already (try: replace)",
		       job->name);
}

/* The command may have left its socket to others; another may have the name. */
static void leave(struct chring *chring, const struct job *job)
{
	chring_replica_del_socket(chring, job->service, job->name, job->inode);
}

static enum status run_job(struct chring *chring, struct job *job)
{
	const struct handed_socket handed = {
		.fd	= job->fd,
		.name	= job->service,
	};
	struct program program = {
		.words		= job->words,
		.watched	= -1,
		.socket		= &handed,
	};
	enum status status;

	status = enter(chring, job);
	if (status) {
		close(job->fd);
		return status;
	}
	status = program_run(&program);
	leave(chring, job);
	return status;
}

enum status replica_run(struct chring *chring, struct args *args)
{
	struct chring_service service;
	struct job job = { .fd = -1 };
	enum status status;
	int ret;

	status = parse_job(args, &job);
	if (status)
		return status;
	ret = chring_open(chring);
	if (!ret)
		ret = chring_service_get(chring, job.service, &service);
	if (ret < 0)
		return outcome(chring, ret);

	status = make_socket(&service, &job);
	if (!status)
		return run_job(chring, &job);
	if (job.fd >= 0)
		close(job.fd);
	return status;
}
