/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/e2e/load.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "meta/base/check.h"
#include "meta/base/clock.h"
#include "tests/crash/mark.h"
#include "tests/e2e/ini.h"

#define DEPTH_MAX 64
#define READ_BYTES (256u << 10)

enum kind { K_WRITE, K_UNMAP, K_SAME, K_READ, K_FLUSH };

struct cmd {
	struct load *l;
	bool used, fua;
	enum kind kind;
	uint64_t u, n;		/* sectors of the windows, counted through */
	uint32_t op;
	struct unmap_list list;
	uint8_t *buf;
};

struct conn {
	struct iscsi_context *ctx;
	struct cmd cmd[DEPTH_MAX];
};

struct load {
	struct disk d;
	struct load_conf c;
	struct conn conn[LOAD_CONNS_MAX];
	unsigned in_flight;
	uint64_t done, n_blk, rnd, read_next;
	struct load_want w;
	uint8_t *busy;		/* per block of the windows */
	bool failed;
	/* While verifying. */
	const struct load_want *from, *to;
	bool settle;
	uint64_t bad;
};

static uint32_t last_op;

static void *
must(void *p)
{

	TT_ASSERT(p != NULL);
	return (p);
}

static uint64_t
rnd(struct load *l, uint64_t n)
{
	uint64_t x = (l->rnd += 0x9e3779b97f4a7c15u);

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return ((x ^ (x >> 31)) % n);
}

/* ---- places ------------------------------------------------------------ */

/* Sector ${u} of the windows: its LBA. */
static uint64_t
lba_of(const struct load *l, uint64_t u)
{

	for (int i = 0; i < LOAD_WINDOWS; i++) {
		uint64_t n = l->c.win[i].len / l->d.sector;

		if (u < n)
			return (l->c.win[i].off / l->d.sector + u);
		u -= n;
	}
	TT_ASSERT(!"outside the windows");
	return (0);
}

/* Sectors from ${u} to the end of its window. */
static uint64_t
left_of(const struct load *l, uint64_t u)
{

	for (int i = 0; i < LOAD_WINDOWS; i++) {
		uint64_t n = l->c.win[i].len / l->d.sector;

		if (u < n)
			return (n - u);
		u -= n;
	}
	return (0);
}

static bool
any_busy(const struct load *l, uint64_t u, uint64_t n)
{
	uint64_t per = l->d.block / l->d.sector;

	for (uint64_t b = u / per; b <= (u + n - 1) / per; b++)
		if (l->busy[b] != 0)
			return (true);
	return (false);
}

static void
set_busy(struct load *l, uint64_t u, uint64_t n, uint8_t v)
{
	uint64_t per = l->d.block / l->d.sector;

	for (uint64_t b = u / per; b <= (u + n - 1) / per; b++)
		l->busy[b] = v;
}

/* ---- completion -------------------------------------------------------- */

static bool
allowed(const struct load *l, uint64_t u, uint32_t v)
{
	const struct load_want *f = l->from, *t = l->to;

	if (v == MARK_FOREIGN)
		return (false);
	if (v == MARK_ZERO)
		return (f->op[u] == 0 || f->was_zero[u] != 0 ||
		    t->zero[u] > f->op[u]);
	/* The content names the sector: it can only be one of its versions. */
	return (v <= t->sent[u] && v >= f->op[u]);
}

/* What is there now is the truth; what was lost must not come back. */
static void
settle(struct load *l, uint64_t u, uint32_t v)
{
	struct load_want *w = &l->w;

	w->op[u] = v == MARK_ZERO ? TT_MAX(w->op[u], w->zero[u]) : v;
	w->was_zero[u] = v == MARK_ZERO ? 1 : 0;
	w->sent[u] = w->op[u];
	w->zero[u] = 0;
}

static void
check_read(struct load *l, const struct cmd *c)
{

	for (uint64_t i = 0; i < c->n; i++) {
		uint64_t lba = lba_of(l, c->u + i);
		uint32_t v = mark_version(c->buf + i * l->d.sector,
		    l->d.sector, l->c.key, lba);

		if (!allowed(l, c->u + i, v)) {
			if (l->bad++ < 5)
				(void)fprintf(stderr, "load: %s lba %llu "
				    "holds %u%s; done %u, sent %u, zero %u\n",
				    l->d.iqn, (unsigned long long)lba, v,
				    v == MARK_FOREIGN ? " (foreign)" : "",
				    l->from->op[c->u + i],
				    l->to->sent[c->u + i],
				    l->to->zero[c->u + i]);
		} else if (l->settle)
			settle(l, c->u + i, v);
	}
}

