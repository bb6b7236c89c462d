package test

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
)

// Which connections the policies let through is worked out here over the labels of the
// pods, as the documentation of NetworkPolicy says; no plugin that enforces them runs.

// peer is one end of a connection: a pod, or an address outside the cluster.
type peer struct {
	labels    labels.Set
	namespace labels.Set // of its namespace; nil: that of the overlay
	ports     map[string]int32
	outside   netip.Addr
}

// pods are those that an overlay makes, by component, with those of the NATS chart.
func pods(objects []runtime.Object) map[string]peer {
	out := map[string]peer{}
	add := func(t corev1.PodTemplateSpec) {
		p := peer{labels: t.Labels, ports: map[string]int32{}}
		for _, c := range t.Spec.Containers {
			for _, port := range c.Ports {
				p.ports[port.Name] = port.ContainerPort
			}
		}
		out[t.Labels["app.kubernetes.io/component"]] = p
	}
	for _, o := range objects {
		switch x := o.(type) {
		case *appsv1.Deployment:
			add(x.Spec.Template)
		case *appsv1.StatefulSet:
			add(x.Spec.Template)
		case *batchv1.Job:
			add(x.Spec.Template)
		case *batchv1.CronJob:
			add(x.Spec.JobTemplate.Spec.Template)
		}
	}
	if _, ok := out["nats"]; !ok {
		out["nats"] = peer{labels: labels.Set{"app.kubernetes.io/component": "nats", "app.kubernetes.io/instance": "nats", "app.kubernetes.io/managed-by": "Helm",
			"app.kubernetes.io/name": "nats", "helm.sh/chart": "nats-2.14.2"}, ports: map[string]int32{"nats": 4222, "cluster": 6222, "monitor": 8222}}
	}
	return out
}

func selects(t *testing.T, s *metav1.LabelSelector, of labels.Set) bool {
	t.Helper()
	if s == nil {
		return false
	}
	sel, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		t.Fatal(err)
	}
	return sel.Matches(of)
}

// isPeer reports whether one of the peers of a rule is p; no peers are any.
func isPeer(t *testing.T, rules []networkingv1.NetworkPolicyPeer, p peer) bool {
	t.Helper()
	for _, r := range rules {
		switch {
		case r.IPBlock != nil:
			if !p.outside.IsValid() || !netip.MustParsePrefix(r.IPBlock.CIDR).Contains(p.outside) ||
				slices.ContainsFunc(r.IPBlock.Except, func(c string) bool { return netip.MustParsePrefix(c).Contains(p.outside) }) {
				continue
			}
			return true
		case p.outside.IsValid():
		case r.NamespaceSelector == nil:
			if p.namespace == nil && selects(t, r.PodSelector, p.labels) {
				return true
			}
		case selects(t, r.NamespaceSelector, p.namespace) && (r.PodSelector == nil || selects(t, r.PodSelector, p.labels)):
			return true
		}
	}
	return len(rules) == 0
}

// isPort reports whether one of the ports of a rule is the TCP port of a pod; no ports
// are any.
func isPort(rules []networkingv1.NetworkPolicyPort, of peer, port int32) bool {
	return len(rules) == 0 || slices.ContainsFunc(rules, func(r networkingv1.NetworkPolicyPort) bool {
		if r.Protocol != nil && *r.Protocol != corev1.ProtocolTCP {
			return false
		}
		return r.Port == nil || r.Port.IntVal == port && port != 0 || r.Port.StrVal != "" && of.ports[r.Port.StrVal] == port
	})
}

// passes reports whether the policies of a namespace let from connect to a port of to.
func passes(t *testing.T, policies []*networkingv1.NetworkPolicy, from, to peer, port int32) bool {
	t.Helper()
	out, in := true, true
	for _, p := range policies {
		if from.namespace == nil && !from.outside.IsValid() && selects(t, &p.Spec.PodSelector, from.labels) && slices.Contains(p.Spec.PolicyTypes, networkingv1.PolicyTypeEgress) {
			out = false
		}
		if to.namespace == nil && !to.outside.IsValid() && selects(t, &p.Spec.PodSelector, to.labels) && slices.Contains(p.Spec.PolicyTypes, networkingv1.PolicyTypeIngress) {
			in = false
		}
	}
	for _, p := range policies {
		for _, r := range p.Spec.Egress {
			out = out || selects(t, &p.Spec.PodSelector, from.labels) && isPeer(t, r.To, to) && isPort(r.Ports, to, port)
		}
		for _, r := range p.Spec.Ingress {
			in = in || selects(t, &p.Spec.PodSelector, to.labels) && isPeer(t, r.From, from) && isPort(r.Ports, to, port)
		}
	}
	return out && in
}

