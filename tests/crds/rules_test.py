"""Every rule of the CRDs, on the real server: one case that is refused, one that is accepted."""

import copy
import json
import unittest

from tests.e2e.harness import GROUP, Stack


def request(**spec):
    return {"apiVersion": GROUP, "kind": "InstanceRetirement",
            "metadata": {"name": "r", "namespace": "default"},
            "spec": {"region": "ap-guangzhou", "instances": [{"id": "ins-r8hr2upy"}], **spec}}


def account(name="a", **spec):
    return {"apiVersion": GROUP, "kind": "CloudAccount", "metadata": {"name": name},
            "spec": {"regions": ["ap-guangzhou"], "credentials": {"secretRef": {"name": "s"}}, **spec}}


def batch(**spec):
    return {"apiVersion": GROUP, "kind": "RetirementBatch",
            "metadata": {"name": "a.ap-guangzhou.0000000001"},
            "spec": {"account": "a", "region": "ap-guangzhou", "sequence": 1, "chargeType": "PREPAID",
                     "step": "First", "callValidity": "60s", "endpoint": "https://x", "credential": "c",
                     "holder": "h", "signedAt": "2026-11-01T00:00:00Z",
                     "members": [{"id": "ins-r8hr2upy",
                                  "request": {"namespace": "n", "name": "r", "uid": "u"}}], **spec}}


def members(count):
    return [{"id": f"ins-{n:08}"} for n in range(count)]


