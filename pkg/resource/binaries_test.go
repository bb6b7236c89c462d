package resource_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"testing"

	"github.com/autocrud-go/autocrud/internal/testenv"
	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/resource"
)

const posterModel = `
name: posters
schema:
  type: object
  properties:
    name: {type: string}
    image: {x-binary: {maxBytes: 1000, contentTypes: ["image/*"]}}
    files: {type: array, items: {x-binary: {}}}
`

var png = append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00"), bytes.Repeat([]byte{7}, 100)...)

func TestBinaryIsStoredOnceAndReadThroughItsResource(t *testing.T) {
	s := testenv.Open(t, t.TempDir(), testenv.Types(t, posterModel), testenv.StackOptions{})
	ctx := t.Context()
	b, err := s.Manager.Binaries.PutBinary(ctx, bytes.NewReader(png), 1<<20)
	if err != nil || b.ContentType != "image/png" || b.Size != int64(len(png)) {
		t.Fatalf("%+v %v", b, err)
	}
	r := create(t, s, "posters", fmt.Sprintf(`{"image":{"digest":%q},"files":[{"base64":%q}]}`, b.Digest, base64.StdEncoding.EncodeToString([]byte("hello there"))))
	var d struct {
		Image model.Blob
		Files []model.Blob
	}
	if err := r.DecodeData(&d); err != nil || d.Image.Size != int64(len(png)) || d.Image.ContentType != "image/png" || d.Files[0].Size != 11 {
		t.Fatalf("%+v %v", d, err)
	}
	file, mediaType, err := s.Manager.Binaries.OpenBinary(ctx, "posters", r.ID, d.Files[0].Digest)
	if err != nil || mediaType != "text/plain; charset=utf-8" {
		t.Fatalf("%q %v", mediaType, err)
	}
	defer file.Close()
	if got, _ := io.ReadAll(file); string(got) != "hello there" {
		t.Fatalf("%q", got)
	}
	other := create(t, s, "posters", `{"name":"another"}`)
	_, _, err = s.Manager.Binaries.OpenBinary(ctx, "posters", other.ID, b.Digest)
	wantCode(t, err, fault.NotFound)

	// An older revision still refers to it.
	if _, _, err := s.Manager.Update(ctx, "posters", r.ID, testenv.Doc(t, `{"name":"without"}`), resource.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	old, _, err := s.Manager.Binaries.OpenBinary(ctx, "posters", r.ID, b.Digest)
	if err != nil {
		t.Fatal(err)
	}
	old.Close()
}

func TestBinaryMustFitTheModel(t *testing.T) {
	s := testenv.Open(t, t.TempDir(), testenv.Types(t, posterModel), testenv.StackOptions{})
	for _, doc := range []string{
		fmt.Sprintf(`{"image":{"base64":%q}}`, base64.StdEncoding.EncodeToString([]byte("no picture"))),
		fmt.Sprintf(`{"image":{"base64":%q}}`, base64.StdEncoding.EncodeToString(append(bytes.Clone(png), make([]byte, 1000)...))),
		`{"image":{"base64":"%%%"}}`,
		`{"image":{"digest":"sha256:0000000000000000000000000000000000000000000000000000000000000000"}}`,
		`{"image":{"digest":"../../etc/passwd"}}`,
		`{"image":"text"}`,
	} {
		_, err := s.Manager.Create(t.Context(), "posters", testenv.Doc(t, doc), resource.CreateOptions{})
		wantCode(t, err, fault.ValidationFailed)
	}
}
