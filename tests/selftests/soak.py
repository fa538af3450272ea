#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
#
# Rolling restarts under load: four servers on one port are restarted in turn,
# half of the times by a new process that takes over before the old one is told
# to end, half by kill -9 and a new process, while clients come that never try
# again. Once with chring, where the processes are started by "chringctl run",
# and by the same script without it, with and without tcp_migrate_req.
#
# usage: soak.py        CHRING_SOAK is the number of restarts, 40 by default;
#                       without chring there are fewer
#
# A connection that a process has accepted and not answered when it is killed is
# lost, whoever steers. These are known by the server's log, and counted apart.
# The last line, "soak: ...", has all figures.

import collections
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ADDRESS = '127.0.0.1'
PORT = 8000
NAMES = ['w1', 'w2', 'w3', 'w4']
RATE = 300              # clients a second
BOUND = 180             # seconds, for whatever is waited for
MIGRATE = pathlib.Path('/proc/sys/net/ipv4/tcp_migrate_req')

logs = pathlib.Path(tempfile.mkdtemp(dir='/dev/shm'))


def wait_for(what, condition):
    end = time.monotonic() + BOUND
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f'{what}: not within {BOUND} s')
        time.sleep(0.005)


class Server:
    """A process with a log, started by chringctl run or by itself."""

    number = 0

    def __init__(self, starter):
        Server.number += 1
        self.log = logs / f'log{Server.number}'
        self.process = subprocess.Popen(
            [part.format(log=self.log) for part in starter])
        wait_for('a server', self.started)

    def started(self):
        if self.process.poll() is not None:
            raise RuntimeError(f'a server ended: {self.process.returncode}')
        try:
            with self.log.open('rb') as file:
                self.pid = struct.unpack('=i', file.read(4))[0]
        except (OSError, struct.error):
            return False
        return self.pid != 0

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(BOUND) != 0:
            raise RuntimeError('a server that was told to end failed: '
                               f'{self.process.returncode}')

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)
        self.process.wait(BOUND)

    def accepted(self):
        """Addresses and ports of all that it has accepted."""
        peers = set()
        with self.log.open('rb') as file:
            file.read(16)
            while record := file.read(16):
                port, address = struct.unpack('!2xH4s8x', record)
                if not port:
                    break
                peers.add((socket.inet_ntoa(address), port))
        return peers


class Chring:
    name = 'chring'

    def __init__(self):
        subprocess.run(['chringctl', 'service', 'add', 'soak', 'tcp',
                        f'{ADDRESS}:{PORT}'], check=True)

    def starter(self, name, replace):
        return ['chringctl', 'run', 'soak', name,
                *(['replace'] if replace else []), '--',
                str(HERE / 'soak_server'), '{log}']

    def close(self):
        subprocess.run(['chringctl', 'service', 'del', 'soak'], check=True)


class Plain:
    def __init__(self, migrate):
        self.name = 'plain with tcp_migrate_req' if migrate else 'plain'
        MIGRATE.write_text(str(migrate))

    def starter(self, _name, _replace):
        return [str(HERE / 'soak_server'), '{log}', ADDRESS, str(PORT)]

    def close(self):
        MIGRATE.write_text('0')


class Phase:
    """Restarts of one kind, and what clients saw of them."""

    first = 0           # client

    def __init__(self, servers, way, replace, restarts):
        client = subprocess.Popen(
            [HERE / 'soak_client', ADDRESS, str(PORT), str(RATE),
             str(Phase.first)], stdout=subprocess.PIPE, text=True)
        self.restarts = restarts
        self.seen = []
        try:
            for turn in range(restarts):
                self.restart(servers, way, NAMES[turn % 4], replace)
        finally:
            client.terminate()
            lines = client.communicate(timeout=2 * BOUND)[0].splitlines()
        if client.returncode or not lines:
            raise RuntimeError(f'the clients failed: {client.returncode}')
        _, *figures = lines.pop().split()
        self.clients, self.ms, self.slowest = map(int, figures)
        Phase.first += self.clients
        self.judge(lines)

    def restart(self, servers, way, name, replace):
        old = servers[name]
        if not replace:
            old.kill()
        servers[name] = Server(way.starter(name, replace))
        if replace:
            old.end()
        self.seen.append(old)
        # So that those who come find all four.
        time.sleep(0.1)

    def judge(self, lines):
        """Sorts the failures into those not accepted by anyone, by kind, and
        those accepted."""
        accepted = set()
        for server in self.seen:
            accepted |= server.accepted()
            server.log.unlink()
        self.lost = collections.Counter()
        self.accepted = 0
        for line in lines:
            address, port, what = line.split(' ', 2)
            if (address, int(port)) in accepted:
                self.accepted += 1
            else:
                self.lost[what] += 1

    def rate(self):
        return self.clients * 1000 // max(self.ms, 1)

    def __str__(self):
        kinds = ['refused', 'reset', 'timed-out']
        others = sum(self.lost.values()) - sum(self.lost[k] for k in kinds)
        return (f'{self.restarts} restarts, {self.clients} clients, '
                + ', '.join(f'{self.lost[kind]} {kind}' for kind in kinds)
                + (f', {others} lost otherwise' if others else '')
                + f', {self.accepted} accepted and lost')


def soak(way, restarts):
    """Returns the two phases, and whether no process id came twice."""
    servers = {}
    try:
        for name in NAMES:
            servers[name] = Server(way.starter(name, False))
        phases = []
        for replace in True, False:
            phases.append(Phase(servers, way, replace,
                                (restarts + replace) // 2))
        pids = [server.pid for phase in phases for server in phase.seen]
        pids += [server.pid for server in servers.values()]
        unique = len(pids) == len(set(pids)) == restarts + len(NAMES)
    finally:
        for server in servers.values():
            server.kill()
        way.close()
    for kind, phase in zip(('replace', 'kill -9'), phases):
        print(f'# {way.name}, {kind}: {phase}; {phase.rate()} a second, '
              f'{phase.slowest} in the slowest')
    sys.stdout.flush()
    return phases, unique


def main():
    restarts = int(os.environ.get('CHRING_SOAK', '40'))
    few = 40 if restarts > 40 else 12

    if 'cloud' not in os.uname().release:
        print('1..0 # SKIP emulated and debugged, it serves too little')
        sys.exit(4)
    print('TAP version 13\n1..4', flush=True)
    chring, unique = soak(Chring(), restarts)
    plain = soak(Plain(0), few)[0]
    migrate = soak(Plain(1), few)[0]
    shutil.rmtree(logs)

    replaced, killed = chring
    slow = any(phase.rate() < 200 for phase in chring)
    results = {
        'replaced_replicas_lose_nothing':
            not replaced.lost and not replaced.accepted,
        'killed_replicas_lose_only_what_they_had_accepted': not killed.lost,
        'every_restart_is_a_new_process_at_200_clients_a_second':
            unique and not slow,
        'without_chring_some_are_lost':
            any(phase.lost for phase in plain),
    }
    for number, (name, good) in enumerate(results.items(), 1):
        print(f'{"ok" if good else "not ok"} {number} {name}')
    print('# soak: ' + '; '.join(
        f'{way}: {kind}: {phase}'
        for way, phases in (('chring', chring), ('plain', plain),
                            ('plain with tcp_migrate_req', migrate))
        for kind, phase in zip(('replace', 'kill -9'), phases)))
    sys.exit(not all(results.values()))


if __name__ == '__main__':
    main()
