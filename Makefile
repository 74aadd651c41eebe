# make run     the chat example, on http://127.0.0.1:3000 unless PORT says otherwise
# make test    everything that must pass: vet, builds, fuzz targets (briefly), the guard, all tests with the race detector,
#              all that serve connections also with a goroutine for each
# make guard   compares allocations and system calls with what is recorded; UPDATE=-update records them
# make lint    golangci-lint with .golangci.yml
# make fuzz    every fuzz target for FUZZTIME (60s)
# make mutants puts small faults into the code and checks that the tests notice them (an hour; ARGS="-run socketio/engine" for some of them)
# make soak    the long forms: the suites of the server SOAK (20) times, parked and not, ten runs beside handlers that wait (hours),
#              and clusters in trouble beside ones of Node.js only (ten minutes)
# make bench   the micro-benchmarks, then the comparison with other servers
GO       ?= go
FUZZTIME ?= 60s
PEERS    := examples/peers/node
# The tests with other people's routers and middlewares are a module of their own.
FRAMEWORKS := examples/peers/frameworks
# Tests find what they need through .ci/deps; a slow machine may need longer than Go's ten minutes.
TESTFLAGS ?= -race -shuffle=on -timeout 20m
# What runs without parking, too (socketio/internal/park): all but package adapter, which has no connections and takes half a minute.
SERVING := ./examples/... ./redisadapter/... ./socketio/...

.DEFAULT_GOAL := test
.PHONY: run test deps check guard lint fuzz bench

# The chat needs Go only: without npm, or without a network, its page takes the client from the official CDN.
run:
	@if command -v npm >/dev/null && [ ! -d $(PEERS)/node_modules ]; then npm ci --prefix $(PEERS) --no-audit --no-fund || true; fi
	$(GO) run ./examples/chat

deps:
	@.ci/deps

check: deps
	@unformatted=$$(gofmt -l .); \
		[ -z "$$unformatted" ] || { echo "gofmt would change:"; echo "$$unformatted"; exit 1; }
	$(GO) vet ./...
	cd $(FRAMEWORKS) && $(GO) vet ./...
	GOOS=windows $(GO) build ./...
	GOOS=darwin $(GO) build ./...
	GOOS=plan9 $(GO) build ./...
	$(GO) run ./examples/bench/mutants -check # its lists fit the code
	for peer in zishang zishang3; do (cd examples/peers/$$peer && $(GO) build -o /dev/null ./...) || exit 1; done

test: check
	.ci/fuzz 20000x
	$(GO) test -run 'Alloc|Size|Footprint' ./... # the race detector allocates, so these run without it
	$(GO) run ./examples/bench/guard
	$(GO) test $(TESTFLAGS) -tags noparking $(SERVING)
	$(GO) test $(TESTFLAGS) ./...
	cd $(FRAMEWORKS) && $(GO) test $(TESTFLAGS) ./...

guard: deps
	$(GO) run ./examples/bench/guard $(UPDATE)

# The linter that is installed, or else the version the configuration was written for.
lint:
	@if command -v golangci-lint >/dev/null; then golangci-lint run ./...; \
	else $(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0 run ./...; fi

fuzz:
	.ci/fuzz $(FUZZTIME)

bench: deps
	$(GO) test -run '^$$' -bench . -benchmem ./...
	$(GO) run ./examples/bench/load

SOAK ?= 20
.PHONY: soak
soak: deps
	$(GO) test -race -shuffle=on -timeout 10h -count $(SOAK) ./socketio/...
	$(GO) test -race -shuffle=on -timeout 10h -count $(SOAK) -tags noparking ./socketio/...
	$(GO) run ./examples/bench/load -run wait,spin,burst -n 10
	$(GO) run ./examples/peers/trouble

.PHONY: mutants
mutants: deps
	nice $(GO) run ./examples/bench/mutants $(ARGS)
