/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/registry.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "meta/base/check.h"
#include "meta/base/exec_sync.h"
#include "meta/base/msg.h"
#include "target/joint_lun.h"
#include "target/logins.h"
#include "target/registry_int.h"
#include "target/scsi/asc.h"

#define VENDOR	"TT"
#define PRODUCT	"time-travel LUN"

int
registry_new(const struct registry_conf *conf, struct registry **out)
{
	struct registry *r;

	if ((r = calloc(1, sizeof(*r))) == NULL)
		return (-ENOMEM);
	r->conf = *conf;
	lk_init(&r->lk, LK_TARGETS);
	for (unsigned i = 0; i < REGISTRY_HASH; i++) {
		list_init(&r->by_iqn[i]);
		list_init(&r->by_number[i]);
	}
	*out = r;
	return (0);
}

static void
target_free(struct iscsi_target *t)
{

	scsi_lu_put(t->lu);	/* which closes the lun_dev */
	free(t);
}

void
registry_free(struct registry *r)
{

	if (r == NULL)
		return;
	for (unsigned i = 0; i < REGISTRY_HASH; i++)
		LIST_FOREACH_SAFE(it, nx, &r->by_iqn[i]) {
			struct iscsi_target *t = LIST_ENTRY(it,
			    struct iscsi_target, by_iqn);

			TT_ASSERT(t->refs == 1);
			target_free(t);
		}
	lk_destroy(&r->lk);
	free(r->portals);
	free(r);
}

void
registry_set_node(struct registry *r, struct iscsi_node *n)
{

	r->node = n;
}

void
registry_set_workers(struct registry *r, const struct workers *ws)
{

	r->workers = ws;
}

/* --- looking up --- */

/* FNV-1a; the names are ours, nobody can choose them to collide. */
static unsigned
hash_iqn(const char *s)
{
	uint32_t h = 2166136261u;

	for (; *s != '\0'; s++)
		h = (h ^ (uint8_t)*s) * 16777619u;
	return (h % REGISTRY_HASH);
}

static unsigned
hash_number(uint64_t lun)
{

	return ((unsigned)(lun % REGISTRY_HASH));
}

static struct iscsi_target *
find_iqn_locked(struct registry *r, const char *iqn)
{

	LIST_FOREACH(it, &r->by_iqn[hash_iqn(iqn)]) {
		struct iscsi_target *t = LIST_ENTRY(it, struct iscsi_target,
		    by_iqn);

		if (strcmp(t->iqn, iqn) == 0)
			return (t);
	}
	return (NULL);
}

static struct iscsi_target *
find_number_locked(struct registry *r, uint64_t lun, uint64_t seq)
{

	LIST_FOREACH(it, &r->by_number[hash_number(lun)]) {
		struct iscsi_target *t = LIST_ENTRY(it, struct iscsi_target,
		    by_number);

		if (t->lun == lun && t->seq == seq)
			return (t);
	}
	return (NULL);
}

/* The place of ${iqn} in the ring, or NULL. */
static char *
gone_locked(struct registry *r, const char *iqn)
{

	for (unsigned i = 0; i < REGISTRY_GONE; i++)
		if (strcmp(r->gone[i], iqn) == 0)
			return (r->gone[i]);
	return (NULL);
}

int
registry_find(struct registry *r, const char *iqn, struct iscsi_target **out)
{
	struct iscsi_target *t;
	int rc = 0;

	if (*iqn == '\0')
		return (-ENOENT);
	lk_lock(&r->lk);
	if ((t = find_iqn_locked(r, iqn)) == NULL)
		rc = gone_locked(r, iqn) != NULL ? -EIDRM : -ENOENT;
	else if (t->evicted)
		rc = -EIDRM;
	else
		t->refs++;
	lk_unlock(&r->lk);
	if (rc == 0)
		*out = t;
	return (rc);
}

void
registry_put(struct registry *r, struct iscsi_target *t)
{
	bool is_last;

	lk_lock(&r->lk);
	TT_ASSERT(t->refs > 0);
	is_last = --t->refs == 0;
	lk_unlock(&r->lk);
	if (is_last)
		target_free(t);
}

static int
compare_iqn(const void *a, const void *b)
{
	const struct iscsi_target *const *x = a, *const *y = b;

	return (strcmp((*x)->iqn, (*y)->iqn));
}

