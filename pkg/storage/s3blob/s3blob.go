// Package s3blob keeps blobs in a bucket of any S3 server.
//
// A revision is one object. Its name ends in the digest of its bytes and is part
// of the reference, so what is read can be checked by itself. A
// binary is one object named by its digest, and a small one beside it whose age
// is when it was last used.
package s3blob

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"golang.org/x/sync/errgroup"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Options say where the bucket is.
type Options struct {
	Endpoint  string // host:port
	Bucket    string
	AccessKey string
	SecretKey string
	Region    string // default "us-east-1"
	Plain     bool   // no TLS
	// Prefix of every object's name, so that several namespaces share a bucket.
	Prefix string
	// Timeout of a request about a revision. Default 5 s. For binaries it is
	// how long the connection may be silent.
	Timeout time.Duration
	Logger  *slog.Logger
}

// Store implements storage.Blobs.
type Store struct {
	o  Options
	s3 minio.Core
}

var _ storage.Blobs = (*Store)(nil)

// tries of one request, the first included. Each object is immutable and named
// by its content, so to try again is always right.
const tries = 3

// Open makes a store. It does not ask the server anything; see Provision.
func Open(o Options) (*Store, error) {
	if o.Timeout == 0 {
		o.Timeout = 5 * time.Second
	}
	if o.Region == "" {
		o.Region = "us-east-1"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	c, err := minio.NewCore(o.Endpoint, &minio.Options{
		Creds:        credentials.NewStaticV4(o.AccessKey, o.SecretKey, ""),
		Secure:       !o.Plain,
		Region:       o.Region,
		Transport:    transport(o.Timeout),
		MaxRetries:   tries,
		BucketLookup: minio.BucketLookupAuto,
	})
	if err != nil {
		return nil, fmt.Errorf("s3 endpoint %q: %w", o.Endpoint, err)
	}
	return &Store{o: o, s3: *c}, nil
}

// transport ends connections on which nothing moves.
func transport(silent time.Duration) http.RoundTripper {
	d := net.Dialer{Timeout: 3 * time.Second, KeepAlive: 15 * time.Second}
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := d.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return &silentConn{Conn: c, max: silent}, nil
		},
		MaxIdleConnsPerHost:   64,
		IdleConnTimeout:       30 * time.Second,
		TLSHandshakeTimeout:   5 * time.Second,
		ResponseHeaderTimeout: silent,
		DisableCompression:    true,
	}
}

// silentConn breaks when a write is not taken for too long. Reads are bounded
// by the request: a pooled connection waits for long, rightly.
type silentConn struct {
	net.Conn
	max time.Duration
}

// Write implements net.Conn.
func (c *silentConn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.max)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// Provision makes the bucket where there is none, and tells whether old
// versions of objects are kept, so that erasing does not erase.
func (s *Store) Provision(ctx context.Context) (versioned bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*s.o.Timeout)
	defer cancel()
	ok, err := s.s3.BucketExists(ctx, s.o.Bucket)
	if err != nil {
		return false, failed("look for bucket "+s.o.Bucket, err)
	}
	if !ok {
		if err := s.s3.MakeBucket(ctx, s.o.Bucket, minio.MakeBucketOptions{Region: s.o.Region}); err != nil {
			if ok, again := s.s3.BucketExists(ctx, s.o.Bucket); again != nil || !ok { // two at once
				return false, failed("make bucket "+s.o.Bucket, err)
			}
		}
	}
	v, err := s.s3.GetBucketVersioning(ctx, s.o.Bucket)
	if err != nil {
		return false, nil //nolint:nilerr // a server that does not know versions keeps none
	}
	return v.Enabled(), nil
}

func (s *Store) name(kind, rest string) string { return s.o.Prefix + kind + "/" + rest }

func digestOf(data []byte) string {
	h := sha256.Sum256(data)
	return hex.EncodeToString(h[:])
}

// Put implements storage.Blobs. The reference is the key and the digest.
func (s *Store) Put(ctx context.Context, key string, data []byte) (ref string, err error) {
	ref = key + "." + digestOf(data)
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	if err := s.write(ctx, s.name("revisions", ref), data, "application/json"); err != nil {
		return "", failed("put "+ref, err)
	}
	return ref, nil
}

