/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "meta/base/size.h"
#include "tests/lib/unit.h"

#define GOOD								\
	"store = \"/srv/tt\"\n"						\
	"iqn-prefix = \"iqn.2026-01.com.example:tt\"\n"
#define PORTAL "portal \"a\" { listen = {\"127.0.0.1:3260\"} }\n"

static char file[64];
static char errors[8192];
static unsigned n_errors;

static void
note(void *arg, const char *text)
{
	const size_t len = strlen(errors);

	CU_ASSERT_PTR_EQUAL(arg, errors);
	n_errors++;
	(void)snprintf(errors + len, sizeof(errors) - len, "%s\n", text);
}

/* ${text} NULL: nothing but comments, and more than is read. */
static int
load(const char *text, struct config **out)
{
	FILE *f;
	int fd, rc;

	(void)snprintf(file, sizeof(file), "/tmp/tt-conf-XXXXXX");
	if ((fd = mkstemp(file)) < 0 || (f = fdopen(fd, "w")) == NULL)
		abort();
	if (text != NULL)
		(void)fputs(text, f);
	for (unsigned i = 0; text == NULL && i < 1u << 17; i++)
		(void)fputs("# long\n\n", f);
	(void)fclose(f);
	errors[0] = '\0';
	n_errors = 0;
	rc = config_load(file, note, errors, out);
	(void)unlink(file);
	return (rc);
}

/* Each error is told as FILE:LINE: and has what would be right. */
static void
expect(const char *text, int line, const char *key, const char *right)
{
	struct config *c = NULL;
	char at[96];

	CU_ASSERT_EQUAL(load(text, &c), -EINVAL);
	CU_ASSERT_PTR_NULL(c);
	CU_ASSERT_EQUAL(n_errors, 1);
	if (line > 0)
		(void)snprintf(at, sizeof(at), "%s:%d: ", file, line);
	else
		(void)snprintf(at, sizeof(at), "%s: ", file);
	if (n_errors != 1 || strncmp(errors, at, strlen(at)) != 0 ||
	    strstr(errors, key) == NULL || strstr(errors, right) == NULL) {
		printf("\nfor:\n%s\nwanted %s ... %s ... %s, got:\n%s", text, at,
		    key, right, errors);
		CU_FAIL("another error");
	}
}

static void
test_full(void)
{
	struct config *c;

	CU_ASSERT_EQUAL_FATAL(load(
	    "# comment\n"
	    "store = /srv/tt\n"
	    "socket = \"/tmp/s\"\n"
	    "iqn-prefix = \"iqn.2026-01.com.example\"\n"
	    "workers = 3\n"
	    "memory = 2G\n"
	    "segment-size = 2M\n"
	    "space-low = 25%\n"
	    "space-reserve = 1G\n"
	    "scrub = 7\n"
	    "scrub-rate = 64M\n"
	    "portal \"one\" {\n"
	    "  listen = {\"127.0.0.1:3260\",\n"
	    "    \"[::1]:0\"}\n"
	    "  tag = 65535\n"
	    "}\n"
	    "portal \"two\" { listen = 127.0.0.1:0 }\n", &c), 0);
	CU_ASSERT_EQUAL(n_errors, 0);
	CU_ASSERT_STRING_EQUAL(c->file, file);
	CU_ASSERT_STRING_EQUAL(c->store, "/srv/tt");
	CU_ASSERT_STRING_EQUAL(c->socket, "/tmp/s");
	CU_ASSERT_STRING_EQUAL(c->iqn_prefix, "iqn.2026-01.com.example");
	CU_ASSERT_EQUAL(c->workers, 3);
	CU_ASSERT_EQUAL(c->memory_bytes, UINT64_C(2) << 30);
	CU_ASSERT_EQUAL(c->segment_bytes, 2u << 20);
	CU_ASSERT_EQUAL(c->space_low_percent, 25);
	CU_ASSERT_EQUAL(c->space_reserve_bytes, 1u << 30);
	CU_ASSERT_EQUAL(c->scrub_days, 7);
	CU_ASSERT_EQUAL(c->scrub_rate_bytes, 64u << 20);
	CU_ASSERT_EQUAL_FATAL(c->n_portals, 2);
	CU_ASSERT_STRING_EQUAL(c->portals[0].name, "one");
	CU_ASSERT_EQUAL_FATAL(c->portals[0].listen.n, 2);
	CU_ASSERT_STRING_EQUAL(c->portals[0].listen.v[0], "127.0.0.1:3260");
	CU_ASSERT_STRING_EQUAL(c->portals[0].listen.v[1], "[::1]:0");
	CU_ASSERT_EQUAL(c->portals[0].tag, 65535);
	CU_ASSERT_STRING_EQUAL(c->portals[1].name, "two");
	CU_ASSERT_EQUAL(c->portals[1].listen.n, 1);
	CU_ASSERT_EQUAL(c->portals[1].tag, 1);
	config_free(c);
}

