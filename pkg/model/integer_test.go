package model_test

import (
	"errors"
	"testing"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
)

func TestWhatIsSentIsNeverRoundedSilently(t *testing.T) {
	for text, pointer := range map[string]string{
		`{"x":9223372036854775808}`:              "/x",
		`{"x":-9223372036854775809}`:             "/x",
		`{"a":[1,{"b":18446744073709551615}]}`:   "/a/1/b",
		`{"x":123456789012345678901234567890}`:   "/x",
		`{"x":18446744073709551615.0}`:           "/x",
		`{"x":18446744073709551615e0}`:           "/x",
		`{"x":1844674407370955161500e-2}`:        "/x",
		`{"x":10000000000000000000}`:             "/x",
		`{"x":9223372036854775807}`:              "",
		`{"x":-9223372036854775808}`:             "",
		`{"x":1234567890123456789}`:              "",
		`{"x":1e19,"y":1.7976931348623157e+308}`: "",
		`{"x":1e23,"y":-1.5e20}`:                 "",
		`{"x":0.1234567890123456789012}`:         "",
	} {
		v, err := model.DecodeInput([]byte(text))
		if pointer == "" {
			if err != nil {
				t.Errorf("%s: %v", text, err)
				continue
			}
			canonical := model.AppendCanonical(nil, v)
			if again, err := model.DecodeInput(canonical); err != nil || string(model.AppendCanonical(nil, again)) != string(canonical) {
				t.Errorf("%s is answered as %s, which cannot be sent back: %v", text, canonical, err)
			}
			continue
		}
		var e *fault.Error
		if !errors.As(err, &e) || e.Code != fault.ValidationFailed || len(e.Fields) != 1 || e.Fields[0].Pointer != pointer {
			t.Errorf("%s: %v, want %s", text, err, pointer)
		}
		if _, err := model.DecodeJSON([]byte(text)); err != nil {
			t.Errorf("%s was stored by an older program and cannot be read: %v", text, err)
		}
	}
}
