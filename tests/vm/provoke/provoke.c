// SPDX-License-Identifier: GPL-2.0
/*
 * Does one bad thing when it is loaded, for tests/vm/selftest to see whether
 * the runner notices. Loading it fails afterwards: nothing stays behind but
 * the damage.
 */
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

static char *what = "";
module_param(what, charp, 0);
MODULE_PARM_DESC(what, "the bad thing");

/* The compiler must not see through what is wrong. */
static int shift = 40;
module_param(shift, int, 0);

static DEFINE_MUTEX(first);
static DEFINE_MUTEX(second);
static DEFINE_SPINLOCK(spin);

static void provoke_warning(void)
{
	WARN(1, "provoked\n");
}

static void provoke_oops(void)
{
	int *pointer = NULL;

	OPTIMIZER_HIDE_VAR(pointer);
	*pointer = 1;
}

static void provoke_taint(void)
{
	add_taint(TAINT_USER, LOCKDEP_STILL_OK);
}

static void provoke_hang(void)
{
	set_current_state(TASK_UNINTERRUPTIBLE);
	schedule();
}

static void provoke_lockup(void)
{
	preempt_disable();
	for (;;)
		cpu_relax();
}

static void provoke_leak(void)
{
	int i;

	/* More than a stale pointer on some stack can hide. */
	for (i = 0; i < 16; i++)
		(void)!kmalloc(100 + i, GFP_KERNEL);
}

static void provoke_use_after_free(void)
{
	int *pointer = kzalloc(sizeof(*pointer), GFP_KERNEL), *copy = pointer;

	OPTIMIZER_HIDE_VAR(copy);
	kfree(pointer);
	pr_info("read %d\n", *copy);
}

static void provoke_inversion(void)
{
	mutex_lock(&first);
	mutex_lock(&second);
	mutex_unlock(&second);
	mutex_unlock(&first);

	mutex_lock(&second);
	mutex_lock(&first);
	mutex_unlock(&first);
	mutex_unlock(&second);
}

static void provoke_shift(void)
{
	pr_info("shifted to %d\n", 1 << shift);
}

static void provoke_atomic_sleep(void)
{
	spin_lock(&spin);
	msleep(20);
	spin_unlock(&spin);
}

static void provoke_rcu_misuse(void)
{
	static int __rcu *pointer;

	/* Without rcu_read_lock(). */
	(void)rcu_dereference(pointer);
}

static const struct {
	const char *name;
	void (*provoke)(void);
} things[] = {
	{ "warning", provoke_warning },
	{ "oops", provoke_oops },
	{ "taint", provoke_taint },
	{ "hang", provoke_hang },
	{ "lockup", provoke_lockup },
	{ "leak", provoke_leak },
	{ "use-after-free", provoke_use_after_free },
	{ "inversion", provoke_inversion },
	{ "shift", provoke_shift },
	{ "atomic-sleep", provoke_atomic_sleep },
	{ "rcu-misuse", provoke_rcu_misuse },
};

static int __init provoke_init(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(things); i++) {
		if (!strcmp(what, things[i].name)) {
			things[i].provoke();
			return -ECANCELED;
		}
	}
	return -EINVAL;
}
module_init(provoke_init);

MODULE_DESCRIPTION("Does one bad thing, for the tests of the test runner");
MODULE_LICENSE("GPL");
