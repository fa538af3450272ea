// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE		/* unshare */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/socket.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "request.h"

static int resolve_family(void)
{
	struct nl_sock *sock = nl_socket_alloc();
	int family = -1;

	if (sock && !genl_connect(sock))
		family = genl_ctrl_resolve(sock, CHRING_FAMILY_NAME);
	nl_socket_free(sock);
	return family;
}

bool session_open(struct session *session)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	int on = 1;

	session->seq = 0;
	session->chring = chring_alloc();
	if (!session->chring || chring_open(session->chring))
		return false;
	session->family = resolve_family();
	session->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC,
			     NETLINK_GENERIC);
	return session->family > 0 && session->fd >= 0 &&
	       !setsockopt(session->fd, SOL_NETLINK, NETLINK_EXT_ACK, &on,
			   sizeof(on)) &&
	       !setsockopt(session->fd, SOL_NETLINK, NETLINK_CAP_ACK, &on,
			   sizeof(on)) &&
	       !connect(session->fd, (struct sockaddr *)&kernel,
			sizeof(kernel));
}

void session_close(struct session *session)
{
	chring_free(session->chring);
	close(session->fd);
}

static void take_text(struct answer *answer, struct nlmsghdr *nlh, int offset)
{
	struct nlattr *attrs[NLMSGERR_ATTR_MAX + 1];

	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS) ||
	    nlmsg_parse(nlh, offset, attrs, NLMSGERR_ATTR_MAX, NULL))
		return;
	if (attrs[NLMSGERR_ATTR_MSG])
		snprintf(answer->text, sizeof(answer->text), "%s",
			 nla_get_string(attrs[NLMSGERR_ATTR_MSG]));
	if (attrs[NLMSGERR_ATTR_OFFS])
		answer->at = nla_get_u32(attrs[NLMSGERR_ATTR_OFFS]);
	if (attrs[NLMSGERR_ATTR_MISS_TYPE])
		answer->missing = nla_get_u32(attrs[NLMSGERR_ATTR_MISS_TYPE]);
	if (attrs[NLMSGERR_ATTR_MISS_NEST])
		answer->missing_in =
			nla_get_u32(attrs[NLMSGERR_ATTR_MISS_NEST]);
}

/* True at the end of the answer: an acknowledgment or the end of a dump. */
static bool take_message(struct answer *answer, struct nlmsghdr *nlh)
{
	bool dump = nlh->nlmsg_type == NLMSG_DONE;

	if (!dump && nlh->nlmsg_type != NLMSG_ERROR)
		return false;
	answer->err = *(int *)nlmsg_data(nlh);
	take_text(answer, nlh,
		  dump ? sizeof(int) : sizeof(struct nlmsgerr));
	return true;
}

/* Sends a request, which is over when it returns: 0, or a negative errno. */
int tell(struct session *session, const void *bytes, size_t length)
{
	return send(session->fd, bytes, length, 0) < 0 ? -errno : 0;
}

/*
 * The kernel works on a request before send() returns, and on the rest of a
 * dump in recv(): what is not there then never comes.
 */
void hear(struct session *session, struct answer *answer)
{
	static struct nlmsghdr buffer[1 << 12];
	struct nlmsghdr *nlh;
	bool end = false;
	ssize_t got;
	int left;

	memset(answer, 0, sizeof(*answer));
	answer->err = NO_ANSWER;
	while (!end) {
		got = recv(session->fd, buffer, sizeof(buffer), MSG_DONTWAIT);
		if (got < 0) {
			answer->lost = errno == ENOBUFS || errno == ENOMEM;
			if (answer->lost || errno != EAGAIN)
				answer->err = -errno;
			return;
		}
		left = got;
		for (nlh = buffer; nlmsg_ok(nlh, left);
		     nlh = nlmsg_next(nlh, &left))
			end |= take_message(answer, nlh);
	}
}

void transact(struct session *session, const void *bytes, size_t length,
	      struct answer *answer)
{
	int err = tell(session, bytes, length);

	hear(session, answer);
	if (err)
		answer->err = err;
}

static void finish(struct session *session, struct nl_msg *msg)
{
	nlmsg_hdr(msg)->nlmsg_seq = ++session->seq;
}

