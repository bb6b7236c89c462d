package plan_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/autocrud-go/autocrud/internal/testenv"
	"github.com/autocrud-go/autocrud/pkg/model/plan"
	"github.com/autocrud-go/autocrud/pkg/resource"
)

// TestManyRowsAreReadInTime plans a change that has to read every row.
// AUTOCRUD_TEST_PLANNED=100000 is the number of rows, which take 10 s at most on a machine
// that does nothing else.
func TestManyRowsAreReadInTime(t *testing.T) {
	rows := 2_000
	if n, err := strconv.Atoi(os.Getenv("AUTOCRUD_TEST_PLANNED")); err == nil {
		rows = n
	}
	before := "name: films\nschema: {type: object, required: [title], properties: {title: {type: string}, year: {type: integer}, cast: {type: array, items: {type: string}}, extract: {type: string}}}\nindex: [title, year]\n"
	after := "name: films\nschema: {type: object, required: [title], properties: {title: {type: string, maxLength: 500}, year: {type: integer, minimum: 1000}, cast: {type: array, items: {type: string}}, extract: {type: string}}}\nindex: [title, year]\nunique: [title]\n"
	s := served(t, []string{before})
	var g errgroup.Group
	g.SetLimit(32)
	for i := range rows {
		g.Go(func() error {
			_, err := s.Manager.Create(context.Background(), "films", map[string]any{"title": fmt.Sprint("Film ", i), "year": int64(1900 + i%120),
				"cast": []any{"Ada Lovelace", "Charles Babbage", "George Boole"}, "extract": "A film about the engine that was never built, and what it would have computed."}, resource.CreateOptions{})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	begun, told := time.Now(), uint64(0)
	asked := plan.Asked{Types: testenv.Types(t, after), Base: map[string]*plan.Written{"films": plan.Describe(testenv.Types(t, before)[0])}}
	report, err := plan.Make(t.Context(), plan.Source{Log: s.Log, Blobs: s.Blobs, Report: func(done, total uint64) { told = max(told, done); _ = total }}, asked)
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(begun)
	t.Logf("%d rows in %s", rows, took)
	if p := of(t, report, "films"); p.Checked != rows || p.Unfit != 0 || told == 0 {
		t.Errorf("the plan is %+v, and %d were told", p, told)
	}
	if took > 30*time.Second { // other tests run beside it
		t.Errorf("it took %s", took)
	}
}
