/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check.c - cuts the trace of the workload, opens what is left with the engine
 * and compares it with what was promised.
 *
 *	crash-check --trace FILE --work DIR ...		see cuts.h
 *	crash-check open DIR				open, close (for a
 *							recording of recovery)
 *
 * Per cut: the store opens; LUNs, snapshots, exposures are those that were
 * acknowledged (what was in the middle may be there, but then as a whole); the
 * content is a prefix of the log, and not less than was made durable;
 * verification finds nothing; of some of them also: a second opening finds the
 * same; it can be written, flushed, and opened again after a kill; a catalogue
 * made anew has the same roots; it and reclaim change nothing.
 *
 * With TT_NESTED=N in the environment every tenth cut records its own recovery
 * (TT_RECORD_SO is the recorder) and cuts that N times as well.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "meta/base/check.h"
#include "meta/base/msg.h"
#include "tests/crash/check.h"
#include "tests/crash/cuts.h"
#include "tests/crash/model.h"

#define CHUNK (256u << 10)

/* Of these many cuts one gets this (TT_LONG: each a rebuild). */
#define AGAIN_EVERY	4u	/* closed, opened, looked at once more */
#define REBUILD_EVERY	5u
#define DEEP_EVERY	20u
#define WRITE_EVERY	3u	/* written to, killed, opened */
#define RESERVE_EVERY	3u	/* opened with a reserve */

int check_complaints;
bool check_with_reserve;

void
check_mix(uint64_t *d, const void *p, size_t n)
{
	const uint8_t *b = p;
	uint64_t w;

	for (; n >= sizeof(w); n -= sizeof(w), b += sizeof(w)) {
		memcpy(&w, b, sizeof(w));
		*d = (*d ^ w ^ *d >> 29) * UINT64_C(0x9e3779b97f4a7c15);
	}
	for (size_t i = 0; i < n; i++)
		*d = (*d ^ b[i]) * UINT64_C(0x100000001b3);
}

int
check_open(const char *dir, struct opened *o)
{
	struct lunset_conf conf = { .store = dir, .memory_bytes = 64u << 20,
	    .reserve_bytes = check_with_reserve ? CHECK_RESERVE : 0 };
	int rc;

	*o = (struct opened){ .digest = 0xcbf29ce484222325u };
	if ((rc = lunset_open(&conf, &o->ls)) != 0)
		return (rc);
	if ((rc = eng_init(&o->e, o->ls)) != 0)
		(void)lunset_close(o->ls);
	return (rc);
}

int
check_close(struct opened *o)
{

	eng_fini(&o->e);
	return (lunset_close(o->ls));
}

/* ---- content ----------------------------------------------------------- */

/* What each unit of the windows holds; NULL: unreadable. */
static uint64_t *
read_versions(struct opened *o, const struct model_lun *l, uint64_t seq,
    const char *what)
{
	static uint8_t buf[CHUNK];
	uint64_t *ver = calloc(l->n_unit + 1, sizeof(*ver));
	struct lun_dev *dev;
	uint64_t u = 0;
	int rc;

	TT_ASSERT(ver != NULL);
	if ((rc = lun_dev_open(o->ls, l->number, seq, &dev)) != 0) {
		COMPLAIN("%s: does not open: %s", what, strerror(-rc));
		free(ver);
		return (NULL);
	}
	for (int w = 0; w < MODEL_WINDOWS && rc == 0; w++)
		for (uint64_t at = 0; at < l->win[w].len && rc == 0;) {
			uint64_t off = l->win[w].off + at;
			uint64_t n = TT_MIN(CHUNK, l->win[w].len - at);

			rc = eng_io(&o->e, LUN_READ, 0, dev, off, buf, n);
			for (uint64_t i = 0; i < n && rc == 0; i += l->sector)
				ver[u++] = mark_content(buf + i, l->sector,
				    l->key, (off + i) / l->sector);
			at += n;
		}
	lun_dev_close(dev);
	if (rc != 0) {
		COMPLAIN("%s: read: %s", what, strerror(-rc));
		free(ver);
		return (NULL);
	}
	check_mix(&o->digest, ver, l->n_unit * sizeof(*ver));
	return (ver);
}

/* ---- LUNs -------------------------------------------------------------- */

