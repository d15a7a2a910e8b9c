/* SPDX-License-Identifier: BSD-2-Clause */
/* Loss of power, with a boot id of our own choice. */
#include <errno.h>

#include "lun/rows.h"
#include "meta/base/clock.h"
#include "meta/base/msg.h"
#include "meta/base/rnd.h"
#include "tests/lib/unit.h"
#include "tests/unit/lun/engine.h"

static void
boot(uint8_t n)
{
	uint8_t id[16] = { 0xb0, 0x07, n };

	rnd_fake_boot_id(id);
}

static bool
lost(struct engine *e)
{
	struct lunset_status s;

	lunset_status(e->ls, &s);
	CU_ASSERT(!s.power_lost || (s.power_from_ns != 0 &&
	    s.power_to_ns <= clock_utc_ns()));
	return (s.power_lost);
}

static bool
held(struct engine *e, const char *name)
{
	struct lun_info l;

	CU_ASSERT_EQUAL(lunset_find(e->ls, name, &l), 0);
	return (l.held);
}

static void
create(struct engine *e, const char *name, bool hold)
{
	struct lun_params p = { .name = name, .size_bytes = 1u << 20,
	    .block_bytes = 4096, .sector_bytes = 512, .hold = hold };
	struct lun_info l;

	CU_ASSERT_EQUAL_FATAL(lunset_create(e->ls, &p, &l), 0);
	CU_ASSERT(l.hold == hold && !l.held);
}

static void
again(struct engine *e, bool in_order, uint8_t n)
{

	if (in_order) {
		CU_ASSERT_EQUAL(engine_close(e), 0);
	} else {
		engine_abandon(e);
	}
	boot(n);
	CU_ASSERT_EQUAL_FATAL(engine_open(e), 0);
}

static void
test_power(void)
{
	struct engine e;

	boot(1);
	CU_ASSERT_EQUAL_FATAL(engine_make(&e), 0);
	CU_ASSERT(!lost(&e));
	create(&e, "goes-on", false);
	create(&e, "waits", true);
	again(&e, true, 1);
	CU_ASSERT(!lost(&e));
	again(&e, true, 2);	/* an orderly end, another boot */
	CU_ASSERT(!lost(&e));
	again(&e, true, 3);	/* nothing was done in between */
	CU_ASSERT(!lost(&e));
	again(&e, false, 3);	/* killed, the machine went on */
	CU_ASSERT(!lost(&e) && !held(&e, "waits"));
	create(&e, "third", false);
	again(&e, false, 4);	/* power */
	CU_ASSERT(lost(&e));
	CU_ASSERT(held(&e, "waits") && !held(&e, "goes-on"));
	again(&e, false, 4);	/* killed again: held, but no new loss */
	CU_ASSERT(!lost(&e) && held(&e, "waits"));
	again(&e, true, 5);
	CU_ASSERT(!lost(&e) && held(&e, "waits"));
	CU_ASSERT_EQUAL(lunset_online(e.ls, "none"), -ENOENT);
	CU_ASSERT_EQUAL(lunset_online(e.ls, "waits"), 0);
	CU_ASSERT_EQUAL(lunset_online(e.ls, "waits"), 0);
	CU_ASSERT(!held(&e, "waits"));
	again(&e, false, 5);
	CU_ASSERT(!lost(&e) && !held(&e, "waits"));
	/* The choice can be changed; it counts for the next time. */
	CU_ASSERT_EQUAL(lunset_set_hold(e.ls, "waits", false), 0);
	CU_ASSERT_EQUAL(lunset_set_hold(e.ls, "goes-on", true), 0);
	CU_ASSERT_EQUAL(lunset_set_hold(e.ls, "none", true), -ENOENT);
	again(&e, false, 6);
	CU_ASSERT(lost(&e) && !held(&e, "waits") && held(&e, "goes-on"));
	again(&e, false, 7);	/* power, twice */
	CU_ASSERT(lost(&e) && held(&e, "goes-on"));
	CU_ASSERT_EQUAL(engine_close(&e), 0);
	engine_remove(&e);
}

/* meta/FORMAT.md: attributes 11 and 12 must be known. */
static void
test_rows(void)
{
	struct lun_info l = { .number = 1, .name = "a", .size_bytes = 4096,
	    .block_bytes = 4096, .sector_bytes = 512,
	    .identity.serial = "s", .dedup = true }, got;
	static const uint8_t attrs[] = { 0, 11, 0, 0, 0, 1, 1,
	    0, 12, 0, 0, 0, 1, 1 };
	struct row plain, row;

	row_lun_enc(&l, &plain);
	l.hold = l.held = true;
	row_lun_enc(&l, &row);
	CU_ASSERT_EQUAL_FATAL(row.vlen, plain.vlen + sizeof(attrs));
	CU_ASSERT_EQUAL(memcmp(row.val, plain.val, plain.vlen), 0);
	CU_ASSERT_EQUAL(memcmp(row.val + plain.vlen, attrs, sizeof(attrs)), 0);
	CU_ASSERT_EQUAL(row_lun_dec(row.key, row.klen, row.val, row.vlen,
	    &got), 0);
	CU_ASSERT(got.hold && got.held);
	CU_ASSERT_EQUAL(row_lun_dec(plain.key, plain.klen, plain.val,
	    plain.vlen, &got), 0);
	CU_ASSERT(!got.hold && !got.held);
	row.val[row.vlen - 1] = 2;
	CU_ASSERT_EQUAL(row_lun_dec(row.key, row.klen, row.val, row.vlen,
	    &got), -EILSEQ);
}

static const struct unit_test tests[] = {
	{ "rows", test_rows },
	{ "loss of power", test_power },
};
int
main(void)
{

	msg_set_level(MSG_ERR);
	return (unit_run("lun/hold", tests, sizeof(tests) /
	    sizeof(tests[0])));
}
