/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/admin_msg.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "meta/base/check.h"
#include "meta/base/msg.h"

/* How much of a peer's text is repeated to it. */
#define SHOWN_LEN 96

void
admin_msg_reply_init(struct admin_reply *reply)
{

	memset(reply, 0, sizeof(*reply));
}

void
admin_msg_reply_free(struct admin_reply *reply)
{

	json_decref(reply->result);
	reply->result = NULL;
}

void
admin_msg_req_free(struct admin_req *req)
{

	json_decref(req->root);
	memset(req, 0, sizeof(*req));
}

/* ${src} up to a line feed into ${dst}; returns what follows it. */
static const char *
take_line(char *dst, size_t cap, const char *src)
{
	const char *nl = strchrnul(src, '\n');

	(void)snprintf(dst, cap, "%.*s", (int)(nl - src), src);
	return (*nl == '\n' ? nl + 1 : nl);
}

void
admin_msg_error(struct admin_reply *reply, enum admin_code code,
    const char *fmt, ...)
{
	char buf[3 * ADMIN_TEXT_LEN];
	const char *p = buf;
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	reply->code = code;
	p = take_line(reply->what, sizeof(reply->what), p);
	p = take_line(reply->why, sizeof(reply->why), p);
	(void)take_line(reply->next, sizeof(reply->next), p);
	json_decref(reply->result);
	reply->result = NULL;
}

/* The one place where an -errno of the engine becomes words. */
static const struct {
	int err;
	enum admin_code code;
	const char *why, *next;
} errnos[] = {
	{ ENOENT, ADMIN_NOT_FOUND, "there is no such thing",
	    "see what there is: tt-admin list" },
	{ EEXIST, ADMIN_EXISTS, "the name is taken",
	    "choose another name, or see what there is: tt-admin list" },
	{ ENOTEMPTY, ADMIN_NOT_EMPTY, "it has snapshots",
	    "delete them one by one, or all: tt-admin delete "
	    "--with-snapshots" },
	{ EBUSY, ADMIN_BUSY, "it is in use",
	    "see who uses it: tt-admin sessions; log out there, then try "
	    "again" },
	{ EINVAL, ADMIN_INVALID, "a value is not allowed",
	    "see tt-admin help" },
	{ ERANGE, ADMIN_INVALID, "a value is out of range",
	    "see tt-admin help" },
	{ ENAMETOOLONG, ADMIN_INVALID, "the name is too long",
	    "choose a shorter one" },
	{ ENOSPC, ADMIN_NO_SPACE, "the file system of the store is full",
	    "make room there, or enlarge it: tt-admin status" },
	{ EDQUOT, ADMIN_NO_SPACE, "the quota of the store is used up",
	    "raise it: tt-admin status" },
	{ EROFS, ADMIN_STOPPED, "the store stopped after an error and takes "
	    "no changes", "read the log of ttd, mend the cause, restart ttd" },
	{ EACCES, ADMIN_DENIED, "permission denied",
	    "check the owner and the mode of the store" },
	{ EPERM, ADMIN_DENIED, "permission denied",
	    "check the owner and the mode of the store" },
	{ ENOMEM, ADMIN_FAILED, "out of memory",
	    "give the machine more, or lower memory in tt.conf" },
	{ ESHUTDOWN, ADMIN_BUSY, "the daemon is stopping",
	    "try again when it runs" },
};

enum admin_code
admin_msg_code(int rc)
{

	if (rc == 0)
		return (ADMIN_OK);
	for (size_t i = 0; i < sizeof(errnos) / sizeof(errnos[0]); i++)
		if (errnos[i].err == -rc)
			return (errnos[i].code);
	return (ADMIN_FAILED);
}

void
admin_msg_errno(struct admin_reply *reply, int rc, const char *fmt, ...)
{
	char what[ADMIN_TEXT_LEN];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	for (size_t i = 0; i < sizeof(errnos) / sizeof(errnos[0]); i++)
		if (errnos[i].err == -rc) {
			admin_msg_error(reply, errnos[i].code, "%s\n%s\n%s",
			    what, errnos[i].why, errnos[i].next);
			return;
		}
	admin_msg_error(reply, ADMIN_FAILED, "%s\n%s\n%s", what, strerror(-rc),
	    "read the log of ttd");
}

static int
bad_request(struct admin_reply *reply, const char *why)
{

	admin_msg_error(reply, ADMIN_BAD_REQUEST, "the request was not "
	    "understood\n%s\nuse the tt-admin that came with this ttd", why);
	return (-EINVAL);
}

