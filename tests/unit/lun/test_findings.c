/* SPDX-License-Identifier: BSD-2-Clause */
#include "lun/findings.h"

#include <errno.h>
#include <string.h>

#include "tests/lib/unit.h"

#define BLK	4096u

static struct verify_damage
at(uint64_t lun, uint64_t blk, uint64_t n_blk)
{

	return ((struct verify_damage){ .kind = VERIFY_DATA, .lun = lun,
	    .off_bytes = blk * BLK, .len_bytes = n_blk * BLK, .rc = -EILSEQ,
	    .segment = 1 });
}

static void
test_add(void)
{
	struct findings f = { .list = NULL };
	struct verify_damage d = at(1, 0, 1);

	findings_add(&f, &d);
	d = at(1, 1, 2);
	findings_add(&f, &d);
	CU_ASSERT_EQUAL_FATAL(f.n, 1);
	CU_ASSERT_EQUAL(f.list[0].len_bytes, 3 * BLK);
	CU_ASSERT_EQUAL(f.damaged_bytes, 3 * BLK);
	d = at(1, 3, 1);
	d.kind = VERIFY_COPY;	/* it can be read */
	findings_add(&f, &d);
	d = at(2, 4, 1);
	findings_add(&f, &d);
	CU_ASSERT_EQUAL(f.n_damage, 3);
	CU_ASSERT_EQUAL(f.damaged_bytes, 4 * BLK);
	/* Beyond what is kept: counted. */
	for (unsigned i = 0; i < VERIFY_LIST_MAX; i++) {
		d = at(3, 2 * (uint64_t)i, 1);
		findings_add(&f, &d);
	}
	CU_ASSERT_EQUAL(f.n, VERIFY_LIST_MAX);
	CU_ASSERT_EQUAL(f.n_damage, VERIFY_LIST_MAX + 3);
	f.repaired = 7;
	findings_clear(&f);
	CU_ASSERT_EQUAL(f.n + f.n_damage + f.damaged_bytes, 0);
	CU_ASSERT_EQUAL(f.repaired, 7);
	findings_fini(&f);
	CU_ASSERT_PTR_NULL(f.list);
}

static void
test_join(void)
{
	struct findings f = { .list = NULL };
	struct verify_damage d = at(1, 10, 4);

	findings_join(&f, &d, 1);
	/* The next run finds it block by block, and one more. */
	for (uint64_t i = 0; i < 5; i++) {
		d = at(1, 10 + i, 1);
		d.rc = -EIO;
		findings_join(&f, &d, 1);
	}
	CU_ASSERT_EQUAL(f.n, 2);
	CU_ASSERT_EQUAL(f.n_damage, 2);
	/* Another LUN's, another kind, partly beside it: new. */
	d = at(2, 10, 1);
	findings_join(&f, &d, 1);
	d = at(1, 10, 1);
	d.kind = VERIFY_NODE;
	findings_join(&f, &d, 2);
	d = at(1, 9, 2);
	findings_join(&f, &d, 3);
	CU_ASSERT_EQUAL(f.n_damage, 5);
	/* A full list: no place is counted by each run again. */
	for (unsigned run = 0; run < 2; run++)
		for (unsigned i = 0; i < VERIFY_LIST_MAX + 50; i++) {
			d = at(3, 2 * (uint64_t)i, 1);
			findings_join(&f, &d, i + 1);
		}
	CU_ASSERT_EQUAL(f.n, VERIFY_LIST_MAX);
	CU_ASSERT_EQUAL(f.n_damage, VERIFY_LIST_MAX + 50);
	findings_fini(&f);
}

static void
test_copy(void)
{
	struct findings f = { .list = NULL }, g = { .list = NULL };
	struct verify_damage d = at(1, 10, 4);

	findings_add(&f, &d);
	d = at(2, 10, 4);
	findings_add(&f, &d);
	d = at(3, 0, 1);
	findings_add(&g, &d);
	g.repaired = 5;
	CU_ASSERT_EQUAL(findings_copy(&g, &f), 0);
	CU_ASSERT_EQUAL_FATAL(g.n, 2);
	CU_ASSERT_EQUAL(g.list[1].lun, 2);
	CU_ASSERT_EQUAL(g.n_damage, 2);
	CU_ASSERT_EQUAL(g.damaged_bytes, 8 * BLK);
	CU_ASSERT_EQUAL(g.repaired, 5);
	/* It can grow again. */
	d = at(4, 0, 1);
	findings_add(&g, &d);
	CU_ASSERT_EQUAL(g.n, 3);
	findings_clear(&f);
	CU_ASSERT_EQUAL(findings_copy(&g, &f), 0);
	CU_ASSERT_EQUAL(g.n + g.n_damage, 0);
	d = at(4, 0, 1);
	findings_add(&g, &d);
	CU_ASSERT_EQUAL(g.n, 1);
	findings_fini(&f);
	findings_fini(&g);
}

static const struct unit_test tests[] = {
	{ "add", test_add },
	{ "join", test_join },
	{ "copy", test_copy },
};

UNIT_MAIN("findings", tests)
