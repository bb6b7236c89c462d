package test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// build builds an overlay as `kubectl kustomize` does, and fails on what it says
// on stderr.
func build(t *testing.T, overlay string) (objects []runtime.Object) {
	t.Helper()
	stderr := os.Stderr
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	os.Stderr = w
	m, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join(root, "deploy/k8s/overlays", overlay))
	os.Stderr = stderr
	w.Close()
	if said, _ := io.ReadAll(r); len(bytes.TrimSpace(said)) > 0 {
		t.Errorf("warnings: %s", said)
	}
	if err != nil {
		t.Fatal(err)
	}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{appsv1.AddToScheme, autoscalingv2.AddToScheme, batchv1.AddToScheme, corev1.AddToScheme,
		networkingv1.AddToScheme, policyv1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	strict := json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme, scheme, json.SerializerOptions{Yaml: true, Strict: true})
	for _, res := range m.Resources() {
		b, err := res.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		o, _, err := strict.Decode(b, nil, nil)
		if err != nil {
			t.Errorf("%s %s: %v", res.GetKind(), res.GetName(), err)
			continue
		}
		objects = append(objects, o)
	}
	return objects
}

func TestOverlays(t *testing.T) {
	for overlay, want := range map[string]int{"dev": 9, "production": 6} {
		t.Run(overlay, func(t *testing.T) {
			pods := 0
			for _, o := range build(t, overlay) {
				switch x := o.(type) {
				case *appsv1.Deployment:
					pods++
					checkPod(t, x.Name, x.Spec.Template.Spec)
					c := x.Spec.Template.Spec.Containers[0]
					if c.StartupProbe == nil || c.LivenessProbe == nil || c.ReadinessProbe == nil {
						t.Errorf("%s: a probe is missing", x.Name)
					}
				case *appsv1.StatefulSet:
					pods++
					checkPod(t, x.Name, x.Spec.Template.Spec)
				case *batchv1.Job:
					pods++
					checkPod(t, x.Name, x.Spec.Template.Spec)
				case *batchv1.CronJob:
					pods++
					checkPod(t, x.Name, x.Spec.JobTemplate.Spec.Template.Spec)
				case *corev1.Secret:
					t.Errorf("the secret %s is shipped", x.Name)
				case *corev1.ServiceAccount:
					if x.AutomountServiceAccountToken == nil || *x.AutomountServiceAccountToken {
						t.Errorf("%s mounts its token", x.Name)
					}
				case *corev1.ConfigMap:
					if x.Name == "autocrud" && x.Data["AUTOCRUD_AUTH"] != "required" {
						t.Error("nobody is asked for a credential")
					}
					for key := range x.Data {
						if secretName.MatchString(key) {
							t.Errorf("%s: %s is no secret", x.Name, key)
						}
					}
				}
			}
			if pods != want {
				t.Errorf("%d workloads, not %d", pods, want)
			}
		})
	}
}

var secretName = regexp.MustCompile(`PASSWORD|SECRET|ACCESS_KEY|POSTGRES_URL`)

func checkPod(t *testing.T, name string, p corev1.PodSpec) {
	t.Helper()
	for _, c := range p.Containers {
		for _, e := range c.Env {
			if e.Name == "AUTOCRUD_AUTH" { // all have that of the ConfigMap
				t.Errorf("%s has a way of authentication of its own", name)
			}
		}
	}
	sc := p.SecurityContext
	if sc == nil || sc.RunAsNonRoot == nil || !*sc.RunAsNonRoot || sc.RunAsUser == nil || *sc.RunAsUser == 0 || sc.SeccompProfile == nil || sc.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
		t.Errorf("%s: the pod's security context", name)
	}
	if p.AutomountServiceAccountToken == nil || *p.AutomountServiceAccountToken {
		t.Errorf("%s mounts a token", name)
	}
	for _, c := range append(p.InitContainers, p.Containers...) {
		s := c.SecurityContext
		if s == nil || s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem ||
			s.Capabilities == nil || len(s.Capabilities.Drop) != 1 || s.Capabilities.Drop[0] != "ALL" || s.RunAsUser != nil {
			t.Errorf("%s: the security context of %s", name, c.Name)
		}
		if !pinned.MatchString(c.Image) {
			t.Errorf("%s: the image %s is not pinned", name, c.Image)
		}
		if c.Resources.Requests.Cpu().IsZero() || c.Resources.Requests.Memory().IsZero() || c.Resources.Limits.Memory().IsZero() {
			t.Errorf("%s: the resources of %s", name, c.Name)
		}
		for _, e := range c.Env {
			if secretName.MatchString(e.Name) && (e.Value != "" || e.ValueFrom == nil || e.ValueFrom.SecretKeyRef == nil) {
				t.Errorf("%s: %s is not by reference", name, e.Name)
			}
		}
	}
}

