// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lock_raw.h"

#define OWNER_MASK	(CHRING_LOCK_OWNER_MAX << CHRING_LOCK_OWNER_SHIFT)
#define PARAMETERS	"/sys/module/chring/parameters/"

/* ---- requests */

static int request(int fd, unsigned long number, void *argument)
{
	int ret = ioctl(fd, number, argument);

	return ret < 0 ? -errno : ret;
}

int handle_open_slots(struct handle *handle, const char *name,
		      unsigned int flags, unsigned int slots)
{
	struct chring_lock_open open_it = {
		.size = sizeof(open_it),
		.flags = flags,
		.slots = slots,
		.name = (uintptr_t)name,
		.name_len = strlen(name),
	};
	int device = open("/dev/chring", O_RDWR | O_CLOEXEC);
	int fd;

	if (device < 0)
		return -errno;
	fd = request(device, CHRING_IOC_OPEN, &open_it);
	close(device);
	if (fd < 0)
		return fd;
	memset(handle, 0, sizeof(*handle));
	handle->fd = fd;
	handle->id = open_it.id;
	handle->flags = open_it.lock_flags;
	return 0;
}

int handle_open(struct handle *handle, const char *name, unsigned int flags)
{
	return handle_open_slots(handle, name, flags, 0);
}

int handle_map(struct handle *handle)
{
	size_t size = sysconf(_SC_PAGESIZE);
	void *word, *info;

	word = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, handle->fd,
		    CHRING_LOCK_PGOFF_WORD * size);
	if (word == MAP_FAILED)
		return -errno;
	info = mmap(NULL, size, PROT_READ, MAP_SHARED, handle->fd,
		    CHRING_LOCK_PGOFF_INFO * size);
	if (info == MAP_FAILED) {
		munmap(word, size);
		return -errno;
	}
	handle->word = word;
	handle->info = info;
	return 0;
}

void handle_unmap(struct handle *handle)
{
	size_t size = sysconf(_SC_PAGESIZE);

	munmap((void *)handle->word, size);
	munmap((void *)handle->info, size);
	handle->word = NULL;
	handle->info = NULL;
}

/* The first one makes the lock. They are mapped where that can be. */
int handles_open(struct handle *handles, int count, const char *name,
		 unsigned int flags, unsigned int slots)
{
	int i, err;

	for (i = 0; i < count; i++) {
		err = handle_open_slots(&handles[i], name,
					i ? 0 : flags | CHRING_OPEN_CREATE,
					i ? 0 : slots);
		if (!err && !(handles[i].flags & CHRING_LOCK_STRICT))
			err = handle_map(&handles[i]);
		if (err)
			return err;
	}
	return 0;
}

void handles_close(const struct handle *handles, int count)
{
	int i;

	for (i = 0; i < count; i++)
		close(handles[i].fd);
}

int handle_lease(const struct handle *handle, unsigned int flags,
		 long long deadline, uint32_t ttl_ms,
		 struct chring_lock_acquire *acquired)
{
	*acquired = (struct chring_lock_acquire) {
		.size = sizeof(*acquired),
		.flags = flags,
		.deadline = deadline,
		.ttl_ms = ttl_ms,
	};
	return request(handle->fd, CHRING_IOC_ACQUIRE, acquired);
}

int handle_acquire(const struct handle *handle, unsigned int flags,
		   long long deadline, struct chring_lock_acquire *acquired)
{
	return handle_lease(handle, flags, deadline, 0, acquired);
}

int handle_try(const struct handle *handle,
	       struct chring_lock_acquire *acquired)
{
	return handle_acquire(handle, CHRING_ACQUIRE_TRY, 0, acquired);
}

/* Without waiting for it */
int handle_ask(const struct handle *handle, unsigned int flags,
	       uint32_t ttl_ms, struct chring_lock_acquire *acquired)
{
	return handle_lease(handle, flags | CHRING_ACQUIRE_ASYNC,
			    CHRING_DEADLINE_NONE, ttl_ms, acquired);
}