/* The fixed fields of a request; anything else in it is refused. */
static int
check_root(struct admin_req *req, struct admin_reply *reply)
{
	const char *key;
	char shown[SHOWN_LEN], why[2 * SHOWN_LEN];
	json_t *v, *version = json_object_get(req->root, "v");

	if ((v = json_object_get(req->root, "id")) != NULL) {
		if (!json_is_integer(v))
			return (bad_request(reply, "id is not an integer"));
		req->has_id = true;
		req->id = json_integer_value(v);
	}
	if (!json_is_integer(version))
		return (bad_request(reply, "v, the version of the protocol, "
		    "is missing or no integer"));
	if (json_integer_value(version) != ADMIN_VERSION) {
		(void)snprintf(why, sizeof(why), "this ttd speaks version %d "
		    "of the protocol, the request is of version %lld",
		    ADMIN_VERSION, (long long)json_integer_value(version));
		return (bad_request(reply, why));
	}
	if ((v = json_object_get(req->root, "verb")) == NULL ||
	    !json_is_string(v))
		return (bad_request(reply, "verb is missing or no string"));
	req->verb = json_string_value(v);
	req->args = json_object_get(req->root, "args");
	if (req->args != NULL && !json_is_object(req->args))
		return (bad_request(reply, "args is no object"));
	json_object_foreach(req->root, key, v) {
		if (strcmp(key, "v") == 0 || strcmp(key, "id") == 0 ||
		    strcmp(key, "verb") == 0 || strcmp(key, "args") == 0)
			continue;
		(void)snprintf(why, sizeof(why), "unknown field %s",
		    msg_safe(shown, sizeof(shown), key, strlen(key)));
		return (bad_request(reply, why));
	}
	return (0);
}

int
admin_msg_parse(const char *line, size_t len, struct admin_req *req,
    struct admin_reply *reply)
{
	char shown[SHOWN_LEN], why[2 * SHOWN_LEN];
	json_error_t err;

	memset(req, 0, sizeof(*req));
	req->root = json_loadb(line, len, JSON_REJECT_DUPLICATES, &err);
	if (req->root == NULL) {
		/*
		 * jansson quotes what it stumbled over, "near ...": that can
		 * be a piece of a secret.
		 */
		char *near = strstr(err.text, " near ");

		if (near != NULL)
			*near = '\0';
		(void)snprintf(why, sizeof(why), "not JSON, at byte %d: %s",
		    err.position, msg_safe(shown, sizeof(shown), err.text,
		    strlen(err.text)));
		return (bad_request(reply, why));
	}
	if (!json_is_object(req->root))
		return (bad_request(reply, "not a JSON object"));
	return (check_root(req, reply));
}

static const char *const type_names[] = {
	[ADMIN_STRING] = "a string",
	[ADMIN_INTEGER] = "an integer",
	[ADMIN_BOOLEAN] = "true or false",
	[ADMIN_OBJECT] = "an object",
	[ADMIN_ARRAY] = "an array",
};

/* Stores ${v} if it is of the type that ${a} wants. */
static bool
take_value(const struct admin_arg *a, json_t *v)
{

	switch (a->type) {
	case ADMIN_STRING:
		if (!json_is_string(v))
			return (false);
		*(const char **)a->out = json_string_value(v);
		return (true);
	case ADMIN_INTEGER:
		if (!json_is_integer(v))
			return (false);
		*(json_int_t *)a->out = json_integer_value(v);
		return (true);
	case ADMIN_BOOLEAN:
		if (!json_is_boolean(v))
			return (false);
		*(bool *)a->out = json_is_true(v);
		return (true);
	case ADMIN_OBJECT:
	case ADMIN_ARRAY:
		if (a->type == ADMIN_OBJECT ? !json_is_object(v) :
		    !json_is_array(v))
			return (false);
		*(json_t **)a->out = v;
		return (true);
	}
	return (false);
}

int
admin_msg_args(json_t *args, const struct admin_arg *spec, size_t n,
    struct admin_reply *reply)
{
	char shown[SHOWN_LEN], why[2 * SHOWN_LEN];
	const char *key;
	json_t *v;
	size_t i;

	if (args != NULL)
		json_object_foreach(args, key, v) {
			for (i = 0; i < n; i++)
				if (strcmp(key, spec[i].name) == 0)
					break;
			if (i < n && take_value(&spec[i], v))
				continue;
			(void)msg_safe(shown, sizeof(shown), key, strlen(key));
			if (i == n)
				(void)snprintf(why, sizeof(why),
				    "this verb has no argument %s", shown);
			else
				(void)snprintf(why, sizeof(why),
				    "argument %s is not %s", shown,
				    type_names[spec[i].type]);
			return (bad_request(reply, why));
		}
	for (i = 0; i < n; i++)
		if (spec[i].required &&
		    json_object_get(args, spec[i].name) == NULL) {
			(void)snprintf(why, sizeof(why),
			    "argument %s is missing", spec[i].name);
			return (bad_request(reply, why));
		}
	return (0);
}

char *
admin_msg_encode(const struct admin_req *req, struct admin_reply *reply,
    size_t *out_len)
{
	json_t *root, *body;
	char *text, *line = NULL;
	size_t len;

	if (reply->code == ADMIN_OK) {
		body = reply->result != NULL ? reply->result : json_object();
		reply->result = NULL;
	} else
		body = json_pack("{s:s,s:s,s:s,s:s}", "code",
		    admin_code_name(reply->code), "what", reply->what, "why",
		    reply->why, "next", reply->next);
	root = json_pack("{s:i,s:o}", "v", ADMIN_VERSION,
	    reply->code == ADMIN_OK ? "result" : "error", body);
	if (root == NULL)
		return (NULL);
	if (req->has_id && json_object_set_new(root, "id",
	    json_integer(req->id)) != 0)
		goto out_root;
	if ((text = json_dumps(root, JSON_COMPACT)) == NULL)
		goto out_root;
	len = strlen(text);
	if ((line = malloc(len + 2)) != NULL) {
		memcpy(line, text, len);
		memcpy(line + len, "\n", 2);
		*out_len = len + 1;
	}
	admin_proto_wipe_free(text);
out_root:
	json_decref(root);
	return (line);
}
