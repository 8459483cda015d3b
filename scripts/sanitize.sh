#!/usr/bin/env bash
# Builds and runs the unit tests and a simulation with sanitizers. Left out, because the reports
# would not be about our code: under ASan the test that measures memory (freed memory is kept for
# a while), under TSan what runs inside cpprestsdk, whose distributed library is not instrumented.
set -euo pipefail
cd "$(dirname "$0")/.."
export LSAN_OPTIONS="suppressions=$PWD/scripts/lsan.supp:print_suppressions=0"
export UBSAN_OPTIONS=print_stacktrace=1
for preset in ${*:-asan tsan}; do
  mkdir -p build
  cmake --preset "$preset" > "build/$preset-configure.log"
  cmake --build "build/$preset" -j "$(nproc)" --target unit_tests simulate
  filter='-TransportTest.BackPressureKeepsMemoryFlat'
  [ "$preset" = tsan ] && filter='-TransportTest.*:TlsTest.*:ServerTest.*'
  "build/$preset/bin/unit_tests" --gtest_brief=1 --gtest_filter="$filter"
  "build/$preset/bin/simulate" --seconds 10
done
