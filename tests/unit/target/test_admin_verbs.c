/* SPDX-License-Identifier: BSD-2-Clause */
/* The verbs, on a store and a registry that fail when they are told to. */
#include "target/admin_verbs.h"

#include <unistd.h>

#include "tests/lib/unit.h"
#include "tests/unit/target/ask.h"

static void
test_create(void)
{
	json_t *portal;

	fresh();
	CU_ASSERT_EQUAL(ask("create", "{'lun':'demo','size':1073741824}"),
	    ADMIN_OK);
	CU_ASSERT_STRING_EQUAL(str(NULL, "name"), "demo");
	CU_ASSERT_STRING_EQUAL(str(NULL, "iqn"), "iqn.x:demo");
	CU_ASSERT_STRING_EQUAL(str(NULL, "serial"), "SERIAL0123456789");
	CU_ASSERT_EQUAL(num("size"), 1073741824);
	CU_ASSERT_EQUAL(num("block"), 4096);
	CU_ASSERT_EQUAL(num("sector"), 512);
	CU_ASSERT_EQUAL(num("free_bytes"), 815);
	portal = json_array_get(json_object_get(reply.result, "portals"), 0);
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(portal,
	    "address")), "::1");
	CU_ASSERT_STRING_EQUAL(str("chap", "user"), "demo");
	CU_ASSERT_STRING_EQUAL(str("mutual", "user"), "demo-target");
	CU_ASSERT_EQUAL(strlen(str("chap", "secret")), SECRET_MADE_LEN);
	CU_ASSERT_EQUAL(strlen(str("mutual", "secret")), SECRET_MADE_LEN);
	CU_ASSERT_STRING_NOT_EQUAL(str("chap", "secret"), str("mutual",
	    "secret"));
	CU_ASSERT_EQUAL(fake.n_users, 2);
	CU_ASSERT_EQUAL(fake.n_targets, 1);
	/* Stored sealed, never as it is. */
	for (int i = 0; i < 2; i++)
		CU_ASSERT_PTR_NULL(memmem(&fake.users[i], sizeof(*fake.users),
		    str(fake.users[i].mutual ? "mutual" : "chap", "secret"),
		    SECRET_MADE_LEN));
	/* Told once. */
	CU_ASSERT_EQUAL(ask("show", "{'lun':'demo'}"), ADMIN_OK);
	CU_ASSERT_STRING_EQUAL(str("chap", "user"), "demo");
	CU_ASSERT_STRING_EQUAL(str("chap", "secret"), "(none)");
	CU_ASSERT_STRING_EQUAL(str("mutual", "secret"), "(none)");
}

static void
test_create_access(void)
{

	fresh();
	CU_ASSERT_EQUAL(ask("create", "{'lun':'a','size':4096,'chap':{'user':"
	    "'u','secret':'abcdefghijkl'}}"), ADMIN_OK);
	CU_ASSERT_STRING_EQUAL(str("chap", "secret"), "abcdefghijkl");
	CU_ASSERT_STRING_EQUAL(str("mutual", "user"), "(none)");
	CU_ASSERT_EQUAL(fake.n_users, 1);
	CU_ASSERT_EQUAL(ask("create", "{'lun':'b','size':4096,'mutual':"
	    "{'user':'m'}}"), ADMIN_OK);
	CU_ASSERT_STRING_EQUAL(str("chap", "user"), "b");
	CU_ASSERT_STRING_EQUAL(str("mutual", "user"), "m");
	CU_ASSERT_EQUAL(ask("create", "{'lun':'c','size':4096,'open':true}"),
	    ADMIN_OK);
	CU_ASSERT_EQUAL(fake.n_users, 0);
	CU_ASSERT(fake.luns[2].open);
	CU_ASSERT_EQUAL(fake.n_luns, 3);

	CU_ASSERT_EQUAL(ask("create", "{'lun':'d','size':4096,'open':true,"
	    "'chap':{}}"), ADMIN_INVALID);
	CU_ASSERT_EQUAL(ask("create", "{'lun':'d','size':4096,'chap':"
	    "{'secret':'short'}}"), ADMIN_INVALID);
	CU_ASSERT_EQUAL(ask("create", "{'lun':'d','size':4096,'chap':"
	    "{'secret':'abcdefghijk\\u00e4'}}"), ADMIN_INVALID);
	CU_ASSERT_PTR_NULL(strstr(reply.why, "abcdef"));
	CU_ASSERT_EQUAL(ask("create", "{'lun':'d','size':4096,'chap':"
	    "{'user':''}}"), ADMIN_INVALID);
	CU_ASSERT_EQUAL(ask("create", "{'lun':'d','size':4096,'chap':"
	    "{'user':'a b'}}"), ADMIN_INVALID);
	CU_ASSERT_EQUAL(ask("create", "{'lun':'d','size':4096,'chap':"
	    "{'secret':'abcdefghijkl'},'mutual':{'secret':'abcdefghijkl'}}"),
	    ADMIN_INVALID);
	CU_ASSERT_EQUAL(ask("create", "{'lun':'d','size':4096,'chap':"
	    "{'password':'abcdefghijkl'}}"), ADMIN_BAD_REQUEST);
	CU_ASSERT_EQUAL(ask("create", "{'lun':'d','size':4096,'chap':"
	    "'abcdefghijkl'}"), ADMIN_BAD_REQUEST);
	CU_ASSERT_EQUAL(fake.n_luns, 3);
}

