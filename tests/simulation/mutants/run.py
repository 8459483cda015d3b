#!/usr/bin/env python3
"""Applies each patch of this folder to a copy of the sources, builds it, and lets the unit tests
and the simulated world attack it. Fails if a mutant survives, or if a patch does not apply any more.

    run.py [--seconds N] [NAME...]
"""

import argparse
import os
import pathlib
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
COPY = ROOT / "build" / "mutants"
# Those that judge the engine and what it relies on; the others know nothing of it.
UNIT = ("Engine*:Memory*:DryRun*:Judge*:Identity*:Evidence*:Futility*:*RefusedForGood*:Stranger*:Packer*:"
        "Rude*:Outbox*:Looks*:View*:Rate*:Search*:Accept*:Client*:Request*:*Codec*")
WORLDS = 6000  # that hold without a mutant
ENDLESS = 600  # seconds; the tests take about one minute


def run(command, **more):
    return subprocess.run(command, cwd=COPY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, **more)


def sources(root):
    files = [root / "CMakeLists.txt", root / "CMakePresets.json"]
    for name in ("src", "tests", "crds", "scripts"):
        files += [f for f in (root / name).rglob("*") if f.is_file()]
    return {f.relative_to(root) for f in files}


def prepare():
    """A copy of the sources; what was built of them stays. What differs is new to the build, be it that
    an earlier run was ended with a patch applied."""
    COPY.mkdir(parents=True, exist_ok=True)
    wanted = sources(ROOT)
    for name in sources(COPY) - wanted if (COPY / "src").exists() else ():
        (COPY / name).unlink()
    for name in wanted:
        text, copy = (ROOT / name).read_bytes(), COPY / name
        if not copy.exists() or copy.read_bytes() != text:
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(text)
            copy.chmod((ROOT / name).stat().st_mode)
    done = run(["cmake", "--preset", "dev"])
    if done.returncode != 0:
        sys.exit(done.stdout)


def build():
    return run(["cmake", "--build", "build/dev", "-j", str(os.cpu_count()),
                "--target", "simulate", "unit_tests"])


def attack(seconds):
    """Who killed the mutant, and how; None when nobody did. One that never ends is noticed, too."""
    try:
        done = run(["build/dev/bin/unit_tests", "--gtest_brief=1", "--gtest_fail_fast",
                    f"--gtest_filter={UNIT}"], timeout=ENDLESS)
    except subprocess.TimeoutExpired:
        return "test, without end"
    if done.returncode != 0:
        failed = [line for line in done.stdout.splitlines() if "[  FAILED  ]" in line]
        return failed[0].replace("[  FAILED  ]", "test,") if failed else "test, crash"
    done = run(["build/dev/bin/simulate", "--first", "1", "--worlds", str(WORLDS),
                "--seconds", str(seconds)])
    if done.returncode == 0:
        return None
    found = [line for line in done.stdout.splitlines() if line.startswith("seed ")]
    return f"world, {found[0]}" if found else "world"


def judge(patch, seconds):
    applied = run(["patch", "-p1", "--no-backup-if-mismatch", "-i", patch])
    if applied.returncode != 0:
        return False, f"does not apply: {applied.stdout}"
    try:
        built = build()
        if built.returncode != 0:
            return False, "does not build:\n" + "\n".join(
                line for line in built.stdout.splitlines() if "error" in line)
        killer = attack(seconds)
        return killer is not None, killer or "SURVIVED"
    finally:
        run(["patch", "-p1", "-R", "--no-backup-if-mismatch", "-i", patch])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    prepare()
    patches = [p for p in sorted(HERE.glob("*.patch"))
               if not options.names or any(n in p.name for n in options.names)]
    alive, began = [], time.monotonic()
    for patch in patches:
        killed, how = judge(patch, options.seconds)
        print(f"{patch.stem:55} {how}", flush=True)
        if not killed:
            alive.append(patch.stem)
    print(f"{len(patches)} mutants, {len(alive)} survived, {time.monotonic() - began:.0f} s")
    sys.exit(1 if alive else 0)


if __name__ == "__main__":
    main()
