// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/chring: decodes what is asked of locks.
 */

#include <linux/anon_inodes.h>
#include <linux/compat.h>
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/nsproxy.h>
#include <linux/overflow.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/time_namespace.h>
#include <linux/uaccess.h>
#include <uapi/linux/chring_lock.h>

#include "access.h"
#include "handle.h"
#include "lock.h"
#include "lock_async.h"
#include "lock_deadlock.h"
#include "lockdev.h"
#include "lockspace.h"

/* As they were in the first version; the others are as large as they are here. */
#define FIRST_OPEN	offsetofend(struct chring_lock_open, lock_flags)
#define FIRST_ACQUIRE	offsetofend(struct chring_lock_acquire, ttl_ms)
#define FIRST_STAT	offsetofend(struct chring_lock_stat, lock_flags)

/* An argument of a size of its own. */
static noinline int get_sized_arg(void *arg, size_t size, size_t first,
				  void __user *user)
{
	u32 given;
	int err;

	if (get_user(given, (u32 __user *)user))
		return -EFAULT;
	if (given < first)
		return -EINVAL;
	if (given > PAGE_SIZE)
		return -E2BIG;
	err = copy_struct_from_user(arg, size, user, given);
	return err ?: min_t(size_t, given, size);
}

/*
 * Takes an argument, and returns how much of it is the caller's, at most as much
 * as there is here, or an error. Most callers were compiled with the size that it
 * has here, and one copy will do; inline, as copies of a size that the compiler
 * knows need no check against the stack.
 */
static __always_inline int get_arg(void *arg, size_t size, size_t first,
				   void __user *user)
{
	if (!copy_from_user(arg, user, size) && *(u32 *)arg == size)
		return size;
	return get_sized_arg(arg, size, first, user);
}

/* One that has flags after its size, none of which are known yet, and nothing new */
static __always_inline int get_plain_arg(void *arg, size_t size,
					 void __user *user)
{
	int err = get_arg(arg, size, size, user);

	if (err < 0)
		return err;
	return ((u32 *)arg)[1] ? -EINVAL : 0;
}

static __always_inline int put_arg(void __user *user, const void *arg,
				   size_t size)
{
	return copy_to_user(user, arg, size) ? -EFAULT : 0;
}

/* ---- requests of a handle */

/* From the caller's clock to the kernel's, without leaving its range */
static ktime_t host_deadline(s64 deadline)
{
	const struct timens_offsets *offsets;
	s64 host;

	if (deadline == CHRING_DEADLINE_NONE)
		return KTIME_MAX;
	offsets = &current->nsproxy->time_ns->offsets;
	if (check_sub_overflow(deadline,
			       (s64)timespec64_to_ns(&offsets->monotonic),
			       &host))
		return KTIME_MAX;
	return max(host, 0);
}

/* Tells of a deadlock, as much as there is room for. */
static int put_steps(struct chring_lock_acquire __user *user,
		     const struct chring_lock_acquire *arg,
		     const struct chring_deadlock *deadlock)
{
	unsigned int nr = min(arg->nr_steps, deadlock->nr);

	if (!arg->steps)
		return 0;
	if (copy_to_user(u64_to_user_ptr(arg->steps), deadlock->steps,
			 nr * sizeof(deadlock->steps[0])))
		return -EFAULT;
	return put_user(deadlock->nr, &user->nr_steps);
}

static noinline int refuse_deadlock(void __user *user,
				    const struct chring_lock_acquire *arg,
				    struct chring_deadlock *deadlock)
{
	int err = put_steps(user, arg, deadlock);

	kfree(deadlock);
	return err ?: -EDEADLK;
}

static bool is_valid(const struct chring_lock_acquire *arg)
{
	if (arg->flags & ~(CHRING_ACQUIRE_TRY | CHRING_ACQUIRE_SELF |
			   CHRING_ACQUIRE_EAGER | CHRING_ACQUIRE_SIGNAL |
			   CHRING_ACQUIRE_KILL | CHRING_ACQUIRE_SHARED |
			   CHRING_ACQUIRE_ASYNC | CHRING_ACQUIRE_DETECT) ||
	    arg->deadline < 0)
		return false;
	/* Who does not wait need not be told when to stop, nor that it cannot end */
	if (arg->flags & CHRING_ACQUIRE_ASYNC)
		return !(arg->flags & (CHRING_ACQUIRE_TRY |
				       CHRING_ACQUIRE_DETECT)) &&
		       arg->deadline == CHRING_DEADLINE_NONE;
	/* A step larger than ours would have something that we do not fill in */
	return !(arg->flags & CHRING_ACQUIRE_DETECT) || !arg->steps ||
	       arg->step_size == sizeof(struct chring_lock_step);
}

