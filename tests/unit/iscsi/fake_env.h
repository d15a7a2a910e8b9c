/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fake_env.h - a daemon and a SCSI side for tests: three targets, two users,
 * a disk in memory, and a switch that holds commands back.
 *
 *	iqn.t:open   no CHAP            iqn.t:chap   CHAP, user joe
 *	iqn.t:gone   was removed        iqn.t:secret not for anybody
 *	iqn.t:late   not ready          iqn.t:full   no room for a session
 */
#ifndef TESTS_UNIT_ISCSI_FAKE_ENV_H
#define TESTS_UNIT_ISCSI_FAKE_ENV_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "meta/base/bytes.h"
#include "meta/base/check.h"
#include "target/iscsi/iscsi.h"

#define DISK_BYTES (4u << 20)

struct iscsi_target {
	const char *iqn;
	bool chap;
	int find_rc, start_rc;
	int refs;
};

struct fake_nexus {
	struct iscsi_target *t;
	struct iscsi_conn *c;
	bool live;
	unsigned resets;
	uint8_t last_reset;
};

static struct iscsi_target fake_targets[] = {
	{ "iqn.t:open", false, 0, 0, 0 },
	{ "iqn.t:chap", true, 0, 0, 0 },
	{ "iqn.t:gone", false, -EIDRM, 0, 0 },
	{ "iqn.t:secret", false, -EACCES, 0, 0 },
	{ "iqn.t:late", false, -EAGAIN, 0, 0 },
	{ "iqn.t:full", false, 0, -ENOMEM, 0 }
};
#define N_FAKE_TARGETS (sizeof(fake_targets) / sizeof(fake_targets[0]))

static struct {
	uint8_t disk[DISK_BYTES];
	struct fake_nexus nexus[64];
	unsigned n_nexus;
	unsigned n_started, n_ended, n_failed;
	enum iscsi_refusal last_refusal;
	bool discovery_chap;	/* iqn.t:chap is then listed for joe only */
	bool hide;		/* what does not exist is asked for CHAP */
	void (*in_find)(void);	/* called by target_find with its result */
	unsigned many;		/* targets beside the real ones to list */

	bool hold;		/* keep what is submitted */
	bool stubborn;		/* ... also when it is aborted */
	struct iscsi_task *held[512];
	unsigned n_held;
	unsigned n_submitted, n_done, n_aborts, n_released;
	uint8_t last_cdb[300];
	size_t last_cdb_len;
	enum iscsi_attr last_attr;
	bool ext;		/* data-in from foreign memory, in bits */
} fake;

/* What the SCSI side keeps with a task. */
struct fake_priv {
	struct iovec *iov;	/* with ext; freed when the task is released */
	uint8_t rest[16];
};

static int
fake_find(void *arg, const char *iqn, const struct iscsi_peer *peer,
    struct iscsi_target **out)
{

	(void)arg;
	TT_ASSERT(peer->initiator[0] != '\0');
	for (size_t i = 0; i < N_FAKE_TARGETS; i++) {
		struct iscsi_target *t = &fake_targets[i];

		if (strcmp(t->iqn, iqn) != 0)
			continue;
		if (t->find_rc != 0)
			return (t->find_rc);
		t->refs++;
		*out = t;
		if (fake.in_find != NULL)
			fake.in_find();
		return (0);
	}
	return (-ENOENT);
}

static void
fake_put(void *arg, struct iscsi_target *t)
{

	(void)arg;
	TT_ASSERT(t->refs > 0);
	t->refs--;
}

static bool
fake_chap_absent(void *arg, const struct iscsi_peer *peer)
{

	(void)arg;
	TT_ASSERT(peer->initiator[0] != '\0');
	return (fake.hide);
}

static bool
fake_chap_needed(void *arg, struct iscsi_target *t,
    const struct iscsi_peer *peer)
{

	(void)arg;
	(void)peer;
	return (t == NULL ? fake.discovery_chap : t->chap);
}

static void
fake_set_secret(struct iscsi_secret *s, const char *text)
{

	s->len = strlen(text);
	memcpy(s->b, text, s->len);
}

static int
fake_chap_secret(void *arg, struct iscsi_target *t, const char *user,
    struct iscsi_secret *out)
{

	(void)arg;
	(void)t;
	if (strcmp(user, "joe") == 0)
		fake_set_secret(out, "joes secret 1");
	else if (strcmp(user, "eve") == 0)	/* the same both ways */
		fake_set_secret(out, "equal secret!");
	else
		return (-ENOENT);
	return (0);
}

/* For discovery joe has two more, at other targets. */
static void
fake_discovery_secrets(void *arg, const char *user,
    void (*fn)(void *ctx, const struct iscsi_secret *secret), void *ctx)
{
	static const char *const other[] = { "joes secret 2", "joes secret 3" };
	struct iscsi_secret s = { 0 };

	if (fake_chap_secret(arg, NULL, user, &s) == 0)
		fn(ctx, &s);
	for (size_t i = 0; i < 2 && strcmp(user, "joe") == 0; i++) {
		fake_set_secret(&s, other[i]);
		fn(ctx, &s);
	}
}

