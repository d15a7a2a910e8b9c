/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The durable part is memory: a buffer per file, a table of names.  Pending
 * events stay in one list in their order.  Some of them are durable already
 * but stand behind others of the same file that are not (a write through
 * O_DSYNC, a truncation that the journal has committed): they are "sure", keep
 * their place in the order, and always survive.
 */
#include "tests/crash/image.h"

#include <errno.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "meta/base/check.h"
#include "tests/crash/image_int.h"

#define SECTOR	512u
#define HEADER	4096u		/* of a segment */
#define PAGE	IMAGE_PAGE_BYTES

const char *
image_mode_name(enum image_mode m)
{
	static const char *const names[] = { "lost", "all", "random", "torn",
	    "page" };

	return (m < IMAGE_MODES ? names[m] : "?");
}

static uint64_t
next_rnd(uint64_t *s)
{
	uint64_t x = (*s += 0x9e3779b97f4a7c15u);

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return (x ^ (x >> 31));
}

/* ---- names --------------------------------------------------------------- */

struct name *
image_names_find(struct names *t, const char *path)
{

	for (size_t i = 0; i < t->n; i++)
		if (strcmp(t->v[i].path, path) == 0)
			return (&t->v[i]);
	return (NULL);
}

void
image_names_put(struct names *t, const char *path, struct file *f)
{
	struct name *n = image_names_find(t, path);

	if (n != NULL) {
		image_file_put(n->file);
		n->file = image_file_ref(f);
		return;
	}
	if (t->n == t->cap) {
		t->cap = t->cap == 0 ? 64 : t->cap * 2;
		t->v = image_must(realloc(t->v, t->cap * sizeof(*t->v)));
	}
	t->v[t->n++] = (struct name){ image_must(strdup(path)), image_file_ref(f),
	    false };
}

static int
names_del(struct names *t, const char *path)
{
	struct name *n = image_names_find(t, path);

	if (n == NULL)
		return (-ENOENT);
	free(n->path);
	image_file_put(n->file);
	*n = t->v[--t->n];
	return (0);
}

static void
names_free(struct names *t)
{

	while (t->n > 0)
		(void)names_del(t, t->v[0].path);
	free(t->v);
}

static bool
is_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return (strncmp(path, dir, n) == 0 && path[n] == '/');
}

/* A directory, and with it what is in it. */
static void
rename_dir(struct names *t, const char *path, const char *path2)
{

	for (size_t i = 0; i < t->n; i++) {
		struct name *n = &t->v[i];
		char *now;

		if (strcmp(n->path, path) != 0 && !is_below(n->path, path))
			continue;
		if (asprintf(&now, "%s%s", path2, n->path +
		    strlen(path)) < 0)
			abort();
		free(n->path);
		n->path = now;
	}
}

/* A change of names, on the durable or on the live table. */
static int
names_change(struct names *t, enum trace_kind kind, const char *path,
    const char *path2, struct file *f)
{
	struct name *n;

	if (kind == TRACE_CREATE || kind == TRACE_MKDIR) {
		image_names_put(t, path, f);
		return (0);
	}
	if (kind == TRACE_UNLINK || kind == TRACE_RMDIR)
		return (names_del(t, path));
	TT_ASSERT(kind == TRACE_RENAME);
	if ((n = image_names_find(t, path)) == NULL)
		return (-ENOENT);
	if (n->file == NULL) {
		if (image_names_find(t, path2) != NULL)
			return (-EEXIST);
		rename_dir(t, path, path2);
		return (0);
	}
	f = image_file_ref(n->file);
	image_names_put(t, path2, f);
	image_file_put(f);
	return (names_del(t, path));
}

static bool
in_dir(const char *path, const char *dir)
{
	const char *slash = path == NULL ? NULL : strrchr(path, '/');
	size_t n = slash == NULL ? 0 : (size_t)(slash - path);

	if (path == NULL)
		return (false);
	if (strcmp(dir, ".") == 0)
		return (n == 0);
	return (strlen(dir) == n && strncmp(path, dir, n) == 0);
}

