"""A cloud that cannot keep up, or refuses some of many: everything goes in the end, at little cost (E1)."""

import collections
import unittest

from tests.e2e.behaviour_test import GUANGZHOU, Base
from tests.e2e.harness import Simulator, account, ids, request, running, seed


class OverloadTest(Base):
    def test_a_throttling_cloud_gets_everything_in_the_end(self):
        # Every call is refused for a while: calls become few, and in the end everything goes, once.
        self.simulator.fault(kind="error", action="TerminateInstances", code="RequestLimitExceeded",
                             message="slow down", count=1000)
        self.stack.apply(account(self.simulator), *[
            request(self.team, f"r{n}", ids("po", 100 * n + 1, 100 * n + 100)) for n in range(10)])
        with running(self.operator()) as (operator,):
            self.settled(operator, 15)
            throttled = operator.metric("cvm_retirement_api_throttled_total")
            self.assertGreater(throttled, 0)
            self.assertLess(throttled, 40)  # at the configured rate they would be 120
            self.simulator.admin("DELETE", "/admin/faults")
            for n in range(10):
                self.wait_phase(f"r{n}", "Complete", timeout=200)
            self.assertLess(operator.metric("process_resident_memory_bytes"), 100e6)
        accepted = collections.Counter(i for c in self.simulator.terminations() for i in c)
        self.assertEqual(accepted, {i: 1 for i in ids("po", 1, 1000)})

    def test_a_poisoned_instance_costs_few_calls_although_nobody_names_it(self):
        self.simulator.stop()
        self.simulator = Simulator(self.stack.dir, {**self.SEED, "namesOffenders": False})
        members = ids("po", 1, 99) + ["ins-return01"]
        self.stack.apply(account(self.simulator), request(self.team, "r", members))
        with running(self.operator()):
            self.wait_phase("r", "Incomplete", timeout=200)
        self.assertEqual(self.states("r")["ins-return01"], ("Failed", "NotReturnable"))
        self.assertLessEqual(len(self.simulator.calls("TerminateInstances")), 16)
        accepted = collections.Counter(i for c in self.simulator.terminations() for i in c)
        self.assertEqual(accepted, {i: 1 for i in ids("po", 1, 99)})

    def test_nine_of_ten_are_throttled(self):
        """The service takes one call a second of the twenty that the account is configured for."""
        self.simulator.stop()
        self.simulator = Simulator(self.stack.dir, {**self.SEED, "limits": {"TerminateInstances": 1}})
        spec = account(self.simulator, rates={"terminatePerSecond": 20, "describePerSecond": 20,
                                                        "allowAboveDocumented": True})
        self.stack.apply(spec, *[request(self.team, f"r{n:02}", ids("po", 100 * n + 1, 100 * n + 100))
                                 for n in range(50)])
        with running(self.operator()) as (operator,):
            for n in range(50):
                self.wait_phase(f"r{n:02}", "Complete", timeout=300)
            throttled = operator.metric("cvm_retirement_api_throttled_total")
            print(f"\n  50 calls accepted, {throttled:.0f} throttled")
            self.assertGreater(throttled, 0)
            self.assertLess(throttled, 100)  # nine of ten would be 450
            self.assertLess(operator.metric("process_resident_memory_bytes"), 200e6)
        accepted = collections.Counter(i for c in self.simulator.terminations() for i in c)
        self.assertEqual(accepted, {i: 1 for i in ids("po", 1, 5000)})

    def test_a_slow_lane_does_not_slow_another(self):
        """One account's service answers after 31 s, too late to be heard; the other's at once."""
        slow = Simulator(self.stack.dir, seed({"prefix": "sl", "count": 300, **GUANGZHOU}))
        slow.fault(kind="delay", delay="31s", action="TerminateInstances", count=1000)
        fence = {"api": {"callValidity": "15s"}}
        self.stack.apply(
            account(slow, "slow", **fence), account(self.simulator, **fence),
            *[request(self.team, f"slow{n}", ids("sl", 100 * n + 1, 100 * n + 100), accountRef={"name": "slow"})
              for n in range(3)],
            *[request(self.team, f"fast{n}", ids("po", 100 * n + 1, 100 * n + 100)) for n in range(10)])
        with running(slow, self.operator()):
            for n in range(10):
                self.wait_phase(f"fast{n}", "Complete", timeout=90)
            unfinished = [n for n in range(3) if self.phase(f"slow{n}") != "Complete"]
            self.assertEqual(unfinished, [0, 1, 2], "the fast lane was done while the slow one waited")
            # Nobody knows whether these calls were accepted: absence is believed after five minutes.
            for n in range(3):
                self.wait_phase(f"slow{n}", "Complete", timeout=900)
            accepted = collections.Counter(i for c in slow.terminations() for i in c)
            self.assertEqual(accepted, {i: 1 for i in ids("sl", 1, 300)})

    def test_one_offender_in_a_hundred_among_ten_thousand(self):
        """E1: a call for each hundred, and at most fifteen for each offender, whom nobody names."""
        everything = ids("po", 1, 10_000)
        bad = everything[50::100]
        self.simulator.stop()
        self.simulator = Simulator(self.stack.dir, seed(
            {"prefix": "po", "count": 10_000, **GUANGZHOU},
            namesOffenders=False, limits={"TerminateInstances": 1000, "DescribeInstances": 1000}))
        for i in bad:
            self.simulator.change(id=i, refuseForGood=True)
        rates = {"terminatePerSecond": 50, "describePerSecond": 100, "allowAboveDocumented": True}
        requests = [request(self.team, f"r{n:02}", everything[200 * n:200 * (n + 1)]) for n in range(50)]
        self.stack.apply(account(self.simulator, rates=rates), *requests)
        with running(self.operator()):
            for n in range(50):
                self.wait_phase(f"r{n:02}", "Incomplete", timeout=400)
                states = self.states(f"r{n:02}")
                self.assertEqual({i for i in states if states[i] != ("Retired", "RetiredByUs")},
                                 set(bad[2 * n:2 * n + 2]))
        calls = len(self.simulator.calls("TerminateInstances"))
        print(f"\n  {calls} calls for 10,000 instances with 100 offenders")
        self.assertLessEqual(calls, 100 + 15 * 100)
        accepted = collections.Counter(i for c in self.simulator.terminations() for i in c)
        self.assertEqual(accepted, {i: 1 for i in everything if i not in bad})


if __name__ == "__main__":
    unittest.main()
