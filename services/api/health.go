package api

import (
	"net/http"

	"github.com/go-chi/chi/v5"
)

// Health serves how a process without an API is: whether it lives, whether it
// does its work, and its metrics.
func Health(o Options) http.Handler {
	a := &API{o: o, metrics: &metrics{}}
	r := chi.NewRouter()
	a.health(r)
	return r
}

func (a *API) health(r chi.Router) {
	r.HandleFunc("/livez", only("GET", func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "ok\n") }))
	r.HandleFunc("/readyz", only("GET", a.ready))
	r.HandleFunc("/metrics", only("GET", a.metrics.serve(a.o.Registry)))
}
