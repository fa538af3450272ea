/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How a deadlock is found: processes that acquire one lock, and then another, and
 * look whether they wait in a cycle; while others release, and acquire anew. For
 * Spin; tests/model/run says what is checked, with which of these, and which bugs
 * are planted:
 *
 *	N		processes, and locks: 3
 *	ROUNDS		times that the last one acquires two locks; the others do so once
 *
 * A look reads one lock at a time, and anything may happen in between: that is
 * what makes it hard. It goes from who waits to who holds, as each process has one
 * thread, and each lock one holder. What begins with "truth_" is no part of the
 * protocol. Whoever waits has asked: so whoever waits when all is over was not
 * found, which is an end state that is none.
 */

#define NONE N

byte holder[N] = NONE;		/* of a lock */
byte token[N];			/* of its last acquisition */
byte wants[N] = NONE;		/* of a process: what it waits for */
byte wait[N];			/* which wait that is */
bool truth_refused[N];		/* it is on its way out of its queue */

/* The lockspace's lock */
bool looking;

/* What a process waits for, as who looks has it */
#ifdef BUG_LOOK_FIRST		/* it is not in the queue yet */
#define WANTS(process) ((process) == _pid -> goal : wants[process])
#else
#define WANTS(process) wants[process]
#endif

inline take(lock, process)
{
	holder[lock] = process;
	token[lock]++;
}

/* To any of those who wait: it does not matter to whom */
inline let_go(lock)
{
	holder[lock] = NONE;
	if
	:: wants[0] == lock -> take(lock, 0); wants[0] = NONE
	:: wants[1] == lock -> take(lock, 1); wants[1] = NONE
	:: wants[2] == lock -> take(lock, 2); wants[2] = NONE
	:: else
	fi
}

/* Is a process in a cycle at this moment, of whom none is on its way out? */
inline truth_is_cycle(process)
{
	d_step {
		truth_at = process;
		truth_steps = 0;
		truth_cycle = false;
		do
		:: truth_steps == N || WANTS(truth_at) == NONE ||
		   holder[WANTS(truth_at)] == NONE -> break
		:: else ->
			truth_at = holder[WANTS(truth_at)];
			truth_steps++;
			if
			:: truth_at != process && truth_refused[truth_at] -> break
			:: truth_at == process -> truth_cycle = true; break
			:: else
			fi
		od;
		truth_at = 0;
		truth_steps = 0
	}
}

/*
 * One look, from a process back to it; each step is another moment. Of what it sees
 * it keeps a number: the first look, and the second, must be the same.
 */
inline look(seen)
{
	at = _pid;
	steps = 0;
	seen = 0;
	found = false;
	do
	:: steps == N -> break
	:: else ->
		atomic {
			if
			:: WANTS(at) == NONE || holder[WANTS(at)] == NONE ->
				break
			:: else
			fi;
			seen = seen * 8 + wait[at];
			seen = seen * 8 + token[WANTS(at)];
			seen = seen * 4 + holder[WANTS(at)];
			at = holder[WANTS(at)];
			steps++
		}
		if
		:: at == _pid -> found = true; break
		:: else
		fi
	od;
	at = 0;
	steps = 0
}

/* Looks whether it is in a cycle, and is out of its queue then, with refused set. */
inline detect()
{
	atomic { !looking -> looking = true }
	look(first);
#ifndef BUG_ONE_LOOK
	if
	:: found -> look(second); found = found && first == second
	:: else
	fi;
#endif
	atomic {
		if
		:: found && WANTS(_pid) != NONE ->
			truth_is_cycle(_pid);
			assert(truth_cycle);
			truth_refused[_pid] = true
		:: else
		fi;
#ifdef BUG_LEAVE_LATE
		looking = false
#endif
	}
	atomic {
		if
		:: truth_refused[_pid] ->
			truth_refused[_pid] = false;
			if
			:: WANTS(_pid) != NONE -> refused = true;
				wants[_pid] = NONE
			:: else
			fi
		:: else
		fi;
#ifndef BUG_LEAVE_LATE
		looking = false;
#endif
		first = 0;
		second = 0;
		found = false;
		truth_cycle = false
	}
}

/* One acquisition; refused is set if it is not made. */
inline acquire(lock)
{
#ifdef BUG_LOOK_FIRST
	goal = lock;
	if
	:: holder[lock] != NONE -> detect()
	:: else
	fi;
	goal = NONE;
#endif
	atomic {
		if
		:: refused
		:: !refused && holder[lock] == NONE -> take(lock, _pid)
		:: !refused && holder[lock] != NONE ->
			wants[_pid] = lock;
			wait[_pid]++
		fi
	}
#ifndef BUG_LOOK_FIRST
	if
	:: wants[_pid] != NONE -> detect()
	:: else
	fi;
#endif
	wants[_pid] == NONE
}

active [N] proctype process()
{
	byte rounds, one, two, at, steps, truth_at, truth_steps;
	int first, second;
	bool found, refused, truth_cycle;
#ifdef BUG_LOOK_FIRST
	byte goal = NONE;
#endif

	do
	:: rounds == (_pid == N - 1 -> ROUNDS : 1) -> break
	:: else ->
		rounds++;
		atomic {
			if
			:: one = 0
			:: one = 1
			:: one = 2
			fi;
			if
			:: two = (one + 1) % N
			:: two = (one + 2) % N
			fi
		}
		acquire(one);
		assert(!refused);
		acquire(two);
		atomic {
			if
			:: !refused -> let_go(two)
			:: else
			fi
		}
		atomic {
			let_go(one);
			refused = false;
			one = 0;
			two = 0
		}
	od
}
