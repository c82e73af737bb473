# Everything starts from a fresh clone with Python 3.11 to 3.13 and make: each target makes .venv first, once.

.DEFAULT_GOAL := help
.PHONY: help demo test test-all lint format bench clean

PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null && { echo $$p; break; }; done)
BIN := .venv/bin
PYTEST = $(BIN)/python -m pytest --numprocesses 2 --dist loadscope --no-loadscope-reorder
READY := .venv/.ready

help: ## Show the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "no Python 3.11, 3.12 or 3.13 was found; name one: make PYTHON=/path/to/python" >&2; exit 1; }
	@if [ ! -x $(BIN)/python ]; then \
		if command -v uv >/dev/null; then uv venv --quiet --seed --python "$(PYTHON)" .venv; else "$(PYTHON)" -m venv .venv; fi; fi
	@command -v uv >/dev/null || [ -x $(BIN)/uv ] || $(BIN)/python -m pip install --quiet uv
	PATH="$(CURDIR)/$(BIN):$$PATH" uv pip install --quiet --compile-bytecode --python $(BIN)/python \
		--constraint constraints.txt --group dev --editable '.[all]'
	@touch $@

demo: $(READY) ## Serve a model on Ray Serve with monitors, drift it, and show what they say
	$(BIN)/python examples/rayserve/demo.py

test: $(READY) ## Run the tests, without those that take long
	$(PYTEST) -m "not slow"

test-all: $(READY) ## Run all tests
	$(PYTEST)

lint: $(READY) ## Check style and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(READY) ## Put style right
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(READY) ## Measure speed side by side with peers
	@for script in benchmarks/bench_*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

clean: ## Remove what was made, .venv too
	rm -rf .venv dist build site .mypy_cache .ruff_cache .pytest_cache .hypothesis
