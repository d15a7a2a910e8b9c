/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The parent walks through the trace once and keeps the image and the model up
 * to date; at each cut it forks.  The child has both, copy on write, decides
 * what the power took, writes the directory, and checks.
 */
#include "tests/crash/cuts.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "meta/base/check.h"

#define JOBS_MAX 64

struct opts {
	const char *trace, *work, *base, *verify, *break_path;
	size_t cuts, jobs;
	unsigned limit_s, breaks;
	uint64_t seed;
	long only;
	bool expect_failures, every, around, stats;
};

struct run {
	struct opts o;
	const char *program;
	const struct cuts_ops *ops;
	struct image *im;
	struct cut *cut;
	size_t n_cut;
	struct {
		pid_t pid;		/* 0: free */
		size_t cut;
	} job[JOBS_MAX];
	size_t n_job, passed, failed, with_pending;
};

static uint64_t
rnd(uint64_t *s)
{
	uint64_t x = (*s += 0x9e3779b97f4a7c15u);

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return (x ^ (x >> 31));
}

static int
remove_one(const char *path, const struct stat *st, int flag, struct FTW *f)
{

	(void)st;
	(void)flag;
	(void)f;
	(void)remove(path);
	return (0);
}

void
cuts_remove_tree(const char *dir)
{

	(void)nftw(dir, remove_one, 32, FTW_DEPTH | FTW_PHYS);
}

/* ---- options ----------------------------------------------------------- */

static bool
parse_one(struct opts *o, const char *k, const char *v, bool *used_v)
{

	*used_v = false;
	if (strcmp(k, "--break-sync") == 0)
		o->breaks |= IMAGE_BREAK_SYNC;
	else if (strcmp(k, "--break-dir") == 0)
		o->breaks |= IMAGE_BREAK_DIR;
	else if (strcmp(k, "--break-moved") == 0)
		o->breaks |= IMAGE_BREAK_MOVED;
	else if (strcmp(k, "--break-wipe") == 0)
		o->breaks |= IMAGE_BREAK_WIPE;
	else if (strcmp(k, "--every") == 0)
		o->every = true;
	else if (strcmp(k, "--around-folders") == 0)
		o->around = true;
	else if (strcmp(k, "--stats") == 0)
		o->stats = true;
	else if (strcmp(k, "--expect-failures") == 0)
		o->expect_failures = true;
	else if ((*used_v = true) && v == NULL)
		return (false);
	else if (strcmp(k, "--trace") == 0)
		o->trace = v;
	else if (strcmp(k, "--work") == 0)
		o->work = v;
	else if (strcmp(k, "--base") == 0)
		o->base = v;
	else if (strcmp(k, "--break-path") == 0)
		o->break_path = v;
	else if (strcmp(k, "--verify") == 0)
		o->verify = v;
	else if (strcmp(k, "--cuts") == 0)
		o->cuts = strtoul(v, NULL, 10);
	else if (strcmp(k, "--jobs") == 0)
		o->jobs = strtoul(v, NULL, 10);
	else if (strcmp(k, "--limit") == 0)
		o->limit_s = (unsigned)strtoul(v, NULL, 10);
	else if (strcmp(k, "--seed") == 0)
		o->seed = strtoull(v, NULL, 10);
	else if (strcmp(k, "--only") == 0)
		o->only = strtol(v, NULL, 10);
	else
		return (false);
	return (true);
}

static bool
parse(int argc, char **argv, struct opts *o)
{
	bool used_v;

	*o = (struct opts){ .cuts = 500, .jobs = 2, .limit_s = 20,
	    .seed = 1, .only = -1 };
	for (int i = 1; i < argc; i += used_v ? 2 : 1)
		if (!parse_one(o, argv[i], i + 1 < argc ? argv[i + 1] : NULL,
		    &used_v)) {
			(void)fprintf(stderr, "%s: bad option %s\n", argv[0],
			    argv[i]);
			return (false);
		}
	if (o->trace == NULL || o->work == NULL || o->jobs == 0 ||
	    o->jobs > JOBS_MAX) {
		(void)fprintf(stderr, "%s: --trace and --work are needed\n",
		    argv[0]);
		return (false);
	}
	return (true);
}

/* ---- choosing ---------------------------------------------------------- */

static int
by_at(const void *a, const void *b)
{
	const struct cut *x = a, *y = b;

	if (x->at != y->at)
		return (x->at < y->at ? -1 : 1);
	return (x->seed < y->seed ? -1 : x->seed > y->seed);
}