static long handle_acquire(struct chring_handle *handle, void __user *user)
{
	struct chring_lock_acquire arg;
	struct chring_grant grant;
	int err;

	err = get_arg(&arg, sizeof(arg), FIRST_ACQUIRE, user);
	if (err < 0)
		return err;
	if (!is_valid(&arg))
		return -EINVAL;
	if (arg.flags & CHRING_ACQUIRE_ASYNC)
		err = chring_async_acquire(handle, arg.flags, arg.ttl_ms,
					   &grant);
	else
		err = chring_lock_acquire(handle, arg.flags, arg.ttl_ms,
					  host_deadline(arg.deadline), &grant);
	if (err == -EDEADLK && arg.flags & CHRING_ACQUIRE_DETECT)
		return refuse_deadlock(user, &arg, grant.deadlock);
	if (err)
		return err;
	arg.token = grant.token;
	arg.word = grant.word;
	arg.dead_token = grant.dead_token;
	arg.news = grant.news;
	/* What came after is of refusals */
	err = put_arg(user, &arg, FIRST_ACQUIRE);
	if (err)
		chring_lock_give_back(handle, &grant);
	return err;
}

static long handle_finish(struct chring_handle *handle, void __user *user)
{
	struct chring_lock_finish arg;
	struct chring_grant grant;
	int err;

	err = get_plain_arg(&arg, sizeof(arg), user);
	if (err)
		return err;
	err = chring_async_finish(handle, &grant);
	if (err)
		return err;
	arg.token = grant.token;
	arg.word = grant.word;
	arg.dead_token = grant.dead_token;
	arg.news = grant.news;
	arg.pad = 0;
	err = put_arg(user, &arg, sizeof(arg));
	if (err)
		chring_lock_give_back(handle, &grant);
	return err;
}

static long handle_release(struct chring_handle *handle, void __user *user)
{
	struct chring_lock_release arg;
	int err;

	err = get_plain_arg(&arg, sizeof(arg), user);
	if (err)
		return err;
	return chring_lock_release(handle, arg.token);
}

static long handle_consistent(struct chring_handle *handle, void __user *user)
{
	struct chring_lock_consistent arg;
	int err;

	err = get_plain_arg(&arg, sizeof(arg), user);
	if (err)
		return err;
	return chring_lock_consistent(handle, arg.token);
}

static long handle_stat(struct chring_handle *handle, void __user *user)
{
	struct chring_lock_stat arg, stat = {};
	int size, err;

	size = get_arg(&arg, sizeof(arg), FIRST_STAT, user);
	if (size < 0)
		return size;
	stat.size = arg.size;
	err = chring_handle_stat(handle, &stat);
	return err ?: put_arg(user, &stat, size);
}

static long handle_adopt(struct chring_handle *handle, void __user *user)
{
	struct chring_lock_adopt arg;
	struct chring_grant grant = {};
	int err;

	err = get_plain_arg(&arg, sizeof(arg), user);
	if (err)
		return err;
	err = chring_handle_adopt(handle, &grant, &arg.id);
	if (err)
		return err;
	arg.token = grant.token;
	arg.word = grant.word;
	arg.lock_flags = handle->lock->flags;
	return put_arg(user, &arg, sizeof(arg));
}

static long handle_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct chring_handle *handle = file->private_data;
	void __user *user = (void __user *)arg;

	switch (cmd) {
	case CHRING_IOC_ACQUIRE:
		return handle_acquire(handle, user);
	case CHRING_IOC_RELEASE:
		return handle_release(handle, user);
	case CHRING_IOC_STAT:
		return handle_stat(handle, user);
	case CHRING_IOC_ADOPT:
		return handle_adopt(handle, user);
	case CHRING_IOC_CLOSE:
		return chring_lock_close(handle, false);
	case CHRING_IOC_CONSISTENT:
		return handle_consistent(handle, user);
	case CHRING_IOC_FINISH:
		return handle_finish(handle, user);
	case CHRING_IOC_CANCEL:
		return chring_async_cancel(handle);
	default:
		return -ENOTTY;
	}
}

