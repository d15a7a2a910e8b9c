# SPDX-License-Identifier: BSD-2-Clause
# Not a test but a measurement, by hand: tests/guest/run BUILD speed.  What the
# real initiator makes of burst lengths: it asks for each pair, ttd grants at
# most its own, and fio writes and reads through the page cache of nobody.
# One line for each pair; the machine has no hardware support here, so only the
# differences between the lines say something.
. /tt/lib.sh
iqn=iqn.2026-01.org.example:disk
seconds=3

job() {	# RW BLOCK: MiB/s
	fio --name=job --filename="$dev" --direct=1 --ioengine=libaio \
	    --iodepth=8 --bs="$2" --rw="$1" --size=192m --time_based \
	    --runtime="$seconds" --output-format=terse --eta=never |
	    awk -F';' -v w="$1" '{ printf "%.0f", (w ~ /read/ ? $7 : $48) / 1024 }'
}

granted() { cat "$(session "$iqn")/$1"; }

one() {	# FIRST MAX
	set_node "$iqn" node.session.iscsi.FirstBurstLength "$1" &&
	    set_node "$iqn" node.session.iscsi.MaxBurstLength "$2" &&
	    login "$iqn" && dev=$(disk "$iqn") || return
	[ "$(granted first_burst_len)" -le 262144 ] || return
	printf 'burst %8s %8s (asked %8s %8s): ' "$(granted first_burst_len)" \
	    "$(granted max_burst_len)" "$1" "$2"
	printf 'write 1m %s, 64k %s; read 1m %s MiB/s\n' "$(job write 1m)" \
	    "$(job write 64k)" "$(job read 1m)"
	logout "$iqn"
}

host admin create disk 256M >/tmp/disk
must "login" paste /tmp/disk
dev=$(disk "$iqn")
# Nothing is to be written to new places only in the first line.
must "warm" dd if=/dev/zero of="$dev" bs=1M count=192 oflag=direct status=none
must "logout" logout "$iqn"
for round in 1 2; do
	for first in 65536 262144; do
		for max in 262144 1048576 16776192; do
			check "round $round, $first, $max" one "$first" "$max"
		done
	done
done
the_end
