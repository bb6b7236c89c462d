package worker

import "cmp"

// The heaps: of jobs that are not due, of a lane, of a serial.
type (
	byTime    []*known
	byUrgency []*known
	byPlace   []*known
)

func (h byTime) Len() int           { return len(h) }
func (h byTime) Less(a, b int) bool { return h[a].at < h[b].at }
func (h byTime) Swap(a, b int)      { h[a], h[b] = h[b], h[a]; h[a].place, h[b].place = a, b }
func (h *byTime) Push(x any)        { j := x.(*known); j.place = len(*h); *h = append(*h, j) }
func (h *byTime) Pop() any          { return pop((*[]*known)(h)) }

func (h byUrgency) Len() int           { return len(h) }
func (h byUrgency) Less(a, b int) bool { return more(h[a], h[b]) < 0 }
func (h byUrgency) Swap(a, b int)      { h[a], h[b] = h[b], h[a]; h[a].place, h[b].place = a, b }
func (h *byUrgency) Push(x any)        { j := x.(*known); j.place = len(*h); *h = append(*h, j) }
func (h *byUrgency) Pop() any          { return pop((*[]*known)(h)) }

func (h byPlace) Len() int { return len(h) }
func (h byPlace) Less(a, b int) bool {
	return cmp.Or(cmp.Compare(h[a].queued, h[b].queued), cmp.Compare(h[a].ID, h[b].ID)) < 0
}
func (h byPlace) Swap(a, b int) { h[a], h[b] = h[b], h[a]; h[a].rank, h[b].rank = a, b }
func (h *byPlace) Push(x any)   { j := x.(*known); j.rank = len(*h); *h = append(*h, j) }
func (h *byPlace) Pop() any     { return pop((*[]*known)(h)) }

// more is negative when a goes before b: by priority, then by time, then by
// the log.
func more(a, b *known) int {
	return cmp.Or(cmp.Compare(b.priority, a.priority), cmp.Compare(a.at, b.at), cmp.Compare(a.seq, b.seq))
}

func pop(h *[]*known) *known {
	old := *h
	j := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return j
}
