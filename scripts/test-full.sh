#!/bin/sh
# What `make test` does at a small size, at a large one: everything with the race
# detector and on every storage row, random requests and random models against their
# oracles, damaged data folders, cron in every zone, the suites of JSON Schema and
# JSON Patch where their folder is named, and the programs that generators make from
# the document; every system is built for. A variable that is set already keeps its value.
# Needs Node, npm and zsh, which root gets here on Debian. Takes several times as long as
# make test. The seed is fixed, so that a landing does not depend on chance;
# another one (AUTOCRUD_TEST_SEED=N) asks something else.
set -eu
. "$(dirname "$0")/test-parts.sh"
export AUTOCRUD_TEST_SEED="${AUTOCRUD_TEST_SEED:-20261127}"
export RAPID_SEED="${RAPID_SEED:-$AUTOCRUD_TEST_SEED}" RAPID_CHECKS="${RAPID_CHECKS:-100}" # random sequences of calls
begin
trap 'kill "$beside" 2>/dev/null || true; rm -f "$times" "$said"' EXIT
trap 'exit 130' INT TERM

# Two things run at a time, because tests wait a lot. The race detector sees nothing
# of the programs that tests start.
slow='/(sqliteindex|pgindex|storagetest|services/indexer|bench/search)$'
(
	part "packages, race detector" env $race -p 1 $(packages -v "$slow|/tests$")
	part "./tests, rows" env AUTOCRUD_TEST_PART=rows AUTOCRUD_TEST_STORAGES=disk,s3,postgres,split $plain ./tests
	exit $failed
) >"$said" 2>&1 &
beside=$!
part "./tests, race detector" env AUTOCRUD_TEST_PART=rest AUTOCRUD_TEST_STORAGES=memory $race ./tests
wait "$beside" || failed=1
beside=
cat "$said"
# make test has these in memory, where a disk would be waited for.
part "programs that are killed, stores, on disk" env AUTOCRUD_TEST_PART=processes AUTOCRUD_TEST_ROWS=1 $plain ./tests ./pkg/storage/sqliteindex ./pkg/storage/pgindex ./services/indexer

# big COMMAND...: a test that is asked for has to be there.
big() {
	"$@" >"$said" 2>&1 || { cat "$said"; return 1; }
	cat "$said"
	! grep -q "no tests to run" "$said" || { echo "a test that is asked for is not there"; return 1; }
}
export CGO_ENABLED=0
export AUTOCRUD_TEST_ORACLE="${AUTOCRUD_TEST_ORACLE:-20000}"
# 20000 of these two take hours on two cores: for a change of what they are about.
export AUTOCRUD_TEST_PINNED="${AUTOCRUD_TEST_PINNED:-2000}" AUTOCRUD_PUBLISHED_STEPS="${AUTOCRUD_PUBLISHED_STEPS:-2000}"
export AUTOCRUD_TEST_LOGINS="${AUTOCRUD_TEST_LOGINS:-10000}"
export AUTOCRUD_TEST_DAMAGE="${AUTOCRUD_TEST_DAMAGE:-100}"
export AUTOCRUD_TEST_MODELS="${AUTOCRUD_TEST_MODELS:-100}"
export AUTOCRUD_TEST_EDITS="${AUTOCRUD_TEST_EDITS:-200}" AUTOCRUD_TEST_PLANNED="${AUTOCRUD_TEST_PLANNED:-100000}"
export AUTOCRUD_TEST_CRON="${AUTOCRUD_TEST_CRON:-all}"
# One architecture of each system; make platforms has all seven.
part "platforms" env PLATFORMS="${PLATFORMS:-darwin/arm64 windows/amd64 freebsd/amd64}" sh scripts/platforms.sh
part "a release, twice" env GOFLAGS="$given" sh scripts/test-dist.sh
part "searches, definitions" big env AUTOCRUD_TEST_SEARCHES="${AUTOCRUD_TEST_SEARCHES:-1000}" AUTOCRUD_TEST_FILMS="${AUTOCRUD_TEST_FILMS:-20000}" $plain -count=1 ./pkg/storage/storagetest ./services/indexer -run 'TestSQLitePostgresAndTheEvaluatorAgree|TestADefinitionChangesUnderLoad'
part "cron in every zone" big env $plain -count=1 ./pkg/model -run Cron
part "oracles, damage, models" big env $plain -count=1 -timeout 45m ./tests -run 'TestNoAnswerSaysWhatMayNotBeKnown|TestNoAnswerTellsAPinnedCallerOfADraft|TestNothingIsDoneThatItsPrincipalMayNotDo|TestDamageIsTold|RandomModels|TestAFloodOfWrongPasswordsIsLimited'
part "edits of models, plans of many rows" big env $plain -count=1 ./tests ./pkg/model/plan -run 'TestEditsAreServedWhileClientsWriteAndWatch|TestManyRowsAreReadInTime'
part "every operation, every promise, in memory" big env AUTOCRUD_TEST_STORAGES=memory $plain -count=1 ./tests -run TestEveryOperationKeepsEveryPromise
part "every operation, every promise, on disk" big env AUTOCRUD_TEST_STORAGES=disk $plain -count=1 ./tests -run TestEveryOperationKeepsEveryPromise
part "schedules, a server that is killed" big env AUTOCRUD_TEST_SCHEDULES="${AUTOCRUD_TEST_SCHEDULES:-1000}" $plain -count=1 ./tests -run TestSchedulesAreDoneOnceThoughTheServerIsKilled
for row in memory disk s3 postgres; do
	part "what is published, $row" big env AUTOCRUD_TEST_STORAGES=$row $plain -count=1 -timeout 60m ./tests -run TestThePublishedViewIsThatOfTheOracle
done
part "retention under writers" big env AUTOCRUD_TEST_RETENTION="${AUTOCRUD_TEST_RETENTION:-60}" $plain -count=1 -timeout 45m ./tests -run TestRetentionUnderWriters
if [ -n "${AUTOCRUD_TEST_SUITES:-}" ]; then
	part "suites" big env $plain -count=1 ./tests -run 'TestValidationIsThatOfJSONSchema|TestPatchesAreThoseOfRFC6902'
fi
if ! command -v npx >/dev/null 2>&1 && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
	(apt-get install -y nodejs npm || { apt-get update && apt-get install -y nodejs npm; }) >/dev/null
fi
if ! command -v zsh >/dev/null 2>&1 && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
	(apt-get install -y zsh || { apt-get update && apt-get install -y zsh; }) >/dev/null
fi
part "a watch over kills" big env AUTOCRUD_TEST_WATCHED="${AUTOCRUD_TEST_WATCHED:-10000}" AUTOCRUD_TEST_WATCHED_KILLS="${AUTOCRUD_TEST_WATCHED_KILLS:-20}" $plain -count=1 -timeout 45m ./internal/clients/golang -run TestAClientsWatchGoesOnOverKills
part "completion in shells" big env AUTOCRUD_TEST_ZSH=1 $plain -count=1 ./tests -run TestCompletionInShells
part "generators" sh scripts/test-generators.sh
part "people in a browser" sh scripts/test-browser.sh
part "search of the guides" sh scripts/test-search.sh
end
