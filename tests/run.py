#!/usr/bin/env python3
"""Runs the tests in Python, prints their number by layer, and why any was skipped.

Each file is a process of its own with a control plane of its own. Five go side by side, since most of
their time they wait for settle times; what a file prints comes when it has ended.
"""

import concurrent.futures
import json
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
LAYERS = ("crds", "e2e", "crash", "sdk", "chart")
SIDE_BY_SIDE = 5
# The longest begin first, so that none is left alone at the end.
LONGEST_FIRST = ("fault", "behaviour", "scale", "overload", "storm", "trouble", "refusal", "stranger", "crash")


class Result(unittest.TextTestResult):
    def startTest(self, test):
        super().startTest(test)
        self.began = time.monotonic()

    def stopTest(self, test):
        super().stopTest(test)
        self.stream.writeln(f"    {time.monotonic() - self.began:.1f} s")


def files(wanted):
    """(layer, module) of each test file that is wanted, all when nothing is."""
    found = []
    for layer in LAYERS:
        for path in sorted((ROOT / "tests" / layer).glob("*_test.py")):
            name = f"tests.{layer}.{path.stem}"
            if not wanted or any(w in name for w in wanted):
                found.append((layer, name))

    def rank(item):
        word = item[1].rsplit(".", 1)[1].removesuffix("_test")
        return LONGEST_FIRST.index(word) if word in LONGEST_FIRST else len(LONGEST_FIRST)
    return sorted(found, key=rank)


def interrupt(*_):
    raise KeyboardInterrupt


def run_here(module, report):
    """One file, in this process; its counts go to `report`."""
    # So that a test run that is ended leaves no process behind; anything else unittest catches.
    signal.signal(signal.SIGTERM, interrupt)
    suite = unittest.defaultTestLoader.loadTestsFromName(module)
    result = unittest.TextTestRunner(verbosity=2, resultclass=Result).run(suite)
    bad = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    pathlib.Path(report).write_text(json.dumps({
        "passed": result.testsRun - bad - len(result.skipped), "failed": bad,
        "skipped": [[test.id(), reason] for test, reason in result.skipped]}))
    sys.exit(0 if result.wasSuccessful() else 1)


class Runner:
    def __init__(self):
        self.processes = []

    def run(self, module):
        """Runs a file in a process of its own; its counts. One that ends without any has failed."""
        with tempfile.TemporaryDirectory() as directory:
            report = pathlib.Path(directory) / "report.json"
            process = subprocess.Popen(
                [sys.executable, "-W", "ignore::ResourceWarning", __file__, "--one", module, report],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            self.processes.append(process)
            output, _ = process.communicate()
            print(f"{module}\n{output}", flush=True)
            counts = {"passed": 0, "failed": 1, "skipped": []}
            return json.loads(report.read_text()) if report.exists() else counts

    def stop(self, *_):
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
        for process in self.processes:
            process.wait()
        sys.exit(143)


def main():
    if sys.argv[1:2] == ["--one"]:
        return run_here(*sys.argv[2:4])
    runner = Runner()
    signal.signal(signal.SIGTERM, runner.stop)
    layers = {}
    with concurrent.futures.ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        work = [(layer, pool.submit(runner.run, module)) for layer, module in files(sys.argv[1:])]
        for layer, counts in work:
            layers.setdefault(layer, []).append(counts.result())
    print()
    for layer in (l for l in LAYERS if l in layers):
        passed, failed = (sum(c[key] for c in layers[layer]) for key in ("passed", "failed"))
        skipped = [s for c in layers[layer] for s in c["skipped"]]
        print(f"{layer}: {passed} passed, {failed} failed, {len(skipped)} skipped")
        for test, reason in skipped:
            print(f"  skipped {test}: {reason}")
    return 1 if any(c["failed"] for counts in layers.values() for c in counts) else 0


if __name__ == "__main__":
    sys.exit(main())
