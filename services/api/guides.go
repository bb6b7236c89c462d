package api

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"path"
	"strings"
	"sync"

	"github.com/autocrud-go/autocrud/docs"
	"github.com/autocrud-go/autocrud/services/api/guide"
)

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
