#!/bin/sh
# Package:   npm cloudevents 10.0.0
# Behaviour: the names of HTTP headers have no case, and the library folds the names of
#            the attributes it knows (Ce-Id, Ce-Type). An extension attribute is found
#            only under a lower-case name: with Ce-Sequence the event is accepted,
#            valid, and has no sequence.
# Surprise:  half of the headers are folded. Node's own server hands over lower case,
#            so it works there; headers that come another way, out of a queue, a
#            gateway's event or a message of NATS, keep their spelling, and the
#            extensions (sequence, traceparent, partitionkey) are gone without an error.
# Seen:      ce-sequence {"id":"1","valid":true,"sequence":"7"}
#            Ce-Sequence {"id":"1","valid":true}
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

cat >main.mjs <<'JS'
import { HTTP } from "cloudevents";

for (const name of ["ce-sequence", "Ce-Sequence"]) {
  const headers = { "Content-Type": "application/json", "Ce-Specversion": "1.0", "Ce-Id": "1", "Ce-Source": "/orders", "Ce-Type": "created", [name]: "7" };
  const event = HTTP.toEvent({ headers, body: "{}" });
  console.log(name, JSON.stringify({ id: event.id, valid: event.validate(), sequence: event.sequence }));
}
JS
echo '{"private":true}' >package.json
npm install --no-audit --no-fund --ignore-scripts cloudevents@10.0.0 >log 2>&1 ||
	{ cat log; echo "the package could not be installed" >&2; exit 2; }
got=$(node main.mjs)
want='ce-sequence {"id":"1","valid":true,"sequence":"7"}
Ce-Sequence {"id":"1","valid":true}'
echo "$got"
[ "$got" = "$want" ] || { echo "changed; it was:
$want" >&2; exit 1; }
