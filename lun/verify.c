/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * verify.c - requests, the thread that serves them, and what it has found.
 */
#include "lun/verify.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "lun/verify_int.h"
#include "meta/base/clock.h"
#include "meta/base/msg.h"

#define NAP_MS		100u
#define SCRUB_DELAY_MS	60000u		/* after the opening: others first */
#define RETRY_MS	3600000u	/* after a scrub that failed */

const char *
verify_kind_name(enum verify_kind k)
{

	switch (k) {
	case VERIFY_DATA:
		return ("data");
	case VERIFY_NODE:
		return ("map");
	case VERIFY_COPY:
		return ("map-copy");
	case VERIFY_LOST:
		return ("lost");
	}
	return ("?");
}

/* ---- called by the run ------------------------------------------------- */

static bool
ended_locked(const struct run *r)
{
	struct verifier *v = r->v;

	/* A scrub makes way for a person. */
	return (v->stop || (r->scrub ? v->asked : v->cancel));
}

/* How long to sleep so that the rate is kept. */
static uint64_t
ahead_ms(const struct run *r)
{
	uint64_t ms = clock_mono_ms() - r->begun_ms;
	uint64_t due_ms;

	if (r->rate_bytes == 0)
		return (0);
	due_ms = r->done_bytes / r->rate_bytes * 1000 +
	    r->done_bytes % r->rate_bytes * 1000 / r->rate_bytes;
	return (due_ms > ms ? due_ms - ms : 0);
}

int
verify_pace(struct run *r)
{
	struct verifier *v = r->v;
	uint64_t ms;
	bool end;

	lk_lock(&v->lk);
	while (!(end = ended_locked(r)) && (ms = ahead_ms(r)) > 0)
		(void)lk_wait_ms(&v->lk, &v->work, TT_MIN(ms, NAP_MS));
	lk_unlock(&v->lk);
	if (r->scrub && !end)
		scrub_save(v, false);
	return (end ? -EINTR : 0);
}

void
verify_read(struct run *r, uint64_t bytes, bool node)
{
	struct verifier *v = r->v;

	r->done_bytes += bytes;
	if (r->scrub)
		return;
	lk_lock(&v->lk);
	if (node)
		v->state.node_bytes += bytes;
	else
		v->state.data_bytes += bytes;
	lk_unlock(&v->lk);
}

static struct findings *
findings_of(struct run *r)
{

	return (r->scrub ? &r->v->scrub_found : &r->v->found);
}

void
verify_repaired(struct run *r, unsigned n)
{

	lk_lock(&r->v->lk);
	findings_of(r)->repaired += n;
	lk_unlock(&r->v->lk);
}

void
verify_remade(struct run *r)
{

	lk_lock(&r->v->lk);
	findings_of(r)->remade++;
	lk_unlock(&r->v->lk);
}

void
verify_found(struct run *r, const struct verify_damage *d)
{
	static struct msg_limit limit;
	struct findings *f = findings_of(r);

	lk_lock(&r->v->lk);
	findings_add(f, d);
	findings_join(&r->v->known, d, f->n_damage);
	r->v->known_ns = clock_utc_ns();
	r->v->known_scrub = r->scrub;
	lk_unlock(&r->v->lk);
	if (msg_allowed(&limit, 20))
		msg_err("verify: LUN %s%s%s: damage (%s, %d) at byte %llu, "
		    "length %llu; segment %08x offset %llu", d->lun_name,
		    d->snap_name[0] != '\0' ? "@" : "", d->snap_name,
		    verify_kind_name(d->kind), d->rc,
		    (unsigned long long)d->off_bytes,
		    (unsigned long long)d->len_bytes, d->segment,
		    (unsigned long long)d->segment_off_bytes);
}

void
verify_at(struct run *r, uint64_t blk)
{
	struct verifier *v = r->v;
	uint64_t part = r->t->n_blk == 0 ? 0 :
	    TT_MIN(blk, r->t->n_blk) * 1000 / r->t->n_blk;
	unsigned permille = (unsigned)((r->at * 1000 + part) / r->n_targets);

	lk_lock(&v->lk);
	if (r->scrub) {
		v->state.scrub_permille = permille;
		v->scrub.lun = r->t->lun;
		v->scrub.seq = r->t->seq;
		v->scrub.blk = blk;
	} else {
		v->state.permille = permille;
	}
	lk_unlock(&v->lk);
}

/* ---- runs -------------------------------------------------------------- */

/*
 * What is known of the store's damage, when a run that was asked for ended.
 * Only one that has looked at everything takes anything back: what others
 * found may have been overwritten, or nobody has looked there again.
 */