/* The LUN of the model that this one is; NULL: it must not be there. */
static struct model_lun *
match_lun(struct model *m, const struct lun_info *li)
{

	for (size_t i = 0; i < m->n_lun; i++) {
		struct model_lun *l = &m->lun[i];

		if (strcmp(l->name, li->name) != 0 || l->del_done != 0)
			continue;
		if (l->done != 0 && memcmp(l->uuid, li->identity.uuid,
		    sizeof(l->uuid)) != 0)
			continue;
		return (l);
	}
	return (NULL);
}

static void
check_users(struct opened *o, const struct lun_info *li, bool *second)
{
	struct lun_user *u = NULL;
	size_t n = 0;
	int rc = lunset_users(o->ls, li->number, &u, &n);

	for (size_t i = 0; i < n; i++)
		*second |= strcmp(u[i].user, "second") == 0;
	if (rc != 0 || n != 1 + (*second ? 1 : 0) ||
	    (strcmp(u[0].user, "someone") != 0 &&
	    strcmp(u[n - 1].user, "someone") != 0) || u[0].secret_len != 6)
		COMPLAIN("%s: users: %s, %zu", li->name, strerror(-rc), n);
	free(u);
}

/* Each is what it was, or was about to become. */
static void
check_props(struct opened *o, const struct model_lun *l,
    const struct lun_info *li)
{
	char (*names)[LUN_INITIATOR_CAP] = NULL;
	bool is[PROPS] = { [PROP_HOLD] = li->hold, [PROP_DEDUP] = li->dedup,
	    [PROP_WRITE_THROUGH] = li->write_through };
	size_t n = 0;
	int rc = lunset_initiators(o->ls, li->number, &names, &n);

	if (rc != 0)
		COMPLAIN("%s: initiators: %s", li->name, strerror(-rc));
	is[PROP_INITIATOR] = n > 0;
	free(names);
	if (!l->has_user)
		return;		/* not by the workload */
	check_users(o, li, &is[PROP_USER]);
	for (unsigned p = 0; p < PROPS; p++)
		if ((l->prop[p] & (is[p] ? 2 : 1)) == 0)
			COMPLAIN("%s: property %u is %d and must not be",
			    li->name, p, is[p]);
	check_mix(&o->digest, is, sizeof(is));
}

/* Fills ${found}, one per LUN of the model. */
static void
check_list(struct opened *o, struct model *m, bool *found)
{
	struct lun_info *li = NULL;
	size_t n = 0;
	int rc = lunset_list(o->ls, &li, &n);

	if (rc != 0) {
		COMPLAIN("list: %s", strerror(-rc));
		return;
	}
	for (size_t i = 0; i < n; i++) {
		struct model_lun *l = match_lun(m, &li[i]);

		if (l == NULL) {
			COMPLAIN("LUN %s is there and must not be",
			    li[i].name);
			continue;
		}
		if (li[i].size_bytes != l->size ||
		    li[i].block_bytes != l->block ||
		    li[i].sector_bytes != l->sector ||
		    (l->done != 0 && li[i].number != l->number))
			COMPLAIN("LUN %s has changed", l->name);
		l->number = li[i].number;
		found[l - m->lun] = true;
		check_props(o, l, &li[i]);
		check_mix(&o->digest, li[i].identity.uuid, 16);
	}
	for (size_t i = 0; i < m->n_lun; i++)
		if (!found[i] && m->lun[i].done != 0 && m->lun[i].del == 0)
			COMPLAIN("LUN %s (%u) is gone", m->lun[i].name,
			    m->lun[i].key);
	free(li);
}

/* ---- snapshots --------------------------------------------------------- */

static struct model_snap *
match_snap(struct model *m, uint32_t lun, const struct snap_info *si)
{

	for (size_t i = 0; i < m->n_snap; i++) {
		struct model_snap *s = &m->snap[i];

		if (s->lun == lun && s->del_done == 0 &&
		    strcmp(s->name, si->name) == 0 &&
		    (s->done == 0 || s->seq == si->seq))
			return (s);
	}
	return (NULL);
}

/*
 * It holds what was acknowledged before it was asked for, and a prefix.  One
 * that was never acknowledged may end with the newest write there is.
 */
static void
check_snap(struct opened *o, struct model *m, struct model_lun *l,
    const struct model_snap *s, const struct snap_info *si)
{
	char what[160];
	uint64_t *ver, after;

	(void)snprintf(what, sizeof(what), "snapshot %s", si->name);
	if ((ver = read_versions(o, l, si->seq, what)) == NULL)
		return;
	after = TT_MAX(s->begin, model_newest(m, l, ver));
	if (model_check(m, l, ver, after, s->done != 0 ? s->done : m->now + 1,
	    what) > 0)
		check_complaints++;
	if (si->exposed ? !s->may_exposed : s->must_exposed)
		COMPLAIN("snapshot %s: exposed %d", s->name, si->exposed);
	free(ver);
}