int
registry_all(struct registry *r, struct iscsi_target ***out, size_t *out_n)
{
	struct iscsi_target **all;
	size_t n = 0;

	lk_lock(&r->lk);
	all = calloc(r->n_targets + 1, sizeof(struct iscsi_target *));
	for (unsigned i = 0; all != NULL && i < REGISTRY_HASH; i++)
		LIST_FOREACH(it, &r->by_iqn[i]) {
			struct iscsi_target *t = LIST_ENTRY(it,
			    struct iscsi_target, by_iqn);

			if (t->evicted)
				continue;
			t->refs++;
			all[n++] = t;
		}
	lk_unlock(&r->lk);
	if (all == NULL)
		return (-ENOMEM);
	qsort(all, n, sizeof(struct iscsi_target *), compare_iqn);
	*out = all;
	*out_n = n;
	return (0);
}

void
registry_space_low(struct registry *r)
{
	struct iscsi_target **all;
	size_t n;

	if (registry_all(r, &all, &n) != 0)
		return;
	for (size_t i = 0; i < n; i++) {
		if (all[i]->seq == LUN_HEAD)
			scsi_lu_attention(all[i]->lu, NULL,
			    ASC_SOFT_THRESHOLD);
		registry_put(r, all[i]);
	}
	free(all);
}

/* --- adding and removing --- */

int
registry_iqn(const struct registry *r, const char *lun_name,
    const char *suffix, char dst[static REGISTRY_IQN_CAP])
{
	char iqn[REGISTRY_IQN_CAP];
	const int n = snprintf(iqn, sizeof(iqn), "%s:%s%s%s",
	    r->conf.iqn_prefix, lun_name, suffix == NULL ? "" : ":",
	    suffix == NULL ? "" : suffix);

	if (n < 0 || (size_t)n >= sizeof(iqn))
		return (-ENAMETOOLONG);
	memcpy(dst, iqn, (size_t)n + 1);
	return (0);
}

/* What a LUN and an exposure have in common. */
struct disk {
	uint64_t lun, seq;
	const char *lun_name, *suffix;
	const struct lun_identity *id;
	uint32_t sector_bytes;
	bool open, held, write_through;
};

static int
make_lu(struct registry *r, const struct disk *d, struct scsi_lu **out)
{
	struct scsi_lu_conf conf = {
		.ops = &joint_lun_ops,
		.sector_bytes = d->sector_bytes,
		.serial = d->id->serial,
		.vendor = VENDOR,
		.product = PRODUCT
	};
	struct lun_dev *dev;
	int rc;

	memcpy(conf.uuid, d->id->uuid, sizeof(conf.uuid));
	memcpy(conf.naa, d->id->naa, sizeof(conf.naa));
	if ((rc = lun_dev_open(r->conf.lunset, d->lun, d->seq, &dev)) != 0)
		return (rc);
	conf.disk = dev;
	conf.size_bytes = lun_dev_size_bytes(dev);
	conf.block_bytes = lun_dev_block_bytes(dev);
	conf.read_only = lun_dev_is_read_only(dev);
	if (!conf.read_only)
		conf.soft_threshold_bytes = lunset_low_bytes(r->conf.lunset);
	conf.write_through = d->write_through;
	if ((rc = scsi_lu_new(&conf, out)) != 0)
		lun_dev_close(dev);
	else if (d->held)
		scsi_lu_hold(*out, true);
	return (rc);
}

static int
link_target(struct registry *r, struct iscsi_target *t)
{
	char *gone;
	int rc = 0;

	lk_lock(&r->lk);
	if ((gone = gone_locked(r, t->iqn)) != NULL)
		gone[0] = '\0';		/* it is there again */
	if (find_iqn_locked(r, t->iqn) != NULL ||
	    find_number_locked(r, t->lun, t->seq) != NULL) {
		rc = -EEXIST;
	} else {
		list_add_tail(&r->by_iqn[hash_iqn(t->iqn)], &t->by_iqn);
		list_add_tail(&r->by_number[hash_number(t->lun)],
		    &t->by_number);
		r->n_targets++;
	}
	lk_unlock(&r->lk);
	return (rc);
}

