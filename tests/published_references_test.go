package tests_test

import (
	"fmt"
	"testing"

	"github.com/autocrud-go/autocrud/internal/apitest"
)

// trailers go with their movie.
const trailers = `name: trailers
schema: {type: object, required: [title], properties: {title: {type: string}, movie: {type: [string, "null"]}}}
index: [title, movie]
refs: {movie: {type: movies, onDelete: cascade}}
`

// What happens to the published view when what resources refer to is deleted: references
// keep to HEAD, and what is published by nothing else is not published by that.
func TestAReferenceThatEndsPublishesNothing(t *testing.T) {
	t.Parallel()
	for _, row := range storages(t) {
		t.Run(row.Name, func(t *testing.T) {
			t.Parallel()
			c := run(t, row, nil, map[string]string{"trailers": trailers})
			c.Post(t, "/v1/studios?id=s", `{"name":"Warner"}`).Want(t, 201)
			movie := func(title, studio string) string {
				return fmt.Sprintf(`{"title":%q,"year":2000,"studio":%s}`, title, studio)
			}
			make := func(id, status, studio string) {
				c.Post(t, "/v1/movies?id="+id+"&status="+status, movie(id, studio)).Want(t, 201)
			}
			draft := func(id, studio string) {
				c.Put(t, "/v1/movies/"+id+"?status=draft", movie(id+", newer", studio)).Want(t, 200)
			}
			for _, id := range []string{"same", "newer", "moved", "back", "bin", "binback"} {
				make(id, "stable", `"s"`)
			}
			make("draft", "draft", `"s"`)
			draft("newer", `"s"`)
			draft("moved", "null")
			for _, id := range []string{"back", "binback"} {
				c.Post(t, "/v1/movies/"+id+":unpublish", nil).Want(t, 200)
			}
			for _, id := range []string{"bin", "binback"} {
				c.Delete(t, "/v1/movies/"+id).Want(t, 200)
			}
			c.Delete(t, "/v1/studios/s").Want(t, 200)
			apitest.Eventually(t, patience, "no movie refers to the studio", func() bool {
				return c.Get(t, `/v1/movies:count?filter=studio="s"`).Want(t, 200).Int("/count") == 0
			})
			for _, id := range []string{"bin", "binback"} {
				c.Post(t, "/v1/movies/"+id+":restore", nil).Want(t, 200).Equal(t, "/data/studio", "null")
			}
			for _, x := range []struct{ id, revisions, published, studio string }{
				{"same", "2", "2", "null"}, {"newer", "3", "1", `"s"`}, {"moved", "2", "1", `"s"`}, {"back", "2", "null", ""},
				{"draft", "2", "null", ""}, {"bin", "2", "2", "null"}, {"binback", "2", "null", ""},
			} {
				c.Get(t, "/v1/movies/"+x.id).Want(t, 200).Equal(t, "/data/studio", "null").Equal(t, "/meta/revision_count", x.revisions)
				publishedIs(t, c, "/v1/movies", x.id, x.published)
				r := c.Get(t, "/v1/movies/"+x.id+"?view=published&expand=studio")
				if x.published == "null" {
					r.WantProblem(t, 404, "not_found")
					continue
				}
				r.Want(t, 200).Equal(t, "/data/studio", x.studio).Equal(t, "/expanded/studio", "null")
				c.Get(t, "/v1/movies?view=published&expand=studio&filter="+query("meta.id = \""+x.id+"\"")).Want(t, 200).Equal(t, "/items/0/data/studio", x.studio).Equal(t, "/items/0/expanded/studio", "null")
			}
			c.Get(t, `/v1/movies:count?view=published&filter=studio="s"`).Want(t, 200).Equal(t, "/count", "2")

			trailer := func(id, movie string) string { return fmt.Sprintf(`{"title":%q,"movie":%s}`, id, movie) }
			for _, x := range []struct{ id, stable, draft string }{{"goes", `"same"`, ""}, {"goes-by-draft", "null", `"same"`}, {"stays", `"same"`, "null"}} {
				c.Post(t, "/v1/trailers?id="+x.id, trailer(x.id, x.stable)).Want(t, 201)
				if x.draft != "" {
					c.Put(t, "/v1/trailers/"+x.id+"?status=draft", trailer(x.id, x.draft)).Want(t, 200)
				}
			}
			c.Delete(t, "/v1/movies/same").Want(t, 200)
			apitest.Eventually(t, patience, "what refers to it goes with it", func() bool {
				return c.Get(t, "/v1/trailers:count").Want(t, 200).Int("/count") == 1
			})
			for _, id := range []string{"goes", "goes-by-draft"} {
				c.Get(t, "/v1/trailers/"+id+"?view=published").WantProblem(t, 404, "not_found")
			}
			c.Get(t, "/v1/trailers/stays?view=published").Want(t, 200).Equal(t, "/data/movie", `"same"`)
			c.Get(t, "/v1/trailers:count?view=published").Want(t, 200).Equal(t, "/count", "1")
			mirrors(t, c, "trailers", trailer("the end", "null"), "0")
			newPublishing(t, c, 1).mirror("0")
		})
	}
}

