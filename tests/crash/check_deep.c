/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check_deep.c - what must not change anything: verification, reclaim, another
 * catalogue.
 */
#include "tests/crash/check.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "lun/verify.h"
#include "meta/catalog.h"
#include "meta/store.h"

/*
 * Where the workload has damaged copies, and the power took the other copy of
 * something unfinished beside them, one is not written again; no more than that.
 */
void
check_verify(struct opened *o, const struct model *m)
{
	struct verify_params all = { .lun = NULL };
	struct verify_state v;
	int rc = lunset_verify(o->ls, &all);

	if (rc != 0) {
		COMPLAIN("verify: %s", strerror(-rc));
		return;
	}
	do {
		(void)usleep(200);
		lunset_verify_state(o->ls, &v);
	} while (v.running);
	if (v.rc != 0 || v.damaged_bytes > 0 || (v.n_damage > 0 &&
	    !m->damaged))
		COMPLAIN("verify: %s, %llu damaged", strerror(-v.rc),
		    (unsigned long long)v.n_damage);
}

static int
mix_root(void *arg, const uint8_t *key, size_t klen, const uint8_t *val,
    size_t vlen)
{
	struct root_row r;
	uint64_t *d = arg;

	if (root_row_dec(val, vlen, &r) != 0)
		return (-EUCLEAN);
	check_mix(d, key, klen);
	check_mix(d, &r.root.id, sizeof(r.root.id));
	return (0);
}

/* All roots by their ids; the store is closed. */
static uint64_t
roots(const char *dir)
{
	uint64_t d = 0xcbf29ce484222325u;
	struct catalog *cat;
	char path[PATH_MAX];
	int rc;

	(void)snprintf(path, sizeof(path), "%s/catalog", dir);
	if ((rc = catalog_open_read_only(path, UINT64_C(1) << 30, &cat)) != 0) {
		COMPLAIN("catalogue: %s", strerror(-rc));
		return (0);
	}
	if ((rc = catalog_each(cat, CAT_ROOT, mix_root, &d)) != 0)
		COMPLAIN("roots: %s", strerror(-rc));
	catalog_close(cat);
	return (d);
}

/* One opening more: before the look, and behind it. */
void
check_once_more(struct model *m, const char *dir, enum image_mode mode,
    uint64_t *digest, bool reclaim, const char *what)
{
	struct opened o;
	int rc = check_open(dir, &o);

	if (rc != 0) {
		COMPLAIN("%s: open: %s", what, strerror(-rc));
		return;
	}
	if (reclaim) {
		check_verify(&o, m);
		if ((rc = lunset_gc(o.ls, true)) != 0)
			COMPLAIN("reclaim: %s", strerror(-rc));
	}
	check_look(&o, m, mode, digest, what);
	if (reclaim)
		check_verify(&o, m);
	if ((rc = check_close(&o)) != 0)
		COMPLAIN("%s: close: %s", what, strerror(-rc));
}

void
check_rebuild(struct model *m, const char *dir, enum image_mode mode,
    uint64_t digest)
{
	struct lunset_conf conf = { .store = dir, .memory_bytes = 64u << 20 };
	uint64_t before = roots(dir);
	int rc;

	if ((rc = lunset_rebuild(&conf, true)) != 0) {
		COMPLAIN("rebuild: %s", strerror(-rc));
		return;
	}
	/* Behind its last dump the log tells the rest, to who opens it. */
	check_once_more(m, dir, mode, &digest, false, "rebuild");
	if (check_complaints == 0 && roots(dir) != before)
		COMPLAIN("rebuild: other roots");
}

void
check_deep(struct model *m, const char *dir, enum image_mode mode,
    uint64_t digest)
{

	check_once_more(m, dir, mode, &digest, true, "reclaim");
	if (check_complaints == 0)
		check_rebuild(m, dir, mode, digest);
	if (check_complaints == 0)
		check_once_more(m, dir, mode, &digest, true,
		    "reclaim after rebuild");
}
