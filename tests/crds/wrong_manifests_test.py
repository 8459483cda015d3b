"""What people write wrongly, and the words that the server answers it with."""

import json
import pathlib
import subprocess
import unittest

from tests.crds.rules_test import account, request
from tests.e2e.harness import GROUP, Stack, wait_until

REGION = "must be a region such as ap-guangzhou, not a zone such as ap-guangzhou-6"
ID = "must be an instance id such as ins-r8hr2upy"
TIME = "must be a time with its zone, such as 2026-12-01T18:00:00Z"
DURATION = "must be a duration such as 90s, 15m, 1h30m or 2d"
ADDRESS = "must be an IP address such as 10.0.3.17"
RATES = "write allowAboveDocumented: true"


def instance(**fields):
    return request(instances=[{"id": "ins-r8hr2upy", **fields}])


def expecting(**fields):
    return instance(expect=fields)


def scheduled(**fields):
    return request(schedule=fields)


def without(obj, field):
    return {**obj, "spec": {k: v for k, v in obj["spec"].items() if k != field}}


# (what is wrong, the manifest, the place that the answer names, words of the answer)
WRONG = [
    ("an id in capitals", request(instances=[{"id": "INS-R8HR2UPY"}]), "spec.instances[0].id", ID),
    ("an id too short", request(instances=[{"id": "ins-r8hr2up"}]), "spec.instances[0].id", ID),
    ("an id too long", request(instances=[{"id": "ins-r8hr2upyy"}]), "spec.instances[0].id", ID),
    ("an id of another cloud", request(instances=[{"id": "i-0abcd1234abcd1234"}]), "spec.instances[0].id", ID),
    ("an id of something else", request(instances=[{"id": "lb-r8hr2upy"}]), "spec.instances[0].id", ID),
    ("an id with a blank", request(instances=[{"id": "ins-r8hr up"}]), "spec.instances[0].id", ID),
    ("no id", request(instances=[{}]), "spec.instances[0].id", "Required value"),
    ("instances as strings", request(instances=["ins-r8hr2upy"]), "spec.instances[0]", "must be of type object"),
    ("instances as a string", request(instances="ins-r8hr2upy"), "spec.instances", "must be of type array"),
    ("no instances", without(request(), "instances"), "spec.instances", "Required value"),
    ("an empty list", request(instances=[]), "spec.instances", "should have at least 1 items"),
    ("an id twice", request(instances=[{"id": "ins-r8hr2upy"}] * 2), "spec.instances[1]", "Duplicate value"),
    ("201 instances", request(instances=[{"id": f"ins-{n:08}"} for n in range(201)]), "spec.instances",
     "must have at most 200 items"),
    ("no region", without(request(), "region"), "spec.region", "Required value"),
    ("a zone", request(region="ap-guangzhou-6"), "spec.region", REGION),
    ("the zone of a finance region", request(region="ap-shenzhen-fsi-1"), "spec.region", REGION),
    ("the name of a city", request(region="Guangzhou"), "spec.region", REGION),
    ("a region in capitals", request(region="AP-GUANGZHOU"), "spec.region", REGION),
    ("a mode in small letters", request(mode="dryrun"), "spec.mode", 'supported values: "Execute", "DryRun"'),
    ("a mode that is not there", request(mode="Plan"), "spec.mode", 'supported values: "Execute", "DryRun"'),
    ("dryRun", request(dryRun=True), "spec.dryRun", "write mode: DryRun"),
    ("dryRun as text", request(dryRun="true"), "spec.dryRun", "must be of type boolean"),
    ("dryRun that is false", request(dryRun=False), "spec.dryRun", "write mode: DryRun"),
    ("paused", request(paused=True), "spec.paused", "write suspend: true"),
    ("suspended", request(suspended=True), "spec.suspended", "write suspend: true"),
    ("force", request(force=True), "spec.force", "there is no force"),
    ("account", request(account="prod"), "spec.account", "write accountRef: {name: ...}"),
    ("accountRef as text", request(accountRef="prod"), "spec.accountRef", "must be of type object"),
    ("accountRef in capitals", request(accountRef={"name": "Prod"}), "spec.accountRef.name",
     "must be the name of a CloudAccount such as default"),
    ("instanceIds", request(instanceIds=["ins-r8hr2upy"]), "spec.instanceIds", "write instances: [{id: ins-r8hr2upy}]"),
    ("selector", request(selector={"tags": {"a": "b"}}), "spec.selector", "name each instance"),
    ("ttlSecondsAfterFinished", request(ttlSecondsAfterFinished=60), "spec.ttlSecondsAfterFinished",
     "stays until somebody deletes it"),
    ("an expectation of nothing", expecting(), "spec.instances[0].expect", "expect needs name or privateIP"),
    ("an address that is none", expecting(privateIP="worker-17"), "spec.instances[0].expect.privateIP", ADDRESS),
    ("an address with a byte too large", expecting(privateIP="10.0.3.256"), "spec.instances[0].expect.privateIP",
     ADDRESS),
    ("an address with a mask", expecting(privateIP="10.0.3.17/24"), "spec.instances[0].expect.privateIP", ADDRESS),
    ("three bytes of an address", expecting(privateIP="10.0.3"), "spec.instances[0].expect.privateIP", ADDRESS),
    ("a public address", expecting(publicIP="1.2.3.4"), "spec.instances[0].expect.publicIP", "unknown field"),
    ("a date", scheduled(notBefore="2026-12-01"), "spec.schedule.notBefore", TIME),
    ("a time without its zone", scheduled(notBefore="2026-12-01T18:00:00"), "spec.schedule.notBefore", TIME),
    ("a time with a blank", scheduled(expiresAt="2026-12-01 18:00:00Z"), "spec.schedule.expiresAt", TIME),
    ("an hour that is not there", scheduled(expiresAt="2026-12-01T24:00:00Z"), "spec.schedule.expiresAt", TIME),
    ("an end before the beginning",
     scheduled(notBefore="2026-12-02T00:00:00Z", expiresAt="2026-12-01T00:00:00Z"), "spec.schedule",
     "expiresAt must be after notBefore"),
    ("an end before the beginning, in another zone",
     scheduled(notBefore="2026-12-01T23:00:00Z", expiresAt="2026-12-02T01:00:00+08:00"), "spec.schedule",
     "expiresAt must be after notBefore"),
    ("a duration of ISO 8601", scheduled(gracePeriod="PT15M"), "spec.schedule.gracePeriod", DURATION),
    ("a duration as a number", scheduled(gracePeriod=900), "spec.schedule.gracePeriod", "must be of type string"),
    ("a duration without its unit", scheduled(gracePeriod="900"), "spec.schedule.gracePeriod", DURATION),
    ("a duration of ages", scheduled(gracePeriod="9" * 20 + "d"), "spec.schedule.gracePeriod", DURATION),
    ("a field in small letters", scheduled(notbefore="2026-12-01T18:00:00Z"), "spec.schedule.notbefore",
     "unknown field"),
    ("a policy of another cloud", request(termination={"prepaid": "Delete"}), "spec.termination.prepaid",
     'supported values: "Refuse", "Recycle", "Destroy"'),
    ("a bin for postpaid instances", request(termination={"postpaid": "Recycle"}), "spec.termination.postpaid",
     'supported values: "Refuse", "Terminate"'),
    ("a truth as text", request(termination={"releaseAddress": "true"}), "spec.termination.releaseAddress",
     "must be of type boolean"),
    ("a long reason", request(reason="x" * 300), "spec.reason", "Too long"),
    ("no spec", {k: v for k, v in request().items() if k != "spec"}, "spec", "Required value"),
    ("no credentials", without(account(), "credentials"), "spec.credentials", "Required value"),
    ("two sources of credentials", account(credentials={"environment": {}, "secretRef": {"name": "s"}}),
     "spec.credentials", "exactly one of secretRef and environment"),
    ("credentials in the manifest", account(credentials={"secretId": "AKID"}), "spec.credentials.secretId",
     "unknown field"),
    ("a Secret elsewhere", account(credentials={"secretRef": {"name": "s", "namespace": "n"}}),
     "spec.credentials.secretRef.namespace", "unknown field"),
    ("a region as text", account(regions="ap-guangzhou"), "spec.regions", "must be of type array"),
    ("any region", account(regions=["*"]), "spec.regions[0]", REGION),
    ("a zone of an account", account(regions=["ap-guangzhou-6"]), "spec.regions[0]", REGION),
    ("an endpoint without scheme", account(endpoint="cvm.tencentcloudapi.com"), "spec.endpoint",
     "must begin with https://"),
    ("an endpoint with a path", account(endpoint="https://cvm.tencentcloudapi.com/x"), "spec.endpoint",
     "must be scheme, host and port only"),
    ("namespaces as a list", account(allowedNamespaces=["team-a"]), "spec.allowedNamespaces",
     "must be of type object"),
    ("namespaces by selector", account(allowedNamespaces={"selector": {}}), "spec.allowedNamespaces.selector",
     "unknown field"),
    ("all and names", account(allowedNamespaces={"all": True, "names": ["team-a"]}), "spec.allowedNamespaces",
     "takes either all: true or names, not both"),
    ("a namespace in capitals", account(allowedNamespaces={"names": ["Team"]}), "spec.allowedNamespaces.names[0]",
     "must be the name of a namespace such as team-a"),
    ("a name with a dot", account(name="b62.prod"), "metadata.name", "must be a DNS label of at most 40 characters"),
    ("no calls per second", account(rates={"terminatePerSecond": 0}), "spec.rates.terminatePerSecond",
     "should be greater than or equal to 1"),
    ("more calls than documented", account(rates={"terminatePerSecond": 11}), "spec.rates", RATES),
    ("more looks than documented", account(rates={"describePerSecond": 41}), "spec.rates", RATES),
    ("a signature that is valid for long", account(api={"callValidity": "10m"}), "spec.api.callValidity",
     "callValidity must be 15s to 300s"),
    ("a mode of another tool", account(mode="Enforce"), "spec.mode", 'supported values: "DryRun", "Execute"'),
    ("suspend on an account", account(suspend=True), "spec.suspend", "write paused: true"),
    ("dryRun on an account", account(dryRun=True), "spec.dryRun", "write mode: DryRun"),
    ("disabled", account(disabled=True), "spec.disabled", "write paused: true"),
]

