/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The protocol of a named lock: the word that processes compare and swap, the
 * kernel's queue behind it, and death at every step. For Spin; tests/model/run
 * says what is checked, with which of these, and which bugs are planted:
 *
 *	N		threads
 *	ROUNDS		times each acquires
 *	FIRST, SEQMAX	seq to begin with, and the last one before the kernel
 *			carries into the epoch; no seq is seen twice in a run,
 *			for threads do not stand still for 2^36 acquisitions
 *	FIFO		discipline; adaptive without
 *	DIES, LEAVES	threads, 1 << (n - 1) for the n-th, that may be killed at
 *			any step; that may give up waiting, for a time-out or a
 *			signal
 *	TWINS		threads 1 and 2 are of one process, and share a handle
 *	BREAKS		the lock is broken once, at any time
 *	LIVE		without end, for the claim that nobody waits for ever;
 *			sections of the kernel are one step then, tokens are not
 *			counted
 *	WIPES		a hostile process clears W once, and waiters look every
 *			now and then
 *
 * What the kernel does under the lock's spinlock is two steps, the freeze and
 * all that follows: only compare-and-swaps can come between, and the point of
 * the freeze is that none of them succeeds. What begins with "truth_" is no
 * part of the protocol: it is what assertions compare with.
 */

#ifdef FIFO
#define ADAPTIVE false
#else
#define ADAPTIVE true
#endif
#ifndef DIES
#define DIES 0
#endif
#ifndef LEAVES
#define LEAVES 0
#endif
#define IS(threads) ((threads) >> (_pid - 1) & 1)
#ifdef TWINS
#define ID(thread) ((thread) == 2 -> 1 : (thread))
#else
#define ID(thread) (thread)
#endif
#ifdef LIVE
#define NEXT(s) (s)
#define LAST(s) false
#else
#define NEXT(s) ((s) + 1)
#define LAST(s) ((s) == SEQMAX)
#endif
#define TOKEN(e, s) ((e) * (SEQMAX + 1) + (s))

#ifdef WIPES
#define IN_ORDER(waiters) true
#else
#define IN_ORDER(waiters) (ADAPTIVE || len(waiters) == 0)
#endif

#define THREADS (N + 1)			/* 0 is nobody */

/* The word, and the page that the kernel alone writes */
byte seq = FIRST, owner;
bool W, K;
byte epoch;

/* The kernel's, under the spinlock */
bool spinlock;
byte fseq, fowner;			/* the word as it was frozen */
chan queue = [N] of { byte };
byte news;				/* dead token + 1, or 0 */
bool granted[THREADS];
bool woken[THREADS];			/* as head, without hand-off */

/* The scheduler's, and a waiter's frame on its stack */
bool running[THREADS];
bool frame[THREADS];

byte truth_holder;
chan truth_queue = [N] of { byte };	/* by arrival */
byte truth_last;			/* token */
byte truth_token[THREADS];
byte truth_news;
bool truth_lost[THREADS];
bool waits[THREADS];

/* ---- what is true */

inline truth_take(thread)
{
	assert(!truth_holder);			/* mutual exclusion */
	if
	:: truth_queue ? [eval(thread)] -> truth_queue ? eval(thread)
	:: else ->
		assert(IN_ORDER(truth_queue));
		if
		:: truth_queue ?? [eval(thread)] ->
			truth_queue ?? eval(thread)
		:: else
		fi
	fi;
	truth_holder = thread;
	truth_lost[thread] = false;
#ifndef LIVE
	truth_token[thread] = TOKEN(epoch, seq);
	assert(truth_token[thread] > truth_last);	/* tokens rise */
	truth_last = truth_token[thread];
#endif
}

inline truth_is_mine(thread)
{
	assert(truth_holder == thread || truth_lost[thread]);
}

/* ---- the kernel */

#ifdef BUG_NO_FREEZE
#define FLAGS_OF_FROZEN
#else
#define FLAGS_OF_FROZEN W = true; K = true;
#endif

inline freeze()
{
	fseq = seq;
	fowner = owner;
	FLAGS_OF_FROZEN
}

#ifdef LIVE
#define LOCK_AND_FREEZE atomic { freeze();
#define UNLOCK fseq = 0; fowner = 0; }
#else
#define LOCK_AND_FREEZE atomic { !spinlock -> spinlock = true; freeze(); } atomic {
#define UNLOCK fseq = 0; fowner = 0; spinlock = false; }
#endif

/* Never under the spinlock */
inline wake(thread)
{
	if
	:: thread ->
#ifdef BUG_WAKE_BY_FRAME
		assert(frame[thread]);
#endif
		running[thread] = true;
		thread = 0;
	:: else
	fi
}

