package people

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"net/http"
)

// What the page of a one-time link consists of.
var (
	//go:embed link.html
	pageHead string
	//go:embed link.js
	pageScript string
)

// WritePage answers with the page of a one-time link. It may run its own script and ask
// this server, and nothing else.
func WritePage(w http.ResponseWriter) {
	sum := sha256.Sum256([]byte(pageScript))
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; connect-src 'self'; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'; script-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write([]byte(pageHead + "<script>" + pageScript + "</script>\n</html>\n")) // to a client that may have left
}
