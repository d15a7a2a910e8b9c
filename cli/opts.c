/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/opts.h"

#include <ctype.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "cli/report.h"
#include "target/admin_proto.h"

#define SHORTS ":s:hnyV"

/* Values for getopt_long, above every character. */
enum {
	LONG_JSON = 256, LONG_VERSION, LONG_WITH_SNAPSHOTS, LONG_BLOCK,
	LONG_SECTOR, LONG_CHAP, LONG_SECRET_FILE, LONG_MUTUAL,
	LONG_MUTUAL_SECRET_FILE, LONG_OPEN, LONG_FORCE,
	LONG_AFTER_POWER_LOSS, LONG_ALL, LONG_RATE, LONG_WAIT, LONG_STOP,
	LONG_DEDUP,
	LONG_CACHE
};

static const struct option longs[] = {
	{ "socket", required_argument, NULL, 's' },
	{ "json", no_argument, NULL, LONG_JSON },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, LONG_VERSION },
	{ "dry-run", no_argument, NULL, 'n' },
	{ "yes", no_argument, NULL, 'y' },
	{ "with-snapshots", no_argument, NULL, LONG_WITH_SNAPSHOTS },
	{ "block", required_argument, NULL, LONG_BLOCK },
	{ "sector", required_argument, NULL, LONG_SECTOR },
	{ "chap", required_argument, NULL, LONG_CHAP },
	{ "secret-file", required_argument, NULL, LONG_SECRET_FILE },
	{ "mutual", required_argument, NULL, LONG_MUTUAL },
	{ "mutual-secret-file", required_argument, NULL,
	    LONG_MUTUAL_SECRET_FILE },
	{ "open", no_argument, NULL, LONG_OPEN },
	{ "force", no_argument, NULL, LONG_FORCE },
	{ "after-power-loss", required_argument, NULL,
	    LONG_AFTER_POWER_LOSS },
	{ "all", no_argument, NULL, LONG_ALL },
	{ "rate", required_argument, NULL, LONG_RATE },
	{ "wait", no_argument, NULL, LONG_WAIT },
	{ "stop", no_argument, NULL, LONG_STOP },
	{ "dedup", required_argument, NULL, LONG_DEDUP },
	{ "cache", required_argument, NULL, LONG_CACHE },
	{ NULL, 0, NULL, 0 }
};

/* For the verb "user", where --mutual is a plain yes. */
static const struct option longs_user[] = {
	{ "socket", required_argument, NULL, 's' },
	{ "json", no_argument, NULL, LONG_JSON },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, LONG_VERSION },
	{ "dry-run", no_argument, NULL, 'n' },
	{ "secret-file", required_argument, NULL, LONG_SECRET_FILE },
	{ "mutual", no_argument, NULL, LONG_MUTUAL },
	{ NULL, 0, NULL, 0 }
};

static const char *const names[] = {
	"-n", "--yes", "--with-snapshots", "--block", "--sector", "--chap",
	"--secret-file", "--mutual", "--mutual-secret-file", "--open",
	"--force", "--after-power-loss", "--all", "--rate", "--wait", "--stop",
	"--dedup", "--cache"
};

const char *
opts_name(unsigned bit)
{

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if ((bit & (1u << i)) != 0)
			return (names[i]);
	return ("");
}

/* An option that only some verbs take. */
static bool
set_verb_option(struct opts *o, int c)
{

	switch (c) {
	case 'n':
		o->dry_run = true;
		o->given |= OPT_DRY_RUN;
		return (true);
	case 'y':
		o->yes = true;
		o->given |= OPT_YES;
		return (true);
	case LONG_WITH_SNAPSHOTS:
		o->with_snapshots = true;
		o->given |= OPT_WITH_SNAPSHOTS;
		return (true);
	case LONG_OPEN:
		o->open = true;
		o->given |= OPT_OPEN;
		return (true);
	case LONG_FORCE:
		o->force = true;
		o->given |= OPT_FORCE;
		return (true);
	case LONG_AFTER_POWER_LOSS:
		o->after_power_loss = optarg;
		o->given |= OPT_AFTER_POWER_LOSS;
		return (true);
	case LONG_DEDUP:
		o->dedup = optarg;
		o->given |= OPT_DEDUP;
		return (true);
	case LONG_CACHE:
		o->cache = optarg;
		o->given |= OPT_CACHE;
		return (true);
	case LONG_ALL:
		o->all = true;
		o->given |= OPT_ALL;
		return (true);
	case LONG_RATE:
		o->rate = optarg;
		o->given |= OPT_RATE;
		return (true);
	case LONG_WAIT:
		o->wait = true;
		o->given |= OPT_WAIT;
		return (true);
	case LONG_STOP:
		o->stop = true;
		o->given |= OPT_STOP;
		return (true);
	case LONG_BLOCK:
		o->block = optarg;
		o->given |= OPT_BLOCK;
		return (true);
	case LONG_SECTOR:
		o->sector = optarg;
		o->given |= OPT_SECTOR;
		return (true);
	case LONG_CHAP:
		o->chap = optarg;
		o->given |= OPT_CHAP;
		return (true);
	case LONG_SECRET_FILE:
		o->secret_file = optarg;
		o->given |= OPT_SECRET_FILE;
		return (true);
	case LONG_MUTUAL:
		o->mutual = optarg != NULL ? optarg : "";
		o->given |= OPT_MUTUAL;
		return (true);
	case LONG_MUTUAL_SECRET_FILE:
		o->mutual_secret_file = optarg;
		o->given |= OPT_MUTUAL_SECRET_FILE;
		return (true);
	default:
		return (false);
	}
}

