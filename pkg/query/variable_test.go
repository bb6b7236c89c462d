package query_test

import (
	"testing"

	"github.com/autocrud-go/autocrud/pkg/query"
)

func TestVariables(t *testing.T) {
	fields := query.NewFields(query.Field{Name: "owner", Kind: query.Text}, query.Field{Name: "year", Kind: query.Integer}, query.Field{Name: "tags", Kind: query.Text, List: true})
	vars := func(name string) (query.Variable, bool) {
		switch name {
		case "principal.id":
			return query.Variable{Values: []query.Value{"user:ann"}}, true
		case "principal.groups":
			return query.Variable{List: true, Values: []query.Value{"press", "staff"}}, true
		case "principal.claims.level":
			return query.Variable{Values: []query.Value{int64(3)}}, true
		case "principal.claims.none":
			return query.Variable{Missing: true}, true
		}
		return query.Variable{}, false
	}
	row := query.Values{"owner": "user:ann", "year": int64(2000), "tags": []query.Value{"staff"}}
	for _, c := range []struct {
		src  string
		want query.Truth
	}{
		{`owner = principal.id`, query.True}, {`principal.id = owner`, query.True}, {`owner != principal.id`, query.False},
		{`principal.groups:"press"`, query.True}, {`principal.groups:"boss"`, query.False}, {`NOT principal.groups:"boss"`, query.True},
		{`in(owner, principal.groups)`, query.False}, {`in(owner, principal.groups, principal.id)`, query.True}, {`in(owner, "x", "user:ann")`, query.True},
		{`tags:principal.groups`, query.True}, {`tags:principal.id`, query.False}, {`principal.claims.level >= 3`, query.True}, {`principal.claims.level > 3`, query.False},
		{`year = principal.claims.level`, query.False}, {`owner = principal.claims.none`, query.False}, {`NOT owner = principal.claims.none`, query.False},
		{`NOT (year = 1 AND owner = principal.claims.none)`, query.True}, {`NOT (year = 2000 AND owner = principal.claims.none)`, query.False},
		{`owner = principal.claims.level`, query.False}, {`owner != principal.claims.level`, query.False}, {`NOT principal.claims.none:"x"`, query.False},
		{`NOT in(owner, principal.claims.none)`, query.False},
	} {
		e, err := query.Parse(fields, c.src, query.Options{Variables: vars})
		if err != nil {
			t.Errorf("%s: %v", c.src, err)
			continue
		}
		if got := query.Eval(e, row); got != c.want {
			t.Errorf("%s is %s, want %s", c.src, got, c.want)
		}
	}
	for _, src := range []string{`owner = principal.name`, `principal.name = owner`, `owner = principal.groups`, `year = principal.id`, `principal.id:"x"`} {
		if e, err := query.Parse(fields, src, query.Options{Variables: vars}); err == nil {
			t.Errorf("%s is read as %v", src, e)
		}
	}
	if _, err := query.Parse(fields, `owner = principal.id`, query.Options{}); err == nil {
		t.Error("a variable means something where there are none")
	}
	e, err := query.Parse(fields, `owner = principal.claims.none`, query.Options{Variables: vars, Negated: true})
	if err != nil || query.Eval(query.Not{Term: e}, row) != query.False {
		t.Errorf("a deny that cannot be decided does not deny: %v", err)
	}
}
