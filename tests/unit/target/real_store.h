/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * real_store.h - a store in a folder of its own, with a key and a registry,
 * for the tests of what stands between iSCSI and the engine.
 */
#ifndef TESTS_UNIT_TARGET_REAL_STORE_H
#define TESTS_UNIT_TARGET_REAL_STORE_H

#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "target/access.h"
#include "target/registry.h"
#include "target/secret.h"
#include "tests/lib/unit.h"

#define PREFIX "iqn.2026-01.com.example:t"

static char rs_dir[64];
static struct lunset *rs_ls;
static struct secret_key *rs_key;
static struct registry *rs_reg;
static struct iscsi_node *rs_node;

static inline int
rs_rm(const char *path, const struct stat *st, int flag, struct FTW *f)
{

	(void)st;
	(void)flag;
	(void)f;
	return (remove(path));
}

static inline void
rs_make(void)
{
	struct lunset_conf conf = { .store = rs_dir, .segment_bytes = 2u << 20 };

	(void)snprintf(rs_dir, sizeof(rs_dir), "/tmp/tt-target-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(rs_dir));
	CU_ASSERT_EQUAL_FATAL(lunset_init(&conf), 0);
	CU_ASSERT_EQUAL_FATAL(secret_key_create(rs_dir), 0);
}

static inline void
rs_open(void)
{
	struct lunset_conf conf = { .store = rs_dir };
	struct registry_conf rconf = { .iqn_prefix = PREFIX };
	struct iscsi_env env = { .ops = &access_ops };

	CU_ASSERT_EQUAL_FATAL(lunset_open(&conf, &rs_ls), 0);
	CU_ASSERT_EQUAL_FATAL(secret_key_load(rs_dir, &rs_key), 0);
	rconf.lunset = rs_ls;
	rconf.key = rs_key;
	CU_ASSERT_EQUAL_FATAL(registry_new(&rconf, &rs_reg), 0);
	env.arg = rs_reg;
	CU_ASSERT_EQUAL_FATAL(iscsi_node_new(&env, &rs_node), 0);
	registry_set_node(rs_reg, rs_node);
}

static inline void
rs_close(void)
{

	registry_free(rs_reg);
	iscsi_node_free(rs_node);
	CU_ASSERT_EQUAL(lunset_close(rs_ls), 0);
	secret_key_free(rs_key);
}

static inline void
rs_remove(void)
{

	CU_ASSERT_EQUAL(nftw(rs_dir, rs_rm, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static inline void
rs_user(struct lun_user *u, const char *user, const char *secret, bool mutual)
{
	const struct secret_owner who = { .user = user, .mutual = mutual };
	struct secret_sealed s;

	memset(u, 0, sizeof(*u));
	CU_ASSERT_EQUAL_FATAL(secret_seal(rs_key, &who, secret, strlen(secret),
	    &s), 0);
	u->mutual = mutual;
	(void)snprintf(u->user, sizeof(u->user), "%s", user);
	memcpy(u->secret, s.b, s.len);
	u->secret_len = s.len;
}

static inline void
rs_create(const char *name, bool open, const struct lun_user *users,
    size_t n_users, struct lun_info *out)
{
	const struct lun_params p = {
		.name = name,
		.size_bytes = 1u << 20,
		.block_bytes = 4096,
		.sector_bytes = 512,
		.open = open,
		.users = users,
		.n_users = n_users
	};

	CU_ASSERT_EQUAL_FATAL(lunset_create(rs_ls, &p, out), 0);
}

#endif /* !TESTS_UNIT_TARGET_REAL_STORE_H */
