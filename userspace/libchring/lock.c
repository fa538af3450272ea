// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Named locks. An acquisition or release that nobody contends is one
 * compare-and-swap of the lock's word, and all else is the kernel's: who waits,
 * whose turn it is, who died. linux/chring_lock.h says how the two go together.
 */
#define _GNU_SOURCE		/* CPU_COUNT */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/chring_lock.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "private.h"

/* Flags that go to the kernel as they come. */
#define ASKED_FLAGS	(CHRING_LEASE_EAGER | CHRING_LEASE_SIGNAL | \
			 CHRING_LEASE_KILL | CHRING_LOCK_SHARED)
#if (CHRING_LEASE_EAGER ^ CHRING_ACQUIRE_EAGER) | \
	(CHRING_LEASE_SIGNAL ^ CHRING_ACQUIRE_SIGNAL) | \
	(CHRING_LEASE_KILL ^ CHRING_ACQUIRE_KILL) | \
	(CHRING_LOCK_SHARED ^ CHRING_ACQUIRE_SHARED)
#error "flags of leases"
#endif

#define DEVICE "/dev/chring"

/* Looks at a taken word before the kernel is asked; more gained nothing. */
#define SPINS 100

#define CACHE_LINE 64

#define OWNER_MASK	(CHRING_LOCK_OWNER_MAX << CHRING_LOCK_OWNER_SHIFT)
#define SEQ_ONE		(1ULL << CHRING_LOCK_SEQ_SHIFT)
#define SEQ_LAST	(CHRING_LOCK_SEQ_MAX << CHRING_LOCK_SEQ_SHIFT)

/**
 * struct binding - a handle as one process has it
 * @generation: the process, among its ancestors; see generation_of_process()
 * @word: the mapped word, or &@no_word where there is none
 * @info: the mapped page that the kernel writes, or &@no_info
 * @refused: bits that a word which can be taken does not have
 * @owner: the handle's id, where the word has it
 * @no_word: a word that only the kernel may change, ever
 * @no_info: to go with it
 * @fd: the kernel's handle
 * @older: the binding of the parent, which other threads may still look at
 * @thread: who acquired the lock last, by this handle; see this_thread()
 * @token: of that acquisition
 * @held: the word that it stored, without flags
 * @told: the token of the last acquisition that was asked of the kernel
 * @dead_token: what the kernel told it of
 *
 * The holder writes @thread, @token and @held, in this order; they are read in
 * the opposite order. So who has lost the lock, and finds in @held what another
 * thread has acquired since, finds that thread too.
 */
struct binding {
	uint64_t generation;
	uint64_t *word;
	struct chring_lock_info *info;
	uint64_t refused;
	uint64_t owner;
	uint64_t no_word;
	struct chring_lock_info no_info;

	int fd;
	struct binding *older;

	/* Not in the line of what others read while they spin. */
	const char *thread __attribute__((aligned(CACHE_LINE)));
	uint64_t token;
	uint64_t held;
	uint64_t told;
	uint64_t dead_token;
};

/* A handle that was adopted has no name, by which to bind another process. */
struct chring_lock {
	struct binding *binding;
	unsigned int flags;
	uint32_t slots;
	mode_t mode;
	char name[];
};

/* ---- which process this is */

/*
 * Points to a page that is all zeroes after a fork, of any kind that copies
 * memory: the same that take away the mapped words.
 */
static uint64_t *generation;

/* The last one given out, here or in an ancestor. */
static uint64_t generations;

