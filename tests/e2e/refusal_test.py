"""Every documented error code, refused for good: few calls, few entries and writes, and told at once (E1, E2).

One account and one request of three instances for each code, all side by side before one operator."""

import collections
import datetime
import http.client
import json
import re
import ssl
import threading
import time
import unittest

from tests.e2e.behaviour_test import GUANGZHOU, Base
from tests.e2e.harness import GROUP, ROOT, Simulator, account, condition, ids, request, running, seed, wait_until

VECTORS = json.loads((ROOT / "tests/testdata/vectors/error-codes.json").read_text())
# DryRunOperation is the success of a dry run, and no refusal of a call.
CODES = [c for c in VECTORS["action"] + VECTORS["common"] if c["code"] != "DryRunOperation"]

# How the message names whom it is about: the flavours take turns, and these codes are met in all of them.
FLAVOURS = ("hint", "masked", "none")
ALL_FLAVOURS = {"UnauthorizedOperation", "AuthFailure.UnauthorizedOperation", "InternalServerError",
                "UnknownParameter", "UnsupportedOperation.InstancesProtected"}

WINDOW = 120          # seconds after the first refusal in which all is counted
MOST_CALLS = 16       # of TerminateInstances in that time, for three instances
MOST_ENTRIES = 16     # RetirementBatches, ever
MOST_LOOKS = 12       # ten, then one each minute
MOST_WRITES = 20      # of one object
TOLD_WITHIN = 30
SLACK = 5             # for a busy machine, on what is measured in time
# A refused TerminateInstances is told by the account if it is about more than one instance; what is
# about an instance is told by its request. A refused look is always told by both.
TOLD_BY_ACCOUNT = {"account", "auth", "request"}
# These are about an instance as soon as they name one.
NAMES_INSTANCE = {"UnauthorizedOperation", "AuthFailure.UnauthorizedOperation"}


class Watch(threading.Thread):
    """Watches all objects of a kind: how often each is modified, and when it first holds the text that
    `wanted` names for it."""

    def __init__(self, stack, plural, wanted):
        super().__init__(daemon=True)
        self.plural, self.wanted = plural, wanted
        self.modified = collections.Counter()
        self.told = {}  # by name, by wall clock
        self.trouble = None
        self.connection = http.client.HTTPSConnection(
            "127.0.0.1", stack.plane.port, context=ssl._create_unverified_context(), timeout=900)
        self.headers = {"Authorization": "Bearer admin-of-tests"}
        answer = self.get("limit=1")
        self.version = json.loads(answer.read())["metadata"]["resourceVersion"]
        self.start()

    def get(self, query):
        self.connection.request("GET", f"/apis/{GROUP}/{self.plural}?{query}", headers=self.headers)
        return self.connection.getresponse()

    def run(self):
        try:
            answer = self.get(f"watch=true&timeoutSeconds=900&resourceVersion={self.version}")
            while line := answer.readline():
                self.take(json.loads(line), time.time())
        except (OSError, ValueError, AttributeError, http.client.HTTPException) as e:
            self.trouble = e

    def take(self, event, now):
        o = event["object"]
        name = o["metadata"]["name"]
        if event["type"] == "MODIFIED":
            self.modified[name] += 1
        if self.wanted.get(name, "\0") in words(o):
            self.told.setdefault(name, now)

    def stop(self):
        try:
            self.connection.sock.shutdown(2)
        except (OSError, AttributeError):
            pass
        self.join(10)


def words(o):
    """What an object says to people."""
    status = o.get("status", {})
    said = [f"{c.get('reason')} {c.get('message')}" for c in status.get("conditions", [])]
    said += [f"{m.get('reason')} {m.get('message')}" for m in status.get("instances", [])]
    return "\n".join(said)


def when(call):
    return datetime.datetime.fromisoformat(call["time"].replace("Z", "+00:00")).timestamp()


