#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
#
# The family as its specification has it, and nothing else: the kernel's own
# tools/net/ynl, a client that knows of a family what its specification says,
# does what an operator does, from the first service to the last notification.
#
# Prints KTAP. Exit status: 0 all is well; 1 otherwise.

import errno
import os
import pathlib
import socket
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
PORT = 8000
PATIENCE = 60


def find(*paths):
    """A file or directory, as copied beside this or in its tree."""
    for path in paths:
        if (HERE / path).exists():
            return HERE / path
    raise FileNotFoundError(paths[0])


sys.path.insert(0, str(find('ynl', '../../../net/ynl')))
from lib import NlError, YnlFamily  # noqa: E402 pylint: disable=C0413

SPEC = find('chring.yaml',
            '../../../../Documentation/netlink/specs/chring.yaml')
HOST = socket.inet_aton('127.0.0.1')


def family():
    """A client, with a netlink socket of its own."""
    # Without the schema, which "make generate" holds the specification to
    return YnlFamily(str(SPEC), '')


def udp():
    """A socket that can be a replica's."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind(('127.0.0.1', PORT))
    return sock


def await_that(condition):
    """Waits until a condition holds, with a generous bound."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, 'waited in vain'
        time.sleep(0.01)


def refusal(action, *words, **attributes):
    """The errno and the text with which a request is refused."""
    try:
        action(*words, attributes)
    except NlError as error:
        extack = error.nl_msg.extack or {}
        return -error.nl_msg.error, extack.get('msg'), \
            extack.get('bad-attr')
    return 0, None, None


def names(replicas):
    """Those of replicas that a dump has."""
    return [replica['replica'][0]['name'] for replica in replicas]


