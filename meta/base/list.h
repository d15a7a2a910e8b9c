/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * list.h - intrusive doubly linked ring.
 *
 * A head and its members are all struct list.  An unlinked member points to
 * itself, so list_del of it is harmless.  Not synchronised.
 */
#ifndef META_BASE_LIST_H
#define META_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "meta/base/check.h"

struct list {
	struct list *next, *prev;
};

static inline void
list_init(struct list *l)
{

	l->next = l->prev = l;
}

static inline bool
list_empty(const struct list *l)
{

	return (l->next == l);
}

/* Links ${n} before ${at}; with a head: at the tail. */
static inline void
list_add_tail(struct list *at, struct list *n)
{

	n->prev = at->prev;
	n->next = at;
	at->prev->next = n;
	at->prev = n;
}

/* Links ${n} behind ${at}; with a head: at the front. */
static inline void
list_add_head(struct list *at, struct list *n)
{

	list_add_tail(at->next, n);
}

static inline void
list_del(struct list *n)
{

	n->prev->next = n->next;
	n->next->prev = n->prev;
	list_init(n);
}

/* Moves every member of ${from} to the tail of ${to}. */
static inline void
list_splice_tail(struct list *to, struct list *from)
{

	if (list_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	list_init(from);
}

#define LIST_ENTRY(l, type, member)	TT_CONTAINER(l, type, member)
#define LIST_FIRST(h, type, member)					\
	(list_empty(h) ? NULL : LIST_ENTRY((h)->next, type, member))
#define LIST_FOREACH(it, h)						\
	for (struct list *it = (h)->next; it != (h); it = it->next)
#define LIST_FOREACH_SAFE(it, nx, h)					\
	for (struct list *it = (h)->next, *nx = it->next; it != (h);	\
	    it = nx, nx = it->next)

static inline size_t
list_count(const struct list *head)
{
	size_t n = 0;

	LIST_FOREACH(it, head)
		n++;
	return (n);
}

#endif /* !META_BASE_LIST_H */
