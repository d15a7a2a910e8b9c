/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is known of damage: it stays until everything was read again.
 */
#include "tests/unit/lun/verifyfix.h"

static size_t
known(struct iofix *x, struct verify_state *s)
{
	struct verify_damage *d = NULL;
	size_t n = 0;

	lunset_verify_state(x->e.ls, s);
	CU_ASSERT_EQUAL_FATAL(lunset_verify_damage(x->e.ls, VERIFY_BY_ANY, &d,
	    &n), 0);
	CU_ASSERT_EQUAL(s->known_n_damage, n);
	CU_ASSERT_EQUAL(s->known_ns != 0, n > 0);
	if (n > 0)
		CU_ASSERT_EQUAL(d[0].off_bytes, 300 * 4096);
	free(d);
	return (n);
}

/* Of ${lun} (NULL: all); the places that this run finds. */
static uint64_t
verified(struct iofix *x, const char *lun, struct verify_state *s)
{
	size_t n;

	free(verify(x, lun, NULL, s, &n));
	return (s->n_damage);
}

static void
test_requests(void)
{
	struct verify_params slow = { .rate_bytes = KIB };
	struct verify_state s;
	struct iofix x;

	setup(&x);
	CU_ASSERT_EQUAL(known(&x, &s), 0);
	flip(&x, place_of(&x, 300, 0).loc, 0, 1);
	CU_ASSERT_EQUAL(verified(&x, "disk", &s), 1);
	CU_ASSERT_EQUAL(known(&x, &s), 1);
	CU_ASSERT_FALSE(s.known_scrub);
	CU_ASSERT_EQUAL(s.known_ns, s.ended_ns);
	/* Not twice. */
	CU_ASSERT_EQUAL(verified(&x, "disk", &s), 1);
	CU_ASSERT_EQUAL(known(&x, &s), 1);
	CU_ASSERT_EQUAL(verified(&x, NULL, &s), 1);
	CU_ASSERT_EQUAL(known(&x, &s), 1);
	/* Made good; who reads a part of the store does not know that. */
	iofix_write(&x, 300 * 4096, 4096, 999);
	CU_ASSERT_EQUAL(verified(&x, "disk", &s), 0);
	CU_ASSERT_EQUAL(known(&x, &s), 1);
	CU_ASSERT_EQUAL_FATAL(lunset_verify(x.e.ls, &slow), 0);
	CU_ASSERT_EQUAL(known(&x, &s), 1);
	CU_ASSERT_EQUAL(lunset_verify_cancel(x.e.ls), 0);
	wait_end(x.e.ls, &s);
	CU_ASSERT_EQUAL(s.rc, -EINTR);
	CU_ASSERT_EQUAL(known(&x, &s), 1);
	CU_ASSERT_EQUAL(verified(&x, NULL, &s), 0);
	CU_ASSERT_EQUAL(known(&x, &s), 0);
	iofix_teardown(&x);
}

static void
test_scrub(void)
{
	struct verify_state s = { .runs = 0 };
	struct iofix x;

	setup(&x);
	flip(&x, place_of(&x, 300, 0).loc, 0, 1);
	x.e.conf.scrub_s = 3600;
	x.e.conf.scrub_delay_ms = 1;
	reopen(&x);
	for (unsigned i = 0; i < 1000 && s.scrub_done_ns == 0; i++) {
		(void)usleep(5000);
		lunset_verify_state(x.e.ls, &s);
	}
	CU_ASSERT_EQUAL(known(&x, &s), 1);
	CU_ASSERT_TRUE(s.known_scrub);
	CU_ASSERT_EQUAL(s.scrub_n_damage, 1);
	/* All was read again, by somebody else. */
	CU_ASSERT_EQUAL(verified(&x, NULL, &s), 1);
	CU_ASSERT_EQUAL(known(&x, &s), 1);
	CU_ASSERT_FALSE(s.known_scrub);
	CU_ASSERT_EQUAL(s.scrub_n_damage, 0);
	/* A restart forgets, and who reads it finds it again. */
	reopen(&x);
	CU_ASSERT_EQUAL(known(&x, &s), 0);
	CU_ASSERT_EQUAL(verified(&x, "disk", &s), 1);
	CU_ASSERT_EQUAL(known(&x, &s), 1);
	iofix_teardown(&x);
}

static const struct unit_test tests[] = {
	{ "by requests", test_requests },
	{ "by the scrub", test_scrub },
};

UNIT_MAIN("verify_known", tests)