static int
fake_chap_mutual(void *arg, struct iscsi_target *t, const char *user,
    char name[ISCSI_USER_CAP], struct iscsi_secret *out)
{

	(void)arg;
	if (t == NULL)
		return (-ENOENT);
	(void)snprintf(name, ISCSI_USER_CAP, "the-target");
	fake_set_secret(out, strcmp(user, "eve") == 0 ? "equal secret!" :
	    "our secret 22");
	return (0);
}

static void
fake_discover(void *arg, const struct iscsi_peer *peer, const char *user,
    const char *iqn, iscsi_emit_fn *emit, void *ctx)
{
	const char *portals[2] = { "192.0.2.1:3260,1", "[2001:db8::1]:3260,1" };
	char name[64];

	(void)arg;
	(void)peer;
	for (size_t i = 0; i < 2; i++)
		if ((iqn == NULL || strcmp(iqn, fake_targets[i].iqn) == 0) &&
		    (!fake_targets[i].chap || !fake.discovery_chap ||
		    strcmp(user, "joe") == 0))
			emit(ctx, fake_targets[i].iqn, portals, 2);
	for (unsigned i = 0; i < fake.many && iqn == NULL; i++) {
		(void)snprintf(name, sizeof(name), "iqn.t:many-%05u", i);
		emit(ctx, name, portals, 1);
	}
}

static int
fake_start(void *arg, struct iscsi_target *t,
    const struct iscsi_session_info *info, struct iscsi_conn *c,
    void **out_nexus)
{
	struct fake_nexus *nx;

	(void)arg;
	TT_ASSERT(!info->discovery && strcmp(info->iqn, t->iqn) == 0);
	if (t->start_rc != 0)
		return (t->start_rc);
	nx = &fake.nexus[fake.n_nexus++ % 64];
	TT_ASSERT(!nx->live);
	*nx = (struct fake_nexus){ .t = t, .c = c, .live = true };
	fake.n_started++;
	*out_nexus = nx;
	return (0);
}

static void
fake_end(void *arg, void *nexus)
{
	struct fake_nexus *nx = nexus;

	(void)arg;
	TT_ASSERT(nx->live);
	nx->live = false;
	fake.n_ended++;
}

static void
fake_login_failed(void *arg, const struct iscsi_peer *peer, const char *iqn,
    const char *user, enum iscsi_refusal why)
{

	(void)arg;
	(void)peer;
	(void)iqn;
	(void)user;
	fake.n_failed++;
	fake.last_refusal = why;
}

static const struct iscsi_env_ops fake_env_ops = {
	.target_find = fake_find, .target_put = fake_put,
	.chap_needed = fake_chap_needed, .chap_absent = fake_chap_absent,
	.chap_secret = fake_chap_secret,
	.discovery_secrets = fake_discovery_secrets,
	.chap_mutual = fake_chap_mutual, .discover = fake_discover,
	.session_start = fake_start, .session_end = fake_end,
	.login_failed = fake_login_failed
};

static void
fake_done(struct iscsi_task *t, uint8_t status, size_t in_bytes,
    uint64_t xfer_bytes)
{
	static const uint8_t sense[18] = { 0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0,
	    0, 0x20, 0 };
	struct iscsi_result r = { .status = status, .in_bytes = in_bytes,
	    .xfer_bytes = xfer_bytes };

	if (status == 2) {
		r.sense = sense;
		r.sense_bytes = sizeof(sense);
	}
	fake.n_done++;
	iscsi_task_done(t, &r);
}

/* 512-byte blocks: CDB bytes 2-5 where, 7-8 how many (10-byte forms). */
static void
fake_read(struct iscsi_task *t, const uint8_t *cdb)
{
	size_t off = (size_t)get_be32(cdb + 2) * 512;
	size_t len = (size_t)get_be16(cdb + 7) * 512;
	size_t n = TT_MIN(len, (size_t)iscsi_task_edtl(t)), at = 0;
	unsigned n_iov;
	struct iovec *iov;

	if (!iscsi_task_is_read(t))
		n = 0;
	if (fake.ext && n > 0) {
		/* Odd pieces, more of them than a PDU has vectors. */
		struct fake_priv *p = iscsi_task_priv(t);
		size_t iov_bytes = (n / 777 + 1) * sizeof(p->iov[0]);
		unsigned k = 0;
		uint8_t *copy;

		/* It must not change while it is being sent. */
		p->iov = malloc(iov_bytes + n);
		TT_ASSERT(p->iov != NULL);
		copy = (uint8_t *)p->iov + iov_bytes;
		memcpy(copy, fake.disk + off, n);
		while (at < n) {
			size_t piece = TT_MIN(n - at, (size_t)777);

			p->iov[k++] = (struct iovec){ copy + at, piece };
			at += piece;
		}
		iscsi_task_set_in(t, p->iov, k);
	} else if (n > 0) {
		TT_ASSERT(iscsi_task_alloc_in(t, n) == 0);
		iov = iscsi_task_in(t, &n_iov);
		for (unsigned i = 0; i < n_iov; i++) {
			memcpy(iov[i].iov_base, fake.disk + off + at,
			    iov[i].iov_len);
			at += iov[i].iov_len;
		}
	}
	fake_done(t, 0, n, len);
}

