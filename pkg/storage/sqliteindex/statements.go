package sqliteindex

import (
	"context"
	"database/sql"
	"sync"
)

// statementCache keeps the readers' prepared statements by their text, a
// bounded number of them.
type statementCache struct {
	db     *sql.DB
	mu     sync.Mutex
	byText map[string]*statement
	runs   int64 // how often a statement was asked for
}

// statement is closed when it is out of the cache and no longer in use.
type statement struct {
	*sql.Stmt
	uses    int
	dropped bool
}

const (
	maxStatements = 200
	// maxKept is the longest text of a statement that is kept: one of many values
	// takes a megabyte and is seldom asked again.
	maxKept = 16 << 10
)

// get returns the statement and what must be called when it was used.
func (c *statementCache) get(ctx context.Context, text string) (*sql.Stmt, func(), error) {
	if len(text) > maxKept {
		once, err := c.db.PrepareContext(ctx, text)
		if err != nil {
			return nil, nil, err
		}
		c.mu.Lock()
		c.runs++
		c.mu.Unlock()
		return once, func() { once.Close() }, nil
	}
	c.mu.Lock()
	c.runs++
	s := c.byText[text]
	if s != nil {
		s.uses++
	}
	c.mu.Unlock()
	if s == nil {
		fresh, err := c.db.PrepareContext(ctx, text)
		if err != nil {
			return nil, nil, err
		}
		s = c.add(text, &statement{Stmt: fresh, uses: 1})
	}
	return s.Stmt, func() { c.release(s) }, nil
}

func (c *statementCache) add(text string, s *statement) *statement {
	c.mu.Lock()
	defer c.mu.Unlock()
	if other := c.byText[text]; other != nil { // prepared by two at once
		s.Close()
		other.uses++
		return other
	}
	if len(c.byText) >= maxStatements {
		c.drop()
	}
	if c.byText == nil {
		c.byText = map[string]*statement{}
	}
	c.byText[text] = s
	return s
}

func (c *statementCache) release(s *statement) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.uses--; s.uses == 0 && s.dropped {
		s.Close()
	}
}

// drop empties the cache; c.mu is held.
func (c *statementCache) drop() {
	for _, s := range c.byText {
		if s.dropped = true; s.uses == 0 {
			s.Close()
		}
	}
	c.byText = nil
}

func (c *statementCache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop()
}
