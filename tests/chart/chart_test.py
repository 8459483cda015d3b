"""The chart, with real helm on the real server; the operator runs with exactly its rights."""

import subprocess
import unittest

from tests.e2e.harness import (ROOT, Operator, Simulator, Stack, account, ids, request, running, seed,
                               wait_until)

CHART = ROOT / "charts" / "cvm-retirement-operator"


class ChartTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = Stack.shared()
        cls.plane = cls.stack.plane

    def helm(self, *args, check=True):
        done = subprocess.run([self.plane.bin / "helm", "--kubeconfig", self.plane.kubeconfig, *args],
                              text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if check:
            self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def test_lint_is_clean(self):
        self.helm("lint", "--strict", CHART)

    def test_wrong_values_are_refused_by_name(self):
        for value, part in (("replicas=0", "replicas"), ("config.logLevel=loud", "logLevel"),
                            ("config.batchIdle=soon", "batchIdle"), ("imagge.tag=x", "imagge"),
                            ("image.digest=latest", "digest")):
            done = self.helm("template", "x", CHART, "--set", value, check=False)
            self.assertNotEqual(done.returncode, 0, value)
            self.assertIn(part, done.stderr)

    def test_the_pod_is_locked_down(self):
        text = self.helm("template", "x", CHART).stdout
        for part in ("runAsNonRoot: true", "readOnlyRootFilesystem: true", "drop: [ALL]",
                     "allowPrivilegeEscalation: false", "runAsUser: 65532"):
            self.assertIn(part, text)

    def test_flags_of_the_chart_are_flags_of_the_operator(self):
        text = self.helm("template", "x", CHART, "--set", "config.watchNamespaces={a,b}").stdout
        flags = [l.strip()[2:] for l in text.splitlines() if l.strip().startswith("- --")]
        done = subprocess.run([operator_binary(), "check", *flags], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_installed_the_operator_works_with_exactly_the_rights_of_the_chart(self):
        own, team = self.stack.namespace("cvm-retirement-system"), self.stack.namespace("team")
        self.helm("install", "ops", CHART, "--namespace", own)
        deployment = self.plane.get("deployment", "ops-cvm-retirement-operator", "-n", own)
        name = deployment["spec"]["template"]["spec"]["serviceAccountName"]
        token = self.plane.kubectl("create", "token", name, "-n", own).strip()
        kubeconfig = self.stack.dir / "chart.kubeconfig"
        self.plane.write_kubeconfig(kubeconfig, token)
        self.stack.secret(own)
        simulator = Simulator(self.stack.dir, seed({"prefix": "ch", "count": 10, "region": "ap-guangzhou"}))
        operator = Operator(self.stack.dir, kubeconfig, "--namespace", own)
        with running(simulator, operator):
            self.stack.apply(account(simulator), request(team, "r", ids("ch", 1, 10)))
            wait_until("the request is complete", lambda: self.plane.get(
                "iret", "r", "-n", team).get("status", {}).get("phase") == "Complete", timeout=90)
            wait_until("its event", lambda: "Complete" in self.plane.kubectl("get", "events", "-n", team))
            self.assertEqual(operator.metric('cvm_retirement_kube_requests_total{code="403"'), 0)
        self.assertEqual(operator.process.returncode, 0)
        for verb, what in (("delete", "instanceretirements"), ("list", "secrets"), ("get", "secrets/other"),
                           ("update", "cloudaccounts"), ("create", "instanceretirements")):
            allowed = self.plane.kubectl("auth", "can-i", verb, what, "-n", own,
                                         f"--as=system:serviceaccount:{own}:{name}", check=False)
            self.assertEqual(allowed.stdout.strip(), "no", f"{verb} {what}")
        self.helm("uninstall", "ops", "--namespace", own)
        self.assertEqual(self.plane.get("iret", "r", "-n", team)["metadata"]["name"], "r")
        self.stack.clear()


def operator_binary():
    from tests.e2e.harness import BIN
    return BIN / "cvm-retirement-operator"


if __name__ == "__main__":
    unittest.main()
