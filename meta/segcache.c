/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * segcache.c - the table of open segments.
 *
 * A number is in the table once: open, or busy while one thread opens, makes
 * or removes it without holding the lock (that may wait for a disk); whoever
 * wants the same number waits for that thread, everyone else goes on.
 *
 * Nobody references most of the open files: these are on the LRU and are
 * closed, oldest first, beyond max_open.  Not all unreferenced ones are: the
 * kernel reports a failed write-back only to files that were open then, so a
 * segment with bytes that were not synced stays open, and one whose sync
 * failed stays so that the failure stays.  (Their writers keep a reference
 * anyway; this holds when they do not.)
 */
#include "meta/segs_int.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "meta/base/check.h"
#include "meta/base/msg.h"
#include "meta/fsutil.h"

static struct list *
bucket(struct segs *ss, uint32_t number)
{

	return (&ss->buckets[number & ss->bucket_mask]);
}

static struct seg *
find_locked(struct segs *ss, uint32_t number)
{

	LIST_FOREACH(it, bucket(ss, number)) {
		struct seg *s = LIST_ENTRY(it, struct seg, hash);

		if (s->number == number)
			return (s);
	}
	return (NULL);
}

/* The entry of a number, once nobody is busy with it; or NULL. */
static struct seg *
find_idle_locked(struct segs *ss, uint32_t number)
{
	struct seg *s;

	/* Looked up again each time: it may be gone, or another one. */
	while ((s = find_locked(ss, number)) != NULL && s->busy)
		lk_wait(&ss->lk, &ss->idle);
	return (s);
}

/* May an unreferenced segment be closed?  (See the top of this file.) */
static bool
may_close_locked(const struct seg *s)
{

	return (s->refs == 0 && !s->busy && !s->dirty && s->sync_err == 0 &&
	    (!s->created || s->name_synced));
}

static struct seg *
add_busy_locked(struct segs *ss, uint32_t number)
{
	struct seg *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return (NULL);
	s->magic = SEG_MAGIC;
	s->ss = ss;
	s->number = number;
	s->fd = -1;
	s->busy = true;
	list_init(&s->lru);
	list_add_head(bucket(ss, number), &s->hash);
	return (s);
}

static void
not_busy_locked(struct seg *s)
{

	s->busy = false;
	(void)pthread_cond_broadcast(&s->ss->idle);
}

/* Takes the oldest files beyond ${max} off the table, for close_all. */
static void
evict_locked(struct segs *ss, unsigned max, struct list *out)
{

	while (ss->n_open > max && !list_empty(&ss->lru)) {
		struct seg *s = LIST_FIRST(&ss->lru, struct seg, lru);

		list_del(&s->lru);
		list_del(&s->hash);
		list_add_tail(out, &s->lru);
		ss->n_open--;
	}
}

static void
seg_free(struct seg *s)
{

	if (s->fd >= 0 && s->nameless)
		fsutil_shrink(s->fd);
	/* Once, also after EINTR: the number may be somebody else's by now. */
	if (s->fd >= 0)
		(void)close(s->fd);
	s->magic = 0;
	free(s);
}

/*
 * Closing may wait for a disk (a file that was removed is freed by its last
 * close), so it is done without the lock.
 */
static void
close_all(struct list *dead)
{

	LIST_FOREACH_SAFE(it, nx, dead)
		seg_free(LIST_ENTRY(it, struct seg, lru));
	list_init(dead);
}

int
segcache_init(struct segs *ss)
{
	uint32_t n = 64;

	while (n < ss->max_open && n < (1u << 20))
		n *= 2;
	if ((ss->buckets = malloc(n * sizeof(*ss->buckets))) == NULL)
		return (-ENOMEM);
	for (uint32_t i = 0; i < n; i++)
		list_init(&ss->buckets[i]);
	ss->bucket_mask = n - 1;
	list_init(&ss->lru);
	lk_init(&ss->lk, LK_SEGCACHE);
	cond_init(&ss->idle);
	return (0);
}

void
segcache_free(struct segs *ss)
{
	unsigned n = 0;

	for (uint32_t i = 0; i <= ss->bucket_mask; i++)
		LIST_FOREACH_SAFE(it, nx, &ss->buckets[i]) {
			struct seg *s = LIST_ENTRY(it, struct seg, hash);

			TT_ASSERT(s->refs == 0 && !s->busy);
			n++;
			seg_free(s);
		}
	/* Fewer in the table than open: a removed one is still referenced. */
	TT_ASSERT(n == ss->n_open);
	(void)pthread_cond_destroy(&ss->idle);
	lk_destroy(&ss->lk);
	free(ss->buckets);
}

static int
open_one(struct segs *ss, uint32_t number, bool create, int *out_fd)
{
	struct list dead;
	int rc;

	list_init(&dead);
	for (unsigned tries = 0;; tries++) {
		rc = create ? ss->ops->create(ss->be, number, out_fd) :
		    ss->ops->open(ss->be, number, out_fd);
		if (rc != -EMFILE && rc != -ENFILE)
			return (rc);
		if (tries > 0) {
			msg_err("segment %08x: too many open files",
			    (unsigned)number);
			return (rc);
		}
		/* The limit of the process is below ours: live with it. */
		lk_lock(&ss->lk);
		evict_locked(ss, 0, &dead);
		lk_unlock(&ss->lk);
		close_all(&dead);
	}
}

