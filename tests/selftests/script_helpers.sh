# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# For the scripts: the kernel's KTAP helpers, chringctl, processes to try
# things on, and a network namespace.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# shellcheck disable=SC2034 # of the helpers
DIR=$here
# shellcheck source=/dev/null
. "$here/../kselftest/ktap_helpers.sh"

# What make has built lies beside, what is installed in the path.
for directory in "$here/../../../userspace/build" \
		 "$here/../../userspace/build"; do
	[ ! -x "$directory/chringctl" ] || PATH=$directory:$PATH
done

children=() pid='' fds=()

# Ends what the script has started, with its namespaces.
clean_up()
{
	{
		[ ${#children[@]} = 0 ] || kill -KILL "${children[@]}"
		wait
	} 2>/dev/null
}
trap clean_up EXIT

# Starts replicad; its number is then in $pid, and its descriptors in $fds.
start_replicas()	# tcp|udp ADDRESS PORT [COUNT]
{
	local line

	exec {from}< <(exec "$here/replicad" "$@")
	pid=$!
	children+=("$pid")
	read -r -t 60 -u "$from" line || return
	exec {from}<&-
	[ "${line%% *}" = ready ] || return
	# shellcheck disable=SC2034 # the script's
	read -ra fds <<<"${line#ready}"
}

start_traffic()	# tcp|udp ADDRESS PORT
{
	"$here/traffic" "$@" &
	pid=$!
	children+=("$pid")
}

end_process()	# PID
{
	kill -KILL "$1"
	wait "$1" 2>/dev/null
	return 0
}

# Waits, a minute at most, until a command succeeds.
wait_until()	# COMMAND...
{
	local end=$((SECONDS + 60))

	until "$@"; do
		[ $SECONDS -lt $end ] || return
		sleep 0.02
	done
}
