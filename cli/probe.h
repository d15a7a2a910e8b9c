/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * probe.h - does a portal accept connections?
 */
#ifndef CLI_PROBE_H
#define CLI_PROBE_H

#include <stdbool.h>

/*
 * Connect to ${address} (numeric; a wildcard means this machine) and hang up;
 * waits at most ${ms}.
 */
bool probe_portal(const char *address, unsigned port, unsigned ms);

#endif /* !CLI_PROBE_H */
