package deploy_test

import (
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.yaml.in/yaml/v3"

	"github.com/autocrud-go/autocrud/internal/apitest"
	"github.com/autocrud-go/autocrud/internal/testenv"
)

// composed is what is read of docker-compose.yml here; deploy/test reads it as
// compose does.
type composed struct {
	Services map[string]struct {
		Command     []string
		Environment map[string]string
	}
}

var variable = regexp.MustCompile(`\$\{([A-Z0-9_]+)(:\?[^}]*|:-([^}]*))?\}`)

func readCompose(t *testing.T, env map[string]string) (c composed) {
	t.Helper()
	b, err := os.ReadFile("../docker-compose.yml")
	if err != nil {
		t.Fatal(err)
	}
	text := variable.ReplaceAllStringFunc(string(b), func(s string) string {
		m := variable.FindStringSubmatch(s)
		if v, ok := env[m[1]]; ok {
			return v
		}
		if !strings.HasPrefix(m[2], ":-") {
			t.Fatalf("%s has no value", m[1])
		}
		return m[3]
	})
	if err := yaml.Unmarshal([]byte(text), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestServicesStartAsComposeStartsThem runs each service's command line with its
// environment as a plain process, against NATS with the shipped configuration,
// Postgres and S3. Only where those are is replaced.
func TestServicesStartAsComposeStartsThem(t *testing.T) {
	nats := runNATS(t, nil)
	s := apitest.Postgres(t)
	key := "the-admin-key-that-make-up-puts-into-.env"
	env := map[string]string{"AUTOCRUD_ADMIN_KEY": key, "S3_ACCESS_KEY": s.S3AccessKey, "S3_SECRET_KEY": s.S3SecretKey, "POSTGRES_PASSWORD": "x", "AUTOCRUD_VOLUMES": "/volumes", "AUTOCRUD_AUTH": "required"}
	for _, user := range []string{"PROVISION", "API", "INDEXER", "WORKER", "RECOVERY", "HOOK"} {
		env["NATS_"+user+"_PASSWORD"] = testenv.Password
	}
	c := readCompose(t, env)
	settings := func(service string) (out []string) {
		places := strings.NewReplacer("nats://nats:4222", nats.ClientURL(), "s3:7070", s.S3Endpoint, "0.0.0.0:8080", "127.0.0.1:0", "/models", "../examples/quickstart/models")
		for name, value := range c.Services[service].Environment {
			switch name {
			case "AUTOCRUD_POSTGRES_URL":
				value = s.PostgresURL
			case "AUTOCRUD_S3_BUCKET":
				value = s.S3Bucket
			case "AUTOCRUD_MODELS":
				dir, err := os.Getwd()
				if err != nil {
					t.Fatal(err)
				}
				value = dir + "/" + places.Replace(value)
			default:
				value = places.Replace(value)
			}
			out = append(out, name+"="+value)
		}
		return out
	}
	provisioned := apitest.RunWith(t, settings("provision"), c.Services["provision"].Command...)
	if provisioned.Code != 0 || strings.Contains(provisioned.Stderr, "aca_") {
		t.Fatalf("provision: exit %d: %s", provisioned.Code, provisioned.Stderr)
	}
	urls := map[string]string{}
	for _, service := range []string{"indexer", "worker", "api"} {
		p := apitest.LaunchWith(t, settings(service), c.Services[service].Command...)
		urls[service] = p.URL
		t.Cleanup(func() {
			if code, _ := p.Terminate(t, 10*time.Second); code != 0 {
				t.Errorf("the %s ended with %d", service, code)
			}
		})
	}
	for service, url := range urls {
		var r apitest.Result
		for end := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			if r = apitest.Run(t, "", "health", "--url", url); r.Code == 0 || time.Now().After(end) {
				break
			}
		}
		if r.Code != 0 {
			t.Errorf("the %s does not get ready: %s", service, r.Stderr)
		}
	}
	api := apitest.NewClient(t, urls["api"])
	api.Get(t, "/v1/elements").WantProblem(t, http.StatusUnauthorized, "unauthenticated")
	api = api.As(key)
	api.Post(t, "/v1/elements?id=Xx", map[string]any{"symbol": "Xx", "name": "testium", "number": 118, "period": 7}).Want(t, http.StatusCreated)
	if items := api.Get(t, `/v1/elements?consistency=strong&filter=symbol%20%3D%20%22Xx%22`).Want(t, http.StatusOK).Items(); len(items) != 1 {
		t.Errorf("%d are found", len(items))
	}
	hook := connect(t, nats, "hook")
	events, err := hook.js.OrderedConsumer(t.Context(), "AC_MAIN_EVENTS", jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if m, err := events.Next(jetstream.FetchMaxWait(20 * time.Second)); err != nil || m.Subject() != "ac.main.event.elements.created.Xx" {
		t.Errorf("a subscriber hears %v, %v", m, err)
	}
	// A purge is carried out by the worker, the only one that may.
	api.Do(t, "POST", "/v1/elements/Xx:purge", nil).Want(t, http.StatusNoContent)
}
