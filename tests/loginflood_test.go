package tests_test

import (
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
)

// Attempts are limited by person, whether there is one or not, and by address.
func TestAttemptsToSignInAreLimited(t *testing.T) {
	t.Parallel()
	admin, _ := peopled(t, autocrud.Settings{Storage: "memory", TrustedProxies: []string{"127.0.0.1"}})
	nobody := admin.As("")
	from := func(address string) apitest.Option { return apitest.Header("X-Forwarded-For", address) }
	for _, email := range []string{"ann@example.com", "nobody@example.com"} {
		limited := limitedOf(t, nobody, 14, func(i int) (any, apitest.Option) {
			return login(email, "not the password"), from(fmt.Sprintf("192.0.2.%d", i))
		})
		if limited < 2 || limited == 14 { // those of many addresses share a limit too
			t.Errorf("%s: %d of 14 attempts are limited", email, limited)
		}
	}
	limited := limitedOf(t, nobody, 25, func(i int) (any, apitest.Option) {
		return login(fmt.Sprintf("user%d@example.com", i), "x"), from("198.51.100.1")
	})
	if limited < 3 {
		t.Errorf("%d of 25 attempts of an address are limited", limited)
	}
}

// limitedOf is how many of some attempts to sign in are answered 429. They are made at
// once: more are allowed as time goes by, and a password takes long to try.
func limitedOf(t *testing.T, c *apitest.Client, n int, attempt func(i int) (body any, from apitest.Option)) int {
	t.Helper()
	var limited atomic.Int32
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			body, from := attempt(i)
			if c.Post(t, "/auth/login", body, from).Status == 429 {
				limited.Add(1)
			}
		})
	}
	wg.Wait()
	return int(limited.Load())
}

// However many wrong passwords come from a hundred addresses, for one person or another
// one each time, so few are hashed that other requests are answered as before and memory
// stays what it was; and the person whom they are about signs in from another address.
// AUTOCRUD_TEST_LOGINS is how many.
func TestAFloodOfWrongPasswordsIsLimited(t *testing.T) {
	attempts := max(envInt("AUTOCRUD_TEST_LOGINS"), 400)
	admin, _ := peopled(t, autocrud.Settings{Storage: "memory", TrustedProxies: []string{"127.0.0.1"}})
	admin.Post(t, "/v1/films?id=f", `{"title":"Heat"}`).Want(t, 201)
	reads := func(until <-chan struct{}, atLeast int) (took []time.Duration) {
		for {
			select {
			case <-until:
				if len(took) >= atLeast {
					slices.Sort(took)
					return took
				}
			default:
			}
			begun := time.Now()
			admin.Get(t, "/v1/films/f").Want(t, 200)
			took = append(took, time.Since(begun))
		}
	}
	ended := make(chan struct{})
	close(ended)
	before := p99(reads(ended, 300))
	var at runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&at)
	heap := at.HeapAlloc

	done, todo, insistent := make(chan struct{}), make(chan int), make(chan struct{})
	var mu sync.Mutex
	status := map[int]int{}
	var wg sync.WaitGroup
	begun := time.Now()
	for range 16 {
		wg.Go(func() {
			for i := range todo {
				got, err := wrongPassword(admin.URL, i)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				status[got]++
				mu.Unlock()
			}
		})
	}
	var person sync.WaitGroup
	person.Go(func() {
		<-insistent
		begun := time.Now()
		for n := 1; ; n++ {
			r := admin.As("").Post(t, "/auth/login", login("ann@example.com", annsPassword), apitest.Header("X-Forwarded-For", "198.51.100.7"))
			if r.Status == 200 {
				t.Logf("the person signs in at attempt %d, after %v", n, time.Since(begun))
				return
			}
			wait, err := strconv.Atoi(r.Header.Get("Retry-After"))
			if r.Status != 429 || err != nil || n == 3 {
				t.Errorf("attempt %d of the person is %d %s", n, r.Status, r.Body)
				return
			}
			<-time.After(time.Duration(wait) * time.Second) // as it is told
		}
	})
	go func() {
		for i := range attempts {
			if i == 350 { // each address tried more often than a person does
				close(insistent)
			}
			todo <- i
		}
		close(todo)
		person.Wait()
		wg.Wait()
		close(done)
	}()
	during := p99(reads(done, 100))
	took := time.Since(begun)
	runtime.GC()
	runtime.ReadMemStats(&at)
	t.Logf("%d attempts: %v; p99 of reads %v, during it %v; heap %d KiB, then %d KiB", attempts, status, before, during, heap>>10, at.HeapAlloc>>10)
	if status[401]+status[429] != attempts || status[429] < attempts/2 {
		t.Errorf("%d attempts are answered %v", attempts, status)
	}
	if most := 40 + int(5*took.Seconds()); status[401] > most {
		t.Errorf("%d passwords are hashed in %v, want at most %d", status[401], took, most)
	}
	if during > 2*before+250*time.Millisecond { // a machine that others share
		t.Errorf("reads take %v, before %v", during, before)
	}
	if at.HeapAlloc > heap+64<<20 {
		t.Errorf("the heap has %d MiB, before %d MiB", at.HeapAlloc>>20, heap>>20)
	}
}

func p99(sorted []time.Duration) time.Duration { return sorted[len(sorted)*99/100] }

// wrongPassword tries one from one of a hundred addresses: half of them for ann, and half
// for a person each.
func wrongPassword(url string, i int) (status int, err error) {
	email := "ann@example.com"
	if i%2 == 0 {
		email = fmt.Sprintf("user%d@example.com", i)
	}
	body := fmt.Sprintf(`{"email":%q,"password":"not the password %d"}`, email, i)
	r, err := http.NewRequest(http.MethodPost, url+"/auth/login", strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Forwarded-For", fmt.Sprintf("192.0.2.%d", i%100))
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}