static void
test_create_values(void)
{
	static const char *const bad[] = {
		"{'lun':'','size':4096}", "{'lun':'Demo','size':4096}",
		"{'lun':'-a','size':4096}", "{'lun':'a:b','size':4096}",
		"{'lun':'a@b','size':4096}",
		"{'lun':'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		    "aaaaaaaa','size':4096}",
		"{'lun':'a','size':0}", "{'lun':'a','size':-4096}",
		"{'lun':'a','size':4095}", "{'lun':'a','size':70368744181760}",
		"{'lun':'a','size':9223372036854775807}",
		"{'lun':'a','size':4096,'block':8192}",
		"{'lun':'a','size':65536,'block':2048}",
		"{'lun':'a','size':131072,'block':131072}",
		"{'lun':'a','size':65536,'block':12288}",
		"{'lun':'a','size':65536,'block':-4096}",
		"{'lun':'a','size':4096,'sector':1024}",
		"{'lun':'a','size':4096,'sector':0}",
	};

	fresh();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(ask("create", bad[i]), ADMIN_INVALID);
	CU_ASSERT_EQUAL(ask("create", "{'size':4096}"), ADMIN_BAD_REQUEST);
	CU_ASSERT_EQUAL(ask("create", "{'lun':'a'}"), ADMIN_BAD_REQUEST);
	CU_ASSERT_EQUAL(ask("create", "{'lun':'a','size':4096.0}"),
	    ADMIN_BAD_REQUEST);
	CU_ASSERT_EQUAL(ask("create", "{'lun':'a','size':4096,'x':1}"),
	    ADMIN_BAD_REQUEST);
	CU_ASSERT_EQUAL(fake.n_luns, 0);
	CU_ASSERT_EQUAL(ask("create", "{'lun':'a','size':70368744177664,"
	    "'block':65536,'sector':4096}"), ADMIN_OK);
	CU_ASSERT_EQUAL(ask("create", "{'lun':'a','size':4096}"),
	    ADMIN_EXISTS);
	CU_ASSERT_EQUAL(fake.n_luns, 1);
}

static void
test_create_fails(void)
{

	fresh();
	fake.create = -ENOSPC;
	CU_ASSERT_EQUAL(ask("create", "{'lun':'a','size':4096}"),
	    ADMIN_NO_SPACE);
	CU_ASSERT_EQUAL(fake.n_targets, 0);
	fake.create = 0;
	/* What cannot be served is taken back. */
	fake.add_lun = -ENOMEM;
	CU_ASSERT_EQUAL(ask("create", "{'lun':'a','size':4096}"),
	    ADMIN_FAILED);
	CU_ASSERT_EQUAL(fake.n_luns, 0);
	fake.add_lun = 0;
	fake.failed = -EIO;
	CU_ASSERT_EQUAL(ask("create", "{'lun':'a','size':4096}"),
	    ADMIN_STOPPED);
	CU_ASSERT_EQUAL(ask("create", "{'lun':'a','size':4096,"
	    "'dry_run':true}"), ADMIN_STOPPED);
	fake.failed = 0;
	/* Dry: everything but the change, and no secret. */
	CU_ASSERT_EQUAL(ask("create", "{'lun':'a','size':4096,"
	    "'dry_run':true}"), ADMIN_OK);
	CU_ASSERT(json_is_true(json_object_get(reply.result, "dry_run")));
	CU_ASSERT_STRING_EQUAL(str("chap", "user"), "a");
	CU_ASSERT_STRING_EQUAL(str("chap", "secret"), "(none)");
	CU_ASSERT_STRING_EQUAL(str(NULL, "iqn"), "iqn.x:a");
	CU_ASSERT_STRING_EQUAL(str(NULL, "uuid"), "(none)");
	CU_ASSERT_EQUAL(fake.n_luns, 0);
	CU_ASSERT_EQUAL(ask("create", "{'lun':'a','size':0,"
	    "'dry_run':true}"), ADMIN_INVALID);
}

