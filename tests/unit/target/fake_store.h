/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fake_store.h - a store and a registry in a few arrays, in place of lun/ and
 * target/registry.c, for tests of the verbs: any call can be made to fail.
 * Include it in one program only.
 */
#ifndef TESTS_UNIT_TARGET_FAKE_STORE_H
#define TESTS_UNIT_TARGET_FAKE_STORE_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lun/verify.h"
#include "target/daemon.h"
#include "tests/lib/unit.h"

#define FAKE_MAX 16

struct fake {
	struct lun_info luns[FAKE_MAX];
	size_t n_luns;
	struct lun_user users[FAKE_MAX];	/* of the LUN made last */
	size_t n_users;
	char initiators[FAKE_MAX][LUN_INITIATOR_CAP];
	size_t n_initiators;
	uint64_t released;
	char told[16];			/* of write through, in order */
	struct snap_info snaps[FAKE_MAX];
	size_t n_snaps;
	struct exposure_info exposures[FAKE_MAX];
	size_t n_exposures;
	/* What is served, and by how many sessions it is used. */
	struct {
		uint64_t lun, seq;
		unsigned sessions;
		bool evicted;
	} targets[FAKE_MAX];
	size_t n_targets;
	uint64_t next;
	/* Errors to give, 0: none. */
	int create, delete, snapshot, snap_delete, expose, unexpose, failed;
	int add_lun, add_exposure, remove, access, evict;
	uint64_t remove_seq;	/* ${remove} is for this one only, 0: all */
};

static struct fake fake;

#define DROP(array, n, i)						\
	do {								\
		(array)[i] = (array)[(n) - 1];				\
		(n)--;							\
	} while (0)

/* ---- lun/verify.h ------------------------------------------------------- */

static struct {
	int rc;				/* of lunset_verify */
	struct verify_state state;
	struct verify_damage damage[2];
	size_t n_damage;
	struct bad_block bad[1];
	size_t n_bad;
	uint64_t rate_bytes;
} fake_verify;

int
lunset_verify(struct lunset *ls, const struct verify_params *p)
{

	(void)ls;
	if (fake_verify.rc == 0) {
		fake_verify.state.running = true;
		fake_verify.state.begun_ns = 1;
		fake_verify.state.ended_ns = 0;
		(void)snprintf(fake_verify.state.what,
		    sizeof(fake_verify.state.what), "%s%s%s",
		    p->lun == NULL ? "" : p->lun, p->snap == NULL ? "" : "@",
		    p->snap == NULL ? "" : p->snap);
		fake_verify.rate_bytes = p->rate_bytes;
	}
	return (fake_verify.rc);
}

int
lunset_verify_cancel(struct lunset *ls)
{
	bool was = fake_verify.state.running;

	(void)ls;
	fake_verify.state.running = false;
	fake_verify.state.ended_ns = 2;
	fake_verify.state.rc = -EINTR;
	return (was ? 0 : -ENOENT);
}

void
lunset_verify_state(struct lunset *ls, struct verify_state *out)
{

	(void)ls;
	*out = fake_verify.state;
}

int
lunset_verify_damage(struct lunset *ls, enum verify_found_by by,
    struct verify_damage **out, size_t *out_n)
{

	(void)ls;
	*out = calloc(2, sizeof(**out));
	*out_n = by == VERIFY_BY_RUN ? fake_verify.n_damage :
	    by == VERIFY_BY_ANY ? fake_verify.state.known_n_damage : 0;
	memcpy(*out, fake_verify.damage, sizeof(fake_verify.damage));
	return (0);
}

int
lunset_bad_blocks(struct lunset *ls, struct bad_block **out, size_t *out_n)
{

	(void)ls;
	*out = calloc(1, sizeof(**out));
	*out_n = fake_verify.n_bad;
	**out = fake_verify.bad[0];
	return (0);
}

const char *
verify_kind_name(enum verify_kind k)
{

	return (k == VERIFY_DATA ? "data" : "lost");
}

/* ---- reclaim of space --------------------------------------------------- */

static struct lun_gc fake_gc;
static int fake_gc_rc;

int
lunset_gc(struct lunset *ls, bool wait)
{

	(void)ls;
	(void)wait;
	if (fake_gc_rc == 0)
		fake_gc.asked++;
	return (fake_gc_rc);
}

void
lunset_gc_state(struct lunset *ls, struct lun_gc *out)
{

	(void)ls;
	*out = fake_gc;
}

/* ---- lun/ -------------------------------------------------------------- */

