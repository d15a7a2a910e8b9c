/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * unit.h - the few lines that every CUnit program shares.
 *
 *	static const struct unit_test tests[] = {
 *		{ "name", function }, ...
 *	};
 *	UNIT_MAIN("module", tests)
 *
 * The program exits 0 only when every assertion of every test held and at
 * least one assertion ran: a test that asserts nothing is a failure.
 */
#ifndef TESTS_LIB_UNIT_H
#define TESTS_LIB_UNIT_H

#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>
#include <stddef.h>
#include <stdio.h>

struct unit_test {
	const char *name;
	void (*fn)(void);
};

static inline int
unit_run(const char *suite, const struct unit_test *t, size_t n)
{
	CU_pSuite s;
	unsigned failed, ran;

	if (CU_initialize_registry() != CUE_SUCCESS)
		return (2);
	if ((s = CU_add_suite(suite, NULL, NULL)) == NULL)
		return (2);
	for (size_t i = 0; i < n; i++)
		if (CU_add_test(s, t[i].name, t[i].fn) == NULL)
			return (2);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	(void)CU_basic_run_tests();
	failed = CU_get_number_of_failures() + CU_get_number_of_tests_failed();
	ran = CU_get_number_of_asserts();
	CU_cleanup_registry();
	(void)fflush(stdout);
	return (failed == 0 && ran > 0 ? 0 : 1);
}

#define UNIT_MAIN(suite, tests)						\
int									\
main(void)								\
{									\
									\
	return (unit_run(suite, tests, sizeof(tests) / sizeof((tests)[0]))); \
}

#endif /* !TESTS_LIB_UNIT_H */
