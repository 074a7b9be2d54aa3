# One target for each thing that is done to this repository. .ci/run calls the same ones.
# The service does not need make: the README uses the go command.

MAKEFLAGS += --no-print-directory
BENCH ?= .
BENCHTIME ?= 1x
FOR ?= 1m

# The packages whose tests have golden files.
golden = $(sort $(dir $(shell grep -rl --include='*_test.go' 'flag.Bool."update"' cmd internal)))

.PHONY: help
help: ## list the targets (the default)
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: check
check: ## format, modules, go vet, staticcheck
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "run gofmt -w on these files"; exit 1; }
	go mod tidy -diff
	go vet ./...
	if pkg-config --exists vips; then go vet -tags vips ./cmd/imaging; fi
	go tool staticcheck ./...

.PHONY: test
test: ## all tests, as the README says
	go test ./...

# The packages whose tests gain nothing from the race detector: what they test runs in
# processes of its own, which are built without it, or is no code. The service that the
# browser's tests have in their process gets the same requests from those of httpapi.
raceless = internal/test/bench internal/test/browser internal/test/deploy internal/test/docs internal/test/e2e internal/test/layout

.PHONY: race
race: ## the tests in random order under the race detector, without those it cannot help
	go test -race -shuffle=on -timeout 20m $$(go list ./... | grep -vxF "$$(printf 'claimcheck.example/%s\n' $(raceless))")

.PHONY: e2e
e2e: ## tests of whole processes: the README's commands, local, functions, deployment
	go test ./internal/test/e2e

.PHONY: browser
browser: ## tests of the page in chromium
	go test ./internal/test/browser

.PHONY: bench
bench: ## benchmarks; BENCH=regexp BENCHTIME=2s, by default each once
	go test -run '^$$' -bench '$(BENCH)' -benchtime $(BENCHTIME) ./...

.PHONY: imaging
imaging: ## bin/imaging, the vips engine; it needs gcc, pkg-config and libvips-dev
	CGO_ENABLED=1 go build -trimpath -tags vips -o bin/imaging ./cmd/imaging

.PHONY: release
release: ## binaries, images, SBOM and checksums in dist/; VERSION=v1.2.3, by default from git
	.ci/release

.PHONY: rename
rename: ## give the module another path: MODULE=example.com/you/claimcheck
	@test -n '$(MODULE)' || { echo "make rename MODULE=example.com/you/claimcheck"; exit 1; }
	@git ls-files -z '*.go' '*go.mod' '*/testdata/*' Dockerfile | OLD=$$(go list -m) MODULE='$(MODULE)' \
		xargs -0 perl -pi -e 's{(?<![\w./])\Q$$ENV{OLD}\E(?=/(?:internal|cmd)/|"|$$)}{$$ENV{MODULE}}g'

.PHONY: manifests
manifests: ## the Kubernetes manifests against the types of Kubernetes, in a module of its own
	cd internal/test/kubernetes && go vet ./... && go test ./...

.PHONY: chaos
chaos: ## kill processes and break the network under load; FOR=10m, by default 1m
	go run ./internal/test/chaos -for $(FOR)

.PHONY: golden
golden: ## write the golden files anew; read the diff before you commit it
	go test $(addprefix ./,$(golden)) -update

.PHONY: scripts
scripts: ## shellcheck of the scripts, bash's syntax check of the documents' commands
	@git ls-files .ci cmd docs findings | xargs grep -lE '^#!.*sh$$' | xargs shellcheck
	@for page in $$(git ls-files CONTRIBUTING.md 'docs/*.md'); do sed -n '/^```/,/^```/d; s/^    //p' "$$page" | bash -n || exit 1; done

.PHONY: ci
ci: ## the whole of continuous integration; it installs Debian packages
	.ci/run
