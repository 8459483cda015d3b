"""What the end-to-end tests and the demo share: one control plane, simulators, operators.

Every process listens on 127.0.0.1 only and is ended by the one who started it.
"""

import atexit
import contextlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "controlplane"))
from controlplane import ControlPlane, free_port, wait_until  # noqa: E402

BIN = pathlib.Path(os.environ.get("CVM_BIN", ROOT / "build" / "dev" / "bin"))
GROUP = "cvm-retirement.dev/v1alpha1"
SECRET_ID, SECRET_KEY = "AKIDsimulator", "secret-of-the-simulator"
REGION = "ap-guangzhou"


class Simulator:
    """A cvm-simulator process; with `port`, where another one was."""

    def __init__(self, directory, seed, port=None):
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        seed_file = pathlib.Path(directory) / "seed.yaml"
        seed_file.write_text(json.dumps(seed))
        self.log = open(pathlib.Path(directory) / "simulator.log", "ab")
        self.process = subprocess.Popen(
            [BIN / "cvm-simulator", "--seed", seed_file, "--address", f"127.0.0.1:{self.port}"],
            stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL, start_new_session=True)
        wait_until("the simulator answers", lambda: self._try())

    def _try(self):
        try:
            return self.admin("GET", "/admin/calls") is not None
        except OSError:
            return False

    def admin(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def calls(self, action=None):
        calls = self.admin("GET", "/admin/calls")
        return [c for c in calls if action in (None, c["action"])]

    def terminations(self):
        """The calls that were executed, as lists of ids."""
        return [c["ids"] for c in self.calls("TerminateInstances") if c["executed"]]

    def fault(self, **fault):
        self.admin("POST", "/admin/faults", fault)

    def change(self, **instance):
        self.admin("POST", "/admin/instances", instance)

    def instances(self):
        return {i["id"]: i for i in self.admin("GET", "/admin/instances")}

    def stop(self):
        end(self.process)
        self.log.close()


class Operator:
    """A cvm-retirement-operator process."""

    def __init__(self, directory, kubeconfig, *flags, environment=None):
        self.health, self.metrics_port = free_port(), free_port()
        self.log_file = pathlib.Path(directory) / f"operator-{self.health}.log"
        self.log = open(self.log_file, "ab")
        self.process = subprocess.Popen(
            [BIN / "cvm-retirement-operator", "--kubeconfig", kubeconfig,
             "--health-address", f"127.0.0.1:{self.health}",
             "--metrics-address", f"127.0.0.1:{self.metrics_port}", *flags],
            stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL, start_new_session=True,
            env={**os.environ, **(environment or {})})

    def text(self, port, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as e:
            return f"{e.code} {e.read().decode()}"
        except OSError:
            return ""

    def metrics(self):
        return self.text(self.metrics_port, "/metrics")

    def metric(self, prefix):
        """The sum of all series that begin with `prefix`."""
        lines = [l for l in self.metrics().splitlines() if l.startswith(prefix)]
        return sum(float(l.rsplit(" ", 1)[1]) for l in lines)

    def output(self):
        return self.log_file.read_text()

    def wait_leading(self):
        wait_until("the operator leads and has its lists", lambda: (
            self.process.poll() is not None or
            ("Leading" in self.output() and self.metric("cvm_retirement_cache_synced") == 3)))
        if self.process.poll() is not None:
            raise RuntimeError(f"the operator ended:\n{self.output()}")
        return self

    def stop(self):
        """SIGTERM; the exit code."""
        code = end(self.process)
        self.log.close()
        return code

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.log.close()


def end(process):
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    return process.returncode


class Api:
    """Plain requests to the kube-apiserver on kept connections: kubectl is too slow for thousands."""

    def __init__(self, plane):
        self.port = plane.port
        self.local = threading.local()

    def request(self, method, path, body=None, kind="application/json"):
        for attempt in (1, 2):
            if not hasattr(self.local, "connection"):
                self.local.connection = http.client.HTTPSConnection(
                    "127.0.0.1", self.port, context=ssl._create_unverified_context(), timeout=60)
            try:
                self.local.connection.request(
                    method, path, None if body is None else json.dumps(body),
                    {"Authorization": "Bearer admin-of-tests", "Content-Type": kind})
                answer = self.local.connection.getresponse()
                return answer.status, answer.read()
            except (http.client.HTTPException, OSError):
                del self.local.connection
                if attempt == 2:
                    raise

    def list(self, plural, namespace=None):
        where = f"/namespaces/{namespace}" if namespace else ""
        status, body = self.request("GET", f"/apis/{GROUP}{where}/{plural}")
        assert status == 200, body
        return json.loads(body)["items"]

    def create_many(self, plural, objects, threads=8):
        """Creates namespaced objects side by side."""
        errors = []

        def work(share):
            for o in share:
                ns = o["metadata"]["namespace"]
                status, body = self.request("POST", f"/apis/{GROUP}/namespaces/{ns}/{plural}", o)
                if status != 201:
                    errors.append(body)
        workers = [threading.Thread(target=work, args=(objects[i::threads],)) for i in range(threads)]
        for w in workers:
            w.start()
        for w in workers:
            w.join()
        assert not errors, errors[0]

    def writes(self, plural, verb="PATCH", subresource="status"):
        """Writes that the server counted, refused ones included."""
        status, body = self.request("GET", "/metrics")
        assert status == 200
        total = 0
        for line in body.decode().splitlines():
            if (line.startswith("apiserver_request_total{") and f'resource="{plural}"' in line
                    and f'verb="{verb}"' in line and f'subresource="{subresource}"' in line):
                total += float(line.rsplit(" ", 1)[1])
        return int(total)


class Stack:
    """One control plane with the CRDs, shared by all tests of a process."""

    _instance = None

    def __init__(self, directory=None):
        self.dir = pathlib.Path(directory or tempfile.mkdtemp(prefix="cvm-retirement-"))
        self.plane = ControlPlane(self.dir / "controlplane").start()
        self.api = Api(self.plane)
        self.count = 0
        self.lock = threading.Lock()
        try:
            self.install_crds()
        except RuntimeError:
            self.close()
            raise

    @classmethod
    def shared(cls):
        if cls._instance is None:
            cls._instance = cls()
            atexit.register(cls._instance.close)
        return cls._instance

    def close(self):
        self.plane.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def install_crds(self):
        self.plane.kubectl("apply", "--server-side", "-f", ROOT / "crds")
        self.plane.kubectl("wait", "--for=condition=Established", "--timeout=30s", "-f",
                           ROOT / "crds")

    def namespace(self, prefix="ns"):
        with self.lock:
            self.count += 1
            name = f"{prefix}-{self.count}"
        self.plane.kubectl("create", "namespace", name)
        return name

    def operator_namespace(self):
        """A namespace for an operator, with credentials and a released lease: who has to create the
        lease waits one duration before it leads."""
        name = self.namespace("operator")
        self.secret(name)
        self.apply({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
                    "metadata": {"name": "cvm-retirement-operator", "namespace": name},
                    "spec": {"holderIdentity": "", "leaseDurationSeconds": 1}})
        return name

    def secret(self, namespace, name="cvm-credentials", secret_id=SECRET_ID, key=SECRET_KEY):
        # By the server: the other way leaves the whole text in an annotation.
        self.plane.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace},
            "stringData": {"secretId": secret_id, "secretKey": key}}))

    def apply(self, *objects):
        self.plane.kubectl("apply", "-f", "-", stdin=json.dumps(
            {"apiVersion": "v1", "kind": "List", "items": list(objects)}))

    def clear(self):
        """Removes every object of ours and every lease, so that the next test starts afresh."""
        for kind in ("instanceretirements -A", "retirementbatches", "cloudaccounts"):
            self.plane.kubectl("delete", *kind.split(), "--all", "--wait=false")


