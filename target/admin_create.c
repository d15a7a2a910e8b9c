/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * create: the order is check everything, make and seal the secrets, one
 * change in the store (LUN and users together), then the target.  A LUN that
 * cannot be served is taken back.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "meta/base/msg.h"
#include "meta/base/size.h"
#include "target/admin_find.h"
#include "target/admin_verbs.h"

#define BLOCK_MIN_BYTES	4096u
#define BLOCK_MAX_BYTES	65536u
#define WHAT_LEN	(ADMIN_SHOWN_LEN + 32)

/* One side of CHAP: the initiators' or the target's. */
struct side {
	bool wanted;
	const char *user, *secret;	/* as given, or NULL */
	char user_buf[LUN_NAME_MAX + 16];
	char secret_buf[SECRET_MADE_LEN + 1];
};

struct request {
	const char *name;
	json_int_t size, block, sector;
	bool open, hold, dedup, cache, dry_run;
	struct side chap, mutual;
	char what[WHAT_LEN];
};

/* "chap" or "mutual" of the arguments. */
static int
read_side(json_t *obj, struct side *side, struct admin_reply *reply)
{
	const struct admin_arg spec[] = {
		{ "user", ADMIN_STRING, false, &side->user },
		{ "secret", ADMIN_STRING, false, &side->secret },
	};

	if (obj == NULL)
		return (0);
	side->wanted = true;
	return (admin_msg_args(obj, spec, 2, reply));
}

static int
read_args(json_t *args, struct request *r, struct admin_reply *reply)
{
	json_t *chap = NULL, *mutual = NULL;
	const char *after = "continue";
	const struct admin_arg spec[] = {
		{ "lun", ADMIN_STRING, true, &r->name },
		{ "size", ADMIN_INTEGER, true, &r->size },
		{ "block", ADMIN_INTEGER, false, &r->block },
		{ "sector", ADMIN_INTEGER, false, &r->sector },
		{ "open", ADMIN_BOOLEAN, false, &r->open },
		{ "after_power_loss", ADMIN_STRING, false, &after },
		{ "dedup", ADMIN_BOOLEAN, false, &r->dedup },
		{ "cache", ADMIN_BOOLEAN, false, &r->cache },
		{ "dry_run", ADMIN_BOOLEAN, false, &r->dry_run },
		{ "chap", ADMIN_OBJECT, false, &chap },
		{ "mutual", ADMIN_OBJECT, false, &mutual },
	};
	char shown[ADMIN_SHOWN_LEN];
	int rc;

	memset(r, 0, sizeof(*r));
	r->block = BLOCK_MIN_BYTES;
	r->sector = 512;
	r->dedup = r->cache = true;
	if ((rc = admin_msg_args(args, spec, sizeof(spec) / sizeof(spec[0]),
	    reply)) != 0 || (rc = read_side(chap, &r->chap, reply)) != 0 ||
	    (rc = read_side(mutual, &r->mutual, reply)) != 0)
		return (rc);
	(void)snprintf(r->what, sizeof(r->what), "cannot create %s",
	    admin_find_shown(shown, r->name));
	return (admin_set_parse(after, r->what, reply, &r->hold));
}

static int
invalid(const struct request *r, struct admin_reply *reply, const char *why,
    const char *next)
{

	admin_msg_error(reply, ADMIN_INVALID, "%s\n%s\n%s", r->what, why,
	    next);
	return (-EINVAL);
}

static int
check_geometry(const struct request *r, struct admin_reply *reply)
{
	char block[SIZE_TEXT_LEN], next[128];

	if (r->block < BLOCK_MIN_BYTES || r->block > BLOCK_MAX_BYTES ||
	    (r->block & (r->block - 1)) != 0)
		return (invalid(r, reply, "the block size is not allowed",
		    "choose 4K, 8K, 16K, 32K or 64K"));
	if (r->sector != 512 && r->sector != 4096)
		return (invalid(r, reply, "the sector size is not allowed",
		    "choose 512 or 4096"));
	(void)snprintf(next, sizeof(next), "choose a multiple of the block "
	    "size, %s, up to 64T", size_format(block, (uint64_t)r->block));
	if (r->size <= 0)
		return (invalid(r, reply, "a LUN of no size is of no use",
		    next));
	if ((uint64_t)r->size > LUN_SIZE_MAX)
		return (invalid(r, reply, "it would be larger than 64T",
		    next));
	if (r->size % r->block != 0)
		return (invalid(r, reply, "the size is not a multiple of the "
		    "block size", next));
	return (0);
}

/* Fills in what was left to us. */
static int
check_side(struct request *r, struct side *s, const char *suffix,
    struct admin_reply *reply)
{

	if (!s->wanted)
		return (0);
	if (s->user == NULL) {
		(void)snprintf(s->user_buf, sizeof(s->user_buf), "%s%s",
		    r->name, suffix);
		s->user = s->user_buf;
	}
	if (!secret_user_ok(s->user))
		return (invalid(r, reply, "the CHAP user is not allowed",
		    "use 1 to 200 printable ASCII characters without "
		    "blanks"));
	if (s->secret == NULL) {
		secret_make(s->secret_buf);
		s->secret = s->secret_buf;
	}
	if (!secret_ok(s->secret, strlen(s->secret)))
		return (invalid(r, reply, "the CHAP secret is not allowed",
		    "use 12 to 255 printable ASCII characters"));
	return (0);
}

