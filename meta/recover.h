/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * recover.h - find and replay the records behind the last checkpoint.
 *
 * The log is a chain of segments: the header of each says which one it
 * continues and where that one ended.  Of several that claim to continue the
 * same one, the highest epoch is right: a recovery before this one ended the
 * log there, and what the older epoch wrote behind is dead.
 *
 * The log ends at the first record that is not whole.  That is what a crash
 * leaves; but the same thing in the middle of durable records is damage, and
 * then guessing would silently lose what was flushed.  The two are told apart
 * by the records themselves: each says up to which seq the log was durable
 * when it was written.  So recovery ends the log only where no later record
 * proves that the missing one was durable; else it refuses and says where.
 * One exception: a DATA record in the durable part whose header is whole and
 * a block is not: it is replayed, and reading that block is an error.
 */
#ifndef META_RECOVER_H
#define META_RECOVER_H

#include "meta/log.h"

/*
 * One record, in log order, on the calling thread.  Not 0 stops.  ${payload}
 * NULL: it has rotted, of a record that nothing depends on (CHECKPOINT, or
 * part of a dump of the catalogue).
 */
typedef int recover_fn(void *arg, const struct rec *r, const uint8_t *hdr,
    const uint8_t *payload);

struct recover_conf {
	struct segs *segs;
	uint8_t store_uuid[16];
	uint32_t segment_bytes;
	struct log_pos start;		/* of the last checkpoint */
	uint32_t node_segment;		/* its node pair, 0 = none */
	uint32_t node_end_sectors;
	/*
	 * Damage ends the log where it is, and is only told: for who wants
	 * what there is and changes nothing.
	 */
	bool salvage;
	recover_fn *replay;
	/*
	 * Is a segment that has no header in use all the same, by the word of
	 * the catalogue?  NULL: none is.
	 */
	bool (*in_use)(void *arg, uint32_t number);
	void *arg;
};

struct recovery;

/**
 * recover_run(conf, out):
 * Errors: -EUCLEAN damaged (logged: where, and what it means), those of
 * ${replay}, -EIO, -ENOMEM.  Changes nothing on the disk.
 */
int recover_run(const struct recover_conf *conf, struct recovery **out);

struct log_pos recovery_end(const struct recovery *rv);
uint64_t recovery_max_epoch(const struct recovery *rv);
uint32_t recovery_max_segment(const struct recovery *rv);
/* ${conf->salvage}: the log was ended by damage. */
bool recovery_damaged(const struct recovery *rv);
uint64_t recovery_records(const struct recovery *rv);
uint64_t recovery_bytes(const struct recovery *rv);

/* The boot of the machine that wrote the newest segment of the chain; zeroes:
 * there is none, or it was not known. */
void recovery_boot_id(const struct recovery *rv, uint8_t out[static 16]);

/*
 * Make everything that was replayed durable; before anybody is served.
 * Idempotent: a crash here changes nothing.
 */
int recovery_sync(struct recovery *rv);

/*
 * Remove what no one can refer to: log segments outside the chain behind the
 * start, node segments behind the last committed pair, files without a header
 * that are not ${conf->in_use}; cut the unused tails of the last ones off.
 * ${gone} is told each number removed.  Only after recovery_sync.  Failures
 * cost space and are logged.
 */
void recovery_clean(struct recovery *rv, void (*gone)(void *, uint32_t),
    void *arg);
void recovery_free(struct recovery *rv);

#endif /* !META_RECOVER_H */
