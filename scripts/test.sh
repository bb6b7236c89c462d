#!/bin/sh
# The whole test suite. The race detector needs a C compiler; without one the
# suite runs all the same. Postgres is needed; on Debian root gets it here.
#
# SQLite is C turned into Go, which the race detector slows down tenfold: the
# packages that do little else run without it. So does the black-box suite where it
# starts programs, and on the rows whose parts are other programs. Two things run
# at a time, because tests wait a lot; what the second says comes at the end.
#
# go test would vet each package again, once for each way it is built: make lint does
# that, with more checks.
set -eu
GO=${GO:-go}
if ! command -v initdb >/dev/null 2>&1 && ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 &&
	[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
	(apt-get install -y postgresql || { apt-get update && apt-get install -y postgresql; }) >/dev/null ||
		echo "Postgres could not be installed; its tests will fail"
fi
if ! command -v "${CC:-gcc}" >/dev/null 2>&1; then
	echo "no C compiler: the tests run without the race detector"
	exec "$GO" test -vet=off -timeout 30m ./...
fi
slow='/(sqliteindex|pgindex|storagetest|services/indexer|bench/search)$'
said=$(mktemp)
trap 'kill "$beside" 2>/dev/null || true; rm -f "$said"' EXIT
trap 'exit 130' INT TERM
(
	failed=0
	CGO_ENABLED=1 "$GO" test -vet=off -race -p 1 -timeout 30m $("$GO" list ./... | grep -Ev "$slow|/tests$") || failed=1
	AUTOCRUD_TEST_PART=rows AUTOCRUD_TEST_STORAGES=disk,s3,postgres,split CGO_ENABLED=0 "$GO" test -vet=off -timeout 30m ./tests || failed=1
	exit $failed
) >"$said" 2>&1 &
beside=$!
failed=0
AUTOCRUD_TEST_PART=rest AUTOCRUD_TEST_STORAGES=memory CGO_ENABLED=1 "$GO" test -vet=off -race -timeout 30m ./tests || failed=1
AUTOCRUD_TEST_PART=processes AUTOCRUD_TEST_STORAGES=memory CGO_ENABLED=0 "$GO" test -vet=off -timeout 30m ./tests || failed=1
CGO_ENABLED=0 "$GO" test -vet=off -timeout 30m $("$GO" list ./... | grep -E "$slow") || failed=1
wait "$beside" || failed=1
cat "$said"
exit $failed