def seed(*groups, **more):
    return {"credentials": [{"secretId": SECRET_ID, "secretKey": SECRET_KEY}],
            "instances": list(groups), **more}


def account(simulator, name="default", **spec):
    return {"apiVersion": GROUP, "kind": "CloudAccount", "metadata": {"name": name}, "spec": {
        "mode": "Execute", "regions": [REGION],
        "credentials": {"secretRef": {"name": "cvm-credentials"}}, "endpoint": simulator.url,
        "allowedNamespaces": {"all": True}, **spec}}


def request(namespace, name, ids, annotations=None, **spec):
    return {"apiVersion": GROUP, "kind": "InstanceRetirement",
            "metadata": {"name": name, "namespace": namespace, "annotations": annotations or {}},
            "spec": {"region": REGION, "instances": [i if isinstance(i, dict) else {"id": i} for i in ids],
                     **spec}}


def ids(prefix, first, last):
    """The ids that a simulator's seed makes of a prefix: ids("po", 1, 2) = ins-po000001, ..."""
    return [f"ins-{prefix}{n:0{8 - len(prefix)}}" for n in range(first, last + 1)]


def condition(obj, kind):
    for c in obj.get("status", {}).get("conditions", []):
        if c["type"] == kind:
            return c
    return {}


@contextlib.contextmanager
def running(*things):
    """Stops what was started, in reverse order, whatever happens."""
    try:
        yield things
    finally:
        for thing in reversed(things):
            thing.stop()
