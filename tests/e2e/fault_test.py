"""Faults on real parts: frozen leaders and watches, calls held back, servers that die, logs, leases and
definitions that somebody deletes."""

import collections
import json
import os
import signal
import unittest
import urllib.request

from tests.e2e.behaviour_test import Base
from tests.e2e.harness import Operator, Simulator, account, ids, request, running, wait_until
from tests.e2e.proxy import Drop, Proxy

FENCE = {"api": {"callValidity": "15s"}}


class FaultBase(Base):
    def setUp(self):
        super().setUp()
        self.proxies = []

    def tearDown(self):
        for proxy in self.proxies:
            proxy.stop()
        super().tearDown()

    def proxy(self, *where, **more):
        self.proxies.append(Proxy(*where, **more))
        return self.proxies[-1]

    def kube_proxy(self):
        return self.proxy(self.plane.port, tls=True)

    def behind(self, kube, *flags, own=None):
        config = kube.kubeconfig(self.stack.dir / f"proxy-{kube.port}")
        return Operator(self.stack.dir, config, "--namespace", own or self.own, *flags)

    def reasons(self, name):
        members = self.get(name).get("status", {}).get("instances", [])
        return {(m["state"], m.get("reason")) for m in members}

    def assert_called_once(self, instances):
        accepted = collections.Counter(i for call in self.simulator.terminations() for i in call)
        self.assertEqual(accepted, {i: 1 for i in instances}, "S5")


class LeaderTest(FaultBase):
    def test_a_frozen_leader_wakes_beside_its_successor(self):
        cloud = self.proxy(self.simulator.port)
        first = self.operator().wait_leading()
        second = self.operator()
        frozen = []

        def before(r):
            # Right when the first call is on its way.
            if b"InstanceIds" in r.body and r.has("TerminateInstances") and not frozen:
                frozen.append(r)
                os.kill(first.process.pid, signal.SIGSTOP)
        cloud.before = before
        members = ids("po", 1, 150)
        with running(second):
            self.stack.apply(account(cloud, **FENCE), request(self.team, "r", members))
            wait_until("the leader froze", lambda: frozen)
            wait_until("the second one leads", lambda: "Leading" in second.output(), 60)
            os.kill(first.process.pid, signal.SIGCONT)
            self.assertEqual(first.process.wait(30), 1)
            self.wait_phase("r", "Complete", timeout=640)
        self.assertIn("Lost the lease", first.output())
        self.assert_called_once(members)

    def test_two_installations_and_two_accounts_that_are_one(self):
        other = self.stack.operator_namespace()
        members = ids("po", 1, 120)
        objects = []
        for name, ns in (("one", self.own), ("two", other)):
            self.stack.apply(account(self.simulator, name, mode="DryRun", **FENCE))
            self.plane.kubectl("patch", "cacct", name, "--subresource=status", "--type=merge", "-p",
                               json.dumps({"status": {"operator": ns}}))
            objects += [account(self.simulator, name, **FENCE),
                        request(self.team, f"of-{name}", members, accountRef={"name": name})]
        self.stack.apply(*objects)
        second = Operator(self.stack.dir, self.plane.kubeconfig, "--namespace", other)
        with running(self.operator(), second):
            # Who comes too late sees nothing in its account, and says so (S8).
            wait_until("both are final", lambda: {self.phase("of-one"), self.phase("of-two")} <= {
                "Complete", "Incomplete"}, 240)
            self.assertIn("Complete", {self.phase("of-one"), self.phase("of-two")})
            for name in ("of-one", "of-two"):
                self.assertLessEqual(self.reasons(name), {("Retired", "RetiredByUs"), ("Retired", "AlreadyGone"), (
                    "Retired", "RetiredByOther"), ("Failed", "NeverObserved")})
        accepted = collections.Counter(i for call in self.simulator.terminations() for i in call)
        self.assertEqual(max(accepted.values()), 1, "S5: no second accepted call for any instance")
        self.assertEqual(set(accepted), set(members))

    def test_a_released_lease_is_not_taken_for_a_dead_installation(self):
        other = self.stack.operator_namespace()  # its lease is there, held by nobody
        self.stack.apply(account(self.simulator, mode="DryRun"))
        self.plane.kubectl("patch", "cacct", "default", "--subresource=status", "--type=merge", "-p",
                           json.dumps({"status": {"operator": other}}))
        with running(self.operator()) as (operator,):
            operator.wait_leading()
            self.settled(operator, 5)
        self.assertEqual(self.plane.get("cacct", "default")["status"]["operator"], other)

    def test_a_deleted_lease_is_made_anew_and_nothing_is_called_twice(self):
        members = ids("po", 1, 3)
        with running(self.operator()) as (operator,):
            operator.wait_leading()
            self.plane.kubectl("delete", "lease", "cvm-retirement-operator", "-n", self.own)
            wait_until("it is noticed", lambda: operator.process.poll() is not None or self.plane.kubectl(
                "get", "lease", "cvm-retirement-operator", "-n", self.own, check=False).returncode == 0, 60)
            if operator.process.poll() is not None:
                self.assertEqual(operator.process.returncode, 1)
                operator = self.operator()
            with running(operator):
                self.stack.apply(account(self.simulator), request(self.team, "r", members))
                self.wait_phase("r", "Complete", timeout=520)
        self.assert_called_once(members)


