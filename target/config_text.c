/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_text.c - does the text of a configuration end outside of everything?
 *
 * libconfuse takes the end of the file for the end of a section and of a
 * comment.  What it takes for a brace, a string or a comment only it knows, so
 * it is asked: a closing brace behind the text is one too many, or it closes
 * what was left open.
 */
#include <confuse.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "meta/base/check.h"
#include "target/config_int.h"

#define READ_BYTES	4096u

/*
 * Its scanner keeps its state from one text to the next.  This leads out of
 * any: the end of a string of either kind, and of a comment; the latter alone
 * is no word behind which libconfuse stops.
 */
static const char way_out[] = "\n#\"\n#'\n*/\n";

enum answer { ANSWER_TAKEN, ANSWER_BRACE, ANSWER_OTHER };

/* libconfuse hands its callbacks no pointer of ours. */
static enum answer answer;

static void
on_error(cfg_t *cfg, const char *fmt, va_list ap)
{

	(void)cfg;
	(void)ap;
	answer = strstr(fmt, "unexpected closing brace") != NULL ?
	    ANSWER_BRACE : ANSWER_OTHER;
}

void
config_options(struct config_options *o, cfg_validate_callback_t on_key,
    cfg_validate_callback_t on_list, cfg_validate_callback_t on_portal)
{
	const cfg_opt_t end = CFG_END();
	size_t n, n_top = 0, n_portal = 0;
	const struct config_key *k;

	k = config_keys(&n);
	TT_ASSERT(n < CONFIG_KEYS_MAX - 1);
	for (size_t i = 0; i < n; i++) {
		const cfg_opt_t one = CFG_STR(k[i].name, NULL, CFGF_NODEFAULT);
		const cfg_opt_t list = CFG_STR_LIST(k[i].name, NULL,
		    CFGF_NODEFAULT);
		cfg_opt_t *p = k[i].section == NULL ? &o->top[n_top++] :
		    &o->portal[n_portal++];

		*p = config_is_list(&k[i]) ? list : one;
		p->validcb = config_is_list(&k[i]) ? on_list : on_key;
	}
	o->portal[n_portal] = end;
	o->top[n_top] = (cfg_opt_t)CFG_SEC("portal", o->portal, CFGF_MULTI |
	    CFGF_TITLE | CFGF_NO_TITLE_DUPES);
	o->top[n_top].validcb = on_portal;
	o->top[n_top + 1] = end;
}

static int
ask(char *text, size_t len, enum answer *out)
{
	struct config_options o;
	cfg_t *cfg;
	FILE *f;

	config_options(&o, NULL, NULL, NULL);
	if ((cfg = cfg_init(o.top, CFGF_NONE)) == NULL)
		return (-ENOMEM);
	if ((f = fmemopen(text, len, "r")) == NULL) {
		cfg_free(cfg);
		return (-ENOMEM);
	}
	cfg_set_error_function(cfg, on_error);
	answer = ANSWER_TAKEN;
	if (cfg_parse_fp(cfg, f) != CFG_SUCCESS && answer == ANSWER_TAKEN)
		answer = ANSWER_OTHER;
	(void)fclose(f);
	cfg_free(cfg);
	*out = answer;
	return (0);
}

/* Was the last text at its end in a comment?  In any case it is no more. */
static int
leave(bool *out_comment)
{
	char text[sizeof(way_out)];
	enum answer a;
	int rc;

	memcpy(text, way_out, sizeof(text));
	if ((rc = ask(text, sizeof(text) - 1, &a)) == 0)
		*out_comment = a == ANSWER_TAKEN;
	return (rc);
}

/* ${len} bytes of ${text}, and a brace in the room behind them. */
static int
with_brace(const char *text, size_t len, char *room, enum answer *out)
{
	bool comment;
	int rc;

	memcpy(room, text, len);
	memcpy(room + len, "\n}\n", 3);
	if ((rc = ask(room, len + 3, out)) == 0)
		rc = leave(&comment);
	return (rc);
}

static int
lines_of(const char *text, size_t len)
{
	int n = 0;

	for (size_t i = 0; i < len; i++)
		n += text[i] == '\n';
	return (n);
}

/*
 * The line in which the section begins that the whole text leaves open: the
 * one behind the last that leaves nothing open.
 */
static int
begin_of(const char *text, size_t len, char *room, int *out_line)
{
	enum answer a = ANSWER_OTHER;
	int rc = 0;

	while (len > 0 && rc == 0 && a != ANSWER_BRACE) {
		do
			len--;
		while (len > 0 && text[len - 1] != '\n');
		rc = with_brace(text, len, room, &a);
	}
	*out_line = lines_of(text, len) + 1;
	return (rc);
}

int
config_text_end(const char *text, size_t len, enum config_end *out,
    int *out_line)
{
	enum answer a;
	bool comment;
	char *room;
	int rc;

	*out = CONFIG_END_CLOSED;
	*out_line = 0;
	if ((rc = leave(&comment)) != 0)
		return (rc);
	if (comment) {
		*out = CONFIG_END_COMMENT;
		return (0);
	}
	if ((room = malloc(len + 3)) == NULL)
		return (-ENOMEM);
	rc = with_brace(text, len, room, &a);
	if (rc == 0 && a != ANSWER_BRACE) {
		*out = CONFIG_END_SECTION;
		rc = begin_of(text, len, room, out_line);
	}
	free(room);
	return (rc);
}

int
config_text_read(FILE *f, char **out, size_t *out_len)
{
	char *text = NULL, *more;
	size_t len = 0, n;

	do {
		if ((more = realloc(text, len + READ_BYTES)) == NULL) {
			free(text);
			return (-ENOMEM);
		}
		text = more;
		len += n = fread(text + len, 1, READ_BYTES, f);
	} while (n == READ_BYTES && len < CONFIG_FILE_MAX);
	if (ferror(f) != 0 || len >= CONFIG_FILE_MAX ||
	    memchr(text, '\0', len) != NULL) {
		free(text);
		return (ferror(f) != 0 ? -EIO : len >= CONFIG_FILE_MAX ?
		    -EFBIG : -EILSEQ);
	}
	*out = text;
	*out_len = len;
	return (0);
}
