/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CHRING_PRIVATE_H
#define CHRING_PRIVATE_H

#include <linux/chring.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <stdbool.h>

#include "chring.h"

#define CHRING_EXPORT __attribute__((visibility("default")))
#define CHRING_ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

struct chring {
	struct nl_sock *sock;
	struct nl_sock *events;		/* NULL before the first group */
	int family;
	uint64_t inode;			/* that the last look-up told, or 0 */
	char error[512];
};

/* Called for each message of an answer; returns 0 or a negative errno. */
typedef int (*chring_reply_fn)(struct chring *chring, struct nlmsghdr *reply,
			       void *arg);

/* An array that grows while a dump comes in. */
struct chring_list {
	void *items;
	size_t item_size;
	size_t count;
	size_t room;
};

/* error.c */
int chring_fail(struct chring *chring, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int chring_fail_errno(struct chring *chring, int err, const char *what);
int chring_fail_nl(struct chring *chring, int nlerr, const char *what);
int chring_fail_nomem(struct chring *chring);
int chring_fail_no_module(struct chring *chring);
int chring_fail_reply(struct chring *chring);
int chring_fail_kernel(struct chring *chring, const struct nlmsghdr *request,
		       struct nlmsghdr *answer, int err);

/* socket.c */
int chring_request(struct chring *chring, struct nl_msg **msg, int cmd,
		   int flags, size_t size);
int chring_transact(struct chring *chring, struct nl_sock *sock,
		    struct nl_msg *msg, chring_reply_fn reply, void *arg);
int chring_do(struct chring *chring, struct nl_msg *msg, chring_reply_fn reply,
	      void *arg);
int chring_dump(struct chring *chring, struct nl_msg *msg,
		chring_reply_fn reply, struct chring_list *list);
void *chring_list_add(struct chring *chring, struct chring_list *list);

/* service.c */
int chring_take_service(struct chring *chring, struct nlmsghdr *message,
			void *arg);
int chring_take_lock(struct chring *chring, struct nlmsghdr *reply, void *arg);

/* key.c */
size_t chring_key_size(void);
int chring_put_key(struct chring *chring, struct nl_msg *msg,
		   const struct chring_key *key);
void chring_get_key(struct nlattr **attrs, struct chring_key *key);

/* deadlock.c */
void chring_deadlock_alone(struct chring_deadlock *deadlock, uint64_t token,
			   const char *name);

/* replica.c */
int chring_take_replicas(struct chring *chring, struct nlmsghdr *message,
			 void *arg);

/* family.c */
int chring_list_family(struct chring *chring, pid_t pid,
		       struct chring_list *pids);

/* attr.c */
size_t chring_name_size(const char *name);
int chring_put_name(struct chring *chring, struct nl_msg *msg, int type,
		    const char *name);
int chring_check_address(struct chring *chring,
			 const union chring_address *address);
size_t chring_address_size(void);
int chring_put_address(struct chring *chring, struct nl_msg *msg, int ipv4,
		       int ipv6, const union chring_address *address);
int chring_get_address(struct chring *chring, const struct nlattr *ipv4,
		       const struct nlattr *ipv6,
		       union chring_address *address);
in_port_t chring_port(const union chring_address *address);
int chring_parse(struct chring *chring, struct nlmsghdr *reply,
		 struct nlattr **attrs, int max);
int chring_parse_nest(struct chring *chring, struct nlattr *nest,
		      struct nlattr **attrs, int max);
int chring_get_name(struct chring *chring, const struct nlattr *attr,
		    char *name);
uint64_t chring_get_uint(const struct nlattr *attr);

#endif /* CHRING_PRIVATE_H */
