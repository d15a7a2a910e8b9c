/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The catalogue made anew from segments: whatever was done to a store, a copy
 * of it without its catalogue says the same after a rebuild as the original
 * does after an ordinary opening: every row, every root id, every byte.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "lun/lun_int.h"
#include "meta/base/bytes.h"
#include "meta/base/msg.h"
#include "meta/gc.h"
#include "tests/lib/unit.h"
#include "tests/unit/lun/engine.h"

#define MIB		(UINT64_C(1) << 20)
#define N_LUNS		4u
#define LUN_BYTES	(4 * MIB)
#define MAP_BYTES	(UINT64_C(1) << 30)

/* ---- copies ------------------------------------------------------------- */

static void
shell(const char *fmt, const char *a, const char *b)
{
	char cmd[512];

	(void)snprintf(cmd, sizeof(cmd), "%s '%s' '%s'", fmt, a, b);
	CU_ASSERT_EQUAL_FATAL(system(cmd), 0);
}

/* The same store in another folder; nobody has it open. */
static void
copy_of(const struct engine *e, struct engine *out)
{

	*out = (struct engine){ .conf = e->conf };
	(void)snprintf(out->dir, sizeof(out->dir), "%.50s.copy", e->dir);
	shell("cp -a --sparse=always", e->dir, out->dir);
	out->conf.store = out->dir;
}

static void
lose_catalog(const struct engine *e)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/catalog", e->dir);
	shell("rm -rf", path, path + strlen(path));
}

/* ---- everything that a catalogue says ------------------------------------ */

struct said {
	char *text;
	size_t len, room;
	enum cat_table tab;
};

static void
say(struct said *s, const void *p, size_t n)
{

	while (s->len + n > s->room) {
		s->room = s->room == 0 ? 65536 : 2 * s->room;
		s->text = realloc(s->text, s->room);
		CU_ASSERT_PTR_NOT_NULL_FATAL(s->text);
	}
	memcpy(s->text + s->len, p, n);
	s->len += n;
}

static int
say_row(void *arg, const uint8_t *key, size_t klen, const uint8_t *val,
    size_t vlen)
{
	struct said *s = arg;
	uint8_t head[4] = { (uint8_t)s->tab, (uint8_t)klen };
	struct root_row root;

	if (s->tab == CAT_STORE && (klen != strlen(NEXT_LUN_KEY) ||
	    memcmp(key, NEXT_LUN_KEY, klen) != 0))
		return (0);
	if (s->tab == CAT_ROOT) {
		/* Locators and the time of a fold may differ, ids may not. */
		CU_ASSERT_EQUAL_FATAL(root_row_dec(val, vlen, &root), 0);
		if (id_is_hole(&root.root.id))
			return (0);
		val += 8;
		vlen = 16;
	}
	put_be16(head + 2, (uint16_t)vlen);
	say(s, head, sizeof(head));
	say(s, key, klen);
	say(s, val, vlen);
	return (0);
}

static void
say_catalog(const struct engine *e, struct said *s)
{
	struct catalog *c;
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/catalog", e->dir);
	CU_ASSERT_EQUAL_FATAL(catalog_open_read_only(path, MAP_BYTES, &c), 0);
	for (unsigned t = CAT_STORE; t < CAT_TABLES; t++) {
		s->tab = (enum cat_table)t;
		if (!cat_is_derived(s->tab))
			CU_ASSERT_EQUAL(catalog_each(c, s->tab, say_row, s),
			    0);
	}
	catalog_close(c);
}

static void
say_bytes(struct engine *e, uint64_t lun, uint64_t seq, struct said *s)
{
	static uint8_t buf[1 << 20];
	struct lun_dev *d;

	CU_ASSERT_EQUAL_FATAL(lun_dev_open(e->ls, lun, seq, &d), 0);
	for (uint64_t off = 0; off < lun_dev_size_bytes(d); off += MIB) {
		struct id id;
		uint8_t b[16];

		CU_ASSERT_EQUAL_FATAL(engine_rw(e, d, LUN_READ, off, buf,
		    sizeof(buf), 0), 0);
		id = id_of(buf, sizeof(buf));
		put_be64(b, id.hi);
		put_be64(b + 8, id.lo);
		say(s, b, sizeof(b));
	}
	lun_dev_close(d);
}

