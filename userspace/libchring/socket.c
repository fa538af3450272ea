// SPDX-License-Identifier: LGPL-2.1-or-later
/* The handle, and one exchange of messages with the kernel. */
#include <errno.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <netlink/errno.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/socket.h>
#include <stdlib.h>
#include <string.h>

#include "private.h"

/* A dump that meets a change is done again this often before we give up. */
#define DUMP_TRIES 16

/* The largest message that the kernel makes for a dump. */
#define RECEIVE_SIZE 32768

struct exchange {
	struct chring *chring;
	const struct nlmsghdr *request;
	chring_reply_fn reply;
	void *arg;
	bool ours;		/* of our family: its attributes have names */
	bool interrupted;
	bool done;
	int err;
};

CHRING_EXPORT struct chring *chring_alloc(void)
{
	return calloc(1, sizeof(struct chring));
}

static int connect_family(struct chring *chring)
{
	int on = 1;
	int fd;
	int ret;

	ret = genl_connect(chring->sock);
	if (ret < 0)
		return chring_fail_nl(chring, ret, "cannot open netlink");
	ret = nl_socket_set_msg_buf_size(chring->sock, RECEIVE_SIZE);
	if (ret < 0)
		return chring_fail_nl(chring, ret, "cannot set up netlink");

	fd = nl_socket_get_fd(chring->sock);
	if (setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on)) ||
	    setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on)))
		return chring_fail_errno(chring, errno,
					 "cannot set up netlink");

	ret = genl_ctrl_resolve(chring->sock, CHRING_FAMILY_NAME);
	if (ret == -NLE_OBJ_NOTFOUND)
		return chring_fail_no_module(chring);
	if (ret < 0)
		return chring_fail_nl(chring, ret, "cannot find the family");
	chring->family = ret;
	return 0;
}

CHRING_EXPORT int chring_open(struct chring *chring)
{
	int ret;

	if (chring->sock)
		return chring_fail(chring, EISCONN, "the handle is open");
	chring->sock = nl_socket_alloc();
	if (!chring->sock)
		return chring_fail_nomem(chring);

	ret = connect_family(chring);
	if (ret < 0) {
		nl_socket_free(chring->sock);
		chring->sock = NULL;
	}
	return ret;
}

CHRING_EXPORT void chring_free(struct chring *chring)
{
	if (!chring)
		return;
	nl_socket_free(chring->events);
	nl_socket_free(chring->sock);
	free(chring);
}

/* Begin a request with room for @size bytes of attributes. */
int chring_request(struct chring *chring, struct nl_msg **msg, int cmd,
		   int flags, size_t size)
{
	if (!chring->sock)
		return chring_fail(chring, ENOTCONN, "the handle is not open");

	*msg = nlmsg_alloc_size(NLMSG_HDRLEN + GENL_HDRLEN + size);
	if (!*msg)
		return chring_fail_nomem(chring);
	if (!genlmsg_put(*msg, NL_AUTO_PORT, NL_AUTO_SEQ, chring->family, 0,
			 flags, cmd, CHRING_FAMILY_VERSION)) {
		nlmsg_free(*msg);
		return chring_fail_nomem(chring);
	}
	return 0;
}

static void take_end(struct exchange *exchange, struct nlmsghdr *nlh)
{
	int err;

	/* Both an acknowledgment and the end of a dump start with an errno. */
	exchange->done = true;
	if (nlmsg_datalen(nlh) < (int)sizeof(err)) {
		exchange->err = chring_fail_reply(exchange->chring);
		return;
	}
	err = *(int *)nlmsg_data(nlh);
	if (err < 0)
		exchange->err = chring_fail_kernel(exchange->chring,
						   exchange->ours ?
						   exchange->request : NULL,
						   nlh, -err);
}

