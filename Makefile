# make help lists the targets.
# VENV=FOLDER takes an environment that is there already: FOLDER/bin/python, and an empty file FOLDER/.ready.
VENV   ?= .venv
PYTHON ?= python3
BENCH   = $(VENV)/bin/python -m bench

SHELL       = bash
.SHELLFLAGS = -o pipefail -c

.DEFAULT_GOAL := help
.PHONY: help setup bench bench-cifar gpu results test test-long lint format report

help:          ## Show this list
	@grep -hE '^[a-z%-]+: .*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

setup: $(VENV)/.ready  ## Set up .venv when it is missing or made for other requirements

# .ready holds a digest of the requirements that were installed: others, as after a pull, are installed again.
required := $(firstword $(shell cat pyproject.toml constraints.txt 2>/dev/null | { sha256sum || shasum -a 256; } 2>/dev/null))
held     := $(shell cat $(VENV)/.ready 2>/dev/null)
ifneq ($(held),)
ifneq ($(held),$(required))
.PHONY: $(VENV)/.ready
endif
endif

$(VENV)/.ready:
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	echo $(required) > $@

bench: bench-digits  ## Train and compare on digits (about 3 minutes, no download)

bench-cifar: bench-cifar10  ## Train and compare on CIFAR-10 (for a GPU)

bench-%: suites/%.toml $(VENV)/.ready  ## Train and compare any suite: make bench-fashion
	$(BENCH) run $<
	$(BENCH) report $<

AGAINST ?=
DEVICE  ?= cuda
OFFLINE ?=
SPEED   ?= cifar10
SUITE   ?= cifar10
MEASURED = reports/$(SUITE)/speed

# $(call kept,COMMAND,FILE): show and keep what a command says; where it fails, go on and remember that.
kept = { $(1) | tee $(MEASURED)/$(2); } || failed="$$failed $(2)"
told = test -z "$$failed" || { echo "failed:$$failed (see $(MEASURED)); the rest is done" >&2; exit 1; }
measured = trap 'exit 130' INT; failed=; mkdir -p $(MEASURED); \
	$(call kept,$(VENV)/bin/python -m pytest tests/gpu -m gpu,gpu-tests.txt); \
	$(call kept,$(VENV)/bin/python benchmarks/neurons.py --device $(DEVICE) --dtype bfloat16,neurons.md); \
	$(call kept,$(BENCH) speed suites/$(SPEED).toml --device $(DEVICE) --against '$(AGAINST)' $(OFFLINE) \
		--json $(MEASURED)/fused.json,fused.md); \
	$(if $(filter cuda%,$(DEVICE)),$(call kept,$(BENCH) speed suites/$(SPEED).toml --device $(DEVICE) --path graphed \
		$(OFFLINE) --json $(MEASURED)/graphed.json,graphed.md);)

gpu: $(VENV)/.ready  ## On a GPU: its tests, neurons alone, steps of a suite (SPEED=cifar10, AGAINST=spikingjelly too)
	$(measured) $(told)

results: $(VENV)/.ready  ## On a GPU: the same, then train and compare SUITE (cifar10), and the README's table
	$(measured) { $(BENCH) run suites/$(SUITE).toml --device $(DEVICE) $(OFFLINE) && \
		$(BENCH) report suites/$(SUITE).toml && \
		$(VENV)/bin/python tests/support/readme_table.py; } || failed="$$failed $(SUITE)"; $(told)

report: $(VENV)/.ready  ## Make every report again from its records
	$(BENCH) report $(patsubst reports/%/records.jsonl,suites/%.toml,$(wildcard reports/*/records.jsonl))

lint: $(VENV)/.ready  ## Style and types
	$(VENV)/bin/python -m ruff check .
	$(VENV)/bin/python -m ruff format --check .
	$(VENV)/bin/python -m mypy

tested = OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

test: lint  ## Lint, types and tests
	$(tested)

test-long: $(VENV)/.ready  ## The tests that take long, a quarter of a minute and more: clusters, kills, the README's commands
	$(tested) -m 'long and not slow' tests/smoke tests/unit/{commands,execute,neurons,plugins,speed}

format: $(VENV)/.ready  ## Format the code
	$(VENV)/bin/python -m ruff check --fix .
	$(VENV)/bin/python -m ruff format .
