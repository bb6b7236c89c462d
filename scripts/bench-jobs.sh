#!/bin/sh
# The job benchmark beside River on a throw-away Postgres that syncs. Arguments
# go to the benchmark.
set -eu
GO=${GO:-go}
dir=$(mktemp -d)
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1)
[ -n "$bin" ] || bin=$(dirname "$(command -v initdb)")
as=
if [ "$(id -u)" = 0 ]; then
	chown postgres "$dir" # the server refuses root
	as="setpriv --reuid=postgres --regid=postgres --clear-groups"
fi
chmod 755 "$dir"
stop() {
	$as "$bin/pg_ctl" -D "$dir/data" -m immediate -s stop || true
	rm -rf "$dir"
}
$as "$bin/initdb" -D "$dir/data" -U postgres -A trust >/dev/null
trap stop EXIT INT TERM
$as "$bin/pg_ctl" -D "$dir/data" -s -w -l "$dir/data/log" -o "-k $dir -c listen_addresses= -c shared_buffers=256MB -c max_connections=100" start
"$GO" build -o "$dir/bench" ./internal/bench/jobs
(cd internal/bench/jobs/river && "$GO" build -o "$dir/river" .)
"$dir/bench" --river "$dir/river" --postgres "postgres:///postgres?host=$dir&user=postgres" "$@"