class NetworkTest(FaultBase):
    def test_a_call_held_back_beyond_its_validity_is_refused(self):
        cloud = self.proxy(self.simulator.port)
        held, members = [], ids("po", 1, 3)

        def before(r):
            if r.has("TerminateInstances") and not held:
                held.append(r)
                raise Drop
        cloud.before = before
        self.stack.apply(account(cloud, **FENCE), request(self.team, "r", members))
        with running(self.operator()) as (operator,):
            wait_until("the call was held back", lambda: held)
            wait_until("it is ambiguous", lambda: self.reasons("r") == {("Verifying", "Ambiguous")}, 60)
            self.settled(operator, 25)  # beyond callValidity
            self.assertEqual(self.simulator.calls("TerminateInstances"), [])
            answer = urllib.request.Request(self.simulator.url + "/", data=held[0].body, method="POST")
            for line in held[0].head.split(b"\r\n")[1:]:
                name, _, value = line.partition(b":")
                if name.lower() not in (b"", b"connection", b"content-length"):
                    answer.add_header(name.decode(), value.strip().decode())
            with urllib.request.urlopen(answer) as reply:
                self.assertIn("AuthFailure.SignatureExpire", reply.read().decode())
            self.assertEqual(self.simulator.terminations(), [])
            self.wait_phase("r", "Complete", timeout=580)
        self.assert_called_once(members)

    def test_nothing_is_called_on_a_frozen_watch(self):
        kube = self.kube_proxy()
        self.stack.apply(account(self.simulator), request(self.team, "stays", ids("po", 1, 2), suspend=True))
        with running(self.behind(kube, "--batch-idle", "9s", "--batch-max", "9s")) as (operator,):
            operator.wait_leading()
            self.stack.apply(request(self.team, "deleted", ids("po", 3, 4)), request(self.team, "held", ids("po", 5, 6)),
                             request(self.team, "wanted", ids("po", 7, 8)))
            wait_until("they were looked at", lambda: len(self.simulator.calls("DescribeInstances")) >= 1)
            kube.freeze_watches()
            self.plane.kubectl("delete", "iret", "deleted", "-n", self.team, "--wait=false")
            self.plane.kubectl("annotate", "iret", "held", "-n", self.team, "hold.cvm-retirement.dev/x=me: look")
            self.wait_phase("wanted", "Complete", timeout=520)
            kube.thaw()
            self.wait_ready_reason("held", "HoldPresent")
        self.assert_called_once(ids("po", 7, 8))

    def test_a_kill_switch_counts_while_the_watch_is_frozen(self):
        kube = self.kube_proxy()
        self.stack.apply(account(self.simulator))
        with running(self.behind(kube, "--batch-idle", "9s", "--batch-max", "9s")) as (operator,):
            operator.wait_leading()
            self.stack.apply(request(self.team, "r", ids("po", 1, 2)))
            wait_until("it was looked at", lambda: len(self.simulator.calls("DescribeInstances")) >= 1)
            kube.freeze_watches()
            self.plane.kubectl("patch", "cacct", "default", "--type=merge", "-p", '{"spec":{"paused":true}}')
            self.settled(operator, 20)
            self.assertEqual(self.simulator.calls("TerminateInstances"), [])
            kube.thaw()


