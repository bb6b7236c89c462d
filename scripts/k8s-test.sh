#!/bin/sh
# Applies what deploy/ has for Kubernetes to a real API server, which is built from its
# module: server-side, strictly validated, with every warning an error, in namespaces of
# which Pod Security enforces restricted. There are no nodes: no pod runs, but each is
# made, so that admission says what it thinks. For root on Debian; 30 minutes the first
# time, 1 afterwards. NATS_CHART names a folder or archive with the chart nats/nats.
set -eu
cd "$(dirname "$0")/.."
. scripts/containers.sh
here=$PWD
kube=$containers/kubernetes
KUBERNETES=v1.34.4 HELM=v3.19.0 OPERATOR=v0.85.0 NATS_CHART_VERSION=2.14.2
mkdir -p "$kube"
dir=$(mktemp -d)
pids=
finish() {
	code=$?
	trap - EXIT
	for p in $pids; do kill "$p" 2>/dev/null || true; done
	[ $code = 0 ] || for l in "$dir"/*.log; do tail -n 5 "$l"; done >&2
	wait
	rm -rf "$dir"
	exit $code
}
trap finish EXIT
trap 'exit 130' INT TERM
say() { echo "== $(date +%T) $*"; }

# kubernetes PROGRAM builds one of Kubernetes' programs. Its module replaces the others by
# folders that it does not ship, so those are taken from their own modules.
kubernetes() {
	[ -x "$kube/$1" ] && return 0
	source=$(module k8s.io/kubernetes $KUBERNETES)
	(
		cd "$source"
		rm -rf go.work go.work.sum vendor staging
		export GOWORK=off GOFLAGS="-mod=mod -buildvcs=false" CGO_ENABLED=0 GOCACHE="$kube/gocache"
		for m in $(sed -n 's/^[[:space:]]*\(k8s.io\/[a-z-]*\) => .*/\1/p' go.mod); do
			go mod edit -dropreplace="$m" -require="$m@v0${KUBERNETES#v1}"
		done
		go build -p 1 -trimpath -ldflags "-s -w" -o "$kube/$1" "./cmd/$1"
	)
	rm -rf "$source" "$kube/gocache" # 2 GB
}

say tools
installed etcd=etcd-server openssl=openssl
kubernetes kube-apiserver
command -v kubectl >/dev/null || kubernetes kubectl
[ -x "$kube/helm" ] || GOBIN="$kube" CGO_ENABLED=0 go install -ldflags "-s -w" "helm.sh/helm/v3/cmd/helm@$HELM"
PATH=$kube:$PATH
CGO_ENABLED=0 go build -o "$dir/pods" ./scripts/k8stest
CGO_ENABLED=0 go build -o "$dir/nats-server" github.com/nats-io/nats-server/v2

say an API server
port=$((20000 + $$ % 20000))
etcd --data-dir "$dir/etcd" --listen-client-urls "http://127.0.0.1:$port" --advertise-client-urls "http://127.0.0.1:$port" \
	--listen-peer-urls "http://127.0.0.1:$((port + 1))" --initial-advertise-peer-urls "http://127.0.0.1:$((port + 1))" --initial-cluster "default=http://127.0.0.1:$((port + 1))" >"$dir/etcd.log" 2>&1 &
pids=$!
openssl genrsa -out "$dir/sa.key" 2048 2>/dev/null
token=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
echo "$token,admin,admin,system:masters" >"$dir/tokens.csv"
kube-apiserver --etcd-servers "http://127.0.0.1:$port" --secure-port $((port + 2)) --bind-address 127.0.0.1 --cert-dir "$dir/certificates" --token-auth-file "$dir/tokens.csv" \
	--authorization-mode RBAC --service-cluster-ip-range 10.0.0.0/24 --service-account-issuer https://kubernetes.default.svc \
	--service-account-key-file "$dir/sa.key" --service-account-signing-key-file "$dir/sa.key" >"$dir/apiserver.log" 2>&1 &
pids="$pids $!"
cat >"$dir/kubeconfig" <<-EOF
	{"apiVersion": "v1", "kind": "Config", "current-context": "test", "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
	 "clusters": [{"name": "test", "cluster": {"server": "https://127.0.0.1:$((port + 2))", "insecure-skip-tls-verify": true}}],
	 "users": [{"name": "admin", "user": {"token": "$token"}}]}
EOF
export KUBECONFIG="$dir/kubeconfig" KUBECTL_KUBERC=false KUBECACHEDIR="$dir/cache"
for _ in $(seq 60); do
	kubectl get --raw /readyz >/dev/null 2>&1 && break
	sleep 1
done
kubectl version 2>/dev/null | grep Server
apply() { kubectl apply --server-side --validate=strict --warnings-as-errors "$@"; }
# refused COMMAND... has to fail.
refused() {
	if said=$("$@" 2>&1); then echo "not refused: $*" >&2; return 1; fi
	echo "$said" | tail -1 | cut -c1-240
}
# admitted NAMESPACE: the pods of all workloads are made.
admitted() {
	kubectl -n "$1" create serviceaccount default >/dev/null 2>&1 || true # a controller's work
	kubectl -n "$1" get deployments,statefulsets,jobs,cronjobs --output json | "$dir/pods" >"$dir/pods.json"
	kubectl create --validate=strict --warnings-as-errors --dry-run=server -f "$dir/pods.json"
}

