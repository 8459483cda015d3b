"""What users see: one operator on a real kube-apiserver and the simulated cloud."""

import unittest

from tests.e2e.harness import (Operator, Simulator, Stack, account, condition, ids, request, running,
                               seed, wait_until)

GUANGZHOU = {"region": "ap-guangzhou"}


class Base(unittest.TestCase):
    SEED = seed({"prefix": "po", "count": 5000, **GUANGZHOU},
                {"prefix": "pr", "count": 200, "chargeType": "PREPAID", **GUANGZHOU},
                {"id": "ins-locked01", "protected": True, **GUANGZHOU},
                {"id": "ins-failed01", "state": "LAUNCH_FAILED", **GUANGZHOU},
                {"id": "ins-return01", "refuseForGood": True, **GUANGZHOU})

    def setUp(self):
        self.stack = Stack.shared()
        self.plane = self.stack.plane
        self.own = self.stack.operator_namespace()
        self.team = self.stack.namespace("team")
        self.simulator = Simulator(self.stack.dir, self.SEED)

    def tearDown(self):
        self.simulator.stop()
        self.stack.clear()

    def operator(self, *flags, **more):
        return Operator(self.stack.dir, self.plane.kubeconfig, "--namespace", self.own, *flags, **more)

    def get(self, name):
        return self.plane.get("iret", name, "-n", self.team)

    def phase(self, name):
        return self.get(name).get("status", {}).get("phase")

    def wait_phase(self, name, phase, timeout=90):
        wait_until(f"{name} is {phase}", lambda: self.phase(name) == phase, timeout, 0.3)
        return self.get(name)["status"]

    def wait_ready_reason(self, name, reason, timeout=90):
        wait_until(f"{name} is {reason}",
                   lambda: condition(self.get(name), "Ready").get("reason") == reason, timeout, 0.3)
        return self.get(name)["status"]

    def states(self, name):
        return {m["id"]: (m["state"], m.get("reason")) for m in self.get(name)["status"]["instances"]}

    def settled(self, operator, seconds=4):
        """Waits until the operator has renewed its lease `seconds` times more: time by its clock."""
        prefix = 'cvm_retirement_kube_requests_total{code="200",kind="leases",verb="update"}'
        goal = operator.metric(prefix) + seconds
        wait_until("the operator has gone on", lambda: operator.metric(prefix) >= goal, interval=0.2)


