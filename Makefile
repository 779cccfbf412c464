# Everything a newcomer needs: `make demo` and `make test` set themselves up. Run twice or interrupted, each step is
# done once: a stamp in .venv/.stamps is written only after its step succeeded.

PYTHON ?= python3
SOURCE ?=
PAGE ?=
PYTEST_ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/.stamps
PIP_INSTALL := $(BIN)/python -m pip --disable-pip-version-check --no-input install --quiet --no-compile
MIN_PYTHON := import sys; sys.exit(sys.version_info < (3, 11))

.PHONY: help setup dev demo bitbrains test chaos test-slow test-sampling lint bench bench-full fuzz soak coverage docs docs-measured docs-plots adaptive-study sensitivity-study clean
.DEFAULT_GOAL := help

help:
	@echo 'make demo                     how far can the demo fleet be overcommitted? ends with a report'
	@echo 'make bitbrains SOURCE=PATH    the same for the Bitbrains traces that you downloaded'
	@echo 'make test | lint              what CI runs'
	@echo 'make test-slow                long tests'
	@echo 'make bench | bench-full       speed of the main parts, minutes; at the sizes of the goals, an hour'
	@echo 'make test-sampling            thirty random hosts, sampled against every 4 KiB page; half an hour'
	@echo 'make chaos                    two hundred random kills of processes of a sweep; half an hour'
	@echo 'make fuzz [COUNT=100000]      mutated configs, traces, fleets and runs; hours; run again to go on'
	@echo 'make soak [HOSTS=100000]      does memory grow over many host simulations? hours'
	@echo 'make coverage                 how often do the intervals hold? synthetic sweeps of known truth; ten minutes'
	@echo 'make setup | dev              install for use; install for development'
	@echo 'make docs                     write the generated pages of docs/ again'
	@echo 'make docs-measured            measure what docs/ says of validation and ablation again (minutes)'
	@echo 'make adaptive-study | sensitivity-study [SOURCE=FLEET_DIR]   measure what docs/ says of searches and assumptions'
	@echo 'make docs-plots PAGE=FILE     draw the pictures of docs/model from a page of planner validate --out'
	@echo 'make clean                    remove .venv and caches, keep data/ and reports/'

$(STAMPS)/venv:
	@$(PYTHON) -c '$(MIN_PYTHON)' || { echo 'Python 3.11 or newer is needed: make PYTHON=python3.12 ...' >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV) || { echo 'On Debian: apt-get install python3-venv' >&2; exit 2; }
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/runtime: requirements/runtime.lock $(STAMPS)/venv
	@echo 'Installing what the planner needs (pinned, hash-checked) ...'
	@$(PIP_INSTALL) --require-hashes -r requirements/runtime.lock
	@touch $@

$(STAMPS)/project: pyproject.toml $(STAMPS)/runtime
	@$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(STAMPS)/dev: requirements/dev.lock $(STAMPS)/project
	@echo 'Installing what tests and checks need (pinned, hash-checked) ...'
	@$(PIP_INSTALL) --require-hashes -r requirements/dev.lock
	@touch $@

setup: $(STAMPS)/project

dev: $(STAMPS)/dev

demo: setup
	@$(BIN)/planner sweep cluster_configs/demo.yaml --out reports/demo

# vms.csv beside the series: tables with a column per VM. Otherwise raw GWA-T-12 files, in a directory or a zip.
bitbrains: setup
	@test -n '$(SOURCE)' || { echo 'Say where the traces are: make bitbrains SOURCE=DIRECTORY_OR_ZIP' >&2; exit 2; }
	@test -e '$(SOURCE)' || { echo 'There is nothing at $(SOURCE)' >&2; exit 2; }
	@if test -e '$(SOURCE)/vms.csv'; then kind=table; else kind=gwa; fi; \
	$(BIN)/planner import $$kind '$(SOURCE)' --out data/bitbrains --force
	@$(BIN)/planner sweep cluster_configs/bitbrains.yaml --out reports/bitbrains

test: dev
	@$(BIN)/python -m pytest -q -m 'not slow' $(PYTEST_ARGS)

test-slow: dev
	@$(BIN)/python -m pytest -q -m slow $(PYTEST_ARGS)

test-sampling: dev
	@$(BIN)/python -m pytest -q tests/sampling $(PYTEST_ARGS)

# CHAOS_ARGS: e.g. --kills 50 --seed 1
chaos: dev
	@$(BIN)/python -m tests.chaos.kills $(CHAOS_ARGS)

lint: dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

# A peer to measure against, where it can be installed: its figures are left out elsewhere.
$(STAMPS)/bench: requirements/bench.lock $(STAMPS)/dev
	@$(PIP_INSTALL) --no-deps --only-binary :all: --require-hashes -r requirements/bench.lock \
	    || echo 'The peer that page replacement is measured against cannot be installed here.' >&2
	@touch $@

bench: $(STAMPS)/bench
	@$(BIN)/python -m benchmarks

# The sizes of the goals: a host of 512 GiB with every page, 1,800 hosts for 30 days. About an hour, 8 GiB of memory.
bench-full: $(STAMPS)/bench
	@$(BIN)/python -m benchmarks --size full --out reports/benchmarks-full.json

docs: dev
	@$(BIN)/python -m tools.reference_pages

# What is measured and takes minutes: the result of `planner validate`, the worth of each mechanism.
docs-measured: dev
	@$(BIN)/python -m tools.validation_tables
	@$(BIN)/python -m tools.ablation
	@$(BIN)/python -m tools.coverage_study
	@$(BIN)/python -m tools.validation_plots

# Cases are a seed and a number; findings and their inputs are kept beside the log. Exit code 1: there are findings.
COUNT ?= 100000
SEED ?= 1
fuzz: dev
	@$(BIN)/python -m tests.fuzz --seed $(SEED) --count $(COUNT) --log reports/fuzz-$(SEED).jsonl --keep reports/fuzz-$(SEED)

HOSTS ?= 100000
soak: dev
	@$(BIN)/python -m tools.soak --hosts $(HOSTS) --out reports/soak.csv

# The tables of docs/model/risk.md alone.
coverage: dev
	@$(BIN)/python -m tools.coverage_study

# Minutes to half an hour each. SOURCE: the imported Bitbrains fleet (data/bitbrains after `make bitbrains`), if there.
adaptive-study: dev
	@$(BIN)/python -m tools.adaptive_study $(SOURCE)

sensitivity-study: dev
	@$(BIN)/python -m tools.sensitivity_study $(SOURCE)

# PAGE: what `planner validate --out PAGE` wrote; without it the targets that are drawn are run, which takes minutes.
docs-plots: dev
	@$(BIN)/python -m tools.validation_plots $(if $(PAGE),--page '$(PAGE)')

clean:
	@rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks .import_linter_cache
	@find planner tests tools benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
