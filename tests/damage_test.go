package tests_test

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/internal/apitest"
)

// wound is something done to one file or folder of a data folder.
type wound struct {
	crashed bool   // of a program that was killed
	name    string // of the file or folder
	kind    string
	at      float64 // where, for a byte
}

func (w wound) String() string {
	state := "stopped"
	if w.crashed {
		state = "killed"
	}
	return fmt.Sprintf("%s/%s/%s@%.2f", state, w.name, w.kind, w.at)
}

// The kinds of wounds.
const (
	away    = "away"
	cut     = "cut to half"
	flipped = "one byte another"
	foreign = "from another installation"
)

// inflict does it; other is the folder of another installation.
func (w wound) inflict(dir, other string) error {
	name := filepath.Join(dir, w.name)
	switch w.kind {
	case away:
		return os.RemoveAll(name)
	case foreign:
		if err := os.RemoveAll(name); err != nil {
			return err
		}
		from := filepath.Join(other, w.name)
		if info, err := os.Stat(from); err == nil && info.IsDir() {
			return os.CopyFS(name, os.DirFS(from))
		}
		b, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		return os.WriteFile(name, b, 0o600)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if w.kind == cut {
		return os.WriteFile(name, b[:len(b)/2], 0o600)
	}
	b[min(int(float64(len(b))*w.at), len(b)-1)] ^= 1 << (len(b) % 8)
	return os.WriteFile(name, b, 0o600)
}

// wounds are all that can be done to a folder, in an order of the seed.
func wounds(t testing.TB, rnd *rand.Rand, dir, other string, crashed bool) (out []wound) {
	t.Helper()
	must(t, filepath.Walk(dir, func(name string, info os.FileInfo, err error) error {
		rel, _ := filepath.Rel(dir, name)
		if err != nil || rel == "." {
			return err
		}
		out = append(out, wound{crashed, rel, away, 0})
		if there, err := os.Stat(filepath.Join(other, rel)); err == nil && there.IsDir() == info.IsDir() {
			out = append(out, wound{crashed, rel, foreign, 0})
		}
		if !info.IsDir() && info.Size() > 0 {
			out = append(out, wound{crashed, rel, cut, 0})
			for range 3 {
				out = append(out, wound{crashed, rel, flipped, rnd.Float64()})
			}
		}
		return nil
	}))
	rnd.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// partOf names the part of a data folder that a file belongs to, for the table.
func partOf(name string) string {
	switch {
	case strings.Contains(name, "AC_MAIN_LOG"):
		return "log: " + filepath.Base(name)
	case strings.HasPrefix(name, "nats"):
		stream := "server"
		if i := strings.Index(name, "streams"+string(filepath.Separator)); i >= 0 {
			stream, _, _ = strings.Cut(name[i+8:], string(filepath.Separator))
		}
		return "nats: " + stream
	case strings.Contains(name, "binaries"):
		return "blobs: binaries"
	case strings.Contains(name, "segments"):
		return "blobs: segments"
	}
	return name
}

// truth is what a client was told before the damage.
type truth struct {
	resources map[string]map[string]any // by id
	binaries  map[string][]byte         // by path
	count     int
}

// answers are what was acknowledged and is answered otherwise now, and how often a
// read was refused with 503.
func (x *truth) answers(t testing.TB, c *apitest.Client) (wrong []string, refused int) {
	t.Helper()
	for _, id := range slices.Sorted(maps.Keys(x.resources)) {
		r, err := c.Try(t, "GET", "/v1/books/"+id+"?include_deleted=true", nil)
		switch want := x.resources[id]; {
		case err != nil:
			wrong = append(wrong, fmt.Sprint(id, ": ", err))
		case r.Status == 503:
			refused++
		case r.Status != want["status"] || r.Status == 200 && fmt.Sprint(r.Value("/data"), r.Value("/meta/revision_count")) != want["text"]:
			wrong = append(wrong, fmt.Sprintf("%s: %d %s, was %v", id, r.Status, r.Body, want))
		}
	}
	r, err := c.Try(t, "GET", "/v1/books:count?include_deleted=true", nil)
	switch {
	case err != nil:
		wrong = append(wrong, err.Error())
	case r.Status == 503:
		refused++
	case r.Status != 200 || r.Int("/count") != x.count:
		wrong = append(wrong, fmt.Sprintf("count: %d %s, was %d", r.Status, r.Body, x.count))
	}
	for path, want := range x.binaries {
		status, got, err := fetch(t, c.URL+path, "")
		if status == 503 || status == 200 && err != nil {
			refused++
		} else if status != 200 || !bytes.Equal(got, want) {
			wrong = append(wrong, fmt.Sprintf("%s: %d, %d bytes", path, status, len(got)))
		}
	}
	return wrong, refused
}

// damaged data is what a case begins with.
type patient struct {
	stopped, killed, other string // folders
	models                 string
	truth                  truth
}

func newPatient(t testing.TB) *patient {
	t.Helper()
	x := &patient{models: apitest.WriteModels(t, with(constrained)), stopped: t.TempDir()}
	p := apitest.Launch(t, "--models", x.models, "--data-dir", x.stopped)
	c := apitest.NewClient(t, p.URL)
	livedIn(t, c, "a", 24)
	x.truth = truth{resources: map[string]map[string]any{}, binaries: map[string][]byte{}}
	for _, id := range append(firstDeeds(t, c, "books"), "a4") {
		r := c.Get(t, "/v1/books/"+id+"?include_deleted=true")
		know := map[string]any{"status": r.Status}
		if r.Status == 200 {
			know["text"] = fmt.Sprint(r.Value("/data"), r.Value("/meta/revision_count"))
			x.truth.count++
			if cover, ok := r.Value("/data").(map[string]any)["cover"].(map[string]any); ok {
				x.truth.binaries[fmt.Sprintf("/v1/books/%s/blobs/%s", id, cover["digest"])] = picture
			}
		}
		x.truth.resources[id] = know
	}
	apitest.Eventually(t, 10*time.Second, "the log's state is written down", func() bool {
		b, err := os.ReadFile(filepath.Join(x.stopped, "identity.json"))
		return err == nil && bytes.Contains(b, []byte(`"last":`))
	})
	x.killed = clone(t, x.stopped) // as a kill leaves it: nothing is being written
	stopped(t, p)
	x.other, _ = dataFolder(t, x.models, "b", stopped)
	aged(t, x.stopped)
	aged(t, x.killed)
	return x
}

// outcome is what the program said to a wound.
type outcome struct {
	says  string
	wrong []string // answers that are, and nothing told
	gone  []string // binaries that were removed
}

// treat inflicts a wound and lets the program run over it.
func (x *patient) treat(t testing.TB, w wound) (out outcome) {
	t.Helper()
	from := x.stopped
	if w.crashed {
		from = x.killed
	}
	dir := clone(t, from)
	defer os.RemoveAll(dir)
	must(t, w.inflict(dir, x.other))
	aged(t, dir)
	held := binaryNames(t, dir)
	p, refused := apitest.TryLaunch(t, "--models", x.models, "--data-dir", dir, "--log-level", "warn")
	if p == nil {
		out.says = "refused: " + firstWords(refused.Stderr)
		if refused.Code != 2 || !strings.Contains(refused.Stderr, "autocrud: ") {
			out.wrong = []string{fmt.Sprintf("exit %d: %s", refused.Code, refused.Stderr)}
		}
		out.gone = lacking(held, binaryNames(t, dir))
		return out
	}
	c := apitest.NewClient(t, p.URL)
	wrong, unanswered := x.truth.answers(t, c)
	told := unanswered > 0
	if r := c.Post(t, "/v1/books?id=second", `{"title":"x","isbn":"a1"}`); r.Status == 201 {
		wrong = append(wrong, "a value that is taken was taken again")
	}
	if r := c.Post(t, "/v1:gc", nil); r.Status != http.StatusOK && !refuses(r.Status) {
		wrong = append(wrong, fmt.Sprintf("gc: %d %s", r.Status, r.Body))
	}
	r := c.Post(t, "/v1:verify", nil)
	findings := ""
	if r.Status == http.StatusOK {
		for _, f := range r.Value("/findings").([]any) {
			findings = cmp.Or(findings, fmt.Sprint(f.(map[string]any)["problem"]))
		}
	} else if refuses(r.Status) {
		findings = fmt.Sprintf("verify is %d", r.Status)
	} else {
		wrong = append(wrong, fmt.Sprintf("verify: %d %s", r.Status, r.Body))
	}
	out.gone = lacking(held, binaryNames(t, dir))
	p.Terminate(t, 20*time.Second)
	logged := ""
	for line := range strings.Lines(p.Log()) {
		if strings.Contains(line, "level=ERROR") || strings.Contains(line, "level=WARN") {
			_, text, _ := strings.Cut(line, "msg=")
			logged = cmp.Or(logged, firstWords(text))
		}
	}
	switch {
	case findings != "":
		out.says = "verify: " + firstWords(findings)
	case told:
		out.says = "503"
	case logged != "":
		out.says = "log: " + logged
	default:
		out.says = "nothing; all answers are right"
	}
	if findings == "" && !told && logged == "" || len(wrong) > 0 && findings == "" && !told {
		out.wrong = wrong
	}
	return out
}

func refuses(status int) bool { return status == 503 || status == 409 }

func binaryNames(t testing.TB, dir string) (out []string) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(dir, "blobs")); err != nil {
		return nil
	}
	for _, n := range binaryFiles(t, filepath.Join(dir, "blobs")) {
		out = append(out, filepath.Base(n))
	}
	return out
}