int
segcache_get(struct segs *ss, uint32_t number, bool create, struct seg **out)
{
	struct list dead;
	struct seg *s;
	int fd = -1, rc = 0;

	list_init(&dead);
	lk_lock(&ss->lk);
	if ((s = find_idle_locked(ss, number)) != NULL) {
		if (create) {
			rc = -EEXIST;
		} else {
			list_del(&s->lru);
			atomic_fetch_add(&s->refs, 1);
			*out = s;
		}
		lk_unlock(&ss->lk);
		return (rc);
	}
	s = add_busy_locked(ss, number);
	lk_unlock(&ss->lk);
	if (s == NULL)
		return (-ENOMEM);

	rc = open_one(ss, number, create, &fd);

	lk_lock(&ss->lk);
	not_busy_locked(s);
	if (rc == 0) {
		s->fd = fd;
		s->created = create;
		atomic_store(&s->refs, 1);
		ss->n_open++;
		evict_locked(ss, ss->max_open, &dead);
		*out = s;
	} else {
		list_del(&s->hash);
		list_add_tail(&dead, &s->lru);
	}
	lk_unlock(&ss->lk);
	close_all(&dead);
	return (rc);
}

/* One that nobody has open is opened, so that it can go piece by piece. */
static int
remove_file(struct segs *ss, uint32_t number, bool is_open)
{
	int fd = -1, rc;

	if (!is_open && ss->ops->open(ss->be, number, &fd) != 0)
		fd = -1;
	rc = ss->ops->remove(ss->be, number);
	if (fd >= 0) {
		if (rc == 0)
			fsutil_shrink(fd);
		(void)close(fd);
	}
	return (rc);
}

/*
 * While the name goes, the number is busy: nobody can open the file again
 * in between and keep a segment in the table that is not there.
 */
static int
take_away(struct segs *ss, uint32_t number, bool recycle)
{
	struct list dead;
	struct seg *s;
	bool removed = false;
	int rc = -EBUSY;

	list_init(&dead);
	lk_lock(&ss->lk);
	if ((s = find_idle_locked(ss, number)) != NULL) {
		list_del(&s->lru);
		s->busy = true;
	} else {
		s = add_busy_locked(ss, number);
	}
	/* New bytes in the file must not be seen by who still reads from it. */
	if (s != NULL && (s->refs > 0 || s->sync_err != 0))
		recycle = false;
	lk_unlock(&ss->lk);
	if (s == NULL)
		return (-ENOMEM);

	if (recycle)
		rc = ss->ops->recycle(ss->be, number);
	if (rc != 0) {
		rc = remove_file(ss, number, s->fd >= 0);
		removed = rc == 0;
	}

	lk_lock(&ss->lk);
	not_busy_locked(s);
	if (rc == 0 || rc == -ENOENT || s->fd < 0) {
		list_del(&s->hash);
		s->gone = true;
		s->nameless = removed;
		if (s->refs == 0) {
			if (s->fd >= 0)
				ss->n_open--;
			list_add_tail(&dead, &s->lru);
		}
	} else if (may_close_locked(s)) {
		list_add_tail(&ss->lru, &s->lru);
	}
	lk_unlock(&ss->lk);
	close_all(&dead);
	return (rc);
}

int
segcache_remove(struct segs *ss, uint32_t number)
{

	return (take_away(ss, number, false));
}

int
segcache_recycle(struct segs *ss, uint32_t number)
{

	return (take_away(ss, number, ss->ops->recycle != NULL));
}

bool
segcache_is_used(struct segs *ss, uint32_t number)
{
	struct seg *s;
	bool used;

	lk_lock(&ss->lk);
	s = find_idle_locked(ss, number);
	used = s != NULL && !may_close_locked(s);
	lk_unlock(&ss->lk);
	return (used);
}

/*
 * What is open is a file that loses its name, so its entry goes whatever comes
 * of it.  Who reads or writes would not learn of that: then it stays.
 */
int
segcache_adopt(struct segs *ss, uint32_t number, uint32_t draft)
{
	struct list dead;
	struct seg *s;
	int rc = -ENOMEM;

	list_init(&dead);
	lk_lock(&ss->lk);
	if ((s = find_idle_locked(ss, number)) == NULL) {
		s = add_busy_locked(ss, number);
	} else if (may_close_locked(s)) {
		list_del(&s->lru);
		s->busy = true;
	} else {
		s = NULL;
		rc = -EBUSY;
	}
	lk_unlock(&ss->lk);
	if (s == NULL)
		return (rc);

	rc = ss->ops->draft_adopt(ss->be, draft, number);

	lk_lock(&ss->lk);
	not_busy_locked(s);
	list_del(&s->hash);
	if (s->fd >= 0)
		ss->n_open--;
	list_add_tail(&dead, &s->lru);
	lk_unlock(&ss->lk);
	close_all(&dead);
	return (rc);
}

/* Drops one reference; all but the last need no lock. */
void
segcache_release(struct seg *s)
{
	struct segs *ss = s->ss;
	struct list dead;
	unsigned n = atomic_load(&s->refs);

	TT_ASSERT(n > 0);
	while (n > 1)
		if (atomic_compare_exchange_weak(&s->refs, &n, n - 1))
			return;
	list_init(&dead);
	lk_lock(&ss->lk);
	if (atomic_fetch_sub(&s->refs, 1) == 1) {
		if (s->gone) {
			ss->n_open--;
			list_add_tail(&dead, &s->lru);
		} else if (may_close_locked(s)) {
			list_add_tail(&ss->lru, &s->lru);
			evict_locked(ss, ss->max_open, &dead);
		}
	}
	lk_unlock(&ss->lk);
	close_all(&dead);
}
