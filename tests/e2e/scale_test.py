"""Ten thousand requests with one instance each: calls and writes stay at their minimum (E1, E2)."""

import unittest

from tests.e2e.harness import (Operator, Simulator, Stack, account, condition, ids, request, running,
                               seed, wait_until)

COUNT = 10_000
# All are there before the start: with windows that no slow machine exceeds every batch is full.
PATIENT = ("--batch-idle", "2m", "--batch-max", "2m")


class ScaleTest(unittest.TestCase):
    def setUp(self):
        self.stack = Stack.shared()
        self.own = self.stack.operator_namespace()
        self.team = self.stack.namespace("team")
        self.simulator = Simulator(self.stack.dir, seed({"prefix": "po", "count": COUNT,
                                                        "region": "ap-guangzhou"}))

    def tearDown(self):
        self.simulator.stop()
        self.stack.clear()

    def operator(self, *flags):
        return Operator(self.stack.dir, self.stack.plane.kubeconfig, "--namespace", self.own, *flags)

    def requests(self):
        return [request(self.team, f"r{n:05}", [i]) for n, i in enumerate(ids("po", 1, COUNT))]

    def writes(self):
        return {plural: self.stack.api.writes(plural)
                for plural in ("instanceretirements", "retirementbatches", "cloudaccounts")}

    def wait_complete(self):
        def complete():
            items = self.stack.api.list("instanceretirements", self.team)
            return len(items) == COUNT and all(
                condition(o, "Ready").get("status") == "True" for o in items)
        wait_until("all requests are complete", complete, timeout=400, interval=2)

    def test_created_before_the_start(self):
        self.stack.api.create_many("instanceretirements", self.requests())
        before = self.writes()
        self.stack.apply(account(self.simulator))
        with running(self.operator(*PATIENT)):
            self.wait_complete()
            done = self.writes()
        calls = self.simulator.terminations()
        print(f"\n  calls {len(calls)}, status writes { {k: done[k] - before[k] for k in done} }, "
              f"looks {len(self.simulator.calls('DescribeInstances'))}")
        self.assertEqual(len(calls), COUNT // 100)
        self.assertEqual(sorted(i for c in calls for i in c), ids("po", 1, COUNT))
        self.assertLessEqual(done["instanceretirements"] - before["instanceretirements"], 2 * COUNT)
        # The third write of a batch is its creation.
        self.assertLessEqual(done["retirementbatches"] - before["retirementbatches"], 2 * len(calls))
        self.restart_writes_nothing()

    def test_created_in_one_go_with_a_restart_in_the_middle(self):
        self.stack.apply(account(self.simulator, api={"callValidity": "15s"}))
        before = self.writes()
        first = self.operator().wait_leading()
        self.stack.api.create_many("instanceretirements", self.requests())
        wait_until("a third of the calls", lambda: len(self.simulator.terminations()) > COUNT // 300)
        self.assertEqual(first.stop(), 0)
        with running(self.operator()):
            self.wait_complete()
            done = self.writes()
        calls = self.simulator.terminations()
        print(f"\n  calls {len(calls)}, status writes { {k: done[k] - before[k] for k in done} }")
        self.assertEqual(sorted(i for c in calls for i in c), ids("po", 1, COUNT))
        # Creation takes longer than the longest batch window, and the restart cuts batches short.
        self.assertLessEqual(len(calls), COUNT // 100 + 20)
        self.assertLessEqual(done["instanceretirements"] - before["instanceretirements"], 2 * COUNT)

    def restart_writes_nothing(self):
        before = self.writes()
        with running(self.operator().wait_leading()) as (operator,):
            wait_until("the restarted operator has looked at everything",
                       lambda: operator.metric('cvm_retirement_requests{phase="Complete"}') == COUNT)
            # Longer than the quiet time after which a difference would be written.
            wait_until("five rounds of metrics", rounds(operator, 5))
        self.assertEqual(self.writes(), before, "E3: a restart with nothing to do writes nothing")


def rounds(operator, count):
    """True after the process has spent `count` seconds by its own clock."""
    seen = set()

    def check():
        for line in operator.metrics().splitlines():
            if line.startswith("cvm_retirement_kube_requests_total") and 'kind="leases"' in line:
                seen.add(line)
        return len(seen) > count
    return check


if __name__ == "__main__":
    unittest.main()
