#!/bin/sh
# Gets what containers are run with where there is none, and no registry: Debian's
# engine, the compose plugin from its module, and images under the names that the
# project's files use, made from Debian's packages and Go modules. For root on Debian;
# what it makes stays in AUTOCRUD_CONTAINERS (~/.cache/autocrud-containers, 3 GB).
# With ENGINE, a version of the module github.com/moby/moby/v2 such as v2.0.0-beta.24, the
# engine is built from that instead.
#   . scripts/containers.sh; tools; engine; images; ...; stop_engine
containers=${AUTOCRUD_CONTAINERS:-${XDG_CACHE_HOME:-$HOME/.cache}/autocrud-containers}
export DOCKER_HOST=unix://$containers/docker.sock DOCKER_CONFIG=$containers/config
engine_pid=
COMPOSE_VERSION=v2.40.3
[ -z "${ENGINE:-}" ] || PATH=$containers/engine-$ENGINE:$PATH

# installed PROGRAM... installs the packages of the programs that are missing.
installed() {
	missing=
	for pair in "$@"; do command -v "${pair%=*}" >/dev/null 2>&1 || missing="$missing ${pair#*=}"; done
	[ -z "$missing" ] && return 0
	[ "$(id -u)" = 0 ] || { echo "install$missing first" >&2; return 1; }
	# RUNLEVEL: nothing is started
	# shellcheck disable=SC2086 # several arguments
	RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing >/dev/null ||
		{ apt-get update >/dev/null && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing >/dev/null; }
}

# module PATH VERSION is the folder with a copy of a module that can be changed.
module() {
	copy=$containers/source-$(basename "${1%/v[0-9]*}")
	rm -rf "$copy"
	cp -r "$(go mod download -json "$1@$2" | sed -n 's/.*"Dir": "\(.*\)",*/\1/p')" "$copy"
	chmod -R u+w "$copy"
	echo "$copy"
}

