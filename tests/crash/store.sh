#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The power cut: the workload under the recorder, then cuts of its trace.
#
#	store.sh SEEDS CUTS NESTED
#
# SEEDS recordings, of each CUTS cuts, each event of the trace among them if
# that are enough; NESTED cuts of the recovery in every tenth of some.
# TT_SEED chooses workload and cuts.  A failure keeps the trace and says how to
# look at that cut again.
. "$TT_SRC/tests/lib/sh.sh"
make_work "${TT_FAST:-/dev/shm}"
seeds=$1
cuts=$2
nested=$3
seed=${TT_SEED:-1}
every=
if [ -n "${TT_LONG:-}" ]; then
	cuts=$((cuts * 4))
	seeds=$((seeds * 4))
fi
if [ "$cuts" -ge 4000 ]; then
	every=--every
fi
export TT_RECORD_SO=$TT_BIN/tests/libtt-record.so

record() {	# seed
	rm -rf "$work/store" "$work/w" "$work/trace"
	mkdir "$work/store" "$work/w"
	TT_RECORD_DIR=$work/store TT_RECORD_TRACE=$work/trace \
	    LD_PRELOAD=$TT_RECORD_SO \
	    "$TT_BIN/tests/crash-workload" "$work/store" --seed "$1" \
	    --steps "${TT_STEPS:-200}" --rounds 8
}
# Each spends about half of its time waiting for its own threads.
cuts() {
	"$TT_BIN/tests/crash-check" --trace "$work/trace" --work "$work/w" \
	    --seed "$seed" --jobs $((2 * $(nproc))) "$@"
}
found() {	# what is pretended
	check "found: $*" cuts --expect-failures --cuts 60 "$@"
}

for i in $(seq 1 "$seeds"); do
	check "workload, seed $seed" record "$seed"
	check "the trace gives the real directory" \
	    cuts --verify "$work/store" --cuts 1 --stats
	check "$cuts cuts, seed $seed" cuts --cuts "$cuts" $every
	seed=$((seed + 1))
	if [ "$failures" -gt 0 ]; then
		TT_KEEP=1	# the trace is needed to look at it again
		break
	fi
done
seed=$((seed - 1))
check "cuts in a rebuild" cuts --cuts $((cuts / 10)) --around-folders
if [ "$nested" -gt 0 ]; then
	export TT_NESTED=$nested
	check "cuts of the recovery" cuts --cuts $((cuts / 20))
	unset TT_NESTED
fi
# What the engine must not do; the same cuts of the same trace, with syncs that
# are pretended to do nothing.
found --break-sync
found --break-dir
found --break-path seg/
found --break-path catalog/
found --break-moved
found --break-path catalog.new/ --around-folders
finish
