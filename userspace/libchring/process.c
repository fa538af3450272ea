// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copy sockets of a running server: sock_diag tells the inodes of the sockets
 * at an address, /proc/PID/fd which of them are a process's.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <netlink/socket.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "private.h"

/* A process may have thousands: an error names the first few. */
#define FDS_NAMED 8

/* A socket at the port that is looked for. */
struct bound_socket {
	unsigned long inode;
	union chring_address address;
	bool found;		/* among the process's descriptors */
};

/* What is looked for, and what was found so far. */
struct search {
	pid_t pid;
	int protocol;
	const union chring_address *local;
	struct chring_list sockets;	/* of struct bound_socket */
	unsigned int found;		/* how many matched */
	int fd;				/* descriptor of the last of them */
	char fds[128];			/* the first descriptors, as text */
	char elsewhere[128];		/* one at the port of another address */
};

static int take_socket(struct chring *chring, struct nlmsghdr *reply, void *arg)
{
	struct bound_socket *socket;
	struct inet_diag_msg *diag;

	if (!nlmsg_valid_hdr(reply, sizeof(*diag)))
		return chring_fail_reply(chring);
	diag = nlmsg_data(reply);
	socket = chring_list_add(chring, arg);
	if (!socket)
		return -ENOMEM;
	socket->inode = diag->idiag_inode;
	socket->address.sa.sa_family = diag->idiag_family;
	if (diag->idiag_family == AF_INET) {
		socket->address.in.sin_addr.s_addr = diag->id.idiag_src[0];
		socket->address.in.sin_port = diag->id.idiag_sport;
	} else {
		memcpy(&socket->address.in6.sin6_addr, diag->id.idiag_src,
		       sizeof(struct in6_addr));
		socket->address.in6.sin6_port = diag->id.idiag_sport;
	}
	return 0;
}

/* List the sockets that listen at the port, whatever their address. */
static int list_sockets(struct chring *chring, struct nl_sock *sock,
			struct search *search)
{
	bool tcp = search->protocol == IPPROTO_TCP;
	struct inet_diag_req_v2 request = {
		.sdiag_family	= search->local->sa.sa_family,
		.sdiag_protocol	= search->protocol,
		.idiag_states	= 1 << (tcp ? TCP_LISTEN : TCP_CLOSE),
		.id.idiag_sport	= htons(chring_port(search->local)),
	};
	struct nl_msg *msg;
	int ret;

	msg = nlmsg_alloc_simple(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP);
	if (!msg)
		return chring_fail_nomem(chring);
	if (nlmsg_append(msg, &request, sizeof(request), NLMSG_ALIGNTO) < 0)
		ret = chring_fail_nomem(chring);
	else
		ret = chring_transact(chring, sock, msg, take_socket,
				      &search->sockets);
	nlmsg_free(msg);

	if (ret == -ENOENT)
		return chring_fail(chring, EOPNOTSUPP,
				   "the kernel cannot list %s sockets (try: modprobe %s_diag)",
				   tcp ? "TCP" : "UDP", tcp ? "tcp" : "udp");
	return ret < 0 ? ret : 0;
}

static int list_sockets_of_netns(struct chring *chring, struct search *search)
{
	struct nl_sock *sock;
	int ret;

	sock = nl_socket_alloc();
	if (!sock)
		return chring_fail_nomem(chring);
	ret = nl_connect(sock, NETLINK_SOCK_DIAG);
	if (ret < 0)
		ret = chring_fail_nl(chring, ret, "cannot open sock_diag");
	else
		ret = list_sockets(chring, sock, search);
	nl_socket_free(sock);
	return ret;
}

static struct bound_socket *by_inode(const struct search *search,
				     unsigned long inode)
{
	struct bound_socket *socket = search->sockets.items;
	size_t i;

	for (i = 0; i < search->sockets.count; i++, socket++) {
		if (socket->inode == inode)
			return socket;
	}
	return NULL;
}

static bool same_address(const union chring_address *a,
			 const union chring_address *b)
{
	if (a->sa.sa_family == AF_INET)
		return a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
	return !memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr,
		       sizeof(a->in6.sin6_addr));
}

