package s3blob

import (
	"bytes"
	"context"
	"strings"

	"github.com/minio/minio-go/v7"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Archive implements storage.Archive beside the blobs of a Store.
type Archive struct {
	s      *Store
	folder string
}

var _ storage.Archive = Archive{}

// Archive is where the log is kept a second time.
func (s *Store) Archive() Archive { return Archive{s, "log"} }

// Identity is where the bucket is told which log it belongs to.
func (s *Store) Identity() Archive { return Archive{s, "identity"} }

// Save implements storage.Archive.
func (a Archive) Save(ctx context.Context, name string, data []byte) error {
	ctx, cancel := context.WithTimeout(ctx, 2*a.s.o.Timeout)
	defer cancel()
	_, err := a.s.s3.Client.PutObject(ctx, a.s.o.Bucket, a.s.name(a.folder, name), bytes.NewReader(data), int64(len(data)),
		minio.PutObjectOptions{ContentType: "application/octet-stream", SendContentMd5: true})
	if err != nil {
		return failed("save "+name, err)
	}
	return nil
}

// Load implements storage.Archive.
func (a Archive) Load(ctx context.Context, name string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*a.s.o.Timeout)
	defer cancel()
	data, err := a.s.read(ctx, a.s.name(a.folder, name))
	if err != nil {
		return nil, failed("load "+name, err)
	}
	return data, nil
}

// Names implements storage.Archive.
func (a Archive) Names(ctx context.Context, prefix string, fn func(string) error) error {
	begin := a.s.name(a.folder, "")
	for o := range a.s.s3.ListObjectsIter(ctx, a.s.o.Bucket, minio.ListObjectsOptions{Prefix: begin + prefix, Recursive: true}) {
		if o.Err != nil {
			return failed("list the archive", o.Err)
		}
		if err := fn(strings.TrimPrefix(o.Key, begin)); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// Remove implements storage.Archive.
func (a Archive) Remove(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, a.s.o.Timeout)
	defer cancel()
	return a.s.remove(ctx, a.s.name(a.folder, name))
}