static void
say_content(struct engine *e, struct said *s)
{
	struct lun_info *l;
	struct snap_info *sn;
	size_t n, k;

	CU_ASSERT_EQUAL_FATAL(lunset_list(e->ls, &l, &n), 0);
	for (size_t i = 0; i < n; i++) {
		say_bytes(e, l[i].number, LUN_HEAD, s);
		CU_ASSERT_EQUAL_FATAL(lunset_snaps(e->ls, l[i].name, &sn, &k),
		    0);
		for (size_t j = 0; j < k; j++)
			say_bytes(e, sn[j].lun, sn[j].seq, s);
		free(sn);
	}
	free(l);
}

/* Opens, so that the log is replayed; a checkpoint; closes. */
static void
say_store(struct engine *e, struct said *s)
{

	CU_ASSERT_EQUAL_FATAL(engine_open(e), 0);
	say_content(e, s);
	CU_ASSERT_EQUAL(lunset_checkpoint(e->ls), 0);
	CU_ASSERT_EQUAL_FATAL(engine_close(e), 0);
	say_catalog(e, s);
}

/*
 * ${e} is closed, or was left as by a crash; it is open again afterwards.
 */
static void
compare(struct engine *e)
{
	struct said is = { .len = 0 }, was = { .len = 0 };
	struct engine c;

	copy_of(e, &c);
	lose_catalog(&c);
	CU_ASSERT_EQUAL(engine_open(&c), -EUCLEAN);
	CU_ASSERT_EQUAL_FATAL(lunset_rebuild(&c.conf, false), 0);
	say_store(&c, &is);
	/* Again: what a rebuilt store has written is good for another one. */
	lose_catalog(&c);
	CU_ASSERT_EQUAL_FATAL(lunset_rebuild(&c.conf, false), 0);
	say_store(&c, &was);
	CU_ASSERT_TRUE(is.len == was.len &&
	    memcmp(is.text, was.text, is.len) == 0);
	engine_remove(&c);
	was.len = 0;
	say_store(e, &was);
	CU_ASSERT_TRUE(is.len > 0 && is.len == was.len &&
	    memcmp(is.text, was.text, is.len) == 0);
	free(is.text);
	free(was.text);
	CU_ASSERT_EQUAL_FATAL(engine_open(e), 0);
}

/* ---- a random life -------------------------------------------------------- */

struct life {
	struct engine e;
	unsigned rnd;
	unsigned serial;
};

static unsigned
rnd(struct life *f, unsigned below)
{

	f->rnd = f->rnd * 1103515245u + 12345u;
	return ((f->rnd >> 12) % below);
}

static const char *
lun_name(unsigned i)
{
	static char name[8];

	(void)snprintf(name, sizeof(name), "l%u", i);
	return (name);
}

static void
do_create(struct life *f, unsigned i)
{
	static const struct lun_user u[2] = {
		{ .user = "ini", .secret = "sealed", .secret_len = 6 },
		{ .mutual = true, .user = "we", .secret = "too",
		    .secret_len = 3 },
	};
	struct lun_params p = { .name = lun_name(i), .size_bytes = LUN_BYTES,
	    .block_bytes = i % 2 == 0 ? 4096 : 8192, .sector_bytes = 512,
	    .hold = i == 1, .users = u, .n_users = i % 3 };
	struct lun_info info;
	int rc = lunset_create(f->e.ls, &p, &info);

	CU_ASSERT_TRUE(rc == 0 || rc == -EEXIST);
}

