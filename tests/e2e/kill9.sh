#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# kill9.sh ROUNDS CUTS: kill -9 in the middle of writes (e2e_kill9.c), then cuts
# of a recorded session of the daemon on the store that went through all that.
. "$TT_SRC/tests/lib/sh.sh"
make_work "${TT_FAST:-/dev/shm}"
rounds=$1
cuts=$2
if [ -n "${TT_LONG:-}" ]; then
	rounds=$((rounds * 10))
	cuts=$((cuts * 10))
fi
mkdir "$work/w"

check "$rounds kills" "$TT_BIN/tests/e2e-kill9" "$rounds" "$work"
check "$cuts power cuts of the daemon" "$TT_BIN/tests/crash-check" \
    --trace "$work/trace" --base "$work/base" --work "$work/w" --cuts "$cuts"
check "without syncs that would be noticed" "$TT_BIN/tests/crash-check" \
    --trace "$work/trace" --base "$work/base" --work "$work/w" --cuts 40 \
    --break-sync --expect-failures
finish
