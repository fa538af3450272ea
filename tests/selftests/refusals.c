// SPDX-License-Identifier: GPL-2.0
/*
 * What the module refuses: each with its errno, a text, the attribute that is
 * wrong where there is one, and without a change of what there is.
 */
#define _GNU_SOURCE		/* unshare */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "request.h"

#define HERE "127.0.0.1"
#define PORT 8000
#define STRANGER 1000
#define PARAMETERS "/sys/module/chring/parameters/"

#define FD IN(0, CHRING_A_REPLICA_FD)
#define NAME IN(0, CHRING_A_REPLICA_NAME)

/* A service "s" with the replicas "a" and "b", in a namespace of its own. */
FIXTURE(refusals)
{
	struct session session;
	int a, b;
	int mine;		/* another socket that could be a replica's */
};

FIXTURE_VARIANT(refusals)
{
	int protocol;
};

FIXTURE_VARIANT_ADD(refusals, tcp)
{
	.protocol = IPPROTO_TCP,
};

FIXTURE_VARIANT_ADD(refusals, udp)
{
	.protocol = IPPROTO_UDP,
};

FIXTURE_SETUP(refusals)
{
	struct session *session = &self->session;

	ASSERT_TRUE(own_netns());
	ASSERT_TRUE(session_open(session));
	self->a = bound_socket(variant->protocol, HERE, PORT);
	self->b = bound_socket(variant->protocol, HERE, PORT);
	self->mine = bound_socket(variant->protocol, HERE, PORT);
	ASSERT_LE(0, self->mine);
	ASSERT_EQ(0, service_new(session, "s", variant->protocol, HERE, PORT));
	ASSERT_EQ(0, replica_new(session, "s", "a", self->a));
	ASSERT_EQ(0, replica_new(session, "s", "b", self->b));
}

/* What was refused must be possible when it is asked for rightly. */
FIXTURE_TEARDOWN(refusals)
{
	EXPECT_EQ(0, replica_new(&self->session, "s", "mine", self->mine));
	EXPECT_TRUE(services_gone(&self->session));
	session_close(&self->session);
}

static struct nl_msg *add(struct session *session, int fd)
{
	return request_replica(session, CHRING_CMD_REPLICA_NEW, "s", "c", fd,
			       0);
}

/* Refuses @fd, and closes it. */
#define EXPECT_FD_REFUSED(fd, err, text)				\
do {									\
	int socket_ = fd;						\
									\
	ASSERT_LE(0, socket_);						\
	EXPECT_REFUSED(&self->session, add(&self->session, socket_),	\
		       err, text, FD);					\
	close(socket_);							\
} while (0)

TEST_F(refusals, a_descriptor_that_is_not_open)
{
	struct session *session = &self->session;
	int fd = open("/dev/null", O_RDONLY);

	close(fd);
	EXPECT_REFUSED(session, add(session, fd), -EBADF, "not open", FD);
	EXPECT_REFUSED(session, add(session, 0x7fffffff), -EBADF, "not open",
		       FD);
}

TEST_F(refusals, a_descriptor_that_only_names_a_file)
{
	EXPECT_FD_REFUSED(open("/", O_PATH), -EBADF, "not open");
}

TEST_F(refusals, a_file)
{
	EXPECT_FD_REFUSED(open("/dev/null", O_RDONLY), -ENOTSOCK,
			  "not a socket");
}

TEST_F(refusals, a_socket_of_the_other_protocol)
{
	bool tcp = variant->protocol == IPPROTO_TCP;

	EXPECT_FD_REFUSED(bound_socket(tcp ? IPPROTO_UDP : IPPROTO_TCP, HERE,
				       PORT),
			  -EPROTOTYPE, tcp ? "not a TCP" : "not a UDP");
}

TEST_F(refusals, a_unix_socket)
{
	EXPECT_FD_REFUSED(socket(AF_UNIX, SOCK_STREAM, 0), -EAFNOSUPPORT,
			  "not of IPv4 or IPv6");
}

static int ipv6_socket(int protocol, struct in6_addr address, int port)
{
	struct sockaddr_in6 sin6 = {
		.sin6_family = AF_INET6,
		.sin6_port = htons(port),
		.sin6_addr = address,
	};
	bool tcp = protocol == IPPROTO_TCP;
	int fd, on = 1;

	fd = socket(AF_INET6, tcp ? SOCK_STREAM : SOCK_DGRAM, 0);
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&sin6, sizeof(sin6)) ||
	    (tcp && listen(fd, 1)))
		return -1;
	return fd;
}

/* It is for IPv6 only, as each on an address of its own. */
TEST_F(refusals, an_ipv6_socket)
{
	EXPECT_FD_REFUSED(ipv6_socket(variant->protocol, in6addr_loopback,
				      PORT + 1),
			  -EAFNOSUPPORT, "not an IPv4");
}

