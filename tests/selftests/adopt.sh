#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# chringctl replica adopt: every socket of a server, and of the processes that
# it has started, becomes a replica, in order, or none does.

if [ -z "${CLI_NETNS-}" ]; then
	CLI_NETNS=1 exec unshare -n -m "$0" "$@"
fi

# shellcheck source-path=SCRIPTDIR source=cli_helpers.sh
. "$(dirname "${BASH_SOURCE[0]}")/cli_helpers.sh"

ADDRESS=127.0.0.1
PORT=8000

# Starts servers below a process of their own, which is in $pid; their numbers
# are in $files/pids.
start_family()	# tcp|udp COUNT...: sockets of each
{
	local protocol=$1
	shift

	rm -f "$files/pids" "$files/ready"
	# shellcheck disable=SC2016 # for the inner shell
	bash -c '
		files=$1 replicad=$2 protocol=$3 address=$4 port=$5
		shift 5
		trap "kill -KILL \$(jobs -p)" EXIT
		trap "exit 0" TERM
		for count; do
			"$replicad" "$protocol" "$address" "$port" "$count" \
				>>"$files/ready" &
			echo $! >>"$files/pids"
			until [ "$(grep -c ready "$files/ready")" = \
				"$(wc -l <"$files/pids")" ]; do
				sleep 0.02
			done
		done
		touch "$files/started"
		wait' - "$files" "$here/replicad" "$protocol" $ADDRESS $PORT "$@" &
	pid=$!
	children+=("$pid")
	wait_until test -e "$files/started" && rm -f "$files/started"
}

end_family()	# PID
{
	kill -TERM "$1" && wait "$1" 2>/dev/null
	wait_until nothing_shown
}

nothing_shown()
{
	json 'it == []' replica show 2>/dev/null
}

# What the replicas' sockets are to be: NAME=INODE,... of descriptors in order.
wanted()	# PREFIX PID FD...
{
	local prefix=$1 of=$2 number=0 inode
	shift 2

	for fd; do
		number=$((number + 1))
		inode=$(readlink "/proc/$of/fd/$fd" | tr -dc 0-9)
		printf '"%s%d": %d, ' "$prefix" $number "$inode"
	done
}

every_socket_is_a_replica_in_order()
{
	local server

	start_replicas tcp $ADDRESS $PORT 5 || return
	server=$pid
	ends 0 service add web tcp $ADDRESS:$PORT &&
	ends 0 replica adopt web pid "$server" &&
	json "{r['name']: r['inode'] for r in it} ==
	      {$(wanted web- "$server" "${fds[@]}")}" replica show web &&
	json 'all(r["weight"] == 1 and r["state"] == "up" for r in it)' \
		replica show web &&
	end_process "$server" &&
	# No copy is left that keeps them alive.
	wait_until nothing_shown
}

names_and_weights_are_as_said()
{
	local server

	start_replicas tcp $ADDRESS $PORT 2 || return
	server=$pid
	ends 0 replica adopt web prefix w weight 3 pid "$server" &&
	json "{r['name']: r['inode'] for r in it} ==
	      {$(wanted w "$server" "${fds[@]}")}" replica show web &&
	json 'all(r["weight"] == 3 for r in it)' replica show web &&
	end_process "$server" && wait_until nothing_shown
}

sockets_of_udp_are_adopted()
{
	local server

	start_replicas udp $ADDRESS 5300 4 || return
	server=$pid
	ends 0 service add dns udp $ADDRESS:5300 &&
	ends 0 replica adopt dns pid "$server" &&
	json "{r['name']: r['inode'] for r in it} ==
	      {$(wanted dns- "$server" "${fds[@]}")}" replica show dns &&
	end_process "$server" && wait_until nothing_shown &&
	ends 0 service del dns
}

processes_that_it_started_are_searched()
{
	local family

	start_family tcp 1 3 2 || return
	family=$pid
	ends 0 replica adopt web pid "$family" &&
	json '[r["name"] for r in it] == ["web-%d" % (i + 1) for i in range(6)] and
	      len({r["inode"] for r in it}) == 6' replica show web &&
	end_family "$family"
}

# As with nginx, whose workers have the sockets of their master.
inherited_socket_is_one_replica()
{
	local server

	/usr/bin/python3 -IS - $ADDRESS $PORT <<-'END' &
		import os, socket, sys, time
		for _ in range(2):
		    one = socket.socket()
		    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
		    one.bind((sys.argv[1], int(sys.argv[2])))
		    one.listen()
		    one.detach()
		os.fork() and os.fork()
		time.sleep(600)
	END
	server=$!
	children+=("$server")
	wait_until ends 0 replica adopt web pid "$server" 2>/dev/null &&
	json 'len(it) == 2' replica show web || return
	pkill -KILL -P "$server"
	end_process "$server" && wait_until nothing_shown
}

all_or_none()
{
	local server

	start_replicas tcp $ADDRESS $PORT 3 || return
	server=$pid
	# The last of the three is a replica already; then, a name is taken.
	ends 0 replica add web mine pid "$server" fd "${fds[2]}" &&
	fails 2 'already.*web-3' replica adopt web pid "$server" &&
	json '[r["name"] for r in it] == ["mine"]' replica show web &&
	ends 0 replica del web mine &&
	ends 0 replica add web web-2 pid "$server" fd "${fds[0]}" &&
	fails 2 'exists' replica adopt web pid "$server" &&
	json '[r["name"] for r in it] == ["web-2"]' replica show web &&
	ends 0 replica del web web-2 &&
	ends 0 replica adopt web pid "$server" &&
	json 'len(it) == 3' replica show web &&
	end_process "$server" && wait_until nothing_shown
}

refusals_say_why()
{
	start_replicas tcp $ADDRESS 8001 || return
	fails 2 "no TCP socket listening on $ADDRESS:$PORT" \
		replica adopt web pid "$pid" &&
	fails 2 'no process 4194305' replica adopt web pid 4194305 &&
	fails 2 'no service' replica adopt nothing pid "$pid" || return
	start_replicas tcp $ADDRESS $PORT || return
	fails 2 'printable' replica adopt web pid "$pid" prefix 'a b' &&
	fails 2 '63' replica adopt web pid "$pid" \
		prefix "$(printf 'n%.0s' {1..63})" &&
	setpriv --reuid 65534 --clear-groups chringctl replica adopt web \
		pid "$pid" 2>"$files/err"
	! differs status 2 $? && grep -q 'ptrace' "$files/err" &&
	json 'it == []' replica show web
}

tests=(
	every_socket_is_a_replica_in_order names_and_weights_are_as_said
	sockets_of_udp_are_adopted processes_that_it_started_are_searched
	inherited_socket_is_one_replica all_or_none refusals_say_why
)

ip link set lo up
start_judge

run_tests "${tests[@]}"
