#!/usr/bin/env python3
"""Writes the snippets of docs/inspect-the-ir.md anew from what the compiler prints; --check fails with the difference.

    scripts/update-ir-guide.py [--check] [--bin build/release/bin]

A fenced block below a comment

    <!-- gptc COMMAND | SELECTION -->

is made from the command's output, OUT standing for a file that is thrown away. The selection is `lines REGEX`, or, of printed IR,
`scope NAME [without REGEX]` (the ops of the entry function that stand in that scope) or `kernel NAME`. Locations are left out, and
what is equal in an earlier step of the guide is run once.
"""

import argparse
import difflib
import functools
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
GUIDE = ROOT / "docs" / "inspect-the-ir.md"
MARKER = re.compile(r"<!-- gptc (.*) \| (.*) -->")
LOCATION = re.compile(r" ?loc\((#loc\d*|\"[^\"]*\"|unknown)\)")


def operations(lines, indent):
    """Lines of each operation at one indentation; regions belong to their operation."""
    start = " " * indent
    current = []
    for line in lines:
        if not line.startswith(start):
            current = []
            continue
        current.append(line)
        if line[indent] != " " and not line.endswith("{"):
            yield current
            current = []


def without_locations(lines, indent):
    return [LOCATION.sub("", line)[indent:] for line in lines]


def in_scope(text, scope, without):
    """Operations of entry functions whose location is `scope` or within it."""
    locations = dict(re.findall(r'^(#loc\d*) = loc\("(.*)"\)$', text, re.M))
    lines = text.splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("  func.func"))
    result = []
    for operation in operations(lines[first + 1:], 4):
        location = re.search(r"loc\((#loc\d*)\)$", operation[-1])
        name = locations.get(location.group(1), "") if location else ""
        if (name == scope or name.startswith(scope + "/")) and not (without and re.search(without, operation[0])):
            result += without_locations(operation, 4)
    return result


def kernel(text, name):
    for operation in operations(text.splitlines(), 2):
        if f"gptc.kernel @{name} " in operation[0]:
            return without_locations(operation, 2)
    return []


def select(text, selection):
    kind, argument = selection.split(" ", 1)
    if kind == "lines":
        return [line for line in text.splitlines() if re.search(argument, line)]
    if kind == "kernel":
        return kernel(text, argument)
    scope, _, without = argument.partition(" without ")
    return in_scope(text, scope, without)


class Runner:
    def __init__(self, binaries, folder):
        self.gptc = binaries / "gptc"
        self.folder = folder

    @functools.cache
    def __call__(self, command):
        """What the commands print, one after the other where && stands between them."""
        for one in command.split(" && gptc "):
            arguments = [self.folder + "/out.gptc" if word == "OUT" else word for word in shlex.split(one)]
            done = subprocess.run([self.gptc, *arguments], capture_output=True, text=True)
            if done.returncode:
                sys.exit(f"gptc {one}: {done.stderr}")
        return done.stdout


def regenerate(guide, run):
    result = []
    lines = iter(guide.splitlines())
    for line in lines:
        result.append(line)
        marker = MARKER.fullmatch(line)
        if not marker:
            continue
        result.append(next(lines))
        while next(lines) != "```":
            pass
        snippet = select(run(marker.group(1)), marker.group(2))
        if not snippet:
            sys.exit(f"{GUIDE.name}: nothing is selected by: {line}")
        result += [*snippet, "```"]
    return "\n".join(result) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing, fail where the guide differs")
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build/release/bin", help="folder of gptc")
    arguments = parser.parse_args()
    old = GUIDE.read_text()
    with tempfile.TemporaryDirectory() as folder:
        new = regenerate(old, Runner(arguments.bin, folder))
    if not arguments.check:
        GUIDE.write_text(new)
    elif old != new:
        sys.stdout.writelines(difflib.unified_diff(old.splitlines(True), new.splitlines(True), "guide", "compiler"))
        sys.exit(f"{GUIDE.relative_to(ROOT)} is not what the compiler prints; run scripts/update-ir-guide.py and commit it.")


if __name__ == "__main__":
    main()
