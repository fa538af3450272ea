/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A program of type BPF_PROG_TYPE_SK_LOOKUP, which the kernel's look-up asks
 * before it looks for listeners and unconnected UDP sockets itself.
 */
#ifndef SK_LOOKUP_H
#define SK_LOOKUP_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Sends what comes for @port, in this network namespace, to the socket @fd, or
 * with @group to its reuseport group. Ends with the process.
 */
void sk_lookup_attach(uint16_t port, int fd, bool group);

#endif /* SK_LOOKUP_H */
