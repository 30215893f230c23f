# Every job has one verb; `make help` lists them. Nothing is needed but Python >= 3.11, make and git.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SERVE ?= 1
F ?=

# Two workers for the two cores of our machines. A class or a module stays on one of them, so that what it
# starts for itself (a broker, a server) is started once.
PYTEST := $(BIN)/pytest -n 2 --dist loadscope

.DEFAULT_GOAL := help
.PHONY: help demo test quick check format bench services kafka lock clean

help: ## list these verbs
	@awk -F':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.base ## a year of a customer base through the whole pipeline, then the console (SERVE=0: without)
	$(BIN)/journeys demo $(if $(filter 0,$(SERVE)),--no-serve)

test: check ## everything this machine can run (JOURNEYS_TEST_REQUIRE=all: what it cannot is a failure)
	$(PYTEST)

quick: $(VENV)/.dev ## the tests to run while working, under 3 minutes
	$(PYTEST) -m "not slow"

check: $(VENV)/.dev ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev ## put the code into its one format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.dev ## the performance figures (F=pipeline: one of them)
	$(BIN)/python -m bench $(F)

services: $(VENV)/.dev ## private PostgreSQL, Kafka and mail catcher, until Ctrl-C
	$(BIN)/python -m journeys.services

kafka: $(VENV)/.dev ## fetch the jars of the Kafka broker that tests, benchmarks and services run
	$(BIN)/python -m journeys.services --fetch

lock: $(VENV)/.dev ## pin every dependency anew, for all extras
	$(BIN)/pip-compile --quiet --upgrade --strip-extras --extra dev --unsafe-package retention-journeys \
	  --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
	  --output-file requirements.lock pyproject.toml

clean: ## remove what these verbs made here
	rm -rf $(VENV) .services build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

# The stamps say what has been installed; they are older than the lock or the project file when that has changed.
# All that is needed to run is in .base; .dev adds what tests, benchmarks and private servers need.

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, not " + sys.version)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.base: requirements.lock pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock -e .
	@touch $@

$(VENV)/.dev: requirements.lock pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock -e '.[dev]'
	@touch $@ $(VENV)/.base
