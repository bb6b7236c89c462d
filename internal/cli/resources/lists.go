package resources

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"

	"github.com/autocrud-go/autocrud/internal/cli/remote"
	"github.com/autocrud-go/autocrud/pkg/fault"
)

// listed reads the meta of everything of a type that a filter matches.
func listed(e *Env, s remote.Server, typ, filter string, out *[]envelope) error {
	q := url.Values{"page_size": {"1000"}, "returns": {"meta"}, "consistency": {"strong"}, "filter": {filter}}
	return each(e, s, typePath(typ), q, func(items []json.RawMessage, _ *remote.Answer) error {
		for _, item := range items {
			var x envelope
			if err := json.Unmarshal(item, &x); err != nil {
				return err
			}
			*out = append(*out, x)
		}
		return nil
	})
}

// explained names the places of a refusal of our own.
func explained(err error) error {
	var f *fault.Error
	if !errors.As(err, &f) {
		return err
	}
	text := f.Detail
	for _, p := range f.Fields {
		text += fmt.Sprintf("; %s %s", p.Pointer, p.Detail)
	}
	return errors.New(text)
}