static void
learn_locked(struct verifier *v, bool everything)
{

	if (v->found.n_damage > 0) {
		v->known_ns = v->state.ended_ns;
		v->known_scrub = false;
	}
	/* Without memory for the list the longer one stays. */
	if (everything && findings_copy(&v->known, &v->found) == 0)
		findings_clear(&v->scrub_found);
}

static void
run_asked(struct verifier *v)
{
	char lun[LUN_NAME_MAX + 1], snap[LUN_NAME_MAX + 1];
	struct run r = { .v = v, .ls = v->ls, .begun_ms = clock_mono_ms() };
	uint64_t n_damage, repaired, remade;
	int rc;

	lk_lock(&v->lk);
	memcpy(lun, v->lun, sizeof(lun));
	memcpy(snap, v->snap, sizeof(snap));
	r.rate_bytes = v->rate_bytes;
	lk_unlock(&v->lk);
	msg_info("verify of %s%s%s begins", lun[0] == '\0' ? "everything" :
	    lun, snap[0] == '\0' ? "" : "@", snap);
	rc = verify_run(&r, lun, snap, NULL);
	lk_lock(&v->lk);
	v->asked = v->cancel = false;
	v->state.running = false;
	v->state.ended_ns = clock_utc_ns();
	v->state.rc = rc;
	v->state.runs++;
	if (rc == 0)
		v->state.permille = 1000;
	learn_locked(v, rc == 0 && lun[0] == '\0');
	n_damage = v->found.n_damage;
	repaired = v->found.repaired;
	remade = v->found.remade;
	lk_unlock(&v->lk);
	msg_info("verify of %s%s%s ended (%d): %llu damaged places, %llu "
	    "copies of nodes repaired, %llu segments made again",
	    lun[0] == '\0' ? "everything" : lun,
	    snap[0] == '\0' ? "" : "@", snap, rc,
	    (unsigned long long)n_damage, (unsigned long long)repaired,
	    (unsigned long long)remade);
	if (rc == 0 && lun[0] == '\0')
		scrub_done(v);
}

/* How long to wait before the next, beside the schedule. */
static uint64_t
run_scrub(struct verifier *v)
{
	struct run r = { .v = v, .ls = v->ls, .scrub = true,
	    .rate_bytes = v->scrub_rate_bytes, .begun_ms = clock_mono_ms() };
	struct scrub_row from;
	int rc;

	scrub_begin(v);
	from = v->scrub;
	lk_lock(&v->lk);
	v->state.scrubbing = true;
	lk_unlock(&v->lk);
	rc = verify_run(&r, "", "", &from);
	lk_lock(&v->lk);
	v->state.scrubbing = false;
	lk_unlock(&v->lk);
	if (rc == 0)
		scrub_done(v);
	else if (rc != -EINTR)
		msg_warn("scrub stopped (%d); it is tried again in an hour",
		    rc);
	return (rc != 0 && rc != -EINTR ? RETRY_MS : 0);
}

static void *
verify_thread(void *arg)
{
	struct verifier *v = arg;
	uint64_t opened_ms = clock_mono_ms(), wait_ms;
	bool stop, asked;

	for (;;) {
		bool due = scrub_due(v, opened_ms, &wait_ms);

		lk_lock(&v->lk);
		if (!v->stop && !v->asked && !due)
			(void)lk_wait_ms(&v->lk, &v->work, wait_ms);
		stop = v->stop;
		asked = v->asked;
		lk_unlock(&v->lk);
		if (stop)
			return (NULL);
		if (asked)
			run_asked(v);
		else if (due)	/* interrupted or failed: not again at once */
			opened_ms = run_scrub(v) + clock_mono_ms();
	}
}

/* ---- for set.c --------------------------------------------------------- */

int
verifier_new(struct lunset *ls, const struct lunset_conf *conf,
    struct verifier **out)
{
	struct verifier *v = calloc(1, sizeof(*v));

	if (v == NULL)
		return (-ENOMEM);
	v->ls = ls;
	v->scrub_every_s = conf->scrub_s;
	v->scrub_rate_bytes = conf->scrub_rate_bytes == 0 ?
	    VERIFY_SCRUB_RATE : conf->scrub_rate_bytes;
	v->scrub_delay_ms = conf->scrub_delay_ms == 0 ? SCRUB_DELAY_MS :
	    conf->scrub_delay_ms;
	lk_init(&v->lk, LK_VERIFY);
	cond_init(&v->work);
	*out = v;
	return (0);
}

int
verifier_start(struct verifier *v)
{
	int rc;

	v->saved = v->scrub;
	v->saved_ms = clock_mono_ms();
	rc = pthread_create(&v->thread, NULL, verify_thread, v);
	v->started = rc == 0;
	return (-rc);
}

