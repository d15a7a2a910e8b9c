/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tt-recover - gets LUNs and snapshots out of a store without the daemon.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/recover/image.h"
#include "cli/recover/show.h"
#include "cli/recover/source.h"
#include "meta/base/msg.h"
#include "meta/base/size.h"

enum { EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_PARTIAL = 3 };

static const char help[] =
"usage: tt-recover STORE --list [--json]\n"
"       tt-recover STORE LUN[@SNAPSHOT] -o FILE [--force] [--quiet]\n"
"       tt-recover --help | --version\n"
"\n"
"Reads the folder of a store that no daemon has open, also from read-only\n"
"media, and changes nothing in it.  Writes a LUN or a snapshot of it as a raw\n"
"image: FILE is made as a sparse file, or is a block device.\n"
"\n"
"  -l, --list             LUNs and snapshots of the store\n"
"      --json             ... as JSON\n"
"  -o, --output FILE      where the image goes\n"
"  -f, --force            write over FILE; needed for every block device\n"
"      --rebuild-in-memory\n"
"                         do not look at the store's own catalogue; without\n"
"                         this it is left aside only when it is damaged\n"
"  -q, --quiet            only errors, no progress\n"
"\n"
"A catalogue that cannot be used is made anew from the segments in TMPDIR.\n"
"Ranges that cannot be read are told on stderr and are holes in the image.\n"
"Exit codes: 0 everything, 1 failed, 2 wrong usage, 3 done, but something is\n"
"missing.\n";

struct args {
	const char *store, *what, *file;
	bool list, json, force, rebuild, quiet;
};

/* 0, or the exit code of wrong usage. */
static int
parse(int argc, char **argv, struct args *a)
{
	static const struct option options[] = {
		{ "list", no_argument, NULL, 'l' },
		{ "json", no_argument, NULL, 'j' },
		{ "output", required_argument, NULL, 'o' },
		{ "force", no_argument, NULL, 'f' },
		{ "rebuild-in-memory", no_argument, NULL, 'r' },
		{ "quiet", no_argument, NULL, 'q' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 }
	};
	int ch;

	while ((ch = getopt_long(argc, argv, "lo:fqh", options, NULL)) != -1) {
		switch (ch) {
		case 'l':
			a->list = true;
			break;
		case 'j':
			a->json = true;
			break;
		case 'o':
			a->file = optarg;
			break;
		case 'f':
			a->force = true;
			break;
		case 'r':
			a->rebuild = true;
			break;
		case 'q':
			a->quiet = true;
			break;
		case 'h':
			(void)fputs(help, stdout);
			exit(0);
		case 'V':
			(void)printf("tt-recover %s\n", TT_VERSION);
			exit(0);
		default:
			return (EXIT_USAGE);
		}
	}
	a->store = optind < argc ? argv[optind++] : NULL;
	a->what = optind < argc ? argv[optind++] : NULL;
	if (optind < argc || a->store == NULL)
		return (EXIT_USAGE);
	if (a->list)
		return (a->what != NULL || a->file != NULL || a->force ?
		    EXIT_USAGE : 0);
	return (a->what == NULL || a->file == NULL || a->json ? EXIT_USAGE :
	    0);
}

/* "LUN" or "LUN@SNAPSHOT". */
static int
find(struct lunset *ls, const char *what, uint64_t *lun, uint64_t *seq)
{
	const char *at = strchr(what, '@');
	size_t len = at == NULL ? strlen(what) : (size_t)(at - what), n;
	char name[LUN_NAME_MAX + 1];
	struct lun_info info;
	struct snap_info *s;
	int rc;

	if (len > LUN_NAME_MAX)
		return (-ENOENT);
	memcpy(name, what, len);
	name[len] = '\0';
	if ((rc = lunset_find(ls, name, &info)) != 0)
		return (rc);
	*lun = info.number;
	*seq = LUN_HEAD;
	if (at == NULL)
		return (0);
	if ((rc = lunset_snaps(ls, name, &s, &n)) != 0)
		return (rc);
	rc = -ENOENT;
	for (size_t i = 0; i < n && rc != 0; i++)
		if (strcmp(s[i].name, at + 1) == 0) {
			*seq = s[i].seq;
			rc = 0;
		}
	free(s);
	return (rc);
}

static int
copy(const struct args *a, struct source *src)
{
	struct image_conf conf = {
		.ls = src->ls, .store = a->store, .file = a->file, .force = a->force,
		.progress = !a->quiet && isatty(STDERR_FILENO) == 1,
	};
	char size[SIZE_TEXT_LEN], data[SIZE_TEXT_LEN];
	struct image_result res;
	int rc;

	rc = find(src->ls, a->what, &conf.lun, &conf.seq);
	if (rc != 0) {
		msg_err("%s: %s", a->what, rc == -ENOENT ?
		    "there is no such LUN or snapshot (--list shows them)" :
		    strerror(-rc));
		return (EXIT_FAILED);
	}
	if (image_write(&conf, &res) != 0)
		return (EXIT_FAILED);
	if (!a->quiet)
		msg_info("%s: %s, %s of it data", a->file,
		    size_human(size, res.size_bytes),
		    size_human(data, res.data_bytes));
	if (res.bad_bytes != 0)
		msg_err("%s: %llu bytes were unreadable and are zeroes here",
		    a->file, (unsigned long long)res.bad_bytes);
	return (res.bad_bytes != 0 ? EXIT_PARTIAL : 0);
}

int
main(int argc, char **argv)
{
	struct args a = { .store = NULL };
	struct source src;
	int rc;

	if ((rc = parse(argc, argv, &a)) != 0) {
		(void)fputs(help, stderr);
		return (rc);
	}
	(void)umask(077);
	msg_to_person("tt-recover");
	if (a.quiet || a.list)
		msg_set_level(MSG_WARN);
	if (source_open(a.store, a.rebuild, &src) != 0)
		return (EXIT_FAILED);
	if (a.list)
		rc = show_luns(src.ls, a.json, src.is_partial) == 0 ? 0 :
		    EXIT_FAILED;
	else
		rc = copy(&a, &src);
	if (rc == 0 && src.is_partial) {
		msg_err("%s: the store is damaged; what is above may lack "
		    "what was written last", a.store);
		rc = EXIT_PARTIAL;
	}
	source_close(&src);
	return (rc);
}
