/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ask.h - runs a verb of the admin socket on fake_store.h, without a socket.
 * Include it in one program only.
 */
#ifndef TESTS_UNIT_TARGET_ASK_H
#define TESTS_UNIT_TARGET_ASK_H

#include <unistd.h>

#include "meta/base/msg.h"
#include "target/admin_verbs.h"
#include "target/logins.h"
#include "tests/lib/unit.h"
#include "tests/unit/target/fake_store.h"

static struct config conf = { .store = (char[]){ "/store" } };
static struct daemon daemon_ = { .conf = &conf };
static struct admin_reply reply;

/* Runs ${verb} with ${args}, in single quotes for double ones. */
static inline enum admin_code
ask(const char *verb, const char *args)
{
	char text[2048];
	json_t *j;
	size_t i;

	(void)snprintf(text, sizeof(text), "%s", args);
	for (char *p = text; *p != '\0'; p++)
		*p = *p == '\'' ? '"' : *p;
	j = json_loads(text, 0, NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(j);
	admin_msg_reply_free(&reply);
	admin_msg_reply_init(&reply);
	for (i = 0; i < admin_verbs_n; i++)
		if (strcmp(admin_verbs[i].name, verb) == 0)
			break;
	CU_ASSERT_FATAL(i < admin_verbs_n);
	admin_verbs[i].fn(&daemon_, j, &reply);
	json_decref(j);
	CU_ASSERT_EQUAL(reply.code == ADMIN_OK, reply.result != NULL);
	if (reply.code != ADMIN_OK) {
		/* Every error is whole. */
		CU_ASSERT(reply.what[0] != '\0' && reply.why[0] != '\0' &&
		    reply.next[0] != '\0');
	}
	return (reply.code);
}

static inline const char *
str(const char *obj, const char *key)
{
	json_t *o = reply.result;
	const char *s;

	if (obj != NULL)
		o = json_object_get(o, obj);
	s = json_string_value(json_object_get(o, key));
	return (s == NULL ? "(none)" : s);
}

static inline json_int_t
num(const char *key)
{

	return (json_integer_value(json_object_get(reply.result, key)));
}

static inline void
fresh(void)
{

	memset(&fake, 0, sizeof(fake));
}

static inline int
ask_main(const char *suite, const struct unit_test *tests, size_t n)
{
	char dir[] = "/tmp/tt-verbs-XXXXXX", path[64];
	int rc;

	msg_set_level(MSG_ERR);
	admin_proto_init();
	if (mkdtemp(dir) == NULL || secret_key_create(dir) != 0 ||
	    secret_key_load(dir, &daemon_.key) != 0 ||
	    logins_new(&daemon_.logins) != 0)
		return (2);
	rc = unit_run(suite, tests, n);
	admin_msg_reply_free(&reply);
	logins_free(daemon_.logins);
	secret_key_free(daemon_.key);
	(void)snprintf(path, sizeof(path), "%s/key", dir);
	(void)unlink(path);
	(void)rmdir(dir);
	return (rc);
}

#endif /* !TESTS_UNIT_TARGET_ASK_H */
