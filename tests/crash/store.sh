#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The power cut: the workload under the recorder, then cuts of its trace.
#
#	store.sh CUTS NESTED	cuts; cuts of the recovery in every tenth
#
# TT_SEED chooses workload and cuts.  A failure says how to repeat it on the
# kept trace: TT_KEEP=1, then crash-check --trace ... --seed ... --only N.
. "$TT_SRC/tests/lib/sh.sh"
make_work "${TT_FAST:-/dev/shm}"
cuts=$1
nested=$2
seed=${TT_SEED:-1}
seeds=1
if [ -n "${TT_LONG:-}" ]; then
	cuts=$((cuts * 4))
	seeds=5
fi
export TT_RECORD_SO=$TT_BIN/tests/libtt-record.so

record() {	# seed
	rm -rf "$work/store" "$work/w" "$work/trace"
	mkdir "$work/store" "$work/w"
	TT_RECORD_DIR=$work/store TT_RECORD_TRACE=$work/trace \
	    LD_PRELOAD=$TT_RECORD_SO \
	    "$TT_BIN/tests/crash-workload" "$work/store" --seed "$1" \
	    --steps "${TT_STEPS:-250}"
}
cuts() {
	"$TT_BIN/tests/crash-check" --trace "$work/trace" --work "$work/w" \
	    --seed "$seed" "$@"
}

for i in $(seq 1 "$seeds"); do
	check "workload, seed $seed" record "$seed"
	check "the trace gives the real directory" \
	    cuts --verify "$work/store" --cuts 1
	check "$cuts cuts, seed $seed" cuts --cuts "$cuts"
	if [ "$nested" -gt 0 ]; then
		export TT_NESTED=$nested
		check "cuts of the recovery, seed $seed" \
		    cuts --cuts $((cuts / 5))
		unset TT_NESTED
	fi
	seed=$((seed + 1))
done
seed=$((seed - 1))
check "an engine without fdatasync would be found" \
    cuts --break-sync --expect-failures --cuts 60
check "an engine that does not sync names would be found" \
    cuts --break-dir --expect-failures --cuts 60
finish