/* demo with snapshots a and b, b exposed. */
static void
set_up(void)
{

	fresh();
	CU_ASSERT_EQUAL(ask("create", "{'lun':'demo','size':4096}"), ADMIN_OK);
	CU_ASSERT_EQUAL(ask("snapshot", "{'lun':'demo','name':'a'}"),
	    ADMIN_OK);
	CU_ASSERT_EQUAL(ask("snapshot", "{'lun':'demo','name':'b'}"),
	    ADMIN_OK);
	CU_ASSERT_EQUAL(ask("expose", "{'lun':'demo','snapshot':'b'}"),
	    ADMIN_OK);
	CU_ASSERT(fake.n_luns == 1 && fake.n_snaps == 2 &&
	    fake.n_exposures == 1 && fake.n_targets == 2);
}

static void
test_snapshot(void)
{

	set_up();
	CU_ASSERT_EQUAL(ask("snapshot", "{'lun':'demo'}"), ADMIN_OK);
	CU_ASSERT_STRING_EQUAL(str(NULL, "name"), "20261121-134501.123456");
	CU_ASSERT_STRING_EQUAL(str(NULL, "lun"), "demo");
	CU_ASSERT(num("seq") > 100);
	CU_ASSERT_EQUAL(ask("snapshot", "{'lun':'none'}"), ADMIN_NOT_FOUND);
	CU_ASSERT_EQUAL(ask("snapshot", "{'lun':'demo','name':'a'}"),
	    ADMIN_EXISTS);
	CU_ASSERT_EQUAL(ask("snapshot", "{'lun':'demo','name':'A'}"),
	    ADMIN_INVALID);
	CU_ASSERT_EQUAL(ask("snapshot", "{'lun':'demo','name':'last'}"),
	    ADMIN_INVALID);
	CU_ASSERT_EQUAL(ask("snapshot", "{'lun':'demo','name':'last-3'}"),
	    ADMIN_INVALID);
	CU_ASSERT_EQUAL(fake.n_snaps, 3);
	CU_ASSERT_EQUAL(ask("snapshot", "{'lun':'demo','name':'c',"
	    "'dry_run':true}"), ADMIN_OK);
	CU_ASSERT_EQUAL(fake.n_snaps, 3);
	fake.snapshot = -EIO;
	CU_ASSERT_EQUAL(ask("snapshot", "{'lun':'demo','name':'c'}"),
	    ADMIN_FAILED);
	fake.failed = -EIO;
	CU_ASSERT_EQUAL(ask("snapshot", "{'lun':'demo','dry_run':true}"),
	    ADMIN_STOPPED);
}

static void
test_expose(void)
{

	set_up();
	CU_ASSERT_EQUAL(ask("expose", "{'lun':'demo','snapshot':'b'}"),
	    ADMIN_EXISTS);
	CU_ASSERT_PTR_NOT_NULL(strstr(reply.why, "iqn.x:demo:b"));
	CU_ASSERT_EQUAL(ask("expose", "{'lun':'demo','snapshot':'z'}"),
	    ADMIN_NOT_FOUND);
	CU_ASSERT_EQUAL(ask("expose", "{'lun':'none','snapshot':'a'}"),
	    ADMIN_NOT_FOUND);
	CU_ASSERT_EQUAL(ask("expose", "{'lun':'demo'}"), ADMIN_BAD_REQUEST);
	CU_ASSERT_EQUAL(ask("expose", "{'lun':'demo','snapshot':'a',"
	    "'dry_run':true}"), ADMIN_OK);
	CU_ASSERT_STRING_EQUAL(str(NULL, "iqn"), "iqn.x:demo:a");
	CU_ASSERT_EQUAL(fake.n_exposures, 1);
	/* What cannot be served is taken back. */
	fake.add_exposure = -ENOMEM;
	CU_ASSERT_EQUAL(ask("expose", "{'lun':'demo','snapshot':'a'}"),
	    ADMIN_FAILED);
	CU_ASSERT(fake.n_exposures == 1 && !fake_snap("demo", "a")->exposed);
	fake.add_exposure = 0;
	CU_ASSERT_EQUAL(ask("expose", "{'lun':'demo','snapshot':'a'}"),
	    ADMIN_OK);
	CU_ASSERT_STRING_EQUAL(str(NULL, "name"), "a");
	CU_ASSERT_STRING_EQUAL(str("chap", "user"), "demo");
	CU_ASSERT_STRING_EQUAL(str("chap", "secret"), "(none)");
	CU_ASSERT(json_is_true(json_object_get(reply.result, "exposed")));
	CU_ASSERT_EQUAL(fake.n_targets, 3);
}

