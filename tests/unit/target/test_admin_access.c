/* SPDX-License-Identifier: BSD-2-Clause */
/* The verbs about who may enter, on a store that fails when it is told to. */
#include "target/admin_verbs.h"

#include <unistd.h>

#include "target/logins.h"
#include "tests/lib/unit.h"
#include "tests/unit/target/ask.h"

static void
test_user(void)
{

	fresh();
	CU_ASSERT_EQUAL(ask("create", "{'lun':'demo','size':4096,'chap':"
	    "{'user':'a','secret':'abcdefghijkl'}}"), ADMIN_OK);
	/* Made, told once, stored sealed. */
	CU_ASSERT_EQUAL(ask("user-add", "{'lun':'demo','user':'b'}"),
	    ADMIN_OK);
	CU_ASSERT_EQUAL(strlen(str(NULL, "secret")), SECRET_MADE_LEN);
	CU_ASSERT_EQUAL(fake.n_users, 2);
	CU_ASSERT_PTR_NULL(memmem(&fake.users[1], sizeof(*fake.users),
	    str(NULL, "secret"), SECRET_MADE_LEN));
	CU_ASSERT_EQUAL(ask("user-add", "{'lun':'demo','user':'c','secret':"
	    "'abcdefghijkm'}"), ADMIN_OK);
	CU_ASSERT_STRING_EQUAL(str(NULL, "secret"), "(none)");
	CU_ASSERT_EQUAL(ask("user-add", "{'lun':'demo','user':'d','dry_run':"
	    "true}"), ADMIN_OK);
	CU_ASSERT_STRING_EQUAL(str(NULL, "secret"), "(none)");
	CU_ASSERT_EQUAL(fake.n_users, 3);
	CU_ASSERT_EQUAL(ask("user-add", "{'lun':'demo','user':'c'}"),
	    ADMIN_EXISTS);
	CU_ASSERT_STRING_EQUAL(reply.next, "remove it first: tt-admin user "
	    "remove demo c");
	CU_ASSERT_EQUAL(ask("user-add", "{'lun':'demo','user':'x y'}"),
	    ADMIN_INVALID);
	CU_ASSERT_EQUAL(ask("user-add", "{'lun':'demo','user':''}"),
	    ADMIN_INVALID);
	CU_ASSERT_EQUAL(ask("user-add", "{'lun':'demo','user':'d','secret':"
	    "'short'}"), ADMIN_INVALID);
	CU_ASSERT_EQUAL(ask("user-add", "{'lun':'none','user':'d'}"),
	    ADMIN_NOT_FOUND);
	CU_ASSERT_EQUAL(ask("user-add", "{'lun':'demo'}"), ADMIN_BAD_REQUEST);
	/* The two directions: one name, and never the same secret. */
	CU_ASSERT_EQUAL(ask("user-add", "{'lun':'demo','user':'t','mutual':"
	    "true,'secret':'abcdefghijkm'}"), ADMIN_INVALID);
	CU_ASSERT_EQUAL(ask("user-add", "{'lun':'demo','user':'t','mutual':"
	    "true,'secret':'abcdefghijkn'}"), ADMIN_OK);
	CU_ASSERT_EQUAL(ask("user-add", "{'lun':'demo','user':'t2','mutual':"
	    "true}"), ADMIN_EXISTS);
	CU_ASSERT_STRING_EQUAL(reply.next, "remove it first: tt-admin user "
	    "remove demo t --mutual");
	CU_ASSERT_EQUAL(ask("user-add", "{'lun':'demo','user':'e','secret':"
	    "'abcdefghijkn'}"), ADMIN_INVALID);
	CU_ASSERT_EQUAL(ask("show", "{'lun':'demo'}"), ADMIN_OK);
	CU_ASSERT_EQUAL(json_array_size(json_object_get(reply.result,
	    "users")), 3);
	CU_ASSERT_STRING_EQUAL(str("chap", "user"), "a");
	CU_ASSERT_STRING_EQUAL(str("mutual", "user"), "t");
	CU_ASSERT_EQUAL(ask("user-list", "{'lun':'demo'}"), ADMIN_OK);
	CU_ASSERT_EQUAL(json_array_size(json_object_get(reply.result,
	    "users")), 4);

	CU_ASSERT_EQUAL(ask("user-remove", "{'lun':'demo','user':'t'}"),
	    ADMIN_NOT_FOUND);
	CU_ASSERT_STRING_EQUAL(reply.next, "see which there are: tt-admin "
	    "user list demo");
	CU_ASSERT_EQUAL(ask("user-remove", "{'lun':'demo','user':'b',"
	    "'dry_run':true}"), ADMIN_OK);
	CU_ASSERT_EQUAL(fake.n_users, 4);
	CU_ASSERT_EQUAL(ask("user-remove", "{'lun':'demo','user':'b'}"),
	    ADMIN_OK);
	CU_ASSERT_EQUAL(num("left"), 2);
	CU_ASSERT_EQUAL(fake.n_users, 3);
	CU_ASSERT_EQUAL(ask("user-remove", "{'lun':'demo','user':'t','mutual'"
	    ":true,'secret':'x'}"), ADMIN_BAD_REQUEST);
	fake.access = -ENOSPC;
	CU_ASSERT_EQUAL(ask("user-add", "{'lun':'demo','user':'z'}"),
	    ADMIN_NO_SPACE);
	CU_ASSERT_EQUAL(ask("user-remove", "{'lun':'demo','user':'a'}"),
	    ADMIN_NO_SPACE);
	fake.access = 0;
	fake.failed = -EIO;
	CU_ASSERT_EQUAL(ask("user-add", "{'lun':'demo','user':'z'}"),
	    ADMIN_STOPPED);
	fresh();
	CU_ASSERT_EQUAL(ask("create", "{'lun':'o','size':4096,'open':true}"),
	    ADMIN_OK);
	CU_ASSERT_EQUAL(ask("user-add", "{'lun':'o','user':'z'}"),
	    ADMIN_INVALID);
}

