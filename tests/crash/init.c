/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * init.c - the making of a store and the writing of CHAP secrets, cut.
 *
 *	crash-init run DIR		behind a recorded ttd --init of DIR/store:
 *					secrets come and go, sealed as ttd does
 *	crash-init --trace FILE ...	cuts.h
 *
 * At each cut the store is whole, and every secret that was acknowledged (or
 * was being written) is opened by the key; or the making had not returned yet,
 * and ttd --init (TT_TTD) makes it, or says that the folder must be removed and
 * makes it then.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lun/lun.h"
#include "meta/base/check.h"
#include "meta/base/msg.h"
#include "target/secret.h"
#include "tests/crash/cuts.h"

#define USERS	6u		/* each second one is the target's own */
#define STEPS	40u
#define LUN	"disk"

enum what { INIT_DONE = 1, BEGUN, DONE };

struct note {
	uint32_t what, user, value;	/* value 0: there is none */
};

struct model {
	bool init;
	uint32_t value[USERS], next[USERS];
};

static void
note(enum what what, uint32_t user, uint32_t value)
{
	struct note n = { what, user, value };

	if (tt_record_mark != NULL)
		tt_record_mark(&n, sizeof(n));
}

static size_t
secret_of(uint32_t value, char dst[static 32])
{

	return ((size_t)snprintf(dst, 32, "a-secret-%08u", value));
}

static struct secret_owner
owner(uint32_t user, char name[static 16])
{

	(void)snprintf(name, 16, "user-%u", user);
	return (struct secret_owner){ .user = name, .mutual = user % 2 != 0 };
}

/* ---- what is recorded --------------------------------------------------- */

static int
seal(const struct secret_key *key, uint32_t user, uint32_t value,
    struct lun_user *out)
{
	char name[16], secret[32];
	const struct secret_owner who = owner(user, name);
	size_t len = secret_of(value, secret);
	struct secret_sealed s;
	int rc;

	if ((rc = secret_seal(key, &who, secret, len, &s)) != 0)
		return (rc);
	*out = (struct lun_user){ .mutual = who.mutual, .secret_len = s.len };
	memcpy(out->user, name, sizeof(name));
	memcpy(out->secret, s.b, s.len);
	return (0);
}

/* The first with the LUN; then one appears, or one goes. */
static int
change(struct lunset *ls, const struct secret_key *key, uint32_t user,
    uint32_t old, uint32_t value)
{
	struct lun_params p = { .name = LUN, .size_bytes = 1u << 20,
	    .block_bytes = 4096, .sector_bytes = 512, .n_users = 1 };
	struct lun_info li;
	struct lun_user u;
	char name[16];
	int rc;

	if ((rc = seal(key, user, value, &u)) != 0)
		return (rc);
	p.users = &u;
	note(BEGUN, user, value);
	if (value == 1)
		rc = lunset_create(ls, &p, &li);
	else if (old == 0)
		rc = lunset_user_add(ls, LUN, &u);
	else
		rc = lunset_user_remove(ls, LUN, owner(user, name).user,
		    user % 2 != 0);
	if (rc == 0)
		note(DONE, user, value);
	return (rc);
}

static int
run(const char *dir)
{
	struct lunset_conf conf = { .memory_bytes = 64u << 20 };
	uint32_t value[USERS] = { 0 };
	struct secret_key *key;
	char store[PATH_MAX];
	struct lunset *ls;
	int rc;

	note(INIT_DONE, 0, 0);
	(void)snprintf(store, sizeof(store), "%s/store", dir);
	conf.store = store;
	if ((rc = secret_key_load(store, &key)) != 0)
		return (1);
	rc = lunset_open(&conf, &ls);
	for (uint32_t i = 1; rc == 0 && i <= STEPS; i++) {
		uint32_t user = i == 1 ? 0 : i * 7 / 3 % USERS;
		uint32_t next = value[user] == 0 ? i : 0;

		rc = change(ls, key, user, value[user], next);
		value[user] = next;
		if (rc == 0 && i % 15 == 0)
			rc = lunset_checkpoint(ls);
		if (rc == 0 && i % 20 == 0) {
			lunset_abandon(ls);
			rc = lunset_open(&conf, &ls);
		}
	}
	if (rc == 0)
		rc = lunset_close(ls);
	secret_key_free(key);
	if (rc != 0)
		(void)fprintf(stderr, "crash-init: %s\n", strerror(-rc));
	return (rc == 0 ? 0 : 1);
}

/* ---- what is checked ---------------------------------------------------- */

#define COMPLAIN(...)							\
	((void)fprintf(stderr, __VA_ARGS__), (void)fputc('\n', stderr), 1)