/* ${*after}: what the log holds because this snapshot is in it. */
static void
check_snaps(struct opened *o, struct model *m, struct model_lun *l,
    uint64_t *after)
{
	struct snap_info *si = NULL;
	size_t n = 0;
	int rc = lunset_snaps(o->ls, l->name, &si, &n);

	if (rc != 0) {
		COMPLAIN("%s: snapshots: %s", l->name, strerror(-rc));
		return;
	}
	for (size_t i = 0; i < n; i++) {
		struct model_snap *s = match_snap(m, l->key, &si[i]);

		if (s == NULL) {
			COMPLAIN("%s@%s is there and must not be", l->name,
			    si[i].name);
			continue;
		}
		check_mix(&o->digest, si[i].name, strlen(si[i].name));
		check_snap(o, m, l, s, &si[i]);
		*after = TT_MAX(*after, s->begin);
	}
	for (size_t i = 0; i < m->n_snap; i++) {
		const struct model_snap *s = &m->snap[i];
		bool there = false;

		for (size_t j = 0; j < n; j++)
			there |= s->seq == si[j].seq &&
			    strcmp(s->name, si[j].name) == 0;
		if (s->lun == l->key && s->done != 0 && s->del == 0 && !there)
			COMPLAIN("snapshot %s@%s is gone", l->name, s->name);
	}
	free(si);
}

static void
check_exposures(struct opened *o, struct model *m, const bool *found)
{
	struct exposure_info *ei = NULL;
	size_t n = 0, must = 0, seen = 0;
	int rc = lunset_exposures(o->ls, &ei, &n);

	if (rc != 0)
		COMPLAIN("exposures: %s", strerror(-rc));
	for (size_t i = 0; i < m->n_snap; i++) {
		const struct model_snap *s = &m->snap[i];
		const struct model_lun *l = model_find(m, s->lun);

		if (!s->must_exposed || s->done == 0 || l->del != 0 ||
		    !found[l - m->lun])
			continue;
		must++;
		for (size_t j = 0; j < n; j++)
			if (ei[j].seq == s->seq && ei[j].lun == l->number &&
			    memcmp(ei[j].identity.uuid, s->expose_uuid,
			    16) == 0)
				seen++;
	}
	if (seen != must)
		COMPLAIN("%zu of %zu exposures are there", seen, must);
	for (size_t i = 0; i < n; i++)
		check_mix(&o->digest, ei[i].identity.uuid, 16);
	free(ei);
}

/* ---- a cut -------------------------------------------------------------- */

static void
check_all(struct opened *o, struct model *m, enum image_mode mode)
{
	bool *found = calloc(m->n_lun + 1, sizeof(*found));
	uint64_t **ver = calloc(m->n_lun + 1, sizeof(*ver));
	uint64_t after = m->durable;

	TT_ASSERT(found != NULL && ver != NULL);
	/* When only the program died, all that was acknowledged is there. */
	if (mode == IMAGE_ALL)
		after = m->now + 1;
	check_list(o, m, found);
	for (size_t i = 0; i < m->n_lun; i++) {
		struct model_lun *l = &m->lun[i];

		if (!found[i])
			continue;
		check_snaps(o, m, l, &after);
		ver[i] = read_versions(o, l, LUN_HEAD, l->name);
		if (ver[i] != NULL)
			after = TT_MAX(after,
			    model_newest(m, l, ver[i]));
	}
	for (size_t i = 0; i < m->n_lun; i++) {
		const struct model_lun *l = &m->lun[i];

		if (ver[i] != NULL && model_check(m, l, ver[i],
		    TT_MAX(after, l->durable), MODEL_HEAD, "head") > 0)
			check_complaints++;
		free(ver[i]);
	}
	check_exposures(o, m, found);
	free(ver);
	free(found);
}

