/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * space.c - see space.h.
 *
 * What has to stay free ("hard"): two segments for records that are not data
 * and for what the keeper writes at any time, and what a checkpoint, the
 * catalogue and space reclaim need, as far as the reserve does not cover it.
 *
 * Crash: the reserve has its full size, or a part of it, or is not there; its
 * content means nothing.  The next opening makes it what it should be.
 */
#include "meta/space.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "meta/base/check.h"
#include "meta/base/clock.h"
#include "meta/base/lock.h"
#include "meta/base/msg.h"
#include "meta/base/size.h"
#include "meta/fsutil.h"

#define LOOK_MS		1000u
#define AGAIN_MS	30000u		/* told again while FULL */
#define CATALOG_BYTES	(UINT64_C(8) << 20)	/* growth of LMDB */
#define RESERVE_SHARE	32u		/* at most this part of the disk */

/* Members are protected by:  I  immutable   a  atomic   p  lk   t  thread */
struct space {
	struct space_conf conf;		/* [I] */
	_Atomic bool full;		/* [a] set under lk */
	struct lk lk;			/* rank LK_SPACE */
	pthread_cond_t wake;
	pthread_t thread;
	bool running, stop;		/* [p] */
	enum space_level level, told;	/* [p] */
	uint64_t total, avail;		/* [p] bytes, as of the last look */
	uint64_t need;			/* [p] of a checkpoint */
	uint64_t want_reserve;		/* [p] what the file should have */
	uint64_t reserve;		/* [p] what it has */
	uint64_t n_low, n_full;		/* [p] */
	uint64_t told_ms;		/* [t] */
};

/* ---- arithmetic ------------------------------------------------------- */

static uint64_t
spares(const struct space *sp)
{

	return ((uint64_t)segs_prepared(sp->conf.segs) *
	    sp->conf.segment_bytes);
}

static uint64_t
free_locked(const struct space *sp)
{

	return (sp->avail + spares(sp));
}

static uint64_t
hard_locked(const struct space *sp)
{
	uint64_t seg = sp->conf.segment_bytes;
	uint64_t want = sp->need + seg + CATALOG_BYTES;

	if (sp->conf.reserve_bytes == 0)
		return (0);
	return (2 * seg + (want > sp->reserve ? want - sp->reserve : 0));
}

static uint64_t
low_locked(const struct space *sp)
{

	return (sp->total / 100 * sp->conf.low_percent);
}

/*
 * A level is left only with a margin, so that it does not change with each
 * segment.  FULL: one more segment of data would leave less than hard.
 */
static enum space_level
level_locked(const struct space *sp)
{
	uint64_t seg = sp->conf.segment_bytes, have = free_locked(sp);
	uint64_t full = hard_locked(sp) + seg, low = low_locked(sp);

	if (sp->level == SPACE_FULL)
		full += seg;
	if (sp->level != SPACE_OK)
		low += low / 16;
	if (sp->conf.reserve_bytes != 0 && have < full)
		return (SPACE_FULL);
	return (have < low ? SPACE_LOW : SPACE_OK);
}

/* ---- looking ---------------------------------------------------------- */

static int
look_locked(struct space *sp)
{
	struct statvfs v;
	enum space_level now;

	if (fstatvfs(sp->conf.dir_fd, &v) != 0)
		return (-errno);
	sp->total = (uint64_t)v.f_blocks * v.f_frsize;
	sp->avail = (uint64_t)v.f_bavail * v.f_frsize;
	now = level_locked(sp);
	sp->n_low += sp->level == SPACE_OK && now != SPACE_OK;
	sp->n_full += sp->level != SPACE_FULL && now == SPACE_FULL;
	sp->level = now;
	atomic_store(&sp->full, now == SPACE_FULL);
	if (now != sp->told)
		(void)pthread_cond_signal(&sp->wake);
	return (0);
}

bool
space_may_write(const struct space *sp)
{

	return (!atomic_load(&sp->full));
}

