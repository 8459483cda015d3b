"""A cloud that refuses or cannot keep up, and secrets that must not be seen."""

import collections
import socket
import unittest

from tests.e2e.behaviour_test import Base
from tests.e2e.harness import Operator, Simulator, account, condition, ids, request, running, wait_until

MARKED = "VeryMarkedSecretOfTests"


class BreakerTest(Base):
    def refused(self, code):
        self.simulator.fault(kind="error", action="TerminateInstances", code=code, message="not now", count=1000)
        self.stack.apply(account(self.simulator), *[
            request(self.team, f"r{n}", ids("po", 100 * n + 1, 100 * n + 100)) for n in range(5)])

    def test_a_refused_account_is_probed_and_heals(self):
        self.refused("InvalidAccount.UnpaidOrder")
        with running(self.operator()) as (operator,):
            wait_until("the account shows it", lambda: condition(
                self.plane.get("cacct", "default"), "Ready").get("reason") == "BreakerOpen", 60)
            message = condition(self.plane.get("cacct", "default"), "Ready")["message"]
            self.assertIn("UnpaidOrder", message)
            self.settled(operator, 20)
            # 5 s, 10 s, 20 s ... between probes: no storm.
            self.assertLessEqual(len(self.simulator.calls("TerminateInstances")), 6)
            self.simulator.admin("DELETE", "/admin/faults")
            for n in range(5):
                self.wait_phase(f"r{n}", "Complete", timeout=150)
        called = [i for c in self.simulator.terminations() for i in c]
        self.assertEqual(len(called), len(set(called)), "S5")

    def test_requests_say_that_the_breaker_is_open(self):
        self.refused("InvalidAccount.UnpaidOrder")
        with running(self.operator()):
            # What holds a whole account is told on its requests after a minute.
            self.wait_ready_reason("r0", "BreakerOpen", timeout=150)


class OverloadTest(Base):
    def test_a_throttling_cloud_gets_everything_in_the_end(self):
        # Every call is refused for a while: the rate falls, and in the end everything goes, once.
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


class SecretTest(Base):
    def test_a_secret_is_never_seen(self):
        """S11: at the most verbose level, with failures of every kind."""
        self.stack.secret(self.own, key=MARKED)  # the service refuses the signatures
        for kind in ({"kind": "status", "status": 502}, {"kind": "dropBefore"}, {"kind": "truncate"}):
            self.simulator.fault(**kind, action="DescribeInstances", count=1)
        self.stack.apply(account(self.simulator), request(self.team, "r", ids("po", 1, 3)))
        with running(self.operator("--log-level", "debug")) as (operator,):
            wait_until("the refusal is told", lambda: condition(
                self.plane.get("cacct", "default"), "CredentialsValid").get("status") == "False", 60)
            self.settled(operator, 8)
            seen = [operator.output(), operator.metrics(), operator.text(operator.health, "/readyz")]
            for kind in ("cacct", "rbatch", "iret -A", "events -A", "lease -A"):
                seen.append(self.plane.kubectl("get", *kind.split(), "-o", "json"))
            lost = Operator(self.stack.dir, "/nonexistent", environment={"TENCENTCLOUD_SECRET_KEY": MARKED})
            self.assertEqual(lost.process.wait(10), 2)
            lost.stop()
            seen.append(lost.output())
            # What is right is accepted at once, and is not seen either.
            self.stack.secret(self.own)
            self.wait_phase("r", "Complete", timeout=120)
            seen += [operator.output(), self.plane.kubectl("get", "cacct,iret,rbatch,events", "-A", "-o", "json")]
        for text in seen:
            self.assertNotIn(MARKED, text)
            self.assertNotIn("secret-of-the-simulator", text)


class StrangerTest(Base):
    def test_a_crowd_of_silent_connections_does_not_hide_the_health(self):
        with running(self.operator()) as (operator,):
            operator.wait_leading()
            crowd = []
            try:
                for _ in range(2_000):
                    s = socket.socket()
                    s.settimeout(2)
                    if s.connect_ex(("127.0.0.1", operator.metrics_port)) == 0:
                        s.send(b"GET /metrics HTTP/1.1\r\nX: ")
                    crowd.append(s)
            except OSError:
                pass  # refused: that is an answer, too
            self.assertEqual(operator.text(operator.health, "/livez"), "ok\n")
            for s in crowd:
                s.close()
            wait_until("the metrics answer again", lambda: "cvm_retirement_leader" in operator.metrics(), 30)


if __name__ == "__main__":
    unittest.main()