/* Write something into every LUN, flush: what the next opening must find. */
static void
write_some(struct opened *o, uint64_t seed, bool check)
{
	struct lun_info *li = NULL;
	size_t n = 0;
	int rc = lunset_list(o->ls, &li, &n);

	for (size_t i = 0; i < n; i++) {
		uint64_t off = seed % (li[i].size_bytes / li[i].block_bytes) *
		    li[i].block_bytes;
		uint8_t buf[65536], got[65536];
		size_t len = li[i].block_bytes;
		struct lun_dev *dev;

		memset(buf, (int)(seed & 0x7f) + 1, len);
		if ((rc = lun_dev_open(o->ls, li[i].number, LUN_HEAD,
		    &dev)) != 0)
			break;
		if (check) {
			rc = eng_io(&o->e, LUN_READ, 0, dev, off, got, len);
			if (rc == 0 && memcmp(buf, got, len) != 0)
				COMPLAIN("%s: what was written after the "
				    "recovery is not there", li[i].name);
		} else {
			rc = eng_io(&o->e, LUN_WRITE, 0, dev, off, buf, len);
			if (rc == 0)
				rc = eng_flush(&o->e, dev);
		}
		lun_dev_close(dev);
		if (rc != 0)
			break;
	}
	if (rc != 0)
		COMPLAIN("%s after recovery: %s", check ? "read" : "write",
		    strerror(-rc));
	free(li);
}

/* True: there is nothing more to check. */
static bool
no_store(int rc, const struct model *m)
{

	if (rc == 0)
		return (false);
	if (!m->init && (rc == -ENOENT || rc == -EUCLEAN))
		return (true);
	COMPLAIN("open: %s", strerror(-rc));
	return (true);
}

/* The store, or when the power went while its catalogue was being made: that. */
static int
open_any(const struct model *m, const char *dir, struct opened *o)
{
	struct lunset_conf conf = { .store = dir, .memory_bytes = 64u << 20 };
	int rc = check_open(dir, o);

	if (rc == 0 || !m->rebuilding)
		return (rc);
	if ((rc = lunset_rebuild(&conf, false)) != 0) {
		COMPLAIN("rebuild after a cut in one: %s", strerror(-rc));
		return (rc);
	}
	return (check_open(dir, o));
}

/* ${*digest}: what there is; 0 before the first time. */
void
check_look(struct opened *o, struct model *m, enum image_mode mode,
    uint64_t *digest, const char *what)
{

	check_all(o, m, mode);
	if (*digest != 0 && o->digest != *digest)
		COMPLAIN("%s: something else is found", what);
	*digest = o->digest;
}

/* ---- one store ------------------------------------------------------------ */

/*
 * The store is open and was looked at: close it, and try what must not change
 * anything; then it is open again.
 */
static void
check_more(struct model *m, const char *dir, const struct cut *c,
    enum image_mode mode, uint64_t *digest, struct opened *o)
{
	bool again = c->number % AGAIN_EVERY == 0;
	bool deep = c->number % DEEP_EVERY == 0;
	bool anew = c->number % REBUILD_EVERY == 0 ||
	    getenv("TT_LONG") != NULL;
	int rc;

	if (!again && !deep && !anew)
		return;
	if ((rc = check_close(o)) != 0)
		COMPLAIN("close: %s", strerror(-rc));
	if (check_complaints == 0 && again)
		check_once_more(m, dir, mode, digest, false, "second look");
	if (check_complaints == 0 && deep)
		check_deep(m, dir, mode, *digest);
	else if (check_complaints == 0 && anew)
		check_rebuild(m, dir, mode, *digest);
	if (check_complaints == 0 && (rc = check_open(dir, o)) != 0)
		COMPLAIN("open: %s", strerror(-rc));
}

/* Each is looked at as it is, and all that it leads to is read. */
static int
check_store(struct model *m, const char *dir, const struct cut *c,
    enum image_mode mode)
{
	uint64_t digest = 0;
	struct opened o;
	int rc;

	check_with_reserve = c->number % RESERVE_EVERY == 0;
	rc = open_any(m, dir, &o);
	if (check_complaints > 0 || no_store(rc, m))
		return (check_complaints);
	if (check_with_reserve)
		check_reserve(dir);
	check_look(&o, m, mode, &digest, "first look");
	check_verify(&o, m);
	if (check_complaints == 0)
		check_more(m, dir, c, mode, &digest, &o);
	if (check_complaints > 0)
		return (check_complaints);
	if (c->number % WRITE_EVERY == 0)
		write_some(&o, c->seed, false);
	eng_fini(&o.e);
	lunset_abandon(o.ls);
	if (c->number % WRITE_EVERY != 0)
		return (check_complaints);
	if ((rc = check_open(dir, &o)) != 0) {
		COMPLAIN("open after a kill: %s", strerror(-rc));
		return (check_complaints);
	}
	write_some(&o, c->seed, true);
	eng_fini(&o.e);
	lunset_abandon(o.ls);
	return (check_complaints);
}

