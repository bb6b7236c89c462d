package tests_test

import (
	"bytes"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/internal/apitest"
)

var albums = map[string]string{"albums": `name: albums
schema: {type: object, required: [title], properties: {title: {type: string}, file: {x-binary: {}}}}
index: [title]
`}

// binaryFiles are where a row keeps its binaries.
func binaryFiles(t testing.TB, root string) (out []string) {
	t.Helper()
	must(t, filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.Contains(name, string(filepath.Separator)+"binaries"+string(filepath.Separator)) {
			out = append(out, name)
		}
		return err
	}))
	return out
}

// A binary of which a byte is another, or that is gone, is never answered as whole:
// the answer says so or breaks off, verify finds it, and no backup is made without it.
func TestARottenBinaryIsNeverTakenForAWholeOne(t *testing.T) {
	t.Parallel()
	for _, row := range storages(t) {
		if row.Name != "disk" && row.Name != "s3" && row.Name != "postgres" {
			continue // memory has no files, and split is the stores of postgres
		}
		t.Run(row.Name, func(t *testing.T) {
			t.Parallel()
			s := row.Settings(t)
			s.Models = apitest.WriteModels(t, albums)
			c := apitest.Start(t, nil, s)
			root := filepath.Join(s.DataDir, "blobs")
			if row.Name != "disk" {
				root = filepath.Join(apitest.S3Dir(t), s.S3Bucket)
			}
			for _, one := range []struct {
				id     string
				size   int
				damage func(name string) error
				status int // of an answer that has one
			}{
				{"SmallAndFlipped", 5000, func(n string) error { return flipByte(n) }, 503},
				{"SmallAndCut", 5001, func(n string) error { return os.Truncate(n, 2000) }, 503},
				{"Gone", 5002, os.Remove, 503},
				{"LargeAndFlipped", 3 << 20, func(n string) error { return flipByte(n) }, 200},
			} {
				content := bytes.Repeat([]byte(one.id), one.size/len(one.id))
				before := binaryFiles(t, root)
				digest := c.Do(t, "POST", "/v1/blobs", string(content), apitest.Header("Content-Type", "application/octet-stream")).Want(t, 201).Text("/digest")
				c.Post(t, "/v1/albums?id="+one.id, map[string]any{"title": one.id, "file": map[string]any{"digest": digest}}).Want(t, 201)
				var name string
				for _, n := range binaryFiles(t, root) {
					if strings.Contains(n, strings.TrimPrefix(digest, "sha256:")) {
						name = n
					}
				}
				if name == "" || len(before) == len(binaryFiles(t, root)) {
					t.Fatalf("%s: its file is not found", one.id)
				}
				path := "/v1/albums/" + one.id + "/blobs/" + digest
				if status, got, err := fetch(t, c.URL+path, ""); status != 200 || err != nil || !bytes.Equal(got, content) {
					t.Fatalf("%s, whole: %d, %d bytes, %v", one.id, status, len(got), err)
				}
				must(t, one.damage(name))
				if status, got, err := fetch(t, c.URL+path, ""); status != one.status || status == 200 && err == nil {
					t.Errorf("%s: %d, %d bytes, %v", one.id, status, len(got), err)
				}
				if one.status == 503 {
					if status, _, _ := fetch(t, c.URL+path, "bytes=10-20"); status != 503 {
						t.Errorf("%s: a part is %d", one.id, status)
					}
				}
				r := c.Post(t, "/v1:verify", nil).Want(t, 200)
				if n := len(r.Value("/findings").([]any)); n != 1 || !strings.Contains(string(r.Body), digest) {
					t.Errorf("%s: verify found %d: %s", one.id, n, r.Body)
				}
				to := filepath.Join(t.TempDir(), "x.backup")
				if got := apitest.Run(t, "", "backup", to, "--url", c.URL); got.Code != 1 || !strings.Contains(got.Stderr, digest) && one.size < 1<<20 || one.size < 1<<20 && !strings.Contains(got.Stderr, "albums/"+one.id) {
					t.Errorf("%s: backup: %+v", one.id, got)
				}
				if _, err := os.Stat(to); !os.IsNotExist(err) {
					t.Errorf("%s: there is a backup", one.id)
				}
				must(t, os.WriteFile(name, content, 0o600))
			}
			c.Post(t, "/v1:verify", nil).Want(t, 200).Equal(t, "/findings", "[]")
			if got := apitest.Run(t, "", "backup", filepath.Join(t.TempDir(), "x.backup"), "--url", c.URL); got.Code != 0 {
				t.Errorf("mended: %+v", got)
			}
		})
	}
}

