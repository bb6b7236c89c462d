package pgindex

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode"

	"github.com/jackc/pgx/v5"

	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/storage/internal/sqlrender"
)

// format is part of every table's name: tables that an older version of this
// package, or one with another table of Unicode, made differently are not used.
const format = "2 " + unicode.Version

// The values of the state column. A purged resource keeps its row, so that its
// last event is known, and is found by no search. A row that is ahead is live, and not
// what is published; one that is apart is only that, and second is 1 in it.
const (
	ahead   = -1
	live    = 0
	deleted = 1
	purged  = 2
	apart   = 3
)

// table is where the resources of one definition are.
type table struct {
	def      storage.Definition
	name     string // unquoted
	view     sqlrender.Table
	columns  []column // all that Apply writes, in the order of rowValues
	fullText bool
	upsert   string
	parted   *parted
}

// parted remembers whether a table has second rows; it is asked once.
type parted struct{ asked, yes bool }

// column is a column as a batch writes it: an array of kind, of which each
// element is cast to as.
type column struct {
	name string // quoted
	kind kind
	as   string // type of the column
	rest string // NOT NULL and the like
}

// kind is the element type of the arrays that a batch is sent as.
type kind string

const (
	kText    kind = "text"
	kInteger kind = "bigint"
	kNumber  kind = "float8"
	kBoolean kind = "boolean"
	kBytes   kind = "bytea"
)

const text = `text COLLATE "C"`

var metaColumns = []struct {
	field, column, as string
	kind              kind
}{
	{"meta.seq", "seq", "bigint", kInteger},
	{"", "state", "smallint", kInteger},
	{"meta.created_at", "created_at", "bigint", kInteger},
	{"meta.created_by", "created_by", text, kText},
	{"meta.updated_at", "updated_at", "bigint", kInteger},
	{"meta.updated_by", "updated_by", text, kText},
	{"meta.status", "status", text, kText},
	{"meta.revision_count", "revision_count", "bigint", kInteger},
	{"meta.schema_version", "schema_version", text, kText},
}

var jobColumns = []struct {
	field, column, as string
	kind              kind
}{
	{"meta.job.state", "job_state", text, kText},
	{"meta.job.attempts", "job_attempts", "bigint", kInteger},
	{"meta.job.queue", "job_queue", text, kText},
	{"meta.job.run_at", "job_run_at", "bigint", kInteger},
	{"meta.job.priority", "job_priority", "bigint", kInteger},
}

// scheduleColumns hold what is scheduled; they are null where nothing is.
var scheduleColumns = []struct {
	field, column, as string
	kind              kind
}{
	{storage.ScheduledAtField, "scheduled_at", "bigint", kInteger},
	{storage.ScheduledActionField, "scheduled_action", text, kText},
	{storage.ScheduledByField, "scheduled_by", text, kText},
}

var kinds = map[query.Kind]kind{query.Text: kText, query.Integer: kInteger, query.Number: kNumber, query.Boolean: kBoolean, query.Time: kInteger}

var types = map[query.Kind]string{query.Text: text, query.Integer: "bigint", query.Number: "float8", query.Boolean: "boolean", query.Time: "bigint"}

// arrays are the types of list columns.
var arrays = map[query.Kind]string{query.Text: `text[] COLLATE "C"`, query.Integer: "bigint[]", query.Number: "float8[]", query.Boolean: "boolean[]", query.Time: "bigint[]"}

func quote(s string) string { return pgx.Identifier{s}.Sanitize() }

// baseName begins the names of all tables of a definition. A name
// has at most 63 bytes in Postgres, so a long type's is cut; the hash tells it
// apart.
func baseName(def storage.Definition) string {
	sum := sha256.Sum256([]byte(format + "\x00" + def.Type + "\x00" + def.Hash))
	return "t_" + def.Type[:min(len(def.Type), 30)] + "_" + hex.EncodeToString(sum[:6]) + "_"
}

// newTable is a table that was not there before: no two have the same name, so
// that a process that still knows an old one does not take the new one for it.
func newTable(def storage.Definition) *table {
	var tag [3]byte
	_, _ = rand.Read(tag[:]) // never fails
	return tableOf(def, baseName(def)+hex.EncodeToString(tag[:]))
}

// tableNamed is the table of a definition by its name, or nil when this version
// makes other ones.
func tableNamed(def storage.Definition, name string) *table {
	if !strings.HasPrefix(name, baseName(def)) {
		return nil
	}
	return tableOf(def, name)
}

