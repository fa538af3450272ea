#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The module cannot go while there is a service, or a lock is open, and goes well
# when there is none. Leaves the module loaded as it was.
#
# CHRING_KO names the module's file; without it nothing is tried.

# shellcheck source-path=SCRIPTDIR source=script_helpers.sh
. "$(dirname "${BASH_SOURCE[0]}")/script_helpers.sh"

ADDRESS=127.0.0.1
PORT=8000

if [ -z "${UNLOAD_NETNS-}" ]; then
	if [ ! -e "${CHRING_KO-}" ]; then
		ktap_print_header
		ktap_skip_all "CHRING_KO does not name the module"
		exit "$KSFT_SKIP"
	fi
	UNLOAD_NETNS=1 exec unshare -n "$0" "$@"
fi

loaded()
{
	[ -d /sys/module/chring ]
}

# It is refused, and by the module's being in use.
unload_is_refused()
{
	local error

	error=$(LC_ALL=C rmmod chring 2>&1) && return 1
	[[ $error == *"in use"* || $error == *"temporarily unavailable"* ]] &&
		loaded
}

unload()
{
	rmmod chring && ! loaded
}

load()
{
	insmod "$CHRING_KO" && loaded
}

idle_service_holds_the_module()
{
	chringctl service add s tcp $ADDRESS:$PORT &&
	unload_is_refused &&
	chringctl service del s
}

steering_service_holds_the_module()	# tcp|udp
{
	local server traffic ok=1

	start_replicas "$1" $ADDRESS $PORT 2 || return
	server=$pid
	start_traffic "$1" $ADDRESS $PORT
	traffic=$pid
	chringctl service add s "$1" $ADDRESS:$PORT grace 0 &&
	chringctl replica add s a pid "$server" fd "${fds[0]}" \
				b pid "$server" fd "${fds[1]}" &&
	unload_is_refused &&
	# Without replicas too: the port is still held.
	end_process "$server" &&
	wait_until no_replicas s &&
	unload_is_refused &&
	chringctl service del s && ok=0
	end_process "$traffic"
	return $ok
}

no_replicas()	# SERVICE
{
	[ "$(chringctl -j replica show "$1")" = "[]" ]
}

another_namespaces_service_holds_the_module()
{
	local holder ok=1

	unshare -n sh -c "chringctl service add s tcp $ADDRESS:$PORT &&
		touch $files/ready && exec sleep 600" &
	holder=$!
	children+=("$holder")
	wait_until test -e "$files/ready" &&
	unload_is_refused && ok=0
	end_process "$holder"
	return $ok
}

open_lock_holds_the_module()
{
	local holder ok=1

	chringctl lock run l -- sh -c "touch $files/held && exec sleep 600" &
	holder=$!
	children+=("$holder")
	wait_until test -e "$files/held" &&
	unload_is_refused && ok=0
	end_process "$holder"
	return $ok
}

token_of()	# LOCK
{
	# shellcheck disable=SC2016 # for the shell in it
	chringctl lock run "$1" -- sh -c 'echo "$CHRING_TOKEN"'
}

# They are forgotten, but their tokens rise.
locks_that_nobody_has_open_do_not()
{
	local before after

	chringctl lock add kept && before=$(token_of kept) &&
	wait_until unload 2>/dev/null && load &&
	[ "$(chringctl -j lock show)" = "[]" ] &&
	after=$(token_of kept) && [ "$before" -gt 0 ] &&
	[ "$after" -gt "$before" ]
}

# Namespaces end in their own time, and their services with them.
goes_when_there_is_no_service()
{
	wait_until unload 2>/dev/null && load
}

took_some()	# SERVICE
{
	chringctl -j service show "$1" | grep -q '"picks": *[1-9]'
}

cycle()	# tcp|udp
{
	load &&
	chringctl service add s "$1" $ADDRESS:$PORT &&
	chringctl replica add s a pid "$server" fd "${fds[0]}" \
				b pid "$server" fd "${fds[1]}" &&
	wait_until took_some s &&
	chringctl service del s &&
	unload
}

cycles_under_traffic()	# tcp|udp
{
	local server traffic i ok=0

	unload || return
	start_replicas "$1" $ADDRESS $PORT 2 || return
	server=$pid
	start_traffic "$1" $ADDRESS $PORT
	traffic=$pid
	for ((i = 0; i < 10; i++)); do
		if ! cycle "$1"; then
			ktap_print_msg "cycle $i"
			ok=1
			break
		fi
	done
	# The sockets are as they were: their process still serves them.
	kill -0 "$server" || ok=1
	end_process "$server"
	end_process "$traffic"
	loaded || load
	return $ok
}

files=$(mktemp -d)
trap 'clean_up; rm -rf "$files"; loaded || load' EXIT
ip link set lo up

ktap_print_header
ktap_set_plan 9
if ! loaded; then
	load || ktap_exit_fail_msg "cannot load $CHRING_KO"
fi
ktap_test_result "an idle service holds the module" \
	idle_service_holds_the_module
for protocol in tcp udp; do
	ktap_test_result "a $protocol service that steers holds the module" \
		steering_service_holds_the_module $protocol
done
ktap_test_result "a service of another namespace holds the module" \
	another_namespaces_service_holds_the_module
ktap_test_result "the module goes when there is no service" \
	goes_when_there_is_no_service
ktap_test_result "a lock that is open holds the module" \
	open_lock_holds_the_module
ktap_test_result "locks that nobody has open do not, and tokens rise" \
	locks_that_nobody_has_open_do_not
for protocol in tcp udp; do
	ktap_test_result "10 cycles of the module's life under $protocol traffic" \
		cycles_under_traffic $protocol
done
ktap_finished
