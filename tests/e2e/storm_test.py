"""Ten thousand instances of which every twentieth is refused for one reason or another, and nobody says
which: the rest goes at once, every offender is told, and what it costs is bounded (E1)."""

import collections
import time
import unittest

from tests.e2e.behaviour_test import GUANGZHOU, Base
from tests.e2e.harness import Simulator, account, ids, request, running, seed, wait_until

COUNT, EACH = 10_000, 200
KINDS = ("denied", "locked", "refused", "unknown")
TOLD = {"denied": ("Blocked", "Unauthorized"), "locked": ("Blocked", "InstanceProtected"),
        "refused": ("Failed", "NotReturnable"), "unknown": ("Failed", "NeverObserved")}
DONE = ("Retired", "RetiredByUs")
MOST_KEPT = 100  # entries without effect, of a lane


class StormTest(Base):
    def prepare(self):
        """What is asked for, and the offenders by id: ten of each request, of every kind in turn."""
        everything = ids("po", 1, COUNT)
        nobody = iter(ids("no", 1, COUNT))
        offenders = {}
        for n, at in enumerate(range(10, COUNT, 20)):
            kind = KINDS[n % len(KINDS)]
            if kind == "unknown":
                everything[at] = next(nobody)
            offenders[everything[at]] = kind
        self.simulator.stop()
        self.simulator = Simulator(self.stack.dir, seed(
            {"prefix": "po", "count": COUNT, **GUANGZHOU},
            namesOffenders=False, limits={"TerminateInstances": 1000, "DescribeInstances": 1000}))
        for i, kind in offenders.items():
            if kind == "denied":
                self.simulator.fault(kind="error", action="TerminateInstances", code="UnauthorizedOperation", id=i,
                                     message="The operation is not authorized by CAM.", count=10 ** 9)
            elif kind != "unknown":
                self.simulator.change(id=i, **{"locked": {"protected": True}, "refused": {"refuseForGood": True}}[kind])
        return everything, offenders

    def members(self):
        items = self.stack.api.list("instanceretirements", self.team)
        phases = collections.Counter(o.get("status", {}).get("phase") for o in items)
        return phases, {m["id"]: (m["state"], m.get("reason"))
                        for o in items for m in o.get("status", {}).get("instances", [])}

    def entries(self):
        return collections.Counter(b.get("status", {}).get("phase")
                                   for b in self.stack.api.list("retirementbatches"))

    def without_effect(self):
        entries = self.entries()
        return entries["Rejected"] + entries["Abandoned"]

    def test_one_in_twenty_is_refused_and_nobody_says_which(self):
        everything, offenders = self.prepare()
        rates = {"terminatePerSecond": 50, "describePerSecond": 100, "allowAboveDocumented": True}
        before = self.stack.api.writes("instanceretirements")
        self.stack.apply(account(self.simulator, rates=rates))
        self.stack.api.create_many("instanceretirements", [
            request(self.team, f"r{n:02}", everything[EACH * n:EACH * (n + 1)]) for n in range(COUNT // EACH)])
        began = time.monotonic()
        with running(self.operator()) as (operator,):
            try:
                wait_until("all are final", lambda: self.members()[0] == {"Incomplete": COUNT // EACH}, 900, 2)
            except TimeoutError:
                pass  # judged below
            took = time.monotonic() - began
            calls = len(self.simulator.calls("TerminateInstances"))
            self.settled(operator, 10)
            phases, members = self.members()
            late = len(self.simulator.calls("TerminateInstances")) - calls
            try:
                # The youngest may still tell of a call; they are kept for two minutes longer.
                wait_until("entries without effect are few", lambda: self.without_effect() <= MOST_KEPT, 300, 2)
            except TimeoutError:
                pass  # judged below
            memory = operator.metric("process_resident_memory_bytes")
        entries, kept = self.entries(), self.without_effect()
        accepted = collections.Counter(i for c in self.simulator.terminations() for i in c)
        innocent = [i for i in everything if i not in offenders]
        untold = collections.Counter((kind, members.get(i)) for i, kind in offenders.items()
                                     if members.get(i) != TOLD[kind])
        undone = collections.Counter(members.get(i) for i in innocent if members.get(i) != DONE)
        print(f"\n  {COUNT} instances, {len(offenders)} offenders: {took:.0f} s, {calls} calls (and {late} in the next "
              f"10 s), {len(self.simulator.calls('DescribeInstances'))} looks, entries {dict(entries)}, "
              f"{self.stack.api.writes('instanceretirements') - before} status writes, {memory / 1e6:.0f} MB")
        only_called = sum(kind in ("denied", "refused") for kind in offenders.values())
        wrong = []
        if {i: accepted[i] for i in innocent} != {i: 1 for i in innocent} or set(accepted) - set(innocent):
            wrong.append(f"{sum(accepted[i] == 1 for i in innocent)} of {len(innocent)} accepted once, "
                         f"{sum(accepted[i] > 1 for i in accepted)} more than once, "
                         f"{len(set(accepted) - set(innocent))} offenders accepted")
        if undone:
            wrong.append(f"others not {DONE}: {dict(undone)}")
        if untold:
            wrong.append(f"offenders not told as {TOLD}: {dict(untold)}")
        if phases != {"Incomplete": COUNT // EACH}:
            wrong.append(f"requests not Incomplete: {dict(phases)}")
        if calls + late > COUNT // 100 + 15 * only_called:
            wrong.append(f"{calls + late} TerminateInstances, at most {COUNT // 100 + 15 * only_called}")
        if kept > MOST_KEPT:
            wrong.append(f"{kept} entries without effect, at most {MOST_KEPT}: {dict(entries)}")
        if wrong:
            self.fail("\n".join(wrong))


if __name__ == "__main__":
    unittest.main()