# (what, object that is refused, a part of the message, object that is accepted)
RULES = [
    ("region form", request(region="Guangzhou"), "spec.region", request(region="ap-beijing")),
    ("region length", request(region="ap-" + "x" * 40), "spec.region", request(region="ap-" + "x" * 37)),
    ("one instance at least", request(instances=[]), "spec.instances", request(instances=members(1))),
    ("200 instances at most", request(instances=members(201)), "spec.instances",
     request(instances=members(200))),
    ("instance id", request(instances=[{"id": "ins-R8hr2upy"}]), "spec.instances[0].id", request()),
    ("an id once", request(instances=members(1) * 2), "Duplicate", request(instances=members(2))),
    ("expect says something", request(instances=[{"id": "ins-r8hr2upy", "expect": {}}]),
     "expect needs name or privateIP", request(instances=[{"id": "ins-r8hr2upy", "expect": {"name": "w"}}])),
    ("expect.name length", request(instances=[{"id": "ins-r8hr2upy", "expect": {"name": "w" * 129}}]),
     "expect.name", request(instances=[{"id": "ins-r8hr2upy", "expect": {"name": "w" * 128}}])),
    ("expect.privateIP length", request(instances=[{"id": "ins-r8hr2upy", "expect": {"privateIP": "1" * 46}}]),
     "expect.privateIP", request(instances=[{"id": "ins-r8hr2upy", "expect": {"privateIP": "10.0.3.17"}}])),
    ("accountRef.name", request(accountRef={"name": "A_b"}), "accountRef.name",
     request(accountRef={"name": "prod-1"})),
    ("mode", request(mode="Maybe"), "spec.mode", request(mode="DryRun")),
    ("suspend", request(suspend="yes"), "spec.suspend", request(suspend=True)),
    ("reason length", request(reason="x" * 257), "spec.reason", request(reason="x" * 256)),
    ("ticket length", request(ticket="x" * 65), "spec.ticket", request(ticket="x" * 64)),
    ("notBefore", request(schedule={"notBefore": "tomorrow"}), "notBefore",
     request(schedule={"notBefore": "2026-12-01T18:00:00Z"})),
    ("gracePeriod", request(schedule={"gracePeriod": "soon"}), "gracePeriod",
     request(schedule={"gracePeriod": "1h30m"})),
    ("expiresAt after notBefore",
     request(schedule={"notBefore": "2026-12-02T00:00:00Z", "expiresAt": "2026-12-01T00:00:00Z"}),
     "expiresAt must be after notBefore",
     request(schedule={"notBefore": "2026-12-01T00:00:00Z", "expiresAt": "2026-12-02T00:00:00Z"})),
    ("prepaid", request(termination={"prepaid": "Vaporize"}), "termination.prepaid",
     request(termination={"prepaid": "Destroy"})),
    ("postpaid", request(termination={"postpaid": "Recycle"}), "termination.postpaid",
     request(termination={"postpaid": "Refuse"})),
    ("releaseAddress", request(termination={"releaseAddress": 1}), "releaseAddress",
     request(termination={"releaseAddress": True})),
    ("releasePrepaidDataDisks", request(termination={"releasePrepaidDataDisks": 1}),
     "releasePrepaidDataDisks", request(termination={"releasePrepaidDataDisks": True})),
    ("account name form", account(name="a.b"), "metadata.name must be a DNS label", account(name="a-b")),
    ("account name length", account(name="a" * 41), "metadata.name must be a DNS label",
     account(name="a" * 40)),
    ("account mode", account(mode="Maybe"), "spec.mode", account(mode="Execute")),
    ("account paused", account(paused="yes"), "spec.paused", account(paused=True)),
    ("one region at least", account(regions=[]), "spec.regions", account(regions=["ap-beijing"])),
    ("64 regions at most", account(regions=[f"ap-x{n}" for n in range(65)]), "spec.regions",
     account(regions=[f"ap-x{n}" for n in range(64)])),
    ("account region form", account(regions=["x"]), "spec.regions[0]", account()),
    ("one source of credentials", account(credentials={}), "exactly one",
     account(credentials={"environment": {}})),
    ("not two sources", account(credentials={"environment": {}, "secretRef": {"name": "s"}}),
     "exactly one", account()),
    ("secretRef.name", account(credentials={"secretRef": {}}), "secretRef.name", account()),
    ("endpoint form", account(endpoint="ftp://x"), "spec.endpoint", account(endpoint="https://x:8443")),
    ("endpoint without path", account(endpoint="https://x/y"), "spec.endpoint",
     account(endpoint="https://x/")),
    ("api.method", account(api={"method": "PUT"}), "api.method", account(api={"method": "GET"})),
    ("api.signature", account(api={"signature": "MD5"}), "api.signature",
     account(api={"signature": "HmacSHA1"})),
    ("callValidity too short", account(api={"callValidity": "14s"}), "15s to 300s",
     account(api={"callValidity": "15s"})),
    ("callValidity too long", account(api={"callValidity": "301s"}), "15s to 300s",
     account(api={"callValidity": "5m"})),
    ("serverSideDryRun type", account(api={"serverSideDryRun": "yes"}), "serverSideDryRun",
     account(api={"serverSideDryRun": True})),
    ("callValidity form", account(api={"callValidity": "1.5m"}), "15s to 300s",
     account(api={"callValidity": "90s"})),
    ("terminate rate", account(rates={"terminatePerSecond": 0}), "terminatePerSecond",
     account(rates={"terminatePerSecond": 1000, "allowAboveDocumented": True})),
    ("describe rate", account(rates={"describePerSecond": 1001}), "describePerSecond",
     account(rates={"describePerSecond": 1})),
    ("all or names", account(allowedNamespaces={"all": True, "names": ["a"]}), "all: true or names",
     account(allowedNamespaces={"names": ["a"]})),
    ("batch of one at least", batch(members=[]), "spec.members", batch()),
    ("batch of 100 at most", batch(members=batch()["spec"]["members"] * 101), "spec.members",
     batch(members=batch()["spec"]["members"] * 100)),
    ("batch step", batch(step="Third"), "spec.step", batch(step="Second")),
    ("batch sequence", batch(sequence=0), "spec.sequence", batch(sequence=2)),
]

