# Everything a developer does here. `make help` explains itself.
PRESET ?= dev
BUILD = build/$(PRESET)
JOBS ?= $(shell nproc)
REVISION = $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)
PYTHON = python3
# One compiler cache for every checkout.
export CCACHE_BASEDIR = $(CURDIR)
export CCACHE_NOHASHDIR = 1
FORMATTED = $(shell git ls-files '*.cc' '*.h')

.DEFAULT_GOAL := help
.PHONY: help deps build test unit integration sanitize demo simulate mutants fuzz crash format lint clean

help: ## Show this text
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  PRESET=dev|release|asan|tsan|clang chooses the build ($(PRESET))"

deps: ## Install what building and testing needs (apt), or list it
	@scripts/deps.sh

build: deps ## Build the operator and the simulator
	@mkdir -p build
	@cmake --preset $(PRESET) -DCVM_REVISION=$(REVISION) > $(BUILD)-configure.log 2>&1 || \
	  { cat $(BUILD)-configure.log; exit 1; }
	@cmake --build $(BUILD) -j $(JOBS)

test: build ## Run every test; prints their number by layer
	@PRESET=$(PRESET) JOBS=$(JOBS) scripts/test.sh

unit: build ## Run the unit tests only
	@ctest --test-dir $(BUILD) --output-on-failure -j $(JOBS)

integration: build ## Run the tests on a real control plane only
	@PRESET=$(PRESET) scripts/integration.sh

sanitize: ## Unit tests and worlds under ASan, UBSan and TSan; integration tests under TSan
	@scripts/sanitize.sh

demo: ## Watch real requests being retired; KEEP=1 leaves it running
	@$(MAKE) --no-print-directory build PRESET=dev
	@$(PYTHON) demo/demo.py

simulate: build ## Search the simulated world for violations: DURATION=seconds, or SEED=n to replay
	@$(BUILD)/bin/simulate $(if $(SEED),--seed $(SEED),--seconds $(or $(DURATION),60))

mutants: deps ## Remove each safeguard in turn; the tests must notice (NAME=... for some)
	@$(PYTHON) tests/simulation/mutants/run.py $(NAME)

fuzz: deps ## Fuzz every parser of foreign bytes: DURATION=seconds for each
	@scripts/fuzz.sh $(or $(DURATION),60)

crash: build ## Kill the operator at every request, before it is sent and after it was executed
	@CVM_BIN=$(CURDIR)/$(BUILD)/bin $(PYTHON) tests/crash/crash.py

format: ## Format the sources
	@clang-format-14 -i $(FORMATTED)

lint: build ## Check the format and run clang-tidy
	@clang-format-14 --dry-run --Werror $(FORMATTED)
	@scripts/tidy.sh $(BUILD)

clean: ## Remove what was built
	@rm -rf build dist
