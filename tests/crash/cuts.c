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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "meta/base/check.h"

#define JOBS_MAX 64

struct opts {
	const char *trace, *work, *base, *verify;
	size_t cuts, jobs;
	unsigned limit_s, breaks;
	uint64_t seed;
	long only;
	bool expect_failures;
};

struct run {
	struct opts o;
	const struct cuts_ops *ops;
	struct image *im;
	struct cut *cut;
	size_t n_cut;
	struct {
		pid_t pid;
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

	return (x->at < y->at ? -1 : x->at > y->at);
}

/* Where orders matter most: around syncs, names, catalogue commits. */
static bool
is_corner(const struct trace_ev *e)
{

	return (e->kind == TRACE_SYNC || e->kind == TRACE_SYNC_DIR ||
	    e->kind == TRACE_CREATE || e->kind == TRACE_RENAME ||
	    e->kind == TRACE_UNLINK || e->kind == TRACE_MARK ||
	    (e->flags & TRACE_F_DSYNC) != 0);
}

/* One third of the cuts at corners (or just behind), the rest anywhere. */
static int
choose(struct run *r, struct trace *t)
{
	static const enum image_mode modes[] = { IMAGE_RANDOM, IMAGE_LOST,
	    IMAGE_TORN, IMAGE_RANDOM, IMAGE_ALL, IMAGE_PAGE };
	struct trace_item it;
	uint64_t s = r->o.seed, n_ev = 0, n_corner = 0, *corner;

	while (trace_next(t, &it)) {
		n_ev++;
		n_corner += is_corner(&it.ev) ? 1 : 0;
	}
	corner = calloc(n_corner + 1, sizeof(*corner));
	r->cut = calloc(r->o.cuts + 1, sizeof(*r->cut));
	if (corner == NULL || r->cut == NULL || n_ev == 0) {
		free(corner);
		return (-ENOMEM);
	}
	trace_rewind(t);
	for (uint64_t i = 0; trace_next(t, &it);)
		if (is_corner(&it.ev))
			corner[i++] = it.pos;
	for (size_t i = 0; i < r->o.cuts; i++) {
		struct cut *c = &r->cut[i];

		c->at = i % 3 == 0 && n_corner > 0 ?
		    corner[rnd(&s) % n_corner] + rnd(&s) % 2 :
		    rnd(&s) % (n_ev + 1);
		c->mode = modes[i % (sizeof(modes) / sizeof(modes[0]))];
		c->seed = rnd(&s);
	}
	qsort(r->cut, r->o.cuts, sizeof(*r->cut), by_at);
	for (size_t i = 0; i < r->o.cuts; i++)
		r->cut[i].number = i;
	r->n_cut = r->o.cuts;
	free(corner);
	trace_rewind(t);
	return (0);
}

/* ---- running ----------------------------------------------------------- */

static int
apply(struct image *im, const struct trace_item *it, bool in_flight)
{

	return (image_apply(im, it->idx, &it->ev, it->name, it->name2,
	    it->data, in_flight));
}

static void
paths(const struct run *r, size_t cut, char dir[PATH_MAX], char log[PATH_MAX])
{

	(void)snprintf(dir, PATH_MAX, "%s/cut%zu", r->o.work, cut);
	(void)snprintf(log, PATH_MAX, "%s/cut%zu.log", r->o.work, cut);
}

/* In the child; ${next} is the event that was in flight, if any. */
static _Noreturn void
child(struct run *r, struct cut *c, const struct trace_item *next)
{
	char dir[PATH_MAX], log[PATH_MAX], store[PATH_MAX + 8];
	int fd, rc = 0;

	paths(r, c->number, dir, log);
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
	cuts_remove_tree(dir);
	c->work = dir;
	if (mkdir(dir, 0700) != 0 || mkdir(store, 0700) != 0 ||
	    (rc = image_write(r->im, store)) != 0) {
		(void)fprintf(stderr, "%s: %s\n", dir, strerror(errno));
		_exit(3);
	}
	rc = r->ops->check(r->ops->arg, store, c);
	if (rc == 0 && r->o.only < 0) {
		cuts_remove_tree(dir);
		(void)unlink(log);
	}
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
	while (i < r->n_job && r->job[i].pid != pid)
		i++;
	TT_ASSERT(i < r->n_job);
	n = r->job[i].cut;
	r->job[i] = r->job[--r->n_job];
	if (WIFEXITED(st) && WEXITSTATUS(st) == 0) {
		r->passed++;
		return;
	}
	paths(r, n, dir, log);
	r->failed++;
	if (!r->o.expect_failures && r->failed <= 5) {
		(void)fprintf(stderr,
		    "FAILED: cut %zu at event %llu, %s, --seed %llu --cuts %zu "
		    "--only %zu: %s %d\n", n,
		    (unsigned long long)r->cut[n].at,
		    image_mode_name(r->cut[n].mode),
		    (unsigned long long)r->o.seed, r->o.cuts, n,
		    WIFSIGNALED(st) ? "signal" : "exit",
		    WIFSIGNALED(st) ? WTERMSIG(st) : WEXITSTATUS(st));
		show(log);
	}
	if (r->o.only < 0) {
		cuts_remove_tree(dir);
		(void)unlink(log);
	}
}

static int
start(struct run *r, struct cut *c, const struct trace_item *next)
{
	pid_t pid;

	while (r->n_job >= r->o.jobs)
		reap(r);
	if (image_pending(r->im) > 0)
		r->with_pending++;
	(void)fflush(NULL);
	if ((pid = fork()) < 0)
		return (-errno);
	if (pid == 0)
		child(r, c, next);
	r->job[r->n_job].pid = pid;
	r->job[r->n_job++].cut = c->number;
	return (0);
}

static int
load_base(struct run *r)
{
	int rc;

	image_free(r->im);
	r->im = image_new(r->o.breaks);
	if (r->o.base == NULL)
		return (0);
	if ((rc = image_load(r->im, r->o.base)) != 0)
		(void)fprintf(stderr, "%s: %s\n", r->o.base, strerror(-rc));
	return (rc);
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
	struct run r = { .ops = ops };
	struct trace *t = NULL;
	int rc;

	if (!parse(argc, argv, &r.o))
		return (2);
	if ((rc = trace_open(r.o.trace, &t)) != 0) {
		(void)fprintf(stderr, "%s: %s\n", r.o.trace, strerror(-rc));
		return (2);
	}
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
	(void)printf("%zu cuts passed, %zu failed; %zu had unsynced changes\n",
	    r.passed, r.failed, r.with_pending);
	if (rc != 0 || r.passed + r.failed == 0)
		return (2);
	if (r.o.expect_failures)
		return (r.failed > 0 ? 0 : 1);
	return (r.failed == 0 ? 0 : 1);
}
