#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Random operations against a plain model (model.h): one thread in a fixed order;
# several; ids of 16 bits (collisions everywhere) and of 72 (in the index of
# dedup); killed with SIGKILL.  TT_LONG: millions of steps.  TT_SEED: another
# seed than that of today's number.
. "$TT_SRC/tests/lib/sh.sh"
make_work "${TT_FAST:-/dev/shm}"
prog=$TT_BIN/tests/engine-model
seed=${TT_SEED:-$(date +%Y%m%d)}
t=3
steps=3000
case $TT_BUILD in
tsan)	steps=1000 ;;
esac
if [ -n "${TT_LONG:-}" ]; then
	t=300
	steps=300000
fi

# What is needed to look into a difference stays.
one() { # WHAT OPTION...
	local what=$1

	shift
	check "$what" "$prog" -s "$seed" "$@" "$work/store"
	[ "$failures" -eq 0 ] || TT_KEEP=1
	[ -n "${TT_KEEP:-}" ] || rm -rf "$work/store"
}
one "one thread" -w 0 -n "$steps"
one "one thread, ids of 16 bits" -w 0 -n $((steps / 3)) -b 16
one "threads" -w 3 -t "$t"
one "threads, ids of 16 bits" -w 3 -t "$t" -b 16
one "killed" -w 3 -t $((2 * t)) -k
[ "$TT_BUILD" = tsan ] || one "killed, ids of 72 bits" -w 3 -t "$t" -k -b 72
finish