/* "ADDRESS:PORT", in a buffer of @size bytes. */
static const char *address_text(const union chring_address *address, char *text,
				size_t size)
{
	char number[INET6_ADDRSTRLEN];

	if (address->sa.sa_family == AF_INET) {
		inet_ntop(AF_INET, &address->in.sin_addr, number,
			  sizeof(number));
		snprintf(text, size, "%s:%u", number, chring_port(address));
	} else {
		inet_ntop(AF_INET6, &address->in6.sin6_addr, number,
			  sizeof(number));
		snprintf(text, size, "[%s]:%u", number, chring_port(address));
	}
	return text;
}

/* The socket that an entry of /proc/PID/fd is, where it is one looked for. */
static struct bound_socket *match_descriptor(struct search *search, int dir,
					     const char *name)
{
	struct bound_socket *socket;
	unsigned long inode;
	char text[64];
	ssize_t length;

	length = readlinkat(dir, name, text, sizeof(text) - 1);
	if (length < 0)
		return NULL;
	text[length] = '\0';
	if (sscanf(text, "socket:[%lu]", &inode) != 1)
		return NULL;
	socket = by_inode(search, inode);
	if (!socket)
		return NULL;

	if (!same_address(&socket->address, search->local)) {
		snprintf(search->elsewhere, sizeof(search->elsewhere),
			 " (fd %d has %s)", atoi(name),
			 address_text(&socket->address, text, sizeof(text)));
		return NULL;
	}

	/* One socket with two descriptors is still one. */
	if (socket->found)
		return NULL;
	socket->found = true;
	search->found++;
	return socket;
}

static void note_descriptor(struct search *search, int fd)
{
	size_t used = strlen(search->fds);

	search->fd = fd;
	if (search->found <= FDS_NAMED)
		snprintf(search->fds + used, sizeof(search->fds) - used,
			 "%s%d", used ? ", " : "", search->fd);
	else if (search->found == FDS_NAMED + 1)
		snprintf(search->fds + used, sizeof(search->fds) - used,
			 ", ...");
}

static int fail_not_found(struct chring *chring, const struct search *search)
{
	bool tcp = search->protocol == IPPROTO_TCP;
	const char *netns = "";
	struct stat theirs;
	struct stat ours;
	char text[64];

	snprintf(text, sizeof(text), "/proc/%d/ns/net", search->pid);
	if (!stat(text, &theirs) && !stat("/proc/thread-self/ns/net", &ours) &&
	    theirs.st_ino != ours.st_ino)
		netns = "; it is in another network namespace";

	return chring_fail(chring, ENOENT,
			   "process %d has no %s socket %s %s%s%s",
			   search->pid, tcp ? "TCP" : "UDP",
			   tcp ? "listening on" : "bound to",
			   address_text(search->local, text, sizeof(text)),
			   search->elsewhere, netns);
}

static int fail_open(struct chring *chring, pid_t pid, int err)
{
	switch (err) {
	case EPERM:
	case EACCES:
		return chring_fail(chring, EPERM,
				   "may not take sockets of process %d (needs ptrace rights)",
				   pid);
	case ESRCH:
	case ENOENT:
	case EINVAL:
		return chring_fail(chring, ESRCH, "there is no process %d",
				   pid);
	}
	return chring_fail(chring, err, "cannot look into process %d: %s", pid,
			   strerror(err));
}

/* Returns the descriptor of the one socket that matches. */
static int search_process(struct chring *chring, struct search *search)
{
	struct dirent *entry;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", search->pid);
	dir = opendir(path);
	if (!dir)
		return fail_open(chring, search->pid, errno);
	while ((entry = readdir(dir))) {
		if (match_descriptor(search, dirfd(dir), entry->d_name))
			note_descriptor(search, atoi(entry->d_name));
	}
	closedir(dir);

	if (!search->found)
		return fail_not_found(chring, search);
	if (search->found > 1)
		return chring_fail(chring, ENOTUNIQ,
				   "process %d has %u such sockets: say which with fd %s",
				   search->pid, search->found, search->fds);
	return search->fd;
}

static int find_descriptor(struct chring *chring, pid_t pid, int protocol,
			   const union chring_address *local)
{
	struct search search = {
		.pid = pid,
		.protocol = protocol,
		.local = local,
		.sockets.item_size = sizeof(struct bound_socket),
	};
	int ret;

	ret = list_sockets_of_netns(chring, &search);
	if (!ret)
		ret = search_process(chring, &search);
	free(search.sockets.items);
	return ret;
}

