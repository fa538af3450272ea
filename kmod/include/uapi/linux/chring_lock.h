/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Named locks: the contract of /dev/chring.
 *
 * open("/dev/chring"), then CHRING_IOC_OPEN, which returns a new descriptor:
 * the handle of one lock. The other requests are made of a handle, by the
 * process that opened it (or adopted it); they are -ESTALE to others.
 *
 * Each argument begins with its size, as the caller was compiled: the kernel
 * takes shorter ones, taking the rest for 0, and longer ones whose rest is 0
 * (-E2BIG otherwise). Unknown flags and fields that are not 0 where they must
 * be are -EINVAL.
 */
#ifndef _UAPI_LINUX_CHRING_LOCK_H
#define _UAPI_LINUX_CHRING_LOCK_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define CHRING_LOCK_NAME_MAX	63	/* bytes, without the NUL */

/*
 * The word, first of the page at offset 0 of a handle:
 *
 *	63            28 27        4 3     0
 *	+---------------+-----------+-------+
 *	| seq           | owner     | flags |
 *	+---------------+-----------+-------+
 *
 * owner is the id of the handle that holds the lock, 0 where it is free. A
 * process that finds owner and flags 0 takes the lock by a compare-and-swap
 * (acquire) to seq + 1 and its id; and releases it by one (release) of exactly
 * that seq and id, without flags, to the same with owner 0. Where the word is
 * otherwise, or seq is CHRING_LOCK_SEQ_MAX, it asks the kernel. In an adaptive
 * lock a free word with CHRING_LOCK_WAITERS and no other flag may be taken as
 * well, and keeps its flags: to release it is the kernel's then.
 */
#define CHRING_LOCK_WAITERS	0x1ULL	/* releasing is the kernel's */
#define CHRING_LOCK_KERNEL	0x2ULL	/* everything is the kernel's */
#define CHRING_LOCK_FLAGS	0xfULL
#define CHRING_LOCK_OWNER_SHIFT	4
#define CHRING_LOCK_OWNER_MAX	0xffffffULL
#define CHRING_LOCK_SEQ_SHIFT	28
#define CHRING_LOCK_SEQ_MAX	0xfffffffffULL

/* No word is like this: what an acquisition that others may share is told. */
#define CHRING_LOCK_NO_WORD	0xffffffffffffffffULL

/*
 * A token is epoch << CHRING_LOCK_EPOCH_SHIFT | seq: it rises with each
 * acquisition of a lock of a name, also where the lock is made anew.
 */
#define CHRING_LOCK_EPOCH_SHIFT	36
#define CHRING_LOCK_EPOCH_MAX	0xfffffffULL

/* What to map: offsets in pages of a handle, MAP_SHARED, one page each. */
#define CHRING_LOCK_PGOFF_WORD	0	/* PROT_READ | PROT_WRITE */
#define CHRING_LOCK_PGOFF_INFO	1	/* PROT_READ */

/**
 * struct chring_lock_info - what the kernel alone writes, at PGOFF_INFO
 * @epoch: of the tokens. Read before the compare-and-swap that takes the lock
 *	(acquire), and again after it: where it has changed, the seq that was
 *	taken may be of either, and the kernel must be asked for the token
 *	(CHRING_IOC_STAT). Where that token has another seq, or is not this
 *	handle's, the lock was lost meanwhile, maybe to a thread that shares
 *	the handle
 * @flags: CHRING_LOCK_FIFO; CHRING_LOCK_STRICT once the word was found corrupt:
 *	the kernel does not look at it any more
 */
struct chring_lock_info {
	__u64 epoch;
	__u32 flags;
	__u32 pad;
};

/* What a lock is, chosen where it is made */
#define CHRING_LOCK_FIFO	0x1U	/* in the order of arrival */
#define CHRING_LOCK_STRICT	0x2U	/* no page: all is the kernel's */
#define CHRING_LOCK_STICKY	0x4U	/* news stay until CONSISTENT */
#define CHRING_LOCK_EAGER	0x8U	/* leases run from the start; by name only */

/* As many may have a lock with slots at once, or share another */
#define CHRING_LOCK_SLOTS_MAX	65535

/* Flags of CHRING_IOC_OPEN besides */
#define CHRING_OPEN_CREATE	0x100U	/* make it where it is not there */
#define CHRING_OPEN_EXCLUSIVE	0x200U	/* with CREATE: -EEXIST if it is */