/* Where orders matter most: around syncs, names, catalogue commits. */
static bool
is_corner(const struct trace_item *it)
{
	const struct trace_ev *e = &it->ev;

	return (e->kind == TRACE_SYNC || e->kind == TRACE_SYNC_DIR ||
	    e->kind == TRACE_CREATE || e->kind == TRACE_RENAME ||
	    e->kind == TRACE_UNLINK || e->kind == TRACE_MARK ||
	    (e->flags & TRACE_F_DSYNC) != 0);
}

/* Positions of events that count, a malloc'ed array; NULL: no memory. */
static uint64_t *
positions(struct trace *t, bool (*fn)(const struct trace_item *), uint64_t *n)
{
	struct trace_item it;
	uint64_t *pos, i = 0;

	*n = 0;
	trace_rewind(t);
	while (trace_next(t, &it))
		*n += fn(&it) ? 1 : 0;
	trace_rewind(t);
	if ((pos = calloc(*n + 1, sizeof(*pos))) == NULL)
		return (NULL);
	while (trace_next(t, &it))
		if (fn(&it))
			pos[i++] = it.pos;
	trace_rewind(t);
	return (pos);
}

static bool
is_any(const struct trace_item *it)
{

	(void)it;
	return (true);
}

/* A folder gets another name: a catalogue does. */
static bool
is_folder(const struct trace_item *it)
{

	return (it->ev.kind == TRACE_RENAME && strchr(it->name, '/') == NULL);
}

/* A cut before a mark is the one behind what was before it. */
static bool
is_change(const struct trace_item *it)
{

	return (it->ev.kind != TRACE_MARK && it->ev.kind != TRACE_RANGE &&
	    it->ev.kind != TRACE_BIND);
}

/*
 * With --every each event, in some mode; of the rest one third at corners (or
 * just behind), the others anywhere.
 */
static int
choose(struct run *r, struct trace *t)
{
	static const enum image_mode modes[] = { IMAGE_RANDOM, IMAGE_LOST,
	    IMAGE_TORN, IMAGE_RANDOM, IMAGE_ALL, IMAGE_PAGE };
	const size_t n_modes = sizeof(modes) / sizeof(modes[0]);
	uint64_t s = r->o.seed, n_ev, n_corner, n_change;
	uint64_t *any = positions(t, is_any, &n_ev);
	uint64_t *corner = positions(t, is_corner, &n_corner);
	uint64_t *change = positions(t, is_change, &n_change);

	if (!r->o.every)
		n_change = 0;
	if (r->o.around) {
		free(corner);
		corner = positions(t, is_folder, &n_corner);
	}
	r->n_cut = TT_MAX(r->o.cuts, n_change);
	r->cut = calloc(r->n_cut + 1, sizeof(*r->cut));
	for (size_t i = 0; r->cut != NULL && i < r->n_cut; i++) {
		struct cut *c = &r->cut[i];

		if (i < n_change)
			c->at = change[i];
		else if (r->o.around && n_corner > 0)
			c->at = corner[rnd(&s) % n_corner] + rnd(&s) % 8;
		else
			c->at = i % 3 == 0 && n_corner > 0 ?
			    corner[rnd(&s) % n_corner] + rnd(&s) % 2 :
			    rnd(&s) % (n_ev + 1);
		c->mode = modes[(i + r->o.seed) % n_modes];
		c->seed = rnd(&s);
	}
	free(any);
	free(corner);
	free(change);
	if (r->cut == NULL || n_ev == 0)
		return (-ENOMEM);
	qsort(r->cut, r->n_cut, sizeof(*r->cut), by_at);
	for (size_t i = 0; i < r->n_cut; i++) {
		r->cut[i].number = i;
		r->cut[i].only = r->o.only >= 0;
	}
	return (0);
}

/* ---- running ----------------------------------------------------------- */

static int
apply(struct image *im, const struct trace_item *it, bool in_flight)
{

	return (image_apply(im, it->idx, &it->ev, it->name, it->name2,
	    it->data, in_flight));
}

/*
 * Each of the processes that run at a time has a folder for its cuts, one
 * after the other, so that only what differs has to be written.
 */
static void
paths(const struct run *r, unsigned slot, char dir[PATH_MAX],
    char log[PATH_MAX])
{

	(void)snprintf(dir, PATH_MAX, "%s/slot%u", r->o.work, slot);
	(void)snprintf(log, PATH_MAX, "%s/slot%u.log", r->o.work, slot);
}

