#!/bin/sh
# The whole test suite. The race detector needs a C compiler; without one the
# suite runs all the same. Postgres is needed; on Debian root gets it here.
#
# SQLite is C turned into Go, which the race detector slows down tenfold: the
# packages that do little else run without it. So does the black-box suite on the
# rows whose parts are other programs.
set -eu
GO=${GO:-go}
if ! command -v initdb >/dev/null 2>&1 && ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 &&
	[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
	(apt-get install -y postgresql || { apt-get update && apt-get install -y postgresql; }) >/dev/null ||
		echo "Postgres could not be installed; its tests will fail"
fi
slow='/(sqliteindex|pgindex|storagetest|services/indexer|bench/search)$'
if command -v "${CC:-gcc}" >/dev/null 2>&1; then
	AUTOCRUD_TEST_STORAGES=memory CGO_ENABLED=1 "$GO" test -race -timeout 9m $("$GO" list ./... | grep -Ev "$slow")
	CGO_ENABLED=0 "$GO" test -timeout 9m $("$GO" list ./... | grep -E "$slow")
	AUTOCRUD_TEST_ROWS=only AUTOCRUD_TEST_STORAGES=disk,s3,postgres,split CGO_ENABLED=0 "$GO" test -timeout 9m ./tests
else
	echo "no C compiler: the tests run without the race detector"
	"$GO" test -timeout 9m ./...
fi
