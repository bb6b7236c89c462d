package api

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/autocrud-go/autocrud/docs"
	"github.com/autocrud-go/autocrud/services/api/guide"
	"github.com/autocrud-go/autocrud/services/api/openapi"
)

//go:embed docsui
var docsFiles embed.FS

// docsPolicy lets the page load from this server only, and run no script that
// is not a file of it.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self' data:; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

var docsTypes = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
	".png": "image/png", ".txt": "text/plain; charset=utf-8", "": "text/plain; charset=utf-8",
}

// docsFile is one file of the page. The large ones are kept compressed.
type docsFile struct {
	contentType string
	tag         string // of the stored bytes
	stored      []byte // as they are in the binary
	compressed  bool
	plain       func() []byte // decompressed, once, for the rare client that needs it
}

// docsHandler serves the OpenAPI document as a page to read and try out, at
// /docs and below. Everything the page needs is in the binary.
func docsHandler() http.Handler {
	files := map[string]docsFile{}
	entries, err := docsFiles.ReadDir("docsui")
	if err != nil {
		panic("api: embedded files: " + err.Error()) // cannot be: they are compiled in
	}
	for _, entry := range entries {
		b, err := docsFiles.ReadFile("docsui/" + entry.Name())
		if err != nil {
			panic("api: embedded files: " + err.Error())
		}
		name, compressed := strings.CutSuffix(entry.Name(), ".gz")
		sum := sha256.Sum256(b)
		f := docsFile{docsTypes[path.Ext(name)], hex.EncodeToString(sum[:12]), b, compressed, func() []byte { return b }}
		if compressed {
			f.plain = sync.OnceValue(func() []byte { return gunzip(b) })
		}
		files[name] = f
	}
	delete(files, "README.md")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, below := strings.CutPrefix(r.URL.Path, "/docs/")
		switch {
		case !below:
			name = "index.html"
		case name == "" || name == "index.html":
			http.Redirect(w, r, "/docs", http.StatusFound) // relative references count from there
			return
		}
		f, ok := files[name]
		if !ok {
			http.NotFound(w, r)
			return
		}
		f.serve(w, r)
	})
}

func (f docsFile) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.contentType)
	h.Set("Content-Security-Policy", docsPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-cache") // kept, but asked for again: the tag makes that cheap
	asItIs(w)                          // or as it is stored
	body, in := f.stored, uncoded
	if f.compressed {
		varies(h, "Accept-Encoding")
		if in = readCodings(r.Header["Accept-Encoding"]).orGzip(); in == uncoded {
			body = f.plain()
		}
	}
	in.mark(h, f.tag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

func gunzip(b []byte) []byte {
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		panic("api: embedded files: " + err.Error())
	}
	out, err := io.ReadAll(z)
	if err != nil {
		panic("api: embedded files: " + err.Error())
	}
	return out
}

// serveDocument answers with a document that never changes while the process
// runs: tagged, and compressed for clients that take it, once.
func serveDocument(body []byte) http.HandlerFunc {
	sum := sha256.Sum256(body)
	tag := hex.EncodeToString(sum[:12])
	packed := sync.OnceValue(func() []byte {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = z.Write(body) // a buffer takes everything
		_ = z.Close()
		return b.Bytes()
	})
	return func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", typeJSON)
		asItIs(w) // it is compressed already, or not at all
		varies(h, "Accept-Encoding")
		content, in := body, readCodings(r.Header["Accept-Encoding"]).orGzip()
		if in == gzipped {
			content = packed()
		}
		in.mark(h, tag)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	}
}

// describe answers with the OpenAPI document.
func describe(a *API, c call) error {
	return c.describe(a.documents.Load().openapi, a, func(doc []byte) []byte { return doc })
}

// describeOlder answers with it in OpenAPI 3.0.
func describeOlder(a *API, c call) error {
	return c.describe(a.documents.Load().older(), a, openapi.Older)
}

// describe answers with the document of all types, or with one of those that the
// request names. All are in the document of the whole: no caller learns more by it.
func (c call) describe(whole http.HandlerFunc, a *API, version func([]byte) []byte) error {
	p := c.query()
	asked := p.text("types")
	if p.err == nil && !p.has("types") {
		whole(c.w, c.r)
		return nil
	}
	d := a.documents.Load()
	of := openapi.Named(d.types, strings.Split(asked, ","), p.refuse)
	if p.err != nil {
		return p.err
	}
	serveDocument(version(d.document(of)))(c.w, c.r)
	return nil
}

// guideFiles are the pages of the guides, made when the first one is asked for.
var guideFiles = sync.OnceValue(func() map[string]docsFile {
	site, err := guide.Build(docs.Files)
	if err != nil {
		panic("api: the guides: " + err.Error()) // cannot be: a test makes them of the same files
	}
	files := map[string]docsFile{}
	for name, b := range site {
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		_, _ = z.Write(b) // a buffer takes everything
		_ = z.Close()
		sum := sha256.Sum256(b)
		files[name] = docsFile{docsTypes[path.Ext(name)], hex.EncodeToString(sum[:12]), packed.Bytes(), true, func() []byte { return b }}
	}
	return files
})

// guideHandler serves the guides at /guide/.
func guideHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, below := strings.CutPrefix(r.URL.Path, "/guide/")
		if !below {
			http.Redirect(w, r, "/guide/", http.StatusFound) // relative references count from there
			return
		}
		if name == "" {
			name = "index.html"
		}
		f, ok := guideFiles()[name]
		if !ok {
			http.NotFound(w, r)
			return
		}
		f.serve(w, r)
	})
}
