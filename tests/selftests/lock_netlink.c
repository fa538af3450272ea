// SPDX-License-Identifier: GPL-2.0
/* Locks by name, through the family: what may be done, what is seen, and told. */
#define _GNU_SOURCE		/* unshare */
#include <errno.h>
#include <grp.h>
#include <linux/genetlink.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/socket.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lock_device.h"
#include "request.h"

#define ALICE 1001
#define BOB 1002
#define STAFF 1100

#define CREATE CHRING_OPEN_CREATE

/**
 * struct seen - a lock as a message has it
 * @text: all but what follows
 * @token: of the holder or the last one
 * @dead_token: of the news
 * @held_ns: for how long it is held
 */
struct seen {
	char text[256];
	uint64_t token;
	uint64_t dead_token;
	uint64_t held_ns;
};

/* An integer of 4 or 8 bytes. */
static uint64_t number(const struct nlattr *attr)
{
	if (!attr)
		return 0;
	return nla_len(attr) == 8 ? nla_get_u64(attr) : nla_get_u32(attr);
}

static void put(struct seen *seen, const char *format, ...)
{
	size_t length = strlen(seen->text);
	va_list args;

	va_start(args, format);
	vsnprintf(seen->text + length, sizeof(seen->text) - length, format,
		  args);
	va_end(args);
}

static void see(struct nlmsghdr *nlh, struct seen *seen)
{
	struct nlattr *attrs[CHRING_A_LOCK_MAX + 1];

	memset(seen, 0, sizeof(*seen));
	if (genlmsg_parse(nlh, 0, attrs, CHRING_A_LOCK_MAX, NULL) ||
	    !attrs[CHRING_A_LOCK_NAME])
		return;
	put(seen, "%s %#lo %lu:%lu %s%s%s%s handles %lu waiters %lu news %lu",
	    nla_get_string(attrs[CHRING_A_LOCK_NAME]),
	    number(attrs[CHRING_A_LOCK_MODE]), number(attrs[CHRING_A_LOCK_UID]),
	    number(attrs[CHRING_A_LOCK_GID]),
	    number(attrs[CHRING_A_LOCK_DISCIPLINE]) ==
	    CHRING_LOCK_DISCIPLINE_FIFO ? "fifo" : "adaptive",
	    attrs[CHRING_A_LOCK_STRICT] ? " strict" : "",
	    attrs[CHRING_A_LOCK_STICKY] ? " sticky" : "",
	    attrs[CHRING_A_LOCK_PERSISTENT] ? " persistent" : "",
	    number(attrs[CHRING_A_LOCK_HANDLES]),
	    number(attrs[CHRING_A_LOCK_WAITERS]),
	    number(attrs[CHRING_A_LOCK_NEWS]));
	if (attrs[CHRING_A_LOCK_HELD])
		put(seen, " held");
	if (attrs[CHRING_A_LOCK_PID])
		put(seen, " pid %lu %s", number(attrs[CHRING_A_LOCK_PID]),
		    nla_get_string(attrs[CHRING_A_LOCK_COMM]));
	seen->token = number(attrs[CHRING_A_LOCK_TOKEN]);
	seen->dead_token = number(attrs[CHRING_A_LOCK_DEAD_TOKEN]);
	seen->held_ns = number(attrs[CHRING_A_LOCK_HELD_NS]);
}

static struct nl_msg *request_lock(struct session *session, int cmd,
				   const char *name)
{
	struct nl_msg *msg = request(session, cmd);

	nla_put_string(msg, CHRING_A_LOCK_NAME, name);
	return msg;
}

static int lock_new(struct session *session, const char *name)
{
	return ask(session, request_lock(session, CHRING_CMD_LOCK_NEW, name));
}

static int lock_do(struct session *session, int cmd, const char *name)
{
	return ask(session, request_lock(session, cmd, name));
}

static int lock_put(struct session *session, int cmd, const char *name,
		    int type, uint32_t value)
{
	struct nl_msg *msg = request_lock(session, cmd, name);

	nla_put_u32(msg, type, value);
	return ask(session, msg);
}

