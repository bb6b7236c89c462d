package tests_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/internal/apitest"
)

// more models, with every kind of constraint.
var constrained = map[string]string{
	"shelves": `name: shelves
schema: {type: object, required: [name], properties: {name: {type: string}}}
index: [name]
`,
	"books": `name: books
schema:
  type: object
  required: [title]
  properties:
    title: {type: string}
    text:  {type: string}
    isbn:  {type: [string, "null"]}
    shelf: {type: [string, "null"]}
    cover: {x-binary: {maxBytes: 4096, contentTypes: ["image/*"]}}
index: [title]
unique: [isbn]
refs: {shelf: {type: shelves, onDelete: restrict}}
`,
	"pages": `name: pages
schema: {type: object, required: [book], properties: {book: {type: string}, n: {type: integer}}}
index: [n]
refs: {book: {type: books, onDelete: cascade}}
`,
}

func library(t *testing.T, fn func(t *testing.T, c *apitest.Client)) {
	for _, s := range storages(t) {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			fn(t, run(t, s, nil, constrained))
		})
	}
}

func TestDiffTurnsOneRevisionIntoAnother(t *testing.T) {
	library(t, func(t *testing.T, c *apitest.Client) {
		for i, doc := range []string{`{"title":"one","isbn":"1"}`, `{"title":"two"}`, `{"title":"three","isbn":"3"}`} {
			if i == 0 {
				c.Post(t, "/v1/books?id=b", doc).Want(t, 201)
			} else {
				c.Put(t, "/v1/books/b", doc).Want(t, 200)
			}
		}
		c.Post(t, "/v1/books/b:switch", `{"revision":1}`).Want(t, 200)
		c.Put(t, "/v1/books/b", `{"title":"four"}`).Want(t, 200).Equal(t, "/revision/parent", `"b:1"`)
		ops := c.Get(t, "/v1/books/b:diff?from=3&to=4").Want(t, 200).Value("/operations")
		c.Post(t, "/v1/books/b:switch", `{"revision":3}`).Want(t, 200)
		c.Patch(t, "/v1/books/b", apitest.JSONPatch, ops).Want(t, 200).Equal(t, "/data", `{"title":"four"}`)
		c.Get(t, "/v1/books/b:diff?from=1&to=1").Want(t, 200).Equal(t, "/operations", `[]`)
		c.Get(t, "/v1/books/b:diff?from=1&to=9").WantProblem(t, 404, "unknown_revision")
		c.Get(t, "/v1/books/b:diff?from=1").WantProblem(t, 400, "invalid_request")
	})
}

func TestAsOfGivesWhatGetGaveThen(t *testing.T) {
	library(t, func(t *testing.T, c *apitest.Client) {
		type seen struct{ at, body string }
		var all []seen
		note := func() {
			r := c.Get(t, "/v1/books/b?returns=data,revision")
			if r.Status == 200 {
				m := c.Get(t, "/v1/books/b?returns=meta").Want(t, 200)
				all = append(all, seen{m.Text("/meta/updated_at"), string(r.Body)})
			}
		}
		c.Post(t, "/v1/books?id=b&status=draft", `{"title":"one"}`).Want(t, 201)
		note()
		c.Put(t, "/v1/books/b?mode=modify", `{"title":"one and a half"}`).Want(t, 200)
		note()
		c.Put(t, "/v1/books/b", `{"title":"two"}`).Want(t, 200)
		note()
		c.Post(t, "/v1/books/b:switch", `{"revision":1}`).Want(t, 200)
		note()
		c.Delete(t, "/v1/books/b").Want(t, 200)
		gone := c.Get(t, "/v1/books/b?returns=meta&include_deleted=true").Want(t, 200).Text("/meta/updated_at")
		c.Post(t, "/v1/books/b:restore", nil).Want(t, 200)
		note()
		for _, s := range all {
			if r := c.Get(t, "/v1/books/b?returns=data,revision&as_of="+query(s.at)).Want(t, 200); string(r.Body) != s.body {
				t.Errorf("as of %s: %s, then it was %s", s.at, r.Body, s.body)
			}
		}
		c.Get(t, "/v1/books/b?as_of="+query(gone)).WantProblem(t, 410, "deleted")
		c.Get(t, "/v1/books/b?as_of=2001-01-01T00:00:00Z").WantProblem(t, 404, "not_found")
	})
}