static void
test_allow(void)
{
	json_t *many, *args;

	fresh();
	CU_ASSERT_EQUAL(ask("create", "{'lun':'demo','size':4096}"), ADMIN_OK);
	CU_ASSERT_EQUAL(ask("allow", "{'lun':'demo','initiators':"
	    "['iqn.2026-01.com.Example:A','eui.02']}"), ADMIN_OK);
	CU_ASSERT_EQUAL(fake.n_initiators, 2);
	CU_ASSERT_STRING_EQUAL(fake.initiators[0],
	    "iqn.2026-01.com.example:a");
	CU_ASSERT_EQUAL(ask("show", "{'lun':'demo'}"), ADMIN_OK);
	CU_ASSERT_EQUAL(json_array_size(json_object_get(reply.result,
	    "initiators")), 2);
	CU_ASSERT_EQUAL(ask("deny", "{'lun':'demo','initiators':['EUI.02'],"
	    "'dry_run':true}"), ADMIN_OK);
	CU_ASSERT_EQUAL(fake.n_initiators, 2);
	CU_ASSERT_EQUAL(ask("deny", "{'lun':'demo','initiators':['EUI.02']}"),
	    ADMIN_OK);
	CU_ASSERT_EQUAL(json_array_size(json_object_get(reply.result,
	    "initiators")), 1);
	for (int i = 0; i < 2; i++) {
		const char *verb = i == 0 ? "allow" : "deny";

		CU_ASSERT_EQUAL(ask(verb, "{'lun':'demo','initiators':[]}"),
		    ADMIN_INVALID);
		CU_ASSERT_EQUAL(ask(verb, "{'lun':'demo','initiators':[1]}"),
		    ADMIN_INVALID);
		CU_ASSERT_EQUAL(ask(verb, "{'lun':'demo','initiators':"
		    "['eui.02','demo']}"), ADMIN_INVALID);
		CU_ASSERT_EQUAL(ask(verb, "{'lun':'demo','initiators':"
		    "'eui.02'}"), ADMIN_BAD_REQUEST);
		CU_ASSERT_EQUAL(ask(verb, "{'lun':'none','initiators':"
		    "['eui.02']}"), ADMIN_NOT_FOUND);
	}
	CU_ASSERT_EQUAL(fake.n_initiators, 1);
	fake.access = -ENOSPC;
	CU_ASSERT_EQUAL(ask("allow", "{'lun':'demo','initiators':"
	    "['eui.02']}"), ADMIN_NO_SPACE);
	many = json_array();
	for (int i = 0; i < 257; i++)
		(void)json_array_append_new(many, json_string("eui.02"));
	args = json_pack("{s:s,s:o}", "lun", "demo", "initiators", many);
	admin_msg_reply_free(&reply);
	admin_msg_reply_init(&reply);
	admin_allow(&daemon_, args, &reply);
	CU_ASSERT_EQUAL(reply.code, ADMIN_INVALID);
	json_decref(args);
}