/* ---- pending events ---------------------------------------------------- */

static bool
is_name_kind(enum trace_kind k)
{

	return (k == TRACE_CREATE || k == TRACE_RENAME || k == TRACE_UNLINK ||
	    k == TRACE_MKDIR || k == TRACE_RMDIR);
}

static struct pend *
pend_add(struct image *im, uint64_t idx, const struct trace_ev *e,
    struct file *f, const char *path, const char *path2, const uint8_t *data)
{
	struct pend *p;

	if (im->n_pend == im->cap_pend) {
		im->cap_pend = im->cap_pend == 0 ? 256 : im->cap_pend * 2;
		im->pend = image_must(realloc(im->pend,
		    im->cap_pend * sizeof(*im->pend)));
	}
	p = &im->pend[im->n_pend++];
	*p = (struct pend){
		.idx = idx, .kind = (enum trace_kind)e->kind,
		.file = image_file_ref(f), .off = e->off, .len = e->len,
		.mode = e->begun, .data = data,
		.path = path == NULL ? NULL : image_must(strdup(path)),
		.path2 = path2 == NULL ? NULL : image_must(strdup(path2)),
	};
	return (p);
}

static void
pend_free(struct pend *p)
{

	image_file_put(p->file);
	free(p->path);
	free(p->path2);
	p->kind = 0;
}

/* Drops the events that were freed. */
static void
pend_squeeze(struct image *im)
{
	size_t n = 0;

	for (size_t i = 0; i < im->n_pend; i++)
		if (im->pend[i].kind != 0)
			im->pend[n++] = im->pend[i];
	im->n_pend = n;
}

/* A change of the size or the allocation of a file. */
static void
do_size(struct file *f, const struct pend *p)
{

	if (p->kind == TRACE_TRUNC) {
		image_file_resize(f, p->len);
	} else if ((p->mode & (FALLOC_FL_PUNCH_HOLE |
	    FALLOC_FL_ZERO_RANGE)) != 0) {
		uint64_t end = TT_MIN(p->off + p->len, f->size);

		if (p->off < end)
			image_file_write(f, p->off, NULL, end - p->off);
	}
	if (p->kind == TRACE_FALLOC &&
	    (p->mode & FALLOC_FL_KEEP_SIZE) == 0 && p->off + p->len > f->size)
		image_file_resize(f, p->off + p->len);
}

static void
do_pend(const struct pend *p)
{

	if (p->kind == TRACE_WRITE)
		image_file_write(p->file, p->off, p->data, p->len);
	else
		do_size(p->file, p);
}

/* ---- syncs ------------------------------------------------------------- */

/* Everything of ${f} (NULL: of all files) before ${begun} is durable. */
static void
sync_file(struct image *im, const struct file *f, uint64_t begun)
{

	for (size_t i = 0; i < im->n_pend; i++) {
		struct pend *p = &im->pend[i];

		if (p->idx >= begun)
			break;
		if (is_name_kind(p->kind) || (f != NULL && p->file != f))
			continue;
		do_pend(p);
		pend_free(p);
	}
	pend_squeeze(im);
}

/*
 * The journal is committed up to the last change of this directory (NULL: of
 * any) before ${begun}; changes of size before it are durable with it.
 */
static int
sync_names(struct image *im, const char *dir, uint64_t begun)
{
	size_t end = 0;
	int rc = 0;

	for (size_t i = 0; i < im->n_pend && im->pend[i].idx < begun; i++)
		if (is_name_kind(im->pend[i].kind) && (dir == NULL ||
		    in_dir(im->pend[i].path, dir) ||
		    in_dir(im->pend[i].path2, dir)))
			end = i + 1;
	for (size_t i = 0; i < end && rc == 0; i++) {
		struct pend *p = &im->pend[i];

		if (is_name_kind(p->kind)) {
			rc = names_change(&im->durable, p->kind, p->path,
			    p->path2, p->file);
			pend_free(p);
		} else if (p->kind != TRACE_WRITE)
			p->sure = true;
	}
	pend_squeeze(im);
	return (rc);
}

