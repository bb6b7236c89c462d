package tests_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
)

// kept is a type of which two revisions are kept, and one that refers to some of them.
func kept(retention string) map[string]string {
	return map[string]string{
		"pages": `name: pages
schema: {type: object, required: [text], properties: {text: {type: string}, slug: {type: [string, "null"]}, file: {x-binary: {}}}}
index: [text]
fulltext: [text]
unique: [slug]
retention: ` + retention + "\n",
		"quotes": `name: quotes
schema: {type: object, properties: {of: {type: [string, "null"]}, all: {type: array, items: {type: string}}}}
refs: {of: {type: pages, revision: true}, all: {type: pages, revision: true}}
`}
}

// revisionsOf are the numbers of a resource's revisions, newest first.
func revisionsOf(t testing.TB, c *apitest.Client, path string) (out []int) {
	t.Helper()
	for _, x := range everyItem(t, c, path+"/revisions?page_size=100") {
		out = append(out, int(x.(map[string]any)["revision"].(map[string]any)["number"].(float64)))
	}
	return out
}

// verified fails unless the stores agree.
func verified(t testing.TB, c *apitest.Client) {
	t.Helper()
	v := c.Post(t, "/v1:verify", nil).Want(t, 200)
	v.Equal(t, "/findings", "[]")
}

