// SPDX-License-Identifier: GPL-2.0
/*
 * The selector: what the kernel asks for the socket of each SYN, unconnected
 * datagram and migrating request.
 *
 * It stands in the place of a BPF_PROG_TYPE_SK_REUSEPORT program: a struct
 * bpf_prog whose bpf_func is native code. The groups that hold it take and
 * drop references; one more is ours, so that the last is always ours.
 */

#include <linux/bpf.h>
#include <linux/filter.h>
#include <net/inet_hashtables.h>
#include <net/sock_reuseport.h>
#include <net/tcp.h>
#include <net/udp.h>

#include "selector.h"
#include "table.h"
#include "target.h"

/* Targets tried after the owner and its stand-in: bounds the work per packet */
#define MAX_TRIES 16

/* What stands in the place of the program's instructions, which nobody runs */
struct image {
	struct chring_selector *selector;
};

typedef bool (*alive_t)(const struct sock *sk, __portpair ports);

/*
 * Owner and stand-in are dead, and the sweep has not been yet: any that is
 * alive, always the same for the same flow.
 */
static noinline const struct chring_target *
any_alive(const struct chring_table *table, u32 hash, alive_t alive)
{
	u32 n = table->nr_targets, tries = min_t(u32, n, MAX_TRIES), i;

	for (i = reciprocal_scale(hash, n); tries; tries--) {
		const struct chring_target *target = &table->target[i];

		if (target->sk && alive(target->sk, table->ports))
			return target;
		i = i + 1 < n ? i + 1 : 0;
	}
	return NULL;
}

static __always_inline const struct chring_selector *
selector_of(const struct bpf_insn *insn)
{
	return ((const struct image *)insn)->selector;
}

static __always_inline u32 slot_of(const struct sk_reuseport_kern *reuse)
{
	return reuse->hash >> (32 - CHRING_TABLE_ORDER);
}

/*
 * Picks a socket for a SYN or a datagram (migrating_sk is NULL), or for a
 * handshake or an unaccepted connection of a listener that closed. The hash
 * is the kernel's own, of addresses and ports, and the same in both cases; it
 * is the flow's point on the ring. Softirq or BH off, under rcu_read_lock().
 */
static __always_inline unsigned int select_sock(const void *ctx,
						const struct bpf_insn *insn,
						alive_t alive)
{
	struct sk_reuseport_kern *reuse = (struct sk_reuseport_kern *)ctx;
	const struct chring_selector *selector = selector_of(insn);
	u32 slot = slot_of(reuse);
	const struct chring_target *target, *owner;
	const struct chring_table *table;

	table = rcu_dereference(selector->table);
	if (unlikely(!table))
		goto refuse;

	owner = &table->target[table->owner[slot]];
	target = owner;
	if (unlikely(!alive(target->sk, table->ports))) {
		target = &table->target[table->standin[slot]];
		if (!alive(target->sk, table->ports))
			target = any_alive(table, reuse->hash, alive);
		if (!target)
			goto refuse;
	}
	reuse->selected_sk = target->sk;

	if (unlikely(reuse->skb == READ_ONCE(selector->probe)))
		return SK_PASS;
	if (unlikely(target != owner))
		this_cpu_inc(owner->counters->passed_over);
	if (unlikely(reuse->migrating_sk))
		this_cpu_inc(target->counters->migrated);
	else
		this_cpu_inc(target->counters->picks);
	return SK_PASS;

refuse:
	if (reuse->skb != READ_ONCE(selector->probe))
		this_cpu_inc(*selector->refused);
	return SK_DROP;
}

static noinline unsigned int select_tcp(const void *ctx,
					const struct bpf_insn *insn)
{
	return select_sock(ctx, insn, chring_tcp_alive);
}

static noinline unsigned int select_udp(const void *ctx,
					const struct bpf_insn *insn)
{
	return select_sock(ctx, insn, chring_udp_alive);
}

/*
 * The same where the slot's owner is alive, the packet is not of a look-up and
 * nothing migrates: false where it has to be done the long way. Each datagram
 * pays for every instruction here.
 */
