#!/bin/sh
# The tests at a small size. Each runs once; of ./tests, what runs on storage rows
# does so on the row in memory and on one of the others, drawn for each test. The
# packages whose parts run side by side are built with the race detector, where
# there is a C compiler, and so is a share of ./tests, which the seed draws too, as
# it does the cells of the cross. scripts/test-full.sh runs all of that.
#
# The seed is the day, so that a failure can be repeated: AUTOCRUD_TEST_SEED=20261127.
# Two things run at a time, because tests wait a lot; what the second says comes at
# the end.
set -eu
. "$(dirname "$0")/test-parts.sh"
export AUTOCRUD_TEST_SEED="${AUTOCRUD_TEST_SEED:-$(date +%Y%m%d)}"
export RAPID_SEED="${RAPID_SEED:-$AUTOCRUD_TEST_SEED}" RAPID_CHECKS="${RAPID_CHECKS:-20}" # random sequences of calls
begin
trap 'kill "$beside" 2>/dev/null || true; rm -rf "$times" "$said" ${scratch:+"$scratch"}' EXIT
trap 'exit 130' INT TERM
in_memory
echo "AUTOCRUD_TEST_SEED=$AUTOCRUD_TEST_SEED"

side_by_side='/(pkg/resource|pkg/hook|pkg/storage/natslog|internal/restart|services/worker)$'
beside=
if [ "$race" != "$plain" ]; then
	(
		part "packages, race detector" env $race $(packages "$side_by_side")
		part "a share of ./tests, race detector" env AUTOCRUD_TEST_PART=rest AUTOCRUD_TEST_SHARE=12 AUTOCRUD_TEST_CELLS=6 AUTOCRUD_TEST_STORAGES=memory $race ./tests
		exit $failed
	) >"$said" 2>&1 &
	beside=$!
else
	side_by_side='^$'
fi
part "packages" env $plain $(packages -v "$side_by_side|/tests$")
part "./tests" env AUTOCRUD_TEST_ROWS=1 AUTOCRUD_TEST_CELLS=6 $plain -parallel 6 ./tests
part "what is shipped for containers" sh -c "for d in test grafana; do (cd deploy/\$d && CGO_ENABLED=0 $GO test -vet=off ./...) || exit 1; done"
[ -z "$beside" ] || wait "$beside" || failed=1
beside=
cat "$said"
end
