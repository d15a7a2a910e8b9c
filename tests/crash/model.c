/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/crash/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "meta/base/check.h"

#define WINDOW_BYTES (UINT64_C(256) << 10)
#define WHOLE_BYTES (UINT64_C(16) << 20)

static void *
must(void *p)
{

	TT_ASSERT(p != NULL);
	return (p);
}

struct model *
model_new(void)
{
	struct model *m = must(calloc(1, sizeof(*m)));

	m->op = must(calloc(1, sizeof(*m->op)));
	m->n_op = 1;			/* 0 is "zero" */
	return (m);
}

void
model_free(struct model *m)
{

	if (m == NULL)
		return;
	for (size_t i = 0; i < m->n_lun; i++) {
		for (uint64_t u = 0; u < m->lun[i].n_unit; u++)
			free(m->lun[i].hist[u].op);
		free(m->lun[i].hist);
	}
	free(m->lun);
	free(m->snap);
	free(m->op);
	free(m);
}

uint64_t
model_windows(uint64_t size, uint32_t sector, uint64_t off[static 2],
    uint64_t len[static 2])
{

	off[0] = 0;
	if (size <= WHOLE_BYTES) {
		len[0] = size;
		off[1] = size;
		len[1] = 0;
	} else {
		len[0] = WINDOW_BYTES;
		off[1] = size - WINDOW_BYTES;
		len[1] = WINDOW_BYTES;
	}
	return ((len[0] + len[1]) / sector);
}

uint64_t
model_unit_no(const struct model_lun *l, uint64_t u)
{
	uint64_t first = l->win[0].len / l->sector;

	return (u < first ? u : l->win[1].off / l->sector + (u - first));
}

struct model_lun *
model_find(struct model *m, uint32_t key)
{

	for (size_t i = 0; i < m->n_lun; i++)
		if (m->lun[i].key == key)
			return (&m->lun[i]);
	return (NULL);
}

static struct model_snap *
find_snap(struct model *m, const struct mark *k)
{

	for (size_t i = m->n_snap; i-- > 0;)
		if (m->snap[i].lun == k->lun &&
		    strcmp(m->snap[i].name, k->name) == 0)
			return (&m->snap[i]);
	return (NULL);
}

static void
add_lun(struct model *m, const struct mark *k)
{
	struct model_lun *l;
	uint64_t off[2], len[2];

	m->lun = must(realloc(m->lun, (m->n_lun + 1) * sizeof(*m->lun)));
	l = &m->lun[m->n_lun++];
	*l = (struct model_lun){ .key = k->lun, .size = k->size,
	    .block = k->block, .sector = k->sector, .begin = m->now,
	    .has_user = (k->flags & MARK_F_USER) != 0 };
	memcpy(l->name, k->name, sizeof(l->name));
	memset(l->prop, 1, sizeof(l->prop));
	if ((k->flags & MARK_F_NO_DEDUP) == 0)
		l->prop[PROP_DEDUP] = 2;
	l->n_unit = model_windows(k->size, k->sector, off, len);
	for (int i = 0; i < MODEL_WINDOWS; i++) {
		l->win[i].off = off[i];
		l->win[i].len = len[i];
	}
	l->hist = must(calloc(l->n_unit, sizeof(*l->hist)));
}

static void
hist_push(struct model_hist *h, uint32_t op)
{

	if (h->n == h->cap) {
		h->cap = h->cap == 0 ? 4 : h->cap * 2;
		h->op = must(realloc(h->op, h->cap * sizeof(*h->op)));
	}
	h->op[h->n++] = op;
}

static void
add_op(struct model *m, const struct mark *k)
{
	struct model_lun *l = model_find(m, k->lun);
	uint64_t first = 0;

	TT_ASSERT(l != NULL && k->op > 0);
	if (k->op >= m->n_op) {
		m->op = must(realloc(m->op, (k->op + 1) * sizeof(*m->op)));
		memset(m->op + m->n_op, 0,
		    (k->op + 1 - m->n_op) * sizeof(*m->op));
		m->n_op = k->op + 1;
	}
	m->op[k->op] = (struct model_op){ .lun = k->lun, .submit = m->now,
	    .zero = (k->flags & MARK_F_ZERO) != 0,
	    .fua = (k->flags & MARK_F_FUA) != 0,
	    .stream = (k->flags & MARK_F_STREAM) != 0, .off = k->off,
	    .content = mark_stream((uint32_t)k->seq, k->size) };
	for (int i = 0; i < MODEL_WINDOWS; i++) {
		uint64_t a = TT_MAX(k->off, l->win[i].off);
		uint64_t b = TT_MIN(k->off + k->len,
		    l->win[i].off + l->win[i].len);

		for (; a < b; a += l->sector)
			hist_push(&l->hist[first + (a - l->win[i].off) /
			    l->sector], k->op);
		first += l->win[i].len / l->sector;
	}
}

