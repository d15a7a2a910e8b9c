#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The harness itself: a program that keeps its promises passes every cut, and
# one that forgets a step is found out (toy.c).
. "$TT_SRC/tests/lib/sh.sh"
make_work "${TT_FAST:-/dev/shm}"
toy=$TT_BIN/tests/crash-toy

record() {	# bug
	rm -rf "$work/d" "$work/w" "$work/t"
	mkdir "$work/d" "$work/w"
	TOY_BUG=$1 TT_RECORD_DIR=$work/d TT_RECORD_TRACE=$work/t \
	    LD_PRELOAD=$TT_BIN/tests/libtt-record.so "$toy" run "$work/d"
}
calls() {	# one more, that is not known
	rm -rf "$work/d" "$work/w" "$work/t"
	mkdir "$work/d" "$work/w"
	TT_RECORD_DIR=$work/d TT_RECORD_TRACE=$work/t \
	    LD_PRELOAD=$TT_BIN/tests/libtt-record.so \
	    "$TT_BIN/tests/crash-calls" "$work/d" "$@"
}
cuts() {
	"$toy" --trace "$work/t" --work "$work/w" "$@"
}

check "every call, recorded" calls
check "every call gives the real directory" \
    cuts --verify "$work/d" --cuts 1
for call in symlink fopen sendfile; do
	check "every call and $call" calls $call
	check_fails "$call is not ignored" cuts --cuts 1
done
check "recorded" record ""
check "the trace gives the real directory" \
    cuts --verify "$work/d" --cuts 1
for seed in 1 2 3; do
	check "nothing is lost, seed $seed" cuts --seed $seed --cuts 300
done
check "lost fdatasyncs are found" cuts --break-sync --expect-failures
check "lost directory syncs are found" cuts --break-dir --expect-failures
for bug in nosync nostatesync nodirsync early; do
	check "recorded with the bug $bug" record $bug
	check "the bug $bug is found" cuts --expect-failures
done
echo "something else" >>"$work/d/log"
check_fails "what the recorder did not see is found" \
    cuts --verify "$work/d" --cuts 1
finish
