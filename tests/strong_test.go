package tests_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/internal/apitest"
)

// TestStrongFindsWhatTheOtherAPIAcknowledged: one of two API processes writes and
// the other is asked at once. A strong search finds every write that was
// acknowledged before it began; so does one with min_seq.
// AUTOCRUD_TEST_PAIRS=100000 is the number of pairs.
func TestStrongFindsWhatTheOtherAPIAcknowledged(t *testing.T) {
	pairs := 300
	if s := os.Getenv("AUTOCRUD_TEST_PAIRS"); s != "" {
		var err error
		if pairs, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	s := startWithoutAPI(t, nil)
	env := apitest.Environment(apitest.As(s, "api"))
	var apis [2]string
	for i := range apis {
		apis[i] = apitest.LaunchWith(t, env, "api", "--addr", "127.0.0.1:0").URL
	}
	const clients = 32
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: clients}}
	count := func(at, name, freshness string) (int, error) {
		resp, err := client.Get(at + "/v1/studios:count?filter=" + url.QueryEscape(fmt.Sprintf("name = %q", name)) + "&" + freshness)
		if err != nil {
			return 0, err
		}
		defer resp.Body.Close()
		var answer struct{ Count int }
		body, err := io.ReadAll(resp.Body)
		if err == nil && resp.StatusCode != http.StatusOK {
			err = fmt.Errorf("count with %s: %d %s", freshness, resp.StatusCode, body)
		}
		if err != nil {
			return 0, err
		}
		err = json.Unmarshal(body, &answer)
		return answer.Count, err
	}
	var missed, early atomic.Int64
	pair := func(i int) error {
		name := fmt.Sprint("pair ", i)
		resp, err := client.Post(apis[i%2]+"/v1/studios", apitest.JSON, strings.NewReader(fmt.Sprintf(`{"name":%q}`, name)))
		if err != nil {
			return err
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusCreated {
			return fmt.Errorf("create %d: %d", i, resp.StatusCode)
		}
		other := apis[1-i%2]
		n, err := count(other, name, "consistency=eventual")
		if err != nil {
			return err
		}
		if n == 0 {
			early.Add(1)
		}
		freshness := "consistency=strong"
		if i%3 == 0 {
			freshness = "min_seq=" + resp.Header.Get("Autocrud-Seq")
		}
		if n, err = count(other, name, freshness); err == nil && n != 1 {
			missed.Add(1)
			err = fmt.Errorf("%s by %s: found %d", name, freshness, n)
		}
		return err
	}
	begun := time.Now()
	var all sync.WaitGroup
	for c := range clients {
		all.Go(func() {
			for i := c; i < pairs; i += clients {
				if err := pair(i); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	t.Logf("%d pairs in %s: %d missed; %d would have been without waiting", pairs, time.Since(begun).Round(time.Millisecond), missed.Load(), early.Load())
	if early.Load() == 0 {
		t.Error("an eventual search never came too early: the waiting was not tried")
	}
}
