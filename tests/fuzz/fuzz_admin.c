/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_admin.c - a line of the admin protocol: parse, take the arguments by a
 * table of every type, answer.  The answer is one line of JSON and has the id.
 */
#include "tests/fuzz/fuzz.h"

#include "target/admin_msg.h"

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{

	(void)argc;
	(void)argv;
	fuzz_quiet();
	return (0);
}

static int
take(const struct admin_req *req, struct admin_reply *reply)
{
	const char *name = NULL;
	json_int_t size = 0;
	bool force = false;
	json_t *obj = NULL;
	const struct admin_arg args[] = {
		{ "name", ADMIN_STRING, true, &name },
		{ "size", ADMIN_INTEGER, false, &size },
		{ "force", ADMIN_BOOLEAN, false, &force },
		{ "chap", ADMIN_OBJECT, false, &obj },
	};
	int rc;

	rc = admin_msg_args(req->args, args, sizeof(args) / sizeof(args[0]),
	    reply);
	if (rc == 0)
		FUZZ_HOLDS(name != NULL && strlen(name) < (size_t)1 << 20);
	return (rc);
}

static void
answer(const struct admin_req *req, struct admin_reply *reply)
{
	json_t *j, *id;
	size_t len;
	char *line;

	line = admin_msg_encode(req, reply, &len);
	FUZZ_HOLDS(line != NULL && len > 0 && line[len - 1] == '\n');
	FUZZ_HOLDS(memchr(line, '\n', len) == line + len - 1);
	j = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
	FUZZ_HOLDS(json_is_object(j));
	id = json_object_get(j, "id");
	FUZZ_HOLDS(!req->has_id || json_integer_value(id) == req->id);
	json_decref(j);
	admin_proto_wipe_free(line);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = fuzz_copy(data, size);
	struct admin_reply reply;
	struct admin_req req;

	admin_msg_reply_init(&reply);
	if (admin_msg_parse((const char *)copy, size, &req, &reply) == 0) {
		FUZZ_HOLDS(req.verb != NULL);
		if (take(&req, &reply) == 0)
			reply.result = json_object();
	} else
		FUZZ_HOLDS(reply.code != ADMIN_OK);
	answer(&req, &reply);
	admin_msg_reply_free(&reply);
	admin_msg_req_free(&req);
	free(copy);
	return (0);
}