int handle_finish(const struct handle *handle,
		  struct chring_lock_finish *finished)
{
	*finished = (struct chring_lock_finish) { .size = sizeof(*finished) };
	return request(handle->fd, CHRING_IOC_FINISH, finished);
}

int handle_cancel(const struct handle *handle)
{
	return request(handle->fd, CHRING_IOC_CANCEL, NULL);
}

int handle_release(const struct handle *handle, uint64_t token)
{
	struct chring_lock_release release = {
		.size = sizeof(release),
		.token = token,
	};

	return request(handle->fd, CHRING_IOC_RELEASE, &release);
}

int handle_consistent(const struct handle *handle, uint64_t token)
{
	struct chring_lock_consistent consistent = {
		.size = sizeof(consistent),
		.token = token,
	};

	return request(handle->fd, CHRING_IOC_CONSISTENT, &consistent);
}

int handle_stat(const struct handle *handle, struct chring_lock_stat *stat)
{
	*stat = (struct chring_lock_stat) { .size = sizeof(*stat) };
	return request(handle->fd, CHRING_IOC_STAT, stat);
}

int handle_adopt(struct handle *handle, struct chring_lock_adopt *adopted)
{
	int err;

	*adopted = (struct chring_lock_adopt) { .size = sizeof(*adopted) };
	err = request(handle->fd, CHRING_IOC_ADOPT, adopted);
	if (!err)
		handle->id = adopted->id;
	return err;
}

int handle_close(const struct handle *handle)
{
	return request(handle->fd, CHRING_IOC_CLOSE, NULL);
}

int handle_poll(const struct handle *handle)
{
	struct pollfd pollfd = {
		.fd = handle->fd, .events = POLLIN | POLLPRI,
	};

	if (poll(&pollfd, 1, 0) < 0)
		return -errno;
	return pollfd.revents;
}

int waiters_of(const struct handle *handle)
{
	struct chring_lock_stat stat;

	return handle_stat(handle, &stat) ? -1 : (int)stat.waiters;
}

unsigned int news_of(const struct handle *handle)
{
	struct chring_lock_stat stat;

	return handle_stat(handle, &stat) ? ~0U : stat.news;
}

bool is_held(const struct handle *handle)
{
	struct chring_lock_stat stat;

	return !handle_stat(handle, &stat) && stat.flags & CHRING_STAT_HELD;
}

bool is_mine(const struct handle *handle)
{
	struct chring_lock_stat stat;

	return !handle_stat(handle, &stat) && stat.flags & CHRING_STAT_MINE;
}

/* ---- handles for others */

int send_descriptor(int socket, int fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {};
	char byte = 0;
	struct iovec data = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};

	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	return sendmsg(socket, &message, 0) == 1 ? 0 : -errno;
}

int receive_descriptor(int socket)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {};
	char byte;
	struct iovec data = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	int fd;

	if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1 ||
	    !CMSG_FIRSTHDR(&message))
		return -EPROTO;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	return fd;
}

/* ---- those who wait, and who hold */

static void *sleeper_run(void *data)
{
	struct sleeper *sleeper = data;

	sleeper->result = request(sleeper->handle->fd, CHRING_IOC_ACQUIRE,
				  &sleeper->got);
	return NULL;
}

int sleeper_start(struct sleeper *sleeper, struct handle *handle,
		  unsigned int flags, int patience_ms, uint32_t ttl_ms)
{
	*sleeper = (struct sleeper){
		.handle = handle,
		.got = {
			.size = sizeof(sleeper->got),
			.flags = flags,
			.deadline = in_ms(patience_ms),
			.ttl_ms = ttl_ms,
		},
	};
	return pthread_create(&sleeper->thread, NULL, sleeper_run, sleeper);
}

