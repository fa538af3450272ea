/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CHRING_SELFCHECK_H
#define CHRING_SELFCHECK_H

int chring_selfcheck(void);

#endif /* CHRING_SELFCHECK_H */
