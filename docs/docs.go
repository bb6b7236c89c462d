// Package docs is the guides as files, for the pages that the program serves and the site
// that `make site` writes.
package docs

import "embed"

// Files are index.md, which says the order, the guides, and the decisions in adr/.
//
//go:embed *.md adr/*.md
var Files embed.FS
