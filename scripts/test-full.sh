#!/bin/sh
# What `make test` does at a small size, at a large one: random requests and random
# models against their oracles, damaged data folders, cron in every zone, the suites
# of JSON Schema and JSON Patch where their folder is named, and the programs that
# generators make from the document. A variable that is set already keeps its value.
# Needs Node and npm, which root gets here on Debian. About 20 minutes on two cores.
# The seed is fixed, so that a landing does not depend on chance; another one
# (AUTOCRUD_TEST_SEED=N) asks something else.
set -eu
GO=${GO:-go}
export CGO_ENABLED=0
export AUTOCRUD_TEST_SEED="${AUTOCRUD_TEST_SEED:-20261127}"
export AUTOCRUD_TEST_ORACLE="${AUTOCRUD_TEST_ORACLE:-5000}"
export AUTOCRUD_TEST_DAMAGE="${AUTOCRUD_TEST_DAMAGE:-100}"
export AUTOCRUD_TEST_MODELS="${AUTOCRUD_TEST_MODELS:-100}"
export AUTOCRUD_TEST_CRON="${AUTOCRUD_TEST_CRON:-all}"
failed=0
said=$(mktemp)
trap 'rm -f "$said"' EXIT
run() {
	echo "== $*"
	"$@" >"$said" 2>&1 || failed=1
	cat "$said"
	if grep -q "no tests to run" "$said"; then
		echo "a test that is asked for is not there"
		failed=1
	fi
}
run "$GO" test -count=1 -timeout 30m ./pkg/model -run Cron
run "$GO" test -count=1 -timeout 45m ./tests -run 'TestNoAnswerSaysWhatMayNotBeKnown|TestNothingIsDoneThatItsPrincipalMayNotDo|TestDamageIsTold|RandomModels'
run env AUTOCRUD_TEST_STORAGES=disk "$GO" test -count=1 -timeout 30m ./tests -run TestEveryOperationKeepsEveryPromise
if [ -n "${AUTOCRUD_TEST_SUITES:-}" ]; then
	run "$GO" test -count=1 -timeout 15m ./tests -run 'TestValidationIsThatOfJSONSchema|TestPatchesAreThoseOfRFC6902'
fi
if ! command -v npx >/dev/null 2>&1 && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
	(apt-get install -y nodejs npm || { apt-get update && apt-get install -y nodejs npm; }) >/dev/null
fi
run sh scripts/test-generators.sh
exit $failed
