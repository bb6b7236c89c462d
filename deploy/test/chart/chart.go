// Package chart makes the Helm chart of the Kustomize base: the same objects, of which
// what installations differ in is a value.
package chart

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// component is what a values file says of a service.
type component struct {
	Replicas    int            `json:"replicas,omitempty"`
	MinReplicas int            `json:"minReplicas,omitempty"`
	MaxReplicas int            `json:"maxReplicas,omitempty"`
	Resources   map[string]any `json:"resources"`
}

// object is what of an object becomes a value.
type object struct {
	Kind     string
	Metadata struct{ Name string }
	Data     map[string]string
	Spec     struct {
		MinReplicas, MaxReplicas, Replicas int
		Template                           struct {
			Spec struct {
				Containers []struct {
					Image     string
					Resources map[string]any
				}
			}
		}
	}
}

// Files are those of the chart, by name. root is that of the repository.
func Files(root string) (map[string]string, error) {
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join(root, "deploy/k8s/base"))
	if err != nil {
		return nil, err
	}
	out := map[string]string{"templates/models.yaml": models}
	services := map[string]*component{"api": {}, "indexer": {}, "worker": {}}
	var config map[string]string
	var image string
	for _, r := range built.Resources() {
		b, err := r.AsYAML()
		if err != nil {
			return nil, err
		}
		var o object
		if err := yaml.Unmarshal(b, &o); err != nil {
			return nil, err
		}
		text := string(b)
		if o.Kind == "ConfigMap" {
			config = o.Data
		}
		if c := services[strings.TrimPrefix(o.Metadata.Name, "autocrud-")]; c != nil {
			c.MinReplicas, c.MaxReplicas, c.Replicas = c.MinReplicas+o.Spec.MinReplicas, c.MaxReplicas+o.Spec.MaxReplicas, c.Replicas+o.Spec.Replicas
			if o.Kind == "Deployment" {
				c.Resources, image = o.Spec.Template.Spec.Containers[0].Resources, o.Spec.Template.Spec.Containers[0].Image
			}
		}
		text = withValues(o, text)
		name := "templates/" + strings.ToLower(o.Kind) + "-" + o.Metadata.Name + ".yaml"
		out[name] = text
	}
	repository, version, _ := strings.Cut(image, ":")
	values, err := valuesOf(repository, config, services)
	if err != nil {
		return nil, err
	}
	out["values.yaml"] = values
	out["Chart.yaml"] = fmt.Sprintf("# Made of deploy/k8s/base by `make chart`; change that.\napiVersion: v2\nname: autocrud\ndescription: AutoCRUD's services; NATS, Postgres and S3 are elsewhere (docs/deployment.md)\ntype: application\nversion: %s\nappVersion: %q\n", version, version)
	return out, nil
}

// models are those of the installation.
const models = `apiVersion: v1
kind: ConfigMap
metadata:
  name: autocrud-models
data:
  {{- toYaml .Values.models | nindent 2 }}
`

var (
	imageLine = regexp.MustCompile(`image: ghcr\.io/\S+`)
	resources = regexp.MustCompile(`(?m)^( +)resources:\n(?:^ +(?:limits|requests):\n(?:^ {10,}\S.*\n)+)+`)
	scaled    = regexp.MustCompile(`(min|max)Replicas: \d+`)
	mounts    = regexp.MustCompile(`(?m)^( +)volumeMounts:\n`)
	volumes   = regexp.MustCompile(`(?m)^( +)volumes:\n`)
)

// withValues puts values where an object has what installations differ in.
func withValues(o object, text string) string {
	name := strings.TrimPrefix(o.Metadata.Name, "autocrud-")
	text = imageLine.ReplaceAllString(text, `image: "{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}"`)
	switch o.Kind {
	case "ConfigMap":
		head, _, _ := strings.Cut(text, "data:\n")
		_, tail, _ := strings.Cut(text, "\nkind:")
		return head + "data:\n  {{- toYaml .Values.config | nindent 2 }}\nkind:" + tail
	case "HorizontalPodAutoscaler":
		return scaled.ReplaceAllString(text, "${1}Replicas: {{ .Values."+name+".${1}Replicas }}")
	case "NetworkPolicy":
		return "{{- if .Values.networkPolicies }}\n" + text + "{{- end }}\n"
	case "PersistentVolumeClaim":
		return "{{- if .Values.backup.enabled }}\n" + strings.Replace(text, "storage: 50Gi", "storage: {{ .Values.backup.storage }}", 1) + "{{- end }}\n"
	case "Deployment":
		text = resources.ReplaceAllString(text, "${1}resources:\n${1}  {{- toYaml .Values."+name+".resources | nindent 10 }}\n")
		text = strings.Replace(text, "  replicas: 2\n", "  replicas: {{ .Values."+name+".replicas }}\n", 1)
	case "Job":
		text = strings.Replace(text, "name: autocrud-provision\n", "name: autocrud-provision-{{ .Release.Revision }}\n", 1)
	case "CronJob":
		text = strings.Replace(text, "schedule: 17 3 * * *", "schedule: {{ .Values.backup.schedule | quote }}", 1)
		text = strings.Replace(text, `- "14"`, "- {{ .Values.backup.keep | quote }}", 1)
		if name == "backup" {
			return "{{- if .Values.backup.enabled }}\n" + text + "{{- end }}\n"
		}
	}
	text = extra(mounts, "extraVolumeMounts", text)
	return extra(volumes, "extraVolumes", text)
}

// extra puts a list of values before the items of a list, such as the CA of NATS.
func extra(list *regexp.Regexp, value, text string) string {
	return list.ReplaceAllStringFunc(text, func(line string) string {
		indent := len(line) - len(strings.TrimLeft(line, " "))
		return fmt.Sprintf("%s%s{{- with .Values.%s }}{{ toYaml . | nindent %d }}{{- end }}\n", line, strings.Repeat(" ", indent), value, indent)
	})
}

func valuesOf(repository string, config map[string]string, services map[string]*component) (string, error) {
	var b strings.Builder
	b.WriteString("# Made of deploy/k8s/base by `make chart`; change that.\n")
	for _, part := range []struct {
		comment string
		value   any
	}{
		{"tag: that of the chart when it is empty", map[string]any{"image": map[string]any{"repository": repository, "tag": ""}}},
		{"settings that are no secret: AUTOCRUD_S3_ENDPOINT, AUTOCRUD_NATS_URL, AUTOCRUD_NATS_CA and so on", map[string]any{"config": config}},
		{"your models, one file each", map[string]any{"models": map[string]any{"notes.yaml": "name: notes\nschema: {type: object, required: [text], properties: {text: {type: string}}}\nindex: [text]\n"}}},
		{"", services},
		{"a backup each night, of which the newest stay", map[string]any{"backup": map[string]any{"enabled": true, "schedule": "17 3 * * *", "keep": 14, "storage": "50Gi"}}},
		{"for every pod, such as the CA of NATS", map[string]any{"extraVolumes": []any{}, "extraVolumeMounts": []any{}}},
		{"they select every pod of the namespace", map[string]any{"networkPolicies": true}},
	} {
		text, err := yaml.Marshal(part.value)
		if err != nil {
			return "", err
		}
		if part.comment != "" {
			b.WriteString("# " + part.comment + "\n")
		}
		b.Write(text)
	}
	return b.String(), nil
}