// A published state is of one event: whatever reads it tells the same sequence and tag,
// which change when it does, and never fit a write.
func TestEveryReadTellsTheSameSequenceOfWhatIsPublished(t *testing.T) {
	each(t, func(t *testing.T, c *apitest.Client) {
		const path = "/v1/movies/p"
		state := func() (tag string, seq int) {
			t.Helper()
			r := c.Get(t, path+"?view=published").Want(t, 200)
			seq = r.Int("/meta/seq")
			c.Get(t, "/v1/movies?view=published&filter="+query(`meta.id = "p"`)).Want(t, 200).Equal(t, "/items/0/meta/seq", fmt.Sprint(seq))
			c.Get(t, fmt.Sprint("/v1/movies:count?view=published&filter=meta.seq=", seq)).Want(t, 200).Equal(t, "/count", "1")
			if again := c.Get(t, path+"?view=published", apitest.Header("If-None-Match", r.ETag())); again.Status != 304 {
				t.Errorf("with its own tag it is %d", again.Status)
			}
			w := c.MustWatch(t, fmt.Sprint(path, ":watch?view=published&from_seq=", seq-1))
			defer w.Close()
			e, err := w.Next()
			if err != nil || int(e.Seq) != seq || fmt.Sprint(e.Envelope.Meta["seq"]) != fmt.Sprint(seq) {
				t.Errorf("the watch tells %v, %v; a read tells %d", e, err, seq)
			}
			return r.ETag(), seq
		}
		refused := func(tag string) {
			t.Helper()
			c.Put(t, path, heat, apitest.IfMatch(tag)).WantProblem(t, 412, "precondition_failed")
			c.Post(t, path+":unpublish", nil, apitest.IfMatch(tag)).WantProblem(t, 412, "precondition_failed")
		}
		c.Post(t, "/v1/movies?id=p", heat).Want(t, 201)
		tag, seq := state()
		c.Patch(t, path+"?status=draft", apitest.MergePatch, `{"title":"two"}`).Want(t, 200)
		c.Post(t, path+":publish", whenBody(farOff)).Want(t, 200)
		c.Post(t, path+":publish", `{"at":null}`).Want(t, 200)
		if now, n := state(); now != tag || n != seq {
			t.Errorf("by drafts and schedules %s, %d became %s, %d", tag, seq, now, n)
		}
		refused(tag)
		when := inTime(func(id, when string) {
			if id == "it" {
				c.Post(t, path+":publish", whenBody(when)).Want(t, 200)
				c.Patch(t, path+"?status=draft", apitest.MergePatch, `{"title":"three"}`).Want(t, 200)
			}
		})
		unscheduled(t, c, path)
		doneAt(t, c, path, "published", when)
		other, later := state()
		if other == tag || later <= seq {
			t.Errorf("%s, %d became %s, %d", tag, seq, other, later)
		}
		refused(other)
		c.Post(t, path+":publish", nil).Want(t, 200)
		last, _ := state()
		c.Get(t, path).Want(t, 200).Equal(t, "/data/title", `"three"`)
		if last == other {
			t.Error("what is published now has the tag of before")
		}
	})
}