inline store(s, o, w, k)
{
	seq = s;
	owner = o;
	W = w;
	K = k;
}

inline restore()
{
	if
	:: fowner -> store(fseq, fowner, len(queue) > 0, false)
	:: else -> store(fseq, 0, len(queue) > 0, news > 0)
	fi
}

/* Nobody holds the lock, and @thread is not queued */
inline grant(thread)
{
	if
#ifdef BUG_NO_CARRY
	:: LAST(fseq) -> fseq = 0;
#else
	:: LAST(fseq) -> epoch++; fseq = 0;
#endif
	:: else -> fseq = NEXT(fseq);
	fi;
#ifdef BUG_GRANT_WITHOUT_W
	store(fseq, ID(thread), false, false);
#else
	store(fseq, ID(thread), len(queue) > 0, false);
#endif
	truth_take(thread);
	assert(news == truth_news);		/* told, once, and only if true */
	news = 0;
	truth_news = 0;
}

/* Nobody holds the lock any more. Sets @next to who is to be woken. */
inline pass_on(next)
{
	truth_holder = 0;
	if
	:: len(queue) > 0 ->
		queue ? <next>;
		if
		:: ADAPTIVE && !news && !woken[next] ->
#ifndef BUG_NO_HANDOFF
			woken[next] = true;
#endif
#ifdef BUG_WAKE_NOBODY
			next = 0;
#endif
			store(fseq, 0, false, false);
#ifdef BUG_NO_HANDOFF
		:: !ADAPTIVE || news ->
#else
		:: true ->
#endif
			queue ? next;
			grant(next);
			granted[next] = true;
		fi
	:: else -> store(fseq, 0, false, news > 0)
	fi
}

/* Wakes the first waiter if nobody has the lock: @gone might have been woken */
inline leave_queue(thread, next)
{
	queue ?? eval(thread);
	truth_queue ?? eval(thread);
	woken[thread] = false;
#ifndef BUG_LEAVE_ALONE
	if
	:: !fowner && len(queue) > 0 -> queue ? <next>
	:: else
	fi;
#endif
	restore();
}

/* ---- a thread: libchring, and the system calls it is in */

#define MAY_DIE if :: IS(DIES) -> goto dead :: true fi

