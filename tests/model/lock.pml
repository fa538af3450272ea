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
 *	READERS		threads that share the lock; the others have it alone
 *	SLOTS		all threads are of those, and two at a time have the lock
 *	KEEPS		threads that share it, and never let it go
 *	ASKS		threads that do not sleep for the lock: they ask, and poll until
 *			they are granted it, or else cancel, as they may with LEAVES
 *	TWINS		threads 1 and 2 are of one process, and share a handle
 *	BREAKS		the lock is broken once, at any time
 *	STICKY		news is told until a holder has put things right, which each
 *			may do, or not
 *	LEASE		the lease of a holder that another waits for ends, maybe long
 *			after, as the timer is late
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
#ifdef SLOTS
#define READERS ((1 << N) - 1)
#endif
#ifndef READERS
#define READERS 0
#endif
#ifndef ASKS
#define ASKS 0
#endif
#define IS(threads) ((threads) >> (_pid - 1) & 1)
#define BIT(thread) (1 << ((thread) - 1))
#define READS(thread) (((READERS) & BIT(thread)) > 0)
#define ASKED(thread) (((ASKS) & BIT(thread)) > 0)
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

/* May a thread that is not the first be next? If it shares, never */
#if defined(WIPES) || defined(LIVE) && !defined(FIFO)
#define IN_ORDER(waiters, thread) true
#else
#define IN_ORDER(waiters, thread) \
	(ADAPTIVE && !READS(thread) || len(waiters) == 0)
#endif

#define THREADS (N + 1)			/* 0 is nobody */

/* What came of a waiter's chance */
#define NONE 0
#define NUDGED 1			/* it was woken to try */
#define TRIED 2				/* in vain */
#define OVERDUE 3			/* and that was handoff_us ago */

/* The word, and the page that the kernel alone writes */
byte seq = FIRST, owner;
bool W, K;
byte epoch;

/* The kernel's, under the spinlock */
bool spinlock;
byte seen, holder;			/* seq and handle, as last seen or stored */
bool nudged;				/* a wake-up without hand-over is due */
chan queue = [N] of { byte };
byte shares;				/* of those who share the lock */
bool share[THREADS];			/* a handle has one */
byte more;				/* the next waiter fits as well */
byte news;				/* dead token + 1, or 0 */
byte lease;				/* whose clock runs: token + 1, or 0 */
bool granted[THREADS];
byte untold[THREADS];			/* news of a grant that nobody collected */
byte chance[THREADS];			/* of a waiter, to get it as others do */

/* The scheduler's, and a waiter's frame on its stack */
bool running[THREADS];
bool frame[THREADS];

byte truth_holder;
byte truth_readers;			/* 1 << (n - 1) for the n-th thread */
chan truth_queue = [N] of { byte };	/* by arrival */
byte truth_last;			/* token */
byte truth_token[THREADS];
byte truth_news;
bool truth_lost[THREADS];
bool truth_wanted;			/* somebody else waits for the holder */
bool waits[THREADS];

/* ---- what is true */

inline truth_take(thread, seq_taken)
{
	assert(!truth_holder);			/* mutual exclusion */
	assert(!truth_readers || READS(thread));
#ifdef SLOTS
	assert((truth_readers & truth_readers - 1) == 0);	/* one at most */
#endif
	if
	:: truth_queue ? [eval(thread)] -> truth_queue ? eval(thread)
	:: else ->
		assert(IN_ORDER(truth_queue, thread));
		if
		:: truth_queue ?? [eval(thread)] ->
			truth_queue ?? eval(thread)
		:: else
		fi
	fi;
	if
	:: READS(thread) -> truth_readers = truth_readers | BIT(thread)
	:: else -> truth_holder = thread
	fi;
	truth_lost[thread] = false;
#ifdef LEASE
	truth_wanted = len(truth_queue) > 0;
#endif
#ifndef LIVE
	truth_token[thread] = TOKEN(epoch, seq_taken);
	assert(truth_token[thread] > truth_last);	/* tokens rise */
	truth_last = truth_token[thread];
#endif
}

inline truth_is_mine(thread)
{
	assert(truth_holder == thread || truth_lost[thread] ||
	       truth_readers & BIT(thread))
}

/* ---- the kernel */

inline freeze()
{
	seen = seq;
	holder = owner;
#ifndef BUG_NO_FREEZE
	W = true;
	K = true;
#endif
}

#ifdef BUG_HANDOVER_CLEARS_W
#define WAITERS (len(queue) > 0 && !nudged && !next)
#else
#define WAITERS (len(queue) > 0 && !nudged)
#endif

