# Mulligan: everything a developer types. Paths are relative, so that a folder with spaces in its name works too.
PYTHON ?= python3
ARGS ?=
MINUTES ?= 10
RUN := .venv/bin/python -m
# How tests are spread over processes; tests/conftest.py says how many those are.
SPREAD := -n logical --maxprocesses 8 --dist loadscope
# Where a container forbids it, every process would compile all that it imports: the web would take twice as long to start.
unexport PYTHONDONTWRITEBYTECODE
# Rebuilt only when what is installed would differ; `make up` on a ready environment costs nothing.
READY := .venv/.ready

.DEFAULT_GOAL := help
.PHONY: help up setup test quick check hunt bench pictures fmt lock clean

help: ## This list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' Makefile

up: $(READY) ## Run Mulligan on this machine: Valkey, database, worker, web (ARGS="--port 9000 --workers 2")
	@exec $(RUN) ui.cli up $(ARGS)

test: $(READY) ## Run all tests, those in a real browser too (ARGS="-k retry tests/services")
	@.ci/chromium
	@$(RUN) pytest $(SPREAD) $(ARGS)

quick: $(READY) ## Run all tests but those marked browser, faults or slow, which are left to CI
	@$(RUN) pytest $(SPREAD) -m 'not (bench or browser or faults or slow)' $(ARGS)

setup: $(READY) ## Make the environment in .venv, with what tests need (PYTHON=python3.12 to choose)

check: $(READY) ## Format, lint, types, layers
	@$(RUN) ruff format --check .
	@$(RUN) ruff check .
	@$(RUN) mypy
	@.venv/bin/lint-imports

hunt: $(READY) ## Look for broken invariants for a while (MINUTES=60)
	@HUNT_MINUTES=$(MINUTES) $(RUN) pytest -n 0 -s --timeout 0 tests/invariants $(ARGS)

bench: $(READY) ## Run the benchmarks
	@$(RUN) tests.benchmarks $(ARGS)

pictures: $(READY) ## Make the screenshots of docs/images from a running demo
	@.ci/chromium
	@$(RUN) tests.browser.pictures

fmt: $(READY) ## Format, and mend what the linter can
	@$(RUN) ruff format .
	@$(RUN) ruff check --fix .

lock: $(READY) ## Write requirements.lock anew from pyproject.toml (ARGS="--upgrade" for newer versions)
	@$(RUN) uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --all-extras \
		--custom-compile-command 'make lock' $(ARGS) pyproject.toml --output-file requirements.lock

clean: ## Remove the environment and caches; data stays
	@rm -rf .venv build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): pyproject.toml requirements.lock .ci/setup
	@PYTHON='$(PYTHON)' .ci/setup
	@touch $(READY)
