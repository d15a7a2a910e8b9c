/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ttd.c - the command line of the daemon.
 */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "target/config.h"
#include "target/daemon.h"

#define FILE_DEFAULT "/etc/tt/tt.conf"

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

static const char help[] =
"usage: ttd [-c FILE]           serve the store of FILE in the foreground\n"
"       ttd -n [-c FILE]        check FILE, print the values in effect\n"
"       ttd --init [-c FILE]    make the store of FILE\n"
"       ttd --rebuild [--force] [-c FILE]\n"
"                               make its catalogue anew from the segments\n"
"       ttd --help | --version\n"
"\n"
"FILE is " FILE_DEFAULT " without -c.  Messages go to stderr.\n"
"SIGTERM and SIGINT end the daemon in order, within 30 seconds.\n"
"Exit codes: 0 ended in order, 1 failed, 2 wrong usage.\n";

enum mode { MODE_SERVE, MODE_CHECK, MODE_INIT, MODE_REBUILD };

static int
run(enum mode mode, const char *file, bool force)
{
	struct config *c;
	int rc = 0;

	if (config_load(file, NULL, NULL, &c) != 0)
		return (EXIT_FAILED);
	switch (mode) {
	case MODE_CHECK:
		if ((rc = daemon_check(c)) != 0)
			break;
		config_print(c, stdout);
		if (fflush(stdout) != 0)
			rc = -1;
		break;
	case MODE_INIT:
		rc = daemon_init(c);
		break;
	case MODE_REBUILD:
		rc = daemon_rebuild(c, force);
		break;
	case MODE_SERVE:
		rc = daemon_main(c);
		break;
	}
	config_free(c);
	return (rc == 0 ? 0 : EXIT_FAILED);
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "init", no_argument, NULL, 'i' },
		{ "rebuild", no_argument, NULL, 'r' },
		{ "force", no_argument, NULL, 'f' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 }
	};
	const char *file = FILE_DEFAULT;
	enum mode mode = MODE_SERVE;
	bool twice = false, force = false;
	int ch;

	while ((ch = getopt_long(argc, argv, "c:nh", options, NULL)) != -1) {
		switch (ch) {
		case 'c':
			file = optarg;
			break;
		case 'n':
		case 'i':
		case 'r':
			twice = twice || mode != MODE_SERVE;
			mode = ch == 'n' ? MODE_CHECK :
			    ch == 'i' ? MODE_INIT : MODE_REBUILD;
			break;
		case 'f':
			force = true;
			break;
		case 'h':
			(void)fputs(help, stdout);
			return (0);
		case 'V':
			(void)printf("ttd %s\n", TT_VERSION);
			return (0);
		default:
			(void)fputs(help, stderr);
			return (EXIT_USAGE);
		}
	}
	if (optind < argc || twice || (force && mode != MODE_REBUILD)) {
		(void)fputs(help, stderr);
		return (EXIT_USAGE);
	}
	return (run(mode, file, force));
}
