"""A cloud that refuses a whole account, and strangers at our doors."""

import resource
import socket
import unittest

from tests.e2e.behaviour_test import Base
from tests.e2e.harness import Simulator, account, condition, ids, request, running, wait_until


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

    def test_every_kind_of_refusal_is_probed_told_and_heals(self):
        """Accounts side by side, each refused for another reason."""
        codes = {"quota": "LimitExceeded.UserReturnQuota", "denied": "UnauthorizedOperation",
                 "rejected": "AuthFailure.SecretIdNotFound"}
        clouds = {}
        for n, (name, code) in enumerate(codes.items()):
            clouds[name] = Simulator(self.stack.dir, self.SEED)
            clouds[name].fault(kind="error", action="TerminateInstances", code=code, message="not now", count=1000)
            self.stack.apply(account(clouds[name], name), *[
                request(self.team, f"{name}{i}", ids("po", 1000 * n + 100 * i + 1, 1000 * n + 100 * i + 100),
                        accountRef={"name": name}) for i in range(5)])
        with running(*clouds.values(), self.operator()) as started:
            for name, code in codes.items():
                wait_until(f"{name} is shown", lambda: code in condition(
                    self.plane.get("cacct", name), "Ready").get("message", ""), 60)
            self.settled(started[-1], 20)
            for name, cloud in clouds.items():
                self.assertLessEqual(len(cloud.calls("TerminateInstances")), 6, name)
                cloud.admin("DELETE", "/admin/faults")
            for name in codes:
                for i in range(5):
                    # What was probed alone is remembered as refused, and goes last.
                    self.wait_phase(f"{name}{i}", "Complete", timeout=400)
            for cloud in clouds.values():
                called = [i for c in cloud.terminations() for i in c]
                self.assertEqual(len(called), len(set(called)), "S5")

    def test_requests_say_that_the_breaker_is_open(self):
        self.refused("InvalidAccount.UnpaidOrder")
        with running(self.operator()):
            # What holds a whole account is told on its requests after a minute.
            self.wait_ready_reason("r0", "BreakerOpen", timeout=150)


class StrangerTest(Base):
    def test_a_crowd_of_silent_connections_does_not_hide_the_health(self):
        with running(self.operator()) as (operator,):
            operator.wait_leading()
            crowd = []
            resource.setrlimit(resource.RLIMIT_NOFILE, [resource.getrlimit(resource.RLIMIT_NOFILE)[1]] * 2)
            try:
                for _ in range(10_000):
                    s = socket.socket()
                    s.settimeout(2)
                    if s.connect_ex(("127.0.0.1", operator.metrics_port)) == 0:
                        s.send(b"GET /metrics HTTP/1.1\r\nX: ")
                    crowd.append(s)
            except OSError:
                pass  # this process may not have more
            print(f"\n  {len(crowd)} connections")
            self.assertEqual(operator.text(operator.health, "/livez"), "ok\n")
            for s in crowd:
                s.close()
            wait_until("the metrics answer again", lambda: "cvm_retirement_leader" in operator.metrics(), 30)


if __name__ == "__main__":
    unittest.main()
