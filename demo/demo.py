#!/usr/bin/env python3
"""make demo: real custom resources on a real kube-apiserver, retired while you watch.

Starts a control plane, cvm-simulator and the operator as processes of their own, declares
instances in two namespaces, shows how they go, and fails unless the end is exactly the expected
one. KEEP=1 leaves everything running and says how to play with it.
"""

import os
import pathlib
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from tests.e2e.harness import (Operator, Simulator, Stack, account, condition, ids, request,  # noqa: E402
                               running, seed, wait_until)

KEEP = os.environ.get("KEEP") == "1"
LIVE = sys.stdout.isatty()
LIMIT = 120


def declare(team_a, team_b):
    """250 postpaid instances over several requests, 10 prepaid, one protected, one unknown."""
    postpaid = ids("po", 1, 250)
    return [
        request(team_a, "s5-batch-1", postpaid[:120], reason="S5 family end of life", ticket="CHG-1234"),
        request(team_a, "s5-batch-2", postpaid[120:200], reason="S5 family end of life"),
        request(team_b, "old-workers", postpaid[200:250]),
        request(team_b, "prepaid-leftovers", ids("pr", 1, 10)),
        request(team_b, "protected", ["ins-locked01"]),
        request(team_b, "mistyped", ["ins-nosuch01"]),
    ]


EXPECTED = {  # name: (phase, reason, progress)
    "s5-batch-1": ("Complete", "Complete", "120/120"),
    "s5-batch-2": ("Complete", "Complete", "80/80"),
    "old-workers": ("Complete", "Complete", "50/50"),
    "prepaid-leftovers": ("Complete", "Complete", "10/10"),
    "protected": ("Incomplete", "MembersBlocked", "0/1"),
    "mistyped": ("Incomplete", "MembersFailed", "0/1"),
}
EXPECTED_CALLS = [10, 50, 100, 100]  # sizes of the TerminateInstances calls, sorted


def seed_of_demo():
    return seed({"prefix": "po", "count": 3000, "region": "ap-guangzhou"},
                {"prefix": "pr", "count": 200, "region": "ap-guangzhou", "chargeType": "PREPAID"},
                {"id": "ins-locked01", "region": "ap-guangzhou", "protected": True})


def states(stack):
    result = {}
    for o in stack.api.list("instanceretirements"):
        status = o.get("status", {})
        result[o["metadata"]["name"]] = (status.get("phase"), condition(o, "Ready").get("reason"),
                                         status.get("progress"))
    return result


def bar(progress, width=30):
    done, total = map(int, (progress or "0/1").split("/"))
    filled = width * done // max(1, total)
    return "#" * filled + "." * (width - filled)


def screen(stack, simulator, began):
    """One screen, drawn over the last one."""
    lines = [f"cvm-retirement-operator demo   {time.monotonic() - began:5.1f} s", ""]
    for name, (phase, reason, progress) in states(stack).items():
        lines.append(f"  {name:18} {bar(progress)} {progress or '-':>8}  {phase or 'not seen yet':11} "
                     f"{reason or ''}")
    calls = simulator.terminations()
    lines += ["", f"  TerminateInstances calls: {len(calls)}  ({', '.join(str(len(c)) for c in calls)} instances)"]
    if LIVE:
        print("\033[H\033[J" + "\n".join(lines), flush=True)


def watch_until_done(stack, simulator):
    began = time.monotonic()

    def done():
        screen(stack, simulator, began)
        return states(stack) == EXPECTED
    try:
        wait_until("the expected end state", done, timeout=LIMIT, interval=0.3)
    except TimeoutError:
        print("The end state is not the expected one:")
        for name, expected in EXPECTED.items():
            print(f"  {name}: expected {expected}, is {states(stack).get(name)}")
        sys.exit(1)
    return time.monotonic() - began


def check_cloud(simulator):
    """What the cloud says must agree with what the status says."""
    instances, calls = simulator.instances(), simulator.terminations()
    wrong = [i for i in ids("po", 1, 250) if not instances[i]["gone"]]
    wrong += [i for i in ids("pr", 1, 10) if instances[i]["state"] != "SHUTDOWN"]
    touched = {i for c in calls for i in c}
    wrong += sorted(touched - set(ids("po", 1, 250)) - set(ids("pr", 1, 10)))
    if wrong or sorted(map(len, calls)) != EXPECTED_CALLS:
        print(f"The cloud disagrees: {wrong[:5]}, calls of {sorted(map(len, calls))} instances")
        sys.exit(1)


def show(stack, simulator, operator, seconds):
    print(f"\nDone in {seconds:.0f} s. What kubectl shows:\n")
    print(stack.plane.kubectl("get", "iret", "-A"))
    print(stack.plane.kubectl("get", "rbatch"))
    print("The calls, as the simulated cloud logged them:\n")
    for c in simulator.calls("TerminateInstances"):
        print(f"  {c['time'][11:23]}  {c['action']}  {len(c['ids']):3} instances  "
              f"{'accepted' if c['executed'] else c['code']}  {c['requestId']}")
    print("\nSome metrics:\n")
    for line in operator.metrics().splitlines():
        if line.startswith(("cvm_retirement_batches_total", "cvm_retirement_instances_total",
                            "cvm_retirement_api_requests_total")):
            print(f"  {line}")


def play(stack, simulator):
    kubectl = stack.plane.bin / "kubectl"
    print(f"""
Everything is still running. To play with it, in another terminal:

  export KUBECONFIG={stack.plane.kubeconfig}
  alias kubectl={kubectl}
  kubectl get iret,rbatch,cacct -A
  kubectl -n team-b-2 get iret protected -o yaml
  curl {simulator.url}/admin/calls

Lift the protection, and ask the operator to look again at once:

  curl -d '{{"id": "ins-locked01", "protected": false}}' {simulator.url}/admin/instances
  kubectl -n {stack.names[1]} annotate iret protected cvm-retirement.dev/requestedAt="$(date)" --overwrite

Press Enter to end it.""".replace("team-b-2", stack.names[1]))
    try:
        input()
    except (EOFError, KeyboardInterrupt):
        pass


def main():
    began = time.monotonic()
    print("Starting a kube-apiserver, etcd, the simulated cloud and the operator ...", flush=True)
    directory = tempfile.mkdtemp(prefix="cvm-retirement-demo-")
    stack = Stack(directory)
    try:
        stack.names = (stack.namespace("team-a"), stack.namespace("team-b"))
        own = stack.namespace("operator")
        stack.secret(own)
        simulator = Simulator(directory, seed_of_demo())
        operator = Operator(directory, stack.plane.kubeconfig, "--namespace", own)
        with running(simulator, operator):
            stack.apply(account(simulator), *declare(*stack.names))
            seconds = watch_until_done(stack, simulator)
            check_cloud(simulator)
            show(stack, simulator, operator, seconds)
            if KEEP:
                play(stack, simulator)
        print(f"\nThe demo took {time.monotonic() - began:.0f} s and ended exactly as expected.")
    finally:
        stack.close()


if __name__ == "__main__":
    main()
