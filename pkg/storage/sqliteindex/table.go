package sqliteindex

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/storage/internal/sqlrender"
)

// format is part of every table's name: tables that an older version of this
// package made differently are not used.
const format = "4"

// The values of the deleted column. A purged resource keeps its row, so that
// its last event is known, and is found by no search. A row that is ahead is live, and
// not what is published; one that is apart is only that, and second is 1 in it.
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
	columns  []string // all that Apply writes, quoted, in the order of rowArgs
	lists    []list
	fullText string // quoted; empty when the definition has none
}

// list is a list field. The row holds its length; its elements are in a table
// of their own, in which membership is one lookup.
type list struct {
	at   int    // in Definition.Fields
	name string // quoted table
}

// metaColumns are the meta fields and the columns that hold them.
var metaColumns = []struct{ field, column, kind string }{
	{"meta.seq", "seq", "INTEGER"},
	{"meta.deleted", "deleted", "INTEGER"},
	{"meta.created_at", "created_at", "INTEGER"},
	{"meta.created_by", "created_by", "TEXT"},
	{"meta.updated_at", "updated_at", "INTEGER"},
	{"meta.updated_by", "updated_by", "TEXT"},
	{"meta.status", "status", "TEXT"},
	{"meta.revision_count", "revision_count", "INTEGER"},
	{"meta.schema_version", "schema_version", "TEXT"},
}

var jobColumns = []struct{ field, column, kind string }{
	{"meta.job.state", "job_state", "TEXT"},
	{"meta.job.attempts", "job_attempts", "INTEGER"},
	{"meta.job.queue", "job_queue", "TEXT"},
	{"meta.job.run_at", "job_run_at", "INTEGER"},
	{"meta.job.priority", "job_priority", "INTEGER"},
}

// scheduleColumns hold what is scheduled; they are null where nothing is.
var scheduleColumns = []struct{ field, column, kind string }{
	{storage.ScheduledAtField, "scheduled_at", "INTEGER"},
	{storage.ScheduledActionField, "scheduled_action", "TEXT"},
	{storage.ScheduledByField, "scheduled_by", "TEXT"},
}

var kindSQL = map[query.Kind]string{
	query.Text: "TEXT", query.Integer: "INTEGER", query.Number: "REAL", query.Boolean: "INTEGER", query.Time: "INTEGER",
}

func quote(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// baseName begins the names of all tables of a definition.
func baseName(def storage.Definition) string {
	sum := sha256.Sum256([]byte(format + "\x00" + def.Hash))
	return "t_" + def.Type + "_" + hex.EncodeToString(sum[:4]) + "_"
}

// newTable is a table that was not there before: a definition can have two, of
// which one is filled.
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
	t := &table{def: def, name: name}
	t.view = sqlrender.Table{Name: quote(t.name), Key: "rid", ID: "id", Columns: map[string]sqlrender.Column{
		query.IDField: {SQL: "id"},
	}}
	t.columns = []string{"id", "second", "event_id"}
	for _, m := range metaColumns {
		t.view.Columns[m.field] = sqlrender.Column{SQL: m.column}
		t.columns = append(t.columns, m.column)
	}
	t.view.Columns[storage.UnfitField] = sqlrender.Column{SQL: "(seq < 0)"} // of no row
	if def.Marks {
		t.view.Columns[storage.UnfitField] = sqlrender.Column{SQL: "unfit"}
		t.columns = append(t.columns, "unfit")
	}
	t.view.Columns["meta.deleted"] = sqlrender.Column{SQL: fmt.Sprintf("(deleted = %d)", deleted)}
	if def.Job {
		for _, m := range jobColumns {
			t.view.Columns[m.field] = sqlrender.Column{SQL: m.column, Nullable: true}
			t.columns = append(t.columns, m.column)
		}
	}
	for _, m := range scheduleColumns {
		t.view.Columns[m.field] = sqlrender.Column{SQL: m.column, Nullable: true}
		t.columns = append(t.columns, m.column)
	}
	for i, f := range def.Fields {
		c := sqlrender.Column{SQL: fmt.Sprintf("f%d", i), Nullable: true}
		if f.List {
			c.Members = quote(fmt.Sprintf("l%d_%s", i, t.name))
			t.lists = append(t.lists, list{i, c.Members})
		}
		t.view.Columns[f.Name] = c
		t.columns = append(t.columns, c.SQL)
	}
	t.columns = append(t.columns, "ref", "meta", "revision", "content")
	if len(def.FullText) > 0 {
		t.fullText = quote("x_" + t.name)
	}
	return t
}

