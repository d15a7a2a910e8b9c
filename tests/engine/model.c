/* SPDX-License-Identifier: BSD-2-Clause */
/* model.c - the model: content, comparing, and what is said on a difference. */
#include "tests/engine/model.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "meta/base/check.h"
#include "meta/base/clock.h"

#define WORDS (UNIT_BYTES / 8)

struct model *m;
struct lunset *ls;

static const char *const event_name[] = {
	"write", "zero", "compare-and-write", "create", "delete", "snapshot",
	"snapshot deleted", "expose", "unexpose", "dedup", "checkpoint", "gc",
	"verify", "open", "close", "abandon", "rebuild", "found to be"
};

struct model *
model_new(const struct m_conf *conf)
{
	size_t n = sizeof(struct model) + sizeof(token) * conf->lun_units *
	    MODEL_LUNS * (MODEL_SNAPS + 1);
	struct model *x = mmap(NULL, n, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	TT_ASSERT(x != MAP_FAILED);
	x->conf = *conf;
	x->start_ms = clock_mono_ms();
	x->next_token = 1;
	return (x);
}

uint64_t
rnd(uint64_t *s, uint64_t n)
{
	uint64_t x = (*s += 0x9e3779b97f4a7c15u);

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return ((x ^ (x >> 31)) % n);
}

uint64_t
rnd_stream(uint64_t generation_no, uint64_t who)
{

	return (m->conf.seed * 0x100000001b3u + generation_no * 131 +
	    who * 0x51ed2701u);
}

token *
units_of(unsigned lun, int snap)
{

	return (m->units + (size_t)m->conf.lun_units *
	    (lun * (MODEL_SNAPS + 1) + (unsigned)(snap + 1)));
}

uint64_t
unit_off_bytes(const struct m_lun *l, uint32_t unit)
{

	return (unit / l->cell_units * l->stride_bytes +
	    (uint64_t)(unit % l->cell_units) * UNIT_BYTES);
}

/* ---- content ------------------------------------------------------------ */

void
unit_fill(token t, uint8_t *buf)
{
	uint64_t w[WORDS], x = t * UINT64_C(0x9e3779b97f4a7c15) | 1;

	if (t == 0) {
		memset(buf, 0, UNIT_BYTES);
		return;
	}
	w[0] = t;
	for (size_t i = 1; i < WORDS; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		w[i] = x;
	}
	memcpy(buf, w, UNIT_BYTES);
}

bool
unit_is(token t, const uint8_t *buf)
{
	uint8_t want[UNIT_BYTES];

	unit_fill(t, want);
	return (memcmp(want, buf, UNIT_BYTES) == 0);
}

bool
unit_decode(const uint8_t *buf, token *out)
{
	token t;

	memcpy(&t, buf, sizeof(t));
	*out = t;
	return (unit_is(t, buf));
}

void
slow(enum m_slow what, uint64_t since_ms)
{
	const uint64_t ms = clock_mono_ms() - since_ms;

	if (ms > m->count.slow_ms[what])
		m->count.slow_ms[what] = ms;
}

/* ---- what happened ------------------------------------------------------ */

void
history(enum m_event kind, unsigned lun, uint32_t unit, uint32_t n, token tok)
{
	uint64_t no = atomic_fetch_add(&m->next_history, 1);

	m->history[no % HISTORY] = (struct m_history){ no + 1, kind, lun,
	    unit, n, tok };
}

static void
history_print(unsigned lun, uint32_t unit)
{
	uint64_t end = m->next_history;
	uint64_t from = end > HISTORY ? end - HISTORY : 0;

	(void)fprintf(stderr, "what happened to it (0..%llu are not known "
	    "any more):\n", (unsigned long long)from);
	for (uint64_t i = from; i < end; i++) {
		const struct m_history *h = &m->history[i % HISTORY];
		bool all = h->kind >= EV_CKPT && h->kind != EV_RESOLVED;
		bool hit = h->lun == lun && (h->n == 0 ||
		    (h->unit <= unit && unit < h->unit + h->n));

		if (!hit && (!all || i + 40 < end))
			continue;
		(void)fprintf(stderr, "  %llu %s", (unsigned long long)h->no,
		    event_name[h->kind]);
		if (h->n != 0)
			(void)fprintf(stderr, " units %u..%u (token at the "
			    "first: %llx)", h->unit, h->unit + h->n - 1,
			    (unsigned long long)h->tok);
		else if (!all)
			(void)fprintf(stderr, " %llu",
			    (unsigned long long)h->tok);
		(void)fprintf(stderr, "\n");
	}
}

static void
begin_fail(void)
{

	/* The first one speaks; the others wait for the end. */
	if (atomic_exchange(&m->failed, true))
		for (;;)
			(void)pause();
	(void)fprintf(stderr, "model: FAILED: seed %llu, generation %llu, "
	    "step %llu, store %s\nmodel: ", (unsigned long long)m->conf.seed,
	    (unsigned long long)m->generation,
	    (unsigned long long)m->count.steps, m->conf.store);
}

static _Noreturn void
end_fail(void)
{

	(void)fflush(NULL);
	if (getenv("TT_MODEL_ABORT") != NULL)
		abort();
	_exit(3);
}

void
fail(const char *fmt, ...)
{
	va_list ap;

	begin_fail();
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fprintf(stderr, "\n");
	history_print(UINT32_MAX, 0);
	end_fail();
}

static void
say(const char *what, token t)
{

	(void)fprintf(stderr, "%s %llx%s", what, (unsigned long long)t,
	    t == 0 ? " (zeroes)" : (t & ALPHA) != 0 ? " (alphabet)" : "");
}

void
fail_unit(struct lun_dev *dev, unsigned lun, int snap, uint32_t unit,
    token want, const uint8_t *buf, const char *what)
{
	const struct m_lun *l = &m->lun[lun];
	const uint64_t off = unit_off_bytes(l, unit);
	const uint64_t blk = off / l->info.block_bytes * l->info.block_bytes;
	uint8_t *again = malloc(l->info.block_bytes);
	struct eng e;
	token got;
	bool whole;

	begin_fail();
	(void)fprintf(stderr, "%s: LUN %s (slot %u, block %u, sector %u, "
	    "cell %u, stride %llu) snapshot %s, unit %u at byte %llu\n", what,
	    l->name, lun, l->info.block_bytes, l->info.sector_bytes,
	    l->cell_units, (unsigned long long)l->stride_bytes,
	    snap < 0 ? "-" : l->snap[snap].name, unit,
	    (unsigned long long)off);
	say("should hold", want);
	whole = unit_decode(buf, &got);
	say(whole ? ", holds" : ", holds garbage, first word", got);
	if (again != NULL && eng_init(&e, ls) == 0 && eng_io(&e, LUN_READ, 0, dev, blk, again,
	    l->info.block_bytes) == 0) {
		(void)unit_decode(again + off - blk, &got);
		say("; read again:", got);
		(void)fprintf(stderr, "\nits block now:");
		for (uint32_t i = 0; i < l->info.block_bytes; i += UNIT_BYTES) {
			whole = unit_decode(again + i, &got);
			say(blk + i == off ? " *" : "",
			    whole ? got : UINT64_MAX);
		}
	}
	(void)fprintf(stderr, "\n");
	history_print(lun, unit);
	end_fail();
}

/* ---- comparing ---------------------------------------------------------- */

static void
read_units(struct eng *e, struct lun_dev *dev, unsigned lun, int snap,
    uint32_t unit, uint32_t n, uint8_t *buf, const char *what)
{
	const struct m_lun *l = &m->lun[lun];
	int rc = eng_io(e, LUN_READ, 0, dev, unit_off_bytes(l, unit), buf,
	    (size_t)n * UNIT_BYTES);

	if (rc != 0)
		fail("%s: LUN %s (slot %u, number %llu, block %u) snapshot %s: "
		    "cannot read units %u..%u at byte %llu: %s", what, l->name,
		    lun, (unsigned long long)l->info.number,
		    l->info.block_bytes, snap < 0 ? "-" : l->snap[snap].name,
		    unit, unit + n - 1,
		    (unsigned long long)unit_off_bytes(l, unit),
		    strerror(-rc));
}

void
check_units(struct eng *e, struct lun_dev *dev, unsigned lun, int snap,
    uint32_t unit, uint32_t n, const char *what)
{
	const token *t = units_of(lun, snap);
	uint8_t *buf = malloc((size_t)n * UNIT_BYTES);

	TT_ASSERT(buf != NULL);
	read_units(e, dev, lun, snap, unit, n, buf, what);
	for (uint32_t i = 0; i < n; i++)
		if (!unit_is(t[unit + i], buf + (size_t)i * UNIT_BYTES))
			fail_unit(dev, lun, snap, unit + i, t[unit + i],
			    buf + (size_t)i * UNIT_BYTES, what);
	atomic_fetch_add(&m->count.verified_bytes, (uint64_t)n * UNIT_BYTES);
	free(buf);
}

static bool
part_has(const struct m_flight *f, uint32_t unit, token *out)
{

	for (unsigned i = 0; i < f->n_parts; i++) {
		const struct m_part *p = &f->part[i];

		if (unit < p->unit || unit - p->unit >= p->n)
			continue;
		*out = f->zero ? 0 : f->tok[unit - p->unit];
		return (true);
	}
	return (false);
}

/* May the unit be this, because something was under way? */
static bool
could_be(unsigned lun, int snap, uint32_t unit, const uint8_t *buf, token *out)
{
	const struct m_lun *l = &m->lun[lun];

	if (!unit_decode(buf, out))
		return (false);
	for (unsigned i = 0; snap >= 0 && i < l->n_alts; i++)
		if (l->alts[i].unit == unit && l->alts[i].tok == *out)
			return (true);
	for (unsigned i = 0; snap < 0 && i < MODEL_WORKERS; i++) {
		for (unsigned k = 0; k < MODEL_DEPTH; k++) {
			const struct m_flight *f = &m->flight[i][k];
			token t;

			if (f->active && f->lun == lun &&
			    part_has(f, unit, &t) && t == *out)
				return (true);
		}
	}
	return (false);
}

static void
check_cell(struct eng *e, struct lun_dev *dev, unsigned lun, int snap,
    uint32_t first, bool resolve, const char *what)
{
	const struct m_lun *l = &m->lun[lun];
	const uint32_t n = l->cell_units;
	uint8_t *buf = malloc((size_t)n * UNIT_BYTES);
	token *t = units_of(lun, snap), found;

	TT_ASSERT(buf != NULL);
	read_units(e, dev, lun, snap, first, n, buf, what);
	for (uint32_t i = 0; i < n; i++) {
		const uint8_t *b = buf + (size_t)i * UNIT_BYTES;

		if (unit_is(t[first + i], b))
			continue;
		if (!resolve || !could_be(lun, snap, first + i, b, &found))
			fail_unit(dev, lun, snap, first + i, t[first + i],
			    b, what);
		t[first + i] = found;
		atomic_fetch_add(&m->count.resolved, 1);
		if (snap < 0)
			history(EV_RESOLVED, lun, first + i, 1, found);
	}
	atomic_fetch_add(&m->count.verified_bytes, (uint64_t)n * UNIT_BYTES);
	free(buf);
}

/* What is between the cells was never written. */
static void
check_gap(struct eng *e, struct lun_dev *dev, unsigned lun, uint32_t cell)
{
	const struct m_lun *l = &m->lun[lun];
	const uint64_t used = (uint64_t)l->cell_units * UNIT_BYTES;
	uint8_t buf[4096];

	if (used + sizeof(buf) > l->stride_bytes)
		return;
	MUST(eng_io(e, LUN_READ, 0, dev, cell * l->stride_bytes + used, buf,
	    sizeof(buf)));
	for (size_t i = 0; i < sizeof(buf); i++)
		if (buf[i] != 0)
			fail("LUN %s: not zero behind cell %u", l->name, cell);
}

void
check_all(struct eng *e, unsigned lun, int snap, bool resolve,
    const char *what)
{
	const struct m_lun *l = &m->lun[lun];
	struct lun_dev *dev;

	MUST(lun_dev_open(ls, l->info.number,
	    snap < 0 ? LUN_HEAD : l->snap[snap].seq, &dev));
	for (uint32_t u = 0; u < l->n_units; u += l->cell_units)
		check_cell(e, dev, lun, snap, u, resolve, what);
	for (uint32_t c = 0; c < l->n_cells; c += 7)
		check_gap(e, dev, lun, c);
	lun_dev_close(dev);
}
