package guide_test

import (
	"bytes"
	"path"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/autocrud-go/autocrud/docs"
	"github.com/autocrud-go/autocrud/services/api/guide"
)

// Build refuses a link that leads nowhere; what it wrote is followed here once more.
func TestNoLinkOfTheGuidesIsDead(t *testing.T) {
	site, err := guide.Build(docs.Files)
	if err != nil {
		t.Fatal(err)
	}
	links := 0
	for name, b := range site {
		if path.Ext(name) != ".html" {
			continue
		}
		for _, m := range regexp.MustCompile(`(?:href|src)="([^"]*)"`).FindAllStringSubmatch(string(b), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			links++
			file, anchor, _ := strings.Cut(m[1], "#")
			to := name
			if file != "" {
				to = path.Join(path.Dir(name), file)
			}
			page, ok := site[to]
			if !ok || anchor != "" && !bytes.Contains(page, []byte(`id="`+anchor+`"`)) {
				t.Errorf("%s: %s is dead", name, m[1])
			}
		}
		if bytes.Contains(b, []byte("style=")) || bytes.Contains(b, []byte("raw HTML omitted")) {
			t.Errorf("%s has what the policy of the page forbids", name)
		}
	}
	if links < 1000 || len(site) < 50 {
		t.Errorf("%d links in %d files", links, len(site))
	}
}

func TestEveryPageIsInTheNavigation(t *testing.T) {
	site, err := guide.Build(docs.Files)
	if err != nil {
		t.Fatal(err)
	}
	for name := range site {
		if path.Ext(name) == ".html" && path.Dir(name) == "." && name != "index.html" && !bytes.Contains(site["index.html"], []byte(`href="`+name+`"`)) {
			t.Errorf("index.md does not name %s", name)
		}
	}
}

func TestALinkThatLeadsNowhereIsRefused(t *testing.T) {
	for _, link := range []string{"nowhere.md", "a.md#nothing", "#nothing", "folder"} {
		_, err := guide.Build(fstest.MapFS{"index.md": {Data: []byte("# X\n\n## Y\n\n- [a](a.md)\n")}, "a.md": {Data: []byte("# A\n\n[x](" + link + ")\n")}})
		if err == nil || !strings.Contains(err.Error(), link) {
			t.Errorf("%s: %v", link, err)
		}
	}
}

// What the search looks through holds the text of every heading, without marks.
func TestTheSearchHasEveryPassage(t *testing.T) {
	site, err := guide.Build(docs.Files)
	if err != nil {
		t.Fatal(err)
	}
	found := string(site["passages.js"])
	for _, want := range []string{`"heading":"What a purge erases"`, `"url":"operations.html#what-a-purge-erases"`, "overwriting them in their segment files", `"page":"Decisions"`} {
		if !strings.Contains(found, want) {
			t.Errorf("%s is missing", want)
		}
	}
	if !strings.HasPrefix(found, "const passages = [") {
		t.Error("it is no script")
	}
}