# tools builds what is no package of Debian's.
tools() {
	mkdir -p "$containers/config/cli-plugins" "$containers/bin"
	installed dockerd=docker.io docker=docker.io debootstrap=debootstrap busybox=busybox-static
	if [ -n "${ENGINE:-}" ] && [ ! -x "$containers/engine-$ENGINE/dockerd" ]; then
		source=$(module github.com/moby/moby/v2 "$ENGINE")
		for program in docker-proxy dockerd; do
			(cd "$source" && GOWORK=off GOFLAGS=-buildvcs=false CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X github.com/moby/moby/v2/dockerversion.Version=$ENGINE" \
				-o "$containers/engine-$ENGINE/$program" "./cmd/$program")
		done
		rm -rf "$source"
	fi
	if [ ! -x "$containers/config/cli-plugins/docker-compose" ]; then # its exclude lines forbid go install
		source=$(module github.com/docker/compose/v2 $COMPOSE_VERSION)
		(cd "$source" && GOWORK=off GOFLAGS=-buildvcs=false CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X github.com/docker/compose/v2/internal.Version=$COMPOSE_VERSION" \
			-o "$containers/config/cli-plugins/docker-compose" ./cmd)
		rm -rf "$source"
	fi
	[ -x "$containers/bin/nats-server" ] || CGO_ENABLED=0 go build -ldflags "-s -w" -o "$containers/bin/nats-server" github.com/nats-io/nats-server/v2
	[ -x "$containers/bin/versitygw" ] || (cd internal/testenv/s3server && CGO_ENABLED=0 go build -ldflags "-s -w" -o "$containers/bin/versitygw" github.com/versity/versitygw/cmd/versitygw)
	# /etc/alternatives has no place in what is imported; debootstrap's own cleaning is enough.
	[ -s "$containers/debian.tar" ] || {
		debootstrap --variant=minbase --include=ca-certificates,postgresql-17,libnss-wrapper trixie "$containers/root" http://deb.debian.org/debian >"$containers/debootstrap.log"
		rm -rf "$containers"/root/var/cache/apt/archives/*.deb "$containers"/root/var/lib/apt/lists/* "$containers/root/proc" "$containers/root/sys" "$containers/root/dev"
		mkdir "$containers/root/proc" "$containers/root/sys" "$containers/root/dev"
		tar -C "$containers/root" -cf "$containers/debian.tar.new" .
		rm -rf "$containers/root"
		mv "$containers/debian.tar.new" "$containers/debian.tar"
	}
}

# engine starts dockerd with a folder and a socket of its own.
engine() {
	hash -r # a program of the same name may have been built since
	# shellcheck disable=SC2086 # none or two arguments; Debian 12's runc knows no time namespaces
	dockerd ${ENGINE:+--feature time-namespaces=false} --data-root "$containers/docker${ENGINE:+-$ENGINE}" --exec-root "$containers/exec" --pidfile "$containers/docker.pid" --host "$DOCKER_HOST" \
		--containerd-namespace autocrud-test --containerd-plugins-namespace autocrud-test-plugins >"$containers/dockerd.log" 2>&1 &
	engine_pid=$!
	for _ in $(seq 60); do
		docker info >/dev/null 2>&1 && return 0
		kill -0 $engine_pid 2>/dev/null || break
		sleep 1
	done
	tail -5 "$containers/dockerd.log" >&2
	return 1
}

stop_engine() {
	[ -z "$engine_pid" ] || { kill "$engine_pid" 2>/dev/null; wait "$engine_pid" 2>/dev/null; }
	engine_pid=
	umount "$containers/docker${ENGINE:+-$ENGINE}" 2>/dev/null || true # it is left mounted on itself
}

# image TAG FROM FILE... makes an image of files and the lines of a Dockerfile on
# standard input, unless it is there.
image() {
	tag=$1
	shift
	! docker image inspect "$tag" >/dev/null 2>&1 || { cat >/dev/null; return 0; }
	if docker pull --quiet "$tag" >/dev/null 2>&1; then cat >/dev/null; return 0; fi
	context=$(mktemp -d)
	cat >"$context/Dockerfile"
	for f in "$@"; do cp -rL "$f" "$context/"; done
	DOCKER_BUILDKIT=0 docker build --quiet --tag "$tag" "$context" >/dev/null
	rm -rf "$context"
}

# images makes what no registry gave.
images() {
	docker image inspect autocrud-test/debian >/dev/null 2>&1 || docker import "$containers/debian.tar" autocrud-test/debian >/dev/null
	go=$(go env GOROOT)
	image golang:1.26.8-bookworm "$go" /etc/ssl/certs/ca-certificates.crt <<-EOF
		FROM autocrud-test/debian
		COPY $(basename "$go") /usr/local/go
		COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
		ENV PATH=/usr/local/go/bin:/usr/sbin:/usr/bin:/sbin:/bin GOTOOLCHAIN=local GOFLAGS=-buildvcs=false
	EOF
	image busybox:1.37.0-musl "$(command -v busybox)" <<-EOF
		FROM scratch
		COPY busybox /bin/busybox
		RUN ["/bin/busybox", "--install", "-s", "/bin"]
		CMD ["sh"]
	EOF
	image nats:2.15.2-alpine3.22 "$containers/bin/nats-server" <<-EOF
		FROM busybox:1.37.0-musl
		COPY nats-server /nats-server
		ENTRYPOINT ["/nats-server"]
	EOF
	image versity/versitygw:v1.8.0 "$containers/bin/versitygw" <<-EOF
		FROM busybox:1.37.0-musl
		COPY versitygw /versitygw
		ENTRYPOINT ["/versitygw"]
	EOF
	image postgres:17.6-alpine3.22 deploy/containers/postgres.sh <<-EOF
		FROM autocrud-test/debian
		COPY postgres.sh /postgres.sh
		ENV PATH=/usr/lib/postgresql/17/bin:/usr/sbin:/usr/bin:/sbin:/bin
		ENTRYPOINT ["sh", "/postgres.sh"]
	EOF
}