/* Sends @msg, and frees it. */
int ask(struct session *session, struct nl_msg *msg)
{
	struct answer answer;

	finish(session, msg);
	transact(session, nlmsg_hdr(msg), nlmsg_hdr(msg)->nlmsg_len, &answer);
	nlmsg_free(msg);
	return answer.err;
}

/* The attribute of @msg that the kernel complains of, as AT() and so on. */
int where_of(const struct answer *answer, struct nl_msg *msg)
{
	const char *at = (char *)nlmsg_hdr(msg) + answer->at;
	const char *in = (char *)nlmsg_hdr(msg) + answer->missing_in;
	struct nlattr *attr, *inner;
	int left, inner_left, index = -1;

	if (!answer->at && !answer->missing)
		return 0;
	if (answer->missing && !answer->missing_in)
		return MISSING(answer->missing);
	nlmsg_for_each_attr(attr, nlmsg_hdr(msg), GENL_HDRLEN, left) {
		bool nest = nla_type(attr) == CHRING_A_REPLICAS_REPLICA;

		index += nest;
		if (answer->missing && in == (char *)attr)
			return MISSING(IN(index, answer->missing));
		if (!answer->missing && at == (char *)attr)
			return AT(nla_type(attr));
		if (!nest || nla_len(attr) < NLA_HDRLEN)
			continue;
		nla_for_each_nested(inner, attr, inner_left)
			if (!answer->missing && at == (char *)inner)
				return IN(index, nla_type(inner));
	}
	return -1;
}

struct nl_msg *request(struct session *session, int cmd)
{
	struct nl_msg *msg = nlmsg_alloc_size(1 << 15);
	int flags = NLM_F_REQUEST | NLM_F_ACK;

	/* That one comes as a dump only */
	if (cmd == CHRING_CMD_REPLICA_PLAN)
		flags |= NLM_F_DUMP;
	genlmsg_put(msg, 0, 0, session->family, 0, flags, cmd,
		    CHRING_FAMILY_VERSION);
	return msg;
}

struct nl_msg *request_service(struct session *session, int cmd,
			       const char *name)
{
	struct nl_msg *msg = request(session, cmd);

	nla_put_string(msg, CHRING_A_SERVICE_NAME, name);
	return msg;
}

struct nl_msg *request_service_new(struct session *session, const char *name,
				   int protocol, const char *address, int port)
{
	struct nl_msg *msg;
	struct in_addr ipv4;

	inet_pton(AF_INET, address, &ipv4);
	msg = request_service(session, CHRING_CMD_SERVICE_NEW, name);
	nla_put_u32(msg, CHRING_A_SERVICE_PROTOCOL,
		    protocol == IPPROTO_TCP ? CHRING_PROTOCOL_TCP :
					      CHRING_PROTOCOL_UDP);
	nla_put(msg, CHRING_A_SERVICE_LOCAL_IPV4, sizeof(ipv4), &ipv4);
	nla_put_u32(msg, CHRING_A_SERVICE_LOCAL_PORT, port);
	return msg;
}

struct nl_msg *request_replicas(struct session *session, int cmd,
				const char *service)
{
	struct nl_msg *msg = request(session, cmd);

	nla_put_string(msg, CHRING_A_REPLICAS_SERVICE, service);
	return msg;
}

/* Without an fd where that is negative, and a weight where it is 0. */
void put_replica(struct nl_msg *msg, const char *name, int fd, int weight)
{
	struct nlattr *nest = nla_nest_start(msg, CHRING_A_REPLICAS_REPLICA);

	nla_put_string(msg, CHRING_A_REPLICA_NAME, name);
	if (fd >= 0)
		nla_put_u32(msg, CHRING_A_REPLICA_FD, fd);
	if (weight)
		nla_put_u32(msg, CHRING_A_REPLICA_WEIGHT, weight);
	nla_nest_end(msg, nest);
}

struct nl_msg *request_replica(struct session *session, int cmd,
			       const char *service, const char *name, int fd,
			       int weight)
{
	struct nl_msg *msg = request_replicas(session, cmd, service);

	put_replica(msg, name, fd, weight);
	return msg;
}

/* From 127.0.0.1:1. */
struct nl_msg *request_lookup(struct session *session, const char *service)
{
	struct nl_msg *msg = request(session, CHRING_CMD_LOOKUP);

