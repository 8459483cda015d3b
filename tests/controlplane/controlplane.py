#!/usr/bin/env python3
"""A real kube-apiserver and etcd on this machine, for tests and the demo.

    controlplane.py up DIR      starts them, prints the path of an admin kubeconfig
    controlplane.py down DIR    ends them

DIR keeps their data, logs and process ids. No controllers run: nothing is garbage-collected and
namespaces are never finished. Everything listens on 127.0.0.1 only.
"""

import fcntl
import json
import os
import pathlib
import random
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
START_TIMEOUT = 120
STARTS = 3


class Ports:
    """Ports that nobody listens on, each given out once: also to none of the other processes that test
    on this machine, as long as this one lives."""

    def __init__(self):
        # Below the ports that the system gives to outgoing connections: kube-apiserver opens a hundred
        # of those before it listens.
        lowest = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
        self.range = range(10_000, max(lowest, 11_000))
        self.given = set()
        self.mutex = threading.Lock()
        self.locks = open(pathlib.Path(tempfile.gettempdir()) / f"cvm-retirement-ports.{os.getuid()}", "a+b")

    def take(self):
        with self.mutex:
            for _ in range(1_000):
                port = random.choice(self.range)
                if port not in self.given and self._lock(port) and self._is_free(port):
                    self.given.add(port)
                    return port
        raise RuntimeError("no free port found on 127.0.0.1")

    def _lock(self, port):
        """The byte of the file at `port` is this process's."""
        try:
            fcntl.lockf(self.locks, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
            return True
        except OSError:
            return False

    @staticmethod
    def _is_free(port):
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return True
            except OSError:
                return False


PORTS = Ports()


def free_port():
    return PORTS.take()


def binaries():
    """The folder with kube-apiserver, etcd, kubectl and helm."""
    out = subprocess.run([HERE / "binaries.sh"], check=True, stdout=subprocess.PIPE, text=True)
    return pathlib.Path(out.stdout.strip())


def wait_until(what, check, timeout=START_TIMEOUT, interval=0.05):
    """Polls `check` until it is true; fails loudly with `what`. Returns what check returned."""
    end = time.monotonic() + timeout
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"not within {timeout} s: {what}")
        time.sleep(interval)


class ControlPlane:
    """Runs while the object is between start() and stop()."""

    def __init__(self, directory):
        self.dir = pathlib.Path(directory)
        self.bin = binaries()
        self.kubeconfig = self.dir / "kubeconfig"
        self.processes = {}

    def start(self):
        self.dir.mkdir(parents=True, exist_ok=True)
        for left in reversed(range(STARTS)):
            try:
                return self._start()
            except RuntimeError as e:
                self.stop()
                if left == 0:
                    raise
                print(f"the control plane is started again: {e}", file=sys.stderr)

    def _start(self):
        self.etcd_port, peer, self.port = free_port(), free_port(), free_port()
        self._keys()
        etcd = f"http://127.0.0.1:{self.etcd_port}"
        self._spawn("etcd", [
            self.bin / "etcd", f"--listen-client-urls={etcd}", f"--advertise-client-urls={etcd}",
            f"--listen-peer-urls=http://127.0.0.1:{peer}", f"--data-dir={self.dir / 'etcd'}",
            "--unsafe-no-fsync=true", "--log-level=error"])
        wait_until("etcd answers", lambda: self._answers(f"{etcd}/health"))
        self.start_apiserver()
        self._write_kubeconfig()
        return self

    def start_apiserver(self):
        self._spawn("kube-apiserver", [
            self.bin / "kube-apiserver", f"--etcd-servers=http://127.0.0.1:{self.etcd_port}",
            f"--cert-dir={self.dir / 'certs'}", f"--secure-port={self.port}",
            "--bind-address=127.0.0.1", "--authorization-mode=RBAC",
            f"--token-auth-file={self.dir / 'tokens.csv'}", "--service-cluster-ip-range=10.0.0.0/24",
            "--allow-privileged=true", "--disable-admission-plugins=ServiceAccount",
            f"--service-account-issuer=https://127.0.0.1:{self.port}/",
            f"--service-account-key-file={self.dir / 'sa.key'}",
            f"--service-account-signing-key-file={self.dir / 'sa.key'}", "--profiling=false"])
        wait_until("kube-apiserver is ready",
                   lambda: self._answers(f"https://127.0.0.1:{self.port}/readyz"))

    def stop(self):
        for name in ("kube-apiserver", "etcd"):
            self.stop_process(name)

    def stop_process(self, name, sig=signal.SIGTERM):
        process = self.processes.pop(name, None)
        if process is None:
            return
        process.send_signal(sig)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def kubectl(self, *args, stdin=None, check=True, kubeconfig=None):
        """Runs kubectl; its standard output, or with check=False the finished process."""
        done = subprocess.run(
            [self.bin / "kubectl", f"--kubeconfig={kubeconfig or self.kubeconfig}", *args],
            input=stdin, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if not check:
            return done
        if done.returncode != 0:
            raise RuntimeError(f"kubectl {' '.join(map(str, args))}: {done.stderr.strip()}")
        return done.stdout

    def get(self, *args):
        return json.loads(self.kubectl("get", *args, "-o", "json"))

    def write_kubeconfig(self, path, token):
        """A kubeconfig for another identity: a bearer token of `kubectl create token`."""
        text = self.kubeconfig.read_text().replace("token: admin-of-tests", f"token: {token}")
        pathlib.Path(path).write_text(text)

    def _keys(self):
        (self.dir / "tokens.csv").write_text("admin-of-tests,admin,admin,system:masters\n")
        subprocess.run(["openssl", "genrsa", "-out", self.dir / "sa.key", "2048"], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def _spawn(self, name, command):
        with open(self.dir / f"{name}.log", "ab") as log:
            self.processes[name] = subprocess.Popen(
                list(map(str, command)), stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                start_new_session=True)
        (self.dir / f"{name}.pid").write_text(str(self.processes[name].pid))

    def _answers(self, url):
        for name, process in self.processes.items():
            if process.poll() is not None:
                tail = (self.dir / f"{name}.log").read_text()[-2000:]
                raise RuntimeError(f"{name} ended with {process.returncode}:\n{tail}")
        request = urllib.request.Request(url, headers={"Authorization": "Bearer admin-of-tests"})
        context = ssl._create_unverified_context() if url.startswith("https") else None
        try:
            with urllib.request.urlopen(request, timeout=2, context=context) as answer:
                return answer.status == 200
        except OSError:
            return False

    def _write_kubeconfig(self):
        self.kubeconfig.write_text(f"""apiVersion: v1
kind: Config
current-context: tests
clusters:
- name: tests
  cluster:
    server: https://127.0.0.1:{self.port}
    certificate-authority: {self.dir / 'certs' / 'apiserver.crt'}
users:
- name: admin
  user: {{token: admin-of-tests}}
contexts:
- name: tests
  context: {{cluster: tests, user: admin}}
""")


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in ("up", "down"):
        sys.exit(__doc__)
    directory = pathlib.Path(sys.argv[2]).resolve()
    if sys.argv[1] == "up":
        print(ControlPlane(directory).start().kubeconfig)
        return
    for name in ("kube-apiserver", "etcd"):
        pid_file = directory / f"{name}.pid"
        if pid_file.exists():
            try:
                os.kill(int(pid_file.read_text()), signal.SIGTERM)
            except ProcessLookupError:
                pass
            pid_file.unlink()


if __name__ == "__main__":
    main()