static void
do_write(struct life *f, unsigned i)
{
	static uint8_t buf[256 << 10];
	struct lun_info info;
	struct lun_dev *d;
	uint64_t len = (1 + rnd(f, 32)) * 8192u;
	uint64_t off = rnd(f, (unsigned)((LUN_BYTES - len) / 8192)) * 8192u;
	struct lun_extent x = { off, len };

	if (lunset_find(f->e.ls, lun_name(i), &info) != 0)
		return;
	CU_ASSERT_EQUAL_FATAL(lun_dev_open(f->e.ls, info.number, LUN_HEAD,
	    &d), 0);
	for (size_t k = 0; k < len; k += 8)
		put_be64(buf + k, ((uint64_t)++f->serial << 32) | (k >> 13));
	if (rnd(f, 5) == 0)
		CU_ASSERT_EQUAL(engine_zero(&f->e, d, &x, 1), 0)
	else
		CU_ASSERT_EQUAL(engine_rw(&f->e, d, LUN_WRITE, off, buf, len,
		    0), 0);
	if (rnd(f, 4) == 0)
		CU_ASSERT_EQUAL(engine_flush(&f->e, d), 0);
	lun_dev_close(d);
}

/* A snapshot chosen by chance; false: there is none. */
static bool
some_snap(struct life *f, unsigned i, struct snap_info *out)
{
	struct snap_info *s;
	size_t n;

	if (lunset_snaps(f->e.ls, lun_name(i), &s, &n) != 0)
		return (false);
	if (n > 0)
		*out = s[rnd(f, (unsigned)n)];
	free(s);
	return (n > 0);
}

static void
do_snap(struct life *f, unsigned i)
{
	struct exposure_info x;
	struct snap_info s;
	char name[16];

	(void)snprintf(name, sizeof(name), "s%u", ++f->serial);
	switch (rnd(f, 5)) {
	case 0:
	case 1:
		(void)lunset_snapshot(f->e.ls, lun_name(i), name, &s);
		break;
	case 2:
		if (some_snap(f, i, &s))
			(void)lunset_snap_delete(f->e.ls, lun_name(i), s.name);
		break;
	case 3:
		if (some_snap(f, i, &s))
			(void)lunset_expose(f->e.ls, lun_name(i), s.name, &x);
		break;
	default:
		if (some_snap(f, i, &s))
			(void)lunset_unexpose(f->e.ls, lun_name(i), s.name);
		break;
	}
}

static void
do_access(struct life *f, unsigned i)
{
	const char *const who[] = { "iqn.2026-01.test:a",
	    "iqn.2026-01.test:b" };
	struct lun_user u = { .user = "more", .secret = "x", .secret_len = 1 };

	switch (rnd(f, 5)) {
	case 0:
		(void)lunset_allow(f->e.ls, lun_name(i), who, 1 + rnd(f, 2));
		break;
	case 1:
		(void)lunset_deny(f->e.ls, lun_name(i), who, 1);
		break;
	case 2:
		(void)lunset_user_add(f->e.ls, lun_name(i), &u);
		break;
	case 3:
		(void)lunset_user_remove(f->e.ls, lun_name(i), "more", false);
		break;
	default:
		(void)lunset_set_hold(f->e.ls, lun_name(i), rnd(f, 2) == 0);
		break;
	}
}

static void
do_end(struct life *f)
{

	switch (rnd(f, 3)) {
	case 0:
		CU_ASSERT_EQUAL_FATAL(engine_close(&f->e), 0);
		break;
	default:
		engine_abandon(&f->e);
		break;
	}
	if (rnd(f, 3) == 0)
		compare(&f->e);
	else
		CU_ASSERT_EQUAL_FATAL(engine_open(&f->e), 0);
}

