package worker

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func TestAResultThatNotEveryClientReadsIsText(t *testing.T) {
	for _, text := range []string{`1e999`, `[-1e400]`, `{"a":1,"a":2}`, `{"x":[{"b":1,"c":{},"b":null}]}`, `"\ud800"`, `["\udc00\ud800"]`, `{"\ud83d x":1}`, "\"\xff\"", `{"a":1`, `nothing`,
		`{"a":{"b":1},"a":3}`, `{"\u0061":1,"a":2}`} {
		got, err := asResult([]byte(text))
		var s string
		if err != nil || json.Unmarshal(got, &s) != nil || s != strings.ToValidUTF8(text, "?") {
			t.Errorf("%s became %s, %v", text, got, err)
		}
	}
	for _, text := range []string{`{}`, `null`, `18446744073709551615`, `1e308`, `0.1`, `{"a":{"a":{"a":1}},"b":[{"a":1},{"a":2}]}`, `"\ud83d\ude00"`, `"\\ud800"`, `[[],{},"a",["a","a"]]`,
		`{"a":"a","b":"a"}`, `{"a":[],"b":{"a":1},"c":"a"}`, `"\ufffd"`, `[` + strings.Repeat(`1,`, 200000) + `1]`, `1e-999`} {
		if got, err := asResult([]byte(" " + text + "\n")); err != nil || !bytes.Equal(got, []byte(text)) {
			t.Errorf("%.40s became %.40s, %v", text, got, err)
		}
	}
}
