/* SPDX-License-Identifier: BSD-2-Clause */
/* model_io.c - a worker of the model: operations on its own cells. */
#include "tests/engine/model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "meta/base/check.h"
#include "meta/base/clock.h"

#define CELLS_MAX	4096u
#define COMPARE_UNITS	128u

enum what { DO_READ, DO_READ_OTHER, DO_WRITE, DO_ZERO, DO_COMPARE,
	DO_MISMATCH, DO_FLUSH };

struct slot {
	struct eng_io io;
	struct m_worker *w;
	struct m_flight *f;
	uint8_t *buf;
	bool used;
	enum what what;
	unsigned lun;
	uint32_t cell[MODEL_PARTS];
	unsigned n_cells;
	struct lun_extent ext[MODEL_PARTS + 1];
	uint64_t bad_off, from_ms;
};

struct m_worker {
	struct eng e;
	unsigned number, of;
	uint64_t rnd;
	struct lun_dev *dev[MODEL_LUNS];
	unsigned in_flight[MODEL_LUNS];
	bool busy[MODEL_LUNS][CELLS_MAX];
	struct slot slot[MODEL_DEPTH];
};

/* ---- done ----------------------------------------------------------------- */

static void
apply(const struct m_flight *f)
{
	token *t = units_of(f->lun, -1);

	for (unsigned i = 0; i < f->n_parts; i++) {
		const struct m_part *p = &f->part[i];

		for (uint32_t k = 0; k < p->n; k++)
			t[p->unit + k] = f->zero ? 0 : f->tok[k];
	}
}

static void
read_done(struct slot *s)
{
	const struct m_part *p = &s->f->part[0];
	const token *t = units_of(s->lun, -1) + p->unit;
	token got;

	for (uint32_t i = 0; i < p->n; i++) {
		const uint8_t *b = s->buf + (size_t)i * UNIT_BYTES;

		if (s->what == DO_READ ? unit_is(t[i], b) :
		    unit_decode(b, &got))
			continue;
		fail_unit(s->w->dev[s->lun], s->lun, -1, p->unit + i,
		    s->what == DO_READ ? t[i] : UINT64_MAX, b,
		    s->what == DO_READ ? "read" : "read of another's");
	}
	atomic_fetch_add(&m->count.verified_bytes,
	    (uint64_t)p->n * UNIT_BYTES);
}

static void
changed(struct slot *s, int rc)
{
	struct m_lun *l = &m->lun[s->lun];

	(void)pthread_mutex_lock(&l->lk);
	if (rc == 0)
		apply(s->f);
	s->f->active = false;
	(void)pthread_mutex_unlock(&l->lk);
	if (rc == -ECANCELED)
		atomic_fetch_add(&m->count.cancelled, 1);
}

static void
on_done(struct eng_io *io)
{
	struct slot *s = TT_CONTAINER(io, struct slot, io);
	int rc = io->op.rc;

	slow(SLOW_IO, s->from_ms);
	if (s->what == DO_MISMATCH) {
		if (rc != -EBADMSG || io->op.bad_off_bytes != s->bad_off)
			fail("compare: %s at %llu, not a difference at %llu",
			    strerror(-rc),
			    (unsigned long long)io->op.bad_off_bytes,
			    (unsigned long long)s->bad_off);
	} else if (rc != 0 && !(rc == -ECANCELED && s->what == DO_WRITE)) {
		fail("LUN %s, kind %d, unit %u, %u units: %s at %llu",
		    m->lun[s->lun].name, (int)s->what, s->f->part[0].unit,
		    s->f->part[0].n, strerror(-rc),
		    (unsigned long long)io->op.bad_off_bytes);
	}
	if (s->what == DO_READ || s->what == DO_READ_OTHER)
		read_done(s);
	else if (s->what != DO_FLUSH && s->what != DO_MISMATCH)
		changed(s, rc);
	for (unsigned i = 0; i < s->n_cells; i++)
		s->w->busy[s->lun][s->cell[i]] = false;
	s->w->in_flight[s->lun]--;
	s->used = false;
	atomic_fetch_add(&m->count.steps, 1);
}

/* ---- what to do ------------------------------------------------------------ */

/* A cell of our own that nothing is in flight on. */
static bool
take_cell(struct slot *s)
{
	struct m_worker *w = s->w;
	const struct m_lun *l = &m->lun[s->lun];
	uint64_t c = rnd(&w->rnd, l->n_cells / w->of) * w->of + w->number;

	if (w->busy[s->lun][c])
		return (false);
	w->busy[s->lun][c] = true;
	s->cell[s->n_cells++] = (uint32_t)c;
	return (true);
}

