#!/bin/sh
# Formatting, vet and static analysis. The linters are pinned in tools/go.mod and
# built from there; one that cannot be built or cannot run is a failure. What
# golangci-lint asks stands in .golangci.yml; it holds all checks of staticcheck.
set -eu
GO=${GO:-go}
bad=$(gofmt -l $(git ls-files '*.go'))
[ -z "$bad" ] || { echo "not formatted: $bad"; exit 1; }
"$GO" vet ./...
"$GO" -C tools build -o ../bin/tools/ github.com/golangci/golangci-lint/v2/cmd/golangci-lint
bin/tools/golangci-lint run ./...
