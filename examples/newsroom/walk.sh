#!/bin/sh
# Walks through the newsroom as a writer, an editor and the site, and ends with 1 at the
# first answer that is another than it should be: walk.sh [PATH-OF-newsroom]
# Without a path the program is built. Nothing is kept.
set -eu

here=$(cd "$(dirname "$0")" && pwd -P)
tmp=$(mktemp -d)
pid=
cleanup() {
	code=$?
	trap - EXIT
	[ -z "$pid" ] || kill -TERM "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || :
	rm -rf "$tmp"
	exit "$code"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

bin=${1:-}
if [ -z "$bin" ]; then
	bin=$tmp/newsroom
	(cd "$here" && go build -o "$bin" .)
fi

# The program prints one line when it is ready.
admin=the-admin-key-of-a-walk-through-the-newsroom
mkfifo "$tmp/out"
AUTOCRUD_STORAGE=memory AUTOCRUD_DATA_DIR=$tmp/data AUTOCRUD_ADDR=127.0.0.1:0 AUTOCRUD_MODELS=$tmp/none AUTOCRUD_LOG_LEVEL=error \
	AUTOCRUD_AUTH=required AUTOCRUD_POLICIES=$here/policy.yaml AUTOCRUD_ADMIN_KEY=$admin "$bin" up >"$tmp/out" 2>"$tmp/log" &
pid=$!
exec 3<"$tmp/out"
read -r line <&3 || { cat "$tmp/log" >&2; exit 1; }
url=${line#*ready at }
url=${url%% *}

# ask KEY METHOD PATH [BODY]: the answer is in the file answer, its status in $status.
ask() {
	media=application/json
	[ "$2" != PATCH ] || media=application/merge-patch+json
	status=$(curl -s --noproxy '*' -o "$tmp/answer" -w '%{http_code}' -X "$2" -H "Authorization: Bearer $1" \
		-H "Content-Type: $media" ${4:+--data-binary "$4"} "$url$3")
}

# member NAME prints a text of the answer, in which & is escaped.
member() { sed "s/.*\"$1\":\"\([^\"]*\)\".*/\1/; s/\\\\u0026/\\&/g" "$tmp/answer"; }

# make_key NAME GROUP prints the secret of a new API key.
make_key() {
	ask "$admin" POST /v1/api-keys "{\"name\":\"$1\",\"groups\":[\"$2\"]}"
	member secret
}

# expect STATUS WHO METHOD PATH [BODY] is one step of the walk: the request, and the
# status of the answer.
expect() {
	want=$1 who=$2
	eval "key=\$$who"
	shift 2
	ask "$key" "$@"
	echo "$who: $1 $2 -> $status"
	[ "$status" = "$want" ] || { echo "walk.sh: it should be $want: $(cat "$tmp/answer")" >&2; exit 1; }
}

# show prints the answer.
show() { printf '    %s\n' "$(cat "$tmp/answer")"; }

# seconds N is the time in so many seconds, with the date of GNU or of BSD.
seconds() {
	then=$(($(date -u +%s) + $1))
	date -u -d "@$then" +%Y-%m-%dT%H:%M:%SZ 2>/dev/null || date -u -r "$then" +%Y-%m-%dT%H:%M:%SZ
}

writer=$(make_key wendy writers)
editor=$(make_key eve editors)
site=$(make_key website sites)
article='returns=data&fields=title,body'

echo "# The writer makes drafts and cannot publish them."
expect 201 editor POST '/v1/authors?id=ann' '{"name":"Ann Lee","email":"ann@example.org"}'
expect 201 writer POST '/v1/articles?id=comet' '{"title":"A comet","body":"It is bright.","section":"science","author":"ann","byline":null}'
expect 200 writer PATCH '/v1/articles/comet' '{"body":"It is bright, and it comes closer."}'
expect 403 writer POST '/v1/articles/comet:publish'
expect 403 writer PATCH '/v1/articles/comet?status=stable' '{"title":"At once"}'

echo "# A preview shows the draft to all who have the link, without a key."
expect 200 writer POST '/v1/articles/comet:preview' '{"expires_in":"1h"}'
curl -sf --noproxy '*' -o "$tmp/answer" "$(member url)"
grep -o '"body":"[^"]*"' "$tmp/answer" | sed 's/^/    /'

echo "# The editor reads what was changed, and schedules it."
expect 200 editor GET '/v1/articles/comet:diff?from=1&to=2'
show
expect 200 editor POST '/v1/articles/comet:publish' '{"at":"2099-12-24T18:00:00Z"}'
expect 200 editor GET '/v1/articles?filter=meta.scheduled.action="publish"&returns=data&fields=title'
show

echo "# The site finds nothing yet."
expect 404 site GET '/v1/articles/comet'
expect 200 site GET '/v1/articles:count'
show
expect 403 site GET '/v1/articles/comet/revisions'

echo "# The editor does not wait so long, and the writer goes on."
in=2
ask "$editor" POST /v1/articles/comet:publish "{\"at\":\"$(seconds $in)\"}"
while [ "$status" = 422 ]; do # it took longer, and its time had passed
	in=$((in * 2))
	ask "$editor" POST /v1/articles/comet:publish "{\"at\":\"$(seconds $in)\"}"
done
expect 200 writer PATCH '/v1/articles/comet' '{"title":"A comet, and a moon"}'
for _ in $(seq 120); do
	ask "$site" GET "/v1/articles/comet?$article"
	[ "$status" = 404 ] || break
	sleep 1
done

echo "# At its time the site has what was scheduled, not what was written since."
expect 200 site GET "/v1/articles/comet?$article"
show
expect 200 site GET '/v1/articles?q=comet&returns=data&fields=title'
show
expect 200 editor GET "/v1/articles/comet?$article"
show

echo "# What comes next is published now, and taken back."
expect 200 editor POST '/v1/articles/comet:publish'
expect 200 site GET "/v1/articles/comet?$article"
show
expect 200 editor POST '/v1/articles/comet:unpublish'
expect 404 site GET '/v1/articles/comet'
echo "# All is as it should be."
