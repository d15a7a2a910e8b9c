/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How long an opening takes after the process was killed at the worst moment:
 * the log is as long as the default budget allows between two checkpoints.
 *
 *	bench-recover DIR		DIR must not exist; it stays
 *	bench-recover DIR --again	open the one that is there once more
 *
 * Three stores in one: writes of 4 KiB, of 1 MiB, and beside them the files of
 * a store of 1 TiB, which an opening must not look into.  Each is opened as the
 * process left it, and once more with nothing of it in the page cache, as after
 * a loss of power.  Fails beyond 5 s.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "meta/base/bytes.h"
#include "meta/base/clock.h"
#include "meta/store_int.h"
#include "tests/lib/eng.h"

#define LUN_BYTES	(UINT64_C(1) << 40)
#define LIMIT_MS	5000u
#define FILES		16384u
#define DEPTH		32u

static uint64_t rnd_state = 88172645463325252u;

static uint64_t
rnd64(void)
{

	rnd_state ^= rnd_state << 13;
	rnd_state ^= rnd_state >> 7;
	rnd_state ^= rnd_state << 17;
	return (rnd_state);
}

static int
fail(const char *what, int rc)
{

	(void)fprintf(stderr, "%s: %s\n", what, strerror(-rc));
	return (1);
}

/* Writes until the log has ${log_bytes} or as many records as are allowed. */
static int
write_log(struct lunset *ls, uint64_t lun, size_t len, unsigned depth,
    uint64_t log_bytes)
{
	static uint8_t buf[DEPTH][1 << 20];
	struct eng_io io[DEPTH];
	struct lunset_status st;
	struct lun_dev *d;
	struct eng e;
	uint64_t done = 0;
	int rc;

	if ((rc = eng_init(&e, ls)) != 0 ||
	    (rc = lun_dev_open(ls, lun, LUN_HEAD, &d)) != 0)
		return (rc);
	do {
		for (unsigned i = 0; i < depth; i++) {
			for (size_t k = 0; k < len; k += 4096)
				put_be64(buf[i] + k, rnd64());
			io[i] = (struct eng_io){ .op = { .kind = LUN_WRITE,
			    .dev = d, .off_bytes = rnd64() % (LUN_BYTES / len) *
			    len, .len_bytes = len } };
			eng_submit(&e, &io[i], buf[i], len);
		}
		eng_drain(&e);
		for (unsigned i = 0; i < depth; i++)
			if (io[i].op.rc != 0)
				return (io[i].op.rc);
		done += depth;
		if (done % 1024 == 0)	/* it looks at every file */
			lunset_status(ls, &st);
	} while (done % 1024 != 0 ||
	    (st.log_bytes < log_bytes && done < CHECKPOINT_RECORDS));
	lun_dev_close(d);
	eng_fini(&e);
	return (0);
}

/* Files of segments below the position: their names are all that counts. */
static int
make_files(const char *dir, uint32_t below)
{
	char path[256];

	for (uint32_t n = 1; n <= FILES && n < below; n++) {
		int fd;

		(void)snprintf(path, sizeof(path), "%s/seg/%02x/%08x", dir,
		    n & 0xff, n);
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		if (fd < 0)
			return (-errno);
		(void)close(fd);
	}
	return (0);
}

static int
time_open(struct lunset_conf *conf, const char *what)
{
	uint64_t begun = clock_mono_ms(), ms;
	struct lunset *ls;
	int rc;

	if ((rc = lunset_open(conf, &ls)) != 0)
		return (fail("open", rc));
	ms = clock_mono_ms() - begun;
	(void)printf("%s: %llu ms%s\n", what, (unsigned long long)ms,
	    ms > LIMIT_MS ? "  TOO LONG" : "");
	lunset_abandon(ls);
	return (ms > LIMIT_MS);
}

/* What is clean; only root may. */
static void
drop_cache(const char *dir)
{
	int fd;

	sync();
	fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "3", 1) != 1)
		(void)printf("the page cache of %s cannot be dropped: the "
		    "next is warm\n", dir);
	if (fd >= 0)
		(void)close(fd);
}

static int
time_both(struct lunset_conf *conf, const char *what)
{
	char cold[64];
	int rc = time_open(conf, what);

	(void)snprintf(cold, sizeof(cold), "%s, cold", what);
	drop_cache(conf->store);
	return (rc | time_open(conf, cold));
}

static int
one(struct lunset_conf *conf, const char *what, size_t len, unsigned depth)
{
	struct lun_params p = { .name = what, .size_bytes = LUN_BYTES,
	    .block_bytes = 4096, .sector_bytes = 512, .open = true };
	struct lun_info info;
	struct lunset *ls;
	int rc;

	if ((rc = lunset_open(conf, &ls)) != 0)
		return (fail("open", rc));
	if ((rc = lunset_create(ls, &p, &info)) != 0 ||
	    (rc = lunset_checkpoint(ls)) != 0 ||
	    (rc = write_log(ls, info.number, len, depth,
	    CHECKPOINT_BYTES_DEFAULT)) != 0)
		return (fail("write", rc));
	lunset_abandon(ls);
	return (time_both(conf, what));
}

int
main(int argc, char **argv)
{
	struct lunset_conf conf = {
		.memory_bytes = UINT64_C(1) << 30,
		.checkpoint_bytes = UINT64_C(1) << 40,
		.checkpoint_ms = 1u << 30,
	};
	int rc;

	if (argc < 2)
		return (2);
	conf.store = argv[1];
	if (argc == 3)
		return (time_both(&conf, "again"));
	if ((rc = lunset_init(&conf)) != 0)
		return (fail("init", rc));
	rc = one(&conf, "w4k", 4096, DEPTH) |
	    one(&conf, "w4k-one-by-one", 4096, 1) |
	    one(&conf, "w1m", 1u << 20, DEPTH);
	if (make_files(argv[1], 1u << 20) != 0)
		return (1);
	return (rc | time_both(&conf, "files-16k"));
}
