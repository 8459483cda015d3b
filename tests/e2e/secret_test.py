"""Credentials: never seen, changed at any moment, and wiped from memory when they are replaced (S11)."""

import re
import unittest

from tests.e2e.fault_test import FENCE, FaultBase
from tests.e2e.harness import (SECRET_KEY, Operator, Simulator, account, condition, ids, request, running, seed,
                               wait_until)

MARKED = "VeryMarkedSecretOfTests"
OTHER_ID, OTHER_KEY = "AKIDofanother", "key-of-another-account"


class SecretTest(FaultBase):
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
            self.wait_phase("r", "Complete", timeout=600)
            seen += [operator.output(), self.plane.kubectl("get", "cacct,iret,rbatch,events", "-A", "-o", "json")]
        for text in seen:
            self.assertNotIn(MARKED, text)
            self.assertNotIn("secret-of-the-simulator", text)

    def test_a_rotated_secret_is_used_and_the_old_one_is_wiped(self):
        new_id, new_key = "AKIDrotated", "key-after-the-rotation"
        self.simulator.stop()
        self.simulator = Simulator(self.stack.dir, {**self.SEED, "credentials": [
            *self.SEED["credentials"], {"secretId": new_id, "secretKey": new_key}]})
        self.stack.apply(account(self.simulator), request(self.team, "before", ids("po", 1, 3)))
        with running(self.operator()) as (operator,):
            self.wait_phase("before", "Complete")
            self.assertTrue(SECRET_KEY.encode() in memory(operator), "the search would find it")
            self.stack.secret(self.own, secret_id=new_id, key=new_key)
            # The old credentials are refused from now on.
            self.simulator.fault(kind="error", action="DescribeInstances", code="AuthFailure.SecretIdNotFound", count=1)
            self.stack.apply(request(self.team, "after", ids("po", 4, 6)))
            self.wait_phase("after", "Complete", timeout=120)
            self.assertEqual(self.simulator.calls("TerminateInstances")[-1]["secretId"], new_id)
            found = memory(operator)
            self.assertTrue(new_key.encode() in found)
            self.assertFalse(SECRET_KEY.encode() in found, "S11: wiped")

    def test_plain_http_is_for_this_machine_only_and_said_loudly(self):
        self.stack.apply(account(self.simulator, endpoint="http://cvm.tencentcloudapi.com"), account(
            self.simulator, "near"))
        with running(self.operator()) as (operator,):
            wait_until("it is refused", lambda: condition(
                self.plane.get("cacct", "default"), "Ready").get("reason") == "InvalidSpec", 60)
            self.assertIn("plain http", condition(self.plane.get("cacct", "default"), "Ready")["message"])
            wait_until("the other is served", lambda: condition(
                self.plane.get("cacct", "near"), "Ready").get("status") == "True", 60)
        self.assertEqual(operator.output().count("speaks plain http"), 1)
        with running(self.operator("--allow-plain-http", "true")) as (operator,):
            wait_until("it is said", lambda: "credentials may cross the network unencrypted" in operator.output(), 30)

    def test_a_secret_swapped_for_another_accounts_proves_nothing(self):
        """S8: the other account sees none of our instances, which are neither gone nor called."""
        other = Simulator(self.stack.dir, {**seed({"prefix": "ot", "count": 5, "region": "ap-guangzhou"}),
                                           "credentials": [{"secretId": OTHER_ID, "secretKey": OTHER_KEY}]})
        cloud = self.proxy(self.simulator.port)
        cloud.route = lambda r: other.port if r.has(OTHER_ID) else self.simulator.port
        members = ids("po", 1, 3)
        self.stack.apply(account(cloud, **FENCE), request(self.team, "r", members, suspend=True))
        with running(other, self.operator()) as (_, operator):
            wait_until("they are seen", lambda: (self.get("r").get("status", {}).get("plan") or {}).get("digest"), 60)
            self.stack.secret(self.own, secret_id=OTHER_ID, key=OTHER_KEY)
            self.settled(operator, 11)  # the Secret is read again when it is older than 10 s
            self.stack.apply(request(self.team, "r", members))
            wait_until("all is said", lambda: self.phase("r") == "Incomplete", 120)
            self.assertGreater(len(other.calls("DescribeInstances")), 1)
            self.assertEqual({s for s in self.states("r").values()}, {("Failed", "NeverObserved")})
            self.assertEqual(other.calls("TerminateInstances") + self.simulator.calls("TerminateInstances"), [])
            # Swapped back, and asked to look again, it goes on.
            self.stack.secret(self.own)
            wait_until("the credentials are ours again", lambda: condition(
                self.plane.get("cacct", "default"), "CredentialsValid").get("status") == "True", 60)
            self.settled(operator, 11)
            self.plane.kubectl("annotate", "iret", "r", "-n", self.team, "cvm-retirement.dev/requestedAt=now")
            self.wait_phase("r", "Complete", timeout=120)
        self.assert_called_once(members)


def memory(operator):
    """What the process holds in memory that it can write."""
    pid, held = operator.process.pid, []
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb") as mem:
        for line in maps:
            where = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if where and "[vvar]" not in line:
                begin, end = (int(x, 16) for x in where.groups())
                if end - begin > 1 << 30:
                    continue  # a sanitizer's
                mem.seek(begin)
                try:
                    held.append(mem.read(end - begin))
                except OSError:
                    continue
    return b"".join(held)


if __name__ == "__main__":
    unittest.main()
