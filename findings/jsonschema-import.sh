#!/usr/bin/env bash
# github.com/santhosh-tekuri/jsonschema/v6 v6.0.3: a program that imports the package, and never uses it,
# compiles the meta-schemas of five drafts of JSON Schema each time it starts.
#
# The package's init function reads embedded files and compiles the meta-schemas of drafts 4, 6, 7, 2019-09
# and 2020-12 and of their vocabularies: 1.7 MB in 21,000 allocations, and 2.5 ms on the machine where this
# was seen. One expects that of the first schema that is compiled: a function that starts at its first request,
# or a command that prints its version, pays for it as well. With the collections of garbage that follow, it
# was 4 of the 12 ms from the start of a server to its first answer. google/jsonschema-go v0.4.3 allocates
# 85 kB there.
#
# The script runs two programs that import one package each, and reads what GODEBUG=inittrace=1 says of its
# initialisation. Seen with Go 1.26.8:
#
#   github.com/santhosh-tekuri/jsonschema/v6: 1701192 bytes
#   github.com/google/jsonschema-go/jsonschema: 84720 bytes
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export GOFLAGS=-mod=mod GOWORK=off
go mod init finding.example 2>/dev/null
go get github.com/santhosh-tekuri/jsonschema/v6@v6.0.3 github.com/google/jsonschema-go@v0.4.3 2>/dev/null

bytes() { # package
  mkdir -p main
  printf 'package main\n\nimport _ "%s"\n\nfunc main() {}\n' "$1" >main/main.go
  go build -o program ./main
  GODEBUG=inittrace=1 ./program 2>&1 | awk -v name="$1" '$1 == "init" && $2 == name { print $8 }'
}
one=$(bytes github.com/santhosh-tekuri/jsonschema/v6)
other=$(bytes github.com/google/jsonschema-go/jsonschema)
echo "github.com/santhosh-tekuri/jsonschema/v6: ${one:-0} bytes"
echo "github.com/google/jsonschema-go/jsonschema: ${other:-0} bytes"
if [ "${one:-0}" -lt 1000000 ] || [ "${other:-0}" -gt 200000 ]; then
  echo "the import of one of the two packages no longer allocates what it did" >&2
  exit 1
fi
