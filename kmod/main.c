// SPDX-License-Identifier: GPL-2.0
/*
 * chring: consistent-hash steering of connections and datagrams among the
 * processes of one service, and named locks.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/init.h>
#include <linux/module.h>

#include "handle.h"
#include "lockdev.h"
#include "lockspace.h"
#include "netlink.h"
#include "selfcheck.h"
#include "selftest/selftest.h"
#include "service.h"

static int __init chring_init(void)
{
	int err;

	if (!chring_selftest_ring() || !chring_selftest_balance() ||
	    !chring_selftest_knot())
		return -ENOTRECOVERABLE;

	err = chring_selfcheck();
	if (err) {
		pr_err("steering does not work on this kernel (%d)\n", err);
		return err;
	}

	err = chring_service_init();
	if (err)
		return err;

	err = chring_lockspace_init();
	if (err)
		goto err_lockspace;
	err = chring_handle_init();
	if (err)
		goto err_handle;
	err = chring_netlink_init();
	if (err)
		goto err_netlink;
	err = -ENOTRECOVERABLE;
	if (!chring_selftest_lock())
		goto err_lockdev;
	err = chring_lockdev_init();
	if (err)
		goto err_lockdev;
	return 0;

err_lockdev:
	chring_netlink_exit();
err_netlink:
	chring_handle_exit();
err_handle:
	chring_lockspace_exit();
err_lockspace:
	chring_service_exit();
	return err;
}

static void __exit chring_exit(void)
{
	chring_lockdev_exit();
	chring_netlink_exit();
	chring_handle_exit();
	chring_lockspace_exit();
	chring_service_exit();
}

module_init(chring_init);
module_exit(chring_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Consistent-hash steering of sockets, and named locks");
MODULE_AUTHOR("The chring developers");
