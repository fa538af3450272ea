#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# chringctl from end to end: what it makes is there, what it shows is so, and
# its exit status is 0 done, 1 usage, 2 error, 3 condition not met.

if [ -z "${CLI_NETNS-}" ]; then
	CLI_NETNS=1 exec unshare -n -m "$0" "$@"
fi

# shellcheck source-path=SCRIPTDIR source=cli_helpers.sh
. "$(dirname "${BASH_SOURCE[0]}")/cli_helpers.sh"

ADDRESS=127.0.0.1
PORT=8000

service_is_added_and_shown()
{
	json 'it == []' service show &&
	ends 0 service add web tcp $ADDRESS:$PORT grace 0 &&
	ends 0 service add dns udp 0.0.0.0:53 owner nobody &&
	ends 0 service show && ends 0 service show web &&
	grep -q web "$files/out" && ! grep -q dns "$files/out" &&
	json '[s["name"] for s in it] == ["web", "dns"]' service show &&
	json 'len(it) == 1 and it[0]["protocol"] == "tcp" and
	      it[0]["local-ipv4"] == "127.0.0.1" and
	      it[0]["local-port"] == 8000 and it[0]["owner"] == 0 and
	      it[0]["state"] == "idle" and it[0]["replicas"] == 0' \
		service show web &&
	json 'it[0]["protocol"] == "udp" and it[0]["owner"] == 65534' \
		service show dns
}

owner_is_set()
{
	ends 0 service set dns owner 1000 &&
	json 'it[0]["owner"] == 1000' service show dns &&
	fails 2 'no user' service set dns owner no-such-user &&
	json 'it[0]["owner"] == 1000' service show dns
}

override_is_set()
{
	json 'it[0]["override"] == "reattach"' service show dns &&
	ends 0 service set dns override leave &&
	json 'it[0]["override"] == "leave"' service show dns &&
	ends 0 service show dns && grep -q 'override leave' "$files/out" &&
	ends 0 service add tmp udp $ADDRESS:54 override leave &&
	json 'it[0]["override"] == "leave"' service show tmp &&
	ends 0 service del tmp
}

replica_is_added_by_process()
{
	start_replicas tcp $ADDRESS $PORT || return
	one=$pid
	ends 0 replica add web one pid "$one" weight 2 &&
	json 'it[0]["state"] == "steering" and it[0]["replicas"] == 1' \
		service show web &&
	json 'len(it) == 1 and it[0]["service"] == "web" and
	      it[0]["name"] == "one" and it[0]["weight"] == 2 and
	      it[0]["state"] == "up" and it[0]["slots"] == 16384' \
		replica show web &&
	json "it[0]['inode'] == $(inode_of "$one" "${fds[0]}")" \
		replica show web one
}

inode_of()	# PID FD
{
	readlink "/proc/$1/fd/$2" | tr -dc 0-9
}

descriptor_decides_among_several()
{
	start_replicas tcp $ADDRESS $PORT 3 || return
	many=$pid
	fails 2 'fd' replica add web x pid "$many" &&
	ends 0 replica add web two pid "$many" fd "${fds[1]}" &&
	json "it[0]['inode'] == $(inode_of "$many" "${fds[1]}")" \
		replica show web two
}

replicas_are_added_all_or_none()
{
	fails 2 'exists' replica add web three pid "$many" fd "${fds[0]}" \
		two pid "$many" fd "${fds[2]}" &&
	json '[r["name"] for r in it] == ["one", "two"]' replica show web &&
	ends 0 replica add web three pid "$many" fd "${fds[0]}" weight 5 \
		four pid "$many" fd "${fds[2]}" &&
	json 'sorted((r["name"], r["weight"]) for r in it) ==
	      [("four", 1), ("one", 2), ("three", 5), ("two", 1)]' \
		replica show web
}

weights_are_set_all_or_none()
{
	fails 2 'no replica' replica set web one weight 3 five weight 4 &&
	json 'it[0]["weight"] == 2' replica show web one &&
	ends 0 replica set web one weight 3 four weight 4 &&
	json '{r["name"]: r["weight"] for r in it} ==
	      {"one": 3, "two": 1, "three": 5, "four": 4}' replica show
}

ring_is_shown()
{
	ends 0 ring show web && grep -q three "$files/out" &&
	json 'it[0]["service"] == "web" and it[0]["slots"] == 16384 and
	      sum(r["slots"] for r in it[0]["replica"]) == 16384 and
	      abs(sum(r["share"] for r in it[0]["replica"]) - 1) < 0.001 and
	      it[0]["points"] == sum(r["points"] for r in it[0]["replica"]) and
	      it[0]["peak-to-mean"] >= 1' ring show web &&
	json 'it[0]["slots"] == 16384 and it[0]["replica"] == []' ring show dns
}