class RetireTest(Base):
    def test_prepaid_is_recycled_or_destroyed_and_options_are_sent(self):
        self.stack.apply(account(self.simulator, api={"callValidity": "15s"}),
                         request(self.team, "recycle", ids("pr", 1, 3)),
                         request(self.team, "destroy", ids("pr", 4, 5), termination={"prepaid": "Destroy"}))
        with running(self.operator()):
            status = self.wait_phase("recycle", "Complete")
            self.assertEqual(status["summary"]["recycled"], 3)
            status = self.wait_phase("destroy", "Complete", timeout=180)
            self.assertEqual(status["summary"]["retired"], 2)
        self.assertEqual(self.simulator.terminations(), [ids("pr", 1, 5), ids("pr", 4, 5)])

    def test_offenders_among_four_thousand_are_found_and_the_rest_is_retired(self):
        postpaid = ids("po", 1, 4000 - 3) + ["ins-return01", "ins-failed01", "ins-nosuch01"]
        groups = [postpaid[n::20] for n in range(20)]
        spared, groups[0][0] = groups[0][0], "ins-locked01"  # nobody asks for `spared` now
        self.stack.apply(account(self.simulator),
                         *[request(self.team, f"r{n:02}", g) for n, g in enumerate(groups)])
        bad = {"ins-locked01": ("Blocked", "InstanceProtected"),
               "ins-return01": ("Failed", "NotReturnable"),
               "ins-failed01": ("Failed", "NotReturnable"),
               "ins-nosuch01": ("Failed", "NeverObserved")}
        with running(self.operator()):
            def final():
                items = self.stack.api.list("instanceretirements", self.team)
                return all(o.get("status", {}).get("phase") in ("Complete", "Incomplete") for o in items)
            wait_until("all are final", final, timeout=240, interval=1)
        seen = {}
        for o in self.stack.api.list("instanceretirements", self.team):
            seen.update({m["id"]: (m["state"], m.get("reason")) for m in o["status"]["instances"]})
        self.assertEqual({i: s for i, s in seen.items() if s != ("Retired", "RetiredByUs")}, bad)
        cloud = self.simulator.instances()
        wanted = set(postpaid) - set(bad) - {spared}
        self.assertEqual([i for i in wanted if not cloud[i]["gone"]], [])
        self.assertFalse(cloud[spared]["gone"])
        calls = self.simulator.calls("TerminateInstances")
        print(f"\n  4,000 targets with four offenders: {len(calls)} calls")
        self.assertLessEqual(len(calls), 40 + 15)

    def test_a_blocked_member_goes_on_when_asked_to_look_again(self):
        self.stack.apply(account(self.simulator), request(self.team, "r", ["ins-locked01"]))
        with running(self.operator()):
            status = self.wait_phase("r", "Incomplete")
            self.assertEqual(status["instances"][0]["reason"], "InstanceProtected")
            self.simulator.change(id="ins-locked01", protected=False)
            self.plane.kubectl("annotate", "iret", "r", "-n", self.team, "cvm-retirement.dev/requestedAt=now")
            status = self.wait_phase("r", "Complete")
            self.assertEqual(status["lastHandledRequestedAt"], "now")

    def test_an_unclear_answer_is_followed_by_looks_not_by_a_second_call(self):
        self.simulator.fault(kind="dropAfter")
        self.stack.apply(account(self.simulator, api={"callValidity": "15s"}),
                         request(self.team, "r", ids("pr", 1, 4)))
        with running(self.operator()):
            self.wait_phase("r", "Verifying")
            self.assertEqual(self.plane.get("rbatch")["items"][0]["status"]["phase"], "Ambiguous")
            status = self.wait_phase("r", "Complete", timeout=180)
            self.assertEqual(status["summary"]["recycled"], 4)
        self.assertEqual(len(self.simulator.terminations()), 1)

    def test_throttling_repeats_the_same_entry(self):
        self.simulator.fault(kind="error", code="RequestLimitExceeded", count=2)
        self.stack.apply(account(self.simulator), request(self.team, "r", ids("po", 1, 4)))
        with running(self.operator()):
            self.wait_phase("r", "Complete")
        self.assertEqual(len(self.plane.get("rbatch")["items"]), 1)

    def test_the_seed_documents_request_is_sent(self):
        for n, signature in enumerate(("HmacSHA1", "HmacSHA256")):
            self.stack.apply(account(self.simulator, f"get{n}", api={"method": "GET", "signature": signature}),
                             request(self.team, f"r{n}", ids("po", n + 1, n + 1), accountRef={"name": f"get{n}"}))
        with running(self.operator()):
            for n in (0, 1):
                self.wait_phase(f"r{n}", "Complete")
        for call in self.simulator.calls("TerminateInstances"):
            self.assertEqual(call["method"], "GET")
            self.assertIn("SignatureMethod=HmacSHA", call["target"])
            member = [m for n in (0, 1) for m in self.get(f"r{n}")["status"]["instances"] if m["id"] == call["ids"][0]][0]
            self.assertEqual(member["requestId"], call["requestId"])
            batch = self.plane.get("rbatch", member["batch"])
            self.assertEqual(batch["status"]["requestId"], call["requestId"])

    def test_deleting_cancels_what_has_not_begun(self):
        self.stack.apply(account(self.simulator, paused=True), request(self.team, "r", ids("po", 1, 2)))
        with running(self.operator()) as (operator,):
            operator.wait_leading()
            self.plane.kubectl("delete", "iret", "r", "-n", self.team, "--timeout=5s")
            self.plane.kubectl("patch", "cacct", "default", "--type=merge", "-p", '{"spec":{"paused":false}}')
            self.settled(operator, 5)
        self.assertEqual(self.simulator.calls("TerminateInstances"), [])