bool
space_may_grow(struct space *sp)
{
	bool may;

	lk_lock(&sp->lk);
	/* Not to know is no reason to refuse: the file system will say. */
	may = look_locked(sp) != 0 || sp->level != SPACE_FULL;
	lk_unlock(&sp->lk);
	return (may);
}

void
space_look(struct space *sp)
{

	lk_lock(&sp->lk);
	(void)look_locked(sp);
	(void)pthread_cond_signal(&sp->wake);
	lk_unlock(&sp->lk);
}

void
space_state(struct space *sp, struct space_state *out)
{

	lk_lock(&sp->lk);
	(void)look_locked(sp);
	*out = (struct space_state){
		.level = sp->level,
		.total_bytes = sp->total,
		.free_bytes = free_locked(sp),
		.hard_bytes = hard_locked(sp),
		.low_bytes = low_locked(sp),
		.reserve_bytes = sp->reserve,
		.n_low = sp->n_low,
		.n_full = sp->n_full,
	};
	lk_unlock(&sp->lk);
}

/* ---- the reserve ------------------------------------------------------ */

static int
open_reserve(const struct space *sp, int flags)
{
	int fd = openat(sp->conf.dir_fd, SPACE_RESERVE_NAME,
	    flags | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);

	return (fd < 0 ? -errno : fd);
}

static void
drop_reserve(const struct space *sp)
{

	if (unlinkat(sp->conf.dir_fd, SPACE_RESERVE_NAME, 0) != 0 &&
	    errno != ENOENT)
		msg_warn("%s: cannot be removed: %s", SPACE_RESERVE_NAME,
		    strerror(errno));
}

/* What the last owner left: that, or nothing if it has another size. */
static void
find_reserve(struct space *sp)
{
	struct stat sb;
	int fd = open_reserve(sp, 0);

	if (fd < 0)
		return;
	if (fstat(fd, &sb) == 0 && S_ISREG(sb.st_mode) &&
	    (uint64_t)sb.st_size == sp->want_reserve &&
	    (uint64_t)sb.st_blocks * 512 >= sp->want_reserve)
		sp->reserve = sp->want_reserve;
	(void)close(fd);
	if (sp->reserve == 0)
		drop_reserve(sp);
}

/*
 * Without the lock, for it may take its time: only one thread makes it.
 * A part is worth nothing, so it is the whole or none.
 */
static void
make_reserve(struct space *sp)
{
	uint64_t want, seg = sp->conf.segment_bytes;
	bool may;
	int fd, rc;

	lk_lock(&sp->lk);
	want = sp->want_reserve;
	may = want != 0 && sp->reserve == 0 &&
	    sp->avail >= want + 3 * seg;
	lk_unlock(&sp->lk);
	if (!may)
		return;
	if ((fd = open_reserve(sp, O_CREAT | O_TRUNC)) < 0)
		return;
	rc = fsutil_allocate(fd, want);
	(void)close(fd);
	if (rc != 0) {
		drop_reserve(sp);
		return;
	}
	lk_lock(&sp->lk);
	sp->reserve = want;
	(void)look_locked(sp);
	lk_unlock(&sp->lk);
}

bool
space_release(struct space *sp)
{
	bool had;

	if (sp == NULL)
		return (false);
	lk_lock(&sp->lk);
	if ((had = sp->reserve != 0)) {
		drop_reserve(sp);
		sp->reserve = 0;
	}
	(void)look_locked(sp);
	lk_unlock(&sp->lk);
	if (had)
		msg_warn("the file system is full: the reserve of the store "
		    "is in use");
	return (had);
}

/* ---- the thread ------------------------------------------------------- */

