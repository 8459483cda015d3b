"""What others may do without being allowed to retire anything, and what is out of our hands: statuses that
somebody forged, requests that never end, keys that change, a cloud or a log that is out of reach."""

import collections
import json
import unittest

from tests.e2e.fault_test import FENCE, FaultBase
from tests.e2e.harness import GROUP, Simulator, account, condition, ids, request, running, wait_until

ROTATED = "AKIDrotated"
FAR = ("9223372036854775807", "9223372036854775806", "9999999998")
OPEN = ("Intent", "Accepted", "Ambiguous", None)


def says(c):
    return f"{c.get('status')} {c.get('reason')}: {c.get('message')}"


class Common(FaultBase):
    def within(self, seconds, what, check, shown):
        """Fails with what is shown instead."""
        try:
            return wait_until(what, check, seconds, 0.3)
        except TimeoutError:
            pass
        return self.fail(f"not within {seconds} s: {what}; shown: {shown()}")

    def account_ready(self, name="default"):
        return condition(self.plane.get("cacct", name), "Ready")

    def wait_account(self, seconds, reason, text=""):
        def told():
            ready = self.account_ready()
            return ready.get("status") == "False" and reason in (None, ready.get("reason")) and (
                text in ready.get("message", ""))
        self.within(seconds, f"the account is not Ready: {reason or ''} {text}", told,
                    lambda: says(self.account_ready()))

    def wait_told(self, seconds, name, *texts):
        """The request's Ready names one of the texts."""
        def told():
            ready = condition(self.get(name), "Ready")
            return ready.get("status") == "False" and any(t in says(ready) for t in texts)
        self.within(seconds, f"{name} says one of {texts}", told, lambda: says(condition(self.get(name), "Ready")))

    def wait_done(self, seconds, name, namespace=None):
        def get():
            return self.plane.get("iret", name, "-n", namespace or self.team).get("status", {})

        def shown():
            members = collections.Counter((m["state"], m.get("reason")) for m in get().get("instances", []))
            return says(condition({"status": get()}, "Ready")), dict(members)
        self.within(seconds, f"{name} is Complete", lambda: get().get("phase") == "Complete", shown)
        return get()

    def wait_state(self, seconds, name, state, namespace=None):
        """All members of a request are in that state, with that reason."""
        def get():
            status = self.plane.get("iret", name, "-n", namespace or self.team).get("status", {})
            return {(m["state"], m.get("reason")) for m in status.get("instances", [])}
        self.within(seconds, f"{name} is {state}", lambda: get() == {state}, get)

    def batches(self):
        return self.plane.get("rbatch")["items"]

    def annotate(self, kind, name, text, *more):
        self.plane.kubectl("annotate", kind, name, text, *more)


class ForgedTest(Common):
    def forge(self, namespace, name, members):
        done = self.plane.kubectl("patch", "iret", name, "-n", namespace, "--subresource=status", "--type=merge", "-p",
                                  json.dumps({"status": {"instances": members}}), check=False)
        # That the schema refuses it is as good.
        self.assertTrue(done.returncode == 0 or "Invalid value" in done.stderr, done.stderr)

    def test_a_forged_status_of_who_is_not_allowed_changes_nothing(self):
        evil = self.stack.namespace("evil")
        members = ids("po", 11, 14)
        self.stack.apply(account(self.simulator, allowedNamespaces={"names": [self.team]}),
                         request(self.team, "first", ids("po", 1, 2)),
                         *[request(evil, f"far{n}", ids("po", 101 + n, 101 + n)) for n in range(len(FAR))],
                         request(evil, "theirs", members[:1]), request(evil, "unnamed", ids("po", 110, 110)))
        with running(self.operator()):
            self.wait_done(90, "first")
        for n, number in enumerate(FAR):
            self.forge(evil, f"far{n}", [{"id": ids("po", 101 + n, 101 + n)[0], "state": "Verifying",
                                          "batch": f"default.ap-guangzhou.{number}"}])
        for name, target in (("theirs", members[0]), ("unnamed", members[1])):  # one is not even in its spec
            self.forge(evil, name, [{"id": target, "state": "Verifying", "attempts": 7,
                                     "requestId": "request-of-a-stranger", "batch": "default.ap-guangzhou.0000000012"}])
        self.stack.apply(request(self.team, "r", members))
        with running(self.operator()):
            status = self.wait_done(90, "r")  # it would be delayed by six minutes
        self.assert_called_once(ids("po", 1, 2) + members)
        numbers = [b["spec"]["sequence"] for b in self.batches()]
        self.assertLess(max(numbers), 100, "nobody but the log numbers its entries")
        self.assertNotIn("request-of-a-stranger", json.dumps(status))
        self.assertEqual({m.get("attempts") for m in status["instances"]}, {1})