static int handle_mmap(struct file *file, struct vm_area_struct *vma)
{
	return chring_handle_mmap(file->private_data, vma);
}

static __poll_t handle_poll(struct file *file, poll_table *wait)
{
	struct chring_handle *handle = file->private_data;

	poll_wait(file, &handle->lock->poll, wait);
	poll_wait(file, &handle->poll, wait);
	return chring_handle_poll(handle);
}

static int handle_release_file(struct inode *inode, struct file *file)
{
	chring_handle_end(file->private_data);
	return 0;
}

static const struct file_operations handle_fops = {
	.owner = THIS_MODULE,
	.release = handle_release_file,
	.unlocked_ioctl = handle_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = handle_mmap,
	.poll = handle_poll,
};

/* ---- the device */

static int get_lock_args(struct chring_lock_args *args, char *name,
			 const struct chring_lock_open *arg)
{
	const u32 kinds = CHRING_LOCK_FIFO | CHRING_LOCK_STRICT |
			  CHRING_LOCK_STICKY;

	if (arg->flags & ~(kinds | CHRING_OPEN_CREATE | CHRING_OPEN_EXCLUSIVE))
		return -EINVAL;
	if (!(arg->flags & CHRING_OPEN_CREATE) &&
	    (arg->flags || arg->mode || arg->slots))
		return -EINVAL;
	if (arg->mode & ~CHRING_ACCESS_MODES ||
	    arg->slots > CHRING_LOCK_SLOTS_MAX || arg->pad)
		return -EINVAL;
	if (!arg->name_len || arg->name_len > CHRING_LOCK_NAME_MAX)
		return -EINVAL;
	if (copy_from_user(name, u64_to_user_ptr(arg->name), arg->name_len))
		return -EFAULT;
	name[arg->name_len] = '\0';
	if (strlen(name) != arg->name_len)
		return -EINVAL;
	args->name = name;
	args->flags = arg->flags & kinds;
	args->create = arg->flags & CHRING_OPEN_CREATE;
	args->exclusive = arg->flags & CHRING_OPEN_EXCLUSIVE;
	args->mode = arg->mode;
	args->slots = arg->slots;
	current_fsuid_fsgid(&args->uid, &args->gid);
	return 0;
}

static int install(struct chring_handle *handle, struct chring_lock_open *arg,
		   size_t size, void __user *user)
{
	struct file *file;
	int fd, err;

	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0) {
		chring_handle_end(handle);
		return fd;
	}
	file = anon_inode_getfile("[chring]", &handle_fops, handle, O_RDWR);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		chring_handle_end(handle);
		return PTR_ERR(file);
	}
	arg->id = handle->id;
	arg->lock_flags = handle->lock->flags;
	arg->slots = handle->lock->slots;
	err = put_arg(user, arg, size);
	if (err) {
		put_unused_fd(fd);
		fput(file);
		return err;
	}
	fd_install(fd, file);
	return fd;
}

static long device_open(void __user *user)
{
	char name[CHRING_LOCK_NAME_MAX + 1];
	struct chring_lock_args args = {};
	struct chring_lock_open arg;
	struct chring_handle *handle;
	int size, err;

	size = get_arg(&arg, sizeof(arg), FIRST_OPEN, user);
	if (size < 0)
		return size;
	err = get_lock_args(&args, name, &arg);
	if (err)
		return err;
	handle = chring_handle_open(current->nsproxy->net_ns, &args);
	if (IS_ERR(handle))
		return PTR_ERR(handle);
	return install(handle, &arg, size, user);
}

static long device_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	if (cmd != CHRING_IOC_OPEN)
		return -ENOTTY;
	return device_open((void __user *)arg);
}

static const struct file_operations device_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = device_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "chring",
	.fops = &device_fops,
	.mode = 0666,
};

/**
 * chring_lockdev_init - begin to take requests
 *
 * Context: may sleep.
 * Return: 0, or what misc_register() says.
 */
int __init chring_lockdev_init(void)
{
	return misc_register(&device);
}

/**
 * chring_lockdev_exit - the reverse; nobody has the device or a handle open
 *
 * Context: may sleep.
 */
void chring_lockdev_exit(void)
{
	misc_deregister(&device);
}
