/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * recoverend.c - behind the replay: what was found, make it durable, clean up.
 */
#include <stdlib.h>
#include <string.h>

#include "meta/base/msg.h"
#include "meta/recover_int.h"

struct log_pos
recovery_end(const struct recovery *rv)
{

	return (rv->pos);
}

uint64_t
recovery_max_epoch(const struct recovery *rv)
{

	return (rv->max_epoch);
}

uint32_t
recovery_max_segment(const struct recovery *rv)
{

	return (rv->max_segment);
}

bool
recovery_damaged(const struct recovery *rv)
{

	return (rv->damaged);
}

uint64_t
recovery_records(const struct recovery *rv)
{

	return (rv->n_records);
}

uint64_t
recovery_bytes(const struct recovery *rv)
{

	return (rv->bytes);
}

void
recovery_boot_id(const struct recovery *rv, uint8_t out[static 16])
{
	uint32_t newest = 0;

	memset(out, 0, 16);
	for (size_t i = 0; i < rv->n_cands; i++) {
		const struct cand *c = &rv->cands[i];

		/* Numbers rise along the chain. */
		if (!c->in_chain || c->h.number < newest)
			continue;
		newest = c->h.number;
		memcpy(out, c->h.boot_id, 16);
	}
}

int
recovery_sync(struct recovery *rv)
{
	struct seg *s;
	int rc;

	for (size_t i = 0; i < rv->n_cands; i++) {
		if (!rv->cands[i].in_chain)
			continue;
		rc = segs_get(rv->conf.segs, rv->cands[i].h.number, &s);
		if (rc != 0)
			return (rc);
		rc = seg_sync(s);	/* its name as well */
		seg_put(s);
		if (rc != 0)
			return (rc);
	}
	return (0);
}

static void
cut_tail(struct recovery *rv, uint32_t number, uint32_t end_sectors)
{
	uint32_t page = (end_sectors + PAGE_SECTORS - 1) & ~(PAGE_SECTORS - 1);
	struct seg *s;
	int rc;

	if ((rc = segs_get(rv->conf.segs, number, &s)) == 0) {
		rc = seg_cut_tail(s, (uint64_t)page * SECTOR_BYTES);
		seg_put(s);
	}
	if (rc != 0)
		msg_warn("segment %u: its unused tail stays (%d)", number, rc);
}

static void
drop(struct recovery *rv, uint32_t number, void (*gone)(void *, uint32_t),
    void *arg)
{
	int rc = segs_remove(rv->conf.segs, number);

	if (rc == 0)
		gone(arg, number);
	else
		msg_warn("segment %u: not removed (%d)", number, rc);
}

/*
 * No header is what a file has that was prepared and not used yet.  But a disk
 * may also lose the write of one, and what the blocks and nodes behind it are
 * is known without it.
 */
static bool
is_bare(const struct recovery *rv, const struct other *o)
{

	return (o->what == OTHER_UNUSED && rv->conf.in_use != NULL &&
	    rv->conf.in_use(rv->conf.arg, o->number));
}

/*
 * Crash: each step is harmless by itself: the next opening finds less to do.
 */
void
recovery_clean(struct recovery *rv, void (*gone)(void *, uint32_t), void *arg)
{
	uint32_t node = rv->conf.node_segment;

	for (size_t i = 0; i < rv->n_cands; i++) {
		struct cand *c = &rv->cands[i];

		if (c->h.number == rv->pos.segment)
			cut_tail(rv, c->h.number, c->end_sectors);
		else if (!c->in_chain || c->end_sectors == SEG_HEADER_SECTORS)
			drop(rv, c->h.number, gone, arg);
	}
	for (size_t i = 0; i < rv->n_others; i++) {
		struct other *o = &rv->others[i];

		if (o->what == OTHER_DAMAGED)
			msg_warn("segment %u has a damaged header and is not "
			    "in use: it is left alone", o->number);
		else if (is_bare(rv, o))
			msg_err("segment %u has lost its header and is in use: "
			    "it is left alone", o->number);
		else if (o->what == OTHER_UNUSED ||
		    node == 0 || o->number > node + 1)
			drop(rv, o->number, gone, arg);
	}
	if (node != 0) {
		cut_tail(rv, node, rv->conf.node_end_sectors);
		cut_tail(rv, node + 1, rv->conf.node_end_sectors);
	}
}

void
recovery_free(struct recovery *rv)
{

	if (rv == NULL)
		return;
	free(rv->cands);
	free(rv->others);
	free(rv->img);
	free(rv);
}
