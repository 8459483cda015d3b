#!/usr/bin/env python3
"""Counts the unit tests by folder of src: count_unit.py UNIT_TESTS LOG."""

import collections
import re
import subprocess
import sys

listing = subprocess.run([sys.argv[1], "--gtest_list_tests"], check=True, text=True,
                         stdout=subprocess.PIPE).stdout
layer, counts = None, collections.Counter()
for line in listing.splitlines():
    if not line.startswith(" "):
        layer = re.match(r"(?:[^/]*/)?([A-Z][a-z]*)", line)
        layer = layer.group(1).lower() if layer else "other"
    else:
        counts[layer] += 1
for name, count in sorted(counts.items()):
    print(f"unit {name}: {count}")
log = open(sys.argv[2]).read()
sys.exit(0 if "FAILED" not in log else 1)