int
lunset_find(struct lunset *ls, const char *name, struct lun_info *out)
{

	(void)ls;
	for (size_t i = 0; i < fake.n_luns; i++)
		if (strcmp(fake.luns[i].name, name) == 0) {
			*out = fake.luns[i];
			out->n_snaps = out->n_exposures = 0;
			for (size_t k = 0; k < fake.n_snaps; k++)
				if (fake.snaps[k].lun == out->number) {
					out->n_snaps++;
					out->n_exposures +=
					    fake.snaps[k].exposed;
				}
			return (0);
		}
	return (-ENOENT);
}

int
lunset_list(struct lunset *ls, struct lun_info **out, size_t *out_n)
{

	*out = calloc(FAKE_MAX, sizeof(**out));
	for (*out_n = 0; *out_n < fake.n_luns; (*out_n)++)
		(void)lunset_find(ls, fake.luns[*out_n].name, *out + *out_n);
	return (0);
}

int
lunset_create(struct lunset *ls, const struct lun_params *p,
    struct lun_info *out)
{

	(void)ls;
	if (fake.create != 0)
		return (fake.create);
	memset(out, 0, sizeof(*out));
	out->number = ++fake.next;
	(void)strcpy(out->name, p->name);
	out->size_bytes = p->size_bytes;
	out->block_bytes = p->block_bytes;
	out->sector_bytes = p->sector_bytes;
	out->open = p->open;
	out->hold = p->hold;
	out->dedup = !p->no_dedup;
	out->write_through = p->write_through;
	(void)strcpy(out->identity.serial, "SERIAL0123456789");
	fake.n_users = p->n_users;
	memcpy(fake.users, p->users, p->n_users * sizeof(*p->users));
	fake.luns[fake.n_luns++] = *out;
	return (0);
}

int
lunset_delete(struct lunset *ls, const char *name, bool with_snaps)
{
	struct lun_info l;

	if (fake.delete != 0)
		return (fake.delete);
	if (lunset_find(ls, name, &l) != 0)
		return (-ENOENT);
	if (l.n_snaps > 0 && !with_snaps)
		return (-ENOTEMPTY);
	for (size_t i = 0; i < fake.n_luns; i++)
		if (fake.luns[i].number == l.number)
			DROP(fake.luns, fake.n_luns, i);
	for (size_t i = fake.n_snaps; i-- > 0;)
		if (fake.snaps[i].lun == l.number)
			DROP(fake.snaps, fake.n_snaps, i);
	for (size_t i = fake.n_exposures; i-- > 0;)
		if (fake.exposures[i].lun == l.number)
			DROP(fake.exposures, fake.n_exposures, i);
	return (0);
}

int
lunset_users(struct lunset *ls, uint64_t lun, struct lun_user **out,
    size_t *out_n)
{

	(void)ls;
	(void)lun;
	*out = calloc(FAKE_MAX, sizeof(**out));
	memcpy(*out, fake.users, fake.n_users * sizeof(**out));
	*out_n = fake.n_users;
	return (0);
}

static struct lun_info *
fake_lun(const char *name)
{

	for (size_t i = 0; i < fake.n_luns; i++)
		if (strcmp(fake.luns[i].name, name) == 0)
			return (&fake.luns[i]);
	return (NULL);
}

int
lunset_set_hold(struct lunset *ls, const char *lun, bool hold)
{

	(void)ls;
	if (fake.access == 0)
		fake_lun(lun)->hold = hold;
	return (fake.access);
}

int
lunset_set_dedup(struct lunset *ls, const char *lun, bool on)
{

	(void)ls;
	if (fake.access == 0)
		fake_lun(lun)->dedup = on;
	return (fake.access);
}

/* What initiators are told and what is done: t, w; in capitals: on. */
static void
fake_tell(char c)
{
	size_t n = strlen(fake.told);

	if (n + 1 < sizeof(fake.told))
		fake.told[n] = c;
}

int
lunset_set_write_through(struct lunset *ls, const char *lun, bool on)
{

	(void)ls;
	if (fake.access != 0)
		return (fake.access);
	fake_tell(on ? 'W' : 'w');
	fake_lun(lun)->write_through = on;
	return (0);
}

int
registry_set_write_through(struct registry *r, uint64_t lun, bool on)
{

	(void)r;
	(void)lun;
	fake_tell(on ? 'T' : 't');
	return (0);
}

int
lunset_online(struct lunset *ls, const char *lun)
{

	(void)ls;
	if (fake.access == 0)
		fake_lun(lun)->held = false;
	return (fake.access);
}

int
registry_release(struct registry *r, uint64_t lun)
{

	(void)r;
	fake.released = lun;
	return (0);
}

int
lunset_user_add(struct lunset *ls, const char *lun, const struct lun_user *u)
{

	(void)ls;
	(void)lun;
	if (fake.access != 0)
		return (fake.access);
	fake.users[fake.n_users++] = *u;
	return (0);
}

