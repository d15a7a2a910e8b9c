#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The power cut, of whole programs: ttd --init and the first secrets behind it;
# tt-recover.
#
#	programs.sh ROUNDS
#
# Each event of the traces is a cut, ROUNDS times (0: 60 of them, once).
. "$TT_SRC/tests/lib/sh.sh"
make_work "${TT_FAST:-/dev/shm}"
seed=${TT_SEED:-1}
rounds=$1
every=--every
n=1
if [ "$rounds" = 0 ]; then
	rounds=1
	every=
	n=60
fi
if [ -n "${TT_LONG:-}" ]; then
	rounds=12
fi
export TT_TTD=$TT_BIN/ttd

record() {	# DIR COMMAND...: adds to the trace
	TT_RECORD_DIR=$1 TT_RECORD_TRACE=$work/trace \
	    LD_PRELOAD=$TT_BIN/tests/libtt-record.so "${@:2}"
}
fresh() {
	rm -rf "$work/d" "$work/w" "$work/trace"
	mkdir "$work/d" "$work/w"
}
cuts() {	# PROGRAM ...
	"$TT_BIN/tests/$1" --trace "$work/trace" --work "$work/w" \
	    --jobs $((2 * $(nproc))) "${@:2}"
}

# ---- a store is made, secrets are stored ------------------------------------
fresh
cat >"$work/tt.conf" <<END
store = "$work/d/store"
segment-size = "2M"
iqn-prefix = "iqn.2026-11.org.example:test"
portal "one" { listen = {"127.0.0.1:0"} tag = 1 }
END
check "ttd --init" record "$work/d" "$TT_BIN/ttd" --init -c "$work/tt.conf"
check "secrets" record "$work/d" "$TT_BIN/tests/crash-init" run "$work/d"
check "the trace gives the real directory" \
    cuts crash-init --verify "$work/d" --cuts 1 --stats
for i in $(seq 1 $rounds); do
	check "cuts of it" cuts crash-init --seed $((seed * 100 + i)) \
	    --cuts $n $every
done
check "found: --break-sync" cuts crash-init --expect-failures --break-sync \
    --cuts 200
check "found: --break-dir" cuts crash-init --expect-failures --break-dir \
    --cuts 200
check "found: no sync of the key" cuts crash-init --expect-failures \
    --break-path store/key --cuts 200

# ---- an image is written --------------------------------------------------------
recover() {
	record "$work/d" "$TT_BIN/tt-recover" "$work/store" disk \
	    -o "$work/d/image" --quiet "$@" &&
	    record "$work/d" "$TT_BIN/tests/crash-output" done
}
image() {	# WHAT CUTS-OPTIONS...
	local i

	check "the trace gives the real directory" \
	    cuts crash-output --verify "$work/d" --cuts 1 "${@:2}"
	for i in $(seq 1 $((rounds * 5))); do
		check "cuts of $1" cuts crash-output --cuts $n $every \
		    --seed $((seed * 100 + i)) "${@:2}"
	done
	check "found: --break-sync" cuts crash-output --expect-failures \
	    --break-sync --cuts 200 "${@:2}"
	check "found: --break-dir" cuts crash-output --expect-failures \
	    --break-dir --cuts 200 "${@:2}"
}
check "a store" "$TT_BIN/tests/crash-output" make "$work/store"
check "its image" "$TT_BIN/tt-recover" "$work/store" disk \
    -o "$work/whole" --quiet
export TT_IMAGE=$work/whole
fresh
check "an image" recover
image "a new image"
fresh
yes something else | head -c 3000000 >"$work/before"
mkdir "$work/base"
cp "$work/before" "$work/base/image"
cp "$work/before" "$work/d/image"
export TT_BEFORE=$work/before
check "an image over another file" recover --force
image "one over another file" --base "$work/base"
finish