static void
step(struct life *f)
{
	unsigned i = rnd(f, N_LUNS), what = rnd(f, 100);

	if (what < 50)
		do_write(f, i);
	else if (what < 62)
		do_create(f, i);
	else if (what < 82)
		do_snap(f, i);
	else if (what < 90)
		do_access(f, i);
	else if (what < 94)
		(void)lunset_delete(f->e.ls, lun_name(i), rnd(f, 2) == 0);
	else if (what < 97)
		CU_ASSERT_EQUAL(lunset_checkpoint(f->e.ls), 0)
	else if (what < 98)
		CU_ASSERT_EQUAL(store_gc(f->e.ls->store, true), 0)
	else
		do_end(f);
}

static void
test_lives(void)
{

	msg_set_level(MSG_ERR);
	for (unsigned seed = 1; seed <= 6; seed++) {
		struct life f = { .rnd = seed };

		CU_ASSERT_EQUAL_FATAL(engine_make(&f.e), 0);
		for (unsigned i = 0; i < 400; i++)
			step(&f);
		engine_abandon(&f.e);
		compare(&f.e);
		CU_ASSERT_EQUAL(engine_close(&f.e), 0);
		engine_remove(&f.e);
	}
}

/* ---- a store without a dump ----------------------------------------------- */

static void
test_young(void)
{
	struct life f = { .rnd = 7 };

	CU_ASSERT_EQUAL_FATAL(engine_make(&f.e), 0);
	engine_abandon(&f.e);
	/* Nothing was ever written: no segments. */
	lose_catalog(&f.e);
	CU_ASSERT_EQUAL(lunset_rebuild(&f.e.conf, false), -EUCLEAN);
	CU_ASSERT_EQUAL_FATAL(lunset_rebuild(&f.e.conf, true), 0);
	CU_ASSERT_EQUAL_FATAL(engine_open(&f.e), 0);
	do_create(&f, 0);
	for (unsigned i = 0; i < 30; i++)
		do_write(&f, 0);
	engine_abandon(&f.e);
	compare(&f.e);
	CU_ASSERT_EQUAL(engine_close(&f.e), 0);
	engine_remove(&f.e);
}

/* ---- refusals --------------------------------------------------------------- */

static void
test_refusals(void)
{
	struct life f = { .rnd = 11 };
	struct stat st;
	char path[128];

	CU_ASSERT_EQUAL_FATAL(engine_make(&f.e), 0);
	do_create(&f, 0);
	do_write(&f, 0);
	CU_ASSERT_EQUAL(lunset_rebuild(&f.e.conf, true), -EBUSY);
	CU_ASSERT_EQUAL(lunset_rebuild(&f.e.conf, false), -EBUSY);
	CU_ASSERT_EQUAL_FATAL(engine_close(&f.e), 0);
	CU_ASSERT_EQUAL(lunset_check(&f.e.conf), 0);
	CU_ASSERT_EQUAL(lunset_rebuild(&f.e.conf, false), -EEXIST);
	CU_ASSERT_EQUAL(lunset_rebuild(&f.e.conf, true), 0);
	(void)snprintf(path, sizeof(path), "%s/catalog.new", f.e.dir);
	CU_ASSERT_EQUAL(stat(path, &st), -1);
	/* One that is there, and rubbish. */
	(void)snprintf(path, sizeof(path), "%s/catalog/data.mdb", f.e.dir);
	CU_ASSERT_EQUAL_FATAL(truncate(path, 0), 0);
	CU_ASSERT_EQUAL_FATAL(truncate(path, 65536), 0);
	CU_ASSERT_EQUAL(lunset_check(&f.e.conf), -EUCLEAN);
	CU_ASSERT_EQUAL(lunset_rebuild(&f.e.conf, false), 0);
	compare(&f.e);
	CU_ASSERT_EQUAL(engine_close(&f.e), 0);
	engine_remove(&f.e);
}

/* ---- damage ------------------------------------------------------------------ */

/* The newest log segment that has a record of this kind and these flags. */
struct seen {
	uint64_t off_bytes;
	char path[128];
};

