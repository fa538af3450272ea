// SPDX-License-Identifier: GPL-2.0
/* The locks that there were before. */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sem.h>
#include <unistd.h>

#include "lock_subjects.h"

/* On a file system in memory, as the semaphores of sem_open() are. */
#define LOCK_FILE	"/dev/shm/chring-bench-lock"
#define SEMAPHORE	"/chring-bench-lock"

/* ---- mutexes of pthread, in memory that the processes share */

enum { PLAIN, ROBUST, ROBUST_PI };

static pthread_mutex_t *mutex;

static void mutex_make(pthread_mutex_t *at, int kind)
{
	pthread_mutexattr_t attributes;

	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	if (kind != PLAIN)
		pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	if (kind == ROBUST_PI)
		pthread_mutexattr_setprotocol(&attributes,
					      PTHREAD_PRIO_INHERIT);
	errno = pthread_mutex_init(at, &attributes);
	if (errno)
		err(1, "pthread_mutex_init");
	pthread_mutexattr_destroy(&attributes);
}

static pthread_mutex_t *mutexes_make(unsigned int count, int kind)
{
	pthread_mutex_t *made;
	unsigned int i;

	made = mmap(NULL, count * sizeof(*made), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (made == MAP_FAILED)
		err(1, "mmap");
	for (i = 0; i < count; i++)
		mutex_make(&made[i], kind);
	return made;
}

static void mutex_destroy(void)
{
	munmap(mutex, sizeof(*mutex));
}

static inline void mutex_lock(void)
{
	pthread_mutex_lock(mutex);
}

static inline void mutex_unlock(void)
{
	pthread_mutex_unlock(mutex);
}

static void plain_create(void)
{
	mutex = mutexes_make(1, PLAIN);
}

static void plain_idle(unsigned int first, unsigned int count)
{
	mutexes_make(count, PLAIN);
}

DEFINE_PAIRS(mutex)

const struct subject mutex_subject = {
	.name = "mutex",
	.create = plain_create,
	.lock = mutex_lock, .unlock = mutex_unlock, .pairs = mutex_pairs,
	.destroy = mutex_destroy,
	.idle = plain_idle,
};

static inline void robust_lock(void)
{
	if (pthread_mutex_lock(mutex) == EOWNERDEAD)
		pthread_mutex_consistent(mutex);
}

static inline void robust_unlock(void)
{
	pthread_mutex_unlock(mutex);
}

static void robust_create(void)
{
	mutex = mutexes_make(1, ROBUST);
}

static void robust_idle(unsigned int first, unsigned int count)
{
	mutexes_make(count, ROBUST);
}

DEFINE_PAIRS(robust)

const struct subject robust_subject = {
	.name = "robust", .crash_safe = true,
	.create = robust_create,
	.lock = robust_lock, .unlock = robust_unlock, .pairs = robust_pairs,
	.destroy = mutex_destroy,
	.idle = robust_idle,
};

static void robust_pi_create(void)
{
	mutex = mutexes_make(1, ROBUST_PI);
}

static void robust_pi_idle(unsigned int first, unsigned int count)
{
	mutexes_make(count, ROBUST_PI);
}

const struct subject robust_pi_subject = {
	.name = "robust-pi", .crash_safe = true,
	.create = robust_pi_create,
	.lock = robust_lock, .unlock = robust_unlock, .pairs = robust_pairs,
	.destroy = mutex_destroy,
	.idle = robust_pi_idle,
};

/* ---- a lock of pthread that can be shared */

static pthread_rwlock_t *rwlock;

static void rwlock_make(int preferred)
{
	pthread_rwlockattr_t attributes;

	rwlock = mmap(NULL, sizeof(*rwlock), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (rwlock == MAP_FAILED)
		err(1, "mmap");
	pthread_rwlockattr_init(&attributes);
	pthread_rwlockattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	pthread_rwlockattr_setkind_np(&attributes, preferred);
	errno = pthread_rwlock_init(rwlock, &attributes);
	if (errno)
		err(1, "pthread_rwlock_init");
	pthread_rwlockattr_destroy(&attributes);
}

/* As by default. */
static void rwlock_create(void)
{
	rwlock_make(PTHREAD_RWLOCK_PREFER_READER_NP);
}

static void rwlock_writer_create(void)
{
	rwlock_make(PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
}

static void rwlock_destroy(void)
{
	munmap(rwlock, sizeof(*rwlock));
}

static inline void rwlock_lock(void)
{
	pthread_rwlock_rdlock(rwlock);
}

static inline void rwlock_unlock(void)
{
	pthread_rwlock_unlock(rwlock);
}

static void rwlock_lock_alone(void)
{
	pthread_rwlock_wrlock(rwlock);
}

DEFINE_PAIRS(rwlock)

const struct subject rwlock_subject = {
	.name = "rwlock",
	.create = rwlock_create,
	.lock = rwlock_lock, .unlock = rwlock_unlock, .pairs = rwlock_pairs,
	.lock_alone = rwlock_lock_alone, .destroy = rwlock_destroy,
};

const struct subject rwlock_writer_subject = {
	.name = "rwlock-writer",
	.create = rwlock_writer_create,
	.lock = rwlock_lock, .unlock = rwlock_unlock, .pairs = rwlock_pairs,
	.lock_alone = rwlock_lock_alone, .destroy = rwlock_destroy,
};

/* ---- semaphores with names */

static sem_t *semaphore;

static sem_t *semaphore_make(const char *name, unsigned int slots)
{
	sem_t *made = sem_open(name, O_CREAT | O_EXCL, 0600, slots);

	if (made == SEM_FAILED)
		err(1, "sem_open %s", name);
	return made;
}

static void sem_open_create(void)
{
	sem_unlink(SEMAPHORE);
	semaphore = semaphore_make(SEMAPHORE, 1);
}

static void sem_open_slots_create(void)
{
	sem_unlink(SEMAPHORE);
	semaphore = semaphore_make(SEMAPHORE, SLOTS);
}

static void sem_open_open(void)
{
	semaphore = sem_open(SEMAPHORE, 0);
	if (semaphore == SEM_FAILED)
		err(1, "sem_open");
}

static inline void sem_open_lock(void)
{
	while (sem_wait(semaphore))
		;
}

static inline void sem_open_unlock(void)
{
	sem_post(semaphore);
}

static void sem_open_idle(unsigned int first, unsigned int count)
{
	char name[64];

	while (count--) {
		snprintf(name, sizeof(name), SEMAPHORE ".%u", first++);
		sem_unlink(name);
		semaphore_make(name, 1);
		/* It stays open, and mapped. */
		sem_unlink(name);
	}
}

static void sem_open_destroy(void)
{
	sem_unlink(SEMAPHORE);
}

DEFINE_PAIRS(sem_open)

const struct subject sem_open_subject = {
	.name = "sem_open",
	.create = sem_open_create, .open = sem_open_open,
	.lock = sem_open_lock, .unlock = sem_open_unlock,
	.pairs = sem_open_pairs, .destroy = sem_open_destroy,
	.idle = sem_open_idle,
};

const struct subject sem_open_slots_subject = {
	.name = "sem_open-slots", .slots = SLOTS,
	.create = sem_open_slots_create, .open = sem_open_open,
	.lock = sem_open_lock, .unlock = sem_open_unlock,
	.pairs = sem_open_pairs, .destroy = sem_open_destroy,
};

/* ---- locks of files */

static int file = -1;

static void file_create(void)
{
	int made = open(LOCK_FILE, O_RDWR | O_CREAT, 0600);

	if (made < 0)
		err(1, LOCK_FILE);
	close(made);
}

/* Anew: a forked process shares what it was given, and the lock with it. */
static void file_open(void)
{
	file = open(LOCK_FILE, O_RDWR);
	if (file < 0)
		err(1, LOCK_FILE);
}

static void file_idle(unsigned int first, unsigned int count)
{
	char name[64];

	while (count--) {
		snprintf(name, sizeof(name), LOCK_FILE ".%u", first++);
		if (open(name, O_RDWR | O_CREAT, 0600) < 0 || unlink(name))
			err(1, "%s", name);
	}
}

static void file_destroy(void)
{
	unlink(LOCK_FILE);
}

static inline void flock_lock(void)
{
	if (flock(file, LOCK_EX))
		err(1, "flock");
}

static inline void flock_unlock(void)
{
	flock(file, LOCK_UN);
}

DEFINE_PAIRS(flock)

const struct subject flock_subject = {
	.name = "flock", .crash_safe = true,
	.create = file_create, .open = file_open,
	.lock = flock_lock, .unlock = flock_unlock, .pairs = flock_pairs,
	.destroy = file_destroy, .idle = file_idle,
};

static inline void flock_shared_lock(void)
{
	if (flock(file, LOCK_SH))
		err(1, "flock");
}

static inline void flock_shared_unlock(void)
{
	flock(file, LOCK_UN);
}

DEFINE_PAIRS(flock_shared)

const struct subject flock_shared_subject = {
	.name = "flock-shared", .crash_safe = true,
	.create = file_create, .open = file_open,
	.lock = flock_shared_lock, .unlock = flock_unlock,
	.pairs = flock_shared_pairs, .lock_alone = flock_lock,
	.destroy = file_destroy,
};

static inline void ofd_lock(void)
{
	struct flock range = { .l_type = F_WRLCK, .l_len = 1 };

	if (fcntl(file, F_OFD_SETLKW, &range))
		err(1, "F_OFD_SETLKW");
}

static inline void ofd_unlock(void)
{
	struct flock range = { .l_type = F_UNLCK, .l_len = 1 };

	fcntl(file, F_OFD_SETLK, &range);
}

DEFINE_PAIRS(ofd)

const struct subject ofd_subject = {
	.name = "ofd", .crash_safe = true,
	.create = file_create, .open = file_open,
	.lock = ofd_lock, .unlock = ofd_unlock, .pairs = ofd_pairs,
	.destroy = file_destroy, .idle = file_idle,
};

/* ---- semaphores of System V */

static int sysv = -1;

static int sysv_make(int slots)
{
	int made = semget(IPC_PRIVATE, 1, IPC_CREAT | 0600);

	if (made < 0)
		err(1, "semget");
	if (semctl(made, 0, SETVAL, slots))
		err(1, "SETVAL");
	return made;
}

static void sysv_create(void)
{
	sysv = sysv_make(1);
}

static void sysv_slots_create(void)
{
	sysv = sysv_make(SLOTS);
}

static inline void sysv_lock(void)
{
	struct sembuf take = { .sem_op = -1, .sem_flg = SEM_UNDO };

	if (semop(sysv, &take, 1))
		err(1, "semop");
}

static inline void sysv_unlock(void)
{
	struct sembuf give = { .sem_op = 1, .sem_flg = SEM_UNDO };

	semop(sysv, &give, 1);
}

/* In a namespace of the process's own, which has room, and takes them along. */
static void sysv_idle(unsigned int first, unsigned int count)
{
	if (unshare(CLONE_NEWIPC))
		err(1, "CLONE_NEWIPC");
	while (count--)
		sysv_make(1);
}

static void sysv_destroy(void)
{
	semctl(sysv, 0, IPC_RMID);
}

DEFINE_PAIRS(sysv)

const struct subject sysv_subject = {
	.name = "sysv", .crash_safe = true,
	.create = sysv_create,
	.lock = sysv_lock, .unlock = sysv_unlock, .pairs = sysv_pairs,
	.destroy = sysv_destroy,
	.idle = sysv_idle,
};

const struct subject sysv_slots_subject = {
	.name = "sysv-slots", .crash_safe = true, .slots = SLOTS,
	.create = sysv_slots_create,
	.lock = sysv_lock, .unlock = sysv_unlock, .pairs = sysv_pairs,
	.destroy = sysv_destroy,
};