/* ---- events ------------------------------------------------------------ */

static int
bad_event(uint64_t idx, const char *what, const char *name)
{

	(void)fprintf(stderr, "trace: event %llu: %s %s\n",
	    (unsigned long long)idx, what, name == NULL ? "" : name);
	return (-EPROTO);
}

static void
set_fid(struct image *im, uint32_t fid, struct file *f)
{

	if (fid >= im->n_fids) {
		size_t n = fid + 256;

		im->fids = image_must(realloc(im->fids, n * sizeof(*im->fids)));
		memset(im->fids + im->n_fids, 0,
		    (n - im->n_fids) * sizeof(*im->fids));
		im->n_fids = n;
	}
	image_file_put(im->fids[fid]);
	im->fids[fid] = image_file_ref(f);
}

static int
apply_name(struct image *im, uint64_t idx, const struct trace_ev *e,
    const char *name, const char *name2)
{
	enum trace_kind kind = (enum trace_kind)e->kind;
	struct file *f = NULL;
	struct name *n;
	int rc;

	if (kind == TRACE_BIND) {
		n = image_names_find(&im->live, name);
		if (n == NULL || n->file == NULL)
			return (bad_event(idx, "unknown file", name));
		set_fid(im, e->fid, n->file);
		return (0);
	}
	if (kind == TRACE_CREATE) {
		f = image_file_new();
		f->seg = strncmp(name, "seg/", 4) == 0 ||
		    strncmp(name, "spare/", 6) == 0;
		set_fid(im, e->fid, f);
	}
	rc = names_change(&im->live, kind, name, name2, f);
	if (rc == 0)
		(void)pend_add(im, idx, e, f, name,
		    kind == TRACE_RENAME ? name2 : NULL, NULL);
	image_file_put(f);
	return (rc == 0 ? 0 : bad_event(idx, "unknown name", name));
}

/* Is it one of those that are pretended not to be synced? */
static bool
is_broken(const struct image *im, const struct file *f)
{

	if ((im->breaks & IMAGE_BREAK_SYNC) != 0 ||
	    ((im->breaks & IMAGE_BREAK_MOVED) != 0 && f->moved))
		return (true);
	for (size_t i = 0; im->break_path != NULL && i < im->live.n; i++)
		if (im->live.v[i].file == f && strncmp(im->live.v[i].path,
		    im->break_path, strlen(im->break_path)) == 0)
			return (true);
	return (false);
}

static int
apply_sync(struct image *im, uint64_t idx, const struct trace_ev *e,
    const char *name)
{
	int rc;

	if (e->kind == TRACE_SYNC) {
		if (e->fid >= im->n_fids || im->fids[e->fid] == NULL)
			return (bad_event(idx, "sync of an unknown file", ""));
		if (!is_broken(im, im->fids[e->fid]))
			sync_file(im, im->fids[e->fid], e->begun);
		return (0);
	}
	if ((im->breaks & IMAGE_BREAK_DIR) != 0)
		return (0);
	rc = sync_names(im, e->kind == TRACE_SYNC_ALL ? NULL : name, e->begun);
	if (rc == 0 && e->kind == TRACE_SYNC_ALL)
		sync_file(im, NULL, e->begun);
	return (rc);
}

/* As meta/FORMAT.md has it. */
static void
see_header(struct file *f, const struct trace_ev *e, const uint8_t *data)
{

	if (f->seg && e->kind == TRACE_WRITE && e->off == 0 &&
	    e->data_len >= HEADER && memcmp(data, "ttSEGMNT", 8) == 0)
		f->moved = data[15] == 3;
}