/*
 * The word with the letter that is no option.  getopt stands behind it only
 * when that was its last letter.
 */
static const char *
short_word(char **argv)
{

	for (int i = optind; i >= optind - 1; i--)
		if (argv[i] != NULL && argv[i][0] == '-' && argv[i][1] != '-' &&
		    strchr(argv[i], optopt) != NULL)
			return (argv[i]);
	return (NULL);
}

/*
 * What getopt did not like: ${argv[optind - 1]}, or a letter inside it.  A
 * value glued to it ("--chap-secret=...") may be a secret: it is cut off.
 */
static int
complain(char **argv, int c, const char *verb)
{
	const char *word = argv[optind - 1], *letters = NULL;

	if (optopt > 0 && optopt < 256 && strchr(SHORTS, optopt) == NULL)
		letters = short_word(argv);
	if (letters != NULL && isdigit(optopt) && strcmp(verb, "create") == 0)
		return (report_usage("%s is not a size: a whole number, with "
		    "K, M, G or T for powers of 1024 (10G)", letters));
	if (letters != NULL)
		return (report_usage("there is no option -%c", optopt));
	if (optopt > 0 && optopt < 256 && word[0] == '-' && word[1] != '-')
		return (report_usage(c == ':' ? "option -%c needs a value" :
		    "there is no option -%c", optopt));
	return (report_usage(c == ':' ? "option %.*s needs a value" :
	    "there is no option %.*s, or it takes no value",
	    (int)strcspn(word, "="), word));
}

/* Is ${word} an option whose value is the next word? */
static bool
takes_next(const char *word)
{

	if (strcmp(word, "-s") == 0)
		return (true);
	for (const struct option *p = longs; p->name != NULL; p++)
		if (p->has_arg == required_argument && word[1] == '-' &&
		    strcmp(word + 2, p->name) == 0)
			return (true);
	return (false);
}

const char *
opts_verb(int argc, char **argv)
{

	for (int i = 1; i < argc; i++)
		if (argv[i][0] != '-' || argv[i][1] == '\0')
			return (argv[i]);
		else if (takes_next(argv[i]))
			i++;
	return ("");
}

int
opts_parse(int argc, char **argv, struct opts *o)
{
	const char *verb = opts_verb(argc, argv);
	const struct option *table = strcmp(verb, "user") == 0 ? longs_user :
	    longs;
	const char *env = getenv("TT_SOCKET");
	int c;

	memset(o, 0, sizeof(*o));
	o->socket = env != NULL && *env != '\0' ? env : ADMIN_SOCKET_DEFAULT;
	optind = 0;		/* GNU: start over, for tests that parse twice */
	opterr = 0;
	while ((c = getopt_long(argc, argv, SHORTS, table, NULL)) != -1) {
		switch (c) {
		case 's':
			o->socket = optarg;
			break;
		case 'h':
			o->help = true;
			break;
		case 'V':
		case LONG_VERSION:
			o->version = true;
			break;
		case LONG_JSON:
			o->json = true;
			break;
		default:
			if (!set_verb_option(o, c)) {
				/* Errors, too, are JSON for who asked. */
				report_json(o->json);
				return (complain(argv, c, verb));
			}
		}
	}
	report_json(o->json);
	if (optind < argc) {
		o->verb = argv[optind];
		o->args = argv + optind + 1;
		o->n_args = argc - optind - 1;
	}
	return (0);
}