// leftBehind looks for texts in every file below some folders.
func leftBehind(t testing.TB, text *regexp.Regexp, mayStay func(found string) bool, dirs ...string) (found []string) {
	t.Helper()
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if os.IsNotExist(err) || err == nil && d.IsDir() {
				return nil
			}
			if err != nil {
				return err
			}
			b, err := os.ReadFile(path)
			if os.IsNotExist(err) {
				return nil
			}
			for _, m := range text.FindAll(b, -1) {
				if s := string(bytes.ToLower(m)); !mayStay(s) {
					found = append(found, path+": "+s)
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}

// TestRetentionUnderWriters: while eight clients write, revisions beyond those that are
// kept go. At the end each resource has as many as its type says, no byte of the others
// is anywhere, the histories are whole, and a watch from before the pruning is told what
// one from after it is. AUTOCRUD_TEST_RETENTION is how many seconds they write.
func TestRetentionUnderWriters(t *testing.T) {
	t.Parallel()
	for _, row := range storages(t) {
		t.Run(row.Name, func(t *testing.T) {
			t.Parallel()
			s := row.Settings(t)
			s.Models = apitest.WriteModels(t, with(kept("{revisions: 3}")))
			var c *apitest.Client
			if row.Split {
				c = apitest.NewClient(t, apitest.StartSplit(t, nil, s)[0])
			} else {
				if s.DataDir == "" {
					s.DataDir = t.TempDir()
				}
				c = apitest.Start(t, nil, s)
			}
			dirs := []string{s.DataDir}
			if s.S3Bucket != "" {
				dirs = append(dirs, filepath.Join(apitest.S3Dir(t), s.S3Bucket))
			}
			if s.DataDir == "" {
				dirs = dirs[1:]
			}
			retentionUnderWriters(t, c, dirs)
		})
	}
}

func retentionUnderWriters(t *testing.T, c *apitest.Client, dirs []string) {
	const writers, pages = 8, 5
	for i := range pages {
		c.Put(t, fmt.Sprintf("/v1/pages/p%d", i), `{"text":"marker-first."}`, apitest.Header("If-None-Match", "*")).Want(t, 201)
	}
	from := c.LogSeq(t, "pages")
	during := follow(t, c, "/v1/pages:watch")
	seconds := max(envInt("AUTOCRUD_TEST_RETENTION"), 3)
	stop := time.Now().Add(time.Duration(seconds) * time.Second)
	var wg sync.WaitGroup
	var mu sync.Mutex
	written := map[string]int{}  // page -> how many revisions
	refused := map[string]bool{} // texts: the object of a write that lost to others is no revision's, and gc removes it
	for w := range writers {
		wg.Go(func() {
			for i := 0; time.Now().Before(stop); i++ {
				id := fmt.Sprintf("p%d", (w+i)%pages)
				text := fmt.Sprintf("marker-%d-%d.", w, i)
				r, err := c.Try(t, "PUT", "/v1/pages/"+id, `{"text":"`+text+`"}`)
				if err != nil {
					t.Error(err)
					return
				}
				if r.Status == 200 {
					mu.Lock()
					written[id] = max(written[id], r.Int("/meta/revision_count"))
					mu.Unlock()
				} else if r.Status == 409 { // too many others
					mu.Lock()
					refused[text] = true
					mu.Unlock()
				} else {
					t.Errorf("a write was answered %d %s", r.Status, r.Body)
				}
			}
		})
	}
	wg.Wait()
	apitest.Eventually(t, time.Minute, "each page has three revisions", func() bool {
		for i := range pages {
			path := fmt.Sprintf("/v1/pages/p%d", i)
			if c.Get(t, path+"/revisions").Status == 503 { // the index is further behind than a request waits
				return false
			}
			if len(revisionsOf(t, c, path)) != 3 {
				return false
			}
		}
		return true
	})
	var texts []string
	for i := range pages {
		id := fmt.Sprintf("p%d", i)
		numbers := revisionsOf(t, c, "/v1/pages/"+id)
		if numbers[0] != written[id] || numbers[2] != written[id]-2 {
			t.Errorf("%s keeps %v, it had %d", id, numbers, written[id])
		}
		for _, n := range numbers {
			texts = append(texts, c.Get(t, fmt.Sprintf("/v1/pages/%s/revisions/%d", id, n)).Want(t, 200).Text("/data/text"))
		}
		c.Get(t, fmt.Sprintf("/v1/pages/%s/revisions/%d", id, numbers[2]-1)).WantProblem(t, 410, "pruned")
		if h := everyItem(t, c, "/v1/pages/"+id+"/history?page_size=1000"); len(h) != written[id] {
			t.Errorf("the history of %s has %d entries, want %d", id, len(h), written[id])
		}
	}
	current := map[string]bool{}
	for _, x := range texts {
		current[x] = true
	}
	marker := regexp.MustCompile(`marker-(first|\d+-\d+)\.`)
	var left []string
	defer func() {
		if len(left) > 0 {
			t.Errorf("%d pieces are left: %.3000s", len(left), fmt.Sprint(left))
		}
	}()
	apitest.Eventually(t, time.Minute, "nothing of the pruned revisions is left", func() bool {
		left = leftBehind(t, marker, func(s string) bool { return current[s] || refused[s] }, dirs...)
		return len(left) == 0
	})
	verified(t, c)
	sameFromBefore(t, c, from, during)
}

// followed is a watch that is read while others write, by a client that comes back where
// it was when it is told to.
type followed struct {
	mu     sync.Mutex
	events []apitest.Event
}

func follow(t *testing.T, c *apitest.Client, path string) *followed {
	f := &followed{}
	w := c.MustWatch(t, path)
	go func() {
		for w != nil {
			e, err := w.Next()
			if err == nil && e.Action != "resume" {
				f.add(e)
				continue
			}
			if t.Context().Err() != nil {
				return
			}
			at := w.Last
			w.Close()
			w, _, err = c.Watch(t.Context(), path, apitest.Header("Last-Event-ID", strconv.FormatUint(at, 10)))
			if err != nil {
				return // it ends with the test
			}
		}
	}()
	return f
}

func (f *followed) add(e apitest.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.events = append(f.events, e)
}

func (f *followed) through() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.events) == 0 {
		return 0
	}
	return f.events[len(f.events)-1].Seq
}

// until are the events up to the first at a sequence or after it.
func (f *followed) until(last uint64) []apitest.Event {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, e := range f.events {
		if e.Seq >= last {
			return f.events[:i+1]
		}
	}
	return f.events
}

