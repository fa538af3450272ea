/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CHRING_SUBJECT_H
#define CHRING_SUBJECT_H

#include <linux/types.h>
#include <linux/uidgid.h>

/**
 * struct chring_subject - who asks
 * @uid: the user, or INVALID_UID where it is not sure to ask of its own accord
 * @admin: has CAP_NET_ADMIN over the network namespace
 */
struct chring_subject {
	kuid_t uid;
	bool admin;
};

#endif /* CHRING_SUBJECT_H */