/* Reads one lock, or all, calling @take for each. Returns 0 or the error. */
static int read_locks(struct session *session, const char *name,
		      void (*take)(struct nlmsghdr *nlh, void *arg), void *arg)
{
	static struct nlmsghdr buffer[1 << 12];
	struct nl_msg *msg = request(session, CHRING_CMD_LOCK_GET);
	struct nlmsghdr *nlh;
	int left;

	if (name)
		nla_put_string(msg, CHRING_A_LOCK_NAME, name);
	else
		nlmsg_hdr(msg)->nlmsg_flags |= NLM_F_DUMP;
	tell(session, nlmsg_hdr(msg), nlmsg_hdr(msg)->nlmsg_len);
	nlmsg_free(msg);
	for (;;) {
		left = recv(session->fd, buffer, sizeof(buffer), 0);
		for (nlh = buffer; nlmsg_ok(nlh, left);
		     nlh = nlmsg_next(nlh, &left)) {
			if (nlh->nlmsg_type == NLMSG_ERROR ||
			    nlh->nlmsg_type == NLMSG_DONE)
				return *(int *)nlmsg_data(nlh);
			take(nlh, arg);
		}
	}
}

static void take_one(struct nlmsghdr *nlh, void *arg)
{
	see(nlh, arg);
}

static struct seen lock_now(struct session *session, const char *name)
{
	struct seen seen = {};
	int err = read_locks(session, name, take_one, &seen);

	if (err)
		put(&seen, "%s%d", seen.text[0] ? " " : "", err);
	return seen;
}

static const char *text_now(struct session *session, const char *name)
{
	static struct seen seen;

	seen = lock_now(session, name);
	return seen.text;
}

struct names {
	char text[1 << 16];
	size_t length;
	int count;
};

static void take_name(struct nlmsghdr *nlh, void *arg)
{
	struct names *names = arg;
	struct seen seen;

	see(nlh, &seen);
	names->count++;
	names->length += snprintf(names->text + names->length,
				  sizeof(names->text) - names->length,
				  "%.*s;", (int)strcspn(seen.text, " "),
				  seen.text);
}

/* The names in a dump, each with a semicolon. */
static const char *names_now(struct session *session)
{
	static struct names names;

	memset(&names, 0, sizeof(names));
	read_locks(session, NULL, take_name, &names);
	return names.text;
}

FIXTURE(locks)
{
	struct session session;
};

FIXTURE_SETUP(locks)
{
	ASSERT_TRUE(own_netns());
	ASSERT_TRUE(session_open(&self->session));
}

FIXTURE_TEARDOWN(locks)
{
	session_close(&self->session);
}

TEST_F(locks, are_as_they_were_made)
{
	struct session *session = &self->session;
	struct nl_msg *msg;

	EXPECT_EQ(0, lock_new(session, "plain"));
	EXPECT_STREQ("plain 0600 0:0 adaptive persistent handles 0 waiters 0 news 0",
		     text_now(session, "plain"));
	EXPECT_EQ(0U, lock_now(session, "plain").token);
	msg = request_lock(session, CHRING_CMD_LOCK_NEW, "rich");
	nla_put_u32(msg, CHRING_A_LOCK_MODE, 0640);
	nla_put_u32(msg, CHRING_A_LOCK_UID, ALICE);
	nla_put_u32(msg, CHRING_A_LOCK_GID, STAFF);
	nla_put_u32(msg, CHRING_A_LOCK_DISCIPLINE, CHRING_LOCK_DISCIPLINE_FIFO);
	nla_put_flag(msg, CHRING_A_LOCK_STRICT);
	nla_put_flag(msg, CHRING_A_LOCK_STICKY);
	EXPECT_EQ(0, ask(session, msg));
	EXPECT_STREQ("rich 0640 1001:1100 fifo strict sticky persistent handles 0 waiters 0 news 0",
		     text_now(session, "rich"));
	EXPECT_STREQ("plain;rich;", names_now(session));
	EXPECT_EQ(0, lock_do(session, CHRING_CMD_LOCK_DEL, "plain"));
	EXPECT_STREQ("-2", text_now(session, "plain"));
	EXPECT_STREQ("rich;", names_now(session));
}

