// SPDX-License-Identifier: GPL-2.0
/*
 * Who may change what: CAP_NET_ADMIN in the user namespace that the network
 * namespace belongs to, and a service's owner its own replicas. All may read.
 */
#define _GNU_SOURCE		/* unshare */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "request.h"

#define HERE "127.0.0.1"
#define PORT 8000
#define NOBODY 65534
#define OWNER 1000

/* Services "s" with the replicas "a" and "b", and "idle". */
FIXTURE(privileges)
{
	struct session session;
	int a, b, mine;
	char *state;
};

FIXTURE_SETUP(privileges)
{
	struct session *session = &self->session;

	ASSERT_TRUE(own_netns());
	ASSERT_TRUE(session_open(session));
	self->a = bound_socket(IPPROTO_UDP, HERE, PORT);
	self->b = bound_socket(IPPROTO_UDP, HERE, PORT);
	self->mine = bound_socket(IPPROTO_UDP, HERE, PORT);
	ASSERT_LE(0, self->mine);
	ASSERT_EQ(0, service_new(session, "s", IPPROTO_UDP, HERE, PORT));
	ASSERT_EQ(0, replica_new(session, "s", "a", self->a));
	ASSERT_EQ(0, replica_new(session, "s", "b", self->b));
	ASSERT_EQ(0, service_new(session, "idle", IPPROTO_UDP, HERE,
				 PORT + 1));
	self->state = state_read(session);
}

FIXTURE_TEARDOWN(privileges)
{
	char *state = state_read(&self->session);

	EXPECT_STREQ(self->state, state);
	EXPECT_TRUE(services_gone(&self->session));
	session_close(&self->session);
	free(self->state);
	free(state);
}

static struct nl_msg *set_owner(struct session *session)
{
	struct nl_msg *msg = request_service(session, CHRING_CMD_SERVICE_SET,
					     "idle");

	nla_put_u32(msg, CHRING_A_SERVICE_OWNER, 0);
	return msg;
}

/* What each request to change something is answered. */
static void changes_are(struct __test_metadata *_metadata,
			struct session *session, int mine, int err)
{
	EXPECT_EQ(err, service_new(session, "t", IPPROTO_UDP, HERE, PORT + 2));
	EXPECT_EQ(err, ask(session, set_owner(session)));
	EXPECT_EQ(err, replica_new(session, "s", "c", mine));
	EXPECT_EQ(err, ask(session,
			   request_replica(session, CHRING_CMD_REPLICA_SET,
					   "s", "a", -1, 2)));
	EXPECT_EQ(err, ask(session,
			   request_replica(session, CHRING_CMD_REPLICA_DEL,
					   "s", "a", -1, 0)));
	EXPECT_EQ(err, ask(session,
			   request_service(session, CHRING_CMD_SERVICE_DEL,
					   "idle")));
}

static void reads_are(struct __test_metadata *_metadata,
		      struct session *session, const char *state)
{
	char *seen = state_read(session);

	EXPECT_STREQ(state, seen);
	EXPECT_EQ(0, ask(session, request_service(session,
						  CHRING_CMD_SERVICE_GET,
						  "s")));
	EXPECT_EQ(0, ask(session,
			 request_replica(session, CHRING_CMD_REPLICA_GET, "s",
					 "a", -1, 0)));
	EXPECT_EQ(0, ask(session, request_lookup(session, "s")));
	free(seen);
}

/*
 * Runs in a child, for there is no way back. The child shares the test's
 * results.
 */
#define IN_CHILD(body)							\
do {									\
	pid_t pid_;							\
	int status_ = -1;						\
									\
	fflush(stdout);							\
	pid_ = fork();							\
	if (!pid_) {							\
		body;							\
		_exit(0);						\
	}								\
	EXPECT_EQ(pid_, waitpid(pid_, &status_, 0));			\
	EXPECT_EQ(0, status_);						\
} while (0)

static void as_nobody(struct __test_metadata *_metadata,
		      struct _test_data_privileges *self)
{
	struct session session;

	ASSERT_TRUE(become(NOBODY));
	ASSERT_TRUE(session_open(&session));
	changes_are(_metadata, &session, self->mine, -EPERM);
	reads_are(_metadata, &session, self->state);
	session_close(&session);
}

TEST_F(privileges, of_nobody_are_to_read)
{
	IN_CHILD(as_nobody(_metadata, self));
}

/* A netlink socket that was opened by root does not lend what root may do. */
static void with_roots_socket(struct __test_metadata *_metadata,
			      struct _test_data_privileges *self)
{
	struct session session;

