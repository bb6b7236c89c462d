// Package tests_test holds the program to what its users rely on, from outside:
// over HTTP, the command line and the file system.
package tests_test

import (
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(appenderVar); path != "" {
		appender(path)
	}
	if err := part(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	apitest.Main(m)
}

// allRows are the storage rows that AUTOCRUD_TEST_STORAGES names, or all.
var allRows = apitest.Storages()

// storages are the rows that a test runs on: all, or with AUTOCRUD_TEST_ROWS=1 the
// one in memory and one of the others.
func storages(t testing.TB) []apitest.Storage {
	t.Helper()
	return drawRow(t, allRows)
}

// drawRow takes all but one of the rows that are not in memory out, if it is asked
// for; AUTOCRUD_TEST_SEED and the test choose the one.
func drawRow(t testing.TB, rows []apitest.Storage) []apitest.Storage {
	t.Helper()
	isMemory := func(s apitest.Storage) bool { return s.Name == inMemory.Name }
	others := slices.DeleteFunc(slices.Clone(rows), isMemory)
	if envInt("AUTOCRUD_TEST_ROWS") != 1 || len(others) == 0 {
		return rows
	}
	one := others[draw(t.Name())%uint64(len(others))]
	return slices.DeleteFunc(slices.Clone(rows), func(s apitest.Storage) bool { return !isMemory(s) && s.Name != one.Name })
}

// each runs a test on every storage row with a program of its own.
func each(t *testing.T, fn func(t *testing.T, c *apitest.Client)) {
	t.Helper()
	t.Parallel()
	for _, s := range storages(t) {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			fn(t, run(t, s, nil, nil))
		})
	}
}

// run runs a program on a storage row with the models below and more of them.
func run(t testing.TB, row apitest.Storage, app *autocrud.App, more map[string]string) *apitest.Client {
	t.Helper()
	s := row.Settings(t)
	s.Models = apitest.WriteModels(t, with(more))
	if row.Split {
		return apitest.NewClient(t, apitest.StartSplit(t, app, s)[0])
	}
	return apitest.Start(t, app, s)
}

// start runs a program with the models below and more of them.
func start(t testing.TB, app *autocrud.App, s autocrud.Settings, more map[string]string) *apitest.Client {
	t.Helper()
	s.Models = apitest.WriteModels(t, with(more))
	return apitest.Start(t, app, s)
}

func with(more map[string]string) map[string]string {
	all := maps.Clone(models)
	maps.Copy(all, more)
	return all
}

var models = map[string]string{
	"movies": `name: movies
title: Movie
schema:
  type: object
  required: [title, year]
  properties:
    title:  {type: string, minLength: 1, maxLength: 500}
    slug:   {type: [string, "null"]}
    year:   {type: integer, minimum: 1870}
    rating: {type: number}
    genres: {type: array, items: {type: string}}
    studio: {type: [string, "null"]}
    released: {type: string, format: date-time}
    color:  {type: boolean}
    credits: {type: object, properties: {director: {type: string}, writer: {type: string}}}
    note:   {type: string}
index: [title, year, rating, genres, studio, released, color, "credits.director"]
fulltext: [title]
unique: [slug]
refs:
  studio: {type: studios, onDelete: set_null}
`,
	"studios": `name: studios
title: Studio
schema:
  type: object
  required: [name]
  properties:
    name:    {type: string}
    country: {type: string, default: US}
index: [name]
`,
	"notes": `name: notes
title: Note
schema: {type: object, required: [text], properties: {text: {type: string}, pages: {type: array, items: {type: integer}}}}
index: [text]
defaultStatus: draft
`,
	"accounts": `name: accounts
title: Account
schema: {type: object, required: [balance], properties: {balance: {type: integer}}}
index: [balance]
requireIfMatch: true
`,
	"mails": `name: mails
title: Mail
schema: {type: object, required: [to], properties: {to: {type: string}}}
index: [to]
job: {handler: {exec: [cat]}, backoff: {initial: 10ms, max: 50ms}}
`,
}

// query escapes a value for a query string.
func query(s string) string { return url.QueryEscape(s) }

// envInt is a number that asks for a longer run, 0 when it is not set.
func envInt(name string) int {
	n, _ := strconv.Atoi(os.Getenv(name))
	return n
}

// envText chooses what a longer run does, "" for everything.
func envText(name string) string { return os.Getenv(name) }