# configured TEXT: a NATS server with our users, secrets and certificates takes it.
configured() {
	mkdir -p "$dir/nats/nats-config" "$dir/nats/nats-users"
	cp deploy/nats/users.conf "$dir/nats/nats-users/"
	for d in nats-ca-cert nats-certs/nats nats-certs/cluster; do
		mkdir -p "$dir/nats/$d"
		openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=nats -keyout "$dir/nats/$d/tls.key" -out "$dir/nats/$d/tls.crt" 2>/dev/null
		cp "$dir/nats/$d/tls.crt" "$dir/nats/$d/ca.crt"
	done
	echo "$1" | sed "s|\"/etc/|\"$dir/nats/|" >"$dir/nats/nats-config/nats.conf"
	(
		for name in $(sed -n 's/.*\$\(NATS_[A-Z_]*\).*/\1/p' deploy/nats/users.conf); do export "$name=\"secret\""; done
		SERVER_NAME=nats-0 "$dir/nats-server" -t --config "$dir/nats/nats-config/nats.conf"
	)
}

# emptied NAMESPACE: it and all in it are gone, finalizers too, which are a controller's work.
emptied() {
	kubectl delete namespace "$1" --wait=false >/dev/null
	kinds=deployments,statefulsets,jobs,cronjobs,services,configmaps,horizontalpodautoscalers,networkpolicies,poddisruptionbudgets,serviceaccounts,persistentvolumeclaims,secrets
	kubectl -n "$1" delete $kinds --all --wait=false >/dev/null
	for o in $(kubectl -n "$1" get $kinds --output name); do kubectl -n "$1" patch "$o" --type merge --patch '{"metadata":{"finalizers":null}}' >/dev/null; done
	kubectl get namespace "$1" --output json | sed 's/"kubernetes"//' | kubectl replace --raw "/api/v1/namespaces/$1/finalize" -f - >/dev/null
}

say the operator of Prometheus, the PodMonitor and the alerts
crds=$(go mod download -json github.com/prometheus-operator/prometheus-operator@$OPERATOR | sed -n 's/.*"Dir": "\(.*\)",*/\1/p')/example/prometheus-operator-crd
kubectl apply --server-side -f "$crds/monitoring.coreos.com_podmonitors.yaml" -f "$crds/monitoring.coreos.com_prometheusrules.yaml"
kubectl wait --for condition=established crd/podmonitors.monitoring.coreos.com crd/prometheusrules.monitoring.coreos.com >/dev/null
apply -f deploy/podmonitor.yaml -f deploy/alerts.yaml

for overlay in production dev; do
	say "the overlay $overlay"
	apply -f deploy/k8s/overlays/$overlay/namespace.yaml
	apply -k deploy/k8s/overlays/$overlay
	echo "-- again, and after an autoscaler acted"
	kubectl -n autocrud patch deployment autocrud-api --subresource scale --type merge --patch '{"spec":{"replicas":7}}'
	apply -k deploy/k8s/overlays/$overlay >/dev/null
	[ "$(kubectl -n autocrud get deployment autocrud-api --output jsonpath='{.spec.replicas}')" = 7 ] || { echo "the replicas were set back" >&2; exit 1; }
	echo "-- a new version, as docs/deployment.md says"
	mkdir -p "$dir/next"
	cp -r deploy "$dir/next/"
	sed -i 's/newTag: .*/newTag: 9.9.9/' "$dir/next/deploy/k8s/base/kustomization.yaml"
	refused apply -k "$dir/next/deploy/k8s/overlays/$overlay"
	kubectl -n autocrud delete job autocrud-provision --ignore-not-found --wait=false
	for _ in $(seq 30); do kubectl -n autocrud get job autocrud-provision >/dev/null 2>&1 || break; kubectl -n autocrud patch job autocrud-provision --type merge --patch '{"metadata":{"finalizers":null}}' >/dev/null 2>&1; sleep 1; done
	apply -k "$dir/next/deploy/k8s/overlays/$overlay" | grep -v unchanged | head -3
	kubectl -n autocrud get deployment autocrud-api --output jsonpath='{.spec.template.spec.containers[0].image}{"\n"}' | grep ':9.9.9$'
	rm -rf "$dir/next"
	echo "-- the pods"
	admitted autocrud
	kubectl -n autocrud create job rebuild-log --from cronjob/autocrud-rebuild-log --dry-run=server
	refused kubectl -n autocrud run control --image busybox --privileged
	if [ $overlay = production ]; then
		say "the chart of NATS $NATS_CHART_VERSION with our values"
		chart=${NATS_CHART:-$kube/nats-$NATS_CHART_VERSION.tgz}
		[ -e "$chart" ] || (cd "$kube" && helm pull nats --repo https://nats-io.github.io/k8s/helm/charts/ --version $NATS_CHART_VERSION >/dev/null 2>&1) ||
			echo "NOT RUN: the chart is not reachable; name it by NATS_CHART"
		if [ -e "$chart" ]; then
			helm template nats "$chart" --namespace autocrud --values deploy/k8s/overlays/production/nats-values.yaml --skip-tests >"$dir/nats.yaml"
			apply -n autocrud -f "$dir/nats.yaml"
			admitted autocrud
			echo "-- its configuration, read by the server"
			configured "$(kubectl -n autocrud get configmap nats-config --output jsonpath='{.data.nats\.conf}')"
		fi
	fi
	emptied autocrud
done
say our chart
helm lint --strict deploy/helm/autocrud
apply -f deploy/k8s/overlays/production/namespace.yaml
helm install autocrud deploy/helm/autocrud --namespace autocrud >/dev/null
helm upgrade autocrud deploy/helm/autocrud --namespace autocrud --set image.tag=9.9.9 | grep REVISION
kubectl -n autocrud get jobs,deployments --output name
admitted autocrud
emptied autocrud
say done