/* Connections that migrate to it would be IPv4 sockets, unlike its own. */
TEST_F(refusals, a_dual_stack_socket_for_an_ipv4_service)
{
	EXPECT_FD_REFUSED(ipv6_socket(variant->protocol, in6addr_any, PORT),
			  -EAFNOSUPPORT, "not an IPv4");
	EXPECT_FD_REFUSED(ipv6_socket(variant->protocol, in6addr_any, PORT + 1),
			  -EAFNOSUPPORT, "not an IPv4");
}

TEST_F(refusals, an_mptcp_listener)
{
	bool tcp = variant->protocol == IPPROTO_TCP;
	int fd = socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP);

	if (fd < 0)
		SKIP(return, "no MPTCP in this kernel");
	ASSERT_EQ(0, bind_socket(fd, HERE, PORT + 1));
	EXPECT_FD_REFUSED(fd, -EPROTOTYPE, tcp ? "not a TCP" : "not a UDP");
}

/* Its protocol and, for want of a port, its "port" are those of a service. */
TEST_F(refusals, a_raw_socket)
{
	struct sockaddr_in here = address_of(HERE, 0);
	struct session *session = &self->session;
	int fd = socket(AF_INET, SOCK_RAW, variant->protocol);
	int on = 1;

	ASSERT_LE(0, fd);
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	ASSERT_EQ(0, bind(fd, (struct sockaddr *)&here, sizeof(here)));
	ASSERT_EQ(0, service_new(session, "raw", variant->protocol, HERE,
				 variant->protocol));
	EXPECT_REFUSED(session,
		       request_replica(session, CHRING_CMD_REPLICA_NEW, "raw",
				       "c", fd, 0),
		       -EINVAL, "socket", FD);
}

TEST_F(refusals, a_socket_that_is_not_bound)
{
	bool tcp = variant->protocol == IPPROTO_TCP;

	EXPECT_FD_REFUSED(open_socket(variant->protocol, true), -EINVAL,
			  tcp ? "not listening" : "not bound");
}

TEST_F(refusals, a_socket_that_is_bound_and_does_not_listen)
{
	struct sockaddr_in here = address_of(HERE, PORT);
	int fd = open_socket(IPPROTO_TCP, true);

	if (variant->protocol != IPPROTO_TCP)
		return;
	ASSERT_EQ(0, bind(fd, (struct sockaddr *)&here, sizeof(here)));
	EXPECT_FD_REFUSED(fd, -EINVAL, "not listening");
}

TEST_F(refusals, a_socket_that_was_shut_down)
{
	int fd = bound_socket(variant->protocol, HERE, PORT);

	if (variant->protocol != IPPROTO_TCP)
		return;
	ASSERT_EQ(0, shutdown(fd, SHUT_RDWR));
	EXPECT_FD_REFUSED(fd, -EINVAL, "not listening");
}

TEST_F(refusals, a_connected_socket)
{
	struct sockaddr_in there = address_of(HERE, PORT + 1);
	int fd = open_socket(variant->protocol, true);
	struct sockaddr_in here = address_of(HERE, PORT);

	ASSERT_LE(0, bound_socket(variant->protocol, HERE, PORT + 1));
	ASSERT_EQ(0, bind(fd, (struct sockaddr *)&here, sizeof(here)));
	ASSERT_EQ(0, connect(fd, (struct sockaddr *)&there, sizeof(there)));
	if (variant->protocol == IPPROTO_TCP)
		EXPECT_FD_REFUSED(fd, -EINVAL, "not listening");
	else
		EXPECT_FD_REFUSED(fd, -EISCONN, "connected");
}

TEST_F(refusals, a_socket_of_another_network_namespace)
{
	int home = open("/proc/thread-self/ns/net", O_RDONLY), fd;

	ASSERT_LE(0, home);
	ASSERT_TRUE(own_netns());
	fd = bound_socket(variant->protocol, HERE, PORT);
	ASSERT_EQ(0, setns(home, CLONE_NEWNET));
	EXPECT_FD_REFUSED(fd, -EXDEV, "another network namespace");
}

TEST_F(refusals, a_socket_without_so_reuseport)
{
	struct session *session = &self->session;
	int on = 1, fd = open_socket(variant->protocol, false);

	ASSERT_EQ(0, bind_socket(fd, HERE, PORT + 1));
	ASSERT_EQ(0, service_new(session, "t", variant->protocol, HERE,
				 PORT + 1));
	EXPECT_REFUSED(session,
		       request_replica(session, CHRING_CMD_REPLICA_NEW, "t",
				       "c", fd, 0),
		       -EINVAL, "without SO_REUSEPORT", FD);

	/* Too late: it shares its port with nobody. */
	ASSERT_EQ(0, setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on,
				sizeof(on)));
	EXPECT_REFUSED(session,
		       request_replica(session, CHRING_CMD_REPLICA_NEW, "t",
				       "c", fd, 0),
		       -EINVAL, "without SO_REUSEPORT", FD);
}

