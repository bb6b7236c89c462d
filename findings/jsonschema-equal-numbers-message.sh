#!/bin/sh
# Package:   github.com/santhosh-tekuri/jsonschema/v6 v6.0.3
# Behaviour: numbers are compared exactly, whatever their size, but the message turns
#            both into floats: an integer above 2^53 is refused with a message whose
#            two numbers are equal. (Their narrow spaces are plain ones here.)
# Surprise:  the verdict is right and the reason contradicts it. A service that shows
#            the message to its clients has to take the numbers from the schema
#            and the instance itself. The message of const is right.
# Seen:      9007199254740992 true
#            9007199254740993 false maximum: got 9.007199254740992 × 10¹⁵, want 9.007199254740992 × 10¹⁵
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

cat >main.go <<'GO'
package main

import (
	"errors"
	"fmt"
	"log"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

func main() {
	c := jsonschema.NewCompiler()
	if err := c.AddResource("s.json", must(jsonschema.UnmarshalJSON(strings.NewReader(`{"maximum":9007199254740992}`)))); err != nil {
		log.Fatal(err)
	}
	schema := must(c.Compile("s.json"))
	for _, n := range []string{"9007199254740992", "9007199254740993"} {
		err := schema.Validate(must(jsonschema.UnmarshalJSON(strings.NewReader(n))))
		var refused *jsonschema.ValidationError
		if !errors.As(err, &refused) {
			fmt.Println(n, err == nil)
			continue
		}
		reason := refused.Causes[0].ErrorKind.LocalizedString(message.NewPrinter(language.English))
		fmt.Println(n, false, strings.ReplaceAll(reason, "\u202f", " "))
	}
}
GO
export CGO_ENABLED=0 GOWORK=off GOFLAGS=-mod=mod
{ go mod init probe && go get github.com/santhosh-tekuri/jsonschema/v6@v6.0.3 && go build -o probe .; } >log 2>&1 ||
	{ cat log; echo "the packages could not be installed" >&2; exit 2; }
got=$(./probe)
want='9007199254740992 true
9007199254740993 false maximum: got 9.007199254740992 × 10¹⁵, want 9.007199254740992 × 10¹⁵'
echo "$got"
[ "$got" = "$want" ] || { echo "changed; it was:
$want" >&2; exit 1; }
