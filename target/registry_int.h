/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * registry_int.h - shared by registry.c (the table) and access.c (what the
 * iSCSI layer asks of it).
 */
#ifndef TARGET_REGISTRY_INT_H
#define TARGET_REGISTRY_INT_H

#include "meta/base/list.h"
#include "meta/base/lock.h"
#include "target/registry.h"
#include "target/scsi/lu.h"

#define REGISTRY_HASH	256u
#define REGISTRY_GONE	64u

/* Members are protected by:  I  immutable   t  registry lk (LK_TARGETS) */
struct iscsi_target {
	struct list by_iqn, by_number;	/* [t] */
	unsigned refs;			/* [t] the table holds one */
	char iqn[REGISTRY_IQN_CAP];	/* [I] */
	uint64_t lun, seq;		/* [I] seq LUN_HEAD: the LUN itself */
	bool open;			/* [I] no CHAP wanted, from anywhere */
	bool evicted;			/* [t] nobody may enter any more */
	struct scsi_lu *lu;		/* [I] */
};

struct registry {
	struct registry_conf conf;	/* [I] */
	struct iscsi_node *node;	/* [I] once set */
	const struct workers *workers;	/* [I] once set */
	struct registry_portal *portals;	/* [I] once set */
	_Atomic size_t n_portals;
	struct lk lk;
	struct list by_iqn[REGISTRY_HASH];	/* [t] */
	struct list by_number[REGISTRY_HASH];	/* [t] */
	size_t n_targets;		/* [t] */
	/* Names of targets that were taken from under their servers; a ring. */
	char gone[REGISTRY_GONE][REGISTRY_IQN_CAP];	/* [t] */
	unsigned next_gone;		/* [t] */
};

/* A reference; -ENOENT, or -EIDRM when it was evicted. */
int registry_find(struct registry *r, const char *iqn,
    struct iscsi_target **out);
void registry_put(struct registry *r, struct iscsi_target *t);

/* All targets by iqn, each with a reference; the caller frees the array. */
int registry_all(struct registry *r, struct iscsi_target ***out,
    size_t *out_n);

#endif /* !TARGET_REGISTRY_INT_H */
