package tests_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
	"github.com/autocrud-go/autocrud/pkg/model"
)

func digestOf(content []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(content)) }

// modelsAtOnce is how many random models one program has.
const modelsAtOnce = 10

// TestRandomModelsKeepWhatTheyAreGiven makes models of everything that a schema
// can nest, writes documents, and wants them back: by id, by every indexed value,
// after an export and import elsewhere, after a backup and restore, and every
// binary after a sweep.
func TestRandomModelsKeepWhatTheyAreGiven(t *testing.T) {
	t.Parallel()
	seeds := max(envInt("AUTOCRUD_TEST_MODELS"), modelsAtOnce)
	first := envInt("AUTOCRUD_TEST_SEED")
	for from := 0; from < seeds; from += modelsAtOnce {
		t.Run(fmt.Sprintf("Seed%d", first+from), func(t *testing.T) { randomRound(t, uint64(first+from)) })
	}
}

// keptDocs are documents as they must be read, by type and id.
type keptDocs map[string]map[string]any

type round struct {
	t      *testing.T
	models []*randomModel
	docs   keptDocs
	files  string
}

func randomRound(t *testing.T, seed uint64) {
	r := &round{t: t, docs: keptDocs{}}
	texts := map[string]string{"targets": "name: targets\nschema: {type: object}\n"}
	for i := range uint64(modelsAtOnce) {
		m := randomModelOf(seed+i, fmt.Sprintf("m%d", seed+i))
		r.models = append(r.models, m)
		texts[m.name] = m.text() // JSON is YAML
	}
	r.files = apitest.WriteModels(t, texts)
	dir := t.TempDir()
	base, stop := r.start(dir)
	for i := range 3 {
		r.want(http.StatusCreated, "POST", fmt.Sprintf("%s/v1/targets?id=target%d", base, i), "{}")
	}
	for _, m := range r.models {
		r.create(base, m)
	}
	r.check(base)
	r.elsewhere(base)
	r.restored(base)
	r.sweep(base, dir)
	r.check(base)
	stop()
}

func (r *round) start(dir string) (base string, stop func()) {
	r.t.Helper()
	p, err := autocrud.New().Start(r.t.Context(), autocrud.Settings{Storage: "disk", DataDir: dir, Addr: "127.0.0.1:0", LogLevel: "error", Models: r.files, Sync: "1s"})
	if err != nil {
		r.t.Fatal(err)
	}
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			if err := p.Stop(); err != nil {
				r.t.Errorf("the program ended with: %v", err)
			}
		}
	}
	r.t.Cleanup(stop)
	return p.URL, stop
}

func (r *round) want(status int, method, url, body string) []byte {
	r.t.Helper()
	got, answer := send(r.t, method, url, "application/json", []byte(body))
	if got != status {
		r.t.Fatalf("%s %s %.500s: %d %s", method, url, body, got, answer)
	}
	return answer
}

// dataOf is the data of an answer.
func (r *round) dataOf(answer []byte) any {
	r.t.Helper()
	v, err := model.DecodeJSON(answer)
	if err != nil {
		r.t.Fatal(err)
	}
	return v.(map[string]any)["data"]
}

func (r *round) create(base string, m *randomModel) {
	r.t.Helper()
	r.docs[m.name] = map[string]any{}
	for i := range 4 {
		sent, kept := m.make()
		id := fmt.Sprintf("d%d", i)
		got := r.dataOf(r.want(http.StatusCreated, "POST", base+"/v1/"+m.name+"?id="+id, literal(sent)))
		if literal(got) != literal(kept) {
			r.t.Fatalf("%s sent %s, got %s, want %s; model %s", m.name, literal(sent), literal(got), literal(kept), m.text())
		}
		r.docs[m.name][id] = kept
	}
}

// check reads everything, by id and by every indexed value.
func (r *round) check(base string) {
	r.t.Helper()
	for _, m := range r.models {
		for id, kept := range r.docs[m.name] {
			if got := r.dataOf(r.want(http.StatusOK, "GET", base+"/v1/"+m.name+"/"+id, "")); literal(got) != literal(kept) {
				r.t.Errorf("%s/%s is %s, want %s", m.name, id, literal(got), literal(kept))
			}
			for digest, text := range binariesIn(kept, map[string]string{}, m.files) {
				if got := r.want(http.StatusOK, "GET", base+"/v1/"+m.name+"/"+id+"/blobs/"+digest, ""); string(got) != text {
					r.t.Errorf("%s/%s: the binary is %q, want %q", m.name, id, got, text)
				}
			}
		}
		for _, path := range append(slices.Clone(m.index), "owner") {
			r.search(base, m, path)
		}
	}
}