static void
test_unexpose(void)
{
	size_t t;

	set_up();
	CU_ASSERT_EQUAL(ask("unexpose", "{'lun':'demo','snapshot':'a'}"),
	    ADMIN_NOT_FOUND);
	t = fake_target(1, fake_snap("demo", "b")->seq);
	fake.targets[t].sessions = 1;
	CU_ASSERT_EQUAL(ask("unexpose", "{'lun':'demo','snapshot':'b'}"),
	    ADMIN_BUSY);
	fake.targets[t].sessions = 0;
	fake.remove = -EBUSY;	/* a login that is under way */
	CU_ASSERT_EQUAL(ask("unexpose", "{'lun':'demo','snapshot':'b'}"),
	    ADMIN_BUSY);
	fake.remove = 0;
	/* The store refuses: it is served again. */
	fake.unexpose = -ENOSPC;
	CU_ASSERT_EQUAL(ask("unexpose", "{'lun':'demo','snapshot':'b'}"),
	    ADMIN_NO_SPACE);
	CU_ASSERT_EQUAL(fake.n_targets, 2);
	fake.unexpose = 0;
	CU_ASSERT_EQUAL(ask("unexpose", "{'lun':'demo','snapshot':'b',"
	    "'dry_run':true}"), ADMIN_OK);
	CU_ASSERT_EQUAL(fake.n_targets, 2);
	CU_ASSERT_EQUAL(ask("unexpose", "{'lun':'demo','snapshot':'b'}"),
	    ADMIN_OK);
	CU_ASSERT_EQUAL(fake.n_targets, 1);
	CU_ASSERT_EQUAL(fake.n_exposures, 0);
}

/* By force: those who are in are put out first. */
static void
test_force(void)
{
	uint64_t b;

	set_up();
	b = fake_snap("demo", "b")->seq;
	fake.targets[fake_target(1, b)].sessions = 2;
	fake.targets[fake_target(1, LUN_HEAD)].sessions = 1;
	CU_ASSERT_EQUAL(ask("unexpose", "{'lun':'demo','snapshot':'b'}"),
	    ADMIN_BUSY);
	CU_ASSERT_PTR_NOT_NULL(strstr(reply.next, "try again"));
	CU_ASSERT_EQUAL(ask("unexpose", "{'lun':'demo','snapshot':'b',"
	    "'force':true,'dry_run':true}"), ADMIN_OK);
	CU_ASSERT_EQUAL(fake.targets[fake_target(1, b)].sessions, 2);
	fake.evict = -ENOMEM;
	CU_ASSERT_EQUAL(ask("unexpose", "{'lun':'demo','snapshot':'b',"
	    "'force':true}"), ADMIN_FAILED);
	CU_ASSERT_EQUAL(ask("delete", "{'lun':'demo','with_snapshots':true,"
	    "'force':true}"), ADMIN_FAILED);
	CU_ASSERT_EQUAL(fake.n_targets, 2);
	fake.evict = 0;
	CU_ASSERT_EQUAL(ask("delete", "{'lun':'demo','snapshot':'a',"
	    "'force':true}"), ADMIN_INVALID);
	CU_ASSERT_EQUAL(ask("expose", "{'lun':'demo','snapshot':'a',"
	    "'force':true}"), ADMIN_BAD_REQUEST);
	/* It cannot be taken out after all: they may come in again. */
	fake.remove = -EBUSY;
	fake.remove_seq = b;
	CU_ASSERT_EQUAL(ask("delete", "{'lun':'demo','with_snapshots':true,"
	    "'force':true}"), ADMIN_BUSY);
	CU_ASSERT(!fake.targets[fake_target(1, LUN_HEAD)].evicted &&
	    !fake.targets[fake_target(1, b)].evicted);
	fake.remove = 0;
	fake.targets[fake_target(1, b)].sessions = 2;
	CU_ASSERT_EQUAL(ask("unexpose", "{'lun':'demo','snapshot':'b',"
	    "'force':true}"), ADMIN_OK);
	CU_ASSERT_STRING_EQUAL(json_string_value(json_array_get(
	    json_object_get(reply.result, "targets"), 0)), "iqn.x:demo:b");
	fake.targets[fake_target(1, LUN_HEAD)].sessions = 1;
	CU_ASSERT_EQUAL(ask("delete", "{'lun':'demo','force':true}"),
	    ADMIN_NOT_EMPTY);
	CU_ASSERT_EQUAL(ask("delete", "{'lun':'demo','with_snapshots':true,"
	    "'force':true}"), ADMIN_OK);
	CU_ASSERT_EQUAL(fake.n_luns, 0);
}