func tableOf(def storage.Definition, name string) *table {
	t := &table{def: def, name: name, fullText: len(def.FullText) > 0, parted: &parted{}}
	t.view = sqlrender.Table{Name: quote(t.name), ID: "id", Columns: map[string]sqlrender.Column{
		query.IDField:  {SQL: "id", Kind: query.Text},
		"meta.deleted": {SQL: fmt.Sprintf("(state = %d)", deleted), Kind: query.Boolean},
	}}
	t.columns = []column{{"id", kText, text, " NOT NULL"}, {"second", kInteger, "smallint", " NOT NULL"}, {"event_id", kText, text, " NOT NULL"}}
	for _, m := range metaColumns {
		t.columns = append(t.columns, column{m.column, m.kind, m.as, " NOT NULL"})
		if m.field != "" {
			t.view.Columns[m.field] = sqlrender.Column{SQL: m.column}
		}
	}
	t.view.Columns[storage.UnfitField] = sqlrender.Column{SQL: "(seq < 0)", Kind: query.Boolean} // of no row
	if def.Marks {
		t.columns = append(t.columns, column{"unfit", kBoolean, "boolean", " NOT NULL"})
		t.view.Columns[storage.UnfitField] = sqlrender.Column{SQL: "unfit", Kind: query.Boolean}
	}
	if def.Job {
		for _, m := range jobColumns {
			t.columns = append(t.columns, column{m.column, m.kind, m.as, ""})
			t.view.Columns[m.field] = sqlrender.Column{SQL: m.column, Nullable: true}
		}
	}
	for _, m := range scheduleColumns {
		t.columns = append(t.columns, column{m.column, m.kind, m.as, ""})
		t.view.Columns[m.field] = sqlrender.Column{SQL: m.column, Nullable: true}
	}
	for i, f := range def.Fields {
		name := fmt.Sprintf("f%d", i)
		c := sqlrender.Column{SQL: name, Kind: f.Kind, Nullable: true}
		switch {
		case f.List:
			t.columns = append(t.columns, column{name, kText, arrays[f.Kind], ""})
		case f.Kind == query.Text:
			c.Folded = name + "l"
			t.columns = append(t.columns, column{name, kText, text, ""}, column{c.Folded, kText, text, ""})
		default:
			t.columns = append(t.columns, column{name, kinds[f.Kind], types[f.Kind], ""})
		}
		t.view.Columns[f.Name] = c
	}
	if t.fullText {
		for i := range def.FullText {
			t.columns = append(t.columns, column{fmt.Sprintf("w%d", i), kText, text, " NOT NULL"})
		}
		t.columns = append(t.columns, column{"words", kText, "tsvector", " NOT NULL"})
	}
	t.columns = append(t.columns, column{"ref", kText, "text", " NOT NULL"}, column{"meta", kText, "text", " NOT NULL"},
		column{"revision", kText, "text", " NOT NULL"}, column{"content", kBytes, "bytea", ""})
	t.upsert = t.upsertSQL()
	return t
}

// create is the DDL of the table without its indexes.
func (t *table) create() []string {
	var cols []string
	for _, c := range t.columns {
		cols = append(cols, c.name+" "+c.as+c.rest)
	}
	cols = append(cols, "PRIMARY KEY (id, second)")
	out := []string{"DROP TABLE IF EXISTS " + t.view.Name,
		"CREATE TABLE " + t.view.Name + " (" + strings.Join(cols, ", ") + ") WITH (autovacuum_analyze_scale_factor = 0.05)"}
	for i, f := range t.def.Fields {
		if f.List { // by the default sample an element of one row in ten thousand is sometimes taken for a common one
			out = append(out, fmt.Sprintf("ALTER TABLE %s ALTER COLUMN f%d SET STATISTICS 300", t.view.Name, i))
		}
	}
	return out
}

// indexes is the DDL of its indexes but the primary key.
//
// Two indexes serve a field: every order ends in the ascending id, so neither
// direction can be read backwards from the other's index. Descending ones put
// null last, as every order does.
func (t *table) indexes() (out []string) {
	index := func(name, on string) {
		out = append(out, fmt.Sprintf("CREATE INDEX %s ON %s %s", quote("i_"+name+"_"+t.name), t.view.Name, on))
	}
	index("second", "(id) WHERE second = 1")
	index("scheduled", "(scheduled_at, id) WHERE scheduled_at IS NOT NULL")
	index("created", "(created_at DESC NULLS LAST, id)")
	index("updated", "(updated_at DESC NULLS LAST, id)")
	if t.def.Owned {
		index("owned", "(created_by, created_at DESC NULLS LAST, id)")
	}
	if t.def.Marks {
		index("unfit", "(unfit, id)")
	}
	if t.def.Job {
		index("state", "(job_state, job_run_at)")
		index("run", "(job_run_at, id)")
	}
	for i, f := range t.def.Fields {
		name := fmt.Sprintf("f%d", i)
		if f.List {
			index(name, "USING gin ("+name+")")
			continue
		}
		index(name, "("+name+", id)")
		index(name+"d", "("+name+" DESC NULLS LAST, id)")
	}
	for i, group := range t.def.Composite {
		var on []string
		for _, term := range group {
			path, desc := strings.CutPrefix(term, "-")
			col := t.view.Columns[path].SQL
			if desc {
				col += " DESC NULLS LAST"
			}
			on = append(on, col)
		}
		index(fmt.Sprintf("c%d", i), "("+strings.Join(on, ", ")+", id)")
	}
	if t.fullText {
		index("words", "USING gin (words)")
	}
	return out
}

// upsertSQL writes a batch given as one array for each column.
func (t *table) upsertSQL() string {
	var names, from, casts, set []string
	for i, c := range t.columns {
		names = append(names, c.name)
		from = append(from, fmt.Sprintf("$%d::%s[]", i+1, c.kind))
		as, _, _ := strings.Cut(c.as, " ")
		casts = append(casts, "u."+c.name+"::"+as)
		if c.name != "id" && c.name != "second" {
			set = append(set, c.name+" = excluded."+c.name)
		}
	}
	return fmt.Sprintf("INSERT INTO %s AS t (%s) SELECT %s FROM unnest(%s) AS u(%s) ON CONFLICT (id, second) DO UPDATE SET %s WHERE excluded.seq > t.seq",
		t.view.Name, strings.Join(names, ", "), strings.Join(casts, ", "), strings.Join(from, ", "), strings.Join(names, ", "), strings.Join(set, ", "))
}
