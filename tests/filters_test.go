package tests_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud/internal/apitest"
)

// A filter is answered or refused for what it says, however big it is.
func TestBigFiltersAreAnsweredOrRefused(t *testing.T) {
	each(t, func(t *testing.T, c *apitest.Client) {
		c.Post(t, "/v1/movies?id=a", heat).Want(t, 201)
		var years, terms []string
		for i := range 999 {
			years = append(years, fmt.Sprint(2000+i))
			terms = append(terms, fmt.Sprintf("year=%d", 2000+i))
		}
		for name, filter := range map[string]string{
			"many alternatives": strings.Join(terms, " OR ") + " OR year=1995",
			"many values":       "in(year, 1995, " + strings.Join(years, ", ") + ")",
			"many conditions":   strings.ReplaceAll(strings.Join(terms, " AND "), "=", "!="),
			"many elements":     `genres:"Crime"` + strings.Repeat(` AND genres:"Drama"`, 600),
			"many negations":    strings.Repeat("NOT (", 14) + "year=1995" + strings.Repeat(")", 14),
		} {
			r := c.Get(t, "/v1/movies?total=true&filter="+query(filter))
			if r.Status != 200 || r.Int("/total") != 1 {
				t.Errorf("%s (%d bytes): %d %s", name, len(filter), r.Status, r.Text("/detail"))
			}
		}
		for name, filter := range map[string]string{
			"deep parentheses": strings.Repeat("(", 5000) + "year=1995" + strings.Repeat(")", 5000),
			"deep negations":   strings.Repeat("NOT ", 3000) + "year=1995",
		} {
			if r := c.Get(t, "/v1/movies?total=true&filter="+query(filter)); r.Status != 200 {
				r.WantProblem(t, 400, "invalid_filter")
				t.Log(name, r.Text("/detail"))
			} else if r.Int("/total") != 1 {
				t.Errorf("%s: %s", name, r.Body)
			}
		}
	})
}