TEST_F(refusals, a_socket_of_another_user_than_the_owner)
{
	int fd = bound_socket(variant->protocol, HERE, PORT);

	ASSERT_EQ(0, fchown(fd, STRANGER, -1));
	EXPECT_FD_REFUSED(fd, -EPERM,
			  "socket is of uid 1000, the service's owner is uid 0");
}

TEST_F(refusals, a_udp_socket_on_another_port)
{
	if (variant->protocol == IPPROTO_TCP)
		return;
	EXPECT_FD_REFUSED(bound_socket(variant->protocol, HERE, PORT + 1),
			  -EADDRNOTAVAIL,
			  "bound to 127.0.0.1:8001, the service to 127.0.0.1:8000");
}

TEST_F(refusals, a_socket_on_another_address)
{
	EXPECT_FD_REFUSED(bound_socket(variant->protocol, "127.0.0.2", PORT),
			  -EADDRNOTAVAIL, "bound to 127.0.0.2:8000");
}

TEST_F(refusals, a_socket_on_any_address_for_a_service_on_one)
{
	EXPECT_FD_REFUSED(bound_socket(variant->protocol, "0.0.0.0", PORT),
			  -EADDRNOTAVAIL, "bound to 0.0.0.0:8000");
}

TEST_F(refusals, a_socket_on_one_address_for_a_service_on_any)
{
	struct session *session = &self->session;
	int fd = bound_socket(variant->protocol, HERE, PORT + 1);

	ASSERT_EQ(0, service_new(session, "any", variant->protocol, "0.0.0.0",
				 PORT + 1));
	EXPECT_REFUSED(session,
		       request_replica(session, CHRING_CMD_REPLICA_NEW, "any",
				       "c", fd, 0),
		       -EADDRNOTAVAIL,
		       "bound to 127.0.0.1:8001, the service to 0.0.0.0:8001",
		       FD);
}

static int device_socket(int protocol)
{
	int fd = open_socket(protocol, true);

	if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 2) ||
	    bind_socket(fd, HERE, PORT))
		return -1;
	return fd;
}

TEST_F(refusals, a_socket_on_a_device)
{
	EXPECT_FD_REFUSED(device_socket(variant->protocol), -EADDRNOTAVAIL,
			  "bound to a device");
}

/*
 * It got its reuseport group as it was bound, to a device then. One of UDP
 * loses it with the device.
 */
TEST_F(refusals, a_socket_in_another_group)
{
	int fd = device_socket(variant->protocol);

	ASSERT_EQ(0, setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "", 0));
	if (variant->protocol == IPPROTO_TCP)
		EXPECT_FD_REFUSED(fd, -EADDRNOTAVAIL,
				  "does not share the service's port");
	else
		EXPECT_FD_REFUSED(fd, -EINVAL, "without SO_REUSEPORT");
}

TEST_F(refusals, a_socket_that_is_a_replicas)
{
	EXPECT_FD_REFUSED(dup(self->a), -EEXIST, "replica's already");
}

TEST_F(refusals, a_socket_twice_in_one_request)
{
	struct session *session = &self->session;
	struct nl_msg *msg = add(session, self->mine);

	put_replica(msg, "d", self->mine, 0);
	EXPECT_REFUSED(session, msg, -EEXIST, "replica's already",
		       IN(1, CHRING_A_REPLICA_FD));
}

TEST_F(refusals, a_name_that_is_taken)
{
	struct session *session = &self->session;

	EXPECT_REFUSED(session,
		       request_replica(session, CHRING_CMD_REPLICA_NEW, "s",
				       "b", self->mine, 0),
		       -EEXIST, "a replica of this name exists", NAME);
}

TEST_F(refusals, a_name_twice_in_one_request)
{
	int fd = bound_socket(variant->protocol, HERE, PORT);
	struct session *session = &self->session;
	struct nl_msg *msg = add(session, self->mine);

	put_replica(msg, "c", fd, 0);
	EXPECT_REFUSED(session, msg, -EEXIST, "a replica of this name exists",
		       IN(1, CHRING_A_REPLICA_NAME));
	msg = request_replica(session, CHRING_CMD_REPLICA_SET, "s", "a", -1, 2);
	put_replica(msg, "a", -1, 3);
	EXPECT_REFUSED(session, msg, -EINVAL, "named twice",
		       IN(1, CHRING_A_REPLICA_NAME));
	msg = request_replica(session, CHRING_CMD_REPLICA_DEL, "s", "a", -1, 0);
	put_replica(msg, "a", -1, 0);
	EXPECT_REFUSED(session, msg, -EINVAL, "named twice",
		       IN(1, CHRING_A_REPLICA_NAME));
}

