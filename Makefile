# make study   set up and run the default study    make test   set up and run the tests
# make ui      look at the results                 make check  formatting, lint, types, known vulnerabilities
# make nightly the tests that take minutes

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: study test nightly ui check setup clean

study: setup
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/mlflow run . -e main --env-manager=local

test: setup check
	$(BIN)/python -m pytest -q --numprocesses=auto --dist=worksteal

nightly: setup
	$(BIN)/python -m pytest -q -m nightly

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/python tests/audit.py

ui: setup
	$(BIN)/mlflow ui --host 127.0.0.1 --port 5000

setup: $(READY)
	@$(BIN)/python -m lth.tracking.project.environment

$(READY): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "lth needs Python 3.11 or newer: make PYTHON=python3.12 …")'
	@echo "setting up .venv (torch is large: this can take minutes)"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $(READY)

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache
