#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every way out of the datapath is named by a datapath test."""
import re

import tree

LISTS = [("ebpf/include/loom/verdict.h", "LOOM_VERDICT_LIST"),
         ("ebpf/include/loom/decap.h", "LOOM_DECAP_VERDICT_LIST")]


def main():
    tests = "\n".join(tree.read(path) for path in tree.code("tests/datapath/"))
    problems = []
    for header, name in LISTS:
        body = re.search(name + r"\(V\)(.*?)(?<!\\)\n", tree.read(header), re.S)
        verdicts = re.findall(r"\bV\(\s*([A-Z][A-Z0-9_]+)", body.group(1)) if body else []
        if not verdicts:
            problems.append(f"{header}: no {name}")
        problems += [f"{header}: {verdict} is in no test of tests/datapath" for verdict in verdicts
                     if not re.search(rf"(\b|_){verdict}\b", tests)]
    tree.finish(problems, "verdicts")


main()