TEST_F(locks, are_seen_as_they_stand)
{
	struct session *session = &self->session;
	struct chring_lock_acquire got;
	struct handle handle;
	char text[128], comm[32] = "";
	struct seen seen;

	prctl(PR_GET_NAME, comm);
	ASSERT_EQ(0, open_lock(&handle, "temporary", CREATE, 0));
	EXPECT_STREQ("temporary 0600 0:0 adaptive handles 1 waiters 0 news 0",
		     text_now(session, "temporary"));
	ASSERT_EQ(0, acquire(&handle, 0, 0, &got));
	EXPECT_TRUE(wait_until(lock_now(session, "temporary").held_ns >=
			       10000000));
	seen = lock_now(session, "temporary");
	snprintf(text, sizeof(text),
		 "temporary 0600 0:0 adaptive handles 1 waiters 0 news 0 held pid %d %s",
		 getpid(), comm);
	EXPECT_STREQ(text, seen.text);
	EXPECT_EQ(got.token, seen.token);
	ASSERT_EQ(0, release(&handle, got.token));
	seen = lock_now(session, "temporary");
	EXPECT_STREQ("temporary 0600 0:0 adaptive handles 1 waiters 0 news 0",
		     seen.text);
	EXPECT_EQ(got.token, seen.token);
	EXPECT_EQ(0U, seen.held_ns);
	close(handle.fd);
	EXPECT_STREQ("-2", text_now(session, "temporary"));
}

TEST_F(locks, that_persist_outlive_their_handles)
{
	struct session *session = &self->session;
	struct chring_lock_acquire got, again;
	struct handle handle;

	ASSERT_EQ(0, lock_new(session, "kept"));
	ASSERT_EQ(0, open_lock(&handle, "kept", 0, 0));
	ASSERT_EQ(0, acquire(&handle, 0, 0, &got));
	close(handle.fd);
	EXPECT_EQ(got.token, lock_now(session, "kept").token);
	/* Deleted while it is open, it is as before until it is closed */
	ASSERT_EQ(0, open_lock(&handle, "kept", 0, 0));
	EXPECT_EQ(0, lock_do(session, CHRING_CMD_LOCK_DEL, "kept"));
	EXPECT_STREQ("kept 0600 0:0 adaptive handles 1 waiters 0 news 0",
		     text_now(session, "kept"));
	EXPECT_EQ(-EEXIST, lock_new(session, "kept"));
	ASSERT_EQ(0, acquire(&handle, 0, 0, &again));
	EXPECT_EQ(got.token + 1, again.token);
	close(handle.fd);
	EXPECT_STREQ("-2", text_now(session, "kept"));
}

static pid_t hold_in_child(const char *name, struct handle *mine)
{
	struct chring_lock_acquire got;
	struct handle handle;
	pid_t pid = fork();

	if (!pid) {
		if (!open_lock(&handle, name, 0, 0) &&
		    !acquire(&handle, 0, CHRING_DEADLINE_NONE, &got))
			pause();
		_exit(1);
	}
	return wait_until(is_held(mine)) ? pid : -1;
}

TEST_F(locks, with_news_wait_for_their_next_holder)
{
	struct session *session = &self->session;
	struct chring_lock_acquire got;
	struct handle handle;
	struct seen seen;
	uint64_t token;
	pid_t pid;

	ASSERT_EQ(0, open_lock(&handle, "news", CREATE, 0));
	pid = hold_in_child("news", &handle);
	ASSERT_LT(0, pid);
	token = lock_now(session, "news").token;
	close(handle.fd);
	kill(pid, SIGKILL);
	status_of(pid);
	ASSERT_TRUE(wait_until(lock_now(session, "news").dead_token));
	ASSERT_TRUE(wait_until(strstr(text_now(session, "news"), "handles 0")));
	seen = lock_now(session, "news");
	EXPECT_STREQ("news 0600 0:0 adaptive handles 0 waiters 0 news 1",
		     seen.text);
	EXPECT_EQ(token, seen.dead_token);
	ASSERT_EQ(0, open_lock(&handle, "news", 0, 0));
	ASSERT_EQ(0, acquire(&handle, 0, 0, &got));
	EXPECT_EQ(CHRING_NEWS_OWNER_DIED, got.news);
	close(handle.fd);
	EXPECT_STREQ("-2", text_now(session, "news"));
	/* Nobody need come where it is deleted */
	ASSERT_EQ(0, open_lock(&handle, "news", CREATE, 0));
	pid = hold_in_child("news", &handle);
	close(handle.fd);
	kill(pid, SIGKILL);
	status_of(pid);
	ASSERT_TRUE(wait_until(lock_now(session, "news").dead_token));
	EXPECT_EQ(0, lock_do(session, CHRING_CMD_LOCK_DEL, "news"));
	EXPECT_TRUE(wait_until(!strcmp("-2", text_now(session, "news"))));
}