static void
test_defaults(void)
{
	struct config *c;
	const long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	CU_ASSERT_EQUAL_FATAL(load(GOOD PORTAL, &c), 0);
	CU_ASSERT_STRING_EQUAL(c->socket, "/run/tt/tt.sock");
	CU_ASSERT_EQUAL(c->workers, (uint64_t)cpus);
	CU_ASSERT_EQUAL(c->memory_bytes, 512u << 20);
	CU_ASSERT_EQUAL(c->segment_bytes, 64u << 20);
	CU_ASSERT_EQUAL(c->space_low_percent, 10);
	CU_ASSERT_EQUAL(c->space_reserve_bytes, 256u << 20);
	CU_ASSERT_EQUAL(c->scrub_days, 30);
	CU_ASSERT_EQUAL(c->scrub_rate_bytes, 16u << 20);
	CU_ASSERT_EQUAL(c->portals[0].tag, 1);
	CU_ASSERT_EQUAL(c->portals[0].advertise.n, 0);
	CU_ASSERT_EQUAL_FATAL(c->chap_algorithms.n, 4);
	CU_ASSERT_STRING_EQUAL(c->chap_algorithms.v[0], "SHA3-256");
	CU_ASSERT_STRING_EQUAL(c->chap_algorithms.v[3], "MD5");
	CU_ASSERT_EQUAL(c->nop_interval_s, 30);
	CU_ASSERT_EQUAL(c->nop_timeout_s, 30);
	CU_ASSERT_PTR_NULL(c->discovery_user);
	CU_ASSERT_PTR_NULL(c->discovery_secret_file);
	config_free(c);
}

static void
test_access(void)
{
	struct config *c;

	CU_ASSERT_EQUAL_FATAL(load(GOOD
	    "chap-algorithms = {\"SHA256\",\n \"SHA1\"}\n"
	    "nop-interval = 0\nnop-timeout = 7\n"
	    "discovery-user = \"d\"\ndiscovery-secret-file = \"/s\"\n"
	    "portal \"a\" { listen = {\"127.0.0.1:1\", \"127.0.0.1:2\"}\n"
	    "advertise = {\"192.0.2.1:3260\"} }\n"
	    "portal \"b\" { listen = {\"127.0.0.1:3\"} advertise = "
	    "{\"192.0.2.1:3261\", \"[2001:db8::1]:3261\"} }\n", &c), 0);
	CU_ASSERT_EQUAL_FATAL(c->chap_algorithms.n, 2);
	CU_ASSERT_STRING_EQUAL(c->chap_algorithms.v[1], "SHA1");
	CU_ASSERT_EQUAL(c->nop_interval_s, 0);
	CU_ASSERT_EQUAL(c->nop_timeout_s, 7);
	CU_ASSERT_STRING_EQUAL(c->discovery_user, "d");
	CU_ASSERT_STRING_EQUAL(c->discovery_secret_file, "/s");
	CU_ASSERT_EQUAL(c->portals[0].listen.n, 2);
	CU_ASSERT_EQUAL(c->portals[0].advertise.n, 1);
	CU_ASSERT_EQUAL(c->portals[1].listen.n, 1);
	CU_ASSERT_EQUAL_FATAL(c->portals[1].advertise.n, 2);
	CU_ASSERT_STRING_EQUAL(c->portals[1].advertise.v[1],
	    "[2001:db8::1]:3261");
	config_free(c);
	expect(GOOD "chap-algorithms = {\"MD4\"}\n" PORTAL, 3,
	    "chap-algorithms: 'MD4'", "SHA3-256, SHA256");
	expect(GOOD "chap-algorithms = {\"MD5\"}\nchap-algorithms = "
	    "{\"SHA1\"}\n" PORTAL, 4, "chap-algorithms: given twice",
	    "keep one");
	expect(GOOD "discovery-user = \"d\"\n" PORTAL, 0, "discovery-user",
	    "give both");
	expect(GOOD "discovery-user = \"a b\"\n" PORTAL, 3,
	    "discovery-user: 'a b'", "printable");
	expect(GOOD "nop-timeout = 0\n" PORTAL, 3, "nop-timeout: '0'",
	    "1 to 3600");
	expect(GOOD "portal \"a\" {\n listen = {\"127.0.0.1:1\"}\n"
	    " advertise = {\"0.0.0.0:3260\"}\n}\n", 5, "advertise",
	    "ADDRESS:PORT");
	expect(GOOD "portal \"a\" {\n listen = {\"127.0.0.1:1\"}\n"
	    " advertise = {\"192.0.2.1:0\"}\n}\n", 5, "advertise",
	    "ADDRESS:PORT");
}