bool sleeper_queue(struct sleeper *sleeper, struct handle *handle,
		   unsigned int flags, int before)
{
	return !sleeper_start(sleeper, handle, flags, PATIENCE_MS, 0) &&
	       wait_until(waiters_of(handle) == before + 1);
}

int sleeper_end(struct sleeper *sleeper)
{
	pthread_join(sleeper->thread, NULL);
	return sleeper->result;
}

pid_t holder_start(const char *name, unsigned int flags, uint64_t *token)
{
	struct chring_lock_acquire got;
	struct handle handle;
	pid_t pid = fork_child();

	if (pid)
		return pid;
	if (handle_open(&handle, name, 0) ||
	    handle_acquire(&handle, flags, in_ms(PATIENCE_MS), &got))
		_exit(1);
	if (token)
		__atomic_store_n(token, got.token, __ATOMIC_RELEASE);
	for (;;)
		pause();
}

/* ---- the word */

bool word_take(const struct handle *handle, uint64_t *token)
{
	uint64_t epoch = __atomic_load_n(&handle->info->epoch,
					 __ATOMIC_ACQUIRE);
	uint64_t word = __atomic_load_n(handle->word, __ATOMIC_RELAXED);
	uint64_t seq = (word >> CHRING_LOCK_SEQ_SHIFT) + 1;

	if (word & (OWNER_MASK | CHRING_LOCK_FLAGS) ||
	    seq > CHRING_LOCK_SEQ_MAX ||
	    !__atomic_compare_exchange_n(handle->word, &word,
					 seq << CHRING_LOCK_SEQ_SHIFT |
					 (uint64_t)handle->id <<
					 CHRING_LOCK_OWNER_SHIFT, false,
					 __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return false;
	*token = epoch << CHRING_LOCK_EPOCH_SHIFT | seq;
	return __atomic_load_n(&handle->info->epoch,
			       __ATOMIC_RELAXED) == epoch;
}

bool word_release(const struct handle *handle, uint64_t token)
{
	uint64_t seq = token & CHRING_LOCK_SEQ_MAX;
	uint64_t word = seq << CHRING_LOCK_SEQ_SHIFT |
			(uint64_t)handle->id << CHRING_LOCK_OWNER_SHIFT;

	return __atomic_compare_exchange_n(handle->word, &word,
					   seq << CHRING_LOCK_SEQ_SHIFT, false,
					   __ATOMIC_RELEASE, __ATOMIC_RELAXED);
}

/* ---- time, processes, the module */

long long now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

long long in_ms(int ms)
{
	return now_ns() + ms * NS_PER_MS;
}

void pause_us(int us)
{
	struct timespec time = {
		.tv_sec = us / 1000000,
		.tv_nsec = us % 1000000 * 1000,
	};

	nanosleep(&time, NULL);
}

/* Does a process, or thread, sleep where a signal would wake it? */
bool sleeps(pid_t pid)
{
	char path[64], text[256];
	char *state;
	ssize_t size;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	size = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (size < 0)
		return false;
	text[size] = '\0';
	state = strrchr(text, ')');
	return state && state[1] && state[2] == 'S';
}

/* Of a child: its exit status, or minus the signal that killed it. */
int exit_status(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return -1000;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

int set_parameter(const char *name, long value)
{
	char path[128], text[32];
	int length = snprintf(text, sizeof(text), "%ld", value);
	int fd, ret = 0;

	snprintf(path, sizeof(path), PARAMETERS "%s", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, text, length) != length)
		ret = -errno;
	close(fd);
	return ret;
}

/* What a file says, which is a number; -1 where it is none. */
long number_in(const char *path)
{
	FILE *file = fopen(path, "re");
	long value = -1;

	if (!file)
		return -1;
	if (fscanf(file, "%ld", &value) != 1)
		value = -1;
	fclose(file);
	return value;
}

long get_parameter(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), PARAMETERS "%s", name);
	return number_in(path);
}