TEST_F(locks, are_broken)
{
	struct session *session = &self->session;
	struct chring_lock_acquire got, next;
	struct chring_lock_stat stat;
	struct handle handle, other;
	struct seen seen;

	ASSERT_EQ(0, open_lock(&handle, "broken", CREATE, 0));
	ASSERT_EQ(0, open_lock(&other, "broken", 0, 0));
	EXPECT_EQ(-ESRCH, lock_do(session, CHRING_CMD_LOCK_BREAK, "broken"));
	ASSERT_EQ(0, acquire(&handle, 0, 0, &got));
	EXPECT_EQ(0, lock_do(session, CHRING_CMD_LOCK_BREAK, "broken"));
	seen = lock_now(session, "broken");
	EXPECT_STREQ("broken 0600 0:0 adaptive handles 2 waiters 0 news 2",
		     seen.text);
	EXPECT_EQ(got.token, seen.dead_token);
	ASSERT_EQ(0, stat_lock(&handle, &stat));
	EXPECT_EQ(CHRING_STAT_LOST, stat.flags);
	ASSERT_EQ(0, acquire(&other, 0, 0, &next));
	EXPECT_EQ(CHRING_NEWS_BROKEN, next.news);
	EXPECT_EQ(got.token, next.dead_token);
	EXPECT_EQ(-ESTALE, release(&handle, got.token));
	ASSERT_EQ(0, stat_lock(&handle, &stat));
	EXPECT_EQ(CHRING_STAT_HELD, stat.flags);
	close(handle.fd);
	close(other.fd);
}

TEST_F(locks, are_changed)
{
	struct session *session = &self->session;
	struct handle handle;

	ASSERT_EQ(0, lock_new(session, "lock"));
	EXPECT_EQ(0, lock_put(session, CHRING_CMD_LOCK_SET, "lock",
			      CHRING_A_LOCK_MODE, 0));
	EXPECT_EQ(0, lock_put(session, CHRING_CMD_LOCK_SET, "lock",
			      CHRING_A_LOCK_UID, ALICE));
	EXPECT_EQ(0, lock_put(session, CHRING_CMD_LOCK_SET, "lock",
			      CHRING_A_LOCK_GID, STAFF));
	EXPECT_EQ(0, lock_put(session, CHRING_CMD_LOCK_SET, "lock",
			      CHRING_A_LOCK_DISCIPLINE,
			      CHRING_LOCK_DISCIPLINE_FIFO));
	EXPECT_STREQ("lock 0 1001:1100 fifo persistent handles 0 waiters 0 news 0",
		     text_now(session, "lock"));
	ASSERT_EQ(0, open_lock(&handle, "lock", 0, 0));
	EXPECT_EQ(CHRING_LOCK_FIFO, handle.flags);
	EXPECT_EQ(0, lock_put(session, CHRING_CMD_LOCK_SET, "lock",
			      CHRING_A_LOCK_DISCIPLINE,
			      CHRING_LOCK_DISCIPLINE_FIFO));
	EXPECT_EQ(-EBUSY, lock_put(session, CHRING_CMD_LOCK_SET, "lock",
				   CHRING_A_LOCK_DISCIPLINE,
				   CHRING_LOCK_DISCIPLINE_ADAPTIVE));
	close(handle.fd);
	EXPECT_EQ(0, lock_put(session, CHRING_CMD_LOCK_SET, "lock",
			      CHRING_A_LOCK_DISCIPLINE,
			      CHRING_LOCK_DISCIPLINE_ADAPTIVE));
	EXPECT_STREQ("lock 0 1001:1100 adaptive persistent handles 0 waiters 0 news 0",
		     text_now(session, "lock"));
}