/* ---- cuts of the recovery itself --------------------------------------- */

struct nested {
	struct model *m;
	struct cut c;
};

static int
check_nested(void *arg, const char *dir, const struct cut *c)
{
	struct nested *n = arg;
	/* Nothing was lost only if both times nothing was. */
	enum image_mode mode = n->c.mode == IMAGE_ALL && c->mode == IMAGE_ALL ?
	    IMAGE_ALL : IMAGE_RANDOM;

	return (check_store(n->m, dir, c, mode));
}

/* Runs this program again, recorded, on ${dir}. */
static int
record_open(const char *dir, const char *trace)
{
	int st;
	pid_t pid = fork();

	if (pid == 0) {
		(void)setenv("LD_PRELOAD", getenv("TT_RECORD_SO"), 1);
		(void)setenv("TT_RECORD_DIR", dir, 1);
		(void)setenv("TT_RECORD_TRACE", trace, 1);
		(void)execl("/proc/self/exe", "crash-check", "open", dir,
		    (char *)NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &st, 0) < 0)
		return (-errno);
	return (WIFEXITED(st) && WEXITSTATUS(st) == 0 ? 0 : -ECHILD);
}

static int
nest(struct model *m, const char *dir, const struct cut *c, const char *count)
{
	char base[PATH_MAX], work[PATH_MAX], trace[PATH_MAX], seed[32], cmd[
	    6 * PATH_MAX];
	char a0[] = "crash-check", a1[] = "--trace", a2[] = "--work",
	    a3[] = "--base", a4[] = "--cuts", a5[] = "--seed", a6[] =
	    "--jobs", a7[] = "1", n[16];
	char *argv[] = { a0, a1, trace, a2, work, a3, base, a4, n, a5, seed,
	    a6, a7, NULL };
	struct nested ne = { m, *c };
	struct cuts_ops ops = { NULL, check_nested, &ne };
	int rc;

	(void)snprintf(base, sizeof(base), "%s/base", c->work);
	(void)snprintf(work, sizeof(work), "%s/nested", c->work);
	(void)snprintf(trace, sizeof(trace), "%s/trace", c->work);
	(void)snprintf(seed, sizeof(seed), "%llu",
	    (unsigned long long)c->seed);
	(void)snprintf(n, sizeof(n), "%s", count);
	/* The folder may have been that of another cut before. */
	if (snprintf(cmd, sizeof(cmd), "rm -rf '%s' '%s' '%s' && "
	    "cp -r '%s' '%s'", base, work, trace, dir, base) >=
	    (int)sizeof(cmd) || system(cmd) != 0 || mkdir(work, 0700) != 0)
		return (-EIO);
	if ((rc = record_open(dir, trace)) != 0) {
		COMPLAIN("recorded recovery: %s", strerror(-rc));
		return (rc);
	}
	return (cuts_main((int)(sizeof(argv) / sizeof(argv[0])) - 1, argv,
	    &ops));
}

static int
check_cut(void *arg, const char *dir, const struct cut *c)
{
	struct model *m = arg;
	const char *nested = getenv("TT_NESTED");

	msg_set_level(MSG_WARN);
	if (nested != NULL && m->init && c->number % 10 == 0 &&
	    nest(m, dir, c, nested) != 0)
		return (1);
	return (check_store(m, dir, c, c->mode));
}

static void
on_mark(void *arg, const uint8_t *data, uint32_t len)
{
	struct mark k;

	TT_ASSERT(len == sizeof(k));
	memcpy(&k, data, sizeof(k));
	model_mark(arg, &k);
}

int
main(int argc, char **argv)
{
	struct model *m;
	struct cuts_ops ops;
	struct opened o;
	int rc;

	if (argc == 3 && strcmp(argv[1], "open") == 0) {
		if ((rc = check_open(argv[2], &o)) == 0)
			rc = check_close(&o);
		return (rc == 0 ? 0 : 1);
	}
	m = model_new();
	ops = (struct cuts_ops){ on_mark, check_cut, m };
	rc = cuts_main(argc, argv, &ops);
	model_free(m);
	return (rc);
}
