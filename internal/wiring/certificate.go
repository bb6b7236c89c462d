package wiring

import (
	"crypto/tls"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// certificate is a key pair in two files, which may be replaced while it is used:
// connections that are open go on, new ones get the new pair.
type certificate struct {
	cert, key string
	logger    *slog.Logger

	mu      sync.Mutex
	pair    *tls.Certificate
	read    [2]fs.FileInfo // the files that pair was read from
	tried   [2]fs.FileInfo // the files that were tried last
	checked time.Time
}

// certificateCheck is how often the files are looked at, at most.
const certificateCheck = time.Second

// openCertificate reads a pair; nil without one.
func openCertificate(set *Settings, logger *slog.Logger, r *prometheus.Registry) (*certificate, error) {
	if set.TLSCert == "" {
		return nil, nil
	}
	c := &certificate{cert: set.TLSCert, key: set.TLSKey, logger: logger}
	files, err := c.stat()
	if err == nil {
		err = c.load(files)
	}
	if err != nil {
		return nil, wrong("--tls-cert and --tls-key cannot be used: %v", err)
	}
	r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "autocrud_tls_certificate_expires_timestamp_seconds",
		Help: "When the certificate in use ends, in Unix time."}, func() float64 {
		pair, err := c.get(nil)
		if err != nil || pair.Leaf == nil {
			return 0
		}
		return float64(pair.Leaf.NotAfter.Unix())
	}))
	return c, nil
}

// config is for a server. What is older than TLS 1.2 is refused.
func (c *certificate) config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get}
}

func (c *certificate) stat() (files [2]fs.FileInfo, err error) {
	for i, name := range []string{c.cert, c.key} {
		if files[i], err = os.Stat(name); err != nil {
			return files, err
		}
	}
	return files, nil
}

func same(a, b [2]fs.FileInfo) bool {
	for i := range a {
		if a[i] == nil || b[i] == nil || !os.SameFile(a[i], b[i]) || !a[i].ModTime().Equal(b[i].ModTime()) || a[i].Size() != b[i].Size() {
			return false
		}
	}
	return true
}

func (c *certificate) load(files [2]fs.FileInfo) error {
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return err
	}
	if now := time.Now(); now.After(pair.Leaf.NotAfter) {
		c.logger.Warn("the certificate has expired", "file", c.cert, "expired", pair.Leaf.NotAfter)
	}
	c.pair, c.read = &pair, files
	return nil
}

// get is the pair of the files as they are, or were a second ago. A pair that does
// not fit, as when one file is replaced before the other, is tried again, and the
// one before it goes on.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.checked) < certificateCheck {
		return c.pair, nil
	}
	c.checked = time.Now()
	files, err := c.stat()
	if err == nil && same(files, c.read) {
		return c.pair, nil
	}
	if err == nil {
		if err = c.load(files); err == nil {
			c.logger.Info("the certificate was replaced", "file", c.cert, "expires", c.pair.Leaf.NotAfter)
			return c.pair, nil
		}
	}
	if !same(files, c.tried) {
		c.tried = files
		c.logger.Error("the new certificate cannot be used; the one before it goes on", "error", fmt.Sprint(err))
	}
	return c.pair, nil
}
