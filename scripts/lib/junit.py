#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""junit.py FILE: sums of a ctest result, "PASSED FAILED SKIPPED", then one line per skipped test."""
import re
import sys
import xml.etree.ElementTree as xml


def reason(case):
    """Why a test did not run: its own word for it ("SKIP: ..."), or GoogleTest's message."""
    output = case.findtext("system-out") or ""
    own = re.search(r"SKIP: (.*)", output)
    if own:
        return own.group(1)
    gtest = re.search(r": Skipped\n(.*)", output)
    return gtest.group(1) if gtest else "no reason given"


def chose_to_skip(case):
    """ctest says "skipped" also of a program that is missing or cannot be started: that is a failure."""
    skip = case.find("skipped")
    return skip is not None and (skip.get("message") or "").startswith("SKIP_")


cases = list(xml.parse(sys.argv[1]).getroot().iter("testcase"))
skipped = [case for case in cases if chose_to_skip(case)]
failed = [case for case in cases if case not in skipped and (
    case.find("failure") is not None or case.find("skipped") is not None
    or case.get("status") in ("fail", "notrun"))]
print(len(cases) - len(failed) - len(skipped), len(failed), len(skipped))
for case in skipped:
    print(f"   skipped {case.get('name')}: {reason(case)}")
