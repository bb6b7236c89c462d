#!/bin/sh
# Known vulnerabilities in what the program calls. The database is at
# https://vuln.go.dev; when it cannot be reached, this fails.
set -eu
GO=${GO:-go}
"$GO" -C tools build -o ../bin/tools/ golang.org/x/vuln/cmd/govulncheck
bin/tools/govulncheck ./...
