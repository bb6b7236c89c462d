#!/bin/sh
# A small application in a real Chromium: people sign in, look, edit, follow, upload and
# sign out. Needs Node, npm and Chromium, which root gets here on Debian.
# scripts/test-browser.sh
set -eu
cd "$(dirname "$0")/.."
if ! command -v chromium >/dev/null 2>&1 && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
	(apt-get install -y --no-install-recommends chromium || { apt-get update && apt-get install -y --no-install-recommends chromium; }) >/dev/null
fi
for needed in node npm chromium; do
	command -v $needed >/dev/null || { echo "$needed is missing" >&2; exit 1; }
done
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
npm install --silent --no-audit --no-fund --prefix "$dir" playwright-core@1.56.1
CGO_ENABLED=0 AUTOCRUD_TEST_MODULES="$dir" AUTOCRUD_TEST_CHROMIUM="$(command -v chromium)" \
	"${GO:-go}" test -count=1 -timeout 5m -tags browser -v -run '^TestPeopleInARealBrowser$' ./tests >"$dir/said" 2>&1 || { cat "$dir/said"; exit 1; }
grep -q '^ *--- PASS: TestPeopleInARealBrowser/on_another_origin' "$dir/said" || { cat "$dir/said"; echo "the test is not there"; exit 1; }
echo "browser: ok"