/* What is seen and held between sections is of no interest */
inline thaw()
{
	seq = seen;
	owner = holder;
	W = WAITERS;
#ifdef BUG_STICKY_THAWS
	K = news && !holder;
#elif defined(BUG_WORD_OF_SHARED)
	K = news > 0;
#else
	K = news || shares;
#endif
#ifdef LEASE
	if
	:: holder && len(queue) > 0 -> lease = TOKEN(epoch, seen) + 1
	:: else
	fi;
#endif
	seen = 0;
	holder = 0;
	nudged = false;
}

#ifdef LIVE
#define LOCK_AND_FREEZE atomic { freeze();
#define THAW_AND_UNLOCK thaw(); }
#else
#define LOCK_AND_FREEZE						\
	atomic { !spinlock -> spinlock = true; freeze(); }	\
	atomic {
#define THAW_AND_UNLOCK thaw(); spinlock = false; }
#endif

/* Never under the spinlock */
inline wake_up(task)
{
	if
	:: task ->
#ifdef BUG_WAKE_BY_FRAME
		assert(frame[task]);
#endif
		running[task] = true;
		task = 0;
	:: else
	fi
}

inline dequeue(thread)
{
	if
	:: queue ?? [eval(thread)] -> queue ?? eval(thread)
	:: else
	fi
}

inline consistent()
{
	news = 0;
	truth_news = 0
}

/* There is room for it */
inline take(thread)
{
	if
#ifdef BUG_NO_CARRY
	:: LAST(seen) -> seen = 0;
#else
	:: LAST(seen) -> epoch++; seen = 0;
#endif
	:: else -> seen = NEXT(seen);
	fi;
	if
	:: READS(thread) -> shares++; share[thread] = true
	:: else -> holder = ID(thread)
	fi;
	truth_take(thread, seen);
	assert(news == truth_news);	/* told, once, and only if true */
	if
	:: ASKED(thread) -> untold[thread] = news
	:: else
	fi;
#ifndef STICKY
	consistent()
#endif
}

/*
 * How long ago the first waiter has tried in vain is not modelled: it may be
 * overdue or not, but once it was passed by again, it is.
 */
#ifdef BUG_NO_HANDOFF
#define IS_DUE(waiter) (!ADAPTIVE || news)
#define IS_EARLY(waiter) (ADAPTIVE && !news)
#else
#define IS_DUE(waiter) \
	(!ADAPTIVE || news || READS(waiter) || ASKED(waiter) || \
	 chance[waiter] >= TRIED)
#define IS_EARLY(waiter) \
	(ADAPTIVE && !news && !READS(waiter) && !ASKED(waiter) && \
	 chance[waiter] != OVERDUE)
#endif

#ifdef SLOTS
#define FITS(thread) (shares < 2)
#else
#define FITS(thread) (!holder && (!shares || READS(thread)))
#endif

inline nudge(waiter)
{
	if
	:: chance[waiter] == NONE -> chance[waiter] = NUDGED
	:: chance[waiter] == TRIED -> chance[waiter] = OVERDUE
	:: else
	fi;
	nudged = true
}

inline tried()
{
	if
#ifndef BUG_TRIES_UNCOUNTED
	:: chance[_pid] == NUDGED -> chance[_pid] = TRIED
#endif
	:: else
	fi
}

/* Would the next waiter share the lock as well? It is served in its turn. */
inline look_for_more()
{
	if
#ifndef BUG_ONE_READER
	:: len(queue) > 0 ->
		queue ? <more>;
		if
		:: !FITS(more) || !shares -> more = 0
		:: else
		fi
#endif
	:: else
	fi
}

/* Is there room: whose turn is it? Sets @next to who is to be woken. */
inline pass_on(next)
{
	more = 0;
	if
	:: len(queue) > 0 && !next ->
		queue ? <next>;
		if
		:: !FITS(next) -> next = 0
		:: FITS(next) && IS_DUE(next) ->
			queue ? next; take(next); granted[next] = true;
			look_for_more()
		:: FITS(next) && IS_EARLY(next) ->
			nudge(next);
#ifdef BUG_WAKE_NOBODY
			next = 0;
#endif
		fi
	:: else
	fi
}

#define IS_QUEUED (queue ?? [eval(_pid)])
#define IS_FIRST (len(queue) == 0 || queue ? [eval(_pid)])
#ifdef BUG_READERS_PASS
#define MAY_TAKE (IS_FIRST || ADAPTIVE || READS(_pid))
#else
#define MAY_TAKE (IS_FIRST || ADAPTIVE && !READS(_pid))
#endif

inline clear()
{
	holder = 0;
	truth_holder = 0
}

inline drop_share(thread)
{
	share[thread] = false;
	shares--;
	truth_readers = truth_readers & ~BIT(thread)
}

/* ---- a thread: libchring, and the system calls it is in */

/* As the kernel tells it */
inline acquired(e, s)
{
	atomic {
		running[_pid] = true;
		granted[_pid] = false;
		chance[_pid] = NONE;
		frame[_pid] = false;
		got = false;
#ifndef LIVE
		e = truth_token[_pid] / (SEQMAX + 1);
		s = truth_token[_pid] % (SEQMAX + 1);
#endif
	}
}

/* What was granted and not collected is as if it never had been */
inline give_back(thread)
{
	if
	:: holder == ID(thread) -> clear()
	:: share[thread] -> drop_share(thread)
	:: else -> assert(truth_lost[thread]); untold[thread] = 0
	fi;
	if
#ifndef BUG_UNTOLD
	:: untold[thread] && !news ->
		news = untold[thread]; truth_news = news
#else
	:: untold[thread] && !news -> truth_news = untold[thread]
#endif
	:: else
	fi
}

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
		:: !READS(_pid) && !owner && !K && (ADAPTIVE || !W) &&
		   !LAST(seq) ->
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
			truth_take(_pid, s)
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
	/* The epoch moved: which one is the seq of? CHRING_IOC_STAT */
	LOCK_AND_FREEZE
		if
#ifdef BUG_STAT_OF_TWIN
		:: holder == ID(_pid) -> s = seen;
#else
		:: holder == ID(_pid) && seen == s ->
#endif
			e = epoch;
			got = true
		:: else -> e = 0; s = 0
		fi
	THAW_AND_UNLOCK
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
	atomic { MAY_DIE; frame[_pid] = true }
	do
	:: true ->
		/* look() */
		LOCK_AND_FREEZE
			running[_pid] = false;
#ifdef BUG_SLEEP_LATE
			running[_pid] = true;
#endif
			if
			:: granted[_pid] -> got = true
			:: !granted[_pid] && FITS(_pid) && MAY_TAKE ->
				dequeue(_pid);
				take(_pid);
				got = true;
				pass_on(next)
			:: !granted[_pid] && (!FITS(_pid) || !IS_FIRST) && IS_QUEUED ->
				tried()
			:: !granted[_pid] && (!FITS(_pid) || !IS_FIRST) && !IS_QUEUED ->
				pass_on(next);
#ifdef BUG_SORTED_QUEUE
				queue !! _pid;
#else
				queue ! _pid;
#endif
				truth_queue ! _pid;
#ifdef LEASE
				truth_wanted = truth_holder > 0
#endif
			fi;
		THAW_AND_UNLOCK
		wake_up(next);
#ifdef BUG_SLEEP_LATE
		running[_pid] = false;
#endif
		if
		:: got -> break
		:: else
		fi;
		if
		:: ASKED(_pid) -> goto asked
		:: !ASKED(_pid) && running[_pid]
		:: !ASKED(_pid) && IS(DIES | LEAVES) -> goto give_up
#if defined(WIPES) && !defined(BUG_NO_SLICES)
		:: true			/* LOOK_AGAIN has passed */
#endif
		fi;
		if
		:: granted[_pid] -> break
		:: else
		fi
	od;
	acquired(e, s);

critical:
	atomic { MAY_DIE; waits[_pid] = false; w = false; truth_is_mine(_pid) }
#ifndef LIVE
	atomic { MAY_DIE; assert(TOKEN(e, s) == truth_token[_pid]) }
#endif
#ifdef KEEPS
	if
	:: IS(KEEPS) ->
end:		false
	:: else
	fi;
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
		:: holder == ID(_pid) ->
#else
		:: holder == ID(_pid) && seen == s && epoch == e ->
#endif
			assert(truth_holder == _pid);
#ifdef STICKY
			if
			:: consistent()
			:: skip
			fi;
#endif
			clear();
			pass_on(next)
		:: share[_pid] ->
			drop_share(_pid);
			pass_on(next)
		:: else -> assert(truth_lost[_pid])
		fi
	THAW_AND_UNLOCK
	wake_up(next);
released:
	atomic { e = 0; s = 0; goto again }

/* CHRING_IOC_FINISH, or CHRING_IOC_CANCEL, which death is as well */
asked:
	if
	:: granted[_pid]
	:: IS(DIES | LEAVES) -> goto cancel
	fi;
	LOCK_AND_FREEZE
		got = holder == ID(_pid) || share[_pid];
		assert(got || truth_lost[_pid])
	THAW_AND_UNLOCK
	if
	:: got -> acquired(e, s); untold[_pid] = 0; goto critical
	:: else -> goto over
	fi;
cancel:
	LOCK_AND_FREEZE
		if
		:: granted[_pid] -> give_back(_pid)
		:: else -> dequeue(_pid); truth_queue ?? eval(_pid)
		fi;
#ifndef BUG_CANCEL_KEEPS
		pass_on(next)
#endif
	THAW_AND_UNLOCK
	wake_up(next);
over:
	atomic {
		granted[_pid] = false; frame[_pid] = false;
		running[_pid] = true; untold[_pid] = 0; waits[_pid] = false;
		if
		:: IS(DIES) -> goto done
		:: !IS(DIES) -> goto again
		fi
	}

/* A time-out or a signal, which may be a deadly one */
give_up:
	LOCK_AND_FREEZE
		if
		:: granted[_pid] -> got = true
		:: else ->
			dequeue(_pid);
			truth_queue ?? eval(_pid);
#ifndef BUG_LEAVE_ALONE
			pass_on(next)
#endif
		fi
	THAW_AND_UNLOCK
	wake_up(next);
	if
	:: got && IS(LEAVES) -> acquired(e, s); goto critical
	:: got && IS(DIES) -> goto dead
	:: !got ->
		atomic {
			frame[_pid] = false; running[_pid] = true;
			chance[_pid] = NONE;
			if
			:: IS(DIES) -> goto dead
			:: IS(LEAVES) -> waits[_pid] = false; goto again
			fi
		}
	fi;

/* chring_lock_owner_died() */
dead:
	atomic { waits[_pid] = false; got = false; e = 0; s = 0; w = false }
	LOCK_AND_FREEZE
		assert((holder == ID(_pid)) == (truth_holder == _pid));
		if
		:: holder == ID(_pid) ->
			news = TOKEN(epoch, seen) + 1;
			truth_news = truth_token[_pid] + 1;
			clear()
		:: share[_pid] ->
#ifdef SLOTS
			news = truth_token[_pid] + 1;
			truth_news = news;
#endif
#ifdef BUG_DEATH_FREES_ALL
			shares = 1;
#endif
#ifndef BUG_DEATH_KEEPS_SHARE
			drop_share(_pid)
#else
			truth_readers = truth_readers & ~BIT(_pid)
#endif
		:: else
		fi;
		pass_on(next)
	THAW_AND_UNLOCK
	wake_up(next);
done:
	skip
}

