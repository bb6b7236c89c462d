package model_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud/pkg/model"
)

const documentModel = `
name: things
schema:
  type: object
  properties:
    s: {type: [string, "null"]}
    i: {type: integer}
    n: {type: number, default: 2.50}
    b: {type: boolean, default: true}
    t: {type: string, format: date-time}
    l: {type: array, items: {type: string}}
    d: {type: object, additionalProperties: false, properties: {n: {type: number}, s: {type: string, default: deep}}}
index: [s, i, n, b, t, l, d.n, d.s]
fulltext: [s, l]
`

// What waits for the index keeps no request in memory: strings of a document are parts of
// its body.
func TestASettledDocumentLetsItsBodyGo(t *testing.T) {
	typ, err := model.ParseType("things.yaml", []byte(documentModel))
	if err != nil {
		t.Fatal(err)
	}
	const docs, size = 64, 1 << 20
	used := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := used()
	kept := make([]*model.Document, docs)
	for i := range kept {
		tree, err := model.DecodeInput([]byte(`{"s":"some text","l":["a","b"]` + strings.Repeat(" ", size) + `}`))
		if err != nil {
			t.Fatal(err)
		}
		var p model.Projection
		p.Values, p.Text, p.Unfit = typ.Project(tree)
		kept[i] = model.NewDocument(typ, tree, p)
		kept[i].Settle()
	}
	if after := used(); after > before+docs*size/8 {
		t.Errorf("%d settled documents keep %d bytes", docs, after-before)
	}
	again, readErr := model.DecodeInput([]byte(`{"s":"some text","l":["a","b"]}`))
	if readErr != nil {
		t.Fatal(readErr)
	}
	if values, text, _ := typ.Project(again); !reflect.DeepEqual(kept[0].Projection(), model.Projection{Values: values, Text: text}) {
		t.Errorf("the projection is %v", kept[0].Projection())
	}
	runtime.KeepAlive(kept)
}

// What a write knows of a document is what is read of its stored bytes: an index that is
// made from the log again must be the one that was made at once.
func TestADocumentIsWhatItsBytesAre(t *testing.T) {
	typ, err := model.ParseType("things.yaml", []byte(documentModel))
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	text := func() string {
		return []string{`"a"`, `"\u00e9\n\"x\""`, `"é"`, `""`, `"2026-01-02T03:04:05.120000+02:00"`, `"long ` + fmt.Sprint(r.Uint64()) + `"`}[r.IntN(6)]
	}
	number := func() string {
		return []string{"0", "-0", "1", "1.0", "1e2", "-7", "0.1", "1.50", "9007199254740993", "1E-3", fmt.Sprint(r.Float64()), fmt.Sprint(r.Int64N(1e15))}[r.IntN(12)]
	}
	read := 0
	for range 5000 {
		body := "{"
		add := func(name, v string) {
			if r.IntN(3) > 0 {
				if len(body) > 1 {
					body += ", "
				}
				body += fmt.Sprintf("%q: %s", name, v)
			}
		}
		add("s", []string{text(), "null"}[r.IntN(2)])
		add("i", number())
		add("n", number())
		add("b", []string{"true", "false"}[r.IntN(2)])
		add("t", `"2026-01-02T03:04:05.123456Z"`)
		add("l", "["+text()+","+text()+"]")
		add("d", `{"n": `+number()+`}`)
		body += "}"
		tree, err := model.DecodeInput([]byte(body))
		if err != nil {
			continue
		}
		tree = typ.Defaults(tree)
		if typ.Validate(tree) != nil {
			continue
		}
		var p model.Projection
		if p.Values, p.Text, p.Unfit = typ.Project(tree); p.Fits() != nil {
			continue
		}
		read++
		doc := model.NewDocument(typ, tree, p)
		stored, err := model.DecodeJSON(doc.Content)
		if err != nil {
			t.Fatal(err)
		}
		if known, err := doc.Tree(); err != nil || !reflect.DeepEqual(known, stored) {
			t.Fatalf("%s: the tree is %#v, its bytes are %#v, %v", body, known, stored, err)
		}
		var again model.Projection
		if again.Values, again.Text, again.Unfit = typ.Project(stored); !reflect.DeepEqual(again, doc.Projection()) {
			t.Fatalf("%s: known as %v, read as %v", body, doc.Projection(), again)
		}
		values, err := typ.ValuesOf(doc.Content)
		if err != nil || !reflect.DeepEqual(values, doc.Values()) {
			t.Fatalf("%s: known as %v, read as %v, %v", body, doc.Values(), values, err)
		}
		doc.Settle()
		if known, err := doc.Tree(); err != nil || !reflect.DeepEqual(known, stored) {
			t.Fatalf("%s: read again as %#v, %v", body, known, err)
		}
		if !doc.Holds(doc.Content) || doc.Holds(append([]byte(nil), doc.Content...)) {
			t.Fatal("a document holds its own bytes and no equal ones")
		}
	}
	if read < 500 {
		t.Errorf("only %d documents were valid", read)
	}
}