// TestAnOverlayCanBeAppliedAgain: what an autoscaler decides is not said twice, a
// finished job goes, and memory has room above what Go aims at.
func TestAnOverlayCanBeAppliedAgain(t *testing.T) {
	for _, overlay := range []string{"dev", "production"} {
		scaled, replicas := map[string]bool{}, map[string]bool{}
		for _, o := range build(t, overlay) {
			switch x := o.(type) {
			case *autoscalingv2.HorizontalPodAutoscaler:
				scaled[x.Spec.ScaleTargetRef.Name] = true
			case *appsv1.Deployment:
				replicas[x.Name] = x.Spec.Replicas != nil
				for _, e := range x.Spec.Template.Spec.Containers[0].Env {
					if e.Name == "GOMEMLIMIT" && e.ValueFrom != nil {
						t.Errorf("%s: GOMEMLIMIT is the limit itself", x.Name)
					}
				}
			case *batchv1.Job:
				if x.Spec.TTLSecondsAfterFinished == nil {
					t.Errorf("%s stays when it has finished", x.Name)
				}
			}
		}
		if len(scaled) != 2 {
			t.Errorf("%s: scaled are %v", overlay, scaled)
		}
		for name := range scaled {
			if replicas[name] {
				t.Errorf("%s: %s has replicas and an autoscaler", overlay, name)
			}
		}
	}
}

// TestProductionNATSFitsItsChart keeps to what the chart reads: it has a ConfigMap
// nats-config, merges replace its lists, and names its cluster by merge.
func TestProductionNATSFitsItsChart(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(root, "deploy/k8s/overlays/production/nats-values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		Container, Reloader struct {
			Merge map[string]any
			Patch []struct {
				Op, Path string
				Value    struct{ ConfigMap struct{ Name string } }
			}
		}
		TLSCA       struct{ Enabled bool } `json:"tlsCA"`
		PodTemplate struct {
			Merge struct{ Spec map[string]any }
			Patch []struct {
				Op, Path string
				Value    struct{ ConfigMap struct{ Name string } }
			}
		}
		Config struct{ Cluster struct{ Name, Merge any } }
	}
	if err := yaml.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	if v.Container.Merge["volumeMounts"] != nil || v.PodTemplate.Merge.Spec["volumes"] != nil {
		t.Error("a list of the chart is replaced")
	}
	if v.Reloader.Merge["securityContext"] == nil || !v.TLSCA.Enabled || v.Config.Cluster.Name != nil || v.Config.Cluster.Merge == nil {
		t.Errorf("%+v", v)
	}
	names, selected := map[string]bool{}, false
	for _, o := range build(t, "production") {
		switch x := o.(type) {
		case *corev1.ConfigMap:
			names[x.Name] = true
		case *networkingv1.NetworkPolicy:
			selected = selected || x.Spec.PodSelector.MatchLabels["app.kubernetes.io/name"] == "nats" && len(x.Spec.Ingress) > 0 && len(x.Spec.Egress) > 0
		}
	}
	if names["nats-config"] || !selected {
		t.Errorf("the ConfigMaps are %v; a policy for NATS: %v", names, selected)
	}
	for _, p := range v.PodTemplate.Patch {
		if p.Op != "add" || !strings.HasSuffix(p.Path, "/-") || !names[p.Value.ConfigMap.Name] {
			t.Errorf("%+v", p)
		}
	}
	if len(v.PodTemplate.Patch) != 1 || len(v.Container.Patch) != 1 {
		t.Error("the users are not mounted")
	}
}

// TestAlertRulesNameWhatIsDocumented: docs/observability.md is itself checked
// against what the program exports.
func TestAlertRulesNameWhatIsDocumented(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(root, "deploy/alerts.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var rules struct {
		APIVersion, Kind string
		Metadata         map[string]any
		Spec             struct {
			Groups []struct {
				Name  string
				Rules []struct {
					Alert, Expr, For    string
					Labels, Annotations map[string]string
				}
			}
		}
	}
	if err := yaml.UnmarshalStrict(b, &rules); err != nil {
		t.Fatal(err)
	}
	docs, err := os.ReadFile(filepath.Join(root, "docs/observability.md"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, g := range rules.Spec.Groups {
		for _, r := range g.Rules {
			n++
			if r.Alert == "" || r.Labels["severity"] == "" || r.Annotations["summary"] == "" {
				t.Errorf("%s is incomplete", r.Alert)
			}
			for _, metric := range regexp.MustCompile(`autocrud_\w+`).FindAllString(r.Expr, -1) {
				if !strings.Contains(string(docs), "`"+strings.TrimSuffix(metric, "_count")+"`") {
					t.Errorf("%s: %s is not documented", r.Alert, metric)
				}
			}
		}
	}
	if n < 6 {
		t.Errorf("only %d rules", n)
	}
}
