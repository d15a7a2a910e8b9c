/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * seeds_store.c - inputs that are taken from a real store, which has been
 * through checkpoints, snapshots, duplicates and a space reclaim.
 */
#include "tests/fuzz/seeds.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lun/lun.h"
#include "meta/base/bytes.h"
#include "meta/base/check.h"
#include "meta/base/rnd.h"
#include "meta/catalog.h"
#include "meta/rec.h"
#include "meta/segscan.h"
#include "tests/lib/eng.h"
#include "tests/unit/meta/tmpdir.h"

#define SEGMENT		(2u << 20)
#define BLOCK		4096u
#define IMAGE		(12u << 10)

static struct tmpdir dir;
static char store[PATH_MAX];
static unsigned n_of[4];		/* images of each kind */

static void
write_some(struct eng *e, struct lun_dev *dev, unsigned version, unsigned step)
{
	uint8_t buf[BLOCK];

	for (unsigned b = 0; b < 600; b += step) {
		memset(buf, (int)(b % 97 + version), sizeof(buf));
		put_be32(buf, b % 300);
		TT_ASSERT(eng_io(e, LUN_WRITE, 0, dev, (uint64_t)b * BLOCK,
		    buf, BLOCK) == 0);
	}
}

static void
make_store(void)
{
	struct lunset_conf c = { .store = store, .segment_bytes = SEGMENT,
	    .checkpoint_ms = 3600000, .memory_bytes = 32u << 20 };
	struct lun_params p = { .name = "one", .size_bytes = 1u << 30,
	    .block_bytes = BLOCK, .sector_bytes = 512, .open = true };
	struct lun_info li;
	struct snap_info si;
	struct lun_dev *dev;
	struct lunset *ls;
	struct eng e;

	TT_ASSERT(lunset_init(&c) == 0 && lunset_open(&c, &ls) == 0);
	TT_ASSERT(lunset_create(ls, &p, &li) == 0 && eng_init(&e, ls) == 0);
	TT_ASSERT(lun_dev_open(ls, li.number, LUN_HEAD, &dev) == 0);
	for (unsigned v = 1; v < 6; v++) {
		write_some(&e, dev, v, v);
		TT_ASSERT(lunset_snapshot(ls, "one", NULL, &si) == 0);
		TT_ASSERT(lunset_checkpoint(ls) == 0);
		if (v == 1)
			TT_ASSERT(lunset_snap_delete(ls, "one", si.name) == 0);
	}
	TT_ASSERT(eng_zero(&e, dev, 0, 2u << 20) == 0);
	TT_ASSERT(lunset_checkpoint(ls) == 0);
	TT_ASSERT(lunset_gc(ls, true) == 0 && lunset_gc(ls, true) == 0);
	lun_dev_close(dev);
	eng_fini(&e);
	TT_ASSERT(lunset_close(ls) == 0);
}

/* The begin of the first two segments of each kind. */
static int
segment_image(void *arg, uint32_t number)
{
	struct seg *s;
	struct seg_header h;
	uint8_t buf[IMAGE], how = 1;
	char name[32];

	TT_ASSERT(segs_get(arg, number, &s) == 0);
	TT_ASSERT(seg_read(s, buf, SEG_HEADER_BYTES, 0) == 0);
	TT_ASSERT(seg_header_dec(buf, &h) == 0);
	if (seg_read(s, buf, sizeof(buf), 0) == 0 && n_of[h.kind]++ < 2) {
		seeds_add(&how, 1);
		seeds_add(buf, sizeof(buf));
		(void)snprintf(name, sizeof(name), "kind-%u-%u",
		    (unsigned)h.kind, n_of[h.kind]);
		seeds_save("seg", name);
	}
	seg_put(s);
	return (0);
}

struct rows {
	uint8_t tab;
	unsigned n;
};

static int
one_row(void *arg, const uint8_t *key, size_t klen, const uint8_t *val,
    size_t vlen)
{
	struct rows *r = arg;
	const uint8_t head[3] = { r->tab, (uint8_t)klen, (uint8_t)vlen };

	seeds_add(head, sizeof(head));
	seeds_add(key, klen);
	seeds_add(val, vlen);
	return (++r->n == 4 ? 1 : 0);
}

/* In the order in which the target numbers its tables. */
static void
rows(void)
{
	static const enum cat_table tables[] = { CAT_MOVED, CAT_SEGMENT,
		CAT_DEDUP, CAT_STORE, CAT_ROOT };
	struct catalog *cat;
	char path[PATH_MAX], name[16];

	(void)snprintf(path, sizeof(path), "%.4000s/catalog", store);
	TT_ASSERT(catalog_open_read_only(path, 64u << 20, &cat) == 0);
	for (uint8_t i = 0; i < 5; i++) {
		struct rows r = { .tab = i };

		(void)catalog_each(cat, tables[i], one_row, &r);
		(void)snprintf(name, sizeof(name), "table-%u", tables[i]);
		if (r.n > 0)
			seeds_save("catrow", name);
	}
	catalog_close(cat);
}

/* One patch in each record of each segment, in each way to open the store. */
static void
patches(void)
{
	static const uint8_t change[4] = { 0xff, 0, 1, 0x80 };
	char name[32];

	for (uint8_t how = 0; how < 8; how++) {
		for (uint8_t rec = 0; rec < 40; rec++) {
			const uint8_t head[6] = { (uint8_t)(rec / 6), rec,
			    rec & 1, 0, (uint8_t)(rec * 5), 2 };

			if (rec % 8 == 0)
				seeds_add(&how, 1);
			seeds_add(head, sizeof(head));
			seeds_add(change + rec % 3, 2);
			if (rec % 8 != 7)
				continue;
			(void)snprintf(name, sizeof(name), "how-%u-%u", how,
			    rec / 8);
			seeds_save("store", name);
		}
	}
	for (uint8_t how = 0; how < 8; how++) {
		static const uint8_t dist[8] = { 0, 9, 0, 3, 1, 99, 0, 60 };

		seeds_add(&how, 1);
		seeds_add(dist, how < 4 ? 0 : sizeof(dist));
		for (uint8_t i = 1; i < 30; i++) {
			const uint8_t p[5] = { i, (uint8_t)(16 + i * 6), i, 1,
			    (uint8_t)(i * 17) };

			seeds_add(p, sizeof(p));
		}
		(void)snprintf(name, sizeof(name), "how-%u", how);
		seeds_save("node", name);
	}
}

void
seeds_store(void)
{
	static const uint8_t boot[16] = "a boot of a box";
	struct segs *ss;

	/* Which machine made them is nobody's business. */
	rnd_fake_boot_id(boot);
	tmpdir_prefer_memory();
	tmpdir_make(&dir);
	(void)snprintf(store, sizeof(store), "%.4000s/store", dir.path);
	make_store();
	TT_ASSERT(segs_open_read_only(store, SEGMENT, 8, false, &ss) == 0);
	TT_ASSERT(segs_list(ss, segment_image, ss) == 0);
	segs_close(ss);
	rows();
	patches();
	tmpdir_remove(&dir);
}
