#!/bin/sh
# Runs the quickstart in the foreground: run.sh PATH-OF-autocrud
# AUTOCRUD_ADDR and AUTOCRUD_DATA_DIR choose where; see --help of `autocrud up`.
set -eu

bin=${1:?usage: run.sh PATH-OF-autocrud}
here=$(cd "$(dirname "$0")" && pwd)
export AUTOCRUD_MODELS="${AUTOCRUD_MODELS:-$here/models}"
export AUTOCRUD_DATA_DIR="${AUTOCRUD_DATA_DIR:-data/quickstart}"
unset AUTOCRUD_URL

command -v curl >/dev/null || { echo "run.sh: curl is needed" >&2; exit 1; }

# Without a wish, port 8080, or any free one when something answers there.
if [ -z "${AUTOCRUD_ADDR:-}" ]; then
	AUTOCRUD_ADDR=127.0.0.1:8080
	code=0
	curl -s -o /dev/null --noproxy '*' --max-time 1 "http://$AUTOCRUD_ADDR/livez" || code=$?
	if [ "$code" -ne 7 ]; then # 7: no server listens
		echo "Port 8080 is taken; a free one is used. Set AUTOCRUD_ADDR=127.0.0.1:PORT to choose."
		AUTOCRUD_ADDR=127.0.0.1:0
	fi
fi
export AUTOCRUD_ADDR

tmp=$(mktemp -d)
pid=
cleanup() {
	code=$?
	trap '' INT TERM
	trap - EXIT
	if [ -n "$pid" ] && kill -TERM "$pid" 2>/dev/null; then
		wait "$pid" || code=$?
	fi
	rm -rf "$tmp"
	exit "$code"
}
trap cleanup EXIT
trap 'exit 0' INT TERM

# The program prints one line when it is ready, or says why not and ends.
mkfifo "$tmp/out"
"$bin" up >"$tmp/out" &
pid=$!
exec 3<"$tmp/out"
if ! read -r line <&3; then
	code=0
	wait "$pid" || code=$?
	pid=
	exit "$code"
fi
url=${line#*ready at }
url=${url%% *}
until curl -sf -o /dev/null --noproxy '*' "$url/readyz"; do
	kill -0 "$pid" || exit 1
	sleep 1
done

"$bin" import planets "$here/seed/planets.ndjson" --id-field name --url "$url"
"$bin" import moons "$here/seed/moons.ndjson" --id-field name --url "$url"
"$bin" import elements "$here/seed/elements.ndjson" --id-field symbol --url "$url"

cat <<TEXT

AutoCRUD runs at $url with elements, planets, moons and a job type.
The data is in $AUTOCRUD_DATA_DIR. In another terminal:

  curl $url/v1/elements/Fe
  curl -G $url/v1/moons --data-urlencode 'filter=radius_km > 2000' --data-urlencode 'order_by=radius_km desc'
  curl $url/v1/conversions -H 'Content-Type: application/json' -d '{"celsius": 1538}'

Every request, to try in a browser: $url/docs
Ctrl-C stops it.
TEXT

code=0
wait "$pid" || code=$?
pid=
exit "$code"