func TestNetworkPoliciesLetThroughWhatIsNeeded(t *testing.T) {
	client := peer{labels: labels.Set{}, namespace: labels.Set{"autocrud-client": "true"}}
	stranger := peer{labels: labels.Set{"app.kubernetes.io/component": "api", "app.kubernetes.io/name": "autocrud"}, namespace: labels.Set{}}
	names := peer{labels: labels.Set{"k8s-app": "kube-dns"}, namespace: labels.Set{"kubernetes.io/metadata.name": "kube-system"}}
	collector := peer{labels: labels.Set{}, namespace: labels.Set{"kubernetes.io/metadata.name": "monitoring"}}
	beside := peer{labels: labels.Set{"app": "another"}}
	internet, metadata, private := peer{outside: netip.MustParseAddr("93.184.216.34")}, peer{outside: netip.MustParseAddr("169.254.169.254")}, peer{outside: netip.MustParseAddr("10.1.2.3")}
	for _, overlay := range []string{"dev", "production"} {
		objects := build(t, overlay)
		var policies []*networkingv1.NetworkPolicy
		for _, o := range objects {
			if p, ok := o.(*networkingv1.NetworkPolicy); ok {
				policies = append(policies, p)
			}
		}
		made := pods(objects)
		everything := maps.Clone(made)
		maps.Copy(everything, map[string]peer{"client": client, "stranger": stranger, "names": names, "collector": collector, "beside": beside,
			"internet": internet, "metadata": metadata, "private": private})
		services := []string{"api", "indexer", "worker"}
		logs := append([]string{"provision", "rebuild-log"}, services...)
		allowed := map[string]bool{}
		allow := func(from, to string, ports ...int32) {
			for _, port := range ports {
				allowed[fmt.Sprintf("%s to %s:%d", from, to, port)] = true
			}
		}
		for _, s := range services {
			allow("client", s, 8080)
			allow(s, "collector", 4318)
		}
		for _, s := range logs {
			allow(s, "nats", 4222)
			allow(s, "names", 53)
			for _, where := range []string{"private", "internet"} { // Postgres and S3 are elsewhere
				allow(s, where, 443, 5432, 9000)
			}
			if overlay == "dev" {
				allow(s, "postgres", 5432)
				allow(s, "s3", 7070)
			}
		}
		allow("worker", "internet", 80, 8443)
		allow("backup", "api", 8080)
		allow("backup", "names", 53)
		if overlay == "production" {
			allow("client", "nats", 4222)
			allow("nats", "nats", 4222, 6222)
			allow("nats", "names", 53)
		}
		for what := range allowed {
			var from, to string
			var port int32
			if _, err := fmt.Sscanf(what, "%s to %s", &from, &to); err != nil {
				t.Fatal(err)
			}
			i := slices.Index([]byte(to), ':')
			if _, err := fmt.Sscan(to[i+1:], &port); err != nil {
				t.Fatal(err)
			}
			a, ok := everything[from]
			b, known := everything[to[:i]]
			if !ok || !known {
				t.Errorf("%s: there is no such pod: %s", overlay, what)
			} else if !passes(t, policies, a, b, port) {
				t.Errorf("%s: %s is kept out", overlay, what)
			}
		}
		for from, a := range everything {
			for to, b := range made {
				for _, port := range []int32{8080, 4222, 6222, 8222, 5432, 7070, 22} {
					what := fmt.Sprintf("%s to %s:%d", from, to, port)
					if !allowed[what] && passes(t, policies, a, b, port) {
						t.Errorf("%s: %s is let in", overlay, what)
					}
				}
			}
		}
		for from, a := range made {
			for _, what := range []string{fmt.Sprintf("%s to metadata:80", from), fmt.Sprintf("%s to private:80", from), fmt.Sprintf("%s to internet:80", from)} {
				to := map[string]peer{"metadata:80": metadata, "private:80": private, "internet:80": internet}[what[len(from)+4:]]
				if !allowed[what] && passes(t, policies, a, to, 80) {
					t.Errorf("%s: %s is let out", overlay, what)
				}
			}
		}
	}
}