TEST_F(refusals, a_request_whose_last_replica_is_bad_adds_none)
{
	struct session *session = &self->session;
	struct nl_msg *msg = add(session, self->mine);
	int fd = open("/dev/null", O_RDONLY);

	put_replica(msg, "d", bound_socket(variant->protocol, HERE, PORT), 7);
	put_replica(msg, "e", fd, 0);
	EXPECT_REFUSED(session, msg, -ENOTSOCK, "not a socket",
		       IN(2, CHRING_A_REPLICA_FD));
}

TEST_F(refusals, first_replicas_whose_last_is_bad_leave_the_service_idle)
{
	struct session *session = &self->session;
	struct nl_msg *msg;

	ASSERT_TRUE(services_gone(session));
	ASSERT_EQ(0, service_new(session, "s", variant->protocol, HERE, PORT));
	msg = add(session, self->a);
	put_replica(msg, "d", self->b, 0);
	put_replica(msg, "e", 0x7fffffff, 0);
	EXPECT_REFUSED(session, msg, -EBADF, "not open",
		       IN(2, CHRING_A_REPLICA_FD));
	EXPECT_EQ(0, replica_new(session, "s", "a", self->a));
}

TEST_F(refusals, a_request_whose_last_replica_is_unknown_changes_none)
{
	struct session *session = &self->session;
	struct nl_msg *msg;

	msg = request_replica(session, CHRING_CMD_REPLICA_SET, "s", "a", -1, 5);
	put_replica(msg, "b", -1, 6);
	put_replica(msg, "c", -1, 7);
	EXPECT_REFUSED(session, msg, -ENOENT, "no replica of this name",
		       IN(2, CHRING_A_REPLICA_NAME));
	msg = request_replica(session, CHRING_CMD_REPLICA_DEL, "s", "a", -1, 0);
	put_replica(msg, "b", -1, 0);
	put_replica(msg, "c", -1, 0);
	EXPECT_REFUSED(session, msg, -ENOENT, "no replica of this name",
		       IN(2, CHRING_A_REPLICA_NAME));
}

TEST_F(refusals, the_removal_of_one_that_has_another_socket)
{
	struct session *session = &self->session;
	struct nl_msg *msg;
	struct nlattr *nest;

	msg = request_replica(session, CHRING_CMD_REPLICA_DEL, "s", "a", -1, 0);
	nest = nla_nest_start(msg, CHRING_A_REPLICAS_REPLICA);
	nla_put_string(msg, CHRING_A_REPLICA_NAME, "b");
	nla_put_u64(msg, CHRING_A_REPLICA_INODE, 1ULL << 32);
	nla_nest_end(msg, nest);
	EXPECT_REFUSED(session, msg, -ESTALE, "another socket",
		       IN(1, CHRING_A_REPLICA_INODE));
}

TEST_F(refusals, several_replicas_to_get)
{
	struct session *session = &self->session;
	struct nl_msg *msg;

	msg = request_replica(session, CHRING_CMD_REPLICA_GET, "s", "a", -1, 0);
	put_replica(msg, "b", -1, 0);
	EXPECT_REFUSED(session, msg, -EINVAL, "takes one replica",
		       IN(1, CHRING_A_REPLICA_NAME));
}

TEST_F(refusals, an_unknown_replica)
{
	struct session *session = &self->session;

	EXPECT_REFUSED(session,
		       request_replica(session, CHRING_CMD_REPLICA_SET, "s",
				       "c", -1, 2),
		       -ENOENT, "no replica of this name", NAME);
	EXPECT_REFUSED(session,
		       request_replica(session, CHRING_CMD_REPLICA_GET, "s",
				       "c", -1, 0),
		       -ENOENT, "no replica of this name", NAME);
	EXPECT_REFUSED(session,
		       request_replica(session, CHRING_CMD_REPLICA_DEL, "s",
				       "c", -1, 0),
		       -ENOENT, "no replica of this name", NAME);
}