/* ---- what befalls them */

inline take_away(next)
{
	truth_lost[truth_holder] = true;
	news = TOKEN(epoch, seen) + 1;
	truth_news = truth_token[truth_holder] + 1;
	clear();
	pass_on(next)
}

/* All of them: which of their tokens is told is not modelled */
inline take_shares_away(next)
{
	for (next : 1 .. N) {
		if
		:: share[next] -> truth_lost[next] = true; drop_share(next)
		:: else
		fi
	}
	next = 0;
	news = TOKEN(epoch, seen) + 1;
	truth_news = news;
	pass_on(next)
}

proctype breaker()
{
	byte next;

	LOCK_AND_FREEZE
		if
		:: holder -> take_away(next)
		:: shares -> take_shares_away(next)
		:: else
		fi
	THAW_AND_UNLOCK
	wake_up(next)
}

/*
 * Those who fit are served one after the other, and woken in between, by whoever
 * has served the first: by a process of its own here, as nothing can stop it.
 */
proctype server()
{
	byte next;

end:
	do
	:: more ->
		LOCK_AND_FREEZE
			pass_on(next)
		THAW_AND_UNLOCK
		wake_up(next)
	od
}

/* Its clock says nothing of when this happens: at once, or much too late. */
proctype timer()
{
	byte next;

end:
	lease > 0;
	LOCK_AND_FREEZE
		if
#ifdef BUG_LATE_TIMER
		:: holder ->
#else
		:: holder && lease == TOKEN(epoch, seen) + 1 ->
#endif
			assert(truth_wanted);
			take_away(next)
		:: else
		fi
	THAW_AND_UNLOCK
	wake_up(next)
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
#if READERS
		run server();
#endif
#ifdef BREAKS
		run breaker();
#endif
#ifdef WIPES
		run wiper();
#endif
#ifdef LEASE
		run timer();
#endif
	}
}

#ifdef LIVE
ltl nobody_waits_for_ever { [] (waits[N] -> <> !waits[N]) }
#endif
