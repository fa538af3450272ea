// SPDX-License-Identifier: GPL-2.0
/* chringctl: from the words of the command line to the command. */
#define _GNU_SOURCE		/* setns */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "chringctl.h"
#include "output.h"

#define NETNS_DIRECTORY "/run/netns"

/* Of a command that runs a program, where it has not come to that. */
#define EXIT_CANCELED 125

struct command {
	const char *object;
	const char *verb;	/* NULL where the object has none */
	const char *usage;	/* the words that follow */
	const char *summary;
	command_fn run;
};

struct options {
	const char *netns;
	bool json;
	bool pretty;
};

static const struct command commands[] = {
	{ "service", "add",
	  "NAME tcp|udp ADDRESS:PORT [v6only] [owner USER] [none refuse|hold] [override reattach|leave] [key flow|client|prefix LENGTH [ipv4 LENGTH]|payload OFFSET LENGTH] [balance even|ring] [vnodes N] [slots N] [seed HEX] [grace S]",
	  "make a service", service_add },
	{ "service", "show", "[NAME]",
	  "show one service, or all", service_show },
	{ "service", "set",
	  "NAME owner USER|none refuse|hold|override reattach|leave|balance even|ring|grace S",
	  "change a service, its owner only before its first replica", service_set },
	{ "service", "del", "NAME",
	  "remove a service and its replicas", service_del },
	{ "replica", "add",
	  "SERVICE NAME pid PID [fd N|at ADDRESS:PORT] [weight W] [watch PID] [ramp S] [replace] [NAME pid PID ...]...",
	  "add replicas by their processes, all or none", replica_add },
	{ "replica", "adopt", "SERVICE pid PID [prefix P] [weight W]",
	  "add every socket of a running server as a replica, all or none",
	  replica_adopt },
	{ "replica", "show", "[SERVICE [NAME]]",
	  "show one replica, those of a service, or all", replica_show },
	{ "replica", "set", "SERVICE NAME weight W [NAME weight W]...",
	  "change the weights of replicas, all or none", replica_set },
	{ "replica", "drain", "SERVICE NAME [SECONDS]",
	  "give a replica no new flows, and let it go when idle", replica_drain },
	{ "replica", "up", "SERVICE NAME",
	  "give flows again to a replica that is draining", replica_up },
	{ "replica", "del", "SERVICE NAME [NAME]...",
	  "remove replicas, all or none", replica_del },
	{ "run", NULL, "SERVICE NAME [replace] [weight W] [ramp S] -- COMMAND...",
	  "run a command with a socket that is a replica",
	  replica_run },
	{ "ring", "show", "SERVICE",
	  "show how the ring shares a service among its replicas", ring_show },
	{ "plan", NULL, "SERVICE add NAME [weight W]|del NAME|weight NAME W",
	  "tell what a change of a replica would do, and change nothing", plan },
	{ "lookup", NULL, "SERVICE from ADDRESS:PORT [to ADDRESS] [payload HEX]",
	  "tell which replica a new flow would get", lookup },
	{ "monitor", NULL, "[services] [locks]",
	  "tell of every change, as it happens", monitor },
	{ "lock", "run",
	  "NAME [shared|slots N] [timeout T] [ttl T] [on-loss term|kill|ignore] -- COMMAND...",
	  "run a command that holds a lock", lock_run },
	{ "lock", "show", "[NAME]",
	  "show one lock, or all, and who holds it", lock_show },
	{ "lock", "add",
	  "NAME [mode MODE] [owner USER] [group GROUP] [fifo|adaptive] [strict] [sticky] [slots N] [ttl T] [expiry fence|signal|kill] [eager]",
	  "make a lock that stays", lock_add },
	{ "lock", "set",
	  "NAME [mode MODE] [owner USER] [group GROUP] [fifo|adaptive] [ttl T] [expiry fence|signal|kill]",
	  "change who may use a lock, in which order, for how long", lock_set },
	{ "lock", "del", "NAME",
	  "let a lock go with its last user", lock_del },
	{ "lock", "break", "NAME",
	  "take a lock from its holder", lock_break },
	{ "lock", "token", "NAME TOKEN",
	  "tell whether a token is a holder's, or the newest", lock_token },
	{ }
};

static void print_command(FILE *stream, const struct command *command)
{
	fprintf(stream, "chringctl %s", command->object);
	if (command->verb)
		fprintf(stream, " %s", command->verb);
	fprintf(stream, " %s\n", command->usage);
}

/* The usage of every command of @object. */
static void print_object(FILE *stream, const char *object)
{
	const struct command *command;
	const char *lead = "usage: ";

	for (command = commands; command->object; command++) {
		if (strcmp(command->object, object))
			continue;
		fputs(lead, stream);
		print_command(stream, command);
		lead = "       ";
	}
}

static void print_usage(FILE *stream)
{
	fputs("usage: chringctl [-j] [-p] [-n NETNS] OBJECT VERB [NAME] [KEY VALUE]...\n"
	      "       chringctl [OBJECT [VERB]] -h\n"
	      "       chringctl -V\n", stream);
}

static void print_help(void)
{
	const struct command *command;

	print_usage(stdout);
	putchar('\n');
	for (command = commands; command->object; command++) {
		print_command(stdout, command);
		printf("        %s\n", command->summary);
	}
	puts("\n"
	     "  -j        print JSON\n"
	     "  -p        with -j, print it for people\n"
	     "  -n NETNS  in the network namespace that ip-netns(8) calls NETNS\n"
	     "  -h        help on a command, an object, or all\n"
	     "  -V        print the version");
}

