#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Space reclaim against a model and a reachability of its own (gc_oracle.c).
# TT_SEED chooses the first life; TT_LONG: more and longer ones.
. "$TT_SRC/tests/lib/sh.sh"
make_work "${TT_FAST:-/dev/shm}"
seed=${TT_SEED:-1}
lives=1
rounds=4
if [ -n "${TT_LONG:-}" ]; then
	lives=10
	rounds=12
fi
for i in $(seq "$lives"); do
	check "life $seed" "$TT_BIN/tests/gc-oracle" "$work/store-$seed" \
	    $rounds "$seed"
	rm -rf "$work/store-$seed"
	seed=$((seed + 1))
done
finish
