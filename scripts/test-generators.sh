#!/bin/sh
# Generators of clients and linters read the documents of the examples, with and
# without credentials, and what they make compiles. Needs Node, npm and the Go
# proxy; fails when one is missing. scripts/test-generators.sh
set -eu
cd "$(dirname "$0")/.."
export CGO_ENABLED=0
command -v npx >/dev/null || { echo "npx is missing: install Node.js" >&2; exit 1; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
go build -o "$dir/autocrud" ./cmd/autocrud
go build -o "$dir/newsroom" ./examples/newsroom
GOBIN="$dir" go install github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@v2.8.2
for auth in off required; do
	"$dir/autocrud" openapi --models examples/quickstart/models --auth $auth >"$dir/quickstart-$auth.json"
	"$dir/newsroom" openapi --auth $auth >"$dir/newsroom-$auth.json"
done
cd "$dir"
npm install --silent --no-audit --no-fund --prefix "$dir" @redocly/cli@2.77.0 openapi-typescript@7.13.0 typescript@5.9.3
go mod init generated 2>/dev/null
go get github.com/oapi-codegen/runtime@v1.9.0
for doc in quickstart-off quickstart-required newsroom-off newsroom-required; do
	npx redocly lint --extends recommended --format summary "$doc.json"
	npx openapi-typescript "$doc.json" -o "$doc.ts"
	mkdir -p "$doc"
	printf 'package: client\ngenerate: {models: true, client: true}\noutput: %s/client.go\n' "$doc" >"$doc.yaml"
	./oapi-codegen -config "$doc.yaml" "$doc.json"
	echo "$doc: generated"
done
npx tsc --strict --noEmit ./*.ts
go vet ./...
echo "generators: ok"