static void
test_delete_snap(void)
{

	set_up();
	CU_ASSERT_EQUAL(ask("delete", "{'lun':'demo','snapshot':'b'}"),
	    ADMIN_BUSY);
	CU_ASSERT_EQUAL(ask("delete", "{'lun':'demo','snapshot':'z'}"),
	    ADMIN_NOT_FOUND);
	CU_ASSERT_EQUAL(ask("delete", "{'lun':'demo','snapshot':'a',"
	    "'with_snapshots':true}"), ADMIN_INVALID);
	CU_ASSERT_EQUAL(ask("delete", "{'lun':'demo','snapshot':'a',"
	    "'dry_run':true}"), ADMIN_OK);
	CU_ASSERT_EQUAL(fake.n_snaps, 2);
	fake.snap_delete = -EIO;
	CU_ASSERT_EQUAL(ask("delete", "{'lun':'demo','snapshot':'a'}"),
	    ADMIN_FAILED);
	fake.snap_delete = 0;
	CU_ASSERT_EQUAL(ask("delete", "{'lun':'demo','snapshot':'a'}"),
	    ADMIN_OK);
	CU_ASSERT_STRING_EQUAL(json_string_value(json_array_get(
	    json_object_get(reply.result, "deleted"), 0)), "demo@a");
	CU_ASSERT_EQUAL(fake.n_snaps, 1);
	CU_ASSERT_EQUAL(fake.n_luns, 1);
}

#define DELETE_ALL "{'lun':'demo','with_snapshots':true}"

static void
test_delete_lun(void)
{
	uint64_t b;

	set_up();
	b = fake_snap("demo", "b")->seq;
	CU_ASSERT_EQUAL(ask("delete", "{'lun':'none'}"), ADMIN_NOT_FOUND);
	CU_ASSERT_EQUAL(ask("delete", "{'lun':'demo'}"), ADMIN_NOT_EMPTY);
	CU_ASSERT_PTR_NOT_NULL(strstr(reply.why, "2 snapshots"));
	/* Somebody is in the LUN, then in the exposure. */
	fake.targets[fake_target(1, LUN_HEAD)].sessions = 2;
	CU_ASSERT_EQUAL(ask("delete", DELETE_ALL), ADMIN_BUSY);
	CU_ASSERT_PTR_NOT_NULL(strstr(reply.why, "1 session is "
	    "logged in to demo: iqn.y:a from 192.0.2.7:1"));
	fake.targets[fake_target(1, LUN_HEAD)].sessions = 0;
	fake.targets[fake_target(1, b)].sessions = 1;
	CU_ASSERT_EQUAL(ask("delete", DELETE_ALL), ADMIN_BUSY);
	CU_ASSERT_PTR_NOT_NULL(strstr(reply.why, "demo@b"));
	fake.targets[fake_target(1, b)].sessions = 0;
	/* He came between the check and the act: all is served again. */
	fake.remove = -EBUSY;
	fake.remove_seq = b;
	CU_ASSERT_EQUAL(ask("delete", DELETE_ALL), ADMIN_BUSY);
	CU_ASSERT(fake.n_targets == 2 && fake_target(1, LUN_HEAD) !=
	    FAKE_MAX);
	fake.remove = 0;
	/* The store refuses: all is served again. */
	fake.delete = -EIO;
	CU_ASSERT_EQUAL(ask("delete", DELETE_ALL), ADMIN_FAILED);
	CU_ASSERT(fake.n_targets == 2 && fake_target(1, b) != FAKE_MAX);
	fake.delete = 0;
	CU_ASSERT_EQUAL(ask("delete", "{'lun':'demo','with_snapshots':true,"
	    "'dry_run':true}"), ADMIN_OK);
	CU_ASSERT_EQUAL(json_array_size(json_object_get(reply.result,
	    "deleted")), 3);
	CU_ASSERT_EQUAL(json_array_size(json_object_get(reply.result,
	    "exposed")), 1);
	CU_ASSERT_STRING_EQUAL(json_string_value(json_array_get(
	    json_object_get(reply.result, "exposed"), 0)), "demo@b");
	CU_ASSERT(fake.n_targets == 2 && fake.n_luns == 1);
	CU_ASSERT_EQUAL(ask("delete", DELETE_ALL), ADMIN_OK);
	CU_ASSERT(fake.n_targets == 0 && fake.n_luns == 0 &&
	    fake.n_snaps == 0 && fake.n_exposures == 0);
}