// sameFromBefore reads a watch that began before anything was pruned to its end, and two
// more from the same point: all are told of the same events, the later two the same, and
// the newest state of each is what can be read.
func sameFromBefore(t *testing.T, c *apitest.Client, from uint64, during *followed) {
	t.Helper()
	last := uint64(0)
	for _, x := range everyItem(t, c, "/v1/pages?page_size=100") {
		last = max(last, uint64(x.(map[string]any)["meta"].(map[string]any)["seq"].(float64)))
	}
	read := func(w *apitest.Watch) (events []apitest.Event) {
		t.Helper()
		for {
			e, err := w.Next()
			if err != nil {
				t.Fatal(err)
			}
			if events = append(events, e); e.Seq >= last {
				return events
			}
		}
	}
	again := func() *apitest.Watch {
		return c.MustWatch(t, "/v1/pages:watch", apitest.Header("Last-Event-ID", strconv.FormatUint(from, 10)))
	}
	apitest.Eventually(t, time.Minute, "the watch from before is told of everything", func() bool { return during.through() >= last })
	live, one, two := during.until(last), read(again()), read(again())
	if len(live) != len(one) || len(one) != len(two) {
		t.Fatalf("the watches are told of %d, %d and %d events", len(live), len(one), len(two))
	}
	newest := map[string]apitest.Event{}
	empty := 0
	for i := range one {
		if live[i].Seq != one[i].Seq || live[i].Action != one[i].Action || one[i].Raw != two[i].Raw {
			t.Fatalf("event %d is told as\n%s\nand as\n%s", i, one[i].Raw, two[i].Raw)
		}
		if one[i].Envelope.Data == nil {
			empty++
		}
		newest[one[i].ID()] = one[i]
	}
	if empty == 0 {
		t.Error("every event is told with its content, also those that were pruned")
	}
	for id, e := range newest {
		want, err := json.Marshal(e.Envelope.Data)
		if err != nil {
			t.Fatal(err)
		}
		c.Get(t, "/v1/pages/"+id).Want(t, 200).Equal(t, "/data", string(want))
	}
}