func TestUniqueConflictNamesFieldAndHolder(t *testing.T) {
	library(t, func(t *testing.T, c *apitest.Client) {
		c.Post(t, "/v1/books?id=a", `{"title":"a","isbn":"1"}`).Want(t, 201)
		p := c.Post(t, "/v1/books", `{"title":"b","isbn":"1"}`)
		p.WantProblem(t, 409, "unique_conflict")
		p.Equal(t, "/field", `"isbn"`).Equal(t, "/conflicting_id", `"a"`)
		var made atomic.Int32
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				switch r := c.Post(t, "/v1/books", `{"title":"race","isbn":"raced"}`); r.Status {
				case 201:
					made.Add(1)
				case 409:
				default:
					t.Errorf("%d %s", r.Status, r.Body)
				}
			})
		}
		wg.Wait()
		if made.Load() != 1 {
			t.Errorf("%d were made", made.Load())
		}
		c.Post(t, "/v1:verify", nil).Want(t, 200).Equal(t, "/findings", `[]`)
	})
}

func TestReferencesAreExpandedAndListedBackwards(t *testing.T) {
	library(t, func(t *testing.T, c *apitest.Client) {
		c.Post(t, "/v1/shelves?id=s", `{"name":"top"}`).Want(t, 201)
		for i := range 5 {
			c.Post(t, fmt.Sprint("/v1/books?id=b", i), `{"title":"t","shelf":"s"}`).Want(t, 201)
		}
		c.Post(t, "/v1/books", `{"title":"t","shelf":"none"}`).WantProblem(t, 422, "dangling_reference")
		c.Delete(t, "/v1/shelves/s").WantProblem(t, 409, "referenced")
		r := c.Get(t, "/v1/books/b1?expand=shelf").Want(t, 200).Equal(t, "/expanded/shelf/data/name", `"top"`)
		if r.ETag() != "" {
			t.Error("an expanded answer has an ETag")
		}
		l := c.Get(t, "/v1/books?expand=shelf&returns=data").Want(t, 200)
		if len(l.Items()) != 5 || l.Text("/items/4/expanded/shelf/meta/id") != "s" {
			t.Errorf("%s", l.Body)
		}
		c.Get(t, "/v1/books/b1?expand=title").WantProblem(t, 400, "invalid_request")
		page := c.Get(t, "/v1/shelves/s/referrers?page_size=3").Want(t, 200)
		rest := c.Get(t, "/v1/shelves/s/referrers?page_size=3&page_token="+query(page.Text("/next_page_token"))).Want(t, 200)
		if len(page.Items()) != 3 || len(rest.Items()) != 2 || rest.Text("/next_page_token") != "" {
			t.Errorf("%s then %s", page.Body, rest.Body)
		}
	})
}