static void
test_tell(void)
{
	json_t *row;

	set_up();
	CU_ASSERT_EQUAL(ask("list", "{}"), ADMIN_OK);
	row = json_array_get(json_object_get(reply.result, "luns"), 0);
	CU_ASSERT_EQUAL(json_integer_value(json_object_get(row, "snapshots")),
	    2);
	CU_ASSERT_EQUAL(json_integer_value(json_object_get(row,
	    "exposures")), 1);
	CU_ASSERT_EQUAL(ask("list", "{'lun':'demo'}"), ADMIN_OK);
	row = json_array_get(json_object_get(reply.result, "snapshots"), 1);
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(row, "iqn")),
	    "iqn.x:demo:b");
	row = json_array_get(json_object_get(reply.result, "snapshots"), 0);
	CU_ASSERT_PTR_NULL(json_object_get(row, "iqn"));
	CU_ASSERT_EQUAL(ask("list", "{'lun':'none'}"), ADMIN_NOT_FOUND);
	CU_ASSERT_EQUAL(ask("show", "{'lun':'none\\u001b'}"),
	    ADMIN_NOT_FOUND);
	CU_ASSERT_STRING_EQUAL(reply.what, "cannot show none\\x1b");
	CU_ASSERT_EQUAL(ask("show", "{'lun':'demo','snapshot':'a'}"),
	    ADMIN_OK);
	CU_ASSERT_STRING_EQUAL(str(NULL, "iqn"), "(none)");
	CU_ASSERT_EQUAL(ask("show", "{'lun':'demo','snapshot':'b'}"),
	    ADMIN_OK);
	CU_ASSERT_STRING_EQUAL(str(NULL, "iqn"), "iqn.x:demo:b");
	/* Discovery sessions are not shown. */
	CU_ASSERT_EQUAL(ask("sessions", "{}"), ADMIN_OK);
	CU_ASSERT_EQUAL(json_array_size(json_object_get(reply.result,
	    "sessions")), 1);
	CU_ASSERT_EQUAL(ask("sessions", "{'x':1}"), ADMIN_BAD_REQUEST);
	CU_ASSERT_EQUAL(ask("status", "{}"), ADMIN_OK);
	CU_ASSERT_STRING_EQUAL(str("store", "state"), "ok");
	CU_ASSERT_EQUAL(num("sessions"), 5);
	CU_ASSERT_EQUAL(num("exposures"), 1);
	CU_ASSERT_EQUAL(num("pid"), getpid());
	fake.failed = -EIO;
	CU_ASSERT_EQUAL(ask("status", "{}"), ADMIN_OK);
	CU_ASSERT_STRING_EQUAL(str("store", "state"), "stopped");
	CU_ASSERT_STRING_EQUAL(str("store", "why"), strerror(EIO));
	CU_ASSERT_EQUAL(ask("help", "{}"), ADMIN_OK);
	CU_ASSERT_EQUAL(json_array_size(json_object_get(reply.result,
	    "verbs")), admin_verbs_n);
}

