#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# chringctl run: the command gets a socket of the service as sd_listen_fds(3)
# has it, is a replica while it runs, and none afterwards.

if [ -z "${CLI_NETNS-}" ]; then
	CLI_NETNS=1 exec unshare -n -m "$0" "$@"
fi

# shellcheck source-path=SCRIPTDIR source=cli_helpers.sh
. "$(dirname "${BASH_SOURCE[0]}")/cli_helpers.sh"

ADDRESS=127.0.0.1
PORT=8000

# A command that says it runs, with what it was given, and serves until it is
# told to end, in two ways: by TERM with status 42, by INT leaving its socket
# to a child.
make_server()
{
	cat >"$files/server" <<-'END'
		#!/usr/bin/python3 -IS
		import os, signal, socket, sys, time
		files, name = os.path.dirname(sys.argv[0]), sys.argv[1]

		def end(signum, frame):
		    if signum == signal.SIGINT and not os.fork():
		        time.sleep(600)
		    os._exit(42)

		for signum in signal.SIGTERM, signal.SIGINT:
		    signal.signal(signum, end)
		assert int(os.environ['LISTEN_PID']) == os.getpid()
		assert os.environ['LISTEN_FDS'] == '1'
		with open(f'{files}/{name}.new', 'w') as file:
		    print(os.getpid(), os.environ['LISTEN_FDNAMES'], file=file)
		os.rename(f'{files}/{name}.new', f'{files}/{name}')
		listener = socket.socket(fileno=3)
		while True:
		    if listener.type == socket.SOCK_DGRAM:
		        listener.sendto(name.encode(), listener.recvfrom(100)[1])
		    else:
		        one = listener.accept()[0]
		        one.sendall(name.encode())
		        one.close()
	END
	chmod 755 "$files/server"
}

# Runs the server as a replica; its process is in $server, chringctl's in $pid.
start_server()	# SAYS SERVICE NAME [WORD...]
{
	local says=$1
	shift

	rm -f "$files/$says"
	env --default-signal=INT,QUIT \
		chringctl run "$@" -- "$files/server" "$says" 2>"$files/runner" &
	pid=$!
	children+=("$pid")
	wait_until test -e "$files/$says" && read -r server _ <"$files/$says" &&
	children+=("$server")
}

# Waits for one that start_server has started, and compares its status.
ended()	# PID STATUS
{
	local status=0

	wait "$1" 2>/dev/null || status=$?
	! differs "status of the runner" "$2" $status
}

