/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rebuild.c - make a catalogue from segments and give it its name.
 *
 * Crash, step by step:
 *  - while catalog.new is filled: the old catalogue, and a catalog.new that the
 *    next rebuild removes; nobody else looks at it;
 *  - after the old one got its other name: no catalogue.  The store does not
 *    open and says so; a rebuild again makes the same;
 *  - after catalog.new got the name: the new one, all of it, because it was
 *    synced before.
 */
#include "meta/rebuild.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "meta/base/bytes.h"
#include "meta/base/clock.h"
#include "meta/base/msg.h"
#include "meta/base/vec.h"
#include "meta/fsutil.h"
#include "meta/rebuild_int.h"
#include "meta/segscan.h"

#define MAP_BYTES	(UINT64_C(256) << 30)
#define MAX_OPEN	256u
#define PUTS_MAX	16384u
#define NEW_NAME	"catalog.new"
#define OLD_NAME	"catalog"
#define KEPT_TRIES	100u

/* ---- the catalogue being filled ---------------------------------------- */

bool
rb_tell(struct rebuild *rb)
{
	uint64_t now = clock_mono_ms();

	if (now < rb->told_ms + 1000)
		return (false);
	rb->told_ms = now;
	return (true);
}

int
rb_commit(struct rebuild *rb)
{
	struct cat_txn *t = rb->t;

	rb->t = NULL;
	rb->n_puts = 0;
	return (t == NULL ? 0 : catalog_commit(t));
}

int
rb_put(struct rebuild *rb, enum cat_table tab, const void *key, size_t klen,
    const void *val, size_t vlen)
{
	int rc;

	if (rb->n_puts >= PUTS_MAX && (rc = rb_commit(rb)) != 0)
		return (rc);
	if (rb->t == NULL && (rc = catalog_begin(rb->cat, &rb->t)) != 0)
		return (rc);
	rb->n_puts++;
	return (catalog_put(rb->t, tab, key, klen, val, vlen));
}

static void
close_catalog(struct rebuild *rb)
{

	catalog_abort(rb->t);
	rb->t = NULL;
	rb->n_puts = 0;
	catalog_close(rb->cat);
	rb->cat = NULL;
}

void
rebuild_discard(const char *catalog)
{
	int fd = open(catalog, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return;
	for (unsigned i = 0; catalog_files[i] != NULL; i++)
		(void)unlinkat(fd, catalog_files[i], 0);
	(void)close(fd);
	(void)rmdir(catalog);
}

int
rb_fresh(struct rebuild *rb)
{
	int rc;

	close_catalog(rb);
	rebuild_discard(rb->catalog);
	if ((rc = catalog_init(rb->catalog)) != 0)
		return (rc);
	return (catalog_open(rb->catalog, MAP_BYTES, &rb->cat));
}

/* ---- what there is ------------------------------------------------------ */

static int
add_segment(struct rebuild *rb, const struct seg_header *h)
{
	struct rb_seg *all;

	all = vec_room(rb->seg, &rb->room_seg, rb->n_seg, sizeof(*all));
	if (all == NULL)
		return (-ENOMEM);
	rb->seg = all;
	rb->seg[rb->n_seg++].h = *h;
	rb->max_epoch = TT_MAX(rb->max_epoch, h->epoch);
	return (0);
}

static int
add_bare(struct rebuild *rb, uint32_t number)
{
	uint32_t *all;

	all = vec_room(rb->bare, &rb->room_bare, rb->n_bare, sizeof(*all));
	if (all == NULL)
		return (-ENOMEM);
	rb->bare = all;
	rb->bare[rb->n_bare++] = number;
	return (0);
}

static int
found(void *arg, uint32_t number)
{
	struct rebuild *rb = arg;
	struct seg_header h;
	int rc;

	rb->max_number = TT_MAX(rb->max_number, number);
	rc = segscan_header(rb->segs, rb->super.uuid, number, &h);
	if (rb_tell(rb))
		msg_info("rebuild: %zu segments so far", rb->n_seg);
	if (rc == 0) {
		/* Also that of a twin that is lost: it is made again. */
		rb->max_number = TT_MAX(rb->max_number, h.twin);
		return (add_segment(rb, &h));
	}
	if (rc == -EILSEQ)
		return (add_bare(rb, number));
	if (rc == -ENOENT || rb->salvage)
		return (0);
	msg_err("rebuild: segment %u cannot be read: %s", number,
	    strerror(-rc));
	return (rc);
}

const struct rb_seg *
rb_find(const struct rebuild *rb, uint32_t number)
{
	size_t lo = 0, hi = rb->n_seg;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (rb->seg[mid].h.number < number)
			lo = mid + 1;
		else
			hi = mid;
	}
	return (lo < rb->n_seg && rb->seg[lo].h.number == number ?
	    &rb->seg[lo] : NULL);
}

