package tests_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/internal/apitest"
)

// TestWebhooksAreNotToldWhatWasPruned: a replay from before the pruning tells of every
// event, of those whose revision is kept with its content.
func TestWebhooksAreNotToldWhatWasPruned(t *testing.T) {
	t.Parallel()
	s := local(apitest.S3(t))
	s.Models = apitest.WriteModels(t, with(kept("{revisions: 2}")))
	c := apitest.Start(t, nil, s)
	r := newReceiver(t)
	id := hookTo(t, c, r, `,"ordered":true,"types":["pages"]`).Text("/meta/id")
	c.Post(t, "/v1/webhooks/"+id+":pause", nil).Want(t, 200)
	c.Put(t, "/v1/pages/a", `{"text":"secret-1"}`, apitest.Header("If-None-Match", "*")).Want(t, 201)
	for n := 2; n <= 5; n++ {
		c.Put(t, "/v1/pages/a", fmt.Sprintf(`{"text":"secret-%d"}`, n)).Want(t, 200)
	}
	apitest.Eventually(t, time.Minute, "three revisions are pruned", func() bool {
		return fmt.Sprint(revisionsOf(t, c, "/v1/pages/a")) == "[5 4]"
	})
	c.Post(t, "/v1/webhooks/"+id+":resume", nil).Want(t, 200)
	all := r.wait(t, 5)
	c.Post(t, "/v1/webhooks/"+id+":replay", `{"from_seq":0}`).Want(t, 200)
	all = append(all[:5:5], r.wait(t, 10)[5:]...)
	for i, x := range all {
		n := i%5 + 1
		if data := string(x.body); strings.Contains(data, fmt.Sprintf("secret-%d", n)) != (n >= 4) || !strings.Contains(data, fmt.Sprintf(`"number":%d`, n)) {
			t.Errorf("delivery %d is %s", i, x.body)
		}
	}
}

// TestALogOfPrunedRevisionsIsRebuilt: the archive says what was pruned, and holds none
// of it.
func TestALogOfPrunedRevisionsIsRebuilt(t *testing.T) {
	t.Parallel()
	s := apitest.S3(t)
	s.Models, s.Addr, s.LogLevel = apitest.WriteModels(t, with(kept("{revisions: 2}"))), "127.0.0.1:0", "error"
	bucket := filepath.Join(apitest.S3Dir(t), s.S3Bucket)
	history := 0
	serving(t, s, func(c *apitest.Client) {
		c.Put(t, "/v1/pages/a", `{"text":"secret-1"}`, apitest.Header("If-None-Match", "*")).Want(t, 201)
		for n := 2; n <= 5; n++ {
			c.Put(t, "/v1/pages/a", fmt.Sprintf(`{"text":"secret-%d"}`, n)).Want(t, 200)
		}
		apitest.Eventually(t, time.Minute, "three revisions are pruned", func() bool {
			return fmt.Sprint(revisionsOf(t, c, "/v1/pages/a")) == "[5 4]"
		})
		apitest.Eventually(t, time.Minute, "nothing of them is left", func() bool {
			return len(leftBehind(t, regexp.MustCompile(`secret-[123]`), func(string) bool { return false }, s.DataDir, bucket)) == 0
		})
		history = len(everyItem(t, c, "/v1/pages/a/history?page_size=100"))
		archivedUpTo(t, bucket, c.LogSeq(t, "pages"))
	})
	if err := os.RemoveAll(filepath.Join(s.DataDir, "nats")); err != nil {
		t.Fatal(err)
	}
	ok(t, "", append([]string{"rebuild-log"}, flags(s)...)...)
	serving(t, s, func(c *apitest.Client) {
		if got := fmt.Sprint(revisionsOf(t, c, "/v1/pages/a")); got != "[5 4]" {
			t.Errorf("rebuilt, it has the revisions %s", got)
		}
		if h := len(everyItem(t, c, "/v1/pages/a/history?page_size=100")); h != history || h != 5 {
			t.Errorf("rebuilt, the history has %d entries, it had %d", h, history)
		}
		c.Get(t, "/v1/pages/a/revisions/2").WantProblem(t, 410, "pruned")
		c.Put(t, "/v1/pages/a", `{"text":"secret-6"}`).Want(t, 200)
		apitest.Eventually(t, time.Minute, "it is pruned on", func() bool {
			return fmt.Sprint(revisionsOf(t, c, "/v1/pages/a")) == "[6 5]"
		})
		verified(t, c)
	})
}
