#!/usr/bin/env python3
"""The tests by layer: summary.py UNIT_TESTS UNIT_LOG INTEGRATION_LOG FUZZ_LOG. Fails if one failed.

A unit test's layer is the folder of its file under tests/.
"""

import collections
import json
import pathlib
import re
import subprocess
import sys
import tempfile


def by_folder(program):
    with tempfile.TemporaryDirectory() as directory:
        listing = pathlib.Path(directory) / "tests.json"
        subprocess.run([program, "--gtest_list_tests", f"--gtest_output=json:{listing}"], check=True,
                       stdout=subprocess.DEVNULL)
        suites = json.loads(listing.read_text())["testsuites"]
    counts = collections.Counter()
    for suite in suites:
        for test in suite["testsuite"]:
            folder = pathlib.Path(test["file"]).parent.name
            counts["architecture" if folder == "tests" else folder] += 1
    return counts


def number(pattern, text):
    found = re.search(pattern, text)
    return int(found.group(1)) if found else 0


def main():
    unit, integration, fuzz = (pathlib.Path(p).read_text() for p in sys.argv[2:5])
    passed = number(r"\[  PASSED  \] (\d+) test", unit)
    counts = by_folder(sys.argv[1])
    failed = sum(counts.values()) - passed
    print("Tests by layer")
    for folder, count in sorted(counts.items()):
        print(f"  unit {folder}: {count}")
    for name, count in re.findall(r"^fuzz (\w+): (\d+) runs, nothing found", fuzz, re.M):
        print(f"  fuzz {name}: {count} runs")
    for line in re.findall(r"^(?:crds|e2e|crash|sdk|chart): .*|^  skipped .*", integration, re.M):
        print(f"  {line}")
    for good, bad in re.findall(r"^(?:crds|e2e|crash|sdk|chart): (\d+) passed, (\d+) failed", integration, re.M):
        passed, failed = passed + int(good), failed + int(bad)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