void
verifier_free(struct verifier *v, bool save)
{

	if (v == NULL)
		return;
	if (v->started) {
		lk_lock(&v->lk);
		v->stop = true;
		(void)pthread_cond_broadcast(&v->work);
		lk_unlock(&v->lk);
		(void)pthread_join(v->thread, NULL);
		if (save)
			scrub_save(v, true);
	}
	findings_fini(&v->found);
	findings_fini(&v->scrub_found);
	findings_fini(&v->known);
	(void)pthread_cond_destroy(&v->work);
	lk_destroy(&v->lk);
	free(v);
}

/* ---- requests ---------------------------------------------------------- */

static int
is_there(struct lunset *ls, const struct verify_params *p)
{
	struct lun *l;
	int rc = 0;

	if (p->lun == NULL)
		return (p->snap == NULL ? 0 : -EINVAL);
	lk_lock(&ls->lk);
	if ((l = table_by_name(ls, p->lun)) == NULL ||
	    (p->snap != NULL && table_snap_by_name(l, p->snap) == NULL))
		rc = -ENOENT;
	lk_unlock(&ls->lk);
	return (rc);
}

static void
name_put(char out[static LUN_NAME_MAX + 1], const char *name)
{
	size_t n = name == NULL ? 0 : strlen(name);

	/* It is the name of something that is there. */
	TT_ASSERT(n <= LUN_NAME_MAX);
	memset(out, 0, LUN_NAME_MAX + 1);
	if (n > 0)
		memcpy(out, name, n);
}

static void
begin_locked(struct verifier *v, const struct verify_params *p)
{
	uint64_t runs = v->state.runs;
	size_t n;

	name_put(v->lun, p->lun);
	name_put(v->snap, p->snap);
	v->rate_bytes = p->rate_bytes;
	v->asked = true;
	v->cancel = false;
	findings_clear(&v->found);
	v->found.repaired = v->found.remade = 0;
	v->state = (struct verify_state){
		.runs = runs, .running = true, .scrubbing = v->state.scrubbing,
		.begun_ns = clock_utc_ns(), .rate_bytes = p->rate_bytes,
		.scrub_permille = v->state.scrub_permille,
	};
	n = strlen(v->lun);
	memcpy(v->state.what, v->lun, n);
	if (v->snap[0] != '\0') {
		v->state.what[n] = '@';
		memcpy(v->state.what + n + 1, v->snap, strlen(v->snap));
	}
}

int
lunset_verify(struct lunset *ls, const struct verify_params *p)
{
	struct verifier *v = ls->verifier;
	int rc;

	if ((rc = is_there(ls, p)) != 0)
		return (rc);
	lk_lock(&v->lk);
	if (v->asked) {
		rc = -EBUSY;
	} else {
		begin_locked(v, p);
		(void)pthread_cond_broadcast(&v->work);
	}
	lk_unlock(&v->lk);
	return (rc);
}

int
lunset_verify_cancel(struct lunset *ls)
{
	struct verifier *v = ls->verifier;
	int rc = 0;

	lk_lock(&v->lk);
	if (!v->asked)
		rc = -ENOENT;
	v->cancel = v->asked;
	(void)pthread_cond_broadcast(&v->work);
	lk_unlock(&v->lk);
	return (rc);
}

void
lunset_verify_state(struct lunset *ls, struct verify_state *out)
{
	struct verifier *v = ls->verifier;

	lk_lock(&v->lk);
	*out = v->state;
	out->repaired = v->found.repaired;
	out->remade = v->found.remade;
	out->n_damage = v->found.n_damage;
	out->damaged_bytes = v->found.damaged_bytes;
	out->scrub_every_s = v->scrub_every_s;
	out->scrub_begun_ns = v->scrub.under_way ? v->scrub.begun_ns : 0;
	out->scrub_done_ns = v->scrub.done_ns;
	out->scrub_repaired = v->scrub_found.repaired;
	out->scrub_remade = v->scrub_found.remade;
	out->scrub_n_damage = v->scrub_found.n_damage;
	out->known_n_damage = v->known.n_damage;
	out->known_ns = v->known.n_damage == 0 ? 0 : v->known_ns;
	out->known_scrub = v->known_scrub;
	lk_unlock(&v->lk);
}

int
lunset_verify_damage(struct lunset *ls, enum verify_found_by by,
    struct verify_damage **out, size_t *out_n)
{
	struct verifier *v = ls->verifier;
	const struct findings *f = by == VERIFY_BY_SCRUB ? &v->scrub_found :
	    by == VERIFY_BY_ANY ? &v->known : &v->found;
	struct verify_damage *d;

	lk_lock(&v->lk);
	d = malloc((f->n + 1) * sizeof(*d));
	if (d != NULL) {
		if (f->n > 0)
			memcpy(d, f->list, f->n * sizeof(*d));
		*out = d;
		*out_n = f->n;
	}
	lk_unlock(&v->lk);
	return (d == NULL ? -ENOMEM : 0);
}
