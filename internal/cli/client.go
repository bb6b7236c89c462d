package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/autocrud-go/autocrud/internal/cli/resources"
)

// server is where import and export talk to.
type server struct {
	URL   string `default:"http://127.0.0.1:8080" help:"Address of the running server."`
	Token string `help:"Credential, if the server asks for one."`
}

// Connect is the same for completion.
func (s *server) Connect() resources.Connection {
	return resources.Connection{URL: s.URL, Token: s.Token}
}

// answer of a request; a problem is kept as text.
type answer struct {
	status int
	body   []byte
}

// problem is the server's explanation, in one line.
func (a answer) problem() string {
	var p struct {
		Detail string `json:"detail"`
		Errors []struct {
			Pointer string `json:"pointer"`
			Detail  string `json:"detail"`
		} `json:"errors"`
	}
	if json.Unmarshal(a.body, &p) != nil || p.Detail == "" {
		return http.StatusText(a.status)
	}
	text := p.Detail
	if a.status == http.StatusUnauthorized {
		text += "; --token, or AUTOCRUD_TOKEN, gives one to this command"
	}
	for i, e := range p.Errors {
		if i == 3 {
			text += "; ..."
			break
		}
		text += fmt.Sprintf("; %s %s", e.Pointer, e.Detail)
	}
	return text
}

var client = &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 64, Proxy: http.ProxyFromEnvironment}}

// tries is how often a request is sent while the server is away or busy.
const tries = 8

// do sends a request that may be repeated, and repeats it while the server does
// not answer or asks for patience.
func (s server) do(ctx context.Context, method, path string, header map[string]string, body []byte) (answer, error) {
	var last error
	for try := range tries {
		if try > 0 {
			t := time.NewTimer(min(time.Duration(1<<try)*50*time.Millisecond, 3*time.Second))
			select {
			case <-t.C:
			case <-ctx.Done():
				t.Stop()
				return answer{}, ctx.Err()
			}
		}
		a, err := s.once(ctx, method, path, header, body)
		if err == nil && a.status != http.StatusServiceUnavailable && a.status != http.StatusTooManyRequests {
			return a, nil
		}
		if last = err; err == nil {
			last = fmt.Errorf("the server answered %d: %s", a.status, a.problem())
		}
		if ctx.Err() != nil {
			return answer{}, ctx.Err()
		}
	}
	return answer{}, fmt.Errorf("%s: %w", s.URL, last)
}

func (s server) once(ctx context.Context, method, path string, header map[string]string, body []byte) (answer, error) {
	return s.with(ctx, client, method, path, header, body)
}

func (s server) with(ctx context.Context, client *http.Client, method, path string, header map[string]string, body []byte) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(s.URL, "/")+path, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if s.Token != "" {
		req.Header.Set("Authorization", "Bearer "+s.Token)
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	resp, err := client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, b}, err
}

// patient waits for what looks at everything.
var patient = &http.Client{Timeout: 30 * time.Minute}

// long sends a request that may take minutes, once.
func (s server) long(ctx context.Context, path string) (answer, error) {
	return s.with(ctx, patient, http.MethodPost, path, nil, nil)
}