func TestBatchIsAllOrNothingOrOneByOne(t *testing.T) {
	library(t, func(t *testing.T, c *apitest.Client) {
		before := c.LogSeq(t, "books")
		bad := `{"operations":[{"op":"create","type":"shelves","id":"s","data":{"name":"x"}},
			{"op":"create","type":"books","id":"b","data":{"title":"t","shelf":"s"}},{"op":"create","type":"books","data":{"no":1}}]%s}`
		r := c.Post(t, "/v1:batch", fmt.Sprintf(bad, ""))
		r.WantProblem(t, 422, "validation_failed")
		r.Equal(t, "/results/0/status", "409").Equal(t, "/results/2/status", "422")
		if after := c.LogSeq(t, "books"); after != before {
			t.Errorf("something was written: %d, then %d", before, after)
		}
		c.Post(t, "/v1:batch", fmt.Sprintf(bad, `,"atomic":false`)).Want(t, 200).
			Equal(t, "/results/0/status", "201").Equal(t, "/results/1/status", "201").Equal(t, "/results/2/status", "422")
		tag := c.Get(t, "/v1/books/b").Want(t, 200).ETag()
		move := fmt.Sprintf(`{"operations":[{"op":"patch","type":"books","id":"b","patch":{"title":"moved"},"if_match":%q}]}`, tag)
		c.Post(t, "/v1:batch", move).Want(t, 200)
		c.Post(t, "/v1:batch", move).WantProblem(t, 412, "precondition_failed")
		for _, body := range []string{`{"operations":[]}`, `{"operations":[{"op":"fly","type":"books"}]}`,
			`{"operations":[{"op":"delete","type":"books","id":"b"},{"op":"restore","type":"books","id":"b"}]}`,
			`{"operations":[{"op":"delete","type":"books","id":"b","data":{}}]}`} {
			c.Post(t, "/v1:batch", body).WantProblem(t, 400, "invalid_request")
		}
	})
}

func TestAnAtomicBatchOfAHundredWithOneFailingWritesNothing(t *testing.T) {
	library(t, func(t *testing.T, c *apitest.Client) {
		c.Post(t, "/v1/books?id=kept", `{"title":"t"}`).Want(t, 201)
		before := c.LogSeq(t, "books")
		body := func(last string) string {
			var ops []string
			for i := range 33 {
				ops = append(ops, fmt.Sprintf(`{"op":"create","type":"shelves","id":"s%d","data":{"name":"n"}}`, i),
					fmt.Sprintf(`{"op":"create","type":"books","id":"b%d","data":{"title":"t","isbn":"i%d","shelf":"s%d"}}`, i, i, i),
					fmt.Sprintf(`{"op":"create","type":"pages","id":"p%d","data":{"book":"b%d","n":%d}}`, i, i, i))
			}
			return `{"operations":[` + strings.Join(append(ops, last), ",") + `]}`
		}
		r := c.Post(t, "/v1:batch", body(`{"op":"switch","type":"books","id":"kept","revision":7}`))
		r.WantProblem(t, 404, "unknown_revision")
		for i := range 100 {
			want := "409"
			if i == 99 {
				want = "404"
			}
			r.Equal(t, fmt.Sprintf("/results/%d/status", i), want)
		}
		if after := c.LogSeq(t, "books"); after != before || len(c.Get(t, "/v1/shelves").Items()) != 0 {
			t.Errorf("something was written: %d, then %d", before, after)
		}
		r = c.Post(t, "/v1:batch", body(`{"op":"patch","type":"books","id":"kept","patch":{"title":"u"}}`)).Want(t, 200)
		r.Equal(t, "/results/98/status", "201").Equal(t, "/results/99/status", "200")
		c.Post(t, "/v1:verify", nil).Want(t, 200).Equal(t, "/findings", `[]`)
	})
}

