/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Edges: what becomes of flows where the kernel's network stack does something
 * out of the ordinary with them, under plain SO_REUSEPORT and steered. Each
 * test is a row of the table in Documentation/edges.rst, each of its variants a
 * cell, which has what the test saw; edges.py collects them.
 *
 * In every test some connections (for UDP: sockets that servers have connected
 * to a client) are there before the port is steered; they must go on to the
 * end, and when the service is gone.
 */
#ifndef EDGE_H
#define EDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "steer_util.h"

#define EDGE_SERVERS	4
#define EDGE_ALL	((1 << EDGE_SERVERS) - 1)
#define EDGE_FLOWS	32
#define EDGE_BESIDE	6

/* What the two ends of edge_link() are called, with their addresses. */
#define EDGE_DEVICE	"west"
#define EDGE_HOST	(edge_is_ipv6(edge) ? "fd00::1" : "10.0.0.1")
#define EDGE_CLIENT	(edge_is_ipv6(edge) ? "fd00::2" : "10.0.0.2")

/**
 * struct edge - one test
 * @stage: its servers; clients are in @client_netns
 * @steered: chring steers them, and not SO_REUSEPORT alone
 * @server_netns: where the servers are, and the test
 * @client_netns: the same, or @far_netns
 * @far_netns: at the other end of edge_link()
 * @looked_up: what clients' flows are sent to in the end
 * @sources: source ports of the flows
 * @answers: which server they got, or a negative errno
 * @foretold: which one they must get, where they are steered
 * @beside: connections that are there all along, -1 where there is none
 * @beside_answers: who has them
 */
struct edge {
	struct stage stage;
	bool steered;
	int server_netns;
	int client_netns;
	int far_netns;
	union chring_address looked_up;
	uint16_t sources[EDGE_FLOWS];
	int answers[EDGE_FLOWS];
	int foretold[EDGE_FLOWS];
	int beside[EDGE_BESIDE];
	int beside_answers[EDGE_BESIDE];
};

void edge_open(struct edge *edge, int protocol, int family, bool steered);
const char *edge_close(struct edge *edge);
bool edge_is_ipv6(const struct edge *edge);

/* Before edge_serve(): where servers are bound. */
void edge_bind(struct edge *edge, const char *host);
void edge_bind_any(struct edge *edge);

/* Makes @far_netns; and has clients come from there from now on. */
void edge_link(struct edge *edge);
void edge_go_far(struct edge *edge);
void edge_enter_client(struct edge *edge);
void edge_enter_server(struct edge *edge);

/*
 * Starts the servers, then what is beside, then the service. Returns what
 * adding the replicas did.
 */
int edge_serve(struct edge *edge);
void edge_forget_beside(struct edge *edge);

/* All flows, once; and what came of it, in words. */
void edge_foretell(struct edge *edge);
void edge_ask(struct edge *edge);
const char *edge_result(const struct edge *edge);
const char *edge_wanted(const struct edge *edge);
int edge_count(const struct edge *edge, int server);

/* Writes the cell of this test. */
void edge_tell(const struct edge *edge, const char *row, const char *cell);

/* What edge_result() says of the flows belongs into the cell, and must be. */
#define EXPECT_EDGE(edge, row, wanted)					\
do {									\
	const char *__cell = edge_result(edge);				\
									\
	edge_tell(edge, row, __cell);					\
	EXPECT_STREQ(wanted, __cell);					\
} while (0)

/* Steps that cannot fail but for want of means. */
__attribute__((format(printf, 1, 2)))
void edge_shell(const char *format, ...);
void edge_sysctl(const char *name, const char *value);
long edge_counter(const char *group, const char *name);

#endif /* EDGE_H */
