package wiring

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// front takes requests. It leaves in an order in which nobody's request is lost:
// first it says that it is not ready and asks its clients to connect elsewhere,
// and goes on answering for as long as it takes until no one sends it more;
// then it takes no more connections and finishes what is under way.
type front struct {
	delay   time.Duration // from not being ready to taking no more connections
	leaving atomic.Bool
}

const (
	// drain is how long delay and requests under way may take together.
	drain = 8500 * time.Millisecond
	// maxDrainDelay leaves requests some of it.
	maxDrainDelay = 6 * time.Second
)

// serve answers requests until it is interrupted.
func (f *front) serve(l net.Listener, h http.Handler) (func() error, func(error)) {
	srv := &http.Server{Handler: f.closing(h), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 2 * time.Minute,
		WriteTimeout: 2 * time.Minute, IdleTimeout: 2 * time.Minute}
	if e, ok := h.(interface{ End() }); ok {
		srv.RegisterOnShutdown(e.End)
	}
	return func() error {
			if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		}, func(error) {
			ctx, cancel := context.WithTimeout(context.Background(), drain)
			defer cancel()
			f.leaving.Store(true)
			time.Sleep(f.delay)
			if srv.Shutdown(ctx) != nil {
				srv.Close()
			}
		}
}

// closing ends connections with an answer, once it is leaving: one that is closed
// while it is idle may just be taking the next request.
func (f *front) closing(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f.leaving.Load() {
			w.Header().Set("Connection", "close")
		}
		h.ServeHTTP(w, r)
	})
}
