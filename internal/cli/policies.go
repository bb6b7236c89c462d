package cli

import (
	"fmt"

	"github.com/autocrud-go/autocrud/internal/wiring"
)

type policiesCmd struct {
	Check policiesCheckCmd `cmd:"" help:"Check a policy file against the models; every problem with its line."`
}

type policiesCheckCmd struct {
	Models string `default:"models" help:"Folder with the model files."`
	File   string `arg:"" help:"The policy file."`
}

// Run prints what the file holds when it is right.
func (c *policiesCheckCmd) Run(e *env) error {
	p, err := wiring.CheckPolicy(c.File, c.Models, e.app)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.Out, "%s: ok (%d roles, %d bindings)\n", c.File, len(p.Roles), len(p.Bindings))
	return err
}
