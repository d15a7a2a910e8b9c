/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * timers.h - the armed timers of one loop, by due time.
 *
 * One list per power of two of the delay, each sorted.  Timers of one purpose
 * have one delay, so arming one appends it to its list: constant time in
 * practice, where a single sorted list would make every short timer walk
 * past all the long ones.
 *
 * Threads: the loop's.
 */
#ifndef TARGET_NET_TIMERS_H
#define TARGET_NET_TIMERS_H

#include <stdint.h>

#include "meta/base/exec.h"

#define TIMERS_CLASSES 48

struct timers {
	struct list by_delay[TIMERS_CLASSES];
	uint64_t used;			/* bit i: by_delay[i] is not empty */
};

#define TIMERS_NEVER UINT64_MAX

void timers_init(struct timers *ts);

/* (Re)arms ${t} to be due ${us} microseconds after ${now_ns}. */
void timers_arm(struct timers *ts, struct exec_timer *t, uint64_t now_ns,
    uint64_t us);

/* An idle timer is fine. */
void timers_cancel(struct timers *ts, struct exec_timer *t);

/* When the first timer is due, or TIMERS_NEVER. */
uint64_t timers_next_ns(const struct timers *ts);

/* Disarms and returns the first timer due at ${now_ns}, or NULL. */
struct exec_timer *timers_pop(struct timers *ts, uint64_t now_ns);

#endif /* !TARGET_NET_TIMERS_H */
