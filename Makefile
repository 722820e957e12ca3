# Everything runs in .venv; nothing but Python >= 3.11, make and the package registries is needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DATA ?= .data
PORT ?= 8470
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Python's byte code is kept, whatever the machine's habit: tests and jobs start the program hundreds of times.
unexport PYTHONDONTWRITEBYTECODE
PIP_INSTALL := $(BIN)/python -m pip install --quiet --require-hashes --no-deps

# Three processes of tests (many of them wait for servers), each file in one of them; WORKERS= for none.
WORKERS ?= --numprocesses 3 --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help install run test test-all lint bench validate docs lock clean

help: ## this list
	@echo "make TARGET, where TARGET is one of"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

install: .install/program .install/viewer ## install Pellucid and its viewer into .venv

.install/environment: requirements/runtime.lock requirements/build.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Pellucid needs Python 3.11 or newer; this is " + sys.version)'
	@echo "Installing Python packages into $(VENV) (about a minute)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP_INSTALL) -r requirements/build.lock
	@$(PIP_INSTALL) -r requirements/runtime.lock
	@mkdir -p .install && touch $@

.install/program: .install/environment pyproject.toml
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

VIEWER_SOURCES := $(shell find viewer -type f -not -path '*/node_modules/*' 2>/dev/null)
.install/viewer: .install/program tools/build_viewer.py $(VIEWER_SOURCES) requirements/viewer.lock
	@$(BIN)/python tools/build_viewer.py --has-node || $(PIP_INSTALL) -r requirements/viewer.lock
	@$(BIN)/python tools/build_viewer.py
	@touch $@

.install/development: .install/program requirements/dev.lock
	@echo "Installing development packages"
	@$(PIP_INSTALL) -r requirements/dev.lock
	@sh tools/install_system_packages.sh
	@touch $@

.install/identity_provider: .install/viewer tools/install_identity_provider.py tests/access/identity_provider/package-lock.json
	@$(BIN)/python tools/install_identity_provider.py
	@touch $@

run: install ## start Pellucid (DATA=folder PORT=number); the first start scans the demonstration patient
	@exec $(BIN)/pellucid demo --data $(DATA) --port $(PORT)

test: .install/development .install/viewer .install/identity_provider ## the tests that every change must pass (ARGS: for pytest)
	@$(BIN)/python -m pytest $(WORKERS) -m "not slow" $(ARGS)

test-all: .install/development .install/viewer .install/identity_provider ## those and the long ones
	@PELLUCID_TESTS=all $(BIN)/python -m pytest $(WORKERS) $(ARGS)

lint: .install/development ## ruff, strict mypy, import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

.bench/environment: requirements/benchmarks.lock
	@mkdir -p .bench
	@test -x .bench/venv/bin/python || $(PYTHON) -m venv .bench/venv
	@.bench/venv/bin/python -m pip install --quiet --require-hashes --no-deps -r requirements/benchmarks.lock
	@sh tools/install_system_packages.sh bart
	@touch $@

bench: .install/development .bench/environment ## Pellucid beside its peers on this machine: docs/benchmarks.md
	@$(BIN)/python -m benchmarks $(ARGS)

validate: .install/development ## every comparison with truth, real data, references and peers: docs/validation.md
	@$(BIN)/python -m validation $(ARGS)

docs: .install/development .install/viewer ## the pictures in docs/, made by the program
	@for script in docs/make_pictures/*.py; do echo $$script; $(BIN)/python $$script || exit 1; done

lock: .install/development ## new exact versions for requirements/*.lock
	@sh tools/lock.sh

clean: ## take away what make installed and built
	rm -rf .venv .install .bench src/pellucid/server/static viewer/node_modules tests/access/identity_provider/node_modules