static bool is_help(const char *word)
{
	return !strcmp(word, "-h") || !strcmp(word, "--help");
}

static bool has_help(const struct args *args)
{
	int i;

	for (i = 0; i < args->left; i++) {
		/* What follows is another program's. */
		if (!strcmp(args->words[i], "--"))
			return false;
		if (is_help(args->words[i]))
			return true;
	}
	return false;
}

/* What all commands of @object have in common; NULL where there is none. */
static const struct command *find_object(const char *object)
{
	const struct command *command;

	for (command = commands; command->object; command++) {
		if (!strcmp(command->object, object))
			return command;
	}
	return NULL;
}

static const struct command *find_verb(const char *object, const char *verb)
{
	const struct command *command;

	for (command = commands; command->object; command++) {
		if (!strcmp(command->object, object) &&
		    !strcmp(command->verb, verb))
			return command;
	}
	return NULL;
}

static enum status enter_netns(const char *name)
{
	char path[PATH_MAX];
	int fd;
	int ret;

	snprintf(path, sizeof(path), "%s/%s", NETNS_DIRECTORY, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return failure("cannot open network namespace '%s': %s", name,
			       strerror(errno));
	ret = setns(fd, CLONE_NEWNET);
	if (ret < 0)
		failure("cannot enter network namespace '%s': %s", name,
			strerror(errno));
	close(fd);
	return ret < 0 ? STATUS_SYSTEM : STATUS_DONE;
}

static enum status do_command(const struct command *command, struct args *args,
			      const struct options *options)
{
	struct chring *chring;
	enum status status;

	if (options->netns) {
		status = enter_netns(options->netns);
		if (status)
			return status;
	}

	chring = chring_alloc();
	if (!chring)
		return failure("out of memory");
	output_begin(options->json, options->pretty);
	status = command->run(chring, args);
	chring_free(chring);
	if (status == STATUS_DONE || status == STATUS_CONDITION)
		output_end();
	return status;
}

static enum status run_command(const struct command *command, struct args *args,
			       const struct options *options)
{
	enum status status = do_command(command, args, options);

	if (status == STATUS_USAGE) {
		fputs("usage: ", stderr);
		print_command(stderr, command);
	}
	/* 2 might be the program's; env(1) has a status for that. */
	if (status == STATUS_SYSTEM &&
	    (command->run == lock_run || command->run == replica_run))
		status = STATUS_PASSED + EXIT_CANCELED;
	return status;
}

/* Find the command that the words begin with, and do it or explain it. */
static enum status dispatch(struct args *args, const struct options *options)
{
	const struct command *command;
	const char *verb = "show";
	const char *object;

	object = *args->words++;
	args->left--;
	command = find_object(object);
	if (!command) {
		mistake("there is no object '%s'", object);
		print_usage(stderr);
		return STATUS_USAGE;
	}

	if (args->left && (is_help(*args->words) ||
			   (args->left == 1 && next_is(args, "help")))) {
		print_object(stdout, object);
		return STATUS_DONE;
	}

	if (command->verb) {
		if (args->left) {
			verb = *args->words++;
			args->left--;
		}
		command = find_verb(object, verb);
		if (!command) {
			mistake("'%s' is not a verb of %s", verb, object);
			print_object(stderr, object);
			return STATUS_USAGE;
		}
	}

	if (has_help(args)) {
		fputs("usage: ", stdout);
		print_command(stdout, command);
		printf("       %s\n", command->summary);
		return STATUS_DONE;
	}
	return run_command(command, args, options);
}

/* False where the words after the options are to be done, not an option. */
static bool parse_options(int argc, char **argv, struct options *options,
			  enum status *status)
{
	static const struct option long_options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	int option;

	while ((option = getopt_long(argc, argv, "+:hjn:pV", long_options,
				     NULL)) >= 0) {
		switch (option) {
		case 'h':
			print_help();
			*status = STATUS_DONE;
			return true;
		case 'j':
			options->json = true;
			break;
		case 'n':
			options->netns = optarg;
			break;
		case 'p':
			options->pretty = true;
			break;
		case 'V':
			puts("chringctl " VERSION);
			*status = STATUS_DONE;
			return true;
		case ':':
			*status = mistake("-n needs NETNS");
			print_usage(stderr);
			return true;
		default:
			if (optopt)
				*status = mistake("-%c is not an option",
						  optopt);
			else
				*status = mistake("%s is not an option",
						  argv[optind - 1]);
			print_usage(stderr);
			return true;
		}
	}
	return false;
}

static enum status run(int argc, char **argv)
{
	struct options options = { 0 };
	enum status status;
	struct args args;

	if (parse_options(argc, argv, &options, &status))
		return status;

	args.words = argv + optind;
	args.left = argc - optind;
	if (!args.left) {
		mistake("OBJECT is missing");
		print_usage(stderr);
		return STATUS_USAGE;
	}
	if (args.left == 1 && next_is(&args, "help")) {
		print_help();
		return STATUS_DONE;
	}
	return dispatch(&args, &options);
}

int main(int argc, char **argv)
{
	enum status status = run(argc, argv);

	if (fflush(stdout) || ferror(stdout))
		status = failure("cannot write: %s", strerror(errno));
	return status & 0xff;
}
