#!/bin/sh
# The whole test suite. The race detector needs a C compiler; without one the
# suite runs all the same.
set -eu
GO=${GO:-go}
if command -v "${CC:-gcc}" >/dev/null 2>&1; then
	CGO_ENABLED=1 "$GO" test -race -timeout 9m ./...
else
	echo "no C compiler: the tests run without the race detector"
	"$GO" test -timeout 9m ./...
fi