/* What -n prints is a configuration that means the same. */
static void
test_print(void)
{
	struct config *c, *again;
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	CU_ASSERT_EQUAL_FATAL(load(GOOD "workers = 7\nmemory = 100M\n" PORTAL
	    "portal \"b\" { listen = {\"[::1]:1\", \"[::1]:2\"} tag = 9 }\n",
	    &c), 0);
	config_print(c, f);
	(void)fclose(f);
	CU_ASSERT_EQUAL_FATAL(load(text, &again), 0);
	CU_ASSERT_STRING_EQUAL(again->store, c->store);
	CU_ASSERT_STRING_EQUAL(again->socket, c->socket);
	CU_ASSERT_STRING_EQUAL(again->iqn_prefix, c->iqn_prefix);
	CU_ASSERT_EQUAL(again->workers, 7);
	CU_ASSERT_EQUAL(again->space_low_percent, 10);
	CU_ASSERT_EQUAL(again->memory_bytes, 100u << 20);
	CU_ASSERT_EQUAL(again->segment_bytes, c->segment_bytes);
	CU_ASSERT_EQUAL_FATAL(again->n_portals, 2);
	CU_ASSERT_STRING_EQUAL(again->portals[1].listen.v[1], "[::1]:2");
	CU_ASSERT_EQUAL(again->portals[1].tag, 9);
	config_free(again);
	config_free(c);
	free(text);
}