static void
test_logins(void)
{
	const struct iscsi_peer peer = { .initiator = "iqn.x:h",
	    .address = "192.0.2.1:5", .local = "192.0.2.9:3260" };
	json_t *l;

	fresh();
	CU_ASSERT_EQUAL(ask("logins", "{}"), ADMIN_OK);
	CU_ASSERT_EQUAL(json_array_size(json_object_get(reply.result,
	    "logins")), 0);
	logins_failed(daemon_.logins, &peer, "iqn.x:d", "u\xff",
	    ISCSI_REFUSED_USER);
	CU_ASSERT_EQUAL(ask("logins", "{}"), ADMIN_OK);
	l = json_array_get(json_object_get(reply.result, "logins"), 0);
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(l,
	    "reason")), "unknown-user");
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(l,
	    "address")), "192.0.2.1:5");
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(l, "user")),
	    "u\\xff");
	CU_ASSERT_PTR_NOT_NULL(json_object_get(l, "time"));
	CU_ASSERT_EQUAL(ask("logins", "{'lun':'x'}"), ADMIN_BAD_REQUEST);
}

static bool
says(const char *key)
{

	return (json_is_true(json_object_get(reply.result, key)));
}

static void
test_dedup(void)
{

	fresh();
	CU_ASSERT_EQUAL(ask("create", "{'lun':'a','size':4096}"), ADMIN_OK);
	CU_ASSERT(fake.luns[0].dedup);
	CU_ASSERT(says("dedup"));
	CU_ASSERT_EQUAL(ask("create", "{'lun':'b','size':4096,"
	    "'dedup':false}"), ADMIN_OK);
	CU_ASSERT(!fake.luns[1].dedup);
	CU_ASSERT(!says("dedup"));
	CU_ASSERT_EQUAL(ask("create", "{'lun':'c','size':4096,"
	    "'dedup':'off'}"), ADMIN_BAD_REQUEST);
	CU_ASSERT_EQUAL(ask("set", "{'lun':'a','dedup':false,"
	    "'dry_run':true}"), ADMIN_OK);
	CU_ASSERT(fake.luns[0].dedup);
	CU_ASSERT_EQUAL(ask("set", "{'lun':'a','dedup':false}"), ADMIN_OK);
	CU_ASSERT(!fake.luns[0].dedup && !fake.luns[0].hold);
	CU_ASSERT(!says("dedup"));
	CU_ASSERT_EQUAL(ask("show", "{'lun':'a'}"), ADMIN_OK);
	CU_ASSERT(json_is_false(json_object_get(reply.result, "dedup")));
	/* Both at once. */
	CU_ASSERT_EQUAL(ask("set", "{'lun':'a','dedup':true,"
	    "'after_power_loss':'hold'}"), ADMIN_OK);
	CU_ASSERT(fake.luns[0].dedup && fake.luns[0].hold);
	CU_ASSERT(says("dedup"));
	CU_ASSERT_EQUAL(ask("set", "{'lun':'a','dedup':1}"),
	    ADMIN_BAD_REQUEST);
	CU_ASSERT_EQUAL(ask("set", "{'lun':'x','dedup':true}"),
	    ADMIN_NOT_FOUND);
	fake.access = -ENOSPC;
	CU_ASSERT_NOT_EQUAL(ask("set", "{'lun':'a','dedup':false}"),
	    ADMIN_OK);
	fake.access = 0;
	CU_ASSERT(fake.luns[0].dedup);
}

