#!/bin/sh
# Package:   github.com/netresearch/go-cron v0.9.1
# Behaviour: its guide promises that a run at a midnight which does not exist comes at
#            the first valid time of that day, and that a run in an hour which comes
#            twice runs once. Seen are no run at all on the day without a midnight
#            (Cairo, Havana, Sao Paulo), though a run at a missing 02:00 comes at
#            03:00, and two runs in the hour that comes twice.
# Surprise:  @daily is not every day, in the zones whose clocks change at midnight
#            only; tests with New York do not show it.
# Seen:      @daily Africa/Cairo after 2024-04-25T12:00: 2024-04-27T00:00+03 2024-04-28T00:00+03
#            @daily America/Havana after 2024-03-09T12:00: 2024-03-11T00:00-04 2024-03-12T00:00-04
#            @daily America/Sao_Paulo after 2018-11-03T12:00: 2018-11-05T00:00-02 2018-11-06T00:00-02
#            0 2 * * * America/New_York after 2024-03-09T12:00: 2024-03-10T03:00-04 2024-03-11T02:00-04
#            30 1 * * * America/New_York after 2024-11-02T12:00: 2024-11-03T01:30-04 2024-11-03T01:30-05
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

cat >main.go <<'GO'
package main

import (
	"fmt"
	"log"
	"time"
	_ "time/tzdata"

	cron "github.com/netresearch/go-cron"
)

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

func main() {
	for _, c := range [][3]string{
		{"@daily", "Africa/Cairo", "2024-04-25T12:00"},
		{"@daily", "America/Havana", "2024-03-09T12:00"},
		{"@daily", "America/Sao_Paulo", "2018-11-03T12:00"},
		{"0 2 * * *", "America/New_York", "2024-03-09T12:00"},
		{"30 1 * * *", "America/New_York", "2024-11-02T12:00"},
	} {
		schedule := must(cron.ParseStandard(c[0]))
		start := must(time.ParseInLocation("2006-01-02T15:04", c[2], must(time.LoadLocation(c[1]))))
		first := schedule.Next(start)
		fmt.Printf("%s %s after %s: %s %s\n", c[0], c[1], c[2], first.Format("2006-01-02T15:04Z07"), schedule.Next(first).Format("2006-01-02T15:04Z07"))
	}
}
GO
export CGO_ENABLED=0 GOWORK=off GOFLAGS=-mod=mod
{ go mod init probe && go get github.com/netresearch/go-cron@v0.9.1 && go build -o probe .; } >log 2>&1 ||
	{ cat log; echo "the packages could not be installed" >&2; exit 2; }
got=$(./probe)
want='@daily Africa/Cairo after 2024-04-25T12:00: 2024-04-27T00:00+03 2024-04-28T00:00+03
@daily America/Havana after 2024-03-09T12:00: 2024-03-11T00:00-04 2024-03-12T00:00-04
@daily America/Sao_Paulo after 2018-11-03T12:00: 2018-11-05T00:00-02 2018-11-06T00:00-02
0 2 * * * America/New_York after 2024-03-09T12:00: 2024-03-10T03:00-04 2024-03-11T02:00-04
30 1 * * * America/New_York after 2024-11-02T12:00: 2024-11-03T01:30-04 2024-11-03T01:30-05'
echo "$got"
[ "$got" = "$want" ] || { echo "changed; it was:
$want" >&2; exit 1; }
