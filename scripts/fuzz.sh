#!/usr/bin/env bash
# Builds the fuzzers with ASan and UBSan and runs each for so many seconds on its seeds. What they
# learn is kept in the build folder, findings in build/fuzz/findings: make a unit test of each.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
build=build/fuzz
mkdir -p build
cmake --preset fuzz > build/fuzz-configure.log 2>&1 || { cat build/fuzz-configure.log; exit 1; }
cmake --build "$build" -j "$(nproc)" --target fuzzers > build/fuzz-build.log 2>&1 || {
  cat build/fuzz-build.log
  exit 1
}
export LSAN_OPTIONS="suppressions=$PWD/scripts/lsan.supp:print_suppressions=0"
mkdir -p "$build/findings"
failed=0
for fuzzer in "$build"/fuzz/*_fuzz; do
  name=$(basename "$fuzzer" _fuzz)
  mkdir -p "$build/corpus/$name"
  log="$build/$name.log"
  if "$fuzzer" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=1024 -max_len=8192 -verbosity=0 \
      -print_final_stats=1 -artifact_prefix="$build/findings/$name-" \
      "$build/corpus/$name" "tests/fuzz/seeds/$name" > "$log" 2>&1; then
    echo "fuzz $name: $(sed -n 's/.*number_of_executed_units: *//p' "$log") runs, nothing found"
  else
    failed=1
    echo "fuzz $name: FAILED, see $log"
    grep -E "ERROR|SUMMARY|runtime error|Test unit written" "$log" | head -5 || true
  fi
done
exit "$failed"