/* A part of a cell: all of it, a block, or any sectors; at most ${max}. */
static struct m_part
choose_part(struct slot *s, uint32_t cell, uint32_t max)
{
	const struct m_lun *l = &m->lun[s->lun];
	uint64_t *r = &s->w->rnd;
	uint32_t step = l->info.sector_bytes / UNIT_BYTES, n = l->cell_units;
	uint32_t at = 0, blk = l->info.block_bytes / UNIT_BYTES;

	switch (rnd(r, 4)) {
	case 0:
		break;
	case 1:
		if (blk <= n) {
			at = (uint32_t)rnd(r, n / blk) * blk;
			n = blk;
		}
		break;
	case 2:
		at = (uint32_t)rnd(r, n / 8) * 8;
		n = 8;
		break;
	default:
		at = (uint32_t)rnd(r, n / step) * step;
		n = (uint32_t)(1 + rnd(r, (n - at) / step)) * step;
		break;
	}
	if (n > max)
		n = max;
	return ((struct m_part){ cell * l->cell_units + at, n });
}

/* What another place holds, so far as it is one piece. */
static void
copy_tokens(struct slot *s, uint32_t n)
{
	unsigned from = (unsigned)rnd(&s->w->rnd, MODEL_LUNS);
	struct m_lun *l = &m->lun[from];
	uint32_t at;

	(void)pthread_mutex_lock(&l->lk);
	if (l->state == THERE && l->n_units > n) {
		at = (uint32_t)rnd(&s->w->rnd, (l->n_units - n) / 8) * 8;
		memcpy(s->f->tok, units_of(from, -1) + at, n * sizeof(token));
		atomic_fetch_add(&m->count.copied, n);
	} else {
		memset(s->f->tok, 0, n * sizeof(token));
	}
	(void)pthread_mutex_unlock(&l->lk);
}

static void
fill_tokens(struct slot *s)
{
	const struct m_part *p = &s->f->part[0];
	uint64_t *r = &s->w->rnd, dice = rnd(r, 100), k;
	uint32_t blk = m->lun[s->lun].info.block_bytes / UNIT_BYTES;
	token *t = s->f->tok;

	if (dice < 40) {
		/* Whole blocks of it are equal wherever they are. */
		k = rnd(r, ALPHA_UNITS / blk) * blk +
		    (dice < 4 ? rnd(r, blk) : p->unit % blk);
		for (uint32_t i = 0; i < p->n; i++)
			t[i] = ALPHA | ((k + i) % ALPHA_UNITS + 1);
	} else if (dice < 52) {
		copy_tokens(s, p->n);
	} else {
		k = atomic_fetch_add(&m->next_token, p->n);
		for (uint32_t i = 0; i < p->n; i++)
			t[i] = k + i;
	}
	if (rnd(r, 16) == 0) {
		k = rnd(r, p->n);
		for (uint64_t i = k; i < p->n && i < k + blk; i++)
			t[i] = 0;
	}
}

static void
fill_buf(uint8_t *buf, const token *t, uint32_t n)
{

	for (uint32_t i = 0; i < n; i++)
		unit_fill(t[i], buf + (size_t)i * UNIT_BYTES);
}

/* Several pieces, and sometimes what lies between the cells. */
static void
choose_zero(struct slot *s)
{
	const struct m_lun *l = &m->lun[s->lun];
	const uint64_t used = (uint64_t)l->cell_units * UNIT_BYTES;
	struct m_flight *f = s->f;
	struct lun_op *op = &s->io.op;

	f->zero = true;
	while (f->n_parts < MODEL_PARTS && rnd(&s->w->rnd, 3) == 0 &&
	    take_cell(s)) {
		f->part[f->n_parts] = choose_part(s, s->cell[f->n_parts],
		    UINT32_MAX);
		f->n_parts++;
	}
	for (unsigned i = 0; i < f->n_parts; i++)
		s->ext[op->n_extents++] = (struct lun_extent){
		    unit_off_bytes(l, f->part[i].unit),
		    (uint64_t)f->part[i].n * UNIT_BYTES };
	if (l->stride_bytes > used && rnd(&s->w->rnd, 4) == 0)
		s->ext[op->n_extents++] = (struct lun_extent){
		    s->cell[0] * l->stride_bytes + used,
		    l->stride_bytes - used };
	op->extents = s->ext;
}