TEST_F(locks, are_refused_what_they_cannot_be)
{
	struct session *session = &self->session;
	struct seen before;

	ASSERT_EQ(0, lock_new(session, "there"));
	before = lock_now(session, "there");
	EXPECT_EQ(-EEXIST, lock_new(session, "there"));
	EXPECT_EQ(-EINVAL, lock_new(session, ""));
	EXPECT_EQ(-EINVAL, lock_new(session, "a b"));
	EXPECT_EQ(-EINVAL, lock_new(session, "@x/y"));
	EXPECT_EQ(-EPERM, lock_new(session, "@1001/x"));
	EXPECT_EQ(0, lock_put(session, CHRING_CMD_LOCK_NEW, "@1001/x",
			      CHRING_A_LOCK_UID, ALICE));
	EXPECT_EQ(-EPERM, lock_put(session, CHRING_CMD_LOCK_SET, "@1001/x",
				   CHRING_A_LOCK_UID, BOB));
	EXPECT_EQ(-EINVAL, lock_put(session, CHRING_CMD_LOCK_NEW, "x",
				    CHRING_A_LOCK_MODE, 0100));
	EXPECT_EQ(-EINVAL, lock_put(session, CHRING_CMD_LOCK_NEW, "x",
				    CHRING_A_LOCK_MODE, 01000));
	EXPECT_EQ(-EINVAL, lock_put(session, CHRING_CMD_LOCK_NEW, "x",
				    CHRING_A_LOCK_UID, -1));
	EXPECT_EQ(-EINVAL, lock_put(session, CHRING_CMD_LOCK_NEW, "x",
				    CHRING_A_LOCK_GID, -1));
	EXPECT_EQ(-EINVAL, lock_do(session, CHRING_CMD_LOCK_SET, "there"));
	EXPECT_EQ(-EINVAL, lock_put(session, CHRING_CMD_LOCK_SET, "there",
				    CHRING_A_LOCK_MODE, 0601));
	EXPECT_EQ(-ENOENT, lock_put(session, CHRING_CMD_LOCK_SET, "x",
				    CHRING_A_LOCK_MODE, 0600));
	EXPECT_EQ(-ENOENT, lock_do(session, CHRING_CMD_LOCK_DEL, "x"));
	EXPECT_EQ(-ENOENT, lock_do(session, CHRING_CMD_LOCK_BREAK, "x"));
	EXPECT_STREQ(before.text, text_now(session, "there"));
	EXPECT_STREQ("there;@1001/x;", names_now(session));
}