# (object, a change that is refused, a part of the message)
IMMUTABLE = [
    (request(), {"spec": {"region": "ap-beijing"}}, "region is immutable"),
    (request(accountRef={"name": "a"}), {"spec": {"accountRef": {"name": "b"}}}, "accountRef is immutable"),
    (request(accountRef={"name": "a"}), {"spec": {"accountRef": None}}, "accountRef is immutable"),
    (request(), {"spec": {"termination": {"prepaid": "Destroy"}}}, "termination is immutable"),
    (request(termination={"prepaid": "Destroy"}), {"spec": {"termination": None}},
     "termination is immutable"),
    (request(), {"spec": None}, "spec"),
    (batch(), {"spec": {"holder": "another"}}, "spec is immutable"),
]


class RulesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.api = Stack.shared().api

    def path(self, obj):
        plural = obj["kind"].lower() + ("es" if obj["kind"].endswith("Batch") else "s")
        where = "/namespaces/default" if "namespace" in obj["metadata"] else ""
        return f"/apis/{GROUP}{where}/{plural}"

    def create(self, obj, dry_run=True):
        query = "?fieldValidation=Strict" + ("&dryRun=All" if dry_run else "")
        return self.api.request("POST", self.path(obj) + query, obj)

    def test_every_rule_refuses_and_accepts(self):
        for what, bad, part, good in RULES:
            with self.subTest(what):
                status, body = self.create(bad)
                self.assertIn(status, (400, 422), f"{what} should be refused")
                self.assertIn(part, json.loads(body)["message"])
                status, body = self.create(good)
                self.assertEqual(status, 201, f"{what} should be accepted: {body}")

    def test_what_is_immutable_stays_so(self):
        for n, (obj, change, part) in enumerate(IMMUTABLE):
            with self.subTest(f"{obj['kind']} {change}"):
                obj = copy.deepcopy(obj)
                obj["metadata"]["name"] = f"immutable-{n}"
                status, body = self.create(obj, dry_run=False)
                self.assertEqual(status, 201, body)
                where = self.path(obj) + "/" + obj["metadata"]["name"]
                status, body = self.api.request("PATCH", where, change, "application/merge-patch+json")
                self.assertEqual(status, 422, body)
                self.assertIn(part, json.loads(body)["message"])
                self.api.request("DELETE", where)

    def test_what_may_change_changes(self):
        obj = request(suspend=True)
        obj["metadata"]["name"] = "mutable"
        self.assertEqual(self.create(obj, dry_run=False)[0], 201)
        where = self.path(obj) + "/mutable"
        for change in ({"suspend": False}, {"mode": "DryRun"}, {"instances": members(3)},
                       {"reason": "other"}, {"schedule": {"gracePeriod": "5m"}}):
            status, body = self.api.request("PATCH", where, {"spec": change}, "application/merge-patch+json")
            self.assertEqual(status, 200, body)
        self.api.request("DELETE", where)

    def test_defaults(self):
        stored = json.loads(self.create(request())[1])
        self.assertEqual(stored["spec"]["accountRef"], {"name": "default"})
        self.assertEqual(stored["spec"]["mode"], "Execute")
        self.assertEqual(stored["spec"]["termination"]["prepaid"], "Recycle")
        self.assertEqual(stored["status"], {"observedGeneration": -1})
        stored = json.loads(self.create(account())[1])
        self.assertEqual(stored["spec"]["mode"], "DryRun")
        self.assertEqual(stored["spec"]["endpoint"], "https://cvm.tencentcloudapi.com")
        self.assertNotIn("allowedNamespaces", stored["spec"])
        self.assertEqual(json.loads(self.create(batch())[1])["status"], {"phase": "Intent"})

    def test_unknown_fields_are_refused(self):
        for obj in (request(ttl=1), account(policy="x")):
            status, body = self.create(obj)
            self.assertEqual(status, 400, body)


if __name__ == "__main__":
    unittest.main()
