# make            lists the targets
# make run        builds, starts the server and walks through the main job
# make test       checks and tests everything, installing what it needs

GO        ?= go
CACHE     := $(CURDIR)/.cache
AZ        := $(CACHE)/az
NODE      := $(CACHE)/node
PYTHON    := $(CACHE)/python
ISSUER    := $(CACHE)/issuer
PACKAGES  ?= ./...

.DEFAULT_GOAL := help
.PHONY: help tools build run test az node-sdk python-sdk issuer object-stores check unit acceptance bench yardstick soak simulate kql-score fuzz clean

help:
	@sed -n 's/^# make/make/p' Makefile

# What a fresh Debian machine lacks: a C compiler and linker for the engine,
# Python's venv for the acceptance suite.
tools:
	@scripts/tools.sh

build: tools
	$(GO) build -o bin/logkeep ./cmd/logkeep

# make run DETACH=1  leaves the server running, its pid in .logkeep/logkeep.pid
run: build
	@scripts/run.sh $(if $(DETACH),detach)

# make check      formatting, vet, staticcheck, the architecture
check: tools
	@test -z "$$(gofmt -l cmd internal acceptance)" || { gofmt -l cmd internal acceptance; echo "run gofmt -w on these files"; exit 1; }
	$(GO) vet $(PACKAGES)
	$(GO) tool -modfile=tools/go.mod staticcheck $(PACKAGES)
	$(GO) test ./internal/arch

test: check build $(AZ)/ready node-sdk issuer $(PYTHON)/ready object-stores
	@$(MAKE) --no-print-directory simulate SEEDS=10000
	LOGKEEP_BIN=$(CURDIR)/bin/logkeep $(GO) tool -modfile=tools/go.mod gotestsum --format pkgname-and-test-fails -- -timeout 40m $(PACKAGES)

# make az         the real az, in an environment of its own
az: $(AZ)/ready

# make node-sdk, make python-sdk   the SDKs that the acceptance suites run, pinned
node-sdk:
	@command -v npm >/dev/null || echo "npm is not installed: the suite of the Node SDKs will be skipped"
	@! command -v npm >/dev/null || $(MAKE) --no-print-directory $(NODE)/ready

$(NODE)/ready: acceptance/node/package.json acceptance/node/package-lock.json
	mkdir -p $(NODE)
	cp $^ $(NODE)
	npm ci --prefix $(NODE) --ignore-scripts --no-audit --no-fund --loglevel error
	touch $@

# make issuer     a real OpenID Connect issuer, for the suite that trusts one
issuer:
	@command -v npm >/dev/null || echo "npm is not installed: the suite with an outside issuer will be skipped"
	@! command -v npm >/dev/null || $(MAKE) --no-print-directory $(ISSUER)/ready

$(ISSUER)/ready: acceptance/issuer/package.json acceptance/issuer/package-lock.json
	mkdir -p $(ISSUER)
	cp $^ $(ISSUER)
	npm ci --prefix $(ISSUER) --ignore-scripts --no-audit --no-fund --loglevel error
	touch $@

python-sdk: $(PYTHON)/ready

# make object-stores   an S3 server and Azurite, which the tests of object storage run against
object-stores: $(CACHE)/versitygw
	@command -v npm >/dev/null || echo "npm is not installed: the tests against Azure Blob Storage will be skipped"
	@! command -v npm >/dev/null || $(MAKE) --no-print-directory $(CACHE)/azurite/ready

$(CACHE)/versitygw: tools/versitygw/go.mod
	mkdir -p $(CACHE)
	$(GO) build -C tools/versitygw -o $@ github.com/versity/versitygw/cmd/versitygw

$(CACHE)/azurite/ready: acceptance/azurite/package.json acceptance/azurite/package-lock.json
	mkdir -p $(CACHE)/azurite
	cp $^ $(CACHE)/azurite
	npm ci --prefix $(CACHE)/azurite --ignore-scripts --no-audit --no-fund --loglevel error
	touch $@

$(PYTHON)/ready: acceptance/python/requirements.txt
	python3 -m venv --clear $(PYTHON)
	$(PYTHON)/bin/pip install --quiet --disable-pip-version-check --no-compile --no-deps -r acceptance/python/requirements.txt
	touch $@

# make unit       the tests that need no other client
unit:
	$(GO) test ./internal/... ./cmd/...

$(AZ)/ready: acceptance/requirements.txt
	python3 -m venv --clear $(AZ)
	$(AZ)/bin/pip install --quiet --disable-pip-version-check --no-compile --no-deps -r acceptance/requirements.txt
	touch $@

# make bench      the benchmarks: one table of medians and ratios
bench: build
	@scripts/bench.sh

# make yardstick   VictoriaLogs, for make bench BENCH="-queries -yardstick .cache/victorialogs"
yardstick: $(CACHE)/victorialogs

$(CACHE)/victorialogs: tools/victorialogs/go.mod
	mkdir -p $(CACHE)
	$(GO) build -C tools/victorialogs -o $@ github.com/VictoriaMetrics/VictoriaMetrics/app/victoria-logs

# make soak   load, kills, backups, purges and rotations for 10 minutes; SOAK=seconds, SEED=N repeats one
soak:
	SOAK="$(or $(SOAK),600)" SEED="$(SEED)" $(GO) test ./internal/server -run '^TestSoak$$' -count=1 -v -timeout 0

# make simulate   a million random schedules of the keyring; SEEDS=N, SEED=N repeats one
simulate:
	@GO="$(GO)" SEEDS="$(SEEDS)" FROM="$(FROM)" SEED="$(SEED)" scripts/simulate.sh

# make kql-score  how much of known queries is answered rightly; KQL_CORPUS=DIR
KQL_CORPUS ?= $(if $(LOGKEEP_SHARED),$(LOGKEEP_SHARED),../shared)/kql
kql-score: build
	@bin/logkeep kql score $(KQL_CORPUS)

# make fuzz       every fuzz target for FUZZTIME (30s)
fuzz:
	@scripts/fuzz.sh

clean:
	rm -rf bin .cache
