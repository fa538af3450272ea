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
#include <linux/random.h>
#include <linux/string.h>
#include <net/sock_reuseport.h>

#include "selector.h"
#include "table.h"
#include "target.h"

/* Targets tried after the owner and its stand-in: bounds the work per packet */
#define MAX_TRIES 16

/* What stands in the place of the program's instructions, which nobody runs */
struct image {
	struct chring_selector *selector;
	struct sock *anchor;
};

#define IMAGE_INSNS DIV_ROUND_UP(sizeof(struct image), sizeof(struct bpf_insn))

typedef bool (*takes_t)(const struct sock *sk, __portpair ports);

/*
 * Owner and stand-in take nothing, and the sweep has not been yet: any that
 * does, always the same for the same flow.
 */
static noinline const struct chring_target *
any_other(const struct chring_table *table, u32 hash, takes_t takes)
{
	u32 n = table->nr_targets, tries = min_t(u32, n, MAX_TRIES), i;

	for (i = reciprocal_scale(hash, n); tries; tries--) {
		const struct chring_target *target = &table->target[i];

		if (target->sk && takes(target->sk, target->ports))
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

static __always_inline const struct chring_target *
owner_of(const struct chring_table *table, u32 hash)
{
	return &table->target[table->slots.owner[hash >> table->shift]];
}

/* The owner, its stand-in, or any other that takes a flow; NULL for nobody */
static __always_inline const struct chring_target *
who_takes(const struct chring_table *table, u32 hash, takes_t takes)
{
	const struct chring_target *target = owner_of(table, hash);

	if (likely(takes(target->sk, target->ports)))
		return target;
	target = &table->target[table->slots.standin[hash >> table->shift]];
	if (takes(target->sk, target->ports))
		return target;
	return any_other(table, hash, takes);
}

/*
 * Picks a socket for a SYN or a datagram (migrating_sk is NULL), or for a
 * handshake or an unaccepted connection of a listener that closed. The hash of
 * the key, and the kernel's own of addresses and ports, are the same in both
 * cases; it is the flow's point on the ring. Who is @ready comes before who is
 * just @alive. Softirq or BH off, under rcu_read_lock().
 */
static __always_inline unsigned int select_sock(const void *ctx,
						const struct bpf_insn *insn,
						takes_t ready, takes_t alive)
{
	struct sk_reuseport_kern *reuse = (struct sk_reuseport_kern *)ctx;
	const struct chring_selector *selector = selector_of(insn);
	const struct chring_target *target, *owner;
	const struct chring_table *table;
	u32 hash;

	table = rcu_dereference(selector->table);
	if (unlikely(!table))
		goto refuse;

	hash = chring_key_hash(&selector->key, reuse->skb, reuse->migrating_sk,
			       reuse->hash);
	owner = owner_of(table, hash);
	target = who_takes(table, hash, ready);
	if (!target && ready != alive)
		target = who_takes(table, hash, alive);
	if (!target)
		goto refuse;
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
	/* The anchor's filter drops it before anything is made of it */
	if (READ_ONCE(selector->hold) && !reuse->migrating_sk) {
		reuse->selected_sk = ((const struct image *)insn)->anchor;
		return SK_PASS;
	}
	return SK_DROP;
}

static noinline unsigned int select_tcp(const void *ctx,
					const struct bpf_insn *insn)
{
	return select_sock(ctx, insn, chring_tcp_ready, chring_tcp_alive);
}

static noinline unsigned int select_udp(const void *ctx,
					const struct bpf_insn *insn)
{
	return select_sock(ctx, insn, chring_udp_alive, chring_udp_alive);
}

/*
 * The same where the key is addresses and ports, the slot's owner takes it, the
 * packet is not of a look-up and nothing migrates: false where it has to be done
 * the long way. Each datagram pays for every instruction here.
 */
static __always_inline bool select_owner(const void *ctx,
					 const struct bpf_insn *insn,
					 takes_t takes)
{
	struct sk_reuseport_kern *reuse = (struct sk_reuseport_kern *)ctx;
	const struct chring_target *owner;
	const struct chring_table *table;
	struct sock *sk;

	table = rcu_dereference(selector_of(insn)->table);
	if (unlikely(!table))
		return false;
	owner = owner_of(table, reuse->hash);
	sk = owner->sk;
	if (unlikely(!takes(sk, owner->ports)))
		return false;
	reuse->selected_sk = sk;
	this_cpu_inc(owner->counters->picks);
	return true;
}

static unsigned int quick_tcp(const void *ctx, const struct bpf_insn *insn)
{
	if (likely(!((struct sk_reuseport_kern *)ctx)->migrating_sk &&
		   select_owner(ctx, insn, chring_tcp_ready)))
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

/*
 * What comes to the port of a replica elsewhere: any member of the group but
 * the anchor, as the kernel would select it without that.
 */
static struct sock *select_member(const struct sk_reuseport_kern *reuse,
				  const struct sock *anchor)
{
	const struct sock_reuseport *group;
	struct sock *sk;
	u16 n, i;

	group = rcu_dereference(reuse->sk->sk_reuseport_cb);
	if (!group)
		return NULL;
	n = READ_ONCE(group->num_socks);
	if (!n)
		return NULL;
	/* Pairs with smp_wmb() in __reuseport_add_sock() */
	smp_rmb();
	i = reciprocal_scale(reuse->hash, n);
	sk = READ_ONCE(group->socks[i]);
	if (sk == anchor)
		sk = READ_ONCE(group->socks[i + 1 < n ? i + 1 : 0]);
	return sk != anchor ? sk : NULL;
}

/*
 * In the group of a replica on another port than the service's: what was
 * steered to the replica is steered again when it closes. What came to that
 * port itself migrates by the kernel's own rule.
 */
static unsigned int select_aside(const void *ctx, const struct bpf_insn *insn)
{
	struct sk_reuseport_kern *reuse = (struct sk_reuseport_kern *)ctx;
	const struct image *image = (const struct image *)insn;
	const struct sock *migrating = reuse->migrating_sk;
	const struct net *net = sock_net(reuse->sk);

	if (migrating && migrating->sk_num == image->selector->port)
		return select_tcp(ctx, insn);
	if (migrating && !READ_ONCE(net->ipv4.sysctl_tcp_migrate_req))
		return SK_DROP;
	reuse->selected_sk = select_member(reuse, image->anchor);
	return reuse->selected_sk ? SK_PASS : SK_DROP;
}

/*
 * Only the long way tells the packet of a look-up from others, and knows other
 * keys than the default, which thus pays nothing for them.
 */
static bpf_func_t function_of(const struct chring_selector *selector,
			      int protocol, bool probe)
{
	bool quick = !probe && selector->key.type == CHRING_KEY_TYPE_FLOW;

	if (protocol == IPPROTO_TCP)
		return quick ? quick_tcp : select_tcp;
	return quick ? quick_udp : select_udp;
}

static struct bpf_prog *prog_alloc(chring_native_fn fn, u32 nr_insns)
{
	struct bpf_prog *prog;

	prog = bpf_prog_alloc(bpf_prog_size(nr_insns), __GFP_ACCOUNT);
	if (!prog)
		return NULL;
	prog->len = nr_insns;
	prog->bpf_func = fn;
	return prog;
}

/**
 * chring_selector_filter_alloc - a socket filter in native code
 * @selector: that @fn can ask about, by chring_selector_holds()
 * @fn: the filter
 *
 * Context: may sleep.
 * Return: the program, or NULL where memory is short.
 */
struct bpf_prog *
chring_selector_filter_alloc(struct chring_selector *selector,
			     chring_native_fn fn)
{
	struct bpf_prog *prog = prog_alloc(fn, IMAGE_INSNS);

	if (prog)
		((struct image *)prog->insnsi)->selector = selector;
	return prog;
}

/**
 * chring_selector_holds - is what no target takes held, not refused?
 * @insn: what a program of chring_selector_filter_alloc() is called with
 *
 * Context: any.
 */
bool chring_selector_holds(const struct bpf_insn *insn)
{
	return READ_ONCE(selector_of(insn)->hold);
}

/**
 * chring_selector_init - make the selector of a service
 * @selector: to be filled in, all zero before
 * @address: of the service
 * @key: what it steers by; copied, with a secret of its own
 *
 * Context: may sleep.
 * Return: 0, or -ENOMEM.
 */
int chring_selector_init(struct chring_selector *selector,
			 const struct chring_address *address,
			 const struct chring_key *key)
{
	selector->key = *key;
	get_random_bytes(&selector->key.secret, sizeof(selector->key.secret));
	selector->port = ntohs(address->port);
	selector->refused = alloc_percpu_gfp(unsigned long, GFP_KERNEL_ACCOUNT);
	return selector->refused ? 0 : -ENOMEM;
}

/**
 * chring_selector_in_use - is there a program of it?
 * @selector: the selector
 *
 * One that a group did not let go of stays for good, and then neither the
 * selector nor its table nor what the table refers to may be freed, and the
 * module must stay.
 *
 * Context: any.
 */
bool chring_selector_in_use(const struct chring_selector *selector)
{
	return atomic_read(&selector->nr_progs);
}

/**
 * chring_selector_free - free what chring_selector_init() made
 * @selector: not in use
 *
 * Context: may sleep.
 */
void chring_selector_free(struct chring_selector *selector)
{
	memzero_explicit(&selector->key, sizeof(selector->key));
	free_percpu(selector->refused);
}

/**
 * chring_selector_prog_alloc - a selector in the form that a group takes
 * @selector: the selector
 * @protocol: IPPROTO_TCP or IPPROTO_UDP
 * @anchor: the anchor of the group
 * @aside: the group is on another port than the service's, and only what
 *	migrates is steered
 *
 * Context: may sleep.
 * Return: the program, for chring_selector_prog_free(); or NULL where memory is
 * short.
 */
struct bpf_prog *chring_selector_prog_alloc(struct chring_selector *selector,
					    int protocol, struct sock *anchor,
					    bool aside)
{
	struct bpf_prog *prog;
	struct image *image;

	BUILD_BUG_ON(offsetof(struct bpf_prog, insnsi) % sizeof(void *));

	prog = prog_alloc(aside ? select_aside :
				  function_of(selector, protocol, false),
			  IMAGE_INSNS);
	if (!prog)
		return NULL;
	prog->type = BPF_PROG_TYPE_SK_REUSEPORT;
	prog->expected_attach_type = BPF_SK_REUSEPORT_SELECT_OR_MIGRATE;
	image = (struct image *)prog->insnsi;
	image->selector = selector;
	image->anchor = anchor;
	atomic64_set(&prog->aux->refcnt, 1);
	atomic_inc(&selector->nr_progs);
	return prog;
}

/**
 * chring_selector_prog_free - the reverse
 * @prog: from chring_selector_prog_alloc(); left its last group before a grace
 *	period and an rcu_barrier()
 *
 * Where some group has it still, which must not happen, it is left alone.
 *
 * Context: may sleep.
 */
void chring_selector_prog_free(struct bpf_prog *prog)
{
	const struct image *image = (const struct image *)prog->insnsi;

	if (WARN_ON(atomic64_read(&prog->aux->refcnt) != 1))
		return;
	atomic_dec(&image->selector->nr_progs);
	bpf_prog_free(prog);
}

/**
 * chring_selector_probe - tell the packet of a look-up from others, or stop
 * @selector: counts nothing for @probe
 * @prog: the program of it that the look-up will meet
 * @protocol: IPPROTO_TCP or IPPROTO_UDP
 * @probe: the packet, NULL where the look-up is over
 *
 * Context: any. One look-up on @selector at a time.
 */
void chring_selector_probe(struct chring_selector *selector,
			   struct bpf_prog *prog, int protocol,
			   const struct sk_buff *probe)
{
	WRITE_ONCE(selector->probe, probe);
	WRITE_ONCE(prog->bpf_func, function_of(selector, protocol, probe));
}

/**
 * chring_selector_refused - how often no target was alive
 * @selector: of a service
 *
 * Context: any.
 */
u64 chring_selector_refused(const struct chring_selector *selector)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(*per_cpu_ptr(selector->refused, cpu));
	return sum;
}

static bool is_native(const struct bpf_prog *prog)
{
	bpf_func_t func = READ_ONCE(prog->bpf_func);

	return func == quick_tcp || func == select_tcp ||
	       func == quick_udp || func == select_udp || func == select_aside;
}

/**
 * chring_selector_of - whose is the program of a reuseport group?
 * @prog: the program, kept by rcu_read_lock() or otherwise
 *
 * Context: any.
 * Return: the selector, to be compared only; NULL where the program is not one
 * of ours.
 */
const struct chring_selector *
chring_selector_of(const struct bpf_prog *prog)
{
	return is_native(prog) ? selector_of(prog->insnsi) : NULL;
}
