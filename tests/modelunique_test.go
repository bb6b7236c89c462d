package tests_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
)

// seats is a model with some fields, of which some are unique.
func seats(unique []string) map[string]string {
	return map[string]string{"seats": "name: seats\nschema: {type: object, properties: {f0: {type: string}, f1: {type: string}, f2: {type: string}}}\n" +
		"index: [f0, f1, f2]\nunique: [" + strings.Join(unique, ", ") + "]\n"}
}

// TestANewUniqueHoldsOnEveryProcess: a process that starts with a new unique constraint
// while others write values twice is refused, and the model of before is in force again;
// or from then on no two live resources have one value, whichever process wrote them.
func TestANewUniqueHoldsOnEveryProcess(t *testing.T) {
	t.Parallel()
	s := startWithoutAPI(t, seats(nil))
	begin := func(unique []string) (*apitest.Client, *autocrud.Running, error) {
		in := apitest.As(s, "api")
		in.Addr, in.LogLevel, in.Models = "127.0.0.1:0", "error", apitest.WriteModels(t, with(seats(unique)))
		r, err := autocrud.New().Start(t.Context(), in)
		if err != nil {
			return nil, nil, err
		}
		return apitest.NewClient(t, r.URL), r, nil
	}
	began := time.Now()
	one, _, err := begin(nil)
	took := time.Since(began)
	if err != nil {
		t.Fatal(err)
	}
	other, _, err := begin(nil)
	if err != nil {
		t.Fatal(err)
	}
	var unique []string
	for round := range 3 {
		field := fmt.Sprint("f", round)
		var writers sync.WaitGroup
		begun := make(chan struct{})
		early := time.AfterFunc(took*time.Duration(4+3*round)/8, func() { close(begun) }) // about when the models are recorded
		for w, c := range []*apitest.Client{one, other} {
			writers.Go(func() {
				if w == 0 {
					<-begun
				}
				for i := range 20 {
					status := 503 // as a cluster under load may answer
					for status == 503 {
						status = c.Post(t, fmt.Sprintf("/v1/seats?id=%s-%d-%d", field, i, w), fmt.Sprintf(`{%q:"v%d"}`, field, i)).Status
					}
					if status != 201 && status != 409 {
						t.Errorf("a write is answered %d", status)
					}
				}
			})
		}
		if round == 2 && early.Stop() { // after all have the constraint
			early = nil
		}
		asked, running, err := begin(append(unique, field))
		if early == nil {
			close(begun)
		}
		writers.Wait()
		if err != nil {
			eventually(t, "the model of before", func() bool {
				return !strings.Contains(fmt.Sprint(one.Get(t, "/v1/types/seats").Value("/unique")), field)
			})
			c := apitest.NewClient(t, one.URL)
			for range 2 {
				c.Post(t, "/v1/seats", fmt.Sprintf(`{%q:"after"}`, field)).Want(t, 201)
			}
			t.Logf("%s: refused: %.60s", field, err)
			continue
		}
		unique = append(unique, field)
		held := map[any]bool{}
		for _, x := range asked.Get(t, "/v1/seats?page_size=1000&consistency=strong&filter="+query("NOT isNull("+field+")")).Want(t, 200).Items() {
			value := x.(map[string]any)["data"].(map[string]any)[field]
			if held[value] {
				t.Errorf("%s is unique, and %v is there twice", field, value)
			}
			held[value] = true
		}
		if len(held) != 20 {
			t.Errorf("%s: %d of 20 values are there", field, len(held))
		}
		verifyClean(t, asked)
		if err := running.Stop(); err != nil {
			t.Error(err)
		}
	}
}
