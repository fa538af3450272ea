/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CHRING_SELECTOR_H
#define CHRING_SELECTOR_H

#include <linux/types.h>

struct bpf_insn;
struct bpf_prog;
struct chring_address;
struct chring_table;
struct net;
struct sk_buff;
struct sock;

typedef unsigned int (*chring_native_fn)(const void *ctx,
					 const struct bpf_insn *insn);

/**
 * struct chring_selector - what the kernel asks for a socket
 * @prog: its form in a reuseport group, which holds references of its own
 * @table: what it reads; NULL while there is no target
 * @probe: the packet of a look-up under way, which is not counted
 * @refused: times that no target was alive, per CPU
 */
struct chring_selector {
	struct bpf_prog *prog;
	struct chring_table __rcu *table;
	const struct sk_buff *probe;
	unsigned long __percpu *refused;
};

int chring_selector_init(struct chring_selector *selector, int protocol);
bool chring_selector_in_use(const struct chring_selector *selector);
void chring_selector_free(struct chring_selector *selector);
bool chring_selector_owns(const struct bpf_prog *prog);
struct bpf_prog *chring_native_prog_alloc(chring_native_fn fn);
struct sock *chring_selector_lookup(struct chring_selector *selector,
				    struct net *net,
				    const struct chring_address *to,
				    __be32 from_ipv4, __be16 from_port);

#endif /* CHRING_SELECTOR_H */
