"""A sample of tests/crash/crash.py: kills early, around the first call, and late."""

import unittest

from tests.crash.crash import run_all
from tests.e2e.harness import Stack

SAMPLE = [(k, when) for k in (6, 14, 19, 24, 31, 40) for when in ("before", "after")]


class CrashTest(unittest.TestCase):
    def test_killed_at_some_requests_it_ends_right(self):
        stack = Stack.shared()
        results = run_all(stack, SAMPLE, len(SAMPLE))
        self.assertEqual([r[4] for r in results if r[4]], [])
        self.assertGreaterEqual(sum(1 for r in results if r[2]), len(SAMPLE) - 2, "the kills happened")


if __name__ == "__main__":
    unittest.main()