static void
test_values(void)
{
	static const char *const bad_prefix[] = {
		"tt", "iqn.2026-1.com.example", "iqn.2026-01.", "IQN.2026-01.x",
		"iqn.2026-01.com.Example", "iqn.2026-01.com.example:",
		"iqn.2026-01.com_example", "eui.0123456789abcdef",
		"iqn.2026-01.com.example:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	};
	char text[512];

	for (size_t i = 0; i < sizeof(bad_prefix) / sizeof(bad_prefix[0]);
	    i++) {
		(void)snprintf(text, sizeof(text), "store = \"/s\"\n\n"
		    "iqn-prefix = \"%s\"\n" PORTAL, bad_prefix[i]);
		expect(text, 3, "iqn-prefix", "iqn.YYYY-MM");
	}
	expect("store = \"srv/tt\"\niqn-prefix = \"iqn.2026-01.a\"\n" PORTAL, 1,
	    "store: 'srv/tt'", "absolute path");
	expect(GOOD "socket = \"/0123456789012345678901234567890123456789"
	    "01234567890123456789012345678901234567890123456789012345678901234"
	    "56789\"\n" PORTAL, 3, "socket", "at most 107 bytes");
	expect(GOOD "workers = 0\n" PORTAL, 3, "workers: '0'", "1 to 256");
	expect(GOOD "workers = 257\n" PORTAL, 3, "workers: '257'", "1 to 256");
	expect(GOOD "workers = -1\n" PORTAL, 3, "workers: '-1'", "1 to 256");
	expect(GOOD "workers = many\n" PORTAL, 3, "not a number", "1 to 256");
	expect(GOOD "workers = 99999999999999999999\n" PORTAL, 3, "workers",
	    "1 to 256");
	expect(GOOD "memory = 63M\n" PORTAL, 3, "memory: '63M'", "64M to 16T");
	expect(GOOD "memory = 1.5G\n" PORTAL, 3, "not a size", "64M to 16T");
	expect(GOOD "segment-size = 1M\n" PORTAL, 3, "segment-size",
	    "2M to 128M");
	expect(GOOD "segment-size = 256M\n" PORTAL, 3, "segment-size",
	    "2M to 128M");
	expect(GOOD "segment-size = 3M\n" PORTAL, 3, "segment-size",
	    "power of two");
	expect(GOOD "space-low = 10\n" PORTAL, 3, "not a percentage",
	    "0% to 90%");
	expect(GOOD "space-low = 91%\n" PORTAL, 3, "out of range",
	    "0% to 90%");
	expect(GOOD "space-low = %\n" PORTAL, 3, "space-low: '%'",
	    "0% to 90%");
	expect(GOOD "space-low = 1000%\n" PORTAL, 3, "not a percentage",
	    "0% to 90%");
	expect(GOOD "space-reserve = 1M\n" PORTAL, 3, "space-reserve",
	    "16M to 1T");
}

static void
test_portals(void)
{

	expect(GOOD "portal \"a\" {\n\n listen = {\"127.0.0.1:0\",\n"
	    "\"localhost:3260\"}\n}\n", 6, "listen: 'localhost:3260'",
	    "ADDRESS:PORT");
	expect(GOOD "portal \"a\" {\n listen = {\"127.0.0.1\"}\n}\n", 4,
	    "listen", "ADDRESS:PORT");
	expect(GOOD "portal \"a\" {\n listen = {\"127.0.0.1:1\"} tag = 0\n}\n",
	    4, "tag: '0'", "1 to 65535");
	expect(GOOD "portal \"a\" {\n tag = 1\n}\n", 5, "listen is missing",
	    "listen = {");
	expect(GOOD "portal \"a\" {\n listen = {}\n}\n", 5,
	    "listen is missing", "listen = {");
	expect(GOOD PORTAL PORTAL, 4, "duplicate", "name of its own");
	expect(GOOD PORTAL "portal \"b\" { listen = {\"127.0.0.1:3260\"} }\n",
	    4, "127.0.0.1:3260", "keep one");
	expect(GOOD "portal \"b\" { listen = {\"[::1]:1\", \"[::1]:1\"} }\n",
	    3, "[::1]:1", "keep one");
	expect(GOOD, 0, "no portal", "portal \"local\" {");
	expect(GOOD "portal \"a\" {\n listen = {\"127.0.0.1:0\"}\n"
	    " listen = {\"127.0.0.1:1\"}\n}\n", 5, "listen: given twice",
	    "keep one");
	expect(GOOD "portal \"a\" { listen = {\n"
	    "\"127.0.0.1:1\", \"127.0.0.1:2\", \"127.0.0.1:3\",\n"
	    "\"127.0.0.1:4\", \"127.0.0.1:5\", \"127.0.0.1:6\",\n"
	    "\"127.0.0.1:7\", \"127.0.0.1:8\", \"127.0.0.1:9\",\n"
	    "\"127.0.0.1:10\", \"127.0.0.1:11\", \"127.0.0.1:12\",\n"
	    "\"127.0.0.1:13\", \"127.0.0.1:14\", \"127.0.0.1:15\",\n"
	    "\"127.0.0.1:16\",\n\"127.0.0.1:17\"} }\n", 10, "listen",
	    "one more portal");
}

static void
test_syntax(void)
{

	expect("store = \"/s\"\n" PORTAL, 0, "iqn-prefix is missing",
	    "iqn-prefix = \"iqn.");
	expect("iqn-prefix = \"iqn.2026-01.a\"\n" PORTAL, 0,
	    "store is missing", "store = \"/");
	expect(GOOD "stroe = \"/s\"\n" PORTAL, 3, "stroe",
	    "store, socket, iqn-prefix, workers, memory, segment-size, "
	    "space-low, space-reserve, scrub, scrub-rate, "
	    "chap-algorithms, nop-interval, nop-timeout, discovery-user, "
	    "discovery-secret-file, portal");
	expect(GOOD "portal \"a\" {\n port = 3260\n}\n", 4, "port",
	    "keys here are: listen, advertise, tag");
	expect(GOOD "workers 3\n" PORTAL, 3, "workers", "key = value");
	expect(GOOD "workers = 1\nworkers = 2\n" PORTAL, 4, "workers",
	    "first in line 3; keep one");
	expect(GOOD "portal \"a\" {\n listen = {\"127.0.0.1:1\"\n", 5, "",
	    "key = value");
	expect(GOOD "portal { listen = {\"127.0.0.1:1\"} }\n", 3, "",
	    "portal \"name\"");
}

#define OPEN "portal \"a\" { listen = {\"127.0.0.1:0\"}"
/* libconfuse takes the end of the file for any end. */
static void
test_not_closed(void)
{
	static const char *const more[] = {
		"", "\n", "# }\n", "// }", "/* } */", "\n/* \n}\n*/\n\n",
		"tag = \"1\" # }", "tag = '1' /* \" */ // }\n",
		"\n#{\n#}\n", "/* # */ # /* } */",
	};
	static const char *const closed[] = {
		"", "\n", "# {", "// {\n", "/* { */", "/* \" */ # ' {",
		"\nsocket = \"/a{b\"", "\nsocket = \"/a\\\"{b\" # {",
		"\nsocket = '/a\"{b'", "\nsocket = '/a\\'{b'\n", "#\n#{\n",
		"\nsocket = \"/a\\\\\"// {", "/* // */ /* { */",
	};
	struct config *c;
	char text[512];

	for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
		(void)snprintf(text, sizeof(text), GOOD OPEN "%s", more[i]);
		expect(text, 3, "portal \"a\", begun in line 3, is not closed",
		    "{ key = value ... }");
	}
	for (size_t i = 0; i < sizeof(closed) / sizeof(closed[0]); i++) {
		(void)snprintf(text, sizeof(text), GOOD PORTAL "%s", closed[i]);
		CU_ASSERT_EQUAL(load(text, &c), 0);
		if (n_errors == 0)
			config_free(c);
		else
			printf("\nfor:\n%s\ngot:\n%s", text, errors);
	}
	expect(GOOD PORTAL "\n# more\n\nportal\n\"b }\\\"{\"\n{ # }\n"
	    "listen = {\"127.0.0.1:0\"}\n", 7, "portal \"b }\"{\", begun in "
	    "line 7,", "is not closed");
	expect(GOOD PORTAL "/* store", 0, "a comment is not closed", "*/");
	expect(GOOD OPEN "/* }", 0, "a comment is not closed", "*/");
	CU_ASSERT_EQUAL(load(GOOD "portal \"a\" {\n", &c), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(errors, ":4: listen is missing"));
	CU_ASSERT_PTR_NOT_NULL(strstr(errors, ":3: portal \"a\", begun in "));
	/* What is a mistake already stays that, and spoils nothing behind it. */
	expect(GOOD PORTAL "}\n", 4, "closing brace", "key = value");
	CU_ASSERT_EQUAL_FATAL(load(GOOD PORTAL, &c), 0);
	config_free(c);
}