/* What is there, then what shall be; or one byte is another. */
static void
fill_compare(struct slot *s)
{
	const struct m_part *p = &s->f->part[0];
	size_t len = (size_t)p->n * UNIT_BYTES, at;

	fill_buf(s->buf, units_of(s->lun, -1) + p->unit, p->n);
	fill_buf(s->buf + len, s->f->tok, p->n);
	if (s->what == DO_COMPARE)
		return;
	at = rnd(&s->w->rnd, len);
	s->buf[at] ^= 0x40;
	s->bad_off = s->io.op.off_bytes + at;
}

static enum what
choose_what(uint64_t dice)
{

	return (dice < 24 ? DO_READ : dice < 28 ? DO_READ_OTHER :
	    dice < 38 ? DO_ZERO : dice < 44 ? DO_COMPARE :
	    dice < 46 ? DO_MISMATCH : dice < 49 ? DO_FLUSH : DO_WRITE);
}

/* Note what is about to change; false: not now. */
static bool
announce(struct slot *s)
{
	struct m_lun *l = &m->lun[s->lun];
	struct m_flight *f = s->f;
	uint32_t n = 0;
	bool ok;

	for (unsigned i = 0; i < f->n_parts; i++)
		n += f->part[i].n;
	(void)pthread_mutex_lock(&l->lk);
	ok = !l->gate && (!l->snapping || n <= ALTS_MAX - l->n_alts);
	for (unsigned i = 0; ok && l->snapping && i < f->n_parts; i++)
		for (uint32_t k = 0; k < f->part[i].n; k++)
			l->alts[l->n_alts++] = (struct m_alt){
			    f->part[i].unit + k, f->zero ? 0 : f->tok[k] };
	f->active = ok;
	(void)pthread_mutex_unlock(&l->lk);
	return (ok);
}

static void
tell(const struct slot *s)
{
	static const enum m_event ev[] = { [DO_WRITE] = EV_WRITE,
	    [DO_ZERO] = EV_ZERO, [DO_COMPARE] = EV_COMPARE };
	const struct m_flight *f = s->f;
	uint64_t n = 0;

	for (unsigned i = 0; i < f->n_parts; i++) {
		history(ev[s->what], s->lun, f->part[i].unit, f->part[i].n,
		    f->zero ? 0 : f->tok[0]);
		n += f->part[i].n;
	}
	atomic_fetch_add(&m->count.written_bytes, n * UNIT_BYTES);
}

/* Fill in what the operation is; the cell and the part are chosen. */
static void
prepare(struct slot *s)
{
	struct lun_op *op = &s->io.op;
	const struct m_part *p = &s->f->part[0];

	op->off_bytes = unit_off_bytes(&m->lun[s->lun], p->unit);
	op->len_bytes = (uint64_t)p->n * UNIT_BYTES;
	s->f->zero = false;
	switch (s->what) {
	case DO_READ:
	case DO_READ_OTHER:
		op->kind = LUN_READ;
		break;
	case DO_ZERO:
		op->kind = LUN_ZERO;
		choose_zero(s);
		break;
	case DO_COMPARE:
	case DO_MISMATCH:
		op->kind = LUN_COMPARE_WRITE;
		fill_tokens(s);
		fill_compare(s);
		break;
	case DO_WRITE:
		op->kind = LUN_WRITE;
		fill_tokens(s);
		fill_buf(s->buf, s->f->tok, p->n);
		break;
	case DO_FLUSH:
		break;
	}
	if (s->what != DO_READ && s->what != DO_READ_OTHER &&
	    rnd(&s->w->rnd, 32) == 0)
		op->flags = LUN_F_FUA;
}

static void
submit(struct slot *s)
{
	struct m_worker *w = s->w;
	bool data = s->what != DO_ZERO && s->what != DO_FLUSH;
	bool two = s->what == DO_COMPARE || s->what == DO_MISMATCH;
	size_t len = (size_t)s->f->part[0].n * UNIT_BYTES;
	/* What comes of it is a matter of time. */
	bool cancel = m->conf.workers > 0 && s->what == DO_WRITE &&
	    s->f->part[0].n <= 128 && rnd(&w->rnd, 40) == 0;

	s->io.fn = on_done;
	s->from_ms = clock_mono_ms();
	s->used = true;
	w->in_flight[s->lun]++;
	eng_submit(&w->e, &s->io, data ? s->buf : NULL,
	    !data ? 0 : two ? 2 * len : len);
	if (cancel && s->used)
		lun_op_cancel(&s->io.op);
}

