package registry_test

import (
	"encoding/json"
	"errors"
	"sync"
	"testing"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/model/registry"
)

func typ(t *testing.T, name string) *model.Type {
	t.Helper()
	out, err := model.NewType(model.Type{Name: name, Schema: json.RawMessage(`{"type":"object"}`)})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestTypesAreReplacedAsAWhole(t *testing.T) {
	b, a, other := typ(t, "b"), typ(t, "a"), typ(t, "a")
	r := registry.New([]*model.Type{b, a})
	if r.Named("a") != a || r.Named("c") != nil || r.All()[0] != a || r.Names()[1] != "b" {
		t.Fatalf("the types are %v", r.Names())
	}
	refused, changed := errors.New("no"), r.Changed()
	if err := r.Replace([]*model.Type{other}, func() error {
		if r.Named("a") != other || r.Named("b") != nil {
			t.Error("what has the last word does not see the new types")
		}
		return refused
	}); !errors.Is(err, refused) || r.Named("a") != a || r.Named("b") != b {
		t.Errorf("refused types are in place: %v", err)
	}
	select {
	case <-changed:
		t.Error("refused types are told of")
	default:
	}
	if err := r.Replace([]*model.Type{other}, nil); err != nil || r.Current(a) != other || r.Current(b) != b || r.Version() != 1 {
		t.Errorf("the types are not replaced: %v", err)
	}
	select {
	case <-changed:
	default:
		t.Error("new types are not told of")
	}
}

// TestNothingIsCommittedWhileTypesAreReplaced: what holds the types for a commit sees the
// same ones to its end.
func TestNothingIsCommittedWhileTypesAreReplaced(t *testing.T) {
	r := registry.New([]*model.Type{typ(t, "a")})
	var committers, replacer sync.WaitGroup
	for range 4 {
		committers.Go(func() {
			for range 500 {
				release := r.Commit()
				before := r.Named("a")
				for range 10 {
					if r.Named("a") != before {
						t.Error("the types change during a commit")
					}
				}
				release()
			}
		})
	}
	next := typ(t, "a")
	replacer.Go(func() {
		for range 200 {
			if err := r.Replace([]*model.Type{next}, nil); err != nil {
				t.Error(err)
			}
		}
	})
	committers.Wait()
	replacer.Wait()
}
