/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * signals.h - signals of the process as events of a loop (signalfd).
 *
 * Threads: as listener.h.
 */
#ifndef TARGET_NET_SIGNALS_H
#define TARGET_NET_SIGNALS_H

#include <signal.h>

#include "target/net/loop.h"

struct signals;

typedef void signals_fn(void *arg, int signo);

/**
 * signals_new(l, set, fn, arg, out):
 * Call ${fn} on the loop for each signal of ${set}, which every thread of the
 * process has blocked.
 * Errors: -errno of signalfd, -ENOMEM.
 */
int signals_new(struct loop *l, const sigset_t *set, signals_fn *fn,
    void *arg, struct signals **out);

/* When the loop does not run. */
void signals_free(struct signals *s);

#endif /* !TARGET_NET_SIGNALS_H */
