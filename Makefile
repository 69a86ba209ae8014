# Everything a contributor types. `make help` lists it; `make check` is what CI runs.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PYTEST_ARGS ?=

.DEFAULT_GOAL := help
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore

.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The stamp is older than pyproject.toml whenever the dependencies may have changed.
$(INSTALLED): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
		|| { echo "exec_tracker needs Python 3.11 or newer, and $(PYTHON) is not: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null \
		|| { echo "$(PYTHON) cannot make virtual environments: install your system's python3-venv package, or make PYTHON=/path/to/another/python" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable . --group dev
	@touch $@

.PHONY: setup
setup: $(INSTALLED) ## make the virtual environment and install everything into it

.PHONY: test
test: $(INSTALLED) ## run all tests (PYTEST_ARGS="-k name" for some)
	$(BIN)/python -m pytest -n auto $(PYTEST_ARGS)

.PHONY: test-fast
test-fast: $(INSTALLED) ## run the tests that are quick, on all processors
	$(BIN)/python -m pytest -m "not slow" -n auto $(PYTEST_ARGS)

.PHONY: test-containers
test-containers: $(INSTALLED) ## run all tests on PostgreSQL in a container, and fail without one
	EXEC_TRACKER_TEST_DATABASE_URL= EXEC_TRACKER_TEST_SERVER=testcontainers $(BIN)/python -m pytest $(PYTEST_ARGS)

.PHONY: test-matrix
test-matrix: $(INSTALLED) ## run the tests on every supported version (CELLS="pg14 py3.13" for some)
	$(BIN)/python -m tests.matrix $(MATRIX_ARGS) $(CELLS) -- $(PYTEST_ARGS)

PROOF_MINUTES ?= 60

.PHONY: proof
proof: $(INSTALLED) ## try every interleaving, crash point and fault (PROOF_MINUTES=60), and write the page
	$(BIN)/python -m proof --minutes $(PROOF_MINUTES)

.PHONY: mutation
mutation: $(INSTALLED) ## change the pure rules in small ways, see their tests notice, and write the page
	$(BIN)/python -m pip install --quiet --group mutation
	$(BIN)/python -m tests.mutation

BENCH_ARGS ?=

.PHONY: bench
bench: $(INSTALLED) ## measure, draw the charts and write the page (BENCH_ARGS="--only fresh")
	$(BIN)/python -m pip install --quiet --group bench
	$(BIN)/python -m benchmarks $(BENCH_ARGS)

.PHONY: demo
demo: $(INSTALLED) ## show what the tracker does, on a database started for it
	$(BIN)/exec-tracker demo

.PHONY: docs
docs: $(INSTALLED) ## build the documentation site into build/site; a warning is an error
	$(BIN)/python -m sphinx -c docs -b html --fresh-env --write-all \
		--nitpicky --fail-on-warning --keep-going --quiet . build/site

.PHONY: lint
lint: $(INSTALLED) ## look for mistakes
	$(BIN)/ruff check .

.PHONY: format
format: $(INSTALLED) ## format the code, and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: format-check
format-check: $(INSTALLED) ## check that the code is formatted
	$(BIN)/ruff format --check .

.PHONY: types
types: $(INSTALLED) ## check the types
	$(BIN)/mypy

.PHONY: floors
floors: $(INSTALLED) ## check that modules import only from floors below them
	$(BIN)/lint-imports

.PHONY: check-code
check-code: lint format-check types floors ## everything of `check` but the tests

.PHONY: check
check: check-code test ## everything CI checks

.PHONY: clean
clean: ## delete what can be made again, the virtual environment included
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
