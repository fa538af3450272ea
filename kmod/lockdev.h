/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CHRING_LOCKDEV_H
#define CHRING_LOCKDEV_H

int chring_lockdev_init(void);
void chring_lockdev_exit(void);

#endif /* CHRING_LOCKDEV_H */