	nla_put_string(msg, CHRING_A_LOOKUP_SERVICE, service);
	nla_put_u32(msg, CHRING_A_LOOKUP_REMOTE_IPV4, htonl(INADDR_LOOPBACK));
	nla_put_u32(msg, CHRING_A_LOOKUP_REMOTE_PORT, 1);
	return msg;
}

int service_new(struct session *session, const char *name, int protocol,
		const char *address, int port)
{
	struct nl_msg *msg;

	msg = request_service_new(session, name, protocol, address, port);
	nla_put_u32(msg, CHRING_A_SERVICE_GRACE, 0);
	return ask(session, msg);
}

int replica_new(struct session *session, const char *service, const char *name,
		int fd)
{
	return ask(session, request_replica(session, CHRING_CMD_REPLICA_NEW,
					    service, name, fd, 0));
}

/* Waits until a service that is being removed is no more. */
bool service_gone(struct session *session, const char *name)
{
	long end = milliseconds() + WAIT_MS;
	struct chring_service service;
	int err;

	do {
		err = chring_service_get(session->chring, name, &service);
		if (err == -ENOENT)
			return true;
		pause_ms(1);
	} while (!err && milliseconds() < end);
	return false;
}

/* Removes all services of the network namespace. */
bool services_gone(struct session *session)
{
	struct chring_service *services;
	bool gone = true;
	size_t count, i;

	if (chring_service_dump(session->chring, &services, &count))
		return false;
	for (i = 0; i < count; i++)
		chring_service_del(session->chring, services[i].name);
	for (i = 0; i < count; i++)
		gone &= service_gone(session, services[i].name);
	free(services);
	return gone;
}

static void print_services(FILE *stream, struct session *session)
{
	struct chring_service *services;
	size_t count, i;
	int err;

	err = chring_service_dump(session->chring, &services, &count);
	if (err)
		fprintf(stream, "services: %d\n", err);
	for (i = 0; !err && i < count; i++)
		fprintf(stream, "%s %d %08x:%u owner %u none %u override %u %s %u/%u/%u %u %u\n",
			services[i].name, services[i].protocol,
			ntohl(services[i].local.in.sin_addr.s_addr),
			ntohs(services[i].local.in.sin_port),
			services[i].owner, services[i].none,
			services[i].override,
			chring_service_state_name(services[i].state),
			services[i].slots, services[i].replicas,
			services[i].points, services[i].balance,
			services[i].vnodes);
	if (!err)
		free(services);
}

static void print_replicas(FILE *stream, struct session *session)
{
	struct chring_replica *replicas;
	size_t count, i;
	int err;

	err = chring_replica_dump(session->chring, NULL, &replicas, &count);
	if (err)
		fprintf(stream, "replicas: %d\n", err);
	for (i = 0; !err && i < count; i++)
		fprintf(stream, "%s/%s weight %u %s inode %llu %u/%u\n",
			replicas[i].service, replicas[i].name,
			replicas[i].weight,
			chring_replica_state_name(replicas[i].state),
			(unsigned long long)replicas[i].inode,
			replicas[i].points, replicas[i].slots);
	if (!err)
		free(replicas);
}

static void print_locks(FILE *stream, struct session *session)
{
	struct chring_lock_status *locks;
	size_t count, i;
	int err;

	err = chring_lock_dump(session->chring, &locks, &count);
	if (err)
		fprintf(stream, "locks: %d\n", err);
	for (i = 0; !err && i < count; i++)
		fprintf(stream,
			"%s %#o %u:%u flags %u slots %u holders %u%s%s%s ttl %u expiry %u pid %d token %llu handles %u waiters %u news %u\n",
			locks[i].name, locks[i].mode, locks[i].owner,
			locks[i].group, locks[i].flags,
			locks[i].slots, locks[i].holders,
			locks[i].persistent ? " persistent" : "",
			locks[i].held ? " held" : "",
			locks[i].expires ? " expires" : "", locks[i].ttl_ms,
			locks[i].expiry, locks[i].pid,
			(unsigned long long)locks[i].token, locks[i].handles,
			locks[i].waiters, locks[i].news);
	if (!err)
		free(locks);
}