/**
 * struct chring_lock_open - argument of CHRING_IOC_OPEN
 * @size: of this
 * @flags: CHRING_OPEN_..., and with CREATE what the lock is to be; a lock that
 *	is there keeps what it is
 * @name: address of 1 to CHRING_LOCK_NAME_MAX bytes of printable ASCII without
 *	white space
 * @name_len: their number, no NUL is counted or needed
 * @mode: with CREATE, permissions of the lock, as a file's: writing is what
 *	acquiring needs, reading is for CHRING_IOC_STAT and listings; 0 is 0600
 * @id: set to the handle's id
 * @lock_flags: set to what the lock is
 * @slots: with CREATE, how many may hold it at once, one slot each, at most
 *	CHRING_LOCK_SLOTS_MAX: such a lock is CHRING_LOCK_STRICT and
 *	CHRING_LOCK_FIFO. 0 is a lock that one holds alone, or some share. Set to
 *	what the lock is
 * @pad: 0
 *
 * Returns the handle, a close-on-exec descriptor; -EACCES where the lock's mode
 * lets the caller neither read nor write. A lock that was made so lives as long
 * as it has handles or news for its next holder.
 */
struct chring_lock_open {
	__u32 size;
	__u32 flags;
	__aligned_u64 name;
	__u32 name_len;
	__u32 mode;
	__u32 id;
	__u32 lock_flags;
	__u32 slots;
	__u32 pad;
};

/* News of what befell the lock since its last holder took it */
#define CHRING_NEWS_OWNER_DIED	0x1U	/* its holder died with it */
#define CHRING_NEWS_BROKEN	0x2U	/* it was taken from its holder */
#define CHRING_NEWS_CORRUPT	0x4U	/* its word was scribbled on */
#define CHRING_NEWS_EXPIRED	0x8U	/* its holder's lease was over */

#define CHRING_ACQUIRE_TRY	0x1U	/* -EBUSY instead of waiting */
#define CHRING_ACQUIRE_SELF	0x2U	/* waiting instead of -EDEADLK */
/*
 * Of the lease: it runs from the acquisition, not from when somebody else first
 * wants the lock; and as it ends, the process agrees to be sent SIGTERM, and
 * SIGKILL after the module's grace_ms; or SIGKILL at once.
 */
#define CHRING_ACQUIRE_EAGER	0x4U
#define CHRING_ACQUIRE_SIGNAL	0x8U
#define CHRING_ACQUIRE_KILL	0x10U
#define CHRING_ACQUIRE_SHARED	0x20U	/* with others that want no more */
/*
 * Not waiting for it: -EINPROGRESS where the lock is not there to be had at once.
 * Then the handle has a request, one at a time, which poll() of it says is done,
 * by POLLIN; CHRING_IOC_FINISH collects it, CHRING_IOC_CANCEL ends it.
 */
#define CHRING_ACQUIRE_ASYNC	0x40U
/*
 * -EDEADLK instead of waiting in a cycle of processes that wait for each other. A
 * process is in one if all of its threads wait for locks; that any of them has a
 * deadline, or a lease that will end, does not count. It is looked for at first, and
 * from time to time, as those who come later need not ask for this.
 */
#define CHRING_ACQUIRE_DETECT	0x80U

#define CHRING_DEADLINE_NONE	0x7fffffffffffffffLL

/* Of a process in a cycle: it does not hold the lock, but is to have it before */
#define CHRING_STEP_QUEUED	0x1U

/**
 * struct chring_lock_step - a process in a cycle of those who wait for each other
 * @token: what it holds its lock by; 0 where the caller may not read that lock, or
 *	with CHRING_STEP_QUEUED
 * @pid: its process id as the caller sees it, 0 if it does not, or may not read the
 *	lock
 * @flags: CHRING_STEP_QUEUED
 * @name: the lock that the process before it waits for; empty where the caller
 *	may not read that lock, nor holds it, nor waits for it
 *
 * The first one is the caller itself, with the lock that the last one waits for.
 */
struct chring_lock_step {
	__aligned_u64 token;
	__s32 pid;
	__u32 flags;
	char name[CHRING_LOCK_NAME_MAX + 1];
};

