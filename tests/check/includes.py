#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Who may include whom: base <- net <- model <- {config, health} <- control <- {kernel, admin-api}
<- {daemon, cli}; every library and the kernel ABI only in the folder that owns it."""
import collections
import re

import tree

BELOW = {"base": [], "net": ["base"], "model": ["net"], "config": ["model"], "health": ["model"],
         "control": ["config", "health"], "kernel": ["control"], "admin-api": ["control"],
         "daemon": ["kernel", "admin-api"], "cli": ["kernel", "admin-api"]}

# What is included -> the folders that may.
OWNERS = [
    (r"<?loom/(?!verdict\.h)", {"kernel"}),
    (r"<?loom/verdict\.h", {"model", "control", "kernel", "admin-api"}),
    (r".*\.skel\.h", {"kernel"}),
    (r"<(bpf|xdp)/", {"kernel"}),
    (r"<(netlink|linux/(rt)?netlink)", {"kernel"}),
    (r"<yaml-cpp/", {"config"}),
    (r"<boost/", {"daemon", "cli"}),
    (r"<httplib\.h", {"admin-api", "cli"}),
    (r"<nlohmann/", {"admin-api", "cli", "model", "control"}),
    (r"<prometheus/", {"admin-api"}),
    (r"<spdlog/", {"daemon"}),
    (r"<systemd/", {"daemon"}),
]
ONE_FILE = ["<httplib.h>", "<spdlog/"]  # per folder: slow to compile, or throwing


def may_see(folder):
    """The folder itself and everything below it."""
    seen, todo = set(), [folder]
    while todo:
        name = todo.pop()
        seen.add(name)
        todo += BELOW[name]
    return seen


def folder_of(path):
    match = re.match(r"(?:lb/([a-z]+)|(admin-api))/", str(path))
    return (match.group(1) or match.group(2)) if match else None


def check_file(path, users):
    folder = folder_of(path)
    if folder not in BELOW:
        return [f"{path}: folder lb/{folder} is not in the order of tests/check/includes.py"]
    problems = []
    for number, what in tree.includes(path):
        target = folder_of(what)
        if target and target not in may_see(folder):
            problems.append(f"{path}:{number}: {folder} must not include {target} ({what})")
        for pattern, owners in OWNERS:
            if re.match(pattern, what) and folder not in owners:
                problems.append(f"{path}:{number}: only {', '.join(sorted(owners))} may include {what}")
        for single in ONE_FILE:
            if what.startswith(single):
                users[folder, single].add(path)
    return problems


def main():
    users = collections.defaultdict(set)
    problems = []
    for path in tree.code("lb/", "admin-api/"):
        problems += check_file(path, users)
    for (folder, what), files in users.items():
        if len(files) > 1:
            problems.append(f"{folder}: {what} in {len(files)} files: {', '.join(map(str, sorted(files)))}")
    tree.finish(problems, "include direction")


main()
