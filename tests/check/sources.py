#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every source file: licence in its first lines, at most 400 lines, no left-over notes, no paths of
somebody's machine; every relative link of a Markdown file leads somewhere."""
import re

import tree

LICENCE = "SPDX-License-Identifier: Apache-2.0"
EBPF_LICENCE = "SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause"
MAX_LINES = 400
# Split, so that this file does not find itself.
NOTES = re.compile(r"\b(TO" "DO|FIX" "ME|XX" "X|HA" "CK)\\b")
MACHINE = re.compile(r"(?<![\w$}.])/(work|home|Users)/\w")


def is_source(path):
    if path.suffix in (*tree.CODE, ".py", ".sh"):
        return True
    return path.suffix == "" and tree.read(path).startswith("#!")


def check_source(path, lines):
    licence = LICENCE
    if str(path).startswith("ebpf/") or path.name.endswith(".bpf.c"):
        licence = EBPF_LICENCE
    if not any(licence in line for line in lines[:4]):
        yield f"{path}:1: no line \"{licence}\""
    if path.suffix in tree.CODE and len(lines) > MAX_LINES:
        yield f"{path}: {len(lines)} lines, at most {MAX_LINES}"


def check_text(path, lines):
    for number, line in enumerate(lines, 1):
        if NOTES.search(line):
            yield f"{path}:{number}: left-over note: {line.strip()}"
        if MACHINE.search(line):
            yield f"{path}:{number}: path of one machine: {line.strip()}"


def check_links(path, text):
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if "://" not in target and not (tree.ROOT / path.parent / target).exists():
            yield f"{path}: link to {target} leads nowhere"


def main():
    problems = []
    for path in tree.paths():
        if path.name.startswith("LICENSE") or "corpus" in path.parts:
            continue
        try:
            text = tree.read(path)
        except UnicodeDecodeError:
            continue  # test data
        lines = text.splitlines()
        problems += check_text(path, lines)
        if is_source(path):
            problems += check_source(path, lines)
        if path.suffix == ".md":
            problems += check_links(path, text)
    tree.finish(problems, "sources")


main()
