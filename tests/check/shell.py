#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""shellcheck has nothing to say about any shell script."""
import shutil
import subprocess

import tree


def main():
    if not shutil.which("shellcheck"):
        print("SKIP: shellcheck is not installed (scripts/bootstrap)")
        raise SystemExit(77)
    problems = []
    for path in tree.scripts():
        done = subprocess.run(["shellcheck", "-x", "--severity=warning", "--format=gcc",
                               "--source-path", str(tree.ROOT / path.parent),
                               "--source-path", str(tree.ROOT), str(path)],
                              cwd=tree.ROOT, capture_output=True, text=True, check=False)
        problems += done.stdout.splitlines()
    tree.finish(problems, "shellcheck")


main()