/* All errors of one pass are told, not only the first. */
static void
test_several(void)
{
	struct config *c = NULL;

	CU_ASSERT_EQUAL(load("store = \"x\"\nworkers = 0\nmemory = 1\n"
	    "portal \"a\" { tag = 0 }\n", &c), -EINVAL);
	CU_ASSERT_EQUAL(n_errors, 6);
	CU_ASSERT_PTR_NOT_NULL(strstr(errors, ":1: store"));
	CU_ASSERT_PTR_NOT_NULL(strstr(errors, ":2: workers"));
	CU_ASSERT_PTR_NOT_NULL(strstr(errors, ":3: memory"));
	CU_ASSERT_PTR_NOT_NULL(strstr(errors, ":4: tag"));
	CU_ASSERT_PTR_NOT_NULL(strstr(errors, ":4: listen is missing"));
	CU_ASSERT_PTR_NOT_NULL(strstr(errors, "iqn-prefix is missing"));
}

static void
test_files(void)
{
	struct config *c = NULL;

	errors[0] = '\0';
	CU_ASSERT_EQUAL(config_load("/nonexistent/tt.conf", note, errors, &c),
	    -ENOENT);
	CU_ASSERT_PTR_NOT_NULL(strstr(errors, "/nonexistent/tt.conf: "));
	CU_ASSERT_EQUAL(config_load("/tmp", note, errors, &c), -EISDIR);
	CU_ASSERT_EQUAL(load("", &c), -EINVAL);
	CU_ASSERT_EQUAL(load(NULL, &c), -EFBIG);
	CU_ASSERT_PTR_NOT_NULL(strstr(errors, "larger than 1M"));
	CU_ASSERT_EQUAL(load("\x01\xff\xfe{}{{{\n", &c), -EINVAL);
	CU_ASSERT_PTR_NULL(c);
}

/* --- the documents tell the same as the table --- */

