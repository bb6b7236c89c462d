// Write writes the Helm chart: go run ./chart/write in deploy/test.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/autocrud-go/autocrud/deploy/test/chart"
)

func main() {
	if err := write("../helm/autocrud"); err != nil {
		fmt.Fprintln(os.Stderr, "chart:", err)
		os.Exit(1)
	}
}

func write(dir string) error {
	files, err := chart.Files("../..")
	if err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	for name, text := range files {
		to := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(to, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
