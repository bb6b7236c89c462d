package tests_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
)

// flags are settings of the S3 row as arguments of a command.
func flags(s autocrud.Settings) []string {
	return []string{"--storage", s.Storage, "--data-dir", s.DataDir, "--models", s.Models, "--s3-endpoint", s.S3Endpoint, "--s3-bucket", s.S3Bucket,
		"--s3-access-key", s.S3AccessKey, "--s3-secret-key", s.S3SecretKey, "--s3-use-tls=false"}
}

// archivedUpTo waits until the archive holds a sequence. Its objects are named by
// the sequences that they hold.
func archivedUpTo(t testing.TB, dir string, seq uint64) {
	t.Helper()
	apitest.Eventually(t, 10*time.Second, "the archive holds everything", func() bool {
		names, err := filepath.Glob(filepath.Join(dir, "main", "log", "*", "*-*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range names {
			_, last, _ := strings.Cut(filepath.Base(n), "-")
			if got, _ := strconv.ParseUint(last, 10, 64); got >= seq {
				return true
			}
		}
		return false
	})
}

// AUTOCRUD_TEST_ARCHIVE=10000 is the full size, of which some resources are compared.
func TestALostLogIsRebuiltFromItsArchive(t *testing.T) {
	t.Parallel()
	n := 24
	if text := os.Getenv("AUTOCRUD_TEST_ARCHIVE"); text != "" {
		n, _ = strconv.Atoi(text)
	}
	s := apitest.S3(t)
	s.Models, s.Addr, s.LogLevel = apitest.WriteModels(t, with(constrained)), "127.0.0.1:0", "error"
	r, err := autocrud.New().Start(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	c := apitest.NewClient(t, r.URL)
	livedIn(t, c, "a", n)
	c.Post(t, "/v1/notes?id=last", `{"text":"the last one"}`).Want(t, 201)
	last, err := strconv.ParseUint(c.Post(t, "/v1/notes?id=mark", `{"text":"x"}`).Want(t, 201).Header.Get("Autocrud-Seq"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	want, ids := map[string]map[string]any{}, firstDeeds(t, c, "books")
	for i, id := range append(ids, "a4") {
		if n > 1000 && i%50 != 0 {
			continue
		}
		want[id] = biography(t, c, "books", id)
	}
	archivedUpTo(t, filepath.Join(apitest.S3Dir(t), s.S3Bucket), last)
	if err := r.Stop(); err != nil {
		t.Fatal(err)
	}

	if got := apitest.Run(t, "", append([]string{"rebuild-log"}, flags(s)...)...); got.Code != 2 || !strings.Contains(got.Stderr, "a log with data") {
		t.Fatalf("a log that is there: %+v", got)
	}
	if err := os.RemoveAll(filepath.Join(s.DataDir, "nats")); err != nil {
		t.Fatal(err)
	}
	if r, err := autocrud.New().Start(context.Background(), s); err == nil || !strings.Contains(err.Error(), "rebuild-log") {
		if err == nil {
			_ = r.Stop()
		}
		t.Fatalf("it starts with an empty log: %v", err)
	}
	begun := time.Now()
	got := apitest.Run(t, "", append([]string{"rebuild-log"}, flags(s)...)...)
	if got.Code != 0 || !strings.Contains(got.Stdout, " 0 lost, ") {
		t.Fatalf("%+v", got)
	}
	t.Logf("%s after %s", strings.TrimSpace(got.Stdout), time.Since(begun))
	for range 2 { // the second time with what the first one archived
		if r, err = autocrud.New().Start(context.Background(), s); err != nil {
			t.Fatal(err)
		}
		c = apitest.NewClient(t, r.URL)
		apitest.Eventually(t, 5*time.Minute, "the index is built from the log", func() bool { return c.Get(t, "/readyz").Status == 200 })
		for id, b := range want {
			if got := biography(t, c, "books", id); !reflect.DeepEqual(got, b) {
				t.Errorf("%s came back as\n%v\nwas\n%v", id, got, b)
			}
		}
		if got := firstDeeds(t, c, "books"); !reflect.DeepEqual(got, ids) {
			t.Errorf("order %v, was %v", got, ids)
		}
		c.Post(t, "/v1:verify", nil).Want(t, 200).Equal(t, "/findings", `[]`)
		c.Post(t, "/v1/books?id=new", `{"title":"x","isbn":"a1"}`).WantProblem(t, 409, "unique_conflict")
		seq := c.Put(t, "/v1/notes/mark", fmt.Sprintf(`{"text":%q}`, time.Now())).Want(t, 200).Header.Get("Autocrud-Seq")
		now, err := strconv.ParseUint(seq, 10, 64)
		if err != nil || now <= last {
			t.Errorf("sequence %s after %d", seq, last)
		}
		archivedUpTo(t, filepath.Join(apitest.S3Dir(t), s.S3Bucket), now)
		apitest.Eventually(t, 10*time.Second, "the archive of the lost log is removed", func() bool {
			logs, err := filepath.Glob(filepath.Join(apitest.S3Dir(t), s.S3Bucket, "main", "log", "*"))
			return err == nil && len(logs) == 1
		})
		if err := r.Stop(); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(filepath.Join(s.DataDir, "nats")); err != nil {
			t.Fatal(err)
		}
		if got := apitest.Run(t, "", append([]string{"rebuild-log"}, flags(s)...)...); got.Code != 0 || !strings.Contains(got.Stdout, " 0 lost, ") {
			t.Fatalf("%+v", got)
		}
	}
}

// What was purged is in no object of the archive either.
func TestAPurgeErasesFromTheArchive(t *testing.T) {
	t.Parallel()
	s := apitest.S3(t)
	s.Models = apitest.WriteModels(t, with(constrained))
	c := apitest.Start(t, nil, s)
	c.Post(t, "/v1/books?id=secret&message=whisper", `{"title":"t","isbn":"1"}`).Want(t, 201)
	seq, err := strconv.ParseUint(c.Post(t, "/v1/books?id=other", `{"title":"t"}`).Want(t, 201).Header.Get("Autocrud-Seq"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	archivedUpTo(t, filepath.Join(apitest.S3Dir(t), s.S3Bucket), seq)
	c.Post(t, "/v1/books/secret:purge", nil).Want(t, 204)
	if got := archived(t, s); strings.Contains(got, "whisper") {
		t.Error("the archive still tells what was purged")
	}
	archivedUpTo(t, filepath.Join(apitest.S3Dir(t), s.S3Bucket), seq+1)
	if got := archived(t, s); strings.Contains(got, "whisper") || !strings.Contains(got, "rev.books.other") {
		t.Error("the archive tells again what was purged")
	}
}

// archived is all that the archive of a program says, uncompressed.
func archived(t testing.TB, s autocrud.Settings) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(apitest.S3Dir(t), s.S3Bucket, "main", "log", "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	z, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	var all strings.Builder
	for _, n := range names {
		b, err := os.ReadFile(n)
		if os.IsNotExist(err) {
			continue // joined with the next one
		}
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(b), "\n")
		raw, err := z.DecodeAll([]byte(rest[:len(rest)-32]), nil)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(raw)
	}
	return all.String()
}
