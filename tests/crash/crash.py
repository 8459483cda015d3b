#!/usr/bin/env python3
"""Kills the operator at its k-th request to either API, before the request is forwarded and after it
was executed but before its answer arrives, and starts it again: every run must end in the right
state, with a clean call log.

    crash.py [--every N] [--jobs N] [--first K] [--last K]

Runs go side by side on one control plane, each with its own account, namespaces, simulator and
operator. Without --last the number of requests of an undisturbed run is measured first.
"""

import argparse
import collections
import os
import pathlib
import shutil
import sys
import tempfile
import threading
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from tests.e2e.harness import REGION, Operator, Simulator, Stack, account, ids, request, seed, wait_until  # noqa: E402
from tests.e2e.proxy import Drop, Proxy  # noqa: E402


class Scenario:
    """Two requests that share a batch, an offender, and prepaid instances to recycle and to destroy. Every
    run has instances of its own, because one instance is retired once, whatever account names it."""

    def __init__(self, number):
        self.postpaid, prepaid = ids(f"a{number:04}", 1, 5), ids(f"b{number:04}", 1, 4)
        self.recycled, self.destroyed = prepaid[:2], prepaid[2:]
        self.locked, = ids(f"c{number:04}", 1, 1)
        self.seed = seed({"prefix": f"a{number:04}", "count": 5, "region": REGION},
                         {"prefix": f"b{number:04}", "count": 4, "region": REGION, "chargeType": "PREPAID"},
                         {"id": self.locked, "region": REGION, "protected": True})
        self.expected = {
            "first": {**{i: "Retired" for i in self.postpaid[:3]}, **{i: "Recycled" for i in self.recycled},
                      self.locked: "Blocked"},
            "second": {i: "Retired" for i in self.postpaid[3:]},
            "third": {i: "Retired" for i in self.destroyed}}


# Settle time (callValidity 15 s and 65 s) and the 60 s between the two calls of a destroyed instance,
# each at most twice, and the lease.
LONGEST = 780


class Trap:
    """Counts the requests of one operator and kills it at the k-th."""

    def __init__(self, k, when):
        self.k, self.when = k, when
        self.count, self.hit, self.operator = 0, None, None
        self.lock = threading.Lock()
        self.sprung = threading.Event()

    def number(self, r):
        with self.lock:
            self.count += 1
            r.number = self.count

    def spring(self, r):
        if r.number != self.k or self.sprung.is_set():
            return
        self.hit = str(r)
        os.kill(self.operator.process.pid, 9)
        self.sprung.set()
        raise Drop

    def attach(self, proxy):
        def before(r):
            self.number(r)
            if self.when == "before":
                self.spring(r)

        def after(r):
            if self.when == "after":
                self.spring(r)
        proxy.before, proxy.after = before, after


