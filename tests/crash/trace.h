/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * trace.h - the file that the recorder writes and the replayer reads: what a
 * program did to the files below one directory, in the order in which it
 * happened, with all data.
 *
 * An event is a struct trace_ev in the byte order of the machine, then name,
 * name2 and data without padding.  Its index is its position among those of the
 * recorder, process by process; the first is 0.  A client of the recorded
 * program may append marks of its own with single writes (O_APPEND).  The file
 * may end in the middle of an event (the program was killed): what is there of
 * it did not happen.
 */
#ifndef TESTS_CRASH_TRACE_H
#define TESTS_CRASH_TRACE_H

#include <stdint.h>

#define TRACE_MAGIC 0x74744556u

enum trace_kind {
	TRACE_CREATE = 1,	/* fid, name: a new, empty file               */
	TRACE_BIND,		/* fid, name: the file that is there already  */
	TRACE_WRITE,		/* fid, off, len, data                        */
	TRACE_SYNC,		/* fid, begun: fsync or fdatasync of a file   */
	TRACE_SYNC_DIR,		/* name, begun: fsync of a directory          */
	TRACE_SYNC_ALL,		/* begun: sync, syncfs                        */
	TRACE_RENAME,		/* name -> name2                              */
	TRACE_UNLINK,		/* name: a file                               */
	TRACE_MKDIR,		/* name                                       */
	TRACE_RMDIR,		/* name                                       */
	TRACE_TRUNC,		/* fid, len: the new size                     */
	TRACE_FALLOC,		/* fid, off, len, begun: the mode             */
	TRACE_RANGE,		/* fid: sync_file_range; promises nothing     */
	TRACE_MARK,		/* data: from the program itself              */
	TRACE_UNKNOWN,		/* name: a call that is not understood        */
	TRACE_START,		/* another process begins: its own fids, its
				 * own indices                                */
	TRACE_KINDS
};

enum {
	TRACE_F_ZERO = 1,	/* WRITE: len zeroes, no data                 */
	TRACE_F_DSYNC = 2,	/* WRITE: O_DSYNC, O_SYNC or RWF_DSYNC        */
	TRACE_F_OUTSIDE = 4	/* MARK: by another program than the recorded
				 * one; it has no index of its own            */
};

struct trace_ev {
	uint32_t magic;
	uint8_t kind, flags;
	uint16_t name_len, name2_len, zero;
	uint32_t fid;
	uint64_t off, len;
	uint64_t begun;		/* syncs: events before this one are covered */
	uint32_t data_len, zero2;
};

/*
 * Adds a mark to the trace; provided by the preloaded recorder.  Declared
 * weak: its address is NULL in a program that runs without it.
 */
void tt_record_mark(const void *data, uint32_t len)
    __attribute__((weak, visibility("default")));

/*
 * Ends the process at once, as a kill would, but in no recorded call: all that
 * happened is in the trace, so that another process may go on in it.
 */
_Noreturn void tt_record_exit(int status)
    __attribute__((weak, visibility("default")));

#endif /* !TESTS_CRASH_TRACE_H */