// write stores an object whose name says what it holds: one that is there
// already is the same.
func (s *Store) write(ctx context.Context, name string, data []byte, contentType string) error {
	o := minio.PutObjectOptions{ContentType: contentType}
	o.SetMatchETagExcept("*")
	_, err := s.s3.Client.PutObject(ctx, s.o.Bucket, name, bytes.NewReader(data), int64(len(data)), o)
	if minio.ToErrorResponse(err).StatusCode == http.StatusPreconditionFailed {
		return nil
	}
	return err
}

// Sync implements storage.Blobs: the server made it durable before it answered,
// or nothing here can.
func (s *Store) Sync(context.Context) error { return nil }

// Get implements storage.Blobs. What does not have the digest of its name is
// asked for once more before it counts as damaged.
func (s *Store) Get(ctx context.Context, ref string) (data []byte, err error) {
	_, digest, ok := cutLast(ref)
	if !ok {
		return nil, fmt.Errorf("get %s: %w", ref, storage.ErrNotFound)
	}
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	for try := range tries {
		data, err = s.read(ctx, s.name("revisions", ref))
		short := errors.Is(err, io.ErrUnexpectedEOF)
		if err == nil && digestOf(data) == digest {
			return data, nil
		}
		if err != nil && !short {
			return nil, failed("get "+ref, err)
		}
		if short && try == tries-1 {
			return nil, failed("get "+ref, err)
		}
	}
	s.o.Logger.ErrorContext(ctx, "a stored object is damaged", "bucket", s.o.Bucket, "object", s.name("revisions", ref), "bytes", len(data))
	return nil, fmt.Errorf("object %s does not have its digest: %w", ref, storage.ErrCorrupt)
}

func cutLast(ref string) (key, digest string, ok bool) {
	i := strings.LastIndexByte(ref, '.')
	if i < 0 || len(ref)-i-1 != 2*sha256.Size {
		return "", "", false
	}
	return ref[:i], ref[i+1:], true
}

func (s *Store) read(ctx context.Context, name string) ([]byte, error) {
	body, info, _, err := s.s3.GetObject(ctx, s.o.Bucket, name, minio.GetObjectOptions{})
	if err != nil {
		return nil, err
	}
	defer body.Close()
	if info.Size < 0 {
		return io.ReadAll(body)
	}
	data := make([]byte, info.Size)
	_, err = io.ReadFull(body, data)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return data, err
}

// Delete implements storage.Blobs.
func (s *Store) Delete(ctx context.Context, ref string) (err error) {
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	return s.remove(ctx, s.name("revisions", ref))
}

// deleteAtOnce is how many objects are deleted at a time.
const deleteAtOnce = 8

// DeleteAll implements storage.Blobs. Not every server takes one request for many.
func (s *Store) DeleteAll(ctx context.Context, refs []string) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(deleteAtOnce)
	for _, ref := range refs {
		g.Go(func() error { return s.Delete(ctx, ref) })
	}
	return g.Wait()
}

func (s *Store) remove(ctx context.Context, name string) error {
	err := s.s3.RemoveObject(ctx, s.o.Bucket, name, minio.RemoveObjectOptions{})
	if err != nil && !isMissing(err) {
		return failed("delete "+name, err)
	}
	return nil
}

// List implements storage.Blobs.
func (s *Store) List(ctx context.Context, fn func(key, ref string) error) error {
	prefix := s.name("revisions", "")
	for o := range s.s3.ListObjectsIter(ctx, s.o.Bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
		if o.Err != nil {
			return failed("list revisions", o.Err)
		}
		ref := strings.TrimPrefix(o.Key, prefix)
		if key, _, ok := cutLast(ref); ok {
			if err := fn(key, ref); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

func isMissing(err error) bool {
	r := minio.ToErrorResponse(err)
	return r.Code == minio.NoSuchKey || r.StatusCode == http.StatusNotFound && r.Code != minio.NoSuchBucket
}

// failed names the operation and tells what is missing from what cannot be
// reached.
func failed(op string, err error) error {
	if isMissing(err) {
		return fmt.Errorf("%s: %w", op, storage.ErrNotFound)
	}
	return fmt.Errorf("%s: %w: %w", op, storage.ErrUnavailable, err)
}
