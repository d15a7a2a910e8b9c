/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * scrub.c - when everything is to be read again, and where that was when the
 * daemon ended.
 *
 * Row "scrub" of CAT_STORE:
 * off len
 *   0   1  row format = 1
 *   1   1  1: a pass is under way; 0: none
 *   2   6  zero
 *   8   8  when the last whole pass ended, ns UTC; 0 = never
 *  16   8  under way: when it began
 *  24   8  under way: LUN, everything before which is done
 *  32   8  under way: seq of the snapshot; all ones: the LUN itself
 *  40   8  under way: block
 *
 * Crash: an older row stays; what was read since is read again.
 */
#include <errno.h>
#include <string.h>

#include "lun/verify_int.h"
#include "meta/base/bytes.h"
#include "meta/base/clock.h"
#include "meta/base/msg.h"
#include "meta/item.h"

#define SAVE_MS		600000u		/* seldom: each is a synced record */
#define LOOK_MS		60000u

void
scrub_row_enc(const struct scrub_row *r, uint8_t out[static SCRUB_ROW_LEN])
{

	memset(out, 0, SCRUB_ROW_LEN);
	out[0] = 1;
	out[1] = r->under_way;
	put_be64(out + 8, r->done_ns);
	if (!r->under_way)
		return;
	put_be64(out + 16, r->begun_ns);
	put_be64(out + 24, r->lun);
	put_be64(out + 32, r->seq);
	put_be64(out + 40, r->blk);
}

int
scrub_row_dec(const uint8_t *val, size_t vlen, struct scrub_row *out)
{
	struct scrub_row r = { .under_way = false };

	if (vlen != SCRUB_ROW_LEN || val[0] != 1 || val[1] > 1)
		return (-EILSEQ);
	for (unsigned i = 2; i < 8; i++)
		if (val[i] != 0)
			return (-EILSEQ);
	r.under_way = val[1] == 1;
	r.done_ns = get_be64(val + 8);
	r.begun_ns = get_be64(val + 16);
	r.lun = get_be64(val + 24);
	r.seq = get_be64(val + 32);
	r.blk = get_be64(val + 40);
	if (!r.under_way && (r.begun_ns | r.lun | r.seq | r.blk) != 0)
		return (-EILSEQ);
	*out = r;
	return (0);
}

int
scrub_row_put(struct verifier *v, const uint8_t *val, size_t vlen)
{
	struct scrub_row r;
	int rc;

	if ((rc = scrub_row_dec(val, vlen, &r)) != 0)
		return (rc);
	/* What comes later comes from here. */
	lk_lock(&v->lk);
	if (!v->started)
		v->scrub = r;
	lk_unlock(&v->lk);
	return (0);
}

bool
scrub_due(const struct verifier *v, uint64_t opened_ms, uint64_t *out_wait_ms)
{
	uint64_t now = clock_mono_ms(), begin = opened_ms + v->scrub_delay_ms;
	uint64_t age_s;

	*out_wait_ms = LOOK_MS;
	if (v->scrub_every_s == 0)
		return (false);
	if (now < begin) {
		*out_wait_ms = TT_MIN(begin - now, LOOK_MS);
		return (false);
	}
	if (v->scrub.under_way)
		return (true);
	age_s = (clock_utc_ns() - v->scrub.done_ns) / 1000000000;
	return (age_s >= v->scrub_every_s);
}

void
scrub_begin(struct verifier *v)
{

	lk_lock(&v->lk);
	if (!v->scrub.under_way)
		v->scrub = (struct scrub_row){ .under_way = true,
		    .done_ns = v->scrub.done_ns, .begun_ns = clock_utc_ns() };
	v->state.scrub_permille = 0;
	lk_unlock(&v->lk);
}

static bool
same(const struct scrub_row *a, const struct scrub_row *b)
{

	return (a->under_way == b->under_way && a->done_ns == b->done_ns &&
	    a->lun == b->lun && a->seq == b->seq && a->blk == b->blk);
}

void
scrub_save(struct verifier *v, bool at_once)
{
	struct row row = { .tab = CAT_STORE, .klen = strlen(SCRUB_KEY),
	    .vlen = SCRUB_ROW_LEN };
	struct lunset *ls = v->ls;
	struct scrub_row now;
	struct manage c;
	int rc;

	lk_lock(&v->lk);
	now = v->scrub;
	lk_unlock(&v->lk);
	if (same(&now, &v->saved) || (!at_once &&
	    clock_mono_ms() < v->saved_ms + SAVE_MS))
		return;
	/* Also when it fails: then it is tried again no sooner. */
	v->saved_ms = clock_mono_ms();
	memcpy(row.key, SCRUB_KEY, row.klen);
	scrub_row_enc(&now, row.val);
	lk_lock(&ls->admin_lk);
	if ((rc = manage_begin(ls, REC_CATALOG, &c)) == 0) {
		row_put_item(&c.w, &row);
		rc = manage_end(&c);
	}
	lk_unlock(&ls->admin_lk);
	if (rc == 0)
		v->saved = now;
	else
		msg_debug("scrub: its place could not be kept (%d)", rc);
}

void
scrub_done(struct verifier *v)
{

	lk_lock(&v->lk);
	v->scrub = (struct scrub_row){ .done_ns = clock_utc_ns() };
	v->state.scrub_permille = 0;
	lk_unlock(&v->lk);
	scrub_save(v, true);
}
