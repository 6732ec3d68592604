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


cases = list(xml.parse(sys.argv[1]).getroot().iter("testcase"))
failed = [case for case in cases if case.find("failure") is not None or case.get("status") == "fail"]
skipped = [case for case in cases if case not in failed and case.find("skipped") is not None]
print(len(cases) - len(failed) - len(skipped), len(failed), len(skipped))
for case in skipped:
    print(f"   skipped {case.get('name')}: {reason(case)}")