	ASSERT_TRUE(session_open(&session));
	ASSERT_EQ(0, setresuid(NOBODY, NOBODY, NOBODY));
	changes_are(_metadata, &session, self->mine, -EPERM);
	session_close(&session);
}

TEST_F(privileges, are_not_lent_with_a_netlink_socket)
{
	IN_CHILD(with_roots_socket(_metadata, self));
}

/* The same state where root is not known; the caller frees it. */
static char *of_strangers(const char *state)
{
	static const char root[] = " owner 0 ";
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);
	const char *at;

	for (; (at = strstr(state, root)); state = at + strlen(root))
		fprintf(stream, "%.*s owner %u ", (int)(at - state), state,
			NOBODY);
	fputs(state, stream);
	fclose(stream);
	return text;
}

static void as_root_elsewhere(struct __test_metadata *_metadata,
			      struct _test_data_privileges *self)
{
	struct session session;
	char *seen;

	ASSERT_TRUE(become(NOBODY));
	ASSERT_TRUE(own_userns());
	ASSERT_TRUE(session_open(&session));
	changes_are(_metadata, &session, self->mine, -EPERM);
	seen = of_strangers(self->state);
	reads_are(_metadata, &session, seen);
	free(seen);
	session_close(&session);
}

TEST_F(privileges, of_a_user_namespaces_root_are_not_for_its_parents_network)
{
	IN_CHILD(as_root_elsewhere(_metadata, self));
}

static void as_root_at_home(struct __test_metadata *_metadata,
			    struct _test_data_privileges *self)
{
	struct session session;
	char *state;
	int fd;

	ASSERT_TRUE(own_userns());
	ASSERT_TRUE(own_netns());
	ASSERT_TRUE(session_open(&session));
	state = state_read(&session);
	EXPECT_STREQ("", state);
	free(state);

	fd = bound_socket(IPPROTO_UDP, HERE, PORT);
	ASSERT_EQ(0, service_new(&session, "s", IPPROTO_UDP, HERE, PORT));
	ASSERT_EQ(0, service_new(&session, "idle", IPPROTO_UDP, HERE,
				 PORT + 1));
	ASSERT_EQ(0, replica_new(&session, "s", "a", fd));
	/* A socket of another namespace stays out of reach. */
	EXPECT_EQ(-EXDEV, replica_new(&session, "s", "b", self->b));
	changes_are(_metadata, &session,
		    bound_socket(IPPROTO_UDP, HERE, PORT), 0);
	EXPECT_TRUE(services_gone(&session));
	session_close(&session);
}

TEST_F(privileges, of_a_user_namespaces_root_are_for_its_own_network)
{
	IN_CHILD(as_root_at_home(_metadata, self));
}

/* An owner that the user namespace does not know cannot be given. */
static void gives_to_a_stranger(struct __test_metadata *_metadata)
{
	struct session session;
	struct nl_msg *msg;

	ASSERT_TRUE(own_userns());
	ASSERT_TRUE(own_netns());
	ASSERT_TRUE(session_open(&session));
	msg = request_service_new(&session, "t", IPPROTO_UDP, HERE, PORT);
	nla_put_u32(msg, CHRING_A_SERVICE_OWNER, 1);
	EXPECT_REFUSED(&session, msg, -EINVAL, "no such user id",
		       AT(CHRING_A_SERVICE_OWNER));
	session_close(&session);
}

TEST_F(privileges, do_not_go_beyond_the_users_that_are_known)
{
	IN_CHILD(gives_to_a_stranger(_metadata));
}

/*
 * OWNER's service "o", over TCP, with the replica "theirs": a listener of
 * root's on another port.
 */
static bool owned_service(struct session *session)
{
	struct nl_msg *msg = request_service_new(session, "o", IPPROTO_TCP,
						 HERE, PORT);

	nla_put_u32(msg, CHRING_A_SERVICE_OWNER, OWNER);
	return !ask(session, msg) &&
	       !replica_new(session, "o", "theirs",
			    bound_socket(IPPROTO_TCP, HERE, PORT + 1));
}

/* What the owner's requests about its own replica are answered. */
static void own_changes_are(struct __test_metadata *_metadata,
			    struct session *session, int fd, int err)
{
	EXPECT_EQ(err, replica_new(session, "o", "mine", fd));
	EXPECT_EQ(err, ask(session,
			   request_replica(session, CHRING_CMD_REPLICA_SET,
					   "o", "mine", -1, 2)));
	EXPECT_EQ(err, ask(session,
			   request_replica(session, CHRING_CMD_REPLICA_DEL,
					   "o", "mine", -1, 0)));
}

