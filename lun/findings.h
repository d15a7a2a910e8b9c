/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * findings.h - a list of damage: what one run found, or the scrub, or what is
 * known of the store as a whole.
 *
 * Entries beyond VERIFY_LIST_MAX are counted and not kept.  Threads: who has it
 * locks it.
 */
#ifndef LUN_FINDINGS_H
#define LUN_FINDINGS_H

#include "lun/verify.h"

struct findings {
	struct verify_damage *list;
	size_t n, room;
	uint64_t n_damage, damaged_bytes, repaired, remade;
};

/* One more; what goes on where the last entry ended makes that one longer. */
void findings_add(struct findings *f, const struct verify_damage *d);

/*
 * The same, but what is a part of an entry already is not there twice: for
 * what several runs found.  ${n_run}: places that this run has found so far;
 * when the list is full nobody knows which of them are new, and the count is
 * that of the run that found most.
 */
void findings_join(struct findings *f, const struct verify_damage *d,
    uint64_t n_run);

/*
 * ${f} has the damage of ${from} and nothing else.
 * Errors: -ENOMEM, ${f} is as it was; not when there is none.
 */
int findings_copy(struct findings *f, const struct findings *from);

/* No damage; what was repaired stays counted. */
void findings_clear(struct findings *f);

void findings_fini(struct findings *f);

#endif /* !LUN_FINDINGS_H */
