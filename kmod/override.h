/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CHRING_OVERRIDE_H
#define CHRING_OVERRIDE_H

struct chring_service;

void chring_override_sweep(struct chring_service *service);

#endif /* CHRING_OVERRIDE_H */
