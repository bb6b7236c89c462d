#!/bin/sh
# Formatting, vet, static analysis, known vulnerabilities. The tools are pinned
# and built by `go run`; one that cannot be fetched is named and left out.
set -eu
GO=${GO:-go}
bad=$(gofmt -l $(git ls-files '*.go'))
[ -z "$bad" ] || { echo "not formatted: $bad"; exit 1; }
"$GO" vet ./...
run() {
	name=$1
	shift
	if ! "$GO" install "$name" 2>/tmp/lint.$$; then
		echo "left out, cannot be fetched: $name"
		rm -f /tmp/lint.$$
		return 0
	fi
	rm -f /tmp/lint.$$
	echo "== $name"
	"$@"
}
GOBIN=$(pwd)/bin/tools
export GOBIN
run honnef.co/go/tools/cmd/staticcheck@v0.8.2 "$GOBIN/staticcheck" ./...
run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0 "$GOBIN/golangci-lint" run ./...
run golang.org/x/vuln/cmd/govulncheck@latest sh -c '"$0" ./... || { [ $? -ne 3 ] && echo "govulncheck could not reach its database"; }' "$GOBIN/govulncheck"
