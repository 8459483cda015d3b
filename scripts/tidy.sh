#!/usr/bin/env bash
# Runs clang-tidy over the sources of a build folder.
set -euo pipefail
cd "$(dirname "$0")/.."
build=$1
cmake -S . -B "$build" -DCMAKE_EXPORT_COMPILE_COMMANDS=ON > /dev/null
git ls-files 'src/*.cc' | xargs -P "$(nproc)" -n 4 \
  clang-tidy-14 -p "$build" --quiet --extra-arg=-Wno-unknown-warning-option