static void take_message(struct exchange *exchange, struct nlmsghdr *nlh)
{
	/* What is left of an exchange that was given up is not for us. */
	if (nlh->nlmsg_seq != exchange->request->nlmsg_seq)
		return;
	if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
		exchange->interrupted = true;

	switch (nlh->nlmsg_type) {
	case NLMSG_ERROR:
	case NLMSG_DONE:
		take_end(exchange, nlh);
		break;
	case NLMSG_NOOP:
	case NLMSG_OVERRUN:
		break;
	default:
		/* After an error only the end is waited for. */
		if (exchange->reply && !exchange->err)
			exchange->err = exchange->reply(exchange->chring, nlh,
							exchange->arg);
	}
}

/* Receive one buffer of messages. */
static int receive(struct exchange *exchange, struct nl_sock *sock)
{
	unsigned char *buffer = NULL;
	struct sockaddr_nl from = { 0 };
	struct nlmsghdr *nlh;
	int left;

	left = nl_recv(sock, &from, &buffer, NULL);
	if (left < 0)
		return chring_fail_nl(exchange->chring, left,
				      "cannot read the kernel's answer");
	if (!left)
		return chring_fail_reply(exchange->chring);

	/* Any process may write to a netlink socket; the kernel is port 0. */
	if (!from.nl_pid) {
		for (nlh = (struct nlmsghdr *)buffer; nlmsg_ok(nlh, left);
		     nlh = nlmsg_next(nlh, &left))
			take_message(exchange, nlh);
	}
	free(buffer);
	return 0;
}

/*
 * Send @msg over @sock, which may be of another netlink protocol, and hear the
 * answer to its end. Returns 0, 1 for a dump that met a change, or a negative
 * errno. @msg can be sent again.
 */
int chring_transact(struct chring *chring, struct nl_sock *sock,
		    struct nl_msg *msg, chring_reply_fn reply, void *arg)
{
	struct exchange exchange = {
		.chring		= chring,
		.request	= nlmsg_hdr(msg),
		.reply		= reply,
		.arg		= arg,
		.ours		= sock == chring->sock,
	};
	int ret;

	nlmsg_hdr(msg)->nlmsg_seq = NL_AUTO_SEQ;
	ret = nl_send_auto(sock, msg);
	if (ret < 0)
		return chring_fail_nl(chring, ret, "cannot ask the kernel");

	while (!exchange.done) {
		ret = receive(&exchange, sock);
		if (ret < 0)
			return ret;
	}
	if (exchange.err)
		return exchange.err;
	return exchange.interrupted;
}

/* Consumes @msg. */
int chring_do(struct chring *chring, struct nl_msg *msg, chring_reply_fn reply,
	      void *arg)
{
	int ret;

	ret = chring_transact(chring, chring->sock, msg, reply, arg);
	nlmsg_free(msg);
	return ret;
}

/* Consumes @msg. On success the caller owns @list->items. */
int chring_dump(struct chring *chring, struct nl_msg *msg,
		chring_reply_fn reply, struct chring_list *list)
{
	int tries;
	int ret;

	for (tries = 0; tries < DUMP_TRIES; tries++) {
		list->count = 0;
		ret = chring_transact(chring, chring->sock, msg, reply, list);
		if (ret <= 0)
			break;
		ret = chring_fail(chring, EAGAIN,
				  "the list changed while it was read, %d times in a row",
				  DUMP_TRIES);
	}
	nlmsg_free(msg);

	if (ret < 0 || !list->count) {
		free(list->items);
		list->items = NULL;
		list->count = 0;
	}
	return ret;
}

/* A new item at the end of @list, all zeroes; NULL is out of memory. */
void *chring_list_add(struct chring *chring, struct chring_list *list)
{
	size_t room;
	void *items;
	char *item;

	if (list->count == list->room) {
		room = list->room ? 2 * list->room : 64;
		items = reallocarray(list->items, room, list->item_size);
		if (!items) {
			chring_fail_nomem(chring);
			return NULL;
		}
		list->items = items;
		list->room = room;
	}
	item = (char *)list->items + list->count++ * list->item_size;
	memset(item, 0, list->item_size);
	return item;
}
