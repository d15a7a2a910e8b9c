/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/logins.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/unit.h"

static void
fail_n(struct logins *ls, const char *address, unsigned n,
    enum iscsi_refusal why)
{
	const struct iscsi_peer peer = { .initiator = "iqn.x:host",
	    .address = address, .local = "192.0.2.9:3260" };

	for (unsigned i = 0; i < n; i++)
		logins_failed(ls, &peer, "iqn.x:demo", "bob", why);
}

static void
test_list(void)
{
	struct login_failure *all;
	struct logins *ls;
	char address[64];
	size_t n;

	CU_ASSERT_EQUAL_FATAL(logins_new(&ls), 0);
	CU_ASSERT_EQUAL_FATAL(logins_list(ls, &all, &n), 0);
	CU_ASSERT_EQUAL(n, 0);
	free(all);
	for (unsigned i = 0; i < LOGINS_KEPT + 7; i++) {
		(void)snprintf(address, sizeof(address), "192.0.2.1:%u", i);
		fail_n(ls, address, 1, ISCSI_REFUSED_SECRET);
	}
	CU_ASSERT_EQUAL_FATAL(logins_list(ls, &all, &n), 0);
	CU_ASSERT_EQUAL(n, LOGINS_KEPT);
	/* The oldest seven made room. */
	CU_ASSERT_STRING_EQUAL(all[0].address, "192.0.2.1:7");
	CU_ASSERT_STRING_EQUAL(all[LOGINS_KEPT - 1].address,
	    "192.0.2.1:106");
	CU_ASSERT_STRING_EQUAL(all[0].initiator, "iqn.x:host");
	CU_ASSERT_STRING_EQUAL(all[0].iqn, "iqn.x:demo");
	CU_ASSERT_STRING_EQUAL(all[0].user, "bob");
	CU_ASSERT_EQUAL(all[0].why, ISCSI_REFUSED_SECRET);
	CU_ASSERT(all[0].time_ns != 0 && all[0].time_ns <= all[99].time_ns);
	free(all);
	logins_free(ls);
}

static void
test_delay(void)
{
	static const unsigned want[] = { 0, 0, 0, 0, 250, 500, 1000, 2000,
	    3000, 3000 };
	struct logins *ls;
	char address[64];

	CU_ASSERT_EQUAL_FATAL(logins_new(&ls), 0);
	for (unsigned i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		CU_ASSERT_EQUAL(logins_delay_ms(ls, "192.0.2.1:9"), want[i]);
		(void)snprintf(address, sizeof(address), "192.0.2.1:%u", i);
		fail_n(ls, address, 1, ISCSI_REFUSED_USER);
	}
	fail_n(ls, "192.0.2.1:1", 1000, ISCSI_REFUSED_SECRET);
	CU_ASSERT_EQUAL(logins_delay_ms(ls, "192.0.2.1:9"), 3000);
	CU_ASSERT_EQUAL(logins_delay_ms(ls, "192.0.2.10:9"), 0);
	CU_ASSERT_EQUAL(logins_delay_ms(ls, "192.0.2.:1"), 0);
	logins_succeeded(ls, "192.0.2.1:5");
	CU_ASSERT_EQUAL(logins_delay_ms(ls, "192.0.2.1:9"), 0);

	fail_n(ls, "[2001:db8::1]:7", 5, ISCSI_REFUSED_NOT_ALLOWED);
	CU_ASSERT_EQUAL(logins_delay_ms(ls, "[2001:db8::1]:8"), 500);
	CU_ASSERT_EQUAL(logins_delay_ms(ls, "[2001:db8::2]:7"), 0);
	/* A server that is told to come back is no guesser. */
	fail_n(ls, "192.0.2.3:1", 9, ISCSI_REFUSED_REMOVED);
	fail_n(ls, "192.0.2.3:1", 9, ISCSI_REFUSED_NOT_READY);
	fail_n(ls, "192.0.2.3:1", 9, ISCSI_REFUSED_TIMEOUT);
	CU_ASSERT_EQUAL(logins_delay_ms(ls, "192.0.2.3:1"), 0);
	logins_free(ls);
}

/* Many addresses push out the quiet ones, and nothing else. */
static void
test_many(void)
{
	struct logins *ls;
	char address[64];

	CU_ASSERT_EQUAL_FATAL(logins_new(&ls), 0);
	for (unsigned i = 0; i < 3 * LOGINS_HOSTS; i++) {
		(void)snprintf(address, sizeof(address), "10.0.%u.%u:1",
		    i / 256, i % 256);
		fail_n(ls, address, 4, ISCSI_REFUSED_USER);
		CU_ASSERT_EQUAL(logins_delay_ms(ls, address), 250);
	}
	logins_free(ls);
}

static void
test_words(void)
{
	char host[LOGINS_ADDRESS_CAP];

	CU_ASSERT_STRING_EQUAL(logins_reason(ISCSI_REFUSED_SECRET),
	    "wrong-secret");
	for (int i = ISCSI_REFUSED_PROTOCOL; i <= ISCSI_REFUSED_SESSION; i++)
		CU_ASSERT_STRING_NOT_EQUAL(logins_reason(
		    (enum iscsi_refusal)i), "unknown");
	CU_ASSERT_STRING_EQUAL(logins_reason((enum iscsi_refusal)0),
	    "unknown");
	CU_ASSERT_STRING_EQUAL(logins_reason((enum iscsi_refusal)99),
	    "unknown");
	logins_host(host, "[::1]:3260");
	CU_ASSERT_STRING_EQUAL(host, "[::1]");
	logins_host(host, "local");
	CU_ASSERT_STRING_EQUAL(host, "local");
}

static const struct unit_test tests[] = {
	{ "the list", test_list },
	{ "delays", test_delay },
	{ "many addresses", test_many },
	{ "words", test_words },
};
UNIT_MAIN("target/logins", tests)