static void
tell(struct space *sp, enum space_level now)
{
	struct space_state st;
	char left[SIZE_TEXT_LEN];

	space_state(sp, &st);
	(void)size_human(left, st.free_bytes);
	switch (now) {
	case SPACE_OK:
		msg_info("the store has space again: %s free", left);
		break;
	case SPACE_LOW:
		msg_warn("the store is running out of space: %s free", left);
		break;
	case SPACE_FULL:
		msg_err("the store is full (%s free): writes fail until there "
		    "is space; delete snapshots or make room in its file "
		    "system", left);
		break;
	}
}

/* Files made ahead only while there is room for them. */
static void
follow(struct space *sp, enum space_level now)
{

	(void)segs_prepare(sp->conf.segs,
	    now == SPACE_OK ? sp->conf.prepared : 0);
	if (now != SPACE_OK)
		segs_drop_prepared(sp->conf.segs);
}

static void
round_of(struct space *sp)
{
	uint64_t need = 0, now_ms = clock_mono_ms();
	enum space_level now;
	bool changed;

	if (sp->conf.need != NULL)
		need = sp->conf.need(sp->conf.arg);
	lk_lock(&sp->lk);
	sp->need = need;
	(void)look_locked(sp);
	now = sp->level;
	changed = now != sp->told;
	sp->told = now;
	lk_unlock(&sp->lk);
	if (changed)
		tell(sp, now);
	if (changed || now != SPACE_OK)
		follow(sp, now);
	if ((changed || (now == SPACE_FULL &&
	    now_ms >= sp->told_ms + AGAIN_MS)) && sp->conf.level != NULL) {
		sp->told_ms = now_ms;
		sp->conf.level(sp->conf.arg, now);
	}
	make_reserve(sp);
}

static void *
space_thread(void *arg)
{
	struct space *sp = arg;
	bool stop;

	for (;;) {
		lk_lock(&sp->lk);
		if (!sp->stop && sp->level == sp->told)
			(void)lk_wait_ms(&sp->lk, &sp->wake, LOOK_MS);
		stop = sp->stop;
		lk_unlock(&sp->lk);
		if (stop)
			return (NULL);
		round_of(sp);
	}
}

int
space_new(const struct space_conf *conf, struct space **out)
{
	struct space *sp = calloc(1, sizeof(*sp));
	int rc;

	if (sp == NULL)
		return (-ENOMEM);
	sp->conf = *conf;
	lk_init(&sp->lk, LK_SPACE);
	cond_init(&sp->wake);
	lk_lock(&sp->lk);
	rc = look_locked(sp);
	lk_unlock(&sp->lk);
	if (rc != 0) {
		space_free(sp);
		return (rc);
	}
	sp->want_reserve = TT_MIN(conf->reserve_bytes,
	    sp->total / RESERVE_SHARE);
	if (!conf->read_only) {
		find_reserve(sp);
		make_reserve(sp);
	}
	space_look(sp);
	*out = sp;
	return (0);
}

/* Signals are for the main thread. */
int
space_start(struct space *sp)
{
	enum space_level level;
	sigset_t all, old;
	int rc;

	/* The log is open: whoever makes its segments looks already. */
	lk_lock(&sp->lk);
	level = sp->level;
	sp->told = SPACE_OK;
	lk_unlock(&sp->lk);
	follow(sp, level);
	if (sp->conf.reserve_bytes == 0 && sp->conf.low_percent == 0)
		return (0);		/* nothing to watch */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&sp->thread, NULL, space_thread, sp);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	sp->running = rc == 0;
	return (-rc);
}

void
space_stop(struct space *sp)
{

	if (sp == NULL || !sp->running)
		return;
	lk_lock(&sp->lk);
	sp->stop = true;
	(void)pthread_cond_signal(&sp->wake);
	lk_unlock(&sp->lk);
	(void)pthread_join(sp->thread, NULL);
	sp->running = false;
}

void
space_free(struct space *sp)
{

	if (sp == NULL)
		return;
	space_stop(sp);
	(void)pthread_cond_destroy(&sp->wake);
	lk_destroy(&sp->lk);
	free(sp);
}
