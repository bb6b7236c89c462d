package tests_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
)

// livedIn fills a program with resources of every fate. Their ids begin with
// prefix.
func livedIn(t testing.TB, c *apitest.Client, prefix string, n int) {
	t.Helper()
	digest := c.Post(t, "/v1/blobs", picture, apitest.Header("Content-Type", "image/png")).Want(t, 201).Text("/digest")
	c.Post(t, "/v1/shelves?id="+prefix+"s", `{"name":"s"}`).Want(t, 201)
	big := strings.Repeat("long ", 10_000) // more than travels in an event
	for i := range n {
		id := fmt.Sprintf("%s%d", prefix, i)
		path := "/v1/books/" + id
		c.Post(t, "/v1/books?id="+id, fmt.Sprintf(`{"title":"one","isbn":%q,"shelf":"%ss"}`, id, prefix)).Want(t, 201)
		c.Put(t, path, fmt.Sprintf(`{"title":"two","isbn":%q,"shelf":"%ss"}`, id, prefix)).Want(t, 200)
		switch i % 8 {
		case 0:
			c.Delete(t, path).Want(t, 200)
		case 1:
			c.Post(t, path+":switch", `{"revision":1}`).Want(t, 200)
		case 2:
			c.Put(t, path, fmt.Sprintf(`{"title":"long","text":%q,"isbn":%q}`, big, id)).Want(t, 200)
		case 3:
			c.Put(t, path, fmt.Sprintf(`{"title":"covered","isbn":%q,"cover":{"digest":%q}}`, id, digest)).Want(t, 200)
		case 4:
			c.Post(t, path+":purge", nil).Want(t, 204)
		case 5:
			c.Delete(t, path).Want(t, 200)
			c.Post(t, path+":restore", nil).Want(t, 200)
		case 6:
			c.Put(t, path+"?status=draft", fmt.Sprintf(`{"title":"draft","isbn":%q}`, id)).Want(t, 200)
			c.Put(t, path+"?mode=modify", fmt.Sprintf(`{"title":"better draft","isbn":%q}`, id)).Want(t, 200)
		}
	}
}

// pages reads every item of a list.
func everyItem(t testing.TB, c *apitest.Client, path string) (items []any) {
	t.Helper()
	for token := ""; ; {
		r := c.Get(t, path+token).Want(t, 200)
		items = append(items, r.Items()...)
		if token = r.Text("/next_page_token"); token == "" {
			return items
		}
		token = "&page_token=" + query(token)
	}
}

// biography is all that can be read of a resource but for where it is in the log.
func biography(t testing.TB, c *apitest.Client, typ, id string) map[string]any {
	t.Helper()
	path := "/v1/" + typ + "/" + id
	out := map[string]any{}
	r := c.Get(t, path+"?include_deleted=true")
	out["status"] = r.Status
	if r.Status == http.StatusOK {
		out["etag"] = r.ETag()
		out["data"] = r.Value("/data")
		for _, x := range everyItem(t, c, path+"/revisions?page_size=100") {
			n := int(x.(map[string]any)["revision"].(map[string]any)["number"].(float64))
			out[fmt.Sprint("revision ", n)] = c.Get(t, fmt.Sprintf("%s/revisions/%d", path, n)).Want(t, 200).Value("/data")
		}
	}
	out["history"] = deeds(t, c, typ, id)
	return out
}

// deeds are the events of a resource without their sequences.
func deeds(t testing.TB, c *apitest.Client, typ, id string) (out []any) {
	t.Helper()
	r := c.Get(t, "/v1/"+typ+"/"+id+"/history?page_size=100")
	if r.Status != http.StatusOK {
		return nil
	}
	for _, x := range r.Items() {
		e := x.(map[string]any)
		delete(e, "seq")
		out = append(out, e)
	}
	return out
}

// firstDeeds are the resources of a type in the order in which they were made.
func firstDeeds(t testing.TB, c *apitest.Client, typ string) (ids []string) {
	t.Helper()
	for _, x := range everyItem(t, c, "/v1/"+typ+"?page_size=500&include_deleted=true&returns=meta&order_by=meta.created_at") {
		ids = append(ids, x.(map[string]any)["meta"].(map[string]any)["id"].(string))
	}
	return ids
}

func fetchBackup(t testing.TB, c *apitest.Client) []byte {
	t.Helper()
	resp, err := http.Get(c.URL + "/v1:backup")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%d, %v", resp.StatusCode, err)
	}
	return b
}