static void
fake_write(struct iscsi_task *t, const uint8_t *cdb)
{
	size_t off = (size_t)get_be32(cdb + 2) * 512;
	size_t len = (size_t)get_be16(cdb + 7) * 512, at = 0;
	unsigned n_iov;
	struct iovec *iov = iscsi_task_out(t, &n_iov);

	for (unsigned i = 0; i < n_iov && at < len; i++) {
		size_t n = TT_MIN(iov[i].iov_len, len - at);

		memcpy(fake.disk + off + at, iov[i].iov_base, n);
		at += n;
	}
	fake_done(t, 0, 0, len);
}

static void
fake_execute(struct iscsi_task *t)
{
	size_t len;
	const uint8_t *cdb = iscsi_task_cdb(t, &len);

	bool in_range = (uint64_t)get_be32(cdb + 2) * 512 +
	    get_be16(cdb + 7) * 512u <= DISK_BYTES;

	if (cdb[0] == 0x28 && in_range)
		fake_read(t, cdb);
	else if (cdb[0] == 0x2a && in_range)
		fake_write(t, cdb);
	else
		fake_done(t, cdb[0] == 0x00 ? 0 : 2, 0, 0);
}

static void
fake_submit(struct iscsi_task *t)
{
	const uint8_t *cdb = iscsi_task_cdb(t, &fake.last_cdb_len);

	memcpy(fake.last_cdb, cdb, fake.last_cdb_len);
	fake.last_attr = iscsi_task_attr(t);
	fake.n_submitted++;
	TT_ASSERT(((struct fake_nexus *)iscsi_task_nexus(t))->live);
	TT_ASSERT(iscsi_task_from_priv(iscsi_task_priv(t)) == t);
	memset(iscsi_task_priv(t), 0, sizeof(struct fake_priv));
	if (fake.hold) {
		TT_ASSERT(fake.n_held < 512);
		fake.held[fake.n_held++] = t;
		return;
	}
	fake_execute(t);
}

/* Give back held task ${i}, executing it. */
static inline void
fake_let_go(unsigned i)
{
	struct iscsi_task *t = fake.held[i];

	fake.n_held--;
	memmove(&fake.held[i], &fake.held[i + 1],
	    (fake.n_held - i) * sizeof(fake.held[0]));
	fake_execute(t);
}

static void
fake_abort(struct iscsi_task *t)
{

	fake.n_aborts++;
	TT_ASSERT(iscsi_task_aborted(t));
	for (unsigned i = 0; i < fake.n_held && !fake.stubborn; i++)
		if (fake.held[i] == t) {
			fake.n_held--;
			memmove(&fake.held[i], &fake.held[i + 1],
			    (fake.n_held - i) * sizeof(fake.held[0]));
			fake_done(t, 2, 0, 0);
			return;
		}
}

static bool
fake_lun_exists(void *nexus, const uint8_t lun[static 8])
{
	static const uint8_t zero[8];

	(void)nexus;
	return (memcmp(lun, zero, 8) == 0);
}

static void
fake_reset(void *nexus, enum iscsi_tmf_fn fn, const uint8_t lun[static 8])
{
	struct fake_nexus *nx = nexus;

	(void)lun;
	TT_ASSERT(nx->live);
	nx->resets++;
	nx->last_reset = (uint8_t)fn;
}

static void
fake_release(struct iscsi_task *t)
{

	free(((struct fake_priv *)iscsi_task_priv(t))->iov);
	fake.n_released++;
}

static const struct iscsi_task_ops fake_task_ops = {
	.submit = fake_submit, .abort = fake_abort,
	.lun_exists = fake_lun_exists, .reset = fake_reset,
	.release = fake_release
};

static const struct iscsi_env fake_env = {
	.ops = &fake_env_ops, .task_ops = &fake_task_ops,
	.task_priv_bytes = sizeof(struct fake_priv), .chap_algs = 0xf
};

/* As at the start, but for the disk's content. */
static inline void
fake_clear(void)
{

	for (size_t i = 0; i < N_FAKE_TARGETS; i++)
		TT_ASSERT(fake_targets[i].refs == 0);
	TT_ASSERT(fake.n_held == 0 && fake.n_started == fake.n_ended);
	TT_ASSERT(fake.n_submitted == fake.n_done);
	TT_ASSERT(fake.n_submitted == fake.n_released);
	memset(&fake, 0, sizeof(fake));
	for (size_t i = 0; i < DISK_BYTES; i++)
		fake.disk[i] = (uint8_t)(i * 2654435761u >> 13);
}

#endif /* !TESTS_UNIT_ISCSI_FAKE_ENV_H */