// create is the DDL of the table and all that belongs to it but its indexes.
func (t *table) create() []string {
	cols := []string{"rid INTEGER PRIMARY KEY", "id TEXT NOT NULL", "second INTEGER NOT NULL", "event_id TEXT NOT NULL"}
	for _, m := range metaColumns {
		cols = append(cols, m.column+" "+m.kind+" NOT NULL")
	}
	if t.def.Marks {
		cols = append(cols, "unfit INTEGER NOT NULL")
	}
	if t.def.Job {
		for _, m := range jobColumns {
			cols = append(cols, m.column+" "+m.kind)
		}
	}
	for _, m := range scheduleColumns {
		cols = append(cols, m.column+" "+m.kind)
	}
	var out []string
	for i, f := range t.def.Fields {
		col := fmt.Sprintf("f%d", i)
		if !f.List {
			cols = append(cols, col+" "+kindSQL[f.Kind])
			continue
		}
		cols = append(cols, col+" INTEGER")
		name := t.view.Columns[f.Name].Members
		out = append(out,
			fmt.Sprintf("CREATE TABLE %s (v %s NOT NULL, rid INTEGER NOT NULL, PRIMARY KEY (v, rid)) WITHOUT ROWID", name, kindSQL[f.Kind]),
			fmt.Sprintf("CREATE INDEX %s ON %s (rid)", quote(fmt.Sprintf("il%d_%s", i, t.name)), name)) // which writing needs
	}
	cols = append(cols, "ref TEXT NOT NULL", "meta TEXT NOT NULL", "revision TEXT NOT NULL", "content BLOB", "UNIQUE (id, second)")
	out = append([]string{"CREATE TABLE " + t.view.Name + " (" + strings.Join(cols, ", ") + ")"}, out...)
	if t.fullText != "" {
		words := make([]string, len(t.def.FullText))
		for i := range words {
			words[i] = fmt.Sprintf("w%d", i)
		}
		// The words come cut and folded; ascii leaves them as they are.
		out = append(out,
			fmt.Sprintf("CREATE VIRTUAL TABLE %s USING fts5(%s, tokenize = 'ascii')", t.fullText, strings.Join(words, ", ")),
			fmt.Sprintf("INSERT INTO %s (%s, rank) VALUES ('secure-delete', 1)", t.fullText, t.fullText))
	}
	return out
}

// indexes is the DDL of its indexes.
//
// Two indexes serve a field: every order ends in the ascending id, so neither
// direction can be read backwards from the other's index. The ascending one
// also tells what is deleted, so that counting needs no look at the rows.
func (t *table) indexes() (out []string) {
	index := func(name string, on string) {
		out = append(out, fmt.Sprintf("CREATE INDEX %s ON %s (%s)", quote("i_"+name+"_"+t.name), t.view.Name, on))
	}
	out = append(out, fmt.Sprintf("CREATE INDEX %s ON %s (id) WHERE second = 1", quote("i_second_"+t.name), t.view.Name))
	out = append(out, fmt.Sprintf("CREATE INDEX %s ON %s (scheduled_at, id) WHERE scheduled_at IS NOT NULL", quote("i_scheduled_"+t.name), t.view.Name))
	index("created", "created_at DESC, id")
	index("updated", "updated_at DESC, id")
	if t.def.Owned {
		index("owned", "created_by, created_at DESC, id")
	}
	if t.def.Marks {
		index("unfit", "unfit, id, deleted")
	}
	if t.def.Job {
		index("state", "job_state, job_run_at")
		index("run", "job_run_at, id")
	}
	for i, f := range t.def.Fields {
		col := fmt.Sprintf("f%d", i)
		if f.List {
			continue
		}
		index(col, col+", id, deleted")
		index(col+"d", col+" DESC, id")
	}
	for i, group := range t.def.Composite {
		index(fmt.Sprintf("c%d", i), strings.Join(t.compositeColumns(group), ", ")+", id")
	}
	return out
}

func (t *table) compositeColumns(group []string) (out []string) {
	for _, term := range group {
		path, desc := strings.CutPrefix(term, "-")
		col := t.view.Columns[path].SQL
		if desc {
			col += " DESC"
		}
		out = append(out, col)
	}
	return out
}

// names are the tables, unquoted.
func (t *table) names() []string {
	out := []string{t.name}
	for _, l := range t.lists {
		out = append(out, fmt.Sprintf("l%d_%s", l.at, t.name))
	}
	if t.fullText != "" {
		out = append(out, "x_"+t.name)
	}
	return out
}

// dropStatements removes a table of this package and all that belongs to it by
// name, for its definition may be forgotten.
func dropStatements(names []string, name string) []string {
	var out []string
	for _, n := range names {
		rest, ok := strings.CutSuffix(n, name)
		if ok && (rest == "" || rest == "x_" || strings.HasPrefix(rest, "l") && strings.HasSuffix(rest, "_")) {
			out = append(out, "DROP TABLE IF EXISTS "+quote(n))
		}
	}
	return out
}
