#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
#
# Runs the programs of edges and holds the table in Documentation/edges.rst
# against what they saw.
#
# usage: edges.py [--write DOCUMENT]
#
# Prints KTAP; with --write it writes the table into the document first.
#
# Exit status: 0 all is well; 1 otherwise.

import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAMS = ['edges_tcp', 'edges_udp', 'edges_path']
BEGIN, END = '.. table of edges: begin', '.. table of edges: end'
COLUMNS = [('v4', 'plain'), ('v4', 'chring'), ('v6', 'plain'), ('v6', 'chring')]


def document():
    """The document in this tree, or the copy that is installed beside."""
    for path in ('../../Documentation/edges.rst', 'edges.rst'):
        path = os.path.join(HERE, path)
        if os.path.exists(path):
            return path
    sys.exit('edges.py: no edges.rst')


def run(program, cells):
    """Runs a program, its output indented; says if it was all right."""
    job = subprocess.Popen([os.path.join(HERE, program)],
                           env=dict(os.environ, CHRING_EDGES=cells),
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           text=True)
    for line in job.stdout:
        print('# ' + line, end='', flush=True)
    return job.wait() == 0


def read_cells(path):
    """{row: {protocol: {(family, mode): text}}}, in the order of the file."""
    rows = {}
    with open(path) as file:
        for line in file:
            row, protocol, family, mode, text = line.rstrip('\n').split('|')
            cells = rows.setdefault(row, {}).setdefault(protocol, {})
            cells[family, mode] = text
    return rows


def table(rows):
    """A simple table of reStructuredText."""
    lines = [['', '', 'IPv4, plain', 'IPv4, chring', 'IPv6, plain',
              'IPv6, chring']]
    for row, protocols in rows.items():
        for protocol, cells in protocols.items():
            first = row if protocol == next(iter(protocols)) else '\\'
            lines.append([first, protocol] +
                         [cells.get(column, '-') for column in COLUMNS])
    widths = [max(len(line[i]) for line in lines) for i in range(6)]
    rule = ' '.join('=' * width for width in widths)
    text = [' '.join(cell.ljust(width) for cell, width in zip(line, widths))
            .rstrip() for line in lines]
    return '\n'.join([rule, text[0], rule] + text[1:] + [rule])


def split(text):
    """What comes before the table, the table, and what comes after it."""
    before, rest = text.split(BEGIN)
    written, after = rest.split(END)
    return before + BEGIN + '\n\n', written.strip(), '\n\n' + END + after


def compare(written, seen):
    """Says what differs; true where nothing does."""
    written, seen = written.splitlines(), seen.splitlines()
    for line in written:
        if line not in seen:
            print(f'# written: {line}')
    for line in seen:
        if line not in written:
            print(f'# seen:    {line}')
    return written == seen


def main():
    with tempfile.TemporaryDirectory() as directory:
        cells = os.path.join(directory, 'cells')
        print(f'TAP version 13\n1..{len(PROGRAMS) + 1}', flush=True)
        good = True
        for number, program in enumerate(PROGRAMS, 1):
            right = run(program, cells)
            print(f'{"ok" if right else "not ok"} {number} {program}',
                  flush=True)
            good &= right
        seen = table(read_cells(cells))
    write = sys.argv[1:2] == ['--write']
    path = sys.argv[2] if write else document()
    with open(path) as file:
        before, written, after = split(file.read())
    if write:
        with open(path, 'w') as file:
            file.write(before + seen + after)
        written = seen
    same = compare(written, seen)
    print(f'{"ok" if same else "not ok"} {len(PROGRAMS) + 1} '
          'the document has the table')
    sys.exit(0 if good and same else 1)


if __name__ == '__main__':
    main()
