/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * image.h - a directory as a disk could hold it after the loss of power.
 *
 * Events of a trace are applied in order.  What was synced is in the durable
 * part; everything else is pending, and image_settle decides its fate:
 *
 * - a write survives, vanishes, or is torn by sectors of 512 bytes: new, old,
 *   or (writes of several sectors, and only sectors that it covers whole: one
 *   sector is what a disk writes atomically) garbage;
 * - names (create, rename, unlink, mkdir) and sizes (truncate, fallocate) are
 *   journaled: a prefix of them survives, in their order; of the first one
 *   that does not, if it makes a hole, some pages may;
 * - fsync and fdatasync of a file make its writes and its size durable, those
 *   that were issued before the sync began; its name only the fsync of its
 *   directory does (POSIX; ext4 and XFS promise more);
 * - a write through O_DSYNC is durable when it has returned;
 * - when a change of size is lost, later writes behind the end go with it.
 *
 * Not thread safe.  A cut is tried in a forked child, so settling may destroy.
 */
#ifndef TESTS_CRASH_IMAGE_H
#define TESTS_CRASH_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/crash/trace.h"

struct image;

enum image_mode {
	IMAGE_LOST,		/* nothing that was not synced            */
	IMAGE_ALL,		/* everything: the program was killed     */
	IMAGE_RANDOM,		/* each on its own                        */
	IMAGE_TORN,		/* as RANDOM, most writes torn            */
	IMAGE_PAGE,		/* as TORN, garbage in whole 4 KiB pages  */
	IMAGE_MODES
};
const char *image_mode_name(enum image_mode m);

/* What the replayer pretends, to prove that it would notice. */
enum {
	IMAGE_BREAK_SYNC = 1,	/* fdatasync and fsync of files do nothing */
	IMAGE_BREAK_DIR = 2,	/* fsync of directories does nothing       */
	IMAGE_BREAK_MOVED = 4,	/* ... nor of segments of the kind MOVED   */
	IMAGE_BREAK_WIPE = 8	/* zeroes over a segment's header: ignored */
};

/*
 * ${break_path} (or NULL): syncs of files whose path begins so do nothing
 * either, nor does O_DSYNC.
 */
struct image *image_new(unsigned breaks, const char *break_path);
void image_free(struct image *im);

/* Durable files and directories as they are in ${dir}; 0 or -errno. */
int image_load(struct image *im, const char *dir);

/* A trace of another program over the same files: its fids are its own. */
void image_new_trace(struct image *im);

/*
 * Event number ${idx}.  With ${in_flight} it was cut while it ran: it may have
 * happened, in part too, but nobody was told.  0, or -EPROTO with a message on
 * stderr: the trace makes no sense or holds a call that is not understood.
 */
int image_apply(struct image *im, uint64_t idx, const struct trace_ev *e,
    const char *name, const char *name2, const uint8_t *data, bool in_flight);

/* Decide what is pending: the last thing that happens to an image. */
void image_settle(struct image *im, enum image_mode mode, uint64_t seed);

/*
 * Make ${dir}, which exists, the same; 0 or -errno.  What an earlier call has
 * left there is used: segments that nobody has changed since are not written
 * again (their time of modification is the version of the content).
 */
int image_write(const struct image *im, const char *dir);

/*
 * Compare with a real directory (but for files whose name ends in "lock.mdb"):
 * the number of differences, each with a line on stderr; or -errno.
 */
int image_compare(const struct image *im, const char *dir);

/* Pending events, durable bytes: for statistics. */
size_t image_pending(const struct image *im);

#endif /* !TESTS_CRASH_IMAGE_H */