/* No cycle that is found is longer. */
#define CHRING_STEPS_MAX	64

/**
 * struct chring_lock_acquire - argument of CHRING_IOC_ACQUIRE
 * @size: of this
 * @flags: CHRING_ACQUIRE_...
 * @deadline: absolute, CLOCK_MONOTONIC, ns, at least 0; CHRING_DEADLINE_NONE
 * @token: set to the token of this acquisition
 * @word: set to the word that was stored, without flags: what a release by
 *	compare-and-swap expects; CHRING_LOCK_NO_WORD where there is none
 * @dead_token: set to the last holder's token where there is news, or 0
 * @news: set to CHRING_NEWS_...; told once, or, where the lock is
 *	CHRING_LOCK_STICKY, to each holder until one says CHRING_IOC_CONSISTENT
 * @ttl_ms: lease: how long the holder may make others wait, in milliseconds of
 *	CLOCK_BOOTTIME; 0, or more than what the lock has, is as the lock has it
 * @steps: with CHRING_ACQUIRE_DETECT, address of so many as @nr_steps says, of the
 *	size that @step_size says; or 0. With -EDEADLK they are filled in
 * @nr_steps: where there are @steps set to how many there are in the cycle, which
 *	may be more
 * @step_size: of struct chring_lock_step, as the caller was compiled
 *
 * -EBUSY, -ETIMEDOUT, -EINTR (or restarted, with the same deadline); -EACCES
 * where the lock's mode did not let the handle's opener write; -EDEADLK where
 * the handle holds the lock already, or has a request, and the process has no other
 * thread that could release it, or, with CHRING_ACQUIRE_DETECT, in a cycle; -EINVAL
 * with CHRING_ACQUIRE_SHARED for a lock with slots, and with CHRING_ACQUIRE_ASYNC
 * together with CHRING_ACQUIRE_TRY, CHRING_ACQUIRE_DETECT or a deadline. With
 * CHRING_ACQUIRE_ASYNC -EINPROGRESS, and -EALREADY where the handle has a request,
 * done or not.
 *
 * A handle holds its lock once: who wants to share it with another thread, or to
 * have several slots, has a handle for each.
 */
struct chring_lock_acquire {
	__u32 size;
	__u32 flags;
	__s64 deadline;
	__aligned_u64 token;
	__aligned_u64 word;
	__aligned_u64 dead_token;
	__u32 news;
	__u32 ttl_ms;
	__aligned_u64 steps;
	__u32 nr_steps;
	__u32 step_size;
};

/**
 * struct chring_lock_finish - argument of CHRING_IOC_FINISH
 * @size: of this
 * @flags: 0
 * @token: as of CHRING_IOC_ACQUIRE, as all that follows
 * @word: set
 * @dead_token: set
 * @news: set
 * @pad: set to 0
 *
 * Collects what has become of an acquisition with CHRING_ACQUIRE_ASYNC: the lock is
 * the caller's, by @token, and the request is over. So it is with these errors:
 * -ESTALE where the lock was taken away before this (what its news were is told to
 * the next holder); -EOVERFLOW; -EFAULT for @token and what follows, and the lock is
 * given back with its news. But not with these: -EAGAIN where it is not done; -ENODATA
 * where there is none; -ESTALE where the handle is not the caller's.
 *
 * A handle has the lock from when it was granted, collected or not, with a lease
 * that runs as any other. What was granted and is not collected was not made use
 * of: where the request is cancelled, the handle closed or adopted, or the process
 * dies, it goes to the next waiter as if it had not been granted, with the same news.
 */
struct chring_lock_finish {
	__u32 size;
	__u32 flags;
	__aligned_u64 token;
	__aligned_u64 word;
	__aligned_u64 dead_token;
	__u32 news;
	__u32 pad;
};

/**
 * struct chring_lock_release - argument of CHRING_IOC_RELEASE
 * @size: of this
 * @flags: 0
 * @token: what is released; -ESTALE where the handle does not hold the lock by
 *	it (any more)
 */
struct chring_lock_release {
	__u32 size;
	__u32 flags;
	__aligned_u64 token;
};