/* As Alice, who is of the staff, in a process of her own. */
static int as_alice(int (*try)(struct session *session),
		    struct session *given)
{
	int *got = mmap(NULL, sizeof(*got), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	gid_t staff = STAFF;
	struct session own;
	pid_t pid = fork();

	if (!pid) {
		if (setgroups(1, &staff) || setresgid(ALICE, ALICE, ALICE) ||
		    setresuid(ALICE, ALICE, ALICE) ||
		    (!given && !session_open(&own)))
			_exit(1);
		*got = try(given ?: &own);
		_exit(0);
	}
	return status_of(pid) ? -1 : *got;
}

/* Returns the number of what was not as it should be. */
#define CHECK(condition)						\
do {									\
	if (!(condition))						\
		return __LINE__;					\
} while (0)

static int alice_has_her_own(struct session *session)
{
	CHECK(lock_new(session, "hers") == 0);
	CHECK(!strcmp(text_now(session, "hers"),
		      "hers 0600 1001:1001 adaptive persistent handles 0 waiters 0 news 0"));
	CHECK(lock_put(session, CHRING_CMD_LOCK_SET, "hers",
		       CHRING_A_LOCK_MODE, 0) == 0);
	/* She cannot open it, but it is hers */
	CHECK(lock_put(session, CHRING_CMD_LOCK_SET, "hers",
		       CHRING_A_LOCK_GID, STAFF) == 0);
	CHECK(lock_put(session, CHRING_CMD_LOCK_SET, "hers",
		       CHRING_A_LOCK_GID, 0) == -EPERM);
	CHECK(lock_put(session, CHRING_CMD_LOCK_SET, "hers",
		       CHRING_A_LOCK_UID, BOB) == -EPERM);
	CHECK(!strcmp(text_now(session, "hers"),
		      "hers 0 1001:1100 adaptive persistent handles 0 waiters 0 news 0"));
	CHECK(lock_do(session, CHRING_CMD_LOCK_BREAK, "hers") == -ESRCH);
	CHECK(lock_do(session, CHRING_CMD_LOCK_DEL, "hers") == 0);
	CHECK(lock_put(session, CHRING_CMD_LOCK_NEW, "hers",
		       CHRING_A_LOCK_UID, BOB) == -EPERM);
	CHECK(lock_put(session, CHRING_CMD_LOCK_NEW, "hers",
		       CHRING_A_LOCK_GID, 0) == -EPERM);
	CHECK(lock_new(session, "!hers") == -EPERM);
	CHECK(lock_new(session, "@0/hers") == -EPERM);
	CHECK(lock_new(session, "@1001/hers") == 0);
	CHECK(lock_do(session, CHRING_CMD_LOCK_DEL, "@1001/hers") == 0);
	return 0;
}

static int alice_has_no_others(struct session *session)
{
	CHECK(lock_put(session, CHRING_CMD_LOCK_SET, "read",
		       CHRING_A_LOCK_MODE, 0666) == -EPERM);
	CHECK(lock_do(session, CHRING_CMD_LOCK_BREAK, "read") == -EPERM);
	CHECK(lock_do(session, CHRING_CMD_LOCK_DEL, "read") == -EPERM);
	/* She sees what she may read */
	CHECK(!strcmp(names_now(session), "read;staff;"));
	CHECK(!strcmp(text_now(session, "secret"), "-13"));
	CHECK(!strncmp(text_now(session, "staff"), "staff ", 6));
	return 0;
}

/* A socket that root opened, which root may not have meant for this. */
static int alice_has_roots_socket(struct session *session)
{
	CHECK(lock_new(session, "tricked") == -EPERM);
	CHECK(lock_do(session, CHRING_CMD_LOCK_DEL, "read") == -EPERM);
	return 0;
}

TEST_F(locks, are_their_owners)
{
	struct session *session = &self->session;
	struct nl_msg *msg;

	ASSERT_EQ(0, lock_new(session, "secret"));
	ASSERT_EQ(0, lock_put(session, CHRING_CMD_LOCK_NEW, "read",
			      CHRING_A_LOCK_MODE, 0604));
	msg = request_lock(session, CHRING_CMD_LOCK_NEW, "staff");
	nla_put_u32(msg, CHRING_A_LOCK_MODE, 0040);
	nla_put_u32(msg, CHRING_A_LOCK_GID, STAFF);
	ASSERT_EQ(0, ask(session, msg));
	EXPECT_EQ(0, as_alice(alice_has_her_own, NULL));
	EXPECT_EQ(0, as_alice(alice_has_no_others, NULL));
	EXPECT_EQ(0, as_alice(alice_has_roots_socket, session));
	EXPECT_STREQ("secret;read;staff;", names_now(session));
}

#define MANY 3000

TEST_F(locks, are_many)
{
	struct session *session = &self->session;
	static struct names names;
	char name[16];
	int i;

	for (i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		ASSERT_EQ(0, lock_new(session, name));
	}
	EXPECT_EQ(0, read_locks(session, NULL, take_name, &names));
	EXPECT_EQ(MANY, names.count);
	/* All end with the network namespace */
}

/* ---- notifications */

struct listener {
	struct nl_sock *sock;
	int family;
};

static int listen_to_locks(struct listener *listener)
{
	int group;

	listener->sock = nl_socket_alloc();
	if (!listener->sock || genl_connect(listener->sock))
		return -1;
	listener->family = genl_ctrl_resolve(listener->sock,
					     CHRING_FAMILY_NAME);
	group = genl_ctrl_resolve_grp(listener->sock, CHRING_FAMILY_NAME,
				      "locks");
	if (group < 0)
		return group;
	group = nl_socket_add_membership(listener->sock, group);
	return group;
}

/* The next notification, which must come; its command before its text. */
static struct seen next_told(struct listener *listener)
{
	static struct nlmsghdr buffer[1 << 10];
	static const char * const names[] = {
		[CHRING_CMD_LOCK_NEW_NTF] = "new",
		[CHRING_CMD_LOCK_SET_NTF] = "set",
		[CHRING_CMD_LOCK_DEL_NTF] = "del",
		[CHRING_CMD_LOCK_OWNER_DIED_NTF] = "owner-died",
		[CHRING_CMD_LOCK_BROKEN_NTF] = "broken",
		[CHRING_CMD_LOCK_CORRUPT_NTF] = "corrupt",
	};
	struct seen seen = {}, lock;
	int length = recv(nl_socket_get_fd(listener->sock), buffer,
			  sizeof(buffer), 0);
	int cmd;

