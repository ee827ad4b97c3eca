# Etholoop. Needs Python 3.11 or later; everything else is set up here, without root.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
EXTRAS ?= dev
PYTEST := $(BIN)/python -m pytest --dist loadgroup

.PHONY: help setup demo test test-failed soak check clean

help:
	@echo "make demo    set up, then run the closed loop on a simulated mouse (two minutes, and the set-up)"
	@echo "make test    set up, then check style, types, imports and run the tests (ten minutes)"
	@echo "make test-failed  the tests that failed last, once more, one at a time"
	@echo "make soak    the long tests"
	@echo "make check   style, types and import contracts only"
	@echo "make clean   remove the virtual environment and caches"

$(VENV)/.setup-done: pyproject.toml
	@echo "== set-up: a virtual environment in $(VENV) with everything Etholoop needs (one to three minutes, once)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Etholoop needs Python 3.11 or later; say PYTHON=/path/to/python3.11 make ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[$(EXTRAS)]"
	@touch $@

setup: $(VENV)/.setup-done

demo: setup
	@echo "== demo: simulate, learn, run the closed loop live, score it against the truth"
	$(BIN)/etholoop demo --out demo/$$(date +%Y-%m-%d_%H-%M-%S)

check: setup
	@echo "== check: style, types, import contracts"
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check
	@echo "== test: the whole suite"
	$(PYTEST) -m "not soak" -n 2

test-failed: check
	@echo "== test-failed: what failed last, one at a time; a test that passes now leaned on the machine's load: mend it"
	$(PYTEST) -m "not soak" -n 0 -v --last-failed --last-failed-no-failures none

soak: setup
	@echo "== soak: the long tests"
	$(PYTEST) -m soak -n 2

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
