package wiring

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// front takes requests. It leaves in an order in which no request is lost:
// first it says that it is not ready and asks its clients to connect elsewhere,
// and goes on answering for as long as it takes until no one sends it more;
// then it takes no more connections and finishes what is under way.
type front struct {
	set         *Settings
	logger      *slog.Logger
	certificate *certificate // nil: no TLS
	leaving     atomic.Bool
}

func (f *front) scheme() string {
	if f.certificate != nil {
		return "https"
	}
	return "http"
}

const (
	// drain is how long delay and requests under way may take together.
	drain = 8500 * time.Millisecond
	// maxDrainDelay leaves requests some of it.
	maxDrainDelay = 6 * time.Second
)

// serve answers requests until it is interrupted.
func (f *front) serve(l net.Listener, h http.Handler) (func() error, func(error)) {
	srv := &http.Server{Handler: healthOnly(f.closing(h)), ConnContext: markSpare, ReadHeaderTimeout: f.set.HeaderTimeout, ReadTimeout: f.set.BodyTimeout,
		WriteTimeout: 2 * time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: f.set.MaxHeaderBytes,
		ErrorLog: slog.NewLogLogger(f.logger.Handler(), slog.LevelDebug)} // of connections that fail: any client can make those
	serve := func() error { return srv.Serve(l) }
	if f.certificate != nil {
		srv.TLSConfig = f.certificate.config()
		serve = func() error { return srv.ServeTLS(l, "", "") }
	}
	if e, ok := h.(interface{ End() }); ok {
		srv.RegisterOnShutdown(e.End)
	}
	return func() error {
			if err := serve(); !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		}, func(error) {
			ctx, cancel := context.WithTimeout(context.Background(), drain)
			defer cancel()
			f.leaving.Store(true)
			time.Sleep(f.set.DrainDelay)
			if srv.Shutdown(ctx) != nil {
				srv.Close()
			}
		}
}

// closing ends connections with an answer, once it is leaving: one that is closed
// while it is idle may just be taking the next request. It also ends those of a
// chunked request: with a Content-Length besides, that must be (RFC 9112 section
// 6.1), and net/http does not tell the two apart.
func (f *front) closing(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f.leaving.Load() || len(r.TransferEncoding) > 0 {
			w.Header().Set("Connection", "close")
		}
		h.ServeHTTP(w, r)
	})
}
