/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * output.c - the image that tt-recover writes, cut.
 *
 *	crash-output make DIR		a store with the LUN "disk"
 *	crash-output done		behind a recorded tt-recover: it has ended
 *	crash-output --trace FILE ...	cuts.h
 *
 * At each cut the file "image" is not there, or it is the same as TT_IMAGE;
 * with TT_BEFORE it is one of the two.  When tt-recover has ended it is there.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "meta/base/msg.h"
#include "tests/crash/cuts.h"
#include "tests/lib/eng.h"

#define PIECE (64u << 10)

static int
make(const char *dir)
{
	struct lunset_conf conf = { .store = dir, .segment_bytes = 2u << 20,
	    .memory_bytes = 64u << 20 };
	struct lun_params p = { .name = "disk", .size_bytes = 2u << 20,
	    .block_bytes = 4096, .sector_bytes = 512, .open = true };
	static uint8_t buf[PIECE];
	struct lun_info li;
	struct lun_dev *dev;
	struct lunset *ls;
	struct eng e;
	int rc;

	msg_set_level(MSG_WARN);
	if (lunset_init(&conf) != 0 || lunset_open(&conf, &ls) != 0 ||
	    lunset_create(ls, &p, &li) != 0 || eng_init(&e, ls) != 0 ||
	    lun_dev_open(ls, li.number, LUN_HEAD, &dev) != 0)
		return (1);
	for (uint64_t off = 0; off < p.size_bytes; off += 3 * PIECE) {
		for (size_t i = 0; i < PIECE; i++)
			buf[i] = (uint8_t)(off / PIECE + i / 512 + i + 1);
		if (eng_io(&e, LUN_WRITE, 0, dev, off, buf, PIECE) != 0)
			return (1);
	}
	rc = eng_flush(&e, dev);
	lun_dev_close(dev);
	eng_fini(&e);
	return (lunset_close(ls) == 0 && rc == 0 ? 0 : 1);
}

/* Are they the same to the last byte?  False also when one is not there. */
static bool
same(const char *a, const char *b)
{
	FILE *f = fopen(a, "re"), *g = fopen(b, "re");
	static char x[PIECE], y[PIECE];
	bool is = f != NULL && g != NULL;
	size_t n = 1;

	while (is && n > 0) {
		n = fread(x, 1, sizeof(x), f);
		is = fread(y, 1, sizeof(y), g) == n && memcmp(x, y, n) == 0;
	}
	if (f != NULL)
		(void)fclose(f);
	if (g != NULL)
		(void)fclose(g);
	return (is);
}

static int
check(void *arg, const char *dir, const struct cut *c)
{
	const bool *done = arg;
	const char *whole = getenv("TT_IMAGE"), *before = getenv("TT_BEFORE");
	char path[PATH_MAX];

	(void)c;
	(void)snprintf(path, sizeof(path), "%s/image", dir);
	if (same(path, whole))
		return (0);
	if (!*done && before != NULL && same(path, before))
		return (0);
	if (!*done && before == NULL && access(path, F_OK) != 0)
		return (0);
	(void)fprintf(stderr, "the image is neither whole nor %s\n",
	    *done || before != NULL ? "what it was" : "missing");
	return (1);
}

static void
on_mark(void *arg, const uint8_t *data, uint32_t len)
{

	(void)data;
	(void)len;
	*(bool *)arg = true;
}

int
main(int argc, char **argv)
{
	bool done = false;
	struct cuts_ops ops = { on_mark, check, &done };

	if (argc == 3 && strcmp(argv[1], "make") == 0)
		return (make(argv[2]));
	if (argc == 2 && strcmp(argv[1], "done") == 0) {
		if (tt_record_mark != NULL)
			tt_record_mark(&done, sizeof(done));
		return (0);
	}
	return (cuts_main(argc, argv, &ops));
}