static char *
slurp(const char *name)
{
	char path[512];
	char *text = NULL;
	size_t cap = 0;
	const char *end = strstr(__FILE__, "tests/unit/");
	FILE *f;

	(void)snprintf(path, sizeof(path), "%.*s%s", end == NULL ? 0 :
	    (int)(end - __FILE__), __FILE__, name);
	if ((f = fopen(path, "r")) == NULL)
		return (NULL);
	if (getdelim(&text, &cap, '\0', f) < 0) {
		free(text);
		text = NULL;
	}
	(void)fclose(f);
	return (text);
}

static void
expect_in(const char *where, const char *key, const char *part,
    const char *want)
{

	if (strstr(part, want) == NULL) {
		printf("\n%s: %s does not say '%s'\n", where, key, want);
		CU_FAIL("the document differs from the table");
	} else {
		CU_PASS("told");
	}
}

/* Has it a default that is one word? */
static bool
is_plain(const struct config_key *k)
{

	return (k->dflt != NULL && k->type != CONFIG_ALGORITHMS);
}

static void
test_manual(void)
{
	const struct config_key *k;
	char *man = slurp("etc/man/tt.conf.5"), item[64], want[96];
	char lo[SIZE_TEXT_LEN];
	size_t n, items = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(man);
	k = config_keys(&n);
	for (size_t i = 0; i < n; i++) {
		char *part, *end, was;

		(void)snprintf(item, sizeof(item), ".It Cm %s\n", k[i].name);
		part = strstr(man, item);
		CU_ASSERT_PTR_NOT_NULL(part);
		if (part == NULL)
			continue;
		end = strstr(part + 1, ".It ");
		if (strstr(part, ".El") < end || end == NULL)
			end = strstr(part, ".El");
		was = *end;
		*end = '\0';
		expect_in("tt.conf(5)", k[i].name, part, k[i].required ?
		    "ust be given" : is_plain(&k[i]) ? k[i].dflt :
		    "Default: ");
		if (k[i].type == CONFIG_NUMBER) {
			(void)snprintf(want, sizeof(want), "%ju to %ju",
			    (uintmax_t)k[i].min, (uintmax_t)k[i].max);
			expect_in("tt.conf(5)", k[i].name, part, want);
		} else if (k[i].type == CONFIG_PERCENT) {
			(void)snprintf(want, sizeof(want), "%ju%% to %ju%%",
			    (uintmax_t)k[i].min, (uintmax_t)k[i].max);
			expect_in("tt.conf(5)", k[i].name, part, want);
		} else if (k[i].type == CONFIG_SIZE) {
			expect_in("tt.conf(5)", k[i].name, part,
			    size_format(lo, k[i].min));
		} else if (k[i].type == CONFIG_POWER) {
			expect_in("tt.conf(5)", k[i].name, part,
			    "power of two");
		}
		*end = was;
	}
	for (char *p = man; (p = strstr(p, ".It Cm ")) != NULL; p++)
		items++;
	CU_ASSERT_EQUAL(items, n);	/* and no key that there is not */
	free(man);
}

static void
test_sample(void)
{
	const struct config_key *k;
	char *text = slurp("etc/tt.conf.sample"), want[128];
	struct config *c;
	size_t n;

	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	k = config_keys(&n);
	for (size_t i = 0; i < n; i++) {
		const bool dflt = is_plain(&k[i]) && !k[i].required &&
		    strcmp(k[i].dflt, CONFIG_CPUS) != 0;
		const bool quoted = k[i].type == CONFIG_SOCKET;

		(void)snprintf(want, sizeof(want), "%s%s = %s%s", !k[i].required ?
		    "# " : "", k[i].name, quoted ? "\"" : "", dflt ? k[i].dflt : "");
		expect_in("tt.conf.sample", k[i].name, text, want);
	}
	CU_ASSERT_EQUAL(load(text, &c), 0);
	config_free(c);
	free(text);
}

static const struct unit_test tests[] = {
	{ "every key", test_full },
	{ "defaults", test_defaults },
	{ "access", test_access },
	{ "what -n prints can be read", test_print },
	{ "values that are wrong", test_values },
	{ "portals that are wrong", test_portals },
	{ "syntax, unknown, missing, twice", test_syntax },
	{ "what is not closed", test_not_closed },
	{ "several errors at once", test_several },
	{ "files that cannot be read", test_files },
	{ "the manual page agrees", test_manual },
	{ "the sample agrees", test_sample },
};
UNIT_MAIN("target/config", tests)
