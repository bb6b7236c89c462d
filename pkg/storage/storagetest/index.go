package storagetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// TestIndex is what every storage.Index promises. open gives an empty index,
// which the test closes.
func TestIndex(t *testing.T, open func(t *testing.T) storage.Index) {
	for name, test := range map[string]func(*testing.T, storage.Index){
		"ANewIndexIsAtTheZeroPosition":           newIndexIsAtZero,
		"SearchingATypeNotDefinedIsNotReady":     notDefinedIsNotReady,
		"ATypeIsFreshUntilItsHistoryIsReplayed":  defineTellsFresh,
		"AnotherDefinitionIsAnotherTable":        otherDefinition,
		"TheOldTableAnswersUntilTheNewOneIsFull": oldTableAnswers,
		"AnAbandonedDefinitionLeavesNothing":     abandonedDefinition,
		"ATypeWithoutTableSaysHowFarItIs":        newTypeIsBuilt,
		"PurgedIsNotReplayed":                    purgedIsNotReplayed,
		"RebuiltTablesAreWhatTheLogSays":         rebuilt,
		"ATableThatIsBuiltIsInUse":               builtIsInUse,
		"AnEmptiedIndexIsNotReadyUntilItIsFull":  emptied,
		"ATypeThatReturnsIsFilledAnew":           modelReturns,
		"ApplyMovesThePosition":                  applyMovesPosition,
		"ApplyIsAllOrNone":                       applyIsAllOrNone,
		"OnlyTheNewestChangeIsTheRow":            newestIsTheRow,
		"RepeatedBatchChangesNothing":            repeatedBatch,
		"HeadTellsTheLastEventDeletedOrNot":      headTellsLast,
		"DeletedRowsAreFoundOnlyWhenAsked":       deletedRows,
		"PurgeErasesHistoryAndRow":               purgeErases,
		"ADroppedTombstoneLeavesNothing":         dropsTombstones,
		"WhatWasPrunedIsTold":                    prunedIsTold,
		"PrunedRevisionsHoldNoBinaries":          prunedHoldNothing,
		"HistoryThatLeftTheLogIsKept":            historyIsKept,
		"HistoryIsInOrderAndFiltered":            history,
		"EventsOfAllAreInTheOrderOfTheLog":       everything,
		"TypesHaveResources":                     types,
		"WhatIsPublishedStaysBesideDrafts":       publishedBesideDrafts,
		"WhatIsPublishedIsAskedForWhenNotHeld":   publishedIsAskedFor,
		"WhatIsScheduledIsFound":                 scheduledIsFound,
		"PagesMeetEveryRowOnce":                  pagesMeetEveryRow,
		"TheDefaultOrderIsNewestFirst":           defaultOrder,
		"TotalCountsAllPages":                    total,
		"BareLeavesOutContent":                   bare,
		"AListReplacedForgetsItsElements":        listReplaced,
		"FullTextNeedsAllWords":                  fullText,
		"RelevancePagesMeetEveryRowOnce":         relevancePages,
		"ResetEmptiesAndBinds":                   reset,
		"ADamagedChangeDoesNotStopTheProjection": damaged,
		"ReadersSeeWholeBatches":                 wholeBatches,
		"AnEndedContextEndsASearch":              endedContext,
		"SearchAnswersAsTheEvaluator":            differential,
		"TextEqualsItselfWithoutRegardToCase":    foldedText,
		"NumbersEqualThemselves":                 numbersEqualThemselves,
		"FieldsCompareWithEachOther":             fieldsCompare,
		"JobFieldsAreSearchable":                 jobFields,
		"RowsThatDoNotFitAreMarked":              unfitRows,
		"OtherMarksAreAskedForWhenTheyAreMade":   otherMarks,
		"TheLongestFiltersAreAnswered":           longestFilters,
		"AWalkUnderWritesMeetsEachRowOnce":       walk,
		"AggregatesAreExact":                     aggregates,
		"WithoutKeysThereIsOneGroup":             groupsOfAll,
		"SumsAreExact":                           sumsAreExact,
		"TimesGroupByPeriods":                    groupsByPeriod,
		"AListGroupsByItsElements":               groupsByElement,
		"ListsMultiplyUpToALimit":                listsMultiply,
		"APageEndsBeforeItBringsTooManyBytes":    pagesOfBytes,
	} {
		t.Run(name, func(t *testing.T) {
			x := open(t)
			t.Cleanup(func() {
				if err := x.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			})
			test(t, x)
		})
	}
}