answers()	# SAYS
{
	local got

	got=$(timeout 60 /usr/bin/python3 -IS -c "
import socket
one = socket.create_connection(('$ADDRESS', $PORT))
print(one.recv(100).decode())")
	! differs "answer" "$1" "$got"
}

nothing_shown()
{
	json 'it == []' replica show
}

command_gets_a_socket_and_is_a_replica()
{
	local inode

	ends 0 service add web tcp $ADDRESS:$PORT &&
	start_server one web w1 weight 3 &&
	inode=$(readlink "/proc/$server/fd/3" | tr -dc 0-9) &&
	grep -qx "$server web" "$files/one" &&
	json "[(r['name'], r['weight'], r['state'], r['inode']) for r in it] ==
	      [('w1', 3, 'up', $inode)]" replica show web &&
	answers one && kill -TERM "$pid" && ended "$pid" 42 && nothing_shown
}

share_comes_up_in_steps()
{
	start_server one web w1 ramp 3600 &&
	json 'it[0]["state"] == "joining"' replica show web && answers one &&
	kill -TERM "$pid" && ended "$pid" 42 && nothing_shown &&
	fails 1 'ramp must be' run web w1 ramp 0 -- touch "$files/never" &&
	! [ -e "$files/never" ]
}

# What else it has is what chringctl was given; chringctl keeps no copy.
no_descriptor_is_left_over()
{
	# Whoever runs the tests may have left some.
	chringctl run web w1 -- ls -l /proc/self/fd >"$files/out" \
		3<&- 4<&- 5<&- 6<&- &&
	awk 'NF > 2 { print $9 }' "$files/out" | xargs >"$files/fds" &&
	# The last one is the directory.
	! differs descriptors '0 1 2 3 4' "$(cat "$files/fds")" || return
	exec 3</dev/null 7</dev/null
	chringctl run web w1 -- ls -l /proc/self/fd >"$files/out"
	exec 3<&- 7<&-
	grep -q ' 3 -> socket:' "$files/out" &&
	grep -q ' 7 -> /dev/null' "$files/out" || return
	start_server one web w1 &&
	! readlink "/proc/$pid"/fd/* |
		grep -qxF "$(readlink "/proc/$server/fd/3")" &&
	kill -TERM "$pid" && ended "$pid" 42
}

status_of_the_command_is_passed_on()
{
	local status

	for status in 0 1 2 3 125 255; do
		chringctl run web w1 -- sh -c "exit $status" 2>"$files/err"
		! differs "status" $status $? && ! [ -s "$files/err" ] || return
	done
	chringctl run web w1 -- sh -c 'kill -9 $$'
	! differs "status after a signal" 137 $? &&
	fails 127 "cannot run 'no-such-command'" run web w1 -- no-such-command &&
	fails 126 "cannot run '/'" run web w1 -- / && nothing_shown
}

what_fails_before_the_command_is_125()
{
	fails 125 'no service' run nothing w1 -- touch "$files/never" &&
	fails 125 'printable' run web 'a b' -- touch "$files/never" &&
	start_replicas udp $ADDRESS $PORT &&
	ends 0 service add taken udp 127.0.0.2:53 owner nobody &&
	setpriv --reuid 65534 --clear-groups --inh-caps=-all chringctl run \
		web w1 -- touch "$files/never" 2>"$files/err"
	! differs status 125 $? &&
	grep -q "user 0, who owns service 'web'" "$files/err" &&
	! [ -e "$files/never" ] && ends 0 service del taken && nothing_shown
}

name_that_is_taken_is_refused()
{
	start_server one web w1 || return
	fails 125 "replica 'w1' already" run web w1 -- touch "$files/never" &&
	! [ -e "$files/never" ] && answers one &&
	json 'len(it) == 1' replica show web &&
	kill -TERM "$pid" && ended "$pid" 42 && nothing_shown
}

replaced_one_gets_no_more_and_its_end_is_no_matter()
{
	local first first_server second second_server before monitor

	start_server keep web w2 && keep=$pid &&
	start_server one web w1 && first=$pid && first_server=$server || return
	chringctl monitor services >"$files/events" &
	monitor=$!
	children+=("$monitor")
	wait_until events_are_told &&
	before=$(slots) && start_server two web w1 replace &&
	second=$pid && second_server=$server &&
	wait_until grep -q '^replica-set web w1' "$files/events" &&
	! grep -q '^replica-del' "$files/events" && kill "$monitor" &&
	! differs slots "$before" "$(slots)" && kill -0 "$first_server" &&
	[ "$first_server" != "$second_server" ] &&
	ends 0 replica del web w2 && answers two && answers two &&
	kill -TERM "$first" && ended "$first" 42 &&
	json '[r["name"] for r in it] == ["w1"]' replica show web &&
	answers two && kill -TERM "$second" && ended "$second" 42 &&
	kill -TERM "$keep" && ended "$keep" 42 && nothing_shown
}

events_are_told()
{
	awk 'NR > 1 && $4 != "00000000" { n++ } END { exit !n }' /proc/net/netlink
}

slots()
{
	chringctl -j replica show web |
		jq -c '[.[] | [.name, .slots]] | sort'
}

name_of_one_just_killed_can_be_taken_at_once()
{
	local i

	for i in 1 2 3; do
		start_server "killed$i" web w1 || return
		kill -KILL "$pid" "$server"
		wait "$pid" 2>/dev/null
	done
	start_server last web w1 && answers last &&
	kill -TERM "$pid" && ended "$pid" 42 && nothing_shown
}

replica_is_gone_with_the_command_not_with_the_socket()
{
	start_server one web w1 && kill -INT "$pid" && ended "$pid" 42 &&
	nothing_shown && listeners 2 &&
	pkill -KILL -f "$files/server one" && wait_until listeners 1
}

listeners()	# NUMBER: with the anchor
{
	[ "$(ss -Hltn "sport = $PORT" | wc -l)" = "$1" ]
}

runner_that_is_killed_leaves_the_replica_to_the_command()
{
	ends 0 service set web grace 0 &&
	start_server one web w1 && kill -KILL "$pid" && ended "$pid" 137 &&
	answers one && json 'len(it) == 1' replica show web &&
	kill -KILL "$server" && wait_until nothing_shown 2>/dev/null
}

signals_go_through()
{
	start_server one web w1 && kill -TERM "$pid" && ended "$pid" 42 &&
	! kill -0 "$server" 2>/dev/null
}

socket_of_udp_is_handed_over()
{
	ends 0 service add dns:2 udp $ADDRESS:5300 &&
	start_server one dns:2 d1 && grep -qx "$server dns_2" "$files/one" &&
	! differs answer one "$(timeout 60 /usr/bin/python3 -IS -c "
import socket
one = socket.socket(type=socket.SOCK_DGRAM)
one.connect(('$ADDRESS', 5300))
one.send(b'?')
print(one.recv(100).decode())")" &&
	kill -TERM "$pid" && ended "$pid" 42 && ends 0 service del dns:2
}

socket_is_the_owners()
{
	ends 0 service add owned tcp '[::1]:81' owner nobody &&
	start_server one owned o1 &&
	json 'it[0]["state"] == "up"' replica show owned &&
	ss -Hltne 'sport = 81' | grep -q 'uid:65534' &&
	kill -TERM "$pid" && ended "$pid" 42 && ends 0 service del owned
}

tests=(
	command_gets_a_socket_and_is_a_replica share_comes_up_in_steps
	no_descriptor_is_left_over
	status_of_the_command_is_passed_on what_fails_before_the_command_is_125
	name_that_is_taken_is_refused
	replaced_one_gets_no_more_and_its_end_is_no_matter
	name_of_one_just_killed_can_be_taken_at_once
	replica_is_gone_with_the_command_not_with_the_socket
	runner_that_is_killed_leaves_the_replica_to_the_command
	signals_go_through socket_of_udp_is_handed_over socket_is_the_owners
)

ip link set lo up
start_judge
make_server

run_tests "${tests[@]}"