/* status has it as well. */
static void
test_status_scrub(void)
{
	json_t *scrub;

	fake_verify.state.scrubbing = true;
	fake_verify.state.scrub_begun_ns = 7;
	fake_verify.state.scrub_permille = 421;
	fake_verify.state.scrub_n_damage = 2;
	CU_ASSERT_EQUAL(ask("status", "{}"), ADMIN_OK);
	scrub = json_object_get(json_object_get(reply.result, "store"),
	    "scrub");
	CU_ASSERT_EQUAL(json_integer_value(json_object_get(scrub, "days")), 3);
	CU_ASSERT_TRUE(json_is_true(json_object_get(scrub, "running")));
	CU_ASSERT_PTR_NOT_NULL(json_object_get(scrub, "begun"));
	CU_ASSERT_PTR_NOT_NULL(json_object_get(scrub, "done"));
	CU_ASSERT_EQUAL(json_integer_value(json_object_get(scrub,
	    "permille")), 421);
	CU_ASSERT_EQUAL(json_integer_value(json_object_get(scrub,
	    "damaged")), 2);
	CU_ASSERT_PTR_NULL(json_object_get(scrub, "damage"));
}

/* One that runs, and what is known of damage. */
static void
test_status_verify(void)
{
	json_t *store, *run, *known;

	fake_verify.state.permille = 123;
	CU_ASSERT_EQUAL(ask("status", "{}"), ADMIN_OK);
	store = json_object_get(reply.result, "store");
	run = json_object_get(store, "verify");
	CU_ASSERT_TRUE(json_is_true(json_object_get(run, "running")));
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(run,
	    "what")), "demo@a");
	CU_ASSERT_EQUAL(json_integer_value(json_object_get(run,
	    "permille")), 123);
	known = json_object_get(store, "known_damage");
	CU_ASSERT_TRUE(json_is_integer(json_object_get(known, "damaged")));
	CU_ASSERT_EQUAL(json_integer_value(json_object_get(known,
	    "damaged")), 0);
	CU_ASSERT_PTR_NULL(json_object_get(known, "found"));
	fake_verify.damage[0].sector_bytes = 512;
	fake_verify.state.known_n_damage = 1;
	fake_verify.state.known_ns = 1;
	CU_ASSERT_EQUAL(ask("status", "{}"), ADMIN_OK);
	known = json_object_get(json_object_get(reply.result, "store"),
	    "known_damage");
	CU_ASSERT_EQUAL(json_integer_value(json_object_get(known,
	    "damaged")), 1);
	CU_ASSERT_PTR_NOT_NULL(json_object_get(known, "found"));
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(known,
	    "by")), "verification");
	CU_ASSERT_PTR_NULL(json_object_get(known, "damage"));
	fake_verify.state.known_scrub = true;
	CU_ASSERT_EQUAL(ask("verify", "{}"), ADMIN_OK);
	known = json_object_get(reply.result, "known_damage");
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(known,
	    "by")), "scrub");
	CU_ASSERT_EQUAL(json_array_size(json_object_get(known, "damage")), 1);
}