class DryRunTest(Base):
    def run_with(self, mode, members):
        self.simulator.stop()
        self.simulator = Simulator(self.stack.dir, {**self.SEED, "dryRun": mode})
        self.stack.apply(account(self.simulator, api={"serverSideDryRun": True}),
                         request(self.team, "plan", members, mode="DryRun"))

    def messages(self):
        return {m["id"]: m.get("message", "") for m in self.get("plan")["status"]["instances"]}

    def test_the_service_is_asked_and_executes_nothing(self):
        self.run_with("honoured", ids("po", 1, 5) + ["ins-return01"])
        with running(self.operator()) as (operator,):
            operator.wait_leading()
            self.wait_phase("plan", "DryRun")
            messages = self.messages()
            self.settled(operator, 5)
        self.assertIn("the service agrees", messages["ins-po000001"])
        self.assertIn("would not be retired: NotReturnable", messages["ins-return01"])
        calls = self.simulator.calls("TerminateInstances")
        self.assertTrue(all(c["dryRun"] and not c["executed"] for c in calls), calls)
        # One asks first, alone; then the others, of which one is sought.
        self.assertEqual(len(calls[0]["ids"]), 1)
        self.assertLessEqual(len(calls), 4)
        self.assertEqual(len(self.plane.get("rbatch")["items"]), len(calls))

    def test_a_service_that_does_not_know_it_is_asked_once(self):
        self.run_with("unknown", ids("po", 1, 5))
        with running(self.operator()) as (operator,):
            operator.wait_leading()
            self.wait_phase("plan", "DryRun")
            wait_until("the account says so", lambda: "UnknownParameter" in condition(
                self.plane.get("cacct", "default"), "Ready").get("message", ""))
        self.assertEqual(len(self.simulator.calls("TerminateInstances")), 1)
        self.assertEqual(set(self.messages().values()), {"would be terminated"})

    def test_a_service_that_executes_it_is_never_called_again(self):
        self.run_with("ignored", ids("po", 1, 5))
        with running(self.operator()) as (operator,):
            operator.wait_leading()
            wait_until("the account stands still", lambda: condition(
                self.plane.get("cacct", "default"), "Ready").get("reason") == "DryRunExecuted", 60)
            wait_until("what was done is told", lambda: ("Retired", "RetiredByUs") in
                       self.states("plan").values(), 60)
        self.assertEqual(len(self.simulator.terminations()[0]), 1, "it risks one instance")
        self.stack.apply(request(self.team, "more", ids("po", 6, 9)))
        with running(self.operator()) as (operator,):
            operator.wait_leading()
            wait_until("requests wait", lambda: condition(
                self.get("more"), "Permitted").get("reason") == "AccountNotReady", 90)
        self.assertEqual(len(self.simulator.calls("TerminateInstances")), 1)