static __always_inline bool select_owner(const void *ctx,
					 const struct bpf_insn *insn,
					 alive_t alive)
{
	struct sk_reuseport_kern *reuse = (struct sk_reuseport_kern *)ctx;
	const struct chring_target *owner;
	const struct chring_table *table;
	struct sock *sk;

	table = rcu_dereference(selector_of(insn)->table);
	if (unlikely(!table))
		return false;
	owner = &table->target[table->owner[slot_of(reuse)]];
	sk = owner->sk;
	if (unlikely(!alive(sk, table->ports)))
		return false;
	reuse->selected_sk = sk;
	this_cpu_inc(owner->counters->picks);
	return true;
}

static unsigned int quick_tcp(const void *ctx, const struct bpf_insn *insn)
{
	if (likely(!((struct sk_reuseport_kern *)ctx)->migrating_sk &&
		   select_owner(ctx, insn, chring_tcp_alive)))
		return SK_PASS;
	return select_tcp(ctx, insn);
}

/* Datagrams do not migrate. */
static unsigned int quick_udp(const void *ctx, const struct bpf_insn *insn)
{
	if (likely(select_owner(ctx, insn, chring_udp_alive)))
		return SK_PASS;
	return select_udp(ctx, insn);
}

/* Only the long way tells the packet of a look-up from others. */
static bpf_func_t function_of(int protocol, bool probe)
{
	if (protocol == IPPROTO_TCP)
		return probe ? select_tcp : quick_tcp;
	return probe ? select_udp : quick_udp;
}

/**
 * chring_native_prog_alloc - a program for the kernel's hooks, in native code
 * @fn: what the hook is to call
 *
 * Context: may sleep.
 * Return: the program, or NULL where memory is short.
 */
struct bpf_prog *chring_native_prog_alloc(chring_native_fn fn)
{
	struct bpf_prog *prog;

	prog = bpf_prog_alloc(bpf_prog_size(1), __GFP_ACCOUNT);
	if (!prog)
		return NULL;
	prog->len = 1;
	prog->bpf_func = fn;
	return prog;
}

/**
 * chring_selector_init - make the selector of a service
 * @selector: to be filled in, all zero before
 * @protocol: IPPROTO_TCP or IPPROTO_UDP
 *
 * Context: may sleep.
 * Return: 0, or -ENOMEM.
 */
int chring_selector_init(struct chring_selector *selector, int protocol)
{
	struct bpf_prog *prog;
	struct image *image;

	BUILD_BUG_ON(sizeof(*image) > sizeof(struct bpf_insn));
	BUILD_BUG_ON(offsetof(struct bpf_prog, insnsi) % sizeof(void *));

	selector->refused = alloc_percpu_gfp(unsigned long, GFP_KERNEL_ACCOUNT);
	if (!selector->refused)
		return -ENOMEM;

	prog = chring_native_prog_alloc(function_of(protocol, false));
	if (!prog) {
		free_percpu(selector->refused);
		return -ENOMEM;
	}
	prog->type = BPF_PROG_TYPE_SK_REUSEPORT;
	prog->expected_attach_type = BPF_SK_REUSEPORT_SELECT_OR_MIGRATE;
	image = (struct image *)prog->insnsi;
	image->selector = selector;
	atomic64_set(&prog->aux->refcnt, 1);
	selector->prog = prog;
	return 0;
}

/**
 * chring_selector_in_use - does a reuseport group still hold the selector?
 * @selector: it left its last group before a grace period and rcu_barrier()
 *
 * Must not happen; where it does, neither the selector nor its table nor what
 * the table refers to may be freed, and the module must stay.
 *
 * Context: any.
 */
bool chring_selector_in_use(const struct chring_selector *selector)
{
	return WARN_ON(atomic64_read(&selector->prog->aux->refcnt) != 1);
}

/**
 * chring_selector_free - free what chring_selector_init() made
 * @selector: not in use
 *
 * Context: may sleep.
 */