/* ---- rows that no dump has ---------------------------------------------- */

static int
put_segment(struct rebuild *rb, uint32_t number, enum seg_kind kind,
    uint64_t epoch)
{
	uint8_t key[4], val[16] = { 1, (uint8_t)kind };

	put_be32(key, number);
	put_be64(val + 8, epoch);
	return (rb_put(rb, CAT_SEGMENT, key, sizeof(key), val, sizeof(val)));
}

/*
 * A file that has lost its header, or is but a prepared one?  Its blocks and
 * nodes are found without a header, and nobody can tell any more that there are
 * none; without a row it would be removed.  So it stays if it is a twin, or if
 * the log had passed it: behind that are those that were prepared.
 */
static int
put_bare(struct rebuild *rb, uint32_t number)
{
	const struct rb_seg *twin = NULL;

	for (size_t i = 0; i < rb->n_seg && twin == NULL; i++)
		if (rb->seg[i].h.twin == number)
			twin = &rb->seg[i];
	if (twin == NULL && number >= rb->row.pos.segment)
		return (0);
	msg_warn("rebuild: segment %u has no valid header; it stays", number);
	return (put_segment(rb, number, twin != NULL ? twin->h.kind : SEG_LOG,
	    rb->max_epoch));
}

/*
 * All are in use: what was free before and is still there is found dead by
 * the next space reclaim.
 */
static int
put_segments(struct rebuild *rb)
{
	int rc = 0;

	for (size_t i = 0; i < rb->n_seg && rc == 0; i++) {
		const struct seg_header *h = &rb->seg[i].h;

		rc = put_segment(rb, h->number, h->kind, h->epoch);
		rb->info.segments++;
	}
	for (size_t i = 0; i < rb->n_bare && rc == 0; i++)
		rc = put_bare(rb, rb->bare[i]);
	return (rc);
}

/*
 * Numbers are never used twice, and a dump is due with the next checkpoint.
 * The row of the last closing is left out: it cannot be known any more, so the
 * boot that wrote the newest segment tells whether power was lost.
 */
static int
put_store_row(struct rebuild *rb)
{
	uint8_t val[STORE_ROW_LEN];

	if (rb->max_number == UINT32_MAX)
		return (-EUCLEAN);
	rb->row.epoch = TT_MAX(rb->row.epoch, rb->max_epoch);
	rb->row.next_segment = TT_MAX(rb->row.next_segment,
	    rb->max_number + 1);
	rb->row.dump_bytes = rb->row.since_dump_bytes = 0;
	rb->row.since_dump_cost = 0;
	store_row_enc(&rb->row, val);
	return (rb_put(rb, CAT_STORE, STORE_ROW_KEY, strlen(STORE_ROW_KEY),
	    val, sizeof(val)));
}

static int
fill(struct rebuild *rb)
{
	int rc;

	msg_info("rebuild: looking at the segments");
	if ((rc = segs_list(rb->segs, found, rb)) != 0 ||
	    (rc = rb_dump(rb)) != 0 ||
	    (rc = rb_moved(rb)) != 0 ||
	    (rb->is_older && !rb->salvage && (rc = rb_walk_roots(rb)) != 0) ||
	    (rc = put_segments(rb)) != 0 ||
	    (rc = put_store_row(rb)) != 0 ||
	    (rc = rb_commit(rb)) != 0)
		return (rc);
	msg_info("rebuild: %llu rows, %llu segments, %llu runs of moved "
	    "blocks; %llu records (%llu MiB) of the log are to be replayed",
	    (unsigned long long)rb->info.rows,
	    (unsigned long long)rb->info.segments,
	    (unsigned long long)rb->info.moved,
	    (unsigned long long)rb->info.replay_records,
	    (unsigned long long)rb->info.replay_bytes >> 20);
	return (0);
}

/* ---- opening ------------------------------------------------------------ */

static int
open_dir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return (fd < 0 ? -errno : fd);
}

static int
rb_open(struct rebuild *rb, const char *path, bool read_only)
{
	int rc;

	if ((rb->dir_fd = open_dir(path)) < 0) {
		msg_err("store %s: %s", path, strerror(-rb->dir_fd));
		return (rb->dir_fd);
	}
	if ((rc = super_load(rb->dir_fd, &rb->super)) != 0) {
		msg_err("store %s: superblock: %s", path, msg_why(rc));
		return (rc);
	}
	rc = read_only ? segs_open_read_only(path, rb->super.segment_bytes,
	    MAX_OPEN, false, &rb->segs) :
	    segs_open(path, rb->super.segment_bytes, MAX_OPEN, &rb->segs);
	if (rc != 0)
		msg_err("store %s: %s", path, rc == -EBUSY ?
		    SEGS_BUSY_TEXT : strerror(-rc));
	return (rc);
}