	if (!nlmsg_ok(buffer, length))
		return seen;
	cmd = genlmsg_hdr(buffer)->cmd;
	see(buffer, &lock);
	seen = lock;
	seen.text[0] = '\0';
	put(&seen, "%s %s", cmd < (int)elements(names) && names[cmd] ?
	    names[cmd] : "?", lock.text);
	return seen;
}

TEST_F(locks, are_told_of)
{
	struct session *session = &self->session;
	struct chring_lock_acquire got;
	struct listener listener;
	struct handle handle;
	struct seen told;
	uint64_t token;
	pid_t pid;

	ASSERT_EQ(0, listen_to_locks(&listener));
	ASSERT_EQ(0, open_lock(&handle, "told", CREATE, 0));
	EXPECT_STREQ("new told 0600 0:0 adaptive handles 0 waiters 0 news 0",
		     next_told(&listener).text);
	ASSERT_EQ(0, lock_put(session, CHRING_CMD_LOCK_SET, "told",
			      CHRING_A_LOCK_MODE, 0640));
	EXPECT_STREQ("set told 0640 0:0 adaptive handles 1 waiters 0 news 0",
		     next_told(&listener).text);

	ASSERT_EQ(0, acquire(&handle, 0, 0, &got));
	ASSERT_EQ(0, lock_do(session, CHRING_CMD_LOCK_BREAK, "told"));
	told = next_told(&listener);
	EXPECT_STREQ("broken told 0640 0:0 adaptive handles 1 waiters 0 news 2",
		     told.text);
	EXPECT_EQ(got.token, told.dead_token);

	pid = hold_in_child("told", &handle);
	token = lock_now(session, "told").token;
	kill(pid, SIGKILL);
	status_of(pid);
	told = next_told(&listener);
	EXPECT_EQ(0, strncmp("owner-died told 0640 0:0 adaptive handles ",
			     told.text, 41));
	EXPECT_EQ(token, told.dead_token);

	ASSERT_EQ(0, acquire(&handle, 0, 0, &got));
	ASSERT_EQ(0, release(&handle, got.token));
	ASSERT_EQ(0, map_lock(&handle));
	token = fast_acquire(&handle);
	ASSERT_NE(0U, token);
	__atomic_store_n(handle.word, 0, __ATOMIC_SEQ_CST);
	lock_now(session, "told");
	told = next_told(&listener);
	EXPECT_STREQ("corrupt told 0640 0:0 adaptive strict handles 1 waiters 0 news 4",
		     told.text);
	EXPECT_EQ(token - 1, told.dead_token);

	/* What nobody can open any more is not kept for the news */
	ASSERT_EQ(0, lock_do(session, CHRING_CMD_LOCK_DEL, "told"));
	munmap(handle.word, getpagesize());
	munmap((void *)handle.info, getpagesize());
	close(handle.fd);
	EXPECT_STREQ("del told 0640 0:0 adaptive strict handles 0 waiters 0 news 4",
		     next_told(&listener).text);
	nl_socket_free(listener.sock);
}

static int alice_listens(struct session *session)
{
	struct listener listener;

	return listen_to_locks(&listener);
}

TEST_F(locks, are_told_to_administrators)
{
	EXPECT_EQ(-NLE_PERM, as_alice(alice_listens, NULL));
}

TEST_HARNESS_MAIN
