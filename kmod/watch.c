// SPDX-License-Identifier: GPL-2.0
/*
 * Watches: who is to know at once that a process has ended.
 *
 * A pidfd becomes readable then, and wakes who polls it, as this does. Its file
 * keeps neither the process nor anything of it but its struct pid.
 */

#include <linux/file.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/netlink.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "watch.h"

/**
 * struct chring_watch - on one process
 * @file: the pidfd's
 * @work: to be done at once when the process has ended
 * @head: the queue that @entry is in
 * @entry: in the queue of those whom the end wakes
 * @table: what asks for @head
 */
struct chring_watch {
	struct file *file;
	struct delayed_work *work;
	struct wait_queue_head *head;
	struct wait_queue_entry entry;
	struct poll_table_struct table;
};

/* Interrupts are off; also at the end of a thread, which is none of it all. */
static int wake(struct wait_queue_entry *entry, unsigned int mode, int flags,
		void *key)
{
	struct chring_watch *watch;

	watch = container_of(entry, struct chring_watch, entry);
	mod_delayed_work(system_unbound_wq, watch->work, 0);
	return 0;
}

static void queue(struct file *file, struct wait_queue_head *head,
		  struct poll_table_struct *table)
{
	struct chring_watch *watch;

	watch = container_of(table, struct chring_watch, table);
	watch->head = head;
	add_wait_queue(head, &watch->entry);
}

/**
 * chring_watch_start - begin to watch a process
 * @pidfd: the caller's of the process
 * @work: to be queued at once when it ends; it outlives the watch
 * @extack: says why not
 *
 * Context: may sleep; current is who made the request.
 * Return: the watch; or an error pointer: -EBADF for what is no pidfd, -ESRCH
 * where the process has ended, -ENOMEM.
 */
struct chring_watch *chring_watch_start(unsigned int pidfd,
					struct delayed_work *work,
					struct netlink_ext_ack *extack)
{
	struct chring_watch *watch;
	int err = -EBADF;

	watch = kzalloc(sizeof(*watch), GFP_KERNEL_ACCOUNT);
	if (!watch)
		return ERR_PTR(-ENOMEM);
	watch->work = work;
	watch->file = fget(pidfd);
	if (!watch->file ||
	    file_inode(watch->file)->i_sb->s_magic != PID_FS_MAGIC) {
		NL_SET_ERR_MSG(extack, "file descriptor is not a pidfd");
		goto stop;
	}
	init_waitqueue_func_entry(&watch->entry, wake);
	init_poll_funcptr(&watch->table, queue);
	if (vfs_poll(watch->file, &watch->table) & EPOLLIN) {
		NL_SET_ERR_MSG(extack, "process has ended");
		err = -ESRCH;
		goto stop;
	}
	return watch;

stop:
	chring_watch_stop(watch);
	return ERR_PTR(err);
}

/**
 * chring_watch_over - has the process ended?
 * @watch: on the process
 *
 * Context: may sleep.
 */
bool chring_watch_over(const struct chring_watch *watch)
{
	return vfs_poll(watch->file, NULL) & EPOLLIN;
}

/**
 * chring_watch_stop - end a watch
 * @watch: the watch, or NULL
 *
 * Its work is not queued any more, but may have been.
 *
 * Context: any but hard interrupts.
 */
void chring_watch_stop(struct chring_watch *watch)
{
	if (!watch)
		return;
	if (watch->head)
		remove_wait_queue(watch->head, &watch->entry);
	if (watch->file)
		fput(watch->file);
	kfree(watch);
}