# What must be accepted all the same.
RIGHT = [
    request(region="ap-shenzhen-fsi"), request(region="na-siliconvalley"), expecting(privateIP="10.0.3.17"),
    expecting(privateIP="fd00::3:17"), scheduled(notBefore="2026-12-01T18:00:00+08:00"),
    scheduled(notBefore="2026-12-01T18:00:00.5Z", expiresAt="2026-12-02T18:00:00Z"), scheduled(gracePeriod="2d"),
    account(rates={"terminatePerSecond": 10, "describePerSecond": 40}),
    account(rates={"terminatePerSecond": 100, "allowAboveDocumented": True}),
    account(endpoint="http://127.0.0.1:8080"), account(allowedNamespaces={}),
]

POISON = {"InstanceRetirement": {"dryRun": True, "paused": True, "suspended": True, "force": True,
                                 "account": "prod", "instanceIds": ["ins-r8hr2upy"],
                                 "selector": {"tags": {"a": "b"}}, "ttlSecondsAfterFinished": 60},
          "CloudAccount": {"suspend": True, "dryRun": True, "disabled": True}}


def poisoned():
    for kind, fields in POISON.items():
        for field, value in fields.items():
            yield field, (request if kind == "InstanceRetirement" else account)(**{field: value})


class WrongManifestsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = Stack.shared()

    def create(self, obj):
        where = "/namespaces/default" if "namespace" in obj["metadata"] else ""
        path = f"/apis/{GROUP}{where}/{obj['kind'].lower()}s"
        return self.stack.api.request("POST", path + "?fieldValidation=Strict&dryRun=All", obj)

    def test_every_mistake_is_named_where_it_is(self):
        for what, obj, place, words in WRONG:
            with self.subTest(what):
                status, body = self.create(obj)
                self.assertIn(status, (400, 422), f"{what}: {body}")
                message = json.loads(body)["message"]
                self.assertIn(place, message)
                self.assertIn(words, message)

    def test_what_looks_alike_and_is_right(self):
        for obj in RIGHT:
            with self.subTest(json.dumps(obj["spec"])):
                status, body = self.create(obj)
                self.assertEqual(status, 201, body)

    def apply(self, obj, *how):
        done = self.stack.plane.kubectl("apply", "-f", "-", *how, stdin=json.dumps(obj), check=False)
        return done.returncode, done.stdout + done.stderr

    def test_no_kubectl_drops_a_word_of_another_tool(self):
        for how in (["--validate=strict"], ["--validate=warn"], ["--validate=ignore"],
                    ["--server-side"], ["--server-side", "--validate=ignore"]):
            for field, obj in poisoned():
                with self.subTest(field=field, how=how):
                    code, text = self.apply(obj, *how)
                    self.assertNotEqual(code, 0, text)
                    self.assertIn(f"there is no {field}", text)

    def test_no_helm_drops_a_word_of_another_tool(self):
        for n, (field, obj) in enumerate(poisoned()):
            chart = pathlib.Path(self.stack.dir) / f"poison-{n}"
            (chart / "templates").mkdir(parents=True)
            (chart / "Chart.yaml").write_text("apiVersion: v2\nname: poison\nversion: 0.1.0\n")
            (chart / "templates" / "object.yaml").write_text(json.dumps(obj))
            # Without server-side apply helm 4 sends what helm 3 does.
            for how in ("true", "false"):
                with self.subTest(field=field, server_side=how):
                    done = subprocess.run([self.stack.plane.bin / "helm", "install", f"poison-{n}-{how}", chart,
                                           f"--server-side={how}", "--kubeconfig", self.stack.plane.kubeconfig],
                                          capture_output=True, text=True)
                    self.assertNotEqual(done.returncode, 0, done.stdout)
                    self.assertIn(f"there is no {field}", done.stderr)

    def test_every_field_is_explained(self):
        lacking = []

        def walk(schema, path):
            for name, field in schema.get("properties", {}).items():
                if path or name not in ("apiVersion", "kind", "metadata"):
                    if not field.get("description"):
                        lacking.append(path + "." + name)
                walk(field, path + "." + name)
                walk(field.get("items", {}), path + "." + name + "[]")

        for plural in ("instanceretirements", "cloudaccounts", "retirementbatches"):
            crd = self.stack.plane.get("crd", f"{plural}.cvm-retirement.dev")
            for version in crd["spec"]["versions"]:
                walk(version["schema"]["openAPIV3Schema"], "")
        self.assertEqual(lacking, [])
        # The server publishes the schema of a new kind after a while.
        wait_until("kubectl explains the field", lambda: "goes on costing" in " ".join(
            self.stack.plane.kubectl("explain", "iret.spec.termination.releaseAddress", check=False).stdout.split()))


if __name__ == "__main__":
    unittest.main()
