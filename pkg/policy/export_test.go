package policy

import (
	"sync/atomic"

	"github.com/autocrud-go/autocrud/pkg/model"
)

// AddKey makes a key known without a log.
func (a *Access) AddKey(id, name, secret string) {
	k := &Key{Name: name, Boxes: []model.Box{{Key: HashKey(secret)}}, Used: &atomic.Int64{}}
	a.Mu.Lock()
	defer a.Mu.Unlock()
	a.Keys[id] = k
}
