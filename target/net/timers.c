/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/net/timers.h"

#define US_MAX (UINT64_C(1) << (TIMERS_CLASSES - 1))

void
timers_init(struct timers *ts)
{

	for (unsigned i = 0; i < TIMERS_CLASSES; i++)
		list_init(&ts->by_delay[i]);
	ts->used = 0;
}

/* Position of the highest bit: the class of a delay. */
static unsigned
timers_class(uint64_t us)
{

	return (us == 0 ? 0 : 63 - (unsigned)__builtin_clzll(us));
}

static struct exec_timer *
timers_of(struct list *l)
{

	return (LIST_ENTRY(l, struct exec_timer, link));
}

void
timers_arm(struct timers *ts, struct exec_timer *t, uint64_t now_ns,
    uint64_t us)
{
	struct list *head, *at;
	unsigned cl;

	timers_cancel(ts, t);
	if (us >= US_MAX)
		us = US_MAX - 1;
	cl = timers_class(us);
	t->due_ns = now_ns + us * 1000;
	t->armed = (int)cl + 1;
	head = at = &ts->by_delay[cl];
	while (at->prev != head && timers_of(at->prev)->due_ns > t->due_ns)
		at = at->prev;
	list_add_tail(at, &t->link);
	ts->used |= UINT64_C(1) << cl;
}

void
timers_cancel(struct timers *ts, struct exec_timer *t)
{
	unsigned cl;

	if (t->armed == 0)
		return;
	cl = (unsigned)t->armed - 1;
	list_del(&t->link);
	t->armed = 0;
	if (list_empty(&ts->by_delay[cl]))
		ts->used &= ~(UINT64_C(1) << cl);
}

static struct exec_timer *
timers_first(const struct timers *ts)
{
	struct exec_timer *first = NULL;

	for (uint64_t u = ts->used; u != 0; u &= u - 1) {
		const unsigned cl = (unsigned)__builtin_ctzll(u);
		struct exec_timer *t = timers_of(ts->by_delay[cl].next);

		if (first == NULL || t->due_ns < first->due_ns)
			first = t;
	}
	return (first);
}

uint64_t
timers_next_ns(const struct timers *ts)
{
	const struct exec_timer *t = timers_first(ts);

	return (t == NULL ? TIMERS_NEVER : t->due_ns);
}

struct exec_timer *
timers_pop(struct timers *ts, uint64_t now_ns)
{
	struct exec_timer *t = timers_first(ts);

	if (t == NULL || t->due_ns > now_ns)
		return (NULL);
	timers_cancel(ts, t);
	return (t);
}
