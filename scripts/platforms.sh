#!/bin/sh
# Builds and vets the program, and vets its tests, for every platform that README.md
# names. The first time takes two minutes of a core for each; afterwards the build
# cache has it.
set -eu
GO=${GO:-go}
export CGO_ENABLED=0
failed=0
for platform in ${PLATFORMS:-linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64 freebsd/amd64}; do
	echo "== $platform"
	GOOS=${platform%/*} GOARCH=${platform#*/} "$GO" build ./... || failed=1
	GOOS=${platform%/*} GOARCH=${platform#*/} "$GO" vet ./... || failed=1
done
exit $failed
