package sqltables

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// dueAtOnce is how many tables one statement asks; SQLite joins no more than 500.
const dueAtOnce = 400

// DueStatements ask tables, of quoted names, for what is scheduled until an instant, at
// most limit rows, the earliest first. Both are written as the database has arguments.
func DueStatements(tables []string, until, limit string) (out []string) {
	for some := range slices.Chunk(slices.Sorted(slices.Values(tables)), dueAtOnce) {
		var parts []string
		for _, name := range some {
			parts = append(parts, "SELECT * FROM (SELECT meta, scheduled_at FROM "+name+" WHERE scheduled_at <= "+until+" ORDER BY scheduled_at, id LIMIT "+limit+") AS t")
		}
		out = append(out, strings.Join(parts, " UNION ALL ")+" ORDER BY 2 LIMIT "+limit)
	}
	return out
}

// DueOf reads the rows that DueStatements found, which are metas.
func DueOf(metas []string, limit int) ([]storage.Due, error) {
	var out []storage.Due
	for _, text := range metas {
		var m storage.Meta
		if err := json.Unmarshal([]byte(text), &m); err != nil {
			return nil, err
		}
		if m.Scheduled != nil {
			out = append(out, storage.Due{Type: m.Type, ID: m.ID, Seq: m.Seq, Scheduled: *m.Scheduled})
		}
	}
	slices.SortFunc(out, func(a, b storage.Due) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Type, b.Type), cmp.Compare(a.ID, b.ID))
	})
	return out[:min(len(out), limit)], nil
}