/**
 * struct chring_lock_consistent - argument of CHRING_IOC_CONSISTENT
 * @size: of this
 * @flags: 0
 * @token: what the lock is held by; -ESTALE where the handle does not hold it by
 *	this token (any more)
 *
 * What the lock protects has been put right: the next holder is not told the
 * news that this one was. What this one was not told, as another has died since who
 * held the lock beside it, the next one is.
 */
struct chring_lock_consistent {
	__u32 size;
	__u32 flags;
	__aligned_u64 token;
};

/* Flags of CHRING_IOC_STAT */
#define CHRING_STAT_HELD	0x1U	/* somebody holds the lock */
#define CHRING_STAT_MINE	0x2U	/* this handle does */
#define CHRING_STAT_LOST	0x4U	/* it was taken from this handle */
#define CHRING_STAT_SHARED	0x8U	/* others may hold it at the same time */

/**
 * struct chring_lock_stat - argument of CHRING_IOC_STAT
 * @size: of this
 * @flags: set to CHRING_STAT_...
 * @token: set to that of the holder, or of the last one; 0 if there was none.
 *	Where several hold the lock, to this handle's, or to the newest
 * @held_ns: set to the time since the kernel has known that the holder holds
 *	it: a holder that took it by the word is known from the first waiter or
 *	question on. Where several do, to that of this handle, or of the first
 * @pid: set to the holder's process id as the caller sees it, 0 if it does not,
 *	or the lock's mode did not let the handle's opener read; where several
 *	hold the lock, as of @held_ns
 * @waiters: set to the number of those who wait
 * @news: set to what the next holder will be told
 * @lock_flags: set to what the lock is
 * @holders: set to the number of those who hold it
 * @slots: set to the number of those who may, in a lock with slots; 0 in others
 */
struct chring_lock_stat {
	__u32 size;
	__u32 flags;
	__aligned_u64 token;
	__aligned_u64 held_ns;
	__s32 pid;
	__u32 waiters;
	__u32 news;
	__u32 lock_flags;
	__u32 holders;
	__u32 slots;
};

/**
 * struct chring_lock_adopt - argument of CHRING_IOC_ADOPT
 * @size: of this
 * @flags: 0
 * @token: set to a new token where the handle held the lock, which the caller
 *	holds then; 0 otherwise
 * @word: as of CHRING_IOC_ACQUIRE, 0 where @token is
 * @id: set to the handle's id, a new one: the other may still have it mapped
 * @lock_flags: set to what the lock is
 *
 * Makes a handle that came from another process the caller's; to the other it
 * is -ESTALE from then on. The other need not be alive; what it held is not
 * there to be had then. A request of the other is cancelled.
 */
struct chring_lock_adopt {
	__u32 size;
	__u32 flags;
	__aligned_u64 token;
	__aligned_u64 word;
	__u32 id;
	__u32 lock_flags;
};

#define CHRING_IOC_MAGIC	0xC7
#define CHRING_IOC_OPEN		_IO(CHRING_IOC_MAGIC, 0x00)	/* of the device */
#define CHRING_IOC_ACQUIRE	_IO(CHRING_IOC_MAGIC, 0x01)
#define CHRING_IOC_RELEASE	_IO(CHRING_IOC_MAGIC, 0x02)
#define CHRING_IOC_STAT		_IO(CHRING_IOC_MAGIC, 0x03)
#define CHRING_IOC_ADOPT	_IO(CHRING_IOC_MAGIC, 0x04)
/* Releases what is held, and ends the handle whatever copies of it there are */
#define CHRING_IOC_CLOSE	_IO(CHRING_IOC_MAGIC, 0x05)
#define CHRING_IOC_CONSISTENT	_IO(CHRING_IOC_MAGIC, 0x06)
#define CHRING_IOC_FINISH	_IO(CHRING_IOC_MAGIC, 0x07)
/*
 * Ends a request, done or not: afterwards it has not acquired the lock, whatever
 * came first. -ENODATA where there is none; -ESTALE
 */
#define CHRING_IOC_CANCEL	_IO(CHRING_IOC_MAGIC, 0x08)

/*
 * poll() of a handle: POLLIN, its request is done, and to be collected; POLLPRI,
 * there is news for the next holder; POLLERR, the lock was taken from this handle
 * (until it acquires, asks for it, or releases again); POLLHUP, the handle is dead,
 * closed or another process's.
 */

#endif /* _UAPI_LINUX_CHRING_LOCK_H */