void chring_selector_free(struct chring_selector *selector)
{
	bpf_prog_free(selector->prog);
	free_percpu(selector->refused);
}

/**
 * chring_selector_owns - is a reuseport group's program one of ours?
 * @prog: the program, kept by rcu_read_lock() or otherwise
 *
 * Context: any.
 */
bool chring_selector_owns(const struct bpf_prog *prog)
{
	bpf_func_t func = READ_ONCE(prog->bpf_func);

	return func == quick_tcp || func == select_tcp ||
	       func == quick_udp || func == select_udp;
}

/* A packet as the protocols see it during look-up, its data at the transport */
static struct sk_buff *probe_alloc(struct net *net,
				   const struct chring_address *to,
				   __be32 from_ipv4, __be16 from_port)
{
	bool tcp = to->protocol == IPPROTO_TCP;
	unsigned int doff = tcp ? sizeof(struct tcphdr) : sizeof(struct udphdr);
	struct sk_buff *skb;
	struct tcphdr *th;
	struct iphdr *iph;

	skb = alloc_skb(sizeof(*iph) + doff, GFP_KERNEL);
	if (!skb)
		return NULL;
	skb->dev = net->loopback_dev;
	skb->protocol = htons(ETH_P_IP);

	skb_reset_network_header(skb);
	iph = skb_put_zero(skb, sizeof(*iph));
	iph->version = 4;
	iph->ihl = sizeof(*iph) / 4;
	iph->ttl = 64;
	iph->protocol = to->protocol;
	iph->saddr = from_ipv4;
	iph->daddr = to->ipv4;
	iph->tot_len = htons(sizeof(*iph) + doff);
	skb_pull(skb, sizeof(*iph));

	skb_reset_transport_header(skb);
	/* Both headers begin with the ports */
	th = skb_put_zero(skb, doff);
	th->source = from_port;
	th->dest = to->port;
	if (tcp) {
		th->doff = doff / 4;
		th->syn = 1;
	} else {
		((struct udphdr *)th)->len = htons(doff);
	}
	return skb;
}

/**
 * chring_selector_lookup - ask the kernel which socket a new flow would get
 * @selector: of the service; it counts nothing for the look-up
 * @net: network namespace of the service
 * @to: address that the flow is sent to
 * @from_ipv4: address of the client, in network order
 * @from_port: port of the client, in network order
 *
 * Context: may sleep. No other look-up on @selector at the same time.
 * Return: the socket, to be compared only, or NULL where there is none; an
 * error pointer on -ENOMEM.
 */
struct sock *chring_selector_lookup(struct chring_selector *selector,
				    struct net *net,
				    const struct chring_address *to,
				    __be32 from_ipv4, __be16 from_port)
{
	struct bpf_prog *prog = selector->prog;
	int dif = net->loopback_dev->ifindex;
	struct sk_buff *skb;
	struct sock *sk;

	skb = probe_alloc(net, to, from_ipv4, from_port);
	if (!skb)
		return ERR_PTR(-ENOMEM);
	WRITE_ONCE(selector->probe, skb);
	WRITE_ONCE(prog->bpf_func, function_of(to->protocol, true));

	/* The protocols look up with BH off */
	local_bh_disable();
	rcu_read_lock();
	if (to->protocol == IPPROTO_TCP)
		sk = __inet_lookup_listener(net,
					    net->ipv4.tcp_death_row.hashinfo,
					    skb, sizeof(struct tcphdr),
					    from_ipv4, from_port, to->ipv4,
					    ntohs(to->port), dif, 0);
	else
		sk = __udp4_lib_lookup(net, from_ipv4, from_port, to->ipv4,
				       to->port, dif, 0, net->ipv4.udp_table,
				       skb);
	rcu_read_unlock();
	local_bh_enable();

	WRITE_ONCE(prog->bpf_func, function_of(to->protocol, false));
	WRITE_ONCE(selector->probe, NULL);
	kfree_skb(skb);
	return sk;
}
