package api

import (
	"net/http"

	"github.com/go-chi/chi/v5"
)

// Health serves how a process without an API is: whether it lives, whether it
// does its work, and its metrics.
func Health(o Options) http.Handler {
	a := &API{o: o, metrics: &metrics{page: metricsPage(o.Registry)}}
	r := chi.NewRouter()
	a.serve(r, healthOperations)
	return r
}

func tellAlive(_ *API, c call) error {
	plain(c.w, http.StatusOK, "ok\n")
	return nil
}

func tellReady(a *API, c call) error {
	if a.o.Ready != nil {
		if err := a.o.Ready(c.r.Context()); err != nil {
			c.w.Header().Set("Retry-After", "1")
			writeProblem(c.w, asProblem(err)) // asked for every second: not worth a line of the log
			return nil
		}
	}
	plain(c.w, http.StatusOK, "ready\n")
	return nil
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}
