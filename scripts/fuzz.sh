#!/bin/sh
# Runs every fuzz target of the module for the given time.
set -eu
GO=${GO:-go}
time=${1:-10s}
for file in $(grep -rl --include='*_test.go' '^func Fuzz' .); do
	dir=$(dirname "$file")
	for target in $(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\).*/\1/p' "$file"); do
		echo "== $dir $target for $time"
		"$GO" test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "$dir"
	done
done
