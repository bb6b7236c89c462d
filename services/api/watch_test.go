package api_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/internal/apitest"
	"github.com/autocrud-go/autocrud/internal/testenv"
	"github.com/autocrud-go/autocrud/services/api"
)

// slowClient takes what a watch is sent when it is told to.
type slowClient struct {
	header http.Header
	take   chan struct{} // closed: takes everything
	mu     sync.Mutex
	text   strings.Builder
	sent   int // how often it was
}

func (c *slowClient) Header() http.Header             { return c.header }
func (c *slowClient) WriteHeader(int)                 {}
func (c *slowClient) SetReadDeadline(time.Time) error { return nil }
func (c *slowClient) SetWriteDeadline(time.Time) error {
	return nil
}

func (c *slowClient) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.Write(b)
}

func (c *slowClient) FlushError() error {
	c.mu.Lock()
	c.sent++
	c.mu.Unlock()
	<-c.take
	return nil
}

func (c *slowClient) got() (text string, sent int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String(), c.sent
}

// What happened while a watch was busy is sent to it at once: to send is what a
// watch costs.
func TestEventsThatAreAtHandAreSentTogether(t *testing.T) {
	s := testenv.Open(t, t.TempDir(), testenv.Types(t, "name: notes\nschema: {type: object, properties: {text: {type: string}}}\n"), testenv.StackOptions{Memory: true})
	h := api.New(s.Manager, api.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	c := &slowClient{header: http.Header{}, take: make(chan struct{})}
	var end sync.WaitGroup
	end.Go(func() {
		h.ServeHTTP(c, httptest.NewRequest("GET", "/v1/notes:watch?from_seq=0", nil).WithContext(ctx))
	})
	defer end.Wait()
	defer cancel()
	apitest.Eventually(t, 10*time.Second, "the watch says that it is there", func() bool { _, sent := c.got(); return sent == 1 })
	const events = 50
	for i := range events {
		r := httptest.NewRequest("POST", fmt.Sprintf("/v1/notes?id=n%d", i), strings.NewReader(`{"text":"x"}`))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != 201 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	close(c.take)
	var text string
	var sent int
	apitest.Eventually(t, 10*time.Second, "every event was told", func() bool {
		text, sent = c.got()
		return strings.Count(text, "\nevent: created\n") == events
	})
	at := 0
	for i := range events {
		n := strings.Index(text, fmt.Sprintf(`"id":"n%d"`, i))
		if n < at {
			t.Fatalf("event %d is not told after the one before it:\n%s", i, text)
		}
		at = n
	}
	// The events may come to the watch in a few portions, and the first are read
	// from the log.
	if sent > events/2 {
		t.Errorf("%d events were sent in %d pieces", events, sent)
	}
}
