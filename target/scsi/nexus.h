/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nexus.h - an I_T nexus: one initiator port seen through one target port,
 * which for iSCSI is one session.  It holds the unit attentions that the
 * initiator was not told yet, and the commands in flight (the task set: TST is
 * 001b, one per nexus), so that ORDERED commands wait for the older ones.
 *
 * Threads: a nexus belongs to the thread that executes its commands; only the
 * unit attentions come from other threads (through scsi_lu_attention).
 */
#ifndef TARGET_SCSI_NEXUS_H
#define TARGET_SCSI_NEXUS_H

#include <stdint.h>

#include "target/scsi/lu.h"

/*
 * Bytes of a port name: with a zero, in fours, its length fits into the one
 * byte of a designator.  (iSCSI needs 240: 223, and ",i,0x" with 12 digits.)
 */
#define SCSI_PORT_NAME_MAX 251

struct scsi_nexus_conf {
	/* Initiator port: "iqn.2001-04.com.example:host,i,0x00023d000001". */
	const char *initiator_port;
	/* Target port: "iqn.2025-01.org.example:disk,t,0x0001"; VPD 83h. */
	const char *target_port;
	uint16_t rel_port;	/* relative target port identifier, 1.. */
	uint16_t port_group;	/* target port group, 1.. */
};

/**
 * scsi_nexus_new(lu, conf, out):
 * The first nexus of an initiator port since ${lu} was created finds unit
 * attention 29h/00h (POWER ON, RESET, ...), a later one 29h/07h (I_T NEXUS
 * LOSS OCCURRED).
 * Ownership: the texts are copied; the nexus holds a reference to ${lu}.
 * Errors:    -EINVAL a name is empty or too long; -ENOMEM.
 */
int scsi_nexus_new(struct scsi_lu *lu, const struct scsi_nexus_conf *conf,
    struct scsi_nexus **out);

/* Every command of ${nx} has ended.  NULL is fine. */
void scsi_nexus_free(struct scsi_nexus *nx);

#endif /* !TARGET_SCSI_NEXUS_H */