int
lunset_user_remove(struct lunset *ls, const char *lun, const char *user,
    bool mutual)
{

	(void)ls;
	(void)lun;
	if (fake.access != 0)
		return (fake.access);
	for (size_t i = 0; i < fake.n_users; i++)
		if (fake.users[i].mutual == mutual &&
		    strcmp(fake.users[i].user, user) == 0) {
			DROP(fake.users, fake.n_users, i);
			return (0);
		}
	return (-ENOENT);
}

int
lunset_allow(struct lunset *ls, const char *lun, const char *const *names,
    size_t n)
{

	(void)ls;
	(void)lun;
	if (fake.access != 0)
		return (fake.access);
	for (size_t i = 0; i < n; i++)
		(void)strcpy(fake.initiators[fake.n_initiators++], names[i]);
	return (0);
}

int
lunset_deny(struct lunset *ls, const char *lun, const char *const *names,
    size_t n)
{

	(void)ls;
	(void)lun;
	for (size_t i = 0; i < n; i++)
		for (size_t k = fake.n_initiators; k-- > 0;)
			if (strcmp(fake.initiators[k], names[i]) == 0) {
				fake.n_initiators--;
				memmove(fake.initiators[k],
				    fake.initiators[fake.n_initiators],
				    sizeof(fake.initiators[k]));
			}
	return (fake.access);
}

int
lunset_initiators(struct lunset *ls, uint64_t lun,
    char (**out)[LUN_INITIATOR_CAP], size_t *out_n)
{

	(void)ls;
	(void)lun;
	*out = calloc(FAKE_MAX, sizeof(**out));
	memcpy(*out, fake.initiators, sizeof(fake.initiators));
	*out_n = fake.n_initiators;
	return (0);
}

static struct snap_info *
fake_snap(const char *lun, const char *name)
{
	struct lun_info l;

	if (lunset_find(NULL, lun, &l) != 0)
		return (NULL);
	for (size_t i = 0; i < fake.n_snaps; i++)
		if (fake.snaps[i].lun == l.number &&
		    strcmp(fake.snaps[i].name, name) == 0)
			return (&fake.snaps[i]);
	return (NULL);
}

int
lunset_snapshot(struct lunset *ls, const char *lun, const char *name,
    struct snap_info *out)
{
	struct lun_info l;

	if (fake.snapshot != 0)
		return (fake.snapshot);
	if (lunset_find(ls, lun, &l) != 0)
		return (-ENOENT);
	memset(out, 0, sizeof(*out));
	out->lun = l.number;
	out->seq = 100 + ++fake.next;
	(void)strcpy(out->name, name == NULL ? "20261121-134501.123456" :
	    name);
	fake.snaps[fake.n_snaps++] = *out;
	return (0);
}

int
lunset_snap_delete(struct lunset *ls, const char *lun, const char *name)
{
	struct snap_info *s = fake_snap(lun, name);

	(void)ls;
	if (fake.snap_delete != 0)
		return (fake.snap_delete);
	DROP(fake.snaps, fake.n_snaps, (size_t)(s - fake.snaps));
	return (0);
}

int
lunset_snaps(struct lunset *ls, const char *lun, struct snap_info **out,
    size_t *out_n)
{
	struct lun_info l;
	size_t n = 0;

	if (lunset_find(ls, lun, &l) != 0)
		return (-ENOENT);
	*out = calloc(FAKE_MAX, sizeof(**out));
	for (size_t i = 0; i < fake.n_snaps; i++)
		if (fake.snaps[i].lun == l.number)
			(*out)[n++] = fake.snaps[i];
	*out_n = n;
	return (0);
}

int
lunset_expose(struct lunset *ls, const char *lun, const char *snap,
    struct exposure_info *out)
{
	struct snap_info *s = fake_snap(lun, snap);

	(void)ls;
	if (fake.expose != 0)
		return (fake.expose);
	memset(out, 0, sizeof(*out));
	out->lun = s->lun;
	out->seq = s->seq;
	(void)strcpy(out->lun_name, lun);
	(void)strcpy(out->snap_name, snap);
	out->block_bytes = 4096;
	s->exposed = true;
	fake.exposures[fake.n_exposures++] = *out;
	return (0);
}

int
lunset_unexpose(struct lunset *ls, const char *lun, const char *snap)
{
	struct snap_info *s = fake_snap(lun, snap);

	(void)ls;
	if (fake.unexpose != 0)
		return (fake.unexpose);
	for (size_t i = fake.n_exposures; i-- > 0;)
		if (fake.exposures[i].seq == s->seq)
			DROP(fake.exposures, fake.n_exposures, i);
	s->exposed = false;
	return (0);
}

