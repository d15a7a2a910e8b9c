/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config.c - reading the file.  libconfuse knows the syntax; every value is a
 * string to it, checked by our table in the moment in which it was read,
 * because only then the line is known.
 */
#include "target/config.h"

#include <confuse.h>
#include <errno.h>
#include <locale.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "meta/base/check.h"
#include "meta/base/msg.h"
#include "target/config_int.h"

#define ERROR_CAP	1024
#define SHOWN_CAP	160
#define KNOWN_CAP	320

struct load {
	struct config *c;
	config_error_fn *error;
	void *arg;
	unsigned n_errors;
	bool no_memory;
	struct config_portal cur;	/* of the section being read */
	unsigned n_list[CONFIG_KEYS_MAX];	/* values of a list that were seen */
	bool is_twice[CONFIG_KEYS_MAX];	/* a list, and told so */
	int line[CONFIG_KEYS_MAX];		/* where a key was given, 0: not yet */
};

/*
 * libconfuse hands its callbacks no pointer of ours.  Set only while
 * config_load runs.
 */
static struct load *loading;

static void
load_error(struct load *ld, int line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void
load_error(struct load *ld, int line, const char *fmt, ...)
{
	char text[ERROR_CAP];
	va_list ap;
	int n;

	if (line > 0)
		n = snprintf(text, sizeof(text), "%s:%d: ", ld->c->file, line);
	else
		n = snprintf(text, sizeof(text), "%s: ", ld->c->file);
	if (n < 0 || (size_t)n >= sizeof(text))
		n = 0;
	va_start(ap, fmt);
	(void)vsnprintf(text + n, sizeof(text) - (size_t)n, fmt, ap);
	va_end(ap);
	ld->n_errors++;
	if (ld->error != NULL)
		ld->error(ld->arg, text);
	else
		msg_err("%s", text);
}

static bool
same_section(const struct config_key *k, const char *section)
{

	if (k->section == NULL || section == NULL)
		return (k->section == section);
	return (strcmp(k->section, section) == 0);
}

/* The section a libconfuse object stands for, NULL: the top level. */
static const char *
section_of(const cfg_t *cfg)
{

	return (strcmp(cfg->name, "portal") == 0 ? "portal" : NULL);
}

/* "store, socket, ..." */
static const char *
known_keys(const char *section, char *dst, size_t cap)
{
	const struct config_key *k;
	size_t n, len = 0;

	k = config_keys(&n);
	dst[0] = '\0';
	for (size_t i = 0; i < n && len < cap; i++)
		if (same_section(&k[i], section))
			len += (size_t)snprintf(dst + len, cap - len, "%s%s",
			    len == 0 ? "" : ", ", k[i].name);
	if (section == NULL && len < cap)
		(void)snprintf(dst + len, cap - len, ", portal");
	return (dst);
}

/* What libconfuse complains about: syntax, unknown names, double sections. */
static void
on_syntax(cfg_t *cfg, const char *fmt, va_list ap)
{
	char raw[SHOWN_CAP], shown[2 * SHOWN_CAP], known[KNOWN_CAP];

	(void)vsnprintf(raw, sizeof(raw), fmt, ap);
	(void)msg_safe(shown, sizeof(shown), raw, strlen(raw));
	if (strncmp(fmt, "no such option", 14) == 0)
		load_error(loading, cfg->line, "%s; the keys here are: %s",
		    shown, known_keys(section_of(cfg), known, sizeof(known)));
	else if (strstr(fmt, "duplicate title") != NULL)
		load_error(loading, cfg->line, "%s; every portal needs a name "
		    "of its own", shown);
	else
		load_error(loading, cfg->line, "%s; right is: key = value, "
		    "or portal \"name\" { key = value ... }", shown);
}

static const struct config_key *
key_of(const char *section, const char *name, size_t *out_i)
{
	const struct config_key *k;
	size_t n;

	k = config_keys(&n);
	for (size_t i = 0; i < n; i++)
		if (same_section(&k[i], section) &&
		    strcmp(k[i].name, name) == 0) {
			*out_i = i;
			return (&k[i]);
		}
	return (NULL);
}

static void
store_text(struct load *ld, char **dst, const char *text)
{

	free(*dst);
	if ((*dst = strdup(text)) == NULL)
		ld->no_memory = true;
}

static char *
base_of(struct load *ld, const struct config_key *k)
{

	return ((k->section == NULL ? (char *)ld->c : (char *)&ld->cur) +
	    k->off);
}

static struct config_list *
list_of(struct load *ld, const struct config_key *k)
{

	return ((struct config_list *)(void *)base_of(ld, k));
}

static void
load_item(struct load *ld, const struct config_key *k, const char *text,
    int line)
{
	struct config_list *l = list_of(ld, k);

	if (l->n == k->max) {
		load_error(ld, line, k->type == CONFIG_ALGORITHMS ?
		    "%s: more than %ju" : "%s: more than %ju addresses; use "
		    "one more portal", k->name, (uintmax_t)k->max);
		return;
	}
	store_text(ld, &l->v[l->n++], text);
}

static void
load_value(struct load *ld, const struct config_key *k, const char *text,
    int line)
{
	char *at = base_of(ld, k);
	char range[CONFIG_TEXT_CAP], shown[SHOWN_CAP];
	const char *wrong;
	uint64_t number = 0;

	if ((wrong = config_value_check(k, text, &number)) != NULL) {
		load_error(ld, line, "%s: '%s' %s; right is: %s, for instance "
		    "%s = %s", k->name, msg_safe(shown, sizeof(shown), text,
		    strlen(text)), wrong, config_range_text(k, range), k->name,
		    k->example);
		return;
	}
	switch (k->type) {
	case CONFIG_PATH:
	case CONFIG_SOCKET:
	case CONFIG_PREFIX:
	case CONFIG_USER:
		store_text(ld, (char **)(void *)at, text);
		break;
	case CONFIG_NUMBER:
	case CONFIG_PERCENT:
	case CONFIG_SIZE:
	case CONFIG_POWER:
		memcpy(at, &number, sizeof(number));
		break;
	case CONFIG_LISTEN:
	case CONFIG_ADVERTISE:
	case CONFIG_ALGORITHMS:
		load_item(ld, k, text, line);
		break;
	}
}

static void
twice(struct load *ld, const struct config_key *k, size_t i, int line)
{

	load_error(ld, line, "%s: given twice, first in line %d; keep one of "
	    "them", k->name, ld->line[i]);
}

/* A key was read, in this line. */
static int
on_key(cfg_t *cfg, cfg_opt_t *opt)
{
	struct load *ld = loading;
	const struct config_key *k;
	size_t i = 0;

	k = key_of(section_of(cfg), opt->name, &i);
	if (ld->line[i] != 0) {
		twice(ld, k, i, cfg->line);
		return (0);
	}
	ld->line[i] = cfg->line;
	load_value(ld, k, cfg_opt_getnstr(opt, 0), cfg->line);
	return (0);
}

/*
 * A value of a list was read, or its end: libconfuse calls for both, and when
 * the key comes again its list begins anew.
 */
static int
on_list(cfg_t *cfg, cfg_opt_t *opt)
{
	struct load *ld = loading;
	const unsigned n = cfg_opt_size(opt);
	const struct config_key *k;
	const struct config_list *l;
	size_t i = 0;

	k = key_of(section_of(cfg), opt->name, &i);
	l = list_of(ld, k);
	if (ld->is_twice[i])
		return (0);
	if (n < ld->n_list[i]) {
		ld->is_twice[i] = true;
	} else if (n > ld->n_list[i]) {
		load_value(ld, k, cfg_opt_getnstr(opt, n - 1), cfg->line);
	} else if (ld->line[i] != cfg->line && l->n == n) {
		/* The end of the list, or of another with as many values. */
		for (unsigned j = 0; j < n; j++)
			if (l->v[j] != NULL && strcmp(l->v[j],
			    cfg_opt_getnstr(opt, j)) != 0)
				ld->is_twice[i] = true;
	}
	if (ld->is_twice[i])
		twice(ld, k, i, cfg->line);
	ld->n_list[i] = n;
	if (ld->line[i] == 0)
		ld->line[i] = cfg->line;
	return (0);
}

/* "A,B,C" as the items of a list. */
static void
load_default_list(struct load *ld, const struct config_key *k)
{
	char text[CONFIG_TEXT_CAP], *save = NULL;

	(void)snprintf(text, sizeof(text), "%s", k->dflt);
	for (char *p = strtok_r(text, ",", &save); p != NULL;
	    p = strtok_r(NULL, ",", &save))
		load_item(ld, k, p, 0);
}

/* Are all keys there that must be?  Others get their default. */
static void
load_complete(struct load *ld, const char *section, int line)
{
	const struct config_key *k;
	char cpus[16];
	size_t n;

	k = config_keys(&n);
	for (size_t i = 0; i < n; i++) {
		if (!same_section(&k[i], section) || ld->line[i] != 0)
			continue;
		if (k[i].required) {
			load_error(ld, line, "%s is missing; add a line such "
			    "as: %s = %s", k[i].name, k[i].name, k[i].example);
		} else if (k[i].dflt == NULL) {
			continue;
		} else if (config_is_list(&k[i])) {
			load_default_list(ld, &k[i]);
		} else if (strcmp(k[i].dflt, CONFIG_CPUS) == 0) {
			const long v = sysconf(_SC_NPROCESSORS_ONLN);

			(void)snprintf(cpus, sizeof(cpus), "%ld", v < 1 ? 1 :
			    v > CONFIG_WORKERS_MAX ? CONFIG_WORKERS_MAX : v);
			load_value(ld, &k[i], cpus, line);
		} else {
			load_value(ld, &k[i], k[i].dflt, line);
		}
	}
}

static void
list_clear(struct config_list *l)
{

	for (size_t i = 0; i < l->n; i++)
		free(l->v[i]);
}

static void
portal_clear(struct config_portal *p)
{

	list_clear(&p->listen);
	list_clear(&p->advertise);
	free(p->name);
	memset(p, 0, sizeof(*p));
}

/* No address twice, unless the system chooses the port. */
static void
portal_check_unique(struct load *ld, const struct config_portal *p,
    size_t i, int line)
{
	const char *a = p->listen.v[i], *port = a == NULL ? NULL :
	    strrchr(a, ':');

	if (port == NULL || strcmp(port, ":0") == 0)
		return;
	for (size_t j = 0; j < i; j++)
		if (p->listen.v[j] != NULL && strcmp(p->listen.v[j], a) == 0)
			load_error(ld, line, "listen: %s is given twice; keep "
			    "one of them", a);
	for (size_t q = 0; q < ld->c->n_portals; q++) {
		const struct config_portal *o = &ld->c->portals[q];

		for (size_t j = 0; j < o->listen.n; j++)
			if (o->listen.v[j] != NULL &&
			    strcmp(o->listen.v[j], a) == 0)
				load_error(ld, line, "listen: portal \"%s\" "
				    "has %s already; keep one of them",
				    o->name, a);
	}
}

/* The end of a section. */
static int
on_portal(cfg_t *cfg, cfg_opt_t *opt)
{
	struct load *ld = loading;
	struct config *c = ld->c;
	const cfg_t *sec = cfg_opt_getnsec(opt, cfg_opt_size(opt) - 1);
	char shown[SHOWN_CAP];
	const char *title = sec->title;
	struct config_portal *p;
	size_t n;

	load_complete(ld, "portal", cfg->line);
	(void)msg_safe(shown, sizeof(shown), title, strlen(title));
	store_text(ld, &ld->cur.name, shown);
	for (size_t i = 0; i < ld->cur.listen.n; i++)
		portal_check_unique(ld, &ld->cur, i, cfg->line);
	(void)config_keys(&n);
	for (size_t i = 0; i < n; i++)
		if (config_keys(&n)[i].section != NULL) {
			ld->line[i] = 0;
			ld->n_list[i] = 0;
			ld->is_twice[i] = false;
		}
	if (c->n_portals == CONFIG_PORTALS_MAX) {
		load_error(ld, cfg->line, "portal: more than %d; give one "
		    "portal several addresses", CONFIG_PORTALS_MAX);
		portal_clear(&ld->cur);
		return (0);
	}
	p = realloc(c->portals, (c->n_portals + 1) * sizeof(*p));
	if (p == NULL) {
		ld->no_memory = true;
		portal_clear(&ld->cur);
		return (0);
	}
	c->portals = p;
	p[c->n_portals++] = ld->cur;
	memset(&ld->cur, 0, sizeof(ld->cur));
	return (0);
}

/* What libconfuse has taken, but for what ends only with the file. */
static int
load_end(struct load *ld, const char *text, size_t len)
{
	const struct config *c = ld->c;
	enum config_end end;
	int line, rc;

	if ((rc = config_text_end(text, len, &end, &line)) != 0)
		return (rc);
	if (end == CONFIG_END_COMMENT)
		load_error(ld, 0, "a comment is not closed; right is: /* ... "
		    "*/");
	else if (end == CONFIG_END_SECTION)
		load_error(ld, line, "portal \"%s\", begun in line %d, is not "
		    "closed; right is: portal \"name\" { key = value ... }",
		    c->n_portals == 0 ? "" : c->portals[c->n_portals - 1].name,
		    line);
	else
		load_complete(ld, NULL, 0);
	return (0);
}

static int
load_text(struct load *ld, char *text, size_t len)
{
	struct config_options o;
	int rc = 0;
	cfg_t *cfg;
	FILE *f;

	config_options(&o, on_key, on_list, on_portal);
	if ((cfg = cfg_init(o.top, CFGF_NONE)) == NULL ||
	    (cfg->filename = strdup(ld->c->file)) == NULL ||
	    (f = fmemopen(text, len, "r")) == NULL) {
		cfg_free(cfg);
		return (-ENOMEM);
	}
	/* cfg_init takes the locale of the environment; ours is none. */
	(void)setlocale(LC_ALL, "C");
	cfg_set_error_function(cfg, on_syntax);
	loading = ld;
	/* Behind a syntax error, what seems missing may well be there. */
	if (cfg_parse_fp(cfg, f) == CFG_SUCCESS)
		rc = load_end(ld, text, len);
	else if (ld->n_errors == 0)
		load_error(ld, cfg->line, "cannot be understood");
	loading = NULL;
	(void)fclose(f);
	cfg_free(cfg);
	portal_clear(&ld->cur);
	return (rc);
}

static int
load_file(struct load *ld, FILE *f)
{
	char *text;
	size_t len;
	int rc;

	/* libconfuse ends the process when read(2) fails, and stops at a 0. */
	if ((rc = config_text_read(f, &text, &len)) != 0) {
		load_error(ld, 0, "%s", rc == -EFBIG ? "is no configuration: "
		    "it is larger than 1M" : rc == -EILSEQ ? "is no text: it "
		    "has a byte 0" : strerror(-rc));
		return (rc);
	}
	rc = load_text(ld, text, len);
	free(text);
	if (rc != 0 || ld->no_memory)
		return (-ENOMEM);
	if ((ld->c->discovery_user == NULL) !=
	    (ld->c->discovery_secret_file == NULL) && ld->n_errors == 0)
		load_error(ld, 0, "discovery-user and discovery-secret-file "
		    "belong together; give both or none");
	if (ld->c->n_portals == 0 && ld->n_errors == 0)
		load_error(ld, 0, "there is no portal; add for instance: "
		    "portal \"local\" { listen = {\"127.0.0.1:3260\"} }");
	return (ld->n_errors > 0 ? -EINVAL : 0);
}

int
config_load(const char *file, config_error_fn *error, void *arg,
    struct config **out)
{
	struct load ld = { .error = error, .arg = arg };
	struct stat st;
	FILE *f;
	int rc;

	if ((ld.c = calloc(1, sizeof(*ld.c))) == NULL ||
	    (ld.c->file = strdup(file)) == NULL) {
		free(ld.c);
		return (-ENOMEM);
	}
	if ((f = fopen(file, "re")) == NULL) {
		rc = -errno;
		load_error(&ld, 0, rc == -EACCES ? "%s: this user may not read "
		    "it" : "%s; give the file with -c", strerror(-rc));
		goto out_free;
	}
	if (fstat(fileno(f), &st) != 0 || S_ISDIR(st.st_mode)) {
		rc = -EISDIR;
		load_error(&ld, 0, "is a folder; give the file with -c");
	} else {
		rc = load_file(&ld, f);
	}
	(void)fclose(f);
out_free:
	if (rc == 0)
		*out = ld.c;
	else
		config_free(ld.c);
	return (rc);
}

void
config_free(struct config *c)
{

	if (c == NULL)
		return;
	for (size_t i = 0; i < c->n_portals; i++)
		portal_clear(&c->portals[i]);
	free(c->portals);
	list_clear(&c->chap_algorithms);
	free(c->discovery_user);
	free(c->discovery_secret_file);
	free(c->file);
	free(c->store);
	free(c->socket);
	free(c->iqn_prefix);
	free(c);
}