static int
add(struct registry *r, const struct disk *d)
{
	struct iscsi_target *t;
	int rc;

	if ((t = calloc(1, sizeof(*t))) == NULL)
		return (-ENOMEM);
	t->refs = 1;
	t->lun = d->lun;
	t->seq = d->seq;
	t->open = d->open;
	if ((rc = registry_iqn(r, d->lun_name, d->suffix, t->iqn)) != 0 ||
	    (rc = make_lu(r, d, &t->lu)) != 0)
		goto out_free;
	if ((rc = link_target(r, t)) == 0)
		return (0);
	scsi_lu_put(t->lu);
out_free:
	free(t);
	msg_err("target for %s%s%s: %s", d->lun_name, d->suffix == NULL ? "" :
	    "@", d->suffix == NULL ? "" : d->suffix, strerror(-rc));
	return (rc);
}

int
registry_add_lun(struct registry *r, const struct lun_info *info)
{
	const struct disk d = {
		.lun = info->number,
		.seq = LUN_HEAD,
		.lun_name = info->name,
		.id = &info->identity,
		.sector_bytes = info->sector_bytes,
		.open = info->open,
		.held = info->held,
		.write_through = info->write_through
	};

	return (add(r, &d));
}

int
registry_add_exposure(struct registry *r, const struct exposure_info *info)
{
	const struct disk d = {
		.lun = info->lun,
		.seq = info->seq,
		.lun_name = info->lun_name,
		.suffix = info->snap_name,
		.id = &info->identity,
		.sector_bytes = info->sector_bytes,
		.open = info->open
	};

	return (add(r, &d));
}

int
registry_remove(struct registry *r, uint64_t lun, uint64_t seq)
{
	struct iscsi_target *t;
	int rc = 0;

	lk_lock(&r->lk);
	if ((t = find_number_locked(r, lun, seq)) == NULL) {
		rc = -ENOENT;
	} else if (t->refs > 1) {
		rc = -EBUSY;
	} else {
		list_del(&t->by_iqn);
		list_del(&t->by_number);
		r->n_targets--;
		if (t->evicted) {
			memcpy(r->gone[r->next_gone], t->iqn, sizeof(t->iqn));
			r->next_gone = (r->next_gone + 1) % REGISTRY_GONE;
		}
	}
	lk_unlock(&r->lk);
	if (rc == 0)
		target_free(t);
	return (rc);
}

/* The target of a LUN, a reference; NULL: none. */
static struct iscsi_target *
get_head(struct registry *r, uint64_t lun)
{
	struct iscsi_target *t;

	lk_lock(&r->lk);
	if ((t = find_number_locked(r, lun, LUN_HEAD)) != NULL)
		t->refs++;
	lk_unlock(&r->lk);
	return (t);
}

int
registry_release(struct registry *r, uint64_t lun)
{
	struct iscsi_target *t = get_head(r, lun);

	if (t == NULL)
		return (-ENOENT);
	scsi_lu_hold(t->lu, false);
	registry_put(r, t);
	return (0);
}

int
registry_set_write_through(struct registry *r, uint64_t lun, bool on)
{
	struct iscsi_target *t = get_head(r, lun);

	if (t == NULL)
		return (-ENOENT);
	scsi_lu_set_write_through(t->lu, on);
	registry_put(r, t);
	return (0);
}

static void
on_evicted(void *arg)
{

	*(bool *)arg = true;
}

/* A target with a reference and the mark, or NULL. */
static struct iscsi_target *
mark_evicted(struct registry *r, uint64_t lun, uint64_t seq, bool evicted)
{
	struct iscsi_target *t;

	lk_lock(&r->lk);
	if ((t = find_number_locked(r, lun, seq)) != NULL) {
		t->evicted = evicted;
		t->refs++;
	}
	lk_unlock(&r->lk);
	return (t);
}

void
registry_readmit(struct registry *r, uint64_t lun, uint64_t seq)
{
	struct iscsi_target *t = mark_evicted(r, lun, seq, false);

	if (t != NULL)
		registry_put(r, t);
}

int
registry_evict(struct registry *r, uint64_t lun, uint64_t seq, unsigned ms)
{
	struct iscsi_target *t;
	struct exec_sync *es;
	bool done = false;
	int rc;

	if ((rc = exec_sync_new(&es)) != 0)
		return (rc);
	if ((t = mark_evicted(r, lun, seq, true)) == NULL) {
		exec_sync_free(es);
		return (-ENOENT);
	}
	rc = iscsi_node_evict(r->node, t, ms, exec_sync_exec(es), on_evicted,
	    &done);
	if (rc == 0)
		exec_sync_run(es, &done);
	registry_put(r, t);
	if (rc != 0)
		registry_readmit(r, lun, seq);
	exec_sync_free(es);
	return (rc);
}