static void
acknowledged(struct load *l, const struct cmd *c)
{

	for (uint64_t i = c->u; i < c->u + c->n; i++) {
		l->w.op[i] = c->op;
		l->w.was_zero[i] = c->kind == K_WRITE ? 0 : 1;
	}
	set_busy(l, c->u, c->n, 0);
	l->done++;
}

static void
mark(const struct load *l, const struct cmd *c, enum mark_kind kind)
{
	struct mark k = { .kind = kind, .lun = l->c.key, .op = c->op };

	if (l->c.mark == NULL)
		return;
	if (kind == MARK_OP) {
		k.off = lba_of(l, c->u) * l->d.sector;
		k.len = c->n * l->d.sector;
		k.flags = (c->kind == K_WRITE ? 0 : MARK_F_ZERO) |
		    (c->fua ? MARK_F_FUA : 0);
	}
	l->c.mark(&k);
}

static void
on_done(struct iscsi_context *ctx, int status, void *data, void *priv)
{
	struct scsi_task *task = data;
	struct cmd *c = priv;
	struct load *l = c->l;

	(void)ctx;
	c->used = false;
	l->in_flight--;
	if (status != SCSI_STATUS_GOOD || (c->kind == K_READ &&
	    task->residual_status != SCSI_RESIDUAL_NO_RESIDUAL)) {
		if (!l->failed && status != SCSI_STATUS_CANCELLED &&
		    status != SCSI_STATUS_ERROR)
			(void)fprintf(stderr, "load: kind %d, lba %llu, %llu "
			    "sectors: status %#x, sense %d/%#x\n",
			    (int)c->kind, (unsigned long long)lba_of(l, c->u),
			    (unsigned long long)c->n, (unsigned)status,
			    task == NULL ? 0 : (int)task->sense.key,
			    task == NULL ? 0 : (unsigned)task->sense.ascq);
		l->failed = true;
	} else if (c->kind == K_READ)
		check_read(l, c);
	else {
		if (c->kind != K_FLUSH)
			acknowledged(l, c);
		mark(l, c, c->kind == K_FLUSH ? MARK_FLUSH_DONE :
		    MARK_OP_DONE);
	}
	if (task != NULL)
		scsi_free_scsi_task(task);
}

/* ---- sending ----------------------------------------------------------- */

static struct scsi_task *
send_write(struct load *l, struct conn *k, struct cmd *c)
{
	uint64_t lba = lba_of(l, c->u);
	size_t len = (size_t)c->n * l->d.sector;

	if (c->kind == K_UNMAP) {
		c->list = (struct unmap_list){ lba, (uint32_t)c->n };
		return (iscsi_unmap_task(k->ctx, 0, 0, 0, &c->list, 1,
		    on_done, c));
	}
	if (c->kind == K_SAME) {
		memset(c->buf, 0, l->d.sector);
		return (iscsi_writesame16_task(k->ctx, 0, lba, c->buf,
		    l->d.sector, (uint32_t)c->n, 0, (int)rnd(l, 2), 0, 0,
		    on_done, c));
	}
	for (uint64_t i = 0; i < c->n; i++)
		mark_fill(c->buf + i * l->d.sector, l->d.sector, l->c.key,
		    lba + i, c->op);
	return (iscsi_write16_task(k->ctx, 0, lba, c->buf, (uint32_t)len,
	    (int)l->d.sector, 0, 0, c->fua ? 1 : 0, 0, 0,
	    on_done, c));
}

/* Whole blocks twice out of three times, else any sectors. */
static bool
choose(struct load *l, struct cmd *c)
{
	uint64_t per = l->d.block / l->d.sector;
	uint64_t max = l->c.io_max / l->d.sector;

	c->n = 1 + rnd(l, rnd(l, 4) == 0 ? max : TT_MIN(max, 16));
	c->u = rnd(l, l->w.n);
	if (rnd(l, 3) > 0) {
		c->u = c->u / per * per;
		c->n = TT_MAX(c->n / per, 1) * per;
	}
	c->n = TT_MIN(c->n, left_of(l, c->u));
	return (!any_busy(l, c->u, c->n));
}

