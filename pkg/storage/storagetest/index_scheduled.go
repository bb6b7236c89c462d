package storagetest

import (
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// scheduled is a change that leaves something to be done some seconds after the epoch.
func scheduled(seq uint64, id string, seconds int) storage.IndexChange {
	c := change(seq, id, storage.Planned, query.Values{"title": id})
	c.Event.Meta.Scheduled = &storage.Scheduled{Action: storage.ToPublish, At: epoch.Add(time.Duration(seconds) * time.Second), By: "ann", Revision: 1, Release: "r"}
	encode(&c)
	return c
}

// dueIn are the ids of what is due some seconds after the epoch.
func dueIn(t *testing.T, x storage.Index, seconds, limit int) (out []string) {
	t.Helper()
	found, err := x.Due(t.Context(), epoch.Add(time.Duration(seconds)*time.Second), limit)
	ok(t, err)
	out = []string{}
	for _, d := range found {
		if d.Action != storage.ToPublish || d.By != "ann" || d.Revision != 1 || d.Release != "r" || d.Seq == 0 {
			t.Errorf("it is due as %+v", d)
		}
		out = append(out, d.Type+"/"+d.ID)
	}
	return out
}

func scheduledIsFound(t *testing.T, x storage.Index) {
	notes := storage.Definition{Type: "notes", Hash: "n"}
	define(t, x, movies(), notes)
	other := scheduled(4, "n", 20)
	other.Event.Meta.Type, other.Values, other.Text = "notes", nil, nil
	encode(&other)
	apply(t, x, change(1, "never", storage.Created, query.Values{"title": "b"}), scheduled(2, "late", 30), scheduled(3, "soon", 10), other)
	want(t, dueIn(t, x, 9, 10), []string{})
	want(t, dueIn(t, x, 10, 10), []string{"movies/soon"})
	want(t, dueIn(t, x, 60, 10), []string{"movies/soon", "notes/n", "movies/late"})
	want(t, dueIn(t, x, 60, 2), []string{"movies/soon", "notes/n"})
	want(t, ids(t, x, storage.Search{Filter: filter(t, `meta.scheduled.at:*`), Order: order(t, "meta.scheduled.at desc")}), []string{"late", "soon"})
	want(t, ids(t, x, storage.Search{Filter: filter(t, `meta.scheduled.action = "publish" AND meta.scheduled.by = "ann" AND meta.scheduled.at > "`+epoch.Add(20*time.Second).Format(time.RFC3339)+`"`)}), []string{"late"})
	want(t, ids(t, x, storage.Search{Filter: filter(t, `isNull(meta.scheduled.at)`)}), []string{"never"})

	apply(t, x, change(5, "soon", storage.Updated, query.Values{"title": "done"}))
	want(t, dueIn(t, x, 60, 10), []string{"notes/n", "movies/late"})
}
