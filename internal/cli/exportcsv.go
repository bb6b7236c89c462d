package cli

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/tabular"
)

// csvPages writes a header and a row for each resource. The cells wait in a file until all
// are known, because any may need a column that the schema does not name.
func (c *exportCmd) csvPages(e *env, w io.Writer, terminal io.Writer) (n int64, err error) {
	shape, err := c.shapeOf(e.ctx, c.Type, c.ListSeparator)
	if err != nil {
		return 0, err
	}
	spool, err := os.CreateTemp("", "autocrud-export-*")
	if err != nil {
		return 0, err
	}
	defer os.Remove(spool.Name()) // where a file that is open cannot be removed, it is closed first
	defer spool.Close()
	cells := bufio.NewWriterSize(spool, 1<<20)
	n, err = c.pages(e, cellWriter{shape, json.NewEncoder(cells)}, terminal)
	if err != nil {
		return n, err
	}
	if err := cells.Flush(); err != nil {
		return n, err
	}
	if _, err := spool.Seek(0, io.SeekStart); err != nil {
		return n, err
	}
	header := shape.Columns()
	if _, err := w.Write(tabular.Line(header)); err != nil {
		return n, err
	}
	for d := json.NewDecoder(bufio.NewReaderSize(spool, 1<<20)); ; {
		var found map[string]string
		if err := d.Decode(&found); errors.Is(err, io.EOF) {
			return n, nil
		} else if err != nil {
			return n, err
		}
		row := make([]string, len(header))
		for i, name := range header {
			row[i] = found[name]
		}
		if _, err := w.Write(tabular.Line(row)); err != nil {
			return n, err
		}
	}
}

// cellWriter takes documents, one a write.
type cellWriter struct {
	shape *tabular.Shape
	to    *json.Encoder
}

func (c cellWriter) Write(line []byte) (int, error) {
	tree, err := model.DecodeJSON(line)
	if err != nil {
		return 0, err
	}
	doc, _ := tree.(map[string]any) // a resource is an object
	cells, err := c.shape.Cells(doc)
	if err != nil {
		return 0, err
	}
	return len(line), c.to.Encode(cells)
}
