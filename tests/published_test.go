package tests_test

import (
	"testing"

	"github.com/autocrud-go/autocrud/internal/apitest"
)

// publishedIs asks the resource and its list what is published.
func publishedIs(t *testing.T, c *apitest.Client, path, id, want string) {
	t.Helper()
	c.Get(t, path+"/"+id).Want(t, 200).Equal(t, "/meta/published", want)
	c.Get(t, path+`?filter=meta.id+%3D+"`+id+`"`).Want(t, 200).Equal(t, "/items/0/meta/published", want)
}

func TestAStateTellsWhatIsPublished(t *testing.T) {
	each(t, func(t *testing.T, c *apitest.Client) {
		title := func(s string) string { return `{"title":"` + s + `"}` }
		c.Post(t, "/v1/movies?id=p&status=draft", heat).Want(t, 201).Equal(t, "/meta/published", "null")
		publishedIs(t, c, "/v1/movies", "p", "null")
		c.Post(t, "/v1/movies/p:status", `{"status":"stable"}`).Want(t, 200).Equal(t, "/meta/published", "1")
		c.Patch(t, "/v1/movies/p?status=draft", apitest.MergePatch, title("2")).Want(t, 200).Equal(t, "/meta/published", "1")
		publishedIs(t, c, "/v1/movies", "p", "1")
		c.Patch(t, "/v1/movies/p?mode=modify", apitest.MergePatch, title("2b")).Want(t, 200).Equal(t, "/meta/published", "1")
		c.Patch(t, "/v1/movies/p?status=draft", apitest.MergePatch, title("3")).Want(t, 200).Equal(t, "/meta/published", "1")
		c.Post(t, "/v1/movies/p:switch", `{"revision":2}`).Want(t, 200).Equal(t, "/meta/published", "1")
		c.Delete(t, "/v1/movies/p").Want(t, 200).Equal(t, "/meta/published", "null")
		c.Post(t, "/v1/movies/p:restore", "").Want(t, 200).Equal(t, "/meta/published", "1").Equal(t, "/meta/status", `"draft"`)
		publishedIs(t, c, "/v1/movies", "p", "1")
		c.Patch(t, "/v1/movies/p", apitest.MergePatch, title("4")).Want(t, 200).Equal(t, "/meta/published", "4")
		c.Delete(t, "/v1/movies/p").Want(t, 200)
		c.Post(t, "/v1/movies/p:restore", "").Want(t, 200).Equal(t, "/meta/published", "4")
		c.Post(t, "/v1/movies/p:switch", `{"revision":1}`).Want(t, 200).Equal(t, "/meta/published", "1")
		c.Post(t, "/v1/movies/p:status", `{"status":"draft"}`).Want(t, 200).Equal(t, "/meta/published", "1")
		publishedIs(t, c, "/v1/movies", "p", "1")
	})
}