class FinalizerTest(Common):
    def test_requests_that_are_deleted_but_never_gone_hold_nobody_up(self):
        other = self.stack.namespace("other")
        members = ids("po", 1, 40)
        stuck = [request(other, name, members) for name in ("stuck0", "stuck1")]
        for r in stuck:
            r["metadata"]["finalizers"] = ["tests.example.com/for-ever"]
            r["spec"]["suspend"] = True
        try:
            self.stack.apply(account(self.simulator), *stuck)
            self.plane.kubectl("delete", "iret", "stuck0", "-n", other, "--wait=false")
            with running(self.operator()) as (operator,):
                operator.wait_leading()
                relists = 'cvm_retirement_watch_restarts_total{kind="instanceretirements"'
                before = operator.metric(relists)
                for n in range(4):
                    self.stack.apply(request(self.team, f"r{n}", members[10 * n:10 * (n + 1)]))
                    self.wait_done(90, f"r{n}")
                    if n == 1:
                        self.plane.kubectl("delete", "iret", "stuck1", "-n", other, "--wait=false")
                restarts = operator.metric(relists) - before
                reasons = [line for line in operator.metrics().splitlines() if "_watch_restarts_total{" in line]
            self.assertLessEqual(restarts, 2, f"relists for {len(self.batches())} batches: {reasons}")
            self.assert_called_once(members)
        finally:
            for name in ("stuck0", "stuck1"):
                self.plane.kubectl("patch", "iret", name, "-n", other, "--type=merge", "-p",
                                   '{"metadata":{"finalizers":null}}', check=False)


class RotationTest(Common):
    """The key is replaced by another one of the same cloud account while calls are being verified."""

    def start(self, *more):
        """A call is accepted under the old key, and takes effect while nobody looks."""
        self.simulator.stop()
        self.simulator = Simulator(self.stack.dir, {
            **self.SEED, "delays": {"terminateShortest": "8s", "terminateLongest": "9s", "describeLag": "0s"},
            "credentials": [*self.SEED["credentials"], {"secretId": ROTATED, "secretKey": "key-of-the-rotation"}]})
        members = ids("po", 1, 20)
        self.stack.apply(account(self.simulator, **FENCE), *more)
        with running(self.operator()) as (operator,):
            for r in more:
                name = r["metadata"]["name"]
                wait_until(f"{name} is seen", lambda: (
                    self.get(name).get("status", {}).get("plan") or {}).get("digest"))
            self.stack.apply(request(self.team, "r", members))
            wait_until("a call", self.simulator.terminations, interval=0.05)
            self.assertEqual(operator.stop(), 0)
        self.assertEqual([b["status"]["phase"] for b in self.batches()], ["Accepted"])
        self.stack.secret(self.own, secret_id=ROTATED, key="key-of-the-rotation")
        wait_until("they are gone", lambda: all(self.simulator.instances()[i]["gone"] for i in members), 60)
        return members

    def entry(self):
        return self.batches()[0]

    def test_another_instance_that_both_keys_see_proves_that_it_is_one_account(self):
        members = self.start(request(self.team, "witness", ids("po", 21, 25), suspend=True))
        with running(self.operator()):
            status = self.wait_done(180, "r")
            self.within(30, "the entry is Verified", lambda: self.entry()["status"]["phase"] == "Verified",
                        lambda: self.entry()["status"])
        self.assertEqual({m["state"] for m in status["instances"]}, {"Retired"})
        self.assertEqual(self.simulator.calls("DescribeInstances")[-1]["secretId"], ROTATED)
        self.assert_called_once(members)

    def test_without_a_witness_a_person_can_close_the_entry(self):
        members = self.start()
        with running(self.operator()) as (operator,):
            self.within(180, "the request says what a person can do",
                        lambda: "cvm-retirement.dev/close" in json.dumps(self.get("r")["status"]),
                        lambda: (says(condition(self.get("r"), "Ready")), self.reasons("r")))
            self.assertIn(self.entry()["status"]["phase"], OPEN, "what was not seen is not believed")
            self.assertNotIn("Retired", {state for state, _ in self.reasons("r")})
            name = self.entry()["metadata"]["name"]
            self.annotate("rbatch", name, "cvm-retirement.dev/close=ops: rotated")
            self.within(60, "the entry is closed", lambda: self.entry()["status"]["phase"] not in OPEN,
                        lambda: self.entry()["status"])
            self.assertIn("ops: rotated", json.dumps(self.entry()["status"]), "who and why")
            self.within(90, "the members are judged anew", lambda: {state for state, _ in self.reasons("r")} <= {
                "Retired", "Failed", "Blocked"} and all(reason not in (None, "VerifyDeadlineExceeded")
                                                        for _, reason in self.reasons("r")),
                        lambda: self.reasons("r"))
            self.settled(operator, 5)
            self.assertNotIn(self.entry()["status"]["phase"], OPEN, "it stays closed")
        self.assert_called_once(members)