int
registry_load(struct registry *r)
{
	struct lun_info *luns = NULL;
	struct exposure_info *exps = NULL;
	size_t n = 0;
	int rc;

	if ((rc = lunset_list(r->conf.lunset, &luns, &n)) != 0)
		return (rc);
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = registry_add_lun(r, &luns[i]);
	free(luns);
	if (rc != 0 ||
	    (rc = lunset_exposures(r->conf.lunset, &exps, &n)) != 0)
		return (rc);
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = registry_add_exposure(r, &exps[i]);
	free(exps);
	return (rc);
}

/* --- portals --- */

int
registry_set_portals(struct registry *r, const struct registry_portal *p,
    size_t n)
{

	TT_ASSERT(r->portals == NULL);
	if ((r->portals = calloc(n + 1, sizeof(*p))) == NULL)
		return (-ENOMEM);
	memcpy(r->portals, p, n * sizeof(*p));
	/* The admin thread may be reading: the count comes last. */
	atomic_store_explicit(&r->n_portals, n, memory_order_release);
	return (0);
}

const struct registry_portal *
registry_portals(const struct registry *r, size_t *n)
{

	*n = atomic_load_explicit(&r->n_portals, memory_order_acquire);
	return (*n == 0 ? NULL : r->portals);
}

/* --- sessions --- */

unsigned
registry_sessions_of(struct registry *r, uint64_t lun, uint64_t seq)
{
	struct iscsi_target *t;
	unsigned n;

	lk_lock(&r->lk);
	if ((t = find_number_locked(r, lun, seq)) != NULL)
		t->refs++;
	lk_unlock(&r->lk);
	if (t == NULL)
		return (0);
	n = iscsi_node_count(r->node, t);
	registry_put(r, t);
	return (n);
}

struct copying {
	struct registry_session *s;
	size_t n, cap;
	bool no_memory;
};

/* Under the lock of the table of sessions. */
static void
copy_session(void *arg, const struct iscsi_session_info *info,
    const struct iscsi_target *t)
{
	struct copying *c = arg;
	struct registry_session *s;

	(void)t;
	if (c->no_memory)
		return;
	if (c->n == c->cap) {
		const size_t cap = c->cap == 0 ? 16 : 2 * c->cap;

		s = realloc(c->s, cap * sizeof(*s));
		if (s == NULL) {
			c->no_memory = true;
			return;
		}
		c->s = s;
		c->cap = cap;
	}
	s = &c->s[c->n++];
	memset(s, 0, sizeof(*s));
	(void)snprintf(s->initiator, sizeof(s->initiator), "%s",
	    info->initiator);
	(void)snprintf(s->address, sizeof(s->address), "%s", info->address);
	(void)snprintf(s->iqn, sizeof(s->iqn), "%s", info->iqn);
	(void)snprintf(s->user, sizeof(s->user), "%s", info->user);
	s->since_ns = info->since_utc_ns;
	s->discovery = info->discovery;
}

int
registry_sessions(struct registry *r, struct registry_session **out,
    size_t *out_n)
{
	struct copying c = { .s = NULL };

	iscsi_node_list(r->node, copy_session, &c);
	if (!c.no_memory && c.s == NULL)
		c.s = calloc(1, sizeof(*c.s));
	if (c.no_memory || c.s == NULL) {
		free(c.s);
		return (-ENOMEM);
	}
	*out = c.s;
	*out_n = c.n;
	return (0);
}

struct looking {
	char host[LOGINS_ADDRESS_CAP];
	bool found;
};

static void
compare_host(void *arg, const struct iscsi_session_info *info,
    const struct iscsi_target *t)
{
	struct looking *k = arg;
	char host[LOGINS_ADDRESS_CAP];

	(void)t;
	logins_host(host, info->address);
	if (!info->discovery && strcmp(host, k->host) == 0)
		k->found = true;
}

bool
registry_is_known(struct registry *r, const char *address)
{
	struct looking k = { .found = false };

	logins_host(k.host, address);
	iscsi_node_list(r->node, compare_host, &k);
	return (k.found);
}