func TestTheSameKeyHasOneEffectAndEqualAnswers(t *testing.T) {
	library(t, func(t *testing.T, c *apitest.Client) {
		key := apitest.Header("Idempotency-Key", "k-1")
		bodies := make([]string, 20)
		var wg sync.WaitGroup
		for i := range bodies {
			wg.Go(func() {
				r := c.Post(t, "/v1/books", `{"title":"once"}`, key)
				bodies[i] = fmt.Sprint(r.Status, string(r.Body), r.ETag(), r.Header.Get("Location"))
			})
		}
		wg.Wait()
		for _, b := range bodies {
			if b != bodies[0] {
				t.Fatalf("%s\n%s", b, bodies[0])
			}
		}
		if n := c.Get(t, "/v1/books?total=true").Want(t, 200).Int("/total"); n != 1 {
			t.Errorf("%d were made", n)
		}
		c.Post(t, "/v1/books", `{"title":"other"}`, key).WantProblem(t, 422, "idempotency_mismatch")
		c.Post(t, "/v1/books", `{"title":"x"}`, apitest.Header("Idempotency-Key", "with space")).WantProblem(t, 400, "invalid_request")

		// After a refusal the key may be tried again.
		again := apitest.Header("Idempotency-Key", "k-2")
		c.Post(t, "/v1/books", `{"title":"t","shelf":"later"}`, again).WantProblem(t, 422, "dangling_reference")
		c.Post(t, "/v1/shelves?id=later", `{"name":"x"}`).Want(t, 201)
		c.Post(t, "/v1/books", `{"title":"t","shelf":"later"}`, again).Want(t, 201)

		batch := `{"operations":[{"op":"create","type":"books","data":{"title":"b1"}},{"op":"create","type":"books","data":{"title":"b2"}}]}`
		first := c.Post(t, "/v1:batch", batch, apitest.Header("Idempotency-Key", "k-3")).Want(t, 200)
		second := c.Post(t, "/v1:batch", batch, apitest.Header("Idempotency-Key", "k-3")).Want(t, 200)
		if !bytes.Equal(first.Body, second.Body) {
			t.Errorf("%s\n%s", first.Body, second.Body)
		}
	})
}

var picture = append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00"), bytes.Repeat([]byte{9}, 500)...)

func TestBinariesAreUploadedReferredToAndDownloaded(t *testing.T) {
	library(t, func(t *testing.T, c *apitest.Client) {
		up := c.Post(t, "/v1/blobs", picture, apitest.Header("Content-Type", "image/png")).Want(t, 201)
		digest := up.Text("/digest")
		if c.Post(t, "/v1/blobs", picture, apitest.Header("Content-Type", "image/png")).Want(t, 201).Text("/digest") != digest {
			t.Error("the same content has two digests")
		}
		c.Post(t, "/v1/books?id=b", fmt.Sprintf(`{"title":"t","cover":{"digest":%q}}`, digest)).Want(t, 201).
			Equal(t, "/data/cover/content_type", `"image/png"`)
		c.Post(t, "/v1/books?id=inline", fmt.Sprintf(`{"title":"t","cover":{"base64":%q}}`, base64.StdEncoding.EncodeToString(picture))).Want(t, 201).
			Equal(t, "/data/cover/digest", fmt.Sprintf("%q", digest))
		c.Post(t, "/v1/books?id=none", `{"title":"t"}`).Want(t, 201)
		r := c.Get(t, "/v1/books/b/blobs/"+digest).Want(t, 200)
		if !bytes.Equal(r.Body, picture) || r.Header.Get("Content-Type") != "image/png" {
			t.Errorf("%d bytes of %s", len(r.Body), r.Header.Get("Content-Type"))
		}
		if r = c.Get(t, "/v1/books/b/blobs/"+digest, apitest.Header("Range", "bytes=1-3")).Want(t, 206); string(r.Body) != "PNG" {
			t.Errorf("%q", r.Body)
		}
		c.Get(t, "/v1/books/b/blobs/"+digest, apitest.Header("If-None-Match", r.ETag())).Want(t, 304)
		c.Get(t, "/v1/books/none/blobs/"+digest).WantProblem(t, 404, "not_found")
		c.Post(t, "/v1/books", fmt.Sprintf(`{"title":"t","cover":{"base64":%q}}`, base64.StdEncoding.EncodeToString([]byte("plain text")))).
			WantProblem(t, 422, "validation_failed")
	})
}

