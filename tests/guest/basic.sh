# SPDX-License-Identifier: BSD-2-Clause
# Discovery, logins that must work and logins that must not, digests.
. /tt/lib.sh
base=iqn.2026-01.org.example
auth=node.session.auth
portal=127.0.0.1:$(host get .portals[0].port status)

# ---- a LUN for everybody ----------------------------------------------------
host admin create free 64M --open >/tmp/free
free=$base:free
nobody_there() { [ "$(host get '.sessions|length' sessions)" = 0 ]; }
gone_in() {	# IQN: the session is no more
	! session "$1" >/dev/null && nobody_there
}

discovered() {
	iscsiadm -m discovery -t sendtargets -p "$portal" >/tmp/found &&
	    grep -qxF "$portal,1 $1" /tmp/found
}
must "discovery" discovered "$free"
must "the printed lines, without credentials" paste /tmp/free
free_disk=$(disk "$free")
must "its disk" test -b "$free_disk"
from=$(host get .sessions[0].address sessions)
say "the target sees $from"
check "it sees the host's loopback" test "${from%:*}" = 127.0.0.1
check "it knows the initiator" test \
    "$(host get .sessions[0].initiator sessions)" = "$base:guest"
check "no user" test -z "$(host get .sessions[0].user sessions)"
check "portal group tag" test "$(cat "$(session "$free")/tpgt")" = 1
check_fails "a session in use is not deleted" host admin delete free
check "logout" logout "$free"
check "nothing stays" gone_in "$free"

# ---- CHAP, as tt-admin prints it --------------------------------------------
host admin create lun 256M >/tmp/lun
lun=$base:lun
must "the printed lines, with mutual CHAP" paste /tmp/lun
check "its disk" test -b "$(disk "$lun")"
check "with the best algorithm" test "$(host offers 8,7,6,5)" -ge 1 -a \
    "$(host offers 8)" -ge 1
check "as that user" test "$(host get .sessions[0].user sessions)" = lun
check "the target proved itself" test "$(cat "$(session "$lun")/username_in")" \
    = lun-target
check "logout" logout "$lun"

# ---- each algorithm, both ways and one way ----------------------------------
# On the wire: offered by the one, taken by the other.  (More often when the network
# was slow and something was sent again.)
algorithm() {	# WORD NUMBER
	local before after

	before=$(host offers "$2")
	set_node "$lun" $auth.chap_algs "$1" && login "$lun" || return
	after=$(host offers "$2")
	[ -b "$(disk "$lun")" ] && logout "$lun" && [ $((after - before)) -ge 2 ]
}

mutual_user=$(secret_in /tmp/lun username_in)
mutual_secret=$(secret_in /tmp/lun password_in)
secret=$(secret_in /tmp/lun password)
both_ways() {
	set_node "$lun" $auth.username_in "$mutual_user" &&
	    set_node "$lun" $auth.password_in "$mutual_secret"
}
one_way() {
	set_node "$lun" $auth.username_in "" &&
	    set_node "$lun" $auth.password_in ""
}

for way in both_ways one_way; do
	check "$way" $way
	check "$way: MD5" algorithm MD5 5
	check "$way: SHA1" algorithm SHA1 6
	check "$way: SHA256" algorithm SHA256 7
	check "$way: SHA3-256" algorithm SHA3-256 8
done
# Of several the initiator's first one is taken.
first_taken() {	# WORDS OFFER ANSWER
	local before after

	before=$(host offers "$3")
	set_node "$lun" $auth.chap_algs "$1" && login "$lun" || return
	after=$(host offers "$3")
	logout "$lun" && [ $((after - before)) -ge 1 ] &&
	    [ "$(host offers "$2")" -gt 0 ]
}
check "the first of a list" first_taken SHA256,SHA3-256,MD5 7,8,5 7
check "the first of another list" first_taken SHA1,SHA256 6,7 6

# ---- who must stay outside --------------------------------------------------
# 24 is open-iscsi's "authorization failure", 19 another end of a login.
refused() {	# CODE IQN
	local rc

	login "$2" >/tmp/refused 2>&1
	rc=$?
	[ $rc = "$1" ] && gone_in "$2" && return
	echo "exit code $rc"
	cat /tmp/refused
	[ ! -e "$(session "$2")/state" ] || logout "$2"
	return 1
}
check "both ways" both_ways
check "right secrets" login "$lun"
check "logout" logout "$lun"

set_node "$lun" $auth.username mallory
check "refused: unknown user" refused 24 "$lun"
set_node "$lun" $auth.username lun

set_node "$lun" $auth.password "x${secret#?}y"
check "refused: wrong secret" refused 24 "$lun"
set_node "$lun" $auth.password "$secret"

