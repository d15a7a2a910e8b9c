/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests and answers of the admin protocol, without a socket. */
#include "target/admin_msg.h"

#include <errno.h>
#include <stdio.h>

#include "tests/lib/unit.h"

static struct admin_req req;
static struct admin_reply reply;

static int
parse(const char *text)
{

	admin_msg_reply_init(&reply);
	return (admin_msg_parse(text, strlen(text), &req, &reply));
}

static void
test_good(void)
{

	CU_ASSERT_EQUAL(parse("{\"v\":1,\"id\":-7,\"verb\":\"show\","
	    "\"args\":{\"lun\":\"demo\"}}"), 0);
	CU_ASSERT_STRING_EQUAL(req.verb, "show");
	CU_ASSERT(req.has_id && req.id == -7);
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(req.args,
	    "lun")), "demo");
	admin_msg_req_free(&req);

	CU_ASSERT_EQUAL(parse(" {\"verb\":\"list\",\"v\":1}\r"), 0);
	CU_ASSERT_FALSE(req.has_id);
	CU_ASSERT_PTR_NULL(req.args);
	admin_msg_req_free(&req);
}

static void
test_bad(void)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
		{ "", "not JSON" },
		{ "hello", "not JSON" },
		{ "GET / HTTP/1.1\r", "not JSON" },
		{ "{\"v\":1,\"verb\":\"list\"", "not JSON" },
		{ "{\"v\":1,\"verb\":\"list\"} {}", "not JSON" },
		{ "{\"v\":1,\"v\":1,\"verb\":\"list\"}", "duplicate" },
		{ "{\"v\":1,\"verb\":\"a\\u0000b\"}", "not JSON" },
		{ "{\"v\":1,\"verb\":\"\xff\"}", "not JSON" },
		{ "{\"v\":99999999999999999999,\"verb\":\"a\"}", "not JSON" },
		{ "[]", "not a JSON object" },
		{ "{}", "version" },
		{ "{\"v\":\"1\",\"verb\":\"list\"}", "version" },
		{ "{\"v\":2,\"verb\":\"list\"}", "version 2" },
		{ "{\"v\":1}", "verb" },
		{ "{\"v\":1,\"verb\":7}", "verb" },
		{ "{\"v\":1,\"verb\":\"list\",\"args\":[]}", "args" },
		{ "{\"v\":1,\"verb\":\"list\",\"args\":null}", "args" },
		{ "{\"v\":1,\"verb\":\"list\",\"id\":\"x\"}", "id" },
		{ "{\"v\":1,\"verb\":\"list\",\"ids\":1}",
		    "unknown field ids" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CU_ASSERT_EQUAL(parse(bad[i].text), -EINVAL);
		CU_ASSERT_EQUAL(reply.code, ADMIN_BAD_REQUEST);
		CU_ASSERT_PTR_NOT_NULL(strstr(reply.why, bad[i].why));
		if (strstr(reply.why, bad[i].why) == NULL)
			printf("%s -> %s\n", bad[i].text, reply.why);
		admin_msg_req_free(&req);
	}
}

/* jansson quotes what it stumbles over; a secret must not come back. */
static void
test_no_echo(void)
{

	CU_ASSERT_EQUAL(parse("{\"v\":1,\"verb\":\"create\",\"args\":"
	    "{\"secret\":\"hunter2hunter2\" oops"), -EINVAL);
	CU_ASSERT_PTR_NULL(strstr(reply.why, "hunter2"));
	CU_ASSERT_PTR_NULL(strstr(reply.why, "oops"));
	admin_msg_req_free(&req);
}

static void
test_deep(void)
{
	static char text[200000];

	memset(text, '[', sizeof(text) - 1);
	CU_ASSERT_EQUAL(parse(text), -EINVAL);
	CU_ASSERT_EQUAL(reply.code, ADMIN_BAD_REQUEST);
	admin_msg_req_free(&req);
	for (size_t i = 0; i + 5 < sizeof(text) - 1; i += 5)
		memcpy(text + i, "{\"a\":", 5);
	CU_ASSERT_EQUAL(parse(text), -EINVAL);
	admin_msg_req_free(&req);
}

static int
args(const char *text, const struct admin_arg *spec, size_t n)
{
	json_t *j = text == NULL ? NULL : json_loads(text, 0, NULL);
	int rc;

	CU_ASSERT(text == NULL || j != NULL);
	admin_msg_reply_init(&reply);
	rc = admin_msg_args(j, spec, n, &reply);
	json_decref(j);
	return (rc);
}