static void
submit(struct load *l, struct conn *k, struct cmd *c)
{
	struct scsi_task *t;

	c->used = true;
	l->in_flight++;
	if (c->kind == K_READ) {
		t = iscsi_read16_task(k->ctx, 0, lba_of(l, c->u),
		    (uint32_t)(c->n * l->d.sector), (int)l->d.sector, 0, 0, 0,
		    0, 0, on_done, c);
		if (t != NULL && scsi_task_add_data_in_buffer(t,
		    (int)(c->n * l->d.sector), c->buf) != 0)
			l->failed = true;
	} else if (c->kind == K_FLUSH) {
		c->op = ++last_op;
		mark(l, c, MARK_FLUSH);
		t = iscsi_synchronizecache16_task(k->ctx, 0, 0, 0, 0, 0,
		    on_done, c);
	} else {
		c->op = ++last_op;
		set_busy(l, c->u, c->n, 1);
		for (uint64_t i = c->u; i < c->u + c->n; i++) {
			l->w.sent[i] = c->op;
			if (c->kind != K_WRITE)
				l->w.zero[i] = c->op;
		}
		c->fua = c->kind == K_WRITE && rnd(l, 100) < l->c.fua_percent;
		mark(l, c, MARK_OP);
		t = send_write(l, k, c);
	}
	if (t == NULL) {
		c->used = false;
		l->in_flight--;
		l->failed = true;
	}
}

static void
fill_writes(struct load *l, struct conn *k)
{

	for (unsigned i = 0; i < l->c.depth && !l->failed; i++) {
		struct cmd *c = &k->cmd[i];

		if (c->used || !choose(l, c))
			continue;
		c->kind = rnd(l, 100) >= l->c.zero_percent ? K_WRITE :
		    rnd(l, 2) == 0 ? K_UNMAP : K_SAME;
		submit(l, k, c);
	}
}

static void
fill_reads(struct load *l, struct conn *k)
{

	for (unsigned i = 0; i < l->c.depth && !l->failed; i++) {
		struct cmd *c = &k->cmd[i];

		if (c->used || l->read_next >= l->w.n)
			continue;
		c->kind = K_READ;
		c->u = l->read_next;
		c->n = 1 + rnd(l, READ_BYTES / l->d.sector);
		c->n = TT_MIN(c->n, left_of(l, c->u));
		l->read_next += c->n;
		submit(l, k, c);
	}
}

static void
service(struct load *l, int ms)
{
	struct pollfd p[LOAD_CONNS_MAX];

	for (unsigned i = 0; i < l->c.conns; i++) {
		p[i].fd = iscsi_get_fd(l->conn[i].ctx);
		p[i].events = (short)iscsi_which_events(l->conn[i].ctx);
		p[i].revents = 0;
	}
	if (poll(p, l->c.conns, ms) < 0 && errno != EINTR)
		l->failed = true;
	for (unsigned i = 0; i < l->c.conns && !l->failed; i++)
		if (p[i].revents != 0 &&
		    iscsi_service(l->conn[i].ctx, p[i].revents) != 0)
			l->failed = true;
}

/* ---- calls ------------------------------------------------------------- */

bool
load_run(struct load *l, unsigned ms, bool (*until)(void *), void *arg)
{
	uint64_t end = clock_mono_ms() + ms, ask = 0;

	while (!l->failed) {
		uint64_t now = clock_mono_ms();

		if (now >= end)
			break;
		if (until != NULL && now >= ask) {
			if (until(arg))
				break;
			ask = now + 3;
		}
		for (unsigned i = 0; i < l->c.conns; i++)
			fill_writes(l, &l->conn[i]);
		service(l, 5);
	}
	/* It ends with commands sent and not answered. */
	for (unsigned i = 0; i < l->c.conns && !l->failed; i++) {
		fill_writes(l, &l->conn[i]);
		if (iscsi_service(l->conn[i].ctx, POLLOUT) != 0)
			l->failed = true;
	}
	return (!l->failed);
}

bool
load_drain(struct load *l)
{
	uint64_t end = clock_mono_ms() + 30000;

	while (l->in_flight > 0 && !l->failed) {
		if (clock_mono_ms() > end) {
			(void)fprintf(stderr, "load: %u commands hang\n",
			    l->in_flight);
			l->failed = true;
		}
		service(l, 50);
	}
	return (!l->failed);
}

bool
load_flush(struct load *l)
{
	struct cmd *c = &l->conn[0].cmd[0];

	if (!load_drain(l))
		return (false);
	c->kind = K_FLUSH;
	submit(l, &l->conn[0], c);
	return (load_drain(l));
}

static uint64_t
read_all(struct load *l)
{

	if (!load_drain(l))
		return (UINT64_MAX);
	l->read_next = 0;
	l->bad = 0;
	while (!l->failed && (l->read_next < l->w.n || l->in_flight > 0)) {
		for (unsigned i = 0; i < l->c.conns; i++)
			fill_reads(l, &l->conn[i]);
		service(l, 50);
	}
	return (l->failed ? UINT64_MAX : l->bad);
}

