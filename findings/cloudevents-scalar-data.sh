#!/bin/sh
# Package:   npm cloudevents 10.0.0
# Behaviour: JSON data may be any JSON value. From an event in structured mode the library
#            reads 0, false and null as no data at all; in binary mode, with the
#            content type application/json, a number, true, false or null becomes
#            the text of it.
# Surprise:  what a receiver gets depends on the mode, which the sender chooses, and on
#            the value: of a counter exactly the events with 0 come without data, of
#            a switch those that say false. Data that is an object or a list is safe.
# Seen:      0: structured undefined, binary "0"
#            false: structured undefined, binary "false"
#            null: structured undefined, binary "null"
#            true: structured true, binary "true"
#            1.5: structured 1.5, binary "1.5"
#            {"n":0}: structured {"n":0}, binary {"n":0}
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

cat >main.mjs <<'JS'
import { HTTP } from "cloudevents";

for (const data of ["0", "false", "null", "true", "1.5", '{"n":0}']) {
  const structured = HTTP.toEvent({
    headers: { "content-type": "application/cloudevents+json" },
    body: `{"specversion":"1.0","id":"1","source":"/meter","type":"read","datacontenttype":"application/json","data":${data}}`,
  });
  const binary = HTTP.toEvent({
    headers: { "ce-specversion": "1.0", "ce-id": "1", "ce-source": "/meter", "ce-type": "read", "content-type": "application/json" },
    body: data,
  });
  console.log(`${data}: structured ${JSON.stringify(structured.data)}, binary ${JSON.stringify(binary.data)}`);
}
JS
echo '{"private":true}' >package.json
npm install --no-audit --no-fund --ignore-scripts cloudevents@10.0.0 >log 2>&1 ||
	{ cat log; echo "the package could not be installed" >&2; exit 2; }
got=$(node main.mjs)
want='0: structured undefined, binary "0"
false: structured undefined, binary "false"
null: structured undefined, binary "null"
true: structured true, binary "true"
1.5: structured 1.5, binary "1.5"
{"n":0}: structured {"n":0}, binary {"n":0}'
echo "$got"
[ "$got" = "$want" ] || { echo "changed; it was:
$want" >&2; exit 1; }
