package states

import (
	"context"
	"slices"
	"strings"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/policy"
)

// Hides reports whether a field is hidden from the actor, in some rows at least.
func (gd *Guard) Hides(ctx context.Context, t *model.Type, path string) bool {
	x := gd.AccessTo(ctx, t)
	return x != nil && policy.Touches(path, x.EverHidden("read"))
}

// WithoutIndexes takes the places in lists out of a path.
func WithoutIndexes(path string) string {
	parts := slices.DeleteFunc(strings.Split(path, "."), func(p string) bool { return p != "" && strings.Trim(p, "0123456789") == "" })
	return strings.Join(parts, ".")
}

// Without is a copy of a value without what is at a path.
func Without(v any, names []string) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = Without(x, names)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, x := range v {
			switch {
			case k != names[0]:
				out[k] = x
			case len(names) > 1:
				out[k] = Without(x, names[1:])
			}
		}
		return out
	}
	return v
}

// Redact takes fields out of content.
func Redact(content []byte, hide []string) []byte {
	if len(hide) == 0 || content == nil {
		return content
	}
	tree, err := model.DecodeJSON(content)
	if err != nil {
		return []byte("{}")
	}
	for _, path := range hide {
		tree = Without(tree, model.SplitPath(path))
	}
	return model.AppendCanonical(nil, tree)
}