func lacking(before, now []string) (out []string) {
	for _, n := range before {
		if !slices.Contains(now, n) {
			out = append(out, n)
		}
	}
	return out
}

// firstWords are the beginning of a message without what differs from run to run.
func firstWords(text string) string {
	text = strings.Trim(strings.TrimSpace(text), `"`)
	if _, after, ok := strings.Cut(text, "autocrud: "); ok {
		text = after
	}
	var words []string
	for _, w := range strings.Fields(text) {
		if strings.ContainsAny(w, "/0123456789") {
			w = "…"
		}
		if words = append(words, w); len(words) == 12 {
			break
		}
	}
	return strings.Join(words, " ")
}

// Whatever one file or folder of a data folder suffers, no answer is wrong without
// being told, and nothing is removed. AUTOCRUD_TEST_DAMAGE=200 is the full size,
// AUTOCRUD_TEST_SEED=N repeats a run.
func TestDamageIsTold(t *testing.T) {
	t.Parallel()
	n, seed := envInt("AUTOCRUD_TEST_DAMAGE"), uint64(envInt("AUTOCRUD_TEST_SEED"))
	if n == 0 {
		n = 25
	}
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	rnd := rand.New(rand.NewPCG(seed, 1))
	x := newPatient(t)
	all := append(wounds(t, rnd, x.stopped, x.other, false), wounds(t, rnd, x.killed, x.other, true)...)
	rnd.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	all = all[:min(n, len(all))]
	var mu sync.Mutex
	table := map[string]int{}
	work := make(chan wound)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for w := range work {
				out := x.treat(t, w)
				if len(out.wrong) > 0 || len(out.gone) > 0 {
					t.Errorf("seed %d, %s: it said %q; wrong: %q; removed: %v", seed, w, out.says, out.wrong, out.gone)
				}
				mu.Lock()
				table[fmt.Sprintf("%-22s | %-26s | %s", partOf(w.name), w.kind, out.says)]++
				mu.Unlock()
			}
		})
	}
	for _, w := range all {
		work <- w
	}
	close(work)
	wg.Wait()
	t.Logf("seed %d, %d cases", seed, len(all))
	for _, row := range slices.Sorted(maps.Keys(table)) {
		t.Logf("%3d %s", table[row], row)
	}
}
