#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The table of tests/README.md has every rule of the datapath, and only tests that there are."""
import re

import tree

README = "tests/README.md"
RULES = range(1, 37)


def rows():
    """(rule, text of the tests column) of the table."""
    return [(int(rule), tests) for rule, tests in
            re.findall(r"^\|\s*(\d+)\s*\|[^|]*\|([^|]*)\|$", tree.read(README), re.M)]


def google_tests():
    """Suite.Name of all tests."""
    return {f"{suite}.{name}" for path in tree.code("tests/")
            for suite, name in re.findall(r"^TEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\s*\)",
                                          tree.read(path), re.M)}


def programs():
    """ctest's names: kind.name."""
    found = set()
    for path in tree.paths():
        if path.name != "CMakeLists.txt" or not str(path).startswith("tests/"):
            continue
        text = tree.read(path)
        found |= {f"{kind}.{name}" for kind, name in re.findall(r"loom_test\((\w+) (\w+)", text)}
        found |= {f"netns.{name}" for name in re.findall(r"loom_netns_test\((\w+)", text)}
        for variable, names, body in re.findall(r"foreach\((\w+) ([^)]*)\)(.*?)endforeach", text,
                                                re.S):
            for kind in re.findall(r"loom_test\((\w+) \$\{" + variable, body):
                found |= {f"{kind}.{name}" for name in names.split()}
    return found


def exists(name, names):
    if name.endswith(".*"):
        return any(known.startswith(name[:-1]) for known in names)
    return name in names


def main():
    tests = google_tests()
    names = tests | programs()
    table = dict(rows())
    problems = [f"{README}: rule {rule} is missing" for rule in RULES if rule not in table]
    problems += [f"{README}: there is no rule {rule}" for rule in table if rule not in RULES]
    for rule, text in sorted(table.items()):
        listed = re.findall(r"`(\w+\.[\w*]+)`", text)
        problems += [f"{README}: rule {rule}: there is no test {name}" for name in listed
                     if not exists(name, names)]
        if listed:
            continue
        if "later:" not in text:
            problems.append(f"{README}: rule {rule} has no test and is not for later")
        if any(re.match(rf"Rule{rule:02}", name) for name in tests):
            problems.append(f"{README}: rule {rule} is no longer for later: it has tests")
    tree.finish(problems, "rules")


main()