/* What this user has is what was acknowledged, or was being changed to. */
static int
check_user(const struct model *m, const struct secret_key *key, uint32_t user,
    const struct lun_user *all, size_t n)
{
	char name[16], want[2][32];
	const struct secret_owner who = owner(user, name);
	uint8_t got[SECRET_MAX_BYTES];
	size_t len, i = 0, w[2];

	while (i < n && (strcmp(all[i].user, name) != 0 ||
	    all[i].mutual != who.mutual))
		i++;
	if (i == n)
		return (m->value[user] == 0 || m->next[user] == 0 ? 0 :
		    COMPLAIN("%s is gone", name));
	if (secret_unseal(key, &who, all[i].secret, all[i].secret_len, got,
	    sizeof(got), &len) != 0)
		return (COMPLAIN("the secret of %s cannot be opened", name));
	w[0] = secret_of(m->value[user], want[0]);
	w[1] = secret_of(m->next[user], want[1]);
	for (i = 0; i < 2; i++)
		if (len == w[i] && memcmp(got, want[i], len) == 0)
			return (0);
	return (COMPLAIN("%s has another secret", name));
}

static int
check_users(const struct model *m, const struct secret_key *key,
    struct lunset *ls)
{
	struct lun_user *all = NULL;
	struct lun_info li;
	size_t n = 0;
	int rc = lunset_find(ls, LUN, &li), bad = 0;

	if (rc == 0)
		rc = lunset_users(ls, li.number, &all, &n);
	if (rc != 0 && rc != -ENOENT)
		bad = COMPLAIN("users: %s", strerror(-rc));
	for (uint32_t u = 0; u < USERS; u++)
		bad += check_user(m, key, u, all, n);
	free(all);
	return (bad);
}

/* 0: it is whole, 1: it is not, 2: it is, and something is wrong in it. */
static int
look(const struct model *m, const char *store)
{
	struct lunset_conf conf = { .store = store,
	    .memory_bytes = 64u << 20 };
	struct secret_key *key;
	struct lunset *ls;
	int bad = 1;

	if (lunset_open(&conf, &ls) != 0)
		return (1);
	if (secret_key_load(store, &key) == 0) {
		bad = check_users(m, key, ls) == 0 ? 0 : 2;
		secret_key_free(key);
	}
	return (lunset_close(ls) == 0 ? bad : 2);
}

/* ttd --init of it: its exit code; what it says is in ${said}. */
static int
init(const char *store, const char *work, char *said, size_t cap)
{
	char conf[PATH_MAX], out[PATH_MAX];
	ssize_t n = 0;
	FILE *f;
	pid_t pid;
	int st = -1, fd;

	(void)snprintf(conf, sizeof(conf), "%s/tt.conf", work);
	(void)snprintf(out, sizeof(out), "%s/said", work);
	if ((f = fopen(conf, "we")) == NULL)
		return (-1);
	(void)fprintf(f, "store = \"%s\"\nsegment-size = \"2M\"\n"
	    "iqn-prefix = \"iqn.2026-11.org.example:test\"\n"
	    "portal \"one\" { listen = {\"127.0.0.1:0\"} tag = 1 }\n", store);
	(void)fclose(f);
	fd = open(out, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if ((pid = fork()) == 0) {
		(void)dup2(fd, STDERR_FILENO);
		(void)execl(getenv("TT_TTD"), "ttd", "--init", "-c", conf,
		    (char *)NULL);
		_exit(127);
	}
	if (pid > 0 && waitpid(pid, &st, 0) == pid)
		n = pread(fd, said, cap - 1, 0);
	said[n > 0 ? n : 0] = '\0';
	(void)close(fd);
	return (WIFEXITED(st) ? WEXITSTATUS(st) : -1);
}

static int
check(void *arg, const char *dir, const struct cut *c)
{
	const struct model *m = arg;
	char store[PATH_MAX], said[4096];
	int rc;

	msg_set_level(MSG_WARN);
	(void)snprintf(store, sizeof(store), "%s/store", dir);
	if ((rc = look(m, store)) != 1)
		return (rc);
	if (m->init)
		return (COMPLAIN("a store that was made is not whole"));
	if (init(store, c->work, said, sizeof(said)) != 0) {
		if (strstr(said, store) == NULL ||
		    strstr(said, "remove") == NULL)
			return (COMPLAIN("--init again says: %s", said));
		cuts_remove_tree(store);
		if (init(store, c->work, said, sizeof(said)) != 0)
			return (COMPLAIN("--init behind it says: %s", said));
	}
	return (look(m, store) == 0 ? 0 :
	    COMPLAIN("what the second --init has made is not whole"));
}

static void
on_mark(void *arg, const uint8_t *data, uint32_t len)
{
	struct model *m = arg;
	struct note n;

	TT_ASSERT(len == sizeof(n));
	memcpy(&n, data, sizeof(n));
	TT_ASSERT(n.user < USERS);
	m->init |= n.what == INIT_DONE;
	m->next[n.user] = n.value;
	if (n.what == DONE)
		m->value[n.user] = n.value;
}

int
main(int argc, char **argv)
{
	struct model m = { .init = false };
	struct cuts_ops ops = { on_mark, check, &m };

	if (argc == 3 && strcmp(argv[1], "run") == 0)
		return (run(argv[2]));
	return (cuts_main(argc, argv, &ops));
}
