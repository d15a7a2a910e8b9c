/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * workload_did.c - has the workload made the store do all that is to be cut?
 */
#include "tests/crash/workload.h"

#include <stdio.h>

/* What the store has done besides; a test asks whether there was any. */
void
work_did_count(void)
{
	struct lunset_status ss;

	lunset_status(work_ls, &ss);
	work->did.shared += ss.dedup.shared_bytes;
	work->did.freed += ss.gc.freed_bytes;
	work->did.moved += ss.gc.moved_bytes;
	work->did.punched += ss.gc.punched_bytes;
}

bool
work_did_all(void)
{

	return (work->did.shared > 0 && work->did.freed > 0 &&
	    work->did.moved > 0 && work->did.punched > 0 &&
	    work->did.repairs > 0 && work->did.remade > 0 &&
	    work->did.rebuilds > 0 && work->did.released > 0);
}

void
work_did_tell(void)
{

	(void)printf("workload: %llu KiB shared, %llu freed, %llu moved, %llu "
	    "of holes; %u copies of nodes repaired, %u lost files made "
	    "again, %u rebuilds, reserve released %u times\n",
	    (unsigned long long)work->did.shared >> 10,
	    (unsigned long long)work->did.freed >> 10,
	    (unsigned long long)work->did.moved >> 10,
	    (unsigned long long)work->did.punched >> 10, work->did.repairs,
	    work->did.remade, work->did.rebuilds, work->did.released);
}
