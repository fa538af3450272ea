// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lock_device.h"

#define DEVICE "/dev/chring"

int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

void nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
}

int result(int value)
{
	return value < 0 ? -errno : value;
}

int open_lock(struct handle *handle, const char *name, uint32_t flags,
	      uint32_t mode)
{
	struct chring_lock_open arg = {
		.size = sizeof(arg),
		.flags = flags,
		.name = (uintptr_t)name,
		.name_len = strlen(name),
		.mode = mode,
	};
	int device = open(DEVICE, O_RDWR | O_CLOEXEC);
	int fd;

	if (device < 0)
		return -errno;
	fd = result(ioctl(device, CHRING_IOC_OPEN, &arg));
	close(device);
	*handle = (struct handle){
		.fd = fd, .id = arg.id, .flags = arg.lock_flags,
	};
	return fd < 0 ? fd : 0;
}

int map_lock(struct handle *handle)
{
	size_t size = getpagesize();
	void *word, *info;

	word = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, handle->fd,
		    CHRING_LOCK_PGOFF_WORD * size);
	if (word == MAP_FAILED)
		return -errno;
	info = mmap(NULL, size, PROT_READ, MAP_SHARED, handle->fd,
		    CHRING_LOCK_PGOFF_INFO * size);
	if (info == MAP_FAILED)
		return -errno;
	handle->word = word;
	handle->info = info;
	return 0;
}

int acquire(const struct handle *handle, uint32_t flags, int64_t deadline,
	    struct chring_lock_acquire *arg)
{
	*arg = (struct chring_lock_acquire){
		.size = sizeof(*arg), .flags = flags, .deadline = deadline,
	};
	return result(ioctl(handle->fd, CHRING_IOC_ACQUIRE, arg));
}

int release(const struct handle *handle, uint64_t token)
{
	struct chring_lock_release arg = {
		.size = sizeof(arg), .token = token,
	};

	return result(ioctl(handle->fd, CHRING_IOC_RELEASE, &arg));
}

int stat_lock(const struct handle *handle, struct chring_lock_stat *stat)
{
	*stat = (struct chring_lock_stat){ .size = sizeof(*stat) };
	return result(ioctl(handle->fd, CHRING_IOC_STAT, stat));
}

int adopt(const struct handle *handle, struct chring_lock_adopt *arg)
{
	*arg = (struct chring_lock_adopt){ .size = sizeof(*arg) };
	return result(ioctl(handle->fd, CHRING_IOC_ADOPT, arg));
}

int waiters(const struct handle *handle)
{
	struct chring_lock_stat stat;

	return stat_lock(handle, &stat) ? -1 : (int)stat.waiters;
}

uint64_t fast_acquire(const struct handle *handle)
{
	uint64_t epoch = handle->info->epoch;
	uint64_t word = __atomic_load_n(handle->word, __ATOMIC_RELAXED);
	uint64_t seq = (word >> CHRING_LOCK_SEQ_SHIFT) + 1;
	uint64_t taken = seq << CHRING_LOCK_SEQ_SHIFT |
			 (uint64_t)handle->id << CHRING_LOCK_OWNER_SHIFT;

	if (word & ((1 << CHRING_LOCK_SEQ_SHIFT) - 1) ||
	    seq > CHRING_LOCK_SEQ_MAX)
		return 0;
	if (!__atomic_compare_exchange_n(handle->word, &word, taken, false,
					 __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return 0;
	return epoch << CHRING_LOCK_EPOCH_SHIFT | seq;
}

bool fast_release(const struct handle *handle, uint64_t token)
{
	uint64_t seq = token & CHRING_LOCK_SEQ_MAX;
	uint64_t free = seq << CHRING_LOCK_SEQ_SHIFT;
	uint64_t taken = free |
			 (uint64_t)handle->id << CHRING_LOCK_OWNER_SHIFT;

	return __atomic_compare_exchange_n(handle->word, &taken, free, false,
					   __ATOMIC_RELEASE, __ATOMIC_RELAXED);
}

int status_of(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

bool is_held(const struct handle *handle)
{
	struct chring_lock_stat stat;

	return !stat_lock(handle, &stat) && stat.flags & CHRING_STAT_HELD;
}