/* In the child; ${next} is the event that was in flight, if any. */
static _Noreturn void
child(struct run *r, struct cut *c, unsigned slot,
    const struct trace_item *next)
{
	char dir[PATH_MAX], log[PATH_MAX], store[PATH_MAX + 8];
	int fd, rc = 0;

	paths(r, slot, dir, log);
	(void)snprintf(store, sizeof(store), "%s/store", dir);
	fd = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || dup2(fd, STDERR_FILENO) < 0)
		_exit(2);
	(void)alarm(r->o.limit_s);
	if (next != NULL && next->ev.kind != TRACE_MARK &&
	    c->mode != IMAGE_LOST && (c->seed & 1) != 0)
		rc = apply(r->im, next, true);
	if (rc != 0)
		_exit(3);
	image_settle(r->im, c->mode, c->seed);
	c->work = dir;
	(void)mkdir(dir, 0700);
	(void)mkdir(store, 0700);
	if ((rc = image_write(r->im, store)) != 0) {
		(void)fprintf(stderr, "%s: %s\n", dir, strerror(-rc));
		_exit(3);
	}
	rc = r->ops->check(r->ops->arg, store, c);
	_exit(rc == 0 ? 0 : 1);
}

static void
show(const char *log)
{
	char buf[4096];
	size_t n, total = 0;
	FILE *f;

	if ((f = fopen(log, "re")) == NULL)
		return;
	while (total < 16384 && (n = fread(buf, 1, sizeof(buf), f)) > 0) {
		(void)fwrite(buf, 1, n, stderr);
		total += n;
	}
	(void)fclose(f);
}

static void
reap(struct run *r)
{
	char dir[PATH_MAX], log[PATH_MAX];
	size_t i = 0, n;
	int st;
	pid_t pid;

	do {
		pid = wait(&st);
	} while (pid < 0 && errno == EINTR);
	while (i < r->o.jobs && r->job[i].pid != pid)
		i++;
	TT_ASSERT(i < r->o.jobs);
	n = r->job[i].cut;
	r->job[i].pid = 0;
	r->n_job--;
	if (WIFEXITED(st) && WEXITSTATUS(st) == 0) {
		r->passed++;
		return;
	}
	paths(r, (unsigned)i, dir, log);
	r->failed++;
	if (!r->o.expect_failures && r->failed <= 5) {
		(void)fprintf(stderr,
		    "FAILED: cut %zu at event %llu, %s: %s %d; again: %s "
		    "--trace %s --work %s%s%s --seed %llu --cuts %zu%s%s "
		    "--only %zu\n", n, (unsigned long long)r->cut[n].at,
		    image_mode_name(r->cut[n].mode),
		    WIFSIGNALED(st) ? "signal" : "exit",
		    WIFSIGNALED(st) ? WTERMSIG(st) : WEXITSTATUS(st),
		    r->program, r->o.trace, r->o.work,
		    r->o.base != NULL ? " --base " : "",
		    r->o.base != NULL ? r->o.base : "",
		    (unsigned long long)r->o.seed, r->o.cuts,
		    r->o.every ? " --every" : "",
		    r->o.around ? " --around-folders" : "", n);
		show(log);
	}
	if (r->o.only < 0)
		cuts_remove_tree(dir);
}

static int
start(struct run *r, struct cut *c, const struct trace_item *next)
{
	unsigned slot = 0;
	pid_t pid;

	while (r->n_job >= r->o.jobs)
		reap(r);
	while (r->job[slot].pid != 0)
		slot++;
	if (image_pending(r->im) > 0)
		r->with_pending++;
	(void)fflush(NULL);
	if ((pid = fork()) < 0)
		return (-errno);
	if (pid == 0)
		child(r, c, slot, next);
	r->job[slot].pid = pid;
	r->job[slot].cut = c->number;
	r->n_job++;
	return (0);
}

static int
load_base(struct run *r)
{
	int rc;

	image_free(r->im);
	r->im = image_new(r->o.breaks, r->o.break_path);
	if (r->o.base == NULL)
		return (0);
	if ((rc = image_load(r->im, r->o.base)) != 0)
		(void)fprintf(stderr, "%s: %s\n", r->o.base, strerror(-rc));
	return (rc);
}

/* Not even behind the last cut may there be anything that is not understood. */
static int
all_known(struct trace *t)
{
	struct trace_item it;
	int rc = 0;

	trace_rewind(t);
	while (trace_next(t, &it))
		if (it.ev.kind == TRACE_UNKNOWN || it.ev.kind == 0 ||
		    it.ev.kind >= TRACE_KINDS) {
			(void)fprintf(stderr, "trace: event %llu: not "
			    "understood: %s\n", (unsigned long long)it.pos,
			    it.name);
			rc = -EPROTO;
		}
	trace_rewind(t);
	return (rc);
}

