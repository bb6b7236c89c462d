package model

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/jsonpatch"
)

// Reading is what stored content is to a type as it is now. Plans of models, the index,
// answers and writes judge by it, so that they say the same.
type Reading struct {
	Tree      any                // migrated; as it was stored, where no migration fits
	Migration error              // why none fits
	Schema    []fault.FieldError // places that the schema refuses
	Projection
}

// Read reads stored content of a version by a type. The error tells of content that is no JSON.
func Read(t *Type, content []byte, version string) (r Reading, err error) {
	if r.Tree, err = DecodeJSON(content); err != nil {
		return r, err
	}
	now, err := t.Migrate(r.Tree, version)
	if err != nil {
		r.Migration = err
	} else {
		r.Tree = now
		var refused *fault.Error
		if errors.As(t.Fits(now), &refused) {
			r.Schema = refused.Fields
		}
	}
	r.Values, r.Text, r.Unfit = t.Project(r.Tree)
	return r, nil
}

// Misfits are the places that do not fit; none: it fits.
func (r Reading) Misfits() []fault.FieldError {
	if r.Migration != nil {
		at := ""
		var of *jsonpatch.Error
		if errors.As(r.Migration, &of) {
			at = of.Pointer
		}
		return []fault.FieldError{{Pointer: at, Detail: Reason(r.Migration)}}
	}
	if len(r.Schema) == 0 {
		return r.Unfit
	}
	return append(r.Schema[:len(r.Schema):len(r.Schema)], r.Unfit...)
}

// Misfit reports whether stored content of a version does not fit the type as it is now.
func Misfit(t *Type, content []byte, version string) bool {
	r, err := Read(t, content, version)
	return err != nil || len(r.Misfits()) > 0
}

// Marking is the type where resources that do not fit it may be there: they are told
// from the others (meta.unfit) wherever they are shown or searched.
func Marking(t *Type) *Type {
	if Marks(t) {
		return t
	}
	m := *t
	steps, _ := json.Marshal(t.Migrations) // texts
	sum := sha256.Sum256(append(append([]byte(t.definition.Hash+"\n"+t.Version+"\n"), t.Schema...), steps...))
	m.plain = t
	m.definition.Marks, m.definition.Hash = true, hex.EncodeToString(sum[:])
	return &m
}

// Marks reports whether the type is one of Marking.
func Marks(t *Type) bool { return t.plain != nil }

// Plain is the type that Marking was asked of; else the type itself.
func Plain(t *Type) *Type {
	if t.plain != nil {
		return t.plain
	}
	return t
}

// Supersede is the type where another process serves a newer model that this one cannot
// take over: nothing is written by it.
func Supersede(t *Type) *Type {
	s := *t
	s.superseded = true
	return &s
}

// Superseded reports whether the type is one of Supersede.
func Superseded(t *Type) bool { return t.superseded }
