#!/bin/sh
# Generators of clients and linters read the documents of the examples, with and
# without credentials, and what they make compiles; one client is used with a server
# that runs. Needs Node, npm and the Go
# proxy; fails when one is missing. scripts/test-generators.sh
set -eu
cd "$(dirname "$0")/.."
export CGO_ENABLED=0
command -v npx >/dev/null || { echo "npx is missing: install Node.js" >&2; exit 1; }
dir=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$dir"' EXIT
here=$PWD
go build -o "$dir/autocrud" ./cmd/autocrud
go build -o "$dir/newsroom" ./examples/newsroom
GOBIN="$dir" go install github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@v2.8.2
GOBIN="$dir" go install github.com/ogen-go/ogen/cmd/ogen@v1.24.0
for auth in off required; do
	"$dir/autocrud" openapi --models examples/quickstart/models --auth $auth >"$dir/quickstart-$auth.json"
	"$dir/newsroom" openapi --auth $auth >"$dir/newsroom-$auth.json"
done
# ogen knows OpenAPI 3.0 only.
for auth in off required; do
	"$dir/autocrud" openapi --models examples/quickstart/models --auth $auth --spec 3.0 >"$dir/quickstart-3.0-$auth.json"
	"$dir/newsroom" openapi --auth $auth --spec 3.0 >"$dir/newsroom-3.0-$auth.json"
done
"$dir/autocrud" openapi --models examples/quickstart/models --types planets,moons >"$dir/some.json"
cp -r examples/tsclient "$dir/ours"
"$dir/newsroom" client ts --models none --out "$dir/ours/newsroom"
"$dir/newsroom" client go --models none --out "$dir/newsroomclient"
cd "$dir"
npm install --silent --no-audit --no-fund --prefix "$dir" @redocly/cli@2.77.0 openapi-typescript@7.13.0 typescript@5.9.3 @stoplight/spectral-cli@6.16.3 @hey-api/openapi-ts@0.95.0
go mod init generated 2>/dev/null
go get github.com/oapi-codegen/runtime@v1.9.0
echo 'extends: ["spectral:oas"]' >spectral.yaml
for doc in quickstart-off quickstart-required newsroom-off newsroom-required some; do
	npx redocly lint --extends recommended --format summary "$doc.json"
	npx spectral lint --ruleset spectral.yaml --fail-severity error --display-only-failures "$doc.json"
	npx openapi-ts -i "$doc.json" -o "hey-$doc" -c @hey-api/client-fetch
	npx openapi-typescript "$doc.json" -o "$doc.ts"
	mkdir -p "$doc"
	printf 'package: client\ngenerate: {models: true, client: true}\noutput: %s/client.go\n' "$doc" >"$doc.yaml"
	./oapi-codegen -config "$doc.yaml" "$doc.json"
	echo "$doc: generated"
done
for doc in quickstart-3.0-off quickstart-3.0-required newsroom-3.0-off newsroom-3.0-required; do
	npx redocly lint --extends recommended --format summary "$doc.json"
	mkdir -p "$doc"
	printf 'package: client\ngenerate: {models: true, client: true}\noutput: %s/client.go\n' "$doc" >"$doc.yaml"
	./oapi-codegen -config "$doc.yaml" "$doc.json"
	echo "$doc: generated"
done
# What is always answered is no option for who reads it.
cat >reads.ts <<'END'
import type { components } from "./some.js";
type Schemas = components["schemas"];
export const id = (page: Schemas["PlanetsPage"]): string | undefined => page.items[0]?.meta.id;
export const data = (read: Schemas["PlanetsReadEnvelope"]): Schemas["PlanetsRead"] => read.data;
export const seq = (made: Schemas["PlanetsEnvelope"]): [number, string, string] => [made.meta.seq, made.revision.hash, made.data.name];
END
npx tsc --strict --target es2022 --module nodenext --lib es2022,dom,dom.iterable --noEmit ./*.ts
npx tsc --strict --noEmit --skipLibCheck --module esnext --moduleResolution bundler --target es2022 --lib es2022,dom,dom.iterable hey-*/index.ts
# What it does not know, such as streams, it leaves out.
printf 'generator:\n  ignore_not_implemented: ["all"]\n  features: {disable_all: true, enable: ["paths/client"]}\n' >ogen.yaml
./ogen --target ogenclient --package ogenclient --config ogen.yaml --clean quickstart-3.0-required.json >ogen.log 2>&1 || { tail -20 ogen.log; exit 1; }
go get github.com/ogen-go/ogen@v1.24.0
mkdir live
cp "$here/scripts/testdata/liveclient.go.txt" live/main.go
go mod tidy
go vet ./...
: >up.log # the loop may read it before the server has begun
"$dir/autocrud" up --models "$here/examples/quickstart/models" --storage memory --addr 127.0.0.1:0 >up.log 2>&1 &
server=$!
for _ in $(seq 300); do
	url=$(sed -n 's/.*ready at \(http:[^ ]*\).*/\1/p' up.log)
	[ -z "$url" ] || break
	sleep 0.1
done
go run ./live "$url"
# The client of our own, and that of the example in TypeScript at work.
npx tsc --strict --target es2022 --module nodenext --lib es2022,dom,dom.iterable ours/main.ts ours/newsroom/models.ts
node ours/main.js "$url" | tee ours.log
grep -q '^deleted Sedna$' ours.log
echo "generators: ok"
