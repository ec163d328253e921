# make study   set up and run the default study    make test   set up and run the tests (SEEDS=0,1,2 of the study)
# make ui      look at the results                 make check  formatting, lint, types, known vulnerabilities
# make nightly the tests that take minutes        make matrix the tests with the lowest versions allowed
# make docs    the documentation, as a site
# make house   draw the tree of docs/house.md again  make gpu    what only a GPU shows: right, how fast, how wide
# make lock    write uv.lock anew, with uv           make wheel  build dist/lth-….whl
# make CPU=1 … sets up torch without CUDA, which a machine without an NVIDIA GPU has no use for

PYTHON ?= python3
SEEDS ?= 0,1,2
UV ?= uv
CPU_INDEX ?= https://download.pytorch.org/whl/cpu
BIN := .venv/bin
READY := .venv/.ready
READY_DOCS := .venv/.ready-docs
LOWEST := .venv-lowest

.PHONY: study test pytest nightly matrix ui check docs house gpu lock wheel setup clean

study: setup
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/mlflow run . -e main --env-manager=local -P seeds=$(SEEDS)

# Side by side: types take one process half a minute.
test: setup
	$(MAKE) --no-print-directory --jobs=2 check pytest

pytest: setup
	$(BIN)/python -m pytest -q --numprocesses=auto --dist=worksteal

nightly: setup
	$(BIN)/python -m pytest -q -m nightly

# make test has the latest versions. What old packages warn of is not ours.
matrix: $(LOWEST)/.ready
	$(LOWEST)/bin/python -m pytest -q --numprocesses=auto --dist=loadfile -W default

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/mypy studies benchmarks
	$(BIN)/python tests/audit.py

house: setup
	$(BIN)/python tests/house.py

# Pictures of the gallery are drawn again where their program changed.
GALLERY := $(patsubst examples/gallery/%.py,docs/pictures/%.png,$(filter-out %/__init__.py,$(wildcard examples/gallery/*.py)))

docs: setup $(READY_DOCS) $(GALLERY)
	$(BIN)/sphinx-build -q -W -b html -c docs/site build/docs/source build/docs/html
	@echo "written to build/docs/html/index.html"

docs/pictures/%.png: examples/gallery/%.py
	OMP_NUM_THREADS=1 $(BIN)/python -m examples.gallery.$* $@

$(READY_DOCS): pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	@mkdir -p build/docs/source && touch $@

gpu: setup
	PYTHON=$(BIN)/python bash benchmarks/gpu.sh

ui: setup
	@test -n "$$MLFLOW_TRACKING_URI" || test -e mlflow.db || { echo "lth: no mlflow.db here yet: run make study, or set MLFLOW_TRACKING_URI" >&2; exit 1; }
	$(BIN)/python -m entrypoints.ui

lock:
	$(UV) lock

wheel: setup
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

setup: $(READY)
	@$(BIN)/python -m lth.tracking.project.environment

$(READY): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "lth needs Python 3.11 or newer: make PYTHON=python3.12 …")'
ifdef CPU
	@echo "setting up .venv with the CPU's torch of $(CPU_INDEX) (2 GB: this can take minutes)"
	$(PYTHON) -m venv .venv
	@# Both from there: a torchvision that was built for CUDA can't be imported beside this torch.
	@$(BIN)/python -m pip install --quiet --index-url $(CPU_INDEX) 'torch<3' 'torchvision<1' || { echo "lth: $(CPU_INDEX) has no CPU build of torch and torchvision for this Python: name another index, as in make CPU=1 CPU_INDEX=…, or leave CPU=1 out" >&2; exit 1; }
	$(BIN)/python -m pip freeze | grep '^torch' > .venv/cpu.txt
else
	@echo "setting up .venv (6.5 GB: this can take minutes; where there is no GPU, make CPU=1 takes 2 GB)"
	$(PYTHON) -m venv .venv
endif
	@# compat: a folder called lth beside a program must not hide the package, as it hides setuptools' finder.
	@# Python compiles what it imports; compiling all of 6.5 GB takes 40 s.
	$(BIN)/python -m pip install --quiet --no-compile $(if $(CPU),--constraint .venv/cpu.txt) --config-settings editable_mode=compat --editable '.[dev]'
	@touch $(READY)

# The lowest versions have no wheels for newer Pythons.
$(LOWEST)/.ready: pyproject.toml requirements-lowest.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11) and "the lowest versions need Python 3.11: make matrix PYTHON=python3.11")'
	@echo "setting up $(LOWEST) (torch is large: this can take minutes)"
	$(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet --constraint requirements-lowest.txt --editable '.[dev]'
	@touch $@

clean:
	rm -rf .venv $(LOWEST) .mypy_cache .pytest_cache .ruff_cache
