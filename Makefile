# Two commands do the whole set-up first, then their job:  make demo  and  make test.
# Needed: Python 3.11 or newer with venv. Node.js, PostgreSQL and Redis for the tests come as wheels into .venv.

PYTHON ?= python3
PORT ?= 8080
VENV := .venv
BIN := $(VENV)/bin
DONE := $(VENV)/.installed
# By another name, so that `make -n test` does not run a line because it calls make.
AGAIN := $(MAKE) --no-print-directory
# Three workers for two cores: almost a third of the tests' time is spent on waiting, for timeouts and other processes.
PYTEST := $(BIN)/python -m pytest -n 3 --dist loadgroup

# Some machines forbid Python to keep its bytecode: a hundred processes of the tests would compile everything anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo install test check check-quick check-slow test-ui soak bench types ui lock clean
.NOTPARALLEL:

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ui ## start the demo on http://127.0.0.1:8080 (PORT=9000 for another port), Ctrl-C stops it
	@exec $(BIN)/service-desk demo --port $(PORT)

# The slow checks need one core and no order, so they take what the tests leave over (nice). What they say comes after
# them. The Python tests record snapshots and events into var/recorded, and the browser part's reducer must add up alike.
test: ui ## everything: format, lint, types, arrows, the Python and the browser part's tests
	@$(MAKE) --no-print-directory check-quick
	@rm -rf var/recorded
	@mkdir -p var
	@echo '$(PYTEST) -m "not soak and not bench"'; \
	nice $(AGAIN) check-slow >var/checks.txt 2>&1 & checks=$$!; \
	trap 'kill $$checks 2>/dev/null' INT TERM; \
	$(PYTEST) -m "not soak and not bench"; tested=$$?; \
	wait $$checks; checked=$$?; \
	cat var/checks.txt; \
	exit $$((tested | checked))
	@$(MAKE) --no-print-directory test-ui

check: check-quick check-slow test-ui ## format, lint, types, arrows between packages, the browser part's checks and tests

check-quick: $(DONE)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-logo

check-slow: $(DONE)
	$(BIN)/mypy
	$(BIN)/python tools/node.py check lint

test-ui: $(DONE)
	$(BIN)/python tools/node.py test

soak: $(DONE) ## the long tests: faults, load, search for counterexamples
	$(BIN)/python -m pytest -m soak --timeout 3600

bench: $(DONE) ## measure speed; prints a table and writes var/bench.json
	$(BIN)/python -m benchmarks

types: $(DONE) ## write the browser part's API types anew, after a change of what the server sends or takes
	$(BIN)/service-desk openapi > agent_ui/openapi.json
	$(BIN)/python tools/node.py gen

ui: $(DONE) ## build the browser part again when its sources have changed
	@$(BIN)/python tools/node.py build

install: $(DONE) ## only the set-up: .venv with everything in it

lock: $(DONE) ## write constraints.txt anew from pyproject.toml (uv is put into a folder of its own)
	$(PYTHON) -m venv var/lock && var/lock/bin/pip install --quiet uv
	var/lock/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --extra test \
		--no-annotate --no-header --no-emit-index-url --output-file constraints.txt pyproject.toml
	rm -rf var/lock

clean: ## remove what make and the program left, the demo's data too
	rm -rf $(VENV) var agent_ui/node_modules agent_ui/dist .mypy_cache .ruff_cache .pytest_cache \
		.hypothesis .import_linter_cache

# A file as the sign, with the files that decide what is installed: an unchanged second run costs nothing.
$(DONE): pyproject.toml constraints.txt hatch_build.py tools/node.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "This needs Python 3.11 or newer, and '$(PYTHON)' is $$($(PYTHON) --version 2>&1 | head -n 1)." >&2; \
		echo "Name another one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
		echo "'$(PYTHON) -m venv' failed. On Debian and Ubuntu the part that is missing is a package:" >&2; \
		echo "    apt-get install $$($(PYTHON) -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')" >&2; \
		rm -rf $(VENV); exit 1; }
	@echo "Installing into $(VENV) (about a minute the first time) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	@touch $(DONE)