plan_tells_what_then_happens()
{
	local slots moves

	fails 2 'no replica' plan web weight five 3 &&
	fails 2 'exists' plan web add four &&
	json 'it[0]["service"] == "web" and it[0]["slots"] == 16384 and
	      [r for r in it[0]["replica"] if r["name"] == "five"][0] ==
	      {"name": "five", "weight": 0, "weight-then": 2, "slots": 0,
	       "slots-then": it[0]["moves"], "takes": it[0]["moves"],
	       "gives": 0}' plan web add five weight 2 &&
	json 'sum(r["weight-then"] == 0 for r in it[0]["replica"]) == 1' \
		plan web del four &&
	json 'sum(r["slots-then"] for r in it[0]["replica"]) == 16384 and
	      it[0]["peak-to-mean-then"] >= 1 and
	      it[0]["moves"] == sum(r["takes"] for r in it[0]["replica"])' \
		plan web weight two 7 &&
	slots=$(chringctl -j plan web weight two 7 |
		grep -o '"name":"two"[^}]*' | grep -o '"slots-then":[0-9]*') &&
	ends 0 plan web weight two 7 && read -r _ _ _ _ moves _ <"$files/out" &&
	[ "$moves" -gt 0 ] && grep -q '^ *two *weight 1 then 7 ' "$files/out" &&
	ends 0 replica set web two weight 7 &&
	json "it[0]['slots'] == ${slots#*:}" replica show web two &&
	ends 0 replica set web two weight 1
}

lookup_names_a_replica()
{
	json 'it[0]["replica"] in ("one", "two", "three", "four")' \
		lookup web from 192.0.2.1:1234 &&
	cp "$files/out" "$files/first" &&
	ends 0 -j lookup web from 192.0.2.1:1234 to $ADDRESS &&
	cmp -s "$files/first" "$files/out" &&
	fails 2 'another address' lookup web from 192.0.2.1:1 to 127.0.0.2 &&
	fails 2 'which one' lookup dns from 192.0.2.1:1 &&
	fails 3 'no replica' lookup dns from 192.0.2.1:1 to $ADDRESS
}

# A server on the one address that a client sends to is found first.
lookup_names_a_socket_that_is_no_replicas()
{
	local server other ok=1

	start_replicas tcp 0.0.0.0 7000 || return
	server=$pid
	ends 0 service add any tcp 0.0.0.0:7000 &&
	ends 0 replica add any one pid "$server" fd "${fds[0]}" &&
	start_replicas tcp $ADDRESS 7000 &&
	other=$pid &&
	fails 3 "inode $(inode_of "$other" "${fds[0]}")" \
		lookup any from 192.0.2.1:1 to $ADDRESS &&
	ends 0 lookup any from 192.0.2.1:1 to 127.0.0.2 &&
	ends 0 service del any && ok=0
	end_process "$server"
	end_process "$other"
	return $ok
}

replicas_are_removed()
{
	fails 2 'no replica' replica del web one five &&
	json 'len(it) == 4' replica show web &&
	ends 0 replica del web one three &&
	json '[r["name"] for r in it] == ["two", "four"]' replica show web &&
	# Its socket is left as it is.
	kill -0 "$one" && ends 0 replica add web one pid "$one"
}

replica_dies_with_the_process_that_is_watched()
{
	start_replicas tcp $ADDRESS $PORT || return
	local watched
	sleep 1000 &
	watched=$!
	ends 0 replica add web watched pid "$pid" watch "$watched" &&
	json 'it[0]["watched"]' replica show web watched &&
	ends 0 replica show web watched && grep -q 'watched$' "$files/out" &&
	end_process "$watched" &&
	wait_until not_shown web watched &&
	fails 2 'process [0-9]* cannot be watched' replica add web watched \
		pid "$pid" watch "$watched" &&
	ends 1 replica set web watched watch 1
}

dead_replica_disappears()
{
	end_process "$one"
	wait_until not_shown web one
}

dead_replica_is_waited_for_in_its_grace()
{
	start_replicas tcp $ADDRESS $PORT &&
	ends 0 service set web grace 3600 &&
	json 'it[0]["grace"] == 3600' service show web &&
	ends 0 replica add web one pid "$pid" && end_process "$pid" &&
	wait_until is_in_state one dead && start_replicas tcp $ADDRESS $PORT &&
	one=$pid && ends 0 replica add web one pid "$one" &&
	is_in_state one up
}

replica_is_replaced_by_request()
{
	start_replicas tcp $ADDRESS $PORT || return
	fails 2 'exists' replica add web one pid "$pid" &&
	ends 0 replica add web one pid "$pid" replace ramp 3600 &&
	json "it[0]['inode'] == $(inode_of "$pid" "${fds[0]}") and
	      it[0]['state'] == 'joining'" replica show web one &&
	ends 0 replica set web one weight 1 && is_in_state one up
}

# It has nothing to wait for.
replica_drains_and_is_gone()
{
	fails 2 'no replica' replica drain web five 3 &&
	fails 2 'no replica' replica up web five &&
	ends 0 replica up web one && is_in_state one up &&
	ends 0 replica drain web one && wait_until not_shown web one
}

is_in_state()	# REPLICA STATE
{
	chringctl replica show web "$1" | grep -qw "$2"
}

not_shown()	# SERVICE REPLICA
{
	! chringctl replica show "$1" "$2" >/dev/null 2>&1
}

