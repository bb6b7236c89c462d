#!/bin/sh
# Runs what can be run without the machine: the tests of what differs between platforms,
# and the program through an import, a job, a kill and verify, for Linux arm64 under qemu
# and for Windows amd64 under Wine. For root on Debian; half an hour. EMULATED names one.
set -eu
cd "$(dirname "$0")/.."
. scripts/containers.sh
GO=${GO:-go}
export CGO_ENABLED=0
dir=$(mktemp -d)
running=
finish() {
	code=$?
	trap - EXIT
	[ -z "$running" ] || kill -9 "$running" 2>/dev/null || true
	[ $code = 0 ] || tail -n 5 "$dir"/*.log >&2
	rm -rf "$dir" 2>/dev/null || { sleep 3; rm -rf "$dir"; } # the server of Wine lives on for a moment
	exit $code
}
trap finish EXIT
trap 'exit 130' INT TERM

# tested PLATFORM EMULATOR PACKAGE... runs the tests of packages.
tested() {
	platform=$1 emulator=$2
	shift 2
	for p in "$@"; do
		GOOS=${platform%/*} GOARCH=${platform#*/} "$GO" test -tags timetzdata -c -o "$dir/tests.exe" "$p"
		printf '%s %s: ' "$platform" "$p"
		(cd "$p" && "$emulator" "$dir/tests.exe" -test.timeout 30m -test.v -test.skip "$skipped" >"$dir/tests.log" 2>&1) || { grep -A 5 -e '--- FAIL' "$dir/tests.log" >&2; return 1; }
		echo "$(grep -c -e '--- PASS' "$dir/tests.log") tests"
	done
}

url=http://127.0.0.1:$((20000 + $$ % 20000))
# begin EMULATOR starts the program and waits until it is ready.
begin() {
	"$1" "$dir/program.exe" up --addr "${url#http://}" --models examples/quickstart/models --data-dir "$dir/data" --log-level error >"$dir/program.log" 2>&1 &
	running=$!
	for _ in $(seq 120); do
		"$dir/autocrud" health --url "$url" >/dev/null 2>&1 && return 0
		kill -0 $running
		sleep 1
	done
	return 1
}

# lived PLATFORM EMULATOR [job] runs the program.
lived() {
	GOOS=${1%/*} GOARCH=${1#*/} "$GO" build -tags timetzdata -o "$dir/program.exe" ./cmd/autocrud
	rm -rf "$dir/data"
	begin "$2"
	"$dir/autocrud" import elements examples/quickstart/seed/elements.ndjson --id-field symbol --url "$url" >/dev/null
	before=$(curl -sf "$url/v1/elements:count?consistency=strong")
	if [ "${3:-}" = job ]; then
		curl -sf "$url/v1/conversions?id=iron" -H 'Content-Type: application/json' -d '{"celsius":1538}' >/dev/null
		for _ in $(seq 60); do curl -sf "$url/v1/conversions/iron?returns=meta" | grep -q '"state":"succeeded"' && break; sleep 1; done
		curl -sf "$url/v1/conversions/iron?returns=meta" | grep -q '"state":"succeeded"'
	fi
	curl -sf -X DELETE "$url/v1/elements/He" >/dev/null
	curl -sf -X POST "$url/v1/elements/He:purge" -H 'Content-Type: application/json' -d '{}' >/dev/null
	kill -9 $running
	wait $running 2>/dev/null || true
	begin "$2"
	after=$(curl -sf "$url/v1/elements:count?consistency=strong")
	echo "$1, the program: $before, one deleted and purged, killed; $after; $("$dir/autocrud" verify --url "$url" | tail -n 1)"
	kill -9 $running
	wait $running 2>/dev/null || true
	running=
}

# wine makes wine64, that of Debian 13: what Go 1.26 needs is not in Wine 8. It runs in a
# root of its own, into which what it reads is mounted.
wine() {
	root=$containers/wine-trixie
	installed debootstrap=debootstrap
	[ -x "$root/usr/lib/wine/wine64" ] || {
		rm -rf "$root"
		debootstrap --variant=minbase --include=wine64 trixie "$root" http://deb.debian.org/debian >"$dir/debootstrap.log"
	}
	mkdir -p "$root$dir" "$root$PWD"
	cat >"$dir/wine64" <<-EOF
		#!/bin/sh
		exec unshare --mount --propagation private sh -c '
			for m in /dev /proc $dir $PWD; do mount --rbind \$m $root\$m; done
			exec chroot $root env HOME=/root WINEPREFIX=$dir/wine WINEDEBUG=-all sh -c "cd \"\$0\" && exec /usr/lib/wine/wine64 \"\\\$@\"" sh "\$@"' "\$PWD" "\$@"
	EOF
	chmod +x "$dir/wine64"
	"$dir/wine64" wineboot >"$dir/wine.log" 2>&1
	"$dir/wine64" --version
}

"$GO" build -o "$dir/autocrud" ./cmd/autocrud
installed curl=curl
case ${EMULATED:-qemu} in qemu)
	installed qemu-aarch64-static=qemu-user-static
	skipped='TestALockKeepsOtherProcessesOut|TestACommand.*' # they start themselves, which qemu must be told
	tested linux/arm64 qemu-aarch64-static ./internal/disk ./pkg/storage/fsblob ./services/worker
	lived linux/arm64 qemu-aarch64-static job
	;;
esac
case ${EMULATED:-wine} in wine)
	wine
	skipped=TestBlobs/BinaryIsAddressedByItsContent # for Wine a file that is removed is there until its last reader has closed it
	tested windows/amd64 "$dir/wine64" ./internal/disk ./pkg/storage/fsblob ./pkg/storage/natslog ./pkg/storage/sqliteindex ./services/worker
	lived windows/amd64 "$dir/wine64"
	;;
esac
