# SPDX-License-Identifier: BSD-2-Clause
# The daemon dies and comes back while fio writes: the session recovers, no
# command fails, and what was written is there.
. /tt/lib.sh
iqn=iqn.2026-01.org.example:disk
# From the restart until writes go on.  Added is what one login takes here: this
# machine may be slow or busy, the initiator's pauses are what they are.
limit_ms=3000
# It verifies in the same run: only then fio knows an older block, which is what
# a lost write leaves, from the one that it wrote.
job=(--name=job --direct=1 --ioengine=libaio --iodepth=16 --bs=16k
    --verify=crc32c --verify_fatal=1 --eta=never)

# Without another process for each look.
ms() { now=${EPOCHREALTIME/[.,]/} && now=${now%???}; }
look() {
	state='' port=''
	read -r state <"$session/state"
	read -r port 2>/dev/null <"$connection/local_port"
}
counters() { read -ra stat <"/sys/block/${dev##*/}/stat"; }

# Now, or a moment later: with 16 at a time there nearly always are some.
in_flight() {
	local flight i

	for ((i = 0; i < 1000; i++)); do
		read -ra flight <"/sys/block/${dev##*/}/inflight"
		[ "${flight[1]}" = 0 ] || return 0
	done
	return 1
}

running() { kill -0 "$fio" 2>/dev/null; }

# Until as many more writes have ended; their number is the fifth.
writes_end() {	# COUNT SECONDS
	local want end

	counters
	want=$((stat[4] + $1))
	ms
	end=$((now + $2 * 1000))
	while [ "${stat[4]}" -lt "$want" ]; do
		sleep 0.02
		running && ms && [ "$now" -lt "$end" ] || return 1
		counters
	done
}

# Logged in over another connection than that one.
new_session() {	# PORT SECONDS
	local end

	ms
	end=$((now + $2 * 1000))
	until look && [ "$state" = LOGGED_IN ] && [ -n "$port" ] &&
	    [ "$port" != "$1" ]; do
		sleep 0.02
		ms
		[ "$now" -lt "$end" ] || return 1
	done
}

# One death: what the host does to the daemon, the pause until the other thing
# that it does, and how long it took from then until writes went on.  The
# initiator tries again after 2 s (DefaultTime2Wait) and then every 3 s: with the
# pause it meets a closed door first.
death() {	# WHAT HOW [PAUSE THEN]
	local begin old in count

	must "$1: fio is writing" writes_end 50 20
	look
	old=$port
	check "$1: writes are under way" in_flight
	must "$1: $2" host "$2"
	if [ $# -gt 2 ]; then
		counters
		count=${stat[4]}
		sleep "$3"
		look
		counters
		check "$1: the session knows" test "$state" = FAILED
		check "$1: writes wait" test "$count" = "${stat[4]}"
		check "$1: fio waits" running
		must "$1: $4" host "$4"
	fi
	ms
	begin=$now
	must "$1: a new session" new_session "$old" 30
	ms
	in=$((now - begin))
	must "$1: writes go on" writes_end 1 30
	ms
	say "$1: logged in $in ms after that, writing after $((now - begin)) ms"
	in=$((now - begin))
	check "$1: within $limit_ms ms" test "$in" -le "$limit_ms"
}

begin_fio() {	# SEED MORE...
	local seed=$1

	shift
	fio "${job[@]}" --filename="$dev" --randseed="$seed" "$@" \
	    >/tmp/fio.out 2>&1 &
	fio=$!
}

end_fio() {
	wait "$fio" && grep -q 'err= 0' /tmp/fio.out && return
	cat /tmp/fio.out
	return 1
}

no_errors() { ! dmesg | grep -E 'I/O error|rejecting I/O|timed out'; }

host admin create disk 256M >/tmp/disk
must "login" paste /tmp/disk
must "logout" logout "$iqn"
ms
begin=$now
must "login" login "$iqn"
ms
limit_ms=$((limit_ms + now - begin))
say "a login takes $((now - begin)) ms"
dev=$(disk "$iqn")
must "disk" test -b "$dev"
session=$(session "$iqn")
connection=$(connection "$iqn")
# The first session ended while the kernel was still looking at the disk.
dmesg -C

say "SIGKILL"
begin_fio 11 --rw=randwrite --size=48m
death "killed and started at once" kill-start
death "killed, and started later" kill 4 start
must "fio ends: no error, and what it wrote is there" end_fio

say "upgrade"
begin_fio 22 --rw=randwrite --size=48m
death "stopped and started at once" stop-start
death "stopped, and started later" stop 4 start
must "fio ends: no error, and what it wrote is there" end_fio
check "the kernel saw no I/O error" no_errors
check "one session" test "$(host get '.sessions|length' sessions)" = 1

# This can fail: one block behind fio's back gets what was there before.
say "a lost write"
dd if="$dev" of=/tmp/before bs=16K count=1 iflag=direct status=none
begin_fio 33 --rw=write --size=24m --rate=6m
must "fio is writing" writes_end 100 20
dd if=/tmp/before of="$dev" bs=16K oflag=direct status=none
check "it was still writing" running
wait "$fio"
check "one lost write is found" test $? -gt 0
grep -m 1 verify /tmp/fio.out
check "logout" logout "$iqn"
the_end
