/* SPDX-License-Identifier: BSD-2-Clause */
/* For builds in which a sanitizer owns the allocator. */
#include "tests/fault/inject.h"

bool
inject_has_memory(void)
{

	return (false);
}
