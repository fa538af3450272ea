#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
#
# The examples of README.md and of the man page do what they say: each is run,
# on two nginx that share a port. What README.md shows of the output is
# compared; figures may differ.

import os
import pathlib
import re
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
SERVERS = {'w1': '/run/w1.pid', 'w2': '/run/w2.pid'}
NGINX = """daemon off; master_process off; pid {pid}; error_log stderr crit;
events {{}}
http {{
    access_log off;
    server {{ listen 127.0.0.1:8080 reuseport; return 200 "{name}\\n"; }}
}}
"""


def find(name):
    """A file of the source tree, from a checkout or as copied beside this."""
    for path in (HERE / pathlib.Path(name).name, HERE / '../..' / name):
        if path.exists():
            return path.read_text()
    raise FileNotFoundError(name)


def readme():
    """Commands of README.md with the output that it shows for each."""
    block = re.search(r'<!-- The next block is run .*? -->\n```console\n(.*?)```', find('README.md'),
                      re.S).group(1)
    commands = []
    for line in block.splitlines():
        if line.startswith('# '):
            commands.append((line[2:], []))
        else:
            commands[-1][1].append(line)
    return commands


def man_page():
    """Commands of the man page's examples, with the servers' process ids."""
    text = find('userspace/chringctl/man/chringctl.8')
    examples = text[text.index('.SH EXAMPLES'):]
    examples = examples.replace('\\(aq', "'").replace('\\', '')
    commands = [line for line in examples.splitlines()
                if line.startswith('chringctl ')]
    return [(re.sub(r'(w\d) pid \d+', r'\1 pid $(cat /run/\1.pid)', line), None)
            for line in commands]


def figures_aside(lines):
    return [re.sub(r'\s+', ' ', re.sub(r'\d+', 'N', line)).strip()
            for line in lines]


def run(commands):
    """What went wrong, in the first command that went wrong."""
    for command, expected in commands:
        done = subprocess.run(['bash', '-o', 'pipefail', '-c', command],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, check=False)
        lines = done.stdout.splitlines()
        if done.returncode:
            return f'{command}: status {done.returncode}: {done.stdout}'
        if (expected is not None
                and figures_aside(lines) != figures_aside(expected)):
            return f'{command}: printed {lines}'
    return None


def start(name, pid):
    conf = pathlib.Path(f'/run/{name}.conf')
    conf.write_text(NGINX.format(name=name, pid=pid))
    return subprocess.Popen(['nginx', '-e', 'stderr', '-c', conf])


def listening():
    text = pathlib.Path('/proc/net/tcp').read_text()
    return text.count('0100007F:1F90 00000000:0000 0A')


def main():
    print('TAP version 13')
    if subprocess.run(['sh', '-c', 'command -v nginx && command -v jq && command -v chringctl'],
                      stdout=subprocess.DEVNULL, check=False).returncode:
        print('1..0 # SKIP needs nginx, jq and chringctl')
        return
    print('1..2')
    processes = [start(*server) for server in SERVERS.items()]
    end = time.monotonic() + 30
    while listening() < len(SERVERS) and time.monotonic() < end:
        time.sleep(0.02)

    failed = 0
    for number, (name, commands) in enumerate(
            (('examples_of_the_readme', readme()),
             ('examples_of_the_man_page', man_page())), 1):
        problem = run(commands) if commands else 'there are none'
        if problem:
            failed += 1
            print(f'# {problem}')
        print(f'{"not " if problem else ""}ok {number} {name}', flush=True)
        subprocess.run(['chringctl', 'service', 'del', 'web'], check=False)
    for process in processes:
        process.kill()
        process.wait()
    sys.exit(failed != 0)


if __name__ == '__main__':
    os.chdir('/')
    main()
