package storage_test

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

var texts = []string{"", "plain", "üñí 日本", `quo"te\`, "<&>", "line\nfeed\t\x00\x7f", "\u2028\u2029", string([]byte{0xff, 'a'})}

// fill sets every field that there is to something at random.
func fill(r *rand.Rand, v reflect.Value) {
	switch v.Type() {
	case reflect.TypeFor[time.Time]():
		if r.IntN(4) > 0 {
			v.Set(reflect.ValueOf(time.UnixMicro(r.Int64N(4e15)).UTC()))
		}
		return
	case reflect.TypeFor[json.RawMessage]():
		v.SetBytes([][]byte{nil, []byte(`{"a": [1, "<"]}`), []byte(`null`), []byte(`"x"`)}[r.IntN(4)])
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(texts[r.IntN(len(texts))])
	case reflect.Int, reflect.Int64:
		v.SetInt(r.Int64N(1000) - 100)
	case reflect.Uint64:
		v.SetUint(r.Uint64N(1000))
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 0)
	case reflect.Pointer:
		if r.IntN(3) > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(r, v.Elem())
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return // content and header, which are no members
		}
		for range r.IntN(3) {
			x := reflect.New(v.Type().Elem()).Elem()
			fill(r, x)
			v.Set(reflect.Append(v, x))
		}
	case reflect.Map:
		if r.IntN(2) == 0 {
			v.Set(reflect.ValueOf(map[string]string{"b": "2", "a": "<1>"}))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(r, v.Field(i))
		}
	default:
		panic("a kind without a value: " + v.Type().String())
	}
}

// A field that is added to an event and not to its encoding fails here.
func TestEncodingIsThatOfEncodingJSON(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 5000 {
		var e storage.Event
		fill(r, reflect.ValueOf(&e).Elem())
		e.Content, e.Header = nil, nil
		if r.IntN(2) == 0 {
			e.Content = []byte("content")
		}
		b, err := e.Encode()
		if err != nil {
			t.Fatal(err)
		}
		want, err := json.Marshal(&e)
		if err != nil {
			t.Fatal(err)
		}
		follows := string(e.Content)
		if e.Apart { // its content is in its object
			follows = ""
		}
		if string(e.Header) != string(want) || string(b) != string(want)+"\n"+follows {
			t.Fatalf("encoded\n%s\nwant\n%s", e.Header, want)
		}
	}
}