/* All that can be read but the counters and times, as text that the caller frees. */
char *state_read(struct session *session)
{
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	if (!stream)
		abort();
	print_services(stream, session);
	print_replicas(stream, session);
	print_locks(stream, session);
	if (fclose(stream))
		abort();
	return text;
}

/*
 * Sends @msg, and frees it. Returns NULL where it is refused with @err, with a
 * text that @text is part of (NULL is none), because of the attribute @where,
 * and nothing has changed; or else what was otherwise.
 */
const char *refused(struct session *session, struct nl_msg *msg, int err,
		    const char *text, int where)
{
	char *before = state_read(session), *after;
	static char why[4096];
	struct answer answer;

	finish(session, msg);
	transact(session, nlmsg_hdr(msg), nlmsg_hdr(msg)->nlmsg_len, &answer);
	after = state_read(session);
	if (answer.err != err || where_of(&answer, msg) != where ||
	    !answer.text[0] != !text || (text && !strstr(answer.text, text)))
		snprintf(why, sizeof(why),
			 "%d \"%s\" at %#x instead of %d \"%s\" at %#x",
			 answer.err, answer.text, where_of(&answer, msg), err,
			 text ?: "", where);
	else if (strcmp(before, after))
		snprintf(why, sizeof(why), "was:\n%sis:\n%s", before, after);
	else
		why[0] = '\0';
	free(before);
	free(after);
	nlmsg_free(msg);
	return why[0] ? why : NULL;
}

/* Moves to a network namespace with an address, that of the loopback. */
bool own_netns(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	bool up;
	int fd;

	if (unshare(CLONE_NEWNET))
		return false;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	up = fd >= 0 && !ioctl(fd, SIOCSIFFLAGS, &lo);
	close(fd);
	return up;
}

/* Goes to a user namespace, where the user is root, and nobody else is known. */
bool own_userns(void)
{
	char uids[32], gids[32];

	snprintf(uids, sizeof(uids), "0 %u 1", getuid());
	snprintf(gids, sizeof(gids), "0 %u 1", getgid());
	return !unshare(CLONE_NEWUSER) &&
	       write_text("/proc/self/setgroups", "deny") &&
	       write_text("/proc/self/uid_map", uids) &&
	       write_text("/proc/self/gid_map", gids);
}

/* From root to a user, without what root may do; /proc/self stays its own. */
bool become(uid_t uid)
{
	return !setgroups(0, NULL) && !setresgid(uid, uid, uid) &&
	       !setresuid(uid, uid, uid) && !prctl(PR_SET_DUMPABLE, 1);
}

struct sockaddr_in address_of(const char *address, int port)
{
	struct sockaddr_in in = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
	};

	inet_pton(AF_INET, address, &in.sin_addr);
	return in;
}

int open_socket(int protocol, bool reuseport)
{
	int type = protocol == IPPROTO_TCP ? SOCK_STREAM : SOCK_DGRAM;
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, protocol);
	int on = reuseport;

	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on,
				  sizeof(on))) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Binds a socket; one of TCP listens. */
int bind_socket(int fd, const char *address, int port)
{
	struct sockaddr_in in = address_of(address, port);
	int type;

	if (bind(fd, (struct sockaddr *)&in, sizeof(in)) ||
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type,
		       &(socklen_t){ sizeof(type) }))
		return -1;
	return type == SOCK_STREAM ? listen(fd, 128) : 0;
}

/* A socket that can be a replica's. */
int bound_socket(int protocol, const char *address, int port)
{
	int fd = open_socket(protocol, true);

	if (fd >= 0 && bind_socket(fd, address, port)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* The number that a file begins with, or a negative errno. */
long read_number(const char *path)
{
	FILE *file = fopen(path, "r");
	long number = -EINVAL;

	if (!file)
		return -errno;
	if (fscanf(file, "%li", &number) != 1)
		number = -EINVAL;
	fclose(file);
	return number;
}

bool write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, text, strlen(text)) > 0;

	close(fd);
	return done;
}

bool write_number(const char *path, long number)
{
	char text[24];

	snprintf(text, sizeof(text), "%ld", number);
	return write_text(path, text);
}

long milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Between two looks at what is waited for. */
void pause_ms(int ms)
{
	struct timespec pause = { .tv_nsec = ms * 1000000L };

	nanosleep(&pause, NULL);
}