int
lunset_exposures(struct lunset *ls, struct exposure_info **out, size_t *out_n)
{

	(void)ls;
	*out = calloc(FAKE_MAX, sizeof(**out));
	memcpy(*out, fake.exposures, fake.n_exposures * sizeof(**out));
	*out_n = fake.n_exposures;
	return (0);
}

void
lunset_status(struct lunset *ls, struct lunset_status *out)
{

	(void)ls;
	memset(out, 0, sizeof(*out));
	out->failed = fake.failed;
	out->seq = 4711;
	out->free_bytes = 815;
}

/* ---- target/registry.c ------------------------------------------------- */

static size_t
fake_target(uint64_t lun, uint64_t seq)
{

	for (size_t i = 0; i < fake.n_targets; i++)
		if (fake.targets[i].lun == lun && fake.targets[i].seq == seq)
			return (i);
	return (FAKE_MAX);
}

static int
fake_add(uint64_t lun, uint64_t seq)
{

	if (fake_target(lun, seq) != FAKE_MAX)
		return (-EEXIST);
	fake.targets[fake.n_targets].lun = lun;
	fake.targets[fake.n_targets].seq = seq;
	fake.targets[fake.n_targets].evicted = false;
	fake.targets[fake.n_targets++].sessions = 0;
	return (0);
}

int
registry_add_lun(struct registry *r, const struct lun_info *info)
{

	(void)r;
	return (fake.add_lun != 0 ? fake.add_lun : fake_add(info->number,
	    LUN_HEAD));
}

int
registry_add_exposure(struct registry *r, const struct exposure_info *info)
{

	(void)r;
	return (fake.add_exposure != 0 ? fake.add_exposure :
	    fake_add(info->lun, info->seq));
}

int
registry_remove(struct registry *r, uint64_t lun, uint64_t seq)
{
	size_t i = fake_target(lun, seq);

	(void)r;
	if (fake.remove != 0 && (fake.remove_seq == 0 ||
	    fake.remove_seq == seq))
		return (fake.remove);
	if (i == FAKE_MAX)
		return (-ENOENT);
	if (fake.targets[i].sessions > 0)
		return (-EBUSY);
	DROP(fake.targets, fake.n_targets, i);
	return (0);
}

int
registry_evict(struct registry *r, uint64_t lun, uint64_t seq, unsigned ms)
{
	size_t i = fake_target(lun, seq);

	(void)r;
	CU_ASSERT_EQUAL(ms, 5000);
	if (fake.evict != 0)
		return (fake.evict);
	if (i == FAKE_MAX)
		return (-ENOENT);
	fake.targets[i].sessions = 0;
	fake.targets[i].evicted = true;
	return (0);
}

void
registry_readmit(struct registry *r, uint64_t lun, uint64_t seq)
{
	size_t i = fake_target(lun, seq);

	(void)r;
	if (i != FAKE_MAX)
		fake.targets[i].evicted = false;
}

unsigned
registry_sessions_of(struct registry *r, uint64_t lun, uint64_t seq)
{
	size_t i = fake_target(lun, seq);

	(void)r;
	return (i == FAKE_MAX ? 0 : fake.targets[i].sessions);
}

int
registry_iqn(const struct registry *r, const char *lun_name,
    const char *suffix, char dst[static REGISTRY_IQN_CAP])
{

	(void)r;
	(void)snprintf(dst, REGISTRY_IQN_CAP, "iqn.x:%s%s%s", lun_name,
	    suffix == NULL ? "" : ":", suffix == NULL ? "" : suffix);
	return (0);
}

const struct registry_portal *
registry_portals(const struct registry *r, size_t *n)
{
	static const struct registry_portal portal = {
		.text = "[::1]:3260", .address = "::1", .port = 3260, .tag = 7,
		.is_told = true, .is_bound = true
	};

	(void)r;
	*n = 1;
	return (&portal);
}

int
registry_sessions(struct registry *r, struct registry_session **out,
    size_t *out_n)
{

	(void)r;
	*out = calloc(2, sizeof(**out));
	(*out)[0].discovery = true;
	(void)strcpy((*out)[1].initiator, "iqn.y:a");
	(void)strcpy((*out)[1].address, "192.0.2.7:1");
	(void)strcpy((*out)[1].iqn, "iqn.x:demo");
	(void)strcpy((*out)[1].user, "demo");
	(*out)[1].since_ns = 1;
	*out_n = 2;
	return (0);
}

unsigned
iscsi_node_count(struct iscsi_node *n, const struct iscsi_target *t)
{

	(void)n;
	(void)t;
	return (5);
}

#endif /* !TESTS_UNIT_TARGET_FAKE_STORE_H */
