/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * workload_again.c - the first thing after a process that ended at once: what
 * is there?  When only the process died, all that it was told is there.
 */
#include "tests/crash/workload.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "meta/base/check.h"
#include "tests/crash/model.h"

static _Noreturn void
lost(const struct lun *l, const char *what)
{

	(void)fprintf(stderr, "workload: after the end of the process: LUN "
	    "%s (%u): %s\n", l->name, l->key, what);
	exit(1);
}

/* ---- exposures and snapshots ------------------------------------------- */

static void
exposure(struct lun *l, struct snap *s, uint64_t seq, bool there)
{
	struct exposure_info *ei = NULL;
	size_t n = 0;

	if (there ? s->exposed == NO : s->exposed == YES)
		lost(l, "exposure");
	s->exposed = there ? YES : NO;
	if (!there) {
		work_mark_snap(MARK_UNEXPOSE_DONE, l, s->name, 0, NULL);
		return;
	}
	work_must(lunset_exposures(work_ls, &ei, &n), "exposures");
	for (size_t i = 0; i < n; i++)
		if (ei[i].lun == l->info.number && ei[i].seq == seq)
			work_mark_snap(MARK_EXPOSE_DONE, l, s->name, 0,
			    ei[i].identity.uuid);
	free(ei);
}

static void
snapshots(struct lun *l)
{
	struct snap_info *si = NULL;
	size_t n = 0;

	work_must(lunset_snaps(work_ls, l->name, &si, &n), "snapshots");
	for (int i = 0; i < SNAPS; i++) {
		struct snap *s = &l->snap[i];
		size_t j = 0;

		if (s->state == NO)
			continue;
		while (j < n && strcmp(si[j].name, s->name) != 0)
			j++;
		if (j == n) {
			if (s->state == YES)
				lost(l, s->name);
			work_mark_snap(MARK_SNAP_DEL_DONE, l, s->name, 0,
			    NULL);
			s->state = s->exposed = NO;
			continue;
		}
		work_mark_snap(MARK_SNAP_DONE, l, s->name, si[j].seq, NULL);
		s->state = YES;
		exposure(l, s, si[j].seq, si[j].exposed);
	}
	free(si);
}

/* ---- content ------------------------------------------------------------ */

/*
 * Units on which nothing was in flight hold what was acknowledged last; the
 * others hold something that is taken as it is.
 */
static void
content(struct eng *e, struct lun *l)
{
	uint32_t sector = l->info.sector_bytes;
	struct lun_dev *dev;
	uint8_t buf[65536];
	uint64_t u = 0;

	work_must(lun_dev_open(work_ls, l->info.number, LUN_HEAD, &dev),
	    "open LUN");
	for (int w = 0; w < 2; w++)
		for (uint64_t at = 0; at < l->len[w]; at += sizeof(buf)) {
			uint64_t off = l->off[w] + at;

			work_must(eng_io(e, LUN_READ, 0, dev, off, buf,
			    sizeof(buf)), "read");
			for (uint64_t i = 0; i < sizeof(buf); i += sector) {
				uint64_t v = mark_content(buf + i, sector,
				    l->key, (off + i) / sector);

				if (v == CONTENT_FOREIGN || (v != l->cur[u] &&
				    !work_blocks(l, off + i, sector, -1)))
					lost(l, "content");
				l->cur[u++] = v;
			}
		}
	lun_dev_close(dev);
}

/* A write that was in flight and is there as a whole counts from now on. */
static void
in_flight(struct slot *s)
{
	const struct lun *l = s->l;
	uint32_t sector = l->info.sector_bytes;
	uint64_t first = 0, all = 0, there = 0;

	for (int w = 0; w < 2; w++) {
		for (uint64_t a = 0; a < l->len[w]; a += sector) {
			uint64_t off = l->off[w] + a;

			if (off < s->off || off >= s->off + s->len)
				continue;
			all++;
			if (l->cur[first + a / sector] ==
			    work_content(s, off - s->off))
				there++;
		}
		first += l->len[w] / sector;
	}
	if (all > 0 && there == all)
		work_mark((struct mark){ .kind = MARK_OP_DONE, .lun = l->key,
		    .op = s->op });
}

/* At most one change was under way. */
static void
props(struct lun *l)
{

	for (unsigned p = 0; p < PROPS; p++) {
		bool is = work_prop(l, (enum mark_prop)p);

		if (is != l->prop[p] && p != l->next_prop)
			lost(l, "a property");
		l->prop[p] = is;
		work_mark((struct mark){ .kind = MARK_PROP_DONE,
		    .lun = l->key, .op = p, .seq = is });
	}
	atomic_store(&l->write_through, l->prop[PROP_WRITE_THROUGH]);
}

/* ---- the whole ----------------------------------------------------------- */

static void
one_lun(struct eng *e, struct lun *l)
{
	struct mark k = { .kind = MARK_LUN_DONE, .lun = l->key };
	int rc = lunset_find(work_ls, l->name, &l->info);

	if (rc != 0) {
		if (rc != -ENOENT || l->state == YES)
			lost(l, "it is not there");
		k.kind = MARK_LUN_DEL_DONE;
		work_mark(k);
		l->state = NO;
		memset(l->cur, 0, sizeof(l->cur));
		memset(l->snap, 0, sizeof(l->snap));
		memset(l->prop, 0, sizeof(l->prop));
		atomic_store(&l->write_through, false);
		return;
	}
	k.seq = l->info.number;
	memcpy(k.uuid, l->info.identity.uuid, sizeof(k.uuid));
	work_mark(k);
	l->state = YES;
	(void)model_windows(l->info.size_bytes, l->info.sector_bytes, l->off,
	    l->len);
	props(l);
	snapshots(l);
	content(e, l);
}

void
work_again(struct eng *e)
{

	for (int i = 0; i < LUNS; i++) {
		struct lun *l = &work->lun[i];

		l->dev = NULL;
		l->used = false;
		l->in_flight = 0;
		if (l->state != NO)
			one_lun(e, l);
	}
	for (int i = 0; i < DEPTH; i++) {
		struct slot *s = &work->slot[i];

		if (s->used && !s->flush && s->l->state == YES)
			in_flight(s);
		s->used = false;
	}
	for (int i = 0; i < LUNS; i++)
		memset(work->lun[i].blk_busy, 0, BLOCKS_MAX);
}
