# What scripts/test.sh and scripts/test-full.sh have in common; both read it.
GO=${GO:-go}
failed=0
scratch=

# begin gets Postgres, which is needed: on Debian, for root.
begin() {
	if ! command -v initdb >/dev/null 2>&1 && ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 &&
		[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
		(apt-get install -y postgresql || { apt-get update && apt-get install -y postgresql; }) >/dev/null ||
			echo "Postgres could not be installed; its tests will fail"
	fi
	times=$(mktemp)
	said=$(mktemp)
}

# in_memory has the folders of tests in memory, where there is room: a process that
# is killed does not lose what it synced there. /dev/shm may be small, or forbid
# programs.
in_memory() {
	[ "$(df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 {print $4}')" -gt 6000000 ] 2>/dev/null || return 0
	scratch=$(mktemp -d /dev/shm/autocrud-test.XXXXXX)
	chmod 755 "$scratch" # Postgres runs as another user
	printf '#!/bin/sh\n' >"$scratch/program"
	chmod +x "$scratch/program"
	! "$scratch/program" 2>/dev/null || export TMPDIR="$scratch"
}

# end says how long each part took, removes what begin made and ends the script.
end() {
	echo "== seconds of each part"
	sort -rn "$times"
	rm -rf "$times" "$said" ${scratch:+"$scratch"}
	exit $failed
}

# part NAME COMMAND... runs a part, whose time end tells. Its failure is one of the
# whole, which goes on.
part() {
	name=$1 begun=$(date +%s)
	shift
	"$@" || failed=1
	printf '%5d  %s\n' $(($(date +%s) - begun)) "$name" >>"$times"
}

# Programs are built without what a debugger needs, which takes a tenth of the time;
# those that tests build too, so that nothing is built twice.
given=${GOFLAGS:-}
export GOFLAGS="${GOFLAGS:+$GOFLAGS }-gcflags=all=-dwarf=false"

# Two ways to test, for env. go test would vet each package again, once for each way
# it is built: make lint does that, with more checks.
#
# SQLite is C turned into Go, which the race detector slows down tenfold and says
# nothing about: it is built without, in a program built with it. Nothing else is: of
# a package that uses generic types of the standard library the linker may take their
# code for all, and the race detector would no longer see their locks.
plain="CGO_ENABLED=0 $GO test -vet=off -timeout 30m"
race="CGO_ENABLED=1 $GO test -vet=off -timeout 30m -race -gcflags=modernc.org/sqlite/lib=-race=false"
if ! command -v "${CC:-gcc}" >/dev/null 2>&1; then
	echo "no C compiler: the tests run without the race detector"
	race=$plain
fi

# packages that match the pattern, or with -v that do not.
packages() { "$GO" list ./... | grep -E "$@"; }
