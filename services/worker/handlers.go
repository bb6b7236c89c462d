package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/autocrud-go/autocrud/pkg/job"
)

// maxOutput is the most bytes taken of a handler's result or error output.
const maxOutput = 1 << 20

// httpHandler posts the envelope. 2xx is done, with the body as the result; 4xx
// will not get better, except those that say so.
func httpHandler(url string) Handler {
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return func(ctx context.Context, c *job.Attempt) (json.RawMessage, error) {
		e, err := c.Envelope()
		if err != nil {
			return nil, err
		}
		body := fmt.Sprintf(`{"data":%s,"meta":%s,"revision":%s}`, e.Data, e.Meta, e.Revision)
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
		if err != nil {
			return nil, job.Fail(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Autocrud-Job-Attempt", strconv.Itoa(c.Claim.Attempt))
		req.Header.Set("Idempotency-Key", c.ID)
		resp, err := send(client, req)
		if err != nil {
			return nil, fmt.Errorf("the handler did not answer: %w", err)
		}
		defer resp.Body.Close()
		answer, err := io.ReadAll(io.LimitReader(resp.Body, maxOutput+1))
		if err != nil {
			return nil, fmt.Errorf("the handler's answer ended early: %w", err)
		}
		if resp.StatusCode >= 200 && resp.StatusCode < 300 {
			return asResult(answer)
		}
		err = fmt.Errorf("the handler answered %s: %s", resp.Status, excerpt(answer))
		if after, ok := retryAfter(resp.Header.Get("Retry-After")); ok {
			return nil, job.RetryAfter(after, err)
		}
		switch code := resp.StatusCode; {
		case code == http.StatusRequestTimeout, code == http.StatusTooEarly, code == http.StatusTooManyRequests:
		case code >= 400 && code < 500:
			return nil, job.Fail(err)
		}
		return nil, err
	}
}

// retryAfter reads seconds or a date (RFC 9110 section 10.2.3).
func retryAfter(h string) (time.Duration, bool) {
	if n, err := strconv.Atoi(h); err == nil && n >= 0 {
		return time.Duration(min(n, 30*24*3600)) * time.Second, true
	}
	if t, err := http.ParseTime(h); err == nil {
		return max(time.Until(t), 0), true
	}
	return 0, false
}

func excerpt(b []byte) string {
	s := strings.TrimSpace(strings.ToValidUTF8(string(b), "?"))
	if len(s) > 500 {
		s = "... " + strings.ToValidUTF8(s[len(s)-500:], "")
	}
	return s
}
