/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Requests to the family that libchring would not send, what the kernel says
 * to them, and what they leave behind.
 */
#ifndef CHRING_TESTS_REQUEST_H
#define CHRING_TESTS_REQUEST_H

#include <linux/chring.h>
#include <netinet/in.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "chring.h"
#include "patience.h"

#define WAIT_MS 60000

#define elements(array) (sizeof(array) / sizeof((array)[0]))

/* A netlink socket, of the network namespace that it was opened in. */
struct session {
	struct chring *chring;
	int fd;
	int family;
	unsigned int seq;
};

#define NO_ANSWER 1

/**
 * struct answer - what the kernel says to a request
 * @err: 0, a negative errno, or NO_ANSWER
 * @lost: there was no memory for the answer
 * @text: the extended acknowledgment's, or ""
 * @at: offset in the request of the attribute that is wrong, or 0
 * @missing: type of the attribute that is missing, or 0
 * @missing_in: offset in the request of the nest that misses it, or 0
 */
struct answer {
	int err;
	bool lost;
	char text[256];
	unsigned int at;
	unsigned int missing;
	unsigned int missing_in;
};

/* An attribute of a request; one of the replica with this index; missing. */
#define AT(type) (type)
#define IN(index, type) \
	(((index) + 1) << 16 | (type) << 8 | CHRING_A_REPLICAS_REPLICA)
#define MISSING(where) (1 << 30 | (where))

bool session_open(struct session *session);
void session_close(struct session *session);
int tell(struct session *session, const void *bytes, size_t length);
void hear(struct session *session, struct answer *answer);
void transact(struct session *session, const void *bytes, size_t length,
	      struct answer *answer);
int ask(struct session *session, struct nl_msg *msg);
int where_of(const struct answer *answer, struct nl_msg *msg);

struct nl_msg *request(struct session *session, int cmd);
struct nl_msg *request_service(struct session *session, int cmd,
			       const char *name);
struct nl_msg *request_service_new(struct session *session, const char *name,
				   int protocol, const char *address,
				   int port);
struct nl_msg *request_replicas(struct session *session, int cmd,
				const char *service);
void put_replica(struct nl_msg *msg, const char *name, int fd, int weight);
struct nl_msg *request_replica(struct session *session, int cmd,
			       const char *service, const char *name, int fd,
			       int weight);
struct nl_msg *request_lookup(struct session *session, const char *service);

/* Whose dead are gone as soon as they are found. */
int service_new(struct session *session, const char *name, int protocol,
		const char *address, int port);
int replica_new(struct session *session, const char *service, const char *name,
		int fd);
bool service_gone(struct session *session, const char *name);
bool services_gone(struct session *session);

char *state_read(struct session *session);
const char *refused(struct session *session, struct nl_msg *msg, int err,
		    const char *text, int where);

/* Fails the test, from which it may be called only, with what was otherwise. */
#define EXPECT_REFUSED(session, msg, err, text, where)			\
do {									\
	const char *why = refused(session, msg, err, text, where);	\
									\
	EXPECT_EQ(NULL, why)						\
		TH_LOG("%s", why ?: "");				\
} while (0)

bool own_netns(void);
bool own_userns(void);
bool become(uid_t uid);
struct sockaddr_in address_of(const char *address, int port);
int open_socket(int protocol, bool reuseport);
int bound_socket(int protocol, const char *address, int port);
int bind_socket(int fd, const char *address, int port);

long read_number(const char *path);
bool write_text(const char *path, const char *text);
bool write_number(const char *path, long number);
long milliseconds(void);
void pause_ms(int ms);

#endif /* CHRING_TESTS_REQUEST_H */