/* What there is in it: a test can ask whether the workload did its part. */
static void
stats(struct trace *t)
{
	uint64_t n[TRACE_KINDS] = { 0 }, holes = 0, to_spare = 0, used = 0,
	    dirs = 0;
	struct trace_item it;

	trace_rewind(t);
	while (trace_next(t, &it)) {
		const bool ren = it.ev.kind == TRACE_RENAME;

		if (it.ev.kind < TRACE_KINDS)
			n[it.ev.kind]++;
		holes += it.ev.kind == TRACE_FALLOC &&
		    (it.ev.begun & FALLOC_FL_PUNCH_HOLE) != 0;
		to_spare += ren && strncmp(it.name, "seg/", 4) == 0 &&
		    strncmp(it.name2, "spare/", 6) == 0;
		used += ren && strncmp(it.name, "spare/", 6) == 0 &&
		    strncmp(it.name2, "seg/", 4) == 0;
		dirs += ren && strchr(it.name, '/') == NULL;
	}
	trace_rewind(t);
	(void)printf("writes %llu syncs %llu names %llu holes %llu recycled "
	    "%llu spares-used %llu unlinked %llu folders-renamed %llu marks "
	    "%llu\n", (unsigned long long)n[TRACE_WRITE],
	    (unsigned long long)(n[TRACE_SYNC] + n[TRACE_SYNC_DIR]),
	    (unsigned long long)(n[TRACE_CREATE] + n[TRACE_RENAME] +
	    n[TRACE_MKDIR]), (unsigned long long)holes,
	    (unsigned long long)to_spare, (unsigned long long)used,
	    (unsigned long long)n[TRACE_UNLINK], (unsigned long long)dirs,
	    (unsigned long long)n[TRACE_MARK]);
}

/* The recorder saw everything: all of the trace is the real directory. */
static int
verify(struct run *r, struct trace *t)
{
	struct trace_item it;
	int rc = 0;

	while (rc == 0 && trace_next(t, &it))
		rc = apply(r->im, &it, false);
	trace_rewind(t);
	if (rc != 0)
		return (rc);
	image_settle(r->im, IMAGE_ALL, 1);
	if ((rc = image_compare(r->im, r->o.verify)) != 0)
		(void)fprintf(stderr,
		    "the trace does not give %s: %d differences\n",
		    r->o.verify, rc);
	return (rc);
}

static int
all_cuts(struct run *r, struct trace *t)
{
	struct trace_item it;
	size_t c = 0;
	int rc = 0;

	while (rc == 0 && c < r->n_cut) {
		bool more = trace_next(t, &it);

		for (; rc == 0 && c < r->n_cut &&
		    (!more || r->cut[c].at <= it.pos); c++)
			if (r->o.only < 0 || (size_t)r->o.only == c)
				rc = start(r, &r->cut[c], more ? &it : NULL);
		if (!more || rc != 0)
			break;
		rc = apply(r->im, &it, false);
		if (it.ev.kind == TRACE_MARK && r->ops->mark != NULL)
			r->ops->mark(r->ops->arg, it.data, it.ev.data_len);
	}
	while (r->n_job > 0)
		reap(r);
	return (rc);
}

int
cuts_main(int argc, char **argv, const struct cuts_ops *ops)
{
	struct run r = { .ops = ops, .program = argv[0] };
	struct trace *t = NULL;
	int rc;

	if (!parse(argc, argv, &r.o))
		return (2);
	if ((rc = trace_open(r.o.trace, &t)) != 0) {
		(void)fprintf(stderr, "%s: %s\n", r.o.trace, strerror(-rc));
		return (2);
	}
	if (r.o.stats)
		stats(t);
	if ((rc = all_known(t)) == 0)
		rc = load_base(&r);
	if (rc == 0 && r.o.verify != NULL &&
	    (rc = verify(&r, t)) == 0)
		rc = load_base(&r);
	if (rc == 0)
		rc = choose(&r, t);
	if (rc == 0)
		rc = all_cuts(&r, t);
	trace_close(t);
	image_free(r.im);
	free(r.cut);
	if (r.o.only < 0)
		for (unsigned i = 0; i < r.o.jobs; i++) {
			char dir[PATH_MAX], log[PATH_MAX];

			paths(&r, i, dir, log);
			cuts_remove_tree(dir);
			(void)unlink(log);
		}
	(void)printf("%zu cuts passed, %zu failed; %zu had unsynced changes\n",
	    r.passed, r.failed, r.with_pending);
	if (rc != 0 || r.passed + r.failed == 0)
		return (2);
	if (r.o.expect_failures)
		return (r.failed > 0 ? 0 : 1);
	return (r.failed == 0 ? 0 : 1);
}
