#!/usr/bin/env bash
# Prints a folder that holds kube-apiserver, etcd, kubectl and helm, and makes it if there is none:
#   1. $KUBEBUILDER_ASSETS, when it has all of them;
#   2. the cache folder of the user;
#   3. built from Go modules of pinned versions (about six minutes on two cores, once).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
version=v1.36.3
cache="${XDG_CACHE_HOME:-$HOME/.cache}/cvm-retirement-operator/controlplane/$version"
programs=(kube-apiserver etcd kubectl helm)

has_all() {
  local program
  for program in "${programs[@]}"; do [ -x "$1/$program" ] || return 1; done
}

if [ -n "${KUBEBUILDER_ASSETS:-}" ] && has_all "$KUBEBUILDER_ASSETS"; then
  echo "$KUBEBUILDER_ASSETS"
  exit 0
fi
if has_all "$cache"; then
  echo "$cache"
  exit 0
fi

# Kubernetes 1.36 needs Go 1.26. An older go can fetch the toolchain as a module.
go_command() {
  if command -v go >/dev/null && go version | grep -qE 'go1\.(2[6-9]|[3-9][0-9])'; then
    command -v go
    return
  fi
  if ! command -v go >/dev/null; then
    echo "The test control plane is built with Go 1.26 or newer, or any go that can fetch it:" >&2
    echo "install go, or point KUBEBUILDER_ASSETS at a folder with ${programs[*]}." >&2
    return 1
  fi
  local toolchain=golang.org/toolchain@v0.0.1-go1.26.0.linux-amd64 root
  root=$(cd "$(mktemp -d)" && go mod download -json "$toolchain" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
  chmod -R u+w "$root" && chmod +x "$root"/bin/* "$root"/pkg/tool/*/*
  echo "$root/bin/go"
}

echo "Building kube-apiserver, etcd, kubectl and helm once, into $cache ..." >&2
go=$(go_command)
mkdir -p "$cache"
export CGO_ENABLED=0 GOFLAGS=-mod=readonly
flags="-s -w -X k8s.io/component-base/version.gitVersion=$version"
flags="$flags -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=36"
(cd "$here/kubernetes" && "$go" build -trimpath -ldflags "$flags" -o "$cache/" \
  k8s.io/kubernetes/cmd/kube-apiserver k8s.io/kubernetes/cmd/kubectl)
(cd "$here/kubernetes" && "$go" build -trimpath -ldflags "-s -w" -o "$cache/etcd" go.etcd.io/etcd/server/v3)
(cd "$here/helm" && "$go" build -trimpath -ldflags "-s -w" -o "$cache/helm" helm.sh/helm/v4/cmd/helm)
echo "$cache"