static int
apply_bytes(struct image *im, uint64_t idx, const struct trace_ev *e,
    const char *name, const uint8_t *data, bool in_flight)
{
	const uint64_t known = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE |
	    FALLOC_FL_ZERO_RANGE;
	struct file *f = e->fid < im->n_fids ? im->fids[e->fid] : NULL;
	bool zero = (e->flags & TRACE_F_ZERO) != 0;
	struct pend *p;

	if (f == NULL)
		return (bad_event(idx, "unknown fid", name));
	if (e->kind == TRACE_FALLOC && (e->begun & ~known) != 0)
		return (bad_event(idx, "a mode of fallocate that is not known",
		    name));
	if ((im->breaks & IMAGE_BREAK_WIPE) != 0 && f->seg && zero &&
	    e->kind == TRACE_WRITE && e->off == 0 && e->len == HEADER)
		return (0);
	see_header(f, e, data);
	p = pend_add(im, idx, e, f, NULL, NULL, zero ? NULL : data);
	p->sure = !in_flight && (e->flags & TRACE_F_DSYNC) != 0 &&
	    !is_broken(im, f);
	return (0);
}

int
image_apply(struct image *im, uint64_t idx, const struct trace_ev *e,
    const char *name, const char *name2, const uint8_t *data, bool in_flight)
{

	switch ((enum trace_kind)e->kind) {
	case TRACE_CREATE: case TRACE_BIND: case TRACE_RENAME:
	case TRACE_UNLINK: case TRACE_MKDIR: case TRACE_RMDIR:
		return (apply_name(im, idx, e, name, name2));
	case TRACE_WRITE: case TRACE_TRUNC: case TRACE_FALLOC:
		return (apply_bytes(im, idx, e, name, data, in_flight));
	case TRACE_SYNC: case TRACE_SYNC_DIR: case TRACE_SYNC_ALL:
		return (in_flight ? 0 : apply_sync(im, idx, e, name));
	case TRACE_START:
		image_new_trace(im);
		return (0);
	case TRACE_MARK: case TRACE_RANGE:
		return (0);
	case TRACE_UNKNOWN: case TRACE_KINDS:
		break;
	}
	return (bad_event(idx, "not understood:", name));
}

/* ---- the loss of power ------------------------------------------------- */

/*
 * One torn write.  Sectors count from the start of the file, so that the two
 * ends of a write that is not aligned tear where the disk would.  Garbage comes
 * only where the write covers a whole sector: what it shares with its
 * neighbours the disk writes atomically.  In the mode PAGE the disk is worse:
 * a page with one new byte may be garbage as a whole.
 */
static void
tear(const struct pend *p, enum image_mode mode, uint64_t *rnd)
{
	bool pages = mode == IMAGE_PAGE && p->file->seg;
	uint32_t unit = pages ? PAGE : SECTOR;
	uint64_t end = p->off + p->len;
	bool single = p->off / SECTOR == (end - 1) / SECTOR;
	unsigned garbage = (unsigned)(next_rnd(rnd) % 4);

	for (uint64_t s = p->off / unit * unit; s < end; s += unit) {
		uint64_t a = TT_MAX(s, p->off), b = TT_MIN(s + unit, end);
		bool whole = pages || (!single && b - a == unit);
		uint64_t dice = next_rnd(rnd) % 8;

		if (dice < 4) {
			image_file_write(p->file, a, p->data == NULL ? NULL :
			    p->data + (a - p->off), b - a);
		} else if (dice < 4 + garbage && whole) {
			uint8_t g[PAGE];

			for (size_t i = 0; i < unit; i++)
				g[i] = (uint8_t)next_rnd(rnd);
			image_file_write(p->file, s, g,
			    TT_MAX(b, TT_MIN(s + unit, p->file->size)) - s);
		}
	}
}

