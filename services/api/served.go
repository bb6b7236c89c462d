package api

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"sync"
	"time"
)

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
