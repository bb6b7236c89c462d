#!/bin/sh
# Package:   go.einride.tech/aip v0.86.3 (filters of AIP-160)
# Behaviour: in AIP-160 tags:* asks whether there is a tag at all; the grammar tells bare
#            text from a quoted string, and tags:"*" is the way to ask for the tag that
#            is a star. The parser drops the quotes: both give the same expression.
# Surprise:  the server that gets the tree cannot tell the two questions apart:
#            either "any" or the value * cannot be asked for. Only the text of the
#            filter, which the tree does not keep, has the difference.
# Seen:      tags:*    call(":", tags, "*")
#            tags:"*"  call(":", tags, "*")
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

cat >main.go <<'GO'
package main

import (
	"fmt"
	"log"

	"go.einride.tech/aip/filtering"
)

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

func main() {
	declarations := must(filtering.NewDeclarations(filtering.DeclareStandardFunctions(), filtering.DeclareIdent("tags", filtering.TypeList(filtering.TypeString))))
	for _, text := range []string{`tags:*`, `tags:"*"`} {
		call := must(filtering.ParseFilterString(text, declarations)).CheckedExpr.GetExpr().GetCallExpr()
		args := call.GetArgs()
		fmt.Printf("%-9s call(%q, %s, %q)\n", text, call.GetFunction(), args[0].GetIdentExpr().GetName(), args[1].GetConstExpr().GetStringValue())
	}
}
GO
export CGO_ENABLED=0 GOWORK=off GOFLAGS=-mod=mod
{ go mod init probe && go get go.einride.tech/aip@v0.86.3 && go build -o probe .; } >log 2>&1 ||
	{ cat log; echo "the packages could not be installed" >&2; exit 2; }
got=$(./probe)
want='tags:*    call(":", tags, "*")
tags:"*"  call(":", tags, "*")'
echo "$got"
[ "$got" = "$want" ] || { echo "changed; it was:
$want" >&2; exit 1; }
