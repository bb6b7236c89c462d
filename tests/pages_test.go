package tests_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
)

// large are types whose resources may be of some megabytes.
var large = map[string]string{
	"shelves": "name: shelves\nschema: {type: object, properties: {label: {type: string}, text: {type: string}}}\nindex: [label]\n",
	"books":   "name: books\nschema: {type: object, properties: {title: {type: string}, text: {type: string}, shelf: {type: string}, more: {type: array, items: {type: string}}, tags: {type: array, items: {type: string}}, labels: {type: array, items: {type: string}}}}\nindex: [title, tags, labels]\nfulltext: [title]\nrefs: {shelf: {type: shelves}, more: {type: shelves}}\n",
}

// Pages of large resources end early, and a walk meets each one once, whatever is
// shown of them.
func TestPagesAreBoundedByBytes(t *testing.T) {
	oneAfterTheOther() // the race detector takes memory of its own
	for _, row := range storages(t) {
		t.Run(row.Name, func(t *testing.T) {
			t.Parallel()
			c := run(t, row, nil, large)
			const n = 14
			text := strings.Repeat("text ", 1500<<10/5)
			c.Post(t, "/v1/shelves?id=big", `{"label":"big","text":"`+strings.Repeat("x", 3<<20)+`"}`).Want(t, 201)
			for i := range n {
				c.Post(t, fmt.Sprintf("/v1/books?id=b%02d", i), fmt.Sprintf(`{"title":"book %d","text":%q,"shelf":"big"}`, i, text)).Want(t, 201)
			}
			for name, query := range map[string]string{"lists": "", "ordered": "order_by=title", "found": "q=book", "filtered": "filter=" + url.QueryEscape(`startsWith(title,"book")`),
				"fields": "fields=title", "with the revision": "returns=data,meta,revision", "expanded": "expand=shelf"} {
				t.Run(name, func(t *testing.T) {
					before, met, token := resident(t, os.Getpid()), map[string]int{}, ""
					for pages := 1; ; pages++ {
						path := "/v1/books?total=true&page_size=1000&" + query
						if token != "" {
							path += "&page_token=" + url.QueryEscape(token)
						}
						r := c.Get(t, path).Want(t, 200)
						var page struct {
							Items []struct{ Meta struct{ ID string } }
							Next  string `json:"next_page_token"`
							Total int
						}
						if err := json.Unmarshal(r.Body, &page); err != nil {
							t.Fatal(err)
						}
						if len(r.Body) > 13<<20 || page.Total != n || len(page.Items) == 0 {
							t.Fatalf("a page of %d items and %d bytes, total %d", len(page.Items), len(r.Body), page.Total)
						}
						for _, x := range page.Items {
							met[x.Meta.ID]++
						}
						if token = page.Next; token == "" {
							if pages < 3 {
								t.Errorf("%d pages", pages)
							}
							break
						}
					}
					for i := range n {
						if met[fmt.Sprintf("b%02d", i)] != 1 {
							t.Errorf("met %v", met)
							break
						}
					}
					if grown := resident(t, os.Getpid()) - before; grown > 800<<10 {
						t.Errorf("it takes %d MiB more", grown>>10)
					}
				})
			}
			// Without data a page is as long as was asked for.
			if items := c.Get(t, "/v1/books?page_size=1000&returns=meta").Want(t, 200).Items(); len(items) != n {
				t.Errorf("%d items without data", len(items))
			}
		})
	}
}

// What a resource is expanded with is bounded too.
func TestExpansionsAreBoundedByBytes(t *testing.T) {
	t.Parallel()
	c := start(t, nil, autocrud.Settings{Storage: "memory"}, large)
	for i := range 4 {
		c.Post(t, fmt.Sprintf("/v1/shelves?id=s%d", i), `{"label":"x","text":"`+strings.Repeat("x", 3<<20)+`"}`).Want(t, 201)
		c.Post(t, fmt.Sprintf("/v1/books?id=b%d", i), fmt.Sprintf(`{"title":"b","shelf":"s%d"}`, i)).Want(t, 201)
	}
	c.Post(t, "/v1/books?id=all", `{"title":"all","more":["s0","s1","s2","s3"]}`).Want(t, 201)
	c.Post(t, "/v1/books?id=again", `{"title":"again","more":[`+strings.Repeat(`"s0",`, 2000)+`"s0"]}`).Want(t, 201)
	met, token := 0, ""
	for {
		r := c.Get(t, "/v1/books?filter="+url.QueryEscape(`title = "b"`)+"&expand=shelf"+token).Want(t, 200)
		met += len(r.Items())
		next := r.Text("/next_page_token")
		if next == "" {
			break
		}
		token = "&page_token=" + url.QueryEscape(next)
	}
	if met != 4 {
		t.Errorf("%d were met", met)
	}
	c.Get(t, "/v1/books/all?expand=more").WantProblem(t, 413, "too_large")
	c.Get(t, "/v1/books/again?expand=more").WantProblem(t, 413, "too_large")
	c.Get(t, "/v1/books?expand=more").WantProblem(t, 413, "too_large")
	c.Get(t, "/v1/books/b0?expand=shelf").Want(t, 200)
	c.Get(t, "/v1/books/b0?expand=shelf,shelf").WantProblem(t, 400, "invalid_request")
}

