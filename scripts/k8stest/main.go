// K8stest makes a Pod of every workload of a list of objects, as their controllers would,
// so that an API server without controllers says whether it admits them:
//
//	kubectl get deployments,statefulsets,jobs,cronjobs --output json | k8stest
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
)

// object is any object; spec is what differs.
type object struct {
	Kind     string
	Metadata struct{ Name, Namespace string }
	Spec     struct {
		Template    template
		Claims      []struct{ Metadata struct{ Name string } } `json:"volumeClaimTemplates"`
		JobTemplate struct{ Spec struct{ Template template } }
	}
}

type template struct {
	Metadata struct{ Labels map[string]string }
	Spec     map[string]any
}

func main() {
	if err := pods(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "k8stest:", err)
		os.Exit(1)
	}
}

// pods writes a List.
func pods(in io.Reader, out io.Writer) error {
	var list struct{ Items []object }
	if err := json.NewDecoder(in).Decode(&list); err != nil {
		return err
	}
	items := []any{}
	for _, o := range list.Items {
		t := o.Spec.Template
		if o.Kind == "CronJob" {
			t = o.Spec.JobTemplate.Spec.Template
		}
		if t.Spec == nil {
			return fmt.Errorf("%s %s has no pods", o.Kind, o.Metadata.Name)
		}
		volumes, _ := t.Spec["volumes"].([]any)
		for _, c := range o.Spec.Claims { // as the controller of StatefulSets does
			volumes = append(volumes, map[string]any{"name": c.Metadata.Name, "persistentVolumeClaim": map[string]any{"claimName": c.Metadata.Name + "-" + o.Metadata.Name + "-0"}})
		}
		t.Spec["volumes"] = volumes
		items = append(items, map[string]any{"apiVersion": "v1", "kind": "Pod", "spec": t.Spec,
			"metadata": map[string]any{"name": o.Metadata.Name, "namespace": o.Metadata.Namespace, "labels": t.Metadata.Labels}})
	}
	if len(items) == 0 {
		return fmt.Errorf("there are no workloads")
	}
	return json.NewEncoder(out).Encode(map[string]any{"apiVersion": "v1", "kind": "List", "items": items})
}