class Scenario:
    """Each test goes on where the one before has ended."""

    def __init__(self):
        self.chring = family()
        # One for each group: the client binds its socket as it joins
        self.listeners = [family(), family()]
        self.listeners[0].ntf_subscribe('services')
        self.listeners[1].ntf_subscribe('locks')
        self.sockets = {name: udp() for name in ('a', 'b', 'c')}

    def service(self):
        """The service as it is."""
        return self.chring.do('service-get', {'name': 'dns'})

    def services_are_made(self):
        assert self.chring.dump('service-get', {}) == []
        self.chring.do('service-new', {
            'name': 'dns', 'protocol': 'udp', 'local-ipv4': HOST,
            'local-port': PORT, 'none': 'hold', 'grace': 0})
        service = self.service()
        assert service['state'] == 'idle' and service['none'] == 'hold'
        assert service['protocol'] == 'udp', service
        assert service['local-ipv4'] == '127.0.0.1', service
        assert service['local-port'] == PORT, service
        assert service['owner'] == os.getuid(), service
        assert len(bytes.fromhex(service['seed'])) == 16, service
        assert self.chring.dump('service-get', {}) == [service]

    def services_are_changed(self):
        self.chring.do('service-set', {'name': 'dns', 'none': 'refuse'})
        assert self.service()['none'] == 'refuse'

    def replicas_are_added(self):
        self.chring.do('replica-new', {'service': 'dns', 'replica': [
            {'name': 'a', 'fd': self.sockets['a'].fileno()},
            {'name': 'b', 'fd': self.sockets['b'].fileno(), 'weight': 2}]})
        service = self.service()
        assert service['state'] == 'steering', service
        assert service['replicas'] == 2, service
        replicas = self.chring.dump('replica-get', {'service': 'dns'})
        assert names(replicas) == ['a', 'b'], replicas
        assert self.chring.dump('replica-get', {}) == replicas
        inode = os.fstat(self.sockets['b'].fileno()).st_ino
        told = self.chring.do('replica-get', {'service': 'dns',
                                              'replica': [{'name': 'b'}]})
        assert told == replicas[1], told
        replica = told['replica'][0]
        assert (replica['state'], replica['weight'], replica['inode']) == \
            ('up', 2, inode), replica
        assert sum(told['replica'][0]['slots'] for told in replicas) == \
            service['slots'], replicas

    def flows_go_where_a_lookup_says(self):
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        client.bind(('127.0.0.1', 0))
        answer = self.chring.do('lookup', {
            'service': 'dns', 'remote-ipv4': HOST,
            'remote-port': client.getsockname()[1]})
        client.sendto(b'?', ('127.0.0.1', PORT))
        sock = self.sockets[answer['replica']]
        sock.settimeout(PATIENCE)
        assert sock.recv(16) == b'?'
        replica = self.chring.do('replica-get', {
            'service': 'dns', 'replica': [{'name': answer['replica']}]})
        assert replica['replica'][0]['picks'] >= 1, replica
        assert self.service()['picks'] >= 1

    def changes_are_planned(self):
        told = self.chring.dump('replica-plan', {
            'service': 'dns', 'change': 'del', 'replica': [{'name': 'b'}]})
        rows = {told['replica'][0]['name']: told['replica'][0]
                for told in told}
        slots = self.service()['slots']
        assert [told['slots'] for told in told] == [slots, slots], told
        assert rows['a']['slots-then'] == slots, told
        assert rows['a']['takes'] == rows['b']['gives'] == \
            rows['b']['slots'] == told[0]['moves'], told
        assert 'weight-then' not in rows['b'], told

    def replicas_are_changed_and_removed(self):
        self.chring.do('replica-set', {'service': 'dns', 'replica': [
            {'name': 'a', 'weight': 3}]})
        self.chring.do('replica-del', {'service': 'dns', 'replica': [
            {'name': 'b'}]})
        replicas = self.chring.dump('replica-get', {})
        assert names(replicas) == ['a'], replicas
        assert replicas[0]['replica'][0]['weight'] == 3, replicas

    def replicas_die_with_a_process(self):
        child = os.fork()
        if child == 0:
            os.close(self.sockets['a'].fileno())
            time.sleep(10 * PATIENCE)
            os._exit(0)
        pidfd = os.pidfd_open(child)
        self.chring.do('replica-new', {'service': 'dns', 'replica': [
            {'name': 'c', 'fd': self.sockets['c'].fileno(),
             'pidfd': pidfd}]})
        os.close(pidfd)
        told = self.chring.do('replica-get', {'service': 'dns',
                                              'replica': [{'name': 'c'}]})
        assert told['replica'][0]['watched'] is True, told
        os.kill(child, 9)
        os.waitpid(child, 0)
        await_that(lambda: names(self.chring.dump('replica-get', {})) == ['a'])

    def what_is_wrong_is_refused_with_its_attribute(self):
        do = self.chring.do
        assert refusal(do, 'service-get', name='web') == \
            (errno.ENOENT, 'no service of this name', '.name')
        got = refusal(do, 'replica-del', service='dns',
                      replica=[{'name': 'x'}])
        assert got == (errno.ENOENT, 'no replica of this name',
                       '.replica.name'), got
        assert refusal(do, 'service-set', name='dns')[0] == errno.EINVAL

    def lock(self):
        """The lock as it is."""
        return self.chring.do('lock-get', {'name': 'job'})

    def locks_are_made_and_changed(self):
        assert self.chring.dump('lock-get', {}) == []
        self.chring.do('lock-new', {'name': 'job', 'mode': 0o640,
                                    'discipline': 'fifo'})
        lock = self.lock()
        assert lock['discipline'] == 'fifo' and lock['persistent'], lock
        assert lock['mode'] == hex(0o640), lock
        assert (lock['uid'], lock['handles']) == (os.getuid(), 0), lock
        self.chring.do('lock-set', {'name': 'job', 'discipline': 'adaptive'})
        assert self.lock()['discipline'] == 'adaptive'
        assert self.chring.dump('lock-get', {}) == [self.lock()]

    def locks_are_broken_and_deleted(self):
        got = refusal(self.chring.do, 'lock-break', name='job')
        assert got[:2] == (errno.ESRCH, 'nobody holds the lock'), got
        with subprocess.Popen(['chringctl', 'lock', 'run', 'job', '--',
                               'sleep', str(10 * PATIENCE)]) as holder:
            await_that(lambda: 'held' in self.lock())
            lock = self.lock()
            assert lock['pid'] == holder.pid, lock
            self.chring.do('lock-break', {'name': 'job'})
            self.chring.do('lock-get', {'name': 'job',
                                        'token': lock['token']})
            got = refusal(self.chring.do, 'lock-get', name='job',
                          token=lock['token'] - 1)
            assert got == (errno.ESTALE,
                           "token is neither the newest nor a holder's",
                           '.token'), got
            broken = self.lock()
            assert broken['news'] == {'broken'}, broken
            assert broken['dead-token'] == lock['token'], broken
            assert 'held' not in broken, broken
        await_that(lambda: self.lock()['handles'] == 0)
        self.chring.do('lock-del', {'name': 'job'})
        assert self.chring.dump('lock-get', {}) == []

    def services_are_removed(self):
        self.chring.do('service-del', {'name': 'dns'})
        await_that(lambda: refusal(self.chring.do, 'service-get',
                                   name='dns')[0] == errno.ENOENT)

    def all_was_told(self):
        """In order; of locks apart, for the order of the groups is none."""
        events = []
        for listener in self.listeners:
            listener.check_ntf()
            events += listener.async_msg_queue
        told = {'service': [], 'lock': []}
        for event in events:
            message, kind = event['msg'], event['name'].split('-')[0]
            what = message.get('state')
            if kind == 'replica':
                what = '{0[name]} {0[state]}'.format(message['replica'][0])
            elif kind == 'lock':
                what = message['discipline']
            told['lock' if kind == 'lock' else 'service'].append(
                f'{event["name"]} {what}')
        assert told['service'] == [
            'service-new-ntf idle', 'service-set-ntf idle',
            'service-set-ntf steering',
            'replica-new-ntf a up', 'replica-new-ntf b up',
            'replica-set-ntf a up', 'replica-del-ntf b up',
            'replica-new-ntf c up', 'replica-set-ntf c dead',
            'replica-del-ntf c dead', 'service-set-ntf removing',
            'replica-del-ntf a up', 'service-del-ntf removing',
        ], told
        assert told['lock'] == ['lock-new-ntf fifo', 'lock-set-ntf adaptive',
                                'lock-broken-ntf adaptive',
                                'lock-del-ntf adaptive'], told