func TestPurgedResourceIsGoneAndItsIDBeginsANewLife(t *testing.T) {
	library(t, func(t *testing.T, c *apitest.Client) {
		c.Post(t, "/v1/books?id=b", `{"title":"one","isbn":"1"}`).Want(t, 201)
		c.Post(t, "/v1/books?id=other", `{"title":"neighbour"}`).Want(t, 201)
		c.Post(t, "/v1/books/b:purge", nil).Want(t, 204)
		for _, path := range []string{"/v1/books/b", "/v1/books/b?include_deleted=true", "/v1/books/b/revisions", "/v1/books/b/history"} {
			c.Get(t, path).WantProblem(t, 404, "not_found")
		}
		c.Post(t, "/v1/books/b:purge", nil).WantProblem(t, 404, "not_found")
		c.Get(t, "/v1/books/other").Want(t, 200)
		c.Post(t, "/v1/books?id=b", `{"title":"again","isbn":"1"}`).Want(t, 201).Equal(t, "/meta/revision_count", "1")
		c.Post(t, "/v1:verify", nil).Want(t, 200).Equal(t, "/findings", `[]`)
	})
}

func TestPurgeOfALongHistoryIsAJob(t *testing.T) {
	library(t, func(t *testing.T, c *apitest.Client) {
		c.Post(t, "/v1/books?id=b", `{"title":"0"}`).Want(t, 201)
		for i := range 105 {
			c.Put(t, "/v1/books/b", fmt.Sprintf(`{"title":"%d"}`, i+1)).Want(t, 200)
		}
		r := c.Post(t, "/v1/books/b:purge", nil).Want(t, 202).Equal(t, "/data/op", `"purge"`)
		c.Get(t, "/v1/books/b").WantProblem(t, 404, "not_found")
		job := r.Header.Get("Location")
		apitest.Eventually(t, 30*time.Second, "the job", func() bool {
			return c.Get(t, job).Want(t, 200).Text("/meta/job/state") == "succeeded"
		})
		c.Post(t, "/v1:verify", nil).Want(t, 200).Equal(t, "/findings", `[]`)
	})
}

// A cascade over many children goes on after the process was killed in it.
func TestCascadeFinishesAfterAKill(t *testing.T) {
	t.Parallel()
	children := 2000
	if testing.Short() {
		children = 300
	}
	args := []string{"--models", apitest.WriteModels(t, with(constrained)), "--data-dir", t.TempDir(), "--log-level", "error"}
	p := apitest.Launch(t, args...)
	c := apitest.NewClient(t, p.URL)
	c.Post(t, "/v1/books?id=parent", `{"title":"t"}`).Want(t, 201)
	var wg sync.WaitGroup
	for w := range 20 {
		wg.Go(func() {
			for i := w; i < children; i += 20 {
				c.Post(t, fmt.Sprint("/v1/pages?returns=meta&id=p", i), fmt.Sprintf(`{"book":"parent","n":%d}`, i)).Want(t, 201)
			}
		})
	}
	wg.Wait()
	c.Delete(t, "/v1/books/parent").Want(t, 200)
	left := func(c *apitest.Client) int {
		return c.Get(t, "/v1/pages?page_size=1&total=true").Want(t, 200).Int("/total")
	}
	apitest.Eventually(t, 30*time.Second, "the cascade to begin", func() bool { return left(c) < children })
	p.Kill()
	p = apitest.Launch(t, args...)
	c = apitest.NewClient(t, p.URL)
	t.Logf("%d of %d were left at the kill", left(c), children)
	apitest.Eventually(t, time.Minute, "the cascade to finish", func() bool { return left(c) == 0 })
	for i := range children {
		h := c.Get(t, fmt.Sprint("/v1/pages/p", i, "/history")).Want(t, http.StatusOK)
		if n := len(h.Items()); n != 2 || h.Text("/items/1/action") != "deleted" || h.Text("/items/1/cause") == "" {
			t.Fatalf("p%d: %s", i, h.Body)
		}
	}
	c.Post(t, "/v1:verify", nil).Want(t, 200).Equal(t, "/findings", `[]`)
	p.Kill()
}
