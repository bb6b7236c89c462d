package natslog

import (
	"fmt"
	"log/slog"
	"strings"

	"github.com/nats-io/nats-server/v2/server"
)

// complaints passes on what the embedded server finds wrong and drops the rest.
type complaints struct{ l *slog.Logger }

var _ server.Logger = complaints{}

// usual are complaints that a crash leads to, and that start checks settle, and one
// about the passwords that are made for this process alone.
var usual = []string{"Plaintext passwords detected", "Stream state outdated", "Stream state detected prior state"}

// Warnf implements server.Logger.
func (c complaints) Warnf(format string, v ...any) {
	text := strings.TrimSpace(fmt.Sprintf(format, v...))
	for _, u := range usual {
		if strings.Contains(text, u) {
			c.l.Debug("the embedded NATS server says", "message", text)
			return
		}
	}
	c.l.Warn("the embedded NATS server warns", "message", text)
}

// Errorf implements server.Logger.
func (c complaints) Errorf(format string, v ...any) {
	c.l.Error("the embedded NATS server reports an error", "message", strings.TrimSpace(fmt.Sprintf(format, v...)))
}

// Fatalf implements server.Logger. It does not end the program: what the server
// cannot do is found out by asking it.
func (c complaints) Fatalf(format string, v ...any) { c.Errorf(format, v...) }

// Noticef implements server.Logger.
func (complaints) Noticef(string, ...any) {}

// Debugf implements server.Logger.
func (complaints) Debugf(string, ...any) {}

// Tracef implements server.Logger.
func (complaints) Tracef(string, ...any) {}
