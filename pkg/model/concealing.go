package model

import (
	"encoding/json"
	"time"
)

// Conceal is stored content as it may be shown.
func (t *Type) Conceal(content []byte) []byte {
	if !t.Conceals() || content == nil {
		return content
	}
	tree, err := DecodeJSON(content)
	if err == nil && t.WritesOnly() {
		tree = t.writeOnly.without(tree)
	}
	doc, ok := tree.(map[string]any)
	if err != nil || !ok {
		return []byte("{}")
	}
	if t.Secret != "" {
		delete(doc, t.Secret)
	}
	return AppendCanonical(nil, doc)
}

// Box holds one secret.
type Box struct {
	Key   string     `json:"key"` // nonce and ciphertext, base64
	Until *time.Time `json:"until,omitempty"`
}

// Sealed reads the sealed secrets of stored content.
func (t *Type) Sealed(content []byte) (out []Box) {
	var doc map[string]json.RawMessage
	if t.Secret == "" || json.Unmarshal(content, &doc) != nil || json.Unmarshal(doc[t.Secret], &out) != nil {
		return nil
	}
	return out
}

// SecretIn is the text of a secret in what is written; "" when there is none. What is
// stored never gets here: a patch applies to what is shown.
func (t *Type) SecretIn(data any) string {
	doc, _ := data.(map[string]any)
	if t.Secret == "" {
		return ""
	}
	text, _ := doc[t.Secret].(string)
	return text
}

// WithSecretOf is content with the boxes of another.
func (t *Type) WithSecretOf(content, newest []byte) ([]byte, error) {
	if t.Secret == "" {
		return content, nil
	}
	var docs [2]map[string]any
	for i, b := range [][]byte{content, newest} {
		tree, err := DecodeJSON(b)
		if err != nil {
			return nil, err
		}
		docs[i], _ = tree.(map[string]any)
	}
	if boxes, ok := docs[1][t.Secret]; ok {
		docs[0][t.Secret] = boxes
	} else {
		delete(docs[0], t.Secret)
	}
	if now := docs[1][t.State]; now != nil {
		docs[0][t.State] = now
	}
	return AppendCanonical(nil, docs[0]), nil
}