func flipByte(name string) error {
	b, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	b[len(b)/2] ^= 1
	return os.WriteFile(name, b, 0o600)
}

// fetch reads a binary; err tells that the answer broke off.
func fetch(t testing.TB, url, part string) (status int, body []byte, err error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	must(t, err)
	if part != "" {
		req.Header.Set("Range", part)
	}
	resp, err := http.DefaultClient.Do(req)
	must(t, err)
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	return resp.StatusCode, body, err
}

// What data without a model refers to is removed by no sweep and by no purge of
// another resource, also when the index was built without that model.
func TestWhatATypeWithoutAModelRefersToStays(t *testing.T) {
	t.Parallel()
	full, without := apitest.WriteModels(t, with(albums)), apitest.WriteModels(t, with(map[string]string{
		"others": strings.Replace(albums["albums"], "albums", "others", 1)}))
	both := apitest.WriteModels(t, with(map[string]string{"albums": albums["albums"],
		"others": strings.Replace(albums["albums"], "albums", "others", 1)}))
	dir := t.TempDir()
	p := apitest.Launch(t, "--models", both, "--data-dir", dir)
	c := apitest.NewClient(t, p.URL)
	digest := c.Post(t, "/v1/blobs", picture, apitest.Header("Content-Type", "image/png")).Want(t, 201).Text("/digest")
	doc := map[string]any{"title": "x", "file": map[string]any{"digest": digest}}
	for _, typ := range []string{"albums", "others"} {
		c.Post(t, "/v1/"+typ+"?id=a", doc).Want(t, 201)
	}
	alone := c.Post(t, "/v1/blobs", string(picture)+"alone", apitest.Header("Content-Type", "image/png")).Want(t, 201).Text("/digest")
	c.Post(t, "/v1/albums?id=b", map[string]any{"title": "x", "file": map[string]any{"digest": alone}}).Want(t, 201)
	orphan := c.Post(t, "/v1/blobs", string(picture)+"orphan", apitest.Header("Content-Type", "image/png")).Want(t, 201).Text("/digest")
	stopped(t, p)
	has := func(digest string) bool {
		h := strings.TrimPrefix(digest, "sha256:")
		_, err := os.Stat(filepath.Join(dir, "blobs", "binaries", h[:2], h))
		return err == nil
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		_ = os.Remove(filepath.Join(dir, "index.sqlite"+suffix)) // it may not be there
	}
	aged(t, dir)
	if p, got := apitest.TryLaunch(t, "--models", without, "--data-dir", dir); p != nil || got.Code != 2 || !strings.Contains(got.Stderr, "albums") {
		t.Errorf("a type without a model, with an index that knows nothing of it: %+v", got)
	}
	p = apitest.Launch(t, "--models", without, "--data-dir", dir, "--allow-missing-types")
	c = apitest.NewClient(t, p.URL)
	apitest.Eventually(t, 10*time.Second, "the index is there", func() bool { return c.Get(t, "/readyz").Status == 200 })
	c.Post(t, "/v1/others/a:purge", nil).Want(t, 204)
	if !has(digest) {
		t.Error("a purge removed what another type refers to")
	}
	aged(t, dir)
	c.Post(t, "/v1:gc", nil).Want(t, 200).Equal(t, "/binaries", "1")
	stopped(t, p)
	aged(t, dir)
	if got := apitest.Run(t, "", "gc", "--data-dir", dir, "--models", without); got.Code != 0 {
		t.Errorf("%+v", got)
	}
	if !has(digest) || !has(alone) || has(orphan) {
		t.Errorf("left are: shared %t, alone %t, orphan %t", has(digest), has(alone), has(orphan))
	}
	p = apitest.Launch(t, "--models", full, "--data-dir", dir, "--allow-missing-types")
	c = apitest.NewClient(t, p.URL)
	for _, one := range []string{"a/blobs/" + digest, "b/blobs/" + alone} {
		c.Get(t, "/v1/albums/"+one).Want(t, 200)
	}
	c.Post(t, "/v1:verify", nil).Want(t, 200).Equal(t, "/findings", "[]")
}