TESTS = ('services_are_made', 'services_are_changed', 'replicas_are_added',
         'flows_go_where_a_lookup_says', 'changes_are_planned',
         'replicas_are_changed_and_removed', 'replicas_die_with_a_process',
         'what_is_wrong_is_refused_with_its_attribute',
         'locks_are_made_and_changed', 'locks_are_broken_and_deleted',
         'services_are_removed', 'all_was_told')


def main():
    if 'YNL_NETNS' not in os.environ:
        os.environ['YNL_NETNS'] = '1'
        os.execvp('unshare', ['unshare', '-n', sys.executable, __file__])
    subprocess.run(['ip', 'link', 'set', 'lo', 'up'], check=True)
    print('TAP version 13')
    print(f'1..{len(TESTS)}', flush=True)
    scenario, failed = Scenario(), False
    for number, test in enumerate(TESTS, 1):
        verdict = 'ok'
        try:
            getattr(scenario, test)()
        except Exception as error:  # pylint: disable=W0718
            line = error.__traceback__.tb_next.tb_lineno \
                if error.__traceback__.tb_next else 0
            text = f'line {line}: {error!r}'.replace('\n', ' ')
            print(f'# {text}')
            verdict, failed = 'not ok', True
        print(f'{verdict} {number} {test}', flush=True)
    sys.exit(failed)


if __name__ == '__main__':
    main()
