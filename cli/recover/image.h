/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * image.h - a LUN or snapshot as a raw image: a sparse file or a block device.
 */
#ifndef CLI_RECOVER_IMAGE_H
#define CLI_RECOVER_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "lun/lun.h"

struct image_conf {
	struct lunset *ls;
	uint64_t lun, seq;		/* seq LUN_HEAD: the LUN itself */
	const char *store;		/* folder that ${file} may not be in */
	const char *file;
	bool force;			/* write over what is there */
	bool progress;			/* on stderr */
};

struct image_result {
	uint64_t size_bytes;
	uint64_t data_bytes;		/* written, that is not zero */
	uint64_t bad_bytes;		/* unreadable: zeroes in the image */
};

/**
 * image_write(conf, out):
 * What is unreadable is told on stderr as ranges of bytes and left as a hole.
 * A file that exists, and every block device, needs ${force}.  Until it is done
 * a file is called ${file}.partial, and one that is replaced stays as it is.
 * Errors: -EINVAL ${file} is in the store; -EEXIST also of the .partial one;
 * -EBUSY another process writes it; -ENOSPC the device is too small or the disk
 * is full; -errno; told on stderr.
 * What was written stays then, as ${file}.partial.
 * Durable: on return.  Crash before: ${file} is not there, or as it was before,
 * or whole; a device may hold anything.
 */
int image_write(const struct image_conf *conf, struct image_result *out);

#endif /* !CLI_RECOVER_IMAGE_H */