static void
test_args(void)
{
	const char *s = NULL;
	json_int_t n = 5;
	bool b = true;
	json_t *o = NULL;
	const struct admin_arg spec[] = {
		{ "lun", ADMIN_STRING, true, &s },
		{ "size", ADMIN_INTEGER, false, &n },
		{ "open", ADMIN_BOOLEAN, false, &b },
		{ "chap", ADMIN_OBJECT, false, &o },
	};

	/* A field that is not there leaves its place alone. */
	CU_ASSERT_EQUAL(args("{\"lun\":\"a\"}", spec, 4), 0);
	CU_ASSERT(n == 5 && b && o == NULL && s != NULL);
	CU_ASSERT_EQUAL(args("{\"lun\":\"a\",\"size\":9,\"open\":false,"
	    "\"chap\":{}}", spec, 4), 0);
	CU_ASSERT(n == 9 && !b && o != NULL);

	CU_ASSERT_EQUAL(args(NULL, spec, 4), -EINVAL);
	CU_ASSERT_STRING_EQUAL(reply.why, "argument lun is missing");
	CU_ASSERT_EQUAL(args("{}", spec, 4), -EINVAL);
	CU_ASSERT_EQUAL(args(NULL, spec + 1, 3), 0);
	CU_ASSERT_EQUAL(args("{\"lun\":\"a\",\"x\\n\":1}", spec, 4), -EINVAL);
	CU_ASSERT_STRING_EQUAL(reply.why, "this verb has no argument x\\x0a");
	CU_ASSERT_EQUAL(args("{\"lun\":1}", spec, 4), -EINVAL);
	CU_ASSERT_STRING_EQUAL(reply.why, "argument lun is not a string");
	CU_ASSERT_EQUAL(args("{\"lun\":null}", spec, 4), -EINVAL);
	CU_ASSERT_EQUAL(args("{\"lun\":\"a\",\"size\":1.5}", spec, 4),
	    -EINVAL);
	CU_ASSERT_EQUAL(args("{\"lun\":\"a\",\"size\":\"1\"}", spec, 4),
	    -EINVAL);
	CU_ASSERT_EQUAL(args("{\"lun\":\"a\",\"open\":1}", spec, 4), -EINVAL);
	CU_ASSERT_EQUAL(args("{\"lun\":\"a\",\"chap\":[]}", spec, 4),
	    -EINVAL);
	CU_ASSERT_EQUAL(reply.code, ADMIN_BAD_REQUEST);
}

static void
test_errno(void)
{
	static const struct {
		int rc;
		enum admin_code code;
	} map[] = {
		{ 0, ADMIN_OK }, { -ENOENT, ADMIN_NOT_FOUND },
		{ -EEXIST, ADMIN_EXISTS }, { -ENOTEMPTY, ADMIN_NOT_EMPTY },
		{ -EBUSY, ADMIN_BUSY }, { -EINVAL, ADMIN_INVALID },
		{ -ENOSPC, ADMIN_NO_SPACE }, { -EROFS, ADMIN_STOPPED },
		{ -EACCES, ADMIN_DENIED }, { -EIO, ADMIN_FAILED },
		{ -ENOMEM, ADMIN_FAILED }, { -12345, ADMIN_FAILED },
	};

	for (size_t i = 0; i < sizeof(map) / sizeof(map[0]); i++) {
		CU_ASSERT_EQUAL(admin_msg_code(map[i].rc), map[i].code);
		if (map[i].rc == 0)
			continue;
		admin_msg_reply_init(&reply);
		admin_msg_errno(&reply, map[i].rc, "cannot do %s", "this");
		CU_ASSERT_EQUAL(reply.code, map[i].code);
		CU_ASSERT_STRING_EQUAL(reply.what, "cannot do this");
		CU_ASSERT(reply.why[0] != '\0' && reply.next[0] != '\0');
	}
	/* Every code has a name of its own, and reads back. */
	for (int c = 0; c < ADMIN_CODES; c++)
		CU_ASSERT_EQUAL(admin_code_parse(admin_code_name(
		    (enum admin_code)c)), c);
	CU_ASSERT_EQUAL(admin_code_parse("of a newer version"), ADMIN_FAILED);
}

static void
check_encoded(const char *want)
{
	size_t len = 0;
	char *line = admin_msg_encode(&req, &reply, &len);

	CU_ASSERT_PTR_NOT_NULL_FATAL(line);
	CU_ASSERT_STRING_EQUAL(line, want);
	CU_ASSERT_EQUAL(len, strlen(want));
	CU_ASSERT_PTR_NULL(reply.result);
	admin_proto_wipe_free(line);
}

static void
test_encode(void)
{

	memset(&req, 0, sizeof(req));
	admin_msg_reply_init(&reply);
	check_encoded("{\"v\":1,\"result\":{}}\n");
	req.has_id = true;
	req.id = 42;
	admin_msg_reply_init(&reply);
	reply.result = json_pack("{s:s}", "text", "a\nb");
	check_encoded("{\"v\":1,\"result\":{\"text\":\"a\\nb\"},\"id\":42}\n");

	/* An error drops the result that was there. */
	admin_msg_reply_init(&reply);
	reply.result = json_object();
	admin_msg_error(&reply, ADMIN_EXISTS, "what\nwhy\nnext\nmore");
	check_encoded("{\"v\":1,\"error\":{\"code\":\"exists\",\"what\":"
	    "\"what\",\"why\":\"why\",\"next\":\"next\"},\"id\":42}\n");
	admin_msg_reply_init(&reply);
	admin_msg_error(&reply, ADMIN_BUSY, "only what");
	check_encoded("{\"v\":1,\"error\":{\"code\":\"busy\",\"what\":"
	    "\"only what\",\"why\":\"\",\"next\":\"\"},\"id\":42}\n");
}

static const struct unit_test tests[] = {
	{ "good requests", test_good },
	{ "bad requests", test_bad },
	{ "an error echoes nothing", test_no_echo },
	{ "deep nesting", test_deep },
	{ "arguments by a table", test_args },
	{ "errno to code and words", test_errno },
	{ "answers", test_encode },
};

UNIT_MAIN("target/admin_msg", tests)