service_is_gone_when_del_is_done()
{
	ends 0 service del web &&
	fails 2 'no service' service show web &&
	ends 0 service add web tcp $ADDRESS:$PORT &&
	ends 0 service del web && ends 0 service del dns &&
	json 'it == []' service show && json 'it == []' replica show
}

other_namespace_is_named()
{
	mkdir -p /run/netns && touch /run/netns/there &&
	unshare -n sh -c 'mount --bind /proc/self/ns/net /run/netns/there' ||
		return
	ends 0 -n there service add web tcp $ADDRESS:$PORT &&
	json 'it == []' service show &&
	json 'len(it) == 1' -n there service show &&
	ends 0 -n there service del web &&
	fails 2 'nowhere' -n nowhere service show &&
	umount /run/netns/there
}

errors_of_the_kernel_are_told()
{
	fails 2 'no service.*No such file' service del web &&
	fails 2 'no service' replica show web &&
	fails 2 'no service' lookup web from 192.0.2.1:1 &&
	fails 2 'no service' replica add web x pid $$ &&
	fails 2 'unicast.*Invalid' service add web tcp 224.0.0.1:$PORT &&
	fails 2 'printable.*attribute name' service add 'a b' tcp 1.2.3.4:5 &&
	ends 0 service add web tcp $ADDRESS:$PORT &&
	fails 2 'exists.*File exists' service add web udp $ADDRESS:$PORT &&
	fails 2 'no process' replica add web x pid 4194305 &&
	fails 2 "$ADDRESS:$PORT" replica add web x pid $$ &&
	ends 0 service del web
}

mistakes_show_the_usage()
{
	local words

	while read -r -a words; do
		ends 1 "${words[@]}" || return
		grep -q 'usage: chringctl' "$files/err" || return
		! [ -s "$files/out" ] || return
	done <<-EOF
		-x
		nothing
		service what
		service add
		service add web
		service add web sctp 1.2.3.4:5
		service add web tcp 1.2.3.4
		service add web tcp 1.2.3.4:0
		service add web tcp 1.2.3.4:65536
		service add web tcp 1.2.3:80
		service add web tcp 1.2.3.4:5 more
		service set web
		service del
		service del web more
		replica add web
		replica add web one
		replica add web one pid 0
		replica add web one pid 1 weight 0
		replica add web one pid 1 weight 1025
		replica add web one pid 1 pid 2
		replica set web one
		replica set web one pid 1
		replica del web
		ring show
		plan web
		plan web add
		plan web weight one
		plan web del one more
		lookup web
		lookup web from 1.2.3.4
	EOF
}

help_is_given()
{
	ends 0 help && grep -q 'usage: chringctl' "$files/out" &&
	ends 0 -h && ends 0 --help && ends 0 service -h &&
	grep -q 'service add' "$files/out" && ends 0 service add --help &&
	ends 0 -V && grep -q '^chringctl ' "$files/out"
}

unprivileged()	# STATUS PATTERN WORD...
{
	local status=$1 pattern=$2 got
	shift 2

	setpriv --reuid 65534 --regid 65534 --clear-groups \
		"$(command -v chringctl)" "$@" >"$files/out" 2>"$files/err"
	got=$?
	! differs "status of nobody's $*" "$status" $got &&
	grep -q "$pattern" "$files/err" "$files/out"
}

nobody_may_read_only()
{
	ends 0 service add web tcp $ADDRESS:$PORT &&
	unprivileged 0 web service show &&
	unprivileged 0 'moves 16384' plan web add one &&
	unprivileged 2 CAP_NET_ADMIN service add dns udp 0.0.0.0:53 &&
	unprivileged 2 CAP_NET_ADMIN service set web owner 0 &&
	unprivileged 2 CAP_NET_ADMIN service del web &&
	unprivileged 2 ptrace replica add web x pid "$many" &&
	unprivileged 2 CAP_NET_ADMIN replica set web x weight 1 &&
	unprivileged 2 CAP_NET_ADMIN replica del web x &&
	json 'len(it) == 1' service show &&
	ends 0 service del web
}

output_that_cannot_be_written_is_an_error()
{
	chringctl help >/dev/full 2>"$files/err"
	! differs "status" 2 $? && grep -q 'cannot write' "$files/err"
}

tests=(
	service_is_added_and_shown owner_is_set override_is_set
	replica_is_added_by_process
	descriptor_decides_among_several replicas_are_added_all_or_none
	weights_are_set_all_or_none ring_is_shown plan_tells_what_then_happens
	lookup_names_a_replica
	lookup_names_a_socket_that_is_no_replicas
	replicas_are_removed replica_dies_with_the_process_that_is_watched
	dead_replica_disappears dead_replica_is_waited_for_in_its_grace
	replica_is_replaced_by_request replica_drains_and_is_gone
	service_is_gone_when_del_is_done other_namespace_is_named
	errors_of_the_kernel_are_told mistakes_show_the_usage help_is_given
	nobody_may_read_only output_that_cannot_be_written_is_an_error
)

ip link set lo up
start_judge

run_tests "${tests[@]}"
