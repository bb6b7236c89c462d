package sqltables_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/storage/internal/sqltables"
)

func definition(hash string) storage.Definition { return storage.Definition{Type: "notes", Hash: hash} }

func serving(hash string) sqltables.Row {
	return sqltables.Row{Name: "s-" + hash, Definition: definition(hash), Serving: true, Whole: true}
}

func building(hash string) sqltables.Row {
	return sqltables.Row{Name: "b-" + hash, Definition: definition(hash), Fill: 9, Replayed: 4, Whole: true}
}

// broken is a table of which a part is missing.
func broken(r sqltables.Row) sqltables.Row {
	r.Whole = false
	return r
}

// told is a choice in one line.
func told(t sqltables.Tables) string {
	name := func(r *sqltables.Row) string {
		if r == nil {
			return "none"
		}
		return r.Name
	}
	text := fmt.Sprintf("%s answers, %s is filled", name(t.Serving), name(t.Building))
	for _, r := range t.Drop {
		text += ", drop " + r.Name
	}
	if t.Make {
		text += ", make one"
	}
	return text
}

func TestChoose(t *testing.T) {
	begun := sqltables.Position{Applied: 9}
	for name, c := range map[string]struct {
		rows []sqltables.Row
		at   sqltables.Position
		want string
	}{
		"ANewTypeGetsATable":                     {nil, begun, "none answers, none is filled, make one"},
		"TheTableOfTheDefinitionStays":           {[]sqltables.Row{serving("new")}, begun, "s-new answers, none is filled"},
		"AnotherDefinitionAnswersMeanwhile":      {[]sqltables.Row{serving("old")}, begun, "s-old answers, none is filled, make one"},
		"TheNewTableIsFilledOn":                  {[]sqltables.Row{serving("old"), building("new")}, begun, "s-old answers, b-new is filled"},
		"ATableForYetAnotherDefinitionIsDropped": {[]sqltables.Row{serving("old"), building("other")}, begun, "s-old answers, none is filled, drop b-other, make one"},
		"OfTwoNewTablesOneStays":                 {[]sqltables.Row{building("new"), building("new")}, begun, "none answers, b-new is filled, drop b-new"},
		"ATableWithoutAllItsPartsIsNone":         {[]sqltables.Row{broken(serving("new"))}, begun, "none answers, none is filled, drop s-new, make one"},
		"SoIsOneThatIsBeingFilled":               {[]sqltables.Row{serving("old"), broken(building("new"))}, begun, "s-old answers, none is filled, drop b-new, make one"},
		"AnEmptyIndexKeepsNoOtherDefinition":     {[]sqltables.Row{serving("old")}, sqltables.Position{}, "none answers, none is filled, drop s-old, make one"},
		"AnEmptyIndexKeepsTheSameDefinition":     {[]sqltables.Row{serving("new")}, sqltables.Position{}, "s-new answers, none is filled"},
		"AReindexedTableIsFilledBesideItself":    {[]sqltables.Row{serving("new"), building("new")}, begun, "s-new answers, b-new is filled"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := told(sqltables.Choose(c.rows, definition("new"), c.at)); got != c.want {
				t.Errorf("chosen: %s\nwant:   %s", got, c.want)
			}
		})
	}
}

func TestNew(t *testing.T) {
	for name, c := range map[string]struct {
		at                sqltables.Position
		serves, follows   bool
		indexed           bool
		replayed, through uint64 // of what is fresh; 0, 0: nothing
	}{
		"OnANewIndexItAnswersAtOnce":           {sqltables.Position{}, true, false, true, 0, 0},
		"OnAnIndexThatIsResetItFollows":        {sqltables.Position{Fill: 7}, false, true, false, 0, 0},
		"BesideOthersItIsFilledFromTheHistory": {sqltables.Position{Applied: 5, Fill: 5}, false, false, true, 0, 5},
	} {
		t.Run(name, func(t *testing.T) {
			r := sqltables.New("n", definition("new"), c.at)
			if r.Serving != c.serves || r.Follows() != c.follows || r.Indexed() != c.indexed || !r.Whole {
				t.Errorf("the row is %+v", r)
			}
			tables := sqltables.Tables{Make: true}
			tables.Made(r)
			if tables.Make || c.serves != (tables.Serving != nil) || c.serves != (tables.Building == nil) {
				t.Errorf("the tables are: %s", told(tables))
			}
			fresh := tables.Pending()
			if (fresh != nil) != (c.through > 0) || fresh != nil && *fresh != (storage.PendingBuild{Type: "notes", Replayed: c.replayed, Through: c.through}) {
				t.Errorf("fresh is %+v", fresh)
			}
		})
	}
}

func TestAnew(t *testing.T) {
	if drop, ok := sqltables.Anew([]sqltables.Row{serving("new"), building("new")}); !ok || len(drop) != 1 || drop[0].Name != "b-new" {
		t.Errorf("beside a table that answers: %v, %t", drop, ok)
	}
	if _, ok := sqltables.Anew([]sqltables.Row{building("new")}); ok {
		t.Error("a type without a table that answers is rebuilt")
	}
}

func TestFit(t *testing.T) {
	text, number := query.Field{Name: "a", Kind: query.Text}, query.Field{Name: "a", Kind: query.Integer}
	other := query.Field{Name: "b", Kind: query.Text}
	old := storage.Definition{Fields: []query.Field{other, text}, FullText: []string{"x", "y"}}
	fields, texts := sqltables.Fit(old, storage.Definition{Fields: []query.Field{number, other}, FullText: []string{"y"}})
	if !slices.Equal(fields, []int{1, -1}) || !slices.Equal(texts, []int{-1, 0}) {
		t.Errorf("fields %v, texts %v", fields, texts)
	}
}

func TestAnEventThatCannotBeReadIsCorrupt(t *testing.T) {
	if _, err := sqltables.Event([]byte("{"), 7); !errors.Is(err, storage.ErrCorrupt) {
		t.Errorf("it is %v", err)
	}
	if e, err := sqltables.Event([]byte(`{"id":"e"}`), 7); err != nil || e.ID != "e" || e.Seq != 7 || e.Meta.Seq != 7 {
		t.Errorf("it is %+v, %v", e, err)
	}
}