proctype thread()
{
	byte round;
	byte e, s;			/* epoch and seq it read, then its token */
	byte next;			/* to be woken */
	bool w, got;

again:
	if
#ifndef LIVE
	:: round == ROUNDS -> goto done
	:: else -> round++
#else
	:: true
#endif
	fi;
	waits[_pid] = true;

/* Acquire: the fast path */
	atomic { MAY_DIE; e = epoch }
	atomic {
		MAY_DIE;
		if
		:: !owner && !K && (ADAPTIVE || !W) && !LAST(seq) ->
			s = seq; w = W
		:: else -> e = 0; goto slow
		fi
	}
	atomic {
		MAY_DIE;
		if
		:: seq == s && !owner && W == w && !K ->
			s = NEXT(s); seq = s;
#ifndef BUG_OWNER_LATER
			owner = ID(_pid);
#else
			owner = THREADS;
#endif
			assert(!truth_news);
			truth_take(_pid)
		:: else -> e = 0; s = 0; w = false; goto slow
		fi
	}
#ifdef BUG_OWNER_LATER
	atomic { MAY_DIE; owner = ID(_pid) }
#endif
#ifndef LIVE
	atomic {
		MAY_DIE;
#ifdef BUG_EPOCH_BEFORE
		goto critical;
#endif
#ifdef BUG_EPOCH_AFTER
		e = epoch; goto critical;
#endif
		if
		:: epoch == e -> goto critical
		:: else
		fi
	}
	/* The epoch moved: which one is the seq of? */
	LOCK_AND_FREEZE
		if
#ifdef BUG_STAT_OF_TWIN
		:: fowner == ID(_pid) ->
			s = fseq;
#else
		:: fowner == ID(_pid) && fseq == s ->
#endif
			e = epoch;
			got = true
		:: else -> e = 0; s = 0
		fi;
		restore();
	UNLOCK
	atomic {
		MAY_DIE;
		waits[_pid] = false;
		w = false;
		if
		:: !got -> assert(truth_lost[_pid]); goto again
		:: else -> got = false; goto critical
		fi
	}
#else
	goto critical;
#endif

/* Acquire: in the kernel */
slow:
	atomic { MAY_DIE }
	LOCK_AND_FREEZE
		if
		:: !fowner && (ADAPTIVE || !len(queue)) ->
			grant(_pid); e = epoch; s = fseq; got = true
		:: else ->
#ifdef BUG_SORTED_QUEUE
			queue !! _pid;
#else
			queue ! _pid;
#endif
			truth_queue ! _pid;
			frame[_pid] = true;
#ifdef BUG_NO_FREEZE
			W = true;
#else
			restore();
#endif
		fi;
	UNLOCK
	do
	:: got -> break
	:: else ->
		LOCK_AND_FREEZE
			running[_pid] = false;
			if
			:: granted[_pid] -> got = true; restore()
			:: !granted[_pid] && queue ? [eval(_pid)] && !fowner ->
				queue ? eval(_pid); got = true; grant(_pid)
			:: else -> restore()
			fi;
#ifdef BUG_SLEEP_LATE
			running[_pid] = true;
#endif
		UNLOCK
#ifdef BUG_SLEEP_LATE
		running[_pid] = false;
#endif
		if
		:: got -> break
		:: else
		fi;
		if
		:: running[_pid]
		:: IS(DIES | LEAVES) -> goto leave
#if defined(WIPES) && !defined(BUG_NO_SLICES)
		:: true			/* the slice is over */
#endif
		fi;
		if
		:: granted[_pid] -> break
		:: else
		fi
	od;
	atomic {
		running[_pid] = true; granted[_pid] = false;
		woken[_pid] = false; frame[_pid] = false; got = false;
		/* As the kernel tells */
#ifndef LIVE
		e = truth_token[_pid] / (SEQMAX + 1);
		s = truth_token[_pid] % (SEQMAX + 1);
#endif
	}

critical:
	atomic { MAY_DIE; waits[_pid] = false; w = false; truth_is_mine(_pid) }
#ifndef LIVE
	atomic { MAY_DIE; assert(TOKEN(e, s) == truth_token[_pid]) }
#endif

/* Release */
	atomic {
		MAY_DIE;
		truth_is_mine(_pid);
		if
		:: seq == s && owner == ID(_pid) && !W && !K ->
			owner = 0; truth_holder = 0; goto released
#ifdef BUG_RELEASE_IGNORES_W
		:: seq == s && owner == ID(_pid) && W && !K ->
			owner = 0; truth_holder = 0; goto released
#endif
		:: else
		fi
	}
	LOCK_AND_FREEZE
		if
#ifdef BUG_RELEASE_BY_OWNER
		:: fowner == ID(_pid) ->
#else
		:: fowner == ID(_pid) && fseq == s && (epoch == e) ->
#endif
			assert(truth_holder == _pid);
			pass_on(next)
		:: else -> assert(truth_lost[_pid]); restore()
		fi;
	UNLOCK
	wake(next);
released:
	atomic { e = 0; s = 0; goto again }

/* A time-out or a signal, which may be a deadly one */
leave:
	LOCK_AND_FREEZE
		if
		:: granted[_pid] -> got = true; restore()
		:: else -> leave_queue(_pid, next)
		fi;
	UNLOCK
	wake(next);
	atomic {
		running[_pid] = true; granted[_pid] = false;
		woken[_pid] = false; frame[_pid] = false; e = 0; s = 0;
		if
		:: IS(DIES) -> got = false; goto dead
		:: IS(LEAVES) && got ->
			got = false;
#ifndef LIVE
			e = truth_token[_pid] / (SEQMAX + 1);
			s = truth_token[_pid] % (SEQMAX + 1);
#endif
			goto critical
		:: IS(LEAVES) && !got -> waits[_pid] = false; goto again
		fi
	}

/* What the kernel does for a dead process */
dead:
	atomic { waits[_pid] = false; e = 0; s = 0; w = false }
	LOCK_AND_FREEZE
		assert((fowner == ID(_pid)) == (truth_holder == _pid));
		if
		:: fowner == ID(_pid) ->
			news = TOKEN(epoch, fseq) + 1;
			truth_news = truth_token[_pid] + 1;
			pass_on(next)
		:: else -> restore()
		fi;
	UNLOCK
	wake(next);
done:
	skip
}

/* ---- what befalls them */

proctype breaker()
{
	byte next;

	LOCK_AND_FREEZE
		if
		:: fowner ->
			truth_lost[truth_holder] = true;
			news = TOKEN(epoch, fseq) + 1;
			truth_news = truth_token[truth_holder] + 1;
			pass_on(next)
		:: else -> restore()
		fi;
	UNLOCK
	wake(next)
}

proctype wiper()
{
	W = false
}

init {
	byte i;

	atomic {
		for (i : 1 .. N) {
			running[i] = true;
			run thread()
		}
#ifdef BREAKS
		run breaker();
#endif
#ifdef WIPES
		run wiper();
#endif
	}
}

#ifdef LIVE
ltl nobody_waits_for_ever { [] (waits[N] -> <> !waits[N]) }
#endif
