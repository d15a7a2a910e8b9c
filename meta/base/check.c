/* SPDX-License-Identifier: BSD-2-Clause */
#include "meta/base/check.h"

#include <stdio.h>
#include <stdlib.h>

void
check_failed(const char *what, const char *file, int line, const char *func)
{

	(void)fprintf(stderr, "<0>assertion failed: %s at %s:%d (%s)\n", what,
	    file, line, func);
	abort();
}