/* The requests that name a service, with @name. */
static struct nl_msg *any_request(struct session *session, int cmd,
				  const char *name, int fd)
{
	struct nl_msg *msg;

	switch (cmd) {
	case CHRING_CMD_SERVICE_SET:
		msg = request_service(session, cmd, name);
		nla_put_u32(msg, CHRING_A_SERVICE_OWNER, 1);
		return msg;
	case CHRING_CMD_SERVICE_GET:
	case CHRING_CMD_SERVICE_DEL:
		return request_service(session, cmd, name);
	case CHRING_CMD_REPLICA_NEW:
		return request_replica(session, cmd, name, "c", fd, 0);
	case CHRING_CMD_REPLICA_SET:
		return request_replica(session, cmd, name, "a", -1, 2);
	case CHRING_CMD_REPLICA_PLAN:
		msg = request_replica(session, cmd, name, "a", -1, 0);
		nla_put_u32(msg, CHRING_A_REPLICAS_CHANGE,
			    CHRING_REPLICA_CHANGE_DEL);
		return msg;
	case CHRING_CMD_LOOKUP:
		return request_lookup(session, name);
	default:
		return request_replica(session, cmd, name, "a", -1, 0);
	}
}

static const int service_commands[] = {
	CHRING_CMD_SERVICE_SET, CHRING_CMD_SERVICE_GET, CHRING_CMD_SERVICE_DEL,
	CHRING_CMD_REPLICA_NEW, CHRING_CMD_REPLICA_SET, CHRING_CMD_REPLICA_GET,
	CHRING_CMD_REPLICA_DEL, CHRING_CMD_REPLICA_PLAN, CHRING_CMD_LOOKUP,
};

TEST_F(refusals, an_unknown_service)
{
	struct session *session = &self->session;
	struct nl_msg *msg;
	unsigned int i;

	for (i = 0; i < elements(service_commands); i++)
		EXPECT_REFUSED(session,
			       any_request(session, service_commands[i], "t",
					   self->mine),
			       -ENOENT, "no service of this name",
			       AT(CHRING_A_SERVICE_NAME));
	msg = request_replicas(session, CHRING_CMD_REPLICA_GET, "t");
	nlmsg_hdr(msg)->nlmsg_flags |= NLM_F_DUMP;
	EXPECT_REFUSED(session, msg, -ENOENT, "no service of this name",
		       AT(CHRING_A_REPLICAS_SERVICE));
}

/*
 * A removal can be over before the request comes, however unlikely: then it is
 * made again.
 */
TEST_F(refusals, a_service_that_is_being_removed)
{
	struct session *session = &self->session;
	struct answer answer;
	struct nl_msg *msg;
	int cmd, tries;
	unsigned int i;

	for (i = 0; i < elements(service_commands); i++) {
		cmd = service_commands[i];
		if (cmd == CHRING_CMD_SERVICE_GET ||
		    cmd == CHRING_CMD_REPLICA_GET)
			continue;
		for (tries = 0; tries < 50; tries++) {
			msg = any_request(session, cmd, "s", self->mine);
			ASSERT_EQ(0, chring_service_del(session->chring, "s"));
			transact(session, nlmsg_hdr(msg),
				 nlmsg_hdr(msg)->nlmsg_len, &answer);
			EXPECT_TRUE(service_gone(session, "s"));
			ASSERT_EQ(0, service_new(session, "s",
						 variant->protocol, HERE,
						 PORT));
			ASSERT_EQ(0, replica_new(session, "s", "a", self->a));
			if (answer.err == -EBUSY)
				break;
			EXPECT_EQ(-ENOENT, answer.err);
			nlmsg_free(msg);
		}
		ASSERT_GT(50, tries);
		EXPECT_STREQ("service is being removed", answer.text);
		EXPECT_EQ(AT(CHRING_A_SERVICE_NAME), where_of(&answer, msg));
		nlmsg_free(msg);
	}
}

TEST_F(refusals, a_service_in_the_place_of_one_that_is_being_removed)
{
	struct session *session = &self->session;
	int tries, err = 0;

	for (tries = 0; !err && tries < 50; tries++) {
		ASSERT_EQ(0, chring_service_del(session->chring, "s"));
		err = service_new(session, tries & 1 ? "t" : "s",
				  variant->protocol, HERE,
				  tries & 1 ? PORT : PORT + 1);
		EXPECT_TRUE(services_gone(session));
		ASSERT_EQ(0, service_new(session, "s", variant->protocol, HERE,
					 PORT));
	}
	EXPECT_EQ(-EBUSY, err);
}

TEST_F(refusals, a_second_service_of_the_name)
{
	struct session *session = &self->session;

	EXPECT_REFUSED(session,
		       request_service_new(session, "s", variant->protocol,
					   HERE, PORT + 1),
		       -EEXIST, "a service of this name exists",
		       AT(CHRING_A_SERVICE_NAME));
}