static void
test_verify(void)
{
	json_t *row, *scrub;

	set_up();
	fake_verify.state = (struct verify_state){ .scrub_every_s = 86400 * 3,
	    .scrub_done_ns = 5 };
	CU_ASSERT_EQUAL(ask("verify", "{}"), ADMIN_OK);
	CU_ASSERT_FALSE(json_is_true(json_object_get(reply.result,
	    "running")));
	CU_ASSERT_STRING_EQUAL(str(NULL, "begun"), "(none)");
	scrub = json_object_get(reply.result, "scrub");
	CU_ASSERT_EQUAL(json_integer_value(json_object_get(scrub, "days")), 3);
	CU_ASSERT_PTR_NULL(json_object_get(scrub, "begun"));
	CU_ASSERT_PTR_NOT_NULL(json_object_get(scrub, "done"));
	test_status_scrub();
	/* What does not go together. */
	CU_ASSERT_EQUAL(ask("verify", "{'lun':'demo','all':true}"),
	    ADMIN_INVALID);
	CU_ASSERT_EQUAL(ask("verify", "{'snapshot':'a'}"), ADMIN_INVALID);
	CU_ASSERT_EQUAL(ask("verify", "{'all':true,'stop':true}"),
	    ADMIN_INVALID);
	CU_ASSERT_EQUAL(ask("verify", "{'rate':5}"), ADMIN_INVALID);
	CU_ASSERT_EQUAL(ask("verify", "{'all':true,'rate':-5}"),
	    ADMIN_INVALID);
	CU_ASSERT_EQUAL(ask("verify", "{'x':1}"), ADMIN_BAD_REQUEST);
	CU_ASSERT_EQUAL(ask("verify", "{'lun':'none'}"), ADMIN_NOT_FOUND);
	CU_ASSERT_EQUAL(ask("verify", "{'lun':'demo','snapshot':'x'}"),
	    ADMIN_NOT_FOUND);
	CU_ASSERT_EQUAL(ask("verify", "{'stop':true}"), ADMIN_NOT_FOUND);
	CU_ASSERT_FALSE(fake_verify.state.running);
	fake_verify.rc = -EBUSY;
	CU_ASSERT_EQUAL(ask("verify", "{'all':true}"), ADMIN_BUSY);
	fake_verify.rc = 0;
	/* What scrub-rate of tt.conf may be. */
	CU_ASSERT_EQUAL(ask("verify", "{'all':true,'rate':1048575}"),
	    ADMIN_INVALID);
	CU_ASSERT_PTR_NOT_NULL(strstr(reply.next, "1M"));
	CU_ASSERT_EQUAL(ask("verify", "{'all':true,'rate':1099511627777}"),
	    ADMIN_INVALID);
	CU_ASSERT_FALSE(fake_verify.state.running);
	CU_ASSERT_EQUAL(ask("verify",
	    "{'lun':'demo','snapshot':'a','rate':1048576}"), ADMIN_OK);
	CU_ASSERT_STRING_EQUAL(str(NULL, "what"), "demo@a");
	CU_ASSERT_EQUAL(fake_verify.rate_bytes, 1048576);
	test_status_verify();
	/* Lists, and what belongs to each kind. */
	fake_verify.damage[0] = (struct verify_damage){ .kind = VERIFY_DATA,
	    .lun_name = "demo", .off_bytes = 8192, .len_bytes = 4096,
	    .sector_bytes = 512, .rc = -EILSEQ, .segment = 0x1ab,
	    .segment_off_bytes = 99 };
	fake_verify.damage[1] = (struct verify_damage){ .kind = VERIFY_LOST,
	    .lun_name = "demo", .snap_name = "a", .len_bytes = 4096,
	    .sector_bytes = 4096, .rc = -EILSEQ };
	fake_verify.n_damage = 2;
	fake_verify.bad[0] = (struct bad_block){ .lun_name = "demo",
	    .block_bytes = 4096, .sector_bytes = 512, .rc = -EIO,
	    .times = 3 };
	fake_verify.n_bad = 1;
	CU_ASSERT_EQUAL(ask("verify", "{'stop':true}"), ADMIN_OK);
	CU_ASSERT_STRING_EQUAL(str(NULL, "why"), "it was stopped");
	row = json_array_get(json_object_get(reply.result, "damage"), 0);
	CU_ASSERT_EQUAL(json_integer_value(json_object_get(row, "lba")), 16);
	CU_ASSERT_EQUAL(json_integer_value(json_object_get(row, "sectors")),
	    8);
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(row,
	    "file")), "seg/ab/000001ab");
	CU_ASSERT_PTR_NULL(json_object_get(row, "snapshot"));
	row = json_array_get(json_object_get(reply.result, "damage"), 1);
	CU_ASSERT_PTR_NULL(json_object_get(row, "file"));
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(row,
	    "snapshot")), "a");
	row = json_array_get(json_object_get(reply.result, "unreadable"), 0);
	CU_ASSERT_EQUAL(json_integer_value(json_object_get(row, "times")), 3);
	CU_ASSERT_EQUAL(ask("verify", "{'brief':true}"), ADMIN_OK);
	CU_ASSERT_PTR_NULL(json_object_get(reply.result, "damage"));
	CU_ASSERT_PTR_NULL(json_object_get(reply.result, "unreadable"));
}

static const struct unit_test tests[] = {
	{ "verify", test_verify },
	{ "create", test_create },
	{ "create: credentials", test_create_access },
	{ "create: values", test_create_values },
	{ "create: failures, dry run", test_create_fails },
	{ "snapshot", test_snapshot },
	{ "expose", test_expose },
	{ "unexpose", test_unexpose },
	{ "by force", test_force },
	{ "delete a snapshot", test_delete_snap },
	{ "delete a LUN", test_delete_lun },
	{ "list, show, sessions, status, help", test_tell },
};

int
main(void)
{

	return (ask_main("target/admin_verbs", tests, sizeof(tests) /
	    sizeof(tests[0])));
}