// ago is the program with a type of which everything was kept until now.
func ago(t *testing.T, s autocrud.Settings, retention string, fn func(c *apitest.Client)) *apitest.Client {
	t.Helper()
	s.Models = apitest.WriteModels(t, with(kept("{revisions: 0}")))
	s.Addr, s.LogLevel = "127.0.0.1:0", "error"
	r, err := autocrud.New().Start(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	fn(apitest.NewClient(t, r.URL))
	if err := r.Stop(); err != nil {
		t.Fatal(err)
	}
	s.Models = apitest.WriteModels(t, with(kept(retention)))
	return apitest.Start(t, nil, s)
}

// TestWhatWasKeptBeforeIsPruned: a type that gets a retention has revisions in its log.
// Those that something needs stay, and the others leave nothing behind.
func TestWhatWasKeptBeforeIsPruned(t *testing.T) {
	t.Parallel()
	s := apitest.S3(t)
	path := "/v1/pages/a"
	digest := ""
	c := ago(t, s, "{revisions: 2}", func(c *apitest.Client) {
		c.Put(t, path, `{"text":"secret-1"}`, apitest.Header("If-None-Match", "*")).Want(t, 201)
		digest = c.Do(t, "POST", "/v1/blobs", []byte("secret-file"), apitest.Header("Content-Type", "application/octet-stream")).Want(t, 201).Text("/digest")
		c.Put(t, path, `{"text":"secret-2","file":{"digest":"`+digest+`"}}`, apitest.Header("Idempotency-Key", "second")).Want(t, 200)
		for n := 3; n <= 6; n++ {
			c.Put(t, path, fmt.Sprintf(`{"text":"secret-%d"}`, n)).Want(t, 200)
		}
		c.Post(t, path+":switch", `{"revision":3}`).Want(t, 200)
		c.Put(t, path+"?status=draft", `{"text":"secret-7"}`).Want(t, 200) // the newest stable one is 3
		c.Put(t, path+"?status=draft", `{"text":"secret-8"}`).Want(t, 200)
		c.Put(t, "/v1/quotes/q", `{"of":"a:4","all":["a:1"]}`, apitest.Header("If-None-Match", "*")).Want(t, 201)
		c.Put(t, "/v1/quotes/gone", `{"of":"a:2"}`, apitest.Header("If-None-Match", "*")).Want(t, 201)
		c.Post(t, "/v1/quotes/gone:purge", nil).Want(t, 204)
	})
	apitest.Eventually(t, time.Minute, "what nothing needs is pruned", func() bool {
		return fmt.Sprint(revisionsOf(t, c, path)) == "[8 7 4 3 1]"
	})
	dirs := []string{s.DataDir, filepath.Join(apitest.S3Dir(t), s.S3Bucket)}
	pruned := regexp.MustCompile(`secret-([256]|file)`)
	apitest.Eventually(t, time.Minute, "nothing of it is left", func() bool {
		return len(leftBehind(t, pruned, func(string) bool { return false }, dirs...)) == 0
	})
	for _, n := range []int{2, 5, 6} {
		c.Get(t, fmt.Sprintf("%s/revisions/%d", path, n)).WantProblem(t, 410, "pruned")
		c.Get(t, fmt.Sprintf("%s?revision=%d", path, n)).WantProblem(t, 410, "pruned")
		c.Get(t, fmt.Sprintf("%s:diff?from=%d&to=8", path, n)).WantProblem(t, 410, "pruned")
		c.Post(t, path+":switch", fmt.Sprintf(`{"revision":%d}`, n)).WantProblem(t, 410, "pruned")
		c.Put(t, "/v1/quotes/late", fmt.Sprintf(`{"of":"a:%d"}`, n), apitest.Header("If-None-Match", "*")).WantProblem(t, 422, "dangling_reference")
	}
	c.Get(t, path+"/revisions/9").WantProblem(t, 404, "unknown_revision")
	c.Put(t, path, `{"text":"secret-2","file":{"digest":"`+digest+`"}}`, apitest.Header("Idempotency-Key", "second")).WantProblem(t, 410, "pruned")
	c.Get(t, path+"/blobs/"+digest).WantProblem(t, 404, "not_found")
	c.Get(t, path+"?status=stable").Want(t, 200).Equal(t, "/data/text", `"secret-3"`)
	for n, text := range map[int]string{1: "secret-1", 3: "secret-3", 4: "secret-4"} {
		c.Get(t, fmt.Sprintf("%s/revisions/%d", path, n)).Want(t, 200).Equal(t, "/data/text", strconv.Quote(text))
	}
	if chain := everyItem(t, c, path+"/revisions?chain_only=true"); len(chain) != 4 { // 8 7 3 1, 2 is not kept
		t.Errorf("the chain has %d revisions: %v", len(chain), chain)
	}
	history := everyItem(t, c, path+"/history?page_size=1000")
	if len(history) != 9 {
		t.Errorf("the history has %d entries, want 9: %v", len(history), history)
	}
	for _, x := range history { // the state that an event left is that of its revision
		item := x.(map[string]any)
		r := c.Get(t, path+"?as_of="+query(item["at"].(string)))
		if gone := regexp.MustCompile(`:[256]$`).MatchString(item["revision"].(string)); gone {
			r.WantProblem(t, 410, "pruned")
		} else {
			r.Want(t, 200)
		}
	}
	verified(t, c)
	c.Post(t, "/v1/pages:reindex", nil).Want(t, 202)
	apitest.Eventually(t, time.Minute, "the new index answers", func() bool { return fmt.Sprint(c.Get(t, "/v1:reindex").Want(t, 200).Value("/building")) == "[]" })
	if again := everyItem(t, c, path+"/history?page_size=1000"); len(again) != len(history) {
		t.Errorf("after an index was made anew the history has %d entries", len(again))
	}
	verified(t, c)

	// A backup holds none of it, and restores the rest with its history.
	file := fetchBackup(t, c)
	to := apitest.S3(t)
	to.Models = apitest.WriteModels(t, with(kept("{revisions: 2}")))
	d := apitest.Start(t, nil, to)
	if status, body := sendBackup(t, d, file); status != 200 {
		t.Fatalf("restore: %d %s", status, body)
	}
	verified(t, d)
	if got := fmt.Sprint(revisionsOf(t, d, path)); got != "[8 7 4 3 1]" {
		t.Errorf("restored, it has the revisions %s", got)
	}
	d.Get(t, path+"/revisions/5").WantProblem(t, 410, "pruned")
	if again := everyItem(t, d, path+"/history?page_size=1000"); len(again) != len(history) {
		t.Errorf("restored, the history has %d entries", len(again))
	}
	d.Put(t, path, `{"text":"secret-9"}`).Want(t, 200)
	apitest.Eventually(t, time.Minute, "it is pruned on", func() bool {
		return fmt.Sprint(revisionsOf(t, d, path)) == "[9 8 4 1]"
	})
	verified(t, d)
}

// TestPruneOnDemand: an administrator prunes a type that keeps everything, as a job.
func TestPruneOnDemand(t *testing.T) {
	each(t, func(t *testing.T, c *apitest.Client) {
		for _, id := range []string{"a", "b"} {
			c.Put(t, "/v1/studios/"+id, `{"name":"0"}`, apitest.Header("If-None-Match", "*")).Want(t, 201)
			for n := range 4 {
				c.Put(t, "/v1/studios/"+id, fmt.Sprintf(`{"name":"%d"}`, n+1)).Want(t, 200)
			}
		}
		c.Put(t, "/v1/studios/c", `{"name":"0"}`, apitest.Header("If-None-Match", "*")).Want(t, 201)
		c.Post(t, "/v1/studios:prune", `{"revisions":0}`).WantProblem(t, 422, "validation_failed")
		c.Post(t, "/v1/studios:prune", `{}`).WantProblem(t, 422, "validation_failed")
		c.Post(t, "/v1/bulk-jobs:prune", `{"revisions":1}`).WantProblem(t, 404, "not_found")
		job := c.Post(t, "/v1/studios:prune", `{"revisions":2}`).Want(t, 202).Text("/meta/id")
		apitest.Eventually(t, time.Minute, "the job is done", func() bool {
			return c.Get(t, "/v1/bulk-jobs/"+job).Want(t, 200).Text("/meta/job/state") == "succeeded"
		})
		c.Get(t, "/v1/bulk-jobs/"+job).Want(t, 200).Equal(t, "/meta/job/result/changed", "2")
		for _, id := range []string{"a", "b"} {
			if got := fmt.Sprint(revisionsOf(t, c, "/v1/studios/"+id)); got != "[5 4]" {
				t.Errorf("%s has the revisions %s", id, got)
			}
			if h := everyItem(t, c, "/v1/studios/"+id+"/history?page_size=100"); len(h) != 5 {
				t.Errorf("the history of %s has %d entries", id, len(h))
			}
		}
		verified(t, c)
	})
}

// TestAnActionNamedPruneWins: a program had its own before there was one.
func TestAnActionNamedPruneWins(t *testing.T) {
	t.Parallel()
	app := autocrud.New()
	autocrud.Action(app, "movies", "prune", func(context.Context, autocrud.ActionCall[touchInput]) (touchOutput, error) {
		return touchOutput{}, nil
	})
	c := start(t, app, autocrud.Settings{Storage: "memory"}, nil)
	c.Post(t, "/v1/movies:prune", map[string]any{"patch": "x"}).Want(t, 200)
	c.Post(t, "/v1/studios:prune", map[string]any{"revisions": 1}).Want(t, 202)
}
