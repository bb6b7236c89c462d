package test

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"text/template"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"

	"github.com/autocrud-go/autocrud/deploy/test/chart"
)

// rendered is what the templates say with values, by kind and name, as Helm renders them:
// these are the functions of Helm that they use.
func rendered(t *testing.T, files map[string]string, change map[string]any) map[string]any {
	t.Helper()
	var values, about map[string]any
	if err := yaml.Unmarshal([]byte(files["values.yaml"]), &values); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal([]byte(files["Chart.yaml"]), &about); err != nil {
		t.Fatal(err)
	}
	maps.Copy(values, change)
	functions := template.FuncMap{
		"toYaml": func(v any) string { b, _ := yaml.Marshal(v); return strings.TrimSuffix(string(b), "\n") },
		"nindent": func(n int, s string) string {
			return "\n" + strings.Repeat(" ", n) + strings.ReplaceAll(s, "\n", "\n"+strings.Repeat(" ", n))
		},
		"default": func(d, v any) any {
			if v == nil || v == "" {
				return d
			}
			return v
		},
		"quote": func(v any) string { b, _ := yaml.Marshal(toString(v)); return strings.TrimSpace(string(b)) },
	}
	out := map[string]any{}
	for name, text := range files {
		if !strings.HasPrefix(name, "templates/") {
			continue
		}
		tmpl, err := template.New(name).Funcs(functions).Option("missingkey=error").Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		err = tmpl.Execute(&b, map[string]any{"Values": values, "Chart": map[string]any{"AppVersion": about["appVersion"]}, "Release": map[string]any{"Revision": 1}})
		if err != nil {
			t.Fatal(err)
		}
		var o map[string]any
		if err := yaml.Unmarshal(b.Bytes(), &o); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, b.String())
		}
		if o != nil {
			out[identity(o)] = o
		}
	}
	return out
}

func toString(v any) string {
	b, _ := yaml.Marshal(v)
	return strings.Trim(strings.TrimSpace(string(b)), `'"`)
}

func identity(o map[string]any) string {
	m := o["metadata"].(map[string]any)
	m["name"] = strings.TrimSuffix(m["name"].(string), "provision-1") + map[bool]string{true: "provision"}[strings.HasSuffix(m["name"].(string), "provision-1")]
	return o["kind"].(string) + " " + m["name"].(string)
}

// TestTheChartIsTheBase: with the values that it comes with, the chart makes the objects
// of the base, and the files are those that `make chart` writes.
func TestTheChartIsTheBase(t *testing.T) {
	files, err := chart.Files(root)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		if got, err := os.ReadFile(filepath.Join(root, "deploy/helm/autocrud", name)); err != nil || string(got) != want {
			t.Errorf("%s is not what `make chart` writes, %v", name, err)
		}
	}
	there, err := filepath.Glob(filepath.Join(root, "deploy/helm/autocrud/templates/*"))
	if err != nil || len(there) != len(files)-2 {
		t.Errorf("%d templates, %d files, %v", len(there), len(files), err)
	}
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join(root, "deploy/k8s/base"))
	if err != nil {
		t.Fatal(err)
	}
	base := map[string]any{}
	for _, r := range built.Resources() {
		b, err := r.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		var o map[string]any
		if err := yaml.Unmarshal(b, &o); err != nil {
			t.Fatal(err)
		}
		base[identity(o)] = o
	}
	made := rendered(t, files, nil)
	delete(made, "ConfigMap autocrud-models") // which overlays bring
	if want, got := slices.Sorted(maps.Keys(base)), slices.Sorted(maps.Keys(made)); !slices.Equal(want, got) {
		t.Fatalf("the base has %v\nthe chart %v", want, got)
	}
	for id, want := range base {
		if !reflect.DeepEqual(made[id], want) {
			t.Errorf("%s of the chart is\n%v\nof the base\n%v", id, made[id], want)
		}
	}
}

func TestTheChartsValuesAreUsed(t *testing.T) {
	files, err := chart.Files(root)
	if err != nil {
		t.Fatal(err)
	}
	made := rendered(t, files, map[string]any{"image": map[string]any{"repository": "mine/autocrud", "tag": "1"}, "networkPolicies": false,
		"backup": map[string]any{"enabled": false}, "extraVolumes": []any{map[string]any{"name": "ca"}}})
	for id := range made {
		if strings.HasPrefix(id, "NetworkPolicy") || id == "CronJob autocrud-backup" || strings.HasPrefix(id, "PersistentVolumeClaim") {
			t.Errorf("there is %s", id)
		}
	}
	b, err := yaml.Marshal(made["Deployment autocrud-worker"])
	if err != nil || !bytes.Contains(b, []byte("image: mine/autocrud:1")) || !bytes.Contains(b, []byte("- name: ca")) {
		t.Errorf("%s, %v", b, err)
	}
}