static bool
find_record(const struct engine *e, enum rec_kind kind, uint8_t flags,
    unsigned nth, struct seen *out)
{
	static uint8_t img[2u << 20];
	unsigned n = 0;

	for (uint32_t s = 200; s > 0; s--) {
		struct seg_header h;
		struct rec r;
		char path[128];
		int fd;
		ssize_t len;

		(void)snprintf(path, sizeof(path), "%s/seg/%02x/%08x", e->dir,
		    s & 0xff, s);
		if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
			continue;
		len = pread(fd, img, sizeof(img), 0);
		(void)close(fd);
		if (len < (ssize_t)SEG_HEADER_BYTES ||
		    seg_header_dec(img, &h) != 0 || h.kind != SEG_LOG)
			continue;
		for (size_t off = (size_t)len & ~(size_t)511;
		    (off -= 512) >= SEG_HEADER_BYTES; )
			if (rec_dec(img + off, (size_t)len - off, h.nonce, &r,
			    NULL) == 0 && r.kind == kind &&
			    (r.flags & flags) == flags && n++ == nth) {
				memcpy(out->path, path, sizeof(path));
				out->off_bytes = off;
				return (true);
			}
	}
	return (false);
}

static void
flip(const struct seen *s, uint64_t at)
{
	int fd = open(s->path, O_RDWR | O_CLOEXEC);
	uint8_t b;

	CU_ASSERT_TRUE_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(pread(fd, &b, 1, (off_t)(s->off_bytes + at)), 1);
	b ^= 0x10;
	CU_ASSERT_EQUAL(pwrite(fd, &b, 1, (off_t)(s->off_bytes + at)), 1);
	(void)close(fd);
}

static void
lived(struct life *f)
{

	CU_ASSERT_EQUAL_FATAL(engine_make(&f->e), 0);
	do_create(f, 0);
	for (unsigned k = 0; k < 4; k++) {
		for (unsigned i = 0; i < 10; i++)
			do_write(f, 0);
		CU_ASSERT_EQUAL(lunset_checkpoint(f->e.ls), 0);
	}
	for (unsigned i = 0; i < 5; i++)
		do_write(f, 0);
	engine_abandon(&f->e);
}

/* A record that replay needs: no guess is made. */
static void
test_damaged_log(void)
{
	struct life f = { .rnd = 3 };
	struct seen s;

	lived(&f);
	lose_catalog(&f.e);
	CU_ASSERT_TRUE_FATAL(find_record(&f.e, REC_DATA, 0, 6, &s));
	flip(&s, 17);
	CU_ASSERT_EQUAL(lunset_rebuild(&f.e.conf, false), -EUCLEAN);
	flip(&s, 17);
	CU_ASSERT_EQUAL(lunset_rebuild(&f.e.conf, false), 0);
	compare(&f.e);
	CU_ASSERT_EQUAL(engine_close(&f.e), 0);
	engine_remove(&f.e);
}

/* A dump that has rotted: the one before, or the log from its start. */
static void
test_damaged_dump(void)
{
	struct life f = { .rnd = 4 };
	struct seen s;

	lived(&f);
	CU_ASSERT_TRUE_FATAL(find_record(&f.e, REC_CATALOG, REC_F_DUMP, 0,
	    &s));
	flip(&s, 512 + 70);
	compare(&f.e);
	CU_ASSERT_EQUAL(engine_close(&f.e), 0);
	engine_remove(&f.e);
}

/* Makes a second dump: a rebuilt store makes one with its first checkpoint. */
static void
live_on(struct life *f)
{

	lived(f);
	lose_catalog(&f->e);
	CU_ASSERT_EQUAL_FATAL(lunset_rebuild(&f->e.conf, false), 0);
	CU_ASSERT_EQUAL_FATAL(engine_open(&f->e), 0);
	for (unsigned i = 0; i < 60; i++)
		do_write(f, 0);
	CU_ASSERT_EQUAL(lunset_checkpoint(f->e.ls), 0);
}

