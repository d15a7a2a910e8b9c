/* SPDX-License-Identifier: BSD-2-Clause */
/* The common shapes of target/ADMIN.md, letter by letter: programs rely on
 * them. */
#include "target/admin_json.h"

#include <stdlib.h>
#include <string.h>

#include "tests/lib/unit.h"

static const struct lun_identity identity = {
	.uuid = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0x4d, 0xef, 0x80, 1, 2,
	    3, 4, 5, 6, 0xff },
	.naa = { 0x3a, 0, 0, 0, 0, 0, 0, 0x0f },
	.serial = "0123456789ABCDEF",
};

/* 2026-11-21T13:45:01.000000007Z */
#define TIME_NS UINT64_C(1795268701000000007)

static void
check(json_t *obj, const char *want)
{
	char *text = json_dumps(obj, JSON_COMPACT);

	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	CU_ASSERT_STRING_EQUAL(text, want);
	if (strcmp(text, want) != 0)
		printf("%s\n", text);
	free(text);
	json_decref(obj);
}

#define DISK "\"size\":70368744177664,\"sector\":512,\"block\":65536," \
	"\"uuid\":\"01234567-89ab-4def-8001-0203040506ff\"," \
	"\"naa\":\"3a0000000000000f\",\"serial\":\"0123456789ABCDEF\","

static void
test_disk(void)
{
	struct lun_info l = { .number = 3, .name = "demo",
	    .size_bytes = LUN_SIZE_MAX, .block_bytes = 65536,
	    .sector_bytes = 512, .identity = identity, .created_ns = TIME_NS,
	    .open = true };
	struct exposure_info x = { .size_bytes = LUN_SIZE_MAX,
	    .block_bytes = 65536, .sector_bytes = 512, .identity = identity,
	    .created_ns = TIME_NS };
	struct admin_disk d;
	json_t *obj = json_object(), *portals = json_array();

	(void)json_array_append_new(portals, admin_json_portal("2001:db8::1",
	    3260, 2));
	admin_json_of_lun(&d, &l, "iqn.x:demo", 2);
	admin_json_disk(obj, &d, portals);
	json_decref(portals);
	check(obj, "{\"iqn\":\"iqn.x:demo\",\"portals\":[{\"address\":"
	    "\"2001:db8::1\",\"port\":3260,\"tag\":2}]," DISK
	    "\"open\":true,\"sessions\":2,"
	    "\"time\":\"2026-11-21T13:45:01.000000007Z\"}");

	obj = json_object();
	admin_json_of_exposure(&d, &x, "iqn.x:demo:s", 0);
	admin_json_disk(obj, &d, NULL);
	check(obj, "{\"iqn\":\"iqn.x:demo:s\"," DISK
	    "\"open\":false,\"sessions\":0,"
	    "\"time\":\"2026-11-21T13:45:01.000000007Z\"}");
}

static void
test_users(void)
{
	struct lun_user u[3] = {
		{ .user = "demo", .secret = "sealed", .secret_len = 6 },
		{ .user = "web", .secret_len = 1 },
		{ .mutual = true, .user = "me", .secret_len = 1 },
	};
	json_t *obj = json_object();

	admin_json_users(obj, u, 3);
	check(obj, "{\"chap\":{\"user\":\"demo\"},\"mutual\":{\"user\":"
	    "\"me\"},\"users\":[\"demo\",\"web\"]}");
	obj = json_object();
	admin_json_users(obj, NULL, 0);
	check(obj, "{\"users\":[]}");
}

static void
test_power(void)
{
	struct lun_info l = { .name = "demo" };
	json_t *obj = json_object();

	admin_json_power(obj, &l);
	check(obj, "{\"after_power_loss\":\"continue\",\"held\":false}");
	l.hold = l.held = true;
	obj = json_object();
	admin_json_power(obj, &l);
	check(obj, "{\"after_power_loss\":\"hold\",\"held\":true}");
}

static void
test_snap(void)
{
	struct snap_info s = { .lun = 3, .seq = 4711, .name = "monday",
	    .time_ns = TIME_NS };

	check(admin_json_snap(&s, "demo", NULL), "{\"name\":\"monday\","
	    "\"lun\":\"demo\",\"seq\":4711,\"time\":"
	    "\"2026-11-21T13:45:01.000000007Z\",\"exposed\":false}");
	s.exposed = true;
	check(admin_json_snap(&s, "demo", "iqn.x:demo:monday"), "{\"name\":"
	    "\"monday\",\"lun\":\"demo\",\"seq\":4711,\"time\":"
	    "\"2026-11-21T13:45:01.000000007Z\",\"exposed\":true,"
	    "\"iqn\":\"iqn.x:demo:monday\"}");
}

static void
test_values(void)
{
	json_t *obj = json_object();

	admin_json_u64(obj, "max", UINT64_MAX);
	admin_json_str(obj, "odd", "a\xff\n");
	admin_json_bool(obj, "b", true);
	check(obj, "{\"max\":9223372036854775807,\"odd\":\"a\\\\xff\\\\x0a\","
	    "\"b\":true}");
}

static const struct unit_test tests[] = {
	{ "disk", test_disk },
	{ "users", test_users },
	{ "power", test_power },
	{ "snapshot", test_snap },
	{ "values", test_values },
};

UNIT_MAIN("target/admin_json", tests)
