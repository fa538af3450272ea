/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CHRING_SELECTOR_H
#define CHRING_SELECTOR_H

#include <linux/types.h>

#include "key.h"

struct bpf_insn;
struct bpf_prog;
struct chring_address;
struct chring_table;
struct sk_buff;
struct sock;

typedef unsigned int (*chring_native_fn)(const void *ctx,
					 const struct bpf_insn *insn);

/**
 * struct chring_selector - what the kernel asks for a socket
 * @table: what it reads; NULL while there is no target
 * @port: that the service is on, in host order
 * @hold: where no target is alive new flows are held, not refused
 * @key: what of a flow says which slot it has; does not change once there is
 *	a program
 * @probe: the packet of a look-up under way, which is not counted
 * @refused: times that no target was alive, per CPU
 * @nr_progs: programs of it
 */
struct chring_selector {
	struct chring_table __rcu *table;
	u16 port;
	bool hold;
	struct chring_key key;
	const struct sk_buff *probe;
	unsigned long __percpu *refused;
	atomic_t nr_progs;
};

int chring_selector_init(struct chring_selector *selector,
			 const struct chring_address *address,
			 const struct chring_key *key);
bool chring_selector_in_use(const struct chring_selector *selector);
void chring_selector_free(struct chring_selector *selector);
struct bpf_prog *chring_selector_prog_alloc(struct chring_selector *selector,
					    int protocol, struct sock *anchor,
					    bool aside);
void chring_selector_prog_free(struct bpf_prog *prog);
void chring_selector_probe(struct chring_selector *selector,
			   struct bpf_prog *prog, int protocol,
			   const struct sk_buff *probe);
u64 chring_selector_refused(const struct chring_selector *selector);
const struct chring_selector *
chring_selector_of(const struct bpf_prog *prog);
struct bpf_prog *
chring_selector_filter_alloc(struct chring_selector *selector,
			     chring_native_fn fn);
bool chring_selector_holds(const struct bpf_insn *insn);

#endif /* CHRING_SELECTOR_H */