static void
test_cache(void)
{

	fresh();
	CU_ASSERT_EQUAL(ask("create", "{'lun':'a','size':4096}"), ADMIN_OK);
	CU_ASSERT(!fake.luns[0].write_through);
	CU_ASSERT(says("cache"));
	CU_ASSERT_EQUAL(ask("create", "{'lun':'b','size':4096,"
	    "'cache':false}"), ADMIN_OK);
	CU_ASSERT(fake.luns[1].write_through);
	CU_ASSERT(!says("cache"));
	CU_ASSERT_EQUAL(ask("create", "{'lun':'c','size':4096,"
	    "'cache':'off'}"), ADMIN_BAD_REQUEST);
	CU_ASSERT_EQUAL(ask("set", "{'lun':'a','cache':false,"
	    "'dry_run':true}"), ADMIN_OK);
	CU_ASSERT(!fake.luns[0].write_through);
	CU_ASSERT_STRING_EQUAL(fake.told, "");
	/* Nobody is told of durable writes before there are. */
	CU_ASSERT_EQUAL(ask("set", "{'lun':'a','cache':false}"), ADMIN_OK);
	CU_ASSERT(fake.luns[0].write_through && fake.luns[0].dedup);
	CU_ASSERT(!says("cache"));
	CU_ASSERT_STRING_EQUAL(fake.told, "WT");
	CU_ASSERT_EQUAL(ask("show", "{'lun':'a'}"), ADMIN_OK);
	CU_ASSERT(json_is_false(json_object_get(reply.result, "cache")));
	/* ... and of a cache before there is one. */
	memset(fake.told, 0, sizeof(fake.told));
	CU_ASSERT_EQUAL(ask("set", "{'lun':'a','cache':true}"), ADMIN_OK);
	CU_ASSERT(!fake.luns[0].write_through);
	CU_ASSERT(says("cache"));
	CU_ASSERT_STRING_EQUAL(fake.told, "twt");
	CU_ASSERT_EQUAL(ask("set", "{'lun':'a','cache':1}"),
	    ADMIN_BAD_REQUEST);
	CU_ASSERT_EQUAL(ask("set", "{'lun':'x','cache':true}"),
	    ADMIN_NOT_FOUND);
	/* It fails: initiators hear what still is. */
	memset(fake.told, 0, sizeof(fake.told));
	fake.access = -ENOSPC;
	CU_ASSERT_NOT_EQUAL(ask("set", "{'lun':'b','cache':true}"), ADMIN_OK);
	CU_ASSERT_STRING_EQUAL(fake.told, "tT");
	fake.access = 0;
	CU_ASSERT(fake.luns[1].write_through);
}

static void
test_power(void)
{

	fresh();
	CU_ASSERT_EQUAL(ask("create", "{'lun':'a','size':4096}"), ADMIN_OK);
	CU_ASSERT_STRING_EQUAL(str(NULL, "after_power_loss"), "continue");
	CU_ASSERT_EQUAL(ask("create", "{'lun':'b','size':4096,"
	    "'after_power_loss':'hold'}"), ADMIN_OK);
	CU_ASSERT_STRING_EQUAL(str(NULL, "after_power_loss"), "hold");
	CU_ASSERT_EQUAL(ask("create", "{'lun':'c','size':4096,"
	    "'after_power_loss':'wait'}"), ADMIN_INVALID);
	CU_ASSERT_EQUAL(ask("set", "{'lun':'a','after_power_loss':'hold',"
	    "'dry_run':true}"), ADMIN_OK);
	CU_ASSERT(!fake.luns[0].hold);
	CU_ASSERT_EQUAL(ask("set", "{'lun':'a','after_power_loss':'hold'}"),
	    ADMIN_OK);
	CU_ASSERT(fake.luns[0].hold);
	CU_ASSERT_EQUAL(ask("set", "{'lun':'a','after_power_loss':''}"),
	    ADMIN_INVALID);
	CU_ASSERT_EQUAL(ask("set", "{'lun':'a'}"), ADMIN_BAD_REQUEST);
	CU_ASSERT_EQUAL(ask("set", "{'lun':'x','after_power_loss':'hold'}"),
	    ADMIN_NOT_FOUND);
	fake.luns[0].held = true;
	CU_ASSERT_EQUAL(ask("show", "{'lun':'a'}"), ADMIN_OK);
	CU_ASSERT(json_is_true(json_object_get(reply.result, "held")));
	CU_ASSERT_EQUAL(ask("online", "{'lun':'a','dry_run':true}"), ADMIN_OK);
	CU_ASSERT_EQUAL(fake.released, 0);
	fake.access = -EIO;
	CU_ASSERT_EQUAL(ask("online", "{'lun':'a'}"), ADMIN_FAILED);
	CU_ASSERT_EQUAL(fake.released, 0);
	fake.access = 0;
	CU_ASSERT_EQUAL(ask("online", "{'lun':'a'}"), ADMIN_OK);
	CU_ASSERT_EQUAL(fake.released, fake.luns[0].number);
	CU_ASSERT(json_is_false(json_object_get(reply.result, "held")));
	CU_ASSERT_EQUAL(ask("online", "{'lun':'x'}"), ADMIN_NOT_FOUND);
}

static const struct unit_test tests[] = {
	{ "users", test_user },
	{ "initiators", test_allow },
	{ "logins", test_logins },
	{ "after a loss of power", test_power },
	{ "dedup, on and off", test_dedup },
	{ "the write cache, on and off", test_cache },
};

int
main(void)
{

	return (ask_main("target/admin_access", tests, sizeof(tests) /
	    sizeof(tests[0])));
}