static void
count(enum what what)
{
	struct m_counts *c = &m->count;

	atomic_fetch_add(what == DO_ZERO ? &c->zeroes : what == DO_FLUSH ?
	    &c->flushes : what == DO_COMPARE || what == DO_MISMATCH ?
	    &c->compares : what == DO_WRITE ? &c->writes : &c->reads, 1);
}

static void
give_up(struct slot *s)
{

	for (unsigned i = 0; i < s->n_cells; i++)
		s->w->busy[s->lun][s->cell[i]] = false;
}

static void
fill_slot(struct m_worker *w, struct slot *s)
{
	const struct m_lun *l;
	bool change;

	s->lun = (unsigned)rnd(&w->rnd, MODEL_LUNS);
	s->what = choose_what(rnd(&w->rnd, 100));
	l = &m->lun[s->lun];
	if (w->dev[s->lun] == NULL || l->gate)
		return;
	s->n_cells = 0;
	s->io.op = (struct lun_op){ .kind = LUN_FLUSH,
	    .dev = w->dev[s->lun] };
	s->f->lun = s->lun;
	s->f->n_parts = 0;
	s->f->part[0] = (struct m_part){ 0, 0 };
	if (s->what == DO_READ_OTHER) {
		s->f->part[0] = choose_part(s, (uint32_t)rnd(&w->rnd,
		    l->n_cells), CELL_UNITS_MAX);
		prepare(s);
	} else if (s->what != DO_FLUSH) {
		if (!take_cell(s))
			return;
		s->f->part[0] = choose_part(s, s->cell[0],
		    s->what == DO_COMPARE || s->what == DO_MISMATCH ?
		    COMPARE_UNITS : CELL_UNITS_MAX);
		s->f->n_parts = 1;
		prepare(s);
	}
	change = s->what == DO_WRITE || s->what == DO_ZERO ||
	    s->what == DO_COMPARE;
	if (change && !announce(s)) {
		give_up(s);
		return;
	}
	if (change)
		tell(s);
	count(s->what);
	submit(s);
}

/* ---- from outside --------------------------------------------------------- */

void
worker_gates(struct m_worker *w)
{

	for (unsigned i = 0; i < MODEL_LUNS; i++) {
		struct m_lun *l = &m->lun[i];
		struct lun_dev *close = NULL;

		(void)pthread_mutex_lock(&l->lk);
		if (l->gate && w->dev[i] != NULL && w->in_flight[i] == 0) {
			close = w->dev[i];
			w->dev[i] = NULL;
			lun_dev_close(close);
			l->n_open--;
		} else if (!l->gate && l->state == THERE &&
		    w->dev[i] == NULL) {
			MUST(lun_dev_open(ls, l->info.number, LUN_HEAD,
			    &w->dev[i]));
			l->n_open++;
		}
		(void)pthread_mutex_unlock(&l->lk);
	}
}

void
worker_step(struct m_worker *w)
{

	worker_gates(w);
	if (m->full)
		(void)usleep(1000);
	for (unsigned i = 0; i < MODEL_DEPTH && !m->full; i++)
		if (!w->slot[i].used)
			fill_slot(w, &w->slot[i]);
	eng_turn(&w->e);
}

void
worker_drain(struct m_worker *w)
{

	eng_drain(&w->e);
}

struct m_worker *
worker_new(unsigned number)
{
	struct m_worker *w = calloc(1, sizeof(*w));

	TT_ASSERT(w != NULL);
	w->number = number;
	w->of = m->conf.workers == 0 ? 1 : m->conf.workers;
	w->rnd = rnd_stream(m->generation, 100 + number);
	MUST(eng_init(&w->e, ls));
	for (unsigned i = 0; i < MODEL_DEPTH; i++) {
		w->slot[i].w = w;
		w->slot[i].f = &m->flight[number][i];
		w->slot[i].buf = malloc(2 * CELL_UNITS_MAX * UNIT_BYTES);
		TT_ASSERT(w->slot[i].buf != NULL);
	}
	return (w);
}

void
worker_free(struct m_worker *w)
{

	worker_drain(w);
	for (unsigned i = 0; i < MODEL_LUNS; i++) {
		struct m_lun *l = &m->lun[i];

		if (w->dev[i] == NULL)
			continue;
		lun_dev_close(w->dev[i]);
		(void)pthread_mutex_lock(&l->lk);
		l->n_open--;
		(void)pthread_mutex_unlock(&l->lk);
	}
	for (unsigned i = 0; i < MODEL_DEPTH; i++)
		free(w->slot[i].buf);
	eng_fini(&w->e);
	free(w);
}
