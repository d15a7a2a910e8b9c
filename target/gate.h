/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * gate.h - between the listeners and the workers: a connection from an
 * address with failed logins waits here before anybody talks to it.  Not so
 * when that address has a live session: a disk in use must come back at once,
 * whatever else runs on its machine.
 *
 * Threads: that of the loop.
 */
#ifndef TARGET_GATE_H
#define TARGET_GATE_H

#include <stdint.h>

#include "target/logins.h"
#include "target/net/loop.h"
#include "target/registry.h"

/* Connections that wait at a time; one more is closed. */
#define GATE_MAX 256u

struct gate;

/* Takes ${fd}, which came in on portal group ${tag}. */
typedef void gate_fn(void *arg, int fd, uint16_t tag);

/* Errors: -ENOMEM.  ${logins} and ${r} must outlive the gate. */
int gate_new(struct loop *l, struct logins *logins, struct registry *r,
    gate_fn *fn, void *arg, struct gate **out);
/* Closes what waits. */
void gate_free(struct gate *g);

/* Calls ${fn}, now or later.  Takes ${fd}. */
void gate_pass(struct gate *g, int fd, uint16_t tag);

#endif /* !TARGET_GATE_H */
