# SPDX-License-Identifier: Apache-2.0
"""The repository's files, for the checks: path relative to the root and text."""
import os
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SKIPPED = {".git", "build", ".cache", "__pycache__"}
CODE = (".c", ".h", ".cpp", ".hpp")


def paths():
    """Sorted; without what is generated."""
    found = []
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in SKIPPED]
        found += [pathlib.Path(folder, name).relative_to(ROOT) for name in files
                  if name not in SKIPPED]
    return sorted(found)


def code(*folders):
    """C and C++ files, below `folders` if any are given."""
    return [path for path in paths()
            if path.suffix in CODE and (not folders or str(path).startswith(folders))]


def read(path):
    return (ROOT / path).read_text(encoding="utf-8")


def includes(path):
    """(line number, what) of every #include: without quotes, with angle brackets kept."""
    for number, line in enumerate(read(path).splitlines(), 1):
        match = re.match(r'\s*#\s*include\s+(?:"([^"]+)"|(<[^>]+>))', line)
        if match:
            yield number, match.group(1) or match.group(2)


def scripts():
    """Shell scripts, by their first line."""
    for path in paths():
        if (ROOT / path).is_symlink() or path.suffix in (".pcap", ".o"):
            continue
        with open(ROOT / path, "rb") as file:
            first = file.readline()
        if re.match(rb"#!.*\b(ba)?sh\b|# shellcheck shell=", first):
            yield path


def finish(problems, what):
    """Prints the problems; ends the check."""
    for problem in problems:
        print(problem)
    print(f"{what}: {len(problems)} problems")
    sys.exit(1 if problems else 0)