// movies is the definition most tests use.
func movies() storage.Definition {
	return storage.Definition{
		Type: "movies", Hash: "movies-1", FullText: []string{"title", "plot"},
		Composite: [][]string{{"year", "-score"}, {"open", "released"}, {"year", "open", "title", "-meta.created_at"}},
		Fields: []query.Field{
			{Name: "title", Kind: query.Text}, {Name: "year", Kind: query.Integer}, {Name: "score", Kind: query.Number},
			{Name: "open", Kind: query.Boolean}, {Name: "released", Kind: query.Time},
			{Name: "genres", Kind: query.Text, List: true}, {Name: "marks", Kind: query.Number, List: true},
		},
	}
}

var epoch = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

// change is a change of movies with these values by field name.
func change(seq uint64, id string, action storage.Action, values query.Values) storage.IndexChange {
	e := &storage.Event{
		Version: 1, ID: fmt.Sprintf("event-%d", seq), Action: action, At: epoch.Add(time.Duration(seq) * time.Second), Principal: "ann", Seq: seq, Ref: "ref-" + id,
		Meta: storage.Meta{Type: "movies", ID: id, CurrentRevision: id + ":1", RevisionCount: 1, Status: storage.Stable, SchemaVersion: "1",
			CreatedAt: epoch.Add(time.Duration(seq) * time.Second), CreatedBy: "ann", UpdatedAt: epoch.Add(time.Duration(seq) * time.Second), UpdatedBy: "ann",
			Deleted: action == storage.Deleted},
		Revision: storage.Revision{ID: id + ":1", Number: 1, Status: storage.Stable, Hash: "sha256:00"},
	}
	if action == storage.Created || action == storage.Updated {
		e.Wrote = 1
	}
	c := storage.IndexChange{Event: e, Content: []byte(`{"id":"` + id + `"}`), Text: []string{"", ""}}
	for _, f := range movies().Fields {
		c.Values = append(c.Values, values[f.Name])
	}
	encode(&c)
	return c
}