/*
 * Acknowledged operations of this LUN before ${t} are durable; and whatever
 * stands before the last of them in the log.
 */
static void
lun_durable(struct model *m, uint32_t lun, uint64_t t)
{
	struct model_lun *l = model_find(m, lun);

	TT_ASSERT(l != NULL);
	l->durable = TT_MAX(l->durable, t);
	for (size_t i = 1; i < m->n_op; i++) {
		const struct model_op *o = &m->op[i];

		if (o->lun == lun && o->ack != 0 && o->ack < t)
			m->durable = TT_MAX(m->durable, o->submit);
	}
}

static void
flush_mark(struct model *m, const struct mark *k)
{
	size_t i = 0;

	if (k->kind == MARK_FLUSH) {
		TT_ASSERT(m->n_flush < 64);
		m->flush[m->n_flush].lun = k->lun;
		m->flush[m->n_flush].op = k->op;
		m->flush[m->n_flush++].submit = m->now;
		return;
	}
	while (i < m->n_flush && m->flush[i].op != k->op)
		i++;
	TT_ASSERT(i < m->n_flush);
	lun_durable(m, m->flush[i].lun, m->flush[i].submit);
	m->flush[i] = m->flush[--m->n_flush];
}

static void
lun_mark(struct model *m, const struct mark *k)
{
	struct model_lun *l;

	if (k->kind == MARK_LUN) {
		add_lun(m, k);
		return;
	}
	if ((l = model_find(m, k->lun)) == NULL)
		return;		/* it was never asked for */
	if (k->kind == MARK_LUN_DONE) {
		l->done = l->done != 0 ? l->done : m->now;
		l->del = 0;
		l->number = k->seq;
		memcpy(l->uuid, k->uuid, sizeof(l->uuid));
		m->durable = TT_MAX(m->durable, l->begin);
	} else if (k->kind == MARK_LUN_DEL) {
		l->del = m->now;
	} else {
		l->del_done = m->now;
		m->durable = TT_MAX(m->durable, l->del);
	}
}

static void
snap_mark(struct model *m, const struct mark *k)
{
	struct model_snap *s;

	if (k->kind == MARK_SNAP) {
		m->snap = must(realloc(m->snap,
		    (m->n_snap + 1) * sizeof(*m->snap)));
		s = &m->snap[m->n_snap++];
		*s = (struct model_snap){ .lun = k->lun, .begin = m->now };
		memcpy(s->name, k->name, sizeof(s->name));
		return;
	}
	if ((s = find_snap(m, k)) == NULL)
		return;		/* it was never asked for */
	if (k->kind == MARK_SNAP_DONE) {
		s->done = s->done != 0 ? s->done : m->now;
		s->del = 0;
		s->seq = k->seq;
		m->durable = TT_MAX(m->durable, s->begin);
	} else if (k->kind == MARK_SNAP_DEL) {
		s->del = m->now;
	} else {
		s->del_done = m->now;
		m->durable = TT_MAX(m->durable, s->del);
	}
}

static void
expose_mark(struct model *m, const struct mark *k)
{
	struct model_snap *s = find_snap(m, k);

	if (s == NULL)
		return;
	if (k->kind == MARK_EXPOSE) {
		s->may_exposed = true;
		memset(s->expose_uuid, 0, sizeof(s->expose_uuid));
	} else if (k->kind == MARK_EXPOSE_DONE) {
		s->may_exposed = s->must_exposed = true;
		memcpy(s->expose_uuid, k->uuid, sizeof(s->expose_uuid));
	} else if (k->kind == MARK_UNEXPOSE) {
		s->must_exposed = false;
	} else
		s->may_exposed = s->must_exposed = false;
}

static void
prop_mark(struct model *m, const struct mark *k)
{
	struct model_lun *l = model_find(m, k->lun);
	uint8_t bit = k->seq != 0 ? 2 : 1;

	if (l == NULL || k->op >= PROPS)
		return;
	if (k->kind == MARK_PROP)
		l->prop[k->op] |= bit;
	else
		l->prop[k->op] = bit;
}