/* The first two segments of nodes, as if space had been reclaimed. */
static void
remove_nodes(const struct engine *e)
{
	uint8_t head[SEG_HEADER_BYTES];
	struct seg_header h;
	char path[128];
	unsigned n = 0;
	int fd;

	for (uint32_t s = 1; s < 200 && n < 2; s++) {
		(void)snprintf(path, sizeof(path), "%s/seg/%02x/%08x", e->dir,
		    s & 0xff, s);
		if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
			continue;
		if (pread(fd, head, sizeof(head), 0) == sizeof(head) &&
		    seg_header_dec(head, &h) == 0 && h.kind == SEG_NODES) {
			CU_ASSERT_EQUAL(unlink(path), 0);
			n++;
		}
		(void)close(fd);
	}
	CU_ASSERT_EQUAL(n, 2);
}

/*
 * Two dumps, the newer one rotten: the older one will do as long as all that
 * it refers to is there.
 */
static void
test_two_dumps(void)
{
	struct life f = { .rnd = 6 };
	struct engine c;
	struct seen s;

	live_on(&f);
	engine_abandon(&f.e);
	CU_ASSERT_TRUE_FATAL(find_record(&f.e, REC_CATALOG, REC_F_DUMP, 0,
	    &s));
	flip(&s, 512 + 70);
	copy_of(&f.e, &c);
	lose_catalog(&c);
	remove_nodes(&c);
	CU_ASSERT_EQUAL(lunset_rebuild(&c.conf, false), -EUCLEAN);
	engine_remove(&c);
	compare(&f.e);
	CU_ASSERT_EQUAL(engine_close(&f.e), 0);
	engine_remove(&f.e);
}

/* With blocks moved, segments freed and used again. */
static void
test_after_gc(void)
{
	struct life f = { .rnd = 8 };
	struct gc_state g;

	live_on(&f);
	for (unsigned k = 0; k < 4; k++) {
		for (unsigned i = 0; i < 40; i++)
			do_write(&f, 0);
		do_snap(&f, 0);
		CU_ASSERT_EQUAL(store_gc(f.e.ls->store, true), 0);
		CU_ASSERT_EQUAL(lunset_checkpoint(f.e.ls), 0);
		store_gc_state(f.e.ls->store, &g);
		CU_ASSERT_TRUE(k == 0 || g.freed_bytes > 0);
		for (unsigned i = 0; i < 5; i++)
			do_write(&f, 0);
		if (k % 2 == 0)
			engine_abandon(&f.e);
		else
			CU_ASSERT_EQUAL_FATAL(engine_close(&f.e), 0);
		compare(&f.e);
	}
	CU_ASSERT_EQUAL(engine_close(&f.e), 0);
	engine_remove(&f.e);
}

/* A segment of the log that is gone. */
static void
test_lost_segment(void)
{
	struct life f = { .rnd = 5 };
	struct seen s;

	lived(&f);
	lose_catalog(&f.e);
	CU_ASSERT_TRUE_FATAL(find_record(&f.e, REC_CATALOG, REC_F_DUMP, 0,
	    &s));
	CU_ASSERT_EQUAL(unlink(s.path), 0);
	CU_ASSERT_EQUAL(lunset_rebuild(&f.e.conf, false), -EUCLEAN);
	CU_ASSERT_EQUAL(engine_open(&f.e), -EUCLEAN);
	engine_remove(&f.e);
}

static const struct unit_test tests[] = {
	{ "a store without a dump", test_young },
	{ "refused", test_refusals },
	{ "a damaged record that is needed", test_damaged_log },
	{ "a damaged dump", test_damaged_dump },
	{ "a damaged dump and an older one", test_two_dumps },
	{ "after space was reclaimed", test_after_gc },
	{ "a lost segment", test_lost_segment },
	{ "random lives", test_lives },
};
UNIT_MAIN("rebuild", tests)