class WaitTest(Base):
    def test_what_waits_causes_no_call_and_is_written_once(self):
        self.stack.apply(
            account(self.simulator), account(self.simulator, "dry", mode="DryRun"),
            request(self.team, "suspended", ids("po", 1, 1), suspend=True),
            request(self.team, "held", ids("po", 2, 2),
                    annotations={"hold.cvm-retirement.dev/audit": "owner: look first"}),
            request(self.team, "later", ids("po", 3, 3), schedule={"notBefore": "2099-01-01T00:00:00Z"}),
            request(self.team, "grace", ids("po", 4, 4), schedule={"gracePeriod": "10h"}),
            request(self.team, "plan", ids("po", 5, 5), mode="DryRun"),
            request(self.team, "dry-account", ids("po", 6, 6), accountRef={"name": "dry"}))
        reasons = {"suspended": "Suspended", "held": "HoldPresent", "later": "NotBefore",
                   "grace": "GracePeriod", "plan": "DryRunComplete"}
        before = self.stack.api.writes("instanceretirements")
        with running(self.operator()) as (operator,):
            for name, reason in reasons.items():
                self.wait_ready_reason(name, reason)
            wait_until("the account shows its backlog", lambda: self.plane.get("cacct", "dry").get(
                "status", {}).get("waiting", {}).get("instances") == 1)
            self.settled(operator, 14)
            writes = self.stack.api.writes("instanceretirements") - before
            self.settled(operator, 12)
            self.assertEqual(self.stack.api.writes("instanceretirements") - before, writes)
            self.assertLessEqual(writes, 2 * 6)
            self.assertEqual(self.phase("suspended"), "Waiting")
            self.assertEqual(self.get("later")["status"]["nextAttemptTime"], "2099-01-01T00:00:00Z")
            self.assertEqual(self.states("plan"), {"ins-po000005": ("Planned", "WouldRetire")})
            table = self.plane.kubectl("get", "iret", "-n", self.team)
            self.assertRegex(table, r"held +default +ap-guangzhou +0/1 +0 +Waiting +HoldPresent")
        self.assertEqual(self.simulator.calls("TerminateInstances"), [])

    def test_what_waited_goes_on_when_it_may(self):
        self.stack.apply(account(self.simulator, paused=True),
                         request(self.team, "r", ids("po", 1, 3), suspend=True,
                                 annotations={"hold.cvm-retirement.dev/a": "x: y"}))
        with running(self.operator()):
            self.wait_ready_reason("r", "Paused", timeout=120)
            self.plane.kubectl("patch", "cacct", "default", "--type=merge", "-p", '{"spec":{"paused":false}}')
            self.wait_ready_reason("r", "Suspended")
            self.plane.kubectl("patch", "iret", "r", "-n", self.team, "--type=merge", "-p", '{"spec":{"suspend":false}}')
            self.wait_ready_reason("r", "HoldPresent")
            self.plane.kubectl("annotate", "iret", "r", "-n", self.team, "hold.cvm-retirement.dev/a-")
            self.wait_phase("r", "Complete")

    def test_a_request_that_cannot_be_served_says_why(self):
        self.stack.apply(account(self.simulator, "closed", allowedNamespaces={"names": ["other"]}),
                         account(self.simulator, "elsewhere", regions=["ap-beijing"]),
                         request(self.team, "nobody", ids("po", 1, 1), accountRef={"name": "missing"}),
                         request(self.team, "closed", ids("po", 2, 2), accountRef={"name": "closed"}),
                         request(self.team, "elsewhere", ids("po", 3, 3), accountRef={"name": "elsewhere"}))
        with running(self.operator()):
            for name, reason in (("nobody", "AccountNotFound"), ("closed", "NamespaceNotAllowed"),
                                 ("elsewhere", "RegionNotAllowed")):
                status = self.wait_ready_reason(name, reason)
                obj = {"status": status}
                stalled = condition(obj, "Stalled").get("status") == "True"
                self.assertEqual(stalled, reason != "AccountNotFound", name)
            self.stack.apply(account(self.simulator, "missing"))
            self.wait_phase("nobody", "Complete")


class RestartTest(Base):
    def test_killed_in_the_middle_it_goes_on_from_the_log(self):
        self.stack.apply(account(self.simulator, api={"callValidity": "15s"}),
                         request(self.team, "r1", ids("po", 1, 200)), request(self.team, "r2", ids("pr", 1, 100)))
        operator = self.operator()
        wait_until("a first call", lambda: self.simulator.terminations(), interval=0.02)
        operator.kill()
        with running(self.operator()):
            # Whether the call was accepted nobody knows: absence is believed after five minutes.
            self.wait_phase("r1", "Complete", timeout=500)
            self.wait_phase("r2", "Complete", timeout=500)
        called = [i for c in self.simulator.terminations() for i in c]
        self.assertEqual(len(called), len(set(called)), "S5: no instance is called twice")
        self.assertEqual(len(called), 300)

    def test_sigterm_awaits_and_records_the_call_in_flight_and_frees_the_lease(self):
        self.simulator.fault(kind="delay", delay="4s")
        self.stack.apply(account(self.simulator), request(self.team, "r", ids("po", 1, 3)))
        operator = self.operator()
        wait_until("a call is in flight", lambda: self.simulator.terminations(), interval=0.02)
        self.assertEqual(operator.stop(), 0)
        batch = self.plane.get("rbatch")["items"][0]
        self.assertEqual(batch["status"]["phase"], "Accepted")
        lease = self.plane.get("lease", "cvm-retirement-operator", "-n", self.own)
        self.assertFalse(lease["spec"].get("holderIdentity"))

    def test_a_second_operator_waits_and_takes_over(self):
        self.stack.apply(account(self.simulator), request(self.team, "r", ids("po", 1, 3), suspend=True))
        first = self.operator().wait_leading()
        with running(self.operator()) as (second,):
            self.settled(first, 3)
            self.assertNotIn("Leading", second.output())
            self.assertEqual(second.text(second.health, "/readyz"), "ok\n")
            self.assertEqual(first.stop(), 0)
            second.wait_leading()
            self.plane.kubectl("patch", "iret", "r", "-n", self.team, "--type=merge", "-p", '{"spec":{"suspend":false}}')
            self.wait_phase("r", "Complete")


