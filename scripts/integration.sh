#!/usr/bin/env bash
# Runs the tests that need a real kube-apiserver and etcd, each file of tests/e2e, tests/crds and
# tests/chart in turn.
set -euo pipefail
cd "$(dirname "$0")/.."
export CVM_BIN="${CVM_BIN:-$PWD/build/${PRESET:-dev}/bin}"
exec python3 -W ignore::ResourceWarning tests/run.py "$@"
