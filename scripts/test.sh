#!/usr/bin/env bash
# Every test, in the order from fast to slow. Fails at the end if one failed, so that all are seen.
set -uo pipefail
cd "$(dirname "$0")/.."
build="build/${PRESET:-dev}"
failed=()

"$build/bin/unit_tests" --gtest_brief=1 2>&1 | tee build/unit.log || failed+=("unit tests")
# The same worlds every time; `make simulate` searches new ones.
"$build/bin/simulate" --first 1 --worlds "${SIMULATE_WORLDS:-6000}" --seconds 900 ||
  failed+=("simulated world")
scripts/fuzz.sh "${FUZZ_SECONDS:-5}" 2>&1 | tee build/fuzz.log || failed+=("fuzzers")
scripts/integration.sh 2>&1 | tee build/integration.log || failed+=("integration tests")
echo
scripts/summary.py "$build/bin/unit_tests" build/unit.log build/integration.log build/fuzz.log ||
  failed+=("count of tests")
[ ${#failed[@]} -eq 0 ] && exit 0
printf 'FAILED: %s\n' "${failed[@]}"
exit 1