func sendBackup(t testing.TB, c *apitest.Client, file []byte) (status int, body string) {
	t.Helper()
	resp, err := http.Post(c.URL+"/v1:restore", "application/octet-stream", bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func TestABackupUnderWritesIsRestoredOnEveryRow(t *testing.T) {
	t.Parallel()
	c := start(t, nil, autocrud.Settings{Storage: "disk", DataDir: t.TempDir()}, constrained)
	livedIn(t, c, "a", 32)
	want := map[string]map[string]any{}
	ids := firstDeeds(t, c, "books")
	for _, id := range append(ids, "a4", "a12") {
		want[id] = biography(t, c, "books", id)
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
					c.Post(t, fmt.Sprintf("/v1/notes?id=w%d-%d", w, i), `{"text":"busy"}`).Want(t, 201)
				}
			}
		})
	}
	apitest.Eventually(t, 10*time.Second, "there are writes", func() bool { return len(c.Get(t, "/v1/notes?page_size=100").Items()) > 20 })
	file := fetchBackup(t, c)
	close(stop)
	wg.Wait()
	notes := firstDeeds(t, c, "notes")
	for _, row := range storages(t) {
		t.Run(row.Name, func(t *testing.T) {
			to := run(t, row, nil, constrained)
			if status, body := sendBackup(t, to, file); status != 200 {
				t.Fatalf("%d %s", status, body)
			}
			for id, b := range want {
				if got := biography(t, to, "books", id); !reflect.DeepEqual(got, b) {
					t.Errorf("%s came back as\n%v\nwas\n%v", id, got, b)
				}
			}
			if got := firstDeeds(t, to, "books"); !reflect.DeepEqual(got, ids) {
				t.Errorf("order %v, was %v", got, ids)
			}
			if got := firstDeeds(t, to, "notes"); len(got) < 20 || !reflect.DeepEqual(got, notes[:len(got)]) {
				t.Errorf("%d of %d notes are there, or in another order", len(got), len(notes))
			}
			to.Post(t, "/v1:verify", nil).Want(t, 200).Equal(t, "/findings", `[]`)
			to.Post(t, "/v1/books?id=new", `{"title":"x","isbn":"a1"}`).WantProblem(t, 409, "unique_conflict")
			to.Post(t, "/v1/books?id=new", `{"title":"x","isbn":"a0"}`).Want(t, 201) // its holder is deleted
			to.Delete(t, "/v1/shelves/as").WantProblem(t, 409, "referenced")
			to.Put(t, "/v1/books/a7", `{"title":"goes on","isbn":"a7"}`).Want(t, 200).Equal(t, "/meta/revision_count", "3")
			if status, body := sendBackup(t, to, file); status != 409 {
				t.Errorf("restored where there is data: %d %s", status, body)
			}
		})
	}
}

func TestADamagedBackupIsRefusedAndNothingIsWritten(t *testing.T) {
	t.Parallel()
	c := start(t, nil, memory(), constrained)
	livedIn(t, c, "a", 8)
	file := fetchBackup(t, c)
	to := start(t, nil, memory(), constrained)
	before := to.LogSeq(t, "books")
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range 200 {
		damaged := bytes.Clone(file)
		at := rnd.IntN(len(file))
		if i%2 == 0 {
			damaged = damaged[:at]
		} else {
			damaged[at] ^= 1 << rnd.IntN(8)
		}
		if status, body := sendBackup(t, to, damaged); status != 422 || !strings.Contains(body, "nothing was written") {
			t.Fatalf("damaged at %d of %d (cut: %t): %d %s", at, len(file), i%2 == 0, status, body)
		}
	}
	if after := to.LogSeq(t, "books"); after != before || len(firstDeeds(t, to, "books")) != 0 {
		t.Errorf("something was written: %d, then %d", before, after)
	}
	if status, body := sendBackup(t, to, file); status != 200 {
		t.Errorf("%d %s", status, body)
	}
}

func TestBackupAndRestoreOfAStoppedProgram(t *testing.T) {
	t.Parallel()
	dir, file := t.TempDir(), filepath.Join(t.TempDir(), "all.backup")
	modelsDir := apitest.WriteModels(t, with(constrained))
	r, err := autocrud.New().Start(context.Background(), autocrud.Settings{Addr: "127.0.0.1:0", DataDir: dir, Models: modelsDir, LogLevel: "error"})
	if err != nil {
		t.Fatal(err)
	}
	c := apitest.NewClient(t, r.URL)
	livedIn(t, c, "a", 8)
	if got := apitest.Run(t, "", "backup", file, "--url", r.URL); got.Code != 0 {
		t.Fatalf("%+v", got)
	}
	want := biography(t, c, "books", "a3")
	if err := r.Stop(); err != nil {
		t.Fatal(err)
	}
	if got := apitest.Run(t, "", "backup", file+"2", "--data-dir", dir, "--models", modelsDir); got.Code != 0 {
		t.Fatalf("%+v", got)
	}
	other := t.TempDir()
	cut, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file+"3", cut[:len(cut)-1], 0o600); err != nil {
		t.Fatal(err)
	}
	if got := apitest.Run(t, "", "restore", file+"3", "--data-dir", other, "--models", modelsDir); got.Code != 1 || !strings.Contains(got.Stderr, "nothing was written") {
		t.Fatalf("%+v", got)
	}
	if got := apitest.Run(t, "", "restore", file+"2", "--data-dir", other, "--models", modelsDir); got.Code != 0 {
		t.Fatalf("%+v", got)
	}
	if got := apitest.Run(t, "", "verify", "--data-dir", other, "--models", modelsDir); got.Code != 0 {
		t.Fatalf("%+v", got)
	}
	p := apitest.Launch(t, "--data-dir", other, "--models", modelsDir, "--log-level", "error")
	if got := biography(t, apitest.NewClient(t, p.URL), "books", "a3"); !reflect.DeepEqual(got, want) {
		t.Errorf("came back as\n%v\nwas\n%v", got, want)
	}
}
