# graphflow: one command for each task; `make help` lists them.
#
# Everything is installed into $(VENV), which is made on first use, and nothing outside it. A file in $(VENV) marks each
# set of packages as installed, so a second call starts at once; a changed pyproject.toml installs again.
#
#   PYTHON=python3.12 make test     use this interpreter (3.11 or newer) for a new environment
#   make test PYTEST_ARGS="-k cse"  pass arguments to pytest
#   make test JOBS=4                run tests in so many processes; JOBS=0 runs them in one, for a debugger

VENV ?= .venv
JOBS ?= 2
PYTEST_ARGS ?=
DEMO_ARGS ?=
BENCH_ARGS ?=

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# --dist loadfile: the tests of one file share its costly fixtures, such as the built wheel
PYTEST := $(BIN)/python -m pytest -n $(JOBS) --dist loadfile

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test quick lint format fuzz bench docs clean distclean

help: ## list the tasks
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.installed-demo ## install what the demo needs and run it
	$(BIN)/graphflow demo $(DEMO_ARGS)

test: lint ## lint, check types and run every test
	$(PYTEST) $(PYTEST_ARGS)

quick: $(VENV)/.installed-dev ## run the tests that take no more than a few seconds
	$(PYTEST) -m "not slow" $(PYTEST_ARGS)

lint: $(VENV)/.installed-dev ## check lint rules, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed-dev ## format the code and apply safe fixes
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

fuzz: $(VENV)/.installed-dev ## search for counterexamples, at length and from fresh seeds
	HYPOTHESIS_PROFILE=long $(PYTEST) -m "slow or not slow" $(PYTEST_ARGS)

bench: $(VENV)/.installed-dev ## measure against plain NumPy and other libraries
	$(BIN)/python -m benchmarks $(BENCH_ARGS)

docs: $(VENV)/.installed-docs ## build the documentation into site/
	$(BIN)/mkdocs build --strict

clean: ## remove what builds and tests leave behind
	rm -rf build dist site out htmlcov .coverage *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -path './$(VENV)' -prune -o -name __pycache__ -type d -exec rm -rf {} +

distclean: clean ## remove the environment too
	rm -rf $(VENV)

$(VENV)/.installed-%: pyproject.toml | $(BIN)/python
	@echo "installing graphflow with its '$*' packages into $(VENV)"
	$(PIP) install --quiet --editable '.[$*]'
	@touch $@

# Debian ships venv without ensurepip unless python3-venv is installed: there the environment is made without pip, and
# the system's pip puts one in.
$(BIN)/python:
	@for candidate in $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11); do \
	    if $$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	        python=$$candidate; break; \
	    fi; \
	done; \
	if [ -z "$$python" ]; then \
	    echo "graphflow needs Python 3.11 or newer; none of these is: $(or $(PYTHON),python3, python3.11 ... python3.14)." >&2; \
	    echo "Install one (Debian: apt-get install python3 python3-venv) or name it: PYTHON=/path/to/python make ..." >&2; \
	    exit 1; \
	fi; \
	echo "making $(VENV) with $$($$python --version)"; \
	$$python -m venv $(VENV) >/dev/null 2>&1 \
	    || { $$python -m venv --without-pip $(VENV) >/dev/null 2>&1 \
	         && $$python -m pip --quiet --disable-pip-version-check --python $(BIN)/python install pip; } \
	    || { rm -f $(BIN)/python; \
	         echo "$$python can make no environment: it has neither ensurepip nor a pip of 22.3 or newer." >&2; \
	         echo "Debian and Ubuntu: apt-get install python3-venv. Then run make again." >&2; \
	         exit 1; }
