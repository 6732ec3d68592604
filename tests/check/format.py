#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""clang-format would change nothing: .clang-format of the root, ebpf/.clang-format for BPF code."""
import os
import shutil
import subprocess

import tree


def main():
    if not shutil.which("clang-format"):
        print("SKIP: clang-format is not installed (scripts/bootstrap)")
        raise SystemExit(77)
    problems = []
    for path in tree.code():
        style = "file"
        if path.name.endswith(".bpf.c"):
            style = f"file:{tree.ROOT}/ebpf/.clang-format"
        done = subprocess.run(["clang-format", "--dry-run", "-Werror", f"--style={style}", str(path)],
                              cwd=tree.ROOT, capture_output=True, text=True, env=os.environ, check=False)
        if done.returncode != 0:
            problems.append(f"{path}: {done.stderr.strip().splitlines()[0]}")
    tree.finish(problems, "format")


main()