static void
rb_close(struct rebuild *rb)
{

	close_catalog(rb);
	segs_close(rb->segs);
	if (rb->dir_fd >= 0)
		(void)close(rb->dir_fd);
	free(rb->seg);
	free(rb->bare);
}

/* ---- names -------------------------------------------------------------- */

static int
keep_old(int dir_fd, const char *path)
{
	const time_t now = (time_t)(clock_utc_ns() / 1000000000u);
	char name[64], stamp[32];
	struct tm tm;
	int rc = -EEXIST;

	if (gmtime_r(&now, &tm) == NULL ||
	    strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S", &tm) == 0)
		return (-EINVAL);
	for (unsigned i = 0; i < KEPT_TRIES && rc == -EEXIST; i++) {
		(void)snprintf(name, sizeof(name), i == 0 ?
		    OLD_NAME ".damaged-%s" : OLD_NAME ".damaged-%s.%u", stamp,
		    i);
		rc = fsutil_rename_new(dir_fd, OLD_NAME, dir_fd, name);
	}
	if (rc == 0)
		msg_info("rebuild: the old catalogue is kept as %s/%s; it may "
		    "be deleted when tt-admin verify --all has found no "
		    "damage", path, name);
	return (rc == -ENOENT ? 0 : rc);
}

static int
take_name(int dir_fd, const char *path)
{
	int rc;

	/* The files are synced, and so is their folder: catalog_init did. */
	if ((rc = keep_old(dir_fd, path)) != 0 ||
	    (rc = fsutil_rename_new(dir_fd, NEW_NAME, dir_fd,
	    OLD_NAME)) != 0 ||
	    (rc = fsutil_sync_dir(dir_fd, ".")) != 0)
		msg_err("store %s: the new catalogue could not take its place: "
		    "%s", path, strerror(-rc));
	return (rc);
}

/* ---- the two ways ------------------------------------------------------- */

int
rebuild_store(const struct rebuild_conf *conf, struct rebuild_info *out)
{
	struct rebuild rb = { .dir_fd = -1, .told_ms = clock_mono_ms() };
	char catalog[PATH_MAX];
	int n, rc;

	n = snprintf(catalog, sizeof(catalog), "%s/" NEW_NAME, conf->path);
	if (n < 0 || (size_t)n >= sizeof(catalog))
		return (-ENAMETOOLONG);
	rb.catalog = catalog;
	rb.may_be_empty = conf->may_be_empty;
	if ((rc = rb_open(&rb, conf->path, false)) != 0)
		goto out_close;
	rc = fill(&rb);
	close_catalog(&rb);
	if (rc == 0 && conf->trial != NULL)
		rc = conf->trial(conf->arg, catalog);
	if (rc == 0)
		rc = take_name(rb.dir_fd, conf->path);
	if (rc == 0)
		*out = rb.info;
	else
		rebuild_discard(catalog);
out_close:
	rb_close(&rb);
	return (rc);
}

int
rebuild_aside(const char *path, const char *catalog, bool salvage,
    struct rebuild_info *out)
{
	struct rebuild rb = { .dir_fd = -1, .told_ms = clock_mono_ms(),
	    .catalog = catalog, .salvage = salvage };
	int rc;

	if ((rc = rb_open(&rb, path, true)) == 0) {
		rc = fill(&rb);
		close_catalog(&rb);
		if (rc == 0)
			*out = rb.info;
		else
			rebuild_discard(catalog);
	}
	rb_close(&rb);
	return (rc);
}

static int
look_at_row(void *arg, const uint8_t *key, size_t klen, const uint8_t *val,
    size_t vlen)
{

	(void)arg;
	(void)key;
	(void)klen;
	(void)val;
	(void)vlen;
	return (0);
}

int
rebuild_check(const char *path)
{
	char dir[PATH_MAX];
	struct catalog *cat;
	int n, rc;

	n = snprintf(dir, sizeof(dir), "%s/" OLD_NAME, path);
	if (n < 0 || (size_t)n >= sizeof(dir))
		return (-ENAMETOOLONG);
	if ((rc = catalog_open_read_only(dir, MAP_BYTES, &cat)) != 0)
		return (rc);
	for (unsigned t = CAT_STORE; t < CAT_TABLES && rc == 0; t++)
		rc = catalog_each(cat, (enum cat_table)t, look_at_row, NULL);
	catalog_close(cat);
	return (rc);
}