static int
check_access(struct request *r, struct admin_reply *reply)
{
	int rc;

	if (r->open && (r->chap.wanted || r->mutual.wanted))
		return (invalid(r, reply, "open means without CHAP",
		    "give either open or credentials"));
	/* Nothing said: both.  Only the target: then the servers, too. */
	if (!r->open && !r->chap.wanted)
		r->chap.wanted = r->mutual.wanted = true;
	if ((rc = check_side(r, &r->chap, "", reply)) != 0 ||
	    (rc = check_side(r, &r->mutual, "-target", reply)) != 0)
		return (rc);
	/* RFC 7143 9.2.1: or one side could answer with the other's proof. */
	if (r->chap.wanted && r->mutual.wanted &&
	    strcmp(r->chap.secret, r->mutual.secret) == 0)
		return (invalid(r, reply, "both directions have the same "
		    "secret", "choose two different secrets"));
	return (0);
}

/* Everything that can be known before anything is done. */
static int
check(struct daemon *d, struct request *r, struct admin_reply *reply)
{
	char iqn[REGISTRY_IQN_CAP];
	struct lun_info info;
	int rc;

	if (!lun_name_ok(r->name))
		return (invalid(r, reply, "the name is not allowed", "begin "
		    "with a lower-case letter or a digit, go on with these, "
		    "dots and dashes, at most 63 characters"));
	if (registry_iqn(d->registry, r->name, NULL, iqn) != 0)
		return (invalid(r, reply, "its iSCSI name would be too long",
		    "choose a shorter name"));
	if ((rc = check_geometry(r, reply)) != 0 ||
	    (rc = check_access(r, reply)) != 0)
		return (rc);
	if (lunset_find(d->lunset, r->name, &info) == 0) {
		admin_msg_error(reply, ADMIN_EXISTS, "%s\na LUN of this name "
		    "exists\nchoose another name, or look at it: tt-admin "
		    "show %s", r->what, r->name);
		return (-EEXIST);
	}
	return (admin_find_writable(d, r->what, reply));
}

static int
make(struct daemon *d, const struct request *r, struct lun_info *out)
{
	struct lun_user users[2];
	struct lun_params p = { .name = r->name,
	    .size_bytes = (uint64_t)r->size, .block_bytes = (uint32_t)r->block,
	    .sector_bytes = (uint32_t)r->sector, .open = r->open,
	    .hold = r->hold, .no_dedup = !r->dedup,
	    .write_through = !r->cache, .users = users };
	int rc, undo;

	if (r->chap.wanted && (rc = admin_user_seal(d, r->chap.user,
	    r->chap.secret, false, &users[p.n_users++])) != 0)
		return (rc);
	if (r->mutual.wanted && (rc = admin_user_seal(d, r->mutual.user,
	    r->mutual.secret, true, &users[p.n_users++])) != 0)
		return (rc);
	if ((rc = lunset_create(d->lunset, &p, out)) != 0)
		return (rc);
	if ((rc = registry_add_lun(d->registry, out)) == 0) {
		msg_info("created LUN %s, %llu bytes%s", r->name,
		    (unsigned long long)r->size, r->open ? ", open" : "");
		return (0);
	}
	if ((undo = lunset_delete(d->lunset, r->name, false)) != 0)
		msg_err("%s: it cannot be served and not be taken back "
		    "either: %s; delete it by hand", r->name, strerror(-undo));
	return (rc);
}

/* Adds the secret, the only time that it is told. */
static void
put_secret(json_t *obj, const char *key, const struct side *s)
{
	json_t *who = json_object_get(obj, key);

	if (who != NULL && s->wanted)
		admin_json_str(who, "secret", s->secret);
}

static void
answer_dry(struct daemon *d, const struct request *r, json_t *obj)
{
	char iqn[REGISTRY_IQN_CAP];
	json_t *portals = admin_find_portals(d, false), *who;

	admin_find_iqn(d, r->name, NULL, iqn);
	admin_json_str(obj, "iqn", iqn);
	(void)json_object_set_new(obj, "portals", portals);
	admin_json_u64(obj, "size", (uint64_t)r->size);
	admin_json_u64(obj, "sector", (uint64_t)r->sector);
	admin_json_u64(obj, "block", (uint64_t)r->block);
	admin_json_bool(obj, "open", r->open);
	if (r->chap.wanted && (who = json_object()) != NULL) {
		admin_json_str(who, "user", r->chap.user);
		(void)json_object_set_new(obj, "chap", who);
	}
	if (r->mutual.wanted && (who = json_object()) != NULL) {
		admin_json_str(who, "user", r->mutual.user);
		(void)json_object_set_new(obj, "mutual", who);
	}
	admin_json_bool(obj, "dry_run", true);
}

void
admin_create(void *ctx, json_t *args, struct admin_reply *reply)
{
	struct daemon *d = ctx;
	struct request r;
	struct lunset_status st;
	struct lun_info info;
	json_t *obj;
	int rc;

	if (read_args(args, &r, reply) != 0 || check(d, &r, reply) != 0)
		goto out_wipe;
	if (!r.dry_run && (rc = make(d, &r, &info)) != 0) {
		admin_msg_errno(reply, rc, "%s", r.what);
		goto out_wipe;
	}
	obj = json_object();
	admin_json_str(obj, "name", r.name);
	lunset_status(d->lunset, &st);
	admin_json_u64(obj, "free_bytes", st.free_bytes);
	if (r.dry_run)
		answer_dry(d, &r, obj);
	else {
		admin_find_put_lun(d, obj, &info);
		put_secret(obj, "chap", &r.chap);
		put_secret(obj, "mutual", &r.mutual);
	}
	reply->result = obj;
out_wipe:
	secret_wipe(&r, sizeof(r));
}
