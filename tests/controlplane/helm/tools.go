//go:build tools

// Package helmtool pins the helm that the tests use.
package helmtool

import _ "helm.sh/helm/v4/cmd/helm"