TEST_F(refusals, a_second_service_on_the_address)
{
	bool tcp = variant->protocol == IPPROTO_TCP;
	struct session *session = &self->session;

	EXPECT_REFUSED(session,
		       request_service_new(session, "t", variant->protocol,
					   HERE, PORT),
		       -EEXIST, "a service on this address and port exists",
		       AT(CHRING_A_SERVICE_LOCAL_IPV4));
	/* Not so of the other protocol, or on any address. */
	EXPECT_EQ(0, service_new(session, "t", tcp ? IPPROTO_UDP : IPPROTO_TCP,
				 HERE, PORT));
	EXPECT_EQ(0, service_new(session, "u", variant->protocol, "0.0.0.0",
				 PORT));
}

TEST_F(refusals, a_service_on_an_address_that_is_no_hosts)
{
	static const char *const addresses[] = {
		"224.0.0.1", "239.255.255.255", "255.255.255.255",
	};
	struct session *session = &self->session;
	unsigned int i;

	for (i = 0; i < elements(addresses); i++)
		EXPECT_REFUSED(session,
			       request_service_new(session, "t",
						   variant->protocol,
						   addresses[i], PORT),
			       -EINVAL, "not a unicast address",
			       AT(CHRING_A_SERVICE_LOCAL_IPV4));
}

TEST_F(refusals, an_owner_that_is_nobody)
{
	struct session *session = &self->session;
	struct nl_msg *msg;

	msg = request_service_new(session, "t", variant->protocol, HERE,
				  PORT + 1);
	nla_put_u32(msg, CHRING_A_SERVICE_OWNER, -1);
	EXPECT_REFUSED(session, msg, -EINVAL, "no such user id",
		       AT(CHRING_A_SERVICE_OWNER));

	ASSERT_EQ(0, service_new(session, "t", variant->protocol, HERE,
				 PORT + 1));
	msg = request_service(session, CHRING_CMD_SERVICE_SET, "t");
	nla_put_u32(msg, CHRING_A_SERVICE_OWNER, -1);
	EXPECT_REFUSED(session, msg, -EINVAL, "no such user id",
		       AT(CHRING_A_SERVICE_OWNER));
}

TEST_F(refusals, a_change_of_owner_while_the_port_is_held)
{
	static const char *const names[] = { "a", "b" };
	struct session *session = &self->session;
	int left;

	for (left = 1; left >= 0; left--) {
		struct nl_msg *msg = any_request(session,
						 CHRING_CMD_SERVICE_SET, "s",
						 -1);

		EXPECT_REFUSED(session, msg, -EBUSY, "owner cannot change",
			       AT(CHRING_A_SERVICE_OWNER));
		/* Without a replica it still holds the port. */
		if (left)
			ASSERT_EQ(0, chring_replica_del(session->chring, "s",
							names, 2));
	}
}

TEST_F(refusals, a_lookup_that_does_not_say_where_to)
{
	struct session *session = &self->session;

	ASSERT_EQ(0, service_new(session, "any", variant->protocol, "0.0.0.0",
				 PORT + 1));
	EXPECT_REFUSED(session, request_lookup(session, "any"), -EDESTADDRREQ,
		       "which one is sent to", 0);
}

TEST_F(refusals, a_lookup_of_another_address)
{
	struct session *session = &self->session;
	struct nl_msg *msg = request_lookup(session, "s");
	struct in_addr other;

	inet_pton(AF_INET, "127.0.0.2", &other);
	nla_put(msg, CHRING_A_LOOKUP_LOCAL_IPV4, sizeof(other), &other);
	EXPECT_REFUSED(session, msg, -EADDRNOTAVAIL,
		       "service is on another address",
		       AT(CHRING_A_LOOKUP_LOCAL_IPV4));
}

/*
 * Ports that others hold: the service "t" on PORT + 1, without a replica yet.
 * UDP looks for one socket there that a new one has to get along with, and
 * begins with the latest.
 */

TEST_F(refusals, a_port_that_another_users_socket_is_on)
{
	struct session *session = &self->session;
	struct nl_msg *msg;
	int fd;

	fd = bound_socket(variant->protocol, HERE, PORT + 1);
	ASSERT_LE(0, bound_socket(variant->protocol, HERE, PORT + 1));
	ASSERT_EQ(0, fchown(fd, STRANGER, -1));
	msg = request_service_new(session, "t", variant->protocol, HERE,
				  PORT + 1);
	nla_put_u32(msg, CHRING_A_SERVICE_OWNER, STRANGER);
	ASSERT_EQ(0, ask(session, msg));
	EXPECT_REFUSED(session,
		       request_replica(session, CHRING_CMD_REPLICA_NEW, "t",
				       "c", fd, 0),
		       -EADDRINUSE, "of another user", FD);
}

