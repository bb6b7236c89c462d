package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// module is a Go module that is in the programs.
type module struct{ path, version, sum string }

// collect adds the modules that a program was made of, and the Go that made it.
func collect(modules map[string]module, info *debug.BuildInfo) {
	modules["stdlib"] = module{"stdlib", strings.TrimPrefix(info.GoVersion, "go"), ""}
	for _, d := range info.Deps {
		if d.Replace != nil {
			d = d.Replace
		}
		modules[d.Path] = module{d.Path, d.Version, d.Sum}
	}
}

// The parts of SPDX 2.3 in JSON that are used (https://spdx.github.io/spdx-spec/v2.3/).
type (
	spdx struct {
		Version       string         `json:"spdxVersion"`
		License       string         `json:"dataLicense"`
		ID            string         `json:"SPDXID"`
		Name          string         `json:"name"`
		Namespace     string         `json:"documentNamespace"`
		Created       creation       `json:"creationInfo"`
		Packages      []software     `json:"packages"`
		Relationships []relationship `json:"relationships"`
	}
	creation struct {
		Created  string   `json:"created"`
		Creators []string `json:"creators"`
	}
	software struct {
		Name       string      `json:"name"`
		ID         string      `json:"SPDXID"`
		Version    string      `json:"versionInfo"`
		Location   string      `json:"downloadLocation"`
		Analyzed   bool        `json:"filesAnalyzed"`
		Concluded  string      `json:"licenseConcluded"`
		Declared   string      `json:"licenseDeclared"`
		Copyright  string      `json:"copyrightText"`
		References []reference `json:"externalRefs"`
		Comment    string      `json:"comment,omitempty"`
	}
	reference struct {
		Category string `json:"referenceCategory"`
		Type     string `json:"referenceType"`
		Locator  string `json:"referenceLocator"`
	}
	relationship struct {
		From string `json:"spdxElementId"`
		Type string `json:"relationshipType"`
		To   string `json:"relatedSpdxElement"`
	}
)

const ours = "github.com/autocrud-go/autocrud"

var notInAnID = regexp.MustCompile(`[^A-Za-z0-9.-]+`)

func of(m module, license string) software {
	s := software{Name: m.path, ID: "SPDXRef-Package-" + notInAnID.ReplaceAllString(m.path, "-"), Version: m.version, Location: "NOASSERTION",
		Concluded: "NOASSERTION", Declared: license, Copyright: "NOASSERTION",
		References: []reference{{"PACKAGE-MANAGER", "purl", "pkg:golang/" + m.path + "@" + m.version}}}
	if m.sum != "" {
		s.Comment = "sum in go.sum: " + m.sum
	}
	return s
}

// document is the bill of materials of the programs. Its namespace is of the content.
func document(modules map[string]module, c commit) ([]byte, error) {
	program := of(module{ours, c.version, ""}, "MIT")
	d := spdx{Version: "SPDX-2.3", License: "CC0-1.0", ID: "SPDXRef-DOCUMENT", Name: "autocrud-" + c.version,
		Namespace: "https://" + ours + "/sbom/" + c.version + "/" + c.hash,
		Created:   creation{c.at.Format(time.RFC3339), []string{"Tool: autocrud-dist"}}, Packages: []software{program},
		Relationships: []relationship{{"SPDXRef-DOCUMENT", "DESCRIBES", program.ID}}}
	for _, path := range slices.Sorted(maps.Keys(modules)) {
		p := of(modules[path], "NOASSERTION")
		d.Packages = append(d.Packages, p)
		d.Relationships = append(d.Relationships, relationship{program.ID, "DEPENDS_ON", p.ID})
	}
	b, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the bill of materials: %w", err)
	}
	return append(b, '\n'), nil
}