class Run:
    def __init__(self, stack, k, when):
        self.stack, self.k, self.when = stack, k, when
        self.name = f"{when}-{k}"
        self.scenario = Scenario(2 * k + (when == "after"))
        self.dir = pathlib.Path(tempfile.mkdtemp(dir=stack.dir, prefix=self.name))

    def prepare(self):
        """The account is ours before any operator sees it act: those of the other runs share the cluster."""
        self.own = self.stack.operator_namespace()
        self.team = self.stack.namespace("team")
        self.simulator = Simulator(self.dir, self.scenario.seed)
        self.kube, self.cloud = Proxy(self.stack.plane.port, tls=True), Proxy(self.simulator.port)
        kubectl = self.stack.plane.kubectl
        spec = account(self.cloud, self.name, mode="DryRun", api={"callValidity": "15s"},
                       allowedNamespaces={"names": [self.team]})
        self.stack.apply(spec)
        kubectl("patch", "cacct", self.name, "--subresource=status", "--type=merge", "-p",
                f'{{"status":{{"operator":"{self.own}","conditions":[]}}}}')
        spec["spec"]["mode"] = "Execute"
        self.stack.apply(spec)
        ref = {"accountRef": {"name": self.name}}
        expected = self.scenario.expected
        self.stack.apply(
            request(self.team, "first", list(expected["first"]), **ref),
            request(self.team, "second", list(expected["second"]), **ref),
            request(self.team, "third", list(expected["third"]), termination={"prepaid": "Destroy"}, **ref))

    def operator(self):
        config = self.kube.kubeconfig(self.dir / "kubeconfig")
        return Operator(self.dir, config, "--namespace", self.own, "--watch-namespace", self.team)

    def states(self):
        items = self.stack.api.list("instanceretirements", self.team)
        return {o["metadata"]["name"]: {m["id"]: m["state"] for m in o.get("status", {}).get("instances", [])}
                for o in items}

    def go(self):
        self.prepare()
        trap = Trap(self.k, self.when)
        for proxy in (self.kube, self.cloud):
            trap.attach(proxy)
        operator = self.operator()
        trap.operator = operator
        try:
            wait_until(f"{self.name} is final or killed", lambda: (
                trap.sprung.is_set() or self.states() == self.scenario.expected), LONGEST, 1)
            if trap.sprung.is_set():
                operator.kill()
                operator = self.operator()
            wait_until(f"{self.name} is final", lambda: self.states() == self.scenario.expected, LONGEST, 1)
        except TimeoutError as e:
            raise AssertionError(f"{e}: {self.states()}") from None
        finally:
            self.count, self.hit = trap.count, trap.hit
            operator.kill()
        self.judge()

    def judge(self):
        """S1, S5 on the call log, and the truth of the cloud."""
        accepted = collections.Counter()
        for call in self.simulator.calls("TerminateInstances"):
            assert 1 <= len(set(call["ids"])) == len(call["ids"]) <= 100, call
            if call["executed"]:
                accepted.update(call["ids"])
        s = self.scenario
        right = {**{i: 1 for i in s.postpaid + s.recycled}, **{i: 2 for i in s.destroyed}}
        assert accepted == right, f"accepted calls {dict(accepted)}"
        cloud = self.simulator.instances()
        assert all(cloud[i]["state"] == "SHUTDOWN" and not cloud[i].get("gone") for i in s.recycled), cloud
        assert cloud[s.locked]["state"] == "RUNNING", cloud[s.locked]

    def close(self):
        for thing in ("kube", "cloud", "simulator"):
            if hasattr(self, thing):
                getattr(self, thing).stop()
        self.stack.plane.kubectl("delete", "cacct", self.name, "--wait=false", check=False)
        if hasattr(self, "team"):
            self.stack.plane.kubectl("delete", "iret", "--all", "-n", self.team, "--wait=false", check=False)


def attempt(stack, k, when, results):
    run = Run(stack, k, when)
    try:
        run.go()
        failure = None
    except Exception:  # every failure is told at the end
        failure = traceback.format_exc()
        logs = "".join(p.read_text()[-3000:] for p in sorted(run.dir.glob("operator-*.log")))
        failure += f"\n{logs}"
    finally:
        run.close()
    results.append((k, when, getattr(run, "hit", None), getattr(run, "count", 0), failure))
    shutil.rmtree(run.dir, ignore_errors=True)


def run_all(stack, cases, jobs):
    """Runs the cases side by side; (k, when, request that was hit, count, failure) of each."""
    cases, results, lock = collections.deque(cases), [], threading.Lock()

    def work():
        while True:
            with lock:
                if not cases:
                    return
                k, when = cases.popleft()
            attempt(stack, k, when, results)
    workers = [threading.Thread(target=work) for _ in range(jobs)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    return results


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=16)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--last", type=int)
    options = parser.parse_args()
    began = time.monotonic()
    stack = Stack.shared()
    last = options.last
    if last is None:
        (_, _, _, last, failure), = run_all(stack, [(0, "before")], 1)
        if failure:
            sys.exit(f"the undisturbed run failed:\n{failure}")
    cases = [(k, when) for k in range(options.first, last + 1, options.every) for when in ("before", "after")]
    print(f"{len(cases)} runs, k from {options.first} to {last}", flush=True)
    results = run_all(stack, cases, options.jobs)
    failed = [r for r in results if r[4]]
    for k, when, hit, _, failure in failed:
        print(f"k={k} {when} {hit}\n{failure}\n")
    hits = collections.Counter(r[2].split("/")[-1] if r[2] else "not reached" for r in results)
    print(f"{len(results)} runs, {len(failed)} failed, {time.monotonic() - began:.0f} s")
    for what, count in hits.most_common():
        print(f"  {count:4} {what}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