// search asks for each value that documents have at a path.
func (r *round) search(base string, m *randomModel, path string) {
	r.t.Helper()
	names := strings.Split(path, ".")
	asked := map[string]bool{}
	for _, doc := range r.docs[m.name] {
		values, inList := valuesAt(doc, names)
		for _, v := range values {
			filter := filterFor(path, v, inList)
			if asked[filter] {
				continue
			}
			asked[filter] = true
			var want []string
			for id, other := range r.docs[m.name] {
				has, isList := valuesAt(other, names)
				if slices.ContainsFunc(has, func(x any) bool { return literal(x) == literal(v) }) || v == nil && len(has) == 0 && !isList { // [] is not null
					want = append(want, id)
				}
			}
			slices.Sort(want)
			var page struct {
				Items []struct{ Meta struct{ ID string } }
			}
			if err := json.Unmarshal(r.want(http.StatusOK, "GET", base+"/v1/"+m.name+"?returns=meta&order_by=meta.id&filter="+url.QueryEscape(filter), ""), &page); err != nil {
				r.t.Fatal(err)
			}
			var got []string
			for _, x := range page.Items {
				got = append(got, x.Meta.ID)
			}
			if !slices.Equal(got, want) {
				r.t.Errorf("%s: %s finds %v, want %v; model %s", m.name, filter, got, want, m.text())
			}
		}
	}
}

// elsewhere exports every type and imports it into another program.
func (r *round) elsewhere(base string) {
	r.t.Helper()
	other, stop := r.start(r.t.TempDir())
	defer stop()
	for i := range 3 {
		r.want(http.StatusCreated, "POST", fmt.Sprintf("%s/v1/targets?id=target%d", other, i), "{}")
	}
	for _, m := range r.models {
		file := filepath.Join(r.t.TempDir(), "export.ndjson")
		ok(r.t, "", "export", m.name, file, "--with-meta", "--url", base)
		ok(r.t, "", "import", m.name, file, "--url", other)
	}
	r.check(other)
}

// restored makes a backup and restores it into a new folder.
func (r *round) restored(base string) {
	r.t.Helper()
	file, dir := filepath.Join(r.t.TempDir(), "all.backup"), filepath.Join(r.t.TempDir(), "data")
	ok(r.t, "", "backup", file, "--url", base)
	ok(r.t, "", "restore", file, "--data-dir", dir, "--models", r.files)
	again, stop := r.start(dir)
	defer stop()
	r.sweep(again, dir)
	r.check(again)
	r.verified(again)
}

func (r *round) verified(base string) {
	r.t.Helper()
	var v struct{ Findings []any }
	if err := json.Unmarshal(r.want(http.StatusOK, "POST", base+"/v1:verify", ""), &v); err != nil || len(v.Findings) > 0 {
		r.t.Errorf("verify: %v %v", v.Findings, err)
	}
}

// sweep makes every binary old and removes what nothing refers to.
func (r *round) sweep(base, dir string) {
	r.t.Helper()
	old := time.Now().Add(-72 * time.Hour)
	paths, err := filepath.Glob(filepath.Join(dir, "blobs", "binaries", "*", "*"))
	if err != nil {
		r.t.Fatal(err)
	}
	for _, p := range paths {
		if err := os.Chtimes(p, old, old); err != nil {
			r.t.Fatal(err)
		}
	}
	r.want(http.StatusOK, "POST", base+"/v1:gc", "")
	left, _ := filepath.Glob(filepath.Join(dir, "blobs", "binaries", "*", "*"))
	if len(left) != len(paths) {
		r.t.Errorf("a sweep left %d of %d binaries, all of which are in use", len(left), len(paths))
	}
}

// binariesIn are the binaries of a document, with their content.
func binariesIn(v any, found, files map[string]string) map[string]string {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			binariesIn(x, found, files)
		}
	case map[string]any:
		if d, ok := v["digest"].(string); ok {
			found[d] = files[d]
		}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			binariesIn(v[name], found, files)
		}
	}
	return found
}