/* Sends to the port, and says how many of the datagrams @fd has got. */
static int received(int fd, int datagrams)
{
	struct sockaddr_in there = address_of(HERE, PORT + 1);
	int i, from, got = 0;
	char byte = 0;

	for (i = 0; i < datagrams; i++) {
		from = socket(AF_INET, SOCK_DGRAM, 0);
		sendto(from, &byte, 1, 0, (struct sockaddr *)&there,
		       sizeof(there));
		close(from);
	}
	while (recv(fd, &byte, 1, MSG_DONTWAIT) == 1)
		got++;
	return got;
}

static int attach_program(int fd, unsigned int result)
{
	struct sock_filter pick[] = { BPF_STMT(BPF_RET | BPF_K, result) };
	struct sock_fprog program = { .len = 1, .filter = pick };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program,
			  sizeof(program));
}

TEST_F(refusals, a_port_that_another_program_steers)
{
	struct session *session = &self->session;
	int a = bound_socket(variant->protocol, HERE, PORT + 1);
	int b = bound_socket(variant->protocol, HERE, PORT + 1);

	ASSERT_EQ(0, attach_program(a, 1));
	ASSERT_EQ(0, service_new(session, "t", variant->protocol, HERE,
				 PORT + 1));
	EXPECT_REFUSED(session,
		       request_replica(session, CHRING_CMD_REPLICA_NEW, "t",
				       "c", a, 0),
		       -EBUSY, "another program steers this port", FD);
	if (variant->protocol == IPPROTO_UDP) {
		/* It still does. */
		EXPECT_EQ(20, received(b, 20));
		EXPECT_EQ(0, received(a, 0));
	}
	ASSERT_EQ(0, setsockopt(b, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, &a,
				sizeof(a)));
	EXPECT_EQ(0, replica_new(session, "t", "c", a));
}

/* Either would lose what it was steered by. */
TEST_F(refusals, a_port_that_another_service_steers)
{
	struct session *session = &self->session;
	int fd = bound_socket(variant->protocol, HERE, PORT + 1);

	if (variant->protocol != IPPROTO_TCP)
		return;
	ASSERT_EQ(0, service_new(session, "t", variant->protocol, HERE,
				 PORT + 1));
	ASSERT_EQ(0, replica_new(session, "t", "c", fd));
	EXPECT_REFUSED(session, add(session, fd), -EBUSY,
		       "another service steers this port", FD);

	ASSERT_EQ(0, chring_service_del(session->chring, "t"));
	ASSERT_TRUE(service_gone(session, "t"));
	ASSERT_EQ(0, ask(session, add(session, fd)));
	ASSERT_EQ(0, service_new(session, "t", variant->protocol, HERE,
				 PORT + 1));
	EXPECT_REFUSED(session,
		       request_replica(session, CHRING_CMD_REPLICA_NEW, "t",
				       "c", fd, 0),
		       -EBUSY, "another service steers this port", FD);
}

/* The attempt leaves no program of its own on the port. */
TEST_F(refusals, a_port_that_was_refused_is_steered_as_before)
{
	struct session *session = &self->session;
	struct nl_msg *msg;
	int a, b, got;

	b = bound_socket(variant->protocol, HERE, PORT + 1);
	a = bound_socket(variant->protocol, HERE, PORT + 1);
	ASSERT_EQ(0, fchown(b, STRANGER, -1));
	msg = request_service_new(session, "t", variant->protocol, HERE,
				  PORT + 1);
	nla_put_u32(msg, CHRING_A_SERVICE_OWNER, STRANGER);
	ASSERT_EQ(0, ask(session, msg));
	EXPECT_EQ(-EADDRINUSE, replica_new(session, "t", "c", b));
	/* -ENOENT where the group has none */
	EXPECT_EQ(-1, setsockopt(a, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, &a,
				 sizeof(a)));
	EXPECT_EQ(ENOENT, errno);
	if (variant->protocol == IPPROTO_UDP) {
		got = received(a, 64);
		EXPECT_EQ(64, got + received(b, 0));
		EXPECT_NE(0, got);
		EXPECT_NE(64, got);
	}
}

/*
 * The limits, which are of each network namespace, but set for all.
 */

FIXTURE(limits)
{
	struct session session;
	long services, replicas, points;
	int a, b;
};

FIXTURE_SETUP(limits)
{
	struct session *session = &self->session;

	self->services = read_number(PARAMETERS "max_services");
	self->replicas = read_number(PARAMETERS "max_replicas");
	self->points = read_number(PARAMETERS "max_points");
	ASSERT_LT(0, self->services);
	ASSERT_LT(0, self->replicas);
	ASSERT_LT(0, self->points);
	ASSERT_TRUE(own_netns());
	ASSERT_TRUE(session_open(session));
	self->a = bound_socket(IPPROTO_UDP, HERE, PORT);
	self->b = bound_socket(IPPROTO_UDP, HERE, PORT);
	ASSERT_EQ(0, service_new(session, "s", IPPROTO_UDP, HERE, PORT));
	ASSERT_EQ(0, replica_new(session, "s", "a", self->a));
}

