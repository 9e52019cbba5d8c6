# Isthmus: `make` alone prints this help.
SHELL := /bin/sh
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
export ISTHMUS_SHARED ?= ../shared
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show the targets and what each is for
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1|/' | awk -F'|' '{printf "%-16s %s\n", $$1, $$2}'

$(STAMP): requirements/dev.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements/dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: install
install: $(STAMP) ## Make the virtual environment from the hash-pinned lock

.PHONY: demo
demo: $(STAMP) ## Connect three sandbox shops and sync their listings (ONCE=1 ends by itself)
	$(BIN)/isthmus demo $(if $(ONCE),--once) $(if $(PRODUCTS),--products $(PRODUCTS)) $(if $(CATALOG),--catalog "$(CATALOG)")

.PHONY: check
check: $(STAMP) ## Format, lint, types, import contracts and house checks, without the tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	PYTHONPATH=tools/house $(BIN)/lint-imports
	$(BIN)/python -m tools.house

# The samples for PHP run with Debian's PHP, and pages are drawn with its Chromium; where they can neither be found nor
# installed, what needs them is left out and named.
.PHONY: programs
programs:
	@missing="$$(command -v php >/dev/null || echo php-cli) $$(command -v chromium >/dev/null || echo chromium)"; \
	test "$$missing" = " " \
	|| { apt-get update -qq && apt-get install -qq -y --no-install-recommends $$missing; } >/dev/null 2>&1 \
	|| echo "not here and cannot be installed: $$missing; what needs it is left out"

.PHONY: promises
promises: $(STAMP) programs
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder -m "not proof"

# Types are checked by one process for most of a minute: both begin at once.
.PHONY: test
test: $(STAMP) ## Every check and every promise, bounded
	@$(MAKE) --no-print-directory -j 2 check promises

.PHONY: proof
proof: $(STAMP) ## The long ones: soaks, kill matrices, large data
	$(BIN)/python -m pytest -n 2 --dist loadfile -m proof --timeout 3600

.venv-bench/.installed: requirements/bench.lock pyproject.toml
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements/bench.lock
	@touch $@

.PHONY: bench
bench: $(STAMP) .venv-bench/.installed ## Benchmarks beside their peers (ONLY=name for one)
	$(BIN)/python -m bench $(ONLY)

.PHONY: live
live: $(STAMP) ## The conformance suite against a real account given by the environment (NAME=shopee)
	$(BIN)/isthmus connector verify $(NAME) --live

.PHONY: lock
lock: ## Write the hash-pinned locks anew (needs uv)
	tools/lock

.PHONY: reference
reference: $(STAMP) ## Write docs/reference and the snapshots anew from the code
	$(BIN)/python -m tools.reference
