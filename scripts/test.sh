#!/usr/bin/env bash
# Every test, in the order from fast to slow. Fails at the end if one failed, so that all are seen.
set -uo pipefail
cd "$(dirname "$0")/.."
build="build/${PRESET:-dev}"
failed=0

"$build/bin/unit_tests" --gtest_brief=1 | tee build/unit.log || failed=1
"$build/bin/simulate" --seconds "${SIMULATE_SECONDS:-60}" || failed=1
PRESET=${PRESET:-dev} scripts/integration.sh 2>&1 | tee build/integration.log || failed=1

echo
echo "Tests by layer"
scripts/count_unit.py "$build/bin/unit_tests" build/unit.log || failed=1
grep -E '^(crds|e2e|sdk|chart): |^  skipped ' build/integration.log
passed=$(($(grep -oE '[0-9]+ passed' build/unit.log build/integration.log | grep -oE ':[0-9]+ passed' | tr -dc '0-9\n' | paste -sd+ || echo 0)))
[ "$failed" -eq 0 ] && echo "$passed passed, 0 failed"
exit "$failed"