static void as_owner(struct __test_metadata *_metadata,
		     struct _test_data_privileges *self, int roots)
{
	const char *another = "another user's";
	struct session session;
	struct nl_msg *msg;
	int fd;

	ASSERT_TRUE(become(OWNER));
	ASSERT_TRUE(session_open(&session));
	fd = bound_socket(IPPROTO_TCP, HERE, PORT + 2);
	own_changes_are(_metadata, &session, fd, 0);
	ASSERT_EQ(0, replica_new(&session, "o", "mine", fd));

	EXPECT_REFUSED(&session,
		       request_replica(&session, CHRING_CMD_REPLICA_NEW, "o",
				       "more", roots, 0),
		       -EPERM, another, IN(0, CHRING_A_REPLICA_FD));
	msg = request_replica(&session, CHRING_CMD_REPLICA_SET, "o", "mine", -1,
			      3);
	put_replica(msg, "theirs", -1, 3);
	EXPECT_REFUSED(&session, msg, -EPERM, another,
		       IN(1, CHRING_A_REPLICA_NAME));
	msg = request_replica(&session, CHRING_CMD_REPLICA_DEL, "o", "mine", -1,
			      0);
	put_replica(msg, "theirs", -1, 0);
	EXPECT_REFUSED(&session, msg, -EPERM, another,
		       IN(1, CHRING_A_REPLICA_NAME));

	EXPECT_REFUSED(&session,
		       request_replica(&session, CHRING_CMD_REPLICA_NEW, "s",
				       "c", self->mine, 0),
		       -EPERM, "owner", AT(CHRING_A_REPLICAS_SERVICE));
	changes_are(_metadata, &session, self->mine, -EPERM);
	session_close(&session);
}

TEST_F(privileges, of_a_services_owner_are_for_its_own_replicas)
{
	int roots = bound_socket(IPPROTO_TCP, HERE, PORT + 3);

	ASSERT_TRUE(owned_service(&self->session));
	IN_CHILD(as_owner(_metadata, self, roots));
	EXPECT_EQ(0, chring_service_del(self->session.chring, "o"));
	EXPECT_TRUE(service_gone(&self->session, "o"));
}

/* By who opened the socket, and who sends by it. */
static void by_another(struct __test_metadata *_metadata, uid_t opener,
		       uid_t sender)
{
	struct session session;
	int fd;

	ASSERT_EQ(0, seteuid(opener));
	ASSERT_TRUE(session_open(&session));
	ASSERT_EQ(0, seteuid(0));
	ASSERT_EQ(0, seteuid(OWNER));
	fd = bound_socket(IPPROTO_TCP, HERE, PORT + 2);
	ASSERT_EQ(0, seteuid(0));
	ASSERT_EQ(0, setresuid(sender, sender, sender));
	own_changes_are(_metadata, &session, fd, -EPERM);
	session_close(&session);
}

TEST_F(privileges, of_a_services_owner_are_not_lent_either)
{
	ASSERT_TRUE(owned_service(&self->session));
	IN_CHILD(by_another(_metadata, OWNER, NOBODY));
	IN_CHILD(by_another(_metadata, NOBODY, OWNER));
	EXPECT_EQ(0, chring_service_del(self->session.chring, "o"));
	EXPECT_TRUE(service_gone(&self->session, "o"));
}

/* Who is root there is still the user who made the namespace. */
static void as_owner_elsewhere(struct __test_metadata *_metadata,
			       struct _test_data_privileges *self)
{
	struct session session;

	ASSERT_TRUE(become(OWNER));
	ASSERT_TRUE(own_userns());
	ASSERT_TRUE(session_open(&session));
	own_changes_are(_metadata, &session,
			bound_socket(IPPROTO_TCP, HERE, PORT + 2), 0);
	EXPECT_EQ(-EPERM, ask(&session,
			      request_replica(&session, CHRING_CMD_REPLICA_DEL,
					      "o", "theirs", -1, 0)));
	changes_are(_metadata, &session, self->mine, -EPERM);
	session_close(&session);
}

TEST_F(privileges, of_a_services_owner_do_not_grow_with_a_user_namespace)
{
	ASSERT_TRUE(owned_service(&self->session));
	IN_CHILD(as_owner_elsewhere(_metadata, self));
	EXPECT_EQ(0, chring_service_del(self->session.chring, "o"));
	EXPECT_TRUE(service_gone(&self->session, "o"));
}

TEST_HARNESS_MAIN
