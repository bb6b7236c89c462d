package guide

import (
	"bytes"
	"fmt"
	"html"
	"strings"
)

// laid is the whole page: its text, which has no raw HTML of its source, below the
// navigation. Nothing but Go writes it, because a template finds the methods of its
// values by name, and a program with one keeps all methods of all types.
func (p *page) laid(groups []group) []byte {
	var b bytes.Buffer
	root, title := strings.Repeat("../", strings.Count(p.Name, "/")), html.EscapeString(p.Title)
	if p.Name != "index.md" {
		title += " · AutoCRUD"
	}
	fmt.Fprintf(&b, head, title, root)
	for _, g := range groups {
		fmt.Fprintf(&b, "<h2>%s</h2>\n<ul>", html.EscapeString(g.Title))
		for _, other := range g.Pages {
			current := ""
			if other.Name == p.Name {
				current = ` aria-current="page"`
			}
			fmt.Fprintf(&b, "\n<li><a href=\"%s%s\"%s>%s</a></li>", root, html.EscapeString(other.URL()), current, html.EscapeString(other.Title))
		}
		b.WriteString("\n</ul>\n")
	}
	b.WriteString("</nav>\n<main id=\"content\">\n")
	b.Write(p.HTML)
	b.WriteString("</main>\n</body>\n</html>\n")
	return b.Bytes()
}

// head is what stands before the navigation: of a title and of the way to the folder of
// the site.
const head = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>%[1]s</title>
<link rel="stylesheet" href="%[2]sguide.css">
<script src="%[2]spassages.js" defer></script>
<script src="%[2]ssearch.js" defer></script>
</head>
<body data-root="%[2]s">
<a class="skip" href="#content">Skip to the text</a>
<nav aria-label="Guides">
<p class="home"><a href="%[2]sindex.html">AutoCRUD</a></p>
<label for="search">Search</label>
<input id="search" type="search" autocomplete="off" aria-controls="found">
<ol id="found" aria-live="polite" hidden></ol>
`