void
model_mark(struct model *m, const struct mark *k)
{

	m->now++;
	switch ((enum mark_kind)k->kind) {
	case MARK_INIT:
		m->init = true;
		break;
	case MARK_OPENED: case MARK_CLOSED:
		m->durable = m->now;
		break;
	case MARK_LUN: case MARK_LUN_DONE: case MARK_LUN_DEL:
	case MARK_LUN_DEL_DONE:
		lun_mark(m, k);
		break;
	case MARK_OP:
		add_op(m, k);
		break;
	case MARK_OP_DONE:
		m->op[k->op].ack = m->now;
		/* FUA: itself, and what stands before it in the log. */
		if (m->op[k->op].fua)
			m->durable = TT_MAX(m->durable, m->op[k->op].submit);
		break;
	case MARK_FLUSH: case MARK_FLUSH_DONE:
		flush_mark(m, k);
		break;
	case MARK_SNAP: case MARK_SNAP_DONE: case MARK_SNAP_DEL:
	case MARK_SNAP_DEL_DONE:
		snap_mark(m, k);
		break;
	case MARK_EXPOSE: case MARK_EXPOSE_DONE: case MARK_UNEXPOSE:
	case MARK_UNEXPOSE_DONE:
		expose_mark(m, k);
		break;
	case MARK_PROP: case MARK_PROP_DONE:
		prop_mark(m, k);
		break;
	case MARK_REBUILD: case MARK_REBUILD_DONE:
		m->rebuilding = k->kind == MARK_REBUILD;
		break;
	case MARK_DAMAGE:
		m->damaged = true;
		break;
	case MARK_CHECKPOINT:
		m->checkpoint_begun = m->now;
		break;
	case MARK_CHECKPOINT_DONE:
		m->durable = TT_MAX(m->durable, m->checkpoint_begun);
		break;
	}
}

/* ---- checking ---------------------------------------------------------- */

/* What operation ${op} has written to unit ${u} of the windows. */
static uint64_t
content_of(const struct model *m, const struct model_lun *l, uint32_t op,
    uint64_t u)
{
	const struct model_op *o = &m->op[op];

	if (o->zero)
		return (MARK_ZERO);
	return (o->stream ? o->content + (model_unit_no(l, u) -
	    o->off / l->sector) : op);
}

uint64_t
model_newest(const struct model *m, const struct model_lun *l,
    const uint64_t *ver)
{
	uint64_t t = 0;

	for (uint64_t u = 0; u < l->n_unit; u++) {
		const struct model_hist *h = &l->hist[u];
		uint32_t i = 0;

		if (ver[u] == MARK_ZERO)
			continue;
		if (ver[u] < m->n_op) {
			t = TT_MAX(t, m->op[ver[u]].submit);
			continue;
		}
		while (i < h->n && content_of(m, l, h->op[i], u) != ver[u])
			i++;
		if (i < h->n)
			t = TT_MAX(t, m->op[h->op[i]].submit);
	}
	return (t);
}

/*
 * Position + 1 of the newest of the first ${n} operations on this unit that
 * must be there.  A FUA write must be in the head; whether it is in a snapshot
 * that was taken while it ran is open.
 */
static uint32_t
needed(const struct model *m, const struct model_hist *h, uint32_t n,
    uint64_t after, bool head)
{

	for (uint32_t i = n; i > 0; i--) {
		const struct model_op *o = &m->op[h->op[i - 1]];

		if (o->ack != 0 && (o->ack < after || (head && o->fua)))
			return (i);
	}
	return (0);
}

static bool
unit_ok(const struct model *m, const struct model_lun *l, uint64_t u,
    uint64_t ver, uint64_t after, uint64_t until, uint32_t *need)
{
	const struct model_hist *h = &l->hist[u];
	uint32_t n = h->n;

	while (n > 0 && m->op[h->op[n - 1]].submit >= until)
		n--;
	*need = needed(m, h, n, after, until == MODEL_HEAD);
	if (ver == MARK_ZERO && *need == 0)
		return (true);
	for (uint32_t i = TT_MAX(*need, 1); i <= n; i++)
		if (ver == content_of(m, l, h->op[i - 1], u))
			return (true);
	return (false);
}

uint64_t
model_check(const struct model *m, const struct model_lun *l,
    const uint64_t *ver, uint64_t after, uint64_t until, const char *what)
{
	uint64_t bad = 0;

	for (uint64_t u = 0; u < l->n_unit; u++) {
		const struct model_hist *h = &l->hist[u];
		uint32_t need;

		if (unit_ok(m, l, u, ver[u], after, until, &need))
			continue;
		if (bad++ >= 4)
			continue;
		(void)fprintf(stderr, "%s (lun %u %s, block %u sector %u): "
		    "sector %llu holds %s%llx (submitted %llu), needs %u of %u"
		    " (op %u, submitted %llu, done %llu), after %llu until "
		    "%llu\n", what, l->key, l->name, l->block, l->sector,
		    (unsigned long long)model_unit_no(l, u),
		    ver[u] == CONTENT_FOREIGN ? "FOREIGN " : "0x",
		    (unsigned long long)ver[u],
		    ver[u] < m->n_op ?
		    (unsigned long long)m->op[ver[u]].submit : 0, need, h->n,
		    need > 0 ? h->op[need - 1] : 0,
		    need > 0 ? (unsigned long long)
		    m->op[h->op[need - 1]].submit : 0,
		    need > 0 ? (unsigned long long)
		    m->op[h->op[need - 1]].ack : 0,
		    (unsigned long long)after, (unsigned long long)until);
	}
	return (bad);
}
