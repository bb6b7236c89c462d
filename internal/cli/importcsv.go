package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/autocrud-go/autocrud/internal/cli/show"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/tabular"
)

// csvFlags say how cells become values.
type csvFlags struct {
	Format        string `enum:",json,csv" default:"" help:"json or csv; without it the ending of the file says: .csv, .tsv and .tab are csv."`
	ListSeparator string `name:"list-separator" default:";" help:"What divides the elements of a list in a cell of CSV."`
}

func (f *csvFlags) isCSV(file string) (bool, error) {
	if f.ListSeparator == "" {
		return false, &exitError{exitUsage, "--list-separator is empty"}
	}
	return f.Format == "csv" || f.Format == "" && file != "-" && tabular.FormatOf(file) == tabular.CSV, nil
}

// shapeOf is what the schema of a type makes of cells.
func (s *server) shapeOf(ctx context.Context, typ, separator string) (*tabular.Shape, error) {
	a, err := s.do(ctx, http.MethodGet, "/v1/types/"+url.PathEscape(typ), nil, nil)
	if err != nil {
		return nil, err
	}
	if a.status != http.StatusOK {
		return nil, &exitError{exitFailed, a.problem()}
	}
	var served struct{ Schema json.RawMessage }
	if err := json.Unmarshal(a.body, &served); err != nil {
		return nil, fmt.Errorf("the server's answer cannot be read: %w", err)
	}
	schema, err := model.DecodeJSON(served.Schema)
	if err != nil {
		return nil, err
	}
	return tabular.NewShape(schema, separator), nil
}

// readCSV gives a document for each row. A row that cannot be read is refused, and the
// others go on.
func (t *importer) readCSV(ctx context.Context, in io.Reader, rows chan<- row) error {
	r := bufio.NewReaderSize(in, 1<<20)
	if err := (&lineReader{}).skipMark(r); err != nil {
		return err
	}
	shape, err := t.shapeOf(ctx, t.Type, t.ListSeparator)
	if err != nil {
		return err
	}
	table, err := tabular.NewTable(r)
	if errors.Is(err, io.EOF) {
		return &exitError{exitFailed, "the file is empty; its first line names the columns"}
	}
	if err != nil {
		return &exitError{exitFailed, err.Error()}
	}
	t.head = table.Line(table.Header)
	header, err := mapped(table.Header, t.Map)
	if err != nil {
		return err
	}
	for n := 1; ; n++ {
		cells, line, err := table.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		x := row{n: n, line: line, source: table.Line(cells)}
		var wrong *tabular.RowError
		switch {
		case errors.As(err, &wrong):
			t.refuse(x, wrong.Error())
			continue
		case err != nil:
			return err
		}
		if err := t.fill(&x, shape, header, cells); err != nil {
			t.refuse(x, err.Error())
			continue
		}
		select {
		case rows <- x:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// fill makes the document of a row, and finds its id.
func (t *importer) fill(x *row, shape *tabular.Shape, header, cells []string) error {
	var names, kept []string
	for i, name := range header {
		if name != "" { // mapped to nothing
			names, kept = append(names, name), append(kept, cells[i])
		}
	}
	doc, err := shape.Document(names, kept)
	if err != nil {
		return err
	}
	x.data = model.AppendCanonical(nil, doc)
	return t.identify(x)
}

// mapped are the fields of the columns.
func mapped(header []string, pairs []string) ([]string, error) {
	out := slices.Clone(header)
	for _, pair := range pairs {
		column, field, ok := strings.Cut(pair, "=")
		i := slices.Index(header, strings.TrimSpace(column))
		if !ok || i < 0 {
			return nil, &exitError{exitFailed, fmt.Sprintf("--map %s: it is COLUMN=FIELD, and the columns are %s", pair, show.Line(strings.Join(header, ", ")))}
		}
		out[i] = strings.TrimSpace(field)
	}
	for i, name := range out {
		if name != "" && slices.Contains(out[:i], name) {
			return nil, &exitError{exitFailed, "two columns are for the field " + show.Line(name)}
		}
	}
	return out, nil
}
