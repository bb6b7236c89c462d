package cli

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

type healthCmd struct {
	URL     string        `default:"http://127.0.0.1:8080" help:"Address of the service."`
	Live    bool          `help:"Ask whether it lives instead of whether it is ready."`
	Timeout time.Duration `default:"3s" help:"How long it may take to answer."`
}

// Run asks once.
func (c *healthCmd) Run(e *env) error {
	path := "/readyz"
	if c.Live {
		path = "/livez"
	}
	client := &http.Client{Timeout: c.Timeout}
	if u, err := url.Parse(c.URL); err == nil && net.ParseIP(u.Hostname()).IsLoopback() {
		// The certificate is for the name that others use. Nothing is sent here
		// that is worth a lie, and nothing is in between.
		client.Transport = &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}}
	}
	resp, err := client.Get(strings.TrimRight(c.URL, "/") + path)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", path, resp.Status)
	}
	_, err = fmt.Fprintln(e.Out, "ok")
	return err
}