static void
settle_write(struct pend *p, enum image_mode mode, unsigned keep,
    uint64_t *rnd)
{
	uint64_t dice = next_rnd(rnd) % 100;
	unsigned torn = mode == IMAGE_RANDOM ? 15 : 60;

	if (p->file->lost_size) {
		/* What is behind the end was to be allocated later. */
		if (p->off >= p->file->size)
			return;
		p->len = TT_MIN(p->len, p->file->size - p->off);
	}
	if (p->sure || mode == IMAGE_ALL) {
		do_pend(p);
		return;
	}
	if (mode == IMAGE_LOST || p->len == 0)
		return;
	if (dice < torn)
		tear(p, mode, rnd);
	else if (next_rnd(rnd) % 100 < keep)
		do_pend(p);
}

/* A hole that was being made: some of its pages. */
static void
tear_hole(const struct pend *p, uint64_t *rnd)
{
	uint64_t end = TT_MIN(p->off + p->len, p->file->size);

	for (uint64_t at = p->off; at < end; at = (at / PAGE + 1) * PAGE)
		if (next_rnd(rnd) % 2 == 0)
			image_file_write(p->file, at, NULL,
			    TT_MIN((at / PAGE + 1) * PAGE, end) - at);
}

/* How many of the ${n} journaled changes survive. */
static size_t
choose_prefix(enum image_mode mode, size_t n, uint64_t *rnd)
{
	uint64_t dice = next_rnd(rnd) % 4;

	if (mode == IMAGE_LOST)
		return (0);
	if (mode == IMAGE_ALL || dice == 0)
		return (n);
	return (dice == 1 ? 0 : next_rnd(rnd) % (n + 1));
}

void
image_settle(struct image *im, enum image_mode mode, uint64_t seed)
{
	static const unsigned keeps[] = { 10, 50, 90 };
	uint64_t rnd = seed;
	unsigned keep = keeps[next_rnd(&rnd) % 3];
	size_t n_meta = 0, prefix, seen = 0;

	image_of_a_cut = true;
	for (size_t i = 0; i < im->n_pend; i++)
		if (im->pend[i].kind != TRACE_WRITE)
			n_meta++;
	prefix = choose_prefix(mode, n_meta, &rnd);
	for (size_t i = 0; i < im->n_pend; i++) {
		struct pend *p = &im->pend[i];
		bool survives = seen < prefix;

		if (p->kind == TRACE_WRITE) {
			settle_write(p, mode, keep, &rnd);
			continue;
		}
		seen++;
		if (is_name_kind(p->kind)) {
			if (survives && names_change(&im->durable, p->kind,
			    p->path, p->path2, p->file) != 0)
				TT_ASSERT(!"names out of order");
		} else if (p->sure || survives)
			do_size(p->file, p);
		else if (p->kind == TRACE_TRUNC ||
		    (p->mode & FALLOC_FL_KEEP_SIZE) == 0)
			p->file->lost_size = true;
		else if (mode != IMAGE_LOST && seen == prefix + 1 &&
		    (p->mode & FALLOC_FL_PUNCH_HOLE) != 0)
			tear_hole(p, &rnd);
	}
	/* They are freed with the image: in a child that never happens, and
	 * would only copy pages. */
}

/* ---- the whole --------------------------------------------------------- */

struct image *
image_new(unsigned breaks, const char *break_path)
{
	struct image *im = image_must(calloc(1, sizeof(*im)));

	im->breaks = breaks;
	im->break_path = break_path;
	image_of_a_cut = false;
	return (im);
}

void
image_new_trace(struct image *im)
{

	for (size_t i = 0; i < im->n_fids; i++)
		image_file_put(im->fids[i]);
	free(im->fids);
	im->fids = NULL;
	im->n_fids = 0;
}

void
image_free(struct image *im)
{

	if (im == NULL)
		return;
	for (size_t i = 0; i < im->n_pend; i++)
		pend_free(&im->pend[i]);
	free(im->pend);
	image_new_trace(im);
	names_free(&im->durable);
	names_free(&im->live);
	free(im);
}

size_t
image_pending(const struct image *im)
{

	return (im->n_pend);
}