class TroubleTest(Base):
    def test_wrong_credentials_are_told_and_heal_at_once(self):
        self.stack.secret(self.own, secret_id="AKIDwrong")
        self.stack.apply(account(self.simulator), request(self.team, "r", ids("po", 1, 3)))
        with running(self.operator()):
            def told():
                return condition(self.plane.get("cacct", "default"), "CredentialsValid").get("status") == "False"
            wait_until("the account says so", told)
            message = condition(self.plane.get("cacct", "default"), "Ready")["message"]
            self.assertIn("AuthFailure.SecretIdNotFound", message)
            self.stack.secret(self.own)
            self.wait_phase("r", "Complete", timeout=120)

    def test_a_missing_secret_is_named(self):
        self.stack.apply(account(self.simulator, credentials={"secretRef": {"name": "nothing"}}))
        with running(self.operator()):
            wait_until("the account says so", lambda: "nothing" in condition(
                self.plane.get("cacct", "default"), "Ready").get("message", ""))

    def test_an_unreachable_cloud_is_waited_for(self):
        self.stack.apply(account(self.simulator), request(self.team, "r", ids("po", 1, 3)))
        self.simulator.stop()
        with running(self.operator()) as (operator,):
            wait_until("it says so", lambda: "DescribeInstances failed" in operator.output())
            old_url = self.simulator.url
            self.simulator = Simulator(self.stack.dir, self.SEED)
            self.stack.apply(account(self.simulator))
            self.assertNotEqual(old_url, self.simulator.url)
            self.wait_phase("r", "Complete", timeout=120)

    def test_bad_configuration_ends_with_two_and_names_everything(self):
        operator = Operator(self.stack.dir, self.plane.kubeconfig, "--batch-idle", "soon", "--log-level", "loud")
        self.assertEqual(operator.process.wait(10), 2)
        self.assertIn("--batch-idle must be a duration", operator.output())
        self.assertIn("--log-level must be", operator.output())
        operator = Operator(self.stack.dir, "/nonexistent/kubeconfig")
        self.assertEqual(operator.process.wait(10), 2)
        self.assertIn("/nonexistent/kubeconfig", operator.output())

    def test_a_lease_held_by_another_is_not_taken(self):
        first = self.operator().wait_leading()
        with running(first):
            self.plane.kubectl("patch", "lease", "cvm-retirement-operator", "-n", self.own, "--type=merge",
                               "-p", '{"spec":{"holderIdentity":"somebody"}}')
            self.assertEqual(first.process.wait(30), 1)
            self.assertIn("Lost the lease", first.output())

    def test_missing_crds_and_rights_are_explained_and_waited_for(self):
        self.plane.kubectl("create", "serviceaccount", "poor", "-n", self.own)
        self.plane.kubectl("create", "role", "leases", "-n", self.own, "--verb=*", "--resource=leases")
        self.plane.kubectl("create", "rolebinding", "leases", "-n", self.own, "--role=leases",
                           f"--serviceaccount={self.own}:poor")
        token = self.plane.kubectl("create", "token", "poor", "-n", self.own).strip()
        kubeconfig = self.stack.dir / "poor.kubeconfig"
        self.plane.write_kubeconfig(kubeconfig, token)
        with running(Operator(self.stack.dir, kubeconfig, "--namespace", self.own)) as (operator,):
            wait_until("it says what is missing", lambda: "lacks rights" in operator.output())
            self.assertIsNone(operator.process.poll())
            self.assertTrue(operator.text(operator.health, "/readyz").startswith("503"))


if __name__ == "__main__":
    unittest.main()
