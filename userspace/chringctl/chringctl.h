/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CHRINGCTL_H
#define CHRINGCTL_H

#include <chring.h>
#include <stdbool.h>
#include <stdint.h>

/* What chringctl(8) promises. */
enum status {
	STATUS_DONE	 = 0,
	STATUS_USAGE	 = 1,	/* the words of the command are wrong */
	STATUS_SYSTEM	 = 2,	/* the kernel or the system refuses */
	STATUS_CONDITION = 3,	/* what was asked about is not so */
	/* Plus the status to exit with: what a program that was run says */
	STATUS_PASSED	 = 256,
};

/* The words of a command that are not taken yet. */
struct args {
	int left;
	char **words;
};

/*
 * Parses @args, opens @chring and does the command. Whoever meets an error
 * prints it; the usage after STATUS_USAGE is printed by main().
 */
typedef enum status (*command_fn)(struct chring *chring, struct args *args);

/* cmd/ */
enum status service_add(struct chring *chring, struct args *args);
enum status service_show(struct chring *chring, struct args *args);
enum status service_set(struct chring *chring, struct args *args);
enum status service_del(struct chring *chring, struct args *args);
enum status replica_add(struct chring *chring, struct args *args);
enum status replica_adopt(struct chring *chring, struct args *args);
enum status replica_show(struct chring *chring, struct args *args);
enum status replica_set(struct chring *chring, struct args *args);
enum status replica_drain(struct chring *chring, struct args *args);
enum status replica_up(struct chring *chring, struct args *args);
enum status replica_del(struct chring *chring, struct args *args);
enum status ring_show(struct chring *chring, struct args *args);
enum status plan(struct chring *chring, struct args *args);
enum status lookup(struct chring *chring, struct args *args);
enum status replica_run(struct chring *chring, struct args *args);
enum status monitor(struct chring *chring, struct args *args);
enum status lock_run(struct chring *chring, struct args *args);
enum status lock_show(struct chring *chring, struct args *args);
enum status lock_add(struct chring *chring, struct args *args);
enum status lock_set(struct chring *chring, struct args *args);
enum status lock_del(struct chring *chring, struct args *args);
enum status lock_break(struct chring *chring, struct args *args);
enum status lock_token(struct chring *chring, struct args *args);

/* Within an object of the output: what is known of it. */
void service_values(const struct chring_service *service);
void replica_values(const struct chring_replica *replica);
void lock_values(const struct chring_lock_status *lock);

/* args.c: all that return a status print what is wrong with the words */
enum status mistake(const char *format, ...)
	__attribute__((format(printf, 1, 2)));
enum status failure(const char *format, ...)
	__attribute__((format(printf, 1, 2)));
enum status outcome(const struct chring *chring, int ret);
void *allocate(void *old, size_t count, size_t size);

enum status next_word(struct args *args, const char *what, const char **word);
bool next_is(const struct args *args, const char *word);
bool take_word(struct args *args, const char *word);
enum status no_more_words(const struct args *args);
enum status no_such_option(const struct args *args);
enum status take_command(struct args *args, char ***words);
enum status next_number(struct args *args, const char *what, uint32_t min,
			uint32_t max, uint32_t *number);
enum status next_token(struct args *args, uint64_t *token);
enum status next_duration(struct args *args, const char *what,
			  uint64_t *nanoseconds);
enum status next_ttl(struct args *args, uint32_t *milliseconds);
enum status next_protocol(struct args *args, int *protocol);
enum status next_user(struct args *args, uid_t *user);
enum status next_group(struct args *args, gid_t *group);
enum status next_mode(struct args *args, uint32_t *mode);
int parse_hex(const char *digits);
bool parse_number(const char *word, uint32_t min, uint32_t max,
		  uint32_t *number);

/* key.c */
enum status next_key(struct args *args, const union chring_address *local,
		     struct chring_key *key);
void print_key(const struct chring_key *key);

/**
 * struct balance - what some replicas have together; all zero to begin with
 * @slots: slots of the table
 * @weight: of them
 * @peak: the most slots for each unit of weight
 */
struct balance {
	double slots;
	double weight;
	double peak;
};

/* balance.c */
void balance_add(struct balance *balance, uint32_t slots, uint32_t weight);
double balance_peak(const struct balance *balance);
void print_share(const char *key, double value);

/* address.c */
enum status next_address(struct args *args, union chring_address *address);
enum status next_endpoint(struct args *args, union chring_address *address);
void print_endpoint(const union chring_address *local, bool v6only);

/**
 * struct handed_socket - a socket that a program gets by LISTEN_FDS
 * @fd: chringctl's descriptor of it, closed when the program has its own
 * @name: for LISTEN_FDNAMES
 */
struct handed_socket {
	int fd;
	const char *name;
};

/**
 * struct program - a program that a command runs
 * @words: its name, or path, and its arguments, then NULL
 * @death_signal: what it gets when chringctl is killed, or 0
 * @socket: what it gets, or NULL
 * @watched: a descriptor, or -1
 * @on_event: called once, when poll() finds an error at @watched
 * @data: for @on_event
 * @pid: set to its process
 */
struct program {
	char **words;
	int death_signal;
	const struct handed_socket *socket;
	int watched;
	void (*on_event)(struct program *program);
	void *data;
	pid_t pid;
};

/* program.c */
void program_end_by(void (*handler)(int signal));
enum status program_run(struct program *program);

#endif /* CHRINGCTL_H */