FIXTURE_TEARDOWN(limits)
{
	EXPECT_TRUE(write_number(PARAMETERS "max_services", self->services));
	EXPECT_TRUE(write_number(PARAMETERS "max_replicas", self->replicas));
	EXPECT_TRUE(write_number(PARAMETERS "max_points", self->points));
	EXPECT_TRUE(services_gone(&self->session));
	session_close(&self->session);
}

/* How many points a replica of weight 1 has. */
static long points_per_weight(struct session *session)
{
	struct chring_replica replica;

	if (chring_replica_get(session->chring, "s", "a", &replica))
		return -1;
	return replica.points;
}

TEST_F(limits, services)
{
	struct session *session = &self->session;

	ASSERT_TRUE(write_number(PARAMETERS "max_services", 1));
	EXPECT_REFUSED(session,
		       request_service_new(session, "t", IPPROTO_UDP, HERE,
					   PORT + 1),
		       -ENOSPC, "max_services", 0);
	ASSERT_TRUE(write_number(PARAMETERS "max_services", 2));
	EXPECT_EQ(0, service_new(session, "t", IPPROTO_UDP, HERE, PORT + 1));
}

TEST_F(limits, replicas)
{
	struct session *session = &self->session;
	struct nl_msg *msg;

	ASSERT_TRUE(write_number(PARAMETERS "max_replicas", 2));
	msg = add(session, self->b);
	put_replica(msg, "d", bound_socket(IPPROTO_UDP, HERE, PORT), 0);
	EXPECT_REFUSED(session, msg, -ENOSPC, "max_replicas",
		       IN(1, CHRING_A_REPLICA_NAME));
	EXPECT_EQ(0, replica_new(session, "s", "b", self->b));
	EXPECT_REFUSED(session,
		       add(session, bound_socket(IPPROTO_UDP, HERE, PORT)),
		       -ENOSPC, "max_replicas", NAME);
}

TEST_F(limits, points_of_new_replicas)
{
	struct session *session = &self->session;
	long each = points_per_weight(session);

	ASSERT_TRUE(write_number(PARAMETERS "max_points", 4 * each - 1));
	EXPECT_REFUSED(session,
		       request_replica(session, CHRING_CMD_REPLICA_NEW, "s",
				       "b", self->b, 3),
		       -ENOSPC, "max_points", IN(0, CHRING_A_REPLICA_WEIGHT));
	ASSERT_TRUE(write_number(PARAMETERS "max_points", 4 * each));
	EXPECT_EQ(0, ask(session,
			 request_replica(session, CHRING_CMD_REPLICA_NEW, "s",
					 "b", self->b, 3)));
	EXPECT_REFUSED(session,
		       add(session, bound_socket(IPPROTO_UDP, HERE, PORT)),
		       -ENOSPC, "max_points", NAME);
}

/* The old points count until the new ones are in place. */
TEST_F(limits, points_of_a_new_weight)
{
	struct session *session = &self->session;
	long each = points_per_weight(session);

	ASSERT_TRUE(write_number(PARAMETERS "max_points", 3 * each - 1));
	EXPECT_REFUSED(session,
		       request_replica(session, CHRING_CMD_REPLICA_SET, "s",
				       "a", -1, 2),
		       -ENOSPC, "max_points", IN(0, CHRING_A_REPLICA_WEIGHT));
	ASSERT_TRUE(write_number(PARAMETERS "max_points", 3 * each));
	EXPECT_EQ(0, ask(session,
			 request_replica(session, CHRING_CMD_REPLICA_SET, "s",
					 "a", -1, 2)));
}

TEST_F(limits, of_one_namespace_are_not_used_up_by_another)
{
	int home = open("/proc/thread-self/ns/net", O_RDONLY);
	struct session other;

	ASSERT_TRUE(write_number(PARAMETERS "max_services", 1));
	ASSERT_TRUE(write_number(PARAMETERS "max_replicas", 1));
	ASSERT_TRUE(own_netns());
	ASSERT_TRUE(session_open(&other));
	EXPECT_EQ(0, service_new(&other, "s", IPPROTO_UDP, HERE, PORT));
	EXPECT_EQ(0, replica_new(&other, "s", "a",
				 bound_socket(IPPROTO_UDP, HERE, PORT)));
	EXPECT_TRUE(services_gone(&other));
	session_close(&other);
	ASSERT_EQ(0, setns(home, CLONE_NEWNET));
}

TEST_HARNESS_MAIN