class Row:
    """One code: its account, which has a key of its own, and its request; both have the same name."""

    def __init__(self, letter, number, code, flavour):
        self.code, self.scope, self.text = code["code"], code["scope"], code["en"]
        slug = re.sub("[^a-z0-9]+", "-", self.code.lower())
        self.name = f"{letter}{number:02}-{slug}"[:40].strip("-")
        self.flavour = flavour
        self.secret_id = f"AKIDof{letter}{number:02}"
        self.ids = ids(f"{letter}{number:02}", 1, 3)
        self.group = {"prefix": f"{letter}{number:02}", "count": 3, **GUANGZHOU}
        self.first = None
        self.wrong = []

    def faults(self, action):
        fault = {"kind": "error", "action": action, "code": self.code, "count": 10 ** 9}
        if self.flavour == "hint":
            return [{**fault, "secretId": self.secret_id, "id": i, "message": f"{self.text} (`['{i}']`)"}
                    for i in self.ids]
        mask = " (`['******']`)" if self.flavour == "masked" else ""
        return [{**fault, "secretId": self.secret_id, "message": self.text + mask}]


class RefusalTest(Base):
    def setUp(self):
        super().setUp()
        self.simulator.stop()

    def table(self, letter, action):
        cases = [(code, FLAVOURS[n % 3]) for n, code in enumerate(CODES)]
        if action == "TerminateInstances":
            cases += [(code, flavour) for n, code in enumerate(CODES) if code["code"] in ALL_FLAVOURS
                      for flavour in FLAVOURS if flavour != FLAVOURS[n % 3]]
        rows = [Row(letter, n, code, flavour) for n, (code, flavour) in enumerate(cases)]
        self.simulator = Simulator(self.stack.dir, {**seed(*[r.group for r in rows]), "credentials": [
            {"secretId": r.secret_id, "secretKey": "key-of-tests"} for r in rows],
            "limits": {"TerminateInstances": 1000, "DescribeInstances": 1000}})
        for row in rows:
            for fault in row.faults(action):
                self.simulator.fault(**fault)
        for row in rows:
            self.post(f"/api/v1/namespaces/{self.own}/secrets", {
                "apiVersion": "v1", "kind": "Secret", "metadata": {"name": row.name},
                "stringData": {"secretId": row.secret_id, "secretKey": "key-of-tests"}})
        return rows

    def post(self, path, body):
        status, answer = self.stack.api.request("POST", path, body)
        self.assertEqual(status, 201, answer)

    def start(self, rows):
        for row in rows:
            self.post(f"/apis/{GROUP}/cloudaccounts", account(
                self.simulator, row.name, credentials={"secretRef": {"name": row.name}}))
        self.stack.api.create_many("instanceretirements", [
            request(self.team, row.name, row.ids, accountRef={"name": row.name}) for row in rows])

    def calls(self, rows, action):
        """The calls of each row, by its key."""
        by_key = collections.defaultdict(list)
        for call in self.simulator.calls(action):
            by_key[call["secretId"]].append(call)
        return {row.name: by_key[row.secret_id] for row in rows}

    def run_window(self, rows, action):
        """Until the last of the codes was met two minutes ago."""
        def met():
            for row in rows:
                if row.first is None and calls[row.name]:
                    row.first = when(calls[row.name][0])
            return all(row.first for row in rows)
        begin, calls = time.time(), {}
        try:
            def all_met():
                calls.update(self.calls(rows, action))
                return met()
            wait_until("every code is met", all_met, 60, 0.5)
        except TimeoutError:
            pass  # judged below
        last = max([row.first for row in rows if row.first] or [begin])
        wait_until("two minutes have passed", lambda: time.time() > last + WINDOW + 1, WINDOW + 60, 0.5)
        print(f"\n  all met after {last - begin:.0f} s")

    def judge(self, rows, action, accounts, requests):
        terminations = self.calls(rows, "TerminateInstances")
        looks = self.calls(rows, "DescribeInstances")
        entries = collections.defaultdict(lambda: [0, 0])
        for batch in self.stack.api.list("retirementbatches"):
            entry = entries[batch["spec"]["account"]]
            entry[0] += 1
            entry[1] = max(entry[1], batch["spec"]["sequence"])
        for row in rows:
            if row.first is None:
                row.wrong.append(f"{action} was never called")
                continue

            def within(calls):
                return sum(when(c) < row.first + WINDOW for c in calls[row.name])

            def limit(what, count, most):
                if count > most:
                    row.wrong.append(f"{count} {what} (at most {most})")
            limit(f"writes of the account in {WINDOW} s", accounts.modified[row.name], MOST_WRITES)
            limit(f"writes of the request in {WINDOW} s", requests.modified[row.name], MOST_WRITES)
            # Deleted ones count too: the number of the newest is how many were written.
            limit("RetirementBatches", max(entries[row.name]), MOST_ENTRIES)
            if action == "TerminateInstances":
                limit(f"TerminateInstances in {WINDOW} s", within(terminations), MOST_CALLS)
            else:
                limit(f"DescribeInstances in {WINDOW} s", within(looks), MOST_LOOKS)
                limit("TerminateInstances of what was never seen", len(terminations[row.name]), 0)
            told_by = [("request", requests)]
            if action == "DescribeInstances" or (row.scope in TOLD_BY_ACCOUNT and not (
                    row.flavour == "hint" and row.code in NAMES_INSTANCE)):
                told_by.append(("account", accounts))
            for who, watch in told_by:
                told = watch.told.get(row.name)
                if told is None:
                    row.wrong.append(f"the code is not told by the {who}")
                elif told > row.first + TOLD_WITHIN + SLACK:
                    row.wrong.append(f"told by the {who} after {told - row.first:.0f} s only")
        most = max(len(c) for c in (terminations if action == "TerminateInstances" else looks).values())
        print(f"  {action}: at most {most} calls of one code; writes: "
              f"{sum(accounts.modified.values())} of accounts, {sum(requests.modified.values())} of requests")

    def heal(self, rows, action, codes, asked=()):
        """The faults are gone: what is promised to go on goes on, once."""
        self.simulator.admin("DELETE", "/admin/faults")
        healing = [row for row in rows if row.code in codes]
        for row in healing:
            if row.code in asked:
                self.plane.kubectl("annotate", "iret", row.name, "-n", self.team,
                                   "cvm-retirement.dev/requestedAt=now")
        try:
            wait_until("they go on", lambda: all(self.phase(r.name) == "Complete" for r in healing), 120, 1)
        except TimeoutError:
            pass  # judged below
        accepted = collections.Counter(i for call in self.simulator.terminations() for i in call)
        for row in healing:
            if self.phase(row.name) != "Complete":
                row.wrong.append(f"not Complete 120 s after {action} works again: {self.states(row.name)}, "
                                 f"Ready: {condition(self.get(row.name), 'Ready')}")
            elif {i: accepted[i] for i in row.ids} != {i: 1 for i in row.ids}:
                row.wrong.append(f"S5: accepted {[accepted[i] for i in row.ids]} times")
        self.assertEqual({i: n for i, n in accepted.items() if n > 1}, {}, "S5")

    def refuse_for_good(self, letter, action, healing, asked=()):
        rows = self.table(letter, action)
        wanted = {row.name: row.code for row in rows}
        with running(self.operator()) as (operator,):
            operator.wait_leading()
            accounts = Watch(self.stack, "cloudaccounts", wanted)
            requests = Watch(self.stack, "instanceretirements", wanted)
            with running(accounts, requests):
                self.start(rows)
                self.run_window(rows, action)
                for watch in (accounts, requests):
                    self.assertIsNone(watch.trouble, f"the watch of {watch.plural} ended")
                self.judge(rows, action, accounts, requests)
            self.heal(rows, action, healing, asked)
        wrong = [row for row in rows if row.wrong]
        for row in wrong:
            print(f"  WRONG {action} {row.code} ({row.scope}, {row.flavour}): {'; '.join(row.wrong)}")
        print(f"  {len({row.code for row in rows})} codes, {len({row.code for row in wrong})} wrong")
        if wrong:
            self.fail(f"{len(wrong)} of {len(rows)} rows are wrong, each told above; the first: "
                      f"{action} {wrong[0].code}: {'; '.join(wrong[0].wrong)}")

    def test_every_refusal_of_a_call(self):
        self.refuse_for_good("t", "TerminateInstances", {
            "InternalServerError", "RequestLimitExceeded", "MutexOperation.TaskRunning"},
            asked={"MutexOperation.TaskRunning"})

    def test_every_refusal_of_a_look(self):
        self.refuse_for_good("d", "DescribeInstances", {"InternalServerError", "RequestLimitExceeded"})


if __name__ == "__main__":
    unittest.main()
