/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * client.h - one request to the daemon and its answer (target/ADMIN.md).
 */
#ifndef CLI_CLIENT_H
#define CLI_CLIENT_H

#include <jansson.h>

/**
 * client_call(socket, verb, args, out):
 * Connect, ask, wait for the answer (at most five minutes), disconnect.
 *
 * Result:    EXIT_OK and the result object in ${out}; otherwise an exit code,
 *            and it said why.
 * Ownership: takes ${args} in any case (NULL: it could not be made, since a
 *            word was not UTF-8); the caller gives ${*out} back with
 *            json_decref.
 */
int client_call(const char *socket_path, const char *verb, json_t *args,
    json_t **out);

#endif /* !CLI_CLIENT_H */
