/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config.h - the configuration file of ttd (libconfuse syntax).
 *
 * One table of keys (config_keys) drives the parser, the list that `ttd -n`
 * prints, and the test that tt.conf(5) and the sample tell the truth.
 *
 * Threads: config_load on one thread at a time (libconfuse has static state);
 *          a loaded configuration never changes.
 */
#ifndef TARGET_CONFIG_H
#define TARGET_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/*
 * Bytes of the IQN prefix, so that prefix:LUN:SNAPSHOT with the longest names
 * stays within the 223 bytes of RFC 7143 4.2.7.1.
 */
#define CONFIG_PREFIX_MAX	95
#define CONFIG_LISTEN_MAX	16	/* addresses per portal */
#define CONFIG_PORTALS_MAX	64
#define CONFIG_WORKERS_MAX	256

enum config_type {
	CONFIG_PATH,		/* absolute */
	CONFIG_SOCKET,		/* absolute, short enough for a socket */
	CONFIG_PREFIX,		/* of iSCSI names */
	CONFIG_NUMBER,
	CONFIG_SIZE,		/* bytes, K M G T P */
	CONFIG_POWER,		/* a size that is a power of two */
	CONFIG_PERCENT,		/* "10%" */
	CONFIG_USER,		/* of CHAP */
	CONFIG_LISTEN,		/* a list of addresses with ports */
	CONFIG_ADVERTISE,	/* the same, of what can be connected to */
	CONFIG_ALGORITHMS	/* a list of CHAP algorithms */
};

struct config_key {
	const char *section;	/* "portal", or NULL: at top level */
	const char *name;
	enum config_type type;
	bool required;
	uint64_t min, max;	/* NUMBER, SIZE, POWER */
	const char *dflt;	/* as text; NULL: none */
	const char *unit;	/* "" when it has none */
	const char *example;	/* a value, as it is written */
	const char *help;
	size_t off;		/* in struct config, or config_portal */
};

struct config_list {
	char *v[CONFIG_LISTEN_MAX];
	size_t n;
};

struct config_portal {
	char *name;
	struct config_list listen;
	struct config_list advertise;	/* empty: what it listens on */
	uint64_t tag;		/* portal group, 1..65535 */
};

struct config {
	char *file;
	char *store;
	char *socket;
	char *iqn_prefix;
	uint64_t workers;
	uint64_t memory_bytes;
	uint64_t segment_bytes;	/* for --init only */
	uint64_t space_low_percent;	/* of the file system; 0: never */
	uint64_t space_reserve_bytes;
	uint64_t scrub_days;	/* 0: never */
	uint64_t scrub_rate_bytes;
	struct config_list chap_algorithms;
	uint64_t nop_interval_s;	/* 0: never */
	uint64_t nop_timeout_s;
	char *discovery_user;	/* NULL: discovery without CHAP */
	char *discovery_secret_file;
	struct config_portal *portals;
	size_t n_portals;
};

/* The default of workers; it depends on the machine. */
#define CONFIG_CPUS "the number of CPUs"

/* The table; ${*n} rows. */
const struct config_key *config_keys(size_t *n);

/*
 * One error, without line feed: "FILE:LINE: KEY: what is wrong; what would be
 * right" (no LINE for what is missing).
 */
typedef void config_error_fn(void *arg, const char *text);

/**
 * config_load(file, error, arg, out):
 * Read and check all of it; every error that can be found in one pass is
 * told (${error} NULL: to the operator, msg.h).
 * Errors: -EINVAL the content, -errno of open, -ENOMEM.
 */
int config_load(const char *file, config_error_fn *error, void *arg,
    struct config **out);
void config_free(struct config *c);

/* Every key with the value in effect, as a configuration file. */
void config_print(const struct config *c, FILE *f);

#endif /* !TARGET_CONFIG_H */