/* Copy a descriptor of the process @pid, which is that of @pidfd. */
static int copy_descriptor(struct chring *chring, int pidfd, pid_t pid, int fd)
{
	int copy;

	copy = syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	if (copy >= 0)
		return copy;
	if (errno == EBADF)
		return chring_fail(chring, EBADF,
				   "process %d has no file descriptor %d", pid,
				   fd);
	return fail_open(chring, pid, errno);
}

CHRING_EXPORT int chring_socket_from_pid(struct chring *chring, pid_t pid,
					 int protocol,
					 const union chring_address *local,
					 int fd)
{
	int pidfd;
	int ret;

	ret = chring_check_address(chring, local);
	if (ret < 0)
		return ret;

	/* First of all: from here on the number cannot become another's. */
	pidfd = syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0)
		return fail_open(chring, pid, errno);

	if (fd < 0)
		fd = find_descriptor(chring, pid, protocol, local);
	ret = fd;
	if (fd >= 0)
		ret = copy_descriptor(chring, pidfd, pid, fd);
	close(pidfd);
	return ret;
}

/* Copy one more socket; what was at the descriptor may be gone meanwhile. */
static int add_copy(struct chring *chring, int pidfd, pid_t pid, int fd,
		    unsigned long inode, struct chring_list *copies)
{
	struct stat now;
	int *copy;
	int ret;

	ret = copy_descriptor(chring, pidfd, pid, fd);
	if (ret < 0)
		return ret;
	if (fstat(ret, &now) || now.st_ino != inode) {
		close(ret);
		return chring_fail(chring, EAGAIN,
				   "process %d closed its fd %d meanwhile", pid,
				   fd);
	}
	copy = chring_list_add(chring, copies);
	if (!copy) {
		close(ret);
		return -ENOMEM;
	}
	*copy = ret;
	return 0;
}

/* Add the sockets that one process has, in the order of its descriptors. */
static int copy_sockets(struct chring *chring, struct search *search, pid_t pid,
			struct chring_list *copies)
{
	struct bound_socket *socket;
	struct dirent *entry;
	char path[64];
	int ret = 0;
	int pidfd;
	DIR *dir;

	pidfd = syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0)
		return fail_open(chring, pid, errno);
	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	if (!dir) {
		ret = fail_open(chring, pid, errno);
		close(pidfd);
		return ret;
	}
	while (!ret && (entry = readdir(dir))) {
		socket = match_descriptor(search, dirfd(dir), entry->d_name);
		if (socket)
			ret = add_copy(chring, pidfd, pid, atoi(entry->d_name),
				       socket->inode, copies);
	}
	closedir(dir);
	close(pidfd);
	return ret;
}

static int copy_sockets_of_family(struct chring *chring, struct search *search,
				  struct chring_list *copies)
{
	struct chring_list family = { .item_size = sizeof(pid_t) };
	const pid_t *pids;
	size_t i;
	int ret;

	ret = list_sockets_of_netns(chring, search);
	if (!ret)
		ret = chring_list_family(chring, search->pid, &family);
	pids = family.items;
	for (i = 0; !ret && i < family.count; i++) {
		ret = copy_sockets(chring, search, pids[i], copies);
		/* Those that it started may end while they are looked at. */
		if (ret == -ESRCH && i)
			ret = 0;
	}
	free(family.items);
	if (!ret && !copies->count)
		ret = fail_not_found(chring, search);
	return ret;
}

CHRING_EXPORT int chring_sockets_from_pid(struct chring *chring, pid_t pid,
					  int protocol,
					  const union chring_address *local,
					  int **fds, size_t *count)
{
	struct chring_list copies = { .item_size = sizeof(int) };
	struct search search = {
		.pid = pid,
		.protocol = protocol,
		.local = local,
		.sockets.item_size = sizeof(struct bound_socket),
	};
	int *copy;
	int ret;

	ret = chring_check_address(chring, local);
	if (!ret)
		ret = copy_sockets_of_family(chring, &search, &copies);
	free(search.sockets.items);

	*fds = copies.items;
	*count = copies.count;
	if (ret < 0) {
		for (copy = *fds; *count; copy++, (*count)--)
			close(*copy);
		free(*fds);
		*fds = NULL;
	}
	return ret;
}
