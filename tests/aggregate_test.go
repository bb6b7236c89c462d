package tests_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud/internal/apitest"
)

func films(t *testing.T, c *apitest.Client) {
	for i, m := range []string{
		`{"title":"Heat","year":1995,"genres":["Crime","Drama"],"rating":0.1}`,
		`{"title":"Seven","year":1995,"genres":["Crime"],"rating":0.2,"color":true}`,
		`{"title":"Ran","year":1985,"genres":[],"released":"1985-06-01T00:00:00.5+02:00"}`,
		`{"title":"Alien","year":1979}`,
		`{"title":"Gone","year":1979,"rating":9}`,
	} {
		c.Post(t, fmt.Sprintf("/v1/movies?id=m%d", i), m).Want(t, 201)
	}
	c.Delete(t, "/v1/movies/m4").Want(t, 200)
}

func TestCountsAndAggregates(t *testing.T) {
	each(t, func(t *testing.T, c *apitest.Client) {
		films(t, c)
		for query, want := range map[string]string{
			"": `{"count":4}`, "?filter=" + url.QueryEscape(`year > 1980`): `{"count":3}`, "?q=heat": `{"count":1}`,
			"?include_deleted=true": `{"count":5}`, "?only_deleted=true&consistency=strong": `{"count":1}`, "?filter=" + url.QueryEscape(`year > 2980`): `{"count":0}`,
		} {
			r := c.Get(t, "/v1/movies:count"+query).Want(t, 200).Equal(t, "", want)
			if r.Header.Get("Autocrud-Index-Seq") == "" {
				t.Error("no Autocrud-Index-Seq")
			}
		}
		for query, want := range map[string]string{
			"": `{"groups":[{"key":{},"count":4}],"next_page_token":""}`,
			"group_by=year&count=*&order_by=count+desc":                                   `{"groups":[{"key":{"year":1995},"count":2},{"key":{"year":1979},"count":1},{"key":{"year":1985},"count":1}],"next_page_token":""}`,
			"group_by=genres&order_by=genres+desc":                                        `{"groups":[{"key":{"genres":"Drama"},"count":1},{"key":{"genres":"Crime"},"count":2},{"key":{"genres":null},"count":2}],"next_page_token":""}`,
			"sum=year,rating&avg=rating&min=title&max=released":                           `{"groups":[{"key":{},"count":4,"sum":{"year":7954,"rating":0.3},"avg":{"rating":0.15},"min":{"title":"Alien"},"max":{"released":"1985-05-31T22:00:00.5Z"}}],"next_page_token":""}`,
			"group_by=color,year&filter=" + url.QueryEscape("year = 1995") + "&max=color": `{"groups":[{"key":{"color":true,"year":1995},"count":1,"max":{"color":true}},{"key":{"color":null,"year":1995},"count":1,"max":{"color":null}}],"next_page_token":""}`,
			"sum=rating&filter=" + url.QueryEscape("year = 1800"):                         `{"groups":[{"key":{},"count":0,"sum":{"rating":null}}],"next_page_token":""}`,
		} {
			c.Get(t, "/v1/movies:aggregate?"+query).Want(t, 200).Equal(t, "", want)
		}
		seen, path := "", "/v1/movies:aggregate?group_by=title&page_size=1"
		for token := ""; ; {
			r := c.Get(t, path+token).Want(t, 200)
			seen += r.Text("/groups/0/key/title") + " "
			next := r.Text("/next_page_token")
			if next == "" {
				break
			}
			token = "&page_token=" + next
			c.Get(t, path+token+"&filter="+url.QueryEscape("year > 1")).WantProblem(t, 400, "invalid_page_token")
		}
		if seen != "Alien Heat Ran Seven " {
			t.Errorf("pages %q", seen)
		}
		for query, code := range map[string]string{
			"group_by=note": "invalid_filter", "sum=title": "invalid_filter", "min=genres": "invalid_filter", "order_by=year": "invalid_filter",
			"group_by=year&order_by=count+up": "invalid_filter", "group_by=year,year": "invalid_request", "count=year": "invalid_request", "total=true": "invalid_request",
			"group_by=": "invalid_request", "page_size=0": "invalid_request", "page_token=x": "invalid_page_token",
		} {
			c.Get(t, "/v1/movies:aggregate?"+query).WantProblem(t, 400, code)
		}
		c.Post(t, "/v1/movies:count", "{}").Want(t, 405)
		c.Get(t, "/v1/studios:count?q=x").WantProblem(t, 400, "invalid_filter")
	})
}

func TestASearchTakesTheListsParametersInItsBody(t *testing.T) {
	each(t, func(t *testing.T, c *apitest.Client) {
		films(t, c)
		list := c.Get(t, "/v1/movies?filter="+url.QueryEscape("year >= 1985")+"&order_by=title&page_size=2&total=true&fields=title&returns=data,revision").Want(t, 200)
		search := func(more string) string {
			return `{"filter":"year >= 1985","order_by":"title","page_size":2,"total":true,"fields":["title"],"returns":"data,revision"` + more + `}`
		}
		got := c.Post(t, "/v1/movies:search", search("")).Want(t, 200)
		got.Equal(t, "/items", mustJSON(list.Value("/items"))).Equal(t, "/total", "3")
		token := mustJSON(got.Text("/next_page_token"))
		c.Post(t, "/v1/movies:search", search(`,"page_token":`+token)).Want(t, 200).Equal(t, "/items/0/data", `{"title":"Seven"}`).Equal(t, "/next_page_token", `""`)
		c.Post(t, "/v1/movies:search", "{}").Want(t, 200).Equal(t, "/items/0/meta/id", `"m3"`)
		long := strings.Repeat(`title = \"`+strings.Repeat("x", 1800)+`\" OR `, 50) + `year = 1979` // longer than a request line
		c.Post(t, "/v1/movies:search", `{"filter":"`+long+`"}`).Want(t, 200).Equal(t, "/items/0/meta/id", `"m3"`)
		for body, code := range map[string]string{
			`{"sort":"year"}`: "validation_failed", `{"page_size":"2"}`: "validation_failed", `{"filter":7}`: "validation_failed", `[]`: "validation_failed",
			`{"total":"true"}`: "validation_failed", `{"page_size":0}`: "invalid_request", `{"filter":"note = 1"}`: "invalid_filter", `{"filter":`: "invalid_request",
			`{"page_token":"x"}`: "invalid_page_token", `{"include_deleted":true,"only_deleted":true}`: "invalid_request",
		} {
			status := 400
			if code == "validation_failed" {
				status = 422
			}
			c.Post(t, "/v1/movies:search", body).WantProblem(t, status, code)
		}
		c.Post(t, "/v1/movies:search?filter=x", "{}").WantProblem(t, 400, "invalid_request")
		c.Get(t, "/v1/movies:search").Want(t, 405)
	})
}

func mustJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}
