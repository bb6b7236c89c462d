// Package guide makes Markdown files a site: pages with navigation and a search that
// needs no server. What a link leads to has to be there.
package guide

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// repository is where links to what is no page lead.
const repository = "https://github.com/autocrud-go/autocrud/blob/main/"

//go:embed assets
var assets embed.FS

// page is a file on its way.
type page struct {
	Name  string // adr/0001-layout.md
	Title string
	HTML  []byte
	node  ast.Node
	raw   []byte
	ids   map[string]bool
}

// group is a part of the navigation.
type group struct {
	Title string
	Pages []*page
}

// passage is what the search finds: the text below one heading.
type passage struct {
	URL     string `json:"url"`
	Page    string `json:"page"`
	Heading string `json:"heading"`
	Text    string `json:"text"`
}

var markdown = goldmark.New(goldmark.WithExtensions(extension.NewTable(extension.WithTableCellAlignMethod(extension.TableCellAlignAttribute))),
	goldmark.WithParserOptions(parser.WithAutoHeadingID()))

// Build makes the files of the site, by name. index.md has the navigation: its headings,
// and the links of the lists below them.
func Build(files fs.FS) (map[string][]byte, error) {
	pages, err := parse(files)
	if err != nil {
		return nil, err
	}
	index := pages["index.md"]
	if index == nil {
		return nil, fmt.Errorf("there is no index.md")
	}
	groups, err := navigation(pages)
	if err != nil {
		return nil, err
	}
	out := map[string][]byte{}
	var passages []passage
	for _, name := range slices.Sorted(maps.Keys(pages)) {
		p := pages[name]
		if err := rewrite(p, pages); err != nil {
			return nil, err
		}
		var body bytes.Buffer
		if err := markdown.Renderer().Render(&body, p.raw, p.node); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		p.HTML = body.Bytes()
		passages = append(passages, p.passages()...)
	}
	for name, p := range pages {
		out[htmlName(name)] = p.laid(groups)
	}
	found, err := json.Marshal(passages)
	if err != nil {
		return nil, err
	}
	out["passages.js"] = slices.Concat([]byte("const passages = "), found, []byte(";\n")) // not .json, which a page opened as a file may not read
	for _, name := range []string{"guide.css", "search.js"} {
		if out[name], err = assets.ReadFile("assets/" + name); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// URL is the file of a page in the site.
func (p *page) URL() string { return htmlName(p.Name) }

func htmlName(name string) string { return strings.TrimSuffix(name, ".md") + ".html" }

// parse reads every file; adr/index.md, which lists the decisions, is made.
func parse(files fs.FS) (map[string]*page, error) {
	pages := map[string]*page{}
	var decisions bytes.Buffer
	decisions.WriteString("# Decisions\n\nEach says what was asked, what was decided and what follows.\n\n")
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(name) != ".md" {
			return err
		}
		raw, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		pages[name] = read(name, raw)
		if path.Dir(name) == "adr" {
			fmt.Fprintf(&decisions, "- [%s](%s)\n", pages[name].Title, path.Base(name))
		}
		return nil
	})
	pages["adr/index.md"] = read("adr/index.md", decisions.Bytes())
	return pages, err
}

func read(name string, raw []byte) *page {
	p := &page{Name: name, Title: name, raw: raw, ids: map[string]bool{}}
	p.node = markdown.Parser().Parse(text.NewReader(raw))
	for n := p.node.FirstChild(); n != nil; n = n.NextSibling() {
		h, ok := n.(*ast.Heading)
		if !ok {
			continue
		}
		if id, ok := h.AttributeString("id"); ok {
			p.ids[string(id.([]byte))] = true
		}
		if h.Level == 1 {
			p.Title = plain(h, raw)
		}
	}
	return p
}

// navigation reads the lists of index.md.
func navigation(pages map[string]*page) (groups []group, err error) {
	index := pages["index.md"]
	err = ast.Walk(index.node, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch x := n.(type) {
		case *ast.Heading:
			if x.Level == 2 {
				groups = append(groups, group{Title: plain(x, index.raw)})
			}
		case *ast.Link:
			p := pages[target(string(x.Destination))]
			if p == nil || len(groups) == 0 {
				return ast.WalkStop, fmt.Errorf("index.md: %s is no page below a heading", x.Destination)
			}
			last := &groups[len(groups)-1]
			last.Pages = append(last.Pages, p)
		}
		return ast.WalkContinue, nil
	})
	return groups, err
}

// target is the name of the page that a path leads to.
func target(p string) string {
	if path.Ext(p) == "" {
		return path.Join(p, "index.md")
	}
	return path.Clean(p)
}

// rewrite makes links lead to pages of the site, or to the repository.
func rewrite(p *page, pages map[string]*page) error {
	return ast.Walk(p.node, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		link, ok := n.(*ast.Link)
		if !ok || !entering {
			return ast.WalkContinue, nil
		}
		to, err := destination(p, string(link.Destination), pages)
		if err != nil {
			return ast.WalkStop, fmt.Errorf("%s: %w", p.Name, err)
		}
		link.Destination = []byte(to)
		return ast.WalkContinue, nil
	})
}

func destination(p *page, link string, pages map[string]*page) (string, error) {
	if strings.Contains(link, "://") || strings.HasPrefix(link, "mailto:") {
		return link, nil
	}
	file, anchor, _ := strings.Cut(link, "#")
	name := p.Name
	if file != "" {
		name = path.Join("docs", path.Dir(p.Name), file) // in the repository
		rest, inside := strings.CutPrefix(name, "docs/")
		if !inside {
			return repository + name, nil
		}
		name = target(rest)
	}
	to := pages[name]
	if to == nil {
		return "", fmt.Errorf("%s leads to no page", link)
	}
	if anchor != "" && !to.ids[anchor] {
		return "", fmt.Errorf("%s leads to no heading", link)
	}
	if anchor != "" {
		anchor = "#" + anchor
	}
	if file == "" {
		return anchor, nil
	}
	return strings.Repeat("../", strings.Count(p.Name, "/")) + htmlName(name) + anchor, nil
}

// passages takes a page apart at its headings.
func (p *page) passages() (out []passage) {
	out = append(out, passage{URL: htmlName(p.Name), Page: p.Title})
	for n := p.node.FirstChild(); n != nil; n = n.NextSibling() {
		if h, ok := n.(*ast.Heading); ok {
			if h.Level > 1 {
				id, _ := h.AttributeString("id")
				out = append(out, passage{URL: fmt.Sprintf("%s#%s", htmlName(p.Name), id), Page: p.Title, Heading: plain(h, p.raw)})
			}
			continue
		}
		last := &out[len(out)-1]
		last.Text = strings.TrimSpace(last.Text + " " + plain(n, p.raw))
	}
	return out
}

// plain is the text of a node, with single blanks.
func plain(n ast.Node, raw []byte) string {
	var b strings.Builder
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) { // it fails for what the function returns only
		switch x := n.(type) {
		case *ast.Text:
			if entering {
				b.Write(util.UnescapePunctuations(x.Value(raw)))
				if x.SoftLineBreak() {
					b.WriteByte(' ')
				}
			}
		case *ast.FencedCodeBlock:
			for i := range x.Lines().Len() {
				line := x.Lines().At(i)
				b.Write(line.Value(raw))
			}
		}
		if !entering && n.Type() == ast.TypeBlock {
			b.WriteByte(' ')
		}
		return ast.WalkContinue, nil
	})
	return strings.Join(strings.Fields(b.String()), " ")
}
