#!/bin/sh
# Package:   github.com/evanphx/json-patch/v5 v5.9.11
# Behaviour: in a merge patch a list replaces the old value as it is (RFC 7396, section
#            2: what is no object is returned unchanged). The library takes members
#            that are null out of objects inside the list, at any depth. A null that is
#            itself an item stays. The patch that the library makes between two
#            documents has those members, so applying it does not give the second.
# Surprise:  null as "remove" reaches into values that are not merged. With this
#            library no merge patch leads to a document whose lists hold objects with
#            null members, not even the one that it makes for that document itself.
# Seen:      {} + {"a":[{"b":null,"c":1}]} = {"a":[{"c":1}]}
#            {} + {"a":[[{"b":null}]]} = {"a":[[{}]]}
#            {} + {"a":[null,1]} = {"a":[null,1]}
#            made {"a":[{"b":null}]} gives {"a":[{}]}
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

cat >main.go <<'GO'
package main

import (
	"fmt"
	"log"

	jsonpatch "github.com/evanphx/json-patch/v5"
)

func must(b []byte, err error) []byte {
	if err != nil {
		log.Fatal(err)
	}
	return b
}

func main() {
	empty := []byte(`{}`)
	for _, patch := range []string{`{"a":[{"b":null,"c":1}]}`, `{"a":[[{"b":null}]]}`, `{"a":[null,1]}`} {
		fmt.Printf("%s + %s = %s\n", empty, patch, must(jsonpatch.MergePatch(empty, []byte(patch))))
	}
	made := must(jsonpatch.CreateMergePatch(empty, []byte(`{"a":[{"b":null}]}`)))
	fmt.Printf("made %s gives %s\n", made, must(jsonpatch.MergePatch(empty, made)))
}
GO
export CGO_ENABLED=0 GOWORK=off GOFLAGS=-mod=mod
{ go mod init probe && go get github.com/evanphx/json-patch/v5@v5.9.11 && go build -o probe .; } >log 2>&1 ||
	{ cat log; echo "the packages could not be installed" >&2; exit 2; }
got=$(./probe)
want='{} + {"a":[{"b":null,"c":1}]} = {"a":[{"c":1}]}
{} + {"a":[[{"b":null}]]} = {"a":[[{}]]}
{} + {"a":[null,1]} = {"a":[null,1]}
made {"a":[{"b":null}]} gives {"a":[{}]}'
echo "$got"
[ "$got" = "$want" ] || { echo "changed; it was:
$want" >&2; exit 1; }
