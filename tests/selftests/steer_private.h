/* SPDX-License-Identifier: GPL-2.0 */
/* What servers and clients of a stage have in common. */
#ifndef STEER_PRIVATE_H
#define STEER_PRIVATE_H

#include "steer_util.h"

/* Over TCP, after the answer to the last question the server hangs up. */
#define QUESTION	'?'
#define QUESTION_LAST	'!'

static inline void tally_count(unsigned long *counter)
{
	__atomic_add_fetch(counter, 1, __ATOMIC_SEQ_CST);
}

static inline unsigned long tally_counted(const unsigned long *counter)
{
	return __atomic_load_n(counter, __ATOMIC_SEQ_CST);
}

#endif /* STEER_PRIVATE_H */
