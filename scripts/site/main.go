// Site writes the guides as a site of static files, which needs no server.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/autocrud-go/autocrud/docs"
	"github.com/autocrud-go/autocrud/services/api/guide"
)

func main() {
	out := flag.String("out", "site", "folder to write to")
	flag.Parse()
	if err := write(*out); err != nil {
		fmt.Fprintln(os.Stderr, "site:", err)
		os.Exit(1)
	}
}

func write(dir string) error {
	site, err := guide.Build(docs.Files)
	if err != nil {
		return err
	}
	for name, b := range site {
		to := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(to, b, 0o644); err != nil {
			return err
		}
	}
	_, err = fmt.Printf("%d files in %s\n", len(site), dir)
	return err
}
