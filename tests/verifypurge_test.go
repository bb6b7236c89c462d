package tests_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/internal/apitest"
)

// TestVerifyDuringALongPurgeFindsNothing: what is being erased is no difference,
// whatever is made under the id meanwhile.
func TestVerifyDuringALongPurgeFindsNothing(t *testing.T) {
	each(t, func(t *testing.T, c *apitest.Client) {
		const revisions = 150 // more than a purge erases before it answers
		note := func(i, size int) string {
			return fmt.Sprintf(`{"title":"T","year":%d,"note":"%s"}`, 1900+i%100, strings.Repeat("x", size))
		}
		for _, x := range []struct {
			name string
			size int // of the content: what is long is beside the event
			then func(path string)
		}{
			{"OfSmallContent", 1, nil},
			{"OfContentBesideTheLog", 40 << 10, nil},
			{"OfAnIdThatIsUsedAgain", 1, func(path string) { c.Put(t, path, note(0, 2), apitest.Header("If-None-Match", "*")).Want(t, 201) }},
			{"OfLongContentWhoseIdIsUsedAgain", 40 << 10, func(path string) {
				c.Put(t, path, note(0, 2), apitest.Header("If-None-Match", "*")).Want(t, 201)
				c.Put(t, path, note(1, 2)).Want(t, 200)
			}},
		} {
			t.Run(x.name, func(t *testing.T) {
				path := "/v1/movies/" + strings.ToLower(x.name)
				c.Put(t, path, note(0, x.size), apitest.Header("If-None-Match", "*")).Want(t, 201)
				for i := range revisions {
					c.Put(t, path, note(i+1, x.size)).Want(t, 200)
				}
				r := c.Post(t, path+":purge", `{}`).Want(t, 202)
				if x.then != nil {
					x.then(path)
				}
				apitest.Eventually(t, time.Minute, "the purge is over", func() bool {
					if v := c.Post(t, "/v1:verify", nil).Want(t, 200); v.Text("/findings/0/problem") != "" {
						t.Fatalf("verify: %.2000s", v.Body)
					}
					return c.Get(t, "/v1/bulk-jobs/"+r.Text("/meta/id")).Want(t, 200).Text("/meta/job/state") == "succeeded"
				})
			})
		}
	})
}
