#!/usr/bin/env bash
# Installs what building and testing needs, where apt can; elsewhere lists it. Says first what it
# is going to do. Go builds the test control plane once, see tests/controlplane/binaries.sh.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mapfile -t packages < "$here/packages.txt"

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
  echo "No apt here. Install the equivalents of these Debian packages, then run make again:"
  printf '  %s\n' "${packages[@]}"
  for program in cmake ninja python3 openssl; do
    command -v "$program" >/dev/null || { echo "missing: $program"; exit 1; }
  done
  exit 0
fi

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$status" = installed ] || missing+=("$package")
done
if ! command -v go >/dev/null && [ -z "${KUBEBUILDER_ASSETS:-}" ]; then
  missing+=(golang-go)
fi
[ ${#missing[@]} -eq 0 ] && exit 0

sudo=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || {
    echo "Not root and no sudo. As root, run: apt-get install --no-install-recommends ${missing[*]}"
    exit 1
  }
  sudo=(sudo)
fi
echo "Installing with apt: ${missing[*]}"
"${sudo[@]}" apt-get update -qq
"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