// encode sets the event's header after a test has changed it.
func encode(c *storage.IndexChange) {
	if _, err := c.Event.Encode(); err != nil {
		panic(err)
	}
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// define also binds a new index to a log.
func define(t testing.TB, x storage.Index, defs ...storage.Definition) []storage.PendingBuild {
	t.Helper()
	if position(t, x).Identity == "" {
		ok(t, x.Reset(t.Context(), "log", 0))
	}
	fresh, err := x.Define(t.Context(), defs)
	ok(t, err)
	return fresh
}

// apply writes a batch through its last change.
func apply(t testing.TB, x storage.Index, changes ...storage.IndexChange) {
	t.Helper()
	ok(t, x.Apply(t.Context(), storage.Batch{Changes: changes, Through: changes[len(changes)-1].Event.Seq}))
}

// ids walks all pages of a search and returns the ids in order.
func ids(t testing.TB, x storage.Index, s storage.Search) []string {
	t.Helper()
	s.Type = "movies"
	if s.Limit == 0 {
		s.Limit = 3
	}
	out := []string{}
	for {
		page, err := x.Search(t.Context(), s)
		ok(t, err)
		if len(page.Rows) > s.Limit {
			t.Fatalf("%d rows, limit %d", len(page.Rows), s.Limit)
		}
		for _, r := range page.Rows {
			out = append(out, r.ID)
		}
		if page.Next == nil {
			return out
		}
		s.After = page.Next
	}
}

func want(t testing.TB, got any, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

func filter(t testing.TB, src string) query.Expr {
	t.Helper()
	e, err := query.Parse(movies().QueryFields(), src, query.Options{})
	ok(t, err)
	return e
}

func order(t testing.TB, src string) query.Order {
	t.Helper()
	o, err := query.ParseOrder(movies().QueryFields(), src)
	ok(t, err)
	return o
}

func position(t testing.TB, x storage.Index) storage.Position {
	t.Helper()
	p, err := x.Position(t.Context())
	ok(t, err)
	return p
}

func newIndexIsAtZero(t *testing.T, x storage.Index) {
	want(t, position(t, x), storage.Position{})
	got, err := x.Types(t.Context())
	ok(t, err)
	want(t, len(got), 0)
	_, err = x.Define(t.Context(), []storage.Definition{movies()})
	ok(t, err)
	var building *storage.BuildError
	if _, err = x.Search(t.Context(), storage.Search{Type: "movies", Limit: 1}); !errors.As(err, &building) {
		t.Errorf("an index of no log is searched: %v", err)
	}
}

func notDefinedIsNotReady(t *testing.T, x storage.Index) {
	_, err := x.Search(t.Context(), storage.Search{Type: "movies", Limit: 1})
	if !errors.Is(err, storage.ErrNotReady) {
		t.Errorf("search: %v", err)
	}
	if _, err = x.Head(t.Context(), "movies", "a"); !errors.Is(err, storage.ErrNotReady) {
		t.Errorf("head: %v", err)
	}
}

func applyMovesPosition(t *testing.T, x storage.Index) {
	ok(t, x.Reset(t.Context(), "log-1", 0))
	define(t, x, movies())
	ok(t, x.Apply(t.Context(), storage.Batch{Changes: []storage.IndexChange{change(3, "a", storage.Created, nil)}, Through: 7}))
	want(t, position(t, x), storage.Position{Identity: "log-1", Applied: 7})
	page, err := x.Search(t.Context(), storage.Search{Type: "movies", Limit: 1})
	ok(t, err)
	want(t, page.Applied, uint64(7))
	ok(t, x.Apply(t.Context(), storage.Batch{Through: 5}))
	want(t, position(t, x).Applied, uint64(7))
}

func applyIsAllOrNone(t *testing.T, x storage.Index) {
	define(t, x, movies())
	bad := change(2, "b", storage.Created, query.Values{"year": "no integer"})
	err := x.Apply(t.Context(), storage.Batch{Changes: []storage.IndexChange{change(1, "a", storage.Created, nil), bad}, Through: 2})
	if err == nil {
		t.Fatal("a value of another kind is accepted")
	}
	want(t, ids(t, x, storage.Search{}), []string{})
	want(t, position(t, x).Applied, uint64(0))
	apply(t, x, change(1, "a", storage.Created, nil))
	want(t, ids(t, x, storage.Search{}), []string{"a"})
}

func newestIsTheRow(t *testing.T, x storage.Index) {
	define(t, x, movies())
	apply(t, x, change(1, "a", storage.Created, query.Values{"year": int64(1)}), change(2, "a", storage.Updated, query.Values{"year": int64(2)}))
	want(t, ids(t, x, storage.Search{Filter: filter(t, "year = 2")}), []string{"a"})
	want(t, ids(t, x, storage.Search{Filter: filter(t, "year = 1")}), []string{})
	row, err := x.Read(t.Context(), "movies", "a")
	ok(t, err)
	want(t, row.Seq, uint64(2))
	want(t, row.EventID, "event-2")
	want(t, string(row.Content), `{"id":"a"}`)
}

func repeatedBatch(t *testing.T, x storage.Index) {
	define(t, x, movies())
	first := []storage.IndexChange{change(1, "a", storage.Created, query.Values{"year": int64(1), "genres": []query.Value{"x"}}), change(2, "b", storage.Created, nil)}
	apply(t, x, first...)
	apply(t, x, change(3, "a", storage.Updated, query.Values{"year": int64(2), "genres": []query.Value{"y"}}))
	apply(t, x, first...)
	want(t, position(t, x).Applied, uint64(3))
	want(t, ids(t, x, storage.Search{Filter: filter(t, `year = 2 AND genres:"y" AND NOT genres:"x"`)}), []string{"a"})
	want(t, ids(t, x, storage.Search{}), []string{"a", "b"})
	events, err := x.Events(t.Context(), storage.EventQuery{Type: "movies", ID: "a"})
	ok(t, err)
	want(t, len(events), 2)
}

func headTellsLast(t *testing.T, x storage.Index) {
	define(t, x, movies())
	_, err := x.Head(t.Context(), "movies", "a")
	if !errors.Is(err, storage.ErrNotFound) {
		t.Fatalf("got %v", err)
	}
	apply(t, x, change(1, "a", storage.Created, nil))
	apply(t, x, change(2, "a", storage.Deleted, nil))
	row, err := x.Head(t.Context(), "movies", "a")
	ok(t, err)
	want(t, row.Event.Action, storage.Deleted)
	want(t, row.Event.Seq, uint64(2))
	want(t, row.Event.Meta.Seq, uint64(2))
	want(t, row.Deleted, true)
	want(t, row.AsOf, uint64(2))
	apply(t, x, change(7, "b", storage.Created, nil))
	row, err = x.Head(t.Context(), "movies", "a")
	ok(t, err)
	want(t, row.Event.Seq, uint64(2))
	want(t, row.AsOf, uint64(7)) // nothing came to a up to here
	row, err = x.Read(t.Context(), "movies", "a")
	ok(t, err)
	want(t, row.Deleted, true)
}

func deletedRows(t *testing.T, x storage.Index) {
	define(t, x, movies())
	apply(t, x, change(1, "a", storage.Created, nil), change(2, "b", storage.Created, nil), change(3, "b", storage.Deleted, nil))
	want(t, ids(t, x, storage.Search{}), []string{"a"})
	want(t, ids(t, x, storage.Search{Deletion: storage.OnlyDeleted}), []string{"b"})
	want(t, ids(t, x, storage.Search{Deletion: storage.LiveAndDeleted}), []string{"b", "a"})
	want(t, ids(t, x, storage.Search{Deletion: storage.LiveAndDeleted, Filter: filter(t, "meta.deleted = true")}), []string{"b"})
}

func reset(t *testing.T, x storage.Index) {
	define(t, x, movies())
	apply(t, x, change(1, "a", storage.Created, query.Values{"genres": []query.Value{"x"}}))
	ok(t, x.Reset(t.Context(), "log-2", 0))
	want(t, position(t, x), storage.Position{Identity: "log-2"})
	want(t, ids(t, x, storage.Search{}), []string{})
	events, err := x.Events(t.Context(), storage.EventQuery{Type: "movies", ID: "a"})
	ok(t, err)
	want(t, len(events), 0)
	apply(t, x, change(1, "b", storage.Created, query.Values{"genres": []query.Value{"x"}}))
	want(t, ids(t, x, storage.Search{Filter: filter(t, `genres:"x"`)}), []string{"b"})
}

func damaged(t *testing.T, x storage.Index) {
	define(t, x, movies())
	bad := change(1, "a", storage.Created, nil)
	bad.Values, bad.Content, bad.Damaged = nil, nil, "content does not match its hash"
	apply(t, x, bad, change(2, "b", storage.Created, nil))
	want(t, position(t, x).Applied, uint64(2))
	want(t, slices.Contains(ids(t, x, storage.Search{}), "b"), true)
}

func endedContext(t *testing.T, x storage.Index) {
	define(t, x, movies())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := x.Search(ctx, storage.Search{Type: "movies", Limit: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("search: %v", err)
	}
	if err := x.Apply(ctx, storage.Batch{Through: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("apply: %v", err)
	}
}

func jobFields(t *testing.T, x storage.Index) {
	d := movies()
	d.Job = true
	define(t, x, d)
	c := change(1, "a", storage.Created, nil)
	c.Event.Meta.Job = &storage.Job{State: storage.JobPending, Queue: "default", Priority: 3, RunAt: epoch}
	encode(&c)
	apply(t, x, c, change(2, "b", storage.Created, nil))
	e, err := query.Parse(d.QueryFields(), `meta.job.state = "pending" AND meta.job.run_at <= "2024-01-01T00:00:00Z" AND meta.job.priority > 2`, query.Options{})
	ok(t, err)
	want(t, ids(t, x, storage.Search{Filter: e}), []string{"a"})
}
