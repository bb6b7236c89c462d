package tests_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/internal/apitest"
)

// resident is the memory of a process in KiB, as the kernel counts it.
func resident(t testing.TB, pid int) (kib int) {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "VmRSS:")
	if _, err := fmt.Sscan(rest, &kib); err != nil {
		t.Fatal(err)
	}
	return kib
}

func TestAnIdleAPITakesLittleMemory(t *testing.T) {
	t.Parallel()
	s := newServices(t)
	args := append([]string{"indexer", "--addr", "127.0.0.1:0", "--models", apitest.WriteModels(t, models)}, s.args...)
	apitest.LaunchService(t, args...)
	args[0] = "api"
	p := apitest.LaunchService(t, args...)
	c := apitest.NewClient(t, p.URL)
	for i := range 200 {
		c.Post(t, fmt.Sprintf("/v1/notes?id=n%d", i), `{"text":"x"}`).Want(t, 201)
	}
	c.Get(t, "/v1/notes").Want(t, 200)
	apitest.Eventually(t, time.Minute, "it takes less than 60 MB", func() bool { return resident(t, p.PID()) < 60_000 })
	t.Logf("%d KiB", resident(t, p.PID()))
}