class OutOfReachTest(Common):
    def test_a_cloud_out_of_reach_is_told_and_found_again(self):
        self.stack.apply(account(self.simulator), request(self.team, "before", ids("po", 1, 2)))
        with running(self.operator()):
            self.wait_done(90, "before")
            self.simulator.stop()
            self.stack.apply(request(self.team, "r", ids("po", 3, 5)))
            self.wait_account(40, "ServiceUnreachable")
            self.wait_told(20, "r", "ServiceUnreachable", "unreachable", "refused")
            self.simulator = Simulator(self.stack.dir, self.SEED, port=self.simulator.port)
            self.wait_done(180, "r")
            self.within(40, "the account is Ready", lambda: self.account_ready().get("status") == "True",
                        lambda: says(self.account_ready()))
        self.assert_called_once(ids("po", 3, 5))

    def test_a_log_that_cannot_be_written_is_told(self):
        policy = "no-batches"
        self.stack.apply(account(self.simulator), request(self.team, "before", ids("po", 1, 2)))
        with running(self.operator()) as (operator,):
            self.wait_done(90, "before")
            copy = self.batches()[0]
            copy["metadata"] = {"name": "default.ap-guangzhou.0000000099", "labels": copy["metadata"]["labels"]}
            copy["spec"]["sequence"] = 99
            rules = [{"apiGroups": ["cvm-retirement.dev"], "apiVersions": ["*"], "operations": ["CREATE"],
                      "resources": ["retirementbatches"]}]
            try:
                self.stack.apply(
                    {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
                     "metadata": {"name": policy}, "spec": {
                         "failurePolicy": "Fail", "matchConstraints": {"resourceRules": rules}, "validations": [
                             {"expression": "false", "message": "no room for the log", "reason": "Forbidden"}]}},
                    {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
                     "metadata": {"name": policy}, "spec": {"policyName": policy, "validationActions": ["Deny"]}})

                def refused():
                    path = f"/apis/{GROUP}/retirementbatches?dryRun=All"
                    return b"no room for the log" in self.stack.api.request("POST", path, copy)[1]
                wait_until("the policy counts", refused, 60, 0.3)
                self.stack.apply(request(self.team, "r", ids("po", 3, 5)))
                self.wait_account(40, "LogNotWritable", "no room for the log")
                self.settled(operator, 5)
                self.assertEqual(len(self.simulator.calls("TerminateInstances")), 1, "no call without an entry")
            finally:
                for kind in ("validatingadmissionpolicybinding", "validatingadmissionpolicy"):
                    self.plane.kubectl("delete", kind, policy, "--ignore-not-found")
            self.wait_done(180, "r")
            self.within(40, "the account is Ready", lambda: self.account_ready().get("status") == "True",
                        lambda: says(self.account_ready()))
        self.assert_called_once(ids("po", 1, 5))

    def test_looks_that_are_always_too_late_are_told(self):
        self.simulator.fault(kind="error", action="DescribeInstances", code="AuthFailure.SignatureExpire",
                             message="The signature has expired.", count=10 ** 9)
        self.stack.apply(account(self.simulator), request(self.team, "r", ids("po", 1, 3)))
        with running(self.operator()):
            wait_until("it was refused", lambda: self.simulator.calls("DescribeInstances"), 60)
            self.wait_account(40, None, "AuthFailure.SignatureExpire")
            self.wait_told(20, "r", "SignatureExpire", "ClockSuspect", "CredentialsRejected", "ServiceError")
            self.simulator.admin("DELETE", "/admin/faults")
            self.wait_done(180, "r")
        self.assert_called_once(ids("po", 1, 3))


class NeighbourTest(Common):
    """Requests of two namespaces that name the same instance."""

    def setUp(self):
        super().setUp()
        self.other = self.stack.namespace("other")
        self.member = ids("po", 1, 1)

    def test_an_expectation_of_another_request_is_not_mine(self):
        wrong = [{"id": self.member[0], "expect": {"name": "another-machine"}}]
        self.stack.apply(account(self.simulator), request(self.other, "theirs", wrong))
        with running(self.operator()) as (operator,):
            self.wait_state(60, "theirs", ("Blocked", "ExpectMismatch"), self.other)
            self.stack.apply(request(self.team, "mine", self.member))
            self.wait_done(90, "mine")
            self.settled(operator, 3)
            self.wait_state(1, "mine", ("Retired", "RetiredByUs"))
            # What blocked it is gone, and so is what it names.
            self.wait_state(1, "theirs", ("Retired", "RetiredByUs"), self.other)
        self.assert_called_once(self.member)

    def test_a_hold_of_another_request_is_told(self):
        hold = {"hold.cvm-retirement.dev/x": "owner: look first"}
        self.stack.apply(account(self.simulator), request(self.other, "held", self.member, annotations=hold))
        with running(self.operator()) as (operator,):
            wait_until("the hold is seen", lambda: condition(self.plane.get(
                "iret", "held", "-n", self.other), "Permitted").get("reason") == "HoldPresent", 60)
            self.stack.apply(request(self.team, "mine", self.member))
            self.wait_state(60, "mine", ("Waiting", "HeldByOther"))
            self.settled(operator, 5)
            self.assertEqual(self.simulator.calls("TerminateInstances"), [])
            status = json.dumps(self.get("mine")["status"])
            self.assertNotIn(self.other, status, "whose hold it is, is not told")
            self.assertNotIn("look first", status)
            self.annotate("iret", "held", "hold.cvm-retirement.dev/x-", "-n", self.other)
            self.wait_done(120, "mine")
        self.assert_called_once(self.member)


if __name__ == "__main__":
    unittest.main()
