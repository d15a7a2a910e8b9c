#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A store in a file system of 256 MiB of its own, in a mount namespace of its
# own: nobody else sees it, and it goes with the last process.
. "$TT_SRC/tests/lib/sh.sh"
need unshare mount
make_work /dev/shm
unshare="unshare -m"
[ "$(id -u)" = 0 ] || unshare="unshare -rm"
$unshare bash -c '
	mount -t tmpfs -o size=256m tt-full "$1" || exit 1
	TT_FULL_DIR="$1" exec "$2"
' full "$work" "$TT_BIN/tests/e2e-full"