# This time it is the initiator that does not believe.
set_node "$lun" $auth.password_in "x${mutual_secret#?}y"
check "refused: wrong mutual secret" refused 19 "$lun"
both_ways

one_way
set_node "$lun" $auth.username ""
set_node "$lun" $auth.password ""
set_node "$lun" $auth.authmethod None
check "refused: no CHAP at all" refused 24 "$lun"
paste /tmp/lun
logout "$lun"

# The same answer as to a wrong secret, so that nobody learns what there is.
iscsiadm -m node -o new -T "$base:nothing" -p "$portal,1" >/dev/null
for n in authmethod username password; do
	set_node "$base:nothing" $auth.$n "$(secret_in /tmp/lun $n)"
done
check "refused: unknown target" refused 24 "$base:nothing"

check "another initiator alone may enter" host admin allow lun "$base:other"
check "refused: not one of them" refused 24 "$lun"
check "this one, too" host admin allow lun "$base:guest"
check "right again" login "$lun"
check "logout" logout "$lun"
host admin logins >/tmp/logins
cat /tmp/logins
check "the list of failed logins" test "$(grep -c "$base:guest" /tmp/logins)" -ge 5
check "the log tells of the refused" test "$(host log refused)" -ge 4
check "the log has no secret" test "$(host log "$secret")" = 0

# ---- digests ----------------------------------------------------------------
# digests HEADER DATA HAVE-HEADER HAVE-DATA
digests() {
	local c

	set_node "$lun" node.conn[0].iscsi.HeaderDigest "$1" &&
	    set_node "$lun" node.conn[0].iscsi.DataDigest "$2" &&
	    login "$lun" && c=$(connection "$lun") &&
	    [ "$(cat "$c/header_digest") $(cat "$c/data_digest")" = "$3 $4" ]
}

# Sizes that need padding, R2T, and several PDUs; each way.
carried() {
	local d

	d=$(disk "$lun") &&
	    dd if=/usr/bin/bash of=/tmp/one bs=64K count=16 status=none &&
	    cat /tmp/one >>/tmp/two && [ "$(stat -c %s /tmp/two)" -gt 1000000 ] &&
	    dd if=/tmp/two of="$d" bs=1M conv=fsync status=none &&
	    blockdev --flushbufs "$d" &&
	    head -c "$(stat -c %s /tmp/two)" "$d" | cmp - /tmp/two &&
	    sg_inq -p di "$d" >/dev/null && sg_vpd -p sn "$d" >/dev/null
}

# Until here, some logged out while the kernel was still looking at the disk.
dmesg -C
while read -r header data have; do
	# shellcheck disable=SC2086 # two words
	check "digests $header $data" digests "$header" "$data" $have
	check "data with digests $header $data" carried
	check "logout" logout "$lun"
done <<END
CRC32C CRC32C 1 1
CRC32C None 1 0
None CRC32C 0 1
CRC32C,None None,CRC32C 1 0
END

# ---- discovery by CHAP ------------------------------------------------------
db="iscsiadm -m discoverydb -t sendtargets -p $portal"
discovery_auth() { $db -o update -n "discovery.sendtargets.auth.$1" -v "$2"; }
# Exactly these LUNs are told, in this order.
told() {
	$db --discover -o nonpersistent >/tmp/found &&
	    sed "s/.*$base://" /tmp/found | sort | tr '\n' ' ' >/tmp/names &&
	    [ "$(cat /tmp/names)" = "$1" ] && return
	cat /tmp/found
	return 1
}

must "discovery needs CHAP now" host ask-who finder finders-own-secret
check_fails "refused without" iscsiadm -m discovery -t sendtargets -p "$portal"
host admin create late 64M >/tmp/late
check "tt-admin prints how" test "$(grep -c discoverydb /tmp/late)" = 5
must "the printed lines, with CHAP for discovery too" paste /tmp/late
check "its disk" test -b "$(disk "$base:late")"
check "logout" logout "$base:late"
check "a user is told what he may enter" told "free late "
discovery_auth password "x$(secret_in /tmp/late password)"
check_fails "nothing, with a wrong secret" told "free late "
discovery_auth username lun
discovery_auth password "$secret"
check "another user" told "free lun "
discovery_auth username finder
discovery_auth password finders-own-secret
check "the common one" told "free "
check "deleted" host admin delete late

# ---- at the end -------------------------------------------------------------
check "nobody is left" nobody_there
dmesg >/tmp/kernel
check_fails "the kernel saw no I/O error" grep "I/O error" /tmp/kernel
check "deleted" host admin delete lun
check "it cannot be entered now" refused 24 "$lun"
the_end