class ServerTest(FaultBase):
    def test_the_apiserver_dies_in_mid_work(self):
        members = ids("po", 1, 250) + ids("pr", 1, 50)
        self.stack.apply(account(self.simulator, **FENCE), request(self.team, "r1", members[:200]),
                         request(self.team, "r2", members[200:]))
        with running(self.operator()) as (operator,):
            wait_until("a first call", self.simulator.terminations, interval=0.02)
            self.plane.stop_process("kube-apiserver", signal.SIGKILL)
            self.plane.start_apiserver()
            # The lease may have run out meanwhile: that ends the process, as it should.
            wait_until("it goes on or has ended", lambda: operator.process.poll() is not None or
                       self.phase("r1") == "Complete", 240, 0.5)
            again = operator if operator.process.poll() is None else self.operator()
            with running(again):
                self.wait_phase("r1", "Complete", timeout=640)
                self.wait_phase("r2", "Complete", timeout=640)
        self.assert_called_once(members)

    def test_a_compacted_history_is_listed_anew(self):
        kube = self.kube_proxy()
        self.stack.apply(account(self.simulator))
        with running(self.behind(kube, "--leader-elect", "false")) as (operator,):
            operator.wait_leading()
            self.settled_by_health(operator)
            kube.freeze_watches()
            self.stack.apply(request(self.team, "r", ids("po", 1, 3)))
            self.compact()
            # Only a server that starts afresh has nothing in memory of what was compacted.
            self.plane.stop_process("kube-apiserver", signal.SIGKILL)
            kube.thaw()
            self.plane.start_apiserver()
            self.wait_phase("r", "Complete", timeout=520)
            self.assertRegex(operator.metrics(),
                             'restarts_total{kind="instanceretirements",reason="(expired|stream error)"}')
        self.assert_called_once(ids("po", 1, 3))

    def settled_by_health(self, operator):
        wait_until("it is ready", lambda: operator.text(operator.health, "/readyz") == "ok\n")

    def etcd(self, path, body):
        url = f"http://127.0.0.1:{self.plane.etcd_port}/v3/kv/{path}"
        with urllib.request.urlopen(url, data=json.dumps(body).encode(), timeout=30) as answer:
            return json.load(answer)

    def compact(self):
        revision = self.etcd("range", {"key": "AA=="})["header"]["revision"]
        self.etcd("compaction", {"revision": revision})


class LogTest(FaultBase):
    def entries(self, phase):
        return [b for b in self.plane.get("rbatch")["items"] if b.get("status", {}).get("phase") == phase]

    def test_an_open_entry_that_somebody_deletes_is_written_again(self):
        self.simulator.stop()
        self.simulator = Simulator(self.stack.dir, {
            **self.SEED, "delays": {"terminateShortest": "8s", "terminateLongest": "9s", "describeLag": "0s"}})
        self.stack.apply(account(self.simulator), request(self.team, "r", ids("po", 1, 3)))
        with running(self.operator()):
            wait_until("an accepted call", lambda: self.entries("Accepted"), interval=0.05)
            (before,) = self.entries("Accepted")
            self.plane.kubectl("delete", "rbatch", before["metadata"]["name"])
            self.wait_phase("r", "Complete", timeout=520)
            wait_until("the entry is there and closed", lambda: self.entries("Verified"), 30)
            (after,) = self.entries("Verified")
            self.assertEqual(after["metadata"]["name"], before["metadata"]["name"])
            self.assertNotEqual(after["metadata"]["uid"], before["metadata"]["uid"])
            self.assertEqual(after["metadata"]["annotations"]["cvm-retirement.dev/accepted"],
                             before["status"]["requestId"])
        self.assert_called_once(ids("po", 1, 3))

    def test_a_definition_is_deleted_and_restored(self):
        self.stack.apply(account(self.simulator), request(self.team, "r", ids("po", 1, 3)))
        with running(self.operator()) as (operator,):
            self.wait_phase("r", "Complete")
            self.plane.kubectl("delete", "crd", "instanceretirements.cvm-retirement.dev", "--timeout=60s")
            try:
                wait_until("it says what is missing", lambda: "CRDs are not installed" in operator.output(), 60)
            finally:
                self.stack.install_crds()
            self.stack.apply(request(self.team, "again", ids("po", 4, 6)))
            self.wait_phase("again", "Complete", timeout=520)
        self.assert_called_once(ids("po", 1, 6))

    def test_a_request_made_anew_under_its_name_waits_for_the_recycling(self):
        members = ids("pr", 1, 4)
        self.stack.apply(account(self.simulator, **FENCE), request(self.team, "r", members))
        with running(self.operator()):
            wait_until("a call", self.simulator.terminations, interval=0.05)
            self.plane.kubectl("delete", "iret", "r", "-n", self.team, "--wait=false")
            self.stack.apply(request(self.team, "r", members))
            self.wait_phase("r", "Complete", timeout=600)
        self.assert_called_once(members)


if __name__ == "__main__":
    unittest.main()
