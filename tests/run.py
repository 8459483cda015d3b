#!/usr/bin/env python3
"""Runs the tests in Python, prints their number by layer, and why any was skipped."""

import pathlib
import signal
import sys
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
LAYERS = ("crds", "e2e", "crash", "sdk", "chart")


class Result(unittest.TextTestResult):
    def startTest(self, test):
        super().startTest(test)
        self.began = time.monotonic()

    def stopTest(self, test):
        super().stopTest(test)
        self.stream.writeln(f"    {time.monotonic() - self.began:.1f} s")


def main():
    # So that a test run that is ended leaves no process behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    wanted = sys.argv[1:]
    failed, lines = False, []
    for layer in LAYERS:
        suite = unittest.TestSuite()
        for path in sorted((ROOT / "tests" / layer).glob("*_test.py")):
            name = f"tests.{layer}.{path.stem}"
            if not wanted or any(w in name for w in wanted):
                suite.addTests(unittest.defaultTestLoader.loadTestsFromName(name))
        if suite.countTestCases() == 0:
            continue
        result = unittest.TextTestRunner(verbosity=2, resultclass=Result).run(suite)
        failed = failed or not result.wasSuccessful()
        bad = len(result.failures) + len(result.errors)
        lines.append((layer, result.testsRun - bad - len(result.skipped), bad, result.skipped))
    print()
    for layer, passed, bad, skipped in lines:
        print(f"{layer}: {passed} passed, {bad} failed, {len(skipped)} skipped")
        for test, reason in skipped:
            print(f"  skipped {test.id()}: {reason}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