uint64_t
load_verify(struct load *l, bool settle)
{

	l->from = l->to = &l->w;
	l->settle = settle;
	return (read_all(l));
}

uint64_t
load_verify_between(struct load *l, const struct load_want *from,
    const struct load_want *to)
{

	l->from = from;
	l->to = to;
	l->settle = false;
	return (read_all(l));
}

unsigned
load_in_flight(const struct load *l)
{

	return (l->in_flight);
}

uint64_t
load_written(const struct load *l)
{

	return (l->done);
}

/* ---- connections ------------------------------------------------------- */

bool
load_connect_to(struct load *l, const struct disk *d)
{

	TT_ASSERT(l->in_flight == 0);
	l->d = *d;
	l->failed = false;
	for (unsigned i = 0; i < l->c.conns; i++) {
		char name[64];

		(void)snprintf(name, sizeof(name),
		    "iqn.2026-01.org.example:load%u-%u", l->c.key, i);
		l->conn[i].ctx = ini_login(d, name, NULL);
		if (l->conn[i].ctx == NULL) {
			load_drop(l);
			return (false);
		}
	}
	return (true);
}

bool
load_connect(struct load *l)
{
	struct disk d = l->d;

	return (load_connect_to(l, &d));
}

void
load_drop(struct load *l)
{

	l->failed = true;
	for (unsigned i = 0; i < l->c.conns; i++) {
		if (l->conn[i].ctx != NULL)
			(void)iscsi_destroy_context(l->conn[i].ctx);
		l->conn[i].ctx = NULL;
	}
	TT_ASSERT(l->in_flight == 0);
	memset(l->busy, 0, l->n_blk);
}

void
load_logout(struct load *l)
{

	for (unsigned i = 0; i < l->c.conns; i++)
		if (l->conn[i].ctx != NULL && !l->failed)
			(void)iscsi_logout_sync(l->conn[i].ctx);
	load_drop(l);
}

/* ---- the whole --------------------------------------------------------- */

struct load *
load_new(const struct disk *d, const struct load_conf *c)
{
	struct load *l = must(calloc(1, sizeof(*l)));
	uint64_t bytes = 0;

	TT_ASSERT(c->conns <= LOAD_CONNS_MAX && c->depth <= DEPTH_MAX);
	l->d = *d;
	l->c = *c;
	l->rnd = c->seed;
	for (int i = 0; i < LOAD_WINDOWS; i++) {
		TT_ASSERT(c->win[i].len % d->block == 0);
		bytes += c->win[i].len;
	}
	l->w.n = bytes / d->sector;
	l->n_blk = bytes / d->block;
	l->w.op = must(calloc(l->w.n, sizeof(*l->w.op)));
	l->w.sent = must(calloc(l->w.n, sizeof(*l->w.sent)));
	l->w.zero = must(calloc(l->w.n, sizeof(*l->w.zero)));
	l->w.was_zero = must(calloc(l->w.n, 1));
	l->busy = must(calloc(l->n_blk, 1));
	for (unsigned i = 0; i < c->conns; i++)
		for (unsigned j = 0; j < c->depth; j++) {
			l->conn[i].cmd[j].l = l;
			l->conn[i].cmd[j].buf = must(malloc(TT_MAX(READ_BYTES,
			    c->io_max)));
		}
	return (l);
}

void
load_free(struct load *l)
{

	if (l == NULL)
		return;
	load_drop(l);
	for (unsigned i = 0; i < l->c.conns; i++)
		for (unsigned j = 0; j < l->c.depth; j++)
			free(l->conn[i].cmd[j].buf);
	load_want_free(&l->w);
	free(l->busy);
	free(l);
}

static void *
dup_mem(const void *p, size_t n)
{

	return (memcpy(must(malloc(n)), p, n));
}

struct load_want
load_copy(const struct load *l)
{
	struct load_want w = { .n = l->w.n };

	w.op = dup_mem(l->w.op, w.n * sizeof(*w.op));
	w.sent = dup_mem(l->w.sent, w.n * sizeof(*w.sent));
	w.zero = dup_mem(l->w.zero, w.n * sizeof(*w.zero));
	w.was_zero = dup_mem(l->w.was_zero, w.n);
	return (w);
}

void
load_want_free(struct load_want *w)
{

	free(w->op);
	free(w->sent);
	free(w->zero);
	free(w->was_zero);
	*w = (struct load_want){ .n = 0 };
}