static int make_generation(void)
{
	size_t size = sysconf(_SC_PAGESIZE);
	uint64_t *none = NULL;
	uint64_t *page;
	int err;

	if (__atomic_load_n(&generation, __ATOMIC_ACQUIRE))
		return 0;
	page = mmap(NULL, size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return -errno;
	if (madvise(page, size, MADV_WIPEONFORK)) {
		err = errno;
		munmap(page, size);
		return -err;
	}
	if (!__atomic_compare_exchange_n(&generation, &none, page, false,
					 __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		munmap(page, size);
	return 0;
}

static uint64_t generation_of_process(void)
{
	uint64_t current = __atomic_load_n(generation, __ATOMIC_ACQUIRE);
	uint64_t next;

	if (current)
		return current;
	next = __atomic_add_fetch(&generations, 1, __ATOMIC_RELAXED);
	/* Where another thread is first, its number is in @current. */
	if (__atomic_compare_exchange_n(generation, &current, next, false,
					__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return next;
	return current;
}

/* The last binding that was made: this process's, or an ancestor's. */
static struct binding *last_binding(const struct chring_lock *lock)
{
	return __atomic_load_n(&lock->binding, __ATOMIC_ACQUIRE);
}

static bool is_ours(const struct binding *binding)
{
	return binding->generation == __atomic_load_n(generation,
						      __ATOMIC_RELAXED);
}

/* The binding of this process, or NULL where it has none yet. */
static struct binding *bound(const struct chring_lock *lock)
{
	struct binding *binding = last_binding(lock);

	return is_ours(binding) ? binding : NULL;
}

/* ---- opening and closing */

static int spins;

static void describe_handle(struct binding *binding, int fd, uint32_t id,
			    uint32_t lock_flags)
{
	binding->fd = fd;
	binding->owner = (uint64_t)id << CHRING_LOCK_OWNER_SHIFT;
	binding->refused = OWNER_MASK | CHRING_LOCK_FLAGS;
	if (!(lock_flags & CHRING_LOCK_FIFO))
		binding->refused &= ~CHRING_LOCK_WAITERS;
}

static int open_handle(const struct chring_lock *lock, struct binding *binding)
{
	struct chring_lock_open request = {
		.size		= sizeof(request),
		.flags		= lock->flags & ~CHRING_LOCK_ANY_THREAD,
		.name		= (uintptr_t)lock->name,
		.name_len	= strlen(lock->name),
		.mode		= lock->flags & CHRING_LOCK_CREATE ? lock->mode : 0,
		.slots		= lock->slots,
	};
	int device;
	int fd;
	int err;

	device = open(DEVICE, O_RDWR | O_CLOEXEC);
	if (device < 0) {
		err = errno;
		return err == ENOENT || err == ENXIO ? -ENODEV : -err;
	}
	fd = ioctl(device, CHRING_IOC_OPEN, &request);
	err = errno;
	close(device);
	if (fd < 0)
		return -err;

	describe_handle(binding, fd, request.id, request.lock_flags);
	return 0;
}

/*
 * Without the word, which a strict lock does not have, and others not where
 * there is no room, the kernel does it all.
 */
static void map_word(struct binding *binding)
{
	size_t size = sysconf(_SC_PAGESIZE);
	void *word;
	void *info;

	binding->no_word = CHRING_LOCK_KERNEL;
	binding->no_info.flags = CHRING_LOCK_STRICT;
	binding->word = &binding->no_word;
	binding->info = &binding->no_info;

	word = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
		    binding->fd, CHRING_LOCK_PGOFF_WORD * size);
	if (word == MAP_FAILED)
		return;
	info = mmap(NULL, size, PROT_READ, MAP_SHARED, binding->fd,
		    CHRING_LOCK_PGOFF_INFO * size);
	if (info == MAP_FAILED) {
		munmap(word, size);
		return;
	}
	binding->word = word;
	binding->info = info;
}

static bool has_word(const struct binding *binding)
{
	return binding->word != &binding->no_word;
}

/* Spinning is for somebody on another processor. */
static void choose_spins(void)
{
	cpu_set_t cpus;

	if (!sched_getaffinity(0, sizeof(cpus), &cpus) && CPU_COUNT(&cpus) == 1)
		return;
	__atomic_store_n(&spins, SPINS, __ATOMIC_RELAXED);
}

static struct binding *alloc_binding(void)
{
	struct binding *binding;

	binding = aligned_alloc(CACHE_LINE, sizeof(*binding));
	if (!binding)
		return NULL;
	memset(binding, 0, sizeof(*binding));
	binding->generation = generation_of_process();
	binding->held = CHRING_LOCK_NO_WORD;
	return binding;
}

static int bind_handle(const struct chring_lock *lock,
		       struct binding **bound_to)
{
	struct binding *binding;
	int ret;

	binding = alloc_binding();
	if (!binding)
		return -ENOMEM;
	ret = open_handle(lock, binding);
	if (ret < 0) {
		free(binding);
		return ret;
	}
	map_word(binding);
	choose_spins();
	*bound_to = binding;
	return 0;
}

static void unbind(struct binding *binding)
{
	size_t size = sysconf(_SC_PAGESIZE);

	ioctl(binding->fd, CHRING_IOC_CLOSE);
	if (has_word(binding)) {
		munmap(binding->word, size);
		munmap(binding->info, size);
	}
	close(binding->fd);
	free(binding);
}

/*
 * Close the child's copy of the parent's descriptor; unless it has been closed
 * already, as daemons like to do, and the number is something else now.
 */
static void close_copy(const struct binding *binding)
{
	struct chring_lock_stat stat = { .size = sizeof(stat) };

	if (ioctl(binding->fd, CHRING_IOC_STAT, &stat) && errno == ESTALE)
		close(binding->fd);
}

/* The binding of this process, which is made if there is none. */
static int bind_here(struct chring_lock *lock, struct binding **bound_to)
{
	struct binding *parents;
	struct binding *ours;
	int ret;

	/* Looked at once: another thread may replace it at any time. */
	parents = last_binding(lock);
	if (is_ours(parents)) {
		*bound_to = parents;
		return 0;
	}

	if (!*lock->name)
		return -ESTALE;
	ret = bind_handle(lock, &ours);
	if (ret < 0)
		return ret;
	ours->older = parents;
	*bound_to = ours;
	if (__atomic_compare_exchange_n(&lock->binding, &parents, ours, false,
					__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
		close_copy(ours->older);
	} else {
		/* Another thread was faster. */
		unbind(ours);
		*bound_to = parents;
	}
	return 0;
}

CHRING_EXPORT int chring_lock_open_slots(struct chring_lock **lock,
					 const char *name, uint32_t slots,
					 unsigned int flags, mode_t mode)
{
	size_t size = strlen(name) + 1;
	struct chring_lock *made;
	int ret;

	ret = make_generation();
	if (ret < 0)
		return ret;
	made = calloc(1, sizeof(*made) + size);
	if (!made)
		return -ENOMEM;
	memcpy(made->name, name, size);
	made->flags = flags;
	made->slots = slots;
	made->mode = mode;

	ret = bind_handle(made, &made->binding);
	if (ret < 0) {
		free(made);
		return ret;
	}
	/* A child that opens it anew finds it there. */
	made->flags &= ~CHRING_LOCK_EXCLUSIVE;
	*lock = made;
	return 0;
}

CHRING_EXPORT int chring_lock_open(struct chring_lock **lock, const char *name,
				   unsigned int flags, mode_t mode)
{
	return chring_lock_open_slots(lock, name, 0, flags, mode);
}

CHRING_EXPORT void chring_lock_shutdown(const struct chring_lock *lock)
{
	const struct binding *binding = bound(lock);
	int err = errno;

	if (binding)
		ioctl(binding->fd, CHRING_IOC_CLOSE);
	errno = err;
}

CHRING_EXPORT void chring_lock_close(struct chring_lock *lock)
{
	struct binding *binding;
	struct binding *older;

	if (!lock)
		return;
	binding = lock->binding;
	older = binding->older;
	if (is_ours(binding)) {
		unbind(binding);
	} else {
		close_copy(binding);
		free(binding);
	}
	for (binding = older; binding; binding = older) {
		older = binding->older;
		free(binding);
	}
	free(lock);
}

/* ---- who holds it */

/* The word says nothing: there is none, or somebody has scribbled on it. */
static inline bool is_strict(const struct binding *binding)
{
	return __atomic_load_n(&binding->info->flags, __ATOMIC_RELAXED) &
	       CHRING_LOCK_STRICT;
}

/* An address that no two threads have in common. */
static inline const char *this_thread(void)
{
	static __thread char mark __attribute__((tls_model("initial-exec")));

	return &mark;
}

/* What this thread has acquired; see struct binding for the order. */
static inline void hold(struct binding *binding, uint64_t token, uint64_t word)
{
	__atomic_store_n(&binding->thread, this_thread(), __ATOMIC_RELAXED);
	__atomic_store_n(&binding->token, token, __ATOMIC_RELEASE);
	__atomic_store_n(&binding->held, word, __ATOMIC_RELEASE);
}

CHRING_EXPORT int chring_lock_adopt(struct chring_lock **lock, int fd,
				    unsigned int flags)
{
	struct chring_lock_adopt request = { .size = sizeof(request) };
	struct binding *binding;
	struct chring_lock *made;
	int ret;

	if (flags & ~CHRING_LOCK_ANY_THREAD)
		return -EINVAL;
	ret = make_generation();
	if (ret < 0)
		return ret;
	made = calloc(1, sizeof(*made) + 1);
	binding = made ? alloc_binding() : NULL;
	if (!binding) {
		free(made);
		return -ENOMEM;
	}
	if (ioctl(fd, CHRING_IOC_ADOPT, &request)) {
		ret = -errno;
		free(binding);
		free(made);
		return ret;
	}
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	describe_handle(binding, fd, request.id, request.lock_flags);
	map_word(binding);
	choose_spins();
	if (request.token)
		hold(binding, request.token, request.word);
	made->binding = binding;
	made->flags = flags;
	*lock = made;
	return !!request.token;
}

/* Whether the lock is held as @held and @token say. */
static bool is_held(const struct binding *binding, uint64_t held,
		    uint64_t token)
{
	struct chring_lock_stat stat = { .size = sizeof(stat) };
	uint64_t word = __atomic_load_n(binding->word, __ATOMIC_RELAXED);

	if (!is_strict(binding) && !(word & CHRING_LOCK_KERNEL))
		return (word & ~CHRING_LOCK_FLAGS) == held;
	return !ioctl(binding->fd, CHRING_IOC_STAT, &stat) &&
	       stat.flags & CHRING_STAT_MINE && stat.token == token;
}

/* Whether the lock is held by an acquisition of this thread. */
static bool thread_holds(const struct binding *binding)
{
	uint64_t held = __atomic_load_n(&binding->held, __ATOMIC_ACQUIRE);
	uint64_t token = __atomic_load_n(&binding->token, __ATOMIC_ACQUIRE);

	return __atomic_load_n(&binding->thread, __ATOMIC_RELAXED) ==
	       this_thread() && is_held(binding, held, token);
}

CHRING_EXPORT bool chring_lock_is_held(const struct chring_lock *lock)
{
	const struct binding *binding = bound(lock);
	uint64_t token;
	uint64_t held;

	if (!binding)
		return false;
	if (!(lock->flags & CHRING_LOCK_ANY_THREAD))
		return thread_holds(binding);
	held = __atomic_load_n(&binding->held, __ATOMIC_ACQUIRE);
	token = __atomic_load_n(&binding->token, __ATOMIC_ACQUIRE);
	return is_held(binding, held, token);
}

CHRING_EXPORT uint64_t chring_lock_token(const struct chring_lock *lock)
{
	const struct binding *binding = bound(lock);

	return binding ? __atomic_load_n(&binding->token, __ATOMIC_RELAXED) : 0;
}

CHRING_EXPORT uint64_t chring_lock_dead_token(const struct chring_lock *lock)
{
	const struct binding *binding = bound(lock);

	if (!binding || binding->told != binding->token)
		return 0;
	return binding->dead_token;
}

CHRING_EXPORT int chring_lock_fd(struct chring_lock *lock)
{
	struct binding *binding;
	int ret;

	ret = bind_here(lock, &binding);
	return ret < 0 ? ret : binding->fd;
}

/* ---- acquiring */

/*
 * The word was taken, but meanwhile the kernel has begun another epoch, or has
 * ceased to look at the word: it knows what that came to.
 */
static __attribute__((noinline, cold)) bool
ask_kernel(struct binding *binding, uint64_t word)
{
	struct chring_lock_stat stat = { .size = sizeof(stat) };

	if (ioctl(binding->fd, CHRING_IOC_STAT, &stat) ||
	    !(stat.flags & CHRING_STAT_MINE))
		return false;
	/* Lost, and a thread that shares the handle has it. */
	if ((stat.token & CHRING_LOCK_SEQ_MAX) != word >> CHRING_LOCK_SEQ_SHIFT)
		return false;
	hold(binding, stat.token, word);
	return true;
}

/* Take the word if it is free; it was @found if it is not. */
static inline bool take_word(struct binding *binding, uint64_t *found)
{
	/* A seq is never paired with an epoch that began after it was read. */
	uint64_t epoch = __atomic_load_n(&binding->info->epoch,
					 __ATOMIC_ACQUIRE);
	uint64_t word = __atomic_load_n(binding->word, __ATOMIC_RELAXED);
	uint64_t taken = word + SEQ_ONE + binding->owner;

	*found = word;
	if (word & binding->refused || word >= SEQ_LAST ||
	    !__atomic_compare_exchange_n(binding->word, found, taken, false,
					 __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return false;

	taken &= ~CHRING_LOCK_FLAGS;
	if (__atomic_load_n(&binding->info->epoch, __ATOMIC_RELAXED) != epoch ||
	    is_strict(binding))
		return ask_kernel(binding, taken);
	hold(binding, epoch << CHRING_LOCK_EPOCH_SHIFT |
	     taken >> CHRING_LOCK_SEQ_SHIFT, taken);
	return true;
}

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

/* The holder may be about to release the lock, on another processor. */
static bool spin(struct binding *binding)
{
	int left = __atomic_load_n(&spins, __ATOMIC_RELAXED);
	uint64_t found;

	for (; left; left--) {
		if (take_word(binding, &found))
			return true;
		/* Whose turn it is the kernel will say. */
		if (found & binding->refused & CHRING_LOCK_FLAGS)
			return false;
		relax();
	}
	return false;
}

static int acquire_as_asked(struct binding *binding,
			    struct chring_lock_acquire *request)
{
	if (ioctl(binding->fd, CHRING_IOC_ACQUIRE, request))
		return -errno;
	binding->told = request->token;
	binding->dead_token = request->dead_token;
	hold(binding, request->token, request->word);
	return request->news;
}

static int acquire_by_kernel(struct binding *binding, unsigned int flags,
			     int64_t deadline, uint32_t ttl_ms)
{
	struct chring_lock_acquire request = {
		.size		= sizeof(request),
		.flags		= flags,
		.deadline	= deadline,
		.ttl_ms		= ttl_ms,
	};

	return acquire_as_asked(binding, &request);
}

/* It would wait for itself. */
static bool is_deadlock(const struct chring_lock *lock,
			const struct binding *binding)
{
	return !(lock->flags & CHRING_LOCK_ANY_THREAD) && thread_holds(binding);
}

static __attribute__((noinline)) int
acquire_slowly(struct chring_lock *lock, int64_t deadline)
{
	struct binding *binding;
	int ret;

	ret = bind_here(lock, &binding);
	if (ret < 0)
		return ret;
	if (spin(binding))
		return 0;
	if (is_deadlock(lock, binding))
		return -EDEADLK;
	return acquire_by_kernel(binding, 0, deadline, 0);
}

CHRING_EXPORT int chring_lock_acquire(struct chring_lock *lock)
{
	struct binding *binding = bound(lock);
	uint64_t found;

	if (binding && take_word(binding, &found))
		return 0;
	return acquire_slowly(lock, CHRING_DEADLINE_NONE);
}

/* In nanoseconds; 0 where it is not a time. */
static bool deadline_of(const struct timespec *time, int64_t *deadline)
{
	*deadline = CHRING_DEADLINE_NONE;
	if (!time)
		return true;
	if (time->tv_nsec < 0 || time->tv_nsec >= 1000000000)
		return false;
	if (time->tv_sec < 0)
		*deadline = 0;
	else if (time->tv_sec < CHRING_DEADLINE_NONE / 1000000000)
		*deadline = time->tv_sec * 1000000000LL + time->tv_nsec;
	return true;
}

CHRING_EXPORT int chring_lock_acquire_until(struct chring_lock *lock,
					    const struct timespec *time)
{
	struct binding *binding = bound(lock);
	int64_t deadline;
	uint64_t found;

	if (!deadline_of(time, &deadline))
		return -EINVAL;
	if (binding && take_word(binding, &found))
		return 0;
	return acquire_slowly(lock, deadline);
}

static int acquire_asking(struct chring_lock *lock, unsigned int flags,
			  int64_t deadline, uint32_t ttl_ms)
{
	struct binding *binding;
	int ret;

	ret = bind_here(lock, &binding);
	if (ret < 0)
		return ret;
	if (is_deadlock(lock, binding))
		return -EDEADLK;
	return acquire_by_kernel(binding, flags, deadline, ttl_ms);
}

/* Whom a lease is about the kernel only knows where it gives the lock. */
CHRING_EXPORT int chring_lock_acquire_leased(struct chring_lock *lock,
					     uint32_t ttl_ms,
					     unsigned int flags,
					     const struct timespec *time)
{
	int64_t deadline;

	if (!deadline_of(time, &deadline) || flags & ~ASKED_FLAGS)
		return -EINVAL;
	return acquire_asking(lock, flags, deadline, ttl_ms);
}

static __attribute__((noinline)) int
acquire_detecting(struct chring_lock *lock, struct binding *binding,
		  unsigned int flags, int64_t deadline,
		  struct chring_deadlock *deadlock)
{
	struct chring_lock_acquire request = {
		.size		= sizeof(request),
		.flags		= flags | CHRING_ACQUIRE_DETECT,
		.deadline	= deadline,
		.steps		= deadlock ? (uintptr_t)deadlock->steps : 0,
		.nr_steps	= deadlock ? CHRING_DEADLOCK_MAX : 0,
		.step_size	= sizeof(deadlock->steps[0]),
	};
	int ret;

	if (is_deadlock(lock, binding)) {
		if (deadlock)
			chring_deadlock_alone(deadlock, binding->token,
					      lock->name);
		return -EDEADLK;
	}
	ret = acquire_as_asked(binding, &request);
	if (ret == -EDEADLK && deadlock) {
		deadlock->nr = request.nr_steps;
		/* Another kernel may find longer ones. */
		if (deadlock->nr > CHRING_DEADLOCK_MAX)
			deadlock->nr = CHRING_DEADLOCK_MAX;
	}
	return ret;
}

CHRING_EXPORT int chring_lock_acquire_detect(struct chring_lock *lock,
					     unsigned int flags,
					     const struct timespec *time,
					     struct chring_deadlock *deadlock)
{
	struct binding *binding;
	int64_t deadline;
	uint64_t found;
	int ret;

	if (!deadline_of(time, &deadline) || flags & ~CHRING_LOCK_SHARED)
		return -EINVAL;
	ret = bind_here(lock, &binding);
	if (ret < 0)
		return ret;
	if (!flags && (take_word(binding, &found) || spin(binding)))
		return 0;
	return acquire_detecting(lock, binding, flags, deadline, deadlock);
}

CHRING_EXPORT int chring_lock_acquire_shared(struct chring_lock *lock,
					     const struct timespec *time)
{
	return chring_lock_acquire_leased(lock, 0, CHRING_LOCK_SHARED, time);
}

CHRING_EXPORT int chring_lock_acquire_async(struct chring_lock *lock,
					    uint32_t ttl_ms,
					    unsigned int flags)
{
	struct binding *binding = bound(lock);
	uint64_t found;

	if (flags & ~ASKED_FLAGS)
		return -EINVAL;
	if (binding && !ttl_ms && !flags && take_word(binding, &found))
		return 0;
	return acquire_asking(lock, flags | CHRING_ACQUIRE_ASYNC,
			      CHRING_DEADLINE_NONE, ttl_ms);
}

CHRING_EXPORT int chring_lock_finish(struct chring_lock *lock)
{
	struct chring_lock_finish request = { .size = sizeof(request) };
	struct binding *binding = bound(lock);

	if (!binding)
		return -ENODATA;
	if (ioctl(binding->fd, CHRING_IOC_FINISH, &request))
		return -errno;
	binding->told = request.token;
	binding->dead_token = request.dead_token;
	hold(binding, request.token, request.word);
	return request.news;
}

CHRING_EXPORT int chring_lock_cancel(struct chring_lock *lock)
{
	const struct binding *binding = bound(lock);

	if (!binding)
		return -ENODATA;
	return ioctl(binding->fd, CHRING_IOC_CANCEL) ? -errno : 0;
}

/* A holder that is dead is the kernel's to find: "busy" is its word, always. */
static inline int try_as(struct chring_lock *lock, unsigned int flags)
{
	struct binding *binding;
	uint64_t found;
	int ret;

	ret = bind_here(lock, &binding);
	if (ret < 0)
		return ret;
	if (!flags && take_word(binding, &found))
		return 0;
	return acquire_by_kernel(binding, flags | CHRING_ACQUIRE_TRY,
				 CHRING_DEADLINE_NONE, 0);
}

CHRING_EXPORT int chring_lock_try(struct chring_lock *lock)
{
	return try_as(lock, 0);
}

CHRING_EXPORT int chring_lock_try_shared(struct chring_lock *lock)
{
	return try_as(lock, CHRING_LOCK_SHARED);
}

/* ---- releasing */

/*
 * What was acquired last, and whether the current thread may say what is to
 * become of it.
 */
static inline int look_at_own(const struct chring_lock *lock,
			      const struct binding *binding,
			      uint64_t *held, uint64_t *token)
{
	if (!binding)
		return -ESTALE;
	*held = __atomic_load_n(&binding->held, __ATOMIC_ACQUIRE);
	*token = __atomic_load_n(&binding->token, __ATOMIC_ACQUIRE);
	if (__atomic_load_n(&binding->thread, __ATOMIC_RELAXED) !=
	    this_thread() && !(lock->flags & CHRING_LOCK_ANY_THREAD))
		return is_held(binding, *held, *token) ? -EPERM : -ESTALE;
	return 0;
}

static __attribute__((noinline)) int
release_slowly(const struct chring_lock *lock, struct binding *binding,
	       uint64_t token)
{
	struct chring_lock_release request = {
		.size	= sizeof(request),
		.token	= token,
	};
	const char *thread = this_thread();

	/* So that the next acquisition need not ask whether it holds it. */
	if (!(lock->flags & CHRING_LOCK_ANY_THREAD))
		__atomic_compare_exchange_n(&binding->thread, &thread, NULL,
					    false,
					    __ATOMIC_RELAXED, __ATOMIC_RELAXED);
	return ioctl(binding->fd, CHRING_IOC_RELEASE, &request) ? -errno : 0;
}

/*
 * The word must be exactly what this acquisition stored, so a release that
 * comes late never hits another acquisition.
 */
CHRING_EXPORT int chring_lock_release(struct chring_lock *lock)
{
	struct binding *binding = bound(lock);
	uint64_t token;
	uint64_t held;
	uint64_t word;
	int ret;

	ret = look_at_own(lock, binding, &held, &token);
	if (ret < 0)
		return ret;

	word = held;
	if (!is_strict(binding) &&
	    __atomic_compare_exchange_n(binding->word, &word,
					held & ~OWNER_MASK, false,
					__ATOMIC_RELEASE, __ATOMIC_RELAXED))
		return 0;
	return release_slowly(lock, binding, token);
}

CHRING_EXPORT int chring_lock_consistent(struct chring_lock *lock)
{
	struct chring_lock_consistent request = { .size = sizeof(request) };
	struct binding *binding = bound(lock);
	uint64_t token;
	uint64_t held;
	int ret;

	ret = look_at_own(lock, binding, &held, &token);
	if (ret < 0)
		return ret;
	request.token = token;
	return ioctl(binding->fd, CHRING_IOC_CONSISTENT, &request) ? -errno : 0;
}

CHRING_EXPORT const char *chring_lock_strerror(int err)
{
	switch (abs(err)) {
	case ENODEV:
		return "the chring module is not loaded (try: modprobe chring)";
	case ENOENT:
		return "there is no such lock";
	case EEXIST:
		return "there is such a lock already";
	case EDQUOT:
		return "this user has as many locks or handles as may be";
	case EBUSY:
		return "somebody holds the lock";
	case ETIMEDOUT:
		return "somebody held the lock for all that time";
	case EINPROGRESS:
	case EAGAIN:
		return "the lock is waited for, and not acquired yet";
	case EALREADY:
		return "the lock is waited for already, or the handle is this process's";
	case ENODATA:
		return "the lock is not waited for";
	case EDEADLK:
		return "this would wait for itself, or for others who wait for it";
	case ESTALE:
		return "the lock is not held, or was taken away";
	}
	return strerror(abs(err));
}
