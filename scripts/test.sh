#!/usr/bin/env bash
# Every test, in the order from fast to slow. Fails at the end if one failed, so that all are seen.
set -uo pipefail
cd "$(dirname "$0")/.."
build="build/${PRESET:-dev}"
failed=0

"$build/bin/unit_tests" --gtest_brief=1 2>&1 | tee build/unit.log || failed=1
"$build/bin/simulate" --seconds "${SIMULATE_SECONDS:-60}" || failed=1
scripts/fuzz.sh "${FUZZ_SECONDS:-5}" 2>&1 | tee build/fuzz.log || failed=1
scripts/integration.sh 2>&1 | tee build/integration.log || failed=1
echo
scripts/summary.py "$build/bin/unit_tests" build/unit.log build/integration.log build/fuzz.log || failed=1
exit "$failed"