// What a request names many times costs a refusal.
func TestLongRequestsAreRefusedEarly(t *testing.T) {
	t.Parallel()
	c := start(t, nil, autocrud.Settings{Storage: "memory"}, large)
	c.Post(t, "/v1/books?id=a", `{"title":"a","tags":["x"],"labels":["y"]}`).Want(t, 201)
	in := func(n int) string {
		var out []string
		for n > 0 {
			k := min(n, 1000)
			out = append(out, "in(title"+strings.Repeat(`,"1"`, k)+")")
			n -= k
		}
		return strings.Join(out, " OR ")
	}
	search := func(member, value string) *apitest.Response {
		return c.Post(t, "/v1/books:search", map[string]any{member: value})
	}
	search("filter", in(5000)).Want(t, 200)
	for _, filter := range []string{in(5001), "NOT (" + in(6000) + ")", strings.Repeat(`tags:"x" OR `, 5000) + `tags:"x"`, strings.Repeat(`startsWith(title,"x") AND `, 5000) + `title="x"`, in(5000) + ` OR matches(title,"x")`} {
		r := search("filter", filter)
		r.WantProblem(t, 400, "invalid_filter")
		if detail := r.Text("/detail"); !strings.Contains(detail, "at most 5000 values") || !strings.Contains(detail, "column") {
			t.Errorf("%.40s: %s", filter, detail)
		}
	}
	search("q", strings.Repeat("w ", 64)).Want(t, 200)
	search("q", strings.Repeat("w ", 65)).WantProblem(t, 400, "invalid_filter")
	search("q", `"`+strings.Repeat("w ", 65)+`"`).WantProblem(t, 400, "invalid_filter")
	search("order_by", "title"+strings.Repeat(",title", 20)).WantProblem(t, 400, "invalid_filter")
	search("fields", "title"+strings.Repeat(",title", 1000)).WantProblem(t, 400, "invalid_request")
	c.Get(t, "/v1/books:aggregate?group_by=title"+strings.Repeat(",title", 5000)).WantProblem(t, 400, "invalid_request")
	c.Get(t, "/v1/books:aggregate?sum=x"+strings.Repeat(",y", 5000)).WantProblem(t, 400, "invalid_request")
}

// Lists that multiply are refused before anything is multiplied.
func TestListsInGroupsAreBounded(t *testing.T) {
	oneAfterTheOther() // the race detector takes memory of its own
	for _, row := range storages(t) {
		t.Run(row.Name, func(t *testing.T) {
			t.Parallel()
			c := run(t, row, nil, large)
			list := func(n int) (out []string) {
				for i := range n {
					out = append(out, fmt.Sprint("e", i))
				}
				return out
			}
			c.Post(t, "/v1/books?id=edge", map[string]any{"title": "edge", "tags": list(500), "labels": list(500)}).Want(t, 201)
			c.Post(t, "/v1/books?id=over", map[string]any{"title": "over", "tags": list(6000), "labels": list(6000)}).Want(t, 201)
			before := resident(t, os.Getpid())
			for query, want := range map[string]int{"group_by=tags,labels": 400, "group_by=labels,tags,title": 400, "group_by=tags,labels&filter=" + url.QueryEscape(`title = "over"`): 400,
				"group_by=tags,labels&filter=" + url.QueryEscape(`title = "edge"`): 200, "group_by=tags": 200, "group_by=labels,title": 200} {
				r := c.Get(t, "/v1/books:aggregate?"+query)
				switch {
				case want == 200:
					r.Want(t, 200)
				default:
					r.WantProblem(t, 400, "invalid_filter")
					if !strings.Contains(r.Text("/detail"), "combinations") {
						t.Error(r.Text("/detail"))
					}
				}
			}
			if grown := resident(t, os.Getpid()) - before; grown > 300<<10 {
				t.Errorf("it takes %d MiB more", grown>>10)
			}
		})
	}
}

// Filters of many values, each another, leave nothing in memory.
func TestLargeFiltersAreNotKept(t *testing.T) {
	oneAfterTheOther() // the race detector takes memory of its own
	c := start(t, nil, autocrud.Settings{Storage: "memory"}, large)
	c.Post(t, "/v1/books?id=a", `{"title":"7"}`).Want(t, 201)
	ask := func(k int) {
		var terms []string
		for part := range 4 {
			values := make([]string, 860+k) // each is another statement
			for i := range values {
				values[i] = fmt.Sprintf("%q", fmt.Sprint(part*1000+i))
			}
			terms = append(terms, "in(title, "+strings.Join(values, ",")+")")
		}
		if items := c.Post(t, "/v1/books:search", map[string]any{"filter": strings.Join(terms, " OR ")}).Want(t, 200).Items(); len(items) != 1 {
			t.Fatalf("%d are found", len(items))
		}
	}
	for k := range 10 {
		ask(k)
	}
	kept := func() int {
		debug.FreeOSMemory() // what is collected only later is not kept
		return resident(t, os.Getpid())
	}
	before := kept()
	for k := range 120 {
		ask(k + 10)
	}
	if grown := kept() - before; grown > 60<<10 {
		t.Errorf("120 filters leave %d MiB", grown>>10)
	}
}
