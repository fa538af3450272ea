/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of steering share: a stage, which is a network namespace with
 * one service and servers that are processes, and questions asked of it.
 *
 *	client, source port p  --- question --->  loopback, STAGE_PORT
 *	                                            |  whoever is steered to
 *	            <--- its number, one byte ---  server 0, 1, 2, ...
 *
 * Server n is, or is not, the replica "r<n>" of the service "web". What cannot
 * fail but for want of means (fork, socket, ...) ends the test.
 */
#ifndef STEER_UTIL_H
#define STEER_UTIL_H

#include <chring.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "child.h"
#include "inet.h"
#include "patience.h"

#define STAGE_SERVICE	"web"
#define STAGE_PORT	7000
#define MAX_SERVERS	8

/* Source ports for tests to choose, below the ephemeral ones. */
#define FIRST_SOURCE	10000
#define MAX_TOLD	256

/* No condition takes as long, however slow the machine. */
#define PATIENCE_MS	30000

/**
 * struct server - a process with one listening or bound socket
 * @pid: the process, 0 where there is none
 * @fd: its descriptor of the socket
 * @inode: inode number of the socket
 * @control: to give it orders
 * @weight: of the replica
 */
struct server {
	pid_t pid;
	int fd;
	uint64_t inode;
	int control;
	uint32_t weight;
};

/**
 * struct tally - what all processes of a stage count together
 * @sent: questions
 * @answered: answers that came to those who asked
 * @failed: questions of the load that were not answered, or late
 * @error: errno of one that failed
 * @stop: the load is to end
 * @visits: of servers that came and went again
 * @served: answers given by each server
 * @accepted: connections accepted by each server
 * @coalesced: datagrams received that are several, joined by the kernel
 * @told: for each source port, one more than the server that was told last
 *	that it is closed
 */
struct tally {
	unsigned long sent;
	unsigned long answered;
	unsigned long failed;
	int error;
	int stop;
	unsigned long visits;
	unsigned long served[MAX_SERVERS];
	unsigned long accepted[MAX_SERVERS];
	unsigned long coalesced;
	int told[MAX_TOLD];
};

/**
 * struct stage - where a test takes place
 * @protocol: IPPROTO_TCP or IPPROTO_UDP
 * @local: what servers are bound to
 * @remote: what clients connect to
 * @client: where clients are bound, without a port
 * @v6only: servers on :: are for IPv6 only
 * @key: what the service goes by
 * @service: name of the service
 * @balance: CHRING_BALANCE_...
 * @grace: of the service; none, so that the dead are soon gone
 * @chring: handle of the network namespace
 * @replicas: bit n is set while server n is to be a replica
 * @server: the servers
 * @tally: shared by all processes
 * @prepare: what is to be done to servers' sockets before they are bound
 * @server_as: the protocol of servers' sockets where it is another
 * @client_as: the same of clients'
 * @orderly: connections end as usual, not by a reset
 * @unconnected: UDP clients' sockets take answers from any address
 */
struct stage {
	int protocol;
	union chring_address local;
	union chring_address remote;
	union chring_address client;
	bool v6only;
	struct chring_key key;
	const char *service;
	uint32_t balance;
	uint32_t grace;
	struct chring *chring;
	unsigned int replicas;
	struct server server[MAX_SERVERS];
	struct tally *tally;
	void (*prepare)(int fd);
	int server_as;
	int client_as;
	bool orderly;
	bool unconnected;
};

void netns_enter(void);
void stage_open(struct stage *stage, int protocol, const char *local);
void stage_clients(struct stage *stage, const char *client);
void stage_close(struct stage *stage);

/* Waits until a condition holds; false where it does not in PATIENCE_MS. */
#define wait_until(condition) ({					\
	long long __deadline = now_ms() + PATIENCE_MS;			\
	bool __holds;							\
	while (!(__holds = (condition)) && now_ms() < __deadline)	\
		nap();							\
	__holds;							\
})
long long now_ms(void);
void nap(void);

/* The service; these return what libchring does. */
int service_add(struct stage *stage);
int service_del(struct stage *stage);
bool service_is_gone(struct stage *stage);
struct chring_service service_now(struct stage *stage);
int replicas_add(struct stage *stage, unsigned int servers);
int replicas_del(struct stage *stage, unsigned int servers);
int replica_weigh(struct stage *stage, int server, uint32_t weight);
struct chring_replica replica_now(struct stage *stage, int server);
bool replica_is_gone(struct stage *stage, int server);
bool replica_died(struct stage *stage, int server,
		  struct chring_replica *replica);

/*
 * Compares the dumps of services and replicas with what they must be. Returns
 * "" or what is odd.
 */
const char *stage_odd(struct stage *stage);

/* Servers. Orders are carried out when the call returns. */
void server_start(struct stage *stage, int server);
void servers_start(struct stage *stage, int n);
void server_kill(struct stage *stage, int server);
void server_close(struct stage *stage, int server);
void server_shutdown(struct stage *stage, int server);
void server_hold(struct stage *stage, int server);
void server_accept(struct stage *stage, int server);
void server_defer(struct stage *stage, int server);
void server_connect(struct stage *stage, int server, uint16_t source);
void server_connect_socket(struct stage *stage, int server, uint16_t source);
int server_socket_copy(struct stage *stage, int server);
void server_send(struct stage *stage, int server, uint16_t source);
void server_leave(struct stage *stage, int server);
void server_finish(struct stage *stage, int server);
int served(const struct stage *stage);

/*
 * Questions. A negative answer is an errno: -ETIMEDOUT also where a SYN was
 * sent again. Without @sources the ports are ephemeral.
 */
void sources_fill(uint16_t *sources, int n);
void ask(struct stage *stage, const uint16_t *sources, int n, int *answers);
int ask_one(struct stage *stage, uint16_t source);
int client_open(struct stage *stage, uint16_t source);
int client_connect(struct stage *stage, int fd);
int client_ask(struct stage *stage, int fd);
void clients_open(struct stage *stage, const uint16_t *sources, int n,
		  int *clients, int *answers);
void clients_ask(struct stage *stage, const int *clients, int n, int *answers);
void clients_close(struct stage *stage, const int *clients, int n);
void lookup(struct stage *stage, const uint16_t *sources, int n, int *answers);

/* Processes that ask all the while. */
#define MAX_LOAD	4
struct load {
	struct stage *stage;
	pid_t pid[MAX_LOAD];
	int n;
};

void load_start(struct load *load, struct stage *stage, int n);
void load_stop(struct load *load);

#endif /* STEER_UTIL_H */
